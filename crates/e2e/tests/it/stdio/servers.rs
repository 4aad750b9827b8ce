//! Servers written by others, called by clients written by others, in both eras.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use coatroom_e2e::foreign::{Script, Transcript};
use coatroom_e2e::upstream::{GitHub, GitHubApi, GitHubApp};
use coatroom_e2e::{FormBrowser, Gateway, Launcher, Mcp, OAuthClient, tools};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{MODERN, head};
use crate::{ALICES, BOBS, assert_repositories};

/// What runs a package from npm, its script, and the folder with all packages, which it must be able to read.
pub(crate) fn node_server(name: &str) -> (String, String, String) {
    let node = fs::canonicalize(tools::folder().join("bin/node")).unwrap();
    let packages = fs::canonicalize(tools::folder().join("node/node_modules")).unwrap();
    let script = packages.join("@modelcontextprotocol").join(name).join("dist/index.js");
    let text = |path: PathBuf| path.display().to_string();
    (text(node), text(script), text(packages))
}

#[tokio::test]
async fn two_users_of_the_github_server_each_see_what_is_theirs() {
    let github = GitHub::start(GitHubApp::OAuth).await;
    let api = GitHubApi::start(&github).await;
    let (node, script, packages) = node_server("server-github");
    let authority = api.authority().display().to_string();
    let port = tools::free_port();
    let configuration = format!(
        "{}{}\n[servers.github]\npath = \"/mcp\"\nprovider = \"github\"\ncommand = [\"{node}\", \"{script}\"]\n\
         read = [\"{node}\", \"{packages}\", \"{authority}\"]\n\
         env = {{ GITHUB_PERSONAL_ACCESS_TOKEN = \"{{github.access_token}}\", NODE_EXTRA_CA_CERTS = \"{authority}\" }}\n",
        head(port),
        github.configuration()
    );
    let gateway = Gateway::serve_by(Launcher::naming(&api.hosts()), port, &configuration).await;
    let client = OAuthClient::connect(&gateway.mcp_url()).await;
    for revision in ["2025-06-18", MODERN] {
        let both = [
            ("Alice", ALICES, BOBS, "alice/diary", "bob/invoices"),
            ("Bob", BOBS, ALICES, "bob/invoices", "alice/diary"),
        ];
        let calls = both.map(async |(account, own, strangers, file, theirs)| {
            let tokens = client.sign_in(account).await;
            let mcp = Mcp::connect_as(&gateway.mcp_url(), revision, &tokens.access, json!({})).await;
            let query = json!({"query": format!("user:{}", account.to_lowercase())});
            let found = mcp.call("search_repositories", query).await;
            assert_repositories(&found.text(), own, strangers);
            for (path, is_seen) in [(file, true), (theirs, false)] {
                let (owner, repo) = path.split_once('/').unwrap();
                let asked = json!({"owner": owner, "repo": repo, "path": "README.md"});
                let answer = mcp.call("get_file_contents", asked).await;
                assert_eq!(
                    answer.body.to_string().contains(&format!("{repo} of ")),
                    is_seen,
                    "{}",
                    answer.body
                );
            }
        });
        futures_util::future::join_all(calls).await;
    }
    for secret in github.secrets() {
        assert!(!gateway.log().contains(&secret), "a secret is in the log");
    }
}

/// Three servers behind one gateway, each at a path of its own.
struct Three {
    gateway: Gateway,
    folder: TempDir,
}

