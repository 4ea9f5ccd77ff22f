//! Registries that are not there, or do not let us in.

use containerize_tests::program::{Project, can_build};
use containerize_tests::registry::{Options, TestRegistry};
use snapbox::{assert_data_eq, str};

use super::{fail, nothing_made};

#[test]
fn a_name_without_a_registry() {
    let project = Project::app("");
    let done = project.call(["--quiet", "--username", "me", "--password-stdin"]).input("secret").fail();
    assert_data_eq!(
        nothing_made(&project, done),
        str![[r#"
exit code 2
--- stderr
error: --username has no effect: this call uses no registry
  hint: add --push, or remove it

"#]]
    );
}

#[test]
fn a_name_without_a_password() {
    let project = Project::app("");
    let push = ["--push", "-t", "localhost:1/app:1", "--username", "me"];
    assert_data_eq!(
        fail(&project, &push),
        str![[r#"
exit code 2
--- stderr
error: --username was given without a password
  hint: add --password-stdin or --password-file, or set CONTAINERIZE_PASSWORD

"#]]
    );
    let done = project.call([&push[..], &["--password-stdin"]].concat()).input("\n").fail();
    assert_data_eq!(
        nothing_made(&project, done),
        str![[r#"
exit code 2
--- stderr
error: the password in standard input is empty
  hint: provide it there, for example with: echo "$TOKEN" | containerize --username you --password-stdin

"#]]
    );
}

/// A port of this machine on which nobody listens.
fn closed_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").port()
}

#[test]
fn a_registry_that_is_not_there() {
    if !can_build() {
        return;
    }
    let reference = format!("127.0.0.1:{}/app:1", closed_port());
    let shown = fail(&Project::app(""), &["--quiet", "--retries", "0", "--push", "-t", &reference]);
    assert_data_eq!(
        shown,
        str![[r#"
exit code 3
--- stderr
error: cannot push to 127.0.0.1:[..]/app
  caused by: nothing is listening on 127.0.0.1:[..]
  caused by: Connection refused (os error 111)
  hint: check that the registry 127.0.0.1:[..] is running, and on that port

"#]]
    );
}

#[test]
fn a_wrong_password() {
    if !can_build() {
        return;
    }
    let registry = TestRegistry::start(Options::basic());
    let project = Project::app("");
    let reference = format!("{}:1", registry.repository("app"));
    let arguments = ["--quiet", "--retries", "0", "--push", "-t", &reference];
    let done = project.call([&arguments[..], &["--username", "me", "--password-stdin"]].concat());
    let shown = nothing_made(&project, done.input("wrong-and-private\n").fail());
    assert!(!shown.contains("wrong-and-private"), "{shown}");
    assert_data_eq!(
        shown,
        str![[r#"
exit code 3
--- stderr
error: cannot push to 127.0.0.1:[..]/app
  caused by: POST http://127.0.0.1:[..]/v2/app/blobs/uploads/ answered 401 Unauthorized: UNAUTHORIZED: authentication required
  hint: the credential from --username is wrong or lacks permission; replace it with `docker login 127.0.0.1:[..]`, `podman login 127.0.0.1:[..]` or CONTAINERIZE_AUTH_127_0_0_1_[..]=user:password

"#]]
    );
    assert_data_eq!(
        fail(&project, &arguments),
        str![[r#"
exit code 3
--- stderr
error: cannot push to 127.0.0.1:[..]/app
  caused by: POST http://127.0.0.1:[..]/v2/app/blobs/uploads/ answered 401 Unauthorized: UNAUTHORIZED: authentication required
  hint: log in with `docker login 127.0.0.1:[..]` or `podman login 127.0.0.1:[..]`, or set CONTAINERIZE_AUTH_127_0_0_1_[..]=user:password

"#]]
    );
    assert!(registry.manifest("app", "1").is_none());
}
