//! `coatroom wrap`: one line, and a command is served to whoever signs in.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::MetadataExt as _;
use std::process::{Command, Stdio};

use serde_json::json;
use tempfile::TempDir;

fn coatroom(folder: &TempDir) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_coatroom"));
    command.current_dir(folder.path()).env_clear().env("PATH", "/usr/bin:/bin").env("TMPDIR", folder.path());
    command
}

/// A place that processes which run as users of their own can reach.
fn folder() -> TempDir {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o711);
    std::fs::set_permissions(folder.path(), mode).unwrap();
    folder
}

/// The status line of an answer and its body.
fn get(port: u16, path: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_command_is_served_by_one_line_with_nothing_registered() {
    let folder = folder();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut process = coatroom(&folder)
        .args(["wrap", "--provider", "demo", "--listen", &format!("127.0.0.1:{port}")])
        .args(["--env", "TOKEN={demo.access_token}", "--", "npx", "-y", "@scope/server-notes"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines().map(Result::unwrap);
    let url = format!("http://localhost:{port}/mcp");
    assert!(lines.any(|line| line.contains("MCP URL") && line.ends_with(&url)));
    assert!(lines.any(|line| line.ends_with(&format!("--transport http server-notes {url}"))));
    let metadata = get(port, "/.well-known/oauth-protected-resource/mcp");
    assert!(metadata.starts_with("HTTP/1.1 200") && metadata.contains("server-notes"), "{metadata}");
    let provider = get(port, "/demo-provider/user");
    assert!(provider.starts_with("HTTP/1.1 401"), "{provider}");
    // Undumpable: its environment, with the operator's secrets, is nobody's who runs as the same user.
    let environment = std::fs::metadata(format!("/proc/{}/environ", process.id())).unwrap();
    assert_eq!(environment.uid(), 0);
    let pid = rustix::process::Pid::from_child(&process);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    process.wait().unwrap();
    let left = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
    let places = left.filter(|path| path.to_string_lossy().contains("coatroom-processes"));
    for place in places {
        assert_eq!(std::fs::read_dir(place).unwrap().count(), 0, "no folder of a process stays behind");
    }
}

#[test]
fn without_its_provider_it_says_which_variables_to_set_and_what_to_register() {
    let folder = folder();
    let output = coatroom(&folder)
        .args(["wrap", "--provider", "github", "--env", "TOKEN={github.access_token}", "--", "server"])
        .output()
        .unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    for expected in [
        "COATROOM_GITHUB_CLIENT_ID and COATROOM_GITHUB_CLIENT_SECRET",
        "http://localhost:8787/callback/github",
    ] {
        assert!(!output.status.success() && errors.contains(expected), "{errors}");
    }
}

#[test]
fn a_check_says_what_a_command_is_and_what_keeps_its_processes_apart() {
    let folder = folder();
    let text = "public_url = \"http://localhost:8787\"\n[servers.notes]\nauth = \"off\"\ncommand = [\"npx\", \"notes\"]\n\
                env = { MODE = \"fast\" }\n";
    std::fs::write(folder.path().join("coatroom.toml"), text).unwrap();
    let output = coatroom(&folder).args(["check", "--config", "coatroom.toml"]).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("/mcp -> npx … (stdio; one process per user) (anybody; MODE)"), "{said}");
    assert!(said.contains("processes of users are kept apart by"), "{said}");
}

/// Arguments for a process that gets nothing that keeps users apart: it is in as many rules of Landlock as there can be, and these forbid to
/// mount anything; and it is not root.
fn without_means(folder: &TempDir, arguments: &[&str]) -> Vec<String> {
    let program = env!("CARGO_BIN_EXE_coatroom");
    let all =
        json!({ "folder": folder.path(), "landlock": true, "readable": ["/"], "writable": [folder.path()] });
    let mut line = Vec::new();
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(folder.path(), Some(NOBODY), Some(NOBODY)).unwrap();
        let owner = json!({ "folder": folder.path(), "owner": { "uid": NOBODY, "gid": NOBODY } });
        line.extend(["child".to_owned(), "confine".to_owned(), owner.to_string(), program.to_owned()]);
    }
    for _ in 0..MOST_RULES {
        line.extend(["child".to_owned(), "confine".to_owned(), all.to_string(), program.to_owned()]);
    }
    line.extend(arguments.iter().map(|argument| (*argument).to_owned()));
    line
}

const NOBODY: u32 = 65_534;

/// Of Landlock, for one process.
const MOST_RULES: usize = 16;

#[test]
fn where_nothing_keeps_users_apart_only_the_operator_can_say_that_this_is_well() {
    let folder = folder();
    let text = "public_url = \"http://localhost:8787\"\nstore = \"memory:\"\nlisten = \"127.0.0.1:0\"\n[servers.notes]\nauth = \"off\"\n\
                command = [\"notes\"]\n";
    let path = folder.path().join("coatroom.toml");
    std::fs::write(&path, text).unwrap();
    let path = path.to_str().unwrap();
    let output =
        coatroom(&folder).args(without_means(&folder, &["serve", "--config", path])).output().unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success(), "{errors}");
    for expected in [
        "nothing keeps the processes of different users apart",
        "namespaces",
        "Landlock",
        "isolation = \"none\"",
    ] {
        assert!(errors.contains(expected), "{errors}");
    }
    std::fs::write(path, format!("{text}isolation = \"none\"\n")).unwrap();
    let output =
        coatroom(&folder).args(without_means(&folder, &["check", "--config", path])).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("processes of users are kept apart by nothing"), "{said}");
}
