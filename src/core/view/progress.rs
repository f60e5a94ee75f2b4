//! `log.txt` of a private page: what becomes of a submission, as text that grows while it does.
//!
//! What it says while a submission is checked and judged is the beginning of what it says in the end, so that a reader is given the
//! difference only; and in the end it is a function of the log and of what results/ keeps, as every page. It tells of public cases only, and
//! its lines have no clock of their own but the two moments that the page shows as well.

use std::fmt::Write as _;

use super::Source;
use super::submission::{CaseView, case_view, granted};
use crate::core::history::{Refused, State, Submission};
use crate::core::ids::CaseName;
use crate::core::record::{CaseResult, Granted, Judged, Rejected, moment};
use crate::core::rules::Rules;
use crate::core::submission::FileName;
use crate::core::text::visible_lines;

/// When it has this many bytes, no further case is told of.
const MOST: usize = 64 << 10;

/// Something that happened to a submission that is being checked or judged.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// The check says something: whole lines.
    Said(String),
    /// The judging gives its programs so much.
    Given(Granted),
    /// A public case began.
    Began(CaseName),
    /// A public case ended.
    Ended(Box<CaseResult>),
    /// No further public case follows.
    PublicOver,
}

/// Of a file that is being checked and not accepted yet.
#[must_use]
pub fn arriving(name: &FileName, steps: &[Step]) -> String {
    let mut text = format!("{name}\n");
    for step in steps {
        match step {
            Step::Said(said) => text.push_str(said),
            Step::Given(_) | Step::Began(_) | Step::Ended(_) | Step::PublicOver => {}
        }
    }
    text
}

/// Of a file that was refused.
#[must_use]
pub fn refusal(refused: &Refused, rejected: &Rejected) -> String {
    let mut text = format!("{}\n", visible_lines(&rejected.file));
    let _ = writeln!(
        text,
        "refused before judging, log line {}, {}",
        refused.receipt.seq,
        moment::text(refused.receipt.at)
    );
    text.push_str(&indented(&rejected.reason));
    text
}

/// Of a submission, and of its result where it has one. `check`: what was said when it was checked; `steps`: what has happened in the judging that runs.
#[must_use]
pub fn progress(
    source: Source<'_>,
    (submission, judged): (&Submission, Option<&Judged>),
    check: &str,
    steps: &[Step],
) -> String {
    let config = &source.rules.config;
    let receipt = submission.receipt;
    let mut text = format!("{}\n{check}", submission.file());
    let _ = writeln!(
        text,
        "accepted as submission {}, log line {}, {}: {} bytes",
        submission.number,
        receipt.seq,
        moment::text(receipt.at),
        submission.size
    );
    let _ = match submission.ahead {
        0 => writeln!(text, "in the queue, next in line"),
        ahead => writeln!(text, "in the queue, {ahead} before it"),
    };
    let lost = match submission.state {
        State::Waiting => submission.attempts,
        State::Running { .. } | State::Judged { .. } => submission.attempts.saturating_sub(1),
    };
    let _ = match lost {
        0 => Ok(()),
        1 => writeln!(text, "a judging of it began and did not end, which is not your doing; it begins again"),
        lost => writeln!(text, "{lost} judgings of it began and did not end, which is not your doing; it begins again"),
    };
    let is_public = |case: &CaseName| config.cases.public.contains(case);
    match (&submission.state, judged) {
        (State::Waiting, _) | (State::Judged { .. }, None) => {}
        (State::Running { .. }, _) => {
            text.push_str("judging begins\n");
            let mut cases = Cases { source, submission, granted: granted(source.rules, None), text };
            for step in steps {
                match step {
                    Step::Began(case) if is_public(case) => cases.began(case),
                    Step::Ended(result) if is_public(&result.case) => cases.ended(result),
                    Step::PublicOver => cases.over(),
                    Step::Given(granted) => cases.granted = *granted,
                    Step::Said(_) | Step::Began(_) | Step::Ended(_) => {}
                }
            }
            text = cases.text;
        }
        (State::Judged { result: outcome, at }, Some(result)) => {
            match result.reused {
                Some(origin) => {
                    let _ = writeln!(
                        text,
                        "the same bytes as submission {}: its result holds, nothing is run",
                        origin.submission
                    );
                }
                None => text.push_str("judging begins\n"),
            }
            let mut cases = Cases { source, submission, granted: granted(source.rules, Some(result)), text };
            for case in result.cases.iter().filter(|result| is_public(&result.case)) {
                if result.reused.is_none() {
                    cases.began(&case.case);
                }
                cases.ended(case);
            }
            if result.reused.is_none() {
                cases.over();
            }
            text = cases.text;
            let _ = write!(text, "judged {}: {}", moment::text(*at), outcome.verdict(&config.cases.public));
            if let Some(score) = outcome.score(&config.cases.public, &config.score) {
                let _ = write!(text, ", score {} over the public cases", score.shown(config.score.decimals));
            }
            text.push('\n');
        }
    }
    text
}

