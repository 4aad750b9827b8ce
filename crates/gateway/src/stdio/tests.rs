//! Places with real processes in them: what the process of one user sees of another's, and of the gateway's.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rustix::process::geteuid;
use tempfile::TempDir;

use super::isolation::Means;
use super::place::{Folder, Place, Places};
use crate::child::{Limits, Plan, ROLE, SUPERVISE};
use crate::command::{CommandConfig, IsolationChoice, ProcessesConfig};
use crate::proxy::credential::Template;

/// The program that these tests belong to.
fn program() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let program = tests.ancestors().nth(2).unwrap().join("coatroom");
    assert!(program.is_file(), "{} is built with the tests of the package", program.display());
    program
}

/// A gateway's files: where processes live, and what they may not see.
struct Gateway {
    folder: TempDir,
    config: ProcessesConfig,
}

impl Gateway {
    fn new() -> Self {
        // Beside the program: every process has a /tmp of its own where there are namespaces.
        let folder =
            tempfile::tempdir_in(program().parent().unwrap()).or_else(|_| tempfile::tempdir()).unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o711)).unwrap();
        let data = folder.path().join("data");
        fs::create_dir(&data).unwrap();
        let hidden = ["coatroom.db", "keys.toml"].map(|name| data.join(name)).to_vec();
        for file in &hidden {
            fs::write(file, "canary-of-the-gateway").unwrap();
            fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
        }
        let config = ProcessesConfig {
            folder: folder.path().join("processes"),
            uids: None,
            per_user: 8,
            in_all: 256,
            hidden,
            own_variables: BTreeMap::new(),
        };
        Self { folder, config }
    }

    fn places(&self, means: Means) -> Places {
        let folder = Arc::new(Folder::open(&self.config.folder, means.owner).unwrap());
        Places::new(folder, means, Some(40_000..=40_099), (&self.config, None))
    }

    fn probe(&self, command: &CommandConfig) -> Result<Places, String> {
        Places::probe_with(&program(), &self.config, &[command]).map_err(|error| format!("{error:#}"))
    }
}

fn shell(script: &str) -> CommandConfig {
    let template = |text: &str| Template::compile(text, None, &[]).unwrap();
    CommandConfig {
        command: ["sh", "-c", &script.replace('{', "{{").replace('}', "}}")].map(template).to_vec(),
        environment: Vec::new(),
        passed: Vec::new(),
        isolation: IsolationChoice::Auto,
        readable: Vec::new(),
        writable: Vec::new(),
        limits: Limits::default(),
        idle: Duration::ZERO,
        start: Duration::ZERO,
    }
}

/// A shell in a place.
struct Shell {
    process: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    place: Place,
}

impl Shell {
    fn start(places: &Places, config: &CommandConfig) -> Self {
        let place = places.open(config).unwrap();
        let mut plan = config.plan(None, &[], &BTreeMap::new(), place.folder()).unwrap();
        plan.environment.insert("TOKEN".to_owned(), format!("canary-of-{}", place.folder().display()));
        Self::of_plan(place, &plan)
    }

