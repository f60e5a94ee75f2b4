//! ARC: images that mean harm, as `sandbox.image` of a competition names them.
//!
//! Each is either refused, and then the queue is held and says why, or nothing of it is outside its folder. An honest one
//! works again after it.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tar::EntryType;

use super::Case;
use crate::ring::{Entrance, Ring};
use crate::support::registry::forms;
use crate::support::{answer, raw_control, wait_until};
use crate::tarball::{Tarball, bomb, packed};

pub(super) const CASES: &[Case] = &[
    Case::image("ARC-01", "an image with names that lead out, or are none", names),
    Case::image("ARC-02", "an image with links that lead out", links),
    Case::image("ARC-03", "an image that unpacks to more than there is room for", bombs),
    Case::image("ARC-05", "an image with very many entries, very deep, with very long names", shapes),
    Case::image("ARC-06", "an image that is cut short, or that two readers read differently", ambiguities),
    Case::image("ARC-07", "an image with setuid programs, devices, and folders that nobody may open", modes),
];

/// What is in the name of everything that is not to be found outside.
const MARK: &str = "arc-escape";

// ---------------------------------------------------------------------------------------------- the ground

/// An honest image.
fn good() -> PathBuf {
    forms().join("root.tar.zst")
}

/// What can be added to, and still judges.
fn honest() -> Tarball {
    Tarball::behind(&fs::read(forms().join("root.tar")).expect("the root folder of the tests' image"))
}

/// A competition on the honest image; what is done to it, and the honest image again.
fn on_an_image(entrance: &mut Entrance<'_>, fight: impl FnOnce(&mut Ring)) {
    entrance.alone(
        |competition| competition.set("sandbox.image", good().display().to_string()),
        |ring| {
            settle(ring);
            fight(ring);
            again(ring);
        },
    );
}

/// What a first change of images takes of the daemon it has taken: it is compared with itself from here on.
fn settle(ring: &mut Ring) {
    for image in [forms().join("root.tar"), good()] {
        take(ring, &image);
        let fought = ring.fight("zoe", "py", answer("4"));
        ring.same("the verdict on an honest image", &fought.status["verdict"], "accepted");
    }
    ring.begin();
}

/// The honest image is in force again, and nothing is where it does not belong.
fn again(ring: &mut Ring) {
    take(ring, &good());
    let fought = ring.fight("mira", "py", answer("4"));
    ring.same("the verdict on an honest image", &fought.status["verdict"], "accepted");
    let store = ring.contest.path("results/cache/images");
    let mut left = BTreeSet::new();
    let tidy = wait_until(
        Duration::from_secs(20),
        || {
            let entries = fs::read_dir(&store).expect("the store").flatten();
            left = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
            left.retain(|name| !["lock", "names"].contains(&name.as_str()) && name.len() != 64);
            left.is_empty()
        },
        || (),
    );
    ring.holds(tidy, || format!("left in the store: {left:?}"));
    let found = escaped(ring);
    ring.holds(found.is_empty(), || format!("outside of the image: {found:?}"));
}

/// Puts an image in force.
fn take(ring: &Ring, image: &Path) {
    let said = || ring.contest.daemon().said().matches("in force").count();
    let before = said();
    ring.contest.set("sandbox.image", image.display().to_string());
    ring.contest.wait_within(Duration::from_secs(20), "the settings are in force", || said() > before);
}

/// Writes an image beside the home.
fn write(ring: &Ring, name: &str, bytes: &[u8]) -> PathBuf {
    let path = ring.contest.outside(name);
    fs::write(&path, bytes).expect("an image");
    path
}

/// Each is refused for its reason, which staff are told, and holds the queue; what waits meanwhile is judged on an honest one.
fn refused(ring: &mut Ring, images: Vec<(&str, Vec<u8>, &str)>) {
    let mut waiting = None;
    for (what, bytes, why) in images {
        let image = write(ring, &format!("{what}.tar"), &bytes);
        take(ring, &image);
        let id = waiting.get_or_insert_with(|| ring.submit("mira", "py", answer("4"))).clone();
        let mut said = String::new();
        let held = wait_until(
            Duration::from_secs(60),
            || {
                said = ring.contest.podium(&["status"]).stdout;
                said.contains("judging is held") && said.contains(&format!("{what}.tar")) && said.contains(why)
            },
            || (),
        );
        ring.holds(held, || format!("{what}: not held for {why:?}: {said}"));
        ring.holds(raw_control(said.as_bytes()).is_none(), || format!("{what}: status is not escaped: {said:?}"));
        ring.holds(ring.contest.events("judged").iter().all(|line| line["id"] != id.as_str()), || {
            format!("{what}: it was judged")
        });
        fs::remove_file(image).expect("removed");
    }
    if let Some(id) = waiting {
        take(ring, &good());
        let fought = ring.fought(&id);
        ring.same("the verdict on what waited", &fought.status["verdict"], "accepted");
    }
}

