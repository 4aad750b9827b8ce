use std::path::Path;

use coatroom::issuers::{IssuerConfig, IssuerKind};
use coatroom::protocol::words::ProviderName;

use super::super::{Config, FakeEnvironment, Flag, Flags, Report, load};

fn serve(variables: &[(&str, &str)]) -> Result<Config, Report> {
    let flag = |name, value: &str| Flag { name, value: value.to_owned() };
    let flags = Flags::from([
        ("public_url", flag("--public-url", "https://mcp.example.com")),
        ("upstream", flag("--upstream", "http://127.0.0.1:3000/mcp")),
    ]);
    let environment =
        variables.iter().fold(FakeEnvironment::default(), |all, (name, value)| all.with(name, value));
    load(None, &flags, &environment)
}

fn refused(variables: &[(&str, &str)]) -> String {
    serve(variables).unwrap_err().to_string()
}

fn file(text: &str) -> Result<Config, Report> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("coatroom.toml");
    let start = "public_url = \"https://mcp.example.com\"\n";
    std::fs::write(&path, format!("{start}{text}")).unwrap();
    load(Some(Path::new(&path)), &Flags::new(), &FakeEnvironment::default())
}

/// What its environment alone makes of each issuer: kind, address, and whatever else it needs.
fn described(config: &IssuerConfig) -> String {
    let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
    let secret = if config.jwt_secret.is_some() { "secret" } else { "-" };
    let (audience, realm, id) = (text(&config.audience), text(&config.realm), text(&config.resource_id));
    format!("{} {} {audience} {realm} {id} {secret}", config.kind, config.url)
}

#[test]
fn the_environment_alone_names_each_issuer_under_our_names_and_those_of_before() {
    const SECRET: &str = "canary-canary-canary-canary-canary";
    let rows: &[(&[(&str, &str)], &str)] = &[
        (&[("AUTH0_DOMAIN", "t.auth0.com")], "auth0 t.auth0.com - - - -"),
        (
            &[("AUTH0_DOMAIN", "t.auth0.com"), ("AUTH0_AUDIENCE", "https://api.example.com")],
            "auth0 t.auth0.com https://api.example.com - - -",
        ),
        (
            &[("BETTER_AUTH_URL", "https://a.example/api/auth"), ("BETTER_AUTH_SECRET", SECRET)],
            "better-auth https://a.example/api/auth - - - -",
        ),
        (
            &[("CLERK_FRONTEND_API_URL", "https://x.clerk.accounts.dev")],
            "clerk https://x.clerk.accounts.dev - - - -",
        ),
        (
            &[("CLERK_FRONTEND_API_URL", "https://x.clerk.accounts.dev"), ("CLERK_AUDIENCE", "notes")],
            "clerk https://x.clerk.accounts.dev notes - - -",
        ),
        (&[("WORKOS_SUBDOMAIN", "x.authkit.app")], "workos x.authkit.app - - - -"),
        (&[("SUPABASE_PROJECT_ID", "abc")], "supabase https://abc.supabase.co - - - -"),
        (
            &[
                ("SUPABASE_URL", "https://auth.example.com"),
                ("SUPABASE_JWT_SECRET", SECRET),
                ("SUPABASE_PUBLISHABLE_KEY", "sb_x"),
            ],
            "supabase https://auth.example.com - - - secret",
        ),
        (
            &[
                ("KEYCLOAK_SERVER_URL", "https://kc.example"),
                ("KEYCLOAK_REALM", "acme"),
                ("KEYCLOAK_AUDIENCE", "api"),
                ("KEYCLOAK_CLIENT_ID", "x"),
            ],
            "keycloak https://kc.example api acme - -",
        ),
        (
            &[("SCALEKIT_ENVIRONMENT_URL", "https://x.scalekit.com"), ("SCALEKIT_RESOURCE_ID", "res_1")],
            "scalekit https://x.scalekit.com - - res_1 -",
        ),
    ];
    for (variables, expected) in rows {
        for prefix in ["COATROOM_", "MCP_USE_OAUTH_"] {
            let named: Vec<(String, &str)> =
                variables.iter().map(|(name, value)| (format!("{prefix}{name}"), *value)).collect();
            let named: Vec<(&str, &str)> =
                named.iter().map(|(name, value)| (name.as_str(), *value)).collect();
            let config = serve(&named).unwrap_or_else(|report| panic!("{prefix} {variables:?}: {report}"));
            assert_eq!(described(&config.issuers[0]), *expected);
            let server = &config.servers[0];
            assert_eq!(server.issuer.as_ref(), Some(&config.issuers[0].name), "it is the one server's");
            assert_eq!(
                (&server.provider, server.headers.len()),
                (&None, 0),
                "nothing of the client travels on"
            );
            assert!(!format!("{config:?}").contains("canary"));
        }
    }
}

