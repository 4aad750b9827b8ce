//! The program as an operator meets it: exit codes, what it prints, and that it serves and stops.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

fn coatroom() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_coatroom"));
    command.env_clear();
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn check(folder: &Path, file: &str) -> Output {
    let path = folder.join("coatroom.toml");
    std::fs::write(&path, file).unwrap();
    coatroom().args(["check", "--config"]).arg(&path).output().unwrap()
}

#[test]
fn a_good_configuration_is_summed_up() {
    let folder = tempfile::tempdir().unwrap();
    let output = check(
        folder.path(),
        "public_url = \"https://mcp.example.com\"\n\
         [providers.github]\nclient_id = \"a\"\nclient_secret = \"canary\"\n\
         [servers.tools]\nupstream = \"http://127.0.0.1:3000/mcp\"\n",
    );
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let said = text(&output.stdout);
    assert!(said.starts_with("ok: https://mcp.example.com"), "{said}");
    assert!(said.contains("/mcp -> http://127.0.0.1:3000/mcp"), "{said}");
    assert!(said.contains("https://mcp.example.com/callback/github"), "{said}");
    assert!(!said.contains("canary"), "{said}");
}

#[test]
fn a_bad_configuration_fails_with_every_mistake() {
    let folder = tempfile::tempdir().unwrap();
    let output = check(folder.path(), "public_uri = \"https://h.example\"\nlisten = \"here\"\n");
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    assert!(said.contains("coatroom.toml:1:1") && said.contains("did you mean `public_url`?"), "{said}");
    assert!(said.contains("coatroom.toml:2:10"), "{said}");
    assert_eq!(text(&output.stdout), "");
}

/// What `serve` would refuse, `check` names.
#[test]
fn every_bad_redirect_uri_is_named_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let output = check(
        folder.path(),
        "public_url = \"https://mcp.example.com\"\n\
         [providers.github]\nclient_id = \"a\"\nclient_secret = \"b\"\n\
         [servers.tools]\nupstream = \"http://127.0.0.1:3000/mcp\"\n\
         [clients.portal]\n\
         redirect_uris = [\"https://portal.example.com/cb\", \"com.example.app:/cb\", \"http://127.0.0.1/cb\",\n\
         \"http://portal.example.com/cb\",\n\"https://me@portal.example.com/cb\",\n\"javascript:alert(1)\"]\n",
    );
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    for line in [9, 10, 11] {
        assert!(said.contains(&format!("coatroom.toml:{line}:")), "{line}: {said}");
    }
    assert!(said.contains("3 mistakes"), "{said}");
}

// CON-12, for the operator. What it lists and ends is tested from outside, where somebody signs in.
#[test]
fn grants_are_asked_for_by_user_and_id() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("coatroom.toml");
    std::fs::write(
        &path,
        "public_url = \"https://mcp.example.com\"\n[providers.github]\nclient_id = \"a\"\nclient_secret = \"b\"\n\
         [servers.tools]\nupstream = \"http://127.0.0.1:3000/mcp\"\n",
    )
    .unwrap();
    let run = |what: &str, args: &[&str]| {
        let mut command = coatroom();
        command.current_dir(folder.path()).arg(what).args(args).arg("--config").arg(&path);
        let output = command.output().unwrap();
        (output.status.code(), text(&output.stdout) + &text(&output.stderr))
    };
    let grants = |args: &[&str]| run("grants", args);
    let (code, said) = grants(&["list", "github:1"]);
    assert!(code == Some(1) && said.contains("there is no store at"), "{said}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "a question makes nothing");
    assert_eq!(run("block", &["redirect-host", "evil.example"]).0, Some(0));
    assert_eq!(grants(&["list", "github:1"]), (Some(0), String::new()));
    for (args, said) in [
        (&["list", "alice"][..], "write PROVIDER:ID"),
        (&["list", "github:"], "write PROVIDER:ID"),
        (&["revoke", "github:1"], "has no grants"),
        (&["revoke", "github:1", "x"], "is not a grant id"),
        (&["revoke", "github:1", "AAAAAAAAAAAAAAAAAAAAAA"], "has no grant"),
    ] {
        let (code, output) = grants(args);
        assert!(code == Some(1) && output.contains(said), "{args:?}: {output}");
    }
}

