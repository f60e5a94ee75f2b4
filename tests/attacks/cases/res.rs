//! RES: more than a run may use.

use std::cell::Cell;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use walkdir::WalkDir;

use super::Case;
use crate::known;
use crate::probe;
use crate::ring::{Entrance, Fought, OPEN_CASE, Ring};
use crate::support::{HIDDEN_CASE, OPEN_TAGS, wait_until};

pub(super) const CASES: &[Case] = &[
    Case::shared("RES-01", "fork bomb", fork_bomb),
    Case::shared("RES-02", "memory: anonymous, shared, files, memfd", memory),
    Case::shared("RES-03", "bytes and inodes in every writable folder", disk).quiet(),
    Case::shared("RES-04", "output flood", flood),
    Case::shared("RES-05", "outliving the run", outlive),
    Case::shared("RES-06", "all processors, and who runs beside it", processor).quiet(),
    Case::shared("RES-07", "four ways to idle", idle).quiet(),
    Case::alone("RES-08", "100 MB of standard input that is not read", input),
];

/// The wall limit of the competition, and what a run may take beyond it.
const WALL: f64 = 4.0;
const LATE: f64 = 1.0;

fn fork_bomb(entrance: &mut Entrance<'_>) {
    let ring = entrance.shared();
    let fought = ring.fight("mallory", "file", probe::text("RES-01"));
    for (which, bout) in fought.bouts() {
        ring.holds(!bout.stdout.contains("BROKEN"), || format!("{which} case: {}", bout.stdout));
        // It says so itself, or a limit ended it before it could.
        let stopped =
            bout.stdout.contains("RES-01 HELD") || bout.verdict() == "time-limit" || bout.verdict() == "memory-limit";
        ring.holds(stopped, || format!("{which} case: {} {} {}", bout.verdict(), bout.stdout, bout.stderr));
    }
}

fn memory(entrance: &mut Entrance<'_>) {
    const MOST: f64 = (128 << 20) as f64;
    let ring = entrance.shared();
    let swapped = || {
        fs::read_to_string("/proc/vmstat")
            .unwrap_or_default()
            .lines()
            .find(|line| line.starts_with("pswpout "))
            .map(str::to_owned)
    };
    let before = swapped();
    // Files have the room to reach the limit on memory.
    ring.with(&[("limits.scratch", "4 GiB")], |ring| {
        let ids = ["anon", "shm", "tmp", "memfd"]
            .map(|kind| (kind, ring.submit("mallory", "file", probe::with("RES-02", &[kind]))));
        for (kind, id) in ids {
            let fought = ring.fought(&id);
            for (which, bout) in fought.bouts() {
                ring.holds(!bout.stdout.contains("BROKEN"), || format!("{kind}, {which} case: {}", bout.stdout));
                ring.same(&format!("{kind}, {which} case"), bout.verdict(), "memory-limit");
                let peak = bout.number("peak_memory_bytes");
                ring.holds((MOST / 2.0..=MOST * 1.02).contains(&peak), || {
                    format!("{kind}, {which} case: the peak is recorded as {peak}")
                });
            }
        }
    });
    ring.same("the host's swapping", swapped(), before);
}

fn disk(entrance: &mut Entrance<'_>) {
    let ring = entrance.shared();
    // Time enough to try every folder, where making a file takes long.
    let settings = [("limits.cpu", "30s"), ("limits.wall", "60s")];
    let mut taken = [0; 2];
    ring.with(&settings, |ring| {
        let held = (0..TURNS).any(|_| {
            let before = kept(ring);
            filled(ring);
            // What an engine has of its own comes and goes, and what a run leaves behind stays.
            wait_until(
                Duration::from_secs(10),
                || {
                    let now = kept(ring);
                    taken = [0, 1].map(|which| now[which].saturating_sub(before[which]));
                    taken.iter().zip(NEARLY_NONE).all(|(taken, most)| *taken <= most)
                },
                || (),
            )
        });
        ring.holds(held, || format!("bytes and inodes that the host has more of: {taken:?}"));
    });
}

