//! What is asked after every case, whatever the case was.
//!
//! - G1: the daemon is the same process, and a known-good submission that is dropped now is judged rightly within a minute.
//! - G2: every line of the log parses, the chain is whole, each accepted submission has one final line, each refused one its refusal only.
//! - G3: no process, control group, container, volume, image, network, mount or loop device is left; no new setuid or device file in the
//!   home; nothing has changed in /etc, the cases, the evaluator or other users' sources.
//! - G4: nothing private is under public/ or in inbox/, users' outboxes included, while the board is open.
//! - G5: disk, inodes, the daemon's memory, descriptors and use of the processor are back within half a minute. The machine's load average
//!   is left out: it is everybody's, and what is left of a run would be found by G3.
//! - G6: no page and no output of `podium status` holds a raw control character or a raw bidi control.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::ring::{CANARY, Ring};
use super::support::{Contest, HIDDEN_CASE, HIDDEN_TAG, HIDDEN_WEIGHT, STAFF_TAG, raw_control, wait_until};

/// How long what was used may take to be given back.
const SOON: Duration = Duration::from_secs(30);
/// By how much what was given back may differ from what there was.
const NEARLY: f64 = 1.05;
/// What the daemon keeps of an image that was in use, in bytes and in descriptors.
const OF_AN_IMAGE: (f64, f64) = ((4 << 20) as f64, 8.0);
/// What the known-good submission answers.
const GOOD: u64 = 7;

/// The machine before a case.
#[derive(Debug)]
pub struct Baseline {
    pid: u32,
    resident: u64,
    open_files: usize,
    disk_free: u64,
    inodes_free: u64,
    machine: BTreeSet<String>,
    special: BTreeSet<PathBuf>,
    tripwires: BTreeMap<String, String>,
}

impl Baseline {
    pub fn of(ring: &Ring) -> Self {
        let (disk_free, inodes_free) = free(ring.contest.root());
        let daemon = ring.contest.daemon();
        Self {
            pid: daemon.pid(),
            resident: daemon.resident_bytes(),
            open_files: daemon.open_files(),
            disk_free,
            inodes_free,
            machine: machine(ring),
            special: special(ring.contest.root()),
            tripwires: tripwires(ring),
        }
    }

    /// Asks everything.
    pub fn ask(&self, ring: &mut Ring) {
        self.daemon_judges(ring);
        log_is_whole(ring);
        self.nothing_is_left(ring);
        nothing_private_shows(ring);
        self.all_is_given_back(ring);
        all_is_escaped(ring);
    }

    fn daemon_judges(&self, ring: &mut Ring) {
        if let Some(ended) = ring.contest.daemon().ended() {
            panic!("G1: the daemon ended: {ended}\n{}", ring.contest.daemon().said());
        }
        ring.same("G1: the daemon's process", ring.contest.daemon().pid(), self.pid);
        let dropped = Instant::now();
        let good = ring.fight("ctl", "sh", format!("echo {GOOD}\n"));
        let took = dropped.elapsed();
        ring.holds(took < Duration::from_secs(60), || format!("G1: the known-good submission took {took:?}"));
        ring.same("G1: the known-good submission's verdict", &good.status["verdict"], "accepted");
        ring.same("G1: its public score", &good.status["public_score"], GOOD * ring.open_weight);
        ring.same("G1: its private score", &good.hidden.record["score"], GOOD * HIDDEN_WEIGHT);
    }

    fn nothing_is_left(&self, ring: &mut Ring) {
        let mut left = Vec::new();
        // The daemon tries its engine every few seconds, and what that leaves for a moment is no trace.
        wait_until(
            SOON,
            || {
                left = ring.contest.traces();
                // Mounts are compared with what there was, wherever they are.
                left.retain(|trace| !of_the_daemon(ring, trace) && !trace.starts_with("mount "));
                left.is_empty()
            },
            || (),
        );
        ring.holds(left.is_empty(), || format!("G3: left behind: {left:?}"));
        let mut new = Vec::new();
        wait_until(
            SOON,
            || {
                new = machine(ring).difference(&self.machine).cloned().collect();
                new.is_empty()
            },
            || (),
        );
        ring.holds(new.is_empty(), || format!("G3: new on the machine: {new:?}"));
        let special: Vec<_> = special(ring.contest.root()).difference(&self.special).cloned().collect();
        ring.holds(special.is_empty(), || format!("G3: new setuid or device files: {special:?}"));
        let now = tripwires(ring);
        let changed: Vec<_> = self.tripwires.iter().filter(|(path, digest)| now.get(*path) != Some(digest)).collect();
        ring.holds(changed.is_empty(), || format!("G3: changed: {changed:?}"));
        let sources = ring.contest.path("results").display().to_string();
        let added: Vec<_> =
            now.keys().filter(|path| !self.tripwires.contains_key(*path) && !path.starts_with(&sources)).collect();
        ring.holds(added.is_empty(), || format!("G3: added: {added:?}"));
    }

