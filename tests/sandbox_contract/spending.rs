//! What a program may spend.

use std::fs;
use std::time::{Duration, Instant};

use podium::sandbox::{Cores, Ended, Fault};
use tokio_util::sync::CancellationToken;

use crate::kept;
use crate::support::{Rig, Under};

pub(crate) async fn output_beyond_the_limit_ends_it(rig: &Rig) {
    for descriptor in [1, 2] {
        let start = Instant::now();
        let ran = rig
            .python(&format!("import os\nwhile True: os.write({descriptor}, b'A' * 65536)"))
            .limit(|limits| limits.output = 100_000)
            .run()
            .await
            .ended(Ended::OutputLimit);
        assert!(start.elapsed() < Duration::from_secs(30));
        assert_eq!((ran.report.stdout, ran.report.stderr), if descriptor == 1 { (100_000, 0) } else { (0, 100_000) });
        assert_eq!(if descriptor == 1 { ran.stdout() } else { ran.stderr() }, "A".repeat(100_000));
    }
    // One byte, and ended already.
    let ran =
        rig.python("print('A' * 1000)").limit(|limits| limits.output = 1000).run().await.ended(Ended::OutputLimit);
    assert_eq!(ran.stdout(), "A".repeat(1000));
}

pub(crate) async fn output_up_to_the_limit_does_not(rig: &Rig) {
    for bytes in [0, 1000] {
        let ran = rig
            .python(&format!("import sys; sys.stdout.write('A' * {bytes}); sys.stderr.write('B' * {bytes})"))
            .limit(|limits| limits.output = bytes)
            .run()
            .await
            .ended(Ended::Exited(0));
        assert_eq!((ran.report.stdout, ran.report.stderr), (bytes, bytes));
    }
}

pub(crate) async fn cpu_time_of_all_processes_counts(rig: &Rig) {
    let code = "import os\nfor _ in range(3): os.fork()\nwhile True: pass";
    for code in ["while True: pass", code] {
        let ran =
            rig.python(code).limit(|limits| limits.cpu = Duration::from_secs(1)).run().await.ended(Ended::CpuLimit);
        // Beyond the limit is what goes by, on every core, between two looks at the clock of a busy machine. gVisor
        // takes its time over its end besides, and that counts.
        let most = if rig.under == Under::Gvisor { 6.0 } else { 2.0 };
        assert!((1.0..most).contains(&ran.report.cpu.as_secs_f64()), "{:?}", ran.report);
    }
    // Children that are gone count, too.
    let code =
        "import os\nwhile True:\n  if os.fork() == 0:\n    for i in range(1000000): pass\n    os._exit(0)\n  os.wait()";
    rig.python(code).limit(|limits| limits.cpu = Duration::from_secs(1)).run().await.ended(Ended::CpuLimit);
}

pub(crate) async fn wall_time_ends_what_sleeps_or_is_stopped(rig: &Rig) {
    for code in [
        "import time; time.sleep(600)",
        "import os, signal; os.kill(os.getpid(), signal.SIGSTOP)",
        "import os; r, w = os.pipe(); os.read(r, 1)",
    ] {
        let ran = rig
            .python(code)
            .limit(|limits| limits.wall = Duration::from_millis(1500))
            .run()
            .await
            .ended(Ended::WallLimit);
        assert!((1.5..15.0).contains(&ran.report.wall.as_secs_f64()), "{:?}", ran.report);
    }
}

pub(crate) async fn memory_beyond_the_limit_ends_it(rig: &Rig) {
    let ran = rig
        .python("x = b'x' * (256 << 20)")
        .limit(|limits| limits.memory = 64 << 20)
        .run()
        .await
        .ended(Ended::MemoryLimit);
    // The kernel itself may go beyond a limit by some pages that it cannot do without.
    assert!((48 << 20..=65 << 20).contains(&ran.report.peak_memory), "{:?}", ran.report);
    rig.python("x = b'x' * (100 << 20); print(len(x))")
        .limit(|limits| limits.memory = 160 << 20)
        .run()
        .await
        .says("104857600\n");
}

