//! Which client sends a request to the token or revocation endpoint, and whether it proves it.

use coatroom_protocol::client::{
    AssertionRefusal, AuthenticationRefusal, Client, ExpectedAssertion, PresentedClient, SignedProof,
    VerifiedAssertion, check_assertion,
};
use coatroom_protocol::discovery::path;
use coatroom_protocol::errors::{ErrorCode, OAuthError};
use coatroom_protocol::grant::{parse_code, parse_refresh_token};
use coatroom_protocol::jws::JwsRefusal;
use coatroom_protocol::words::{AccessToken, AuthorizationCode, ClientIdHash, GrantId, Params, RefreshToken};
use http::HeaderMap;
use http::header::AUTHORIZATION;

use super::App;
use super::respond::Failure;
use crate::allowance::ClientAddress;
use crate::client_documents::DocumentFailure;
use crate::context::{ClientRefusal, Context, FoundClient};
use crate::error::Error;
use crate::records::{self, AccessTokenRecord, AssertionRecord, GrantRecord, Written};

/// A client that proved who it is, as far as it can.
#[derive(Debug)]
pub(super) struct Authenticated {
    found: FoundClient,
    assertion: Option<VerifiedAssertion>,
}

impl Authenticated {
    pub(super) fn client(&self) -> &Client {
        &self.found.client
    }

    /// The client with the document that describes it.
    pub(super) fn found(&self) -> &FoundClient {
        &self.found
    }

    /// Notes that the assertion was used, which can happen once. Whoever calls this has found the code or token of the request
    /// to be live and the client's own: strangers leave nothing behind.
    pub(super) async fn use_up(&self, context: &Context) -> Result<(), Failure> {
        let Some(assertion) = &self.assertion else { return Ok(()) };
        let record = AssertionRecord { hash: assertion.record_key.clone(), kept_until: assertion.kept_until };
        match records::insert(context.store.as_ref(), &record).await? {
            Written::Done => Ok(()),
            Written::Beaten => Err(OAuthError::from(AssertionRefusal::Used).into()),
        }
    }
}

/// The client of a request, authenticated if it has a secret or keys.
///
/// `request` is what the client sent, and to which path. Unknown, blocked and unauthenticated clients all get 401
/// `invalid_client`: clients register again on it.
pub(super) async fn authenticate(
    app: &App,
    address: Option<ClientAddress>,
    headers: &HeaderMap,
    (here, params): (&str, &Params),
) -> Result<Authenticated, Failure> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let authorization = values.next().map(|value| value.to_str().unwrap_or_default());
    if values.next().is_some() {
        return Err(OAuthError::from(AuthenticationRefusal::TwoMechanisms).into());
    }
    let presented = PresentedClient::read(authorization, params).map_err(OAuthError::from)?;
    let context = &app.context;
    let hash = presented.client_id().hash();
    let now = context.clock.elapsed();
    app.limits.may_authenticate(address, hash, now).map_err(Failure::TooMany)?;
    let found =
        context.acting_client(presented.client_id(), async || holds_a_grant(context, params, hash).await);
    let found = found.await.map_err(|refusal| match refusal {
        ClientRefusal::Unknown => unknown("the client is not registered here; register again"),
        ClientRefusal::Blocked => unknown("the client was blocked by the operator of this server"),
        ClientRefusal::Document(failure) => not_described(&failure),
        ClientRefusal::Inside(error) => error.into(),
    })?;
    let failed = |failure: Failure| {
        if matches!(&failure, Failure::Refused(error) if error.code() == ErrorCode::InvalidClient) {
            app.limits.authentication_failed(address, hash, now);
        }
        failure
    };
    let proof = presented.check(&found.client).map_err(|refusal| failed(OAuthError::from(refusal).into()))?;
    let assertion = match proof {
        Some(proof) => Some(verify(context, &found, proof, here).await.map_err(failed)?),
        None => None,
    };
    Ok(Authenticated { found, assertion })
}

/// Verifies what a client signed. Keys that cannot be had are an outage and no accusation.
async fn verify(
    context: &Context,
    found: &FoundClient,
    proof: SignedProof<'_>,
    here: &str,
) -> Result<VerifiedAssertion, Failure> {
    let SignedProof { assertion, keys } = proof;
    // Many clients name the token endpoint wherever they authenticate.
    let [token, here] = [path::TOKEN, here].map(|path| context.issuer.url(path));
    let expected = ExpectedAssertion {
        client: &found.client.id,
        audiences: &[context.issuer.as_str(), &token, &here],
        now: context.clock.now(),
    };
    let set = context.client_keys(&found.client, &keys.source).await;
    let set = set.map_err(|failure| not_described(&failure))?;
    let mut verdict = check_assertion(assertion, keys, &set, &expected);
    // A key that is not known may be a new one.
    if let Err(AssertionRefusal::Jws(JwsRefusal::UnknownKey)) = verdict
        && let Some(newer) = context.newer_client_keys(found, &keys.source, &set).await
    {
        verdict = check_assertion(assertion, keys, &newer, &expected);
    }
    verdict.map_err(|refusal| {
        tracing::info!(client.id = %found.client.id, reason = %refusal, "a client assertion was refused");
        OAuthError::from(refusal).into()
    })
}

/// Whether the request presents a code or token of a grant that is this client's and has not ended.
async fn holds_a_grant(context: &Context, params: &Params, client: ClientIdHash) -> Result<bool, Error> {
    let store = context.store.as_ref();
    let one = |name| params.one(name).ok().flatten();
    let of_refresh = |text: &str| {
        parse_refresh_token(&RefreshToken::new(text), &context.keys().tickets).ok().map(|parts| parts.grant)
    };
    let mut grant: Option<GrantId> =
        one("code").and_then(|text| parse_code(&AuthorizationCode::new(text)).ok()).map(|parts| parts.grant);
    grant = grant.or_else(|| one("refresh_token").and_then(of_refresh));
    grant = grant.or_else(|| one("token").and_then(of_refresh));
    if let (None, Some(text)) = (grant, one("token")) {
        let key = AccessTokenRecord::key_of(&AccessToken::new(text).hash());
        grant = records::load::<AccessTokenRecord>(store, &key).await?.map(|seen| seen.value.grant);
    }
    let Some(grant) = grant else { return Ok(false) };
    let seen = records::load::<GrantRecord>(store, &GrantRecord::key_of(&grant)).await?;
    Ok(seen.is_some_and(|seen| seen.value.grant.client == client && seen.value.vault.is_some()))
}

/// A client whose document or keys are not to be had.
fn not_described(failure: &DocumentFailure) -> Failure {
    let code =
        if failure.is_transient() { ErrorCode::TemporarilyUnavailable } else { ErrorCode::InvalidClient };
    OAuthError::json(code, failure.to_string()).into()
}

fn unknown(text: &'static str) -> Failure {
    OAuthError::json(ErrorCode::InvalidClient, text).into()
}
