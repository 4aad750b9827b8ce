//! Where a program is installed: a process must be able to read it, wherever that is.

use std::path::{Path, PathBuf};

/// What a command must be able to read to run its program, beside what the system's programs are made of: the folder that holds `bin` and
/// `lib` of an installation such as nvm's or a virtual environment, or else the program's file alone. Empty where the program is not found;
/// running it will say so.
pub(super) fn installed(program: &str, path: &str) -> Vec<PathBuf> {
    let is_file = |path: &PathBuf| path.is_file();
    let found = if program.contains('/') {
        Some(PathBuf::from(program)).filter(is_file)
    } else {
        path.split(':').map(|folder| Path::new(folder).join(program)).find(is_file)
    };
    let Some(found) = found.filter(|found| found.is_absolute()) else { return Vec::new() };
    // A link may lead out of its folder.
    let real = found.canonicalize().ok().filter(|real| *real != found);
    let files = std::iter::once(found).chain(real);
    // What is in /usr every command reads.
    let others = files.filter(|file| !file.starts_with("/usr"));
    others.map(|file| installation(&file).map_or(file.clone(), Path::to_owned)).collect()
}

/// The folder above `bin`, where it is an installation and nothing else: below a person's home or `/` there is more.
fn installation(file: &Path) -> Option<&Path> {
    let bin = file.parent().filter(|folder| folder.file_name().is_some_and(|name| name == "bin"))?;
    let folder = bin.parent()?;
    let home = std::env::home_dir();
    let is_home = home.is_some_and(|home| home.starts_with(folder) || folder == home.join(".local"));
    (!is_home && folder.parent().is_some()).then_some(folder)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn an_installation_is_read_whole_and_of_a_home_the_program_alone() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        for path in ["node/bin", "other/bin", "loose"] {
            fs::create_dir_all(root.join(path)).unwrap();
        }
        fs::write(root.join("node/bin/node"), "").unwrap();
        fs::write(root.join("loose/tool"), "").unwrap();
        symlink(root.join("node/bin/node"), root.join("other/bin/linked")).unwrap();
        let path = format!("{0}/none:{0}/node/bin:{0}/other/bin:{0}/loose", root.display());
        assert_eq!(installed("node", &path), [root.join("node")]);
        assert_eq!(installed("linked", &path), [root.join("other"), root.join("node")]);
        assert_eq!(installed("tool", &path), [root.join("loose/tool")]);
        assert_eq!(installed(&root.join("loose/tool").to_string_lossy(), ""), [root.join("loose/tool")]);
        assert!(installed("missing", &path).is_empty());
        assert!(installed("env", "/usr/bin").is_empty());
        let home = std::env::home_dir().unwrap();
        for bin in ["bin/x", ".local/bin/x"] {
            assert_eq!(installation(&home.join(bin)), None, "{bin}");
        }
        assert_eq!(installation(Path::new("/bin/sh")), None);
    }
}