    fn of_plan(place: Place, plan: &Plan) -> Self {
        let mut process = Command::new(program())
            .args([ROLE, SUPERVISE, &place.confinement().to_text().unwrap()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = process.stdin.take().unwrap();
        stdin.write_all(&plan.to_bytes().unwrap()).unwrap();
        let stdout = BufReader::new(process.stdout.take().unwrap());
        Self { process, stdin: Some(stdin), stdout, place }
    }

    /// What a line of script says, errors included.
    fn says(&mut self, script: &str) -> String {
        writeln!(self.stdin.as_mut().unwrap(), "{{ {script}; }} 2>&1; echo; echo done-with-it").unwrap();
        let mut said = String::new();
        while !said.ends_with("done-with-it\n") {
            assert!(self.stdout.read_line(&mut said).unwrap() > 0, "it ended: {said}");
        }
        said.trim_end_matches("done-with-it\n").trim_end().to_owned()
    }

    fn finish(mut self) {
        drop(self.stdin.take());
        self.process.wait().unwrap();
        let folder = self.place.folder().to_owned();
        drop(self.place);
        assert!(!folder.exists());
    }
}

/// Reads lines of script and runs them.
fn reader() -> CommandConfig {
    shell("while read -r line; do eval \"$line\"; done")
}

/// Every combination of what this machine offers.
fn combinations(gateway: &Gateway) -> Vec<Means> {
    let truths = [false, true];
    let all = truths.into_iter().flat_map(|owner| {
        truths
            .into_iter()
            .flat_map(move |namespaces| truths.map(|landlock| Means { owner, namespaces, landlock }))
    });
    let works = |means: &Means| {
        *means != Means::default() && (geteuid().is_root() || !means.owner) && {
            let mut shell = Shell::start(&gateway.places(*means), &reader());
            shell.says("echo works") == "works"
        }
    };
    all.filter(works).collect()
}

#[test]
fn a_process_reads_nothing_of_another_users_nor_of_the_gateways() {
    let gateway = Gateway::new();
    let (store, keys) = (&gateway.config.hidden[0], &gateway.config.hidden[1]);
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable).unwrap();
    let combinations = combinations(&gateway);
    assert!(!combinations.is_empty());
    for means in combinations {
        let places = gateway.places(means);
        let (mut alice, mut bob) = (Shell::start(&places, &reader()), Shell::start(&places, &reader()));
        assert_eq!(bob.says("echo canary-in-a-file > secret; cat secret"), "canary-in-a-file", "{means}");
        assert_eq!(bob.says("echo x > \"$TMPDIR/y\" && cat \"$HOME/tmp/y\""), "x", "{means}");
        bob.says("echo canary-in-tmp > /tmp/coatroom-test; echo canary-in-shm > /dev/shm/coatroom-test");
        let theirs = bob.place.folder().display().to_string();
        for script in [
            format!("cat {theirs}/secret"),
            format!("ls {theirs}"),
            format!("cat ../*/secret {}/*/*/secret", gateway.config.folder.display()),
            format!("cat {} {}", store.display(), keys.display()),
            format!("cat {0}/data/* {0}/*/*", gateway.folder.path().display()),
            "cat /tmp/coatroom-test /dev/shm/coatroom-test".to_owned(),
            format!("tr '\\0' ' ' < /proc/{}/environ", std::process::id()),
            format!("cat /proc/{}/root{}", std::process::id(), keys.display()),
        ] {
            let said = alice.says(&script);
            assert!(!said.contains("canary") && !said.contains("CARGO"), "{means}: {script}: {said}");
        }
        let said = alice.says("cat /proc/[0-9]*/environ | tr '\\0' '\\n' | grep canary");
        let own = format!("TOKEN=canary-of-{}", alice.place.folder().display());
        assert!(said.lines().all(|line| line == own || !line.contains("canary-of")), "{means}: {said}");
        // A file that takes the name of one that was hidden, as when keys are rotated.
        fs::write(gateway.folder.path().join("data/new"), "canary-of-the-gateway").unwrap();
        fs::set_permissions(gateway.folder.path().join("data/new"), fs::Permissions::from_mode(0o600))
            .unwrap();
        fs::rename(gateway.folder.path().join("data/new"), keys).unwrap();
        let said = alice.says(&format!("cat {}", keys.display()));
        assert!(!said.contains("canary"), "{means}: {said}");
        alice.finish();
        bob.finish();
        for left in ["/tmp/coatroom-test", "/dev/shm/coatroom-test"] {
            let _ = fs::remove_file(left);
        }
    }
}

#[test]
fn what_the_machine_offers_is_found_out_by_trying() {
    let gateway = Gateway::new();
    let places = gateway.probe(&reader()).unwrap();
    let mut shell = Shell::start(&places, &reader());
    let id = shell.says("id -u");
    assert!(!geteuid().is_root() || id.parse::<u32>().unwrap() >= 50_000, "{id}");
    shell.finish();
}

#[test]
fn limits_hold_in_whichever_way_users_are_kept_apart() {
    let gateway = Gateway::new();
    let mut limited = reader();
    limited.limits =
        Limits { memory: Some(256 << 20), processes: Some(20), open_files: Some(64), cpu_seconds: Some(30) };
    for means in combinations(&gateway) {
        let places = gateway.places(means);
        let mut shell = Shell::start(&places, &limited);
        assert_eq!(
            shell.says("ulimit -n; ulimit -t; ulimit -d").split_whitespace().collect::<Vec<_>>(),
            ["64", "30", "262144"]
        );
        let said = shell.says("head -c 400000000 /dev/zero | tail -n 1 | wc -c");
        assert!(!said.contains("400000000"), "{means}: {said}");
        if means.owner || (means.namespaces && !geteuid().is_root()) {
            let said = shell.says("(for i in $(seq 40); do sleep 1 & done) > /dev/null; echo");
            assert!(said.contains("fork"), "{means}: {said}");
        }
        shell.finish();
    }
}

#[test]
fn root_runs_no_command_as_root_unless_it_is_told_to() {
    if !geteuid().is_root() {
        return;
    }
    let mut gateway = Gateway::new();
    // Nobody can be these.
    gateway.config.uids = Some(u32::MAX..=u32::MAX);
    let error = gateway.probe(&reader()).unwrap_err();
    assert!(error.contains("the gateway is root, and commands of users never are"), "{error}");
    assert!(error.contains("isolation = \"none\""), "{error}");
    let mut open = reader();
    open.isolation = IsolationChoice::None;
    let places = gateway.probe(&open).unwrap();
    let mut shell = Shell::start(&places, &open);
    assert_eq!(shell.says("id -u"), "0");
    shell.finish();
}

#[test]
fn no_process_runs_as_somebody_who_is_there() {
    let mut gateway = Gateway::new();
    gateway.config.uids = Some(0..=10);
    let error = gateway.probe(&reader()).unwrap_err();
    assert!(error.contains("has the user root (0) in it"), "{error}");
}

#[test]
fn an_access_token_is_no_argument_where_others_read_arguments() {
    let gateway = Gateway::new();
    let provider = coatroom::protocol::words::ProviderName::parse("github").unwrap();
    let mut config = reader();
    config.command.push(Template::bearer_of(&provider));
    match gateway.probe(&config) {
        Ok(places) => assert!(places.means().namespaces),
        Err(error) => assert!(error.contains("gets an access token as an argument"), "{error}"),
    }
}

#[test]
fn no_server_may_read_a_folder_with_the_gateways_secrets_in_it() {
    let gateway = Gateway::new();
    let mut open = reader();
    open.readable = vec![gateway.folder.path().to_owned()];
    let error = gateway.probe(&open).unwrap_err();
    assert!(error.contains("is in there: name a folder without it"), "{error}");
    // Nor one that it may read because its program is there.
    let bin = gateway.folder.path().join("bin");
    fs::create_dir(&bin).unwrap();
    fs::write(bin.join("server"), "").unwrap();
    let mut beside = reader();
    beside.command = vec![Template::compile(bin.join("server").to_str().unwrap(), None, &[]).unwrap()];
    let error = gateway.probe(&beside).unwrap_err();
    assert!(error.contains("is in there: name a folder without it"), "{error}");
}

#[test]
fn what_everybody_may_read_is_refused_where_nothing_hides_it() {
    let gateway = Gateway::new();
    let mut gateway = gateway;
    // Of the system's, so it is not hidden by hiding what is around it.
    gateway.config.hidden.push(PathBuf::from("/usr/bin/env"));
    let probed = gateway.probe(&reader());
    // Namespaces hide even that.
    if let Err(error) = probed {
        assert!(error.contains("could still read /usr/bin/env"), "{error}");
    }
}

#[test]
fn a_folder_that_somebody_else_made_is_not_used() {
    let mut gateway = Gateway::new();
    fs::create_dir(&gateway.config.folder).unwrap();
    fs::set_permissions(&gateway.config.folder, fs::Permissions::from_mode(0o777)).unwrap();
    assert!(gateway.probe(&reader()).unwrap_err().contains("belongs to this user alone"));
    fs::remove_dir(&gateway.config.folder).unwrap();
    std::os::unix::fs::symlink(gateway.folder.path(), &gateway.config.folder).unwrap();
    assert!(gateway.probe(&reader()).unwrap_err().contains("belongs to this user alone"));
    gateway.config.folder = gateway.folder.path().join("a/b");
    gateway.probe(&reader()).unwrap();
}

#[test]
fn what_a_killed_gateway_left_is_removed_and_what_a_running_one_has_is_not() {
    let gateway = Gateway::new();
    let none = Means::default();
    let running = gateway.places(none);
    let kept = running.open(&reader()).unwrap();
    let left = gateway.config.folder.join("gateway-7");
    fs::create_dir_all(left.join("process-1/tmp")).unwrap();
    let second = gateway.places(none);
    let place = second.open(&reader()).unwrap();
    assert_ne!(place.folder().parent(), kept.folder().parent());
    wait_until(|| !left.exists());
    assert!(kept.folder().exists());
    let own = place.folder().parent().unwrap().to_owned();
    drop(place);
    drop(second);
    assert!(!own.exists(), "it is gone with its gateway");
}

#[test]
fn gateways_start_and_stop_at_the_same_moment() {
    let folder = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..200 {
                    drop(Folder::open(folder.path(), false).unwrap());
                }
            });
        }
    });
    wait_until(|| fs::read_dir(folder.path()).unwrap().count() == 0);
}

