//! Reading a TOML table key by key, so that every problem of a file is found in one go and carries its line.
//!
//! serde stops at the first problem; whoever mends a file on the evening of a deadline wants all of them.

use std::time::Duration;

use chrono::{DateTime, Utc};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::Problem;

/// The text that is read, and what was found wrong in it so far.
pub(super) struct Reader<'t> {
    text: &'t str,
    problems: Vec<Problem>,
}

/// A table, its full name (`evaluator.limits`), and the keys that were asked for.
pub(super) struct Table<'t, 'v> {
    name: String,
    entries: Option<&'v DeTable<'t>>,
    line: Option<usize>,
    known: Vec<&'static str>,
}

impl<'t> Reader<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, problems: Vec::new() }
    }

    pub(super) fn problems(mut self) -> Vec<Problem> {
        self.problems.sort_by_key(|problem| problem.line);
        self.problems
    }

    pub(super) fn line_at(&self, offset: usize) -> usize {
        self.text[..offset.min(self.text.len())].matches('\n').count() + 1
    }

    pub(super) fn complain(&mut self, line: Option<usize>, key: impl Into<String>, text: impl Into<String>) {
        self.problems.push(Problem { file: super::FILE.into(), line, key: key.into(), text: text.into() });
    }
}

/// What a value of the wrong type is called in a message.
fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

impl<'t, 'v> Table<'t, 'v> {
    pub(super) fn root(entries: &'v DeTable<'t>) -> Self {
        Self { name: String::new(), entries: Some(entries), line: None, known: Vec::new() }
    }

    /// The full name of a key of this table.
    pub(super) fn full(&self, key: &str) -> String {
        if self.name.is_empty() { key.to_owned() } else { format!("{}.{key}", self.name) }
    }

    /// Whether the file has the table at all.
    pub(super) fn is_there(&self) -> bool {
        self.entries.is_some()
    }

    /// The line of the table's heading.
    pub(super) fn line(&self) -> Option<usize> {
        self.line
    }

    /// The line of a key's value, or of the table's heading.
    pub(super) fn line_of(&self, reader: &Reader<'t>, key: &str) -> Option<usize> {
        self.peek(key).map(|value| reader.line_at(value.span().start)).or(self.line)
    }

    fn peek(&self, key: &str) -> Option<&'v Spanned<DeValue<'t>>> {
        self.entries?.iter().find(|(name, _)| name.get_ref().as_ref() == key).map(|(_, value)| value)
    }

    fn take(&mut self, key: &'static str) -> Option<&'v Spanned<DeValue<'t>>> {
        self.known.push(key);
        self.peek(key)
    }

    /// The keys of a table that has no fixed ones, with the table under each.
    pub(super) fn tables(&self, reader: &mut Reader<'t>) -> Vec<(String, Table<'t, 'v>)> {
        let mut found = Vec::new();
        for (key, value) in self.entries.into_iter().flatten() {
            let (name, line) = (self.full(key.get_ref()), reader.line_at(key.span().start));
            match value.get_ref() {
                DeValue::Table(entries) => {
                    found.push((
                        key.get_ref().to_string(),
                        Table { name, entries: Some(entries), line: Some(line), known: Vec::new() },
                    ));
                }
                other => reader.complain(
                    Some(line),
                    name.as_str(),
                    format!("has to be a table, [{name}], and is {}", kind(other)),
                ),
            }
        }
        found
    }

    /// A table under a key; an absent one reads as empty.
    pub(super) fn table(&mut self, reader: &mut Reader<'t>, key: &'static str) -> Table<'t, 'v> {
        let name = self.full(key);
        let mut table = Table { name: name.clone(), entries: None, line: None, known: Vec::new() };
        if let Some(value) = self.take(key) {
            table.line = Some(reader.line_at(value.span().start));
            match value.get_ref() {
                DeValue::Table(entries) => table.entries = Some(entries),
                other => reader.complain(
                    table.line,
                    name.as_str(),
                    format!("has to be a table, [{name}], and is {}", kind(other)),
                ),
            }
        }
        table
    }