/// Records leave and enter stores by files, private ones, and nothing is written over unless it is asked for.
#[test]
fn a_store_is_backed_up_restored_exported_and_imported() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let run = |store: &str, args: &[&str]| {
        let mut command = coatroom();
        command.current_dir(folder.path()).args(args).args(["--store", store]);
        command.env("COATROOM_PUBLIC_URL", "https://mcp.example.com");
        command.env("COATROOM_UPSTREAM", "http://127.0.0.1:3000/mcp");
        command.env("COATROOM_GITHUB_CLIENT_ID", "a").env("COATROOM_GITHUB_CLIENT_SECRET", "b");
        let output = command.output().unwrap();
        (output.status.success(), text(&output.stdout) + &text(&output.stderr))
    };
    let does = |store: &str, args: &[&str], said: &str| {
        let (ok, output) = run(store, args);
        assert!(ok && output.contains(said), "{args:?}: {output}");
    };
    let refuses = |store: &str, args: &[&str], said: &str| {
        let (ok, output) = run(store, args);
        assert!(!ok && output.contains(said), "{args:?}: {output}");
    };
    let private = |name: &str| {
        let mode =
            std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(at(name)).unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600, "{name}");
    };
    refuses("sqlite:one.db", &["backup", "copy.db"], "there is no database");
    does("sqlite:one.db", &["migrate"], "of the format of this program");
    does("sqlite:one.db", &["block", "redirect-host", "evil.example"], "is blocked");
    does("sqlite:one.db", &["backup", "copy.db"], "keys.toml are not in it");
    private("copy.db");
    refuses("sqlite:one.db", &["backup", "copy.db"], "cannot create");
    does("sqlite:one.db", &["block", "redirect-host", "later.example"], "is blocked");
    refuses("sqlite:one.db", &["restore", "copy.db"], "has records already");
    does("sqlite:one.db", &["restore", "copy.db", "--over"], "is what copy.db was");
    assert_eq!(run("sqlite:one.db", &["block", "list"]).1, "redirect-host:evil.example\n");

    does("sqlite:one.db", &["export", "records.jsonl"], "1 records are in records.jsonl");
    private("records.jsonl");
    refuses("sqlite:one.db", &["export", "records.jsonl"], "cannot make records.jsonl");
    does("sqlite:two.db", &["import", "records.jsonl"], "1 records are in the store");
    assert_eq!(run("sqlite:two.db", &["block", "list"]).1, "redirect-host:evil.example\n");
    refuses("sqlite:two.db", &["import", "records.jsonl"], "has records already");
    does("sqlite:two.db", &["import", "records.jsonl", "--over"], "1 records are in the store");

    let whole = std::fs::read_to_string(at("records.jsonl")).unwrap();
    let lines: Vec<&str> = whole.lines().collect();
    for (bad, said) in [
        (lines[..lines.len() - 1].join("\n"), "its end is missing"),
        ([lines[0], lines[2]].join("\n"), "it has 0 records instead of 1"),
        (whole.replace("\"setting\"", "\"recipe\""), "`recipe` is not known"),
        (whole.replace("_export\":1", "_export\":2"), "form 2"),
        (whole.replace("\"owner\"", "\"canary\""), "line 2 is not one of an export"),
        (String::new(), "did not write it"),
    ] {
        std::fs::write(at("bad.jsonl"), bad).unwrap();
        let (ok, output) = run("sqlite:three.db", &["import", "bad.jsonl"]);
        assert!(!ok && output.contains(said) && !output.contains("canary"), "{said}: {output}");
        assert!(!folder.path().join("three.db").exists(), "nothing is made for a bad file");
    }
    for store in ["memory:", "postgres://u:canary@127.0.0.1:1/db", "redis://u:canary@127.0.0.1:1"] {
        let (ok, output) = run(store, &["backup", "other.db"]);
        assert!(!ok && !output.contains("canary"), "{output}");
        let (ok, output) = run(store, &["export", "other.jsonl"]);
        assert!(!ok && !output.contains("canary"), "{output}");
        assert!(!folder.path().join("other.jsonl").exists());
    }
}

