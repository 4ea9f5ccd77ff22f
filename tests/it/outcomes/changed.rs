//! Programs that are built only when something has changed.

use std::fs;

use containerize_tests::layout::Layout;
use containerize_tests::program::{Done, Project, can_build};
use containerize_tests::registry::{Phase, TestRegistry};

/// A service in a workspace that shares a library with another one. Its build script, its code and its library read
/// files beside their own, and name variables.
fn project() -> Project {
    let project = Project::new(&[
        ("Cargo.toml", "[workspace]\nmembers = ['app', 'other', 'lib']\nresolver = '2'\n"),
        (
            "app/Cargo.toml",
            "[package]\nname = 'app'\nversion = '1.0.0'\nedition = '2021'\n[features]\nloud = []\n\
             [dependencies]\nlib = { path = '../lib' }\n[dev-dependencies]\nother = { path = '../other' }\n",
        ),
        (
            "app/build.rs",
            "fn main() { println!(\"cargo::rerun-if-changed=../words\");\n\
             println!(\"cargo::rustc-env=FROM_SCRIPT={:?}\", option_env!(\"SCRIPT_READS\"));\n\
             println!(\"cargo::rerun-if-env-changed=SCRIPT_NAMES\"); }",
        ),
        (
            "app/src/main.rs",
            "fn main() { println!(\"{} {} {:?} {}\", lib::text(), include_str!(\"../../shared.txt\"),\n\
             (option_env!(\"CODE_NAMES\"), option_env!(\"DEBUG\"), env!(\"FROM_SCRIPT\")), include_str!(\"../made.txt\")) }",
        ),
        ("app/.gitignore", "made.txt\n"),
        ("app/made.txt", "made"),
        ("lib/Cargo.toml", "[package]\nname = 'lib'\nversion = '1.0.0'\nedition = '2021'\n"),
        ("lib/src/lib.rs", "pub fn text() -> &'static str { \"lib\" }"),
        ("other/Cargo.toml", "[package]\nname = 'other'\nversion = '1.0.0'\nedition = '2021'\n"),
        ("other/src/lib.rs", ""),
        ("shared.txt", "shared"),
        ("words/one", "one"),
        (".git/HEAD", "ref: refs/heads/main\n"),
        (".gitignore", "/target\n"),
    ]);
    // An empty repository is enough for version control to be asked what it ignores.
    fs::create_dir_all(project.at(".git/objects")).expect("folder");
    fs::create_dir_all(project.at(".git/refs")).expect("folder");
    project.lock();
    project
}

const FLAGS: [&str; 6] = ["-p", "app", "--if-changed", "-o", "oci:out", "--platform=linux/amd64"];

fn build(project: &Project, arguments: &[&str]) -> Done {
    project.call([&FLAGS[..], arguments].concat()).succeed()
}

/// What is said to have changed; nothing where cargo was not asked.
fn change(done: &Done) -> Option<String> {
    let said = done.stderr();
    let named = said.lines().find_map(|line| line.trim().strip_prefix("Changed app for "));
    let named = named.and_then(|line| Some(line.split_once(": ")?.1.to_owned()));
    let was_asked = said.lines().any(|line| line.trim().starts_with("Building app"));
    assert_eq!(named.is_some(), was_asked, "{}", done.shown());
    named
}

#[test]
fn cargo_is_not_asked_while_nothing_has_changed() {
    if !can_build() {
        return;
    }
    let project = project();
    let first = build(&project, &[]);
    assert!(first.stderr().contains("Building app"), "{}", first.shown());
    let program =
        |project: &Project| Layout::read(&project.at("out")).only().entry("usr/local/bin/app").bytes.clone();
    let made = program(&project);
    // Nothing needs cargo's results either.
    fs::remove_dir_all(project.at("target")).expect("removed");
    fs::remove_dir_all(project.at("out")).expect("removed");
    let again = build(&project, &[]);
    assert_eq!((change(&again), again.digest()), (None, first.digest()));
    assert!(!project.at("target/x86_64-unknown-linux-musl").exists(), "{}", again.shown());
    assert_eq!(program(&project), made);

    // What is no part of it: another member, what is said of images, and files that nothing reads.
    project.write(&[("other/src/lib.rs", "pub fn f() {}"), ("notes.txt", ""), ("words/one", "one")]);
    let manifest = fs::read_to_string(project.at("app/Cargo.toml")).expect("read");
    let ports = format!("{manifest}[package.metadata.containerize]\nports = [80]\n");
    project.write(&[("app/Cargo.toml", &ports)]);
    let other = build(&project, &[]);
    assert_eq!(change(&other), None);
    assert_ne!(other.digest(), first.digest(), "the port is in the configuration");
    let told = project.call([&FLAGS[..], &["--dry-run"]].concat()).succeed();
    assert!(told.stderr().contains("nothing of it has changed"), "{}", told.shown());
    for name in ["CODE_NAMES", "DEBUG", "SCRIPT_NAMES", "SCRIPT_READS"] {
        assert!(told.stderr().contains(&format!("the variable {name}")), "{name}: {}", told.shown());
    }
}

