//! Accounts of the server itself: an operator, people with a browser, and a real mail server.

use std::time::{Duration, Instant};

use coatroom_e2e::evidence::{self, Secret};
use coatroom_e2e::oauth::http;
use coatroom_e2e::upstream::{EchoServer, MailServer, code_of, link_of};
use coatroom_e2e::{Browser, Era, Gateway, Mcp, OAuthClient, Profile, Tokens, tools};
use serde_json::{Value, json};

const PASSWORD: &str = "seven lamps over quiet harbour";
const OTHER: &str = "nine kites under loud bridges";
const ALICE: &str = "alice@example.com";

/// A server that knows no provider. `section` is what the file says about its accounts.
pub(crate) async fn serve(echo: &EchoServer, mail: &MailServer, section: &str) -> Gateway {
    for password in [PASSWORD, OTHER] {
        evidence::secret(Secret::Credential, password);
    }
    let port = tools::free_port();
    let configuration = format!(
        "public_url = \"http://localhost:{port}\"\nlisten = \"127.0.0.1:{port}\"\nstore = \"sqlite:{{data}}/coatroom.db\"\n\
         keys_file = \"{{data}}/keys.toml\"\n\n{section}\n[servers.echo]\npath = \"/mcp\"\nupstream = \"{}\"\n\
         headers = {{ X-User = \"{{user.email}}\" }}\n",
        echo.url
    );
    let variables = mail.variables();
    let variables: Vec<_> = variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    Gateway::serve_with(port, &configuration, &variables).await
}

/// Opens the sign-in page for a client.
async fn ask(person: &Profile, client: &OAuthClient) -> coatroom_e2e::oauth::Pending {
    let pending = client.start(None);
    person.open(&pending.url).await;
    person.click("Continue with e-mail").await;
    person.wait_for("E-mail me a code").await;
    pending
}

async fn finish(client: &OAuthClient, pending: &coatroom_e2e::oauth::Pending) -> Tokens {
    let callback = client.callback(pending).await;
    client.redeem(pending, &callback).await.tokens()
}

async fn who(gateway: &Gateway, tokens: &Tokens) -> String {
    let mcp = Mcp::connect(&gateway.mcp_url(), Era::Legacy, &tokens.access).await;
    let headers: Value = serde_json::from_str(&mcp.call("headers", json!({})).await.text()).unwrap();
    headers["x-user"].as_str().unwrap_or_default().to_owned()
}

async fn status(gateway: &Gateway, tokens: &Tokens) -> u16 {
    let client = json!({ "name": "test", "version": "1" });
    let params = json!({ "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": client });
    let hello = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params });
    let call = http().post(gateway.mcp_url()).bearer_auth(&tokens.access).json(&hello);
    call.header("accept", "application/json, text/event-stream").send().await.unwrap().status().as_u16()
}

