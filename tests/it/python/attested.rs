//! Distributions that somebody must have published (PEP 740).

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use containerize_tests::layout::sha256;
use containerize_tests::program::{Call, Done, Project};
use containerize_tests::registry::{Options, Referrers, TestRegistry};
use serde_json::{Value, json};

use super::project;
use super::remote::{digest, push};

const WHEEL: &str = "shop-1.0-py3-none-any.whl";
const OWN: &str = "repository = 'acme/shop', workflow = 'release.yml', trusted-root = 'root.json'";

// How they were made: tests/fixtures/trust/attested/README.md.
fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/trust/attested").join(name)
}

/// An index with one wheel, and what it shows about that.
struct Index {
    port: u16,
    /// What is answered; nothing where nothing is shown.
    shown: Arc<Mutex<Option<Value>>>,
    asked: Arc<Mutex<Vec<String>>>,
    /// Whether its pages have hashes.
    hashes: Arc<AtomicBool>,
}

impl Index {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let (shown, asked) = (Arc::new(Mutex::new(None)), Arc::new(Mutex::new(Vec::new())));
        let hashes = Arc::new(AtomicBool::new(true));
        let has_hashes = hashes.clone();
        let index = Self { port, shown: Arc::clone(&shown), asked: Arc::clone(&asked), hashes };
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.expect("a connection");
                let (mut head, mut byte) = (Vec::new(), [0]);
                while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|count| count > 0) {
                    head.push(byte[0]);
                }
                let head = String::from_utf8(head).expect("text");
                let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
                let shown: Option<Value> = shown.lock().expect("unbroken").clone();
                let (kind, body) = answer(&path, shown, has_hashes.load(Ordering::SeqCst));
                asked.lock().expect("unbroken").push(path);
                let status = if body.is_empty() { "404 Not Found" } else { "200 OK" };
                let length = body.len();
                let head = format!(
                    "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
                );
                // Who has what it wants is gone.
                let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
            }
        });
        index
    }

    /// Shows the recorded answer of this name.
    fn shows(&self, case: &str) {
        let cases = std::fs::read_to_string(fixture("cases.json")).expect("recorded");
        let cases: Value = serde_json::from_str(&cases).expect("JSON");
        *self.shown.lock().expect("unbroken") = Some(cases[case].clone());
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}/simple/", self.port)
    }

    /// The parts of the index that were asked for since this was called last.
    fn asked(&self) -> Vec<String> {
        let mut asked = std::mem::take(&mut *self.asked.lock().expect("unbroken"));
        asked.sort();
        asked
    }
}

fn answer(path: &str, shown: Option<Value>, has_hashes: bool) -> (&'static str, Vec<u8>) {
    let wheel = || std::fs::read(fixture(WHEEL)).expect("the wheel");
    match path {
        "/simple/shop/" => {
            let mut file = json!({
                "filename": WHEEL, "url": format!("/files/{WHEEL}"),
                "hashes": { "sha256": sha256(&wheel()).trim_start_matches("sha256:") },
            });
            if !has_hashes {
                file["hashes"] = json!({});
            }
            if shown.is_some() {
                file["provenance"] = "/integrity/shop".into();
            }
            let page = json!({ "meta": { "api-version": "1.3" }, "name": "shop", "files": [file] });
            ("application/vnd.pypi.simple.v1+json", page.to_string().into_bytes())
        }
        "/integrity/shop" => (
            "application/vnd.pypi.integrity.v1+json",
            shown.map_or_else(Vec::new, |it| it.to_string().into_bytes()),
        ),
        _ if path.ends_with(WHEEL) => ("application/octet-stream", wheel()),
        _ => ("text/plain", Vec::new()),
    }
}

/// A project that needs the wheel, with a lock in which `more` is said of it.
fn shop(index: &Index, more: &str) -> Project {
    let project = project();
    std::fs::remove_file(project.at("requirements.txt")).expect("removed");
    std::fs::copy(fixture("root.json"), project.at("root.json")).expect("copied");
    let hash = sha256(&std::fs::read(fixture(WHEEL)).expect("the wheel"));
    let hash = hash.trim_start_matches("sha256:");
    let (url, file) = (index.url(), format!("http://127.0.0.1:{}/files/{WHEEL}", index.port));
    let wheel = format!("wheels = [{{ url = '{file}', hashes = {{ sha256 = '{hash}' }} }}]");
    let head = "lock-version = '1.0'\ncreated-by = 'test'\n";
    let package = format!("[[packages]]\nname = 'shop'\nversion = '1.0'\nindex = '{url}'\n{wheel}\n{more}\n");
    let local = "[[packages]]\nname = 'other'\nmarker = \"sys_platform == 'win32'\"\ndirectory = { path = 'other' }\n";
    project.write(&[
        ("pylock.toml", &format!("{head}{package}{local}")),
        ("pyproject.toml", "[project]\nname = \"store\"\nversion = \"2.0\"\ndynamic = [\"dependencies\"]\n"),
        ("main.py", "if __name__ == '__main__':\n    print()\n"),
        (".containerignore", "wheels\nbase\nout\nroot.json\n"),
    ]);
    project
}

