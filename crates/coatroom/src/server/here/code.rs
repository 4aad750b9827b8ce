//! `POST /sign-in/{flow}/code`: a person types the code that they were mailed, and with it perhaps a new password.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use coatroom_protocol::grant::RevokedReason;
use coatroom_protocol::words::Params;
use http::HeaderMap;

use super::{Device, LIMITS, Present, address_of, entered, field, problem_of, visit};
use crate::accounts::{Caller, CodePurpose, Password, PasswordRefusal, Proven, ReturnedCode};
use crate::allowance::ClientAddress;
use crate::pages::{
    CODE_FIELD, Deed, FLOW_FIELD, MailedPage, MailedProblem, NAME_FIELD, PASSWORD_FIELD, Trouble,
};
use crate::records::AccountRecord;
use crate::server::App;
use crate::server::visit::{Stop, Visit};

/// Answers `POST /sign-in/{flow}/code`.
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
    let accounts = present.accounts;
    let sealed = field(form, FLOW_FIELD);
    let expired = || Stop::Trouble(Trouble::Expired);
    let returned = accounts.returned(sealed, &present.bound_to()).ok_or_else(expired)?;
    let device = Device::of(app, &visit.jar, &returned.email);
    let caller = Caller { address, device: device.as_deref() };
    let problem = match accounts.prove(&returned, field(form, CODE_FIELD), caller) {
        Proven::No => MailedProblem::Wrong,
        Proven::TooMany(wait) => MailedProblem::TooMany(wait),
        Proven::Yes => match proven(app, present, &returned, form).await? {
            Ok(account) => return entered(app, visit, present.flow, &account.ok_or_else(expired)?),
            Err(refusal) => MailedProblem::Password(problem_of(refusal)),
        },
    };
    let deed = match returned.purpose {
        CodePurpose::SignIn => Deed::Code,
        CodePurpose::Reset => Deed::Reset,
        CodePurpose::SignUp => Deed::SignUp,
    };
    let is_right = matches!(problem, MailedProblem::Password(_));
    let page = MailedPage {
        flow: present.flow,
        sealed,
        email: returned.email.as_str(),
        deed,
        name: field(form, NAME_FIELD),
        // Whoever typed it right need not type it again.
        code: if is_right { field(form, CODE_FIELD) } else { "" },
        limits: LIMITS,
        problem: Some(problem),
    };
    Ok(app.pages.mailed(visit.language, &page))
}

/// Does what the code was for. No account: it is gone, or there is one by now.
async fn proven(
    app: &App,
    present: &Present<'_>,
    returned: &ReturnedCode,
    form: &Params,
) -> Result<Result<Option<AccountRecord>, PasswordRefusal>, Stop> {
    let accounts = present.accounts;
    let password = || Password::new(field(form, PASSWORD_FIELD));
    Ok(match returned.purpose {
        CodePurpose::SignIn => Ok(accounts.enter_by_code(returned).await?),
        CodePurpose::SignUp => accounts.sign_up(&returned.email, name(form), &password()).await?,
        CodePurpose::Reset => {
            let reset = accounts.reset_by_code(returned, &password()).await?;
            if let Ok(Some(account)) = &reset {
                // Whoever knew the old password may have let apps in.
                let subject = accounts.user(account).subject;
                app.context.revoke_all(&subject, RevokedReason::User).await?;
            }
            reset
        }
    })
}

/// What a person wants to be called, on one line and not too long.
fn name(form: &Params) -> Option<String> {
    let name: String =
        field(form, NAME_FIELD).chars().filter(|c| !c.is_control()).take(LONGEST_NAME).collect();
    let name = name.trim();
    (!name.is_empty()).then(|| name.to_owned())
}

const LONGEST_NAME: usize = 100;
