//! The folder in which images are unpacked: `results/cache/images/`.
//!
//! ```text
//! <digest>/root/         an unpacked image; nothing in it changes any more
//! <digest>/image.json    what it is, written last
//! <digest>/used          touched whenever it is opened, and locked, shared, while it is in use
//! names/<hash>.json      which image a text of config.toml meant when it was last looked up
//! unpacking-…/           one on its way; whoever has the lock and finds it knows that its process is dead
//! lock                   held by the one process that unpacks or collects
//! ```

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io::{self, BufReader};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use tempfile::TempDir;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::fetch::Found;
use super::stream::{self, Measured};
use super::unpack::{CAPS, Root};
use super::{ImageError, private, stop};
use crate::core::digest::Digest;
use crate::files;

/// What has not been used for so long is removed.
const UNUSED: Duration = Duration::from_secs(7 * 24 * 3600);
/// How often a lock that another process holds is tried.
const PAUSE: Duration = Duration::from_millis(50);
const UNPACKING: &str = "unpacking-";
const GONE: &str = "gone-";

/// An unpacked image, which stays as long as this lives.
#[derive(Debug, Clone)]
pub struct Unpacked {
    /// Its root folder.
    pub root: PathBuf,
    /// What identifies it: the digest of its manifest; of its configuration, which is what the Docker engine calls its
    /// id, where it comes from there; of the tar of a root folder.
    pub digest: Digest,
    /// What the log calls it: the name, and the digest.
    pub identity: String,
    /// Where it came from.
    pub from: String,
    /// Bytes of its files.
    pub bytes: u64,
    pub(super) _hold: Arc<File>,
}

/// What image.json says.
#[derive(Debug, Serialize, Deserialize)]
struct Sheet {
    v: u32,
    image: String,
    from: String,
    bytes: u64,
    entries: u64,
}

/// Which image a name meant when it was last looked up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Name {
    /// The text of config.toml.
    pub(super) image: String,
    pub(super) digest: Digest,
    pub(super) from: String,
    /// For a file, what tells its state from another.
    pub(super) stamp: Option<String>,
}

fn note(folder: &Path, text: &str) -> PathBuf {
    folder.join("names").join(format!("{}.json", Digest::of(text.as_bytes()).short()))
}

/// What is known of a name.
pub(super) fn name(folder: &Path, text: &str) -> Option<Name> {
    let known: Name = serde_json::from_slice(&fs::read(note(folder, text)).ok()?).ok()?;
    (known.image == text).then_some(known)
}

/// Keeps what a name means.
///
/// # Errors
/// Those of the file system.
pub(super) fn remember(folder: &Path, name: &Name) -> io::Result<()> {
    private(&folder.join("names"))?;
    let text = serde_json::to_vec(name).map_err(io::Error::other)?;
    files::replace_if_changed(&note(folder, &name.image), &text, 0o600).map(drop)
}

/// What tells one state of a file, or of a layout's folder, from another without reading it.
///
/// # Errors
/// [`ImageError::Wrong`]: it is not there.
pub(super) fn stamp(path: &Path) -> Result<String, ImageError> {
    let missing = |error: io::Error| ImageError::Wrong(format!("it cannot be read: {error}"));
    let mut meta = fs::metadata(path).map_err(missing)?;
    if meta.is_dir() {
        // Every change of a layout changes its index.
        meta = fs::metadata(path.join(super::layout::INDEX)).unwrap_or(meta);
    }
    let (modified, changed) = ((meta.mtime(), meta.mtime_nsec()), (meta.ctime(), meta.ctime_nsec()));
    Ok(format!("{} {} {} {modified:?} {changed:?}", meta.dev(), meta.ino(), meta.len()))
}

/// Takes an image that is unpacked into use, under a name.
pub(super) fn hold(folder: &Path, digest: Digest, text: &str) -> Option<Unpacked> {
    let folder = folder.join(digest.to_string());
    let path = folder.join("used");
    let used = File::options().read(true).write(true).open(&path).ok()?;
    // Whoever removes it has it locked, and has renamed it by the time that we have.
    used.try_lock_shared().ok()?;
    if fs::metadata(&path).ok()?.ino() != used.metadata().ok()?.ino() {
        return None;
    }
    // It only says when it was used: an image that cannot be touched is no worse.
    let _ = used.set_modified(SystemTime::now());
    let sheet: Sheet = serde_json::from_slice(&fs::read(folder.join("image.json")).ok()?).ok()?;
    let name = text.split_once("@sha256:").map_or(text, |(name, _)| name);
    let root = folder.join("root");
    root.is_dir().then(|| Unpacked {
        identity: format!("{name}@sha256:{digest}"),
        digest,
        from: sheet.from,
        bytes: sheet.bytes,
        root,
        _hold: Arc::new(used),
    })
}

