//! `podium status`: what a superuser wants to know at a glance.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use clap::Args;
use serde::Serialize;

use super::{Exit, table::table};
use crate::core::config::Board;
use crate::core::details::Details;
use crate::core::eta;
use crate::core::history::{History, State, Submission};
use crate::core::ids::Number;
use crate::core::outcome::Outcome;
use crate::core::record::{CaseResult, moment};
use crate::core::verdict::{Fault, Verdict};
use crate::daemon::{Lock, state};
use crate::home::Home;
use crate::journal::Lines;
use crate::{journal, settings};

/// How many of the latest results are shown.
const LATEST: usize = 10;

/// Show the board's state, the queue, the last results and what is wrong
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Status {
    v: u32,
    board: Option<Board>,
    frozen: bool,
    daemon: Option<Daemon>,
    workers: Option<usize>,
    log_seq: u64,
    log_head: Option<String>,
    submissions: usize,
    running: Vec<Running>,
    waiting: Vec<Waiting>,
    latest: Vec<Latest>,
    unscored: Vec<Unscored>,
    problems: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Daemon {
    pid: u32,
    version: String,
    started_at: String,
    alive_at: String,
}

#[derive(Debug, Serialize)]
struct Running {
    submission: u64,
    user: String,
    since: String,
    attempt: u32,
}

#[derive(Debug, Serialize)]
struct Waiting {
    submission: u64,
    user: String,
    position: usize,
    eta_seconds: Option<u64>,
}

#[derive(Debug, Serialize)]
struct Latest {
    submission: u64,
    user: String,
    at: String,
    verdict: Verdict,
}

/// A submission that the evaluator, or the platform, failed on.
#[derive(Debug, Serialize)]
struct Unscored {
    submission: u64,
    user: String,
    at: String,
    verdict: Verdict,
    /// Of each case that has no score.
    staff_messages: Vec<String>,
}

pub(super) fn run(home: &Home, arguments: &Arguments) -> anyhow::Result<Exit> {
    let status = gather(home, Utc::now())?;
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&status)?);
    } else {
        print!("{}", shown(&status));
    }
    Ok(if status.problems.is_empty() { Exit::Done } else { Exit::Problem })
}

fn gather(home: &Home, now: DateTime<Utc>) -> anyhow::Result<Status> {
    let (history, lines) = journal::load(&home.log())?;
    let rules = settings::read(home);
    let running = Lock::is_taken(home);
    let written = state::read(home).filter(|_| running);
    let mut problems: Vec<String> = match &rules {
        Ok(_) => Vec::new(),
        Err(problems) => problems.iter().map(ToString::to_string).collect(),
    };
    if let Some(written) = &written {
        problems.extend(written.held.iter().map(|why| format!("judging is held: {why}")));
        problems
            .extend(written.problems.iter().filter(|problem| !problems.contains(problem)).cloned().collect::<Vec<_>>());
        let silent = (now - written.alive_at).num_seconds();
        if silent > 15 {
            problems.push(format!("the daemon (process {}) has given no sign of life for {silent} s", written.pid));
        }
    }
    if !running {
        let unfinished = history.waiting().count() + history.running().count();
        if let Some(last) = state::read(home) {
            problems.push(format!("no daemon runs, and the last one (process {}) did not end in order", last.pid));
        } else if unfinished > 0 {
            problems.push(format!("no daemon runs, and {unfinished} submissions wait to be judged"));
        }
    }
    let workers = rules.as_ref().ok().map(|rules| rules.config.queue.workers);
    let expected: BTreeMap<Number, _> =
        rules.iter().flat_map(|rules| eta::expected(&history, &rules.config, now)).collect();
    let judged = judged(&history);
    Ok(Status {
        v: 1,
        frozen: history.is_frozen(),
        board: history.board().or(rules.as_ref().ok().map(|rules| rules.config.competition.state)),
        daemon: written.map(|written| Daemon {
            pid: written.pid,
            version: written.version,
            started_at: moment::text(written.started_at),
            alive_at: moment::text(written.alive_at),
        }),
        workers,
        log_seq: history.head().map_or(0, |head| head.seq),
        log_head: history.head().map(|head| head.line_sha256.to_string()),
        submissions: history.submissions().len(),
        running: history
            .running()
            .map(|(submission, since)| Running {
                submission: submission.number.0,
                user: submission.user.to_string(),
                since: moment::text(since),
                attempt: submission.attempts,
            })
            .collect(),
        waiting: history
            .waiting()
            .enumerate()
            .map(|(i, submission)| Waiting {
                submission: submission.number.0,
                user: submission.user.to_string(),
                position: i + 1,
                eta_seconds: expected.get(&submission.number).copied().flatten().map(|eta| eta.as_secs()),
            })
            .collect(),
        latest: latest(&judged),
        unscored: judged.iter().filter_map(|judged| unscored(judged, &lines)).collect(),
        problems,
    })
}

type JudgedAt<'h> = (DateTime<Utc>, &'h Submission, &'h Outcome);

