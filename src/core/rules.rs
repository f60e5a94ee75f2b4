//! The rules in force: config.toml and users.csv, as they were read together.

use super::config::Config;
use super::digest::Digest;
use super::users::Users;

/// What a superuser decided. A judging keeps the rules that it began with.
#[derive(Debug, Clone, PartialEq)]
pub struct Rules {
    /// config.toml, checked.
    pub config: Config,
    /// The digest of its bytes.
    pub config_sha256: Digest,
    /// users.csv, checked.
    pub users: Users,
}
