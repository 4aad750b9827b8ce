//! The program is killed at random moments while clients work with it. Whatever a client was told stays true. The same clients work
//! in `outages`, where the store is killed, and in `faults`.
//!
//! Each client keeps a history of what it was told, and judges each new answer by it:
//!
//! - a client id, a code and a token that were received are good after any number of crashes;
//! - a refresh token has one successor, however often and from however many processes it is presented, and is refused once that
//!   successor was used;
//! - a code is redeemed once;
//! - what was revoked stays revoked.
//!
//! A request without an answer, or with a 503 where the store is killed, may have been carried out or not. Only then is more than one answer right to the next one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use coatroom_e2e::evidence::{self, Secret};
use coatroom_e2e::fleet::LOST;
use coatroom_e2e::{Answer, Era, FormBrowser, Gateway, Mcp, Page, TokenAnswer, oauth, tools};
use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinSet;
use url::Url;

/// One kill for each unit of `COATROOM_SOAK`: five by default, a hundred before a release.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_client_was_told_stays_true_however_often_the_program_is_killed() {
    const CLIENTS: usize = 6;
    let kills = tools::soak();
    let mut gateway = Gateway::demo().await;
    let site = Arc::new(Site::of(&gateway.origin()));
    let (stop, stopped) = watch::channel(false);
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        clients.spawn(work(Arc::clone(&site), stopped.clone(), number));
    }
    for _ in 0..kills {
        // Counted in answers, so that a slow machine is killed under the same load as a fast one.
        let until = site.answered.load(Ordering::Relaxed) + random_below(60);
        while site.answered.load(Ordering::Relaxed) < until {
            assert!(clients.try_join_next().is_none(), "a client gave up");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        tokio::time::sleep(Duration::from_micros(below(20_000))).await;
        gateway.restart().await;
    }
    stop.send(true).unwrap();
    let histories = clients.join_all().await;
    gateway.restart().await;
    let grants = all_hold(&histories, &site).await;
    let (answered, unanswered) =
        (site.answered.load(Ordering::Relaxed), site.unanswered.load(Ordering::Relaxed));
    println!("{kills} kills, {grants} grants, {answered} answers, {unanswered} requests without one");
    assert!(
        unanswered >= kills,
        "the program was hardly killed under load: {unanswered} requests lost their answer"
    );
    assert!(grants >= CLIENTS && answered > 10 * kills, "hardly anything was done");
}

/// A client at work: registers, sends people to sign in, and uses what it gets in every way that the norms know.
pub(crate) async fn work(site: Arc<Site>, stopped: watch::Receiver<bool>, number: usize) -> History {
    let account = if number.is_multiple_of(2) { "Alice" } else { "Bob" };
    let mut history = History::default();
    while !*stopped.borrow() {
        let client = site.register().await;
        history.clients.push(client.clone());
        for _ in 0..3 {
            if *stopped.borrow() {
                break;
            }
            let mut grant = Grant::begin(&site, &client, account).await;
            for _ in 0..1 + below(6) {
                if *stopped.borrow() || grant.ended {
                    break;
                }
                match below(4) {
                    0 => grant.refresh(&site, 1).await,
                    1 => grant.refresh(&site, 3).await,
                    2 => grant.refresh_again(&site).await,
                    _ => grant.call(&site).await,
                }
            }
            match below(6) {
                0 => grant.revoke(&site).await,
                1 => grant.replay_code(&site).await,
                2 => grant.replay_refresh(&site).await,
                _ => {}
            }
            history.grants.push(grant);
        }
    }
    history
}

/// What one client was told.
#[derive(Default)]
pub(crate) struct History {
    clients: Vec<String>,
    grants: Vec<Grant>,
}

/// What every client was told is still so. How many grants that are.
pub(crate) async fn all_hold(histories: &[History], site: &Site) -> usize {
    let mut grants = 0;
    for history in histories {
        history.still_holds(site).await;
        grants += history.grants.len();
    }
    grants
}

