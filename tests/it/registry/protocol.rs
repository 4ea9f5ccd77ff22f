//! Blobs and manifests: the least effort, the right bytes, the right places.

use bytes::Bytes;
use containerize_core::Kind;
use containerize_core::event::Outcome;
use containerize_core::oci::media_type;
use containerize_tests::registry::{Fault, Options, Phase, TestRegistry};

use super::*;

#[tokio::test]
async fn a_blob_is_sent_once_with_its_length_from_file_and_memory() {
    let registry = TestRegistry::open();
    let folder = tempfile::tempdir().expect("folder");
    let to = repository(&registry, "a/b");
    for (seed, size) in [(1, 0), (2, 1), (3, 128 * 1024), (4, 1_000_003)] {
        let (memory, file) =
            (blob(data(seed, size)), file_blob(folder.path(), &data(seed + 100, size.max(1))));
        for blob in [memory, file] {
            let digest = blob.descriptor.digest;
            assert_eq!(anonymous().push_blob(&to, &blob, "x", None).await.expect("pushed"), Outcome::Done);
            assert_eq!(anonymous().push_blob(&to, &blob, "x", None).await.expect("there"), Outcome::Exists);
            let kept = registry.blob("a/b", digest).expect("kept");
            assert_eq!(kept.len() as u64, blob.descriptor.size);
        }
    }
    assert_eq!(registry.count(Phase::PutBlob), 8);
    for put in registry.requests().iter().filter(|seen| seen.phase == Phase::PutBlob) {
        assert_eq!(put.header("transfer-encoding"), None);
        assert_eq!(put.header("content-type"), Some("application/octet-stream"));
        assert_eq!(put.query("_state"), Some("keep/me"));
    }
}

#[tokio::test]
async fn a_blob_is_mounted_from_another_repository_of_the_same_registry_only() {
    let registry = TestRegistry::open();
    let bytes = data(1, 1000);
    registry.put_blob("base", bytes.clone());
    let (to, base) = (repository(&registry, "app"), repository(&registry, "base"));
    let outcome = anonymous().push_blob(&to, &blob(bytes.clone()), "x", Some(&base)).await;
    assert_eq!(outcome.expect("mounted"), Outcome::Mounted);
    assert_eq!(registry.count(Phase::PutBlob), 0);

    let elsewhere: Repository = "ghcr.io/acme/base".parse().expect("repository");
    for from in [&to, &elsewhere] {
        let blob = blob(data(2, 1000));
        anonymous().push_blob(&to, &blob, "x", Some(from)).await.expect("pushed");
        assert_eq!(registry.count(Phase::Mount), 1, "{from} is nothing to mount from");
    }
}

#[tokio::test]
async fn a_refused_mount_continues_as_an_upload_in_its_session() {
    let registry = TestRegistry::open();
    registry.inject(Fault::NotMounted.on(Phase::Mount));
    let (to, base) = (repository(&registry, "app"), repository(&registry, "base"));
    let bytes = data(1, 1000);
    let outcome = anonymous().push_blob(&to, &blob(bytes.clone()), "x", Some(&base)).await;
    assert_eq!(outcome.expect("pushed"), Outcome::Done);
    assert_eq!(registry.count(Phase::PostUpload), 0);
    assert_eq!(registry.blob("app", Digest::of(&bytes)).as_deref(), Some(bytes.as_slice()));
}

#[tokio::test]
async fn a_blob_that_is_elsewhere_in_the_registry_needs_no_bytes() {
    let registry = TestRegistry::open();
    let bytes = data(1, 1000);
    registry.put_blob("base", bytes.clone());
    let (to, base) = (repository(&registry, "app"), repository(&registry, "base"));
    let there = Blob {
        descriptor: Descriptor::of(media_type::OCI_LAYER_GZIP, &bytes),
        source: Source::Registry(base.clone()),
    };
    let client = anonymous();
    let offered = client.offer_blob(&to, &blob(data(9, 9)).descriptor, Some(&base)).await;
    assert_eq!(offered.expect("asked"), None, "it has to be sent");
    assert_eq!(client.push_blob(&to, &there, "x", None).await.expect("mounted"), Outcome::Mounted);
    let offered = client.offer_blob(&to, &there.descriptor, None).await;
    assert_eq!(offered.expect("asked"), Some(Outcome::Exists));
}

