//! What users.csv says of a password: nothing, a hash that sshd can use, or the password itself until provisioning hashes it.

use std::fmt;

/// Longer ones are cut off by some program on the way.
const LONGEST: usize = 200;
/// crypt(3) knows no longer hash.
const LONGEST_HASH: usize = 384;
/// The hashes of crypt(3) that are strong, by what they begin with.
const STRONG: [&str; 8] = ["$y$", "$gy$", "$7$", "$6$", "$5$", "$2b$", "$2a$", "$2y$"];

/// The second field of a row. Shown by `Debug` as what kind it is, and nowhere else.
#[derive(Clone, PartialEq, Eq)]
pub enum Password {
    /// The field is empty: the account has no password, and lets in by a key only.
    None,
    /// A hash of crypt(3), without anything that could end a line or a field of /etc/shadow.
    Hash(String),
    /// The password itself.
    Plain(String),
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind())
    }
}

impl Password {
    /// Reads the field.
    ///
    /// # Errors
    /// What is wrong with it, without the field's own words.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        if text.is_empty() {
            return Ok(Password::None);
        }
        if text.starts_with('$') {
            let strong = STRONG.iter().any(|id| text.len() > id.len() + 20 && text.starts_with(id));
            let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"./$=,_-+".contains(&b));
            return if strong && plain && text.len() <= LONGEST_HASH {
                Ok(Password::Hash(text.into()))
            } else {
                Err(
                    "the password begins with $ and is no hash that sshd can use: leave the field empty and run `podium users reset`",
                )
            };
        }
        if ["*", "!", "!!"].contains(&text) || text.starts_with("!$") || text.starts_with("*$") {
            return Err(
                "the password is what /etc/shadow says for none: leave the field empty for a user who has keys only",
            );
        }
        if text.chars().any(char::is_control) {
            return Err(
                "the password has a control character or a line end in it; is a quotation mark missing in this row?",
            );
        }
        if text.len() > LONGEST {
            return Err("the password is longer than 200 bytes");
        }
        Ok(Password::Plain(text.into()))
    }

    /// The field as it is written.
    #[must_use]
    pub fn field(&self) -> &str {
        match self {
            Password::None => "",
            Password::Hash(text) | Password::Plain(text) => text,
        }
    }

    /// What kind it is, in a word for people and programs.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Password::None => "none",
            Password::Hash(_) => "hash",
            Password::Plain(_) => "plain",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_kinds_and_what_is_none_of_them() {
        let yescrypt = "$y$j9T$LdJMENpBABJJ3hIHjB1Bi.$hLaZXcKh6m7JYeftf3YBX9tUkp4CF5Pqe06e1mb9bt8";
        assert_eq!(Password::parse(""), Ok(Password::None));
        assert_eq!(Password::parse(yescrypt), Ok(Password::Hash(yescrypt.into())));
        assert_eq!(Password::parse("a,b:c \"d\""), Ok(Password::Plain("a,b:c \"d\"".into())));
        let injected = format!("{yescrypt}\nroot:$y$j9T$x");
        let argon = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$q6fGXHhrk4xqtSB4ULQYTw".to_owned();
        for bad in ["a\nb", "a\rb", "a\0b", "*", "!", "$1$abc$def", "$", "$y$", &injected, &argon, &"a".repeat(201)] {
            let error = Password::parse(bad).expect_err("not a password");
            assert!(bad.len() < 4 || !error.contains(bad), "{error}");
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        let password = Password::parse("hunter2").expect("plain");
        assert_eq!(format!("{password:?}"), "plain");
    }
}
