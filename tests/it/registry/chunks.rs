//! Uploads in chunks: when, how large, and where they go on.

use containerize_core::Kind;
use containerize_core::registry;
use containerize_tests::lab::LabRegistry;
use containerize_tests::registry::{Fault, Options, Phase, TestRegistry};
use containerize_tests::skip::skip;

use super::*;

const CHUNK: usize = 100_000;

fn in_chunks(events: Events) -> Client {
    let options =
        registry::Options { http: options(), chunk_size: Some(CHUNK as u64), ..registry::Options::default() };
    Client::new(options, Credentials::none(), events).expect("client")
}

/// The `Content-Range` of each chunk that was sent.
fn ranges(registry: &TestRegistry) -> Vec<String> {
    let requests = registry.requests();
    let chunks = requests.iter().filter(|seen| seen.phase == Phase::PatchBlob);
    chunks.map(|seen| seen.header("content-range").unwrap_or_default().to_owned()).collect()
}

async fn push(registry: &TestRegistry, bytes: &[u8]) -> containerize_core::Result<()> {
    let to = repository(registry, "x");
    in_chunks(Events::silent()).push_blob(&to, &blob(bytes.to_vec()), "x", None).await?;
    assert_eq!(registry.blob("x", Digest::of(bytes)).as_deref(), Some(bytes));
    Ok(())
}

#[tokio::test]
async fn files_and_bytes_are_sent_in_chunks_of_the_size_asked_for() {
    let registry = TestRegistry::open();
    push(&registry, &data(1, 250_000)).await.expect("pushed");
    assert_eq!(ranges(&registry), ["0-99999", "100000-199999", "200000-249999"]);
    let folder = tempfile::tempdir().expect("folder");
    let file = file_blob(folder.path(), &data(2, 200_000));
    let to = repository(&registry, "x");
    in_chunks(Events::silent()).push_blob(&to, &file, "x", None).await.expect("pushed");
    assert_eq!(ranges(&registry)[3..], ["0-99999", "100000-199999"]);
    assert_eq!(registry.blob("x", file.descriptor.digest).as_deref(), Some(&data(2, 200_000)[..]));
}

#[tokio::test]
async fn what_fits_into_one_chunk_is_sent_whole() {
    let registry = TestRegistry::open();
    for size in [0, 1, CHUNK] {
        push(&registry, &data(1, size)).await.expect("pushed");
    }
    assert!(ranges(&registry).is_empty());
}

#[tokio::test]
async fn a_registry_that_announces_chunks_gets_them() {
    let least = 6 * 1024 * 1024;
    let registry = TestRegistry::start(Options { min_chunk: Some(least), ..Options::default() });
    let bytes = data(1, least + 10);
    let to = repository(&registry, "x");
    anonymous().push_blob(&to, &blob(bytes.clone()), "x", None).await.expect("pushed");
    assert_eq!(ranges(&registry), ["0-6291455".to_owned(), format!("6291456-{}", least + 9)]);
    assert_eq!(registry.blob("x", Digest::of(&bytes)).as_deref(), Some(bytes.as_slice()));
}

#[tokio::test]
async fn a_proxy_that_takes_small_requests_only_gets_them_without_being_asked_again() {
    let registry = TestRegistry::start(Options { max_body: Some(40_000), ..Options::default() });
    let client = client(options(), Credentials::none());
    let to = repository(&registry, "x");
    for (seed, size) in [(1, 250_000), (2, 250_000), (3, 10_000)] {
        let bytes = data(seed, size);
        client.push_blob(&to, &blob(bytes.clone()), "x", None).await.expect("pushed");
        assert_eq!(registry.blob("x", Digest::of(&bytes)).as_deref(), Some(bytes.as_slice()));
    }
    // Halved until it fits: 250000, 125000, 62500, 31250. The others know it.
    let whole = registry.requests().iter().filter(|seen| seen.phase == Phase::PutBlob).count();
    assert_eq!((whole, ranges(&registry).len()), (4, 2 + 8 + 8));
}

#[tokio::test]
async fn where_no_size_is_small_enough_the_limit_is_named() {
    let registry = TestRegistry::start(Options { max_body: Some(100), ..Options::default() });
    let pushed = client(options(), Credentials::none());
    let pushed = pushed.push_blob(&repository(&registry, "x"), &blob(data(1, 250_000)), "x", None).await;
    let error = pushed.expect_err("too large");
    assert!(error.hint_text().is_some_and(|hint| hint.contains("--chunk-size")), "{error:?}");
    assert!(registry.count(Phase::PostUpload) < 10);
}

