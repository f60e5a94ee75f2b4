//! `podium try`: a judging over the public cases, here and now.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, anyhow};
use clap::Args;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{Exit, progress::Progress, runtime, table::table};
use crate::check::{self, Check};
use crate::core::ids::{CaseName, Extension};
use crate::core::machine::{Report, Trouble};
use crate::core::rules::Rules;
use crate::core::score::Score;
use crate::core::text::visible_lines;
use crate::core::verdict::{Fault, Verdict};
use crate::home::Home;
use crate::judge::{self, Judging, Progress as Step};
use crate::material::Store;
use crate::sandbox::{self, Place, Sandbox};
use crate::{files, settings};

/// Judge a file over the public cases, here and now; nothing is recorded
///
/// The same check, the same sandbox, the same limits and the same evaluator as the daemon's. Ends with 0 when every case is accepted, and with 1
/// otherwise.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The program; its ending says the language
    file: PathBuf,
    /// Only this case, which may be any that config.toml names; may be given several times
    #[arg(long, value_name = "CASE")]
    case: Vec<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// As for `podium run`
    #[arg(long, value_name = "DIR", env = "PODIUM_HOST_HOME")]
    host_home: Option<PathBuf>,
}

/// Of what a failed program wrote to standard error, the end is shown, in bytes.
const LONGEST_COMPLAINT: u64 = 1000;

/// What a try found.
struct Tried {
    report: Report,
    complaints: Vec<(CaseName, String)>,
}

pub(super) fn run(home: &Home, arguments: &Arguments) -> anyhow::Result<Exit> {
    let rules = Arc::new(settings::read(home).map_err(|problems| anyhow!("{}", super::check::list(&problems)))?);
    let cases = chosen(&rules, &arguments.case)?;
    let folder = home.aside(std::process::id());
    files::private_folder(&folder)?;
    let outcome = runtime()?.block_on(judge_in(home, &rules, cases, arguments, &folder));
    std::fs::remove_dir_all(&folder)?;
    let Tried { report, complaints } = match outcome? {
        Ok(tried) => tried,
        Err(objection) => {
            if arguments.json {
                println!("{}", json!({ "v": 1, "rejected": objection }));
            } else {
                println!("It would be rejected before judging:\n{objection}");
            }
            return Ok(Exit::Problem);
        }
    };
    let names: Vec<CaseName> = report.cases.iter().map(|case| case.case.clone()).collect();
    let score = total(&rules, &report);
    let verdict = Verdict::of_set(report.cases.iter().map(|case| case.verdict));
    if arguments.json {
        println!("{}", json!({ "v": 1, "verdict": verdict, "score": score, "cases": report.cases }));
    } else {
        print!("{}", shown(&rules, &report));
        for (case, complaint) in complaints {
            println!("\n{case}, the end of standard error:\n{complaint}");
        }
        let what = match &names[..] {
            _ if arguments.case.is_empty() => "the public score".to_owned(),
            [one] => format!("the score of {one}"),
            several => format!("the score over {} cases", several.len()),
        };
        let score = score.map_or_else(|| "none".to_owned(), |score| score.shown(rules.config.score.decimals));
        println!("\n{what} would be {score} {}", rules.config.score.unit);
    }
    Ok(if verdict == Verdict::Accepted { Exit::Done } else { Exit::Problem })
}

fn chosen(rules: &Rules, names: &[String]) -> anyhow::Result<Vec<CaseName>> {
    if names.is_empty() {
        return Ok(rules.config.cases.public.clone());
    }
    let known = |name: &String| rules.config.cases.all().find(|case| case.as_str() == name).cloned();
    names.iter().map(|name| known(name).ok_or_else(|| anyhow!("config.toml names no case {name:?}"))).collect()
}

