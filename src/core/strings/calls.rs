//! `t("board.title")` in templates, found without running them: whether there is such a message, and whether everything that it names is
//! filled in. A page that is made once a year must not be the one that finds out.

use std::collections::BTreeSet;

use super::{Language, Problem, nearest};

/// Every call in a template that its language could not answer.
#[must_use]
pub fn check_calls(template: &str, text: &str, language: &Language) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (offset, _) in text.match_indices("t(") {
        // Not the end of a longer name.
        if text[..offset].ends_with(|c: char| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let Some(call) = call(&text[offset + 2..]) else { continue };
        let line = text[..offset].matches('\n').count() + 1;
        let mut complain = |key: &str, text: String| {
            problems.push(Problem {
                file: format!("site-templates/{template}"),
                line: Some(line),
                key: key.to_owned(),
                text,
            });
        };
        if call.goes_on {
            if !language.messages.keys().any(|known| known.starts_with(call.key)) {
                complain(call.key, "no text of the strings begins with this".into());
            }
            continue;
        }
        let Some(message) = language.messages.get(call.key) else {
            complain(call.key, format!("is no text of the strings{}", nearest(call.key, &language.messages)));
            continue;
        };
        for name in message.placeholders() {
            if !call.given.contains(name.as_str()) {
                complain(call.key, format!("{{{name}}} is not given: t({:?}, {name}=…)", call.key));
            }
        }
    }
    problems
}

struct Call<'t> {
    key: &'t str,
    /// Whether more is added to the key: `t("verdict." ~ name)`.
    goes_on: bool,
    given: BTreeSet<&'t str>,
}

/// What stands behind `t(`; `None` where it does not begin with a text.
fn call(text: &str) -> Option<Call<'_>> {
    let text = text.trim_start();
    let (key, rest) = text.strip_prefix('"')?.split_once('"')?;
    let goes_on = !rest.trim_start().starts_with([',', ')']);
    let mut given = BTreeSet::new();
    let (mut depth, mut quoted) = (0, false);
    for (at, c) in rest.char_indices() {
        match c {
            '"' => quoted = !quoted,
            _ if quoted => {}
            '(' | '[' | '{' => depth += 1,
            ')' if depth == 0 => break,
            ')' | ']' | '}' => depth -= 1,
            '=' if depth == 0 && !rest[at + 1..].starts_with('=') => {
                let before = rest[..at].trim_end();
                let from = before.rfind(|c: char| !(c.is_alphanumeric() || c == '_')).map_or(0, |place| place + 1);
                given.insert(&before[from..]);
            }
            _ => {}
        }
    }
    Some(Call { key, goes_on, given })
}
