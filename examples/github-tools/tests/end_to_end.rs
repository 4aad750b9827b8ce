//! The built program from outside: two people, each by an MCP client and on the web, at a GitHub that is only pretended.

// Always true here; it tells clippy that the helpers of tests are tests too.
#![cfg(test)]

use std::fs;
use std::time::Duration;

use coatroom_e2e::oauth::{challenge_parameter, http};
use coatroom_e2e::{Answer, Era, FormBrowser, Mcp, OAuthClient, Page, Program};
use futures_util::future::join_all;
use pretend_github::{GitHub, GitHubApp};
use reqwest::RequestBuilder;
use serde_json::{Value, json};

const ALICES: [&str; 4] = ["garden-planner", "seed-catalog", "greenhouse-sensors", "diary"];
const BOBS: [&str; 4] = ["bike-workshop", "wheel-truing", "invoices", "race-team"];

struct World {
    program: Program,
    github: GitHub,
}

impl World {
    async fn start() -> Self {
        Self::start_with(3600).await
    }

    async fn start_with(access_token_seconds: u64) -> Self {
        let github = GitHub::start(GitHubApp::OAuth).await.unwrap();
        let mut program = Program::new(env!("CARGO_BIN_EXE_github-tools"), github.variables());
        program.set("ACCESS_TOKEN_SECONDS", Some(&access_token_seconds.to_string()));
        // At its most talkative: no secret may be in what it says.
        program.set("COATROOM_LOG", Some("trace"));
        program.start().await;
        Self { program, github }
    }

    fn origin(&self) -> String {
        self.program.origin()
    }

    fn mcp(&self) -> String {
        self.program.mcp_url()
    }

    /// Signs in on the web; returns the session cookie as the browser has it then.
    async fn sign_in(&self, browser: &FormBrowser, account: &str) -> String {
        let back = self.come_back(browser, account).await;
        let end = browser.open_only(back.url.as_str()).await;
        assert_eq!((end.status.as_u16(), end.leads_to().unwrap().path()), (303, "/"), "{}", end.html);
        let home = browser.open(&self.origin()).await;
        assert!(home.html.contains("Sign out"), "{}", home.html);
        cookie(&end, "__Host-session").unwrap()
    }

    /// The web's sign-in up to the address that finishes it, which is not opened.
    async fn come_back(&self, browser: &FormBrowser, account: &str) -> Page {
        let home = browser.open(&self.origin()).await;
        let consent = browser.press(&home, "Sign in").await;
        for words in ["Example web app", "See your repositories", "Open issues in your repositories"] {
            assert!(consent.text().contains(words), "{}", consent.text());
        }
        let provider = browser.press(&consent, "Continue").await;
        let mut page = browser.send_only(&provider, provider.form(account)).await;
        loop {
            let next =
                page.leads_to().unwrap_or_else(|| panic!("the way ends at {}: {}", page.url, page.html));
            if next.path() == "/signed-in" {
                return Page { url: next, ..page };
            }
            page = browser.open_only(next.as_str()).await;
        }
    }

    /// A call as the script of the page makes it, without the headers that a browser adds.
    fn call(&self, tool: &str, arguments: &Value) -> RequestBuilder {
        let meta = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": { "name": "page", "version": "1" },
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        let params = json!({ "name": tool, "arguments": arguments, "_meta": meta });
        http()
            .post(self.mcp())
            .header("accept", "application/json, text/event-stream")
            .header("mcp-protocol-version", "2026-07-28")
            .header("mcp-method", "tools/call")
            .header("mcp-name", tool)
            .json(&json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params }))
    }

    /// A call from the page of whoever has this cookie.
    async fn call_from_page(&self, cookie: &str, tool: &str, arguments: Value) -> Answer {
        let request = self.call(tool, &arguments).header("cookie", cookie).header("origin", self.origin());
        Answer::read(request.send().await.unwrap()).await
    }

    async fn repos_on_page(&self, cookie: &str) -> Answer {
        self.call_from_page(cookie, "get-my-repos", json!({})).await
    }
}

/// A cookie that an answer sets, as a browser sends it back. `None` too when the answer ends it.
fn cookie(page: &Page, name: &str) -> Option<String> {
    set_cookies(&page.headers, name).into_iter().find(|set| !set.contains("Max-Age=0")).map(|set| {
        let pair = set.split(';').next().unwrap_or_default();
        for attribute in ["HttpOnly", "Secure", "SameSite=Lax", "Path=/"] {
            assert!(set.contains(attribute), "{set}");
        }
        assert!(!set.contains("Domain") && set.len() < 4096, "{set}");
        pair.to_owned()
    })
}

