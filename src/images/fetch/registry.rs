//! A registry: manifests are asked for by name, blobs by digest, and everything is what its digest says.

use std::fs::{self, File};
use std::io::Write;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use docker_credential::{CredentialRetrievalError, DockerCredential};
use futures_util::StreamExt;
use oci_client::client::{ClientConfig, ClientProtocol};
use oci_client::errors::{DigestError, OciDistributionError, OciErrorCode};
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, Reference};
use oci_spec::image::ImageManifest;

use super::Found;
use crate::core::digest::{Digest, Hasher};
use crate::core::text::chain;
use crate::images::ImageError;
use crate::images::parts::{Parts, blob};
use crate::images::recipe::{self, DEEPEST_INDEX, Document, LONGEST_DOCUMENT};
use crate::images::unpack::{CAPS, Room};

/// A registry that takes longer to begin an answer is away.
const CONNECT: Duration = Duration::from_secs(10);
/// One that is silent for so long within an answer, too.
const SILENCE: Duration = Duration::from_secs(60);
/// What is understood: OCI's and Docker's own, which are the same but for these names.
const ACCEPTED: [&str; 4] = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
];

/// An image that a registry holds.
pub(in crate::images) struct Held {
    client: Client,
    auth: RegistryAuth,
    reference: Reference,
    /// The digest of its manifest for this machine.
    pub(in crate::images) digest: Digest,
    manifest: Box<ImageManifest>,
}

impl Held {
    /// The registry's name.
    pub(in crate::images) fn registry(&self) -> &str {
        self.reference.resolve_registry()
    }
}

/// Asks the registry of a reference which image it names now.
///
/// # Errors
/// [`ImageError::Away`]: it cannot be reached; another: it has no such image, or none for this machine.
pub(in crate::images) async fn find(reference: &Reference) -> Result<Held, ImageError> {
    let registry = reference.resolve_registry();
    // Refused where it was said already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let config = ClientConfig {
        protocol: if is_loopback(registry) {
            ClientProtocol::HttpsExcept(vec![registry.to_owned()])
        } else {
            ClientProtocol::Https
        },
        connect_timeout: Some(CONNECT),
        read_timeout: Some(SILENCE),
        user_agent: concat!("podium/", env!("CARGO_PKG_VERSION")),
        no_proxy: is_loopback(registry).then(|| host(registry).to_owned()),
        ..ClientConfig::default()
    };
    let client = Client::try_from(config).map_err(|error| fault(reference, &error))?;
    let auth = credentials(registry).await?;
    let mut asked = reference.clone();
    for _ in 0..DEEPEST_INDEX {
        let (bytes, _) =
            client.pull_manifest_raw(&asked, &auth, &ACCEPTED).await.map_err(|error| fault(reference, &error))?;
        let digest = Digest::of(&bytes);
        if let Some(wanted) = asked.digest() {
            let wanted = recipe::written(wanted)?;
            if wanted != digest {
                return Err(ImageError::damaged("the manifest that the registry gives", wanted, digest));
            }
        }
        match recipe::read(&bytes)? {
            Document::Index(index) => {
                let digest = recipe::digest(recipe::pick(&index, None)?)?;
                asked = asked.clone_with_digest(format!("sha256:{digest}"));
            }
            Document::Manifest(manifest) => {
                return Ok(Held { client, auth, reference: asked, digest, manifest });
            }
        }
    }
    Err(ImageError::Refused("its indexes name one another".into()))
}

/// Fetches the parts of the image into the folder `work`.
///
/// # Errors
/// [`ImageError`]
pub(in crate::images) async fn fetch(
    held: &Held,
    work: &Path,
    progress: &(dyn Fn(u64, u64) + Sync),
) -> Result<Found, ImageError> {
    fs::create_dir_all(work.join("blobs/sha256")).map_err(|error| ImageError::Io("make a folder".into(), error))?;
    // Only what asks first for a manifest sets the client up with our name.
    held.client.store_auth_if_needed(held.reference.resolve_registry(), &held.auth).await;
    let config = recipe::digest(held.manifest.config())?;
    let blobs: Vec<_> = std::iter::once(held.manifest.config()).chain(held.manifest.layers()).collect();
    if held.manifest.config().size() > LONGEST_DOCUMENT {
        return Err(ImageError::Refused("its configuration is too long".into()));
    }
    let total: u64 = blobs.iter().fold(0, |sum, entry| sum.saturating_add(entry.size()));
    if total > CAPS.bytes {
        return Err(ImageError::Refused(format!("it is larger than {} GiB", CAPS.bytes >> 30)));
    }
    let (mut done, mut room) = (0, Room::new(work, CAPS.free));
    for entry in blobs {
        let digest = recipe::digest(entry)?;
        let path = work.join(blob(digest));
        if path.exists() {
            done += entry.size();
            continue;
        }
        let name = format!("sha256:{digest}");
        let answer = held.client.pull_blob_stream(&held.reference, name.as_str()).await;
        let mut pieces = answer.map_err(|error| fault(&held.reference, &error))?;
        let mut file = File::create_new(&path).map_err(|error| ImageError::Io("keep a layer".into(), error))?;
        let (mut hasher, mut bytes) = (Hasher::default(), 0);
        while let Some(piece) = pieces.next().await {
            let piece = piece.map_err(|error| match error.get_ref().and_then(|inner| inner.downcast_ref()) {
                // The client looks, too, and has all of it before we have.
                Some(DigestError::VerificationError { expected, actual }) => ImageError::Refused(format!(
                    "a blob that the registry gives is damaged or was tampered with: it is {actual}, and not {expected}"
                )),
                _ => fault(&held.reference, &error.into()),
            })?;
            bytes += piece.len() as u64;
            if bytes > entry.size() {
                return Err(ImageError::Refused(format!("the blob {name} is longer than its manifest says")));
            }
            hasher.update(&piece);
            let kept = room.take(piece.len() as u64).and_then(|()| file.write_all(&piece));
            kept.map_err(|error| ImageError::Io("keep a layer".into(), error))?;
            progress(done + bytes, total);
        }
        let found = hasher.finish();
        if found != digest {
            return Err(ImageError::damaged("a blob that the registry gives", digest, found));
        }
        done += bytes;
    }
    let parts = Parts::of_folder(work).map_err(|error| ImageError::Io("read what was fetched".into(), error))?;
    let recipe = recipe::recipe(held.digest, &held.manifest, &parts.blob(config)?)?;
    let names = recipe.layers.iter().filter_map(|layer| layer.blob).map(blob).collect();
    Ok(Found { recipe, parts, names, known_as: vec![held.digest, config] })
}

