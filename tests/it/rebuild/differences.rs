//! Differences that were planted: each is found in its layer, file and byte, with its cause.

use std::fs;

use containerize_tests::program::{Project, can_build};
use containerize_tests::python::{Base, Wheel};
use containerize_tests::registry::TestRegistry;
use serde_json::{Value, json};

use super::planted::{Item, Planted, item};
use super::{commit, difference, elsewhere, image, push, python, rebuild, registry, rust};

/// A Python image that was pushed from a clean checkout.
fn pushed() -> (Project, TestRegistry) {
    let (project, registry) = (python(), registry());
    commit(&project);
    let flags = ["--base", "oci:base:py", "--platform", "linux/amd64", "--label", "a=b"];
    push(&project, &registry, &flags).env("PIP_CONFIG_FILE", "/dev/null").succeed();
    (project, registry)
}

/// What a rebuild from a clean checkout says.
fn found(project: &Project, registry: &TestRegistry) -> Value {
    let (_folder, place) = elsewhere(project);
    difference(rebuild(project, &image(registry), &place, &["--quiet", "--format", "json"]))
}

/// The fields of the difference and of its cause that are named, as JSON.
fn fields(found: &Value, names: &[&str]) -> Vec<Value> {
    let of = |name: &&str| match name.strip_prefix("cause.") {
        Some(name) => found["cause"][name].clone(),
        None => found["difference"][name].clone(),
    };
    names.iter().map(of).collect()
}

#[test]
fn what_was_changed_in_the_image_is_found_in_its_layer_file_and_byte() {
    let (project, registry) = pushed();
    let top = Planted::of(&registry).layers();
    let of_project = |change: &dyn Fn(&mut Vec<Item>)| {
        Planted::of(&registry).change(top, change).put();
        found(&project, &registry)
    };
    let names = ["platform", "in", "layer", "title", "what", "path"];
    let at = |what: &str, path: &str| {
        let words = ["linux/amd64", "layer"].map(Value::from).into_iter();
        words.chain([json!(top), json!("shop"), json!(what), json!(path)]).collect::<Vec<_>>()
    };
    let original = || {
        push(&project, &registry, &["--base", "oci:base:py", "--platform", "linux/amd64", "--label", "a=b"])
            .env("PIP_CONFIG_FILE", "/dev/null")
            .succeed()
    };

    // A byte of a file.
    let one = of_project(&|items| item(items, "app/main.py").bytes[10] = b'!');
    assert_eq!(fields(&one, &names), at("content", "app/main.py"), "{one:#}");
    assert_eq!(fields(&one, &["offset", "cause.cause"]), [json!(10), json!("source")], "{one:#}");
    let bytes =
        one["difference"]["image"].as_str().zip(one["difference"]["rebuilt"].as_str()).expect("bytes");
    assert!(bytes.0.starts_with("21 ") && bytes.1.starts_with("65 "), "{one:#}");

    // A file that ends sooner.
    original();
    let shorter = of_project(&|items| item(items, "app/main.py").bytes.truncate(20));
    assert_eq!(
        fields(&shorter, &["what", "offset", "image"]),
        [json!("content"), json!(20), json!("")],
        "{shorter:#}"
    );

    // One more file, and one less.
    original();
    let more = of_project(&|items| {
        let mut header = item(items, "app/main.py").header.clone();
        header.set_entry_type(tar::EntryType::Regular);
        items.push(Item { header, path: "app/zz.py".into(), bytes: b"x".to_vec() });
    });
    assert_eq!(fields(&more, &names), at("entry", "app/zz.py"), "{more:#}");
    assert_eq!(fields(&more, &["only-in", "cause.cause"]), [json!("image"), json!("source")], "{more:#}");
    original();
    let less = of_project(&|items| items.retain(|item| !item.path.ends_with("a.toml")));
    assert_eq!(fields(&less, &["path", "only-in"]), [json!("app/conf/a.toml"), json!("rebuilt")], "{less:#}");

    // A path that would steer a terminal.
    original();
    Planted::of(&registry)
        .change(top, |items| {
            let header = item(items, "app/main.py").header.clone();
            items.push(Item { header, path: "app/z\x1b[2Jz".into(), bytes: Vec::new() });
        })
        .put();
    let (_folder, place) = elsewhere(&project);
    let hostile = rebuild(&project, &image(&registry), &place, &["--quiet"]).fail();
    assert!(hostile.stdout().contains("app/z\u{fffd}[2Jz is only in the image\n"), "{}", hostile.shown());

    // What an entry is.
    original();
    let mode = of_project(&|items| item(items, "app/main.py").header.set_mode(0o755));
    assert_eq!(fields(&mode, &names), at("property", "app/main.py"), "{mode:#}");
    assert_eq!(
        fields(&mode, &["field", "image", "rebuilt"]),
        [json!("mode"), json!("0755"), json!("0644")],
        "{mode:#}"
    );
    original();
    let owner = of_project(&|items| item(items, "app/main.py").header.set_uid(7));
    assert_eq!(fields(&owner, &["field", "image"]), [json!("owner"), json!("7:0")], "{owner:#}");
    original();
    let time = of_project(&|items| item(items, "app/main.py").header.set_mtime(1));
    assert_eq!(fields(&time, &["field", "image"]), [json!("time"), json!("1")], "{time:#}");

    // The same, compressed by another encoder.
    original();
    Planted::of(&registry).compressed_again(top).put();
    let again = found(&project, &registry);
    assert_eq!(
        fields(&again, &["layer", "what", "cause.cause"]),
        [json!(top), json!("compression"), json!("not-from-these-inputs")],
        "{again:#}"
    );

    // A whole layer.
    original();
    Planted::of(&registry).without(top).put();
    let layer = found(&project, &registry);
    assert_eq!(
        fields(&layer, &["layer", "title", "what", "only-in"]),
        [json!(top), json!("shop"), json!("layer"), json!("rebuilt")],
        "{layer:#}"
    );

    // The configuration.
    original();
    let mut label = Planted::of(&registry);
    label.config["config"]["Labels"]["a"] = json!("c");
    label.put();
    let label = found(&project, &registry);
    assert_eq!(
        fields(&label, &["in", "field", "image", "rebuilt"]),
        [json!("configuration"), json!("config.Labels.a"), json!("\"c\""), json!("\"b\"")],
        "{label:#}"
    );
}

