//! users.csv row by row: the list that people and `podium users` edit.

use std::collections::BTreeSet;

use super::config::Problem;
use super::ids::UserName;
use super::password::Password;
use super::text::visible;
use super::users::{FILE, Role};

/// The first line.
const HEADING: [&str; 3] = ["username", "password", "role"];
/// So many problems of one file are said; who has more mends these first.
const MOST_PROBLEMS: usize = 50;

/// Names that every machine has given away, or will: an account of one of them is not a student's.
const OF_THE_MACHINE: [&str; 40] = [
    "adm",
    "audio",
    "backup",
    "bin",
    "cdrom",
    "crontab",
    "daemon",
    "dialout",
    "disk",
    "docker",
    "ftp",
    "games",
    "gnats",
    "halt",
    "irc",
    "kmem",
    "list",
    "lp",
    "mail",
    "man",
    "messagebus",
    "news",
    "nobody",
    "nogroup",
    "operator",
    "postgres",
    "proxy",
    "root",
    "shadow",
    "shutdown",
    "sshd",
    "staff",
    "sudo",
    "sync",
    "sys",
    "systemd",
    "tty",
    "uucp",
    "wheel",
    "www-data",
];
/// Names that would be taken for the competition itself.
const OF_THE_COMPETITION: [&str; 10] =
    ["admin", "administrator", "anonymous", "everyone", "git", "guest", "instructor", "podium", "submit", "superuser"];

/// A row of users.csv.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its line, counted from 1; 0 for one that was added here.
    pub line: usize,
    /// The name.
    pub user: UserName,
    /// What stands there as the password.
    pub password: Password,
    /// The role.
    pub role: Role,
}

/// The rows of users.csv in their order: no name twice, no reserved one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Roster {
    rows: Vec<Row>,
}

/// Why a name cannot be a user's, although it is well-formed.
#[must_use]
pub fn reserved(name: &str) -> Option<&'static str> {
    if OF_THE_MACHINE.contains(&name) {
        return Some("is reserved: machines have an account or a group of this name");
    }
    let ours = OF_THE_COMPETITION.contains(&name) || name.starts_with("podium-");
    ours.then_some("is reserved: it would be taken for the competition itself")
}

impl Roster {
    /// Reads users.csv.
    ///
    /// # Errors
    /// Every [`Problem`] of the text, at most fifty. None of them quotes a password.
    pub fn parse(text: &str) -> Result<Self, Vec<Problem>> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut problems = Vec::new();
        let mut complain = |line: usize, key: &str, text: String| {
            let line = (line > 0).then_some(line);
            problems.push(Problem { file: FILE.into(), line, key: visible(key, 40), text });
        };
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .trim(csv::Trim::All)
            .from_reader(text.as_bytes());
        let (mut rows, mut seen, mut headed) = (Vec::new(), BTreeSet::new(), false);
        let mut lines = Lines { text: text.as_bytes(), at: 0, line: 1 };
        for row in reader.records() {
            let row = match row {
                Ok(row) => row,
                Err(error) => {
                    complain(lines.of(error.position()), "", "this row is not CSV in UTF-8".to_owned());
                    continue;
                }
            };
            let line = lines.of(row.position());
            let fields: Vec<&str> = row.iter().collect();
            if !headed {
                headed = true;
                if fields != HEADING {
                    complain(line, "", "the first line has to be the heading username,password,role".to_owned());
                }
                continue;
            }
            match read_row(line, &fields) {
                Ok(row) if !seen.insert(row.user.clone()) => {
                    complain(line, row.user.as_str(), "is listed twice".into())
                }
                Ok(row) => rows.push(row),
                Err(text) => complain(line, fields.first().unwrap_or(&""), text),
            }
        }
        if !headed {
            complain(0, "", "is empty; the first line has to be the heading username,password,role".to_owned());
        }
        if problems.len() > MOST_PROBLEMS {
            let more = format!("and {} problems more", problems.len() - MOST_PROBLEMS);
            problems.truncate(MOST_PROBLEMS);
            problems.push(Problem { file: FILE.into(), line: None, key: String::new(), text: more });
        }
        if problems.is_empty() { Ok(Self { rows }) } else { Err(problems) }
    }

    /// The rows, in their order.
    #[must_use]
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// Whether any row has a password or a hash of one.
    #[must_use]
    pub fn has_secrets(&self) -> bool {
        self.rows.iter().any(|row| row.password != Password::None)
    }

    /// A user's row.
    #[must_use]
    pub fn row(&self, user: &UserName) -> Option<&Row> {
        self.rows.iter().find(|row| row.user == *user)
    }

    /// Adds a user at the end.
    ///
    /// # Errors
    /// Why that name cannot be added.
    pub fn add(&mut self, user: UserName, password: Password, role: Role) -> Result<(), String> {
        if let Some(why) = reserved(user.as_str()) {
            return Err(format!("{user} {why}"));
        }
        if self.row(&user).is_some() {
            return Err(format!("{user} is listed already; `podium users reset {user}` gives a new password"));
        }
        self.rows.push(Row { line: 0, user, password, role });
        Ok(())
    }

    /// Changes a user's password. Returns whether there is such a user.
    pub fn set_password(&mut self, user: &UserName, password: Password) -> bool {
        let row = self.rows.iter_mut().find(|row| row.user == *user);
        row.map(|row| row.password = password).is_some()
    }

    /// Takes a user off the list. Returns whether there was one.
    pub fn remove(&mut self, user: &UserName) -> bool {
        let before = self.rows.len();
        self.rows.retain(|row| row.user != *user);
        self.rows.len() < before
    }

    /// The text of users.csv.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = HEADING.join(",") + "\n";
        for row in &self.rows {
            text += &format!("{},{},{}\n", row.user, quoted(row.password.field()), row.role.name());
        }
        text
    }
}

