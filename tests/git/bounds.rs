//! Too much (INB-13): of bytes on the wire, of what they unfold to, of branches, of strange names.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::trees::raw_tree;
use super::{reconcile, started};
use crate::support::push::{Clone, Pushed, prepare};
use crate::support::{Competition, Contest, answer};

/// What the server's side of a push may spend, in processor time: a push is nobody's way to keep the machine busy.
const HOOK_CPU: Duration = Duration::from_secs(5);
/// How long it may take on a machine that is busy with other things.
const HOOK_WALL: Duration = Duration::from_secs(60);

/// Around what sshd would run: notes what it and all that it starts spent.
fn around(contest: &Contest) -> String {
    let script = contest.outside("around");
    let spent = contest.outside("spent");
    fs::write(&script, format!("\"$@\"; status=$?; times >'{}'; exit $status\n", spent.display())).expect("written");
    format!("sh {}", script.display())
}

/// What `around` noted.
fn spent(contest: &Contest) -> Duration {
    let noted = fs::read_to_string(contest.outside("spent")).expect("the server's side has ended");
    // The second line is of the shell's children: 0m1.250000s 0m0.040000s
    let clocks = noted.lines().nth(1).expect("a second line").split_whitespace().map(|clock| {
        let (minutes, seconds) = clock.trim_end_matches('s').split_once('m').expect("minutes and seconds");
        minutes.parse::<f64>().expect("a number") * 60.0 + seconds.parse::<f64>().expect("a number")
    });
    let spent = Duration::from_secs_f64(clocks.sum());
    assert!(!spent.is_zero(), "nothing was measured: {noted}");
    spent
}

/// Pushes, and makes sure that it did not cost the server's side more than it may.
#[track_caller]
fn push_within_bounds(contest: &Contest, clone: &Clone, arguments: &[&str]) -> Pushed {
    let mut push = clone.remote(&[&["push"], arguments].concat());
    let began = Instant::now();
    let pushed = Pushed::of(push.env("AROUND", around(contest)));
    let (wall, cpu) = (began.elapsed(), spent(contest));
    assert!(wall < HOOK_WALL && cpu < HOOK_CPU, "{wall:?}, of which it computed {cpu:?}\n{}", pushed.said);
    pushed
}

#[test]
fn a_push_that_is_too_long_is_cut_off_early() {
    let mut contest = prepare(Competition::new("Long").set("git.max_push", "1 MiB"), &["alice", "bob"]);
    contest.start();
    let clone = Clone::new(&contest, "alice");
    clone.commit_solution(answer("4"));
    let mut noise = vec![0; 6 << 20];
    std::io::Read::read_exact(&mut fs::File::open("/dev/urandom").expect("open"), &mut noise).expect("read");
    clone.write("noise", &noise);
    clone.commit();
    clone.submit().fails().says("maximum allowed size");
    // A pack that says it is 2 GB long, sent for as long as anybody listens.
    let began = Instant::now();
    let sent = endless_push(&contest, &clone);
    assert!(began.elapsed() < HOOK_WALL && spent(&contest) < HOOK_CPU, "{:?}", began.elapsed());
    assert!(sent < 8 << 20, "{sent} bytes were taken of a push that may have one MiB");
    let held: u64 = walkdir::WalkDir::new(contest.path("git"))
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.metadata().ok())
        .filter(fs::Metadata::is_file)
        .map(|meta| meta.len())
        .sum();
    assert!(held < 2 << 20, "{held} bytes of refused pushes were kept");
    // Nobody else is touched, and the user neither.
    let other = Clone::new(&contest, "bob");
    other.commit_solution(answer("4"));
    other.submit().succeeds().says("Accepted");
    clone.git(&["reset", "-q", "--hard", "HEAD^"]);
    clone.submit().succeeds().says("Accepted");
}

