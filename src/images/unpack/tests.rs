//! Tars that mean harm. Every attack is made first, and then looked for outside.

use std::os::unix::fs::{MetadataExt, PermissionsExt};

use proptest::prelude::*;
use tar::Builder;

use super::*;

/// A folder with a root in it, and beside it what nobody may touch.
struct Rig {
    folder: tempfile::TempDir,
}

impl Rig {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join("root")).expect("made");
        fs::create_dir(folder.path().join("outside")).expect("made");
        fs::write(folder.path().join("outside/secret"), "untouched").expect("written");
        Self { folder }
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    fn unpack(&self, layers: &[Vec<u8>]) -> io::Result<()> {
        self.unpack_within(layers, Caps { free: 0, ..CAPS })
    }

    fn unpack_within(&self, layers: &[Vec<u8>], caps: Caps) -> io::Result<()> {
        let mut root = Root::new(&self.root(), caps)?;
        layers.iter().try_for_each(|layer| root.unpack(layer.as_slice()))
    }

    fn read(&self, path: &str) -> Option<String> {
        fs::read_to_string(self.root().join(path)).ok()
    }

    /// Every name below the root, links not followed.
    fn names(&self) -> Vec<String> {
        let walk = walkdir::WalkDir::new(self.root()).min_depth(1).sort_by_file_name().into_iter();
        walk.map(|entry| {
            entry.expect("an entry").path().strip_prefix(self.root()).expect("below").display().to_string()
        })
        .collect()
    }

    #[track_caller]
    fn nothing_happened_outside(&self) {
        let outside = self.folder.path().join("outside");
        assert_eq!(fs::read_to_string(outside.join("secret")).expect("there"), "untouched");
        assert_eq!(fs::metadata(outside.join("secret")).expect("there").nlink(), 1);
        assert_eq!(fs::read_dir(&outside).expect("list").count(), 1);
        assert_eq!(fs::read_dir(self.folder.path()).expect("list").count(), 2);
    }
}

/// A tar that is written with whatever names it is given.
#[derive(Default)]
struct Tar(Vec<u8>);