/// Counts lines as an editor does. (The csv crate is one behind after a line that ends as Windows ends them.)
struct Lines<'a> {
    text: &'a [u8],
    at: usize,
    line: usize,
}

impl Lines<'_> {
    /// The line of a row, or 0 where that is not known. Rows are asked for in their order.
    fn of(&mut self, position: Option<&csv::Position>) -> usize {
        let Some(start) = position.and_then(|position| usize::try_from(position.byte()).ok()) else { return 0 };
        while let Some(byte) = self.text.get(self.at)
            && (self.at < start || matches!(byte, b'\r' | b'\n'))
        {
            self.line += usize::from(*byte == b'\n');
            self.at += 1;
        }
        self.line
    }
}

fn read_row(line: usize, fields: &[&str]) -> Result<Row, String> {
    let [name, password, role] = fields else {
        return Err(format!("has {} fields; a row is username,password,role", fields.len()));
    };
    let role = Role::ALL.into_iter().find(|(word, _)| word == role).map(|(_, role)| role);
    let role = role.ok_or("the role has to be student, evaluator or superuser")?;
    let user: UserName = name.parse().map_err(|error: super::ids::BadName| error.to_string())?;
    if let Some(why) = reserved(name) {
        return Err(why.into());
    }
    Ok(Row { line, user, password: Password::parse(password)?, role })
}

