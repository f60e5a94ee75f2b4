//! Public keys, `keys/<user>.pub` in the home: one a line, as `ssh-keygen` writes them. Options that a line might bring are refused: what a key
//! may do is said by provisioning alone.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::public_key;
use crate::core::config::Problem;
use crate::core::ids::UserName;

/// A file is no longer.
const MOST_BYTES: u64 = 64 << 10;

/// A public key, without its comment.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key(String);

impl Key {
    /// Its kind and its bytes in base64, as authorized_keys has them.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0
    }
}

/// Everybody's keys.
pub type Keys = BTreeMap<UserName, Vec<Key>>;

/// Reads the keys of these users.
///
/// # Errors
/// Every [`Problem`], a key that two users have among them: by it nobody could tell them apart.
pub fn read<'a>(folder: &Path, users: impl IntoIterator<Item = &'a UserName>) -> Result<Keys, Vec<Problem>> {
    let (mut keys, mut owners, mut problems) = (Keys::new(), BTreeMap::<Key, UserName>::new(), Vec::new());
    for user in users {
        let file = format!("keys/{user}.pub");
        let mut complain = |line: Option<usize>, text: String| {
            problems.push(Problem { file: file.clone(), line, key: String::new(), text });
        };
        let text = match text_of(&folder.join(format!("{user}.pub"))) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => {
                complain(None, format!("cannot be read: {error}"));
                continue;
            }
        };
        for (index, line) in text.lines().enumerate() {
            match parse(line) {
                Ok(None) => {}
                Ok(Some(key)) => {
                    if let Some(owner) = owners.insert(key.clone(), user.clone())
                        && owner != *user
                    {
                        complain(
                            Some(index + 1),
                            format!("this key is {owner}'s already; everybody needs one of their own"),
                        );
                    }
                    keys.entry(user.clone()).or_default().push(key);
                }
                Err(why) => complain(Some(index + 1), why.into()),
            }
        }
    }
    if problems.is_empty() { Ok(keys) } else { Err(problems) }
}

/// Files of keys that let nobody in, for their name is no listed user's; in the order of their names.
#[must_use]
pub fn of_nobody<'a>(folder: &Path, users: impl IntoIterator<Item = &'a UserName>) -> Vec<String> {
    let listed: BTreeSet<String> = users.into_iter().map(|user| format!("{user}.pub")).collect();
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<_> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.retain(|name| !name.starts_with('.') && !listed.contains(name));
    names.sort();
    names
}

fn text_of(path: &Path) -> io::Result<String> {
    let file = File::open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    let mut text = String::new();
    file.take(MOST_BYTES + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MOST_BYTES { Err(io::Error::other("it is longer than 64 KiB")) } else { Ok(text) }
}

/// A line: a key, or nothing where it is empty or a comment.
fn parse(line: &str) -> Result<Option<Key>, &'static str> {
    if line.chars().any(|c| c.is_control() && c != '\t') {
        return Err("this line has a control character in it");
    }
    let mut words = line.split_ascii_whitespace();
    let Some(kind) = words.next() else { return Ok(None) };
    if kind.starts_with('#') {
        return Ok(None);
    }
    if kind == "-----BEGIN" {
        return Err(
            "this is a PRIVATE key: take it away, and have its owner make a new one. The public one ends in .pub",
        );
    }
    if !public_key::is_known(kind) {
        return Err("this line does not begin with a kind of key, such as ssh-ed25519; options are not taken");
    }
    let bytes = words.next().unwrap_or_default();
    public_key::check(kind, bytes)?;
    Ok(Some(Key(format!("{kind} {bytes}"))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ0DIFfSAXqpuvHSoHCdbIaQUAK3+PCTcuvDjXgpHwX5";

    #[test]
    fn keys_come_without_options_and_comments() {
        assert_eq!(parse(&format!("{KEY} mira@laptop\"")), Ok(Some(Key(KEY.into()))));
        assert_eq!((parse("  "), parse("# mine")), (Ok(None), Ok(None)));
        for bad in [
            &format!("command=\"sh\" {KEY}"),
            &format!("restrict {KEY}"),
            "ssh-ed25519 AAAA",
            "ssh-dss AAAAB3NzaC1kc3MAAACBAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ0DIFfSAXqpuvHSoHCdbIa\u{1b}QUAK3",
            "-----BEGIN OPENSSH PRIVATE KEY-----",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn one_key_is_one_person() {
        let folder = tempfile::tempdir().expect("a folder");
        let users: Vec<UserName> = ["al", "bo", "cy"].iter().map(|name| name.parse().expect("a name")).collect();
        fs::write(folder.path().join("al.pub"), format!("{KEY} one\r\n")).expect("written");
        assert!(read(folder.path(), &users).expect("good").contains_key(&users[0]));
        fs::write(folder.path().join("bo.pub"), format!("\n{KEY} two\n")).expect("written");
        let problems = read(folder.path(), &users).expect_err("one key of two");
        assert_eq!((problems[0].file.as_str(), problems[0].line), ("keys/bo.pub", Some(2)), "{problems:?}");
    }
}
