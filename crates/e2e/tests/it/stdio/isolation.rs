//! What a process of one user can see and take: nothing of another's, nothing of the gateway's, and not more than its share.

use std::fs;
use std::path::{Path, PathBuf};

use coatroom_e2e::processes;
use coatroom_e2e::upstream::{GitHub, GitHubApp};
use coatroom_e2e::{Gateway, Launcher, Mcp, oauth, tools};
use serde_json::{Value, json};

use super::{MODERN, World, count};

async fn who(mcp: &Mcp) -> Value {
    serde_json::from_str(&mcp.call("whoami", json!({})).await.text()).unwrap()
}

async fn environment(mcp: &Mcp) -> Value {
    serde_json::from_str(&mcp.call("env", json!({})).await.text()).unwrap()
}

/// Whether a tool was refused what it tried.
async fn is_refused(mcp: &Mcp, tool: &str, arguments: Value) -> bool {
    let answer = mcp.call(tool, arguments).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.body["result"]["isError"] == true
}

/// The process ids as this test sees them, of which a process in a namespace of its own knows nothing.
fn outside(world: &World, token: &str) -> Vec<u32> {
    let with_token = processes::with(token);
    world.processes().into_iter().filter(|process| with_token.contains(process)).collect()
}

#[tokio::test]
async fn the_environment_has_what_the_file_names_and_nothing_of_the_gateway() {
    let world = World::start(MODERN, "", "").await;
    let alice = world.client("Alice", MODERN, json!({})).await;
    let environment = environment(&alice).await;
    let names: Vec<&str> = environment.as_object().unwrap().keys().map(String::as_str).collect();
    for name in ["TOKEN", "MARK", "PROBE_REVISION", "HOME", "PATH"] {
        assert!(names.contains(&name), "{name} is missing in {names:?}");
    }
    for name in &names {
        assert!(!name.starts_with("COATROOM"), "{name} is the gateway's");
    }
    let folder = world.gateway.folder().display().to_string();
    assert!(!environment.to_string().contains(&folder), "the gateway's own HOME: {environment}");
    assert_eq!(world.github.owner_of(environment["TOKEN"].as_str().unwrap()).as_deref(), Some("alice"));
}

#[tokio::test]
async fn home_and_temporary_files_are_its_own_and_go_with_it() {
    let world = World::start(MODERN, "idle = \"2s\"\n", "").await;
    let alice = world.client("Alice", MODERN, json!({})).await;
    let variables = environment(&alice).await;
    let (who, mut places) = (who(&alice).await, Vec::new());
    for name in ["HOME", "TMPDIR"] {
        let folder =
            PathBuf::from(variables[name].as_str().unwrap_or_else(|| panic!("no {name}: {variables}")));
        let file = folder.join("kept.txt").display().to_string();
        let written = alice.call("write-file", json!({"path": file, "text": "mine"})).await;
        assert_eq!(written.text(), "written", "{name}");
        assert_eq!(alice.call("read-file", json!({"path": file})).await.text(), "mine");
        places.push(folder);
    }
    assert_eq!(who["folder"], variables["HOME"], "{who}");
    // In whatever namespace it is, the folder lies somewhere on this machine.
    let process = world.processes()[0];
    let seen = PathBuf::from(format!("/proc/{process}/root")).join(places[0].strip_prefix("/").unwrap());
    let metadata = fs::metadata(&seen).unwrap();
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o777, 0o700);
    drop(alice);
    processes::until(std::time::Duration::from_secs(20), "it never rests", || world.processes().is_empty())
        .await;
    let left = || places.iter().any(|place| place.join("kept.txt").exists());
    processes::until(std::time::Duration::from_secs(3), "its files are still there", || !left()).await;
}

