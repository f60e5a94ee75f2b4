//! From who is listed and what the machine has to the steps that are missing.
//!
//! Access is taken away before any is given, and nobody gets a password or a key before sshd has shown that it would keep them within walls.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::keys::{Key, Keys};
use super::machine::{Account, Machine};
use super::sshd::{self, Block};
use super::step::{Step, folder_is, word};
use crate::core::password::Password;
use crate::core::roster::Roster;

/// Where the rules of a competition lie that are not sshd's own.
const RULES: &str = "/etc/podium";
/// A hash that no password has, of an account that is not locked.
const NO_PASSWORD: &str = "*";
/// An upload may be so much longer than what is taken, before it is cut off: within that the daemon says why it refuses.
const ROOM: u64 = 1 << 20;

/// What has to be.
#[derive(Debug)]
pub struct Door<'a> {
    /// The home.
    pub home: &'a Path,
    /// What tells this home's groups and files from those of others.
    pub id: &'a str,
    /// Everybody, with hashes.
    pub roster: &'a Roster,
    /// Their keys.
    pub keys: &'a Keys,
    /// The longest submission that is taken, in bytes.
    pub max_size: u64,
    /// The door for git, if there is one.
    pub git: Option<GitDoor>,
}

/// The door for git: one account for everybody, told apart by keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitDoor {
    /// The account.
    pub account: String,
    /// This program, by its whole path.
    pub program: PathBuf,
}

/// The names that belong to one home.
struct Names {
    group: String,
    comment: String,
    git_comment: String,
    rules: PathBuf,
    sshd: PathBuf,
    limits: PathBuf,
}

impl Names {
    fn of(id: &str) -> Self {
        Self {
            group: format!("podium-{id}"),
            comment: format!("podium {id}"),
            git_comment: format!("podium {id} git"),
            rules: Path::new(RULES).join(id),
            sshd: format!("/etc/ssh/sshd_config.d/podium-{id}.conf").into(),
            limits: format!("/etc/security/limits.d/podium-{id}.conf").into(),
        }
    }

    fn keys(&self) -> PathBuf {
        self.rules.join("keys")
    }

    fn git_keys(&self) -> PathBuf {
        self.rules.join("git_keys")
    }
}

/// The steps that are missing.
///
/// # Errors
/// Everything that stands in the way, each with what to do. Then nothing should be done.
pub fn plan(door: &Door<'_>, machine: &Machine) -> Result<Vec<Step>, Vec<String>> {
    let names = Names::of(door.id);
    let in_the_way = in_the_way(door, &names, machine);
    if !in_the_way.is_empty() {
        return Err(in_the_way);
    }
    let mut steps = Vec::new();
    take_away(door, &names, machine, &mut steps);
    if !machine.groups.contains_key(&names.group) {
        steps.push(run("groupadd", &[&names.group]));
    }
    for row in door.roster.rows() {
        account(row.user.as_str(), &names, machine, &mut steps);
    }
    if let Some(git) = &door.git {
        git_account(git, &names, machine, &mut steps);
    }
    rules(door, &names, &mut steps);
    folders(door, machine, &mut steps);
    give(door, &names, machine, &mut steps);
    Ok(steps)
}

/// The steps that take everything away again. Nothing in the home is touched.
#[must_use]
pub fn undo(id: &str, machine: &Machine) -> Vec<Step> {
    let names = Names::of(id);
    let ours = || machine.with_comment(&names.comment).chain(machine.with_comment(&names.git_comment));
    let mut steps: Vec<_> = ours().map(|(name, _)| lock(name)).collect();
    // While the walls still stand.
    for (name, _) in ours() {
        steps.push(Step::EndSessions(name.into()));
        steps.push(run("userdel", &[name]));
    }
    if machine.groups.contains_key(&names.group) {
        steps.push(run("groupdel", &[&names.group]));
    }
    steps.extend([&names.rules, &names.limits].into_iter().filter(|path| path.exists()).cloned().map(Step::Remove));
    if names.sshd.exists() {
        steps.push(Step::Sshd(names.sshd, None));
    }
    steps
}

fn run(program: &'static str, arguments: &[&str]) -> Step {
    Step::Run(program, arguments.iter().map(|argument| (*argument).to_owned()).collect())
}

fn lock(name: &str) -> Step {
    run("usermod", &["--lock", "--expiredate", "1", name])
}

