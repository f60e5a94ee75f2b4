//! The pages of staff, below results/admin/ and nowhere else: every case, private too, what the evaluator tells staff, and how the daemon is.
//!
//! Nothing under public/ and no letter may be made of what stands here.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

use super::{Tail, Tone, tone};
use crate::core::config::Board;
use crate::core::desk::{Desk, Dossier, REMEMBERED};
use crate::core::ids::{CaseName, Number, UserName};
use crate::core::outcome::score_under;
use crate::core::record::{CaseResult, Judged, moment};
use crate::core::rules::Rules;
use crate::core::score::{Score, meant};
use crate::core::text::{visible, visible_lines};
use crate::core::users::Role;
use crate::core::verdict::{Fault, Verdict};

/// As many rows of what waits.
const WAITING: usize = 20;
/// As many rows of what was judged last.
const LATEST: usize = 100;
/// As many users who are near a quota.
const NEAR: usize = 20;
/// From so many hundredths of a quota on.
const NEAR_PERCENT: u64 = 80;
/// Nothing is called slow before this.
const PATIENCE: TimeDelta = TimeDelta::seconds(60);
/// Before anything was judged, this is long.
const LONG: TimeDelta = TimeDelta::minutes(10);
/// The names of what differs between two runs of the same program.
const NOISE: [&str; 10] =
    ["file", "log line", "received", "began", "judged", "took s", "load", "CPU s", "wall s", "memory MiB"];

/// How the daemon is, which the log does not say.
#[derive(Debug, Clone, Default)]
pub struct Health {
    /// The daemon, if one runs.
    pub daemon: Option<DaemonView>,
    /// Why nothing is judged, if something keeps it.
    pub held: Option<String>,
    /// What somebody has to mend.
    pub problems: Vec<String>,
    /// What is free where results/ lies, in bytes.
    pub free_bytes: Option<u64>,
    /// What takes room.
    pub disk: Vec<DiskView>,
}

/// The daemon.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DaemonView {
    /// Its process.
    pub pid: u32,
    /// Its version.
    pub version: String,
    /// Since when it runs.
    pub started_at: String,
    /// Its latest sign of life.
    pub alive_at: String,
}

/// What something takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DiskView {
    /// What it is.
    pub name: &'static str,
    /// How many bytes it has.
    pub bytes: u64,
    /// Whether there is more, which was not looked at.
    pub more: bool,
}

/// index.html
#[derive(Debug, Serialize)]
pub struct StaffIndex {
    title: String,
    made_at: String,
    board: Option<Board>,
    daemon: Option<DaemonView>,
    held: Option<String>,
    problems: Vec<String>,
    engine: Option<String>,
    image: Option<String>,
    configured: String,
    free_bytes: Option<u64>,
    disk: Vec<DiskView>,
    log_seq: u64,
    log_at: Option<String>,
    accepted: u64,
    refused: u64,
    workers: usize,
    running: Vec<QueueRow>,
    waiting: Vec<QueueRow>,
    waiting_more: usize,
    stalled: Option<String>,
    unscored: Vec<UnscoredRow>,
    near: Vec<NearRow>,
    latest: Vec<LatestRow>,
    refusals: Vec<RefusedRow>,
}

#[derive(Debug, Serialize)]
struct QueueRow {
    submission: Number,
    user: UserName,
    since: String,
    for_seconds: i64,
    attempt: u32,
    stuck: bool,
}

#[derive(Debug, Serialize)]
struct UnscoredRow {
    submission: Number,
    user: UserName,
    at: String,
    verdict: Verdict,
    told: Vec<(CaseName, Verdict, String)>,
}

#[derive(Debug, Serialize)]
struct NearRow {
    user: UserName,
    quota: &'static str,
    used: u64,
    most: u64,
    percent: u64,
}

#[derive(Debug, Serialize)]
struct LatestRow {
    submission: Number,
    user: UserName,
    language: String,
    at: String,
    verdict: Verdict,
    tone: Tone,
    public: Option<String>,
    total: Option<String>,
}

