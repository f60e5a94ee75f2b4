//! `ssh://user@host:port/folder`, as `podium submit --to` takes it.

use std::fmt;
use std::str::FromStr;

/// Where submissions go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// The account; `None`: the one that ssh would take.
    pub user: Option<String>,
    /// A name, an address, or an alias out of `~/.ssh/config`.
    pub host: String,
    /// The port; `None`: the one that ssh would take.
    pub port: Option<u16>,
    /// The folder for submissions, from the root of what the server shows; `None`: the one that provisioning makes.
    pub folder: Option<String>,
}

/// Why a text is no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}; an address is ssh://user@host, with :port and /folder where they are needed")]
pub struct BadAddress(&'static str);

impl FromStr for Address {
    type Err = BadAddress;

    fn from_str(text: &str) -> Result<Self, BadAddress> {
        let rest = (text.strip_prefix("ssh://").or_else(|| text.strip_prefix("sftp://")))
            .ok_or(BadAddress("it does not begin with ssh://"))?;
        let (authority, folder) = match rest.split_once('/') {
            Some((authority, folder)) => (authority, folder.trim_matches('/')),
            None => (rest, ""),
        };
        let (user, host) = match authority.rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, authority),
        };
        let (host, port) = match host.strip_prefix('[') {
            // An address of IPv6 has colons of its own.
            Some(rest) => {
                let (host, port) = rest.split_once(']').ok_or(BadAddress("a [ is not closed"))?;
                (host, port.strip_prefix(':').or(if port.is_empty() { None } else { Some(port) }))
            }
            None => host.split_once(':').map_or((host, None), |(host, port)| (host, Some(port))),
        };
        let port =
            port.map(|port| port.parse().ok().filter(|port| *port > 0).ok_or(BadAddress("its port is no number")));
        let port = port.transpose()?;
        // Nothing in here is ever an option of ssh, nor more than one word of its command line.
        let plain = |text: &str, more: &str| {
            !text.is_empty()
                && !text.starts_with('-')
                && text.chars().all(|c| c.is_alphanumeric() || "-_.".contains(c) || more.contains(c))
        };
        if !plain(host, ":%") {
            return Err(BadAddress("it names no host"));
        }
        if user.is_some_and(|user| !plain(user, "+")) {
            return Err(BadAddress("its user is no account name"));
        }
        if folder.chars().any(char::is_control) {
            return Err(BadAddress("its folder has characters that cannot be typed"));
        }
        Ok(Self {
            user: user.map(str::to_owned),
            host: host.to_owned(),
            port,
            folder: (!folder.is_empty()).then(|| format!("/{folder}")),
        })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ssh://")?;
        if let Some(user) = &self.user {
            write!(f, "{user}@")?;
        }
        if self.host.contains(':') {
            write!(f, "[{}]", self.host)?;
        } else {
            f.write_str(&self.host)?;
        }
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        f.write_str(self.folder.as_deref().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> (Option<String>, String, Option<u16>, Option<String>) {
        let address: Address = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
        (address.user, address.host, address.port, address.folder)
    }

    #[test]
    fn an_address_is_taken_apart() {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(parsed("ssh://mira@judge.example.org"), (some("mira"), "judge.example.org".into(), None, None));
        assert_eq!(parsed("ssh://judge"), (None, "judge".into(), None, None));
        assert_eq!(parsed("ssh://mira@10.0.0.1:2222/in/"), (some("mira"), "10.0.0.1".into(), Some(2222), some("/in")));
        assert_eq!(parsed("sftp://mira@[::1]:22/a/b"), (some("mira"), "::1".into(), Some(22), some("/a/b")));
        assert_eq!(parsed("ssh://mira@[fe80::1%eth0]"), (some("mira"), "fe80::1%eth0".into(), None, None));
        for text in ["ssh://mira@judge.example.org", "ssh://mira@[::1]:22/a/b", "ssh://judge"] {
            assert_eq!(text.parse::<Address>().expect("an address").to_string(), text);
        }
    }

    #[test]
    fn nothing_in_an_address_is_an_option_of_ssh() {
        for bad in [
            "",
            "judge",
            "http://judge",
            "ssh://",
            "ssh://@judge",
            "ssh:///in",
            "ssh://-oProxyCommand=id",
            "ssh://-oProxyCommand=id@judge",
            "ssh://mira@-oProxyCommand=id",
            "ssh://mi ra@judge",
            "ssh://mira@judge host",
            "ssh://mira@judge:0",
            "ssh://mira@judge:99999",
            "ssh://mira@judge:-p",
            "ssh://mira@[::1",
            "ssh://mira@judge;id",
            "ssh://$(id)@judge",
            "ssh://mira@judge/in\u{1b}[2J",
        ] {
            assert!(bad.parse::<Address>().is_err(), "{bad:?}");
        }
    }
}
