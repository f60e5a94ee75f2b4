//! What holds for the docker engine alone: what a container is shut in by, images, runtimes, and the ways to an engine.
//!
//! Every way is a real one, on the loopback: a TLS proxy that demands a certificate, an sshd, Podman's service, and a
//! socket for somebody who is not root. Nothing is skipped: what is missing fails the test.

#[path = "support/engines.rs"]
mod engines;
#[path = "support/sandbox.rs"]
#[allow(dead_code, reason = "shared with the contract's tests, which use more of it")]
mod support;

use std::fs;
use std::time::{Duration, Instant};

use engines::{Life, Podman, Proxy, Sshd, TlsProxy};
use podium::core::config::{Engine, Gpus, SandboxSettings};
use podium::sandbox::{self, AnswerFile, Ended, Fault, Identity, Place};
use serde_json::Value;
use support::{Rig, Under, docker};
use tokio_util::sync::CancellationToken;

// --- What a container is shut in by --------------------------------------------------------------------------------------

/// What the engine says of a container while it runs, and of the machine's processes in it the one that is the program or
/// stands for it.
async fn inspected(rig: &Rig) -> (Value, String, String) {
    let (cancel, job) = (CancellationToken::new(), rig.python("import time; print('up', flush=True); time.sleep(600)"));
    let stdout = job.spec.folder.join("stdout");
    let (ran, seen) = tokio::join!(job.try_run(&cancel), async {
        let deadline = Instant::now() + Duration::from_secs(30);
        while fs::read_to_string(&stdout).unwrap_or_default() != "up\n" {
            assert!(Instant::now() < deadline, "the run does not start");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let label = format!("label=podium.home={}", rig.place.home_id);
        // The engine may learn that it runs later than we do.
        let mut id = String::new();
        while id.is_empty() {
            assert!(Instant::now() < deadline, "the engine does not list it");
            id = docker(&["ps", "--quiet", "--no-trunc", "--filter", &label]);
        }
        let all: Value = serde_json::from_str(&docker(&["inspect", id.trim()])).expect("JSON");
        let pid = all[0]["State"]["Pid"].as_i64().expect("a process");
        let of_the_process = |file: &str| fs::read_to_string(format!("/proc/{pid}/{file}")).expect("a process");
        let seen = (all[0].clone(), of_the_process("status"), of_the_process("oom_score_adj"));
        cancel.cancel();
        seen
    });
    assert!(matches!(ran, Err(Fault::Cancelled)), "{ran:?}");
    seen
}

/// Each flag of a container that keeps a program in.
async fn audited(under: Under) {
    let rig = Rig::new(under).await;
    let (container, status, oom_score_adj) = inspected(&rig).await;
    let (config, host) = (&container["Config"], &container["HostConfig"]);
    let expect = |found: &Value, expected: Value, what: &str| assert_eq!(*found, expected, "{what}");
    let none_of = |found: &Value, what: &str| {
        assert!(found.is_null() || found == &Value::from("") || found == &serde_json::json!([]), "{what}: {found}");
    };

    expect(&host["Privileged"], false.into(), "no privileges");
    expect(&host["CapDrop"], serde_json::json!(["ALL"]), "no capability");
    none_of(&host["CapAdd"], "no capability comes back");
    expect(&host["ReadonlyRootfs"], true.into(), "the image cannot be written to");
    expect(&host["NetworkMode"], "none".into(), "no network");
    for (key, what) in [
        ("PidMode", "processes"),
        ("UTSMode", "the host's name"),
        ("UsernsMode", "users"),
        ("Links", "other containers"),
        ("VolumesFrom", "other containers' files"),
        ("Devices", "devices"),
        ("DeviceCgroupRules", "devices"),
        ("DeviceRequests", "graphics processors"),
        ("GroupAdd", "groups"),
        ("Binds", "files of the machine by the older way"),
        ("PortBindings", "ports"),
        ("ExtraHosts", "names of hosts"),
        ("Dns", "name servers"),
    ] {
        let found = &host[key];
        assert!(
            found == &serde_json::json!({})
                || found.as_str() == Some("")
                || found.is_null()
                || found == &serde_json::json!([]),
            "{key} shows {what}: {found}"
        );
    }
    expect(&host["IpcMode"], "private".into(), "its own queues and shared memory");
    expect(&host["CgroupnsMode"], "private".into(), "its own view of control groups");
    expect(&host["Memory"], host["MemorySwap"].clone(), "no swap");
    let memory = host["Memory"].as_u64().expect("a number");
    assert!((256 << 20..=(256 << 20) + (1 << 20)).contains(&memory), "{memory}");
    let processes = host["PidsLimit"].as_u64().expect("a number");
    assert!((65..=if under == Under::Gvisor { 2000 } else { 65 }).contains(&processes), "{processes}");
    let ulimit = |name: &str| {
        let found = host["Ulimits"].as_array().expect("a list").iter().find(|limit| limit["Name"] == name).cloned();
        found.map(|limit| (limit["Soft"].as_i64(), limit["Hard"].as_i64()))
    };
    assert_eq!(ulimit("core"), Some((Some(1), Some(1))));
    assert_eq!(ulimit("nofile"), Some((Some(1024), Some(1024))));
    assert_eq!(ulimit("nproc"), (under == Under::Gvisor).then_some((Some(65), Some(65))));
    expect(&host["OomScoreAdj"], 1000.into(), "the first to go when the machine is short of memory");
    assert_eq!(oom_score_adj.trim(), "1000");
    expect(&host["LogConfig"]["Type"], "none".into(), "what it prints fills no log");
    expect(&host["AutoRemove"], false.into(), "how it ended is still asked");
    expect(&host["RestartPolicy"]["Name"], if host["RestartPolicy"]["Name"] == "" { "" } else { "no" }.into(), "once");
    assert!(host["MaskedPaths"].as_array().is_some_and(|paths| paths.len() > 5), "{}", host["MaskedPaths"]);
    assert!(host["ReadonlyPaths"].as_array().is_some_and(|paths| paths.len() > 3), "{}", host["ReadonlyPaths"]);

    let options: Vec<&str> = host["SecurityOpt"].as_array().expect("a list").iter().filter_map(Value::as_str).collect();
    assert!(options.contains(&"no-new-privileges"), "{options:?}");
    let seccomp = options.iter().find_map(|option| option.strip_prefix("seccomp=")).expect("a list of system calls");
    let seccomp: Value = serde_json::from_str(seccomp).expect("a profile and not \"unconfined\"");
    assert_eq!(seccomp["defaultAction"], "SCMP_ACT_ERRNO");
    assert!(!options.iter().any(|option| option.contains("apparmor=unconfined") || option.contains("label=disable")));

    for mount in container["Mounts"].as_array().expect("a list") {
        expect(&mount["RW"], false.into(), "what is shown is read-only");
        let source = mount["Source"].as_str().expect("a path");
        assert!(source.starts_with(&*rig.place.work.to_string_lossy()), "{source} is shown, which is not the run's");
        assert!(!source.contains(".sock"), "{source}");
    }
    let tmpfs = host["Tmpfs"].as_object().expect("writable folders");
    assert_eq!(tmpfs.keys().collect::<Vec<_>>(), ["/dev/shm", "/scratch", "/tmp"]);
    for options in tmpfs.values().filter_map(Value::as_str) {
        for wanted in ["nosuid", "nodev", "size=", "nr_inodes="] {
            assert!(options.contains(wanted), "{options} lacks {wanted}");
        }
    }
    let user = config["User"].as_str().expect("a user");
    let (uid, gid) = user.split_once(':').expect("a group, too");
    assert!(uid == gid && uid.parse::<u32>().expect("a number") >= 2_000_000_000, "{user}");
    expect(&config["OpenStdin"], false.into(), "nobody types");
    expect(&config["Tty"], false.into(), "no terminal");
    assert!(container["Image"].as_str().is_some_and(|image| image.starts_with("sha256:")), "{}", container["Image"]);
    assert_eq!(container["Image"], config["Image"], "it was asked for by its id");
    expect(&host["Runtime"], if under == Under::Gvisor { "runsc" } else { "runc" }.into(), "the runtime");

    // And what the kernel makes of it.
    let line = |name: &str| {
        status.lines().find_map(|line| line.strip_prefix(name)).map(|rest| rest.trim().to_owned()).expect("a line")
    };
    if under == Under::Docker {
        assert_eq!(line("Uid:").split_whitespace().collect::<Vec<_>>(), [uid; 4]);
        assert_eq!(
            (
                line("CapEff:").as_str(),
                line("CapBnd:").as_str(),
                line("NoNewPrivs:").as_str(),
                line("Seccomp:").as_str()
            ),
            ("0000000000000000", "0000000000000000", "1", "2")
        );
    } else {
        // The process is gVisor's kernel, which shuts itself in once more.
        assert_eq!((line("NoNewPrivs:").as_str(), line("Seccomp:").as_str()), ("1", "2"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_container_has_every_wall() {
    audited(Under::Docker).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_container_of_gvisor_has_every_wall() {
    audited(Under::Gvisor).await;
}

// --- Images, runtimes, graphics processors -------------------------------------------------------------------------------

/// A name for an image that goes away with the test.
struct Tag(String);

impl Tag {
    fn of(image: &str) -> Self {
        let tag = format!("podium-test-tag-{}:1", support::unique());
        docker(&["tag", image, &tag]);
        Self(tag)
    }
}

impl Drop for Tag {
    fn drop(&mut self) {
        let _ = std::process::Command::new("docker").args(["rmi", &self.0]).output();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_comes_to_mean_another_image_changes_nothing_until_the_next_probe() {
    let tag = Tag::of(support::IMAGE);
    let rig = Rig::with(Under::Docker, |settings| settings.image = tag.0.clone()).await;
    let id = |image: &str| docker(&["image", "inspect", "--format", "{{.Id}}", image]).trim().to_owned();
    let identity = rig.sandbox.probe().await.expect("a probe");
    assert_eq!(identity.image, format!("{}@{}", tag.0, id(support::IMAGE)));
    let has_bwrap = "import os; print(os.path.exists('/usr/bin/bwrap'))";
    rig.python(has_bwrap).run().await.says("False\n");

    docker(&["tag", "podium-test-base:1", &tag.0]);
    rig.python(has_bwrap).run().await.says("False\n");
    let (container, ..) = inspected(&rig).await;
    assert_eq!(container["Image"], id(support::IMAGE).as_str());

    let identity = rig.sandbox.probe().await.expect("a probe");
    assert_eq!(identity.image, format!("{}@{}", tag.0, id("podium-test-base:1")));
    rig.python(has_bwrap).run().await.says("True\n");
}

/// Why the engine with these settings cannot be had.
async fn unavailable(change: impl FnOnce(&mut SandboxSettings)) -> String {
    let home = tempfile::tempdir().expect("a temporary folder");
    let mut settings = support::settings(Under::Docker);
    change(&mut settings);
    let place = Place {
        home_id: support::unique(),
        owner: Place::DAEMON.into(),
        work: home.path().into(),
        host_home: None,
        images: support::images(),
    };
    match sandbox::open(&settings, &place).probe().await {
        Err(Fault::Unavailable(text)) => text,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_runtime_that_the_engine_does_not_know_is_named_with_what_to_do() {
    let text = unavailable(|settings| settings.runtime = Some("runsc-of-tomorrow".into())).await;
    for wanted in ["runsc-of-tomorrow", "runc", "/etc/docker/daemon.json", "--oci-seccomp"] {
        assert!(text.contains(wanted), "{text}");
    }
}

/// There is none on the machines that the tests run on: what is asked for is a unit test's, that it is refused this one's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn graphics_processors_that_the_engine_cannot_give_hold_the_queue() {
    for gpus in [Gpus::All, Gpus::Count(1)] {
        let text = unavailable(|settings| settings.gpus = Some(gpus)).await;
        assert!(text.contains("sandbox.gpus") && text.contains("nvidia-container-toolkit"), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_known_against_the_engine_is_a_note() {
    let rig = Rig::new(Under::Docker).await;
    let runc = docker(&[
        "version",
        "--format",
        "{{range .Server.Components}}{{if eq .Name \"runc\"}}{{.Version}}{{end}}{{end}}",
    ]);
    let notes = rig.sandbox.notes();
    let old = runc.starts_with("1.0.") || runc.starts_with("1.1.");
    assert_eq!(
        notes.iter().any(|note| note.contains("runc") && note.contains("may have known")),
        old,
        "{runc}: {notes:?}"
    );
    // Under gVisor it starts nothing.
    let rig = Rig::new(Under::Gvisor).await;
    assert_eq!(rig.sandbox.notes(), Vec::<String>::new());
}

// --- Ways to an engine ---------------------------------------------------------------------------------------------------

/// Not a test: a daemon's life with an environment and rights of its own, which says what it finds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "only ever started by another test"]
async fn a_life() {
    let Ok(work) = std::env::var("LIFE_WORK") else { return };
    let variable = |name: &str| std::env::var(name).ok();
    let settings = SandboxSettings {
        engine: Engine::Docker,
        image: variable("LIFE_IMAGE").unwrap_or_else(|| support::IMAGE.into()),
        runtime: variable("LIFE_RUNTIME"),
        gpus: variable("LIFE_GPUS").map(|_| Gpus::All),
        unix_sockets: false,
        endpoint: variable("LIFE_ENDPOINT").map(|text| text.parse().expect("an endpoint")),
    };
    let home_id = variable("LIFE_HOME").expect("an id");
    let place =
        Place { home_id, owner: Place::DAEMON.into(), work: work.into(), host_home: None, images: support::images() };
    let sandbox = sandbox::open(&settings, &place);
    match sandbox.probe().await {
        Ok(Identity { engine, image }) => println!("\nengine: {engine}\nimage: {image}"),
        Err(fault) => return println!("\n{fault:?}"),
    }
    sandbox.notes().iter().for_each(|note| println!("note: {note}"));
    let rig = Rig::around(sandbox, settings, place);

    let ran = rig.python("import sys; print(sys.stdin.read() + '!'); print('e', file=sys.stderr); open('output.json', 'w').write('{}'); sys.exit(3)");
    let ran = ran.stdin(b"hello").wanting_an_answer().run().await.ended(Ended::Exited(3));
    assert_eq!((ran.stdout().as_str(), ran.stderr().as_str()), ("hello!\n", "e\n"));
    assert_eq!(ran.answer(), (AnswerFile::Taken(2), Some(b"{}".to_vec())));
    let expected = "{'HOME': '/scratch', 'LANG': 'C.UTF-8', 'PATH': '/usr/local/bin:/usr/bin:/bin'}\n";
    rig.python("import os; print(dict(sorted(os.environ.items())))").run().await.says(expected);
    let code = "import os, time
n = 1
try:
    while n < 1000:
        if os.fork() == 0: time.sleep(600); os._exit(0)
        n += 1
except OSError as e: print(e.errno, n)";
    rig.python(code).limit(|limits| limits.processes = 20).run().await.says("11 20\n");
    let ran = rig.python("while True: pass").limit(|limits| limits.cpu = Duration::from_secs(1));
    let ran = ran.run().await.ended(Ended::CpuLimit);
    assert!(ran.report.cpu >= Duration::from_secs(1), "{:?}", ran.report);
    let ran = rig.python("x = b'x' * (256 << 20)").limit(|limits| limits.memory = 64 << 20);
    ran.run().await.ended(Ended::MemoryLimit);
    let child = "import os\nif os.fork() == 0: x = b'x' * (256 << 20)\nos.wait(); print('survived')";
    rig.python(child).limit(|limits| limits.memory = 64 << 20).run().await.ended(Ended::MemoryLimit);
    let ran = rig.python("import time; time.sleep(60)").limit(|limits| limits.wall = Duration::from_millis(1500));
    ran.run().await.ended(Ended::WallLimit);
    let ran = rig.python("import os\nwhile True: os.write(1, b'A' * 65536)").limit(|limits| limits.output = 100_000);
    ran.run().await.ended(Ended::OutputLimit);
    rig.python("import os; os.abort()").run().await.ended(Ended::Signalled(6));
    let ran = rig.python("import time\nx = b'x' * (50 << 20)\nt = time.process_time()\nwhile time.process_time() - t < 0.5: pass\ntime.sleep(0.5)");
    let ran = ran.run().await.ended(Ended::Exited(0));
    println!("used: {:?} cpu, {:?} wall, {} bytes", ran.report.cpu, ran.report.wall, ran.report.peak_memory);
    assert!((0.5..5.0).contains(&ran.report.cpu.as_secs_f64()), "{:?}", ran.report);
    assert!((1.0..10.0).contains(&ran.report.wall.as_secs_f64()), "{:?}", ran.report);
    assert!((50 << 20..120 << 20).contains(&ran.report.peak_memory), "{:?}", ran.report);
    let cancel = CancellationToken::new();
    let (ran, ()) = tokio::join!(rig.python("import time; time.sleep(600)").try_run(&cancel), async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        cancel.cancel();
    });
    assert!(matches!(ran, Err(Fault::Cancelled)), "{ran:?}");
    assert_eq!(rig.sandbox.sweep().await.expect("sweep"), 0);
    println!("kept every promise");
}

/// What [`a_life`] says after a word.
fn said<'a>(said: &'a str, word: &str) -> Vec<&'a str> {
    said.lines().filter_map(|line| line.strip_prefix(word)).map(str::trim).collect()
}

/// From an empty folder to a verdict in the log.
#[test]
fn a_whole_daemon_without_roots_rights_judges() {
    const USER: u32 = 54_323;
    let proxy = Proxy::socket_of(USER);
    let folder = tempfile::tempdir().expect("a temporary folder");
    // Where the tests are built may be closed to others.
    let (program, home) = (folder.path().join("podium"), folder.path().join("home"));
    fs::copy(env!("CARGO_BIN_EXE_podium"), &program).expect("copy");
    std::os::unix::fs::chown(folder.path(), Some(USER), Some(USER)).expect("chown");
    let podium = |words: &[&str]| {
        let mut command = std::process::Command::new("setpriv");
        let user = USER.to_string();
        command.args(["--reuid", &user, "--regid", &user, "--clear-groups", "--no-new-privs", "--inh-caps=-all", "--"]);
        command.arg(&program).arg("--home").arg(&home).args(words);
        command.current_dir(folder.path()).env("DOCKER_HOST", proxy.endpoint());
        let output = command.output().expect("podium");
        let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
        assert!(output.status.success(), "{words:?}: {text}");
        text
    };
    podium(&["init", &home.to_string_lossy()]);
    let config = fs::read_to_string(home.join("config.toml")).expect("read");
    let sandbox = format!("engine = \"docker\"\nimage = \"{}\"\n", support::IMAGE);
    let config: String = config
        .lines()
        .filter(|line| !line.starts_with("image"))
        .map(|line| if line.starts_with("engine =") { sandbox.clone() } else { format!("{line}\n") })
        .collect();
    fs::write(home.join("config.toml"), config).expect("write");
    let checked = podium(&["check"]);
    assert!(checked.contains("the engine's control groups are not ours to make"), "{checked}");
    podium(&["submit", &home.join("samples/greedy.py").to_string_lossy(), "--user", "alice"]);
    podium(&["run", "--once"]);
    let log = fs::read_to_string(home.join("results/log.jsonl")).expect("a log");
    let judged = log.lines().find(|line| line.contains("\"judged\"")).expect("a judgement");
    for wanted in ["\"accepted\"", "\"docker ", "podium-test-python:1@sha256:"] {
        assert!(judged.contains(wanted), "{judged} lacks {wanted}");
    }
}

/// Whoever has the socket has all that is needed: no control group of ours, no right of root's.
#[test]
fn a_daemon_without_roots_rights_judges_by_a_socket_that_it_may_use() {
    const USER: u32 = 54_321;
    let proxy = Proxy::socket_of(USER);
    let said = Life::new(support::unique()).by_user(USER).with("DOCKER_HOST", proxy.endpoint()).judges();
    assert!(said.contains("note: the engine's control groups are not ours to make"), "{said}");
    // And one that it may not use is named with what to do.
    let other = Life::new(support::unique()).by_user(USER + 1).with("DOCKER_HOST", proxy.endpoint()).says();
    for wanted in [proxy.endpoint().as_str(), "DOCKER_HOST", "Permission denied", "group"] {
        assert!(other.contains(wanted), "{other}");
    }
}

#[test]
fn an_engine_behind_tls_wants_the_right_certificates() {
    let proxy = TlsProxy::start();
    let (right, wrong) = (proxy.certificates("right"), proxy.certificates("wrong"));
    let address = |scheme: &str| format!("{scheme}://127.0.0.1:{}", proxy.port);
    // As the settings say it.
    let said = Life::new(support::unique())
        .with("LIFE_ENDPOINT", address("https"))
        .with("DOCKER_CERT_PATH", right.display())
        .judges();
    // Nothing of the machine's is looked at: it could be another's.
    assert!(said.contains("note: the engine is not on this machine"), "{said}");
    assert!(!said.contains("neither encrypted"), "{said}");

    let life = |path: &std::path::Path| {
        Life::new(support::unique())
            .with("DOCKER_HOST", address("tcp"))
            .with("DOCKER_TLS_VERIFY", 1)
            .with("DOCKER_CERT_PATH", path.display())
            .says()
    };
    // As the environment says it.
    assert!(life(&right).contains("kept every promise"));
    // An engine that somebody else vouches for, and a certificate that the engine does not take.
    let text = life(&wrong);
    assert!(text.contains("Unavailable") && text.contains("certificate") && text.contains("DOCKER_HOST"), "{text}");
    fs::copy(right.join("ca.pem"), wrong.join("ca.pem")).expect("copy");
    let text = life(&wrong);
    assert!(text.contains("Unavailable") && text.contains("127.0.0.1"), "{text}");
    // No certificates at all.
    fs::remove_file(wrong.join("key.pem")).expect("remove");
    let text = life(&wrong);
    assert!(text.contains("DOCKER_CERT_PATH") && text.contains("key.pem"), "{text}");
    // TLS is spoken there, and not here.
    let text = Life::new(support::unique()).with("DOCKER_HOST", address("tcp")).says();
    assert!(text.contains("Unavailable") && text.contains("does not answer"), "{text}");
}

#[test]
fn an_engine_is_reached_through_ssh() {
    let sshd = Sshd::start();
    let path = |bin: std::path::PathBuf| format!("{}:{}", bin.display(), std::env::var("PATH").expect("a PATH"));
    let endpoint = |socket: &str| format!("ssh://root@127.0.0.1:{}{socket}", sshd.port);
    let life = |key: &str, known: &str, socket: &str| {
        Life::new(support::unique())
            .with("LIFE_ENDPOINT", endpoint(socket))
            .with("PATH", path(sshd.program(key, known)))
    };
    let said = life("user", "known", "").judges();
    assert!(said.contains("note: the engine is not on this machine"), "{said}");
    // No process of the tunnel's is left, nor when its daemon is killed.
    let tunnels = || {
        let processes = fs::read_dir("/proc").expect("/proc").flatten();
        let of_this_test =
            |command: &String| command.contains(&format!("-p\0{}\0", sshd.port)) && command.contains("engine.sock");
        let commands = processes.filter_map(|process| fs::read_to_string(process.path().join("cmdline")).ok());
        commands.filter(of_this_test).count()
    };
    let wait_for = |expected: usize, what: &str| {
        let deadline = Instant::now() + Duration::from_secs(30);
        while tunnels() != expected {
            assert!(Instant::now() < deadline, "no tunnel is {what}");
            std::thread::yield_now();
        }
    };
    wait_for(0, "closed by the one that judged");
    let killed = life("user", "known", "");
    let mut daemon = killed.begins();
    for (expected, what) in [(1, "opened"), (0, "closed")] {
        wait_for(expected, what);
        daemon.kill().expect("kill");
        daemon.wait().expect("wait");
    }

    for (key, known, socket, wanted) in [
        ("stranger", "known", "", "Permission denied"),
        ("user", "unknown", "", "Host key verification failed"),
        ("user", "known", "/no/such/docker.sock", "/no/such/docker.sock"),
    ] {
        let text = life(key, known, socket).says();
        assert!(text.contains("Unavailable") && text.contains(wanted) && text.contains("sandbox.endpoint"), "{text}");
    }
}

/// Podman's ways are not quite Docker's, here and from another machine, where nothing can be looked at but what it says.
#[test]
fn podman_keeps_the_promises() {
    let podman = Podman::start(support::IMAGE);
    let said_by = Life::new(support::unique()).with("LIFE_ENDPOINT", podman.endpoint()).judges();
    let (engine, image) = (said(&said_by, "engine:"), said(&said_by, "image:"));
    assert!(engine.iter().all(|engine| engine.starts_with("podman ")) && !engine.is_empty(), "{said_by}");
    let digest = "localhost/podium-test-python@sha256:";
    assert!(image.iter().all(|image| image.starts_with(digest) && image.len() == digest.len() + 64), "{said_by}");
    let life = |name: &str, value: &str| {
        Life::new(support::unique()).with("LIFE_ENDPOINT", podman.endpoint()).with(name, value).says()
    };
    let text = life("LIFE_IMAGE", "no-such-image:1");
    assert!(text.contains("Unavailable") && text.contains("no image no-such-image:1"), "{text}");
    let text = life("LIFE_GPUS", "all");
    assert!(text.contains("Unavailable") && text.contains("sandbox.gpus"), "{text}");

    let sshd = Sshd::start();
    let socket = podman.endpoint();
    let socket = socket.strip_prefix("unix://").expect("a socket");
    let path = format!("{}:{}", sshd.program("user", "known").display(), std::env::var("PATH").expect("a PATH"));
    let there = format!("ssh://root@127.0.0.1:{}{socket}", sshd.port);
    Life::new(support::unique()).with("LIFE_ENDPOINT", there).with("PATH", path).judges();
}

/// An engine that says of itself what it is told to, and does nothing else.
async fn pretending(version: &'static str) -> (tempfile::TempDir, String) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let folder = tempfile::tempdir().expect("a temporary folder");
    let socket = folder.path().join("docker.sock");
    let listener = tokio::net::UnixListener::bind(&socket).expect("listen");
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = [0; 4096];
                let n = connection.read(&mut request).await.unwrap_or(0);
                let is_version = String::from_utf8_lossy(&request[..n]).contains("/version ");
                let body = if is_version { version } else { "{}" };
                let head = format!(
                    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                    body.len()
                );
                let _ = connection.write_all(format!("{head}{body}").as_bytes()).await;
            });
        }
    });
    (folder, format!("unix://{}", socket.display()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_that_is_too_old_is_told_both_numbers() {
    let (_folder, endpoint) =
        pretending(r#"{"Version": "19.03.15", "ApiVersion": "1.40", "MinAPIVersion": "1.12"}"#).await;
    let text = unavailable(|settings| settings.endpoint = Some(endpoint.parse().expect("an endpoint"))).await;
    for wanted in ["docker 19.03.15", "1.40", "1.41", "Docker 20.10"] {
        assert!(text.contains(wanted), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endpoint_where_nobody_is_names_its_key() {
    for endpoint in ["unix:///no/such/docker.sock", "tcp://127.0.0.1:1", "ssh://nobody@127.0.0.1:1"] {
        let text = unavailable(|settings| settings.endpoint = Some(endpoint.parse().expect("an endpoint"))).await;
        assert!(text.contains(endpoint) && text.contains("sandbox.endpoint"), "{endpoint}: {text}");
    }
    let text = Life::new(support::unique()).with("DOCKER_HOST", "docker.sock").says();
    assert!(text.contains("Unavailable") && text.contains("DOCKER_HOST") && text.contains("unix://"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_ran_when_the_engine_went_away_is_removed_when_it_is_back() {
    let mut proxy = Proxy::socket_of(0);
    let rig =
        Rig::with(Under::Docker, |settings| settings.endpoint = Some(proxy.endpoint().parse().expect("one"))).await;
    let job = rig.python("import time; print('up', flush=True); time.sleep(600)");
    let (stdout, cancel) = (job.spec.folder.join("stdout"), CancellationToken::new());
    let label = format!("label=podium.home={}", rig.place.home_id);
    let containers = || docker(&["ps", "--all", "--quiet", "--filter", &label]);
    let (ran, ()) = tokio::join!(job.try_run(&cancel), async {
        let deadline = Instant::now() + Duration::from_secs(30);
        while fs::read_to_string(&stdout).unwrap_or_default() != "up\n" {
            assert!(Instant::now() < deadline, "the run does not start");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        proxy.go_away();
    });
    // It holds the queue, and costs the submission none of its tries.
    assert!(matches!(ran, Err(Fault::Unavailable(_))), "{ran:?}");
    assert_eq!(containers().lines().count(), 1, "nobody could end it");
    assert!(matches!(rig.sandbox.probe().await, Err(Fault::Unavailable(_))));
    proxy.come_back(0);
    rig.sandbox.probe().await.expect("a probe");
    assert_eq!(containers(), "");
    rig.python("print('again')").run().await.says("again\n");
}