#[derive(Debug, Serialize)]
struct RefusedRow {
    at: String,
    user: Option<UserName>,
    file: String,
    reason: String,
}

/// The overview.
#[must_use]
pub fn staff_index(desk: &Desk, rules: &Rules, health: Health, now: DateTime<Utc>) -> StaffIndex {
    let config = &rules.config;
    let slow = desk.slow();
    let limit = slow.map_or(LONG, |slow| slow * 2 + PATIENCE);
    let (running, waiting): (Vec<_>, Vec<_>) = desk.unfinished.values().partition(|one| one.started.is_some());
    let row = |dossier: &&Dossier| {
        let since = dossier.started.map_or(dossier.received_at, |(began, _)| began);
        QueueRow {
            submission: dossier.accepted.submission,
            user: dossier.accepted.user.clone(),
            since: moment::text(since),
            for_seconds: (now - since).num_seconds().max(0),
            attempt: dossier.started.map_or(0, |(_, attempt)| attempt),
            stuck: dossier.started.is_some_and(|(began, attempt)| attempt > 1 || now - began > limit),
        }
    };
    let provenance = desk.latest.values().rev().find_map(|dossier| dossier.judged.as_ref()?.1.provenance.as_ref());
    let quiet = desk.moved_at.or(waiting.first().map(|first| first.received_at)).map(|moved| now - moved);
    let stalled = quiet.filter(|quiet| running.is_empty() && !waiting.is_empty() && *quiet > PATIENCE);
    StaffIndex {
        title: config.competition.title.clone(),
        made_at: moment::text(now),
        board: desk.board,
        daemon: health.daemon,
        held: health.held,
        problems: health.problems,
        engine: provenance.map(|made| made.engine.clone()),
        image: provenance.map(|made| made.image.clone()),
        configured: format!("{:?}, image {}", config.sandbox.engine, config.sandbox.image).to_lowercase(),
        free_bytes: health.free_bytes,
        disk: health.disk,
        log_seq: desk.head.map_or(0, |(seq, _)| seq),
        log_at: desk.head.map(|(_, at)| moment::text(at)),
        accepted: desk.accepted,
        refused: desk.refused,
        workers: config.queue.workers,
        running: running.iter().map(row).collect(),
        waiting: waiting.iter().take(WAITING).map(row).collect(),
        waiting_more: waiting.len().saturating_sub(WAITING),
        stalled: stalled.map(|quiet| {
            format!("nothing has begun or ended for {} s, and {} wait", quiet.num_seconds(), waiting.len())
        }),
        unscored: desk.unscored.values().rev().filter_map(|dossier| unscored(dossier)).collect(),
        near: near(desk, rules, now),
        latest: desk.latest.values().rev().take(LATEST).filter_map(|dossier| latest(dossier, rules)).collect(),
        refusals: desk
            .refusals
            .iter()
            .rev()
            .map(|refused| RefusedRow {
                at: moment::text(refused.at),
                user: refused.user.clone(),
                file: visible(&refused.file, 120),
                reason: visible(&refused.reason, 400),
            })
            .collect(),
    }
}

fn unscored(dossier: &Dossier) -> Option<UnscoredRow> {
    let (at, judged) = dossier.judged.as_ref()?;
    let failed = judged.cases.iter().filter(|case| matches!(case.verdict.fault(), Fault::Instructor | Fault::Operator));
    let told: Vec<_> = failed
        .map(|case| {
            (case.case.clone(), case.verdict, visible_lines(case.staff_message.as_deref().unwrap_or("said nothing")))
        })
        .collect();
    Some(UnscoredRow {
        submission: dossier.accepted.submission,
        user: dossier.accepted.user.clone(),
        at: moment::text(*at),
        verdict: Verdict::of_set(told.iter().map(|(_, verdict, _)| *verdict)),
        told,
    })
}