#[test]
fn whatever_a_program_is_built_from_counts_and_the_first_change_is_named() {
    if !can_build() {
        return;
    }
    let project = project();
    build(&project, &[]);
    let edits: &[(&str, &str, &str)] = &[
        ("lib/src/lib.rs", "pub fn text() -> &'static str { \"other\" }", "lib/src/lib.rs changed"),
        ("app/src/more.rs", "", "app/src/more.rs is new"),
        ("shared.txt", "other", "shared.txt changed"),
        ("app/made.txt", "made anew", "app/made.txt changed"),
        ("words/two", "two", "words/two is new"),
        (
            "Cargo.toml",
            "[workspace]\nmembers = ['app', 'other', 'lib']\nresolver = '2'\n[profile.release]\nopt-level = 1\n",
            "the profiles and patches of the workspace changed",
        ),
        (".cargo/config.toml", "[env]\nX = 'y'\n", "cargo's configuration changed"),
        (".cargo/config.toml", "[env]\nX = 'y'\n[build]\nrustflags = ['--cfg=x']\n", "rustflags changed"),
    ];
    for (path, text, expected) in edits {
        project.write(&[(path, text)]);
        assert_eq!(change(&build(&project, &[])).as_deref(), Some(*expected), "{path}");
        assert_eq!(change(&build(&project, &[])), None, "{path}");
    }
    for (flag, expected) in [("--features=loud", "the features"), ("--strip=none", "the profile")] {
        let done = build(&project, &[flag]);
        assert!(done.stderr().contains("Building app"), "{expected}: {}", done.shown());
        assert_eq!(change(&build(&project, &[flag])), None, "{flag}");
    }
    for name in ["CODE_NAMES", "DEBUG", "SCRIPT_NAMES", "SCRIPT_READS"] {
        let call = || project.call(FLAGS).env(name, "set").succeed();
        let said = change(&call()).expect(name);
        assert!(said.contains(&format!("the variable {name}")) && said.ends_with(" changed"), "{said}");
        assert_eq!(change(&call()), None, "{name}");
    }
    fs::remove_file(project.at("words/two")).expect("removed");
    let done = project.call(FLAGS).env("SCRIPT_READS", "set").succeed();
    assert_eq!(change(&done).as_deref(), Some("words/two is gone"));
}

#[test]
fn what_the_lock_says_of_needs_counts_too() {
    if !can_build() {
        return;
    }
    let project = project();
    build(&project, &[]);
    let lock = fs::read_to_string(project.at("Cargo.lock")).expect("read");
    project.write(&[("Cargo.lock", &lock.replace(" \"lib\",\n", " \"lib\",\n \"lib 1.0.0\",\n"))]);
    let done = project.call([&FLAGS[..], &["--dry-run"]].concat()).succeed();
    assert!(done.stderr().contains("the crate app 1.0.0 changed since"), "{}", done.shown());
}

#[test]
fn two_projects_of_one_name_do_not_take_each_other_for_their_own() {
    if !can_build() {
        return;
    }
    let (one, other) = (project(), project());
    other.write(&[("app/src/main.rs", "fn main() { println!(\"another\") }")]);
    let cache = one.cache("");
    let call = |project: &Project| project.call_with(&cache, FLAGS).succeed();
    call(&one);
    call(&other);
    for project in [&one, &other, &one] {
        assert_eq!(change(&call(project)), None);
    }
}

