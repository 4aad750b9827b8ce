//! Asks a provider again about a user whom it signed in before: at every refresh of a grant whose provider has an allowlist.

use super::answer::Members;
use super::engine::Engine;
use super::error::ProviderError;
use super::id_token::IdTokenRefusal;
use super::identify::{object, united};
use super::path::find;
use super::preset::{Endpoints, Identity};
use super::tokens::{UpstreamToken, UpstreamTokens};
use crate::user::User;

/// What a provider says of a user whom it signed in before.
#[derive(Debug, Clone)]
pub(crate) enum Standing {
    /// This is how they are now.
    Known(Box<User>),
    /// The same, but something that the allowlist needs is as it was: an ID token alone would tell.
    Partly(Box<User>),
    /// The credential is somebody else's, or of a tenant that is not welcome any more.
    SomebodyElse,
    /// The provider answered, and does not say.
    Withheld,
}

impl Engine {
    /// What the provider says now of the user of these tokens, with the ID token that came with them, if one did.
    ///
    /// # Errors
    /// [`ProviderError::Dead`] when it does not take the token any more, [`ProviderError::Transient`] when it cannot say.
    pub(super) async fn ask_again(
        &self,
        known: &User,
        (tokens, id_token): (&UpstreamTokens, Option<&UpstreamToken>),
    ) -> Result<Standing, ProviderError> {
        let said = async {
            let endpoints = self.endpoints().await?;
            match &self.0.preset.identity {
                Identity::UserEndpoint { addresses, query } => {
                    let (user, unread) =
                        self.endpoint_user(&endpoints, (addresses.as_ref(), *query), tokens).await?;
                    match unread {
                        Some(error) if self.needs_address() => Err(error),
                        _ => Ok(Standing::Known(Box::new(user))),
                    }
                }
                Identity::IdToken { .. } if self.needs().is_empty() => {
                    Ok(Standing::Known(Box::new(known.clone())))
                }
                Identity::IdToken { .. } => self.openid_standing(&endpoints, known, (tokens, id_token)).await,
            }
        };
        match said.await {
            Ok(Standing::Known(user)) => Ok(self.same(known, *user, Standing::Known)),
            Ok(Standing::Partly(user)) => Ok(self.same(known, *user, Standing::Partly)),
            Ok(standing) => Ok(standing),
            Err(error) if error.is_dead() || error.is_transient() => Err(error),
            Err(ProviderError::IdToken(IdTokenRefusal::Subject | IdTokenRefusal::Tenant)) => {
                Ok(Standing::SomebodyElse)
            }
            Err(error) => {
                tracing::warn!(provider.name = %self.0.name, %error, "the provider does not say who a user is now");
                Ok(Standing::Withheld)
            }
        }
    }

    fn same(&self, known: &User, mut user: User, standing: fn(Box<User>) -> Standing) -> Standing {
        if user.subject != known.subject {
            return Standing::SomebodyElse;
        }
        // Whoever is as they were known was mapped then.
        if let Some(map) = self.0.user_map.as_ref().filter(|_| user != *known) {
            map.apply(&mut user);
        }
        standing(Box::new(user))
    }

    async fn openid_standing(
        &self,
        endpoints: &Endpoints,
        known: &User,
        (tokens, id_token): (&UpstreamTokens, Option<&UpstreamToken>),
    ) -> Result<Standing, ProviderError> {
        let told = match &endpoints.user {
            Some(url) => match self.ask(url, &tokens.access_token, None).await.and_then(object) {
                Ok(told) => told,
                Err(error) if error.is_transient() => return Err(error),
                Err(error) => {
                    tracing::debug!(reason = %error, "the user endpoint could not be read");
                    Members::new()
                }
            },
            None => Members::new(),
        };
        // OpenID Connect Core 1.0 §5.3.2 and §12.2: an answer, or an ID token, about somebody else must not be used.
        let is_known =
            |said: &Members| known.claims.get("sub").is_none_or(|sub| said.get("sub") == Some(sub));
        if !told.is_empty() && !is_known(&told) {
            return Err(IdTokenRefusal::Subject.into());
        }
        let Some(id_token) = id_token else {
            let is_partial = self.leaves_out(&told);
            let user = Box::new(self.updated(known, &told)?);
            return Ok(if is_partial { Standing::Partly(user) } else { Standing::Known(user) });
        };
        let claims = self.verified_claims(endpoints, id_token, (&tokens.access_token, None)).await?;
        if !is_known(&claims) {
            return Err(IdTokenRefusal::Subject.into());
        }
        let said = united(told, claims);
        let mut user = self.0.preset.profile.read(&self.0.name, said.clone())?;
        self.keep_profile(&mut user, known, &said);
        Ok(Standing::Known(Box::new(user)))
    }

    /// The user as they were known, with what is told now in the place of what was told before.
    fn updated(&self, known: &User, told: &Members) -> Result<User, ProviderError> {
        if told.is_empty() {
            return Ok(known.clone());
        }
        let mut claims = known.claims.clone();
        if told.contains_key("email") {
            claims.remove("email_verified");
        }
        claims.extend(told.clone());
        let profile = &self.0.preset.profile;
        let mut user = profile.read(&self.0.name, claims)?;
        // An address and the word that it was verified are told together.
        (user.email, user.email_verified) = profile.address(told);
        self.keep_profile(&mut user, known, told);
        Ok(user)
    }

    /// Whether the allowlist must know somebody's address.
    fn needs_address(&self) -> bool {
        let email = &self.0.preset.profile.email;
        self.needs().contains(email)
    }

    /// What is told later may leave out what says nothing about memberships, and that an address, which is still the same, was
    /// verified.
    fn keep_profile(&self, user: &mut User, known: &User, told: &Members) {
        let verifies = &self.0.preset.profile.email_verified;
        let says_nothing = !verifies.iter().any(|path| find(told, path).is_some());
        if user.email.is_none() || (user.email == known.email && says_nothing) {
            (user.email, user.email_verified) = (known.email.clone(), known.email_verified);
        }
        let parts = [
            (&mut user.name, &known.name),
            (&mut user.username, &known.username),
            (&mut user.nickname, &known.nickname),
            (&mut user.picture, &known.picture),
        ];
        for (part, known) in parts {
            if part.is_none() {
                part.clone_from(known);
            }
        }
    }
}
