//! `[git]`: what students push, and where it is taken from.

use super::super::ids::Extension;
use super::table::{Reader, Table};

/// `[git]`; without the table no pushes are taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Git {
    /// The one branch that is a submission when it is pushed.
    pub branch: String,
    /// The files of a commit that are submissions, each as far as the commit has it: at least one.
    pub files: Vec<SourcePath>,
    /// The account that takes pushes in.
    pub account: String,
    /// `podium git-hook`: the environment variable that names the pusher.
    pub identity_env: String,
    /// The longest push, in bytes.
    pub max_push: u64,
}

/// A file in a commit: its path from the root, and the language that its ending says.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SourcePath {
    /// Its names, with slashes between them.
    pub path: String,
    /// The language.
    pub extension: Extension,
}

/// As many files of one commit are looked at.
const MOST_FILES: usize = 16;
/// Less than this holds no program with its history.
const LEAST_PUSH: u64 = 64 << 10;

pub(super) fn read<'t>(reader: &mut Reader<'t>, root: &mut Table<'t, '_>) -> Option<Git> {
    let mut table = root.table(reader, "git");
    if !table.is_there() {
        return None;
    }
    let given = table.texts(reader, "files").unwrap_or_else(|| vec!["solution.py".into()]);
    let mut files = Vec::new();
    for text in &given {
        match source_path(text) {
            Ok(file) if files.contains(&file) => {
                reader.complain(table.line_of(reader, "files"), "git.files", format!("{text:?} is named twice"));
            }
            Ok(file) => files.push(file),
            Err(why) => reader.complain(table.line_of(reader, "files"), "git.files", format!("{text:?} {why}")),
        }
    }
    if given.is_empty() || given.len() > MOST_FILES {
        let why = format!("has to name 1 to {MOST_FILES} files, such as [\"solution.py\"]");
        reader.complain(table.line_of(reader, "files"), "git.files", why);
    }
    let git = Git {
        branch: table.parsed(reader, "branch", branch).unwrap_or_else(|| "main".into()),
        files,
        account: table.parsed(reader, "account", account).unwrap_or_else(|| "submit".into()),
        identity_env: table.parsed(reader, "identity_env", variable).unwrap_or_else(|| "GL_USER".into()),
        max_push: table.size(reader, "max_push", LEAST_PUSH).unwrap_or(16 << 20),
    };
    table.done(reader);
    Some(git)
}

/// A path that means the same to git, to a shell and to a person.
fn source_path(text: &str) -> Result<SourcePath, String> {
    let plain = |name: &str| {
        !name.is_empty()
            && !name.starts_with(['.', '-'])
            && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
    };
    let wanted = "is no path from the root of a commit; write names of letters, digits, '-', '_' and '.', with slashes between them, such as \"solution.py\" or \"src/solution.py\"";
    if text.len() > 200 || !text.split('/').all(plain) {
        return Err(wanted.into());
    }
    let (_, ending) = text.rsplit_once('.').ok_or("has no ending that says its language")?;
    let extension = ending.parse().map_err(|error| format!("has no ending that says its language: {error}"))?;
    Ok(SourcePath { path: text.into(), extension })
}

/// A branch, by its short name. Stricter than git itself.
fn branch(text: &str) -> Result<String, String> {
    let plain = |name: &str| {
        !name.is_empty()
            && !name.starts_with(['.', '-'])
            && !name.ends_with('.')
            && !name.ends_with(".lock")
            && !name.contains("..")
            && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
    };
    let good = text.len() <= 100 && text != "HEAD" && !text.starts_with("refs/") && text.split('/').all(plain);
    let wanted = || format!("{text:?} is no short name of a branch; write one such as \"main\"");
    good.then(|| text.to_owned()).ok_or_else(wanted)
}

/// An account of the machine, by the names that useradd takes.
fn account(text: &str) -> Result<String, String> {
    let good = (1..=31).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_'));
    if !good {
        return Err(format!("{text:?} is no name of an account; write one such as \"submit\""));
    }
    if text == "root" {
        return Err("root takes no strangers' bytes in; name an account that has no other right".into());
    }
    Ok(text.to_owned())
}

fn variable(text: &str) -> Result<String, String> {
    let good = (1..=64).contains(&text.len())
        && !text.starts_with(|c: char| c.is_ascii_digit())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let wanted = || format!("{text:?} is no name of an environment variable; write one such as \"GL_USER\"");
    good.then(|| text.to_owned()).ok_or_else(wanted)
}

/// The address of the site, as `competition.url` gives it, with a slash at its end.
pub(super) fn site(text: &str) -> Result<String, String> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '\'' | '<' | '>' | '\\' | '`' | '?' | '#');
    let good = rest.is_some_and(|rest| !rest.starts_with('/') && !rest.is_empty()) && text.chars().all(plain);
    if !good || text.len() > 200 {
        return Err(format!("{text:?} is no address of a site; write one such as \"https://judge.example.org/\""));
    }
    Ok(if text.ends_with('/') { text.to_owned() } else { format!("{text}/") })
}

#[cfg(test)]
mod tests {
    use crate::core::config::parse;

    const LEAST: &str = "[testcases]\npublic = [\"one\"]\n[evaluator]\ncommand = [\"true\"]\n";

    #[test]
    fn without_the_table_nothing_is_pushed_and_an_empty_one_has_defaults() {
        assert_eq!(parse(LEAST).expect("good").git, None);
        let git = parse(&format!("{LEAST}[git]\n")).expect("good").git.expect("it is there");
        assert_eq!(
            (git.branch.as_str(), git.account.as_str(), git.identity_env.as_str()),
            ("main", "submit", "GL_USER")
        );
        assert_eq!(git.max_push, 16 << 20);
        assert_eq!(git.files[0].path, "solution.py");
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        for line in [
            "branch = \"refs/heads/main\"",
            "branch = \"-main\"",
            "branch = \"a..b\"",
            "branch = \"main.lock\"",
            "branch = \"a//b\"",
            "branch = \"$(id)\"",
            "branch = \"HEAD\"",
            "files = []",
            "files = [\"../solution.py\"]",
            "files = [\"/solution.py\"]",
            "files = [\".git/solution.py\"]",
            "files = [\"*.py\"]",
            "files = [\":(glob)a.py\"]",
            "files = [\"solution\"]",
            "files = [\"solution.py\", \"solution.py\"]",
            "files = [\"a\\\\b.py\"]",
            "files = [\"solution.rb\"]",
            "account = \"root\"",
            "account = \"a b\"",
            "identity_env = \"A=B\"",
            "identity_env = \"\"",
            "max_push = \"1 B\"",
            "max_posh = \"1 MiB\"",
        ] {
            let problems = parse(&format!("{LEAST}[git]\n{line}\n")).expect_err(line);
            let text = problems[0].to_string();
            assert!(text.starts_with("config.toml:6: git."), "{line} gave {text}");
        }
    }

    #[test]
    fn the_sites_address_ends_with_a_slash() {
        let url = |url: &str| parse(&format!("{LEAST}[competition]\nurl = \"{url}\"\n"));
        for (given, read) in [
            ("https://judge.example.org", "https://judge.example.org/"),
            ("http://localhost:8000/autumn/", "http://localhost:8000/autumn/"),
        ] {
            assert_eq!(url(given).expect("good").competition.url.as_deref(), Some(read));
        }
        for bad in [
            "judge.example.org",
            "javascript:alert(1)",
            "https://",
            "https:///x",
            "https://a b",
            "https://a/?q",
            "https://a/<",
        ] {
            assert!(url(bad).is_err(), "{bad}");
        }
    }
}
