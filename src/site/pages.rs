//! Views made into HTML, by minijinja, with escaping on. Knows nothing of where the pages go.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use include_dir::{Dir, DirEntry, include_dir};
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, UndefinedBehavior, context};
use serde::Serialize;

use crate::core::config::Problem;
use crate::core::view::Site;

/// The built-in templates and assets: those of the repository's own home, as they were when the program was built.
static BUILT_IN: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/site-templates");

/// What kind of page it is.
#[derive(Debug, Clone, Copy)]
pub struct Kind {
    template: &'static str,
    /// Which of the site's parts it belongs to, for the navigation.
    current: &'static str,
    /// How many folders it lies below public/.
    depth: usize,
}

impl Kind {
    /// The board.
    pub const BOARD: Kind = Kind { template: "index.html", current: "board", depth: 0 };
    /// The queue.
    pub const QUEUE: Kind = Kind { template: "queue.html", current: "queue", depth: 0 };
    /// A user's submissions.
    pub const USER: Kind = Kind { template: "user.html", current: "user", depth: 2 };
    /// A submission's private page.
    pub const SUBMISSION: Kind = Kind { template: "submission.html", current: "submission", depth: 2 };
}

/// The templates of a home.
pub struct Pages {
    environment: Environment<'static>,
    assets: BTreeMap<String, Vec<u8>>,
}

/// Why a page could not be made.
#[derive(Debug, thiserror::Error)]
#[error("failed to render {template}")]
pub struct RenderError {
    template: &'static str,
    #[source]
    source: minijinja::Error,
}

impl Pages {
    /// The built-in templates and assets, each replaced by the file of its name in `folder`, if there is one, and every further file of
    /// `folder`.
    ///
    /// # Errors
    /// Every template that does not parse, and every file that cannot be read. The rest is still usable, with the built-in ones in the
    /// place of those.
    pub fn load(folder: &Path) -> (Self, Vec<Problem>) {
        let mut problems = Vec::new();
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_auto_escape_callback(
            |name| {
                if name.ends_with(".html") { AutoEscape::Html } else { AutoEscape::None }
            },
        );
        let mut assets = BTreeMap::new();
        let mut files = built_in(&BUILT_IN);
        files.extend(overrides(folder, &mut problems));
        for (name, bytes) in files {
            if !name.ends_with(".html") {
                assets.insert(name, bytes);
                continue;
            }
            match String::from_utf8(bytes) {
                Ok(text) => {
                    if let Err(error) = environment.add_template_owned(name.clone(), text) {
                        problems.push(problem(&name, &error));
                    }
                }
                Err(_) => problems.push(Problem {
                    file: format!("site-templates/{name}"),
                    line: None,
                    key: String::new(),
                    text: "is not UTF-8".into(),
                }),
            }
        }
        (Self { environment, assets }, problems)
    }

    /// The files that are copied to public/ as they are.
    #[must_use]
    pub fn assets(&self) -> &BTreeMap<String, Vec<u8>> {
        &self.assets
    }

    /// A page.
    ///
    /// # Errors
    /// When the template asks for something that the view does not have, or fails otherwise.
    pub fn render(&self, kind: Kind, site: &Site, page: &impl Serialize) -> Result<String, RenderError> {
        let root = "../".repeat(kind.depth);
        let (site, page) = (minijinja::Value::from(Serde(site)), minijinja::Value::from(Serde(page)));
        self.environment
            .get_template(kind.template)
            .and_then(|template| template.render(context! { site, root, current => kind.current, page }))
            .map_err(|source| RenderError { template: kind.template, source })
    }
}

fn problem(name: &str, error: &minijinja::Error) -> Problem {
    let text = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
    Problem { file: format!("site-templates/{name}"), line: error.line(), key: String::new(), text }
}

/// Every built-in file, by its path.
fn built_in(folder: &Dir<'_>) -> Vec<(String, Vec<u8>)> {
    folder
        .entries()
        .iter()
        .flat_map(|entry| match entry {
            DirEntry::Dir(folder) => built_in(folder),
            DirEntry::File(file) => vec![(file.path().to_string_lossy().into_owned(), file.contents().to_vec())],
        })
        .collect()
}

/// Every file of the folder, by its path below it.
fn overrides(folder: &Path, problems: &mut Vec<Problem>) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    if !folder.is_dir() {
        return found;
    }
    // What editors and version control leave beside a file is no page.
    let meant = |entry: &walkdir::DirEntry| {
        let name = entry.file_name().to_string_lossy();
        entry.depth() == 0 || !(name.starts_with('.') || name.ends_with('~'))
    };
    for entry in walkdir::WalkDir::new(folder).sort_by_file_name().into_iter().filter_entry(meant) {
        let read = entry.map_err(std::io::Error::from).and_then(|entry| {
            if !entry.file_type().is_file() {
                return Ok(None);
            }
            let name = entry.path().strip_prefix(folder).unwrap_or(entry.path()).to_string_lossy().into_owned();
            fs::read(entry.path()).map(|bytes| Some((name, bytes)))
        });
        match read {
            Ok(file) => found.extend(file),
            Err(error) => problems.push(Problem {
                file: "site-templates".into(),
                line: None,
                key: String::new(),
                text: error.to_string(),
            }),
        }
    }
    found
}
