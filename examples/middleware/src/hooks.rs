//! What this program decides at sign-ins, and what it writes down.

use async_trait::async_trait;
use coatroom::hooks::{ConnectionEvent, GrantEnded, GrantMade, Hooks, SignIn, SignInRefusal};

/// Makes some people administrators, and writes down who comes and goes.
#[derive(Debug)]
pub(crate) struct Door {
    admins: Vec<String>,
}

impl Door {
    /// A door for these administrators, such as `github:583231,github:1`. The number is the account's, which nobody else can ever get; a
    /// login can be given up, and taken by somebody else.
    pub(crate) fn of(admins: &str) -> Self {
        Self { admins: admins.split(',').map(|admin| admin.trim().to_owned()).collect() }
    }
}

#[async_trait]
impl Hooks for Door {
    /// Asked at every sign-in, and again at every refresh: whoever is no administrator any more stops being one then.
    async fn signing_in(&self, sign_in: &mut SignIn) -> Result<(), SignInRefusal> {
        let user = &mut sign_in.user;
        if self.admins.contains(&user.subject.to_string()) {
            user.roles.push("admin".to_owned());
            user.permissions.push("store:purge".to_owned());
        }
        Ok(())
    }

    async fn grant_made(&self, event: &GrantMade) {
        // An app chooses its name itself, so it is written as a text that cannot look like another line.
        let app = event.client_name.as_deref().unwrap_or_default();
        tracing::info!(user = %event.subject, ?app, scopes = %event.scopes, "somebody signed in");
    }

    async fn grant_ended(&self, event: &GrantEnded) {
        tracing::info!(user = %event.subject, reason = ?event.reason, "an app was signed out");
    }

    async fn connection_made(&self, event: &ConnectionEvent) {
        tracing::info!(user = %event.subject, provider = %event.provider, "an account was connected");
    }

    async fn connection_renewed(&self, event: &ConnectionEvent) {
        tracing::info!(user = %event.subject, provider = %event.provider, "a token was renewed");
    }
}
