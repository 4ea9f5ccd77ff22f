//! Paths that would end up in the binary, and what stands there instead.
//!
//! Panic messages name source files: those of dependencies by where cargo keeps them, generated
//! ones by the target folder, the standard library's by where rustup put its source. Two people
//! would get two binaries. Since cargo 1.85 such flags do not count when cargo names its units,
//! so the flags, which differ from folder to folder, leave no other trace.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::rustc::Facts;
use super::target::is_foreign;
use super::{Cargo, Environment, Project};

/// Folders and what they are called in the binary; where several fit, the last one wins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remap(Vec<(PathBuf, String)>);

impl Remap {
    /// The folders that matter for a build of `project`: the workspace (`/src`), its target
    /// folders (`/src/target`), cargo's home (`/cargo`), the source of std (`/rustc/COMMIT`,
    /// as the compiled std has it).
    pub fn new(cargo: &Cargo, project: &Project, target_dir: &Path, facts: &Facts) -> Self {
        let mut folders = vec![
            (project.workspace_root.clone(), "/src".to_owned()),
            (target_dir.to_owned(), "/src/target".to_owned()),
            (project.build_directory.clone(), "/src/target".to_owned()),
        ];
        folders.extend(cargo.home().map(|home| (home, "/cargo".to_owned())));
        let release = facts.commit.as_deref().unwrap_or(&facts.release);
        folders.push((facts.sysroot.join("lib/rustlib/src/rust"), format!("/rustc/{release}")));
        // Programs see a folder as it was named or as it really is.
        let real: Vec<_> = folders
            .iter()
            .filter_map(|(folder, name)| Some((folder.canonicalize().ok()?, name.clone())))
            .collect();
        folders.extend(real);
        folders.sort();
        folders.dedup();
        // Of nested folders, the inner one must win.
        folders.sort_by_key(|(folder, _)| folder.components().count());
        Self(folders)
    }

    /// The flags for rustc.
    pub fn rustflags(&self) -> Vec<String> {
        self.pairs().map(|(folder, name)| format!("--remap-path-prefix={folder}={name}")).collect()
    }

    /// The variables that make C compilers do the same (`__FILE__` in assertions), with the
    /// user's own flags kept: `CFLAGS` and `CXXFLAGS` in the form that crate `cc` prefers.
    pub fn c_variables(
        &self,
        environment: &Environment,
        facts: &Facts,
        triple: &str,
    ) -> Vec<(String, OsString)> {
        // The variables are split at spaces, and the compilers split at the first `=`.
        let plain = |folder: &str| !folder.contains(|c: char| c.is_whitespace() || c == '=');
        let flags: Vec<String> = self
            .pairs()
            .filter(|(folder, _)| plain(folder))
            .map(|(folder, name)| format!("-ffile-prefix-map={folder}={name}"))
            .collect();
        let kind = if is_foreign(&facts.host, triple) || facts.host != triple { "TARGET" } else { "HOST" };
        let add = |key: &str| {
            let dashed = format!("{key}_{triple}");
            let underscored = format!("{key}_{}", triple.replace(['-', '.'], "_"));
            let in_force = [&dashed, &underscored, &format!("{kind}_{key}"), &key.to_owned()]
                .into_iter()
                .find_map(|name| environment.get(name));
            let name = if environment.get(&dashed).is_some() { dashed } else { underscored };
            let mut value = in_force.map(ToOwned::to_owned).unwrap_or_default();
            if !value.is_empty() {
                value.push(" ");
            }
            value.push(flags.join(" "));
            (name, value)
        };
        vec![add("CFLAGS"), add("CXXFLAGS")]
    }

    fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().filter_map(|(folder, name)| Some((folder.to_str()?, name.as_str())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> Facts {
        Facts {
            host: "x86_64-unknown-linux-gnu".into(),
            release: "1.95.0".into(),
            commit: Some("abc".into()),
            sysroot: "/rust".into(),
            target_libdir: "/rust/lib".into(),
            cfg: Vec::new(),
        }
    }

    fn remap(home: &str, root: &str, target: &str) -> Remap {
        let metadata = serde_json::json!({"workspace_members": [], "workspace_default_members": [], "packages": [],
            "target_directory": target, "version": 1, "workspace_root": root});
        let metadata = cargo_metadata::MetadataCommand::parse(metadata.to_string()).expect("metadata");
        let cargo = Cargo::new("/", [("CARGO_HOME", home)].into_iter().collect());
        Remap::new(&cargo, &Project::from_metadata(metadata), Path::new(target), &facts())
    }

    #[test]
    fn the_inner_of_nested_folders_comes_last_and_wins() {
        let flags = remap("/ci/w/.cargo-home", "/ci/w", "/ci/w/out/target").rustflags();
        assert_eq!(
            flags,
            [
                "--remap-path-prefix=/ci/w=/src",
                "--remap-path-prefix=/ci/w/.cargo-home=/cargo",
                "--remap-path-prefix=/ci/w/out/target=/src/target",
                "--remap-path-prefix=/rust/lib/rustlib/src/rust=/rustc/abc",
            ]
        );
    }

    #[test]
    fn the_c_compiler_keeps_the_users_flags() {
        let remap = remap("/h", "/with space", "/t");
        let variables = |given: &[(&str, &str)]| {
            let environment = given.iter().copied().collect();
            let added = remap.c_variables(&environment, &facts(), "x86_64-unknown-linux-musl");
            added.into_iter().map(|(name, value)| format!("{name}={}", value.display())).collect::<Vec<_>>()
        };
        const OURS: &str = "-ffile-prefix-map=/h=/cargo -ffile-prefix-map=/t=/src/target \
                            -ffile-prefix-map=/rust/lib/rustlib/src/rust=/rustc/abc";
        assert_eq!(variables(&[])[0], format!("CFLAGS_x86_64_unknown_linux_musl={OURS}"));
        assert_eq!(
            variables(&[("CFLAGS", "-O1"), ("TARGET_CFLAGS", "-O2"), ("HOST_CFLAGS", "-O3")])[0],
            format!("CFLAGS_x86_64_unknown_linux_musl=-O2 {OURS}")
        );
        assert_eq!(
            variables(&[("CXXFLAGS_x86_64-unknown-linux-musl", "-g")])[1],
            format!("CXXFLAGS_x86_64-unknown-linux-musl=-g {OURS}")
        );
    }
}
