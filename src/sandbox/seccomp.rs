//! The system calls that a student's program may use: one list, as bubblewrap takes it and as Docker takes it.
//!
//! What is not on it does not exist in a sandbox, as on an older kernel: libraries know how to do without. Left out is
//! what reaches beyond the sandbox (other namespaces, the host's clock, keys that belong to a user and not to a run,
//! foreign memory, handles around the tree of files), what is a common way to break a kernel (bpf, io_uring,
//! userfaultfd, perf, exotic sockets), what makes the whole machine wait (sync) or counts for the whole machine
//! (kernel-side asynchronous I/O), and what is younger than this list. It knows nothing of engines.

use serde_json::{Value, json};

use self::Condition::{HasNone, Is, IsNot, IsNull};

/// A list of names and numbers.
macro_rules! calls {
    ($($call:ident)*) => { &[$((stringify!($call), libc::$call)),*] };
}

/// Allowed whatever their arguments. Those without a namespace, a right or a file of somebody else's to act on fail by
/// themselves.
#[rustfmt::skip]
const ALLOWED: &[(&str, libc::c_long)] = calls! {
    SYS_accept SYS_accept4 SYS_bind SYS_brk SYS_capget SYS_capset SYS_chdir SYS_clock_getres SYS_clock_gettime SYS_clock_nanosleep
    SYS_close SYS_close_range SYS_connect SYS_copy_file_range SYS_dup SYS_dup3 SYS_epoll_create1 SYS_epoll_ctl SYS_epoll_pwait
    SYS_epoll_pwait2 SYS_eventfd2 SYS_execve SYS_execveat SYS_exit SYS_exit_group SYS_faccessat SYS_faccessat2 SYS_fallocate
    SYS_fchdir SYS_fchmod SYS_fchmodat SYS_fchown SYS_fchownat SYS_fcntl SYS_fdatasync SYS_fgetxattr SYS_flistxattr SYS_flock
    SYS_fremovexattr SYS_fsetxattr SYS_fstat SYS_fstatfs SYS_fsync SYS_ftruncate SYS_futex SYS_futex_waitv SYS_get_mempolicy
    SYS_get_robust_list SYS_getcpu SYS_getcwd SYS_getdents64 SYS_getegid SYS_geteuid SYS_getgid SYS_getgroups SYS_getitimer
    SYS_getpeername SYS_getpgid SYS_getpid SYS_getppid SYS_getpriority SYS_getrandom SYS_getresgid SYS_getresuid SYS_getrusage SYS_getsid
    SYS_getsockname SYS_getsockopt SYS_gettid SYS_gettimeofday SYS_getuid SYS_getxattr SYS_inotify_add_watch SYS_inotify_init1
    SYS_inotify_rm_watch SYS_ioprio_get SYS_ioprio_set SYS_kill SYS_landlock_add_rule SYS_landlock_create_ruleset
    SYS_landlock_restrict_self SYS_lgetxattr SYS_linkat SYS_listen SYS_listxattr SYS_llistxattr SYS_lremovexattr SYS_lseek SYS_lsetxattr
    SYS_madvise SYS_mbind SYS_membarrier SYS_memfd_create SYS_mincore SYS_mkdirat SYS_mlock SYS_mlock2 SYS_mlockall SYS_mmap
    SYS_mprotect SYS_mq_getsetattr SYS_mq_notify SYS_mq_open SYS_mq_timedreceive SYS_mq_timedsend SYS_mq_unlink SYS_mremap SYS_mseal
    SYS_msgctl SYS_msgget SYS_msgrcv SYS_msgsnd SYS_msync SYS_munlock SYS_munlockall SYS_munmap SYS_nanosleep SYS_newfstatat SYS_openat
    SYS_openat2 SYS_pidfd_open SYS_pidfd_send_signal SYS_pipe2 SYS_pkey_alloc SYS_pkey_free SYS_pkey_mprotect SYS_ppoll SYS_prctl
    SYS_pread64 SYS_preadv SYS_pselect6 SYS_pwrite64 SYS_pwritev SYS_pwritev2 SYS_read
    SYS_readlinkat SYS_readv SYS_recvfrom SYS_recvmmsg SYS_recvmsg SYS_remap_file_pages SYS_removexattr SYS_renameat2 SYS_restart_syscall
    SYS_rseq SYS_rt_sigaction SYS_rt_sigpending SYS_rt_sigprocmask SYS_rt_sigqueueinfo SYS_rt_sigreturn SYS_rt_sigsuspend
    SYS_rt_sigtimedwait SYS_rt_tgsigqueueinfo SYS_sched_get_priority_max SYS_sched_get_priority_min SYS_sched_getaffinity
    SYS_sched_getattr SYS_sched_getparam SYS_sched_getscheduler SYS_sched_rr_get_interval SYS_sched_setattr
    SYS_sched_setparam SYS_sched_setscheduler SYS_sched_yield SYS_seccomp SYS_semctl SYS_semget SYS_semop SYS_semtimedop SYS_sendfile
    SYS_sendmmsg SYS_sendmsg SYS_sendto SYS_set_mempolicy SYS_set_mempolicy_home_node SYS_set_robust_list SYS_set_tid_address SYS_setfsgid
    SYS_setfsuid SYS_setgid SYS_setgroups SYS_setitimer SYS_setpgid SYS_setpriority SYS_setregid SYS_setresgid SYS_setresuid SYS_setreuid
    SYS_setsid SYS_setsockopt SYS_setuid SYS_setxattr SYS_shmat SYS_shmctl SYS_shmdt SYS_shmget SYS_shutdown SYS_sigaltstack SYS_signalfd4
    SYS_splice SYS_statfs SYS_statx SYS_symlinkat SYS_sysinfo SYS_tee SYS_tgkill SYS_timer_create SYS_timer_delete SYS_timer_getoverrun
    SYS_timer_gettime SYS_timer_settime SYS_timerfd_create SYS_timerfd_gettime SYS_timerfd_settime SYS_times SYS_tkill SYS_truncate
    SYS_umask SYS_uname SYS_unlinkat SYS_utimensat SYS_vmsplice SYS_wait4 SYS_waitid SYS_write SYS_writev
};

