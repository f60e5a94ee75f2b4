//! The container of one run, described for the API: everything that is shut in it, and the little that is not.
//!
//! It performs nothing and knows no engine's state.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use bollard::models::{
    ContainerCreateBody, DeviceRequest, HealthConfig, HostConfig, HostConfigCgroupnsModeEnum, HostConfigLogConfig,
    Mount as ApiMount, MountBindOptions, MountBindOptionsPropagationEnum, MountType, ResourcesUlimits,
};

use super::super::place::Place;
use super::super::{ENVIRONMENT, Fault, RunSpec, SCRATCH, inodes};
use super::wrapper;
use crate::core::config::Gpus;

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
    /// The engine is Podman.
    pub(super) is_podman: bool,
    /// The runtime is a kernel of its own, which counts processes by itself.
    pub(super) has_own_kernel: bool,
    /// The graphics processors that it may use.
    pub(super) gpus: Option<Gpus>,
    /// The list of system calls.
    pub(super) seccomp: &'a str,
    /// The control group to make the container's in. `None`: wherever the engine makes it.
    pub(super) parent: Option<String>,
    /// The uid and gid.
    pub(super) user: u32,
}

/// What a container does not see. First what Docker masks by itself (27.0), then what counts for the whole machine and can
/// be pushed up at will, which would be a letter from one run to a later one. `/proc/stat`, `meminfo` and the like are
/// left: programs read them to know their machine.
const MASKED: [&str; 26] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
    "/proc/buddyinfo",
    "/proc/diskstats",
    "/proc/fs",
    "/proc/interrupts",
    "/proc/irq",
    "/proc/key-users",
    "/proc/locks",
    "/proc/pagetypeinfo",
    "/proc/pressure",
    "/proc/schedstat",
    "/proc/slabinfo",
    "/proc/softirqs",
    "/proc/sys/fs",
    "/proc/vmstat",
    "/proc/zoneinfo",
];

/// By how much the limit of a container in a group of ours lies above the group's own, in bytes.
const BESIDE: u64 = 1 << 20;
/// Processes that the container needs beside the program: the shell, and while it starts the runtime's own threads.
const OWN_PROCESSES: u64 = 1;
/// Below this many processes a container does not start.
const FEWEST_PROCESSES: u64 = 16;

/// What a kernel of its own has of the machine's processes and threads for itself, and what it has for each process
/// inside, by far the most that was ever seen (38 and 6). It is lost as a whole when it gets no more, so this is no
/// bound for the program: that is its own kernel's.
const OWN_KERNEL: (u64, u64) = (256, 12);

/// The machine's processes and threads that the container of the run may have.
pub(super) fn processes(spec: &RunSpec, has_own_kernel: bool) -> u64 {
    let inside = spec.limits.processes.saturating_add(OWN_PROCESSES);
    if has_own_kernel {
        OWN_KERNEL.0.saturating_add(inside.saturating_mul(OWN_KERNEL.1))
    } else {
        inside.max(FEWEST_PROCESSES)
    }
}

