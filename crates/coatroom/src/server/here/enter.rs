//! `GET` and `POST /sign-in/{flow}`: a person signs in with their password, or asks for a code.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use coatroom_protocol::words::{EmailAddress, Params};
use http::HeaderMap;

use super::{Device, LIMITS, Present, address_of, cancelled, entered, field, visit};
use crate::accounts::{Asked, Caller, CodePurpose, Entry, Letter, Password};
use crate::allowance::ClientAddress;
use crate::pages::{
    DO_FIELD, Deed, EMAIL_FIELD, EnterPage, EnterProblem, MailedPage, PASSWORD_FIELD, Trouble,
};
use crate::server::App;
use crate::server::letters::Letters;
use crate::server::visit::{Stop, Visit};

/// Answers `GET /sign-in/{flow}`.
pub(in crate::server) async fn get(
    State(app): State<Arc<App>>,
    Path(flow): Path<String>,
    headers: HeaderMap,
) -> Response {
    let visit = visit(&app, &headers, &flow);
    match Present::find(&app, &visit, &flow) {
        Ok(present) => page(&app, &visit, &present, ("", None)),
        Err(stop) => visit.stopped(stop),
    }
}

/// Answers `POST /sign-in/{flow}`.
pub(in crate::server) async fn post(
    State(app): State<Arc<App>>,
    Path(flow): Path<String>,
    address: Option<Extension<ClientAddress>>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let visit = visit(&app, &headers, &flow);
    let answered = async {
        let form = visit.form(body).await?;
        let present = Present::find(&app, &visit, &flow)?;
        answer(&app, &visit, &present, (&form, address_of(address))).await
    };
    answered.await.unwrap_or_else(|stop| visit.stopped(stop))
}

async fn answer(
    app: &App,
    visit: &Visit<'_>,
    present: &Present<'_>,
    (form, address): (&Params, Option<ClientAddress>),
) -> Result<Response, Stop> {
    let deed = Deed::parse(field(form, DO_FIELD)).ok_or(Stop::Trouble(Trouble::Expired))?;
    if deed == Deed::Cancel {
        return cancelled(app, present.flow);
    }
    let typed = field(form, EMAIL_FIELD);
    let Ok(email) = EmailAddress::parse(typed) else {
        return Ok(page(app, visit, present, (typed, Some(EnterProblem::Address))));
    };
    let device = Device::of(app, &visit.jar, &email);
    let caller = Caller { address, device: device.as_deref() };
    let purpose = match deed {
        Deed::Enter => return enter(app, visit, present, (&email, form, caller)).await,
        Deed::Code => CodePurpose::SignIn,
        Deed::Reset => CodePurpose::Reset,
        Deed::SignUp if present.accounts.are_open() => CodePurpose::SignUp,
        Deed::SignUp | Deed::Cancel => return Err(Stop::Trouble(Trouble::Expired)),
    };
    if !present.accounts.have_mail() {
        return Err(Stop::Trouble(Trouble::Expired));
    }
    let letters = Letters::in_language(&app.pages, visit.language);
    let write = |letter: Letter<'_>| letters.letter(letter);
    match present.accounts.ask((purpose, &email), caller, &present.bound_to(), write).await? {
        Asked::TooMany(wait) => {
            Ok(page(app, visit, present, (email.as_str(), Some(EnterProblem::TooManyMails(wait)))))
        }
        Asked::Sealed(sealed) => {
            let page = MailedPage {
                flow: present.flow,
                sealed: &sealed,
                email: email.as_str(),
                deed,
                name: "",
                code: "",
                limits: LIMITS,
                problem: None,
            };
            Ok(app.pages.mailed(visit.language, &page))
        }
    }
}

async fn enter(
    app: &App,
    visit: &Visit<'_>,
    present: &Present<'_>,
    (email, form, caller): (&EmailAddress, &Params, Caller<'_>),
) -> Result<Response, Stop> {
    let password = Password::new(field(form, PASSWORD_FIELD));
    let problem = match present.accounts.enter(email, &password, caller).await? {
        Entry::In(account) => return entered(app, visit, present.flow, &account),
        Entry::Refused => EnterProblem::Wrong,
        Entry::Disabled => EnterProblem::Disabled,
        Entry::TooMany(wait) => EnterProblem::TooMany(wait),
    };
    Ok(page(app, visit, present, (email.as_str(), Some(problem))))
}

fn page(
    app: &App,
    visit: &Visit<'_>,
    present: &Present<'_>,
    (email, problem): (&str, Option<EnterProblem>),
) -> Response {
    let page = EnterPage {
        flow: present.flow,
        email,
        problem,
        by_mail: present.accounts.have_mail(),
        open: present.accounts.are_open(),
    };
    app.pages.enter(visit.language, &page)
}
