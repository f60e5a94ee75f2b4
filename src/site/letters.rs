//! What the private pages say, in the outboxes of their users: for those who come by SFTP and have no browser at hand.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io;

use crate::core::history::{State, Submission};
use crate::core::ids::{Number, SubmissionId, UserName};
use crate::core::submission::{Named, read_name};
use crate::core::view::{self, Around, Source, SubmissionPage, Waiting};
use crate::outbox::{Outbox, Outboxes};

/// The queue, as letters tell of it: asked for when the first one does.
#[derive(Default)]
pub(super) struct Line(OnceCell<BTreeMap<Number, Waiting>>);

impl Line {
    /// As it was when the log's last line was written: a function of the log, as everything in an outbox.
    fn of(&self, source: Source<'_>) -> &BTreeMap<Number, Waiting> {
        self.0.get_or_init(|| {
            let (_, json) = view::queue(source, None, None);
            json.into_waiting().into_iter().map(|entry| (entry.submission, entry)).collect()
        })
    }
}

/// A letter on its way: the page that it is made of, and the bytes of status.json.
pub(super) struct Letter<'a> {
    pub(super) id: &'a SubmissionId,
    pub(super) page: &'a SubmissionPage,
    pub(super) json: &'a [u8],
}

/// The outboxes of a home, and whose have been filled.
#[derive(Debug)]
pub(super) struct Letters {
    outboxes: Outboxes,
    filled: BTreeSet<UserName>,
}

impl Letters {
    pub(super) fn new(outboxes: Outboxes) -> Self {
        Self { outboxes, filled: BTreeSet::new() }
    }

    /// The users who may have an outbox.
    pub(super) fn users(&self) -> Vec<UserName> {
        self.outboxes.users()
    }

    /// Whether a user has one that may be written to.
    pub(super) fn has(&self, user: &UserName) -> bool {
        self.outboxes.open(user).is_ok_and(|outbox| outbox.is_some())
    }

    /// Those of them whose letters nobody has written since the program began: their folders are new.
    pub(super) fn new_users(&mut self, users: &[UserName]) -> Vec<UserName> {
        let new: Vec<_> = users.iter().filter(|user| !self.filled.contains(*user)).cloned().collect();
        self.filled = users.iter().cloned().collect();
        new
    }

    /// Puts a letter into its user's outbox, where there is one.
    pub(super) fn send(&self, source: Source<'_>, letter: &Letter<'_>, line: &Line) -> io::Result<()> {
        let Some(user) = &letter.page.user else { return Ok(()) };
        let Some(outbox) = self.outboxes.open(user)? else { return Ok(()) };
        let waiting = line.of(source);
        let place = letter.page.submission.and_then(|number| waiting.get(&number));
        let around = Around { id: letter.id, place, waiting: waiting.len() };
        let [json, text] = names(user, letter.id);
        outbox.put(&text, view::letter(source, letter.page, around).as_bytes())?;
        // Programs wait for this one: when it says that there is a result, the text has it.
        outbox.put(&json, letter.json)
    }

    /// The refused files of a user that no other letter tells of.
    pub(super) fn strays(&self, source: Source<'_>, user: &UserName) -> io::Result<()> {
        self.with(user, |outbox| {
            outbox.put("refused.txt", view::strays(source, source.history.strays(user)).as_bytes())
        })
    }

    /// How to hand in, and what no page has.
    pub(super) fn guide(&self, source: Source<'_>, user: &UserName) -> io::Result<()> {
        self.strays(source, user)?;
        self.with(user, |outbox| outbox.put("README.txt", view::readme(source, user).as_bytes()))
    }

    /// The whole queue, with the daemon's sign of life: the bytes of public/queue.json.
    pub(super) fn queue(&self, user: &UserName, json: &[u8]) -> io::Result<()> {
        self.with(user, |outbox| outbox.put("queue.json", json))
    }

    /// Removes letters about submissions that the log does not know.
    pub(super) fn sweep(&self, user: &UserName, ids: &[&SubmissionId]) -> io::Result<()> {
        let known = ids.iter().flat_map(|id| names(user, id)).collect();
        let is_letter = |name: &str| {
            let Named::Submission(file) = read_name(name) else { return false };
            matches!(file.extension.as_str(), "json" | "txt")
        };
        self.with(user, |outbox| outbox.sweep(&known, is_letter))
    }

    fn with(&self, user: &UserName, work: impl FnOnce(&Outbox) -> io::Result<()>) -> io::Result<()> {
        self.outboxes.open(user)?.map_or(Ok(()), |outbox| work(&outbox))
    }
}

/// What the two files of a letter are called.
fn names(user: &UserName, id: &SubmissionId) -> [String; 2] {
    ["json", "txt"].map(|ending| format!("{user}_{id}.{ending}"))
}

/// Whether a submission's letter changes as the queue does.
pub(super) fn is_waiting(submission: &Submission) -> bool {
    matches!(submission.state, State::Waiting)
}
