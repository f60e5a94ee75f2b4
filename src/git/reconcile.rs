//! What a hook missed that was killed between the change of the branch and the inbox: found again, and taken in once.

use std::fs;

use super::command::{self, Repository};
use super::identity::{Oid, Secret};
use super::{Door, GitError, failed, locks, push};
use crate::core::ids::UserName;
use crate::core::view::StateName;
use crate::files;

/// What a look at every repository found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Submissions that had been missed and are in the inbox now.
    pub taken: Vec<String>,
    /// Repositories that could not be looked at, and why.
    pub failed: Vec<String>,
}

/// Looks at every user's repository. One that is pushed to at the moment is left to that push.
///
/// # Errors
/// [`GitError`]: git/ cannot be read, or git is not installed.
pub fn reconcile(door: &Door) -> Result<Found, GitError> {
    let mut found = Found::default();
    let entries = match fs::read_dir(door.home.git()) {
        Ok(entries) => entries,
        // Nobody has pushed yet.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(found),
        Err(error) => return Err(failed("read git/")(error)),
    };
    let mut users: Vec<UserName> =
        entries.flatten().filter_map(|entry| entry.file_name().to_str()?.strip_suffix(".git")?.parse().ok()).collect();
    users.sort();
    if !users.is_empty() {
        command::check(door)?;
    }
    for user in users {
        let one = || match locks::try_receiving(door, &user)? {
            Some(_lock) => missed(&Repository::of(door, &user), &user),
            None => Ok(Vec::new()),
        };
        match one() {
            Ok(taken) => found.taken.extend(taken),
            Err(error) => found.failed.push(format!("{user}: {}", crate::core::text::chain(&error))),
        }
    }
    Ok(found)
}

/// Takes in what was missed in one user's repository. Only for whoever has the lock on receiving.
pub(super) fn missed(repository: &Repository<'_>, user: &UserName) -> Result<Vec<String>, GitError> {
    let door = repository.door;
    if door.check_folder(user).is_err() {
        // No user any more.
        return Ok(Vec::new());
    }
    files::remove_temporary(&door.home.pushed(user), 1).map_err(failed("remove what a killed hook left"))?;
    let Some(head) = repository.head()? else { return Ok(Vec::new()) };
    if is_taken(repository, &head) {
        return Ok(Vec::new());
    }
    let picks = match repository.picks(&head) {
        // It was pushed under other settings, and is no submission under these.
        Err(GitError::Refused(_)) => return Ok(Vec::new()),
        picks => picks?,
    };
    let secret = Secret::of(&door.home)?;
    let mut taken = Vec::new();
    for picked in picks {
        let name = push::name(&secret, user, &head, &picked)?;
        // What was taken, and whatever became of it, was not missed. What was refused may have been pushed again since, as a push itself would take
        // it; at worst, where the hook was killed after its last step, it is refused a second time.
        let known = door.status(&name.id).is_some_and(|status| status.state != StateName::Rejected);
        if !known && !door.lies(&name) {
            door.deliver(&name, &picked.bytes)?;
            taken.push(format!("{user}: {} of commit {}", picked.source.path, head.short()));
        }
    }
    files::replace(&repository.taken(), head.as_str().as_bytes(), 0o600)
        .map_err(failed("note that it was taken in"))?;
    Ok(taken)
}

/// Whether the commit is the one that was dealt with last.
fn is_taken(repository: &Repository<'_>, head: &Oid) -> bool {
    fs::read_to_string(repository.taken()).is_ok_and(|taken| taken == head.as_str())
}
