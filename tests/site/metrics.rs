//! results/metrics.prom: the daemon's health in numbers.

use crate::support::{Competition, answer};

#[test]
fn the_daemon_tells_prometheus_how_it_is_and_leaves_nothing_behind() {
    let mut contest = Competition::new("Numbers").prepare();
    contest.start();
    contest.hand_in("ann", "py", answer("1"));
    let file = contest.path("results/metrics.prom");
    let read = || std::fs::read_to_string(&file).unwrap_or_default();
    contest.wait_for("a judged submission in the numbers", || {
        read().contains("\npodium_submissions_judged_total{competition=\"Numbers\"} 1\n")
    });
    let text = read();
    for (name, label, value) in
        [("held", "", 0), ("open", "", 1), ("queue", ",state=\"waiting\"", 0), ("submissions_accepted_total", "", 1)]
    {
        let line = format!("podium_{name}{{competition=\"Numbers\"{label}}} {value}");
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
    // Every sample belongs to a name that was described.
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let name = line.split(['{', ' ']).next().expect("a name");
        assert!(text.contains(&format!("# TYPE {name} ")), "{line}");
        assert!(line.rsplit(' ').next().is_some_and(|value| value.parse::<f64>().is_ok_and(f64::is_finite)), "{line}");
    }
    for secret in ["ann", "one", "two", "hidden"] {
        assert!(!text.contains(&format!("\"{secret}\"")), "{text}");
    }
    assert!(contest.stop().success());
    assert!(!file.exists());
}
