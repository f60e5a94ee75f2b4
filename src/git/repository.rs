//! A user's own repository: made at the first push, kept in order, never larger than its bound.

use std::fs;
use std::io;
use std::path::Path;
use std::process::Stdio;

use super::command::{Repository, git};
use super::{Door, GitError, failed};
use crate::core::ids::UserName;
use crate::files;

/// More packs than this are made one: each push leaves one.
const MOST_PACKS: usize = 50;
/// What a lock or a half of a push is called that a killed git left.
const LEFTOVERS: [&str; 4] = ["tmp_objdir-", "incoming-", "tmp_", ".tmp-"];

impl<'a> Repository<'a> {
    /// A user's own.
    pub(super) fn of(door: &'a Door, user: &UserName) -> Self {
        Self { door, path: door.home.repository(user), quarantined: false }
    }

    /// Makes it where there is none, and puts it in order. Only for whoever has the lock on receiving. Returns whether it had grown beyond
    /// its bound and begins anew.
    pub(super) fn prepare(&self) -> Result<bool, GitError> {
        if !self.path.exists() {
            return self.make().map(|()| false);
        }
        let what = || failed(format!("tidy up {}", self.path.display()));
        remove_leftovers(&self.path).map_err(what())?;
        let packs = fs::read_dir(self.path.join("objects/pack")).map_or(0, |entries| {
            entries.flatten().filter(|entry| entry.path().extension().is_some_and(|ending| ending == "pack")).count()
        });
        let full = |size: u64| size > self.door.largest_repository() / 2;
        if packs > MOST_PACKS || full(size(&self.path)) {
            // Everything that the branch does not lead to goes. Should it fail, the bound below still holds.
            let repack = ["repack", "-a", "-d", "-q"];
            let _ = self.git(&repack).stdout(Stdio::null()).stderr(Stdio::null()).status();
        }
        if full(size(&self.path)) {
            // It is a copy of what the user has: what was submitted lies in results/, and is known by its id.
            fs::remove_dir_all(&self.path).map_err(what())?;
            return self.make().map(|()| true);
        }
        Ok(false)
    }

    /// Whole or not at all.
    fn make(&self) -> Result<(), GitError> {
        let what = || failed(format!("make the repository {}", self.path.display()));
        let new = self.path.with_extension("new");
        files::empty_folder(&new).map_err(what())?;
        let branch = format!("--initial-branch={}", self.door.git.branch);
        let made = git(self.door)
            .args(["init", "--quiet", "--bare", "--template=", &branch, "--"])
            .arg(&new)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .status()
            .map_err(what())?;
        if !made.success() {
            return Err(what()(io::Error::other("git init failed")));
        }
        fs::rename(&new, &self.path).map_err(what())?;
        files::sync_folder(&self.door.home.git()).map_err(what())
    }
}

/// How much a folder holds, in bytes.
fn size(folder: &Path) -> u64 {
    let files = walkdir::WalkDir::new(folder).into_iter().flatten();
    files.filter_map(|entry| entry.metadata().ok()).filter(fs::Metadata::is_file).map(|meta| meta.len()).sum()
}

/// Removes what a git that was killed left: halves of pushes, and locks that nobody holds any more.
fn remove_leftovers(repository: &Path) -> io::Result<()> {
    let mut entries = Vec::new();
    for folder in ["", "objects", "objects/pack"] {
        entries.extend(fs::read_dir(repository.join(folder))?.flatten());
    }
    let refs = walkdir::WalkDir::new(repository.join("refs")).into_iter().flatten();
    let locks = entries.iter().map(fs::DirEntry::path).chain(refs.map(walkdir::DirEntry::into_path));
    for lock in locks.filter(|path| path.extension().is_some_and(|ending| ending == "lock")) {
        fs::remove_file(lock)?;
    }
    for entry in entries {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if !LEFTOVERS.iter().any(|begin| name.starts_with(begin)) {
            continue;
        }
        if entry.file_type()?.is_dir() { fs::remove_dir_all(entry.path())? } else { fs::remove_file(entry.path())? }
    }
    Ok(())
}

/// The hooks of every repository. They say nothing of a user: the environment does, which nobody but us writes.
pub(super) fn prepare_hooks(door: &Door) -> Result<(), GitError> {
    for hook in ["pre-receive", "post-receive"] {
        let script = format!(
            "#!/bin/sh\n# Written by podium git serve.\nexec \"$PODIUM_GIT_PROGRAM\" --home \"$PODIUM_GIT_HOME\" git hook {hook} --user \"$PODIUM_GIT_USER\"\n"
        );
        let path = door.home.git().join("hooks").join(hook);
        files::replace_if_changed(&path, script.as_bytes(), 0o700).map_err(failed("write the hooks"))?;
        // git passes over a hook that it may not run, and would take everything.
        let runs = rustix::fs::access(&path, rustix::fs::Access::EXEC_OK);
        runs.map_err(|error| failed("run the hooks (is the home mounted noexec?)")(error.into()))?;
    }
    Ok(())
}
