//! OpenID providers: discovery, keys that rotate, and ID tokens that are not what they should be.

use coatroom::providers::{
    IdTokenRefusal, Provider, ProviderError, ProviderKind, RevokeOutcome, SignedIn, UpstreamAuthorization,
    UpstreamToken,
};
use serde_json::{Value, json as value};
use std::time::Duration;

use crate::providers_fake::{Behaviour, Fake, NONCE, NOW, REDIRECT_URI, json, sign_in, sign_in_with_iss};
use crate::signer::{Signer, hs256, unsigned};

const METADATA: &str = "/.well-known/openid-configuration";

/// An OpenID provider with one key, whose ID tokens are good until a test changes them.
struct Idp {
    fake: Fake,
    provider: Provider,
    key: Signer,
}

impl Idp {
    async fn start() -> Self {
        let fake = Fake::start().await;
        let key = Signer::new("first");
        fake.on(METADATA, json(200, &metadata(&fake)));
        fake.on("/keys", json(200, &value!({"keys": [key.jwk()]})));
        let provider = fake.provider(ProviderKind::Oidc);
        Self { fake, provider, key }
    }

    fn claims(&self) -> Value {
        value!({
            "iss": self.fake.base, "aud": "our-id", "sub": "alice", "nonce": NONCE, "iat": NOW, "exp": NOW + 300,
            "email": "alice@example.com", "email_verified": true, "name": "Alice",
        })
    }

    async fn sign_in_with(&self, id_token: &str) -> Result<SignedIn, ProviderError> {
        let tokens = value!({"access_token": "at", "token_type": "Bearer", "id_token": id_token});
        self.fake.on("/token", json(200, &tokens));
        sign_in(&self.provider).await
    }

    /// Signs in with an ID token of which one claim was changed.
    async fn sign_in_changed(&self, claim: &str, to: Value) -> Result<SignedIn, ProviderError> {
        let mut claims = self.claims();
        claims[claim] = to;
        self.sign_in_with(&self.key.sign(&claims)).await
    }

    async fn sign_in(&self) -> Result<SignedIn, ProviderError> {
        self.sign_in_with(&self.key.sign(&self.claims())).await
    }
}

fn metadata(fake: &Fake) -> Value {
    let base = &fake.base;
    value!({
        "issuer": base,
        "authorization_endpoint": format!("{base}/authorize"),
        "token_endpoint": format!("{base}/token"),
        "userinfo_endpoint": format!("{base}/userinfo"),
        "jwks_uri": format!("{base}/keys"),
        "revocation_endpoint": format!("{base}/revoke"),
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": ["client_secret_post"],
    })
}

#[track_caller]
fn assert_refused(result: Result<SignedIn, ProviderError>, reason: IdTokenRefusal) {
    assert_eq!(result.unwrap_err(), ProviderError::IdToken(reason));
}

// === Sign-in ===

#[tokio::test]
async fn a_good_id_token_tells_who_the_user_is() {
    let idp = Idp::start().await;
    let signed_in = idp.sign_in().await.unwrap();
    assert_eq!(signed_in.user.subject.to_string(), "idp:alice");
    assert_eq!(signed_in.user.email.as_deref(), Some("alice@example.com"));
    assert!(signed_in.user.email_verified);
    assert!(!signed_in.user.claims.contains_key("nonce"));
    // Nothing was missing, so the user endpoint was not asked.
    assert!(idp.fake.asked("GET /userinfo").is_empty());
    let asked = idp.fake.asked("POST /token").remove(0);
    assert_eq!(asked.field("client_secret").unwrap(), "our-secret");
}

#[tokio::test]
async fn documents_are_fetched_once_for_many_sign_ins() {
    let idp = Idp::start().await;
    for _ in 0..3 {
        idp.sign_in().await.unwrap();
    }
    assert_eq!(idp.fake.asked(&format!("GET {METADATA}")).len(), 1);
    assert_eq!(idp.fake.asked("GET /keys").len(), 1);
}

