//! Each issuer whose own tokens open a server, as its environment variables alone define it: what clients are told, which
//! tokens pass, and which do not.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use coatroom_e2e::oauth::{challenge_parameter, http};
use coatroom_e2e::signer::{now, unsigned};
use coatroom_e2e::upstream::{EchoServer, KeyServer};
use coatroom_e2e::{Answer, Era, Gateway, Mcp, Signer, evidence, tools};
use serde_json::{Value, json};

/// One way to set an issuer up. In the texts, `{url}` is where it is, and `{mcp}` the MCP server.
struct Row {
    /// Without `COATROOM_` or `MCP_USE_OAUTH_`.
    variables: &'static [(&'static str, &'static str)],
    keys: &'static str,
    issuer: &'static str,
    user: &'static str,
    /// `aud` of its tokens, if they have one.
    audience: Option<&'static str>,
}

const SECRET: &str = "a-jwt-secret-of-a-project-that-is-long-enough";

const AUTH0: Row = Row {
    variables: &[("AUTH0_DOMAIN", "{url}")],
    keys: "/.well-known/jwks.json",
    issuer: "{url}/",
    user: "auth0:user_1",
    audience: Some("{mcp}"),
};
const SUPABASE: Row = Row {
    variables: &[("SUPABASE_URL", "{url}")],
    keys: "/auth/v1/.well-known/jwks.json",
    issuer: "{url}/auth/v1",
    user: "supabase:user_1",
    audience: Some("authenticated"),
};
const KEYCLOAK: Row = Row {
    variables: &[("KEYCLOAK_SERVER_URL", "{url}"), ("KEYCLOAK_REALM", "acme")],
    keys: "/realms/acme/protocol/openid-connect/certs",
    issuer: "{url}/realms/acme",
    user: "keycloak:user_1",
    audience: Some("{mcp}"),
};

const ROWS: &[Row] = &[
    AUTH0,
    Row {
        variables: &[("AUTH0_DOMAIN", "{url}"), ("AUTH0_AUDIENCE", "https://api.example.com")],
        audience: Some("https://api.example.com"),
        ..AUTH0
    },
    Row {
        variables: &[
            ("BETTER_AUTH_URL", "{url}/api/auth"),
            ("BETTER_AUTH_SECRET", "not-needed-and-not-read"),
        ],
        keys: "/api/auth/jwks",
        issuer: "{url}/api/auth",
        user: "better-auth:user_1",
        audience: Some("{mcp}"),
    },
    Row {
        variables: &[("CLERK_FRONTEND_API_URL", "{url}")],
        keys: "/.well-known/jwks.json",
        issuer: "{url}",
        user: "clerk:user_1",
        audience: None,
    },
    Row {
        variables: &[("WORKOS_SUBDOMAIN", "{url}")],
        keys: "/oauth2/jwks",
        issuer: "{url}",
        user: "workos:user_1",
        audience: Some("{mcp}"),
    },
    SUPABASE,
    KEYCLOAK,
    Row {
        variables: &[
            ("KEYCLOAK_SERVER_URL", "{url}"),
            ("KEYCLOAK_REALM", "acme"),
            ("KEYCLOAK_AUDIENCE", "notes"),
            ("KEYCLOAK_CLIENT_ID", "not-read"),
        ],
        audience: Some("notes"),
        ..KEYCLOAK
    },
    Row {
        variables: &[("SCALEKIT_ENVIRONMENT_URL", "{url}"), ("SCALEKIT_RESOURCE_ID", "res_123")],
        keys: "/keys",
        issuer: "{url}/resources/res_123",
        user: "scalekit:user_1",
        audience: Some("res_123"),
    },
];

/// A gateway that was started from variables, and the issuer that they name.
struct Scene {
    row: &'static Row,
    idp: KeyServer,
    gateway: Gateway,
}

impl Scene {
    async fn new(row: &'static Row, prefix: &str, more: &[(&str, &str)]) -> Self {
        let (idp, port) = (KeyServer::start(row.keys).await, tools::free_port());
        let variables = row.variables.iter().chain(more);
        let variables: Vec<_> = variables
            .map(|(name, value)| (format!("{prefix}{name}"), value.replace("{url}", &idp.origin)))
            .collect();
        Self { row, idp, gateway: gateway(port, &variables).await }
    }

    /// The same by a file, for issuers that no variables name.
    async fn custom() -> Self {
        const CUSTOM: &Row = &Row {
            variables: &[],
            keys: "/somewhere/keys",
            issuer: "{url}/tenant/",
            user: "idp:user_1",
            audience: Some("{mcp}"),
        };
        let (idp, port, echo) =
            (KeyServer::start(CUSTOM.keys).await, tools::free_port(), EchoServer::start().await);
        let configuration = format!(
            "public_url = \"http://localhost:{port}\"\nlisten = \"127.0.0.1:{port}\"\nstore = \"memory:\"\n\
             [issuers.idp]\nkind = \"custom\"\nissuer = \"{0}/tenant/\"\njwks_uri = \"{0}{1}\"\n\
             authorization_endpoint = \"{0}/authorize\"\ntoken_endpoint = \"{0}/token\"\n[servers.echo]\nupstream = \"{2}\"\n",
            idp.origin, CUSTOM.keys, echo.url
        );
        Self { row: CUSTOM, idp, gateway: Gateway::serve_at(port, &configuration).await }
    }

