//! The SFTP door: a real sshd over accounts that `podium users provision` made, on a machine that is the test's own as far as accounts go.
//!
//! Two namespaces hold it. In the outer one `/etc` is an overlay, `/run` and `/var/log` are empty, and the home lies at `/srv/podium`, where a
//! chroot may be; the daemon runs there. The inner one has a process table of its own besides: `podium users provision` and sshd run there.
//! Both end with the test, however it ends, and everything in them: each lives on a pipe that only the test holds. Nothing stays on the machine.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use super::contest::Contest;
use super::port::free_port;
use super::verb::Ran;
use super::wait::{PATIENCE, wait_until};

/// Where the home lies for sshd: root owns the whole path.
pub const HOME: &str = "/srv/podium";
/// The password that the users of a `Competition` have.
pub const PASSWORD: &str = "secret";

/// What the outer namespace is made of; `$1` is the home.
const MACHINE: &str = "set -e
mount -t tmpfs -o mode=755 none /run
mkdir -p /run/sshd /run/etc/upper /run/etc/work
mount -t overlay -o lowerdir=/etc,upperdir=/run/etc/upper,workdir=/run/etc/work overlay /etc
mount -t tmpfs -o mode=755 none /var/log
mount -t tmpfs -o mode=755 none /srv
mkdir /srv/podium
mount --bind \"$1\" /srv/podium
ssh-keygen -A >/dev/null
echo up
exec cat";

/// Options of every OpenSSH client: nothing of the machine's own settings, and no key of the machine's user.
const CLIENT: [&str; 17] = [
    "-q",
    "-F",
    "/dev/null",
    "-o",
    "UserKnownHostsFile=/dev/null",
    "-o",
    "StrictHostKeyChecking=no",
    "-o",
    "LogLevel=ERROR",
    "-o",
    "IdentitiesOnly=yes",
    "-o",
    "IdentityAgent=none",
    "-o",
    "NumberOfPasswordPrompts=1",
    "-o",
    "ConnectTimeout=60",
];

/// A door that stands open.
#[derive(Debug)]
pub struct Door {
    sshd: Option<Child>,
    inner: Held,
    outer: Held,
    port: u16,
    folder: tempfile::TempDir,
}

/// A process that lives as long as its standard input is open.
#[derive(Debug)]
struct Held(Child);

impl Held {
    #[track_caller]
    fn start(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let mut said = String::new();
        let stdout = child.stdout.take().expect("it is piped");
        BufReader::new(stdout).read_line(&mut said).expect("it can be read");
        assert_eq!(said, "up\n", "{command:?} did not come up: {:?}", child.wait());
        Self(child)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let gone = wait_until(Duration::from_secs(20), || matches!(self.0.try_wait(), Ok(Some(_))), || ());
        if !gone {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }
}

// ---------------------------------------------------------------------------------------------- the machine

impl Door {
    /// The namespaces, `podium users provision`, and sshd; no daemon yet.
    #[track_caller]
    pub fn open(contest: &Contest) -> Self {
        let mut door = Self::closed(contest);
        door.podium(&["users", "provision"]).exits(0);
        door.start_sshd();
        door
    }

    /// The namespaces alone.
    #[track_caller]
    pub fn closed(contest: &Contest) -> Self {
        assert!(rustix::process::geteuid().is_root(), "accounts and sshd want root");
        let folder = tempfile::Builder::new().prefix("podium-door-").tempdir().expect("a temporary folder");
        let ask = folder.path().join("ask");
        fs::write(&ask, "#!/bin/sh\nprintf '%s\\n' \"$PODIUM_TEST_PASSWORD\"\n").expect("written");
        fs::set_permissions(&ask, fs::Permissions::from_mode(0o755)).expect("it can be run");
        let mut command = Command::new("unshare");
        command.args(["--mount", "--", "sh", "-c", MACHINE, "sh"]).arg(contest.root());
        let outer = Held::start(command);
        let mut command = Command::new("nsenter");
        command.arg(format!("--mount=/proc/{}/ns/mnt", outer.0.id()));
        command.args(["--", "unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--"]);
        command.args(["sh", "-c", "echo up; exec cat"]);
        let inner = Held::start(command);
        Self { sshd: None, inner, outer, port: 0, folder }
    }

    /// A command that runs where sshd runs: with its accounts, its `/etc` and its process table.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let (pid, mut command) = (self.inner.0.id(), Command::new("nsenter"));
        command
            .arg(format!("--mount=/proc/{pid}/ns/mnt"))
            .arg(format!("--pid=/proc/{pid}/ns/pid_for_children"))
            .arg("--")
            .arg(program)
            .stdin(Stdio::null())
            .env_remove("PODIUM_LOG")
            .env_remove("PODIUM_HOST_HOME");
        command
    }

    /// Runs a verb on the home, there.
    #[track_caller]
    pub fn podium(&self, arguments: &[&str]) -> Ran {
        let mut command = self.command(env!("CARGO_BIN_EXE_podium"));
        Ran::of(command.args(["--home", HOME]).args(arguments))
    }

