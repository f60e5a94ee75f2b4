//! From what changed to files that changed: each written whole, and only where its bytes differ.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::pages::{Kind, Pages, RenderError};
use crate::core::config::Problem;
use crate::core::history::{State, Submission};
use crate::core::ids::{CaseName, SubmissionId, UserName};
use crate::core::machine::Dirty;
use crate::core::text::visible_lines;
use crate::core::view::{self, Source, StatusJson, SubmissionPage, Tail, Tails};
use crate::files;
use crate::home::Home;

/// Of what a public case printed, this much of the end is shown, in bytes.
const TAIL: u64 = 4 << 10;
/// A page is at most this many levels below public/: s/<uuid>/index.html.
const DEEPEST: usize = 3;
/// Everybody may read the site.
const MODE: u32 = 0o644;

/// Keeps public/ in step with the log.
pub struct Publisher {
    home: Home,
    pages: Pages,
}

/// What the log does not know: how the daemon is.
#[derive(Debug, Clone, Default)]
pub struct Life {
    /// Its latest sign of life; `None` without a daemon.
    pub alive_at: Option<DateTime<Utc>>,
    /// Why nothing is judged at the moment, if something keeps it.
    pub held: Option<String>,
}

/// Why a page is not up to date.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// Its template failed.
    #[error(transparent)]
    Render(#[from] RenderError),
    /// It could not be written.
    #[error("failed to write {path}")]
    Write {
        /// Where.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

/// The first thing that went wrong, while the rest goes on.
#[derive(Default)]
struct First(Option<PublishError>);

impl First {
    fn note(&mut self, outcome: Result<(), PublishError>) {
        if let Err(error) = outcome {
            self.0.get_or_insert(error);
        }
    }
}

impl Publisher {
    /// A publisher with the templates of a home, and what is wrong with those.
    #[must_use]
    pub fn new(home: &Home) -> (Self, Vec<Problem>) {
        let (pages, problems) = Pages::load(&home.templates());
        (Self { home: home.clone(), pages }, problems)
    }

    /// Brings the pages that `dirty` names up to date. One that fails, by a template of the instructor's say, keeps none of the others.
    ///
    /// # Errors
    /// The first [`PublishError`].
    pub fn publish(&self, dirty: &Dirty, source: Source<'_>, life: &Life) -> Result<(), PublishError> {
        let mut first = First::default();
        if dirty.everything {
            self.everything(source, &mut first);
        } else {
            for submission in dirty.submissions.iter().filter_map(|number| source.history.get(*number)) {
                first.note(self.submission(source, submission));
            }
            for id in &dirty.refused {
                first.note(self.refused(source, id));
            }
            for user in &dirty.users {
                first.note(self.user(source, user));
            }
        }
        first.note(self.board(source, life));
        first.note(self.queue(source, life));
        first.0.map_or(Ok(()), Err)
    }

    /// The queue alone: it carries the daemon's sign of life.
    ///
    /// # Errors
    /// As [`Publisher::publish`].
    pub fn queue(&self, source: Source<'_>, life: &Life) -> Result<(), PublishError> {
        let (page, json) = view::queue(source, life.alive_at);
        self.json("queue.json", &json)?;
        self.page("queue.html", Kind::QUEUE, &view::live_site(source, life.held.as_deref()), &page)
    }

    fn board(&self, source: Source<'_>, life: &Life) -> Result<(), PublishError> {
        let (page, json) = view::board(source);
        self.json("leaderboard.json", &json)?;
        self.page("index.html", Kind::BOARD, &view::live_site(source, life.held.as_deref()), &page)
    }

    /// Every page but board and queue; and no file that is none of them.
    fn everything(&self, source: Source<'_>, first: &mut First) {
        for (name, bytes) in self.pages.assets() {
            first.note(self.write(name, bytes));
        }
        let public = self.home.public();
        first.note(
            files::remove_temporary(&public, DEEPEST).map_err(|source| PublishError::Write { path: public, source }),
        );
        first.note(self.close_listing("s"));
        let mut known: BTreeSet<String> = self.pages.assets().keys().cloned().collect();
        known.extend(["index.html", "leaderboard.json", "queue.html", "queue.json"].map(str::to_owned));
        let private = source.history.submissions().iter().map(|submission| &submission.id);
        for id in private.chain(source.history.refused().keys()) {
            known.extend(["index.html", "status.json"].map(|name| format!("{}/{name}", view::folder(id))));
        }
        for submission in source.history.submissions() {
            first.note(self.submission(source, submission));
        }
        for id in source.history.refused().keys() {
            first.note(self.refused(source, id));
        }
        for (user, _) in source.history.users() {
            first.note(self.user(source, user));
            known.insert(format!("u/{user}/index.html"));
        }
        first.note(self.sweep(&known));
    }

    /// Makes a folder whose entries can be opened by name and not be listed: their names are the secret. A web server that lists folders, or
    /// another account on the machine, then finds none.
    fn close_listing(&self, folder: &str) -> Result<(), PublishError> {
        let path = self.home.public().join(folder);
        fs::create_dir_all(&path)
            .and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(0o711)))
            .map_err(|source| PublishError::Write { path, source })
    }

    /// Removes every file that is no page: of a log that was replaced, of a template that is gone, put there by hand. Names that begin
    /// with a dot (`.well-known`) are the web server's business.
    fn sweep(&self, known: &BTreeSet<String>) -> Result<(), PublishError> {
        let public = self.home.public();
        let visible = |entry: &walkdir::DirEntry| {
            entry.depth() == 0 || !entry.file_name().to_str().is_some_and(|name| name.starts_with('.'))
        };
        let walk = walkdir::WalkDir::new(&public).contents_first(true).into_iter();
        for entry in walk.filter_entry(visible).flatten().filter(|entry| entry.depth() > 0) {
            let path = entry.path();
            let name = path.strip_prefix(&public).unwrap_or(path).to_string_lossy();
            if entry.file_type().is_dir() {
                // Goes only where it is empty.
                if name != "s" {
                    let _ = fs::remove_dir(path);
                }
            } else if !known.contains(name.as_ref()) {
                fs::remove_file(path).map_err(|source| PublishError::Write { path: path.to_owned(), source })?;
            }
        }
        Ok(())
    }

    fn user(&self, source: Source<'_>, user: &UserName) -> Result<(), PublishError> {
        let page = view::user(source, user);
        self.page(&format!("u/{user}/index.html"), Kind::USER, &view::site(source), &page)
    }

    fn submission(&self, source: Source<'_>, submission: &Submission) -> Result<(), PublishError> {
        let tails = self.tails(submission, &source.rules.config.cases.public);
        self.private(source, &submission.id, &view::submission(source, submission, tails))
    }

    fn refused(&self, source: Source<'_>, id: &SubmissionId) -> Result<(), PublishError> {
        let Some(refused) = source.history.refused().get(id) else {
            return Ok(());
        };
        self.private(source, id, &view::refused(refused))
    }

    fn private(
        &self,
        source: Source<'_>,
        id: &SubmissionId,
        (page, json): &(SubmissionPage, StatusJson),
    ) -> Result<(), PublishError> {
        let folder = view::folder(id);
        self.json(&format!("{folder}/status.json"), json)?;
        self.page(&format!("{folder}/index.html"), Kind::SUBMISSION, &view::site(source), page)
    }

    /// The ends of what the public cases printed, out of results/.
    fn tails(&self, submission: &Submission, public: &[CaseName]) -> Tails {
        let State::Judged { result, .. } = &submission.state else {
            return Tails::new();
        };
        let tail = |case: &CaseName, name: &str| {
            let path = self.home.kept(submission.number, result.attempt, case, name);
            let (bytes, length) = files::tail(&path, TAIL).unwrap_or_default();
            Tail { text: visible_lines(&String::from_utf8_lossy(&bytes)), bytes: length, cut: length > TAIL }
        };
        public.iter().map(|case| (case.clone(), (tail(case, "stdout"), tail(case, "stderr")))).collect()
    }

    fn page(&self, path: &str, kind: Kind, site: &view::Site, page: &impl Serialize) -> Result<(), PublishError> {
        let html = self.pages.render(kind, site, page)?;
        self.write(path, html.as_bytes())
    }

    fn json(&self, path: &str, value: &impl Serialize) -> Result<(), PublishError> {
        let mut bytes = serde_json::to_vec(value)
            .map_err(|error| PublishError::Write { path: path.into(), source: error.into() })?;
        bytes.push(b'\n');
        self.write(path, &bytes)
    }

    fn write(&self, path: &str, bytes: &[u8]) -> Result<(), PublishError> {
        let path = self.home.public().join(Path::new(path));
        files::replace_if_changed(&path, bytes, MODE).map(|_| ()).map_err(|source| PublishError::Write { path, source })
    }
}