#[test]
fn two_issuers_at_once_are_refused_by_the_names_of_both_variables() {
    let report = refused(&[
        ("MCP_USE_OAUTH_AUTH0_DOMAIN", "t.auth0.com"),
        ("COATROOM_CLERK_FRONTEND_API_URL", "https://x.clerk.accounts.dev"),
    ]);
    assert!(
        report.contains(
            "COATROOM_CLERK_FRONTEND_API_URL: names a second issuer, beside MCP_USE_OAUTH_AUTH0_DOMAIN"
        ),
        "{report}"
    );
    assert!(report.contains("1 mistake"), "{report}");
    let report = refused(&[
        ("COATROOM_WORKOS_SUBDOMAIN", "x.authkit.app"),
        ("COATROOM_GITHUB_CLIENT_ID", "x"),
        ("COATROOM_GITHUB_CLIENT_SECRET", "canary"),
    ]);
    assert!(
        report
            .contains("COATROOM_WORKOS_SUBDOMAIN or those of users who sign in by COATROOM_GITHUB_CLIENT_ID"),
        "{report}"
    );
}

#[test]
fn what_an_issuer_of_the_environment_lacks_is_named_by_its_variable() {
    for (variables, expected) in [
        (
            &[("COATROOM_KEYCLOAK_SERVER_URL", "https://kc.example")][..],
            "COATROOM_KEYCLOAK_REALM or MCP_USE_OAUTH_KEYCLOAK_REALM",
        ),
        (&[("COATROOM_SCALEKIT_ENVIRONMENT_URL", "https://x.scalekit.com")], "COATROOM_SCALEKIT_RESOURCE_ID"),
        (
            &[
                ("COATROOM_SCALEKIT_ENVIRONMENT_URL", "https://x.scalekit.com"),
                ("MCP_USE_OAUTH_SCALEKIT_RESOURCE_ID", "app_1"),
            ],
            "MCP_USE_OAUTH_SCALEKIT_RESOURCE_ID: resource_id must start with res_",
        ),
        (
            &[("COATROOM_SUPABASE_PROJECT_ID", "abc"), ("COATROOM_SUPABASE_JWT_SECRET", "canary")],
            "COATROOM_SUPABASE_JWT_SECRET: jwt_secret must have at least 32 bytes",
        ),
        (&[("COATROOM_AUTH0_DOMAIN", "http://t.auth0.com")], "COATROOM_AUTH0_DOMAIN: url must be https"),
        (&[("COATROOM_AUTH0_DOMIAN", "t.auth0.com")], "did you mean COATROOM_AUTH0_DOMAIN?"),
        (&[], "no provider is configured"),
    ] {
        let report = refused(variables);
        assert!(report.contains(expected) && !report.contains("canary"), "{report}");
    }
    let ours = serve(&[
        ("COATROOM_AUTH0_DOMAIN", "ours.auth0.com"),
        ("MCP_USE_OAUTH_AUTH0_DOMAIN", "theirs.auth0.com"),
    ]);
    assert_eq!(ours.unwrap().issuers[0].url, "ours.auth0.com");
}