    fn text(&self, template: &str) -> String {
        template.replace("{url}", &self.idp.origin).replace("{mcp}", &self.gateway.mcp_url())
    }

    /// What a good token says, but for what is changed; `null` takes a claim away.
    fn claims(&self, changed: &[(&str, Value)]) -> Value {
        let mut claims = json!({
            "iss": self.text(self.row.issuer), "sub": "user_1", "client_id": "client_1", "iat": now(), "exp": now() + 300,
        });
        if let Some(audience) = self.row.audience {
            claims["aud"] = json!([self.text(audience), "another"]);
        }
        for (name, value) in changed {
            claims[name] = value.clone();
        }
        claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        claims
    }

    async fn call(&self, token: &str) -> Answer {
        evidence::secret(evidence::Secret::Credential, token);
        let mcp = Mcp::without_handshake(&self.gateway.mcp_url(), Era::Modern, token);
        mcp.call("headers", json!({})).await
    }

    async fn accepts(&self, token: &str) {
        let answer = self.call(token).await;
        let headers: Value = serde_json::from_str(&answer.text()).unwrap();
        assert_eq!(headers["x-coatroom-user"], self.row.user);
        assert!(headers["authorization"].is_null(), "the client's token travels on");
    }

    async fn refuses(&self, what: &str, token: &str) {
        let answer = self.call(token).await;
        assert_eq!(answer.status, 401, "{what}, of {}", self.row.user);
        let said = challenge_parameter(&answer.headers, "error");
        assert_eq!(said.as_deref(), Some("invalid_token"), "{what}, of {}", self.row.user);
    }

    /// Clients find the issuer from the challenge alone.
    async fn names_its_issuer(&self) {
        let challenged = http().post(self.gateway.mcp_url()).json(&json!({})).send().await.unwrap();
        assert_eq!(challenged.status(), 401);
        let url = challenge_parameter(challenged.headers(), "resource_metadata").unwrap();
        let metadata: Value = http().get(url).send().await.unwrap().json().await.unwrap();
        assert_eq!(metadata["resource"], self.gateway.mcp_url());
        assert_eq!(metadata["authorization_servers"], json!([self.text(self.row.issuer)]));
        let url = format!("{}/.well-known/oauth-authorization-server", self.gateway.origin());
        let relayed: Value = http().get(url).send().await.unwrap().json().await.unwrap();
        assert_eq!(relayed["issuer"], self.text(self.row.issuer), "{relayed}");
    }

    /// Whatever is wrong with a token, it opens nothing.
    async fn refuses_all_others(&self) {
        let key = &self.idp.key;
        for (what, changed) in [
            ("another issuer", ("iss", json!("https://evil.example"))),
            ("another spelling of the issuer", ("iss", json!(format!("{}//", self.text(self.row.issuer))))),
            ("an expired token", ("exp", json!(now() - 61))),
            ("a token without end", ("exp", json!(null))),
            ("a token of tomorrow", ("nbf", json!(now() + 120))),
            ("another audience", ("aud", json!(["https://mcp.example.com/other"]))),
            ("nobody", ("sub", json!(null))),
            ("an ID token", ("at_hash", json!("x"))),
            ("a refresh token", ("typ", json!("Refresh"))),
            ("a bound token", ("cnf", json!({ "jkt": "x" }))),
        ] {
            self.refuses(what, &key.sign(&self.claims(&[changed]))).await;
        }
        let good = self.claims(&[]);
        self.refuses(
            "no signature",
            &format!("{}.", unsigned(&json!({ "alg": "none", "kid": "first" }), &good)),
        )
        .await;
        for secret in [key.public_key().to_vec(), key.jwk().to_string().into_bytes()] {
            self.refuses("a public key as a secret", &hs256(&good, &secret)).await;
        }
        self.refuses("somebody else's key of that name", &Signer::new("first").sign(&good)).await;
        self.refuses("an unknown key", &Signer::new("unknown").sign(&good)).await;
        let logout = json!({ "alg": "ES256", "kid": "first", "typ": "logout+jwt" });
        self.refuses("a logout token", &key.sign_as(&logout, &good)).await;
        for opaque in ["opaque-token-of-this-issuer", "coat_at_0123456789012345678901234567890123456789"] {
            self.refuses("an opaque token", opaque).await;
        }
    }
}

fn hs256(claims: &Value, secret: &[u8]) -> String {
    let input = unsigned(&json!({ "alg": "HS256", "typ": "JWT" }), claims);
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    format!("{input}.{}", URL_SAFE_NO_PAD.encode(hmac::sign(&key, input.as_bytes())))
}

