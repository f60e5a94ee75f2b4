//! What the daemon has published of a submission and of its queue: the documents that everybody may read.

use std::fs;

use serde::de::DeserializeOwned;

use super::Door;
use crate::core::ids::SubmissionId;
use crate::core::view::{self, QueueJson, StatusJson};

impl Door {
    /// What is known of a submission; `None` before the daemon has looked at it.
    pub(super) fn status(&self, id: &SubmissionId) -> Option<StatusJson> {
        self.published(&format!("{}/status.json", view::folder(id)))
    }

    /// The queue; `None` where nothing was published.
    pub(super) fn queue(&self) -> Option<QueueJson> {
        self.published("queue.json")
    }

    /// Pages are replaced whole: what is read is one state of them.
    fn published<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        serde_json::from_slice(&fs::read(self.home.public().join(name)).ok()?).ok()
    }
}