#[tokio::test]
async fn a_chunk_that_broke_goes_on_where_it_broke_and_is_counted_once() {
    let registry = TestRegistry::open();
    registry.inject(Fault::HalfTaken.on(Phase::PatchBlob).after(1));
    let record = Arc::new(Record::default());
    let client = in_chunks(Events::new(record.clone()));
    let bytes = data(1, 250_000);
    client.push_blob(&repository(&registry, "x"), &blob(bytes.clone()), "x", None).await.expect("pushed");
    assert_eq!(ranges(&registry), ["0-99999", "100000-199999", "150000-199999", "200000-249999"]);
    assert_eq!(registry.count(Phase::UploadStatus), 1);
    assert_eq!(registry.count(Phase::PostUpload), 1);
    assert_eq!(registry.blob("x", Digest::of(&bytes)).as_deref(), Some(bytes.as_slice()));
    assert_eq!(record.words(), ["Upload x Some(250000)", "Done"], "nothing began again");
}

#[tokio::test]
async fn a_chunk_whose_answer_got_lost_is_not_sent_again() {
    let registry = TestRegistry::open();
    registry.inject(Fault::AnswerLost.on(Phase::PatchBlob).after(1));
    push(&registry, &data(1, 250_000)).await.expect("pushed");
    assert_eq!(ranges(&registry), ["0-99999", "100000-199999", "200000-249999"]);
}

#[tokio::test]
async fn a_range_that_cannot_be_starts_the_blob_anew() {
    for lie in ["0-9", "0-999999", "nonsense", "5-99"] {
        let registry = TestRegistry::open();
        registry.inject(Fault::Status(500).on(Phase::PatchBlob).after(2));
        registry.inject(Fault::Range(lie).on(Phase::UploadStatus).always());
        push(&registry, &data(1, 250_000)).await.unwrap_or_else(|error| panic!("{lie}: {error:?}"));
        assert_eq!(registry.count(Phase::PostUpload), 2, "{lie}");
    }
}

#[tokio::test]
async fn a_registry_that_lost_track_is_followed_on_416() {
    let registry = TestRegistry::open();
    // The chunk does not fit, and the answer to where it goes on is wrong once.
    registry.inject(Fault::Status(416).on(Phase::PatchBlob).after(1));
    registry.inject(Fault::Range("0-149999").on(Phase::UploadStatus));
    push(&registry, &data(1, 250_000)).await.expect("pushed, in a second upload");
    assert_eq!(ranges(&registry)[2], "150000-249999", "it believed the registry at first");
}

#[tokio::test]
async fn the_status_of_an_upload_may_fail_for_a_while() {
    let registry = TestRegistry::open();
    registry.inject(Fault::Reset.on(Phase::PatchBlob).after(1));
    registry.inject(Fault::Status(503).on(Phase::UploadStatus));
    push(&registry, &data(1, 250_000)).await.expect("pushed");
    assert_eq!(registry.count(Phase::PostUpload), 1);

    let registry = TestRegistry::open();
    registry.inject(Fault::Reset.on(Phase::PatchBlob).after(1));
    registry.inject(Fault::Status(404).on(Phase::UploadStatus));
    push(&registry, &data(1, 250_000)).await.expect("pushed");
    assert_eq!(registry.count(Phase::PostUpload), 2, "the upload was forgotten");
}

#[tokio::test]
async fn a_file_that_changed_never_becomes_a_blob_in_chunks_either() {
    let registry = TestRegistry::open();
    let folder = tempfile::tempdir().expect("folder");
    let blob = file_blob(folder.path(), &data(1, 250_000));
    let Source::File(path) = &blob.source else { panic!("a file") };
    std::fs::write(path, data(2, 250_000)).expect("changed");
    let pushed = in_chunks(Events::silent()).push_blob(&repository(&registry, "x"), &blob, "x", None).await;
    assert_eq!(pushed.expect_err("changed").kind(), Kind::Integrity);
    assert_eq!(registry.count(Phase::PutBlob), 0);
}

#[tokio::test]
async fn the_real_registry_takes_chunks() {
    let folder = tempfile::tempdir().expect("folder");
    let registry = match LabRegistry::start(folder.path(), &[]) {
        Ok(registry) => registry,
        Err(reason) => return skip(&reason),
    };
    let to: Repository = format!("{}/x", registry.address()).parse().expect("repository");
    let blob = blob(data(1, 1_234_567));
    let client = in_chunks(Events::silent());
    client.push_blob(&to, &blob, "x", None).await.expect("pushed");
    let (_folder, store) = store();
    let path = client.fetch_blob(&to, &blob.descriptor, &store).await.expect("fetched");
    assert_eq!(std::fs::read(path).expect("file"), data(1, 1_234_567));
}
