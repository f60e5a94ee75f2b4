//! What an ssh client asks for: a push or a fetch of the one repository, and nothing else. No shell reads any of it.

use super::{Door, GitError};
use crate::core::text::visible;

/// What git is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Service {
    /// `git push`.
    Receive,
    /// `git fetch`, `git clone`.
    Upload,
}

impl Service {
    /// The command of git's that does it.
    pub(super) fn command(self) -> &'static str {
        match self {
            Service::Receive => "receive-pack",
            Service::Upload => "upload-pack",
        }
    }
}

/// Reads what stands in `SSH_ORIGINAL_COMMAND`.
pub(super) fn read(door: &Door, command: Option<&str>) -> Result<Service, GitError> {
    let wanted = door.wanted();
    let Some(command) = command else {
        return Err(GitError::Refused(format!("There is no shell here. Push your program instead: {wanted}")));
    };
    service(command).ok_or_else(|| {
        let asked = visible(command, 100);
        GitError::Refused(format!("Only pushes to and fetches from the path submissions are taken here, and this is neither: {asked}\nType: {wanted}"))
    })
}

fn service(command: &str) -> Option<Service> {
    let (program, rest) = command.split_once(' ')?;
    let (program, rest) = match program {
        "git" => rest.split_once(' ')?,
        program => (program.strip_prefix("git-")?, rest),
    };
    let service = match program {
        "receive-pack" => Service::Receive,
        "upload-pack" => Service::Upload,
        _ => return None,
    };
    let path = ['\'', '"'].into_iter().find_map(|quote| rest.strip_prefix(quote)?.strip_suffix(quote)).unwrap_or(rest);
    let path = path.strip_prefix('/').unwrap_or(path);
    let path = path.strip_suffix(".git").unwrap_or(path);
    (path == "submissions").then_some(service)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_path_is_taken_however_it_is_written() {
        for path in ["submissions", "/submissions", "submissions.git", "/submissions.git"] {
            for quoted in [path.to_owned(), format!("'{path}'"), format!("\"{path}\"")] {
                assert_eq!(service(&format!("git-receive-pack {quoted}")), Some(Service::Receive), "{quoted}");
                assert_eq!(service(&format!("git upload-pack {quoted}")), Some(Service::Upload), "{quoted}");
            }
        }
    }

    #[test]
    fn nothing_else_is() {
        for command in [
            "",
            "git-receive-pack",
            "git-receive-pack ''",
            "git-receive-pack '/'",
            "git-receive-pack '/submissions/'",
            "git-receive-pack '//submissions'",
            "git-receive-pack '/submissions.git.git'",
            "git-receive-pack '../submissions'",
            "git-receive-pack '/submissions/../../results'",
            "git-receive-pack '/bob.git'",
            "git-receive-pack '~/submissions'",
            "git-receive-pack 'submissions' ; id",
            "git-receive-pack 'submissions'\nid",
            "git-receive-pack $(id)",
            "git-receive-pack --upload-pack=id submissions",
            "git-receive-pack  submissions",
            "git-upload-archive 'submissions'",
            "git-shell -c id",
            "git -c core.pager=id receive-pack submissions",
            "scp -t submissions",
            "rsync --server . submissions",
            "sh",
            "podium users list",
            "internal-sftp",
        ] {
            assert_eq!(service(command), None, "{command:?}");
        }
    }
}
