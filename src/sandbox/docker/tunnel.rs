//! A socket of this machine that is, at its other end, the engine's socket of another: one ssh process holds it open.
//!
//! Known hosts, keys and everything else are those of the user that the daemon runs as, and of nobody's choosing here:
//! an unknown host is refused, and nobody is asked for a password.

use std::fs::File;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Signal, set_parent_process_death_signal};
use tempfile::TempDir;
use tokio::net::UnixStream;
use tokio::process::{Child, Command};

use super::super::place::Place;
use super::link::OPENING;

/// An ssh process, and the folder with its socket. Both are gone when it is dropped.
#[derive(Debug)]
pub(super) struct Tunnel {
    socket: PathBuf,
    log: PathBuf,
    ssh: Mutex<Child>,
    _folder: TempDir,
}

/// Paths of sockets are short: 108 bytes with the zero at their end.
const LONGEST_PATH: usize = 107;

impl Tunnel {
    /// Opens one, and returns when it can be used.
    ///
    /// # Errors
    /// Why not: for the most part ssh's own last words.
    pub(super) async fn open(destination: &str, port: Option<u16>, there: &str, place: &Place) -> Result<Self, String> {
        let folder = folder(place).map_err(|error| format!("cannot make a folder for the tunnel: {error}"))?;
        let (socket, log) = (folder.path().join("engine.sock"), folder.path().join("ssh.log"));
        let log_file = File::create(&log).map_err(|error| format!("cannot write {}: {error}", log.display()))?;
        let mut command = Command::new("ssh");
        command.args(["-N", "-T"]);
        for option in [
            "BatchMode=yes",
            "ConnectTimeout=15",
            "ControlPath=none",
            "ExitOnForwardFailure=yes",
            "ForwardAgent=no",
            "ForwardX11=no",
            "PermitLocalCommand=no",
            "ServerAliveCountMax=3",
            "ServerAliveInterval=10",
            "StreamLocalBindMask=0177",
        ] {
            command.args(["-o", option]);
        }
        if let Some(port) = port {
            command.args(["-p", &port.to_string()]);
        }
        command.arg("-L").arg(format!("{}:{there}", socket.display())).arg("--").arg(destination);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log_file).kill_on_drop(true);
        // A daemon that is killed must not leave a way to the engine behind.
        // SAFETY: between fork and exec nothing but one system call is made.
        unsafe {
            command.pre_exec(|| set_parent_process_death_signal(Some(Signal::KILL)).map_err(io::Error::from));
        }
        let ssh = command.spawn().map_err(|error| format!("cannot start ssh: {error}"))?;
        let tunnel = Self { socket, log, ssh: Mutex::new(ssh), _folder: folder };
        let start = Instant::now();
        loop {
            if UnixStream::connect(&tunnel.socket).await.is_ok() {
                return Ok(tunnel);
            }
            let said = || tunnel.said().unwrap_or_else(|| "it says nothing".into());
            if !tunnel.is_up() {
                return Err(format!("ssh has ended: {}", said()));
            }
            if start.elapsed() > OPENING {
                return Err(format!("ssh has opened nothing for {} s: {}", OPENING.as_secs(), said()));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The near end.
    pub(super) fn socket(&self) -> &Path {
        &self.socket
    }

    /// Whether ssh still runs.
    pub(super) fn is_up(&self) -> bool {
        self.ssh.lock().unwrap_or_else(PoisonError::into_inner).try_wait().is_ok_and(|ended| ended.is_none())
    }

    /// What ssh has said, the end of it.
    pub(super) fn said(&self) -> Option<String> {
        /// Lines: the host key that has changed is one of fifteen, and the last ones say what to do.
        const LAST: usize = 3;
        let text = std::fs::read(&self.log).ok()?;
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let last = lines.get(lines.len().saturating_sub(LAST)..)?.join("; ");
        (!last.is_empty()).then_some(last)
    }
}

/// A folder of ours alone in which a socket's path is not too long.
fn folder(place: &Place) -> io::Result<TempDir> {
    let make = |parent: &Path| {
        let mut builder = tempfile::Builder::new();
        builder.prefix("tunnel-").permissions(std::fs::Permissions::from_mode(0o700)).tempdir_in(parent)
    };
    let folder = make(&place.work)?;
    // ssh first binds a name that is some characters longer.
    const BESIDE: usize = "/engine.sock".len() + 20;
    if folder.path().as_os_str().len() + BESIDE <= LONGEST_PATH {
        return Ok(folder);
    }
    make(&std::env::temp_dir())
}
