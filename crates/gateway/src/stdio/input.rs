//! What a process reads: lines, which are written at once where the pipe takes them, and wait in their order where it does not.
//!
//! Most lines are written by whoever sends them, without waking anybody: a task between would cost more than the write.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::net::unix::pipe;
use tokio::process::ChildStdin;
use tokio::sync::Notify;
use zeroize::Zeroizing;

use super::process::Gone;

/// The way to a process's stdin. Cloning it is cheap.
#[derive(Debug, Clone)]
pub(super) struct Input(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// There is something to write, or nothing will come any more.
    more: Notify,
    /// There is room for more.
    room: Notify,
}

#[derive(Debug)]
struct State {
    /// Gone once the process gets no more.
    pipe: Option<Arc<pipe::Sender>>,
    /// What the pipe did not take yet.
    waiting: VecDeque<Line>,
    /// How much of the first is written.
    written: usize,
    /// Nothing more is taken; what waits is written.
    closes: bool,
}

/// It may hold a credential.
type Line = Zeroizing<Vec<u8>>;

impl Input {
    /// Takes over the stdin of a process.
    ///
    /// # Errors
    /// When the system refuses it.
    pub(super) fn new(stdin: ChildStdin) -> io::Result<Self> {
        let pipe = Arc::new(pipe::Sender::from_owned_fd(stdin.into_owned_fd()?)?);
        let state = State { pipe: Some(pipe), waiting: VecDeque::new(), written: 0, closes: false };
        let input =
            Self(Arc::new(Shared { state: Mutex::new(state), more: Notify::new(), room: Notify::new() }));
        tokio::spawn(input.clone().write());
        Ok(input)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes bytes, or lets them wait for their turn.
    ///
    /// # Errors
    /// [`Gone`] when the process gets no more.
    pub(super) async fn send(&self, bytes: Vec<u8>) -> Result<(), Gone> {
        let mut bytes = Zeroizing::new(bytes);
        loop {
            // Before it is known that there is none, so that no room is missed.
            let room = self.0.room.notified();
            match self.state().take(bytes) {
                Ok(is_written) => {
                    if !is_written {
                        self.0.more.notify_one();
                    }
                    return Ok(());
                }
                Err(Full::Gone) => return Err(Gone),
                Err(Full::NoRoom(given_back)) => bytes = given_back,
            }
            room.await;
        }
    }

    /// Writes bytes if there is room for them at once.
    pub(super) fn try_send(&self, bytes: Vec<u8>) {
        if let Ok(false) = self.state().take(Zeroizing::new(bytes)) {
            self.0.more.notify_one();
        }
    }

    /// Takes no more, and closes the pipe when what waits is written.
    pub(super) fn close(&self) {
        let mut state = self.state();
        state.closes = true;
        if state.waiting.is_empty() {
            state.pipe = None;
        }
        drop(state);
        self.0.more.notify_one();
        self.0.room.notify_waiters();
    }

    /// Writes what waits, as the pipe takes it.
    async fn write(self) {
        loop {
            let pipe = {
                let state = self.state();
                let Some(pipe) = &state.pipe else { return };
                (!state.waiting.is_empty()).then(|| Arc::clone(pipe))
            };
            match pipe {
                None => self.0.more.notified().await,
                Some(pipe) => {
                    let is_ready = pipe.writable().await.is_ok();
                    self.state().advance(is_ready);
                    self.0.room.notify_waiters();
                }
            }
        }
    }
}

/// Why bytes are not taken.
enum Full {
    Gone,
    NoRoom(Line),
}

impl State {
    /// Takes bytes; whether they are written already.
    fn take(&mut self, bytes: Line) -> Result<bool, Full> {
        let Some(pipe) = self.pipe.as_ref().filter(|_| !self.closes) else { return Err(Full::Gone) };
        if self.waiting.len() >= MOST_WAITING {
            return Err(Full::NoRoom(bytes));
        }
        if self.waiting.is_empty() {
            match pipe.try_write(&bytes) {
                Ok(written) if written == bytes.len() => return Ok(true),
                Ok(written) => self.written = written,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => {
                    self.pipe = None;
                    return Err(Full::Gone);
                }
            }
        }
        self.waiting.push_back(bytes);
        Ok(false)
    }

    /// Writes as much of what waits as the pipe takes.
    fn advance(&mut self, is_ready: bool) {
        while let (Some(pipe), Some(line)) = (&self.pipe, self.waiting.front()) {
            let rest = line.get(self.written..).unwrap_or_default();
            match pipe.try_write(rest) {
                Ok(written) if written == rest.len() => {
                    self.waiting.pop_front();
                    self.written = 0;
                }
                Ok(written) => self.written += written,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && is_ready => return,
                Err(_) => self.pipe = None,
            }
        }
        if self.closes {
            self.pipe = None;
        }
    }
}

/// Lines that wait to be written.
const MOST_WAITING: usize = 32;

#[cfg(test)]
mod tests {
    use std::process::Stdio;
    use std::time::Duration;

    use tokio::io::AsyncReadExt as _;
    use tokio::process::{Child, Command};

    use super::*;

    fn start(script: &str) -> (Child, Input) {
        let mut child = Command::new("sh")
            .args(["-c", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let input = Input::new(child.stdin.take().unwrap()).unwrap();
        (child, input)
    }

    #[tokio::test]
    async fn everything_is_read_in_its_order_however_slowly() {
        let (mut child, input) = start("sleep 0.3; cat");
        let mut expected = Vec::new();
        let sending = async {
            for number in 0..100_u8 {
                let line = vec![number; 20_000];
                expected.extend_from_slice(&line);
                input.send(line).await.unwrap();
            }
            input.close();
            assert_eq!(input.send(vec![0]).await, Err(Gone));
        };
        let mut read = Vec::new();
        let mut stdout = child.stdout.take().unwrap();
        let ((), read_to_end) = tokio::join!(sending, stdout.read_to_end(&mut read));
        read_to_end.unwrap();
        assert!(read == expected, "{} of {} bytes", read.len(), expected.len());
        assert!(child.wait().await.unwrap().success(), "it sees the end of its input");
    }

    #[tokio::test]
    async fn who_waits_for_a_process_that_ended_waits_no_longer() {
        let (mut child, input) = start("sleep 0.2");
        let sending = async { while input.send(vec![0; 50_000]).await.is_ok() {} };
        tokio::time::timeout(Duration::from_secs(10), sending).await.unwrap();
        child.wait().await.unwrap();
    }

    #[tokio::test]
    async fn what_is_of_no_use_later_is_left_out_where_there_is_no_room() {
        let (_child, input) = start("exec sleep 5");
        for _ in 0..2 * MOST_WAITING {
            input.try_send(vec![0; 100_000]);
        }
        assert_eq!(input.state().waiting.len(), MOST_WAITING);
    }
}
