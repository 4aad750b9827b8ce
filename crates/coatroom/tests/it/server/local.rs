//! Local accounts: invitations, passwords, what the operator does, and what a stranger learns.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use coatroom::accounts::{AccountState, Mail, MailError, Mailer, ManageError};
use coatroom::protocol::words::EmailAddress;
use coatroom::settings::{LocalAccounts, SignUp};
use coatroom::store::{Kind, Store as _};
use coatroom::{ClientAddress, Users};

use super::browser::{Browser, attribute, refresh_of};
use super::client::{Answer, Client};
use super::watched::{Failure, Verb};
use super::world::{ISSUER, Tokens, World};

pub(crate) const SAME_ORIGIN: &[(&str, &str)] = &[("origin", ISSUER)];
pub(crate) const PASSWORD: &str = "seven lamps over quiet harbour";
pub(crate) const OTHER: &str = "nine kites under loud bridges";
pub(crate) const ALICE: &str = "alice@example.com";

/// Keeps what it is given to send.
#[derive(Debug, Clone, Default)]
pub(crate) struct Mailbox(Arc<Mutex<Vec<Mail>>>);

#[async_trait]
impl Mailer for Mailbox {
    async fn send(&self, mail: &Mail) -> Result<(), MailError> {
        self.0.lock().unwrap().push(mail.clone());
        Ok(())
    }
}

