//! Local accounts: codes by mail, new passwords, and signing up.

use coatroom::settings::{LocalAccounts, SignUp};
use coatroom::store::{Kind, Store as _};

use super::browser::{Browser, attribute};
use super::client::{Answer, Client};
use super::local::{
    ALICE, Mailbox, OTHER, PASSWORD, SAME_ORIGIN, alice, asked, enter, finished, invited, set_password,
    status, users, world,
};
use super::world::{Tokens, World};

/// A browser in which a code was asked for.
struct Waiting {
    browser: Browser,
    client: Client,
    address: String,
    sealed: String,
}

impl Waiting {
    async fn new(world: &World, deed: &str, email: &str) -> Self {
        let (mut browser, client) = (Browser::new(&world.app), Client::register(&world.app).await);
        let address = asked(&mut browser, &client).await;
        let page = browser.post(&address, &[("do", deed), ("email", email)], SAME_ORIGIN).await;
        assert_eq!(page.status, 200, "{page:?}");
        let sealed = attribute(&page.body, r#"name="flow" value=""#).unwrap();
        Self { browser, client, address, sealed }
    }

    async fn types(&mut self, code: &str, more: &[(&str, &str)]) -> Answer {
        let mut fields = vec![("flow", self.sealed.as_str()), ("code", code)];
        fields.extend(more);
        self.browser.post(&format!("{}/code", self.address), &fields, SAME_ORIGIN).await
    }

    async fn tokens(&mut self, answer: &Answer) -> Tokens {
        finished(&mut self.browser, &self.client, answer).await
    }
}

/// The code of the one mail that was sent.
async fn code(mailbox: &Mailbox) -> String {
    let mails = mailbox.take().await;
    assert_eq!(mails.len(), 1, "{mails:?}");
    mails[0].text.lines().find_map(|line| line.strip_prefix("    ")).unwrap().to_owned()
}

#[tokio::test]
async fn a_code_by_mail_signs_in() {
    let (world, mailbox) = world(SignUp::Invitation).await;
    invited(&world).await;
    mailbox.take().await;
    let mut waiting = Waiting::new(&world, "code", " Alice@Example.com").await;
    let code = code(&mailbox).await;
    assert_eq!(code.len(), "1234 5678".len());
    assert_eq!(waiting.types("0000 0000", &[]).await.status, 403);
    let answer = waiting.types(&code, &[]).await;
    let tokens = waiting.tokens(&answer).await;
    assert_eq!(status(&world, &tokens.access).await, 200);
}

#[tokio::test]
async fn who_is_invited_may_come_by_a_code_as_well() {
    let (world, mailbox) = world(SignUp::Invitation).await;
    users(&world).add(&alice(), None, Vec::new()).await.unwrap();
    mailbox.take().await;
    let mut waiting = Waiting::new(&world, "code", ALICE).await;
    let answer = waiting.types(&code(&mailbox).await, &[]).await;
    waiting.tokens(&answer).await;
}

#[tokio::test]
async fn a_code_is_good_in_one_browser_for_one_flow_and_ten_minutes() {
    let (world, mailbox) = world(SignUp::Invitation).await;
    invited(&world).await;
    mailbox.take().await;
    let mut mine = Waiting::new(&world, "code", ALICE).await;
    let right = code(&mailbox).await;
    let mut theirs = Waiting::new(&world, "code", "mallory@example.com").await;
    theirs.sealed = mine.sealed.clone();
    assert_eq!(theirs.types(&right, &[]).await.status, 400);
    let mut later = mine.browser.clone();
    let address = asked(&mut later, &mine.client).await;
    let fields = [("flow", mine.sealed.as_str()), ("code", right.as_str())];
    assert_eq!(later.post(&format!("{address}/code"), &fields, SAME_ORIGIN).await.status, 400);
    world.advance(600);
    assert_eq!(mine.types(&right, &[]).await.status, 400);
}

// A code opened its flow, and set passwords, as often as it was typed within its ten minutes.
#[tokio::test]
async fn a_code_is_good_once() {
    let (world, mailbox) = world(SignUp::Invitation).await;
    invited(&world).await;
    mailbox.take().await;
    for (deed, more) in [("code", &[][..]), ("reset", &[("password", OTHER)])] {
        let mut waiting = Waiting::new(&world, deed, ALICE).await;
        let right = code(&mailbox).await;
        let mut kept =
            Waiting { browser: waiting.browser.clone(), ..Waiting::new(&world, deed, ALICE).await };
        let newer = code(&mailbox).await;
        kept.address.clone_from(&waiting.address);
        kept.sealed.clone_from(&waiting.sealed);
        let answer = waiting.types(&right, more).await;
        waiting.tokens(&answer).await;
        assert_eq!(kept.types(&right, more).await.status, 400, "{deed}");
        assert_ne!(right, newer);
    }
    // Of many at once one is in time.
    let waiting = Waiting::new(&world, "code", ALICE).await;
    let right = code(&mailbox).await;
    let all = (0..8).map(|_| async {
        let mut one = Waiting {
            browser: waiting.browser.clone(),
            client: Client::register(&world.app).await,
            address: waiting.address.clone(),
            sealed: waiting.sealed.clone(),
        };
        one.types(&right, &[]).await.status
    });
    let statuses = futures_util::future::join_all(all).await;
    assert_eq!(statuses.iter().filter(|status| **status == 303).count(), 1, "{statuses:?}");
}

// Whoever has an address today is not let in by what its last owner was mailed.
#[tokio::test]
async fn a_code_ends_with_what_the_account_was_when_it_was_sent() {
    let (world, mailbox) = world(SignUp::Invitation).await;
    for step in ["reset", "password", "disable", "remove"] {
        invited(&world).await;
        mailbox.take().await;
        let mut waiting = Waiting::new(&world, "code", ALICE).await;
        let right = code(&mailbox).await;
        match step {
            "reset" => drop(users(&world).reset(&alice()).await.unwrap()),
            "password" => {
                let link = users(&world).reset(&alice()).await.unwrap().link;
                assert_eq!(set_password(&mut Browser::new(&world.app), &link, OTHER).await.status, 200);
            }
            "disable" => {
                users(&world).disable(&alice()).await.unwrap();
                users(&world).enable(&alice()).await.unwrap();
            }
            _ => {
                users(&world).remove(&alice()).await.unwrap();
                users(&world).add(&alice(), None, Vec::new()).await.unwrap();
            }
        }
        assert_eq!(waiting.types(&right, &[]).await.status, 400, "{step}");
        users(&world).remove(&alice()).await.unwrap();
        world.advance(3600);
    }
}

#[tokio::test]
async fn whoever_guesses_codes_uses_up_the_attempts_of_the_account() {
    let (world, mailbox) = world(SignUp::Invitation).await;
    invited(&world).await;
    mailbox.take().await;
    let mut waiting = Waiting::new(&world, "code", ALICE).await;
    let right = code(&mailbox).await;
    for guess in 0..10 {
        assert_eq!(waiting.types(&format!("{guess:08}"), &[]).await.status, 403);
    }
    let answer = waiting.types(&right, &[]).await;
    assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (429, Some("90")));
    // A new code is no way around.
    let mut again = Waiting::new(&world, "code", ALICE).await;
    let right = code(&mailbox).await;
    assert_eq!(again.types(&right, &[]).await.status, 429);
}

