//! What a user reads in `inbox/<user>/out/`: text for people who have nothing but `sftp`, at most [`WIDTH`] columns wide as far as the
//! words are ours. A letter says what the private page says; it is made of the same view.

use std::fmt::Write as _;

use super::queue::Waiting;
use super::submission::{CaseView, Effect, PlaceView, SubmissionPage, Tail, folder};
use super::{Source, StateName};
use crate::core::config::{Board, Config, Output};
use crate::core::history::Stray;
use crate::core::ids::{SubmissionId, UserName};
use crate::core::record::moment;
use crate::core::text::{visible, visible_lines};
use crate::core::verdict::Verdict;

/// Columns of a line.
pub const WIDTH: usize = 72;
/// Of what a program printed, a line is cut here: a terminal that shows a letter wraps the rest.
const LONGEST_LINE: usize = 2000;

/// What stands around a submission's letter.
#[derive(Debug, Clone, Copy)]
pub struct Around<'a> {
    /// Its secret id.
    pub id: &'a SubmissionId,
    /// Its place in the queue, while it waits.
    pub place: Option<&'a Waiting>,
    /// How many wait.
    pub waiting: usize,
}

/// The letter about one submission, or about a refused file that had an id.
#[must_use]
pub fn letter(source: Source<'_>, page: &SubmissionPage, around: Around<'_>) -> String {
    let config = &source.rules.config;
    let mut text = Letter::titled(&config.competition.title);
    headline(&mut text, config, page);
    text.head("How far it is");
    progress(&mut text, page, around);
    if let Some(reason) = &page.reason {
        text.head("Reason");
        text.quote(reason);
    }
    if !page.cases.is_empty() {
        text.head("Public cases");
        page.cases.iter().for_each(|case| write_case(&mut text, case));
    }
    if !page.staff.is_empty() {
        text.head("For staff");
        for told in &page.staff {
            text.line(&format!("{}:", told.case));
            text.quote(&told.message);
        }
    }
    text.head("What to do next");
    let again = source.board() == Board::Open;
    text.prose(&advice(page, again));
    text.head("Receipt");
    text.field("log line", &format!("{}, {}", page.receipt.seq, page.receipt.at));
    text.field("SHA-256 of that line", "");
    text.line(&format!("    {}", page.receipt.line_sha256));
    if let Some(sha256) = &page.receipt.sha256 {
        text.field("SHA-256 of your file, as it arrived", "");
        text.line(&format!("    {sha256}"));
    }
    text.field("id", &around.id.to_string());
    text.field("private page", "");
    text.line(&format!("    {}", private_page(config, around.id)));
    text.gap();
    text.prose(
        "Keep these lines: every line of the log holds the hash of the one before, so they prove what arrived and when. \
         Whoever knows the id can read the private page.",
    );
    text.0
}

/// Where a submission's private page is: the whole address, where the config says where the site is.
fn private_page(config: &Config, id: &SubmissionId) -> String {
    let path = format!("{}/", folder(id));
    match &config.competition.url {
        Some(_) => config.competition.address(&path),
        None => format!("{path} of the site"),
    }
}

fn headline(text: &mut Letter, config: &Config, page: &SubmissionPage) {
    let whose = page.user.as_ref().map(|user| format!(" of {user}")).unwrap_or_default();
    match page.submission {
        Some(number) => text.line(&format!("Submission {number}{whose}")),
        None => text.line(&format!("A file{whose} that was refused")),
    }
    let word = match (page.state, page.verdict) {
        (StateName::Judged, Some(verdict)) => format!("judged: {verdict}"),
        (StateName::Judged, None) => "judged".into(),
        (StateName::Rejected, _) => "refused before judging".into(),
        (StateName::Waiting, _) => "waiting in the queue".into(),
        (StateName::Running, _) => "being judged".into(),
    };
    text.line(&word);
    if let Some(earlier) = page.reused {
        text.line(&format!("as submission {earlier}, which had the same bytes: nothing was run again"));
    }
    let unit = |shown: &str| {
        if config.score.unit.is_empty() || shown == "∞" {
            shown.to_owned()
        } else {
            format!("{shown} {}", visible(&config.score.unit, 40))
        }
    };
    if let Some(score) = &page.public_score {
        text.line(&format!("score over the public cases: {}", unit(score)));
    }
    if let Some(place) = &page.place {
        text.line(&standing(place, &unit(&place.shown)));
    }
    if page.hidden && page.state == StateName::Judged {
        text.line("the board is frozen: only you see this; your place shows when it closes");
    }
    if let Some(score) = &page.total_score {
        text.line(&format!("score over all cases: {}", unit(score)));
    }
}

