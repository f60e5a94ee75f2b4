//! What was removed from the inbox while somebody looked at it: a listing that was begun before may still hold it. Most of it is known again
//! by its inode and ctime, which the log keeps; a file that its sender goes on writing to has another ctime by then, and would be refused twice.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::time::Instant;

use crate::core::machine::Found;
use crate::core::submission::Folder;

/// Which file it was: the number alone is given to another at once.
type Which = (Option<Folder>, OsString, u64);

/// The files that were removed since the last listing was begun, and when.
#[derive(Debug, Default)]
pub(super) struct Removed(BTreeMap<Which, Instant>);

fn which(found: &Found) -> Which {
    (found.folder.clone(), found.name.clone(), found.key.inode)
}

impl Removed {
    /// A file has been removed just now, or has gone by itself.
    pub(super) fn note(&mut self, found: &Found) {
        self.0.insert(which(found), Instant::now());
    }

    /// Takes out of a listing what was removed after it was begun.
    pub(super) fn correct(&mut self, listing: &mut Vec<Found>, began: Instant) {
        // Listings come one after the other: what is older is in none that is still to come.
        self.0.retain(|_, removed| *removed >= began);
        if !self.0.is_empty() {
            listing.retain(|found| !self.0.contains_key(&which(found)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::machine::Kind;
    use crate::core::record::FileKey;

    fn found(inode: u64) -> Found {
        Found {
            name: format!("file-{}", inode % 10).into(),
            folder: None,
            key: FileKey { inode, changed_ns: 1 },
            kind: Kind::Plain,
            size: 1,
            owner: None,
            renamed_in: false,
            being_written: true,
            unchanged_for: std::time::Duration::ZERO,
        }
    }

    #[test]
    fn a_listing_that_was_begun_before_a_removal_holds_it_no_more_and_a_later_one_does() {
        let mut removed = Removed::default();
        let inodes = |listing: &[Found]| listing.iter().map(|found| found.key.inode).collect::<Vec<_>>();
        let began = Instant::now();
        removed.note(&found(7));
        for _ in 0..2 {
            let mut listing = vec![found(6), found(7), found(8)];
            removed.correct(&mut listing, began);
            assert_eq!(inodes(&listing), [6, 8]);
        }
        let mut others = vec![found(17), Found { name: "file-8".into(), ..found(7) }];
        removed.correct(&mut others, began);
        assert_eq!(inodes(&others), [17, 7], "neither the name alone nor the number alone");
        let mut later = vec![found(7)];
        removed.correct(&mut later, Instant::now() + std::time::Duration::from_nanos(1));
        assert_eq!(inodes(&later), [7], "another file with its number");
        let mut earlier = vec![found(7)];
        removed.correct(&mut earlier, began);
        assert_eq!(inodes(&earlier), [7], "nothing is remembered for ever");
    }
}