/// What a judging writes down itself, in bytes and in inodes.
const NEARLY_NONE: [u64; 2] = [4 << 20, 256];
/// Others have containers, too: one turn in which nobody makes any is enough.
const TURNS: usize = 3;

/// Bytes and inodes wherever a run's files could be on the host. What `df` says is everybody's, and changes with each of them.
fn kept(ring: &Ring) -> [u64; 2] {
    let folders = [ring.contest.root(), "/var/lib/docker".as_ref(), "/dev/shm".as_ref(), "/run".as_ref()];
    let entries = folders.into_iter().flat_map(|folder| WalkDir::new(folder).same_file_system(true)).flatten();
    // What is gone meanwhile counts no more.
    let sizes = entries.filter_map(|entry| entry.metadata().ok()).map(|meta| meta.blocks() * 512);
    sizes.fold([0; 2], |[bytes, inodes], size| [bytes + size, inodes + 1])
}

/// Has everything filled that a program can write to.
fn filled(ring: &mut Ring) {
    let fought = ring.fight("mallory", "file", probe::text("RES-03"));
    for (which, bout) in fought.bouts() {
        let lines: Vec<&str> = bout.stdout.lines().filter(|line| line.starts_with("RES-03")).collect();
        if lines.is_empty() && known::ends_by_a_limit("RES-03", ring.engine, bout.verdict()) {
            continue;
        }
        for line in lines.iter().filter(|line| line.contains("BROKEN") || line.matches("HELD").count() != 2) {
            ring.broken(format!("{which} case: {line}"));
        }
        ring.holds(!lines.is_empty(), || {
            format!("{which} case: {} {} {}", bout.verdict(), bout.message(), bout.stderr)
        });
    }
}

fn flood(entrance: &mut Entrance<'_>) {
    const CAP: u64 = 256 << 10;
    let ring = entrance.shared();
    let before = ring.contest.daemon().resident_bytes();
    let id = ring.submit("mallory", "file", probe::text("RES-04"));
    let most = Cell::new(0);
    let contest = &ring.contest;
    contest.wait_for("it is judged", || {
        most.set(most.get().max(contest.daemon().resident_bytes()));
        contest.status(&id).is_some_and(|status| status["state"] == "judged")
    });
    let flat = before + (16 << 20);
    ring.holds(most.get() <= flat, || format!("the daemon's memory went from {before} to {}", most.get()));
    let fought = ring.fought(&id);
    for (which, bout) in fought.bouts() {
        ring.same(&format!("{which} case"), bout.verdict(), "output-limit");
        let kept = bout.stdout.len().max(bout.stderr.len()) as u64;
        ring.holds(kept <= CAP, || format!("{which} case: {kept} bytes were kept"));
        let took = bout.number("wall_seconds");
        ring.holds(took < WALL, || format!("{which} case: it was ended after {took} s"));
    }
}

fn outlive(entrance: &mut Entrance<'_>) {
    let ring = entrance.shared();
    for (arguments, verdict) in [(&[][..], "accepted"), (&["--stop"][..], "time-limit")] {
        let id = ring.submit("mallory", "file", probe::with("RES-05", arguments));
        let fought = ring.fought(&id);
        for (which, bout) in fought.bouts() {
            ring.same(&format!("{arguments:?}, {which} case"), bout.verdict(), verdict);
        }
        if verdict == "time-limit" {
            let said = fought.open.message();
            ring.holds(said.contains("wall limit"), || format!("{arguments:?}: {said}"));
        }
        // Its heart beats in a folder that is gone with the run; that no process of it is left is what is asked here and by the oracle.
        let mut alive = Vec::new();
        wait_until(
            Duration::from_secs(2),
            || {
                alive = ring.contest.traces();
                alive.retain(|trace| trace.starts_with("process ") && trace.contains("/submission/"));
                alive.is_empty()
            },
            || (),
        );
        ring.holds(alive.is_empty(), || format!("{arguments:?}: still there: {alive:?}"));
    }
}

// ---------------------------------------------------------------------------------------------- RES-06

/// Work of a fixed size, for whoever takes the time of it.
const TIMING: &str = "x = 0\nfor i in range(12_000_000): x += i * i\nprint(5)\n";

