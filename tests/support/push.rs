//! Pushing with the real git, as a student does, to what sshd would run for their key.
//!
//! In place of sshd stands a script: it gets what git gives ssh, and runs the forced command of a user with the environment and the account
//! that sshd would give it. `tests/git_ssh.rs` has the real sshd.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::competition::Competition;
use super::contest::Contest;
use super::door::Door;

/// The account that takes pushes in: one that every machine has, and that has no right of its own.
pub const ACCOUNT: &str = "nobody";

/// Its number.
pub fn account() -> (u32, u32) {
    let user = nix::unistd::User::from_name(ACCOUNT).expect("accounts can be read").expect("there is a nobody");
    (user.uid.as_raw(), user.gid.as_raw())
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap_or_else(|error| panic!("{path:?}: {error}"));
}

/// A competition to which these users push, with everything else closed to the account that takes pushes in.
pub fn prepare(competition: Competition, users: &[&str]) -> Contest {
    let roles: Vec<_> = users.iter().map(|user| (*user, "student")).collect();
    let competition = competition.users(&roles).set("git.account", ACCOUNT);
    let contest = competition.set("competition.url", "https://judge.example.org").prepare();
    mode(contest.root().parent().expect("a folder of the test's own"), 0o711);
    for (name, rights) in
        [("", 0o711), ("inbox", 0o711), ("testcases", 0o700), ("evaluator", 0o700), ("results", 0o700)]
    {
        mode(&contest.path(name), rights);
    }
    mode(&contest.path("users.csv"), 0o600);
    let (uid, gid) = account();
    fs::create_dir(contest.path("git")).expect("made");
    let mut own = vec!["git".to_owned()];
    for user in users {
        let folder = format!("inbox/{user}/git");
        fs::create_dir_all(contest.path(&folder)).expect("made");
        mode(&contest.path(&format!("inbox/{user}")), 0o751);
        own.push(folder);
    }
    for folder in own.iter().map(|name| contest.path(name)) {
        chown(&folder, Some(uid), Some(gid)).expect("given away");
        mode(&folder, 0o700);
    }
    let script = format!(
        "#!/bin/sh\nfor last; do :; done\nexec env -i \"PATH=$PATH\" \"SSH_ORIGINAL_COMMAND=$last\" $AROUND setpriv --reuid {uid} --regid {gid} --clear-groups '{}' --home '{}' git serve --user \"$PUSHER\"\n",
        env!("CARGO_BIN_EXE_podium"),
        contest.root().display(),
    );
    fs::write(contest.outside("ssh"), script).expect("written");
    mode(&contest.outside("ssh"), 0o755);
    contest
}

/// Makes a key for a user, and lists it for them.
pub fn make_key(contest: &Contest, user: &str) {
    let key = contest.outside(&format!("key-{user}"));
    let mut command = Command::new("ssh-keygen");
    command.args(["-q", "-t", "ed25519", "-N", "", "-C", user, "-f"]).arg(&key);
    assert!(command.status().expect("ssh-keygen runs").success());
    fs::create_dir_all(contest.path("keys")).expect("made");
    fs::copy(key.with_extension("pub"), contest.path(&format!("keys/{user}.pub"))).expect("listed");
}

/// A command of git's that knows nobody's settings.
pub fn git(folder: &Path) -> Command {
    let mut command = Command::new("git");
    command
        .current_dir(folder)
        .stdin(Stdio::null())
        .env_clear()
        .env("PATH", std::env::var_os("PATH").expect("a PATH"))
        .env("HOME", folder)
        .env("LC_ALL", "C")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null");
    // Whatever the author is called: nobody is to believe it.
    for who in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{who}_NAME"), "bob").env(format!("GIT_{who}_EMAIL"), "bob@example.org");
    }
    command
}

/// A student's own repository.
#[derive(Debug)]
pub struct Clone {
    pub folder: PathBuf,
    user: String,
    ssh: String,
    variant: &'static str,
}

/// A push that ended.
#[derive(Debug)]
pub struct Pushed {
    pub good: bool,
    pub said: String,
}

impl Clone {
    /// An empty one.
    pub fn new(contest: &Contest, user: &str) -> Self {
        Self::by(contest, user, contest.outside("ssh").display().to_string(), "simple")
    }

    /// One that pushes through a real sshd, with the user's own key.
    pub fn through(door: &Door, contest: &Contest, user: &str) -> Self {
        let ssh = format!("{} -i '{}'", door.ssh_command(), contest.outside(&format!("key-{user}")).display());
        Self::by(contest, user, ssh, "ssh")
    }

    fn by(contest: &Contest, user: &str, ssh: String, variant: &'static str) -> Self {
        let folder = contest.outside(&format!("clone-{user}-{}", super::a_new_id()));
        fs::create_dir(&folder).expect("made");
        let clone = Self { folder, user: user.to_owned(), ssh, variant };
        clone.git(&["init", "-q", "-b", "main"]);
        clone
    }

    /// Runs git in it; it has to do what it is asked. Returns what it prints.
    #[track_caller]
    pub fn git(&self, arguments: &[&str]) -> String {
        let output = git(&self.folder).args(arguments).output().expect("git runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "git {arguments:?}: {said}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Writes a file.
    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.folder.join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(path, bytes).expect("written");
    }

    /// Commits everything, and returns the commit's name.
    pub fn commit(&self) -> String {
        self.git(&["add", "-A", "-f"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", "mine"]);
        self.git(&["rev-parse", "HEAD"])
    }

    /// Commits one program as solution.py.
    pub fn commit_solution(&self, program: impl AsRef<[u8]>) -> String {
        self.write("solution.py", program);
        self.commit()
    }

    /// The command that pushes, with the way to the server in its environment.
    pub fn remote(&self, arguments: &[&str]) -> Command {
        let mut command = git(&self.folder);
        command.args(arguments).env("GIT_SSH_COMMAND", &self.ssh).env("GIT_SSH_VARIANT", self.variant);
        command.env("PUSHER", &self.user);
        command
    }

    /// Pushes.
    pub fn push(&self, arguments: &[&str]) -> Pushed {
        Pushed::of(&mut self.remote(&[&["push"], arguments].concat()))
    }

    /// Pushes what is checked out, as a submission.
    pub fn submit(&self) -> Pushed {
        let host = if self.variant == "ssh" { "127.0.0.1" } else { "judge" };
        self.push(&["--force", &format!("ssh://submit@{host}/submissions"), "HEAD:main"])
    }
}

impl Pushed {
    /// Runs a command of git's to its end.
    pub fn of(command: &mut Command) -> Self {
        let output = command.output().expect("git runs");
        let said = String::from_utf8_lossy(&output.stderr).replace("remote: ", "");
        Self { good: output.status.success(), said: said.lines().map(str::trim_end).collect::<Vec<_>>().join("\n") }
    }

    /// Panics unless it was taken.
    #[track_caller]
    pub fn succeeds(self) -> Self {
        assert!(self.good, "{}", self.said);
        self
    }

    /// Panics unless it was refused.
    #[track_caller]
    pub fn fails(self) -> Self {
        assert!(!self.good, "{}", self.said);
        self
    }

    /// Panics unless it said this.
    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        assert!(self.said.contains(text), "it does not say {text:?}\n{}", self.said);
        self
    }

    /// The id in the address of the private page.
    #[track_caller]
    pub fn id(&self) -> String {
        let page = self.said.split("https://judge.example.org/s/").nth(1);
        let page = page.unwrap_or_else(|| panic!("no page in\n{}", self.said));
        page.chars().take(36).collect()
    }
}