fn build(project: &Project, verify: &str, more: &[&str]) -> Call {
    let words = ["--base", "oci:base:py", "--platform", "linux/amd64", "-o", "oci:out"];
    let call = project.call([&words[..], more].concat());
    let call = if verify.is_empty() { call } else { call.env("CONTAINERIZE_WHEEL_VERIFY", verify) };
    call.env("PIP_CONFIG_FILE", if cfg!(windows) { "nul" } else { "/dev/null" })
}

fn refused(done: Done, words: &str) {
    assert_eq!(done.code(), 4, "{}", done.shown());
    assert!(done.stderr().contains(words), "{}", done.shown());
    assert!(!done.stderr().contains("Packing"), "{}", done.shown());
}

#[test]
fn a_wheel_is_used_only_if_its_publisher_has_attested_it() {
    let index = Index::start();
    let project = shop(&index, "");
    let own = format!("{{ Shop = {{ {OWN} }} }}");
    refused(
        build(&project, "['shop']", &[]).fail(),
        &format!("{WHEEL} must be attested, but {}", index.url()),
    );
    assert!(!index.asked().iter().any(|path| path.ends_with(WHEEL)), "nothing of it is fetched before");
    index.shows("repository");
    refused(build(&project, &own, &["--no-cache"]).fail(), "which is not release.yml of acme/shop on GitHub");
    index.shows("good");
    // Whoever the index names, but with Sigstore's public services.
    refused(build(&project, "['sh*']", &[]).fail(), "does not name");
    let other = own.replace("acme/shop", "acme/other");
    refused(build(&project, &other, &[]).fail(), "but release.yml, acme/other must have published it");
    let done = build(&project, &own, &[]).succeed();
    let words = format!("{WHEEL} was published by release.yml of acme/shop on GitHub");
    assert!(done.stderr().contains(&words), "{}", done.shown());

    // What was verified is remembered, for this publisher and these services.
    index.asked();
    let again = build(&project, &own, &["--offline"]).succeed();
    assert_eq!((again.digest(), index.asked()), (done.digest(), Vec::new()));
    assert!(!again.stderr().contains("was published by"), "{}", again.shown());
    let offline = build(&project, &other, &["--offline"]).fail();
    assert!(offline.stderr().contains(&format!("the attestations of {WHEEL} were not verified before")));
    index.shows("repository");
    build(&project, &own, &[]).succeed();
    refused(build(&project, &own, &["--no-cache"]).fail(), "which is not release.yml of acme/shop on GitHub");
}

#[test]
fn whom_an_index_names_counts_for_that_index_alone() {
    let (index, other) = (Index::start(), Index::start());
    index.shows("good");
    let project = shop(&index, "");
    let (open, own) = ("{ shop = { trusted-root = 'root.json' } }", format!("{{ shop = {{ {OWN} }} }}"));
    build(&project, open, &[]).succeed();
    build(&project, &own, &[]).succeed();
    // Another one has the same file.
    let lock = std::fs::read_to_string(project.at("pylock.toml")).expect("a lock");
    project.write(&[("pylock.toml", &lock.replace(&index.url(), &other.url()))]);
    let words = format!("{WHEEL} must be attested, but {} has no attestations of it", other.url());
    refused(build(&project, open, &[]).fail(), &words);
    other.asked();
    build(&project, &own, &[]).succeed();
    assert!(!other.asked().iter().any(|path| path.contains("integrity")), "the certificate was verified");
}

#[test]
fn what_a_lock_says_of_publishers_counts() {
    let index = Index::start();
    index.shows("good");
    let of = |name: &str| {
        format!(
            "[[packages.attestation-identities]]\nkind = 'GitHub'\nrepository = '{name}'\nworkflow = 'release.yml'"
        )
    };
    let project = shop(&index, &of("acme/other"));
    // The services are told in the settings, and the publisher in the lock.
    let services = "{ shop = { trusted-root = 'root.json' } }";
    refused(build(&project, services, &[]).fail(), "acme/other, GitHub must have published it");
    refused(build(&project, "", &[]).fail(), "acme/other, GitHub must have published it");
    build(&project, "{ shop = false }", &[]).succeed();
    // What is not understood, and what is left out of what a kind is told by, widens nothing.
    for one in
        ["repository = ['acme/shop']", "workflow = 'release.yml'", "repository = 'acme/shop'\nregion = 'x'"]
    {
        let lock = format!("[[packages.attestation-identities]]\nkind = 'GitHub'\n{one}");
        refused(build(&shop(&index, &lock), services, &[]).fail(), "must have published it");
    }
    let project = shop(&index, &[of("acme/other"), of("acme/shop")].join("\n"));
    build(&project, services, &[]).succeed();
}