#[test]
fn a_repository_has_a_bound_and_nobody_is_stuck_behind_it() {
    let mut contest = prepare(Competition::new("Grown").set("git.max_push", "64 KiB"), &["alice"]);
    contest.start();
    let clone = Clone::new(&contest, "alice");
    let noise = |name: &str| {
        let mut bytes = vec![0; 60 << 10];
        std::io::Read::read_exact(&mut fs::File::open("/dev/urandom").expect("open"), &mut bytes).expect("read");
        clone.write(name, bytes);
    };
    let size = || -> u64 {
        let files = walkdir::WalkDir::new(contest.path("git/alice.git")).into_iter().flatten();
        files.filter_map(|entry| entry.metadata().ok()).filter(fs::Metadata::is_file).map(|meta| meta.len()).sum()
    };
    // What no branch leads to any more goes: any number of these fits.
    let mut number = 0;
    for _ in 0..8 {
        number += 1;
        noise("noise");
        clone.commit_solution(answer(&number.to_string()));
        clone.git(&["checkout", "-q", "--orphan", &format!("fresh-{number}")]);
        clone.commit();
        let pushed = clone.submit().succeeds().says(&format!("Accepted as number {number}"));
        assert!(!pushed.said.contains("begins anew"), "{}", pushed.said);
        assert!(size() < 512 << 10, "{} bytes", size());
    }
    // A history that grows does not fit for ever.
    let refused = (0..12).find_map(|index| {
        number += 1;
        noise(&format!("noise-{index}"));
        clone.commit_solution(answer(&number.to_string()));
        let pushed = clone.submit();
        assert!(size() < 512 << 10, "{} bytes", size());
        (!pushed.good).then_some(pushed)
    });
    refused.expect("it has a bound").says("begins anew").says("--orphan").says("maximum allowed size");
    clone.git(&["checkout", "-q", "--orphan", "fresh"]);
    clone.git(&["rm", "-q", "-r", "--cached", "."]);
    clone.git(&["add", "solution.py"]);
    clone.git(&["commit", "-q", "-m", "fresh"]);
    clone.submit().succeeds().says(&format!("Accepted as number {number}"));
}

/// What answers a push, for a client of our own.
fn serve_by_hand(contest: &Contest, clone: &Clone) -> std::process::Child {
    let ssh = clone.remote(&["version"]);
    let script = ssh.get_envs().find(|(name, _)| *name == "GIT_SSH_COMMAND").and_then(|(_, value)| value).expect("set");
    let mut server = Command::new(script);
    server
        .args(["submit@judge", "git-receive-pack '/submissions'"])
        .env("PUSHER", "alice")
        .env("AROUND", around(contest));
    server.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts")
}

/// Pushes one object of 2 GB by hand, in the protocol's own words, and returns how many bytes of it went out before the server hung up.
fn endless_push(contest: &Contest, clone: &Clone) -> u64 {
    use std::io::{Read, Write};
    let mut server = serve_by_hand(contest, clone);
    let mut to = server.stdin.take().expect("piped");
    let mut from = server.stdout.take().expect("piped");
    let reader = std::thread::spawn(move || from.read_to_end(&mut Vec::new()));
    let commands = format!("{} {} refs/heads/main\0report-status\n", "0".repeat(40), "a".repeat(40));
    let mut out = format!("{:04x}{commands}0000", commands.len() + 4).into_bytes();
    out.extend(b"PACK\0\0\0\x02\0\0\0\x01");
    let size: u64 = 1 << 31;
    out.extend(pack_header(3, size));
    // Deflate without compression.
    out.extend([0x78, 0x01]);
    let mut sent = 0;
    let block = [&[0, 0xff, 0xff, 0, 0][..], &[7; 0xffff]].concat();
    while sent < size && to.write_all(&out).is_ok() {
        sent += out.len() as u64;
        out.clone_from(&block);
    }
    drop(to);
    let _ = reader.join();
    let _ = server.wait();
    sent
}

#[test]
fn a_hundred_thousand_branches_are_refused_in_one_sentence() {
    let contest = started("Many branches");
    let clone = Clone::new(&contest, "alice");
    let commit = clone.commit_solution(answer("4"));
    let refs: String = (0..100_000).map(|number| format!("{commit} refs/heads/b{number:06}\n")).collect();
    clone.write(".git/packed-refs", format!("# pack-refs with: peeled fully-peeled sorted\n{refs}"));
    let push = ["-q", "ssh://submit@judge/submissions", "refs/heads/*:refs/heads/*"];
    let pushed = push_within_bounds(&contest, &clone, &push);
    pushed.fails().says("Only the branch main is taken here, and this push names refs/heads/b").says("many more");
    let refs = walkdir::WalkDir::new(contest.path("git/alice.git/refs")).into_iter().flatten();
    assert_eq!(refs.filter(|entry| entry.file_type().is_file()).count(), 0);
    clone.submit().succeeds().says("Accepted as number 1");
}

