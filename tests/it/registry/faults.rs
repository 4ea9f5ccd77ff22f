//! Every fault in every phase, and what comes of it.

use bytes::Bytes;
use containerize_core::oci::{Digest, media_type};
use containerize_core::registry::{self, Client};
use containerize_core::{Error, Kind, Result};
use containerize_tests::registry::{Fault, Options, Phase, TestRegistry};

use super::*;
use Expect::{Fails, Works};

enum Expect {
    /// The journey ends well, and everything is where it belongs.
    Works,
    /// It ends with this kind of error, whose text holds these words.
    Fails(Kind, &'static str),
}

const MANIFEST: &[u8] = br#"{"schemaVersion":2,"config":{}}"#;

/// One blob mounted, one sent; a manifest put, looked for and read; a blob fetched. Enough to
/// pass through every phase.
async fn journey(client: &Client, registry: &TestRegistry) -> Result<()> {
    let (to, from) = (repository(registry, "to"), repository(registry, "from"));
    let mounted = blob(data(1, 1000));
    registry.put_blob("from", data(1, 1000));
    client.push_blob(&to, &mounted, "mounted", Some(&from)).await?;
    let sent = blob(data(2, 300_000));
    client.push_blob(&to, &sent, "sent", None).await?;

    let tag = to.with_tag("1.0");
    let digest = client.push_manifest(&tag, media_type::OCI_MANIFEST, Bytes::from_static(MANIFEST)).await?;
    let found = client.head_manifest(&tag).await?.ok_or_else(|| Error::build("the manifest is not found"))?;
    assert_eq!((found.digest, found.size), (digest, MANIFEST.len() as u64));
    let manifest = client.manifest(&tag).await?;
    assert_eq!((manifest.bytes.as_ref(), manifest.media_type.as_str()), (MANIFEST, media_type::OCI_MANIFEST));

    let (_folder, store) = store();
    let path = client.fetch_blob(&to, &sent.descriptor, &store).await?;
    assert_eq!(std::fs::read(path).expect("blob"), data(2, 300_000));
    Ok(())
}

fn assert_complete(registry: &TestRegistry, case: &str) {
    for bytes in [data(1, 1000), data(2, 300_000)] {
        let kept = registry.blob("to", Digest::of(&bytes));
        assert_eq!(kept.as_deref(), Some(bytes.as_slice()), "{case}");
    }
    assert_eq!(registry.manifest("to", "1.0").expect(case).1, MANIFEST, "{case}");
}

const SENDING: [Phase; 5] =
    [Phase::HeadBlob, Phase::Mount, Phase::PostUpload, Phase::PutBlob, Phase::PutManifest];
const READING: [Phase; 3] = [Phase::HeadManifest, Phase::GetManifest, Phase::GetBlob];

fn everywhere() -> impl Iterator<Item = Phase> {
    [Phase::Ping, Phase::Token].into_iter().chain(SENDING).chain(READING)
}

fn cases() -> Vec<(Fault, Phase, usize, Expect)> {
    let mut cases = Vec::new();
    for phase in everywhere() {
        // What passes is survived, twice in a row, wherever it happens.
        for fault in
            [Fault::Status(500), Fault::Status(503), Fault::Status(408), Fault::TooMany("0"), Fault::Reset]
        {
            cases.push((fault, phase, 2, Works));
        }
        // What does not pass is given up after as many attempts as were allowed.
        cases.push((Fault::Status(502), phase, usize::MAX, Fails(Kind::Network, "(3 attempts)")));
        cases.push((Fault::TooMany("86400"), phase, 1, Fails(Kind::Network, "429 Too Many Requests")));
        cases.push((Fault::Slow(Duration::from_millis(20)), phase, usize::MAX, Works));
    }
    for phase in SENDING.into_iter().chain(READING) {
        cases.push((Fault::Revoked, phase, 1, Works));
        let persistent = match phase {
            // A refused HEAD or mount is no failure: what follows decides, and goes well here.
            Phase::HeadBlob | Phase::Mount | Phase::HeadManifest => Works,
            _ => Fails(Kind::Network, "FORBIDDEN: on purpose"),
        };
        cases.push((Fault::Status(403), phase, usize::MAX, persistent));
    }
    cases.extend(special_cases());
    cases
}

fn special_cases() -> Vec<(Fault, Phase, usize, Expect)> {
    let always = usize::MAX;
    let lost = Fails(Kind::Network, "did not say where");
    vec![
        (Fault::AnswerLost, Phase::PostUpload, 2, Works),
        (Fault::AnswerLost, Phase::PutBlob, 2, Works),
        (Fault::AnswerLost, Phase::Mount, 2, Works),
        (Fault::AnswerLost, Phase::PutManifest, 2, Works),
        (Fault::NotMounted, Phase::Mount, always, Works),
        (Fault::RelativeLocation, Phase::PostUpload, always, Works),
        (Fault::NoLocation, Phase::PostUpload, 1, Works),
        (Fault::NoLocation, Phase::PostUpload, always, lost),
        // The upload's session is forgotten between POST and PUT.
        (Fault::Status(404), Phase::PutBlob, 1, Works),
        (Fault::WrongDigest, Phase::PutBlob, 1, Fails(Kind::Integrity, "the registry announced")),
        (Fault::WrongDigest, Phase::PutManifest, 1, Fails(Kind::Integrity, "the registry announced")),
        (Fault::WrongDigest, Phase::GetManifest, 1, Fails(Kind::Integrity, "the registry announced")),
        (Fault::WrongBytes, Phase::GetManifest, 1, Fails(Kind::Integrity, "the registry announced")),
        (Fault::WrongBytes, Phase::GetBlob, 1, Fails(Kind::Integrity, ", got sha256:")),
        (Fault::Truncated, Phase::GetManifest, 2, Works),
        (Fault::Truncated, Phase::GetBlob, 2, Works),
        (Fault::Truncated, Phase::Token, 2, Works),
        (Fault::Short, Phase::GetBlob, 2, Works),
        (Fault::Short, Phase::Token, 2, Works),
        (Fault::Truncated, Phase::GetBlob, always, Fails(Kind::Network, "(3 attempts)")),
        (Fault::Status(404), Phase::GetBlob, always, Fails(Kind::Network, "404 Not Found")),
        // A name that does not exist is no trouble of the network.
        (Fault::Status(404), Phase::GetManifest, always, Fails(Kind::Usage, "404 Not Found")),
        (Fault::Status(405), Phase::HeadManifest, always, Works),
        (Fault::Status(404), Phase::Ping, always, Works),
        (Fault::Status(413), Phase::PutBlob, always, Fails(Kind::Network, "413 Payload Too Large")),
        (Fault::Status(403), Phase::Token, always, Fails(Kind::Network, "no token for")),
    ]
}

#[tokio::test]
async fn every_fault_in_every_phase_ends_as_it_should() {
    run(cases(), None).await;
}

/// Chunks of the journey's sent blob: two and a half.
const CHUNK: u64 = 120_000;

fn cases_of_chunks() -> Vec<(Fault, Phase, usize, Expect)> {
    let always = usize::MAX;
    let mut cases = Vec::new();
    for phase in [Phase::PatchBlob, Phase::PutBlob] {
        for fault in [
            Fault::Status(500),
            Fault::Status(503),
            Fault::Status(408),
            Fault::TooMany("0"),
            Fault::Reset,
            Fault::AnswerLost,
        ] {
            cases.push((fault, phase, 2, Works));
        }
        cases.push((Fault::Status(502), phase, always, Fails(Kind::Network, "(3 attempts)")));
        cases.push((Fault::TooMany("86400"), phase, 1, Fails(Kind::Network, "429 Too Many Requests")));
        cases.push((Fault::Slow(Duration::from_millis(20)), phase, always, Works));
        cases.push((Fault::Revoked, phase, 1, Works));
        cases.push((Fault::Status(403), phase, always, Fails(Kind::Network, "FORBIDDEN: on purpose")));
        // The session is forgotten: a new one does.
        cases.push((Fault::Status(404), phase, 1, Works));
        cases.push((Fault::Status(404), phase, always, Fails(Kind::Network, "(3 attempts)")));
    }
    cases.extend([
        (Fault::HalfTaken, Phase::PatchBlob, 2, Works),
        (Fault::HalfTaken, Phase::PatchBlob, always, Fails(Kind::Network, "(3 attempts)")),
        // Range stands still though the chunk was taken.
        (Fault::Range("0-0"), Phase::PatchBlob, always, Works),
        (Fault::Range("nonsense"), Phase::PatchBlob, always, Works),
        // Chunks that are not taken at all: the whole is.
        (Fault::Status(405), Phase::PatchBlob, always, Works),
        (Fault::Status(501), Phase::PatchBlob, always, Works),
        (Fault::Status(416), Phase::PatchBlob, always, Works),
        (Fault::RelativeLocation, Phase::PostUpload, always, Works),
        (Fault::WrongDigest, Phase::PutBlob, 1, Fails(Kind::Integrity, "the registry announced")),
    ]);
    cases
}

#[tokio::test]
async fn every_fault_of_an_upload_in_chunks_ends_as_it_should() {
    run(cases_of_chunks(), Some(CHUNK)).await;
}

async fn run(cases: Vec<(Fault, Phase, usize, Expect)>, chunk_size: Option<u64>) {
    for (fault, phase, times, expect) in cases {
        let case = format!("{fault:?} at {phase:?}, {times} times");
        let registry = TestRegistry::start(Options { expires_in: Some(300), ..Options::token() });
        registry.inject(fault.on(phase).times(times));
        let options = registry::Options { http: options(), chunk_size, ..registry::Options::default() };
        let client = client(options, credentials(&registry.address(), "me:secret"));
        let ended = journey(&client, &registry).await;
        assert_ne!(registry.count(phase), 0, "{case}: it never came to that");
        match (expect, ended) {
            (Works, Ok(())) => assert_complete(&registry, &case),
            (Works, Err(error)) => panic!("{case} ended with {error:?}"),
            (Fails(..), Ok(())) => panic!("{case} went well"),
            (Fails(kind, words), Err(error)) => {
                assert_eq!(error.kind(), kind, "{case}: {error:?}");
                assert!(format!("{error:?}").contains(words), "{case}: {error:?}");
                assert!(!format!("{error:?}").contains("secret"), "{case}: {error:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_failing_upload_begins_again_with_a_new_session_and_says_so() {
    let registry = TestRegistry::open();
    registry.inject(Fault::Status(500).on(Phase::PutBlob).times(2));
    let (client, record) = recorded(Credentials::none());
    let blob = blob(data(3, 5000));
    client.push_blob(&repository(&registry, "x"), &blob, "layer", None).await.expect("pushed");
    assert_eq!(registry.count(Phase::PostUpload), 3);
    assert_eq!(record.words(), ["Upload layer Some(5000)", "Restarted", "Restarted", "Done"]);
}

#[tokio::test]
async fn an_upload_whose_answer_got_lost_is_not_sent_again() {
    let registry = TestRegistry::open();
    let blob = blob(data(4, 5000));
    registry.put_blob("x", data(4, 5000));
    // As if the first attempt had arrived, and only its 201 had not.
    registry.inject(Fault::Status(404).on(Phase::HeadBlob));
    registry.inject(Fault::Status(504).on(Phase::PutBlob));
    let outcome = anonymous().push_blob(&repository(&registry, "x"), &blob, "layer", None).await;
    assert_eq!(outcome.expect("there"), containerize_core::event::Outcome::Exists);
    assert_eq!(registry.count(Phase::PutBlob), 1);
}

#[tokio::test]
async fn a_registry_that_stands_still_is_given_up() {
    for phase in [Phase::Ping, Phase::PutBlob] {
        let registry = TestRegistry::open();
        registry.inject(Fault::Slow(Duration::from_secs(600)).on(phase).always());
        let impatient = http::Options { timeout: Duration::from_millis(40), ..options() };
        let pushed = client(impatient, Credentials::none());
        let pushed = pushed.push_blob(&repository(&registry, "x"), &blob(data(6, 6)), "layer", None).await;
        let text = format!("{:?}", pushed.expect_err("nothing comes"));
        assert!(text.contains("did not respond for 0.04 s") && text.contains("(3 attempts)"), "{text}");
    }
}

#[tokio::test]
async fn nobody_there_is_said_with_what_to_do() {
    let address = TestRegistry::open().address();
    let to: Repository = format!("{address}/x").parse().expect("repository");
    let error = anonymous().push_blob(&to, &blob(data(5, 5)), "layer", None).await.expect_err("nobody");
    let text = format!("{error:?}");
    assert!(text.contains(&format!("to {address}/x (3 attempts)")), "{text}");
    assert!(text.contains(&format!("nothing is listening on {address}")), "{text}");
    assert!(error.hint_text().expect("hint").contains("running"), "{text}");
}
