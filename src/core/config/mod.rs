//! One competition's settings as they are run: every value checked, every default filled in.
//!
//! [`read::config`] makes one out of the text of config.toml. Units: durations are [`Duration`], sizes are bytes.

pub mod endpoint;
mod git;
pub mod problem;
mod read;
mod table;

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::digest::Digest;
use super::ids::{CaseName, Extension};
use super::score::Score;

pub use endpoint::Endpoint;
pub use git::{Git, SourcePath};
pub use problem::Problem;
pub use read::config as parse;
pub use read::line_of;

/// The file that all this is read from.
pub const FILE: &str = "config.toml";

/// Everything about one competition.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// `[competition]`
    pub competition: Competition,
    /// `[testcases]`
    pub cases: Cases,
    /// `[score]`
    pub score: Scoring,
    /// `[evaluator]`
    pub evaluator: Evaluator,
    /// `[languages.…]`, by extension.
    pub languages: BTreeMap<Extension, Language>,
    /// `[limits]`: for one run of a submission.
    pub limits: Limits,
    /// `[sandbox]`
    pub sandbox: SandboxSettings,
    /// `[submissions]`
    pub submissions: Submissions,
    /// `[queue]`
    pub queue: Queue,
    /// `[git]`; `None`: no pushes are taken.
    pub git: Option<Git>,
    /// `[site]`
    pub site: SiteSettings,
}

/// `[competition]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Competition {
    /// The heading of every page.
    pub title: String,
    /// What a superuser wrote; [`Config::board_at`] says what holds at a moment.
    pub state: Board,
    /// Before this moment no submissions are taken.
    pub opens_at: Option<DateTime<Utc>>,
    /// From this moment on the board stays as it is until it closes: what is accepted from then on shows to its sender only.
    pub freezes_at: Option<DateTime<Utc>>,
    /// From this moment on the board is closed.
    pub closes_at: Option<DateTime<Utc>>,
    /// Where the site is, with a slash at its end; `None`: nobody said.
    pub url: Option<String>,
}

impl Competition {
    /// The whole address of something on the site; only its path from the site's root where nobody said where that is.
    #[must_use]
    pub fn address(&self, path: &str) -> String {
        format!("{}{path}", self.url.as_deref().unwrap_or_default())
    }
}

/// Whether the board takes submissions and shows public scores, or takes none and shows totals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Board {
    /// Takes submissions; public scores only.
    Open,
    /// Takes none; the scores over all cases show.
    Closed,
}

/// `[testcases]`: the folders under testcases/ that count, in the order of their runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cases {
    /// Shown from the start.
    pub public: Vec<CaseName>,
    /// Shown when the board is closed.
    pub private: Vec<CaseName>,
}

impl Cases {
    /// Every case, the public ones first.
    pub fn all(&self) -> impl Iterator<Item = &CaseName> {
        self.public.iter().chain(&self.private)
    }
}

/// `[score]`
#[derive(Debug, Clone, PartialEq)]
pub struct Scoring {
    /// Which way is better.
    pub better: Better,
    /// How the scores of a set become one.
    pub total: Total,
    /// What a case is worth that the student failed.
    pub failed: Score,
    /// What the number counts, for people.
    pub unit: String,
    /// Digits after the point, for people; ranking uses the whole number.
    pub decimals: u8,
    /// Whether submissions of evaluators and superusers show as unranked rows.
    pub show_reference: bool,
}

/// Which way is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Better {
    /// The lower score wins.
    Lower,
    /// The higher score wins.
    Higher,
}

/// How the scores of a set become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Total {
    /// Their sum.
    Sum,
    /// Their mean.
    Mean,
    /// The smallest.
    Min,
    /// The largest.
    Max,
}

/// `[evaluator]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evaluator {
    /// Its command line, with `{input}`, `{output}`, `{dir}`, `{evaluator}` and `{case}` to be filled in.
    pub command: Vec<String>,
    /// What one evaluation may spend.
    pub limits: Limits,
}

/// `[languages.EXT]`: how a file with that ending is checked and run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Language {
    /// Its command line, with `{source}` to be filled in; the path of the input file is added behind.
    pub command: Vec<String>,
    /// A command that fails on a file which cannot run at all.
    pub check: Option<Vec<String>>,
    /// Where the answer is.
    pub output: Output,
    /// The only modules that a Python program may import; `None`: any.
    pub allow_imports: Option<Vec<String>>,
}

/// Where a program leaves its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// On standard output.
    Stdout,
    /// In the file `output.json` in the scratch folder.
    File,
}

/// What one run may spend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// CPU time of all processes together.
    pub cpu: Duration,
    /// Wall time.
    pub wall: Duration,
    /// Memory of all processes and the scratch folder, in bytes.
    pub memory: u64,
    /// Processes and threads at one time.
    pub processes: u64,
    /// Bytes of standard output, of standard error, and of the answer file, each.
    pub output: u64,
    /// Bytes that the scratch folder, `/tmp` and `/dev/shm` hold together.
    pub scratch: u64,
}

/// `[sandbox]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SandboxSettings {
    /// Which engine runs programs.
    pub engine: Engine,
    /// bubblewrap: `host`, or an unpacked root folder. docker: an image that the engine holds.
    pub image: String,
    /// docker: the runtime, such as `runsc`; `None` for the engine's default.
    pub runtime: Option<String>,
    /// docker: the graphics processors that a run may use; `None`: none.
    pub gpus: Option<Gpus>,
    /// docker: where the engine listens; `None`: where `DOCKER_HOST` says, or else on this machine.
    pub endpoint: Option<Endpoint>,
    /// Whether programs may make local sockets with a name (`AF_UNIX`); pairs of them they always may.
    pub unix_sockets: bool,
}

