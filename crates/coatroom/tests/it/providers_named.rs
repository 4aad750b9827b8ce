//! Known providers without OpenID, each against answers like its own, and one that is described by configuration alone.
//!
//! None of these answers was recorded from the real service. Each says where its shape is from.

use coatroom::protocol::words::Timestamp;
use coatroom::providers::{
    ClientAuth, Provider, ProviderConfig, ProviderKind, RevokeOutcome, TokenBody, UpstreamToken, UserMap,
};
use serde_json::{Value, json as value};

use crate::providers_fake::{Fake, NOW, ask, has, json, query, renew, sign_in, with_type};

/// A provider that gives these tokens and describes this user.
async fn known(kind: ProviderKind, tokens: (&str, &Value), user: (&str, &Value)) -> (Fake, Provider) {
    let fake = Fake::start().await;
    fake.on(tokens.0, json(200, tokens.1));
    fake.on(user.0, json(200, user.1));
    let provider = fake.provider(kind);
    (fake, provider)
}

/// The same provider, configured in another way.
fn changed(fake: &Fake, kind: ProviderKind, change: impl Fn(&mut ProviderConfig)) -> Provider {
    let mut config = fake.config(kind);
    change(&mut config);
    fake.configured(config)
}

async fn outcome_of_renewal(
    fake: &Fake,
    provider: &Provider,
    path: &str,
    answer: (u16, Value),
) -> &'static str {
    fake.on(path, json(answer.0, &answer.1));
    renew(provider).await.map_or_else(|error| error.outcome(), |_| "ok")
}

// === Slack's user tokens: from the documentation of oauth.v2.access, auth.test and token rotation ===

fn slack_tokens() -> Value {
    value!({
        "ok": true, "app_id": "A0KRD7HC3", "team": {"id": "T9TK3CUKW", "name": "Acme"}, "enterprise": null,
        "authed_user": {
            "id": "U1234", "scope": "search:read,chat:write", "access_token": "xoxp-1", "token_type": "user",
        },
    })
}

fn slack_user() -> Value {
    value!({
        "ok": true, "url": "https://acme.slack.com/", "team": "Acme", "user": "alice", "team_id": "T9TK3CUKW",
        "user_id": "U1234", "is_enterprise_install": false,
    })
}

async fn slack(tokens: &Value) -> (Fake, Provider) {
    let (fake, _) =
        known(ProviderKind::Slack, ("/api/oauth.v2.access", tokens), ("/api/auth.test", &slack_user())).await;
    let provider = changed(&fake, ProviderKind::Slack, |config| {
        config.scopes = "search:read chat:write".parse().unwrap();
    });
    (fake, provider)
}

#[tokio::test]
async fn slack_user_tokens_are_asked_for_and_found_where_slack_has_them() {
    let (fake, provider) = slack(&slack_tokens()).await;
    let asked = query(&provider, &ask()).await;
    assert!(has(&asked, "user_scope", "chat:write,search:read"));
    assert!(asked.iter().all(|(name, _)| name != "scope" && name != "nonce"));
    let signed_in = sign_in(&provider).await.unwrap();
    assert_eq!(signed_in.user.id(), "T9TK3CUKW.U1234");
    assert_eq!(signed_in.user.username.as_deref(), Some("alice"));
    assert_eq!(signed_in.tokens.access_token.expose(), "xoxp-1");
    assert_eq!(signed_in.tokens.scopes, "search:read chat:write");
    assert!(signed_in.tokens.refresh_token.is_none() && signed_in.tokens.expires_at.is_none());
    assert_eq!(fake.asked("GET /api/auth.test").remove(0).header("authorization"), Some("Bearer xoxp-1"));
}

#[tokio::test]
async fn a_bot_token_of_slack_is_not_a_users() {
    let bot = value!({"ok": true, "access_token": "xoxb-1", "token_type": "bot", "scope": "commands"});
    let (_fake, provider) = slack(&bot).await;
    assert_eq!(sign_in(&provider).await.unwrap_err().outcome(), "bad_answer");
}