pub(crate) async fn memory_of_a_child_alone_counts(rig: &Rig) {
    let child = "import os\nif os.fork() == 0: x = b'x' * (256 << 20)\nos.wait()\n";
    rig.python(&format!("{child}print('survived')"))
        .limit(|limits| limits.memory = 64 << 20)
        .run()
        .await
        .ended(Ended::MemoryLimit);
    // It would go on without the child: it is not let.
    rig.python(&format!("{child}import time; time.sleep(600)"))
        .limit(|limits| limits.memory = 64 << 20)
        .run()
        .await
        .ended(Ended::MemoryLimit);
}

pub(crate) async fn writable_folders_count_as_memory(rig: &Rig) {
    let code = "f = open('/scratch/fill', 'wb')\nwhile True: f.write(b'x' * (1 << 20))";
    rig.python(code)
        .limit(|limits| {
            limits.memory = 64 << 20;
            limits.scratch = 1 << 30;
        })
        .run()
        .await
        .ended(Ended::MemoryLimit);
    let code = "import os\nf = os.fdopen(os.memfd_create('m'), 'wb')\nwhile True: f.write(b'x' * (1 << 20))";
    rig.python(code).limit(|limits| limits.memory = 64 << 20).run().await.ended(Ended::MemoryLimit);
}

// With Docker, version 1 of control groups leaves it to the machine's own bound: docs/security.md says so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_lies_in_sockets_counts_as_memory_under_bubblewrap() {
    kept(Under::Bubblewrap, what_lies_in_sockets_counts_as_memory).await;
}

async fn what_lies_in_sockets_counts_as_memory(rig: &Rig) {
    let code = "import socket
server = socket.create_server(('127.0.0.1', 0), backlog=400); kept = []; total = 0
try:
    for _ in range(200):
        client = socket.socket(); client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 64 << 20)
        client.connect(server.getsockname()); kept += [client, server.accept()[0]]; client.setblocking(False)
        try:
            while total < 256 << 20: total += client.send(b'x' * (1 << 20))
        except BlockingIOError: pass
except OSError: pass
print(total < 128 << 20 or total)";
    let ran = rig.python(code).limit(|limits| limits.memory = 64 << 20).run().await;
    match ran.report.ended {
        // The other way to hold it to that.
        Ended::MemoryLimit => {}
        _ => drop(ran.says("True\n")),
    }
}

