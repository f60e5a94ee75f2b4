//! What is going on now, for those whose submissions it is: how a check or a judging that runs gets onto a private page.
//!
//! Whoever checks or judges tells a [`Teller`], which never waits and drops nothing: it keeps one list for each submission, as long as its
//! check's output and its public cases. The daemon writes what is new of these lists into `log.txt`, every now and then. None of it is in
//! the log: a daemon that dies leaves a file that the next one writes anew.

use std::collections::BTreeMap;

use tokio::sync::watch;

use super::publish::{PublishError, Publisher};
use crate::core::history::{State, Submission};
use crate::core::ids::{Number, SubmissionId};
use crate::core::record::FileKey;
use crate::core::submission::FileName;
use crate::core::view::{Source, Step};

/// To be told what happens to one submission.
#[derive(Debug)]
pub struct Teller(watch::Sender<Vec<Step>>);

impl Default for Teller {
    /// One whom nobody listens to.
    fn default() -> Self {
        Self(watch::Sender::new(Vec::new()))
    }
}

impl Teller {
    /// Tells of something that happened.
    pub fn tell(&self, step: Step) {
        self.0.send_modify(|steps| steps.push(step));
    }

    /// What a check has said so far.
    #[must_use]
    pub fn said(&self) -> String {
        let said = |step: &Step| match step {
            Step::Said(text) => Some(text.clone()),
            Step::Given(_) | Step::Began(_) | Step::Ended(_) | Step::PublicOver => None,
        };
        self.0.borrow().iter().filter_map(said).collect()
    }
}

/// Everything that is being checked or judged.
#[derive(Debug, Default)]
pub struct Live(BTreeMap<SubmissionId, Going>);

/// One of them.
#[derive(Debug)]
struct Going {
    what: What,
    steps: watch::Receiver<Vec<Step>>,
    /// Whether it was written since that was last asked for.
    written: bool,
}

#[derive(Debug)]
enum What {
    /// A file that is not accepted yet.
    Check { name: FileName, key: FileKey, size: u64 },
    /// A judging.
    Judging(Number),
}

impl Live {
    /// Whether anything is going on.
    #[must_use]
    pub fn is_any(&self) -> bool {
        !self.0.is_empty()
    }

    /// A file is being checked.
    pub fn check(&mut self, name: &FileName, key: FileKey, size: u64) -> Teller {
        self.begin(name.id.clone(), What::Check { name: name.clone(), key, size })
    }

    /// A submission is being judged.
    pub fn judging(&mut self, submission: &Submission) -> Teller {
        self.begin(submission.id.clone(), What::Judging(submission.number))
    }

    fn begin(&mut self, id: SubmissionId, what: What) -> Teller {
        let (sender, steps) = watch::channel(Vec::new());
        self.0.insert(id, Going { what, steps, written: false });
        Teller(sender)
    }

    /// A file that was checked has left the inbox, and a line of the log tells of it; or it went by itself, and is looked for again.
    /// Returns its id where a page was written for it.
    pub fn left(&mut self, key: FileKey) -> Option<SubmissionId> {
        let is_it = |going: &Going| matches!(&going.what, What::Check { key: other, .. } if *other == key);
        let id = self.0.iter().find(|(_, going)| is_it(going)).map(|(id, _)| id.clone())?;
        self.0.remove(&id).filter(|going| going.written).map(|_| id)
    }

    /// All of it is to be written again: the pages were made anew.
    pub fn again(&mut self) {
        self.0.values_mut().for_each(|going| going.written = false);
    }

    /// Writes what is new.
    ///
    /// # Errors
    /// The first [`PublishError`], after all were tried; what failed is tried again the next time.
    pub fn write(&mut self, source: Source<'_>, publisher: &Publisher) -> Result<(), PublishError> {
        let mut outcome = Ok(());
        self.0.retain(|id, going| match &going.what {
            // The page of one that was accepted is not for another file of that id.
            What::Check { .. } => source.history.by_id(id).is_none(),
            // Put back, or recorded: its page says so, and its log.
            What::Judging(number) => {
                source.history.get(*number).is_some_and(|submission| matches!(submission.state, State::Running { .. }))
            }
        });
        for going in self.0.values_mut() {
            let is_news = going.steps.has_changed().unwrap_or(false);
            if going.written && !is_news {
                continue;
            }
            let steps = going.steps.borrow_and_update().clone();
            let written = match &going.what {
                What::Check { name, size, .. } => publisher.checking(source, name, *size, &steps),
                What::Judging(number) => match source.history.get(*number) {
                    Some(submission) => publisher.log(source, submission, &steps),
                    None => Ok(()),
                },
            };
            going.written = written.is_ok();
            if outcome.is_ok() {
                outcome = written;
            }
        }
        outcome
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name() -> FileName {
        match crate::core::submission::read_name("mira_6f0c1e9a-5d1b-4c39-9f0e-0d9f1c2b3a4d.py") {
            crate::core::submission::Named::Submission(name) => name,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_was_never_written_leaves_no_page_to_be_removed() {
        let key = |inode| FileKey { changed_ns: 1, inode };
        let mut live = Live::default();
        let teller = live.check(&name(), key(7), 10);
        teller.tell(Step::Said("check: x\n".into()));
        teller.tell(Step::Said("  | y\n".into()));
        assert_eq!(teller.said(), "check: x\n  | y\n");
        assert_eq!(live.left(key(8)), None);
        assert!(live.is_any(), "another file's end is none of this one's");
        assert_eq!(live.left(key(7)), None);
        assert!(!live.is_any());
    }
}