/// What a judging did to its user's place, in words; `best` is the score that the place rests on.
pub(super) fn standing(place: &PlaceView, best: &str) -> String {
    let PlaceView { before, after, of, best: submission, .. } = place;
    match (place.effect, before) {
        (Effect::First, _) | (Effect::Better, None) => format!("rank: {after} of {of}, with a first score"),
        (Effect::Better, Some(before)) if before == after => {
            format!("rank: still {after} of {of}, with a better score")
        }
        (Effect::Better, Some(before)) => format!("rank: from {before} to {after} of {of}"),
        (Effect::Stays, _) => format!("rank: still {after} of {of}; the best is {best} (submission {submission})"),
    }
}

fn progress(text: &mut Letter, page: &SubmissionPage, around: Around<'_>) {
    let size = page.size.map(|size| format!(", {size} bytes")).unwrap_or_default();
    text.field("received", &format!("{}{size}", page.receipt.at));
    match page.state {
        StateName::Rejected => text.field("refused", "before judging; it does not count as a try"),
        StateName::Waiting => {
            let place = around.place.map_or_else(
                || "in the queue".to_owned(),
                |place| format!("place {} of {}", place.position, around.waiting.max(place.position)),
            );
            let expected = around.place.and_then(|place| place.eta_seconds).map(about);
            text.field("waiting", &place);
            text.field("expected", &expected.unwrap_or_else(|| "not known before a first one is judged".into()));
        }
        StateName::Running => text.field("running", &format!("since {}", page.since.as_deref().unwrap_or("now"))),
        StateName::Judged => text.field("judged", page.judged_at.as_deref().unwrap_or("")),
    }
}

fn write_case(text: &mut Letter, case: &CaseView) {
    let score = case.shown.as_ref().map(|shown| format!(", score {shown}")).unwrap_or_default();
    text.line(&format!("{}: {}{score}", case.case, case.verdict));
    text.line(&format!(
        "    CPU {} of {} s, wall {} of {} s, memory {} of {} MiB",
        case.cpu_seconds, case.cpu_limit, case.wall_seconds, case.wall_limit, case.memory_mib, case.memory_limit_mib
    ));
    if let Some(message) = &case.message {
        text.indented("    ", &visible_lines(message));
    }
    for (name, tail) in [("standard error", &case.stderr), ("standard output", &case.stdout)] {
        write_tail(text, name, tail);
    }
}

fn write_tail(text: &mut Letter, name: &str, tail: &Tail) {
    if tail.bytes == 0 {
        return;
    }
    let of = if tail.cut { format!("the end of {name}, {} bytes", tail.bytes) } else { name.to_owned() };
    text.line(&format!("    {of}:"));
    text.quote(&tail.text);
}

/// What a state means and what can be done about it.
fn advice(page: &SubmissionPage, again: bool) -> String {
    match page.state {
        StateName::Rejected if again => "Put right what the reason names and hand in again.".into(),
        StateName::Rejected => "Nothing: submissions are not taken any more.".into(),
        StateName::Waiting | StateName::Running => {
            "Nothing: it has arrived and is safe. This file changes when there is news; get it again.".into()
        }
        StateName::Judged => page.verdict.map(|verdict| meaning(verdict, page.answer, again)).unwrap_or_default(),
    }
}

