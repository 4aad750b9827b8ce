use std::time::Duration;

use coatroom::entropy::SystemEntropy;
use coatroom::protocol::client::{
    AppUris, KeySource, RedirectHosts, RedirectPrefixes, SHIPPED_APP_URIS, SecretRedirects,
};
use coatroom::settings::Rate;
use coatroom::vault::KeyFile;
use secrecy::ExposeSecret as _;

use super::*;
use crate::proxy::{Transport, Wire};

/// Writes `text` as the file `coatroom.toml` and reads it with `environment`.
fn load_file(text: &str, environment: &FakeEnvironment) -> Result<Config, Report> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("coatroom.toml");
    std::fs::write(&path, text).unwrap();
    load(Some(&path), &Flags::new(), environment)
}

/// The report on `text`, with the temporary folder taken out of it.
fn report(text: &str) -> String {
    report_with(text, &FakeEnvironment::default())
}

fn report_with(text: &str, environment: &FakeEnvironment) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("coatroom.toml");
    std::fs::write(&path, text).unwrap();
    let report = load(Some(&path), &Flags::new(), environment).unwrap_err().to_string();
    report.replace(&format!("{}/", folder.path().display()), "")
}

fn flags(given: &[(&'static str, &'static str, &str)]) -> Flags {
    let flag = |name, value: &str| Flag { name, value: value.to_owned() };
    given.iter().map(|(key, name, value)| (*key, flag(*name, value))).collect()
}

fn github() -> FakeEnvironment {
    FakeEnvironment::default()
        .with("COATROOM_GITHUB_CLIENT_ID", "Iv1.abc")
        .with("COATROOM_GITHUB_CLIENT_SECRET", "canary")
}

const WHOLE: &str = r#"
public_url = "https://mcp.example.com"
listen = "127.0.0.1:8787"
store = "sqlite:coatroom.db"
allowed_origins = ["https://app.example.com"]
trusted_proxies = ["10.0.0.0/8"]

[providers.github]
client_id = "Iv1.abc"
client_secret = "canary"
scopes = ["read:user", "repo"]

[servers.github]
path = "/github"
upstream = "http://127.0.0.1:3000/mcp"
provider = "github"
auth = "required"
headers = { Authorization = "Bearer {github.access_token}", X-User = "{user.id}" }

[servers.github.scopes]
"repos:read" = { title = "See your repositories", default = true }
"repos:write" = { title = "Change your repositories", implies = ["repos:read"] }

[servers.github.tools]
"create_*" = { scopes = ["repos:write"] }
"delete_repository" = { roles = ["admin"], scopes = ["repos:write"] }
"danger_*" = { deny = true }

[clients.desk]
redirect_uris = ["https://desk.example.com/callback"]
client_secret = "canary"
scopes = ["repos:read"]

[lifetimes]
access_token = "30 min"

[limits]
mcp_body = "1 MiB"

[rates]
register = "off"
"#;

#[test]
fn a_whole_file_is_read() {
    let config = load_file(WHOLE, &FakeEnvironment::default()).unwrap();
    assert_eq!(config.public_url.as_str(), "https://mcp.example.com");
    assert_eq!(config.providers[0].kind, coatroom::providers::ProviderKind::Github);
    let server = &config.servers[0];
    assert_eq!((server.path.as_str(), server.auth), ("/github", Auth::Required));
    assert_eq!(server.headers.len(), 2);
    assert_eq!(server.scopes[1].implies[0].as_str(), "repos:read");
    assert_eq!(server.tools[1].roles, ["admin"]);
    assert_eq!(config.clients[0].id.as_str(), "desk");
    assert_eq!(config.lifetimes.access_token, Duration::from_mins(30));
    assert_eq!(config.lifetimes.refresh_token_idle, Duration::from_hours(30 * 24));
    assert_eq!(config.limits.mcp_body, 1024 * 1024);
    assert_eq!(config.rates.register, None);
    assert_eq!(config.rates.token, Some(Rate { count: 600, per: Duration::from_mins(1) }));
}

#[test]
fn resource_servers_that_ask_are_read() {
    let with = |more: &str| format!("{WHOLE}\n[introspection.billing]\n{more}");
    let good = with("servers = [\"github\"]\nsecret = \"canary-canary-canary\"");
    let config = load_file(&good, &FakeEnvironment::default()).unwrap();
    assert_eq!(config.introspection[0].client_id, "billing");
    assert_eq!(config.introspection[0].paths, ["/github"]);
    assert!(!format!("{config:?}").contains("canary"));
    let environment =
        FakeEnvironment::default().with("COATROOM_INTROSPECTION_BILLING_SECRET", "canary-canary-canary");
    assert!(load_file(&with("servers = [\"github\"]"), &environment).is_ok());
    for (bad, expected) in [
        ("servers = [\"github\"]", "`billing` has no secret"),
        ("servers = [\"github\"]\nsecret = \"canary\"", "shorter than 16 bytes"),
        ("secret = \"canary-canary-canary\"", "`billing` names no servers"),
        ("servers = [\"gihub\"]\nsecret = \"canary-canary-canary\"", "there is no server `gihub`"),
        ("scopes = []", "scopes"),
    ] {
        let report = report(&with(bad));
        assert!(report.contains(expected) && !report.contains("canary"), "{report}");
    }
}

#[test]
fn redirect_uris_of_apps_and_sites_are_listed_and_known_stands_for_the_shipped_ones() {
    let with = |lines: &str| {
        load_file(
            &WHOLE.replacen("[providers", &format!("{lines}\n[providers"), 1),
            &FakeEnvironment::default(),
        )
    };
    let shipped = with("").unwrap().redirects;
    assert_eq!((&shipped.apps, &shipped.prefixes), (&AppUris::shipped(), &RedirectPrefixes::default()));
    assert_eq!(shipped.secrets, SecretRedirects::shipped());
    let listed = with(
        "app_uris = [\"known\", \"myapp://oauth/callback\"]\nsecret_redirect_uris = []\n\
         redirect_prefixes = [\"https://global.consent.azure-apim.net/redirect\"]\nredirect_hosts = [\"*.example.com\"]",
    );
    let listed = listed.unwrap().redirects;
    let known_and_mine = SHIPPED_APP_URIS.iter().copied().chain(["myapp://oauth/callback"]);
    assert_eq!(listed.apps, AppUris::parse(known_and_mine).unwrap());
    assert_eq!(listed.secrets, SecretRedirects::parse([]).unwrap());
    assert_ne!(listed.prefixes, RedirectPrefixes::default());
    assert_eq!(
        (shipped.hosts, listed.hosts),
        (RedirectHosts::default(), RedirectHosts::parse(["*.example.com"]).unwrap())
    );
    assert_eq!(with("app_uris = []").unwrap().redirects.apps, AppUris::none());
    for bad in [
        "app_uris = [\"myapp\"]",
        "app_uris = [\"javascript:\"]",
        "redirect_hosts = [\"https://claude.ai\"]",
        "redirect_hosts = []",
        "redirect_prefixes = [\"known\"]",
        "redirect_prefixes = [\"https://h.example/*\"]",
        "redirect_prefixes = [\"https://h.example\"]",
        "secret_redirect_uris = [\"http://localhost/cb\"]",
    ] {
        assert!(with(bad).is_err(), "{bad}");
    }
}