fn set_cookies(headers: &reqwest::header::HeaderMap, name: &str) -> Vec<String> {
    let all = headers.get_all("set-cookie").iter().map(|set| set.to_str().unwrap().to_owned());
    all.filter(|set| set.starts_with(&format!("{name}="))).collect()
}

/// The repositories of an answer are these, and none of those.
fn assert_repos(answer: &Answer, own: &[&str], others: &[&str]) {
    let text = answer.text();
    assert!(own.iter().all(|repo| text.contains(repo)), "{text}");
    assert!(!others.iter().any(|repo| text.contains(repo)), "{text}");
}

fn assert_signed_out(answer: &Answer) {
    assert_eq!(answer.status, 401, "{}", answer.body);
    assert!(challenge_parameter(&answer.headers, "resource_metadata").is_some(), "{:?}", answer.headers);
    let [ended] = set_cookies(&answer.headers, "__Host-session").try_into().unwrap();
    assert!(ended.starts_with("__Host-session=;") && ended.contains("Max-Age=0"), "{ended}");
}

#[tokio::test]
async fn two_people_at_once_by_clients_and_on_the_web_see_and_do_only_what_is_theirs() {
    let world = World::start().await;
    let by_client = async |account: &str| {
        let client = OAuthClient::connect(&world.mcp()).await;
        client.sign_in_for(account, Some("repos:read issues:write")).await
    };
    let (alice, bob) = tokio::join!(by_client("Alice"), by_client("Bob"));
    let browsers = (FormBrowser::new(), FormBrowser::new());
    let (alices_cookie, bobs_cookie) =
        tokio::join!(world.sign_in(&browsers.0, "Alice"), world.sign_in(&browsers.1, "Bob"));

    let people = [(alice, alices_cookie, ALICES, BOBS), (bob, bobs_cookie, BOBS, ALICES)];
    let mut calls = Vec::new();
    for round in 0..20 {
        let era = if round % 2 == 0 { Era::Modern } else { Era::Legacy };
        for (tokens, cookie, own, others) in &people {
            let world = &world;
            calls.push(async move {
                let mcp = Mcp::connect(&world.mcp(), era, &tokens.access).await;
                assert_repos(&mcp.call("get-my-repos", json!({})).await, own, others);
                assert_repos(&world.repos_on_page(cookie).await, own, others);
            });
        }
    }
    assert_eq!(join_all(calls).await.len(), 40);

    let private = json!({ "repo": "alice/diary", "title": "By a client" });
    for ((tokens, cookie, ..), worked) in people.iter().zip([true, false]) {
        let mcp = Mcp::without_handshake(&world.mcp(), Era::Modern, &tokens.access);
        let opened = mcp.call("create-issue", private.clone()).await;
        assert_eq!(opened.body["result"]["isError"] == true, !worked, "{}", opened.body);
        let on_page = json!({ "repo": "alice/diary", "title": "On the web", "body": "Hello" });
        let opened = world.call_from_page(cookie, "create-issue", on_page).await;
        assert_eq!(opened.body["result"]["isError"] == true, !worked, "{}", opened.body);
        assert!(worked || opened.text().contains("GitHub answered 404"), "{}", opened.text());
    }
    let issues = world.github.issues();
    let said: Vec<_> = issues.iter().map(|issue| (issue.author.as_str(), issue.title.as_str())).collect();
    assert_eq!(said, [("alice", "By a client"), ("alice", "On the web")]);

    let log = world.program.log();
    let tokens = people.iter().flat_map(|(tokens, ..)| [tokens.access.clone(), tokens.refresh.clone()]);
    let cookies = people.iter().map(|(_, cookie, ..)| cookie.split_once('=').unwrap().1.to_owned());
    for secret in tokens.chain(cookies).chain(world.github.secrets()) {
        assert!(!log.contains(&secret), "a secret in the log: {secret}");
    }
}