/// A field of CSV.
fn quoted(field: &str) -> String {
    if field.contains([',', '"', ' ']) { format!("\"{}\"", field.replace('"', "\"\"")) } else { field.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECRET: &str = "s3cret";

    #[test]
    fn every_problem_with_its_line_and_no_password() {
        let text = format!(
            "username,password,role\nAlice,{SECRET},student\nbob,{SECRET},king\ncarol,{SECRET}\ndave,{SECRET},student\ndave,{SECRET},student\n../x,{SECRET},student\nroot,{SECRET},student\nerin,\"{SECRET}\n\",student\nfay,\"{SECRET}\nb\",student\n"
        );
        let problems = Roster::parse(&text).expect_err("bad");
        let shown: Vec<_> = problems.iter().map(ToString::to_string).collect();
        let lines: Vec<_> = problems.iter().filter_map(|p| p.line).collect();
        // erin's line end is at the end, where it is trimmed as a space is.
        assert_eq!(lines, [2, 3, 4, 6, 7, 8, 11], "{shown:?}");
        assert!(shown.iter().all(|line| line.starts_with("users.csv:") && !line.contains(SECRET)), "{shown:?}");
    }

    /// CFG-04: what is taken, and what is not.
    #[test]
    fn the_corpus() {
        let row = |name: &str| format!("username,password,role\n{name},,student\n");
        for good in ["a", "alice", "x2", "mira-k", " alice ", "\"alice\"", "podiumfan"] {
            assert!(Roster::parse(&row(good)).is_ok(), "{good}");
        }
        let long = "a".repeat(32);
        for bad in [
            "",
            "Alice",
            "ALICE",
            "al ice",
            "..",
            ".",
            "/",
            "a/b",
            "-a",
            "2x",
            "a_b",
            "ä",
            "аlice",
            "a\u{202e}b",
            "a$",
            "$(id)",
            "root",
            "daemon",
            "bin",
            "sys",
            "nobody",
            "sshd",
            "www-data",
            "submit",
            "git",
            "podium",
            "podium-x",
            "admin",
            "\"a\nb\"",
            "\"a,b\"",
            &long,
        ] {
            let error = Roster::parse(&row(bad)).expect_err(bad);
            assert_eq!((error.len(), error[0].line), (1, Some(2)), "{bad:?}: {error:?}");
        }
        for text in
            ["", "\n\n", "alice,x,student\n", "username;password;role\n", "username,password\n", "name,password,role\n"]
        {
            assert!(Roster::parse(text).is_err(), "{text:?}");
        }
        assert_eq!(Roster::parse("username,password,role\n").map(|roster| roster.rows().len()), Ok(0));
        assert_eq!(
            Roster::parse("\u{feff}username,password,role\r\nalice,\"a,\"\"b\",student\r\n").map(|r| r.rows().to_vec()),
            Ok(vec![Row {
                line: 2,
                user: "alice".parse().expect("a name"),
                password: Password::Plain("a,\"b".into()),
                role: Role::Student,
            }])
        );
    }

    #[test]
    fn a_hundred_thousand_rows_and_as_many_mistakes() {
        let many: String = (0..100_000).map(|i| format!("s{i},{SECRET},student\n")).collect();
        let roster = Roster::parse(&format!("username,password,role\n{many}")).expect("good");
        assert_eq!(roster.rows().len(), 100_000);
        let many: String = (0..100_000).map(|i| format!("S{i},{SECRET},student\n")).collect();
        let problems = Roster::parse(&format!("username,password,role\n{many}")).expect_err("bad");
        assert_eq!(problems.len(), MOST_PROBLEMS + 1);
        assert!(problems[MOST_PROBLEMS].text.contains("99950"), "{}", problems[MOST_PROBLEMS]);
    }

    #[test]
    fn added_reset_removed() {
        let mut roster = Roster::parse("username,password,role\nbo,,student\nal,x1,evaluator\n").expect("good");
        let name = |name: &str| name.parse::<UserName>().expect("a name");
        assert!(roster.add(name("bo"), Password::None, Role::Student).is_err());
        assert!(roster.add(name("root"), Password::None, Role::Student).is_err());
        roster.add(name("cy"), Password::None, Role::Superuser).expect("added");
        assert!(
            roster.set_password(&name("bo"), Password::Plain("a b".into())) && !roster.remove(&name("nobody-here"))
        );
        assert!(roster.remove(&name("al")));
        assert_eq!(roster.text(), "username,password,role\nbo,\"a b\",student\ncy,,superuser\n");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(passwords in proptest::collection::vec("[ -~]{0,12}", 0..5)) {
            let mut roster = Roster::default();
            for (i, text) in passwords.iter().enumerate() {
                if let Ok(password) = Password::parse(text.trim()) {
                    roster.add(format!("u{i}").parse().expect("a name"), password, Role::Student).expect("added");
                }
            }
            let again = Roster::parse(&roster.text()).expect("its own text");
            let fields = |roster: &Roster| roster.rows().iter().map(|row| (row.user.clone(), row.password.clone())).collect::<Vec<_>>();
            prop_assert_eq!(fields(&again), fields(&roster));
        }
    }
}
