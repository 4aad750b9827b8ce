//! The engine against providers that misbehave: each quirk by name. OpenID is in `providers_openid`.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use coatroom::protocol::words::Timestamp;
use coatroom::providers::{
    Provider, ProviderConfigError, ProviderError, ProviderKind, RevokeOutcome, UpstreamAuthorization,
    UpstreamPrompt, UpstreamToken,
};
use serde_json::{Value, json as value};

use crate::providers_fake::{
    Behaviour, Fake, NOW, REDIRECT_URI, ask, has, json, query, renew, sign_in, sign_in_with_iss, with_type,
};

const GITHUB_TOKEN: &str = "/login/oauth/access_token";

/// A demo provider whose token endpoint behaves like this.
async fn demo(behaviour: Behaviour) -> (Fake, Provider) {
    let fake = Fake::start().await;
    fake.on("/token", behaviour);
    let provider = fake.provider(ProviderKind::Demo);
    (fake, provider)
}

/// A GitHub that knows octocat and grants these scopes.
async fn github(scope: &str, user: &Value) -> (Fake, Provider) {
    let fake = Fake::start().await;
    let tokens = value!({"access_token": "gho_1", "scope": scope, "token_type": "bearer"});
    fake.on(GITHUB_TOKEN, json(200, &tokens));
    fake.on("/api/v3/user", json(200, user));
    let provider = fake.provider(ProviderKind::Github);
    (fake, provider)
}

fn octocat() -> Value {
    value!({"id": 583_231, "login": "octocat", "name": null, "email": null, "avatar_url": "https://x.example/o.png"})
}

// === The authorization request ===

#[tokio::test]
async fn pkce_and_state_always_go_to_the_provider() {
    let fake = Fake::start().await;
    for kind in [ProviderKind::Github, ProviderKind::Google, ProviderKind::Demo] {
        let query = query(&fake.provider(kind), &ask()).await;
        assert!(has(&query, "response_type", "code"));
        assert!(has(&query, "code_challenge", "the-challenge"));
        assert!(has(&query, "code_challenge_method", "S256"));
        assert!(has(&query, "state", "the-state"));
        assert!(has(&query, "redirect_uri", REDIRECT_URI));
        assert!(has(&query, "client_id", "our-id"));
        assert!(query.iter().all(|(_, value)| value != "our-secret"));
    }
}

#[tokio::test]
async fn google_is_asked_for_a_refresh_token() {
    let fake = Fake::start().await;
    let provider = fake.provider(ProviderKind::Google);
    let asked = query(&provider, &ask()).await;
    assert!(has(&asked, "access_type", "offline"));
    assert!(has(&asked, "prompt", "consent"));
    assert!(has(&asked, "nonce", "the-nonce"));
    assert!(has(&asked, "scope", "email openid profile"));
    let choosing = UpstreamAuthorization { prompt: Some(UpstreamPrompt::SelectAccount), ..ask() };
    assert!(has(&query(&provider, &choosing).await, "prompt", "consent select_account"));
}

#[tokio::test]
async fn github_gets_its_own_names_and_no_nonce() {
    let fake = Fake::start().await;
    let provider = fake.provider(ProviderKind::Github);
    let ask =
        UpstreamAuthorization { prompt: Some(UpstreamPrompt::Login), login_hint: Some("octocat"), ..ask() };
    let query = query(&provider, &ask).await;
    assert!(has(&query, "login", "octocat"));
    assert!(query.iter().all(|(name, _)| name != "nonce" && name != "prompt"));
    assert_eq!(provider.label(), "GitHub");
}

// === The exchange ===

