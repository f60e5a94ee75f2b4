//! Takes a program's output into a file, up to a bound.
//!
//! It never holds more than a buffer of it in memory, and does not know whose output it is or what becomes of the
//! program when the bound is passed: it says so.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio_util::sync::CancellationToken;

/// As much as a pipe holds.
const BUFFER: usize = 64 << 10;

/// A new file in a run's folder that keeps at most so many bytes.
#[derive(Debug)]
pub(super) struct Kept {
    file: File,
    cap: u64,
    /// Bytes kept.
    pub(super) bytes: u64,
    /// Whether there was more than that.
    pub(super) over: bool,
}

impl Kept {
    /// # Errors
    /// The file exists, or cannot be made.
    pub(super) fn create(path: &Path, cap: u64) -> io::Result<Self> {
        Ok(Self { file: create(path)?, cap, bytes: 0, over: false })
    }

    /// Keeps what there is room for.
    ///
    /// # Errors
    /// Of writing the file.
    pub(super) fn keep(&mut self, bytes: &[u8]) -> io::Result<()> {
        let room = usize::try_from(self.cap - self.bytes).unwrap_or(usize::MAX);
        let kept = &bytes[..bytes.len().min(room)];
        // A page cache takes this without waiting but for a disk that cannot keep up, and then it is right to wait.
        self.file.write_all(kept)?;
        self.bytes += kept.len() as u64;
        self.over |= kept.len() < bytes.len();
        Ok(())
    }

    /// Reads to the end of the stream; cancels `over` at the first byte beyond the cap.
    ///
    /// It goes on reading then: a stream that is closed early makes its writer complain, in another stream that is
    /// kept.
    ///
    /// # Errors
    /// Of reading, or of writing the file.
    pub(super) async fn drain(mut self, mut from: impl AsyncRead + Unpin, over: CancellationToken) -> io::Result<Self> {
        let mut buffer = vec![0; BUFFER];
        loop {
            let n = from.read(&mut buffer).await?;
            if n == 0 {
                return Ok(self);
            }
            self.keep(&buffer[..n])?;
            if self.over {
                over.cancel();
            }
        }
    }
}

/// A new file that the user of another sandbox can read: an answer is what an evaluator is given to read. The folder
/// around it is closed.
pub(super) fn create(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o644).open(path)?;
    // The umask of the daemon must not decide whether an evaluator can read it.
    file.set_permissions(Permissions::from_mode(0o644))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn check(input: &'static [u8], cap: u64, kept: &[u8], is_over: bool) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("stdout");
        let over = CancellationToken::new();
        let done = Kept::create(&path, cap).expect("create").drain(input, over.clone()).await.expect("drain");
        assert_eq!((done.bytes, done.over, over.is_cancelled()), (kept.len() as u64, is_over, is_over));
        assert_eq!(std::fs::read(&path).expect("read"), kept);
    }

    #[tokio::test]
    async fn the_cap_itself_is_allowed_and_one_byte_more_is_not() {
        check(b"", 0, b"", false).await;
        check(b"x", 0, b"", true).await;
        check(b"12345", 5, b"12345", false).await;
        check(b"123456", 5, b"12345", true).await;
    }
}
