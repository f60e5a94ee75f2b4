//! Images: what a sandbox shows of a system that is not the host's own. Each is unpacked once, by its digest; every run
//! then starts from the folder.
//!
//! It knows files, archives, the Docker engine and registries, and nothing of sandboxes: what it hands out is a folder
//! and the name by which the log calls what is in it.

mod fetch;
mod parts;
mod recipe;
mod source;
mod store;
mod stream;
mod unpack;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::core::digest::Digest;
use crate::files;
use crate::home::Home;
use fetch::{Found, archive, engine, layout, registry};
use source::{Form, Source};
pub use store::Unpacked;
use store::{Name, Work};
use unpack::{CAPS, Room};

/// Why an image cannot be had. Every text is a clause that fits after the image's name and a colon.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// What config.toml names cannot be used, and somebody has to change it.
    #[error("{0}")]
    Wrong(String),
    /// Whoever holds it does not answer now.
    #[error("{0}")]
    Away(String),
    /// It is damaged, or not what it says it is, or means harm.
    #[error("{0}")]
    Refused(String),
    /// The file system said no.
    #[error("failed to {0}: {1}")]
    Io(String, #[source] io::Error),
    /// Another one was asked for, or the daemon ends.
    #[error("it was cancelled")]
    Cancelled,
}

impl ImageError {
    /// The same without what a stranger may have put into it to be seen on a terminal or a page.
    fn shown(self) -> Self {
        let plain = |text: String| {
            text.chars().take(LONGEST_WORDS).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
        };
        match self {
            Self::Wrong(why) => Self::Wrong(plain(why)),
            Self::Away(why) => Self::Away(plain(why)),
            Self::Refused(why) => Self::Refused(plain(why)),
            Self::Io(what, error) => Self::Io(plain(what), error),
            Self::Cancelled => Self::Cancelled,
        }
    }

    fn damaged(what: &str, wanted: Digest, found: Digest) -> Self {
        Self::Refused(format!("{what} is damaged or was tampered with: its SHA-256 is {found}, and {wanted} was named"))
    }
}

/// Ends what a store says it is doing.
struct Silent<'a>(&'a watch::Sender<Option<Step>>);

impl Drop for Silent<'_> {
    fn drop(&mut self) {
        self.0.send_replace(None);
    }
}

/// How far an image on its way is, for people who wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What is being done, as a sentence without its full stop.
    pub what: String,
    /// Bytes that are done.
    pub done: u64,
    /// Bytes in all; 0 where nobody knows.
    pub total: u64,
}

/// Whether a name that may mean another image by now is looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Names {
    /// Once for each [`Store::open`]: what was found before counts only where nobody answers.
    Anew,
    /// What was found before counts, as long as it is there.
    Remembered,
}

/// Where images are unpacked, and how they get there.
#[derive(Debug, Clone)]
pub struct Store {
    folder: PathBuf,
    base: PathBuf,
    names: Names,
    news: watch::Sender<Option<Step>>,
    failed: Arc<Mutex<Option<Failed>>>,
}

/// A try that failed, and until when the next one would be no better.
#[derive(Debug)]
struct Failed {
    text: String,
    stamp: Option<String>,
    until: Instant,
    why: String,
    /// Nobody answered; what was found before, or is found meanwhile by another process, counts.
    away: bool,
}

/// How long to wait after a try that took so long: whoever holds the queue asks every second, and a damaged image of a
/// gigabyte is not to be fetched every second.
fn pause(took: Duration) -> Duration {
    const LONGEST: Duration = Duration::from_secs(300);
    (took * 10).min(LONGEST)
}

/// An image that can be used.
#[derive(Debug)]
pub enum Opened {
    /// The host's own `/usr`.
    Host,
    /// Somebody's folder, as it is.
    Folder(PathBuf),
    /// A folder of the store's. It is not collected as long as this lives.
    Unpacked(Unpacked),
}

impl Store {
    /// The store in this folder, which need not exist; relative paths of images begin at `base`.
    #[must_use]
    pub fn new(folder: PathBuf, base: PathBuf, names: Names) -> Self {
        Self { folder, base, names, news: watch::Sender::new(None), failed: Arc::default() }
    }

