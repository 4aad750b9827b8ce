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
use url::{Host, Url};

use super::mail::{Mail, MailError, Mailer};
use crate::entropy::{SystemEntropy, draw};

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
        // Of a scheme that it does not know, the parser takes an IPv4 address for a name.
        let host = url.host_str().filter(|_| is_bare).and_then(|host| Host::parse(host).ok());
        let host = host.ok_or_else(|| {
            wrong("the URL of a mail server is smtps://USER:PASSWORD@HOST:PORT, and nothing else")
        })?;
        let is_here = is_loopback_host(&host);
        // Whoever connects there wants no brackets.
        let host = match host {
            Host::Ipv6(address) => address.to_string(),
            host => host.to_string(),
        };
        let tls =
            || TlsParameters::new(host.clone()).map_err(|error| SmtpConfigError::Url(error.to_string()));
        let (tls, port) = match url.scheme() {
            "smtps" => (Tls::Wrapper(tls()?), SUBMISSIONS),
            "smtp" if is_here => (Tls::None, SUBMISSION),
            "smtp" => (Tls::Required(tls()?), SUBMISSION),
            _ => return Err(wrong("the URL of a mail server begins with smtps:// or smtp://")),
        };
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&host)
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
        // As `Mailer::send` asks for.
        let pause = draw::<1>(&SystemEntropy::new()).map_or(0, |[byte]| byte);
        tokio::time::sleep(PAUSE_UNIT * u32::from(pause)).await;
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
        let Err(error) = self.transport.send(message).await else { return Ok(()) };
        // What servers say goes into logs, and many of them repeat the address.
        let said = error.to_string().replace(mail.to.as_str(), "the recipient");
        Err(if error.is_permanent() { MailError::Refused(said) } else { MailError::Unavailable(said) })
    }
}

impl fmt::Debug for SmtpMailer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SmtpMailer").field("from", &self.from.to_string()).finish_non_exhaustive()
    }
}

const SUBMISSIONS: u16 = 465;
const SUBMISSION: u16 = 587;

/// Up to 255 of it pass before a mail goes out.
const PAUSE_UNIT: Duration = Duration::from_millis(1);

/// Of each command.
const DEADLINE: Duration = Duration::from_secs(20);

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
    use tokio::net::TcpListener;

    use super::*;

    /// Takes one mail without TLS, unless the answer to its recipient says otherwise, and tells who gets it.
    async fn take_one(listener: TcpListener, to_recipient: &'static [u8]) -> String {
        let (mut stream, _) = listener.accept().await.unwrap();
        let (read, mut write) = stream.split();
        let mut lines = BufReader::new(read).lines();
        let mut recipient = String::new();
        write.write_all(b"220 here\r\n").await.unwrap();
        while let Some(line) = lines.next_line().await.unwrap() {
            let answer: &[u8] = match line.get(..4).unwrap_or_default() {
                "EHLO" => b"250-here\r\n250 8BITMIME\r\n",
                "DATA" => {
                    write.write_all(b"354 go on\r\n").await.unwrap();
                    while lines.next_line().await.unwrap().is_some_and(|line| line != ".") {}
                    b"250 taken\r\n"
                }
                "QUIT" => break,
                "RCPT" => {
                    recipient = line;
                    to_recipient
                }
                _ => b"250 well\r\n",
            };
            write.write_all(answer).await.unwrap();
            if !recipient.is_empty() && answer.ends_with(b"taken\r\n") {
                break;
            }
        }
        recipient
    }

    #[tokio::test]
    async fn mail_to_this_machine_needs_no_tls_however_the_machine_is_called() {
        for (host, listen) in
            [("127.0.0.1", "127.0.0.1:0"), ("localhost", "127.0.0.1:0"), ("[::1]", "[::1]:0")]
        {
            // There are machines without IPv6.
            let Ok(listener) = TcpListener::bind(listen).await else { continue };
            let port = listener.local_addr().unwrap().port();
            let taken = tokio::spawn(take_one(listener, b"250 well\r\n"));
            let mailer = SmtpMailer::new(&format!("smtp://{host}:{port}"), "no-reply@example.com").unwrap();
            let to = coatroom_protocol::words::EmailAddress::parse("alice@example.com").unwrap();
            let mail = Mail { to, subject: "s".to_owned(), text: "t".to_owned() };
            mailer.send(&mail).await.unwrap_or_else(|error| panic!("{host}: {error}"));
            assert_eq!(taken.await.unwrap(), "RCPT TO:<alice@example.com>");
        }
    }

    #[tokio::test]
    async fn an_address_that_the_server_repeats_reaches_no_log() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("smtp://{}", listener.local_addr().unwrap());
        tokio::spawn(take_one(listener, b"550 5.1.1 <alice@example.com>: unknown\r\n"));
        let to = coatroom_protocol::words::EmailAddress::parse("alice@example.com").unwrap();
        let mail = Mail { to, subject: "s".to_owned(), text: "t".to_owned() };
        let error = SmtpMailer::new(&url, "no-reply@example.com").unwrap().send(&mail).await.unwrap_err();
        assert!(matches!(&error, MailError::Refused(said) if said.contains("5.1.1")), "{error}");
        assert!(!error.to_string().contains("alice"), "{error}");
    }

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