// From the operator's invitation to the day on which they shut the person out.
#[tokio::test]
async fn a_person_without_any_provider_comes_and_goes() {
    let (echo, mail) = (EchoServer::start().await, MailServer::start(0).await);
    let gateway = serve(&echo, &mail, "[accounts]\n").await;
    let browser = Browser::start().await;
    let person = browser.profile().await;

    let said =
        gateway.users(&mail, &["add", " Alice@Example.com", "--name", "Alice", "--role", "editor"]).await;
    let invitation = mail.next().await;
    assert_eq!(invitation["to"], json!([ALICE]));
    assert!(invitation["message_id"].is_string() && invitation["from"] == "no-reply@example.com");
    let link = link_of(&invitation);
    assert!(said.contains(&link) && said.contains("on its way"), "{said}");

    person.open(&link).await;
    person.type_into("New password", "password1234").await;
    person.type_into("New password once more", "password1234").await;
    person.click("Set the password").await;
    person.wait_for("easily guessed").await;
    person.type_into("New password", PASSWORD).await;
    person.type_into("New password once more", PASSWORD).await;
    person.click("Set the password").await;
    person.wait_for("Your password is set").await;

    let client = OAuthClient::connect(&gateway.mcp_url()).await;
    let pending = ask(&person, &client).await;
    person.type_into("E-mail address", ALICE).await;
    person.type_into("Password", OTHER).await;
    person.click("Sign in").await;
    person.wait_for("is not right").await;
    person.type_into("Password", PASSWORD).await;
    person.click("Sign in").await;
    let tokens = finish(&client, &pending).await;
    assert_eq!(who(&gateway, &tokens).await, ALICE);

    // In this browser one click is enough from now on.
    let pending = client.start(None);
    person.open(&pending.url).await;
    person.click("Continue as Alice").await;
    finish(&client, &pending).await;

    // Elsewhere a code will do.
    let elsewhere = browser.profile().await;
    let pending = ask(&elsewhere, &client).await;
    elsewhere.type_into("E-mail address", ALICE).await;
    elsewhere.click("E-mail me a code").await;
    elsewhere.wait_for("Look into your mailbox").await;
    let code = code_of(&mail.next().await);
    elsewhere.type_into("Code", &code).await;
    elsewhere.click("Sign in").await;
    let others = finish(&client, &pending).await;

    // A forgotten password ends what the old one allowed.
    let person = browser.profile().await;
    let pending = ask(&person, &client).await;
    person.type_into("E-mail address", ALICE).await;
    person.click("I forgot my password").await;
    person.wait_for("Look into your mailbox").await;
    let code = code_of(&mail.next().await);
    person.type_into("Code", &code).await;
    person.type_into("New password", OTHER).await;
    person.click("Set the password and sign in").await;
    let newest = finish(&client, &pending).await;
    assert_eq!((status(&gateway, &others).await, status(&gateway, &newest).await), (401, 200));

    assert!(gateway.users(&mail, &["list"]).await.contains("roles editor"));
    gateway.users(&mail, &["disable", ALICE]).await;
    let shut = Instant::now();
    while status(&gateway, &newest).await != 401 {
        assert!(shut.elapsed() < Duration::from_secs(2), "still let in");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(client.refresh(&newest.refresh).await.error(), "invalid_grant");
    let log = gateway.log();
    for secret in [PASSWORD, OTHER, link.rsplit('/').next().unwrap()] {
        assert!(!log.contains(secret), "a secret is in the log");
    }
    assert_eq!(mail.unread(), 0);
    browser.close().await;
}

#[tokio::test]
async fn where_sign_up_is_open_a_person_makes_an_account_by_mail() {
    // The first mail has to be sent twice, as servers ask of senders whom they do not know.
    let (echo, mail) = (EchoServer::start().await, MailServer::start(1).await);
    let gateway = serve(&echo, &mail, "[accounts]\nsign_up = \"open\"\n").await;
    let before = gateway.rows_in_store();
    let browser = Browser::start().await;
    let person = browser.profile().await;
    let client = OAuthClient::connect(&gateway.mcp_url()).await;
    let pending = ask(&person, &client).await;
    person.type_into("E-mail address", "bob@example.com").await;
    person.click("Make an account").await;
    person.wait_for("Look into your mailbox").await;
    let code = code_of(&mail.next().await);
    assert_eq!(gateway.rows_in_store(), before, "nothing is kept before the code comes back");
    person.type_into("Code", &code).await;
    person.type_into("New password", PASSWORD).await;
    person.click("Make the account").await;
    let tokens = finish(&client, &pending).await;
    assert_eq!(who(&gateway, &tokens).await, "bob@example.com");

    // Somebody who never had an account is mailed nothing, and the page does not say so.
    let stranger = browser.profile().await;
    ask(&stranger, &client).await;
    stranger.type_into("E-mail address", "nobody@example.com").await;
    stranger.click("I forgot my password").await;
    stranger.wait_for("If nobody@example.com has an account here").await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(mail.unread(), 0);
    browser.close().await;
}