#[tokio::test]
async fn what_a_thin_id_token_leaves_out_comes_from_the_user_endpoint() {
    let idp = Idp::start().await;
    let mut claims = idp.claims();
    for claim in ["email", "email_verified", "name"] {
        claims.as_object_mut().unwrap().remove(claim);
    }
    let said = value!({"sub": "alice", "email": "a@example.com", "email_verified": true, "iss": "https://evil.example"});
    idp.fake.on("/userinfo", json(200, &said));
    let user = idp.sign_in_with(&idp.key.sign(&claims)).await.unwrap().user;
    assert_eq!(user.email.as_deref(), Some("a@example.com"));
    assert!(user.email_verified);
    assert_eq!(user.claims["iss"], idp.fake.base);

    idp.fake.on("/userinfo", json(200, &value!({"sub": "bob", "email": "b@example.com"})));
    assert_refused(idp.sign_in_with(&idp.key.sign(&claims)).await, IdTokenRefusal::Subject);
    idp.fake.on("/userinfo", json(403, &value!({})));
    assert_eq!(idp.sign_in_with(&idp.key.sign(&claims)).await.unwrap().user.email, None);
    idp.fake.on("/userinfo", json(503, &value!({})));
    assert!(idp.sign_in_with(&idp.key.sign(&claims)).await.unwrap_err().is_transient());
}

#[tokio::test]
async fn an_address_and_the_word_that_it_was_verified_come_from_one_place() {
    let idp = Idp::start().await;
    let mut claims = idp.claims();
    for claim in ["email_verified", "name"] {
        claims.as_object_mut().unwrap().remove(claim);
    }
    let said =
        value!({"sub": "alice", "email": "other@example.com", "email_verified": true, "name": "Alice"});
    idp.fake.on("/userinfo", json(200, &said));
    let user = idp.sign_in_with(&idp.key.sign(&claims)).await.unwrap().user;
    assert_eq!(user.email.as_deref(), Some("alice@example.com"));
    assert!(!user.email_verified);
    assert_eq!(user.name.as_deref(), Some("Alice"));

    let mut claims = idp.claims();
    claims.as_object_mut().unwrap().remove("email");
    idp.fake.on("/userinfo", json(200, &value!({"sub": "alice", "email": "other@example.com"})));
    let user = idp.sign_in_with(&idp.key.sign(&claims)).await.unwrap().user;
    assert_eq!(user.email.as_deref(), Some("other@example.com"));
    assert!(!user.email_verified);
}

// === Forged ID tokens ===

#[tokio::test]
async fn an_id_token_of_another_issuer_is_refused() {
    let idp = Idp::start().await;
    assert_refused(idp.sign_in_changed("iss", value!("https://evil.example")).await, IdTokenRefusal::Issuer);
    let slash = format!("{}/", idp.fake.base);
    assert_refused(idp.sign_in_changed("iss", value!(slash)).await, IdTokenRefusal::Issuer);
}

#[tokio::test]
async fn an_id_token_for_another_client_is_refused() {
    let idp = Idp::start().await;
    assert_refused(idp.sign_in_changed("aud", value!("other")).await, IdTokenRefusal::Audience);
    let several = value!(["our-id", "other"]);
    assert_refused(idp.sign_in_changed("aud", several).await, IdTokenRefusal::AuthorizedParty);
    assert_refused(idp.sign_in_changed("azp", value!("other")).await, IdTokenRefusal::AuthorizedParty);
}

#[tokio::test]
async fn an_id_token_of_another_sign_in_is_refused() {
    let idp = Idp::start().await;
    assert_refused(idp.sign_in_changed("nonce", value!("other")).await, IdTokenRefusal::Nonce);
    assert_refused(idp.sign_in_changed("nonce", Value::Null).await, IdTokenRefusal::Nonce);
}

#[tokio::test]
async fn an_expired_or_future_id_token_is_refused() {
    let idp = Idp::start().await;
    assert_refused(idp.sign_in_changed("exp", value!(NOW - 60)).await, IdTokenRefusal::Expired);
    assert_refused(idp.sign_in_changed("iat", value!(NOW + 61)).await, IdTokenRefusal::NotYetValid);
    assert!(idp.sign_in_changed("exp", value!(NOW - 59)).await.is_ok());
}

#[tokio::test]
async fn an_id_token_of_another_access_token_is_refused() {
    let idp = Idp::start().await;
    // The left half of SHA-256("at"), and another one.
    assert!(idp.sign_in_changed("at_hash", value!("sda5G2fCr6XjIpiNlGJjjQ")).await.is_ok());
    let other = value!("2SmKENGwc1g33EvYXaxkGw");
    assert_refused(idp.sign_in_changed("at_hash", other).await, IdTokenRefusal::AccessTokenHash);
}

#[tokio::test]
async fn an_id_token_without_signature_is_refused() {
    let idp = Idp::start().await;
    let none = format!("{}.", unsigned(&value!({"alg": "none"}), &idp.claims()));
    assert_refused(idp.sign_in_with(&none).await, IdTokenRefusal::Algorithm);
    let stripped = format!("{}.", unsigned(&value!({"alg": "ES256", "kid": "first"}), &idp.claims()));
    assert_refused(idp.sign_in_with(&stripped).await, IdTokenRefusal::Signature);
}