/// The part of `host:port` before the port.
fn host(registry: &str) -> &str {
    match registry.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => registry.split(':').next().unwrap_or(registry),
    }
}

/// Whether nobody can listen on the way: only then is a registry spoken to without TLS.
fn is_loopback(registry: &str) -> bool {
    let host = host(registry);
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Who we are to the registry, as `docker login` has left it.
async fn credentials(registry: &str) -> Result<RegistryAuth, ImageError> {
    let server = if registry.ends_with("docker.io") { "https://index.docker.io/v1/" } else { registry }.to_owned();
    // It may run a helper program.
    let found = tokio::task::spawn_blocking(move || docker_credential::get_credential(&server)).await;
    match found.map_err(|error| ImageError::Refused(error.to_string()))? {
        Ok(DockerCredential::UsernamePassword(user, password)) => Ok(RegistryAuth::Basic(user, password)),
        Ok(DockerCredential::IdentityToken(token)) => Ok(RegistryAuth::Bearer(token)),
        Err(
            CredentialRetrievalError::ConfigNotFound
            | CredentialRetrievalError::ConfigReadError
            | CredentialRetrievalError::NoCredentialConfigured,
        ) => Ok(RegistryAuth::Anonymous),
        Err(error) => {
            tracing::warn!(registry, ?error, "Docker's config.json does not say who we are; going on as nobody");
            Ok(RegistryAuth::Anonymous)
        }
    }
}

/// What an error of the client means here.
fn fault(reference: &Reference, error: &OciDistributionError) -> ImageError {
    let registry = reference.resolve_registry();
    let away =
        |why: &dyn std::fmt::Display| ImageError::Away(format!("the registry {registry} cannot be reached: {why}"));
    let denied = |why: &dyn std::fmt::Display| {
        ImageError::Wrong(format!(
            "the registry {registry} shows no image {} to us (its name or its tag is wrong, or `docker login {registry}` is missing): {why}",
            reference.whole()
        ))
    };
    match error {
        OciDistributionError::RegistryError { envelope, .. } => {
            let busy = envelope.errors.iter().any(|error| error.code == OciErrorCode::Toomanyrequests);
            let why: Vec<_> = envelope.errors.iter().map(|error| error.message.clone()).collect();
            if busy { away(&why.join(", ")) } else { denied(&why.join(", ")) }
        }
        OciDistributionError::UnauthorizedError { .. } | OciDistributionError::AuthenticationFailure(_) => {
            denied(&"it asks who we are")
        }
        OciDistributionError::ImageManifestNotFoundError(why) => denied(why),
        OciDistributionError::ServerError { code, message, .. } if *code < 500 => {
            denied(&format_args!("{code} {message}"))
        }
        OciDistributionError::RequestError(_)
        | OciDistributionError::IoError(_)
        | OciDistributionError::ServerError { .. }
        | OciDistributionError::RegistryTokenDecodeError(_) => away(&chain(error)),
        other => ImageError::Refused(format!("the registry {registry} gives what is no image: {other}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_registry_on_this_machine_is_spoken_to_without_tls() {
        for registry in ["localhost", "localhost:5000", "127.0.0.1:5000", "127.9.9.9", "[::1]:5000"] {
            assert!(is_loopback(registry), "{registry}");
        }
        for registry in ["docker.io", "localhost.example:5000", "127.0.0.1.example", "10.0.0.1:5000", "[fe80::1]:5000"]
        {
            assert!(!is_loopback(registry), "{registry}");
        }
    }
}
