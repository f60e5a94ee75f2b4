//! A real Chromium, driven by WebDriver.

use std::io::BufRead;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::port::free_port;
use super::wait::PATIENCE;

/// How the reader's browser is set.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    /// The window's width in CSS pixels.
    pub width: u32,
    /// Whether the reader prefers dark pages.
    pub dark: bool,
    /// Whether scripts run.
    pub scripts: bool,
}

impl Look {
    /// A laptop by day.
    pub const DESK: Look = Look { width: 1280, dark: false, scripts: true };
}

/// One browser with one page. Both programs end with it.
pub struct Browser {
    pub page: Client,
    port: u16,
    driver: Child,
}

impl Browser {
    /// Starts one.
    pub async fn open(look: Look) -> Self {
        let port = free_port();
        let mut driver = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver is installed: scripts/setup test does it");
        let said = driver.stdout.take().expect("piped");
        let started = std::io::BufReader::new(said)
            .lines()
            .map_while(Result::ok)
            .any(|line| line.contains("started successfully"));
        assert!(started, "chromedriver did not start");
        let mut arguments = vec![
            "--headless=new".to_owned(),
            "--no-sandbox".into(),
            "--disable-gpu".into(),
            "--disable-background-networking".into(),
            "--disable-component-update".into(),
            "--disable-sync".into(),
            "--disable-quic".into(),
            "--no-first-run".into(),
            format!("--blink-settings=preferredColorScheme={},scriptEnabled={}", u8::from(!look.dark), look.scripts),
        ];
        let mut options = json!({});
        if look.width < 500 {
            // A window is not made narrower than 500 pixels: a phone is emulated.
            options = json!({ "mobileEmulation": { "deviceMetrics": { "width": look.width, "height": 844, "pixelRatio": 2.0 } } });
        } else {
            arguments.push(format!("--window-size={},900", look.width));
        }
        options["args"] = json!(arguments);
        let capabilities = json!({ "browserName": "chrome", "goog:chromeOptions": options });
        let page = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities.as_object().expect("an object").clone())
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
            .expect("Chromium starts: scripts/setup test installs it");
        Self { page, port, driver }
    }

    /// What a script returns.
    pub async fn run(&self, script: &str) -> Value {
        self.page.execute(script, Vec::new()).await.unwrap_or_else(|error| panic!("{script}: {error}"))
    }

    /// Waits until an expression is true on the page, which is never loaded anew for that.
    pub async fn until(&self, expression: &str) {
        let start = Instant::now();
        while self.run(&format!("return Boolean({expression})")).await != Value::Bool(true) {
            let shown =
                if start.elapsed() > PATIENCE { self.run("return document.body.innerText").await } else { Value::Null };
            assert!(start.elapsed() <= PATIENCE, "never came about: {expression}\n{shown}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// What Chromium answers to a command of its own protocol, which has words for what WebDriver has none: paper, zones, calm.
    pub async fn devtools(&self, command: &str, parameters: Value) -> Value {
        let session = self.page.session_id().await.expect("the driver knows it").expect("a session");
        let body = json!({ "cmd": command, "params": parameters }).to_string();
        let request = format!(
            "POST /session/{session}/goog/cdp/execute HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let mut stream =
            BufReader::new(TcpStream::connect(("127.0.0.1", self.port)).await.expect("the driver listens"));
        stream.write_all(request.as_bytes()).await.expect("asked");
        let (mut head, mut length) = (String::new(), 0);
        // The driver keeps a connection open, whatever it is asked.
        while !head.ends_with("\r\n\r\n") {
            let line = head.len();
            assert!(stream.read_line(&mut head).await.expect("answered") > 0, "{command}: no answer but {head:?}");
            let said = head[line..].to_lowercase();
            length = said.strip_prefix("content-length:").map_or(length, |said| said.trim().parse().expect("a number"));
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.expect("as much as was announced");
        let body = String::from_utf8(body).expect("JSON");
        assert!(head.starts_with("HTTP/1.1 200 "), "{command}: {body}");
        serde_json::from_str::<Value>(&body).expect("JSON")["value"].take()
    }

    /// Ends it in order.
    pub async fn close(self) {
        self.page.clone().close().await.expect("the browser ends");
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Takes the browser with it, also when a test has failed.
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}
