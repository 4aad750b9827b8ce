//! What the tests leave behind, so that one test after all others can look for secrets in everything that the program said.
//!
//! Each test is a process of its own, and keeps a folder below `COATROOM_E2E_EVIDENCE`: the logs of its programs, the bodies of
//! all refusals that it met, and every secret that it saw, on its own side or on that of a provider. Without the variable
//! nothing is kept, for the inner loop.

use std::env;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};

use reqwest::StatusCode;

/// Where a secret must not be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Secret {
    /// Neither in a log nor in a refusal: tokens, codes, verifiers, client secrets, keys, cookies.
    Credential,
    /// Not in a log. Pages carry it, because the browser must bring it back: `state`, the sealed flow in a form.
    Carried,
}

/// The name of the variable that says where the folders are.
pub const FOLDER: &str = "COATROOM_E2E_EVIDENCE";
/// The file that has the logs of a test's programs.
pub const LOG: &str = "log.txt";
/// The file that has the bodies of the refusals that a test met.
pub const REFUSALS: &str = "refusals.txt";
/// The file that has the secrets that a test saw: one a line, after its kind and a tab.
pub const SECRETS: &str = "secrets.txt";

/// Texts that are shorter than this are found by chance.
pub const SHORTEST: usize = 12;

/// Keeps a secret, to be looked for.
///
/// # Panics
/// When it has a line break: the file has one secret a line.
pub fn secret(kind: Secret, text: &str) {
    assert!(!text.contains('\n'), "a secret of several lines");
    if text.len() >= SHORTEST {
        let kind = if kind == Secret::Credential { "credential" } else { "carried" };
        append(SECRETS, format!("{kind}\t{text}\n").as_bytes());
    }
}

/// Keeps what the program wrote.
pub fn log(bytes: &[u8]) {
    append(LOG, bytes);
}

/// Keeps the body of an answer that is a refusal.
pub fn answer(status: StatusCode, body: &[u8]) {
    if status.is_client_error() || status.is_server_error() {
        append(REFUSALS, &[format!("=== {status}\n").as_bytes(), body, b"\n"].concat());
    }
}

/// Keeps the values of cookies that an answer sets, and of the code and state in an address that a browser opens.
pub fn browser(cookies: impl IntoIterator<Item = String>, address: &url::Url) {
    for cookie in cookies {
        let value = cookie.split(';').next().and_then(|pair| pair.split_once('=')).map(|(_, value)| value);
        secret(Secret::Credential, value.unwrap_or_default());
    }
    for (name, value) in address.query_pairs() {
        match &*name {
            "code" => secret(Secret::Credential, &value),
            "state" | "nonce" => secret(Secret::Carried, &value),
            _ => {}
        }
    }
}

/// Appends in one write, so that tasks of one test do not mix their lines.
fn append(file: &str, bytes: &[u8]) {
    static WRITING: Mutex<()> = Mutex::new(());
    let Some(folder) = folder() else { return };
    let _one_at_a_time = WRITING.lock().expect("the evidence");
    let mut file = open(&folder.join(file));
    file.write_all(bytes).expect("keeping evidence");
}

fn open(path: &Path) -> File {
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The folder of this process.
fn folder() -> Option<&'static PathBuf> {
    static OWN: OnceLock<Option<PathBuf>> = OnceLock::new();
    let own = OWN.get_or_init(|| {
        let all = PathBuf::from(env::var_os(FOLDER)?);
        fs::create_dir_all(&all).expect("the folder of the evidence");
        let name = format!("{}-", std::process::id());
        let own =
            tempfile::Builder::new().prefix(&name).tempdir_in(all).expect("a folder for the evidence").keep();
        let test = env::args().find(|argument| argument.contains("::")).unwrap_or_default();
        fs::write(own.join("test.txt"), test).expect("keeping evidence");
        Some(own)
    });
    own.as_ref()
}
