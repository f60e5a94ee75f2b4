//! The files of one run, made ready by root and attached where only the run sees them.
//!
//! Everything is a detached mount: no name of it ever appears in the host's tree of files, so nothing has to be
//! unmounted, and a daemon that is killed leaves no mount behind. It knows paths and bounds, not programs.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Uid};
use rustix::io::Errno;
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_string, fsmount, fsopen};

use super::super::{Fault, Mount};
use super::view::Views;

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
pub(super) struct Stage<'a> {
    /// A folder of the host, below which the names of the stage appear to the run.
    pub(super) place: &'static str,
    tmpfs: OwnedFd,
    trees: Vec<(OwnedFd, String)>,
    mounts: Vec<Shown>,
    views: &'a Views,
}

/// Where a [`Mount`] of the run is.
#[derive(Debug)]
struct Shown {
    /// Its name on the stage.
    name: String,
    /// Of a file: the name of the view that shows the folder it lies in, and its own in that.
    file: Option<(String, String)>,
}

impl<'a> Stage<'a> {
    /// A stage with writable folders that `user` owns and that hold `bytes` together.
    ///
    /// # Errors
    /// [`Fault::Unavailable`] if the kernel or our rights do not suffice.
    pub(super) fn new(bytes: u64, user: u32, views: &'a Views) -> Result<Self, Fault> {
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
        let stage = Self { place, tmpfs, trees: Vec::new(), mounts: Vec::new(), views };
        stage.furnish(user).map_err(|error| Fault::Failed(format!("cannot prepare a run's files: {error}")))?;
        Ok(stage)
    }

    /// Shows what a run may read, in a view; [`mounted`](Self::mounted) says where.
    ///
    /// # Errors
    /// [`Fault`] if it cannot be shown.
    pub(super) fn mount(&mut self, mount: &Mount) -> Result<(), Fault> {
        let index = self.mounts.len();
        let name = format!("m{index}");
        let kind = kind_of_readable(&mount.host)?;
        let shown = match (mount.host.parent(), mount.host.file_name().and_then(OsStr::to_str)) {
            _ if kind == FileType::Directory => {
                self.view(&mount.host, &name)?;
                Shown { name, file: None }
            }
            (Some(folder), Some(file)) => {
                // A mount needs something of its own kind to lie on.
                self.create(&name).map_err(|error| not_shown(&mount.host, &error))?;
                let view = format!("v{index}");
                self.view(folder, &view)?;
                Shown { name, file: Some((view, file.to_owned())) }
            }
            _ => return Err(not_shown(&mount.host, &"it has no name")),
        };
        self.mounts.push(shown);
        Ok(())
    }

    /// Where the mounts of a run are, as it sees them before it enters its sandbox, in their order.
    pub(super) fn mounted(&self) -> impl Iterator<Item = String> {
        self.mounts.iter().map(|shown| self.path(&shown.name))
    }

    /// What is to be bound to which path when everything is attached: files, out of views that nobody but root can look
    /// into, for the folder that a file lies in may be closed.
    pub(super) fn binds(&self) -> impl Iterator<Item = (String, String)> {
        let of = |shown: &Shown| {
            let (view, file) = shown.file.as_ref()?;
            Some((self.path(&format!("{view}/{file}")), self.path(&shown.name)))
        };
        self.mounts.iter().filter_map(of)
    }

    /// Opens the file that is the mount of that index for reading, as the run would see it.
    ///
    /// # Errors
    /// Of opening it.
    pub(super) fn open(&self, index: usize) -> io::Result<File> {
        let shown = self.mounts.get(index).and_then(|shown| shown.file.as_ref());
        let (view, file) = shown.ok_or(io::ErrorKind::IsADirectory)?;
        let (tree, _) = self.trees.iter().find(|(_, name)| name == view).ok_or(io::ErrorKind::NotFound)?;
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(rustix::fs::openat(tree, file, flags, Mode::empty())?.into())
    }

    /// Shows a folder of the host in a view.
    ///
    /// # Errors
    /// [`Fault::Unavailable`] if the kernel makes none.
    pub(super) fn view(&mut self, folder: &Path, name: &str) -> Result<(), Fault> {
        let view = self.views.of(folder).map_err(|error| match error {
            Errno::NOENT | Errno::NOTDIR => not_shown(folder, &error),
            error => Fault::Unavailable(format!(
                "cannot show {} to a run in a view of its own: {error}; the kernel's overlay file system is needed (`modprobe overlay`), \
                 and CAP_SYS_ADMIN",
                folder.display()
            )),
        })?;
        rustix::fs::mkdirat(&self.tmpfs, name, Mode::RWXU).map_err(|error| not_shown(folder, &error))?;
        self.trees.push((view, name.to_owned()));
        Ok(())
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

    fn create(&self, name: &str) -> io::Result<OwnedFd> {
        Ok(rustix::fs::openat(
            &self.tmpfs,
            name,
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC,
            Mode::from_raw_mode(0o444),
        )?)
    }
}

fn not_shown(path: &Path, why: &dyn std::fmt::Display) -> Fault {
    Fault::Failed(format!("cannot show {} to a run: {why}", path.display()))
}

/// A file, or a folder: what others may read. Everything else is refused.
fn kind_of_readable(path: &Path) -> Result<FileType, Fault> {
    let mode = rustix::fs::lstat(path).map_err(|error| not_shown(path, &error))?.st_mode;
    let kind = FileType::from_raw_mode(mode);
    let readable = match kind {
        FileType::RegularFile => mode & 0o004 != 0,
        FileType::Directory => mode & 0o005 == 0o005,
        _ => return Err(not_shown(path, &"it is neither a file nor a folder")),
    };
    if !readable {
        return Err(not_shown(path, &format_args!("its mode, {:o}, closes it to others", mode & 0o7777)));
    }
    Ok(kind)
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
