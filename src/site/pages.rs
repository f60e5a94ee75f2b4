//! Views made into HTML, by minijinja, with escaping on. Knows nothing of where the pages go.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use include_dir::{Dir, DirEntry, include_dir};
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value, context};
use serde::Serialize;

use super::words;
use crate::core::config::{Board, Problem};
use crate::core::strings::{self, Languages};
use crate::core::view::{BoardPage, BoardRank, BoardRow, Site};

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
    /// The best scores of several users over time, as an image.
    pub const CHART: Kind = Kind { template: "chart.svg", current: "chart", depth: 0 };
    /// The feed of new bests.
    pub const FEED: Kind = Kind { template: "feed.xml", current: "feed", depth: 0 };
    /// The task and the rules.
    pub const ABOUT: Kind = Kind { template: "about.html", current: "about", depth: 0 };
    /// The beginning of a row of the board, to stand in it.
    const RANK: Kind = Kind { template: "rank.html", ..Kind::BOARD };
    /// The rest of the row.
    const ROW: Kind = Kind { template: "row.html", ..Kind::BOARD };
    /// A user's submissions.
    pub const USER: Kind = Kind { template: "user.html", current: "user", depth: 2 };
    /// The private page of a file that is being checked.
    pub const CHECKING: Kind = Kind { template: "checking.html", current: "submission", depth: 2 };
    /// A submission's private page.
    pub const SUBMISSION: Kind = Kind { template: "submission.html", current: "submission", depth: 2 };
}

/// The templates of a home.
pub struct Pages {
    /// The templates, with the words of the language by which the others are measured.
    english: Environment<'static>,
    /// The same with other words, by language.
    others: BTreeMap<String, Environment<'static>>,
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

impl RenderError {
    /// The same as a complaint about the template: where it fails, and over what.
    #[must_use]
    pub fn problem(&self) -> Problem {
        // Of several templates that stand in each other, the innermost says where.
        let mut error = &self.source;
        while let Some(inner) = error.source().and_then(|source| source.downcast_ref::<minijinja::Error>()) {
            error = inner;
        }
        let words = error.range().zip(error.template_source()).and_then(|(range, text)| text.get(range));
        Problem { key: words.unwrap_or_default().to_owned(), ..problem(error.name().unwrap_or(self.template), error) }
    }
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
        // An error then knows which words of the template it is about.
        environment.set_debug(true);
        environment.set_auto_escape_callback(
            |name| {
                if is_template(name) { AutoEscape::Html } else { AutoEscape::None }
            },
        );
        let mut assets = BTreeMap::new();
        let (strings, brought): (Vec<_>, Vec<_>) =
            overrides(folder, &mut problems).into_iter().partition(|(name, _)| is_strings(name));
        let mut languages = languages(strings, &mut problems);
        if let Some(measure) = languages.get(strings::MEASURE) {
            let templates = brought.iter().filter(|(name, _)| is_template(name));
            for (name, text) in templates.filter_map(|(name, bytes)| Some((name, std::str::from_utf8(bytes).ok()?))) {
                problems.extend(strings::check_calls(name, text, measure));
            }
        }
        // The built-in ones first: they stay where one that was brought is no good.
        let mut files: Vec<_> = built_in(&BUILT_IN).into_iter().filter(|(name, _)| !is_strings(name)).collect();
        files.extend(brought);
        for (name, bytes) in files {
            if !is_template(&name) {
                let small = SMALL.get(&name).filter(|_| is_built_in(&name, &bytes)).cloned();
                assets.insert(name, small.unwrap_or(bytes));
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
        for (tag, language) in &languages {
            assets.insert(format!("assets/words-{tag}.js"), language.script().into_bytes());
        }
        let spoken = |language| {
            let mut environment = environment.clone();
            words::speak(&mut environment, language);
            environment
        };
        let english = languages.remove(strings::MEASURE).map(spoken).unwrap_or_default();
        let others = languages.into_iter().map(|(tag, language)| (tag, spoken(language))).collect();
        (Self { english, others, assets }, problems)
    }

    /// The files of public/ that no template makes.
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
        let (language, environment) = self.spoken(site);
        let (site, page) = (Value::from(Serde(site)), Value::from(Serde(page)));
        fill(environment, kind, context! { site, root, language, current => kind.current, page })
    }

    /// The board around its rows, which are HTML already.
    ///
    /// # Errors
    /// As [`Pages::render`].
    pub fn board(&self, site: &Site, page: &BoardPage, rows: &str) -> Result<String, RenderError> {
        // There may be megabytes of them, which the template engine would copy more than once.
        const ROWS: &str = "\0rows\0";
        let kind = Kind::BOARD;
        let (language, environment) = self.spoken(site);
        let (site, page, place) =
            (Value::from(Serde(site)), Value::from(Serde(page)), Value::from_safe_string(ROWS.into()));
        let context = context! { site, root => "", language, current => kind.current, page, rows => place };
        let frame = fill(environment, kind, context)?;
        Ok(frame.split(ROWS).collect::<Vec<_>>().join(rows))
    }

