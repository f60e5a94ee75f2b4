//! From the text of config.toml to a [`Config`], or to everything that is wrong with it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use toml::de::DeTable;

use super::git;
use super::problem::Problem;
use super::table::{Reader, Table, moment};
use super::{
    Better, Board, Cases, Competition, Config, Engine, Evaluator, Gpus, Identity, Language, Limits, Movement, Output,
    Queue, SandboxSettings, Scoring, SiteSettings, Submissions, Total,
};
use crate::core::ids::{CaseName, Extension};
use crate::core::score::Score;
use crate::core::strings;

const MILLISECOND: Duration = Duration::from_millis(1);
/// Nothing starts in less; a memory limit below is a slip of the unit.
const LEAST_MEMORY: u64 = 4 << 20;

/// Reads config.toml.
///
/// # Errors
/// Every [`Problem`] of the text, in the order of the lines.
pub fn config(text: &str) -> Result<Config, Vec<Problem>> {
    let mut reader = Reader::new(text);
    let (document, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        let line = error.span().map(|span| reader.line_at(span.start));
        reader.complain(line, "", format!("this is not TOML: {}", error.message()));
    }
    if !errors.is_empty() {
        return Err(reader.problems());
    }

    let mut root = Table::root(document.get_ref());
    let config = Config {
        competition: competition(&mut reader, &mut root),
        cases: cases(&mut reader, &mut root),
        score: scoring(&mut reader, &mut root),
        evaluator: evaluator(&mut reader, &mut root),
        languages: languages(&mut reader, &mut root),
        limits: program_limits(&mut reader, &mut root),
        sandbox: sandbox(&mut reader, &mut root),
        submissions: submissions(&mut reader, &mut root),
        queue: queue(&mut reader, &mut root),
        git: git::read(&mut reader, &mut root),
        site: site(&mut reader, &mut root),
    };
    known_languages(&mut reader, &config, text);
    root.done(&mut reader);

    let problems = reader.problems();
    if problems.is_empty() { Ok(config) } else { Err(problems) }
}

/// The line, counted from 1, of a key's value in the text of config.toml; `None`: it is not there.
#[must_use]
pub fn line_of(text: &str, path: &[&str]) -> Option<usize> {
    let (document, _) = DeTable::parse_recoverable(text);
    let (last, above) = path.split_last()?;
    let mut table = document.get_ref();
    for name in above {
        table = table.get(*name)?.get_ref().as_table()?;
    }
    Some(Reader::new(text).line_at(table.get(*last)?.span().start))
}

/// A file that is pushed and has no language could never be taken.
fn known_languages(reader: &mut Reader<'_>, config: &Config, text: &str) {
    for file in config.git.iter().flat_map(|git| &git.files) {
        if !config.languages.contains_key(&file.extension) {
            let line = line_of(text, &["git", "files"]).or_else(|| line_of(text, &["git"]));
            let why = format!(
                "{:?} is in no language that is accepted: there is no table [languages.{}]",
                file.path, file.extension
            );
            reader.complain(line, "git.files", why);
        }
    }
}

fn competition<'t>(reader: &mut Reader<'t>, root: &mut Table<'t, '_>) -> Competition {
    let mut table = root.table(reader, "competition");
    let title = table.text(reader, "title").unwrap_or_else(|| "Competition".into());
    if title.trim().is_empty() || title.chars().count() > 100 {
        reader.complain(table.line_of(reader, "title"), "competition.title", "has to be 1 to 100 characters long");
    }
    let competition = Competition {
        title,
        state: table.word(reader, "state", &[("open", Board::Open), ("closed", Board::Closed)]).unwrap_or(Board::Open),
        opens_at: table.moment(reader, "opens_at"),
        freezes_at: table.moment(reader, "freezes_at"),
        closes_at: table.moment(reader, "closes_at"),
        url: table.parsed(reader, "url", git::site),
    };
    let opens = ("opens_at", competition.opens_at);
    let freezes = ("freezes_at", competition.freezes_at);
    let closes = ("closes_at", competition.closes_at);
    for ((before, first), (key, second)) in [(opens, freezes), (opens, closes), (freezes, closes)] {
        if first.zip(second).is_some_and(|(first, second)| second <= first) {
            let line = table.line_of(reader, key);
            reader.complain(line, format!("competition.{key}"), format!("has to be later than {before}"));
        }
    }
    table.done(reader);
    competition
}

