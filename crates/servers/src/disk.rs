//! A small disk, which becomes full when a test wants it.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// A file system of a few MiB. Only root may mount one.
#[derive(Debug)]
pub struct SmallDisk {
    place: TempDir,
    /// What holds it, unless it is in memory.
    _image: Option<TempDir>,
}

impl SmallDisk {
    /// In memory.
    pub fn mount(mib: u32) -> Self {
        let disk = Self { place: tempfile::tempdir().unwrap(), _image: None };
        disk.mounted(&["-t", "tmpfs", "-o", &format!("size={mib}m,mode=1777"), "tmpfs"]);
        disk
    }

    /// With ext4, on which a file that is open can be made immutable.
    pub fn mount_ext4(mib: u32) -> Self {
        let (place, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let image = folder.path().join("image");
        std::fs::File::create(&image).unwrap().set_len(u64::from(mib) << 20).unwrap();
        let image = image.to_str().unwrap();
        assert!(as_root("mkfs.ext4", &["-q", "-m", "0", image]), "{image} cannot be formatted");
        let disk = Self { place, _image: Some(folder) };
        disk.mounted(&["-o", "loop", image]);
        disk
    }

    fn mounted(&self, what: &[&str]) {
        let arguments = [what, &[self.path().to_str().unwrap()]].concat();
        assert!(
            as_root("mount", &arguments),
            "a full disk is tested on a small one, which root alone may mount"
        );
        assert!(as_root("chmod", &["1777", self.path().to_str().unwrap()]));
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        self.place.path()
    }

    /// A folder on it.
    pub fn folder(&self) -> TempDir {
        tempfile::tempdir_in(self.path()).unwrap()
    }

    /// Leaves so many KiB, or a little less.
    pub fn fill(&self, left_kib: u32) {
        let script = format!(
            "free=$(df --output=avail -k {0} | tail -1); [ $free -le {left_kib} ] || \
             head -c $(((free - {left_kib}) * 1024)) /dev/zero > {1}; sync {1}",
            self.path().display(),
            self.ballast().display(),
        );
        // What does not fit any more is no failure.
        Command::new("sh").args(["-c", &script]).status().unwrap();
    }

    /// Makes room on it again.
    pub fn free(&self) {
        std::fs::remove_file(self.ballast()).unwrap();
    }

    /// Lets nobody write to a file, also not those who have it open; or lets them again.
    pub fn set_immutable(file: &Path, immutable: bool) {
        assert!(as_root("chattr", &[if immutable { "+i" } else { "-i" }, file.to_str().unwrap()]));
    }

    fn ballast(&self) -> PathBuf {
        self.path().join("ballast")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: the server that used it may end a little later.
        as_root("umount", &["-l", self.path().to_str().unwrap()]);
    }
}

fn as_root(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new("sh");
    command.args(["-c", r#"if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi"#, "sh", program]);
    command.args(arguments).status().unwrap().success()
}