#[test]
fn another_wheel_is_the_cause_by_its_name() {
    let (project, registry) = (python(), registry());
    let clean = commit(&project);
    // The image is built from another wheel than the commit has.
    let other = Wheel::new("greeting", "1.0").file("greeting/__init__.py", "WORDS = 'howdy'\n");
    let hash = other.write(&project.at("wheels"));
    let line = format!("--no-index\n--find-links wheels\ngreeting==1.0 --hash=sha256:{hash}\n");
    project.write(&[("requirements.txt", &line)]);
    let flags = ["--base", "oci:base:py", "--platform", "linux/amd64"];
    push(&project, &registry, &flags).env("PIP_CONFIG_FILE", "/dev/null").succeed();
    let mut planted = Planted::of(&registry);
    *planted.material("source") = json!({"name": "source", "digest": {"gitCommit": clean}, "annotations": {"role": "source", "dirty": false}});
    planted.put();
    let found = found(&project, &registry);
    let path = "app/.venv/lib/python3.13/site-packages/greeting/__init__.py";
    assert_eq!(
        fields(&found, &["title", "what", "path", "offset", "cause.input", "cause.name"]),
        [
            json!("greeting-1.0-py3-none-any"),
            json!("content"),
            json!(path),
            json!(10),
            json!("package"),
            json!("greeting")
        ],
        "{found:#}"
    );
    let changes = found["changes"].as_array().expect("changes");
    assert!(
        changes.iter().any(|change| change["input"] == "lock" && change["name"] == "requirements.txt"),
        "{found:#}"
    );
}

#[test]
fn a_base_that_is_in_no_registry_may_be_another_one() {
    let (project, registry) = (python(), registry());
    project.write(&[(".gitignore", "/out\n/base\n")]);
    commit(&project);
    let flags = ["--base", "oci:base:py", "--platform", "linux/amd64"];
    push(&project, &registry, &flags).env("PIP_CONFIG_FILE", "/dev/null").succeed();
    let (_folder, place) = elsewhere(&project);
    Base::debian(3, 13, 5).file("etc/motd", "another", 0o644).write(&place.join("base"));
    let found = difference(rebuild(&project, &image(&registry), &place, &["--quiet", "--format", "json"]));
    assert_eq!(
        fields(&found, &["layer", "what", "path", "only-in", "cause.cause", "cause.bases"]),
        [
            json!(1),
            json!("entry"),
            json!("etc/motd"),
            json!("rebuilt"),
            json!("loose-base"),
            json!(["oci:base:py"])
        ],
        "{found:#}"
    );
}

