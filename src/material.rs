//! Test cases and evaluator as a judging sees them: copies by content, so that an edit in the middle of a judging changes nothing in it,
//! and so that a path inside a sandbox says nothing of a case's name.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use walkdir::WalkDir;

use crate::core::config::{Config, Evaluator};
use crate::core::digest::{Digest, Hasher};
use crate::core::ids::CaseName;
use crate::files;
use crate::home::Home;

/// A folder, copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// Where the copy lies. Never changed once it is there.
    pub path: PathBuf,
    /// The digest of all names and contents in it.
    pub sha256: Digest,
}

/// Everything that judgings of one moment are made with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Material {
    /// The evaluator; an empty folder where there is none.
    pub evaluator: Copied,
    /// Each case's folder.
    pub cases: BTreeMap<CaseName, Copied>,
    /// The digest of all cases, with their names.
    pub cases_sha256: Digest,
}

/// Makes [`Material`], and remembers what it copied while nothing changes.
#[derive(Debug, Default)]
pub struct Store {
    copied: BTreeMap<PathBuf, (Fingerprint, Copied)>,
    latest: Option<Arc<Material>>,
}

/// What tells one state of a folder from another without reading its files.
type Fingerprint = Vec<(PathBuf, u32, u64, u64, i64, i64, i64)>;

impl Store {
    /// The material as it lies in the home now.
    ///
    /// # Errors
    /// Those of the file system, and when a folder keeps changing while it is copied.
    pub fn now(&mut self, home: &Home, config: &Config) -> io::Result<Arc<Material>> {
        let evaluator = self.copy(home, &home.evaluator())?;
        if let Some(path) = missing_evaluator(&config.evaluator, &evaluator.path) {
            return Err(io::Error::other(format!("evaluator{path} is missing")));
        }
        let mut cases = BTreeMap::new();
        let mut hasher = Hasher::default();
        for case in config.cases.all() {
            let copied = self.copy(home, &home.case(case))?;
            // A folder that is being replaced is gone for a moment: nobody's submission may be judged without it.
            if !copied.path.join("input.txt").is_file() {
                return Err(io::Error::other(format!("testcases/{case}/input.txt is missing")));
            }
            hasher.update(format!("{case} {}\n", copied.sha256).as_bytes());
            cases.insert(case.clone(), copied);
        }
        let material = Material { evaluator, cases, cases_sha256: hasher.finish() };
        // The same content is the same thing: whoever holds it can tell by the pointer.
        if let Some(latest) = &self.latest
            && **latest == material
        {
            return Ok(Arc::clone(latest));
        }
        let material = Arc::new(material);
        self.latest = Some(Arc::clone(&material));
        Ok(material)
    }

    fn copy(&mut self, home: &Home, folder: &Path) -> io::Result<Copied> {
        const TRIES: usize = 5;
        for _ in 0..TRIES {
            let before = fingerprint(folder)?;
            if let Some((seen, copied)) = self.copied.get(folder)
                && *seen == before
                && copied.path.is_dir()
            {
                return Ok(copied.clone());
            }
            let copied = copy_by_content(folder, &home.cache())?;
            if fingerprint(folder)? == before {
                self.copied.insert(folder.to_owned(), (before, copied.clone()));
                return Ok(copied);
            }
        }
        Err(io::Error::other(format!("{} keeps changing", folder.display())))
    }
}

/// What an evaluator's command names in its folder, `{evaluator}/…`, that is not there: the path below the folder.
#[must_use]
pub fn missing_evaluator<'c>(evaluator: &'c Evaluator, folder: &Path) -> Option<&'c str> {
    // The rest of such a word is a path where it begins with the folder; anything else may be anything.
    let paths = evaluator.command.iter().filter_map(|word| word.strip_prefix("{evaluator}"));
    paths.into_iter().find(|path| !folder.join(path.trim_start_matches('/')).exists())
}

/// Everything in the folder of a case or of the evaluator that counts, in order.
pub fn walk(folder: &Path) -> impl Iterator<Item = walkdir::Result<walkdir::DirEntry>> {
    // Links are followed: an instructor may keep large inputs elsewhere. Caches of an evaluator's own runs are no part of it.
    WalkDir::new(folder)
        .follow_links(true)
        .sort_by_file_name()
        .into_iter()
        .filter_entry(|entry| entry.file_name() != "__pycache__")
}

fn fingerprint(folder: &Path) -> io::Result<Fingerprint> {
    if !folder.try_exists()? {
        return Ok(Vec::new());
    }
    walk(folder)
        .map(|entry| {
            let entry = entry?;
            let meta = entry.metadata()?;
            let changed = (meta.mtime(), meta.mtime_nsec(), meta.ctime());
            // The time of a folder changes with its caches, too.
            let (size, changed) = if meta.is_dir() { (0, (0, 0, 0)) } else { (meta.size(), changed) };
            Ok((entry.path().to_owned(), meta.mode(), meta.ino(), size, changed.0, changed.1, changed.2))
        })
        .collect()
}

