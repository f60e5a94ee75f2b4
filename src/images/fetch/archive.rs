//! A file: the tar of a root folder, of an OCI layout, or what `docker save` writes. What it is, its contents say.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{CWD, Mode, OFlags};
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

use super::{Found, layout};
use crate::core::digest::Digest;
use crate::images::ImageError;
use crate::images::parts::Parts;
use crate::images::recipe::{self, Layer, Recipe};
use crate::images::source::Form;
use crate::images::stream::{self, Measured};
use crate::images::unpack::{CAPS, Room};

/// Where `docker save` begins.
const DOCKER: &str = "manifest.json";

/// One image of an archive that `docker save` wrote.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Saved {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
}

/// The image in a file. What is compressed is decompressed into a file of the folder `work` first.
///
/// # Errors
/// [`ImageError`]: it is no image, or not for this machine.
pub(in crate::images) fn find(
    path: &Path,
    form: Form,
    tag: Option<&str>,
    work: &Path,
    cancel: &CancellationToken,
) -> Result<Found, ImageError> {
    let cannot = |error: &dyn std::fmt::Display| ImageError::Wrong(format!("it cannot be read: {error}"));
    let file = rustix::fs::openat(CWD, path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty());
    let file = File::from(file.map_err(|error| cannot(&error))?);
    if !file.metadata().map_err(|error| cannot(&error))?.is_file() {
        return Err(cannot(&"it is neither a file nor a folder"));
    }
    let mut start = [0; 6];
    let read = file.read_at(&mut start, 0).map_err(|error| cannot(&error))?;
    let file = if stream::is_compressed(&start[..read]) {
        decompressed(file, &work.join("archive"), cancel).map_err(|error| cannot(&error))?
    } else {
        file
    };
    in_tar(Arc::new(file), form, tag, cancel)
}

fn decompressed(file: File, to: &Path, cancel: &CancellationToken) -> io::Result<File> {
    let mut target = File::create_new(to)?;
    let plain = Measured::new(stream::plain(file)?, CAPS.bytes, cancel);
    stream::keep(plain, &mut target, &mut Room::new(to.parent().unwrap_or(to), CAPS.free))?;
    File::open(to)
}

/// The image in a tar that is not compressed.
///
/// # Errors
/// As [`find`].
pub(in crate::images) fn in_tar(
    file: Arc<File>,
    form: Form,
    tag: Option<&str>,
    cancel: &CancellationToken,
) -> Result<Found, ImageError> {
    // The reader's own words quote the file, which need not be an image at all, and they are shown to everybody.
    let no_tar =
        |_| ImageError::Wrong("it is not a tar, nor one that gzip, zstd or xz has compressed, or it is damaged".into());
    let parts = Parts::of_tar(&file).map_err(no_tar)?;
    let (is_layout, saved) = match &parts {
        Some(parts) => (
            parts.has(layout::MARK) && parts.has(layout::INDEX),
            parts.document(DOCKER).ok().and_then(|text| serde_json::from_slice::<Vec<Saved>>(&text).ok()),
        ),
        None => (false, None),
    };
    match (parts, saved) {
        (Some(parts), _) if is_layout && form != Form::DockerArchive => layout::find(parts, tag),
        (Some(parts), Some(saved)) if form != Form::Layout => of_docker(parts, &saved, tag),
        _ if form == Form::Layout => {
            Err(ImageError::Wrong("it is no OCI layout: oci-layout and index.json are not in it".into()))
        }
        _ if form == Form::DockerArchive => {
            Err(ImageError::Wrong("`docker save` did not write it: there is no manifest.json in it".into()))
        }
        _ => of_root(file, cancel).map_err(no_tar),
    }
}

fn of_docker(parts: Parts, saved: &[Saved], tag: Option<&str>) -> Result<Found, ImageError> {
    let tags = |saved: &Saved| saved.repo_tags.clone().unwrap_or_default();
    let meant: Vec<_> =
        saved.iter().filter(|saved| tag.is_none_or(|tag| tags(saved).iter().any(|known| known == tag))).collect();
    let [saved] = meant[..] else {
        let known: Vec<_> = saved.iter().flat_map(tags).collect();
        return Err(ImageError::Wrong(format!(
            "it holds {} images, and not one that is meant: write docker-archive:FILE:NAME with one of {}",
            saved.len(),
            known.join(", ")
        )));
    };
    let config = parts.document(&saved.config)?;
    // There is no manifest that others would know it by; the engine calls it by this.
    let identity = Digest::of(&config);
    let named = Path::new(&saved.config).file_stem().and_then(|stem| stem.to_str()?.parse::<Digest>().ok());
    if let Some(named) = named.filter(|named| *named != identity) {
        return Err(ImageError::damaged("its configuration", named, identity));
    }
    let blobs = saved.layers.iter().map(|name| Ok((None, parts.open(name)?.1))).collect::<io::Result<_>>();
    let blobs = blobs.map_err(|error| ImageError::Refused(format!("it is not whole: {error}")))?;
    let recipe = recipe::with_config(identity, blobs, &config)?;
    Ok(Found { recipe, parts, names: saved.layers.clone(), known_as: vec![identity] })
}

/// The tar of a root folder is one layer.
fn of_root(file: Arc<File>, cancel: &CancellationToken) -> io::Result<Found> {
    let parts = Parts::Whole(file);
    let (part, _) = parts.open("")?;
    let (digest, size) = Measured::new(io::BufReader::with_capacity(1 << 20, part), CAPS.bytes, cancel).finish()?;
    if size == 0 {
        return Err(io::Error::other("it is empty"));
    }
    let recipe = Recipe { digest, layers: vec![Layer { blob: None, size, content: Some(digest) }] };
    Ok(Found { recipe, parts, names: vec![String::new()], known_as: Vec::new() })
}

/// Whether a folder is a layout.
pub(in crate::images) fn is_layout(folder: &Path) -> bool {
    Parts::of_folder(folder).is_ok_and(|parts| parts.has(layout::MARK) && parts.has(layout::INDEX))
}
