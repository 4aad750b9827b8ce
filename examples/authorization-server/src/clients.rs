//! The clients that the operator vouches for, and who may ask about tokens. Other clients register themselves, which nothing here
//! needs to know of: their ids carry what they registered.

use anyhow::Context as _;
use coatroom::ResourceServer;
use coatroom::protocol::client::{AppUris, Client, RedirectUri};
use coatroom::protocol::words::ClientSecret;

use crate::access::{EXECUTE, READ};

/// A public client: a program on its user's machine, where no secret would stay one. It proves by PKCE that it is the one that asked.
pub(crate) fn desk() -> anyhow::Result<Client> {
    // Of loopback redirect URIs the port is free (RFC 8252 §7.3).
    let mut client = Client::configured("desk", None, vec![redirect_uri("http://127.0.0.1/callback")?])?;
    client.name = Some("Example Desk".to_owned());
    Ok(client)
}

/// A confidential client: a web application whose server keeps a secret, and presents it as `client_secret_basic` or
/// `client_secret_post`. It can never get more than these scopes, whatever it asks for.
pub(crate) fn portal(secret: &ClientSecret, redirect: &str) -> anyhow::Result<Client> {
    let redirect = redirect_uri(redirect).context("PORTAL_REDIRECT_URI")?;
    let mut client = Client::configured("portal", Some(secret), vec![redirect])?;
    client.name = Some("Example Portal".to_owned());
    client.scope_ceiling = Some([READ.parse()?, EXECUTE.parse()?].into_iter().collect());
    Ok(client)
}

/// A resource server elsewhere that takes the tokens of `/mcp`, and asks at `/introspect` what they are good for.
pub(crate) fn reports(secret: &ClientSecret) -> ResourceServer {
    ResourceServer::new("reports", secret).with_path("/mcp")
}

fn redirect_uri(text: &str) -> anyhow::Result<RedirectUri> {
    Ok(RedirectUri::parse(text, &AppUris::none())?)
}
