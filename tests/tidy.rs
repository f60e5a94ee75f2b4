//! What keeps the tree in shape: floors that only look down, a core without I/O, files that own one noun.

use std::fs;
use std::path::{Path, PathBuf};

/// Every Rust file of src/, with its text.
fn sources() -> Vec<(PathBuf, String)> {
    fn walk(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
        for entry in fs::read_dir(folder).expect("src/ can be read") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("a text");
                found.push((path, text));
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    walk(&root, &mut found);
    assert!(found.len() > 40, "the walk found {} files only", found.len());
    found.into_iter().map(|(path, text)| (path.strip_prefix(&root).expect("below src/").to_owned(), text)).collect()
}

/// The part of a file that ships: what stands before its tests.
fn shipped(text: &str) -> &str {
    text.split("#[cfg(test)]").next().unwrap_or(text)
}

/// The first folder or file of a path: the module of the crate's root.
fn module(path: &Path) -> String {
    path.iter().next().map(|first| first.to_string_lossy().trim_end_matches(".rs").to_owned()).unwrap_or_default()
}

/// The modules from the ground up: each may use those that stand before it. The floors of ARCHITECTURE.md are these, in groups.
const GROUND_UP: [&str; 16] = [
    // 0: pure
    "core", // 1: edges
    "files", "home", "sandbox", "journal", "inbox", "archive", "material", "settings", "check", "judge", "site",
    // 2 and 3
    "daemon", "cli", "lib", "main",
];

/// How high a module stands.
fn height(module: &str) -> Option<usize> {
    GROUND_UP.iter().position(|name| *name == module)
}

/// The modules of the crate's root that a text names, by `crate::`.
fn used(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for rest in text.split("crate::").skip(1) {
        // `use crate::{journal, settings};` names several.
        let names = rest.strip_prefix('{').and_then(|list| list.split_once('}')).map_or(rest, |(list, _)| list);
        let several = rest.starts_with('{');
        for name in names.split(',').take(if several { usize::MAX } else { 1 }) {
            let name: String = name.trim().chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
            found.push(name);
        }
    }
    found
}

#[test]
fn floors_only_look_down() {
    for (path, text) in sources() {
        let own = module(&path);
        let height_of = |name: &str| {
            height(name)
                .unwrap_or_else(|| panic!("{name} stands nowhere: place it in GROUND_UP and in ARCHITECTURE.md"))
        };
        for name in used(shipped(&text)) {
            assert!(name == own || height_of(&name) < height_of(&own), "{} looks up at {name}", path.display());
        }
    }
}

#[test]
fn the_core_does_no_io_and_has_no_clock() {
    let banned = [
        "std::fs",
        "std::net",
        "std::env",
        "std::process",
        "std::thread",
        "std::io",
        "Utc::now",
        "SystemTime",
        "Instant",
        "tokio",
        "tracing",
        "rustix",
        "println!",
    ];
    for (path, text) in sources().into_iter().filter(|(path, _)| module(path) == "core") {
        for word in banned {
            assert!(!shipped(&text).contains(word), "{} uses {word}", path.display());
        }
    }
}

#[test]
fn every_file_says_what_it_is_for_and_fits_in_a_head() {
    const MOST_LINES: usize = 600;
    for (path, text) in sources() {
        assert!(
            text.starts_with("//! ") || text.starts_with("#!"),
            "{} does not begin with what it is for",
            path.display()
        );
        let lines = shipped(&text).lines().count();
        assert!(lines <= MOST_LINES, "{} has {lines} lines: which two nouns does it own?", path.display());
    }
}

#[test]
fn the_program_that_is_tested_is_the_one_that_ships() {
    for (path, text) in sources() {
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            assert!(
                !line.contains("cfg!(test)") && !line.contains("cfg(not(test))"),
                "{}:{} forks by cfg(test)",
                path.display(),
                number + 1
            );
            assert!(
                !line.starts_with("#[ignore") && !line.starts_with("#[allow("),
                "{}:{}: {line}",
                path.display(),
                number + 1
            );
        }
    }
}

#[test]
fn no_dump_drawers() {
    for (path, _) in sources() {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        assert!(
            !["util", "utils", "helper", "helpers", "common", "misc", "imp"].contains(&name.as_str()),
            "{}: a file owns one noun",
            path.display()
        );
    }
}
