//! What the configuration puts into layers and into the image's configuration.

use std::fs;
#[cfg(unix)]
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

#[cfg(unix)]
use containerize_tests::layout::Layout;
use containerize_tests::program::{Project, can_build};
use serde_json::json;

use super::{configured, image, in_archive, layout};

#[test]
fn volumes_belong_to_the_user_and_folders_to_whom_they_are_given() {
    if !can_build() {
        return;
    }
    let project = configured(
        "volumes = ['/data/deep']\ndirs = [{ path = '/cache', mode = '0700', owner = '5:6' }, { path = '/plain' }]",
    );
    let image = image(&project, &["--volume", "/more"]);
    let of = |path| {
        let entry = image.entry(path);
        assert!(entry.kind.is_dir(), "{path}");
        (entry.mode, entry.owner)
    };
    assert_eq!(of("data/deep"), (0o775, (65532, 0)), "for the user, and for any uid with the group 0");
    assert_eq!(of("data"), (0o755, (0, 0)), "what is above a volume is not the user's");
    assert_eq!(of("cache"), (0o700, (5, 6)));
    assert_eq!(of("plain"), (0o755, (0, 0)));
    assert_eq!(image.run()["Volumes"], json!({"/data/deep": {}, "/more": {}}));
}

#[test]
fn files_keep_their_executable_bit_and_what_is_excluded_stays_out() {
    if !can_build() {
        return;
    }
    let project = configured(
        "files = [{ from = 'conf', to = '/etc/app', exclude = ['*.bak', 'secret'] },\n\
         { from = 'conf/a.toml', to = '/etc/b.toml', mode = '0640', owner = '1:2' }]",
    );
    project.write(&[
        ("conf/a.toml", "x = 1"),
        ("conf/a.bak", ""),
        ("conf/secret/key", ""),
        ("conf/deep/run.sh", "#!/bin/sh\n"),
        ("conf/deep/old.bak", ""),
    ]);
    #[cfg(unix)]
    for (file, mode) in [("conf/deep/run.sh", 0o700), ("conf/a.toml", 0o600)] {
        fs::set_permissions(project.at(file), fs::Permissions::from_mode(mode)).expect("chmod");
    }
    let image = image(&project, &[]);
    assert_eq!(image.entry("etc/app/a.toml").bytes, b"x = 1");
    assert_eq!(image.entry("etc/app/a.toml").mode, 0o644);
    assert_eq!(image.entry("etc/app/deep/run.sh").mode, 0o755);
    let given = image.entry("etc/b.toml");
    assert_eq!((given.mode, given.owner), (0o640, (1, 2)));
    for path in ["etc/app/a.bak", "etc/app/secret", "etc/app/secret/key", "etc/app/deep/old.bak"] {
        assert!(!image.has(path), "{path}");
    }
}

#[test]
fn layers_come_from_folders_and_commands() {
    if !can_build() {
        return;
    }
    let project = configured(
        "layers = ['extra', { command = 'mkdir $CONTAINERIZE_LAYER/opt; \
         echo $CONTAINERIZE_NAME $CONTAINERIZE_VERSION $CONTAINERIZE_PLATFORM > $CONTAINERIZE_LAYER/opt/facts; echo noise' }]",
    );
    project.write(&[("extra/srv/page.html", "<p>")]);
    let done = project.call(["-o", "oci:out"]).succeed();
    done.digest();
    assert!(done.stderr().contains("noise"), "commands speak on standard error");
    let image = containerize_tests::layout::Layout::read(&project.at("out")).only();
    assert_eq!(image.layers.len(), 4, "the base, two layers from outside, the program");
    assert_eq!(image.layers[1].entries.last().map(|entry| entry.path.as_str()), Some("srv/page.html"));
    let facts = format!("app 1.0.0 {}\n", image.platform);
    assert_eq!(String::from_utf8_lossy(&image.entry("opt/facts").bytes), facts);
}