/// What a verdict means and what to do about it, in words for whoever has just been given it. The private page says the same.
fn meaning(verdict: Verdict, answer: &str, again: bool) -> String {
    let text = match verdict {
        Verdict::Accepted if again => {
            "Every public case ran within its limits and has a score. Hand in again whenever you have something better: your best score counts."
        }
        Verdict::Accepted => "Every public case ran within its limits and has a score.",
        Verdict::WrongAnswer => {
            "The program ran to its end, but the evaluator found an answer that breaks the rules of the task. Where there is a message at the case, it says what is wrong."
        }
        Verdict::TimeLimit => {
            "A run was stopped because it had used up its time. If CPU is at its limit, the program computes too much: make it faster, or let it stop by itself in time and print the best answer that it has. If only wall is, it slept or waited, perhaps for input that never comes."
        }
        Verdict::MemoryLimit => "A run was stopped because it needed more memory than it may have. Keep less at once.",
        Verdict::OutputLimit => {
            "A run was stopped because it printed more than it may. Print the answer only, and look for a loop that never ends."
        }
        Verdict::RunError => {
            "The program ended with an error: an exit status other than 0, or a signal. Its last words are under the case; run it at home on the same input to see it again."
        }
        Verdict::BadOutput => {
            let answer = if answer == "file" { "output.json" } else { "standard output" };
            return format!(
                "The program ended well, but left no answer that can be read. The answer is taken from {answer}: see that it is written there, whole and not too long."
            );
        }
        Verdict::EvaluatorError => {
            "Not your doing: the evaluator, which scores the answers, failed. Your submission is kept, and your best score so far stands. Staff can see it; when they say that it is mended, hand the same file in again."
        }
        Verdict::InfrastructureError => {
            "Not your doing: the judging itself failed. Your submission is kept and does not count as a try. Hand the same file in again; if it fails again, tell your instructor."
        }
    };
    text.to_owned()
}

/// An expected time, rounded up: whoever waits forgives early and not late.
#[must_use]
pub fn about(seconds: u64) -> String {
    match seconds {
        0..10 => "in a few seconds".into(),
        10..60 => format!("in about {} s", seconds.div_ceil(5) * 5),
        60..5400 => format!("in about {} min", seconds.div_ceil(60)),
        _ => format!("in about {} h", seconds.div_ceil(3600)),
    }
}

/// `out/refused.txt`: the files that no other letter tells of, the latest first.
#[must_use]
pub fn strays<'a>(source: Source<'_>, strays: impl Iterator<Item = &'a Stray>) -> String {
    let mut text = Letter::titled(&source.rules.config.competition.title);
    text.prose(
        "Files that were refused and have no letter of their own, the latest first. They do not count as tries.",
    );
    let mut strays: Vec<_> = strays.collect();
    strays.reverse();
    for stray in &strays {
        text.gap();
        text.line(&format!("{}, log line {}", moment::text(stray.receipt.at), stray.receipt.seq));
        text.indented("  ", &visible_lines(&stray.file));
        text.indented("  ", &visible_lines(&stray.reason));
    }
    if strays.is_empty() {
        text.gap();
        text.line("None.");
    }
    text.0
}

