//! `podium serve`: the site, or the pages of staff, for a browser on this machine or at the other end of `ssh -L`.

use std::net::SocketAddr;

use anyhow::{Context, anyhow, ensure};
use clap::Args;
use tokio_util::sync::CancellationToken;

use super::{Exit, runtime};
use crate::daemon::{self, Lock};
use crate::home::Home;
use crate::staff::Keeper;
use crate::{random, settings, site};

/// Serve the site, or the pages of staff, over HTTP on this machine
///
/// For a look: a competition is served by a web server. With --staff it serves results/admin/ on a loopback address, under a path that nobody can guess and that
/// it prints. From elsewhere: ssh -L 8001:127.0.0.1:8001 HOST, then the printed address. Ends with Ctrl-C.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Where to listen
    #[arg(value_name = "ADDR", default_value = "127.0.0.1:8001")]
    address: SocketAddr,
    /// The pages of staff: every case, private too
    #[arg(long)]
    staff: bool,
}

pub(super) fn run(home: &Home, arguments: &Arguments) -> anyhow::Result<Exit> {
    let (folder, path) = if arguments.staff {
        ensure!(
            arguments.address.ip().is_loopback(),
            "{} is no loopback address: the pages of staff leave this machine by ssh only (ssh -L)",
            arguments.address
        );
        if !Lock::is_taken(home) {
            // Nobody else keeps them.
            let rules = settings::read(home).map_err(|problems| anyhow!("{}", super::check::list(&problems)))?;
            Keeper::new(home)?.refresh(&rules, daemon::health(home), chrono::Utc::now())?;
        }
        // Whoever has another account on this machine can reach the port, too.
        (home.admin(), hex::encode(random::bytes::<16>()?))
    } else {
        (home.public(), String::new())
    };
    ensure!(folder.is_dir(), "there is no {} yet", folder.display());
    runtime()?.block_on(async {
        let ending = CancellationToken::new();
        let served = site::serve_below(&path, &folder, arguments.address, ending.clone().cancelled_owned());
        let (address, server) = served.await.with_context(|| format!("failed to listen on {}", arguments.address))?;
        let below = if path.is_empty() { String::new() } else { format!("{path}/index.html") };
        println!("http://{address}/{below}");
        tokio::signal::ctrl_c().await?;
        ending.cancel();
        let _ = tokio::time::timeout(std::time::Duration::from_secs(1), server).await;
        Ok(Exit::Done)
    })
}
