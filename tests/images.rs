//! Images: every form in which one comes judges, is unpacked once, and is refused when it is not what it says.
//!
//! Nothing is skipped: `scripts/setup test` installs docker-registry and skopeo, and makes the image.

mod support;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use support::registry::{Registry, forms, run};
use support::{Competition, Contest, answer, sha256, wait_until};

const DAYS: Duration = Duration::from_secs(24 * 3600);

/// Changes the image, and returns when the daemon goes by it.
#[track_caller]
fn use_image(contest: &Contest, image: &str) {
    let in_force = || contest.daemon().said().matches("in force").count();
    let before = in_force();
    contest.set("sandbox.image", image);
    contest.wait_for("the new settings are in force", || in_force() > before);
}

/// Has a program judged, and returns what the log calls the image.
#[track_caller]
fn judged_on(contest: &Contest) -> String {
    let id = contest.hand_in("mira", "py", answer("4"));
    let outcome = contest.outcome(&id);
    assert_eq!(outcome["verdict"], "accepted", "{outcome:#}\n{}", contest.daemon().said());
    let line = contest.event("judged", &id);
    line["provenance"]["image"].as_str().unwrap_or_else(|| panic!("no image in {line:#}")).to_owned()
}

/// The unpacked images of a home, by digest.
fn unpacked(contest: &Contest) -> Vec<String> {
    let list = fs::read_dir(contest.path("results/cache/images")).into_iter().flatten().flatten();
    let mut names: Vec<_> =
        list.filter_map(|entry| entry.file_name().into_string().ok()).filter(|name| name.len() == 64).collect();
    names.sort();
    names
}

#[test]
fn every_form_of_an_image_judges_and_is_unpacked_once() {
    let forms = forms();
    let id = run(Command::new("docker").args(["image", "inspect", "--format", "{{.Id}}", "podium-test-python:1"]));
    let index: Value =
        serde_json::from_slice(&fs::read(forms.join("layout/index.json")).expect("an index")).expect("JSON");
    let manifest = index["manifests"][0]["digest"].as_str().expect("a digest").to_owned();
    let root = format!("sha256:{}", support::sha256_of_file(&forms.join("root.tar")));
    let contest = Competition::new("Forms").start();
    // A relative path begins at the home, wherever the daemon was started.
    for name in ["root.tar.zst", "layout", "saved.tar"] {
        std::os::unix::fs::symlink(forms.join(name), contest.path(name)).expect("linked");
    }
    let path = |name: &str| forms.join(name).display().to_string();
    for (image, digest, from) in [
        ("podium-test-python:1".to_owned(), &id, "the Docker engine"),
        ("docker-daemon:podium-test-python:1".to_owned(), &id, "the Docker engine"),
        ("docker-archive:saved.tar".to_owned(), &id, "saved.tar"),
        ("layout".to_owned(), &manifest, "layout"),
        (format!("oci:{}:the-one", path("layout")), &manifest, "layout"),
        (path("layout.tar"), &manifest, "layout.tar"),
        ("root.tar.zst".to_owned(), &root, "root.tar.zst"),
        (path("root.tar"), &root, "root.tar"),
        (path("root.tar.gz"), &root, "root.tar.gz"),
        (path("root.tar.xz"), &root, "root.tar.xz"),
    ] {
        use_image(&contest, &image);
        assert_eq!(judged_on(&contest), format!("{image}@{digest}"));
        let check = contest.podium(&["check"]).exits(0).says(digest).says(&image).says("MiB unpacked");
        assert!(check.stdout.contains(from), "{check}");
    }
    let known: Vec<_> = [&id, &manifest, &root].map(|digest| digest["sha256:".len()..].to_owned()).into();
    let mut expected = known.clone();
    expected.sort();
    assert_eq!(unpacked(&contest), expected);
    // The same folders and files, whichever way they came, and nothing of another user's or with more rights than its own.
    let listing = |digest: &str| listing(&contest.path("results/cache/images").join(digest).join("root"));
    let first = listing(&known[0]);
    assert!(first.contains_key(Path::new("usr/bin/python3")), "{} entries", first.len());
    assert_eq!(listing(&known[1]), first);
    let mut exported = listing(&known[2]);
    // What `docker create` makes for itself.
    exported.retain(|path, _| first.contains_key(path));
    assert_eq!(exported, first);
}

