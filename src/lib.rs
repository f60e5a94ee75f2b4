//! Podium runs a code competition out of a folder. See ARCHITECTURE.md for the shape of the code.

pub mod core;
pub mod sandbox;
