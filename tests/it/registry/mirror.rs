//! Mirrors: asked first, for reading only, and never at the cost of a failure.

use bytes::Bytes;
use containerize_core::Kind;
use containerize_core::oci::{Reference, media_type};
use containerize_core::registry::{self, Mirror};
use containerize_tests::registry::{Fault, Options, Phase, TestRegistry};

use super::*;

const MANIFEST: &[u8] = br#"{"schemaVersion":2,"config":{}}"#;

fn mirrored(of: &TestRegistry, at: &str) -> registry::Options {
    let mirror: Mirror = format!("{}={at}", of.address()).parse().expect("mirror");
    registry::Options { mirrors: vec![mirror], http: options(), ..registry::Options::default() }
}

/// An image `name` with one blob.
fn fill(registry: &TestRegistry, name: &str) {
    registry.put_manifest(name, "1", media_type::OCI_MANIFEST, MANIFEST);
    registry.put_blob(name, data(1, 1000));
}

/// Reads the image that [`fill`] made.
async fn read(client: &Client, at: &Reference) -> containerize_core::Result<()> {
    assert_eq!(client.manifest(at).await?.bytes, MANIFEST);
    let (_folder, store) = store();
    let wanted = blob(data(1, 1000)).descriptor;
    let path = client.fetch_blob(&at.repository, &wanted, &store).await?;
    assert_eq!(std::fs::read(path).expect("blob"), data(1, 1000));
    Ok(())
}

#[tokio::test]
async fn what_the_mirror_has_is_not_asked_of_the_original() {
    let (original, mirror) = (TestRegistry::open(), TestRegistry::open());
    fill(&mirror, "hub/library/x");
    let client = client(mirrored(&original, &format!("{}/hub", mirror.address())), Credentials::none());
    read(&client, &repository(&original, "library/x").with_tag("1")).await.expect("read");
    assert!(original.requests().is_empty());
}

#[tokio::test]
async fn whatever_is_wrong_with_the_mirror_the_original_is_asked() {
    let faults = [
        None,
        Some(Fault::Status(503)),
        Some(Fault::Status(403)),
        Some(Fault::Reset),
        Some(Fault::Truncated),
        Some(Fault::WrongBytes),
        Some(Fault::TooMany("86400")),
    ];
    for fault in faults {
        let (original, mirror) = (TestRegistry::open(), TestRegistry::open());
        fill(&original, "x");
        if let Some(fault) = &fault {
            fill(&mirror, "x");
            mirror.inject(fault.clone().on(Phase::GetManifest).always());
            mirror.inject(fault.clone().on(Phase::GetBlob).always());
        }
        let client = client(mirrored(&original, &mirror.address()), Credentials::none());
        read(&client, &repository(&original, "x").with_tag("1"))
            .await
            .unwrap_or_else(|e| panic!("{fault:?}: {e:?}"));
        assert_eq!((mirror.count(Phase::GetManifest), mirror.count(Phase::GetBlob)), (1, 1), "{fault:?}");
    }
}

#[tokio::test]
async fn a_mirror_that_is_not_running_is_passed_over() {
    let original = TestRegistry::open();
    fill(&original, "x");
    let gone = TestRegistry::open().address();
    let client = client(mirrored(&original, &gone), Credentials::none());
    read(&client, &repository(&original, "x").with_tag("1")).await.expect("read");
}

#[tokio::test]
async fn a_mirror_that_recovers_makes_up_for_an_original_that_is_gone() {
    let (original, mirror) = (TestRegistry::open(), TestRegistry::open());
    fill(&mirror, "x");
    mirror.inject(Fault::Status(503).on(Phase::GetManifest));
    let options = mirrored(&original, &mirror.address());
    let at = repository(&original, "x").with_tag("1");
    read(&client(options, Credentials::none()), &at).await.expect("the second time");
    assert_eq!(mirror.count(Phase::GetManifest), 2);
}

#[tokio::test]
async fn when_nobody_has_it_both_are_named() {
    let (original, mirror) = (TestRegistry::open(), TestRegistry::open());
    let at = repository(&original, "x").with_tag("1");
    let error = client(mirrored(&original, &mirror.address()), Credentials::none()).manifest(&at).await;
    let error = error.expect_err("nowhere");
    assert_eq!(error.kind(), Kind::Usage, "no trouble of the network");
    assert!(error.to_string().contains(&at.to_string()), "{error:?}");
    let causes = error.causes().join(" | ");
    assert!(causes.contains(&format!("not from the mirror {}", mirror.address())), "{causes}");
    assert!(
        causes.contains(&format!("GET http://{}/v2/x/manifests/1 answered 404", original.address())),
        "{causes}"
    );
}

