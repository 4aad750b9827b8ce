//! Who stands before the server, and how each is started.

use std::fmt;
use std::net::SocketAddr;

use anyhow::{Context as _, Result};
use clap::ValueEnum;
use coatroom_e2e::signer::now;
use coatroom_e2e::upstream::{Crowd, KeyServer};
use coatroom_e2e::{Gateway, Launcher, OAuthClient, tools};
use serde_json::json;

use super::{load, nginx};
use crate::peers::{Before, Peer};
use crate::processes::{self, CONTENDER_CORE, Listening};
use crate::served::Served;

/// A kind of contender.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Contender {
    /// Nothing: the server itself.
    Direct,
    /// nginx as a plain proxy, without authentication.
    Nginx,
    /// nginx with `auth_request`, and each user's credential from a map.
    NginxAuth,
    /// A proxy on hyper that does nothing else.
    Hyper,
    /// The same with tokens that it knows by heart, one scope, and each user's credential.
    Floor,
    /// The program.
    Coatroom,
    /// The program, with JWTs of a remote issuer that it has seen.
    CoatroomJwt,
    /// The same, and each call brings a JWT that it has not seen, or has forgotten.
    CoatroomJwtNew,
    /// The TypeScript SDK: `requireBearerAuth`, and each call passed on.
    TypescriptSdk,
    /// `FastMCP` as a proxy, as it comes.
    Fastmcp,
    /// The same, whose clients stay connected.
    FastmcpTuned,
    /// mcp-use.
    McpUse,
}

impl Contender {
    /// Who is a program of others.
    const fn peer(self) -> Option<Peer> {
        match self {
            Self::TypescriptSdk => Some(Peer::TypescriptSdk),
            Self::Fastmcp => Some(Peer::Fastmcp),
            Self::FastmcpTuned => Some(Peer::FastmcpTuned),
            Self::McpUse => Some(Peer::McpUse),
            _ => None,
        }
    }
}

impl fmt::Display for Contender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Direct => "the server itself",
            Self::Nginx => "nginx, no authentication",
            Self::NginxAuth => "nginx with `auth_request`",
            Self::Hyper => "minimal hyper proxy, no authentication",
            Self::Floor => "minimal hyper proxy, tokens remembered (floor)",
            Self::Coatroom => "Coatroom",
            Self::CoatroomJwt => "Coatroom, JWTs of a remote issuer",
            Self::CoatroomJwtNew => "Coatroom, JWTs of a remote issuer, each seen for the first time",
            Self::TypescriptSdk => "TypeScript SDK, `requireBearerAuth`",
            Self::Fastmcp => "FastMCP proxy, as it comes",
            Self::FastmcpTuned => "FastMCP proxy, connections kept",
            Self::McpUse => "mcp-use, a tool that asks the server",
        })
    }
}

/// One user: the token that its client presents, and the credential that arrives at the server.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(super) presents: String,
    pub(super) arrives: String,
}

/// A contender that runs.
pub(crate) struct Running {
    pub(super) contender: Contender,
    pub(super) address: SocketAddr,
    pub(super) path: String,
    pub(super) callers: Vec<Caller>,
    /// If there are any, calls present these in turn, whoever calls.
    pub(super) in_turn: Vec<String>,
    /// Whose computing is counted.
    pub(super) process: Option<u32>,
    _kept: Kept,
}

/// What goes when the contender goes.
#[expect(dead_code, reason = "they are held until they go")]
enum Kept {
    Nothing,
    Served(Served),
    Listening(Listening),
    Gateway(Box<Gateway>, Crowd),
    Remote(Box<Gateway>),
    Peer(Before),
}

impl Running {
    /// Starts it, with as many users as there are callers.
    pub(crate) async fn start(contender: Contender, upstream: &Listening, callers: usize) -> Result<Self> {
        match contender {
            Contender::Coatroom => return Self::coatroom(upstream, callers).await,
            Contender::CoatroomJwt | Contender::CoatroomJwtNew => {
                return Self::with_remote_issuer(contender, upstream, callers).await;
            }
            _ => {}
        }
        if let Some(peer) = contender.peer() {
            return Self::peer((contender, peer), upstream, callers).await;
        }
        let swaps = matches!(contender, Contender::NginxAuth | Contender::Floor);
        let caller = |number| {
            let arrives = credential(number);
            let presents =
                if swaps { format!("presented-{number:04}-0123456789abcdef0123") } else { arrives.clone() };
            Caller { presents, arrives }
        };
        let callers: Vec<Caller> = (0..callers).map(caller).collect();
        let (address, process, kept) = match contender {
            Contender::Direct => (upstream.address, None, Kept::Nothing),
            Contender::Nginx | Contender::NginxAuth => {
                let nginx = nginx::start(upstream.address, swaps.then_some(callers.as_slice())).await?;
                (nginx.address, Some(nginx.process()), Kept::Served(nginx))
            }
            Contender::Hyper | Contender::Floor => {
                let own = std::env::current_exe()?;
                let mut command = processes::on_core(CONTENDER_CORE, own.to_str().context("its own path")?);
                command.args(["floor", "--upstream", &upstream.address.to_string()]);
                if swaps {
                    let pairs =
                        callers.iter().flat_map(|caller| [caller.presents.as_str(), caller.arrives.as_str()]);
                    command.args(["--tokens", &pairs.collect::<Vec<_>>().join(",")]);
                }
                let floor = Listening::start(&mut command)?;
                (floor.address, Some(floor.process()), Kept::Listening(floor))
            }
            _ => unreachable!("started above"),
        };
        let path = "/mcp".to_owned();
        Ok(Self { contender, address, path, callers, in_turn: Vec::new(), process, _kept: kept })
    }

