//! How people differ: in what they see a page on, in how they work it, and in how patient they are.

use chromiumoxide::cdp::browser_protocol::emulation::{MediaFeature, SetDeviceMetricsOverrideParams};
use chromiumoxide::cdp::browser_protocol::input::{DispatchKeyEventParams, DispatchKeyEventType};
use chromiumoxide::cdp::browser_protocol::page::EventFrameRequestedNavigation;
use chromiumoxide::cdp::js_protocol::runtime::EvaluateParams;
use chromiumoxide::layout::Point;
use futures_util::StreamExt;
use serde_json::Value;
use tokio::sync::mpsc;

use crate::browser::Profile;
use crate::tools;

/// What a page is seen on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// The width of the window in CSS pixels: 320 is a small telephone, and also a desktop at 400 % zoom.
    pub width: i64,
    /// Whether the person prefers dark colours.
    pub dark: bool,
}

impl Look {
    /// Each that the pages are made for.
    pub const ALL: [Self; 4] = [
        Self { width: 1280, dark: false },
        Self { width: 1280, dark: true },
        Self { width: 320, dark: false },
        Self { width: 320, dark: true },
    ];
}

impl Profile {
    /// Looks at the page in another way, from now on.
    pub async fn look(&self, look: Look) {
        let size = SetDeviceMetricsOverrideParams::new(look.width, 800, 1.0, false);
        self.page.execute(size).await.expect("the size of the window");
        let scheme = if look.dark { "dark" } else { "light" };
        // Without motion, colours are what they will be at once.
        let features = [("prefers-color-scheme", scheme), ("prefers-reduced-motion", "reduce")]
            .map(|(name, value)| MediaFeature::new(name.to_owned(), value.to_owned()));
        self.page.emulate_media_features(features.to_vec()).await.expect("the colours");
    }

    /// What axe-core finds wrong with the page: one line for each rule that is broken, with the elements that break it.
    pub async fn barriers(&self) -> Vec<String> {
        let axe = tools::folder().join("node/node_modules/axe-core/axe.min.js");
        let axe = std::fs::read_to_string(&axe).unwrap_or_else(|error| panic!("{}: {error}", axe.display()));
        // A script of the tool is not one of the page: the page's policy does not reach it.
        self.page.evaluate_expression(axe).await.expect("loading axe-core");
        let run =
            "axe.run(document, { rules: { 'target-size': { enabled: true } }, resultTypes: ['violations'] })
            .then(found => JSON.stringify(found.violations.map(rule =>
                `${rule.id}: ${rule.help}: ${rule.nodes.map(node => node.target.join(' ')).join(', ')}`)))";
        let run = EvaluateParams::builder().expression(run).await_promise(true).return_by_value(true).build();
        let found = self.page.evaluate_expression(run.expect("a script")).await.expect("running axe-core");
        let found: String = found.into_value().expect("a string");
        serde_json::from_str(&found).expect("a list")
    }

    /// Whether the page is wider than the window, so that a person would have to scroll sideways to read it.
    pub async fn is_too_wide(&self) -> bool {
        self.evaluate("String(document.documentElement.scrollWidth > document.documentElement.clientWidth)")
            .await
            == "true"
    }

    /// Presses a key: `Tab`, `Enter`, `Space`.
    pub async fn press_key(&self, key: &str) {
        let (code, number, text) = match key {
            "Tab" => ("Tab", 9, ""),
            "Enter" => ("Enter", 13, "\r"),
            "Space" => ("Space", 32, " "),
            other => panic!("{other} has no code here"),
        };
        let name = if key == "Space" { " " } else { key };
        for kind in [DispatchKeyEventType::KeyDown, DispatchKeyEventType::KeyUp] {
            let mut event = DispatchKeyEventParams::builder()
                .r#type(kind.clone())
                .key(name)
                .code(code)
                .windows_virtual_key_code(number);
            if kind == DispatchKeyEventType::KeyDown && !text.is_empty() {
                event = event.text(text);
            }
            self.page.execute(event.build().expect("a key")).await.expect("pressing a key");
        }
    }

    /// Presses Tab until the page begins anew, and returns what had the focus: its name, and whether the focus was seen.
    pub async fn tab_through(&self) -> Vec<(String, bool)> {
        let mut found = Vec::new();
        for _ in 0..40 {
            self.press_key("Tab").await;
            let focused = self
                .evaluate(
                    "(() => {
                        const element = document.activeElement;
                        if (!element || element === document.body) return '';
                        const style = getComputedStyle(element);
                        const seen = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2;
                        const name = (element.innerText || element.labels?.[0]?.innerText || element.name || '').trim();
                        return JSON.stringify([name, seen]);
                    })()",
                )
                .await;
            let Ok(Value::Array(parts)) = serde_json::from_str(&focused) else { break };
            let stop = (parts[0].as_str().unwrap_or_default().to_owned(), parts[1] == true);
            if found.first() == Some(&stop) {
                break;
            }
            found.push(stop);
        }
        found
    }

    /// Clicks a button twice, as quickly as a mouse can.
    pub async fn double_click(&self, name: &str) {
        let wanted = serde_json::to_string(name).expect("a string");
        let place = format!(
            "(() => {{
                const found = [...document.querySelectorAll('button, a[href]')].find(element => element.innerText.includes({wanted}));
                if (!found) return '';
                found.scrollIntoView({{ block: 'center' }});
                const box = found.getBoundingClientRect();
                return JSON.stringify([box.x + box.width / 2, box.y + box.height / 2]);
            }})()"
        );
        self.until(&format!("there is a button {name:?}"), async || !self.evaluate(&place).await.is_empty())
            .await;
        let place: [f64; 2] = serde_json::from_str(&self.evaluate(&place).await).expect("a place");
        let point = Point::new(place[0], place[1]);
        self.page.click(point).await.expect("a click");
        // The page may be gone already.
        let _ = self.page.click(point).await;
    }

    /// Goes back, as with the button of the browser.
    pub async fn go_back(&self) {
        self.evaluate("(setTimeout(() => history.back()), '')").await;
    }

    /// Loads the page again. A form that led here is sent again.
    pub async fn load_again(&self) {
        self.page.reload().await.expect("loading the page again");
    }

    /// Every address that a page asks the browser to go to from now on, whether or not the browser can.
    pub async fn wishes(&self) -> mpsc::UnboundedReceiver<String> {
        let mut events = self
            .page
            .event_listener::<EventFrameRequestedNavigation>()
            .await
            .expect("listening to the browser");
        let (sender, wishes) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Some(event) = events.next().await {
                if sender.send(event.url.clone()).is_err() {
                    break;
                }
            }
        });
        wishes
    }
}