#[test]
fn without_arguments_the_program_explains_itself() {
    let output = coatroom().output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("coatroom serve --public-url"), "{}", text(&output.stderr));
}

/// An address that was free a moment ago.
fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// Answers one request with `hello`, and gives what was sent.
fn upstream() -> (SocketAddr, std::thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let serving = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut seen = Vec::new();
        let mut chunk = [0; 4096];
        while !seen.ends_with(CALL.as_bytes()) {
            let count = stream.read(&mut chunk).unwrap();
            seen.extend_from_slice(chunk.get(..count).unwrap());
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello").unwrap();
        text(&seen)
    });
    (address, serving)
}

fn connect(address: SocketAddr) -> TcpStream {
    for _ in 0..100 {
        if let Ok(stream) = TcpStream::connect(address) {
            return stream;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    TcpStream::connect(address).unwrap()
}

/// A running program. It ends with the test, also when the test fails.
struct Running(Child);

impl Running {
    fn serve(config: &Path) -> Self {
        let mut command = coatroom();
        command.args(["serve", "--config"]).arg(config).stdout(Stdio::null()).stderr(Stdio::piped());
        Self(command.spawn().unwrap())
    }

    fn stop(mut self) -> (Option<i32>, String) {
        let pid = self.0.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let code = self.0.wait().unwrap().code();
        let mut log = String::new();
        self.0.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        (code, log)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // One that has stopped already is no failure.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// A notification, so that the answer is not looked at.
const CALL: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;

#[test]
fn an_open_server_is_proxied_until_the_program_is_told_to_stop() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("coatroom.toml");
    let (upstream, serving) = upstream();
    let listen = free_address();
    let file = format!(
        "public_url = \"http://{listen}\"\nlisten = \"{listen}\"\nstore = \"memory:\"\n\
         [servers.open]\nauth = \"off\"\nupstream = \"http://{upstream}/inner\"\n"
    );
    std::fs::write(&path, file).unwrap();
    let running = Running::serve(&path);
    let mut stream = connect(listen);
    let request = format!(
        "POST /mcp HTTP/1.1\r\nhost: {listen}\r\nauthorization: Bearer canary\r\ncontent-length: {}\r\n\
         content-type: application/json\r\nconnection: close\r\n\r\n{CALL}",
        CALL.len()
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("hello"), "{answer}");
    let seen = serving.join().unwrap();
    assert!(seen.starts_with("POST /inner HTTP/1.1") && !seen.contains("canary"), "{seen}");
    let (code, log) = running.stop();
    assert_eq!(code, Some(0));
    assert!(log.contains("serving") && log.contains("stopping") && !log.contains("canary"), "{log}");
    assert!(!log.contains('\u{1b}'), "colours are for terminals: {log}");
}

/// The README shows a whole file. Whoever copies it gets what it says.
#[test]
fn the_configuration_in_the_readme_is_good() {
    let readme =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md")).unwrap();
    let file = readme.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    let folder = tempfile::tempdir().unwrap();
    for secret in ["github.secret", "company.secret", "portal.secret"] {
        std::fs::write(folder.path().join(secret), "canary").unwrap();
    }
    let output = check(folder.path(), file);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let said = text(&output.stdout);
    assert!(said.contains("/github -> http://127.0.0.1:3000/mcp"), "{said}");
    assert!(said.contains("https://mcp.example.com/callback/company"), "{said}");
}