fn processor(entrance: &mut Entrance<'_>) {
    const CHANGE: f64 = 1.05;
    const TURNS: usize = 8;
    let ring = entrance.shared();
    // More processes than the usual limit, room for as many interpreters, and time to be busy in.
    let settings =
        [("limits.processes", "128"), ("limits.memory", "1 GiB"), ("limits.cpu", "8s"), ("limits.wall", "30s")];
    ring.with(&settings, |ring| {
        let cpu = |fought: &Fought| fought.open.number("cpu_seconds").min(fought.hidden.number("cpu_seconds"));
        // In turns, so that both see the same machine. The machine's own noise only ever adds: what a neighbour costs shows in every
        // turn, and what noise costs not in all of them.
        let (mut alone, mut beside) = (Vec::new(), f64::INFINITY);
        let held = (0..TURNS).any(|_| {
            alone.push(cpu(&ring.fight("mira", "py", TIMING)));
            let busy = ring.submit("mallory", "file", probe::text("RES-06"));
            ring.contest
                .wait_for("it runs", || ring.contest.status(&busy).is_some_and(|status| status["state"] == "running"));
            let timed = ring.fight("mira", "py", TIMING);
            ring.same("the verdict of who ran beside it", &timed.status["verdict"], "accepted");
            beside = beside.min(cpu(&timed));
            let fought = ring.fought(&busy);
            for (which, bout) in fought.bouts() {
                ring.same(&format!("{which} case"), bout.verdict(), "time-limit");
                let (used, took) = (bout.number("cpu_seconds"), bout.number("wall_seconds"));
                let cores = std::thread::available_parallelism().map_or(1.0, |cores| cores.get() as f64);
                ring.holds(used / took <= cores * CHANGE, || {
                    format!("{which} case: {used} s of {cores} processors in {took} s")
                });
            }
            beside <= median(&mut alone) * CHANGE
        });
        ring.holds(held, || {
            format!("a timing submission took {alone:?} s of CPU time alone, and never less than {beside} s beside it")
        });
    });
}

fn median(numbers: &mut [f64]) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

// ---------------------------------------------------------------------------------------------- RES-07

fn idle(entrance: &mut Entrance<'_>) {
    let ring = entrance.shared();
    let ids = ["sleep", "stop", "drip", "pipe"]
        .map(|way| (way, ring.submit("mallory", "file", probe::with("RES-07", &[way]))));
    for (way, id) in ids {
        let fought = ring.fought(&id);
        for (which, bout) in fought.bouts() {
            ring.same(&format!("{way}, {which} case"), bout.verdict(), "time-limit");
            let (cpu, wall) = (bout.number("cpu_seconds"), bout.number("wall_seconds"));
            ring.holds((WALL..=WALL + LATE).contains(&wall), || {
                format!("{way}, {which} case: it ended after {wall} s")
            });
            ring.holds(cpu < 1.0, || format!("{way}, {which} case: it used {cpu} s of CPU time"));
        }
    }
}

// ---------------------------------------------------------------------------------------------- RES-08

fn input(entrance: &mut Entrance<'_>) {
    let mut ring = Ring::prepare(entrance.engine, |competition| competition.set("limits.wall", "20s"));
    for (case, tag, weight) in
        [(OPEN_CASE, OPEN_TAGS[0], 1), (HIDDEN_CASE, crate::support::HIDDEN_TAG, crate::support::HIDDEN_WEIGHT)]
    {
        let mut text = format!("{tag} {weight}\n").into_bytes();
        text.resize(100_000_000, b'7');
        fs::write(ring.contest.path(&format!("testcases/{case}/input.txt")), text).expect("a large input");
    }
    ring.contest.start();
    ring.warm_up();
    entrance.fight_in(ring, |ring| {
        let ids =
            ["ignore", "close", "one"].map(|way| (way, ring.submit("mallory", "file", probe::with("RES-08", &[way]))));
        for (way, id) in ids {
            let fought = ring.fought(&id);
            for (which, bout) in fought.bouts() {
                ring.same(&format!("{way}, {which} case"), bout.verdict(), "accepted");
            }
        }
    });
}
