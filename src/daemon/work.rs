//! What runs beside the loop: receptions, judgings, tries of the sandbox. Each ends as one input.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::engines::Engines;
use crate::archive;
use crate::check::{self, Check};
use crate::core::config::Limits;
use crate::core::ids::CaseName;
use crate::core::machine::{Arrival, Comparison, Order, Reception, Report, Trouble, Unreceived};
use crate::core::order::Seed;
use crate::core::record::Judged;
use crate::core::rules::Rules;
use crate::core::view::Step;
use crate::files;
use crate::home::Home;
use crate::judge::{self, Judging, Progress};
use crate::material::Material;
use crate::sandbox::{Cores, Fault};
use crate::site::Teller;

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
    (cancel, teller): (&CancellationToken, &Teller),
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
    let heard = |said: &str| teller.tell(Step::Said(said.to_owned()));
    let objection = match check::objection(check, tried.sandbox.as_ref(), cancel, &heard).await {
        Ok(objection) => objection,
        Err(failed) => return Err(fault(engines.look_into(&rules.config.sandbox, failed).await)),
    };
    if objection.is_none() {
        archive::stage_check(home, arrival.key(), &teller.said())
            .map_err(|error| Unreceived::Failed(format!("failed to keep what its check said: {error}")))?;
    }
    Ok(Reception { sha256, size, objection })
}

/// Judges a submission and makes what it left survive a power cut.
pub(super) async fn judge(
    home: &Home,
    engines: &Arc<Engines>,
    order: &Order,
    (cancel, teller): (&CancellationToken, &Teller),
) -> Result<Report, Trouble> {
    let language = order.rules.config.languages.get(&order.language).cloned();
    let language = language
        .ok_or_else(|| Trouble::failed(format!("config.toml no longer has a table [languages.{}]", order.language)))?;
    let material = material(home, engines, &order.rules).await.map_err(Trouble::Unavailable)?;
    let tried = engines.ready(&order.rules.config.sandbox).await?;
    let pin = engines.pins.take(&order.rules.config.queue).map_err(Trouble::Unavailable)?;
    // 122 random bits.
    let seed = Seed(Uuid::new_v4().simple().to_string());
    let keep = home.judging(order.submission, order.attempt);
    files::empty_folder(&keep)
        .map_err(|error| Trouble::failed(format!("failed to make {}: {error}", keep.display())))?;
    let label = Engines::label(order.submission, order.attempt);
    let judging = Judging {
        source: home.source(order.submission, &order.language),
        source_sha256: order.source_sha256,
        extension: order.language.to_string(),
        language,
        cases: seed.order(&order.rules.config.cases),
        order: Some(seed),
        cores: pin.as_ref().map(|pin| pin.cores.clone()),
        rules: Arc::clone(&order.rules),
        material,
        work: home.work().join(&label),
        keep: keep.clone(),
        identity: tried.identity,
        label,
    };
    let public = PublicOnly { cases: &order.rules.config.cases.public, teller };
    public.begin();
    let progress = |progress: Progress<'_>| public.tell(progress);
    let report = match judge::judge(&judging, tried.sandbox.as_ref(), cancel, &progress).await {
        Ok(report) => report,
        Err(Trouble::Failed { why, cases }) => {
            return Err(match engines.look_into(&order.rules.config.sandbox, Fault::Failed(why)).await {
                Fault::Failed(why) => Trouble::Failed { why, cases },
                fault => fault.into(),
            });
        }
        Err(trouble) => return Err(trouble),
    };
    let synced = tokio::task::spawn_blocking(move || archive::sync_judging(&keep)).await;
    match synced {
        Ok(Ok(())) => Ok(report),
        Ok(Err(error)) => Err(Trouble::failed(format!("failed to sync the outputs: {error}"))),
        Err(error) => Err(Trouble::failed(error.to_string())),
    }
}

/// Hands on of a judging what is about public cases, so that nothing of a private one is even on its way to a page. They run first; that the
/// last of them has ended is said at once, whether private ones follow or not.
struct PublicOnly<'a> {
    cases: &'a [CaseName],
    teller: &'a Teller,
}

impl PublicOnly<'_> {
    fn begin(&self) {
        if self.cases.is_empty() {
            self.teller.tell(Step::PublicOver);
        }
    }

    fn tell(&self, progress: Progress<'_>) {
        match progress {
            Progress::Began(case) if self.cases.contains(case) => self.teller.tell(Step::Began(case.clone())),
            Progress::Ended(_, result) if self.cases.contains(&result.case) => {
                self.teller.tell(Step::Ended(Box::new(result.clone())));
                if self.cases.last() == Some(&result.case) {
                    self.teller.tell(Step::PublicOver);
                }
            }
            Progress::Began(_) | Progress::Ended(..) => {}
        }
    }
}

/// Whether a judging now would be made of the very same as an earlier one, whose files are still there.
pub(super) async fn is_the_same(
    home: &Home,
    engines: &Arc<Engines>,
    comparison: &Comparison,
    earlier: &Judged,
) -> bool {
    let Comparison { origin, rules, .. } = comparison;
    let Some(provenance) = &earlier.provenance else { return false };
    let Some(tried) = engines.get(&rules.config.sandbox) else { return false };
    let Ok(material) = material(home, engines, rules).await else { return false };
    provenance.engine == tried.identity.engine
        && provenance.image == tried.identity.image
        && provenance.evaluator_sha256 == material.evaluator.sha256
        && provenance.cases_sha256 == material.cases_sha256
        && home.judging(origin.submission, origin.attempt).is_dir()
}

/// Whether everything that a judging needs can be had.
pub(super) async fn probe(home: &Home, engines: &Arc<Engines>, rules: &Rules) -> Result<(), String> {
    engines.try_out(&rules.config.sandbox).await.map_err(|fault| fault.to_string())?;
    // Looked at and not taken: a judging may be about to.
    Cores::of_workers(&rules.config.queue)?;
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