#[tokio::test]
async fn a_public_key_is_no_hmac_secret() {
    let idp = Idp::start().await;
    for secret in [idp.key.jwk().to_string().as_bytes(), idp.key.public_key()] {
        let token = hs256(&value!({"alg": "HS256", "kid": "first"}), &idp.claims(), secret);
        assert_refused(idp.sign_in_with(&token).await, IdTokenRefusal::Algorithm);
    }
}

#[tokio::test]
async fn an_id_token_signed_by_somebody_else_is_refused() {
    let idp = Idp::start().await;
    let mallory = Signer::new("first");
    assert_refused(idp.sign_in_with(&mallory.sign(&idp.claims())).await, IdTokenRefusal::Signature);
}

#[tokio::test]
async fn an_answer_without_id_token_is_refused() {
    let idp = Idp::start().await;
    assert_refused(idp.sign_in_with("").await, IdTokenRefusal::Missing);
    assert_refused(idp.sign_in_with("nonsense").await, IdTokenRefusal::Malformed);
}

#[tokio::test]
async fn google_signs_with_either_spelling_of_its_issuer() {
    let fake = Fake::start().await;
    let key = Signer::new("g");
    fake.on("/oauth2/v3/certs", json(200, &value!({"keys": [key.jwk()]})));
    let provider = fake.provider(ProviderKind::Google);
    for (iss, good) in [
        ("https://accounts.google.com", true),
        ("accounts.google.com", true),
        ("https://accounts.google.com.evil.example", false),
    ] {
        let claims = value!({
            "iss": iss, "aud": "our-id", "azp": "our-id", "sub": "1066", "nonce": NONCE, "iat": NOW, "exp": NOW + 300,
            "email": "a@corp.example", "email_verified": true, "name": "A", "hd": "corp.example",
        });
        fake.on("/token", json(200, &value!({"access_token": "at", "id_token": key.sign(&claims)})));
        let signed_in = sign_in(&provider).await;
        assert_eq!(signed_in.is_ok(), good, "{iss}");
        if let Ok(signed_in) = signed_in {
            assert_eq!(signed_in.user.claims["hd"], "corp.example");
        }
    }
}

// === Keys ===

#[tokio::test]
async fn a_rotated_key_is_fetched_once_and_unknown_keys_do_not_hammer_the_provider() {
    let idp = Idp::start().await;
    idp.sign_in().await.unwrap();
    let second = Signer::new("second");
    idp.fake.on("/keys", json(200, &value!({"keys": [idp.key.jwk(), second.jwk()]})));
    idp.sign_in_with(&second.sign(&idp.claims())).await.unwrap();
    assert_eq!(idp.fake.asked("GET /keys").len(), 2);

    let stranger = Signer::new("third");
    for _ in 0..5 {
        assert_refused(idp.sign_in_with(&stranger.sign(&idp.claims())).await, IdTokenRefusal::UnknownKey);
    }
    assert_eq!(idp.fake.asked("GET /keys").len(), 2);
    idp.fake.clock.advance(Duration::from_secs(30));
    assert_refused(idp.sign_in_with(&stranger.sign(&idp.claims())).await, IdTokenRefusal::UnknownKey);
    assert_eq!(idp.fake.asked("GET /keys").len(), 3);
}

#[tokio::test]
async fn the_last_good_keys_serve_through_an_outage() {
    let idp = Idp::start().await;
    idp.sign_in().await.unwrap();
    for broken in [json(503, &value!({})), json(200, &value!({"keys": []})), Behaviour::BreakOff] {
        idp.fake.on("/keys", broken);
        idp.fake.on(METADATA, json(503, &value!({})));
        idp.fake.clock.advance(Duration::from_hours(1));
        let mut claims = idp.claims();
        claims["exp"] = value!(NOW + 24 * 3600);
        idp.sign_in_with(&idp.key.sign(&claims)).await.unwrap();
    }
}

#[tokio::test]
async fn an_unknown_key_during_an_outage_is_no_accusation() {
    let idp = Idp::start().await;
    idp.sign_in().await.unwrap();
    idp.fake.on("/keys", json(503, &value!({})));
    let second = Signer::new("second");
    assert!(idp.sign_in_with(&second.sign(&idp.claims())).await.unwrap_err().is_transient());
}

#[tokio::test]
async fn keys_that_were_never_had_are_transient() {
    let idp = Idp::start().await;
    idp.fake.on("/keys", json(503, &value!({})));
    assert!(idp.sign_in().await.unwrap_err().is_transient());
    // As soon as they can be had, the next sign-in succeeds.
    idp.fake.on("/keys", json(200, &value!({"keys": [idp.key.jwk()]})));
    assert!(idp.sign_in().await.is_ok());
}

