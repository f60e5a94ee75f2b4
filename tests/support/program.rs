//! Submissions, in Python.

/// Answers with a word, and says on standard error what it was given to read.
pub fn answer(word: &str) -> String {
    format!("import sys\nsys.stderr.write(sys.stdin.read())\nprint({word:?})\n")
}

/// The same, after some time in which it does nothing.
pub fn slow_answer(word: &str, seconds: f64) -> String {
    format!("import time\ntime.sleep({seconds})\n{}", answer(word))
}
