//! Reads what a run prints while it prints it, out of the files that the sandbox writes.

use std::fs::File;
use std::future::Future;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::core::text::visible;
use crate::sandbox::SCRATCH;

/// Is given what happens, in whole lines.
pub type Heard<'a> = &'a (dyn Fn(&str) + Sync);

/// How often the files are looked at.
const PAUSE: Duration = Duration::from_millis(100);
/// Of one run's output this much is told, in bytes of what it printed, in both streams each.
const MOST: u64 = 8 << 10;
/// A longer line is cut, in characters.
const LONGEST_LINE: usize = 300;

/// The output of one run.
pub(super) struct Following<'a> {
    streams: [Stream; 2],
    heard: Heard<'a>,
}

/// One of its streams.
struct Stream {
    path: PathBuf,
    read: u64,
    /// A line that has not ended.
    line: Vec<u8>,
}

impl<'a> Following<'a> {
    /// Of a run whose output comes into this folder.
    pub(super) fn new(folder: &Path, heard: Heard<'a>) -> Self {
        let streams = ["stderr", "stdout"].map(|name| Stream { path: folder.join(name), read: 0, line: Vec::new() });
        Self { streams, heard }
    }

    /// Tells of the output until the run ends, and of the rest of it then.
    pub(super) async fn until<T>(&mut self, run: impl Future<Output = T>) -> T {
        tokio::pin!(run);
        loop {
            tokio::select! {
                ended = &mut run => {
                    self.look();
                    for stream in &mut self.streams {
                        stream.end(self.heard);
                    }
                    return ended;
                }
                () = tokio::time::sleep(PAUSE) => self.look(),
            }
        }
    }

    fn look(&mut self) {
        for stream in &mut self.streams {
            // One that cannot be read is told nothing of; the run's outcome does not hang on it.
            let _ = stream.look(self.heard);
        }
    }
}

impl Stream {
    fn look(&mut self, heard: Heard<'_>) -> std::io::Result<()> {
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(self.read))?;
        let mut bytes = Vec::new();
        self.read += file.take(MOST - self.read).read_to_end(&mut bytes)? as u64;
        self.line.append(&mut bytes);
        while let Some(end) = self.line.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.line.drain(..=end).collect();
            tell(&line, heard);
        }
        Ok(())
    }

    fn end(&mut self, heard: Heard<'_>) {
        if !self.line.is_empty() {
            tell(&self.line, heard);
        }
        if self.read == MOST {
            heard("  | … no more is told of here\n");
        }
    }
}

fn tell(line: &[u8], heard: Heard<'_>) {
    let line = String::from_utf8_lossy(line).replace(&format!("{SCRATCH}/"), "");
    heard(&format!("  | {}\n", visible(line.trim_end(), LONGEST_LINE)));
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::Mutex;

    use super::*;

    /// What is heard of a run that prints these pieces, one after the other, each after the one before was heard.
    async fn heard(pieces: &[(&str, &[u8])]) -> String {
        let folder = tempfile::tempdir().expect("a folder");
        let said = Mutex::new(String::new());
        let hear = |text: &str| said.lock().expect("nobody panicked").push_str(text);
        let length = || said.lock().expect("nobody panicked").len();
        let run = async {
            for (stream, bytes) in pieces {
                let (path, before) = (folder.path().join(stream), length());
                let mut file = File::options().append(true).create(true).open(path).expect("opened");
                file.write_all(bytes).expect("written");
                while bytes.contains(&b'\n') && length() == before {
                    tokio::time::sleep(PAUSE / 10).await;
                }
            }
        };
        Following::new(folder.path(), &hear).until(run).await;
        said.into_inner().expect("nobody panicked")
    }

    #[tokio::test]
    async fn lines_are_told_as_they_come_in_whichever_stream() {
        let pieces: [(&str, &[u8]); 4] = [
            ("stdout", b"one\ntw"),
            ("stderr", b"/scratch/source.c:1: x\x1b[1m\n"),
            ("stdout", b"o\n"),
            ("stdout", b"end"),
        ];
        let wanted = "  | one\n  | source.c:1: x\\u{1b}[1m\n  | two\n  | end\n";
        assert_eq!(heard(&pieces).await, wanted);
    }

    #[tokio::test]
    async fn what_prints_without_end_is_cut() {
        let long = [b'x'; 20_000];
        let many = b"y\n".repeat(9_000);
        let told = heard(&[("stderr", &long), ("stdout", &many)]).await;
        assert!(told.len() < 40_000, "{}", told.len());
        assert_eq!(told.matches("no more is told of here").count(), 2);
        assert!(told.lines().all(|line| line.chars().count() <= LONGEST_LINE + 4));
    }
}
