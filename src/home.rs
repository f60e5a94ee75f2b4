//! A competition home: where everything lies. The names of the first level are a contract.
//!
//! ```text
//! results/                 nothing here is public
//!   log.jsonl              what happened, one JSON object a line
//!   lock                   held by the one daemon of this home
//!   daemon.json            what the daemon is doing, for `podium status`
//!   metrics.prom           the same in numbers, for Prometheus' node_exporter
//!   incoming/              files on their way from the inbox into submissions/
//!   submissions/<number>/  source.<ext>, and <attempt>/<case>.{stdout,stderr,answer,…}
//!   refused/<seq>          what was refused, under the line that says so
//!   cache/                 copies of test cases and evaluators by content; may be deleted when no daemon runs
//!   cache/images/          unpacked images by digest; the same
//!   work/                  folders of runs under way; emptied when a daemon starts
//!   admin/                 the pages of staff; may be deleted
//!   aside-<pid>/           what `podium try` or `podium check` works in; removed when it ends
//! ```

use std::path::{Path, PathBuf};

use crate::core::digest::Digest;
use crate::core::ids::{CaseName, Extension, Number, UserName};
use crate::core::submission::Door;

/// What the names of folders for work beside the daemon begin with.
const ASIDE: &str = "aside-";

/// A competition home.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    root: PathBuf,
}

impl Home {
    /// A home at a folder, as an absolute path without links.
    ///
    /// # Errors
    /// When there is no such folder.
    pub fn at(folder: &Path) -> std::io::Result<Self> {
        let root = folder.canonicalize()?;
        if root.is_dir() { Ok(Self { root }) } else { Err(std::io::ErrorKind::NotADirectory.into()) }
    }

    /// The folder itself.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A short name that tells this home's cgroups and containers from those of other homes.
    ///
    /// `host` is where the engine's machine has it, if that is another path: two daemons in containers may both call their home by the same
    /// path, and would take each other's runs for their own strays.
    #[must_use]
    pub fn id(&self, host: Option<&Path>) -> String {
        use std::os::unix::ffi::OsStrExt;
        Digest::of(host.unwrap_or(&self.root).as_os_str().as_bytes()).to_string()[..8].to_owned()
    }

    /// config.toml
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.root.join(crate::core::config::FILE)
    }

    /// users.csv
    #[must_use]
    pub fn users(&self) -> PathBuf {
        self.root.join(crate::core::users::FILE)
    }

    /// keys/: `keys/<user>.pub` is a user's public keys.
    #[must_use]
    pub fn keys(&self) -> PathBuf {
        self.root.join("keys")
    }

    /// inbox/
    #[must_use]
    pub fn inbox(&self) -> PathBuf {
        self.root.join("inbox")
    }

    /// testcases/
    #[must_use]
    pub fn testcases(&self) -> PathBuf {
        self.root.join("testcases")
    }

    /// testcases/`<case>`/
    #[must_use]
    pub fn case(&self, case: &CaseName) -> PathBuf {
        self.testcases().join(case.as_str())
    }

    /// evaluator/
    #[must_use]
    pub fn evaluator(&self) -> PathBuf {
        self.root.join("evaluator")
    }

    /// statement.md: the task in words, for the page about it.
    #[must_use]
    pub fn statement(&self) -> PathBuf {
        self.root.join("statement.md")
    }

    /// site-templates/
    #[must_use]
    pub fn templates(&self) -> PathBuf {
        self.root.join("site-templates")
    }

    /// public/
    #[must_use]
    pub fn public(&self) -> PathBuf {
        self.root.join("public")
    }

    /// inbox/`<user>`/git/: what a user pushed, on its way to the daemon.
    #[must_use]
    pub fn pushed(&self, user: &UserName) -> PathBuf {
        self.inbox().join(user.as_str()).join(Door::Git.name())
    }

    /// git/: the git account's own: secret, hooks, locks and the repositories.
    #[must_use]
    pub fn git(&self) -> PathBuf {
        self.root.join("git")
    }

    /// git/`<user>`.git: what a user pushed, as a repository.
    #[must_use]
    pub fn repository(&self, user: &UserName) -> PathBuf {
        self.git().join(format!("{user}.git"))
    }

    /// results/
    #[must_use]
    pub fn results(&self) -> PathBuf {
        self.root.join("results")
    }

    /// results/log.jsonl
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.results().join("log.jsonl")
    }

    /// results/lock
    #[must_use]
    pub fn lock(&self) -> PathBuf {
        self.results().join("lock")
    }

    /// results/metrics.prom
    #[must_use]
    pub fn metrics(&self) -> PathBuf {
        self.results().join("metrics.prom")
    }

    /// results/daemon.json
    #[must_use]
    pub fn daemon_state(&self) -> PathBuf {
        self.results().join("daemon.json")
    }

    /// results/admin/: the pages of staff.
    #[must_use]
    pub fn admin(&self) -> PathBuf {
        self.results().join("admin")
    }

    /// results/incoming/
    #[must_use]
    pub fn incoming(&self) -> PathBuf {
        self.results().join("incoming")
    }

    /// results/refused/
    #[must_use]
    pub fn refused(&self) -> PathBuf {
        self.results().join("refused")
    }

    /// results/cache/
    #[must_use]
    pub fn cache(&self) -> PathBuf {
        self.results().join("cache")
    }

    /// results/cache/images/
    #[must_use]
    pub fn images(&self) -> PathBuf {
        self.cache().join("images")
    }

    /// results/work/
    #[must_use]
    pub fn work(&self) -> PathBuf {
        self.results().join("work")
    }

    /// results/aside-`<pid>`/: a folder to work in beside the daemon.
    #[must_use]
    pub fn aside(&self, pid: u32) -> PathBuf {
        self.results().join(format!("{ASIDE}{pid}"))
    }

    /// The folders to work in beside the daemon whose process is no more.
    pub fn abandoned(&self) -> impl Iterator<Item = PathBuf> {
        let entries = std::fs::read_dir(self.results()).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).filter(|path| {
            let pid = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_prefix(ASIDE));
            pid.is_some_and(|pid| !Path::new("/proc").join(pid).exists())
        })
    }

    /// results/submissions/
    #[must_use]
    pub fn submissions(&self) -> PathBuf {
        self.results().join("submissions")
    }

    /// results/submissions/`<number>`/
    #[must_use]
    pub fn submission(&self, number: Number) -> PathBuf {
        self.submissions().join(format!("{:06}", number.0))
    }

    /// The source of a submission. Its name says nothing of who sent it: the program sees a file of this name.
    #[must_use]
    pub fn source(&self, number: Number, language: &Extension) -> PathBuf {
        self.submission(number).join(format!("source.{language}"))
    }

    /// What was said when a submission was checked, before it was accepted; not there where nothing was.
    #[must_use]
    pub fn check_log(&self, number: Number) -> PathBuf {
        self.submission(number).join("check.txt")
    }

    /// What a judging left: results/submissions/`<number>`/`<attempt>`/
    #[must_use]
    pub fn judging(&self, number: Number, attempt: u32) -> PathBuf {
        self.submission(number).join(attempt.to_string())
    }

    /// A file that was kept of a case's run.
    #[must_use]
    pub fn kept(&self, number: Number, attempt: u32, case: &CaseName, name: &str) -> PathBuf {
        self.judging(number, attempt).join(format!("{case}.{name}"))
    }
}