fn copy_by_content(folder: &Path, cache: &Path) -> io::Result<Copied> {
    let temporary = tempfile::Builder::new().prefix("copy-").tempdir_in(cache)?;
    fs::set_permissions(temporary.path(), fs::Permissions::from_mode(0o755))?;
    let mut hasher = Hasher::default();
    if folder.try_exists()? {
        for entry in walk(folder) {
            let entry = entry?;
            let relative = entry.path().strip_prefix(folder).unwrap_or(entry.path());
            let target = temporary.path().join(relative);
            if entry.file_type().is_dir() {
                if !relative.as_os_str().is_empty() {
                    fs::create_dir(&target)?;
                    fs::set_permissions(&target, fs::Permissions::from_mode(0o755))?;
                }
            } else if entry.file_type().is_file() {
                fs::copy(entry.path(), &target)?;
                let executable = entry.metadata()?.mode() & 0o111 != 0;
                fs::set_permissions(&target, fs::Permissions::from_mode(if executable { 0o755 } else { 0o644 }))?;
                let (digest, bytes) = files::digest(&target)?;
                hasher.update(format!("{digest} {bytes} {executable} {:?}\n", relative).as_bytes());
            }
        }
    }
    let sha256 = hasher.finish();
    let path = cache.join(sha256.to_string());
    let temporary = temporary.keep();
    match fs::rename(&temporary, &path) {
        Ok(()) => {}
        // The same content is there already: rename refuses to replace a folder that is not empty.
        Err(_) if path.is_dir() => fs::remove_dir_all(&temporary)?,
        Err(error) => return Err(error),
    }
    Ok(Copied { path, sha256 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home() -> (tempfile::TempDir, Home, Config) {
        let folder = tempfile::tempdir().expect("a folder");
        for path in ["evaluator", "testcases/one", "results/cache"] {
            fs::create_dir_all(folder.path().join(path)).expect("made");
        }
        fs::write(folder.path().join("testcases/one/input.txt"), "1\n").expect("written");
        fs::write(folder.path().join("evaluator/evaluator.py"), "print(1)\n").expect("written");
        let config = crate::core::config::parse("[testcases]\npublic = [\"one\"]\n[evaluator]\ncommand = [\"true\"]\n")
            .expect("good");
        let home = Home::at(folder.path()).expect("a home");
        (folder, home, config)
    }

    #[test]
    fn an_edit_makes_a_new_copy_and_leaves_the_old_one_alone() {
        let (_folder, home, config) = home();
        let mut store = Store::default();
        let before = store.now(&home, &config).expect("copied");
        assert!(Arc::ptr_eq(&before, &store.now(&home, &config).expect("remembered")));
        fs::write(home.testcases().join("one/input.txt"), "2\n").expect("written");
        let after = store.now(&home, &config).expect("copied");
        assert_ne!(before.cases_sha256, after.cases_sha256);
        assert_eq!(before.evaluator, after.evaluator);
        let case: CaseName = "one".parse().expect("a name");
        assert_eq!(fs::read_to_string(before.cases[&case].path.join("input.txt")).expect("read"), "1\n");
        assert_eq!(fs::read_to_string(after.cases[&case].path.join("input.txt")).expect("read"), "2\n");
    }

    #[test]
    fn a_path_says_nothing_of_the_case() {
        let (_folder, home, config) = home();
        let material = Store::default().now(&home, &config).expect("copied");
        let path = material.cases.values().next().expect("one").path.display().to_string();
        assert!(!path.contains("one"), "{path}");
    }

    #[test]
    fn what_is_missing_is_an_error_and_no_empty_folder() {
        let (_folder, home, config) = home();
        let mut store = Store::default();
        store.now(&home, &config).expect("copied");
        fs::rename(home.testcases().join("one"), home.testcases().join("one.old")).expect("renamed");
        assert!(store.now(&home, &config).is_err());
        fs::rename(home.testcases().join("one.old"), home.testcases().join("one")).expect("renamed");
        store.now(&home, &config).expect("copied again");
    }

    #[test]
    fn python_caches_do_not_count() {
        let (_folder, home, config) = home();
        let mut store = Store::default();
        let before = store.now(&home, &config).expect("copied");
        fs::create_dir(home.evaluator().join("__pycache__")).expect("made");
        fs::write(home.evaluator().join("__pycache__/x.pyc"), "x").expect("written");
        assert_eq!(before, store.now(&home, &config).expect("copied"));
    }
}