#[tokio::test]
async fn nothing_is_written_to_a_mirror() {
    let (original, mirror) = (TestRegistry::open(), TestRegistry::open());
    fill(&mirror, "x");
    let client = client(mirrored(&original, &mirror.address()), Credentials::none());
    let at = repository(&original, "x").with_tag("2");
    client.push_blob(&at.repository, &blob(data(1, 1000)), "x", None).await.expect("pushed");
    client.push_manifest(&at, media_type::OCI_MANIFEST, Bytes::from_static(MANIFEST)).await.expect("pushed");
    assert!(client.head_manifest(&at).await.expect("asked").is_some());
    assert!(mirror.requests().is_empty());
    assert!(original.manifest("x", "2").is_some());
}

#[tokio::test]
async fn a_mirror_gets_its_own_credentials_and_not_those_of_the_original() {
    let (original, mirror) = (TestRegistry::start(Options::basic()), TestRegistry::start(Options::basic()));
    fill(&mirror, "x");
    fill(&original, "x");
    let at = repository(&original, "x").with_tag("1");
    let options = mirrored(&original, &mirror.address());
    let own = client(options.clone(), credentials(&mirror.address(), "me:secret"));
    read(&own, &at).await.expect("with the mirror's password");
    assert!(original.requests().is_empty());

    let before = mirror.requests().len();
    let other = client(options, credentials(&original.address(), "me:secret"));
    read(&other, &at).await.expect("with the original's password");
    assert!(mirror.requests()[before..].iter().all(|seen| seen.header("authorization").is_none()));
}

#[tokio::test]
async fn what_a_mirror_has_can_be_mounted_from_there() {
    let (original, mirror) = (TestRegistry::open(), TestRegistry::open());
    let client = client(mirrored(&original, &format!("{}/hub", mirror.address())), Credentials::none());
    let (_folder, store) = store();
    let digest = Digest::of(b"layer");
    client.remember_homes(&store, &repository(&original, "library/x"), &digest);
    let home = |at: &TestRegistry| registry::home(&store, &repository(at, "app"), &digest);
    assert_eq!(home(&mirror), Some(repository(&mirror, "hub/library/x")));
    assert_eq!(home(&original), Some(repository(&original, "library/x")));
}

#[tokio::test]
async fn a_blob_that_several_want_at_once_is_fetched_once() {
    let registry = TestRegistry::open();
    fill(&registry, "x");
    let client = client(options(), Credentials::none());
    let ((_folder, store), to) = (store(), repository(&registry, "x"));
    let wanted = blob(data(1, 1000)).descriptor;
    let fetch = || client.fetch_blob(&to, &wanted, &store);
    let (one, other, third) = tokio::join!(fetch(), fetch(), fetch());
    assert_eq!(one.expect("fetched"), other.expect("fetched"));
    assert_eq!(registry.count(Phase::GetBlob), 1);
    // What the store has lost since is fetched again.
    std::fs::remove_file(third.expect("fetched")).expect("removed");
    assert!(fetch().await.expect("fetched").exists());
    assert_eq!(registry.count(Phase::GetBlob), 2);
}

#[tokio::test]
async fn a_socks_proxy_is_gone_through() {
    let (registry, proxy) = (TestRegistry::open(), containerize_tests::socks::Socks::start());
    fill(&registry, "x");
    let port = registry.address().rsplit(':').next().expect("a port").to_owned();
    let variables = [("all_proxy".to_owned(), proxy.address()), ("ALL_PROXY".to_owned(), String::new())];
    let http = containerize_core::http::Options {
        proxies: containerize_core::http::Proxies::of(&variables.into_iter().collect()),
        insecure: vec!["registry.test".into()],
        ..options()
    };
    let client = client(http, Credentials::none());
    let at: Repository = format!("registry.test:{port}/x").parse().expect("repository");
    read(&client, &at.with_tag("1")).await.expect("read");
    assert!(proxy.served() > 0);
}