#[tokio::test]
async fn without_a_token_or_a_good_cookie_a_call_is_challenged() {
    let world = World::start().await;
    let stranger = Answer::read(world.call("get-my-repos", &json!({})).send().await.unwrap()).await;
    assert_eq!(stranger.status, 401);
    assert!(challenge_parameter(&stranger.headers, "resource_metadata").is_some());
    assert!(set_cookies(&stranger.headers, "__Host-session").is_empty());

    let browser = FormBrowser::new();
    let session = world.sign_in(&browser, "Alice").await;
    assert_repos(&world.repos_on_page(&session).await, &ALICES, &BOBS);
    let value = session.split_once('=').unwrap().1;
    let middle = value.len() / 2;
    let changed = if value.as_bytes()[middle] == b'A' { 'B' } else { 'A' };
    let tampered = format!("{}{changed}{}", &value[..middle], &value[middle + 1..]);
    let home = FormBrowser::new().open(&world.origin()).await;
    let begun = browser.send_only(&home, home.form("Sign in")).await;
    let of_sign_in = cookie(&begun, "__Host-sign-in").unwrap();
    let swapped = of_sign_in.split_once('=').unwrap().1;
    for bad in [tampered.as_str(), swapped, "", "x", &value[..value.len() - 4]] {
        assert_signed_out(&world.repos_on_page(&format!("__Host-session={bad}")).await);
    }
    assert_repos(&world.repos_on_page(&session).await, &ALICES, &BOBS);
}

#[tokio::test]
async fn the_cookie_counts_only_when_a_page_of_the_app_asks() {
    let world = World::start().await;
    let session = world.sign_in(&FormBrowser::new(), "Alice").await;
    let own = world.origin();
    let call = async |headers: &[(&str, &str)]| {
        let mut request = world.call("get-my-repos", &json!({})).header("cookie", &session);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.unwrap().status().as_u16()
    };
    for from_our_page in [
        &[("origin", own.as_str())][..],
        &[("sec-fetch-site", "same-origin")],
        &[("origin", &own), ("sec-fetch-site", "same-origin")],
    ] {
        assert_eq!(call(from_our_page).await, 200, "{from_our_page:?}");
    }
    for from_elsewhere in [
        &[][..],
        &[("origin", "https://evil.example")],
        &[("origin", "null")],
        // Another program of this machine: the browser sends it our cookies, and calls it the same site.
        &[("origin", "http://localhost:6274"), ("sec-fetch-site", "same-site")],
        &[("origin", "https://evil.example"), ("sec-fetch-site", "same-origin")],
        &[("origin", &own), ("origin", "https://evil.example")],
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "none")],
    ] {
        assert_eq!(call(from_elsewhere).await, 403, "{from_elsewhere:?}");
    }
    for path in ["/sign-in", "/sign-out"] {
        let foreign = http()
            .post(format!("{own}{path}"))
            .header("cookie", &session)
            .header("origin", "https://evil.example");
        assert_eq!(foreign.send().await.unwrap().status(), 403, "{path}");
    }
    assert_repos(&world.repos_on_page(&session).await, &ALICES, &BOBS);
}

#[tokio::test]
async fn whoever_signs_out_is_signed_out_of_every_copy_of_the_cookie() {
    let world = World::start().await;
    let browser = FormBrowser::new();
    let session = world.sign_in(&browser, "Alice").await;
    assert_repos(&world.repos_on_page(&session).await, &ALICES, &BOBS);
    let home = browser.open(&world.origin()).await;
    let after = browser.press(&home, "Sign out").await;
    assert!(after.html.contains("Sign in"), "{}", after.html);
    assert_signed_out(&world.repos_on_page(&session).await);

    // Who signs in where somebody else was signed in takes their place.
    let before = world.sign_in(&browser, "Alice").await;
    let home = browser.open(&world.origin()).await;
    assert!(home.html.contains("Sign out"), "{}", home.html);
    let mut sign_in = home.form("Sign out");
    sign_in.action = sign_in.action.join("/sign-in").unwrap();
    let consent = browser.send(&home, sign_in).await;
    let provider = browser.press(&consent, "Continue").await;
    browser.press(&provider, "Bob").await;
    assert_signed_out(&world.repos_on_page(&before).await);
}

