//! results/metrics.prom: how the daemon is, in numbers, for the textfile collector of Prometheus' node_exporter.
//!
//! Counts and times only: no name, no score, nothing of a case.

use std::fmt::Write;

use chrono::{DateTime, Utc};

use crate::core::config::Board;
use crate::core::history::History;
use crate::core::rules::Rules;
use crate::files;
use crate::home::Home;

/// What the log does not say.
#[derive(Debug, Clone, Copy)]
pub(super) struct Health {
    /// Now.
    pub(super) now: DateTime<Utc>,
    /// Whether something keeps it from judging.
    pub(super) held: bool,
    /// How many things an instructor has to mend.
    pub(super) problems: usize,
    /// What is free where results/ lies, in bytes; `None` where the system does not say.
    pub(super) free_bytes: Option<u64>,
}

/// Writes the file. A failure is no more than a warning: judging does not wait for whoever watches it.
pub(super) fn write(home: &Home, history: &History, rules: &Rules, health: Health) {
    if let Err(error) = files::replace(&home.metrics(), text(history, rules, health).as_bytes(), 0o644) {
        tracing::warn!(%error, "results/metrics.prom could not be written");
    }
}

fn text(history: &History, rules: &Rules, health: Health) -> String {
    let mut out = String::new();
    // A collector's folder may hold the files of several competitions: two series of one name and the same labels are an error there.
    let title = rules.config.competition.title.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let mut put = |name: &str, kind: &str, help: &str, values: &[(&str, f64)]| {
        let _ = writeln!(out, "# HELP podium_{name} {help}\n# TYPE podium_{name} {kind}");
        for (label, value) in values {
            let comma = if label.is_empty() { "" } else { "," };
            let _ = writeln!(out, "podium_{name}{{competition=\"{title}\"{comma}{label}}} {value}");
        }
    };
    let number = |yes: bool| if yes { 1.0 } else { 0.0 };
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let count = |many: usize| many as f64;
    let unix = |at: DateTime<Utc>| number_of_millis(at) / 1000.0;
    let (waiting, running) = (history.waiting().count(), history.running().count());
    let accepted = history.submissions().len();
    let ago = |at: Option<DateTime<Utc>>| at.map_or(0.0, |at| (unix(health.now) - unix(at)).max(0.0));
    let open = history.board().unwrap_or(rules.config.competition.state) == Board::Open;

    put("alive_timestamp_seconds", "gauge", "The latest sign of life.", &[("", unix(health.now))]);
    put("held", "gauge", "Whether something keeps judging from going on.", &[("", number(health.held))]);
    put("problems", "gauge", "What an instructor has to mend.", &[("", count(health.problems))]);
    put("open", "gauge", "Whether the board is open.", &[("", number(open))]);
    put("submissions_accepted_total", "counter", "Submissions that were taken in.", &[("", count(accepted))]);
    put(
        "submissions_judged_total",
        "counter",
        "Submissions that have a result.",
        &[("", count(accepted - waiting - running))],
    );
    put(
        "queue",
        "gauge",
        "Submissions without a result.",
        &[("state=\"waiting\"", count(waiting)), ("state=\"running\"", count(running))],
    );
    let first = history.waiting().next().map(|first| first.receipt.at);
    put("queue_oldest_seconds", "gauge", "How long the first in line has waited.", &[("", ago(first))]);
    let longest = history.running().map(|(_, since)| since).min();
    put("running_longest_seconds", "gauge", "How long the longest judging runs.", &[("", ago(longest))]);
    put(
        "workers",
        "gauge",
        "Submissions that are judged at the same time.",
        &[("", count(rules.config.queue.workers))],
    );
    if let Some(usual) = history.usual() {
        put(
            "judging_seconds",
            "gauge",
            "How long the latest judgings took.",
            &[
                ("quantile=\"0.1\"", usual.quick.as_secs_f64()),
                ("quantile=\"0.5\"", usual.median.as_secs_f64()),
                ("quantile=\"0.9\"", usual.slow.as_secs_f64()),
            ],
        );
    }
    if let Some(head) = history.head() {
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        put("log_lines_total", "counter", "Lines of the log.", &[("", head.seq as f64)]);
        put("log_timestamp_seconds", "gauge", "When the log's last line was written.", &[("", unix(head.at))]);
    }
    if let Some(free) = health.free_bytes {
        #[expect(clippy::cast_precision_loss, reason = "for people")]
        put("results_free_bytes", "gauge", "What is free where results/ lies.", &[("", free as f64)]);
    }
    out
}

fn number_of_millis(at: DateTime<Utc>) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of this century fit")]
    let millis = at.timestamp_millis() as f64;
    millis
}