    /// The store of a home.
    #[must_use]
    pub fn of(home: &Home, names: Names) -> Self {
        Self::new(home.images(), home.root().to_owned(), names)
    }

    /// The same store for who has opened an image just now, and means the same by its name.
    #[must_use]
    pub fn remembering(&self) -> Self {
        Self { names: Names::Remembered, ..self.clone() }
    }

    /// What it is doing at the moment, and news of it; `None`: nothing.
    #[must_use]
    pub fn news(&self) -> watch::Receiver<Option<Step>> {
        self.news.subscribe()
    }

    /// The image that `text`, the value of `sandbox.image`, names: as it lies there, or unpacked now. Takes as long as
    /// fetching and unpacking do; dropped, it stops.
    ///
    /// # Errors
    /// [`ImageError`]
    pub async fn open(&self, text: &str) -> Result<Opened, ImageError> {
        let source = Source::parse(text, &self.base)?;
        if source == Source::Host {
            return Ok(Opened::Host);
        }
        if let Source::Path { path, form: Form::Any, .. } = &source
            && path.is_dir()
            && !archive::is_layout(path)
        {
            return Ok(Opened::Folder(path.clone()));
        }
        let opened = {
            // However it ends, also where nobody waits for it any more.
            let _silent = Silent(&self.news);
            self.unpacked(text, &source).await
        };
        opened.map(Opened::Unpacked).map_err(ImageError::shown)
    }

    /// Removes what nobody has used for a week: images, names, and what a killed process left half done. What is in use
    /// stays, whoever uses it.
    ///
    /// # Errors
    /// Those of the file system.
    pub async fn collect(&self) -> io::Result<()> {
        let folder = self.folder.clone();
        tokio::task::spawn_blocking(move || store::collect(&folder)).await.map_err(io::Error::other)?
    }

    async fn unpacked(&self, text: &str, source: &Source) -> Result<Unpacked, ImageError> {
        let stamp = match source {
            Source::Path { path, .. } => Some(store::stamp(path)?),
            _ => None,
        };
        let known = store::name(&self.folder, text);
        // A file that has not changed is what it was; of other names nobody knows.
        let counts = |known: &Name| match &stamp {
            Some(stamp) => known.stamp.as_ref() == Some(stamp),
            None => self.names == Names::Remembered,
        };
        let remembered = || {
            let known = known.as_ref()?;
            let unpacked = store::hold(&self.folder, known.digest, text)?;
            Some(Unpacked { from: known.from.clone(), ..unpacked })
        };
        if known.as_ref().is_some_and(counts)
            && let Some(unpacked) = remembered()
        {
            return Ok(unpacked);
        }
        if let Some((why, away)) = self.failed_before(text, stamp.as_deref()) {
            return if away { remembered() } else { None }.ok_or(ImageError::Away(why));
        }
        let began = Instant::now();
        self.say(format!("looking for the image {text}"), 0, 0);
        let found = match source {
            Source::Path { path, form, tag } => self.by_path(text, path, *form, tag.as_deref()).await,
            Source::Engine(name) => match engine::find(name).await {
                Ok(Some(held)) => self.by_engine(text, &held).await,
                Ok(None) => Err(ImageError::Wrong(format!(
                    "the Docker engine has no image {name}: `docker pull`, `docker build` or scripts/make-image brings it there"
                ))),
                Err(error) => Err(error),
            },
            Source::Registry(reference) => match registry::find(reference).await {
                Ok(held) => self.by_registry(text, &held).await,
                Err(error) => Err(error),
            },
            Source::Reference(name, reference) => match engine::find(name).await {
                Ok(Some(held)) => self.by_engine(text, &held).await,
                // What the engine gave under this name, nobody else may give while it is away.
                Err(away) if known.as_ref().is_some_and(|known| known.from == ENGINE) => Err(away),
                absent => {
                    let engine = match absent {
                        Err(error) => error.to_string(),
                        Ok(_) => "the Docker engine has no such image".into(),
                    };
                    match registry::find(reference).await {
                        Ok(held) => self.by_registry(text, &held).await,
                        Err(ImageError::Away(why)) => Err(ImageError::Away(format!("{engine}; {why}"))),
                        Err(ImageError::Wrong(why)) => Err(ImageError::Wrong(format!("{engine}; {why}"))),
                        Err(error) => Err(error),
                    }
                }
            },
            Source::Host => Err(ImageError::Cancelled),
        };
        let failed = found.as_ref().err().map(|error| Failed {
            text: text.to_owned(),
            stamp: stamp.clone(),
            until: Instant::now() + pause(began.elapsed()),
            why: error.to_string(),
            away: matches!(error, ImageError::Away(_)),
        });
        *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = failed;
        match found {
            Ok((mut unpacked, from)) => {
                let name = Name { image: text.to_owned(), digest: unpacked.digest, from, stamp };
                store::remember(&self.folder, &name)
                    .map_err(|error| ImageError::Io("note which image a name means".into(), error))?;
                unpacked.from = name.from;
                Ok(unpacked)
            }
            Err(ImageError::Away(why)) => match remembered() {
                Some(unpacked) => {
                    tracing::warn!(image = text, digest = %unpacked.digest, "{why}; the image that was unpacked before is used");
                    Ok(unpacked)
                }
                None => Err(ImageError::Away(why)),
            },
            Err(error) => Err(error),
        }
    }

