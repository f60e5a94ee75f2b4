//! One message: a text with places to be filled in, in one form or in several by a number.

use std::collections::{BTreeMap, BTreeSet};

use super::plural::Plural;

/// A piece of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Words.
    Text(String),
    /// `{name}`: filled in by the page.
    Place(String),
}

/// A text with places to be filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Form {
    text: String,
    pieces: Vec<Piece>,
}

/// What a page says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The only one is [`Plural::Other`] where no number matters.
    forms: BTreeMap<Plural, Form>,
    by_number: bool,
}

impl Message {
    /// A message of one form.
    ///
    /// # Errors
    /// What is wrong with its braces.
    pub fn plain(text: &str) -> Result<Self, String> {
        Ok(Self { forms: [(Plural::Other, form(text)?)].into(), by_number: false })
    }

    /// A message whose form depends on `{n}`.
    ///
    /// # Errors
    /// What is wrong with one of them.
    pub fn plural(given: &[(&str, &str)]) -> Result<Self, String> {
        let mut forms = BTreeMap::new();
        for (name, text) in given {
            let plural = Plural::named(name).ok_or_else(|| {
                format!("{name} is no class of numbers; there are zero, one, two, few, many and other")
            })?;
            forms.insert(plural, form(text).map_err(|text| format!("{name}: {text}"))?);
        }
        if forms.contains_key(&Plural::Other) {
            Ok(Self { forms, by_number: true })
        } else {
            Err("lacks the form \"other\", which every language has".into())
        }
    }

    /// Whether its form depends on a number.
    #[must_use]
    pub fn is_plural(&self) -> bool {
        self.by_number
    }

    /// The names of what is filled in.
    #[must_use]
    pub fn placeholders(&self) -> BTreeSet<String> {
        let pieces = self.forms.values().flat_map(|form| &form.pieces);
        let names = pieces.filter_map(|piece| if let Piece::Place(name) = piece { Some(name.clone()) } else { None });
        names.chain(self.by_number.then(|| "n".to_owned())).collect()
    }

    /// The pieces of one form; of the general one where the message does not have it.
    #[must_use]
    pub fn pieces(&self, plural: Plural) -> &[Piece] {
        self.forms.get(&plural).or_else(|| self.forms.get(&Plural::Other)).map_or(&[], |form| &form.pieces)
    }

    /// The general form as it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        self.forms.get(&Plural::Other).map_or("", |form| &form.text)
    }

    /// Why the message cannot stand for another in a language: it has forms where that has none, or not those that the language has.
    #[must_use]
    pub fn unfit_for(&self, tag: &str, meant: &Message) -> Option<String> {
        if !self.by_number {
            // Where a language has one form for all numbers, or all have the same, a plain text says it.
            return None;
        }
        if !meant.by_number && !meant.placeholders().contains("n") {
            return Some("has forms by number, and there is no number in it: write one text".into());
        }
        let wanted = Plural::of_language(tag);
        if let Some(missing) = wanted.iter().find(|plural| !self.forms.contains_key(plural)) {
            return Some(format!("lacks the form {:?}, which this language has", missing.name()));
        }
        let needless = self.forms.keys().find(|plural| !wanted.contains(plural))?;
        Some(format!("has the form {:?}, which no number takes in this language", needless.name()))
    }

    /// As podium.js reads it: a text, or texts by class.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        if !self.by_number {
            return self.text().into();
        }
        self.forms
            .iter()
            .map(|(plural, form)| (plural.name().to_owned(), serde_json::Value::from(form.text.clone())))
            .collect()
    }
}

fn form(text: &str) -> Result<Form, String> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(open) = rest.find(['{', '}']) {
        let (before, from) = rest.split_at(open);
        let name = from.strip_prefix('{').and_then(|from| from.split_once('}')).map(|(name, _)| name);
        let fits = |name: &&str| {
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        };
        let Some(name) = name.filter(fits) else {
            return Err("has a brace that is none of a {name} in small letters".into());
        };
        if !before.is_empty() {
            pieces.push(Piece::Text(before.to_owned()));
        }
        pieces.push(Piece::Place(name.to_owned()));
        rest = &from[name.len() + 2..];
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest.to_owned()));
    }
    Ok(Form { text: text.to_owned(), pieces })
}
