//! The system calls that a student's program may use: one list, as bubblewrap takes it and as Docker takes it.
//!
//! What is not on it does not exist in a sandbox, as on an older kernel: libraries know how to do without. Left out is what reaches
//! beyond the sandbox (other namespaces, the host's clock, keys that belong to a user and not to a run, foreign memory, handles around
//! the tree of files), what is a common way to break a kernel (bpf, io_uring, userfaultfd, perf, exotic sockets), what makes the whole
//! machine wait (sync) or counts for the whole machine (kernel-side asynchronous I/O), and what is younger than this list. It knows
//! nothing of engines.

use std::collections::BTreeMap;

use seccompiler::SeccompCmpArgLen::Dword;
use seccompiler::SeccompCmpOp::{Eq, MaskedEq, Ne};
use seccompiler::{BpfProgram, SeccompAction, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule, TargetArch};
use serde_json::{Value, json};

/// A list of names and numbers.
macro_rules! calls {
    ($($call:ident)*) => { &[$((stringify!($call), libc::$call)),*] };
}

/// Allowed whatever their arguments. Those without a namespace, a right or a file of somebody else's to act on fail by themselves.
#[rustfmt::skip]
const ALLOWED: &[(&str, libc::c_long)] = calls! {
    SYS_accept SYS_accept4 SYS_bind SYS_brk SYS_capget SYS_capset SYS_chdir SYS_clock_getres SYS_clock_gettime SYS_clock_nanosleep
    SYS_close SYS_close_range SYS_connect SYS_copy_file_range SYS_dup SYS_dup3 SYS_epoll_create1 SYS_epoll_ctl SYS_epoll_pwait
    SYS_epoll_pwait2 SYS_eventfd2 SYS_execve SYS_execveat SYS_exit SYS_exit_group SYS_faccessat SYS_faccessat2 SYS_fadvise64 SYS_fallocate
    SYS_fchdir SYS_fchmod SYS_fchmodat SYS_fchown SYS_fchownat SYS_fcntl SYS_fdatasync SYS_fgetxattr SYS_flistxattr SYS_flock
    SYS_fremovexattr SYS_fsetxattr SYS_fstat SYS_fstatfs SYS_fsync SYS_ftruncate SYS_futex SYS_futex_waitv SYS_get_mempolicy
    SYS_get_robust_list SYS_getcpu SYS_getcwd SYS_getdents64 SYS_getegid SYS_geteuid SYS_getgid SYS_getgroups SYS_getitimer
    SYS_getpeername SYS_getpgid SYS_getpid SYS_getppid SYS_getpriority SYS_getrandom SYS_getresgid SYS_getresuid SYS_getrusage SYS_getsid
    SYS_getsockname SYS_getsockopt SYS_gettid SYS_gettimeofday SYS_getuid SYS_getxattr SYS_inotify_add_watch SYS_inotify_init1
    SYS_inotify_rm_watch SYS_ioprio_get SYS_ioprio_set SYS_kill SYS_landlock_add_rule SYS_landlock_create_ruleset
    SYS_landlock_restrict_self SYS_lgetxattr SYS_linkat SYS_listen SYS_listxattr SYS_llistxattr SYS_lremovexattr SYS_lseek SYS_lsetxattr
    SYS_madvise SYS_mbind SYS_membarrier SYS_memfd_create SYS_mincore SYS_mkdirat SYS_mknodat SYS_mlock SYS_mlock2 SYS_mlockall SYS_mmap
    SYS_mprotect SYS_mq_getsetattr SYS_mq_notify SYS_mq_open SYS_mq_timedreceive SYS_mq_timedsend SYS_mq_unlink SYS_mremap SYS_mseal
    SYS_msgctl SYS_msgget SYS_msgrcv SYS_msgsnd SYS_msync SYS_munlock SYS_munlockall SYS_munmap SYS_nanosleep SYS_newfstatat SYS_openat
    SYS_openat2 SYS_pidfd_open SYS_pidfd_send_signal SYS_pipe2 SYS_pkey_alloc SYS_pkey_free SYS_pkey_mprotect SYS_ppoll SYS_prctl
    SYS_pread64 SYS_preadv SYS_preadv2 SYS_prlimit64 SYS_pselect6 SYS_pwrite64 SYS_pwritev SYS_pwritev2 SYS_read SYS_readahead
    SYS_readlinkat SYS_readv SYS_recvfrom SYS_recvmmsg SYS_recvmsg SYS_remap_file_pages SYS_removexattr SYS_renameat2 SYS_restart_syscall
    SYS_rseq SYS_rt_sigaction SYS_rt_sigpending SYS_rt_sigprocmask SYS_rt_sigqueueinfo SYS_rt_sigreturn SYS_rt_sigsuspend
    SYS_rt_sigtimedwait SYS_rt_tgsigqueueinfo SYS_sched_get_priority_max SYS_sched_get_priority_min SYS_sched_getaffinity
    SYS_sched_getattr SYS_sched_getparam SYS_sched_getscheduler SYS_sched_rr_get_interval SYS_sched_setaffinity SYS_sched_setattr
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
    SYS_fork SYS_futimesat SYS_getdents SYS_getpgrp SYS_getrlimit SYS_inotify_init SYS_lchown SYS_link SYS_lstat SYS_mkdir SYS_mknod
    SYS_open SYS_pause SYS_pipe SYS_poll SYS_readlink SYS_rename SYS_renameat SYS_rmdir SYS_select SYS_setrlimit SYS_signalfd SYS_stat
    SYS_symlink SYS_sync_file_range SYS_time SYS_unlink SYS_utime SYS_utimes SYS_vfork
};
#[cfg(not(target_arch = "x86_64"))]
const ALLOWED_HERE: &[(&str, libc::c_long)] = &[];

