//! What providers are asked for the sake of an allowlist, and which lists each kind can know. The shapes of answers are from the
//! documentation of GitHub's memberships, and of Google's, GitLab's and Microsoft's claims; none was recorded.

use coatroom::allowlist::{Allowlist, List};
use coatroom::protocol::words::ProviderName;
use coatroom::providers::{Provider, ProviderConfig, ProviderConfigError, ProviderKind};
use serde_json::{Value, json as value};

use crate::providers_fake::{Fake, NONCE, NOW, ask, has, json, query, sign_in};
use crate::signer::Signer;

fn allow(lists: &[(List, &[&str])]) -> Allowlist {
    lists.iter().fold(Allowlist::default(), |all, (list, entries)| all.with(*list, *entries).unwrap())
}

fn provider(fake: &Fake, kind: ProviderKind, allow: Allowlist) -> Provider {
    let mut config = fake.config(kind);
    config.allow = allow;
    fake.configured(config)
}

fn member(state: &str) -> Value {
    value!({"state": state, "role": "member", "url": "https://api.github.com/…"})
}

async fn github() -> Fake {
    let fake = Fake::start().await;
    let tokens =
        value!({"access_token": "gho_1", "token_type": "bearer", "scope": "read:org,read:user,user:email"});
    fake.on("/login/oauth/access_token", json(200, &tokens));
    fake.on("/api/v3/user", json(200, &value!({"id": 583_231, "login": "Alice-1"})));
    let emails = value!([
        {"email": "alice@example.com", "primary": true, "verified": true},
        {"email": "alice@evil.example", "primary": false, "verified": false},
    ]);
    fake.on("/api/v3/user/emails", json(200, &emails));
    fake
}

#[tokio::test]
async fn github_is_asked_for_memberships_only_where_the_allowlist_names_some() {
    let fake = github().await;
    let plain = provider(&fake, ProviderKind::Github, allow(&[(List::EmailDomains, &["example.com"])]));
    assert!(has(&query(&plain, &ask()).await, "scope", "read:user user:email"));
    let user = sign_in(&plain).await.unwrap().user;
    assert!(plain.admits(&user).is_ok() && user.groups.is_empty());

    let lists = allow(&[(List::Organisations, &["one", "Acme", "three"]), (List::Teams, &["Acme/Platform"])]);
    let closed = provider(&fake, ProviderKind::Github, lists);
    assert!(has(&query(&closed, &ask()).await, "scope", "read:org read:user user:email"));
    let user = sign_in(&closed).await.unwrap().user;
    assert_eq!(closed.admits(&user).unwrap_err().list(), List::Organisations);
    fake.on("/api/v3/user/memberships/orgs/Acme", json(200, &member("active")));
    let user = sign_in(&closed).await.unwrap().user;
    assert_eq!(closed.admits(&user).unwrap_err().list(), List::Teams);
    let team = "/api/v3/orgs/Acme/teams/Platform/memberships/Alice-1";
    fake.on(team, json(200, &member("active")));
    let user = sign_in(&closed).await.unwrap().user;
    assert_eq!(user.groups, ["acme", "acme/platform"]);
    assert!(closed.admits(&user).is_ok());
    let membership = fake.asked(&format!("GET {team}")).pop().unwrap();
    assert_eq!(membership.header("authorization"), Some("Bearer gho_1"));
    assert!(fake.asked("GET /api/v3/user/memberships/orgs/three").len() < 3, "one of the list is enough");
}

#[tokio::test]
async fn a_membership_counts_only_if_github_calls_it_active() {
    let fake = github().await;
    let closed = provider(&fake, ProviderKind::Github, allow(&[(List::Organisations, &["acme"])]));
    for (status, said, expected) in [
        (200, member("active"), Ok(true)),
        (200, member("pending"), Ok(false)),
        (200, value!({"state": ["active"]}), Ok(false)),
        (200, value!(["active"]), Ok(false)),
        (404, value!({"message": "Not Found"}), Ok(false)),
        (403, value!({"message": "You must be a member to see this"}), Ok(false)),
        (301, member("active"), Ok(false)),
        (401, value!({"message": "Bad credentials"}), Err("dead")),
        (429, member("active"), Err("transient")),
        (502, member("active"), Err("transient")),
    ] {
        fake.on("/api/v3/user/memberships/orgs/acme", json(status, &said));
        let entered = sign_in(&closed).await.map(|signed_in| closed.admits(&signed_in.user).is_ok());
        assert_eq!(entered.map_err(|error| error.outcome()), expected, "{status} {said}");
    }
}

