//! Files that something else built: a signed statement about them, and what `verify` says of it.

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use containerize_tests::layout::sha256;
use containerize_tests::program::{Done, Project};
use serde_json::{Value, json};

const BUNDLE: &str = "attestation.sigstore.json";

fn fixture(name: &str) -> String {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/trust").join(name);
    path.display().to_string()
}

/// A folder with two files of a release.
fn released() -> Project {
    Project::new(&[("dist/app.tar.gz", "program"), ("dist/app.whl", "wheel")])
}

fn attest(project: &Project, arguments: &[&str]) -> Done {
    project.call([&["attest", "--sign-key", &fixture("plain.key")], arguments].concat()).run()
}

fn attested(project: &Project, arguments: &[&str]) -> Done {
    let done = attest(project, arguments);
    assert_eq!(done.code(), 0, "{}", done.shown());
    done
}

fn verify(project: &Project, key: &str, arguments: &[&str]) -> Done {
    let key = fixture(key);
    project.call([&["verify", "--quiet", "--bundle", BUNDLE, "--key", &key], arguments].concat()).run()
}

/// The refusal of a call, which ends with this code.
fn refused(done: &Done, code: i32) -> String {
    assert_eq!(done.code(), code, "{}", done.shown());
    let said = done.stderr();
    assert!(said.contains("  hint: "), "{said}");
    said
}

fn read(project: &Project, bundle: &str) -> Value {
    let text = std::fs::read_to_string(project.at(bundle)).expect("a bundle");
    serde_json::from_str(&text).expect("JSON")
}

/// The statement in a bundle.
fn stated(bundle: &Value) -> Value {
    let payload = bundle["dsseEnvelope"]["payload"].as_str().expect("a payload");
    serde_json::from_slice(&BASE64.decode(payload).expect("Base64")).expect("JSON")
}

#[test]
fn files_are_stated_with_their_digests_and_verified_with_the_same_key_only() {
    let project = released();
    let files = ["dist/app.tar.gz", "dist/app.whl"];
    let done = attested(&project, &files);
    assert_eq!(done.stdout(), format!("{BUNDLE}\n"));
    let next = format!("--bundle {BUNDLE} dist/app.tar.gz`");
    assert!(done.stderr().contains("to check a file, run `containerize verify --key "), "{}", done.stderr());
    assert!(done.stderr().contains(&next), "{}", done.stderr());

    let bundle = read(&project, BUNDLE);
    assert_eq!(bundle["mediaType"], "application/vnd.dev.sigstore.bundle.v0.3+json");
    let statement = stated(&bundle);
    assert_eq!(statement["predicateType"], "https://slsa.dev/provenance/v1");
    let (program, wheel) = (sha256(b"program"), sha256(b"wheel"));
    let hex = |digest: &str| digest.trim_start_matches("sha256:").to_owned();
    assert_eq!(
        statement["subject"],
        json!([
            {"name": "app.tar.gz", "digest": {"sha256": hex(&program)}},
            {"name": "app.whl", "digest": {"sha256": hex(&wheel)}},
        ])
    );
    let build = &statement["predicate"]["buildDefinition"];
    assert!(build["buildType"].as_str().is_some_and(|kind| kind.ends_with("provenance.md#files-v1")));
    assert_eq!(build["externalParameters"], json!({"files": ["app.tar.gz", "app.whl"]}));
    assert_eq!(build["resolvedDependencies"], json!([]), "there is no repository");

    let good = verify(&project, "plain.pub", &files);
    assert_eq!(good.code(), 0, "{}", good.shown());
    let said = good.stdout();
    assert!(
        said.contains(&format!("dist/app.tar.gz: {program}\ndist/app.whl: {wheel}\nsigned with ")),
        "{said}"
    );
    assert!(said.contains("  provenance: signed, built by https://"), "{said}");
    let json = verify(&project, "plain.pub", &["--format", "json", "dist/app.whl"]);
    let json: Value = serde_json::from_str(json.stdout()).expect("JSON");
    assert_eq!(json["files"], json!([{"file": "dist/app.whl", "name": "app.whl", "digest": wheel}]));
    assert_eq!((&json["bundle"], &json["attestations"][0]["signed"]), (&json!(BUNDLE), &json!(true)));
    assert!(json["key"].as_str().is_some_and(|key| key.starts_with("sha256:")));

    let said = refused(&verify(&project, "other.pub", &files), 4);
    assert!(said.contains(&format!("error: {BUNDLE} is not signed with this key")), "{said}");

    // The same files at the same place have the same statement.
    let kept = std::fs::read(project.at(BUNDLE)).expect("a bundle");
    attested(&project, &["-o", "again.json", "dist/app.tar.gz", "dist/app.whl"]);
    assert_eq!(std::fs::read(project.at("again.json")).expect("a bundle"), kept);
}

