//! Paths that would end up in the binary, and what stands there instead.
//!
//! Panic messages name source files: those of dependencies by where cargo keeps them, generated
//! ones by the target folder, the standard library's by where rustup put its source. Two people
//! would get two binaries. Since cargo 1.85 such flags do not count when cargo names its units,
//! so the flags, which differ from folder to folder, leave no other trace.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use cargo_metadata::semver::Version;

use super::rustc::Facts;
use super::settings::Settings;
use super::target::is_foreign;
use super::{Cargo, Project, Variables, local, lockfile};

/// Folders and what they are called in the binary; where several fit, the last one wins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remap(Vec<(PathBuf, String)>);

impl Remap {
    /// The folders that matter for a build of `project`: the workspace (`/src`), packages that lie
    /// outside of it (`/dep/NAME`), its target folders (`/src/target`), cargo's home (`/cargo`), the
    /// source of std (`/rustc/COMMIT`, as the compiled std has it).
    pub fn new(
        cargo: &Cargo,
        project: &Project,
        settings: &Settings,
        target_dir: &Path,
        facts: &Facts,
    ) -> Self {
        let mut folders = own_folders(cargo, project, settings, target_dir);
        let release = facts.commit.as_deref().unwrap_or(&facts.release);
        folders.push((facts.sysroot.join("lib/rustlib/src/rust"), format!("/rustc/{release}")));
        let mut folders = with_real(folders);
        // Of nested folders, the inner one must win.
        folders.sort_by_key(|(folder, _)| folder.components().count());
        Self(folders)
    }

    /// The flags for rustc.
    pub fn rustflags(&self) -> Vec<String> {
        self.pairs().map(|(folder, name)| format!("--remap-path-prefix={folder}={name}")).collect()
    }

    /// The variables that make C compilers do the same (`__FILE__` in assertions), with the
    /// user's own flags kept: `CFLAGS` and `CXXFLAGS` in the form that crate `cc` prefers. `cc` is the
    /// version of that crate, where the project has it.
    pub fn c_variables(
        &self,
        environment: &Variables,
        facts: &Facts,
        triple: &str,
        cc: Option<&Version>,
    ) -> Vec<(String, OsString)> {
        let flags = CFlags { quoted_by_user: environment.get(QUOTED).is_some_and(is_on), maps: self, cc };
        let kind = if is_foreign(&facts.host, triple) || facts.host != triple { "TARGET" } else { "HOST" };
        let add = |key: &str| {
            let dashed = format!("{key}_{triple}");
            let underscored = format!("{key}_{}", triple.replace(['-', '.'], "_"));
            let in_force = [&dashed, &underscored, &format!("{kind}_{key}"), &key.to_owned()]
                .into_iter()
                .find_map(|name| environment.get(name));
            let name = if environment.get(&dashed).is_some() { dashed } else { underscored };
            (name, flags.after(in_force.unwrap_or_default()))
        };
        let mut variables = vec![add("CFLAGS"), add("CXXFLAGS")];
        if flags.quoted() {
            variables.push((QUOTED.into(), "1".into()));
        }
        variables
    }

    /// Whether a folder has a name for which flags must be quoted.
    pub fn is_odd(&self) -> bool {
        self.pairs().any(|(folder, _)| !is_plain(folder))
    }

    fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().filter_map(|(folder, name)| Some((folder.to_str()?, name.as_str())))
    }
}

/// The folders of this machine that a program should not know: all that are remapped but std's
/// source, and the user's home. Those whose name could as well be one inside of an image, as `/app`,
/// are left out.
pub fn of_machine(cargo: &Cargo, project: &Project, settings: &Settings, target_dir: &Path) -> Vec<String> {
    let mut folders = own_folders(cargo, project, settings, target_dir);
    let home = cargo.environment().folders(|folders| folders.home());
    folders.extend(home.map(|home| (home, String::new())));
    let folders = with_real(folders).into_iter().map(|(folder, _)| folder);
    let specific = folders.filter(|folder| folder.components().count() > 2);
    let mut names: Vec<String> = specific.filter_map(|folder| Some(folder.to_str()?.to_owned())).collect();
    names.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
    names
}

/// What of a build hangs on the folder that it is made in, whatever is remapped.
pub fn folder_notes(project: &Project, settings: &Settings, folders: &[String]) -> Vec<String> {
    let outside: Vec<String> = outside(project, settings)
        .into_iter()
        .filter_map(|(_, name)| name.split('/').nth(2).map(str::to_owned))
        .collect();
    let mut notes = Vec::new();
    if !outside.is_empty() {
        notes.push(format!(
            "outside the workspace's folder: {}; cargo names such code after its folder, so building it in another folder may give a different image",
            outside.join(", ")
        ));
    }
    // Clang takes what is before the first `=` of `-ffile-prefix-map` for the folder, and knows no way to quote it.
    let odd = folders.iter().filter(|folder| folder.contains('=')).min_by_key(|folder| folder.len());
    if let Some(folder) = odd
        && lockfile::oldest(project, "cc").is_some()
    {
        notes.push(format!(
            "{folder} has a = in its name, which some C compilers cannot keep out of a program, so building it in another folder may give a different image"
        ));
    }
    notes
}

