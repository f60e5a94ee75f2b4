//! Who may submit, and who is ranked.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::config::Problem;
use super::ids::UserName;
use super::roster::Roster;

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

impl Role {
    /// Every role, with its name in users.csv.
    pub const ALL: [(&str, Role); 3] =
        [("student", Role::Student), ("evaluator", Role::Evaluator), ("superuser", Role::Superuser)];

    /// Its name in users.csv.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Role::Student => "student",
            Role::Evaluator => "evaluator",
            Role::Superuser => "superuser",
        }
    }
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
    /// Those of [`Roster::parse`].
    pub fn parse(text: &str) -> Result<Users, Vec<Problem>> {
        Roster::parse(text).map(|roster| Users::from(&roster))
    }
}

impl From<&Roster> for Users {
    fn from(roster: &Roster) -> Self {
        Users::Listed(roster.rows().iter().map(|row| (row.user.clone(), row.role)).collect())
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
    fn a_role_has_one_spelling() {
        for (name, role) in Role::ALL {
            assert_eq!(role.name(), name);
            assert_eq!(serde_json::to_value(role).expect("a word"), name);
        }
    }
}