#[test]
fn a_file_that_the_statement_is_not_about_is_refused() {
    let project = released();
    attested(&project, &["dist/app.tar.gz", "dist/app.whl"]);
    project.write(&[("dist/app.whl", "wheel with more in it"), ("dist/other", "another")]);
    let said = refused(&verify(&project, "plain.pub", &["dist/app.tar.gz", "dist/app.whl"]), 4);
    assert!(
        said.contains("dist/app.whl is not one of the files that attestation.sigstore.json is about"),
        "{said}"
    );
    assert!(said.contains("caused by: the app.whl that was signed has other content"), "{said}");
    let said = refused(&verify(&project, "plain.pub", &["dist/other"]), 4);
    assert!(said.contains("caused by: it is about app.tar.gz, app.whl\n"), "{said}");

    // Under another name it is the same file.
    project.write(&[("dist/other", "program")]);
    let done = verify(&project, "plain.pub", &["dist/other"]);
    assert_eq!(done.code(), 0, "{}", done.shown());
    assert!(done.stdout().contains(", signed under the name \"app.tar.gz\"\n"), "{}", done.stdout());
}

#[test]
fn a_statement_that_was_changed_is_refused() {
    let project = released();
    attested(&project, &["dist/app.whl"]);
    let mut bundle = read(&project, BUNDLE);
    let forged = stated(&bundle).to_string().replace(&sha256(b"wheel")[7..], &sha256(b"evil")[7..]);
    bundle["dsseEnvelope"]["payload"] = BASE64.encode(forged).into();
    project.write(&[(BUNDLE, &bundle.to_string()), ("dist/app.whl", "evil")]);
    let said = refused(&verify(&project, "plain.pub", &["dist/app.whl"]), 4);
    assert!(said.contains("the signature does not match: the statement was changed"), "{said}");
    for (text, words) in [
        ("{", "cannot be used"),
        ("{}", "cannot be used"),
        (
            r#"{"mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json", "verificationMaterial": {}}"#,
            "it holds no statement about files",
        ),
    ] {
        project.write(&[(BUNDLE, text)]);
        let said = refused(&verify(&project, "plain.pub", &["dist/app.whl"]), 4);
        assert!(said.contains(words), "{said}");
    }
}

#[test]
fn whoever_a_certificate_names_has_signed_a_file() {
    const WORKFLOW: &str = "https://github.com/acme/shop/.github/workflows/release.yml@refs/tags/v1";
    let project = Project::new(&[]);
    let keyless = |name: &str| fixture(&format!("keyless/{name}"));
    let (file, bundle, root) = (keyless("image.json"), keyless("rekor-v2.json"), keyless("root.json"));
    let verify = |identity: &str| {
        let words = ["verify", "--quiet", &file, "--bundle", &bundle, "--trusted-root", &root];
        let whom = ["--identity", identity, "--issuer-pattern", ".*"];
        project.call([&words[..], &whom].concat()).run()
    };
    let good = verify(WORKFLOW);
    assert_eq!(good.code(), 0, "{}", good.shown());
    assert!(
        good.stdout().contains(&format!("\nsigned by {WORKFLOW}\n  issuer: https://")),
        "{}",
        good.stdout()
    );
    let said = refused(&verify("me@x.org"), 4);
    assert!(
        said.contains(&format!("it was signed by {WORKFLOW}, but me@x.org must have signed it")),
        "{said}"
    );
}

