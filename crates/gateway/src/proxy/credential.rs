//! Templates that say what a server gets of its caller: `Bearer {github.access_token}`, `{user.email}`. They make headers of
//! requests, and variables and arguments of commands.
//!
//! A template is compiled once, when the configuration is read; an unknown name is a mistake there. When it is rendered
//! and something that it names is not known (a user without a verified e-mail address), the whole header is left out: half a
//! header would say something else. A text that cannot stand in a header refuses the call.

use std::borrow::Cow;

use coatroom::guard::Caller;
use coatroom::protocol::words::ProviderName;
use coatroom::providers::UpstreamToken;
use coatroom::user::User;
use http::HeaderValue;

use super::headers::verified_email;

/// A compiled template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Template(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    AccessToken(ProviderName),
    UserId,
    UserEmail,
    UserName,
    Username,
    Nickname,
    Picture,
    Roles,
    Groups,
    Permissions,
    Organisation,
    ClientId,
    Claim(Vec<String>),
}

/// Why a text is not a template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TemplateRefusal {
    /// A brace without its partner.
    #[error("a `{{` has no `}}`, or the other way round; a brace itself is written twice")]
    Brace,
    /// A name that means nothing.
    #[error("`{{{name}}}` means nothing; known: {known}")]
    Unknown {
        /// What stands between the braces.
        name: String,
        /// What could stand there.
        known: String,
    },
    /// Text that cannot stand in a header, nor in a variable.
    #[error("control characters cannot stand here")]
    Control,
}

impl TemplateRefusal {
    /// Whether it is an upstream token that is not known.
    pub(crate) fn wants_token(&self) -> bool {
        matches!(self, Self::Unknown { name, .. } if name.ends_with(".access_token"))
    }
}

/// A value has something in it that a header cannot carry, nor a variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a value has characters that cannot be sent as they are")]
pub(crate) struct Unprintable;

impl Template {
    /// Compiles a template. `{provider.access_token}` means `own`, the server's provider.
    ///
    /// # Errors
    /// [`TemplateRefusal`] names what is wrong.
    pub(crate) fn compile(
        text: &str,
        own: Option<&ProviderName>,
        providers: &[ProviderName],
    ) -> Result<Self, TemplateRefusal> {
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            let (before, from) = rest.split_at_checked(at).ok_or(TemplateRefusal::Brace)?;
            plain.push_str(before);
            if let Some(after) = from.strip_prefix("{{").or_else(|| from.strip_prefix("}}")) {
                plain.push_str(from.get(..1).unwrap_or(""));
                rest = after;
                continue;
            }
            let inner = from.strip_prefix('{').ok_or(TemplateRefusal::Brace)?;
            let (name, after) = inner.split_once('}').ok_or(TemplateRefusal::Brace)?;
            parts.extend(Some(std::mem::take(&mut plain)).filter(|text| !text.is_empty()).map(Part::Text));
            parts.push(part(name.trim(), own, providers)?);
            rest = after;
        }
        plain.push_str(rest);
        parts.extend(Some(plain).filter(|text| !text.is_empty()).map(Part::Text));
        if parts.iter().any(|part| matches!(part, Part::Text(text) if has_controls(text))) {
            return Err(TemplateRefusal::Control);
        }
        Ok(Self(parts))
    }

    /// `Bearer {<provider>.access_token}`.
    pub(crate) fn bearer_of(provider: &ProviderName) -> Self {
        Self(vec![Part::Text("Bearer ".to_owned()), Part::AccessToken(provider.clone())])
    }

    /// Whether it says the same for everybody.
    pub(crate) fn is_constant(&self) -> bool {
        self.0.iter().all(|part| matches!(part, Part::Text(_)))
    }

    /// The providers whose tokens it needs.
    pub(crate) fn providers(&self) -> impl Iterator<Item = &ProviderName> {
        self.0.iter().filter_map(|part| if let Part::AccessToken(name) = part { Some(name) } else { None })
    }

    /// Writes the header for one caller; `None` when something that the template names is not known.
    ///
    /// The value is marked as sensitive when it holds a token, so that it is never logged or kept in header tables.
    ///
    /// # Errors
    /// [`Unprintable`] when a value holds control characters, or a server would read another value than was said.
    pub(crate) fn render(
        &self,
        caller: Option<&Caller>,
        tokens: &[(ProviderName, UpstreamToken)],
    ) -> Result<Option<HeaderValue>, Unprintable> {
        let Some(text) = self.text(caller, tokens)? else { return Ok(None) };
        // Names are written in UTF-8, as header values may be (RFC 9110 §5.5, obs-text).
        let mut value = HeaderValue::try_from(text).map_err(|_| Unprintable)?;
        value.set_sensitive(self.providers().next().is_some());
        Ok(Some(value))
    }

    /// Writes the text for one caller; `None` when something that the template names is not known.
    ///
    /// # Errors
    /// [`Unprintable`] when a value holds control characters, or a server would read another value than was said.
    pub(crate) fn text(
        &self,
        caller: Option<&Caller>,
        tokens: &[(ProviderName, UpstreamToken)],
    ) -> Result<Option<String>, Unprintable> {
        let mut text = String::with_capacity(USUAL_LENGTH);
        for part in &self.0 {
            let Some(value) = part.value(caller, tokens)? else { return Ok(None) };
            text.push_str(&value);
        }
        if has_controls(&text) { Err(Unprintable) } else { Ok(Some(text)) }
    }
}

