//! The files of results/admin/: written where they change, removed where nothing stands for them any more.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value, context};
use serde::Serialize;

use super::disk::Disk;
use super::follow::{Follower, StaffError, kept_text};
use crate::core::desk::{Desk, Dossier};
use crate::core::ids::CaseName;
use crate::core::ids::{Number, UserName};
use crate::core::rules::Rules;
use crate::core::view::{Health, Tail, sheet, staff_index, staff_submission};
use crate::files;
use crate::home::Home;

/// The built-in templates. Not those of the site: an instructor's own look must not be able to break what says that it is broken.
const TEMPLATES: [(&str, &str); 4] = [
    ("base.html", include_str!("templates/base.html")),
    ("index.html", include_str!("templates/index.html")),
    ("submission.html", include_str!("templates/submission.html")),
    ("compare.html", include_str!("templates/compare.html")),
];
const ASSETS: [(&str, &str); 4] = [
    ("assets/podium.css", include_str!("../../site-templates/assets/podium.css")),
    ("assets/details.css", include_str!("../../site-templates/assets/details.css")),
    ("assets/staff.css", include_str!("templates/staff.css")),
    ("assets/compare.js", include_str!("templates/compare.js")),
];
/// Nobody else reads them.
const MODE: u32 = 0o600;
/// Of what a run left, this much of the end is shown, in bytes.
const TAIL: u64 = 2 << 10;
/// As many earlier submissions of the same user are offered to compare with.
const OTHERS: usize = 12;

/// Keeps results/admin/ in step with the log.
pub struct Keeper {
    home: Home,
    environment: Environment<'static>,
    follower: Follower,
    desk: Desk,
    disk: Disk,
    /// Those that have a page; `None` before the first look.
    written: Option<BTreeSet<Number>>,
    /// What the pages were written under.
    rules: Option<Rules>,
}

/// compare.html
#[derive(Serialize)]
struct ComparePage<'a> {
    title: &'a str,
    numbers: Vec<(Number, &'a UserName)>,
}

impl Keeper {
    /// One that has not read anything yet.
    ///
    /// # Errors
    /// When a built-in template is none.
    pub fn new(home: &Home) -> Result<Self, StaffError> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_auto_escape_callback(|_| AutoEscape::Html);
        for (name, text) in TEMPLATES {
            environment.add_template(name, text)?;
        }
        Ok(Self {
            home: home.clone(),
            environment,
            follower: Follower::new(home),
            desk: Desk::default(),
            disk: Disk::default(),
            written: None,
            rules: None,
        })
    }

    /// Brings the pages up to date. `health` lacks what this finds out by itself: disk.
    ///
    /// # Errors
    /// [`StaffError`]; what could be written is.
    pub fn refresh(&mut self, rules: &Rules, health: Health, now: DateTime<Utc>) -> Result<(), StaffError> {
        self.follower.go_on(&mut self.desk)?;
        let changed = self.desk.take_changed();
        let dossiers = self.desk.dossiers();
        let everything = self.written.is_none() || self.rules.as_ref() != Some(rules);
        if self.written.is_none() {
            self.prepare()?;
        }
        let numbers: BTreeSet<Number> = dossiers.keys().copied().collect();
        for (number, dossier) in dossiers.iter().filter(|(number, _)| everything || changed.contains(number)) {
            self.submission(*number, dossier, &dossiers, rules)?;
        }
        let gone = self.written.iter().flatten().filter(|number| !numbers.contains(number)).copied();
        for number in gone.collect::<Vec<_>>() {
            self.remove(&page_of(number))?;
            self.remove(&data_of(number))?;
        }
        if everything || self.written.as_ref() != Some(&numbers) {
            let numbers = dossiers.iter().rev().map(|(number, dossier)| (*number, &dossier.accepted.user)).collect();
            let page = ComparePage { title: &rules.config.competition.title, numbers };
            self.page("compare.html", "compare.html", "compare", &page)?;
        }
        (self.written, self.rules) = (Some(numbers), Some(rules.clone()));
        let free_bytes = files::free_bytes(&self.home.results()).ok();
        let health = Health { free_bytes, disk: self.disk.look(&self.home, &self.desk), ..health };
        self.page("index.html", "index.html", "index", &staff_index(&self.desk, rules, health, now))
    }

    /// Makes the folder anew: what an earlier daemon left may be of another log.
    fn prepare(&self) -> Result<(), StaffError> {
        let folder = self.home.admin();
        let io = |source| StaffError::Io { path: folder.clone(), source };
        files::empty_folder(&folder).map_err(io)?;
        for below in ["assets", "data", "submissions"] {
            files::private_folder(&folder.join(below)).map_err(io)?;
        }
        ASSETS.iter().try_for_each(|(name, text)| self.write(name, text.as_bytes()))
    }

    fn submission(
        &self,
        number: Number,
        dossier: &Dossier,
        all: &BTreeMap<Number, Arc<Dossier>>,
        rules: &Rules,
    ) -> Result<(), StaffError> {
        let kept = kept_text(&self.home, dossier, TAIL);
        let sheet = sheet(dossier, rules, &|case: &CaseName, name: &str| -> Tail { kept(case, name) });
        let json = serde_json::to_string(&sheet).map_err(|error| self.failed(data_of(number), error.into()))?;
        self.write(&data_of(number), format!("podium.sheet({json});\n").as_bytes())?;
        // Earlier ones only, so that the page stays as it is when its user hands in again.
        let of_user = all.range(..number).rev().filter(|(_, other)| other.accepted.user == dossier.accepted.user);
        let others = of_user.map(|(number, _)| *number).take(OTHERS).collect();
        self.page(&page_of(number), "submission.html", "submission", &staff_submission(sheet, others, rules))
    }

    fn page(&self, path: &str, template: &str, current: &str, page: &impl Serialize) -> Result<(), StaffError> {
        let root = "../".repeat(path.matches('/').count());
        let page = Value::from(Serde(page));
        let html = self.environment.get_template(template)?.render(context! { root, current, page })?;
        self.write(path, html.as_bytes())
    }

    fn write(&self, path: &str, bytes: &[u8]) -> Result<(), StaffError> {
        files::replace_if_changed(&self.home.admin().join(path), bytes, MODE)
            .map(drop)
            .map_err(|source| self.failed(path.to_owned(), source))
    }

    fn remove(&self, path: &str) -> Result<(), StaffError> {
        match fs::remove_file(self.home.admin().join(path)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(self.failed(path.to_owned(), error)),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    fn failed(&self, path: String, source: io::Error) -> StaffError {
        let path: PathBuf = self.home.admin().join(path);
        StaffError::Io { path, source }
    }
}

fn page_of(number: Number) -> String {
    format!("submissions/{number}.html")
}

fn data_of(number: Number) -> String {
    format!("data/{number}.js")
}