/// The part about cases.
struct Cases<'a> {
    source: Source<'a>,
    submission: &'a Submission,
    granted: Granted,
    text: String,
}

impl Cases<'_> {
    fn is_full(&self) -> bool {
        self.text.len() > MOST
    }

    fn began(&mut self, case: &CaseName) {
        if !self.is_full() {
            let _ = writeln!(self.text, "{case}: begins");
        }
    }

    fn ended(&mut self, result: &CaseResult) {
        if self.is_full() {
            return;
        }
        let said = said_of(self.source.rules, self.submission, (result, &self.granted));
        self.text.push_str(&said);
        if self.is_full() {
            self.text.push_str("… no more is told of here; the page tells of every public case in the end\n");
        }
    }

    /// Says the same whether private cases follow or not.
    fn over(&mut self) {
        self.text.push_str("the public cases are over; the rest is judged, and the result follows\n");
    }
}

fn said_of(rules: &Rules, submission: &Submission, result: (&CaseResult, &Granted)) -> String {
    let case: CaseView = case_view(rules, submission, result, &mut super::Beside::default());
    let score = case.shown.map(|shown| format!(", score {shown}")).unwrap_or_default();
    let mut text = format!(
        "{}: {}{score}, CPU {} of {} s, wall {} of {} s, memory {} of {} MiB\n",
        case.case,
        case.verdict,
        case.cpu_seconds,
        case.cpu_limit,
        case.wall_seconds,
        case.wall_limit,
        case.memory_mib,
        case.memory_limit_mib
    );
    if let Some(message) = &case.message {
        text.push_str(&indented(message));
    }
    text
}

