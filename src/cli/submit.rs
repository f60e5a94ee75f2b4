//! `podium submit`: drops a file into the inbox as a client should, under a hidden name first, then renamed.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use serde_json::json;

use super::Exit;
use crate::core::ids::{Extension, SubmissionId, UserName};
use crate::core::submission::FileName;
use crate::core::view;
use crate::daemon::Lock;
use crate::home::Home;

/// Drop a file into the inbox, as a client should
///
/// The file is written under a hidden name and then renamed, so that the daemon takes it at once and never sees a half of it. Prints the id of the
/// submission and its private page: whoever knows the id can see that page.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The program to submit; its ending says the language
    file: PathBuf,
    /// Whose submission it is
    #[arg(long, value_name = "USER")]
    user: String,
    /// The id to give it, a UUID; default: a new one
    #[arg(long, value_name = "UUID")]
    id: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Whose it is and what it is called, out of what was asked for.
fn sender(arguments: &Arguments) -> anyhow::Result<(UserName, SubmissionId)> {
    let user: UserName = arguments.user.parse().with_context(|| format!("{:?} is not a user name", arguments.user))?;
    let id = arguments.id.clone().unwrap_or_else(|| uuid::Uuid::new_v4().to_string());
    let id: SubmissionId = id.parse().with_context(|| format!("{id:?} is not an id"))?;
    Ok((user, id))
}

pub(super) fn run(home: &Home, arguments: &Arguments) -> anyhow::Result<Exit> {
    let (user, id) = match sender(arguments) {
        Ok(sender) => sender,
        Err(error) => {
            eprintln!("podium: {error:#}");
            return Ok(Exit::Usage);
        }
    };
    let extension = arguments.file.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    let extension: Extension = extension
        .parse()
        .with_context(|| format!("{} has no ending that says its language", arguments.file.display()))?;
    let name = FileName { user, id, extension };
    let bytes = fs::read(&arguments.file).with_context(|| format!("failed to read {}", arguments.file.display()))?;
    let own = home.inbox().join(name.user.as_str()).join("in");
    let folder = if own.is_dir() { own } else { home.inbox() };
    anyhow::ensure!(folder.is_dir(), "{} is not a competition home: it has no inbox/", home.root().display());
    let mut temporary = tempfile::Builder::new().prefix(".podium-").suffix(".part").tempfile_in(&folder)?;
    temporary.write_all(&bytes)?;
    temporary.as_file().set_permissions(fs::Permissions::from_mode(0o644))?;
    temporary.as_file().sync_all()?;
    let target = folder.join(name.to_string());
    temporary
        .persist_noclobber(&target)
        .map_err(|error| error.error)
        .with_context(|| format!("failed to put {} into the inbox", target.display()))?;

    let page = home.public().join(view::folder(&name.id)).join("index.html");
    if arguments.json {
        println!("{}", json!({ "id": name.id.as_str(), "file": target, "page": page }));
    } else {
        println!("id    {}", name.id);
        println!("page  {}", page.display());
        if !Lock::is_taken(home) {
            println!("No daemon runs in this home: `podium run` judges what the inbox holds.");
        }
    }
    Ok(Exit::Done)
}
