//! What takes room: looked at seldom, and never for long.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::core::desk::Desk;
use crate::core::view::DiskView;
use crate::home::Home;

/// It is looked at again after so long.
const PACE: Duration = Duration::from_secs(600);
/// So many files and folders are looked at of each.
const MOST: usize = 100_000;

/// What was found last.
#[derive(Debug, Default)]
pub(super) struct Disk {
    found: Option<(Instant, Vec<DiskView>)>,
}

impl Disk {
    /// What takes room in a home. What the log counts is not looked for.
    pub(super) fn look(&mut self, home: &Home, desk: &Desk) -> Vec<DiskView> {
        let folders = match &self.found {
            Some((at, folders)) if at.elapsed() < PACE => folders.clone(),
            _ => {
                let folders = vec![
                    below("the cache of cases and images", &home.cache()),
                    below("refused files", &home.refused()),
                    below("the site", &home.public()),
                    below("the inbox", &home.inbox()),
                    below("pushed repositories", &home.git()),
                ];
                self.found = Some((Instant::now(), folders.clone()));
                folders
            }
        };
        let log = std::fs::metadata(home.log()).map_or(0, |meta| meta.len());
        let counted = [("sources and outputs", desk.kept.values().sum()), ("the log", log)];
        let counted = counted.map(|(name, bytes)| DiskView { name, bytes, more: false });
        counted.into_iter().chain(folders).filter(|part| part.bytes > 0).collect()
    }
}

fn below(name: &'static str, folder: &Path) -> DiskView {
    let mut walk = walkdir::WalkDir::new(folder).into_iter();
    let mut bytes = 0;
    for entry in walk.by_ref().take(MOST).flatten().filter(|entry| entry.file_type().is_file()) {
        bytes += entry.metadata().map_or(0, |meta| meta.len());
    }
    DiskView { name, bytes, more: walk.next().is_some() }
}