    /// Why there is no use in another try at this moment, and whether that was for want of an answer.
    fn failed_before(&self, text: &str, stamp: Option<&str>) -> Option<(String, bool)> {
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        let failed = failed.as_ref().filter(|failed| failed.text == text && failed.stamp.as_deref() == stamp)?;
        (Instant::now() < failed.until).then(|| (failed.why.clone(), failed.away))
    }

    async fn by_path(
        &self,
        text: &str,
        path: &Path,
        form: Form,
        tag: Option<&str>,
    ) -> Result<(Unpacked, String), ImageError> {
        let from = path.display().to_string();
        let work = self.begin(text).await?;
        // What is said here is on the board, too: not where the home lies.
        self.say(format!("reading {text}"), 0, 0);
        let (path, tag) = (path.to_owned(), tag.map(str::to_owned));
        let (work, found) = work
            .beside(move |work| {
                if path.is_dir() {
                    let parts = parts::Parts::of_folder(&path);
                    let parts = parts.map_err(|error| ImageError::Wrong(format!("it cannot be read: {error}")))?;
                    layout::find(parts, tag.as_deref())
                } else {
                    archive::find(&path, form, tag.as_deref(), work.folder(), work.cancel())
                }
            })
            .await?;
        Ok((self.unpack(text, work, found, &from).await?, from))
    }

    async fn by_engine(&self, text: &str, held: &engine::Held) -> Result<(Unpacked, String), ImageError> {
        if let Some(unpacked) = store::hold(&self.folder, held.id, text) {
            return Ok((unpacked, ENGINE.into()));
        }
        let work = self.begin(text).await?;
        // Another process may have unpacked it while this one waited.
        if let Some(unpacked) = store::hold(&self.folder, held.id, text) {
            return Ok((unpacked, ENGINE.into()));
        }
        let path = work.folder().join("export");
        let io = |error| ImageError::Io("keep the image".into(), error);
        let mut file = std::fs::File::create_new(&path).map_err(io)?;
        let what = format!("{ENGINE} is giving {text}");
        self.say(what.clone(), 0, held.size);
        let mut room = Room::new(work.folder(), CAPS.free);
        engine::export(held, &mut file, &mut room, &|done| self.say(what.clone(), done, held.size.max(done))).await?;
        drop(file);
        let file = Arc::new(std::fs::File::open(&path).map_err(io)?);
        let (work, mut found) = work.beside(move |work| archive::in_tar(file, Form::Any, None, work.cancel())).await?;
        if !found.known_as.contains(&held.id) {
            return Err(ImageError::Refused(format!("{ENGINE} gives another image than sha256:{}", held.id)));
        }
        found.recipe.digest = held.id;
        Ok((self.unpack(text, work, found, ENGINE).await?, ENGINE.into()))
    }

    async fn by_registry(&self, text: &str, held: &registry::Held) -> Result<(Unpacked, String), ImageError> {
        let from = format!("the registry {}", held.registry());
        if let Some(unpacked) = store::hold(&self.folder, held.digest, text) {
            return Ok((unpacked, from));
        }
        let work = self.begin(text).await?;
        if let Some(unpacked) = store::hold(&self.folder, held.digest, text) {
            return Ok((unpacked, from));
        }
        let what = format!("fetching {text} from {from}");
        self.say(what.clone(), 0, 0);
        let found = registry::fetch(held, work.folder(), &|done, total| self.say(what.clone(), done, total)).await?;
        Ok((self.unpack(text, work, found, &from).await?, from))
    }

