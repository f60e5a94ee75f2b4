//! The cases, in the order of the table.

mod arc;
mod eval;
mod leak;
mod own;
mod res;
mod sbx;

use super::ring::Entrance;
use super::support::Engine;

/// One case of the table.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    pub id: &'static str,
    /// What it attacks, for the table.
    pub what: &'static str,
    /// Whether it has a competition of its own.
    pub alone: bool,
    /// Whether it takes the time of something.
    pub quiet: bool,
    /// Whether it is about how images are unpacked, which Docker does itself, out of what its operator put there.
    pub unpacks: bool,
    pub fight: fn(&mut Entrance<'_>),
}

impl Case {
    const fn shared(id: &'static str, what: &'static str, fight: fn(&mut Entrance<'_>)) -> Self {
        Self { id, what, alone: false, quiet: false, unpacks: false, fight }
    }

    const fn alone(id: &'static str, what: &'static str, fight: fn(&mut Entrance<'_>)) -> Self {
        Self { id, what, alone: true, quiet: false, unpacks: false, fight }
    }

    const fn image(id: &'static str, what: &'static str, fight: fn(&mut Entrance<'_>)) -> Self {
        Self { id, what, alone: true, quiet: false, unpacks: true, fight }
    }

    /// Whether there is anything to attack over an engine.
    pub fn is_for(&self, engine: Engine) -> bool {
        !self.unpacks || engine == Engine::Bubblewrap
    }

    const fn quiet(mut self) -> Self {
        self.quiet = true;
        self
    }
}

/// All of them.
pub fn all() -> Vec<Case> {
    [arc::CASES, sbx::CASES, res::CASES, eval::CASES, leak::CASES, own::CASES].concat()
}
