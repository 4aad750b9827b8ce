//! Remote issuers: each by tokens as it issues them, signed with keys of the test, and published by a server on loopback.

use std::sync::Arc;
use std::time::Duration;

use coatroom::issuers::{
    ClaimField, IssuerConfig, IssuerEndpoints, IssuerKeys, IssuerKind, RemoteIssuer, RemoteTokenError,
    VerifiedToken,
};
use coatroom::outbound::Outbound;
use coatroom::protocol::access::RemoteRefusal;
use coatroom::protocol::jws::{Algorithm, KeySet};
use coatroom::protocol::words::{AccessToken, ClientSecret, ProviderName, Resource};
use serde_json::{Value, json as value};

use crate::providers_fake::{Behaviour, Fake, NOW, json, with_type};
use crate::signer::{self, Signer, unsigned};

const RESOURCE: &str = "https://mcp.example.com/mcp";
const SECRET: &str = "a-jwt-secret-of-a-project-that-is-long";

fn hs256(claims: &Value, secret: &[u8]) -> String {
    signer::hs256(&value!({"alg": "HS256", "typ": "JWT"}), claims, secret)
}

/// An issuer of one kind on loopback, with one key.
struct Idp {
    fake: Fake,
    kind: IssuerKind,
    key: Signer,
    issuer: RemoteIssuer,
}

/// Where each kind publishes its keys.
fn keys_path(kind: IssuerKind) -> &'static str {
    match kind {
        IssuerKind::Auth0 | IssuerKind::Clerk => "/.well-known/jwks.json",
        IssuerKind::BetterAuth => "/api/auth/jwks",
        IssuerKind::WorkOs => "/oauth2/jwks",
        IssuerKind::Supabase => "/auth/v1/.well-known/jwks.json",
        IssuerKind::Keycloak => "/realms/acme/protocol/openid-connect/certs",
        IssuerKind::Scalekit => "/keys",
        _ => "/somewhere/keys",
    }
}

/// How each kind spells its issuer in tokens.
fn spelling(kind: IssuerKind, base: &str) -> String {
    match kind {
        IssuerKind::Auth0 => format!("{base}/"),
        IssuerKind::BetterAuth => format!("{base}/api/auth"),
        IssuerKind::Supabase => format!("{base}/auth/v1"),
        IssuerKind::Keycloak => format!("{base}/realms/acme"),
        IssuerKind::Custom => format!("{base}/tenant/"),
        _ => base.to_owned(),
    }
}

fn config(kind: IssuerKind, base: &str) -> IssuerConfig {
    let url = match kind {
        IssuerKind::BetterAuth => format!("{base}/api/auth/"),
        IssuerKind::Custom => spelling(kind, base),
        _ => base.to_owned(),
    };
    let mut config = IssuerConfig::new(ProviderName::parse("idp").unwrap(), kind, url);
    config.deadline = Duration::from_millis(500);
    match kind {
        IssuerKind::Keycloak => config.realm = Some("acme".to_owned()),
        IssuerKind::Scalekit => config.resource_id = Some("res_123".to_owned()),
        _ => {}
    }
    config
}

impl Idp {
    async fn start(kind: IssuerKind) -> Self {
        Self::with(kind, |_| {}).await
    }

    async fn with(kind: IssuerKind, change: impl FnOnce(&mut IssuerConfig)) -> Self {
        let fake = Fake::start().await;
        let key = Signer::new("first");
        fake.on(keys_path(kind), json(200, &value!({"keys": [key.jwk()]})));
        if kind == IssuerKind::Custom {
            let document = value!({
                "issuer": spelling(kind, &fake.base), "jwks_uri": format!("{}{}", fake.base, keys_path(kind)),
            });
            fake.on("/tenant/.well-known/openid-configuration", json(200, &document));
        }
        let mut config = config(kind, &fake.base);
        change(&mut config);
        let issuer = RemoteIssuer::new(config, Arc::new(Outbound::new()), fake.clock.clone()).unwrap();
        Self { fake, kind, key, issuer }
    }