fn latest(dossier: &Dossier, rules: &Rules) -> Option<LatestRow> {
    let (at, judged) = dossier.judged.as_ref()?;
    let (config, decimals) = (&rules.config, rules.config.score.decimals);
    let verdict = Verdict::of_set(judged.cases.iter().map(|case| case.verdict));
    Some(LatestRow {
        submission: dossier.accepted.submission,
        user: dossier.accepted.user.clone(),
        language: dossier.accepted.language.to_string(),
        at: moment::text(*at),
        verdict,
        tone: tone(verdict),
        public: score(judged, &mut config.cases.public.iter(), rules).map(|score| score.shown(decimals)),
        total: score(judged, &mut config.cases.all(), rules).map(|score| score.shown(decimals)),
    })
}

/// Over a set of cases, under the rules in force.
fn score(judged: &Judged, set: &mut dyn Iterator<Item = &CaseName>, rules: &Rules) -> Option<Score> {
    let find = |name: &CaseName| judged.cases.iter().find(|case| case.case == *name);
    let one = |case: &CaseResult| score_under(case.verdict, case.score, &rules.config.score);
    let scores: Option<Vec<_>> = set.map(|name| find(name).and_then(one)).collect();
    Score::total(&scores?, rules.config.score.total)
}

fn near(desk: &Desk, rules: &Rules, now: DateTime<Utc>) -> Vec<NearRow> {
    let limits = &rules.config.submissions;
    let mut rows = Vec::new();
    let mut add = |quota, used: BTreeMap<&UserName, u64>, most: u64| {
        for (user, used) in used {
            let percent = used.saturating_mul(100) / most.max(1);
            if percent >= NEAR_PERCENT {
                rows.push(NearRow { user: user.clone(), quota, used, most, percent });
            }
        }
    };
    if let Some(most) = limits.disk_per_user {
        add("disk, in bytes", desk.kept.iter().map(|(user, bytes)| (user, *bytes)).collect(), most);
    }
    if let Some(most) = limits.pending_per_user {
        add("waiting or running", counted(desk.unfinished.values().map(|one| &one.accepted.user)), most as u64);
    }
    let window = limits.rate.and_then(|rate| Some((rate, TimeDelta::from_std(rate.window).ok()?)));
    if let Some((rate, window)) = window.filter(|(_, window)| *window <= REMEMBERED) {
        let recent = desk.arrivals.iter().rev().take_while(|(at, _)| now - *at < window).map(|(_, user)| user);
        let students = counted(recent.filter(|user| rules.users.role(user) == Some(Role::Student)));
        add("rate, refunds not counted", students, rate.count as u64);
    }
    rows.sort_by(|a, b| b.percent.cmp(&a.percent).then_with(|| a.user.cmp(&b.user)));
    rows.truncate(NEAR);
    rows
}

fn counted<'a>(users: impl Iterator<Item = &'a UserName>) -> BTreeMap<&'a UserName, u64> {
    let mut counts = BTreeMap::new();
    for user in users {
        *counts.entry(user).or_default() += 1;
    }
    counts
}

/// One submission with everything that is known of it, as names and values: what is shown, printed, and compared.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sheet {
    /// The submission.
    pub submission: Number,
    /// Whose it is.
    pub user: UserName,
    /// What is known of it as a whole.
    pub facts: Vec<(String, String)>,
    /// The cases, those that count first.
    pub cases: Vec<CaseSheet>,
}

/// One case.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CaseSheet {
    /// Its name.
    pub case: CaseName,
    /// For the look of it.
    pub tone: Tone,
    /// What is known of it.
    pub facts: Vec<(String, String)>,
    /// What was kept of the run: the ends of texts.
    pub kept: Vec<KeptText>,
}

/// A file that was kept.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct KeptText {
    /// `stdout`, `stderr`, `answer`, `evaluator-stderr`.
    pub name: String,
    /// Its end.
    pub tail: Tail,
}

/// What was kept of a case's run, by the names of case and file.
pub(super) type KeptTexts<'t> = &'t dyn Fn(&CaseName, &str) -> Tail;