impl Three {
    async fn start() -> Self {
        let github = GitHub::start(GitHubApp::OAuth).await;
        let folder = tempfile::tempdir().unwrap();
        for user in ["alice", "bob"] {
            let own = folder.path().join(user);
            fs::create_dir(&own).unwrap();
            fs::write(own.join("note.txt"), format!("a note of {user}")).unwrap();
            // Whichever user of the system a process is.
            for path in [&own, folder.path()] {
                fs::set_permissions(path, fs::Permissions::from_mode(0o777)).unwrap();
            }
        }
        let (node, everything, packages) = node_server("server-everything");
        let (_, files, _) = node_server("server-filesystem");
        let python = tools::folder().join("python-servers");
        let python = fs::canonicalize(python).unwrap().display().to_string();
        let time = format!("{python}/bin/python\", \"-m\", \"mcp_server_time");
        let (port, shared) = (tools::free_port(), folder.path().display());
        let configuration = format!(
            "{}{}\n[servers.everything]\npath = \"/everything\"\nprovider = \"github\"\ncommand = [\"{node}\", \"{everything}\"]\n\
             read = [\"{node}\", \"{packages}\"]\n\
             [servers.files]\npath = \"/files\"\nprovider = \"github\"\n\
             command = [\"{node}\", \"{files}\", \"{shared}/{{user.username}}\"]\n\
             read = [\"{node}\", \"{packages}\"]\nwrite = [\"{shared}\"]\n\
             [servers.time]\npath = \"/time\"\nprovider = \"github\"\ncommand = [\"{time}\"]\nread = [\"{python}\"]\n",
            head(port),
            github.configuration()
        );
        Self { gateway: Gateway::serve_at(port, &configuration).await, folder }
    }

    /// Runs a plan at one of the servers.
    async fn run(&self, script: Script, path: &str, account: &str, plan: Value) -> Transcript {
        let url = format!("{}{path}", self.gateway.origin());
        let person = FormBrowser::new();
        let sign_in = async |url: &str| drop(person.approve(url, account).await);
        script.run_where(&url, &plan, sign_in).await
    }
}

/// Alice and Bob call all three servers at the same time.
async fn drive(script: Script) {
    let three = Three::start().await;
    let run = async |account: &str, other: &str| {
        let user = account.to_lowercase();
        let folder = three.folder.path();
        let (own, theirs) = (folder.join(&user).join("note.txt"), folder.join(other).join("note.txt"));
        let everything = json!(["list", {"call": "echo", "arguments": {"message": user}}, "refresh", {"call": "get-sum", "arguments": {"a": 2, "b": 3}}]);
        let files = json!([
            {"call": "read_text_file", "arguments": {"path": own}},
            {"call": "read_text_file", "arguments": {"path": theirs}},
            {"call": "write_file", "arguments": {"path": folder.join(&user).join("new.txt"), "content": user}},
        ]);
        let time = json!(["list", {"call": "get_current_time", "arguments": {"timezone": "Etc/UTC"}}]);
        let at_everything = three.run(script, "/everything", account, everything).await;
        assert!(at_everything.steps[0]["tools"].as_array().unwrap().contains(&json!("echo")));
        assert!(at_everything.steps[1]["text"].as_str().unwrap().contains(&user), "{at_everything:?}");
        assert!(at_everything.steps[3]["text"].as_str().unwrap().contains('5'), "{at_everything:?}");
        let at_files = three.run(script, "/files", account, files).await;
        assert!(
            at_files.steps[0]["text"].as_str().unwrap().contains(&format!("a note of {user}")),
            "{at_files:?}"
        );
        assert_eq!(at_files.steps[1]["isError"], true, "{at_files:?}");
        assert_eq!(at_files.steps[2]["isError"], false, "{at_files:?}");
        assert_eq!(fs::read_to_string(folder.join(&user).join("new.txt")).unwrap(), user);
        let at_time = three.run(script, "/time", account, time).await;
        assert!(at_time.steps[1]["text"].as_str().unwrap().contains("UTC"), "{at_time:?}");
    };
    tokio::join!(run("Alice", "bob"), run("Bob", "alice"));
}

#[tokio::test]
async fn the_typescript_sdk_1_calls_servers_of_others() {
    drive(Script::Node("ts-sdk-1.mjs")).await;
}

#[tokio::test]
async fn the_typescript_sdk_2_calls_servers_of_others() {
    drive(Script::Node("ts-sdk-2.mjs")).await;
}

#[tokio::test]
async fn the_python_sdk_1_calls_servers_of_others() {
    drive(Script::Python("python-1", "sdk_1.py")).await;
}

#[tokio::test]
async fn the_python_sdk_2_calls_servers_of_others() {
    drive(Script::Python("python-2", "sdk_2.py")).await;
}
