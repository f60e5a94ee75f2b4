//! Whose a push is (INB-14): the key says it, and no author, attribute, replacement, note or graft changes a byte.

use std::fs;
use std::process::Command;

use super::{accepted, started};
use crate::support::push::{Clone, account};
use crate::support::{answer, sha256};

#[test]
fn a_push_is_the_users_of_the_key_whoever_the_author_is() {
    let contest = started("Authors");
    let clone = Clone::new(&contest, "alice");
    // Every commit of these tests says that bob is its author.
    clone.commit_solution(answer("4"));
    assert!(clone.git(&["log", "--format=%an"]).contains("bob"));
    let id = clone.submit().succeeds().id();
    assert_eq!(contest.event("accepted", &id)["user"], "alice");
    assert_eq!((accepted(&contest, "alice").len(), accepted(&contest, "bob").len()), (1, 0));
}

#[test]
fn attributes_replacements_notes_and_grafts_change_no_byte() {
    let contest = started("Attributes");
    let clone = Clone::new(&contest, "alice");
    let evil = answer("1");
    // What the blob holds, whatever an archive, a checkout or a filter would make of it.
    let program = format!("# $Id$ $Format:%an$\r\n{}", answer("4"));
    clone.write(
        ".gitattributes",
        "*.py export-ignore export-subst ident working-tree-encoding=UTF-16 filter=x diff=x merge=x text eol=lf\n",
    );
    clone.write("evil.py", &evil);
    let blob = |bytes: &str| {
        clone.write("blob", bytes);
        let blob = clone.git(&["hash-object", "-w", "--no-filters", "blob"]);
        fs::remove_file(clone.folder.join("blob")).expect("removed");
        blob
    };
    let (good, bad) = (blob(&program), blob(&evil));
    let commit = |blob: &str, parent: Option<&str>| {
        clone.git(&["read-tree", "--empty"]);
        clone.git(&["update-index", "--add", "--cacheinfo", &format!("100644,{blob},solution.py")]);
        clone.git(&["update-index", "--add", ".gitattributes"]);
        let tree = clone.git(&["write-tree"]);
        let parent: Vec<_> = parent.iter().flat_map(|parent| ["-p", *parent]).collect();
        clone.git(&[&["commit-tree", "-m", "x", &tree], &parent[..]].concat())
    };
    let wrong = commit(&bad, None);
    let right = commit(&good, Some(&wrong));
    clone.git(&["update-ref", "refs/heads/main", &right]);
    clone.git(&["replace", &good, &bad]);
    clone.git(&["replace", &right, &wrong]);
    clone.git(&["notes", "add", "-f", "-m", "solution.py: other", &wrong]);
    // Neither of them can be pushed beside the branch, or in its place.
    let all = clone.push(&[
        "ssh://submit@judge/submissions",
        "main:main",
        "refs/replace/*:refs/replace/*",
        "refs/notes/*:refs/notes/*",
    ]);
    all.fails().says("Only the branch main is taken here");
    // Even those that lie in the repository already, as a git of another version might have let them in, change nothing.
    clone.push(&["ssh://submit@judge/submissions", &format!("{right}:refs/heads/main")]).succeeds();
    contest.wait_for_judged(1);
    let (uid, gid) = account();
    let repository = contest.path("git/alice.git");
    fs::create_dir_all(repository.join("info")).expect("made");
    fs::write(repository.join("info/grafts"), format!("{right}\n")).expect("written");
    fs::write(repository.join("info/attributes"), "* filter=x export-ignore\n").expect("written");
    let again = commit(&good, Some(&right));
    let mut inside = Command::new("setpriv");
    inside.args(["--reuid", &uid.to_string(), "--regid", &gid.to_string(), "--clear-groups", "git"]);
    inside.arg("-C").arg(&repository).args(["replace", &good, &bad]);
    assert!(inside.env("HOME", "/").status().expect("git runs").success());
    let pushed = clone.push(&["ssh://submit@judge/submissions", &format!("{again}:refs/heads/main")]).succeeds();
    let id = pushed.says("Accepted as number 2").id();
    contest.wait_for_judged(2);
    for line in accepted(&contest, "alice") {
        assert_eq!(line["sha256"], sha256(program.as_bytes()), "{line}");
    }
    assert_eq!(contest.outcome(&id)["public_score"], 44);
}
