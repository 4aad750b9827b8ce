//! Every page, as people see it who need large letters, the dark, a small screen, a keyboard or a screen reader.

use std::path::PathBuf;

use coatroom_e2e::upstream::{EchoServer, MailServer, link_of};
use coatroom_e2e::{Browser, Gateway, Look, OAuthClient, Profile, tools};
use serde_json::json;

use crate::local_accounts;

/// Looks at a page in every way; what is wrong with it, by name of the page.
async fn inspect(person: &Profile, name: &str, wrong: &mut Vec<String>) {
    for look in Look::ALL {
        person.look(look).await;
        let about = format!("{name}, {} px, {}", look.width, if look.dark { "dark" } else { "light" });
        wrong.extend(person.barriers().await.into_iter().map(|barrier| format!("{about}: {barrier}")));
        if person.is_too_wide().await {
            wrong.push(format!("{about}: wider than the window"));
        }
        if let Some(folder) = std::env::var_os("COATROOM_SCREENSHOTS") {
            let file = PathBuf::from(folder)
                .join(format!("{}.png", about.replace([',', ' '], "-").replace("--", "-")));
            std::fs::write(file, person.screenshot().await).unwrap();
        }
    }
    person.look(Look::ALL[0]).await;
}

async fn client(gateway: &Gateway, name: &str, redirect: Option<&str>) -> OAuthClient {
    let mut members = json!({ "client_name": name });
    if let Some(redirect) = redirect {
        members["redirect_uris"] = json!([redirect]);
    }
    let mut client = OAuthClient::connect_with(&gateway.mcp_url(), members).await;
    if let Some(redirect) = redirect {
        client.redirect_uri = redirect.to_owned();
    }
    client
}