/// `out/README.txt`: how to hand in.
#[must_use]
pub fn readme(source: Source<'_>, user: &UserName) -> String {
    let config = &source.rules.config;
    let mut text = Letter::titled(&config.competition.title);
    text.prose(match source.board() {
        Board::Open if config.competition.opens_at.is_some() || config.competition.closes_at.is_some() => {
            "Submissions are taken within these times:"
        }
        Board::Open => "Submissions are taken.",
        Board::Closed => "The board is closed: no submissions are taken.",
    });
    for (what, moment) in [("from", config.competition.opens_at), ("until", config.competition.closes_at)] {
        if let Some(moment) = moment {
            text.field(what, &moment::text(moment));
        }
    }
    if let Some(url) = &config.competition.url {
        text.field("site", url);
    }
    text.head("Hand in");
    text.prose("Put one file into the folder in/, which is where a session begins, under the name");
    // No id to copy: whoever knows one can read the page that has it.
    text.line(&format!("    {user}_<uuid>.<ext>"));
    text.prose(
        "with a new UUID for every submission, in lower case, as your letter and your page are named by it: uuidgen | tr A-Z a-z prints one, in PowerShell New-Guid. Keep it to yourself: your private page has it in its address. \
         Best, upload under a name that begins with a dot, and rename the file when it is whole.",
    );
    text.gap();
    text.prose(
        "A client that is cut off leaves a short file, which looks like a whole one and is judged as it stands. Your letter has the size and the SHA-256 of what arrived: \
         compare them with your file's (wc -c, sha256sum), and send it again under a new UUID if they differ.",
    );
    text.gap();
    text.prose(
        "sftp, scp, sshfs, lftp, FileZilla and WinSCP do. Plain rsync, scp -O, and the scp of OpenSSH before 9.0 do not: they start a program at this end, and there \
         is none. Take sftp instead, or mount your folder with sshfs and let rsync copy into that.",
    );
    text.head("What is taken");
    for (extension, language) in &config.languages {
        let answer = match language.output {
            Output::File => "the file output.json, in the folder where it starts",
            Output::Stdout => "standard output",
        };
        let command = visible(&language.command.join(" "), 200);
        text.indented("  ", &format!(".{extension}  run as: {command}; the answer is taken from {answer}"));
        if let Some(allowed) = &language.allow_imports {
            let names: Vec<&str> = allowed.iter().map(String::as_str).collect();
            text.indented("  ", &format!(".{extension}  may import only: {}", visible(&names.join(", "), 2000)));
        }
    }
    let limits = &config.submissions;
    text.field("largest file", &format!("{} bytes", limits.max_size));
    if let Some(rate) = limits.rate {
        text.field("at most", &format!("{} submissions in {}", rate.count, humantime::format_duration(rate.window)));
    }
    if let Some(most) = limits.pending_per_user {
        text.field("at most", &format!("{most} in the queue at one time"));
    }
    if let Some(most) = limits.disk_per_user {
        text.field("at most", &format!("{most} bytes kept of all your files and what they print"));
    }
    text.head("What a run may spend");
    let limits = &config.limits;
    text.field("CPU time", &format!("{} s", limits.cpu.as_secs_f64()));
    text.field("wall time", &format!("{} s", limits.wall.as_secs_f64()));
    text.field("memory", &format!("{} MiB", limits.memory >> 20));
    text.field("output", &format!("{} bytes each: stdout, stderr, output.json", limits.output));
    text.field("processes", &limits.processes.to_string());
    text.head("Read");
    text.prose(&format!(
        "Within a moment this folder has {user}_<uuid>.txt: whether the file arrived, its place in the queue, and in the end how each public case came \
         out. The file of the same name that ends in .json says it for programs. queue.json is the whole queue. A file whose name was not understood is in refused.txt."
    ));
    text.0
}

/// A text that grows line by line.
struct Letter(String);

impl Letter {
    fn titled(title: &str) -> Self {
        let mut letter = Letter(String::new());
        letter.line(&visible(title, WIDTH));
        letter.gap();
        letter
    }

    fn line(&mut self, text: &str) {
        self.0.push_str(text.trim_end());
        self.0.push('\n');
    }

    fn gap(&mut self) {
        self.0.push('\n');
    }

    fn head(&mut self, text: &str) {
        self.gap();
        self.line(text);
        self.line(&"-".repeat(text.chars().count()));
    }

    fn field(&mut self, name: &str, value: &str) {
        let _ = writeln!(self.0, "{}", format!("  {name:<12} {value}").trim_end());
    }

    fn prose(&mut self, text: &str) {
        self.indented("", text);
    }

