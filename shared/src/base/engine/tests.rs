use std::fs;

use containerize_tests::fixture::script as write_script;
use tempfile::TempDir;

use super::*;

/// An engine whose program is a shell script.
fn engine(daemon: Daemon, script: &str) -> (TempDir, Engine) {
    let folder = tempfile::tempdir().expect("folder");
    let program = folder.path().join("program");
    write_script(&program, &format!("#!/bin/sh\ncd {}\n{script}\n", folder.path().display()));
    (folder, Engine::at(daemon, program))
}

fn docker(script: &str) -> (TempDir, Engine) {
    engine(Daemon::Docker, script)
}

fn digest(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

#[test]
fn an_id_is_read_with_and_without_its_algorithm() {
    let id = digest("x");
    for printed in [id.to_string(), id.hex().to_string()] {
        let (_folder, engine) = docker(&format!("echo \"$*\" > call; echo {printed}"));
        assert_eq!(engine.image_id("web:1").expect("id"), id);
    }
    let (folder, engine) = docker(&format!("echo \"$*\" > call; echo {id}"));
    engine.image_id("web:1").expect("id");
    let call = fs::read_to_string(folder.path().join("call")).expect("call");
    assert_eq!(call, "image inspect --format {{.Id}} web:1\n");
    let (_folder, engine) = docker("echo none");
    assert!(engine.image_id("web").expect_err("no id").to_string().contains("web"));
}

#[test]
fn an_image_that_is_not_there_is_to_be_pulled() {
    for (daemon, words) in [
        (Daemon::Docker, "Error response from daemon: No such image: web:latest"),
        (Daemon::Docker, "Error: No such image: web"),
        (Daemon::Podman, "Error: inspecting object: web: image not known"),
    ] {
        let (_folder, engine) = engine(daemon, &format!("echo '{words}' >&2; exit 1"));
        let error = engine.image_id("web").expect_err("not there");
        assert_eq!(error.kind(), Kind::Usage, "{words}");
        assert_eq!(error.to_string(), format!("{daemon} has no image web"));
        assert_eq!(error.hint_text(), Some(format!("pull it: {daemon} pull web").as_str()));
        assert_eq!(error.causes(), [words]);
    }
}

#[test]
fn an_engine_that_does_not_answer_says_why_in_its_own_words() {
    let words = "Cannot connect to the Docker daemon. Is the docker daemon running?";
    let (_folder, engine) = docker(&format!("echo '{words}' >&2; exit 1"));
    for error in [
        engine.image_id("web").expect_err("not running"),
        engine.images().expect_err("not running"),
        engine.save(&digest("x"), |_| Ok(())).expect_err("not running"),
        engine.load(|to| to.write_all(b"x").context(|| "cannot write".into())).expect_err("not running"),
    ] {
        assert_eq!(error.kind(), Kind::Build);
        assert_eq!(error.causes(), [words]);
        assert_eq!(error.hint_text(), Some("check that `docker info` works"));
    }
}

#[test]
fn a_program_that_is_missing_is_named_with_a_way_around_it() {
    let engine = Engine::at(Daemon::Podman, "/nonexistent/podman".into());
    let error = engine.images().expect_err("missing");
    assert_eq!(error.to_string(), "cannot run podman");
    assert!(error.hint_text().is_some_and(|hint| hint.contains("install podman")), "{error:?}");
}

#[test]
fn images_are_listed_once_and_without_noise() {
    let (a, b) = (digest("a"), digest("b"));
    let (_folder, engine) = docker(&format!("printf '{a}\\n{b}\\n{a}\\n\\nWARNING\\n'"));
    let mut expected = vec![a, b];
    expected.sort_unstable();
    assert_eq!(engine.images().expect("ids"), expected);
}

#[test]
fn layers_of_images_that_are_still_there_are_told() {
    let (a, b) = (digest("a"), digest("b"));
    let script = format!("echo '[\"{a}\",\"{b}\"]'; echo null; echo 'Error: No such image: x' >&2; exit 1");
    let (_folder, engine) = docker(&script);
    assert_eq!(engine.layers(&[a, b]).expect("layers"), [vec![a, b]]);
    let (_folder, engine) = docker("touch called");
    assert_eq!(engine.layers(&[]).expect("none"), Vec::<Vec<Digest>>::new());
    assert!(!_folder.path().join("called").exists(), "nothing to ask");
}

#[test]
fn dockers_image_store_is_told_apart() {
    for (status, expected) in [
        (r#"[["driver-type","io.containerd.snapshotter.v1"]]"#, Some(true)),
        (r#"[["Backing Filesystem","extfs"],["Supports d_type","true"]]"#, Some(false)),
        ("", None),
        ("Error: no such field", None),
    ] {
        let (_folder, engine) = docker(&format!("echo '{status}'"));
        assert_eq!(engine.has_containerd_store().expect("asked"), expected, "{status}");
    }
}

#[test]
fn what_is_saved_is_read_to_its_end() {
    let script = "printf abc; head -c 300000 /dev/zero; head -c 300000 /dev/zero >&2; touch ended";
    let (folder, engine) = docker(script);
    let read = |from: &mut dyn Read| {
        let mut bytes = [0; 3];
        from.read_exact(&mut bytes).context(|| "cannot read".into())?;
        Ok(bytes)
    };
    assert_eq!(&engine.save(&digest("x"), read).expect("saved"), b"abc");
    assert!(folder.path().join("ended").exists(), "it was not cut off");
}

#[test]
fn whose_fault_a_broken_stream_is() {
    let ours = || Err::<(), _>(Error::integrity("damaged"));
    let (_folder, docker_that_is_cut_off) = docker("cat > /dev/null; echo 'unexpected EOF' >&2; exit 1");
    let error = docker_that_is_cut_off.load(|_| ours()).expect_err("damaged");
    assert_eq!(error.kind(), Kind::Integrity, "it is healed by whoever knows the source");
    let (_folder, docker_that_ends) = docker("exec <&-; echo 'no space left' >&2; exit 1");
    let much = |to: &mut dyn Write| to.write_all(&vec![0; 4 << 20]).context(|| "cannot write".into());
    assert_eq!(docker_that_ends.load(much).expect_err("ended").causes(), ["no space left"]);
    let (_folder, docker_that_is_left) = docker("echo 'write /dev/stdout: broken pipe' >&2; exit 1");
    let full = |_: &mut dyn Read| Err::<(), _>(Error::build("disk full"));
    assert_eq!(docker_that_is_left.save(&digest("x"), full).expect_err("full").to_string(), "disk full");
}

#[test]
fn podmans_warnings_are_not_the_reason() {
    let script = "echo 'time=\"2026\" level=warning msg=\"cni\"' >&2; echo 'Error: broken' >&2; exit 125";
    let (_folder, engine) = engine(Daemon::Podman, script);
    assert_eq!(engine.images().expect_err("broken").causes(), ["Error: broken"]);
}

#[test]
fn each_name_is_given_by_itself() {
    let (folder, engine) = docker("echo \"$*\" >> calls");
    let names = ["web:1", "ghcr.io/a/web:2"].map(|name| name.parse().expect("name"));
    engine.tag("sha256:1", &names).expect("named");
    let calls = fs::read_to_string(folder.path().join("calls")).expect("calls");
    assert_eq!(calls, "tag sha256:1 docker.io/library/web:1\ntag sha256:1 ghcr.io/a/web:2\n");
    let error = "kubernetes".parse::<Daemon>().expect_err("none");
    assert!(error.hint_text().is_some() && "docker".parse::<Daemon>().expect("one") == Daemon::Docker);
}
