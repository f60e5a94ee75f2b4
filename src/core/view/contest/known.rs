//! What the Contest API has names and forms for: verdicts, languages, times, identifiers.

use chrono::TimeDelta;

use crate::core::verdict::Verdict;

/// An identifier has at most so many characters.
const MOST_ID: usize = 36;

/// A verdict as the API names it, and in words.
pub(super) fn type_of(verdict: Verdict) -> (&'static str, &'static str) {
    match verdict {
        Verdict::Accepted => ("AC", "Accepted"),
        Verdict::WrongAnswer => ("WA", "Wrong answer"),
        Verdict::TimeLimit => ("TLE", "Time limit"),
        Verdict::MemoryLimit => ("MLE", "Memory limit"),
        Verdict::OutputLimit => ("OLE", "Output limit"),
        Verdict::RunError => ("RTE", "Run error"),
        Verdict::BadOutput => ("NO", "Bad output"),
        Verdict::EvaluatorError | Verdict::InfrastructureError => ("JE", "Judging error"),
    }
}

/// The languages that the API has a name for, by the extension of their files.
const LANGUAGES: [(&str, &str, &str); 24] = [
    ("adb", "ada", "Ada"),
    ("c", "c", "C"),
    ("cc", "cpp", "C++"),
    ("cpp", "cpp", "C++"),
    ("cxx", "cpp", "C++"),
    ("cs", "csharp", "C#"),
    ("go", "go", "Go"),
    ("hs", "haskell", "Haskell"),
    ("java", "java", "Java"),
    ("js", "javascript", "JavaScript"),
    ("mjs", "javascript", "JavaScript"),
    ("kt", "kotlin", "Kotlin"),
    ("m", "objectivec", "Objective-C"),
    ("pas", "pascal", "Pascal"),
    ("php", "php", "PHP"),
    ("pl", "prolog", "Prolog"),
    ("py", "python3", "Python 3"),
    ("py2", "python2", "Python 2"),
    ("py3", "python3", "Python 3"),
    ("rb", "ruby", "Ruby"),
    ("rs", "rust", "Rust"),
    ("scala", "scala", "Scala"),
    ("sc", "scala", "Scala"),
    ("ads", "ada", "Ada"),
];

/// A language's id and name.
pub(super) fn language(extension: &str) -> (String, String) {
    match LANGUAGES.iter().find(|(ending, _, _)| *ending == extension) {
        Some((_, id, name)) => ((*id).to_owned(), (*name).to_owned()),
        None => (extension.to_owned(), extension.to_owned()),
    }
}

/// A time as the API writes it: hours, minutes, seconds, milliseconds.
pub(super) fn relative(time: TimeDelta) -> String {
    let all = time.num_milliseconds();
    let sign = if all < 0 { "-" } else { "" };
    let all = all.unsigned_abs();
    let (hours, minutes, seconds) = (all / 3_600_000, all / 60_000 % 60, all / 1000 % 60);
    format!("{sign}{hours}:{minutes:02}:{seconds:02}.{:03}", all % 1000)
}

/// An identifier out of a title.
pub(super) fn slug(title: &str) -> String {
    let mut id = String::new();
    for c in title.chars() {
        let c = c.to_ascii_lowercase();
        if c.is_ascii_alphanumeric() {
            id.push(c)
        } else if !id.is_empty() && !id.ends_with('-') {
            id.push('-')
        }
    }
    id.truncate(MOST_ID);
    let id = id.trim_end_matches('-');
    if id.is_empty() { "competition".to_owned() } else { id.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_becomes_an_identifier() {
        for (title, id) in [
            ("AGV delivery", "agv-delivery"),
            ("  Kürzeste Wege! 2026 ", "k-rzeste-wege-2026"),
            ("дуель", "competition"),
            ("", "competition"),
            ("a b c d e f g h i j k l m n o p q r s t u v w x y z", "a-b-c-d-e-f-g-h-i-j-k-l-m-n-o-p-q-r"),
        ] {
            assert_eq!(slug(title), id);
            assert!(slug(title).len() <= MOST_ID);
        }
    }

    #[test]
    fn times_are_written_as_the_api_has_them() {
        assert_eq!(relative(TimeDelta::milliseconds(0)), "0:00:00.000");
        assert_eq!(relative(TimeDelta::milliseconds(3_723_004)), "1:02:03.004");
        assert_eq!(relative(TimeDelta::milliseconds(-1_500)), "-0:00:01.500");
        assert_eq!(relative(TimeDelta::days(10)), "240:00:00.000");
    }
}
