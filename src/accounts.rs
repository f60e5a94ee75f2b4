//! The accounts of a competition: users.csv as a file, and what a machine makes of it so that students come in by SFTP: an account each,
//! folders, keys, and sshd's rules for them.
//!
//! `plan` compares what has to be with what the machine has, and gives steps; a `Step` shows itself as the command that a person could type,
//! or is done. Nothing here knows of the log or the daemon.

mod keys;
mod list;
mod machine;
mod plan;
mod public_key;
mod secret;
mod sshd;
mod step;

pub use keys::{Key, Keys, of_nobody as keys_of_nobody, read as read_keys};
pub use list::{ListError, change, close, read};
pub use machine::{Account, Machine};
pub use plan::{Door, GitDoor, plan, undo};
pub use secret::{hash, new_password};
pub use step::{Step, StepError};
