//! sshd's rules for those who come in: text, trial and proof.
//!
//! They stand in a file of their own among those that sshd_config includes. A rule that names a group holds for its members only; what sshd knows
//! for the whole machine alone (how many may knock at once) is set so that a class behind one address is not turned away.

use std::fs;
use std::io;
use std::path::Path;

use rustix::process::{Pid, Signal};

use super::step::{self, StepError};

/// How a person has sshd read its files again.
pub(super) const RELOAD: &str = "sshd -t && kill -HUP \"$(cat /run/sshd.pid)\"";

/// What the whole machine gets: sshd has no narrower place for these. sshd turns connections away at random when more than ten have not yet
/// said who they are; sixty students at a deadline are more.
const FOR_A_CLASS: [&str; 3] = ["MaxStartups 200:30:400", "PerSourceMaxStartups none", "LoginGraceTime 60"];

/// Nothing but what is named: for every account that comes in by us.
const WALLS: [&str; 8] = [
    "DisableForwarding yes",
    "PermitTTY no",
    "PermitTunnel no",
    "PermitUserRC no",
    "KbdInteractiveAuthentication no",
    "HostbasedAuthentication no",
    "GSSAPIAuthentication no",
    "AuthorizedKeysCommand none",
];

/// What sshd has for those who match, in the order of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) criteria: String,
    pub(super) lines: Vec<String>,
}

impl Block {
    /// A door for whoever matches, with its own lines and the walls.
    pub(super) fn new(criteria: String, lines: Vec<String>) -> Self {
        let walls = WALLS.into_iter().map(str::to_owned);
        Self { criteria, lines: lines.into_iter().chain(walls).collect() }
    }

    /// What `sshd -T` has to say of whoever matches: its own lines, with keywords in small letters.
    pub(super) fn effects(&self) -> Vec<String> {
        let effect = |line: &String| {
            let (key, value) = line.split_once(' ').unwrap_or((line, ""));
            format!("{} {value}", key.to_ascii_lowercase())
        };
        let proven = ["chrootdirectory ", "forcecommand ", "disableforwarding ", "permittty ", "authorizedkeysfile "];
        self.lines.iter().map(effect).filter(|line| proven.iter().any(|key| line.starts_with(key))).collect()
    }
}

/// The file. `home` is what it is for.
pub(super) fn text(home: &Path, blocks: &[Block]) -> String {
    let mut text = format!(
        "# Made by `podium users provision` for the competition in {}. Changes here are lost at its next run.\n\
         # These are the whole machine's: a class comes at once, and from one address.\n",
        home.display()
    );
    let penalties = knows("PerSourcePenalties=no").then_some("PerSourcePenalties no");
    FOR_A_CLASS.into_iter().chain(penalties).for_each(|line| text += &format!("{line}\n"));
    for Block { criteria, lines } in blocks {
        text += &format!("\nMatch {criteria}\n");
        lines.iter().for_each(|line| text += &format!("    {line}\n"));
    }
    text + "\nMatch all\n"
}

/// Whether this machine's sshd has such a setting. (From 9.8 on it shuts an address out for a while after some wrong passwords: a whole class.)
fn knows(setting: &str) -> bool {
    match step::run("sshd", &["-t".into(), "-f".into(), "/dev/null".into(), "-o".into(), setting.into()], None) {
        Ok(_) => true,
        Err(StepError::Command(_, said)) => !said.contains("Bad configuration option"),
        Err(_) => false,
    }
}

/// Puts the file there, or takes it away; has sshd try all of its files, and read them again. Where they are no good everything is as it was.
pub(super) fn configure(path: &Path, text: Option<&str>) -> Result<Option<String>, StepError> {
    let before = match fs::read_to_string(path) {
        Ok(before) => Some(before),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(StepError::File(path.to_owned(), error)),
    };
    put(path, text)?;
    step::run("sshd", &["-t".into()], None).and_then(|_| reload()).inspect_err(|_| {
        // The first error is the one to be told.
        let _ = put(path, before.as_deref());
    })
}

