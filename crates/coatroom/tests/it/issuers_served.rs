//! Servers that take the tokens of a remote issuer, over HTTP: what clients read, and what the guard answers.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use coatroom::allowlist::{Allowlist, List};
use coatroom::entropy::SystemEntropy;
use coatroom::guard::Caller;
use coatroom::issuers::{IssuerConfig, IssuerKind, RemoteIssuer};
use coatroom::outbound::Outbound;
use coatroom::protocol::access::{Manifest, Rule, Unlisted};
use coatroom::protocol::words::{ProviderName, ScopeCatalogue, ScopeEntry, Timestamp};
use coatroom::providers::ProviderKind;
use coatroom::settings::{ClientDocuments, DocumentMode, LocalAccounts};
use coatroom::store::MemoryStore;
use coatroom::vault::KeyRing;
use coatroom::{Builder, Coatroom, Protection};
use http::{Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::{Value, json as value};
use tower::ServiceExt as _;
use tower_layer::Layer as _;

use crate::providers_fake::{Fake, NOW, json};
use crate::signer::Signer;

const PUBLIC: &str = "https://mcp.example.com";
const KEYS: &str = "/realms/acme/protocol/openid-connect/certs";
const OIDC: &str = "/realms/acme/.well-known/openid-configuration";

struct Served {
    fake: Fake,
    key: Signer,
    coatroom: Coatroom,
}

impl Served {
    /// A Keycloak of an older version, which has no RFC 8414 document, before one MCP server.
    async fn start() -> Self {
        Self::with(|builder, _| builder).await
    }

    async fn with(build: impl FnOnce(Builder, &Fake) -> Builder) -> Self {
        let (fake, key) = (Fake::start().await, Signer::new("k"));
        fake.on(KEYS, json(200, &value!({"keys": [key.jwk()]})));
        fake.on(OIDC, json(200, &Self::metadata(&fake)));
        let builder = Coatroom::builder(PUBLIC)
            .client_documents(ClientDocuments::in_mode(DocumentMode::Off))
            .clock(fake.clock.clone())
            .store(MemoryStore::new(fake.clock.clone()))
            .keys(KeyRing::generate(&SystemEntropy::new(), Timestamp::from_unix(NOW)).unwrap())
            .remote_issuer(issuer(&fake, "keycloak"))
            .resource(protection("/mcp", "keycloak"));
        let coatroom = build(builder, &fake).build().unwrap();
        Self { fake, key, coatroom }
    }

    fn metadata(fake: &Fake) -> Value {
        let issuer = format!("{}/realms/acme", fake.base);
        value!({
            "issuer": issuer, "authorization_endpoint": format!("{issuer}/auth"), "token_endpoint": format!("{issuer}/token"),
            "code_challenge_methods_supported": ["S256"], "jwks_uri": format!("{}{KEYS}", fake.base),
        })
    }

    fn issuer(&self) -> String {
        format!("{}/realms/acme", self.fake.base)
    }

    fn token(&self, more: &Value) -> String {
        let mut claims = value!({
            "iss": self.issuer(), "sub": "alice", "aud": format!("{PUBLIC}/mcp"), "azp": "client", "exp": NOW + 300,
            "typ": "Bearer", "scope": "notes:write", "realm_access": { "roles": ["admin"] },
        });
        claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.key.sign(&claims)
    }

    async fn get(&self, path: &str) -> (StatusCode, Value) {
        let request =
            Request::builder().uri(path).header("host", "mcp.example.com").body(Body::empty()).unwrap();
        let (status, _, body) = read(self.coatroom.routes().oneshot(request).await.unwrap()).await;
        (status, body)
    }

    /// Calls a tool, and returns what a server behind the guard says about its caller.
    async fn call(&self, tool: &str, token: &str) -> (StatusCode, String, Value) {
        self.call_at("/mcp", tool, token).await
    }

    async fn call_at(&self, path: &str, tool: &str, token: &str) -> (StatusCode, String, Value) {
        let server = tower::service_fn(|request: Request<Body>| async move {
            let caller = request.extensions().get::<Caller>().unwrap();
            let provider = ProviderName::parse("github").unwrap();
            if request.headers().contains_key("x-wants-token") {
                return Ok(caller.upstream(provider.as_str()).await.unwrap_err().into_response());
            }
            let said = value!({
                "user": caller.user().subject.to_string(), "roles": caller.user().roles, "client": caller.client().id.as_str(),
                "scopes": caller.scopes().to_string(), "authorization": request.headers().contains_key("authorization"),
            });
            Ok::<_, Infallible>(Response::new(Body::from(said.to_string())))
        });
        let body = value!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": tool } });
        let mut request = Request::builder().method(Method::POST).uri(path).header("host", "mcp.example.com");
        request = request.header("content-type", "application/json");
        if !token.is_empty() {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        if tool == "token" {
            request = request.header("x-wants-token", "yes");
        }
        let guard = self.coatroom.guard(path).layer(server);
        read(guard.oneshot(request.body(Body::from(body.to_string())).unwrap()).await.unwrap()).await
    }
}

fn issuer(fake: &Fake, name: &str) -> RemoteIssuer {
    issuer_for(fake, name, Allowlist::default())
}

fn issuer_for(fake: &Fake, name: &str, allow: Allowlist) -> RemoteIssuer {
    let name = ProviderName::parse(name).unwrap();
    let mut config = IssuerConfig::new(name, IssuerKind::Keycloak, &fake.base);
    config.realm = Some("acme".to_owned());
    config.allow = allow;
    RemoteIssuer::new(config, Arc::new(Outbound::new()), fake.clock.clone()).unwrap()
}

fn protection(path: &str, issuer: &str) -> Protection {
    let entry = |default, implies: &str| ScopeEntry {
        default,
        implies: implies.parse().unwrap(),
        ..ScopeEntry::default()
    };
    let scopes = [("notes:read", entry(true, "")), ("notes:write", entry(false, "notes:read"))];
    let scopes = scopes.into_iter().map(|(name, entry)| (name.parse().unwrap(), entry)).collect();
    let rule = |pattern, scopes: &str, roles: &[&str]| {
        Rule::tool(pattern).with_scopes(scopes.parse().unwrap()).with_roles(roles.iter().copied())
    };
    let rules = [
        rule("read", "notes:read", &[]),
        rule("share", "notes:share", &[]),
        rule("purge", "", &["owner"]),
        rule("audit", "", &["admin"]),
    ];
    Protection::new(path)
        .with_name("Notes")
        .with_issuer(ProviderName::parse(issuer).unwrap())
        .with_scopes(ScopeCatalogue::new(scopes).unwrap())
        .with_manifest(Manifest::new(rules, Unlisted::Permitted))
}

async fn read(response: Response) -> (StatusCode, String, Value) {
    let (parts, body) = response.into_parts();
    let challenge =
        parts.headers.get("www-authenticate").map_or("", |value| value.to_str().unwrap()).to_owned();
    let body = body.collect().await.unwrap().to_bytes();
    (parts.status, challenge, serde_json::from_slice(&body).unwrap_or(Value::Null))
}

// PRM-06
#[tokio::test]
async fn the_resource_points_to_the_remote_issuer_in_its_own_spelling() {
    let served = Served::start().await;
    for path in ["/.well-known/oauth-protected-resource/mcp", "/.well-known/oauth-protected-resource"] {
        let (status, document) = served.get(path).await;
        assert_eq!(status, 200);
        assert_eq!(
            document,
            value!({
                "resource": "https://mcp.example.com/mcp",
                "authorization_servers": [served.issuer()],
                "scopes_supported": ["email", "notes:read", "openid", "profile", "roles"],
                "bearer_methods_supported": ["header"],
                "resource_name": "Notes",
            })
        );
    }
    let (status, challenge, _) = served.call("read", "").await;
    assert_eq!(status, 401);
    assert_eq!(
        challenge,
        r#"Bearer resource_metadata="https://mcp.example.com/.well-known/oauth-protected-resource/mcp", scope="email notes:read openid profile roles""#
    );
}

#[tokio::test]
async fn the_only_issuers_document_stands_at_our_origin_in_its_own_name() {
    let served = Served::start().await;
    let (status, document) = served.get("/.well-known/oauth-authorization-server").await;
    assert_eq!((status, document), (StatusCode::OK, Served::metadata(&served.fake)));
    // It is no OpenID provider of ours, and there is no authorization server here.
    for path in
        ["/.well-known/openid-configuration", "/authorize", "/account", "/callback/keycloak", "/connect/x"]
    {
        assert_eq!(served.get(path).await.0, 404, "{path}");
    }
    for path in ["/register", "/token", "/revoke"] {
        let request = Request::post(path).header("host", "mcp.example.com").body(Body::empty()).unwrap();
        assert_eq!(served.coatroom.routes().oneshot(request).await.unwrap().status(), 404, "{path}");
    }
    assert_eq!(served.get("/jwks.json").await.0, 200, "assertions are signed here all the same");

    let down = Served::start().await;
    down.fake.on(OIDC, json(503, &value!({})));
    let (status, body) = down.get("/.well-known/oauth-authorization-server").await;
    assert_eq!(
        (status, &body["error"]),
        (StatusCode::SERVICE_UNAVAILABLE, &value!("temporarily_unavailable"))
    );
    down.fake.on(OIDC, json(404, &value!({})));
    let (status, made) = down.get("/.well-known/oauth-authorization-server").await;
    assert_eq!(status, 200, "what is known of a kind stands in where it publishes nothing");
    assert_eq!(made["issuer"], value!(down.issuer()));
    assert_eq!(
        made["registration_endpoint"],
        value!(format!("{}/clients-registrations/openid-connect", down.issuer()))
    );
}

#[tokio::test]
async fn of_two_issuers_neither_speaks_at_our_origin() {
    let served = Served::with(|builder, fake| {
        builder.remote_issuer(issuer(fake, "other")).resource(protection("/b", "other"))
    })
    .await;
    assert_eq!(served.get("/.well-known/oauth-authorization-server").await.0, 404);
    assert_eq!(served.get("/.well-known/oauth-protected-resource/b").await.0, 200);
    assert_eq!(served.get("/.well-known/oauth-protected-resource").await.0, 404);
}

#[tokio::test]
async fn beside_tokens_of_ours_the_origin_speaks_for_us() {
    let served = Served::with(|builder, fake| {
        builder.provider(fake.provider(ProviderKind::Oidc)).resource(Protection::new("/own").with_name("Own"))
    })
    .await;
    let (_, document) = served.get("/.well-known/oauth-authorization-server").await;
    assert_eq!(document["issuer"], PUBLIC);
    assert_eq!(document["protected_resources"], value!(["https://mcp.example.com/own"]));
    let (_, own) = served.get("/.well-known/oauth-protected-resource/own").await;
    assert_eq!(own["authorization_servers"], value!([PUBLIC]));
    let (_, remote) = served.get("/.well-known/oauth-protected-resource/mcp").await;
    assert_eq!(remote["authorization_servers"], value!([served.issuer()]));
}

#[tokio::test]
async fn a_caller_with_a_remote_token_is_known_by_its_claims() {
    let served = Served::start().await;
    let (status, _, said) = served.call("read", &served.token(&value!({}))).await;
    assert_eq!(status, 200);
    assert_eq!(
        said,
        value!({
            "user": "keycloak:alice", "roles": ["admin"], "client": "client", "scopes": "notes:read notes:write",
            "authorization": false,
        })
    );
}

#[tokio::test]
async fn scopes_and_roles_of_a_remote_token_open_what_the_rules_say() {
    let served = Served::start().await;
    let token = served.token(&value!({}));
    let (status, challenge, _) = served.call("share", &token).await;
    assert_eq!(status, 403);
    assert!(challenge.contains(r#"error="insufficient_scope", scope="notes:share""#), "{challenge}");
    assert_eq!(served.call("audit", &token).await.0, 200);
    let (status, challenge, _) = served.call("purge", &token).await;
    assert_eq!((status, challenge.as_str()), (StatusCode::FORBIDDEN, ""));
}

// RS-03, RS-27, RS-28
#[tokio::test]
async fn a_remote_token_that_is_not_good_is_401_and_an_outage_is_503() {
    let served = Served::start().await;
    let long = "x".repeat(17 * 1024);
    for (token, expected) in [
        (served.token(&value!({"exp": NOW - 100})), 401),
        (served.token(&value!({"iss": "https://evil.example"})), 401),
        (served.token(&value!({"aud": "https://mcp.example.com/other"})), 401),
        (served.token(&value!({"cnf": {"jkt": "x"}})), 401),
        (Signer::new("k").sign(&value!({"iss": served.issuer()})), 401),
        ("coat_at_opaque".to_owned(), 401),
        (served.token(&value!({"more": long})), 400),
    ] {
        let (status, challenge, _) = served.call("read", &token).await;
        assert_eq!(status.as_u16(), expected);
        let code = if expected == 401 { "invalid_token" } else { "invalid_request" };
        assert!(challenge.contains(&format!(r#"error="{code}""#)), "{challenge}");
    }
    let down = Served::start().await;
    down.fake.on(KEYS, json(500, &value!({})));
    let (status, challenge, _) = down.call("read", &down.token(&value!({}))).await;
    assert_eq!((status, challenge.as_str()), (StatusCode::SERVICE_UNAVAILABLE, ""));
}

#[tokio::test]
async fn a_remote_caller_has_no_upstream_token_and_is_sent_nowhere_to_connect_one() {
    let served = Served::start().await;
    let (status, challenge, body) = served.call("token", &served.token(&value!({}))).await;
    assert_eq!((status, challenge.as_str()), (StatusCode::FORBIDDEN, ""));
    let message = body["error"]["message"].as_str().unwrap();
    assert!(message.contains("tokens of a remote issuer"), "{message}");
}

#[tokio::test]
async fn what_contradicts_a_remote_issuer_is_named() {
    let fake = Fake::start().await;
    let name = |name: &str| ProviderName::parse(name).unwrap();
    let built = Coatroom::builder(PUBLIC)
        .client_documents(ClientDocuments::in_mode(DocumentMode::Off))
        .store(MemoryStore::new(fake.clock.clone()))
        .keys(KeyRing::generate(&SystemEntropy::new(), Timestamp::from_unix(NOW)).unwrap())
        .provider(fake.provider(ProviderKind::Oidc))
        .local_accounts(LocalAccounts::default(), None)
        .remote_issuer(issuer(&fake, "idp"))
        .remote_issuer(issuer(&fake, "local"))
        .resource(protection("/a", "nobody"))
        .resource(protection("/c", "local"))
        .resource(protection("/b", "idp").with_provider(name("idp")))
        .default_path("/b")
        .build();
    let problems = built.unwrap_err().problems.join("\n");
    for expected in [
        "issuer nobody, which is not set",
        "sign in there",
        "idp is set twice",
        "both called local",
        "default path",
    ] {
        assert!(problems.contains(expected), "{problems}");
    }
}

// UP-13, RS-16, RS-17: the token is good, so there is no challenge, which clients would follow for ever.
#[tokio::test]
async fn a_good_token_of_a_user_who_may_not_enter_is_a_403_without_a_challenge() {
    for (list, entry, admitted, kept_out) in [
        (List::Users, "alice", value!({}), value!({"sub": "bob"})),
        (
            List::Users,
            "alice@example.com",
            value!({"email": "Alice@example.com", "email_verified": true}),
            value!({"email": "alice@example.com", "email_verified": false}),
        ),
        (
            List::EmailDomains,
            "example.com",
            value!({"email": "a@example.com", "email_verified": true}),
            value!({"email": "a@example.com"}),
        ),
        (List::Roles, "admin", value!({}), value!({"realm_access": {"roles": ["user"]}})),
        (List::Groups, "staff", value!({"groups": ["staff"]}), value!({"groups": ["guests"]})),
    ] {
        let allow = Allowlist::default().with(list, [entry]).unwrap();
        let served = Served::with(|builder, fake| {
            builder.remote_issuer(issuer_for(fake, "closed", allow)).resource(protection("/closed", "closed"))
        })
        .await;
        let token = |more: &Value| {
            let mut claims = value!({ "aud": format!("{PUBLIC}/closed") });
            claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            served.token(&claims)
        };
        let (status, _, said) = served.call_at("/closed", "read", &token(&admitted)).await;
        assert_eq!(status, 200, "{list} {said}");
        let (status, challenge, body) = served.call_at("/closed", "read", &token(&kept_out)).await;
        assert_eq!((status, challenge.as_str()), (StatusCode::FORBIDDEN, ""), "{list} {body}");
        assert_eq!(body["error"]["message"], "this account may not use this server");
        let (status, challenge, _) = served.call_at("/closed", "read", "").await;
        assert_eq!(status, 401);
        assert!(challenge.starts_with("Bearer resource_metadata="), "{challenge}");
    }
}

#[test]
fn lists_that_a_token_cannot_tell_about_are_refused() {
    let name = ProviderName::parse("keycloak").unwrap();
    let mut config = IssuerConfig::new(name, IssuerKind::Keycloak, "https://id.example");
    config.realm = Some("acme".to_owned());
    for (list, entry) in [(List::WorkspaceDomains, "example.com"), (List::Teams, "acme/platform")] {
        config.allow = Allowlist::default().with(list, [entry]).unwrap();
        assert_eq!(config.check().unwrap_err().setting(), list.setting());
    }
}
