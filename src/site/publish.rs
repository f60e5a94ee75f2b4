//! From what changed to files that changed: each written whole, and only where its bytes differ.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::letters::{Letter, Letters, Line, is_waiting};
use super::pages::{Kind, Pages, RenderError};
use super::rebuild::Rebuild;
use super::results::Written;
use super::rows::Rows;
use super::statement::{self, Statement};
use super::{contest, downloads};
use crate::core::config::Problem;
use crate::core::details::Unreadable;
use crate::core::history::{State, Submission};
use crate::core::ids::{CaseName, SubmissionId, UserName};
use crate::core::machine::Dirty;
use crate::core::places::Places;
use crate::core::record::Judged;
use crate::core::submission::FileName;
use crate::core::text::visible_lines;
use crate::core::view::{self, Beside, LeaderboardJson, Source, StatusJson, Step, SubmissionPage, Tables, Tail, Tails};
use crate::files;
use crate::home::Home;
use crate::outbox::Outboxes;

/// Of what a public case printed, this much of the end is shown, in bytes.
const TAIL: u64 = 4 << 10;
/// What is neither an asset nor below a folder.
pub(super) const TOP: [&str; 10] = [
    "index.html",
    "leaderboard.json",
    "leaderboard.csv",
    "chart.svg",
    "chart-phone.svg",
    "queue.html",
    "queue.json",
    "about.html",
    "results.jsonl",
    "feed.xml",
];
/// How a submission goes, as text, beside its page.
pub(super) const LOG: &str = "log.txt";
/// A change of everything makes pages anew for so long before anything else is done.
const AT_ONCE: Duration = Duration::from_millis(500);
/// Everybody may read the site.
const MODE: u32 = 0o644;

/// Keeps public/, and what users find in their outboxes, in step with the log.
pub struct Publisher {
    pub(super) home: Home,
    /// Where to.
    pub(super) public: PathBuf,
    /// Whether the pages that only their senders may know, and the letters, are among it.
    pub(super) private: bool,
    pub(super) pages: Pages,
    pub(super) letters: Letters,
    statement: Option<Statement>,
    tables: Option<Tables>,
    rows: Rows,
    pub(super) written: Option<Written>,
    pub(super) rebuild: Option<Rebuild>,
    places: Places,
}

/// Whose outboxes are gone round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Round {
    /// Of those who have something in the queue.
    Waiting,
    /// Everybody's.
    Everybody,
}

/// about.html
#[derive(Serialize)]
pub struct AboutPage<'a> {
    /// The rules in force.
    pub rules: view::RulesPage,
    /// statement.md, if there is one.
    pub statement: Option<&'a Statement>,
}

/// What the log does not know: how the daemon is.
#[derive(Debug, Clone, Default)]
pub struct Life {
    /// Its latest sign of life; `None` without a daemon.
    pub alive_at: Option<DateTime<Utc>>,
    /// Why nothing is judged at the moment, if something keeps it.
    pub held: Option<String>,
}

