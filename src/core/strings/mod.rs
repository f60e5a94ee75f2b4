//! The words of the pages: for each language a file of messages, `site-templates/strings/<language>.toml`, checked as a whole. The
//! languages that ship are compiled in; a file of a home changes some of their messages, or brings another language.
//!
//! English is the measure: what its file does not have no other may have, but for `[own]`, which is an instructor's own templates'.

mod calls;
mod message;
mod plural;

use std::collections::{BTreeMap, BTreeSet};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::config::Problem;
pub use calls::check_calls;
pub use message::{Message, Piece};
pub use plural::Plural;

/// The language that every other is measured by, and that stands in for what another lacks.
pub const MEASURE: &str = "en";
/// The languages that ship: what each is called in config.toml, and its file.
pub const BUILT_IN: [(&str, &str); 2] = [
    ("de", include_str!("../../../site-templates/strings/de.toml")),
    (MEASURE, include_str!("../../../site-templates/strings/en.toml")),
];
/// Where the files are, below site-templates/.
pub const FOLDER: &str = "strings";
/// The table of words that templates of a home bring themselves.
const OWN: &str = "own";
/// The table of what the scripts say.
const SCRIPT: &str = "script";
/// The table of what a language is called and how it writes numbers.
const LANGUAGE: &str = "language";
/// Of what a new language lacks, as many are named.
const NAMED: usize = 12;

/// The words of one language.
#[derive(Debug, Clone, PartialEq)]
pub struct Language {
    tag: String,
    /// By `table.key`.
    messages: BTreeMap<String, Message>,
}

/// Every language, by what config.toml calls it.
pub type Languages = BTreeMap<String, Language>;

/// A file of messages as it was written: the messages with their lines.
type Written = BTreeMap<String, (Message, usize)>;

/// Whether a text can name a language, as HTML's `lang` does: `de`, `pt-BR`.
#[must_use]
pub fn is_tag(text: &str) -> bool {
    let mut parts = text.split('-');
    let first = parts.next().unwrap_or_default();
    (2..=3).contains(&first.len())
        && first.bytes().all(|b| b.is_ascii_lowercase())
        && parts.all(|part| (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric()))
}

/// The language of a file below site-templates/, where it is one of messages.
#[must_use]
pub fn tag_of(path: &str) -> Option<&str> {
    path.strip_prefix(FOLDER)?.strip_prefix('/')?.strip_suffix(".toml").filter(|tag| is_tag(tag))
}

/// The languages that ship, changed and joined by those of a home (the files' texts, by language), and every problem of the latter.
#[must_use]
pub fn languages(home: &BTreeMap<String, String>) -> (Languages, Vec<Problem>) {
    let mut problems = Vec::new();
    let mut languages = Languages::new();
    // The measure first: the others are completed by it.
    let mut measure = written(MEASURE, built_in(MEASURE).unwrap_or_default(), &mut problems);
    let known: BTreeMap<String, Message> = plain(&measure);
    if let Some(text) = home.get(MEASURE) {
        overlay(&mut measure, MEASURE, text, &known, &mut problems);
    }
    let english = plain(&measure);
    languages.insert(MEASURE.to_owned(), Language { tag: MEASURE.to_owned(), messages: english.clone() });
    let shipped = BUILT_IN.iter().map(|(tag, _)| *tag);
    let tags: BTreeSet<&str> = shipped.chain(home.keys().map(String::as_str)).filter(|tag| *tag != MEASURE).collect();
    for tag in tags {
        let mut messages = Written::new();
        if let Some(text) = built_in(tag) {
            overlay(&mut messages, tag, text, &known, &mut problems);
        }
        if let Some(text) = home.get(tag) {
            overlay(&mut messages, tag, text, &known, &mut problems);
        }
        let lacking: Vec<&String> = known.keys().filter(|key| !messages.contains_key(*key)).collect();
        for key in lacking.iter().take(NAMED) {
            problems.push(problem(tag, None, key, "is missing; English stands in for it".into()));
        }
        if let Some(more) = lacking.len().checked_sub(NAMED).filter(|more| *more > 0) {
            problems.push(problem(tag, None, "", format!("and {more} keys more are missing")));
        }
        let mut messages = plain(&messages);
        for (key, message) in &english {
            messages.entry(key.clone()).or_insert_with(|| message.clone());
        }
        languages.insert(tag.to_owned(), Language { tag: tag.to_owned(), messages });
    }
    share_own(&mut languages);
    (languages, problems)
}

