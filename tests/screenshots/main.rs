//! `make screenshots`: the pictures of docs/screenshots/, of real pages in a real Chromium.
//!
//! It is no test, and `cargo test` does not run it: it writes into the tree. It fails where a picture is too heavy for a repository, and where
//! docs/screenshots/README.md, the index, does not name it.

#![allow(unreachable_pub, reason = "`pub` says here what the pictures may use")]

use std::fs;
use std::path::Path;

#[path = "../site/past.rs"]
mod past;
#[path = "../support/mod.rs"]
mod support;

mod camera;
mod competitions;
mod palette;

use camera::{Camera, Frame};
use competitions::{agv, at_work, long_words, ten_thousand};

/// The most bytes that one picture may have, and all of them together.
const ONE: usize = 200_000;
const ALL: usize = 2_000_000;

#[tokio::main]
async fn main() {
    let camera = Camera::open().await;

    let contest = agv(&[], &["42", "8"]);
    let board = camera.file(&contest, "index.html");
    camera.take("board", &board, Frame::DESK).await;
    camera.take("board-dark", &board, Frame::DESK.dark()).await;
    camera.take("board-phone", &board, Frame::PHONE).await;
    camera.take("projector", &format!("{board}?projector"), Frame::HALL).await;
    camera.take("user", &camera.file(&contest, "u/fatima/index.html"), Frame::DESK).await;
    camera.take("about", &camera.file(&contest, "about.html"), Frame::DESK.high(1500)).await;
    drop(contest);

    let contest = agv(&[("competition.state", "closed")], &["42", "8", "--state", "closed"]);
    camera.take("closed", &camera.file(&contest, "index.html"), Frame::DESK).await;
    drop(contest);

    let contest = agv(&[("competition.freezes_at", &yesterday())], &["42", "8"]);
    camera.take("frozen", &camera.file(&contest, "index.html"), Frame::DESK).await;
    drop(contest);

    let contest = agv(&[("site.language", "de")], &["42", "8"]);
    camera.take("board-german", &camera.file(&contest, "index.html"), Frame::DESK).await;
    drop(contest);

    let contest = agv(&[], &["0", "1"]);
    camera.take("empty-board", &camera.file(&contest, "index.html"), Frame::DESK.high(480)).await;
    camera.take("empty-queue", &camera.file(&contest, "queue.html"), Frame::DESK.high(560)).await;
    drop(contest);

    let contest = agv(&[], &["1", "3"]);
    camera.take("one-row", &camera.file(&contest, "index.html"), Frame::DESK.high(760)).await;
    drop(contest);

    let contest = long_words();
    camera.take("long-names", &camera.file(&contest, "index.html"), Frame::DESK).await;
    camera.take("long-names-phone", &camera.file(&contest, "index.html"), Frame::PHONE).await;
    drop(contest);

    let contest = ten_thousand();
    camera.take("ten-thousand", &camera.file(&contest, "index.html"), Frame::DESK).await;
    drop(contest);

    at_work(&camera).await;
    camera.close().await;
    weigh();
}

/// A board that froze then has some results to hide.
fn yesterday() -> String {
    (chrono::Utc::now() - chrono::TimeDelta::days(1)).format("%Y-%m-%dT%H:00:00Z").to_string()
}

/// Every picture is light enough, and in the index; and the index names no other.
fn weigh() {
    let folder = Path::new(camera::FOLDER);
    let index = fs::read_to_string(folder.join("README.md")).expect("the index of the pictures");
    let mut all = 0;
    for entry in fs::read_dir(folder).expect("the folder of the pictures") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        if !name.ends_with(".png") {
            continue;
        }
        let bytes = fs::read(&path).expect("a picture").len();
        println!("{bytes:>8}  {name}");
        assert!(bytes < ONE, "{name} has {bytes} bytes");
        assert!(index.contains(&format!("({name})")), "{name} is not in README.md");
        all += bytes;
    }
    assert!(all < ALL, "all pictures together have {all} bytes");
    for part in index.split("](").skip(1) {
        let name = part.split(')').next().unwrap_or_default();
        assert!(folder.join(name).exists(), "README.md names {name}, which is not there");
    }
    println!("{all:>8}  all together");
}