    /// What a good token of this kind says.
    fn claims(&self) -> Value {
        let iss = spelling(self.kind, &self.fake.base);
        let mut claims = value!({ "iss": iss, "sub": "user_1", "iat": NOW, "exp": NOW + 300 });
        let more = match self.kind {
            IssuerKind::Auth0 => value!({
                "sub": "auth0|user_1", "aud": [RESOURCE, "https://t.example/userinfo"], "azp": "client_1",
                "scope": "openid profile email", "permissions": ["read:notes"], "email": "a@example.com",
                "email_verified": true, "name": "Alice", "nickname": "ali", "https://your-app.com/roles": ["admin"],
            }),
            IssuerKind::BetterAuth => value!({
                "aud": [RESOURCE], "azp": "client_1", "sid": "session_1", "scope": "openid email", "roles": "member",
                "email": "a@example.com", "picture": "https://a.example/p.png",
            }),
            IssuerKind::Clerk => value!({
                "client_id": "client_1", "scope": "profile email", "jti": "oat_1", "nbf": NOW, "org_id": "org_1",
                "org_role": "org:admin", "org_slug": "acme", "org_permissions": ["org:notes:read"], "username": "ali",
            }),
            IssuerKind::WorkOs => value!({
                "aud": RESOURCE, "sid": "session_1", "org_id": "org_1", "roles": ["admin"], "permissions": ["notes"],
                "preferred_username": "ali", "first_name": "Alice", "last_name": "Example",
            }),
            IssuerKind::Supabase => value!({
                "aud": "authenticated", "client_id": "client_1", "role": "authenticated", "aal": "aal1",
                "email": "a@example.com", "session_id": "s1", "amr": [{ "method": "password", "timestamp": NOW }],
                "user_metadata": {
                    "full_name": "Alice", "username": "ali", "avatar_url": "https://a.example/p.png", "email_verified": true,
                },
            }),
            IssuerKind::Keycloak => value!({
                "aud": [RESOURCE, "account"], "azp": "client_1", "typ": "Bearer", "sid": "s1", "nonce": "n",
                "scope": "openid email profile", "realm_access": { "roles": ["offline_access", "admin"] },
                "resource_access": { "account": { "roles": ["view-profile"] } }, "preferred_username": "ali",
                "given_name": "Alice", "family_name": "Example", "name": "Alice Example", "email_verified": false,
                "email": "a@example.com",
            }),
            IssuerKind::Scalekit => value!({
                "aud": ["res_123"], "client_id": "client_1", "sid": "s1", "org_id": "org_1", "scope": "notes:read",
            }),
            _ => value!({
                "resource": RESOURCE, "aud": "elsewhere", "client_id": "client_1", "scp": ["notes:read"], "avatar_url": "https://a.example/p.png",
            }),
        };
        claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        claims
    }

    fn changed(&self, claim: &str, to: Value) -> Value {
        let mut claims = self.claims();
        claims[claim] = to;
        claims
    }

    fn without(&self, claim: &str) -> Value {
        let mut claims = self.claims();
        claims.as_object_mut().unwrap().remove(claim);
        claims
    }

    async fn verify(&self, token: &str) -> Result<VerifiedToken, RemoteTokenError> {
        self.issuer.verify(&AccessToken::new(token), &Resource::parse(RESOURCE).unwrap()).await
    }

    async fn refusal(&self, token: &str) -> RemoteRefusal {
        match self.verify(token).await {
            Err(RemoteTokenError::Refused(refusal)) => refusal,
            other => panic!("{} was not refused: {other:?}", self.kind),
        }
    }

    async fn is_unavailable(&self, token: &str) -> bool {
        matches!(self.verify(token).await, Err(RemoteTokenError::Unavailable(_)))
    }

    fn key_fetches(&self) -> usize {
        self.fake.asked(&format!("GET {}", keys_path(self.kind))).len()
    }
}

/// A user in one line.
fn line(verified: &VerifiedToken) -> String {
    let VerifiedToken { user, said } = verified;
    let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
    format!(
        "{} | {} {} | {} {} {} {} | {} | {} | {} | {} | {}",
        user.subject,
        text(&user.email),
        user.email_verified,
        text(&user.name),
        text(&user.username),
        text(&user.nickname),
        text(&user.picture),
        user.roles.join(","),
        user.permissions.join(","),
        text(&user.organisation),
        text(&said.client),
        said.scopes,
    )
}

