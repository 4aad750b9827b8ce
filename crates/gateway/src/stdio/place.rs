//! A process's own folder, and what it may do from there.
//!
//! Below the configured folder each gateway has one of its own, `gateway-N`, on which it holds a lock as long as it runs; what is not
//! locked was left by a gateway that was killed, and is removed. In it each process has a folder, which is its home and has its temporary
//! files, and goes with it. Where processes run as users of their own, the folder is called by the user's number: a user is taken as long
//! as any gateway has a folder of that name.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io;
use std::ops::RangeInclusive;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::process::geteuid;

use super::cgroup::{Group, Groups};
use super::isolation::Means;
use super::program::installed;
use super::remove::remove;
use crate::child::{Confinement, Limits, Owner};
use crate::command::{CommandConfig, IsolationChoice, ProcessesConfig, TEMPORARY};

/// Where processes of users live. Cloning it is cheap.
#[derive(Debug, Clone)]
pub(crate) struct Places(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    folder: Arc<Folder>,
    means: Means,
    /// Users of the system for processes to run as, where each gets its own.
    uids: Option<RangeInclusive<u32>>,
    /// What no process may see, beside the folders of others.
    hidden: Vec<PathBuf>,
    /// Where programs are.
    path: String,
    /// Where there are control groups, each process has one.
    groups: Option<Arc<Groups>>,
    opened: AtomicU32,
}

/// One process's own folder. It is removed with everything in it when this is dropped: only after the process is gone.
#[derive(Debug)]
pub(crate) struct Place {
    confinement: Confinement,
    group: Option<Group>,
    /// Keeps the gateway's own folder.
    places: Places,
}

/// The gateway's own folder.
#[derive(Debug)]
pub(super) struct Folder {
    /// What all gateways of the machine have in common.
    base: PathBuf,
    own: PathBuf,
    /// Locked as long as the gateway runs.
    _lock: File,
}

impl Places {
    pub(super) fn new(
        folder: Arc<Folder>,
        means: Means,
        uids: Option<RangeInclusive<u32>>,
        (config, groups): (&ProcessesConfig, Option<Arc<Groups>>),
    ) -> Self {
        let mut hidden: Vec<PathBuf> = config.hidden.iter().map(|path| around(path).to_owned()).collect();
        hidden.dedup();
        let path = config.path().to_owned();
        // Another start is followed by others: what a process left behind elsewhere should not soon meet its successor.
        let opened = AtomicU32::new(std::process::id());
        Self(Arc::new(Shared { folder, means, uids, hidden, path, groups, opened }))
    }

    /// What keeps processes apart.
    pub(crate) fn means(&self) -> Means {
        self.0.means
    }

    /// Makes the folder of a process. It touches the disk, and waits for other gateways that are at it.
    ///
    /// # Errors
    /// When the folder cannot be made, or every user of the range has a process.
    pub(crate) fn open(&self, config: &CommandConfig) -> io::Result<Place> {
        let apart = config.isolation == IsolationChoice::Auto;
        let shared = &self.0;
        let (folder, owner) = match shared.uids.as_ref().filter(|_| apart && shared.means.owner) {
            Some(uids) => {
                let (folder, uid) = self.open_for_user(uids)?;
                (folder, Some(Owner { uid, gid: uid }))
            }
            None => (self.open_next()?, None),
        };
        // From here on it is removed, whatever fails.
        let confinement = self.confinement(folder, owner, config);
        let mut place = Place { confinement, group: None, places: self.clone() };
        if let Some(groups) = &shared.groups {
            place.enter(groups.open(&config.limits)?);
        }
        let temporary = place.temporary();
        private().create(&temporary)?;
        if let Some(Owner { uid, gid }) = owner {
            chown(&temporary, Some(uid), Some(gid))?;
            chown(place.folder(), Some(uid), Some(gid))?;
        }
        Ok(place)
    }

    fn open_for_user(&self, uids: &RangeInclusive<u32>) -> io::Result<(PathBuf, u32)> {
        let shared = &self.0;
        let _others_wait = lock_base(&shared.folder.base)?;
        let gateways = gateways(&shared.folder.base)?;
        let count = uids.end() - uids.start() + 1;
        for _ in 0..count {
            let uid = uids.start() + shared.opened.fetch_add(1, Ordering::Relaxed) % count;
            let name = uid.to_string();
            if gateways.iter().all(|gateway| fs::symlink_metadata(gateway.join(&name)).is_err()) {
                let folder = shared.folder.own.join(name);
                private().create(&folder)?;
                return Ok((folder, uid));
            }
        }
        Err(io::Error::new(io::ErrorKind::ResourceBusy, "every user of `processes.uids` has a process"))
    }

    fn open_next(&self) -> io::Result<PathBuf> {
        loop {
            let number = self.0.opened.fetch_add(1, Ordering::Relaxed);
            let folder = self.0.folder.own.join(format!("process-{number}"));
            match private().create(&folder) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                made => return made.map(|()| folder),
            }
        }
    }

    fn confinement(&self, folder: PathBuf, owner: Option<Owner>, config: &CommandConfig) -> Confinement {
        let shared = &self.0;
        let apart = config.isolation == IsolationChoice::Auto;
        let hidden = std::iter::once(&shared.folder.base).chain(&shared.hidden).cloned();
        let namespaces = apart && shared.means.namespaces;
        // Of a user of the system, also those of others count; of root, none do.
        let is_counted = owner.is_some() || (namespaces && !geteuid().is_root());
        let processes = config.limits.processes.filter(|_| is_counted);
        Confinement {
            folder,
            namespaces,
            hidden: if apart { hidden.collect() } else { Vec::new() },
            owner,
            landlock: apart && shared.means.landlock,
            readable: config
                .readable
                .iter()
                .cloned()
                .chain(installed(&config.program(), &shared.path))
                .collect(),
            writable: config.writable.clone(),
            group: None,
            limits: Limits { processes, ..config.limits },
        }
    }
}