/// What an older interface is still there for, where it is.
#[cfg(target_arch = "x86_64")]
#[rustfmt::skip]
const ALLOWED_HERE: &[(&str, libc::c_long)] = calls! {
    SYS_access SYS_alarm SYS_arch_prctl SYS_chmod SYS_chown SYS_creat SYS_dup2 SYS_epoll_create SYS_epoll_wait SYS_eventfd SYS_fchmodat2
    SYS_fork SYS_futimesat SYS_getdents SYS_getpgrp SYS_getrlimit SYS_inotify_init SYS_lchown SYS_link SYS_lstat SYS_mkdir
    SYS_open SYS_pause SYS_pipe SYS_poll SYS_readlink SYS_rename SYS_renameat SYS_rmdir SYS_select SYS_signalfd SYS_stat
    SYS_symlink SYS_sync_file_range SYS_time SYS_unlink SYS_utime SYS_utimes SYS_vfork
};
#[cfg(not(target_arch = "x86_64"))]
const ALLOWED_HERE: &[(&str, libc::c_long)] = &[];

/// A condition on an argument. Of one that is no address the kernel uses 32 bits in all of these calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Condition {
    /// The argument of this index is this.
    Is(u8, u32),
    /// The argument of this index is not this.
    IsNot(u8, u32),
    /// The argument of this index has none of these bits.
    HasNone(u8, u32),
    /// The argument of this index is no address: here all 64 bits count.
    IsNull(u8),
}