const SERVER: &str = "[servers.notes]\nupstream = \"http://127.0.0.1:3000/mcp\"\n";

#[test]
fn a_file_describes_issuers_and_its_servers_name_them() {
    let config = file(
        "[issuers.kc]\nkind = \"keycloak\"\nurl = \"https://kc.example\"\nrealm = \"acme\"\nscopes = [\"openid\"]\n\
         claims = { roles = \"https://app.example/roles\", organisation = \"org.id\" }\n\
         [issuers.own]\nkind = \"custom\"\nissuer = \"https://idp.example/t/\"\njwks_uri = \"https://idp.example/keys\"\n\
         authorization_endpoint = \"https://idp.example/a\"\ntoken_endpoint = \"https://idp.example/t\"\n\
         [servers.notes]\nupstream = \"http://127.0.0.1:3000/mcp\"\nissuer = \"own\"\n\
         headers = { X-User = \"{user.id} {user.roles} {claims.sid}\" }\n",
    );
    let config = config.unwrap();
    assert_eq!(config.issuers[0].claims.len(), 2);
    assert_eq!(config.issuers[1].kind, IssuerKind::Custom);
    assert_eq!(config.servers[0].issuer.as_ref().map(ProviderName::as_str), Some("own"));
}

#[test]
fn mistakes_about_issuers_are_named() {
    let auth0 = "[issuers.auth0]\nurl = \"t.auth0.com\"\n";
    for (text, expected) in [
        (format!("{auth0}realm = \"x\"\n{SERVER}"), "an issuer of kind auth0 has no setting realm"),
        (
            format!("[issuers.auth0]\nissuer = \"https://x.example\"\n{SERVER}"),
            "`issuer` means nothing to this kind",
        ),
        (format!("[issuers.idp]\nurl = \"x\"\n{SERVER}"), "needs a `kind`"),
        (format!("[issuers.auth0]\n{SERVER}"), "issuer `auth0` has no url"),
        (format!("{auth0}verify = false\n{SERVER}"), "unknown key `verify`"),
        (format!("{auth0}algorithms = [\"none\"]\n{SERVER}"), "`none` is no signature algorithm"),
        (format!("{auth0}algorithms = [\"HS256\"]\n{SERVER}"), "`HS256` is no signature algorithm"),
        (format!("{auth0}claims = {{ role = \"x\" }}\n{SERVER}"), "unknown key `role`"),
        (format!("{auth0}{SERVER}issuer = \"auth1\"\n"), "there is no issuer `auth1`"),
        (format!("{auth0}{SERVER}default = true\n"), "name their server there"),
        (
            format!("{auth0}{SERVER}headers = {{ Authorization = \"Bearer {{github.access_token}}\" }}\n"),
            "takes the tokens of the issuer `auth0`, and none of its users' tokens is kept here",
        ),
        (
            format!("{auth0}[providers.github]\nclient_id = \"x\"\nclient_secret = \"canary\"\n{SERVER}"),
            "[issuers.auth0] or those of users who sign in by [providers.github]",
        ),
        (
            format!(
                "{auth0}[providers.github]\nclient_id = \"x\"\nclient_secret = \"canary\"\n{SERVER}issuer = \"auth0\"\nprovider = \"github\"\n"
            ),
            "`provider` and `issuer` are both set",
        ),
        (
            format!("{auth0}[issuers.clerk]\nurl = \"https://x.clerk.dev\"\n{SERVER}"),
            "does not say which issuer's tokens it takes",
        ),
        (
            format!(
                "[issuers.own]\nkind = \"custom\"\nissuer = \"https://x.example\"\ntoken_endpoint = \"https://x.example/t\"\n{SERVER}"
            ),
            "belong together",
        ),
    ] {
        let report = file(&text).unwrap_err().to_string();
        assert!(report.contains(expected) && !report.contains("canary"), "{text}\n{report}");
    }
}
