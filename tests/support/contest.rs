//! A competition that runs: what happens in its home, as those see it who drop files, read pages and edit settings.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use serde_json::Value;

use super::competition::{set, users_csv, write_secret};
use super::daemon::Daemon;
use super::engine::Engine;
use super::public::Site;
use super::verb::{Ran, podium};
use super::wait::{PATIENCE, wait_until};
use super::{log, traces};

/// A home, and perhaps its daemon.
#[derive(Debug)]
pub struct Contest {
    // The daemon is dropped before its home is.
    daemon: Option<Daemon>,
    engine: Engine,
    root: PathBuf,
    folder: tempfile::TempDir,
}

/// An id for a submission.
pub fn a_new_id() -> String {
    uuid::Uuid::new_v4().to_string()
}

// ---------------------------------------------------------------------------------------------- the home and its daemon

impl Contest {
    pub(super) fn new(engine: Engine) -> Self {
        let folder = tempfile::Builder::new().prefix("podium-test-").tempdir().expect("a temporary folder");
        let root = folder.path().canonicalize().expect("it is there").join("home");
        fs::create_dir(&root).expect("a folder for the home");
        Self { daemon: None, engine, root, folder }
    }

    /// The home's folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A path in the home.
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// A path beside the home, for what does not belong to it.
    pub fn outside(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What the traces of its runs are known by.
    pub fn home_id(&self) -> String {
        log::sha256(self.root.as_os_str().as_encoded_bytes())[..8].to_owned()
    }

    /// A word that every Python program of this contest has in its command line.
    pub fn marker(&self) -> String {
        format!("podium-test-{}", self.home_id())
    }

    /// Starts a daemon, and returns when it watches the inbox: of what is dropped from here on it hears at once, in its order.
    #[track_caller]
    pub fn start(&mut self) {
        self.start_with(&[]);
        self.wait_for("the daemon watches the inbox", || self.daemon().watches());
    }

    /// Starts a daemon with further arguments, and does not wait for anything.
    pub fn start_with(&mut self, arguments: &[&str]) {
        assert!(self.daemon.is_none(), "there is a daemon already");
        self.daemon = Some(Daemon::start(&self.root, arguments, &self.outside("daemon.stderr")));
    }

    /// Starts a daemon that also serves the site, and returns the site's address once there is a board.
    #[track_caller]
    pub fn start_serving(&mut self) -> String {
        self.start_with(&["--serve", "127.0.0.1:0"]);
        let mut address = None;
        self.wait_for("the address of the site", || {
            let said = self.daemon().said();
            let behind = said.split("the site is at ").nth(1);
            address = behind.and_then(|rest| rest.split_whitespace().next()).map(str::to_owned);
            address.is_some() && self.daemon().watches() && self.path("public/index.html").exists()
        });
        address.expect("waited for")
    }

    /// Starts a daemon by way of a command that becomes the program, or that has another environment.
    pub fn start_by(&mut self, command: Command) {
        assert!(self.daemon.is_none(), "there is a daemon already");
        self.daemon = Some(Daemon::start_by(command, &self.root, &[], &self.outside("daemon.stderr")));
    }

    /// The daemon.
    #[track_caller]
    pub fn daemon(&self) -> &Daemon {
        self.daemon.as_ref().expect("a daemon runs")
    }

    /// SIGTERM: it has to end by itself, in order.
    #[track_caller]
    pub fn stop(&mut self) -> ExitStatus {
        let daemon = self.daemon.take().expect("a daemon runs");
        let ended = daemon.terminate(Duration::from_secs(30));
        ended.unwrap_or_else(|| panic!("the daemon did not end 30 s after SIGTERM\n{}", daemon.said()))
    }

    /// SIGKILL.
    #[track_caller]
    pub fn kill_nine(&mut self) {
        self.daemon.take().expect("a daemon runs").kill_nine();
    }

    /// Runs a verb on this home.
    pub fn podium(&self, arguments: &[&str]) -> Ran {
        let home = [OsStr::new("--home"), self.root.as_os_str()];
        podium(home.into_iter().chain(arguments.iter().map(OsStr::new)))
    }
}

impl Drop for Contest {
    fn drop(&mut self) {
        if std::thread::panicking()
            && let Some(daemon) = &self.daemon
        {
            let said = daemon.said();
            let lines: Vec<_> = said.lines().collect();
            let last = lines[lines.len().saturating_sub(100)..].join("\n");
            eprintln!("--- the daemon of {} said\n{last}", self.root.display());
        }
        self.daemon = None;
        if std::thread::panicking() {
            traces::remove(self.engine, &self.home_id());
        }
    }
}

// ---------------------------------------------------------------------------------------------- waiting

impl Contest {
    /// Waits until something has come about. Fails when it does not, and at once when there is no daemon left that could bring it about.
    #[track_caller]
    pub fn wait_for(&self, what: &str, done: impl FnMut() -> bool) {
        self.wait_within(PATIENCE, what, done);
    }