impl Place {
    /// The process's own folder: where it starts, its home.
    pub(crate) fn folder(&self) -> &Path {
        &self.confinement.folder
    }

    /// Where its temporary files are.
    pub(crate) fn temporary(&self) -> PathBuf {
        self.folder().join(TEMPORARY)
    }

    /// The group limits everything together that the process starts, which its own limits cannot.
    fn enter(&mut self, group: Group) {
        self.confinement.group = Some(group.folder().to_owned());
        self.confinement.limits = Limits { memory: None, processes: None, ..self.confinement.limits };
        self.group = Some(group);
    }

    /// What the process may do, for its supervisor.
    pub(crate) const fn confinement(&self) -> &Confinement {
        &self.confinement
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let (folder, group) = (self.folder().to_owned(), self.group.take());
        drop(group);
        // A package manager leaves thousands of files.
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => {
                let places = self.places.clone();
                runtime.spawn_blocking(move || {
                    remove_or_say(&folder);
                    drop(places);
                });
            }
            Err(_) => remove_or_say(&folder),
        }
    }
}

impl Folder {
    /// Makes the gateway's own folder below `base`, and removes what gateways left that are gone. `passable` says whether processes run
    /// as users of their own, who must get through.
    ///
    /// # Errors
    /// When `base` is not this user's alone to change.
    pub(super) fn open(base: &Path, passable: bool) -> io::Result<Self> {
        let mode = if passable { PASSABLE } else { PRIVATE };
        base.parent().map_or(Ok(()), fs::create_dir_all)?;
        match private().create(base) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => check_owned(base)?,
        }
        let _others_wait = lock_base(base)?;
        fs::set_permissions(base, Permissions::from_mode(mode))?;
        for gateway in gateways(base)? {
            let Some(lock) = lock(&gateway)? else { continue };
            std::thread::spawn(move || {
                remove_or_say(&gateway);
                drop(lock);
            });
        }
        let mut names = (0_u32..).map(|number| base.join(format!("{GATEWAY}{number}")));
        let is_free = |path: &PathBuf| fs::symlink_metadata(path).is_err();
        let own = names.find(is_free).ok_or_else(|| io::Error::other("every name is taken"))?;
        private().create(&own)?;
        fs::set_permissions(&own, Permissions::from_mode(mode))?;
        let lock = lock(&own)?.ok_or_else(|| io::Error::other("another gateway has taken the folder"))?;
        Ok(Self { base: base.to_owned(), own, _lock: lock })
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        remove_or_say(&self.own);
    }
}

/// What is hidden so that a file is: its folder, where that is no folder of the system's. A file alone would be seen again once another
/// takes its name, as happens when keys are rotated.
fn around(file: &Path) -> &Path {
    let of_the_system = |folder: &&Path| folder.components().count() > 2 && !folder.starts_with("/usr");
    if file.is_dir() { file } else { file.parent().filter(of_the_system).unwrap_or(file) }
}

/// Keeps other gateways from making and removing folders.
fn lock_base(base: &Path) -> io::Result<File> {
    let folder = File::open(base)?;
    folder.lock()?;
    Ok(folder)
}

/// The folders of all gateways.
fn gateways(base: &Path) -> io::Result<Vec<PathBuf>> {
    let names = fs::read_dir(base)?.map(|entry| Ok(entry?.path()));
    let is_gateway =
        |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(GATEWAY));
    names.filter(|path| path.as_ref().map_or(true, is_gateway)).collect()
}

/// Locks the folder of a gateway; `None` when that gateway runs, or is removing its folder.
fn lock(gateway: &Path) -> io::Result<Option<File>> {
    let folder = match File::open(gateway) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    match folder.try_lock() {
        Ok(()) => Ok(Some(folder)),
        Err(fs::TryLockError::WouldBlock) => Ok(None),
        Err(fs::TryLockError::Error(error)) => Err(error),
    }
}

/// Makes sure that nobody else can change what is in the folder: it may stand in one where everybody can.
fn check_owned(base: &Path) -> io::Result<()> {
    let found = fs::symlink_metadata(base)?;
    if found.is_dir() && found.uid() == geteuid().as_raw() && found.mode() & 0o022 == 0 {
        return Ok(());
    }
    let message =
        "it is not a folder that belongs to this user alone: remove it, or set `processes.folder` to another";
    Err(io::Error::new(io::ErrorKind::PermissionDenied, message))
}

fn remove_or_say(folder: &Path) {
    if let Err(error) = remove(folder) {
        tracing::warn!(%error, folder = %folder.display(), "a folder of a process cannot be removed");
    }
}

fn private() -> DirBuilder {
    let mut builder = DirBuilder::new();
    builder.mode(PRIVATE);
    builder
}

const PRIVATE: u32 = 0o700;

/// Others get through, if they know where to.
const PASSABLE: u32 = 0o711;

const GATEWAY: &str = "gateway-";
