//! The built program from outside, in both of its ways.

// Always true here; it tells clippy that the helpers of tests are tests too.
#![cfg(test)]

mod openid;

use std::process::Output;

use coatroom_e2e::oauth::{challenge_parameter, http};
use coatroom_e2e::signer::now;
use coatroom_e2e::upstream::KeyServer;
use coatroom_e2e::{Answer, Era, FormBrowser, Mcp, OAuthClient, Program};
use serde_json::{Value, json};

use openid::OpenIdProvider;

fn program(variables: &[(&str, &str)]) -> Program {
    Program::new(env!("CARGO_BIN_EXE_remote-provider"), variables.iter().copied())
}

async fn call(program: &Program, token: &str, tool: &str) -> Answer {
    Mcp::without_handshake(&program.mcp_url(), Era::Modern, token).call(tool, json!({})).await
}

async fn whoami(program: &Program, token: &str) -> Value {
    serde_json::from_str(&call(program, token, "whoami").await.text()).unwrap()
}

/// Keycloak as its documents say, played by a key server: tokens for this MCP server, with roles of the realm.
#[tokio::test]
async fn the_tokens_of_a_remote_issuer_open_the_tools_and_no_others_do() {
    let keycloak = KeyServer::start("/realms/acme/protocol/openid-connect/certs").await;
    let issuer = format!("{}/realms/acme", keycloak.origin);
    let variables =
        [("COATROOM_KEYCLOAK_SERVER_URL", keycloak.origin.as_str()), ("COATROOM_KEYCLOAK_REALM", "acme")];
    let mut program = program(&variables);
    program.start().await;

    let refused = http().post(program.mcp_url()).json(&json!({})).send().await.unwrap();
    assert_eq!(refused.status(), 401);
    let metadata = challenge_parameter(refused.headers(), "resource_metadata").unwrap();
    let metadata: Value = http().get(metadata).send().await.unwrap().json().await.unwrap();
    assert_eq!(metadata["authorization_servers"], json!([issuer]), "clients are sent to Keycloak");

    let token = |user: &str, role: &str, audience: &str| {
        keycloak.key.sign(&json!({
            "iss": issuer, "aud": audience, "sub": user, "name": format!("{user} Example"), "azp": "client",
            "exp": now() + 300, "iat": now(), "scope": "profile", "realm_access": { "roles": [role] },
        }))
    };
    let (alice, bob) =
        (token("alice", "admin", &program.mcp_url()), token("bob", "reader", &program.mcp_url()));
    for (token, id, role) in [(&alice, "keycloak:alice", "admin"), (&bob, "keycloak:bob", "reader")] {
        let said = whoami(&program, token).await;
        assert_eq!((&said["id"], &said["roles"]), (&json!(id), &json!([role])), "{said}");
        assert_eq!(said["claims"]["realm_access"]["roles"], json!([role]));
    }
    assert!(call(&program, &alice, "secret_of_admins").await.text().contains("alice Example"));
    let denied = call(&program, &bob, "secret_of_admins").await;
    assert_eq!(denied.status, 403);
    assert!(denied.headers.get("www-authenticate").is_none(), "no scope would help");
    let elsewhere = token("alice", "admin", "https://other.example/mcp");
    assert_eq!(call(&program, &elsewhere, "whoami").await.status, 401);
}

#[tokio::test]
async fn users_of_an_openid_provider_sign_in_there_and_clients_get_a_token_of_this_server() {
    let mut program = program(&[
        ("COATROOM_OIDC_CLIENT_ID", openid::CLIENT_ID),
        ("COATROOM_OIDC_CLIENT_SECRET", openid::CLIENT_SECRET),
    ]);
    let provider = OpenIdProvider::start(&format!("{}/callback/oidc", program.origin())).await;
    program.set("COATROOM_OIDC_ISSUER", Some(&provider.issuer));
    program.start().await;
    let client = OAuthClient::connect(&program.mcp_url()).await;
    let mut tokens = Vec::new();
    for (person, role) in [("Alice", "admin"), ("Bob", "reader")] {
        let pending = client.start(None);
        FormBrowser::new().approve(&pending.url, person).await;
        let callback = client.callback(&pending).await;
        let own = client.redeem(&pending, &callback).await.tokens();
        assert!(own.access.starts_with("coat_at_"), "a token of this server");
        let said = whoami(&program, &own.access).await;
        assert_eq!(said["id"], format!("oidc:{}", person.to_lowercase()), "{said}");
        assert_eq!((&said["name"], &said["roles"]), (&json!(format!("{person} Example")), &json!([role])));
        tokens.push(own);
    }
    assert_eq!(call(&program, &tokens[0].access, "secret_of_admins").await.status, 200);
    assert_eq!(call(&program, &tokens[1].access, "secret_of_admins").await.status, 403);
    let refreshed = client.refresh(&tokens[0].refresh).await.tokens();
    assert_eq!(whoami(&program, &refreshed.access).await["id"], "oidc:alice");
    let theirs = provider.last_access_token();
    assert_eq!(
        call(&program, &theirs, "whoami").await.status,
        401,
        "the provider's token opens nothing here"
    );
}

#[tokio::test]
async fn what_is_wrong_at_the_start_is_said_once_and_nothing_is_served() {
    let auth0 = ("COATROOM_AUTH0_DOMAIN", "t.auth0.com");
    for (variables, expected) in [
        (
            &[][..],
            &["COATROOM_AUTH0_DOMAIN", "COATROOM_OIDC_CLIENT_ID is not set", "COATROOM_OIDC_ISSUER"][..],
        ),
        (
            &[auth0, ("COATROOM_WORKOS_SUBDOMAIN", "x.authkit.app")],
            &["COATROOM_WORKOS_SUBDOMAIN names a second issuer, beside COATROOM_AUTH0_DOMAIN"],
        ),
        (&[auth0, ("COATROOM_STORE", "nowhere")], &["the store is not available", "sqlite:"]),
    ] {
        let Output { status, stderr, .. } = program(variables).output().await;
        let said = String::from_utf8(stderr).unwrap();
        assert_eq!(status.code(), Some(1), "{said}");
        assert_eq!(said.matches("error:").count(), 1, "{said}");
        for part in expected {
            assert!(said.contains(part), "{part}: {said}");
        }
    }
}

#[tokio::test]
async fn it_stops_when_it_is_asked_to() {
    let mut program = program(&[("COATROOM_AUTH0_DOMAIN", "t.auth0.com")]);
    program.start().await;
    program.stop().await;
    assert!(program.log().contains("takes the tokens of auth0"), "{}", program.log());
}
