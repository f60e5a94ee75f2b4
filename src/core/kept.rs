//! What results/ keeps, in bytes: of one user, and of one judging. Which of it counts is the asker's business.

use std::collections::BTreeMap;

use super::ids::CaseName;
use super::record::{Accepted, CaseResult, Judged};

/// What is kept of one user, but for refused files (see [`Aside`](super::aside::Aside)).
#[derive(Debug, Clone, Default)]
pub struct Kept {
    sources: u64,
    /// By case, because how much is printed in a private one is as private as what is printed.
    outputs: BTreeMap<CaseName, u64>,
}

impl Kept {
    /// A submission was taken in.
    pub fn take_in(&mut self, accepted: &Accepted) {
        self.sources = self.sources.saturating_add(accepted.size);
    }

    /// One was judged.
    pub fn judged(&mut self, judged: &Judged) {
        for case in judged.cases.iter().filter(|case| !case.files.is_empty()) {
            let bytes = self.outputs.entry(case.case.clone()).or_default();
            *bytes = bytes.saturating_add(case.kept_bytes());
        }
    }

    /// All sources, and what was printed in these cases.
    #[must_use]
    pub fn bytes(&self, cases: &[CaseName]) -> u64 {
        let outputs = cases.iter().filter_map(|case| self.outputs.get(case));
        outputs.fold(self.sources, |sum, bytes| sum.saturating_add(*bytes))
    }
}

impl CaseResult {
    /// The bytes of the files that were kept of it.
    #[must_use]
    pub fn kept_bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).fold(0, u64::saturating_add)
    }
}

impl Judged {
    /// The bytes of all files that were kept of it.
    #[must_use]
    pub fn kept_bytes(&self) -> u64 {
        self.cases.iter().map(CaseResult::kept_bytes).fold(0, u64::saturating_add)
    }
}
