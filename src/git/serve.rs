//! `podium git serve`: what sshd runs for a key. One user, one repository, one push or fetch.

use std::io::{self, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};

use super::command::{self, Repository};
use super::follow::Voice;
use super::request::{self, Service};
use super::{Door, GitError, confine, failed, locks, reconcile, repository};
use crate::core::ids::UserName;
use crate::files;

/// The longest that one connection lives: a push, and the wait for its verdict.
const LONGEST: Duration = Duration::from_secs(1200);
/// What a client may send besides the pack: names of branches, options, what it has already.
const BESIDES: u64 = 4 << 20;

/// Serves one connection of a user. `asked` is what the client asked for, as sshd puts it into `SSH_ORIGINAL_COMMAND`. Returns whether git
/// did it.
///
/// # Errors
/// [`GitError`]
pub fn serve(door: &Door, user: &UserName, asked: Option<&str>) -> Result<bool, GitError> {
    let service = request::read(door, asked)?;
    confine(door);
    door.check_folder(user)?;
    files::private_folder(&door.home.git()).map_err(failed("make git/"))?;
    command::check(door)?;
    let _connection = locks::connection(door, user)?;
    let mut voice = Voice::default();
    let repository = Repository::of(door, user);
    let lock = match service {
        Service::Receive => Some(locks::receiving(door, user, || {
            Voice::default().say("Another push of yours is being taken in; this one comes after it.");
        })?),
        Service::Upload => locks::try_receiving(door, user)?,
    };
    if lock.is_some() {
        repository::prepare_hooks(door)?;
        // Before anything of it may have to go.
        let missed = if repository.path.exists() { reconcile::missed(&repository, user)? } else { Vec::new() };
        if repository.prepare()? {
            voice.say("Your repository here had grown too large, and begins anew: your history is sent again. Where that is too much, push a branch without it:");
            voice.say("git checkout --orphan fresh && git commit -m fresh && git push --force (as before)");
        }
        for taken in missed {
            voice.say(&format!("An earlier push had been interrupted and is taken in now: {taken}"));
        }
    }
    let mut command = repository.git(&[service.command()]);
    command.env_remove("GIT_DIR").arg(&repository.path).stdin(Stdio::piped()).process_group(0);
    if service == Service::Receive {
        let program = std::env::current_exe().map_err(failed("find this program"))?;
        command.env("PODIUM_GIT_PROGRAM", program).env("PODIUM_GIT_HOME", door.home.root());
        command.env("PODIUM_GIT_USER", user.as_str());
        command.envs(lock.as_ref().map(|lock| (locks::VARIABLE, lock.descriptor())));
    }
    // A fetch needs it no longer.
    let _lock = lock.filter(|_| service == Service::Receive);
    let mut child = command.spawn().map_err(failed("run git"))?;
    let most = door.git.max_push.saturating_add(BESIDES);
    let too_long = Arc::new(AtomicBool::new(false));
    if let Some(mut to) = child.stdin.take() {
        let too_long = Arc::clone(&too_long);
        // Ends with this process: nobody waits for a client that says nothing.
        std::thread::spawn(move || {
            let mut from = io::stdin().lock();
            let copied = pass(&mut from.by_ref().take(most), &mut to);
            let more = copied.is_ok_and(|copied| copied == most);
            too_long.store(more && from.read(&mut [0]).is_ok_and(|read| read > 0), Ordering::Release);
        });
    }
    let ended = ended_in_time(&mut child)?;
    if too_long.load(Ordering::Acquire) {
        voice.say(&format!(
            "The push was cut off: more than {most} bytes came. At most {} are taken.",
            door.git.max_push
        ));
    }
    if !ended {
        voice.say("The connection was open for too long, and was ended.");
    }
    Ok(ended && child.wait().map_err(failed("wait for git"))?.success())
}

/// Copies until the end, without waiting for a buffer to fill: the other side waits for what comes next.
fn pass(from: &mut impl Read, to: &mut impl Write) -> io::Result<u64> {
    let mut buffer = [0; 64 << 10];
    let mut copied = 0;
    loop {
        let read = match from.read(&mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read?,
        };
        if read == 0 {
            return Ok(copied);
        }
        to.write_all(&buffer[..read])?;
        copied += read as u64;
    }
}

/// Waits for git and all that it started in the foreground; `false`: it took too long and was ended.
fn ended_in_time(child: &mut Child) -> Result<bool, GitError> {
    let what = || failed("wait for git");
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let pid = pid.ok_or_else(|| what()(io::ErrorKind::InvalidInput.into()))?;
    let ended = pidfd_open(pid, PidfdFlags::empty()).map_err(|error| what()(error.into()))?;
    let began = std::time::Instant::now();
    loop {
        let left = LONGEST.saturating_sub(began.elapsed());
        let timeout = Timespec { tv_sec: i64::try_from(left.as_secs()).unwrap_or(0), tv_nsec: 0 };
        match poll(&mut [PollFd::new(&ended, PollFlags::IN)], Some(&timeout)) {
            Ok(0) => {
                let _ = kill_process_group(pid, Signal::KILL);
                child.wait().map_err(what())?;
                return Ok(false);
            }
            Ok(_) => return Ok(true),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(what()(error.into())),
        }
    }
}