fn in_the_way(door: &Door<'_>, names: &Names, machine: &Machine) -> Vec<String> {
    let mut problems = Vec::new();
    let inbox = door.home.join("inbox");
    let shown = inbox.to_string_lossy();
    if !shown.chars().all(|c| c.is_ascii_alphanumeric() || "/._-+@".contains(c)) {
        problems.push(format!(
            "sshd's rules cannot name the path {}: move the home to one of letters, digits and . _ - + @",
            inbox.display()
        ));
    }
    for folder in inbox.ancestors() {
        match fs::metadata(folder) {
            Ok(meta) if meta.uid() == 0 && meta.mode() & 0o022 == 0 => {}
            Ok(meta) => {
                let shown = word(&folder.to_string_lossy());
                // A folder that is sticky, such as /tmp, is meant to be everybody's: nobody is told to take it from them.
                let mend = if meta.mode() & 0o1000 == 0 {
                    format!("chown root {shown} && chmod go-w {shown}, or move the home")
                } else {
                    "move the home".to_owned()
                };
                problems.push(format!(
                    "sshd lets nobody in below {shown}, which others than root can change (owner {}, mode {:o}): {mend} to such a place as /srv/podium",
                    meta.uid(),
                    meta.mode() & 0o7777
                ));
            }
            Err(error) => problems.push(format!("{}: {error}", folder.display())),
        }
    }
    let taken = |name: &str, comment: &str| match machine.accounts.get(name) {
        Some(account) if account.comment == comment => None,
        Some(_) => Some(format!("the account {name} of this machine is not ours (its comment is not {comment:?})")),
        // An account that comes from elsewhere than /etc/passwd.
        None if nix::unistd::User::from_name(name).ok().flatten().is_some() => {
            Some(format!("the account {name} is one of this machine's directory service"))
        }
        None if machine.groups.contains_key(name) => {
            Some(format!("this machine has a group {name}, and no account of ours"))
        }
        None => None,
    };
    for row in door.roster.rows() {
        let what = taken(row.user.as_str(), &names.comment);
        problems.extend(what.map(|what| format!("{what}: give that user of users.csv another name")));
    }
    if let Some(git) = &door.git {
        if door.roster.rows().iter().any(|row| row.user.as_str() == git.account) {
            problems.push(format!(
                "{} is a user of users.csv and the account that takes pushes in: name another one in git.account",
                git.account
            ));
        }
        let what = taken(&git.account, &names.git_comment);
        problems.extend(what.map(|what| format!("{what}: name another one in git.account")));
    }
    problems
}

/// Takes the access of those who are no longer listed, of keys that are nobody's any more, and of an account for git that is not the one now.
/// Their folders stay.
fn take_away(door: &Door<'_>, names: &Names, machine: &Machine, steps: &mut Vec<Step>) {
    let listed: BTreeSet<&str> = door.roster.rows().iter().map(|row| row.user.as_str()).collect();
    let users = machine.with_comment(&names.comment).filter(|(name, _)| !listed.contains(name));
    let git = door.git.as_ref().map(|git| git.account.as_str());
    let doors = machine.with_comment(&names.git_comment).filter(|(name, _)| Some(*name) != git);
    for (name, _) in users.chain(doors).filter(|(_, account)| !account.expires) {
        steps.push(lock(name));
        steps.push(Step::EndSessions(name.into()));
    }
    match &door.git {
        Some(git) => steps.extend(without_old_lines(names.git_keys(), &git_keys(door, git))),
        None if names.git_keys().exists() => steps.push(Step::Remove(names.git_keys())),
        None => {}
    }
    let folder = fs::read_dir(names.keys()).into_iter().flatten().flatten();
    let mut old: Vec<_> = folder.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    old.sort();
    steps.extend(old.into_iter().filter_map(|name| {
        let path = names.keys().join(&name);
        match door.keys.iter().find(|(user, _)| user.as_str() == name) {
            Some((_, keys)) => without_old_lines(path, &own_keys(keys)),
            None => Some(Step::Remove(path)),
        }
    }));
}

/// A file of keys without the lines that are not wanted any more. New ones are not in it yet: they are given last.
fn without_old_lines(path: PathBuf, wanted: &str) -> Option<Step> {
    let text = fs::read_to_string(&path).ok()?;
    let wanted: BTreeSet<&str> = wanted.lines().collect();
    let kept: String = text.lines().filter(|line| wanted.contains(line)).map(|line| format!("{line}\n")).collect();
    (kept != text).then_some(Step::File(path, kept))
}

