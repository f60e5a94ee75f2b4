//! What templates are given is what docs/templates.md says.

use std::collections::BTreeSet;

use serde_json::Value;

use super::*;
use crate::core::config::Board;
use crate::core::history::Submission;
use crate::core::places::Places;
use crate::core::record::CaseResult;
use crate::core::rules::Rules;
use crate::core::story::{Story, case, rules};
use crate::core::users::Users;
use crate::core::verdict::Verdict;
use crate::core::view::{self, Beside, Download, Source, Tables};
use crate::site::AboutPage;
use crate::site::statement::{Section, Statement};

/// Names as a template would write them, `page.rows[].user`, each with the types that its values have.
type Names = BTreeMap<String, BTreeSet<&'static str>>;

fn names(prefix: &str, value: &Value, found: &mut Names) {
    let kind = match value {
        Value::Object(map) => {
            map.iter().for_each(|(key, value)| names(&format!("{prefix}.{key}"), value, found));
            "map"
        }
        Value::Array(list) => {
            list.iter().for_each(|value| names(&format!("{prefix}[]"), value, found));
            "list"
        }
        Value::Null => "none",
        Value::Bool(_) => "yes or no",
        Value::Number(_) => "number",
        Value::String(_) => "text",
    };
    found.entry(prefix.to_owned()).or_default().insert(kind);
}

/// The first two columns of the tables below a heading of docs/templates.md: names and types.
fn documented(heading: &str) -> BTreeMap<String, String> {
    let text = include_str!("../../../docs/templates.md");
    let part = text.split(&format!("\n### {heading}\n")).nth(1).unwrap_or_else(|| panic!("no section {heading:?}"));
    let part = part.split("\n#").next().unwrap_or_default();
    let rows = part.lines().filter_map(|line| line.strip_prefix("| `"));
    let cells = rows
        .filter_map(|line| line.split_once("` | ").and_then(|(name, rest)| Some((name, rest.split(" | ").next()?))));
    cells.map(|(name, kind)| (name.to_owned(), kind.to_owned())).collect()
}

/// A competition in which everything that a page may show is there.
fn full() -> (Story, Rules) {
    let mut rules = rules(
        "[submissions]\nrate = \"9/1h\"\npending_per_user = 5\ndisk_per_user = \"1 GiB\"\n[git]\n[score]\nshow_reference = true\n\
         [competition]\nurl = \"https://example.org/\"\ncloses_at = 2030-01-01T00:00:00Z\n",
    );
    rules.users =
        Users::parse("username,password,role\nann,,student\nben,,student\ntutor,,evaluator\n").expect("users");
    let mut story = Story::default();
    story.board(Board::Open);
    for (user, scores) in
        [("ann", [9.0, 9.0, 9.0]), ("tutor", [3.0, 3.0, 3.0]), ("ben", [8.0, 8.0, 8.0]), ("ann", [4.5, 4.0, 4.0])]
    {
        let number = story.accept(user);
        let cases = ["one", "two", "secret"].into_iter().zip(scores).map(|(name, score)| CaseResult {
            metrics: [("moves".to_owned(), 2.0)].into(),
            ..case(name, Verdict::Accepted, Some(score))
        });
        story.judge(number, cases.collect());
    }
    let running = story.accept("ben");
    story.start(running);
    story.accept("ann");
    story.refuse(99, "no");
    (story, rules)
}

/// A private page with all that can stand on it.
fn beside(source: Source<'_>, submission: &Submission) -> Beside {
    let mut places = Places::default();
    places.tell(source.history, source.rules);
    let (file, keep_as) = (String::new(), String::new());
    let download = Download { file, keep_as, what: "source", bytes: 0, cut: false, exact: true };
    let outputs = source.rules.config.cases.public.iter().map(|case| (case.clone(), vec![download.clone()]));
    Beside {
        outputs: outputs.collect(),
        change: places.change(submission.number),
        source: Some(download),
        ..Beside::default()
    }
}