#[test]
fn a_clean_machine_compiles_nothing_that_is_in_the_registry() {
    if !can_build() {
        return;
    }
    let (project, registry) = (project(), TestRegistry::open());
    let repository = registry.repository("me/app");
    let push = |machine: &str, arguments: &[&str]| {
        let flags =
            ["-p", "app", "--if-changed", "--push", "--repository", &repository, "-t", "1", "--remote-cache"];
        project.call_on(machine, [&flags[..], &["--platform=linux/amd64"], arguments].concat())
    };
    let digest = |done: &Done| done.stdout().trim().rsplit('@').next().unwrap_or_default().to_owned();
    let first = push("one", &[]).succeed();
    fs::remove_dir_all(project.at("target")).expect("removed");
    let (uploads, asked) = (registry.count(Phase::PutBlob), registry.requests().len());
    let again = push("two", &[]).succeed();
    assert_eq!((change(&again), digest(&again)), (None, digest(&first)));
    assert!(!project.at("target/x86_64-unknown-linux-musl").exists(), "{}", again.shown());
    assert_eq!(registry.count(Phase::PutBlob), uploads);
    let requests = registry.requests().len() - asked;
    assert!(requests <= 6, "{requests} requests");

    project.write(&[("lib/src/lib.rs", "pub fn text() -> &'static str { \"other\" }")]);
    let changed = push("three", &["-t", "2"]).succeed();
    assert_eq!(change(&changed).as_deref(), Some("lib/src/lib.rs changed"));

    // Into a layout its bytes are needed after all.
    let bytes = project.call_on("four", [&FLAGS[..], &["--quiet"]].concat()).succeed();
    let layout = Layout::read(&project.at("out")).only();
    assert!(
        String::from_utf8_lossy(&layout.entry("usr/local/bin/app").bytes).contains("other"),
        "{}",
        bytes.shown()
    );
}

#[test]
fn a_layer_that_is_gone_is_made_again_and_a_wrong_memory_is_found_out() {
    if !can_build() {
        return;
    }
    let project = project();
    let first = build(&project, &[]);
    let blobs = project.cache("").join("blobs");
    let forget = || {
        fs::remove_dir_all(&blobs).expect("removed");
        fs::remove_dir_all(project.at("out")).expect("removed");
    };
    forget();
    let again = build(&project, &[]);
    assert_eq!(again.digest(), first.digest());
    assert!(again.stderr().contains("Building app"), "its bytes are needed: {}", again.shown());

    // The memory says that other bytes come of the same.
    let memo = project.cache("").join("memo/programs-v1");
    let record = fs::read_dir(&memo).expect("memo").next().expect("a record").expect("a record").path();
    let text = fs::read_to_string(&record).expect("read");
    let mut value: serde_json::Value = serde_json::from_str(&text[64..]).expect("JSON");
    let program = value.as_object_mut().and_then(|all| all.values_mut().next()).expect("a program");
    program["digest"] = format!("sha256:{}", "0".repeat(64)).into();
    let lie = value.to_string();
    let sum = containerize_tests::layout::sha256(lie.as_bytes());
    fs::write(&record, format!("{}{lie}", sum.trim_start_matches("sha256:"))).expect("written");
    forget();
    let mended = build(&project, &[]);
    assert_eq!(mended.digest(), first.digest());
    assert!(mended.stderr().contains("is another one when it is built again"), "{}", mended.shown());
    assert_eq!(change(&build(&project, &[])), None, "and the memory is right again");
}

#[test]
fn what_cannot_be_counted_is_left_to_cargo() {
    if !can_build() {
        return;
    }
    let outside = tempfile::tempdir().expect("folder");
    fs::write(outside.path().join("text"), "text").expect("file");
    let project = Project::app("");
    let path = outside.path().join("text").display().to_string();
    project.write(&[("src/main.rs", &format!("fn main() {{ println!(include_str!({path:?})) }}"))]);
    for _ in 0..2 {
        let done = project.call(["--if-changed", "-o", "oci:out"]).succeed();
        let said = done.stderr();
        assert!(said.contains("Building app"), "{}", done.shown());
        assert!(said.contains("if-changed does not serve app for"), "{}", done.shown());
        assert!(said.contains("which is not in the project"), "{}", done.shown());
    }
}

#[test]
fn programs_of_one_name_with_other_features_are_their_own() {
    if !can_build() {
        return;
    }
    let rest = "[features]\nloud = []\n[package.metadata.containerize.image.a]\nbin = 'app'\n\
                [package.metadata.containerize.image.b]\nbin = 'app'\nfeatures = ['loud']\n";
    let project = Project::app(rest);
    project.write(&[(
        "src/main.rs",
        "fn main() { println!(\"{}\", if cfg!(feature = \"loud\") { \"I am loud\" } else { \"I am quiet\" }) }",
    )]);
    project.call(["-o", "oci:out"]).succeed();
    let layout = Layout::read(&project.at("out"));
    let texts: Vec<String> = layout
        .images
        .iter()
        .map(|image| {
            let bytes = String::from_utf8_lossy(&image.entry("usr/local/bin/app").bytes).into_owned();
            ["I am loud", "I am quiet"].into_iter().filter(|text| bytes.contains(text)).collect()
        })
        .collect();
    assert_eq!(texts, ["I am quiet", "I am loud"]);
}
