//! SBX: out of the sandbox.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use super::Case;
use crate::probe;
use crate::proxy::{Manner, Proxy};
use crate::ring::{Entrance, Ring};
use crate::support::{Engine, answer, raw_control, slow_answer, wait_until};

pub(super) const CASES: &[Case] = &[
    Case::shared("SBX-01", "kernel entry points", |entrance| plain(entrance, "SBX-01")),
    Case::shared("SBX-02", "files, sockets and descriptors of the host and of others", |entrance| {
        plain(entrance, "SBX-02");
    }),
    Case::shared("SBX-03", "network", network),
    Case::shared("SBX-04", "foreign processes, scheduling", |entrance| plain(entrance, "SBX-04")),
    Case::shared("SBX-05", "kernel knobs, control groups, clock", |entrance| plain(entrance, "SBX-05")),
    Case::shared("SBX-06", "privileges, device and setuid files, mounts", |entrance| plain(entrance, "SBX-06")),
    Case::alone("SBX-07", "what one run leaves for another, later or beside it", carry_over),
    Case::shared("SBX-08", "audit of a live run", audit),
    Case::alone("SBX-09", "an engine that cannot isolate: nothing runs", fail_closed),
];

/// A probe that needs nothing, and says of itself whether it was held.
fn plain(entrance: &mut Entrance<'_>, name: &'static str) {
    entrance.shared().probe(name, probe::text(name));
}

fn network(entrance: &mut Entrance<'_>) {
    let ring = entrance.shared();
    let host = TcpListener::bind("127.0.0.1:0").expect("a listener on the host's loopback");
    let port = host.local_addr().expect("its address").port();
    // Both families, where the machine has both.
    let _other = TcpListener::bind(("::1", port));
    ring.probe("SBX-03", probe::with_variable("SBX-03", "PROBE_PORT", &port.to_string()));
    host.set_nonblocking(true).expect("it need not wait");
    ring.holds(host.accept().is_err(), || "somebody reached the host's listener".into());
}

// ---------------------------------------------------------------------------------------------- SBX-07

fn carry_over(entrance: &mut Entrance<'_>) {
    let text = probe::text("SBX-07");
    entrance.alone(
        |competition| competition.set("limits.wall", "20s"),
        |ring| {
            // One submission, two cases; two submissions of one user; two users.
            for user in ["mallory", "mallory", "eve"] {
                let fought = ring.fight(user, "file", text);
                ring.must_hold("SBX-07", &fought);
            }
            // Two at the same time, of two users; each holds what it got until the other has looked.
            let held = probe::with("SBX-07", &["--hold"]);
            let ids = ["mallory", "eve"].map(|user| ring.submit(user, "file", &held));
            let spans = ids.map(|id| {
                let fought = ring.fought(&id);
                ring.must_hold("SBX-07", &fought);
                fought.bouts().map(|(_, bout)| span(&bout.stdout))
            });
            let beside = |one: &Option<[f64; 2]>, other: &Option<[f64; 2]>| {
                one.zip(*other).is_some_and(|(one, other)| one[1].min(other[1]) - one[0].max(other[0]) > 1.0)
            };
            let overlap = spans[0].iter().any(|one| spans[1].iter().any(|other| beside(one, other)));
            ring.holds(overlap, || format!("they did not hold at the same time: {spans:?}"));
            // Before and after another daemon.
            ring.end();
            assert!(ring.contest.stop().success(), "the daemon ends in order");
            ring.contest.start();
            ring.warm_up();
            ring.begin();
            let fought = ring.fight("mallory", "file", text);
            ring.must_hold("SBX-07", &fought);
        },
    );
}

/// From when to when a probe held what it had, as it says.
fn span(stdout: &str) -> Option<[f64; 2]> {
    let (from, to) = stdout.lines().find_map(|line| line.strip_prefix("held from ")?.split_once(" to "))?;
    Some([from.parse().ok()?, to.trim().parse().ok()?])
}

// ---------------------------------------------------------------------------------------------- SBX-08

fn audit(entrance: &mut Entrance<'_>) {
    let engine = entrance.engine;
    let ring = entrance.shared();
    // Its clock on the wall may stand still for a while on a busy machine.
    let fought = ring.with(&[("limits.wall", "20s")], |ring| {
        let id = ring.submit("mallory", "py", slow_answer("3", 3.0));
        if engine.has_containers() {
            audit_container(ring);
        } else {
            audit_process(ring);
        }
        ring.fought(&id)
    });
    ring.same("the audited run's verdict", &fought.status["verdict"], "accepted");
}