#[test]
fn nobody_can_be_asserted_where_nobody_is_known() {
    let text = WHOLE.replace("auth = \"required\"", "auth = \"required\"\nassertion = true");
    assert!(load_file(&text, &FakeEnvironment::default()).unwrap().servers[0].assertion);
    let off = text.replace("auth = \"required\"", "auth = \"off\"");
    let off = off.replace(
        "headers = { Authorization = \"Bearer {github.access_token}\", X-User = \"{user.id}\" }",
        "",
    );
    assert!(report(&off).contains("nobody is known"), "{}", report(&off));
}

#[test]
fn documents_of_clients_are_configured_and_their_defaults_hold() {
    use coatroom::settings::DocumentMode;
    let with = |lines: &str| {
        load_file(&format!("{WHOLE}\n[client_documents]\n{lines}"), &FakeEnvironment::default())
    };
    let default = with("").unwrap().client_documents;
    assert_eq!((default.mode, default.body_limit), (DocumentMode::Auto, 64 * 1024));
    assert!(default.hosts.permit("any.example") && !default.same_origin && !default.loopback);
    let documents = with(
        "enabled = \"on\"\nallow = [\"claude.ai\", \"*.example.com\"]\ndeny = [\"bad.example.com\"]\nsame_origin = true\n\
         size = \"8 KiB\"\ntimeout = \"2s\"\ncache = \"1h\"\nprobes = [\"claude.ai:443\"]",
    );
    let documents = documents.unwrap().client_documents;
    assert_eq!((documents.mode, documents.body_limit), (DocumentMode::On, 8192));
    assert_eq!(
        (documents.deadline, documents.longest_life),
        (Duration::from_secs(2), Duration::from_hours(1))
    );
    assert!(documents.same_origin && documents.hosts.permit("a.example.com"));
    assert!(!documents.hosts.permit("bad.example.com") && !documents.hosts.permit("other.example"));
    assert_eq!(documents.probes, ["claude.ai:443"]);
    let environment = FakeEnvironment::default().with("COATROOM_CLIENT_DOCUMENTS_ENABLED", "off");
    assert_eq!(load_file(WHOLE, &environment).unwrap().client_documents.mode, DocumentMode::Off);
    for bad in [
        "enabled = \"yes\"",
        "allow = [\"https://claude.ai\"]",
        "size = \"2 MiB\"",
        "timeout = \"1 min\"",
        "cache = \"2d\"",
        "probes = [\"claude.ai:x\"]",
        "proxy = \"x\"",
    ] {
        assert!(with(bad).is_err(), "{bad}");
    }
}

#[test]
fn documents_on_loopback_need_a_public_url_on_loopback() {
    let documents = "\n[client_documents]\nloopback = true";
    let refused = report(&format!("{WHOLE}{documents}"));
    assert!(refused.contains("need a public URL on loopback"), "{refused}");
    let local = WHOLE.replacen("https://mcp.example.com", "http://localhost:8787", 1);
    let config = load_file(&format!("{local}{documents}"), &FakeEnvironment::default()).unwrap();
    assert!(config.client_documents.loopback);
}