/// By where its processes are: how they are shared out then is the kernel's business.
pub(crate) async fn processor_time_is_shared_by_runs_and_not_by_processes(rig: &Rig) {
    let cancel = CancellationToken::new();
    let run =
        rig.python("import os, time\nfor _ in range(3): os.fork()\nos.setsid()\ntime.sleep(600)").try_run(&cancel);
    let looked = async {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let groups: Vec<String> = rig.processes().into_iter().filter_map(group_of_processor_time).collect();
            if groups.len() > 3 || Instant::now() > deadline {
                cancel.cancel();
                return groups;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let (_, groups) = tokio::join!(run, looked);
    assert!(groups.len() > 3, "{groups:?}");
    assert!(groups.iter().all(|group| group.contains(&rig.place.home_id)), "{groups:?}");
}

/// The control group by which the kernel shares processor time out to a process.
fn group_of_processor_time(process: i32) -> Option<String> {
    let groups = fs::read_to_string(format!("/proc/{process}/cgroup")).ok()?;
    let of_version_1 =
        |line: &&str| line.split(':').nth(1).is_some_and(|names| names.split(',').any(|name| name == "cpu"));
    let line = groups.lines().find(of_version_1).or_else(|| groups.lines().find(|line| line.starts_with("0::")))?;
    Some(line.splitn(3, ':').nth(2)?.to_owned())
}

pub(crate) async fn writable_folders_are_bounded_together(rig: &Rig) {
    let code = "total = 0
for folder in ['/scratch', '/tmp', '/dev/shm']:
    f = open(folder + '/fill', 'wb', 0)
    try:
        while True: total += f.write(b'x' * 65536)
    except OSError as e: assert e.errno == 28, e
print(12 << 20 <= total <= 17 << 20 or total)";
    rig.python(code).limit(|limits| limits.scratch = 16 << 20).run().await.says("True\n");
}

pub(crate) async fn files_are_bounded_in_number(rig: &Rig) {
    let code = "for folder in ['/scratch', '/tmp', '/dev/shm']:
    n = 0
    try:
        while n < 200000: open(f'{folder}/{n}', 'w').close(); n += 1
    except OSError as e: assert e.errno == 28, e
    if n >= 100000: print('no bound in', folder)
print('tried')";
    if rig.under == Under::Gvisor {
        // Its folders have no such bound: files are the run's memory, and that is bounded.
        let job = rig.python(code).limit(|limits| (limits.scratch, limits.memory) = (16 << 20, 64 << 20));
        job.run().await.ended(Ended::MemoryLimit);
        return;
    }
    rig.python(code).limit(|limits| limits.scratch = 16 << 20).run().await.says("tried\n");
}

pub(crate) async fn processes_are_bounded_in_number(rig: &Rig) {
    let code = "import os, time
n = 1
try:
    while n < 20000:
        if os.fork() == 0: time.sleep(600); os._exit(0)
        n += 1
except OSError as e: print(e.errno, n)";
    for processes in [4, 50] {
        rig.python(code).limit(|limits| limits.processes = processes).run().await.says(&format!("11 {processes}\n"));
    }
    // Threads are processes; and a bomb is put out.
    let bomb = rig
        .python("import os\nwhile True:\n  try: os.fork()\n  except OSError: pass")
        .limit(|limits| limits.cpu = Duration::from_secs(1))
        .run()
        .await;
    // In gVisor a process costs so much memory that it may be this which runs out.
    match bomb.report.ended {
        Ended::MemoryLimit if rig.under == Under::Gvisor => (),
        _ => drop(bomb.ended(Ended::CpuLimit)),
    }
}

pub(crate) async fn it_keeps_to_its_cores(rig: &Rig) {
    let code = "import os
try: os.sched_setaffinity(0, range(os.cpu_count()))
except OSError: pass
print(*[line.split()[1] for line in open('/proc/self/status') if line.startswith('Cpus_allowed_list')])";
    let all = Cores::all().to_string();
    let [first, ..] = &Cores::divided(2).expect("these tests want two cores")[..] else { unreachable!("two") };
    assert_ne!(first.to_string(), all);
    if rig.under == Under::Gvisor {
        // Inside, its kernel has processors of its own. On the machine they are some threads, and where those may run counts.
        let mut job = rig.python("import time; print('up', flush=True); time.sleep(600)");
        job.spec.cores = Some(first.clone());
        let (cancel, stdout) = (CancellationToken::new(), job.spec.folder.join("stdout"));
        let (ran, allowed) = tokio::join!(job.try_run(&cancel), async {
            let deadline = Instant::now() + Duration::from_secs(30);
            while fs::read_to_string(&stdout).unwrap_or_default() != "up\n" {
                assert!(Instant::now() < deadline, "the run does not start");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            let list = |pid: &i32| {
                let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
                let line = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:\t"));
                line.map(str::to_owned)
            };
            let allowed: Vec<String> = rig.processes().iter().filter_map(list).collect();
            cancel.cancel();
            allowed
        });
        assert!(matches!(ran, Err(Fault::Cancelled)), "{ran:?}");
        assert!(!allowed.is_empty() && allowed.iter().all(|list| *list == first.to_string()), "{allowed:?}");
        return;
    }
    let mut job = rig.python(code);
    job.spec.cores = Some(first.clone());
    job.run().await.says(&format!("{first}\n"));
    rig.python(code).run().await.says(&format!("{all}\n"));
}

pub(crate) async fn what_was_used_is_measured(rig: &Rig) {
    let ran = rig.python("import time\nx = b'x' * (50 << 20)\nt = time.process_time()\nwhile time.process_time() - t < 0.5: pass\ntime.sleep(0.5)").run().await.ended(Ended::Exited(0));
    assert!((0.5..5.0).contains(&ran.report.cpu.as_secs_f64()), "{:?}", ran.report);
    assert!((1.0..10.0).contains(&ran.report.wall.as_secs_f64()), "{:?}", ran.report);
    assert!((50 << 20..120 << 20).contains(&ran.report.peak_memory), "{:?}", ran.report);
}
