//! What a sandbox shows of the system that its programs come from: the host's own, or a folder, unpacked or somebody's.
//!
//! It reads folders and never runs anything.

use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use sha2::{Digest, Sha256};

use super::super::ENVIRONMENT;
use crate::images::Opened;

/// A system that programs come from.
#[derive(Debug)]
pub(super) struct Image {
    /// `None`: the host's own `/`.
    pub(super) folder: Option<PathBuf>,
    /// What of it is shown, as paths without the leading `/`.
    pub(super) entries: Vec<Entry>,
    /// Of what is shown, the folders that are file systems of their own: a view of the whole does not show what is in
    /// them.
    apart: Vec<String>,
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

impl Entry {
    /// The folder at the root of the tree that it is or lies in.
    fn top(&self) -> &Path {
        Path::new(self.path.split('/').next().unwrap_or_default())
    }
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
    pub(super) fn open(opened: &Opened) -> Result<Self, String> {
        let folder = match opened {
            Opened::Host => None,
            Opened::Folder(folder) => Some(folder.clone()),
            Opened::Unpacked(unpacked) => Some(unpacked.root.clone()),
        };
        let root = folder.as_deref().unwrap_or(Path::new("/"));
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
        let entries: Vec<Entry> = entries
            .into_iter()
            .map(|path| Entry {
                link: fs::read_link(root.join(&path)).ok().map(|to| to.to_string_lossy().into_owned()),
                path,
            })
            .collect();
        let handle = File::open(root).map_err(|error| format!("cannot open the image {}: {error}", root.display()))?;
        let identity = match opened {
            Opened::Host => format!("host sha256:{}", digest(root)?),
            Opened::Folder(_) => format!("folder sha256:{}", digest(root)?),
            // Nobody changes what is in it.
            Opened::Unpacked(unpacked) => unpacked.identity.clone(),
        };
        let apart = mounted_below(root, &entries)?;
        Ok(Self { folder, entries, apart, identity, root: handle.into() })
    }

    /// Whether the other one shows the same.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        (&self.identity, &self.entries, &self.apart) == (&other.identity, &other.entries, &other.apart)
    }

    /// The folders of which a run needs views, as paths in the image: of an unpacked one its root, of the host what the
    /// entries lie in (no view can be made of a folder that the home is in), and of either the file systems below.
    pub(super) fn views(&self) -> Vec<&Path> {
        let mut views: Vec<&Path> = match self.folder {
            Some(_) => vec![Path::new("")],
            None => self.entries.iter().filter(|entry| entry.link.is_none()).map(Entry::top).collect(),
        };
        views.dedup();
        views.extend(self.apart.iter().map(Path::new));
        views
    }

    /// A path in the image as one of the host.
    pub(super) fn on_host(&self, path: &Path) -> PathBuf {
        self.folder.as_deref().unwrap_or(Path::new("/")).join(path)
    }

    /// Every path of the image that is attached, with the index of the view that shows it and its path in that.
    pub(super) fn shown(&self) -> Vec<(&Path, usize, &Path)> {
        let views = self.views();
        let of_the_whole = views.len() - self.apart.len();
        let entries = self.entries.iter().filter(|entry| entry.link.is_none()).filter_map(|entry| {
            let path = Path::new(&entry.path);
            let within = |(index, view): (usize, &&Path)| Some((path, index, path.strip_prefix(view).ok()?));
            views[..of_the_whole].iter().enumerate().find_map(within)
        });
        let apart =
            self.apart.iter().enumerate().map(|(index, path)| (Path::new(path), of_the_whole + index, Path::new("")));
        entries.chain(apart).collect()
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

/// The folders below an image's root, and within what is shown of it, at which something is mounted. A single file that
/// is mounted is not among them: a program sees what lies below it.
fn mounted_below(root: &Path, entries: &[Entry]) -> Result<Vec<String>, String> {
    let mounts = fs::read_to_string("/proc/self/mountinfo")
        .map_err(|error| format!("cannot read what is mounted on this machine: {error}"))?;
    let mut below: Vec<String> = mounts
        .lines()
        .filter_map(|line| Some(unescaped(line.split(' ').nth(4)?)))
        .filter(|path| path.is_dir())
        .filter_map(|path| Some(path.strip_prefix(root).ok()?.to_str()?.to_owned()))
        .filter(|path| entries.iter().any(|entry| Path::new(path).starts_with(&entry.path)))
        .collect();
    below.sort_unstable();
    below.dedup();
    Ok(below)
}

/// A path as the kernel lists it, with blanks and the like as three octal digits.
fn unescaped(path: &str) -> PathBuf {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let [first, tail @ ..] = rest {
        let escaped = match rest {
            [b'\\', digits @ ..] => {
                digits.get(..3).and_then(|octal| u8::from_str_radix(str::from_utf8(octal).ok()?, 8).ok())
            }
            _ => None,
        };
        bytes.push(escaped.unwrap_or(*first));
        rest = if escaped.is_some() { &rest[4..] } else { tail };
    }
    PathBuf::from(std::ffi::OsString::from_vec(bytes))
}

fn names(folder: &Path) -> Result<Vec<String>, String> {
    let list = || -> io::Result<Vec<String>> {
        // bwrap is told of each by a text. What is called otherwise at the top of an image no program looks for there.
        fs::read_dir(folder)?
            .filter_map(|entry| entry.map(|entry| entry.file_name().into_string().ok()).transpose())
            .collect()
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
