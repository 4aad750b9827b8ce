//! Circumstances in which the program is started: a command of the system that becomes the program.
//!
//! Most need root, because nobody else may mount or become another user.

use std::path::Path;

/// What stands before the program on its command line.
#[derive(Debug, Clone, Default)]
pub struct Launcher {
    pub(crate) words: Vec<String>,
    /// Who has to own what the program reads and writes; whoever runs the test by default.
    pub(crate) owner: Option<u32>,
}

impl Launcher {
    /// The file `hosts` lies over `/etc/hosts`, for the program and the processes that it starts alone.
    #[must_use]
    pub fn naming(hosts: &Path) -> Self {
        let mount = "mount --bind \"$0\" /etc/hosts && exec \"$@\"";
        let hosts = hosts.display().to_string();
        Self::of(&["unshare", "--mount", "--propagation", "private", "sh", "-c", mount, &hosts])
    }

    /// The program is another user of the system, without privileges.
    #[must_use]
    pub fn as_user(uid: u32) -> Self {
        let user = uid.to_string();
        let words = ["setpriv", "--reuid", &user, "--regid", &user, "--clear-groups", "--inh-caps=-all"];
        Self { owner: Some(uid), ..Self::of(&words) }
    }

    /// As [`as_user`](Self::as_user), and there are no namespaces to be had: what is left is Landlock.
    #[must_use]
    pub fn without_namespaces(uid: u32) -> Self {
        let Self { mut words, owner } = Self::as_user(uid);
        let none = "for kind in user mnt pid ipc; do echo 0 >/proc/sys/user/max_${kind}_namespaces; done; \
                    exec setpriv --ambient-caps=-all --inh-caps=-all \"$@\"";
        let within = ["unshare", "--user", "--map-current-user", "--keep-caps", "sh", "-c", none, "sh"];
        words.extend(within.map(str::to_owned));
        Self { words, owner }
    }

    /// The program is root where root may become nobody else, and there are no namespaces to be had.
    #[must_use]
    pub fn as_powerless_root() -> Self {
        let none = "for kind in user mnt pid ipc; do echo 0 >/proc/sys/user/max_${kind}_namespaces; done; exec \"$@\"";
        Self::of(&["unshare", "--user", "--map-root-user", "sh", "-c", none, "sh"])
    }

    /// The program has one core, starts as many threads as that needs, and logs what it logs by default.
    #[must_use]
    pub fn on_core(core: usize) -> Self {
        Self::of(&["taskset", "-c", &core.to_string(), "env", "-u", "COATROOM_LOG"])
    }

    fn of(words: &[&str]) -> Self {
        Self { words: words.iter().map(|word| (*word).to_owned()).collect(), owner: None }
    }
}
