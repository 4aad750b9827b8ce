//! Known OpenID providers, each against answers like its own: Microsoft, Okta, GitLab, Slack's sign-in, Apple.
//!
//! None of these answers was recorded from the real service. Each says where its shape is from.

use coatroom::protocol::words::ClientSecret;
use coatroom::providers::{
    IdTokenRefusal, Provider, ProviderError, ProviderKind, RevokeOutcome, SignedIn, UpstreamAuthorization,
    UpstreamPrompt, UpstreamToken,
};
use serde_json::{Value, json as value};

use crate::providers_fake::{
    Fake, NONCE, NOW, ask, has, json, query, renew, sign_in, sign_in_with, with_type,
};
use crate::signer::Signer;

const TENANT: &str = "72f988bf-86f1-41af-91ab-2d7cd011db47";
const OTHER: &str = "b9419818-09af-49c2-b0c3-653adc1f376e";
const CONSUMERS: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";
const OID: &str = "690222be-ff1a-4d56-abd1-7e4f7d38e474";

/// An OpenID provider whose endpoints stand where the real one has them.
struct Known {
    fake: Fake,
    key: Signer,
    token: &'static str,
}

impl Known {
    async fn at(token: &'static str, keys: &str) -> Self {
        let fake = Fake::start().await;
        let key = Signer::new("the-key");
        fake.on(keys, json(200, &value!({"keys": [key.jwk()]})));
        Self { fake, key, token }
    }

    async fn sign_in(&self, provider: &Provider, claims: &Value) -> Result<SignedIn, ProviderError> {
        self.grant(claims);
        sign_in(provider).await
    }

    fn grant(&self, claims: &Value) {
        let tokens = value!({
            "access_token": "at", "refresh_token": "rt", "expires_in": 3600, "token_type": "Bearer",
            "id_token": self.key.sign(claims),
        });
        self.fake.on(self.token, json(200, &tokens));
    }
}

fn claims_of(issuer: &str, more: &Value) -> Value {
    let mut claims = value!({
        "iss": issuer, "aud": "our-id", "sub": "pairwise", "nonce": NONCE, "iat": NOW, "exp": NOW + 300,
    });
    claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    claims
}

// === Microsoft: shapes from the documentation of Entra's v2.0 endpoints and of its ID tokens ===

async fn microsoft() -> Known {
    Known::at("/common/oauth2/v2.0/token", "/common/discovery/v2.0/keys").await
}

fn microsoft_claims(known: &Known, tenant: &str) -> Value {
    let issuer = format!("{}/{tenant}/v2.0", known.fake.base);
    claims_of(
        &issuer,
        &value!({
            "tid": tenant, "oid": OID, "ver": "2.0", "name": "Alice", "preferred_username": "alice@contoso.example",
            "email": "alice@contoso.example", "roles": ["Reader"],
        }),
    )
}

fn of_tenants(known: &Known, tenant: &str, tenants: &[&str]) -> Provider {
    let mut config = known.fake.config(ProviderKind::Microsoft);
    config.tenant = Some(tenant.to_owned());
    config.tenants = tenants.iter().map(|&tenant| tenant.to_owned()).collect();
    known.fake.configured(config)
}

#[tokio::test]
async fn a_microsoft_user_is_tenant_and_object_and_never_an_address() {
    let known = microsoft().await;
    let provider = known.fake.provider(ProviderKind::Microsoft);
    let mut claims = microsoft_claims(&known, TENANT);
    // An app may ask for these claims; a tenant's own administrator decides what they say.
    claims["email_verified"] = value!(true);
    claims["xms_edov"] = value!(true);
    let user = known.sign_in(&provider, &claims).await.unwrap().user;
    assert_eq!(user.subject.id, format!("{TENANT}.{OID}"));
    assert_eq!(user.email.as_deref(), Some("alice@contoso.example"));
    assert!(!user.email_verified, "whoever runs a tenant writes any address there");
    assert_eq!(user.username.as_deref(), Some("alice@contoso.example"));
    assert_eq!((user.roles, user.organisation.as_deref()), (vec!["Reader".to_owned()], Some(TENANT)));

    // The same object id in another tenant is somebody else; a new address is the same user.
    let other = known.sign_in(&provider, &microsoft_claims(&known, OTHER)).await.unwrap().user;
    assert_ne!(other.subject.id, format!("{TENANT}.{OID}"));
    let mut moved = microsoft_claims(&known, TENANT);
    moved["email"] = value!("bob@contoso.example");
    let moved = known.sign_in(&provider, &moved).await.unwrap().user;
    assert_eq!(moved.subject.id, format!("{TENANT}.{OID}"));
}

