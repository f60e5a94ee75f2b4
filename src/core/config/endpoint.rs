//! The address of a container engine, as `sandbox.endpoint` and `DOCKER_HOST` write it.

use std::fmt;
use std::str::FromStr;

/// Where a container engine listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// `unix:///run/docker.sock`: a socket on this machine, by its absolute path.
    Unix(String),
    /// `tcp://host:2375`, `https://host:2376`: over the network.
    Tcp {
        /// `host:port`.
        host: String,
        /// `https://`: TLS, whatever the environment says.
        tls: bool,
    },
    /// `ssh://user@host:22/run/docker.sock`: a socket on another machine, through ssh.
    Ssh {
        /// `user@host`, or only `host`, or a name of the ssh configuration.
        destination: String,
        /// `None`: what the ssh configuration says.
        port: Option<u16>,
        /// The absolute path of the socket there.
        socket: String,
    },
}

/// Where an engine listens unless it was told otherwise.
const SOCKET: &str = "/var/run/docker.sock";

impl Endpoint {
    /// The engine of this machine.
    #[must_use]
    pub fn local() -> Self {
        Self::Unix(SOCKET.into())
    }
}

impl FromStr for Endpoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const FORMS: &str =
            "\"unix:///var/run/docker.sock\", \"tcp://host:2376\", \"https://host:2376\" or \"ssh://user@host\"";
        let wrong = |why: &str| Err(format!("{text:?} {why}; write {FORMS}"));
        if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return wrong("has a blank in it");
        }
        let Some((scheme, rest)) = text.split_once("://") else { return wrong("is no address of an engine") };
        match scheme {
            "unix" if rest.starts_with('/') && rest.len() > 1 => Ok(Self::Unix(rest.into())),
            "unix" => wrong("has no absolute path behind unix://"),
            "tcp" | "http" | "https" => {
                let host = rest.trim_end_matches('/');
                match host.rsplit_once(':') {
                    Some((name, port)) if is_host(name) && is_port(port) => {
                        Ok(Self::Tcp { host: host.into(), tls: scheme == "https" })
                    }
                    _ => wrong("wants a host and a port"),
                }
            }
            "ssh" => {
                let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
                let (destination, port) = match authority.rsplit_once(':') {
                    Some((destination, port)) if is_port(port) => (destination, port.parse().ok()),
                    Some(_) => return wrong("has no port behind its colon"),
                    None => (authority, None),
                };
                // A word that begins with a hyphen would be an option to ssh.
                let (user, host) = destination.rsplit_once('@').unwrap_or(("user", destination));
                if !is_host(host) || user.is_empty() || user.starts_with('-') {
                    return wrong("names no host");
                }
                let socket = if matches!(path, "" | "/") { SOCKET } else { path };
                Ok(Self::Ssh { destination: destination.into(), port, socket: socket.into() })
            }
            _ => wrong("is of a kind that is not known"),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{path}"),
            Self::Tcp { host, tls: false } => write!(f, "tcp://{host}"),
            Self::Tcp { host, tls: true } => write!(f, "https://{host}"),
            Self::Ssh { destination, port, socket } => {
                write!(f, "ssh://{destination}")?;
                port.iter().try_for_each(|port| write!(f, ":{port}"))?;
                write!(f, "{socket}")
            }
        }
    }
}

fn is_host(text: &str) -> bool {
    let text = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    !text.is_empty()
        && !text.starts_with('-')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '%'))
}

fn is_port(text: &str) -> bool {
    text.parse::<u16>().is_ok_and(|port| port > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_written() {
        for (text, written) in [
            ("unix:///run/podman/podman.sock", "unix:///run/podman/podman.sock"),
            ("tcp://127.0.0.1:2375", "tcp://127.0.0.1:2375"),
            ("http://[::1]:2375/", "tcp://[::1]:2375"),
            ("https://engine.example.org:2376", "https://engine.example.org:2376"),
            ("ssh://judge@engine", "ssh://judge@engine/var/run/docker.sock"),
            ("ssh://engine:2222/run/podman/podman.sock", "ssh://engine:2222/run/podman/podman.sock"),
        ] {
            assert_eq!(text.parse::<Endpoint>().map(|endpoint| endpoint.to_string()), Ok(written.into()));
        }
    }

    #[test]
    fn what_is_no_address_is_refused_with_what_would_be_one() {
        for text in [
            "",
            "docker.sock",
            "/var/run/docker.sock",
            "unix://docker.sock",
            "unix://",
            "tcp://host",
            "tcp://:2375",
            "tcp://host:0",
            "tcp://host:2375/path",
            "ssh://",
            "ssh://host:x",
            "ssh://-oProxyCommand=true",
            "ssh://-x@host",
            "ssh://user@-host",
            "npipe:////./pipe/docker_engine",
            "unix:///a b",
        ] {
            let refused = text.parse::<Endpoint>().expect_err(text);
            assert!(refused.contains("ssh://user@host"), "{refused}");
        }
    }
}