// === Each row of the table ===

#[tokio::test]
async fn a_token_of_each_issuer_passes_and_says_who_its_user_is() {
    let expected = [
        (
            IssuerKind::Auth0,
            "idp:auth0|user_1 | a@example.com true | Alice ali ali - | admin | read:notes | - | client_1 | email openid profile",
        ),
        (
            IssuerKind::BetterAuth,
            "idp:user_1 | a@example.com false | - - - https://a.example/p.png | member |  | - | client_1 | email openid",
        ),
        (
            IssuerKind::Clerk,
            "idp:user_1 | - false | - ali - - | org:admin | org:notes:read | org_1 | client_1 | email profile",
        ),
        (IssuerKind::WorkOs, "idp:user_1 | - false | - ali - - | admin | notes | org_1 | - | "),
        (
            IssuerKind::Supabase,
            "idp:user_1 | a@example.com false | Alice ali - https://a.example/p.png | authenticated | aal:aal1 | - | client_1 | ",
        ),
        (
            IssuerKind::Keycloak,
            "idp:user_1 | a@example.com false | Alice Example ali ali - | offline_access,admin | account:view-profile | - | client_1 | email openid profile",
        ),
        (IssuerKind::Scalekit, "idp:user_1 | - false | - - - - |  |  | org_1 | client_1 | notes:read"),
        (
            IssuerKind::Custom,
            "idp:user_1 | - false | - - - https://a.example/p.png |  |  | - | client_1 | notes:read",
        ),
    ];
    assert_eq!(expected.len(), IssuerKind::ALL.len());
    for (kind, expected) in expected {
        let idp = Idp::start(kind).await;
        let verified = idp.verify(&idp.key.sign(&idp.claims())).await.unwrap();
        assert_eq!(line(&verified), expected, "{kind}");
        let mut claims = idp.claims();
        if kind == IssuerKind::Scalekit {
            claims["subject_type"] = value!("user");
        }
        assert_eq!(Value::Object(verified.user.claims), claims, "{kind}: the claims are kept as they came");
        assert_eq!(verified.said.expires_at.unix(), NOW + 360);
    }
}

// RS-03, RS-13, RS-14
#[tokio::test]
async fn whatever_is_wrong_with_a_token_of_any_issuer_it_is_refused() {
    for kind in IssuerKind::ALL.iter().copied() {
        let idp = Idp::start(kind).await;
        let sign = |claims: Value| idp.key.sign(&claims);
        let base = &idp.fake.base;
        for iss in [
            value!(format!("{}/", spelling(kind, base))),
            value!(spelling(kind, base).trim_end_matches('/').to_uppercase()),
            value!("https://evil.example"),
            value!(format!("{base}/other")),
            value!(null),
        ] {
            assert_eq!(idp.refusal(&sign(idp.changed("iss", iss))).await, RemoteRefusal::Issuer, "{kind}");
        }
        if spelling(kind, base).ends_with('/') {
            let trimmed = spelling(kind, base).trim_end_matches('/').to_owned();
            let refusal = idp.refusal(&sign(idp.changed("iss", value!(trimmed)))).await;
            assert_eq!(refusal, RemoteRefusal::Issuer, "{kind}");
        }
        for (claims, expected) in [
            (idp.changed("exp", value!(NOW - 60)), RemoteRefusal::Expired),
            (idp.without("exp"), RemoteRefusal::NoEnd),
            (idp.changed("nbf", value!(NOW + 61)), RemoteRefusal::NotYetValid),
            (idp.changed("iat", value!(NOW + 61)), RemoteRefusal::NotYetValid),
            (idp.without("sub"), RemoteRefusal::Subject),
            (idp.changed("at_hash", value!("x")), RemoteRefusal::Kind),
            (idp.changed("typ", value!("Refresh")), RemoteRefusal::Kind),
        ] {
            assert_eq!(idp.refusal(&sign(claims)).await, expected, "{kind}");
        }
        let mut elsewhere = idp.changed("aud", value!(["https://mcp.example.com/other"]));
        elsewhere.as_object_mut().unwrap().remove("resource");
        assert_eq!(idp.refusal(&sign(elsewhere)).await, RemoteRefusal::Audience, "{kind}");

        let none = format!("{}.", unsigned(&value!({"alg": "none", "kid": "first"}), &idp.claims()));
        assert_eq!(idp.refusal(&none).await, RemoteRefusal::Algorithm, "{kind}");
        // The public key as the secret of an HMAC, in the two forms in which somebody might hand it over.
        for secret in [idp.key.public_key().to_vec(), idp.key.jwk().to_string().into_bytes()] {
            let confused = hs256(&idp.claims(), &secret);
            assert_eq!(idp.refusal(&confused).await, RemoteRefusal::Algorithm, "{kind}");
        }
        let mallory = Signer::new("first").sign(&idp.claims());
        assert_eq!(idp.refusal(&mallory).await, RemoteRefusal::Signature, "{kind}");
        for kind_of_token in ["logout+jwt", "oauth-id-jag+jwt"] {
            let header = value!({"alg": "ES256", "kid": "first", "typ": kind_of_token});
            let token = idp.key.sign_as(&header, &idp.claims());
            assert_eq!(idp.refusal(&token).await, RemoteRefusal::Kind, "{kind}");
        }
        for opaque in ["coat_at_abc", "abc", "a.b", "eyJhbGciOiJkaXIifQ..x.y.z"] {
            assert_eq!(idp.refusal(opaque).await, RemoteRefusal::Opaque, "{kind}");
        }
        assert_eq!(idp.refusal("a.b.c").await, RemoteRefusal::Malformed, "{kind}");
        assert!(idp.verify(&sign(idp.claims())).await.is_ok(), "{kind} still takes a good one");
    }
}

