//! `podium diff`: two submissions beside each other.

use clap::Args;
use serde_json::json;

use super::{Exit, show};
use crate::core::ids::Number;
use crate::core::view::{Difference, compare};
use crate::home::Home;

/// Compare two submissions, private cases too
///
/// Prints what differs: verdicts, scores, messages, hashes, what was printed, and what each judging was made of. They may be of one user, of two, or of the
/// same bytes. The exit status is 0 whether anything differs or not.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The number of one
    #[arg(value_name = "A")]
    one: u64,
    /// The number of the other
    #[arg(value_name = "B")]
    other: u64,
    /// Also what differs between two runs of the same program: clocks, memory, moments
    #[arg(long)]
    all: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(home: &Home, arguments: &Arguments) -> anyhow::Result<Exit> {
    let [one, other] = show::sheets(home, [Number(arguments.one), Number(arguments.other)])?;
    let found = compare(&one, &other, arguments.all);
    if arguments.json {
        println!(
            "{}",
            json!({ "v": 1, "one": one.submission, "other": other.submission, "facts": found.facts, "cases": found.cases })
        );
        return Ok(Exit::Done);
    }
    println!(
        "--- submission {} of {}\n+++ submission {} of {}",
        one.submission, one.user, other.submission, other.user
    );
    print!("{}", shown(&found.facts));
    for (case, differences) in &found.cases {
        print!("\ncase {case}\n{}", shown(differences));
    }
    if found.facts.is_empty() && found.cases.is_empty() {
        println!("nothing differs");
    }
    Ok(Exit::Done)
}

fn shown(differences: &[Difference]) -> String {
    let side = |sign: char, value: &Option<String>| {
        value.iter().flat_map(|value| value.lines()).map(|line| format!("    {sign} {line}\n")).collect::<String>()
    };
    let one = |found: &Difference| format!("  {}\n{}{}", found.name, side('-', &found.one), side('+', &found.other));
    differences.iter().map(one).collect()
}
