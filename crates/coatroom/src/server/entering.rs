//! Asking the embedding program whether somebody who has signed in may enter, and who they are then.

use super::flow::Carried;
use super::upstream_leg::Arrival;
use super::visit::{Stop, Visit};
use crate::context::{Context, SignInAt};
use crate::error::Error;
use crate::hooks::{SignIn, SignInRefusal};

/// Asks about somebody whom nothing else keeps out.
pub(super) async fn ask<T: Carried>(
    context: &Context,
    visit: &Visit<'_>,
    (place, carried): (SignInAt<'_>, &T),
    arrival: &mut Arrival,
) -> Result<(), Stop> {
    let described = arrival.user.clone();
    let language = Some(visit.language.tag());
    let sign_in = SignIn { user: described.clone(), purpose: carried.purpose(), language };
    match context.hooks.ask(sign_in).await {
        Ok(SignIn { user, .. }) => {
            arrival.described = (user != described).then_some(described);
            arrival.user = user;
            Ok(())
        }
        Err(SignInRefusal::Refused(said)) => {
            tracing::info!(
                target: "coatroom::audit",
                event = "sign_in.refused",
                provider.name = %place.name(),
                subject = %described.subject,
                reason = "a hook refused",
                "a user may not enter"
            );
            let provider = visit.label(place).to_owned();
            Err(Stop::NotAllowed { provider, person: described.display_name().to_owned(), said })
        }
        Err(error) => Err(outage(error).into()),
    }
}

/// A hook that cannot tell: nobody's fault but ours.
pub(super) fn outage(error: SignInRefusal) -> Error {
    Error::Unavailable { what: "the hook of sign-ins", source: Box::new(error) }
}
