//! To a server, by SFTP.

use std::cell::Cell;

use anyhow::anyhow;
use serde_json::json;

use super::display::Display;
use super::follow::{Blind, Desk, End, Follower, View};
use super::{Exit, Parcel, ParcelArguments, Usage, WayArguments};
use crate::client::{Address, Connection, Login, Session, SftpError};

/// How far it is: what an end in the middle means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Nothing of it is on the server, or only under a hidden name.
    Unsent,
    /// It has its name.
    Sent,
}

/// One submission on its way.
#[derive(Clone, Copy)]
struct Errand<'a> {
    parcel: &'a Parcel,
    account: &'a str,
    /// The folder that the address names.
    folder: Option<&'a str>,
    only_receipt: bool,
    stage: &'a Cell<Stage>,
    display: &'a Display,
}

/// The folders of a user on a server.
#[derive(Clone)]
struct Folders {
    drop: String,
    out: String,
}

/// Why it did not go on.
enum Trouble {
    /// The connection is gone; ssh says why.
    Lost,
    /// A sentence.
    Other(anyhow::Error),
}

impl From<SftpError> for Trouble {
    fn from(error: SftpError) -> Self {
        match error {
            SftpError::Lost => Trouble::Lost,
            other => Trouble::Other(other.into()),
        }
    }
}

impl From<Blind> for Trouble {
    fn from(error: Blind) -> Self {
        match error {
            Blind::Sftp(error) => error.into(),
            other => Trouble::Other(other.into()),
        }
    }
}

pub(super) async fn run(
    program: &'static str,
    parcel: &ParcelArguments,
    address: &Address,
    (user, way): (Option<&str>, &WayArguments),
) -> anyhow::Result<Exit> {
    let mut login = Login { address: address.clone(), identity: way.identity.clone(), options: way.options.clone() };
    let account = login.account().await?;
    let parcel = parcel.read(user.unwrap_or(&account)).map_err(|error| match error.downcast::<Usage>() {
        Ok(usage) if user.is_none() => {
            Usage(format!("{usage}; write the account before the host, as ssh://USER@HOST, or say --user")).into()
        }
        Ok(usage) => usage.into(),
        Err(error) => error,
    })?;
    login.address.user = Some(account.clone());

    let display = Display::new(parcel.json);
    let stage = Cell::new(Stage::Unsent);
    let errand = Errand {
        parcel: &parcel,
        account: &account,
        folder: address.folder.as_deref(),
        only_receipt: way.no_follow,
        stage: &stage,
        display: &display,
    };
    let work = send_and_follow(&login, errand);
    let outcome = tokio::select! {
        outcome = work => outcome,
        _ = tokio::signal::ctrl_c() => Ok(End::Interrupted),
    };
    display.clear();
    let end = match (outcome, stage.get()) {
        (Ok(End::Interrupted), Stage::Unsent) => {
            return Err(anyhow!("interrupted: nothing was handed in. To go on, add: --id {}", parcel.name.id));
        }
        (Ok(end), _) => end,
        (Err(error), Stage::Unsent) => {
            return Err(error.context(format!(
                "nothing was handed in (to try again under the same id, add --id {})",
                parcel.name.id
            )));
        }
        (Err(error), Stage::Sent) => {
            eprintln!("{program}: {error:#}");
            display.document(head(&parcel, "sent"));
            display.look_again(&parcel);
            return Ok(Exit::Unseen);
        }
    };
    display.end(head(&parcel, "sent"), &end);
    display.explain(&end, program, &parcel);
    Ok(end.exit())
}

fn head(parcel: &Parcel, end: &str) -> serde_json::Value {
    let id = &parcel.name.id;
    json!({ "id": id, "file": parcel.name.to_string(), "page": format!("s/{id}/"), "end": end })
}

async fn send_and_follow(login: &Login, errand: Errand<'_>) -> anyhow::Result<End> {
    let (connection, stream) = login.connect()?;
    let session = match Session::begin(stream).await {
        Ok(session) => session,
        Err(_) => return Err(connection.last_words().await.into()),
    };
    let outcome = talk(&session, errand).await;
    session.end();
    drop(session);
    finish(connection, outcome).await
}