#[test]
fn two_processes_are_never_the_same_user_at_once() {
    if !geteuid().is_root() {
        return;
    }
    let gateway = Gateway::new();
    let means = Means { owner: true, ..Means::default() };
    let folder = || Arc::new(Folder::open(&gateway.config.folder, true).unwrap());
    // Two gateways of one machine, with the same few users.
    let [one, other] =
        [(); 2].map(|()| Places::new(folder(), means, Some(40_000..=40_002), (&gateway.config, None)));
    let owner = |place: &Place| place.confinement().owner.unwrap().uid;
    let places = [one.open(&reader()).unwrap(), other.open(&reader()).unwrap(), one.open(&reader()).unwrap()];
    let mut uids = places.each_ref().map(owner);
    uids.sort_unstable();
    assert_eq!(uids, [40_000, 40_001, 40_002]);
    let error = other.open(&reader()).unwrap_err();
    assert!(error.to_string().contains("every user of `processes.uids` has a process"), "{error}");
    let [first, ..] = places;
    let freed = owner(&first);
    drop(first);
    assert_eq!(owner(&other.open(&reader()).unwrap()), freed);
}

fn wait_until(mut is_so: impl FnMut() -> bool) {
    for _ in 0..500 {
        if is_so() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("it did not come to pass");
}
