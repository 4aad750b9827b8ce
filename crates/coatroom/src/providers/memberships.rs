//! Asks GitHub whether a user belongs to the organisations and teams that the allowlist names, and to no others.

use serde_json::Value;
use tracing::field::Empty;
use tracing::info_span;
use url::Url;

use super::engine::{Engine, observed};
use super::error::ProviderError;
use super::tokens::UpstreamToken;
use crate::allowlist::List;
use crate::user::User;

impl Engine {
    /// Notes in the user's groups which of the allowlist's organisations and teams are theirs. One of each list is enough, so
    /// that no more is asked once it is found; of somebody who is named nothing is asked.
    pub(super) async fn add_memberships(
        &self,
        user: &mut User,
        token: &UpstreamToken,
    ) -> Result<(), ProviderError> {
        let Some(api) = &self.0.preset.memberships else { return Ok(()) };
        user.groups.clear();
        if self.names(user) {
            return Ok(());
        }
        let login = self.login(user).unwrap_or_default().to_owned();
        for list in [List::Organisations, List::Teams] {
            for entry in self.0.allow.entries(list) {
                let url = match entry.split_once('/').filter(|_| list == List::Teams) {
                    None => below(api, &["user", "memberships", "orgs", entry]),
                    Some((organisation, team)) => {
                        below(api, &["orgs", organisation, "teams", team, "memberships", &login])
                    }
                };
                if self.is_member(&url, token).await? {
                    user.groups.push(entry.to_ascii_lowercase());
                    break;
                }
            }
        }
        Ok(())
    }

    /// Whether the membership at `url` is active: one that was offered and not yet accepted is not. An answer that is no
    /// verdict on the token and no outage says that there is none: 404, or 403 where the token may not look.
    async fn is_member(&self, url: &Url, token: &UpstreamToken) -> Result<bool, ProviderError> {
        let span = info_span!("provider.membership", provider.name = %self.0.name, outcome = Empty);
        let asked = async {
            match self.read(url, token, None).await {
                Ok(said) => Ok(said.get("state").and_then(Value::as_str) == Some("active")),
                Err(error) if error.is_transient() || error.is_dead() => Err(error),
                Err(error) => {
                    tracing::debug!(reason = %error, "GitHub knows of no membership, or does not tell us");
                    Ok(false)
                }
            }
        };
        observed(span, asked).await
    }
}

fn below(api: &Url, segments: &[&str]) -> Url {
    let mut url = api.clone();
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(segments);
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_segment_of_the_path() {
        let api = Url::parse("https://ghe.example/api/v3").unwrap();
        let url = below(&api, &["orgs", "a/b", "memberships", "x?y#z"]);
        assert_eq!(url.as_str(), "https://ghe.example/api/v3/orgs/a%2Fb/memberships/x%3Fy%23z");
        let public = Url::parse("https://api.github.com/").unwrap();
        assert_eq!(below(&public, &["user"]).as_str(), "https://api.github.com/user");
    }
}
