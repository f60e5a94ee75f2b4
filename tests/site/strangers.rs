//! What strangers may have shown on a page: what their programs print, what an evaluator says of it, how they name their files, what a
//! title says. strangers.json has the texts: markup, template syntax, formulas of spreadsheets, controls of terminals.

use std::collections::BTreeMap;
use std::fs;

use podium::core::text::{visible, visible_lines};
use serde_json::Value;

use crate::feeds::python;
use crate::support::browser::{Browser, Look};
use crate::support::{Competition, Contest, answer, raw_control};

/// Says all that it is given to student and staff.
const EVALUATOR: &str = r#"import json, sys
with open(sys.argv[2], encoding="utf-8", newline="") as file:
    said = file.read()
print(json.dumps({"score": 1, "message": said, "staff_message": "for staff: " + said}))
"#;

fn corpus() -> Vec<String> {
    let texts: Vec<String> =
        serde_json::from_str(include_str!("strangers.json")).expect("strangers.json is a list of texts");
    assert!(texts.len() >= 60, "{} texts", texts.len());
    texts
}

/// Prints a text everywhere where a program can.
fn program(text: &str) -> String {
    // As bytes, so that no text is a part of the program's own.
    let bytes = text.bytes().map(|byte| byte.to_string()).collect::<Vec<_>>().join(",");
    format!("import sys\nsaid = bytes([{bytes}])\nsys.stdout.buffer.write(said)\nsys.stderr.buffer.write(said)\n")
}

/// What a page must not hold, whoever wrote what is on it; and the elements of its contents with the names of their attributes, which text
/// never changes.
const LOOK: &str = r#"
    const bad = [], bones = [];
    if (window.stranger !== undefined) bad.push("a script ran");
    if (!/(^|; *)default-src 'none'/.test(document.querySelector('meta[http-equiv="Content-Security-Policy" i]')?.content))
        bad.push("no policy");
    for (const element of document.querySelectorAll("*")) {
        const name = element.localName;
        if (["form", "iframe", "object", "embed", "base", "frame", "portal", "template", "plaintext", "xmp", "marquee"].includes(name))
            bad.push(name);
        if (name === "meta" && /refresh/i.test(element.httpEquiv)) bad.push("a refresh");
        if (name === "script" && (element.textContent !== "" || !element.src.includes("/assets/"))) bad.push("a script");
        if (name === "style") bad.push("a style");
        for (const { name: key, value } of element.attributes) {
            if (/^on/i.test(key) || key === "srcdoc" || key === "formaction") bad.push(`${name} ${key}`);
            if (/^[\s\x00-\x1f]*(java|vb)script:/i.test(value.replace(/[\t\r\n]/g, ""))) bad.push(`${name} ${key}=${value}`);
            if (["href", "src", "srcset", "action", "data", "poster", "xlink:href"].includes(key)) {
                const to = new URL(value, location);
                const kept = to.protocol === "data:" && name === "a" && element.hasAttribute("download")
                    && value.startsWith("data:text/plain;");
                if (to.origin !== location.origin && !kept) bad.push(`${name} ${key} to ${value}`);
                if (to.protocol !== location.protocol && !kept) bad.push(`${name} ${key} by ${value}`);
            }
        }
        if (element.closest("main")) bones.push([name, ...element.getAttributeNames().sort()].join(" "));
    }
    for (const { name } of performance.getEntriesByType("resource"))
        if (new URL(name).origin !== location.origin) bad.push(`asked for ${name}`);
    return { bad, bones, text: document.body.textContent };
"#;

/// A judged submission of each text, of a user each, and one that is harmless, which comes first.
fn judged(contest: &Contest) -> Vec<(String, String)> {
    let texts = std::iter::once("harmless words".to_owned()).chain(corpus());
    let ids: Vec<(String, String)> = texts
        .enumerate()
        .map(|(index, text)| (contest.hand_in(&format!("u{index:02}"), "py", program(&text)), text))
        .collect();
    contest.wait_for_judged(ids.len());
    contest.wait_for_site();
    ids
}