#[tokio::test]
async fn a_token_of_another_algorithm_than_its_key_is_refused() {
    let idp = Idp::start(IssuerKind::WorkOs).await;
    let mut pinned = idp.key.jwk();
    pinned["alg"] = value!("ES384");
    idp.fake.on(keys_path(idp.kind), json(200, &value!({"keys": [pinned]})));
    assert_eq!(idp.refusal(&idp.key.sign(&idp.claims())).await, RemoteRefusal::Signature);
    let listed = Idp::with(IssuerKind::WorkOs, |config| config.algorithms = vec![Algorithm::Rs256]).await;
    assert_eq!(listed.refusal(&listed.key.sign(&listed.claims())).await, RemoteRefusal::Algorithm);
    assert_eq!(listed.key_fetches(), 0, "no key could have helped");
}

// === Audiences ===

#[tokio::test]
async fn a_configured_audience_takes_the_place_of_the_resource() {
    for kind in [
        IssuerKind::Auth0,
        IssuerKind::Keycloak,
        IssuerKind::Clerk,
        IssuerKind::WorkOs,
        IssuerKind::BetterAuth,
    ] {
        let idp =
            Idp::with(kind, |config| config.audience = Some("https://api.example.com".to_owned())).await;
        let good = idp.changed("aud", value!("https://api.example.com"));
        assert!(idp.verify(&idp.key.sign(&good)).await.is_ok(), "{kind}");
        for bad in [idp.changed("aud", value!(RESOURCE)), idp.without("aud")] {
            assert_eq!(idp.refusal(&idp.key.sign(&bad)).await, RemoteRefusal::Audience, "{kind}");
        }
    }
}

#[tokio::test]
async fn scalekit_has_two_spellings_and_its_resource_id_is_the_audience() {
    let idp = Idp::start(IssuerKind::Scalekit).await;
    let resource = format!("{}/resources/res_123", idp.fake.base);
    assert_eq!(idp.issuer.issuer(), resource);
    assert!(idp.verify(&idp.key.sign(&idp.changed("iss", value!(resource)))).await.is_ok());
    for other in ["res_124", "res_12", RESOURCE] {
        let token = idp.key.sign(&idp.changed("aud", value!(other)));
        assert_eq!(idp.refusal(&token).await, RemoteRefusal::Audience, "{other}");
    }
    let machine = idp.key.sign(&idp.changed("sub", value!("client_1")));
    assert_eq!(idp.verify(&machine).await.unwrap().user.claims["subject_type"], "machine");
    let more = Idp::with(IssuerKind::Scalekit, |config| config.audience = Some(RESOURCE.to_owned())).await;
    assert!(more.verify(&more.key.sign(&more.changed("aud", value!(RESOURCE)))).await.is_ok());
}

