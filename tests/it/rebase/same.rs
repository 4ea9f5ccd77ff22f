//! The digest after a rebase is that of a build on the new base.

use containerize_tests::program::{Project, can_build};
use containerize_tests::python::Base;
use containerize_tests::registry::{Phase, TestRegistry};
use serde_json::{Value, json};

use super::Bench;
use crate::rebuild::python;

const BOTH: [&str; 2] = ["--platform", "linux/amd64,linux/arm64"];
const ONE: [&str; 2] = ["--platform", "linux/amd64"];

/// Builds on one base, rebases onto the other, builds on that, and compares.
fn assert_same(what: &str, project: Project, old: &Base, new: &Base, arguments: &[&str]) -> Bench {
    let bench = Bench::new(project);
    let (old, new) = (bench.lay("old", old), bench.lay("new", new));
    bench.push("here", &old, "1", arguments).succeed();
    let before = bench.digest("1");
    let done = bench.rebase(&new, &["--to", "2"]).succeed();
    let bills = bench.bills("2");
    bench.drop_hanging("2");
    bench.push("third", &new, "3", arguments).succeed();
    assert_eq!(bench.digest("2"), bench.digest("3"), "{what}: {}", done.shown());
    assert_eq!(bench.digest("1"), before, "{what}: the tag stays where it was");
    assert_ne!(bench.digest("2"), before, "{what}");
    assert!(!done.stderr().contains("without an SBOM"), "{what}: {}", done.shown());
    assert!(!bills.is_empty(), "{what}: {}", done.shown());
    assert_eq!(bills, bench.bills("3"), "{what}");
    // What hangs there is again that of the rebase.
    bench.drop_hanging("3");
    bench.rebase(&new, &["--to", "2"]).succeed();
    bench
}

fn slim() -> Base {
    Base::debian(3, 13, 5)
}

fn patches() -> Vec<(&'static str, Base)> {
    let env = json!(["LANG=C.UTF-8", "PATH=/opt/bin:/usr/local/bin:/usr/bin:/bin", "GPG_KEY=2"]);
    vec![
        ("another time", slim().created("2026-11-01T00:00:00Z")),
        ("a changed package", slim().file("usr/lib/libz.so.1.3.1", "new", 0o644)),
        ("another PATH and other variables", slim().config("Env", env)),
        (
            "a variable that the image sets",
            slim().config("Env", json!(["PATH=/bin", "LEVEL=base", "VIRTUAL_ENV=x"])),
        ),
        (
            "another command, user and folder",
            slim().config("Cmd", json!(["bash"])).config("User", json!("7")),
        ),
        (
            "labels and a health check",
            slim()
                .config("Labels", json!({"a": "b", "org.opencontainers.image.title": "x"}))
                .config("Healthcheck", json!({"Test": ["NONE"]}))
                .config("Shell", json!(["/bin/bash"])),
        ),
        (
            "ports, volumes and a signal",
            slim()
                .config("ExposedPorts", json!({"9/tcp": {}}))
                .config("Volumes", json!({"/data": {}}))
                .config("StopSignal", json!("SIGINT")),
        ),
        ("a folder that the image has too", slim().folder("etc/app", 0o755)),
        (
            "other users and groups",
            slim().file("etc/passwd", "root:x:0:0::/:/bin/sh\na:x:1:1:::\n", 0o640).file(
                "etc/group",
                "root:x:0:\na:x:1:",
                0o600,
            ),
        ),
    ]
}

#[test]
fn python_images_are_the_same_on_every_patch_of_their_base() {
    let old = slim().config("Env", json!(["PATH=/usr/local/bin:/usr/bin:/bin", "GPG_KEY=1"]));
    for (what, new) in patches() {
        let flags = ["--env", "LEVEL=image", "--file", "conf/a.toml:/etc/app/a.toml", "--port", "80"];
        assert_same(what, python(), &old, &new, &[&ONE[..], &flags].concat());
    }
}