/// What was judged, the latest first.
fn judged(history: &History) -> Vec<JudgedAt<'_>> {
    let mut judged: Vec<_> = history
        .submissions()
        .iter()
        .filter_map(|submission| match &submission.state {
            State::Judged { result, at } => Some((*at, submission, result)),
            State::Waiting | State::Running { .. } => None,
        })
        .collect();
    judged.sort_by_key(|(at, submission, _)| std::cmp::Reverse((*at, submission.number)));
    judged
}

fn unscored((at, submission, result): &JudgedAt<'_>, lines: &Lines) -> Option<Unscored> {
    let is_unscored = |verdict: &Verdict| matches!(verdict.fault(), Fault::Instructor | Fault::Operator);
    let failed: Vec<Verdict> = result.verdicts().filter(is_unscored).collect();
    if failed.is_empty() {
        return None;
    }
    let said = |case: &CaseResult| {
        let message = case.staff_message.as_ref().filter(|_| is_unscored(&case.verdict))?;
        Some(format!("{}: {message}", case.case))
    };
    Some(Unscored {
        submission: submission.number.0,
        user: submission.user.to_string(),
        at: moment::text(*at),
        verdict: Verdict::of_set(failed),
        staff_messages: match lines.judged(result.line()) {
            Ok(judged) => judged.cases.iter().filter_map(said).collect(),
            Err(error) => vec![error.to_string()],
        },
    })
}

fn latest(judged: &[JudgedAt<'_>]) -> Vec<Latest> {
    judged
        .iter()
        .take(LATEST)
        .map(|(at, submission, result)| Latest {
            submission: submission.number.0,
            user: submission.user.to_string(),
            at: moment::text(*at),
            verdict: Verdict::of_set(result.verdicts()),
        })
        .collect()
}

fn shown(status: &Status) -> String {
    let mut text = String::new();
    let board = match status.board {
        Some(Board::Open) if status.frozen => "frozen: later results are seen by their senders alone",
        Some(Board::Open) => "open: public scores show",
        Some(Board::Closed) => "closed: total scores show",
        None => "unknown",
    };
    text.push_str(&format!("board    {board}\n"));
    match &status.daemon {
        Some(daemon) => text.push_str(&format!(
            "daemon   process {}, since {}, alive {}\n",
            daemon.pid, daemon.started_at, daemon.alive_at
        )),
        None => text.push_str("daemon   none runs\n"),
    }
    let workers = status.workers.map_or_else(|| "?".to_owned(), |workers| workers.to_string());
    text.push_str(&format!(
        "queue    {} running, {} waiting, {workers} workers\n",
        status.running.len(),
        status.waiting.len()
    ));
    text.push_str(&format!(
        "log      {} lines, {} submissions, head {}\n",
        status.log_seq,
        status.submissions,
        status.log_head.as_deref().unwrap_or("none")
    ));
    if !status.running.is_empty() {
        let rows: Vec<_> = status
            .running
            .iter()
            .map(|run| vec![run.submission.to_string(), run.user.clone(), run.since.clone(), run.attempt.to_string()])
            .collect();
        text.push_str(&format!(
            "\n{}",
            table(&["running", "user", "since", "attempt"], &[true, false, false, true], &rows)
        ));
    }
    if !status.waiting.is_empty() {
        let rows: Vec<_> = status
            .waiting
            .iter()
            .take(LATEST)
            .map(|wait| {
                vec![
                    wait.submission.to_string(),
                    wait.user.clone(),
                    wait.eta_seconds.map_or_else(|| "?".to_owned(), |eta| format!("{eta} s")),
                ]
            })
            .collect();
        text.push_str(&format!("\n{}", table(&["waiting", "user", "expected in"], &[true, false, true], &rows)));
        if status.waiting.len() > LATEST {
            text.push_str(&format!("… and {} more\n", status.waiting.len() - LATEST));
        }
    }
    if !status.latest.is_empty() {
        let rows: Vec<_> = status
            .latest
            .iter()
            .map(|judged| {
                vec![judged.submission.to_string(), judged.user.clone(), judged.at.clone(), judged.verdict.to_string()]
            })
            .collect();
        text.push_str(&format!(
            "\n{}",
            table(&["judged", "user", "at", "verdict"], &[true, false, false, false], &rows)
        ));
    }
    for unscored in status.unscored.iter().take(LATEST) {
        let (submission, user) = (unscored.submission, &unscored.user);
        text.push_str(&format!("\nno score: submission {submission} of {user}, {}\n", unscored.verdict));
        for message in &unscored.staff_messages {
            text.push_str(&format!("  {}\n", message.replace('\n', "\n  ")));
        }
    }
    if status.unscored.len() > LATEST {
        text.push_str(&format!("… and {} more without a score\n", status.unscored.len() - LATEST));
    }
    for problem in &status.problems {
        text.push_str(&format!("\nproblem: {problem}\n"));
    }
    text
}
