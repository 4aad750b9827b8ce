//! `[accounts]` and `[smtp]`: accounts of this server itself, and how their people are sent mail.

use std::sync::Arc;

use coatroom::accounts::SmtpMailer;
use coatroom::protocol::words::ProviderName;
use coatroom::settings::{LOCAL, LocalAccounts, SignUp};
use secrecy::ExposeSecret as _;

use super::problem::Place;
use super::reader::Section;
use super::values::truth;

/// Accounts of this server itself.
#[derive(Debug, Clone)]
pub(crate) struct AccountsConfig {
    /// What they are called, and who may have one.
    pub(crate) settings: LocalAccounts,
    /// What sends mail to their people, if anything does.
    pub(crate) mailer: Option<Arc<SmtpMailer>>,
}

/// Reads both sections; `None` when there are no such accounts. The table `[accounts]` is enough to have them, or one of its
/// variables.
pub(super) fn read(root: &Section<'_>) -> Option<AccountsConfig> {
    let section = root.section("accounts");
    section.only(KEYS);
    let enabled = section.value("enabled", truth).map(|found| found.value);
    let is_named = root.in_file("accounts").is_some() || KEYS.iter().any(|key| section.is_set(key, &[]));
    let smtp = root.section("smtp");
    let has_mail = smtp.is_set("url", &[]) || smtp.is_set("from", &[]) || root.in_file("smtp").is_some();
    let mailer = has_mail.then(|| read_mailer(&smtp)).flatten();
    if !enabled.unwrap_or(is_named) {
        if has_mail && enabled.is_none() {
            let place = root.in_file("smtp").unwrap_or(Place::Nowhere);
            let help = "mail is for local accounts: add [accounts], or set COATROOM_ACCOUNTS_ENABLED=true";
            root.refuse(
                &place,
                "a mail server is set, and there is nobody to mail to",
                Some(help.to_owned()),
            );
        }
        return None;
    }
    let mut settings = LocalAccounts::default();
    settings.label = section.text("label").map(|found| found.value);
    let sign_up = section.choice("sign_up", SIGN_UP);
    if let Some(open) = sign_up.as_ref().filter(|found| found.value == SignUp::Open && !has_mail) {
        let help =
            "whoever signs up is mailed a code: set COATROOM_SMTP_URL and COATROOM_SMTP_FROM, or add [smtp]";
        section.refuse(&open.place, "sign-up is open, and no mail can be sent", Some(help.to_owned()));
    }
    settings.sign_up = sign_up.map_or_else(SignUp::default, |found| found.value);
    Some(AccountsConfig { settings, mailer })
}

fn read_mailer(section: &Section<'_>) -> Option<Arc<SmtpMailer>> {
    section.only(&["url", "url_file", "from"]);
    for (key, help) in [
        ("url", "the server that takes mail: smtps://USER:PASSWORD@mail.example.com"),
        ("from", "the sender: no-reply@example.com, or Name <no-reply@example.com>"),
    ] {
        if !section.is_set(key, &[]) {
            section.refuse(&Place::Nowhere, format!("smtp.{key} is not set"), Some(help.to_owned()));
        }
    }
    let (url, from) = (section.secret("url", &[])?, section.text("from")?);
    match SmtpMailer::new(url.expose_secret(), &from.value) {
        Ok(mailer) => Some(Arc::new(mailer)),
        Err(error) => {
            let place = section.in_file("url").unwrap_or(Place::Nowhere);
            section.refuse(&place, format!("smtp: {error}"), None);
            None
        }
    }
}

/// The name under which their users are known; `None` without such accounts.
pub(super) fn name(accounts: Option<&AccountsConfig>) -> Option<ProviderName> {
    accounts.and_then(|_| ProviderName::parse(LOCAL))
}

const KEYS: &[&str] = &["enabled", "sign_up", "label"];

const SIGN_UP: &[(&str, SignUp)] =
    &[("invitation", SignUp::Invitation), ("open", SignUp::Open), ("closed", SignUp::Closed)];

#[cfg(test)]
mod tests {
    use super::super::{Config, FakeEnvironment, Flags, load};
    use super::*;

    const SERVED: &[(&str, &str)] = &[
        ("COATROOM_PUBLIC_URL", "https://mcp.example.com"),
        ("COATROOM_UPSTREAM", "http://127.0.0.1:3000/mcp"),
    ];

