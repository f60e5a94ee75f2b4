//! What the pictures show: this repository's own competition after some days, and at work.

use std::fs;
use std::process::Command;

use chrono::{Duration, Utc};

use crate::camera::{Camera, Frame};
use crate::past;
use crate::support::{Competition, Contest, Ran, podium};

/// The site of this repository's own competition after ten days. `arguments`: of past.py.
pub fn agv(settings: &[(&str, &str)], arguments: &[&str]) -> Contest {
    let contest = agv_without_site(settings, arguments);
    contest.podium(&["build"]).exits(0);
    contest
}

fn agv_without_site(settings: &[(&str, &str)], arguments: &[&str]) -> Contest {
    let contest = Competition::new("AGV delivery").prepare();
    // Another home comes in its place.
    fs::remove_dir_all(contest.root()).expect("removed");
    podium(["init", contest.root().to_str().expect("a path of text"), "--example", "agv"]).exits(0);
    let closes = Utc::now() + Duration::days(5);
    contest.set("competition.closes_at", closes.format("%Y-%m-%dT18:00:00Z").to_string());
    for (key, value) in settings {
        contest.set(key, *value);
    }
    past::fill(&contest, arguments);
    contest
}

/// A competition in which all that can be long is long.
pub fn long_words() -> Contest {
    let title = "The nineteenth autumn competition of the chair for optimisation and transport logistics";
    let competition =
        Competition::new(title).set("score.unit", "kilometres of the longest way").set("score.decimals", 3);
    past::of(competition, &["42", "8", "--long"])
}

/// A competition of ten thousand.
pub fn ten_thousand() -> Contest {
    let contest = past::written(Competition::new("Ten thousand at once"), &["10000", "1"]);
    // By a program that was not optimised it takes minutes, where other things go on.
    let mut build = Command::new(env!("CARGO_BIN_EXE_podium"));
    Ran::of(build.arg("--home").arg(contest.root()).arg("build")).exits(0);
    contest
}

/// The same for so long before it answers in each case.
fn slowly(program: &str, seconds: f64) -> String {
    format!("import time\ntime.sleep({seconds})\n{program}")
}

/// Pictures of a competition at work, with the daemon that it takes.
pub async fn at_work(camera: &Camera) {
    let mut contest = agv_without_site(&[], &["42", "8"]);
    let site = contest.start_serving();
    let sample = |name: &str| fs::read_to_string(contest.path(&format!("samples/{name}"))).expect("a sample program");
    let private = |id: &str| format!("{site}s/{id}/index.html");
    let shown = "!document.getElementById('log').hidden";

    let good = contest.hand_in("zoe", "py", sample("fleet.py"));
    contest.outcome(&good);
    let bad = contest.hand_in("karim", "py", sample("wrong_answer.py"));
    contest.outcome(&bad);
    for (name, id) in [("submission-accepted", &good), ("submission-failed", &bad)] {
        let browser = camera.look(&private(id), Frame::DESK.high(1150)).await;
        browser.until(shown).await;
        camera.shoot(name).await;
    }

    let slow = slowly(&sample("greedy_one.py"), 4.0);
    let running = contest.hand_in("tobias", "py", &slow);
    for user in ["yuki-s", "benedikt-maximilian-von-hohenst", "deniz", "priya", "chen-li"] {
        contest.hand_in(user, "py", &slow);
    }
    contest.wait_for("some wait", || contest.queue()["waiting"].as_array().is_some_and(|waiting| waiting.len() == 4));
    let browser = camera.look(&private(&running), Frame::DESK).await;
    browser
        .until(&format!("{shown} && document.getElementById('log').textContent.includes('corners-6: accepted')"))
        .await;
    camera.shoot("submission-running").await;
    let browser = camera.look(&format!("{site}queue.html"), Frame::DESK).await;
    browser.until("document.querySelectorAll('#waiting tbody tr').length >= 3").await;
    camera.shoot("queue").await;
    camera.take("queue-phone", &format!("{site}queue.html"), Frame::PHONE).await;
    // The pages of staff come at their leisure.
    let staff = contest.path("results/admin/index.html");
    contest.wait_for("staff see the queue", || {
        fs::read_to_string(&staff).is_ok_and(|page| page.contains("last sign of life") && page.contains("waiting"))
    });
    camera.take("staff", &format!("file://{}", staff.display()), Frame::DESK).await;
    assert!(contest.stop().success());
}