/// Shows the text on the page as it is, with what cannot be seen written out.
fn shows(page: &Value, text: &str) -> bool {
    let shown = page["text"].as_str().expect("a text");
    shown.contains(visible_lines(text).trim())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_strangers_write_is_text_on_every_page() {
    let title = "<img src=x onerror=window.stranger=1> {{7*7}} ${7*7}";
    let mut contest = Competition::new(title).prepare();
    fs::write(contest.path("evaluator/evaluator.py"), EVALUATOR).expect("an evaluator");
    fs::write(contest.path("statement.md"), corpus().join("\n\n")).expect("a statement");
    let site = contest.start_serving();
    let submissions = judged(&contest);
    // No user has such a name, and the file is refused.
    let before = contest.count("rejected");
    for text in corpus() {
        let name: String = text.chars().filter(|c| !matches!(c, '/' | '\0')).take(60).collect();
        contest.drop_file(format!("{name}_{}.py", crate::support::a_new_id()), answer("1"));
    }
    contest.wait_for("strange names are refused", || contest.count("rejected") > before);
    contest.wait_for_site();

    let browser = Browser::open(Look::DESK).await;
    let mut harmless: BTreeMap<&str, Value> = BTreeMap::new();
    for (index, (id, text)) in submissions.iter().enumerate() {
        assert_eq!(contest.event("judged", id)["cases"][0]["verdict"], "accepted", "{text:?}");
        for (kind, page) in [("private", format!("s/{id}/index.html")), ("user", format!("u/u{index:02}/index.html"))] {
            browser.page.goto(&format!("{site}{page}")).await.expect("a page");
            // The log of the course comes a moment after the page.
            browser.until("!document.getElementById('log')?.hidden").await;
            let seen = browser.run(LOOK).await;
            assert_eq!(seen["bad"], Value::Array(Vec::new()), "{kind} page of {text:?}");
            assert!(kind == "user" || shows(&seen, text), "{text:?} is not on its page: {}", seen["text"]);
            let bones = harmless.entry(kind).or_insert_with(|| seen["bones"].clone());
            assert_eq!(&seen["bones"], bones, "{text:?} changes the shape of the {kind} page");
        }
    }
    for page in ["index.html", "queue.html", "about.html"] {
        browser.page.goto(&format!("{site}{page}")).await.expect("a page");
        let seen = browser.run(LOOK).await;
        assert_eq!(seen["bad"], Value::Array(Vec::new()), "{page}");
        assert!(shows(&seen, title), "{page} is without its title: {}", seen["text"]);
    }
    // Of the statement, whatever markup is in it: the words are there.
    let about = browser.run("return document.body.textContent").await.to_string();
    for words in ["{{7*7}} {{ site.title }} {% raw %} {# x #}", "<plaintext>", "<?php system('id'); ?>"] {
        assert!(about.contains(words), "{words} is missing: {about}");
    }
    // The test does see what it looks for.
    browser
        .run("document.body.insertAdjacentHTML('beforeend', '<form onsubmit=x><a href=javascript:x>x</a></form>')")
        .await;
    let seen = browser.run(LOOK).await;
    assert!(seen["bad"].as_array().is_some_and(|bad| bad.len() >= 3), "{}", seen["bad"]);
    browser.close().await;
}

/// What a second reader of HTML makes of a page: Python's, which has not seen this program.
const PARSE: &str = r#"
import glob, html.parser, json
class Reader(html.parser.HTMLParser):
    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.bones, self.bad = [], []
    def handle_starttag(self, tag, attributes):
        self.bones.append([tag, sorted(name for name, _ in attributes)])
        for name, value in attributes:
            if name.startswith("on") or "".join((value or "").split()).lower().startswith("javascript:"):
                self.bad.append([tag, name, value])
        if tag in ("form", "iframe", "object", "embed", "base"):
            self.bad.append([tag])
for name in glob.glob("s/*/index.html"):
    reader = Reader()
    with open(name, encoding="utf-8", newline="") as file:
        reader.feed(file.read())
    reader.close()
    print(json.dumps([name, reader.bones, reader.bad]))
"#;

#[test]
fn what_strangers_write_is_text_to_other_readers() {
    let mut contest = Competition::new("=1+1").set("limits.output", "4 MiB").prepare();
    fs::write(contest.path("evaluator/evaluator.py"), EVALUATOR).expect("an evaluator");
    contest.start();
    let mut submissions = judged(&contest);
    let long = format!("{}\u{1b}[31m{}", "<b>".repeat(170_000), "x".repeat(490_000));
    let by_loop = "import sys\nsaid = b'<b>' * 170000 + b'\\x1b[31m' + b'x' * 490000\nsys.stdout.buffer.write(said)\nsys.stderr.buffer.write(said)\n";
    submissions.push((contest.hand_in("longline", "py", by_loop), long));
    contest.wait_for_judged(submissions.len());
    contest.wait_for_site();

    // A second parser sees the same shape whatever was printed.
    let read: BTreeMap<String, (Value, Value)> = python(&contest, PARSE)
        .lines()
        .map(|line| serde_json::from_str(line).expect("a name, a shape and what is bad"))
        .map(|(name, shape, bad): (String, Value, Value)| (name, (shape, bad)))
        .collect();
    let of = |id: &str| &read[&format!("s/{id}/index.html")];
    let (harmless, _) = of(&submissions[0].0);
    for (id, text) in &submissions {
        let (shape, bad) = of(id);
        assert_eq!(*bad, Value::Array(Vec::new()), "{text:?}");
        assert!(shape == harmless || text.len() > 1000, "{text:?} changes the shape:\n{shape}\n{harmless}");
    }
    let (id, _) = submissions.last().expect("the long one");
    let page = fs::metadata(contest.path(&format!("public/s/{id}/index.html"))).expect("a page").len();
    assert!(page < 400_000, "a line of a megabyte makes a page of {page} bytes");

    // No file of the site and no verb says anything to a terminal.
    for (name, bytes) in contest.site().0 {
        assert_eq!(raw_control(&bytes), None, "{name}");
    }
    for number in 1..=submissions.len() {
        let said = contest.podium(&["show", &number.to_string()]).exits(0);
        assert_eq!(raw_control(said.stdout.as_bytes()), None, "podium show {number}");
        let (_, text) = &submissions[number - 1];
        let start = visible(text, 40);
        let start = start.trim_end_matches('…').trim();
        // Of a long line the end is shown.
        assert!(
            text.len() > 1000 || said.stdout.contains(start),
            "podium show {number} is without {start:?}:\n{}",
            said.stdout
        );
    }
    let said = contest.podium(&["status"]).exits(0);
    assert_eq!(raw_control(said.stdout.as_bytes()), None, "podium status");
    let pages = contest.path("results/admin");
    for entry in walkdir::WalkDir::new(pages).into_iter().flatten().filter(|entry| entry.file_type().is_file()) {
        let bytes = fs::read(entry.path()).expect("a page of staff");
        assert_eq!(raw_control(&bytes), None, "{}", entry.path().display());
    }
}
