//! The files of a commit that are submissions: read from its blobs, by their paths, and looked at before anything is taken.

use std::path::Path;

use super::command::Repository;
use super::identity::Oid;
use super::{GitError, failed};
use crate::core::config::SourcePath;
use crate::core::text::visible;

/// The first words of a file that stands for another one in Git LFS.
const LFS: &[u8] = b"version https://git-lfs.github.com/spec/";
/// What git prints of one path, at most.
const LINE: u64 = 4 << 10;

/// A file that is to be a submission.
#[derive(Debug)]
pub(super) struct Picked {
    pub(super) source: SourcePath,
    pub(super) bytes: Vec<u8>,
}

/// What a tree says of a path.
struct Entry {
    mode: String,
    oid: Oid,
    size: u64,
}

impl Repository<'_> {
    /// The files that config.toml names, as far as the commit has them.
    ///
    /// # Errors
    /// [`GitError::Refused`]: it has none of them, or one that cannot be taken.
    pub(super) fn picks(&self, commit: &Oid) -> Result<Vec<Picked>, GitError> {
        // A tag or a tree is no commit.
        let kind = self.ask(&["cat-file", "-t", commit.as_str()], LINE)?;
        if kind.as_deref() != Some(b"commit\n") {
            return Err(GitError::Refused(format!("{} is not a commit.", commit.short())));
        }
        let mut picks = Vec::new();
        let mut reasons = Vec::new();
        for source in &self.door.git.files {
            match self.entry(commit, &source.path)? {
                None => {}
                Some(entry) => match self.pick(source, &entry)? {
                    Ok(bytes) => picks.push(Picked { source: source.clone(), bytes }),
                    Err(reason) => reasons.push(format!("{} {reason}", source.path)),
                },
            }
        }
        if picks.is_empty() && reasons.is_empty() {
            let names: Vec<_> = self.door.git.files.iter().map(|source| source.path.as_str()).collect();
            let why = format!("Commit {} has no file {}.", commit.short(), names.join(" and no file "));
            return Err(GitError::Refused(format!("{why} Add your program under that name, commit, and push again.")));
        }
        if reasons.is_empty() {
            Ok(picks)
        } else {
            let refused = format!("Commit {} cannot be taken:", commit.short());
            Err(GitError::Refused(format!("{refused} {}.", reasons.join("; "))))
        }
    }

    /// What a commit has at a path. Links on the way are not followed: to git they are files.
    fn entry(&self, commit: &Oid, path: &str) -> Result<Option<Entry>, GitError> {
        let arguments = ["ls-tree", "-z", "-l", "--full-tree", commit.as_str(), "--", path];
        let printed = self.ask(&arguments, LINE)?;
        let what = || failed(format!("read {path} of commit {}", commit.short()));
        let printed = printed.ok_or_else(|| what()(std::io::Error::other("git ls-tree failed")))?;
        if printed.is_empty() {
            return Ok(None);
        }
        // "<mode> <type> <oid> <size>\t<path>\0"
        let text = String::from_utf8_lossy(&printed);
        let mut words = text.split_once('\t').map_or("", |(words, _)| words).split_ascii_whitespace();
        let (Some(mode), Some(_kind), Some(oid), Some(size)) = (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(what()(std::io::Error::other("git ls-tree printed something else")));
        };
        // A tree and a submodule have "-" for a size.
        Ok(Some(Entry { mode: mode.into(), oid: oid.parse()?, size: size.parse().unwrap_or(0) }))
    }

    /// The bytes of a file, or why it cannot be taken: a fragment that fits after its name.
    fn pick(&self, source: &SourcePath, entry: &Entry) -> Result<Result<Vec<u8>, String>, GitError> {
        let config = &self.door.config;
        let most = config.submissions.max_size;
        let reason = match entry.mode.as_str() {
            "100644" | "100755" | "100664" if !config.languages.contains_key(&source.extension) => {
                format!("is in no language that is accepted here (.{})", source.extension)
            }
            "100644" | "100755" | "100664" if entry.size > most => {
                format!("is {} bytes long, and at most {most} are taken", entry.size)
            }
            "100644" | "100755" | "100664" if entry.size == 0 => "is empty".to_owned(),
            "100644" | "100755" | "100664" => {
                let bytes = self.ask(&["cat-file", "blob", entry.oid.as_str()], most)?;
                let failed = failed(format!("read {}", source.path));
                let bytes = bytes.ok_or_else(|| failed(std::io::Error::other("git cat-file failed")))?;
                if !bytes.starts_with(LFS) {
                    return Ok(Ok(bytes));
                }
                "is a pointer to Git LFS, and the file itself was not pushed: untrack it (git lfs untrack), add the file, and commit".to_owned()
            }
            "120000" => "is a symbolic link, and has to be the file itself".to_owned(),
            "160000" => "is a submodule, and has to be a file".to_owned(),
            "040000" => "is a folder, and has to be a file".to_owned(),
            mode => format!("has the unknown mode {}", visible(mode, 20)),
        };
        Ok(Err(reason))
    }

    /// The commit that the branch names; `None` before the first push.
    pub(super) fn head(&self) -> Result<Option<Oid>, GitError> {
        let name = self.door.branch();
        let printed = self.ask(&["rev-parse", "--verify", "--quiet", "--end-of-options", &name], LINE)?;
        printed.map(|printed| String::from_utf8_lossy(&printed).trim().parse()).transpose()
    }

    /// Where it is noted which commit was dealt with last.
    pub(super) fn taken(&self) -> std::path::PathBuf {
        Path::new(&self.path).join("podium-taken")
    }
}
