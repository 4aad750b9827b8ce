//! Chromium, and people who use it: each profile has cookies of its own.

use std::time::{Duration, Instant};

use chromiumoxide::browser::{Browser as Chromium, BrowserConfig};
use chromiumoxide::cdp::browser_protocol::browser::BrowserContextId;
use chromiumoxide::cdp::browser_protocol::target::{CreateBrowserContextParams, CreateTargetParams};
use chromiumoxide::page::{Page, ScreenshotParams};
use futures_util::StreamExt;
use tempfile::TempDir;
use tokio::task::JoinHandle;

use crate::tools;

/// One running Chromium.
#[derive(Debug)]
pub struct Browser {
    chromium: Chromium,
    events: JoinHandle<()>,
    _folder: TempDir,
}

/// A person at the browser: one tab, with cookies that no other profile sees.
#[derive(Debug)]
pub struct Profile {
    pub(crate) page: Page,
    context: BrowserContextId,
}

impl Browser {
    /// Starts Chromium, headless, with a fresh folder.
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().expect("no temporary folder");
        let configuration = BrowserConfig::builder()
            .chrome_executable(tools::chromium())
            .user_data_dir(folder.path())
            .no_sandbox()
            .disable_https_first()
            .new_headless_mode()
            .launch_timeout(Duration::from_secs(60))
            .request_timeout(Duration::from_secs(60))
            .args([
                "disable-gpu",
                "disable-quic",
                "no-first-run",
                "disable-background-networking",
                "disable-component-update",
                "disable-sync",
                "disable-dev-shm-usage",
            ])
            .build()
            .expect("the browser's settings");
        let (chromium, mut handler) = Chromium::launch(configuration).await.expect("starting Chromium");
        // The handler must be polled for as long as the browser lives; single messages that it cannot read are its own.
        let events = tokio::spawn(async move { while handler.next().await.is_some() {} });
        Self { chromium, events, _folder: folder }
    }

    /// A person who has never been here before.
    pub async fn profile(&self) -> Profile {
        let cookies_of_its_own = CreateBrowserContextParams::default();
        let context = self.chromium.create_browser_context(cookies_of_its_own).await.expect("a new profile");
        self.tab(context).await
    }

    /// A further tab of the same person.
    pub async fn tab_of(&self, person: &Profile) -> Profile {
        self.tab(person.context.clone()).await
    }

    async fn tab(&self, context: BrowserContextId) -> Profile {
        let tab =
            CreateTargetParams::builder().url("about:blank").browser_context_id(context.clone()).build();
        let page = self.chromium.new_page(tab.expect("a tab")).await.expect("a new tab");
        Profile { page, context }
    }

    /// Ends Chromium.
    pub async fn close(mut self) {
        let _ = self.chromium.close().await;
        let _ = self.chromium.wait().await;
        self.events.abort();
    }
}

impl Profile {
    /// Opens an address.
    pub async fn open(&self, url: &str) {
        self.page.goto(url).await.unwrap_or_else(|error| panic!("opening {url}: {error}"));
    }

    /// The address that is shown.
    pub async fn address(&self) -> String {
        self.page.url().await.ok().flatten().unwrap_or_default()
    }

    /// What a person reads on the page. Empty while a page is loading.
    pub async fn text(&self) -> String {
        self.evaluate("document.body ? document.body.innerText : ''").await
    }

    /// Waits until the page says `text`.
    pub async fn wait_for(&self, text: &str) {
        self.until(&format!("the page says {text:?}"), async || self.text().await.contains(text)).await;
    }

    /// Waits until the address contains `part`.
    pub async fn wait_for_address(&self, part: &str) {
        self.until(&format!("the address contains {part:?}"), async || self.address().await.contains(part))
            .await;
    }

    /// Clicks the button or link whose accessible name contains `name`, as soon as there is one that can be seen.
    pub async fn click(&self, name: &str) {
        let wanted = serde_json::to_string(name).expect("a string");
        // The click comes a moment later, so that the answer leaves before the page does.
        let script = format!(
            "(() => {{
                const named = element => element.getAttribute('aria-label') || element.innerText || element.value || '';
                const all = [...document.querySelectorAll('button, input[type=submit], a[href]')];
                const found = all.find(element =>
                    named(element).replace(/\\s+/g, ' ').includes({wanted}) && !element.disabled && element.checkVisibility());
                // A page on which something was clicked is on its way out: the next click waits for the next page.
                const page = document.documentElement.dataset;
                if (!found || page.clicked) return '';
                page.clicked = 'yes';
                setTimeout(() => found.click());
                return 'found';
            }})()"
        );
        self.until(&format!("there is a button {name:?}"), async || self.evaluate(&script).await == "found")
            .await;
    }

    /// Types into the field with this label, as soon as there is one.
    pub async fn type_into(&self, label: &str, text: &str) {
        let (label, text) = (serde_json::json!(label), serde_json::json!(text));
        let script = format!(
            "(() => {{
                const found = [...document.querySelectorAll('label')].find(label => label.innerText.trim() === {label});
                if (!found || !found.control || document.documentElement.dataset.clicked) return '';
                found.control.focus();
                found.control.value = '';
                document.execCommand('insertText', false, {text});
                return 'typed';
            }})()"
        );
        self.until(&format!("there is a field {label}"), async || self.evaluate(&script).await == "typed")
            .await;
    }

    /// Approves what the page asks for and signs in at the provider as `account`; ends when the client has its answer.
    pub async fn approve(&self, authorize: &str, account: &str) {
        self.open(authorize).await;
        self.click("Continue").await;
        self.click(account).await;
        // The code and the issuer stand together in the client's own address alone: providers get neither from us.
        self.until("the browser is back at the client", async || {
            let address = self.address().await;
            address.contains("code=") && address.contains("iss=") && !address.contains("/callback/")
        })
        .await;
    }

    /// A picture of the page, as PNG.
    pub async fn screenshot(&self) -> Vec<u8> {
        self.page.screenshot(ScreenshotParams::builder().full_page(true).build()).await.expect("a screenshot")
    }

    /// The value of a script that gives a string; empty when the page went away meanwhile.
    pub async fn evaluate(&self, script: &str) -> String {
        match self.page.evaluate(script).await {
            Ok(value) => value.into_value().unwrap_or_default(),
            Err(_) => String::new(),
        }
    }

    /// Waits until something holds; panics with what the page says when it does not within 30 s.
    pub async fn until(&self, what: &str, holds: impl AsyncFn() -> bool) {
        let started = Instant::now();
        while !holds().await {
            if started.elapsed() > Duration::from_secs(30) {
                panic!(
                    "waited 30 s until {what}; at {} the page says:\n{}",
                    self.address().await,
                    self.text().await
                );
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}
