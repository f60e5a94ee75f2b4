//! Finds, or makes, the place in the kernel's tree of control groups below which the groups of one home's runs lie.
//!
//! It reads how the tree is mounted and where this process stands in it, and knows nothing of runs.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::super::place::Place;
use super::{naming, write};

/// Which of the kernel's two interfaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sandbox) enum Version {
    /// A hierarchy for each controller, or for a few of them.
    V1,
    /// One hierarchy for all.
    V2,
}

/// The folders below which a run's group has its own, one for each hierarchy that counts.
#[derive(Debug)]
pub(in crate::sandbox) struct Layout {
    pub(super) version: Version,
    pub(super) parents: Vec<PathBuf>,
    /// The first of them as a path within its hierarchy.
    pub(super) within: String,
    /// There is no other process of the home that lives longer.
    pub(super) is_the_last: bool,
    /// Indices into `parents`: which hierarchy counts memory, …
    pub(super) memory: usize,
    pub(super) pids: usize,
    pub(super) cpu: usize,
}

/// One line of `/proc/self/mountinfo` that mounts a tree of control groups.
struct Mounted {
    root: String,
    at: PathBuf,
    version: Version,
    controllers: Vec<String>,
}

const FOLDER: &str = "podium";
/// Where a delegated group's own processes go: version 2 wants none beside the groups that it divides its controllers
/// among.
const OWN_LEAF: &str = "podium-daemon";

impl Layout {
    /// Finds the place for this home's groups and makes it. The daemon, which outlives whoever runs beside it, leaves less
    /// behind.
    ///
    /// # Errors
    /// What is missing, and what an operator can do about it.
    pub(in crate::sandbox) fn open(place: &Place) -> Result<Self, String> {
        let home_id = &place.home_id;
        let is_the_last = place.owner == Place::DAEMON;
        let mounts = fs::read_to_string("/proc/self/mountinfo")
            .map_err(|error| format!("cannot read /proc/self/mountinfo: {error}"))?;
        let mounts: Vec<Mounted> = mounts.lines().filter_map(parse).collect();
        // The freezer is wanted for a sure end; without it everything still works.
        let v1 = |name: &str| {
            mounts.iter().find(|mount| {
                mount.version == Version::V1 && mount.controllers.iter().any(|controller| controller == name)
            })
        };
        let layout = if let (Some(memory), Some(pids), Some(cpu)) = (v1("memory"), v1("pids"), v1("cpuacct")) {
            let mut parents: Vec<PathBuf> = Vec::new();
            let mut index = |mount: &Mounted| {
                // At the top, not below our own group: a later life must find it from wherever that is started.
                let parent = mount.at.join(FOLDER).join(home_id);
                parents.iter().position(|known| *known == parent).unwrap_or_else(|| {
                    parents.push(parent);
                    parents.len() - 1
                })
            };
            let (pids, memory, cpu) = (index(pids), index(memory), index(cpu));
            v1("freezer").map(&mut index);
            // Not to count it, but to share it out among runs: otherwise each process has as much as each other, and who
            // starts fifty has nearly all.
            index(v1("cpu").ok_or("no control groups that share out processor time are mounted at /sys/fs/cgroup")?);
            Self {
                version: Version::V1,
                parents,
                within: format!("/{FOLDER}/{home_id}"),
                is_the_last,
                memory,
                pids,
                cpu,
            }
        } else {
            let mount = mounts
                .iter()
                .find(|mount| mount.version == Version::V2)
                .ok_or("no control groups are mounted at /sys/fs/cgroup")?;
            let own = fs::read_to_string("/proc/self/cgroup")
                .map_err(|error| format!("cannot read /proc/self/cgroup: {error}"))?;
            let anchor = anchor(mount, &own);
            enable(&anchor)?;
            let parent = anchor.join(FOLDER).join(home_id);
            let within = format!("/{}", parent.strip_prefix(&mount.at).unwrap_or(&parent).display());
            Self { version: Version::V2, parents: vec![parent], within, is_the_last, memory: 0, pids: 0, cpu: 0 }
        };
        layout.restore().map_err(|error| cannot_make(&layout.parents[0], &error))?;
        Ok(layout)
    }

