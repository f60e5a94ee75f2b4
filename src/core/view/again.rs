//! The same run again, on the student's own machine: command lines to be copied.

use serde::Serialize;

use crate::core::config::Output;
use crate::core::history::Submission;
use crate::core::ids::CaseName;
use crate::core::rules::Rules;

/// One public case, run at home. The commands are for the folder that holds the program, under the name that it came by, and `testcases/`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Again {
    /// The program on the case's input, as the judge runs it but for the sandbox.
    pub run: String,
    /// The whole judging of the case, sandbox and evaluator included, where Podium and the competition's folder are at hand.
    pub judge: String,
    /// Where the answer is then.
    pub answer: &'static str,
}

/// How to run a case again; `None` where no table of config.toml has the language any more.
pub(super) fn again(rules: &Rules, submission: &Submission, case: &CaseName) -> Option<Again> {
    let language = rules.config.languages.get(&submission.language)?;
    let file = submission.file().to_string();
    let input = format!("testcases/{case}/input.txt");
    // Quoted last: a word that holds the file's name is one word still.
    let words = language.command.iter().map(|word| quoted(&word.replace("{source}", &file)));
    let mut run = words.collect::<Vec<_>>().join(" ");
    run.push_str(&format!(" {input} < {input}"));
    let answer = match language.output {
        Output::Stdout => {
            run.push_str(&format!(" > {case}.out"));
            "out"
        }
        Output::File => "output.json",
    };
    Some(Again { run, judge: format!("podium try {file} --case {case}"), answer })
}

/// A word as a shell has to be given it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=+,@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::story::{Story, rules};

    fn told(language: &str) -> Option<Again> {
        let rules = rules(&format!("[languages.py]\n{language}\n"));
        let mut story = Story::default();
        let number = story.accept("mira");
        again(&rules, story.history.get(number).expect("accepted"), &"one".parse().expect("a name"))
    }

    #[test]
    fn a_case_is_run_again_with_the_words_of_its_language() {
        let told = told("command = [\"python3\", \"-X\", \"a b\", \"{source}\"]").expect("a language");
        insta::assert_snapshot!(format!("{}\n{}\n{}", told.run, told.judge, told.answer), @r"
        python3 -X 'a b' mira_00000000-0000-4000-8000-000000000001.py testcases/one/input.txt < testcases/one/input.txt > one.out
        podium try mira_00000000-0000-4000-8000-000000000001.py --case one
        out
        ");
    }

    #[test]
    fn an_answer_in_a_file_is_redirected_nowhere() {
        let told = told("command = [\"python3\", \"{source}\"]\noutput = \"file\"").expect("a language");
        assert!(told.run.ends_with("input.txt < testcases/one/input.txt"), "{}", told.run);
        assert_eq!(told.answer, "output.json");
    }

    #[test]
    fn no_word_of_config_toml_is_more_than_a_word_to_a_shell() {
        assert_eq!(quoted("--x=1"), "--x=1");
        assert_eq!(quoted("a;b"), "'a;b'");
        assert_eq!(quoted("it's $HOME"), r"'it'\''s $HOME'");
        assert_eq!(quoted(""), "''");
    }
}
