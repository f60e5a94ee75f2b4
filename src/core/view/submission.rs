//! A submission's private page: s/<uuid>/index.html and status.json.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::again::{Again, again};
use super::{JSON_VERSION, Source, StateName, Tone, state_name, tone};
use crate::core::config::{Board, Output};
use crate::core::digest::Digest;
use crate::core::history::{Receipt, Refused, State, Submission};
use crate::core::ids::{CaseName, Number, SubmissionId, UserName};
use crate::core::outcome::{Outcome, score_under};
use crate::core::places::Change;
use crate::core::record::{CaseResult, Granted, Judged, Rejected, moment};
use crate::core::rules::Rules;
use crate::core::score::Score;
use crate::core::submission::FileName;
use crate::core::text::visible_lines;
use crate::core::users::Role;
use crate::core::verdict::Verdict;

/// s/<uuid>/index.html: seen only by who knows the id.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SubmissionPage {
    /// Its number; `None` for a refused file.
    pub submission: Option<Number>,
    /// Whose it is, as far as can be told.
    pub user: Option<UserName>,
    /// Its file's name without the id in it: the language.
    pub language: Option<String>,
    /// Where it is.
    pub state: StateName,
    /// The verdict of the public cases.
    pub verdict: Option<Verdict>,
    /// For the look of it.
    pub tone: Tone,
    /// Why it was refused.
    pub reason: Option<String>,
    /// The score over the public cases, rounded for people.
    pub public_score: Option<String>,
    /// The score over all cases, rounded for people; only when the board is closed.
    pub total_score: Option<String>,
    /// What it did to its user's place on the public board, at the moment of its judging.
    pub place: Option<PlaceView>,
    /// Whether the board is frozen and shows nobody else what came of it.
    pub hidden: bool,
    /// The public cases.
    pub cases: Vec<CaseView>,
    /// The program itself, to be downloaded.
    pub source: Option<Download>,
    /// Since when it runs.
    pub since: Option<String>,
    /// When it was judged.
    pub judged_at: Option<String>,
    /// Its size in bytes.
    pub size: Option<u64>,
    /// What the sender can hold against the log.
    pub receipt: ReceiptView,
    /// What the answer is taken from: `stdout`, or `file`, which is output.json.
    pub answer: &'static str,
    /// The submission of the same bytes whose result this is, where nothing was run.
    pub reused: Option<Number>,
    /// What the evaluator, or the platform, says to staff: on the pages of staff only.
    pub staff: Vec<StaffMessage>,
}

/// What the evaluator, or the platform, says to staff about one case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StaffMessage {
    /// The case.
    pub case: CaseName,
    /// The words.
    pub message: String,
}

/// What a judging did to its user's place.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PlaceView {
    /// Which of the three it was.
    pub effect: Effect,
    /// The rank before; `None` where there was none.
    pub before: Option<u32>,
    /// The rank after.
    pub after: u32,
    /// How many were ranked then.
    pub of: u32,
    /// The submission that the rank rests on.
    pub best: Number,
    /// What that one scores, rounded for people.
    pub shown: String,
}

/// How a judging changed its user's best score.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// It is the first.
    First,
    /// It is better than all before it.
    Better,
    /// It is no better than one before it.
    Stays,
}

/// A file beside the page, made of something that a program printed, or of the program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Download {
    /// Where it is: its name in the page's folder, never one that a student chose; of the program, the whole of it as a `data:` address.
    pub file: String,
    /// The name under which a browser keeps it.
    pub keep_as: String,
    /// What it is: `answer`, `stdout`, `stderr` or `source`.
    pub what: &'static str,
    /// How many bytes there were.
    pub bytes: u64,
    /// Whether it is not all of them.
    pub cut: bool,
    /// Whether it has them as they were, and nothing had to be written out to be seen.
    pub exact: bool,
}

/// What a private page shows beyond what the log says.
#[derive(Debug, Clone, Default)]
pub struct Beside {
    /// The ends of what the public cases printed.
    pub tails: Tails,
    /// All of what the public cases printed, to be downloaded.
    pub outputs: BTreeMap<CaseName, Vec<Download>>,
    /// The program, to be downloaded.
    pub source: Option<Download>,
    /// What it did to its user's place.
    pub change: Option<Change>,
}