    /// Takes the store for this process, and an empty folder in it.
    async fn begin(&self, text: &str) -> Result<Work, ImageError> {
        let waiting = || self.say("waiting for another process that is unpacking an image".into(), 0, 0);
        let work = store::begin(&self.folder, &waiting).await;
        let work = work.map_err(|error| ImageError::Io(format!("write to {}", self.folder.display()), error))?;
        tracing::info!(image = text, "the image is not unpacked yet, or has changed");
        Ok(work)
    }

    async fn unpack(&self, text: &str, work: Work, found: Found, from: &str) -> Result<Unpacked, ImageError> {
        let digest = found.recipe.digest;
        if let Some(unpacked) = store::hold(&self.folder, digest, text) {
            return Ok(unpacked);
        }
        let (news, what) = (self.news.clone(), format!("unpacking {text}"));
        let began = Instant::now();
        let say = move |done, total| {
            news.send_replace(Some(Step { what: what.clone(), done, total }));
        };
        let (image, from) = (text.to_owned(), from.to_owned());
        let (work, _) = work.beside(move |work| work.unpack(&found, &image, &from, &say)).await?;
        let folder = self.folder.clone();
        work.keep(digest).map_err(|error| ImageError::Io(format!("write to {}", folder.display()), error))?;
        let unpacked = store::hold(&self.folder, digest, text);
        let unpacked = unpacked.ok_or_else(|| ImageError::Refused("it is gone as soon as it was unpacked".into()))?;
        let seconds = began.elapsed().as_secs();
        tracing::info!(image = text, %digest, bytes = unpacked.bytes, seconds, "the image is unpacked");
        if let Err(error) = self.collect().await {
            tracing::warn!(%error, "images that nobody uses could not be removed");
        }
        Ok(unpacked)
    }

    fn say(&self, what: String, done: u64, total: u64) {
        self.news.send_replace(Some(Step { what, done, total }));
    }
}

/// Of what a registry or a reader says, so many characters are passed on.
const LONGEST_WORDS: usize = 600;
/// What the log and `podium check` call the engine.
const ENGINE: &str = "the Docker engine";

/// A folder that only this daemon's user can look into, with those above it.
fn private(folder: &Path) -> io::Result<()> {
    files::private_folder(folder)
}

/// Cancelled when it is dropped.
fn stop() -> (CancellationToken, tokio_util::sync::DropGuard) {
    let cancel = CancellationToken::new();
    (cancel.clone(), cancel.drop_guard())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_try_that_took_long_is_not_repeated_at_once() {
        assert!(pause(Duration::from_millis(20)) < Duration::from_secs(1));
        assert_eq!(pause(Duration::from_secs(10)), Duration::from_secs(100));
        assert_eq!(pause(Duration::from_secs(1000)), Duration::from_secs(300));
    }

    #[tokio::test]
    async fn what_failed_counts_for_the_same_file_and_no_other() {
        let home = tempfile::tempdir().expect("a folder");
        let store = Store::new(home.path().join("store"), home.path().to_owned(), Names::Anew);
        let fails = async || store.open("root.tar").await.expect_err("no image").to_string();
        std::fs::write(home.path().join("root.tar"), "no tar").expect("written");
        assert!(fails().await.contains("it is not a tar"));
        if let Some(failed) = store.failed.lock().expect("nobody panicked").as_mut() {
            (failed.why, failed.until) = ("as before".into(), Instant::now() + Duration::from_secs(60));
        }
        assert_eq!(fails().await, "as before");
        std::fs::write(home.path().join("root.tar"), "still no tar").expect("written");
        assert!(fails().await.contains("it is not a tar"));
    }

    #[test]
    fn a_stranger_does_not_write_to_the_terminal() {
        let error = ImageError::Refused("\u{1b}[2Jlayer\n1".into()).shown();
        assert_eq!(error.to_string(), "\u{fffd}[2Jlayer\u{fffd}1");
    }
}
