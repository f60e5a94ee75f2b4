//! Processes that open an engine and are killed, or cannot: each is another process of this very program.

use std::fs;
use std::time::{Duration, Instant};

use podium::sandbox::{self, Fault, Place};
use tokio_util::sync::CancellationToken;

use crate::support::{self, Rig, Under};

pub(crate) async fn sweep_removes_strays_of_this_home_only(rig: &Rig) {
    // A life of the daemon that was killed: its processes are gone or not, its traces are there.
    let code = "import os, sys, time
print('up', flush=True)
time.sleep(600)";
    stray(rig, &rig.place.clone(), code).await;
    let other = Place { home_id: support::unique(), ..rig.place.clone() };
    stray(rig, &other, code).await;
    assert_ne!(rig.traces(), Vec::<String>::new());
    // A process beside the daemon has no business with what is the daemon's.
    let beside = sandbox::open(&rig.settings, &Place { owner: Place::try_by(std::process::id()), ..rig.place.clone() });
    assert_eq!(beside.sweep().await.expect("sweep"), 0);
    assert_ne!(rig.traces(), Vec::<String>::new());
    assert_eq!(rig.sandbox.sweep().await.expect("sweep"), 1);
    assert_eq!(rig.traces(), Vec::<String>::new());
    assert_eq!(rig.sandbox.sweep().await.expect("sweep"), 0);
    assert_eq!(sandbox::open(&rig.settings, &other).sweep().await.expect("sweep"), 1);
}

/// A run of another life: another process of the test binary, killed while its run goes on.
async fn stray(rig: &Rig, place: &Place, code: &str) {
    fs::create_dir_all(rig.place.work.join("runs")).expect("mkdir");
    let source = rig.place.work.join(format!("runs/stray-{}.py", place.home_id));
    fs::write(&source, code).expect("write");
    let mut child = std::process::Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "lives::a_life_that_is_killed", "--ignored", "--nocapture"])
        .env("STRAY", format!("{:?} {} {}", rig.under, place.home_id, place.work.display()))
        .spawn()
        .expect("another life");
    let stdout = place.work.join("stray/stdout");
    let deadline = Instant::now() + Duration::from_secs(30);
    while fs::read_to_string(&stdout).unwrap_or_default() != "up\n" {
        assert!(Instant::now() < deadline, "the run of another life does not start");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    child.kill().expect("kill");
    child.wait().expect("wait");
    fs::remove_dir_all(place.work.join("stray")).expect("remove");
}

/// Not a test: what [`stray`] starts.
#[tokio::test]
#[ignore = "only ever started by another test, which kills it"]
async fn a_life_that_is_killed() {
    let Ok(stray) = std::env::var("STRAY") else { return };
    let words: Vec<&str> = stray.splitn(3, ' ').collect();
    let place = Place {
        home_id: words[1].into(),
        owner: Place::DAEMON.into(),
        work: words[2].into(),
        host_home: None,
        images: support::images(),
    };
    let (source, folder) = (place.work.join(format!("runs/stray-{}.py", place.home_id)), place.work.join("stray"));
    fs::create_dir(&folder).expect("mkdir");
    let rig = support::settings(Under::named(words[0]));
    let spec = support::spec("stray", &["python3", "-I", "/source/main.py"], &folder, &[(&source, "/source/main.py")]);
    let ran = sandbox::open(&rig, &place).run(&spec, &CancellationToken::new()).await;
    panic!("it should have been killed: {ran:?}");
}

pub(crate) async fn an_engine_that_cannot_work_says_so(rig: &Rig) {
    // What makes it unable is this process's own: another one is.
    let output = std::process::Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "lives::a_life_without_an_engine", "--ignored", "--nocapture"])
        .env("ENGINE", format!("{:?} {}", rig.under, rig.place.work.display()))
        .env("DOCKER_HOST", "unix:///no/such/docker.sock")
        .env("PATH", "/no/such/folder")
        .output()
        .expect("another life");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Not a test: what [`an_engine_that_cannot_work_says_so`] starts.
#[tokio::test]
#[ignore = "only ever started by another test"]
async fn a_life_without_an_engine() {
    let Ok(engine) = std::env::var("ENGINE") else { return };
    let (engine, work) = engine.split_once(' ').expect("two words");
    let under = Under::named(engine);
    let named = match under {
        Under::Bubblewrap => "bubblewrap, 0.8 or later",
        Under::Docker | Under::Gvisor => "/no/such/docker.sock",
    };
    let place = Place {
        home_id: support::unique(),
        owner: Place::DAEMON.into(),
        work: work.into(),
        host_home: None,
        images: support::images(),
    };
    let sandbox = sandbox::open(&support::settings(under), &place);
    let spec = support::spec("never", &["true"], &place.work.join("never"), &[]);
    for fault in [sandbox.probe().await.err(), sandbox.run(&spec, &CancellationToken::new()).await.err()] {
        match fault {
            Some(Fault::Unavailable(text)) => assert!(text.contains(named), "{text}"),
            other => panic!("{other:?}"),
        }
    }
}

/// Containers live on until they are swept; what bubblewrap started dies with whoever started it, at whatever moment.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_daemon_ran_under_bubblewrap_dies_with_it() {
    let rig = Rig::new(Under::Bubblewrap).await;
    for round in 0..20 {
        let work = rig.place.work.join(format!("life-{round}"));
        fs::create_dir(&work).expect("mkdir");
        let mut child = std::process::Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", "lives::a_busy_life_that_is_killed", "--ignored", "--nocapture"])
            .env("BUSY", format!("{} {}", rig.place.home_id, work.display()))
            .stdout(std::process::Stdio::null())
            .spawn()
            .expect("another life");
        // Runs follow one another without a pause, so any moment hits one of them somewhere.
        let deadline = Instant::now() + Duration::from_secs(30);
        while rig.processes().is_empty() {
            assert!(Instant::now() < deadline, "the runs of another life do not start");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        tokio::time::sleep(Duration::from_millis(round)).await;
        child.kill().expect("kill");
        child.wait().expect("wait");
        let deadline = Instant::now() + Duration::from_secs(30);
        while !rig.processes().is_empty() {
            assert!(Instant::now() < deadline, "in round {round} there is left: {:?}", rig.traces());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        rig.sandbox.sweep().await.expect("sweep");
    }
    assert_eq!(rig.traces(), Vec::<String>::new());
}

/// Not a test: what [`what_a_killed_daemon_ran_under_bubblewrap_dies_with_it`] starts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "only ever started by another test, which kills it"]
async fn a_busy_life_that_is_killed() {
    let Ok(busy) = std::env::var("BUSY") else { return };
    let (home_id, work) = busy.split_once(' ').expect("two words");
    let place = Place {
        home_id: home_id.into(),
        owner: Place::DAEMON.into(),
        work: work.into(),
        host_home: None,
        images: support::images(),
    };
    let sandbox = sandbox::open(&support::settings(Under::Bubblewrap), &place);
    let cancel = CancellationToken::new();
    for number in 0.. {
        let folder = place.work.join(number.to_string());
        fs::create_dir(&folder).expect("mkdir");
        let sleep = ["sleep", if number % 2 == 0 { "0" } else { "0.01" }];
        sandbox.run(&support::spec(&format!("busy-{number}"), &sleep, &folder, &[]), &cancel).await.expect("a report");
    }
}
