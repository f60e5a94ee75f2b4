//! OWN: what broke other sandboxes and judges, each after a flaw that was published.

use std::fs;
use std::time::Duration;

use super::Case;
use crate::probe;
use crate::ring::{Entrance, Fought, Ring};
use crate::support::{HIDDEN_WEIGHT, wait_until};

pub(super) const CASES: &[Case] = &[
    Case::shared("OWN-01", "links for root to follow (Judge0 CVE-2024-28185)", |entrance| own(entrance, "OWN-01")),
    Case::shared("OWN-02", "a leaked working directory (runc CVE-2024-21626)", |entrance| own(entrance, "OWN-02")),
    Case::shared("OWN-03", "the runtime's own program (runc CVE-2019-5736)", |entrance| own(entrance, "OWN-03")),
    Case::shared("OWN-04", "masked paths (runc CVE-2025-31133)", |entrance| own(entrance, "OWN-04")),
    Case::shared("OWN-05", "typing into a terminal (bubblewrap CVE-2017-5226)", |entrance| own(entrance, "OWN-05")),
    Case::shared("OWN-06", "the supervisor inside (bubblewrap CVE-2020-5291)", |entrance| own(entrance, "OWN-06")),
    Case::shared("OWN-07", "namespaces and mounts (flatpak CVE-2021-41133)", |entrance| own(entrance, "OWN-07")),
    Case::shared("OWN-08", "system calls by x32 numbers", |entrance| own(entrance, "OWN-08")),
    Case::shared("OWN-09", "32 bit system calls", |entrance| own(entrance, "OWN-09")),
    Case::shared("OWN-10", "files by handle (Shocker)", |entrance| own(entrance, "OWN-10")),
    Case::shared("OWN-11", "rarely used entry points (kCTF)", |entrance| own(entrance, "OWN-11")),
    Case::shared("OWN-12", "forking away from the kill (go-judge, isolate)", |entrance| own(entrance, "OWN-12")),
    Case::shared("OWN-13", "killing everything in reach", kill_all),
    Case::shared("OWN-14", "stopping everything in reach", stop_all),
    Case::shared("OWN-15", "libraries for the evaluator", planted_libraries),
    Case::shared("OWN-16", "an answer that is replaced while it is read", answer_race),
    Case::shared("OWN-17", "one's own weight and limits", |entrance| own(entrance, "OWN-17")),
    Case::shared("OWN-18", "notes in the page cache (CVE-2019-5489)", |entrance| own(entrance, "OWN-18")),
    Case::shared("OWN-19", "a very deep tree", |entrance| own(entrance, "OWN-19")),
    Case::shared("OWN-20", "65,536 entries, pipes, names that are no text", |entrance| own(entrance, "OWN-20")),
    Case::shared("OWN-21", "closed and exchanged streams", |entrance| own(entrance, "OWN-21")),
    Case::shared("OWN-22", "escape sequences and bidi controls (CVE-2021-42574)", escape_sequences),
    Case::shared("OWN-23", "a forged end of the output", forged_end),
    Case::shared("OWN-24", "writing to read-only files (Dirty Pipe, Dirty COW)", |entrance| own(entrance, "OWN-24")),
    Case::shared("OWN-25", "crash handlers (CVE-2022-0492)", crash),
    Case::shared("OWN-26", "kernel objects that no limit counts", kernel_objects),
    Case::shared("OWN-27", "the check before the queue (DMOJ #318)", check_bomb),
];

/// A probe that says of itself whether it was held, and whose run is a student's own affair.
fn own(entrance: &mut Entrance<'_>, name: &'static str) {
    let ring = entrance.shared();
    let fought = ring.probe(name, probe::text(name));
    is_the_students(ring, &fought);
}

/// Whatever a program does, it is not the platform that failed.
fn is_the_students(ring: &mut Ring, fought: &Fought) {
    for (which, bout) in fought.bouts() {
        let blamed = !["evaluator-error", "infrastructure-error", "no verdict"].contains(&bout.verdict());
        ring.holds(blamed, || format!("{which} case: {} {}", bout.verdict(), bout.record));
    }
}

fn kill_all(entrance: &mut Entrance<'_>) {
    let ring = entrance.shared();
    let fought = ring.probe("OWN-13", probe::text("OWN-13"));
    for (which, bout) in fought.bouts() {
        // A time limit, where it has stopped whoever waits for it.
        let own = ["run-error", "time-limit"].contains(&bout.verdict());
        ring.holds(own, || format!("{which} case: {} {}", bout.verdict(), bout.message()));
    }
}

fn stop_all(entrance: &mut Entrance<'_>) {
    let ring = entrance.shared();
    let fought = ring.probe("OWN-14", probe::text("OWN-14"));
    for (which, bout) in fought.bouts() {
        ring.same(&format!("{which} case"), bout.verdict(), "time-limit");
    }
}

