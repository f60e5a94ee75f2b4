//! `podium show`: one submission, with everything that staff may know of it.

use anyhow::{Context, anyhow};
use clap::Args;
use serde_json::json;

use super::Exit;
use crate::core::ids::{CaseName, Number};
use crate::core::rules::Rules;
use crate::core::view::{Sheet, sheet};
use crate::home::Home;
use crate::{settings, staff};

/// Of what a run left, this much of the end is printed, in bytes.
const TAIL: u64 = 16 << 10;

/// Print everything that is known of a submission, private cases too
///
/// Every case with verdict, score, clocks, memory, what the evaluator told student and staff, hashes, and the ends of what was kept of its run.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Its number
    #[arg(value_name = "NUMBER")]
    submission: u64,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(home: &Home, arguments: &Arguments) -> anyhow::Result<Exit> {
    let [sheet] = sheets(home, [Number(arguments.submission)])?;
    if arguments.json {
        println!("{}", json!({ "v": 1, "sheet": sheet }));
    } else {
        print!("{}", shown(&sheet));
    }
    Ok(Exit::Done)
}

/// What is known of these submissions, in this order.
pub(super) fn sheets<const N: usize>(home: &Home, numbers: [Number; N]) -> anyhow::Result<[Sheet; N]> {
    let rules: Rules = settings::read(home).map_err(|problems| anyhow!("{}", super::check::list(&problems)))?;
    let dossiers = staff::dossiers(home, &numbers)?;
    let sheet_of = |number: Number| {
        let dossier = dossiers.get(&number).with_context(|| format!("the log has no submission {number}"))?;
        let kept = staff::kept_text(home, dossier, TAIL);
        Ok(sheet(dossier, &rules, &|case: &CaseName, name: &str| kept(case, name)))
    };
    let sheets: Vec<Sheet> = numbers.into_iter().map(sheet_of).collect::<anyhow::Result<_>>()?;
    sheets.try_into().map_err(|_| anyhow!("as many sheets as numbers"))
}

fn shown(sheet: &Sheet) -> String {
    let mut text = format!("submission {} of {}\n\n{}", sheet.submission, sheet.user, facts(&sheet.facts));
    for case in &sheet.cases {
        text += &format!("\ncase {}\n{}", case.case, facts(&case.facts));
        for kept in &case.kept {
            let cut = if kept.tail.cut { ", its end" } else { "" };
            let lines: String = kept.tail.text.lines().map(|line| format!("    {line}\n")).collect();
            text += &format!("  {}, {} bytes{cut}\n{lines}", kept.name, kept.tail.bytes);
        }
    }
    text
}

fn facts(facts: &[(String, String)]) -> String {
    let line = |(name, value): &(String, String)| {
        format!("  {name:<18}  {}\n", value.replace('\n', "\n                      "))
    };
    facts.iter().map(line).collect()
}
