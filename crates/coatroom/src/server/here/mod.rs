//! Signing in here, with a local account: what stands in the place of a provider's pages.
//!
//! | URL | file |
//! |---|---|
//! | `GET`, `POST /sign-in/{flow}` | `enter` |
//! | `POST /sign-in/{flow}/code` | `code` |
//! | `GET`, `POST /password/{link}` | `password` |
//!
//! A person comes here with a flow that the browser carries, as they would go to a provider with one, and leaves by the same
//! callback, with a code of ours that says who they are.

mod code;
mod device;
mod enter;
mod password;

pub(super) use code::post as post_code;
pub(super) use enter::{get, post};
pub(super) use password::{get as get_password, post as post_password};

use axum::Extension;
use axum::response::Response;
use coatroom_protocol::words::{EmailAddress, Params, Timestamp, sha256};
use http::HeaderMap;
use serde::{Deserialize, Serialize};

use self::device::Device;
use super::account::SignIn;
use super::connect::Errand;
use super::flow::{self, Browser, Carried, Flow};
use super::session::Session;
use super::upstream_leg::Arrival;
use super::visit::{Stop, Visit, see_other};
use super::{App, cookies};
use crate::accounts::{Accounts, Password, PasswordRefusal};
use crate::allowance::ClientAddress;
use crate::pages::{ENTER_PATH, PasswordLimits, PasswordProblem, Trouble};
use crate::providers::UpstreamPrompt;
use crate::records::AccountRecord;

/// Sends the browser to the sign-in page, or back at once if the person is signed in here already. What is carried is kept.
pub(super) async fn depart<T: Carried>(
    app: &App,
    visit: &Visit<'_>,
    browser: &Browser,
    carried: &T,
    (accounts, prompt): (&Accounts, Option<UpstreamPrompt>),
) -> Result<Response, Stop> {
    let context = &app.context;
    let sealed = flow::seal(carried, context, T::away(accounts.name()), browser)?;
    let kept = flow::keep(carried, &visit.jar, &sealed, context.settings.flow_life);
    let id = carried.id().to_string();
    let account = match prompt {
        None => Session::account(context, &visit.jar).await?,
        Some(_) => None,
    };
    let mut response = match &account {
        Some(account) => back(app, &id, account)?,
        None => see_other(&format!("{ENTER_PATH}/{id}")),
    };
    cookies::add(response.headers_mut(), kept);
    Ok(response)
}

/// Who somebody is who has signed in here, for the callback of one flow.
#[derive(Serialize, Deserialize)]
struct Said {
    email: EmailAddress,
    id: String,
    stamp: String,
    at: Timestamp,
}

/// Sends the browser to the callback, with a code that says who the person is.
fn back(app: &App, flow: &str, account: &AccountRecord) -> Result<Response, Stop> {
    let context = &app.context;
    let (email, id) = (account.email.clone(), account.id.clone());
    let said = Said { email, id, stamp: account.stamp.clone(), at: context.clock.now() };
    let code =
        context.keys().sealing.seal_text(context.entropy.as_ref(), PURPOSE, &bound_to(app, flow), &said)?;
    Ok(see_other(&format!("{}?state={flow}&code={code}", callback(app)?)))
}

/// Sends the browser to the callback of a person who does not want to sign in.
fn cancelled(app: &App, flow: &str) -> Result<Response, Stop> {
    Ok(see_other(&format!("{}?state={flow}&error=access_denied", callback(app)?)))
}

/// The person whom the code of a callback names.
pub(super) async fn arrive(
    app: &App,
    accounts: &Accounts,
    (flow, code): (&str, &str),
) -> Result<Arrival, Stop> {
    let context = &app.context;
    let expired = || Stop::Trouble(Trouble::Expired);
    let said: Option<Said> = context.keys().sealing.open_text(PURPOSE, &bound_to(app, flow), code);
    let said = said.ok_or_else(expired)?;
    if context.clock.at_least().has_reached(said.at.plus(context.settings.code_life)) {
        return Err(expired());
    }
    let account = accounts.standing(&said.email, &said.id, &said.stamp).await?.ok_or_else(expired)?;
    let user = accounts.user(&account);
    Ok(Arrival { user, described: None, tokens: None, account: Some(account) })
}