impl History {
    async fn still_holds(&self, site: &Site) {
        for client in &self.clients {
            let page = FormBrowser::new().open_only(&site.authorize_url(client, "verifier", "state")).await;
            assert_eq!(page.status, 200, "a registration was lost: {}", page.text());
        }
        for grant in &self.grants {
            grant.still_holds(site).await;
        }
    }
}

/// The program, reached by requests that may stay without an answer.
pub(crate) struct Site {
    http: reqwest::Client,
    origin: String,
    mcp: String,
    /// Whether it is several processes, of which something is killed: then 503 is no answer, nor is what the proxy says when it got none.
    is_fleet: bool,
    pub(crate) answered: AtomicUsize,
    pub(crate) unanswered: AtomicUsize,
    /// The longest time, in milliseconds, after which a request was told to wait.
    pub(crate) longest_wait: AtomicU64,
}

impl Site {
    fn of(origin: &str) -> Self {
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
        Self {
            http: http.timeout(Duration::from_secs(20)).build().unwrap(),
            origin: origin.to_owned(),
            mcp: format!("{origin}/mcp"),
            is_fleet: false,
            answered: AtomicUsize::new(0),
            unanswered: AtomicUsize::new(0),
            longest_wait: AtomicU64::new(0),
        }
    }

    /// Several processes, of which one is killed, or their store.
    pub(crate) fn of_a_fleet(origin: &str) -> Self {
        Self { is_fleet: true, ..Self::of(origin) }
    }

    /// Whether an answer says no more than that the store is away, or is the proxy's own.
    fn is_away(&self, status: StatusCode, headers: &HeaderMap) -> bool {
        let is_away = self.is_fleet && status == StatusCode::SERVICE_UNAVAILABLE;
        assert!(!is_away || headers.contains_key("retry-after"), "503 without Retry-After");
        is_away || (self.is_fleet && headers.contains_key(LOST))
    }

    async fn register(&self) -> String {
        let metadata = json!({
            "client_name": "A client that sees crashes",
            "redirect_uris": [REDIRECT],
            "grant_types": ["authorization_code", "refresh_token"],
            "token_endpoint_auth_method": "none",
        });
        loop {
            let request = self.http.post(format!("{}/register", self.origin)).json(&metadata);
            let Some(answer) = self.ask(request).await else { continue };
            assert_eq!(answer.status, 201, "{}", answer.body);
            return answer.body["client_id"].as_str().unwrap().to_owned();
        }
    }