#[test]
fn the_same_bytes_on_another_image_are_judged_anew() {
    // Under one name, so that nothing of config.toml tells them apart.
    let contest = Competition::new("Another image").prepare();
    fs::copy(forms().join("root.tar"), contest.path("root.tar")).expect("copied");
    contest.set("sandbox.image", "root.tar");
    let mut contest = contest;
    contest.start();
    let judged = |contest: &Contest| {
        let id = contest.hand_in("mira", "py", answer("4"));
        assert_eq!(contest.outcome(&id)["verdict"], "accepted");
        let line = contest.event("judged", &id);
        (line["reused"].clone(), line["provenance"]["image"].as_str().expect("an image").to_owned())
    };
    let (reused, first) = judged(&contest);
    assert_eq!(reused, Value::Null);
    let (reused, same) = judged(&contest);
    assert_eq!((&reused["submission"], &same), (&1.into(), &first));

    assert!(contest.stop().success());
    fs::write(contest.outside("only-here"), "x").expect("written");
    let mut more = Command::new("tar");
    more.arg("-C").arg(contest.path("..")).arg("-rf").arg(contest.path("root.tar")).arg("only-here");
    run(&mut more);
    contest.start();
    let (reused, other) = judged(&contest);
    assert_ne!(other, first);
    assert_eq!(reused, Value::Null, "it is another image");
    let (reused, same) = judged(&contest);
    assert_eq!((&reused["submission"], &same), (&3.into(), &other));
    assert_eq!(contest.count("started"), 2);
}

/// What lies below a folder: kind, mode, length and time of a file.
fn listing(root: &Path) -> BTreeMap<PathBuf, (u32, u64, i64)> {
    use std::os::unix::fs::MetadataExt;
    let walk = walkdir::WalkDir::new(root).min_depth(1).into_iter().map(|entry| entry.expect("an entry"));
    walk.map(|entry| {
        let meta = entry.metadata().expect("there");
        let of_a_file = if meta.is_file() { (meta.len(), meta.mtime()) } else { (0, 0) };
        (entry.path().strip_prefix(root).expect("below").to_owned(), (meta.mode(), of_a_file.0, of_a_file.1))
    })
    .collect()
}

#[test]
fn a_registry_is_asked_once_and_may_be_away_later() {
    let mut registry = Registry::start();
    registry.push(&format!("docker-archive:{}", forms().join("saved.tar").display()), "judge/python:1");
    let name = registry.name("judge/python:1");
    let mut contest = Competition::new("Pulled").set("sandbox.image", name.as_str()).start();
    let first = judged_on(&contest);
    assert!(first.starts_with(&format!("{name}@sha256:")), "{first}");
    let digest = first.rsplit(':').next().expect("a digest").to_owned();
    assert_eq!(unpacked(&contest), [digest.as_str()]);
    contest.podium(&["check"]).exits(0).says(&digest).says("from the registry 127.0.0.1");

    // Away: what was unpacked counts, for the daemon and for who works beside it or alone.
    registry.stop();
    contest.podium(&["check"]).exits(0);
    assert!(contest.stop().success());
    contest.podium(&["check"]).exits(0).says(&digest);
    contest.start();
    assert_eq!(judged_on(&contest), first);
    assert!(contest.daemon().said().contains("the image that was unpacked before is used"));

    // Back, with another image under the same name: taken by a daemon that begins, and by nobody before.
    registry.go_on();
    let other = contest.outside("other");
    layout(&other, &[("only-here", "x")], ours());
    registry.push(&format!("oci:{}", other.display()), "judge/other:1");
    run(Command::new("skopeo")
        .args(["copy", "--quiet", "--insecure-policy", "--src-tls-verify=false", "--dest-tls-verify=false"])
        .args([format!("docker://{}", registry.name("judge/other:1")), format!("docker://{name}")]));
    assert_eq!(judged_on(&contest), first);
    assert!(contest.stop().success());
    let check = contest.podium(&["check"]);
    assert!(check.stdout.contains("from the registry") && !check.stdout.contains(&digest), "{check}");
    assert_eq!(unpacked(&contest).len(), 2);

    // By its digest it is what it was; by another it is nobody's.
    contest.set("sandbox.image", format!("docker://{}@sha256:{digest}", registry.name("judge/python")));
    contest.podium(&["check"]).exits(0).says(&digest);
    for (image, says) in [
        (format!("{}@sha256:{}", registry.name("judge/python"), "0".repeat(64)), "shows no image"),
        (registry.name("judge/python:none"), "shows no image"),
        (registry.name("nobody/nothing:1"), "shows no image"),
        ("docker-daemon:podium-no-such-image:1".into(), "the Docker engine has no image"),
        ("127.0.0.1:1/a:1".into(), "cannot be reached"),
    ] {
        contest.set("sandbox.image", image.as_str());
        let check = contest.podium(&["check"]).exits(1).says(says).says(&image);
        let line = contest.config().lines().position(|line| line.starts_with("image")).expect("a line") + 1;
        assert!(check.stdout.contains(&format!("PROBLEM  config.toml:{line}: sandbox.image: ")), "{check}");
    }
}