/// An account that nothing lets in yet.
fn account(name: &str, names: &Names, machine: &Machine, steps: &mut Vec<Step>) {
    let Some(account) = machine.accounts.get(name) else {
        let made = ["--user-group", "--groups", &names.group, "--no-create-home", "--home-dir", "/nonexistent"];
        // Nothing that ages, and no further numbers for containers of their own.
        let never = ["-K", "PASS_MAX_DAYS=-1", "-K", "SUB_UID_COUNT=0", "-K", "SUB_GID_COUNT=0"];
        let rest = ["--shell", "/usr/sbin/nologin", "--comment", &names.comment, name];
        steps.push(run("useradd", &[&made[..], &never, &rest].concat()));
        return;
    };
    if !machine.groups.get(&names.group).is_some_and(|members| members.contains(name)) {
        steps.push(run("usermod", &["--append", "--groups", &names.group, name]));
    }
    if account.expires {
        steps.push(run("usermod", &["--expiredate", "", name]));
    }
}

/// The account that takes pushes in. One that was locked is opened again: what keys it has are those that stay.
fn git_account(git: &GitDoor, names: &Names, machine: &Machine, steps: &mut Vec<Step>) {
    let Some(account) = machine.accounts.get(&git.account) else {
        let made =
            ["--system", "--user-group", "--no-create-home", "--home-dir", "/", "--shell", "/bin/sh", "--comment"];
        return steps.push(run("useradd", &[&made[..], &[&names.git_comment, &git.account]].concat()));
    };
    if account.expires {
        steps.push(run("usermod", &["--expiredate", "", &git.account]));
    }
}

/// sshd's rules, and the limits of who comes in; then the proof that they hold.
fn rules(door: &Door<'_>, names: &Names, steps: &mut Vec<Step>) {
    let mut file = |path: &Path, text: String| {
        if fs::read_to_string(path).ok().as_deref() != Some(&text) {
            steps.push(Step::File(path.to_owned(), text));
        }
    };
    file(
        &names.limits,
        format!(
            "# Made by `podium users provision`. KiB: what an upload may grow to. Heeded where sshd has UsePAM yes.\n\
             @{group} hard fsize {}\n@{group} hard core 0\n",
            (door.max_size + ROOM).div_ceil(1024),
            group = names.group,
        ),
    );
    let students = Block::new(
        format!("Group {}", names.group),
        vec![
            format!("ChrootDirectory {}/inbox/%u", door.home.display()),
            "ForceCommand internal-sftp -d /in -u 0077".into(),
            format!("AuthorizedKeysFile {}/%u", names.keys().display()),
            "PubkeyAuthentication yes".into(),
            "PasswordAuthentication yes".into(),
            "PermitEmptyPasswords no".into(),
            "AuthenticationMethods any".into(),
            "MaxSessions 10".into(),
            "ClientAliveInterval 60".into(),
            "ClientAliveCountMax 10".into(),
        ],
    );
    let git = door.git.as_ref().map(|git| {
        Block::new(
            format!("User {}", git.account),
            vec![
                "ChrootDirectory none".into(),
                // The command of each key, and not one for all that a machine may have.
                "ForceCommand none".into(),
                format!("AuthorizedKeysFile {}", names.git_keys().display()),
                "PubkeyAuthentication yes".into(),
                "PasswordAuthentication no".into(),
                // Not "any": sshd reads that in one block of a file only.
                "AuthenticationMethods publickey".into(),
                "MaxSessions 4".into(),
                "ClientAliveInterval 60".into(),
                "ClientAliveCountMax 10".into(),
            ],
        )
    });
    let blocks: Vec<_> = std::iter::once(students).chain(git).collect();
    let text = sshd::text(door.home, &blocks);
    if fs::read_to_string(&names.sshd).ok().as_deref() != Some(&text) {
        steps.push(Step::Sshd(names.sshd.clone(), Some(text)));
    }
    let first = door.roster.rows().first().map(|row| row.user.as_str());
    for (user, block) in [first, door.git.as_ref().map(|git| git.account.as_str())].into_iter().zip(&blocks) {
        steps.extend(user.map(|user| Step::Proof(user.into(), block.effects())));
    }
}

/// authorized_keys of a user.
fn own_keys(keys: &[Key]) -> String {
    keys.iter().map(|key| format!("restrict {}\n", key.text())).collect()
}

/// authorized_keys of the account for git: a key says who it is, and what it may do.
fn git_keys(door: &Door<'_>, git: &GitDoor) -> String {
    let mut text = String::from("# Made by `podium users provision`. Changes here are lost at its next run.\n");
    for (user, keys) in door.keys {
        let (program, home) = (word(&git.program.to_string_lossy()), word(&door.home.to_string_lossy()));
        let command = format!("{program} --home {home} git serve --user {user}");
        let quoted = command.replace('"', "\\\"");
        for key in keys {
            text += &format!("restrict,command=\"{quoted}\" {} {user}\n", key.text());
        }
    }
    text
}