#[tokio::test]
async fn a_session_outlives_the_program_and_its_access_token() {
    let mut world = World::start_with(2).await;
    let first = world.sign_in(&FormBrowser::new(), "Bob").await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    world.program.restart().await;

    // Two tabs at once with the same cookie: both are answered, and neither ends what the other got.
    let (one, two) = tokio::join!(world.repos_on_page(&first), world.repos_on_page(&first));
    let renewed = [one, two].map(|answer| {
        assert_repos(&answer, &BOBS, &ALICES);
        let [set] = set_cookies(&answer.headers, "__Host-session").try_into().unwrap();
        set.split(';').next().unwrap().to_owned()
    });
    for cookie in &renewed {
        assert_ne!(*cookie, first);
        assert_repos(&world.repos_on_page(cookie).await, &BOBS, &ALICES);
    }
}

#[tokio::test]
async fn a_client_that_may_only_read_is_told_what_to_ask_for() {
    let world = World::start().await;
    let client = OAuthClient::connect(&world.mcp()).await;
    let tokens = client.sign_in("Alice").await;
    assert_eq!(tokens.scope, "repos:read");
    let mcp = Mcp::connect(&world.mcp(), Era::Modern, &tokens.access).await;
    let tools = mcp.request("tools/list", json!({})).await.body.to_string();
    assert!(tools.contains("get-my-repos") && tools.contains("create-issue"), "{tools}");
    let issue = json!({ "repo": "alice/seed-catalog", "title": "More beans" });
    let refused = mcp.call("create-issue", issue.clone()).await;
    assert_eq!(refused.status, 403);
    assert_eq!(challenge_parameter(&refused.headers, "error").as_deref(), Some("insufficient_scope"));
    let scope = challenge_parameter(&refused.headers, "scope").unwrap();
    assert!(scope.contains("issues:write"), "{scope}");
    assert!(world.github.issues().is_empty());

    let tokens = client.sign_in_for("Alice", Some(&scope)).await;
    let mcp = Mcp::connect(&world.mcp(), Era::Legacy, &tokens.access).await;
    assert!(mcp.call("create-issue", issue).await.text().contains("alice/seed-catalog#1"));
    assert_repos(&mcp.call("get-my-repos", json!({})).await, &ALICES, &BOBS);
    let nowhere = json!({ "repo": "alice/../../user", "title": "x" });
    assert_eq!(mcp.call("create-issue", nowhere).await.body["result"]["isError"], true);
}

#[tokio::test]
async fn a_sign_in_is_finished_by_the_browser_that_began_it_and_once() {
    let world = World::start().await;
    let (attacker, victim) = (FormBrowser::new(), FormBrowser::new());
    // Login CSRF: the victim opens the end of the attacker's sign-in, having begun none or another.
    let end = world.come_back(&attacker, "Bob").await.url;
    let home = victim.open(&world.origin()).await;
    for _ in 0..2 {
        let fooled = victim.open_only(end.as_str()).await;
        assert_eq!(fooled.status, 400, "{}", fooled.html);
        assert_eq!(cookie(&fooled, "__Host-session"), None);
        victim.send_only(&home, home.form("Sign in")).await;
    }
    // The attempt took nothing from the attacker's own browser. What was changed on the way does not work there either.
    for (from, to) in
        [("state=", "state=x"), ("iss=", "iss=https%3A%2F%2Fevil.example&was="), ("code=", "code=a&code=")]
    {
        let browser = FormBrowser::new();
        let end = world.come_back(&browser, "Alice").await.url;
        let changed = browser.open_only(&end.as_str().replace(from, to)).await;
        assert_eq!(changed.status, 400, "{}", changed.html);
        assert_eq!(cookie(&changed, "__Host-session"), None);
        // A sign-in that failed is over.
        assert_eq!(browser.open_only(end.as_str()).await.status, 400);
    }
    let finished = attacker.open_only(end.as_str()).await;
    assert_eq!(finished.status, 303);
    assert!(cookie(&finished, "__Host-session").is_some());
    assert_eq!(attacker.open_only(end.as_str()).await.status, 400);
}

#[tokio::test]
async fn the_page_runs_its_own_script_alone_and_cannot_be_framed() {
    let world = World::start().await;
    let page = FormBrowser::new().open(&world.origin()).await;
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    for part in ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "form-action 'self'"] {
        assert!(policy.contains(part), "{policy}");
    }
    assert_eq!(page.headers["cache-control"], "no-store");
}

#[cfg(unix)]
#[tokio::test]
async fn the_keys_are_readable_by_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let world = World::start().await;
    for name in ["cookie.key", "keys.toml"] {
        let mode = fs::metadata(world.program.folder().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}
