//! `podium check`: every problem of a home in one go.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{Exit, runtime};
use crate::core::config::Problem;
use crate::core::history::History;
use crate::core::rules::Rules;
use crate::core::users::Users;
use crate::core::view::{self, Source, Tails};
use crate::files;
use crate::home::Home;
use crate::judge::evaluate::{self, Question};
use crate::material::Store;
use crate::sandbox::{self, Fault, Place, Sandbox};
use crate::site::{Kind, Pages, RenderError};
use crate::{journal, settings};

/// Look for problems in a home: config, users, cases, evaluator, templates, sandbox
///
/// Everything is looked at before anything is said, and every problem comes with its file, line and key. The sandbox is tried with a command
/// of its own; nothing of a student's runs. A note is no problem: it tells what may not be meant.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// As for `podium run`
    #[arg(long, value_name = "DIR", env = "PODIUM_HOST_HOME")]
    host_home: Option<PathBuf>,
}

/// What was found.
#[derive(Debug, Default)]
struct Findings {
    problems: Vec<Problem>,
    notes: Vec<String>,
    good: Vec<String>,
}

pub(super) fn run(home: &Home, arguments: &Arguments) -> anyhow::Result<Exit> {
    let mut findings = Findings::default();
    match settings::read(home) {
        Ok(rules) => {
            let config = &rules.config;
            let languages: Vec<_> = config.languages.keys().map(ToString::to_string).collect();
            let cases =
                format!("{} public and {} private cases", config.cases.public.len(), config.cases.private.len());
            findings.good.push(format!(
                "config.toml: {cases}, {} workers, languages {}",
                config.queue.workers,
                languages.join(", ")
            ));
            look_at_users(home, &rules, &mut findings);
            look_at_pages(home, &rules, &mut findings);
            look_at_sandbox(home, &rules, arguments, &mut findings)?;
        }
        Err(problems) => {
            findings.problems.extend(problems);
            findings.notes.push("the templates and the sandbox were not looked at: they depend on the settings".into());
        }
    }
    if arguments.json {
        let problems: Vec<_> = findings
            .problems
            .iter()
            .map(|problem| json!({ "file": problem.file, "line": problem.line, "key": problem.key, "text": problem.text }))
            .collect();
        println!("{}", json!({ "v": 1, "problems": problems, "notes": findings.notes, "good": findings.good }));
    } else {
        findings.good.iter().for_each(|good| println!("good     {good}"));
        findings.notes.iter().for_each(|note| println!("note     {note}"));
        findings.problems.iter().for_each(|problem| println!("PROBLEM  {problem}"));
    }
    Ok(if findings.problems.is_empty() { Exit::Done } else { Exit::Problem })
}

/// Problems as the text of one error.
pub(super) fn list(problems: &[Problem]) -> String {
    let lines: Vec<_> = problems.iter().map(|problem| format!("\n  {problem}")).collect();
    format!("the settings of this home have problems:{}", lines.concat())
}

fn look_at_users(home: &Home, rules: &Rules, findings: &mut Findings) {
    match &rules.users {
        Users::Anyone => {
            findings.notes.push("there is no users.csv: whoever has a well-formed name may submit, as a student".into())
        }
        Users::Listed(roles) => {
            findings.good.push(format!("users.csv: {} users", roles.len()));
            let mode = std::fs::metadata(home.users()).map_or(0, |meta| meta.permissions().mode());
            if mode & 0o077 != 0 {
                findings.notes.push(format!(
                    "users.csv can be read by others than its owner (mode {:o}): chmod 600 users.csv",
                    mode & 0o777
                ));
            }
        }
    }
}