fn planted_libraries(entrance: &mut Entrance<'_>) {
    let ring = entrance.shared();
    for _ in 0..2 {
        let fought = ring.fight("mallory", "py", probe::text("OWN-15"));
        ring.holds(fought.open.stderr.contains("OWN-15 HELD"), || format!("not planted: {}", fought.open.stderr));
        ring.same("the public score", &fought.status["public_score"], 7);
        ring.same("the private score", fought.hidden.record["score"].as_u64(), Some(7 * HIDDEN_WEIGHT));
    }
}

fn answer_race(entrance: &mut Entrance<'_>) {
    let ring = entrance.shared();
    let ids: Vec<_> = (0..5).map(|_| ring.submit("mallory", "file", probe::text("OWN-16"))).collect();
    for id in ids {
        let fought = ring.fought(&id);
        ring.must_hold("OWN-16", &fought);
        for (which, bout) in fought.bouts() {
            let possible = ["accepted", "bad-output"].contains(&bout.verdict());
            ring.holds(possible, || format!("{which} case: {} {}", bout.verdict(), bout.message()));
            let other = bout.answer.as_ref().filter(|answer| answer.as_slice() != b"7");
            ring.holds(other.is_none(), || format!("{which} case: the answer is {other:.100?}"));
        }
    }
}

fn escape_sequences(entrance: &mut Entrance<'_>) {
    let ring = entrance.shared();
    let fought = ring.fight("mallory", "py", probe::text("OWN-22"));
    ring.holds(fought.open.stderr.contains("OWN-22 HELD"), || format!("not printed: {:.200}", fought.open.stderr));
    is_the_students(ring, &fought);
    ring.contest.wait_for_site();
    let site = ring.contest.site();
    // It got as far as a page, or the oracle's look at the pages says nothing.
    ring.holds(!site.holding("OWN-22 HELD").is_empty(), || "no page shows what it printed".into());
    for tag in ["<script>alert(1)", "href=\"http://x\""] {
        // What it printed is there to be taken home, as text and never as a page.
        let mut pages = site.holding(tag);
        pages.retain(|page| !page.ends_with(".txt"));
        ring.holds(pages.is_empty(), || format!("{tag} on {pages:?}"));
    }
}

fn forged_end(entrance: &mut Entrance<'_>) {
    let ring = entrance.shared();
    let fought = ring.probe("OWN-23", probe::text("OWN-23"));
    for (which, bout) in fought.bouts() {
        ring.same(&format!("{which} case"), bout.verdict(), "run-error");
        ring.same(&format!("{which} case"), bout.message(), "ended with exit status 3");
    }
}

fn crash(entrance: &mut Entrance<'_>) {
    let ring = entrance.shared();
    let fought = ring.probe("OWN-25", probe::text("OWN-25"));
    for (which, bout) in fought.bouts() {
        let said = bout.message().to_owned();
        ring.holds(bout.verdict() == "run-error" && said.contains("signal 11"), || {
            format!("{which} case: {} {said}", bout.verdict())
        });
    }
}

fn kernel_objects(entrance: &mut Entrance<'_>) {
    /// What others on the machine may make the kernel keep meanwhile.
    const NOISE: u64 = 64 << 10;
    let kept = || {
        let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("SUnreclaim:")).unwrap_or_default();
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("the kernel says how much it keeps")
    };
    let before = kept();
    own(entrance, "OWN-26");
    let ring = entrance.shared();
    let given_back = wait_until(Duration::from_secs(30), || kept() < before + NOISE, || ());
    ring.holds(given_back, || format!("the kernel kept {before} kB, and keeps {} kB", kept()));
}

fn check_bomb(entrance: &mut Entrance<'_>) {
    let ring = entrance.shared();
    let bombs = [
        format!("x = {}1\n", "-".repeat(900_000)),
        format!("x = {}\n", "(".repeat(900_000)),
        "x = ((1 << 20000) ** 20000) ** 20000\n".into(),
    ];
    for (index, bomb) in bombs.iter().enumerate() {
        let id = ring.submit("mallory", "py", format!("{}{bomb}", probe::text("OWN-27")));
        let status = ring.contest.outcome(&id);
        // The last may be nothing to a compiler, and is then a run like any other.
        let own = status["state"] == "rejected" || index == 2 && status["verdict"] != "infrastructure-error";
        ring.holds(own, || format!("bomb {index}: {status}"));
        let reason = status["reason"].as_str().unwrap_or_default();
        ring.holds(!reason.contains("results/") && reason.len() < 10_000, || format!("bomb {index}: {reason:.300}"));
    }
}