fn bound_to<'a>(app: &'a App, flow: &'a str) -> [&'a [u8]; 2] {
    [app.context.issuer.as_str().as_bytes(), flow.as_bytes()]
}

fn callback(app: &App) -> Result<String, Stop> {
    Ok(app.callback_url(accounts(app)?.name()))
}

fn accounts(app: &App) -> Result<&Accounts, Stop> {
    app.context.accounts.as_ref().ok_or(Stop::Trouble(Trouble::NotFound))
}

/// A person at one of these pages, in a browser that carries the flow.
struct Present<'a> {
    accounts: &'a Accounts,
    flow: &'a str,
    /// What a code is bound to, so that it is good in this browser and for this flow alone.
    bound_to: [Vec<u8>; 2],
}

/// A person's visit to the pages of a flow, in its language.
fn visit<'a>(app: &'a App, headers: &'a HeaderMap, flow: &str) -> Visit<'a> {
    let mut visit = Visit::new(app, headers, None);
    visit.go_on_in(language_of(app, &visit, flow));
    visit
}

fn language_of(app: &App, visit: &Visit<'_>, flow: &str) -> Option<String> {
    let (accounts, browser) = (app.context.accounts.as_ref()?, Browser::of(&visit.jar)?);
    let (sealed, _) = flow::kept(&visit.jar, flow)?;
    flow::language_of(&app.context, Flow::away(accounts.name()), &browser, &sealed)
}

impl<'a> Present<'a> {
    fn find(app: &'a App, visit: &Visit<'_>, flow: &'a str) -> Result<Self, Stop> {
        let accounts = accounts(app)?;
        let browser = Browser::of(&visit.jar).ok_or(Stop::Trouble(Trouble::NoCookie))?;
        let (sealed, _) = flow::kept(&visit.jar, flow).ok_or(Stop::Trouble(Trouble::Expired))?;
        let is_carried = carries::<Flow>(app, accounts, &browser, &sealed, flow)
            || carries::<SignIn>(app, accounts, &browser, &sealed, flow)
            || carries::<Errand>(app, accounts, &browser, &sealed, flow);
        if !is_carried {
            return Err(Stop::Trouble(Trouble::Expired));
        }
        let bound_to = [sha256(browser.as_str().as_bytes()).to_vec(), flow.as_bytes().to_vec()];
        Ok(Self { accounts, flow, bound_to })
    }

    fn bound_to(&self) -> [&[u8]; 2] {
        let [browser, flow] = &self.bound_to;
        [browser, flow]
    }
}

fn carries<T: Carried>(app: &App, accounts: &Accounts, browser: &Browser, sealed: &str, id: &str) -> bool {
    let carried: Option<T> = flow::open(&app.context, T::away(accounts.name()), browser, sealed);
    carried.is_some_and(|carried| carried.id().to_string() == id)
}

/// The answer to somebody who has just signed in: on to the callback, in a browser that is known from now on.
fn entered(app: &App, visit: &Visit<'_>, flow: &str, account: &AccountRecord) -> Result<Response, Stop> {
    let mut response = back(app, flow, account)?;
    cookies::add(response.headers_mut(), Device::cookie(app, &visit.jar, &account.email)?);
    Ok(response)
}

/// A field of a form; the empty text when it is not there.
fn field<'a>(form: &'a Params, name: &str) -> &'a str {
    form.one(name).ok().flatten().unwrap_or_default()
}

/// What to say of a password that was not taken.
const fn problem_of(refusal: PasswordRefusal) -> PasswordProblem {
    match refusal {
        PasswordRefusal::TooShort => PasswordProblem::TooShort,
        PasswordRefusal::TooLong => PasswordProblem::TooLong,
        PasswordRefusal::Guessable => PasswordProblem::Guessable,
    }
}

const LIMITS: PasswordLimits = PasswordLimits { least: Password::LEAST, most: Password::MOST };

fn address_of(address: Option<Extension<ClientAddress>>) -> Option<ClientAddress> {
    address.map(|Extension(address)| address)
}

const PURPOSE: &str = "local sign-in";