#[tokio::test]
async fn a_file_that_changed_never_becomes_a_blob() {
    let registry = TestRegistry::open();
    let folder = tempfile::tempdir().expect("folder");
    let blob = file_blob(folder.path(), &data(1, 400_000));
    let Source::File(path) = &blob.source else { panic!("a file") };
    std::fs::write(path, data(2, 400_000)).expect("changed");
    let to = repository(&registry, "x");
    let error = anonymous().push_blob(&to, &blob, "x", None).await.expect_err("changed");
    assert_eq!(error.kind(), Kind::Integrity, "{error:?}");
    assert_eq!(registry.count(Phase::PostUpload), 1, "it is not tried again");
    assert_eq!(registry.blob("x", Digest::of(&data(2, 400_000))), None);

    std::fs::remove_file(path).expect("removed");
    let error = anonymous().push_blob(&to, &blob, "x", None).await.expect_err("gone");
    assert_eq!(error.kind(), Kind::Build, "{error:?}");
}

#[tokio::test]
async fn an_upload_that_goes_on_elsewhere_takes_no_credentials_along() {
    let storage = TestRegistry::open();
    for registry in [TestRegistry::start(Options::token()), TestRegistry::start(Options::basic())] {
        registry.inject(Fault::ForeignLocation(storage.url()).on(Phase::PostUpload));
        let bytes = data(1, 300_000);
        let to = repository(&registry, "x");
        as_me(&registry).push_blob(&to, &blob(bytes.clone()), "x", None).await.expect("pushed");
        assert_eq!(storage.stored(Digest::of(&bytes)).as_deref(), Some(bytes.as_slice()));
    }
    assert_eq!(storage.requests().len(), 2);
    for seen in storage.requests() {
        assert_eq!(seen.header("authorization"), None);
        assert_eq!(seen.query("signature"), Some("abc"), "a signed place keeps its query");
    }
}

#[tokio::test]
async fn redirects_take_no_credentials_along_and_lead_to_the_same_bytes() {
    let storage = TestRegistry::open();
    let bytes = data(1, 300_000);
    let digest = storage.store(bytes.clone());
    let registry = TestRegistry::start(Options::token());
    registry.inject(Fault::Redirect(storage.url()).on(Phase::GetBlob));
    registry.inject(Fault::Redirect(storage.url()).on(Phase::PutBlob));
    let (client, from) = (as_me(&registry), repository(&registry, "x"));

    let (_folder, store) = store();
    let fetched = client.fetch_blob(&from, &blob(bytes.clone()).descriptor, &store).await.expect("fetched");
    assert_eq!(std::fs::read(fetched).expect("file"), bytes);

    // A redirected upload is sent again from its first byte.
    let other = data(2, 300_000);
    client.push_blob(&from, &blob(other.clone()), "x", None).await.expect("pushed");
    assert_eq!(storage.stored(Digest::of(&other)).as_deref(), Some(other.as_slice()));
    assert!(storage.requests().iter().all(|seen| seen.header("authorization").is_none()));
    assert_eq!(storage.requests()[0].path, format!("/storage/{digest}"));
}

#[tokio::test]
async fn fetched_blobs_are_kept_and_wrong_ones_are_not() {
    let registry = TestRegistry::open();
    let bytes = data(1, 300_000);
    registry.put_blob("x", bytes.clone());
    let (_folder, store) = store();
    let (client, record) = recorded(Credentials::none());
    let (from, right) = (repository(&registry, "x"), blob(bytes.clone()).descriptor);

    let mut lie = right.clone();
    lie.size -= 1;
    let error = client.fetch_blob(&from, &lie, &store).await.expect_err("another size");
    assert_eq!(error.kind(), Kind::Integrity);
    registry.inject(Fault::WrongBytes.on(Phase::GetBlob));
    let error = client.fetch_blob(&from, &right, &store).await.expect_err("other bytes");
    assert_eq!(error.kind(), Kind::Integrity);
    assert_eq!(store.find(&right.digest, right.size), None);

    let path = client.fetch_blob(&from, &right, &store).await.expect("fetched");
    assert_eq!(std::fs::read(path).expect("file"), bytes);
    let requests = registry.requests().len();
    client.fetch_blob(&from, &right, &store).await.expect("kept");
    assert_eq!(registry.requests().len(), requests, "the second time needs no network");
    let ends: Vec<String> = record.words().into_iter().filter(|word| !word.starts_with("Download")).collect();
    assert_eq!(ends, ["Failed", "Failed", "Done", "Exists"]);
}

