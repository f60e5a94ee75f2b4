//! Attacks on a competition: each case of the table, over each engine, as a student would submit it, to the real daemon.
//!
//! After every case the same questions are asked (`oracle.rs`): is the daemon the one it was and does it still judge, is the log whole, is
//! anything left on the machine, does anything private show, are memory, descriptors and disk back, is everything on the pages escaped.
//! A trial is one case over one engine. `cargo test --test attacks -- docker/SBX` runs some of them; the table at the end is also written
//! to `target/attacks.md`.

#![allow(unreachable_pub, reason = "`pub` says here what the cases may use")]

mod cases;
mod known;
mod oracle;
mod probe;
mod proxy;
mod ring;
#[path = "../support/mod.rs"]
mod support;
mod table;
mod tarball;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::{PoisonError, RwLock};
use std::time::Instant;

use libtest_mimic::{Arguments, Completion, Failed, Trial};

use cases::Case;
use ring::Ring;
use support::Engine;
use table::{Outcome, Table};

/// Whoever takes the time of something has the machine alone; everybody else shares it.
static MACHINE: RwLock<()> = RwLock::new(());

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // The trials only wait for what comes of the cases.
    arguments.test_threads = Some(1);
    let cases = cases::all();
    let all: Vec<_> = Engine::ALL
        .iter()
        .flat_map(|engine| cases.iter().map(|case| (*case, *engine)))
        .filter(|(case, engine)| case.is_for(*engine))
        .collect();
    let wanted = |engine: Engine| {
        let of_it = all.iter().filter(move |(_, other)| *other == engine).copied();
        of_it.filter(|(case, engine)| !arguments.is_filtered_out(&trial(*case, *engine))).collect::<Vec<_>>()
    };
    let lanes = if arguments.list { Vec::new() } else { Engine::ALL.map(wanted).into() };
    let conclusion = std::thread::scope(|scope| {
        // Each engine works its cases off one after the other: the oracle compares what there was before a case with what is after it.
        for lane in lanes {
            scope.spawn(move || lane.into_iter().for_each(|(case, engine)| fight(case, engine)));
        }
        let mut trials: Vec<Trial> = all.iter().map(|(case, engine)| trial(*case, *engine)).collect();
        trials.push(Trial::test("table/is-in-the-docs", || Table::is_in_the_docs(&cases::all()).map_err(Failed::from)));
        libtest_mimic::run(&arguments, trials)
    });
    Ring::close_all();
    if !arguments.list {
        Table::print(&cases, arguments.filter.is_none() && arguments.skip.is_empty());
    }
    conclusion.exit_code()
}

/// Works a case off, and writes down what came of it.
fn fight(case: Case, engine: Engine) {
    let (_shared, _alone);
    if case.quiet {
        _alone = MACHINE.write().unwrap_or_else(PoisonError::into_inner);
    } else {
        _shared = MACHINE.read().unwrap_or_else(PoisonError::into_inner);
    }
    let begun = Instant::now();
    let outcome = match engine.found() {
        Err(why) => Outcome::without(engine, &why),
        Ok(()) => {
            let broken = catch_unwind(AssertUnwindSafe(|| Ring::enter(case, engine)))
                .unwrap_or_else(|panic| vec![format!("the test stopped: {}", words(&*panic))]);
            if broken.is_empty() { Outcome::Held } else { Outcome::Broken(broken) }
        }
    };
    Table::add(case.id, engine, outcome, begun.elapsed());
}

fn trial(case: Case, engine: Engine) -> Trial {
    Trial::ignorable_test(format!("{}/{}", engine.name(), case.id), move || match Table::wait(case.id, engine) {
        Outcome::Held => Ok(Completion::Completed),
        Outcome::Broken(broken) => Err(Failed::from(broken.join("\n"))),
        Outcome::NotRun(why) => Ok(Completion::ignored_with(why)),
        Outcome::Absent(why) => Err(Failed::from(why)),
    })
}

/// What a panic said.
fn words(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("without a word").to_owned()
}
