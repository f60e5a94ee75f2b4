//! Podium runs a code competition out of a folder. See ARCHITECTURE.md for the shape of the code.

pub mod accounts;
pub mod archive;
pub mod check;
pub mod cli;
pub mod client;
pub mod core;
pub mod daemon;
pub mod export;
pub mod files;
pub mod git;
pub mod home;
pub mod images;
pub mod inbox;
pub mod journal;
pub mod judge;
pub mod material;
pub mod outbox;
pub mod random;
pub mod sandbox;
pub mod settings;
pub mod site;
pub mod staff;
