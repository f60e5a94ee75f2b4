//! The id of a pushed submission: the same for the same commit, file and user, and known to nobody who knows only those.

use std::fmt;
use std::fs;
use std::io;
use std::str::FromStr;

use super::{GitError, failed};
use crate::core::digest::{Digest, Hasher};
use crate::core::ids::{SubmissionId, UserName};
use crate::files;
use crate::home::Home;
use crate::random;

/// The name of an object: 40 hexadecimal digits, or 64 in a repository of SHA-256.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Oid(String);

impl Oid {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// As people write it.
    pub(super) fn short(&self) -> &str {
        &self.0[..10]
    }

    /// The one that stands for no object.
    pub(super) fn is_zero(&self) -> bool {
        self.0.bytes().all(|b| b == b'0')
    }
}

impl FromStr for Oid {
    type Err = GitError;
    fn from_str(text: &str) -> Result<Self, GitError> {
        let good = matches!(text.len(), 40 | 64) && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if good {
            Ok(Self(text.into()))
        } else {
            Err(GitError::Refused("git named an object in a way that is not known here.".into()))
        }
    }
}

impl fmt::Display for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What this home's ids are derived from, besides what others may know.
pub(super) struct Secret([u8; Secret::LENGTH]);

impl Secret {
    const LENGTH: usize = 32;

    /// The secret of a home; made when there is none.
    pub(super) fn of(home: &Home) -> Result<Self, GitError> {
        let path = home.git().join("secret");
        let io = || failed(format!("use {}", path.display()));
        for _ in 0..2 {
            match fs::read(&path) {
                Ok(bytes) => {
                    let short = |_| io::Error::other("it is not 32 bytes long; restore it from a backup");
                    return Ok(Self(bytes.try_into().map_err(short).map_err(io())?));
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(io()(error)),
            }
            Self::make(home).map_err(io())?;
        }
        Err(io()(io::ErrorKind::NotFound.into()))
    }

    /// Whole or not at all, and never over another one that was made at the same time.
    fn make(home: &Home) -> io::Result<()> {
        files::create(&home.git().join("secret"), &random::bytes::<{ Self::LENGTH }>()?, 0o600).map(|_| ())
    }

    /// The id of one file of one commit of one user.
    pub(super) fn id(&self, user: &UserName, commit: &Oid, path: &str) -> Result<SubmissionId, GitError> {
        let mut hasher = Hasher::default();
        // None of them has a NUL in it.
        for part in ["podium git 1", user.as_str(), commit.as_str(), path] {
            hasher.update(part.as_bytes());
            hasher.update(&[0]);
        }
        let known = hasher.finish().to_string();
        // The secret on both sides: nothing can be hung on behind.
        let keyed = Digest::of(&[&self.0, known.as_bytes(), &self.0].concat());
        let hex = keyed.to_string();
        // A UUID of version 8, RFC 9562: 122 bits of one's own.
        let variant = ["8", "9", "a", "b"][usize::from(hex.as_bytes()[32]) % 4];
        let text =
            format!("{}-{}-8{}-{variant}{}-{}", &hex[..8], &hex[8..12], &hex[12..15], &hex[15..18], &hex[18..30]);
        text.parse().map_err(|error| failed("derive an id")(io::Error::other(error)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_depends_on_secret_user_commit_and_path_and_on_nothing_else() {
        let user = |name: &str| name.parse::<UserName>().expect("a name");
        let commit = |digit: &str| digit.repeat(40).parse::<Oid>().expect("an oid");
        let id = |secret: u8, name: &str, digit: &str, path: &str| {
            Secret([secret; 32]).id(&user(name), &commit(digit), path).expect("an id").to_string()
        };
        let first = id(1, "alice", "a", "solution.py");
        assert_eq!(first, id(1, "alice", "a", "solution.py"));
        for other in [
            id(2, "alice", "a", "solution.py"),
            id(1, "bob", "a", "solution.py"),
            id(1, "alice", "b", "solution.py"),
            id(1, "alice", "a", "solution.sh"),
        ] {
            assert_ne!(first, other);
        }
        assert_eq!(&first[14..15], "8");
        assert!("89ab".contains(&first[19..20]));
    }

    #[test]
    fn the_secret_is_made_once_and_for_its_owner_only() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a folder");
        let home = Home::at(folder.path()).expect("a home");
        fs::create_dir(home.git()).expect("made");
        let first = Secret::of(&home).expect("made");
        assert_eq!(Secret::of(&home).expect("read").0, first.0);
        let mode = fs::metadata(home.git().join("secret")).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        fs::write(home.git().join("secret"), "short").expect("written");
        assert!(Secret::of(&home).is_err());
    }

    #[test]
    fn what_is_no_name_of_an_object_is_none() {
        for bad in ["", "HEAD", "--all", &"A".repeat(40), &"a".repeat(41), &format!("{}\n", "a".repeat(39))] {
            assert!(bad.parse::<Oid>().is_err(), "{bad:?}");
        }
        assert!("0".repeat(64).parse::<Oid>().expect("zero").is_zero());
    }
}