#[test]
fn strange_names_of_branches_are_refused_and_read_by_no_shell() {
    let contest = started("Strange branches");
    let clone = Clone::new(&contest, "alice");
    let commit = clone.commit_solution(answer("4"));
    let canary = contest.outside("canary");
    let names = [
        "refs/heads/$(touch${IFS}canary)".to_owned(),
        format!("refs/heads/`touch${{IFS}}{}`", canary.display().to_string().replace('/', "-")),
        "refs/heads/;id;".into(),
        "refs/heads/--upload-pack=id".into(),
        "refs/heads/-main".into(),
        format!("refs/heads/{}", "x".repeat(250)),
        "refs/heads/main/../bob".into(),
        "refs/heads/Main".into(),
        "refs/heads/main2".into(),
        "refs/heads/\u{202e}niam".into(),
        "refs/heads/<img>&\"'".into(),
        "refs/tags/main".into(),
        "refs/replace/main".into(),
        "refs/for/main".into(),
        "HEAD".into(),
    ];
    for name in &names {
        let pushed = clone.push(&["ssh://submit@judge/submissions", &format!("{commit}:{name}")]).fails();
        assert!(
            !pushed.said.lines().any(|line| line.contains("this push names") && line.contains('\u{202e}')),
            "{}",
            pushed.said
        );
    }
    // Several at once, and a branch that goes away.
    clone
        .push(&["ssh://submit@judge/submissions", "HEAD:main", "HEAD:refs/tags/v1"])
        .fails()
        .says("Only the branch main");
    clone.submit().succeeds().says("Accepted as number 1");
    clone.push(&["ssh://submit@judge/submissions", ":main"]).fails();
    clone.push(&["--atomic", "ssh://submit@judge/submissions", "HEAD:main", ":other"]).fails();
    assert_eq!(contest.count("accepted"), 1);
    let left: Vec<_> = walkdir::WalkDir::new(contest.path("git/alice.git/refs"))
        .into_iter()
        .flatten()
        .filter(|entry| entry.file_type().is_file())
        .map(|entry| entry.file_name().to_owned())
        .collect();
    assert_eq!(left, ["main"]);
    assert!(!canary.exists());
}

#[test]
fn a_tree_bomb_costs_nothing() {
    let contest = started("Tree bomb");
    let clone = Clone::new(&contest, "alice");
    clone.commit_solution(answer("4"));
    let good = clone.git(&["rev-parse", "HEAD:solution.py"]);
    let names: Vec<String> = (0..10).map(|number| format!("d{number}")).collect();
    // Ten to the power of ten files, in eleven objects.
    let mut tree =
        raw_tree(&clone, &names.iter().map(|name| ("100644", name.as_bytes(), good.as_str())).collect::<Vec<_>>());
    for _ in 1..10 {
        tree =
            raw_tree(&clone, &names.iter().map(|name| ("40000", name.as_bytes(), tree.as_str())).collect::<Vec<_>>());
    }
    let top = raw_tree(&clone, &[("40000", b"bomb", &tree), ("100644", b"solution.py", &good)]);
    let commit = clone.git(&["commit-tree", "-m", "x", &top]);
    let push = ["ssh://submit@judge/submissions", &format!("{commit}:refs/heads/main")];
    let pushed = push_within_bounds(&contest, &clone, &push);
    pushed.succeeds().says("Accepted as number 1");
}

/// The length of something in a pack's own way: four bits beside its kind, then seven in each byte.
fn pack_header(kind: u8, mut size: u64) -> Vec<u8> {
    let mut bytes = vec![kind << 4 | u8::try_from(size & 15).expect("four bits")];
    size >>= 4;
    while size > 0 {
        *bytes.last_mut().expect("one") |= 0x80;
        bytes.push(u8::try_from(size & 127).expect("seven bits"));
        size >>= 7;
    }
    bytes
}

