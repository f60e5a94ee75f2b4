//! A browser that takes pictures of pages.

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::palette;
use crate::support::Contest;
use crate::support::browser::{Browser, Look};

/// Where the pictures go.
pub const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/screenshots");

/// What is seen of a page, in CSS pixels, and by whom.
#[derive(Debug, Clone, Copy)]
pub struct Frame {
    width: u32,
    height: u32,
    scale: u32,
    dark: bool,
}

impl Frame {
    /// A laptop by day.
    pub const DESK: Frame = Frame { width: 1280, height: 1000, scale: 1, dark: false };
    /// A phone by day, whose pixels are small.
    pub const PHONE: Frame = Frame { width: 390, height: 844, scale: 2, dark: false };
    /// The wall of a lecture hall.
    pub const HALL: Frame = Frame { width: 1920, height: 1080, scale: 1, dark: false };

    /// The same by night.
    #[must_use]
    pub fn dark(self) -> Self {
        Self { dark: true, ..self }
    }

    /// The same, of another height.
    #[must_use]
    pub fn high(self, height: u32) -> Self {
        Self { height, ..self }
    }
}

/// One browser for all pictures.
pub struct Camera(Browser);

impl Camera {
    /// Starts it.
    pub async fn open() -> Self {
        let browser = Browser::open(Look::DESK).await;
        browser.devtools("Emulation.setScrollbarsHidden", json!({ "hidden": true })).await;
        Self(browser)
    }

    /// The address of a page as a file: no daemon is needed for it.
    pub fn file(&self, contest: &Contest, page: &str) -> String {
        format!("file://{}", contest.path("public").join(page).display())
    }

    /// Goes to a page, and waits until it is drawn.
    pub async fn look(&self, address: &str, frame: Frame) -> &Browser {
        let Frame { width, height, scale, dark } = frame;
        let screen = json!({ "width": width, "height": height, "deviceScaleFactor": scale, "mobile": width < 500 });
        self.0.devtools("Emulation.setDeviceMetricsOverride", screen).await;
        let scheme = if dark { "dark" } else { "light" };
        let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.0.devtools("Emulation.setEmulatedMedia", media).await;
        self.0.page.goto(address).await.expect("a page");
        self.0
            .until("document.readyState === 'complete' && [...document.images].every((image) => image.complete)")
            .await;
        &self.0
    }

    /// Takes a picture of a page from its top.
    pub async fn take(&self, name: &str, address: &str, frame: Frame) {
        self.look(address, frame).await;
        self.shoot(name).await;
    }

    /// Takes a picture of what is shown.
    pub async fn shoot(&self, name: &str) {
        // Two frames later what was asked for is drawn.
        let drawn = "return new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))";
        self.0.run(drawn).await;
        let answer = self.0.devtools("Page.captureScreenshot", json!({ "format": "png" })).await;
        let bytes = STANDARD.decode(answer["data"].as_str().expect("a picture")).expect("in base64");
        let path = Path::new(FOLDER).join(format!("{name}.png"));
        fs::write(path, palette::reduce(&bytes)).expect("written");
        println!("{name}");
    }

    /// Ends it.
    pub async fn close(self) {
        self.0.close().await;
    }
}