    /// The same, with another deadline.
    #[track_caller]
    pub fn wait_within(&self, patience: Duration, what: &str, mut done: impl FnMut() -> bool) {
        let caller = std::panic::Location::caller();
        let came = wait_until(patience, &mut done, || {
            if let Some(ended) = self.daemon.as_ref().and_then(Daemon::ended) {
                panic!("{caller}: the daemon ended ({ended}) before this came about: {what}");
            }
        });
        // A last look: the daemon may have been slow, or the test.
        if !came && !done() {
            let lines = log::lines(&self.path("results/log.jsonl"));
            let short = |line: &String| line.chars().take(400).collect::<String>();
            let last = lines[lines.len().saturating_sub(10)..].iter().map(short).collect::<Vec<_>>().join("\n");
            panic!("{patience:?} passed before this came about: {what}\n--- the log's end\n{last}");
        }
    }

    /// Makes sure that something does not come about for some time.
    #[track_caller]
    pub fn never_within(&self, time: Duration, what: &str, mut seen: impl FnMut() -> bool) {
        let caller = std::panic::Location::caller();
        let mut alive = || {
            assert!(self.daemon.as_ref().is_none_or(|daemon| daemon.ended().is_none()), "{caller}: the daemon ended")
        };
        assert!(!wait_until(time, &mut seen, &mut alive), "this must not happen: {what}");
    }

    /// Waits until so many submissions are judged, and nothing is in the queue, and the site shows it.
    #[track_caller]
    pub fn wait_for_judged(&self, many: usize) {
        self.wait_for(&format!("{many} submissions are judged"), || self.count("judged") >= many);
        self.wait_for_site();
    }

    /// Waits until the site shows all that the log says. The board is brought up to date last.
    #[track_caller]
    pub fn wait_for_site(&self) {
        self.wait_for("the site shows the last line of the log", || {
            let head = self.head();
            let shown = |page: &str| fs::read_to_string(self.path(page)).is_ok_and(|text| text.contains(&head));
            ["public/leaderboard.json", "public/index.html", "public/queue.html"].into_iter().all(shown)
        });
    }

    /// Waits until a submission is judged or refused, and returns its status.json.
    #[track_caller]
    pub fn outcome(&self, id: &str) -> Value {
        let mut last = Value::Null;
        self.wait_for(&format!("{id} is judged or refused"), || {
            last = self.status(id).unwrap_or_default();
            last["state"] == "judged" || last["state"] == "rejected"
        });
        last
    }
}

// ---------------------------------------------------------------------------------------------- handing in

impl Contest {
    /// Hands a program in as a client should, and returns its id. What is handed in next arrives later, by the file system's clock.
    pub fn hand_in(&self, user: &str, extension: &str, program: impl AsRef<[u8]>) -> String {
        let id = a_new_id();
        self.drop_file(format!("{user}_{id}.{extension}"), program);
        self.let_the_clock_tick();
        id
    }

    /// Returns when a file that changes now has another ctime than one that changed before: that clock may tick every 10 ms only.
    fn let_the_clock_tick(&self) {
        let probe = self.outside("clock");
        let touch = || {
            fs::write(&probe, "").expect("a file is touched");
            let meta = fs::metadata(&probe).expect("it is there");
            (meta.ctime(), meta.ctime_nsec())
        };
        let before = touch();
        wait_until(PATIENCE, || touch() > before, || ());
    }

    /// Puts a file into the inbox: a hidden name first, then a rename. Returns its inode, by which the log knows it.
    pub fn drop_file(&self, name: impl AsRef<OsStr>, bytes: impl AsRef<[u8]>) -> u64 {
        self.drop_into("inbox", name, bytes)
    }

    /// The same, into another folder.
    pub fn drop_into(&self, folder: &str, name: impl AsRef<OsStr>, bytes: impl AsRef<[u8]>) -> u64 {
        let folder = self.path(folder);
        let hidden = folder.join(format!(".sending-{}", a_new_id()));
        fs::write(&hidden, bytes).expect("the hidden file is written");
        let inode = fs::metadata(&hidden).expect("it is there").ino();
        fs::rename(&hidden, folder.join(name.as_ref())).unwrap_or_else(|error| panic!("{:?}: {error}", name.as_ref()));
        inode
    }

    /// Begins to write a file under its final name, as sftp does. Whoever holds what is returned is still writing.
    pub fn put_slowly(&self, name: &str, first: impl AsRef<[u8]>) -> File {
        let mut file = File::create_new(self.path("inbox").join(name)).expect("a new file in the inbox");
        file.write_all(first.as_ref()).expect("the first half");
        file
    }

