//! From the documents of an image, which are a stranger's, to what has to be unpacked: which manifest, which layers.
//!
//! It knows JSON and digests, and neither files nor a network.

use oci_spec::image::{Arch, Descriptor, ImageConfiguration, ImageIndex, ImageManifest, Os};

use super::ImageError;
use crate::core::digest::Digest;

/// What an image consists of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Recipe {
    /// What identifies it: the digest of its manifest, or of what stands in a manifest's place.
    pub(super) digest: Digest,
    /// From the ground up.
    pub(super) layers: Vec<Layer>,
}

/// One layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Layer {
    /// Its digest as it is kept, compressed or not; `None`: nobody says.
    pub(super) blob: Option<Digest>,
    /// Its length as it is kept, in bytes.
    pub(super) size: u64,
    /// The digest of the tar that is in it; `None`: nobody says.
    pub(super) content: Option<Digest>,
}

/// An index, or a manifest.
#[derive(Debug)]
pub(super) enum Document {
    /// Names manifests for several platforms, or several images.
    Index(Box<ImageIndex>),
    /// Names a configuration and layers.
    Manifest(Box<ImageManifest>),
}

/// More than this is no index, manifest or configuration, in bytes.
pub(super) const LONGEST_DOCUMENT: u64 = 4 << 20;
/// How deep an index may name an index.
pub(super) const DEEPEST_INDEX: usize = 4;
/// More layers than any builder makes.
const MOST_LAYERS: usize = 512;
/// Where a layout says what an image is called.
const NAME: &str = "org.opencontainers.image.ref.name";

/// Reads an index or a manifest.
///
/// # Errors
/// [`ImageError::Refused`]: it is neither.
pub(super) fn read(bytes: &[u8]) -> Result<Document, ImageError> {
    let wrong = |error: &dyn std::fmt::Display| ImageError::Refused(format!("its manifest cannot be read: {error}"));
    let value: serde_json::Value = serde_json::from_slice(bytes).map_err(|error| wrong(&error))?;
    if value.get("manifests").is_some() {
        serde_json::from_value(value).map(|index| Document::Index(Box::new(index))).map_err(|error| wrong(&error))
    } else if value.get("layers").is_some() {
        serde_json::from_value(value)
            .map(|manifest| Document::Manifest(Box::new(manifest)))
            .map_err(|error| wrong(&error))
    } else {
        Err(wrong(&"it has neither manifests nor layers (an image of before 2016 has to be pushed again)"))
    }
}

/// This machine's architecture, as images call it.
pub(super) fn architecture() -> Arch {
    match std::env::consts::ARCH {
        "x86_64" => Arch::Amd64,
        "aarch64" => Arch::ARM64,
        "riscv64" => Arch::RISCV64,
        "powerpc64" => Arch::PowerPC64le,
        other => Arch::Other(other.to_owned()),
    }
}

