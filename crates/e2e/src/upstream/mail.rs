//! A mail server that others wrote (aiosmtpd): TLS, a password, and real mails.

use std::fs;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Child;

use crate::evidence::{self, Secret};
use crate::foreign::Script;
use crate::tools;

/// A running mail server, killed when dropped.
#[derive(Debug)]
pub struct MailServer {
    port: u16,
    folder: TempDir,
    mails: Arc<Mutex<Vec<Value>>>,
    _child: Child,
}

const USER: &str = "gateway@example.com";
const PASSWORD: &str = "mail/password:of@the gateway";

impl MailServer {
    /// Starts it. The first `busy` mails are to come again later.
    pub async fn start(busy: usize) -> Self {
        let folder = tempfile::tempdir().expect("no temporary folder");
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        let (certificate, key) = (folder.path().join("mail.crt"), folder.path().join("mail.key"));
        fs::write(&certificate, made.cert.pem()).expect("the certificate");
        fs::write(&key, made.signing_key.serialize_pem()).expect("its key");
        let port = tools::free_port();
        evidence::secret(Secret::Credential, PASSWORD);
        let settings = json!({
            "port": port, "certificate": certificate, "key": key, "user": USER, "password": PASSWORD, "busy": busy,
        });
        let mut command = Script::Python("python-mail", "mail_server.py").command();
        let mut child =
            command.arg(settings.to_string()).stderr(Stdio::inherit()).spawn().expect("starting the server");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let first = lines.next_line().await.expect("reading its first line").expect("it ended at start");
        assert!(first.contains("ready"), "{first}");
        let mails: Arc<Mutex<Vec<Value>>> = Arc::default();
        let kept = Arc::clone(&mails);
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                kept.lock().expect("the mails").push(serde_json::from_str(&line).expect("a JSON line"));
            }
        });
        Self { port, folder, mails, _child: child }
    }

    /// The variables that make the gateway send its mail here.
    #[must_use]
    pub fn variables(&self) -> Vec<(String, String)> {
        let encoded =
            |text: &str| -> String { url::form_urlencoded::byte_serialize(text.as_bytes()).collect() };
        let (user, password) = (encoded(USER), encoded(PASSWORD).replace('+', "%20"));
        let certificate = self.folder.path().join("mail.crt").display().to_string();
        [
            ("COATROOM_SMTP_URL", format!("smtps://{user}:{password}@localhost:{}", self.port)),
            ("COATROOM_SMTP_FROM", "Coatroom <no-reply@example.com>".to_owned()),
            // The one authority that the gateway trusts for it.
            ("SSL_CERT_FILE", certificate),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }

    /// Waits for the next mail, which is none of those that were read before.
    pub async fn next(&self) -> Value {
        let began = Instant::now();
        let read = || {
            let mut mails = self.mails.lock().expect("the mails");
            (!mails.is_empty()).then(|| mails.remove(0))
        };
        loop {
            if let Some(mail) = read() {
                return mail;
            }
            assert!(began.elapsed() < Duration::from_secs(60), "no mail came");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// How many mails came and were not read.
    #[must_use]
    pub fn unread(&self) -> usize {
        self.mails.lock().expect("the mails").len()
    }
}

/// The link in a mail.
///
/// # Panics
/// When there is none.
#[must_use]
pub fn link_of(mail: &Value) -> String {
    let text = mail["text"].as_str().expect("a text");
    let link = text.split_whitespace().find(|word| word.contains("/password/"));
    let link = link.unwrap_or_else(|| panic!("no link: {text}")).to_owned();
    evidence::secret(Secret::Carried, link.rsplit('/').next().unwrap_or_default());
    link
}

/// The code in a mail.
///
/// # Panics
/// When there is none.
#[must_use]
pub fn code_of(mail: &Value) -> String {
    let text = mail["text"].as_str().expect("a text");
    let line = text.lines().find(|line| line.starts_with("    "));
    line.unwrap_or_else(|| panic!("no code: {text}")).trim().to_owned()
}