/// Allowed with some arguments only: any of the lists of conditions must hold as a whole.
fn conditional(unix_sockets: bool) -> Vec<(&'static str, libc::c_long, Vec<Vec<Condition>>)> {
    // Internet sockets, for programs that talk to themselves over the loopback, with the protocols that those need, and
    // pairs of local ones. Local sockets with a name are asked for rarely, and then to reach a service, of which there is
    // none here. Every other family or protocol makes the kernel load a module, or reaches outside (AF_VSOCK: the
    // hypervisor).
    let protocols = [0, libc::AF_UNIX, libc::IPPROTO_TCP, libc::IPPROTO_UDP];
    let sockets = |families: &[libc::c_int]| -> Vec<Vec<Condition>> {
        let of = |family: &libc::c_int| {
            let family = family.unsigned_abs();
            protocols.map(|protocol| vec![Is(0, family), Is(2, protocol.unsigned_abs())])
        };
        families.iter().flat_map(of).collect()
    };
    let local: &[libc::c_int] = if unix_sockets { &[libc::AF_UNIX] } else { &[] };
    let named = [local, &[libc::AF_INET, libc::AF_INET6]].concat();
    // No new namespaces. `clone3` keeps its flags in memory, where no filter can look: it is not on the list, and
    // libraries then use this.
    let namespaces = [
        libc::CLONE_NEWNS,
        libc::CLONE_NEWCGROUP,
        libc::CLONE_NEWUTS,
        libc::CLONE_NEWIPC,
        libc::CLONE_NEWUSER,
        libc::CLONE_NEWPID,
        libc::CLONE_NEWNET,
    ];
    let namespaces = namespaces.iter().fold(0, |all, flag| all | flag.unsigned_abs());
    // This system's behaviour, its 32 bit variant, without the randomness of addresses; 0xffffffff only asks.
    let personalities = [0, 0x0008, 0x0002_0000, 0x0002_0008, 0x0004_0000, u32::MAX];
    // Files, pipes and sockets, and no devices; not the one either that anybody may make, by which overlays mean "gone".
    const OF_A_DEVICE: u32 = 0x2000;
    // The limit on core files stays what it is: 1, at which the kernel asks no crash handler of the host. At 0 it asks one.
    const CORE: u32 = 4; // RLIMIT_CORE
    let mut calls = vec![
        ("SYS_prlimit64", libc::SYS_prlimit64, vec![vec![IsNot(1, CORE)], vec![IsNull(2)]]),
        ("SYS_mknodat", libc::SYS_mknodat, vec![vec![HasNone(2, OF_A_DEVICE)]]),
        ("SYS_socket", libc::SYS_socket, sockets(&named)),
        ("SYS_socketpair", libc::SYS_socketpair, sockets(&[libc::AF_UNIX])),
        ("SYS_clone", libc::SYS_clone, vec![vec![HasNone(0, namespaces)]]),
        // Not typing into the terminal of whoever started the daemon.
        ("SYS_ioctl", libc::SYS_ioctl, vec![vec![IsNot(1, u32::try_from(libc::TIOCSTI).unwrap_or(u32::MAX))]]),
        // Not asking whether somebody else has read the same file before: RWF_NOWAIT.
        ("SYS_preadv2", libc::SYS_preadv2, vec![vec![HasNone(5, 0x8)]]),
        ("SYS_personality", libc::SYS_personality, personalities.map(|personality| vec![Is(0, personality)]).into()),
    ];
    #[cfg(target_arch = "x86_64")]
    calls.extend([
        ("SYS_mknod", libc::SYS_mknod, vec![vec![HasNone(1, OF_A_DEVICE)]]),
        ("SYS_setrlimit", libc::SYS_setrlimit, vec![vec![IsNot(0, CORE)]]),
    ]);
    calls
}

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Allowed,
    Absent,
    /// It depends: on the conditions of this index.
    Depends(usize),
}

/// `struct sock_filter`: one step of a program for the kernel.
#[derive(Debug, Clone, Copy)]
struct Step {
    code: u16,
    jump_true: u8,
    jump_false: u8,
    value: u32,
}

