//! A folder of the host, shown to one run with inodes of that run's own.
//!
//! The kernel keeps locks and watches by inode. Two runs that are shown the same file could tell each other something
//! by locking it, or by opening what the other one watches: a program over a private case to a program whose output its
//! author may read. An overlay file system has inodes of its own, passes every read on, and costs some fifty
//! microseconds. It also says nothing, in `/proc/self/mountinfo`, of where on the host its folder lies.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags};
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_string, fsmount, fsopen};
use tempfile::TempDir;

/// Makes views.
#[derive(Debug)]
pub(super) struct Views {
    /// An empty folder: an overlay that nobody can write to wants two folders. It has to stay: of one that is deleted
    /// the kernel can list nothing, and then the view as a whole lists nothing.
    empty: OwnedFd,
    _folder: TempDir,
}

impl Views {
    /// Keeps an empty folder in `work`. No view can be made of that one, nor of any above it.
    ///
    /// # Errors
    /// Of making it.
    pub(super) fn new(work: &Path) -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("empty-").tempdir_in(work)?;
        Ok(Self { empty: File::open(folder.path())?.into(), _folder: folder })
    }

    /// A view of a folder, not attached anywhere yet. What is mounted in that folder does not show in it.
    ///
    /// # Errors
    /// There is no such folder, or the kernel makes no overlay of it.
    pub(super) fn of(&self, folder: &Path) -> rustix::io::Result<OwnedFd> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let folder = rustix::fs::openat(CWD, folder, flags, Mode::empty())?;
        let context = fsopen(c"overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
        // By number, because this text is what the run can read of it.
        let layers = format!("/proc/self/fd/{}:/proc/self/fd/{}", folder.as_raw_fd(), self.empty.as_raw_fd());
        fsconfig_set_string(&context, c"lowerdir", layers)?;
        fsconfig_create(&context)?;
        fsmount(
            &context,
            FsMountFlags::FSMOUNT_CLOEXEC,
            MountAttrFlags::MOUNT_ATTR_RDONLY | MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV,
        )
    }
}
