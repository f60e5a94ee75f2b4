//! A step of provisioning: what a person would type, and the doing of it. No secret is ever on a command line.

use std::fmt;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::unistd::{Group, User};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{AtFlags, CWD, FileType, Gid, Mode, OFlags, Uid};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::sshd;
use crate::files;

/// Where the tools of an administrator are, for a PATH that does not say.
const SBIN: &str = "/usr/local/sbin:/usr/sbin:/sbin";

/// One step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A command.
    Run(&'static str, Vec<String>),
    /// Accounts and their hashes, by way of `chpasswd -e`, which reads them.
    Hashes(Vec<(String, String)>),
    /// A file with this text, root's.
    File(PathBuf, String),
    /// The same, of sshd's configuration: tried before sshd is told, and taken back where it is no good. `None` removes it.
    Sshd(PathBuf, Option<String>),
    /// What sshd makes of this account: it has to say these things.
    Proof(String, Vec<String>),
    /// A folder: account, group, rights.
    Folder(PathBuf, String, String, u32),
    /// A symbolic link, and what it says.
    Link(PathBuf, &'static str),
    /// A file, or a folder with what is in it, goes.
    Remove(PathBuf),
    /// Whatever runs under this account ends.
    EndSessions(String),
}

/// Why a step was not done.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// A command failed; its own words.
    #[error("`{0}` failed: {1}")]
    Command(String, String),
    /// It cannot be started.
    #[error("`{0}` cannot be run ({1})")]
    Missing(String, #[source] io::Error),
    /// The file system's.
    #[error("{}", .0.display())]
    File(PathBuf, #[source] io::Error),
    /// There is no such account or group.
    #[error("there is no account or group {0}")]
    Nobody(String),
    /// What sshd would do is not what has to be.
    #[error("{0}")]
    Sshd(String),
}

impl Step {
    /// Whether it changes anything.
    #[must_use]
    pub fn changes(&self) -> bool {
        !matches!(self, Step::Proof(..))
    }

    /// Does it. Returns what a person should know of how it went, if anything.
    ///
    /// # Errors
    /// [`StepError`]
    pub fn perform(&self) -> Result<Option<String>, StepError> {
        match self {
            Step::Run(program, arguments) => run(program, arguments, None).map(|_| None),
            Step::Hashes(hashes) => {
                let lines: String = hashes.iter().map(|(user, hash)| format!("{user}:{hash}\n")).collect();
                run("chpasswd", &["-e".into()], Some(&lines)).map(|_| None)
            }
            Step::File(path, text) => write(path, text).map(|()| None),
            Step::Sshd(path, text) => sshd::configure(path, text.as_deref()),
            Step::Proof(user, lines) => sshd::prove(user, lines),
            Step::Folder(path, user, group, mode) => folder(path, user, group, *mode).map(|()| None),
            Step::Link(path, to) => match rustix::fs::symlinkat(*to, CWD, path) {
                Ok(()) | Err(rustix::io::Errno::EXIST) => Ok(None),
                Err(error) => Err(StepError::File(path.clone(), error.into())),
            },
            Step::Remove(path) => {
                let gone = match fs::symlink_metadata(path) {
                    Ok(meta) if meta.is_dir() => fs::remove_dir_all(path),
                    Ok(_) => fs::remove_file(path),
                    Err(error) => Err(error),
                };
                match gone {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => Err(StepError::File(path.clone(), error)),
                    _ => Ok(None),
                }
            }
            Step::EndSessions(user) => Ok(end_sessions(user)),
        }
    }
}

/// Runs a command with this on its standard input, and returns what it printed.
pub(super) fn run(program: &str, arguments: &[String], input: Option<&str>) -> Result<String, StepError> {
    let shown = shell_words(program, arguments);
    let path = std::env::var("PATH").unwrap_or_default();
    let mut child = Command::new(program)
        .args(arguments)
        .env("PATH", format!("{path}:{SBIN}"))
        .env("LC_ALL", "C.UTF-8")
        .stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| StepError::Missing(shown.clone(), error))?;
    if let (Some(input), Some(mut stdin)) = (input, child.stdin.take()) {
        // One that does not read to the end says why it failed.
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output().map_err(|error| StepError::Missing(shown.clone(), error))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Err(StepError::Command(shown, if said.is_empty() { output.status.to_string() } else { said }))
    }
}

pub(super) fn write(path: &Path, text: &str) -> Result<(), StepError> {
    let failed = |error| StepError::File(path.to_owned(), error);
    // From the top: sshd goes this way as a student, and root's umask must not close it nor leave it open.
    let missing: Vec<_> = path.ancestors().skip(1).take_while(|folder| !folder.is_dir()).collect();
    for folder in missing.into_iter().rev() {
        fs::create_dir_all(folder).map_err(failed)?;
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).map_err(failed)?;
    }
    files::replace(path, text.as_bytes(), 0o644).map_err(failed)
}

