//! What it costs to show one more result, beside making every page anew, in a home whose log is there already.
//!
//!     cargo bench --bench publishing -- HOME [--results N]
//!
//! HOME has config.toml, users.csv and results/log.jsonl; its public/ is written anew. Each of the N results (default 50) is three lines of the log,
//! appended to the log, taken in and published as the daemon does it, once when it is accepted, once when it is started, once when it is judged; what is
//! told is the time from each line to its pages, and how much of it this thread computed (in steps of the kernel's clock, 4 ms on many machines).

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use podium::core::digest::Digest;
use podium::core::machine::Dirty;
use podium::core::record::Record;
use podium::core::view::Source;
use podium::home::Home;
use podium::journal::Journal;
use podium::settings;
use podium::site::{Life, Publisher};
use serde_json::{Value, json};

struct Options {
    home: PathBuf,
    results: u64,
}

fn options() -> Options {
    let mut words = std::env::args().skip(1).filter(|word| word != "--bench");
    let mut options = Options { home: PathBuf::new(), results: 50 };
    while let Some(word) = words.next() {
        match word.as_str() {
            "--results" => options.results = words.next().and_then(|word| word.parse().ok()).expect("a number"),
            home => options.home = home.into(),
        }
    }
    options
}

/// The latest lines of each kind that the new ones are made like. Read one by one: what this program has in memory is measured.
fn patterns(log: &Path) -> [Value; 3] {
    let mut latest = ["accepted", "started", "judged"].map(|event| (format!("\"event\":\"{event}\""), String::new()));
    for line in BufReader::new(File::open(log).expect("the log")).lines().map(|line| line.expect("text")) {
        if let Some((_, last)) = latest.iter_mut().find(|(event, _)| line.contains(event.as_str())) {
            *last = line;
        }
    }
    latest.map(|(_, line)| serde_json::from_str(&line).expect("a line of each kind"))
}

/// What this thread has computed: on a busy machine the time on the wall says little.
fn cpu() -> Duration {
    let text = fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    Duration::from_nanos(text.split_whitespace().next().and_then(|text| text.parse().ok()).expect("nanoseconds"))
}

/// The most that this process has had in memory, in MB.
fn peak_mb() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with("VmHWM")).expect("a peak");
    line.split_whitespace().nth(1).and_then(|kb| kb.parse::<u64>().ok()).expect("kB") / 1000
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn main() {
    let options = options();
    let home = Home::at(&options.home).expect("a home");
    let rules = settings::read(&home).expect("good settings");
    let began = Instant::now();
    let (mut journal, mut history) = Journal::open(&home.log()).expect("a log");
    println!(
        "lines {}  submissions {}  users {}",
        history.head().map_or(0, |head| head.seq),
        history.submissions().len(),
        history.users().count()
    );
    println!("log read in {:.0} ms, peak {} MB", ms(began.elapsed()), peak_mb());
    let (mut publisher, problems) = Publisher::new(&home);
    assert!(problems.is_empty(), "{problems:?}");
    let life = Life::default();

    let began = Instant::now();
    let everything = Dirty { everything: true, ..Dirty::default() };
    publisher
        .publish(&everything, Source { history: &history, rules: &rules, details: &journal }, &life)
        .expect("published");
    println!("the pages that everybody reads, all of them anew: {:.1} ms", ms(began.elapsed()));
    let began = Instant::now();
    // Of a small competition nothing is left.
    publisher
        .go_on(Source { history: &history, rules: &rules, details: &journal }, &life, None)
        .unwrap_or(Ok(()))
        .expect("published");
    println!("every other page anew: {:.1} s, peak {} MB", began.elapsed().as_secs_f64(), peak_mb());

    let patterns = patterns(&home.log());
    let users: Vec<String> = history.users().map(|(user, _)| user.to_string()).collect();
    let mut times = [const { Vec::new() }; 3];
    for n in 0..options.results {
        let user = &users[usize::try_from(n * 7919).expect("small") % users.len()];
        let number = history.next_number().0;
        let id = format!("{:08x}-0000-4000-8000-{n:012x}", 0xbeef_u32);
        for (pattern, times) in patterns.iter().zip(&mut times) {
            let head = history.head().expect("lines");
            let mut line = pattern.clone();
            line["seq"] = json!(head.seq + 1);
            line["at"] = json!(
                (head.at + chrono::TimeDelta::milliseconds(700)).to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
            );
            line["submission"] = json!(number);
            line["id"] = json!(id);
            line["user"] = json!(user);
            if line["event"] == "accepted" {
                line["inbox"]["inode"] = json!(number);
                line["sha256"] = json!(Digest::of(id.as_bytes()).to_string());
                line["file"] = json!(format!("{user}_{id}.py"));
            }
            line["prev"] = json!(head.line_sha256);
            let record = Record::from_line(&line.to_string()).expect("a record");
            let text = record.to_line();
            journal.append(&text).expect("appended");
            history.apply(&record, Digest::of(text.as_bytes()));
            let dirty = Dirty {
                shared: true,
                submissions: BTreeSet::from([podium::core::ids::Number(number)]),
                users: BTreeSet::from([user.parse().expect("a name")]),
                ..Dirty::default()
            };
            let began = (Instant::now(), cpu());
            publisher
                .publish(&dirty, Source { history: &history, rules: &rules, details: &journal }, &life)
                .expect("published");
            times.push((began.0.elapsed(), cpu() - began.1));
        }
    }
    for (name, times) in ["accepted", "started", "judged"].into_iter().zip(&times) {
        let mut wall: Vec<Duration> = times.iter().map(|(wall, _)| *wall).collect();
        let mut cpu: Vec<Duration> = times.iter().map(|(_, cpu)| *cpu).collect();
        let [wall, cpu] = [&mut wall, &mut cpu].map(|times| {
            times.sort();
            [50, 90, 100].map(|share| ms(times[(times.len() - 1) * share / 100]))
        });
        println!(
            "{name}: its pages are out after {:.1} ms (median of {}), 90 % within {:.1}, all within {:.1}; of it computing {:.1}, {:.1}, {:.1}",
            wall[0],
            times.len(),
            wall[1],
            wall[2],
            cpu[0],
            cpu[1],
            cpu[2]
        );
    }
    println!("peak {} MB", peak_mb());
}
