//! What speaks against a file before it is opened, and whose doing it is.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::{Found, Kind, Machine};
use crate::core::config::{Board, Config, Identity};
use crate::core::history::History;
use crate::core::ids::{SubmissionId, UserName};
use crate::core::quota;
use crate::core::record::{Refusal, moment};
use crate::core::rules::Rules;
use crate::core::submission::{FileName, Folder, Named};

/// A file that has lain there for so long under a temporary name is an upload that nobody will end.
const ABANDONED: Duration = Duration::from_secs(86_400);
/// So many files may lie under temporary names, of one sender in one folder.
const MOST_TEMPORARY: usize = 100;
/// Their sizes together, in sizes of the largest submission.
const MOST_TEMPORARY_SIZES: u64 = 16;

/// The files under final names that are not whole yet may have so much together, of one sender in one folder, in sizes of the largest
/// submission: whoever writes on and on must not fill the disk.
const MOST_UNSETTLED_SIZES: u64 = 64;

/// The files of one sender in one folder that are on their way.
#[derive(Debug, Default)]
pub(super) struct Unfinished {
    /// Under temporary names: how many, and their bytes.
    temporary: BTreeMap<(Option<Folder>, Option<String>), (usize, u64)>,
    /// Under final names: their bytes.
    unsettled: BTreeMap<(Option<Folder>, Option<String>), u64>,
}

impl Unfinished {
    /// What speaks against a file under a temporary name, given those that came later before it.
    pub(super) fn objection(&mut self, found: &Found, max_size: u64) -> Option<(Refusal, String)> {
        if found.kind == Kind::Folder {
            // What lies in it is not counted, and could be any number of bytes.
            return Some((Refusal::NotAFile, "a submission is a plain file; it is a folder".into()));
        }
        if found.size > max_size {
            return Some(too_large(found.size, max_size));
        }
        if found.unchanged_for >= ABANDONED && !found.being_written {
            let reason =
                "it has lain under a temporary name, unchanged, for a day; hand it in again under its final name";
            return Some((Refusal::Temporary, reason.into()));
        }
        let (files, bytes) = self.temporary.entry((found.folder.clone(), found.owner.clone())).or_default();
        (*files, *bytes) = (*files + 1, bytes.saturating_add(found.size));
        if *files > MOST_TEMPORARY {
            let reason = format!("more than {MOST_TEMPORARY} files lie under temporary names, and this is the oldest");
            return Some((Refusal::Temporary, reason));
        }
        let most = max_size.saturating_mul(MOST_TEMPORARY_SIZES);
        if *bytes > most {
            let reason =
                format!("files under temporary names have more than {most} bytes together, and this is the oldest");
            return Some((Refusal::Temporary, reason));
        }
        None
    }

    /// What speaks against a file that is not whole yet, given those that came before it. One feeder, who is trusted, may bring everybody's.
    pub(super) fn unsettled(&mut self, found: &Found, config: &Config) -> Option<(Refusal, String)> {
        if found.folder.is_none() && config.submissions.identity == Identity::Name {
            return None;
        }
        let bytes = self.unsettled.entry((found.folder.clone(), found.owner.clone())).or_default();
        *bytes = bytes.saturating_add(found.size);
        let most = config.submissions.max_size.saturating_mul(MOST_UNSETTLED_SIZES);
        (*bytes > most).then(|| {
            let reason =
                format!("files that are still being written have more than {most} bytes together, with this one");
            (Refusal::Temporary, reason)
        })
    }
}

impl Machine {
    /// What speaks against a file under its final name before it is opened.
    pub(super) fn objection(&self, now: DateTime<Utc>, found: &Found, named: &Named) -> Option<(Refusal, String)> {
        let rules = &self.rules;
        let config = &rules.config;
        let name = match named {
            Named::Bad(reason) => return Some((Refusal::Name, reason.clone())),
            Named::Temporary => return None,
            Named::Submission(name) => name,
        };
        let kind = match found.kind {
            Kind::Plain => None,
            Kind::Linked => Some("it has a second name (a hard link)"),
            Kind::Symlink => Some("it is a link"),
            Kind::Folder => Some("it is a folder"),
            Kind::Special => Some("it is not a regular file"),
        };
        if let Some(kind) = kind {
            return Some((Refusal::NotAFile, format!("a submission is a plain file; {kind}")));
        }
        if let Some((refusal, reason)) = identity_objection(config.submissions.identity, found, name) {
            return Some((refusal, reason));
        }
        if rules.users.role(&name.user).is_none() {
            return Some((Refusal::UnknownUser, format!("{} is not a user of this competition", name.user)));
        }
        if config.board_at(now) == Board::Closed {
            return Some((Refusal::BoardClosed, "the board is closed: no submissions are taken".into()));
        }
        if let Some(opens) = config.competition.opens_at.filter(|_| !config.takes_submissions_at(now)) {
            return Some((Refusal::BoardClosed, format!("no submissions are taken before {}", moment::text(opens))));
        }
        if !config.languages.contains_key(&name.extension) {
            let known: Vec<_> = config.languages.keys().map(|known| format!(".{known}")).collect();
            return Some((
                Refusal::Language,
                format!(".{} is not accepted here; accepted: {}", name.extension, known.join(", ")),
            ));
        }
        if let Some(objection) = duplicate(&self.history, &name.id) {
            return Some(objection);
        }
        let most = config.submissions.max_size;
        if found.size > most {
            return Some(too_large(found.size, most));
        }
        if found.size == 0 {
            return Some((Refusal::Empty, "it is empty".into()));
        }
        // Asked again when it is accepted: those that came together are not all of them the first.
        quota::objection(&self.history, rules, &name.user, found.size, now)
    }
}

fn too_large(size: u64, most: u64) -> (Refusal, String) {
    (Refusal::TooLarge, format!("it is {size} bytes long; at most {most} are taken"))
}

/// Whether an id is used up.
pub(super) fn duplicate(history: &History, id: &SubmissionId) -> Option<(Refusal, String)> {
    let known = history.by_id(id)?;
    let at = moment::text(known.receipt.at);
    Some((Refusal::Duplicate, format!("this id was taken in before, at {at}; every submission needs a new one")))
}

/// Whose doing a file is, as far as can be told: whose folder it lies in, or whose account it belongs to, says more than a name that anybody
/// can write.
pub(super) fn sender(rules: &Rules, found: &Found, name: Option<&FileName>) -> Option<UserName> {
    if let Some(folder) = &found.folder {
        return Some(folder.user.clone());
    }
    match rules.config.submissions.identity {
        Identity::Name => name.map(|name| name.user.clone()),
        Identity::Owner => {
            let owner = found.owner.as_ref().and_then(|owner| owner.parse::<UserName>().ok());
            owner.filter(|owner| rules.users.role(owner).is_some())
        }
    }
}

/// Whether a file is its user's, under the rule that config.toml names.
fn identity_objection(identity: Identity, found: &Found, name: &FileName) -> Option<(Refusal, String)> {
    if let Some(folder) = &found.folder {
        // Under either rule: a folder of one's own is never a door to another's name.
        return (folder.user != name.user).then(|| {
            (Refusal::Identity, format!("this is the folder of {}, and the name says {}", folder.user, name.user))
        });
    }
    match identity {
        Identity::Name => None,
        Identity::Owner if found.owner.as_deref() == Some(name.user.as_str()) => None,
        Identity::Owner => Some((Refusal::Identity, format!("the file does not belong to the account {}", name.user))),
    }
}
