//! Which client sends a request to the token or revocation endpoint, and whether it proves it.

use coatroom_protocol::client::{AuthenticationRefusal, Client, PresentedClient, challenge};
use coatroom_protocol::errors::{ErrorCode, OAuthError};
use coatroom_protocol::words::Params;
use http::HeaderMap;
use http::header::AUTHORIZATION;

use super::App;
use super::respond::Failure;
use crate::context::{ClientAddress, ClientRefusal};

/// The client of a request, authenticated if it has a secret.
///
/// Unknown, blocked and unauthenticated clients all get 401 `invalid_client`: clients register again on it.
pub(super) fn authenticate(
    app: &App,
    address: Option<ClientAddress>,
    headers: &HeaderMap,
    params: &Params,
) -> Result<Client, Failure> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let authorization = values.next().map(|value| value.to_str().unwrap_or_default());
    if values.next().is_some() {
        return Err(AuthenticationRefusal::TwoMechanisms)
            .map_err(|refusal| refused(refusal.into(), authorization));
    }
    let refuse = |refusal: AuthenticationRefusal| refused(refusal.into(), authorization);
    let presented = PresentedClient::read(authorization, params).map_err(refuse)?;
    let client = app.context.client(presented.client_id()).map_err(|refusal| {
        let text = match refusal {
            ClientRefusal::Unknown => "the client is not registered here; register again",
            ClientRefusal::Blocked => "the client was blocked by the operator of this server",
        };
        refused(OAuthError::json(ErrorCode::InvalidClient, text), authorization)
    })?;
    let (hash, now) = (client.id.hash(), app.context.clock.elapsed());
    app.limits.may_authenticate(address, hash, now).map_err(Failure::TooMany)?;
    presented.check(&client).map_err(|refusal| {
        app.limits.authentication_failed(address, hash, now);
        refuse(refusal)
    })?;
    Ok(client)
}

fn refused(error: OAuthError, authorization: Option<&str>) -> Failure {
    let challenge = (error.code() == ErrorCode::InvalidClient).then(|| challenge(authorization)).flatten();
    Failure::Unauthenticated(error, challenge)
}