    fn all_is_given_back(&self, ring: &mut Ring) {
        let more = |before: f64| before * NEARLY;
        let less = |before: u64| before as f64 / NEARLY;
        let mut left = String::new();
        let (more_memory, more_files) = (ring.images as f64 * OF_AN_IMAGE.0, ring.images as f64 * OF_AN_IMAGE.1);
        let root = ring.contest.root().to_owned();
        let daemon = ring.contest.daemon();
        let back = wait_until(
            SOON,
            || {
                let (disk, inodes) = free(&root);
                let (resident, files) = (daemon.resident_bytes(), daemon.open_files());
                let busy = busy(self.pid);
                left = format!(
                    "G5: not given back: memory {resident} of {}, descriptors {files} of {}, disk {disk} of {}, inodes {inodes} of {}, busy {busy}",
                    self.resident, self.open_files, self.disk_free, self.inodes_free
                );
                resident as f64 <= more(self.resident as f64) + more_memory
                    && files as f64 <= more(self.open_files as f64) + more_files
                    && disk as f64 >= less(self.disk_free)
                    && inodes as f64 >= less(self.inodes_free)
                    && !busy
            },
            || (),
        );
        ring.holds(back, || left);
    }
}

/// The group below which a daemon makes those of its runs stays as long as the daemon does.
fn of_the_daemon(ring: &Ring, trace: &str) -> bool {
    trace.starts_with("control group ") && trace.ends_with(&format!("/podium/{}", ring.contest.home_id()))
}

/// Whether a process uses more than a fifth of a processor, over a moment.
fn busy(pid: u32) -> bool {
    let ticks = || {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        [11, 12].iter().filter_map(|field| fields.get(*field)?.parse::<u64>().ok()).sum::<u64>()
    };
    let (start, before) = (Instant::now(), ticks());
    wait_until(Duration::from_millis(150), || start.elapsed() > Duration::from_millis(150), || ());
    ticks() - before > 3
}

/// Bytes and inodes that are free where the home is.
fn free(root: &Path) -> (u64, u64) {
    let stat = rustix::fs::statvfs(root).expect("the file system of the home");
    (stat.f_bavail * stat.f_frsize, stat.f_favail)
}

/// What the container engine and the kernel hold for the whole machine; containers are known by their labels, and others may make some.
fn machine(ring: &Ring) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir("/sys/block").into_iter().flatten().flatten() {
        if let Ok(file) = fs::read_to_string(entry.path().join("loop/backing_file")) {
            found.insert(format!("{} of {}", entry.file_name().display(), file.trim()));
        }
    }
    let mounts = fs::read_to_string("/proc/self/mountinfo").expect("the mounts can be read");
    found.extend(mounts.lines().filter_map(|line| mount(line, &ring.contest)));
    if ring.engine.has_containers() {
        for what in ["volume", "image", "network"] {
            let output =
                Command::new("docker").args([what, "ls", "--quiet"]).output().expect("the docker command runs");
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            found.extend(text.lines().map(|line| format!("{what} {line}")));
        }
    }
    found
}

/// A mount by what is mounted where; none of a container's, which engines make and others' containers have, too, and none below
/// the folder of another test.
fn mount(line: &str, contest: &Contest) -> Option<String> {
    const OF_ENGINES: [&str; 4] = ["/var/lib/docker/", "/run/docker/", "/var/lib/containers/", "/run/containerd/"];
    let (before, after) = line.split_once(" - ")?;
    let fields: Vec<&str> = before.split(' ').collect();
    let (root, at) = (fields.get(3)?, fields.get(4)?);
    let home = contest.root().display().to_string();
    let is_others = OF_ENGINES.iter().any(|start| at.starts_with(start))
        || at.starts_with("/tmp/") && !at.starts_with(&home) && !root.contains(&home);
    (!is_others).then(|| format!("mount of {root} ({}) at {at}", after.split(' ').next().unwrap_or_default()))
}

/// Files of the home that belong in no home: setuid, setgid, devices, pipes, sockets, links.
fn special(root: &Path) -> BTreeSet<PathBuf> {
    let store = root.join("results/cache/images");
    let belongs_nowhere = |entry: &walkdir::DirEntry| {
        let kind = entry.file_type();
        let odd = kind.is_block_device() || kind.is_char_device() || kind.is_fifo() || kind.is_socket();
        odd || kind.is_symlink() || entry.metadata().is_ok_and(|meta| meta.permissions().mode() & 0o6000 != 0)
    };
    walkdir::WalkDir::new(root)
        .into_iter()
        // Images have links; what else is in them, ARC-07 looks at.
        .filter_entry(|entry| entry.path() != store)
        .flatten()
        .filter(belongs_nowhere)
        .map(walkdir::DirEntry::into_path)
        .collect()
}

