//! Images: what a program sees instead of the machine.

use std::fs;

use podium::core::config::{Engine, SandboxSettings};
use podium::sandbox::{self, Fault};
use tokio_util::sync::CancellationToken;

use crate::support::{self, Rig, Under};

/// bubblewrap alone has images that are folders.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unpacked_image_is_all_that_is_seen() {
    let rig = Rig::new(Under::Bubblewrap).await;
    let image = rig.home.path().join("image");
    fs::create_dir(&image).expect("mkdir");
    let container = support::docker(&["create", support::IMAGE, "true"]);
    let unpack = format!("set -o pipefail; docker export {} | tar -x -C '{}'", container.trim(), image.display());
    let unpacked = std::process::Command::new("bash").args(["-c", &unpack]).status().expect("bash");
    support::docker(&["rm", container.trim()]);
    assert!(unpacked.success());
    fs::write(image.join("etc/only-here"), "x").expect("write");
    let settings = SandboxSettings { image: image.display().to_string(), ..rig.settings.clone() };
    let sandbox = sandbox::open(&settings, &rig.place);
    let identity = sandbox.probe().await.expect("a probe");
    assert!(identity.image.starts_with("folder sha256:"), "{identity:?}");
    let code = "import os; print(os.path.exists('/etc/only-here'), os.path.exists('/usr/bin/bwrap'), os.listdir('.'), os.getuid() != 0)";
    let ran = rig.python(code).run_on(&*sandbox).await;
    ran.says("True False [] True\n");
    drop(sandbox);
    assert_eq!(rig.traces(), Vec::<String>::new());
}

/// Nothing but one program: no shell, no `env`, no `true`, no library.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_image_of_one_program_is_enough() {
    let rig = Rig::new(Under::Bubblewrap).await;
    let image = rig.home.path().join("bare");
    fs::create_dir(&image).expect("mkdir");
    fs::copy("/bin/busybox", image.join("busybox")).expect("busybox-static is installed: scripts/setup test does it");
    let settings = SandboxSettings { image: image.display().to_string(), ..rig.settings.clone() };
    let sandbox = sandbox::open(&settings, &rig.place);
    sandbox.probe().await.expect("a probe");
    rig.command(&["/busybox", "echo", "here"]).run_on(&*sandbox).await.says("here\n");
    drop(sandbox);
    assert_eq!(rig.traces(), Vec::<String>::new());
}

pub(crate) async fn an_image_that_is_not_there_is_named(rig: &Rig) {
    let image = match rig.settings.engine {
        Engine::Bubblewrap => "/no/such/image",
        Engine::Docker => "no-such-image:1",
    };
    let engine = sandbox::open(&SandboxSettings { image: image.into(), ..rig.settings.clone() }, &rig.place);
    for fault in [
        engine.probe().await.map(|_| ()),
        engine.run(&rig.python("").spec, &CancellationToken::new()).await.map(|_| ()),
    ] {
        match fault {
            Err(Fault::Unavailable(text)) => assert!(text.contains(image), "{text}"),
            other => panic!("{other:?}"),
        }
    }
}
