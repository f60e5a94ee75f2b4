//! Looks at what the server says of a submission, until it says no more.

use std::fs;
use std::io;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};

use super::display::Display;
use super::{Exit, Parcel};
use crate::client::{Answer, Session, SftpError, place_in};
use crate::core::ids::{SubmissionId, UserName};
use crate::core::submission::FileName;
use crate::core::view;
use crate::home::Home;

/// How often to look.
const PAUSE: Duration = Duration::from_millis(500);

/// Where what is said of submissions can be read.
pub(super) enum View<'a> {
    /// In a home on this machine.
    Home(&'a Home),
    /// On a server.
    Server(Desk<'a>),
}

/// A user's folders on a server.
pub(super) struct Desk<'a> {
    pub(super) session: &'a Session,
    /// Where files are dropped.
    pub(super) drop: String,
    /// Where letters are.
    pub(super) out: String,
    /// The account: what comes in by its folder under another's name is refused to it.
    pub(super) account: String,
}

/// What became of a submission, as far as was seen.
#[derive(Debug)]
pub(super) enum End {
    /// It was judged or refused; the letter about it, where there is one.
    Final(Box<Answer>, Option<String>),
    /// It was received, and nobody wants to know more.
    Received(Box<Answer>),
    /// Nothing has been heard of the daemon for too long.
    Silent,
    /// It was taken away, and nothing is said of it.
    Unanswered,
    /// It was sent to where nothing is said of it.
    Unfollowed,
    /// The one who waited has had enough.
    Interrupted,
}

/// Why looking had to end.
#[derive(Debug, thiserror::Error)]
pub(super) enum Blind {
    /// The connection, or the disk.
    #[error(transparent)]
    Sftp(#[from] SftpError),
    /// The home.
    #[error("failed to read the home")]
    Home(#[from] io::Error),
    /// Something else arrived than was sent.
    #[error("what the server has under this id is not this file: hand it in again, with a new id")]
    Another,
    /// The server talks nonsense.
    #[error("what the server says of this submission cannot be read")]
    Nonsense(#[from] serde_json::Error),
}

/// Follows one submission.
pub(super) struct Follower<'a> {
    view: View<'a>,
    parcel: &'a Parcel,
    /// The log's line of a refusal that was there before: it is not the answer.
    before: Option<u64>,
    /// To end with the receipt.
    pub(super) only_receipt: bool,
}

impl View<'_> {
    async fn read(&self, what: What, user: &UserName, id: &SubmissionId) -> Result<Option<Vec<u8>>, Blind> {
        match self {
            View::Home(home) => {
                let public = home.public();
                let path = match what {
                    What::Status => public.join(view::folder(id)).join("status.json"),
                    What::Queue => public.join("queue.json"),
                    What::Letter => home.inbox().join(user.as_str()).join("out").join(format!("{user}_{id}.txt")),
                };
                match fs::read(path) {
                    Ok(bytes) => Ok(Some(bytes)),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                    Err(error) => Err(error.into()),
                }
            }
            View::Server(Desk { session, out, account, .. }) => {
                let ending = match what {
                    What::Queue => return Ok(session.read(&format!("{out}/queue.json")).await?),
                    What::Status => "json",
                    What::Letter => "txt",
                };
                let found = session.read(&format!("{out}/{user}_{id}.{ending}")).await?;
                match account.parse::<UserName>() {
                    Ok(other) if found.is_none() && other != *user => {
                        Ok(session.read(&format!("{out}/{other}_{id}.{ending}")).await?)
                    }
                    _ => Ok(found),
                }
            }
        }
    }
}

impl View<'_> {
    /// Whether the file still lies where it was dropped.
    async fn is_dropped(&self, name: &FileName) -> Result<bool, Blind> {
        match self {
            // What is taken in here is said within the same moment.
            View::Home(_) => Ok(true),
            View::Server(Desk { session, drop, .. }) => Ok(session.size(&format!("{drop}/{name}")).await?.is_some()),
        }
    }
}

#[derive(Clone, Copy)]
enum What {
    Status,
    Queue,
    Letter,
}

impl End {
    /// The exit status that says it.
    pub(super) fn exit(&self) -> Exit {
        match self {
            End::Final(answer, _) if answer.is_accepted() => Exit::Done,
            End::Received(_) => Exit::Done,
            End::Final(..) => Exit::Problem,
            End::Silent | End::Unanswered | End::Unfollowed | End::Interrupted => Exit::Unseen,
        }
    }
}

impl<'a> Follower<'a> {
    pub(super) fn new(view: View<'a>, parcel: &'a Parcel) -> Self {
        Self { view, parcel, before: None, only_receipt: false }
    }

    async fn read(&self, what: What) -> Result<Option<Vec<u8>>, Blind> {
        self.view.read(what, &self.parcel.name.user, &self.parcel.name.id).await
    }

    async fn answer(&self) -> Result<Option<Answer>, Blind> {
        Ok(self.read(What::Status).await?.map(|bytes| Answer::read(&bytes)).transpose()?)
    }

    /// What was said of this id before it is sent; whether it is there already. A refusal is none: the same id may come again, with a mended file.
    pub(super) async fn look_back(&mut self) -> Result<bool, Blind> {
        if !self.parcel.again {
            return Ok(false);
        }
        match self.answer().await? {
            Some(answer) if answer.is_rejected() => {
                self.before = Some(answer.receipt.seq);
                Ok(false)
            }
            Some(answer) => self.same(&answer).map(|()| true),
            None => Ok(false),
        }
    }

    fn same(&self, answer: &Answer) -> Result<(), Blind> {
        let ours = self.parcel.sha256.to_string();
        match &answer.receipt.sha256 {
            Some(theirs) if theirs.as_str() != ours => Err(Blind::Another),
            _ => Ok(()),
        }
    }

    /// Until it is judged or refused, or nothing is heard any more.
    pub(super) async fn follow(&self, display: &Display) -> Result<End, Blind> {
        let mut ticks = interval(PAUSE);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut heard = (None, None);
        let mut last = Instant::now();
        let mut dropped = Instant::now();
        let mut is_received = false;
        display.doing("sent", "sent; waiting for the receipt");
        loop {
            ticks.tick().await;
            let now = (self.read(What::Status).await?, self.read(What::Queue).await?);
            if now != heard {
                last = Instant::now();
                heard = now;
            } else if last.elapsed() > self.parcel.patience {
                return Ok(End::Silent);
            }
            let Some(bytes) = &heard.0 else {
                if self.view.is_dropped(&self.parcel.name).await? {
                    dropped = Instant::now();
                } else if dropped.elapsed() > self.parcel.patience {
                    return Ok(End::Unanswered);
                }
                continue;
            };
            let answer = Answer::read(bytes)?;
            if answer.is_rejected() && self.before == Some(answer.receipt.seq) {
                continue;
            }
            self.same(&answer)?;
            if !is_received && !answer.is_rejected() {
                is_received = true;
                display.received(&answer);
            }
            if self.only_receipt && !answer.is_rejected() {
                return Ok(End::Received(Box::new(answer)));
            }
            if answer.is_final() {
                let letter = self.read(What::Letter).await?;
                return Ok(End::Final(
                    Box::new(answer),
                    letter.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()),
                ));
            }
            let place = answer.submission.and_then(|number| place_in(heard.1.as_deref()?, number));
            display.progress(&answer, place);
        }
    }
}