#[test]
fn every_variable_of_every_template_is_documented_and_no_other() {
    let (mut story, rules) = full();
    let mut given: BTreeMap<&str, Names> = BTreeMap::new();
    let mut add = |template: &'static str, prefix: &str, value: serde_json::Result<Value>| {
        names(prefix, &value.expect("a view is JSON"), given.entry(template).or_default());
    };
    let statement = Statement {
        html: String::new(),
        titled: true,
        sections: vec![Section { id: String::new(), text: String::new() }],
    };
    for board in [Board::Open, Board::Closed] {
        if board == Board::Closed {
            story.board(Board::Closed);
        }
        let source = story.source(&rules);
        let tables = Tables::new(source);
        let view = view::board(source, &tables);
        add("Every page", "site", serde_json::to_value(view::live_site(source, Some("held"))));
        add("index.html", "page", serde_json::to_value(&view.page));
        for (row, place) in view.rows.iter().chain(&view.reference) {
            add("rank.html", "row", serde_json::to_value(view::BoardRank::new(&row.user, place)));
            let row = view::BoardRow::new(row, place, 0, &view.page.metrics);
            add("row.html", "row", serde_json::to_value(&row));
        }
        let chart = view.page.chart.as_ref().expect("there is something to draw");
        add("chart.svg", "page", serde_json::to_value(&chart.desk));
        add("queue.html", "page", serde_json::to_value(view::queue(source, None, None).0));
        let about = AboutPage { rules: view::rules_page(source), statement: Some(&statement) };
        add("about.html", "page", serde_json::to_value(&about));
        add("feed.xml", "page", serde_json::to_value(view::feed(source, &tables)));
        for (user, _) in source.history.users() {
            add("user.html", "page", serde_json::to_value(view::user(source, user)));
        }
        for one in source.history.submissions() {
            let judged = source.judged(one).expect("a story is read back");
            let page = view::submission(source, one, judged.as_ref(), beside(source, one)).0;
            add("submission.html", "page", serde_json::to_value(&page));
            add("checking.html", "page", serde_json::to_value(view::checking(&one.file(), one.size)));
        }
    }
    for (template, mut names) in given {
        // A chart is described once, with the template that draws it; what a list holds by the names in it.
        names.retain(|name, _| {
            let chart = ["page.chart.desk.", "page.chart.phone.", "page.plot.chart."]
                .iter()
                .any(|chart| name.starts_with(chart));
            !chart && name.contains('.') && !name.ends_with("[]")
        });
        let told = documented(template);
        for (name, kinds) in &names {
            let kind =
                told.get(name).unwrap_or_else(|| panic!("docs/templates.md, {template}, lacks {name}: {kinds:?}"));
            for seen in kinds {
                assert!(kind.contains(seen), "docs/templates.md, {template}: {name} is {kind:?} there, and was {seen}");
            }
        }
        for name in told.keys() {
            assert!(names.contains_key(name), "docs/templates.md, {template}: {name} is not given");
        }
    }
}

#[test]
fn what_a_template_asks_for_and_is_not_there_is_named_with_its_place() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(
        folder.path().join("user.html"),
        "{% extends \"base.html\" %}\n{% block main %}\n{{ page.nobody }}{% endblock %}",
    )
    .expect("written");
    fs::write(folder.path().join("queue.html"), "\n{{ sight.title }}").expect("written");
    let (pages, problems) = Pages::load(folder.path());
    assert_eq!(problems, []);
    let (story, rules) = full();
    let source = story.source(&rules);
    let user = view::user(source, &"ann".parse().expect("a name"));
    let told = |outcome: Result<String, RenderError>| {
        outcome.expect_err("it asks for what is not there").problem().to_string()
    };
    let rest = "is not there: docs/templates.md lists what each template is given";
    assert_eq!(
        told(pages.render(Kind::USER, &view::site(source), &user)),
        format!("site-templates/user.html:3: page.nobody: {rest}")
    );
    assert_eq!(
        told(pages.render(Kind::QUEUE, &view::site(source), &user)),
        format!("site-templates/queue.html:2: sight.title: {rest}")
    );
    // The others go on.
    assert!(pages.render(Kind::FEED, &view::site(source), &view::feed(source, &Tables::new(source))).is_ok());
}