/// An image on its way: the store is locked, and a folder is there that goes with this value.
#[derive(Debug)]
pub(super) struct Work {
    store: PathBuf,
    folder: TempDir,
    cancel: CancellationToken,
    // Let go of last.
    lock: File,
}

/// Locks the store for this process, and makes an empty folder in it. Says once when it has to wait.
///
/// # Errors
/// Those of the file system.
pub(super) async fn begin(store: &Path, waiting: &(dyn Fn() + Sync)) -> io::Result<Work> {
    private(store)?;
    let lock = lock_file(store)?;
    let mut said = false;
    loop {
        match lock.try_lock() {
            Ok(()) => break,
            Err(TryLockError::WouldBlock) => {
                if !said {
                    waiting();
                    said = true;
                }
                tokio::time::sleep(PAUSE).await;
            }
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
    remove_leftovers(store)?;
    let folder = tempfile::Builder::new().prefix(UNPACKING).tempdir_in(store)?;
    Ok(Work { store: store.to_owned(), folder, cancel: CancellationToken::new(), lock })
}

fn lock_file(store: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    File::options().read(true).write(true).create(true).truncate(false).mode(0o600).open(store.join("lock"))
}

/// What a process that was killed has left. Only for who has the lock.
fn remove_leftovers(store: &Path) -> io::Result<()> {
    for entry in fs::read_dir(store)? {
        let entry = entry?;
        if entry.file_name().to_str().is_some_and(|name| name.starts_with(UNPACKING) || name.starts_with(GONE)) {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

impl Work {
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Set when nobody waits for the image any more.
    pub(super) fn cancel(&self) -> &CancellationToken {
        &self.cancel
    }

    /// Does something that takes long, on a thread of its own. Where nobody waits for it any more it ends soon, and the
    /// folder and the lock go with it.
    pub(super) async fn beside<T: Send + 'static>(
        mut self,
        what: impl FnOnce(&Work) -> Result<T, ImageError> + Send + 'static,
    ) -> Result<(Work, T), ImageError> {
        let (cancel, _guard): (_, DropGuard) = stop();
        self.cancel = cancel;
        let done = tokio::task::spawn_blocking(move || {
            let done = what(&self);
            (self, done)
        });
        let (work, done) = done.await.map_err(|error| ImageError::Refused(error.to_string()))?;
        if work.cancel.is_cancelled() {
            return Err(ImageError::Cancelled);
        }
        Ok((work, done?))
    }

    /// Unpacks an image into the folder, and checks every digest that is known.
    pub(super) fn unpack(
        &self,
        found: &Found,
        image: &str,
        from: &str,
        progress: &dyn Fn(u64, u64),
    ) -> Result<(), ImageError> {
        let io = |what: &str| {
            let what = what.to_owned();
            move |error| ImageError::Io(what, error)
        };
        let path = self.folder.path().join("root");
        DirBuilder::new().mode(0o755).create(&path).map_err(io("make a folder"))?;
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).map_err(io("make a folder"))?;
        let mut root = Root::new(&path, CAPS).map_err(io("open a folder"))?;
        let total = found.recipe.layers.iter().map(|layer| layer.size).sum();
        let (mut done, mut left) = (0, CAPS.bytes);
        let many = found.recipe.layers.len();
        for (index, (layer, name)) in found.recipe.layers.iter().zip(&found.names).enumerate() {
            progress(done, total);
            let which = format!("layer {} of {many}", index + 1);
            let refused = |error: io::Error| match error.kind() {
                io::ErrorKind::StorageFull => ImageError::Io("unpack it".into(), error),
                _ => ImageError::Refused(format!("{which}: {error}")),
            };
            let (part, _) = found.parts.open(name).map_err(refused)?;
            let mut kept = Measured::new(part, u64::MAX, &self.cancel);
            let told = Told { inner: &mut kept, bytes: done, total, progress };
            let mut content = Measured::new(stream::plain(told).map_err(refused)?, left, &self.cancel);
            let unpacked = root.unpack(BufReader::with_capacity(128 << 10, &mut content));
            // Whatever is wrong with it: that it is not what was named says more.
            let content = content.finish();
            let (blob, _) = kept.finish().map_err(refused)?;
            match layer.blob {
                Some(wanted) if wanted != blob => return Err(ImageError::damaged(&which, wanted, blob)),
                _ => unpacked.map_err(refused)?,
            }
            let (content, bytes) = content.map_err(refused)?;
            match layer.content {
                Some(wanted) if wanted != content => return Err(ImageError::damaged(&which, wanted, content)),
                _ => {}
            }
            done += layer.size;
            left = left.saturating_sub(bytes);
        }
        let sheet = Sheet { v: 1, image: image.into(), from: from.into(), bytes: root.bytes, entries: root.entries };
        let sheet = serde_json::to_vec(&sheet).map_err(|error| ImageError::Refused(error.to_string()))?;
        // Only root and the two files are kept.
        for entry in fs::read_dir(self.folder()).map_err(io("tidy up"))?.flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() && entry.file_name() != "root" => fs::remove_dir_all(entry.path()),
                Ok(kind) if !kind.is_dir() => fs::remove_file(entry.path()),
                _ => Ok(()),
            }
            .map_err(io("tidy up"))?;
        }
        fs::write(self.folder().join("used"), b"").map_err(io("write to the store"))?;
        fs::write(self.folder().join("image.json"), sheet).map_err(io("write to the store"))?;
        // All of it, before it has a name that says it is whole.
        File::open(self.folder()).and_then(|folder| Ok(rustix::fs::syncfs(&folder)?)).map_err(io("write to the store"))
    }

    /// Gives what was unpacked its name, and lets go of the store.
    ///
    /// # Errors
    /// Those of the file system.
    pub(super) fn keep(self, digest: Digest) -> io::Result<()> {
        let path = self.store.join(digest.to_string());
        // One without a sheet, say, which nobody can use.
        if path.exists() {
            fs::remove_dir_all(&path)?;
        }
        fs::rename(self.folder.keep(), &path)?;
        files::sync_folder(&self.store)?;
        drop(self.lock);
        Ok(())
    }
}

/// Tells how far reading is.
struct Told<'a, R> {
    inner: R,
    bytes: u64,
    total: u64,
    progress: &'a dyn Fn(u64, u64),
}