#[test]
fn what_is_not_what_it_says_is_refused() {
    let contest = Competition::new("Refused").prepare();
    // Something to judge, or there is nothing to be held.
    contest.hand_in("mira", "sh", "echo 4\n");
    let refused = |image: &str, says: &str| {
        contest.set("sandbox.image", image);
        contest.podium(&["check"]).exits(1).says("sandbox.image: ").says(says);
        contest.podium(&["run", "--once"]).exits(1).says(says);
        let left: Vec<_> = fs::read_dir(contest.path("results/cache/images"))
            .expect("the store")
            .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
            .filter(|name| name != "lock" && name != "names")
            .collect();
        assert_eq!(left, [""; 0], "{image}");
    };
    fs::create_dir_all(contest.path("results/cache/images")).expect("made");
    fs::write(contest.path("no.tar"), "sandbox secret\n".repeat(100)).expect("written");
    refused("no.tar", "it is not a tar");
    let check = contest.podium(&["check"]);
    assert!(!check.stdout.contains("secret"), "it quotes the file\n{check}");
    refused("none.tar", "No such file");
    refused("oci:no.tar", "it is not a tar");
    refused("Not/A:Reference!", "neither \"host\", nor a path");

    let make =
        |name: &str, files: &[(&str, &str)], platform: (&str, &str)| layout(&contest.path(name), files, platform);
    make("foreign", &[("a", "a")], ("linux", "s390x"));
    refused("foreign", "it is for linux/s390x");
    make("windows", &[("a", "a")], ("windows", ours().1));
    refused("windows", "it is for windows/");
    make("leaving", &[("../leaving", "a")], ours());
    refused("leaving", "leads out of the image");

    // One bit of a layer, of its configuration, of its manifest.
    for (name, which) in [("layer", 0), ("configuration", 1), ("manifest", 2)] {
        let blobs = make(name, &[("a", "a")], ours());
        let path = contest.path(name).join("blobs/sha256").join(&blobs[which]);
        let mut bytes = fs::read(&path).expect("a blob");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&path, bytes).expect("written");
        refused(name, "is damaged or was tampered with");
        fs::remove_file(&path).expect("removed");
        refused(name, "No such file");
    }
    // Cut short, and grown beyond all bounds.
    let whole = contest.path("whole.tar");
    run(Command::new("tar").arg("-cf").arg(&whole).arg("-C").arg(contest.path("evaluator")).arg("."));
    run(Command::new("gzip").arg(&whole));
    let packed = fs::read(contest.path("whole.tar.gz")).expect("packed");
    fs::write(contest.path("short.tar.gz"), &packed[..packed.len() - 20]).expect("written");
    refused("short.tar.gz", "cannot be read");
}

#[test]
fn what_nobody_uses_is_removed_and_what_is_in_use_is_not() {
    let mut contest = Competition::new("Old").set("sandbox.image", "docker-daemon:podium-test-python:1").start();
    judged_on(&contest);
    let first = unpacked(&contest);
    let store = contest.path("results/cache/images");
    let used = |digest: &str| store.join(digest).join("used");
    let make_old = |digest: &str| {
        let file = File::options().write(true).open(used(digest)).expect("the stamp");
        file.set_modified(SystemTime::now() - 8 * DAYS).expect("touched");
    };
    make_old(&first[0]);
    // A process that was killed while it unpacked.
    fs::create_dir_all(store.join("unpacking-abc/root/usr")).expect("made");
    use_image(&contest, &forms().join("layout").display().to_string());
    judged_on(&contest);
    assert!(!store.join("unpacking-abc").exists(), "what is half done is removed");
    assert_eq!(unpacked(&contest).len(), 2, "the daemon may still judge on the first one");

    assert!(contest.stop().success());
    let second = unpacked(&contest).into_iter().find(|digest| *digest != first[0]).expect("another");
    make_old(&first[0]);
    make_old(&second);
    contest.start();
    judged_on(&contest);
    contest.wait_for("the one that nobody uses is gone", || unpacked(&contest) == [second.as_str()]);
    let age = fs::metadata(used(&second)).and_then(|meta| meta.modified()).expect("a time").elapsed().expect("past");
    assert!(age < DAYS, "its use was noted");
    let names = fs::read_dir(store.join("names")).expect("names").count();
    assert_eq!(names, 1, "a name of nothing is forgotten");
}