/// Each key of the document says whose tokens it is for.
#[tokio::test]
async fn a_microsoft_key_of_one_tenant_signs_nobody_of_another_in() {
    let known = microsoft().await;
    let provider = known.fake.provider(ProviderKind::Microsoft);
    let publish = |tenant: &str| {
        let mut jwk = known.key.jwk();
        jwk["issuer"] = value!(format!("{}/{tenant}/v2.0", known.fake.base));
        known.fake.on("/common/discovery/v2.0/keys", json(200, &value!({"keys": [jwk]})));
        known.fake.clock.advance(std::time::Duration::from_hours(1));
    };
    let claims = |tenant: &str| {
        let mut claims = microsoft_claims(&known, tenant);
        claims["exp"] = value!(NOW + 24 * 3600);
        claims
    };
    publish("{tenantid}");
    for tenant in [TENANT, OTHER] {
        assert!(known.sign_in(&provider, &claims(tenant)).await.is_ok(), "{tenant}");
    }
    publish(CONSUMERS);
    assert!(known.sign_in(&provider, &claims(CONSUMERS)).await.is_ok());
    let error = known.sign_in(&provider, &claims(TENANT)).await.unwrap_err();
    assert_eq!(error, ProviderError::IdToken(IdTokenRefusal::Issuer));
}

#[tokio::test]
async fn a_microsoft_user_without_tenant_or_object_is_refused() {
    let known = microsoft().await;
    let provider = known.fake.provider(ProviderKind::Microsoft);
    for (claim, to) in
        [("oid", Value::Null), ("oid", value!("a.b")), ("oid", value!("")), ("oid", value!("a b"))]
    {
        let mut claims = microsoft_claims(&known, TENANT);
        claims[claim] = to;
        assert_eq!(known.sign_in(&provider, &claims).await.unwrap_err().outcome(), "bad_answer");
    }
}

#[tokio::test]
async fn a_microsoft_issuer_must_be_the_one_of_the_tokens_own_tenant() {
    let known = microsoft().await;
    let provider = known.fake.provider(ProviderKind::Microsoft);
    let base = known.fake.base.clone();
    for (claim, to) in [
        ("tid", value!(OTHER)),
        ("tid", Value::Null),
        ("iss", value!(format!("{base}/{OTHER}/v2.0"))),
        ("iss", value!(format!("{base}/{{tenantid}}/v2.0"))),
        ("iss", value!(format!("{base}/{TENANT}/v2.0/"))),
        ("iss", value!(format!("https://sts.windows.net/{TENANT}/"))),
    ] {
        let mut claims = microsoft_claims(&known, TENANT);
        claims[claim] = to;
        let error = known.sign_in(&provider, &claims).await.unwrap_err();
        assert_eq!(error, ProviderError::IdToken(IdTokenRefusal::Issuer), "{claims}");
    }
}

#[tokio::test]
async fn only_users_of_welcome_microsoft_tenants_enter() {
    let known = Known::at("/organizations/oauth2/v2.0/token", "/organizations/discovery/v2.0/keys").await;
    let refused = ProviderError::IdToken(IdTokenRefusal::Tenant);
    let provider = of_tenants(&known, "organizations", &[TENANT]);
    assert!(known.sign_in(&provider, &microsoft_claims(&known, TENANT)).await.is_ok());
    assert_eq!(known.sign_in(&provider, &microsoft_claims(&known, OTHER)).await.unwrap_err(), refused);
    let provider = of_tenants(&known, "organizations", &[]);
    assert!(known.sign_in(&provider, &microsoft_claims(&known, OTHER)).await.is_ok());
    assert_eq!(known.sign_in(&provider, &microsoft_claims(&known, CONSUMERS)).await.unwrap_err(), refused);

    let known = Known::at(
        "/72f988bf-86f1-41af-91ab-2d7cd011db47/oauth2/v2.0/token",
        &format!("/{TENANT}/discovery/v2.0/keys"),
    )
    .await;
    let provider = of_tenants(&known, TENANT, &[]);
    assert!(known.sign_in(&provider, &microsoft_claims(&known, TENANT)).await.is_ok());
    assert_eq!(known.sign_in(&provider, &microsoft_claims(&known, OTHER)).await.unwrap_err(), refused);

    let known = Known::at("/consumers/oauth2/v2.0/token", "/consumers/discovery/v2.0/keys").await;
    let provider = of_tenants(&known, "consumers", &[]);
    assert!(known.sign_in(&provider, &microsoft_claims(&known, CONSUMERS)).await.is_ok());
    assert_eq!(known.sign_in(&provider, &microsoft_claims(&known, TENANT)).await.unwrap_err(), refused);
}

