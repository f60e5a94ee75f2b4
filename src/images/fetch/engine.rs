//! The Docker engine as a source: what it holds is exported once. Nothing is ever asked of it to fetch.

use std::fs::File;
use std::io::Write;
use std::time::Duration;

use bollard::Docker as Api;
use bollard::errors::Error as ApiError;
use futures_util::StreamExt;

use crate::core::digest::Digest;
use crate::images::ImageError;
use crate::images::recipe;
use crate::images::unpack::{CAPS, Room};

/// How long the engine may take to answer what it answers at once when it is well.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long it may take between two pieces of an export: it makes the whole archive before it sends the first.
const EXPORT_PATIENCE: Duration = Duration::from_secs(600);

/// An image that the engine holds.
#[derive(Debug)]
pub(in crate::images) struct Held {
    api: Api,
    /// The engine's own name of it.
    pub(in crate::images) id: Digest,
    /// About how many bytes it is.
    pub(in crate::images) size: u64,
}

/// Asks the engine for an image; `None`: it has none of that name.
///
/// # Errors
/// [`ImageError::Away`]: there is no engine that answers.
pub(in crate::images) async fn find(name: &str) -> Result<Option<Held>, ImageError> {
    let away = |error: &dyn std::fmt::Display| ImageError::Away(format!("the Docker engine does not answer: {error}"));
    let api = Api::connect_with_defaults().map_err(|error| away(&error))?;
    let asked = async {
        let api = api.negotiate_version().await?;
        let found = api.inspect_image(name).await?;
        Ok::<_, ApiError>((api, found))
    };
    let (api, found) = match tokio::time::timeout(PATIENCE, asked).await {
        Ok(Ok(found)) => found,
        Ok(Err(ApiError::DockerResponseServerError { status_code: 404, .. })) => return Ok(None),
        Ok(Err(error)) => return Err(away(&error)),
        Err(_) => return Err(away(&format_args!("{} s have passed", PATIENCE.as_secs()))),
    };
    let id = recipe::written(&found.id.unwrap_or_default())?;
    let size = found.size.and_then(|size| u64::try_from(size).ok()).unwrap_or(0);
    Ok(Some(Held { api: api.with_timeout(EXPORT_PATIENCE), id, size }))
}

/// Writes the image into a file, as `docker save` does.
///
/// # Errors
/// [`ImageError`]
pub(in crate::images) async fn export(
    held: &Held,
    to: &mut File,
    room: &mut Room,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<(), ImageError> {
    // By what it is, not by its name, which may be another's by now.
    let id = format!("sha256:{}", held.id);
    let mut pieces = std::pin::pin!(held.api.export_image(&id));
    let mut bytes = 0;
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|error| ImageError::Away(format!("the Docker engine does not give it: {error}")))?;
        bytes += piece.len() as u64;
        if bytes > CAPS.bytes {
            return Err(ImageError::Refused(format!("it is larger than {} GiB", CAPS.bytes >> 30)));
        }
        let kept = room.take(piece.len() as u64).and_then(|()| to.write_all(&piece));
        kept.map_err(|error| ImageError::Io("keep the image".into(), error))?;
        progress(bytes);
    }
    Ok(())
}