#[tokio::test]
async fn a_code_is_exchanged_with_its_verifier_and_the_user_is_asked_for() {
    let tokens =
        value!({"access_token": "at", "refresh_token": "rt", "expires_in": 3600, "scope": "profile email"});
    let (fake, provider) = demo(json(200, &tokens)).await;
    fake.on("/userinfo", json(200, &value!({"sub": "alice", "name": "Alice", "email": "alice@example.com"})));
    let signed_in = sign_in(&provider).await.unwrap();

    assert_eq!(signed_in.user.subject.to_string(), "idp:alice");
    assert_eq!(signed_in.user.email.as_deref(), Some("alice@example.com"));
    assert!(!signed_in.user.email_verified);
    assert_eq!(signed_in.tokens.access_token.expose(), "at");
    assert_eq!(signed_in.tokens.refresh_token.unwrap().expose(), "rt");
    assert_eq!(signed_in.tokens.expires_at, Some(Timestamp::from_unix(NOW + 3600)));

    let asked = fake.asked("POST /token").remove(0);
    assert_eq!(asked.field("grant_type").unwrap(), "authorization_code");
    assert_eq!(asked.field("code").unwrap(), "the-code");
    assert_eq!(asked.field("code_verifier").unwrap(), "the-verifier");
    assert_eq!(asked.field("redirect_uri").unwrap(), REDIRECT_URI);
    assert_eq!(asked.field("client_secret"), None);
    assert_eq!(asked.header("authorization"), Some("Basic b3VyLWlkOm91ci1zZWNyZXQ="));
    assert_eq!(asked.header("accept"), Some("application/json"));
    assert_eq!(asked.header("user-agent"), Some(concat!("coatroom/", env!("CARGO_PKG_VERSION"))));
    assert_eq!(asked.header("cookie"), None);
    let user = fake.asked("GET /userinfo").remove(0);
    assert_eq!(user.header("authorization"), Some("Bearer at"));
    assert!(user.header("user-agent").is_some());
}

#[tokio::test]
async fn each_way_to_fail_is_told_apart() {
    let page = |status| with_type(status, "text/html", "<html>sorry</html>");
    let table = [
        (json(400, &value!({"error": "invalid_grant"})), "dead"),
        (json(500, &value!({"error": "invalid_grant"})), "transient"),
        (page(502), "transient"),
        (page(503), "transient"),
        (json(429, &value!({"error": "invalid_grant"})), "transient"),
        (json(400, &value!({"error": "temporarily_unavailable"})), "transient"),
        (Behaviour::BreakOff, "transient"),
        (json(401, &value!({"error": "invalid_client"})), "misconfigured"),
        (json(400, &value!({"error": "unauthorized_client"})), "misconfigured"),
        (page(404), "misconfigured"),
        (json(400, &value!({"error": "access_denied"})), "refused"),
        (page(403), "refused"),
        (page(200), "bad_answer"),
        (json(200, &value!({"token_type": "bearer"})), "bad_answer"),
        (with_type(200, "application/json", "{\"access_token\":\"a"), "bad_answer"),
    ];
    for (behaviour, expected) in table {
        let (_fake, provider) = demo(behaviour.clone()).await;
        let exchange = sign_in(&provider).await.unwrap_err();
        assert_eq!(exchange.outcome(), expected, "exchange: {behaviour:?}");
        let renewal = renew(&provider).await.unwrap_err();
        assert_eq!(renewal.outcome(), expected, "renewal: {behaviour:?}");
        assert_eq!(renewal.is_dead(), expected == "dead");
    }
}

#[tokio::test]
async fn a_provider_that_hangs_is_transient() {
    let fake = Fake::start().await;
    fake.on("/token", Behaviour::Hang);
    let provider = fake.hasty(ProviderKind::Demo);
    assert!(renew(&provider).await.unwrap_err().is_transient());
    assert!(sign_in(&provider).await.unwrap_err().is_transient());
}

#[tokio::test]
async fn a_provider_that_is_not_there_is_transient() {
    let fake = Fake::start().await;
    let mut config = fake.config(ProviderKind::Demo);
    config.base_url = Some("http://127.0.0.1:1".to_owned());
    assert!(renew(&fake.configured(config)).await.unwrap_err().is_transient());
}

