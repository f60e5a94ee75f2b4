//! A competition before it begins: what its instructor writes.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::contest::Contest;
use super::engine::{Engine, IMAGE};

/// The public cases, in their order.
pub const CASES: [&str; 2] = ["one", "two"];
/// The private case. This word, and the next three, must not be seen by a student.
pub const HIDDEN_CASE: &str = "hidden-case";
/// What its input says.
pub const HIDDEN_TAG: &str = "HIDDEN-INPUT-TAG";
/// What its answer is worth: a number that no digest holds by chance.
pub const HIDDEN_WEIGHT: u64 = 7_000_000_001;
/// What the evaluator tells staff.
pub const STAFF_TAG: &str = "STAFF-ONLY-TAG";
/// What the inputs of the public cases say.
pub const OPEN_TAGS: [&str; 2] = ["ONE-OPEN-TAG", "TWO-OPEN-TAG"];
/// What a number is worth over the public cases.
pub const OPEN_WEIGHT: u64 = 1 + 10;

const EVALUATOR: &str = include_str!("evaluator.py");

/// An answer is a number; a case's score is that number times the case's weight, and the lower the better.
const CONFIG: &str = r#"
[competition]
title = "Numbers"
[testcases]
public = ["one", "two"]
private = ["hidden-case"]
[evaluator]
command = ["python3", "-I", "{evaluator}/evaluator.py", "{input}", "{output}"]
[languages.py]
command = ["python3", "-X", "MARKER", "{source}"]
check = ["python3", "-m", "py_compile", "{source}"]
[languages.file]
command = ["python3", "-X", "MARKER", "{source}"]
output = "file"
[languages.sh]
command = ["sh", "{source}"]
[limits]
cpu = "1s"
wall = "20s"
memory = "64 MiB"
output = "64 KiB"
scratch = "4 MiB"
[sandbox]
engine = "bubblewrap"
[submissions]
settle = "200ms"
"#;

/// A competition that has not begun.
#[derive(Debug)]
pub struct Competition {
    pub(super) engine: Engine,
    config: toml::Table,
    users: Option<String>,
}

impl Competition {
    /// One over bubblewrap, in which whoever has a good name may take part.
    pub fn new(title: &str) -> Self {
        let config = CONFIG.parse().expect("the config of the tests is TOML");
        Self { engine: Engine::Bubblewrap, config, users: None }.set("competition.title", title)
    }

    /// Judged by this engine.
    #[must_use]
    pub fn engine(mut self, engine: Engine) -> Self {
        self.engine = engine;
        match engine {
            Engine::Bubblewrap => self.set("sandbox.engine", "bubblewrap"),
            Engine::Docker => self.set("sandbox.engine", "docker").set("sandbox.image", IMAGE),
            Engine::Runsc => {
                let docker = self.set("sandbox.engine", "docker").set("sandbox.image", IMAGE);
                docker.set("sandbox.runtime", "runsc")
            }
        }
    }

    /// Only these may take part, each in a role.
    #[must_use]
    pub fn users(mut self, users: &[(&str, &str)]) -> Self {
        self.users = Some(users_csv(users));
        self
    }

    /// With another setting, by its full name.
    #[must_use]
    pub fn set(mut self, key: &str, value: impl Into<toml::Value>) -> Self {
        set(&mut self.config, key, value.into());
        self
    }

    /// Everything on disk, and no daemon.
    pub fn prepare(self) -> Contest {
        self.engine.require();
        let contest = Contest::new(self.engine);
        let root = contest.root();
        for folder in ["inbox", "evaluator", "results"] {
            fs::create_dir(root.join(folder)).expect("a folder of the home");
        }
        fs::set_permissions(root.join("results"), fs::Permissions::from_mode(0o700))
            .expect("nobody looks into results/");
        fs::write(root.join("evaluator/evaluator.py"), EVALUATOR).expect("the evaluator");
        write_case(root, "one", OPEN_TAGS[0], 1);
        write_case(root, "two", OPEN_TAGS[1], 10);
        write_case(root, HIDDEN_CASE, HIDDEN_TAG, HIDDEN_WEIGHT);
        if let Some(users) = &self.users {
            write_secret(&root.join("users.csv"), users);
        }
        contest.write_config(&self.config.to_string().replace("MARKER", &contest.marker()));
        contest
    }

    /// The same, with a daemon.
    pub fn start(self) -> Contest {
        let mut contest = self.prepare();
        contest.start();
        contest
    }
}

fn write_case(root: &Path, name: &str, tag: &str, weight: u64) {
    let folder = root.join("testcases").join(name);
    fs::create_dir_all(&folder).expect("a folder of a case");
    fs::write(folder.join("input.txt"), format!("{tag} {weight}\n")).expect("an input");
}

/// Writes what only its owner may read.
pub(super) fn write_secret(path: &Path, text: &str) {
    fs::write(path, text).expect("written");
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("nobody else reads it");
}

/// The text of a users.csv.
pub(super) fn users_csv(users: &[(&str, &str)]) -> String {
    let rows: String = users.iter().map(|(user, role)| format!("{user},secret,{role}\n")).collect();
    format!("username,password,role\n{rows}")
}

/// Sets a key by its full name, making the tables on the way.
pub(super) fn set(table: &mut toml::Table, key: &str, value: toml::Value) {
    match key.split_once('.') {
        None => {
            table.insert(key.to_owned(), value);
        }
        Some((first, rest)) => {
            let inner = table.entry(first).or_insert_with(|| toml::Table::new().into());
            set(inner.as_table_mut().expect("a table"), rest, value);
        }
    }
}
