//! The way to the engine: a socket of this machine, the network with or without TLS, or a tunnel through ssh.
//!
//! It knows addresses, certificates and what keeps a way open, and nothing of what is asked of the engine.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bollard::{API_DEFAULT_VERSION, Docker as Api};

use super::super::Fault;
use super::super::place::Place;
use super::engine::patiently;
use super::tunnel::Tunnel;
use crate::core::config::Endpoint;
use crate::core::text::chain;

/// A run waits for its container as long as its own limits say: the client library's patience, in seconds, must not be
/// shorter.
const LONGEST_RUN: u64 = 24 * 3600;
/// What the programs of Docker's read, too.
const HOST: &str = "DOCKER_HOST";
const VERIFY: &str = "DOCKER_TLS_VERIFY";
const CERTIFICATES: &str = "DOCKER_CERT_PATH";

/// A way to the engine that was open once.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) api: Api,
    endpoint: Endpoint,
    /// Nobody else can read along.
    is_private: bool,
    tunnel: Option<Tunnel>,
}

impl Link {
    /// Opens the way to the engine that the settings name, or else the environment (`DOCKER_HOST`), or else to the
    /// machine's own, and agrees with the engine on a version of its API.
    ///
    /// # Errors
    /// [`Fault::Unavailable`] with the address, who gave it, and why nobody answers there.
    pub(super) async fn open(configured: Option<&Endpoint>, place: &Place) -> Result<Self, Fault> {
        let (endpoint, key) = match configured {
            Some(endpoint) => (endpoint.clone(), "sandbox.endpoint"),
            None => match variable(HOST) {
                Some(text) => {
                    (text.parse().map_err(|why| Fault::Unavailable(format!("{HOST}: {why}")))?, "DOCKER_HOST")
                }
                None => (Endpoint::local(), "the default"),
            },
        };
        let unanswered = |why: &dyn std::fmt::Display| {
            Fault::Unavailable(format!("the container engine does not answer at {endpoint} ({key}): {why}"))
        };
        let (api, tunnel) = match &endpoint {
            Endpoint::Unix(path) => (socket(Path::new(path)), None),
            Endpoint::Tcp { host, tls } if *tls || variable(VERIFY).is_some() => {
                let [ca, certificate, secret] = certificates()?;
                let api = Api::connect_with_ssl(host, &secret, &certificate, &ca, LONGEST_RUN, API_DEFAULT_VERSION);
                (api.map_err(|error| chain(&error)), None)
            }
            Endpoint::Tcp { host, .. } => {
                let api = Api::connect_with_http(host, LONGEST_RUN, API_DEFAULT_VERSION);
                (api.map_err(|error| chain(&error)), None)
            }
            Endpoint::Ssh { destination, port, socket: there } => {
                let tunnel = Tunnel::open(destination, *port, there, place).await.map_err(|why| unanswered(&why))?;
                (socket(tunnel.socket()), Some(tunnel))
            }
        };
        let api = match api {
            Ok(api) => patiently(api.negotiate_version()).await,
            Err(why) => Err(Fault::Unavailable(why)),
        };
        let api = api.map_err(|fault| {
            let said =
                tunnel.as_ref().and_then(Tunnel::said).map_or_else(String::new, |said| format!(" (ssh: {said})"));
            unanswered(&format_args!("{fault}{said}"))
        })?;
        let is_private = match &endpoint {
            Endpoint::Unix(_) | Endpoint::Ssh { .. } => true,
            Endpoint::Tcp { host, tls } => *tls || variable(VERIFY).is_some() || is_loopback(host),
        };
        Ok(Self { api, endpoint, is_private, tunnel })
    }

    /// Whether what carries it is still there; whether the engine answers is another matter.
    pub(super) fn is_up(&self) -> bool {
        self.tunnel.as_ref().is_none_or(Tunnel::is_up)
    }

    /// Whether the engine's processes and control groups may be those of this machine.
    pub(super) fn is_here(&self) -> bool {
        matches!(self.endpoint, Endpoint::Unix(_))
    }

    /// What somebody should know of the way.
    pub(super) fn note(&self) -> Option<String> {
        (!self.is_private).then(|| {
            format!(
                "{} is neither encrypted nor protected: whoever can reach that port is root there, and whoever is between reads and changes everything; use TLS ({VERIFY}=1, {CERTIFICATES}) or ssh://",
                self.endpoint
            )
        })
    }
}

/// Nothing is sent yet.
fn socket(path: &Path) -> Result<Api, String> {
    // As a machine without the engine has it, and one where it is not for us.
    match std::os::unix::net::UnixStream::connect(path) {
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            Err(format!("{error}: the daemon's user may not use it; add it to the socket's group (docker)"))
        }
        Err(error) => Err(error.to_string()),
        Ok(_) => Api::connect_with_unix(&path.to_string_lossy(), LONGEST_RUN, API_DEFAULT_VERSION)
            .map_err(|error| chain(&error)),
    }
}

/// A variable that is set to something: as for Docker's own programs, one that is empty is not set.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The authority that the engine's certificate is from, our own certificate and its key: files that can be read.
fn certificates() -> Result<[PathBuf; 3], Fault> {
    let folder = match variable(CERTIFICATES) {
        Some(folder) => PathBuf::from(folder),
        None => PathBuf::from(variable("HOME").unwrap_or_else(|| "/".into())).join(".docker"),
    };
    let files = ["ca.pem", "cert.pem", "key.pem"].map(|name| folder.join(name));
    for file in &files {
        std::fs::File::open(file).map_err(|error| {
            Fault::Unavailable(format!(
                "{CERTIFICATES}: TLS to the container engine wants ca.pem, cert.pem and key.pem in one folder, and {} cannot be read: {error}",
                file.display()
            ))
        })?;
    }
    Ok(files)
}

fn is_loopback(host: &str) -> bool {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    name == "localhost" || name == "[::1]" || name.starts_with("127.")
}

/// How long a way may take to be opened.
pub(super) const OPENING: Duration = Duration::from_secs(30);
