//! The real registry (CNCF distribution), where a machine has it.

use bytes::Bytes;
use containerize_core::event::Outcome;
use containerize_core::oci::media_type;
use containerize_core::registry::Client;
use containerize_tests::lab::LabRegistry;
use containerize_tests::skip::skip;

use super::*;

/// Starts the lab's registry, hands the client its own certificate authority, and runs the
/// journey; or says why not.
async fn with_lab(flags: &[&str], credentials: impl Fn(&str) -> Credentials) {
    let folder = tempfile::tempdir().expect("folder");
    let registry = match LabRegistry::start(folder.path(), flags) {
        Ok(registry) => registry,
        Err(reason) => return skip(&reason),
    };
    let mut options = options();
    options.extra_roots = std::fs::read(folder.path().join("certs/ca.crt")).into_iter().collect();
    journey(&client(options, credentials(&registry.address())), &registry.address()).await;
}

async fn journey(client: &Client, address: &str) {
    let at = |name: &str| format!("{address}/{name}").parse::<Repository>().expect("repository");
    let (base, app) = (at("team/base"), at("team/app"));
    let folder = tempfile::tempdir().expect("folder");
    let layer = file_blob(folder.path(), &data(1, 3_000_000));
    let config = Blob::of(
        media_type::OCI_CONFIG,
        br#"{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}"#.to_vec(),
    );
    assert_eq!(client.push_blob(&base, &layer, "layer", None).await.expect("pushed"), Outcome::Done);
    let there = client.offer_blob(&base, &layer.descriptor, None).await.expect("asked");
    assert_eq!(there, Some(Outcome::Exists));
    assert_eq!(
        client.push_blob(&app, &layer, "layer", Some(&base)).await.expect("mounted"),
        Outcome::Mounted
    );
    assert_eq!(client.push_blob(&app, &config, "config", Some(&base)).await.expect("pushed"), Outcome::Done);
    let empty = Blob::of(media_type::OCI_LAYER, Vec::new());
    assert_eq!(client.push_blob(&app, &empty, "empty", None).await.expect("pushed"), Outcome::Done);

    let describe = |blob: &Blob| {
        let descriptor = &blob.descriptor;
        serde_json::json!({
            "mediaType": descriptor.media_type, "digest": descriptor.digest.to_string(), "size": descriptor.size
        })
    };
    let manifest = serde_json::json!({
        "schemaVersion": 2, "mediaType": media_type::OCI_MANIFEST,
        "config": describe(&config), "layers": [describe(&layer)]
    });
    let bytes = Bytes::from(manifest.to_string());
    let tag = app.with_tag("1.0");
    assert_eq!(client.head_manifest(&tag).await.expect("asked"), None);
    let digest = client.push_manifest(&tag, media_type::OCI_MANIFEST, bytes.clone()).await.expect("pushed");
    let found = client.head_manifest(&tag).await.expect("asked").expect("there");
    assert_eq!((found.digest, found.media_type.as_str()), (digest, media_type::OCI_MANIFEST));
    assert_eq!(client.manifest(&app.with_digest(digest)).await.expect("read").bytes, bytes);

    let (_folder, store) = store();
    let path = client.fetch_blob(&app, &layer.descriptor, &store).await.expect("fetched");
    assert_eq!(std::fs::read(path).expect("file"), data(1, 3_000_000));

    let wrong = self::client(options(), Credentials::none()).manifest(&app.with_tag("2.0")).await;
    let text = format!("{:?}", wrong.expect_err("not there, or not for us"));
    assert!(["404", "401", "not trusted"].iter().any(|word| text.contains(word)), "{text}");
}

#[tokio::test]
async fn the_real_registry_takes_what_we_send() {
    with_lab(&[], |_| Credentials::none()).await;
}

#[tokio::test]
async fn the_real_registry_with_basic_authentication() {
    with_lab(&["--auth", "me:secret"], |address| credentials(address, "me:secret")).await;
}

#[tokio::test]
async fn the_real_registry_with_tokens() {
    with_lab(&["--token", "me:secret"], |address| credentials(address, "me:secret")).await;
}

#[tokio::test]
async fn the_real_registry_with_tls_and_basic_authentication() {
    with_lab(&["--tls", "--auth", "me:secret"], |address| credentials(address, "me:secret")).await;
}
