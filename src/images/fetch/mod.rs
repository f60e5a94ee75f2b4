//! The ways by which an image comes: each ends with its parts on this machine, and with what to unpack of them.

pub(super) mod archive;
pub(super) mod engine;
pub(super) mod layout;
pub(super) mod registry;

use super::parts::Parts;
use super::recipe::Recipe;
use crate::core::digest::Digest;

/// An image that lies on this machine and is not unpacked.
#[derive(Debug)]
pub(super) struct Found {
    /// What to unpack.
    pub(super) recipe: Recipe,
    /// Where it is.
    pub(super) parts: Parts,
    /// The name of each layer's part.
    pub(super) names: Vec<String>,
    /// The digests of the documents that led to it: an engine may call it by any of them.
    pub(super) known_as: Vec<Digest>,
}
