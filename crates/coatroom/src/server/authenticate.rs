//! Which client sends a request to the token or revocation endpoint, and whether it proves it.

use coatroom_protocol::client::{AuthenticationRefusal, Client, PresentedClient};
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
        return Err(OAuthError::from(AuthenticationRefusal::TwoMechanisms).into());
    }
    let presented = PresentedClient::read(authorization, params).map_err(OAuthError::from)?;
    let client = app.context.client(presented.client_id()).map_err(|refusal| {
        let text = match refusal {
            ClientRefusal::Unknown => "the client is not registered here; register again",
            ClientRefusal::Blocked => "the client was blocked by the operator of this server",
        };
        OAuthError::json(ErrorCode::InvalidClient, text)
    })?;
    let (hash, now) = (client.id.hash(), app.context.clock.elapsed());
    app.limits.may_authenticate(address, hash, now).map_err(Failure::TooMany)?;
    presented.check(&client).map_err(|refusal| {
        app.limits.authentication_failed(address, hash, now);
        OAuthError::from(refusal)
    })?;
    Ok(client)
}