    /// The beginning of a row of the board, with its first cell.
    ///
    /// # Errors
    /// As [`Pages::render`].
    pub fn rank(&self, site: &Site, row: &BoardRank) -> Result<String, RenderError> {
        self.piece(Kind::RANK, site, row)
    }

    /// The other cells of a row of the board.
    ///
    /// # Errors
    /// As [`Pages::render`].
    pub fn row(&self, site: &Site, row: &BoardRow) -> Result<String, RenderError> {
        self.piece(Kind::ROW, site, row)
    }

    fn piece(&self, kind: Kind, site: &Site, row: &impl Serialize) -> Result<String, RenderError> {
        let (language, environment) = self.spoken(site);
        let (row, is_final) = (Value::from(Serde(row)), site.board == Board::Closed);
        fill(environment, kind, context! { row, root => "", language, final => is_final })
    }

    /// The language of the site, and the templates that speak it.
    fn spoken(&self, site: &Site) -> (&str, &Environment<'static>) {
        match self.others.get_key_value(&site.language) {
            Some((language, environment)) => (language, environment),
            // The measure; or its file has gone since config.toml was read.
            None => (strings::MEASURE, &self.english),
        }
    }
}

fn fill(environment: &Environment<'_>, kind: Kind, context: Value) -> Result<String, RenderError> {
    environment
        .get_template(kind.template)
        .and_then(|template| template.render(context))
        .map_err(|source| RenderError { template: kind.template, source })
}

/// The templates that are no HTML; every other file is published as it is.
const NO_HTML: [&str; 2] = ["chart.svg", "feed.xml"];

/// Whether a file of site-templates/ is filled in. What XML has to escape, HTML's way of escaping does too.
fn is_template(name: &str) -> bool {
    name.ends_with(".html") || NO_HTML.contains(&name)
}

/// Whether a file of site-templates/ has words, and is published as what the scripts read of them only.
fn is_strings(name: &str) -> bool {
    name.strip_prefix(strings::FOLDER).is_some_and(|rest| rest.starts_with('/'))
}

/// The languages that ship, and those of these files.
fn languages(files: Vec<(String, Vec<u8>)>, problems: &mut Vec<Problem>) -> Languages {
    let mut texts = BTreeMap::new();
    for (name, bytes) in files {
        let mut complain = |text: &str| {
            problems.push(Problem {
                file: format!("site-templates/{name}"),
                line: None,
                key: String::new(),
                text: text.to_owned(),
            });
        };
        match (strings::tag_of(&name), String::from_utf8(bytes)) {
            (Some(tag), Ok(text)) => drop(texts.insert(tag.to_owned(), text)),
            (Some(_), Err(_)) => complain("is not UTF-8"),
            (None, _) => complain("is no file of a language: those are called de.toml, pt-BR.toml, …"),
        }
    }
    let (languages, found) = strings::languages(&texts);
    problems.extend(found);
    languages
}

fn problem(name: &str, error: &minijinja::Error) -> Problem {
    let text = match error.kind() {
        minijinja::ErrorKind::UndefinedError if error.detail().is_none_or(|text| text.ends_with("is undefined")) => {
            "is not there: docs/templates.md lists what each template is given".to_owned()
        }
        kind => error.detail().map_or_else(|| kind.to_string(), str::to_owned),
    };
    Problem { file: format!("site-templates/{name}"), line: error.line(), key: String::new(), text }
}

/// Whether it is a built-in file as it was when the program was built; the repository's own home brings those.
fn is_built_in(name: &str, bytes: &[u8]) -> bool {
    BUILT_IN.get_file(name).is_some_and(|file| file.contents() == bytes)
}

/// The built-in style sheets and scripts without their comments and spaces, which readers need not be sent. Only those that our own tests look
/// at in a browser: what an instructor brings is published as it is.
static SMALL: LazyLock<BTreeMap<String, Vec<u8>>> = LazyLock::new(|| {
    let small = |(name, bytes): (String, Vec<u8>)| {
        let text = std::str::from_utf8(&bytes).ok()?;
        let small = match Path::new(&name).extension()?.to_str()? {
            "css" => minifier::css::minify(text).ok()?.to_string(),
            "js" => minifier::js::minify(text).to_string(),
            _ => return None,
        };
        Some((name, small.into_bytes()))
    };
    built_in(&BUILT_IN).into_iter().filter_map(small).collect()
});

/// Every file that is built in, by its path below site-templates/, with its bytes.
#[must_use]
pub fn built_in_files() -> Vec<(String, Vec<u8>)> {
    built_in(&BUILT_IN)
}

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

#[cfg(test)]
mod tests;