impl Tar {
    fn add(mut self, kind: EntryType, name: &str, link: &str, mode: u32, bytes: &[u8]) -> Self {
        let mut header = Header::new_gnu();
        let field = &mut header.as_old_mut().name;
        field[..name.len()].copy_from_slice(name.as_bytes());
        header.as_old_mut().linkname[..link.len()].copy_from_slice(link.as_bytes());
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_mtime(1_000_000_000);
        header.set_size(bytes.len() as u64);
        header.set_cksum();
        self.0.extend(header.as_bytes());
        self.0.extend(bytes);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    fn file(self, name: &str, text: &str) -> Self {
        self.add(EntryType::Regular, name, "", 0o644, text.as_bytes())
    }

    fn folder(self, name: &str) -> Self {
        self.add(EntryType::Directory, name, "", 0o755, b"")
    }

    fn symlink(self, name: &str, to: &str) -> Self {
        self.add(EntryType::Symlink, name, to, 0o777, b"")
    }

    fn hard_link(self, name: &str, to: &str) -> Self {
        self.add(EntryType::Link, name, to, 0o644, b"")
    }

    fn end(mut self) -> Vec<u8> {
        self.0.extend([0; 1024]);
        self.0
    }
}

fn tar() -> Tar {
    Tar::default()
}

#[test]
fn an_honest_image_is_unpacked_as_it_is() {
    let rig = Rig::new();
    let long = format!("{}/{}", "d".repeat(120), "f".repeat(120));
    let mut builder = Builder::new(Vec::new());
    let mut header = Header::new_gnu();
    header.set_size(4);
    header.set_mode(0o640);
    header.set_mtime(7);
    builder.append_data(&mut header, &long, &b"long"[..]).expect("added");
    let layer = builder.into_inner().expect("ended");
    let first = tar()
        .folder("./")
        .folder("usr/")
        .folder("usr/bin/")
        .add(EntryType::Regular, "usr/bin/tool", "", 0o755, b"tool")
        .symlink("bin", "usr/bin")
        .hard_link("usr/bin/same", "usr/bin/tool")
        .end();
    // Through the image's own link, as packages do on a merged /usr.
    let second = tar().file("/bin/other", "other").end();
    rig.unpack(&[first, second, layer]).expect("unpacked");
    assert_eq!(rig.read("usr/bin/other").as_deref(), Some("other"));
    assert_eq!(fs::read_link(rig.root().join("bin")).expect("a link"), Path::new("usr/bin"));
    let meta = |path: &str| fs::symlink_metadata(rig.root().join(path)).expect("there");
    assert_eq!(meta("usr/bin/tool").permissions().mode() & 0o7777, 0o755);
    assert_eq!(meta("usr/bin/tool").mtime(), 1_000_000_000);
    assert_eq!((meta("usr/bin/same").nlink(), meta("usr/bin/same").ino()), (2, meta("usr/bin/tool").ino()));
    assert_eq!(rig.read(&long).as_deref(), Some("long"));
    assert_eq!((meta(&long).permissions().mode() & 0o7777, meta(&long).mtime()), (0o640, 7));
}

#[test]
fn nothing_is_written_outside() {
    let absolute = |rig: &Rig| rig.folder.path().join("outside").display().to_string();
    type Attack = fn(&str) -> Vec<u8>;
    let attacks: [(&str, Attack); 14] = [
        ("dots", |_| tar().file("../outside/secret", "x").end()),
        ("dots behind", |_| tar().folder("a").file("a/../../outside/new", "x").end()),
        ("an absolute name", |out| tar().file(&format!("{out}/new"), "x").end()),
        ("through a link", |out| tar().symlink("a", out).file("a/secret", "x").end()),
        ("through a relative link", |_| tar().symlink("a", "../outside").file("a/secret", "x").end()),
        ("through two links", |_| tar().symlink("a", "..").symlink("b", "a/outside").file("b/secret", "x").end()),
        ("over a link", |out| tar().symlink("a", &format!("{out}/secret")).file("a", "x").end()),
        ("a folder over a link", |out| tar().symlink("a", out).folder("a").file("a/secret", "x").end()),
        ("a hard link, absolute", |out| tar().hard_link("a", &format!("{out}/secret")).file("a", "x").end()),
        ("a hard link, dots", |_| tar().hard_link("a", "../outside/secret").end()),
        ("a hard link through a link", |out| tar().symlink("d", out).hard_link("a", "d/secret").end()),
        ("a whiteout of dots", |_| tar().file(".wh...", "").end()),
        ("a whiteout through a link", |out| tar().symlink("a", out).file("a/.wh.secret", "").end()),
        ("an opaque link", |out| tar().symlink("a", out).file("a/.wh..wh..opq", "").end()),
    ];
    for (what, attack) in attacks {
        // In one layer, and over an honest one.
        for below in [vec![], vec![tar().folder("usr").file("usr/x", "x").end()]] {
            let rig = Rig::new();
            let layer = attack(&absolute(&rig));
            let outcome = rig.unpack(&[below, vec![layer]].concat());
            rig.nothing_happened_outside();
            // What was not refused is inside.
            if what.contains("dots") {
                assert!(outcome.is_err(), "{what}");
            }
        }
    }
    let rig = Rig::new();
    rig.unpack(&[tar().symlink("a", "/x").folder("x").file("a/new", "in").end()]).expect("the image's own root");
    assert_eq!(rig.read("x/new").as_deref(), Some("in"));
}

#[test]
fn a_file_over_a_link_or_a_hard_link_does_not_write_through_it() {
    let rig = Rig::new();
    rig.unpack(&[tar().file("a", "a").hard_link("b", "a").symlink("c", "a").file("b", "new").file("c", "newer").end()])
        .expect("unpacked");
    assert_eq!(
        (rig.read("a").as_deref(), rig.read("b").as_deref(), rig.read("c").as_deref()),
        (Some("a"), Some("new"), Some("newer"))
    );
}

#[test]
fn what_could_do_harm_is_not_made() {
    let rig = Rig::new();
    let mut layer = tar();
    for (number, kind) in
        [EntryType::Char, EntryType::Block, EntryType::Fifo, EntryType::new(b'Z')].into_iter().enumerate()
    {
        layer = layer.add(kind, &format!("device-{number}"), "", 0o666, b"");
    }
    let layer = layer
        .add(EntryType::Regular, "setuid", "", 0o6755, b"x")
        .add(EntryType::Directory, "sticky", "", 0o3777, b"")
        .add(EntryType::Regular, "closed", "", 0o600, b"x");
    rig.unpack(&[layer.end()]).expect("unpacked");
    assert_eq!(rig.names(), ["closed", "setuid", "sticky"]);
    let mode = |path: &str| fs::metadata(rig.root().join(path)).expect("there").mode() & 0o7777;
    assert_eq!((mode("setuid"), mode("sticky"), mode("closed")), (0o755, 0o777, 0o600));
    let ours = rustix::process::geteuid().as_raw();
    assert!(rig.names().iter().all(|name| fs::metadata(rig.root().join(name)).expect("there").uid() == ours));
}

#[test]
fn whiteouts_remove_what_is_below_and_not_what_is_beside() {
    let below = tar()
        .folder("a")
        .file("a/one", "1")
        .file("a/two", "2")
        .folder("a/deep")
        .file("a/deep/x", "x")
        .folder("b")
        .file("b/one", "1")
        .end();
    let rig = Rig::new();
    let above = tar().file("a/.wh.one", "").file("b/new", "n").file("b/.wh..wh..opq", "").file(".wh.nothing", "").end();
    rig.unpack(&[below.clone(), above]).expect("unpacked");
    assert_eq!(rig.names(), ["a", "a/deep", "a/deep/x", "a/two", "b", "b/new"]);

    let rig = Rig::new();
    let above =
        tar().folder("a").file("a/deep/y", "y").file("a/.wh.deep", "").file("a/one", "new").file("a/.wh.one", "").end();
    rig.unpack(&[below.clone(), above]).expect("unpacked");
    assert_eq!(rig.names(), ["a", "a/deep", "a/deep/y", "a/one", "a/two", "b", "b/one"]);
    assert_eq!(rig.read("a/one").as_deref(), Some("new"));

    let rig = Rig::new();
    rig.unpack(&[below, tar().file(".wh.a", "").file(".wh..wh.plnk", "").end()]).expect("unpacked");
    assert_eq!(rig.names(), ["b", "b/one"]);
}

#[test]
fn a_file_can_become_a_folder_and_back() {
    let rig = Rig::new();
    let layers = [
        tar().file("a", "x").folder("b").file("b/c", "x").end(),
        tar().folder("a").file("a/in", "y").file("b", "z").end(),
    ];
    rig.unpack(&layers).expect("unpacked");
    assert_eq!(rig.names(), ["a", "a/in", "b"]);
}

#[test]
fn too_much_is_refused() {
    let caps = Caps { bytes: 10, entries: 5, depth: 3, free: 0 };
    let refused = |tar: Tar| Rig::new().unpack_within(&[tar.end()], caps).expect_err("too much").to_string();
    assert!(refused(tar().file("a", "123456").file("b", "123456")).contains("MiB"));
    assert!(refused((0..6).fold(tar(), |tar, n| tar.file(&format!("{n}"), ""))).contains("entries"));
    assert!(refused(tar().file("a/b/c/d", "")).contains("deeper"));
    // Folders that nobody named count, too.
    assert!(refused(tar().file("a/b/c", "").file("d/e/f", "")).contains("entries"));
    Rig::new().unpack_within(&[tar().file("a/b/c", "1234567890").end()], caps).expect("just enough");
}

#[test]
fn links_do_not_make_it_deeper_than_names_may() {
    let deep = |levels: usize| vec!["d"; levels].join("/");
    let (end, levels) = (deep(30), 40);
    let mut header = Header::new_gnu();
    header.set_size(0);
    header.set_mode(0o644);
    let mut builder = Builder::new(Vec::new());
    let mut from = String::from(".");
    for level in 0..levels {
        builder.append_data(&mut header, format!("{from}/{end}/x"), &b""[..]).expect("added");
        let mut link = Header::new_gnu();
        link.set_entry_type(EntryType::Symlink);
        link.set_size(0);
        builder.append_link(&mut link, format!("l{level}"), format!("{from}/{end}")).expect("added");
        from = format!("l{level}");
    }
    let rig = Rig::new();
    assert!(rig.unpack(&[builder.into_inner().expect("ended")]).is_err());
    assert!(rig.names().iter().all(|name| name.matches('/').count() <= CAPS.depth + 1));
}

#[test]
fn a_name_of_a_gigabyte_is_not_read_into_memory() {
    for kind in [EntryType::GNULongName, EntryType::GNULongLink, EntryType::XHeader] {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(1 << 30);
        header.set_mode(0);
        header.set_cksum();
        let endless = io::Cursor::new(header.as_bytes().to_vec()).chain(io::repeat(b'x').take(1 << 30));
        let rig = Rig::new();
        let mut root = Root::new(&rig.root(), CAPS).expect("open");
        assert!(root.unpack(endless).expect_err("too long").to_string().contains("bytes long"));
    }
}

#[test]
fn what_is_cut_short_is_an_error() {
    let whole = tar().file("a", &"x".repeat(5000)).file("b", "y").end();
    // Without its end mark it is whole as far as tar goes; the digest says that it is not.
    for cut in [100, 600, 4000, 6000] {
        assert!(Rig::new().unpack(&[whole[..cut].to_vec()]).is_err(), "{cut}");
    }
    let mut damaged = whole;
    damaged[20] ^= 1;
    assert!(Rig::new().unpack(&[damaged]).is_err());
}

#[test]
fn sparse_files_are_refused_by_name() {
    let gnu = tar().add(EntryType::GNUSparse, "holes", "", 0o644, b"");
    assert!(Rig::new().unpack(&[gnu.end()]).expect_err("sparse").to_string().contains("--sparse"));
    let pax = tar().add(EntryType::XHeader, "x", "", 0o644, b"22 GNU.sparse.major=1\n").file("holes", "");
    assert!(Rig::new().unpack(&[pax.end()]).expect_err("sparse").to_string().contains("--sparse"));
    let size = tar().add(EntryType::XHeader, "x", "", 0o644, b"11 size=99\n").file("two-faced", "1");
    assert!(Rig::new().unpack(&[size.end()]).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever an image says, the world outside its folder stays as it was.
    #[test]
    fn whatever_the_entries_are_nothing_outside_changes(
        entries in prop::collection::vec((0..6_usize, 0..12_usize, 0..12_usize), 1..20),
        split in 0..20_usize,
    ) {
        let rig = Rig::new();
        let outside = rig.folder.path().join("outside").display().to_string();
        let secret = format!("{outside}/secret");
        let names = ["a", "b", "a/b", "a/b/c", "../outside/secret", "/a", outside.as_str(), secret.as_str(), "..", "a/..", ".wh.a", "a/.wh..wh..opq"];
        let kinds = [EntryType::Regular, EntryType::Directory, EntryType::Symlink, EntryType::Symlink, EntryType::Link, EntryType::Fifo];
        let mut layers = [tar(), tar()];
        for (index, (kind, name, link)) in entries.into_iter().enumerate() {
            let layer = &mut layers[usize::from(index >= split)];
            *layer = std::mem::take(layer).add(kinds[kind], names[name], names[link], 0o7777, b"");
        }
        let [first, second] = layers;
        let _ = rig.unpack(&[first.end(), second.end()]);
        rig.nothing_happened_outside();
        for name in rig.names() {
            let meta = fs::symlink_metadata(rig.root().join(&name)).expect("there");
            let kind = meta.file_type();
            prop_assert!(kind.is_file() || kind.is_dir() || kind.is_symlink(), "{name}");
            prop_assert!(kind.is_symlink() || meta.mode() & 0o7000 == 0, "{name}");
        }
    }
}

/// A file system of its own for this thread, of so many bytes; it goes with the thread.
fn small_disk(at: &Path, bytes: u64) {
    use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
    // SAFETY: a new mount namespace changes what paths mean to this thread alone, which opens nothing else.
    unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::NEWNS) }.expect("tests run as root");
    mount_change(c"/", MountPropagationFlags::REC | MountPropagationFlags::PRIVATE).expect("private");
    let size = std::ffi::CString::new(format!("size={bytes}")).expect("an option");
    mount(c"tmpfs", at, c"tmpfs", MountFlags::empty(), size.as_c_str()).expect("mounted");
}

