//! The log as anybody could read it: with nothing but the contract, and none of the program's own code.

use std::fs;
use std::path::Path;

use serde_json::Value;
use sha2::{Digest, Sha256};

/// The SHA-256 of some bytes, in lower-case hexadecimal digits.
pub fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// The SHA-256 of a file.
pub fn sha256_of_file(path: &Path) -> String {
    sha256(&fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}

/// The whole lines of a log; a line that is being written is not one yet.
pub(super) fn lines(path: &Path) -> Vec<String> {
    let bytes = fs::read(path).unwrap_or_default();
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    std::str::from_utf8(&bytes[..whole]).expect("the log is UTF-8").lines().map(str::to_owned).collect()
}

/// How many whole lines are of an event. Quicker than parsing them, for whoever asks all the time.
pub(super) fn count(path: &Path, event: &str) -> usize {
    let event = format!("\"event\":\"{event}\"");
    lines(path).iter().filter(|line| line.contains(&event)).count()
}

/// The lines of a log, parsed.
pub(super) fn events(path: &Path) -> Vec<Value> {
    lines(path)
        .iter()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line}")))
        .collect()
}

/// Panics unless every line has the number after the last one's, and the hash of the last one.
#[track_caller]
pub(super) fn check_chain(path: &Path) {
    let mut prev = "0".repeat(64);
    let mut at = String::new();
    for (index, line) in lines(path).iter().enumerate() {
        let event: Value = serde_json::from_str(line).expect("a line is JSON");
        assert_eq!(event["v"], 1, "{line}");
        assert_eq!(event["seq"], index as u64 + 1, "{line}");
        assert_eq!(event["prev"], prev.as_str(), "line {} does not follow the one before it", index + 1);
        let now = event["at"].as_str().expect("a moment").to_owned();
        assert!(now >= at, "line {}: time went back from {at} to {now}", index + 1);
        (prev, at) = (sha256(line.as_bytes()), now);
    }
}
