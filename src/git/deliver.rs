//! Into the inbox: a hidden name first, then a rename, so that the daemon sees a file whole or not at all.

use std::fs;

use super::{Door, GitError, failed};
use crate::core::ids::UserName;
use crate::core::submission::FileName;
use crate::files;

/// Files of one user that may wait for the daemon. It takes them in within a second, where there is one.
const MOST_WAITING: usize = 20;

impl Door {
    /// Makes sure that somebody is a user of this home: whoever may submit has a folder.
    pub(super) fn check_folder(&self, user: &UserName) -> Result<(), GitError> {
        let missing = || {
            let why = format!("{user} cannot push here yet: there is no folder inbox/{user}/git/.");
            GitError::Refused(format!("{why} Tell your instructor, who makes it with `podium users provision`."))
        };
        let meta = fs::symlink_metadata(self.home.pushed(user)).map_err(|_| missing())?;
        if meta.is_dir() { Ok(()) } else { Err(missing()) }
    }

    /// Refuses where the daemon has not taken in what was pushed before.
    pub(super) fn check_room(&self, user: &UserName) -> Result<(), GitError> {
        let folder = self.home.pushed(user);
        let entries = fs::read_dir(&folder).map_err(failed(format!("read inbox/{user}/git/")))?;
        if entries.take(MOST_WAITING).count() < MOST_WAITING {
            return Ok(());
        }
        Err(GitError::Refused(format!(
            "{MOST_WAITING} files that you pushed have not been taken in yet; perhaps no daemon runs. Push again later."
        )))
    }

    /// Puts a submission into its user's folder. One that lies there already is left as it is: its name says its content.
    pub(super) fn deliver(&self, name: &FileName, bytes: &[u8]) -> Result<(), GitError> {
        let path = self.home.pushed(&name.user).join(name.to_string());
        let delivered = files::create(&path, bytes, 0o640);
        delivered.map(|_| ()).map_err(failed(format!("put a file into inbox/{}/git/", name.user)))
    }

    /// Whether a submission lies in its user's folder.
    pub(super) fn lies(&self, name: &FileName) -> bool {
        self.home.pushed(&name.user).join(name.to_string()).symlink_metadata().is_ok()
    }
}
