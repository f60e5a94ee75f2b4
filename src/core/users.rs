//! Who may submit, and who is ranked: users.csv.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::config::Problem;
use super::ids::UserName;

/// The file that the users are read from.
pub const FILE: &str = "users.csv";

/// What a user is here for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Ranked.
    #[default]
    Student,
    /// Submits unranked reference entries.
    Evaluator,
    /// The same, and runs the competition.
    Superuser,
}

/// The users of a competition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Users {
    /// There is no users.csv: whoever has a well-formed name is a student.
    Anyone,
    /// Those that users.csv lists.
    Listed(BTreeMap<UserName, Role>),
}

impl Users {
    /// A user's role; `None` for one who may not submit.
    #[must_use]
    pub fn role(&self, user: &UserName) -> Option<Role> {
        match self {
            Users::Anyone => Some(Role::Student),
            Users::Listed(roles) => roles.get(user).copied(),
        }
    }

    /// The role under which a user's submissions show: whoever was removed from the list keeps that of the last one.
    #[must_use]
    pub fn role_in_history(&self, user: &UserName, recorded: Option<Role>) -> Role {
        self.role(user).or(recorded).unwrap_or_default()
    }

    /// Reads users.csv. Passwords are not kept.
    ///
    /// # Errors
    /// Every [`Problem`] of the text. None of them quotes a password.
    pub fn parse(text: &str) -> Result<Users, Vec<Problem>> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut problems = Vec::new();
        let mut complain = |line: u64, key: &str, text: String| {
            let line = usize::try_from(line).ok();
            problems.push(Problem { file: FILE.into(), line, key: super::text::visible(key, 40), text });
        };
        let mut rows = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .trim(csv::Trim::All)
            .from_reader(text.as_bytes());
        let mut roles = BTreeMap::new();
        for (index, row) in rows.records().enumerate() {
            let row = match row {
                Ok(row) => row,
                Err(error) => {
                    complain(
                        error.position().map_or(0, csv::Position::line),
                        "",
                        "this row is not CSV in UTF-8".to_owned(),
                    );
                    continue;
                }
            };
            let line = row.position().map_or(0, csv::Position::line);
            let fields: Vec<&str> = row.iter().collect();
            if index == 0 {
                if fields != ["username", "password", "role"] {
                    complain(line, "", "the first line has to be the heading username,password,role".to_owned());
                }
                continue;
            }
            let [name, _password, role] = fields[..] else {
                complain(
                    line,
                    fields.first().unwrap_or(&""),
                    format!("has {} fields; a row is username,password,role", fields.len()),
                );
                continue;
            };
            let role = match role {
                "student" => Role::Student,
                "evaluator" => Role::Evaluator,
                "superuser" => Role::Superuser,
                _ => {
                    complain(line, name, "the role has to be student, evaluator or superuser".to_owned());
                    continue;
                }
            };
            match name.parse::<UserName>() {
                Ok(user) => {
                    if roles.insert(user, role).is_some() {
                        complain(line, name, "is listed twice".to_owned());
                    }
                }
                Err(error) => complain(line, name, error.to_string()),
            }
        }
        if problems.is_empty() { Ok(Users::Listed(roles)) } else { Err(problems) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_as_excel_saves_it() {
        let users = Users::parse("\u{feff}username,password,role\r\nalice,\"a,b\",student\r\nbob,,superuser\r\n")
            .expect("good");
        assert_eq!(users.role(&"alice".parse().expect("name")), Some(Role::Student));
        assert_eq!(users.role(&"bob".parse().expect("name")), Some(Role::Superuser));
        assert_eq!(users.role(&"carol".parse().expect("name")), None);
    }

    #[test]
    fn every_problem_with_its_line_and_no_password() {
        let text = "username,password,role\nAlice,s3cret,student\nbob,s3cret,king\ncarol,s3cret\ndave,s3cret,student\ndave,s3cret,student\n../x,s3cret,student\n";
        let problems = Users::parse(text).expect_err("bad");
        let shown: Vec<_> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(problems.iter().map(|p| p.line).collect::<Vec<_>>(), [Some(2), Some(3), Some(4), Some(6), Some(7)]);
        assert!(shown.iter().all(|line| line.starts_with("users.csv:") && !line.contains("s3cret")), "{shown:?}");
    }

    #[test]
    fn a_missing_heading_is_said() {
        assert!(Users::parse("alice,x,student\n").is_err());
        assert_eq!(Users::parse("username,password,role\n"), Ok(Users::Listed(BTreeMap::new())));
    }
}