/// What Docker says of the container of a live run, each item of the row.
fn audit_container(ring: &mut Ring) {
    let label = format!("label=podium.home={}", ring.contest.home_id());
    let mut found = Value::Null;
    ring.contest.wait_for("a container of the program runs", || {
        let ids = docker(&["ps", "--quiet", "--filter", &label]);
        let inspected = ids.lines().filter_map(|id| serde_json::from_str::<Value>(&docker(&["inspect", id])).ok());
        let mut programs = inspected.map(|list| list[0].clone()).filter(|one| one.to_string().contains("/submission/"));
        found = programs.next().unwrap_or_default();
        found.is_object()
    });
    let (host, config) = (&found["HostConfig"], &found["Config"]);
    ring.same("Privileged", &host["Privileged"], false);
    ring.same("CapDrop", host["CapDrop"].clone(), json!(["ALL"]));
    ring.same("CapAdd", host["CapAdd"].clone(), Value::Null);
    ring.same("ReadonlyRootfs", &host["ReadonlyRootfs"], true);
    ring.same("NetworkMode", &host["NetworkMode"], "none");
    let options: Vec<&str> = host["SecurityOpt"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    ring.holds(options.contains(&"no-new-privileges"), || format!("SecurityOpt has no no-new-privileges: {options:?}"));
    let filtered = options.iter().any(|option| option.starts_with("seccomp=") && !option.contains("unconfined"));
    ring.holds(filtered, || format!("SecurityOpt has no seccomp filter: {options:.100?}"));
    ring.holds(!options.iter().any(|option| option.contains("unconfined")), || format!("unconfined: {options:.100?}"));
    ring.holds(host["Memory"].as_u64().is_some_and(|bytes| bytes > 0), || format!("Memory: {}", host["Memory"]));
    ring.same("MemorySwap", &host["MemorySwap"], &host["Memory"]);
    let pids = host["PidsLimit"].as_i64().unwrap_or(0);
    // gVisor's own threads are counted with the program's, which gVisor itself bounds.
    let most = if ring.engine == Engine::Runsc { 4096 } else { 1024 };
    ring.holds((1..=most).contains(&pids), || format!("PidsLimit: {}", host["PidsLimit"]));
    for (name, most) in [("nofile", 1024), ("core", 1)] {
        let limits = host["Ulimits"].as_array().into_iter().flatten();
        let hard = limits.filter(|limit| limit["Name"] == name).find_map(|limit| limit["Hard"].as_i64());
        ring.holds(hard.is_some_and(|hard| hard <= most), || format!("the limit {name} is {hard:?}"));
    }
    let log = &host["LogConfig"];
    let bounded = log["Type"] == "none" || log["Config"]["max-size"].is_string();
    ring.holds(bounded, || format!("the log is unbounded: {log}"));
    for (mode, wanted) in [("PidMode", ""), ("UTSMode", ""), ("UsernsMode", ""), ("IpcMode", "private")] {
        ring.same(mode, &host[mode], wanted);
    }
    ring.same("CgroupnsMode", &host["CgroupnsMode"], "private");
    ring.same("Devices", host["Devices"].as_array().map_or(0, Vec::len), 0);
    ring.same("Binds", host["Binds"].as_array().map_or(0, Vec::len), 0);
    for mount in found["Mounts"].as_array().into_iter().flatten() {
        ring.holds(!mount.to_string().contains(".sock"), || format!("a socket is mounted: {mount}"));
        ring.same("a mount is writable", &mount["RW"], false);
        let source = mount["Source"].as_str().unwrap_or_default();
        let ours = Path::new(source).starts_with(ring.contest.path("results"));
        ring.holds(ours, || format!("a mount is not the run's own: {mount}"));
    }
    let user = config["User"].as_str().unwrap_or_default().to_owned();
    ring.holds(!user.is_empty() && !user.starts_with('0') && user != "root", || format!("User: {user:?}"));
    if ring.engine == Engine::Runsc {
        ring.same("Runtime", &host["Runtime"], "runsc");
    }
}

fn docker(arguments: &[&str]) -> String {
    let output = Command::new("docker").args(arguments).output().expect("the docker command runs");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// What the kernel says of the program of a live run, each item of the row.
fn audit_process(ring: &mut Ring) {
    let (marker, group) = (ring.contest.marker(), format!("/podium/{}", ring.contest.home_id()));
    let mut pid = 0;
    ring.contest.wait_for("a program runs", || {
        let pids = fs::read_dir("/proc").expect("/proc").flatten();
        let mut programs = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok()).filter(|pid| {
            let read = |name: &str| fs::read(format!("/proc/{pid}/{name}")).unwrap_or_default();
            let command = String::from_utf8_lossy(&read("cmdline")).into_owned();
            // The interpreter itself, and neither bwrap nor what `env` is before it becomes it.
            command.starts_with("python3")
                && command.contains(&marker)
                && command.contains("/submission/")
                && String::from_utf8_lossy(&read("cgroup")).contains(&group)
        });
        pid = programs.next().unwrap_or(0);
        pid > 0
    });
    let read = |name: &str| fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap_or_default();
    let (status, limits, mounts) = (read("status"), read("limits"), read("mountinfo"));
    let field = |name: &str| {
        let found = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        found.unwrap_or_default().trim().to_owned()
    };
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        ring.same(set, field(set), "0000000000000000");
    }
    ring.same("NoNewPrivs", field("NoNewPrivs"), "1");
    ring.same("Seccomp", field("Seccomp"), "2");
    ring.same("Groups", field("Groups").replace("65534", "").trim(), "");
    for ids in ["Uid", "Gid"] {
        let ids = field(ids);
        ring.holds(ids.split_whitespace().all(|id| id.parse::<u64>().is_ok_and(|id| id >= 2_000_000_000)), || {
            format!("it runs as {ids}")
        });
    }
    for (name, most) in [("Max core file size", 1), ("Max open files", 1024), ("Max realtime priority", 0)] {
        let line = limits.lines().find(|line| line.starts_with(name)).unwrap_or_default().to_owned();
        let numbers = line.trim_start_matches(name).split_whitespace().take(2);
        ring.holds(
            numbers.clone().count() == 2 && numbers.clone().all(|n| n.parse().is_ok_and(|n: u64| n <= most)),
            || format!("limit: {line}"),
        );
    }
    let mut writable = Vec::new();
    for line in mounts.lines() {
        let (before, after) = line.split_once(" - ").unwrap_or((line, ""));
        let fields: Vec<&str> = before.split(' ').collect();
        let (at, options) = (fields[4], fields[5].split(',').collect::<Vec<_>>());
        ring.holds(!line.contains(".sock"), || format!("a socket is mounted: {line}"));
        if options.contains(&"rw") {
            writable.push(at.to_owned());
            let shut = options.contains(&"nosuid");
            ring.holds(shut || after.starts_with("proc"), || format!("writable, and setuid counts: {line}"));
        }
        for closed in ["/home", "/root", "/srv", "/var", "/tmp/podium-test", "/inbox"] {
            ring.holds(!at.starts_with(closed), || format!("the host's {closed} is mounted: {line}"));
        }
    }
    writable.retain(|at| !at.starts_with("/dev/") || at == "/dev/shm");
    writable.sort();
    ring.same("writable mounts", writable, ["/dev/shm", "/scratch", "/tmp"]);
    let space = |pid: &str, name: &str| fs::read_link(format!("/proc/{pid}/ns/{name}")).unwrap_or_default();
    for name in ["cgroup", "ipc", "mnt", "net", "pid", "user", "uts"] {
        let (theirs, ours) = (space(&pid.to_string(), name), space("self", name));
        ring.holds(!theirs.as_os_str().is_empty() && theirs != ours, || {
            format!("it is in the host's {name} namespace")
        });
    }
    ring.same("oom_score_adj", read("oom_score_adj").trim(), "1000");
    let environment: Vec<String> =
        read("environ").split('\0').filter(|one| !one.is_empty()).map(str::to_owned).collect();
    let mut names: Vec<&str> = environment.iter().filter_map(|one| one.split('=').next()).collect();
    names.sort_unstable();
    ring.same("the environment", names, ["HOME", "LANG", "PATH"]);
    let group = read("cgroup");
    for (controller, v1, v2, most) in
        [("memory", "memory.limit_in_bytes", "memory.max", 256 << 20), ("pids", "pids.max", "pids.max", 1024)]
    {
        let value = bound(&group, controller, v1, v2);
        ring.holds(value.is_some_and(|value| value <= most), || format!("{controller} is bounded by {value:?}"));
    }
    // Version 1 counts memory and swap together, version 2 swap alone; without swap there may be no such file.
    let memory = bound(&group, "memory", "memory.limit_in_bytes", "memory.max");
    let swap = bound(&group, "memory", "memory.memsw.limit_in_bytes", "memory.swap.max");
    let none = swap.is_none_or(|swap| Some(swap) == memory || swap == 0);
    ring.holds(none, || format!("swap is bounded by {swap:?}, and memory by {memory:?}"));
    let outside = read("root/var/run/docker.sock").is_empty()
        && !Path::new(&format!("/proc/{pid}/root/var/run/docker.sock")).exists();
    ring.holds(outside, || "the docker socket is inside".into());
}

