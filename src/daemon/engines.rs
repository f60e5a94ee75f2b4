//! The sandbox engine that the rules name, opened once and tried before it is trusted.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use super::pins::Pins;
use crate::core::config::{Engine, SandboxSettings};
use crate::core::ids::Number;
use crate::home::Home;
use crate::images::{Names, Store as Images};
use crate::material::Store;
use crate::sandbox::{self, Fault, Identity, Place, Sandbox};

/// An engine that was tried.
#[derive(Clone)]
pub(super) struct Tried {
    pub(super) sandbox: Arc<dyn Sandbox>,
    pub(super) identity: Identity,
}

/// The engines of one daemon, and what they judge with.
pub(super) struct Engines {
    place: Place,
    tried: Mutex<Vec<(SandboxSettings, Tried)>>,
    swept: tokio::sync::Mutex<Vec<Engine>>,
    pub(super) material: Mutex<Store>,
    pub(super) pins: Pins,
}

impl Engines {
    pub(super) fn new(home: &Home, host_home: Option<PathBuf>) -> Self {
        let place = Place {
            home_id: home.id(host_home.as_deref()),
            owner: Place::DAEMON.into(),
            work: home.work(),
            host_home: host_home.map(|host| (home.root().to_owned(), host)),
            images: Images::of(home, Names::Anew),
        };
        Self {
            place,
            tried: Mutex::new(Vec::new()),
            swept: tokio::sync::Mutex::default(),
            material: Mutex::new(Store::default()),
            pins: Pins::default(),
        }
    }

    /// The engine for these settings, if it was tried already.
    pub(super) fn get(&self, settings: &SandboxSettings) -> Option<Tried> {
        let tried = self.tried.lock().unwrap_or_else(PoisonError::into_inner);
        tried.iter().find(|(known, _)| known == settings).map(|(_, tried)| tried.clone())
    }

    /// Tries the engine for these settings; the first of its kind also removes what an earlier daemon left.
    pub(super) async fn try_out(&self, settings: &SandboxSettings) -> Result<Tried, Fault> {
        let sandbox = match self.get(settings) {
            Some(tried) => tried.sandbox,
            None => sandbox::open(settings, &self.place),
        };
        // Once only: later there are runs of our own, under other settings perhaps, that are no strays.
        let mut swept = self.swept.lock().await;
        if !swept.contains(&settings.engine) {
            let strays = sandbox.sweep().await?;
            swept.push(settings.engine);
            if strays > 0 {
                tracing::warn!(strays, "removed what an earlier daemon left running");
            }
        }
        drop(swept);
        let identity = sandbox.probe().await?;
        if self.get(settings).is_none() {
            sandbox.notes().iter().for_each(|note| tracing::info!("sandbox: {note}"));
            // The image of these settings is in use by now.
            if let Err(error) = self.place.images.collect().await {
                tracing::warn!(%error, "images that nobody uses could not be removed");
            }
        }
        let tried = Tried { sandbox, identity };
        let mut all = self.tried.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|(known, _)| known != settings);
        all.push((settings.clone(), tried.clone()));
        Ok(tried)
    }

    /// What keeps an engine from being tried out in a moment: an image that is on its way.
    pub(super) fn preparing(&self) -> Option<String> {
        let news = self.place.images.news();
        let step = news.borrow();
        step.as_ref().map(|step| step.what.clone())
    }

    /// The engine, tried now if it was not before.
    pub(super) async fn ready(&self, settings: &SandboxSettings) -> Result<Tried, Fault> {
        match self.get(settings) {
            Some(tried) => Ok(tried),
            None => self.try_out(settings).await,
        }
    }

    /// Whose the fault of a run is: one that failed may have failed because the engine no longer works, and then the next
    /// one would fail, too.
    pub(super) async fn look_into(&self, settings: &SandboxSettings, fault: Fault) -> Fault {
        match fault {
            Fault::Failed(why) => match self.try_out(settings).await {
                Err(Fault::Unavailable(why)) => Fault::Unavailable(why),
                Ok(_) | Err(Fault::Failed(_) | Fault::Cancelled) => Fault::Failed(why),
            },
            fault @ (Fault::Unavailable(_) | Fault::Cancelled) => fault,
        }
    }

    /// A name for the runs of a judging, unique among those of this daemon.
    pub(super) fn label(submission: Number, attempt: u32) -> String {
        format!("s{submission}-{attempt}")
    }
}
