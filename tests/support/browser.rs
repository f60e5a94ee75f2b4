//! A real Chromium, driven by WebDriver.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};

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
        let started =
            BufReader::new(said).lines().map_while(Result::ok).any(|line| line.contains("started successfully"));
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
        Self { page, driver }
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