#[tokio::test]
async fn microsoft_gets_the_scopes_again_at_each_renewal() {
    let known = microsoft().await;
    let provider = known.fake.provider(ProviderKind::Microsoft);
    let scopes = "User.Read email offline_access openid profile";
    assert!(has(&query(&provider, &ask()).await, "scope", scopes));
    known.grant(&microsoft_claims(&known, TENANT));
    assert_eq!(renew(&provider).await.unwrap().refresh_token.unwrap().expose(), "rt");
    let asked = known.fake.asked("POST /common/oauth2/v2.0/token").remove(0);
    assert_eq!(asked.field("scope").as_deref(), Some(scopes));
    assert_eq!(asked.field("client_secret").as_deref(), Some("our-secret"));
    assert_eq!(provider.revoke(&UpstreamToken::new("at"), None).await, Ok(RevokeOutcome::NotOffered));
}

#[tokio::test]
async fn what_microsoft_refuses_is_told_apart() {
    let known = microsoft().await;
    let provider = known.fake.provider(ProviderKind::Microsoft);
    let table = [
        (
            400,
            "invalid_grant",
            "AADSTS70008: The provided authorization code or refresh token has expired",
            "dead",
        ),
        (
            400,
            "interaction_required",
            "AADSTS50076: Due to a configuration change made by your administrator",
            "dead",
        ),
        (401, "invalid_client", "AADSTS7000215: Invalid client secret provided.", "misconfigured"),
        (400, "invalid_resource", "AADSTS500011: The resource principal was not found", "misconfigured"),
        (503, "temporarily_unavailable", "AADSTS90033: A transient error has occurred.", "transient"),
    ];
    for (status, code, description, expected) in table {
        let said = value!({
            "error": code, "error_description": description, "error_codes": [1], "timestamp": "2026-11-26 13:00:00Z",
            "trace_id": "0000aaaa-11bb-cccc-dd22-eeeeee333333", "correlation_id": "aaaa0000-bb11-2222-33cc-444444dddddd",
        });
        known.fake.on(known.token, json(status, &said));
        assert_eq!(renew(&provider).await.unwrap_err().outcome(), expected, "{code}");
    }
}

// === Okta: shapes from its documentation ===

async fn okta(path: &str, server: Option<&str>) -> (Known, Provider) {
    let known = Known::at("/v1/token", "/v1/keys").await;
    let base = &known.fake.base;
    let metadata = value!({
        "issuer": format!("{base}{path}"),
        "authorization_endpoint": format!("{base}/v1/authorize"),
        "token_endpoint": format!("{base}/v1/token"),
        "userinfo_endpoint": format!("{base}/v1/userinfo"),
        "jwks_uri": format!("{base}/v1/keys"),
        "revocation_endpoint": format!("{base}/v1/revoke"),
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "private_key_jwt", "none"],
    });
    known.fake.on(&format!("{path}/.well-known/openid-configuration"), json(200, &metadata));
    let mut config = known.fake.config(ProviderKind::Okta);
    config.authorization_server = server.map(str::to_owned);
    let provider = known.fake.configured(config);
    (known, provider)
}

#[tokio::test]
async fn okta_is_found_as_an_organisation_and_as_a_custom_server() {
    for (path, server) in [("", None), ("/oauth2/default", Some("default"))] {
        let (known, provider) = okta(path, server).await;
        let issuer = format!("{}{path}", known.fake.base);
        let profile = value!({
            "sub": "00u1", "email": "alice@acme.example", "email_verified": true, "name": "Alice",
            "preferred_username": "alice@acme.example", "groups": ["Everyone", "Admins"],
        });
        let user = known.sign_in(&provider, &claims_of(&issuer, &profile)).await.unwrap().user;
        assert_eq!((user.id(), user.email_verified), ("00u1", true));
        assert_eq!(user.roles, ["Everyone", "Admins"]);
        assert!(has(&query(&provider, &ask()).await, "scope", "email offline_access openid profile"));
        assert_eq!(provider.label(), "Okta");
        let elsewhere = claims_of(&format!("{issuer}/oauth2/other"), &profile);
        let error = known.sign_in(&provider, &elsewhere).await.unwrap_err();
        assert_eq!(error, ProviderError::IdToken(IdTokenRefusal::Issuer));
    }
}