    /// Reads one value by `read`, which says what it wants instead when it cannot.
    fn value<T>(
        &mut self,
        reader: &mut Reader<'t>,
        key: &'static str,
        read: impl FnOnce(&DeValue<'t>) -> Result<T, String>,
    ) -> Option<T> {
        let value = self.take(key)?;
        match read(value.get_ref()) {
            Ok(read) => Some(read),
            Err(text) => {
                reader.complain(Some(reader.line_at(value.span().start)), self.full(key), text);
                None
            }
        }
    }

    pub(super) fn text(&mut self, reader: &mut Reader<'t>, key: &'static str) -> Option<String> {
        self.value(reader, key, |value| text(value).map(str::to_owned))
    }

    /// A text that stands for one of a few things, or whatever else `parse` makes of it.
    pub(super) fn parsed<T>(
        &mut self,
        reader: &mut Reader<'t>,
        key: &'static str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        self.value(reader, key, |value| text(value).and_then(parse))
    }

    /// One of a few words.
    pub(super) fn word<T: Copy>(
        &mut self,
        reader: &mut Reader<'t>,
        key: &'static str,
        words: &[(&str, T)],
    ) -> Option<T> {
        self.parsed(reader, key, |text| {
            words.iter().find(|(word, _)| *word == text).map(|(_, meaning)| *meaning).ok_or_else(|| {
                let all: Vec<_> = words.iter().map(|(word, _)| format!("{word:?}")).collect();
                format!("{text:?} is not known; it is {}", all.join(" or "))
            })
        })
    }

    pub(super) fn flag(&mut self, reader: &mut Reader<'t>, key: &'static str) -> Option<bool> {
        self.value(reader, key, |value| match value {
            DeValue::Boolean(flag) => Ok(*flag),
            other => Err(format!("has to be true or false, and is {}", kind(other))),
        })
    }

    /// A whole number within bounds, both included.
    pub(super) fn whole(&mut self, reader: &mut Reader<'t>, key: &'static str, least: u64, most: u64) -> Option<u64> {
        self.value(reader, key, |value| {
            let DeValue::Integer(number) = value else {
                return Err(format!("has to be a whole number, and is {}", kind(value)));
            };
            u64::from_str_radix(number.as_str(), number.radix())
                .ok()
                .filter(|number| (least..=most).contains(number))
                .ok_or_else(|| format!("has to be a whole number from {least} to {most}"))
        })
    }

    /// The text `all`, which is `Some(None)`, or a count from 1 on.
    pub(super) fn all_or_count(
        &mut self,
        reader: &mut Reader<'t>,
        key: &'static str,
        most: u16,
    ) -> Option<Option<u16>> {
        self.value(reader, key, |value| {
            let count = match value {
                DeValue::String(text) if text == "all" => return Ok(None),
                DeValue::Integer(number) => u16::from_str_radix(number.as_str(), number.radix()).ok(),
                _ => None,
            };
            let wanted = || format!("has to be \"all\" or a whole number from 1 to {most}");
            count.filter(|count| (1..=most).contains(count)).map(Some).ok_or_else(wanted)
        })
    }

    /// A number, or the text `inf`.
    pub(super) fn number_or_inf(&mut self, reader: &mut Reader<'t>, key: &'static str) -> Option<f64> {
        self.value(reader, key, |value| {
            let wanted = || "has to be a finite number or \"inf\"".to_owned();
            let number = match value {
                DeValue::String(text) if text == "inf" => return Ok(f64::INFINITY),
                DeValue::Integer(number) => number.as_str().parse::<f64>(),
                DeValue::Float(number) => number.as_str().parse::<f64>(),
                _ => return Err(wanted()),
            };
            number.ok().filter(|number| number.is_finite()).ok_or_else(wanted)
        })
    }

    /// A duration like "10s" or "1m 30s", within a millisecond and a day.
    pub(super) fn duration(&mut self, reader: &mut Reader<'t>, key: &'static str, least: Duration) -> Option<Duration> {
        self.value(reader, key, |value| {
            let wanted = |why: String| format!("{why}; write a duration such as \"10s\" or \"1m 30s\"");
            let text = text(value).map_err(wanted)?;
            let duration = humantime::parse_duration(text)
                .map_err(|error| wanted(format!("{text:?} is no duration ({error})")))?;
            if duration < least || duration > Duration::from_secs(86_400) {
                return Err(format!("has to be between {} and 24h", humantime::format_duration(least)));
            }
            Ok(duration)
        })
    }

    /// A size in bytes like "256 MiB", within bounds.
    pub(super) fn size(&mut self, reader: &mut Reader<'t>, key: &'static str, least: u64) -> Option<u64> {
        self.parsed(reader, key, |text| {
            let size = size(text)
                .ok_or_else(|| format!("{text:?} is no size; write one such as \"256 MiB\", \"64 kB\" or \"100 B\""))?;
            if size < least || size > 1 << 50 {
                return Err(format!("has to be between {least} B and 1024 TiB"));
            }
            Ok(size)
        })
    }

    /// A moment, as a text or as TOML's own date: RFC 3339 with an offset.
    pub(super) fn moment(&mut self, reader: &mut Reader<'t>, key: &'static str) -> Option<DateTime<Utc>> {
        self.dated(reader, key, moment)
    }

    /// What may be a moment: a text, or TOML's own date as one.
    pub(super) fn dated<T>(
        &mut self,
        reader: &mut Reader<'t>,
        key: &'static str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        self.value(reader, key, |value| match value {
            DeValue::Datetime(written) => parse(&written.to_string()),
            other => text(other).and_then(parse),
        })
    }

    /// A list of texts.
    pub(super) fn texts(&mut self, reader: &mut Reader<'t>, key: &'static str) -> Option<Vec<String>> {
        self.value(reader, key, |value| {
            let DeValue::Array(items) = value else {
                return Err(format!("has to be a list of texts, [\"…\", \"…\"], and is {}", kind(value)));
            };
            items
                .iter()
                .map(|item| {
                    text(item.get_ref()).map(str::to_owned).map_err(|why| format!("a list of texts: one {why}"))
                })
                .collect()
        })
    }

    /// Complains about every key that nobody asked for, and names the nearest that was.
    pub(super) fn done(self, reader: &mut Reader<'t>) {
        for (key, _) in self.entries.into_iter().flatten() {
            let word = key.get_ref().as_ref();
            if self.known.contains(&word) {
                continue;
            }
            let nearest = self.known.iter().map(|known| (strsim::damerau_levenshtein(word, known), known)).min();
            let hint = match nearest {
                Some((distance, known)) if distance <= 3 => format!("did you mean {known:?}?"),
                _ => format!("known here: {}", self.known.join(", ")),
            };
            reader.complain(Some(reader.line_at(key.span().start)), self.full(word), format!("unknown key; {hint}"));
        }
    }
}

fn text<'a>(value: &'a DeValue<'_>) -> Result<&'a str, String> {
    match value {
        DeValue::String(text) => Ok(text),
        other => Err(format!("has to be a text in quotes, and is {}", kind(other))),
    }
}

pub(super) fn moment(text: &str) -> Result<DateTime<Utc>, String> {
    let wanted = || format!("{text:?} is no moment; write RFC 3339, such as \"2026-11-27T18:00:00+01:00\"");
    DateTime::parse_from_rfc3339(text).map(|moment| moment.with_timezone(&Utc)).map_err(|_| wanted())
}

/// Bytes out of "256 MiB". Units as in IEC 80000-13: MiB is 2^20, MB is 10^6.
fn size(text: &str) -> Option<u64> {
    let text = text.trim();
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    let factor: u64 = match unit.trim() {
        "B" => 1,
        "kB" | "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "TB" => 1_000_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}