    /// Makes the folders, which another process of the home may have removed as it ended.
    ///
    /// # Errors
    /// Of making them.
    pub(super) fn restore(&self) -> io::Result<()> {
        /// Another home's process may remove the folder above, which is everybody's, at every step of this.
        const TRIES: usize = 5;
        let make = |parent: &PathBuf| -> io::Result<()> {
            fs::create_dir_all(parent)?;
            weigh(parent);
            match (self.version, parent.parent()) {
                (Version::V2, Some(above)) => enable(above).and_then(|()| enable(parent)).map_err(io::Error::other),
                _ => Ok(()),
            }
        };
        let missing = || self.parents.iter().filter(|parent| !parent.exists());
        (1..TRIES).find_map(|_| missing().try_for_each(make).ok()).map_or_else(|| missing().try_for_each(make), Ok)
    }

    pub(in crate::sandbox) fn version(&self) -> Version {
        self.version
    }

    /// The folders in which a run's group has its own.
    pub(super) fn parents(&self) -> impl Iterator<Item = &Path> {
        self.parents.iter().map(PathBuf::as_path)
    }

    /// Makes the group `name` where processors are divided, too, and gives it all that there are. Version 1 wants that at
    /// every level before one of them can be given fewer, and gVisor does not see to it.
    ///
    /// # Errors
    /// With the file or folder that could not be made or written.
    pub(in crate::sandbox) fn furnish_processors(&self, name: &str) -> io::Result<()> {
        let mounts = fs::read_to_string("/proc/self/mountinfo")?;
        let is_cpuset = |mount: &Mounted| mount.controllers.iter().any(|controller| controller == "cpuset");
        let Some(mount) = mounts.lines().filter_map(parse).find(is_cpuset).filter(|_| self.version == Version::V1)
        else {
            return Ok(());
        };
        let mut folder = mount.at;
        for level in self.path_of(name).split('/').filter(|level| !level.is_empty()) {
            let above = folder.clone();
            folder.push(level);
            fs::create_dir_all(&folder).map_err(|error| naming(&folder, error))?;
            for file in ["cpuset.cpus", "cpuset.mems"] {
                let own = folder.join(file);
                if fs::read_to_string(&own).is_ok_and(|given| given.trim().is_empty()) {
                    let all = fs::read_to_string(above.join(file))?;
                    write(&own, all.trim())?;
                }
            }
        }
        Ok(())
    }

    /// The group `name` as an engine on this machine is told of it.
    pub(in crate::sandbox) fn path_of(&self, name: &str) -> String {
        format!("{}/{name}", self.within)
    }
}

/// Leaves nothing behind, unless another process of the home, or another home, still has something there: then the
/// kernel refuses.
impl Drop for Layout {
    fn drop(&mut self) {
        for parent in &self.parents {
            let _ = fs::remove_dir(parent);
            let _ = parent.parent().map(fs::remove_dir);
        }
        // An engine that was told of our groups has made them, and those above, in every hierarchy, and may be about to do
        // so for another process: what is not certainly nobody's stays.
        for other in
            self.parents.first().filter(|_| self.is_the_last).iter().flat_map(|parent| other_hierarchies(parent))
        {
            let _ = fs::remove_dir(other);
        }
    }
}

/// The folders of the group that `/proc/PID/cgroup` tells of, as `(version, memory, cpu)`, if its path has `name` in it.
pub(super) fn folders_of(text: &str, name: &str) -> Option<(Version, PathBuf, PathBuf)> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    let mounts: Vec<Mounted> = mounts.lines().filter_map(parse).collect();
    let folder = |controller: &str| {
        // 4:memory:/path, or 0::/path
        let path = text.lines().find_map(|line| {
            let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
            (controllers.split(',').any(|one| one == controller) && path.contains(name)).then_some(path)
        })?;
        let mount = mounts.iter().find(|mount| match mount.version {
            Version::V1 => mount.controllers.iter().any(|one| one == controller),
            Version::V2 => controller.is_empty(),
        })?;
        Some(mount.at.join(path.strip_prefix(&mount.root).unwrap_or(path).trim_start_matches('/')))
    };
    match (folder("memory"), folder("cpuacct")) {
        (Some(memory), Some(cpu)) => Some((Version::V1, memory, cpu)),
        _ => folder("").map(|folder| (Version::V2, folder.clone(), folder)),
    }
}

/// The folders that have the same path as `folder` in the other mounted hierarchies, if they exist.
pub(super) fn other_hierarchies(folder: &Path) -> Vec<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let mounts: Vec<Mounted> = mounts.lines().filter_map(parse).collect();
    let Some(within) = mounts.iter().find_map(|mount| folder.strip_prefix(&mount.at).ok()) else { return Vec::new() };
    mounts.iter().map(|mount| mount.at.join(within)).filter(|other| other != folder && other.exists()).collect()
}