/// How many graphics processors a run sees. They are not divided: runs at the same time see the same ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gpus {
    /// Every one that the engine's machine has.
    All,
    /// This many of them, at least 1.
    Count(u16),
}

/// Which engine runs programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// Namespaces, cgroups and seccomp by bwrap.
    Bubblewrap,
    /// Containers by the Docker Engine API.
    Docker,
}

/// `[submissions]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submissions {
    /// The largest file that is taken, in bytes.
    pub max_size: u64,
    /// How long a file that was not renamed in has to stay unchanged before it counts as whole.
    pub settle: Duration,
    /// Whose submission a file is.
    pub identity: Identity,
    /// How many submissions of one user are taken within some time; `None`: any number.
    pub rate: Option<Rate>,
    /// How many submissions of one user may wait or run at one time; `None`: any number.
    pub pending_per_user: Option<usize>,
    /// How many bytes results/ may keep for one user before no more is taken; `None`: any number.
    pub disk_per_user: Option<u64>,
}

/// So many within so much time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How many, at least 1.
    pub count: usize,
    /// The length of the window that rolls along with the clock, at least a second.
    pub window: Duration,
}

/// Whose submission a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Identity {
    /// The file's name says it: there is one trusted feeder.
    Name,
    /// The file's owner, or the folder that it lies in, must agree with its name.
    Owner,
}

/// `[queue]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queue {
    /// Submissions that are judged at the same time.
    pub workers: usize,
    /// Whether each of them has cores of its own.
    pub pin: bool,
    /// A result shows when this much time has passed since its judging began, or twice, four times, … as much: how long the private
    /// cases took is then seen in steps only. Zero: at once.
    pub result_steps: Duration,
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wanted = |why: &str| format!("{text:?} {why}; write a count and a time, such as \"10/1h\" or \"3/30m\"");
        let (count, window) = text.split_once('/').ok_or_else(|| wanted("is no rate"))?;
        if count.is_empty() || !count.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(wanted("has no whole number before the slash"));
        }
        let count = count.parse().ok().filter(|count| (1..=1_000_000).contains(count));
        let count = count.ok_or_else(|| wanted("has a count that is not from 1 to 1000000"))?;
        let window = humantime::parse_duration(window).map_err(|_| wanted("has no time behind the slash"))?;
        if window < Duration::from_secs(1) || window > Duration::from_secs(366 * 86_400) {
            return Err(wanted("has a time that is not between 1s and 366days"));
        }
        Ok(Self { count, window })
    }
}

impl std::fmt::Display for Rate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} in {}", self.count, humantime::format_duration(self.window))
    }
}

/// `[site]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteSettings {
    /// From when on the board shows how far each rank has moved.
    pub movement: Movement,
    /// Whose words the pages use: `en`, `de`, or another that has a file in site-templates/strings/.
    pub language: String,
}

/// From when on the board counts how far ranks have moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Movement {
    /// In this much time, by the log's clock.
    Within(Duration),
    /// Since this moment.
    Since(DateTime<Utc>),
}

impl Movement {
    /// The moment that the ranks are compared with, `latest` being the board's last; `None` where that is before all time, or has not come yet.
    #[must_use]
    pub fn since(self, latest: DateTime<Utc>) -> Option<DateTime<Utc>> {
        match self {
            Self::Within(time) => latest.checked_sub_signed(TimeDelta::from_std(time).ok()?),
            Self::Since(moment) => (moment <= latest).then_some(moment),
        }
    }
}

impl Config {
    /// What the board is at a moment: closed when the superuser wrote so, or when its time has come. Before `opens_at` it is open, and takes
    /// nothing yet: the totals of a competition that is to go on show nowhere.
    #[must_use]
    pub fn board_at(&self, now: DateTime<Utc>) -> Board {
        let competition = &self.competition;
        match competition.state {
            Board::Open if competition.closes_at.is_none_or(|closes| now < closes) => Board::Open,
            Board::Open | Board::Closed => Board::Closed,
        }
    }

    /// Whether the board is frozen at a moment. A closed one never is: its scores are final.
    #[must_use]
    pub fn is_frozen_at(&self, now: DateTime<Utc>) -> bool {
        self.board_at(now) == Board::Open && self.competition.freezes_at.is_some_and(|freezes| now >= freezes)
    }

    /// Whether the submissions of one user run one after the other: where there are private cases. Two programs that run at the same time
    /// may find a way to talk, and one over a private case could tell one over a public case, whose output its user may read, what it is
    /// given.
    #[must_use]
    pub fn runs_one_at_a_time(&self) -> bool {
        !self.cases.private.is_empty()
    }

    /// What of the settings makes a judging of one language: with the same digest, source, evaluator, cases and image a judging would come
    /// out the same, up to noise of the clocks. The title of the competition, say, is no part of it, nor is which cases are public.
    ///
    /// It is taken over the values as this version of Podium writes them. Another version may write them otherwise: then nothing is the
    /// same as before, and judged anew.
    #[must_use]
    pub fn judging_sha256(&self, language: &Language) -> Digest {
        let Self { limits, evaluator, sandbox, .. } = self;
        Digest::of(
            format!("{:?} {:?} {limits:?} {evaluator:?} {sandbox:?}", language.command, language.output).as_bytes(),
        )
    }

    /// Whether submissions are taken at a moment.
    #[must_use]
    pub fn takes_submissions_at(&self, now: DateTime<Utc>) -> bool {
        self.board_at(now) == Board::Open && self.competition.opens_at.is_none_or(|opens| now >= opens)
    }
}
