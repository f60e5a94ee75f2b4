//! Into this home's inbox.

use anyhow::Context;
use serde_json::json;

use super::display::Display;
use super::follow::{End, Follower, View};
use super::{Arguments, Exit};
use crate::core::view;
use crate::daemon::Lock;
use crate::files;
use crate::home::Home;

pub(super) fn run(home: &Home, arguments: &Arguments) -> anyhow::Result<Exit> {
    let parcel = arguments.parcel.read(arguments.user.as_deref().unwrap_or_default())?;
    let name = &parcel.name;
    let own = home.inbox().join(name.user.as_str()).join("in");
    let folder = if own.is_dir() { own } else { home.inbox() };
    anyhow::ensure!(folder.is_dir(), "{} is not a competition home: it has no inbox/", home.root().display());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut follower = Follower::new(View::Home(home), &parcel);
    if arguments.follow {
        runtime.block_on(follower.look_back())?;
    }

    let target = folder.join(name.to_string());
    let is_new = files::create(&target, &parcel.bytes, 0o644)
        .with_context(|| format!("failed to put {} into the inbox", target.display()))?;
    anyhow::ensure!(is_new, "{} waits in the inbox already", target.display());

    let page = home.public().join(view::folder(&name.id)).join("index.html");
    let display = Display::new(parcel.json);
    display.say(&format!("id    {}", name.id));
    display.say(&format!("page  {}", page.display()));
    let head = json!({ "id": name.id, "file": target, "page": page });
    let is_served = Lock::is_taken(home);
    if !is_served {
        display.say("No daemon runs in this home: `podium run` judges what the inbox holds.");
    }
    if !arguments.follow {
        display.document(head);
        return Ok(Exit::Done);
    }
    if !is_served {
        display.end(head, &End::Silent);
        return Ok(Exit::Unseen);
    }
    let end = runtime.block_on(async {
        tokio::select! {
            end = follower.follow(&display) => end,
            _ = tokio::signal::ctrl_c() => Ok(End::Interrupted),
        }
    })?;
    display.end(head, &end);
    display.explain(&end, "podium submit", &parcel);
    Ok(end.exit())
}