/// The entry of an index that is for this machine.
///
/// # Errors
/// [`ImageError::Wrong`]: there is none, or there are several; all are named.
pub(super) fn pick<'a>(index: &'a ImageIndex, tag: Option<&str>) -> Result<&'a Descriptor, ImageError> {
    let name = |entry: &Descriptor| entry.annotations().as_ref().and_then(|notes| notes.get(NAME).cloned());
    // Docker's own index has a full name under `NAME` or beside it.
    let called = |entry: &Descriptor, tag: &str| {
        name(entry).is_some_and(|name| name == tag)
            || entry
                .annotations()
                .iter()
                .flatten()
                .any(|(key, value)| key == "io.containerd.image.name" && value == tag)
    };
    let is_meant = |entry: &&Descriptor| tag.is_none_or(|tag| called(entry, tag));
    let platform = |entry: &Descriptor| match entry.platform() {
        Some(platform) => format!("{}/{}", platform.os(), platform.architecture()),
        None => "any platform".into(),
    };
    let fits = |entry: &&Descriptor| {
        entry
            .platform()
            .as_ref()
            .is_none_or(|platform| *platform.os() == Os::Linux && *platform.architecture() == architecture())
    };
    let meant: Vec<_> = index.manifests().iter().filter(is_meant).collect();
    let fitting: Vec<_> = meant.iter().copied().filter(|entry| fits(entry)).collect();
    let list = |entries: &[&Descriptor], say: &dyn Fn(&Descriptor) -> String| {
        let mut words: Vec<_> = entries.iter().map(|entry| say(entry)).collect();
        words.sort();
        words.dedup();
        words.join(", ")
    };
    match fitting.as_slice() {
        // The same one under several names.
        [first, rest @ ..] if rest.iter().all(|other| other.digest() == first.digest()) => Ok(first),
        [first, ..]
            if fitting.iter().all(|entry| entry.platform().is_some())
                && list(&fitting, &|e| name(e).unwrap_or_default()).is_empty() =>
        {
            // Variants of one architecture: the one for every machine of it.
            let general = |entry: &&&Descriptor| {
                let variant = entry.platform().as_ref().and_then(|platform| platform.variant().clone());
                variant.is_none_or(|variant| ["v1", "v8"].contains(&variant.as_str()))
            };
            Ok(fitting.iter().find(general).unwrap_or(first))
        }
        [_, ..] => Err(ImageError::Wrong(format!(
            "it holds several images; say which behind a colon: {}",
            list(&fitting, &|entry| name(entry).unwrap_or_else(|| entry.digest().to_string()))
        ))),
        [] if meant.is_empty() => Err(ImageError::Wrong(match tag {
            Some(tag) => format!(
                "it holds no image {tag:?}; it holds {}",
                list(&index.manifests().iter().collect::<Vec<_>>(), &|entry| name(entry)
                    .unwrap_or_else(|| "one without a name".into()))
            ),
            None => "it holds no image".into(),
        })),
        [] => Err(not_for_this_machine(&list(&meant, &platform))),
    }
}

fn not_for_this_machine(platforms: &str) -> ImageError {
    ImageError::Wrong(format!("it is not for this machine, which is linux/{}: it is for {platforms}", architecture()))
}

/// The digest that a descriptor names.
///
/// # Errors
/// [`ImageError::Refused`]: it is no SHA-256.
pub(super) fn digest(entry: &Descriptor) -> Result<Digest, ImageError> {
    let digest = entry.as_digest_sha256().and_then(|digest| digest.parse().ok());
    digest.ok_or_else(|| ImageError::Refused(format!("{} is no SHA-256, and nothing else is read", entry.digest())))
}

/// A digest as documents write it, `sha256:…`.
pub(super) fn written(text: &str) -> Result<Digest, ImageError> {
    let digest = text.strip_prefix("sha256:").and_then(|digest| digest.parse().ok());
    digest.ok_or_else(|| ImageError::Refused(format!("{:?} is no SHA-256, and nothing else is read", text)))
}

/// What a manifest and its configuration say has to be unpacked.
///
/// # Errors
/// [`ImageError`]: they do not agree, or are for another machine.
pub(super) fn recipe(identity: Digest, manifest: &ImageManifest, config: &[u8]) -> Result<Recipe, ImageError> {
    let blobs: Result<Vec<_>, _> =
        manifest.layers().iter().map(|layer| Ok((Some(digest(layer)?), layer.size()))).collect();
    with_config(identity, blobs?, config)
}