/// A public case on the private page.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CaseView {
    /// Its name.
    pub case: CaseName,
    /// How it came out.
    pub verdict: Verdict,
    /// For the look of it.
    pub tone: Tone,
    /// Its score, rounded for people.
    pub shown: Option<String>,
    /// CPU time, such as `1.31`.
    pub cpu_seconds: String,
    /// The limit on it, such as `10`.
    pub cpu_limit: String,
    /// CPU time in hundredths of its limit.
    pub cpu_percent: u8,
    /// Wall time.
    pub wall_seconds: String,
    /// The limit on it.
    pub wall_limit: String,
    /// Peak memory in MiB.
    pub memory_mib: String,
    /// The limit on it.
    pub memory_limit_mib: String,
    /// Peak memory in hundredths of its limit.
    pub memory_percent: u8,
    /// What the evaluator or the judge says to the student.
    pub message: Option<String>,
    /// The evaluator's further numbers.
    pub metrics: Vec<MetricView>,
    /// The end of what it printed, made visible.
    pub stdout: Tail,
    /// The end of what it complained, made visible.
    pub stderr: Tail,
    /// All of what it printed, to be downloaded.
    pub outputs: Vec<Download>,
    /// The same run at home; `None` where the language is taken no more.
    pub again: Option<Again>,
}

/// A number of the evaluator's beside the score.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MetricView {
    /// What the evaluator calls it.
    pub name: String,
    /// The number, for people.
    pub shown: String,
}

/// The end of a longer text.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Tail {
    /// The text.
    pub text: String,
    /// How long all of it was.
    pub bytes: u64,
    /// Whether the text is not all of it.
    pub cut: bool,
}

/// What the sender can hold against the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiptView {
    /// The line's number.
    pub seq: u64,
    /// When it was written.
    pub at: String,
    /// The digest of the file's bytes, where they were read.
    pub sha256: Option<Digest>,
    /// The digest of the line's bytes.
    pub line_sha256: Digest,
}

fn receipt(receipt: Receipt, sha256: Option<Digest>) -> ReceiptView {
    ReceiptView { seq: receipt.seq, at: moment::text(receipt.at), sha256, line_sha256: receipt.line_sha256 }
}

/// `public/s/<uuid>/status.json`; a contract.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StatusJson {
    v: u32,
    /// Its number; `None` for a refused file.
    pub submission: Option<Number>,
    user: Option<UserName>,
    /// Where it is.
    pub state: StateName,
    /// The verdict of the public cases.
    pub verdict: Option<Verdict>,
    /// Why it was refused.
    pub reason: Option<String>,
    /// The score over the public cases.
    pub public_score: Option<Score>,
    /// The public cases.
    pub cases: Vec<StatusCase>,
    /// The submission of the same bytes whose result this is, where nothing was run.
    reused: Option<Number>,
    /// For submissions of staff only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    staff_messages: Vec<StaffMessage>,
    /// What the sender can hold against the log.
    pub receipt: ReceiptView,
}

/// A public case in status.json.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StatusCase {
    /// Its name.
    pub case: CaseName,
    /// How it came out.
    pub verdict: Verdict,
    /// Its score.
    pub score: Option<Score>,
    cpu_seconds: f64,
    wall_seconds: f64,
    peak_memory_bytes: u64,
    /// What the evaluator or the judge says to the student.
    pub message: Option<String>,
}

/// The ends of what a public case printed, by case: standard output, standard error.
pub type Tails = BTreeMap<CaseName, (Tail, Tail)>;

/// A submission's private page, as a page and as JSON. `judged`: its result, as the log has it ([`Source::judged`]).
#[must_use]
pub fn submission(
    source: Source<'_>,
    submission: &Submission,
    judged: Option<&Judged>,
    mut beside: Beside,
) -> (SubmissionPage, StatusJson) {
    let config = &source.rules.config;
    let decimals = config.score.decimals;
    let public: Vec<&CaseResult> = judged
        .map(|judged| config.cases.public.iter().filter_map(|name| judged.case(name)).collect())
        .unwrap_or_default();
    let staff = staff_messages(source, submission, judged);
    let granted = granted(source.rules, judged);
    let judged = submission.judged();
    let verdict = judged.map(|judged| judged.verdict(&config.cases.public));
    let public_score = judged.and_then(|judged| judged.score(&config.cases.public, &config.score));
    let total_score = match source.board() {
        Board::Open => None,
        Board::Closed => judged.and_then(|judged| judged.score(config.cases.all(), &config.score)),
    };
    // A place tells of others, whose results may be hidden.
    let judged_since_freezing = source
        .frozen_since()
        .is_some_and(|since| matches!(&submission.state, State::Judged { at, .. } if *at >= since));
    let receipt = receipt(submission.receipt, Some(submission.sha256));
    let reused = judged.and_then(Outcome::reused).map(|origin| origin.submission);
    let (since, judged_at) = match &submission.state {
        State::Waiting => (None, None),
        State::Running { since } => (Some(moment::text(*since)), None),
        State::Judged { at, .. } => (None, Some(moment::text(*at))),
    };
    let page = SubmissionPage {
        submission: Some(submission.number),
        user: Some(submission.user.clone()),
        language: Some(submission.language.to_string()),
        state: state_name(&submission.state),
        verdict,
        tone: verdict.map_or(Tone::None, tone),
        reason: None,
        public_score: public_score.map(|score| score.shown(decimals)),
        total_score: total_score.map(|score| score.shown(decimals)),
        place: beside
            .change
            .filter(|_| !judged_since_freezing)
            .map(|change| place(change, submission.number, decimals)),
        hidden: source.came_after_freezing(submission),
        cases: public.iter().map(|case| case_view(source.rules, submission, (case, &granted), &mut beside)).collect(),
        source: beside.source,
        since,
        judged_at,
        size: Some(submission.size),
        receipt: receipt.clone(),
        answer: match config.languages.get(&submission.language).map(|language| language.output) {
            Some(Output::File) => "file",
            Some(Output::Stdout) | None => "stdout",
        },
        reused,
        staff: staff.clone(),
    };
    let json = StatusJson {
        v: JSON_VERSION,
        submission: Some(submission.number),
        user: Some(submission.user.clone()),
        state: state_name(&submission.state),
        verdict,
        reason: None,
        public_score,
        cases: public.iter().map(|case| status_case(source.rules, case)).collect(),
        reused,
        staff_messages: staff,
        receipt,
    };
    (page, json)
}