fn cases<'t>(reader: &mut Reader<'t>, root: &mut Table<'t, '_>) -> Cases {
    let mut table = root.table(reader, "testcases");
    let mut seen = BTreeSet::new();
    let mut names = |reader: &mut Reader<'t>, table: &mut Table<'t, '_>, key: &'static str| {
        let mut names = Vec::new();
        for text in table.texts(reader, key).unwrap_or_default() {
            match text.parse::<CaseName>() {
                Ok(name) if !seen.insert(name.clone()) => {
                    reader.complain(
                        table.line_of(reader, key),
                        table.full(key),
                        format!("{text:?} is named twice; a case is public or private, once"),
                    );
                }
                Ok(name) => names.push(name),
                Err(error) => {
                    reader.complain(table.line_of(reader, key), table.full(key), format!("{text:?}: {error}"))
                }
            }
        }
        names
    };
    let cases = Cases { public: names(reader, &mut table, "public"), private: names(reader, &mut table, "private") };
    if !table.is_there() {
        reader.complain(
            None,
            "testcases",
            "is missing; name the folders under testcases/: [testcases] public = [\"…\"] private = [\"…\"]",
        );
    } else if cases.public.is_empty() {
        reader.complain(
            table.line(),
            "testcases.public",
            "has to name at least one case: an open board shows the public scores",
        );
    }
    table.done(reader);
    cases
}

fn scoring<'t>(reader: &mut Reader<'t>, root: &mut Table<'t, '_>) -> Scoring {
    let mut table = root.table(reader, "score");
    let scoring = Scoring {
        better: table
            .word(reader, "better", &[("lower", Better::Lower), ("higher", Better::Higher)])
            .unwrap_or(Better::Lower),
        total: table
            .word(
                reader,
                "total",
                &[("sum", Total::Sum), ("mean", Total::Mean), ("min", Total::Min), ("max", Total::Max)],
            )
            .unwrap_or(Total::Sum),
        failed: table.number_or_inf(reader, "failed").and_then(Score::finite).unwrap_or(Score::Infeasible),
        unit: table.text(reader, "unit").unwrap_or_default(),
        decimals: table.whole(reader, "decimals", 0, 12).map_or(0, |decimals| u8::try_from(decimals).unwrap_or(12)),
        show_reference: table.flag(reader, "show_reference").unwrap_or(false),
    };
    table.done(reader);
    scoring
}

fn evaluator<'t>(reader: &mut Reader<'t>, root: &mut Table<'t, '_>) -> Evaluator {
    let mut table = root.table(reader, "evaluator");
    let command = command(reader, &mut table, "command", &["input", "output", "dir", "evaluator", "case"]);
    if command.is_none() {
        let why = "is missing; say how the evaluator is run, such as [\"python3\", \"-I\", \"{evaluator}/evaluator.py\", \"{input}\", \"{output}\"]";
        reader.complain(table.line(), "evaluator.command", why);
    }
    let defaults = Limits {
        cpu: Duration::from_secs(60),
        wall: Duration::from_secs(120),
        memory: 1 << 30,
        processes: 64,
        output: 1 << 20,
        scratch: 64 << 20,
    };
    let limits = limits(reader, &mut table, &defaults);
    table.done(reader);
    Evaluator { command: command.unwrap_or_default(), limits }
}