/// Everybody's folders.
fn folders(door: &Door<'_>, machine: &Machine, steps: &mut Vec<Step>) {
    let inbox = door.home.join("inbox");
    if let Some(git) = &door.git {
        // The account for git passes through to the folders that are its own.
        for folder in [door.home, inbox.as_path()] {
            if fs::metadata(folder).is_ok_and(|meta| meta.mode() & 0o001 == 0) {
                steps.push(run("chmod", &["o+x", &folder.to_string_lossy()]));
            }
        }
        // It sees neither the cases nor the evaluator: all pushes pass through it.
        for folder in ["testcases", "evaluator"].map(|name| door.home.join(name)) {
            if fs::metadata(&folder).is_ok_and(|meta| meta.mode() & 0o007 != 0) {
                steps.push(run("chmod", &["o-rwx", &folder.to_string_lossy()]));
            }
        }
        // It reads which branch is a submission, and how large one may be.
        let config = door.home.join("config.toml");
        let gid = machine.accounts.get(&git.account).map(|account| account.gid);
        if fs::metadata(&config)
            .is_ok_and(|meta| meta.mode() & 0o004 == 0 && (meta.mode() & 0o040 == 0 || Some(meta.gid()) != gid))
        {
            steps.push(run("chgrp", &[&git.account, &config.to_string_lossy()]));
            steps.push(run("chmod", &["g+r", &config.to_string_lossy()]));
        }
        let own = door.home.join("git");
        let ids = machine.accounts.get(&git.account).map(|account| (account.uid, account.gid));
        // The repositories of an account that went by another name.
        if fs::symlink_metadata(&own).is_ok_and(|meta| meta.is_dir() && Some(meta.uid()) != ids.map(|(uid, _)| uid)) {
            let both = format!("{0}:{0}", git.account);
            steps.push(run("chown", &["-RPh", &both, &own.to_string_lossy()]));
        }
        if !ids.is_some_and(|(uid, gid)| folder_is(&own, uid, gid, 0o700)) {
            steps.push(Step::Folder(own, git.account.clone(), git.account.clone(), 0o700));
        }
    }
    let mode = if door.git.is_some() { 0o751 } else { 0o750 };
    let git = door.git.as_ref().map(|git| git.account.as_str());
    for row in door.roster.rows() {
        let (user, own) = (row.user.as_str(), inbox.join(row.user.as_str()));
        let all = [
            Some((own.clone(), "root", user, mode)),
            Some((own.join("in"), user, user, 0o700)),
            Some((own.join("out"), "root", user, 0o750)),
            git.map(|git| (own.join("git"), git, git, 0o700)),
        ];
        for (path, owner, group, mode) in all.into_iter().flatten() {
            let (uid, gid) = (machine.accounts.get(owner).map(|a| a.uid), machine.accounts.get(group).map(|a| a.gid));
            let is_so = uid.zip(gid).is_some_and(|(uid, gid)| folder_is(&path, uid, gid, mode));
            if !is_so {
                steps.push(Step::Folder(path, owner.into(), group.into(), mode));
            }
        }
        // Who has just come in stands in in/, and `cd in` is what everybody types.
        let link = own.join("in/in");
        if fs::symlink_metadata(&link).is_err() {
            steps.push(Step::Link(link, "."));
        }
    }
}

/// Keys and passwords, last.
fn give(door: &Door<'_>, names: &Names, machine: &Machine, steps: &mut Vec<Step>) {
    let mut file = |path: PathBuf, text: String| {
        if fs::read_to_string(&path).ok().as_ref() != Some(&text) {
            steps.push(Step::File(path, text));
        }
    };
    if let Some(git) = &door.git {
        file(names.git_keys(), git_keys(door, git));
    }
    for (user, keys) in door.keys {
        file(names.keys().join(user.as_str()), own_keys(keys));
    }
    let wanted = door.roster.rows().iter().map(|row| {
        let hash = match &row.password {
            Password::Hash(hash) => hash.as_str(),
            // Provisioning has hashed what was plain before it plans; what it could not has no password.
            Password::None | Password::Plain(_) => NO_PASSWORD,
        };
        (row.user.as_str(), hash)
    });
    let wanted = wanted.chain(door.git.as_ref().map(|git| (git.account.as_str(), NO_PASSWORD)));
    let has = |user: &str| machine.accounts.get(user).and_then(|account: &Account| account.hash.as_deref());
    let hashes: Vec<_> =
        wanted.filter(|(user, hash)| has(user) != Some(hash)).map(|(user, hash)| (user.into(), hash.into())).collect();
    if !hashes.is_empty() {
        steps.push(Step::Hashes(hashes));
    }
}