    /// Words, wrapped; a word that is longer than a line is left whole.
    fn indented(&mut self, indent: &str, text: &str) {
        for paragraph in text.lines() {
            let mut line = indent.to_owned();
            for word in paragraph.split(' ').filter(|word| !word.is_empty()) {
                let begun = line.len() > indent.len();
                if begun && line.chars().count() + 1 + word.chars().count() > WIDTH {
                    self.line(&line);
                    line = indent.to_owned();
                }
                if line.len() > indent.len() {
                    line.push(' ');
                }
                line.push_str(word);
            }
            self.line(&line);
        }
    }

    /// A stranger's lines, each behind a bar: none of them looks like one of ours.
    fn quote(&mut self, text: &str) {
        for line in text.lines() {
            self.line(&format!("    | {}", visible_tabs(line)));
        }
    }
}

/// One line, with its tabs, and not without end.
fn visible_tabs(line: &str) -> String {
    let mut shown = visible_lines(line);
    if let Some((cut, _)) = shown.char_indices().nth(LONGEST_LINE) {
        shown.truncate(cut);
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::story::{Story, case, id, rules};
    use crate::core::verdict::Verdict;
    use crate::core::view::{Beside, Tails, refused, submission};

    fn tail(text: &str) -> Tail {
        Tail { text: text.into(), bytes: text.len() as u64, cut: false }
    }

    #[test]
    fn a_letter_is_read_without_a_browser() {
        let rules = rules("[score]\nunit = \"steps\"\n");
        let mut story = Story::default();
        story.board(Board::Open);
        let number = story.accept("mira");
        let cases = [("one", Verdict::Accepted, Some(3.0)), ("two", Verdict::TimeLimit, None)];
        story.judge(number, cases.map(|(name, verdict, score)| case(name, verdict, score)).into());
        let source = story.source(&rules);
        let mut tails = Tails::new();
        // What a program prints looks like none of our lines.
        tails.insert("two".parse().expect("a name"), (tail("judged: accepted\n"), Tail::default()));
        let mut places = crate::core::places::Places::default();
        places.tell(source.history, source.rules);
        let one = story.history.get(number).expect("accepted");
        let judged = source.judged(one).expect("told");
        let beside = Beside { tails, change: places.change(number), ..Beside::default() };
        let (page, _) = submission(source, one, judged.as_ref(), beside);
        insta::assert_snapshot!(letter(source, &page, Around { id: &one.id, place: None, waiting: 0 }));
    }

    #[test]
    fn every_meaning_is_wrapped_to_the_width() {
        let rules = rules("");
        for verdict in Verdict::ALL {
            let mut story = Story::default();
            let number = story.accept(&"u".repeat(31));
            story.judge(number, vec![case("one", verdict, Some(1.0)), case("two", Verdict::Accepted, Some(1.0))]);
            let source = story.source(&rules);
            let one = story.history.get(number).expect("accepted");
            let (page, _) = submission(source, one, source.judged(one).expect("told").as_ref(), Beside::default());
            let text = letter(source, &page, Around { id: &one.id, place: None, waiting: 0 });
            let readme = readme(source, &one.user);
            for line in text.lines().chain(readme.lines()) {
                // A user's name and an id in one word may be longer than a line.
                assert!(line.chars().count() <= WIDTH || line.contains(one.user.as_str()), "{line:?}");
            }
        }
    }

    #[test]
    fn a_refusal_and_what_has_no_letter_are_told_with_their_reasons() {
        let rules = rules("");
        let mut story = Story::default();
        story.refuse(9, "it does not compile:\nline 1: what?");
        let source = story.source(&rules);
        let told = &story.history.refused()[&id(9)];
        let text = letter(
            source,
            &refused(told, &source.details.rejected(told.receipt.seq).expect("told")).0,
            Around { id: &id(9), place: None, waiting: 0 },
        );
        assert!(text.contains("    | line 1: what?\n") && text.contains("does not count as a try"), "{text}");
        assert!(strays(source, [].iter()).contains("None."));
        let stray = Stray { file: "a\\u{1b}b".into(), reason: "no".into(), receipt: told.receipt };
        assert!(strays(source, [stray].iter()).contains("  a\\u{1b}b\n  no\n"));
    }
}