#[test]
fn the_queue_says_that_an_image_is_on_its_way_and_nothing_else_waits_for_it() {
    let port = endless_registry();
    let name = format!("127.0.0.1:{port}/slow/image:1");
    let mut contest = Competition::new("Slow").set("sandbox.image", name.as_str()).start();
    let public = contest.path("public");
    let page = |page: &str| fs::read_to_string(public.join(page)).unwrap_or_default();
    for name_of_page in ["queue.html", "index.html"] {
        contest
            .wait_for("the pages say what is waited for", || page(name_of_page).contains(&format!("127.0.0.1:{port}")));
    }
    contest.wait_for("`podium status` too", || contest.podium(&["status"]).stdout.contains(&name));
    // The loop goes on: it takes in, it refuses, it reads new settings.
    contest.drop_file("no-such-form.txt", "x");
    contest.wait_for("something is refused", || contest.count("rejected") == 1);
    let waiting = contest.hand_in("mira", "sh", "echo 4\n");
    // It ends when it is asked to, and begins again where it was.
    assert!(contest.stop().success());
    contest.start();
    contest.wait_for("the next one waits, too", || contest.daemon().said().matches("judging waits").count() == 2);
    // And it does not wait for what nobody wants any more.
    contest.set("sandbox.image", "host");
    assert_eq!(contest.outcome(&waiting)["verdict"], "accepted");
    contest.wait_for("the pages say nothing of it any more", || {
        !page("queue.html").contains(&format!("127.0.0.1:{port}"))
    });
}

/// A registry that begins to answer and never ends: a byte a second. Returns its port.
fn endless_registry() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    let answer = |mut call: TcpStream| {
        let _ = call.read(&mut [0; 4096]);
        let mut said =
            call.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n");
        while said.is_ok() {
            wait_until(Duration::from_secs(1), || false, || ());
            said = call.write_all(b" ");
        }
    };
    std::thread::spawn(move || {
        for call in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || answer(call));
        }
    });
    port
}