/// Does something once so many bytes of it were read.
struct Meanwhile<R, F> {
    inner: R,
    after: usize,
    act: Option<F>,
}

impl<R: Read, F: FnOnce()> Read for Meanwhile<R, F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.after = self.after.saturating_sub(read);
        if self.after == 0
            && let Some(act) = self.act.take()
        {
            act();
        }
        Ok(read)
    }
}

#[test]
fn no_file_of_an_image_takes_what_is_to_stay_free() {
    const MIB: usize = 1 << 20;
    let free = 16 << 20;
    let caps = Caps { free, ..CAPS };
    let layer = |mib: usize| tar().add(EntryType::Regular, "huge", "", 0o644, &vec![0; mib * MIB]).end();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let rig = Rig::new();
            small_disk(&rig.root(), 64 << 20);
            let left = || files::free_bytes(&rig.root()).expect("the disk");
            // A single file, of which the kernel would take more than there may be: nothing of it is written.
            let error = rig.unpack_within(&[layer(56)], caps).expect_err("too much");
            assert_eq!(error.kind(), io::ErrorKind::StorageFull, "{error}");
            assert!(left() > 63 << 20, "{} bytes are left", left());
            // One that fitted when it began, and somebody else writes meanwhile.
            let beside = rig.root().join("beside");
            let fits = layer(40);
            let mut tar = Meanwhile {
                inner: fits.as_slice(),
                after: 8 * MIB,
                act: Some(|| fs::write(&beside, vec![1; 30 * MIB]).expect("room")),
            };
            let mut root = Root::new(&rig.root(), caps).expect("open");
            let error = root.unpack(&mut tar).expect_err("too much");
            assert_eq!(error.kind(), io::ErrorKind::StorageFull, "{error}");
            assert!(left() + LOOK_AGAIN >= free, "{} bytes are left", left());
            fs::remove_file(&beside).expect("removed");
            fs::remove_file(rig.root().join("huge")).expect("removed");
            rig.unpack_within(&[fits], caps).expect("and this is just enough");
            assert!(left() >= free, "{} bytes are left", left());
        });
    });
}