/// Why a page is not up to date.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// Its template failed.
    #[error(transparent)]
    Render(#[from] RenderError),
    /// What it is made of is not in the log any more as it was: it stays as it is.
    #[error(transparent)]
    Log(#[from] Unreadable),
    /// It could not be written.
    #[error("failed to write {path}")]
    Write {
        /// Where.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

/// The first thing that went wrong, while the rest goes on; what passes before what does not.
#[derive(Default)]
pub(super) struct First(Option<PublishError>);

impl First {
    pub(super) fn note(&mut self, outcome: Result<(), PublishError>) {
        if let Err(error) = outcome
            && self.0.as_ref().is_none_or(|first| !first.passes() && error.passes())
        {
            self.0 = Some(error);
        }
    }
}

impl PublishError {
    /// Whether trying again at once may do: a full disk gets room. A template and a line of the log stay as they are until somebody mends
    /// them, and every page anew, over and over, is work for nothing.
    #[must_use]
    pub fn passes(&self) -> bool {
        match self {
            Self::Write { .. } => true,
            Self::Render(_) | Self::Log(_) => false,
        }
    }
}

impl From<First> for Result<(), PublishError> {
    fn from(first: First) -> Self {
        first.0.map_or(Ok(()), Err)
    }
}

/// A file of public/ that could not be written.
pub(super) fn write_error(path: &Path, source: io::Error) -> PublishError {
    PublishError::Write { path: path.to_owned(), source }
}

impl Publisher {
    /// A publisher with the templates and the statement of a home, and what is wrong with the templates.
    #[must_use]
    pub fn new(home: &Home) -> (Self, Vec<Problem>) {
        let (pages, problems) = Pages::load(&home.templates());
        let letters = Letters::new(Outboxes::of(home));
        let statement = statement::read(&home.statement());
        let (home, public) = (home.clone(), home.public());
        let publisher = Self {
            home,
            public,
            private: true,
            pages,
            letters,
            statement,
            tables: None,
            rows: Rows::default(),
            written: None,
            places: Places::default(),
            rebuild: None,
        };
        (publisher, problems)
    }

    /// One that writes into another folder, and only what everybody may have: no private page, and no letter.
    #[must_use]
    pub fn for_everybody(home: &Home, folder: &Path) -> (Self, Vec<Problem>) {
        let (publisher, problems) = Self::new(home);
        (Self { public: folder.to_owned(), private: false, ..publisher }, problems)
    }

    /// Brings the pages that `dirty` names up to date; of everything, those that everybody reads, and the rest by [`Publisher::go_on`]. One that
    /// fails, by a template of the instructor's say, keeps none of the others.
    ///
    /// # Errors
    /// The first [`PublishError`].
    pub fn publish(&mut self, dirty: &Dirty, source: Source<'_>, life: &Life) -> Result<(), PublishError> {
        let mut first = First::default();
        match &mut self.tables {
            Some(tables) if !dirty.everything && tables.shown.is_of(source.board(), source.frozen_since()) => {
                tables.refresh(source, &dirty.users);
            }
            _ => {
                (self.tables, self.rows) = (Some(Tables::new(source)), Rows::default());
                self.written = None;
            }
        }
        self.places.tell(source.history, source.rules);
        if dirty.everything {
            for (name, bytes) in self.pages.assets() {
                first.note(self.write(name, bytes));
            }
            if self.private {
                first.note(self.close_listing("s"));
            }
        }
        let line = Line::default();
        for submission in dirty.submissions.iter().filter_map(|number| source.history.get(*number)) {
            first.note(self.submission(source, submission, &line));
        }
        for id in &dirty.refused {
            first.note(self.refused(source, id, &line));
        }
        for user in &dirty.users {
            first.note(self.user(source, user));
        }
        for user in &dirty.strays {
            first.note(self.posted(user, self.letters.strays(source, user)));
        }
        if dirty.everything {
            first.note(self.missing_users(source, Instant::now() + AT_ONCE));
        }
        first.note(self.about(source));
        first.note(self.board(source, life));
        first.note(self.results(source, dirty.submissions.iter().copied()));
        if dirty.everything {
            self.rebuild = Some(Rebuild::new(self, source));
            // Of a competition of a usual size that is all of them.
            if let Some(outcome) = self.go_on(source, life, Some(Instant::now() + AT_ONCE)) {
                first.note(outcome);
            }
        } else if !dirty.submissions.is_empty() {
            first.note(self.contest(source));
        }
        // The last: who finds the log's head on it finds the rest done, or on its way.
        first.note(self.queue(source, life));
        first.into()
    }

    /// The queue alone: it carries the daemon's sign of life.
    ///
    /// # Errors
    /// As [`Publisher::publish`].
    pub fn queue(&self, source: Source<'_>, life: &Life) -> Result<(), PublishError> {
        let (page, json) = view::queue(source, life.alive_at, life.held.as_deref());
        self.json("queue.json", &json)?;
        self.page("queue.html", Kind::QUEUE, &view::live_site(source, life.held.as_deref()), &page)
    }

    /// Goes round the outboxes: what changes in them without anything of their user's having changed, which is the place in the queue, and the
    /// sign of life. An outbox that has come since the last round of everybody's is filled.
    ///
    /// # Errors
    /// As [`Publisher::publish`].
    pub fn round(&mut self, round: Round, source: Source<'_>, life: &Life) -> Result<(), PublishError> {
        let mut first = First::default();
        let line = Line::default();
        let mut users: Vec<UserName> = match round {
            // By user, in order: tens of thousands may wait.
            Round::Waiting => source.history.pending().map(|(user, _)| user.clone()).collect(),
            Round::Everybody => self.letters.users(),
        };
        users.retain(|user| self.letters.has(user));
        if users.is_empty() {
            // Nobody reads it, and the queue may be long.
            if round == Round::Everybody {
                self.letters.new_users(&users);
            }
            return Ok(());
        }
        let queue = bytes("queue.json", &view::queue(source, life.alive_at, life.held.as_deref()).1)?;
        for user in &users {
            first.note(self.posted(user, self.letters.queue(user, &queue)));
        }
        for submission in source.history.waiting().filter(|submission| users.binary_search(&submission.user).is_ok()) {
            let (page, json) = view::submission(source, submission, None, Beside::default());
            first.note(bytes("status.json", &json).and_then(|json| {
                let letter = Letter { id: &submission.id, page: &page, json: &json };
                self.posted(&submission.user, self.letters.send(source, &letter, &line))
            }));
        }
        if round == Round::Everybody {
            let new = self.letters.new_users(&users);
            let mut refused = if new.is_empty() { BTreeMap::new() } else { refused_of(source) };
            for user in &new {
                first.note(self.posted(user, self.letters.guide(source, user)));
                for submission in source.history.of_user(user).into_iter().filter(|submission| !is_waiting(submission))
                {
                    first.note(self.submission(source, submission, &line));
                }
                for id in refused.remove(user).unwrap_or_default() {
                    first.note(self.refused(source, id, &line));
                }
            }
        }
        first.into()
    }

    /// A letter that could not be written, by its place.
    pub(super) fn posted(&self, user: &UserName, outcome: io::Result<()>) -> Result<(), PublishError> {
        outcome
            .map_err(|source| PublishError::Write { path: self.home.inbox().join(user.as_str()).join("out"), source })
    }

    /// The board, and what other programs read of it.
    fn board(&mut self, source: Source<'_>, life: &Life) -> Result<(), PublishError> {
        // Out of this publisher, so that its rows can be drawn with its pages.
        let tables = self.tables.take().unwrap_or_else(|| Tables::new(source));
        let mut rows = std::mem::take(&mut self.rows);
        let outcome = self.board_of(source, life, &tables, &mut rows);
        (self.tables, self.rows) = (Some(tables), rows);
        outcome
    }

    fn board_of(&self, source: Source<'_>, life: &Life, tables: &Tables, rows: &mut Rows) -> Result<(), PublishError> {
        let view = view::board(source, tables);
        let table = rows.table(&self.pages, source, &view)?;
        self.json("leaderboard.json", &LeaderboardJson::new(source, table.json, table.reference))?;
        self.write("leaderboard.csv", table.csv.as_bytes())?;
        let site = view::live_site(source, life.held.as_deref());
        // Before the page that shows them.
        if let Some(chart) = &view.page.chart {
            self.page("chart.svg", Kind::CHART, &site, &chart.desk)?;
            self.page("chart-phone.svg", Kind::CHART, &site, &chart.phone)?;
        } else {
            self.remove("chart.svg")?;
            self.remove("chart-phone.svg")?;
        }
        self.write("index.html", self.pages.board(&site, &view.page, &table.html)?.as_bytes())?;
        self.page("feed.xml", Kind::FEED, &view::site(source), &view::feed(source, tables))
    }

    /// The pages of users that are not there, before a board links to them: of those whose result a killed daemon did not publish. Where
    /// the whole site is gone they are more than can be had at once, and come with the rest.
    fn missing_users(&self, source: Source<'_>, until: Instant) -> Result<(), PublishError> {
        let mut first = First::default();
        let users = source.history.users().map(|(user, _)| user);
        let missing = users.filter(|user| !self.public.join(format!("u/{user}/index.html")).exists());
        for user in missing.take_while(|_| Instant::now() < until) {
            first.note(self.user(source, user));
        }
        first.into()
    }

    /// The Contest API, whose files grow with every submission: once nothing more is to come, and not with every result.
    pub(super) fn contest(&self, source: Source<'_>) -> Result<(), PublishError> {
        if self.has_contest(source) { contest::write(source, &self.public.join(contest::FOLDER)) } else { Ok(()) }
    }

    /// Whether the Contest API is there; always where everything is written once.
    pub(super) fn has_contest(&self, source: Source<'_>) -> bool {
        !self.private || view::Contest::new(source).is_final()
    }

    /// Its rules name the evaluator that judged last.
    fn about(&self, source: Source<'_>) -> Result<(), PublishError> {
        let page = AboutPage { rules: view::rules_page(source), statement: self.statement.as_ref() };
        self.page("about.html", Kind::ABOUT, &view::site(source), &page)
    }

    /// Makes a folder whose entries can be opened by name and not be listed: their names are the secret. A web server that lists folders, or
    /// another account on the machine, then finds none.
    fn close_listing(&self, folder: &str) -> Result<(), PublishError> {
        let path = self.public.join(folder);
        fs::create_dir_all(&path)
            .and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(0o711)))
            .map_err(|source| PublishError::Write { path, source })
    }

    pub(super) fn user(&self, source: Source<'_>, user: &UserName) -> Result<(), PublishError> {
        let page = view::user(source, user);
        let plot = format!("u/{user}/plot.svg");
        match &page.plot {
            // Before the page that shows it.
            Some(drawn) => self.page(&plot, Kind::CHART, &view::site(source), &drawn.chart)?,
            None => self.remove(&plot)?,
        }
        self.page(&format!("u/{user}/index.html"), Kind::USER, &view::site(source), &page)
    }

    pub(super) fn submission(
        &self,
        source: Source<'_>,
        submission: &Submission,
        line: &Line,
    ) -> Result<(), PublishError> {
        let judged = source.judged(submission)?;
        let beside = self.beside(submission, judged.as_ref(), &source.rules.config.cases.public)?;
        // While it is judged the log is written by whoever knows how far that is.
        let is_told = matches!(submission.state, State::Running { .. });
        if !is_told || !self.public.join(view::folder(&submission.id)).join(LOG).exists() {
            self.write_log(source, (submission, judged.as_ref()), &[])?;
        }
        let page = view::submission(source, submission, judged.as_ref(), beside);
        self.private(source, &submission.id, &page, line)
    }

    pub(super) fn refused(&self, source: Source<'_>, id: &SubmissionId, line: &Line) -> Result<(), PublishError> {
        let Some(refused) = source.history.refused().get(id) else {
            return Ok(());
        };
        let rejected = source.details.rejected(refused.receipt.seq)?;
        self.write(&format!("{}/{LOG}", view::folder(id)), view::refusal(refused, &rejected).as_bytes())?;
        self.private(source, id, &view::refused(refused, &rejected), line)
    }

    /// A submission's log, with what has happened in the judging that runs.
    pub(super) fn log(&self, source: Source<'_>, submission: &Submission, steps: &[Step]) -> Result<(), PublishError> {
        self.write_log(source, (submission, None), steps)
    }

    fn write_log(
        &self,
        source: Source<'_>,
        (submission, judged): (&Submission, Option<&Judged>),
        steps: &[Step],
    ) -> Result<(), PublishError> {
        let check = fs::read_to_string(self.home.check_log(submission.number)).unwrap_or_default();
        let text = view::progress(source, (submission, judged), &check, steps);
        self.write(&format!("{}/{LOG}", view::folder(&submission.id)), text.as_bytes())
    }

    /// The page and the log of a file that is being checked.
    pub(super) fn checking(
        &self,
        source: Source<'_>,
        name: &FileName,
        size: u64,
        steps: &[Step],
    ) -> Result<(), PublishError> {
        let folder = view::folder(&name.id);
        self.write(&format!("{folder}/{LOG}"), view::arriving(name, steps).as_bytes())?;
        let page = view::checking(name, size);
        self.page(&format!("{folder}/index.html"), Kind::CHECKING, &view::site(source), &page)
    }

    /// Removes the page of a file that was checked and went, unless the log tells of its id.
    ///
    /// # Errors
    /// As [`Publisher::publish`].
    pub fn unchecked(&self, source: Source<'_>, id: &SubmissionId) -> Result<(), PublishError> {
        if source.history.by_id(id).is_some() {
            return Ok(());
        }
        if source.history.refused().contains_key(id) {
            return self.refused(source, id, &Line::default());
        }
        let folder = view::folder(id);
        ["index.html", LOG].iter().try_for_each(|name| self.remove(&format!("{folder}/{name}")))?;
        // It holds nothing else.
        let _ = fs::remove_dir(self.public.join(folder));
        Ok(())
    }

    fn private(
        &self,
        source: Source<'_>,
        id: &SubmissionId,
        (page, json): &(SubmissionPage, StatusJson),
        line: &Line,
    ) -> Result<(), PublishError> {
        let folder = view::folder(id);
        let status = format!("{folder}/status.json");
        let json = bytes(&status, json)?;
        let mut first = First::default();
        let sent = self.letters.send(source, &Letter { id, page, json: &json }, line);
        first.note(page.user.as_ref().map_or(Ok(()), |user| self.posted(user, sent)));
        first.note(self.page(&format!("{folder}/index.html"), Kind::SUBMISSION, &view::site(source), page));
        // The last, for it is what everybody waits for: when it says that there is a result, the letter and the page have it.
        first.note(self.write(&status, &json));
        first.into()
    }

    /// What a private page has beyond the log. The files beside it are written here, before the page that links to them.
    fn beside(
        &self,
        submission: &Submission,
        judged: Option<&Judged>,
        public: &[CaseName],
    ) -> Result<Beside, PublishError> {
        let folder = view::folder(&submission.id);
        let put = |offered: downloads::Offered| {
            if let Some(content) = &offered.content {
                self.write(&format!("{folder}/{}", offered.download.file), content)?;
            }
            Ok::<_, PublishError>(offered.download)
        };
        let outputs = judged.map(|judged| downloads::outputs(&self.home, judged, public)).into_iter().flatten();
        let outputs =
            outputs.map(|(case, offered)| Ok((case, offered.into_iter().map(put).collect::<Result<_, _>>()?)));
        Ok(Beside {
            tails: judged.map(|judged| self.tails(judged, public)).unwrap_or_default(),
            outputs: outputs.collect::<Result<_, PublishError>>()?,
            source: downloads::source(&self.home, submission).map(put).transpose()?,
            change: self.places.change(submission.number),
        })
    }

    /// The ends of what the public cases printed, out of results/.
    fn tails(&self, judged: &Judged, public: &[CaseName]) -> Tails {
        let origin = judged.origin();
        let tail = |case: &CaseName, name: &str| {
            let path = self.home.kept(origin.submission, origin.attempt, case, name);
            let (bytes, kept) = files::tail(&path, TAIL).unwrap_or_default();
            let files = judged.case(case).map(|result| result.files.as_slice()).unwrap_or_default();
            let length = files.iter().find(|file| file.name == name).and_then(|file| file.whole).unwrap_or(kept);
            Tail { text: visible_lines(&String::from_utf8_lossy(&bytes)), bytes: length, cut: length > TAIL }
        };
        public.iter().map(|case| (case.clone(), (tail(case, "stdout"), tail(case, "stderr")))).collect()
    }

    fn page(&self, path: &str, kind: Kind, site: &view::Site, page: &impl Serialize) -> Result<(), PublishError> {
        let html = self.pages.render(kind, site, page)?;
        self.write(path, html.as_bytes())
    }

    fn json(&self, path: &str, value: &impl Serialize) -> Result<(), PublishError> {
        self.write(path, &bytes(path, value)?)
    }

    fn remove(&self, path: &str) -> Result<(), PublishError> {
        let path = self.public.join(path);
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => Err(PublishError::Write { path, source }),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    pub(super) fn write(&self, path: &str, bytes: &[u8]) -> Result<(), PublishError> {
        let path = self.public.join(Path::new(path));
        files::replace_if_changed(&path, bytes, MODE).map(|_| ()).map_err(|source| PublishError::Write { path, source })
    }
}

/// The ids of the refused files of each user.
pub(super) fn refused_of(source: Source<'_>) -> BTreeMap<&UserName, Vec<&SubmissionId>> {
    let mut refused: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (id, file) in source.history.refused() {
        if let Some(user) = &file.user {
            refused.entry(user).or_default().push(id);
        }
    }
    refused
}

/// A JSON document, with a newline at its end.
pub(super) fn bytes(path: &str, value: &impl Serialize) -> Result<Vec<u8>, PublishError> {
    let mut bytes =
        serde_json::to_vec(value).map_err(|error| PublishError::Write { path: path.into(), source: error.into() })?;
    bytes.push(b'\n');
    Ok(bytes)
}