#[test]
fn another_patch_version_of_python_gets_another_configuration_of_the_environment() {
    let new = Base::debian(3, 13, 6).created("2026-11-01T00:00:00Z");
    let bench = assert_same("3.13.6", python(), &slim(), &new, &BOTH);
    let image = bench.image("2");
    let newest = bench.lay("newest", &Base::debian(3, 13, 7));
    bench.project.call_on("elsewhere", ["rebase", &image, "--base", &newest, "--to", "4"]).succeed();
    bench.push("third", &newest, "5", &BOTH).succeed();
    assert_eq!(bench.digest("4"), bench.digest("5"), "and the next one");
}

#[test]
fn the_bill_names_the_packages_of_the_new_base_and_what_the_layers_hold() {
    let status = |version: &str, more: &str| {
        format!(
            "Package: libc6\nStatus: install ok installed\nVersion: {version}\nArchitecture: amd64\n\n{more}"
        )
    };
    let release = "ID=debian\nVERSION_ID=12\nNAME=Debian\n";
    let of =
        |text: &str| slim().file("var/lib/dpkg/status", text, 0o644).file("etc/os-release", release, 0o644);
    let gone = "Package: gone\nStatus: install ok installed\nVersion: 1\nArchitecture: all\n\n";
    let (old, new) = (of(&status("2.36-9", gone)), of(&status("2.36-10", "")));
    let flags = ["--file", "conf/a.toml:/etc/app/a.toml"];
    for (platforms, formats, count) in [(ONE, "both", 2), (ONE, "cyclonedx", 1), (BOTH, "both", 6)] {
        let arguments = [&platforms[..], &["--sbom", formats], &flags].concat();
        let bench = assert_same("packages", python(), &old, &new, &arguments);
        let bills = bench.bills("2");
        assert_eq!(bills.len(), count, "{formats} for each manifest");
        for bill in &bills {
            assert!(bill.contains("2.36-10") && !bill.contains("gone") && !bill.contains("2.36-9"), "{bill}");
            assert!(bill.contains("pkg:pypi/greeting@1.0?file_name=") && bill.contains("/etc/app/a.toml"));
        }
        // And from there back.
        let (image, before) = (bench.image("2"), bench.bills("1"));
        bench.drop_hanging("1");
        let old = format!("{}:old", bench.registry.repository("bases/py"));
        bench.project.call_on("elsewhere", ["rebase", &image, "--base", &old, "--to", "4"]).succeed();
        assert_eq!((bench.digest("4"), bench.bills("4")), (bench.digest("1"), before));
    }
}

#[test]
fn a_bill_that_no_build_would_write_is_not_taken_over() {
    let bench = Bench::new(python());
    let (old, new) = (bench.lay("old", &slim()), bench.lay("new", &patches().remove(1).1));
    bench.push("here", &old, "1", &[&ONE[..], &["--sbom", "spdx"]].concat()).succeed();
    let [bill] = &bench.bills("1")[..] else { panic!("one bill") };
    let forged = |from: &str, to: &str| {
        let text = bill.replace(from, to);
        assert_ne!(text, *bill, "{from}");
        text
    };
    let told: Value = serde_json::from_str(bill).expect("JSON");
    let bases = told["packages"].as_array().expect("a list").iter();
    let mut bases = bases.filter(|one| one["name"].as_str().is_some_and(|name| name.ends_with("/bases/py")));
    let base = bases.next().expect("the base")["versionInfo"].as_str().expect("a digest");
    let unproved = "does not list what is in its base and its layers";
    for (what, text, words) in [
        (
            "a field",
            forged("\"packages\":", "\"comment\":\"x\",\"packages\":"),
            "would write that of the old image otherwise",
        ),
        ("another base", forged(&base[7..], &"0".repeat(64)), unproved),
        ("something that is there is left out", forged("greeting", "greetinh"), unproved),
        ("something that is not there", with_another(&told, "greeting", "greetinh").to_string(), unproved),
    ] {
        bench.registry.replace_hanging(
            "me/app",
            &bench.digest("1"),
            "application/spdx+json",
            text.as_bytes(),
        );
        let done = bench.rebase(&new, &["--to", "2"]).succeed();
        assert!(done.stderr().contains("is rebased without an SBOM"), "{what}: {}", done.shown());
        assert!(done.stderr().contains(words), "{what}: {}", done.shown());
        assert!(bench.bills("2").is_empty(), "{what}");
    }
}

