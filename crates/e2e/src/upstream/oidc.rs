//! Identity providers that others wrote, on loopback: `oidc-provider`, which is certified, Better Auth, and Canaille. People
//! sign in at them, or they are the authorization server of an MCP server elsewhere.

use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin};
use tokio::sync::{Mutex, mpsc};

use crate::evidence::{self, Secret};
use crate::foreign::Script;
use crate::form_browser::{FormBrowser, Page};
use crate::oauth::random;
use crate::tools;

/// A running provider, killed when dropped.
#[derive(Debug)]
pub struct OidcProvider {
    /// Its issuer.
    pub issuer: String,
    commands: Mutex<(ChildStdin, mpsc::UnboundedReceiver<Value>)>,
    _child: Child,
}

/// The gateway's registration there.
pub const CLIENT_ID: &str = "coatroom";
/// Its secret.
pub const CLIENT_SECRET: &str = "oidc-secret-of-the-gateway-0123456789";

impl OidcProvider {
    /// Starts `oidc-provider`, with the gateway registered for `callback`. Its access tokens live `access_seconds`.
    pub async fn start(callback: &str, access_seconds: u64) -> Self {
        Self::start_with(callback, json!({}), json!({ "accessSeconds": access_seconds })).await
    }

    /// The same, with further members of the gateway's registration and settings of the provider.
    pub async fn start_with(callback: &str, registration: Value, settings: Value) -> Self {
        evidence::secret(Secret::Credential, CLIENT_SECRET);
        let mut client = json!({
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            "redirect_uris": [callback],
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
        });
        merge(&mut client, registration);
        let mut all = json!({ "clients": [client] });
        merge(&mut all, settings);
        Self::certified(all).await
    }

    /// Starts `oidc-provider` as the authorization server of the MCP endpoint `resource`: clients register themselves, and
    /// their access tokens are JWTs.
    pub async fn start_for(resource: &str) -> Self {
        Self::start_for_with(resource, json!({})).await
    }

    /// The same, with further settings.
    pub async fn start_for_with(resource: &str, settings: Value) -> Self {
        let mut all = json!({ "resource": resource, "registers": true });
        merge(&mut all, settings);
        Self::certified(all).await
    }

    async fn certified(settings: Value) -> Self {
        let mut all =
            json!({ "port": tools::free_port(), "accessSeconds": 3600, "keys": [["one", "RS256"]] });
        merge(&mut all, settings);
        Self::run(Script::Node("oidc-provider.mjs"), &all).await
    }

    /// Starts Better Auth with its OAuth provider, in the place of `oidc-provider`.
    pub async fn better_auth_for(resource: &str) -> Self {
        let settings = json!({ "port": tools::free_port(), "resource": resource });
        Self::run(Script::Node("better-auth.mjs"), &settings).await
    }

    /// Changes settings of `oidc-provider`, which goes on with the records that it has; returns how often each path was asked
    /// for so far.
    pub async fn change(&self, settings: Value) -> Value {
        let (input, answers) = &mut *self.commands.lock().await;
        input.write_all(format!("{settings}\n").as_bytes()).await.expect("telling the provider");
        answers.recv().await.expect("the provider ended")["asked"].clone()
    }

    async fn run(script: Script, settings: &Value) -> Self {
        let mut command = script.command();
        let mut child = command
            .arg(settings.to_string())
            .stdin(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("starting the provider");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let (sender, mut said) = mpsc::unbounded_channel();
        // What is no JSON are hints for its operator.
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                let _ = serde_json::from_str::<Value>(&line).map(|line| sender.send(line));
            }
        });
        let first = said.recv().await.expect("it ended at start");
        let issuer = first["ready"].as_str().expect("its issuer").to_owned();
        let commands = Mutex::new((child.stdin.take().expect("piped"), said));
        Self { issuer, commands, _child: child }
    }

    /// The `[providers.NAME]` section that makes the gateway use it.
    #[must_use]
    pub fn configuration(&self, name: &str) -> String {
        self.configuration_for(name, "openid profile email offline_access")
    }

    /// The same, asking for these scopes.
    #[must_use]
    pub fn configuration_for(&self, name: &str, scopes: &str) -> String {
        let issuer = &self.issuer;
        let scopes: Vec<String> = scopes.split(' ').map(|scope| format!("\"{scope}\"")).collect();
        format!(
            "[providers.{name}]\nkind = \"oidc\"\nissuer = \"{issuer}\"\nclient_id = \"{CLIENT_ID}\"\n\
             client_secret = \"{CLIENT_SECRET}\"\nscopes = [{}]\n",
            scopes.join(", ")
        )
    }
}

/// Canaille, where people have passwords and agree on a page of its own.
#[derive(Debug)]
pub struct Canaille {
    /// The running program.
    pub provider: OidcProvider,
    password: String,
}

impl Canaille {
    /// Starts it, with the gateway registered for `callback`. Its access tokens live `access_seconds`.
    pub async fn start(callback: &str, access_seconds: u64) -> Self {
        evidence::secret(Secret::Credential, CLIENT_SECRET);
        let client = json!({ "id": CLIENT_ID, "secret": CLIENT_SECRET, "redirectUri": callback });
        Self::with(client, access_seconds).await
    }

    /// Starts it as the authorization server of the MCP endpoint `resource`, where the public client `id` is registered.
    pub async fn start_for(resource: &str, id: &str, redirect_uri: &str) -> Self {
        let scope = "openid profile email notes:read notes:write";
        let client = json!({ "id": id, "redirectUri": redirect_uri, "scope": scope, "audience": resource });
        Self::with(client, 3600).await
    }

    async fn with(client: Value, access_seconds: u64) -> Self {
        let password = random();
        let settings = json!({
            "port": tools::free_port(), "password": password, "clients": [client], "accessSeconds": access_seconds,
        });
        let script = Script::Python("python-canaille", "canaille_provider.py");
        Self { provider: OidcProvider::run(script, &settings).await, password }
    }

    /// A person signs in on the page to which they were sent, and agrees; ends where Canaille sends them.
    pub async fn sign_in(&self, person: &FormBrowser, page: &Page, account: &str) -> Page {
        let password = person.fill(page, "Continue", &[("login", account)]).await;
        let next = person.fill(&password, "Sign in", &[("password", &self.password)]).await;
        // Its store in memory takes the consent of one person for that of the next.
        if next.url.as_str().starts_with(&self.provider.issuer) {
            person.press(&next, "Accept").await
        } else {
            next
        }
    }
}

/// Sets the members of `more` in `all`.
fn merge(all: &mut Value, more: Value) {
    let Value::Object(more) = more else { panic!("an object") };
    all.as_object_mut().expect("an object").extend(more);
}
