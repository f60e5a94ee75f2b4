//! A submission's private page: s/<uuid>/index.html and status.json.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{JSON_VERSION, Source, StateName, Tone, state_name, tone};
use crate::core::config::{Board, Output};
use crate::core::digest::Digest;
use crate::core::history::{Receipt, Refused, State, Submission};
use crate::core::ids::{CaseName, Number, SubmissionId, UserName};
use crate::core::record::{CaseResult, moment};
use crate::core::rules::Rules;
use crate::core::score::Score;
use crate::core::text::visible_lines;
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
    /// The public cases.
    pub cases: Vec<CaseView>,
    /// Since when it runs.
    pub since: Option<String>,
    /// When it was judged.
    pub judged_at: Option<String>,
    /// Its size in bytes.
    pub size: Option<u64>,
    /// What the sender can hold against the log.
    pub receipt: ReceiptView,
    /// What the answer is taken from: `stdout` or `output.json`.
    pub answer: &'static str,
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
    /// The end of what it printed, made visible.
    pub stdout: Tail,
    /// The end of what it complained, made visible.
    pub stderr: Tail,
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
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
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StatusJson {
    v: u32,
    submission: Option<Number>,
    user: Option<UserName>,
    /// Where it is.
    pub state: StateName,
    verdict: Option<Verdict>,
    reason: Option<String>,
    public_score: Option<Score>,
    cases: Vec<StatusCase>,
    receipt: ReceiptView,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct StatusCase {
    case: CaseName,
    verdict: Verdict,
    score: Option<Score>,
    cpu_seconds: f64,
    wall_seconds: f64,
    peak_memory_bytes: u64,
    message: Option<String>,
}

/// The ends of what a public case printed, by case: standard output, standard error.
pub type Tails = BTreeMap<CaseName, (Tail, Tail)>;

/// A submission's private page, as a page and as JSON.
#[must_use]
pub fn submission(source: Source<'_>, submission: &Submission, mut tails: Tails) -> (SubmissionPage, StatusJson) {
    let config = &source.rules.config;
    let decimals = config.score.decimals;
    let judged = submission.judged();
    let public: Vec<&CaseResult> = judged
        .map(|judged| config.cases.public.iter().filter_map(|name| judged.case(name)).collect())
        .unwrap_or_default();
    let verdict = judged.map(|judged| judged.verdict(&config.cases.public));
    let public_score = judged.and_then(|judged| judged.score(&config.cases.public, &config.score));
    let total_score = match source.board() {
        Board::Open => None,
        Board::Closed => judged.and_then(|judged| judged.score(config.cases.all(), &config.score)),
    };
    let receipt = receipt(submission.receipt, Some(submission.sha256));
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
        cases: public
            .iter()
            .map(|case| case_view(source.rules, case, tails.remove(&case.case).unwrap_or_default()))
            .collect(),
        since,
        judged_at,
        size: Some(submission.size),
        receipt: receipt.clone(),
        answer: match config.languages.get(&submission.language).map(|language| language.output) {
            Some(Output::File) => "output.json",
            Some(Output::Stdout) | None => "standard output",
        },
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
        receipt,
    };
    (page, json)
}

/// The private page of a refused file.
#[must_use]
pub fn refused(refused: &Refused) -> (SubmissionPage, StatusJson) {
    let receipt = receipt(refused.receipt, refused.sha256);
    let reason = Some(visible_lines(&refused.reason));
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
        cases: Vec::new(),
        since: None,
        judged_at: None,
        size: None,
        receipt: receipt.clone(),
        answer: "standard output",
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
        receipt,
    };
    (page, json)
}

fn status_case(rules: &Rules, case: &CaseResult) -> StatusCase {
    StatusCase {
        case: case.case.clone(),
        verdict: case.verdict,
        score: case.score_under(&rules.config.score),
        cpu_seconds: case.cpu_seconds,
        wall_seconds: case.wall_seconds,
        peak_memory_bytes: case.peak_memory_bytes,
        message: case.message.clone(),
    }
}

fn case_view(rules: &Rules, case: &CaseResult, (stdout, stderr): (Tail, Tail)) -> CaseView {
    const MIB: f64 = 1_048_576.0;
    let limits = &rules.config.limits;
    #[expect(clippy::cast_precision_loss, reason = "bytes of memory, shown to a tenth of a MiB")]
    let (memory, memory_limit) = (case.peak_memory_bytes as f64, limits.memory as f64);
    CaseView {
        case: case.case.clone(),
        verdict: case.verdict,
        tone: tone(case.verdict),
        shown: case.score_under(&rules.config.score).map(|score| score.shown(rules.config.score.decimals)),
        cpu_seconds: format!("{:.2}", case.cpu_seconds),
        cpu_limit: seconds(limits.cpu.as_secs_f64()),
        cpu_percent: percent(case.cpu_seconds, limits.cpu.as_secs_f64()),
        wall_seconds: format!("{:.2}", case.wall_seconds),
        wall_limit: seconds(limits.wall.as_secs_f64()),
        memory_mib: format!("{:.1}", memory / MIB),
        memory_limit_mib: seconds(memory_limit / MIB),
        memory_percent: percent(memory, memory_limit),
        message: case.message.clone(),
        stdout,
        stderr,
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
