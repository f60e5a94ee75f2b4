//! Small files that every run of an engine is shown and that are the same for all of them: accounts, and stills of what
//! the kernel counts for the whole machine.
//!
//! A counter in `/proc` that a program can push up by as much as it likes, and that stays there, is a letter to whoever
//! reads it later: from a program over a private case to the same author's next one over a public case. Programs that
//! only want to know how many processors there are, or how much memory, find what was there when the engine was opened.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tempfile::TempDir;

/// Who a program is inside.
const ACCOUNTS: [(&str, &str); 2] = [
    ("etc/passwd", "root:x:0:0::/:/bin/sh\nrun:x:1000:1000::/scratch:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n"),
    ("etc/group", "root:x:0:\nrun:x:1000:\nnogroup:x:65534:\n"),
];
/// What is shown as it was, as far as the kernel has it.
const AS_THEY_WERE: [&str; 18] = [
    "proc/buddyinfo",
    "proc/cpuinfo",
    "proc/diskstats",
    "proc/interrupts",
    "proc/key-users",
    "proc/loadavg",
    "proc/meminfo",
    "proc/pagetypeinfo",
    "proc/schedstat",
    "proc/slabinfo",
    "proc/softirqs",
    "proc/stat",
    "proc/swaps",
    "proc/timer_list",
    "proc/uptime",
    "proc/vmallocinfo",
    "proc/vmstat",
    "proc/zoneinfo",
];
/// What is shown empty: the machine's own business.
const EMPTY_FILES: [&str; 2] = ["proc/cmdline", "proc/locks"];
/// See [`EMPTY_FILES`].
const EMPTY_FOLDERS: [&str; 4] = ["proc/fs", "proc/irq", "proc/pressure", "proc/sys/fs"];
/// None of them is longer than this on any machine that is known.
const LONGEST: u64 = 4 << 20;

/// The files, in a folder that goes with this value.
#[derive(Debug)]
pub(super) struct Stills {
    folder: TempDir,
    /// Paths in the folder that are the same inside, without their leading `/`; those of `/etc` first.
    paths: Vec<&'static str>,
}

impl Stills {
    /// Takes them now.
    ///
    /// # Errors
    /// Of writing them below `work`.
    pub(super) fn take(work: &Path) -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("stills-").tempdir_in(work)?;
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))?;
        let mut stills = Self { folder, paths: Vec::new() };
        for (path, text) in ACCOUNTS {
            stills.add(path, text.as_bytes())?;
        }
        for path in AS_THEY_WERE.into_iter().chain(EMPTY_FILES) {
            let live = Path::new("/").join(path);
            let mut text = Vec::new();
            // What is root's alone stays so.
            let is_public = live.metadata().is_ok_and(|meta| meta.permissions().mode() & 0o004 != 0);
            if is_public && AS_THEY_WERE.contains(&path) {
                let _ = File::open(&live).and_then(|file| file.take(LONGEST).read_to_end(&mut text));
            }
            if live.exists() {
                stills.add(path, &text)?;
            }
        }
        for path in EMPTY_FOLDERS {
            if Path::new("/").join(path).is_dir() {
                stills.make_folders(Path::new(path))?;
                stills.paths.push(path);
            }
        }
        Ok(stills)
    }

    fn add(&mut self, path: &'static str, text: &[u8]) -> io::Result<()> {
        let file = self.folder.path().join(path);
        Path::new(path).parent().map_or(Ok(()), |above| self.make_folders(above))?;
        fs::write(&file, text)?;
        fs::set_permissions(&file, fs::Permissions::from_mode(0o444))?;
        self.paths.push(path);
        Ok(())
    }

    /// Makes a folder and those above it, open to everybody whatever the daemon's umask.
    fn make_folders(&self, path: &Path) -> io::Result<()> {
        let mut folder = self.folder.path().to_owned();
        for part in path {
            folder.push(part);
            if !folder.exists() {
                fs::create_dir(&folder)?;
                fs::set_permissions(&folder, fs::Permissions::from_mode(0o755))?;
            }
        }
        Ok(())
    }

    /// The folder that they lie in.
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where they are below it, and inside, for a program that has the host's own `/usr` or an image, which has accounts
    /// of its own.
    pub(super) fn paths(&self, with_accounts: bool) -> impl Iterator<Item = &'static str> {
        let is_account = |path: &str| ACCOUNTS.iter().any(|(account, _)| *account == path);
        self.paths.iter().copied().filter(move |path| with_accounts || !is_account(path))
    }
}