#[test]
fn a_client_has_a_secret_or_public_keys_from_one_place() {
    let with = |lines: &str| {
        load_file(
            &WHOLE.replacen("client_secret = \"canary\"\nscopes = [\"repos:read\"]", lines, 1),
            &FakeEnvironment::default(),
        )
    };
    let key = r#"{"kty":"OKP","crv":"Ed25519","x":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}"#;
    let set = format!(r#"jwks = '{{"keys":[{key}]}}'"#);
    assert!(matches!(with(&set).unwrap().clients[0].keys, Some(KeySource::Inline(_))));
    let address = "jwks_uri = \"https://desk.example.com/jwks.json\"";
    assert!(matches!(with(address).unwrap().clients[0].keys, Some(KeySource::At(_))));
    let private = key.replace("\"x\"", "\"d\":\"x\",\"x\"");
    for bad in [
        format!("{set}\n{address}"),
        format!("{set}\nclient_secret = \"x\""),
        "jwks_uri = \"http://desk.example.com/jwks.json\"".to_owned(),
        "jwks = '{}'".to_owned(),
        format!(r#"jwks = '{{"keys":[{private}]}}'"#),
        "jwks_file = \"missing.json\"".to_owned(),
    ] {
        assert!(with(&bad).is_err(), "{bad}");
    }
}

#[test]
fn nothing_secret_is_in_the_debug_form() {
    let config = load_file(WHOLE, &FakeEnvironment::default()).unwrap();
    assert!(!format!("{config:?}").contains("canary"));
}

#[test]
#[expect(clippy::too_many_lines, reason = "many mistakes make a long report")]
fn every_mistake_is_named_at_once_with_its_place() {
    let text = r#"public_url = "http://mcp.example.com"
lisen = "127.0.0.1:8787"
store = "mysql:db"

[providers.github]
client_id = "Iv1.abc"
client_secert = "canary"

[providers.gogle]
client_id = "b"

[providers.google]
issuer = "https://accounts.google.com"

[servers.zero]
upstream = "http://127.0.0.1:3000/mcp"
provider = "google"

[servers.one]
path = "mcp"
upstream = "127.0.0.1:3000"
provider = "gihub"
auth = "none"
headers = { X-User = "{user.mail}" }

[servers.one.scopes]
"repos:write" = { implies = ["repos:raed"] }

[servers.two]
path = "/token"
command = "server stdio"

[lifetimes]
code = "1 week"
"#;
    insta::assert_snapshot!(report(text), @r#"
    error: `public_url`: the public URL must be https; plain http is allowed only for localhost, 127.0.0.1 and [::1]
     --> coatroom.toml:1:14
      |
    1 | public_url = "http://mcp.example.com"
      |              ^^^^^^^^^^^^^^^^^^^^^^^^

    error: unknown key `lisen`
     --> coatroom.toml:2:1
      |
    2 | lisen = "**************"
      | ^^^^^ did you mean `listen`?

    error: `store`: a store is "sqlite:FILE", "memory:", "postgres://…", "redis://…", "redis+sentinel://…" or "redis+cluster://…", the Redis ones also with "rediss" for TLS
     --> coatroom.toml:3:9
      |
    3 | store = "mysql:db"
      |         ^^^^^^^^^^

    error: provider `github` has no client_secret
     --> coatroom.toml:5:12
      |
    5 | [providers.github]
      |            ^^^^^^ register coatroom at the provider, then set `client_secret` or COATROOM_GITHUB_CLIENT_SECRET

    error: unknown key `client_secert`
     --> coatroom.toml:7:1
      |
    7 | client_secert = "******"
      | ^^^^^^^^^^^^^ did you mean `client_secret`?

    error: provider `gogle` needs a `kind`
     --> coatroom.toml:9:12
      |
    9 | [providers.gogle]
      |            ^^^^^ did you mean `google`?

    error: provider `google` has no client_id
      --> coatroom.toml:12:12
       |
    12 | [providers.google]
       |            ^^^^^^ register coatroom at the provider, then set `client_id` or COATROOM_GOOGLE_CLIENT_ID

    error: provider `google` has no client_secret
      --> coatroom.toml:12:12
       |
    12 | [providers.google]
       |            ^^^^^^ register coatroom at the provider, then set `client_secret` or COATROOM_GOOGLE_CLIENT_SECRET

    error: `issuer` means nothing to this kind of provider
      --> coatroom.toml:13:10
       |
    13 | issuer = "https://accounts.google.com"
       |          ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^

    error: `path`: `mcp` must start with a slash
      --> coatroom.toml:20:8
       |
    20 | path = "mcp"
       |        ^^^^^

    error: `upstream`: `127.0.0.1:3000` is not an http or https URL such as http://127.0.0.1:3000/mcp
      --> coatroom.toml:21:12
       |
    21 | upstream = "127.0.0.1:3000"
       |            ^^^^^^^^^^^^^^^^

    error: there is no provider `gihub`
      --> coatroom.toml:22:12
       |
    22 | provider = "gihub"
       |            ^^^^^^^ did you mean `github`?

    error: `auth` cannot be `none`
      --> coatroom.toml:23:8
       |
    23 | auth = "none"
       |        ^^^^^^ known: required, optional, off

    error: `X-User`: `{user.mail}` means nothing; known: {github.access_token}, {gogle.access_token}, {google.access_token}, {user.id}, {user.email}, {user.name}, {user.username}, {user.nickname}, {user.picture}, {user.roles}, {user.groups}, {user.permissions}, {user.organisation}, {client.id}, {claims.…}
      --> coatroom.toml:24:22
       |
    24 | headers = { X-User = "{user.mail}" }
       |                      ^^^^^^^^^^^^^

    error: `implies`: the server has no scope `repos:raed`; known: repos:write
      --> coatroom.toml:27:30
       |
    27 | "repos:write" = { implies = ["repos:raed"] }
       |                              ^^^^^^^^^^^^

    error: `path`: `/token` belongs to coatroom itself; choose another path
      --> coatroom.toml:30:8
       |
    30 | path = "/token"
       |        ^^^^^^^^

    error: `command` takes a list
      --> coatroom.toml:31:11
       |
    31 | command = "****** *****"
       |           ^^^^^^^^^^^^^^ write `command = ["…"]`

    error: `code`: `1 week` is not a span of time such as "60s", "10 min", "1h" or "30d"
      --> coatroom.toml:34:8
       |
    34 | code = "1 week"
       |        ^^^^^^^^

    18 mistakes in the configuration
    "#);
}

#[test]
fn two_servers_cannot_share_a_path() {
    let text = r#"
public_url = "https://mcp.example.com"
[servers.a]
auth = "off"
upstream = "http://127.0.0.1:3000"
[servers.b]
auth = "off"
upstream = "http://127.0.0.1:3001"
"#;
    insta::assert_snapshot!(report(text), @r#"
    error: servers `a` and `b` share the path /mcp
     --> coatroom.toml:6:10
      |
    6 | [servers.b]
      |          ^ give each its own `path`

    1 mistake in the configuration
    "#);
}

#[test]
fn wrong_syntax_is_shown_where_it_is() {
    let text =
        "public_url = \"https://h.example\"\nlisten = 127.0.0.1:1\n[servers.a\nclient_secret = canary\n";
    let report = report(text);
    assert!(!report.contains("canary"), "{report}");
    insta::assert_snapshot!(report, @r#"
    error: invalid float, expected nothing
     --> coatroom.toml:2:15
      |
    2 | listen = ***********
      |               ^^^^^^

    error: unclosed table, expected `]`
     --> coatroom.toml:3:11
      |
    3 | [servers.a
      |           ^

    2 mistakes in the configuration
    "#);
}

#[test]
fn a_secret_is_given_once_and_its_file_must_be_readable() {
    let text = r#"
public_url = "https://mcp.example.com"
[providers.github]
client_id = "a"
client_secret = "canary"
client_secret_file = "/nowhere"
[providers.google]
client_id = "b"
client_secret_file = "/nowhere/google"
[servers.a]
upstream = "http://127.0.0.1:3000/mcp"
"#;
    let report = report(text);
    assert!(report.contains("a secret is given twice"), "{report}");
    assert!(report.contains("/nowhere/google cannot be read"), "{report}");
    assert!(!report.contains("canary"), "{report}");
}

#[test]
fn flags_win_over_environment_over_file_over_defaults() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("coatroom.toml");
    let text = "listen = \"127.0.0.1:1\"\npublic_url = \"https://file.example\"\nlog_format = \"json\"\n\
                [lifetimes]\ncode = \"30s\"\n[servers.a]\nupstream = \"http://127.0.0.1:3000\"\n";
    std::fs::write(&path, text).unwrap();
    let environment = github()
        .with("COATROOM_LISTEN", "127.0.0.1:2")
        .with("COATROOM_PUBLIC_URL", "https://env.example")
        .with("COATROOM_LIFETIMES_CODE", "20s");
    let flags = flags(&[("listen", "--listen", "127.0.0.1:3")]);
    let config = load(Some(&path), &flags, &environment).unwrap();
    assert_eq!(config.listen.port(), 3);
    assert_eq!(config.public_url.as_str(), "https://env.example");
    assert_eq!(config.lifetimes.code, Duration::from_secs(20));
    assert_eq!(config.log_format, LogFormat::Json);
    assert_eq!(config.lifetimes.flow, Duration::from_mins(10));
    assert!(matches!(&config.store, StoreLocation::Sqlite(path, _) if path.as_os_str() == "coatroom.db"));
}

#[test]
fn one_server_needs_no_file() {
    let environment = github()
        .with("COATROOM_PUBLIC_URL", "https://mcp.example.com")
        .with("COATROOM_UPSTREAM", "http://127.0.0.1:3000/mcp")
        .with("COATROOM_STORE", "sqlite:/var/lib/coatroom/coatroom.db");
    let config = load(None, &flags(&[("path", "--path", "/tools")]), &environment).unwrap();
    let server = &config.servers[0];
    assert_eq!(server.path, "/tools");
    assert_eq!(server.provider.as_ref().unwrap().as_str(), "github");
    assert_eq!(server.headers[0].0, http::header::AUTHORIZATION);
    assert_eq!(config.keys.file(), Some(Path::new("/var/lib/coatroom/keys.toml")));
}

#[test]
fn a_server_speaks_streamable_http_unless_it_is_said_to_speak_sse() {
    let base = github()
        .with("COATROOM_PUBLIC_URL", "https://mcp.example.com")
        .with("COATROOM_UPSTREAM", "http://127.0.0.1:3000/sse");
    let upstream = |environment: &FakeEnvironment| {
        load(None, &Flags::new(), environment).unwrap().servers[0].upstream.clone()
    };
    let url = || "http://127.0.0.1:3000/sse".parse().unwrap();
    assert_eq!(upstream(&base), UpstreamConfig::Http(url(), Transport::Streamable));
    assert_eq!(
        upstream(&base.with("COATROOM_TRANSPORT", "sse")),
        UpstreamConfig::Http(url(), Transport::Sse)
    );
    let of_command = TWO.replace("upstream = ", "transport = \"sse\"\ncommand = [\"server\"]\nupstream = ");
    let refused = report(&of_command);
    assert!(refused.contains("`transport` with `command`: a command speaks stdio"), "{refused}");
    let mistyped = report(&format!("{TWO}transport = \"see\""));
    assert!(
        mistyped.contains("`transport` cannot be `see`") && mistyped.contains("did you mean `sse`?"),
        "{mistyped}"
    );
}

#[test]
fn a_server_is_spoken_to_over_the_http_that_it_is_said_to_speak() {
    let wire = |line: &str| {
        let text = TWO.replace("upstream = ", &format!("{line}\nupstream = "));
        load_file(&text, &FakeEnvironment::default()).unwrap().servers[0].wire
    };
    assert_eq!(wire(""), Wire::Auto);
    assert_eq!(wire("http2 = \"auto\""), Wire::Auto);
    assert_eq!(wire("http2 = true"), Wire::Http2);
    assert_eq!(wire("http2 = false"), Wire::Http1);
    let refused = report(&TWO.replace("upstream = ", "http2 = true\ncommand = [\"server\"]\nupstream = "));
    assert!(refused.contains("`http2` with `command`"), "{refused}");
}

#[test]
fn what_waits_at_a_server_is_among_what_is_under_way_there() {
    let refused = report(&format!("{TWO}\n[limits]\nupstream_requests = 10\n"));
    assert!(refused.contains("`upstream_requests` is less than `upstream_waiting`"), "{refused}");
    let refused = report(&format!("{TWO}\n[limits]\nupstream_waiting = 0\n"));
    assert!(refused.contains("between 1 and 1000000"), "{refused}");
}

#[test]
fn a_secret_of_the_environment_may_have_a_short_name_or_stand_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    std::fs::write(&path, "from file\n").unwrap();
    let given = |name: &str, value: &str| {
        let environment = FakeEnvironment::default()
            .with("COATROOM_PUBLIC_URL", "https://mcp.example.com")
            .with("COATROOM_UPSTREAM", "http://127.0.0.1:3000/mcp")
            .with("COATROOM_GITHUB_CLIENT_ID", "a")
            .with(name, value);
        let config = load(None, &Flags::new(), &environment).unwrap();
        config.providers[0].client_secret.as_ref().unwrap().expose().to_owned()
    };
    assert_eq!(given("COATROOM_GITHUB_SECRET", "short"), "short");
    assert_eq!(given("COATROOM_GITHUB_CLIENT_SECRET", "long"), "long");
    assert_eq!(given("COATROOM_GITHUB_CLIENT_SECRET_FILE", path.to_str().unwrap()), "from file");
}

#[test]
fn mistyped_variables_are_named_and_those_of_a_cluster_are_not() {
    let environment = github()
        .with("COATROOM_UPSTREM", "http://127.0.0.1:3000/mcp")
        .with("COATROOM_PORT", "tcp://10.0.0.1:8787")
        .with("COATROOM_SERVICE_HOST", "10.0.0.1")
        .with("COATROOM_PORT_8787_TCP_PROTO", "tcp")
        .with("COATROOM_LISTEN", "8787");
    let report = load(None, &Flags::new(), &environment).unwrap_err().to_string();
    insta::assert_snapshot!(report, @r#"
    error: environment variable COATROOM_LISTEN: `8787` is not an address and port such as 127.0.0.1:8787

    error: environment variable COATROOM_UPSTREM: not known
     |
     = help: did you mean COATROOM_UPSTREAM?

    error: there is no MCP server to serve
     |
     = help: name one with --upstream URL, or several as [servers.NAME] in a file

    error: public_url is not set
     |
     = help: set the https URL at which clients reach coatroom, or http://127.0.0.1:8787 to try it here

    4 mistakes in the configuration
    "#);
}

#[test]
fn without_anything_the_report_says_what_to_set() {
    let report = load(None, &Flags::new(), &FakeEnvironment::default()).unwrap_err().to_string();
    insta::assert_snapshot!(report, @r#"
    error: there is no MCP server to serve
     |
     = help: name one with --upstream URL, or several as [servers.NAME] in a file

    error: no provider is configured: users cannot sign in
     |
     = help: set COATROOM_GITHUB_CLIENT_ID and COATROOM_GITHUB_CLIENT_SECRET, or add [providers.NAME]; for accounts of this server itself set COATROOM_ACCOUNTS_ENABLED=true; for an issuer of tokens elsewhere set its variables, such as COATROOM_AUTH0_DOMAIN, or add [issuers.NAME]

    error: public_url is not set
     |
     = help: set the https URL at which clients reach coatroom, or http://127.0.0.1:8787 to try it here

    3 mistakes in the configuration
    "#);
}

#[test]
fn a_missing_file_is_one_sentence() {
    let path = Path::new("/nowhere/coatroom.toml");
    let report = load(Some(path), &Flags::new(), &FakeEnvironment::default()).unwrap_err().to_string();
    assert!(report.contains("/nowhere/coatroom.toml cannot be read"), "{report}");
}

#[test]
fn paths_in_the_file_start_from_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("coatroom.toml");
    std::fs::write(&path, WHOLE).unwrap();
    let config = load(Some(&path), &Flags::new(), &FakeEnvironment::default()).unwrap();
    assert!(
        matches!(&config.store, StoreLocation::Sqlite(path, _) if *path == folder.path().join("coatroom.db"))
    );
}

/// Breaks a good file in many places: whatever stands in it, the report is written and shows no secret.
#[test]
fn a_broken_file_never_breaks_the_report() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("coatroom.toml");
    let whole: Vec<char> = WHOLE.chars().collect();
    let pieces = ["\"", "[", "]", "=", "\n", "ö", "{", "}", "'''", "#", "\u{1f511}", ""];
    let mut seed: usize = 7;
    let mut next = |limit: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % limit
    };
    for _ in 0..2000 {
        let (at, gone) = (next(whole.len()), next(4));
        let piece = pieces[next(pieces.len())];
        let after = whole.get(at + gone..).unwrap_or_default();
        let text: String =
            whole[..at].iter().copied().chain(piece.chars()).chain(after.iter().copied()).collect();
        std::fs::write(&path, &text).unwrap();
        if let Err(report) = load(Some(&path), &Flags::new(), &FakeEnvironment::default()) {
            assert!(!report.to_string().contains("canary"), "{text}\n{report}");
        }
    }
}

// DCR-01.
#[test]
fn registration_is_open_unless_it_is_switched_off() {
    let registration = |line: &str| {
        let text = format!("{line}\n{WHOLE}");
        load_file(&text, &FakeEnvironment::default()).unwrap().registration
    };
    assert_eq!(registration(""), Registration::Open);
    assert_eq!(registration("registration = \"open\""), Registration::Open);
    assert_eq!(registration("registration = \"off\""), Registration::Off);
    assert!(report(&format!("registration = \"closed\"\n{WHOLE}")).contains("registration"));
}

// RS-21.
#[test]
fn without_an_address_it_listens_on_this_machine_alone() {
    let text = WHOLE.replace("listen = \"127.0.0.1:8787\"\n", "");
    let listen = load_file(&text, &FakeEnvironment::default()).unwrap().listen;
    assert_eq!(listen.to_string(), "127.0.0.1:8787");
}

const TWO: &str = r#"
public_url = "https://mcp.example.com"
store = "memory:"

[providers.github]
client_id = "a"
client_secret = "canary"

[providers.slack]
kind = "oidc"
issuer = "https://slack.example"
client_id = "b"

[servers.both]
upstream = "http://127.0.0.1:3000/mcp"
provider = "github"
headers = { Authorization = "Bearer {github.access_token}", X-Slack = "{slack.access_token}" }
"#;

fn needs_of(more: &str) -> (Vec<String>, Vec<String>) {
    let config = load_file(&format!("{TWO}{more}"), &FakeEnvironment::default()).unwrap();
    let needs = &config.servers[0].needs;
    let rules = needs.by_rule.iter().flat_map(|(_, _, providers)| providers);
    (needs.always.iter().map(ToString::to_string).collect(), rules.map(ToString::to_string).collect())
}

#[test]
fn every_provider_that_a_header_names_is_needed_unless_connects_or_a_rule_says_otherwise() {
    let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    assert_eq!(needs_of(""), (list(&["github", "slack"]), list(&[])));
    assert_eq!(needs_of("connects = []"), (list(&[]), list(&[])));
    assert_eq!(needs_of("connects = [\"slack\"]"), (list(&["slack"]), list(&[])));
    let rule = "[servers.both.tools]\n\"slack_*\" = { connects = [\"slack\"] }";
    assert_eq!(needs_of(rule), (list(&["github"]), list(&["slack"])));
}

#[test]
fn what_is_to_be_connected_must_be_a_provider_whose_token_a_header_carries() {
    for more in ["connects = [\"slak\"]", "[servers.both.tools]\n\"slack_*\" = { connects = [\"slak\"] }"] {
        let report = report(&format!("{TWO}{more}"));
        assert!(report.contains("the server gets no `{slak.access_token}`"), "{report}");
        assert!(report.contains("did you mean `slack`?"), "{report}");
    }
    let without = TWO.replace(", X-Slack = \"{slack.access_token}\"", "");
    assert!(report(&format!("{without}connects = [\"slack\"]")).contains("the server gets no"));
}

/// What the environment alone defines: the providers by name, or the report.
fn by_environment(variables: &[(&str, &str)]) -> Result<Vec<coatroom::providers::ProviderConfig>, String> {
    let base = FakeEnvironment::default()
        .with("COATROOM_PUBLIC_URL", "https://mcp.example.com")
        .with("COATROOM_UPSTREAM", "http://127.0.0.1:3000/mcp");
    let environment = variables.iter().fold(base, |all, (name, value)| all.with(name, value));
    load(None, &Flags::new(), &environment)
        .map(|config| config.providers)
        .map_err(|report| report.to_string())
}

#[test]
fn id_and_secret_in_the_environment_are_enough_for_most_providers() {
    use coatroom::providers::ProviderKind as Kind;
    for kind in [
        Kind::Github,
        Kind::Google,
        Kind::Microsoft,
        Kind::Slack,
        Kind::Discord,
        Kind::Gitlab,
        Kind::Notion,
        Kind::X,
        Kind::Atlassian,
        Kind::Linear,
    ] {
        let name = kind.as_str().to_uppercase();
        let variables =
            [(format!("COATROOM_{name}_CLIENT_ID"), "id"), (format!("COATROOM_{name}_SECRET"), "s")];
        let variables: Vec<_> = variables.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        let providers = by_environment(&variables).unwrap();
        assert_eq!((providers.len(), providers[0].kind), (1, kind));
        assert!(providers[0].client_secret.is_some());
    }
}

#[test]
fn each_provider_reads_its_own_variables() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "from file\n").unwrap();
    let providers = by_environment(&[
        ("COATROOM_MICROSOFT_CLIENT_ID", "m"),
        ("COATROOM_MICROSOFT_SECRET_FILE", secret.to_str().unwrap()),
        ("COATROOM_MICROSOFT_TENANT", "organizations"),
        (
            "COATROOM_MICROSOFT_TENANTS",
            "72f988bf-86f1-41af-91ab-2d7cd011db47, b9419818-09af-49c2-b0c3-653adc1f376e",
        ),
        ("COATROOM_OKTA_CLIENT_ID", "o"),
        ("COATROOM_OKTA_DOMAIN", "acme.okta.com"),
        ("COATROOM_GITLAB_CLIENT_ID", "g"),
        ("COATROOM_GITLAB_URL", "https://git.example.com"),
        ("COATROOM_OAUTH2_CLIENT_ID", "x"),
        ("COATROOM_OAUTH2_AUTHORIZE_URL", "https://idp.example/a"),
        ("COATROOM_OAUTH2_TOKEN_URL", "https://idp.example/t"),
        ("COATROOM_OAUTH2_USER_URL", "https://idp.example/u"),
        ("COATROOM_OAUTH2_USER_ID", "data.id"),
        ("COATROOM_OAUTH2_LABEL", "Corp"),
    ])
    .unwrap();
    let names: Vec<&str> = providers.iter().map(|provider| provider.name.as_str()).collect();
    assert_eq!(names, ["microsoft", "gitlab", "okta", "oauth2"]);
    assert_eq!(providers[0].client_secret.as_ref().unwrap().expose(), "from file");
    assert_eq!(providers[0].tenants.len(), 2);
    assert_eq!(providers[1].base_url.as_deref(), Some("https://git.example.com"));
    assert_eq!(providers[3].user.id, ["data.id"]);
}

#[test]
fn what_a_provider_lacks_is_named_with_its_variable() {
    insta::assert_snapshot!(by_environment(&[
        ("COATROOM_APPLE_CLIENT_ID", "a"),
        ("COATROOM_APPLE_CLIENT_SECRET", "canary"),
        ("COATROOM_APPLE_KEY_ID", "k"),
        ("COATROOM_APPLE_PRIVATE_KEY", "canary"),
        ("COATROOM_OKTA_CLIENT_ID", "o"),
        ("COATROOM_MICROSOFT_CLIENT_ID", "m"),
        ("COATROOM_MICROSOFT_SECRET", "canary"),
        ("COATROOM_MICROSOFT_TENANT", "contoso.com"),
    ])
    .unwrap_err(), @r#"
    error: environment variable COATROOM_MICROSOFT_TENANT: provider `microsoft`: tenant must be a tenant's id, in lower case, or `common`, `organizations` or `consumers`

    error: environment variable COATROOM_APPLE_CLIENT_ID: provider `apple` has no team_id
     |
     = help: register coatroom at the provider, then set `team_id` or COATROOM_APPLE_TEAM_ID

    error: environment variable COATROOM_APPLE_CLIENT_ID: `client_secret` means nothing to this kind of provider

    error: environment variable COATROOM_OKTA_CLIENT_ID: provider `okta` has no domain
     |
     = help: register coatroom at the provider, then set `domain` or COATROOM_OKTA_DOMAIN

    4 mistakes in the configuration
    "#);
}

#[test]
fn a_provider_is_described_by_the_file_alone() {
    let text = WHOLE.replacen(
        "[servers.github]",
        r#"[providers.corp]
kind = "oauth2"
client_id = "c"
authorize_url = "https://idp.example/a"
token_url = "https://idp.example/t"
user_url = "https://idp.example/u"
client_auth = "body"
token_body = "json"
scope_separator = ","
pkce = false
authorize_params = { audience = "api" }
headers = { X-Api-Version = "3" }
[providers.corp.user]
id = "{org.id}.{id}"
email = ["mail", "contact.mail"]
roles = "groups"
[providers.corp.token]
access_token = "result.token"

[servers.github]"#,
        1,
    );
    let config = load_file(&text, &FakeEnvironment::default()).unwrap();
    let corp = &config.providers[1];
    assert_eq!((corp.user.id.len(), corp.user.email.len()), (1, 2));
    assert_eq!(corp.user.roles, ["groups"]);
    assert_eq!(corp.authorize_params, [("audience".to_owned(), "api".to_owned())]);
    assert_eq!(corp.headers, [("X-Api-Version".to_owned(), "3".to_owned())]);
    assert_eq!(
        (corp.pkce, corp.token.access_token.as_slice()),
        (Some(false), &["result.token".to_owned()][..])
    );
    for (line, wrong, expected) in [
        ("id = \"{org.id}.{id}\"", "id = \"email\"", "an address can become somebody else's"),
        ("id = \"{org.id}.{id}\"", "", "provider `corp` has no user.id"),
        ("roles = \"groups\"", "rolls = \"groups\"", "did you mean `roles`?"),
        ("client_auth = \"body\"", "client_auth = \"post\"", "known: basic, body"),
        ("https://idp.example/t", "http://idp.example/t", "must be https"),
        ("audience = \"api\"", "state = \"api\"", "must not set what protects the sign-in"),
        ("pkce = false", "tenant = \"common\"", "`tenant` means nothing to this kind of provider"),
        ("kind = \"oauth2\"", "kind = \"oauth\"", "did you mean `oauth2`?"),
    ] {
        let report = report(&text.replacen(line, wrong, 1));
        assert!(report.contains(expected), "{report}");
    }
}

// === the store ===

#[test]
fn every_store_is_known_and_no_password_is_shown() {
    for (store, keys) in [
        ("memory:", None),
        ("sqlite:/var/lib/coatroom/coatroom.db", Some("/var/lib/coatroom/keys.toml")),
        ("sqlite:/var/lib/coatroom/coatroom.db?synchronous=normal", Some("/var/lib/coatroom/keys.toml")),
        ("postgres://u:canary@h/db", Some("keys.toml")),
        ("postgresql://u:canary@h/db?sslmode=require", Some("keys.toml")),
        ("redis://u:canary@h:6379/1", Some("keys.toml")),
        ("rediss+cluster://u:canary@a,b", Some("keys.toml")),
        ("redis+sentinel://u:canary@a,b/main", Some("keys.toml")),
    ] {
        let environment = github()
            .with("COATROOM_PUBLIC_URL", "https://mcp.example.com")
            .with("COATROOM_UPSTREAM", "http://127.0.0.1:3000/mcp")
            .with("COATROOM_STORE", store);
        let config = load(None, &Flags::new(), &environment).unwrap();
        assert_eq!(config.keys.file(), keys.map(Path::new), "{store}");
        assert!(!format!("{config:?}").contains("canary"), "{store}");
    }
}

#[test]
fn a_store_with_a_password_may_come_from_a_file_and_is_never_repeated() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("store.secret");
    std::fs::write(&secret, "postgres://u:canary@h/db\n").unwrap();
    let environment = github()
        .with("COATROOM_PUBLIC_URL", "https://mcp.example.com")
        .with("COATROOM_UPSTREAM", "http://127.0.0.1:3000/mcp")
        .with("COATROOM_STORE_FILE", secret.to_str().unwrap());
    let config = load(None, &Flags::new(), &environment).unwrap();
    assert!(
        matches!(&config.store, StoreLocation::Postgres(url) if url.expose_secret() == "postgres://u:canary@h/db")
    );
    let by_flag = load(None, &flags(&[("store", "--store", "memory:")]), &environment).unwrap();
    assert!(by_flag.store.is_memory(), "a flag wins over a variable");
    for bad in
        ["postgre://u:canary@h/db", "http://canary@h", "redis:canary//x", "mysql://u:canary@h?canary=1"]
    {
        let message = report(&WHOLE.replace("sqlite:coatroom.db", bad));
        assert!(message.contains("a store is") && !message.contains("canary"), "{message}");
    }
}

// === the keys ===

fn in_a_container(keys: &str) -> FakeEnvironment {
    github()
        .with("COATROOM_PUBLIC_URL", "https://mcp.example.com")
        .with("COATROOM_UPSTREAM", "http://127.0.0.1:3000/mcp")
        .with("COATROOM_STORE", "postgres://h/db")
        .with("COATROOM_KEYS", keys)
}

fn new_keys() -> String {
    let now = coatroom::protocol::words::Timestamp::from_unix(1);
    KeyFile::generate(&SystemEntropy::new(), now).unwrap().expose().to_string()
}

#[test]
fn keys_may_come_from_the_environment_and_are_never_shown() {
    let text = new_keys();
    let config = load(None, &Flags::new(), &in_a_container(&text)).unwrap();
    assert!(matches!(&config.keys, KeysLocation::Text(kept) if kept.expose_secret() == text));
    let secret = text.lines().find_map(|line| line.strip_prefix("secret = ")).unwrap().trim_matches('"');
    assert!(!format!("{config:?}").contains(secret));
    for bad in [&text[..text.len() / 2], &text.replace(secret, &secret[1..]), &text.replace('\n', " ")] {
        let message = load(None, &Flags::new(), &in_a_container(bad)).unwrap_err().to_string();
        assert!(message.contains("COATROOM_KEYS") && message.contains("coatroom keys new"), "{message}");
        assert!(!message.contains(&secret[1..9]), "{message}");
    }
}

#[test]
fn keys_come_from_one_place_alone() {
    let text = new_keys();
    let twice = in_a_container(&text).with("COATROOM_KEYS_FILE", "/run/keys.toml");
    let message = load(None, &Flags::new(), &twice).unwrap_err().to_string();
    assert!(message.contains("`keys_file` is set, and COATROOM_KEYS too"), "{message}");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("coatroom.toml");
    std::fs::write(&path, "keys_file = \"keys.toml\"").unwrap();
    let message = load(Some(&path), &Flags::new(), &in_a_container(&text)).unwrap_err().to_string();
    assert!(message.contains("unset one of the two") && message.contains("coatroom.toml:1"), "{message}");
    // How keys of the environment are changed.
    let by_flag = flags(&[("keys_file", "--keys-file", "copy.toml")]);
    let config = load(None, &by_flag, &in_a_container(&text)).unwrap();
    assert_eq!(config.keys.file(), Some(Path::new("copy.toml")));
}

const COMMAND: &str = r#"
public_url = "https://mcp.example.com"
[providers.github]
client_id = "a"
client_secret = "b"
[servers.files]
command = ["npx", "-y", "server", "--user={user.id}"]
env = { TOKEN = "{provider.access_token}", MODE = "fast" }
"#;

fn command_of(more: &str) -> (ServerConfig, crate::command::CommandConfig) {
    let config = load_file(&format!("{COMMAND}{more}"), &FakeEnvironment::default());
    let server = config.unwrap_or_else(|report| panic!("{report}")).servers.remove(0);
    let UpstreamConfig::Command(command) = server.upstream.clone() else { panic!("no command") };
    (server, command)
}

#[test]
fn a_server_may_be_a_command_with_a_credential_in_its_environment() {
    use crate::command::IsolationChoice;
    let (server, command) = command_of("");
    assert_eq!(command.program(), "npx");
    assert!(server.headers.is_empty());
    assert_eq!(server.needs.all().map(ToString::to_string).collect::<Vec<_>>(), ["github"]);
    let names: Vec<_> = command.environment.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["TOKEN", "MODE"]);
    assert_eq!(command.isolation, IsolationChoice::Auto);
    assert_eq!((command.idle, command.start), (Duration::from_mins(10), Duration::from_mins(1)));
    assert_eq!(command.limits.memory, Some(1 << 30));
    let more = r#"
pass = ["NODE_EXTRA_CA_CERTS"]
isolation = "none"
read = ["/srv/data"]
write = ["/srv/out"]
memory = "512 MiB"
max_processes = 32
open_files = 99
cpu_time = "10 min"
idle = "1h"
start_timeout = "5s"
"#;
    let (_, command) = command_of(more);
    assert_eq!(command.isolation, IsolationChoice::None);
    assert_eq!(command.passed, ["NODE_EXTRA_CA_CERTS"]);
    assert_eq!((&command.readable[0], &command.writable[0]), (&"/srv/data".into(), &"/srv/out".into()));
    let limits = command.limits;
    assert_eq!(
        [limits.memory, limits.processes, limits.open_files, limits.cpu_seconds],
        [Some(512 << 20), Some(32), Some(99), Some(600)]
    );
    assert_eq!((command.idle, command.start), (Duration::from_hours(1), Duration::from_secs(5)));
}