/// It judges, and the root folder that became of it is looked at.
fn harmless(ring: &mut Ring, what: &str, bytes: &[u8], look: impl FnOnce(&mut Ring, &Path)) {
    let store = ring.contest.path("results/cache/images");
    let folders = || -> BTreeSet<PathBuf> {
        fs::read_dir(&store).expect("the store").flatten().map(|entry| entry.path()).collect()
    };
    let before = folders();
    let image = write(ring, &format!("{what}.tar"), bytes);
    take(ring, &image);
    ring.images += 1;
    let fought = ring.fight("mira", "py", answer("4"));
    ring.same(&format!("{what}: the verdict"), &fought.status["verdict"], "accepted");
    let new: Vec<PathBuf> = folders().difference(&before).filter(|path| path.join("root").is_dir()).cloned().collect();
    match new.as_slice() {
        [folder] => look(ring, &folder.join("root")),
        other => ring.broken(format!("{what}: unpacked as {other:?}")),
    }
    fs::remove_file(image).expect("removed");
}

/// What bears the mark outside of every unpacked image.
fn escaped(ring: &Ring) -> Vec<PathBuf> {
    let home = ring.contest.root();
    let store = ring.contest.path("results/cache/images");
    let is_of_an_image =
        |path: &Path| path.strip_prefix(&store).is_ok_and(|path| path.iter().nth(1).is_some_and(|name| name == "root"));
    let above = home.ancestors().skip(1);
    let around = above.chain(["/etc", "/usr", "/usr/bin", "/var", "/root", "/dev", "/run"].map(Path::new));
    let beside =
        around.flat_map(|folder| fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()));
    let inside = walkdir::WalkDir::new(home).into_iter().flatten().map(walkdir::DirEntry::into_path);
    let has_mark = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().contains(MARK));
    inside.filter(|path| !is_of_an_image(path)).chain(beside).filter(has_mark).collect()
}

// ---------------------------------------------------------------------------------------------- the cases

fn names(entrance: &mut Entrance<'_>) {
    on_an_image(entrance, |ring| {
        let tar = Tarball::default;
        let of_nul = tar().note("path", &format!("{MARK}\0.py")).file("x", "x").end();
        refused(
            ring,
            vec![
                ("parent", tar().file(format!("../{MARK}"), "x").end(), "leads out of the image"),
                ("far", tar().file(format!("{}{MARK}", "../".repeat(20)), "x").end(), "leads out of the image"),
                ("within", tar().file(format!("a/../../{MARK}"), "x").end(), "leads out of the image"),
                ("nul", of_nul, "holds a NUL byte"),
                ("empty", tar().file("", "x").end(), "has no name"),
                ("long", tar().file("a".repeat(4096), "x").end(), "name too long"),
                ("path", tar().file("a/".repeat(2048) + MARK, "x").end(), "lies deeper than"),
            ],
        );
        let strange = honest()
            .file(format!("/{MARK}-absolute"), "a")
            .file(format!("//etc/.//{MARK}-dots"), "b")
            .file(format!("C:\\{MARK}"), "c")
            .file(format!("..\\..\\{MARK}"), "d")
            .file(format!("{MARK}\u{1b}[31m\n\r\t\u{202e}"), "e")
            .file([MARK.as_bytes(), b"\xff\xfe"].concat(), "f");
        harmless(ring, "strange", &strange.end(), |ring, root| {
            let not_text = OsString::from_vec([MARK.as_bytes(), b"\xff\xfe"].concat());
            let wanted = [
                (root.join(format!("{MARK}-absolute")), "a"),
                (root.join(format!("etc/{MARK}-dots")), "b"),
                (root.join(format!("C:\\{MARK}")), "c"),
                (root.join(format!("..\\..\\{MARK}")), "d"),
                (root.join(format!("{MARK}\u{1b}[31m\n\r\t\u{202e}")), "e"),
                (root.join(not_text), "f"),
            ];
            for (path, text) in wanted {
                let found = fs::read_to_string(&path).unwrap_or_default();
                ring.same(&format!("{path:?}"), found.as_str(), text);
            }
        });
    });
}

