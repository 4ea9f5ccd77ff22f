//! `--dry-run`: the plan, with the origin of each value; and which place wins.

use containerize_tests::fixture::manifest;
use containerize_tests::program::{Call, Project};
use serde_json::{Value, json};
use snapbox::{assert_data_eq, str};

const MAIN: &str = "fn main() {}";

/// A workspace of one package, in whose every place something is configured.
fn everywhere() -> Project {
    let project = Project::app(
        "description = 'An app'\n[workspace.metadata.containerize]\nuser = '1:1'\ninit = false\nports = [1]\nenv = { A = 'workspace', W = '1' }\n\
         [package.metadata.containerize]\nuser = '2:2'\nports = [2]\nenv = { A = 'package', P = '1' }\n",
    );
    project.write(&[("more.toml", "user = '3:3'\nports = [3]\nenv = { A = 'file', F = '1' }\n")]);
    project
}

const PLATFORM: [&str; 3] = ["--dry-run", "--platform", "linux/amd64"];

fn variables(call: Call) -> Call {
    call.env("CONTAINERIZE_USER", "4:4")
        .env("CONTAINERIZE_PORTS", "[4]")
        .env("CONTAINERIZE_ENV", "{ A = 'variable', V = '1' }")
}

#[test]
fn each_value_says_where_it_is_from() {
    let project = everywhere();
    let more =
        ["--config", "more.toml", "--port", "5", "--env", "X=1", "--push", "--repository", "ghcr.io/a/app"];
    let done = variables(project.call([&PLATFORM[..], &more].concat())).succeed();
    assert_data_eq!(
        done.shown(),
        str![[r#"
exit code 0
--- stdout
image app 1.0.0
  push to       ghcr.io/a/app:1.0.0                          --repository, default
  platform      linux/amd64                                  --platform
    base        static                                       default
    target      x86_64-unknown-linux-musl (static)           default
  binary        app of package app                           default
  profile       release                                      default
  strip         symbols                                      default
  image-format  oci                                          default
  compression   gzip                                         default
  env           A=variable                                   CONTAINERIZE_ENV
  env           F=1                                          more.toml
  env           P=1                                          [package.metadata.containerize]
  env           V=1                                          CONTAINERIZE_ENV
  env           W=1                                          [workspace.metadata.containerize]
  env           X=1                                          --env
  labels        org.opencontainers.image.created=1970-01-01T00:00:00Z  default
  labels        org.opencontainers.image.description=An app  from Cargo.toml
  labels        org.opencontainers.image.title=app           from Cargo.toml
  labels        org.opencontainers.image.version=1.0.0       from Cargo.toml
  ports         1/tcp                                        [workspace.metadata.containerize]
  ports         2/tcp                                        [package.metadata.containerize]
  ports         3/tcp                                        more.toml
  ports         4/tcp                                        CONTAINERIZE_PORTS
  ports         5/tcp                                        --port
  user          4:4                                          CONTAINERIZE_USER
  workdir       /                                            default
  init          false                                        [workspace.metadata.containerize]
  entrypoint    /usr/local/bin/app                           default
  created       1970-01-01T00:00:00Z
  layer         app
                /usr/local/bin/app (0:0, 0755)
--- stderr

"#]]
    );
    assert!(!project.at("target").exists(), "nothing is built");
}

#[test]
fn the_defaults_are_shown_too() {
    let project = Project::app("");
    let done = project.call(PLATFORM).succeed();
    assert_data_eq!(
        done.shown(),
        str![[r#"
exit code 0
--- stdout
image app 1.0.0
  tag           1.0.0                                   default
  platform      linux/amd64                             --platform
    base        static                                  default
    target      x86_64-unknown-linux-musl (static)      default
  binary        app of package app                      default
  profile       release                                 default
  strip         symbols                                 default
  image-format  oci                                     default
  compression   gzip                                    default
  labels        org.opencontainers.image.created=1970-01-01T00:00:00Z  default
  labels        org.opencontainers.image.title=app      from Cargo.toml
  labels        org.opencontainers.image.version=1.0.0  from Cargo.toml
  user          65532:65532                             default
  workdir       /                                       default
  entrypoint    /usr/local/bin/app                      default
  created       1970-01-01T00:00:00Z
  layer         app
                /usr/local/bin/app (0:0, 0755)
--- stderr

"#]]
    );
}

#[test]
fn contents_of_layers_are_shown() {
    let project = Project::app(
        "[package.metadata.containerize]\nvolumes = ['/data']\nfiles = [{ from = 'conf', to = '/etc/app' }]\n\
         layers = ['extra', { command = 'make layer' }]\nentrypoint = []\n",
    );
    project.write(&[("conf", ""), ("extra/file", "")]);
    let done = project.call(PLATFORM).succeed();
    assert_data_eq!(
        done.shown(),
        str![[r#"
exit code 0
--- stdout
image app 1.0.0
  tag           1.0.0                                   default
  platform      linux/amd64                             --platform
    base        static                                  default
    target      x86_64-unknown-linux-musl (static)      default
  binary        app of package app                      default
  profile       release                                 default
  strip         symbols                                 default
  image-format  oci                                     default
  compression   gzip                                    default
  labels        org.opencontainers.image.created=1970-01-01T00:00:00Z  default
  labels        org.opencontainers.image.title=app      from Cargo.toml
  labels        org.opencontainers.image.version=1.0.0  from Cargo.toml
  volumes       /data                                   [package.metadata.containerize]
  files         {"from":"conf","to":"/etc/app"}         [package.metadata.containerize]
  user          65532:65532                             default
  workdir       /                                       default
  entrypoint    (cleared)                               [package.metadata.containerize]
  layers        extra                                   [package.metadata.containerize]
  layers        {"command":"make layer"}                [package.metadata.containerize]
  created       1970-01-01T00:00:00Z
  layer         layer 1
                extra -> / (0:0)
  layer         layer 2
                by `make layer` (0:0)
  layer         files
                /data/ (65532:0, 0775)
                conf -> /etc/app (0:0)
  layer         app
                /usr/local/bin/app (0:0, 0755)
--- stderr

"#]]
    );
}

fn planned(call: Call) -> Value {
    let done = call.succeed();
    serde_json::from_str(done.stdout()).expect("one document")
}

#[test]
fn the_higher_place_wins() {
    let project = everywhere();
    let base = [&PLATFORM[..], &["--format", "json"]].concat();
    let file = [&base[..], &["--config", "more.toml"]].concat();
    let flags = [&file[..], &["--user", "5:5", "--port", "5", "--env", "A=flag"]].concat();
    let cases = [
        (project.call(&base), "2:2", 2, "package"),
        (project.call(&file), "3:3", 3, "file"),
        (variables(project.call(&file)), "4:4", 4, "variable"),
        (variables(project.call(&flags)), "5:5", 5, "flag"),
    ];
    for (call, user, ports, a) in cases {
        let value = planned(call);
        let runtime = &value["plan"]["images"][0]["platforms"][0]["runtime"];
        assert_eq!(runtime["user"], user);
        let expected: Vec<String> = (1..=ports).map(|port| format!("{port}/tcp")).collect();
        assert_eq!(runtime["ports"], json!(expected), "lower places come first");
        assert_eq!((&runtime["env"]["A"], &runtime["env"]["W"]), (&json!(a), &json!("1")), "merged by key");
    }
}

#[test]
fn the_workspace_is_below_its_packages() {
    let project = Project::new(&[
        (
            "Cargo.toml",
            "[workspace]\nmembers = ['one']\nresolver = '2'\n[workspace.metadata.containerize]\nuser = '1:1'\nworkdir = '/w'\n",
        ),
        ("one/Cargo.toml", &manifest("one", "[package.metadata.containerize]\nuser = '2:2'\n")),
        ("one/src/main.rs", MAIN),
    ]);
    let value = planned(project.call(["--dry-run", "--format", "json"]));
    let runtime = &value["plan"]["images"][0]["platforms"][0]["runtime"];
    assert_eq!((&runtime["user"], &runtime["workdir"]), (&json!("2:2"), &json!("/w")));
}

#[test]
fn several_images_get_a_repository_each() {
    let project = Project::new(&[
        ("Cargo.toml", &manifest("pair", "")),
        ("src/bin/a.rs", MAIN),
        ("src/bin/b.rs", MAIN),
    ]);
    let arguments =
        ["--dry-run", "--format", "json", "--bin", "a", "--bin", "b", "--push", "--repository", "ghcr.io/x"];
    let value = planned(project.call(arguments));
    let references: Vec<&Value> = value["plan"]["images"]
        .as_array()
        .expect("images")
        .iter()
        .map(|image| &image["references"][0])
        .collect();
    assert_eq!(references, ["ghcr.io/x/a:1.0.0", "ghcr.io/x/b:1.0.0"]);
}