const LOAD: u16 = 0x20; // BPF_LD | BPF_W | BPF_ABS, at an offset into `struct seccomp_data`
const AND: u16 = 0x54; // BPF_ALU | BPF_AND | BPF_K
const JUMP: u16 = 0x05; // BPF_JMP | BPF_JA
const JUMP_IF_EQUAL: u16 = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
const JUMP_IF_AT_LEAST: u16 = 0x35; // BPF_JMP | BPF_JGE | BPF_K
const RETURN: u16 = 0x06; // BPF_RET | BPF_K
const ALLOW: u32 = 0x7fff_0000; // SECCOMP_RET_ALLOW
const KILL: u32 = 0x8000_0000; // SECCOMP_RET_KILL_PROCESS
const NO_SUCH_CALL: u32 = 0x0005_0000 | libc::ENOSYS.unsigned_abs(); // SECCOMP_RET_ERRNO
const NUMBER: u32 = 0; // offsets into `struct seccomp_data`
const ARCHITECTURE: u32 = 4;
const ARGUMENTS: u32 = 16;

/// On x86-64, the numbers of another interface, x32, begin here, and one number is none at all: a tracer's.
#[cfg(target_arch = "x86_64")]
const OTHERS: Option<(u32, u32)> = Some((0x4000_0000, u32::MAX));
#[cfg(not(target_arch = "x86_64"))]
const OTHERS: Option<(u32, u32)> = None;

/// The list as a program for the kernel, as `bwrap --seccomp` reads it, with or without named local sockets. A call of
/// another interface than the processor's own, be it 32 bits' or x32, ends the process.
///
/// The kernel runs it, for every number that there is, each time that it is installed, which is twice in a run: a
/// program that searches takes a tenth of the millisecond and more that one takes which goes through the list from its
/// beginning.
///
/// # Errors
/// This processor is not supported.
pub(super) fn program(unix_sockets: bool) -> Result<Vec<u8>, String> {
    Ok(steps(&conditional(unix_sockets))?.into_iter().flat_map(bytes).collect())
}

fn steps(conditional: &[(&str, libc::c_long, Vec<Vec<Condition>>)]) -> Result<Vec<Step>, String> {
    let architecture = match std::env::consts::ARCH {
        "x86_64" => 0xc000_003e,  // AUDIT_ARCH_X86_64
        "aarch64" => 0xc000_00b7, // AUDIT_ARCH_AARCH64
        other => return Err(format!("no system call filter is known for {other}")),
    };
    let mut program = vec![
        step(LOAD, ARCHITECTURE),
        Step { jump_true: 1, ..step(JUMP_IF_EQUAL, architecture) },
        step(RETURN, KILL),
        step(LOAD, NUMBER),
    ];
    if let Some((first, none)) = OTHERS {
        program.extend([
            Step { jump_false: 2, ..step(JUMP_IF_AT_LEAST, first) },
            Step { jump_true: 1, ..step(JUMP_IF_EQUAL, none) },
            step(RETURN, KILL),
        ]);
    }
    let mut depending = Vec::new();
    search(&segments(conditional), &mut program, &mut depending).ok_or("the system call filter is too long")?;
    for (at, index) in depending {
        // From a jump a step is counted from the one after it.
        program[at].value = u32::try_from(program.len() - at - 1).unwrap_or(u32::MAX);
        decide(&conditional[index].2, &mut program);
    }
    Ok(program)
}

/// The verdicts on all numbers: each holds from its number on up to the next.
fn segments(conditional: &[(&str, libc::c_long, Vec<Vec<Condition>>)]) -> Vec<(u32, Verdict)> {
    let plain = ALLOWED.iter().chain(ALLOWED_HERE).map(|(_, number)| (*number, Verdict::Allowed));
    let depends = conditional.iter().enumerate().map(|(index, (_, number, _))| (*number, Verdict::Depends(index)));
    let mut calls: Vec<(u32, Verdict)> =
        plain.chain(depends).map(|(number, verdict)| (u32::try_from(number).unwrap_or(u32::MAX), verdict)).collect();
    calls.sort_unstable_by_key(|(number, _)| *number);
    let mut segments = vec![(0, Verdict::Absent)];
    let mut next = 0;
    for (number, verdict) in calls {
        if number > next {
            segments.push((next, Verdict::Absent));
        }
        segments.push((number, verdict));
        next = number + 1;
    }
    segments.push((next, Verdict::Absent));
    // Of those that begin at the same number the last one holds; what goes on as before is no new segment.
    segments.reverse();
    segments.dedup_by_key(|(start, _)| *start);
    segments.reverse();
    segments.dedup_by_key(|(_, verdict)| *verdict);
    segments
}

