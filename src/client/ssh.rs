//! The student's own `ssh` as the way to the server: keys, agents, `~/.ssh/config`, known hosts and password prompts are the usual ones.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, BufReader};
use tokio::process::{Child, ChildStderr, Command};
use tokio::task::JoinHandle;

use super::Address;
use crate::core::text::visible;

/// How many of ssh's last lines are kept, to say what went wrong.
const LINES: usize = 50;
/// The longest of them that is shown, in characters.
const LONGEST: usize = 300;
/// How long an ssh whose connection has ended may take to say why.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Who goes where, and what ssh is told besides.
#[derive(Debug, Clone)]
pub struct Login {
    /// Where to.
    pub address: Address,
    /// A file with a private key, as ssh's `-i`.
    pub identity: Option<OsString>,
    /// Further options, as ssh's `-o`.
    pub options: Vec<String>,
}

/// Why there is no connection: a sentence that says what to do.
#[derive(Debug, thiserror::Error)]
pub enum SshError {
    /// No ssh on this machine.
    #[error("this machine has no ssh program that can be started: install OpenSSH's client")]
    NoProgram(#[source] std::io::Error),
    /// It ended.
    #[error("{0}")]
    Ended(String),
}

/// An ssh that runs.
#[derive(Debug)]
pub struct Connection {
    child: Child,
    /// What it complained of.
    stderr: JoinHandle<VecDeque<String>>,
    login: Login,
}

impl Login {
    /// The part of ssh's command line that says who goes where.
    fn arguments(&self) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = Vec::new();
        // The student's own settings may forward an agent or ports to every host: this one needs none.
        for option in ["ForwardAgent=no", "ForwardX11=no", "PermitLocalCommand=no", "ClearAllForwardings=yes"] {
            arguments.extend(["-o".into(), option.into()]);
        }
        for option in ["ServerAliveInterval=15", "ServerAliveCountMax=4"] {
            arguments.extend(["-o".into(), option.into()]);
        }
        for option in &self.options {
            arguments.extend(["-o".into(), option.into()]);
        }
        if let Some(identity) = &self.identity {
            arguments.extend(["-i".into(), identity.clone()]);
        }
        if let Some(port) = self.address.port {
            arguments.extend(["-p".into(), port.to_string().into()]);
        }
        if let Some(user) = &self.address.user {
            arguments.extend(["-l".into(), user.into()]);
        }
        arguments
    }

    /// The account that ssh would take: what the address says, or else what ssh's own settings say.
    ///
    /// # Errors
    /// When ssh cannot be asked.
    pub async fn account(&self) -> Result<String, SshError> {
        if let Some(user) = &self.address.user {
            return Ok(user.clone());
        }
        let output = Command::new("ssh")
            .arg("-G")
            .args(self.arguments())
            .arg("--")
            .arg(&self.address.host)
            .stdin(Stdio::null())
            .output()
            .await
            .map_err(SshError::NoProgram)?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.lines().find_map(|line| line.strip_prefix("user ")).map(|user| user.trim().to_owned()).ok_or_else(|| {
            SshError::Ended(
                "ssh does not say which account it would take: write it before the host, as ssh://user@host".into(),
            )
        })
    }

    /// Starts ssh and asks the server for SFTP. What is sent and received goes over the stream that is returned.
    ///
    /// # Errors
    /// When there is no ssh. Whether it reaches anybody, the stream says, and [`Connection::last_words`].
    pub fn connect(&self) -> Result<(Connection, impl AsyncRead + AsyncWrite + Unpin + Send + 'static), SshError> {
        let mut child = Command::new("ssh")
            .args(self.arguments())
            .args(["-s", "--"])
            .arg(&self.address.host)
            .arg("sftp")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(SshError::NoProgram)?;
        let (Some(stdin), Some(stdout), Some(stderr)) = (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(SshError::Ended("ssh was started without its pipes".into()));
        };
        let stderr = tokio::spawn(listen(stderr));
        let connection = Connection { child, stderr, login: self.clone() };
        Ok((connection, tokio::io::join(stdout, stdin)))
    }
}

/// Passes on what ssh says, line by line, made visible, and keeps the end of it. Questions are asked on the terminal itself.
async fn listen(stderr: ChildStderr) -> VecDeque<String> {
    let mut kept = VecDeque::new();
    // A line without an end is cut: a server's banner comes this way too.
    let mut lines = BufReader::new(stderr);
    loop {
        let mut bytes = Vec::new();
        match (&mut lines).take(4096).read_until(b'\n', &mut bytes).await {
            Ok(0) | Err(_) => return kept,
            Ok(_) => {}
        }
        let line = visible(String::from_utf8_lossy(&bytes).trim_end(), LONGEST);
        if line.is_empty() {
            continue;
        }
        eprintln!("ssh: {line}");
        if kept.len() == LINES {
            kept.pop_front();
        }
        kept.push_back(line);
    }
}

impl Connection {
    /// Why the connection ended, for whoever is to do something about it.
    pub async fn last_words(mut self) -> SshError {
        // It may still be connected, to a server that speaks no SFTP.
        let status = tokio::time::timeout(LAST_WORDS, self.child.wait()).await.ok().and_then(Result::ok);
        if status.is_none() {
            let _ = self.child.start_kill();
        }
        let lines = tokio::time::timeout(LAST_WORDS, self.stderr).await.ok().and_then(Result::ok).unwrap_or_default();
        SshError::Ended(explain(&self.login.address, &lines, status))
    }

    /// Lets ssh end by itself, for a moment.
    pub async fn close(mut self) {
        if tokio::time::timeout(LAST_WORDS, self.child.wait()).await.is_err() {
            let _ = self.child.start_kill();
        }
    }
}

/// One sentence for what ssh said in its own words.
fn explain(address: &Address, lines: &VecDeque<String>, status: Option<ExitStatus>) -> String {
    let said = |words: &str| lines.iter().any(|line| line.contains(words));
    let host = &address.host;
    let who = address.user.as_ref().map_or_else(|| "you".to_owned(), |user| format!("the user {user}"));
    if said("HOST IDENTIFICATION HAS CHANGED") || said("Host key verification failed") {
        format!(
            "the key of {host} is not one that is known here: ask whoever runs the competition for its fingerprint, and go on only when ssh shows the same"
        )
    } else if said("Permission denied") || said("Too many authentication failures") {
        format!("{host} does not let {who} in: check the user name, and the password or the key (-i FILE)")
    } else if said("Could not resolve hostname") {
        format!("there is no host {host}: check the address behind --to")
    } else if said("Connection refused") {
        format!("nothing listens on {host}: check the host and the port behind --to, or try again later")
    } else if said("timed out") || said("No route to host") || said("Network is unreachable") || said("not responding")
    {
        format!("{host} does not answer: check the network, or try again later")
    } else if said("subsystem request failed") {
        format!("{host} lets {who} in, and offers no SFTP: ask whoever runs the competition")
    } else if said("Connection closed") || said("Connection reset") || said("kex_exchange_identification") {
        format!(
            "{host} ended the connection at once: it may be busy, or the account may not be set up; try again in a minute"
        )
    } else {
        let how =
            status.map_or_else(|| "it does not speak SFTP".to_owned(), |status| format!("ssh ended with {status}"));
        format!("the connection to {host} ended: {how}")
    }
}
