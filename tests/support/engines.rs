//! Ways to a container engine, each of the test's own: a proxied socket, TLS, ssh, Podman's service. And a daemon's life to
//! take them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// A process that ends with the test.
struct Running(Child);

impl Running {
    fn start(command: &mut Command) -> Self {
        Self(command.stdin(Stdio::null()).spawn().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}")))
    }

    /// Waits until it is ready, which somebody else knows.
    fn until(mut self, what: &str, ready: impl Fn() -> bool) -> Self {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !ready() {
            assert!(self.0.try_wait().expect("wait").is_none(), "{what} has ended");
            assert!(Instant::now() < deadline, "{what} is not ready");
            pause();
        }
        self
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[expect(clippy::disallowed_methods, reason = "between two looks, with a deadline, where nothing is awaited")]
fn pause() {
    std::thread::sleep(Duration::from_millis(20));
}

pub(crate) fn run(program: &str, arguments: &[&str], folder: &Path) {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("listen");
    listener.local_addr().expect("an address").port()
}

fn answers(port: u16) -> bool {
    std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
}

/// Docker's socket, and what stands before it.
const DOCKER: &str = "/var/run/docker.sock";
const FORWARD: &str = include_str!("forward.py");

/// Docker behind a socket or a port of the test's own.
pub(crate) struct Proxy {
    process: Option<Running>,
    folder: TempDir,
}

impl Proxy {
    /// A socket that this user may use, and nobody else but root.
    pub(crate) fn socket_of(user: u32) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("chmod");
        let mut this = Self { process: None, folder };
        this.come_back(user);
        this
    }

    /// Whoever talks to the engine talks to nobody any more.
    pub(crate) fn go_away(&mut self) {
        self.process = None;
        fs::remove_file(self.folder.path().join("docker.sock")).expect("remove");
    }

    pub(crate) fn come_back(&mut self, user: u32) {
        let socket = self.folder.path().join("docker.sock");
        let process = forward(self.folder.path(), &["unix", &socket.to_string_lossy()]);
        // There is a moment between the socket's name and somebody who listens.
        let listens = || std::os::unix::net::UnixStream::connect(&socket).is_ok();
        self.process = Some(process.until("the proxy", listens));
        std::os::unix::fs::chown(&socket, Some(user), Some(user)).expect("chown");
        fs::set_permissions(&socket, fs::Permissions::from_mode(0o600)).expect("chmod");
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("unix://{}", self.folder.path().join("docker.sock").display())
    }
}

fn forward(folder: &Path, arguments: &[&str]) -> Running {
    let script = folder.join("forward.py");
    fs::write(&script, FORWARD).expect("write");
    Running::start(Command::new("python3").arg("-I").arg(script).arg(DOCKER).args(arguments))
}

/// Docker behind TLS, for those with a certificate of the right authority.
pub(crate) struct TlsProxy {
    _process: Running,
    pub(crate) port: u16,
    folder: TempDir,
}

impl TlsProxy {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let at = folder.path();
        for authority in ["right", "wrong"] {
            fs::create_dir(at.join(authority)).expect("mkdir");
            let at = at.join(authority);
            let new =
                ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
            let own = [
                "-subj",
                "/CN=authority",
                "-keyout",
                "ca-key.pem",
                "-out",
                "ca.pem",
                "-addext",
                "keyUsage=keyCertSign",
            ];
            run("openssl", &[&new[..], &own[..]].concat(), &at);
            for (name, usage, key, certificate) in [
                ("server", "serverAuth", "server-key.pem", "server.pem"),
                ("client", "clientAuth", "key.pem", "cert.pem"),
            ] {
                let request = [
                    "req",
                    "-newkey",
                    "ec",
                    "-pkeyopt",
                    "ec_paramgen_curve:prime256v1",
                    "-nodes",
                    "-keyout",
                    key,
                    "-out",
                    "request.pem",
                ];
                run("openssl", &[&request[..], &["-subj", &format!("/CN={name}")]].concat(), &at);
                let extensions =
                    format!("basicConstraints=CA:FALSE\nextendedKeyUsage={usage}\nsubjectAltName=IP:127.0.0.1\n");
                fs::write(at.join("extensions"), extensions).expect("write");
                let sign =
                    ["x509", "-req", "-in", "request.pem", "-CA", "ca.pem", "-CAkey", "ca-key.pem", "-CAcreateserial"];
                run(
                    "openssl",
                    &[&sign[..], &["-days", "2", "-out", certificate, "-extfile", "extensions"]].concat(),
                    &at,
                );
            }
        }
        let port = free_port();
        let file = |name: &str| at.join("right").join(name).to_string_lossy().into_owned();
        let (certificate, key, authority) = (file("server.pem"), file("server-key.pem"), file("ca.pem"));
        let process = forward(at, &["tls", &port.to_string(), &certificate, &key, &authority]);
        let process = process.until("the TLS proxy", || answers(port));
        Self { _process: process, port, folder }
    }

    /// A folder with ca.pem, cert.pem and key.pem, of the `right` authority or the `wrong` one.
    pub(crate) fn certificates(&self, authority: &str) -> PathBuf {
        self.folder.path().join(authority)
    }
}

/// An sshd on the loopback that lets one key in.
pub(crate) struct Sshd {
    _process: Running,
    pub(crate) port: u16,
    folder: TempDir,
}

