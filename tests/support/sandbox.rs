//! A home, an engine, and small programs to run in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use podium::core::config::{Engine, Limits, SandboxSettings};
use podium::images::{Names, Store};
use podium::sandbox::{self, AnswerFile, Ended, Fault, Mount, Place, RunReport, RunSpec, Sandbox};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

/// The image of the Docker tests; `scripts/make-image podium-test-python:1` makes it.
pub(crate) const IMAGE: &str = "podium-test-python:1";

/// An engine at work for a home of its own, so that tests that run at the same time find only their own traces.
pub(crate) struct Rig {
    pub(crate) under: Under,
    pub(crate) settings: SandboxSettings,
    pub(crate) place: Place,
    pub(crate) sandbox: Arc<dyn Sandbox>,
    pub(crate) home: TempDir,
    labels: AtomicU64,
}

/// A store for engines that unpack nothing.
pub(crate) fn images() -> Store {
    Store::new("/no/such/store".into(), "/no/such/home".into(), Names::Anew)
}

/// What a run is shut in by: an engine, and where it has several, which of its runtimes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Under {
    Bubblewrap,
    Docker,
    /// Docker with runsc.
    Gvisor,
}

impl Under {
    pub(crate) fn named(name: &str) -> Self {
        let all = [Self::Bubblewrap, Self::Docker, Self::Gvisor];
        all.into_iter().find(|under| format!("{under:?}") == name).expect("a known name")
    }
}

pub(crate) fn settings(under: Under) -> SandboxSettings {
    let (engine, image, runtime) = match under {
        Under::Bubblewrap => (Engine::Bubblewrap, "host", None),
        Under::Docker => (Engine::Docker, IMAGE, None),
        Under::Gvisor => (Engine::Docker, IMAGE, Some("runsc".into())),
    };
    SandboxSettings { engine, image: image.into(), runtime, gpus: None, endpoint: None, unix_sockets: false }
}

impl Rig {
    /// Fails where the engine does not work: a contract that was not tried is not kept.
    pub(crate) async fn new(under: Under) -> Self {
        Self::with(under, |_| ()).await
    }

    /// The same, with settings that differ.
    pub(crate) async fn with(under: Under, change: impl FnOnce(&mut SandboxSettings)) -> Self {
        let home = tempfile::Builder::new().prefix("contract-").tempdir().expect("a temporary folder");
        let work = home.path().join("results/work");
        fs::create_dir_all(&work).expect("a work folder");
        // As in a real home: what is in results/ is nobody else's business.
        fs::set_permissions(home.path().join("results"), std::os::unix::fs::PermissionsExt::from_mode(0o700))
            .expect("chmod");
        let mut settings = settings(under);
        change(&mut settings);
        let place = Place { home_id: unique(), owner: Place::DAEMON.into(), work, host_home: None, images: images() };
        let sandbox = sandbox::open(&settings, &place);
        let rig = Self { under, settings, place, sandbox, home, labels: AtomicU64::new(0) };
        if let Err(fault) = rig.sandbox.probe().await {
            panic!("{under:?} does not work here, so its contract cannot be tried: {fault}");
        }
        rig
    }

    /// Around an engine that is open already.
    #[allow(dead_code, reason = "only one of the tests that share this opens engines in its own way")]
    pub(crate) fn around(sandbox: Arc<dyn Sandbox>, settings: SandboxSettings, place: Place) -> Self {
        let home = tempfile::tempdir().expect("a temporary folder");
        Self { under: Under::Docker, settings, place, sandbox, home, labels: AtomicU64::new(0) }
    }

    /// A Python program, which lies at `/source/main.py`.
    pub(crate) fn python(&self, code: &str) -> Job<'_> {
        let mut job = self.command(&["python3", "-I", "/source/main.py"]);
        let source = job.spec.folder.with_extension("py");
        fs::write(&source, code).expect("write the source");
        job.spec.mounts.push(Mount { host: source, inside: "/source/main.py".into() });
        job
    }

    pub(crate) fn command(&self, command: &[&str]) -> Job<'_> {
        let label = format!("t-{}", self.labels.fetch_add(1, Ordering::Relaxed));
        let folder = self.place.work.join("runs").join(&label);
        fs::create_dir_all(&folder).expect("a run's folder");
        Job { rig: self, spec: spec(&label, command, &folder, &[]) }
    }

    /// The processes of all runs of this rig.
    pub(crate) fn processes(&self) -> Vec<i32> {
        let of_this_home = |pid: &i32| {
            let cgroup = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
            cgroup.contains(&self.place.home_id)
        };
        let processes = fs::read_dir("/proc").expect("/proc").flatten();
        processes.filter_map(|process| process.file_name().to_str()?.parse().ok()).filter(of_this_home).collect()
    }

    /// What there is on this machine that belongs to a run of this rig: processes, control groups, containers, mounts.
    pub(crate) fn traces(&self) -> Vec<String> {
        let mut traces = Vec::new();
        for process in self.processes() {
            let command = fs::read_to_string(format!("/proc/{process}/cmdline")).unwrap_or_default();
            traces.push(format!("process {process}: {}", command.replace('\0', " ")));
        }
        fn walk(folder: &Path, home_id: &str, traces: &mut Vec<String>) {
            for entry in fs::read_dir(folder)
                .into_iter()
                .flatten()
                .flatten()
                .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
            {
                if folder.file_name().is_some_and(|name| name == home_id) {
                    traces.push(format!("control group {}", entry.path().display()));
                }
                walk(&entry.path(), home_id, traces);
            }
        }
        walk(Path::new("/sys/fs/cgroup"), &self.place.home_id, &mut traces);
        let mounts = fs::read_to_string("/proc/self/mountinfo").expect("mountinfo");
        traces.extend(
            mounts
                .lines()
                .filter(|line| line.contains(&*self.home.path().to_string_lossy()))
                .map(|line| format!("mount {line}")),
        );
        if self.settings.engine == Engine::Docker {
            let label = format!("label=podium.home={}", self.place.home_id);
            traces.extend(
                docker(&["ps", "--all", "--quiet", "--filter", &label]).lines().map(|id| format!("container {id}")),
            );
        }
        traces
    }
}

