//! Random bytes, of the kernel's: a static program in a folder without `/dev` has them too.

use std::io;

use rustix::rand::{GetRandomFlags, getrandom};

/// So many of them.
///
/// # Errors
/// When the kernel has none.
pub fn bytes<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    let mut filled = 0;
    while filled < N {
        filled += getrandom(&mut bytes[filled..], GetRandomFlags::empty())?;
    }
    Ok(bytes)
}
