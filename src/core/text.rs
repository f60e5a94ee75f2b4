//! Text that a stranger wrote, made safe to show on a page, in a log or on a terminal; and errors as text.

use std::error::Error;

/// An error and what caused it, in one line. A cause that its effect's own words hold already is not said again.
#[must_use]
pub fn chain(error: &dyn Error) -> String {
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

/// The text with every control and direction-changing character spelled out, and at most `most` characters long: a longer
/// one ends in `…`.
///
/// Escapes like `\u{202e}` are visible, so that two texts that differ stay different.
#[must_use]
pub fn visible(text: &str, most: usize) -> String {
    let mut shown = String::with_capacity(text.len().min(most));
    let mut length = 0;
    // Where the text would have to end to leave room for the sign that it goes on.
    let mut cut = 0;
    for c in text.chars() {
        let before = shown.len();
        if hidden(c) {
            shown.extend(c.escape_default())
        } else {
            shown.push(c)
        }
        length += shown[before..].chars().count();
        if length > most {
            shown.truncate(cut);
            shown.push('…');
            break;
        }
        if length < most {
            cut = shown.len();
        }
    }
    shown
}

/// The same for text of several lines: line feeds and tabs stay.
#[must_use]
pub fn visible_lines(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.replace("\r\n", "\n").chars() {
        if hidden(c) && c != '\n' && c != '\t' { shown.extend(c.escape_default()) } else { shown.push(c) }
    }
    shown
}

/// Whether a character would not be seen as itself: controls, line and paragraph separators, bidirectional overrides, zero-width
/// ones, the byte-order mark, tags. (Unicode TR 36 names them as the means of spoofing.)
fn hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{61c}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn escapes_are_spelled_out() {
        assert_eq!(visible("a\u{1b}[2Jb\u{202e}c\n", 99), "a\\u{1b}[2Jb\\u{202e}c\\n");
        assert_eq!(visible("abcdef", 3), "ab…");
        assert_eq!(visible("abc", 3), "abc");
        assert_eq!(visible("ab\u{1b}\u{1b}", 9), "ab\\u{1b}…");
        assert_eq!(visible_lines("a\r\nb\tc\u{7}"), "a\nb\tc\\u{7}");
    }

    proptest! {
        #[test]
        fn nothing_hidden_is_left(text in any::<String>()) {
            prop_assert!(!visible(&text, 1000).chars().any(hidden));
            prop_assert!(visible(&text, 7).chars().count() <= 7);
            prop_assert!(!visible_lines(&text).chars().any(|c| hidden(c) && c != '\n' && c != '\t'));
        }
    }
}
