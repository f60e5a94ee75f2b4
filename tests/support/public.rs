//! The site as everybody sees it: files under public/, and what a browser is sent.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

/// Every file under public/, by its path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site(pub BTreeMap<String, Vec<u8>>);

impl Site {
    pub(super) fn read(public: &Path) -> Self {
        Self::of(public)
    }

    /// Every file under another folder.
    pub fn of(public: &Path) -> Self {
        let mut files = BTreeMap::new();
        for entry in walkdir::WalkDir::new(public) {
            // What vanishes between two looks is a page on its way to be renamed.
            let Ok(entry) = entry else { continue };
            if entry.file_type().is_dir() {
                continue;
            }
            let name = entry
                .path()
                .strip_prefix(public)
                .expect("below public/")
                .to_str()
                .expect("names of pages are UTF-8")
                .to_owned();
            match std::fs::read(entry.path()) {
                Ok(bytes) => files.insert(name, bytes),
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(error) => panic!("{name}: {error}"),
            };
        }
        Self(files)
    }

    /// The pages that hold a text, in their name or in what they say; digits may be grouped there.
    pub fn holding(&self, text: &str) -> Vec<&str> {
        self.0
            .iter()
            .filter(|(name, bytes)| name.contains(text) || plain(bytes).contains(text))
            .map(|(name, _)| name.as_str())
            .collect()
    }

    /// The site without what the clock writes into it: the queue's sign of life.
    #[must_use]
    pub fn without_clock(mut self) -> Self {
        for (name, bytes) in &mut self.0 {
            let text = || String::from_utf8(bytes.clone()).expect("a page is UTF-8");
            match name.as_str() {
                "queue.json" => {
                    let mut json: serde_json::Value = serde_json::from_slice(bytes).expect("JSON");
                    json["alive_at"].take();
                    *bytes = json.to_string().into_bytes();
                }
                "queue.html" => *bytes = without_times(&text()).into_bytes(),
                _ => {}
            }
        }
        self
    }

    /// Panics with what differs.
    #[track_caller]
    pub fn assert_same(&self, other: &Site) {
        let names = |site: &Site| site.0.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(self), names(other), "the same files");
        for (name, bytes) in &self.0 {
            let (ours, theirs) = (String::from_utf8_lossy(bytes), String::from_utf8_lossy(&other.0[name]));
            assert!(ours == theirs, "{name} differs\n--- one\n{ours}\n--- other\n{theirs}");
        }
    }
}

/// Without what groups digits.
fn plain(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).replace(['\u{202f}', '\u{a0}'], "").replace("&#8239;", "").replace("&nbsp;", "")
}

/// Without `<time …>…</time>`.
fn without_times(html: &str) -> String {
    let mut parts = html.split("<time ");
    let mut kept = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        kept.push_str(part.split_once("</time>").map_or("", |(_, rest)| rest));
    }
    kept
}

/// Asks a server for a path: the answer's first line and headers in lower case, and its body.
pub fn get(address: &str, path: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).expect("the server listens");
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a deadline");
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").expect("asked");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("answered");
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").expect("an answer has a head");
    (head.to_lowercase(), body.to_owned())
}

/// The first character that may do something to a terminal or a reader's eye; what divides lines is no such one.
pub fn raw_control(bytes: &[u8]) -> Option<String> {
    let Ok(text) = std::str::from_utf8(bytes) else { return Some("byte that is not UTF-8".into()) };
    let bad = |c: &char| {
        (c.is_control() && !matches!(c, '\n' | '\t'))
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{61c}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().find(bad).map(|c| format!("{c:?}"))
}