#[test]
fn hooks_run_before_and_after_and_leave_standard_output_alone() {
    if !can_build() {
        return;
    }
    let project = configured(
        "[package.metadata.containerize.hooks]\npre = ['echo before; test ! -e target/release; echo \"[$CONTAINERIZE_DIGEST]\" > before']\n\
         post = [['sh', '-c', 'echo after; echo $CONTAINERIZE_NAME $CONTAINERIZE_DIGEST > after']]\n",
    );
    let done = project.call::<&str>([]).succeed();
    let digest = done.digest();
    assert_eq!(fs::read_to_string(project.at("before")).expect("it ran"), "[]\n");
    assert_eq!(fs::read_to_string(project.at("after")).expect("it ran"), format!("app {digest}\n"));
    let stderr = done.stderr();
    assert!(stderr.find("before") < stderr.find("after"), "{stderr}");
}

#[test]
fn a_members_paths_and_hooks_are_its_own_and_shared_hooks_run_once() {
    if !can_build() {
        return;
    }
    let member = |name: &str, hook: &str| {
        format!(
            "[package]\nname = '{name}'\nversion = '1.0.0'\nedition = '2021'\n[package.metadata.containerize]\nfiles = [{{ from = 'own', to = '/own' }}]\n{hook}"
        )
    };
    let root = "[workspace]\nresolver = '2'\nmembers = ['a', 'b', 'c']\n[workspace.metadata.containerize.hooks]\npre = ['echo once >> shared']\n";
    let own = "[package.metadata.containerize.hooks]\npre = ['pwd > ran-in']\n";
    let project = Project::new(&[
        ("Cargo.toml", root),
        ("a/Cargo.toml", &member("a", "")),
        ("b/Cargo.toml", &member("b", "")),
        ("c/Cargo.toml", &member("c", own)),
        ("a/src/main.rs", "fn main() {}"),
        ("b/src/main.rs", "fn main() {}"),
        ("c/src/main.rs", "fn main() {}"),
        ("a/own", "of a"),
        ("b/own", "of b"),
        ("c/own", "of c"),
    ]);
    project.call(["--workspace", "-o", "oci:out"]).succeed();
    assert_eq!(fs::read_to_string(project.at("shared")).expect("it ran"), "once\n");
    assert!(project.at("c/ran-in").exists(), "a package's hook runs in its folder");
    let layout = containerize_tests::layout::Layout::read(&project.at("out"));
    assert_eq!(layout.images.len(), 3);
    for image in &layout.images {
        let name = image.name.trim_end_matches(":1.0.0");
        assert_eq!(String::from_utf8_lossy(&image.entry("own").bytes), format!("of {name}"));
    }
}

#[test]
fn the_runtime_is_as_configured() {
    if !can_build() {
        return;
    }
    let project = configured(
        "env = { A = '1', EMPTY = '' }\nunset-env = ['SSL_CERT_FILE']\nports = [8080, '53/udp']\nworkdir = '/srv'\nuser = '1000:1000'\n\
         stop-signal = 'SIGINT'\ncmd = ['serve', 'all of it']\n\
         [package.metadata.containerize.healthcheck]\ncommand = ['/usr/local/bin/app', 'check']\ninterval = '5s'\nretries = 2\n",
    );
    let done = project.call(["-o", "oci:out"]).succeed();
    assert!(done.stderr().contains("the health check is Docker's"), "{}", done.stderr());
    let image = containerize_tests::layout::Layout::read(&project.at("out")).only();
    let run = image.run();
    let env: Vec<&str> =
        run["Env"].as_array().expect("a list").iter().filter_map(|line| line.as_str()).collect();
    assert!(env.contains(&"A=1") && env.contains(&"EMPTY="), "{env:?}");
    assert!(!env.iter().any(|line| line.starts_with("SSL_CERT_FILE")), "{env:?}");
    assert_eq!(run["ExposedPorts"], json!({"53/udp": {}, "8080/tcp": {}}));
    assert_eq!((&run["WorkingDir"], &run["User"]), (&json!("/srv"), &json!("1000:1000")));
    assert_eq!((&run["StopSignal"], &run["Cmd"]), (&json!("SIGINT"), &json!(["serve", "all of it"])));
    let check =
        json!({"Test": ["CMD", "/usr/local/bin/app", "check"], "Interval": 5_000_000_000_u64, "Retries": 2});
    assert_eq!(run["Healthcheck"], check);
}

