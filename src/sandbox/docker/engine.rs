//! The container engine itself: what it can do, what it holds, and what its answers mean.
//!
//! It knows images and errors, and nothing of runs.

use std::time::Duration;

use bollard::errors::Error as ApiError;
use bollard::models::{ImageInspect, SystemInfo, SystemInfoCgroupDriverEnum, SystemInfoCgroupVersionEnum};

use super::super::Fault;
use super::super::cgroup::Version;
use super::super::swap;
use super::link::Link;
use super::versions::Versions;
use crate::core::text::chain;

/// The oldest API that has everything that is asked of it: 1.41 is Docker 20.10.
const OLDEST_API: (usize, usize) = (1, 41);
/// How long the engine may take to answer what it answers at once when it is well.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// What a look at the engine finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    /// The engine's name and version.
    pub(super) versions: Versions,
    /// The image's id: what it names never changes.
    pub(super) image: String,
    /// The image as people and logs name it, with a digest.
    pub(super) image_name: String,
    /// Names of environment variables that the image sets.
    pub(super) environment: Vec<String>,
    /// The engine makes control groups by itself, and not by asking systemd.
    pub(super) makes_groups_where_told: bool,
    /// Which of the kernel's interfaces it makes them by.
    pub(super) cgroups: Option<Version>,
    /// The engine runs in, or gives its containers, a user namespace.
    pub(super) has_few_users: bool,
    /// The runtime is a kernel of its own between the program and the machine's (gVisor).
    pub(super) has_own_kernel: bool,
    /// What is no obstacle, and somebody should know.
    pub(super) notes: Vec<String>,
}

/// Looks whether everything is there that a run wants.
///
/// # Errors
/// [`Fault::Unavailable`] with what is not.
pub(super) async fn look(image: &str, runtime: Option<&str>, link: &Link) -> Result<Found, Fault> {
    let api = &link.api;
    let (said, info, inspected) =
        tokio::join!(patiently(api.version()), patiently(api.info()), patiently(api.inspect_image(image)));
    let said = said?;
    let versions = Versions::of(&said);
    let version = api.client_version();
    if (version.major_version, version.minor_version) < OLDEST_API {
        return Err(Fault::Unavailable(format!(
            "the engine's API is too old: that of {} is {version}, and {}.{} or later is needed (Docker 20.10, Podman 4.0)",
            versions.engine, OLDEST_API.0, OLDEST_API.1
        )));
    }
    let info = info?;
    let inspected = match inspected {
        Err(Fault::Failed(text)) if is_no_image(&text) => return Err(Fault::Unavailable(no_image(image))),
        other => other?,
    };
    // Each is a promise that a run could not keep.
    let lacks = |has: Option<bool>| has == Some(false);
    let missing = [(lacks(info.memory_limit), "memory limits"), (lacks(info.pids_limit), "limits on processes")];
    if let Some((_, what)) = missing.iter().find(|(missing, _)| *missing) {
        return Err(Fault::Unavailable(format!("the engine has no {what} on this machine")));
    }
    if lacks(info.swap_limit) {
        let here = if link.is_here() { swap::list().ok() } else { None };
        if let Some(why) = swap::objection(here.as_deref()) {
            return Err(Fault::Unavailable(why));
        }
    }
    if !info.security_options.iter().flatten().any(|option| option.contains("seccomp")) {
        return Err(Fault::Unavailable("the engine has no seccomp on this machine".into()));
    }
    if let Some(runtime) = runtime.filter(|runtime| !info.runtimes.iter().flatten().any(|(name, _)| name == runtime)) {
        return Err(Fault::Unavailable(no_runtime(runtime, &info)));
    }
    let config = inspected.config.clone().unwrap_or_default();
    if let Some(volume) = config.volumes.iter().flatten().next() {
        return Err(Fault::Unavailable(format!(
            "the image {image} declares the volume {volume}, where a run could write without bound: make one without"
        )));
    }
    let environment =
        config.env.iter().flatten().filter_map(|variable| variable.split('=').next().map(str::to_owned)).collect();
    let has_few_users =
        info.security_options.iter().flatten().any(|option| option.contains("rootless") || option.contains("userns"));
    let own_kernel = own_kernel(runtime, &info);
    let mut notes: Vec<String> = link.note().into_iter().collect();
    match &own_kernel {
        // runc starts nothing then.
        Some(OwnKernel { filters: true }) => (),
        Some(OwnKernel { filters: false }) => notes.push(
            "the runtime is registered without --oci-seccomp: programs reach every system call that gVisor has".into(),
        ),
        None => notes.extend(versions.note()),
    }
    Ok(Found {
        versions,
        image_name: named(image, &inspected),
        image: inspected.id.unwrap_or_default(),
        environment,
        makes_groups_where_told: info.cgroup_driver == Some(SystemInfoCgroupDriverEnum::CGROUPFS),
        cgroups: match info.cgroup_version {
            Some(SystemInfoCgroupVersionEnum::_1) => Some(Version::V1),
            Some(SystemInfoCgroupVersionEnum::_2) => Some(Version::V2),
            _ => None,
        },
        has_few_users,
        has_own_kernel: own_kernel.is_some(),
        notes,
    })
}

/// A runtime that is gVisor, and whether it was told to use the list of system calls.
struct OwnKernel {
    filters: bool,
}