#[test]
fn what_means_nothing_for_a_command_or_without_one_is_refused() {
    let server = "public_url = \"https://h.example\"\n[servers.x]\nauth = \"off\"\n";
    let url = "upstream = \"http://127.0.0.1:3000\"\n";
    for (text, expected) in [
        (format!("{server}command = [\"x\"]\n{url}"), "`upstream` with `command`"),
        (format!("{server}command = [\"x\"]\nheaders = {{ A = \"b\" }}"), "`headers` with `command`"),
        (format!("{server}command = [\"x\"]\nassertion = true"), "`assertion` with `command`"),
        (format!("{server}command = [\"x\"]\nargs = [\"y\"]"), "arguments stand in `command`"),
        (format!("{server}{url}args = [\"y\"]"), "arguments stand in `command`"),
        (format!("{server}{url}env = {{ A = \"b\" }}"), "gets `headers`"),
        (format!("{server}{url}memory = \"1 GiB\""), "`memory` without `command`"),
        (format!("{server}command = []"), "`command` is empty"),
        (format!("{server}command = \"npx server\""), "`command` takes a list"),
        (format!("{server}command = [\"x\"]\nenv = {{ A = \"{{user.id}}\" }}"), "only fixed text"),
        (format!("{server}command = [\"x\"]\nenv = {{ HOME = \"/\" }}"), "the process's own folder"),
        (format!("{server}command = [\"x\"]\nenv = {{ \"A-B\" = \"/\" }}"), "not the name of a variable"),
        (format!("{server}command = [\"x\"]\npass = [\"TMPDIR\"]"), "the process's own folder"),
        (format!("{server}command = [\"x\"]\nread = [\"a/b\"]"), "not an absolute path"),
        (format!("{server}command = [\"x\"]\nread = [\"/a/../b\"]"), "not an absolute path"),
        (format!("{server}command = [\"x\"]\nisolation = \"some\""), "known: auto, none"),
        (format!("{server}command = [\"x\"]\nmemory = \"1 KiB\""), "must be between"),
        (COMMAND.replace("\"npx\"", "\"{user.id}\""), "the same for everybody"),
        (format!("{COMMAND}connects = [\"slack\"]"), "gets no `{slack.access_token}`"),
        (format!("{COMMAND}[processes]\nuids = \"100-200\""), "fewer than `in_all`"),
        (format!("{COMMAND}[processes]\nper_user = 9\nin_all = 8"), "`per_user` is more than `in_all`"),
    ] {
        let report = report(&text);
        assert!(report.contains(expected), "{expected}: {report}");
    }
}