/// The private page of a refused file. `rejected`: what the line says that the receipt names.
#[must_use]
pub fn refused(refused: &Refused, rejected: &Rejected) -> (SubmissionPage, StatusJson) {
    let receipt = receipt(refused.receipt, rejected.sha256);
    let reason = Some(visible_lines(&rejected.reason));
    let page = SubmissionPage {
        submission: None,
        user: refused.user.clone(),
        language: None,
        state: StateName::Rejected,
        verdict: None,
        tone: Tone::Bad,
        reason: reason.clone(),
        public_score: None,
        total_score: None,
        place: None,
        hidden: false,
        cases: Vec::new(),
        source: None,
        since: None,
        judged_at: None,
        size: None,
        receipt: receipt.clone(),
        answer: "stdout",
        reused: None,
        staff: Vec::new(),
    };
    let json = StatusJson {
        v: JSON_VERSION,
        submission: None,
        user: refused.user.clone(),
        state: StateName::Rejected,
        verdict: None,
        reason,
        public_score: None,
        cases: Vec::new(),
        reused: None,
        staff_messages: Vec::new(),
        receipt,
    };
    (page, json)
}

/// The private page of a file that is being checked, and of which the log knows nothing yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CheckingPage {
    /// Whose it says it is.
    pub user: UserName,
    /// Its language.
    pub language: String,
    /// Its size in bytes.
    pub size: u64,
}

/// The private page of a file that is being checked.
#[must_use]
pub fn checking(name: &FileName, size: u64) -> CheckingPage {
    CheckingPage { user: name.user.clone(), language: name.extension.to_string(), size }
}

/// What staff may read of a submission of their own: of the public cases while the board is open, of all when it is closed. Nothing where the
/// submission is a student's.
fn staff_messages(source: Source<'_>, submission: &Submission, judged: Option<&Judged>) -> Vec<StaffMessage> {
    let cases = &source.rules.config.cases;
    let private = match source.board() {
        Board::Open => None,
        Board::Closed => Some(&cases.private),
    };
    match source.rules.users.role_in_history(&submission.user, Some(submission.role)) {
        Role::Student => return Vec::new(),
        Role::Evaluator | Role::Superuser => {}
    }
    let Some(judged) = judged else { return Vec::new() };
    let told = cases.public.iter().chain(private.into_iter().flatten()).filter_map(|case| {
        let message = visible_lines(judged.case(case)?.staff_message.as_ref()?);
        Some(StaffMessage { case: case.clone(), message })
    });
    told.collect()
}

fn status_case(rules: &Rules, case: &CaseResult) -> StatusCase {
    StatusCase {
        case: case.case.clone(),
        verdict: case.verdict,
        score: score_under(case.verdict, case.score, &rules.config.score),
        cpu_seconds: case.cpu_seconds,
        wall_seconds: case.wall_seconds,
        peak_memory_bytes: case.peak_memory_bytes,
        message: case.message.clone(),
    }
}

fn place(change: Change, own: Number, decimals: u8) -> PlaceView {
    let effect = match change.before {
        None => Effect::First,
        Some(_) if change.best == own => Effect::Better,
        Some(_) => Effect::Stays,
    };
    let Change { before, after, of, best, score } = change;
    PlaceView { effect, before, after, of, best, shown: score.shown(decimals) }
}

