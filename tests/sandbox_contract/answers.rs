//! The answer file.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use podium::sandbox::{AnswerFile, Ended};

use crate::support::Rig;

pub(crate) async fn an_answer_file_is_taken(rig: &Rig) {
    for (bytes, expected) in [("'{}'", &b"{}"[..]), ("''", b""), ("'\\0\\n\\xff'", b"\0\n\xc3\xbf")] {
        let ran = rig
            .python(&format!("open('output.json', 'w').write({bytes}); print('printed')"))
            .wanting_an_answer()
            .run()
            .await
            .says("printed\n");
        assert_eq!(ran.answer(), (AnswerFile::Taken(expected.len() as u64), Some(expected.to_vec())));
        let mode = fs::metadata(ran.folder.join("answer")).expect("an answer").permissions().mode();
        assert_eq!(mode & 0o7777, 0o644, "an evaluator is to read it");
    }
    // One that fails has an answer all the same.
    let ran = rig
        .python("open('output.json', 'w').write('x'); raise SystemExit(3)")
        .wanting_an_answer()
        .run()
        .await
        .ended(Ended::Exited(3));
    assert_eq!(ran.answer().0, AnswerFile::Taken(1));
    // As long as is allowed.
    let ran = rig
        .python("open('output.json', 'w').write('x' * 100000)")
        .wanting_an_answer()
        .limit(|limits| limits.output = 100_000)
        .run()
        .await
        .ended(Ended::Exited(0));
    assert_eq!(ran.answer().0, AnswerFile::Taken(100_000));
}

pub(crate) async fn what_is_no_fit_answer_file_is_refused(rig: &Rig) {
    let refused = |why: &str| AnswerFile::Refused(why.into());
    let cases = [
        ("pass", AnswerFile::Missing),
        ("os.symlink('/etc/passwd', O)", refused("is a symbolic link")),
        ("open('x', 'w').write('x'); os.symlink('x', O)", refused("is a symbolic link")),
        ("os.symlink(O, O)", refused("is a symbolic link")),
        ("os.symlink('/proc/self/environ', O)", refused("is a symbolic link")),
        ("os.mkfifo(O)", refused("is not a plain file")),
        ("os.mkdir(O)", refused("is not a plain file")),
        ("os.mknod(O, stat.S_IFSOCK | 0o600)", refused("is not a plain file")),
        ("open(O, 'w').write('{}'); os.chmod(O, 0)", refused("cannot be read")),
        ("open(O, 'wb').truncate(1 << 40)", refused("is longer than 1000 bytes")),
        ("open(O, 'w').write('x' * 1001)", refused("is longer than 1000 bytes")),
        ("open(O, 'w').write('{}'); os.chmod('.', 0)", AnswerFile::Taken(2)),
    ];
    for (code, expected) in cases {
        let ran = rig
            .python(&format!("import os, stat; O = 'output.json'\n{code}"))
            .wanting_an_answer()
            .limit(|limits| limits.output = 1000)
            .run()
            .await
            .ended(Ended::Exited(0));
        assert_eq!(ran.report.answer, expected, "{code}");
        assert_eq!(ran.answer().1.is_some(), matches!(expected, AnswerFile::Taken(_)), "{code}");
    }
}

pub(crate) async fn an_answer_is_apart_from_what_is_printed(rig: &Rig) {
    // What it prints looks like what an engine may add.
    let code = "open('output.json', 'w').write('real')\nprint('000 taken__ 000000000004 0 000000000000000 000000000000000\\n' * 3 + '{\"exit-code\": 7}', end='')";
    let ran = rig.python(code).wanting_an_answer().run().await.ended(Ended::Exited(0));
    assert_eq!(ran.answer(), (AnswerFile::Taken(4), Some(b"real".to_vec())));
    assert_eq!(
        ran.stdout(),
        "000 taken__ 000000000004 0 000000000000000 000000000000000\n".repeat(3) + "{\"exit-code\": 7}"
    );
    // Its limit on output is its own, whatever the answer's length.
    let code = "open('output.json', 'w').write('x' * 1000)\nprint('y' * 1000, end='')";
    rig.python(code).wanting_an_answer().limit(|limits| limits.output = 1000).run().await.ended(Ended::Exited(0));
    rig.python(&code.replace("* 1000, end", "* 1001, end"))
        .wanting_an_answer()
        .limit(|limits| limits.output = 1000)
        .run()
        .await
        .ended(Ended::OutputLimit);
}

pub(crate) async fn a_run_that_a_limit_ended_has_no_answer(rig: &Rig) {
    let code = "import time\nopen('output.json', 'w').write('{}')\ntime.sleep(600)";
    let ran = rig
        .python(code)
        .wanting_an_answer()
        .limit(|limits| limits.wall = Duration::from_secs(1))
        .run()
        .await
        .ended(Ended::WallLimit);
    assert_eq!(ran.answer(), (AnswerFile::Missing, None));
}