fn links(entrance: &mut Entrance<'_>) {
    on_an_image(entrance, |ring| {
        let tar = Tarball::default;
        let (up, secret) = ("../".repeat(12), ring.contest.path("results/log.jsonl").display().to_string());
        refused(
            ring,
            vec![
                ("hard", tar().hard_link("x", "../../../../etc/passwd").end(), "leads out of the image"),
                ("hard-absolute", tar().hard_link("x", &secret).end(), "which is not there"),
                (
                    "hard-by-a-link",
                    tar().symlink("l", "/").hard_link("x", &format!("l{secret}")).end(),
                    "which is not there",
                ),
                ("loop", tar().symlink("l", "l").file(format!("l/{MARK}"), "x").end(), "symbolic links"),
                ("nowhere", tar().symlink("l", "/nowhere").file(format!("l/{MARK}"), "x").end(), "exists"),
                (
                    "by-processes",
                    tar().symlink("l", &format!("{up}proc/self/root")).file(format!("l/etc/{MARK}"), "x").end(),
                    "exists",
                ),
            ],
        );
        let home = ring.contest.root().display().to_string();
        let leading = honest()
            .symlink("arc-up", &up)
            .file(format!("arc-up/etc/{MARK}-up"), "in the image")
            .symlink("arc-root", "/")
            .file(format!("arc-root/{MARK}-root"), "in the image")
            .folder("arc-folder", 0o755)
            .symlink("arc-folder/one", &format!("{up}etc"))
            .symlink("arc-two", "arc-folder/one")
            .file(format!("arc-two/{MARK}-chain"), "in the image")
            // A file that is written where a link lies takes the link's place.
            .symlink("arc-replaced", &format!("{home}/notes.txt"))
            .file("arc-replaced", "in the image")
            .symlink("arc-output.json", "/etc/passwd")
            .hard_link("arc-passwd", "/etc/passwd");
        let notes = fs::read_to_string(ring.contest.path("notes.txt")).expect("there");
        harmless(ring, "leading", &leading.end(), |ring, root| {
            for name in
                [format!("etc/{MARK}-up"), format!("{MARK}-root"), format!("etc/{MARK}-chain"), "arc-replaced".into()]
            {
                let found = fs::read_to_string(root.join(&name)).unwrap_or_default();
                ring.same(&name, found.as_str(), "in the image");
            }
            for name in ["arc-up", "arc-output.json"] {
                let is_link = fs::symlink_metadata(root.join(name)).is_ok_and(|meta| meta.is_symlink());
                ring.holds(is_link, || format!("{name} is no link any more"));
            }
            let inode = |path: &Path| fs::symlink_metadata(path).map_or(0, |meta| meta.ino());
            let linked = inode(&root.join("arc-passwd"));
            ring.same("the inode that is linked to", linked, inode(&root.join("etc/passwd")));
            ring.holds(linked != inode(Path::new("/etc/passwd")), || "it is the machine's own passwd".into());
            let after = fs::read_to_string(ring.contest.path("notes.txt")).expect("there");
            ring.same("notes.txt", after, notes);
        });
    });
}

/// A small file system where images are unpacked. It goes with this value.
struct Disk(PathBuf);

impl Disk {
    fn mount(at: PathBuf, bytes: u64, inodes: u64) -> Self {
        use rustix::mount::{MountFlags, mount};
        fs::create_dir_all(&at).expect("made");
        let options = std::ffi::CString::new(format!("size={bytes},nr_inodes={inodes},mode=0755")).expect("options");
        mount(c"tmpfs", &at, c"tmpfs", MountFlags::empty(), options.as_c_str()).expect("mounted");
        Self(at)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // The daemon is gone by now, or has lost its home with the test.
        let _ = rustix::mount::unmount(&self.0, rustix::mount::UnmountFlags::DETACH);
    }
}

/// What an image may never take, in bytes, and what there is beside.
const FLOOR: u64 = 512 << 20;
const BESIDE: u64 = 256 << 20;