    /// A shell script there, as root; panics where it fails. Returns what it printed.
    #[track_caller]
    pub fn sh(&self, script: &str) -> String {
        Ran::of(self.command("sh").args(["-ec", script])).exits(0).stdout
    }

    /// Starts sshd on a free port of the loopback address, and returns when it answers.
    #[track_caller]
    pub fn start_sshd(&mut self) {
        let log = fs::File::create(self.sshd_log()).expect("a file for what sshd says");
        self.port = free_port();
        let mut command = self.command("/usr/sbin/sshd");
        command.args(["-D", "-e", "-o", "ListenAddress=127.0.0.1", "-p", &self.port.to_string()]);
        let child = command.stdout(Stdio::null()).stderr(log).spawn().expect("sshd starts");
        self.sshd = Some(child);
        let answers = || {
            let Ok(mut stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)) else { return false };
            let mut banner = [0; 4];
            stream.set_read_timeout(Some(PATIENCE)).is_ok()
                && stream.read_exact(&mut banner).is_ok()
                && &banner == b"SSH-"
        };
        assert!(wait_until(PATIENCE, answers, || ()), "sshd does not answer\n{}", self.sshd_said());
    }

    /// Starts the contest's daemon as one that knows the accounts, and returns when it watches the inbox.
    #[track_caller]
    pub fn start_daemon(&self, contest: &mut Contest) {
        let mut command = Command::new("nsenter");
        command.arg(format!("--mount=/proc/{}/ns/mnt", self.outer.0.id())).arg("--").arg(env!("CARGO_BIN_EXE_podium"));
        contest.start_by(command);
        contest.wait_for("the daemon watches the inbox", || contest.daemon().watches());
    }

    fn sshd_log(&self) -> PathBuf {
        self.folder.path().join("sshd.log")
    }

    /// What sshd said.
    pub fn sshd_said(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.sshd_log()).unwrap_or_default()).into_owned()
    }

    /// The port on which sshd listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// A folder for what clients need.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let said = self.sshd_said();
            let lines: Vec<_> = said.lines().collect();
            eprintln!("--- sshd said\n{}", lines[lines.len().saturating_sub(40)..].join("\n"));
        }
        // The end of the inner namespace is sshd's, and that of its sessions.
        drop(self.inner.0.stdin.take());
        if let Some(mut sshd) = self.sshd.take() {
            let gone = wait_until(Duration::from_secs(20), || matches!(sshd.try_wait(), Ok(Some(_))), || ());
            if !gone {
                let _ = sshd.kill();
                let _ = sshd.wait();
            }
        }
    }
}

// ---------------------------------------------------------------------------------------------- clients

impl Door {
    /// An OpenSSH client (`sftp`, `scp`, `ssh`), outside of the namespaces as any stranger's, that is asked for a password and answers this one.
    /// What it is given next are its own arguments; the address is `user@127.0.0.1`.
    pub fn client(&self, program: &str, password: &str) -> Command {
        let mut command = Command::new(program);
        command.args(CLIENT).arg(if program == "ssh" { "-p" } else { "-P" }).arg(self.port.to_string());
        self.answering(&mut command, password);
        command
    }

    /// What `ssh` is, with its options, for programs that start it themselves: rsync's `-e`, `GIT_SSH_COMMAND`, sshfs's `ssh_command`.
    pub fn ssh_command(&self) -> String {
        format!("ssh {} -p {}", CLIENT.join(" "), self.port)
    }

    /// Has whatever ssh this command starts answer the question for a password.
    pub fn answering(&self, command: &mut Command, password: &str) {
        command
            .env("SSH_ASKPASS", self.folder.path().join("ask"))
            .env("SSH_ASKPASS_REQUIRE", "force")
            .env("PODIUM_TEST_PASSWORD", password)
            .env_remove("SSH_AUTH_SOCK")
            .stdin(Stdio::null());
    }

    /// Runs `sftp` with these lines on its standard input. It goes on after a line that failed: look at what it said.
    #[track_caller]
    pub fn sftp(&self, user: &str, lines: &str) -> Output {
        self.sftp_as(user, PASSWORD, lines)
    }

    /// The same with another password.
    #[track_caller]
    pub fn sftp_as(&self, user: &str, password: &str, lines: &str) -> Output {
        let mut command = self.client("sftp", password);
        command.arg(format!("{user}@127.0.0.1")).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("sftp starts");
        // One that is refused has ended before it reads.
        let _ = child.stdin.take().expect("it is piped").write_all(lines.as_bytes());
        child.wait_with_output().expect("it ends")
    }

    /// Uploads a file under a name into the user's `in/`; panics where that fails.
    #[track_caller]
    pub fn put(&self, user: &str, name: &str, bytes: impl AsRef<[u8]>) {
        let local = tempfile::NamedTempFile::new_in(self.folder.path()).expect("a file to send");
        fs::write(local.path(), bytes).expect("written");
        let output = self.sftp(user, &format!("put {} {name}\n", local.path().display()));
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.trim().is_empty(), "{user}'s put of {name}: {output:?}");
    }
}
