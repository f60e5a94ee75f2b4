//! Two thousand submissions, one in ten of them hostile: nothing is left of any, and the daemon stays as small as it was.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::Duration;

use rustix::fs::statvfs;
use support::{Competition, Contest, HIDDEN_CASE, a_new_id};

const SUBMISSIONS: usize = 2000;
const USERS: usize = 40;
/// For a burst, on a machine that has other things to do.
const LONG: Duration = Duration::from_secs(400);
/// So many lie in the inbox at a time: a burst, and never all of them.
const BURST: usize = 100;
/// What a submission may cost the daemon for good: its place in the history of the competition, in bytes of memory.
const REMEMBERED: u64 = 16 << 10;

/// What they do, and the verdict of the public case.
const HOSTILE: [(&str, &str); 10] = [
    // Fills the processes, and is ended with all of them.
    (": | f() { f | f & }; f; f; while :; do :; done", "time-limit"),
    // Leaves processes in sessions of their own behind.
    (
        "for n in 1 2 3 4 5; do setsid -f sh -c 'trap \"\" TERM HUP INT; while :; do sleep 1; done'; done; echo 7",
        "accepted",
    ),
    ("while :; do :; done", "time-limit"),
    ("kill -s STOP $$", "time-limit"),
    ("yes", "output-limit"),
    ("yes >&2", "output-limit"),
    // Memory, in the process and in files.
    ("a=x; while :; do a=$a$a; done", "memory-limit"),
    (
        "for n in 1 2 3 4; do head -c 64M /dev/zero > /tmp/$n; head -c 64M /dev/zero > /dev/shm/$n; done; echo 7",
        "accepted",
    ),
    // A tree that is too deep for a path to reach its end, and as many files as there may be.
    (
        "mkdir -p $(yes d/ | head -n 1500 | tr -d '\\n'); n=0; while true > f$n; do n=$((n+1)); done 2>/dev/null; echo 7",
        "accepted",
    ),
    ("kill -s KILL -1; kill -s KILL 0", "run-error"),
];

fn verdict(contest: &Contest, id: &str) -> String {
    contest.status(id).unwrap_or_default()["verdict"].as_str().unwrap_or("none").to_owned()
}

/// What must not grow, as it is when nothing runs.
#[derive(Debug)]
struct Footprint {
    resident: u64,
    open_files: usize,
    work: usize,
    traces: Vec<String>,
    free_inodes: u64,
}

impl Footprint {
    fn of(contest: &Contest) -> Self {
        let daemon = contest.daemon();
        Self {
            resident: daemon.resident_bytes(),
            open_files: daemon.open_files(),
            work: fs::read_dir(contest.path("results/work")).expect("the work folder").count(),
            traces: contest.traces(),
            free_inodes: statvfs(contest.root()).expect("a file system").f_ffree,
        }
    }
}

#[test]
fn two_thousand_submissions_and_one_in_ten_is_hostile() {
    let mut contest = Competition::new("Soak")
        .set("testcases.public", vec!["one"])
        .set("evaluator.command", vec!["sh", "{evaluator}/seven.sh"])
        .set("limits.cpu", "300ms")
        .set("limits.wall", "2s")
        .set("limits.memory", "32 MiB")
        .set("limits.processes", 24)
        .set("limits.scratch", "4 MiB")
        .prepare();
    fs::write(contest.path("evaluator/seven.sh"), "echo '{\"score\": 7}'\n").expect("a quick evaluator");
    contest.start();

    // What an engine has as long as it is open, it has now.
    contest.hand_in("user-0", "sh", "echo 7\n");
    contest.wait_for_judged(1);
    let empty = Footprint::of(&contest);

    let mut expected = BTreeMap::new();
    let mut footprints = Vec::new();
    for burst in 0..SUBMISSIONS / BURST {
        let mut program_of = BTreeMap::new();
        for number in burst * BURST..(burst + 1) * BURST {
            let (program, verdict) = match number % 10 {
                3 => HOSTILE[(number / 10) % HOSTILE.len()],
                _ => ("cat > /dev/null; echo 7", "accepted"),
            };
            let id = a_new_id();
            // Two programs are never the same bytes.
            program_of.insert(id.clone(), format!("# {number}\n{program}\n"));
            expected.insert(id, verdict);
        }
        for (number, (id, program)) in program_of.iter().enumerate() {
            contest.drop_file(format!("user-{}_{id}.sh", number % USERS), program);
        }
        contest.wait_within(LONG, "a burst is judged", || contest.count("judged") > (burst + 1) * BURST);
        contest.wait_for_site();
        footprints.push(Footprint::of(&contest));
    }

    let wrong: Vec<_> = expected
        .iter()
        .map(|(id, expected)| (*expected, verdict(&contest, id)))
        .filter(|(expected, found)| expected != found)
        .collect();
    assert!(wrong.is_empty(), "expected and found: {wrong:?}");
    let judged: BTreeSet<_> = contest.events("judged").iter().map(|line| line["id"].to_string()).collect();
    assert_eq!((judged.len(), contest.count("judged")), (SUBMISSIONS + 1, SUBMISSIONS + 1), "each was judged once");
    assert!(contest.events("judged").iter().all(|line| line["cases"][1]["case"] == HIDDEN_CASE));
    contest.assert_log_is_whole();

    // The first bursts fill buffers and caches that stay.
    let (early, late) = (&footprints[footprints.len() / 4], &footprints[footprints.len() - 1]);
    println!("after a quarter: {early:?}\nat the end: {late:?}");
    for footprint in &footprints {
        assert_eq!(
            (footprint.work, &footprint.traces),
            (empty.work, &empty.traces),
            "something was left: {footprint:?}"
        );
    }
    // A look at one moment may see a scan or a page on its way.
    contest.wait_for("descriptors do not grow", || contest.daemon().open_files() <= early.open_files + 2);
    let later = (SUBMISSIONS - SUBMISSIONS / 4) as u64;
    let grown = late.resident.saturating_sub(early.resident);
    assert!(grown <= later * REMEMBERED, "{grown} bytes more for {later} submissions");
    // A submission keeps a few files and pages, and no more than that.
    let used = early.free_inodes.saturating_sub(late.free_inodes);
    assert!(used <= later * 24, "{used} inodes more for {later} submissions");
}