/// What an instructor's own templates say may be written in one language only: it then is said so in all.
fn share_own(languages: &mut Languages) {
    let own = format!("{OWN}.");
    let said: BTreeMap<String, Message> = languages
        .values()
        .flat_map(|language| &language.messages)
        .filter(|(key, _)| key.starts_with(&own))
        .map(|(key, message)| (key.clone(), message.clone()))
        .collect();
    for language in languages.values_mut() {
        for (key, message) in &said {
            language.messages.entry(key.clone()).or_insert_with(|| message.clone());
        }
    }
}

fn built_in(tag: &str) -> Option<&'static str> {
    BUILT_IN.iter().find(|(name, _)| *name == tag).map(|(_, text)| *text)
}

fn plain(written: &Written) -> BTreeMap<String, Message> {
    written.iter().map(|(key, (message, _))| (key.clone(), message.clone())).collect()
}

fn problem(tag: &str, line: Option<usize>, key: &str, text: String) -> Problem {
    Problem { file: format!("site-templates/{FOLDER}/{tag}.toml"), line, key: key.to_owned(), text }
}

/// Puts the messages of a file over others, as far as they can be used.
fn overlay(over: &mut Written, tag: &str, text: &str, known: &BTreeMap<String, Message>, problems: &mut Vec<Problem>) {
    for (key, (message, line)) in written(tag, text, problems) {
        let mut complain = |text: String| problems.push(problem(tag, Some(line), &key, text));
        if key.starts_with(&format!("{OWN}.")) {
            over.insert(key, (message, line));
            continue;
        }
        let Some(meant) = known.get(&key) else {
            complain(format!("is not known{}; words of your own templates go under [{OWN}]", nearest(&key, known)));
            continue;
        };
        let (given, wanted) = (message.placeholders(), meant.placeholders());
        if let Some(strange) = given.difference(&wanted).next() {
            let wanted: Vec<_> = wanted.iter().map(|name| format!("{{{name}}}")).collect();
            let list = if wanted.is_empty() { "none".to_owned() } else { wanted.join(", ") };
            complain(format!("{{{strange}}} is filled in by nobody; this text has: {list}"));
            continue;
        }
        // A single one is often said without its number.
        if let Some(lost) = wanted.difference(&given).find(|name| *name != "n" || !message.is_plural()) {
            complain(format!("lacks {{{lost}}}"));
            continue;
        }
        if let Some(text) = message.unfit_for(tag, meant) {
            complain(text);
            continue;
        }
        if key == format!("{LANGUAGE}.locale") && !is_locale(message.text()) {
            complain(format!(
                "{:?} is no language tag, such as en or pt-BR: browsers would stop at it",
                message.text()
            ));
            continue;
        }
        over.insert(key, (message, line));
    }
}

/// Whether it has the form of a language tag (RFC 5646): letters first, then parts of letters and digits.
fn is_locale(tag: &str) -> bool {
    let (first, rest) = tag.split_once('-').unwrap_or((tag, "a"));
    let letters = (2..=3).contains(&first.len()) && first.bytes().all(|b| b.is_ascii_alphabetic());
    letters
        && rest.split('-').all(|part| (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric()))
}

fn nearest(key: &str, known: &BTreeMap<String, Message>) -> String {
    known
        .keys()
        .map(|name| (strsim::damerau_levenshtein(name, key), name))
        .min()
        .filter(|(distance, _)| *distance <= 3)
        .map_or_else(String::new, |(_, name)| format!("; did you mean {name}?"))
}