#[tokio::test]
async fn an_id_token_of_clerk_is_for_its_client_and_opens_nothing() {
    let idp = Idp::start(IssuerKind::Clerk).await;
    let id_token = idp.key.sign(&idp.changed("aud", value!("client_1")));
    assert_eq!(idp.refusal(&id_token).await, RemoteRefusal::Audience);
}

#[tokio::test]
async fn a_user_of_supabase_may_be_named_by_another_claim() {
    let idp = Idp::start(IssuerKind::Supabase).await;
    let mut claims = idp.without("sub");
    claims["user_id"] = value!("user_2");
    assert_eq!(idp.verify(&idp.key.sign(&claims)).await.unwrap().user.subject.id, "user_2");
}

// === Supabase's secret ===

#[tokio::test]
async fn with_a_secret_supabase_signs_with_it_and_with_nothing_else() {
    let secret = |config: &mut IssuerConfig| config.jwt_secret = Some(ClientSecret::new(SECRET));
    let idp = Idp::with(IssuerKind::Supabase, secret).await;
    assert!(idp.verify(&hs256(&idp.claims(), SECRET.as_bytes())).await.is_ok());
    let by_key = idp.key.sign(&idp.claims());
    assert_eq!(idp.refusal(&by_key).await, RemoteRefusal::Algorithm);
    let by_other = hs256(&idp.claims(), b"another-secret-that-is-long-enough-too");
    assert_eq!(idp.refusal(&by_other).await, RemoteRefusal::Signature);
    let expired = hs256(&idp.changed("exp", value!(NOW - 100)), SECRET.as_bytes());
    assert_eq!(idp.refusal(&expired).await, RemoteRefusal::Expired);
    assert_eq!(idp.key_fetches(), 0);

    let without = Idp::start(IssuerKind::Supabase).await;
    let refusal = without.refusal(&hs256(&without.claims(), SECRET.as_bytes())).await;
    assert_eq!(refusal, RemoteRefusal::Algorithm);
}

// === Keys ===

#[tokio::test]
async fn an_unknown_key_makes_one_fetch_in_half_a_minute() {
    let idp = Idp::start(IssuerKind::Auth0).await;
    assert!(idp.verify(&idp.key.sign(&idp.claims())).await.is_ok());
    let stranger = Signer::new("unknown").sign(&idp.claims());
    for _ in 0..5 {
        assert_eq!(idp.refusal(&stranger).await, RemoteRefusal::UnknownKey);
    }
    assert_eq!(idp.key_fetches(), 2, "the first, and one more");
    idp.fake.clock.advance(Duration::from_secs(30));
    assert_eq!(idp.refusal(&stranger).await, RemoteRefusal::UnknownKey);
    assert_eq!(idp.key_fetches(), 3);
}

#[tokio::test]
async fn nonsense_makes_no_fetch_at_all() {
    let idp = Idp::start(IssuerKind::Auth0).await;
    for claims in [
        idp.changed("iss", value!("https://evil.example")),
        idp.changed("exp", value!(1)),
        idp.changed("aud", value!("x")),
    ] {
        idp.refusal(&idp.key.sign(&claims)).await;
    }
    idp.refusal("opaque").await;
    assert_eq!(idp.key_fetches(), 0);
}

#[tokio::test]
async fn a_new_key_is_found_and_the_old_one_ends_when_it_is_withdrawn() {
    let idp = Idp::start(IssuerKind::Keycloak).await;
    let old = idp.key.sign(&idp.claims());
    assert!(idp.verify(&old).await.is_ok());
    let next = Signer::new("second");
    idp.fake.on(keys_path(idp.kind), json(200, &value!({"keys": [next.jwk()]})));
    assert!(idp.verify(&next.sign(&idp.claims())).await.is_ok());
    assert_eq!(idp.refusal(&old).await, RemoteRefusal::UnknownKey);
}

