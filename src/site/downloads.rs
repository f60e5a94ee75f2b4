//! The files beside a private page: what the public cases printed, and the program itself, as text.
//!
//! What was printed is written out as text that can be seen, under a name of ours that ends in `.txt`: whatever a program prints, a browser is
//! given nothing to run and a terminal nothing to obey. The program is in the page's own address of it, byte for byte, so that its hash is that
//! of the receipt: as a file it could be taken for something of ours. A long one is written out like an output.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::core::history::Submission;
use crate::core::ids::CaseName;
use crate::core::record::Judged;
use crate::core::text::visible_lines;
use crate::core::view::Download;
use crate::home::Home;

/// Of one file at most this much is offered, in bytes.
const MOST: u64 = 1 << 20;
/// A program of more bytes is a file beside the page, which would be slow to load otherwise.
const MOST_SOURCE: u64 = 64 << 10;
/// What that file is called.
const SOURCE: &str = "source.txt";
/// What is kept of a run, and the file that it is offered as.
const OUTPUTS: [(&str, &str); 3] = [("answer", "answer"), ("stdout", "output"), ("stderr", "stderr")];

/// Something to take home.
pub(super) struct Offered {
    pub(super) download: Download,
    /// What is to be written beside the page; `None` where the address says it all.
    pub(super) content: Option<Vec<u8>>,
}

/// What the public cases of a submission printed. What results/ has lost is not offered.
pub(super) fn outputs(home: &Home, judged: &Judged, public: &[CaseName]) -> BTreeMap<CaseName, Vec<Offered>> {
    let origin = judged.origin();
    let of_case = |case: &CaseName| {
        let kept = judged.case(case).map(|result| result.files.as_slice()).unwrap_or_default();
        let offered = OUTPUTS.iter().filter_map(|(name, file)| {
            let kept = kept.iter().find(|kept| kept.name == *name)?;
            let path = home.kept(origin.submission, origin.attempt, case, name);
            let file = file_of(file, case);
            offer(&path, kept.whole, (file, name)).ok()
        });
        (case.clone(), offered.collect())
    };
    public.iter().map(of_case).collect()
}

/// The program itself.
pub(super) fn source(home: &Home, submission: &Submission) -> Option<Offered> {
    let path = home.source(submission.number, &submission.language);
    if submission.size > MOST_SOURCE {
        let offered = offer(&path, None, (SOURCE.to_owned(), "source")).ok()?;
        let keep_as = format!("{}.txt", submission.file());
        return Some(Offered { download: Download { keep_as, ..offered.download }, ..offered });
    }
    let program = fs::read(path).ok()?;
    let download = Download {
        file: format!("data:text/plain;base64,{}", STANDARD.encode(&program)),
        keep_as: submission.file().to_string(),
        what: "source",
        bytes: program.len() as u64,
        cut: false,
        exact: true,
    };
    Some(Offered { download, content: None })
}

/// Whether a submission's page may have a file of this name beside it.
pub(super) fn is_one(file: &str, submission: &Submission, public: &[CaseName]) -> bool {
    if file == SOURCE {
        return submission.size > MOST_SOURCE;
    }
    let Some(judged) = submission.judged() else { return false };
    let is_of = |case: &CaseName| OUTPUTS.iter().any(|(_, name)| file == file_of(name, case));
    public.iter().any(|case| judged.verdict_of(case).is_some() && is_of(case))
}

fn file_of(file: &str, case: &CaseName) -> String {
    format!("{file}-{case}.txt")
}

/// `whole`: how long all of it was, where only its end was kept.
fn offer(path: &Path, whole: Option<u64>, (file, what): (String, &'static str)) -> io::Result<Offered> {
    let opened = File::open(path)?;
    let length = opened.metadata()?.len();
    let mut bytes = Vec::new();
    opened.take(MOST).read_to_end(&mut bytes)?;
    // The end of what was no answer is all that was kept of it.
    let whole = whole.unwrap_or(length).max(length);
    let is_short = length > MOST;
    let lossy = String::from_utf8_lossy(&bytes);
    let mut text = visible_lines(if is_short { lossy.trim_end_matches('\u{fffd}') } else { &lossy });
    let exact = !is_short && whole == length && text.as_bytes() == bytes;
    if is_short {
        text.push_str(&format!("\n[cut here: this is the beginning, {MOST} bytes, of {whole}]\n"));
    }
    if whole > length {
        text.insert_str(0, &format!("[this is the end, {length} bytes, of {whole}; no more was kept]\n"));
    }
    let cut = is_short || whole > length;
    let download = Download { keep_as: file.clone(), file, what, bytes: whole, cut, exact };
    Ok(Offered { download, content: Some(text.into_bytes()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offered(bytes: &[u8], whole: Option<u64>) -> Offered {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("kept");
        std::fs::write(&path, bytes).expect("written");
        offer(&path, whole, ("output-one.txt".into(), "stdout")).expect("read")
    }

    fn text(offered: &Offered) -> &str {
        std::str::from_utf8(offered.content.as_ref().expect("a file")).expect("text")
    }

    #[test]
    fn plain_text_is_offered_as_it_is() {
        let offered = offered("1 2\n\tä\n".as_bytes(), None);
        assert_eq!(text(&offered), "1 2\n\tä\n");
        assert!(offered.download.exact && !offered.download.cut && offered.download.bytes == 8);
    }

    #[test]
    fn what_could_do_something_to_a_reader_is_written_out_and_the_page_may_say_so() {
        let offered = offered(b"a\x1b[2J\xff\r\n", None);
        assert_eq!(text(&offered), "a\\u{1b}[2J\u{fffd}\n");
        assert!(!offered.download.exact && !offered.download.cut);
    }

    #[test]
    fn what_is_too_long_is_cut_and_says_how_much_there_was() {
        let long = "ä".repeat(MOST as usize);
        let beginning = offered(format!("x{long}").as_bytes(), None);
        assert!(text(&beginning).ends_with("ä\n[cut here: this is the beginning, 1048576 bytes, of 2097153]\n"));
        assert!(beginning.download.cut && !beginning.download.exact);
        let end = offered(b"the end", Some(100));
        assert_eq!(text(&end), "[this is the end, 7 bytes, of 100; no more was kept]\nthe end");
        assert!(end.download.cut && end.download.bytes == 100);
    }
}
