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
const GROUND_UP: [&str; 25] = [
    // 0: pure
    "core", // 1: edges
    "files", "home", "random", "accounts", "images", "sandbox", "journal", "inbox", "archive", "material", "settings",
    "check", "judge", "outbox", "site", "export", "staff", "git", "client", // 2 and 3
    "daemon", "cli", "lib", "main", "bin",
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

/// A template without what is no text of the page: comments, statements, expressions.
fn without_code(text: &str) -> String {
    let mut left = String::new();
    let mut rest = text;
    while let Some(open) = ["{#", "{%", "{{"].iter().filter_map(|open| rest.find(open)).min() {
        let close = ["#}", "%}", "}}"]
            [["{#", "{%", "{{"].iter().position(|mark| rest[open..].starts_with(mark)).expect("one of them")];
        left += &rest[..open];
        let end = rest[open..].find(close).expect("what is opened is closed") + open + close.len();
        // Lines stay, to name them.
        left.extend(rest[open..end].chars().filter(|c| *c == '\n'));
        rest = &rest[end..];
    }
    left + rest
}

/// The texts between the tags of a page, and in those of their attributes that people read or hear.
fn words_of(html: &str) -> Vec<(usize, String)> {
    const READ: [&str; 6] = ["title=\"", "alt=\"", "aria-label=\"", "placeholder=\"", "data-label=\"", "label=\""];
    let mut found = Vec::new();
    let mut line = 1;
    for (index, piece) in html.split('<').enumerate() {
        let (tag, text) = if index == 0 { ("", piece) } else { piece.split_once('>').unwrap_or((piece, "")) };
        for name in READ {
            for value in tag.split(name).skip(1) {
                found.push((line, value.split('"').next().unwrap_or_default().to_owned()));
            }
        }
        line += tag.matches('\n').count();
        if !tag.starts_with("style") {
            found.push((line, text.to_owned()));
        }
        line += text.matches('\n').count();
    }
    found
}

#[test]
fn templates_have_no_words_of_their_own() {
    // Staff read English.
    const ENGLISH: [&str; 1] = ["staff.html"];
    // The same in every language.
    const NO_WORDS: [&str; 1] = ["UTC"];
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("site-templates");
    let mut seen = 0;
    for entry in fs::read_dir(&root).expect("site-templates/ can be read") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        if path.is_dir() || ENGLISH.contains(&name.as_str()) {
            continue;
        }
        seen += 1;
        let text = fs::read_to_string(&path).expect("a text");
        for (line, words) in words_of(&without_code(&text)) {
            let mut left = words.clone();
            for known in NO_WORDS {
                left = left.replace(known, "");
            }
            // An entity is a sign.
            let left: String = left
                .split('&')
                .enumerate()
                .map(|(i, part)| if i == 0 { part } else { part.split_once(';').map_or(part, |(_, rest)| rest) })
                .collect();
            assert!(
                !left.chars().any(char::is_alphabetic),
                "site-templates/{name}, near line {line}: {:?} stands there in one language: give it a key in strings/en.toml and \
                 strings/de.toml, and write t(\"…\")",
                words.trim()
            );
        }
        // And none that a template makes of texts in its expressions: those of two words, or with a capital, are for people.
        for (offset, literal) in literals(&text) {
            let line = text[..offset].matches('\n').count() + 1;
            let wordy = literal.contains(' ')
                && literal
                    .split(' ')
                    .filter(|word| word.chars().count() > 1 && word.chars().all(char::is_alphabetic))
                    .count()
                    > 1;
            let capital = literal.len() > 2
                && literal.starts_with(|c: char| c.is_ascii_uppercase())
                && literal.chars().skip(1).all(|c| c.is_ascii_lowercase());
            assert!(!wordy && !capital, "site-templates/{name}:{line}: {literal:?} belongs into the strings");
        }
    }
    assert!(seen >= 9, "{seen} templates only");
}

/// The texts in the expressions of a template, with where they begin.
fn literals(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(open) = text[from..].find("{{").map(|at| at + from) {
        let close = text[open..].find("}}").map_or(text.len(), |at| at + open);
        let mut at = open;
        for (index, part) in text[open..close].split('"').enumerate() {
            // What a command line says is no sentence.
            if index % 2 == 1 && !part.starts_with("git push") {
                found.push((at, part.to_owned()));
            }
            at += part.len() + 1;
        }
        from = close;
    }
    found
}

#[test]
fn the_scripts_say_what_the_strings_have_and_nothing_else() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("site-templates");
    let script: String = ["podium.js", "submission.js"]
        .map(|name| fs::read_to_string(root.join("assets").join(name)).expect("a script"))
        .concat();
    let strings = fs::read_to_string(root.join("strings/en.toml")).expect("en.toml");
    let strings: toml::Table = strings.parse().expect("TOML");
    let script: String = script.split("/*").map(|part| part.split_once("*/").map_or(part, |(_, rest)| rest)).collect();
    let code: Vec<&str> = script.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let code = code.join("\n");
    for key in strings["script"].as_table().expect("a table").keys() {
        assert!(code.contains(&format!("'{key}'")), "no script says script.{key}");
    }
    for mark in ["t('", "pieces('"] {
        for (offset, _) in code.match_indices(mark) {
            // Not the end of a longer name, such as get('…').
            if code[..offset].ends_with(|c: char| c.is_ascii_alphanumeric()) {
                continue;
            }
            let key = code[offset + mark.len()..].split('\'').next().unwrap_or_default();
            assert!(strings["script"].get(key).is_some(), "script.{key} is in no strings");
        }
    }
    // A sentence between quotes: two words that begin with a small or a capital letter.
    for literal in code.lines().flat_map(|line| line.split(['\'', '`']).skip(1).step_by(2)) {
        let words =
            literal.split(' ').filter(|word| word.len() > 2 && word.chars().all(|c| c.is_ascii_alphabetic())).count();
        let known = ["not a page of Podium", "use strict", "tbody tr"];
        assert!(
            words < 2 || literal.contains(['.', '[', '(']) || known.iter().any(|known| literal.contains(known)),
            "a script says {literal:?} itself"
        );
    }
}