/// What Alice's process may not read while Bob's runs.
async fn alice_sees_nothing_of_bob(world: &World) {
    let (alice, bob) =
        (world.client("Alice", MODERN, json!({})).await, world.client("Bob", MODERN, json!({})).await);
    let (of_alice, of_bob) = (count(&alice).await, count(&bob).await);
    let (token, other) = (of_alice["token"].as_str().unwrap(), of_bob["token"].as_str().unwrap());
    let home = environment(&bob).await["HOME"].as_str().unwrap().to_owned();
    let secret = Path::new(&home).join("secret.txt").display().to_string();
    assert!(!is_refused(&bob, "write-file", json!({"path": secret, "text": "of bob"})).await);
    let bobs = outside(world, other);
    assert_eq!(bobs.len(), 1, "one process has Bob's token");
    let gateway = world.gateway.id();
    let data = world.gateway.folder().join("data");
    let mut forbidden = vec![secret.clone()];
    for process in bobs.iter().copied().chain([gateway, std::process::id(), 1]) {
        for file in ["environ", "mem", "maps", "root/etc/hostname", "cwd/secret.txt"] {
            forbidden.push(format!("/proc/{process}/{file}"));
        }
    }
    forbidden.push(format!("/proc/{}/root{secret}", bobs[0]));
    for file in ["data/coatroom.db", "data/coatroom.db-wal", "data/keys.toml", "coatroom.toml"] {
        forbidden.push(world.gateway.folder().join(file).display().to_string());
    }
    for path in &forbidden {
        // In a namespace of its own a number may be that of another process, or of itself.
        let answer = alice.call("read-file", json!({"path": path})).await;
        let text = answer.body.to_string();
        for (what, of) in [
            (other, "Bob's token"),
            ("of bob", "Bob's file"),
            ("SQLite format", "the store"),
            ("[[", "the keys"),
        ] {
            assert!(!text.contains(what), "{path} shows {of}");
        }
        assert!(!text.contains("client_secret"), "{path} shows the configuration");
    }
    for path in [home.as_str(), &data.display().to_string(), &world.gateway.folder().display().to_string()] {
        let answer = alice.call("list-folder", json!({"path": path})).await;
        for name in ["secret.txt", "coatroom.db", "keys.toml", "coatroom.toml"] {
            assert!(!answer.body.to_string().contains(name), "{path} shows {name}");
        }
    }
    assert!(is_refused(&alice, "write-file", json!({"path": secret, "text": "by alice"})).await);
    for text in [other, "COATROOM_LOG", "keys.toml"] {
        let found = alice.call("search-processes", json!({"text": text})).await.text();
        assert_eq!(found, "", "other processes show {text}");
    }
    assert_eq!(bob.call("read-file", json!({"path": secret})).await.text(), "of bob");
    assert_ne!(token, other);
}

#[tokio::test]
async fn a_process_of_one_user_sees_nothing_of_another_or_of_the_gateway() {
    let world = World::start(MODERN, "", "").await;
    alice_sees_nothing_of_bob(&world).await;
}

/// The users that processes run as, where the gateway may choose.
#[tokio::test]
async fn each_process_is_another_user_of_the_system_where_there_are_some() {
    let world = World::start(MODERN, "", "[processes]\nuids = \"61000-61999\"\n").await;
    let (alice, bob) =
        (world.client("Alice", MODERN, json!({})).await, world.client("Bob", MODERN, json!({})).await);
    let (alices, bobs) = (who(&alice).await, who(&bob).await);
    assert_ne!(alices["uid"], bobs["uid"]);
    for who in [&alices, &bobs] {
        assert!((61_000..62_000).contains(&who["uid"].as_u64().unwrap()), "{who}");
    }
    alice_sees_nothing_of_bob(&world).await;
}

#[tokio::test]
async fn a_process_has_no_privileges_and_gains_none() {
    let world = World::start(MODERN, "", "").await;
    let alice = world.client("Alice", MODERN, json!({})).await;
    let who = who(&alice).await;
    let status = who["status"].as_str().unwrap();
    let value = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        line.trim().to_owned()
    };
    assert_eq!(value("NoNewPrivs:"), "1");
    for set in ["CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:"] {
        assert_eq!(value(set), "0000000000000000", "{set}");
    }
    for path in ["/etc/coatroom-was-here", "/usr/bin/coatroom-was-here", "/coatroom-was-here"] {
        assert!(is_refused(&alice, "write-file", json!({"path": path, "text": "x"})).await, "{path}");
    }
    assert!(
        !is_refused(&alice, "list-folder", json!({"path": "/usr/bin"})).await,
        "the system's programs are there"
    );
}