/// The body of the request that creates the container.
///
/// # Errors
/// [`Fault::Failed`] if something to be shown cannot be.
pub(super) fn body(spec: &RunSpec, place: &Place, setting: &Setting<'_>) -> Result<ContainerCreateBody, Fault> {
    let limit = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
    let ulimit =
        |name: &str, value: i64| ResourcesUlimits { name: Some(name.into()), soft: Some(value), hard: Some(value) };
    // Of one byte there is no core file, and the kernel starts no crash handler of the host's, as it would at 0.
    let mut ulimits = vec![ulimit("core", 1), ulimit("nofile", 1024)];
    let processes = processes(spec, setting.has_own_kernel);
    if processes > spec.limits.processes + OWN_PROCESSES || setting.is_podman {
        // These can only be counted by user. The user is this run's alone. Podman else asks for more than there may be.
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
        pids_limit: Some(limit(processes)),
        memory: Some(limit(memory)),
        // Memory and swap together: no swap.
        memory_swap: Some(limit(memory)),
        ulimits: Some(ulimits),
        oom_score_adj: Some(1000),
        masked_paths: Some(MASKED.map(str::to_owned).into()),
        cpuset_cpus: spec.cores.as_ref().map(ToString::to_string),
        tmpfs: Some(writable(spec.limits.scratch, setting).into()),
        ipc_mode: Some("private".into()),
        cgroupns_mode: Some(HostConfigCgroupnsModeEnum::PRIVATE),
        cgroup_parent: setting.parent.clone(),
        log_config: Some(HostConfigLogConfig { typ: Some("none".into()), config: None }),
        mounts: Some(mounts),
        device_requests: setting.gpus.map(|gpus| vec![graphics(gpus)]),
        auto_remove: Some(false),
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

/// What Docker's own `--gpus` asks for, and what a program needs to compute with them: the latter an image mostly asks
/// for by its environment, of which nothing is left.
fn graphics(gpus: Gpus) -> DeviceRequest {
    let count = match gpus {
        Gpus::All => -1,
        Gpus::Count(count) => i64::from(count),
    };
    let capabilities = ["gpu", "compute", "utility"].map(str::to_owned).to_vec();
    DeviceRequest { count: Some(count), capabilities: Some(vec![capabilities]), ..DeviceRequest::default() }
}

/// The writable folders. They are file systems of their own here, so the bound for all is divided: what a program
/// writes it mostly writes where it starts.
fn writable(bytes: u64, setting: &Setting<'_>) -> [(String, String); 3] {
    let options = |bytes: u64, mode: &str| {
        let (user, number) = (setting.user, inodes(bytes));
        let size = format!("rw,exec,nosuid,nodev,size={bytes}");
        // Podman takes neither a number nor an owner: there files are bounded in number by the memory that they cost, and
        // the folder is root's and everybody's, which inside is one and the same.
        match setting.is_podman {
            true => format!("{size},mode={}", mode.replace("0700", "0777")),
            false => format!("{size},nr_inodes={number},mode={mode},uid={user},gid={user}"),
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn host(change: impl FnOnce(&mut Setting<'_>)) -> HostConfig {
        let place = Place {
            home_id: "0123abcd".into(),
            owner: Place::DAEMON.into(),
            work: "/nowhere".into(),
            host_home: None,
            images: crate::images::Store::new("/nowhere".into(), "/nowhere".into(), crate::images::Names::Anew),
        };
        let mut setting = Setting {
            image: "sha256:00",
            environment: &[],
            runtime: None,
            is_podman: false,
            has_own_kernel: false,
            gpus: None,
            seccomp: "{}",
            parent: None,
            user: 2_000_000_000,
        };
        change(&mut setting);
        let spec = super::super::super::probe_spec(Path::new("/nowhere"));
        body(&spec, &place, &setting).expect("a body").host_config.expect("a host's part")
    }

    #[test]
    fn graphics_processors_are_asked_for_as_docker_does_with_what_computing_wants() {
        assert_eq!(host(|_| ()).device_requests, None);
        for (gpus, count) in [(Gpus::All, -1), (Gpus::Count(2), 2)] {
            let requests = host(|setting| setting.gpus = Some(gpus)).device_requests.expect("a request");
            let body = serde_json::to_value(requests).expect("JSON");
            let expected = serde_json::json!([{ "Count": count, "Capabilities": [["gpu", "compute", "utility"]] }]);
            assert_eq!(body, expected);
        }
    }

    #[test]
    fn a_kernel_of_its_own_gets_room_on_the_machine_and_counts_the_program_itself() {
        let limits = |host: HostConfig| {
            let limits = host.ulimits.into_iter().flatten();
            let nproc = limits.filter(|limit| limit.name.as_deref() == Some("nproc")).find_map(|limit| limit.hard);
            (host.pids_limit, nproc)
        };
        // The run has 4 processes, and its shell.
        assert_eq!(limits(host(|_| ())), (Some(16), Some(5)));
        assert_eq!(limits(host(|setting| setting.has_own_kernel = true)), (Some(256 + 12 * 5), Some(5)));
    }
}