#[tokio::test]
async fn manifests_are_compared_with_the_digest_that_was_asked_for() {
    let registry = TestRegistry::open();
    let bytes = Bytes::from_static(b"{\"schemaVersion\":2}");
    registry.put_manifest("x", "1.0", media_type::OCI_INDEX, bytes.clone());
    let (client, at) = (anonymous(), repository(&registry, "x"));
    let fetched = client.manifest(&at.with_tag("1.0")).await.expect("by tag");
    assert_eq!((fetched.media_type.as_str(), fetched.digest), (media_type::OCI_INDEX, Digest::of(&bytes)));
    assert_eq!(client.manifest(&at.with_digest(fetched.digest)).await.expect("by digest").bytes, bytes);

    registry.inject(Fault::WrongBytes.on(Phase::GetManifest));
    let error = client.manifest(&at.with_digest(fetched.digest)).await.expect_err("other bytes");
    assert!(format!("{error:?}").contains("asked for"), "{error:?}");
    let accept: Vec<String> =
        registry.requests()[1].headers.iter().map(|(name, value)| format!("{name}={value}")).collect();
    for media_type in [
        media_type::OCI_INDEX,
        media_type::DOCKER_LIST,
        media_type::OCI_MANIFEST,
        media_type::DOCKER_MANIFEST,
    ] {
        assert!(accept.contains(&format!("accept={media_type}")), "{accept:?}");
    }
}

#[tokio::test]
async fn a_manifest_larger_than_four_mebibytes_is_refused() {
    let registry = TestRegistry::open();
    registry.put_manifest("x", "1.0", media_type::OCI_INDEX, vec![b' '; 4 * 1024 * 1024 + 1]);
    let error = anonymous().manifest(&repository(&registry, "x").with_tag("1.0")).await.expect_err("large");
    assert!(format!("{error:?}").contains("more than 4194304 bytes"), "{error:?}");
}

#[tokio::test]
async fn what_is_not_there_is_none_for_head_and_an_error_for_get() {
    let registry = TestRegistry::open();
    let at = repository(&registry, "x").with_tag("1.0");
    assert_eq!(anonymous().head_manifest(&at).await.expect("asked"), None);
    let error = anonymous().manifest(&at).await.expect_err("not there");
    assert!(format!("{error:?}").contains("MANIFEST_UNKNOWN: manifest unknown"), "{error:?}");
    let (_folder, store) = store();
    let descriptor = Descriptor::new("", absent(), 5);
    let error = anonymous().fetch_blob(&at.repository, &descriptor, &store).await.expect_err("not there");
    assert!(format!("{error:?}").contains("BLOB_UNKNOWN"), "{error:?}");
}

#[tokio::test]
async fn a_manifest_is_pushed_by_tag_or_digest_and_not_under_a_false_one() {
    let registry = TestRegistry::open();
    let (client, to) = (anonymous(), repository(&registry, "x"));
    let bytes = Bytes::from_static(b"{}");
    let digest = Digest::of(&bytes);
    client
        .push_manifest(&to.with_digest(digest), media_type::OCI_MANIFEST, bytes.clone())
        .await
        .expect("pushed");
    let put = &registry.requests()[1];
    assert_eq!(put.path, format!("/v2/x/manifests/{digest}"));
    assert_eq!(put.header("content-type"), Some(media_type::OCI_MANIFEST));
    let error = client.push_manifest(&to.with_digest(absent()), media_type::OCI_MANIFEST, bytes).await;
    assert_eq!(error.expect_err("a false one").kind(), Kind::Integrity);
    assert_eq!(registry.count(Phase::PutManifest), 1);
}

#[tokio::test]
async fn a_registry_that_knows_dockers_format_only_is_met_with_a_hint() {
    for (fault, media_type, hinted) in [
        (Fault::Status(415), media_type::OCI_MANIFEST, true),
        (Fault::Code(400, "MANIFEST_INVALID"), media_type::OCI_INDEX, true),
        (Fault::Code(400, "NAME_INVALID"), media_type::OCI_MANIFEST, false),
        (Fault::Status(415), media_type::DOCKER_MANIFEST, false),
    ] {
        let registry = TestRegistry::open();
        registry.inject(fault.clone().on(Phase::PutManifest).always());
        let at = repository(&registry, "x").with_tag("1");
        let error = anonymous().push_manifest(&at, media_type, Bytes::from_static(b"{}")).await;
        let error = error.expect_err("refused");
        let hint = error.hint_text().unwrap_or_default();
        assert_eq!(hint.contains("image-format = \"docker\""), hinted, "{fault:?}: {error:?}");
    }
}
