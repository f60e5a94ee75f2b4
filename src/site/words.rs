//! What templates call: `t("board.title")` for words, `number`, `duration` and `binary` for what a language writes its own way. Of each there
//! is one for every language.

use std::sync::Arc;

use minijinja::value::{Kwargs, Value, ValueKind};
use minijinja::{Environment, Error, ErrorKind, HtmlEscape};

use crate::core::strings::{Language, Piece};

/// Gives an environment the words of a language.
pub(super) fn speak(environment: &mut Environment<'_>, language: Language) {
    let language = Arc::new(language);
    let words = Arc::clone(&language);
    environment.add_function("t", move |key: &str, given: Kwargs| say(&words, key, &given));
    let words = Arc::clone(&language);
    environment.add_function("number", move |number: &Value| written(&words, number));
    let words = Arc::clone(&language);
    environment.add_function("duration", move |millis: u64| duration(&words, millis));
    environment.add_function("binary", move |bytes: u64| binary(&language, bytes));
}

fn failed(text: String) -> Error {
    Error::new(ErrorKind::InvalidOperation, text)
}

/// A message as HTML. What is filled in is escaped, unless it is HTML already, as what macros give is.
fn say(language: &Language, key: &str, given: &Kwargs) -> Result<Value, Error> {
    let message = language.message(key).ok_or_else(|| failed(format!("the strings have no text {key:?}")))?;
    let n = given.peek::<Option<&Value>>("n")?.and_then(whole);
    let mut html = String::new();
    for piece in language.pieces(message, n) {
        match piece {
            Piece::Text(text) => html += &HtmlEscape(text).to_string(),
            Piece::Place(name) => {
                let value = given.peek::<Option<&Value>>(name)?;
                let value = value.ok_or_else(|| failed(format!("t({key:?}) is not given {{{name}}}")))?;
                match value.kind() {
                    ValueKind::Undefined => {
                        let text = format!("what is given to t({key:?}) for {{{name}}} is not there");
                        return Err(Error::new(ErrorKind::UndefinedError, text));
                    }
                    ValueKind::Number => html += &HtmlEscape(&written(language, value)?).to_string(),
                    _ if value.is_safe() => html += &value.to_string(),
                    _ => html += &HtmlEscape(&value.to_string()).to_string(),
                }
            }
        }
    }
    Ok(Value::from_safe_string(html))
}

fn whole(value: &Value) -> Option<i64> {
    if value.is_integer() { i64::try_from(value.clone()).ok() } else { None }
}

/// A number, or a score as the views have it, with the signs of the language.
fn written(language: &Language, number: &Value) -> Result<String, Error> {
    match number.kind() {
        ValueKind::Number | ValueKind::String => {
            let text = number.to_string();
            Ok(language.number(text.strip_suffix(".0").filter(|_| !number.is_integer()).unwrap_or(&text)))
        }
        kind => Err(failed(format!("number() wants a number or the text of one, and is given {kind}"))),
    }
}

/// The plain text of a message that has `{n}` alone to be filled in.
fn counted(language: &Language, key: &str, n: u64) -> String {
    let number = language.number(&n.to_string());
    let Some(message) = language.message(key) else { return number };
    let pieces = language.pieces(message, i64::try_from(n).ok());
    pieces.iter().map(|piece| if let Piece::Text(text) = piece { text.as_str() } else { &number }).collect()
}

/// `1 min 30 s`
fn duration(language: &Language, millis: u64) -> String {
    let seconds = millis / 1000;
    let parts = [
        (seconds / 3600, "words.hours"),
        (seconds / 60 % 60, "words.minutes"),
        (seconds % 60, "words.seconds"),
        (millis % 1000, "words.milliseconds"),
    ];
    let shown: Vec<_> = parts.iter().filter(|(n, _)| *n > 0).map(|(n, key)| counted(language, key, *n)).collect();
    if shown.is_empty() { counted(language, "words.seconds", 0) } else { shown.join(" ") }
}

/// `256 MiB`, by the largest unit that gives a whole number.
fn binary(language: &Language, bytes: u64) -> String {
    let units = [(1_u64 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match units.into_iter().find(|(unit, _)| bytes >= *unit && bytes.is_multiple_of(*unit)) {
        // The units of IEC 80000-13 are the same in every language.
        Some((unit, name)) => format!("{}\u{a0}{name}", language.number(&(bytes / unit).to_string())),
        None => counted(language, "words.byte", bytes),
    }
}
