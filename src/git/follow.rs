//! What becomes of what was pushed, told to the pusher line by line. Everything that came from a stranger is printed escaped.

use std::io::Write;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

use super::Door;
use super::identity::Oid;
use crate::core::ids::Number;
use crate::core::submission::FileName;
use crate::core::text::visible;
use crate::core::view::{self, QueueJson, StateName, StatusCase, StatusJson};

/// A push waits this long to be told what became of it where no daemon gives a sign of life, or judging is held,
const PATIENCE: Duration = Duration::from_secs(4);
/// this long where one does, whose disk may be slow,
const LIVELY_PATIENCE: Duration = Duration::from_secs(30);
/// or, with `git push -o wait`, this long for its verdict.
const LONG_PATIENCE: Duration = Duration::from_secs(600);
/// A sign of life while it waits.
const REMINDER: Duration = Duration::from_secs(15);
/// The pages of one moment are written one after the other, within this time.
const BEHIND: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(50);
/// How often to ask whether anybody is there at all.
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);
/// A daemon gives a sign of life every two seconds.
const SILENCE: chrono::TimeDelta = chrono::TimeDelta::seconds(10);
/// The longest line of somebody's, in characters.
const LINE: usize = 300;

/// Where lines for the pusher go. A pusher who has gone is no failure.
#[derive(Debug, Default)]
pub(super) struct Voice {
    gone: bool,
}

impl Voice {
    pub(super) fn say(&mut self, line: &str) {
        self.gone |= writeln!(std::io::stderr(), "{line}").is_err();
    }

    /// The same for a text of several lines that may be a stranger's.
    fn quote(&mut self, text: &str) {
        text.lines().for_each(|line| self.say(&format!("  {}", visible(&line.replace('\t', "    "), LINE))));
    }
}

/// A file that was put into the inbox.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) name: FileName,
    /// Its path in the commit.
    pub(super) path: String,
    pub(super) commit: Oid,
    /// The line of the log that refused it once.
    pub(super) refused_before: Option<u64>,
}

impl Sent {
    fn what(&self) -> String {
        format!("{} of commit {}", self.path, self.commit.short())
    }
}

/// Whether there is no sign of a daemon.
fn is_silent(queue: Option<&QueueJson>) -> bool {
    let alive: Option<DateTime<Utc>> = queue.and_then(|queue| queue.alive_at.as_ref()?.parse().ok());
    alive.is_none_or(|alive| Utc::now() - alive > SILENCE)
}

impl Door {
    /// Says which page tells more.
    pub(super) fn say_page(&self, name: &FileName, voice: &mut Voice) {
        let folder = format!("{}/", view::folder(&name.id));
        let address = self.config.competition.address(&folder);
        let on = if self.config.competition.url.is_some() { "" } else { " on the competition's site" };
        voice.say(&format!("Your private page: {address}{on}"));
    }

    /// Follows what was put into the inbox, until it is known what became of it, or, with `wait`, what it is worth.
    pub(super) async fn follow(&self, sent: &[Sent], wait: bool, voice: &mut Voice) {
        let began = Instant::now();
        for sent in sent {
            let Some(status) = self.taken_in(sent, began, wait, voice).await else { continue };
            if status.state == StateName::Rejected {
                voice.say(&format!("Refused: {}", sent.what()));
                voice.quote(status.reason.as_deref().unwrap_or("no reason was given"));
                voice.say("Put right what is said above, commit, and push again. (To hand in the very same later: git commit --allow-empty -m again.)");
                self.say_page(&sent.name, voice);
                continue;
            }
            let number = status.submission.unwrap_or(Number(0));
            voice.say(&format!("Accepted as number {number}: {}", sent.what()));
            match status.state {
                StateName::Judged => self.say_result(&status, voice),
                _ => self.say_place(&sent.name, number, voice).await,
            }
            self.say_page(&sent.name, voice);
            if wait && status.state != StateName::Judged {
                self.judged(sent, number, began + LONG_PATIENCE, voice).await;
            }
        }
    }

    /// What the daemon made of a file; `None`, and a line that says so, when it has not looked at it.
    async fn taken_in(&self, sent: &Sent, began: Instant, wait: bool, voice: &mut Voice) -> Option<StatusJson> {
        let lively = if wait { LONG_PATIENCE } else { LIVELY_PATIENCE };
        let (mut look_again, mut reminder) = (began + PATIENCE, began + REMINDER);
        loop {
            let status = self.status(&sent.name.id);
            // An earlier refusal of the same commit is no answer to this push.
            let news = |status: &StatusJson| sent.refused_before.is_none_or(|seq| status.receipt.seq > seq);
            if let Some(status) = status.filter(news) {
                return Some(status);
            }
            if voice.gone {
                return None;
            }
            let now = Instant::now();
            if now >= began + lively {
                break;
            }
            // The queue may be long: it is not read at every turn.
            if now >= look_again {
                look_again = now + BETWEEN_LOOKS;
                if self.unattended().is_some() {
                    break;
                }
            }
            if now >= reminder {
                reminder = now + REMINDER;
                voice.say("It is being looked at.");
            }
            tokio::time::sleep(PAUSE).await;
        }
        voice.say(&format!("Received: {}", sent.what()));
        voice.say(self.unattended().as_deref().unwrap_or("It is looked at and has no number yet."));
        self.say_page(&sent.name, voice);
        None
    }

