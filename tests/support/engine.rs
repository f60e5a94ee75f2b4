//! The sandbox engines that the tests run over. One that is missing is a failure: a test that skips itself tests nothing.

use std::process::Command;
use std::sync::OnceLock;

/// The image of the docker tests, made by `scripts/setup test`.
pub const IMAGE: &str = "podium-test-python:1";

/// A sandbox engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Engine {
    Bubblewrap,
    Docker,
    /// Docker with gVisor in the place of its own runtime.
    Runsc,
}

impl Engine {
    /// All of them.
    pub const ALL: [Engine; 3] = [Engine::Bubblewrap, Engine::Docker, Engine::Runsc];

    /// As people call it.
    pub fn name(self) -> &'static str {
        match self {
            Engine::Bubblewrap => "bubblewrap",
            Engine::Docker => "docker",
            Engine::Runsc => "runsc",
        }
    }

    /// Whether its runs are containers.
    pub fn has_containers(self) -> bool {
        self != Engine::Bubblewrap
    }

    /// Panics, and says what to do, where the engine cannot be had.
    pub fn require(self) {
        if let Err(why) = self.found() {
            panic!("{why}\n`scripts/setup test` installs and makes what the tests need");
        }
    }

    /// Whether it can be had, or why not.
    pub fn found(self) -> Result<(), String> {
        static BUBBLEWRAP: OnceLock<Result<(), String>> = OnceLock::new();
        static DOCKER: OnceLock<Result<(), String>> = OnceLock::new();
        static RUNSC: OnceLock<Result<(), String>> = OnceLock::new();
        let found = match self {
            Engine::Bubblewrap => BUBBLEWRAP.get_or_init(|| {
                if !rustix::process::geteuid().is_root() {
                    return Err("the tests of the bubblewrap engine have to be run by root".into());
                }
                answers("bwrap", &["--version"]).map_err(|why| format!("there is no bubblewrap: {why}"))
            }),
            Engine::Docker => DOCKER.get_or_init(|| {
                answers("docker", &["version"]).map_err(|why| format!("the Docker engine does not answer: {why}"))?;
                answers("docker", &["image", "inspect", IMAGE])
                    .map_err(|why| format!("there is no image {IMAGE}: {why}"))
            }),
            Engine::Runsc => RUNSC.get_or_init(|| {
                Engine::Docker.found()?;
                answers("docker", &["info", "--format", "{{index .Runtimes \"runsc\"}}"])
                    .map_err(|why| format!("the Docker engine does not know the runtime runsc: {why}"))?;
                let run = ["run", "--rm", "--runtime=runsc", "--network=none", IMAGE, "true"];
                answers("docker", &run).map_err(|why| format!("the runtime runsc does not run a container: {why}"))
            }),
        };
        found.clone()
    }
}

fn answers(program: &str, arguments: &[&str]) -> Result<(), String> {
    match Command::new(program).args(arguments).output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        Err(error) => Err(error.to_string()),
    }
}
