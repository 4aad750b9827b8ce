use std::path::Path;

use coatroom::allowlist::{Allowlist, List};

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

fn google(variables: &[(&str, &str)]) -> Result<Config, Report> {
    let own = [("COATROOM_GOOGLE_CLIENT_ID", "id"), ("COATROOM_GOOGLE_CLIENT_SECRET", "canary-secret")];
    serve(&[&own, variables].concat())
}

fn file(text: &str, variables: &[(&str, &str)]) -> Result<Config, Report> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("coatroom.toml");
    let start =
        "public_url = \"https://mcp.example.com\"\n[servers.s]\nupstream = \"http://127.0.0.1:3000/mcp\"\n";
    std::fs::write(&path, format!("{start}{text}")).unwrap();
    let environment =
        variables.iter().fold(FakeEnvironment::default(), |all, (name, value)| all.with(name, value));
    load(Some(Path::new(&path)), &Flags::new(), &environment)
}

fn github(allow: &str) -> String {
    format!(
        "[providers.github]\nclient_id = \"id\"\nclient_secret = \"canary-secret\"\n[providers.github.allow]\n{allow}"
    )
}

fn allow(lists: &[(List, &[&str])]) -> Allowlist {
    lists.iter().fold(Allowlist::default(), |all, (list, entries)| all.with(*list, *entries).unwrap())
}

#[test]
fn the_environment_alone_says_who_may_enter() {
    let config = google(&[
        ("COATROOM_GOOGLE_ALLOW_EMAIL_DOMAINS", "example.com,example.org"),
        ("COATROOM_GOOGLE_ALLOW_USERS", "alice@example.net 42"),
        ("COATROOM_GOOGLE_ALLOW_WORKSPACE_DOMAINS", "Example.com"),
    ]);
    let expected = allow(&[
        (List::EmailDomains, &["example.com", "example.org"]),
        (List::Users, &["alice@example.net", "42"]),
        (List::WorkspaceDomains, &["example.com"]),
    ]);
    assert_eq!(config.unwrap().providers[0].allow, expected);
    assert!(google(&[]).unwrap().providers[0].allow.is_empty());
}

#[test]
fn a_file_says_who_may_enter_and_variables_go_before_it() {
    let text = github(
        "users = [\"583231\", \"octocat\"]\norganisations = [\"acme\"]\nteams = [\"acme/platform\"]\n",
    );
    let lists: [(List, &[&str]); 3] = [
        (List::Users, &["583231", "octocat"]),
        (List::Organisations, &["acme"]),
        (List::Teams, &["acme/platform"]),
    ];
    assert_eq!(file(&text, &[]).unwrap().providers[0].allow, allow(&lists));
    let changed = file(&text, &[("COATROOM_GITHUB_ALLOW_USERS", "7")]).unwrap();
    assert_eq!(changed.providers[0].allow.entries(List::Users), ["7"]);
    assert_eq!(changed.providers[0].allow.entries(List::Teams), ["acme/platform"]);
}

#[test]
fn an_issuer_by_file_and_by_variables_has_an_allowlist_too() {
    let text = "[issuers.keycloak]\nurl = \"https://id.example\"\nrealm = \"r\"\n[issuers.keycloak.allow]\nroles = [\"staff\"]\n";
    let config = file(&format!("issuer = \"keycloak\"\n{text}"), &[]).unwrap();
    assert_eq!(config.issuers[0].allow, allow(&[(List::Roles, &["staff"])]));
    let config = serve(&[
        ("COATROOM_AUTH0_DOMAIN", "t.auth0.com"),
        ("COATROOM_AUTH0_ALLOW_EMAIL_DOMAINS", "example.com"),
    ]);
    assert_eq!(config.unwrap().issuers[0].allow, allow(&[(List::EmailDomains, &["example.com"])]));
}

// Silence would let everybody in.
#[test]
fn what_names_nobody_is_refused() {
    for (variables, expected) in [
        (("COATROOM_GOOGLE_ALLOW_USERS", ""), "COATROOM_GOOGLE_ALLOW_USERS: is set, and empty"),
        (("COATROOM_GOOGLE_ALLOW_USERS", " , "), "`allow.users` names nobody"),
        (("COATROOM_GOOGLE_ALLOW_EMAIL_DOMAINS", "@example.com"), "takes domains such as example.com"),
        (("COATROOM_GOOGLE_ALLOW_DOMAINS", "example.com"), "COATROOM_GOOGLE_ALLOW_DOMAINS: not known"),
        (("COATROOM_GOOGLE_ALLOWED_DOMAINS", "example.com"), "COATROOM_GOOGLE_ALLOWED_DOMAINS: not known"),
        (("COATROOM_GOOGLE_ALLOW", "example.com"), "COATROOM_GOOGLE_ALLOW: not known"),
        (
            ("COATROOM_CORP_ALLOW_USERS", "alice"),
            "COATROOM_CORP_ALLOW_USERS: belongs to no provider or issuer",
        ),
    ] {
        let report = google(&[variables]).unwrap_err().to_string();
        assert!(report.contains(expected), "{expected}: {report}");
    }
    for (text, expected) in [
        ("users = []", "`allow.users` names nobody"),
        ("users = [\"\"]", "`allow.users` has an entry that is empty"),
        ("user = [\"alice\"]", "unknown key `user`"),
        ("users = \"alice\"", "`users` takes a list"),
        ("teams = [\"platform\"]", "`allow.teams` takes teams as `organisation/team`"),
    ] {
        let report = file(&github(text), &[]).unwrap_err().to_string();
        assert!(report.contains(expected), "{expected}: {report}");
        assert!(!report.contains("canary"), "{report}");
    }
}

#[test]
fn lists_that_a_kind_cannot_know_are_refused_each_by_its_name() {
    let text =
        github("workspace_domains = [\"example.com\"]\ngroups = [\"staff\"]\nemail_domains = [\"@x\"]\n");
    let report = file(&text, &[]).unwrap_err().to_string();
    for expected in [
        "`allow.workspace_domains` means nothing to this kind of provider",
        "`allow.groups` means nothing to this kind of provider",
        "`allow.email_domains` takes domains",
    ] {
        assert!(report.contains(expected), "{expected}: {report}");
    }
    let report = google(&[("COATROOM_GOOGLE_ALLOW_TEAMS", "acme/platform")]).unwrap_err().to_string();
    assert!(report.contains("COATROOM_GOOGLE_ALLOW_TEAMS: `allow.teams` means nothing"), "{report}");
    let variables =
        [("COATROOM_AUTH0_DOMAIN", "t.auth0.com"), ("COATROOM_AUTH0_ALLOW_TEAMS", "acme/platform")];
    let report = serve(&variables).unwrap_err().to_string();
    assert!(
        report.contains("COATROOM_AUTH0_ALLOW_TEAMS: an issuer of kind auth0 has no setting allow.teams"),
        "{report}"
    );
}
