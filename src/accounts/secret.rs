//! New passwords, and the hash that is kept of one.

use std::io;

use yescrypt::{PasswordHasher, Yescrypt};

use crate::random;

/// Letters and digits that nobody takes for another: no `i`, `l`, `o`, `0`, `1`.
const ALPHABET: &[u8; 31] = b"abcdefghjkmnpqrstuvwxyz23456789";
/// Three groups of five: 15 letters of 31 are 74 bits.
const GROUPS: usize = 3;
const GROUP: usize = 5;
/// The most that a byte may be so that each letter is as likely as any other.
const FAIR: u8 = 248;

/// A random password that can be read off paper and typed: `k7mqp-3xwrt-9hzbe`.
///
/// # Errors
/// When the kernel has no random numbers.
pub fn new_password() -> io::Result<String> {
    let mut letters = String::new();
    while letters.len() < GROUPS * GROUP {
        let fair = random::bytes::<32>()?.into_iter().filter(|byte| *byte < FAIR);
        letters.extend(fair.map(|byte| char::from(ALPHABET[usize::from(byte) % ALPHABET.len()])));
    }
    let groups: Vec<_> = (0..GROUPS).map(|group| &letters[group * GROUP..(group + 1) * GROUP]).collect();
    Ok(groups.join("-"))
}

/// The hash of a password as crypt(3) writes it: yescrypt with the parameters that Debian's `passwd` takes, which is what sshd expects to find.
///
/// # Errors
/// When the kernel has no random numbers.
pub fn hash(password: &str) -> io::Result<String> {
    let hash = Yescrypt::default().hash_password_with_salt(password.as_bytes(), &random::bytes::<16>()?);
    hash.map(|hash| hash.to_string()).map_err(|error| io::Error::other(format!("yescrypt: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::password::Password;
    use std::collections::BTreeSet;

    #[test]
    fn passwords_are_long_legible_and_never_twice() {
        let many: BTreeSet<_> = (0..1000).map(|_| new_password().expect("random")).collect();
        assert_eq!(many.len(), 1000);
        let bits = (GROUPS * GROUP) as f64 * (ALPHABET.len() as f64).log2();
        assert!(bits >= 60.0, "{bits}");
        let used: BTreeSet<char> = many.iter().flat_map(|password| password.chars()).filter(|c| *c != '-').collect();
        assert_eq!(used.len(), ALPHABET.len(), "{used:?}");
        assert!(many.iter().all(|password| password.len() == 17 && !password.contains(['i', 'l', 'o', '0', '1'])));
    }

    /// A login by a real sshd says the same: `tests/sftp/access.rs`.
    #[test]
    fn hashes_are_those_of_crypt() {
        let one = hash("secret").expect("hashed");
        assert!(one.starts_with("$y$j9T$") && one.len() == 73, "{one}");
        assert_ne!(one, hash("secret").expect("hashed"), "a salt of its own");
        assert!(matches!(Password::parse(&one), Ok(Password::Hash(_))));
    }
}
