//! What is given to users on paper: name, password, how to connect. Printed once; nothing else ever shows a password.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::accounts;
use crate::client::{Address, BadAddress};
use crate::core::config::{self, Config};
use crate::core::ids::UserName;
use crate::core::password::Password;
use crate::home::Home;

/// Where the handout goes.
#[derive(Debug, Args)]
pub(super) struct Handout {
    /// Write the handout into a new FILE (mode 600) instead of printing it
    #[arg(long, value_name = "FILE")]
    handout: Option<PathBuf>,
    /// What students type as the machine's name, with the port where it is not ssh's own [default: this machine's]
    #[arg(long, value_name = "NAME[:PORT]", value_parser = host)]
    host: Option<Address>,
}

/// A user and a new password.
pub(super) struct Credential {
    pub(super) user: UserName,
    password: String,
}

impl Credential {
    /// A new one.
    pub(super) fn new(user: UserName) -> io::Result<Self> {
        Ok(Self { user, password: accounts::new_password()? })
    }

    /// What is kept of it.
    pub(super) fn hashed(&self) -> io::Result<Password> {
        accounts::hash(&self.password).map(Password::Hash)
    }
}

impl Handout {
    /// Puts it where it should go, then does what makes it true; a file does not stay where that fails.
    pub(super) fn give<T>(
        &self,
        home: &Home,
        credentials: &[Credential],
        then: impl FnOnce() -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let text = self.text(home, credentials);
        match &self.handout {
            Some(path) => {
                write_new(path, &text).map_err(|error| {
                    anyhow::anyhow!("the handout cannot be written to a new file {}: {error}", path.display())
                })?;
                let done = then();
                if done.is_err() {
                    let _ = std::fs::remove_file(path);
                }
                done
            }
            None => {
                let done = then()?;
                print!("{text}");
                io::stdout().flush()?;
                Ok(done)
            }
        }
    }

    fn text(&self, home: &Home, credentials: &[Credential]) -> String {
        let machine = || std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned();
        let host =
            self.host.clone().unwrap_or_else(|| Address { user: None, host: machine(), port: None, folder: None });
        let config = std::fs::read_to_string(home.config()).unwrap_or_default();
        let config = config::parse(&config).ok();
        credentials.iter().map(|credential| slip(credential, &host, config.as_ref())).collect()
    }
}

/// What one user gets: all that it takes to hand in a first program.
fn slip(Credential { user, password }: &Credential, host: &Address, config: Option<&Config>) -> String {
    let mut text = config.map_or_else(|| "Podium".into(), |config| config.competition.title.clone()) + "\n";
    if let Some(url) = config.and_then(|config| config.competition.url.as_ref()) {
        text += &format!("{url}\n");
    }
    text += "\n";
    let endings: Vec<_> = config.into_iter().flat_map(|config| config.languages.keys()).map(|it| it.as_str()).collect();
    let ending = if endings.contains(&"py") { "py" } else { endings.first().copied().unwrap_or("py") };
    let port = host.port.map(|port| format!("-P {port} ")).unwrap_or_default();
    let at = |user: &str| Address { user: Some(user.to_owned()), ..host.clone() };
    let name = if host.host.contains(':') { format!("[{}]", host.host) } else { host.host.clone() };
    let mut line = |what: &str, value: String| text += &format!("    {what:<12}{value}\n");
    line("user name", user.to_string());
    line("password", password.clone());
    line("connect", format!("sftp {port}{user}@{name}"));
    line("hand in", format!("put solution.{ending} {user}_UUID.{ending}"));
    line("", "for UUID a new one each time, in lower case; `uuidgen | tr A-Z a-z` prints one".into());
    line("", "by sftp, scp, sshfs, FileZilla or WinSCP; rsync and `scp -O` do not work".into());
    line("result", format!("get /out/{user}_UUID.txt"));
    line("the rules", "get /out/README.txt".into());
    line("or, at once", format!("./podium-submit solution.{ending} --to {}", at(user.as_str())));
    if let Some(git) = config.and_then(|config| config.git.as_ref()) {
        line("with git", format!("git push {}/submissions HEAD:{}", at(&git.account), git.branch));
        line("", "once your instructor has your public key".into());
    }
    text + "\n- - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - -\n\n"
}

/// The host alone: whose account it is stands beside it.
fn host(text: &str) -> Result<Address, String> {
    let address: Address = format!("ssh://{text}").parse().map_err(|error: BadAddress| error.to_string())?;
    if address.user.is_some() || address.folder.is_some() {
        return Err("only the machine's name, and :PORT where it is needed".into());
    }
    Ok(address)
}

fn write_new(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