fn put(path: &Path, text: Option<&str>) -> Result<(), StepError> {
    match text {
        Some(text) => step::write(path, text),
        None => match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(StepError::File(path.to_owned(), error)),
            _ => Ok(()),
        },
    }
}

/// Has a running sshd read its files again.
fn reload() -> Result<Option<String>, StepError> {
    let settings = step::run("sshd", &["-T".into()], None)?;
    let file = settings.lines().find_map(|line| line.strip_prefix("pidfile ")).unwrap_or("/run/sshd.pid");
    let pid = fs::read_to_string(file).ok().and_then(|text| text.trim().parse().ok()).and_then(Pid::from_raw);
    let is_sshd = |pid: &Pid| {
        let name = fs::read_to_string(format!("/proc/{}/comm", pid.as_raw_nonzero()));
        name.is_ok_and(|name| name.trim() == "sshd")
    };
    match pid.filter(is_sshd) {
        Some(pid) => rustix::process::kill_process(pid, Signal::HUP)
            .map(|()| None)
            .map_err(|error| StepError::File(file.into(), error.into())),
        None => Ok(Some(format!("sshd does not run ({file} names no process); it reads its rules when it starts"))),
    }
}

/// What `sshd` is asked for one account.
pub(super) fn question(user: &str) -> Vec<String> {
    vec!["-T".into(), "-C".into(), format!("user={user},host=localhost,addr=127.0.0.1")]
}

/// Asks sshd what it would do with this account, and compares. Without it an `Include` that is missing would let students in without a wall.
/// Returns what is weaker than it could be.
pub(super) fn prove(user: &str, wanted: &[String]) -> Result<Option<String>, StepError> {
    let settings = step::run("sshd", &question(user), None)?;
    let has = |start: &str| settings.lines().any(|line| line.starts_with(start));
    if !has("subsystem sftp ") {
        let text = "sshd has no SFTP: add the line `Subsystem sftp internal-sftp` to /etc/ssh/sshd_config. Nobody was given a password";
        return Err(StepError::Sshd(text.into()));
    }
    let missing = wanted.iter().find(|wanted| !settings.lines().any(|line| line == wanted.as_str()));
    let Some(missing) = missing else {
        let no_pam = "sshd has `UsePAM no`: the limit of an upload's size is not heeded while it is sent, and the time that a wrong password takes tells \
                      who is listed unless root's hash is of the kind of theirs";
        let listed = "sshd has AllowUsers or AllowGroups: nobody comes in whom these do not name";
        let notes = [(has("usepam no"), no_pam), (has("allowusers ") || has("allowgroups "), listed)];
        let notes: Vec<_> = notes.into_iter().filter(|(is_so, _)| *is_so).map(|(_, text)| text).collect();
        return Ok((!notes.is_empty()).then(|| notes.join("; ")));
    };
    let key = missing.split(' ').next().unwrap_or_default();
    let found = settings.lines().find(|line| line.split(' ').next() == Some(key)).unwrap_or("nothing");
    Err(StepError::Sshd(format!(
        "sshd would not keep {user} within walls: `sshd -T` says {found:?} and not {missing:?}. Is `Include \
         /etc/ssh/sshd_config.d/*.conf` the first line of /etc/ssh/sshd_config, and no `Match` of another file in the way? Nobody was given a password"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_walled_and_says_what_sshd_has_to_say() {
        let block = Block::new("Group g".into(), vec!["ChrootDirectory /srv/%u".into(), "MaxSessions 10".into()]);
        assert!(block.lines.contains(&"DisableForwarding yes".into()) && block.lines.contains(&"PermitTTY no".into()));
        assert_eq!(block.effects(), ["chrootdirectory /srv/%u", "disableforwarding yes", "permittty no"]);
        let text = text(Path::new("/srv/podium"), &[block]);
        assert!(
            text.contains("\nMatch Group g\n    ChrootDirectory /srv/%u\n") && text.ends_with("\nMatch all\n"),
            "{text}"
        );
    }
}
