//! What else a judging's times depend on: the machine, as far as it can be written down.

use std::fs;

use crate::core::record::Host;
use crate::sandbox::Cores;

/// The machine as it is now, for a judging that is kept to these cores.
#[must_use]
pub fn now(cores: Option<&Cores>) -> Host {
    let load = fs::read_to_string("/proc/loadavg").ok();
    Host {
        kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
        cores: cores.map_or_else(|| Cores::all().to_string(), ToString::to_string),
        pinned: cores.is_some(),
        load: load.and_then(|load| load.split(' ').next()?.parse().ok()),
    }
}
