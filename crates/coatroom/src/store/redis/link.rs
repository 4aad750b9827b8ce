//! The way to the server: one connection that all callers share, or what the driver keeps for a cluster.
//!
//! A command is sent again only when a server said that it did not do it. The driver would also repeat commands whose answer
//! was lost; for a cluster that is switched off, because a write that is done twice may undo what came in between.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::cluster_routing::{RoutingInfo, SingleNodeRoutingInfo};
use redis::io::tcp::TcpSettings;
use redis::sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType};
use redis::{
    AsyncConnectionConfig, Client, ClientTlsConfig, Cmd, ConnectionAddr, ConnectionInfo,
    IntoConnectionInfo as _, Pipeline, RedisConnectionInfo, RedisError, ServerErrorKind, TlsCertificates,
    TlsMode, Value,
};
use tokio::sync::Mutex;

use super::layout::{FORMAT, FORMAT_KEY};
use super::marks::Marks;
use super::place::{Place, Shape};
use super::trouble::Trouble;
use crate::clock::Clock;
use crate::store::PATIENCE;
use crate::store::rest::Rest;

/// The connections of one process.
pub(super) struct Link {
    servers: Servers,
    shown: Arc<str>,
    /// `None` before the first use, and after the connection was lost. Held while somebody connects, so that one does it
    /// for all.
    line: Mutex<Option<Line>>,
    /// How many connections were made so far.
    connected: AtomicU64,
    rest: Rest,
    marks: Marks,
}

enum Servers {
    Single(Box<Client>),
    Sentinel(Box<Mutex<SentinelClient>>),
    Cluster(Box<ClusterClient>),
}

