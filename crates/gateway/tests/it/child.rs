//! `coatroom child`: what a user's own process sees and leaves behind, with real processes.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

/// A place for users' folders, as the gateway has it.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        // Not in /tmp, of which every process has its own where there are namespaces.
        let place = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        fs::set_permissions(place.path(), fs::Permissions::from_mode(0o711)).unwrap();
        Self(place)
    }

    /// The folder of a user, with a secret in it.
    fn folder(&self, user: &str, owner: Option<u32>) -> PathBuf {
        let folder = self.0.path().join(user);
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("secret"), format!("secret of {user}")).unwrap();
        for path in [folder.clone(), folder.join("secret")] {
            let mode = if path == folder { 0o700 } else { 0o600 };
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            if let Some(owner) = owner {
                chown(&path, Some(owner), Some(owner)).unwrap();
            }
        }
        folder
    }
}

/// A supervised command.
struct Supervised {
    process: Child,
    stdin: Option<ChildStdin>,
}

impl Supervised {
    /// Starts `sh -c script` under a supervisor that is told `confinement`.
    fn start(confinement: &Value, script: &str) -> Self {
        let environment: BTreeMap<&str, &str> =
            [("PATH", "/usr/bin:/bin"), ("TOKEN", "canary-of-the-environment")].into();
        let plan = json!({ "command": ["sh", "-c", script], "environment": environment }).to_string();
        let mut process = Command::new(env!("CARGO_BIN_EXE_coatroom"))
            .args(["child", "supervise", &confinement.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = process.stdin.take().unwrap();
        stdin.write_all(&u32::try_from(plan.len()).unwrap().to_be_bytes()).unwrap();
        stdin.write_all(plan.as_bytes()).unwrap();
        Self { process, stdin: Some(stdin) }
    }

    fn send(&mut self, text: &str) {
        self.stdin.as_mut().unwrap().write_all(text.as_bytes()).unwrap();
    }

    /// Reads what it says until it has said `word`.
    fn hear(&mut self, word: &str) -> String {
        let (mut heard, mut byte) = (Vec::new(), [0]);
        while !String::from_utf8_lossy(&heard).contains(word) {
            let read = self.process.stdout.as_mut().unwrap().read(&mut byte).unwrap();
            assert_eq!(read, 1, "it ended before it said {word}: {}", String::from_utf8_lossy(&heard));
            heard.extend(byte);
        }
        String::from_utf8(heard).unwrap()
    }

    /// Closes its input; what else it says, and its code.
    fn finish(mut self) -> (String, String, Option<i32>) {
        drop(self.stdin.take());
        let output = self.process.wait_with_output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (text(output.stdout), text(output.stderr), output.status.code())
    }
}

/// Says what came of a script that reads no input.
fn said(confinement: &Value, script: &str) -> (String, String, Option<i32>) {
    let mut supervised =
        Supervised::start(confinement, &format!("{{ {script}; }} 2>&1; echo; echo done; read _"));
    let heard = supervised.hear("done\n");
    let (_, errors, code) = supervised.finish();
    (heard.replace("\ndone\n", ""), errors, code)
}

/// Whether any process has `word` among its arguments.
fn is_running(word: &str) -> bool {
    let processes = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let own = std::process::id().to_string();
    processes.filter(|entry| entry.file_name().to_str() != Some(&own)).any(|entry| {
        let arguments = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        // The supervisor's own arguments end where the command's begin.
        let text = String::from_utf8_lossy(&arguments);
        text.contains(word)
    })
}

#[expect(clippy::disallowed_methods, reason = "this is about real processes and real time")]
fn wait_until_gone(word: &str, patience: Duration) -> Duration {
    let began = Instant::now();
    while is_running(word) {
        assert!(began.elapsed() < patience, "{word} is still there");
        std::thread::sleep(Duration::from_millis(10));
    }
    began.elapsed()
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Every way to keep users apart that can be tried here, with who owns the folders.
fn ways(place: &Place) -> Vec<(&'static str, Value, PathBuf)> {
    let mut ways = Vec::new();
    let mut add = |name: &'static str, owners: Option<(u32, u32)>, mut confinement: Value| {
        let (alice, bob) = (format!("alice-{name}"), format!("bob-{name}"));
        let folder = place.folder(&alice, owners.map(|owners| owners.0));
        let other = place.folder(&bob, owners.map(|owners| owners.1));
        confinement["folder"] = json!(folder);
        if let Some((uid, _)) = owners {
            confinement["owner"] = json!({ "uid": uid, "gid": uid });
        }
        ways.push((name, confinement, other));
    };
    add("landlock", None, json!({ "landlock": true }));
    add("namespaces", None, json!({ "namespaces": true, "hidden": [place.0.path()] }));
    if is_root() {
        add("owner", Some((61_001, 61_002)), json!({}));
        let all = json!({ "namespaces": true, "hidden": [place.0.path()], "landlock": true });
        add("everything", Some((61_003, 61_004)), all);
    }
    ways
}

#[test]
fn a_command_has_the_environment_of_its_plan_alone_and_reads_what_follows_it() {
    let place = Place::new();
    let confinement = json!({ "folder": place.folder("alice", None) });
    let mut supervised =
        Supervised::start(&confinement, "env; pwd; umask; read line; echo \"got $line\"; exit 7");
    supervised.send("{\"first\":1}\n");
    let heard = supervised.hear("got {\"first\":1}\n");
    for line in ["PATH=/usr/bin:/bin", "TOKEN=canary-of-the-environment", "0077"] {
        assert!(heard.lines().any(|heard| heard == line), "{heard}");
    }
    assert!(heard.contains(&place.0.path().join("alice").display().to_string()), "{heard}");
    assert!(!heard.contains("CARGO") && !heard.contains("HOME="), "{heard}");
    assert_eq!(supervised.finish(), (String::new(), String::new(), Some(7)));
}

#[test]
fn nobody_reads_the_credential_off_the_supervisor() {
    let place = Place::new();
    let confinement = json!({ "folder": place.folder("alice", None) });
    let mut supervised = Supervised::start(&confinement, "echo ready; read _");
    supervised.hear("ready");
    let pid = supervised.process.id();
    for file in ["cmdline", "environ"] {
        let text = fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
        assert!(!String::from_utf8_lossy(&text).contains("canary"), "{file}");
    }
    // Undumpable: its files in /proc are root's, so that nobody of the same user may read its memory.
    let owner = std::os::unix::fs::MetadataExt::uid(&fs::metadata(format!("/proc/{pid}/mem")).unwrap());
    assert_eq!(owner, 0);
    supervised.finish();
}

#[test]
fn whichever_way_users_are_kept_apart_one_sees_nothing_of_another() {
    let place = Place::new();
    let outside = Command::new("sleep").arg("300").env("SECRET", "of-another-process").spawn();
    let mut outside = outside.unwrap();
    for (way, confinement, other) in ways(&place) {
        let own = confinement["folder"].as_str().unwrap();
        let (heard, errors, _) = said(&confinement, "cat secret");
        assert_eq!(heard, format!("secret of alice-{way}"), "{way}: {errors}");
        let (heard, ..) = said(&confinement, "echo kept > file && cat file");
        assert_eq!(heard.trim(), "kept", "{way}");
        for path in
            [other.join("secret"), Path::new(own).join("../").join(other.file_name().unwrap()).join("secret")]
        {
            let (heard, ..) = said(&confinement, &format!("cat {}", path.display()));
            assert!(!heard.contains("secret of bob"), "{way}: {heard}");
        }
        let (heard, ..) = said(&confinement, &format!("ls {}", other.display()));
        assert!(!heard.contains("secret\n"), "{way}: {heard}");
        for pid in [outside.id(), std::process::id()] {
            let (heard, ..) = said(&confinement, &format!("tr '\\0' ' ' < /proc/{pid}/environ"));
            assert!(!heard.contains("of-another-process") && !heard.contains("CARGO"), "{way}: {heard}");
        }
        // Neither of a process that another user runs in the same way, which is started while this one looks.
        let theirs = json!({ "folder": other, "namespaces": confinement["namespaces"].as_bool().unwrap_or(false),
            "hidden": [place.0.path()], "landlock": confinement["landlock"].as_bool().unwrap_or(false) });
        let mut theirs = theirs;
        if let Some(uid) = confinement["owner"]["uid"].as_u64() {
            theirs["owner"] = json!({ "uid": uid + 1, "gid": uid + 1 });
        }
        let mut bob = Supervised::start(&theirs, "OWN=canary-of-bob exec sh -c 'echo ready; read _'");
        bob.hear("ready");
        let (heard, ..) = said(&confinement, "cat /proc/[0-9]*/environ | tr '\\0' ' '");
        assert!(!heard.contains("canary-of-bob"), "{way}: {heard}");
        bob.finish();
    }
    outside.kill().unwrap();
    outside.wait().unwrap();
}

#[test]
fn in_namespaces_a_command_sees_its_own_processes_alone() {
    let place = Place::new();
    let confinement = json!({ "folder": place.folder("alice", None), "namespaces": true });
    let (heard, errors, _) =
        said(&confinement, "ls /proc | grep -c '^[0-9]'; cat /proc/1/cmdline | tr '\\0' ' '");
    let (count, first) = heard.trim().split_once('\n').unwrap_or_else(|| panic!("{heard} {errors}"));
    assert!(count.parse::<u32>().unwrap() < 8, "{heard}");
    assert!(first.contains("child init"), "{heard}");
}

#[test]
fn limits_hold() {
    let place = Place::new();
    let limits = json!({ "open_files": 64, "cpu_seconds": 5, "memory": 64 << 20 });
    let confinement = json!({ "folder": place.folder("alice", None), "limits": limits });
    let (heard, ..) = said(&confinement, "ulimit -n; ulimit -t; ulimit -d; ulimit -c");
    assert_eq!(heard.split_whitespace().collect::<Vec<_>>(), ["64", "5", "65536", "0"]);
    let (heard, ..) = said(&confinement, "head -c 200000000 /dev/zero | tail -n 1 | wc -c");
    assert!(!heard.contains("200000000"), "{heard}");
}

#[test]
fn no_program_gives_a_command_more_than_it_has() {
    let place = Place::new();
    let confinement = json!({ "folder": place.folder("alice", None), "landlock": true });
    let (heard, ..) = said(&confinement, "grep NoNewPrivs /proc/self/status");
    assert!(heard.trim_end().ends_with('1'), "{heard}");
    let namespaces = json!({ "folder": place.folder("bob", None), "namespaces": true });
    for confinement in [confinement, namespaces] {
        let (heard, ..) =
            said(&confinement, "grep 'Cap[IPEBA]' /proc/self/status | grep -vc 0000000000000000");
        assert_eq!(heard.trim(), "0", "{confinement}");
    }
}

#[test]
fn at_the_end_of_its_input_everything_ends_also_what_ignores_it() {
    let place = Place::new();
    for (number, namespaces) in [false, true].into_iter().enumerate() {
        let confinement =
            json!({ "folder": place.folder(&number.to_string(), None), "namespaces": namespaces });
        let word = format!("marker-{number}-{}", std::process::id());
        // One that ignores the end and SIGTERM, and one that went into a session of its own.
        let script = format!(
            "setsid sh -c 'trap \"\" TERM HUP; while :; do sleep 1; done' {word} & trap '' TERM; echo ready; while :; do sleep 1; done"
        );
        let mut supervised = Supervised::start(&confinement, &script);
        supervised.hear("ready");
        assert!(is_running(&word));
        drop(supervised.stdin.take());
        let took = wait_until_gone(&word, Duration::from_secs(8));
        assert!(took >= Duration::from_secs(3), "it had a moment to end by itself: {took:?}");
        supervised.process.wait().unwrap();
    }
}

#[test]
fn told_to_end_it_is_gone_at_once_with_all_that_it_started() {
    let place = Place::new();
    for (number, namespaces) in [false, true].into_iter().enumerate() {
        let confinement =
            json!({ "folder": place.folder(&number.to_string(), None), "namespaces": namespaces });
        let word = format!("marker-at-once-{number}-{}", std::process::id());
        let script = format!(
            "setsid sh -c 'while :; do sleep 1; done' {word} & echo ready; while :; do sleep 1; done"
        );
        let mut supervised = Supervised::start(&confinement, &script);
        supervised.hear("ready");
        let pid = rustix::process::Pid::from_child(&supervised.process);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        wait_until_gone(&word, Duration::from_secs(1));
        assert_eq!(supervised.process.wait().unwrap().code(), Some(137));
    }
}

#[test]
fn a_command_that_cannot_be_run_says_why() {
    let place = Place::new();
    let confinement = json!({ "folder": place.folder("alice", None) });
    let plan = json!({ "command": ["no-such-program"], "environment": { "PATH": "/usr/bin" } }).to_string();
    let mut input = u32::try_from(plan.len()).unwrap().to_be_bytes().to_vec();
    input.extend(plan.as_bytes());
    for (input, expected) in [
        (input, "cannot run `no-such-program`"),
        (b"\0\0\0\x02{}".to_vec(), "the gateway did not say what to run"),
        (b"\xff\xff\xff\xff".to_vec(), "the plan is too long"),
    ] {
        let mut process = Command::new(env!("CARGO_BIN_EXE_coatroom"))
            .args(["child", "supervise", &confinement.to_string()])
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        process.stdin.take().unwrap().write_all(&input).unwrap();
        let output = process.wait_with_output().unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(127) && errors.contains(expected), "{errors}");
    }
}