fn bombs(entrance: &mut Entrance<'_>) {
    let ring =
        Ring::prepare(entrance.engine, |competition| competition.set("sandbox.image", good().display().to_string()));
    let store = ring.contest.path("results/cache/images");
    let disk = Disk::mount(store.clone(), FLOOR + BESIDE, 80_000);
    let free = || {
        let stat = rustix::fs::statvfs(&store).expect("the store's file system");
        stat.f_bavail * stat.f_frsize
    };
    let mut ring = ring;
    ring.contest.start();
    ring.warm_up();
    entrance.fight_in_and_tidy(
        ring,
        |ring| {
            settle(ring);
            let many = (0..70_000).fold(Tarball::default(), |tar, number| tar.file(format!("many/{number}"), ""));
            for (what, bytes, why) in [
                // A few hundred kilobytes each: one file, and many that would each fit.
                ("one-file", bomb(1, 400), "no room on the disk for it"),
                ("many-files", bomb(16, 32), "no room on the disk for it"),
                (
                    "within",
                    packed(&Tarball::default().entry(EntryType::Regular, "x.gz", "", 0o644, &bomb(1, 400)).end()),
                    "",
                ),
                ("inodes", packed(&many.end()), "no room on the disk for its files"),
            ] {
                let least = std::sync::Mutex::new(u64::MAX);
                let over = std::sync::atomic::AtomicBool::new(false);
                std::thread::scope(|scope| {
                    scope.spawn(|| {
                        while !over.load(std::sync::atomic::Ordering::SeqCst) {
                            let mut least = least.lock().expect("nobody panicked");
                            *least = free().min(*least);
                            drop(least);
                            wait_until(Duration::from_millis(5), || false, || ());
                        }
                    });
                    if why.is_empty() {
                        // An archive within is a file like any other, and is not opened. Nothing runs on such an image.
                        let image = write(ring, &format!("{what}.tar"), &bytes);
                        take(ring, &image);
                        ring.images += 1;
                        ring.contest.wait_within(Duration::from_secs(60), "it is unpacked", || {
                            let entries = fs::read_dir(&store).expect("the store").flatten();
                            entries.filter(|entry| entry.path().join("root/x.gz").is_file()).count() == 1
                        });
                        fs::remove_file(image).expect("removed");
                    } else {
                        refused(ring, vec![(what, bytes, why)]);
                    }
                    over.store(true, std::sync::atomic::Ordering::SeqCst);
                });
                let least = least.into_inner().expect("nobody panicked");
                ring.holds(least >= FLOOR - (4 << 20), || format!("{what}: only {least} bytes were left"));
            }
            again(ring);
        },
        || drop(disk),
    );
}

fn shapes(entrance: &mut Entrance<'_>) {
    on_an_image(entrance, |ring| {
        let tar = Tarball::default;
        let mut header = tar().entry(EntryType::GNULongName, "././@LongLink", "", 0, b"").cut();
        // It says that a gigabyte of name follows.
        header[124..136].copy_from_slice(b"10000000000\0");
        let sum: u32 = header[..512]
            .iter()
            .enumerate()
            .map(|(at, byte)| if (148..156).contains(&at) { 32 } else { u32::from(*byte) })
            .sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        let before = ring.contest.daemon().resident_bytes();
        refused(
            ring,
            vec![
                ("deep", tar().folder("d/".repeat(3000), 0o755).end(), "lies deeper than"),
                ("component", tar().file("a".repeat(300), "x").end(), "name too long"),
                ("gigabyte", header, "bytes long"),
            ],
        );
        let deepest = "d/".repeat(99) + "file";
        let many = (0..10_000).fold(honest(), |tar, number| tar.folder(format!("arc-folders/{number}"), 0o755));
        let many = (0..70_000).fold(many, |tar, number| tar.file(format!("arc-files/{number}"), ""));
        let many = many.file(&deepest, "deep").file("n".repeat(255), "long");
        harmless(ring, "many", &many.end(), |ring, root| {
            let count = |name: &str| fs::read_dir(root.join(name)).map_or(0, Iterator::count);
            ring.same("folders", count("arc-folders"), 10_000);
            ring.same("files", count("arc-files"), 70_000);
            ring.holds(root.join(&deepest).is_file(), || "the deepest file is not there".into());
        });
        let after = ring.contest.daemon().resident_bytes();
        ring.holds(after < before + (200 << 20), || format!("the daemon's memory went from {before} to {after}"));
    });
}