#[tokio::test]
async fn okta_is_told_of_revoked_tokens() {
    let (known, provider) = okta("", None).await;
    known.fake.on("/v1/revoke", with_type(200, "text/plain", ""));
    let refresh = UpstreamToken::new("rt");
    assert_eq!(provider.revoke(&UpstreamToken::new("at"), Some(&refresh)).await, Ok(RevokeOutcome::Told));
    assert_eq!(known.fake.asked("POST /v1/revoke").remove(0).field("token").unwrap(), "rt");
}

// === GitLab: shapes from its documentation of OpenID Connect and OAuth 2 ===

#[tokio::test]
async fn a_gitlab_of_ones_own_is_its_own_issuer() {
    let known = Known::at("/oauth/token", "/oauth/discovery/keys").await;
    let provider = known.fake.provider(ProviderKind::Gitlab);
    let thin = claims_of(&known.fake.base, &value!({"sub": "42", "groups_direct": ["acme/platform"]}));
    let said = value!({
        "sub": "42", "name": "Alice", "nickname": "alice", "preferred_username": "alice", "email": "alice@example.com",
        "email_verified": true, "picture": "https://gitlab.example/avatar.png", "groups": ["acme"],
    });
    known.fake.on("/oauth/userinfo", json(200, &said));
    let user = known.sign_in(&provider, &thin).await.unwrap().user;
    assert_eq!((user.id(), user.username.as_deref(), user.email_verified), ("42", Some("alice"), true));
    assert_eq!(user.claims["groups_direct"], value!(["acme/platform"]));
    let public = claims_of("https://gitlab.com", &value!({"sub": "42"}));
    let error = known.sign_in(&provider, &public).await.unwrap_err();
    assert_eq!(error, ProviderError::IdToken(IdTokenRefusal::Issuer));
}

#[tokio::test]
async fn gitlab_rotates_and_is_told_of_revoked_tokens() {
    let known = Known::at("/oauth/token", "/oauth/discovery/keys").await;
    let provider = known.fake.provider(ProviderKind::Gitlab);
    let renewed = value!({
        "access_token": "new", "token_type": "Bearer", "expires_in": 7200, "refresh_token": "next", "scope": "openid",
        "created_at": NOW,
    });
    known.fake.on("/oauth/token", json(200, &renewed));
    assert_eq!(renew(&provider).await.unwrap().refresh_token.unwrap().expose(), "next");
    known.fake.on("/oauth/revoke", json(200, &value!({})));
    assert_eq!(provider.revoke(&UpstreamToken::new("at"), None).await, Ok(RevokeOutcome::Told));
    let gone = value!({"error": "invalid_grant", "error_description": "The provided authorization grant is invalid"});
    known.fake.on("/oauth/token", json(400, &gone));
    assert!(renew(&provider).await.unwrap_err().is_dead());
}

// === Sign in with Slack: shapes from its documentation ===

#[tokio::test]
async fn a_slack_user_is_workspace_and_user_together() {
    let known = Known::at("/api/openid.connect.token", "/openid/connect/keys").await;
    let provider = known.fake.provider(ProviderKind::Slack);
    let profile = value!({
        "sub": "U0R7MFMJM", "https://slack.com/user_id": "U0R7MFMJM", "https://slack.com/team_id": "T0R7GR55T",
        "email": "alice@example.com", "email_verified": true, "name": "Alice", "picture": "https://a.slack-edge.com/a.png",
    });
    let mut claims = claims_of(&known.fake.base, &profile);
    let user = known.sign_in(&provider, &claims).await.unwrap().user;
    assert_eq!((user.id(), user.organisation.as_deref()), ("T0R7GR55T.U0R7MFMJM", Some("T0R7GR55T")));
    assert!(user.email_verified);
    let asked = query(&provider, &ask()).await;
    assert!(has(&asked, "scope", "email openid profile") && has(&asked, "nonce", NONCE));
    claims["https://slack.com/team_id"] = value!("T2");
    assert_eq!(known.sign_in(&provider, &claims).await.unwrap().user.id(), "T2.U0R7MFMJM");
}

// === Apple: shapes from the documentation of "Sign in with Apple" ===

