//! The sandbox engine that the rules name, opened once and tried before it is trusted.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use crate::core::config::{Engine, SandboxSettings};
use crate::core::ids::Number;
use crate::home::Home;
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
}

impl Engines {
    pub(super) fn new(home: &Home, host_home: Option<PathBuf>) -> Self {
        let place = Place {
            home_id: home.id(host_home.as_deref()),
            owner: Place::DAEMON.into(),
            work: home.work(),
            host_home: host_home.map(|host| (home.root().to_owned(), host)),
        };
        Self {
            place,
            tried: Mutex::new(Vec::new()),
            swept: tokio::sync::Mutex::default(),
            material: Mutex::new(Store::default()),
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
        let tried = Tried { sandbox, identity };
        let mut all = self.tried.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|(known, _)| known != settings);
        all.push((settings.clone(), tried.clone()));
        Ok(tried)
    }

    /// The engine, tried now if it was not before.
    pub(super) async fn ready(&self, settings: &SandboxSettings) -> Result<Tried, Fault> {
        match self.get(settings) {
            Some(tried) => Ok(tried),
            None => self.try_out(settings).await,
        }
    }

    /// A name for the runs of a judging, unique among those of this daemon.
    pub(super) fn label(submission: Number, attempt: u32) -> String {
        format!("s{submission}-{attempt}")
    }
}