fn ambiguities(entrance: &mut Entrance<'_>) {
    on_an_image(entrance, |ring| {
        let tar = Tarball::default;
        let small = || tar().file("one", &"1".repeat(700)).file("two", &"2".repeat(700));
        let mut wrong_sum = small().end();
        wrong_sum[0] = b'O';
        let whole = packed(&small().end());
        let mut images = vec![
            ("size", tar().note("size", "3").file("one", "1234567890").end(), "longer than a header can say"),
            ("sum", wrong_sum, ""),
            ("below-a-file", tar().file("a", "x").file("a/b", "y").end(), "Not a directory"),
            ("sparse", tar().note("GNU.sparse.major", "1").file("a", "x").end(), "sparse"),
            ("trailing", [whole.as_slice(), b"and something else"].concat(), ""),
        ];
        // Within a header, within what a file holds, before the last block of it is full; and everywhere in what is compressed.
        let bytes = small().cut();
        let cuts = [("in-a-header", 100), ("in-a-file", 600), ("in-the-second", 1600), ("in-its-file", 2300)];
        images.extend(cuts.map(|(what, at)| (what, bytes[..at].to_vec(), "")));
        images.extend(
            [("packed-early", 30), ("packed-late", whole.len() - 5)].map(|(what, at)| (what, whole[..at].to_vec(), "")),
        );
        refused(ring, images);
        let twice = honest()
            .file("arc-twice", "first")
            .file("arc-twice", "last")
            .file("arc-case", "lower")
            .file("ARC-CASE", "upper")
            .folder("arc-kind", 0o755)
            .file("arc-kind", "a file now");
        // Behind its end mark it is over, for every reader.
        let twice = [twice.end(), tar().file("arc-behind-the-end", "x").end()].concat();
        harmless(ring, "twice", &twice, |ring, root| {
            let wanted =
                [("arc-twice", "last"), ("arc-case", "lower"), ("ARC-CASE", "upper"), ("arc-kind", "a file now")];
            for (name, text) in wanted {
                let found = fs::read_to_string(root.join(name)).unwrap_or_default();
                ring.same(name, found.as_str(), text);
            }
            ring.holds(!root.join("arc-behind-the-end").exists(), || "it was read beyond its end".into());
        });
    });
}

fn modes(entrance: &mut Entrance<'_>) {
    on_an_image(entrance, |ring| {
        // What is refused half way leaves its folders, which have to go all the same.
        let shut = || Tarball::default().folder("shut", 0).folder("shut/in", 0).file("shut/in/file", "x");
        refused(ring, vec![("shut", shut().file("../x", "x").end(), "leads out of the image")]);
        let harmful = honest()
            .entry(EntryType::Regular, "arc-setuid", "", 0o4755, b"x")
            .entry(EntryType::Regular, "arc-setgid", "", 0o2755, b"x")
            .folder("arc-sticky", 0o7777)
            .entry(EntryType::Regular, "arc-everybody", "", 0o666, b"x")
            .entry(EntryType::Fifo, "arc-pipe", "", 0o666, b"")
            .entry(EntryType::Char, "arc-memory", "", 0o666, b"")
            .entry(EntryType::Block, "arc-disk", "", 0o666, b"")
            .entry(EntryType::Regular, "arc-nobody", "", 0, b"x")
            .folder("arc-shut", 0)
            .file("arc-shut/file", "x");
        harmless(ring, "harmful", &harmful.end(), |ring, root| {
            let mode =
                |name: &str| fs::symlink_metadata(root.join(name)).map_or(0, |meta| meta.permissions().mode() & 0o7777);
            for (name, wanted) in [
                ("arc-setuid", 0o755),
                ("arc-setgid", 0o755),
                ("arc-sticky", 0o777),
                ("arc-everybody", 0o666),
                ("arc-nobody", 0),
                ("arc-shut", 0o700),
            ] {
                ring.holds(mode(name) == wanted, || format!("{name} has the mode {:o}, not {wanted:o}", mode(name)));
            }
            let special: Vec<_> = walkdir::WalkDir::new(root)
                .into_iter()
                .flatten()
                .filter(|entry| {
                    let kind = entry.file_type();
                    let odd = kind.is_block_device() || kind.is_char_device() || kind.is_fifo() || kind.is_socket();
                    let meta = entry.metadata().expect("there");
                    let is_ours = meta.uid() == 0 && meta.gid() == 0;
                    odd || !is_ours || (!kind.is_symlink() && meta.permissions().mode() & 0o7000 != 0)
                })
                .map(walkdir::DirEntry::into_path)
                .collect();
            ring.holds(special.is_empty(), || format!("made of it: {special:?}"));
        });
    });
}