#[tokio::test]
async fn of_somebody_who_is_named_nothing_more_is_asked() {
    let fake = github().await;
    for user in ["583231", "alice-1", "ALICE@example.com"] {
        let lists = allow(&[(List::Users, &[user]), (List::Organisations, &["acme"])]);
        let closed = provider(&fake, ProviderKind::Github, lists);
        let user = sign_in(&closed).await.unwrap().user;
        assert!(closed.admits(&user).is_ok());
    }
    assert!(fake.asked("GET /api/v3/user/memberships/orgs/acme").is_empty());
    // Not a word about this address.
    let closed = provider(&fake, ProviderKind::Github, allow(&[(List::Users, &["alice@evil.example"])]));
    let user = sign_in(&closed).await.unwrap().user;
    assert!(closed.admits(&user).is_err());
}

#[tokio::test]
async fn a_field_that_its_user_fills_in_is_no_fact_wherever_a_configuration_reads_it() {
    let fake = github().await;
    let profile =
        value!({"id": 7, "login": "mallory", "name": "octocat", "company": "acme", "bio": "acme/platform"});
    fake.on("/api/v3/user", json(200, &profile));
    for list in [(List::Users, "octocat"), (List::Organisations, "acme"), (List::Teams, "acme/platform")] {
        let mut config = fake.config(ProviderKind::Github);
        config.allow = allow(&[(list.0, &[list.1])]);
        config.user.username = vec!["name".to_owned()];
        config.user.organisation = vec!["company".to_owned()];
        config.user.groups = vec!["bio".to_owned()];
        let closed = fake.configured(config);
        let user = sign_in(&closed).await.unwrap().user;
        assert_eq!(user.username.as_deref(), Some("octocat"));
        assert_eq!(closed.admits(&user).unwrap_err().list(), list.0);
    }
    assert_eq!(fake.asked("GET /api/v3/orgs/acme/teams/platform/memberships/mallory").len(), 1);
}

/// An OpenID provider whose ID token says this.
async fn openid(kind: ProviderKind, (token, keys): (&str, &str), claims: &Value) -> Fake {
    let (fake, key) = (Fake::start().await, Signer::new("k"));
    fake.on(keys, json(200, &value!({"keys": [key.jwk()]})));
    let issuer = match kind {
        ProviderKind::Google => "https://accounts.google.com".to_owned(),
        _ => fake.base.clone(),
    };
    let mut all = value!({
        "iss": issuer, "aud": "our-id", "sub": "42", "nonce": NONCE, "iat": NOW, "exp": NOW + 300,
    });
    all.as_object_mut().unwrap().extend(claims.as_object().unwrap().clone());
    let tokens = value!({"access_token": "at", "token_type": "Bearer", "id_token": key.sign(&all)});
    fake.on(token, json(200, &tokens));
    fake
}

#[tokio::test]
async fn a_workspace_is_believed_of_googles_claim_and_of_nothing_else() {
    let lists = || allow(&[(List::WorkspaceDomains, &["example.com"])]);
    for (claims, enters) in [
        (value!({"hd": "example.com"}), true),
        (value!({"hd": "EXAMPLE.com"}), true),
        (value!({"hd": "example.com.evil.example"}), false),
        (value!({"hd": ["example.com"]}), false),
        (value!({"email": "a@example.com", "email_verified": true}), false),
        (value!({"HD": "example.com", "organisation": "example.com"}), false),
    ] {
        let fake = openid(ProviderKind::Google, ("/token", "/oauth2/v3/certs"), &claims).await;
        let google = provider(&fake, ProviderKind::Google, lists());
        assert!(
            has(&query(&google, &ask()).await, "hd", "example.com"),
            "so that Google shows the right accounts"
        );
        let user = sign_in(&google).await.unwrap().user;
        assert_eq!(google.admits(&user).is_ok(), enters, "{claims}");
    }
    let fake = Fake::start().await;
    let both = allow(&[(List::WorkspaceDomains, &["example.com"]), (List::Users, &["1"])]);
    let asked = query(&provider(&fake, ProviderKind::Google, both), &ask()).await;
    assert!(asked.iter().all(|(name, _)| name != "hd"), "others may enter too");
}

