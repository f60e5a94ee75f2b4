//! The list of system calls, on its way to the engine.

use std::io::{self, Write};

use tempfile::NamedTempFile;

use super::super::place::Place;
use super::super::seccomp;
use super::engine::Found;

/// The list of system calls, as the engine takes it.
#[derive(Debug)]
pub(super) enum Filter {
    /// Docker: itself.
    Profile(String),
    /// Podman: a file, which it looks for on its own machine.
    File(NamedTempFile),
}

impl Filter {
    /// For runs on what was found.
    ///
    /// # Errors
    /// Of writing the file.
    pub(super) fn new(found: &Found, unix_sockets: bool, place: &Place) -> io::Result<Self> {
        let profile = seccomp::profile(unix_sockets, found.has_own_kernel);
        if !found.versions.is_podman() {
            return Ok(Self::Profile(profile));
        }
        let mut file = tempfile::Builder::new().prefix("seccomp-").suffix(".json").tempfile_in(&place.work)?;
        file.write_all(profile.as_bytes())?;
        Ok(Self::File(file))
    }

    /// What stands behind `seccomp=`.
    pub(super) fn option(&self, place: &Place) -> String {
        match self {
            Self::Profile(profile) => profile.clone(),
            Self::File(file) => place.on_host(file.path()).to_string_lossy().into_owned(),
        }
    }
}