impl<R: io::Read> io::Read for Told<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.bytes += read as u64;
        (self.progress)(self.bytes, self.total);
        Ok(read)
    }
}

/// Removes what nobody has used for long, and what was left half done; nothing while another process is at work.
///
/// # Errors
/// Those of the file system.
pub(super) fn collect(store: &Path) -> io::Result<()> {
    if !store.is_dir() {
        return Ok(());
    }
    let lock = lock_file(store)?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(()),
        Err(TryLockError::Error(error)) => return Err(error),
    }
    remove_leftovers(store)?;
    for entry in fs::read_dir(store)? {
        let entry = entry?;
        let Some(digest) = entry.file_name().to_str().and_then(|name| name.parse::<Digest>().ok()) else { continue };
        let used = entry.path().join("used");
        if !is_old(&used) {
            continue;
        }
        match File::options().read(true).write(true).open(&used) {
            Ok(used) if used.try_lock().is_ok() => {
                let gone = store.join(format!("{GONE}{digest}"));
                fs::rename(entry.path(), &gone)?;
                drop(used);
                fs::remove_dir_all(gone)?;
                tracing::info!(%digest, "removed an image that was not used for a week");
            }
            // In use, for all that nobody opened it anew.
            _ => {}
        }
    }
    for entry in fs::read_dir(store.join("names")).into_iter().flatten().flatten() {
        let name = fs::read(entry.path()).ok().and_then(|text| serde_json::from_slice::<Name>(&text).ok());
        if !name.is_some_and(|name| store.join(name.digest.to_string()).is_dir()) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn is_old(path: &Path) -> bool {
    let age = fs::metadata(path).and_then(|meta| meta.modified()).ok().and_then(|when| when.elapsed().ok());
    age.is_some_and(|age| age > UNUSED)
}
