//! Floor 0: what Podium decides, without I/O, clock or environment. Time is an argument, files are facts.

pub mod aside;
pub mod config;
pub mod desk;
pub mod details;
pub mod digest;
pub mod eta;
pub mod evaluation;
pub mod history;
pub mod ids;
pub mod kept;
pub mod machine;
pub mod order;
pub mod outcome;
pub mod password;
pub mod places;
pub mod quota;
pub mod record;
pub mod roster;
pub mod rules;
pub mod score;
pub mod standings;
#[cfg(test)]
pub(crate) mod story;
pub mod strings;
pub mod submission;
pub mod text;
pub mod users;
pub mod verdict;
pub mod view;