/// The folders of the project and of cargo, and what they are called.
fn own_folders(
    cargo: &Cargo,
    project: &Project,
    settings: &Settings,
    target_dir: &Path,
) -> Vec<(PathBuf, String)> {
    let mut folders = vec![
        (project.workspace_root.clone(), "/src".to_owned()),
        (target_dir.to_owned(), "/src/target".to_owned()),
        (project.build_directory.clone(), "/src/target".to_owned()),
    ];
    folders.extend(outside(project, settings));
    folders.extend(cargo.home().map(|home| (home, "/cargo".to_owned())));
    folders
}

/// Programs see a folder as it was named or as it really is.
fn with_real(mut folders: Vec<(PathBuf, String)>) -> Vec<(PathBuf, String)> {
    let real = folders.iter().filter_map(|(folder, name)| Some((folder.canonicalize().ok()?, name.clone())));
    let real: Vec<_> = real.collect();
    folders.extend(real);
    folders.sort();
    folders.dedup();
    folders
}

/// With this variable crate `cc` takes flags apart as a shell does; without it, at spaces.
const QUOTED: &str = "CC_SHELL_ESCAPED_FLAGS";

/// The first version of crate `cc` that knows the variable.
const KNOWS_QUOTED: Version = Version::new(1, 1, 11);

fn is_on(value: &OsStr) -> bool {
    !["", "0", "false", "no"].iter().any(|off| value == *off)
}

/// Flags for C compilers, quoted only where a folder's name needs it.
struct CFlags<'a> {
    quoted_by_user: bool,
    maps: &'a Remap,
    cc: Option<&'a Version>,
}

impl CFlags<'_> {
    fn quoted(&self) -> bool {
        self.quoted_by_user || (self.maps.is_odd() && self.cc.is_some_and(|version| *version >= KNOWS_QUOTED))
    }

    /// The user's own flags, and ours behind them.
    fn after(&self, own: &OsStr) -> OsString {
        let quoted = self.quoted();
        let maps = self.maps.pairs().filter(|(folder, _)| quoted || is_plain(folder));
        let maps = maps.map(|(folder, name)| format!("-ffile-prefix-map={folder}={name}"));
        let maps: Vec<String> = maps.map(|flag| if quoted { quote(&flag) } else { flag }).collect();
        let mut flags = match own.to_str() {
            Some(own) if quoted && !self.quoted_by_user => {
                own.split_ascii_whitespace().map(quote).collect::<Vec<_>>().join(" ").into()
            }
            _ => own.to_owned(),
        };
        if !flags.is_empty() {
            flags.push(" ");
        }
        flags.push(maps.join(" "));
        flags
    }
}

/// Whether a flag with this folder means the same to a shell and to who splits at spaces.
fn is_plain(folder: &str) -> bool {
    folder.chars().all(|c| c.is_alphanumeric() || "/._-+,:@%=".contains(c))
}

fn quote(flag: &str) -> String {
    shlex::try_quote(flag).map_or_else(|_| flag.to_owned(), std::borrow::Cow::into_owned)
}

