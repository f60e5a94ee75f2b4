//! What Debian's gVisor is known to do otherwise, and why that is no way out: said in the table, and not passed over.

use super::support::Engine;
use super::table::Table;

const OWN_WEIGHT: &str = "a number of gVisor's own kernel, which weighs nothing on the machine";
/// Of a probe, what it may find broken inside gVisor.
const INSIDE: [(&str, &str, &str); 10] = [
    (
        "SBX-06",
        "NoNewPrivs=0",
        "gVisor's /proc has no such line; the process on the machine has it set, which SBX-08 audits",
    ),
    (
        "SBX-06",
        "suid file on a suid-capable mount",
        "the file is in gVisor's memory, and no kernel but its own would run it",
    ),
    (
        "OWN-08",
        "no SIGSYS",
        "gVisor's own kernel answers that there is no such call, and the machine's never hears of it",
    ),
    ("OWN-09", "no SIGSYS", "gVisor's own kernel answers in its own way, and the machine's never hears of it"),
    ("OWN-17", "/proc/self/oom_score_adj takes", OWN_WEIGHT),
    ("OWN-17", "/proc/1/oom_score_adj takes", OWN_WEIGHT),
    ("OWN-17", "oom_score_adj is negative", OWN_WEIGHT),
    ("OWN-26", "queues", "gVisor's own kernel keeps them, in memory that is counted as the run's"),
    ("OWN-11", "device /dev/fuse", "a device of gVisor's own kernel, with nothing of the machine behind it"),
    ("OWN-11", "device /dev/net/tun", "a device of gVisor's own kernel, in a network of its own"),
];
/// Probes that a limit may end before they say anything: each of their steps costs gVisor much more.
const SLOW: [&str; 3] = ["RES-03", "OWN-19", "OWN-26"];

/// Whether everything that a line finds broken is known. Notes it, then.
pub fn explains(name: &'static str, engine: Engine, line: &str) -> bool {
    let Some((_, found)) = line.split_once("BROKEN ").filter(|_| engine == Engine::Runsc) else { return false };
    let why = |item: &str| {
        let known = |(probe, start, _): &&(&str, &str, &str)| *probe == name && item.trim().starts_with(start);
        INSIDE.iter().find(known).map(|(_, start, why)| format!("{start}: {why}"))
    };
    let Some(reasons) = found.split("; ").map(why).collect::<Option<Vec<_>>>() else { return false };
    reasons.into_iter().for_each(|why| Table::note(name, engine, why));
    true
}

/// Whether a probe that a limit ended has thereby been held. Notes it, then.
pub fn ends_by_a_limit(name: &'static str, engine: Engine, verdict: &str) -> bool {
    let held = engine == Engine::Runsc && SLOW.contains(&name) && ["time-limit", "memory-limit"].contains(&verdict);
    if held {
        Table::note(name, engine, format!("ended by its {verdict} before it had tried everything"));
    }
    held
}
