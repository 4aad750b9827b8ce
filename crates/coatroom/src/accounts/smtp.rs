//! Mail by SMTP (RFC 5321), over TLS (RFC 8314) with a password.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use coatroom_protocol::words::is_loopback_host;
use lettre::message::header::ContentType;
use lettre::message::{Mailbox, Message};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};
use percent_encoding::percent_decode_str;
use url::Url;

use super::mail::{Mail, MailError, Mailer};

/// Sends mail by a server that takes it for us.
pub struct SmtpMailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
}

/// Why there can be no mailer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SmtpConfigError {
    /// The URL is not one of a mail server.
    #[error("{0}")]
    Url(String),
    /// The sender is no address.
    #[error("the sender has the form no-reply@example.com, or Name <no-reply@example.com>")]
    From,
}

impl SmtpMailer {
    /// A mailer for a server: `smtps://USER:PASSWORD@HOST` speaks TLS from the first byte, `smtp://…` from STARTTLS on, which the
    /// server must offer. Without TLS mail goes to this machine alone. Nothing is sent before it is needed.
    ///
    /// # Errors
    /// [`SmtpConfigError`].
    pub fn new(url: &str, from: &str) -> Result<Self, SmtpConfigError> {
        let wrong = |text: &str| SmtpConfigError::Url(text.to_owned());
        // What the parser says could quote the password.
        let url = Url::parse(url)
            .map_err(|_| wrong("this is no URL such as smtps://user:password@mail.example.com"))?;
        let is_bare = matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none();
        let host = url.host_str().filter(|_| is_bare);
        let host = host.ok_or_else(|| {
            wrong("the URL of a mail server is smtps://USER:PASSWORD@HOST:PORT, and nothing else")
        })?;
        let is_here = url.host().is_some_and(|host| is_loopback_host(&host.to_owned()));
        let tls =
            || TlsParameters::new(host.to_owned()).map_err(|error| SmtpConfigError::Url(error.to_string()));
        let (tls, port) = match url.scheme() {
            "smtps" => (Tls::Wrapper(tls()?), SUBMISSIONS),
            "smtp" if is_here => (Tls::None, SUBMISSION),
            "smtp" => (Tls::Required(tls()?), SUBMISSION),
            _ => return Err(wrong("the URL of a mail server begins with smtps:// or smtp://")),
        };
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host)
            .port(url.port().unwrap_or(port))
            .tls(tls)
            .timeout(Some(DEADLINE));
        let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        if let Some(password) = url.password() {
            builder = builder.credentials(Credentials::new(decoded(url.username()), decoded(password)));
        }
        let from = from.parse().map_err(|_| SmtpConfigError::From)?;
        Ok(Self { transport: builder.build(), from })
    }
}

#[async_trait]
impl Mailer for SmtpMailer {
    async fn send(&self, mail: &Mail) -> Result<(), MailError> {
        let unfit = |error: &dyn fmt::Display| MailError::Refused(error.to_string());
        let to = mail.to.as_str().parse().map_err(|error| unfit(&error))?;
        let message = Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(&mail.subject)
            .message_id(None)
            .header(ContentType::TEXT_PLAIN)
            .body(mail.text.clone())
            .map_err(|error| unfit(&error))?;
        match self.transport.send(message).await {
            Ok(_) => Ok(()),
            Err(error) if error.is_permanent() => Err(MailError::Refused(error.to_string())),
            Err(error) => Err(MailError::Unavailable(error.to_string())),
        }
    }
}

impl fmt::Debug for SmtpMailer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SmtpMailer").field("from", &self.from.to_string()).finish_non_exhaustive()
    }
}

const SUBMISSIONS: u16 = 465;
const SUBMISSION: u16 = 587;

/// Of each command.
const DEADLINE: Duration = Duration::from_secs(20);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_named_by_its_url_alone() {
        for good in
            ["smtps://u:p@mail.example.com", "smtp://u:p%40@mail.example.com:2525", "smtp://127.0.0.1:25"]
        {
            assert!(SmtpMailer::new(good, "Coatroom <no-reply@example.com>").is_ok(), "{good}");
        }
        for bad in [
            "mail.example.com",
            "https://u:hunter2@mail.example.com",
            "smtps://mail.example.com/x",
            "smtps://h?tls=none",
        ] {
            let error = SmtpMailer::new(bad, "no-reply@example.com").unwrap_err().to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
        assert!(matches!(SmtpMailer::new("smtps://h.example", "nobody"), Err(SmtpConfigError::From)));
    }
}
