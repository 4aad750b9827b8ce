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
    walk_through(&person, (&gateway, &mail), "", &mut wrong).await;
    browser.close().await;
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

// The same and more, with everything that an operator can change, as loud as it may be.
#[tokio::test]
async fn no_page_has_a_barrier_in_the_colours_and_the_frame_of_an_operator() {
    let (echo, mail) = (EchoServer::start().await, MailServer::start(0).await);
    let files = tempfile::tempdir().unwrap();
    for (name, text) in
        [("logo.svg", LOGO), ("dark.svg", DARK_LOGO), ("frame.html", FRAME), ("own.css", STYLES)]
    {
        std::fs::write(files.path().join(name), text).unwrap();
    }
    let theme = THEME.replace("{files}", files.path().to_str().unwrap());
    let section = format!("[accounts]\nsign_up = \"open\"\n{theme}");
    let gateway = local_accounts::serve(&echo, &mail, &section).await;
    let browser = Browser::start().await;
    let person = browser.profile().await;
    let mut wrong = Vec::new();
    let origin = gateway.origin();
    person.open(&format!("{origin}/")).await;
    person.wait_for("Fanfare Ltd").await;
    let logo = "String(document.querySelector('.brand img').naturalWidth)";
    assert_eq!(person.evaluate(logo).await, "240", "the logo is loaded");
    let accent = "getComputedStyle(document.querySelector('main a')).color";
    assert_eq!(person.evaluate(accent).await, "rgb(194, 0, 90)");
    inspect(&person, "themed page at the root", &mut wrong).await;
    // What the frame has of scripts would not run, and was refused; a link to its own site is all that leads there.
    assert_eq!(person.evaluate("document.querySelector('.bar a').href").await, "https://fanfare.example/");

    walk_through(&person, (&gateway, &mail), "themed ", &mut wrong).await;
    let app = client(&gateway, "Cursor", Some("cursor://anysphere.cursor-mcp/oauth/callback")).await;
    person.open(&app.start(None).url).await;
    person.wait_for("Who wants in").await;
    inspect(&person, "themed consent", &mut wrong).await;
    person.click("Continue with e-mail").await;
    person.type_into("E-mail address", "alice@example.com").await;
    person.type_into("Password", "seven lamps over quiet harbour").await;
    person.click("Sign in").await;
    person.wait_for("Return to Cursor").await;
    inspect(&person, "themed hand-over", &mut wrong).await;
    person.open(&format!("{origin}/account")).await;
    person.wait_for("signed in").await;
    inspect(&person, "themed connections", &mut wrong).await;
    person.open(&format!("{origin}/nowhere")).await;
    inspect(&person, "themed page that does not exist", &mut wrong).await;
    browser.close().await;
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Every page of local accounts. `kind` is what their names begin with.
async fn walk_through(
    person: &Profile,
    (gateway, mail): (&Gateway, &MailServer),
    kind: &str,
    wrong: &mut Vec<String>,
) {
    let named = |page: &str| format!("{kind}{page}");

    gateway.users(mail, &["add", "alice@example.com", "--name", "Alice"]).await;
    let link = link_of(&mail.next().await);
    person.open(&link).await;
    inspect(person, &named("password link"), wrong).await;
    for field in ["New password", "New password once more"] {
        person.type_into(field, "password1234").await;
    }
    person.click("Set the password").await;
    person.wait_for("easily guessed").await;
    inspect(person, &named("password link with a fault"), wrong).await;
    for field in ["New password", "New password once more"] {
        person.type_into(field, "seven lamps over quiet harbour").await;
    }
    person.click("Set the password").await;
    person.wait_for("Your password is set").await;
    inspect(person, &named("password is set"), wrong).await;
    person.open(&link).await;
    inspect(person, &named("password link that was used"), wrong).await;

    let client = client(gateway, "Claude Code", None).await;
    person.open(&client.start(None).url).await;
    person.click("Continue with e-mail").await;
    person.wait_for("E-mail me a code").await;
    inspect(person, &named("sign-in with a local account"), wrong).await;
    person.type_into("E-mail address", "alice@example.com").await;
    person.type_into("Password", "not the password").await;
    person.click("Sign in").await;
    person.wait_for("is not right").await;
    inspect(person, &named("sign-in with a local account and a fault"), wrong).await;
    person.click("E-mail me a code").await;
    person.wait_for("Look into your mailbox").await;
    inspect(person, &named("code"), wrong).await;
    person.click("Go back").await;
    person.type_into("E-mail address", "bob@example.com").await;
    person.click("Make an account").await;
    person.wait_for("Your name").await;
    inspect(person, &named("sign-up"), wrong).await;
    person.type_into("Code", "0000").await;
    person.type_into("New password", "seven lamps over quiet harbour").await;
    person.click("Make the account").await;
    person.wait_for("This is not the code").await;
    inspect(person, &named("sign-up with a fault"), wrong).await;
}

const LOGO: &str = r##"<svg xmlns="http://www.w3.org/2000/svg" width="240" height="60"><rect width="240" height="60" rx="12" fill="#c2005a"/><text x="20" y="40" font-size="30" fill="#fff">Fanfare</text></svg>"##;
const DARK_LOGO: &str = r##"<svg xmlns="http://www.w3.org/2000/svg" width="240" height="60"><rect width="240" height="60" rx="12" fill="#ffd400"/><text x="20" y="40" font-size="30" fill="#000">Fanfare</text></svg>"##;
const FRAME: &str = r#"<!doctype html>
<html {{language}} class="fanfare">
<head>
{{head}}
<title>{{title}}</title>
</head>
<body>
<nav class="bar" aria-label="Fanfare"><a href="https://fanfare.example/">Fanfare Ltd</a></nav>
{{content}}
</body>
</html>
"#;
const STYLES: &str = ".bar { align-self: stretch; margin-bottom: 1rem; padding: 0.5rem; background: #000; text-align: center }\n.bar a { color: #ffd400 }\nmain { border-width: 4px; border-color: var(--accent); border-radius: 0 }\n";
const THEME: &str = r##"[theme]
name = "Fanfare Ltd"
logo = "{files}/logo.svg"
logo_dark = "{files}/dark.svg"
frame = "{files}/frame.html"
stylesheet = "{files}/own.css"
[theme.colours]
accent = "#c2005a"
accent_dark = "#ffd400"
background = "#ffe9a8"
background_dark = "#2b0038"
[theme.links]
terms = "https://fanfare.example/terms"
privacy = "https://fanfare.example/privacy"
support = "https://fanfare.example/help"
[theme.texts.en]
consent_who = "Who wants in"
"##;

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