/// A command line: not empty, and every `{word}` of it known.
fn command<'t>(
    reader: &mut Reader<'t>,
    table: &mut Table<'t, '_>,
    key: &'static str,
    placeholders: &[&str],
) -> Option<Vec<String>> {
    let words = table.texts(reader, key)?;
    let line = table.line_of(reader, key);
    if words.first().is_none_or(String::is_empty) {
        reader.complain(line, table.full(key), "has to name a program");
    }
    if words.iter().any(|word| word.contains('\0')) {
        reader.complain(line, table.full(key), "holds a NUL byte, which no command line can");
    }
    for word in &words {
        for found in braced(word) {
            if !placeholders.contains(&found) {
                let known: Vec<_> = placeholders.iter().map(|known| format!("{{{known}}}")).collect();
                reader.complain(
                    line,
                    table.full(key),
                    format!("{{{found}}} is not known here; known: {}", known.join(", ")),
                );
            }
        }
    }
    Some(words)
}

/// Every `word` that stands in `{braces}` and could be meant as a placeholder.
fn braced(text: &str) -> impl Iterator<Item = &str> {
    text.split('{')
        .skip(1)
        .filter_map(|rest| rest.split_once('}'))
        .map(|(word, _)| word)
        .filter(|word| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase()))
}

fn languages<'t>(reader: &mut Reader<'t>, root: &mut Table<'t, '_>) -> BTreeMap<Extension, Language> {
    let table = root.table(reader, "languages");
    if !table.is_there() {
        return default_languages();
    }
    let tables = table.tables(reader);
    if tables.is_empty() {
        reader.complain(
            table.line(),
            "languages",
            "is empty; without a table such as [languages.py] nothing can be submitted",
        );
    }
    let mut languages = BTreeMap::new();
    for (key, mut table) in tables {
        let language = Language {
            command: command(reader, &mut table, "command", &["source"]).unwrap_or_default(),
            check: command(reader, &mut table, "check", &["source"]),
            output: table
                .word(reader, "output", &[("stdout", Output::Stdout), ("file", Output::File)])
                .unwrap_or(Output::Stdout),
            allow_imports: table.texts(reader, "allow_imports"),
        };
        if language.command.is_empty() {
            reader.complain(
                table.line(),
                table.full("command"),
                "is missing; say how a submission is run, such as [\"python3\", \"{source}\"]",
            );
        }
        match key.parse::<Extension>() {
            Ok(extension) => {
                if language.allow_imports.is_some() && extension.as_str() != "py" {
                    let why = "is known for Python only, [languages.py]; remove it here";
                    reader.complain(table.line_of(reader, "allow_imports"), table.full("allow_imports"), why);
                }
                languages.insert(extension, language);
            }
            Err(error) => reader.complain(table.line(), format!("languages.{key}"), error.to_string()),
        }
        table.done(reader);
    }
    languages
}

/// Python, as in the example of the design.
fn default_languages() -> BTreeMap<Extension, Language> {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let python = Language {
        command: words(&["python3", "{source}"]),
        check: Some(words(&["python3", "-m", "py_compile", "{source}"])),
        output: Output::Stdout,
        allow_imports: None,
    };
    "py".parse().map(|py| BTreeMap::from([(py, python)])).unwrap_or_default()
}

fn program_limits<'t>(reader: &mut Reader<'t>, root: &mut Table<'t, '_>) -> Limits {
    let defaults = Limits {
        cpu: Duration::from_secs(10),
        wall: Duration::from_secs(30),
        memory: 256 << 20,
        processes: 64,
        output: 16 << 20,
        scratch: 64 << 20,
    };
    limits(reader, root, &defaults)
}