/// A limit of the group that `/proc/PID/cgroup` tells of; `None` where there is none, or no such file.
fn bound(group: &str, controller: &str, v1: &str, v2: &str) -> Option<u64> {
    let mut paths: Vec<PathBuf> = Vec::new();
    for line in group.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (controllers, path) = (fields.next()?, fields.next()?.trim_start_matches('/'));
        if controllers.split(',').any(|one| one == controller) {
            paths.push(Path::new("/sys/fs/cgroup").join(controller).join(path).join(v1));
        } else if controllers.is_empty() {
            paths.extend(["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].map(|root| Path::new(root).join(path).join(v2)));
        }
    }
    paths.iter().find_map(|path| fs::read_to_string(path).ok()?.trim().parse().ok())
}

// ---------------------------------------------------------------------------------------------- SBX-09

fn fail_closed(entrance: &mut Entrance<'_>) {
    if entrance.engine.has_containers() {
        without_an_engine(entrance);
    } else {
        without_bubblewrap(entrance);
        without_a_controller(entrance);
    }
}

/// While something is missing nothing is judged, and everybody is told why; when it is there again, all goes on by itself.
fn held(ring: &mut Ring, why: &str, take: impl FnOnce(&mut Ring), give_back: impl FnOnce(&mut Ring)) {
    take(ring);
    let id = ring.submit("mira", "py", answer("4"));
    let says = |ring: &Ring| {
        let status = ring.contest.podium(&["status"]).stdout;
        // As HTML has it.
        let page = fs::read_to_string(ring.contest.path("public/queue.html")).unwrap_or_default();
        let shown = page.contains("held") && page.contains(&why.replace('\'', "&#x27;"));
        status.contains("judging is held") && status.contains(why) && shown
    };
    let is_judged = |ring: &Ring| ring.contest.events("judged").into_iter().find(|line| line["id"] == id.as_str());
    if !wait_until(Duration::from_secs(40), || says(ring) || is_judged(ring).is_some(), || ()) {
        let status = ring.contest.podium(&["status"]);
        ring.broken(format!("{why:?}: neither `podium status` nor the queue page says so: {}", status.stdout));
    }
    if let Some(judged) = is_judged(ring) {
        let case = &judged["cases"][0];
        ring.broken(format!("{why:?} did not hold the queue: {} {}", case["verdict"], case["staff_message"]));
        return give_back(ring);
    }
    ring.contest.never_within(Duration::from_secs(2), "it is judged", || is_judged(ring).is_some());
    let text = ring.contest.podium(&["status"]).stdout;
    ring.holds(raw_control(text.as_bytes()).is_none(), || format!("status is not escaped: {text:?}"));
    give_back(ring);
    let fought = ring.fought(&id);
    ring.same(&format!("the verdict after {why:?}"), &fought.status["verdict"], "accepted");
    ring.contest.wait_for("`podium status` has nothing to say", || ring.contest.podium(&["status"]).code == Some(0));
}

fn podium() -> Command {
    Command::new(env!("CARGO_BIN_EXE_podium"))
}

fn without_an_engine(entrance: &mut Entrance<'_>) {
    let mut ring = Ring::prepare(entrance.engine, |competition| competition);
    let proxy = Proxy::new(&ring.contest.outside("engine.sock"));
    let mut command = podium();
    command.env("DOCKER_HOST", proxy.address());
    ring.contest.start_by(command);
    // It was never there; then it is one that is too old, then one that cannot bound what it should.
    let never = "the container engine does not answer";
    held(
        &mut ring,
        never,
        |_| (),
        |ring| {
            for (manner, why) in [(Manner::Old, "too old"), (Manner::WithoutLimits, "no limits on processes")] {
                proxy.be(manner);
                proxy.listen();
                let said = |ring: &Ring| ring.contest.podium(&["status"]).stdout;
                let told = wait_until(Duration::from_secs(40), || said(ring).contains(why), || ());
                let held = ring.contest.count("judged") == 0;
                let status = said(ring);
                ring.holds(told && held, || format!("not held, or not said: {why}: {status}"));
            }
            proxy.be(Manner::Itself);
        },
    );
    ring.warm_up();
    entrance.fight_in(ring, |ring| {
        held(ring, never, |_| proxy.be(Manner::Stopped), |_| proxy.be(Manner::Itself));
        let good = ring.contest.config();
        held(
            ring,
            "no runtime no-such-runtime",
            |ring| ring.contest.set("sandbox.runtime", "no-such-runtime"),
            |ring| ring.contest.write_config(&good),
        );
    });
}

fn without_bubblewrap(entrance: &mut Entrance<'_>) {
    let mut ring = Ring::prepare(entrance.engine, |competition| competition);
    let folder = ring.contest.outside("bin");
    fs::create_dir(&folder).expect("a folder for programs");
    let (bwrap, real) = (folder.join("bwrap"), which("bwrap"));
    let replace = |text: Option<&str>| {
        let new = folder.join("new");
        match text {
            None => symlink(&real, &new).expect("a link"),
            Some(text) => {
                fs::write(&new, text).expect("a program");
                fs::set_permissions(&new, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("chmod");
            }
        }
        fs::rename(new, &bwrap).expect("it is in its place");
    };
    // As bwrap does where user namespaces are forbidden.
    let denied = "setting up uid map: Permission denied";
    let forbidden = format!(
        "#!/bin/sh\nif [ \"$1\" = --version ]; then exec {} --version; fi\necho 'bwrap: {denied}' >&2\nexit 1\n",
        real.display()
    );
    let mut command = podium();
    command.env("PATH", &folder);
    ring.contest.start_by(command);
    // It was never there; then it is one that is too old, then one that may make no namespaces.
    held(
        &mut ring,
        "there is no `bwrap` on this machine",
        |_| (),
        |ring| {
            for (program, why) in [("#!/bin/sh\necho bubblewrap 0.4.0\n", "too old"), (&*forbidden, denied)] {
                replace(Some(program));
                let said = |ring: &Ring| ring.contest.podium(&["status"]).stdout;
                let told = wait_until(Duration::from_secs(40), || said(ring).contains(why), || ());
                let (held, status) = (ring.contest.count("judged") == 0, said(ring));
                ring.holds(told && held, || format!("not held, or not said: {why}: {status}"));
            }
            replace(None);
        },
    );
    ring.warm_up();
    entrance.fight_in(ring, |ring| held(ring, denied, |_| replace(Some(&forbidden)), |_| replace(None)));
}

fn which(program: &str) -> PathBuf {
    let path = std::env::var_os("PATH").expect("a PATH");
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|path| path.is_file()).expect("it is there")
}

/// The daemon alone does not see a controller, in a mount namespace of its own.
fn without_a_controller(entrance: &mut Entrance<'_>) {
    let mut ring = Ring::prepare(entrance.engine, |competition| competition);
    let old = Path::new("/sys/fs/cgroup/pids").is_dir();
    let (at, why) = if old { ("/sys/fs/cgroup/pids", "group") } else { ("/sys/fs/cgroup", "control group") };
    let mut command = Command::new("unshare");
    let script = "mount --make-rprivate / && mount -t tmpfs none \"$0\" && exec \"$@\"";
    command.args(["--mount", "sh", "-c", script, at, env!("CARGO_BIN_EXE_podium")]);
    ring.contest.start_by(command);
    let pid = ring.contest.daemon().pid().to_string();
    let uncover = |_: &mut Ring| {
        let done = Command::new("nsenter").args(["--mount", "--target", &pid, "umount", at]).status();
        assert!(done.is_ok_and(|status| status.success()), "the controller is back");
    };
    held(&mut ring, why, |_| (), uncover);
    ring.warm_up();
    entrance.fight_in(ring, |_| ());
}
