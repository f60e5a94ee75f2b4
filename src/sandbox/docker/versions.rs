//! What the engine is made of, as it tells itself: names, versions, and what is known of them.

use bollard::models::SystemVersion;

/// An engine by its own words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Versions {
    /// `docker 20.10.24`, `podman 4.3.1`.
    pub(super) engine: String,
    /// runc's version, where the engine tells it.
    runc: Option<String>,
}

/// From this version on runc is mended, within that line of versions; what was found, by its numbers.
const WAYS_OUT: [([u64; 3], &str); 3] = [
    ([1, 0, 0], "CVE-2019-5736"),
    ([1, 1, 12], "CVE-2024-21626"),
    ([1, 2, 8], "CVE-2025-31133, CVE-2025-52565, CVE-2025-52881"),
];
/// Later lines of versions in which the last of them was mended later.
const MENDED_LATER: [[u64; 3]; 1] = [[1, 3, 3]];

impl Versions {
    pub(super) fn of(said: &SystemVersion) -> Self {
        let components = said.components.as_deref().unwrap_or_default();
        let podman = components.iter().find(|component| component.name.contains("Podman"));
        let (name, version) = match podman {
            Some(podman) => ("podman", Some(podman.version.clone())),
            None => ("docker", said.version.clone()),
        };
        // Docker: "runc", "1.1.5+ds1". Podman: "OCI Runtime (runc)", "runc version 1.1.5+ds1\ncommit: ...".
        let runc = components.iter().find(|component| component.name.contains("runc")).and_then(|component| {
            let first = component.version.lines().next()?;
            Some(first.trim_start_matches("runc version ").trim().to_owned())
        });
        Self { engine: format!("{name} {}", version.unwrap_or_default()), runc }
    }

    /// Podman speaks Docker's language, with some words of its own.
    pub(super) fn is_podman(&self) -> bool {
        self.engine.starts_with("podman")
    }

    /// What is known against the runc that containers are started with. A distribution mends an old version and lets it
    /// keep its number, so this is no more than a reason to ask.
    pub(super) fn note(&self) -> Option<String> {
        let version = self.runc.as_deref()?;
        let number = number(version)?;
        let later = MENDED_LATER.iter().any(|mended| number[..2] == mended[..2] && number < *mended);
        let known: Vec<&str> = WAYS_OUT
            .iter()
            .filter(|(mended, _)| number < *mended || later && Some(mended) == WAYS_OUT.last().map(|(last, _)| last))
            .map(|(_, found)| *found)
            .collect();
        (!known.is_empty()).then(|| {
            format!(
                "runc {version} may have known ways out of a container ({}): a distribution mends an old version under its old number, so look into its own list of changes (`apt-get changelog runc`), or take a newer one",
                known.join(", ")
            )
        })
    }
}

/// The first three numbers of a version. A candidate for a release counts as what came before it.
fn number(version: &str) -> Option<[u64; 3]> {
    let plain: String = version.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
    let mut parts = plain.split('.').map(str::parse::<u64>);
    let mut next = || parts.next().and_then(Result::ok);
    let (major, minor, patch) = (next()?, next()?, next().unwrap_or(0));
    if version[plain.len()..].starts_with("-rc") {
        // Before 1.2.0-rc.1 came 1.1.*: patch -1 of its own line.
        return Some(match (minor, patch) {
            (_, 1..) => [major, minor, patch - 1],
            (1.., 0) => [major, minor - 1, u64::MAX],
            (0, 0) => [major.saturating_sub(1), u64::MAX, u64::MAX],
        });
    }
    Some([major, minor, patch])
}

#[cfg(test)]
mod tests {
    use super::*;
    use bollard::models::SystemVersionComponents;

    fn versions(components: &[(&str, &str)]) -> Versions {
        let component = |(name, version): &(&str, &str)| SystemVersionComponents {
            name: (*name).into(),
            version: (*version).into(),
            ..SystemVersionComponents::default()
        };
        Versions::of(&SystemVersion {
            version: Some("20.10.24".into()),
            components: Some(components.iter().map(component).collect()),
            ..SystemVersion::default()
        })
    }

    #[test]
    fn docker_and_podman_tell_of_themselves_in_different_words() {
        let docker = versions(&[("Engine", "20.10.24"), ("runc", "1.1.5+ds1")]);
        assert_eq!((docker.engine.as_str(), docker.runc.as_deref()), ("docker 20.10.24", Some("1.1.5+ds1")));
        let podman =
            versions(&[("Podman Engine", "4.3.1"), ("OCI Runtime (runc)", "runc version 1.1.5+ds1\ncommit: x")]);
        assert_eq!((podman.engine.as_str(), podman.runc.as_deref()), ("podman 4.3.1", Some("1.1.5+ds1")));
        assert_eq!(versions(&[]).note(), None, "nothing is known of what is not told");
    }

    #[test]
    fn a_runc_with_known_ways_out_is_named_and_only_suspected() {
        let known = |version: &str| {
            let note = versions(&[("runc", version)]).note().unwrap_or_default();
            assert!(note.is_empty() || note.contains(version) && note.contains("may have"), "{note}");
            ["2019-5736", "2024-21626", "2025-31133"].map(|number| note.contains(number))
        };
        for (version, expected) in [
            ("1.0.0-rc6", [true, true, true]),
            ("1.0.0", [false, true, true]),
            ("1.1.5+ds1", [false, true, true]),
            ("1.1.12", [false, false, true]),
            ("1.2.0-rc.1", [false, false, true]),
            ("1.2.7", [false, false, true]),
            ("1.2.8", [false, false, false]),
            ("1.3.2", [false, false, true]),
            ("1.3.3", [false, false, false]),
            ("1.4.0", [false, false, false]),
            ("2.0.0", [false, false, false]),
            ("unknown", [false, false, false]),
        ] {
            assert_eq!(known(version), expected, "{version}");
        }
    }
}
