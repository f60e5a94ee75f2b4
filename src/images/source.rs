//! What the text under `sandbox.image` names.
//!
//! It looks whether a file or a folder is there, and never into it.

use std::path::{Path, PathBuf};

use oci_client::Reference;

use super::ImageError;

/// Where an image comes from.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Source {
    /// This machine's own `/usr`.
    Host,
    /// A file or a folder of this machine.
    Path {
        /// Absolute.
        path: PathBuf,
        /// What it has to be.
        form: Form,
        /// Which image of it, where it holds several.
        tag: Option<String>,
    },
    /// An image that the Docker engine holds, by the name that the engine knows.
    Engine(String),
    /// An image of a registry.
    Registry(Reference),
    /// An image of the Docker engine if it has it, or else of a registry.
    Reference(String, Reference),
}

/// What a path has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Whatever it turns out to be.
    Any,
    /// An OCI layout, or a tar of one.
    Layout,
    /// What `docker save` writes.
    DockerArchive,
}

/// What the names of files end with that nobody would take for the name of an image.
const ENDINGS: [&str; 7] = [".tar", ".tar.gz", ".tgz", ".tar.zst", ".tzst", ".tar.xz", ".txz"];

impl Source {
    /// Reads the text; a relative path begins at `base`.
    ///
    /// # Errors
    /// [`ImageError::Wrong`]: it names nothing that an image can be.
    pub(super) fn parse(text: &str, base: &Path) -> Result<Self, ImageError> {
        if text == "host" {
            return Ok(Self::Host);
        }
        let path = |rest: &str, form| {
            // A tag stands behind the path, as skopeo has it; a path with a colon in it is there to be found.
            let (path, tag) = match rest.split_once(':') {
                Some((path, tag)) if !base.join(rest).exists() => (path, Some(tag.to_owned())),
                _ => (rest, None),
            };
            if path.is_empty() {
                return Err(ImageError::Wrong(format!("{text:?} names no file")));
            }
            Ok(Self::Path { path: base.join(path), form, tag })
        };
        if let Some(rest) = text.strip_prefix("docker-archive:") {
            return path(rest, Form::DockerArchive);
        }
        if let Some(rest) = text.strip_prefix("oci-archive:").or_else(|| text.strip_prefix("oci:")) {
            return path(rest, Form::Layout);
        }
        if let Some(name) = text.strip_prefix("docker-daemon:") {
            let id = name.strip_prefix("sha256:").unwrap_or(name);
            if !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                reference(name)?;
            }
            return Ok(Self::Engine(name.to_owned()));
        }
        if let Some(name) = text.strip_prefix("docker://") {
            return reference(name).map(Self::Registry);
        }
        let is_path = ["/", "./", "../"].iter().any(|start| text.starts_with(start))
            || [".", ".."].contains(&text)
            || ENDINGS.iter().any(|ending| text.ends_with(ending))
            || (!text.contains([':', '@']) && !text.is_empty() && base.join(text).exists());
        if is_path {
            return Ok(Self::Path { path: base.join(text), form: Form::Any, tag: None });
        }
        Ok(Self::Reference(text.to_owned(), reference(text)?))
    }
}

fn reference(text: &str) -> Result<Reference, ImageError> {
    text.parse().map_err(|error| {
        ImageError::Wrong(format!(
            "{text:?} is neither \"host\", nor a path (such as ./root.tar.gz), nor the name of an image (such as python:3.12-slim): {error}"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> String {
        let base = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(base.path().join("root")).expect("made");
        match Source::parse(text, base.path()) {
            Ok(Source::Host) => "host".into(),
            Ok(Source::Path { path, form, tag }) => {
                let path = path.strip_prefix(base.path()).map_or(path.clone(), Path::to_owned);
                format!("{form:?} {} {tag:?}", path.display())
            }
            Ok(Source::Engine(name)) => format!("engine {name}"),
            Ok(Source::Registry(name)) => format!("registry {}", name.whole()),
            Ok(Source::Reference(_, name)) => format!("reference {}", name.whole()),
            Err(error) => format!("{error}").chars().take(40).collect(),
        }
    }

    #[test]
    fn a_text_names_one_thing() {
        let digest = "a".repeat(64);
        for (text, means) in [
            ("host", "host"),
            ("/srv/root", "Any /srv/root None"),
            ("./python", "Any python None"),
            ("root", "Any root None"),
            ("no-such-root.tar.zst", "Any no-such-root.tar.zst None"),
            ("python", "reference docker.io/library/python:latest"),
            ("python:3.12-slim", "reference docker.io/library/python:3.12-slim"),
            ("localhost:5000/a/b:1", "reference localhost:5000/a/b:1"),
            (&format!("r.example/a@sha256:{digest}"), &format!("reference r.example/a@sha256:{digest}")),
            ("docker://python:3", "registry docker.io/library/python:3"),
            ("docker-daemon:python:3", "engine python:3"),
            (&format!("docker-daemon:sha256:{digest}"), &format!("engine sha256:{digest}")),
            ("oci:layout:one", "Layout layout Some(\"one\")"),
            ("oci-archive:layout.tar", "Layout layout.tar None"),
            ("docker-archive:saved.tar:a:1", "DockerArchive saved.tar Some(\"a:1\")"),
        ] {
            assert_eq!(parsed(text), means, "{text}");
        }
        for text in ["", "Python:3", "a b", "oci:", "docker://", "docker-daemon:../x", "a@sha256:12"] {
            assert!(parsed(text).contains("is neither") || parsed(text).contains("names no file"), "{text}");
        }
    }
}