    /// The program with users who signed in.
    async fn coatroom(upstream: &Listening, callers: usize) -> Result<Self> {
        let crowd = Crowd::start(callers, None).await;
        let port = tools::free_port();
        let configuration = configuration(port, upstream, (&crowd.configuration(), "provider = \"crowd\""));
        let gateway = Gateway::serve_by(Launcher::on_core(CONTENDER_CORE), port, &configuration).await;
        let client = OAuthClient::connect(&gateway.mcp_url()).await;
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let mut known = Vec::new();
        for number in 0..callers {
            let tokens = client.sign_in(&Crowd::name(number)).await;
            let arrives = load::credential(&gateway.mcp_url(), &tokens.access).await?;
            anyhow::ensure!(
                crowd.owner_of(&arrives).as_deref() == Some(Crowd::name(number).as_str()),
                "the server was given the credential of somebody else"
            );
            known.push(Caller { presents: tokens.access, arrives });
        }
        let process = Some(gateway.id());
        let kept = Kept::Gateway(Box::new(gateway), crowd);
        Ok(Self {
            contender: Contender::Coatroom,
            address,
            path: "/mcp".to_owned(),
            callers: known,
            in_turn: Vec::new(),
            process,
            _kept: kept,
        })
    }

    /// The program before a server whose users sign in elsewhere, where a key of P-256 signs their tokens.
    async fn with_remote_issuer(contender: Contender, upstream: &Listening, callers: usize) -> Result<Self> {
        let (port, idp) = (tools::free_port(), KeyServer::start("/keys").await);
        let issuer = format!(
            "[issuers.idp]\nkind = \"custom\"\nissuer = \"{0}\"\njwks_uri = \"{0}/keys\"\n\
             authorization_endpoint = \"{0}/authorize\"\ntoken_endpoint = \"{0}/token\"\n",
            idp.origin
        );
        let configuration = configuration(port, upstream, (&issuer, "issuer = \"idp\""));
        let gateway = Gateway::serve_by(Launcher::on_core(CONTENDER_CORE), port, &configuration).await;
        let token = |number: usize| {
            idp.key.sign(&json!({
                "iss": idp.origin, "sub": format!("user-{number:05}"), "aud": gateway.mcp_url(), "client_id": "load",
                "iat": now(), "exp": now() + 24 * 60 * 60, "jti": format!("{number:016}"), "scope": "repos:read",
                "email": "somebody@example.com", "email_verified": true, "name": "Some Body",
            }))
        };
        // None of a user's credentials arrives at the server, since Coatroom has none.
        let caller = |number| Caller { presents: token(number), arrives: "nobody".to_owned() };
        let callers = (0..callers).map(caller).collect();
        let in_turn = match contender {
            Contender::CoatroomJwtNew => (0..FORGOTTEN).map(token).collect(),
            _ => Vec::new(),
        };
        let (address, path) = (SocketAddr::from(([127, 0, 0, 1], port)), "/mcp".to_owned());
        let process = Some(gateway.id());
        let kept = Kept::Remote(Box::new(gateway));
        Ok(Self { contender, address, path, callers, in_turn, process, _kept: kept })
    }

    async fn peer(
        (contender, peer): (Contender, Peer),
        upstream: &Listening,
        callers: usize,
    ) -> Result<Self> {
        let credentials: Vec<String> = (0..callers).map(credential).collect();
        let before = peer.before(CONTENDER_CORE, upstream.address, &credentials).await?;
        let pairs = before.tokens.iter().cloned().zip(credentials);
        Ok(Self {
            contender,
            address: before.served.address,
            path: before.path.to_owned(),
            callers: pairs.map(|(presents, arrives)| Caller { presents, arrives }).collect(),
            in_turn: Vec::new(),
            process: Some(before.served.process()),
            _kept: Kept::Peer(before),
        })
    }
}

/// The program as its README says: the default store in a file, and rules for tools. `known` is who knows the users, and the key of the
/// server that names it.
fn configuration(port: u16, upstream: &Listening, known: (&str, &str)) -> String {
    let (who, named) = known;
    format!(
        "public_url = \"http://localhost:{port}\"\nlisten = \"127.0.0.1:{port}\"\nstore = \"sqlite:{{data}}/coatroom.db\"\n{who}\n\
         [servers.mcp]\npath = \"/mcp\"\nupstream = \"http://{}/mcp\"\n{named}\n\
         [servers.mcp.scopes]\n\"repos:read\" = {{ default = true }}\n\"repos:write\" = {{ implies = [\"repos:read\"] }}\n\
         [servers.mcp.tools]\n\"get_*\" = {{ scopes = [\"repos:read\"] }}\n\"delete_*\" = {{ scopes = [\"repos:write\"] }}\n",
        upstream.address,
    )
}

fn credential(number: usize) -> String {
    format!("credential-{number:04}-0123456789abcdef0123456789abcdef")
}

/// So many tokens in turn take longer than the second for which the program remembers one.
const FORGOTTEN: usize = 40_000;
