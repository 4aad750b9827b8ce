//! `/account`: a person sees their own grants, ends them, and nobody else's.

use axum::body::Body;
use http::Request;
use serde_json::json;

use super::browser::{Browser, refresh_of};
use super::client::{Answer, Client};
use super::idp::refused_at;
use super::world::{ISSUER, Tokens, World};

const SAME_ORIGIN: &[(&str, &str)] = &[("origin", ISSUER)];

async fn page(browser: &mut Browser) -> String {
    let page = browser.open("/account").await;
    assert_eq!(page.status, 200, "{page:?}");
    page.body
}

/// The grants that the page has a button for.
fn grants(html: &str) -> Vec<String> {
    let buttons = html.split(r#"name="grant" value=""#).skip(1);
    buttons.map(|part| part.split('"').next().unwrap().to_owned()).filter(|grant| grant != "all").collect()
}

/// Signs in at the page itself, without an app.
async fn sign_in(world: &World, browser: &mut Browser, user: &str) -> Answer {
    let handed = browser.post("/account/sign-out", &[], SAME_ORIGIN).await;
    assert_eq!(handed.status, 303);
    page(browser).await;
    let handed = browser.post("/account/sign-in", &[("provider", "demo")], SAME_ORIGIN).await;
    let callback = world.idp.sign_in(&refresh_of(&handed), user);
    browser.open(&callback).await
}

async fn connected(world: &World, browser: &mut Browser, name: &str, user: &str) -> (Client, Tokens) {
    let client = Client::register_with(&world.app, json!({ "client_name": name })).await;
    let address = browser.allow(&world.idp, &client.authorize_url(&[("scope", "read write")]), user).await;
    let tokens = Tokens::of(&client.redeem(&client.answered(&address)["code"]).await);
    (client, tokens)
}

// CON-12: which apps, where they are, for what, since when; and the end of one is felt at once.
#[tokio::test]
async fn a_person_sees_their_apps_and_ends_the_access_of_one() {
    let world = World::new().await;
    let mut alice = Browser::new(&world.app);
    let (editor, editors) = connected(&world, &mut alice, "Editor", "alice").await;
    let editors_grant = world.grant_of(&editors.access).await;
    world.advance(86_400);
    let (_, chats) = connected(&world, &mut alice, "Chat <b>", "alice").await;
    let html = page(&mut alice).await;
    for text in [
        "Editor",
        "Chat &#60;b&#62;",
        "Unverified",
        "127.0.0.1",
        "Demo server",
        "May read",
        "May write",
        "2027",
    ] {
        assert!(html.contains(text), "{text}: {html}");
    }
    let shown = grants(&html);
    assert_eq!(shown[1], editors_grant, "the one that was used last comes first");
    assert_eq!(world.status(&editors.access).await, 401, "a day later its access token has ended by itself");
    let editors = Tokens::of(&editor.refresh(&editors.refresh).await);
    assert_eq!(world.status(&editors.access).await, 200);

    let ended = alice.post("/account/end", &[("grant", &shown[1])], SAME_ORIGIN).await;
    assert_eq!((ended.status.as_u16(), ended.header("location")), (303, Some("/account")));
    assert_eq!(world.status(&editors.access).await, 401);
    assert_eq!(editor.refresh(&editors.refresh).await.error(), (400, "invalid_grant".to_owned()));
    assert_eq!(world.status(&chats.access).await, 200, "the other app goes on");
    let html = page(&mut alice).await;
    assert!(html.contains(r#"role="status""#) && html.contains("may still list this site"), "{html}");
    assert_eq!(grants(&html), shown[..1]);
    assert!(!page(&mut alice).await.contains(r#"role="status""#), "told once");
}

#[tokio::test]
async fn a_person_ends_the_access_of_all_apps_and_of_nobody_elses() {
    let world = World::new().await;
    let (mut alice, mut bob) = (Browser::new(&world.app), Browser::new(&world.app));
    let (_, first) = connected(&world, &mut alice, "One", "alice").await;
    let (_, second) = connected(&world, &mut alice, "Two", "alice").await;
    let (_, bobs) = connected(&world, &mut bob, "Three", "bob").await;
    let ended = alice.post("/account/end", &[("grant", "all")], SAME_ORIGIN).await;
    assert_eq!(ended.status, 303);
    for tokens in [&first, &second] {
        assert_eq!(world.status(&tokens.access).await, 401);
    }
    assert_eq!(world.status(&bobs.access).await, 200);
    assert!(page(&mut alice).await.contains("No app may act for you"));
}

#[tokio::test]
async fn nobody_sees_or_ends_the_grant_of_another_person() {
    let world = World::new().await;
    let (mut alice, mut bob) = (Browser::new(&world.app), Browser::new(&world.app));
    let (_, alices) = connected(&world, &mut alice, "Alice's app", "alice").await;
    connected(&world, &mut bob, "Bob's app", "bob").await;
    let grant = world.grant_of(&alices.access).await;
    assert!(!page(&mut bob).await.contains(&grant));
    let told = bob.post("/account/end", &[("grant", &grant)], SAME_ORIGIN).await;
    let unknown = bob.post("/account/end", &[("grant", &"A".repeat(22))], SAME_ORIGIN).await;
    assert_eq!(
        (told.status, told.header("location")),
        (unknown.status, unknown.header("location")),
        "it learns nothing"
    );
    assert_eq!(world.status(&alices.access).await, 200);
}

// CON-05: the forms count from a page of ours, by the person of the session, and never by GET.
#[tokio::test]
async fn forms_from_elsewhere_and_without_a_session_end_nothing() {
    let world = World::new().await;
    let mut alice = Browser::new(&world.app);
    let (_, tokens) = connected(&world, &mut alice, "Editor", "alice").await;
    let grant = world.grant_of(&tokens.access).await;
    let fields = [("grant", grant.as_str())];
    for headers in [
        &[][..],
        &[("origin", "https://evil.example")],
        &[("origin", "null")],
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site")],
    ] {
        for path in ["/account/end", "/account/sign-in", "/account/sign-out"] {
            let page = alice.post(path, &fields, headers).await;
            assert_eq!((page.status.as_u16(), page.header("set-cookie")), (403, None), "{path} {headers:?}");
        }
    }
    let mut nobody = Browser::new(&world.app);
    assert_eq!(nobody.post("/account/end", &fields, SAME_ORIGIN).await.status, 400);
    let mut forged = alice.clone();
    forged.cookies.insert("__Host-coatroom-session".to_owned(), "A".repeat(80));
    assert_eq!(forged.post("/account/end", &fields, SAME_ORIGIN).await.status, 400);
    assert_eq!(alice.open(&format!("/account/end?grant={grant}")).await.status, 405);
    assert_eq!(world.status(&tokens.access).await, 200);
    world.advance(8 * 3600);
    assert_eq!(alice.post("/account/end", &fields, SAME_ORIGIN).await.status, 400, "the session has ended");
}

// Rule 1: until somebody has signed in, and also by signing in here, nothing is written.
#[tokio::test]
async fn a_person_signs_in_without_an_app_and_nothing_is_kept() {
    let world = World::new().await;
    let mut alice = Browser::new(&world.app);
    let html = page(&mut alice).await;
    assert!(html.contains("Sign in with") && grants(&html).is_empty());
    let landed = sign_in(&world, &mut alice, "alice").await;
    assert_eq!((landed.status.as_u16(), landed.header("location")), (303, Some("/account")));
    assert!(page(&mut alice).await.contains("You are signed in as alice"));
    assert!(alice.flow_cookies().is_empty());
    assert_eq!(world.store.writes(), 0);
    // What the provider handed out for it is given back.
    let given_back = async {
        while world.idp.revoked().is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(5), given_back).await.unwrap();
}

#[tokio::test]
async fn a_sign_in_of_the_page_is_of_no_use_anywhere_else() {
    let world = World::new().await;
    let mut alice = Browser::new(&world.app);
    page(&mut alice).await;
    let handed = alice.post("/account/sign-in", &[("provider", "demo")], SAME_ORIGIN).await;
    let callback = world.idp.sign_in(&refresh_of(&handed), "alice");
    let mut other = Browser::new(&world.app);
    page(&mut other).await;
    other.cookies.extend(
        alice
            .cookies
            .iter()
            .filter(|(name, _)| name.contains("-flow."))
            .map(|(name, value)| (name.clone(), value.clone())),
    );
    assert_eq!(other.open(&callback).await.status, 400, "another browser");
    assert_eq!(alice.clone().open(&callback.replace("/callback/demo", "/callback/other")).await.status, 400);
    assert_eq!(alice.clone().open(&callback.replace("state=", "state=x")).await.status, 400);
    world.advance(600);
    assert_eq!(alice.open(&callback).await.status, 400, "too late");
    assert_eq!(world.idp.exchanges(), 0);
}

#[tokio::test]
async fn a_sign_in_that_fails_is_explained() {
    let world = World::new().await;
    let mut alice = Browser::new(&world.app);
    for (error, status) in [("access_denied", 400), ("temporarily_unavailable", 503), ("server_error", 502)] {
        page(&mut alice).await;
        let handed = alice.post("/account/sign-in", &[("provider", "demo")], SAME_ORIGIN).await;
        let page = alice.open(&refused_at(&refresh_of(&handed), error)).await;
        assert_eq!(
            (page.status.as_u16(), page.header("refresh"), page.header("location")),
            (status, None, None)
        );
        assert!(!page.body.contains("idp-text"));
    }
    for provider in ["unknown", "", "DEMO"] {
        let page = alice.post("/account/sign-in", &[("provider", provider)], SAME_ORIGIN).await;
        assert_eq!((page.status.as_u16(), page.header("refresh")), (400, None), "{provider}");
    }
}

#[tokio::test]
async fn a_person_signs_out_and_their_apps_stay() {
    let world = World::new().await;
    let mut alice = Browser::new(&world.app);
    let (client, tokens) = connected(&world, &mut alice, "Editor", "alice").await;
    let left = alice.post("/account/sign-out", &[], SAME_ORIGIN).await;
    assert_eq!(left.status, 303);
    let html = page(&mut alice).await;
    assert!(html.contains("You are signed out here") && html.contains("Sign in with"), "{html}");
    assert!(!alice.ask(&client.authorize_url(&[])).await.page.body.contains("Continue as"));
    assert_eq!(world.status(&tokens.access).await, 200);
}

// An operator who was told of a lost laptop, with the library or `coatroom grants`.
#[tokio::test]
async fn an_operator_lists_and_ends_a_users_grants() {
    let world = World::new().await;
    let (_, tokens) = world.signed_in("alice").await;
    let user =
        coatroom::protocol::words::Subject { provider: super::world::demo(), id: "alice-1".to_owned() };
    let grants = world.coatroom.grants_of(&user).await.unwrap();
    assert_eq!((grants.len(), grants[0].client_name.as_deref()), (1, Some("Test client")));
    let nobody = coatroom::protocol::words::Subject { id: "bob-1".to_owned(), ..user.clone() };
    assert!(!world.coatroom.revoke_grant(&nobody, &grants[0].id).await.unwrap());
    assert_eq!(world.status(&tokens.access).await, 200);
    assert!(world.coatroom.revoke_grant(&user, &grants[0].id).await.unwrap());
    assert_eq!(world.status(&tokens.access).await, 401);
    assert!(world.coatroom.grants_of(&user).await.unwrap().is_empty());
}

#[tokio::test]
async fn the_page_is_private_and_not_framed() {
    let world = World::new().await;
    let mut browser = Browser::new(&world.app);
    let page = browser.open("/account").await;
    assert_eq!(page.header("cache-control"), Some("no-store"));
    assert!(page.header("content-security-policy").unwrap().contains("frame-ancestors 'none'"));
    let head = super::client::send(&world.app, Request::head("/account").body(Body::empty()).unwrap()).await;
    assert_eq!((head.status.as_u16(), head.body.as_str()), (200, ""));
}

// AZ-28: who plants a session, or keeps an old one, gains nothing by a later sign-in.
#[tokio::test]
async fn each_sign_in_has_a_session_of_its_own() {
    const SESSION: &str = "__Host-coatroom-session";
    let world = World::new().await;
    let mut browser = Browser::new(&world.app);
    browser.cookies.insert(SESSION.to_owned(), "planted".to_owned());
    sign_in(&world, &mut browser, "alice").await;
    let alices = browser.cookies[SESSION].clone();
    sign_in(&world, &mut browser, "bob").await;
    let bobs = browser.cookies[SESSION].clone();
    assert!(alices != "planted" && bobs != alices);
    assert!(page(&mut browser).await.contains("You are signed in as bob"));
    browser.cookies.insert(SESSION.to_owned(), alices);
    assert!(page(&mut browser).await.contains("You are signed in as alice"), "each names whom it named");
}
