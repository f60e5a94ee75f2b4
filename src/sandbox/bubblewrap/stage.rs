//! The files of one run, made ready by root and attached where only the run sees them.
//!
//! Everything is a detached mount: no name of it ever appears in the host's tree of files, so nothing has to be
//! unmounted, and a daemon that is killed leaves no mount behind. It knows paths and bounds, not programs.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, FileType, Gid, Mode, OFlags, Uid};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, OpenTreeFlags, fsconfig_create, fsconfig_set_string, fsmount, fsopen,
    open_tree,
};

use super::super::{Fault, Mount};

/// Where the stage is attached in the run's own mount namespace: the first of these that is a folder. It covers what is
/// there, which is why it is none of the folders that a sandbox shows.
const PLACES: [&str; 5] = ["/mnt", "/srv", "/media", "/opt", "/run"];
/// The writable folders of a run, by their name on the stage.
pub(super) const SCRATCH: &str = "scratch";
/// See [`SCRATCH`].
pub(super) const TMP: &str = "tmp";
/// See [`SCRATCH`].
pub(super) const SHM: &str = "shm";

/// One run's files.
#[derive(Debug)]
pub(super) struct Stage {
    /// A folder of the host, below which the names of the stage appear to the run.
    pub(super) place: &'static str,
    tmpfs: OwnedFd,
    trees: Vec<(OwnedFd, String)>,
}

impl Stage {
    /// A stage with writable folders that `user` owns and that hold `bytes` together, and with the files of `shown`
    /// each under a name.
    ///
    /// # Errors
    /// [`Fault::Unavailable`] if the kernel or our rights do not suffice, [`Fault::Failed`] if something to be shown
    /// cannot be.
    pub(super) fn new(bytes: u64, user: u32, shown: &[(&Path, String)]) -> Result<Self, Fault> {
        let place =
            PLACES.into_iter().find(|place| Path::new(place).symlink_metadata().is_ok_and(|meta| meta.is_dir()));
        let place = place.ok_or_else(|| {
            Fault::Unavailable(format!(
                "none of the folders {} exists, and one is needed to attach a run's files to",
                PLACES.join(", ")
            ))
        })?;
        let tmpfs = tmpfs(bytes).map_err(|error| {
            Fault::Unavailable(format!(
                "cannot make a file system for a run: {error}; Linux 5.6 or later is needed, and CAP_SYS_ADMIN"
            ))
        })?;
        let mut stage = Self { place, tmpfs, trees: Vec::with_capacity(shown.len()) };
        stage.furnish(user).map_err(|error| Fault::Failed(format!("cannot prepare a run's files: {error}")))?;
        for (path, name) in shown {
            stage.show(path, name)?;
        }
        Ok(stage)
    }

    /// The path of a name of the stage, as the run sees it before it enters its sandbox.
    pub(super) fn path(&self, name: &str) -> String {
        format!("{}/{name}", self.place)
    }

    /// What the run must attach, and to which path, in this order.
    pub(super) fn mounts(&self) -> impl Iterator<Item = (BorrowedFd<'_>, String)> {
        std::iter::once((self.tmpfs.as_fd(), self.place.to_owned()))
            .chain(self.trees.iter().map(|(tree, name)| (tree.as_fd(), self.path(name))))
    }

    /// A writable folder of the run's, as it is now.
    ///
    /// # Errors
    /// Of opening it.
    pub(super) fn folder(&self, name: &str) -> io::Result<OwnedFd> {
        Ok(rustix::fs::openat(
            &self.tmpfs,
            name,
            OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC,
            Mode::empty(),
        )?)
    }

    fn furnish(&self, user: u32) -> io::Result<()> {
        for folder in [SCRATCH, TMP, SHM] {
            rustix::fs::mkdirat(&self.tmpfs, folder, Mode::RWXU)?;
            rustix::fs::chownat(
                &self.tmpfs,
                folder,
                Some(Uid::from_raw(user)),
                Some(Gid::from_raw(user)),
                AtFlags::SYMLINK_NOFOLLOW,
            )?;
        }
        Ok(())
    }

    /// A small file of ours.
    ///
    /// # Errors
    /// [`Fault::Failed`].
    pub(super) fn write(&self, name: &str, text: &str) -> Result<(), Fault> {
        let write = || -> io::Result<()> { File::from(self.create(name)?).write_all(text.as_bytes()) };
        write().map_err(|error| Fault::Failed(format!("cannot prepare a run's {name}: {error}")))
    }

    fn create(&self, name: &str) -> io::Result<OwnedFd> {
        Ok(rustix::fs::openat(
            &self.tmpfs,
            name,
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC,
            Mode::from_raw_mode(0o444),
        )?)
    }

    fn show(&mut self, path: &Path, name: &str) -> Result<(), Fault> {
        let failed =
            |error: &dyn std::fmt::Display| Fault::Failed(format!("cannot show {} to a run: {error}", path.display()));
        let flags = OpenTreeFlags::OPEN_TREE_CLONE
            | OpenTreeFlags::OPEN_TREE_CLOEXEC
            | OpenTreeFlags::AT_SYMLINK_NOFOLLOW
            | OpenTreeFlags::AT_RECURSIVE;
        let tree = open_tree(CWD, path, flags).map_err(|error| match error {
            Errno::NOSYS | Errno::PERM => Fault::Unavailable(format!(
                "cannot show files to a run: {error}; Linux 5.6 or later is needed, and CAP_SYS_ADMIN"
            )),
            error => failed(&error),
        })?;
        let mode = rustix::fs::fstat(&tree).map_err(|error| failed(&error))?.st_mode;
        let readable = match FileType::from_raw_mode(mode) {
            FileType::RegularFile => mode & 0o004 != 0,
            FileType::Directory => mode & 0o005 == 0o005,
            _ => return Err(failed(&"it is neither a file nor a folder")),
        };
        if !readable {
            return Err(failed(&format_args!("its mode, {:o}, closes it to others", mode & 0o7777)));
        }
        // A mount needs something of its own kind to lie on.
        let lie_on = if FileType::from_raw_mode(mode) == FileType::Directory {
            rustix::fs::mkdirat(&self.tmpfs, name, Mode::RWXU).map_err(io::Error::from)
        } else {
            self.create(name).map(drop)
        };
        lie_on.map_err(|error| failed(&error))?;
        self.trees.push((tree, name.to_owned()));
        Ok(())
    }
}

/// The names on the stage of the mounts of a run.
pub(super) fn shown(mounts: &[Mount]) -> Vec<(&Path, String)> {
    mounts.iter().enumerate().map(|(index, mount)| (mount.host.as_path(), format!("m{index}"))).collect()
}

fn tmpfs(bytes: u64) -> rustix::io::Result<OwnedFd> {
    /// What our own small files on it take.
    const OURS: u64 = 16 << 10;
    let context = fsopen(c"tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_set_string(&context, c"size", (bytes + OURS).to_string())?;
    fsconfig_set_string(&context, c"nr_inodes", super::super::inodes(bytes).to_string())?;
    fsconfig_set_string(&context, c"mode", c"0755")?;
    fsconfig_create(&context)?;
    fsmount(
        &context,
        FsMountFlags::FSMOUNT_CLOEXEC,
        MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV,
    )
}