#[tokio::test]
async fn slack_rotates_tokens_nested_or_not() {
    let mut tokens = slack_tokens();
    let nested = tokens["authed_user"].as_object_mut().unwrap();
    nested.insert("refresh_token".to_owned(), value!("xoxe-1-next"));
    nested.insert("expires_in".to_owned(), value!(43200));
    let (fake, provider) = slack(&tokens).await;
    let flat = value!({
        "ok": true, "access_token": "xoxe.xoxp-2", "refresh_token": "xoxe-1-next", "expires_in": 43200,
        "token_type": "user", "scope": "search:read",
    });
    for answer in [tokens, flat] {
        fake.on("/api/oauth.v2.access", json(200, &answer));
        let renewed = renew(&provider).await.unwrap();
        assert_eq!(renewed.refresh_token.unwrap().expose(), "xoxe-1-next");
        assert_eq!(renewed.expires_at, Some(Timestamp::from_unix(NOW + 43200)));
    }
    assert_eq!(fake.asked("POST /api/oauth.v2.access")[0].field("scope"), None);
}

#[tokio::test]
async fn slack_errors_come_with_status_200_and_ok_false() {
    let (fake, provider) = slack(&slack_tokens()).await;
    for (code, expected) in [
        ("invalid_refresh_token", "dead"),
        ("token_revoked", "dead"),
        ("bad_client_secret", "misconfigured"),
        ("invalid_client_id", "misconfigured"),
        ("ratelimited", "transient"),
        ("internal_error", "transient"),
        ("oauth_authorization_url_mismatch", "refused"),
    ] {
        let answer = (200, value!({"ok": false, "error": code}));
        assert_eq!(
            outcome_of_renewal(&fake, &provider, "/api/oauth.v2.access", answer).await,
            expected,
            "{code}"
        );
    }
    fake.on("/api/auth.test", json(200, &value!({"ok": false, "error": "account_inactive"})));
    assert!(provider.check_token(&UpstreamToken::new("xoxp-1")).await.unwrap_err().is_dead());
    fake.on("/api/auth.test", json(200, &value!({"ok": false, "error": "fatal_error"})));
    assert!(provider.check_token(&UpstreamToken::new("xoxp-1")).await.unwrap_err().is_transient());
}

#[tokio::test]
async fn slack_is_told_of_a_revoked_token_by_the_token_itself_and_on_request() {
    let (fake, provider) = slack(&slack_tokens()).await;
    let token = UpstreamToken::new("xoxp-1");
    assert_eq!(provider.revoke(&token, None).await, Ok(RevokeOutcome::NotOffered));
    let told = changed(&fake, ProviderKind::Slack, |config| {
        config.scopes = "search:read".parse().unwrap();
        config.revoke = Some(true);
    });
    fake.on("/api/auth.revoke", json(200, &value!({"ok": true, "revoked": true})));
    assert_eq!(told.revoke(&token, Some(&UpstreamToken::new("xoxe-1"))).await, Ok(RevokeOutcome::Told));
    assert_eq!(fake.asked("GET /api/auth.revoke").remove(0).header("authorization"), Some("Bearer xoxp-1"));
}

// === Discord: from the documentation of OAuth2 and of the user object ===

