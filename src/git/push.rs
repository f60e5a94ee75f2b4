//! The two hooks of a push: before it is accepted, what speaks against it; after, into the inbox with it.

use std::fs;
use std::io::{BufRead, Read};

use super::command::{Repository, elsewhere};
use super::follow::{Sent, Voice};
use super::identity::{Oid, Secret};
use super::picks::Picked;
use super::{Door, GitError, failed, locks};
use crate::core::ids::UserName;
use crate::core::submission::FileName;
use crate::core::text::visible;
use crate::core::view::StateName;
use crate::files;

/// Which hook git runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hook {
    /// Its failure refuses the push.
    PreReceive,
    /// The branch has changed already.
    PostReceive,
}

/// A branch or tag that a push changes.
#[derive(Debug)]
struct Update {
    new: Oid,
    /// Its whole name, which may be any bytes.
    name: String,
}

/// As many updates of one push are looked at; a submission is one.
const MOST_UPDATES: usize = 1000;
/// The longest line that git writes of one.
const LONGEST_LINE: u64 = 8 << 10;
/// Options of one push that are read.
const MOST_OPTIONS: usize = 16;

/// What a push changes, as git tells its hooks on standard input.
fn updates() -> Result<Vec<Update>, GitError> {
    let mut stdin = std::io::stdin().lock();
    let mut updates = Vec::new();
    while updates.len() < MOST_UPDATES {
        let mut line = Vec::new();
        let read = stdin.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line);
        if read.map_err(failed("read what was pushed"))? == 0 {
            break;
        }
        let line = String::from_utf8_lossy(&line);
        let mut words = line.trim_end_matches('\n').splitn(3, ' ');
        let (Some(_old), Some(new), Some(name)) = (words.next(), words.next(), words.next()) else {
            return Err(GitError::Refused("git told of the push in a way that is not known here.".into()));
        };
        updates.push(Update { new: new.parse()?, name: name.to_owned() });
    }
    Ok(updates)
}

/// Whether the pusher said `-o wait`; every other option is named as unknown.
fn waits(voice: &mut Voice) -> bool {
    let count = std::env::var("GIT_PUSH_OPTION_COUNT").ok().and_then(|count| count.parse::<usize>().ok()).unwrap_or(0);
    let mut wait = false;
    for index in 0..count.min(MOST_OPTIONS) {
        let option = std::env::var_os(format!("GIT_PUSH_OPTION_{index}")).unwrap_or_default();
        match option.to_str() {
            Some("wait") => wait = true,
            _ => voice.say(&format!(
                "The option {:?} is not known here; there is one: git push -o wait",
                visible(&option.to_string_lossy(), 60)
            )),
        }
    }
    wait
}

/// A hook of a user's own repository. `user` is whose key it was.
///
/// # Errors
/// [`GitError`]; it is for the pusher to read, too.
pub async fn hook(door: &Door, user: &UserName, hook: Hook) -> Result<(), GitError> {
    let mut repository = Repository::of(door, user);
    match hook {
        Hook::PreReceive => {
            repository.quarantined = true;
            let commit = the_one(door, &updates()?)?;
            door.check_folder(user)?;
            door.check_room(user)?;
            repository.picks(&commit).map(|_| ())
        }
        Hook::PostReceive => {
            let mut voice = Voice::default();
            let commit = the_one(door, &updates()?)?;
            let wait = waits(&mut voice);
            let sent = take(&repository, user, &commit, &mut voice)?;
            files::replace(&repository.taken(), commit.as_str().as_bytes(), 0o600)
                .map_err(failed("note that it was taken in"))?;
            locks::let_go(door, user);
            door.follow(&sent, wait, &mut voice).await;
            Ok(())
        }
    }
}