// WCAG 2.2 AA, as far as a machine can tell: names, contrast, landmarks, target sizes, reflow at 320 px and 400 %.
#[tokio::test]
async fn no_page_has_a_barrier_in_light_or_dark_wide_or_narrow() {
    let gateway = Gateway::demo().await;
    let browser = Browser::start().await;
    let person = browser.profile().await;
    let mut wrong = Vec::new();
    let all = Some("repos:read repos:write");
    let origin = gateway.origin();

    let local = client(&gateway, "Claude Code", None).await;
    person.open(&local.start(all).url).await;
    inspect(&person, "consent of an app on this computer", &mut wrong).await;
    let long = "An app with a remarkably long name that goes on and on until nobody reads it";
    let site = client(
        &gateway,
        long,
        Some("https://www.xn--clude-3ve.example/a/very/long/path/without/any/break/0123456789"),
    )
    .await;
    person.open(&site.start(all).url).await;
    inspect(&person, "consent of a site with unusual letters", &mut wrong).await;
    person.open(&format!("{}&scope=bogus", site.start(None).url)).await;
    inspect(&person, "error with a way back", &mut wrong).await;
    let app = client(&gateway, "Cursor", Some("cursor://anysphere.cursor-mcp/oauth/callback")).await;
    person.open(&app.start(None).url).await;
    inspect(&person, "consent of an app with its own scheme", &mut wrong).await;

    // Signed in, with an earlier grant; the hand-over to a scheme that nobody opens stays on the screen.
    person.click("Continue").await;
    person.click("Alice").await;
    person.wait_for("Return to Cursor").await;
    inspect(&person, "hand-over", &mut wrong).await;
    let pending = local.start(None);
    person.approve(&pending.url, "Alice").await;
    let callback = local.callback(&pending).await;
    local.redeem(&pending, &callback).await.tokens();
    person.open(&local.start(all).url).await;
    person.wait_for("Continue as").await;
    inspect(&person, "consent with new scopes", &mut wrong).await;
    person.open(&format!("{origin}/account")).await;
    person.wait_for("Claude Code").await;
    inspect(&person, "connections", &mut wrong).await;
    person.click("Sign out").await;
    person.wait_for("signed out here").await;
    inspect(&person, "sign-in", &mut wrong).await;

    for (name, path) in [
        ("page at the root", "/"),
        ("page that does not exist", "/nowhere"),
        ("form opened by itself", "/consent"),
        (
            "forgotten registration",
            "/authorize?client_id=coat_ci_gone&redirect_uri=http%3A%2F%2F127.0.0.1%2Fcb",
        ),
        ("request without a client", "/authorize"),
        ("stale callback", "/callback/demo?state=x&code=y"),
    ] {
        person.open(&format!("{origin}{path}")).await;
        inspect(&person, name, &mut wrong).await;
    }
    browser.close().await;
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

// The pages of local accounts, with and without something wrong on them.
#[tokio::test]
async fn no_page_of_a_local_account_has_a_barrier() {
    let (echo, mail) = (EchoServer::start().await, MailServer::start(0).await);
    let gateway = local_accounts::serve(&echo, &mail, "[accounts]\nsign_up = \"open\"\n").await;
    let browser = Browser::start().await;
    let person = browser.profile().await;
    let mut wrong = Vec::new();

    gateway.users(&mail, &["add", "alice@example.com", "--name", "Alice"]).await;
    let link = link_of(&mail.next().await);
    person.open(&link).await;
    inspect(&person, "password link", &mut wrong).await;
    for field in ["New password", "New password once more"] {
        person.type_into(field, "password1234").await;
    }
    person.click("Set the password").await;
    person.wait_for("easily guessed").await;
    inspect(&person, "password link with a fault", &mut wrong).await;
    for field in ["New password", "New password once more"] {
        person.type_into(field, "seven lamps over quiet harbour").await;
    }
    person.click("Set the password").await;
    person.wait_for("Your password is set").await;
    inspect(&person, "password is set", &mut wrong).await;
    person.open(&link).await;
    inspect(&person, "password link that was used", &mut wrong).await;

    let client = client(&gateway, "Claude Code", None).await;
    person.open(&client.start(None).url).await;
    person.click("Continue with e-mail").await;
    person.wait_for("E-mail me a code").await;
    inspect(&person, "sign-in with a local account", &mut wrong).await;
    person.type_into("E-mail address", "alice@example.com").await;
    person.type_into("Password", "not the password").await;
    person.click("Sign in").await;
    person.wait_for("is not right").await;
    inspect(&person, "sign-in with a local account and a fault", &mut wrong).await;
    person.click("E-mail me a code").await;
    person.wait_for("Look into your mailbox").await;
    inspect(&person, "code", &mut wrong).await;
    person.click("Go back").await;
    person.type_into("E-mail address", "bob@example.com").await;
    person.click("Make an account").await;
    person.wait_for("Your name").await;
    inspect(&person, "sign-up", &mut wrong).await;
    person.type_into("Code", "0000").await;
    person.type_into("New password", "seven lamps over quiet harbour").await;
    person.click("Make the account").await;
    person.wait_for("This is not the code").await;
    inspect(&person, "sign-up with a fault", &mut wrong).await;
    browser.close().await;
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn consent_is_given_with_a_keyboard_alone_and_the_focus_is_seen() {
    let gateway = Gateway::demo().await;
    let browser = Browser::start().await;
    let person = browser.profile().await;
    let client = client(&gateway, "Editor", None).await;
    let pending = client.start(Some("repos:read repos:write"));
    person.open(&pending.url).await;
    for dark in [false, true] {
        person.look(Look { width: 1280, dark }).await;
        person.load_again().await;
        let stops = person.tab_through().await;
        let names: Vec<&str> = stops.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(
            names,
            ["Open issues in your repositories", "Continue with Demo Forge", "Cancel", "Your connections"]
        );
        assert!(stops.iter().all(|(_, seen)| *seen), "the focus is seen: {stops:?}");
    }
    // Enter in the box agrees to nothing; Space unticks it; Enter on the button agrees.
    person.load_again().await;
    person.press_key("Tab").await;
    person.press_key("Enter").await;
    assert!(person.text().await.contains("Your decision"), "still here");
    person.press_key("Space").await;
    assert_eq!(
        person.evaluate("String(document.querySelector('input[type=checkbox]').checked)").await,
        "false"
    );
    person.press_key("Tab").await;
    person.press_key("Enter").await;
    person.click("Alice").await;
    let callback = client.callback(&pending).await;
    assert_eq!(
        client.redeem(&pending, &callback).await.tokens().scope,
        "repos:read",
        "what was unticked is not granted"
    );
    browser.close().await;
}

// A tool that finds nothing may have looked at nothing.
#[tokio::test]
async fn the_tool_finds_a_barrier_where_there_is_one() {
    let browser = Browser::start().await;
    let person = browser.profile().await;
    person.open("data:text/html,<p style=color:%23ccc>pale</p><button></button><img src=x>").await;
    let barriers = person.barriers().await.join("\n");
    for rule in ["color-contrast", "button-name", "image-alt", "html-has-lang"] {
        assert!(barriers.contains(rule), "{rule}: {barriers}");
    }
    assert!(tools::folder().exists());
    browser.close().await;
}
