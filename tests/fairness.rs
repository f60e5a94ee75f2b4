//! What makes results comparable, and keeps the private cases private: the order of the runs, who runs beside whom, on which cores, and
//! when a result shows.

mod support;

use std::collections::BTreeSet;
use std::fs;

use chrono::{DateTime, Utc};
use serde_json::Value;
use support::{CASES, Competition, Contest, HIDDEN_CASE, HIDDEN_WEIGHT, OPEN_WEIGHT, answer, sha256, slow_answer};

fn at(line: &Value) -> DateTime<Utc> {
    line["at"].as_str().expect("a moment").parse().expect("RFC 3339")
}

/// When a judging began and ended.
fn span(contest: &Contest, id: &str) -> (DateTime<Utc>, DateTime<Utc>) {
    (at(&contest.event("started", id)), at(&contest.event("judged", id)))
}

#[test]
fn private_cases_run_in_an_order_of_each_judging_that_the_log_can_give_again() {
    let private = [HIDDEN_CASE, "p", "q", "r"];
    let mut contest = Competition::new("Orders").set("testcases.private", private.to_vec()).prepare();
    for (case, weight) in private[1..].iter().zip(2_u64..) {
        fs::create_dir(contest.path(&format!("testcases/{case}"))).expect("a case's folder");
        fs::write(contest.path(&format!("testcases/{case}/input.txt")), format!("TAG {weight}\n")).expect("its input");
    }
    contest.start();
    let ids: Vec<String> =
        ["ann", "ben", "cid", "dora", "eva", "finn"].map(|user| contest.hand_in(user, "py", answer("3"))).into();
    contest.wait_for_judged(ids.len());
    let mut orders = BTreeSet::new();
    for id in &ids {
        let judged = contest.event("judged", id);
        let seed = judged["provenance"]["order"].as_str().expect("a seed").to_owned();
        let ran: Vec<&str> =
            judged["cases"].as_array().expect("cases").iter().filter_map(|case| case["case"].as_str()).collect();
        let mut expected = private;
        expected.sort_by_key(|case| sha256(format!("{seed}:{case}").as_bytes()));
        assert_eq!(ran, [CASES.as_slice(), &expected].concat(), "{judged}");
        orders.insert(expected);
    }
    assert!(orders.len() > 1, "six judgings, and one order: {orders:?}");
    // The order is no part of a score, nor of a page.
    contest.set("competition.state", "closed");
    contest.wait_for("the totals show", || contest.board()["scores"] == "total");
    let total = 3 * (OPEN_WEIGHT + HIDDEN_WEIGHT + 2 + 3 + 4);
    let board = contest.board();
    let totals: Vec<_> = board["rows"].as_array().expect("rows").iter().map(|row| row["score"].as_u64()).collect();
    assert_eq!(totals, [Some(total); 6]);
}

#[test]
fn one_of_each_user_runs_at_a_time_and_nobody_else_waits_for_that() {
    let contest = Competition::new("Beside").start();
    // Of other bytes each: the same ones would be answered without a run.
    let program = |n: u64| format!("# {n}\n{}", slow_answer("3", 2.0));
    let mine: Vec<String> = (0..3).map(|n| contest.hand_in("ann", "py", program(n))).collect();
    let other = contest.hand_in("ben", "py", slow_answer("3", 2.0));
    contest.wait_for_judged(4);
    for pair in mine.windows(2) {
        let ((_, first_ended), (second_began, _)) = (span(&contest, &pair[0]), span(&contest, &pair[1]));
        assert!(first_ended <= second_began, "two of one user ran beside each other");
    }
    let ((first_began, first_ended), (other_began, _)) = (span(&contest, &mine[0]), span(&contest, &other));
    assert!(first_began < other_began && other_began < first_ended, "the second worker took the next user's");
}

#[test]
fn a_pinned_worker_has_cores_of_its_own() {
    let contest = Competition::new("Pinned").set("queue.pin", true).start();
    let ids =
        [contest.hand_in("ann", "py", slow_answer("3", 2.5)), contest.hand_in("ben", "py", slow_answer("3", 2.5))];
    contest.wait_for_judged(2);
    let [first, second] = ids.each_ref().map(|id| span(&contest, id));
    assert!(second.0 < first.1 && first.0 < second.1, "they ran at the same time");
    let [first, second] = ids.each_ref().map(|id| contest.event("judged", id)["provenance"]["host"].clone());
    assert_eq!((&first["pinned"], &second["pinned"]), (&true.into(), &true.into()));
    assert_ne!(first["cores"], second["cores"]);
    assert!(first["kernel"].is_string() && first["load"].is_number(), "{first}");

    contest.set("queue.workers", 250);
    contest.podium(&["check"]).exits(1).says("queue.pin").says("250 workers");
    let waits = contest.hand_in("ann", "py", answer("3"));
    contest.wait_for("judging is held", || contest.podium(&["status"]).stdout.contains("250 workers"));
    contest.set("queue.pin", false);
    assert_eq!(contest.outcome(&waits)["verdict"], "accepted");
}

#[test]
fn a_result_shows_in_steps_of_time() {
    let contest = Competition::new("Steps").set("queue.result_steps", "2s").start();
    let id = contest.hand_in("ann", "py", answer("3"));
    assert_eq!(contest.outcome(&id)["verdict"], "accepted");
    let (began, ended) = span(&contest, &id);
    assert!(ended - began >= chrono::TimeDelta::seconds(2), "{began} to {ended}");
}

#[test]
fn a_check_does_not_tell_its_sender_how_long_it_took() {
    let contest = Competition::new("Timeless").start();
    let id = contest.hand_in("ann", "py", answer("3"));
    contest.wait_for_judged(1);
    let number = contest.event("accepted", &id)["submission"].as_u64().expect("a number");
    let told = fs::read_to_string(contest.path(&format!("results/submissions/{number:06}/check.txt"))).expect("kept");
    assert_eq!(told, "check: python3 -m py_compile source.py\nchecked: nothing against it\n");
}