#[tokio::test]
async fn gitlab_tells_groups_at_its_user_endpoint() {
    let claims = value!({"name": "Alice", "email": "a@example.com", "groups_direct": ["acme"]});
    let fake = openid(ProviderKind::Gitlab, ("/oauth/token", "/oauth/discovery/keys"), &claims).await;
    let gitlab = provider(&fake, ProviderKind::Gitlab, allow(&[(List::Groups, &["acme/platform"])]));
    for (groups, enters) in
        [(value!(["acme", "acme/platform"]), true), (value!(["acme"]), false), (value!([]), false)]
    {
        fake.on("/oauth/userinfo", json(200, &value!({"sub": "42", "groups": groups})));
        let user = sign_in(&gitlab).await.unwrap().user;
        assert_eq!(gitlab.admits(&user).is_ok(), enters, "{groups}");
    }
    fake.on("/oauth/userinfo", json(503, &value!({})));
    assert!(sign_in(&gitlab).await.unwrap_err().is_transient(), "nobody is accused");
}

fn refused(kind: ProviderKind, lists: &[(List, &[&str])]) -> Option<&'static str> {
    let mut config = ProviderConfig::new(ProviderName::parse("idp").unwrap(), kind, "our-id");
    config.client_secret = Some(coatroom::protocol::words::ClientSecret::new("s"));
    match kind {
        ProviderKind::Okta => config.domain = Some("acme.okta.com".to_owned()),
        ProviderKind::Oidc => config.issuer = Some("https://id.example".to_owned()),
        ProviderKind::Demo => config.base_url = Some("https://id.example".to_owned()),
        ProviderKind::Oauth2 => {
            config.authorize_url = Some("https://id.example/a".to_owned());
            config.token_url = Some("https://id.example/t".to_owned());
            config.user_url = Some("https://id.example/u".to_owned());
            config.user.id = vec!["id".to_owned()];
        }
        _ => {}
    }
    config.allow = allow(lists);
    config.validate().err().map(|error: ProviderConfigError| error.setting())
}

#[test]
fn lists_that_a_kind_cannot_know_are_refused_by_name() {
    use ProviderKind::{
        Discord, Github, Gitlab, Google, Linear, Microsoft, Notion, Oauth2, Oidc, Okta, Slack, X,
    };
    let domains = (List::EmailDomains, &["example.com"][..]);
    let workspaces = (List::WorkspaceDomains, &["example.com"][..]);
    let organisations = (List::Organisations, &["acme"][..]);
    let teams = (List::Teams, &["acme/platform"][..]);
    let groups = (List::Groups, &["staff"][..]);
    let roles = (List::Roles, &["admin"][..]);
    let address = (List::Users, &["a@example.com"][..]);
    for (kind, list) in [
        (Github, workspaces),
        (Github, groups),
        (Github, roles),
        (Google, teams),
        (Google, organisations),
        (Google, groups),
        (Gitlab, organisations),
        (Discord, groups),
        (X, roles),
        (Slack, teams),
        // Nobody verifies addresses there.
        (Microsoft, domains),
        (Microsoft, address),
        (Microsoft, workspaces),
        (Linear, domains),
        (Notion, domains),
        (Notion, address),
        // Nothing says where it stands.
        (Okta, organisations),
        (Oidc, organisations),
        (Oauth2, groups),
        (Oauth2, roles),
        (Oauth2, domains),
    ] {
        assert_eq!(refused(kind, &[list]), Some(list.0.setting()), "{kind}");
    }
    for (kind, list) in [
        (Github, domains),
        (Github, organisations),
        (Github, teams),
        (Github, address),
        (Google, workspaces),
        (Gitlab, groups),
        (Slack, organisations),
        (Microsoft, roles),
        (Microsoft, groups),
        (Linear, organisations),
        (Okta, groups),
        (Oidc, roles),
    ] {
        assert_eq!(refused(kind, &[list]), None, "{kind} {}", list.0);
    }
    let many: Vec<String> = (0..21).map(|number| format!("org-{number}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(refused(Github, &[(List::Organisations, &many)]), Some("allow.organisations"));
}