/// As nearly every image of a public registry is: an index of several platforms.
#[test]
fn of_several_platforms_this_machines_is_fetched() {
    let registry = Registry::start();
    let contest = Competition::new("Platforms").prepare();
    let folder = contest.outside("several");
    let foreign = layout(&folder, &[("foreign", "x")], ("linux", "s390x"));
    let own = layout(&folder, &[("own", "x")], ours());
    let entry = |blobs: &[String; 3], (os, architecture): (&str, &str)| {
        let size = fs::metadata(folder.join("blobs/sha256").join(&blobs[2])).expect("a manifest").len();
        json!({
            "mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": format!("sha256:{}", blobs[2]), "size": size,
            "platform": { "os": os, "architecture": architecture },
        })
    };
    let push = |entries: Value, name: &str| {
        let kind = "application/vnd.oci.image.index.v1+json";
        let index = json!({ "schemaVersion": 2, "mediaType": kind, "manifests": entries }).to_string();
        let digest = sha256(index.as_bytes());
        fs::write(folder.join("blobs/sha256").join(&digest), &index).expect("written");
        let top = json!({ "mediaType": kind, "digest": format!("sha256:{digest}"), "size": index.len() });
        fs::write(folder.join("index.json"), json!({ "schemaVersion": 2, "manifests": [top] }).to_string())
            .expect("written");
        let to = format!("docker://{}", registry.name(name));
        run(Command::new("skopeo")
            .args(["copy", "--all", "--preserve-digests", "--quiet", "--insecure-policy", "--dest-tls-verify=false"])
            .args([format!("oci:{}", folder.display()), to]));
        digest
    };
    let index = push(json!([entry(&foreign, ("linux", "s390x")), entry(&own, ours())]), "several:1");
    let images =
        [registry.name("several:1"), registry.name(&format!("several@sha256:{index}")), folder.display().to_string()];
    for image in images {
        contest.set("sandbox.image", image.as_str());
        // It has no Python: its sandbox stands, and the evaluator does not.
        let check = contest.podium(&["check"]).says(&format!("sha256:{}", own[2]));
        assert!(check.stdout.contains("there is no program python3"), "{check}");
    }
    let root = contest.path("results/cache/images").join(&own[2]).join("root");
    assert_eq!(fs::read_to_string(root.join("own")).expect("unpacked"), "x");
    assert!(!root.join("foreign").exists());

    // A registry that gives something else under a digest.
    let blobs = layout(&folder, &[("a", "b")], ours());
    registry.push(&format!("oci:{}", folder.display()), "damaged:1");
    for (which, says) in [(0, "is damaged or was tampered with"), (1, "is damaged or was tampered with"), (2, "")] {
        let path = registry.blob(&blobs[which]);
        let whole = fs::read(&path).expect("the registry has it");
        let mut bytes = whole.clone();
        bytes[0] ^= 1;
        fs::write(&path, bytes).expect("written");
        contest.set("sandbox.image", registry.name("damaged:1"));
        contest.podium(&["check"]).exits(1).says("sandbox.image: ").says(says);
        fs::write(&path, whole).expect("written");
    }
    assert!(!contest.path("results/cache/images").join(&blobs[2]).exists());

    push(json!([entry(&foreign, ("linux", "s390x"))]), "foreign:1");
    contest.set("sandbox.image", registry.name("foreign:1"));
    contest.podium(&["check"]).exits(1).says("it is for linux/s390x");
}

/// Two processes that want the same image: one unpacks it, the other waits and finds it there.
#[test]
fn two_processes_do_not_unpack_over_each_other() {
    let contest = Competition::new("Two").set("sandbox.image", forms().join("layout").display().to_string()).prepare();
    std::thread::scope(|scope| {
        let both: Vec<_> = (0..3).map(|_| scope.spawn(|| contest.podium(&["check"]))).collect();
        for check in both {
            check.join().expect("joined").exits(0).says("MiB unpacked");
        }
    });
    assert_eq!(unpacked(&contest).len(), 1);
}

// ---------------------------------------------------------------------------------------------- images made by hand

/// What images call this machine.
fn ours() -> (&'static str, &'static str) {
    ("linux", if cfg!(target_arch = "x86_64") { "amd64" } else { "arm64" })
}

/// An OCI layout of one layer of files; returns the names of its blobs: layer, configuration, manifest.
fn layout(folder: &Path, files: &[(&str, &str)], (os, architecture): (&str, &str)) -> [String; 3] {
    fs::create_dir_all(folder.join("blobs/sha256")).expect("made");
    let put = |bytes: &[u8]| {
        let name = sha256(bytes);
        fs::write(folder.join("blobs/sha256").join(&name), bytes).expect("written");
        name
    };
    let mut layer = Vec::new();
    for (name, text) in files {
        let mut header = tar::Header::new_gnu();
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        layer.extend(header.as_bytes());
        layer.extend(text.as_bytes());
        layer.resize(layer.len().next_multiple_of(512), 0);
    }
    layer.extend([0; 1024]);
    let described = |kind: &str, name: &str, size: usize| json!({ "mediaType": format!("application/vnd.oci.image.{kind}"), "digest": format!("sha256:{name}"), "size": size });
    let layer_name = put(&layer);
    let config = json!({ "os": os, "architecture": architecture, "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{layer_name}")] } }).to_string();
    let config_name = put(config.as_bytes());
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": described("config.v1+json", &config_name, config.len()),
        "layers": [described("layer.v1.tar", &layer_name, layer.len())],
    })
    .to_string();
    let manifest_name = put(manifest.as_bytes());
    let index =
        json!({ "schemaVersion": 2, "manifests": [described("manifest.v1+json", &manifest_name, manifest.len())] });
    fs::write(folder.join("index.json"), index.to_string()).expect("written");
    fs::write(folder.join("oci-layout"), "{\"imageLayoutVersion\":\"1.0.0\"}").expect("written");
    [layer_name, config_name, manifest_name]
}