    fn authorize_url(&self, client: &str, verifier: &str, state: &str) -> String {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, verifier.as_bytes());
        let mut url = Url::parse(&format!("{}/authorize", self.origin)).unwrap();
        url.query_pairs_mut().extend_pairs([
            ("response_type", "code"),
            ("client_id", client),
            ("redirect_uri", REDIRECT),
            ("state", state),
            ("code_challenge", &URL_SAFE_NO_PAD.encode(digest.as_ref())),
            ("code_challenge_method", "S256"),
            ("resource", &self.mcp),
        ]);
        url.into()
    }

    async fn post(&self, path: &str, form: &[(&str, &str)]) -> Option<TokenAnswer> {
        self.ask(self.http.post(format!("{}{path}", self.origin)).form(form)).await
    }

    /// Sends a request, once; `None` when no whole answer came.
    async fn ask(&self, request: reqwest::RequestBuilder) -> Option<TokenAnswer> {
        let sent = Instant::now();
        let Ok(answer) = request.send().await else { return self.lost().await };
        let (status, headers) = (answer.status(), answer.headers().clone());
        let Ok(bytes) = answer.bytes().await else { return self.lost().await };
        evidence::answer(status, &bytes);
        if self.is_away(status, &headers) {
            let waited = u64::try_from(sent.elapsed().as_millis()).unwrap();
            self.longest_wait.fetch_max(waited, Ordering::Relaxed);
            return self.lost().await;
        }
        self.answered.fetch_add(1, Ordering::Relaxed);
        Some(TokenAnswer { status, headers, body: serde_json::from_slice(&bytes).unwrap_or_default() })
    }

    async fn lost<T>(&self) -> Option<T> {
        self.unanswered.fetch_add(1, Ordering::Relaxed);
        let pause = if self.is_fleet { 100 } else { 15 };
        tokio::time::sleep(Duration::from_millis(pause)).await;
        None
    }

    /// A tool call, repeated until it is answered: its status, and what it said.
    async fn whoami(&self, token: &str) -> (u16, String) {
        let mcp = Mcp::without_handshake(&self.mcp, Era::Modern, token);
        let call = json!({
            "jsonrpc": "2.0", "id": 1, "method": "tools/call",
            "params": {"name": "whoami", "arguments": {}, "_meta": {
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientInfo": {"name": "raw", "version": "1"},
                "io.modelcontextprotocol/clientCapabilities": {},
            }},
        });
        loop {
            let Ok(answer) = mcp.post(&call).send().await else {
                self.lost::<()>().await;
                continue;
            };
            let answer = Answer::read(answer).await;
            let half = answer.status == 200 && answer.body.is_null();
            if half || self.is_away(answer.status, &answer.headers) {
                self.lost::<()>().await;
                continue;
            }
            self.answered.fetch_add(1, Ordering::Relaxed);
            return (answer.status.as_u16(), answer.body.to_string().to_lowercase());
        }
    }
}

/// One grant, as its client knows it.
pub(crate) struct Grant {
    client: String,
    account: &'static str,
    code: String,
    verifier: String,
    /// The refresh token that was received last.
    refresh: String,
    /// Every refresh token that was used, in order, with its one successor.
    successors: BTreeMap<String, String>,
    used: Vec<String>,
    access: BTreeSet<String>,
    /// Whether the client ended it.
    ended: bool,
}

impl Grant {
    /// Sends a person to sign in, again and again until there is a code that was redeemed with an answer.
    async fn begin(site: &Site, client: &str, account: &'static str) -> Self {
        loop {
            let verifier = oauth::random();
            evidence::secret(Secret::Credential, &verifier);
            let Some(code) = sign_in(site, client, account, &verifier).await else {
                site.lost::<()>().await;
                continue;
            };
            let mut grant = Self {
                client: client.to_owned(),
                account,
                code,
                verifier,
                refresh: String::new(),
                successors: BTreeMap::new(),
                used: Vec::new(),
                access: BTreeSet::new(),
                ended: false,
            };
            if grant.redeem(site).await {
                return grant;
            }
        }
    }

    /// Redeems the code until there is an answer; sometimes from two processes at once. Whether it issued tokens.
    async fn redeem(&mut self, site: &Site) -> bool {
        let mut may_be_used = false;
        loop {
            let answers = if below(4) == 0 {
                let (one, other) = tokio::join!(self.try_redeem(site), self.try_redeem(site));
                vec![one, other]
            } else {
                vec![self.try_redeem(site).await]
            };
            let racing = answers.len() > 1;
            let (lost, answers): (Vec<_>, Vec<_>) = answers.into_iter().partition(Option::is_none);
            let answers: Vec<_> = answers.into_iter().flatten().collect();
            let issued: Vec<_> = answers.iter().filter(|answer| answer.status == 200).collect();
            assert!(issued.len() <= 1, "a code was redeemed twice");
            for answer in answers.iter().filter(|answer| answer.status != 200) {
                // After a request without an answer, or beside another one, the code may be used up.
                let right = (may_be_used || racing) && answer.error() == "invalid_grant";
                assert!(right, "a code was lost: {} {}", answer.status, answer.body);
            }
            if let Some(answer) = issued.first() {
                assert!(!racing || answers.len() + lost.len() == 2);
                self.received(answer);
                // The loser may have come so late that it was a replay, which ends the grant; ask before relying on it.
                if racing && self.was_replayed(site).await {
                    return false;
                }
                return true;
            }
            if !answers.is_empty() && lost.is_empty() {
                return false;
            }
            may_be_used |= !lost.is_empty() || racing;
        }
    }