/// What no header carries (RFC 9110 §5.5): it would end there, and so would a line of a log, or a variable.
fn has_controls(text: &str) -> bool {
    text.bytes().any(|byte| byte.is_ascii_control() && byte != b'\t')
}

/// A longer text grows, and leaves what it held behind.
const USUAL_LENGTH: usize = 128;

impl Part {
    fn value<'a>(
        &'a self,
        caller: Option<&'a Caller>,
        tokens: &'a [(ProviderName, UpstreamToken)],
    ) -> Result<Option<Cow<'a, str>>, Unprintable> {
        if let Self::Text(text) = self {
            return Ok(Some(text.into()));
        }
        let Some(caller) = caller else { return Ok(None) };
        let user = caller.user();
        let token = |provider| tokens.iter().find(|(name, _)| name == provider);
        let value = match self {
            Self::Text(text) => Some(text.into()),
            Self::AccessToken(provider) => token(provider).map(|(_, token)| token.expose().into()),
            Self::ClientId => Some(caller.client().id.as_str().into()),
            of_user => of_user.of_user(user)?.map(Cow::Owned),
        };
        let value = value.filter(|value| !value.is_empty());
        // Servers trim what they read (RFC 9110 §5.5), and would take one user for another.
        if value.as_deref().is_some_and(|value| value.trim() != value) { Err(Unprintable) } else { Ok(value) }
    }

    fn of_user(&self, user: &User) -> Result<Option<String>, Unprintable> {
        Ok(match self {
            Self::Text(_) | Self::AccessToken(_) | Self::ClientId => None,
            Self::UserId => Some(user.subject.id.clone()),
            Self::UserEmail => verified_email(user).map(str::to_owned),
            // It is for people to read, and white space around it says nothing.
            Self::UserName => user.name.as_deref().map(|name| name.trim().to_owned()),
            Self::Username => user.username.clone(),
            Self::Nickname => user.nickname.clone(),
            Self::Picture => user.picture.clone(),
            Self::Roles => joined(Some(user.roles.clone()))?,
            Self::Groups => joined(Some(user.groups.clone()))?,
            Self::Permissions => joined(Some(user.permissions.clone()))?,
            Self::Organisation => user.organisation.clone(),
            Self::Claim(path) => claim(&user.claims, path)?,
        })
    }
}

fn part(name: &str, own: Option<&ProviderName>, providers: &[ProviderName]) -> Result<Part, TemplateRefusal> {
    let unknown = || {
        let tokens = providers.iter().map(|provider| format!("{{{provider}.access_token}}"));
        let known: Vec<String> = tokens.chain(NAMES.iter().map(|name| format!("{{{name}}}"))).collect();
        TemplateRefusal::Unknown { name: name.to_owned(), known: known.join(", ") }
    };
    let (subject, field) = name.split_once('.').ok_or_else(unknown)?;
    match (subject, field) {
        ("user", "id") => Ok(Part::UserId),
        ("user", "email") => Ok(Part::UserEmail),
        ("user", "name") => Ok(Part::UserName),
        ("user", "username") => Ok(Part::Username),
        ("user", "nickname") => Ok(Part::Nickname),
        ("user", "picture") => Ok(Part::Picture),
        ("user", "roles") => Ok(Part::Roles),
        ("user", "groups") => Ok(Part::Groups),
        ("user", "permissions") => Ok(Part::Permissions),
        ("user", "organisation") => Ok(Part::Organisation),
        ("client", "id") => Ok(Part::ClientId),
        ("claims", path) if path.split('.').all(|step| !step.is_empty()) => {
            Ok(Part::Claim(path.split('.').map(str::to_owned).collect()))
        }
        ("provider", "access_token") => own.cloned().map(Part::AccessToken).ok_or_else(unknown),
        (name, "access_token") => {
            let provider = providers.iter().find(|provider| provider.as_str() == name);
            provider.cloned().map(Part::AccessToken).ok_or_else(unknown)
        }
        _ => Err(unknown()),
    }
}

/// A claim as text: a string, number or truth value, or a list of them with commas between.
///
/// # Errors
/// [`Unprintable`] when one of a list has a comma itself: who may name a group could name two.
fn claim(
    claims: &serde_json::Map<String, serde_json::Value>,
    path: &[String],
) -> Result<Option<String>, Unprintable> {
    let mut steps = path.iter();
    let first = steps.next().and_then(|step| claims.get(step));
    let value = steps.fold(first, |value, step| value?.get(step));
    let Some(serde_json::Value::Array(items)) = value else { return Ok(value.and_then(scalar)) };
    joined(items.iter().map(scalar).collect())
}