async fn finish(connection: Connection, outcome: Result<End, Trouble>) -> anyhow::Result<End> {
    match outcome {
        Ok(end) => {
            connection.close().await;
            Ok(end)
        }
        Err(Trouble::Lost) => Err(connection.last_words().await.into()),
        Err(Trouble::Other(error)) => {
            connection.close().await;
            Err(error)
        }
    }
}

async fn talk(session: &Session, errand: Errand<'_>) -> Result<End, Trouble> {
    let Errand { parcel, account, folder, only_receipt, stage, display } = errand;
    let folders = folders(session, folder).await?;
    let is_followed = session.is_folder(&folders.out).await?;
    let Folders { drop, out } = folders.clone();
    let desk = Desk { session, drop, out, account: account.to_owned() };
    let mut follower = Follower::new(View::Server(desk), parcel);
    follower.only_receipt = only_receipt;
    display.say(&format!("id    {}", parcel.name.id));
    if is_followed && follower.look_back().await? {
        display.say("It was received before: nothing is sent again.");
    } else {
        upload(session, parcel, &folders, display).await?;
    }
    stage.set(Stage::Sent);
    display.say(&format!("page  s/{}/ of the site", parcel.name.id));
    if !is_followed {
        return Ok(End::Unfollowed);
    }
    Ok(follower.follow(display).await?)
}

/// Where to put it, and where to look: as the address says, or else where provisioning makes them. A session begins in either, or above both.
async fn folders(session: &Session, wanted: Option<&str>) -> Result<Folders, Trouble> {
    let here = session.here().await?;
    let here = here.trim_end_matches('/');
    let above = |path: &str| path.rsplit_once('/').map_or("", |(above, _)| above).to_owned();
    if let Some(drop) = wanted {
        return if session.is_folder(drop).await? {
            Ok(Folders { drop: drop.to_owned(), out: format!("{}/out", above(drop)) })
        } else {
            Err(Trouble::Other(anyhow!(
                "there is no folder {drop} on the server: leave it out of the address, or ask for its name"
            )))
        };
    }
    // Both tell the place; in/ alone may be a link in itself, for those who type `cd in` when they are there.
    for wants_out in [true, false] {
        for root in [here.to_owned(), above(here), String::new()] {
            let folders = Folders { drop: format!("{root}/in"), out: format!("{root}/out") };
            if session.is_folder(&folders.drop).await? && (!wants_out || session.is_folder(&folders.out).await?) {
                return Ok(folders);
            }
        }
    }
    Err(Trouble::Other(anyhow!(
        "the server shows no folder in/ to this account: ask whoever runs the competition whether the account is set up"
    )))
}

async fn upload(session: &Session, parcel: &Parcel, folders: &Folders, display: &Display) -> Result<(), Trouble> {
    let name = format!("{}/{}", folders.drop, parcel.name);
    // One name for every try under this id: what an interrupted one left is written over.
    let hidden = format!("{}/.{}.part", folders.drop, parcel.name);
    if parcel.again && session.size(&name).await? == Some(parcel.bytes.len() as u64) {
        display.say("It was sent before and waits to be taken in: nothing is sent again.");
        return Ok(());
    }
    let size = parcel.bytes.len();
    display.doing("sending", &format!("sending {size} bytes"));
    let sent = session.write(&hidden, &parcel.bytes, &mut |done| display.sending(done, size)).await;
    let sent = match sent {
        Ok(()) => session.rename(&hidden, &name).await,
        Err(error) => Err(error),
    };
    sent.map_err(|error| match error {
        SftpError::Lost => Trouble::Lost,
        SftpError::Denied => Trouble::Other(anyhow!(
            "the server does not let this account write to {}: ask whoever runs the competition", folders.drop
        )),
        SftpError::Failed(words) => Trouble::Other(anyhow!(
            "the server could not keep the file{words}: it may be too large, or your space or the disk may be full; remove old files from {}, or ask", folders.drop
        )),
        other => other.into(),
    })
}
