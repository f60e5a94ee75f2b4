//! The container engine itself: how it is reached, what it can do, and what its answers mean.
//!
//! It knows images and errors, and nothing of runs.

use std::time::Duration;

use bollard::Docker as Api;
use bollard::errors::Error as ApiError;
use bollard::models::SystemInfoCgroupDriverEnum;

use super::super::Fault;

/// The oldest API that has everything that is asked of it: 1.41 is Docker 20.10.
const OLDEST_API: (usize, usize) = (1, 41);
/// How long the engine may take to answer what it answers at once when it is well.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// What a look at the engine finds.
pub(super) struct Found {
    /// The engine's version.
    pub(super) engine: String,
    /// The image's id.
    pub(super) image: String,
    /// Names of environment variables that the image sets.
    pub(super) environment: Vec<String>,
    /// The engine makes control groups by itself, and not by asking systemd.
    pub(super) makes_groups_where_told: bool,
    /// The engine runs in, or gives its containers, a user namespace.
    pub(super) has_few_users: bool,
}

/// The engine that the environment names (`DOCKER_HOST`), or else the machine's own. Nothing is sent yet.
///
/// # Errors
/// What is named is not the address of one.
pub(super) fn connect() -> Result<Api, Fault> {
    // A run waits for its container as long as its own limits say: the client library's patience must not be shorter.
    const LONGEST_RUN: Duration = Duration::from_secs(24 * 3600);
    Api::connect_with_defaults().map(|api| api.with_timeout(LONGEST_RUN)).map_err(|error| fault(&error))
}

/// Looks whether everything is there that a run wants.
///
/// # Errors
/// [`Fault::Unavailable`] with what is not.
pub(super) async fn look(image: &str, runtime: Option<&str>, api: Option<Api>) -> Result<(Api, Found), Fault> {
    let api = match api {
        Some(api) => api,
        None => patiently(connect()?.negotiate_version()).await?,
    };
    let version = api.client_version();
    if (version.major_version, version.minor_version) < OLDEST_API {
        return Err(Fault::Unavailable(format!(
            "the engine's API is too old: it is {version}, and {}.{} or later (Docker 20.10) is needed",
            OLDEST_API.0, OLDEST_API.1
        )));
    }
    let (info, inspected) = tokio::join!(patiently(api.info()), patiently(api.inspect_image(image)));
    let (info, inspected) = (info?, inspected);
    let inspected = match inspected {
        Err(Fault::Failed(text)) if text.contains("No such image") || text.contains("status code 404") => {
            return Err(Fault::Unavailable(no_image(image)));
        }
        other => other?,
    };
    // Each is a promise that a run could not keep.
    let lacks = |has: Option<bool>| has == Some(false);
    let missing = [(lacks(info.memory_limit), "memory limits"), (lacks(info.pids_limit), "limits on processes")];
    if let Some((_, what)) = missing.iter().find(|(missing, _)| *missing) {
        return Err(Fault::Unavailable(format!("the engine has no {what} on this machine")));
    }
    if !info.security_options.iter().flatten().any(|option| option.contains("seccomp")) {
        return Err(Fault::Unavailable("the engine has no seccomp on this machine".into()));
    }
    if let Some(runtime) = runtime.filter(|runtime| !info.runtimes.iter().flatten().any(|(name, _)| name == runtime)) {
        return Err(Fault::Unavailable(format!("the engine has no runtime {runtime}")));
    }
    let config = inspected.config.unwrap_or_default();
    if let Some(volume) = config.volumes.iter().flatten().next() {
        return Err(Fault::Unavailable(format!(
            "the image {image} declares the volume {volume}, where a run could write without bound: make one without"
        )));
    }
    let environment =
        config.env.iter().flatten().filter_map(|variable| variable.split('=').next().map(str::to_owned)).collect();
    let has_few_users =
        info.security_options.iter().flatten().any(|option| option.contains("rootless") || option.contains("userns"));
    let makes_groups_where_told = info.cgroup_driver == Some(SystemInfoCgroupDriverEnum::CGROUPFS);
    let found = Found {
        engine: info.server_version.unwrap_or_default(),
        image: inspected.id.unwrap_or_default(),
        environment,
        makes_groups_where_told,
        has_few_users,
    };
    Ok((api, found))
}

/// What to say when an image is not there.
pub(super) fn no_image(image: &str) -> String {
    format!("the engine has no image {image}: make it first, it is never fetched")
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

/// The client library's own words say little without their causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}
