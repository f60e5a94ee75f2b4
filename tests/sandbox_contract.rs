//! What `podium::sandbox` promises, tried on every engine with small real programs. Each name is a promise.
//!
//! Nothing is skipped: where an engine does not work, its tests fail and say what is missing. The Docker tests want the
//! image that `scripts/make-image podium-test-python:1` makes, and both want root.

#[path = "support/sandbox.rs"]
mod support;

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use podium::core::config::{Engine, SandboxSettings};
use podium::sandbox::{self, AnswerFile, Ended, Fault, Place};
use support::Rig;
use tokio_util::sync::CancellationToken;

/// Runs each promise on each engine, and then looks for anything that was left behind.
macro_rules! promises {
    ($($name:ident)*) => {
        mod bubblewrap { $( #[tokio::test(flavor = "multi_thread", worker_threads = 2)] async fn $name() { super::kept(super::Engine::Bubblewrap, super::$name).await; } )* }
        mod docker { $( #[tokio::test(flavor = "multi_thread", worker_threads = 2)] async fn $name() { super::kept(super::Engine::Docker, super::$name).await; } )* }
    };
}

async fn kept(engine: Engine, promise: impl AsyncFn(&Rig)) {
    let rig = Rig::new(engine).await;
    promise(&rig).await;
    assert_eq!(rig.traces(), Vec::<String>::new(), "something was left behind");
}

promises! {
    // How it ends.
    output_and_every_exit_status_are_reported
    a_main_process_that_a_signal_ended_says_so
    a_program_that_is_missing_is_our_fault_and_not_the_programs
    a_run_ends_with_its_main_process
    children_in_sessions_of_their_own_die_too
    a_shell_is_not_needed_to_pass_odd_arguments_on
    // What it is given.
    its_environment_is_three_names
    it_starts_in_an_empty_scratch_folder
    standard_input_is_the_file
    without_standard_input_it_is_at_its_end
    standard_input_need_not_be_read
    it_cannot_change_what_it_is_shown
    what_is_shown_may_lie_in_closed_folders
    what_is_shown_must_itself_be_open
    // What it cannot reach.
    it_sees_nothing_else_of_the_machine
    it_has_no_network
    it_has_no_rights
    it_has_no_descriptors_but_three
    kernel_entry_points_are_closed
    threads_and_local_sockets_work
    // What it may spend.
    output_beyond_the_limit_ends_it
    output_up_to_the_limit_does_not
    cpu_time_of_all_processes_counts
    wall_time_ends_what_sleeps_or_is_stopped
    memory_beyond_the_limit_ends_it
    memory_of_a_child_alone_counts
    writable_folders_count_as_memory
    writable_folders_are_bounded_together
    files_are_bounded_in_number
    processes_are_bounded_in_number
    what_was_used_is_measured
    // The answer file.
    an_answer_file_is_taken
    what_is_no_fit_answer_file_is_refused
    an_answer_is_apart_from_what_is_printed
    a_run_that_a_limit_ended_has_no_answer
    // The engine.
    a_cancelled_run_is_gone
    a_dropped_run_is_gone
    concurrent_runs_do_not_see_each_other
    nothing_carries_over_to_the_next_run
    sweep_removes_strays_of_this_home_only
    a_run_that_is_ended_from_outside_has_no_report
    an_image_that_is_not_there_is_named
    an_engine_that_cannot_work_says_so
    a_probe_says_what_the_engine_is
}

// --- How it ends ---------------------------------------------------------------------------------------------------------

async fn output_and_every_exit_status_are_reported(rig: &Rig) {
    for status in [0, 1, 2, 77, 126, 127, 128, 255] {
        let ran = rig
            .python(&format!("import sys; print('out'); print('err', file=sys.stderr); sys.exit({status})"))
            .run()
            .await
            .ended(Ended::Exited(status));
        assert_eq!((ran.stdout().as_str(), ran.stderr().as_str()), ("out\n", "err\n"));
        assert_eq!(ran.report.answer, AnswerFile::NotWanted);
    }
}

async fn a_main_process_that_a_signal_ended_says_so(rig: &Rig) {
    for signal in [1, 6, 9, 11, 15] {
        let ran = rig
            .python(&format!("import os; print('first', flush=True); os.kill(os.getpid(), {signal})"))
            .run()
            .await
            .ended(Ended::Signalled(signal));
        assert_eq!((ran.stdout().as_str(), ran.stderr().as_str()), ("first\n", ""));
    }
    rig.python("import os; os.abort()").run().await.ended(Ended::Signalled(6));
    rig.python("import ctypes; ctypes.string_at(0)").run().await.ended(Ended::Signalled(11));
}

async fn a_program_that_is_missing_is_our_fault_and_not_the_programs(rig: &Rig) {
    for program in ["no-such-program", "/no/such/program"] {
        match rig.command(&[program]).try_run(&CancellationToken::new()).await {
            Err(Fault::Failed(text)) => assert!(text.contains(program), "{text}"),
            other => panic!("{other:?}"),
        }
    }
    // The program can say the same, and is not believed.
    rig.python("import sys; print('env: no-such-program: No such file or directory', file=sys.stderr); sys.exit(127)")
        .run()
        .await
        .ended(Ended::Exited(127));
}

async fn a_run_ends_with_its_main_process(rig: &Rig) {
    let start = Instant::now();
    // The child holds the output open.
    rig.python("import os, time\nif os.fork() == 0:\n  time.sleep(600)\nprint('done')").run().await.says("done\n");
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
}

async fn children_in_sessions_of_their_own_die_too(rig: &Rig) {
    let code = "import os, signal, sys, time
for s in range(1, 65):
    try: signal.signal(s, signal.SIG_IGN)
    except (OSError, ValueError): pass
if os.fork() == 0:
    os.setsid()
    if os.fork(): os._exit(0)
    time.sleep(600)
if sys.argv[-1] == 'wait': time.sleep(600)
print('main')";
    // A mark that is found in the list of the machine's processes.
    let mark = format!("mark-{}", rig.place.home_id);
    let alive = || {
        fs::read_dir("/proc")
            .expect("/proc")
            .flatten()
            .filter(|process| fs::read_to_string(process.path().join("cmdline")).unwrap_or_default().contains(&mark))
            .count()
    };
    rig.python(code).argument(&mark).run().await.says("main\n");
    assert_eq!(alive(), 0);
    rig.python(code)
        .argument(&mark)
        .argument("wait")
        .limit(|limits| limits.wall = Duration::from_secs(1))
        .run()
        .await
        .ended(Ended::WallLimit);
    assert_eq!(alive(), 0);
}

async fn a_shell_is_not_needed_to_pass_odd_arguments_on(rig: &Rig) {
    let odd = ["", " ", "a b", "'\"$(id)`id`;|&<>*?\\", "--", "-n", "x=y", "ü\n"];
    let mut job = rig.python("import sys; print(sys.argv[1:])");
    for argument in odd {
        job = job.argument(argument);
    }
    job.run().await.says("['', ' ', 'a b', '\\'\"$(id)`id`;|&<>*?\\\\', '--', '-n', 'x=y', 'ü\\n']\n");
}

// --- What it is given ----------------------------------------------------------------------------------------------------

async fn its_environment_is_three_names(rig: &Rig) {
    let expected = "{'HOME': '/scratch', 'LANG': 'C.UTF-8', 'PATH': '/usr/local/bin:/usr/bin:/bin'}\n";
    rig.python("import os; print(dict(sorted(os.environ.items())))").run().await.says(expected);
}

async fn it_starts_in_an_empty_scratch_folder(rig: &Rig) {
    rig.python("import os; print(os.getcwd(), os.listdir('.'), os.path.expanduser('~')); open('x', 'w').write('y'); print(open('/scratch/x').read())")
        .run()
        .await
        .says("/scratch [] /scratch\ny\n");
    rig.python("import tempfile; print(tempfile.gettempdir()); open('/tmp/x', 'w'); open('/dev/shm/x', 'w')")
        .run()
        .await
        .says("/tmp\n");
}

async fn standard_input_is_the_file(rig: &Rig) {
    let bytes: Vec<u8> = (0..=255).cycle().take(1_000_003).collect();
    rig.python("import sys, hashlib; b = sys.stdin.buffer.read(); print(len(b), hashlib.sha256(b).hexdigest()[:8])")
        .stdin(&bytes)
        .run()
        .await
        .says("1000003 47aa1bda\n");
    rig.python("import sys; print(repr(sys.stdin.read()))").stdin(b"").run().await.says("''\n");
}

async fn without_standard_input_it_is_at_its_end(rig: &Rig) {
    rig.python("import sys; print(repr(sys.stdin.read()))").run().await.says("''\n");
}

async fn standard_input_need_not_be_read(rig: &Rig) {
    let input = vec![b'x'; 100 << 20];
    for code in ["", "import os; os.close(0)", "import os; os.read(0, 1)"] {
        rig.python(&format!("{code}\nprint('done')")).stdin(&input).run().await.says("done\n");
    }
}

async fn it_cannot_change_what_it_is_shown(rig: &Rig) {
    let code = "import os
def refused(f, *a):
    try: f(*a)
    except OSError as e: return True
    print('could', f, a)
for path in ['/source/main.py', '/shown/a', '/scratch/shown/a', '/usr/bin/env', '/etc/passwd']:
    refused(open, path, 'a'); refused(os.unlink, path); refused(os.chmod, path, 0o777); refused(os.rename, path, path + '2'); refused(os.utime, path)
for folder in ['/', '/usr', '/etc', '/shown', '/scratch/shown', '/source', '/dev', '/bin', '/proc', '/var', '/run', '/opt', '/home']:
    refused(open, folder + '/new', 'w'); refused(os.mkdir, folder + '/newer')
print(open('/shown/a').read(), os.listdir('/scratch'))";
    let shown = rig.place.work.join("shown");
    fs::create_dir(&shown).expect("mkdir");
    fs::write(shown.join("a"), "A").expect("write");
    // Even where everybody could write.
    fs::set_permissions(&shown, fs::Permissions::from_mode(0o777)).expect("chmod");
    fs::set_permissions(shown.join("a"), fs::Permissions::from_mode(0o666)).expect("chmod");
    rig.python(code).mount(&shown, "/shown").mount(&shown, "/scratch/shown").run().await.says("A ['shown']\n");
    assert_eq!(fs::read_to_string(shown.join("a")).expect("read"), "A");
}

async fn what_is_shown_may_lie_in_closed_folders(rig: &Rig) {
    let deep = rig.place.work.join("closed/deep");
    fs::create_dir_all(&deep).expect("mkdir");
    fs::write(deep.join("a"), "A").expect("write");
    fs::set_permissions(rig.place.work.join("closed"), fs::Permissions::from_mode(0o700)).expect("chmod");
    rig.python("print(open('/deep/a').read())").mount(&deep, "/deep").run().await.says("A\n");
}

async fn what_is_shown_must_itself_be_open(rig: &Rig) {
    let secret = rig.place.work.join("secret");
    fs::write(&secret, "s").expect("write");
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).expect("chmod");
    let link = rig.place.work.join("link");
    std::os::unix::fs::symlink("/etc/shadow", &link).expect("link");
    for host in [secret, link, "/no/such/file".into()] {
        match rig.python("").mount(&host, "/shown").try_run(&CancellationToken::new()).await {
            Err(Fault::Failed(text)) => assert!(text.contains(&*host.to_string_lossy()), "{text}"),
            other => panic!("{}: {other:?}", host.display()),
        }
    }
}

// --- What it cannot reach ------------------------------------------------------------------------------------------------

async fn it_sees_nothing_else_of_the_machine(rig: &Rig) {
    // Put together inside, so that the program's own source does not hold it.
    let canary = format!("CANARY-{}", rig.place.home_id);
    fs::write(rig.home.path().join("canary"), &canary).expect("write");
    fs::write(rig.place.work.join("canary"), &canary).expect("write");
    let code = format!(
        "import os
home, canary = {home:?}, 'CANARY' + '-{id}'
print(os.path.exists(home), os.listdir('/tmp'), os.listdir('/scratch'), os.listdir('/dev/shm'))
for p in ['/root', '/home', '/srv', '/var/lib', '/var/log', '/boot', '/mnt', '/media', '/var/run/docker.sock', '/run/docker.sock', '/etc/shadow', '/etc/ssh', '/proc/1/root/etc/shadow']:
    try: seen = os.listdir(p) if os.path.isdir(p) else open(p, 'rb').read(1)
    except OSError: continue
    if seen: print('sees', p, seen)
for d, ds, fs in os.walk('/'):
    ds[:] = [x for x in ds if os.path.join(d, x) not in ('/proc', '/sys', '/usr', '/dev')]
    for f in fs:
        q = os.path.join(d, f)
        try:
            if os.path.isfile(q) and canary.encode() in open(q, 'rb').read(1 << 20): print('found it in', q)
        except OSError: pass
print(len([p for p in os.listdir('/proc') if p.isdigit()]) <= 3)",
        home = rig.home.path(),
        id = rig.place.home_id
    );
    rig.python(&code).run().await.says("False [] [] []\nTrue\n");
}

async fn it_has_no_network(rig: &Rig) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("listen");
    let port = listener.local_addr().expect("address").port();
    let name = format!("podium-{}", rig.place.home_id);
    let address = <std::os::unix::net::SocketAddr as std::os::linux::net::SocketAddrExt>::from_abstract_name(&name)
        .expect("a name");
    let _local = std::os::unix::net::UnixListener::bind_addr(&address).expect("listen");
    let code = format!(
        "import socket
print([line.split(':')[0].strip() for line in open('/proc/net/dev').readlines()[2:]], len(open('/proc/net/route').readlines()))
for family, address in [(socket.AF_INET, ('127.0.0.1', {port})), (socket.AF_INET6, ('::1', {port})), (socket.AF_UNIX, '\\0{name}'), (socket.AF_INET, ('192.0.2.1', 80))]:
    try: socket.socket(family).connect(address); print('reached', address)
    except OSError: pass"
    );
    rig.python(&code).run().await.says("['lo'] 1\n");
}

async fn it_has_no_rights(rig: &Rig) {
    let code = "import os
status = dict(line.rstrip('\\n').split(':\\t', 1) for line in open('/proc/self/status') if ':\\t' in line)
print(os.getuid() != 0, os.geteuid() != 0, os.getgid() != 0, 0 in os.getgroups())
print(sorted({int(status[k], 16) for k in ('CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb')}), status['NoNewPrivs'], status['Seccomp'])
print(open('/proc/self/oom_score_adj').read().strip(), os.ST_NOSUID & os.statvfs('.').f_flag != 0, os.ST_NODEV & os.statvfs('.').f_flag != 0)
import resource
print(resource.getrlimit(resource.RLIMIT_CORE), resource.getrlimit(resource.RLIMIT_NOFILE))
for f, *a in [(os.setuid, 0), (os.setgid, 0), (os.chroot, '/'), (os.mknod, 'd', 0o20666, os.makedev(1, 3)), (os.nice, -5), (os.sched_setscheduler, 0, os.SCHED_FIFO, os.sched_param(1))]:
    try: f(*a); print('could', f)
    except OSError: pass";
    rig.python(code).run().await.says("True True True False\n[0] 1 2\n1000 True True\n(0, 0) (1024, 1024)\n");
}

async fn it_has_no_descriptors_but_three(rig: &Rig) {
    // A descriptor that a careless library left open for everybody.
    let leak = fs::File::open("/etc/shadow").expect("open");
    rustix::io::fcntl_setfd(&leak, rustix::io::FdFlags::empty()).expect("fcntl");
    rig.python("import os; print([n for n in os.listdir('/proc/self/fd') if os.path.exists('/proc/self/fd/' + n)])")
        .run()
        .await
        .says("['0', '1', '2']\n");
}

async fn kernel_entry_points_are_closed(rig: &Rig) {
    let code = "import ctypes, os, socket
L = ctypes.CDLL(None, use_errno=True)
x86 = os.uname().machine == 'x86_64'
def call(name, x, a, *args):
    ctypes.set_errno(0)
    if L.syscall(ctypes.c_long(x if x86 else a), *args) >= 0 or ctypes.get_errno() not in (1, 38): print('open', name, ctypes.get_errno())
buffer = ctypes.create_string_buffer(256)
call('io_uring_setup', 425, 425, 4, buffer); call('bpf', 321, 280, 5, buffer, 128); call('perf_event_open', 298, 241, buffer, 0, -1, -1, 0)
call('userfaultfd', 323, 282, 0); call('add_key', 248, 217, b'user', b'n', b'x', 1, -3); call('keyctl', 250, 219, 0, -4, 1)
call('unshare', 272, 97, 0x10000000); call('clone', 56, 220, 0x10000000 | 17, 0, 0, 0, 0); call('clone3', 435, 435, buffer, 64); call('setns', 308, 268, 0, 0)
call('ptrace', 101, 117, 0, 0, 0, 0); call('process_vm_readv', 310, 270, 1, 0, 0, 0, 0, 0); call('mount', 165, 40, b'none', b'/tmp', b'tmpfs', 0, 0)
call('fsopen', 430, 430, b'tmpfs', 0); call('open_tree', 428, 428, -100, b'/', 0); call('open_by_handle_at', 304, 265, 0, 0, 0); call('quotactl', 179, 60, 0, 0, 0, 0)
call('sync', 162, 81); call('younger than the list', 470, 470)
for family in [16, 17, 21, 31, 38, 40, 44]:
    try: socket.socket(family, socket.SOCK_DGRAM if family != 17 else socket.SOCK_RAW); print('open family', family)
    except OSError: pass
for args in [(2, 3, 0), (2, 3, 1), (2, 1, 132), (2, 1, 262)]:
    try: socket.socket(*args); print('open socket', args)
    except OSError: pass
print('tried')";
    rig.python(code).run().await.says("tried\n");
}

async fn threads_and_local_sockets_work(rig: &Rig) {
    let code = "import multiprocessing, socket, subprocess, threading
got = []
threads = [threading.Thread(target=got.append, args=(i,)) for i in range(8)]
for t in threads: t.start()
for t in threads: t.join()
server = socket.create_server(('127.0.0.1', 0)); client = socket.create_connection(server.getsockname()); print(len(got), client.getpeername()[0])
a, b = socket.socketpair(); a.send(b'x'); print(b.recv(1))
queue = multiprocessing.Queue(); p = multiprocessing.Process(target=queue.put, args=(7,)); p.start(); print(queue.get()); p.join()
print(subprocess.run(['sh', '-c', 'echo $((6*7)) | cat'], capture_output=True).stdout)
with multiprocessing.Pool(2) as pool: print(pool.map(abs, [-1, 2]))";
    rig.python(code).run().await.says("8 127.0.0.1\nb'x'\n7\nb'42\\n'\n[1, 2]\n");
}

// --- What it may spend ---------------------------------------------------------------------------------------------------

async fn output_beyond_the_limit_ends_it(rig: &Rig) {
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

async fn output_up_to_the_limit_does_not(rig: &Rig) {
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

async fn cpu_time_of_all_processes_counts(rig: &Rig) {
    let code = "import os\nfor _ in range(3): os.fork()\nwhile True: pass";
    for code in ["while True: pass", code] {
        let ran =
            rig.python(code).limit(|limits| limits.cpu = Duration::from_secs(1)).run().await.ended(Ended::CpuLimit);
        assert!((1.0..1.4).contains(&ran.report.cpu.as_secs_f64()), "{:?}", ran.report);
    }
    // Children that are gone count, too.
    let code =
        "import os\nwhile True:\n  if os.fork() == 0:\n    for i in range(1000000): pass\n    os._exit(0)\n  os.wait()";
    rig.python(code).limit(|limits| limits.cpu = Duration::from_secs(1)).run().await.ended(Ended::CpuLimit);
}

async fn wall_time_ends_what_sleeps_or_is_stopped(rig: &Rig) {
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
        assert!((1.5..4.0).contains(&ran.report.wall.as_secs_f64()), "{:?}", ran.report);
    }
}

async fn memory_beyond_the_limit_ends_it(rig: &Rig) {
    let ran = rig
        .python("x = b'x' * (256 << 20)")
        .limit(|limits| limits.memory = 64 << 20)
        .run()
        .await
        .ended(Ended::MemoryLimit);
    assert!((48 << 20..=64 << 20).contains(&ran.report.peak_memory), "{:?}", ran.report);
    rig.python("x = b'x' * (100 << 20); print(len(x))")
        .limit(|limits| limits.memory = 160 << 20)
        .run()
        .await
        .says("104857600\n");
}

async fn memory_of_a_child_alone_counts(rig: &Rig) {
    let child = "import os\nif os.fork() == 0: x = b'x' * (256 << 20)\nos.wait()\n";
    rig.python(&format!("{child}print('survived')"))
        .limit(|limits| limits.memory = 64 << 20)
        .run()
        .await
        .ended(Ended::MemoryLimit);
    // It would go on without the child: it is not let.
    let start = Instant::now();
    rig.python(&format!("{child}import time; time.sleep(30)"))
        .limit(|limits| limits.memory = 64 << 20)
        .run()
        .await
        .ended(Ended::MemoryLimit);
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
}

async fn writable_folders_count_as_memory(rig: &Rig) {
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

async fn writable_folders_are_bounded_together(rig: &Rig) {
    let code = "total = 0
for folder in ['/scratch', '/tmp', '/dev/shm']:
    f = open(folder + '/fill', 'wb', 0)
    try:
        while True: total += f.write(b'x' * 65536)
    except OSError as e: assert e.errno == 28, e
print(12 << 20 <= total <= 17 << 20 or total)";
    rig.python(code).limit(|limits| limits.scratch = 16 << 20).run().await.says("True\n");
}

async fn files_are_bounded_in_number(rig: &Rig) {
    let code = "for folder in ['/scratch', '/tmp', '/dev/shm']:
    n = 0
    try:
        while n < 200000: open(f'{folder}/{n}', 'w').close(); n += 1
    except OSError as e: assert e.errno == 28, e
    if n >= 100000: print('no bound in', folder)
print('tried')";
    rig.python(code).limit(|limits| limits.scratch = 16 << 20).run().await.says("tried\n");
}

async fn processes_are_bounded_in_number(rig: &Rig) {
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
    rig.python("import os\nwhile True:\n  try: os.fork()\n  except OSError: pass")
        .limit(|limits| limits.cpu = Duration::from_secs(1))
        .run()
        .await
        .ended(Ended::CpuLimit);
}

async fn what_was_used_is_measured(rig: &Rig) {
    let ran = rig.python("import time\nx = b'x' * (50 << 20)\nt = time.process_time()\nwhile time.process_time() - t < 0.5: pass\ntime.sleep(0.5)").run().await.ended(Ended::Exited(0));
    assert!((0.5..5.0).contains(&ran.report.cpu.as_secs_f64()), "{:?}", ran.report);
    assert!((1.0..10.0).contains(&ran.report.wall.as_secs_f64()), "{:?}", ran.report);
    assert!((50 << 20..120 << 20).contains(&ran.report.peak_memory), "{:?}", ran.report);
}

// --- The answer file -----------------------------------------------------------------------------------------------------

async fn an_answer_file_is_taken(rig: &Rig) {
    for (bytes, expected) in [("'{}'", &b"{}"[..]), ("''", b""), ("'\\0\\n\\xff'", b"\0\n\xc3\xbf")] {
        let ran = rig
            .python(&format!("open('output.json', 'w').write({bytes}); print('printed')"))
            .wanting_an_answer()
            .run()
            .await
            .says("printed\n");
        assert_eq!(ran.answer(), (AnswerFile::Taken(expected.len() as u64), Some(expected.to_vec())));
        let mode = fs::metadata(ran.folder.join("answer")).expect("an answer").permissions().mode();
        assert_eq!(mode & 0o7777, 0o644, "an evaluator is to read it");
    }
    // One that fails has an answer all the same.
    let ran = rig
        .python("open('output.json', 'w').write('x'); raise SystemExit(3)")
        .wanting_an_answer()
        .run()
        .await
        .ended(Ended::Exited(3));
    assert_eq!(ran.answer().0, AnswerFile::Taken(1));
    // As long as is allowed.
    let ran = rig
        .python("open('output.json', 'w').write('x' * 100000)")
        .wanting_an_answer()
        .limit(|limits| limits.output = 100_000)
        .run()
        .await
        .ended(Ended::Exited(0));
    assert_eq!(ran.answer().0, AnswerFile::Taken(100_000));
}

async fn what_is_no_fit_answer_file_is_refused(rig: &Rig) {
    let refused = |why: &str| AnswerFile::Refused(why.into());
    let cases = [
        ("pass", AnswerFile::Missing),
        ("os.symlink('/etc/passwd', O)", refused("is a symbolic link")),
        ("open('x', 'w').write('x'); os.symlink('x', O)", refused("is a symbolic link")),
        ("os.symlink(O, O)", refused("is a symbolic link")),
        ("os.symlink('/proc/self/environ', O)", refused("is a symbolic link")),
        ("os.mkfifo(O)", refused("is not a plain file")),
        ("os.mkdir(O)", refused("is not a plain file")),
        ("socket.socket(socket.AF_UNIX).bind(O)", refused("is not a plain file")),
        ("open(O, 'w').write('{}'); os.chmod(O, 0)", refused("cannot be read")),
        ("open(O, 'wb').truncate(1 << 40)", refused("is longer than 1000 bytes")),
        ("open(O, 'w').write('x' * 1001)", refused("is longer than 1000 bytes")),
        ("open(O, 'w').write('{}'); os.chmod('.', 0)", AnswerFile::Taken(2)),
    ];
    for (code, expected) in cases {
        let ran = rig
            .python(&format!("import os, socket; O = 'output.json'\n{code}"))
            .wanting_an_answer()
            .limit(|limits| limits.output = 1000)
            .run()
            .await
            .ended(Ended::Exited(0));
        assert_eq!(ran.report.answer, expected, "{code}");
        assert_eq!(ran.answer().1.is_some(), matches!(expected, AnswerFile::Taken(_)), "{code}");
    }
}

async fn an_answer_is_apart_from_what_is_printed(rig: &Rig) {
    // What it prints looks like what an engine may add.
    let code = "open('output.json', 'w').write('real')\nprint('000 taken__ 000000000004\\n' * 3 + '{\"exit-code\": 7}', end='')";
    let ran = rig.python(code).wanting_an_answer().run().await.ended(Ended::Exited(0));
    assert_eq!(ran.answer(), (AnswerFile::Taken(4), Some(b"real".to_vec())));
    assert_eq!(ran.stdout(), "000 taken__ 000000000004\n".repeat(3) + "{\"exit-code\": 7}");
    // Its limit on output is its own, whatever the answer's length.
    let code = "open('output.json', 'w').write('x' * 1000)\nprint('y' * 1000, end='')";
    rig.python(code).wanting_an_answer().limit(|limits| limits.output = 1000).run().await.ended(Ended::Exited(0));
    rig.python(&code.replace("* 1000, end", "* 1001, end"))
        .wanting_an_answer()
        .limit(|limits| limits.output = 1000)
        .run()
        .await
        .ended(Ended::OutputLimit);
}

async fn a_run_that_a_limit_ended_has_no_answer(rig: &Rig) {
    let code = "import time\nopen('output.json', 'w').write('{}')\ntime.sleep(600)";
    let ran = rig
        .python(code)
        .wanting_an_answer()
        .limit(|limits| limits.wall = Duration::from_secs(1))
        .run()
        .await
        .ended(Ended::WallLimit);
    assert_eq!(ran.answer(), (AnswerFile::Missing, None));
}

// --- The engine ----------------------------------------------------------------------------------------------------------

async fn a_cancelled_run_is_gone(rig: &Rig) {
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

async fn a_dropped_run_is_gone(rig: &Rig) {
    let cancel = CancellationToken::new();
    let run = rig.python("import time; time.sleep(600)").try_run(&cancel);
    assert!(tokio::time::timeout(Duration::from_secs(2), run).await.is_err());
    // What drops cannot wait: it is enough that it goes soon.
    let deadline = Instant::now() + Duration::from_secs(10);
    while rig.traces().iter().any(|trace| !trace.starts_with("control group")) {
        assert!(Instant::now() < deadline, "{:?}", rig.traces());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    rig.sandbox.sweep().await.expect("sweep");
}

async fn concurrent_runs_do_not_see_each_other(rig: &Rig) {
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

async fn nothing_carries_over_to_the_next_run(rig: &Rig) {
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

async fn sweep_removes_strays_of_this_home_only(rig: &Rig) {
    // A life of the daemon that was killed: its processes are gone or not, its traces are there.
    let code = "import os, sys, time
print('up', flush=True)
time.sleep(600)";
    stray(rig, &rig.place.clone(), code).await;
    let other = Place { home_id: support::unique(), ..rig.place.clone() };
    stray(rig, &other, code).await;
    assert_ne!(rig.traces(), Vec::<String>::new());
    // A process beside the daemon has no business with what is the daemon's.
    let beside = sandbox::open(&rig.settings, &Place { owner: Place::try_by(std::process::id()), ..rig.place.clone() });
    assert_eq!(beside.sweep().await.expect("sweep"), 0);
    assert_ne!(rig.traces(), Vec::<String>::new());
    assert_eq!(rig.sandbox.sweep().await.expect("sweep"), 1);
    assert_eq!(rig.traces(), Vec::<String>::new());
    assert_eq!(rig.sandbox.sweep().await.expect("sweep"), 0);
    assert_eq!(sandbox::open(&rig.settings, &other).sweep().await.expect("sweep"), 1);
}

/// A run of another life: another process of the test binary, killed while its run goes on.
async fn stray(rig: &Rig, place: &Place, code: &str) {
    let source = rig.place.work.join(format!("stray-{}.py", place.home_id));
    fs::write(&source, code).expect("write");
    let mut child = std::process::Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "a_life_that_is_killed", "--ignored", "--nocapture"])
        .env("STRAY", format!("{:?} {} {}", rig.settings.engine, place.home_id, place.work.display()))
        .spawn()
        .expect("another life");
    let stdout = place.work.join("stray/stdout");
    let deadline = Instant::now() + Duration::from_secs(30);
    while fs::read_to_string(&stdout).unwrap_or_default() != "up\n" {
        assert!(Instant::now() < deadline, "the run of another life does not start");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    child.kill().expect("kill");
    child.wait().expect("wait");
    fs::remove_dir_all(place.work.join("stray")).expect("remove");
}

/// Not a test: what [`stray`] starts.
#[tokio::test]
#[ignore = "only ever started by another test, which kills it"]
async fn a_life_that_is_killed() {
    let Ok(stray) = std::env::var("STRAY") else { return };
    let words: Vec<&str> = stray.splitn(3, ' ').collect();
    let engine = if words[0] == "Docker" { Engine::Docker } else { Engine::Bubblewrap };
    let place = Place { home_id: words[1].into(), owner: Place::DAEMON.into(), work: words[2].into(), host_home: None };
    let (source, folder) = (place.work.join(format!("stray-{}.py", place.home_id)), place.work.join("stray"));
    fs::create_dir(&folder).expect("mkdir");
    let rig = support::settings(engine);
    let spec = support::spec("stray", &["python3", "-I", "/source/main.py"], &folder, &[(&source, "/source/main.py")]);
    let ran = sandbox::open(&rig, &place).run(&spec, &CancellationToken::new()).await;
    panic!("it should have been killed: {ran:?}");
}

async fn a_run_that_is_ended_from_outside_has_no_report(rig: &Rig) {
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

async fn an_engine_that_cannot_work_says_so(rig: &Rig) {
    // What makes it unable is this process's own: another one is.
    let output = std::process::Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "a_life_without_an_engine", "--ignored", "--nocapture"])
        .env("ENGINE", format!("{:?} {}", rig.settings.engine, rig.place.work.display()))
        .env("DOCKER_HOST", "unix:///no/such/docker.sock")
        .env("PATH", "/no/such/folder")
        .output()
        .expect("another life");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Not a test: what [`an_engine_that_cannot_work_says_so`] starts.
#[tokio::test]
#[ignore = "only ever started by another test"]
async fn a_life_without_an_engine() {
    let Ok(engine) = std::env::var("ENGINE") else { return };
    let (engine, work) = engine.split_once(' ').expect("two words");
    let (engine, named) = if engine == "Docker" {
        (Engine::Docker, "/no/such/docker.sock")
    } else {
        (Engine::Bubblewrap, "bubblewrap, 0.8 or later")
    };
    let place = Place { home_id: support::unique(), owner: Place::DAEMON.into(), work: work.into(), host_home: None };
    let sandbox = sandbox::open(&support::settings(engine), &place);
    let spec = support::spec("never", &["true"], &place.work.join("never"), &[]);
    for fault in [sandbox.probe().await.err(), sandbox.run(&spec, &CancellationToken::new()).await.err()] {
        match fault {
            Some(Fault::Unavailable(text)) => assert!(text.contains(named), "{text}"),
            other => panic!("{other:?}"),
        }
    }
}

/// Containers live on until they are swept; what bubblewrap started dies with whoever started it, at whatever moment.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_daemon_ran_under_bubblewrap_dies_with_it() {
    let rig = Rig::new(Engine::Bubblewrap).await;
    for round in 0..20 {
        let work = rig.place.work.join(format!("life-{round}"));
        fs::create_dir(&work).expect("mkdir");
        let mut child = std::process::Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", "a_busy_life_that_is_killed", "--ignored", "--nocapture"])
            .env("BUSY", format!("{} {}", rig.place.home_id, work.display()))
            .stdout(std::process::Stdio::null())
            .spawn()
            .expect("another life");
        // Runs follow one another without a pause, so any moment hits one of them somewhere.
        let deadline = Instant::now() + Duration::from_secs(30);
        while rig.processes().is_empty() {
            assert!(Instant::now() < deadline, "the runs of another life do not start");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        tokio::time::sleep(Duration::from_millis(round)).await;
        child.kill().expect("kill");
        child.wait().expect("wait");
        let deadline = Instant::now() + Duration::from_secs(5);
        while !rig.processes().is_empty() {
            assert!(Instant::now() < deadline, "in round {round} there is left: {:?}", rig.traces());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        rig.sandbox.sweep().await.expect("sweep");
    }
    assert_eq!(rig.traces(), Vec::<String>::new());
}

/// Not a test: what [`what_a_killed_daemon_ran_under_bubblewrap_dies_with_it`] starts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "only ever started by another test, which kills it"]
async fn a_busy_life_that_is_killed() {
    let Ok(busy) = std::env::var("BUSY") else { return };
    let (home_id, work) = busy.split_once(' ').expect("two words");
    let place = Place { home_id: home_id.into(), owner: Place::DAEMON.into(), work: work.into(), host_home: None };
    let sandbox = sandbox::open(&support::settings(Engine::Bubblewrap), &place);
    let cancel = CancellationToken::new();
    for number in 0.. {
        let folder = place.work.join(number.to_string());
        fs::create_dir(&folder).expect("mkdir");
        let sleep = ["sleep", if number % 2 == 0 { "0" } else { "0.01" }];
        sandbox.run(&support::spec(&format!("busy-{number}"), &sleep, &folder, &[]), &cancel).await.expect("a report");
    }
}

/// bubblewrap alone has images that are folders.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unpacked_image_is_all_that_is_seen() {
    let rig = Rig::new(Engine::Bubblewrap).await;
    let image = rig.home.path().join("image");
    fs::create_dir(&image).expect("mkdir");
    let container = support::docker(&["create", support::IMAGE, "true"]);
    let unpack = format!("set -o pipefail; docker export {} | tar -x -C '{}'", container.trim(), image.display());
    let unpacked = std::process::Command::new("bash").args(["-c", &unpack]).status().expect("bash");
    support::docker(&["rm", container.trim()]);
    assert!(unpacked.success());
    fs::write(image.join("etc/only-here"), "x").expect("write");
    let settings = SandboxSettings { image: image.display().to_string(), ..rig.settings.clone() };
    let sandbox = sandbox::open(&settings, &rig.place);
    let identity = sandbox.probe().await.expect("a probe");
    assert!(identity.image.starts_with("folder sha256:"), "{identity:?}");
    let code = "import os; print(os.path.exists('/etc/only-here'), os.path.exists('/usr/bin/bwrap'), os.listdir('.'), os.getuid() != 0)";
    let ran = rig.python(code).run_on(&*sandbox).await;
    ran.says("True False [] True\n");
    drop(sandbox);
    assert_eq!(rig.traces(), Vec::<String>::new());
}

async fn an_image_that_is_not_there_is_named(rig: &Rig) {
    let image = match rig.settings.engine {
        Engine::Bubblewrap => "/no/such/image",
        Engine::Docker => "no-such-image:1",
    };
    let engine = sandbox::open(&SandboxSettings { image: image.into(), ..rig.settings.clone() }, &rig.place);
    for fault in [
        engine.probe().await.map(|_| ()),
        engine.run(&rig.python("").spec, &CancellationToken::new()).await.map(|_| ()),
    ] {
        match fault {
            Err(Fault::Unavailable(text)) => assert!(text.contains(image), "{text}"),
            other => panic!("{other:?}"),
        }
    }
}

async fn a_probe_says_what_the_engine_is(rig: &Rig) {
    let identity = rig.sandbox.probe().await.expect("a probe");
    let (engine, image) = match rig.settings.engine {
        Engine::Bubblewrap => ("bubblewrap ", "host sha256:"),
        Engine::Docker => ("docker ", "sha256:"),
    };
    assert!(
        identity.engine.starts_with(engine) && identity.engine.ends_with(|last: char| last.is_ascii_alphanumeric()),
        "{identity:?}"
    );
    let digest = identity.image.strip_prefix(image).unwrap_or_default();
    assert!(digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit()), "{identity:?}");
    assert_eq!(rig.sandbox.probe().await.expect("a probe"), identity);
    std::io::stdout().flush().expect("flush");
}
