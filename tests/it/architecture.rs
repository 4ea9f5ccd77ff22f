//! The library's modules know only what they may know. `ARCHITECTURE.md` explains the table.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Each module, and the modules that it may name. All may name [`KNOWN_TO_ALL`].
const MAY_NAME: &[(&str, &[&str])] = &[
    ("read", &[]),
    ("system", &[]),
    ("error", &[]),
    ("event", &[]),
    ("interrupt", &[]),
    ("process", &[]),
    ("redact", &[]),
    ("words", &[]),
    ("oci", &[]),
    ("deployment", &["oci"]),
    ("territory", &[]),
    ("trim", &[]),
    ("vcs", &["process"]),
    ("config", &["oci", "trim"]),
    ("store", &["oci"]),
    ("http", &[]),
    ("registry", &["http", "oci", "process", "store"]),
    ("elf", &[]),
    ("versions", &[]),
    ("cargo", &["elf", "oci", "process", "store", "territory"]),
    ("facts", &["elf", "oci", "store", "versions"]),
    ("layer", &["facts", "oci", "store"]),
    ("debian", &["facts", "http", "layer", "oci", "store"]),
    ("base", &["debian", "facts", "layer", "oci", "process", "registry", "store"]),
    ("python", &["elf", "http", "oci", "process", "store", "territory", "trim", "vcs", "versions"]),
    ("wheel", &["layer", "oci", "python", "trim"]),
    ("plan", &["base", "config", "oci", "python"]),
    ("image", &["base", "layer", "oci", "plan", "store"]),
    ("check", &["elf", "facts", "oci", "python", "versions"]),
    ("sbom", &["cargo", "oci"]),
    ("policy", &["config", "sbom"]),
    ("trust", &["oci"]),
    ("inspect", &["facts", "oci", "sbom", "trim", "trust"]),
    ("sink", &["base", "image", "oci", "process", "registry", "store"]),
    ("dockerfile", &[]),
    ("init", &["cargo", "config", "dockerfile", "oci", "plan", "python", "store"]),
    (
        "story",
        &[
            "base",
            "cargo",
            "check",
            "config",
            "debian",
            "elf",
            "facts",
            "http",
            "image",
            "inspect",
            "layer",
            "oci",
            "plan",
            "policy",
            "process",
            "python",
            "registry",
            "sbom",
            "sink",
            "store",
            "territory",
            "trim",
            "trust",
            "vcs",
            "wheel",
        ],
    ),
];

const KNOWN_TO_ALL: &[&str] =
    &["error", "event", "interrupt", "read", "redact", "system", "words", "Error", "Kind", "Result"];

/// Modules that work on values alone.
const PURE: &[&str] =
    &["check", "config", "dockerfile", "image", "inspect", "oci", "plan", "policy", "sbom", "trust"];

/// What the pure ones must not touch.
const OUTSIDE: &[&str] = &[
    "std::fs",
    "crate::read",
    "std::net::Tcp",
    "std::net::Udp",
    "std::process",
    "std::time",
    "tokio",
    "reqwest",
];

/// What the whole library must not do: front ends print, end, and read the call.
const FRONT_END: &[&str] = &["println!", "print!(", "dbg!(", "process::exit", "clap::", "indicatif::"];

/// Where the environment may be looked at, and what for.
const ENVIRONMENT: &[(&str, &str)] = &[
    // Called by front ends only, which pass the result in.
    ("registry/credentials/sources.rs", "std::env::vars"),
    // Names only, of what a program that is started must not inherit.
    ("process/secrets.rs", "std::env::vars"),
    // For words about the folder that temporary files go to.
    ("store/scratch.rs", "std::env::temp_dir"),
    // Constants of the compilation, not of the environment.
    ("story/places.rs", "std::env::consts::"),
    // Takes a value apart that was passed in.
    ("cargo/mod.rs", "std::env::split_paths"),
    ("system/programs.rs", "std::env::split_paths"),
    ("http/certs.rs", "std::env::split_paths"),
    ("story/deliver.rs", "std::env::consts::"),
    ("base/open.rs", "std::env::consts::"),
    ("story/native/mod.rs", "std::env::consts::"),
    ("story/native/host.rs", "std::env::consts::"),
];