/// Packages outside of the workspace's folder, and what they are called: their names, so that it does
/// not matter where they lie.
fn outside(project: &Project, settings: &Settings) -> Vec<(PathBuf, String)> {
    let mut found: Vec<(PathBuf, String)> = Vec::new();
    for (folder, name) in local::packages(project, settings.local_paths()) {
        if folder.starts_with(&project.workspace_root) {
            continue;
        }
        let same = found.iter().filter(|(_, other)| other.split('/').nth(2) == Some(&name)).count();
        let number = if same == 0 { String::new() } else { format!("/{}", same + 1) };
        found.push((folder, format!("/dep/{name}{number}")));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::System;

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

    fn metadata(root: &str, target: &str) -> cargo_metadata::Metadata {
        let metadata = serde_json::json!({"workspace_members": [], "workspace_default_members": [], "packages": [],
            "target_directory": target, "version": 1, "workspace_root": root});
        cargo_metadata::MetadataCommand::parse(metadata.to_string()).expect("metadata")
    }

    #[test]
    fn a_folder_that_c_compilers_cannot_rename_is_named_where_there_is_c() {
        let folder = tempfile::tempdir().expect("folder");
        let project = Project::from_metadata(metadata(&folder.path().display().to_string(), "/t"));
        let notes = |folders: &[&str]| {
            let folders: Vec<String> = folders.iter().map(|&folder| folder.to_owned()).collect();
            folder_notes(&project, &Settings::default(), &folders)
        };
        let lock = |name: &str| {
            let text = format!("version = 4\n[[package]]\nname = '{name}'\nversion = '1.2.0'\n");
            std::fs::write(folder.path().join("Cargo.lock"), text).expect("lock");
        };
        lock("cc");
        assert!(notes(&["/a=b/target", "/a=b", "/c"])[0].starts_with("/a=b has a = in its name"));
        assert!(notes(&["/a/target", "/c"]).is_empty());
        lock("other");
        assert!(notes(&["/a=b"]).is_empty(), "no C is compiled");
    }

    fn remap(home: &str, root: &str, target: &str) -> Remap {
        let cargo = Cargo::new("/", [("CARGO_HOME", home)].into_iter().collect());
        Remap::new(
            &cargo,
            &Project::from_metadata(metadata(root, target)),
            &Settings::default(),
            Path::new(target),
            &facts(),
        )
    }

    #[test]
    fn the_inner_of_nested_folders_comes_last_and_wins() {
        let flags = remap("/ci/w/.cargo-home", "/ci/w", "/ci/w/out/target").rustflags();
        let flags: Vec<_> = flags.iter().map(|flag| System::HERE.slashes(flag)).collect();
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

    const TRIPLE: &str = "x86_64-unknown-linux-musl";

    fn c_flags(remap: &Remap, given: &[(&str, &str)], cc: Option<&str>) -> Vec<String> {
        let cc = cc.map(|version| version.parse().expect("a version"));
        let environment = given.iter().copied().collect();
        let added = remap.c_variables(&environment, &facts(), TRIPLE, cc.as_ref());
        let line = |name: &str, value: &OsStr| format!("{name}={}", value.display());
        added.iter().map(|(name, value)| System::HERE.slashes(&line(name, value)).into_owned()).collect()
    }

    /// On Windows one has a `\`, which some would take for a quote where nothing is quoted.
    fn ours() -> String {
        let rust = " -ffile-prefix-map=/rust/lib/rustlib/src/rust=/rustc/abc";
        let rust = if System::HERE.is_windows() { "" } else { rust };
        format!("-ffile-prefix-map=/h=/cargo -ffile-prefix-map=/t=/src/target{rust}")
    }

    #[test]
    fn the_c_compiler_keeps_the_users_flags() {
        let remap = remap("/h", "/with space", "/t");
        let variables = |given: &[(&str, &str)]| c_flags(&remap, given, None);
        assert_eq!(variables(&[])[0], format!("CFLAGS_x86_64_unknown_linux_musl={}", ours()));
        assert_eq!(
            variables(&[("CFLAGS", "-O1"), ("TARGET_CFLAGS", "-O2"), ("HOST_CFLAGS", "-O3")])[0],
            format!("CFLAGS_x86_64_unknown_linux_musl=-O2 {}", ours())
        );
        assert_eq!(
            variables(&[("CXXFLAGS_x86_64-unknown-linux-musl", "-g")])[1],
            format!("CXXFLAGS_x86_64-unknown-linux-musl=-g {}", ours())
        );
    }

    #[test]
    fn folders_with_odd_names_are_quoted_for_a_cc_that_understands_it() {
        let remap = remap("/h", "/it's a=b", "/t");
        let flags = c_flags(&remap, &[("CFLAGS", "-DX=\"y z")], Some("1.1.11"));
        let split = shlex::split(flags[0].split_once('=').expect("a value").1).expect("quoted");
        assert_eq!(split[..2], ["-DX=\"y", "z"], "as cc would have split them");
        assert!(split.contains(&"-ffile-prefix-map=/it's a=b=/src".to_owned()), "{split:?}");
        assert_eq!(flags[2], "CC_SHELL_ESCAPED_FLAGS=1");
        let old = c_flags(&remap, &[], Some("1.1.10"));
        assert_eq!(old[0], format!("CFLAGS_x86_64_unknown_linux_musl={}", ours()), "it would not compile");
        assert_eq!(old.len(), 2);
        let own = c_flags(&remap, &[("CC_SHELL_ESCAPED_FLAGS", "1"), ("CFLAGS", "'-Da b'")], None);
        assert!(own[0].contains("='-Da b' "), "{own:?}");
    }

    #[test]
    fn packages_outside_are_called_by_their_names() {
        let folder = tempfile::tempdir().expect("folder");
        for place in ["app", "x/lib", "y/lib"] {
            std::fs::create_dir_all(folder.path().join(place)).expect("mkdir");
        }
        let write = |path: &str, text: &str| std::fs::write(folder.path().join(path), text).expect("write");
        write(
            "app/Cargo.toml",
            "[patch.a]\nlib = {path = '../x/lib'}\n[patch.b]\nlib = {path = '../y/lib'}\n",
        );
        write("x/lib/Cargo.toml", "[package]\nname = 'lib'\n");
        write("y/lib/Cargo.toml", "[package]\nname = 'lib'\n");
        let root = folder.path().join("app").display().to_string();
        let flags = remap("/h", &root, "/t").rustflags().join("\n");
        let flags = System::HERE.slashes(&flags);
        let place = folder.path().display().to_string();
        let place = System::HERE.slashes(&place);
        let metadata = metadata(&root, "/t");
        let notes = folder_notes(&Project::from_metadata(metadata), &Settings::default(), &[]);
        assert!(notes[0].starts_with("outside the workspace's folder: lib, lib; cargo"), "{notes:?}");
        assert!(flags.contains(&format!("{place}/x/lib=/dep/lib\n")), "{flags}");
        assert!(flags.contains(&format!("{place}/y/lib=/dep/lib/2")), "{flags}");
    }
}
