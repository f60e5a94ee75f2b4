//! What a program cannot reach.

use std::fs;

use podium::core::config::SandboxSettings;
use podium::sandbox::{self};

use crate::kept;
use crate::support::{Rig, Under};

pub(crate) async fn it_sees_nothing_else_of_the_machine(rig: &Rig) {
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
    if rig.under == Under::Bubblewrap {
        let code = format!("import sys\nprint({:?} in open('/proc/self/mountinfo').read())", rig.home.path());
        rig.python(&code).run().await.says("False\n");
    }
}

// Docker's own masks are what they are; tests/docker_engine.rs looks at them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_under_proc_can_be_written_under_bubblewrap() {
    kept(Under::Bubblewrap, it_cannot_write_under_proc).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_whole_machine_counts_stands_still_under_bubblewrap() {
    kept(Under::Bubblewrap, what_the_whole_machine_counts_stands_still).await;
}

async fn what_the_whole_machine_counts_stands_still(rig: &Rig) {
    let code = "import ctypes, mmap, os
names = ['stat', 'vmstat', 'meminfo', 'loadavg', 'interrupts', 'softirqs', 'diskstats', 'zoneinfo', 'buddyinfo', 'uptime', 'cpuinfo']
read = lambda: {name: open('/proc/' + name).read() for name in names if os.path.exists('/proc/' + name)}
before = read()
libc = ctypes.CDLL(None); page = mmap.mmap(-1, 1 << 20)
for _ in range(200):
    address = ctypes.addressof(ctypes.c_char.from_buffer(page))
    libc.mlock(ctypes.c_void_p(address), 1 << 15); libc.munlock(ctypes.c_void_p(address), 1 << 15)
    if os.fork() == 0: os._exit(0)
    os.wait()
assert [name for name in names if before[name] != read()[name]] == []
assert 'cpu0' in before['stat'] and 'MemTotal' in before['meminfo'] and os.cpu_count() >= 1
print([os.listdir(folder) for folder in ['/proc/pressure', '/proc/irq', '/proc/sys/fs'] if os.path.exists(folder)].count([]) > 1)
print(repr(open('/proc/locks').read()), repr(open('/proc/cmdline').read()))";
    rig.python(code).run().await.says("True\n'' ''\n");
}

async fn it_cannot_write_under_proc(rig: &Rig) {
    let code = "import os
for name in ['self/oom_score_adj', 'self/coredump_filter', 'self/mem', '1/mem', '1/oom_score_adj', 'self/comm', 'sys/kernel/hostname']:
    try: os.open('/proc/' + name, os.O_WRONLY); print('can write', name)
    except OSError: pass";
    rig.python(code).run().await.says("");
}

pub(crate) async fn it_has_no_network(rig: &Rig) {
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

pub(crate) async fn it_has_no_rights(rig: &Rig) {
    let code = "import os
status = dict(line.rstrip('\\n').split(':\\t', 1) for line in open('/proc/self/status') if ':\\t' in line)
print(os.getuid() != 0, os.geteuid() != 0, os.getgid() != 0, 0 in os.getgroups())
print(sorted({int(status.get(k, '0'), 16) for k in ('CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb')}), status.get('NoNewPrivs'), status['Seccomp'])
print(open('/proc/self/oom_score_adj').read().strip(), os.ST_NOSUID & os.statvfs('.').f_flag != 0, os.ST_NODEV & os.statvfs('.').f_flag != 0)
import resource
print(resource.getrlimit(resource.RLIMIT_CORE), resource.getrlimit(resource.RLIMIT_NOFILE))
for f, *a in [(resource.setrlimit, resource.RLIMIT_CORE, (0, 1)), (os.setuid, 0), (os.setgid, 0), (os.chroot, '/'), (os.mknod, 'd', 0o20666, os.makedev(1, 3)), (os.mknod, 'w', 0o20666, 0), (os.nice, -5), (os.sched_setscheduler, 0, os.SCHED_FIFO, os.sched_param(1))]:
    try: f(*a); print('could', f)
    except (OSError, ValueError): pass";
    let expected = match rig.under {
        Under::Bubblewrap | Under::Docker => "True True True False\n[0] 1 2\n1000 True True\n(1, 1) (1024, 1024)\n",
        // Its kernel says less. What the machine makes of the sandbox as a whole, tests/docker_engine.rs looks at.
        Under::Gvisor => "True True True False\n[0] None 2\n0 False False\n(1, 1) (1024, 1024)\n",
    };
    rig.python(code).run().await.says(expected);
}

pub(crate) async fn it_has_no_descriptors_but_three(rig: &Rig) {
    // A descriptor that a careless library left open for everybody.
    let leak = fs::File::open("/etc/shadow").expect("open");
    rustix::io::fcntl_setfd(&leak, rustix::io::FdFlags::empty()).expect("fcntl");
    rig.python("import os; print([n for n in os.listdir('/proc/self/fd') if os.path.exists('/proc/self/fd/' + n)])")
        .run()
        .await
        .says("['0', '1', '2']\n");
}

pub(crate) async fn kernel_entry_points_are_closed(rig: &Rig) {
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

pub(crate) async fn named_local_sockets_are_for_those_who_ask(rig: &Rig) {
    let code = "import socket
try: socket.socket(socket.AF_UNIX).bind('/scratch/named'); print('made')
except OSError as error: print('refused')";
    rig.python(code).run().await.says("refused\n");
    let with = sandbox::open(&SandboxSettings { unix_sockets: true, ..rig.settings.clone() }, &rig.place);
    rig.python(code).run_on(with.as_ref()).await.says("made\n");
}

pub(crate) async fn threads_and_local_sockets_work(rig: &Rig) {
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_whole_machine_counts_is_masked_under_docker() {
    kept(Under::Docker, async |rig: &Rig| {
        let code = "import os
for name in ['vmstat', 'locks', 'interrupts', 'softirqs', 'diskstats', 'zoneinfo', 'buddyinfo']:
    if open('/proc/' + name).read(): print('sees', name)
for name in ['pressure', 'irq', 'sys/fs', 'fs']:
    if os.path.exists('/proc/' + name) and os.listdir('/proc/' + name): print('sees', name)
print(len(open('/proc/stat').read()) > 0)";
        rig.python(code).run().await.says("True\n");
    })
    .await;
}