/// A run with limits that none of the small programs comes near to.
pub(crate) fn spec(label: &str, command: &[&str], folder: &Path, mounts: &[(&Path, &str)]) -> RunSpec {
    let limits = Limits {
        cpu: Duration::from_secs(20),
        wall: Duration::from_secs(40),
        memory: 256 << 20,
        processes: 64,
        output: 1 << 20,
        scratch: 16 << 20,
    };
    RunSpec {
        label: label.into(),
        command: command.iter().map(|word| (*word).to_owned()).collect(),
        mounts: mounts
            .iter()
            .map(|(host, inside)| Mount { host: (*host).to_owned(), inside: (*inside).to_owned() })
            .collect(),
        stdin: None,
        answer_file: false,
        limits,
        cores: None,
        folder: folder.to_owned(),
    }
}

/// Eight hexadecimal digits that no other rig has.
pub(crate) fn unique() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let nanos = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock").subsec_nanos();
    format!(
        "{:08x}",
        (u64::from(nanos) ^ u64::from(std::process::id()) << 12)
            .wrapping_add(NEXT.fetch_add(0x9e37_79b9, Ordering::Relaxed))
            & 0xffff_ffff
    )
}

pub(crate) fn docker(arguments: &[&str]) -> String {
    let output = std::process::Command::new("docker").args(arguments).output().expect("the docker command");
    assert!(output.status.success(), "docker {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A run that is being described.
pub(crate) struct Job<'a> {
    rig: &'a Rig,
    pub(crate) spec: RunSpec,
}

impl Job<'_> {
    pub(crate) fn limit(mut self, change: impl FnOnce(&mut Limits)) -> Self {
        change(&mut self.spec.limits);
        self
    }

    pub(crate) fn argument(mut self, argument: &str) -> Self {
        self.spec.command.push(argument.to_owned());
        self
    }

    pub(crate) fn stdin(mut self, bytes: &[u8]) -> Self {
        let path = self.spec.folder.with_extension("stdin");
        fs::write(&path, bytes).expect("write the input");
        self.spec.stdin = Some(path);
        self
    }

    pub(crate) fn mount(mut self, host: impl Into<PathBuf>, inside: &str) -> Self {
        self.spec.mounts.push(Mount { host: host.into(), inside: inside.to_owned() });
        self
    }

    pub(crate) fn wanting_an_answer(mut self) -> Self {
        self.spec.answer_file = true;
        self
    }

    pub(crate) async fn run_on(self, sandbox: &dyn Sandbox) -> Ran {
        let report = sandbox.run(&self.spec, &CancellationToken::new()).await.expect("a report");
        Ran { report, folder: self.spec.folder }
    }

    pub(crate) async fn try_run(self, cancel: &CancellationToken) -> Result<Ran, Fault> {
        let report = self.rig.sandbox.run(&self.spec, cancel).await?;
        Ok(Ran { report, folder: self.spec.folder })
    }

    pub(crate) async fn run(self) -> Ran {
        let label = self.spec.label.clone();
        self.try_run(&CancellationToken::new())
            .await
            .unwrap_or_else(|fault| panic!("run {label} has no report: {fault:?}"))
    }
}

/// A run that has ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) report: RunReport,
    pub(crate) folder: PathBuf,
}

impl Ran {
    pub(crate) fn stdout(&self) -> String {
        self.kept("stdout", self.report.stdout)
    }

    pub(crate) fn stderr(&self) -> String {
        self.kept("stderr", self.report.stderr)
    }

    fn kept(&self, name: &str, length: u64) -> String {
        let bytes = fs::read(self.folder.join(name)).expect("a file for the stream");
        assert_eq!(bytes.len() as u64, length, "the report gives the length of {name}");
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// It ended in this way; what it wrote is in the message if it did not.
    #[track_caller]
    pub(crate) fn ended(self, ended: Ended) -> Self {
        assert_eq!(
            self.report.ended,
            ended,
            "{:?}\nstdout: {:.2000}\nstderr: {:.2000}",
            self.report,
            self.stdout(),
            self.stderr()
        );
        self
    }

    #[track_caller]
    pub(crate) fn says(self, expected: &str) -> Self {
        let this = self.ended(Ended::Exited(0));
        assert_eq!(this.stdout(), expected, "stderr: {:.2000}", this.stderr());
        this
    }

    #[track_caller]
    pub(crate) fn answer(&self) -> (AnswerFile, Option<Vec<u8>>) {
        (self.report.answer.clone(), fs::read(self.folder.join("answer")).ok())
    }
}