    fn read_with(variables: &[(&str, &str)]) -> Result<Config, String> {
        let all = SERVED.iter().chain(variables);
        let environment = all.fold(FakeEnvironment::default(), |all, (name, value)| all.with(name, value));
        load(None, &Flags::new(), &environment).map_err(|report| report.to_string())
    }

    #[test]
    fn one_variable_is_enough_for_a_server_without_a_provider() {
        let config = read_with(&[("COATROOM_ACCOUNTS_ENABLED", "true")]).unwrap();
        assert_eq!(config.accounts.unwrap().settings.sign_up, SignUp::Invitation);
        assert!(config.servers[0].headers.is_empty(), "nobody's token is sent");
        assert!(read_with(&[("COATROOM_ACCOUNTS_ENABLED", "false")]).unwrap_err().contains("no provider"));
        let mail = [
            ("COATROOM_ACCOUNTS_SIGN_UP", "open"),
            ("COATROOM_SMTP_URL", "smtps://user:hunter2@mail.example.com"),
            ("COATROOM_SMTP_FROM", "Coatroom <no-reply@example.com>"),
        ];
        let accounts = read_with(&mail).unwrap().accounts.unwrap();
        assert!(accounts.mailer.is_some() && accounts.settings.sign_up == SignUp::Open);
        assert!(!format!("{accounts:?}").contains("hunter2"));
    }

    #[test]
    fn users_of_a_provider_may_sign_in_beside_them_and_their_tokens_are_sent() {
        let config = read_with(&[
            ("COATROOM_ACCOUNTS_ENABLED", "true"),
            ("COATROOM_GITHUB_CLIENT_ID", "id"),
            ("COATROOM_GITHUB_CLIENT_SECRET", "secret"),
        ]);
        let server = config.unwrap().servers.remove(0);
        assert_eq!(server.provider, None, "users choose where they sign in");
        assert_eq!(server.headers.len(), 1);
        assert_eq!(server.needs.all().map(ProviderName::as_str).collect::<Vec<_>>(), ["github"]);
    }

    #[test]
    fn what_cannot_work_is_refused_without_a_secret_in_the_text() {
        let enabled = ("COATROOM_ACCOUNTS_ENABLED", "true");
        for (variables, expected) in [
            (vec![("COATROOM_ACCOUNTS_SIGN_UP", "open")], "no mail can be sent"),
            (vec![("COATROOM_ACCOUNTS_SIGN_UP", "anybody")], "`sign_up` cannot be `anybody`"),
            (vec![enabled, ("COATROOM_SMTP_FROM", "a@example.com")], "smtp.url is not set"),
            (vec![enabled, ("COATROOM_SMTP_URL", "smtps://h.example")], "smtp.from is not set"),
            (
                vec![
                    enabled,
                    ("COATROOM_SMTP_URL", "https://u:hunter2@h.example"),
                    ("COATROOM_SMTP_FROM", "a@b.example"),
                ],
                "begins with smtps://",
            ),
            (
                vec![
                    ("COATROOM_SMTP_URL", "smtps://u:hunter2@h.example"),
                    ("COATROOM_SMTP_FROM", "a@b.example"),
                ],
                "nobody to mail to",
            ),
        ] {
            let report = read_with(&variables).unwrap_err();
            assert!(report.contains(expected), "{expected}: {report}");
            assert!(!report.contains("hunter2"), "{report}");
        }
    }

    #[test]
    fn a_server_may_be_for_local_accounts_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("coatroom.toml");
        let text = r#"
            public_url = "https://mcp.example.com"
            [accounts]
            [providers.github]
            client_id = "id"
            client_secret = "secret"
            [servers.notes]
            upstream = "http://127.0.0.1:3000/mcp"
            provider = "local"
            headers = { X-User = "{user.email}" }
        "#;
        std::fs::write(&path, text).unwrap();
        let config = load(Some(&path), &Flags::new(), &FakeEnvironment::default()).unwrap();
        assert_eq!(config.servers[0].provider.as_ref().map(ProviderName::as_str), Some(LOCAL));
        std::fs::write(&path, text.replace("{user.email}", "{local.access_token}")).unwrap();
        let report = load(Some(&path), &Flags::new(), &FakeEnvironment::default()).unwrap_err();
        assert!(report.to_string().contains("local"), "{report}");
    }
}