/// Renders every kind of page, with what the log has.
fn look_at_pages(home: &Home, rules: &Rules, findings: &mut Findings) {
    let (pages, problems) = Pages::load(&home.templates());
    let broken = !problems.is_empty();
    findings.problems.extend(problems);
    let history = match journal::history(&home.log()) {
        Ok(history) => history,
        Err(error) => {
            let text = format!("{:#}", anyhow::Error::from(error));
            findings.problems.push(Problem { file: "results/log.jsonl".into(), line: None, key: String::new(), text });
            return;
        }
    };
    if broken {
        return;
    }
    let empty = History::default();
    for history in [&empty, &history] {
        if let Err(error) = render(&pages, Source { history, rules }) {
            let text = format!("{:#}", anyhow::Error::from(error));
            findings.problems.push(Problem { file: "site-templates".into(), line: None, key: String::new(), text });
            return;
        }
    }
    findings.good.push("templates: every page can be made".into());
}

fn render(pages: &Pages, source: Source<'_>) -> Result<(), RenderError> {
    let (live, site) = (view::live_site(source, None), view::site(source));
    pages.render(Kind::BOARD, &live, &view::board(source).0)?;
    pages.render(Kind::QUEUE, &live, &view::queue(source, None).0)?;
    if let Some(submission) = source.history.submissions().last() {
        pages.render(Kind::SUBMISSION, &site, &view::submission(source, submission, Tails::new()).0)?;
        pages.render(Kind::USER, &site, &view::user(source, &submission.user))?;
    }
    Ok(())
}

fn look_at_sandbox(home: &Home, rules: &Rules, arguments: &Arguments, findings: &mut Findings) -> anyhow::Result<()> {
    let work = home.aside(std::process::id());
    files::private_folder(&work)?;
    let place = Place {
        home_id: home.id(arguments.host_home.as_deref()),
        owner: Place::try_by(std::process::id()),
        work: work.clone(),
        host_home: arguments.host_home.clone().map(|host| (home.root().to_owned(), host)),
    };
    let sandbox = sandbox::open(&rules.config.sandbox, &place);
    let outcome = runtime()?.block_on(async {
        let identity = sandbox.probe().await?;
        findings.good.push(format!("sandbox: {} on {}", identity.engine, identity.image));
        ask_the_evaluator(home, rules, sandbox.as_ref(), &work).await
    });
    std::fs::remove_dir_all(&work)?;
    match outcome {
        Ok(Ok(())) => findings.good.push("evaluator: keeps its contract on an empty answer".into()),
        Ok(Err(why)) => findings
            .notes
            .push(format!("on an empty answer the evaluator {why}; every such answer will be an evaluator error")),
        Err(fault) => {
            let key = if matches!(fault, Fault::Unavailable(_)) { "sandbox" } else { "evaluator.command" };
            findings.problems.push(Problem {
                file: "config.toml".into(),
                line: None,
                key: key.into(),
                text: fault.to_string(),
            });
        }
    }
    Ok(())
}

/// Whether the evaluator keeps its contract on the least that a program can answer: nothing.
async fn ask_the_evaluator(
    home: &Home,
    rules: &Rules,
    sandbox: &dyn Sandbox,
    work: &Path,
) -> Result<Result<(), String>, Fault> {
    let failed = |error: std::io::Error| Fault::Failed(format!("could not be tried: {error}"));
    let Some(case) = rules.config.cases.public.first() else { return Ok(Ok(())) };
    let (output, folder) = (work.join("empty"), work.join("evaluator"));
    files::replace(&output, b"", 0o644).map_err(failed)?;
    files::private_folder(&folder).map_err(failed)?;
    // On copies, as the daemon does.
    files::private_folder(&home.cache()).map_err(failed)?;
    let material = Store::default().now(home, &rules.config).map_err(failed)?;
    let Some(copied) = material.cases.get(case) else { return Ok(Ok(())) };
    let question = Question { case, dir: &copied.path, evaluator: &material.evaluator.path, output: &output };
    let evaluator = &rules.config.evaluator;
    let spec = evaluate::asking(question, evaluator, "check-eval".into(), folder.clone());
    let report = sandbox.run(&spec, &CancellationToken::new()).await?;
    Ok(evaluate::answered(&report, evaluator, &folder).map(|_| ()))
}