#[test]
fn no_process_sees_the_records_the_keys_or_what_the_configuration_came_from() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("coatroom.toml");
    std::fs::write(folder.path().join("secret"), "canary").unwrap();
    let text = COMMAND.replace("client_secret = \"b\"", "client_secret_file = \"secret\"");
    let text = format!("store = \"sqlite:data/c.db\"\n{text}");
    std::fs::write(&path, text).unwrap();
    let environment = FakeEnvironment::default().with("PATH", "/bin").with("OTHER", "x");
    let config = load(Some(&path), &Flags::new(), &environment).unwrap();
    let hidden: Vec<_> =
        config.processes.hidden.iter().map(|path| path.strip_prefix(folder.path()).unwrap()).collect();
    let expected =
        ["coatroom.toml", "data/c.db", "data/c.db-shm", "data/c.db-wal", "data/keys.toml", "secret"];
    assert_eq!(hidden, expected.map(Path::new));
    assert_eq!(config.processes.own_variables, BTreeMap::from([("PATH".to_owned(), "/bin".to_owned())]));
    assert!(config.processes.folder.is_absolute());
}

fn wrap(wrapped: &Wrapped, environment: &FakeEnvironment) -> Result<Config, String> {
    load_wrapped(None, &Flags::new(), environment, wrapped).map_err(|report| report.to_string())
}