    async fn try_redeem(&self, site: &Site) -> Option<TokenAnswer> {
        let form = [
            ("grant_type", "authorization_code"),
            ("code", self.code.as_str()),
            ("code_verifier", &self.verifier),
            ("redirect_uri", REDIRECT),
            ("client_id", &self.client),
        ];
        site.post("/token", &form).await
    }

    /// Whether the second of two redemptions ended the grant; then it ended it for good.
    async fn was_replayed(&self, site: &Site) -> bool {
        let access = self.access.first().unwrap();
        if site.whoami(access).await.0 == 200 {
            return false;
        }
        assert_eq!(self.answer_to(site, &self.refresh).await.error(), "invalid_grant");
        true
    }

    fn received(&mut self, answer: &TokenAnswer) {
        let tokens = answer.tokens();
        evidence::secret(Secret::Credential, &tokens.access);
        evidence::secret(Secret::Credential, &tokens.refresh);
        self.access.insert(tokens.access);
        self.refresh = tokens.refresh;
    }

    /// Refreshes from `processes` processes at once, and again until there is an answer.
    async fn refresh(&mut self, site: &Site, processes: usize) {
        let presented = self.refresh.clone();
        loop {
            let tries = (0..processes).map(|_| self.try_refresh(site, &presented));
            let answers: Vec<_> = futures_util::future::join_all(tries).await.into_iter().flatten().collect();
            for answer in &answers {
                self.agrees(&presented, answer);
            }
            if let Some(answer) = answers.last() {
                self.received(answer);
                self.used.push(presented);
                return;
            }
        }
    }

    /// Presents the token before the last once more, as a process does whose answer came late: it gets what the first one got.
    async fn refresh_again(&mut self, site: &Site) {
        let Some(previous) = self.used.last().cloned() else { return };
        let answer = self.answer_to(site, &previous).await;
        self.agrees(&previous, &answer);
        self.received(&answer);
    }

    fn agrees(&mut self, presented: &str, answer: &TokenAnswer) {
        assert_eq!(answer.status, 200, "a client is stranded: {}", answer.body);
        let successor = answer.tokens().refresh;
        let known = self.successors.entry(presented.to_owned()).or_insert_with(|| successor.clone());
        assert_eq!(*known, successor, "a refresh token has two successors");
    }

    async fn try_refresh(&self, site: &Site, token: &str) -> Option<TokenAnswer> {
        let form = [("grant_type", "refresh_token"), ("refresh_token", token), ("client_id", &self.client)];
        site.post("/token", &form).await
    }

    async fn answer_to(&self, site: &Site, token: &str) -> TokenAnswer {
        loop {
            if let Some(answer) = self.try_refresh(site, token).await {
                return answer;
            }
        }
    }

    /// Calls with any token that was ever received: none has ended yet.
    async fn call(&self, site: &Site) {
        let number = random_below(self.access.len());
        let (status, said) = site.whoami(self.access.iter().nth(number).unwrap()).await;
        assert_eq!(status, 200, "a token was lost: {said}");
        assert!(said.contains(&self.account.to_lowercase()), "somebody else: {said}");
    }

    async fn revoke(&mut self, site: &Site) {
        self.ended = true;
        let token = if below(2) == 0 { &self.refresh } else { self.access.first().unwrap() };
        let form = [("token", token.as_str()), ("client_id", &self.client)];
        let answer = loop {
            if let Some(answer) = site.post("/revoke", &form).await {
                break answer;
            }
        };
        assert_eq!(answer.status, 200, "{}", answer.body);
        self.is_over(site).await;
        if site.is_fleet {
            tokio::time::sleep(Duration::from_secs(1)).await;
            for access in &self.access {
                assert_eq!(site.whoami(access).await.0, 401, "a revoked token is accepted after its second");
            }
        }
    }

