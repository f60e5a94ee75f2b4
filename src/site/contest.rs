//! The Contest API as files: each endpoint is a file of its name with `.json` (or `.ndjson`) behind it, since `contests` could not be a file
//! and a folder at once. A web server adds the ending.
//!
//! The folder of a contest is a package by the ICPC's Contest Package Format at the same time.

use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;

use super::PublishError;
use crate::core::view::{Contest, Source};
use crate::files;

/// Where it lies below public/.
pub(super) const FOLDER: &str = "api";
/// Everybody may read it.
const MODE: u32 = 0o644;

/// The files of a contest, below its folder.
const FILES: [&str; 13] = [
    "access.json",
    "api.json",
    "contest.json",
    "event-feed.ndjson",
    "groups.json",
    "judgement-types.json",
    "judgements.json",
    "languages.json",
    "problems.json",
    "scoreboard.json",
    "state.json",
    "submissions.json",
    "teams.json",
];

/// Every file that [`write`] writes, by its path below the folder that it is given.
pub(super) fn names(source: Source<'_>) -> Vec<String> {
    let id = Contest::new(source).id();
    let above = ["api.json".to_owned(), "contests.json".to_owned(), format!("contests/{id}.json")];
    above.into_iter().chain(FILES.map(|name| format!("contests/{id}/{name}"))).collect()
}

/// Writes all of it into a folder.
pub(super) fn write(source: Source<'_>, folder: &Path) -> Result<(), PublishError> {
    let contest = Contest::new(source);
    let id = contest.id();
    let put = |name: &str, write: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>| {
        let path = folder.join(name);
        files::replace_by(&path, MODE, write).map(drop).map_err(|source| PublishError::Write { path, source })
    };
    let above = |name: &str, object: &dyn Json| put(name, &mut |out| object.write(out));
    let below = |name: &str, object: &dyn Json| above(&format!("contests/{id}/{name}"), object);
    above("api.json", &contest.information())?;
    above("contests.json", &[contest.contest()])?;
    above(&format!("contests/{id}.json"), &contest.contest())?;
    below("access.json", &contest.access())?;
    below("api.json", &contest.information())?;
    below("contest.json", &contest.contest())?;
    below("groups.json", &contest.groups())?;
    below("judgement-types.json", &contest.judgement_types())?;
    below("languages.json", &contest.languages())?;
    below("problems.json", &contest.problems())?;
    below("scoreboard.json", &contest.scoreboard())?;
    below("state.json", &contest.state())?;
    // These grow with the submissions.
    put(&format!("contests/{id}/teams.json"), &mut |out| array(out, contest.teams()))?;
    put(&format!("contests/{id}/submissions.json"), &mut |out| array(out, contest.submissions()))?;
    put(&format!("contests/{id}/judgements.json"), &mut |out| array(out, contest.judgements()))?;
    put(&format!("contests/{id}/event-feed.ndjson"), &mut |out| contest.events().try_for_each(|event| event.write(out)))
}

/// Something that is written as one line of JSON.
trait Json {
    fn write(&self, out: &mut dyn Write) -> io::Result<()>;
}

impl<T: Serialize> Json for T {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        serde_json::to_writer(&mut *out, self)?;
        out.write_all(b"\n")
    }
}

/// An array with one object a line.
fn array(out: &mut dyn Write, objects: impl Iterator<Item = impl Serialize>) -> io::Result<()> {
    let mut before = "[\n";
    for object in objects {
        out.write_all(before.as_bytes())?;
        serde_json::to_writer(&mut *out, &object)?;
        before = ",\n";
    }
    out.write_all(if before == "[\n" { b"[]\n" } else { b"\n]\n" })
}