/// What reads a file of any kind and size.
const READING: &[&str] = &["fs::read(", "read_to_string(", "File::open("];

/// Where a file is read without [`READING`]'s door, `read.rs`, and why.
const READERS: &[(&str, &[&str])] = &[
    ("read.rs", &["read_to_string(", "File::open("]),
    // An archive may come through a pipe that the user names, and is read as a stream.
    ("base/archive.rs", &["File::open("]),
    // Members of archives and what programs say, each cut off by `take`.
    ("debian/package.rs", &["read_to_string("]),
    // What tests leave behind.
    ("python/build/fakes.rs", &["fs::read_to_string("]),
    // The terminal, and the kernel's own words on a process.
    ("process/run.rs", &["File::open("]),
    ("process/table.rs", &["read_to_string("]),
    // A lock is opened, and not read.
    ("store/living.rs", &["File::open("]),
];

const MOST_LINES: usize = 800;

/// A source file without its comments and unit tests.
pub(crate) struct Source {
    /// Relative to the `src` folder.
    pub(crate) path: String,
    pub(crate) code: String,
}

impl Source {
    fn module(&self) -> &str {
        let end = self.path.find(['/', '.']).unwrap_or(self.path.len());
        &self.path[..end]
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn rust_files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

pub(crate) fn library() -> Vec<Source> {
    let src = root().join("shared/src");
    let files = rust_files(&src);
    let source = |file: &PathBuf| Source {
        path: file.strip_prefix(&src).expect("below src").to_str().expect("text").to_owned(),
        code: product(&fs::read_to_string(file).expect("text")),
    };
    let is_product = |source: &Source| !source.path.ends_with("tests.rs") && source.path != "lib.rs";
    files.iter().map(source).filter(is_product).collect()
}

/// The text without comments, and without what only tests have, wherever it stands.
fn product(text: &str) -> String {
    let mut kept = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let start = line.trim_start();
        if start.starts_with("#[cfg(test)]") || start.starts_with("#[cfg(all(test") {
            let indent = &line[..line.len() - start.len()];
            // The attributes of the item, then the item: one line that ends it, or all up to its last brace.
            let item = lines.by_ref().find(|line| !line.trim_start().starts_with("#["));
            if !item.is_some_and(|item| item.ends_with([';', '}', ','])) {
                let end = format!("{indent}}}");
                _ = lines.by_ref().find(|line| line.starts_with(&end));
            }
        } else if !start.starts_with("//") {
            kept.push(line);
        }
    }
    kept.join("\n")
}

/// The words that follow `crate::`, also in `crate::{a, b::c}`.
fn named(code: &str) -> BTreeSet<&str> {
    let word = |text| str::split(text, |c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default();
    let mut found = BTreeSet::new();
    for (at, marker) in code.match_indices("crate::") {
        let before = code[..at].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let rest = &code[at + marker.len()..];
        match rest.strip_prefix('{') {
            None => _ = found.insert(word(rest)),
            Some(group) => found.extend(items(group).map(|item| word(item.trim())).filter(|w| !w.is_empty())),
        }
    }
    found
}

/// The items of a group of imports, whose opening brace is already read.
pub(crate) fn items(group: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0;
    let mut step = move |c| {
        depth += i32::from(c == '{') - i32::from(c == '}');
        depth
    };
    let mut to_end = step;
    let end = group.find(move |c| to_end(c) < 0).unwrap_or(group.len());
    group[..end].split(move |c| step(c) == 0 && c == ',')
}

#[test]
fn modules_name_only_what_the_table_allows() {
    let mut wrong = Vec::new();
    for source in library() {
        let module = source.module();
        let Some((_, allowed)) = MAY_NAME.iter().find(|(name, _)| *name == module) else {
            wrong.push(format!("{}: the module {module} is not in the table", source.path));
            continue;
        };
        let foreign = named(&source.code)
            .into_iter()
            .filter(|name| *name != module && !allowed.contains(name) && !KNOWN_TO_ALL.contains(name));
        wrong.extend(foreign.map(|name| format!("{}: `{module}` may not name `{name}`", source.path)));
    }
    assert!(
        wrong.is_empty(),
        "{}\nMove the code to where it belongs. If the table is wrong, change MAY_NAME and ARCHITECTURE.md.",
        wrong.join("\n")
    );
}

#[test]
fn the_table_lists_no_module_that_is_gone() {
    let sources = library();
    for (module, allowed) in MAY_NAME {
        for name in allowed.iter().chain([module]) {
            assert!(sources.iter().any(|source| source.module() == *name), "there is no module {name}");
        }
        let used: BTreeSet<&str> =
            sources.iter().filter(|s| s.module() == *module).flat_map(|s| named(&s.code)).collect();
        let spare: Vec<_> = allowed.iter().filter(|name| !used.contains(*name)).collect();
        assert!(spare.is_empty(), "{module} does not need {spare:?}: take it out of MAY_NAME");
    }
}

#[test]
fn arrows_lead_to_what_stands_before() {
    for (place, (module, allowed)) in MAY_NAME.iter().enumerate() {
        let before: Vec<&str> = MAY_NAME[..place].iter().map(|(name, _)| *name).collect();
        let upwards: Vec<_> = allowed.iter().filter(|name| !before.contains(name)).collect();
        assert!(upwards.is_empty(), "{module} names {upwards:?}, which stand above it");
    }
}

fn refuse(words: &[&str], sources: &[Source], why: &str) {
    let found: Vec<String> = sources
        .iter()
        .flat_map(|source| source.code.lines().map(move |line| (source, line)))
        .filter(|(_, line)| words.iter().any(|word| line.contains(word)))
        .map(|(source, line)| format!("shared/src/{}: {}", source.path, line.trim()))
        .collect();
    assert!(found.is_empty(), "{}\n{why}", found.join("\n"));
}

#[test]
fn values_are_made_without_disk_network_or_clock() {
    let pure: Vec<_> = library().into_iter().filter(|source| PURE.contains(&source.module())).collect();
    refuse(OUTSIDE, &pure, "These modules make values from values: pass in what they need.");
}

#[test]
fn the_library_leaves_printing_and_ending_to_front_ends() {
    refuse(FRONT_END, &library(), "Report an `Event`, or return an `Error`.");
}

#[test]
fn the_library_gets_the_environment_passed_in() {
    let mut sources = library();
    for source in &mut sources {
        for (_, allowed) in ENVIRONMENT.iter().filter(|(path, _)| *path == source.path) {
            source.code = source.code.replace(allowed, "");
        }
        // A module of its own, which ends alike.
        source.code = source.code.replace("venv::", "");
    }
    let why = "Pass the value in: `story::Request` and `cargo::Variables` carry what the call came with.";
    refuse(&["env::"], &sources, why);
}

#[test]
fn what_others_wrote_is_read_through_one_door() {
    let mut sources = library();
    for source in &mut sources {
        for (_, allowed) in READERS.iter().filter(|(path, _)| *path == source.path) {
            for word in *allowed {
                assert!(source.code.contains(word), "{} does not need {word}: take it out", source.path);
                source.code = source.code.replace(word, "");
            }
        }
    }
    let why =
        "`read.rs` takes regular files of a bounded size only: a pipe is waited for, a device has no end.";
    refuse(READING, &sources, why);
}

/// What differs between systems, and where it is decided. Elsewhere it would be decided again, and wrong for one.
const OF_SYSTEMS: &[(&str, &str, &str)] = &[
    ("GlobBuilder::new(", "system/", "`system::globs`: by itself globset reads \\ otherwise on each system"),
    ("Glob::new(", "system/", "`system::globs`: by itself globset reads \\ otherwise on each system"),
    ("\"HOME\"", "system/", "`system::Folders`: Windows has no HOME"),
    ("\"USERPROFILE\"", "system/", "`system::Folders`"),
    ("\"APPDATA\"", "system/", "`system::Folders`"),
    ("\"XDG_CONFIG_DIRS\"", "python/index/settings/", "`index::settings`"),
    ("\".exe\"", "system/", "`system::programs`: the names of programs"),
    (".exe\")", "system/", "`system::programs`: the names of programs"),
    (
        "cfg!(windows)",
        "system/",
        "`system::System::HERE`, as a value, so that the rule is tested on all systems",
    ),
    ("fs::rename(", "store/replace.rs", "`store::replace`: Windows refuses for a moment"),
    (".persist(", "store/replace.rs", "`store::replace`: Windows refuses for a moment"),
];

/// Where that stands all the same, and why.
const OF_SYSTEMS_ELSEWHERE: &[(&str, &str)] = &[
    // A machine that tests make.
    ("python/build/fakes.rs", "\"HOME\""),
];

#[test]
fn what_differs_between_systems_is_decided_in_one_place() {
    let mut wrong = Vec::new();
    for source in library() {
        for (word, place, instead) in OF_SYSTEMS {
            let spared = OF_SYSTEMS_ELSEWHERE.contains(&(source.path.as_str(), *word));
            if !source.path.starts_with(place) && !spared && source.code.contains(word) {
                wrong.push(format!("shared/src/{}: {word} is the matter of {instead}", source.path));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Modules whose texts become places in images.
const OF_IMAGES: &[&str] = &["check", "image", "layer", "plan", "wheel"];

#[test]
fn no_path_of_this_machine_becomes_a_place_in_an_image() {
    let why = "On Windows it has \\ between its parts: `system::places::below` makes a place of it.";
    let library = library();
    let (images, others): (Vec<_>, Vec<_>) =
        library.into_iter().partition(|source| OF_IMAGES.contains(&source.module()));
    refuse(&[".display().to_string()", "to_str().unwrap"], &images, why);
    // `format!("{PREFIX}/{}", path.display())`
    let joined =
        |line: &&str| line.contains("/{}\"") && line.contains(".display()") && line.contains("format!(");
    let found: Vec<String> = images
        .iter()
        .chain(&others)
        .flat_map(|source| source.code.lines().filter(joined).map(move |line| (source, line)))
        .map(|(source, line)| format!("shared/src/{}: {}", source.path, line.trim()))
        .collect();
    assert!(found.is_empty(), "{}\n{why}", found.join("\n"));
}

#[test]
fn the_compiler_vouches_for_all_but_one_file() {
    let others: Vec<_> = library().into_iter().filter(|source| source.path != "layer/inflate.rs").collect();
    refuse(&["unsafe {", "unsafe fn", "unsafe impl"], &others, "Only zlib's C interface needs it.");
}

#[test]
fn no_file_is_too_long_to_read() {
    let parts = ["cargo-containerize/src", "shared/src", "tests/src", "tests/it"];
    for file in parts.iter().flat_map(|part| rust_files(&root().join(part))) {
        let lines = fs::read_to_string(&file).expect("text").lines().count();
        assert!(lines <= MOST_LINES, "{} has {lines} lines: cut it where it has a joint", file.display());
    }
}

#[test]
fn names_are_found_in_all_forms_of_imports() {
    let code = "use crate::oci::{A, B};\nuse crate::{Error, plan::{C, D}, x};\nlet y = crate::base::z(); pub(crate) fn";
    let found = named(code);
    assert_eq!(found.into_iter().collect::<Vec<_>>(), ["Error", "base", "oci", "plan", "x"]);
    assert_eq!(product("a // b\n// c\n#[cfg(test)]\nmod tests {}"), "a // b");
    let early = "#[cfg(test)]\n#[path = \"x\"]\nmod x;\na\n    #[cfg(test)]\n    fn b() {\n        c\n    }\nd\n#[cfg(all(test, unix))]\nmod t {\n    e\n}\nf";
    assert_eq!(product(early), "a\nd\nf");
}

#[test]
fn a_module_with_a_folder_is_in_it() {
    let src = root().join("shared/src");
    for file in rust_files(&src) {
        let folder = file.with_extension("");
        let is_of_tests = file.ends_with("tests.rs");
        assert!(is_of_tests || !folder.is_dir(), "{} belongs into its folder, as mod.rs", file.display());
    }
}