#[tokio::test]
async fn a_discord_user_has_a_picture_made_of_a_hash() {
    let tokens = value!({
        "access_token": "at", "token_type": "Bearer", "expires_in": 604_800, "refresh_token": "rt",
        "scope": "identify email",
    });
    let mut user = value!({
        "id": "80351110224678912", "username": "nelly", "discriminator": "0", "global_name": "Nelly",
        "avatar": "8342729096ea3675442027381ff50dfe", "verified": true, "email": "nelly@discord.com",
    });
    let (fake, provider) =
        known(ProviderKind::Discord, ("/api/oauth2/token", &tokens), ("/api/users/@me", &user)).await;
    assert!(has(&query(&provider, &ask()).await, "prompt", "none"));
    let said = sign_in(&provider).await.unwrap().user;
    let avatar = "https://cdn.discordapp.com/avatars/80351110224678912/8342729096ea3675442027381ff50dfe.png";
    assert_eq!(said.picture.as_deref(), Some(avatar));
    assert_eq!((said.id(), said.name.as_deref()), ("80351110224678912", Some("Nelly")));
    assert!(said.email_verified);
    user["verified"] = value!(false);
    user["avatar"] = Value::Null;
    user["global_name"] = Value::Null;
    fake.on("/api/users/@me", json(200, &user));
    let said = sign_in(&provider).await.unwrap().user;
    assert!(!said.email_verified && said.picture.is_none());
    assert_eq!(said.name.as_deref(), Some("nelly"));
    assert_eq!(provider.revoke(&UpstreamToken::new("at"), None).await, Ok(RevokeOutcome::NotOffered));
}

// === Notion: from the documentation of "Create a token", "Refresh a token" and "Retrieve your token's bot user" ===

fn notion_tokens() -> Value {
    value!({
        "access_token": "ntn_1", "token_type": "bearer", "refresh_token": "nrt_1", "bot_id": "b-1", "workspace_id": "w-1",
        "workspace_name": "Acme", "workspace_icon": null, "duplicated_template_id": null, "request_id": "r-1",
        "owner": {"type": "user", "user": {"object": "user", "id": "not-read-here"}},
    })
}

fn notion_user() -> Value {
    value!({
        "object": "user", "id": "bot-id", "name": "Coatroom", "avatar_url": null, "type": "bot", "request_id": "r-2",
        "bot": {
            "owner": {"type": "user", "user": {
                "object": "user", "id": "5389a034-eb5c-47b5-8a9e-f79c99ef166c", "name": "Alice",
                "avatar_url": "https://s3.example/a.png", "type": "person", "person": {"email": "alice@example.com"},
            }},
            "workspace_name": "Acme", "workspace_id": "w-1",
        },
    })
}

#[tokio::test]
async fn notion_gets_json_basic_credentials_and_its_version_everywhere() {
    let (fake, provider) =
        known(ProviderKind::Notion, ("/v1/oauth/token", &notion_tokens()), ("/v1/users/me", &notion_user()))
            .await;
    let asked = query(&provider, &ask()).await;
    assert!(has(&asked, "owner", "user"));
    assert!(asked.iter().all(|(name, _)| name != "scope" && !name.starts_with("code_challenge")));
    let signed_in = sign_in(&provider).await.unwrap();
    assert_eq!(signed_in.tokens.refresh_token.unwrap().expose(), "nrt_1");
    renew(&provider).await.unwrap();
    let posted = fake.asked("POST /v1/oauth/token");
    let bodies: Vec<Value> = posted.iter().map(|asked| serde_json::from_str(&asked.body).unwrap()).collect();
    let redirect_uri = "http://localhost/callback/idp";
    assert_eq!(
        bodies[0],
        value!({"grant_type": "authorization_code", "code": "the-code", "redirect_uri": redirect_uri})
    );
    assert_eq!(bodies[1], value!({"grant_type": "refresh_token", "refresh_token": "old-refresh"}));
    for asked in &posted {
        assert_eq!(asked.header("authorization"), Some("Basic b3VyLWlkOm91ci1zZWNyZXQ="));
        assert_eq!(asked.header("content-type"), Some("application/json"));
        assert_eq!(asked.header("notion-version"), Some("2022-06-28"));
    }
    assert_eq!(fake.asked("GET /v1/users/me").remove(0).header("notion-version"), Some("2022-06-28"));
}

