//! What a program is given.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use podium::sandbox::Fault;
use tokio_util::sync::CancellationToken;

use crate::support::Rig;

pub(crate) async fn its_environment_is_three_names(rig: &Rig) {
    let expected = "{'HOME': '/scratch', 'LANG': 'C.UTF-8', 'PATH': '/usr/local/bin:/usr/bin:/bin'}\n";
    rig.python("import os; print(dict(sorted(os.environ.items())))").run().await.says(expected);
}

pub(crate) async fn it_starts_in_an_empty_scratch_folder(rig: &Rig) {
    rig.python("import os; print(os.getcwd(), os.listdir('.'), os.path.expanduser('~')); open('x', 'w').write('y'); print(open('/scratch/x').read())")
        .run()
        .await
        .says("/scratch [] /scratch\ny\n");
    rig.python("import tempfile; print(tempfile.gettempdir()); open('/tmp/x', 'w'); open('/dev/shm/x', 'w')")
        .run()
        .await
        .says("/tmp\n");
}

pub(crate) async fn standard_input_is_the_file(rig: &Rig) {
    let bytes: Vec<u8> = (0..=255).cycle().take(1_000_003).collect();
    rig.python("import sys, hashlib; b = sys.stdin.buffer.read(); print(len(b), hashlib.sha256(b).hexdigest()[:8])")
        .stdin(&bytes)
        .run()
        .await
        .says("1000003 47aa1bda\n");
    rig.python("import sys; print(repr(sys.stdin.read()))").stdin(b"").run().await.says("''\n");
}

pub(crate) async fn without_standard_input_it_is_at_its_end(rig: &Rig) {
    rig.python("import sys; print(repr(sys.stdin.read()))").run().await.says("''\n");
}

pub(crate) async fn standard_input_need_not_be_read(rig: &Rig) {
    let input = vec![b'x'; 100 << 20];
    for code in ["", "import os; os.close(0)", "import os; os.read(0, 1)"] {
        rig.python(&format!("{code}\nprint('done')")).stdin(&input).run().await.says("done\n");
    }
}

pub(crate) async fn it_cannot_change_what_it_is_shown(rig: &Rig) {
    let code = "import os
def refused(f, *a):
    try: f(*a)
    except OSError as e: return True
    print('could', f, a)
for path in ['/source/main.py', '/shown/a', '/scratch/shown/a', '/usr/bin/env', '/etc/passwd']:
    refused(open, path, 'a'); refused(os.unlink, path); refused(os.chmod, path, 0o777); refused(os.rename, path, path + '2'); refused(os.utime, path)
for folder in ['/', '/usr', '/etc', '/shown', '/scratch/shown', '/source', '/dev', '/bin', '/proc', '/var', '/run', '/opt', '/home']:
    refused(open, folder + '/new', 'w'); refused(os.mkdir, folder + '/newer')
print(open('/shown/a').read(), os.listdir('/shown'), os.listdir('/scratch'), len(os.listdir('/usr')) > 0, len(os.listdir('/usr/lib')) > 0)";
    let shown = rig.place.work.join("shown");
    fs::create_dir(&shown).expect("mkdir");
    fs::write(shown.join("a"), "A").expect("write");
    // Even where everybody could write.
    fs::set_permissions(&shown, fs::Permissions::from_mode(0o777)).expect("chmod");
    fs::set_permissions(shown.join("a"), fs::Permissions::from_mode(0o666)).expect("chmod");
    rig.python(code)
        .mount(&shown, "/shown")
        .mount(&shown, "/scratch/shown")
        .run()
        .await
        .says("A ['a'] ['shown'] True True\n");
    assert_eq!(fs::read_to_string(shown.join("a")).expect("read"), "A");
}

pub(crate) async fn what_is_shown_may_lie_in_closed_folders(rig: &Rig) {
    let deep = rig.place.work.join("closed/deep");
    fs::create_dir_all(&deep).expect("mkdir");
    fs::write(deep.join("a"), "A").expect("write");
    fs::set_permissions(rig.place.work.join("closed"), fs::Permissions::from_mode(0o700)).expect("chmod");
    rig.python("print(open('/deep/a').read())").mount(&deep, "/deep").run().await.says("A\n");
}

pub(crate) async fn what_is_shown_must_itself_be_open(rig: &Rig) {
    let secret = rig.place.work.join("secret");
    fs::write(&secret, "s").expect("write");
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).expect("chmod");
    let link = rig.place.work.join("link");
    std::os::unix::fs::symlink("/etc/shadow", &link).expect("link");
    for host in [secret, link, "/no/such/file".into()] {
        match rig.python("").mount(&host, "/shown").try_run(&CancellationToken::new()).await {
            Err(Fault::Failed(text)) => assert!(text.contains(&*host.to_string_lossy()), "{text}"),
            other => panic!("{}: {other:?}", host.display()),
        }
    }
}
