//! The certified OpenID provider `oidc-provider`, as an upstream on loopback.

use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Child;

use crate::evidence::{self, Secret};
use crate::foreign::Script;
use crate::tools;

/// A running provider, killed when dropped.
#[derive(Debug)]
pub struct OidcProvider {
    /// Its issuer.
    pub issuer: String,
    _child: Child,
}

/// The gateway's registration there.
pub const CLIENT_ID: &str = "coatroom";
/// Its secret.
pub const CLIENT_SECRET: &str = "oidc-secret-of-the-gateway-0123456789";

impl OidcProvider {
    /// Starts it, with the gateway registered for `callback`. Its access tokens live `access_seconds`.
    pub async fn start(callback: &str, access_seconds: u64) -> Self {
        evidence::secret(Secret::Credential, CLIENT_SECRET);
        let settings = json!({
            "port": tools::free_port(),
            "clientId": CLIENT_ID,
            "clientSecret": CLIENT_SECRET,
            "redirectUri": callback,
            "accessSeconds": access_seconds,
        });
        Self::run("oidc-provider.mjs", &settings).await
    }

    /// Starts it as the authorization server of the MCP endpoint `resource`: clients register themselves, and their access
    /// tokens are JWTs.
    pub async fn start_for(resource: &str) -> Self {
        let settings = json!({ "port": tools::free_port(), "resource": resource });
        Self::run("remote-issuer.mjs", &settings).await
    }

    /// Starts Better Auth with its OAuth provider, in the same place.
    pub async fn better_auth_for(resource: &str) -> Self {
        let settings = json!({ "port": tools::free_port(), "resource": resource });
        Self::run("better-auth.mjs", &settings).await
    }

    async fn run(script: &'static str, settings: &Value) -> Self {
        let mut command = Script::Node(script).command();
        let mut child = command
            .arg(settings.to_string())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("starting the provider");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let first = lines.next_line().await.expect("reading its first line").expect("it ended at start");
        let first: Value = serde_json::from_str(&first).expect("a JSON line");
        let issuer = first["ready"].as_str().expect("its issuer").to_owned();
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Self { issuer, _child: child }
    }

    /// The `[providers.NAME]` section that makes the gateway use it.
    #[must_use]
    pub fn configuration(&self, name: &str) -> String {
        let issuer = &self.issuer;
        format!(
            "[providers.{name}]\nkind = \"oidc\"\nissuer = \"{issuer}\"\nclient_id = \"{CLIENT_ID}\"\n\
             client_secret = \"{CLIENT_SECRET}\"\nscopes = [\"openid\", \"profile\", \"email\", \"offline_access\"]\n"
        )
    }
}
