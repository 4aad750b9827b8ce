//! Keys come and go under load, at three replicas that share a key file and a PostgreSQL server, or in the environment of a
//! container.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use coatroom_e2e::upstream::{EchoServer, GitHub, GitHubApp};
use coatroom_e2e::{Era, FormBrowser, Gateway, Mcp, OAuthClient, Tokens, tools};
use serde_json::json;

use crate::replicas::{Database, REPLICAS, World, bearer};

const PURPOSES: [&str; 5] = ["registration", "tickets", "sealing", "wrapping", "signing"];

/// Somebody who is signed in, and stays so.
struct Resident {
    login: &'static str,
    client: OAuthClient,
    tokens: Tokens,
}

impl Resident {
    async fn new(world: &World, login: &'static str) -> Self {
        let (client, tokens) = world.signed_in(login).await;
        Self { login, client, tokens }
    }

    /// Calls with their own credential at a replica.
    async fn call(&self, world: &World, replica: usize) {
        let answer = world.call(&self.tokens.access, Some(replica % REPLICAS)).await;
        assert_eq!(answer.status, 200, "{}: {}", self.login, answer.body);
        assert_eq!(world.github.owner_of(&bearer(&answer)).as_deref(), Some(&*self.login.to_lowercase()));
    }

    /// Refreshes and calls until it is over; each of it must do.
    async fn live(&mut self, world: &World, over: &AtomicBool, done: &AtomicUsize) {
        while !over.load(Ordering::Relaxed) {
            self.tokens = self.client.refresh(&self.tokens.refresh).await.tokens();
            for replica in 0..REPLICAS {
                self.call(world, replica).await;
            }
            done.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Registers, signs in, refreshes and calls, again and again.
async fn newcomers(world: &World, over: &AtomicBool, done: &AtomicUsize) {
    while !over.load(Ordering::Relaxed) {
        let mut resident = Resident::new(world, "Bob").await;
        resident.call(world, done.load(Ordering::Relaxed)).await;
        resident.tokens = resident.client.refresh(&resident.tokens.refresh).await.tokens();
        resident.call(world, done.load(Ordering::Relaxed) + 1).await;
        done.fetch_add(1, Ordering::Relaxed);
    }
}

/// Does `work` while residents live and people come; says how often.
async fn under_load(
    world: &World,
    residents: &mut [Resident],
    work: impl Future<Output = ()>,
) -> (usize, usize) {
    let (over, lived, came) = (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
    let work = async {
        work.await;
        over.store(true, Ordering::Relaxed);
    };
    let lives = residents.iter_mut().map(|resident| resident.live(world, &over, &lived));
    let lives = futures_util::future::join_all(lives);
    tokio::join!(work, lives, newcomers(world, &over, &came), newcomers(world, &over, &came));
    (lived.into_inner(), came.into_inner())
}

/// The id of the key of a purpose that is in a state, as `coatroom keys list` has it.
async fn key(gateway: &Gateway, purpose: &str, state: &str) -> String {
    let list = gateway.keys(&["list"]).await.unwrap();
    let line = list.lines().find(|line| line.starts_with(purpose) && line.contains(state));
    line.unwrap_or_else(|| panic!("no {state} key of {purpose}:\n{list}"))
        .split_whitespace()
        .nth(1)
        .unwrap()
        .to_owned()
}

// Issue "keys": rotation under load loses no session, whatever the purpose, and each old key goes as the documents say.
#[tokio::test]
async fn every_key_is_rotated_and_retired_under_load_over_postgres() {
    let world = World::over(Database::postgres().await, GitHubApp::OAuth).await;
    let gateway = &world.fleet.replicas[0];
    let mut residents = Vec::new();
    for login in ["Alice", "Bob", "Alice"] {
        residents.push(Resident::new(&world, login).await);
    }
    let sleeper = Resident::new(&world, "Alice").await;
    let half_way = OAuthClient::connect(&world.fleet.mcp_url()).await;
    let pending = half_way.start(None);

    let rotate = async {
        for purpose in PURPOSES {
            gateway.keys(&["rotate", "--purpose", purpose, "--lead", "2s"]).await.unwrap();
        }
        tokio::time::sleep(Duration::from_secs(5)).await;
        let list = gateway.keys(&["list"]).await.unwrap();
        assert_eq!(list.matches(" active").count(), PURPOSES.len(), "{list}");
        assert_eq!(list.matches("may be retired from @").count(), PURPOSES.len() - 1, "{list}");
        assert!(list.contains("in use for good: clients registered with it"), "{list}");
    };
    let (lived, came) = under_load(&world, &mut residents, rotate).await;
    println!("rotated: {lived} refreshes of residents and {came} newcomers, none refused");
    assert!(lived >= residents.len() && came > 0, "{lived} {came}");

    // What a wrapping key sealed is sealed again while everybody goes on, so nobody notices; also who sleeps.
    let old = key(gateway, "wrapping", "superseded").await;
    let early = gateway.keys(&["retire", &old]).await.unwrap_err();
    assert!(early.contains("in use until"), "{early}");
    let retire = async {
        let said = gateway.keys(&["retire", &old, "--force"]).await.unwrap();
        println!("{}", said.trim());
        assert!(
            said.contains("sealed under another key now") && !said.contains("opened under no key"),
            "{said}"
        );
        tokio::time::sleep(Duration::from_secs(2)).await;
    };
    let (lived, came) = under_load(&world, &mut residents, retire).await;
    println!("wrapping retired: {lived} refreshes of residents and {came} newcomers, none refused");
    for replica in 0..REPLICAS {
        sleeper.call(&world, replica).await;
    }

    // Who used their refresh token since has one of the new key. Who did not is refused, and nothing more.
    let old = key(gateway, "tickets", "superseded").await;
    let retire = async {
        gateway.keys(&["retire", &old, "--force"]).await.unwrap();
        tokio::time::sleep(Duration::from_secs(2)).await;
    };
    under_load(&world, &mut residents, retire).await;
    assert_eq!(sleeper.client.refresh(&sleeper.tokens.refresh).await.error(), "invalid_grant");
    sleeper.call(&world, 0).await;

    // Signing and sealing keys made nothing that lasts; who was signing in begins again.
    for purpose in ["signing", "sealing"] {
        let old = key(gateway, purpose, "superseded").await;
        let retire = async {
            gateway.keys(&["retire", &old, "--force"]).await.unwrap();
            tokio::time::sleep(Duration::from_secs(2)).await;
        };
        // Newcomers may be signing in at this moment.
        let (over, lived) = (AtomicBool::new(false), AtomicUsize::new(0));
        let retire = async {
            retire.await;
            over.store(true, Ordering::Relaxed);
        };
        tokio::join!(retire, residents[0].live(&world, &over, &lived));
    }
    FormBrowser::new().approve(&pending.url, "Alice").await;
    let callback = half_way.callback(&pending).await;
    half_way.redeem(&pending, &callback).await.tokens();

    // Clients of a retired registration key are told to register again, and how many sign-ins that is.
    let old = key(gateway, "registration", "superseded").await;
    let refused = gateway.keys(&["retire", &old]).await.unwrap_err();
    assert!(refused.contains("live sign-ins are of such clients"), "{refused}");
    gateway.keys(&["retire", &old, "--force"]).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    for resident in &residents {
        let answer = resident.client.refresh(&resident.tokens.refresh).await;
        assert_eq!((answer.status.as_u16(), answer.error()), (401, "invalid_client"));
        resident.call(&world, 1).await;
    }
    let newcomer = Resident::new(&world, "Alice").await;
    newcomer.client.refresh(&newcomer.tokens.refresh).await.tokens();
    for replica in &world.fleet.replicas {
        assert_eq!(replica.log().matches("cannot be used").count(), 0);
    }
}

// Keys of the environment: made by `keys new`, kept nowhere, changed where they come from.
#[tokio::test]
async fn keys_of_the_environment_outlive_the_container_and_are_rotated_where_they_come_from() {
    let (github, echo) = (GitHub::start(GitHubApp::OAuth).await, EchoServer::start().await);
    let port = tools::free_port();
    let configuration = format!(
        "public_url = \"http://localhost:{port}\"\nlisten = \"127.0.0.1:{port}\"\nstore = \"sqlite:{{data}}/coatroom.db\"\n\n{}\n\
         [servers.echo]\npath = \"/mcp\"\nupstream = \"{}\"\nprovider = \"github\"\n",
        github.configuration(),
        echo.url,
    );
    let text = new_keys().await;
    let mut gateway = Gateway::serve_with(port, &configuration, &[("COATROOM_KEYS", &text)]).await;
    assert!(!gateway.has_key_file());
    let client = OAuthClient::connect(&gateway.mcp_url()).await;
    let tokens = client.sign_in("Alice").await;
    let list = gateway.keys(&["list"]).await.unwrap();
    assert_eq!(list.matches(" active").count(), 5, "{list}");

    let refused = gateway.keys(&["rotate", "--purpose", "wrapping"]).await.unwrap_err();
    assert!(refused.contains("COATROOM_KEYS") && refused.contains("--keys-file FILE"), "{refused}");
    let copy = tempfile::tempdir().unwrap();
    let path = copy.path().join("copy.toml");
    let at = path.display().to_string();
    write_private(&path, &text);
    for purpose in PURPOSES {
        gateway.keys(&["rotate", "--purpose", purpose, "--lead", "1s", "--keys-file", &at]).await.unwrap();
    }
    let rotated = std::fs::read_to_string(&path).unwrap();
    // In one line, as some places keep variables.
    gateway.restart_with(&[("COATROOM_KEYS", &STANDARD.encode(&rotated))]).await;
    let list = gateway.keys(&["list"]).await.unwrap();
    assert_eq!(list.lines().count(), 10, "{list}");
    tokio::time::sleep(Duration::from_secs(4)).await;
    let tokens = client.refresh(&tokens.refresh).await.tokens();
    let answer = Mcp::without_handshake(&gateway.mcp_url(), Era::Modern, &tokens.access)
        .call("headers", json!({}))
        .await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    client.refresh(&tokens.refresh).await.tokens();

    // The time of a waiting key comes in the environment too: what was made now needs the new keys alone.
    let old = key(&gateway, "wrapping", "superseded").await;
    gateway.keys(&["retire", &old, "--force", "--keys-file", &at]).await.unwrap();
    let rotated = std::fs::read_to_string(&path).unwrap();
    gateway.restart_with(&[("COATROOM_KEYS", &rotated)]).await;
    let answer = Mcp::without_handshake(&gateway.mcp_url(), Era::Modern, &tokens.access)
        .call("headers", json!({}))
        .await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(!gateway.has_key_file());
    for secret in
        rotated.split('"').chain(text.split('"')).filter(|word| word.len() > 30 && !word.contains(' '))
    {
        assert!(!gateway.log().contains(secret), "a key is in the log");
    }
}

async fn new_keys() -> String {
    let run = tokio::process::Command::new(tools::coatroom()).args(["keys", "new"]).env_clear().output();
    let run = run.await.unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    String::from_utf8(run.stdout).unwrap()
}

fn write_private(path: &std::path::Path, text: &str) {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;

    let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    file.unwrap().write_all(text.as_bytes()).unwrap();
}
