//! Podium runs a code competition out of a folder. See ARCHITECTURE.md for the shape of the code.

pub mod archive;
pub mod check;
pub mod cli;
pub mod core;
pub mod daemon;
pub mod files;
pub mod home;
pub mod inbox;
pub mod journal;
pub mod judge;
pub mod material;
pub mod sandbox;
pub mod settings;
pub mod site;
