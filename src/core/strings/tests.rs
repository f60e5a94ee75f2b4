//! The languages that ship, what a home changes in them, and what is said of mistakes.

use super::*;

fn home(files: &[(&str, &str)]) -> BTreeMap<String, String> {
    files.iter().map(|(tag, text)| ((*tag).to_owned(), (*text).to_owned())).collect()
}

fn problems(files: &[(&str, &str)]) -> Vec<String> {
    languages(&home(files)).1.iter().map(ToString::to_string).collect()
}

/// A message with numbers and texts filled in.
fn said(languages: &Languages, tag: &str, key: &str, n: i64) -> String {
    let language = &languages[tag];
    let pieces = language.pieces(language.message(key).expect("a message"), Some(n));
    pieces
        .iter()
        .map(|piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Place(name) if name == "n" => language.number(&n.to_string()),
            Piece::Place(name) => format!("[{name}]"),
        })
        .collect()
}

#[test]
fn the_languages_that_ship_are_whole_and_say_the_same() {
    assert_eq!(problems(&[]), [""; 0]);
    let (languages, _) = languages(&home(&[]));
    assert_eq!(languages.keys().collect::<Vec<_>>(), ["de", "en"]);
    assert_eq!(said(&languages, "de", "words.submissions", 1), "1 Abgabe");
    assert_eq!(said(&languages, "de", "words.submissions", 12_345), "12\u{202f}345 Abgaben");
    assert_eq!(said(&languages, "en", "words.submissions", 0), "0 submissions");
}

#[test]
fn a_home_changes_single_words_and_brings_its_own() {
    let given = [("de", "[board]\ntitle = \"Bestenliste\"\n[own]\nhello = \"Servus, {name}\"\n")];
    let (languages, problems) = languages(&home(&given));
    assert_eq!(problems, []);
    assert_eq!(said(&languages, "de", "board.title", 0), "Bestenliste");
    assert_eq!(said(&languages, "de", "board.find", 0), "Suchen");
    assert_eq!(said(&languages, "en", "own.hello", 0), "Servus, [name]", "said so in every language");
}

#[test]
fn what_is_wrong_is_named_with_file_line_and_key() {
    let file = "site-templates/strings/de.toml";
    for (text, wanted) in [
        ("[board]\ntitel = \"x\"\n", format!("{file}:2: board.titel: is not known; did you mean board.title?")),
        (
            "[board]\nfind = \"{nam}\"",
            format!("{file}:2: board.find: {{nam}} is filled in by nobody; this text has: none"),
        ),
        ("\n\n[script]\nago = \"bald\"", format!("{file}:4: script.ago: lacks {{time}}")),
        ("[board]\nfind = \"{\"", format!("{file}:2: board.find: has a brace")),
        ("[board]\nfind = 3", format!("{file}:2: board.find: has to be a text")),
        ("[words]\nbyte = { one = \"{n}\" }", format!("{file}:2: words.byte: lacks the form \"other\"")),
        ("[words]\nbyte = { other = \"{n}\" }", format!("{file}:2: words.byte: lacks the form \"one\"")),
        (
            "[words]\nbyte = { one = \"{n}\", few = \"{n}\", other = \"{n}\" }",
            format!("{file}:2: words.byte: has the form \"few\", which no number takes"),
        ),
        (
            "[words]\nbyte = { one = \"{n}\", mny = \"\", other = \"{n}\" }",
            format!("{file}:2: words.byte: mny is no class"),
        ),
        ("[board]\nfind = { one = \"1\", other = \"2\" }", format!("{file}:2: board.find: ")),
        ("[language]\nlocale = \"pt_BR\"", format!("{file}:2: language.locale: \"pt_BR\" is no language tag")),
        ("find = \"x\"", format!("{file}:1: find: has to stand in a table")),
        ("[board]\nfind = ", format!("{file}:2: ")),
    ] {
        let found = problems(&[("de", text)]);
        assert!(found.len() == 1 && found[0].starts_with(&wanted), "{text:?}: {found:#?}, not {wanted}");
    }
}

#[test]
fn a_new_language_is_told_what_it_lacks_and_english_stands_in() {
    let given = home(&[(
        "pl",
        "[words]\nsubmissions = { one = \"{n} praca\", few = \"{n} prace\", many = \"{n} prac\", other = \"{n} pracy\" }\n",
    )]);
    let (languages, problems) = languages(&given);
    let text: Vec<_> = problems.iter().map(ToString::to_string).collect();
    assert!(text[0].starts_with("site-templates/strings/pl.toml: about.answer: is missing"), "{}", text[0]);
    assert!(text.last().is_some_and(|last| last.ends_with(" keys more are missing")), "{text:?}");
    for (n, wanted) in [(1, "1 praca"), (2, "2 prace"), (5, "5 prac"), (12, "12 prac"), (22, "22 prace")] {
        assert_eq!(said(&languages, "pl", "words.submissions", n), wanted);
    }
    assert_eq!(said(&languages, "pl", "board.title", 1), "Leaderboard");
}

#[test]
fn a_number_is_written_as_its_language_does() {
    let (languages, _) = languages(&home(&[("en", "[language]\ngroup = \",\"\n")]));
    let written = |tag: &str, number: &str| languages[tag].number(number);
    assert_eq!(written("de", "-1\u{202f}234\u{202f}567.89"), "-1\u{202f}234\u{202f}567,89");
    assert_eq!(written("de", "12345.5"), "12\u{202f}345,5");
    assert_eq!(written("de", "1234"), "1234");
    assert_eq!(written("en", "1\u{202f}234\u{202f}567.89"), "1,234,567.89");
    assert_eq!(written("en", "∞"), "∞");
    assert_eq!(written("en", "1.5e300"), "1.5e300");
}

#[test]
fn every_rule_of_plurals_shows_its_classes_early() {
    for (tag, wanted) in
        [("en", 2), ("ja", 1), ("fr", 2), ("ru", 4), ("hr", 3), ("pl", 4), ("cs", 3), ("ar", 6), ("sl", 4)]
    {
        assert_eq!(Plural::of_language(tag).len(), wanted, "{tag}");
    }
    let class = |tag, n| Plural::of(tag, n).name();
    assert_eq!((class("fr", 0), class("de", 0), class("pt-BR", 0)), ("one", "other", "one"));
    assert_eq!((class("ru", 21), class("ru", 11), class("ru", 24), class("ru", 14)), ("one", "many", "few", "many"));
}

#[test]
fn a_call_that_nobody_can_answer_is_found_without_making_the_page() {
    let (languages, _) = languages(&home(&[]));
    let found = |text: &str| {
        let found = check_calls("x.html", text, &languages[MEASURE]);
        found.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(found("{{ t(\"board.title\") }} {{ at(\"nothing\") }} {{ t(\"verdict.\" ~ name) }}"), [""; 0]);
    assert_eq!(
        found("\n{{ t(\"board.titel\") }}"),
        ["site-templates/x.html:2: board.titel: is no text of the strings; did you mean board.title?"]
    );
    assert_eq!(
        found("{{ t(\"chart.alt\", text=a == b) }}"),
        ["site-templates/x.html:1: chart.alt: {caption} is not given: t(\"chart.alt\", caption=…)"]
    );
    assert_eq!(found("{{ t(\"words.span\", from=t(\"words.seconds\", n=(1)), to=\"(\") }}"), [""; 0]);
    assert_eq!(found("{{ t(\"nobody.\" ~ name) }}").len(), 1);
}