#[tokio::test]
async fn an_answer_of_more_than_a_mebibyte_is_not_read() {
    let (_fake, provider) = demo(with_type(200, "application/json", &" ".repeat(2 * 1024 * 1024))).await;
    let error = renew(&provider).await.unwrap_err();
    assert!(error.is_transient());
    assert!(error.to_string().contains("1048576"), "{error}");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let fake = Fake::start().await;
    let headers = vec![("location", format!("{}/elsewhere", fake.base))];
    fake.on("/token", Behaviour::Answer { status: 307, headers, body: String::new() });
    let error = renew(&fake.provider(ProviderKind::Demo)).await.unwrap_err();
    assert_eq!(error.outcome(), "bad_answer");
    assert!(fake.asked("POST /elsewhere").is_empty());
}

#[tokio::test]
async fn an_error_repeats_no_secret_and_no_control_characters() {
    let said = value!({"error": "invalid_grant", "error_description": "old-refresh\nis gone"});
    let (_fake, provider) = demo(json(400, &said)).await;
    let error = renew(&provider).await.unwrap_err();
    assert_eq!(error, ProviderError::Dead { code: "invalid_grant: [redacted]?is gone".to_owned() });
}

// === Renewal ===

#[tokio::test]
async fn a_renewal_that_omits_the_refresh_token_keeps_the_old_one() {
    let (fake, provider) = demo(json(200, &value!({"access_token": "new", "expires_in": "60"}))).await;
    let tokens = renew(&provider).await.unwrap();
    assert_eq!(tokens.access_token.expose(), "new");
    assert!(tokens.refresh_token.is_none());
    assert_eq!(tokens.expires_at, Some(Timestamp::from_unix(NOW + 60)));
    let asked = fake.asked("POST /token").remove(0);
    assert_eq!(asked.field("grant_type").unwrap(), "refresh_token");
    assert_eq!(asked.field("refresh_token").unwrap(), "old-refresh");
    assert_eq!(asked.field("scope"), None);
}

#[tokio::test]
async fn a_renewal_that_rotates_the_refresh_token_hands_over_the_new_one() {
    let (_fake, provider) = demo(json(200, &value!({"access_token": "a", "refresh_token": "new"}))).await;
    assert_eq!(renew(&provider).await.unwrap().refresh_token.unwrap().expose(), "new");
}

#[tokio::test]
async fn google_keeps_its_refresh_token_and_tells_a_revoked_one() {
    let fake = Fake::start().await;
    let provider = fake.provider(ProviderKind::Google);
    let scope = "openid https://www.googleapis.com/auth/userinfo.email";
    fake.on(
        "/token",
        json(
            200,
            &value!({"access_token": "ya29", "expires_in": 3599, "scope": scope, "token_type": "Bearer"}),
        ),
    );
    let tokens = renew(&provider).await.unwrap();
    assert!(tokens.refresh_token.is_none());
    assert_eq!(tokens.scopes, scope);
    let said = value!({"error": "invalid_grant", "error_description": "Token has been expired or revoked."});
    fake.on("/token", json(400, &said));
    assert!(renew(&provider).await.unwrap_err().is_dead());
}

#[tokio::test]
async fn a_renewal_may_run_detached_from_who_asked_for_it() {
    let (_fake, provider) = demo(json(200, &value!({"access_token": "new"}))).await;
    let renewal = tokio::spawn(async move { renew(&provider).await });
    assert_eq!(renewal.await.unwrap().unwrap().access_token.expose(), "new");
    let (_fake, provider) = github("", &octocat()).await;
    assert!(tokio::spawn(async move { sign_in(&provider).await }).await.unwrap().is_ok());
}

// === GitHub ===

#[tokio::test]
async fn github_numeric_ids_and_missing_names_are_read() {
    let (fake, provider) = github("read:user", &octocat()).await;
    let user = sign_in(&provider).await.unwrap().user;
    assert_eq!(user.subject.id, "583231");
    assert_eq!(user.name.as_deref(), Some("octocat"));
    assert_eq!(user.username.as_deref(), Some("octocat"));
    assert_eq!(user.email, None);
    // Without the scope the list of addresses is not asked for.
    assert!(fake.asked("GET /api/v3/user/emails").is_empty());
    let asked = fake.asked("POST /login/oauth/access_token").remove(0);
    assert_eq!(asked.field("client_secret").unwrap(), "our-secret");
    assert_eq!(asked.header("authorization"), None);
}