/// The folder above is root's, so that nobody swaps the name for a link in between; and no link is followed.
fn folder(path: &Path, user: &str, group: &str, mode: u32) -> Result<(), StepError> {
    let failed = |error: rustix::io::Errno| StepError::File(path.to_owned(), error.into());
    let nobody = |name: &str| StepError::Nobody(name.to_owned());
    let user = User::from_name(user).ok().flatten().ok_or_else(|| nobody(user))?;
    let group = Group::from_name(group).ok().flatten().ok_or_else(|| nobody(group))?;
    match rustix::fs::mkdirat(CWD, path, Mode::from_raw_mode(0o700)) {
        Ok(()) | Err(rustix::io::Errno::EXIST) => {}
        Err(error) => return Err(failed(error)),
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let folder = rustix::fs::openat(CWD, path, flags, Mode::empty()).map_err(failed)?;
    let (uid, gid) = (Uid::from_raw(user.uid.as_raw()), Gid::from_raw(group.gid.as_raw()));
    rustix::fs::fchown(&folder, Some(uid), Some(gid)).map_err(failed)?;
    rustix::fs::fchmod(&folder, Mode::from_raw_mode(mode)).map_err(failed)
}

/// Ends every process of an account, and returns when they have ended, or after some seconds.
fn end_sessions(user: &str) -> Option<String> {
    // Never root's, whatever a file says.
    let uid = User::from_name(user).ok().flatten()?.uid.as_raw();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten().filter(|_| uid != 0);
    let mut ending = Vec::new();
    for entry in entries {
        let pid = entry.file_name().to_str().and_then(|name| name.parse().ok()).and_then(Pid::from_raw);
        // Held before it is looked at: the number may be another's a moment later.
        let Some(process) = pid.and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok()) else { continue };
        let status = fs::read_to_string(entry.path().join("status")).unwrap_or_default();
        let is_theirs = status.lines().find_map(|line| line.strip_prefix("Uid:")).is_some_and(|uids| {
            let mut uids = uids.split_ascii_whitespace().map(str::parse);
            uids.next() == Some(Ok(uid))
        });
        if is_theirs && pidfd_send_signal(&process, Signal::KILL).is_ok() {
            ending.push(process);
        }
    }
    for process in &ending {
        let mut waiting = [PollFd::new(process, PollFlags::IN)];
        let _ = poll(&mut waiting, Some(&Timespec { tv_sec: 5, tv_nsec: 0 }));
    }
    (!ending.is_empty()).then(|| format!("{user}: {} processes ended", ending.len()))
}

/// Whether a folder is as it should be.
pub(super) fn folder_is(path: &Path, uid: u32, gid: u32, mode: u32) -> bool {
    rustix::fs::statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW).is_ok_and(|stat| {
        FileType::from_raw_mode(stat.st_mode) == FileType::Directory
            && (stat.st_uid, stat.st_gid, stat.st_mode & 0o7777) == (uid, gid, mode)
    })
}

fn shell_words(program: &str, arguments: &[String]) -> String {
    let words = std::iter::once(program).chain(arguments.iter().map(String::as_str));
    words.map(word).collect::<Vec<_>>().join(" ")
}

/// A word as a shell reads it back.
pub(super) fn word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=./:,@%+".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

/// As a person would type it.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = |path: &Path| word(&path.to_string_lossy());
        match self {
            Step::Run(program, arguments) => f.write_str(&shell_words(program, arguments)),
            Step::Hashes(hashes) => {
                let names: Vec<_> = hashes.iter().map(|(user, _)| user.as_str()).collect();
                write!(f, "chpasswd -e    # reads name:hash, a line for each of: {}", names.join(" "))
            }
            Step::File(file, text) => write!(f, "install -D -m 644 /dev/stdin {} <<'END'\n{text}END", path(file)),
            Step::Sshd(file, Some(text)) => {
                write!(f, "install -D -m 644 /dev/stdin {} <<'END'\n{text}END\n{}", path(file), sshd::RELOAD)
            }
            Step::Sshd(file, None) => write!(f, "rm -f {}\n{}", path(file), sshd::RELOAD),
            Step::Proof(user, _) => {
                write!(f, "{}    # has to show the walls", shell_words("sshd", &sshd::question(user)))
            }
            Step::Folder(folder, user, group, mode) => {
                write!(f, "install -d -o {} -g {} -m {mode:o} {}", word(user), word(group), path(folder))
            }
            Step::Link(link, to) => write!(f, "ln -s {} {}", word(to), path(link)),
            Step::Remove(gone) => write!(f, "rm -rf {}", path(gone)),
            Step::EndSessions(user) => write!(f, "pkill -KILL -U {}", word(user)),
        }
    }
}
