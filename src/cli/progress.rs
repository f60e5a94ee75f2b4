//! A line that shows how far work is: on a terminal, and only when it takes more than a second. Piped output stays plain.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Work shorter than this shows nothing.
const PATIENCE: Duration = Duration::from_secs(1);

/// The line.
pub(super) struct Progress {
    began: Instant,
    shown: Option<ProgressBar>,
    total: u64,
    what: &'static str,
}

impl Progress {
    /// Nothing is shown yet. `what`: the things that are counted.
    pub(super) fn new(what: &'static str) -> Self {
        Self { began: Instant::now(), shown: None, total: 0, what }
    }

    /// How far the work is now.
    pub(super) fn set(&mut self, done: u64, total: u64, message: impl Into<String>) {
        if self.shown.is_none() {
            if self.began.elapsed() < PATIENCE {
                return;
            }
            let style = ProgressStyle::with_template("{bar:24} {pos}/{len} {prefix}  {msg}")
                .unwrap_or_else(|_| ProgressStyle::default_bar());
            // Hidden by itself where standard error is no terminal.
            let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr())
                .with_style(style)
                .with_prefix(self.what);
            self.shown = Some(bar);
        }
        if let Some(bar) = &self.shown {
            if self.total != total {
                bar.set_length(total);
                self.total = total;
            }
            bar.set_message(message.into());
            bar.set_position(done);
        }
    }

    /// Takes the line away.
    pub(super) fn clear(&self) {
        if let Some(bar) = &self.shown {
            bar.finish_and_clear();
        }
    }
}
