//! Certificates: whom we trust, what we show, and that both hold for one host only.

use std::process::Command;

use containerize_core::oci::media_type;
use containerize_tests::lab::LabRegistry;
use containerize_tests::registry::{Fault, Options, Phase, TestRegistry};
use containerize_tests::skip::skip;

use super::*;

fn tls(client_certificate: bool) -> TestRegistry {
    let registry = TestRegistry::start(Options { tls: true, client_certificate, ..Options::default() });
    registry.put_manifest("x", "1", media_type::OCI_INDEX, "{}");
    registry
}

/// A folder of certificates with these files for the registry.
fn certs(registry: &str, files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("folder");
    let own = folder.path().join(registry);
    std::fs::create_dir_all(&own).expect("folder");
    for (name, content) in files {
        std::fs::write(own.join(name), content).expect("file");
    }
    folder
}

fn with_certs(folder: &Path) -> Client {
    client(http::Options { cert_dirs: vec![folder.to_owned()], ..options() }, Credentials::none())
}

async fn read(client: &Client, registry: &TestRegistry) -> containerize_core::Result<()> {
    let fetched = client.manifest(&repository(registry, "x").with_tag("1")).await?;
    assert_eq!(fetched.bytes, "{}");
    Ok(())
}

#[tokio::test]
async fn an_authority_in_the_folder_of_a_registry_vouches_for_it_alone() {
    let (mine, other) = (tls(false), tls(false));
    let folder = certs(&mine.address(), &[("ca.crt", mine.certificate().expect("certificate"))]);
    // The other one's certificate is known too, in the wrong folder.
    std::fs::write(
        folder.path().join(mine.address()).join("x.crt"),
        other.certificate().expect("certificate"),
    )
    .expect("file");
    let client = with_certs(folder.path());
    read(&client, &mine).await.expect("trusted");
    let error = read(&client, &other).await.expect_err("not trusted");
    assert!(format!("{error:?}").contains("is not trusted"), "{error:?}");
    let hint = error.hint_text().expect("hint");
    assert!(hint.contains(&format!("certs.d/{}/ca.crt", other.address())), "{hint}");
    assert!(other.requests().is_empty());
}

#[tokio::test]
async fn a_client_certificate_is_shown_where_it_is_wanted() {
    let registry = tls(true);
    let root = registry.certificate().expect("certificate");
    let (certificate, key) = registry.client_identity().expect("identity");
    let pair = [("ca.crt", root), ("me.cert", certificate.as_bytes()), ("me.key", key.as_bytes())];
    let folder = certs(&registry.address(), &pair);
    let client = with_certs(folder.path());
    read(&client, &registry).await.expect("let in");
    let to = repository(&registry, "x");
    client.push_blob(&to, &blob(data(1, 300_000)), "x", None).await.expect("pushed");
}

#[tokio::test]
async fn without_a_client_certificate_it_is_said_where_to_put_it() {
    let registry = tls(true);
    let folder = certs(&registry.address(), &[("ca.crt", registry.certificate().expect("certificate"))]);
    let error = read(&with_certs(folder.path()), &registry).await.expect_err("not let in");
    let text = format!("{error:?}");
    assert!(text.contains("requires a client certificate"), "{text}");
    let hint = error.hint_text().expect("hint");
    assert!(hint.contains("client.cert") && hint.contains(&registry.address()), "{hint}");
    assert!(!text.contains("attempts"), "it would fail the same way: {text}");
}

#[tokio::test]
async fn a_redirect_leaves_the_certificates_behind() {
    let (registry, storage) = (tls(false), tls(true));
    let (certificate, key) = storage.client_identity().expect("identity");
    let digest = storage.store(data(1, 100));
    registry.inject(Fault::Redirect(storage.url()).on(Phase::GetBlob).always());
    // All that the storage wants is there, but in the registry's folder.
    let roots = [registry.certificate().expect("one"), storage.certificate().expect("two")].concat();
    let files = [("ca.crt", &*roots), ("me.cert", certificate.as_bytes()), ("me.key", key.as_bytes())];
    let folder = certs(&registry.address(), &files);
    let wanted = blob(data(1, 100)).descriptor;
    assert_eq!(wanted.digest.to_string(), digest);
    let (_store_folder, store) = store();
    let fetched = with_certs(folder.path()).fetch_blob(&repository(&registry, "x"), &wanted, &store).await;
    assert!(format!("{:?}", fetched.expect_err("another host")).contains("is not trusted"));
}

#[tokio::test]
async fn a_broken_folder_is_an_error_that_names_the_file() {
    let registry = tls(false);
    let folder = certs(&registry.address(), &[("ca.crt", b"hello")]);
    let error = read(&with_certs(folder.path()), &registry).await.expect_err("broken");
    assert_eq!(error.kind(), containerize_core::Kind::Usage);
    assert!(format!("{error:?}").contains("ca.crt is not a certificate"), "{error:?}");
}

#[tokio::test]
async fn the_real_registry_with_its_authority_in_a_folder() {
    let data = tempfile::tempdir().expect("folder");
    let registry = match LabRegistry::start(data.path(), &["--tls"]) {
        Ok(registry) => registry,
        Err(reason) => return skip(&reason),
    };
    let root = std::fs::read(data.path().join("certs/ca.crt")).expect("authority");
    let folder = certs(&registry.address(), &[("ca.crt", &root)]);
    let to: Repository = format!("{}/x", registry.address()).parse().expect("repository");
    let client = with_certs(folder.path());
    client.push_blob(&to, &blob(self::data(1, 300_000)), "x", None).await.expect("pushed");
}

/// The variables are read by the transport when it begins, and a running process does not
/// change its own: the test runs itself with them.
#[test]
fn the_variables_of_openssl_are_honoured() {
    let registry = tls(false);
    let folder = tempfile::tempdir().expect("folder");
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, registry.certificate().expect("certificate")).expect("file");
    let run = |variable: &str, value: &Path| {
        let output = Command::new(std::env::current_exe().expect("this test"))
            .args(["--ignored", "--exact", "registry::tls::reads_from_the_registry_in_the_environment"])
            .env_remove("SSL_CERT_FILE")
            .env_remove("SSL_CERT_DIR")
            .env("TEST_REGISTRY", registry.address())
            .env(variable, value)
            .output()
            .expect("run");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.success() && said.contains("1 passed"), said)
    };
    let (trusted, said) = run("SSL_CERT_FILE", &file);
    assert!(trusted, "{said}");
    let (trusted, said) = run("SSL_CERT_DIR", folder.path());
    assert!(trusted, "{said}");
    let (trusted, said) = run("SSL_CERT_NONE", &file);
    assert!(!trusted && said.contains("is not trusted"), "{said}");
}

#[tokio::test]
#[ignore = "needs the environment that the test above gives it"]
async fn reads_from_the_registry_in_the_environment() {
    let address = std::env::var("TEST_REGISTRY").expect("address");
    let at: Repository = format!("{address}/x").parse().expect("repository");
    anonymous().manifest(&at.with_tag("1")).await.expect("trusted");
}
