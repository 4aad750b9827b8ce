//! What apps rely on at GitHub, asked over HTTP as apps do.

// Always true here; it tells clippy that the helpers of tests are tests too.
#![cfg(test)]

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use pretend_github::{CLIENT_ID, CLIENT_SECRET, GitHub, GitHubApp};
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use url::Url;

const CALLBACK: &str = "http://localhost:8787/callback/github";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

struct App {
    github: GitHub,
    http: Client,
}

impl App {
    async fn start() -> Self {
        let github = GitHub::start(GitHubApp::OAuth).await.unwrap();
        let http = Client::builder().redirect(Policy::none()).user_agent("test").build().unwrap();
        Self { github, http }
    }

    /// The address of the page, with a challenge for the verifier.
    fn authorize(&self, redirect_uri: &str) -> Url {
        let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, VERIFIER.as_bytes()));
        let mut url = Url::parse(&format!("{}/login/oauth/authorize", self.github.origin)).unwrap();
        url.query_pairs_mut()
            .append_pair("client_id", CLIENT_ID)
            .append_pair("redirect_uri", redirect_uri)
            .append_pair("state", "a\"><script>")
            .append_pair("code_challenge", &challenge)
            .append_pair("code_challenge_method", "S256");
        url
    }

    /// What the browser brings back when somebody presses their button.
    async fn press(&self, account: &str) -> Vec<(String, String)> {
        let form = [("account", account)];
        let answer = self.http.post(self.authorize(CALLBACK)).form(&form).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::SEE_OTHER);
        let back = Url::parse(answer.headers()["location"].to_str().unwrap()).unwrap();
        assert!(back.as_str().starts_with(CALLBACK), "{back}");
        back.query_pairs().into_owned().collect()
    }

    async fn redeem(&self, code: &str, verifier: &str) -> Value {
        let form = [
            ("client_id", CLIENT_ID),
            ("client_secret", CLIENT_SECRET),
            ("code", code),
            ("redirect_uri", CALLBACK),
            ("code_verifier", verifier),
        ];
        let url = format!("{}/login/oauth/access_token", self.github.origin);
        let request = self.http.post(url).header("accept", "application/json").form(&form);
        request.send().await.unwrap().json().await.unwrap()
    }

    async fn token(&self, account: &str) -> String {
        let back = self.press(account).await;
        let answer = self.redeem(value(&back, "code"), VERIFIER).await;
        answer["access_token"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
    }

    async fn repos(&self, token: &str) -> Vec<Value> {
        let url = format!("{}/user/repos?per_page=100", self.github.api_url());
        self.http.get(url).bearer_auth(token).send().await.unwrap().json().await.unwrap()
    }

    async fn open(&self, token: &str, repo: &str, issue: Value) -> (StatusCode, Value) {
        let url = format!("{}/repos/{repo}/issues", self.github.api_url());
        let answer = self.http.post(url).bearer_auth(token).json(&issue).send().await.unwrap();
        (answer.status(), answer.json().await.unwrap())
    }
}

fn value<'a>(pairs: &'a [(String, String)], name: &str) -> &'a str {
    pairs.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str()).unwrap()
}

#[tokio::test]
async fn each_person_has_public_and_private_repositories_of_their_own() {
    let app = App::start().await;
    for (account, other) in [("alice", "bob"), ("bob", "alice")] {
        let repos = app.repos(&app.token(account).await).await;
        assert_eq!(repos.len(), 4);
        assert_eq!(repos.iter().filter(|repo| repo["private"] == true).count(), 2);
        assert!(repos.iter().all(|repo| repo["owner"]["login"] == account));
        assert!(!json!(repos).to_string().contains(&format!("{other}/")));
    }
    let url = format!("{}/user/repos", app.github.api_url());
    let stranger = app.http.get(url).bearer_auth("gho_guessed").send().await.unwrap();
    assert_eq!(stranger.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn an_issue_is_opened_where_its_author_can_see_the_repository() {
    let app = App::start().await;
    let (alice, bob) = (app.token("alice").await, app.token("bob").await);
    let issue = json!({ "title": "Water the beans", "body": "Today." });
    for (token, repo, number) in
        [(&alice, "alice/diary", 1), (&alice, "alice/diary", 2), (&bob, "alice/seed-catalog", 1)]
    {
        let (status, opened) = app.open(token, repo, issue.clone()).await;
        assert_eq!(status, StatusCode::CREATED, "{opened}");
        assert_eq!((&opened["number"], &opened["title"]), (&json!(number), &json!("Water the beans")));
        assert_eq!(opened["html_url"], format!("{}/{repo}/issues/{number}", app.github.origin));
    }
    for hidden in ["alice/diary", "alice/nothing", "nobody/diary"] {
        assert_eq!(app.open(&bob, hidden, issue.clone()).await.0, StatusCode::NOT_FOUND, "{hidden}");
    }
    for untitled in [json!({}), json!({ "title": " " }), json!([])] {
        let (status, _) = app.open(&alice, "alice/diary", untitled).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    }
    let authors: Vec<String> = app.github.issues().into_iter().map(|issue| issue.author).collect();
    assert_eq!(authors, ["alice", "alice", "bob"]);
}

#[tokio::test]
async fn a_code_is_worth_nothing_without_the_verifier_of_its_challenge() {
    let app = App::start().await;
    for wrong in ["", "another-verifier-that-nobody-ever-hashed-at-all"] {
        let back = app.press("alice").await;
        assert_eq!(app.redeem(value(&back, "code"), wrong).await["error"], "bad_verification_code");
        assert_eq!(app.redeem(value(&back, "code"), VERIFIER).await["error"], "bad_verification_code");
    }
    assert!(app.token("alice").await.starts_with("gho_"));
}

#[tokio::test]
async fn whoever_cancels_goes_back_without_a_code() {
    let app = App::start().await;
    let back = app.press("").await;
    assert_eq!((value(&back, "error"), value(&back, "state")), ("access_denied", "a\"><script>"));
}

#[tokio::test]
async fn the_page_leads_back_to_this_machine_alone_and_shows_nothing_as_html() {
    let app = App::start().await;
    let page = app.http.get(app.authorize(CALLBACK)).send().await.unwrap();
    assert_eq!(page.status(), StatusCode::OK);
    let html = page.text().await.unwrap();
    assert!(html.contains("Authorize as Alice") && html.contains("Authorize as Bob"), "{html}");
    assert!(!html.contains("<script"), "{html}");
    for elsewhere in
        ["https://evil.example/callback", "http://localhost.evil.example/", "javascript:alert(1)", ""]
    {
        for request in [app.http.get(app.authorize(elsewhere)), app.http.post(app.authorize(elsewhere))] {
            let answer = request.send().await.unwrap();
            assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{elsewhere}");
        }
    }
}
