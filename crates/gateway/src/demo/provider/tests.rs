use axum::body::Body;
use axum::response::Response;
use coatroom::clock::ManualClock;
use coatroom::entropy::SeededEntropy;
use coatroom::protocol::words::{Timestamp, sha256};
use http::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, LOCATION, SET_COOKIE};
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::*;
use crate::demo::CLIENT_ID;

const VERIFIER: &str = "a-verifier-of-at-least-forty-three-characters";

/// A provider in a data folder that can be reopened.
struct Site {
    folder: tempfile::TempDir,
    clock: Arc<ManualClock>,
    provider: Arc<Provider>,
}

impl Site {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at(Timestamp::from_unix(1_000_000)));
        let provider = open(&folder, &clock);
        Self { folder, clock, provider }
    }

    fn restart(&mut self) {
        self.provider = open(&self.folder, &self.clock);
    }

    async fn send(&self, request: Request<Body>) -> Response {
        routes(Arc::clone(&self.provider)).oneshot(request).await.unwrap()
    }

    /// Asks for the sign-in page with these extra parameters.
    async fn ask(&self, extra: &str, cookie: Option<&str>) -> Response {
        let uri = format!("/demo-provider/authorize?{}{extra}", self.query());
        let mut request = Request::get(uri);
        if let Some(cookie) = cookie {
            request = request.header(COOKIE, cookie);
        }
        self.send(request.body(Body::empty()).unwrap()).await
    }

    fn query(&self) -> String {
        let challenge = base64url(&sha256(VERIFIER.as_bytes()));
        let redirect_uri = &self.provider.redirect_uri;
        format!(
            "client_id={CLIENT_ID}&redirect_uri={redirect_uri}&response_type=code&state=st\
             &code_challenge={challenge}&code_challenge_method=S256"
        )
    }

    /// Presses a button of the sign-in page.
    async fn press(&self, account: &str, scope: &str) -> Response {
        let form = format!("{}&scope={scope}&account={account}", self.query());
        let request = Request::post("/demo-provider/sign-in").header("sec-fetch-site", "same-origin");
        self.send(request.body(Body::from(form)).unwrap()).await
    }

    async fn code(&self, account: &str, scope: &str) -> String {
        let response = self.press(account, scope).await;
        assert_eq!(response.status(), StatusCode::SEE_OTHER);
        param(&response, "code").unwrap()
    }

    async fn token(&self, form: &str) -> (StatusCode, Value) {
        let secret = self.provider.client_secret();
        self.token_as(&format!("{form}&client_id={CLIENT_ID}&client_secret={}", secret.expose()), None).await
    }

    async fn token_as(&self, form: &str, basic: Option<&str>) -> (StatusCode, Value) {
        let mut request = Request::post("/demo-provider/token")
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded; charset=utf-8");
        if let Some(basic) = basic {
            request = request.header(AUTHORIZATION, format!("Basic {basic}"));
        }
        json_of(self.send(request.body(Body::from(form.to_owned())).unwrap()).await).await
    }

    async fn redeem(&self, code: &str, verifier: &str) -> (StatusCode, Value) {
        let redirect_uri = &self.provider.redirect_uri;
        let form = format!("grant_type=authorization_code&code={code}&redirect_uri={redirect_uri}");
        self.token(&format!("{form}&code_verifier={verifier}")).await
    }

    async fn refresh(&self, tokens: &Value) -> (StatusCode, Value) {
        let token = tokens["refresh_token"].as_str().unwrap();
        self.token(&format!("grant_type=refresh_token&refresh_token={token}")).await
    }

    async fn revoke(&self, token: &str) -> StatusCode {
        let secret = self.provider.client_secret();
        let form = format!("token={token}&client_id={CLIENT_ID}&client_secret={}", secret.expose());
        let request =
            Request::post("/demo-provider/revoke").header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.send(request.body(Body::from(form)).unwrap()).await.status()
    }

    /// Signs in and redeems the code.
    async fn sign_in(&self, account: &str, scope: &str) -> Value {
        let code = self.code(account, scope).await;
        let (status, tokens) = self.redeem(&code, VERIFIER).await;
        assert_eq!(status, StatusCode::OK, "{tokens}");
        tokens
    }

    async fn get(&self, tokens: &Value, path: &str) -> (StatusCode, Value) {
        let request = Request::get(format!("/demo-provider{path}")).header(AUTHORIZATION, bearer(tokens));
        json_of(self.send(request.body(Body::empty()).unwrap()).await).await
    }

    async fn open_issue(&self, tokens: &Value, repo: &str, issue: &Value) -> (StatusCode, Value) {
        let request = Request::post(format!("/demo-provider/api/repos/{repo}/issues"))
            .header(AUTHORIZATION, bearer(tokens));
        json_of(self.send(request.body(Body::from(issue.to_string())).unwrap()).await).await
    }
}

