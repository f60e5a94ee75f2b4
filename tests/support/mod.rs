//! A competition for a test: a real home in a temporary folder, and the real program as its daemon.
//!
//! A test reads as a story: `Competition::new("Numbers").users(…).start()`, files are dropped, the test waits for what has to come of
//! them, and looks at what everybody else would look at: the log, the pages, the exit status. Nothing in here reaches into the program.

#![allow(dead_code, unused_imports, reason = "every test program has all of this, and none needs all of it")]
#![allow(unreachable_pub, reason = "`pub` says here what the tests may use")]

pub mod browser;
mod competition;
mod contest;
mod daemon;
pub mod door;
mod engine;
mod log;
mod port;
mod program;
mod public;
pub mod push;
pub mod registry;
mod traces;
mod verb;
mod wait;

pub use competition::{CASES, Competition, HIDDEN_CASE, HIDDEN_TAG, HIDDEN_WEIGHT, OPEN_TAGS, OPEN_WEIGHT, STAFF_TAG};
pub use contest::{Contest, a_new_id};
pub use daemon::Daemon;
pub use door::Door;
pub use engine::Engine;
pub use log::{sha256, sha256_of_file};
pub use port::free_port;
pub use program::{answer, slow_answer};
pub use public::{Site, get, raw_control};
pub use verb::{Ran, podium};
pub use wait::{PATIENCE, wait_until};