    /// Why nobody looks at files at the moment, and what that means for one; `None` where somebody does.
    fn unattended(&self) -> Option<String> {
        let queue = self.queue();
        if is_silent(queue.as_ref()) {
            return Some("No daemon answers at the moment. Your file is kept, and taken in when one does; there is no need to push again. If the deadline passes before that, tell your instructor.".into());
        }
        let why = visible(&queue?.held?, LINE);
        Some(format!(
            "Judging is held ({why}). Your file is kept, and looked at when it goes on; there is no need to push again."
        ))
    }

    /// Waits for the verdict.
    async fn judged(&self, sent: &Sent, number: Number, deadline: Instant, voice: &mut Voice) {
        let mut reminder = Instant::now() + REMINDER;
        let mut running = false;
        loop {
            match self.status(&sent.name.id) {
                Some(status) if status.state == StateName::Judged => return self.say_result(&status, voice),
                Some(status) if status.state == StateName::Running && !running => {
                    running = true;
                    voice.say("It is being judged.");
                }
                _ => {}
            }
            if voice.gone {
                return;
            }
            let now = Instant::now();
            if now >= deadline {
                return voice.say("That is as long as a push waits; your page will have the verdict.");
            }
            if now >= reminder {
                if is_silent(self.queue().as_ref()) {
                    return voice.say("The daemon gives no sign of life. What was accepted is judged when it is back; your page will have the verdict.");
                }
                reminder = now + REMINDER;
                if running {
                    voice.say("It is still being judged.");
                } else {
                    self.say_place(&sent.name, number, voice).await;
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn say_place(&self, name: &FileName, number: Number, voice: &mut Voice) {
        // The queue's page is written after the submission's own.
        let deadline = Instant::now() + BEHIND;
        let place = loop {
            if let Some(place) = self.queue().and_then(|queue| queue.place(number).cloned()) {
                break place;
            }
            if self.status(&name.id).is_none_or(|status| status.state != StateName::Waiting) {
                return voice.say("It is being judged.");
            }
            if Instant::now() >= deadline {
                return voice.say("It is in the queue.");
            }
            tokio::time::sleep(PAUSE).await;
        };
        let expected = place.eta_seconds.map_or_else(String::new, |seconds| {
            let rounded = if seconds < 60 { seconds } else { seconds.div_ceil(60) * 60 };
            format!(
                "; a verdict can be expected in about {}",
                humantime::format_duration(Duration::from_secs(rounded.max(1)))
            )
        });
        voice.say(&format!("Place in the queue: {}{expected}", place.position));
    }

    /// The verdict of the public cases.
    fn say_result(&self, status: &StatusJson, voice: &mut Voice) {
        let scoring = &self.config.score;
        let verdict = status.verdict.map_or("no verdict", |verdict| verdict.as_str());
        let score = status.public_score.map_or_else(|| "none".to_owned(), |score| score.shown(scoring.decimals));
        voice.say(format!("Judged: {verdict}; public score: {score} {}", visible(&scoring.unit, 40)).trim_end());
        let width = |of: fn(&StatusCase) -> usize| status.cases.iter().map(of).max().unwrap_or(0);
        let (names, verdicts) = (width(|case| case.case.as_str().len()), width(|case| case.verdict.as_str().len()));
        for case in &status.cases {
            let (name, verdict) = (case.case.as_str(), case.verdict.as_str());
            let score = case.score.map_or_else(|| "-".to_owned(), |score| score.shown(scoring.decimals));
            let message = case.message.as_deref().map(|message| visible(message, LINE)).unwrap_or_default();
            voice.say(format!("  {name:names$}  {verdict:verdicts$}  {score}  {message}").trim_end());
        }
    }

    /// What is known of a commit that was pushed before.
    pub(super) fn say_known(&self, sent: &Sent, status: &StatusJson, voice: &mut Voice) {
        let number = status.submission.unwrap_or(Number(0));
        voice.say(&format!("{} was submitted already as number {number}; nothing new is judged.", sent.what()));
        if status.state == StateName::Judged {
            self.say_result(status, voice);
        }
        self.say_page(&sent.name, voice);
    }
}
