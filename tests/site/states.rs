//! Competitions whose pages, together, show all that there is to be shown.

use std::fs;
use std::path::PathBuf;

use crate::past::{of, ten_days};
use crate::support::{Competition, Contest, answer, slow_answer};

/// What an instructor may write about the task.
const STATEMENT: &str = r"# Numbers

Print a *small* number; **no** letters. See [the rules](#rules).

## Input

| name | meaning | example |
|:--|:-:|--:|
| $n$ | a number, $1 \le n \le 10^6$ | `42` |
| tag | a word that is long enough to need room in a table on a phone | `ONE` |

$$ \mathrm{score} = \sum_{i=1}^{n} w_i \cdot \frac{x_i^2}{\sqrt{2}} $$

```python
import sys
print(len(sys.stdin.read()), 'a line that is longer than a phone is wide, and longer than the column of the text is', file=sys.stdout)
```

1. First
2. Second
   - inside

> A word from the chair.

<b>Markup</b> is text here.
";

/// Each with its name: empty, not open yet, with a queue, held, closed; as judged for real; in both languages.
pub fn states() -> Vec<(&'static str, Contest)> {
    let german = |title: &str| Competition::new(title).set("site.language", "de");
    vec![
        ("empty", of(Competition::new("Numbers"), &["0", "1"])),
        ("not open", of(german("Zahlen").set("competition.opens_at", "2099-01-01T00:00:00Z"), &["0", "1"])),
        ("open", ten_days(&["24", "4", "--queue", "5"])),
        ("open, in German", of(german("Zahlen & <Ziffern>"), &["24", "4", "--queue", "5"])),
        ("judged", judged(Competition::new("Numbers"))),
        ("judged, in German", judged(german("Zahlen"))),
        ("held", held()),
        (
            "closed",
            of(Competition::new("Numbers").set("competition.state", "closed"), &["24", "4", "--state", "closed"]),
        ),
    ]
}

/// Judged by the daemon: messages, output, a long end of standard error, source, a reused judging, every fault, a refused file, and one that is
/// being checked.
fn judged(competition: Competition) -> Contest {
    let endless = ["python3", "-c", "import time; print('looking', flush=True); time.sleep(100)"];
    let competition = competition
        .set("languages.slow.command", ["python3", "{source}"].map(toml::Value::from).to_vec())
        .set("languages.slow.check", endless.map(toml::Value::from).to_vec())
        .set("submissions.rate", "50/1h")
        .set("submissions.pending_per_user", 50);
    let mut contest = competition.prepare();
    fs::write(contest.path("statement.md"), STATEMENT).expect("statement.md");
    contest.start();
    let programs = [
        ("ann", answer("5")),
        ("ann", answer("5")),
        ("ben", answer("no-number")),
        ("ben", "import sys\nprint('x' * 200_000, file=sys.stderr)\nsys.exit(1)".into()),
        ("cid", "while True: pass".into()),
        ("cid", "a = bytearray(1 << 30)".into()),
        ("cid", "print('x' * 100_000)".into()),
        ("cid", answer("crash")),
        ("ann", answer("3")),
    ];
    for (count, (user, program)) in programs.iter().enumerate() {
        contest.hand_in(user, "py", program);
        contest.wait_for_judged(count + 1);
    }
    let reused =
        contest.events("judged").iter().filter(|line| line["reused"].is_object() || line["reused"].is_u64()).count();
    assert_eq!(reused, 1, "the same bytes again");
    let refused = contest.hand_in("ben", "py", "what?\n");
    contest.outcome(&refused);
    contest.wait_for_site();
    let checking = contest.hand_in("ann", "slow", "print(5)\n");
    let page = format!("public/s/{checking}/index.html");
    contest.wait_for("the page of a file that is being checked", || contest.path(&page).exists());
    let text = fs::read(contest.path(&page)).expect("the page");
    assert!(contest.stop().success());
    // What was going on is over with the daemon, but for this.
    fs::create_dir_all(contest.path(&format!("public/s/{checking}"))).expect("its folder");
    fs::write(contest.path(&page), text).expect("the page");
    contest
}

/// Somebody waits, and nothing is judged for want of an image.
fn held() -> Contest {
    let contest = Competition::new("Numbers").set("queue.workers", 1);
    let mut contest = contest.start();
    contest.hand_in("ann", "py", slow_answer("5", 2.0));
    contest.hand_in("ben", "py", answer("4"));
    let waits = |contest: &Contest| contest.queue()["waiting"].as_array().is_some_and(|all| all.len() == 1);
    contest.wait_for("ben waits", || contest.count("started") == 1 && waits(&contest));
    contest.set("sandbox.image", "/no-such-folder");
    contest.wait_for("ann is judged, ben waits, and the pages say why", || {
        let says = |page: &str| {
            fs::read_to_string(contest.path(page))
                .is_ok_and(|text| text.replace("&#x2f;", "/").contains("/no-such-folder"))
        };
        contest.count("judged") == 1 && waits(&contest) && says("public/index.html") && says("public/queue.html")
    });
    contest.wait_for_site();
    assert!(contest.stop().success());
    contest
}

/// One page of each kind, as files: of the site, private pages of every fate that is there and of the queue, and those of staff.
pub fn pages(contest: &Contest) -> Vec<PathBuf> {
    let site = contest.site();
    let below = |folder: &str| {
        site.0.keys().filter(|name| name.starts_with(folder) && name.ends_with(".html")).cloned().collect::<Vec<_>>()
    };
    let (users, private) = (below("u/"), below("s/"));
    let mut names = vec!["index.html".to_owned(), "queue.html".into(), "about.html".into()];
    names.extend(users.first().cloned());
    // The longest name.
    names.extend(users.iter().find(|name| name.contains("benedikt")).cloned());
    if private.len() <= 12 {
        names.extend(private);
    } else {
        let ids = contest
            .events("accepted")
            .into_iter()
            .filter_map(|line| line["id"].as_str().map(|id| format!("s/{id}/index.html")));
        let ids: Vec<String> = ids.filter(|name| private.contains(name)).collect();
        names.extend(ids.first().cloned());
        // Of those in the queue, one that runs and one that waits.
        names.extend(ids.iter().rev().take(5).step_by(4).cloned());
    }
    let mut pages: Vec<PathBuf> = names.iter().map(|name| contest.path("public").join(name)).collect();
    let staff = contest.path("results/admin");
    let numbers = || fs::read_dir(staff.join("submissions")).into_iter().flatten().flatten().map(|entry| entry.path());
    pages.extend(["index.html", "compare.html"].map(|name| staff.join(name)));
    // A few of them: they differ by what the private pages differ by.
    let mut submissions: Vec<PathBuf> =
        numbers().filter(|path| path.extension().is_some_and(|end| end == "html")).collect();
    submissions.sort();
    let apart = submissions.len() / 3 + 1;
    pages.extend(submissions.into_iter().step_by(apart));
    pages
}