/// A P-256 key that was made for this test and is used nowhere.
const KEY: &str = "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgjnh3W9YdtZ2cw6hu\nxJ9J8qpKwN1xaKnMAmD78PLbcd+hRANCAAS3qVv3sq0+QtWo+ZNZmKJb1gItysVu\nlHTHW8fNuMgHyn2cVB57NSCD0PTKb4XDqWTnvWtFEub+Gltl+VjeWXgb\n-----END PRIVATE KEY-----\n";

async fn apple() -> (Known, Provider) {
    let known = Known::at("/auth/token", "/auth/keys").await;
    let mut config = known.fake.config(ProviderKind::Apple);
    config.client_secret = None;
    config.team_id = Some("TEAM123456".to_owned());
    config.key_id = Some("KEY1234567".to_owned());
    config.private_key = Some(ClientSecret::new(KEY));
    let provider = known.fake.configured(config);
    (known, provider)
}

fn apple_claims() -> Value {
    let profile = value!({
        "sub": "001234.0123456789abcdef0123456789abcdef.0123", "email": "x1@privaterelay.appleid.com",
        "email_verified": "true", "is_private_email": "true", "auth_time": NOW, "nonce_supported": true,
    });
    claims_of("https://appleid.apple.com", &profile)
}

#[tokio::test]
async fn apple_posts_its_callback_and_tells_the_name_there_once() {
    let (known, provider) = apple().await;
    let ask = UpstreamAuthorization { prompt: Some(UpstreamPrompt::Login), ..ask() };
    let asked = query(&provider, &ask).await;
    assert!(has(&asked, "response_mode", "form_post") && has(&asked, "scope", "email name"));
    assert!(asked.iter().all(|(name, _)| name != "prompt"));
    assert!(provider.posts_callbacks());
    known.grant(&apple_claims());
    let posted = r#"{"name":{"firstName":" Alice ","lastName":"Liddell"},"email":"forged@example.com"}"#;
    let user = sign_in_with(&provider, None, Some(posted)).await.unwrap().user;
    assert_eq!(user.name.as_deref(), Some("Alice Liddell"));
    assert_eq!(user.email.as_deref(), Some("x1@privaterelay.appleid.com"), "what is posted is not signed");
    assert!(user.email_verified, "Apple writes the truth as text");
    for odd in ["", "{}", "[]", r#"{"name":7}"#, r#"{"name":{"firstName":"a\nb"}}"#] {
        assert_eq!(sign_in_with(&provider, None, Some(odd)).await.unwrap().user.name, None, "{odd}");
    }
    assert_eq!(sign_in(&provider).await.unwrap().user.name, None);
}

#[tokio::test]
async fn apples_client_secret_is_signed_for_each_request() {
    let (known, provider) = apple().await;
    let signed_in = known.sign_in(&provider, &apple_claims()).await.unwrap();
    assert_eq!(signed_in.tokens.refresh_token.unwrap().expose(), "rt");
    let secret = known.fake.asked("POST /auth/token").remove(0).field("client_secret").unwrap();
    let part = |index: usize| {
        let text = secret.split('.').nth(index).unwrap();
        let bytes = coatroom::protocol::words::from_base64url(text).unwrap();
        serde_json::from_slice::<Value>(&bytes).unwrap()
    };
    assert_eq!(part(0), value!({"alg": "ES256", "kid": "KEY1234567", "typ": "JWT"}));
    let expected = value!({
        "iss": "TEAM123456", "sub": "our-id", "aud": "https://appleid.apple.com", "iat": NOW, "exp": NOW + 300,
    });
    assert_eq!(part(1), expected);
    let point = KEY.lines().skip(1).take(3).collect::<String>();
    let der = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, point).unwrap();
    let public = &der[der.len() - 65..];
    let (input, signature) = secret.rsplit_once('.').unwrap();
    let algorithm = &aws_lc_rs::signature::ECDSA_P256_SHA256_FIXED;
    let signature = coatroom::protocol::words::from_base64url(signature).unwrap();
    aws_lc_rs::signature::UnparsedPublicKey::new(algorithm, public)
        .verify(input.as_bytes(), &signature)
        .unwrap();
}

#[tokio::test]
async fn apple_ends_the_whole_grant_and_is_told_only_on_request() {
    let (known, provider) = apple().await;
    known.fake.on("/auth/revoke", with_type(200, "text/plain", ""));
    assert_eq!(provider.revoke(&UpstreamToken::new("at"), None).await, Ok(RevokeOutcome::NotOffered));
    known.fake.on("/auth/token", json(400, &value!({"error": "invalid_grant"})));
    assert!(renew(&provider).await.unwrap_err().is_dead());
}