fn deflated(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).expect("written");
    encoder.finish().expect("finished")
}

/// The SHA-1 of some bytes, as packs end with.
fn sha1(clone: &Clone, bytes: &[u8]) -> Vec<u8> {
    clone.write(".git/bytes", bytes);
    let output = Command::new("sha1sum").arg(clone.folder.join(".git/bytes")).output().expect("sha1sum runs");
    hex::decode(&output.stdout[..40]).expect("hexadecimal")
}

#[test]
fn what_unfolds_to_gigabytes_is_refused() {
    let contest = started("Unfolding");
    let clone = Clone::new(&contest, "alice");
    // 64 MiB in 64 KiB.
    clone.commit_solution(vec![0; 64 << 20]);
    clone.submit().fails().says("solution.py is 67108864 bytes long");
    clone.commit_solution(answer("4"));
    clone.submit().succeeds().says("Accepted as number 1");
    // A blob of 15 MiB, and a difference to it that copies it two hundred times: three gigabytes in some kilobytes.
    let length: u64 = 15 << 20;
    let result = length * 200;
    let varint = |mut number: u64| {
        let mut bytes = Vec::new();
        while number > 127 {
            bytes.push(0x80 | u8::try_from(number & 127).expect("seven bits"));
            number >>= 7;
        }
        bytes.push(u8::try_from(number).expect("seven bits"));
        bytes
    };
    let mut delta = [varint(length), varint(result)].concat();
    // Copy from the beginning, with three bytes of a length.
    (0..200).for_each(|_| delta.extend([0xf0, 0, 0, 0xf0]));
    let mut pack = b"PACK\0\0\0\x02\0\0\0\x02".to_vec();
    pack.extend([pack_header(3, length), deflated(&vec![0; usize::try_from(length).expect("small")])].concat());
    let base = {
        clone.write(".git/base", vec![0; usize::try_from(length).expect("small")]);
        clone.git(&["hash-object", ".git/base"])
    };
    pack.extend(
        [pack_header(7, delta.len() as u64), hex::decode(base).expect("hexadecimal"), deflated(&delta)].concat(),
    );
    let sum = sha1(&clone, &pack);
    pack.extend(sum);
    let commands = format!("{} {} refs/heads/main\0report-status\n", "0".repeat(40), "a".repeat(40));
    let mut server = serve_by_hand(&contest, &clone);
    let mut to = server.stdin.take().expect("piped");
    let sent = [format!("{:04x}{commands}0000", commands.len() + 4).as_bytes(), &pack[..]].concat();
    let _ = std::io::Write::write_all(&mut to, &sent);
    drop(to);
    let began = Instant::now();
    let output = server.wait_with_output().expect("it ends");
    assert!(began.elapsed() < HOOK_WALL && spent(&contest) < HOOK_CPU, "{:?}", began.elapsed());
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("memory") || said.contains("unpack"), "{said}");
    assert!(!said.contains("ok refs/heads/main"), "{said}");
    clone.commit_solution(answer("5"));
    clone.submit().succeeds().says("Accepted as number 2");
}

#[test]
fn a_push_beside_another_push_comes_after_it() {
    let contest = started("Side by side");
    let mut pushes = Vec::new();
    for number in 0..4 {
        let clone = Clone::new(&contest, "alice");
        clone.commit_solution(answer(&number.to_string()));
        let child = clone
            .remote(&["push", "--force", "ssh://submit@judge/submissions", "HEAD:main"])
            .stderr(Stdio::piped())
            .spawn()
            .expect("git runs");
        pushes.push(child);
    }
    let ended: Vec<_> = pushes.into_iter().map(|push| push.wait_with_output().expect("it ends")).collect();
    let accepted = ended.iter().filter(|push| push.status.success()).count();
    for push in &ended {
        let said = String::from_utf8_lossy(&push.stderr);
        // git itself sees that the branch has moved since it looked.
        assert!(push.status.success() || said.contains("remote rejected") || said.contains("fetch first"), "{said}");
    }
    assert!(accepted >= 1);
    contest.wait_for_judged(accepted);
    assert_eq!((contest.count("accepted"), contest.count("rejected")), (accepted, 0));
    assert_eq!(reconcile(&contest).succeeds().said, "");
}
