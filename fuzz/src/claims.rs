//! What others say about a user, in the tokens of a remote issuer, in ID tokens and in the answers of user endpoints: whoever is
//! let in is the one whom the signed claims name, for us, now; and nobody has a verified address of which nobody said so.
//!
//! An input is a line that says who speaks (`remote KIND` or `openid`), a line with the claims of the token, and for `openid`
//! perhaps one with the answer of the user endpoint. The claims are signed as they stand; `{issuer}` in them is the issuer.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use axum::Router;
use axum::routing::{get, post};
use coatroom::clock::ManualClock;
use coatroom::issuers::{IssuerConfig, IssuerKind, RemoteIssuer, VerifiedToken};
use coatroom::outbound::Outbound;
use coatroom::protocol::words::{
    AccessToken, ClientSecret, CodeVerifier, ProviderName, Resource, Timestamp, base64url,
};
use coatroom::providers::{CodeExchange, Provider, ProviderConfig, ProviderKind};
use coatroom::user::User;
use http::header::CONTENT_TYPE;
use serde_json::{Map, Value, json};
use tokio::runtime::Runtime;

use crate::tree::unique;

/// Checks who the user of one token is.
///
/// # Panics
/// When somebody is let in whom the token does not name.
#[must_use]
pub fn check(data: &[u8]) -> bool {
    let mut lines = data.splitn(3, |byte| *byte == b'\n');
    let mut line = || lines.next().unwrap_or_default();
    let (who, claims, said) = (line(), line(), line());
    let Ok(who) = std::str::from_utf8(who) else { return false };
    match who.strip_prefix("remote ").map(IssuerKind::parse) {
        Some(Some(kind)) => remote(kind, claims),
        None if who == "openid" => openid(claims, said),
        _ => false,
    }
}

// === Tokens of a remote issuer ===

fn remote(kind: IssuerKind, claims: &[u8]) -> bool {
    let Some(issuer) = WORLD.issuers.get(&kind) else { return false };
    let claims = filled(claims, issuer.issuer());
    let token = AccessToken::new(signed(&claims));
    let resource = Resource::parse(RESOURCE).expect("a resource");
    let Ok(verified) = WORLD.runtime.block_on(issuer.verify(&token, &resource)) else { return false };

    let claims = unique(&claims).expect("claims are JSON without repeated keys");
    let spelled = issuer.issuer();
    let is_known = claims["iss"] == spelled
        || (kind == IssuerKind::Scalekit && claims["iss"] == spelled.trim_end_matches("/resources/res_1"));
    assert!(is_known, "{claims}");
    let VerifiedToken { user, said } = verified;
    let named = ["sub", "user_id"].map(|name| claims[name].as_str());
    assert!(named.contains(&Some(user.id())) && named.contains(&Some(said.subject.as_str())), "{claims}");
    assert!(kind == IssuerKind::Supabase || claims["sub"] == user.id(), "{claims}");
    is_for_us(kind, &claims);
    is_now(&claims);
    let others = ["at_hash", "c_hash", "s_hash", "events"];
    assert!(others.iter().all(|name| claims.get(name).is_none()), "no access token: {claims}");
    is_a_plain_user(&user);
    if user.email_verified {
        assert!(claims["email_verified"] == true || claims["email_verified"] == "true", "{claims}");
        let address = user.email.as_deref();
        assert!(address.is_none() || claims["email"].as_str() == address, "{claims}");
    }
    let mut kept = user.claims;
    if kind == IssuerKind::Scalekit {
        kept.insert("subject_type".to_owned(), claims.get("subject_type").cloned().unwrap_or_default());
        kept.retain(|name, value| name != "subject_type" || !value.is_null());
    }
    assert_eq!(Value::Object(kept), claims, "claims are kept as they came");
    true
}