/// The report, or what speaks against the file.
async fn judge_in(
    home: &Home,
    rules: &Arc<Rules>,
    cases: Vec<CaseName>,
    arguments: &Arguments,
    folder: &Path,
) -> anyhow::Result<Result<Tried, String>> {
    let extension = arguments.file.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    let extension: Extension = extension
        .parse()
        .with_context(|| format!("{} has no ending that says its language", arguments.file.display()))?;
    let language = rules
        .config
        .languages
        .get(&extension)
        .cloned()
        .with_context(|| format!("config.toml has no table [languages.{extension}]"))?;
    files::private_folder(&folder.join("received"))?;
    let source = folder.join("received").join(format!("source.{extension}"));
    let bytes =
        std::fs::read(&arguments.file).with_context(|| format!("failed to read {}", arguments.file.display()))?;
    if bytes.len() as u64 > rules.config.submissions.max_size {
        return Ok(Err(format!(
            "it is {} bytes long; at most {} are taken",
            bytes.len(),
            rules.config.submissions.max_size
        )));
    }
    files::replace(&source, &bytes, 0o644)?;

    let images = super::image::store(home);
    super::image::open(&images, &rules.config.sandbox)
        .await
        .with_context(|| format!("the image {} cannot be had", rules.config.sandbox.image))?;
    let place = Place {
        home_id: home.id(arguments.host_home.as_deref()),
        owner: Place::try_by(std::process::id()),
        work: folder.to_owned(),
        host_home: arguments.host_home.clone().map(|host| (home.root().to_owned(), host)),
        images: images.remembering(),
    };
    let engine = sandbox::open(&rules.config.sandbox, &place);
    let identity = engine.probe().await?;
    let cancel = cancelled_by_signal()?;
    let check = Check {
        source: &source,
        extension: extension.as_str(),
        language: &language,
        limits: &rules.config.limits,
        folder: folder.join("check"),
        label: "check".into(),
    };
    if let Some((_, objection)) = check::objection(check, engine.as_ref(), &cancel, &|_| {}).await? {
        return Ok(Err(objection));
    }
    files::private_folder(&home.cache())?;
    let keep = folder.join("kept");
    files::private_folder(&keep)?;
    let judging = Judging {
        label: "try".into(),
        source_sha256: files::digest(&source)?.0,
        source,
        extension: extension.to_string(),
        language,
        rules: Arc::clone(rules),
        material: Store::default().now(home, &rules.config)?,
        cases,
        order: None,
        cores: None,
        work: folder.join("work"),
        keep,
        identity,
    };
    let report = with_progress(&judging, engine.as_ref(), &cancel).await;
    match report {
        Ok(report) => Ok(Ok(Tried { complaints: complaints(&judging.keep, &report), report })),
        Err(Trouble::Cancelled) => Err(anyhow!("interrupted")),
        Err(Trouble::Unavailable(why) | Trouble::Failed { why, .. }) => Err(anyhow!("it could not be judged: {why}")),
    }
}

/// What the programs that failed wrote to standard error, by case.
fn complaints(kept: &Path, report: &Report) -> Vec<(CaseName, String)> {
    let failed = report.cases.iter().filter(|case| case.verdict.fault() == Fault::Student);
    failed
        .filter_map(|case| {
            let (bytes, _) = files::tail(&kept.join(format!("{}.stderr", case.case)), LONGEST_COMPLAINT).ok()?;
            Some((case.case.clone(), visible_lines(String::from_utf8_lossy(&bytes).trim_end())))
        })
        .collect()
}

async fn with_progress(
    judging: &Judging,
    sandbox: &dyn Sandbox,
    cancel: &CancellationToken,
) -> Result<Report, Trouble> {
    let progress = Mutex::new(Progress::new("cases"));
    let total = judging.cases.len() as u64;
    let report = judge::judge(judging, sandbox, cancel, &|step| {
        let Step::Ended(index, result) = step else { return };
        let mut progress = progress.lock().unwrap_or_else(PoisonError::into_inner);
        progress.set(index as u64 + 1, total, format!("{}: {}", result.case, result.verdict));
    })
    .await;
    progress.lock().unwrap_or_else(PoisonError::into_inner).clear();
    report
}

/// Ctrl-C stops the run and still cleans up behind it.
fn cancelled_by_signal() -> anyhow::Result<CancellationToken> {
    let cancel = CancellationToken::new();
    let mut interrupt = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt())?;
    let token = cancel.clone();
    tokio::spawn(async move {
        interrupt.recv().await;
        token.cancel();
    });
    Ok(cancel)
}

fn total(rules: &Rules, report: &Report) -> Option<Score> {
    let scores: Option<Vec<Score>> = report.cases.iter().map(|case| case.score).collect();
    Score::total(&scores?, rules.config.score.total)
}

fn shown(rules: &Rules, report: &Report) -> String {
    let rows: Vec<Vec<String>> = report
        .cases
        .iter()
        .map(|case| {
            vec![
                case.case.to_string(),
                case.verdict.to_string(),
                case.score.map_or_else(String::new, |score| score.shown(rules.config.score.decimals)),
                format!("{:.2} s", case.cpu_seconds),
                format!("{:.2} s", case.wall_seconds),
                format!("{:.1} MiB", case.peak_memory_bytes as f64 / 1_048_576.0),
                case.staff_message.as_ref().or(case.message.as_ref()).cloned().unwrap_or_default(),
            ]
        })
        .collect();
    table(
        &["case", "verdict", "score", "CPU", "wall", "memory", "message"],
        &[false, false, true, true, true, true, false],
        &rows,
    )
}