#[test]
fn a_file_that_git_ignores_is_told_by_its_name() {
    let (project, registry) = (python(), registry());
    project.write(&[(".gitignore", "/out\nlocal.txt\n"), ("local.txt", "x = 'here'\n")]);
    commit(&project);
    let flags = ["--base", "oci:base:py", "--platform", "linux/amd64", "--file", "local.txt:/etc/local.txt"];
    push(&project, &registry, &flags).env("PIP_CONFIG_FILE", "/dev/null").succeed();
    let (_folder, place) = elsewhere(&project);
    fs::write(place.join("local.txt"), "x = 'there'\n").expect("written");
    let said = rebuild(&project, &image(&registry), &place, &["--quiet"]).fail();
    assert_eq!(said.code(), 4);
    let text = said.stdout();
    assert!(text.contains("linux/amd64: layer 5 (files): etc/local.txt, byte 5\n"), "{text}");
    assert!(text.contains("likely cause: the file was changed without a commit"), "{text}");
}

#[test]
fn a_program_that_holds_its_folder_or_its_time_says_so() {
    if !can_build() {
        return;
    }
    let build = |code: &str| {
        let (project, registry) = (rust(""), registry());
        let main = "fn main() { println!(\"{}\", env!(\"TOLD\")) }";
        let code = format!("fn main() {{ println!(\"cargo:rustc-env=TOLD={{}}\", {code}) }}");
        project.write(&[("src/main.rs", main), ("build.rs", &code)]);
        commit(&project);
        push(&project, &registry, &[]).succeed();
        found(&project, &registry)
    };
    let of_path = build("std::env::current_dir().unwrap().display()");
    let names = ["title", "what", "path", "cause.cause"];
    let program = |cause: &str| ["app", "content", "usr/local/bin/app", cause].map(Value::from);
    assert_eq!(fields(&of_path, &names), program("path"), "{of_path:#}");
    let (then, now) = (&of_path["cause"]["image"], &of_path["cause"]["rebuilt"]);
    assert!(now.as_str().is_some_and(|now| now.contains("quite/another")) && then != now, "{of_path:#}");
    let of_time = build(
        "format!(\"built at {:?}\", std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64())",
    );
    assert_eq!(fields(&of_time, &names), program("time"), "{of_time:#}");
}

#[test]
fn another_compiler_and_another_version_of_this_program_are_causes() {
    if !can_build() {
        return;
    }
    let (project, registry) = (rust(""), registry());
    commit(&project);
    push(&project, &registry, &[]).succeed();
    let program = |mask: u8| {
        move |items: &mut Vec<Item>| {
            let bytes = &mut item(items, "bin/app").bytes;
            let middle = bytes.len() / 2;
            bytes[middle] ^= mask;
        }
    };
    let top = Planted::of(&registry).layers();
    let mut planted = Planted::of(&registry).change(top, program(1));
    planted.material("pkg:generic/rustc@")["uri"] = json!("pkg:generic/rustc@1.0.0");
    planted.put();
    let of_compiler = found(&project, &registry);
    let names = ["path", "cause.cause", "cause.input", "cause.then"];
    let then = of_compiler["cause"]["then"].as_str().unwrap_or_default();
    assert!(then.starts_with("1.0.0"), "{of_compiler:#}");
    assert_eq!(
        fields(&of_compiler, &names)[..3],
        ["usr/local/bin/app", "input", "compiler"].map(Value::from)
    );

    push(&project, &registry, &[]).succeed();
    Planted::of(&registry).change(top, program(2)).put();
    let of_linker = found(&project, &registry);
    assert_eq!(fields(&of_linker, &["cause.cause"]), [json!("compiled")], "{of_linker:#}");

    push(&project, &registry, &[]).succeed();
    let mut planted = Planted::of(&registry).compressed_again(top);
    *planted.definition("internalParameters/containerize") = json!("0.0.1");
    planted.put();
    let of_version = found(&project, &registry);
    assert_eq!(
        fields(&of_version, &["what", "cause.input", "cause.then"]),
        ["compression", "containerize", "0.0.1"].map(Value::from),
        "{of_version:#}"
    );
}
