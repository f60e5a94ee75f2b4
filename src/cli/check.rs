//! `podium check`: every problem of a home in one go.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{Exit, runtime};
use crate::accounts;
use crate::core::config::{self, Problem};
use crate::core::history::History;
use crate::core::ids::UserName;
use crate::core::password::Password;
use crate::core::rules::Rules;
use crate::core::text;
use crate::core::users::Users;
use crate::core::view::{self, Beside, Source, StateName, Tables};
use crate::files;
use crate::git::Door;
use crate::home::Home;
use crate::images::Opened;
use crate::judge::evaluate::{self, Question};
use crate::material::Store;
use crate::sandbox::{self, Cores, Fault, Place, Sandbox};
use crate::site::{AboutPage, Kind, Pages, RenderError, Rows};
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

/// Of the latest submissions as many are looked through for one in each state.
const LOOKED_AT: usize = 1000;

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
            look_at_pushes(home, &rules, &mut findings);
            look_at_modes(home, &rules, &mut findings);
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
            look_at_secrets(home, roles.keys(), findings);
        }
    }
}

/// Passwords that stand in users.csv as they are, and keys that are none. Neither is ever quoted.
fn look_at_secrets<'a>(home: &Home, users: impl Iterator<Item = &'a UserName> + Clone, findings: &mut Findings) {
    const SHOWN: usize = 10;
    if let Ok(Some(roster)) = accounts::read(home) {
        let plain: Vec<_> = roster.rows().iter().filter(|row| matches!(row.password, Password::Plain(_))).collect();
        for row in plain.iter().take(SHOWN) {
            findings.notes.push(format!(
                "users.csv:{}: {}: the password itself stands here; `podium users provision` puts its hash in its place",
                row.line, row.user
            ));
        }
        if plain.len() > SHOWN {
            findings.notes.push(format!("users.csv: and {} passwords more stand there", plain.len() - SHOWN));
        }
    }
    findings.notes.extend(keys_of_nobody(home, users.clone()));
    match accounts::read_keys(&home.keys(), users) {
        Ok(keys) if keys.is_empty() => {}
        Ok(keys) => findings.good.push(format!(
            "keys/: keys of {}",
            match keys.len() {
                1 => "1 user".to_owned(),
                many => format!("{many} users"),
            }
        )),
        Err(problems) => findings.problems.extend(problems),
    }
}

/// Files of keys that let nobody in: mostly a name that was mistyped.
pub(super) fn keys_of_nobody<'a>(home: &Home, users: impl Iterator<Item = &'a UserName>) -> Option<String> {
    const SHOWN: usize = 5;
    let files = accounts::keys_of_nobody(&home.keys(), users);
    let shown: Vec<_> = files.iter().take(SHOWN).map(|file| text::visible(file, 60)).collect();
    let more = if files.len() > SHOWN { format!(" and {} more", files.len() - SHOWN) } else { String::new() };
    let text = "let nobody in: users.csv has no such user, or the name is not <user>.pub";
    (!files.is_empty()).then(|| format!("keys/: {}{more} {text}", shown.join(", ")))
}

/// Whether pushes can be taken in, where they are to be.
fn look_at_pushes(home: &Home, rules: &Rules, findings: &mut Findings) {
    let Some(settings) = &rules.config.git else { return };
    let provision = "`podium users provision` opens the door for git";
    // Here no push comes in: it is the daemon's container, or the door is not open yet. git need not be there, either.
    let Some(account) = nix::unistd::User::from_name(&settings.account).ok().flatten() else {
        let note = format!(
            "this machine has no account {} ([git] account): {provision}, here or in the container that students come in by",
            settings.account
        );
        return findings.notes.push(note);
    };
    if let Err(error) = Door::open(home).and_then(|door| door.check_git()) {
        let text = std::fs::read_to_string(home.config()).unwrap_or_default();
        let line = config::line_of(&text, &["git"]);
        findings.problems.push(Problem {
            file: config::FILE.into(),
            line,
            key: "git".into(),
            text: text::chain(&error),
        });
        return;
    }
    let owner = std::fs::metadata(home.git()).ok().map(|meta| meta.uid());
    if owner == Some(account.uid.as_raw()) {
        let files: Vec<_> = settings.files.iter().map(|file| file.path.as_str()).collect();
        findings.good.push(format!("git: a push of {} is a submission of {}", settings.branch, files.join(" and ")));
    } else {
        findings.notes.push(format!("git/ is not there, or not the account {}'s: {provision}", settings.account));
    }
}

/// What other accounts of the machine can read, and should not.
fn look_at_modes(home: &Home, rules: &Rules, findings: &mut Findings) {
    const OTHERS: u32 = 0o004;
    // Where pushes are taken in, strangers' bytes pass through one of those accounts: there a folder that it cannot list, and could enter by guessing
    // a name, is open, too.
    let pushes = rules.config.git.is_some();
    let open = if pushes { OTHERS | 0o001 } else { OTHERS };
    let also = if pushes { ", also the one that takes pushes in," } else { "" };
    let mend = if pushes { ", or `podium users provision`" } else { "" };
    if (pushes || !rules.config.cases.private.is_empty()) && mode(&home.testcases()) & open != 0 {
        let what = if rules.config.cases.private.is_empty() { "the cases" } else { "the private cases" };
        findings.notes.push(format!(
            "every account of this machine{also} can look into testcases/, where {what} are: chmod o-rwx testcases{mend}"
        ));
    }
    if pushes && mode(&home.evaluator()) & open != 0 {
        findings
            .notes
            .push(format!("every account of this machine{also} can look into evaluator/: chmod o-rwx evaluator{mend}"));
    }
    if mode(&home.inbox()) & OTHERS != 0 {
        let note = "every account of this machine can list inbox/, and a name there is the address of a private page: chmod o-r inbox";
        findings.notes.push(note.into());
    }
}

