//! A registry of the test's own, on loopback, and the one image of the tests in every form in which an image comes.

use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use super::engine::IMAGE;
use super::port::free_port;
use super::wait::{PATIENCE, wait_until};

/// Debian's `docker-registry`, started by hand. It ends with this value.
pub struct Registry {
    folder: tempfile::TempDir,
    port: u16,
    child: Option<Child>,
}

impl Registry {
    /// Starts an empty one.
    pub fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("podium-registry-").tempdir().expect("a temporary folder");
        let port = free_port();
        let config = format!(
            "version: 0.1\nlog:\n  level: error\nstorage:\n  filesystem:\n    rootdirectory: {}\nhttp:\n  addr: 127.0.0.1:{port}\n",
            folder.path().join("data").display()
        );
        fs::write(folder.path().join("config.yml"), config).expect("written");
        let mut registry = Self { folder, port, child: None };
        registry.go_on();
        registry
    }

    /// Starts it again where it was.
    pub fn go_on(&mut self) {
        let child = Command::new("docker-registry")
            .arg("serve")
            .arg(self.folder.path().join("config.yml"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("docker-registry is installed: scripts/setup test does it");
        self.child = Some(child);
        let listens = || TcpStream::connect(("127.0.0.1", self.port)).is_ok();
        assert!(wait_until(PATIENCE, listens, || ()), "the registry does not listen");
    }

    /// Ends it; what it holds stays.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("its own child can be ended");
            child.wait().expect("and waited for");
        }
    }

    /// The name of an image in it.
    pub fn name(&self, image: &str) -> String {
        format!("127.0.0.1:{}/{image}", self.port)
    }

    /// Where it keeps a blob.
    pub fn blob(&self, digest: &str) -> PathBuf {
        let blobs = self.folder.path().join("data/docker/registry/v2/blobs/sha256");
        blobs.join(&digest[..2]).join(digest).join("data")
    }

    /// Puts an image into it, from wherever skopeo finds it.
    pub fn push(&self, from: &str, image: &str) {
        let to = format!("docker://{}", self.name(image));
        run(Command::new("skopeo").args([
            "copy",
            "--quiet",
            "--insecure-policy",
            "--preserve-digests",
            "--dest-tls-verify=false",
            from,
            &to,
        ]));
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Runs a program that has to succeed, and returns what it printed.
pub fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}: see scripts/setup test"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text").trim().to_owned()
}

/// The image of the tests in a folder that is kept between runs of the tests: `saved.tar` is what `docker save` writes, `layout` is an OCI
/// layout and `layout.tar` a tar of it, `root.tar`, `root.tar.gz`, … are of its root folder.
pub fn forms() -> &'static Path {
    static FORMS: OnceLock<PathBuf> = OnceLock::new();
    FORMS.get_or_init(|| {
        let id = run(Command::new("docker").args(["image", "inspect", "--format", "{{.Id}}", IMAGE]));
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("image-{}", &id["sha256:".len()..][..16]));
        if folder.is_dir() {
            return folder;
        }
        let temporary = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
        let script = "set -euo pipefail
docker save \"$1\" -o saved.tar
skopeo copy --quiet --insecure-policy docker-archive:saved.tar oci:layout:the-one
tar -C layout -cf layout.tar .
container=$(docker create \"$1\" true)
trap 'docker rm \"$container\" >/dev/null' EXIT
docker export \"$container\" >root.tar
gzip -1 -k root.tar
zstd -q -1 root.tar
xz -0 -k root.tar";
        run(Command::new("bash").args(["-c", script, "forms", IMAGE]).current_dir(temporary.path()));
        fs::rename(temporary.keep(), &folder).expect("renamed");
        folder
    })
}
