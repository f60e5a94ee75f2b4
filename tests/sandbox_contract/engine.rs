//! Runs beside and after one another, ended by us or by somebody else.

use std::fs;
use std::io::Write;
use std::time::{Duration, Instant};

use podium::core::config::Engine;
use podium::sandbox::Fault;
use tokio_util::sync::CancellationToken;

use crate::support::{Rig, Under};

pub(crate) async fn a_cancelled_run_is_gone(rig: &Rig) {
    let cancel = CancellationToken::new();
    let job = rig.python("import time; time.sleep(600)");
    let run = job.try_run(&cancel);
    let (ran, ()) = tokio::join!(run, async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        cancel.cancel();
    });
    assert!(matches!(ran, Err(Fault::Cancelled)), "{ran:?}");
    assert_eq!(rig.traces(), Vec::<String>::new());
    // And one that was cancelled before it began never begins.
    assert!(matches!(rig.python("").try_run(&cancel).await, Err(Fault::Cancelled)));
}

pub(crate) async fn a_dropped_run_is_gone(rig: &Rig) {
    let cancel = CancellationToken::new();
    let run = rig.python("import time; time.sleep(600)").try_run(&cancel);
    assert!(tokio::time::timeout(Duration::from_secs(2), run).await.is_err());
    // What drops cannot wait: it is enough that it goes soon.
    let deadline = Instant::now() + Duration::from_secs(30);
    while rig.traces().iter().any(|trace| !trace.starts_with("control group")) {
        assert!(Instant::now() < deadline, "{:?}", rig.traces());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    rig.sandbox.sweep().await.expect("sweep");
}

pub(crate) async fn concurrent_runs_do_not_see_each_other(rig: &Rig) {
    let code = "import os, sys, time
print(os.listdir('/tmp'), os.listdir('.'), len([p for p in os.listdir('/proc') if p.isdigit()]) <= 3, flush=True)
open('/tmp/mark', 'w'); open('mark', 'w'); open('/dev/shm/mark', 'w')
time.sleep(1.5)
print(os.listdir('/tmp'), os.listdir('/dev/shm'))";
    let (first, second) = tokio::join!(rig.python(code).run(), rig.python(code).run());
    for ran in [first, second] {
        ran.says("[] [] True\n['mark'] ['mark']\n");
    }
}

pub(crate) async fn locks_and_watches_do_not_reach_another_run(rig: &Rig) {
    // What both runs are shown: the image's files, and the input of the same case, by its path and as standard input.
    let code = "import ctypes, fcntl, os, sys, time
L = ctypes.CDLL(None)
shared = [sys.executable, '/usr/lib'] + sys.argv[2:]
if sys.argv[1] == 'holds':
    watch = L.inotify_init1(os.O_NONBLOCK)
    for file in shared: assert L.inotify_add_watch(watch, file.encode(), 0xfff) > 0
    files = [0 if file == '/input.txt' else os.open(file, os.O_RDONLY) for file in shared]
    for file in files: fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    try: os.read(watch, 65536)
    except BlockingIOError: pass
    print('holds', flush=True)
    time.sleep(3)
    try: print('seen', os.read(watch, 65536))
    except BlockingIOError: print('nothing seen')
else:
    time.sleep(1.5)
    for file in shared:
        try: fcntl.flock(os.open(file, os.O_RDONLY), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError: print('held:', file)
    os.listdir('/usr/lib')
    print('done')";
    let case = rig.place.work.join("case");
    fs::create_dir(&case).expect("a case's folder");
    fs::write(case.join("input.txt"), "1\n").expect("the input");
    let job = |role: &str| {
        let job = rig.python(code).argument(role);
        // Docker shows what it mounts as it is: the image is each container's own, the input is not.
        if rig.settings.engine == Engine::Docker {
            return job;
        }
        let mut job = job.argument("/input.txt").mount(case.join("input.txt"), "/input.txt");
        job.spec.stdin = Some(case.join("input.txt"));
        job
    };
    let (first, second) = tokio::join!(job("holds").run(), job("tries").run());
    first.says("holds\nnothing seen\n");
    second.says("done\n");
}

pub(crate) async fn nothing_carries_over_to_the_next_run(rig: &Rig) {
    let code = "import ctypes, os
L = ctypes.CDLL(None)
found = [d for d in ['/tmp', '/scratch', '/dev/shm', '/dev/mqueue', '/run', '/var/tmp'] if os.path.exists(d + '/mark')]
for d in ['/tmp', '/scratch', '/dev/shm', '/dev/mqueue', '/run', '/var/tmp']:
    try: open(d + '/mark', 'w').close()
    except OSError: pass
print(found, L.shmget(0x9D1E, 64, 0o600), L.shmget(0x9D1E, 64, 0o1600) >= 0)";
    for _ in 0..2 {
        rig.python(code).run().await.says("[] -1 True\n");
    }
}

pub(crate) async fn a_run_that_is_ended_from_outside_has_no_report(rig: &Rig) {
    let (cancel, job) = (CancellationToken::new(), rig.python("import time; print('up', flush=True); time.sleep(600)"));
    let stdout = job.spec.folder.join("stdout");
    let (ran, ()) = tokio::join!(job.try_run(&cancel), async {
        let deadline = Instant::now() + Duration::from_secs(30);
        while fs::read_to_string(&stdout).unwrap_or_default() != "up\n" {
            assert!(Instant::now() < deadline, "the run does not start");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        // The first of its processes, the one that has none of them for its parent.
        let processes = rig.processes();
        let parent = |pid: i32| -> i32 {
            let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            status.lines().find_map(|line| line.strip_prefix("PPid:\t")?.parse().ok()).unwrap_or(0)
        };
        let first = processes.iter().find(|pid| !processes.contains(&parent(**pid))).expect("a first process");
        let first = rustix::process::Pid::from_raw(*first).expect("a number");
        rustix::process::kill_process(first, rustix::process::Signal::KILL).expect("kill");
    });
    match ran {
        Err(Fault::Failed(text)) => assert!(text.contains("from outside"), "{text}"),
        other => panic!("{other:?}"),
    }
}

pub(crate) async fn a_probe_says_what_the_engine_is(rig: &Rig) {
    let identity = rig.sandbox.probe().await.expect("a probe");
    let (engine, image) = match rig.settings.engine {
        Engine::Bubblewrap => ("bubblewrap ", "host sha256:"),
        Engine::Docker => ("docker ", "podium-test-python:1@sha256:"),
    };
    assert!(
        identity.engine.starts_with(engine) && identity.engine.ends_with(|last: char| last.is_ascii_alphanumeric()),
        "{identity:?}"
    );
    assert_eq!(identity.engine.ends_with(" with runsc"), rig.under == Under::Gvisor, "{identity:?}");
    let digest = identity.image.strip_prefix(image).unwrap_or_default();
    assert!(digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit()), "{identity:?}");
    assert_eq!(rig.sandbox.probe().await.expect("a probe"), identity);
    std::io::stdout().flush().expect("flush");
}
