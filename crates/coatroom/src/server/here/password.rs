//! `GET` and `POST /password/{link}`: a person sets their password by a link that the operator made.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use coatroom_protocol::grant::RevokedReason;
use http::HeaderMap;

use super::{LIMITS, accounts, field, problem_of};
use crate::accounts::Password;
use crate::pages::{NewPasswordPage, PASSWORD_FIELD, PasswordProblem, REPEAT_FIELD, Trouble};
use crate::records::AccountRecord;
use crate::server::App;
use crate::server::visit::{Stop, Visit};

/// Answers `GET /password/{link}`.
pub(in crate::server) async fn get(
    State(app): State<Arc<App>>,
    Path(link): Path<String>,
    headers: HeaderMap,
) -> Response {
    let visit = Visit::new(&app, &headers, None);
    let shown = async {
        let account = accounts(&app)?.linked(&link).await?.ok_or(Stop::Trouble(Trouble::LinkUsed))?;
        Ok(page(&app, &visit, (&link, &account, None)))
    };
    shown.await.unwrap_or_else(|stop| visit.stopped(stop))
}

/// Answers `POST /password/{link}`.
pub(in crate::server) async fn post(
    State(app): State<Arc<App>>,
    Path(link): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let visit = Visit::new(&app, &headers, None);
    let answered = async {
        let form = visit.form(body).await?;
        let accounts = accounts(&app)?;
        let account = accounts.linked(&link).await?.ok_or(Stop::Trouble(Trouble::LinkUsed))?;
        let typed = field(&form, PASSWORD_FIELD);
        if typed != field(&form, REPEAT_FIELD) {
            return Ok(page(&app, &visit, (&link, &account, Some(PasswordProblem::Different))));
        }
        match accounts.set_by_link(&link, &Password::new(typed)).await? {
            Err(refusal) => Ok(page(&app, &visit, (&link, &account, Some(problem_of(refusal))))),
            Ok(None) => Err(Stop::Trouble(Trouble::LinkUsed)),
            Ok(Some(account)) => {
                let subject = accounts.user(&account).subject;
                app.context.revoke_all(&subject, RevokedReason::User).await?;
                Ok(app.pages.password_set(visit.language))
            }
        }
    };
    answered.await.unwrap_or_else(|stop| visit.stopped(stop))
}

fn page(
    app: &App,
    visit: &Visit<'_>,
    (link, account, problem): (&str, &AccountRecord, Option<PasswordProblem>),
) -> Response {
    let page = NewPasswordPage {
        link,
        email: account.email.as_str(),
        first: account.joined_at.is_none(),
        limits: LIMITS,
        problem,
    };
    app.pages.new_password(visit.language, &page)
}
