//! What is shown of a submission's way: a line that moves on a terminal, lines that stay when it is piped, one document for programs.

use std::cell::RefCell;
use std::io::{IsTerminal, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::Value;

use super::Parcel;
use super::follow::End;
use crate::cli::table::table;
use crate::client::{Answer, Place};
use crate::core::text::{visible, visible_lines};
use crate::core::view::about;

/// How often the moving line moves.
const TICK: Duration = Duration::from_millis(120);
/// The longest letter that is printed, in bytes.
const LONGEST: usize = 256 << 10;

/// Where it is shown.
pub(super) struct Display {
    json: bool,
    /// On a terminal.
    bar: Option<ProgressBar>,
    /// What was last said to go on, where each step is a line.
    last: RefCell<String>,
}

impl Display {
    /// `json`: for programs, which want the end only. Nothing moves before the first step: until then somebody may be typing a password.
    pub(super) fn new(json: bool) -> Self {
        let is_terminal = std::io::stdout().is_terminal() && std::io::stderr().is_terminal();
        let bar = (is_terminal && !json).then(|| {
            let style =
                ProgressStyle::with_template("{spinner} {msg}").unwrap_or_else(|_| ProgressStyle::default_spinner());
            ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()).with_style(style)
        });
        Self { json, bar, last: RefCell::default() }
    }

    /// A line that stays.
    pub(super) fn say(&self, line: &str) {
        if self.json {
            return;
        }
        match &self.bar {
            Some(bar) => bar.suspend(|| print(line)),
            None => print(line),
        }
    }

    /// What goes on. `key` tells one step from the next: where steps are lines, each is said once.
    pub(super) fn doing(&self, key: &str, text: &str) {
        if self.json {
            return;
        }
        let is_new = self.last.replace(key.to_owned()) != key;
        match &self.bar {
            Some(bar) => {
                bar.enable_steady_tick(TICK);
                bar.set_message(text.to_owned());
            }
            None if is_new => print(text),
            None => {}
        }
    }

    /// How much of an upload has arrived.
    pub(super) fn sending(&self, done: usize, size: usize) {
        if self.bar.is_some() {
            self.doing("sending", &format!("sending: {done} of {size} bytes"));
        }
    }

    /// The receipt.
    pub(super) fn received(&self, answer: &Answer) {
        let number = answer.submission.map(|number| format!("as submission {number}, ")).unwrap_or_default();
        self.say(&format!("received {number}log line {}, {}", answer.receipt.seq, answer.receipt.at));
    }

    /// Where it is.
    pub(super) fn progress(&self, answer: &Answer, place: Option<Place>) {
        match (answer.state.as_str(), place) {
            ("waiting", Some(place)) => {
                let expected = place.eta_seconds.map(|seconds| format!(", result {}", about(seconds)));
                let text = format!("waiting: place {} of {}{}", place.position, place.of, expected.unwrap_or_default());
                self.doing(&format!("place {}", place.position), &text);
            }
            (state, _) => self.doing(state, state),
        }
    }

    /// Takes the moving line away.
    pub(super) fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    /// The document, for programs.
    pub(super) fn document(&self, document: Value) {
        if self.json {
            print(&document.to_string());
        }
    }

    /// What became of it. `head`: what the document begins with.
    pub(super) fn end(&self, mut head: Value, end: &End) {
        self.clear();
        let (word, status) = match end {
            End::Final(answer, _) => (answer.state.to_string(), answer.document.clone()),
            End::Received(answer) => ("received".to_owned(), answer.document.clone()),
            End::Silent | End::Unanswered | End::Unfollowed => ("sent".to_owned(), Value::Null),
            End::Interrupted => ("interrupted".to_owned(), Value::Null),
        };
        head["end"] = word.into();
        head["status"] = status;
        self.document(head);
        let End::Final(answer, letter) = end else { return };
        match letter {
            // It has what the program printed, and what to do about it.
            Some(letter) if !answer.is_accepted() => self.say(&letter_lines(letter)),
            _ => self.say(&summary(answer)),
        }
    }

    /// What an end that is none means, and what to do.
    pub(super) fn explain(&self, end: &End, program: &str, parcel: &Parcel) {
        match end {
            End::Final(..) | End::Received(_) => {}
            End::Silent => {
                eprintln!(
                    "{program}: no sign of life from the competition's daemon for {}. What was handed in stays, and is taken in and judged when it runs.",
                    humantime::format_duration(parcel.patience)
                );
                self.look_again(parcel);
            }
            End::Unanswered => {
                eprintln!(
                    "{program}: the server took the file away and says nothing of it: look at refused.txt in its folder out/."
                );
            }
            End::Unfollowed => {
                eprintln!("{program}: sent. This server has no folder out/ to follow it in: look at the private page.");
            }
            End::Interrupted => {
                eprintln!("{program}: interrupted. What was handed in stays, and is judged.");
                self.look_again(parcel);
            }
        }
    }

    /// How to see what becomes of it later.
    pub(super) fn look_again(&self, parcel: &Parcel) {
        eprintln!("To look again, add to the same command: --id {}", parcel.name.id);
    }
}

/// To standard output; whoever has stopped reading wants no more of it.
fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}

/// A letter as it may be printed, less what nobody would read.
fn letter_lines(letter: &str) -> String {
    let mut text = visible_lines(letter);
    if let Some(end) = (0..=LONGEST.min(text.len())).rev().find(|end| text.is_char_boundary(*end)) {
        text.truncate(end);
    }
    format!("\n{}", text.trim_end())
}

/// The result, in a few lines.
fn summary(answer: &Answer) -> String {
    let mut text = match (&answer.verdict, &answer.reason) {
        (_, Some(reason)) => format!("refused before judging:\n{reason}\n"),
        (Some(verdict), None) => format!("{}: {verdict}\n", answer.state),
        (None, None) => format!("{}\n", answer.state),
    };
    if let Some(earlier) = answer.reused {
        text.push_str(&format!("these very bytes were judged before, as submission {earlier}: this is that result\n"));
    }
    if let Some(score) = answer.score() {
        text.push_str(&format!("score over the public cases: {score}\n"));
    }
    let rows: Vec<Vec<String>> = answer
        .cases
        .iter()
        .map(|case| {
            vec![
                visible(case.case.as_str(), 64),
                visible(case.verdict.as_str(), 40),
                case.score().unwrap_or_else(|| "-".into()),
                format!("{:.2} s", case.cpu_seconds),
                format!("{:.2} s", case.wall_seconds),
                format!("{} KiB", case.peak_memory_bytes >> 10),
                case.message.as_ref().map(|message| visible(message.as_str(), 300)).unwrap_or_default(),
            ]
        })
        .collect();
    if !rows.is_empty() {
        let headings = ["case", "verdict", "score", "CPU", "wall", "memory", "message"];
        text.push_str(&table(&headings, &[false, false, true, true, true, true, false], &rows));
    }
    text.trim_end().to_owned()
}