/// Writes the search for the number that was loaded. `None`: a jump is longer than a step can say.
fn search(segments: &[(u32, Verdict)], program: &mut Vec<Step>, depending: &mut Vec<(usize, usize)>) -> Option<()> {
    if let [(_, verdict)] = segments {
        program.push(match verdict {
            Verdict::Allowed => step(RETURN, ALLOW),
            Verdict::Absent => step(RETURN, NO_SUCH_CALL),
            Verdict::Depends(index) => {
                depending.push((program.len(), *index));
                step(JUMP, 0)
            }
        });
        return Some(());
    }
    let (low, high) = segments.split_at(segments.len() / 2);
    let at = program.len();
    program.push(step(JUMP_IF_AT_LEAST, high.first()?.0));
    search(low, program, depending)?;
    program[at].jump_true = u8::try_from(program.len() - at - 1).ok()?;
    search(high, program, depending)
}

/// Writes the decision that depends on arguments.
fn decide(alternatives: &[Vec<Condition>], program: &mut Vec<Step>) {
    for conditions in alternatives {
        // What leads on to the next alternative, and how far that is, is known when this one is written.
        let mut ways_on = Vec::new();
        for condition in conditions {
            let (Is(argument, _) | IsNot(argument, _) | HasNone(argument, _) | IsNull(argument)) = *condition;
            let low = ARGUMENTS + 8 * u32::from(argument);
            let (words, bits, value) = match *condition {
                Is(_, value) | IsNot(_, value) => (&[low][..], None, value),
                HasNone(_, bits) => (&[low][..], Some(bits), 0),
                IsNull(_) => (&[low, low + 4][..], None, 0),
            };
            for word in words {
                program.push(step(LOAD, *word));
                program.extend(bits.map(|bits| step(AND, bits)));
                ways_on.push((program.len(), matches!(condition, IsNot(..))));
                program.push(step(JUMP_IF_EQUAL, value));
            }
        }
        program.push(step(RETURN, ALLOW));
        for (at, if_equal) in ways_on {
            let distance = u8::try_from(program.len() - at - 1).unwrap_or(u8::MAX);
            if if_equal {
                program[at].jump_true = distance;
            } else {
                program[at].jump_false = distance;
            }
        }
    }
    program.push(step(RETURN, NO_SUCH_CALL));
}

fn step(code: u16, value: u32) -> Step {
    Step { code, jump_true: 0, jump_false: 0, value }
}

fn bytes(step: Step) -> [u8; 8] {
    let ([c0, c1], [v0, v1, v2, v3]) = (step.code.to_ne_bytes(), step.value.to_ne_bytes());
    [c0, c1, step.jump_true, step.jump_false, v0, v1, v2, v3]
}