/// The commit that is pushed, where nothing but the one branch is.
fn the_one(door: &Door, updates: &[Update]) -> Result<Oid, GitError> {
    let wanted = door.wanted();
    let strange: Vec<&Update> = updates.iter().filter(|update| update.name != door.branch()).collect();
    if !strange.is_empty() {
        const SHOWN: usize = 3;
        let names: Vec<_> = strange.iter().take(SHOWN).map(|update| visible(&update.name, 120)).collect();
        let more = if strange.len() > SHOWN { format!(" and {} more", strange.len() - SHOWN) } else { String::new() };
        let more = if updates.len() == MOST_UPDATES { " and many more".into() } else { more };
        return Err(GitError::Refused(format!(
            "Only the branch {} is taken here, and this push names {}{more}.\nType: {wanted}",
            door.git.branch,
            names.join(", ")
        )));
    }
    match updates {
        [update] if update.new.is_zero() => Err(GitError::Refused(format!(
            "The branch {} is not deleted here: what was submitted stays.",
            door.git.branch
        ))),
        [update] => Ok(update.new.clone()),
        _ => Err(GitError::Refused(format!("One branch is pushed at a time. Type: {wanted}"))),
    }
}

/// Puts the files of a commit into the inbox, but for those that were submitted before.
fn take(repository: &Repository<'_>, user: &UserName, commit: &Oid, voice: &mut Voice) -> Result<Vec<Sent>, GitError> {
    let door = repository.door;
    let secret = Secret::of(&door.home)?;
    let mut taken = Vec::new();
    for picked in repository.picks(commit)? {
        let name = name(&secret, user, commit, &picked)?;
        let before = door.status(&name.id);
        let mut sent = Sent { name, path: picked.source.path.clone(), commit: commit.clone(), refused_before: None };
        match before {
            // What was refused may be handed in again: the board may have opened since.
            Some(status) if status.state == StateName::Rejected => sent.refused_before = Some(status.receipt.seq),
            Some(status) => {
                door.say_known(&sent, &status, voice);
                continue;
            }
            None => {}
        }
        door.deliver(&sent.name, &picked.bytes)?;
        taken.push(sent);
    }
    Ok(taken)
}

/// What a file of a commit is called in the inbox.
pub(super) fn name(secret: &Secret, user: &UserName, commit: &Oid, picked: &Picked) -> Result<FileName, GitError> {
    let id = secret.id(user, commit, &picked.source.path)?;
    Ok(FileName { user: user.clone(), id, extension: picked.source.extension.clone() })
}

/// `podium git-hook`: the post-receive hook of a repository that several share, and somebody else looks after.
///
/// Other branches than the one are none of its business.
///
/// # Errors
/// [`GitError`]; the branch has changed already, so that nothing is left but to say so.
pub async fn shared(door: &Door) -> Result<(), GitError> {
    let updates = updates()?;
    let Some(update) = updates.iter().find(|update| update.name == door.branch() && !update.new.is_zero()) else {
        return Ok(());
    };
    let mut voice = Voice::default();
    let user = pusher(door)?;
    door.check_folder(&user)?;
    door.check_room(&user)?;
    let folder = std::env::var_os("GIT_DIR").unwrap_or_else(|| ".".into());
    let folder = fs::canonicalize(&folder).map_err(failed("find the repository that was pushed to"))?;
    let wait = waits(&mut voice);
    let sent = take(&elsewhere(door, &folder), &user, &update.new, &mut voice)?;
    door.follow(&sent, wait, &mut voice).await;
    Ok(())
}

/// Who pushed, as whoever looks after the repositories says. Never guessed.
fn pusher(door: &Door) -> Result<UserName, GitError> {
    let variable = &door.git.identity_env;
    let nothing = "Nothing was submitted";
    let said = std::env::var_os(variable).filter(|said| !said.is_empty()).ok_or_else(|| {
        GitError::Refused(format!(
            "{nothing}: the environment variable {variable} is not set, so that nobody knows whose push this is. `identity_env` in [git] of config.toml names the variable; the server that runs this hook has to set it to the user's name."
        ))
    })?;
    let said = said.to_string_lossy();
    said.parse()
        .map_err(|error| GitError::Refused(format!("{nothing}: {variable} says {:?}; {error}.", visible(&said, 60))))
}