fn joined(texts: Option<Vec<String>>) -> Result<Option<String>, Unprintable> {
    match texts {
        Some(texts) if texts.iter().any(|text| text.contains(',')) => Err(Unprintable),
        texts => Ok(texts.map(|texts| texts.join(","))),
    }
}

fn scalar(value: &serde_json::Value) -> Option<String> {
    match value {
        serde_json::Value::String(text) => Some(text.clone()),
        serde_json::Value::Number(number) => Some(number.to_string()),
        serde_json::Value::Bool(truth) => Some(truth.to_string()),
        serde_json::Value::Null | serde_json::Value::Array(_) | serde_json::Value::Object(_) => None,
    }
}

const NAMES: &[&str] = &[
    "user.id",
    "user.email",
    "user.name",
    "user.username",
    "user.nickname",
    "user.picture",
    "user.roles",
    "user.groups",
    "user.permissions",
    "user.organisation",
    "client.id",
    "claims.…",
];

#[cfg(test)]
mod tests {
    use super::super::testing::{alice, github};
    use super::*;

    fn render(text: &str) -> Result<Option<HeaderValue>, Unprintable> {
        let template = Template::compile(text, Some(&github()), &[github()]).unwrap();
        let tokens = [(github(), UpstreamToken::new("gho_alice"))];
        template.render(Some(&alice()), &tokens)
    }

    fn text(template: &str) -> Option<String> {
        render(template).unwrap().map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
    }

    #[test]
    fn names_are_replaced_by_what_is_known_of_the_caller() {
        assert_eq!(text("Bearer {github.access_token}").as_deref(), Some("Bearer gho_alice"));
        assert_eq!(text("{provider.access_token}").as_deref(), Some("gho_alice"));
        assert_eq!(text("{user.id} <{user.email}>").as_deref(), Some("1 <alice@example.com>"));
        assert_eq!(text("{client.id}").as_deref(), Some("client-1"));
        assert_eq!(text("{{literal}}").as_deref(), Some("{literal}"));
    }

    #[test]
    fn claims_are_found_by_their_path() {
        assert_eq!(text("{claims.org.id}").as_deref(), Some("7"));
        assert_eq!(text("{claims.roles}").as_deref(), Some("admin,reader"));
        assert_eq!(text("{claims.org}"), None);
        assert_eq!(text("{claims.missing.id}"), None);
    }

    #[test]
    fn a_user_with_roles_has_them_in_one_line() {
        let mut user = alice().user().clone();
        user.roles = vec!["admin".to_owned(), "reader".to_owned()];
        user.groups = vec!["staff".to_owned()];
        user.organisation = Some("org_1".to_owned());
        let value = |part: Part, user: &User| part.of_user(user).map(Option::unwrap_or_default);
        assert_eq!(value(Part::Roles, &user).as_deref(), Ok("admin,reader"));
        assert_eq!(value(Part::Groups, &user).as_deref(), Ok("staff"));
        assert_eq!(value(Part::Organisation, &user).as_deref(), Ok("org_1"));
        user.permissions = vec!["a,b".to_owned()];
        assert_eq!(value(Part::Permissions, &user), Err(Unprintable));
        assert_eq!(text("{user.roles}").as_deref(), None);
    }

    #[test]
    fn a_header_is_left_out_when_a_value_is_missing() {
        assert_eq!(text("name {user.username}"), None);
        let template = Template::bearer_of(&github());
        assert_eq!(template.render(Some(&alice()), &[]), Ok(None));
        assert_eq!(template.render(None, &[]), Ok(None));
    }

    #[test]
    fn a_value_with_a_line_break_refuses_the_call() {
        assert_eq!(render("{claims.evil}"), Err(Unprintable));
    }

    #[test]
    fn a_value_that_a_server_would_read_as_another_refuses_the_call() {
        assert_eq!(render("{claims.groups}"), Err(Unprintable), "a comma inside one of several");
        assert_eq!(render("{claims.padded}"), Err(Unprintable), "white space that servers trim");
        assert_eq!(render("user {claims.padded}"), Err(Unprintable));
    }

    #[test]
    fn names_beyond_ascii_are_sent_as_utf8() {
        assert_eq!(text("{user.name}").as_deref(), Some("Älice"));
    }

    #[test]
    fn headers_with_tokens_are_sensitive() {
        assert!(render("{github.access_token}").unwrap().unwrap().is_sensitive());
        assert!(!render("{user.id}").unwrap().unwrap().is_sensitive());
    }

    #[test]
    fn unknown_names_and_single_braces_are_refused() {
        let compile = |text: &str| Template::compile(text, None, &[github()]);
        for bad in ["{gitlab.access_token}", "{user.password}", "{user}", "{}", "{provider.access_token}"] {
            assert!(matches!(compile(bad), Err(TemplateRefusal::Unknown { .. })), "{bad}");
        }
        for bad in ["{user.id", "user.id}", "{"] {
            assert_eq!(compile(bad), Err(TemplateRefusal::Brace), "{bad}");
        }
        assert_eq!(compile("a\nb"), Err(TemplateRefusal::Control));
    }
}
