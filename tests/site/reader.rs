//! A reader's zone, keyboard and printer.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{Duration, Utc};
use fantoccini::actions::{InputSource, KeyAction, KeyActions};
use fantoccini::key::Key;
use serde_json::json;

use crate::board::file;
use crate::past::{of, ten_days};
use crate::support::browser::{Browser, Look};
use crate::support::{Competition, answer};

#[tokio::test(flavor = "multi_thread")]
async fn times_are_in_the_readers_zone_and_utc_is_at_hand() {
    let competition = Competition::new("Numbers").set("competition.closes_at", "2099-07-01T12:00:00Z");
    let contest = of(competition, &["5", "3"]);
    let browser = Browser::open(Look::DESK).await;
    for (zone, hour) in [("Asia/Tokyo", "21:00"), ("America/New_York", "08:00"), ("UTC", "12:00")] {
        browser.devtools("Emulation.setTimezoneOverride", json!({ "timezoneId": zone })).await;
        for page in ["index.html", "queue.html", "about.html", "u/mira-k/index.html"] {
            browser.page.goto(&file(&contest, page)).await.expect("a page");
            browser
                .until(&format!("document.querySelector('.state time').textContent.includes('{hour}') /* {page} */"))
                .await;
            browser.until("document.querySelector('.state time').title === '2099-07-01 12:00:00 UTC'").await;
            browser
                .until(&format!("/(GMT|UTC|EDT)/.test(document.querySelector('.state time').textContent) /* {zone} */"))
                .await;
            browser
                .until("[...document.querySelectorAll('time')].every((time) => time.title === `${time.dateTime.slice(0, 19).replace('T', ' ')} UTC`)")
                .await;
        }
    }
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_closing_is_counted_down_and_comes_by_itself() {
    let mut contest = Competition::new("Numbers").prepare();
    let site = contest.start_serving();
    contest.hand_in("ann", "py", answer("5"));
    contest.wait_for_judged(1);
    let browser = Browser::open(Look::DESK).await;
    browser.page.goto(&site).await.expect("the board");
    let soon = Utc::now() + Duration::minutes(150);
    contest.set("competition.closes_at", soon.format("%Y-%m-%dT%H:%M:%SZ").to_string());
    browser
        .until("/^closes .*\\(in 2 h (29|30) min\\)$/.test(document.querySelector('.state span')?.textContent)")
        .await;
    let soon = Utc::now() + Duration::seconds(40);
    contest.set("competition.closes_at", soon.format("%Y-%m-%dT%H:%M:%SZ").to_string());
    let left = "Number(/\\(in (\\d+) s\\)$/.exec(document.querySelector('.state span')?.textContent)?.[1] ?? NaN)";
    browser.until(&format!("{left} > 0")).await;
    browser.run(&format!("window.first = {left}")).await;
    browser.until(&format!("{left} < window.first")).await;
    browser.until("document.querySelector('h1').textContent === 'Final leaderboard'").await;
    browser.until("document.querySelector('.state').textContent === 'Closed total scores' && document.documentElement.className.includes('closed')").await;
    browser.close().await;
}

/// Presses a key, wherever the focus is.
async fn press(browser: &Browser, key: char) {
    let keys = KeyActions::new("keyboard".into());
    let keys = keys.then(KeyAction::Down { value: key }).then(KeyAction::Up { value: key });
    browser.page.perform_actions(keys).await.expect("a key is pressed");
}

async fn write(browser: &Browser, text: &str) {
    for letter in text.chars() {
        press(browser, letter).await;
    }
}

const ACTIVE: &str = "document.activeElement";

#[tokio::test(flavor = "multi_thread")]
async fn the_board_is_read_by_keyboard_alone() {
    let contest = ten_days(&["30", "5"]);
    let (tab, enter) = (char::from(Key::Tab), char::from(Key::Enter));
    let browser = Browser::open(Look::DESK).await;
    browser.page.goto(&file(&contest, "index.html")).await.expect("the board");
    // First of all the way past the header, which shows itself then.
    press(&browser, tab).await;
    browser.until(&format!("{ACTIVE}.className === 'skip' && getComputedStyle({ACTIVE}).clipPath === 'none'")).await;
    press(&browser, enter).await;
    browser.until(&format!("{ACTIVE}.id === 'main' && location.hash === '#main'")).await;
    browser.until("getComputedStyle(document.querySelector('.skip')).clipPath === 'inset(50%)'").await;
    // The numbers behind the chart open and close.
    press(&browser, tab).await;
    browser.until(&format!("{ACTIVE}.localName === 'summary'")).await;
    press(&browser, enter).await;
    browser.until(&format!("{ACTIVE}.parentElement.open")).await;
    press(&browser, enter).await;
    browser.until(&format!("!{ACTIVE}.parentElement.open")).await;
    // A name is found as it is typed, and becomes one's own.
    press(&browser, tab).await;
    browser.until(&format!("{ACTIVE}.id === 'find'")).await;
    write(&browser, "fati").await;
    let shown = "[...document.querySelectorAll('.board tbody tr')].filter((row) => row.checkVisibility()).map((row) => row.id).join()";
    browser
        .until(&format!("{shown} === 'u-fatima' && document.getElementById('found').textContent === '1 of 30'"))
        .await;
    press(&browser, tab).await;
    browser.until(&format!("{ACTIVE}.id === 'me' && {ACTIVE}.textContent === 'This is me'")).await;
    press(&browser, enter).await;
    browser.until(&format!("{ACTIVE}.textContent === 'fatima' && {ACTIVE}.closest('tr').className === 'me'")).await;
    browser.until(&format!("{shown}.split(',').length === 30")).await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_focus_is_seen_wherever_it_is() {
    let contest = ten_days(&["5", "3", "--queue", "2"]);
    let browser = Browser::open(Look::DESK).await;
    for page in ["index.html", "queue.html", "about.html", "u/mira-k/index.html"] {
        browser.page.goto(&file(&contest, page)).await.expect("a page");
        let mut stops = Vec::new();
        loop {
            press(&browser, Key::Tab.into()).await;
            let seen = browser
                .run(&format!(
                    "const {{ outlineStyle, outlineWidth }} = getComputedStyle({ACTIVE}), {{ width }} = {ACTIVE}.getBoundingClientRect();
                     return [{ACTIVE} === document.body, outlineStyle !== 'none' && parseInt(outlineWidth) >= 2 && width > 1, {ACTIVE}.outerHTML.slice(0, 100)]"
                ))
                .await;
            // Past the last stop, or round to the first.
            if seen[0] == true || stops.first() == Some(&seen[2]) || stops.len() > 200 {
                break;
            }
            assert_eq!(seen[1], true, "{page}: {}", seen[2]);
            stops.push(seen[2].clone());
        }
        assert!((6..200).contains(&stops.len()), "{page}: {stops:?}");
    }
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn paper_has_the_board_and_none_of_the_tools() {
    let contest = ten_days(&["120", "2"]);
    let browser = Browser::open(Look { dark: true, ..Look::DESK }).await;
    browser.page.goto(&file(&contest, "index.html")).await.expect("the board");
    browser
        .run("addEventListener('beforeprint', () => { window.printed = [...document.querySelectorAll('main time')].map((time) => time.textContent); })")
        .await;
    let answer = browser.devtools("Page.printToPDF", json!({})).await;
    let pdf = STANDARD.decode(answer["data"].as_str().expect("a document")).expect("in base64");
    assert!(pdf.starts_with(b"%PDF-"));
    // "2 min ago" says nothing on paper.
    browser.until("window.printed.length >= 120 && window.printed.every((text) => text.endsWith(' UTC'))").await;

    browser.devtools("Emulation.setEmulatedMedia", json!({ "media": "print" })).await;
    for hidden in ["nav", ".tools", ".chart details", "#notes", "#pulse", ".skip"] {
        browser
            .until(&format!("getComputedStyle(document.querySelector('{hidden}')).display === 'none' /* {hidden} */"))
            .await;
    }
    for shown in ["h1", ".chart img", ".board thead", ".board tbody:last-child tr:last-child", "#foot p:last-child"] {
        browser
            .until(&format!(
                "document.querySelector('{shown}').checkVisibility({{ contentVisibilityAuto: true }}) /* {shown} */"
            ))
            .await;
    }
    // Ink is dark and paper is white, whatever the screen is.
    browser.until("getComputedStyle(document.documentElement).backgroundColor === 'rgb(255, 255, 255)'").await;
    browser.until("getComputedStyle(document.body).color === 'rgb(26, 29, 30)'").await;
    browser.close().await;
}