impl Mailbox {
    /// What was sent since the last look, once everything that waits was sent.
    pub(crate) async fn take(&self) -> Vec<Mail> {
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

pub(crate) async fn world(sign_up: SignUp) -> (World, Mailbox) {
    let mailbox = Mailbox::default();
    let mut settings = LocalAccounts::default();
    settings.sign_up = sign_up;
    let mailer: Arc<dyn Mailer> = Arc::new(mailbox.clone());
    let world = World::with(|_| (), |builder| builder.local_accounts(settings, Some(mailer))).await;
    (world, mailbox)
}

pub(crate) fn users(world: &World) -> Users<'_> {
    world.coatroom.users().unwrap()
}

pub(crate) fn alice() -> EmailAddress {
    EmailAddress::parse(ALICE).unwrap()
}

/// Invites Alice, who sets her password.
pub(crate) async fn invited(world: &World) {
    let invitation = users(world).add(&alice(), Some("Alice".to_owned()), vec!["editor".to_owned()]).await;
    let mut browser = Browser::new(&world.app);
    let link = invitation.unwrap().link;
    assert_eq!(set_password(&mut browser, &link, PASSWORD).await.status, 200);
}

pub(crate) async fn set_password(browser: &mut Browser, link: &str, password: &str) -> Answer {
    let path = link.strip_prefix(ISSUER).unwrap();
    browser.post(path, &[("password", password), ("repeat", password)], SAME_ORIGIN).await
}

/// Goes to the sign-in page, and returns its address.
pub(crate) async fn asked(browser: &mut Browser, client: &Client) -> String {
    let consent = browser.ask(&client.authorize_url(&[])).await;
    let answer = browser.press(&consent, "local").await;
    assert_eq!(answer.status, 303, "{answer:?}");
    let address = answer.header("location").unwrap().to_owned();
    assert!(address.starts_with("/sign-in/"), "{address}");
    address
}

pub(crate) async fn enter(browser: &mut Browser, address: &str, email: &str, password: &str) -> Answer {
    let fields = [("do", "enter"), ("email", email), ("password", password)];
    browser.post(address, &fields, SAME_ORIGIN).await
}

/// Follows an answer that lets somebody in, up to the client's tokens.
pub(crate) async fn finished(browser: &mut Browser, client: &Client, answer: &Answer) -> Tokens {
    assert_eq!(answer.status, 303, "{answer:?}");
    let callback = answer.header("location").unwrap();
    assert!(callback.starts_with(&format!("{ISSUER}/callback/local?")), "{callback}");
    let address = refresh_of(&browser.open(callback).await);
    Tokens::of(&client.redeem(&client.answered(&address)["code"]).await)
}

/// The status of a call. The server behind the guard asks for a provider's token, which nobody here has.
pub(crate) async fn status(world: &World, token: &str) -> u16 {
    match world.call(token).await {
        (502, said) => {
            assert!(said["user"].as_str().unwrap().starts_with("local:"), "{said}");
            200
        }
        (status, _) => status,
    }
}

async fn signed_in(world: &World) -> (Browser, Client, Tokens) {
    let (mut browser, client) = (Browser::new(&world.app), Client::register(&world.app).await);
    let address = asked(&mut browser, &client).await;
    let answer = enter(&mut browser, &address, ALICE, PASSWORD).await;
    let tokens = finished(&mut browser, &client, &answer).await;
    (browser, client, tokens)
}

#[tokio::test]
async fn who_is_invited_sets_a_password_and_signs_in_with_it() {
    let (world, mailbox) = world(SignUp::Invitation).await;
    let invitation = users(&world).add(&alice(), Some("Alice".to_owned()), vec!["editor".to_owned()]).await;
    let invitation = invitation.unwrap();
    assert!(matches!(invitation.mailed, Some(Ok(()))));
    let mail = mailbox.take().await.remove(0);
    assert_eq!(mail.to, alice());
    assert!(mail.text.contains(&invitation.link), "{}", mail.text);
    assert!(mail.subject.contains("gate.example"));

    let mut browser = Browser::new(&world.app);
    let page = browser.open(&invitation.link).await;
    assert_eq!(page.status, 200);
    assert!(page.body.contains(r#"value="alice@example.com" autocomplete="username" readonly"#), "{page:?}");
    let path = invitation.link.strip_prefix(ISSUER).unwrap();
    let mismatch = [("password", PASSWORD), ("repeat", OTHER)];
    assert_eq!(browser.post(path, &mismatch, SAME_ORIGIN).await.status, 422);
    for bad in ["short", "password1234", "aliceaexample"] {
        let answer = set_password(&mut browser, &invitation.link, bad).await;
        assert_eq!(answer.status, 422, "{bad}");
        assert!(answer.body.contains(r#"role="alert""#) && answer.body.contains("autofocus"), "{answer:?}");
    }
    assert_eq!(browser.post(path, &mismatch, &[("origin", "https://evil.example")]).await.status, 403);
    assert_eq!(set_password(&mut browser, &invitation.link, PASSWORD).await.status, 200);
    // Once, and nobody who finds it later learns whose it was.
    for answer in
        [browser.open(&invitation.link).await, set_password(&mut browser, &invitation.link, OTHER).await]
    {
        assert_eq!(answer.status, 400);
        assert!(!answer.body.contains("alice"), "{answer:?}");
    }

    let (_, _, tokens) = signed_in(&world).await;
    let (_, said) = world.call(&tokens.access).await;
    let account = users(&world).list().await.unwrap().remove(0);
    assert_eq!(said["user"], account.subject.to_string());
    assert_eq!((account.state, account.roles), (AccountState::Active, vec!["editor".to_owned()]));
}

// CON, UP: one button more, and alone it is the only one.
#[tokio::test]
async fn a_server_with_local_accounts_needs_no_provider() {
    let (world, _) = world(SignUp::Invitation).await;
    let client = Client::register(&world.app).await;
    let consent = Browser::new(&world.app).ask(&client.authorize_url(&[])).await;
    assert_eq!(consent.buttons(), ["demo", "other", "local", "deny"]);
    assert!(consent.page.body.contains("Continue with e-mail"), "{:?}", consent.page);
}

#[tokio::test]
async fn a_stranger_does_not_learn_who_has_an_account() {
    let (world, mailbox) = world(SignUp::Open).await;
    invited(&world).await;
    mailbox.take().await;
    let client = Client::register(&world.app).await;
    let mut seen: Vec<Vec<String>> = Vec::new();
    for email in [ALICE, "nobody@example.com"] {
        let mut browser = Browser::new(&world.app);
        let address = asked(&mut browser, &client).await;
        let mut pages = Vec::new();
        for deed in ["enter", "code", "reset", "sign-up"] {
            let fields = [("do", deed), ("email", email), ("password", OTHER)];
            let page = browser.post(&address, &fields, SAME_ORIGIN).await;
            assert_eq!(page.status, if deed == "enter" { 403 } else { 200 });
            let sealed = attribute(&page.body, r#"name="flow" value=""#).unwrap_or_default();
            let flow = address.strip_prefix("/sign-in/").unwrap();
            let told = page.body.replace(email, "EMAIL").replace(flow, "FLOW");
            let told = if sealed.is_empty() { told } else { told.replace(&sealed, "SEALED") };
            if deed != "enter" {
                // A code that is not right is answered alike, too.
                let fields = [("flow", sealed.as_str()), ("code", "00000000"), ("password", PASSWORD)];
                let answer = browser.post(&format!("{address}/code"), &fields, SAME_ORIGIN).await;
                assert_eq!(answer.status, 403);
                let flow = address.strip_prefix("/sign-in/").unwrap();
                let told = answer.body.replace(email, "EMAIL").replace(flow, "FLOW");
                pages.push(told.replace(&sealed, "SEALED"));
            }
            pages.push(told);
        }
        seen.push(pages);
    }
    assert_eq!(seen[0], seen[1]);
}

#[tokio::test]
async fn strangers_at_the_sign_in_page_write_nothing() {
    let (world, mailbox) = world(SignUp::Open).await;
    let before = world.store.writes();
    let client = Client::register(&world.app).await;
    for number in 0..20 {
        let mut browser = Browser::new(&world.app);
        let address = asked(&mut browser, &client).await;
        let email = format!("stranger{number}@example.com");
        for deed in ["enter", "code", "reset", "sign-up"] {
            let fields = [("do", deed), ("email", &email), ("password", PASSWORD)];
            browser.post(&address, &fields, SAME_ORIGIN).await;
        }
    }
    assert_eq!(world.store.writes(), before);
    assert_eq!(mailbox.take().await.len(), 20, "only who signs up is mailed");
}

// A guesser waits; the person, in a browser that is known, does not.
#[tokio::test]
async fn who_guesses_waits_and_locks_nobody_out() {
    let (world, _) = world(SignUp::Invitation).await;
    invited(&world).await;
    let (mut known, _, _) = signed_in(&world).await;
    let client = Client::register(&world.app).await;
    let mut guesser = Browser::new(&world.app);
    let address = asked(&mut guesser, &client).await;
    for guess in 0..10 {
        assert_eq!(enter(&mut guesser, &address, ALICE, &format!("guess {guess}")).await.status, 403);
    }
    let refused = enter(&mut guesser, &address, ALICE, PASSWORD).await;
    assert_eq!((refused.status.as_u16(), refused.header("retry-after")), (429, Some("90")));
    assert!(refused.body.contains("2 minutes"), "{refused:?}");

    known.cookies.remove("__Host-coatroom-session");
    let address = asked(&mut known, &client).await;
    assert_eq!(enter(&mut known, &address, ALICE, PASSWORD).await.status, 303);
    world.advance(90);
    let mut again = Browser::new(&world.app);
    let address = asked(&mut again, &client).await;
    assert_eq!(enter(&mut again, &address, ALICE, PASSWORD).await.status, 303);
}

#[tokio::test]
async fn an_address_that_tries_many_accounts_waits() {
    let (world, _) = world(SignUp::Invitation).await;
    invited(&world).await;
    let here = world.app.clone().layer(axum::Extension(ClientAddress("192.0.2.1".parse().unwrap())));
    let client = Client::configured(&here, "portal", super::world::PORTAL);
    let mut browser = Browser::new(&here);
    let address = asked(&mut browser, &client).await;
    for number in 0..50 {
        let answer = enter(&mut browser, &address, &format!("a{number}@example.com"), PASSWORD).await;
        assert_eq!(answer.status, 403, "{number}");
    }
    assert_eq!(enter(&mut browser, &address, ALICE, PASSWORD).await.status, 429);
    let mut elsewhere = Browser::new(&world.app);
    let address = asked(&mut elsewhere, &client).await;
    assert_eq!(enter(&mut elsewhere, &address, ALICE, PASSWORD).await.status, 303);
}

#[tokio::test]
async fn whoever_is_signed_in_continues_with_one_click() {
    let (world, _) = world(SignUp::Invitation).await;
    invited(&world).await;
    let (mut browser, _, _) = signed_in(&world).await;
    let client = Client::register(&world.app).await;
    let consent = browser.ask(&client.authorize_url(&[])).await;
    assert!(consent.page.body.contains("Continue as Alice (e-mail)"), "{:?}", consent.page);
    let answer = browser.press(&consent, "local").await;
    finished(&mut browser, &client, &answer).await;
    // Another account is asked for with the page.
    let consent = browser.ask(&client.authorize_url(&[])).await;
    let answer = browser.press(&consent, "local:other").await;
    assert!(answer.header("location").unwrap().starts_with("/sign-in/"));
    let consent = browser.ask(&client.authorize_url(&[("prompt", "login")])).await;
    let answer = browser.press(&consent, "local").await;
    assert!(answer.header("location").unwrap().starts_with("/sign-in/"));
}

// A copy of the cookie that was taken before is of no use after.
#[tokio::test]
async fn whoever_signs_out_is_signed_out_in_every_browser() {
    let (world, _) = world(SignUp::Invitation).await;
    invited(&world).await;
    let (mut browser, client, tokens) = signed_in(&world).await;
    let mut copy = browser.clone();
    let answer = browser.post("/account/sign-out", &[], SAME_ORIGIN).await;
    assert_eq!(answer.status, 303);
    assert!(!copy.open("/account").await.body.contains("You are signed in"));
    assert!(asked(&mut copy, &client).await.starts_with("/sign-in/"));
    assert_eq!(status(&world, &tokens.access).await, 200, "apps keep their access");
}

#[tokio::test]
async fn who_is_disabled_is_out_at_once_everywhere() {
    let (world, _) = world(SignUp::Invitation).await;
    invited(&world).await;
    let (mut browser, client, tokens) = signed_in(&world).await;
    assert_eq!(status(&world, &tokens.access).await, 200);
    users(&world).disable(&alice()).await.unwrap();
    assert_eq!(status(&world, &tokens.access).await, 401);
    assert_eq!(client.refresh(&tokens.refresh).await.error(), (400, "invalid_grant".to_owned()));
    // The browser's session is none any more.
    assert!(!browser.open("/account").await.body.contains("You are signed in"));
    let consent = browser.ask(&client.authorize_url(&[])).await;
    assert!(!consent.page.body.contains("Continue as"), "{:?}", consent.page);
    let address = asked(&mut browser, &client).await;
    let answer = enter(&mut browser, &address, ALICE, PASSWORD).await;
    assert_eq!(answer.status, 403);
    assert!(answer.body.contains("not in use any more"), "{answer:?}");
    assert!(
        enter(&mut browser, &address, ALICE, OTHER).await.body.contains("is not right"),
        "only to its person"
    );
    users(&world).enable(&alice()).await.unwrap();
    assert_eq!(enter(&mut browser, &address, ALICE, PASSWORD).await.status, 303);
    assert_eq!(client.refresh(&tokens.refresh).await.error().0, 400, "what had ended stays ended");
}

#[tokio::test]
async fn who_is_disabled_on_the_way_back_gets_no_grant() {
    let (world, _) = world(SignUp::Invitation).await;
    invited(&world).await;
    let (mut browser, client) = (Browser::new(&world.app), Client::register(&world.app).await);
    let address = asked(&mut browser, &client).await;
    let answer = enter(&mut browser, &address, ALICE, PASSWORD).await;
    users(&world).disable(&alice()).await.unwrap();
    assert_eq!(browser.open(answer.header("location").unwrap()).await.status, 400);
}

// UP-13: an account that changed after the sign-in is noticed at the refresh, too.
#[tokio::test]
async fn a_refresh_asks_whether_the_account_still_stands() {
    let (world, _) = world(SignUp::Invitation).await;
    invited(&world).await;
    let (_, client, tokens) = signed_in(&world).await;
    let tokens = Tokens::of(&client.refresh(&tokens.refresh).await);
    // As if the revocation after it had failed.
    world.store.delete(Kind::Account, ALICE).await.unwrap();
    assert_eq!(client.refresh(&tokens.refresh).await.error(), (400, "invalid_grant".to_owned()));
    assert_eq!(status(&world, &tokens.access).await, 401);
}

#[tokio::test]
async fn an_outage_at_the_sign_in_or_the_refresh_accuses_nobody() {
    let (world, _) = world(SignUp::Invitation).await;
    invited(&world).await;
    let (_, client, tokens) = signed_in(&world).await;
    world.store.fail(Verb::Get, Kind::Account, Failure::Before, 0..2);
    assert_eq!(client.refresh(&tokens.refresh).await.error(), (503, "temporarily_unavailable".to_owned()));
    let mut browser = Browser::new(&world.app);
    let address = asked(&mut browser, &client).await;
    let answer = enter(&mut browser, &address, ALICE, PASSWORD).await;
    assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (503, Some("5")));
    assert_eq!(enter(&mut browser, &address, ALICE, PASSWORD).await.status, 303);
    assert_eq!(client.refresh(&tokens.refresh).await.status, 200);
}

// Whoever makes the server busy would lock everybody out whom it turned away often enough.
#[tokio::test]
async fn an_attempt_that_nobody_judged_does_not_count() {
    let (world, _) = world(SignUp::Invitation).await;
    invited(&world).await;
    let (mut browser, client) = (Browser::new(&world.app), Client::register(&world.app).await);
    let address = asked(&mut browser, &client).await;
    world.store.fail(Verb::Get, Kind::Account, Failure::Before, 0..20);
    for _ in 0..20 {
        assert_eq!(enter(&mut browser, &address, ALICE, PASSWORD).await.status, 503);
    }
    assert_eq!(enter(&mut browser, &address, ALICE, PASSWORD).await.status, 303);
}

#[tokio::test]
async fn a_reset_ends_the_password_the_session_and_every_grant() {
    let (world, mailbox) = world(SignUp::Invitation).await;
    invited(&world).await;
    let (mut browser, client, tokens) = signed_in(&world).await;
    mailbox.take().await;
    let invitation = users(&world).reset(&alice()).await.unwrap();
    assert_eq!(invitation.account.state, AccountState::Reset { until: invitation.ends_at });
    assert!(mailbox.take().await[0].text.contains(&invitation.link));
    assert_eq!(status(&world, &tokens.access).await, 401);
    let address = asked(&mut browser, &client).await;
    assert_eq!(enter(&mut browser, &address, ALICE, PASSWORD).await.status, 403);
    // A newer link makes the older one worthless.
    let newer = users(&world).reset(&alice()).await.unwrap();
    assert_eq!(set_password(&mut browser, &invitation.link, OTHER).await.status, 400);
    assert_eq!(set_password(&mut browser, &newer.link, OTHER).await.status, 200);
    assert_eq!(enter(&mut browser, &address, ALICE, PASSWORD).await.status, 403);
    assert_eq!(enter(&mut browser, &address, ALICE, OTHER).await.status, 303);
}

#[tokio::test]
async fn a_link_is_good_for_a_week_and_for_one_account() {
    let (world, _) = world(SignUp::Invitation).await;
    let link = users(&world).add(&alice(), None, Vec::new()).await.unwrap().link;
    let mut browser = Browser::new(&world.app);
    world.advance(7 * 24 * 3600 - 1);
    assert_eq!(browser.open(&link).await.status, 200);
    world.advance(1);
    assert_eq!(set_password(&mut browser, &link, PASSWORD).await.status, 400);
    let link = users(&world).reset(&alice()).await.unwrap().link;
    users(&world).remove(&alice()).await.unwrap();
    let first = users(&world).add(&alice(), None, Vec::new()).await.unwrap();
    assert_eq!(set_password(&mut browser, &link, PASSWORD).await.status, 400);
    users(&world).remove(&alice()).await.unwrap();
    let second = users(&world).add(&alice(), None, Vec::new()).await.unwrap();
    assert_ne!(first.account.subject, second.account.subject, "a new account is a new user");
    for bad in ["", "x", &"A".repeat(200)] {
        assert_ne!(browser.open(&format!("/password/{bad}")).await.status, 200, "{bad}");
    }
}

#[tokio::test]
async fn where_sign_up_is_closed_nobody_new_comes() {
    let (world, mailbox) = world(SignUp::Invitation).await;
    let link = users(&world).add(&alice(), None, Vec::new()).await.unwrap().link;
    let mut settings = LocalAccounts::default();
    settings.sign_up = SignUp::Closed;
    let mailer: Arc<dyn Mailer> = Arc::new(mailbox.clone());
    let closed = world.replica_where(|builder| builder.local_accounts(settings, Some(mailer)));
    let mut browser = Browser::new(&closed.routes());
    assert_eq!(set_password(&mut browser, &link, PASSWORD).await.status, 400);
    let bob = EmailAddress::parse("bob@example.com").unwrap();
    let refused = closed.users().unwrap().add(&bob, None, Vec::new()).await;
    assert!(matches!(refused, Err(ManageError::Closed)), "{refused:?}");
    let refused = users(&world).add(&alice(), None, Vec::new()).await;
    assert!(matches!(refused, Err(ManageError::Exists)), "{refused:?}");
    for refused in
        [users(&world).disable(&bob).await.map(|_| ()), users(&world).reset(&bob).await.map(|_| ())]
    {
        assert!(matches!(refused, Err(ManageError::Unknown)), "{refused:?}");
    }
}

// What is carried is of no use in another browser, and a code of one flow none in another.
#[tokio::test]
async fn a_sign_in_belongs_to_one_browser_and_one_flow() {
    let (world, _) = world(SignUp::Invitation).await;
    invited(&world).await;
    let (mut mine, mut theirs) = (Browser::new(&world.app), Browser::new(&world.app));
    let client = Client::register(&world.app).await;
    let (my_page, their_page) = (asked(&mut mine, &client).await, asked(&mut theirs, &client).await);
    assert_eq!(theirs.open(&my_page).await.status, 400);
    assert_eq!(enter(&mut theirs, &my_page, ALICE, PASSWORD).await.status, 400);
    let fields = [("do", "enter"), ("email", ALICE), ("password", PASSWORD)];
    assert_eq!(mine.post(&my_page, &fields, &[("origin", "https://evil.example")]).await.status, 403);
    assert_eq!(mine.post(&my_page, &fields, &[]).await.status, 403);

    // A code for my flow, brought into theirs: session fixation.
    let answer = enter(&mut mine, &my_page, ALICE, PASSWORD).await;
    let callback = answer.header("location").unwrap();
    let code = callback.split("code=").nth(1).unwrap();
    let flow = their_page.strip_prefix("/sign-in/").unwrap();
    let planted = format!("{ISSUER}/callback/local?state={flow}&code={code}");
    assert_eq!(theirs.open(&planted).await.status, 400);
    world.advance(61);
    assert_eq!(mine.open(callback).await.status, 400, "nor is it good for long");
}

#[tokio::test]
async fn a_callback_of_a_provider_and_one_of_ours_stay_apart() {
    let (world, _) = world(SignUp::Invitation).await;
    invited(&world).await;
    let (mut browser, client) = (Browser::new(&world.app), Client::register(&world.app).await);
    let address = asked(&mut browser, &client).await;
    let answer = enter(&mut browser, &address, ALICE, PASSWORD).await;
    let elsewhere = answer.header("location").unwrap().replace("/callback/local", "/callback/demo");
    assert_eq!(browser.open(&elsewhere).await.status, 400);
}

#[tokio::test]
async fn a_person_who_cancels_is_told_so_and_so_is_their_app() {
    let (world, _) = world(SignUp::Invitation).await;
    let (mut browser, client) = (Browser::new(&world.app), Client::register(&world.app).await);
    let address = asked(&mut browser, &client).await;
    let answer = browser.post(&address, &[("do", "cancel"), ("email", "")], SAME_ORIGIN).await;
    let back = refresh_of(&browser.open(answer.header("location").unwrap()).await);
    assert!(back.contains("error=access_denied"), "{back}");
}

#[tokio::test]
async fn a_person_signs_in_to_see_their_connections() {
    let (world, _) = world(SignUp::Invitation).await;
    invited(&world).await;
    signed_in(&world).await;
    let mut browser = Browser::new(&world.app);
    assert!(browser.open("/account").await.body.contains("Sign in with e-mail"));
    let answer = browser.post("/account/sign-in", &[("provider", "local")], SAME_ORIGIN).await;
    let address = answer.header("location").unwrap().to_owned();
    let answer = enter(&mut browser, &address, ALICE, PASSWORD).await;
    let answer = browser.open(answer.header("location").unwrap()).await;
    assert_eq!(answer.header("location"), Some("/account"));
    let page = browser.open("/account").await;
    assert!(page.body.contains("You are signed in as Alice (e-mail)"), "{page:?}");
    let grant = attribute(&page.body, r#"name="grant" value=""#).unwrap();
    browser.post("/account/end", &[("grant", &grant)], SAME_ORIGIN).await;
    let page = browser.open("/account").await;
    assert!(page.body.contains("the access has ended") && !page.body.contains("may still list"), "{page:?}");
}

#[tokio::test]
async fn what_is_typed_wrong_is_said_and_kept() {
    let (world, _) = world(SignUp::Invitation).await;
    let (mut browser, client) = (Browser::new(&world.app), Client::register(&world.app).await);
    let address = asked(&mut browser, &client).await;
    let page = browser.open(&address).await;
    assert!(page.body.contains(r#"autocomplete="current-password""#), "{page:?}");
    assert!(!page.body.contains("Make an account"), "nobody signs up here");
    let answer = enter(&mut browser, &address, "<b>alice", PASSWORD).await;
    assert_eq!(answer.status, 422);
    assert!(answer.body.contains("&#60;b&#62;alice") && answer.body.contains("aria-invalid"), "{answer:?}");
    let answer = browser.post(&address, &[("do", "sign-up"), ("email", ALICE)], SAME_ORIGIN).await;
    assert_eq!(answer.status, 400);
    assert_eq!(browser.post(&address, &[("do", "else"), ("email", ALICE)], SAME_ORIGIN).await.status, 400);
}

// The hash of a password takes memory and a processor; more than a few at once are turned away, and nobody is locked out by that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_at_the_sign_in_page_is_turned_away_with_503() {
    let (world, _) = world(SignUp::Invitation).await;
    let client = Client::register(&world.app).await;
    let mut browser = Browser::new(&world.app);
    let address = asked(&mut browser, &client).await;
    let attempts = (0..200).map(|number| {
        let (mut browser, address) = (browser.clone(), address.clone());
        tokio::spawn(async move {
            let email = format!("a{number}@example.com");
            enter(&mut browser, &address, &email, PASSWORD).await.status.as_u16()
        })
    });
    let statuses: Vec<u16> =
        futures_util::future::join_all(attempts).await.into_iter().map(Result::unwrap).collect();
    let count = |status| statuses.iter().filter(|seen| **seen == status).count();
    assert!(count(403) > 0 && count(503) > 0, "{statuses:?}");
    assert_eq!(count(403) + count(503), 200, "{statuses:?}");
    tokio::time::timeout(Duration::from_secs(20), enter(&mut browser, &address, ALICE, PASSWORD))
        .await
        .unwrap();
}
