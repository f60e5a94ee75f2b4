//! Strange trees (INB-12): what a checkout would stumble over is refused, and nothing of it is run.

use std::cell::RefCell;
use std::fs;

use super::{accepted, started};
use crate::support::push::{Clone, git};
use crate::support::{answer, sha256};

#[test]
fn what_is_no_plain_file_is_refused_with_a_reason() {
    let contest = started("No files");
    let clone = Clone::new(&contest, "alice");
    let url = "ssh://submit@judge/submissions";
    let refused = |why: &str| clone.push(&["--force", url, "HEAD:main"]).fails().says(why);
    clone.write("readme.txt", "hello");
    clone.commit();
    refused("has no file solution.py");
    std::os::unix::fs::symlink("/etc/shadow", clone.folder.join("solution.py")).expect("a link");
    clone.commit();
    refused("solution.py is a symbolic link");
    fs::remove_file(clone.folder.join("solution.py")).expect("removed");
    clone.write("solution.py/solution.py", answer("4"));
    clone.commit();
    refused("solution.py is a folder");
    fs::remove_dir_all(clone.folder.join("solution.py")).expect("removed");
    clone.commit();
    let head = clone.git(&["rev-parse", "HEAD"]);
    clone.git(&["update-index", "--add", "--cacheinfo", &format!("160000,{head},solution.py")]);
    clone.git(&["commit", "-q", "-m", "a submodule"]);
    refused("solution.py is a submodule");
    clone.git(&["rm", "-q", "--cached", "solution.py"]);
    clone.commit_solution(vec![b'#'; 2 << 20]);
    refused("solution.py is 2097152 bytes long, and at most 1048576 are taken");
    clone.commit_solution("");
    refused("solution.py is empty");
    clone.commit_solution("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n");
    refused("solution.py is a pointer to Git LFS");
    assert_eq!((contest.count("accepted"), contest.count("rejected")), (0, 0));
}

/// Makes a tree out of raw entries, which git itself would not write.
pub(super) fn raw_tree(clone: &Clone, entries: &[(&str, &[u8], &str)]) -> String {
    let mut bytes = Vec::new();
    for (mode, name, oid) in entries {
        bytes.extend([mode.as_bytes(), b" ", *name, b"\0"].concat());
        bytes.extend(hex::decode(oid).expect("hexadecimal"));
    }
    clone.write(".git/raw", bytes);
    clone.git(&["hash-object", "-w", "-t", "tree", "--literally", ".git/raw"])
}

