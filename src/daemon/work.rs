//! What runs beside the loop: receptions, judgings, tries of the sandbox. Each ends as one input.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::engines::Engines;
use crate::archive;
use crate::check::{self, Check};
use crate::core::config::Limits;
use crate::core::machine::{Arrival, Order, Reception, Report, Trouble, Unreceived};
use crate::core::rules::Rules;
use crate::files;
use crate::home::Home;
use crate::judge::{self, Judging};
use crate::material::Material;
use crate::sandbox::Fault;

/// What a check may spend at most, however much a run may.
const CHECK_CPU: Duration = Duration::from_secs(5);
const CHECK_WALL: Duration = Duration::from_secs(10);
const CHECK_OUTPUT: u64 = 1 << 20;

/// Copies a file out of the inbox and looks at it.
pub(super) async fn receive(
    home: &Home,
    engines: &Engines,
    arrival: &Arrival,
    rules: &Rules,
    cancel: &CancellationToken,
) -> Result<Reception, Unreceived> {
    let Some(name) = &arrival.name else {
        return Err(Unreceived::Changed);
    };
    let (copying_home, found, max_size) = (home.clone(), arrival.found.clone(), rules.config.submissions.max_size);
    let copied = tokio::task::spawn_blocking(move || archive::receive(&copying_home, &found, max_size)).await;
    let (sha256, size) = copied.map_err(|error| Unreceived::Failed(error.to_string()))?.inspect_err(|why| {
        if let Unreceived::Failed(why) = why {
            tracing::error!(file = %name, "could not be received: {why}");
        }
    })?;
    let Some(language) = rules.config.languages.get(&name.extension) else {
        return Err(Unreceived::Changed);
    };
    if language.check.is_none() && language.allow_imports.is_none() {
        return Ok(Reception { sha256, size, objection: None });
    }
    let fault = |fault| match fault {
        Fault::Unavailable(why) => Unreceived::Unavailable(why),
        Fault::Cancelled => Unreceived::Cancelled,
        Fault::Failed(why) => {
            tracing::error!(file = %name, "could not be checked: {why}");
            Unreceived::Failed(why)
        }
    };
    let tried = engines.ready(&rules.config.sandbox).await.map_err(fault)?;
    let label = format!("c{}-{}", arrival.key().inode, arrival.key().changed_ns);
    let limits = &rules.config.limits;
    let check = Check {
        source: &archive::staged(home, arrival.key()),
        extension: name.extension.as_str(),
        language,
        limits: &Limits {
            cpu: limits.cpu.min(CHECK_CPU),
            wall: limits.wall.min(CHECK_WALL),
            output: CHECK_OUTPUT,
            ..limits.clone()
        },
        folder: home.work().join(&label),
        label,
    };
    let objection = check::objection(check, tried.sandbox.as_ref(), cancel).await.map_err(fault)?;
    Ok(Reception { sha256, size, objection })
}

/// Judges a submission and makes what it left survive a power cut.
pub(super) async fn judge(
    home: &Home,
    engines: &Arc<Engines>,
    order: &Order,
    cancel: &CancellationToken,
) -> Result<Report, Trouble> {
    let language = order.rules.config.languages.get(&order.language).cloned();
    let language = language
        .ok_or_else(|| Trouble::Failed(format!("config.toml no longer has a table [languages.{}]", order.language)))?;
    let material = material(home, engines, &order.rules).await.map_err(Trouble::Unavailable)?;
    let tried = engines.ready(&order.rules.config.sandbox).await?;
    let keep = home.judging(order.submission, order.attempt);
    files::empty_folder(&keep)
        .map_err(|error| Trouble::Failed(format!("failed to make {}: {error}", keep.display())))?;
    let label = Engines::label(order.submission, order.attempt);
    let judging = Judging {
        source: home.source(order.submission, &order.language),
        source_sha256: order.source_sha256,
        extension: order.language.to_string(),
        language,
        cases: order.rules.config.cases.all().cloned().collect(),
        rules: Arc::clone(&order.rules),
        material,
        work: home.work().join(&label),
        keep: keep.clone(),
        identity: tried.identity,
        label,
    };
    let report = judge::judge(&judging, tried.sandbox.as_ref(), cancel, &|_, _| {}).await?;
    let synced = tokio::task::spawn_blocking(move || archive::sync_judging(&keep)).await;
    match synced {
        Ok(Ok(())) => Ok(report),
        Ok(Err(error)) => Err(Trouble::Failed(format!("failed to sync the outputs: {error}"))),
        Err(error) => Err(Trouble::Failed(error.to_string())),
    }
}

/// Whether everything that a judging needs can be had.
pub(super) async fn probe(home: &Home, engines: &Arc<Engines>, rules: &Rules) -> Result<(), String> {
    engines.try_out(&rules.config.sandbox).await.map_err(|fault| fault.to_string())?;
    material(home, engines, rules).await.map(|_| ())
}

async fn material(home: &Home, engines: &Arc<Engines>, rules: &Rules) -> Result<Arc<Material>, String> {
    let (home, engines, config) = (home.clone(), Arc::clone(engines), rules.config.clone());
    let copied = tokio::task::spawn_blocking(move || {
        let mut store = engines.material.lock().unwrap_or_else(PoisonError::into_inner);
        store.now(&home, &config)
    });
    let copied = copied.await.map_err(|error| error.to_string())?;
    copied.map_err(|error| {
        tracing::error!(%error, "the test cases and the evaluator cannot be copied");
        // What holds the queue is shown to everybody, and the error may name a private case.
        "the test cases or the evaluator cannot be read; staff find more in the daemon's log".to_owned()
    })
}