    /// What lies in the inbox.
    pub fn inbox(&self) -> Vec<std::ffi::OsString> {
        let mut names: Vec<_> = fs::read_dir(self.path("inbox"))
            .expect("the inbox")
            .map(|entry| entry.expect("an entry").file_name())
            .collect();
        names.sort();
        names
    }
}

// ---------------------------------------------------------------------------------------------- settings

impl Contest {
    /// Replaces config.toml as an editor does: another file, renamed over it.
    pub fn write_config(&self, text: &str) {
        self.replace("config.toml", text);
    }

    /// Replaces users.csv the same way.
    pub fn write_users(&self, users: &[(&str, &str)]) {
        self.replace("users.csv", &users_csv(users));
    }

    /// config.toml.
    pub fn config(&self) -> String {
        fs::read_to_string(self.path("config.toml")).expect("config.toml")
    }

    /// Changes one setting, by its full name.
    pub fn set(&self, key: &str, value: impl Into<toml::Value>) {
        let mut config = self.config().parse().expect("config.toml is TOML");
        set(&mut config, key, value.into());
        self.write_config(&config.to_string());
    }

    fn replace(&self, name: &str, text: &str) {
        let new = self.path(&format!("{name}.new"));
        // config.toml is no secret, and who takes pushes in reads it.
        if name == "config.toml" {
            fs::write(&new, text).expect("written")
        } else {
            write_secret(&new, text)
        }
        fs::rename(new, self.path(name)).expect("renamed");
    }
}

// ---------------------------------------------------------------------------------------------- looking

impl Contest {
    /// Every line of the log.
    pub fn log(&self) -> Vec<Value> {
        log::events(&self.path("results/log.jsonl"))
    }

    /// The lines of one event.
    pub fn events(&self, event: &str) -> Vec<Value> {
        self.log().into_iter().filter(|line| line["event"] == event).collect()
    }

    /// How many lines are of one event, without reading what they say.
    pub fn count(&self, event: &str) -> usize {
        log::count(&self.path("results/log.jsonl"), event)
    }

    /// The line of one event about one submission.
    #[track_caller]
    pub fn event(&self, event: &str, id: &str) -> Value {
        let mut found: Vec<_> = self.events(event).into_iter().filter(|line| line["id"] == id).collect();
        assert_eq!(found.len(), 1, "lines {event:?} of {id}: {found:#?}");
        found.remove(0)
    }

    /// The hash of the log's last line.
    pub fn head(&self) -> String {
        let lines = log::lines(&self.path("results/log.jsonl"));
        lines.last().map_or_else(|| "0".repeat(64), |line| log::sha256(line.as_bytes()))
    }

    /// leaderboard.json; `null` before there is one.
    pub fn board(&self) -> Value {
        self.json("public/leaderboard.json").unwrap_or_default()
    }

    /// queue.json; `null` before there is one.
    pub fn queue(&self) -> Value {
        self.json("public/queue.json").unwrap_or_default()
    }

    /// The status.json of a submission, once there is one.
    pub fn status(&self, id: &str) -> Option<Value> {
        self.json(&format!("public/s/{id}/status.json"))
    }

    fn json(&self, name: &str) -> Option<Value> {
        let bytes = fs::read(self.path(name)).ok()?;
        Some(serde_json::from_slice(&bytes).unwrap_or_else(|error| panic!("{name}: {error}")))
    }

    /// Everything under public/.
    pub fn site(&self) -> Site {
        Site::read(&self.path("public"))
    }

    /// What is left on the machine of the runs of this home.
    pub fn traces(&self) -> Vec<String> {
        traces::traces(self.engine, &self.root, &self.home_id(), &self.marker())
    }

    /// Panics unless the log is a chain, by its contract, and `podium verify` says so too.
    #[track_caller]
    pub fn assert_log_is_whole(&self) {
        log::check_chain(&self.path("results/log.jsonl"));
        self.podium(&["verify"]).exits(0).says("all good");
    }

    /// Panics where the site shows an id anywhere but in the address of its own page.
    #[track_caller]
    pub fn assert_ids_are_secret(&self) {
        let site = self.site();
        let ids: Vec<String> = self.log().iter().filter_map(|line| line["id"].as_str().map(str::to_owned)).collect();
        for (name, bytes) in &site.0 {
            let text = String::from_utf8_lossy(bytes).to_lowercase();
            let own = name.strip_prefix("s/").and_then(|rest| rest.split('/').next()).unwrap_or_default();
            for id in ids.iter().filter(|id| *id != own) {
                assert!(!name.contains(id.as_str()), "the name {name} holds the id {id}");
                assert!(!text.contains(id.as_str()), "the page {name} holds the id {id}");
            }
        }
    }
}