#[test]
fn of_two_bills_that_say_something_else_neither_counts() {
    let bench = Bench::new(python());
    let (old, new) = (bench.lay("old", &slim()), bench.lay("new", &patches().remove(1).1));
    bench.push("here", &old, "1", &[&ONE[..], &["--sbom", "spdx"]].concat()).succeed();
    let [bill] = &bench.bills("1")[..] else { panic!("one bill") };
    let (subject, kind) = (bench.digest("1"), "application/spdx+json");
    // The same in other words is no contradiction.
    bench.registry.hang_another("me/app", &subject, kind, format!("{bill} ").as_bytes());
    let done = bench.rebase(&new, &["--to", "2"]).succeed();
    assert_eq!(bench.bills("2").len(), 1, "{}", done.shown());
    let file = "greeting-1.0-py3-none-any.whl\",\"supplier\"";
    let other = bill.replace(file, &file.replace("py3", "py2.py3"));
    assert_ne!(other, *bill);
    bench.registry.hang_another("me/app", &subject, kind, other.as_bytes());
    bench.drop_hanging("2");
    let done = bench.rebase(&new, &["--to", "2"]).succeed();
    assert!(done.stderr().contains("has several that contradict each other"), "{}", done.shown());
    assert!(bench.bills("2").is_empty());
    // Nor where they are of two formats; one of another program leaves the other format alone.
    bench.drop_hanging("1");
    bench.push("here", &old, "1", &[&ONE[..], &["--sbom", "both"]].concat()).succeed();
    for (text, count) in [(&*other, 0), (r#"{"spdxVersion":"SPDX-2.3"}"#, 1)] {
        bench.registry.replace_hanging("me/app", &subject, kind, text.as_bytes());
        bench.drop_hanging("2");
        let done = bench.rebase(&new, &["--to", "2"]).succeed();
        let bills = bench.bills("2");
        assert_eq!(bills.len(), count, "{}", done.shown());
        assert!(bills.iter().all(|bill| bill.contains("CycloneDX")), "{bills:?}");
    }
}

#[test]
fn that_no_bill_counts_is_told_wherever_one_hangs() {
    let bench = Bench::new(python());
    let (old, new) = (bench.lay("old", &slim()), bench.lay("new", &patches().remove(1).1));
    let key = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/trust/plain.key");
    let (private, public) = (key.display().to_string(), key.with_extension("pub").display().to_string());
    let signed = ["--sbom", "none", "--sign-key", &private];
    bench.push("here", &old, "1", &[&ONE[..], &signed].concat()).succeed();
    let by_signer = ["--to", "2", "--key", &public];
    for flags in [&by_signer[..2], &by_signer] {
        let done = bench.rebase(&new, flags).succeed();
        assert!(!done.stderr().contains("without an SBOM"), "{flags:?}: {}", done.shown());
    }
    let told = |flags: &[&str]| {
        let done = bench.rebase(&new, flags).succeed();
        assert!(done.stderr().contains("the old image has none that counts"), "{flags:?}: {}", done.shown());
    };
    bench.push("here", &old, "1", &[&ONE[..], &["--sbom", "spdx"]].concat()).succeed();
    told(&by_signer);
    let digest = bench.digest("1");
    bench.registry.replace_hanging("me/app", &digest, "application/spdx+json", b"no JSON");
    told(&by_signer[..2]);
}

/// A bill with another package like one that it has.
fn with_another(bill: &Value, one: &str, other: &str) -> Value {
    let mut changed = bill.clone();
    for (list, keys) in [
        ("packages", &["SPDXID"][..]),
        ("relationships", &["spdxElementId", "relationshipType", "relatedSpdxElement"]),
    ] {
        let entries = changed[list].as_array_mut().expect("a list");
        let alike = entries.iter().map(Value::to_string).filter(|text| text.contains(one));
        let alike: Vec<Value> =
            alike.map(|text| serde_json::from_str(&text.replace(one, other)).expect("JSON")).collect();
        entries.extend(alike);
        let text = |entry: &Value| keys.iter().map(|key| entry[key].to_string()).collect::<Vec<_>>();
        // What the document describes comes first.
        entries.sort_by_key(|entry| (entry["relationshipType"] != "DESCRIBES", text(entry)));
    }
    changed
}

#[test]
fn an_index_is_rebased_platform_by_platform() {
    let (_, new) = patches().remove(2);
    let flags = ["--label", "x={platform}", "--annotation", "y={platform}", "--annotation", "z=1"];
    let bench = assert_same("an index", python(), &slim(), &new, &[&BOTH[..], &flags].concat());
    // What was rebased can be rebased again, and back.
    let image = bench.image("2");
    let old = format!("{}:old", bench.registry.repository("bases/py"));
    let back = ["rebase", &image, "--base", &old, "--to", "4"];
    bench.project.call_on("elsewhere", back).succeed();
    assert_eq!(bench.digest("4"), bench.digest("1"));
}

#[test]
fn secrets_and_the_format_of_docker_are_kept() {
    let (_, new) = patches().remove(2);
    let flags = ["--env", "API_TOKEN=hunter2", "--image-format", "docker", "--attestations", "referrers"];
    let bench = assert_same("Docker", python(), &slim(), &new, &[&ONE[..], &flags].concat());
    let hanging = bench.registry.hanging("me/app", &bench.digest("2"));
    let told: Vec<String> =
        hanging.iter().map(|(_, text)| String::from_utf8_lossy(text).into_owned()).collect();
    assert!(told.iter().any(|text| text.contains("#rebase-v1")), "{told:?}");
    assert!(!told.iter().any(|text| text.contains("hunter2")), "{told:?}");
}

#[test]
fn rust_images_are_the_same_on_every_base_that_suits_them() {
    if !can_build() {
        return;
    }
    let other =
        Base::alpine(3, 13, 5).config("Env", json!(["PATH=/x", "A=1"])).created("2026-11-01T00:00:00Z");
    for (what, new) in [("Debian", Base::bare().file("usr/lib/x", "x", 0o644)), ("musl", other)] {
        let bench = assert_same(what, Project::app(""), &Base::bare(), &new, &["--env", "B=2"]);
        // Nobody gets the program other crates than it lists itself.
        let [bill] = &bench.bills("1")[..] else { panic!("one bill") };
        let forged = bill.replace("1.0.0", "1.0.1");
        let told = "application/spdx+json";
        bench.registry.replace_hanging("me/app", &bench.digest("1"), told, forged.as_bytes());
        bench.drop_hanging("2");
        let new = format!("{}:new", bench.registry.repository("bases/py"));
        let done = bench.rebase(&new, &["--to", "2"]).succeed();
        assert!(
            done.stderr().contains("does not list what is in its base and its layers"),
            "{}",
            done.shown()
        );
        assert!(bench.bills("2").is_empty());
    }
}

/// Writes a program that needs a library which only the folder `out` has: that one is in no image.
fn compile_with_a_library(project: &Project) {
    project.write(&[
        ("own.c", "int own(void) { return 0; }"),
        ("tool.c", "int own(void); void _start(void) { own(); }"),
    ]);
    std::fs::create_dir(project.at("out")).expect("a folder");
    let cc = |arguments: &[&str]| {
        let mut call = std::process::Command::new("cc");
        let done = call.arg("-nostdlib").args(arguments).current_dir(project.at(""));
        assert!(done.status().expect("a C compiler").success(), "{arguments:?}");
    };
    cc(&["-shared", "-o", "out/libown.so", "own.c"]);
    cc(&["-o", "tool", "tool.c", "-Lout", "-lown"]);
}

#[test]
fn libraries_of_the_building_machine_stay_on_a_base_with_the_same_files() {
    let project = python();
    compile_with_a_library(&project);
    let bench = Bench::new(project);
    let old = bench.lay("old", &slim());
    let same = bench.lay("same", &slim().config("Env", json!(["PATH=/bin", "A=1"])));
    let platform = format!("linux/{}", if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" });
    let files = ["--file", "tool:/usr/bin/tool", "--entrypoint", "/usr/bin/tool"];
    let flags = [&["--platform", &platform, "--native", "bundle"], &files[..]].concat();
    let push = |machine: &str, base: &str, tag: &str| {
        bench.push(machine, base, tag, &flags).env("LD_LIBRARY_PATH", bench.project.at("out")).succeed()
    };
    push("here", &old, "1");
    bench.rebase(&same, &["--to", "2"]).succeed();
    let bills = bench.bills("2");
    bench.drop_hanging("2");
    push("third", &same, "3");
    assert_eq!(bench.digest("2"), bench.digest("3"));
    assert!(bills.len() == 1 && bills[0].contains("libown.so"), "{bills:?}");
    assert_eq!(bills, bench.bills("3"));
    for (tag, new) in [
        ("files", slim().file("usr/lib/x", "x", 0o644)),
        ("folders", slim().config("Env", json!(["PATH=/bin", "LD_LIBRARY_PATH=/opt"]))),
    ] {
        let new = bench.lay(tag, &new);
        let (said, done) = super::refused(bench.rebase(&new, &["--format", "json"]));
        assert_eq!(said["platforms"][0]["broken"][0]["fact"], "libraries", "{}", done.shown());
    }
}

#[test]
fn a_judgement_pushes_nothing_and_without_a_tag_none_is_set() {
    let bench = Bench::new(python());
    let (old, new) = (bench.lay("old", &slim()), bench.lay("new", &patches().remove(1).1));
    bench.push("here", &old, "1", &ONE).succeed();
    let pushed = |bench: &Bench| bench.registry.requests().iter().filter(|seen| seen.method == "PUT").count();
    let before = pushed(&bench);
    let done = bench.rebase(&new, &["--check"]).succeed();
    assert!(done.stdout().contains("can be rebased onto"), "{}", done.shown());
    assert_eq!(pushed(&bench), before, "{}", done.shown());
    let done = bench.rebase(&new, &["--format", "json"]).succeed();
    let said: serde_json::Value = serde_json::from_str(done.stdout()).expect("JSON");
    assert_eq!(said["result"], "rebased", "{}", done.shown());
    let digest = said["rebased"].as_str().expect("a digest");
    assert!(bench.registry.manifest("me/app", digest).is_some(), "{}", done.shown());
    let tags = bench.registry.requests();
    let tags = tags.iter().filter(|seen| seen.method == "PUT" && seen.path.contains("/manifests/"));
    assert!(tags.into_iter().all(|seen| seen.path.contains("sha256:") || seen.path.ends_with("/1")));
    let done = bench.rebase(&old, &[]).succeed();
    assert!(done.stdout().contains("already"), "{}", done.shown());
}

#[test]
fn a_signed_image_is_verified_before_the_new_one_is_signed() {
    let bench = Bench::new(python());
    let (old, new) = (bench.lay("old", &slim()), bench.lay("new", &patches().remove(1).1));
    let key = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/trust/plain.key");
    let (private, public) = (key.display().to_string(), key.with_extension("pub").display().to_string());
    bench.push("here", &old, "1", &[&ONE[..], &["--sign-key", &private]].concat()).succeed();
    let sign = ["--to", "2", "--sign-key", &private];
    let done = bench.rebase(&new, &sign).fail();
    assert_eq!(done.code(), 2, "{}", done.shown());
    assert!(done.stderr().contains("who must have signed the old ones"), "{}", done.shown());
    let other = key.with_file_name("other.pub").display().to_string();
    let done = bench.rebase(&new, &[&sign[..], &["--key", &other]].concat()).fail();
    assert_eq!(done.code(), 4, "{}", done.shown());
    assert!(bench.registry.manifest("me/app", "2").is_none(), "{}", done.shown());
    bench.rebase(&new, &[&sign[..], &["--key", &public]].concat()).succeed();
    let image = bench.image("2");
    let verified = bench.project.call(["verify", &image, "--key", &public]).succeed();
    assert!(verified.stdout().contains("provenance: signed"), "{}", verified.shown());
    assert!(verified.stdout().contains("SBOM (SPDX): signed"), "{}", verified.shown());
    // A policy judges it by the base that it stands on now, and finds no source stated.
    for (rule, code) in [
        ("bases = ['*/py:new']", 0),
        ("bases = ['*/py:old']", 4),
        ("sources = ['*']", 4),
        ("denied-packages = ['greeting']", 4),
        ("denied-packages = ['another']", 0),
    ] {
        let policy = format!("signed-by = [{{ key = '{public}' }}]\n{rule}\n");
        bench.project.write(&[("policy.toml", &policy)]);
        let judged = bench.project.call(["verify", &image, "--policy", "policy.toml"]).run();
        assert_eq!(judged.code(), code, "{rule}: {}", judged.shown());
    }
    // It is not a build, and says which one it came from.
    let done = bench.project.call(["verify", &image, "--rebuild", "--key", &public]).fail();
    assert!(done.stderr().contains("it was rebased, and not built"), "{}", done.shown());
    assert!(done.stderr().contains(&bench.digest("1")), "{}", done.shown());
}

#[test]
fn layers_of_the_new_base_are_mounted_and_statements_in_the_index_are_left() {
    let bench = Bench::new(python());
    let (old, new) = (bench.lay("old", &slim()), bench.lay("new", &patches().remove(1).1));
    bench.push("here", &old, "1", &[&BOTH[..], &["--attestations", "index"]].concat()).succeed();
    // On its own base it is left as it is, statements and all, and gets the tags.
    let done = bench.rebase(&old, &["--to", "same", "--format", "json"]).succeed();
    assert!(done.stdout().contains("\"unchanged\""), "{}", done.shown());
    assert_eq!(bench.digest("same"), bench.digest("1"));
    let (before, pages) = (bench.registry.count(Phase::PutBlob), bench.registry.count(Phase::Mount));
    let done = bench.rebase(&new, &["--to", "2"]).succeed();
    // A configuration for each platform, the statement, three bills, and the empty configuration of what hangs there.
    assert_eq!(bench.registry.count(Phase::PutBlob) - before, 7, "{}", done.shown());
    assert!(bench.registry.count(Phase::Mount) > pages, "{}", done.shown());
    bench.push("third", &new, "3", &BOTH).succeed();
    assert_eq!(bench.digest("2"), bench.digest("3"), "as a build without statements in the index");
}

#[test]
fn an_image_in_a_registry_that_lists_nothing_can_be_rebased_again() {
    let bench = Bench { project: python(), registry: TestRegistry::open() };
    let (old, new) = (bench.lay("old", &slim()), bench.lay("new", &patches().remove(1).1));
    bench.push("here", &old, "1", &[&BOTH[..], &["--attestations", "referrers"]].concat()).succeed();
    bench.rebase(&new, &["--to", "2"]).succeed();
    let image = bench.image("2");
    bench.project.call_on("elsewhere", ["rebase", &image, "--base", &old, "--to", "3"]).succeed();
    assert_eq!(bench.digest("3"), bench.digest("1"));
    assert_eq!(bench.bills("2").len(), 3);
}