fn is_for_us(kind: IssuerKind, claims: &Value) {
    let named: Vec<&str> = match &claims["aud"] {
        Value::Array(all) => all.iter().filter_map(Value::as_str).collect(),
        one => one.as_str().into_iter().collect(),
    };
    let is_resource = |text: &str| Resource::parse(text).is_ok_and(|it| it.as_str() == RESOURCE);
    let names_resource =
        named.iter().any(|text| is_resource(text)) || claims["resource"].as_str().is_some_and(is_resource);
    let is_good = match kind {
        IssuerKind::Supabase => named.contains(&"authenticated"),
        IssuerKind::Scalekit => named.contains(&"res_1"),
        IssuerKind::Clerk => claims.get("aud").is_none() || names_resource,
        _ => names_resource,
    };
    assert!(is_good, "{claims}");
}

// === ID tokens, and the answers of user endpoints ===

fn openid(claims: &[u8], said: &[u8]) -> bool {
    let claims = filled(claims, &WORLD.origin);
    let tokens = json!({ "access_token": "at", "token_type": "Bearer", "id_token": signed(&claims) });
    *WORLD.answers.lock().expect("the answers") = (tokens.to_string(), said.to_vec());
    let exchange = CodeExchange {
        code: "code",
        code_verifier: &CodeVerifier::new("v".repeat(43)),
        redirect_uri: "https://gate.example/callback/idp",
        nonce: Some("n"),
        iss: None,
        user: None,
    };
    let Ok(signed_in) = WORLD.runtime.block_on(WORLD.provider.sign_in(exchange)) else { return false };

    let user = signed_in.user;
    let claims = unique(&claims).expect("claims are JSON without repeated keys");
    assert!(
        claims["iss"] == WORLD.origin && claims["nonce"] == "n" && claims["sub"] == user.id(),
        "{claims}"
    );
    let (party, several) = match &claims["aud"] {
        Value::Array(all) => (all.iter().any(|one| one == "our-id"), all.len() > 1),
        one => (one == "our-id", false),
    };
    let is_ours = claims.get("azp").map_or(!several, |azp| azp == "our-id");
    assert!(party && is_ours, "{claims}");
    is_now(&claims);
    is_a_plain_user(&user);
    let said: Value = serde_json::from_slice(said).unwrap_or_default();
    let said = Some(&said).filter(|said| said["sub"] == claims["sub"]);
    // What the user endpoint says fills in what the token does not, and only where it speaks of the same user.
    for (name, value) in user.claims.iter().filter(|(name, _)| *name != "email_verified") {
        let source = claims.get(name).or_else(|| said?.get(name));
        assert_eq!(Some(value), source, "{name}: {claims}");
    }
    if user.email_verified {
        let source = if claims.get("email").is_some() { Some(&claims) } else { said };
        let word =
            source.or(said).map(|source| &source["email_verified"]).unwrap_or(&claims["email_verified"]);
        let address = user.email.as_deref();
        let lists = |all: &Vec<Value>| address.is_some() && all.iter().any(|one| one.as_str() == address);
        let says = word == true || word == "true" || word.as_str().is_some_and(|word| Some(word) == address);
        assert!(says || word.as_array().is_some_and(lists), "{claims} {said:?}");
    }
    true
}

// === What both have in common ===

fn is_now(claims: &Value) {
    let time = |name: &str| claims[name].as_f64().map(f64::floor);
    let now = 1_800_000_000_f64;
    assert!(time("exp").expect("an end") + 60.0 > now, "{claims}");
    assert!(["iat", "nbf"].iter().all(|name| time(name).is_none_or(|time| time <= now + 60.0)), "{claims}");
}

/// An id fits into a header and stays what it is there; a picture is at a URL that a page may show.
fn is_a_plain_user(user: &User) {
    let id = user.id();
    assert!((1..=255).contains(&id.len()) && id.trim() == id && !id.contains(char::is_control), "{id:?}");
    assert!(user.picture.as_deref().is_none_or(|url| url.starts_with("https://")), "{user:?}");
}

fn filled(claims: &[u8], issuer: &str) -> Vec<u8> {
    std::str::from_utf8(claims)
        .map_or_else(|_| claims.to_vec(), |text| text.replace("{issuer}", issuer).into_bytes())
}

fn signed(claims: &[u8]) -> String {
    let header = json!({ "alg": "EdDSA", "kid": "k", "typ": "JWT" }).to_string();
    let input = format!("{}.{}", base64url(header.as_bytes()), base64url(claims));
    format!("{input}.{}", base64url(WORLD.key.sign(input.as_bytes()).as_ref()))
}