#[test]
fn a_statement_names_the_commit_and_what_is_not_in_it() {
    let project = released();
    let git = |arguments: &[&str]| {
        let mut git = std::process::Command::new("git");
        git.args(["-c", "user.name=a", "-c", "user.email=a@b.c"]).args(arguments).current_dir(project.path());
        let output = git.output().expect("git");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    project.write(&[("main.rs", "fn main() {}")]);
    git(&["init", "--quiet"]);
    git(&["add", "main.rs"]);
    git(&["commit", "--quiet", "-m", "first"]);
    let commit = git(&["rev-parse", "HEAD"]);
    let source = |project: &Project| {
        let files = ["attest", "dist/app.tar.gz", "dist/app.whl", "--sign-key", &fixture("plain.key")];
        project.call(files).env("GITHUB_REPOSITORY", "acme/shop").succeed();
        stated(&read(project, BUNDLE))["predicate"]["buildDefinition"]["resolvedDependencies"].clone()
    };
    let expected = |is_dirty: bool| {
        json!([{
            "uri": "git+https://github.com/acme/shop",
            "digest": {"gitCommit": commit},
            "annotations": {"role": "source", "dirty": is_dirty},
        }])
    };
    // The files themselves and the bundle are not source.
    assert_eq!(source(&project), expected(false));
    assert_eq!(source(&project), expected(false));
    project.write(&[("dist/notes", "new")]);
    assert_eq!(source(&project), expected(true));
}

#[test]
fn what_cannot_be_attested_is_said_before_anything_is_signed() {
    let project = released();
    project.write(&[("other/app.whl", "another"), ("sign.toml", "sign = { keyless = true, key = 'a' }")]);
    let whl = "dist/app.whl";
    for (arguments, words) in [
        (&["none"][..], "cannot read none"),
        (&["dist"], "caused by: it is a folder"),
        (&[".."], ".. is not the path of a file"),
        (&[whl, whl], "dist/app.whl was given twice"),
        (&[whl, "other/app.whl"], "dist/app.whl and other/app.whl have the same name"),
        (&[whl, "-o", whl], "dist/app.whl is one of the files, and also the output"),
        (&[whl, "-o", "dist"], "dist is a folder, but the bundle is a file"),
        (&[whl, "-o", "none/b.json"], "the folder of none/b.json does not exist"),
        (&[whl, "--identity-token", "t"], "--identity-token has no effect"),
    ] {
        let said = refused(&attest(&project, arguments), 2);
        assert!(said.contains(words), "{said}");
    }
    for (arguments, words) in [
        (&["attest", whl][..], "the call does not say how to sign the files"),
        (&["attest", whl, "--sign-key", "none.key"], "the key none.key cannot be read"),
        (&["attest", whl, "--sign", "keyless"], "there is no identity token"),
        (&["attest", whl, "--config", "sign.toml"], "sign is invalid: it is keyless, and also sets a key"),
        (&["verify", whl], "the call does not say who must have signed"),
        (
            &["verify", whl, "--bundle", "b.json", "--key", &fixture("plain.pub")],
            "the bundle b.json cannot be read",
        ),
        (&["verify", "x:1", "y:1", "--key", "k"], "only one image can be verified at a time"),
        (&["verify", "./dist/app.whl", "--key", "k"], "hint: for files, give the bundle"),
    ] {
        let said = refused(&project.call(arguments).run(), 2);
        assert!(said.contains(words), "{said}");
    }
    for arguments in [&["attest", "--sign", "keyless"][..], &["verify", "--key", "k"]] {
        let done = project.call(arguments).run();
        assert_eq!(done.code(), 2, "{}", done.shown());
        assert!(done.stderr().contains("required arguments were not provided"), "{}", done.stderr());
    }
    assert!(!project.at(BUNDLE).exists(), "nothing was written");
}