#[tokio::test]
async fn github_gives_the_address_that_is_primary_and_verified() {
    let (fake, provider) = github("read:user,user:email", &octocat()).await;
    let list = value!([
        {"email": "unverified@example.com", "primary": true, "verified": false},
        {"email": "second@example.com", "primary": false, "verified": true},
        {"email": "octo@example.com", "primary": true, "verified": true},
    ]);
    fake.on("/api/v3/user/emails", json(200, &list));
    let user = sign_in(&provider).await.unwrap().user;
    assert_eq!(user.email.as_deref(), Some("octo@example.com"));
    assert!(user.email_verified);
}

#[tokio::test]
async fn a_github_user_whose_addresses_may_not_be_read_signs_in_without() {
    let (fake, provider) = github("user:email", &octocat()).await;
    fake.on("/api/v3/user/emails", json(403, &value!({"message": "Resource not accessible by integration"})));
    assert_eq!(sign_in(&provider).await.unwrap().user.email, None);
    fake.on("/api/v3/user/emails", json(502, &value!({})));
    assert!(sign_in(&provider).await.unwrap_err().is_transient());
}

#[tokio::test]
async fn a_public_github_address_alone_is_not_verified() {
    let mut user = octocat();
    user["email"] = value!("shown@example.com");
    let (_fake, provider) = github("read:user", &user).await;
    let user = sign_in(&provider).await.unwrap().user;
    assert_eq!(user.email.as_deref(), Some("shown@example.com"));
    assert!(!user.email_verified);
}

#[tokio::test]
async fn github_errors_come_with_status_200() {
    let table = [
        ("bad_verification_code", "dead"),
        ("bad_refresh_token", "dead"),
        ("incorrect_client_credentials", "misconfigured"),
        ("redirect_uri_mismatch", "misconfigured"),
        ("unverified_user_email", "refused"),
    ];
    let (fake, provider) = github("", &octocat()).await;
    for (code, expected) in table {
        fake.on(
            GITHUB_TOKEN,
            json(200, &value!({"error": code, "error_description": "The ...", "error_uri": "x"})),
        );
        assert_eq!(sign_in(&provider).await.unwrap_err().outcome(), expected, "{code}");
        assert_eq!(renew(&provider).await.unwrap_err().outcome(), expected, "{code}");
        let form = format!("error={code}&error_description=The+...");
        fake.on(GITHUB_TOKEN, with_type(200, "application/x-www-form-urlencoded; charset=utf-8", &form));
        assert_eq!(renew(&provider).await.unwrap_err().outcome(), expected, "{code}");
    }
}

#[tokio::test]
async fn github_answers_may_be_forms() {
    let (fake, provider) = github("", &octocat()).await;
    let form = "access_token=gho_2&scope=repo%2Cgist&token_type=bearer";
    fake.on(GITHUB_TOKEN, with_type(200, "application/x-www-form-urlencoded; charset=utf-8", form));
    let tokens = sign_in(&provider).await.unwrap().tokens;
    assert_eq!(tokens.access_token.expose(), "gho_2");
    assert_eq!(tokens.scopes, "repo gist");
    assert_eq!(tokens.expires_at, None);
}

#[tokio::test]
async fn a_github_rate_limit_is_transient() {
    let (fake, provider) = github("", &octocat()).await;
    let headers = vec![("x-ratelimit-remaining", "0".to_owned())];
    fake.on("/api/v3/user", Behaviour::Answer { status: 403, headers, body: "{}".to_owned() });
    assert!(sign_in(&provider).await.unwrap_err().is_transient());
}

