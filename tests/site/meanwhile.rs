//! Those who read while pages are written: as a web server does, file by file, at any moment.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::past::of;
use crate::support::{Competition, answer};

/// What one page was seen to be, if it was not a whole page.
fn read(path: &Path) -> Result<String, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    match text.trim_end().ends_with("</html>") {
        true => Ok(text),
        false => Err(format!("{} is not whole: {} bytes", path.display(), text.len())),
    }
}

/// Reads the board, then what it leads to, over and over until it is told to end. Returns how many pages it read.
fn reader(public: &Path, step: usize, ended: &AtomicBool) -> Result<usize, String> {
    let mut pages = 0;
    while !ended.load(Ordering::Relaxed) {
        let board = read(&public.join("index.html"))?;
        // A board is of one moment: it has as many rows as it says that it ranks.
        let rows = board.matches("<tr id=u-").count();
        let links =
            board.split("href=").skip(1).filter_map(|rest| rest.trim_start_matches('"').split(['"', '>']).next());
        let links: Vec<String> = links
            .map(|link| link.replace("&#x2f;", "/"))
            .map(|link| link.split(['?', '#']).next().unwrap_or_default().to_owned())
            .filter(|link| link.ends_with(".html"))
            .collect();
        if rows < USERS || links.len() < rows {
            return Err(format!("a board of {rows} rows and {} links", links.len()));
        }
        for link in links.iter().skip(step % 7).step_by(7 + step) {
            read(&public.join(link))?;
            pages += 1;
        }
        let json = fs::read(public.join("leaderboard.json")).map_err(|error| error.to_string())?;
        let json: serde_json::Value =
            serde_json::from_slice(&json).map_err(|error| format!("leaderboard.json: {error}"))?;
        if json["rows"].as_array().is_none_or(|rows| rows.len() < USERS) {
            return Err(format!("leaderboard.json has {}", json["rows"]));
        }
        pages += 2;
    }
    Ok(pages)
}

/// Of those in the log when it begins.
const USERS: usize = 200;

#[test]
fn who_reads_while_pages_are_written_never_meets_half_a_page_or_none() {
    let mut contest = of(Competition::new("Numbers"), &["200", "3"]);
    contest.start();
    let public = contest.path("public");
    let ended = AtomicBool::new(false);
    let read = thread::scope(|scope| {
        let readers: Vec<_> = (0..8)
            .map(|step| {
                scope.spawn({
                    let (public, ended) = (&public, &ended);
                    move || reader(public, step, ended)
                })
            })
            .collect();
        // Whatever goes wrong in here, the readers are let go.
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for round in 0..12 {
                for user in ["mira-k", "tobias", "someone"] {
                    contest.hand_in(user, "py", answer(&(100 - round).to_string()));
                }
                match round % 3 {
                    // Every page anew.
                    0 => contest.set("competition.title", format!("Numbers, {round}")),
                    // In the midst of it.
                    1 => {
                        contest.set("competition.title", format!("Numbers, {round}"));
                        contest.kill_nine();
                        contest.start();
                    }
                    _ => contest.wait_for_site(),
                }
            }
            let all = contest.count("accepted");
            contest.wait_for_judged(all);
            contest.wait_for_site();
        }));
        ended.store(true, Ordering::Relaxed);
        let read: Vec<_> = readers.into_iter().map(|reader| reader.join().expect("a reader ends")).collect();
        outcome.map(|()| read).unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    });
    for read in read {
        assert!(read.as_ref().is_ok_and(|pages| *pages > 50), "{read:?}");
    }
    // Nothing that was being written when a daemon was killed lies about for long; what is on its way now is gone in a moment.
    let is_hidden = |name: &String| name.rsplit('/').next().is_some_and(|name| name.starts_with('.'));
    contest.wait_for("no page is left half way", || !contest.site().0.keys().any(is_hidden));
}
