//! An OCI layout: `index.json` names manifests, a manifest names blobs, every blob is called by its digest.

use super::Found;
use crate::images::ImageError;
use crate::images::parts::{Parts, blob};
use crate::images::recipe::{self, DEEPEST_INDEX, Document};

/// The file that makes a folder, or a tar, a layout.
pub(in crate::images) const MARK: &str = "oci-layout";
/// Where a layout begins.
pub(in crate::images) const INDEX: &str = "index.json";

/// The image of a layout, `tag` where it holds several.
///
/// # Errors
/// [`ImageError`]: it is not whole, or not for this machine.
pub(in crate::images) fn find(parts: Parts, tag: Option<&str>) -> Result<Found, ImageError> {
    let mut document = recipe::read(&parts.document(INDEX)?)?;
    let (mut tag, mut known_as) = (tag, Vec::new());
    for _ in 0..DEEPEST_INDEX {
        match document {
            Document::Index(index) => {
                let digest = recipe::digest(recipe::pick(&index, tag)?)?;
                document = recipe::read(&parts.blob(digest)?)?;
                known_as.push(digest);
                // The name stands in the first index only.
                tag = None;
            }
            Document::Manifest(manifest) => {
                let config = recipe::digest(manifest.config())?;
                let identity = known_as.last().copied();
                let identity = identity.ok_or_else(|| ImageError::Refused("its index is no index".into()))?;
                let recipe = recipe::recipe(identity, &manifest, &parts.blob(config)?)?;
                known_as.push(config);
                let names = recipe.layers.iter().filter_map(|layer| layer.blob).map(blob).collect();
                return Ok(Found { recipe, parts, names, known_as });
            }
        }
    }
    Err(ImageError::Refused("its indexes name one another".into()))
}
