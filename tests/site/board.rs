//! The board: what it weighs, and what a reader does with it.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::past::{of, ten_days};
use crate::support::browser::{Browser, Look};
use crate::support::{Competition, Contest};

/// A file under public/.
#[track_caller]
fn bytes(contest: &Contest, name: &str) -> Vec<u8> {
    std::fs::read(contest.path("public").join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The address of a page as a file: pages work from a USB stick.
pub fn file(contest: &Contest, name: &str) -> String {
    format!("file://{}", contest.path("public").join(name).display())
}

#[test]
fn the_front_page_of_a_hundred_users_is_light() {
    let contest = ten_days(&["100", "8"]);
    // The page, and all that it needs to be drawn.
    let files = [
        "index.html",
        "chart.svg",
        "assets/podium.css",
        "assets/podium.js",
        "assets/words-en.js",
        "assets/favicon.svg",
    ];
    let all: usize = files.iter().map(|name| bytes(&contest, name).len()).sum();
    assert!(all < 60_000, "the front page has {all} bytes");
    // As web servers send it.
    let packed = |name: &&str| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(&bytes(&contest, name)).expect("in memory");
        encoder.finish().expect("in memory").len()
    };
    let sent: usize = files.iter().map(packed).sum();
    println!("{all} bytes, {sent} as they are sent");
    assert!(sent < 20_000, "a reader is sent {sent} bytes");
    // And there is nothing else that it loads.
    let page = String::from_utf8(bytes(&contest, "index.html")).expect("text");
    let loaded: Vec<&str> = ["<link rel=\"stylesheet\" href=\"", " src=\""]
        .iter()
        .flat_map(|mark| page.split(mark).skip(1))
        .filter_map(|rest| rest.split(['"', '?']).next())
        .collect();
    assert!(loaded.len() >= 4 && loaded.iter().all(|name| files.contains(name)), "{loaded:?}");
}

const NAMES: &str =
    "[...document.querySelectorAll('.board tbody tr')].map((row) => row.querySelector('a').textContent)";

/// A button in the head of a column, by its word.
fn head(word: &str) -> String {
    format!(
        "[...document.querySelectorAll('.board thead button')].find((button) => button.textContent.startsWith('{word}'))"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_sorts_by_any_column_and_comes_back_to_the_ranks() {
    let contest = ten_days(&["30", "5"]);
    let browser = Browser::open(Look::DESK).await;
    browser.page.goto(&file(&contest, "index.html")).await.expect("the board");
    browser.run(&format!("window.ranked = {NAMES}.join()")).await;
    browser.until("document.querySelector('.board [aria-sort=ascending]').textContent === 'Score'").await;

    browser.run(&format!("{}.click()", head("Name"))).await;
    browser.until(&format!("{NAMES}.join() === {NAMES}.sort().join() && {NAMES}.join() !== window.ranked")).await;
    browser.until("document.querySelector('.board [aria-sort]').textContent === 'Name'").await;
    browser.run(&format!("{}.click()", head("Name"))).await;
    browser.until(&format!("{NAMES}.join() === {NAMES}.sort().reverse().join()")).await;
    browser.run(&format!("{}.click()", head("Name"))).await;
    browser.until(&format!("{NAMES}.join() === window.ranked")).await;

    // The order of ranks is there already: the score's button turns it round, and says so.
    browser.run(&format!("{}.click()", head("Score"))).await;
    browser.until(&format!("{NAMES}.reverse().join() === window.ranked")).await;
    browser.until("document.querySelector('.board [aria-sort=descending]').textContent === 'Score'").await;
    browser.run(&format!("{}.click()", head("Score"))).await;
    browser.until(&format!("{NAMES}.join() === window.ranked")).await;

    // What is not there comes last either way, and what stands beside a number is no part of it.
    browser.run("document.querySelectorAll('.board tbody tr')[2].cells[7].textContent = ''").await;
    browser.run("window.blank = document.querySelectorAll('.board tbody tr')[2].id").await;
    browser.run("document.querySelectorAll('.board tbody tr')[1].cells[7].innerHTML = '999999<small>+1</small>'").await;
    browser.run("window.most = document.querySelectorAll('.board tbody tr')[1].id").await;
    let last = |place: usize| format!("[...document.querySelectorAll('.board tbody tr')].at(-{place}).id");
    browser.run(&format!("{}.click()", head("moves"))).await;
    browser.until(&format!("{} === window.blank && {} === window.most", last(1), last(2))).await;
    browser.run(&format!("{}.click()", head("moves"))).await;
    browser
        .until(&format!("{} === window.blank && document.querySelector('.board tbody tr').id === window.most", last(1)))
        .await;
    browser.run(&format!("{}.click()", head("moves"))).await;
    browser.until(&format!("{NAMES}.join() === window.ranked")).await;

    // Numbers by their value, by keyboard: Enter on the button.
    browser.run(&format!("{}.focus()", head("Tries"))).await;
    browser.page.active_element().await.expect("the button").send_keys("\n").await.expect("Enter");
    let tries = "[...document.querySelectorAll('.board tbody tr')].map((row) => Number(row.cells[5].textContent))";
    browser.until(&format!("{tries}.join() === {tries}.sort((a, b) => a - b).join()")).await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_distances_and_moments_sort_by_what_they_say() {
    let contest = ten_days(&["30", "5"]);
    let browser = Browser::open(Look::DESK).await;
    browser.page.goto(&file(&contest, "index.html")).await.expect("the board");
    let cell = |read: &str| {
        format!(
            "[...document.querySelectorAll('.board tbody tr')].map((row) => {read}).map((one) => one === '' ? Infinity : one)"
        )
    };
    let number = |column: u8| {
        cell(&format!("((text) => text && Number(text.replace(/[^\\d.]/g, '')))(row.cells[{column}].textContent)"))
    };
    browser.run("window.first = document.querySelector('.board tbody tr').id").await;
    for (word, values) in [
        ("moves", number(7)),
        ("waits", number(8)),
        ("Behind", number(3)),
        ("Best since", cell("Date.parse(row.cells[6].querySelector('time').dateTime)")),
    ] {
        browser.run(&format!("{}.click()", head(word))).await;
        let order = |compare: &str| format!("{values}.join() === {values}.sort((a, b) => {compare}).join()");
        browser.until(&format!("{} && new Set({values}).size > 5 /* {word} */", order("a - b"))).await;
        // Whoever leads is behind by nothing, and not by something unknown.
        browser
            .until(&format!("'{word}' !== 'Behind' || document.querySelector('.board tbody tr').id === window.first"))
            .await;
        browser.run(&format!("{}.click()", head(word))).await;
        browser.until(&format!("{} /* {word} */", order("b - a"))).await;
        browser.run(&format!("{}.click()", head(word))).await;
        browser.until("document.querySelector('.board [aria-sort]').textContent === 'Score'").await;
    }
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_order_that_a_reader_chose_stays_when_the_board_changes() {
    let mut contest = Competition::new("Numbers").prepare();
    let site = contest.start_serving();
    for (user, number) in [("cleo", "1"), ("amy", "2"), ("ben", "3")] {
        contest.hand_in(user, "py", crate::support::answer(number));
    }
    contest.wait_for_judged(3);
    let browser = Browser::open(Look::DESK).await;
    browser.page.goto(&site).await.expect("the board");
    browser.until(&format!("{NAMES}.join() === 'cleo,amy,ben'")).await;
    browser.run(&format!("{}.click()", head("Name"))).await;
    browser.until(&format!("{NAMES}.join() === 'amy,ben,cleo'")).await;
    contest.hand_in("bea", "py", crate::support::answer("0"));
    browser.until(&format!("{NAMES}.join() === 'amy,bea,ben,cleo'")).await;
    browser.run(&format!("{}.click(); {}.click()", head("Name"), head("Name"))).await;
    browser.until(&format!("{NAMES}.join() === 'bea,cleo,amy,ben'")).await;
    browser.close().await;
}

/// Makes the rows of a board ten thousand, each with another name.
const TEN_THOUSAND: &str = "
    const table = document.querySelector('.board'), piece = table.tBodies[0];
    for (let n = table.querySelectorAll('tbody tr').length; n < 10000;) {
        const more = piece.cloneNode(true);
        for (const row of more.rows) {
            row.id = `u-row-${n}`;
            row.querySelector('a').textContent = `row-${n}`;
            n += 1;
        }
        table.append(more);
    }";

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_rows_cost_what_is_seen_of_them() {
    let contest = ten_days(&["100", "2"]);
    let browser = Browser::open(Look::DESK).await;
    browser.page.goto(&file(&contest, "index.html")).await.expect("the board");
    browser.run(TEN_THOUSAND).await;
    let last = "document.getElementById('u-row-9900')";
    browser.until(&format!("{NAMES}.length === 10000")).await;
    browser.until(&format!("!{last}.cells[1].checkVisibility({{ contentVisibilityAuto: true }})")).await;
    // A name that is typed is found among them, and a row that is jumped to is drawn.
    let find = "const find = document.getElementById('find'); find.value = 'row-9900'; find.dispatchEvent(new Event('input', { bubbles: true }))";
    browser.run(find).await;
    browser.until(&format!("{last}.cells[1].checkVisibility({{ contentVisibilityAuto: true }})")).await;
    browser.run("document.getElementById('me').click()").await;
    browser.until(&format!("{last}.classList.contains('me') && document.getElementById('find').value === ''")).await;
    browser
        .until(&format!("(({{ top, bottom }}) => top >= 0 && bottom <= innerHeight)({last}.getBoundingClientRect())"))
        .await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rank_and_how_far_it_has_moved_share_a_line_on_boards_of_any_length() {
    for students in ["40", "400", "1500"] {
        let contest = ten_days(&[students, "2"]);
        for width in [390, 1280] {
            let browser = Browser::open(Look { width, ..Look::DESK }).await;
            browser.page.goto(&file(&contest, "index.html")).await.expect("the board");
            // As a search does it: every piece is drawn, also out of sight.
            browser.run("document.querySelector('.board').classList.add('sought')").await;
            let moved = "[...document.querySelectorAll('.board td:first-child > small')].map((one) => one.parentNode)";
            browser
                .until(&format!(
                    "{moved}.length > 5 && {moved}.every((cell) => cell.clientHeight < 45) /* {students}, {width} */"
                ))
                .await;
            browser.close().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_and_the_lecture_hall_have_drawings_of_their_own() {
    let contest = ten_days(&["30", "5"]);
    let shown = "document.getElementById('chart')";
    for (look, query, drawing) in [
        (Look::DESK, "", "/chart.svg"),
        (Look { width: 390, ..Look::DESK }, "", "/chart-phone.svg"),
        (Look::DESK, "?projector", "/chart-phone.svg"),
    ] {
        let browser = Browser::open(look).await;
        browser.page.goto(&format!("{}{query}", file(&contest, "index.html"))).await.expect("the board");
        browser
            .until(&format!(
                "{shown}.complete && {shown}.naturalWidth > 0 && {shown}.currentSrc.includes('{drawing}?')"
            ))
            .await;
        let across = browser.run("return document.documentElement.scrollWidth - innerWidth").await;
        assert!(across.as_i64().is_some_and(|across| across <= 0), "{query} {look:?} is {across} too wide");
        browser.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn open_frozen_closed_and_not_yet_open_look_different() {
    let mut frames = Vec::new();
    for (settings, arguments, word) in [
        (vec![], vec!["5", "2"], "Open"),
        (vec![("competition.freezes_at", "2001-01-01T00:00:00Z")], vec!["5", "2"], "Frozen"),
        (vec![("competition.state", "closed")], vec!["5", "2", "--state", "closed"], "Closed"),
        (vec![("competition.opens_at", "2100-01-01T00:00:00Z")], vec!["0", "1"], "Not open"),
    ] {
        let competition =
            settings.iter().fold(Competition::new("Numbers"), |competition, (key, value)| competition.set(key, *value));
        let contest = of(competition, &arguments);
        let browser = Browser::open(Look::DESK).await;
        browser.page.goto(&file(&contest, "index.html")).await.expect("the board");
        browser.until(&format!("document.querySelector('.state b').textContent === '{word}'")).await;
        let frame = browser
            .run("const { borderTopColor, borderTopStyle } = getComputedStyle(document.querySelector('header')); return borderTopStyle + borderTopColor")
            .await;
        assert!(!frames.contains(&frame), "{word} looks like another: {frame}");
        frames.push(frame);
        browser.close().await;
    }
}