/// The sheet of a submission. `kept` finds what was kept of its runs.
#[must_use]
pub fn sheet(dossier: &Dossier, rules: &Rules, kept: KeptTexts<'_>) -> Sheet {
    let accepted = &dossier.accepted;
    let mut facts = Facts::default();
    facts.add("user", &accepted.user);
    facts.add("role", rules.users.role_in_history(&accepted.user, Some(accepted.role)).name());
    facts.add("file", visible(&accepted.file, 200));
    facts.add("language", &accepted.language);
    facts.add("size", format!("{} bytes", accepted.size));
    facts.add("source sha256", accepted.sha256);
    facts.add("log line", dossier.seq);
    facts.add("received", moment::text(dossier.received_at));
    if let Some((began, attempt)) = dossier.started {
        facts.add("began", moment::text(began));
        facts.add("attempt", attempt);
    }
    let Some((at, judged)) = &dossier.judged else {
        facts.add("state", if dossier.started.is_some() { "running" } else { "waiting" });
        return Sheet {
            submission: accepted.submission,
            user: accepted.user.clone(),
            facts: facts.0,
            cases: Vec::new(),
        };
    };
    facts.add("judged", moment::text(*at));
    if let Some((began, _)) = dossier.started {
        facts.add("took s", seconds((*at - began).as_seconds_f64()));
    }
    facts.add("verdict", Verdict::of_set(judged.cases.iter().map(|case| case.verdict)));
    let shown = |score: Option<_>| score.map_or_else(|| "none".to_owned(), written);
    facts.add("public score", shown(score(judged, &mut rules.config.cases.public.iter(), rules)));
    facts.add("total score", shown(score(judged, &mut rules.config.cases.all(), rules)));
    if let Some(origin) = judged.reused {
        facts.add("reused from", format!("submission {}, attempt {}", origin.submission, origin.attempt));
    }
    if let Some(made) = &judged.provenance {
        facts.add("evaluator sha256", made.evaluator_sha256);
        facts.add("cases sha256", made.cases_sha256);
        facts.add("config sha256", made.config_sha256);
        if let Some(settings) = made.settings_sha256 {
            facts.add("settings sha256", settings);
        }
        facts.add("engine", &made.engine);
        facts.add("image", &made.image);
        if let Some(host) = &made.host {
            facts.add("kernel", &host.kernel);
            facts.add("cores", format!("{}{}", host.cores, if host.pinned { ", its own" } else { "" }));
            if let Some(load) = host.load {
                facts.add("load", meant(load).to_string());
            }
        }
    }
    let counted = rules.config.cases.all().filter_map(|name| judged.cases.iter().find(|case| case.case == *name));
    let others = judged.cases.iter().filter(|case| !rules.config.cases.all().any(|name| *name == case.case));
    let cases = counted.chain(others).map(|case| case_sheet(case, rules, kept)).collect();
    Sheet { submission: accepted.submission, user: accepted.user.clone(), facts: facts.0, cases }
}

fn case_sheet(case: &CaseResult, rules: &Rules, kept: KeptTexts<'_>) -> CaseSheet {
    let config = &rules.config;
    let mut facts = Facts::default();
    facts.add(
        "set",
        if config.cases.public.contains(&case.case) {
            "public"
        } else if config.cases.private.contains(&case.case) {
            "private"
        } else {
            "no longer counted"
        },
    );
    facts.add("verdict", case.verdict);
    let score = score_under(case.verdict, case.score, &config.score);
    facts.add("score", score.map_or_else(|| "none".to_owned(), written));
    facts.add("CPU s", seconds(case.cpu_seconds));
    facts.add("wall s", seconds(case.wall_seconds));
    #[expect(clippy::cast_precision_loss, reason = "bytes of memory, shown to a tenth of a MiB")]
    facts.add("memory MiB", format!("{:.1}", case.peak_memory_bytes as f64 / 1_048_576.0));
    for (name, words) in [("message", &case.message), ("staff message", &case.staff_message)] {
        if let Some(words) = words {
            facts.add(name, visible_lines(words));
        }
    }
    for (name, number) in &case.metrics {
        facts.add(&format!("metric {}", visible(name, 80)), meant(*number).to_string());
    }
    if let Some(output) = case.output_sha256 {
        facts.add("output sha256", output);
    }
    let kept = case.files.iter().map(|file| KeptText { name: file.name.clone(), tail: kept(&case.case, &file.name) });
    CaseSheet {
        case: case.case.clone(),
        tone: tone(case.verdict),
        facts: facts.0,
        kept: kept.filter(|kept| kept.tail.bytes > 0).collect(),
    }
}