/// What the programs of a judging were given; where the log does not say, what they would be given now.
pub(super) fn granted(rules: &Rules, judged: Option<&Judged>) -> Granted {
    let recorded = judged.and_then(|judged| judged.provenance.as_ref()?.limits);
    recorded.unwrap_or_else(|| Granted::of(&rules.config.limits))
}

pub(super) fn case_view(
    rules: &Rules,
    submission: &Submission,
    (case, granted): (&CaseResult, &Granted),
    beside: &mut Beside,
) -> CaseView {
    let (stdout, stderr) = beside.tails.remove(&case.case).unwrap_or_default();
    const MIB: f64 = 1_048_576.0;
    #[expect(clippy::cast_precision_loss, reason = "bytes of memory, shown to a tenth of a MiB")]
    let (memory, memory_limit) = (case.peak_memory_bytes as f64, granted.memory_bytes as f64);
    CaseView {
        case: case.case.clone(),
        verdict: case.verdict,
        tone: tone(case.verdict),
        shown: score_under(case.verdict, case.score, &rules.config.score)
            .map(|score| score.shown(rules.config.score.decimals)),
        cpu_seconds: format!("{:.2}", case.cpu_seconds),
        cpu_limit: seconds(granted.cpu_seconds),
        cpu_percent: percent(case.cpu_seconds, granted.cpu_seconds),
        wall_seconds: format!("{:.2}", case.wall_seconds),
        wall_limit: seconds(granted.wall_seconds),
        memory_mib: format!("{:.1}", memory / MIB),
        memory_limit_mib: seconds(memory_limit / MIB),
        memory_percent: percent(memory, memory_limit),
        message: case.message.clone(),
        metrics: case
            .metrics
            .iter()
            .filter_map(|(name, number)| {
                Some(MetricView { name: name.clone(), shown: Score::finite(*number)?.brief() })
            })
            .collect(),
        stdout,
        stderr,
        outputs: beside.outputs.remove(&case.case).unwrap_or_default(),
        again: again(rules, submission, &case.case),
    }
}

/// A number with as many decimals as it needs, at most two.
fn seconds(number: f64) -> String {
    let text = format!("{number:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0..=100")]
fn percent(part: f64, whole: f64) -> u8 {
    (part / whole * 100.0).round().clamp(0.0, 100.0) as u8
}

/// The folder under public/s/ of a submission or of a refused file.
#[must_use]
pub fn folder(id: &SubmissionId) -> String {
    format!("s/{id}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::record::Provenance;
    use crate::core::story::{Story, rules};
    use crate::core::view::progress;

    /// A submission that was judged, under such rules.
    fn judged_under(extra: &str, look: impl FnOnce(Source<'_>, &Submission, Judged)) {
        let mut story = Story::default();
        let number = story.scores("ann", [1.0, 2.0, 3.0]);
        let rules = rules(extra);
        let source = story.source(&rules);
        let one = story.history.get(number).expect("accepted");
        look(source, one, source.judged(one).expect("it can be read").expect("judged"));
    }

    #[test]
    fn what_was_used_is_measured_by_what_there_was_then() {
        judged_under("[limits]\ncpu = \"30s\"\n", |source, one, mut judged| {
            let limits = |judged: &Judged| {
                let page = submission(source, one, Some(judged), Beside::default()).0;
                (page.cases[0].cpu_limit.clone(), page.cases[0].cpu_percent)
            };
            assert_eq!(limits(&judged), ("30".into(), 4), "where the log does not say");
            let digest = Digest::ZERO;
            judged.provenance = Some(Provenance {
                source_sha256: digest,
                evaluator_sha256: digest,
                cases_sha256: digest,
                config_sha256: digest,
                settings_sha256: None,
                limits: Some(Granted { cpu_seconds: 2.5, wall_seconds: 5.0, memory_bytes: 64 << 20 }),
                engine: "bubblewrap".into(),
                image: "host".into(),
                order: None,
                host: None,
            });
            assert_eq!(limits(&judged), ("2.5".into(), 50));
            let log = progress(source, (one, Some(&judged)), "", &[]);
            assert!(log.contains("CPU 1.25 of 2.5 s, wall 1.50 of 5 s"), "{log}");
        });
    }

    #[test]
    fn the_evaluators_numbers_are_told_of_each_public_case() {
        judged_under("", |source, one, mut judged| {
            for case in &mut judged.cases {
                case.metrics.insert(format!("moves in {}", case.case), 12.5);
            }
            let page = submission(source, one, Some(&judged), Beside::default()).0;
            let told: Vec<_> = page.cases.iter().flat_map(|case| &case.metrics).collect();
            let named: Vec<_> = told.iter().map(|metric| (metric.name.as_str(), metric.shown.as_str())).collect();
            assert_eq!(named, [("moves in one", "12.5"), ("moves in two", "12.5")]);
        });
    }
}