/// The same, where blobs are known otherwise.
///
/// # Errors
/// As [`recipe`].
pub(super) fn with_config(
    identity: Digest,
    blobs: Vec<(Option<Digest>, u64)>,
    config: &[u8],
) -> Result<Recipe, ImageError> {
    let config: ImageConfiguration = serde_json::from_slice(config)
        .map_err(|error| ImageError::Refused(format!("its configuration cannot be read: {error}")))?;
    if *config.os() != Os::Linux || *config.architecture() != architecture() {
        return Err(not_for_this_machine(&format!("{}/{}", config.os(), config.architecture())));
    }
    let contents = config.rootfs().diff_ids();
    if contents.len() != blobs.len() {
        let why = format!("it has {} layers, and its configuration names {}", blobs.len(), contents.len());
        return Err(ImageError::Refused(why));
    }
    if blobs.len() > MOST_LAYERS {
        return Err(ImageError::Refused(format!("it has {} layers; at most {MOST_LAYERS} are read", blobs.len())));
    }
    let layers = blobs
        .into_iter()
        .zip(contents)
        .map(|((blob, size), content)| Ok(Layer { blob, size, content: Some(written(content)?) }));
    Ok(Recipe { digest: identity, layers: layers.collect::<Result<_, ImageError>>()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(entries: &str) -> ImageIndex {
        let text = format!("{{\"schemaVersion\":2,\"manifests\":[{entries}]}}");
        match read(text.as_bytes()) {
            Ok(Document::Index(index)) => *index,
            other => panic!("{other:?}"),
        }
    }

    fn entry(digit: char, more: &str) -> String {
        let digest = digit.to_string().repeat(64);
        format!(
            "{{\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\"size\":1,\"digest\":\"sha256:{digest}\"{more}}}"
        )
    }

    fn platform(os: &str, arch: &str) -> String {
        format!(",\"platform\":{{\"os\":\"{os}\",\"architecture\":\"{arch}\"}}")
    }

    fn picked(entries: &[String], tag: Option<&str>) -> String {
        match pick(&index(&entries.join(",")), tag) {
            Ok(entry) => entry.digest().to_string().chars().skip(7).take(1).collect(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn the_manifest_for_this_machine_is_taken() {
        let ours = architecture().to_string();
        let two = [entry('a', &platform("linux", "s390x")), entry('b', &platform("linux", &ours))];
        assert_eq!(picked(&two, None), "b");
        let foreign = [
            entry('a', &platform("linux", "s390x")),
            entry('b', &platform("windows", &ours)),
            entry('c', &platform("unknown", "unknown")),
        ];
        let said = picked(&foreign, None);
        assert!(
            said.contains("not for this machine") && said.contains("linux/s390x") && said.contains(&ours),
            "{said}"
        );
        let variant = |name: &str| platform("linux", &ours).replace("}", &format!(",\"variant\":\"{name}\"}}"));
        assert_eq!(
            picked(&[entry('a', &variant("v3")), entry('b', &variant("v1")), entry('c', &variant("v2"))], None),
            "b"
        );
        assert_eq!(picked(&[entry('a', "")], None), "a");
        assert!(picked(&[], None).contains("holds no image"));
    }

    #[test]
    fn of_several_images_one_is_named() {
        let named = |name: &str| format!(",\"annotations\":{{\"{NAME}\":\"{name}\"}}");
        let two = [entry('a', &named("one")), entry('b', &named("two"))];
        assert_eq!(picked(&two, Some("two")), "b");
        assert!(picked(&two, None).contains("one, two"));
        assert!(picked(&two, Some("three")).contains("no image \"three\""));
    }

    #[test]
    fn documents_that_do_not_agree_are_refused() {
        let config = |os: &str, ids: &str| {
            format!(
                "{{\"architecture\":\"{}\",\"os\":\"{os}\",\"rootfs\":{{\"type\":\"layers\",\"diff_ids\":[{ids}]}}}}",
                architecture()
            )
        };
        let id = format!("\"sha256:{}\"", "c".repeat(64));
        let made = |text: &str, layers: usize| {
            with_config(Digest::ZERO, vec![(None, 1); layers], text.as_bytes()).map_err(|error| error.to_string())
        };
        assert_eq!(made(&config("linux", &id), 1).expect("good").layers.len(), 1);
        assert!(made(&config("linux", &id), 2).expect_err("two").contains("2 layers"));
        assert!(made(&config("windows", &id), 1).expect_err("foreign").contains("windows/"));
        assert!(made(&config("linux", "\"md5:00\""), 1).expect_err("no digest").contains("no SHA-256"));
        assert!(made("{}", 0).is_err());
    }
}