fn cannot_make(folder: &Path, error: &io::Error) -> String {
    format!(
        "cannot make the control group {}: {error}; under systemd the unit wants `Delegate=yes`, in a container /sys/fs/cgroup must be writable",
        folder.display()
    )
}

fn parse(line: &str) -> Option<Mounted> {
    // 36 35 98:0 /root /mount/point rw,noatime master:1 - cgroup name rw,memory
    let (before, after) = line.split_once(" - ")?;
    let (before, after): (Vec<&str>, Vec<&str>) = (before.split(' ').collect(), after.split(' ').collect());
    let version = match *after.first()? {
        "cgroup" => Version::V1,
        "cgroup2" => Version::V2,
        _ => return None,
    };
    let controllers = after.get(2)?.split(',').map(str::to_owned).collect();
    Some(Mounted {
        root: (*before.get(3)?).to_owned(),
        at: before.get(4)?.replace("\\040", " ").into(),
        version,
        controllers,
    })
}

/// The group of version 2 that we may divide: our own, which `/proc/self/cgroup` names, where systemd has given it to us,
/// or else the topmost that is to be seen.
fn anchor(mount: &Mounted, own: &str) -> PathBuf {
    let own = own.lines().find_map(|line| line.strip_prefix("0::")).unwrap_or("/");
    let own = mount.at.join(own.strip_prefix(&mount.root).unwrap_or(own).trim_start_matches('/'));
    if own.file_name().is_some_and(|name| name == OWN_LEAF) {
        own.parent().map_or_else(|| own.clone(), Path::to_owned)
    } else if is_delegated(&own) {
        own
    } else {
        mount.at.clone()
    }
}

/// systemd marks the groups that it has given away.
fn is_delegated(folder: &Path) -> bool {
    ["trusted.delegate", "user.delegate"].iter().any(|name| {
        let mut value = [0; 8];
        rustix::fs::getxattr(folder, *name, &mut value).is_ok_and(|n| value[..n] == *b"1")
    })
}

/// In version 1, where all runs together would otherwise weigh as little as any one process of the machine: gives the
/// folder and the one above it the weight of a process for each core.
fn weigh(parent: &Path) {
    const OF_A_PROCESS: usize = 1024;
    let weight = OF_A_PROCESS * std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    for folder in [Some(parent), parent.parent()].into_iter().flatten() {
        // Only the hierarchy that shares out time has such a file, and without it runs still share evenly.
        let _ = super::write_if_there(&folder.join("cpu.shares"), &weight.to_string());
    }
}

/// Lets the groups below `folder` count and bound memory and processes, and share out processor time.
fn enable(folder: &Path) -> Result<(), String> {
    const WANTED: [&str; 3] = ["cpu", "memory", "pids"];
    let read = |file: &str| {
        fs::read_to_string(folder.join(file))
            .map_err(|error| format!("cannot read {}: {error}", folder.join(file).display()))
    };
    let has = |list: &str, name: &str| list.split_whitespace().any(|word| word == name);
    let (available, enabled) = (read("cgroup.controllers")?, read("cgroup.subtree_control")?);
    if let Some(missing) = WANTED.iter().find(|name| !has(&available, name)) {
        return Err(format!(
            "the control group {} has no {missing} controller: under systemd the unit wants `Delegate=yes`",
            folder.display()
        ));
    }
    if WANTED.iter().all(|name| has(&enabled, name)) {
        return Ok(());
    }
    let control = folder.join("cgroup.subtree_control");
    let wanted = WANTED.map(|name| format!("+{name}")).join(" ");
    let busy = |error: &io::Error| error.raw_os_error() == Some(libc::EBUSY);
    match fs::write(&control, &wanted) {
        Err(error) if busy(&error) => step_aside(folder).and_then(|()| fs::write(&control, &wanted)),
        other => other,
    }
    .map_err(|error| cannot_make(&control, &error))
}

