//! How a run ends, and what is said of it.

use std::fs;
use std::time::{Duration, Instant};

use podium::sandbox::{AnswerFile, Ended, Fault};
use tokio_util::sync::CancellationToken;

use crate::support::Rig;

pub(crate) async fn output_and_every_exit_status_are_reported(rig: &Rig) {
    for status in [0, 1, 2, 77, 126, 127, 128, 255] {
        let ran = rig
            .python(&format!("import sys; print('out'); print('err', file=sys.stderr); sys.exit({status})"))
            .run()
            .await
            .ended(Ended::Exited(status));
        assert_eq!((ran.stdout().as_str(), ran.stderr().as_str()), ("out\n", "err\n"));
        assert_eq!(ran.report.answer, AnswerFile::NotWanted);
    }
}

pub(crate) async fn a_main_process_that_a_signal_ended_says_so(rig: &Rig) {
    for signal in [1, 6, 9, 11, 15] {
        let ran = rig
            .python(&format!("import os; print('first', flush=True); os.kill(os.getpid(), {signal})"))
            .run()
            .await
            .ended(Ended::Signalled(signal));
        assert_eq!((ran.stdout().as_str(), ran.stderr().as_str()), ("first\n", ""));
    }
    rig.python("import os; os.abort()").run().await.ended(Ended::Signalled(6));
    rig.python("import ctypes; ctypes.string_at(0)").run().await.ended(Ended::Signalled(11));
}

pub(crate) async fn a_program_that_is_missing_is_our_fault_and_not_the_programs(rig: &Rig) {
    for program in ["no-such-program", "/no/such/program"] {
        match rig.command(&[program]).try_run(&CancellationToken::new()).await {
            Err(Fault::Failed(text)) => assert!(text.contains(program), "{text}"),
            other => panic!("{other:?}"),
        }
    }
    // The program can say the same, and is not believed.
    rig.python("import sys; print('env: no-such-program: No such file or directory', file=sys.stderr); sys.exit(127)")
        .run()
        .await
        .ended(Ended::Exited(127));
}

pub(crate) async fn a_run_ends_with_its_main_process(rig: &Rig) {
    let start = Instant::now();
    // The child holds the output open.
    rig.python("import os, time\nif os.fork() == 0:\n  time.sleep(600)\nprint('done')").run().await.says("done\n");
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
}

pub(crate) async fn children_in_sessions_of_their_own_die_too(rig: &Rig) {
    let code = "import os, signal, sys, time
for s in range(1, 65):
    try: signal.signal(s, signal.SIG_IGN)
    except (OSError, ValueError): pass
if os.fork() == 0:
    os.setsid()
    if os.fork(): os._exit(0)
    time.sleep(600)
if sys.argv[-1] == 'wait': time.sleep(600)
print('main')";
    // A mark that is found in the list of the machine's processes.
    let mark = format!("mark-{}", rig.place.home_id);
    let alive = || {
        fs::read_dir("/proc")
            .expect("/proc")
            .flatten()
            .filter(|process| fs::read_to_string(process.path().join("cmdline")).unwrap_or_default().contains(&mark))
            .count()
    };
    rig.python(code).argument(&mark).run().await.says("main\n");
    assert_eq!(alive(), 0);
    rig.python(code)
        .argument(&mark)
        .argument("wait")
        .limit(|limits| limits.wall = Duration::from_secs(1))
        .run()
        .await
        .ended(Ended::WallLimit);
    assert_eq!(alive(), 0);
}

pub(crate) async fn a_shell_is_not_needed_to_pass_odd_arguments_on(rig: &Rig) {
    let odd = ["", " ", "a b", "'\"$(id)`id`;|&<>*?\\", "--", "-n", "x=y", "ü\n"];
    let mut job = rig.python("import sys; print(sys.argv[1:])");
    for argument in odd {
        job = job.argument(argument);
    }
    job.run().await.says("['', ' ', 'a b', '\\'\"$(id)`id`;|&<>*?\\\\', '--', '-n', 'x=y', 'ü\\n']\n");
}