async fn gateway(port: u16, variables: &[(String, String)]) -> Gateway {
    let echo = EchoServer::start().await;
    let variables: Vec<_> = variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    Gateway::serve_by_variables(port, &echo.url, &variables).await
}

#[tokio::test]
async fn each_issuer_is_set_up_by_its_variables_alone() {
    for row in ROWS {
        let scene = Scene::new(row, "COATROOM_", &[]).await;
        scene.names_its_issuer().await;
        scene.accepts(&scene.idp.key.sign(&scene.claims(&[]))).await;
        // Names that deployments have already.
        let scene = Scene::new(row, "MCP_USE_OAUTH_", &[]).await;
        scene.accepts(&scene.idp.key.sign(&scene.claims(&[]))).await;
    }
}

#[tokio::test]
async fn each_issuer_opens_nothing_by_a_token_with_which_something_is_wrong() {
    for row in ROWS {
        let scene = Scene::new(row, "COATROOM_", &[]).await;
        scene.refuses_all_others().await;
        scene.accepts(&scene.idp.key.sign(&scene.claims(&[]))).await;
        assert_eq!(scene.idp.fetches(), 2, "{}: the first time, and for the unknown key", row.user);
    }
}

#[tokio::test]
async fn a_custom_issuer_is_set_up_by_a_file() {
    let scene = Scene::custom().await;
    scene.names_its_issuer().await;
    scene.accepts(&scene.idp.key.sign(&scene.claims(&[]))).await;
    scene.refuses_all_others().await;
}

#[tokio::test]
async fn with_supabases_secret_its_key_opens_nothing() {
    let scene = Scene::new(&SUPABASE, "COATROOM_", &[("SUPABASE_JWT_SECRET", SECRET)]).await;
    evidence::secret(evidence::Secret::Credential, SECRET);
    scene.refuses_all_others().await;
    let good = scene.claims(&[]);
    scene.refuses("its key", &scene.idp.key.sign(&good)).await;
    scene.refuses("another secret", &hs256(&good, b"another-secret-that-is-long-enough-as-well")).await;
    let expired = scene.claims(&[("exp", json!(now() - 61))]);
    scene.refuses("an expired token", &hs256(&expired, SECRET.as_bytes())).await;
    scene.accepts(&hs256(&good, SECRET.as_bytes())).await;
    assert_eq!(scene.idp.fetches(), 0, "no key is asked for");
}

#[tokio::test]
async fn an_issuer_whose_tokens_name_no_audience_is_warned_about() {
    const WARNING: &str = "need not name an audience";
    let clerk = ROWS.iter().find(|row| row.user.starts_with("clerk:")).unwrap();
    let open = Scene::new(clerk, "COATROOM_", &[]).await;
    let log = open.gateway.log();
    assert!(log.contains(WARNING) && log.contains("COATROOM_CLERK_AUDIENCE"), "{log}");
    open.accepts(&open.idp.key.sign(&open.claims(&[]))).await;

    let narrow = Scene::new(clerk, "COATROOM_", &[("CLERK_AUDIENCE", "notes")]).await;
    assert!(!narrow.gateway.log().contains(WARNING));
    narrow.accepts(&narrow.idp.key.sign(&narrow.claims(&[("aud", json!("notes"))]))).await;
    narrow.refuses("no audience", &narrow.idp.key.sign(&narrow.claims(&[]))).await;
}

/// What variables name that no test can be: a service of the internet. What clients are told is all that can be seen.
#[tokio::test]
async fn services_are_spelled_as_their_tokens_spell_them() {
    for (variable, value, issuer) in [
        ("COATROOM_AUTH0_DOMAIN", "tenant.eu.auth0.com", "https://tenant.eu.auth0.com/"),
        ("COATROOM_CLERK_FRONTEND_API_URL", "https://x.clerk.accounts.dev/", "https://x.clerk.accounts.dev"),
        ("COATROOM_WORKOS_SUBDOMAIN", "example.authkit.app", "https://example.authkit.app"),
        ("COATROOM_SUPABASE_PROJECT_ID", "abcdefgh", "https://abcdefgh.supabase.co/auth/v1"),
        ("MCP_USE_OAUTH_SUPABASE_PROJECT_ID", "abcdefgh", "https://abcdefgh.supabase.co/auth/v1"),
    ] {
        let gateway = gateway(tools::free_port(), &[(variable.to_owned(), value.to_owned())]).await;
        let challenged = http().post(gateway.mcp_url()).json(&json!({})).send().await.unwrap();
        let url = challenge_parameter(challenged.headers(), "resource_metadata").unwrap();
        let metadata: Value = http().get(url).send().await.unwrap().json().await.unwrap();
        assert_eq!(metadata["authorization_servers"], json!([issuer]), "{variable}");
    }
}
