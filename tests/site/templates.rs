//! Templates of a home's own.

use std::fs;

use crate::past::ten_days;
use crate::support::{Competition, answer, podium};

#[test]
fn init_copies_the_templates_out_and_undoes_nobodys_changes() {
    let contest = ten_days(&["3", "2"]);
    let (home, templates) = (contest.root().display().to_string(), contest.path("site-templates"));
    let built_in = contest.site();
    podium(["init", &home]).exits(1).says("not empty");
    podium(["init", &home, "--templates"]).exits(0).says("delete those that you do not change");
    for name in ["base.html", "row.html", "chart.svg", "assets/podium.css", "strings/de.toml"] {
        assert!(templates.join(name).is_file(), "{name}");
    }
    contest.podium(&["check"]).says("templates: every page can be made");
    contest.podium(&["build"]).exits(0);
    assert_eq!(built_in.0, contest.site().0, "copies make the same pages");

    let queue = fs::read_to_string(templates.join("queue.html")).expect("a template");
    fs::write(templates.join("queue.html"), format!("{queue}<!-- ours -->")).expect("written");
    fs::remove_file(templates.join("user.html")).expect("removed");
    podium(["init", &home, "--templates"]).exits(1).says("nothing was written").says("queue.html");
    assert!(!templates.join("user.html").exists());
    podium(["init", &home, "--templates", "--force"]).exits(0);
    assert_eq!(fs::read_to_string(templates.join("queue.html")).expect("a template"), queue);
}

#[test]
fn one_template_alone_takes_the_place_of_the_built_in_one_and_a_bad_one_keeps_the_last_page() {
    let mut contest = Competition::new("Numbers").prepare();
    contest.start();
    contest.hand_in("ann", "py", answer("5"));
    contest.wait_for_judged(1);
    let page = |name: &str| fs::read_to_string(contest.path("public").join(name)).unwrap_or_default();
    let own = contest.path("site-templates/user.html");
    fs::create_dir_all(own.parent().expect("a folder")).expect("made");
    let write = |main: &str| {
        let text = format!("{{% extends \"base.html\" %}}{{% block main %}}\n<h1>{main}</h1>{{% endblock %}}");
        fs::write(&own, text).expect("written");
    };
    write("Hall of {{ page.user }}");
    contest.wait_for("the own page", || page("u/ann/index.html").contains("<h1>Hall of ann</h1>"));
    assert!(page("index.html").contains("<h1>Leaderboard</h1>"), "the others are the built-in ones");

    write("Hall of {{ page.usr }}");
    contest
        .podium(&["check"])
        .exits(1)
        .says("site-templates/user.html:2: page.usr: is not there: docs/templates.md lists");
    contest.hand_in("ann", "py", answer("4"));
    contest.wait_for("the board", || page("index.html").contains("u-ann") && contest.count("judged") == 2);
    assert!(page("u/ann/index.html").contains("<h1>Hall of ann</h1>"), "the last good page stays");

    write("{{ page.user }} again");
    contest.wait_for("the mended page", || page("u/ann/index.html").contains("<h1>ann again</h1>"));
}