impl Sshd {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let at = folder.path();
        for key in ["host", "user", "stranger"] {
            run("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", key], at);
        }
        let port = free_port();
        fs::copy(at.join("user.pub"), at.join("authorized")).expect("copy");
        let config = format!(
            "ListenAddress 127.0.0.1:{port}\nHostKey {0}/host\nAuthorizedKeysFile {0}/authorized\nPidFile none\nStrictModes no\nUsePAM no\n\
             PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\n",
            at.display()
        );
        fs::write(at.join("sshd_config"), config).expect("write");
        let host = fs::read_to_string(at.join("host.pub")).expect("read");
        fs::write(at.join("known"), format!("[127.0.0.1]:{port} {host}")).expect("write");
        fs::write(at.join("unknown"), "").expect("write");
        // Where sshd leaves its unprivileged half; a package's service makes it when it starts.
        fs::create_dir_all("/run/sshd").expect("mkdir");
        let log = fs::File::create(at.join("log")).expect("create");
        let config = at.join("sshd_config");
        let process = Running::start(Command::new("/usr/sbin/sshd").args(["-D", "-e", "-f"]).arg(&config).stderr(log));
        let process = process.until("sshd", || answers(port));
        Self { _process: process, port, folder }
    }

    /// A folder with an `ssh` that knows what that user's configuration would: which key, and which hosts.
    pub(crate) fn program(&self, key: &str, known: &str) -> PathBuf {
        let at = self.folder.path();
        let bin = at.join(format!("bin-{key}-{known}"));
        fs::create_dir_all(&bin).expect("mkdir");
        let script = format!(
            "#!/bin/sh\nexec /usr/bin/ssh -F none -i {0}/{key} -o IdentitiesOnly=yes -o UserKnownHostsFile={0}/{known} -o GlobalKnownHostsFile=none \"$@\"\n",
            at.display()
        );
        fs::write(bin.join("ssh"), script).expect("write");
        fs::set_permissions(bin.join("ssh"), fs::Permissions::from_mode(0o755)).expect("chmod");
        bin
    }
}

/// Podman's service with images and containers of its own.
pub(crate) struct Podman {
    process: Option<Running>,
    folder: TempDir,
}

impl Podman {
    pub(crate) fn start(image: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut this = Self { process: None, folder };
        let load = format!("set -o pipefail; docker save {image} | {} load", this.command().join(" "));
        run("bash", &["-c", &load], this.folder.path());
        let socket = this.folder.path().join("podman.sock");
        let words = this.command();
        let log = fs::File::create(this.folder.path().join("log")).expect("create");
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).args(["system", "service", "--time", "0"]).arg(this.endpoint()).stderr(log);
        // What watches its containers leaves a file called "oom" where it was started.
        command.current_dir(this.folder.path());
        let ready = || std::os::unix::net::UnixStream::connect(&socket).is_ok();
        this.process = Some(Running::start(&mut command).until("podman", ready));
        this
    }

    /// With what every command begins. The runtime that Debian's Podman prefers refuses control groups of both versions at
    /// once.
    pub(crate) fn command(&self) -> Vec<String> {
        let at = |name: &str| self.folder.path().join(name).display().to_string();
        let words = [
            "podman",
            "--root",
            &at("root"),
            "--runroot",
            &at("run"),
            "--tmpdir",
            &at("tmp"),
            "--storage-driver",
            "vfs",
            "--cgroup-manager",
            "cgroupfs",
            "--events-backend",
            "file",
            "--runtime",
            "runc",
        ];
        words.map(str::to_owned).to_vec()
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("unix://{}", self.folder.path().join("podman.sock").display())
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        self.process = None;
        let words = self.command();
        let _ = Command::new(&words[0]).args(&words[1..]).args(["rm", "--all", "--force"]).output();
    }
}

/// A daemon's life: a process that has the engine, and an environment and rights of its own.
pub(crate) struct Life {
    home: TempDir,
    home_id: String,
    variables: Vec<(String, String)>,
    user: Option<u32>,
}

impl Life {
    pub(crate) fn new(home_id: String) -> Self {
        let home = tempfile::Builder::new().prefix("life-").tempdir().expect("a temporary folder");
        Self { home, home_id, variables: Vec::new(), user: None }
    }

    pub(crate) fn with(mut self, name: &str, value: impl ToString) -> Self {
        self.variables.push((name.into(), value.to_string()));
        self
    }

    /// Without root's rights.
    pub(crate) fn by_user(mut self, user: u32) -> Self {
        std::os::unix::fs::chown(self.home.path(), Some(user), Some(user)).expect("chown");
        self.user = Some(user);
        self
    }

    /// The process that it is; who starts it ends it.
    pub(crate) fn begins(&self) -> Child {
        self.command().stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("another life")
    }

    fn command(&self) -> Command {
        let program = std::env::current_exe().expect("this program");
        let mut command = match self.user {
            None => Command::new(&program),
            Some(user) => {
                // Where the tests are built may be closed to others.
                let copy = self.home.path().join("program");
                fs::copy(&program, &copy).expect("copy");
                let mut command = Command::new("setpriv");
                let user = user.to_string();
                command
                    .args([
                        "--reuid",
                        &user,
                        "--regid",
                        &user,
                        "--clear-groups",
                        "--no-new-privs",
                        "--inh-caps=-all",
                        "--",
                    ])
                    .arg(copy);
                command
            }
        };
        command.args(["--exact", "a_life", "--ignored", "--nocapture"]);
        command.env("LIFE_WORK", self.home.path()).env("LIFE_HOME", &self.home_id).env("HOME", self.home.path());
        command.env_remove("DOCKER_HOST").env_remove("DOCKER_TLS_VERIFY").env_remove("DOCKER_CERT_PATH");
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// What it said; it must not have failed.
    pub(crate) fn says(&self) -> String {
        let output = self.command().output().expect("another life");
        let (said, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{said}\n{complained}");
        said.into_owned()
    }

    /// It judged as it should, and left nothing.
    pub(crate) fn judges(&self) -> String {
        let said = self.says();
        assert!(said.contains("kept every promise"), "{said}");
        said
    }
}