/// The table `limits` inside another one.
fn limits<'t>(reader: &mut Reader<'t>, parent: &mut Table<'t, '_>, defaults: &Limits) -> Limits {
    let mut table = parent.table(reader, "limits");
    let cpu = table.duration(reader, "cpu", MILLISECOND);
    let wall = table.duration(reader, "wall", MILLISECOND);
    let limits = Limits {
        cpu: cpu.unwrap_or(defaults.cpu),
        // Who raises the CPU limit alone means the looser wall limit to follow.
        wall: wall.unwrap_or_else(|| cpu.map_or(defaults.wall, |cpu| defaults.wall.max(cpu * 3))),
        memory: table.size(reader, "memory", LEAST_MEMORY).unwrap_or(defaults.memory),
        processes: table.whole(reader, "processes", 1, 100_000).unwrap_or(defaults.processes),
        output: table.size(reader, "output", 1).unwrap_or(defaults.output),
        scratch: table.size(reader, "scratch", 4096).unwrap_or(defaults.scratch),
    };
    table.done(reader);
    limits
}

fn sandbox<'t>(reader: &mut Reader<'t>, root: &mut Table<'t, '_>) -> SandboxSettings {
    let mut table = root.table(reader, "sandbox");
    let settings = SandboxSettings {
        engine: table
            .word(reader, "engine", &[("bubblewrap", Engine::Bubblewrap), ("docker", Engine::Docker)])
            .unwrap_or(Engine::Bubblewrap),
        image: table.text(reader, "image").unwrap_or_else(|| "host".into()),
        runtime: table.text(reader, "runtime"),
        gpus: table.all_or_count(reader, "gpus", 64).map(|count| count.map_or(Gpus::All, Gpus::Count)),
        endpoint: table.parsed(reader, "endpoint", str::parse),
        unix_sockets: table.flag(reader, "unix_sockets").unwrap_or(false),
    };
    if settings.engine == Engine::Docker && settings.image == "host" {
        let why = "\"host\" is for bubblewrap; name an image that the Docker engine holds (scripts/make-image makes one without a registry)";
        reader.complain(table.line_of(reader, "image"), "sandbox.image", why);
    }
    if settings.engine == Engine::Bubblewrap {
        let given = [
            ("runtime", settings.runtime.is_some()),
            ("gpus", settings.gpus.is_some()),
            ("endpoint", settings.endpoint.is_some()),
        ];
        for (key, _) in given.iter().filter(|(_, given)| *given) {
            reader.complain(table.line_of(reader, key), table.full(key), "is for engine = \"docker\"");
        }
    }
    table.done(reader);
    settings
}

fn submissions<'t>(reader: &mut Reader<'t>, root: &mut Table<'t, '_>) -> Submissions {
    let mut table = root.table(reader, "submissions");
    let submissions = Submissions {
        max_size: table.size(reader, "max_size", 1).unwrap_or(1 << 20),
        settle: table.duration(reader, "settle", Duration::ZERO).unwrap_or(Duration::from_secs(2)),
        identity: table
            .word(reader, "identity", &[("name", Identity::Name), ("owner", Identity::Owner)])
            .unwrap_or(Identity::Name),
        rate: table.parsed(reader, "rate", str::parse),
        pending_per_user: (table.whole(reader, "pending_per_user", 1, 1_000_000))
            .and_then(|most| usize::try_from(most).ok()),
        disk_per_user: table.size(reader, "disk_per_user", 1),
    };
    table.done(reader);
    submissions
}

fn queue<'t>(reader: &mut Reader<'t>, root: &mut Table<'t, '_>) -> Queue {
    let mut table = root.table(reader, "queue");
    let workers = table.whole(reader, "workers", 1, 256).and_then(|workers| usize::try_from(workers).ok()).unwrap_or(2);
    let pin = table.flag(reader, "pin").unwrap_or(false);
    let result_steps = table.duration(reader, "result_steps", Duration::ZERO).unwrap_or_default();
    table.done(reader);
    Queue { workers, pin, result_steps }
}

