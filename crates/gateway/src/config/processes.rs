//! `[processes]`: what is common to the processes of all servers that are commands.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use coatroom::store::StoreLocation;

use super::environment::Environment;
use super::limits::number;
use super::problem::Place;
use super::reader::Section;
use super::servers::ServerConfig;
use super::store::KeysLocation;
use crate::command::{PASSED, ProcessesConfig};

/// Reads the section. What no process may see is added by [`hide`].
pub(super) fn read(root: &Section<'_>) -> ProcessesConfig {
    let section = root.section("processes");
    section.only(&["folder", "uids", "per_user", "in_all"]);
    let folder = section.text("folder").map(|found| section.path(&found));
    let per_user = number(&section, "per_user", 8, 1..=10_000);
    let in_all = number(&section, "in_all", 256, 1..=100_000);
    if per_user > in_all {
        let place = section.place("per_user").unwrap_or(Place::Nowhere);
        section.refuse(&place, "`per_user` is more than `in_all`", None);
    }
    let uids = section.value("uids", |text| range(text, in_all));
    ProcessesConfig {
        folder: absolute(&folder.unwrap_or_else(default_folder)),
        uids: uids.map(|found| found.value),
        per_user,
        in_all,
        hidden: Vec::new(),
        own_variables: std::collections::BTreeMap::new(),
    }
}

/// Adds what no process may see: the records, the keys, and the files that the configuration came from.
pub(super) fn hide(
    processes: &mut ProcessesConfig,
    store: &StoreLocation,
    keys: &KeysLocation,
    files: impl IntoIterator<Item = PathBuf>,
) {
    if let StoreLocation::Sqlite(path, _) = store {
        let beside = ["", "-wal", "-shm"].map(|ending| {
            let mut path = path.clone().into_os_string();
            path.push(ending);
            PathBuf::from(path)
        });
        processes.hidden.extend(beside);
    }
    if let KeysLocation::File(path) = keys {
        processes.hidden.push(path.clone());
    }
    processes.hidden.extend(files);
    processes.hidden.iter_mut().for_each(|path| *path = absolute(path));
    processes.hidden.sort();
    processes.hidden.dedup();
}

/// Adds the gateway's own variables that some command gets.
pub(super) fn pass(processes: &mut ProcessesConfig, servers: &[ServerConfig], environment: &dyn Environment) {
    let commands = servers.iter().filter_map(ServerConfig::command);
    let asked = commands.flat_map(|command| &command.passed).map(String::as_str);
    let names = PASSED.into_iter().chain(asked);
    processes.own_variables =
        names.filter_map(|name| Some((name.to_owned(), environment.own(name)?))).collect();
}

/// Reads `20000-29999`: users of the system, as many as there may be processes.
fn range(text: &str, in_all: usize) -> Result<RangeInclusive<u32>, String> {
    let refusal = || format!("`{text}` is not a range of user ids such as \"20000-29999\"");
    let (first, last) = text.split_once('-').ok_or_else(refusal)?;
    let number = |text: &str| text.trim().parse::<u32>().map_err(|_| refusal());
    let (first, last) = (number(first)?, number(last)?);
    if first == 0 || last == u32::MAX || first > last {
        return Err(refusal());
    }
    let count = u64::from(last - first) + 1;
    if count < u64::try_from(in_all).unwrap_or(u64::MAX) {
        return Err(format!("`{text}` has {count} users, fewer than `in_all`: {in_all}"));
    }
    Ok(first..=last)
}

/// One for each user of the system, so that two of them are not in each other's way.
fn default_folder() -> PathBuf {
    #[cfg(unix)]
    let user = rustix::process::geteuid().as_raw();
    #[cfg(not(unix))]
    let user = 0;
    std::env::temp_dir().join(format!("coatroom-processes-{user}"))
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_has_a_user_for_every_process_and_not_root() {
        assert_eq!(range("20000-29999", 256), Ok(20_000..=29_999));
        for bad in ["", "5", "0-1000", "9-8", "x-9", "1000-4294967295", "-5-3"] {
            assert!(range(bad, 1).is_err(), "{bad}");
        }
        assert!(range("100-101", 3).unwrap_err().contains("fewer than `in_all`"));
    }
}
