//! The last role: a process gives up what the command may not do, for good, and becomes the command.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::Context as _;
use landlock::{
    ABI, Access as _, AccessFs, BitFlags, CompatLevel, Compatible as _, PathBeneath, PathFd, Ruleset,
    RulesetAttr as _, RulesetCreated, RulesetCreatedAttr as _, Scope,
};
use rustix::fs::Mode;
use rustix::io::Errno;
use rustix::process::{
    Gid, Resource, Rlimit, Signal, Uid, geteuid, getrlimit, set_parent_process_death_signal, setrlimit, umask,
};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, capability_is_in_bounding_set, clear_ambient_capability_set,
    remove_capability_from_bounding_set, set_capabilities, set_no_new_privs, set_thread_groups,
    set_thread_res_gid, set_thread_res_uid,
};

use super::init::SHARED;
use super::plan::{Confinement, Limits, Owner};

pub(super) fn run(confinement: &Confinement, command: &[String]) -> anyhow::Result<ExitCode> {
    let [program, arguments @ ..] = command else { anyhow::bail!("there is no command") };
    if let Some(group) = &confinement.group {
        // 0 is whoever writes it.
        fs::write(group.join("cgroup.procs"), "0").context("the command cannot enter its control group")?;
    }
    umask(Mode::RWXG | Mode::RWXO);
    limit(&confinement.limits)?;
    give_up_capabilities().context("the command would have capabilities of the gateway's")?;
    if let Some(owner) = confinement.owner {
        become_owner(owner).context("the command cannot be run as another user")?;
    }
    std::env::set_current_dir(&confinement.folder).context("the command has no folder")?;
    // Before Landlock, which asks for it; no program with a set-user-ID bit gives anything back.
    set_no_new_privs(true)?;
    // After the change of user, which takes it back.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    if confinement.landlock {
        keep_to_paths(confinement).context("Landlock cannot keep the command to its folder")?;
    }
    let error = Command::new(program).args(arguments).exec();
    Err(anyhow::Error::new(error).context(format!("cannot run `{program}`")))
}

fn limit(limits: &Limits) -> anyhow::Result<()> {
    let limits = [
        (Resource::Core, Some(0)),
        (Resource::Data, limits.memory),
        (Resource::Nproc, limits.processes),
        (Resource::Nofile, limits.open_files),
        (Resource::Cpu, limits.cpu_seconds),
    ];
    for (resource, limit) in limits {
        let Some(limit) = limit else { continue };
        // What the gateway itself may not exceed is less.
        let most = getrlimit(resource).maximum.map_or(limit, |most| most.min(limit));
        setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })?;
    }
    Ok(())
}

/// The command gets none, be it root: some let a process read the memory and the environment of others in spite of everything else. What it
/// takes to change the user is kept until the command is run.
fn give_up_capabilities() -> rustix::io::Result<()> {
    // What it took to hide things from it.
    clear_ambient_capability_set()?;
    set_capabilities(None, CapabilitySets { inheritable: CapabilitySet::empty(), ..capabilities(None)? })?;
    for capability in (0..u64::BITS).map(|number| CapabilitySet::from_bits_retain(1 << number)) {
        match capability_is_in_bounding_set(capability) {
            Ok(true) => match remove_capability_from_bounding_set(capability) {
                // Who may not remove them is not root, and gets none by running a program.
                Err(Errno::PERM) if !geteuid().is_root() => return Ok(()),
                removed => removed?,
            },
            Ok(false) => {}
            // The system knows no more of them.
            Err(Errno::INVAL) => return Ok(()),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// For good: real, effective and saved ids. The process has one thread, which is all of it.
fn become_owner(owner: Owner) -> rustix::io::Result<()> {
    let (uid, gid) = (Uid::from_raw(owner.uid), Gid::from_raw(owner.gid));
    set_thread_groups(&[gid])?;
    set_thread_res_gid(gid, gid, gid)?;
    set_thread_res_uid(uid, uid, uid)
}

/// Lets the command read and run the system's programs, write in its own folder, and see nothing else.
fn keep_to_paths(confinement: &Confinement) -> anyhow::Result<()> {
    let all = AccessFs::from_all(NEWEST);
    let reading = AccessFs::from_read(NEWEST);
    let mut rules = Ruleset::default()
        // A system that cannot even do the first version must not be taken for one that can.
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(ABI::V1))?
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(all)?
        .scope(Scope::from_all(NEWEST))?
        .create()?;
    for path in SYSTEM.iter().map(Path::new).chain(confinement.readable.iter().map(PathBuf::as_path)) {
        rules = open(rules, path, reading)?;
    }
    let own = std::iter::once(&confinement.folder).chain(&confinement.writable);
    // With namespaces these are the command's alone.
    let shared = SHARED.iter().filter(|_| confinement.namespaces);
    for path in own.map(PathBuf::as_path).chain(DEVICES.iter().chain(shared).map(Path::new)) {
        rules = open(rules, path, all)?;
    }
    rules.restrict_self()?;
    Ok(())
}

/// Adds a path, if it exists.
fn open(rules: RulesetCreated, path: &Path, access: BitFlags<AccessFs>) -> anyhow::Result<RulesetCreated> {
    let Ok(opened) = PathFd::new(path) else { return Ok(rules) };
    let access = if path.is_dir() { access } else { access & AccessFs::from_file(NEWEST) };
    Ok(rules.add_rule(PathBeneath::new(opened, access))?)
}

const NEWEST: ABI = ABI::V6;

/// What programs are made of and look up. Of `/etc` only what has no secret in it: operators keep keys there.
const SYSTEM: &[&str] = &[
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/usr",
    "/opt",
    "/nix/store",
    "/proc",
    "/dev/urandom",
    "/dev/random",
    "/sys/devices/system/cpu",
    "/sys/fs/cgroup",
    "/run/systemd/resolve",
    "/etc/alternatives",
    "/etc/ca-certificates",
    "/etc/gai.conf",
    "/etc/group",
    "/etc/host.conf",
    "/etc/hosts",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/localtime",
    "/etc/mime.types",
    "/etc/nsswitch.conf",
    "/etc/os-release",
    "/etc/passwd",
    "/etc/pki/tls",
    "/etc/pki/ca-trust",
    "/etc/protocols",
    "/etc/resolv.conf",
    "/etc/services",
    "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf",
    "/etc/timezone",
];

const DEVICES: &[&str] = &["/dev/null", "/dev/zero", "/dev/full", "/dev/tty", "/dev/ptmx", "/dev/pts"];