#[test]
fn what_cannot_be_attested_is_refused_by_name() {
    let index = Index::start();
    let project = shop(&index, "");
    for (verify, words) in [
        ("['shpo']", "wheel-verify names shpo, but pylock.toml pins no distribution of that name"),
        ("['store']", "wheel-verify names store, but pylock.toml pins no distribution of that name"),
        ("['x*', 'shop']", "wheel-verify names x*, but pylock.toml"),
        ("{ shop = { kind = 'Gitlab' } }", "is not one of GitHub, GitLab, Google"),
        (
            "{ shop = { trusted-root = 'none.json' } }",
            "wheel-verify: the trusted root none.json cannot be read",
        ),
    ] {
        let done = build(&project, verify, &[]).fail();
        assert_eq!(done.code(), 2, "{verify}: {}", done.shown());
        assert!(done.stderr().contains(words), "{verify}: {}", done.shown());
    }
    // It is pinned, but not for this platform.
    build(&project, "['other']", &[]).succeed();
    std::fs::create_dir_all(project.at("other")).expect("a folder");
    let lock = std::fs::read_to_string(project.at("pylock.toml")).expect("a lock");
    let lock = lock.replace("marker = \"sys_platform == 'win32'\"\n", "");
    project.write(&[("pylock.toml", &lock)]);
    let done = build(&project, "['other']", &["--dry-run"]).fail();
    assert_eq!(done.code(), 4, "{}", done.shown());
    assert!(done.stderr().contains("other must be attested, but it comes from a folder"), "{}", done.shown());
    // A folder beside the project is its own source, unless it is named.
    let done = build(&project, "['*']", &["--dry-run"]).succeed();
    assert!(done.stdout().contains("shop-1.0"), "{}", done.shown());
}

#[test]
fn a_file_that_could_be_another_one_each_time_is_refused() {
    let index = Index::start();
    index.shows("good");
    index.hashes.store(false, Ordering::SeqCst);
    let unpinned = || {
        let project = shop(&index, "");
        std::fs::remove_file(project.at("pylock.toml")).expect("removed");
        project.write(&[("requirements.txt", &format!("--index-url {}\nshop==1.0\n", index.url()))]);
        project
    };
    let own = format!("{{ shop = {{ {OWN} }} }}");
    let words = format!("{WHEEL} must be attested, but neither the lock nor the index has a hash of it");
    refused(build(&unpinned(), &own, &[]).fail(), &words);
    index.hashes.store(true, Ordering::SeqCst);
    build(&unpinned(), &own, &[]).succeed();
}

#[test]
fn a_wheel_whose_layer_is_lent_is_verified_too() {
    let (index, registry) = (Index::start(), TestRegistry::start(Options::listing(Referrers::Proper)));
    index.shows("good");
    let project = shop(&index, "");
    let own = format!("{{ shop = {{ {OWN} }} }}");
    let push = |machine: &str, verify: &str| {
        push(&project, &registry, machine, &[]).env("CONTAINERIZE_WHEEL_VERIFY", verify)
    };
    let first = push("first", &own).succeed();
    let recorded = provenance(&registry);
    let materials =
        recorded["predicate"]["buildDefinition"]["resolvedDependencies"].as_array().expect("a list");
    let by: Vec<&Value> =
        materials.iter().map(|one| &one["annotations"]["published-by"]).filter(|by| !by.is_null()).collect();
    assert_eq!(by, [&json!([{ "kind": "GitHub", "repository": "acme/shop", "workflow": "release.yml" }])]);

    index.asked();
    let second = push("second", &own).succeed();
    assert_eq!(digest(&second), digest(&first));
    assert_eq!(index.asked(), ["/integrity/shop", "/simple/shop/"], "the wheel itself is not needed");
    let other = own.replace("acme/shop", "acme/other");
    let refused = push("third", &other).fail();
    assert_eq!(refused.code(), 4, "{}", refused.shown());
    assert!(refused.stderr().contains("acme/other must have published it"), "{}", refused.shown());
}

/// The provenance that hangs on the image.
fn provenance(registry: &TestRegistry) -> Value {
    let (_, manifest) = registry.manifest("me/app", "1").expect("an image");
    let hanging = registry.hanging("me/app", &sha256(&manifest));
    let (_, statement) =
        hanging.iter().find(|(kind, _)| kind == "application/vnd.in-toto+json").expect("provenance");
    serde_json::from_slice(statement).expect("JSON")
}
