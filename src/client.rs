//! The student's side of the inbox: sends a file by SFTP, through the `ssh` program that is there, and reads what comes back. Whatever the
//! server says is a stranger's text.

mod address;
mod answer;
mod session;
mod ssh;

pub use address::{Address, BadAddress};
pub use answer::{Answer, Case, Place, Receipt, Shown, place_in};
pub use session::{Session, SftpError};
pub use ssh::{Connection, Login, SshError};
