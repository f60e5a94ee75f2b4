//! users.csv on disk: read by whoever may, changed by one at a time, never half written.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

use crate::core::config::Problem;
use crate::core::roster::Roster;
use crate::core::users::FILE;
use crate::files;
use crate::home::Home;

/// Why users.csv was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// It is no good as it is.
    #[error("users.csv has problems:{}", .0.iter().map(|problem| format!("\n  {problem}")).collect::<String>())]
    Bad(Vec<Problem>),
    /// What was asked for cannot be.
    #[error("{0}")]
    Refused(String),
    /// The file system's.
    #[error("failed to change users.csv")]
    Io(#[from] io::Error),
}

fn problem(text: String) -> Vec<Problem> {
    vec![Problem { file: FILE.into(), line: None, key: String::new(), text }]
}

/// The file, its text and its mode; `None` where there is none.
fn load(home: &Home) -> io::Result<Option<(File, String, u32)>> {
    let mut file = match File::open(home.users()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    let mode = file.metadata()?.permissions().mode() & 0o777;
    Ok(Some((file, text, mode)))
}

/// Whether others than its owner can read, or change, a file of this mode.
fn is_open(mode: u32) -> bool {
    mode & 0o077 != 0
}

/// Reads the list; `None` where there is none.
///
/// # Errors
/// Every [`Problem`] of it. One that holds passwords, or hashes of them, and that others than its owner may read is one.
pub fn read(home: &Home) -> Result<Option<Roster>, Vec<Problem>> {
    let (_, text, mode) = match load(home) {
        Ok(Some(loaded)) => loaded,
        Ok(None) => return Ok(None),
        Err(error) => return Err(problem(format!("cannot be read: {error}"))),
    };
    let roster = Roster::parse(&text)?;
    if roster.has_secrets() && is_open(mode) {
        return Err(problem(format!(
            "holds passwords, and others than its owner can read it (mode {mode:o}): chmod 600 {FILE}"
        )));
    }
    Ok(Some(roster))
}

/// Takes the list away from everybody but its owner, where it holds passwords and others may read it. Returns whether they could: whoever reads
/// such a list goes on, and says so, rather than keep a competition from running over a mode.
///
/// # Errors
/// Those of the file system, when the file is somebody else's.
pub fn close(home: &Home) -> io::Result<bool> {
    let Some((file, text, mode)) = load(home)? else { return Ok(false) };
    let is_open = is_open(mode) && Roster::parse(&text).is_ok_and(|roster| roster.has_secrets());
    if is_open {
        file.set_permissions(fs::Permissions::from_mode(mode & 0o700))?;
    }
    Ok(is_open)
}

/// Changes the list under a lock, so that two changes at once are both in it. Mode and owner stay; a list that was not there is its owner's
/// alone. Nothing is written where nothing changed.
///
/// # Errors
/// [`ListError`]; the file is then as it was.
pub fn change<T>(home: &Home, edit: impl FnOnce(&mut Roster) -> Result<T, String>) -> Result<T, ListError> {
    // The folder's lock, for the file itself is replaced.
    let folder = File::open(home.root())?;
    flock(&folder, FlockOperation::LockExclusive).map_err(io::Error::from)?;
    let before = read(home).map_err(ListError::Bad)?;
    let mut roster = before.clone().unwrap_or_default();
    let outcome = edit(&mut roster).map_err(ListError::Refused)?;
    if before.as_ref() != Some(&roster) {
        write(&home.users(), &roster.text())?;
    }
    Ok(outcome)
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    // Where the name is a link, what it leads to is replaced.
    let path = match path.canonicalize() {
        Ok(path) => path,
        Err(error) if error.kind() == io::ErrorKind::NotFound => path.to_owned(),
        Err(error) => return Err(error),
    };
    let before = fs::metadata(&path).ok();
    let mode = before.as_ref().map_or(0o600, |meta| meta.permissions().mode() & 0o777);
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut temporary = tempfile::Builder::new().prefix(files::TEMPORARY).tempfile_in(folder)?;
    io::Write::write_all(&mut temporary, text.as_bytes())?;
    let file = temporary.as_file();
    if let Some(meta) = before {
        let new = file.metadata()?;
        if (new.uid(), new.gid()) != (meta.uid(), meta.gid()) {
            fchown(file, Some(meta.uid()), Some(meta.gid()))?;
        }
    }
    file.set_permissions(fs::Permissions::from_mode(mode))?;
    file.sync_all()?;
    temporary.persist(&path).map_err(|error| error.error)?;
    files::sync_folder(folder)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::password::Password;
    use crate::core::users::Role;

    fn home() -> (tempfile::TempDir, Home) {
        let folder = tempfile::tempdir().expect("a folder");
        let home = Home::at(folder.path()).expect("a home");
        (folder, home)
    }

    fn put(home: &Home, text: &str, mode: u32) {
        fs::write(home.users(), text).expect("written");
        fs::set_permissions(home.users(), fs::Permissions::from_mode(mode)).expect("set");
    }

    #[test]
    fn secrets_that_others_can_read_are_refused() {
        let (_folder, home) = home();
        assert_eq!(read(&home), Ok(None));
        for mode in [0o640, 0o604, 0o644, 0o620, 0o666] {
            put(&home, "username,password,role\nal,hunter2,student\n", mode);
            let problems = read(&home).expect_err("refused");
            assert!(
                problems[0].text.contains("chmod 600") && !problems[0].to_string().contains("hunter2"),
                "{problems:?}"
            );
            // What holds no secret is nobody's secret.
            put(&home, "username,password,role\nal,,student\n", mode);
            assert!(read(&home).is_ok());
        }
        put(&home, "username,password,role\nal,hunter2,student\n", 0o600);
        assert!(read(&home).is_ok());
        put(&home, "username,password,role\nal,hunter2,student\n", 0o400);
        assert!(read(&home).is_ok());
    }

    #[test]
    fn changes_at_once_are_all_made_and_the_mode_stays() {
        let (_folder, home) = home();
        std::thread::scope(|scope| {
            for i in 0..8 {
                let home = &home;
                scope.spawn(move || {
                    let name = format!("s{i}").parse().expect("a name");
                    change(home, |roster| roster.add(name, Password::Plain("x1".into()), Role::Student))
                        .expect("added");
                });
            }
        });
        assert_eq!(read(&home).expect("good").expect("there").rows().len(), 8);
        let mode = || fs::metadata(home.users()).expect("there").permissions().mode() & 0o777;
        assert_eq!(mode(), 0o600);
        fs::set_permissions(home.users(), fs::Permissions::from_mode(0o400)).expect("set");
        change(&home, |roster| Ok(roster.remove(&"s0".parse().expect("a name")))).expect("removed");
        assert_eq!(mode(), 0o400);
        let text = fs::read_to_string(home.users()).expect("read");
        assert!(matches!(change(&home, |_| Err::<(), _>("no".into())), Err(ListError::Refused(_))));
        assert_eq!(fs::read_to_string(home.users()).expect("read"), text);
        assert_eq!(fs::read_dir(home.root()).expect("list").count(), 1, "no temporary file is left");
    }
}
