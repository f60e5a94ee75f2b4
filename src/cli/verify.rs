//! `podium verify`: is the log what it was, and is everything there that it speaks of.

use std::path::Path;

use clap::Args;

use super::{Exit, progress::Progress};
use crate::core::digest::Digest;
use crate::core::record::Event;
use crate::daemon::Lock;
use crate::files;
use crate::home::Home;
use crate::journal;

/// Check the log's chain and every file that it refers to
///
/// Every line carries the hash of the line before, so that no line can be changed, removed or inserted without every later one showing it. Whoever
/// wrote down the head, as it stands on every board, can prove with --expect-head that nothing up to it was changed since.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// A hash that was the log's head once: it has to be the hash of one of its lines
    #[arg(long, value_name = "SHA256")]
    expect_head: Option<String>,
}

pub(super) fn run(home: &Home, arguments: &Arguments) -> anyhow::Result<Exit> {
    let expected: Option<Digest> = match arguments.expect_head.as_deref().map(str::parse) {
        None => None,
        Some(Ok(digest)) => Some(digest),
        Some(Err(error)) => {
            eprintln!("podium: --expect-head: {error}");
            return Ok(Exit::Usage);
        }
    };
    let Found { mut problems, lines, files, head, expected_at } = look(home, expected);
    if let Some(expected) = expected {
        match expected_at {
            None => problems.push(format!("no line of the log has the hash {expected}")),
            Some(line) if line < lines => {
                println!("the expected head is line {line}; {} lines follow it", lines - line)
            }
            Some(_) => {}
        }
    }
    for problem in &problems {
        eprintln!("{problem}");
    }
    println!(
        "{lines} lines and {files} files, head {head}: {}",
        if problems.is_empty() { "all good".to_owned() } else { format!("{} problems", problems.len()) }
    );
    Ok(if problems.is_empty() { Exit::Done } else { Exit::Problem })
}

/// What a log and its files look like.
pub(super) struct Found {
    /// What is wrong with them.
    pub(super) problems: Vec<String>,
    /// How many lines there are.
    lines: u64,
    /// How many files they refer to.
    files: u64,
    /// The hash of the last line.
    head: Digest,
    /// The line that has the hash which was asked for.
    expected_at: Option<u64>,
}

/// Reads the log and every file that it refers to.
pub(super) fn look(home: &Home, expected: Option<Digest>) -> Found {
    let mut problems = Vec::new();
    let mut progress = Progress::new("bytes");
    let length = std::fs::metadata(home.log()).map_or(0, |meta| meta.len());
    let (mut lines, mut files, mut head, mut expected_at) = (0, 0, Digest::ZERO, None);
    let read = journal::read(&home.log(), &mut |record, digest, offset| {
        lines = record.header.seq;
        head = digest;
        if expected == Some(digest) {
            expected_at = Some(lines);
        }
        match &record.event {
            Event::Accepted(accepted) => {
                let path = home.source(accepted.submission, &accepted.language);
                files += 1;
                compare(&mut problems, lines, &path, accepted.sha256, accepted.size);
            }
            Event::Judged(judged) => {
                for case in &judged.cases {
                    for kept in &case.files {
                        let origin = judged.origin();
                        let path = home.kept(origin.submission, origin.attempt, &case.case, &kept.name);
                        files += 1;
                        compare(&mut problems, lines, &path, kept.sha256, kept.bytes);
                    }
                }
            }
            Event::Rejected(_) | Event::Started(_) | Event::Board(_) | Event::Discarded(_) | Event::Unknown => {}
        }
        progress.set(offset, length, format!("line {lines}"));
    });
    progress.clear();
    match read {
        Err(error) => problems.push(format!("{error:#}", error = anyhow::Error::from(error))),
        // A daemon may be writing it just now.
        Ok((whole, _)) if whole < length && !Lock::is_taken(home) => {
            problems.push(format!("the last line is torn: {} bytes follow line {lines}", length - whole))
        }
        Ok(_) => {}
    }
    Found { problems, lines, files, head, expected_at }
}

fn compare(problems: &mut Vec<String>, line: u64, path: &Path, sha256: Digest, bytes: u64) {
    match files::digest(path) {
        Ok((found, length)) if found == sha256 && length == bytes => {}
        Ok(_) => problems.push(format!("line {line}: {} is not what was recorded", path.display())),
        Err(error) => problems.push(format!("line {line}: {}: {error}", path.display())),
    }
}
