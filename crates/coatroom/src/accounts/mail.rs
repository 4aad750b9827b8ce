//! Mail: what is sent, by whom, and the queue before it.
//!
//! Nobody who asks for a mail waits until it was sent: how long that takes would tell whether there was one to send. For the same
//! reason nothing waits in the queue as a mail does.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use coatroom_protocol::words::EmailAddress;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use crate::error::Error;

/// A mail of plain text. Its text holds secrets.
#[derive(Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "whoever sends it reads every part")]
pub struct Mail {
    /// The recipient.
    pub to: EmailAddress,
    /// The subject, without line breaks.
    pub subject: String,
    /// The text.
    pub text: String,
}

impl fmt::Debug for Mail {
    /// Leaves the text out, which opens accounts, and the recipient, whom a log need not know.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mail").field("subject", &self.subject).finish_non_exhaustive()
    }
}

/// Sends mail. [`SmtpMailer`](super::SmtpMailer) does so by SMTP.
#[async_trait]
pub trait Mailer: Send + Sync + fmt::Debug {
    /// Hands a mail to a server that goes on with it. Nobody waits for it but the operator. It should not begin at once: the work may
    /// slow down what else is asked at that moment, by which strangers tell that there was somebody to be mailed.
    ///
    /// # Errors
    /// [`MailError`].
    async fn send(&self, mail: &Mail) -> Result<(), MailError>;
}

/// Why a mail was not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MailError {
    /// Trying again may help.
    #[error("the mail server is not available: {0}")]
    Unavailable(String),
    /// The server will never take this mail, or takes none of ours.
    #[error("the mail server refused: {0}")]
    Refused(String),
}

/// The mails that wait, and the task that sends them, a few at once. Both begin with the first mail.
#[derive(Debug)]
pub(super) struct Outbox {
    mailer: Arc<dyn Mailer>,
    queue: OnceLock<Sender<Option<Mail>>>,
}

impl Outbox {
    pub(super) fn new(mailer: Arc<dyn Mailer>) -> Self {
        Self { mailer, queue: OnceLock::new() }
    }

    /// Sends a mail now, and waits for that.
    pub(super) async fn deliver(&self, mail: &Mail) -> Result<(), MailError> {
        deliver(self.mailer.as_ref(), mail).await
    }

    /// Whether a mail could be taken at the moment. Asked before it is known whether there is one to send.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when too many mails wait, as they do when the server does not answer.
    pub(super) fn has_room(self: &Arc<Self>) -> Result<(), Error> {
        if self.queue().capacity() == 0 { Err(full()) } else { Ok(()) }
    }

    /// Takes a mail, to be sent soon, or nothing, which is thrown away.
    ///
    /// # Errors
    /// As [`has_room`](Self::has_room).
    pub(super) fn post(self: &Arc<Self>, mail: Option<Mail>) -> Result<(), Error> {
        self.queue().try_send(mail).map_err(|_| full())
    }

    fn queue(self: &Arc<Self>) -> &Sender<Option<Mail>> {
        self.queue.get_or_init(|| {
            let (sender, receiver) = channel(MOST_WAITING);
            tokio::spawn(send_all(Arc::clone(&self.mailer), receiver));
            sender
        })
    }
}

/// Ends when the outbox is gone and everything was taken.
async fn send_all(mailer: Arc<dyn Mailer>, mut waiting: Receiver<Option<Mail>>) {
    let turns = Arc::new(Semaphore::new(MOST_AT_ONCE));
    while let Some(mail) = waiting.recv().await {
        let Some(mail) = mail else { continue };
        let Ok(turn) = Arc::clone(&turns).acquire_owned().await else { return };
        let mailer = Arc::clone(&mailer);
        tokio::spawn(async move {
            send(mailer.as_ref(), &mail).await;
            drop(turn);
        });
    }
}

/// Sends a mail, with patience.
async fn send(mailer: &dyn Mailer, mail: &Mail) {
    let mut pauses = PAUSES.into_iter();
    while let Err(error) = deliver(mailer, mail).await {
        let pause = pauses.next().filter(|_| matches!(error, MailError::Unavailable(_)));
        let Some(pause) = pause else {
            tracing::error!(%error, subject = mail.subject, "a mail was not sent; whoever waits for it has to ask again");
            return;
        };
        tracing::warn!(%error, subject = mail.subject, "a mail was not sent; trying again");
        tokio::time::sleep(pause).await;
    }
}

async fn deliver(mailer: &dyn Mailer, mail: &Mail) -> Result<(), MailError> {
    let sent = tokio::time::timeout(DEADLINE, mailer.send(mail));
    sent.await.unwrap_or_else(|_| Err(MailError::Unavailable("no answer in time".to_owned())))
}

fn full() -> Error {
    Error::Unavailable { what: "the mail server", source: "too many mails wait to be sent".into() }
}

const MOST_WAITING: usize = 256;
const MOST_AT_ONCE: usize = 4;
const DEADLINE: Duration = Duration::from_secs(30);
const PAUSES: [Duration; 2] = [Duration::from_secs(2), Duration::from_secs(10)];

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// Refuses as often as it is told, then takes.
    #[derive(Debug, Default)]
    struct Moody {
        refusals: Mutex<Vec<MailError>>,
        asked: Mutex<usize>,
    }

    #[async_trait]
    impl Mailer for Moody {
        async fn send(&self, _: &Mail) -> Result<(), MailError> {
            *self.asked.lock().unwrap() += 1;
            self.refusals.lock().unwrap().pop().map_or(Ok(()), Err)
        }
    }

    fn mail() -> Mail {
        Mail {
            to: EmailAddress::parse("alice@example.com").unwrap(),
            subject: "s".to_owned(),
            text: "12345678".to_owned(),
        }
    }

    async fn attempts(refusals: Vec<MailError>) -> usize {
        let mailer = Arc::new(Moody { refusals: Mutex::new(refusals), ..Moody::default() });
        send(mailer.as_ref(), &mail()).await;
        *mailer.asked.lock().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_mail_is_tried_again_where_that_can_help() {
        let away = || MailError::Unavailable("x".to_owned());
        assert_eq!(attempts(vec![]).await, 1);
        assert_eq!(attempts(vec![away(), away()]).await, 3);
        assert_eq!(attempts(vec![away(), away(), away(), away()]).await, 3);
        assert_eq!(attempts(vec![MailError::Refused("x".to_owned())]).await, 1);
    }

    #[tokio::test]
    async fn the_queue_is_bounded() {
        let outbox = Arc::new(Outbox::new(Arc::new(Moody::default())));
        let taken = (0..10 * MOST_WAITING).take_while(|_| outbox.post(Some(mail())).is_ok()).count();
        assert_eq!(taken, MOST_WAITING);
        assert!(outbox.has_room().is_err());
    }

    #[test]
    fn debug_never_shows_what_opens_an_account() {
        assert!(!format!("{:?}", mail()).contains("1234"));
    }
}
