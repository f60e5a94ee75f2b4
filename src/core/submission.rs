//! What the name of a file in the inbox says, and what it is refused for.

use super::ids::{Extension, SubmissionId, UserName};

/// A name of the form `<user>_<uuid>.<ext>`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileName {
    /// Whose it says it is.
    pub user: UserName,
    /// The id that the sender chose.
    pub id: SubmissionId,
    /// The language.
    pub extension: Extension,
}

/// A folder of one user's own in the inbox, `inbox/<user>/<door>/`: whatever lies in it is that user's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Folder {
    /// Whose it is.
    pub user: UserName,
    /// Who puts files into it.
    pub door: Door,
}

/// How a file comes into a user's folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Door {
    /// The user drops it, by SFTP say.
    In,
    /// It was in a commit that the user pushed.
    Git,
}

impl Door {
    /// Every one.
    pub const ALL: [Door; 2] = [Door::In, Door::Git];

    /// The folder's own name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Door::In => "in",
            Door::Git => "git",
        }
    }
}

/// What a file's name makes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Named {
    /// A submission.
    Submission(FileName),
    /// A temporary name, as clients use it while they send: left alone.
    Temporary,
    /// Anything else, and why.
    Bad(String),
}

/// Endings of names that clients give to files which are still on their way (`FileZilla`, `WinSCP`, browsers, editors).
const TEMPORARY_ENDINGS: [&str; 6] = [".part", ".filepart", ".tmp", ".swp", ".crdownload", "~"];

/// Reads a file's name.
#[must_use]
pub fn read_name(name: &str) -> Named {
    if name.starts_with('.') || TEMPORARY_ENDINGS.iter().any(|ending| name.ends_with(ending)) {
        return Named::Temporary;
    }
    let wanted = "a submission's name is <user>_<uuid>.<ext>";
    let Some((user, rest)) = name.split_once('_') else {
        return Named::Bad(wanted.into());
    };
    let Some((id, extension)) = rest.split_once('.') else {
        return Named::Bad(wanted.into());
    };
    match (user.parse(), id.parse(), extension.parse()) {
        (Ok(user), Ok(id), Ok(extension)) => Named::Submission(FileName { user, id, extension }),
        (Err(error), _, _) | (_, Err(error), _) | (_, _, Err(error)) => Named::Bad(format!("{wanted}: {error}")),
    }
}

impl std::fmt::Display for FileName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}_{}.{}", self.user, self.id, self.extension)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ID: &str = "6f0c1e9a-5d1b-4c39-9f0e-0d9f1c2b3a4d";

    #[test]
    fn only_the_exact_pattern_is_a_submission() {
        assert!(matches!(read_name(&format!("mira-k_{ID}.py")), Named::Submission(_)));
        for bad in [
            format!("Mira_{ID}.py"),
            format!("mira_{ID}.PY"),
            format!("mira_{ID}.py.zip"),
            format!("mira_{ID}"),
            format!("mira_{ID}."),
            format!("mira_{ID} .py"),
            format!("mira_x_{ID}.py"),
            format!("_{ID}.py"),
            format!("mira_{}.py", ID.replace('-', "")),
            format!("mirа_{ID}.py"),
            format!("-rf_{ID}.py"),
            format!("mira_{ID}.p\ny"),
            "x".repeat(255),
            "<img onerror=alert(1)>".into(),
            "$(id);%s\"'".into(),
        ] {
            assert!(matches!(read_name(&bad), Named::Bad(_)), "{bad:?}");
        }
    }

    #[test]
    fn temporary_names_are_left_alone() {
        for name in [
            format!(".mira_{ID}.py.x7"),
            format!("mira_{ID}.py.part"),
            format!("mira_{ID}.py.filepart"),
            format!("mira_{ID}.py~"),
        ] {
            assert_eq!(read_name(&name), Named::Temporary, "{name:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_answered(name in any::<String>()) {
            let _ = read_name(&name);
        }
        #[test]
        fn what_is_read_is_printed_as_it_was(name in "[a-z][a-z0-9-]{0,30}_[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\\.[a-z0-9]{1,16}") {
            prop_assert!(matches!(read_name(&name), Named::Submission(file) if file.to_string() == name));
        }
    }
}
