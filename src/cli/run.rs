//! `podium run`: the daemon.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::{Exit, progress::Progress, runtime};
use crate::core::history::State;
use crate::core::machine::Mode;
use crate::daemon::{self, Options};
use crate::home::Home;
use crate::site;

/// How long the threads of an ended daemon may take.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(5);

/// Run the daemon: take in, judge, publish
///
/// Everything that was accepted and not judged is queued again in its order, whatever happened to the last daemon. config.toml and users.csv are
/// read again when they change; a bad one is reported, and the last good one stays in force.
/// SIGTERM and Ctrl-C end it within ten seconds; what was running is judged by the next one.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Take in what the inbox holds, judge until the queue is empty, publish, and end
    #[arg(long)]
    once: bool,
    /// Also serve public/ over HTTP on this address, for a first look
    #[arg(long, value_name = "ADDR")]
    serve: Option<SocketAddr>,
    /// The home's folder as the Docker engine's machine names it, when the daemon itself runs in a container
    #[arg(long, value_name = "DIR", env = "PODIUM_HOST_HOME")]
    host_home: Option<PathBuf>,
}

pub(super) fn run(home: &Home, arguments: &Arguments) -> anyhow::Result<Exit> {
    let mode = if arguments.once { Mode::Once } else { Mode::Daemon };
    let options = Options { mode, host_home: arguments.host_home.clone() };
    let runtime = runtime()?;
    let ended = runtime.block_on(async {
        let ending = CancellationToken::new();
        let mut server = None;
        if let Some(address) = arguments.serve {
            std::fs::create_dir_all(home.public())?;
            let (address, serving) = site::serve(&home.public(), address, ending.clone().cancelled_owned()).await?;
            tracing::info!("the site is at http://{address}/");
            server = Some(serving);
        }
        let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let shutdown = async {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        };
        let mut progress = Progress::new("judged");
        daemon::run(home, &options, shutdown, &mut |history| {
            if mode == Mode::Once {
                let all = history.submissions();
                let judged = all.iter().filter(|submission| matches!(submission.state, State::Judged { .. })).count();
                progress.set(judged as u64, all.len() as u64, "");
            }
        })
        .await?;
        progress.clear();
        ending.cancel();
        if let Some(server) = server {
            // A browser that keeps its connection open does not keep the daemon.
            let _ = tokio::time::timeout(std::time::Duration::from_secs(1), server).await;
        }
        Ok(Exit::Done)
    });
    // A thread may still ask for a registry's address, which nobody can interrupt and nobody waits for any more.
    runtime.shutdown_timeout(PATIENCE);
    ended
}
