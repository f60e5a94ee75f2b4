//! The container of one run, described for the API: everything that is shut in it, and the little that is not.
//!
//! It performs nothing and knows no engine's state.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use bollard::models::{
    ContainerCreateBody, HealthConfig, HostConfig, HostConfigCgroupnsModeEnum, HostConfigLogConfig, Mount as ApiMount,
    MountBindOptions, MountBindOptionsPropagationEnum, MountType, ResourcesUlimits,
};

use super::super::place::Place;
use super::super::{ENVIRONMENT, Fault, RunSpec, SCRATCH, inodes};
use super::wrapper;

/// Labels by which a container's home, owner and run are known.
pub(super) const HOME: &str = "podium.home";
/// See [`HOME`].
pub(super) const NAME: &str = "podium.name";

/// What the image and the engine add to a run.
#[derive(Debug)]
pub(super) struct Setting<'a> {
    /// The image's id, not its name: a name may come to mean something else between two runs.
    pub(super) image: &'a str,
    /// Names of environment variables that the image sets.
    pub(super) environment: &'a [String],
    /// `None`: the engine's own.
    pub(super) runtime: Option<&'a str>,
    /// The list of system calls.
    pub(super) seccomp: &'a str,
    /// The control group to make the container's in. `None`: wherever the engine makes it.
    pub(super) parent: Option<String>,
    /// The uid and gid.
    pub(super) user: u32,
}

/// By how much the limit of a container in a group of ours lies above the group's own, in bytes.
const BESIDE: u64 = 1 << 20;
/// Processes that the container needs beside the program: the shell, and while it starts the runtime's own threads.
const OWN_PROCESSES: u64 = 1;
/// Below this many processes a container does not start.
const FEWEST_PROCESSES: u64 = 16;

/// The processes that the container of the run may have.
pub(super) fn processes(spec: &RunSpec) -> u64 {
    (spec.limits.processes + OWN_PROCESSES).max(FEWEST_PROCESSES)
}

/// The body of the request that creates the container.
///
/// # Errors
/// [`Fault::Failed`] if something to be shown cannot be.
pub(super) fn body(spec: &RunSpec, place: &Place, setting: &Setting<'_>) -> Result<ContainerCreateBody, Fault> {
    let limit = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
    let ulimit =
        |name: &str, value: i64| ResourcesUlimits { name: Some(name.into()), soft: Some(value), hard: Some(value) };
    let mut ulimits = vec![ulimit("core", 0), ulimit("nofile", 1024)];
    if processes(spec) > spec.limits.processes + OWN_PROCESSES {
        // So few can only be counted by user. The user is this run's alone.
        ulimits.push(ulimit("nproc", limit(spec.limits.processes + OWN_PROCESSES)));
    }
    let stdin = spec.stdin.iter().map(|path| (path.as_path(), wrapper::STDIN));
    let shown = stdin.chain(spec.mounts.iter().map(|mount| (mount.host.as_path(), mount.inside.as_str())));
    let mounts = shown.map(|(host, inside)| show(host, inside, place)).collect::<Result<Vec<_>, _>>()?;
    // The group around the container has the limit itself. It must be the one that is reached, for it is the one that
    // tells us.
    let memory = spec.limits.memory + if setting.parent.is_some() { BESIDE } else { 0 };
    let host = HostConfig {
        network_mode: Some("none".into()),
        cap_drop: Some(vec!["ALL".into()]),
        privileged: Some(false),
        security_opt: Some(vec!["no-new-privileges".into(), format!("seccomp={}", setting.seccomp)]),
        readonly_rootfs: Some(true),
        pids_limit: Some(limit(processes(spec))),
        memory: Some(limit(memory)),
        // Memory and swap together: no swap.
        memory_swap: Some(limit(memory)),
        ulimits: Some(ulimits),
        oom_score_adj: Some(1000),
        tmpfs: Some(writable(spec.limits.scratch, setting.user).into()),
        ipc_mode: Some("private".into()),
        cgroupns_mode: Some(HostConfigCgroupnsModeEnum::PRIVATE),
        cgroup_parent: setting.parent.clone(),
        log_config: Some(HostConfigLogConfig { typ: Some("none".into()), config: None }),
        mounts: Some(mounts),
        runtime: setting.runtime.map(str::to_owned),
        ..HostConfig::default()
    };
    // A name alone takes a variable away, be it the image's or one that the engine adds. The shell sets the program's
    // own again.
    let mut environment: Vec<String> = ENVIRONMENT.iter().map(|(name, value)| format!("{name}={value}")).collect();
    environment.push("HOSTNAME".into());
    environment
        .extend(setting.environment.iter().filter(|name| ENVIRONMENT.iter().all(|(own, _)| own != name)).cloned());
    let labels = [(HOME.to_owned(), place.home_id.clone()), (NAME.to_owned(), place.name(&spec.label))];
    Ok(ContainerCreateBody {
        image: Some(setting.image.to_owned()),
        hostname: Some("podium".into()),
        user: Some(format!("{0}:{0}", setting.user)),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        tty: Some(false),
        env: Some(environment),
        entrypoint: Some(wrapper::command(spec)),
        cmd: Some(Vec::new()),
        healthcheck: Some(HealthConfig { test: Some(vec!["NONE".into()]), ..HealthConfig::default() }),
        working_dir: Some(SCRATCH.into()),
        labels: Some(labels.into()),
        host_config: Some(host),
        ..ContainerCreateBody::default()
    })
}

/// The writable folders. They are file systems of their own here, so the bound for all is divided: what a program
/// writes it mostly writes where it starts.
fn writable(bytes: u64, user: u32) -> [(String, String); 3] {
    let options = |bytes: u64, mode: &str| {
        format!("rw,exec,nosuid,nodev,size={bytes},nr_inodes={},mode={mode},uid={user},gid={user}", inodes(bytes))
    };
    let side = bytes / 8;
    [
        (SCRATCH.to_owned(), options(bytes - 2 * side, "0700")),
        ("/tmp".to_owned(), options(side, "1777")),
        ("/dev/shm".to_owned(), options(side, "1777")),
    ]
}

fn show(host: &Path, inside: &str, place: &Place) -> Result<ApiMount, Fault> {
    let failed =
        |error: &dyn std::fmt::Display| Fault::Failed(format!("cannot show {} to a run: {error}", host.display()));
    // What is seen here is what the engine mounts: it has no right that we lack, and the folders above may be closed to
    // others.
    let meta = host.symlink_metadata().map_err(|error| failed(&error))?;
    let mode = meta.permissions().mode();
    let readable = if meta.is_dir() { mode & 0o005 == 0o005 } else { mode & 0o004 != 0 };
    if meta.is_symlink() {
        return Err(failed(&"it is neither a file nor a folder"));
    }
    if !readable {
        return Err(failed(&format_args!("its mode, {:o}, closes it to others", mode & 0o7777)));
    }
    Ok(ApiMount {
        target: Some(inside.to_owned()),
        source: Some(place.on_host(host).to_string_lossy().into_owned()),
        typ: Some(MountType::BIND),
        read_only: Some(true),
        bind_options: Some(MountBindOptions {
            propagation: Some(MountBindOptionsPropagationEnum::RPRIVATE),
            non_recursive: Some(true),
            ..MountBindOptions::default()
        }),
        ..ApiMount::default()
    })
}
