//! Every page anew, a few at a time: with hundreds of thousands of them this takes minutes, and whoever hands in meanwhile does not wait for it.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::time::Instant;

use super::letters::Line;
use super::publish::{First, LOG, PublishError, Publisher, Round, TOP, refused_of, write_error};
use super::{Life, contest, downloads};
use crate::core::ids::{Number, SubmissionId, UserName};
use crate::core::view::Source;
use crate::files;

/// What is left to do of it, in this order.
pub(super) struct Rebuild {
    users: std::vec::IntoIter<UserName>,
    /// The private page of this submission is the next one.
    submission: Number,
    refused: std::vec::IntoIter<SubmissionId>,
    /// Whatever is no page goes.
    sweep: walkdir::IntoIter,
    /// Whether what grows with all submissions is still to be written.
    contest: bool,
    outboxes: std::vec::IntoIter<UserName>,
    /// The refused files of each user, where anybody has an outbox.
    letters: BTreeMap<UserName, Vec<SubmissionId>>,
    /// What went wrong first.
    failed: First,
}

impl Rebuild {
    pub(super) fn new(publisher: &mut Publisher, source: Source<'_>) -> Self {
        let history = source.history;
        let outboxes = if publisher.private { publisher.letters.users() } else { Vec::new() };
        // These are filled here: a round has only those to fill that come later.
        publisher.letters.new_users(&outboxes);
        let letters = if outboxes.is_empty() { BTreeMap::new() } else { refused_of(source) };
        let letters = letters.into_iter().map(|(user, ids)| (user.clone(), ids.into_iter().cloned().collect()));
        Self {
            submission: if publisher.private { Number(1) } else { history.next_number() },
            refused: history.refused().keys().filter(|_| publisher.private).cloned().collect::<Vec<_>>().into_iter(),
            users: history.users().map(|(user, _)| user.clone()).collect::<Vec<_>>().into_iter(),
            sweep: walkdir::WalkDir::new(&publisher.public).min_depth(1).contents_first(true).into_iter(),
            contest: true,
            outboxes: outboxes.into_iter(),
            letters: letters.collect(),
            failed: First::default(),
        }
    }
}

impl Publisher {
    /// Whether pages are left that a change of everything has made out of date.
    #[must_use]
    pub fn is_rebuilding(&self) -> bool {
        self.rebuild.is_some()
    }

    /// Goes on with them until they are all done, or it is `until`. Returns how it ended when it did: the first thing that went wrong.
    pub fn go_on(
        &mut self,
        source: Source<'_>,
        life: &Life,
        until: Option<Instant>,
    ) -> Option<Result<(), PublishError>> {
        let mut rebuild = self.rebuild.take()?;
        // As it is when the first letter asks for it: those who wait are gone round at the end.
        let line = Line::default();
        while self.step(&mut rebuild, source, &line) {
            if until.is_some_and(|until| Instant::now() >= until) {
                self.rebuild = Some(rebuild);
                return None;
            }
        }
        let mut failed = rebuild.failed;
        if self.private {
            failed.note(self.round(Round::Everybody, source, life));
        }
        Some(failed.into())
    }

    /// One page, one file to look at, or one outbox. Returns whether there was one.
    fn step(&mut self, rebuild: &mut Rebuild, source: Source<'_>, line: &Line) -> bool {
        let outcome = if let Some(user) = rebuild.users.next() {
            self.user(source, &user)
        } else if let Some(submission) = source.history.get(rebuild.submission) {
            rebuild.submission = Number(rebuild.submission.0 + 1);
            self.submission(source, submission, line)
        } else if let Some(id) = rebuild.refused.next() {
            self.refused(source, &id, line)
        } else if let Some(entry) = rebuild.sweep.next() {
            // What is gone meanwhile was a temporary file of another page.
            entry.map_or(Ok(()), |entry| self.sweep(&entry, source))
        } else if std::mem::take(&mut rebuild.contest) {
            self.contest(source)
        } else if let Some(user) = rebuild.outboxes.next() {
            let mut ids: Vec<_> = source.history.of_user(&user).into_iter().map(|submission| &submission.id).collect();
            ids.extend(rebuild.letters.get(&user).into_iter().flatten());
            let swept = self.letters.sweep(&user, &ids).and_then(|()| self.letters.guide(source, &user));
            self.posted(&user, swept)
        } else {
            return false;
        };
        rebuild.failed.note(outcome);
        true
    }

    /// Removes a file that is no page: of a log that was replaced, of a template that is gone, put there by hand; and a folder that is empty.
    /// Names that begin with a dot (`.well-known`) are the web server's business.
    fn sweep(&self, entry: &walkdir::DirEntry, source: Source<'_>) -> Result<(), PublishError> {
        let public = &self.public;
        let path = entry.path();
        let name = path.strip_prefix(public).unwrap_or(path).to_string_lossy();
        let is_hidden = |part: &str| part.starts_with('.');
        if name.rsplit('/').skip(1).any(is_hidden) {
            return Ok(());
        }
        let gone = if entry.file_type().is_dir() {
            // Goes only where it is empty.
            if name != "s" && !is_hidden(&entry.file_name().to_string_lossy()) {
                let _ = fs::remove_dir(path);
            }
            return Ok(());
        } else if files::is_temporary(entry.file_name())
            || !is_hidden(&entry.file_name().to_string_lossy()) && !self.is_page(&name, source)
        {
            fs::remove_file(path)
        } else {
            return Ok(());
        };
        match gone {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(write_error(path, error)),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Whether a file below public/, by its path there, is one that the log and the templates account for.
    fn is_page(&self, name: &str, source: Source<'_>) -> bool {
        let parts: Vec<&str> = name.split('/').collect();
        match parts.as_slice() {
            [top] if TOP.contains(top) => true,
            ["s", id, "index.html" | "status.json" | LOG] => id.parse().is_ok_and(|id: SubmissionId| {
                source.history.by_id(&id).is_some() || source.history.refused().contains_key(&id)
            }),
            ["s", id, file] => id.parse().is_ok_and(|id: SubmissionId| {
                let submission = source.history.by_id(&id);
                submission.is_some_and(|one| downloads::is_one(file, one, &source.rules.config.cases.public))
            }),
            ["u", user, "index.html" | "plot.svg"] => {
                user.parse().is_ok_and(|user: UserName| source.history.latest_of(&user).next().is_some())
            }
            [contest::FOLDER, below @ ..] => {
                self.has_contest(source) && contest::names(source).contains(&below.join("/"))
            }
            _ => self.pages.assets().contains_key(name),
        }
    }
}