/// A provider and all kinds of issuers, which one server on loopback plays.
struct World {
    runtime: Runtime,
    origin: String,
    key: Ed25519KeyPair,
    issuers: HashMap<IssuerKind, RemoteIssuer>,
    provider: Provider,
    /// Of the token endpoint and of the user endpoint.
    answers: Arc<Mutex<(String, Vec<u8>)>>,
}

static WORLD: LazyLock<World> = LazyLock::new(World::new);

impl World {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let listener =
            runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("a loopback port");
        let origin = format!("http://{}", listener.local_addr().expect("an address"));
        let key = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).expect("a key pair");
        let answers = Arc::<Mutex<(String, Vec<u8>)>>::default();
        let routes = routes(&origin, &key, &answers);
        runtime.spawn(async move { axum::serve(listener, routes).await });

        let clock = Arc::new(ManualClock::at(Timestamp::from_unix(1_800_000_000)));
        let name = || ProviderName::parse("idp").expect("a name");
        let issuers = IssuerKind::ALL.iter().map(|kind| {
            let url = if *kind == IssuerKind::Custom { format!("{origin}/custom") } else { origin.clone() };
            let mut config = IssuerConfig::new(name(), *kind, url);
            config.algorithms = vec![coatroom::protocol::jws::Algorithm::EdDsa];
            config.realm = (*kind == IssuerKind::Keycloak).then(|| "acme".to_owned());
            config.resource_id = (*kind == IssuerKind::Scalekit).then(|| "res_1".to_owned());
            let issuer = RemoteIssuer::new(config, Arc::new(Outbound::new()), clock.clone());
            (*kind, issuer.expect("an issuer"))
        });
        let mut config = ProviderConfig::new(name(), ProviderKind::Oidc, "our-id");
        config.issuer = Some(origin.clone());
        config.client_secret = Some(ClientSecret::new("our-secret"));
        let provider = Provider::new(config, Arc::new(Outbound::new()), clock.clone()).expect("a provider");
        Self { issuers: issuers.collect(), runtime, origin, key, provider, answers }
    }
}

fn routes(origin: &str, key: &Ed25519KeyPair, answers: &Arc<Mutex<(String, Vec<u8>)>>) -> Router {
    let x = base64url(key.public_key().as_ref());
    let keys = json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "kid": "k", "x": x }] });
    let metadata = |issuer: &str| {
        let mut members = Map::new();
        for (name, path) in [
            ("authorization_endpoint", "a"),
            ("token_endpoint", "token"),
            ("userinfo_endpoint", "user"),
            ("jwks_uri", "keys"),
        ] {
            members.insert(name.to_owned(), json!(format!("{origin}/{path}")));
        }
        members.insert("issuer".to_owned(), json!(issuer));
        members.insert("code_challenge_methods_supported".to_owned(), json!(["S256"]));
        fixed(Value::Object(members).to_string())
    };
    let (tokens, said) = (Arc::clone(answers), Arc::clone(answers));
    let tokens = async move || as_json(tokens.lock().expect("the answers").0.clone().into_bytes());
    let said = async move || as_json(said.lock().expect("the answers").1.clone());
    Router::new()
        .route("/.well-known/openid-configuration", metadata(origin))
        .route("/custom/.well-known/openid-configuration", metadata(&format!("{origin}/custom")))
        .route("/.well-known/oauth-authorization-server/custom", get(async || http::StatusCode::NOT_FOUND))
        .route("/token", post(tokens))
        .route("/user", get(said))
        // Each kind has its keys elsewhere.
        .fallback(fixed(keys.to_string()))
}

fn fixed(body: String) -> axum::routing::MethodRouter {
    get(async move || as_json(body.into_bytes()))
}

fn as_json(body: Vec<u8>) -> impl axum::response::IntoResponse {
    ([(CONTENT_TYPE, "application/json")], body)
}

const RESOURCE: &str = "https://gate.example/mcp";

#[cfg(test)]
mod tests {
    #[test]
    fn the_corpus_and_mutations_of_it_hold() {
        crate::engine::run("claims", super::check, 500);
    }
}