#[test]
fn a_wrapped_command_needs_nothing_but_its_provider() {
    let wrapped = Wrapped {
        command: vec!["npx".to_owned(), "-y".to_owned(), "server-github".to_owned()],
        environment: vec![("TOKEN".to_owned(), "{github.access_token}".to_owned())],
        provider: Some("github".to_owned()),
        ..Wrapped::default()
    };
    let config = wrap(&wrapped, &github()).unwrap();
    let server = &config.servers[0];
    assert_eq!((server.path.as_str(), server.title.as_str()), ("/mcp", "server-github"));
    assert_eq!(config.public_url.as_str(), "http://localhost:8787");
    let alone = Wrapped { provider: None, ..wrapped.clone() };
    let server = &wrap(&alone, &github()).unwrap().servers[0];
    assert_eq!(server.provider.as_ref().map(ProviderName::as_str), Some("github"));
    let elsewhere = github().with("COATROOM_LISTEN", "127.0.0.1:9000");
    assert_eq!(wrap(&wrapped, &elsewhere).unwrap().public_url.as_str(), "http://localhost:9000");
    let under = github().with("COATROOM_PATH", "/notes");
    assert_eq!(wrap(&wrapped, &under).unwrap().servers[0].path, "/notes");
    insta::assert_snapshot!(wrap(&wrapped, &FakeEnvironment::default()).unwrap_err(), @r"
    error: --provider: the provider `github` is not configured
     |
     = help: register an OAuth client at github with the callback http://localhost:8787/callback/github, then set COATROOM_GITHUB_CLIENT_ID and COATROOM_GITHUB_CLIENT_SECRET in the environment

    1 mistake in the configuration
    ");
    let mistyped =
        Wrapped { environment: vec![("TOKEN".to_owned(), "{githb.access_token}".to_owned())], ..wrapped };
    assert!(wrap(&mistyped, &github()).unwrap_err().contains("`{githb.access_token}` means nothing"));
}