#[tokio::test]
async fn a_notion_user_owns_the_bot_and_is_not_it() {
    let (fake, provider) =
        known(ProviderKind::Notion, ("/v1/oauth/token", &notion_tokens()), ("/v1/users/me", &notion_user()))
            .await;
    let user = sign_in(&provider).await.unwrap().user;
    assert_eq!(user.id(), "5389a034-eb5c-47b5-8a9e-f79c99ef166c");
    assert_eq!((user.email.as_deref(), user.email_verified), (Some("alice@example.com"), false));
    assert_eq!(user.organisation.as_deref(), Some("w-1"));
    // A token that a workspace owns is nobody's.
    let workspace =
        value!({"object": "user", "id": "bot-id", "type": "bot", "bot": {"owner": {"type": "workspace"}}});
    fake.on("/v1/users/me", json(200, &workspace));
    assert_eq!(sign_in(&provider).await.unwrap_err().outcome(), "bad_answer");
    fake.on("/v1/users/me", json(401, &value!({"object": "error", "status": 401, "code": "unauthorized"})));
    assert!(provider.check_token(&UpstreamToken::new("ntn_1")).await.unwrap_err().is_dead());
    let told = changed(&fake, ProviderKind::Notion, |config| config.revoke = Some(true));
    fake.on("/v1/oauth/revoke", json(200, &value!({"request_id": "r"})));
    assert_eq!(told.revoke(&UpstreamToken::new("ntn_1"), None).await, Ok(RevokeOutcome::Told));
    assert_eq!(fake.asked("POST /v1/oauth/revoke").remove(0).body, r#"{"token":"ntn_1"}"#);
}

// === X: from the documentation of users/me; errors from plhery/node-twitter-api-v2#496 ===

#[tokio::test]
async fn an_x_user_stands_below_data_and_has_a_confirmed_address() {
    let tokens = value!({
        "token_type": "bearer", "expires_in": 7200, "access_token": "at", "refresh_token": "rt",
        "scope": "users.read tweet.read users.email offline.access",
    });
    let user = value!({"data": {
        "id": "2244994945", "name": "X Dev", "username": "TwitterDev", "confirmed_email": "dev@example.com",
        "profile_image_url": "https://pbs.twimg.com/p.png",
    }});
    let (fake, provider) = known(ProviderKind::X, ("/2/oauth2/token", &tokens), ("/2/users/me", &user)).await;
    let said = sign_in(&provider).await.unwrap().user;
    assert_eq!((said.id(), said.username.as_deref()), ("2244994945", Some("TwitterDev")));
    assert_eq!((said.email.as_deref(), said.email_verified), (Some("dev@example.com"), true));
    let line = "GET /2/users/me?user.fields=profile_image_url%2Cconfirmed_email";
    assert_eq!(fake.asked(line).len(), 1);
    let token = fake.asked("POST /2/oauth2/token").remove(0);
    assert_eq!(token.header("authorization"), Some("Basic b3VyLWlkOm91ci1zZWNyZXQ="));
    assert!(has(&query(&provider, &ask()).await, "code_challenge_method", "S256"));
    // Without the scope the address is not asked for.
    let shy =
        changed(&fake, ProviderKind::X, |config| config.scopes = "users.read tweet.read".parse().unwrap());
    sign_in(&shy).await.unwrap();
    assert_eq!(fake.asked("GET /2/users/me?user.fields=profile_image_url").len(), 1);
}

#[tokio::test]
async fn x_says_by_a_description_alone_that_a_refresh_token_is_gone() {
    let fake = Fake::start().await;
    let provider = fake.provider(ProviderKind::X);
    for (description, expected) in [
        ("Value passed for the token was invalid.", "dead"),
        ("Value passed for the authorization code was invalid.", "dead"),
        ("Missing required parameter [grant_type].", "refused"),
    ] {
        let answer = (400, value!({"error": "invalid_request", "error_description": description}));
        let path = "/2/oauth2/token";
        assert_eq!(outcome_of_renewal(&fake, &provider, path, answer).await, expected, "{description}");
    }
    let answer =
        value!({"error": "unauthorized_client", "error_description": "Missing valid authorization header"});
    assert_eq!(outcome_of_renewal(&fake, &provider, "/2/oauth2/token", (401, answer)).await, "misconfigured");
}

// === Atlassian: from the documentation of OAuth 2.0 (3LO) and of its refresh tokens ===

#[tokio::test]
async fn atlassian_tokens_are_for_an_audience_and_rotate() {
    let tokens = value!({
        "access_token": "at", "refresh_token": "next", "expires_in": 3600, "scope": "read:me offline_access",
        "token_type": "Bearer",
    });
    let user = value!({
        "account_type": "atlassian", "account_id": "112233aa-bb11-cc22-33dd-445566abcabc", "email": "mia@example.com",
        "name": "Mia Krystof", "picture": "https://avatar.example/m.png", "account_status": "active", "nickname": "mkrystof",
    });
    let (fake, provider) = known(ProviderKind::Atlassian, ("/oauth/token", &tokens), ("/me", &user)).await;
    let asked = query(&provider, &ask()).await;
    assert!(has(&asked, "audience", "api.atlassian.com") && has(&asked, "prompt", "consent"));
    assert!(has(&asked, "scope", "offline_access read:me"));
    let said = sign_in(&provider).await.unwrap().user;
    assert_eq!(
        (said.id(), said.nickname.as_deref()),
        ("112233aa-bb11-cc22-33dd-445566abcabc", Some("mkrystof"))
    );
    assert!(!said.email_verified, "it does not say so");
    assert_eq!(renew(&provider).await.unwrap().refresh_token.unwrap().expose(), "next");
    for (status, code, description, expected) in [
        (403, "invalid_grant", "Unknown or invalid refresh token.", "dead"),
        (403, "unauthorized_client", "refresh_token is invalid", "dead"),
        (401, "unauthorized_client", "The client is not known", "misconfigured"),
    ] {
        let answer = (status, value!({"error": code, "error_description": description}));
        assert_eq!(
            outcome_of_renewal(&fake, &provider, "/oauth/token", answer).await,
            expected,
            "{description}"
        );
    }
}

// === Linear: from the documentation of OAuth 2.0 and of the GraphQL API ===

#[tokio::test]
async fn a_linear_user_answers_a_query_and_scopes_have_commas() {
    let tokens = value!({
        "access_token": "at", "token_type": "Bearer", "expires_in": 86399, "refresh_token": "rt", "scope": ["read", "write"],
    });
    let user = value!({"data": {"viewer": {
        "id": "u-1", "name": "Alice Liddell", "displayName": "alice", "email": "alice@example.com",
        "avatarUrl": "https://public.linear.app/a.png", "organization": {"id": "o-1", "name": "Acme", "urlKey": "acme"},
    }}});
    let (fake, _) = known(ProviderKind::Linear, ("/oauth/token", &tokens), ("/graphql", &user)).await;
    let provider =
        changed(&fake, ProviderKind::Linear, |config| config.scopes = "read issues:create".parse().unwrap());
    assert!(has(&query(&provider, &ask()).await, "scope", "issues:create,read"));
    let signed_in = sign_in(&provider).await.unwrap();
    assert_eq!(signed_in.tokens.scopes, "read write");
    assert_eq!((signed_in.user.id(), signed_in.user.organisation.as_deref()), ("u-1", Some("o-1")));
    assert!(!signed_in.user.email_verified);
    let asked = fake.asked("POST /graphql").remove(0);
    assert_eq!(asked.header("authorization"), Some("Bearer at"));
    assert!(asked.body.starts_with(r#"{"query":"query { viewer { id "#), "{}", asked.body);
    assert_eq!(provider.check_token(&UpstreamToken::new("at")).await, Ok(()));
    fake.on(
        "/graphql",
        json(401, &value!({"errors": [{"message": "Authentication required, not authenticated"}]})),
    );
    assert!(provider.check_token(&UpstreamToken::new("at")).await.unwrap_err().is_dead());
    fake.on("/oauth/revoke", with_type(200, "text/plain", ""));
    assert_eq!(provider.revoke(&UpstreamToken::new("at"), None).await, Ok(RevokeOutcome::Told));
}

// === By configuration alone ===

fn paths(paths: &[&str]) -> Vec<String> {
    paths.iter().map(|&path| path.to_owned()).collect()
}

fn pair(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

#[tokio::test]
async fn a_plain_oauth_provider_needs_four_settings() {
    let tokens = value!({"access_token": "at", "token_type": "bearer", "expires_in": 60});
    let (fake, provider) =
        known(ProviderKind::Oauth2, ("/token", &tokens), ("/user", &value!({"id": 7}))).await;
    let asked = query(&provider, &ask()).await;
    assert!(has(&asked, "code_challenge", "the-challenge"));
    assert!(asked.iter().all(|(name, _)| name != "scope" && name != "nonce" && name != "prompt"));
    let user = sign_in(&provider).await.unwrap().user;
    assert_eq!((user.id(), user.email_verified, user.name.as_deref()), ("7", false, None));
    let asked = fake.asked("POST /token").remove(0);
    assert_eq!(asked.header("authorization"), Some("Basic b3VyLWlkOm91ci1zZWNyZXQ="));
    assert_eq!(asked.field("code_verifier").as_deref(), Some("the-verifier"));
    assert_eq!(provider.revoke(&UpstreamToken::new("at"), None).await, Ok(RevokeOutcome::NotOffered));
}

#[tokio::test]
async fn an_odd_oauth_provider_is_described_by_configuration_alone() {
    let tokens =
        value!({"result": {"accessToken": "at", "refreshToken": "rt", "ttl": "60", "granted": ["a", "b"]}});
    let user = value!({"data": {
        "account": {"id": "u", "org": "o"}, "mail": "a@example.com", "mailState": "a@example.com", "nick": "al",
        "groups": [{"name": "ops"}], "first": {"roles": ["dev"]},
    }});
    let (fake, _) = known(ProviderKind::Oauth2, ("/token", &tokens), ("/user", &user)).await;
    let provider = changed(&fake, ProviderKind::Oauth2, |config| {
        config.scopes = "b a".parse().unwrap();
        config.scope_separator = Some("+".to_owned());
        config.scope_param = Some("permissions".to_owned());
        config.client_auth = Some(ClientAuth::Body);
        config.token_body = Some(TokenBody::Json);
        config.pkce = Some(false);
        config.revoke_url = Some(format!("{}/revoke", fake.base));
        config.authorize_params = vec![pair("audience", "api")];
        config.token_params = vec![pair("audience", "api")];
        config.headers = vec![pair("X-Api-Version", "3"), pair("Accept", "application/vnd.odd+json")];
        config.token.access_token = paths(&["result.accessToken"]);
        config.token.refresh_token = paths(&["result.refreshToken"]);
        config.token.expires_in = paths(&["result.ttl"]);
        config.token.scope = paths(&["result.granted"]);
        config.user.id = paths(&["{data.account.org}.{data.account.id}"]);
        config.user.email = paths(&["data.mail"]);
        config.user.email_verified = paths(&["data.mailState"]);
        config.user.nickname = paths(&["data.missing", "data.nick"]);
        config.user.name = paths(&["data.groups.0.name"]);
        config.user.roles = paths(&["data.first.roles"]);
    });
    let asked = query(&provider, &ask()).await;
    assert!(has(&asked, "permissions", "a+b") && has(&asked, "audience", "api"));
    assert!(asked.iter().all(|(name, _)| name != "scope" && !name.starts_with("code_challenge")));
    let signed_in = sign_in(&provider).await.unwrap();
    assert_eq!(signed_in.user.id(), "o.u");
    assert_eq!(
        (signed_in.user.nickname.as_deref(), signed_in.user.name.as_deref()),
        (Some("al"), Some("ops"))
    );
    assert!(signed_in.user.email_verified);
    assert_eq!(signed_in.user.roles, ["dev"]);
    assert_eq!(signed_in.tokens.refresh_token.as_ref().unwrap().expose(), "rt");
    assert_eq!(signed_in.tokens.expires_at, Some(Timestamp::from_unix(NOW + 60)));
    assert_eq!(signed_in.tokens.scopes, "a b");
    let posted: Value = serde_json::from_str(&fake.asked("POST /token").remove(0).body).unwrap();
    let redirect_uri = "http://localhost/callback/idp";
    let expected = value!({
        "grant_type": "authorization_code", "code": "the-code", "redirect_uri": redirect_uri, "audience": "api",
        "client_id": "our-id", "client_secret": "our-secret",
    });
    assert_eq!(posted, expected);
    let asked = fake.asked("GET /user").remove(0);
    assert_eq!(asked.header("x-api-version"), Some("3"));
    assert_eq!(asked.header("accept"), Some("application/vnd.odd+json"));
    fake.on("/revoke", json(200, &value!({})));
    assert_eq!(provider.revoke(&UpstreamToken::new("at"), None).await, Ok(RevokeOutcome::Told));
}

#[tokio::test]
async fn a_program_maps_users_and_cannot_make_one_of_another() {
    let tokens = value!({"access_token": "at"});
    let (fake, _) =
        known(ProviderKind::Oauth2, ("/token", &tokens), ("/user", &value!({"id": 7, "dept": "IT"}))).await;
    let provider = changed(&fake, ProviderKind::Oauth2, |config| {
        config.user_map = Some(UserMap::new(|user| {
            let is_it = user.claims.get("dept").is_some_and(|dept| dept == "IT");
            user.roles = is_it.then(|| "admin".to_owned()).into_iter().collect();
            user.subject.id = "1".to_owned();
        }));
    });
    let user = sign_in(&provider).await.unwrap().user;
    assert_eq!((user.id(), user.roles.as_slice()), ("7", &["admin".to_owned()][..]));
}

// === Accounts are never joined ===

#[tokio::test]
async fn an_address_never_joins_two_accounts() {
    let tokens = value!({"access_token": "at"});
    let user = |id: u8, email: &str, verified: bool| value!({"id": id, "email": email, "verified": verified});
    let first = user(1, "alice@example.com", true);
    let (fake, _) = known(ProviderKind::Oauth2, ("/token", &tokens), ("/user", &first)).await;
    let with_email = |name: &str| {
        let name = coatroom::protocol::words::ProviderName::parse(name).unwrap();
        changed(&fake, ProviderKind::Oauth2, move |config| {
            config.name = name.clone();
            config.user.email = paths(&["email"]);
            config.user.email_verified = paths(&["verified"]);
        })
    };
    let (one, two) = (with_email("one"), with_email("two"));
    let alice = sign_in(&one).await.unwrap().user;
    assert!(alice.email_verified);
    // The same verified address, and even the same id, at another provider is somebody else.
    assert_ne!(sign_in(&two).await.unwrap().user.subject, alice.subject);
    // The same address at the same provider under another id is somebody else, verified or not.
    for verified in [true, false] {
        fake.on("/user", json(200, &user(2, "alice@example.com", verified)));
        let other = sign_in(&one).await.unwrap().user;
        assert_ne!(other.subject, alice.subject);
        assert_eq!(other.email_verified, verified);
    }
    // A changed address is the same user.
    fake.on("/user", json(200, &user(1, "bob@example.com", false)));
    let changed = sign_in(&one).await.unwrap().user;
    assert_eq!((&changed.subject, changed.email.as_deref()), (&alice.subject, Some("bob@example.com")));
    // Without an id there is no user, whatever the address says.
    fake.on("/user", json(200, &value!({"email": "alice@example.com", "verified": true})));
    assert_eq!(sign_in(&one).await.unwrap_err().outcome(), "bad_answer");
}

#[tokio::test]
async fn settings_that_would_weaken_a_sign_in_are_refused() {
    let fake = Fake::start().await;
    let refusal = |kind, change: &dyn Fn(&mut ProviderConfig)| {
        let mut config = fake.config(kind);
        change(&mut config);
        Provider::new(config, std::sync::Arc::default(), fake.clock.clone()).unwrap_err().to_string()
    };
    let oauth2 = |change: &dyn Fn(&mut ProviderConfig)| refusal(ProviderKind::Oauth2, change);
    for email in ["email", "data.email", "user.Mail"] {
        let said = oauth2(&|config| config.user.id = paths(&[email]));
        assert!(said.starts_with("user.id must lead to an id that never changes"), "{said}");
    }
    let said = oauth2(&|config| {
        config.user.email = paths(&["upn"]);
        config.user.id = paths(&["upn"]);
    });
    assert!(said.starts_with("user.id must lead"), "{said}");
    let said = oauth2(&|config| config.user.id = paths(&["{a}{b}"]));
    assert!(said.starts_with("user.id must be a path"), "{said}");
    for name in ["state", "redirect_uri", "code_challenge", "nonce", "client_id"] {
        let said = oauth2(&|config| config.authorize_params = vec![pair(name, "x")]);
        assert_eq!(said, "authorize_params must not set what protects the sign-in");
    }
    let said = oauth2(&|config| config.token_params = vec![pair("code_verifier", "x")]);
    assert_eq!(said, "token_params must not set what protects the sign-in");
    for (name, value) in [("Authorization", "x"), ("Cookie", "x"), ("a b", "x"), ("x", "a\nb")] {
        let said = oauth2(&|config| config.headers = vec![pair(name, value)]);
        assert!(said.starts_with("headers "), "{said}");
    }
    for url in ["http://idp.example/token", "ftp://idp.example", "https://u:p@idp.example/token", "token"] {
        let said = oauth2(&|config| config.token_url = Some(url.to_owned()));
        assert!(said.starts_with("token_url must "), "{said}");
        let said = oauth2(&|config| config.revoke_url = Some(url.to_owned()));
        assert!(said.starts_with("revoke_url must "), "{said}");
    }
    let microsoft = |change: &dyn Fn(&mut ProviderConfig)| refusal(ProviderKind::Microsoft, change);
    let tenant = |tenant: &str, tenants: &[&str]| {
        microsoft(&|config| {
            config.tenant = Some(tenant.to_owned());
            config.tenants = paths(tenants);
        })
    };
    assert!(tenant("contoso.com", &[]).starts_with("tenant must be a tenant's id"));
    assert!(tenant("../common", &[]).starts_with("tenant must be a tenant's id"));
    assert!(tenant("consumers", &["72f988bf-86f1-41af-91ab-2d7cd011db47"]).starts_with("tenants narrow"));
    assert!(tenant("common", &["contoso.com"]).starts_with("tenants must be ids"));
    let said = microsoft(&|config| config.scopes = "openid".parse().unwrap());
    assert_eq!(said, "the scopes of a provider of kind microsoft must contain profile");
    let said = microsoft(&|config| config.user.email_verified = paths(&["email"]));
    assert_eq!(said, "a provider of kind microsoft has no setting user.email_verified");
    let said = microsoft(&|config| config.user.id = paths(&["oid"]));
    assert_eq!(said, "a provider of kind microsoft has no setting user.id");
    let said = refusal(ProviderKind::Notion, &|config| config.scopes = "read".parse().unwrap());
    assert_eq!(said, "a provider of kind notion has no setting scopes");
    let said = refusal(ProviderKind::Okta, &|config| config.authorization_server = Some("a/b".to_owned()));
    assert!(said.starts_with("authorization_server must be an id"), "{said}");
    let said = refusal(ProviderKind::Okta, &|config| config.domain = Some("acme.okta.com/x?y".to_owned()));
    assert_eq!(said, "domain must have no query");
    let said = refusal(ProviderKind::Apple, &|config| config.client_secret = None);
    assert_eq!(said, "a provider of kind apple needs team_id");
    let said = refusal(ProviderKind::Apple, &|config| {
        config.client_secret = None;
        config.team_id = Some("T".to_owned());
        config.key_id = Some("K".to_owned());
        config.private_key = Some(coatroom::protocol::words::ClientSecret::new("canary"));
    });
    assert!(
        said.starts_with("private_key must be the text of the key file") && !said.contains("canary"),
        "{said}"
    );
}