/// What others wrote, so that it looks like none of our lines.
fn indented(text: &str) -> String {
    visible_lines(text).lines().map(|line| format!("  | {line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::config::Board;
    use crate::core::ids::Number;
    use crate::core::story::{Story, case, id, rules};
    use crate::core::verdict::Verdict;

    const CHECK: &str =
        "check: python3 -m py_compile source.py\n  | a warning\nchecked in 0.10 s, nothing against it\n";

    fn text(story: &Story, rules: &Rules, number: Number, steps: &[Step]) -> String {
        let source = story.source(rules);
        let submission = story.history.get(number).expect("accepted");
        let judged = source.judged(submission).expect("told");
        progress(source, (submission, judged.as_ref()), CHECK, steps)
    }

    fn steps(upto: usize) -> Vec<Step> {
        let result = |name: &str| case(name, Verdict::Accepted, Some(3.0));
        let name = |name: &str| name.parse().expect("a name");
        let all = [
            Step::Began(name("one")),
            Step::Ended(Box::new(result("one"))),
            Step::Began(name("two")),
            Step::Ended(Box::new(result("two"))),
            Step::PublicOver,
        ];
        all[..upto].to_vec()
    }

    #[test]
    fn a_run_is_measured_by_what_it_was_given_whatever_config_says_meanwhile() {
        let mut story = Story::default();
        let number = story.accept("mira");
        story.start(number);
        let given = Step::Given(Granted { cpu_seconds: 2.5, wall_seconds: 5.0, memory_bytes: 64 << 20 });
        let log = text(&story, &rules("[limits]\ncpu = \"30s\"\n"), number, &[vec![given], steps(2)].concat());
        assert!(log.contains("CPU 1.25 of 2.5 s, wall 1.50 of 5 s, memory 10.0 of 64 MiB"), "{log}");
    }

    #[test]
    fn each_state_of_it_begins_as_the_one_before() {
        let rules = rules("");
        let mut story = Story::default();
        story.board(Board::Open);
        story.accept("zoe");
        let number = story.accept("mira");
        let name = format!("mira_{}.py", id(2));
        let crate::core::submission::Named::Submission(name) = crate::core::submission::read_name(&name) else {
            panic!("a name")
        };
        let mut told = vec![arriving(&name, &[]), arriving(&name, &[Step::Said(CHECK.into())])];
        told.push(text(&story, &rules, number, &[]));
        story.start(number);
        told.extend((0..=5).map(|upto| text(&story, &rules, number, &steps(upto))));
        story.end(number, [3.0, 3.0, 77.0]);
        told.push(text(&story, &rules, number, &[]));
        for pair in told.windows(2) {
            assert!(pair[1].starts_with(&pair[0]), "{pair:#?}");
            assert!(pair[0].ends_with('\n'));
        }
        insta::assert_snapshot!(told.last().expect("some"), @r"
        mira_00000000-0000-4000-8000-000000000002.py
        check: python3 -m py_compile source.py
          | a warning
        checked in 0.10 s, nothing against it
        accepted as submission 2, log line 3, 1970-01-01T00:00:03.000Z: 10 bytes
        in the queue, 1 before it
        judging begins
        one: begins
        one: accepted, score 3, CPU 1.25 of 10 s, wall 1.50 of 30 s, memory 10.0 of 256 MiB
          | message of one
        two: begins
        two: accepted, score 3, CPU 1.25 of 10 s, wall 1.50 of 30 s, memory 10.0 of 256 MiB
          | message of two
        the public cases are over; the rest is judged, and the result follows
        judged 1970-01-01T00:00:05.000Z: accepted, score 6 over the public cases
        ");
    }

    #[test]
    fn nothing_of_a_private_case_is_told_even_where_somebody_says_it() {
        let rules = rules("");
        let mut story = Story::default();
        let number = story.accept("mira");
        story.start(number);
        let before = text(&story, &rules, number, &steps(5));
        let mut more = steps(5);
        more.push(Step::Began("secret".parse().expect("a name")));
        more.push(Step::Ended(Box::new(case("secret", Verdict::TimeLimit, Some(77.0)))));
        assert_eq!(text(&story, &rules, number, &more), before);
    }

    #[test]
    fn a_judging_that_did_not_end_is_said_and_the_log_begins_again() {
        let rules = rules("");
        let mut story = Story::default();
        let number = story.accept("mira");
        story.start(number);
        story.history.interrupt();
        let waiting = text(&story, &rules, number, &[]);
        assert!(waiting.ends_with("a judging of it began and did not end, which is not your doing; it begins again\n"));
        let user = "mira".parse().expect("a name");
        let started = crate::core::record::Started { submission: number, id: id(1), user, attempt: 2 };
        story.tell(crate::core::record::Event::Started(started));
        assert_eq!(text(&story, &rules, number, &[]), format!("{waiting}judging begins\n"));
    }

    #[test]
    fn it_stays_short_however_many_cases_there_are() {
        let names: Vec<String> = (0..2_000).map(|n| format!("case-{n}")).collect();
        let listed = names.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(",");
        let text_of = format!("[testcases]\npublic = [{listed}]\n[evaluator]\ncommand = [\"true\"]\n");
        let config = crate::core::config::parse(&text_of).expect("good");
        let rules = Rules { config, ..rules("") };
        let mut story = Story::default();
        let number = story.accept("mira");
        story.judge(number, names.iter().map(|name| case(name, Verdict::Accepted, Some(1.0))).collect());
        let text = text(&story, &rules, number, &[]);
        assert!(text.len() < MOST + 2_000, "{}", text.len());
        assert_eq!(text.matches("no more is told of here").count(), 1);
        assert!(text.ends_with(", score 2000 over the public cases\n"), "{}", &text[text.len() - 200..]);
    }

    #[test]
    fn what_others_wrote_looks_like_none_of_our_lines() {
        let rules = rules("");
        let mut story = Story::default();
        let number = story.accept("mira");
        let sly = CaseResult {
            message: Some("x\njudged: accepted\u{1b}[2J".into()),
            ..case("one", Verdict::WrongAnswer, None)
        };
        story.judge(number, vec![sly]);
        let text = text(&story, &rules, number, &[]);
        assert!(text.contains("  | x\n  | judged: accepted\\u{1b}[2J\n"), "{text}");
        story.refuse(9, "line 1\nline 2");
        let refused = &story.history.refused()[&id(9)];
        let rejected = story.source(&rules).details.rejected(refused.receipt.seq).expect("told");
        let told = refusal(refused, &rejected);
        assert!(told.contains("  | line 1\n  | line 2\n"), "{told}");
    }
}