#[test]
fn trees_that_were_made_to_hurt_are_refused_or_never_looked_at() {
    let contest = started("Hurting trees");
    let clone = Clone::new(&contest, "alice");
    let program = answer("4");
    clone.commit_solution(&program);
    let canary = contest.outside("canary");
    let hook = format!("#!/bin/sh\ntouch '{}'\n", canary.display());
    clone.write("hook", hook);
    let (good, hook) = (clone.git(&["rev-parse", "HEAD:solution.py"]), clone.git(&["hash-object", "-w", "hook"]));
    // What was taken has to be, byte for byte, the blob that the pushed commit names.
    let taken = RefCell::new(Vec::new());
    let push = |tree: &str| {
        let commit = clone.git(&["commit-tree", "-m", "x", tree]);
        let pushed = clone.push(&["--force", "ssh://submit@judge/submissions", &format!("{commit}:refs/heads/main")]);
        if pushed.good {
            let mut blob = git(&clone.folder);
            let blob = blob.args(["cat-file", "blob", &format!("{commit}:solution.py")]).output().expect("git runs");
            assert!(blob.status.success(), "{blob:?}");
            taken.borrow_mut().push((pushed.id(), blob.stdout));
        }
        pushed
    };
    // Names that a checkout would take for git's own folder.
    let hooks = raw_tree(&clone, &[("100755", b"post-checkout", &hook), ("100755", b"post-receive", &hook)]);
    let inner = raw_tree(&clone, &[("40000", b"hooks", &hooks)]);
    for name in [&b".git"[..], b".GIT", b".Git", b"git~1", b".git ", b"..", b".", ".g\u{200c}it".as_bytes()] {
        let mut entries = vec![("40000", name, inner.as_str()), ("100644", &b"solution.py"[..], good.as_str())];
        entries.sort_by_key(|(_, name, _)| name.to_vec());
        push(&raw_tree(&clone, &entries)).fails();
    }
    // The same entry twice, names with a slash in them, modes that are none.
    let twice = [("100644", &b"solution.py"[..], good.as_str()), ("100644", b"solution.py", hook.as_str())];
    push(&raw_tree(&clone, &twice)).fails();
    push(&raw_tree(&clone, &[("100644", b"a/solution.py", &good), ("100644", b"solution.py", &good)])).fails();
    push(&raw_tree(&clone, &[("100644", b"\n", &good), ("060000", b"solution.py", &good)])).fails();
    // .gitmodules, .gitattributes and others as links.
    let link = {
        clone.write("link", "/etc/passwd");
        clone.git(&["hash-object", "-w", "link"])
    };
    push(&raw_tree(&clone, &[("120000", b".gitmodules", &link), ("100644", b"solution.py", &good)])).fails();
    // As a link .gitattributes is no more than a warning to some versions of git: refused, or judged from the blob alone.
    push(&raw_tree(&clone, &[("120000", b".gitattributes", &link), ("100644", b"solution.py", &good)]));

    // Submodules from anywhere: refused, or nothing is fetched.
    let modules = [
        format!("[submodule \"a\"]\n\tpath = a\n\turl = ext::sh -c touch% {}\n", canary.display()),
        format!("[submodule \"a\"]\n\tpath = a\n\turl = file://{}\n", contest.root().display()),
        "[submodule \"a\"]\n\tpath = a\n\turl = ../../../results\n".into(),
        "[submodule \"a\"]\n\tpath = a\r\n\turl = ../x\r\n".into(),
        "[submodule \"../../hooks\"]\n\tpath = a\n\turl = https://example.org/\n".into(),
        format!("[submodule \"a\"]\n\tpath = -a\n\turl = --upload-pack=touch {}\n", canary.display()),
        format!(
            "[submodule \"a\"]\n\tpath = a\n\turl = https://example.org/\n\tupdate = !touch {}\n",
            canary.display()
        ),
        "[submodule".into(),
    ];
    for (number, text) in modules.iter().enumerate() {
        clone.write(".git/modules-file", text);
        let blob = clone.git(&["hash-object", "-w", "--no-filters", ".git/modules-file"]);
        let head = clone.git(&["rev-parse", "HEAD"]);
        clone.write(".git/program", format!("{program}# {number}\n"));
        let own = clone.git(&["hash-object", "-w", ".git/program"]);
        push(&raw_tree(
            &clone,
            &[("100644", b".gitmodules", &blob), ("160000", b"a", &head), ("100644", b"solution.py", &own)],
        ));
    }
    let taken = taken.into_inner();
    assert!(!taken.is_empty(), "a submodule that points to nowhere is not looked at");
    contest.wait_for("what was taken is judged", || {
        contest.count("accepted") >= taken.len() && contest.count("judged") == contest.count("accepted")
    });
    assert_eq!(accepted(&contest, "alice").len(), taken.len());
    for (id, blob) in &taken {
        let line = contest.event("accepted", id);
        assert_eq!((&line["size"], &line["sha256"]), (&blob.len().into(), &sha256(blob).into()), "{line}");
        assert!(blob.starts_with(program.as_bytes()));
    }
    assert!(!canary.exists(), "something of a student's was run");
    let submodules = walkdir::WalkDir::new(contest.path("git")).into_iter().flatten();
    assert_eq!(submodules.filter(|entry| entry.file_name() == "modules").count(), 0);
}