fn open(folder: &tempfile::TempDir, clock: &Arc<ManualClock>) -> Arc<Provider> {
    let clock: Arc<dyn Clock> = clock.clone();
    let sources = Sources { clock, entropy: Arc::new(SeededEntropy::new(1)) };
    let origin = Issuer::parse("http://localhost:8787").unwrap();
    Provider::open(folder.path(), origin, Provider::ACCESS_TOKEN_LIFE, sources).unwrap()
}

fn bearer(tokens: &Value) -> String {
    format!("Bearer {}", tokens["access_token"].as_str().unwrap())
}

async fn text_of(response: Response) -> String {
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

async fn json_of(response: Response) -> (StatusCode, Value) {
    let status = response.status();
    (status, serde_json::from_str(&text_of(response).await).unwrap_or_default())
}

/// A parameter of the address that the browser is sent to.
fn param(response: &Response, name: &str) -> Option<String> {
    let location = url::Url::parse(response.headers().get(LOCATION)?.to_str().unwrap()).unwrap();
    assert_eq!(location.as_str().split('?').next(), Some("http://localhost:8787/callback/demo"));
    location.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

#[tokio::test]
async fn the_page_offers_both_accounts_and_no_script() {
    let site = Site::new();
    let response = site.ask("&scope=repos:read+repos:write", None).await;
    assert_eq!(response.status(), StatusCode::OK);
    let policy = response.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.contains("default-src 'none'") && policy.contains("form-action 'self'"));
    let page = text_of(response).await;
    for words in
        ["Sign in as Alice", "Sign in as Bob", "See your repositories", "Open issues in your repositories"]
    {
        assert!(page.contains(words), "{words}");
    }
    assert!(!page.contains("<script") && !page.contains("style="));
}

#[tokio::test]
async fn a_request_of_a_stranger_gets_a_page_and_other_errors_are_redirected() {
    let site = Site::new();
    let stranger =
        Request::get("/demo-provider/authorize?client_id=%3Cb%3E&redirect_uri=https://evil.example");
    let response = site.send(stranger.body(Body::empty()).unwrap()).await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    assert!(!response.headers().contains_key(LOCATION));

    let response = site.ask("&scope=admin", None).await;
    assert_eq!(response.status(), StatusCode::FOUND);
    assert_eq!(param(&response, "error").as_deref(), Some("invalid_scope"));
    assert_eq!(param(&response, "state").as_deref(), Some("st"));
}

#[tokio::test]
async fn what_the_client_sent_is_escaped_on_the_page() {
    let site = Site::new();
    let query = site.query().replace("state=st", "state=%22%3E%3Cscript%3E");
    let request = Request::get(format!("/demo-provider/authorize?{query}"));
    let page = text_of(site.send(request.body(Body::empty()).unwrap()).await).await;
    assert!(!page.contains("<script"), "{page}");
}

#[tokio::test]
async fn a_form_from_elsewhere_is_refused() {
    let site = Site::new();
    let form = format!("{}&account=alice", site.query());
    let foreign = [
        Request::post("/demo-provider/sign-in").header("sec-fetch-site", "cross-site"),
        Request::post("/demo-provider/sign-in").header("origin", "https://evil.example"),
        Request::post("/demo-provider/sign-in"),
    ];
    for request in foreign {
        let response = site.send(request.body(Body::from(form.clone())).unwrap()).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST);
        assert!(!response.headers().contains_key(SET_COOKIE));
    }
    let ours = Request::post("/demo-provider/sign-in").header("origin", "http://localhost:8787");
    let response = site.send(ours.body(Body::from(form)).unwrap()).await;
    assert_eq!(response.status(), StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn cancelling_tells_the_client() {
    let response = Site::new().press("", "repos:read").await;
    assert_eq!(param(&response, "error").as_deref(), Some("access_denied"));
}

#[tokio::test]
async fn the_browser_is_remembered_and_prompts_are_obeyed() {
    let mut site = Site::new();
    let silent = site.ask("&prompt=none", None).await;
    assert_eq!(param(&silent, "error").as_deref(), Some("login_required"));

    let response = site.press("alice", "repos:read").await;
    let cookie = response.headers()[SET_COOKIE].to_str().unwrap().split(';').next().unwrap().to_owned();
    site.restart();
    let page = text_of(site.ask("", Some(&cookie)).await).await;
    assert!(page.contains("Continue as Alice") && page.contains("Use the other account"));
    for prompt in ["login", "select_account"] {
        let page = text_of(site.ask(&format!("&prompt={prompt}"), Some(&cookie)).await).await;
        assert!(page.contains("Sign in as Bob"), "{prompt}");
    }
    let silent = site.ask("&prompt=none", Some(&cookie)).await;
    let (status, _) = site.redeem(&param(&silent, "code").unwrap(), VERIFIER).await;
    assert_eq!(status, StatusCode::OK);

    site.clock.advance(Duration::from_hours(30 * 24));
    let silent = site.ask("&prompt=none", Some(&cookie)).await;
    assert_eq!(param(&silent, "error").as_deref(), Some("login_required"));
}

#[tokio::test]
async fn a_code_is_good_once_with_its_verifier_and_its_replay_ends_the_sign_in() {
    let site = Site::new();
    let code = site.code("alice", "repos:read").await;
    let (status, error) = site.redeem(&code, "another-verifier").await;
    assert_eq!((status, &error["error"]), (StatusCode::BAD_REQUEST, &json!("invalid_grant")));
    let (status, tokens) = site.redeem(&code, VERIFIER).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!((&tokens["token_type"], &tokens["expires_in"]), (&json!("Bearer"), &json!(3600)));
    assert_eq!(tokens["scope"], "repos:read");
    assert_eq!(site.get(&tokens, "/user").await.0, StatusCode::OK);

    assert_eq!(site.redeem(&code, "another-verifier").await.1["error"], "invalid_grant");
    assert_eq!(site.get(&tokens, "/user").await.0, StatusCode::OK, "a wrong verifier changes nothing");
    for _ in 0..2 {
        assert_eq!(site.redeem(&code, VERIFIER).await.1["error"], "invalid_grant");
        assert_eq!(site.get(&tokens, "/user").await.0, StatusCode::UNAUTHORIZED);
    }
}

#[tokio::test]
async fn a_code_survives_a_restart() {
    let mut site = Site::new();
    let code = site.code("alice", "repos:read").await;
    site.restart();
    assert_eq!(site.redeem(&code, "another-verifier").await.1["error"], "invalid_grant");
    let (status, tokens) = site.redeem(&code, VERIFIER).await;
    assert_eq!((status, &tokens["scope"]), (StatusCode::OK, &json!("repos:read")));
    assert_eq!(site.get(&tokens, "/user").await.1["login"], "alice");

    site.restart();
    assert_eq!(site.redeem(&code, VERIFIER).await.1["error"], "invalid_grant", "nor is it good twice");
    assert_eq!(site.get(&tokens, "/user").await.0, StatusCode::UNAUTHORIZED);
    site.restart();
    assert_eq!(site.redeem(&code, VERIFIER).await.1["error"], "invalid_grant");
}

#[tokio::test]
async fn a_code_is_bound_to_its_redirect_uri() {
    let site = Site::new();
    let code = site.code("alice", "repos:read").await;
    let form = format!("grant_type=authorization_code&code={code}&code_verifier={VERIFIER}");
    let elsewhere = format!("{form}&redirect_uri=http://localhost:8787/callback/other");
    assert_eq!(site.token(&elsewhere).await.1["error"], "invalid_grant");
    assert_eq!(site.redeem(&code, VERIFIER).await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_revoked_sign_in_does_not_come_back_by_its_code() {
    let site = Site::new();
    let code = site.code("alice", "repos:read").await;
    let (_, tokens) = site.redeem(&code, VERIFIER).await;
    assert_eq!(site.revoke(tokens["refresh_token"].as_str().unwrap()).await, StatusCode::OK);
    assert_eq!(site.redeem(&code, VERIFIER).await.1["error"], "invalid_grant");
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_in_json() {
    let (status, error) = Site::new().token(&"x".repeat(MOST_BODY_BYTES)).await;
    assert_eq!((status, &error["error"]), (StatusCode::PAYLOAD_TOO_LARGE, &json!("invalid_request")));
}

#[tokio::test]
async fn a_code_ends_after_a_minute_and_an_access_token_after_an_hour() {
    let site = Site::new();
    let code = site.code("alice", "repos:read").await;
    let tokens = site.sign_in("alice", "repos:read").await;
    site.clock.advance(Duration::from_mins(1));
    assert_eq!(site.redeem(&code, VERIFIER).await.1["error"], "invalid_grant");
    site.clock.advance(Duration::from_secs(3539));
    assert_eq!(site.get(&tokens, "/user").await.0, StatusCode::OK);
    site.clock.advance(Duration::from_secs(1));
    let (status, error) = site.get(&tokens, "/user").await;
    assert_eq!((status, &error["error"]), (StatusCode::UNAUTHORIZED, &json!("invalid_token")));
    let (_, renewed) = site.refresh(&tokens).await;
    assert_eq!(site.get(&renewed, "/user").await.0, StatusCode::OK);
}

#[tokio::test]
async fn only_the_gateway_gets_tokens_by_header_or_by_body() {
    let site = Site::new();
    let code = site.code("alice", "repos:read").await;
    let secret = site.provider.client_secret();
    let form = format!(
        "grant_type=authorization_code&code={code}&redirect_uri={}&code_verifier={VERIFIER}",
        site.provider.redirect_uri
    );
    let encode = |pair: &str| {
        let text = base64url(pair.as_bytes()).replace('-', "+").replace('_', "/");
        let padding = "=".repeat(text.len().next_multiple_of(4) - text.len());
        format!("{text}{padding}")
    };
    let good = encode(&format!("{CLIENT_ID}:{}", secret.expose()));
    for wrong in [None, Some(encode(&format!("{CLIENT_ID}:guess"))), Some("%".to_owned())] {
        let (status, error) = site.token_as(&form, wrong.as_deref()).await;
        assert_eq!((status, &error["error"]), (StatusCode::UNAUTHORIZED, &json!("invalid_client")));
    }
    let both = format!("{form}&client_secret={}", secret.expose());
    assert_eq!(site.token_as(&both, Some(&good)).await.1["error"], "invalid_request");
    assert_eq!(site.token_as(&form, Some(&good)).await.0, StatusCode::OK);
}

#[tokio::test]
async fn malformed_requests_get_the_code_that_names_the_fault() {
    let site = Site::new();
    for (form, code) in [
        ("grant_type=password", "unsupported_grant_type"),
        ("x=y", "invalid_request"),
        ("grant_type=refresh_token", "invalid_request"),
        ("grant_type=refresh_token&refresh_token=a&refresh_token=b", "invalid_request"),
        ("grant_type=refresh_token&refresh_token=demo_rt_x.y", "invalid_grant"),
    ] {
        assert_eq!(site.token(form).await.1["error"], code, "{form}");
    }
    let request = Request::post("/demo-provider/token").header(CONTENT_TYPE, "application/json");
    let (_, error) = json_of(site.send(request.body(Body::from("{}")).unwrap()).await).await;
    assert_eq!(error["error"], "invalid_request");
}

#[tokio::test]
async fn refresh_tokens_rotate_and_a_second_use_ends_the_sign_in() {
    let site = Site::new();
    let first = site.sign_in("bob", "repos:read").await;
    let (_, second) = site.refresh(&first).await;
    assert_ne!(first["refresh_token"], second["refresh_token"]);
    assert_eq!(site.refresh(&first).await.1["error"], "invalid_grant");
    assert_eq!(site.refresh(&second).await.1["error"], "invalid_grant");
    assert_eq!(site.get(&second, "/user").await.0, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_refresh_may_narrow_the_scope_but_never_widen_it() {
    let site = Site::new();
    let tokens = site.sign_in("alice", "repos:read").await;
    let token = tokens["refresh_token"].as_str().unwrap();
    let form = format!("grant_type=refresh_token&refresh_token={token}&scope=");
    assert_eq!(site.token(&format!("{form}repos:write")).await.1["error"], "invalid_scope");
    let (status, narrowed) = site.token(&format!("{form}repos:read")).await;
    assert_eq!((status, &narrowed["scope"]), (StatusCode::OK, &json!("repos:read")));
}

#[tokio::test]
async fn everything_survives_a_restart() {
    let mut site = Site::new();
    let secret = site.provider.client_secret();
    let tokens = site.sign_in("alice", "repos:read+repos:write").await;
    site.open_issue(&tokens, "alice/diary", &json!({ "title": "Water the beans" })).await;
    site.restart();
    assert_eq!(secret.expose(), site.provider.client_secret().expose());
    let (_, repos) = site.get(&tokens, "/api/repos").await;
    let diary = repos.as_array().unwrap().iter().find(|repo| repo["name"] == "diary").unwrap();
    assert_eq!(diary["open_issues"], 1);
    let (status, renewed) = site.refresh(&tokens).await;
    assert_eq!(status, StatusCode::OK);
    site.restart();
    assert_eq!(site.get(&renewed, "/user").await.1["login"], "alice");
    assert_eq!(site.refresh(&tokens).await.1["error"], "invalid_grant", "a spent token stays spent");
}

#[tokio::test]
async fn revoking_either_token_ends_the_sign_in() {
    let site = Site::new();
    for kind in ["access_token", "refresh_token"] {
        let tokens = site.sign_in("alice", "repos:read").await;
        assert_eq!(site.revoke(tokens[kind].as_str().unwrap()).await, StatusCode::OK);
        assert_eq!(site.get(&tokens, "/user").await.0, StatusCode::UNAUTHORIZED);
        assert_eq!(site.refresh(&tokens).await.1["error"], "invalid_grant");
    }
}

#[tokio::test]
async fn each_token_shows_its_own_account_and_nothing_of_the_other() {
    let site = Site::new();
    let alice = site.sign_in("alice", "repos:read").await;
    let bob = site.sign_in("bob", "repos:read").await;
    for (tokens, mine, theirs) in [(&alice, "alice", "bob"), (&bob, "bob", "alice")] {
        let (_, user) = site.get(tokens, "/user").await;
        assert_eq!(user["login"], mine);
        assert!(user["id"].is_number() && user["avatar"].is_null());
        let (_, repos) = site.get(tokens, "/api/repos").await;
        assert_eq!(repos.as_array().unwrap().len(), 4);
        assert!(!repos.to_string().contains(theirs));
    }
    let (_, private) = site.get(&alice, "/api/repos?visibility=private").await;
    let names: Vec<_> = private.as_array().unwrap().iter().map(|repo| repo["full_name"].clone()).collect();
    assert_eq!(names, ["alice/greenhouse-sensors", "alice/diary"]);
    assert_eq!(site.get(&alice, "/api/repos?visibility=secret").await.0, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn issues_are_opened_in_ones_own_repositories_only() {
    let site = Site::new();
    let alice = site.sign_in("alice", "repos:read+repos:write").await;
    let issue = json!({ "title": "  Water the beans ", "body": "Twice." });
    let (status, opened) = site.open_issue(&alice, "alice/diary", &issue).await;
    assert_eq!(status, StatusCode::CREATED);
    assert_eq!((&opened["number"], &opened["title"]), (&json!(1), &json!("Water the beans")));
    assert_eq!(opened["author"], "alice");
    assert_eq!(site.open_issue(&alice, "bob/invoices", &issue).await.0, StatusCode::FORBIDDEN);
    assert_eq!(site.open_issue(&alice, "bob/wheel-truing", &issue).await.0, StatusCode::FORBIDDEN);
    assert_eq!(site.open_issue(&alice, "alice/invoices", &issue).await.0, StatusCode::NOT_FOUND);
    for title in ["", " ", "two\nlines", &"x".repeat(201)] {
        let (status, _) = site.open_issue(&alice, "alice/diary", &json!({ "title": title })).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{title:?}");
    }
    let long = json!({ "title": "t", "body": "x".repeat(4_001) });
    assert_eq!(site.open_issue(&alice, "alice/diary", &long).await.0, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(site.open_issue(&alice, "alice/diary", &json!([])).await.0, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_token_does_what_its_scopes_allow() {
    let site = Site::new();
    let reader = site.sign_in("alice", "repos:read").await;
    let (status, error) = site.open_issue(&reader, "alice/diary", &json!({ "title": "t" })).await;
    assert_eq!((status, &error["error"]), (StatusCode::FORBIDDEN, &json!("insufficient_scope")));
    let writer = site.sign_in("alice", "repos:write").await;
    assert_eq!(site.get(&writer, "/api/repos").await.0, StatusCode::OK, "writing implies reading");
    let request = Request::get("/demo-provider/api/repos").body(Body::empty()).unwrap();
    let response = site.send(request).await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(response.headers()["www-authenticate"], "Bearer");
}
