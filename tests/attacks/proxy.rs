//! A door to the container engine that a test can shut: a socket of its own, behind which the machine's engine answers, or not, or as
//! another would.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// How the engine behind the door behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// As it is.
    Itself,
    /// As if it had been stopped.
    Stopped,
    /// As one that is too old.
    Old,
    /// As one that cannot bound the number of processes.
    WithoutLimits,
}

/// The door.
#[derive(Debug)]
pub struct Proxy {
    socket: PathBuf,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    manner: Mutex<Manner>,
    /// Connections that are cut when the engine stops.
    open: Mutex<Vec<UnixStream>>,
    over: AtomicBool,
}

impl Proxy {
    /// A door that is not there yet.
    pub fn new(socket: &Path) -> Self {
        let shared =
            Shared { manner: Mutex::new(Manner::Itself), open: Mutex::default(), over: AtomicBool::new(false) };
        Self { socket: socket.to_owned(), shared: Arc::new(shared) }
    }

    /// What DOCKER_HOST says.
    pub fn address(&self) -> String {
        format!("unix://{}", self.socket.display())
    }

    /// The door is there from now on.
    pub fn listen(&self) {
        if self.socket.exists() {
            return;
        }
        let listener = UnixListener::bind(&self.socket).expect("a socket of the test's own");
        let shared = Arc::clone(&self.shared);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if shared.over.load(Ordering::Relaxed) {
                    break;
                }
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || shared.serve(client));
            }
        });
    }

    /// Changes its manner; what was open is cut.
    pub fn be(&self, manner: Manner) {
        *lock(&self.shared.manner) = manner;
        for stream in lock(&self.shared.open).drain(..) {
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Relaxed);
        // Wakes who waits for the next client.
        let _ = UnixStream::connect(&self.socket);
        let _ = fs::remove_file(&self.socket);
    }
}

impl Shared {
    fn serve(&self, mut client: UnixStream) {
        let manner = *lock(&self.manner);
        if manner == Manner::Stopped {
            return;
        }
        let mut first = vec![0; 8192];
        let Ok(length) = client.read(&mut first) else { return };
        first.truncate(length);
        let line = String::from_utf8_lossy(&first).lines().next().unwrap_or_default().to_owned();
        let path = line.split(' ').nth(1).unwrap_or_default().split('?').next().unwrap_or_default().to_owned();
        if manner == Manner::Old && path.ends_with("/version") {
            return answer(
                &mut client,
                &ask("/version").replace("\"ApiVersion\":\"1.", "\"ApiVersion\":\"1.2\",\"Was\":\"1."),
            );
        }
        if manner == Manner::WithoutLimits && path.ends_with("/info") {
            return answer(&mut client, &ask("/v1.41/info").replace("\"PidsLimit\":true", "\"PidsLimit\":false"));
        }
        if manner != Manner::Itself {
            // One question a connection: the next may be one of those above.
            first = String::from_utf8_lossy(&first).replacen("\r\n", "\r\nConnection: close\r\n", 1).into_bytes();
        }
        let Ok(mut engine) = UnixStream::connect(upstream()) else { return };
        let (Ok(mut from_client), Ok(mut to_client)) = (client.try_clone(), client.try_clone()) else { return };
        lock(&self.open).push(client);
        if engine.write_all(&first).is_err() {
            return;
        }
        let Ok(mut to_engine) = engine.try_clone() else { return };
        let forth = std::thread::spawn(move || {
            let _ = std::io::copy(&mut from_client, &mut to_engine);
            let _ = to_engine.shutdown(std::net::Shutdown::Write);
        });
        let _ = std::io::copy(&mut engine, &mut to_client);
        let _ = to_client.shutdown(std::net::Shutdown::Both);
        let _ = forth.join();
    }
}

/// Where the machine's engine listens.
fn upstream() -> PathBuf {
    match std::env::var("DOCKER_HOST") {
        Ok(host) => {
            PathBuf::from(host.strip_prefix("unix://").expect("the engine of the tests is reached by a socket"))
        }
        Err(_) => PathBuf::from("/var/run/docker.sock"),
    }
}

/// What the engine itself answers.
fn ask(path: &str) -> String {
    let mut engine = UnixStream::connect(upstream()).expect("the engine is there");
    write!(engine, "GET {path} HTTP/1.0\r\nHost: docker\r\n\r\n").expect("asked");
    let mut text = String::new();
    engine.read_to_string(&mut text).expect("answered");
    text.split_once("\r\n\r\n").expect("an answer has a head").1.to_owned()
}

fn answer(client: &mut UnixStream, body: &str) {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nApi-Version: 1.20\r\nConnection: close";
    let _ = write!(client, "{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