#[test]
fn entrypoint_and_arguments_can_be_cleared() {
    if !can_build() {
        return;
    }
    let project = configured("cmd = ['serve']");
    let cleared = image(&project, &["--entrypoint", "", "--cmd", ""]);
    assert_eq!((&cleared.run()["Entrypoint"], &cleared.run()["Cmd"]), (&json!(null), &json!(null)));
    let split = image(&project, &["--entrypoint", "/usr/local/bin/app --name 'two words'"]);
    assert_eq!(split.run()["Entrypoint"], json!(["/usr/local/bin/app", "--name", "two words"]));
    assert_eq!(split.run()["Cmd"], json!(["serve"]));
}

#[test]
fn labels_are_filled_in_and_may_differ_by_platform() {
    if !can_build() {
        return;
    }
    let project = configured(
        "[package.metadata.containerize.labels]\nwhat = '{version} for {platform} {braces}'\nper = 'all'\n\
         'org.opencontainers.image.title' = ''\nlinux-amd64 = { per = 'x' }\nlinux-arm64 = { per = 'a' }\n[package.metadata.containerize.annotations]\nnote = 'at {created}'\n",
    );
    let image = image(&project, &["--label", "own=flag"]);
    let labels = &image.run()["Labels"];
    assert_eq!(labels["what"], format!("1.0.0 for {} {{braces}}", image.platform));
    assert_eq!(labels["per"], if image.platform == "linux/amd64" { "x" } else { "a" });
    assert_eq!(labels["own"], "flag");
    assert_eq!(labels.get("org.opencontainers.image.title"), None, "an empty value takes a label away");
    assert_eq!(image.manifest["annotations"]["note"], "at 1970-01-01T00:00:00Z");
}

fn git(dir: &Path, arguments: &[&str]) {
    let mut git = Command::new("git");
    git.args(["-c", "user.name=u", "-c", "user.email=u@example.com"]).args(arguments).current_dir(dir);
    git.env("GIT_COMMITTER_DATE", "1700000000 +0100").env("GIT_CONFIG_GLOBAL", "/dev/null");
    assert!(git.output().expect("git").status.success(), "{arguments:?}");
}

#[test]
fn a_commit_gives_revision_and_time_as_long_as_nothing_is_changed() {
    if !can_build() {
        return;
    }
    let project = Project::app("");
    project.write(&[(".gitignore", "target\nout\n")]);
    git(project.path(), &["init", "-q"]);
    git(project.path(), &["add", "."]);
    git(project.path(), &["commit", "-q", "-m", "x"]);
    let clean = image(&project, &[]);
    let revision =
        clean.run()["Labels"]["org.opencontainers.image.revision"].as_str().expect("a label").to_owned();
    assert_eq!(revision.len(), 40, "{revision}");
    assert_eq!(clean.config["created"], "2023-11-14T22:13:20Z");
    project.write(&[("notes", "")]);
    let changed = image(&project, &[]);
    assert_eq!(changed.run()["Labels"]["org.opencontainers.image.revision"], format!("{revision}-dirty"));
    assert_eq!(changed.config["created"], "1970-01-01T00:00:00Z");
}