#[derive(Default)]
struct Facts(Vec<(String, String)>);

impl Facts {
    fn add(&mut self, name: &str, value: impl ToString) {
        self.0.push((name.to_owned(), value.to_string()));
    }
}

/// A score, with all of its digits that mean something.
fn written(score: Score) -> String {
    match score {
        Score::Finite(number) => meant(number).to_string(),
        Score::Infeasible => score.to_string(),
    }
}

fn seconds(number: f64) -> String {
    format!("{number:.3}")
}

/// What two sheets say of one thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The thing.
    pub name: String,
    /// What the first says; `None` where it says nothing.
    pub one: Option<String>,
    /// What the second says.
    pub other: Option<String>,
}

/// Two sheets beside each other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Comparison {
    /// Of the whole.
    pub facts: Vec<Difference>,
    /// Of each case.
    pub cases: Vec<(CaseName, Vec<Difference>)>,
}

/// What differs between two sheets. `noise`: also what differs between two runs of the same program, such as clocks.
#[must_use]
pub fn compare(one: &Sheet, other: &Sheet, noise: bool) -> Comparison {
    let differ = |one: &[(String, String)], other: &[(String, String)]| -> Vec<Difference> {
        let mut names: Vec<&String> = one.iter().map(|(name, _)| name).collect();
        names.extend(other.iter().map(|(name, _)| name).filter(|name| !one.iter().any(|(known, _)| known == *name)));
        let find = |facts: &[(String, String)], name: &String| {
            facts.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
        };
        names
            .into_iter()
            .filter(|name| noise || !NOISE.contains(&name.as_str()))
            .map(|name| Difference { name: name.clone(), one: find(one, name), other: find(other, name) })
            .filter(|found| found.one != found.other)
            .collect()
    };
    let mut cases: Vec<&CaseName> = one.cases.iter().map(|case| &case.case).collect();
    cases.extend(
        other.cases.iter().map(|case| &case.case).filter(|name| !one.cases.iter().any(|case| case.case == **name)),
    );
    let of = |sheet: &Sheet, name: &CaseName| {
        let case = sheet.cases.iter().find(|case| case.case == *name);
        case.map(|case| {
            let kept = case.kept.iter().map(|kept| (format!("end of {}", kept.name), kept.tail.text.clone()));
            case.facts.iter().cloned().chain(kept).collect::<Vec<_>>()
        })
        .unwrap_or_default()
    };
    Comparison {
        facts: differ(&one.facts, &other.facts),
        cases: cases
            .into_iter()
            .map(|name| (name.clone(), differ(&of(one, name), &of(other, name))))
            .filter(|(_, differences)| !differences.is_empty())
            .collect(),
    }
}

/// submissions/`<number>`.html
#[derive(Debug, Serialize)]
pub struct StaffSubmission {
    title: String,
    /// Everything.
    pub sheet: Sheet,
    /// Other submissions of the same user that have a page, to compare with; the latest first.
    pub others: Vec<Number>,
}

