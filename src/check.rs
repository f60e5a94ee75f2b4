//! A look at a file before it is queued: does it compile, does it import what it may not. Costs its sender no attempt.
//!
//! The compiler is a guest too: it runs in the sandbox, with the file as its only input.

use std::fs;
use std::path::{Path, PathBuf};

use tokio_util::sync::CancellationToken;

use crate::core::config::Language;
use crate::core::config::Limits;
use crate::core::record::Refusal;
use crate::core::text::visible_lines;
use crate::files;
use crate::sandbox::{Ended, Fault, Mount, RunSpec, SCRATCH, Sandbox};

mod following;

use following::Following;
pub use following::Heard;

/// Reads a Python file's syntax tree and names what it imports beyond a list. Beside this file.
const IMPORTS: &str = include_str!("check/imports.py");
/// A compiler's complaint is shown up to this length, in bytes; its end says most.
const LONGEST_COMPLAINT: u64 = 4 << 10;

/// One file to be looked at.
pub struct Check<'a> {
    /// The copy of the file.
    pub source: &'a Path,
    /// Its extension.
    pub extension: &'a str,
    /// Its language.
    pub language: &'a Language,
    /// What the look may spend.
    pub limits: &'a Limits,
    /// A folder of our own, made and removed here.
    pub folder: PathBuf,
    /// Names the runs.
    pub label: String,
}

/// What speaks against a file; `None` where nothing does. `heard` is given what happens, as it does: whole lines, for the sender to read.
///
/// # Errors
/// The sandbox's [`Fault`], never the file's.
pub async fn objection(
    check: Check<'_>,
    sandbox: &dyn Sandbox,
    cancel: &CancellationToken,
    heard: Heard<'_>,
) -> Result<Option<(Refusal, String)>, Fault> {
    let around = Around { sandbox, cancel, heard };
    // In the scratch folder, because compilers write beside their source.
    let inside = format!("{SCRATCH}/source.{}", check.extension);
    let source = Mount { host: check.source.to_owned(), inside: inside.clone() };
    if let Some(command) = &check.language.check {
        let command = command.iter().map(|word| word.replace("{source}", &inside)).collect();
        if let Some(complaint) = run(&check, "check", command, vec![source.clone()], &around).await? {
            return Ok(Some((Refusal::Check, complaint)));
        }
    }
    if let (Some(allowed), Some(python)) = (&check.language.allow_imports, check.language.command.first()) {
        // In a folder of its own, as everything that a run is shown.
        let folder = check.folder.with_extension("imports");
        let script = folder.join("imports.py");
        files::empty_folder(&folder)
            .and_then(|()| fs::write(&script, IMPORTS))
            .map_err(|error| Fault::Failed(format!("failed to write {}: {error}", script.display())))?;
        let mounts = vec![source, Mount { host: script, inside: "/imports.py".into() }];
        let mut command = vec![python.clone(), "-I".into(), "/imports.py".into(), inside];
        command.extend(allowed.iter().cloned());
        let complaint = run(&check, "imports", command, mounts, &around).await;
        let _ = fs::remove_dir_all(&folder);
        if let Some(complaint) = complaint? {
            return Ok(Some((Refusal::Imports, complaint)));
        }
    }
    Ok(None)
}

/// What every run of a look has around it.
struct Around<'a> {
    sandbox: &'a dyn Sandbox,
    cancel: &'a CancellationToken,
    heard: Heard<'a>,
}

/// Runs one command over the file; what it says when it fails.
async fn run(
    check: &Check<'_>,
    what: &str,
    command: Vec<String>,
    mounts: Vec<Mount>,
    around: &Around<'_>,
) -> Result<Option<String>, Fault> {
    let failed = |error: std::io::Error| Fault::Failed(format!("failed to use {}: {error}", check.folder.display()));
    files::empty_folder(&check.folder).map_err(failed)?;
    let spec = RunSpec {
        label: format!("{}-{what}", check.label),
        command,
        mounts,
        stdin: None,
        answer_file: false,
        limits: check.limits.clone(),
        cores: None,
        folder: check.folder.clone(),
    };
    let mut output = Following::new(&check.folder, around.heard);
    (around.heard)(&match what {
        "check" => visible_lines(&format!("check: {}\n", spec.command.join(" ").replace(&format!("{SCRATCH}/"), ""))),
        what => format!("check of its {what}\n"),
    });
    let report = output.until(around.sandbox.run(&spec, around.cancel)).await;
    if let Ok(report) = &report {
        let outcome = if report.ended == Ended::Exited(0) { "nothing against it" } else { "it fails" };
        // And not how long it took: another submission of the sender's may be running on a private case, and slow the machine
        // down as a message.
        (around.heard)(&format!("checked: {outcome}\n"));
    }
    let complaint = || {
        let mut said = String::new();
        for stream in ["stderr", "stdout"] {
            if let Ok((bytes, _)) = files::tail(&check.folder.join(stream), LONGEST_COMPLAINT) {
                said.push_str(&String::from_utf8_lossy(&bytes));
            }
        }
        visible_lines(&said.replace(&format!("{SCRATCH}/"), "")).trim().to_owned()
    };
    let objection = report.map(|report| match report.ended {
        Ended::Exited(0) => None,
        Ended::Exited(status) => Some(
            Some(complaint())
                .filter(|said| !said.is_empty())
                .unwrap_or_else(|| format!("the {what} ended with status {status}")),
        ),
        Ended::Signalled(signal) => Some(format!("the {what} was ended by signal {signal}")),
        Ended::CpuLimit => {
            Some(format!("the {what} was stopped by its CPU limit of {}", humantime::format_duration(check.limits.cpu)))
        }
        Ended::WallLimit => Some(format!(
            "the {what} was stopped by its wall limit of {}",
            humantime::format_duration(check.limits.wall)
        )),
        Ended::MemoryLimit => {
            Some(format!("the {what} was stopped by its memory limit of {} MiB", check.limits.memory >> 20))
        }
        Ended::OutputLimit => Some(format!("the {what} was stopped by its output limit")),
    });
    fs::remove_dir_all(&check.folder).map_err(failed)?;
    objection
}
