//! What a sandbox shows of the system that its programs come from: the host's own, or an unpacked folder.
//!
//! It reads folders and never runs anything.

use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use sha2::{Digest, Sha256};

use super::super::ENVIRONMENT;

/// A system that programs come from.
#[derive(Debug)]
pub(super) struct Image {
    /// `None`: the host's own `/`.
    pub(super) folder: Option<PathBuf>,
    /// What of it is shown, as paths without the leading `/`.
    pub(super) entries: Vec<Entry>,
    /// What identifies it.
    pub(super) identity: String,
    root: OwnedFd,
}

/// A file, folder or link of an image that is shown.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) path: String,
    /// Where it leads, if it is a symbolic link.
    pub(super) link: Option<String>,
}

/// Of the host: where its programs are. Nothing of what is the machine's own.
const OF_THE_HOST: [&str; 7] = ["bin", "lib", "lib32", "lib64", "libx32", "sbin", "usr"];
/// Of the host's `/etc`: what its programs need to start, and no more, for each costs every run a tenth of a
/// millisecond. By beginning, so that `java` stands for `java-17-openjdk`.
const OF_THE_HOSTS_ETC: [&str; 5] = ["R", "alternatives", "java", "ld.so.cache", "localtime"];
/// Of an unpacked folder: everything but what the sandbox makes itself.
const NOT_OF_A_FOLDER: [&str; 7] = ["dev", "mnt", "proc", "run", "scratch", "sys", "tmp"];

impl Image {
    /// # Errors
    /// There is no such folder, or it cannot be read.
    pub(super) fn open(name: &str) -> Result<Self, String> {
        let folder = (name != "host").then(|| PathBuf::from(name));
        let root = folder.as_deref().unwrap_or(Path::new("/"));
        if !root.is_absolute() {
            return Err(format!("image {name:?} is neither `host` nor an absolute path"));
        }
        let mut entries = names(root)?;
        match folder {
            Some(_) => entries.retain(|name| !NOT_OF_A_FOLDER.contains(&name.as_str())),
            None => {
                entries.retain(|name| OF_THE_HOST.contains(&name.as_str()));
                let etc = names(Path::new("/etc"))?
                    .into_iter()
                    .filter(|name| OF_THE_HOSTS_ETC.iter().any(|wanted| name.starts_with(wanted)));
                entries.extend(etc.map(|name| format!("etc/{name}")));
            }
        }
        let entries = entries
            .into_iter()
            .map(|path| Entry {
                link: fs::read_link(root.join(&path)).ok().map(|to| to.to_string_lossy().into_owned()),
                path,
            })
            .collect();
        let handle = File::open(root).map_err(|error| format!("cannot open the image {}: {error}", root.display()))?;
        let identity = format!("{} sha256:{}", if folder.is_some() { "folder" } else { "host" }, digest(root)?);
        Ok(Self { folder, entries, identity, root: handle.into() })
    }

    /// Whether `program` is there to be run, looked up as in the sandbox.
    pub(super) fn has(&self, program: &str) -> bool {
        let is_there = |path: &str| {
            let found = rustix::fs::openat2(
                &self.root,
                path,
                OFlags::PATH | OFlags::CLOEXEC,
                Mode::empty(),
                ResolveFlags::IN_ROOT,
            );
            // Where the kernel, or a filter of the service's, knows no openat2, the start itself will tell.
            !matches!(found, Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::ACCESS))
        };
        if program.contains('/') {
            return is_there(program);
        }
        ENVIRONMENT
            .iter()
            .filter(|(name, _)| *name == "PATH")
            .flat_map(|(_, path)| path.split(':'))
            .any(|folder| is_there(&format!("{folder}/{program}")))
    }
}

fn names(folder: &Path) -> Result<Vec<String>, String> {
    let list = || -> io::Result<Vec<String>> {
        fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
    };
    let mut names = list().map_err(|error| format!("cannot read the image {}: {error}", folder.display()))?;
    names.sort_unstable();
    Ok(names)
}

/// A digest of what the package manager says is installed: it changes with every upgrade, and reading it is quick.
fn digest(root: &Path) -> Result<String, String> {
    let mut digest = Sha256::new();
    let mut found = false;
    for path in [
        "etc/os-release",
        "usr/lib/os-release",
        "var/lib/dpkg/status",
        "lib/apk/db/installed",
        "var/lib/rpm/rpmdb.sqlite",
        "var/lib/pacman/local/ALPM_DB_VERSION",
    ] {
        // In an image that is a stranger's a link may lead anywhere: only plain files count.
        let path = root.join(path);
        if fs::symlink_metadata(&path).is_ok_and(|meta| meta.is_file()) {
            digest.update(fs::read(&path).map_err(|error| format!("cannot read {}: {error}", path.display()))?);
            found = true;
        }
    }
    if !found {
        // An image made by hand: its programs, by name, length and time.
        for folder in ["usr/bin", "usr/local/bin", "bin"] {
            for name in names(&root.join(folder)).unwrap_or_default() {
                let meta = fs::symlink_metadata(root.join(folder).join(&name))
                    .map_err(|error| format!("cannot read {name}: {error}"))?;
                digest.update(format!("{folder}/{name} {} {:?}\n", meta.len(), meta.modified().ok()));
            }
        }
    }
    Ok(hex::encode(digest.finalize()))
}