/// The list as Docker's and Podman's API take it, with or without named local sockets.
///
/// `has_own_kernel`: for gVisor, which says "not permitted" to everything that is not on the list. A C library then
/// gives up on threads, where after "there is no such call" it would know how to do without; so that one call is left to
/// gVisor's own kernel, which gives no program a right that it did not have.
pub(super) fn profile(unix_sockets: bool, has_own_kernel: bool) -> String {
    let name = |call: &str| call.trim_start_matches("SYS_").to_owned();
    let architecture = match std::env::consts::ARCH {
        "aarch64" => "SCMP_ARCH_AARCH64",
        _ => "SCMP_ARCH_X86_64",
    };
    // gVisor lets anybody raise a priority that means something to itself alone; it says no to nobody, so the list does.
    let of_its_own = |call: &str| has_own_kernel && call == "SYS_setpriority";
    let plain = ALLOWED.iter().chain(ALLOWED_HERE).filter(|(call, _)| !of_its_own(call));
    let always: Vec<String> = plain.map(|(call, _)| name(call)).collect();
    let mut rules = vec![json!({ "names": always, "action": "SCMP_ACT_ALLOW" })];
    // The default of engines before Docker 23 is EPERM, after which a C library gives up on threads.
    rules.push(if has_own_kernel {
        json!({ "names": ["clone3"], "action": "SCMP_ACT_ALLOW" })
    } else {
        json!({ "names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": libc::ENOSYS })
    });
    for (call, _, alternatives) in conditional(unix_sockets) {
        for arguments in alternatives.iter().flat_map(|conditions| arguments(conditions)) {
            rules.push(json!({ "names": [name(call)], "action": "SCMP_ACT_ALLOW", "args": arguments }));
        }
    }
    let architectures = json!([{ "architecture": architecture, "subArchitectures": [] }]);
    json!({ "defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": libc::ENOSYS, "archMap": architectures, "syscalls": rules }).to_string()
}

