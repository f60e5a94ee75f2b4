//! `podium users list`: who is listed. Of a password it says whether there is one, never more.

use clap::Args;
use serde_json::json;

use crate::accounts;
use crate::cli::Exit;
use crate::cli::check;
use crate::cli::table::table;
use crate::home::Home;

/// Show who is listed
#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(home: &Home, arguments: &Arguments) -> anyhow::Result<Exit> {
    let roster = accounts::read(home).map_err(|problems| anyhow::anyhow!(check::list(&problems)))?;
    let Some(roster) = roster else {
        if arguments.json {
            println!("{}", json!({ "v": 1, "users": null }));
        } else {
            println!("There is no users.csv: whoever has a well-formed name may submit, as a student.");
        }
        return Ok(Exit::Done);
    };
    let users: Vec<_> = roster.rows().iter().map(|row| &row.user).collect();
    let keys = accounts::read_keys(&home.keys(), users).map_err(|problems| anyhow::anyhow!(check::list(&problems)))?;
    let of = |row: &crate::core::roster::Row| keys.get(&row.user).map_or(0, Vec::len);
    if arguments.json {
        let users: Vec<_> = roster
            .rows()
            .iter()
            .map(|row| json!({ "user": row.user, "role": row.role, "password": row.password.kind(), "keys": of(row) }))
            .collect();
        println!("{}", json!({ "v": 1, "users": users }));
    } else {
        let rows: Vec<_> = roster
            .rows()
            .iter()
            .map(|row| {
                let password = row.password.kind().to_owned();
                vec![row.user.to_string(), row.role.name().to_owned(), password, of(row).to_string()]
            })
            .collect();
        print!("{}", table(&["user", "role", "password", "keys"], &[false, false, false, true], &rows));
    }
    Ok(Exit::Done)
}