/// A submission's page.
#[must_use]
pub fn staff_submission(sheet: Sheet, others: Vec<Number>, rules: &Rules) -> StaffSubmission {
    StaffSubmission { title: rules.config.competition.title.clone(), sheet, others }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::story::{Story, case, rules};

    fn desk_of(story: &Story) -> Desk {
        let mut desk = Desk::default();
        for record in &story.lines {
            desk.apply(record);
        }
        desk
    }

    fn no_text(_: &CaseName, _: &str) -> Tail {
        Tail::default()
    }

    fn at(story: &Story, after: i64) -> DateTime<Utc> {
        story.history.head().expect("a line").at + TimeDelta::seconds(after)
    }

    #[test]
    fn who_is_stuck_is_told_by_what_is_usual() {
        let rules = rules("");
        let mut story = Story::default();
        for _ in 0..5 {
            // A second each.
            story.scores("ann", [1.0, 1.0, 1.0]);
        }
        let running = story.accept("ben");
        story.start(running);
        story.accept("cid");
        let index = |after| {
            let index = staff_index(&desk_of(&story), &rules, Health::default(), at(&story, after));
            (index.running[0].stuck, index.waiting.len(), index.stalled.is_some())
        };
        assert_eq!(index(10), (false, 1, false));
        assert_eq!(index(70), (true, 1, false));
        let mut idle = Story::default();
        idle.accept("cid");
        let stalled = |after| staff_index(&desk_of(&idle), &rules, Health::default(), at(&idle, after)).stalled;
        assert!(stalled(5).is_none() && stalled(100).is_some_and(|why| why.contains("1 wait")));
    }

    #[test]
    fn what_has_no_score_and_who_is_near_a_quota() {
        let rules = rules("[submissions]\npending_per_user = 2\ndisk_per_user = \"1 KiB\"\nrate = \"2/1h\"\n");
        let mut story = Story::default();
        let number = story.accept("ann");
        story.judge(
            number,
            vec![case("secret", Verdict::EvaluatorError, None), case("one", Verdict::Accepted, Some(1.0))],
        );
        story.accept("ann");
        let index = staff_index(&desk_of(&story), &rules, Health::default(), at(&story, 1));
        let row = &index.unscored[0];
        assert_eq!((row.submission, row.verdict, row.told.len()), (number, Verdict::EvaluatorError, 1));
        assert_eq!(row.told[0].2, "staff message of secret");
        let near: Vec<_> = index.near.iter().map(|row| (row.user.as_str(), row.quota, row.used)).collect();
        assert_eq!(near, [("ann", "rate, refunds not counted", 2)], "one of two waits, and 20 bytes of 1024 are kept");
    }

    #[test]
    fn a_sheet_has_every_case_and_a_comparison_what_differs() {
        let rules = rules("");
        let mut story = Story::default();
        let one = story.scores("ann", [1.0, 2.0, 3.0]);
        let other = story.accept("ben");
        let slower = CaseResult { cpu_seconds: 9.0, ..case("one", Verdict::Accepted, Some(1.0)) };
        story.judge(
            other,
            vec![slower, case("secret", Verdict::TimeLimit, None), case("old", Verdict::Accepted, Some(5.0))],
        );
        let desk = desk_of(&story);
        let of = |number: Number| sheet(&desk.dossiers()[&number], &rules, &no_text);
        let (one, other) = (of(one), of(other));
        let cases: Vec<_> = other.cases.iter().map(|case| format!("{} {}", case.case, case.facts[0].1)).collect();
        assert_eq!(cases, ["one public", "secret private", "old no longer counted"]);
        assert!(other.cases[1].facts.contains(&("staff message".into(), "staff message of secret".into())));
        let found = compare(&one, &other, false);
        let names: Vec<_> = found.cases.iter().map(|(case, _)| case.as_str()).collect();
        assert_eq!(names, ["two", "secret", "old"], "in `one` the clock alone differs");
        let secret: Vec<_> = found.cases[1].1.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(secret, ["verdict", "score"]);
        assert!(found.cases[0].1.iter().all(|one| one.other.is_none()), "it was not run");
        assert_eq!(compare(&one, &other, true).cases.len(), 4);
        assert_eq!(compare(&one, &one, true), Comparison { facts: Vec::new(), cases: Vec::new() });
    }

    #[test]
    fn what_is_kept_has_a_bound_and_is_the_latest() {
        let mut desk = Desk::default();
        let mut story = Story::default();
        for _ in 0..(crate::core::desk::LATEST + 10) {
            story.scores("ann", [1.0, 1.0, 1.0]);
        }
        for record in &story.lines {
            desk.apply(record);
        }
        assert_eq!(desk.dossiers().len(), crate::core::desk::LATEST);
        assert_eq!(desk.dossiers().keys().next(), Some(&Number(11)));
        assert!(desk.unfinished.is_empty());
    }
}
