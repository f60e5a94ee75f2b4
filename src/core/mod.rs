//! Floor 0: what Podium decides, without I/O, clock or environment. Time is an argument, files are facts.

pub mod config;
pub mod digest;
pub mod eta;
pub mod evaluation;
pub mod history;
pub mod ids;
pub mod machine;
pub mod record;
pub mod rules;
pub mod score;
pub mod standings;
#[cfg(test)]
mod story;
pub mod submission;
pub mod text;
pub mod users;
pub mod verdict;
pub mod view;