#[derive(Clone)]
enum Line {
    /// With its number, so that a late failure gives up no newer one.
    One(u64, MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl Link {
    /// A link that connects when it is first used.
    pub(super) fn new(place: Place, clock: Arc<dyn Clock>) -> Result<Self, Trouble> {
        if place.is_tls {
            // The client of Redis takes no other. Whoever installed one before keeps it.
            drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
        }
        let shown = place.shown();
        let servers =
            servers(place).map_err(|source| Trouble::Client { place: Arc::clone(&shown), source })?;
        Ok(Self {
            servers,
            shown,
            line: Mutex::default(),
            connected: AtomicU64::default(),
            rest: Rest::default(),
            marks: Marks::new(clock),
        })
    }

    /// The servers, for messages.
    pub(super) fn shown(&self) -> Arc<str> {
        Arc::clone(&self.shown)
    }

    /// Checks that the records are of a format that this program knows; an empty server gets its mark.
    pub(super) async fn claim(&self) -> Result<(), Trouble> {
        let mut mark = redis::cmd("SET");
        // Whoever is first writes it, and everybody reads what is there.
        let is_new = self.ask(mark.arg(FORMAT_KEY).arg(FORMAT).arg("NX")).await? != Value::Nil;
        let found = self.ask(redis::cmd("GET").arg(FORMAT_KEY)).await?;
        let found: Option<String> = self.read(found)?;
        match found.and_then(|found| found.parse::<u64>().ok()) {
            Some(1..=FORMAT) if self.is_cluster() => self.marks.lay(self, is_new).await,
            Some(1..=FORMAT) => Ok(()),
            Some(found) if found > FORMAT => Err(Trouble::Newer { place: self.shown(), found }),
            _ => Err(Trouble::Foreign { place: self.shown() }),
        }
    }

    /// Makes sure that what is absent was not lost. For one server that was done when it was connected to.
    pub(super) async fn believe_absence(&self) -> Result<(), Trouble> {
        if self.is_cluster() { self.marks.find(self).await } else { Ok(()) }
    }

    /// Sends a command, and waits for its answer.
    pub(super) async fn ask(&self, command: &Cmd) -> Result<Value, Trouble> {
        let mut pauses = PAUSES_MS.into_iter().map(Duration::from_millis);
        loop {
            let mut line = self.line().await?;
            let error = match line.send(command).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            self.give_up(&line, &error).await;
            let pause = pauses.next().filter(|_| was_not_done(&error));
            match pause {
                Some(pause) => tokio::time::sleep(pause).await,
                None => return Err(Trouble::Query { place: self.shown(), source: error }),
            }
        }
    }

    /// Sends a command to one server of a cluster.
    pub(super) async fn ask_node(&self, command: &Cmd, host: &str, port: u16) -> Result<Value, Trouble> {
        let answer = match self.line().await? {
            Line::One(_, mut connection) => command.query_async(&mut connection).await,
            Line::Cluster(mut connection) => {
                let node = SingleNodeRoutingInfo::ByAddress { host: host.to_owned(), port };
                connection.route_command(command.clone(), RoutingInfo::SingleNode(node)).await
            }
        };
        answer.map_err(|source| Trouble::Query { place: self.shown(), source })
    }

    pub(super) const fn is_cluster(&self) -> bool {
        matches!(self.servers, Servers::Cluster(_))
    }

    /// Reads an answer as what the command promises.
    pub(super) fn read<T: redis::FromRedisValue>(&self, answer: Value) -> Result<T, Trouble> {
        redis::from_redis_value(answer).map_err(|source| Trouble::Answer { place: self.shown(), source })
    }

    async fn line(&self) -> Result<Line, Trouble> {
        let mut current = self.line.lock().await;
        if let Some(line) = current.as_ref() {
            return Ok(line.clone());
        }
        if let Some(reason) = self.rest.resting() {
            return Err(Trouble::Resting { reason });
        }
        let connected = tokio::time::timeout(CONNECT_PATIENCE, self.connect()).await;
        let line = connected
            .unwrap_or_else(|_| Err(Trouble::Slow { place: self.shown() }))
            .inspect_err(|trouble| self.rest.failed(trouble))?;
        self.rest.succeeded();
        *current = Some(line.clone());
        Ok(line)
    }

    async fn connect(&self) -> Result<Line, Trouble> {
        let failed = |source| Trouble::Connect { place: self.shown(), source };
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(Some(ANSWER_PATIENCE))
            .set_concurrency_limit(IN_FLIGHT);
        let mut connection = match &self.servers {
            Servers::Cluster(client) => {
                return client.get_async_connection().await.map(Line::Cluster).map_err(failed);
            }
            Servers::Single(client) => client.get_multiplexed_async_connection_with_config(&config).await,
            Servers::Sentinel(client) => client.lock().await.get_async_connection_with_config(&config).await,
        }
        .map_err(failed)?;
        let number = self.connected.load(Ordering::SeqCst);
        if number > 0 {
            // A server that kept nothing must not make everybody's tickets look forged.
            let mark: Value =
                redis::cmd("EXISTS").arg(FORMAT_KEY).query_async(&mut connection).await.map_err(failed)?;
            if mark == Value::Int(0) {
                return Err(Trouble::Emptied { place: self.shown() });
            }
        }
        self.connected.store(number + 1, Ordering::SeqCst);
        Ok(Line::One(number, connection))
    }

    /// Forgets a connection that is of no more use. A cluster's connections are looked after by the driver.
    async fn give_up(&self, line: &Line, error: &RedisError) {
        let Line::One(number, _) = line else { return };
        let is_sound =
            error.code().is_some() && error.kind() != redis::ErrorKind::Server(ServerErrorKind::ReadOnly);
        let mut current = self.line.lock().await;
        if !is_sound && matches!(current.as_ref(), Some(Line::One(newest, _)) if newest == number) {
            *current = None;
        }
    }
}

impl Line {
    async fn send(&mut self, command: &Cmd) -> Result<Value, RedisError> {
        match self {
            Self::One(_, connection) => command.query_async(connection).await,
            Self::Cluster(connection) => {
                let asked = command.query_async(connection).await;
                match &asked {
                    Err(error) if error.kind() == redis::ErrorKind::Server(ServerErrorKind::Ask) => {
                        let Some((node, _)) = error.redirect_node() else { return asked };
                        ask_elsewhere(connection, command, node).await
                    }
                    _ => asked,
                }
            }
        }
    }
}

/// Asks the node to which a key is just being moved.
async fn ask_elsewhere(
    connection: &mut ClusterConnection,
    command: &Cmd,
    node: &str,
) -> Result<Value, RedisError> {
    let (host, port) = node.rsplit_once(':').unwrap_or((node, ""));
    let (host, port) = (host.trim_matches(['[', ']']).to_owned(), port.parse().unwrap_or(0));
    let mut pipeline = Pipeline::new();
    pipeline.cmd("ASKING").add_command(command.clone());
    let node = SingleNodeRoutingInfo::ByAddress { host, port };
    let answers = connection.route_pipeline(pipeline, 0, 2, node).await?;
    answers.into_iter().next_back().unwrap_or(Value::Nil).extract_error()
}

fn servers(place: Place) -> Result<Servers, RedisError> {
    let addresses = place.addresses();
    let client_tls = place.own.map(|(client_cert, client_key)| ClientTlsConfig { client_cert, client_key });
    let certificates = (client_tls.is_some() || place.authorities.is_some())
        .then_some(TlsCertificates { client_tls, root_cert: place.authorities });
    let mut settings = RedisConnectionInfo::default().set_db(place.database);
    if let Some(username) = &place.username {
        settings = settings.set_username(username);
    }
    if let Some(password) = &place.password {
        settings = settings.set_password(password);
    }
    let with_settings = |address: ConnectionAddr| -> Result<ConnectionInfo, RedisError> {
        let info = address.into_connection_info()?;
        Ok(info.set_redis_settings(settings.clone()).set_tcp_settings(tcp()))
    };
    match place.shape {
        Shape::Single => {
            let address = addresses.into_iter().next();
            let info = with_settings(address.unwrap_or(ConnectionAddr::Tcp(String::new(), 0)))?;
            let client = match certificates {
                Some(certificates) => Client::build_with_tls(info, certificates),
                None => Client::open(info),
            };
            Ok(Servers::Single(Box::new(client?)))
        }
        Shape::Cluster => {
            let nodes = addresses.into_iter().map(with_settings).collect::<Result<Vec<_>, _>>()?;
            let mut builder = ClusterClient::builder(nodes)
                .retries(0)
                .connection_timeout(CONNECT_TIMEOUT)
                .response_timeout(ANSWER_PATIENCE)
                .tcp_settings(tcp());
            if let Some(certificates) = certificates {
                builder = builder.certs(certificates);
            }
            Ok(Servers::Cluster(Box::new(builder.build()?)))
        }
        Shape::Sentinel { name, username, password } => {
            let mut builder = SentinelClientBuilder::new(addresses, name, SentinelServerType::Master)?
                .set_client_to_redis_db(place.database)
                .set_client_to_redis_tcp_settings(tcp())
                .set_client_to_sentinel_tcp_settings(tcp());
            if place.is_tls {
                builder = builder
                    .set_client_to_redis_tls_mode(TlsMode::Secure)
                    .set_client_to_sentinel_tls_mode(TlsMode::Secure);
            }
            if let Some(certificates) = certificates {
                builder = builder
                    .set_client_to_redis_certificates(certificates.clone())
                    .set_client_to_sentinel_certificates(certificates);
            }
            if let Some(username) = place.username {
                builder = builder.set_client_to_redis_username(username);
            }
            if let Some(password) = place.password {
                builder = builder.set_client_to_redis_password(password);
            }
            if let Some(username) = username {
                builder = builder.set_client_to_sentinel_username(username);
            }
            if let Some(password) = password {
                builder = builder.set_client_to_sentinel_password(password);
            }
            Ok(Servers::Sentinel(Box::new(Mutex::new(builder.build()?))))
        }
    }
}

/// A connection over which nothing comes back is noticed also when nobody closes it.
fn tcp() -> TcpSettings {
    let settings = TcpSettings::default().set_nodelay(true);
    #[cfg(target_os = "linux")]
    let settings = settings.set_user_timeout(PATIENCE);
    settings
}

/// Whether a server said that it did not do what it was asked, because another one should, or because it is not ready.
fn was_not_done(error: &RedisError) -> bool {
    use ServerErrorKind::{Ask, BusyLoading, ClusterDown, MasterDown, Moved, ReadOnly, TryAgain};
    let redis::ErrorKind::Server(kind) = error.kind() else { return false };
    matches!(kind, Ask | BusyLoading | ClusterDown | MasterDown | Moved | ReadOnly | TryAgain)
}

/// Before each further attempt at what was not done.
const PAUSES_MS: [u64; 5] = [20, 50, 100, 200, 400];

/// For one answer; less than a caller's patience, so that a silent connection is given up.
const ANSWER_PATIENCE: Duration = Duration::from_secs(4);

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// For finding out which server it is, and connecting; less than a caller's patience, so that it learns the reason.
const CONNECT_PATIENCE: Duration = Duration::from_secs(4);

/// How many commands may be under way on a connection. The rest waits here, and not in the server.
const IN_FLIGHT: usize = 512;