    async fn replay_code(&mut self, site: &Site) {
        self.ended = true;
        while let answer = self.try_redeem(site).await
            && answer.as_ref().is_none_or(|answer| answer.error() != "invalid_grant")
        {
            assert!(answer.is_none_or(|answer| answer.status != 200), "a code was redeemed twice");
        }
        self.is_over(site).await;
    }

    /// Presents a token whose successor was used, with an answer.
    async fn replay_refresh(&mut self, site: &Site) {
        let Some(at) = self.used.len().checked_sub(2) else { return };
        self.ended = true;
        let answer = self.answer_to(site, &self.used[at]).await;
        assert_eq!(answer.error(), "invalid_grant", "a used refresh token was accepted: {}", answer.body);
        self.is_over(site).await;
    }

    async fn is_over(&self, site: &Site) {
        assert_eq!(self.answer_to(site, &self.refresh).await.error(), "invalid_grant", "it was ended");
    }

    async fn still_holds(&self, site: &Site) {
        for access in &self.access {
            let (status, said) = site.whoami(access).await;
            if self.ended {
                assert_eq!(status, 401, "what was ended is good again: {said}");
            } else {
                assert_eq!(status, 200, "a token was lost: {said}");
                assert!(said.contains(&self.account.to_lowercase()), "somebody else: {said}");
            }
        }
        let answer = self.answer_to(site, &self.refresh).await;
        if self.ended {
            assert_eq!(answer.error(), "invalid_grant");
        } else {
            assert_eq!(answer.status, 200, "a client is stranded: {}", answer.body);
        }
    }
}

/// One attempt of a person to sign in; `None` when an answer was lost, and they have to begin again.
async fn sign_in(site: &Site, client: &str, account: &str, verifier: &str) -> Option<String> {
    let state = oauth::random();
    let browser = FormBrowser::new();
    let page = browser.try_open_only(&site.authorize_url(client, verifier, &state)).await?;
    let page = follow(site, &browser, page).await?;
    let page = press(site, &browser, &page, "Continue").await?;
    let page = press(site, &browser, &page, account).await?;
    let back = page.leads_to().unwrap_or_else(|| panic!("a sign-in ended at {}: {}", page.url, page.text()));
    let pairs: BTreeMap<String, String> = back.query_pairs().into_owned().collect();
    assert_eq!(pairs.get("state"), Some(&state), "{back}");
    let code = pairs.get("code").unwrap_or_else(|| panic!("no code in {back}")).clone();
    evidence::secret(Secret::Credential, &code);
    Some(code)
}

async fn press(site: &Site, browser: &FormBrowser, page: &Page, label: &str) -> Option<Page> {
    let page = browser.try_send_only(page, &page.form(label)).await?;
    follow(site, browser, page).await
}

/// Goes where pages lead, up to the client's own address.
async fn follow(site: &Site, browser: &FormBrowser, mut page: Page) -> Option<Page> {
    while let Some(next) = page.leads_to().filter(|next| !next.as_str().starts_with(REDIRECT)) {
        page = browser.try_open_only(next.as_str()).await?;
    }
    (!site.is_away(page.status, &page.headers)).then_some(page)
}

/// A random number below `limit`.
pub(crate) fn below(limit: u64) -> u64 {
    let mut bytes = [0; 8];
    aws_lc_rs::rand::fill(&mut bytes).unwrap();
    u64::from_le_bytes(bytes) % limit
}

/// A random number below `limit`, to count with.
fn random_below(limit: usize) -> usize {
    usize::try_from(below(u64::try_from(limit).unwrap())).unwrap()
}

/// Nobody listens there: the browser stops in front of it.
const REDIRECT: &str = "http://127.0.0.1:1/callback";
