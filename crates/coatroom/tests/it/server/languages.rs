//! The language of a journey: what the app asks for at `/authorize` holds until the browser is back at the app.

use std::time::Duration;

use coatroom::settings::SignUp;

use super::browser::{Browser, attribute, refresh_of};
use super::client::{Answer, Client};
use super::local::{ALICE, OTHER, SAME_ORIGIN, invited, world};
use super::world::World;

fn language(answer: &Answer) -> &str {
    let language = answer.header("content-language").unwrap_or_else(|| panic!("no page: {answer:?}"));
    assert!(answer.body.contains(&format!(r#"<html lang="{language}""#)), "{answer:?}");
    language
}

/// An address of an app that asks for German, and for a language that is not here before.
fn german(client: &Client) -> String {
    client.authorize_url(&[("ui_locales", "tlh de-AT fr")])
}

#[tokio::test]
async fn what_the_app_asks_for_holds_until_the_browser_is_back() {
    let world = World::new().await;
    let client = Client::register(&world.app).await;
    let mut browser = Browser::speaking(&world.app, "es");
    let consent = browser.ask(&german(&client)).await;
    assert_eq!(language(&consent.page), "de");
    let handed = browser.press(&consent, "demo").await;
    assert_eq!(language(&handed), "de");
    let callback = world.idp.sign_in(&refresh_of(&handed), "alice");
    let done = browser.open(&callback).await;
    assert_eq!((done.status.as_u16(), language(&done)), (200, "de"));
    assert!(done.body.contains("Zurück zu "), "{done:?}");
    let denied = browser.ask(&german(&client)).await;
    assert_eq!(language(&browser.press(&denied, "deny").await), "de");
    assert_eq!(language(&browser.open("/account").await), "es", "no app asked for that page");
}

#[tokio::test]
async fn a_browsers_own_language_is_what_counts_without_an_app_that_asks() {
    let world = World::new().await;
    let client = Client::register(&world.app).await;
    let mut browser = Browser::speaking(&world.app, "ja-JP,en;q=0.9");
    for address in [client.authorize_url(&[]), client.authorize_url(&[("ui_locales", "tlh")])] {
        let consent = browser.ask(&address).await;
        assert_eq!(language(&consent.page), "ja");
        assert_eq!(language(&browser.press(&consent, "demo").await), "ja");
    }
    assert_eq!(language(&browser.open("/authorize?ui_locales=fr").await), "fr", "a request that is at fault");
    assert_eq!(language(&browser.open("/callback/demo?state=x").await), "ja");
}

#[tokio::test]
async fn what_goes_wrong_is_told_in_the_language_in_which_it_began() {
    let world = World::new().await;
    let client = Client::register(&world.app).await;
    let mut browser = Browser::speaking(&world.app, "es");
    let refused = browser.ask(&german(&client)).await;
    let callback = browser.approve(&world.idp, &refused, "alice").await;
    let failed = browser.clone().open(&callback.replace("code=", "code=wrong")).await;
    assert_eq!((failed.status.is_success(), language(&failed)), (false, "de"), "{failed:?}");
    let forged = browser.post_consent(&[("flow", &refused.flow), ("choice", "demo")], &[]).await;
    assert_eq!((forged.status.as_u16(), language(&forged)), (403, "de"));
    let unknown = browser.post_consent(&[("flow", &refused.flow), ("choice", "nowhere")], SAME_ORIGIN).await;
    assert_eq!((unknown.status.as_u16(), language(&unknown)), (400, "de"));
    world.clock.advance(Duration::from_hours(24));
    let late = browser.press(&refused, "demo").await;
    assert_eq!((late.status.as_u16(), language(&late)), (400, "de"));
    let late = browser.open(&callback).await;
    assert_eq!((late.status.as_u16(), language(&late)), (400, "de"));
    let stranger = Browser::speaking(&world.app, "es").press(&refused, "demo").await;
    assert_eq!((stranger.status.as_u16(), language(&stranger)), (403, "es"), "another browser opens nothing");
}

#[tokio::test]
async fn signing_in_here_and_its_mails_go_on_in_that_language() {
    let (world, mailbox) = world(SignUp::Open).await;
    invited(&world).await;
    mailbox.take().await;
    let client = Client::register(&world.app).await;
    let mut browser = Browser::speaking(&world.app, "es");
    let consent = browser.ask(&german(&client)).await;
    assert!(consent.page.body.contains("Weiter mit E-Mail"), "{:?}", consent.page);
    let address = browser.press(&consent, "local").await.header("location").unwrap().to_owned();
    assert_eq!(language(&browser.open(&address).await), "de");
    let wrong =
        browser.post(&address, &[("do", "enter"), ("email", ALICE), ("password", OTHER)], SAME_ORIGIN).await;
    assert_eq!((wrong.status.as_u16(), language(&wrong)), (403, "de"));
    let mailed = browser.post(&address, &[("do", "code"), ("email", ALICE)], SAME_ORIGIN).await;
    assert_eq!(language(&mailed), "de");
    let mails = mailbox.take().await;
    assert!(mails[0].subject.starts_with("Ihr Code für "), "{mails:?}");
    let sealed = attribute(&mailed.body, r#"name="flow" value=""#).unwrap();
    let fields = [("flow", sealed.as_str()), ("code", "0000 0000")];
    let mistyped = browser.post(&format!("{address}/code"), &fields, SAME_ORIGIN).await;
    assert_eq!((mistyped.status.as_u16(), language(&mistyped)), (403, "de"));
    let turned_back = browser.post(&address, &[("do", "cancel")], SAME_ORIGIN).await;
    let callback = turned_back.header("location").unwrap().to_owned();
    assert_eq!(language(&browser.open(&callback).await), "de");
}
