//! The rules in force, for about.html: what config.toml says, as students may know it. Words are the templates'.
//!
//! Nothing here says what private cases there are, or whether there are any: not a count, no hash of the cases, and no hash of config.toml,
//! which names them.

use std::time::Duration;

use serde::Serialize;

use super::Source;
use crate::core::config::{Engine, Identity, Limits, Output, Total};
use crate::core::digest::Digest;
use crate::core::ids::{CaseName, Extension};
use crate::core::score::Score;

/// The rules in force.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RulesPage {
    /// What is accepted, by extension.
    pub languages: Vec<LanguageRules>,
    /// For one run of a submission.
    pub limits: LimitRules,
    /// The names of the public cases, in their order.
    pub public_cases: Vec<CaseName>,
    /// How the scores of the cases become one: `sum`, `mean`, `min`, `max`.
    pub total: &'static str,
    /// What a failed case scores, for people.
    pub failed: String,
    /// The largest file that is taken, in bytes.
    pub max_bytes: u64,
    /// How long a file that was not renamed has to stay unchanged, in milliseconds.
    pub settle_ms: u64,
    /// Whether a file has to belong to its user, whatever its name says.
    pub owned: bool,
    /// How many submissions of one user are taken within some time.
    pub rate: Option<RateRules>,
    /// How many submissions of one user may wait or run at one time.
    pub pending: Option<usize>,
    /// How much is kept for one user, in bytes.
    pub disk_bytes: Option<u64>,
    /// How pushes are taken in, if they are.
    pub git: Option<GitRules>,
    /// What the address of a private page begins with, where that was said.
    pub url: Option<String>,
    /// How many submissions are judged at the same time.
    pub workers: usize,
    /// What runs the programs.
    pub engine: &'static str,
    /// What the programs find around them; of a path the last part.
    pub image: String,
    /// The evaluator by which the latest submission was judged.
    pub evaluator_sha256: Option<Digest>,
}

/// So many within so much time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct RateRules {
    /// How many submissions of one user.
    pub count: usize,
    /// Within how much time, in milliseconds.
    pub window_ms: u64,
}

/// How pushes are taken in.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GitRules {
    /// Whom one pushes as.
    pub account: String,
    /// To which branch.
    pub branch: String,
    /// Which files of a commit are submissions.
    pub files: Vec<String>,
}

/// What is accepted with one extension.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LanguageRules {
    /// The file's ending.
    pub extension: Extension,
    /// How it is run; `{source}` stands for the file.
    pub command: String,
    /// Whether it is checked before it is queued.
    pub checked: bool,
    /// Whether the answer is a file, and not standard output.
    pub answer_in_file: bool,
    /// The only modules that it may import.
    pub imports: Option<Vec<String>>,
}

/// What one run may spend.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LimitRules {
    /// CPU time, in milliseconds.
    pub cpu_ms: u64,
    /// Wall time, in milliseconds.
    pub wall_ms: u64,
    /// Memory, in bytes.
    pub memory: u64,
    /// Processes and threads.
    pub processes: u64,
    /// Output, in bytes.
    pub output: u64,
    /// Files, in bytes.
    pub scratch: u64,
}

/// The rules in force.
#[must_use]
pub fn rules_page(source: Source<'_>) -> RulesPage {
    let config = &source.rules.config;
    let languages = config.languages.iter().map(|(extension, language)| LanguageRules {
        extension: extension.clone(),
        command: language.command.join(" "),
        checked: language.check.is_some(),
        answer_in_file: language.output == Output::File,
        imports: language.allow_imports.clone(),
    });
    RulesPage {
        languages: languages.collect(),
        limits: limits(&config.limits),
        public_cases: config.cases.public.clone(),
        total: match config.score.total {
            Total::Sum => "sum",
            Total::Mean => "mean",
            Total::Min => "min",
            Total::Max => "max",
        },
        failed: match config.score.failed {
            Score::Infeasible => "∞".to_owned(),
            failed @ Score::Finite(_) => failed.brief(),
        },
        max_bytes: config.submissions.max_size,
        settle_ms: millis(config.submissions.settle),
        rate: (config.submissions.rate).map(|rate| RateRules { count: rate.count, window_ms: millis(rate.window) }),
        pending: config.submissions.pending_per_user,
        disk_bytes: config.submissions.disk_per_user,
        git: config.git.as_ref().map(|git| GitRules {
            account: git.account.clone(),
            branch: git.branch.clone(),
            files: git.files.iter().map(|file| file.path.clone()).collect(),
        }),
        url: config.competition.url.clone(),
        owned: config.submissions.identity == Identity::Owner,
        workers: config.queue.workers,
        engine: match config.sandbox.engine {
            Engine::Bubblewrap => "bubblewrap",
            Engine::Docker => "Docker",
        },
        // Where things lie on the machine is nobody's business.
        image: config.sandbox.image.rsplit('/').next().unwrap_or_default().to_owned(),
        evaluator_sha256: source.history.evaluator(),
    }
}

fn limits(limits: &Limits) -> LimitRules {
    LimitRules {
        cpu_ms: millis(limits.cpu),
        wall_ms: millis(limits.wall),
        memory: limits.memory,
        processes: limits.processes,
        output: limits.output,
        scratch: limits.scratch,
    }
}

/// A time in whole milliseconds.
pub(super) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::story::{Story, rules};

    #[test]
    fn the_rules_are_those_of_the_config() {
        let rules = rules(
            "[submissions]\nrate = \"10/1h\"\ndisk_per_user = \"1 GiB\"\n[git]\nbranch = \"trunk\"\n[limits]\ncpu = \"1m 30s\"\nmemory = \"1 GiB\"\noutput = \"1000 B\"\n[sandbox]\nimage = \"/srv/secret/python\"\n",
        );
        let story = Story::default();
        let page = rules_page(story.source(&rules));
        assert_eq!((page.limits.cpu_ms, page.limits.wall_ms), (90_000, 270_000));
        assert_eq!((page.limits.memory, page.limits.output), (1 << 30, 1000));
        assert_eq!(page.rate, Some(RateRules { count: 10, window_ms: 3_600_000 }));
        assert_eq!((page.pending, page.disk_bytes), (None, Some(1 << 30)));
        let git = page.git.expect("the door for git is open");
        assert_eq!((git.branch.as_str(), git.files.join(" ").as_str()), ("trunk", "solution.py"));
        assert_eq!(page.image, "python", "of a path the last part");
        assert_eq!(page.languages[0].command, "python3 {source}");
        assert_eq!(page.public_cases.len(), 2, "and no private one");
    }
}