// === Discovery ===

fn ask<'a>() -> UpstreamAuthorization<'a> {
    UpstreamAuthorization {
        state: "s",
        nonce: Some(NONCE),
        code_challenge: "c",
        redirect_uri: REDIRECT_URI,
        prompt: None,
        login_hint: None,
    }
}

/// What a provider with this member of its metadata changed says to an authorization.
async fn authorize_changed(member: &str, to: Value) -> Result<url::Url, ProviderError> {
    let fake = Fake::start().await;
    let mut metadata = metadata(&fake);
    metadata[member] = to;
    fake.on(METADATA, json(200, &metadata));
    fake.provider(ProviderKind::Oidc).authorization_url(&ask()).await
}

#[tokio::test]
async fn metadata_of_another_issuer_is_refused() {
    let error = authorize_changed("issuer", value!("https://evil.example")).await.unwrap_err();
    assert_eq!(error.outcome(), "misconfigured");
}

#[tokio::test]
async fn a_provider_without_pkce_is_refused_unless_configured_otherwise() {
    let error = authorize_changed("code_challenge_methods_supported", value!(["plain"])).await.unwrap_err();
    assert_eq!(error.outcome(), "misconfigured");

    let fake = Fake::start().await;
    let mut metadata = metadata(&fake);
    metadata["code_challenge_methods_supported"] = Value::Null;
    fake.on(METADATA, json(200, &metadata));
    let mut config = fake.config(ProviderKind::Oidc);
    config.assume_pkce = true;
    let url = fake.configured(config).authorization_url(&ask()).await.unwrap();
    assert!(url.query().unwrap().contains("code_challenge_method=S256"));
}

#[tokio::test]
async fn metadata_at_the_rfc_8414_address_is_found() {
    let fake = Fake::start().await;
    fake.on("/.well-known/oauth-authorization-server", json(200, &metadata(&fake)));
    assert!(fake.provider(ProviderKind::Oidc).authorization_url(&ask()).await.is_ok());
}

#[tokio::test]
async fn metadata_that_cannot_be_had_is_transient() {
    let fake = Fake::start().await;
    fake.on(METADATA, json(503, &value!({})));
    let provider = fake.provider(ProviderKind::Oidc);
    assert!(provider.authorization_url(&ask()).await.unwrap_err().is_transient());
    assert!(provider.renew(&UpstreamToken::new("rt")).await.unwrap_err().is_transient());
    fake.on(METADATA, json(200, &metadata(&fake)));
    assert!(provider.authorization_url(&ask()).await.is_ok());
}

#[tokio::test]
async fn a_promised_issuer_parameter_must_come() {
    let fake = Fake::start().await;
    let mut metadata = metadata(&fake);
    metadata["authorization_response_iss_parameter_supported"] = value!(true);
    fake.on(METADATA, json(200, &metadata));
    let provider = fake.provider(ProviderKind::Oidc);
    assert_eq!(provider.check_issuer(None).await, Err(ProviderError::Issuer));
    assert_eq!(provider.check_issuer(Some(&fake.base)).await, Ok(()));
    assert_eq!(sign_in_with_iss(&provider, None).await.unwrap_err(), ProviderError::Issuer);
    assert!(fake.asked("POST /token").is_empty());
}

#[tokio::test]
async fn two_providers_that_swap_their_callbacks_are_told_apart() {
    let (honest, other) = (Idp::start().await, Idp::start().await);
    let error = sign_in_with_iss(&honest.provider, Some(&other.fake.base)).await.unwrap_err();
    assert_eq!(error, ProviderError::Issuer);
    assert!(honest.fake.asked("POST /token").is_empty());
}

#[tokio::test]
async fn a_token_is_revoked_only_where_metadata_offers_it() {
    let idp = Idp::start().await;
    idp.fake.on("/revoke", json(200, &value!({})));
    assert_eq!(idp.provider.revoke(&UpstreamToken::new("rt"), None).await, Ok(RevokeOutcome::Told));
    let fake = Fake::start().await;
    let mut metadata = metadata(&fake);
    metadata.as_object_mut().unwrap().remove("revocation_endpoint");
    fake.on(METADATA, json(200, &metadata));
    let provider = fake.provider(ProviderKind::Oidc);
    assert_eq!(provider.revoke(&UpstreamToken::new("rt"), None).await, Ok(RevokeOutcome::NotOffered));
}