#[tokio::test]
async fn extra_paths_are_read_or_written_as_the_file_says() {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let (read, write, neither) =
        (folder.path().join("read"), folder.path().join("write"), folder.path().join("neither"));
    for place in [&read, &write, &neither] {
        fs::create_dir(place).unwrap();
        fs::write(place.join("file"), "there").unwrap();
        fs::set_permissions(place, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    }
    // The first `read` is the probe's own.
    let server = format!("write = {}\n", super::paths(&write));
    let world = World::start(MODERN, &server, "").await;
    let alice = world.client("Alice", MODERN, json!({})).await;
    let path = |place: &Path, file: &str| place.join(file).display().to_string();
    for (place, file, tool, refused) in [
        (&write, "file", "read-file", false),
        (&write, "new", "write-file", false),
        (&neither, "file", "read-file", true),
        (&neither, "new", "write-file", true),
    ] {
        let arguments = json!({"path": path(place, file), "text": "x"});
        assert_eq!(is_refused(&alice, tool, arguments).await, refused, "{tool} {}", place.display());
    }
}

#[tokio::test]
async fn memory_processes_files_and_computing_are_bounded() {
    let limits = "memory = \"256 MiB\"\nmax_processes = 20\nopen_files = 64\ncpu_time = \"3s\"\n";
    let world = World::start(MODERN, limits, "").await;
    let alice = world.client("Alice", MODERN, json!({})).await;
    let number =
        async |tool: &str| -> u64 { alice.call(tool, json!({"count": 500})).await.text().parse().unwrap() };
    assert!(number("open-files").await < 64);
    let processes = number("many-processes").await;
    assert!(processes < 500, "{processes} processes at once");
    let fits = alice.call("eat-memory", json!({"mebibytes": 100})).await;
    assert_eq!(fits.text(), "ate 100 MiB");
    let eaten = alice.call("eat-memory", json!({"mebibytes": 1000})).await;
    assert!(eaten.body.get("error").is_some(), "{}", eaten.body);
    let bob = world.client("Bob", MODERN, json!({})).await;
    let burnt = bob.call("burn", json!({"seconds": 20})).await;
    assert!(burnt.body.get("error").is_some(), "{}", burnt.body);
    assert_eq!(count(&alice).await["asked"], 1, "another process is there");
}

/// Where nothing keeps processes apart, that must be written down.
#[tokio::test]
async fn where_nothing_keeps_processes_apart_it_refuses_to_start_unless_told_to() {
    let github = GitHub::start(GitHubApp::OAuth).await;
    let section = super::section(&github.configuration(), "github", MODERN, "none");
    let configuration = format!("{}{section}", super::head(tools::free_port()));
    let refusal = Gateway::refusal(&Launcher::as_powerless_root(), &configuration).await;
    assert!(refusal.contains("isolation = \"none\""), "{refusal}");
    let more = "isolation = \"none\"\n[processes]\nfolder = \"{data}/processes\"\n";
    let port = tools::free_port();
    let configuration = format!("{}{section}{more}", super::head(port));
    let gateway = Gateway::serve_by(Launcher::as_powerless_root(), port, &configuration).await;
    let world = World { gateway, github, mark: "none".to_owned() };
    let alice = world.client("Alice", MODERN, json!({})).await;
    assert_eq!(count(&alice).await["asked"], 1);
}

#[tokio::test]
async fn without_isolation_one_sees_what_another_has_and_the_log_says_so() {
    let world = World::start(MODERN, "isolation = \"none\"\n", "").await;
    let alice = world.client("Alice", MODERN, json!({})).await;
    assert_eq!(count(&alice).await["asked"], 1);
    assert!(world.gateway.log().contains("isolation"), "the log says nothing of it");
    let variables = environment(&alice).await;
    assert!(variables.as_object().unwrap().keys().all(|name| !name.starts_with("COATROOM")));
    // What the other tests look for in vain is there to be seen.
    let bob = world.client("Bob", MODERN, json!({})).await;
    let token = count(&bob).await["token"].as_str().unwrap().to_owned();
    let file = format!("{}/secret.txt", environment(&bob).await["HOME"].as_str().unwrap());
    assert_eq!(bob.call("write-file", json!({"path": file, "text": "of bob"})).await.text(), "written");
    assert_eq!(alice.call("read-file", json!({"path": file})).await.text(), "of bob");
    assert_ne!(alice.call("search-processes", json!({"text": token})).await.text(), "");
}

/// A world in other circumstances, with a folder of its own for its processes.
async fn world_by(launcher: Launcher) -> World {
    let github = GitHub::start(GitHubApp::OAuth).await;
    let (port, mark) = (tools::free_port(), format!("mark-{}", oauth::random()));
    let section = super::section(&github.configuration(), "github", MODERN, &mark);
    let more = "[processes]\nfolder = \"{data}/processes\"\n";
    let configuration = format!("{}{section}{more}", super::head(port));
    World { gateway: Gateway::serve_by(launcher, port, &configuration).await, github, mark }
}

#[tokio::test]
async fn a_gateway_that_is_not_roots_keeps_processes_apart() {
    let world = world_by(Launcher::as_user(61_500)).await;
    alice_sees_nothing_of_bob(&world).await;
}

#[tokio::test]
async fn a_gateway_that_has_nothing_but_landlock_keeps_processes_apart() {
    let world = world_by(Launcher::without_namespaces(61_501)).await;
    alice_sees_nothing_of_bob(&world).await;
}