fn own_kernel(runtime: Option<&str>, info: &SystemInfo) -> Option<OwnKernel> {
    let name = runtime.or(info.default_runtime.as_deref())?;
    let known = info.runtimes.as_ref()?.get(name)?;
    let arguments = known.runtime_args.as_deref().unwrap_or_default();
    let is_gvisor = name.contains("runsc") || known.path.as_ref().is_some_and(|path| path.contains("runsc"));
    is_gvisor.then(|| OwnKernel {
        // Who registers it as a shim says so elsewhere, where it cannot be seen.
        filters: known.path.is_none() || arguments.iter().any(|argument| argument.contains("oci-seccomp")),
    })
}

/// What to say of a runtime that the engine does not know.
fn no_runtime(runtime: &str, info: &SystemInfo) -> String {
    let known: Vec<&str> = {
        let mut known: Vec<&str> = info.runtimes.iter().flatten().map(|(name, _)| name.as_str()).collect();
        known.sort_unstable();
        known
    };
    let path = if runtime.starts_with('/') { runtime.to_owned() } else { format!("/usr/bin/{runtime}") };
    let arguments = if runtime.contains("runsc") { ", \"runtimeArgs\": [\"--oci-seccomp\"]" } else { "" };
    format!(
        "the engine has no runtime {runtime} (it has {}): put {{\"runtimes\": {{\"{runtime}\": {{\"path\": \"{path}\"{arguments}}}}}}} into /etc/docker/daemon.json and restart Docker; for Podman it is [engine.runtimes] of containers.conf",
        known.join(", ")
    )
}

/// `name@sha256:…`: by the digest under which a registry has the image, or else by its id.
fn named(image: &str, inspected: &ImageInspect) -> String {
    let repository = image.split('@').next().unwrap_or(image);
    // The colon of a tag, not that of a registry's port.
    let repository = match repository.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => name,
        _ => repository,
    };
    let mut digests: Vec<&String> = inspected.repo_digests.iter().flatten().collect();
    digests.sort_unstable();
    let of_this_name =
        |digest: &&&String| digest.split('@').next().is_some_and(|name| ends_with_path(name, repository));
    match digests.iter().find(of_this_name).or(digests.first()) {
        Some(digest) => (*digest).clone(),
        None => format!("{}@{}", image.split('@').next().unwrap_or(image), inspected.id.as_deref().unwrap_or_default()),
    }
}

/// `docker.io/library/debian` is what `debian` is short for.
fn ends_with_path(name: &str, short: &str) -> bool {
    name.strip_suffix(short).is_some_and(|before| before.is_empty() || before.ends_with('/'))
}

/// What to say when an image is not there.
pub(super) fn no_image(image: &str) -> String {
    format!("the engine has no image {image}: make it first, it is never fetched")
}

/// Whether an error says that. Docker and Podman have words of their own.
pub(super) fn is_no_image(text: &str) -> bool {
    let text = text.to_lowercase();
    ["no such image", "image not known", "failed to find image"].iter().any(|words| text.contains(words))
}

/// The answer to a request that the engine answers at once when it is well.
///
/// # Errors
/// As [`fault`] says.
pub(super) async fn patiently<T>(answer: impl Future<Output = Result<T, ApiError>>) -> Result<T, Fault> {
    match tokio::time::timeout(PATIENCE, answer).await {
        Ok(answer) => answer.map_err(|error| fault(&error)),
        Err(_) => {
            Err(Fault::Unavailable(format!("the container engine has not answered for {} s", PATIENCE.as_secs())))
        }
    }
}

/// An engine that answers, with an error, has failed once; one that does not answer is not there.
fn fault(error: &ApiError) -> Fault {
    match error {
        ApiError::DockerResponseServerError { .. }
        | ApiError::DockerStreamError { .. }
        | ApiError::JsonDataError { .. } => Fault::Failed(error.to_string()),
        _ => Fault::Unavailable(format!("the container engine does not answer: {}", chain(error))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_named_by_the_digest_that_others_can_fetch_it_by() {
        let digest = |letter: char| format!("sha256:{}", letter.to_string().repeat(64));
        let inspected = |digests: &[&str]| ImageInspect {
            id: Some(digest('f')),
            repo_digests: Some(digests.iter().map(|name| format!("{name}@{}", digest('a'))).collect()),
            ..ImageInspect::default()
        };
        for (image, digests, expected) in [
            ("podium-python:latest", vec![], format!("podium-python:latest@{}", digest('f'))),
            (
                "python:3.13",
                vec!["mirror.example.org/python", "python"],
                format!("mirror.example.org/python@{}", digest('a')),
            ),
            ("python:3.13", vec!["other", "python"], format!("python@{}", digest('a'))),
            ("mirror:5000/python", vec!["a", "mirror:5000/python"], format!("mirror:5000/python@{}", digest('a'))),
            ("p:1", vec!["localhost/p"], format!("localhost/p@{}", digest('a'))),
            ("p:1", vec!["localhost/other"], format!("localhost/other@{}", digest('a'))),
            ("p@sha256:00", vec![], format!("p@{}", digest('f'))),
        ] {
            assert_eq!(named(image, &inspected(&digests)), expected, "{image}");
        }
    }
}