/// A condition on an argument: its index, how it is compared, and with what.
type Condition = (u8, SeccompCmpOp, u32);

/// Allowed with some arguments only: any of the lists of conditions must hold as a whole.
fn conditional() -> Vec<(&'static str, libc::c_long, Vec<Vec<Condition>>)> {
    // Local and internet sockets, the latter for programs that talk to themselves over the loopback, with the protocols that those need.
    // Every other family or protocol makes the kernel load a module, or reaches outside (AF_VSOCK: the hypervisor).
    let families = [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6];
    let protocols = [0, libc::AF_UNIX, libc::IPPROTO_TCP, libc::IPPROTO_UDP];
    let sockets: Vec<Vec<Condition>> = families
        .iter()
        .flat_map(|family| {
            protocols.map(|protocol| vec![(0, Eq, family.unsigned_abs()), (2, Eq, protocol.unsigned_abs())])
        })
        .collect();
    // No new namespaces. `clone3` keeps its flags in memory, where no filter can look: it is not on the list, and libraries then use this.
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
    vec![
        ("SYS_socket", libc::SYS_socket, sockets.clone()),
        ("SYS_socketpair", libc::SYS_socketpair, sockets),
        ("SYS_clone", libc::SYS_clone, vec![vec![(0, MaskedEq(u64::from(namespaces)), 0)]]),
        // Not typing into the terminal of whoever started the daemon.
        ("SYS_ioctl", libc::SYS_ioctl, vec![vec![(1, Ne, u32::try_from(libc::TIOCSTI).unwrap_or(u32::MAX))]]),
        ("SYS_personality", libc::SYS_personality, personalities.map(|personality| vec![(0, Eq, personality)]).into()),
    ]
}

/// The list as a program for the kernel, as `bwrap --seccomp` reads it. A call of another architecture's interface ends the process.
///
/// # Errors
/// This processor is not supported.
pub(super) fn program() -> Result<Vec<u8>, String> {
    let arch = TargetArch::try_from(std::env::consts::ARCH)
        .map_err(|_| format!("no system call filter is known for {}", std::env::consts::ARCH))?;
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        ALLOWED.iter().chain(ALLOWED_HERE).map(|(_, number)| (*number, Vec::new())).collect();
    let cannot = |error: seccompiler::BackendError| format!("the system call filter cannot be built: {error}");
    for (_, number, alternatives) in conditional() {
        let mut chain = Vec::with_capacity(alternatives.len());
        for conditions in alternatives {
            // These arguments are 32 bits wide: the kernel ignores the upper half, and so must the filter.
            let conditions: Result<Vec<_>, _> = conditions
                .into_iter()
                .map(|(argument, op, value)| SeccompCondition::new(argument, Dword, op, value.into()))
                .collect();
            chain.push(conditions.and_then(SeccompRule::new).map_err(cannot)?);
        }
        rules.insert(number, chain);
    }
    let absent = SeccompAction::Errno(libc::ENOSYS.unsigned_abs());
    let program =
        SeccompFilter::new(rules, absent, SeccompAction::Allow, arch).and_then(BpfProgram::try_from).map_err(cannot)?;
    Ok(bytes(&program))
}

/// The list as Docker's and Podman's API take it.
pub(super) fn profile() -> String {
    let name = |call: &str| call.trim_start_matches("SYS_").to_owned();
    let architecture = match std::env::consts::ARCH {
        "aarch64" => "SCMP_ARCH_AARCH64",
        _ => "SCMP_ARCH_X86_64",
    };
    let always: Vec<String> = ALLOWED.iter().chain(ALLOWED_HERE).map(|(call, _)| name(call)).collect();
    let mut rules = vec![json!({ "names": always, "action": "SCMP_ACT_ALLOW" })];
    // The default of engines before Docker 23 is EPERM, after which a C library gives up on threads.
    rules.push(json!({ "names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": libc::ENOSYS }));
    for (call, _, alternatives) in conditional() {
        for conditions in alternatives {
            let arguments: Vec<Value> =
                conditions.into_iter().map(|(index, op, value)| argument(index, &op, value)).collect();
            rules.push(json!({ "names": [name(call)], "action": "SCMP_ACT_ALLOW", "args": arguments }));
        }
    }
    let architectures = json!([{ "architecture": architecture, "subArchitectures": [] }]);
    json!({ "defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": libc::ENOSYS, "archMap": architectures, "syscalls": rules }).to_string()
}

fn argument(index: u8, op: &SeccompCmpOp, value: u32) -> Value {
    match op {
        MaskedEq(mask) => json!({ "index": index, "op": "SCMP_CMP_MASKED_EQ", "value": mask, "valueTwo": value }),
        Ne => json!({ "index": index, "op": "SCMP_CMP_NE", "value": value }),
        _ => json!({ "index": index, "op": "SCMP_CMP_EQ", "value": value }),
    }
}

/// `struct sock_filter[]` in memory.
fn bytes(program: &BpfProgram) -> Vec<u8> {
    program
        .iter()
        .flat_map(|step| {
            let [c0, c1] = step.code.to_ne_bytes();
            let [k0, k1, k2, k3] = step.k.to_ne_bytes();
            [c0, c1, step.jt, step.jf, k0, k1, k2, k3]
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_fits_into_the_kernel() {
        let steps = program().expect("a filter").len() / 8;
        assert!((100..4096).contains(&steps), "{steps}");
    }

    #[test]
    fn what_must_stay_out_is_not_on_the_list() {
        let profile = profile();
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
