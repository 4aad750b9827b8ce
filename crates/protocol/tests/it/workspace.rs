//! Reads the files of the workspace.

use std::fs;
use std::path::{Path, PathBuf};

/// A text file of the workspace.
pub(crate) struct File {
    /// Below the root of the workspace, with slashes.
    pub(crate) path: String,
    pub(crate) text: String,
}

/// The root of the workspace.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_owned()
}

/// The files below `folder` whose names end like this, in order. What tools put there is left out.
pub(crate) fn files(folder: &str, ending: &str) -> Vec<File> {
    let mut found = Vec::new();
    collect(&root(), Path::new(folder), ending, &mut found);
    found.sort_by(|one, other| one.path.cmp(&other.path));
    found
}

fn collect(root: &Path, folder: &Path, ending: &str, found: &mut Vec<File>) {
    for entry in fs::read_dir(root.join(folder)).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        let path = folder.join(&name);
        if name.starts_with('.') || ["target", "node_modules"].contains(&name.as_str()) {
            continue;
        }
        if entry.file_type().unwrap().is_dir() {
            collect(root, &path, ending, found);
        } else if name.ends_with(ending) {
            let text = fs::read_to_string(entry.path()).unwrap();
            found.push(File { path: path.to_str().unwrap().replace('\\', "/"), text });
        }
    }
}

/// The tests of all crates: the name of each, and the modules that it stands in. One that is ignored shows nothing.
pub(crate) struct Tests(Vec<(String, Vec<String>)>);

impl Tests {
    pub(crate) fn read() -> Self {
        let mut tests = Vec::new();
        for file in files("crates", ".rs") {
            let path = file.path.trim_end_matches(".rs").replace("/src/", "/").replace("/tests/it/", "/");
            let modules: Vec<String> = path.split('/').skip(1).map(str::to_owned).collect();
            let mut is_test = false;
            for line in file.text.lines().map(str::trim) {
                if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
                    is_test = true;
                } else if line.starts_with("#[ignore") {
                    is_test = false;
                } else if !line.starts_with("#[") && !line.starts_with("//") {
                    let name =
                        line.split_once("fn ").map(|(_, rest)| rest.split(['(', '<']).next().unwrap_or(rest));
                    tests.extend(name.filter(|_| is_test).map(|name| (name.to_owned(), modules.clone())));
                    is_test = false;
                }
            }
        }
        Self(tests)
    }

    /// Says what is wrong with a name such as `a_code_is_refused` or, where several tests have it,
    /// `grant::code::a_code_is_refused`.
    pub(crate) fn check(&self, named: &str) -> Result<(), &'static str> {
        let mut path: Vec<&str> = named.split("::").collect();
        let name = path.pop().unwrap_or_default();
        let of_name = self.0.iter().filter(|(known, _)| known == name);
        let matching = of_name.filter(|(_, modules)| {
            modules.len() >= path.len() && modules[modules.len() - path.len()..].iter().eq(path.iter())
        });
        match matching.count() {
            0 => Err("which does not exist"),
            1 => Ok(()),
            _ => Err("which is the name of several: put modules before it"),
        }
    }
}