// RS-27
#[tokio::test]
async fn an_outage_of_the_issuer_refuses_nobody() {
    let idp = Idp::start(IssuerKind::WorkOs).await;
    let good = idp.key.sign(&idp.claims());
    for broken in [
        json(503, &value!({})),
        json(404, &value!({})),
        with_type(200, "text/html", "<p>"),
        json(200, &value!({"keys": []})),
        Behaviour::Hang,
    ] {
        idp.fake.on(keys_path(idp.kind), broken.clone());
        assert!(idp.is_unavailable(&good).await, "{broken:?}");
    }
    idp.fake.on(keys_path(idp.kind), json(200, &value!({"keys": [idp.key.jwk()]})));
    assert!(idp.verify(&good).await.is_ok());
    idp.fake.on(keys_path(idp.kind), json(500, &value!({})));
    assert!(idp.verify(&good).await.is_ok(), "by the last good keys");
    // Of a key that may be new nobody can tell, however often somebody asks.
    let rotated = Signer::new("second").sign(&idp.claims());
    for _ in 0..3 {
        assert!(idp.is_unavailable(&rotated).await);
    }
    // And a token that could not be good under any key is refused all the same.
    assert_eq!(idp.refusal(&idp.key.sign(&idp.changed("exp", value!(1)))).await, RemoteRefusal::Expired);
}

// === Custom issuers ===

#[tokio::test]
async fn a_custom_issuer_is_found_by_each_form_of_its_metadata() {
    for path in [
        "/.well-known/oauth-authorization-server/tenant",
        "/tenant/.well-known/openid-configuration",
        "/.well-known/openid-configuration/tenant",
    ] {
        let idp = Idp::start(IssuerKind::Custom).await;
        let document = value!({
            "issuer": spelling(idp.kind, &idp.fake.base), "jwks_uri": format!("{}{}", idp.fake.base, keys_path(idp.kind)),
        });
        idp.fake.on("/tenant/.well-known/openid-configuration", json(404, &value!({})));
        idp.fake.on(path, json(200, &document));
        assert!(idp.verify(&idp.key.sign(&idp.claims())).await.is_ok(), "{path}");
    }
}

#[tokio::test]
async fn metadata_of_another_issuer_is_never_believed() {
    let idp = Idp::start(IssuerKind::Custom).await;
    let spelled = spelling(idp.kind, &idp.fake.base);
    for other in [spelled.trim_end_matches('/'), "https://evil.example", ""] {
        let document =
            value!({ "issuer": other, "jwks_uri": format!("{}{}", idp.fake.base, keys_path(idp.kind)) });
        idp.fake.on("/tenant/.well-known/openid-configuration", json(200, &document));
        assert!(idp.is_unavailable(&idp.key.sign(&idp.claims())).await, "{other}");
    }
    assert_eq!(idp.key_fetches(), 0);
}

#[tokio::test]
async fn a_custom_issuer_may_be_described_by_hand() {
    let key = Signer::new("by-hand");
    let keys = KeySet::parse(&value!({"keys": [key.jwk()]})).unwrap();
    let idp = Idp::with(IssuerKind::Custom, |config| {
        config.keys = Some(IssuerKeys::These(keys));
        config.endpoints = Some(IssuerEndpoints {
            authorize: "https://login.example/authorize".to_owned(),
            token: "https://login.example/token".to_owned(),
            register: None,
        });
        config.claims.insert(ClaimField::Id, "oid".to_owned());
        config.claims.insert(ClaimField::Roles, "groups.names".to_owned());
    })
    .await;
    let mut claims = idp.without("sub");
    claims["oid"] = value!("u-7");
    claims["groups"] = value!({ "names": ["staff"] });
    let verified = idp.verify(&key.sign(&claims)).await.unwrap();
    assert_eq!((verified.user.subject.id.as_str(), verified.user.roles), ("u-7", vec!["staff".to_owned()]));
    assert_eq!(idp.refusal(&key.sign(&idp.claims())).await, RemoteRefusal::Subject, "sub is not asked here");
    idp.fake.on("/tenant/.well-known/openid-configuration", json(404, &value!({})));
    let metadata = idp.issuer.metadata().await.unwrap();
    assert_eq!(metadata["authorization_endpoint"], "https://login.example/authorize");
    assert_eq!(metadata["issuer"], spelling(idp.kind, &idp.fake.base));
    assert!(metadata.get("registration_endpoint").is_none());
}

