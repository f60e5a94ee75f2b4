//! The pages in another language, and with words of the instructor's own.

use crate::past::of;
use crate::support::browser::{Browser, Look};
use crate::support::{Competition, answer};

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_is_spoken_to_in_the_language_of_the_site() {
    let mut contest = Competition::new("Zahlen").set("site.language", "de").set("limits.cpu", "1s 500ms").prepare();
    let site = contest.start_serving();
    let id = contest.hand_in("anna", "py", answer("5"));
    contest.wait_for_judged(1);
    let browser = Browser::open(Look::DESK).await;
    for (page, wanted) in [
        ("index.html", ["Rangliste", "1 Abgabe", "vor "]),
        ("queue.html", ["Zuletzt bewertet", "Akzeptiert", "Letztes Lebenszeichen: "]),
        ("about.html", ["Geltende Regeln", "weniger ist besser", "Warteschlange"]),
        ("u/anna/index.html", ["Beste öffentliche Wertung", "Bestwert", "vor "]),
        (&format!("s/{id}/index.html"), ["Beleg", "von 1,5 s", "vor "]),
    ] {
        browser.page.goto(&format!("{site}{page}")).await.expect("a page");
        for word in wanted {
            browser.until(&format!("document.body.innerText.includes('{word}')")).await;
        }
        browser.until("document.documentElement.lang === 'de'").await;
        // What a program prints, and the log, are in English and say so.
        let text =
            "for (const part of document.querySelectorAll('[lang=en]')) part.remove(); return document.body.innerText";
        let text = browser.run(text).await.to_string();
        for word in [" ago", "Score", "Queue", "submission", "Updated"] {
            assert!(!text.contains(word), "{page} says {word:?}: {text}");
        }
    }
    // The instructor changes one word while the site is up; the daemon goes on with it at once.
    let folder = contest.path("site-templates/strings");
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::write(folder.join("de.toml"), "[board]\ntitle = \"Bestenliste\"\n").expect("written");
    browser.page.goto(&site).await.expect("the board");
    browser.until("document.querySelector('h1').textContent === 'Bestenliste'").await;
    contest.set("site.language", "en");
    browser.until("document.querySelector('h1').textContent === 'Leaderboard'").await;
    browser.close().await;
}

#[test]
fn check_names_the_file_the_line_and_the_key() {
    let contest = of(Competition::new("Numbers"), &["2", "1"]);
    let folder = contest.path("site-templates/strings");
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::write(folder.join("en.toml"), "[board]\ntitel = \"Board\"\nfind = \"{x}\"\n").expect("written");
    std::fs::write(contest.path("site-templates/index.html"), "{{ t(\"chart.alt\") }}\n{{ t(\"board.tilte\") }}")
        .expect("written");
    contest
        .podium(&["check"])
        .exits(1)
        .says("site-templates/strings/en.toml:2: board.titel: is not known; did you mean board.title?")
        .says("site-templates/strings/en.toml:3: board.find: {x} is filled in by nobody")
        .says("site-templates/index.html:1: chart.alt: {caption} is not given")
        .says("site-templates/index.html:2: board.tilte: is no text of the strings; did you mean board.title?");
    std::fs::remove_dir_all(contest.path("site-templates")).expect("removed");
    contest.set("site.language", "fr");
    contest
        .podium(&["check"])
        .exits(1)
        .says("site.language: \"fr\" is not spoken here: there is no site-templates/strings/fr.toml");
}