/// The messages of a file, and what is wrong with it as far as that can be told of a file alone.
fn written(tag: &str, text: &str, problems: &mut Vec<Problem>) -> Written {
    let line_at = |offset: usize| text[..offset.min(text.len())].matches('\n').count() + 1;
    let tables = match DeTable::parse(text) {
        Ok(tables) => tables,
        Err(error) => {
            let line = error.span().map(|span| line_at(span.start));
            problems.push(problem(tag, line, "", error.message().to_owned()));
            return Written::new();
        }
    };
    let mut found = Written::new();
    for (table, entries) in tables.get_ref() {
        let table = table.get_ref().as_ref();
        let DeValue::Table(entries) = entries.get_ref() else {
            let line = line_at(entries.span().start);
            problems.push(problem(tag, Some(line), table, "has to stand in a table, such as [board]".into()));
            continue;
        };
        for (key, value) in entries {
            let (full, line) = (format!("{table}.{}", key.get_ref()), line_at(key.span().start));
            match message(value) {
                Ok(message) => {
                    found.insert(full, (message, line));
                }
                Err(text) => problems.push(problem(tag, Some(line), &full, text)),
            }
        }
    }
    found
}

fn message(value: &Spanned<DeValue<'_>>) -> Result<Message, String> {
    match value.get_ref() {
        DeValue::String(text) => Message::plain(text),
        DeValue::Table(forms) => {
            let forms = forms.iter().map(|(name, text)| match text.get_ref() {
                DeValue::String(text) => Ok((name.get_ref().as_ref(), text.as_ref())),
                _ => Err(format!("{} has to be a text", name.get_ref())),
            });
            Message::plural(&forms.collect::<Result<Vec<_>, _>>()?)
        }
        _ => Err("has to be a text, or texts by number, such as { one = \"{n} byte\", other = \"{n} bytes\" }".into()),
    }
}

impl Language {
    /// What config.toml and HTML call it.
    #[must_use]
    pub fn tag(&self) -> &str {
        &self.tag
    }

    /// A message; `None` where the language has none of that name.
    #[must_use]
    pub fn message(&self, key: &str) -> Option<&Message> {
        self.messages.get(key)
    }

    /// The pieces of a message for a number: texts, and names of what is to be filled in.
    #[must_use]
    pub fn pieces<'m>(&self, message: &'m Message, n: Option<i64>) -> &'m [Piece] {
        message.pieces(n.map_or(Plural::Other, |n| Plural::of(&self.tag, n)))
    }

    /// A number as the language writes it, out of one with a point and, in whole ones, no groups yet or those of a score.
    #[must_use]
    pub fn number(&self, number: &str) -> String {
        let sign = |key: &str| self.messages.get(&format!("{LANGUAGE}.{key}")).map_or("", Message::text);
        let (minus, digits) = number.strip_prefix('-').map_or(("", number), |rest| ("-", rest));
        let whole = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
        let mut text = String::with_capacity(number.len() + 4);
        text.push_str(minus);
        for (place, c) in digits.char_indices() {
            match c {
                '.' => text.push_str(sign("decimal")),
                '\u{202f}' => text.push_str(sign("group")),
                c => {
                    // Four digits are read at a glance.
                    if place > 0 && place < whole && whole > 4 && (whole - place).is_multiple_of(3) {
                        text.push_str(sign("group"));
                    }
                    text.push(c);
                }
            }
        }
        text
    }

    /// The words of the scripts as one of their own: what the content policy lets a page load.
    #[must_use]
    pub fn script(&self) -> String {
        let mut words: serde_json::Map<String, serde_json::Value> = self
            .messages
            .iter()
            .filter_map(|(key, message)| Some((key.strip_prefix(SCRIPT)?.strip_prefix('.')?, message)))
            .map(|(key, message)| (key.to_owned(), message.json()))
            .collect();
        for key in ["locale", "decimal", "group"] {
            let text = self.messages.get(&format!("{LANGUAGE}.{key}")).map_or("", Message::text);
            words.insert(key.to_owned(), text.into());
        }
        format!("window.podiumWords = {};\n", serde_json::Value::Object(words))
    }
}

#[cfg(test)]
mod tests;