#[tokio::test]
async fn github_is_told_of_one_token_and_not_of_the_whole_grant() {
    let (fake, provider) = github("", &octocat()).await;
    fake.on(
        "/api/v3/applications/our-id/token",
        Behaviour::Answer { status: 204, headers: vec![], body: String::new() },
    );
    assert_eq!(provider.revoke(&UpstreamToken::new("gho_1"), None).await, Ok(RevokeOutcome::Told));
    let asked = fake.asked("DELETE /api/v3/applications/our-id/token").remove(0);
    assert_eq!(asked.body, r#"{"access_token":"gho_1"}"#);
    assert_eq!(asked.header("authorization"), Some("Basic b3VyLWlkOm91ci1zZWNyZXQ="));
}

#[tokio::test]
async fn a_github_token_that_is_gone_already_is_revoked() {
    let (fake, provider) = github("", &octocat()).await;
    let path = "/api/v3/applications/our-id/token";
    for status in [404, 422] {
        fake.on(path, json(status, &value!({"message": "Not Found"})));
        assert_eq!(provider.revoke(&UpstreamToken::new("gho_1"), None).await, Ok(RevokeOutcome::Told));
    }
    fake.on(path, json(401, &value!({"message": "Bad credentials"})));
    assert!(provider.revoke(&UpstreamToken::new("gho_1"), None).await.is_err());
}

// === Revocation and callbacks ===

#[tokio::test]
async fn a_token_is_revoked_where_the_provider_offers_it() {
    let (fake, provider) = demo(Behaviour::Hang).await;
    fake.on("/revoke", with_type(200, "text/plain", ""));
    assert_eq!(provider.revoke(&UpstreamToken::new("rt"), None).await, Ok(RevokeOutcome::Told));
    assert_eq!(fake.asked("POST /revoke").remove(0).field("token").unwrap(), "rt");
    fake.on("/revoke", with_type(503, "text/plain", ""));
    assert!(provider.revoke(&UpstreamToken::new("rt"), None).await.unwrap_err().is_transient());
    fake.on("/revoke", with_type(404, "text/plain", ""));
    assert_eq!(
        provider.revoke(&UpstreamToken::new("rt"), None).await.unwrap_err().outcome(),
        "misconfigured"
    );
}

#[tokio::test]
async fn a_provider_that_would_end_other_connections_is_told_only_on_request() {
    let fake = Fake::start().await;
    fake.on("/revoke", with_type(200, "application/json", "{}"));
    let token = UpstreamToken::new("rt");
    assert_eq!(fake.provider(ProviderKind::Google).revoke(&token, None).await, Ok(RevokeOutcome::NotOffered));
    let mut config = fake.config(ProviderKind::Google);
    config.revoke = Some(true);
    assert_eq!(fake.configured(config).revoke(&token, None).await, Ok(RevokeOutcome::Told));
    let mut config = fake.config(ProviderKind::Demo);
    config.revoke = Some(false);
    assert_eq!(fake.configured(config).revoke(&token, None).await, Ok(RevokeOutcome::NotOffered));
}

#[tokio::test]
async fn a_callback_that_names_another_issuer_spends_no_code() {
    let fake = Fake::start().await;
    let provider = fake.provider(ProviderKind::Google);
    let error = sign_in_with_iss(&provider, Some("https://evil.example")).await.unwrap_err();
    assert_eq!(error, ProviderError::Issuer);
    assert!(fake.asked("POST /token").is_empty());
    assert_eq!(provider.check_issuer(Some("https://accounts.google.com")).await, Ok(()));
    assert_eq!(provider.check_issuer(Some("https://accounts.google.com/")).await, Err(ProviderError::Issuer));
    assert_eq!(provider.check_issuer(None).await, Ok(()));
}

// === Configuration ===

#[tokio::test]
async fn a_wrong_configuration_is_explained() {
    let fake = Fake::start().await;
    let refusal = |change: &dyn Fn(&mut coatroom::providers::ProviderConfig), kind| {
        let mut config = fake.config(kind);
        change(&mut config);
        let error: ProviderConfigError =
            Provider::new(config, Arc::default(), fake.clock.clone()).unwrap_err();
        error.to_string()
    };
    assert_eq!(
        refusal(&|config| config.client_secret = None, ProviderKind::Github),
        "a provider of kind github needs client_secret"
    );
    assert_eq!(
        refusal(&|config| config.client_id = "id\n".to_owned(), ProviderKind::Github),
        "client_id is empty, or has spaces or line ends around it"
    );
    assert_eq!(
        refusal(&|config| config.base_url = Some("http://ghe.example.com".to_owned()), ProviderKind::Github),
        "base_url must be https; plain http is allowed only for localhost, 127.0.0.1 and [::1]"
    );
    assert_eq!(
        refusal(&|config| config.issuer = None, ProviderKind::Oidc),
        "a provider of kind oidc needs issuer"
    );
    assert_eq!(
        refusal(&|config| config.base_url = Some("https://a.example".to_owned()), ProviderKind::Oidc),
        "a provider of kind oidc has no setting base_url"
    );
    assert_eq!(
        refusal(&|config| config.scopes = "email".parse().unwrap(), ProviderKind::Google),
        "the scopes of a provider of kind google must contain openid"
    );
}

#[tokio::test]
async fn debug_shows_no_secret() {
    let fake = Fake::start().await;
    let config = fake.config(ProviderKind::Github);
    let shown = format!("{config:?} {:?} {:?}", fake.configured(config.clone()), ask());
    for secret in ["our-secret", "the-state", "the-challenge"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

// === What an operator sees ===

#[tokio::test]
async fn each_outside_call_has_a_span_that_says_how_it_ended_and_holds_no_secret() {
    let spans = Spans::default();
    let _guard = tracing::subscriber::set_default(spans.clone());
    let (fake, provider) = demo(json(200, &value!({"access_token": "canary-at"}))).await;
    fake.on("/userinfo", json(200, &value!({"sub": "alice"})));
    sign_in(&provider).await.unwrap();
    fake.on("/token", json(400, &value!({"error": "invalid_grant", "error_description": "old-refresh"})));
    renew(&provider).await.unwrap_err();
    fake.on("/revoke", json(503, &value!({})));
    provider.revoke(&UpstreamToken::new("canary-rt"), None).await.unwrap_err();
    let seen = spans.0.lock().unwrap().clone();
    let expected = [
        "provider.exchange provider.name=idp outcome=ok",
        "provider.user provider.name=idp outcome=ok",
        "provider.renew provider.name=idp outcome=dead",
        "provider.revoke provider.name=idp outcome=transient",
    ];
    assert_eq!(seen, expected);
}

/// Writes down the spans of this crate, with their fields.
#[derive(Debug, Clone, Default)]
struct Spans(Arc<Mutex<Vec<String>>>);

struct Line<'a>(&'a mut String);

impl tracing::field::Visit for Line<'_> {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
        let value = format!("{value:?}");
        write!(self.0, " {}={}", field.name(), value.trim_matches('"')).unwrap();
    }
}

impl tracing::Subscriber for Spans {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.is_span() && metadata.target().starts_with("coatroom::")
    }

    fn new_span(&self, attributes: &tracing::span::Attributes<'_>) -> tracing::Id {
        let mut line = attributes.metadata().name().to_owned();
        attributes.record(&mut Line(&mut line));
        let mut lines = self.0.lock().unwrap();
        lines.push(line);
        tracing::Id::from_u64(u64::try_from(lines.len()).unwrap())
    }

    fn record(&self, span: &tracing::Id, values: &tracing::span::Record<'_>) {
        let index = usize::try_from(span.into_u64()).unwrap() - 1;
        values.record(&mut Line(&mut self.0.lock().unwrap()[index]));
    }

    fn record_follows_from(&self, _: &tracing::Id, _: &tracing::Id) {}
    fn event(&self, _: &tracing::Event<'_>) {}
    fn enter(&self, _: &tracing::Id) {}
    fn exit(&self, _: &tracing::Id) {}
}