#[test]
fn the_docker_format_has_dockers_media_types() {
    if !can_build() {
        return;
    }
    let project = Project::app("");
    let image =
        in_archive(&project, &["--image-format", "docker", "-o", "docker-archive:d.tar"], "d.tar").only();
    assert_eq!(image.manifest["mediaType"], "application/vnd.docker.distribution.manifest.v2+json");
    assert_eq!(image.manifest["config"]["mediaType"], "application/vnd.docker.container.image.v1+json");
    assert!(
        image
            .layers
            .iter()
            .all(|layer| layer.media_type == "application/vnd.docker.image.rootfs.diff.tar.gzip")
    );
    assert_eq!(image.manifest.get("annotations"), None, "the format has none");
}

#[cfg(unix)]
#[test]
fn names_that_are_no_text_and_capabilities_reach_the_layer() {
    use std::os::unix::ffi::OsStrExt;
    if !can_build() {
        return;
    }
    let project = configured(
        "files = [{ from = 'odd', to = '/srv' }, { from = 'tool', to = '/bin/tool', mode = '0755', \
         capabilities = 'cap_net_bind_service=+ep' }]",
    );
    project.write(&[("tool", "#!/bin/sh\n"), ("odd/plain", "")]);
    let name = std::ffi::OsStr::from_bytes(b"bad\xff\xfename");
    std::fs::write(project.at("odd").join(name), "x").expect("a file");
    project.call(["--compression", "none", "-o", "oci:out"]).succeed();
    let image = Layout::read(&project.at("out")).only();
    let layer = image.layers.iter().find(|layer| layer.entries.iter().any(|e| e.path == "bin/tool"));
    let hex = &layer.expect("a layer").digest["sha256:".len()..];
    let layer = std::fs::File::open(project.at("out/blobs/sha256").join(hex)).expect("the layer");
    let mut archive = tar::Archive::new(layer);
    let mut found = Vec::new();
    for entry in archive.entries().expect("a tar") {
        let mut entry = entry.expect("an entry");
        let path = entry.path_bytes().into_owned();
        let records = entry.pax_extensions().expect("records");
        let capability = records.into_iter().flatten().filter_map(Result::ok).find_map(|record| {
            record
                .key()
                .is_ok_and(|key| key == "SCHILY.xattr.security.capability")
                .then(|| record.value_bytes().to_vec())
        });
        found.push((path, capability));
    }
    assert!(found.iter().any(|(path, _)| path == b"srv/bad\xff\xfename"), "{found:?}");
    let bind: [u8; 20] = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    assert!(found.contains(&(b"bin/tool".to_vec(), Some(bind.to_vec()))), "{found:?}");
}

#[cfg(unix)]
#[test]
fn a_link_that_is_named_does_not_lead_out_of_the_project() {
    if !can_build() {
        return;
    }
    let project =
        configured("files = [{ from = 'inside', to = '/etc/a' }, { from = 'outside', to = '/etc/b' }]");
    project.write(&[("real", "real")]);
    std::os::unix::fs::symlink("real", project.at("inside")).expect("a link");
    std::os::unix::fs::symlink("/etc/hostname", project.at("outside")).expect("a link");
    let done = project.call(["-o", "oci:out"]).fail();
    assert!(done.stderr().contains("outside is a link out of the project"), "{}", done.shown());
    std::fs::remove_file(project.at("outside")).expect("removed");
    project.write(&[("outside", "mine")]);
    let image = image(&project, &[]);
    assert!(image.entry("etc/a").kind.is_file(), "one that stays inside is followed");
}

#[test]
fn compression_changes_the_bytes_and_not_the_content() {
    if !can_build() {
        return;
    }
    let project = Project::app("");
    let diff_ids = |how: &str, suffix: &str| {
        let image = layout(&project, &["--compression", how]).only();
        assert!(image.layers.iter().all(|layer| layer.media_type.ends_with(suffix)), "{how}");
        image.config["rootfs"]["diff_ids"].clone()
    };
    let gzip = diff_ids("gzip", "tar+gzip");
    assert_eq!(gzip, diff_ids("zstd", "tar+zstd"));
    assert_eq!(gzip, diff_ids("none", ".tar"));
}
