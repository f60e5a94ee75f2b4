//! What runs leave on a machine when nobody tidies up behind them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::engine::Engine;

/// Processes, control groups, containers and mounts of one home.
pub(super) fn traces(engine: Engine, root: &Path, home_id: &str, marker: &str) -> Vec<String> {
    let mut found = processes(home_id, marker);
    found.extend(control_groups(home_id).iter().map(|group| format!("control group {}", group.display())));
    let mounts = fs::read_to_string("/proc/self/mountinfo").expect("the mounts can be read");
    found.extend(
        mounts.lines().filter(|line| line.contains(&root.display().to_string())).map(|line| format!("mount {line}")),
    );
    if engine.has_containers() {
        found.extend(
            containers(home_id, "{{.ID}} {{.Status}} {{.Labels}}").into_iter().map(|line| format!("container {line}")),
        );
    }
    found
}

/// Programs say `marker` in their command line, whichever engine runs them.
fn processes(home_id: &str, marker: &str) -> Vec<String> {
    let group = format!("/podium/{home_id}");
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").expect("/proc can be read").flatten() {
        let read = |file: &str| {
            fs::read(entry.path().join(file))
                .map(|bytes| String::from_utf8_lossy(&bytes).replace('\0', " "))
                .unwrap_or_default()
        };
        let (command, groups) = (read("cmdline"), read("cgroup"));
        if command.contains(marker) || groups.contains(&group) {
            found.push(format!("process {}: {command}", entry.file_name().display()));
        }
    }
    found
}

/// Wherever the tree of groups is mounted and wherever in it the daemon stands.
fn control_groups(home_id: &str) -> Vec<PathBuf> {
    walkdir::WalkDir::new("/sys/fs/cgroup")
        .contents_first(true)
        .into_iter()
        .flatten()
        .filter(|entry| entry.file_type().is_dir() && entry.path().iter().any(|part| part == home_id))
        .map(walkdir::DirEntry::into_path)
        .collect()
}

fn containers(home_id: &str, format: &str) -> Vec<String> {
    let label = format!("label=podium.home={home_id}");
    let output = Command::new("docker")
        .args(["ps", "--all", "--filter", &label, "--format", format])
        .output()
        .expect("docker can be asked");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}

/// After a failed test, so that it does not trouble the next one.
pub(super) fn remove(engine: Engine, home_id: &str) {
    for group in control_groups(home_id) {
        let _ = fs::remove_dir(group);
    }
    if engine.has_containers() {
        for id in containers(home_id, "{{.ID}}") {
            let _ = Command::new("docker").args(["rm", "--force", &id]).output();
        }
    }
}