/// The conditions as the arguments of rules, of which any has to fit.
fn arguments(conditions: &[Condition]) -> Vec<Vec<Value>> {
    let masked = |index: u8, bits: u32, value: u32| json!({ "index": index, "op": "SCMP_CMP_MASKED_EQ", "value": bits, "valueTwo": value });
    conditions.iter().fold(vec![Vec::new()], |rules, condition| {
        let ways = match *condition {
            Is(index, value) => vec![json!({ "index": index, "op": "SCMP_CMP_EQ", "value": value })],
            // Engines compare all 64 bits, and would take one of the upper ones, which the kernel passes over, for a
            // difference: one of the lower ones has to be another.
            IsNot(index, value) => (0..32).map(|bit| masked(index, 1 << bit, !value & 1 << bit)).collect(),
            HasNone(index, bits) => vec![masked(index, bits, 0)],
            IsNull(index) => vec![json!({ "index": index, "op": "SCMP_CMP_EQ", "value": 0 })],
        };
        rules
            .iter()
            .flat_map(|rule| ways.iter().map(move |way| [rule.as_slice(), std::slice::from_ref(way)].concat()))
            .collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the kernel does with a program: the same, without the kernel.
    fn run(program: &[Step], architecture: u32, number: u32, arguments: [u64; 6]) -> u32 {
        let (mut at, mut loaded) = (0, 0);
        loop {
            let step = program[at];
            at += 1;
            let mut jump = |taken: bool| at += usize::from(if taken { step.jump_true } else { step.jump_false });
            match step.code {
                LOAD if step.value == NUMBER => loaded = number,
                LOAD if step.value == ARCHITECTURE => loaded = architecture,
                LOAD => {
                    let (argument, byte) = ((step.value - ARGUMENTS) as usize / 8, (step.value - ARGUMENTS) % 8);
                    loaded = (arguments[argument] >> (8 * byte)) as u32;
                }
                AND => loaded &= step.value,
                JUMP => at += step.value as usize,
                JUMP_IF_EQUAL => jump(loaded == step.value),
                JUMP_IF_AT_LEAST => jump(loaded >= step.value),
                RETURN => return step.value,
                other => panic!("unknown step {other:#x}"),
            }
        }
    }

    const HERE: u32 = if cfg!(target_arch = "x86_64") { 0xc000_003e } else { 0xc000_00b7 };

    #[test]
    fn the_program_says_what_the_list_says() {
        let program = steps(&conditional(false)).expect("a program");
        assert!(program.len() < 4096, "{} steps are too many for the kernel", program.len());
        let allowed: Vec<u32> =
            ALLOWED.iter().chain(ALLOWED_HERE).map(|(_, number)| u32::try_from(*number).expect("a number")).collect();
        let conditional: Vec<u32> =
            conditional(false).iter().map(|(_, number, _)| u32::try_from(*number).expect("a number")).collect();
        for number in (0..1024).chain([0x3fff_ffff, u32::MAX]) {
            let expected = if allowed.contains(&number) { ALLOW } else { NO_SUCH_CALL };
            if !conditional.contains(&number) {
                assert_eq!(run(&program, HERE, number, [0; 6]), expected, "call {number}");
            }
            assert_eq!(run(&program, HERE ^ 0x8000_0000, number, [0; 6]), KILL);
        }
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn the_x32_interface_ends_the_process_as_every_other_one_does() {
        let program = steps(&conditional(false)).expect("a program");
        let known = ALLOWED.iter().map(|(_, number)| 0x4000_0000 | u32::try_from(*number).expect("a number"));
        for number in known.chain([0x4000_0000, 0x4000_0201, 0x7fff_ffff, 0x8000_0000, u32::MAX - 1]) {
            assert_eq!(run(&program, HERE, number, [0; 6]), KILL, "call {number:#x}");
        }
    }

    /// What only the kernel can say: which signal a process ends by.
    #[test]
    #[cfg(target_arch = "x86_64")]
    fn the_kernel_ends_it_by_sigsys() {
        use std::os::unix::process::{CommandExt, ExitStatusExt};
        let filter = program(false).expect("a program");
        let ended_by = |number: libc::c_long| {
            let mut command = std::process::Command::new("true");
            let filter = filter.clone();
            let enter = move || {
                let length = u16::try_from(filter.len() / 8).expect("short");
                let limit = libc::rlimit { rlim_cur: 1, rlim_max: 1 };
                // SAFETY: limit and filter are plain numbers, and outlive the calls; those change this process alone.
                let filter = libc::sock_fprog { len: length, filter: filter.as_ptr().cast_mut().cast() };
                let none: libc::c_ulong = 0;
                let installed = unsafe {
                    libc::setrlimit(libc::RLIMIT_CORE, &limit) == 0
                        && libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, none, none, none) == 0
                        && libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &filter) == 0
                };
                if !installed {
                    return Err(std::io::Error::last_os_error());
                }
                // SAFETY: none of the calls that are tried does anything.
                unsafe { libc::syscall(number) };
                Ok(())
            };
            // SAFETY: between fork and exec it makes system calls only.
            unsafe { command.pre_exec(enter) };
            command.spawn()
        };
        // Rust learns that the child is gone by the end of a pipe, and then takes it for started.
        for x32 in [0x4000_0000 | libc::SYS_getpid, 0x4000_0000 | 521, 0x4000_0000 | libc::SYS_mount] {
            let status = ended_by(x32).and_then(|mut child| child.wait()).expect("it began");
            assert_eq!(status.signal(), Some(libc::SIGSYS), "{x32:#x}");
        }
        for absent in [libc::SYS_mount, libc::SYS_bpf, -1, 0x3fff_ffff] {
            assert!(ended_by(absent).and_then(|mut child| child.wait()).expect("it began").success(), "{absent:#x}");
        }
    }

    #[test]
    fn arguments_decide_where_they_should() {
        let program = steps(&conditional(false)).expect("a program");
        let with_unix_sockets = steps(&conditional(true)).expect("a program");
        let on = |program: &[Step], number: libc::c_long, arguments: &[u64], is_allowed: bool| {
            let mut all = [7; 6];
            all[..arguments.len()].copy_from_slice(arguments);
            let verdict = run(program, HERE, u32::try_from(number).expect("a number"), all);
            assert_eq!(verdict == ALLOW, is_allowed, "call {number} with {arguments:?}");
        };
        let check = |number, arguments: &[u64], is_allowed| on(&program, number, arguments, is_allowed);
        for family in 0..64 {
            for protocol in [0, 1, 2, 6, 17, 132, 262] {
                let is_known = [0, 1, 6, 17].contains(&protocol);
                check(libc::SYS_socket, &[family, 2, protocol], is_known && [2, 10].contains(&family));
                check(libc::SYS_socketpair, &[family, 1, protocol], is_known && family == 1);
                let named = is_known && [1, 2, 10].contains(&family);
                on(&with_unix_sockets, libc::SYS_socket, &[family, 2, protocol], named);
            }
        }
        check(libc::SYS_clone, &[0x0100_0011], true);
        check(libc::SYS_clone, &[0x003d_0f00], true);
        for bit in [17, 25, 26, 27, 28, 29, 30] {
            check(libc::SYS_clone, &[1 << bit | 17], false);
        }
        check(libc::SYS_ioctl, &[0, 0x5401], true);
        check(libc::SYS_ioctl, &[0, 0x5412], false);
        check(libc::SYS_mknodat, &[0, 0, 0o010_600, 0], true);
        check(libc::SYS_mknodat, &[0, 0, 0o140_600, 0], true);
        check(libc::SYS_mknodat, &[0, 0, 0o100_600, 0], true);
        check(libc::SYS_mknodat, &[0, 0, 0o020_600, 0], false);
        check(libc::SYS_mknodat, &[0, 0, 0o060_600, 0], false);
        let core = 4;
        for resource in 0..16 {
            check(libc::SYS_prlimit64, &[0, resource, 0x7fff_0000_1000, 0], resource != core);
            check(libc::SYS_prlimit64, &[0, resource, 0, 0x7fff_0000_1000], true);
            #[cfg(target_arch = "x86_64")]
            check(libc::SYS_setrlimit, &[resource, 0x7fff_0000_1000], resource != core);
        }
        // An address may end in zeros, and the kernel looks at no more than it needs of a number.
        check(libc::SYS_prlimit64, &[0, core, 1 << 32, 0], false);
        check(libc::SYS_prlimit64, &[0, core | 1 << 32, 0x1000, 0], false);
        check(libc::SYS_ioctl, &[0, 0x5412 | 1 << 32], false);
        check(libc::SYS_preadv2, &[0, 0, 0, 0, 0, 0], true);
        check(libc::SYS_preadv2, &[0, 0, 0, 0, 0, 8], false);
        check(libc::SYS_personality, &[u64::from(u32::MAX)], true);
        check(libc::SYS_personality, &[0x0040_0000], false);
    }

    #[test]
    fn the_profile_of_an_engine_is_no_wider_than_the_program() {
        // As an engine decides: 64 bits, of which any rule has to fit.
        let fits = |rule: &Vec<Value>, arguments: [u64; 6]| {
            rule.iter().all(|test| {
                let number = |name: &str| test[name].as_u64().unwrap_or(0);
                let argument = arguments[usize::try_from(number("index")).expect("small")];
                match test["op"].as_str() {
                    Some("SCMP_CMP_EQ") => argument == number("value"),
                    Some("SCMP_CMP_MASKED_EQ") => argument & number("value") == number("valueTwo"),
                    other => panic!("unknown operation {other:?}"),
                }
            })
        };
        let program = steps(&conditional(true)).expect("a program");
        for (name, number, alternatives) in conditional(true) {
            let rules: Vec<_> = alternatives.iter().flat_map(|conditions| arguments(conditions)).collect();
            for value in [0, 1, 2, 4, 10, 17, 0x5401, 0x5412, 0x0100_0011, 0x1000_0000, u64::from(u32::MAX)] {
                for high in [0, 1 << 32] {
                    let arguments = [value | high; 6];
                    let by_the_engine = rules.iter().any(|rule| fits(rule, arguments));
                    let number = u32::try_from(number).expect("a number");
                    let by_the_program = run(&program, HERE, number, arguments) == ALLOW;
                    assert!(by_the_program || !by_the_engine, "{name} with {value:#x}");
                    assert!(high > 0 || by_the_program == by_the_engine, "{name} with {value:#x}");
                }
            }
        }
    }

    #[test]
    fn what_must_stay_out_is_not_on_the_list() {
        let profile = profile(true, false);
        for call in [
            "bpf",
            "ptrace",
            "mount",
            "unshare",
            "setns",
            "keyctl",
            "add_key",
            "io_uring_setup",
            "userfaultfd",
            "perf_event_open",
            "process_vm_writev",
        ] {
            assert!(!profile.contains(&format!("\"{call}\"")), "{call}");
        }
    }
}