/// Moves the processes of a group that is ours, this one among them, into a leaf of it.
fn step_aside(folder: &Path) -> io::Result<()> {
    let leaf = folder.join(OWN_LEAF);
    fs::create_dir_all(&leaf)?;
    for pid in fs::read_to_string(folder.join("cgroup.procs"))?.lines() {
        match fs::write(leaf.join("cgroup.procs"), pid) {
            // It ended meanwhile.
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => (),
            other => other?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_of_control_groups_is_recognised() {
        let line = "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct";
        let mounted = parse(line).expect("a mount");
        assert_eq!(
            (mounted.root.as_str(), mounted.at.as_path(), mounted.version),
            ("/", Path::new("/sys/fs/cgroup/cpu,cpuacct"), Version::V1)
        );
        assert!(mounted.controllers.iter().any(|name| name == "cpuacct"));
        assert!(parse("22 27 0:21 / /proc rw,relatime - proc proc rw").is_none());
        let unified =
            parse("41 31 0:38 / /sys/fs/cgroup rw,relatime - cgroup2 cgroup2 rw,nsdelegate").expect("a mount");
        assert_eq!(unified.version, Version::V2);
    }

    /// A folder with the files that the kernel puts into a group of version 2 whose controllers are these.
    fn group(folder: &Path, controllers: &str) {
        fs::create_dir_all(folder).expect("made");
        for (file, text) in [("cgroup.controllers", controllers), ("cgroup.subtree_control", ""), ("cgroup.procs", "")]
        {
            fs::write(folder.join(file), format!("{text}\n")).expect("written");
        }
    }

    #[test]
    fn what_a_run_needs_is_handed_on_to_the_groups_below() {
        let tree = tempfile::tempdir().expect("a folder");
        group(tree.path(), "cpuset cpu io memory hugetlb pids rdma misc");
        enable(tree.path()).expect("it has them all");
        let control = tree.path().join("cgroup.subtree_control");
        assert_eq!(fs::read_to_string(&control).expect("there"), "+cpu +memory +pids");
        // The kernel shows them without the signs; what is there already is not written again, which may not be ours to.
        fs::write(&control, "cpuset cpu io memory pids\n").expect("written");
        enable(tree.path()).expect("it has them all");
        assert_eq!(fs::read_to_string(&control).expect("there"), "cpuset cpu io memory pids\n");
    }

    #[test]
    fn a_unit_without_delegate_is_told_which_line_it_wants() {
        let tree = tempfile::tempdir().expect("a folder");
        for (controllers, missing) in
            [("", "cpu"), ("memory pids", "cpu"), ("cpu memory", "pids"), ("cpuset cpu pids", "memory")]
        {
            group(tree.path(), controllers);
            let said = enable(tree.path()).expect_err("one is missing");
            let wanted = format!("has no {missing} controller: under systemd the unit wants `Delegate=yes`");
            assert!(said.contains(&wanted) && said.contains(&tree.path().display().to_string()), "{said}");
        }
        let nowhere = enable(&tree.path().join("none")).expect_err("no group");
        assert!(nowhere.contains("cgroup.controllers"), "{nowhere}");
        let said = cannot_make(Path::new("/sys/fs/cgroup/x"), &io::ErrorKind::PermissionDenied.into());
        assert!(said.contains("`Delegate=yes`") && said.contains("/sys/fs/cgroup must be writable"), "{said}");
    }

    #[test]
    fn groups_lie_where_systemd_lets_us_and_else_at_the_top() {
        let tree = tempfile::tempdir().expect("a folder");
        let mount = |root: &str| Mounted {
            root: root.to_owned(),
            at: tree.path().to_owned(),
            version: Version::V2,
            controllers: Vec::new(),
        };
        let unit = tree.path().join("system.slice/podium.service");
        group(&unit, "cpu memory pids");
        let own = "0::/system.slice/podium.service\n";
        assert_eq!(anchor(&mount("/"), own), tree.path(), "it was not given away");
        rustix::fs::setxattr(&unit, "trusted.delegate", b"1", rustix::fs::XattrFlags::empty())
            .expect("root may, on the file system of the tests");
        assert_eq!(anchor(&mount("/"), own), unit);
        // After it has stepped aside, it still is the unit's.
        assert_eq!(anchor(&mount("/"), &format!("{}/{OWN_LEAF}\n", own.trim())), unit);
        // Of a container that sees a part of the tree, paths begin there.
        let inside = "0::/docker/abc/system.slice/podium.service\n";
        assert_eq!(anchor(&mount("/docker/abc"), inside), unit);
        assert_eq!(anchor(&mount("/"), "11:memory:/x\n"), tree.path(), "version 1 alone names nothing");
    }

    #[test]
    fn a_group_makes_room_for_others_by_moving_into_a_leaf() {
        let tree = tempfile::tempdir().expect("a folder");
        group(tree.path(), "cpu memory pids");
        group(&tree.path().join(OWN_LEAF), "");
        fs::write(tree.path().join("cgroup.procs"), "4711\n").expect("written");
        step_aside(tree.path()).expect("done");
        let moved = fs::read_to_string(tree.path().join(OWN_LEAF).join("cgroup.procs")).expect("there");
        assert_eq!(moved, "4711");
    }
}