/// `[site]`
fn site<'t>(reader: &mut Reader<'t>, root: &mut Table<'t, '_>) -> SiteSettings {
    const DAY: Duration = Duration::from_secs(86_400);
    let mut table = root.table(reader, "site");
    let movement = table.dated(reader, "movement", |text| {
        let wanted = || {
            format!(
                "{text:?} is no duration from 1s to 365d, such as \"24h\", and no moment in RFC 3339, such as \"2026-11-27T18:00:00+01:00\""
            )
        };
        if let Ok(since) = moment(text) {
            return Ok(Movement::Since(since));
        }
        let within = humantime::parse_duration(text).map_err(|_| wanted())?;
        if (Duration::from_secs(1)..=365 * DAY).contains(&within) { Ok(Movement::Within(within)) } else { Err(wanted()) }
    });
    let movement = movement.unwrap_or(Movement::Within(DAY));
    let language = table.parsed(reader, "language", |text| {
        let wanted = || format!("{text:?} names no language; write a code such as \"en\", \"de\" or \"pt-BR\"");
        if strings::is_tag(text) { Ok(text.to_owned()) } else { Err(wanted()) }
    });
    table.done(reader);
    SiteSettings { movement, language: language.unwrap_or_else(|| strings::MEASURE.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::config::table::moment;

    const LEAST: &str = "[testcases]\npublic = [\"one\"]\n[evaluator]\ncommand = [\"true\"]\n";

    fn problems(text: &str) -> String {
        match config(text) {
            Ok(_) => "none".into(),
            Err(problems) => problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
        }
    }

    #[test]
    fn every_key_but_two_has_a_default() {
        let config = config(LEAST).expect("the least");
        assert_eq!(config.limits.cpu, Duration::from_secs(10));
        assert_eq!(config.limits.memory, 256 << 20);
        assert_eq!(config.score.failed, Score::Infeasible);
        assert_eq!(config.queue.workers, 2);
        assert_eq!(config.submissions.settle, Duration::from_secs(2));
        assert!(config.languages.contains_key(&"py".parse().expect("py")));
        assert_eq!(config.competition.state, Board::Open);
    }

    #[test]
    fn every_problem_is_named_in_one_go_with_line_and_key() {
        let text = "[competition]\ntitel = \"x\"\nstate = \"opened\"\n[testcases]\npublic = [\"a\", \"../b\", \"a\"]\n[limits]\ncpu = 10\nmemory = \"256\"\nprocesses = -1\n[queue]\nworkers = 1e18\n[languages.PY]\ncommand = [\"python3\", \"{sauce}\"]\n";
        insta::assert_snapshot!(problems(text), @r#"
        config.toml: evaluator.command: is missing; say how the evaluator is run, such as ["python3", "-I", "{evaluator}/evaluator.py", "{input}", "{output}"]
        config.toml:2: competition.titel: unknown key; did you mean "title"?
        config.toml:3: competition.state: "opened" is not known; it is "open" or "closed"
        config.toml:5: testcases.public: "../b": a case name is 1 to 64 letters, digits, '-', '_' or '.', and does not start with '.'
        config.toml:5: testcases.public: "a" is named twice; a case is public or private, once
        config.toml:7: limits.cpu: has to be a text in quotes, and is a whole number; write a duration such as "10s" or "1m 30s"
        config.toml:8: limits.memory: "256" is no size; write one such as "256 MiB", "64 kB" or "100 B"
        config.toml:9: limits.processes: has to be a whole number from 1 to 100000
        config.toml:11: queue.workers: has to be a whole number, and is a number
        config.toml:12: languages.PY: an extension is 1 to 16 lower-case letters or digits, without the dot
        config.toml:13: languages.PY.command: {sauce} is not known here; known: {source}
        "#);
    }

    #[test]
    fn extremes_are_refused_by_name() {
        for (line, key) in [
            ("[limits]\ncpu = \"0s\"", "limits.cpu"),
            ("[limits]\ncpu = \"-1s\"", "limits.cpu"),
            ("[limits]\nwall = \"99999h\"", "limits.wall"),
            ("[limits]\nmemory = \"1e18 B\"", "limits.memory"),
            ("[limits]\nmemory = \"1 B\"", "limits.memory"),
            ("[limits]\nmemory = \"99999999999999999999 GiB\"", "limits.memory"),
            ("[score]\nfailed = nan", "score.failed"),
            ("[score]\nfailed = \"-inf\"", "score.failed"),
            ("[score]\ndecimals = 99", "score.decimals"),
            ("[queue]\nworkers = 0", "queue.workers"),
            ("[site]\nmovement = \"0s\"", "site.movement"),
            ("[site]\nmovement = \"2026-11-27\"", "site.movement"),
            ("[sandbox]\nengine = \"docker\"", "sandbox.image"),
            ("[sandbox]\nruntime = \"runsc\"", "sandbox.runtime"),
            ("[sandbox]\ngpus = \"all\"", "sandbox.gpus"),
            ("[sandbox]\nendpoint = \"unix:///run/docker.sock\"", "sandbox.endpoint"),
            ("[sandbox]\nengine = \"docker\"\nimage = \"a\"\ngpus = 0", "sandbox.gpus"),
            ("[sandbox]\nengine = \"docker\"\nimage = \"a\"\ngpus = \"some\"", "sandbox.gpus"),
            ("[sandbox]\nengine = \"docker\"\nimage = \"a\"\nendpoint = \"docker.sock\"", "sandbox.endpoint"),
            ("[submissions]\nidentity = \"nobody\"", "submissions.identity"),
            ("[submissions]\nrate = \"10\"", "submissions.rate"),
            ("[submissions]\nrate = \"0/1h\"", "submissions.rate"),
            ("[submissions]\nrate = \"+1/1h\"", "submissions.rate"),
            ("[submissions]\nrate = \" 1/1h\"", "submissions.rate"),
            ("[submissions]\nrate = \"10/0s\"", "submissions.rate"),
            ("[submissions]\nrate = \"10/1h/2\"", "submissions.rate"),
            ("[submissions]\nrate = \"99999999999999999999/1h\"", "submissions.rate"),
            ("[submissions]\nrate = \"10/9999years\"", "submissions.rate"),
            ("[submissions]\nrate = 10", "submissions.rate"),
            ("[submissions]\npending_per_user = 0", "submissions.pending_per_user"),
            ("[submissions]\ndisk_per_user = \"1\"", "submissions.disk_per_user"),
            ("[competition]\ncloses_at = \"tomorrow\"", "competition.closes_at"),
            ("[languages.sh]\ncommand = [\"sh\"]\nallow_imports = []", "languages.sh.allow_imports"),
            ("limits = 3", "limits"),
        ] {
            let text = if line.starts_with('[') { format!("{LEAST}{line}\n") } else { format!("{line}\n{LEAST}") };
            let found = problems(&text);
            assert!(found.contains(&format!(": {key}: ")), "{line:?} gave {found}");
            assert!(found.starts_with("config.toml:"), "no line in {found}");
        }
    }

    #[test]
    fn quotas_are_none_unless_they_are_written() {
        let written = |lines: &str| config(&format!("{LEAST}[submissions]\n{lines}")).expect("good").submissions;
        let none = written("");
        assert_eq!((none.rate, none.pending_per_user, none.disk_per_user), (None, None, None));
        let some = written("rate = \"10/1h 30m\"\npending_per_user = 3\ndisk_per_user = \"1 GiB\"\n");
        let rate = some.rate.expect("a rate");
        assert_eq!((rate.count, rate.window), (10, Duration::from_secs(5400)));
        assert_eq!(rate.to_string(), "10 in 1h 30m");
        assert_eq!((some.pending_per_user, some.disk_per_user), (Some(3), Some(1 << 30)));
        assert!(problems(&format!("{LEAST}[submissions]\nrate = \"often\"")).contains("such as \"10/1h\""));
    }

    #[test]
    fn only_what_makes_a_judging_is_in_its_digest() {
        let digest = |lines: &str| {
            let config = config(&format!("{LEAST}{lines}")).expect("good");
            config.judging_sha256(&config.languages[&"py".parse().expect("py")])
        };
        let plain = digest("");
        for same in ["[competition]\ntitle = \"T\"", "[queue]\nworkers = 9", "[score]\ndecimals = 3"] {
            assert_eq!(digest(same), plain, "{same}");
        }
        let others = [
            "[limits]\ncpu = \"3s\"",
            "[evaluator.limits]\ncpu = \"3s\"",
            "[sandbox]\nunix_sockets = true",
            "[languages.py]\ncommand = [\"python3\", \"-O\", \"{source}\"]",
            "[languages.py]\ncommand = [\"python3\", \"{source}\"]\noutput = \"file\"",
        ];
        for other in others {
            assert_ne!(digest(other), plain, "{other}");
        }
    }

    #[test]
    fn the_line_of_a_key_is_found() {
        let text = "[sandbox]\n# image = 1\nimage = \"x\"\n";
        assert_eq!(line_of(text, &["sandbox", "image"]), Some(3));
        assert_eq!(line_of(text, &["sandbox", "engine"]), None);
        assert_eq!(line_of(text, &["image"]), None);
    }

    #[test]
    fn a_container_engine_is_told_where_it_is_and_what_a_run_may_use() {
        let sandbox = |lines: &str| {
            config(&format!("{LEAST}[sandbox]\nengine = \"docker\"\nimage = \"a\"\n{lines}\n")).expect("good").sandbox
        };
        let plain = sandbox("");
        assert_eq!((plain.gpus, plain.endpoint, plain.runtime), (None, None, None));
        assert_eq!(sandbox("gpus = \"all\"").gpus, Some(Gpus::All));
        assert_eq!(sandbox("gpus = 2").gpus, Some(Gpus::Count(2)));
        let named = sandbox("endpoint = \"ssh://judge@engine\"").endpoint.expect("an endpoint");
        assert_eq!(named.to_string(), "ssh://judge@engine/var/run/docker.sock");
    }

    #[test]
    fn what_is_not_toml_is_said_with_its_line() {
        assert!(problems("[testcases\n").starts_with("config.toml:1: this is not TOML: "));
    }

    #[test]
    fn hours_open_and_close_the_board_by_themselves() {
        let text = format!(
            "{LEAST}[competition]\nopens_at = \"2026-01-01T00:00:00Z\"\ncloses_at = \"2026-01-02T01:00:00+01:00\"\n"
        );
        let config = config(&text).expect("good");
        let at = |text: &str| {
            let at = moment(text).expect("a moment");
            (config.board_at(at), config.takes_submissions_at(at))
        };
        assert_eq!(at("2025-12-31T23:59:59Z"), (Board::Open, false));
        assert_eq!(at("2026-01-01T00:00:00Z"), (Board::Open, true));
        assert_eq!(at("2026-01-02T00:00:00Z"), (Board::Closed, false));
    }

    #[test]
    fn a_board_freezes_while_it_is_open() {
        let hours =
            "opens_at = 2026-01-01T00:00:00Z\nfreezes_at = 2026-01-01T20:00:00Z\ncloses_at = 2026-01-02T00:00:00Z\n";
        let config = config(&format!("{LEAST}[competition]\n{hours}")).expect("good");
        let frozen = |text: &str| config.is_frozen_at(moment(text).expect("a moment"));
        assert_eq!(
            ["2026-01-01T19:59:59Z", "2026-01-01T20:00:00Z", "2026-01-02T00:00:00Z"].map(frozen),
            [false, true, false]
        );
        let late = hours.replace("20:00", "00:00").replace("01-02T", "01-01T");
        assert_eq!(
            problems(&format!("{LEAST}[competition]\n{late}")),
            "config.toml:7: competition.freezes_at: has to be later than opens_at\n\
             config.toml:8: competition.closes_at: has to be later than opens_at\n\
             config.toml:8: competition.closes_at: has to be later than freezes_at"
        );
    }
}