#[tokio::test]
async fn a_mailbox_is_not_flooded() {
    let (world, mailbox) = world(SignUp::Invitation).await;
    invited(&world).await;
    mailbox.take().await;
    for _ in 0..5 {
        Waiting::new(&world, "code", ALICE).await;
    }
    let (mut browser, client) = (Browser::new(&world.app), Client::register(&world.app).await);
    let address = asked(&mut browser, &client).await;
    let page = browser.post(&address, &[("do", "reset"), ("email", ALICE)], SAME_ORIGIN).await;
    assert_eq!((page.status.as_u16(), page.header("retry-after")), (429, Some("720")));
    assert!(page.body.contains("12 minutes"), "{page:?}");
    assert_eq!(mailbox.take().await.len(), 5);
}

#[tokio::test]
async fn a_new_password_by_mail_ends_whatever_the_old_one_allowed() {
    let (world, mailbox) = world(SignUp::Invitation).await;
    invited(&world).await;
    mailbox.take().await;
    // Somebody knows the old password, and let an app in.
    let (mut thief, client) = (Browser::new(&world.app), Client::register(&world.app).await);
    let address = asked(&mut thief, &client).await;
    let answer = enter(&mut thief, &address, ALICE, PASSWORD).await;
    let stolen = finished(&mut thief, &client, &answer).await;

    let mut waiting = Waiting::new(&world, "reset", ALICE).await;
    let right = code(&mailbox).await;
    let weak = waiting.types(&right, &[("password", "password1234")]).await;
    assert_eq!(weak.status, 422);
    assert!(weak.body.contains(&format!(r#"value="{right}""#)), "the code need not be typed again: {weak:?}");
    let answer = waiting.types(&right, &[("password", OTHER)]).await;
    let tokens = waiting.tokens(&answer).await;
    assert_eq!(status(&world, &tokens.access).await, 200);
    assert_eq!(status(&world, &stolen.access).await, 401);
    assert!(!thief.open("/account").await.body.contains("You are signed in"));
    let address = asked(&mut thief, &client).await;
    assert_eq!(enter(&mut thief, &address, ALICE, PASSWORD).await.status, 403);
}

// DESIGN of open sign-up: the account is written only after the code came back.
#[tokio::test]
async fn where_sign_up_is_open_the_account_is_written_when_the_code_comes_back() {
    let (world, mailbox) = world(SignUp::Open).await;
    let before = world.store.writes();
    let mut waiting = Waiting::new(&world, "sign-up", ALICE).await;
    let right = code(&mailbox).await;
    assert_eq!(waiting.types("00000000", &[("password", PASSWORD)]).await.status, 403);
    assert_eq!(waiting.types(&right, &[("password", "short")]).await.status, 422);
    assert_eq!(world.store.writes(), before);
    let answer = waiting.types(&right, &[("password", PASSWORD), ("name", " Alice \u{7} ")]).await;
    let tokens = waiting.tokens(&answer).await;
    assert_eq!(status(&world, &tokens.access).await, 200);
    let account = users(&world).list().await.unwrap().remove(0);
    assert_eq!(account.name.as_deref(), Some("Alice"));
    // The same once more makes nothing new.
    assert_eq!(waiting.types(&right, &[("password", OTHER)]).await.status, 400);
    let mut browser = Browser::new(&world.app);
    let address = asked(&mut browser, &waiting.client).await;
    assert_eq!(enter(&mut browser, &address, ALICE, PASSWORD).await.status, 303);
}

#[tokio::test]
async fn who_signs_up_twice_is_told_by_mail_alone() {
    let (world, mailbox) = world(SignUp::Open).await;
    invited(&world).await;
    mailbox.take().await;
    Waiting::new(&world, "sign-up", ALICE).await;
    let mail = mailbox.take().await.remove(0);
    assert!(mail.subject.contains("You have an account"), "{mail:?}");
    assert!(!mail.text.lines().any(|line| line.starts_with("    ")), "there is no code in it");
}

// An account takes nothing over from a user of a provider with the same address, and gives nothing to them.
#[tokio::test]
async fn an_account_and_a_providers_user_of_one_address_stay_two_users() {
    let (world, _) = world(SignUp::Open).await;
    invited(&world).await;
    let (_, theirs) = world.signed_in("alice").await;
    let (mut browser, client) = (Browser::new(&world.app), Client::register(&world.app).await);
    let address = asked(&mut browser, &client).await;
    let answer = enter(&mut browser, &address, ALICE, PASSWORD).await;
    let ours = finished(&mut browser, &client, &answer).await;
    let (_, one) = world.call(&theirs.access).await;
    let (_, other) = world.call(&ours.access).await;
    assert_eq!(one["user"], "demo:alice-1");
    assert_ne!(one["user"], other["user"]);
    users(&world).disable(&alice()).await.unwrap();
    assert_eq!((world.status(&theirs.access).await, status(&world, &ours.access).await), (200, 401));
}

#[tokio::test]
async fn without_mail_there_are_passwords_and_links() {
    let world = World::with(|_| (), |builder| builder.local_accounts(LocalAccounts::default(), None)).await;
    let invitation = users(&world).add(&alice(), None, Vec::new()).await.unwrap();
    assert!(invitation.mailed.is_none());
    let (mut browser, client) = (Browser::new(&world.app), Client::register(&world.app).await);
    let address = asked(&mut browser, &client).await;
    let page = browser.open(&address).await;
    assert!(!page.body.contains("by e-mail") && page.body.contains("ask the people"), "{page:?}");
    let answer = browser.post(&address, &[("do", "code"), ("email", ALICE)], SAME_ORIGIN).await;
    assert_eq!(answer.status, 400);
}

// What is kept opens nothing: hashes and sealed values alone.
#[tokio::test]
async fn no_password_code_or_link_is_in_the_store() {
    let (world, mailbox) = world(SignUp::Open).await;
    let link = users(&world).add(&alice(), None, Vec::new()).await.unwrap().link;
    let kept = world.store.get(Kind::Account, ALICE).await.unwrap().unwrap().body;
    assert!(!kept.contains(link.rsplit('/').next().unwrap()), "{kept}");
    users(&world).remove(&alice()).await.unwrap();
    mailbox.take().await;
    invited(&world).await;
    let kept = world.store.get(Kind::Account, ALICE).await.unwrap().unwrap().body;
    assert!(kept.contains("$argon2id$") && !kept.contains(PASSWORD), "{kept}");
}