/// The rights that a file or folder gives; none where it is not there.
fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).map_or(0, |meta| meta.permissions().mode() & 0o777)
}

/// Renders every kind of page, with what the log has.
fn look_at_pages(home: &Home, rules: &Rules, findings: &mut Findings) {
    let (pages, problems) = Pages::load(&home.templates());
    let broken = !problems.is_empty();
    findings.problems.extend(problems);
    let (history, lines) = match journal::load(&home.log()) {
        Ok(loaded) => loaded,
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
    let failed =
        [&empty, &history].into_iter().flat_map(|history| render(&pages, Source { history, rules, details: &lines }));
    let mut failed: Vec<Problem> = failed.map(|error| error.problem()).collect();
    failed.sort();
    failed.dedup();
    if failed.is_empty() {
        findings.good.push("templates: every page can be made".into());
    }
    findings.problems.extend(failed);
}

/// Every kind of page, and of private pages one in each of the states that there are.
fn render(pages: &Pages, source: Source<'_>) -> Vec<RenderError> {
    let (live, site) = (view::live_site(source, None), view::site(source));
    let tables = Tables::new(source);
    let board = view::board(source, &tables);
    let rows = Rows::default().table(pages, source, &board).map(|table| table.html);
    let about = AboutPage { rules: view::rules_page(source), statement: None };
    let mut made = vec![
        rows.and_then(|rows| pages.board(&live, &board.page, &rows)),
        pages.render(Kind::QUEUE, &live, &view::queue(source, None, None).0),
        pages.render(Kind::ABOUT, &site, &about),
        pages.render(Kind::FEED, &site, &view::feed(source, &tables)),
    ];
    if let Some(chart) = &board.page.chart {
        made.push(pages.render(Kind::CHART, &site, &chart.desk));
    }
    let submissions = source.history.submissions();
    for state in [StateName::Waiting, StateName::Running, StateName::Judged] {
        let pages_of = submissions.iter().rev().map(|one| {
            let judged = source.judged(one).ok().flatten();
            view::submission(source, one, judged.as_ref(), Beside::default()).0
        });
        made.extend(
            pages_of
                .take(LOOKED_AT)
                .find(|page| page.state == state)
                .map(|page| pages.render(Kind::SUBMISSION, &site, &page)),
        );
    }
    if let Some(refused) = source.history.refused().values().next()
        && let Ok(rejected) = source.details.rejected(refused.receipt.seq)
    {
        made.push(pages.render(Kind::SUBMISSION, &site, &view::refused(refused, &rejected).0));
    }
    if let Some(submission) = submissions.last() {
        made.push(pages.render(Kind::USER, &site, &view::user(source, &submission.user)));
        made.push(pages.render(Kind::CHECKING, &site, &view::checking(&submission.file(), submission.size)));
    }
    made.into_iter().filter_map(Result::err).collect()
}

fn look_at_sandbox(home: &Home, rules: &Rules, arguments: &Arguments, findings: &mut Findings) -> anyhow::Result<()> {
    let work = home.aside(std::process::id());
    files::private_folder(&work)?;
    let images = super::image::store(home);
    let settings = &rules.config.sandbox;
    let runtime = runtime()?;
    // Held until the end: it is in use.
    let opened = runtime.block_on(super::image::open(&images, settings));
    let _image = match opened {
        Ok(opened) => {
            findings.good.extend(opened.as_ref().and_then(|opened| shown(&settings.image, opened)));
            opened
        }
        Err(error) => {
            std::fs::remove_dir_all(&work)?;
            let text = std::fs::read_to_string(home.config()).unwrap_or_default();
            findings.problems.push(Problem {
                file: config::FILE.into(),
                line: config::line_of(&text, &["sandbox", "image"]),
                key: "sandbox.image".into(),
                text: format!("{}: {error}", settings.image),
            });
            return Ok(());
        }
    };
    let place = Place {
        home_id: home.id(arguments.host_home.as_deref()),
        owner: Place::try_by(std::process::id()),
        work: work.clone(),
        host_home: arguments.host_home.clone().map(|host| (home.root().to_owned(), host)),
        images: images.remembering(),
    };
    if let Err(why) = Cores::of_workers(&rules.config.queue) {
        findings.problems.push(Problem { file: "config.toml".into(), line: None, key: "queue.pin".into(), text: why });
    }
    let sandbox = sandbox::open(&rules.config.sandbox, &place);
    let outcome = runtime.block_on(async {
        let identity = sandbox.probe().await?;
        findings.good.push(format!("sandbox: {} on {}", identity.engine, identity.image));
        findings.notes.extend(sandbox.notes().into_iter().map(|note| format!("sandbox: {note}")));
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

/// What is in use as the image.
fn shown(text: &str, opened: &Opened) -> Option<String> {
    match opened {
        Opened::Host => None,
        Opened::Folder(folder) => Some(format!("image: {text}: the folder {} as it is", folder.display())),
        Opened::Unpacked(image) => Some(format!(
            "image: {text}: from {}, sha256:{}, {:.1} MiB unpacked",
            image.from,
            image.digest,
            image.bytes as f64 / 1_048_576.0
        )),
    }
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
    let (answers, folder) = (work.join("answers"), work.join("evaluator"));
    files::private_folder(&answers).map_err(failed)?;
    let output = answers.join("empty");
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