/// What nobody's program may change, each file with its SHA-256.
fn tripwires(ring: &Ring) -> BTreeMap<String, String> {
    let home = |name: &str| ring.contest.path(name).display().to_string();
    let mut command = Command::new("find");
    command.args(["/etc", &home("testcases"), &home("evaluator"), &home("results/submissions")]);
    command.args(["(", "-not", "-path", "*/results/submissions/*", "-o", "-name", "source.*", ")"]);
    command.args(["-type", "f", "-exec", "sha256sum", "{}", "+"]);
    let output = command.output().expect("find and sha256sum run");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines()
        .filter_map(|line| line.split_once("  "))
        .map(|(digest, path)| (path.to_owned(), digest.to_owned()))
        .collect()
}

fn log_is_whole(ring: &mut Ring) {
    ring.contest.assert_log_is_whole();
    let log = ring.contest.log();
    let of = |event: &str| -> Vec<String> {
        let lines = log.iter().filter(|line| line["event"] == event);
        lines.filter_map(|line| line["id"].as_str().map(str::to_owned)).collect()
    };
    let (accepted, judged, rejected) = (of("accepted"), of("judged"), of("rejected"));
    for id in &accepted {
        let finals = judged.iter().filter(|other| *other == id).count();
        ring.same(&format!("G2: final lines of {id}"), finals, 1);
    }
    for id in rejected.iter().filter(|id| !accepted.contains(id)) {
        ring.holds(!judged.contains(id), || format!("G2: {id} was refused, and judged"));
    }
    ring.same("G2: submissions accepted twice", accepted.iter().collect::<BTreeSet<_>>().len(), accepted.len());
}

fn nothing_private_shows(ring: &mut Ring) {
    ring.contest.wait_for_site();
    if ring.contest.board()["state"] != "open" {
        return;
    }
    let (site, outboxes) = (ring.contest.site(), ring.outboxes());
    let mut secrets: Vec<String> = [HIDDEN_CASE, HIDDEN_TAG, STAFF_TAG, CANARY].map(str::to_owned).into();
    secrets.push(HIDDEN_WEIGHT.to_string());
    let judged = ring.contest.events("judged");
    let cases = || judged.iter().filter_map(|line| line["cases"].as_array()).flatten();
    // What a program prints whatever it reads has the same digest in the public case.
    let public: BTreeSet<String> = cases().filter(|case| case["case"] != HIDDEN_CASE).flat_map(digests).collect();
    for case in cases().filter(|case| case["case"] == HIDDEN_CASE) {
        secrets.extend(digests(case).filter(|digest| !public.contains(digest)));
        // Large enough to be nothing else.
        secrets.extend(case["score"].as_f64().filter(|score| *score > 1e6).map(|score| format!("{score}")));
    }
    secrets.sort();
    secrets.dedup();
    secrets.append(&mut ring.secrets.clone());
    for secret in secrets {
        let pages = site.holding(&secret);
        ring.holds(pages.is_empty(), || format!("G4: {secret:?} shows on {pages:?}"));
        let letters = outboxes.holding(&secret);
        ring.holds(letters.is_empty(), || format!("G4: {secret:?} shows in {letters:?}"));
    }
    // What a client of the inbox can list and read.
    let mut inbox = ring.contest.inbox();
    inbox.retain(|name| !ring.contest.path("inbox").join(name).join("out").is_dir());
    ring.holds(inbox.is_empty(), || format!("G4: left in the inbox: {inbox:?}"));
}

/// The digests of what was kept of a case's run.
fn digests(case: &Value) -> impl Iterator<Item = String> {
    let kept = case["files"].as_array().into_iter().flatten().map(|file| &file["sha256"]);
    [&case["output_sha256"]].into_iter().chain(kept).filter_map(Value::as_str).map(str::to_owned)
}

fn all_is_escaped(ring: &mut Ring) {
    for (name, bytes) in ring.contest.site().0.into_iter().chain(ring.outboxes().0) {
        if let Some(raw) = raw_control(&bytes) {
            ring.broken(format!("G6: {name} holds a raw {raw}"));
        }
        if let Some(raw) = raw_control(name.as_bytes()) {
            ring.broken(format!("G6: the name {name:?} holds a raw {raw}"));
        }
    }
    let status = ring.contest.podium(&["status"]);
    for text in [&status.stdout, &status.stderr] {
        if let Some(raw) = raw_control(text.as_bytes()) {
            ring.broken(format!("G6: `podium status` prints a raw {raw}"));
        }
    }
}
