//! An e-mail address is not who somebody is: nobody comes into another's account by one.

use coatroom_e2e::upstream::{EchoServer, OidcProvider};
use coatroom_e2e::{Era, FormBrowser, Gateway, Mcp, OAuthClient, Tokens, tools};
use serde_json::{Value, json};

/// Two servers, each behind a provider of its own.
struct Scene {
    gateway: Gateway,
    one: OidcProvider,
    two: OidcProvider,
}

/// Somebody who signed in.
struct Person {
    browser: FormBrowser,
    client: OAuthClient,
    tokens: Tokens,
}

impl Scene {
    async fn new(accounts: [Value; 2]) -> Self {
        let (port, echo) = (tools::free_port(), EchoServer::start().await);
        let [at_one, at_two] = accounts;
        let start = async |name: &str, accounts: Value| {
            let callback = format!("http://localhost:{port}/callback/{name}");
            OidcProvider::start_with(&callback, json!({}), json!({ "accounts": accounts })).await
        };
        let (one, two) = (start("one", at_one).await, start("two", at_two).await);
        let server = |name: &str| {
            format!(
                "[servers.{name}]\npath = \"/{name}\"\nupstream = \"{}\"\nprovider = \"{name}\"\n\
                 headers = {{ Authorization = \"Bearer {{{name}.access_token}}\" }}\n",
                echo.url
            )
        };
        let configuration = format!(
            "public_url = \"http://localhost:{port}\"\nlisten = \"127.0.0.1:{port}\"\nstore = \"sqlite:{{data}}/coatroom.db\"\n\n\
             {}{}{}{}",
            one.configuration("one"),
            two.configuration("two"),
            server("one"),
            server("two")
        );
        Self { gateway: Gateway::serve_at(port, &configuration).await, one, two }
    }

    /// `account` signs in at the provider of a server, for an app of this name.
    async fn sign_in(&self, server: &str, account: &str, app: &str) -> Person {
        let url = format!("{}/{server}", self.gateway.origin());
        let client = OAuthClient::connect_with(&url, json!({ "client_name": app })).await;
        let (browser, pending) = (FormBrowser::new(), client.start(None));
        browser.approve(&pending.url, account).await;
        let callback = client.callback(&pending).await;
        let tokens = client.redeem(&pending, &callback).await.tokens();
        Person { browser, client, tokens }
    }

    /// What the server got with a call: the user, the address, and whose token.
    async fn call(&self, person: &Person) -> (String, Option<String>, Value) {
        let mcp = Mcp::without_handshake(&person.client.mcp, Era::Modern, &person.tokens.access);
        let headers: Value = serde_json::from_str(&mcp.call("headers", json!({})).await.text()).unwrap();
        let text = |name: &str| headers[name].as_str().map(str::to_owned);
        let user = text("x-coatroom-user").unwrap();
        let idp = if user.starts_with("one:") { &self.one } else { &self.two };
        let asked = coatroom_e2e::oauth::http()
            .get(format!("{}/me", idp.issuer))
            .header("authorization", text("authorization").unwrap());
        let owner: Value = asked.send().await.unwrap().json().await.unwrap();
        (user, text("x-coatroom-email"), owner["sub"].clone())
    }

    /// The person's own page, on which they see which apps may act for them.
    async fn account_page(&self, person: &Person) -> String {
        person.browser.open(&format!("{}/account", self.gateway.origin())).await.text()
    }

    /// Ends what the person allowed to the one app.
    async fn end(&self, person: &Person) {
        let page = person.browser.open(&format!("{}/account", self.gateway.origin())).await;
        person.browser.press(&page, "Remove").await;
    }
}

#[tokio::test]
async fn an_address_that_is_not_verified_opens_nothing_and_is_told_to_no_server() {
    let accounts = json!({ "bob": { "email": "alice@example.com", "email_verified": false } });
    let scene = Scene::new([accounts, json!({})]).await;
    let alice = scene.sign_in("one", "Alice", "Alice's app").await;
    let bob = scene.sign_in("one", "Bob", "Bob's app").await;
    let hers = (String::from("one:alice"), Some("alice@example.com".to_owned()), json!("alice"));
    assert_eq!(scene.call(&alice).await, hers);
    assert_eq!(scene.call(&bob).await, ("one:bob".to_owned(), None, json!("bob")));
    let page = scene.account_page(&bob).await;
    assert!(page.contains("Bob's app") && !page.contains("Alice's app"), "{page}");
    scene.end(&bob).await;
    assert_eq!(scene.call(&alice).await, hers);
}

#[tokio::test]
async fn the_same_address_at_two_providers_is_two_users() {
    let scene = Scene::new([json!({}), json!({})]).await;
    let first = scene.sign_in("one", "Alice", "First app").await;
    let second = scene.sign_in("two", "Alice", "Second app").await;
    let address = Some("alice@example.com".to_owned());
    let expected = |user: &str| (user.to_owned(), address.clone(), json!("alice"));
    assert_eq!(scene.call(&first).await, expected("one:alice"));
    assert_eq!(scene.call(&second).await, expected("two:alice"));
    let page = scene.account_page(&second).await;
    assert!(page.contains("Second app") && !page.contains("First app"), "{page}");
    scene.end(&second).await;
    assert_eq!(second.client.refresh(&second.tokens.refresh).await.error(), "invalid_grant");
    assert_eq!(scene.call(&first).await, expected("one:alice"), "nobody else's access ends");
}

#[tokio::test]
async fn a_changed_address_is_the_same_user_and_who_takes_the_old_one_is_somebody_else() {
    let scene = Scene::new([json!({}), json!({})]).await;
    let before = scene.sign_in("one", "Alice", "Old app").await;
    let accounts =
        json!({ "alice": { "email": "new@example.com" }, "bob": { "email": "alice@example.com" } });
    scene.one.change(json!({ "accounts": accounts })).await;
    let after = scene.sign_in("one", "Alice", "New app").await;
    let bob = scene.sign_in("one", "Bob", "Bob's app").await;
    assert_eq!(
        scene.call(&after).await,
        ("one:alice".to_owned(), Some("new@example.com".to_owned()), json!("alice"))
    );
    let page = scene.account_page(&after).await;
    assert!(page.contains("Old app") && page.contains("New app"), "{page}");
    assert_eq!(
        scene.call(&bob).await,
        ("one:bob".to_owned(), Some("alice@example.com".to_owned()), json!("bob"))
    );
    let page = scene.account_page(&bob).await;
    assert!(page.contains("Bob's app") && !page.contains("Old app") && !page.contains("New app"), "{page}");
    assert_eq!(scene.call(&before).await.0, "one:alice");
}
