//! The clients that students use, each run as they run it.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Output, Stdio};

use crate::support::Door;
use crate::support::door::PASSWORD;

/// `tests/support/sftp.py`, a client that does what others do not.
pub(super) fn client(door: &Door, user: &str, arguments: &[&str]) -> Command {
    client_as(door, user, PASSWORD, arguments)
}

pub(super) fn client_as(door: &Door, user: &str, password: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new("/usr/bin/python3");
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/sftp.py"));
    command.arg(door.port().to_string()).args([user, password]).args(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs it to its end, and returns what it printed.
#[track_caller]
pub(super) fn run(mut command: Command) -> String {
    let output = command.stdin(Stdio::null()).output().expect("it can be run");
    assert!(output.status.success(), "{command:?}: {}", said(&output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub(super) fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// A client that has done its first half.
pub(super) struct Halfway(pub(super) Child, BufReader<std::process::ChildStdout>);

impl Halfway {
    #[track_caller]
    pub(super) fn start(mut command: Command) -> Self {
        let mut child = command.spawn().expect("it starts");
        let stdout = child.stdout.take().expect("it is piped");
        let mut halfway = Self(child, BufReader::new(stdout));
        halfway.until_ready();
        halfway
    }

    #[track_caller]
    pub(super) fn until_ready(&mut self) {
        let mut line = String::new();
        self.1.read_line(&mut line).expect("it can be read");
        assert_eq!(line, "ready\n");
    }

    pub(super) fn go_on(&mut self) {
        writeln!(self.0.stdin.as_mut().expect("it is piped")).expect("it reads");
    }

    #[track_caller]
    pub(super) fn end(mut self) {
        drop(self.0.stdin.take());
        assert!(self.0.wait().expect("it ends").success());
    }
}

/// lftp, which does one thing.
pub(super) fn lftp(door: &Door, (user, password): (&str, &str), what: &str) -> Command {
    let ssh = door.ssh_command().replace("ssh ", "ssh -a -x ");
    let settings = format!(
        "set sftp:auto-confirm yes; set net:max-retries 1; set net:timeout 120; set sftp:connect-program \"{ssh}\""
    );
    let mut command = Command::new("lftp");
    command.env("HOME", door.folder()).args(["-e", &format!("{settings}; {what}; bye")]);
    command.args(["-u", &format!("{user},{password}"), "sftp://127.0.0.1"]);
    command
}

/// Uploads a program under a name by one way among those that students use.
#[track_caller]
pub(super) fn upload(door: &Door, way: &str, (user, password): (&str, &str), name: &str, program: &str) {
    let folder = door.folder().join(format!("{user}-{}", way.replace([',', ' '], "-")));
    fs::create_dir_all(&folder).expect("a folder");
    let local = folder.join("solution.py");
    fs::write(&local, program).expect("a program");
    let (shown, address) = (local.display().to_string(), format!("{user}@127.0.0.1"));
    let ssh = door.ssh_command();
    let mut command = match way {
        "sftp" | "sftp, renamed" => {
            let lines = match way {
                "sftp" => format!("put {shown} {name}\n"),
                _ => format!("cd in\nput {shown} .{name}.tmp\nrename .{name}.tmp {name}\n"),
            };
            let output = door.sftp_as(user, password, &lines);
            assert!(output.status.success() && output.stderr.is_empty(), "{way} of {user}: {}", said(&output));
            return;
        }
        "scp" => {
            let mut command = door.client("scp", password);
            command.arg(&shown).arg(format!("{address}:{name}"));
            command
        }
        "lftp" => lftp(door, (user, password), &format!("put {shown} -o {name}")),
        "paramiko" => client_as(door, user, password, &["put", name, program]),
        "FileZilla" => client_as(door, user, password, &["rename", &format!("{name}.filepart"), name, program]),
        "browser" => client_as(door, user, password, &["rename", &format!("{name}.part"), name, program]),
        "sshfs" | "rsync over sshfs" => {
            let copy = if way == "sshfs" { "cp" } else { "rsync" };
            let script = format!(
                "mkdir mnt && sshfs -o ssh_command='{ssh}' '{address}:' mnt && {copy} solution.py 'mnt/{name}'; status=$?; \
                 fusermount3 -u mnt; exit $status"
            );
            // A mount of the test's own: nobody else sees it, and it goes with the shell.
            let mut command = Command::new("unshare");
            command.args(["--mount", "--", "sh", "-c", &script]).current_dir(&folder);
            door.answering(&mut command, password);
            command
        }
        _ => panic!("no way is called {way:?}"),
    };
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{way}: {error}"));
    assert!(output.status.success(), "{way} of {user}: {}", said(&output));
}

/// The ways of `upload`.
pub(super) const WAYS: [&str; 9] =
    ["sftp", "sftp, renamed", "scp", "lftp", "paramiko", "FileZilla", "browser", "sshfs", "rsync over sshfs"];