// === Configuration ===

#[test]
fn each_issuer_is_spelled_as_its_tokens_spell_it() {
    let made = |kind, url: &str, change: fn(&mut IssuerConfig)| {
        let mut config = IssuerConfig::new(ProviderName::parse("idp").unwrap(), kind, url);
        change(&mut config);
        let clock = Arc::new(coatroom::clock::SystemClock::new());
        RemoteIssuer::new(config, Arc::new(Outbound::new()), clock)
            .map(|issuer| issuer.issuer().to_owned())
            .map_err(|error| error.to_string())
    };
    let plain: fn(&mut IssuerConfig) = |_| {};
    for (kind, url, expected) in [
        (IssuerKind::Auth0, "t.eu.auth0.com", "https://t.eu.auth0.com/"),
        (IssuerKind::Auth0, "https://t.eu.auth0.com/", "https://t.eu.auth0.com/"),
        (IssuerKind::BetterAuth, "https://app.example.com/api/auth/", "https://app.example.com/api/auth"),
        (IssuerKind::Clerk, "https://x.clerk.accounts.dev", "https://x.clerk.accounts.dev"),
        (IssuerKind::WorkOs, "x.authkit.app", "https://x.authkit.app"),
        (IssuerKind::Supabase, "https://abc.supabase.co/", "https://abc.supabase.co/auth/v1"),
        (IssuerKind::Custom, "https://idp.example/T/", "https://idp.example/T/"),
    ] {
        assert_eq!(made(kind, url, plain).as_deref(), Ok(expected));
    }
    let realm: fn(&mut IssuerConfig) = |config| config.realm = Some("acme".to_owned());
    let keycloak = made(IssuerKind::Keycloak, "https://kc.example/auth/", realm);
    assert_eq!(keycloak.as_deref(), Ok("https://kc.example/auth/realms/acme"));
    for (kind, url, change, expected) in [
        (IssuerKind::Auth0, "http://t.auth0.com", plain, "url must be https"),
        (IssuerKind::Auth0, "t.auth0.com/x", plain, "without a path"),
        (IssuerKind::Auth0, "user:pw@t.auth0.com", plain, "url must have no user name"),
        (IssuerKind::Auth0, "t.auth0.com?x", plain, "url must have no query"),
        (IssuerKind::WorkOs, "x", plain, "the whole host"),
        (IssuerKind::WorkOs, "x.authkit.app/y", plain, "without a path"),
        (IssuerKind::Auth0, "t.auth0.com", realm, "has no setting realm"),
        (IssuerKind::Keycloak, "https://kc.example", plain, "needs realm"),
        (
            IssuerKind::Keycloak,
            "https://kc.example",
            |config| config.realm = Some("a/b".to_owned()),
            "may not contain",
        ),
        (IssuerKind::Scalekit, "https://x.scalekit.com", plain, "needs resource_id"),
        (
            IssuerKind::Scalekit,
            "https://x.scalekit.com",
            |config| config.resource_id = Some("app_1".to_owned()),
            "must start with res_",
        ),
        (
            IssuerKind::Supabase,
            "https://x.supabase.co",
            |config| config.jwt_secret = Some(ClientSecret::new("short")),
            "at least 32 bytes",
        ),
        (
            IssuerKind::Clerk,
            "https://x.clerk.dev",
            |config| config.jwt_secret = Some(ClientSecret::new(SECRET)),
            "no setting jwt_secret",
        ),
        (
            IssuerKind::Auth0,
            "t.auth0.com",
            |config| config.audience = Some(" ".to_owned()),
            "audience is empty",
        ),
    ] {
        let error = made(kind, url, change).unwrap_err();
        assert!(error.contains(expected), "{kind} {url}: {error}");
    }
}
