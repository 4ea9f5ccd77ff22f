//! What hangs on a manifest: listed by the registry, or by a tag that many write.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use containerize_core::Kind;
use containerize_core::image::{Attached, Image, ImageSet, Reach};
use containerize_core::oci::{Index, Manifest, Platform, to_json};
use containerize_core::registry::Kept;
use containerize_core::sink;
use containerize_tests::registry::{Fault, Options, Phase, Referrers};

use super::*;

const SPDX: &str = "application/spdx+json";
const CYCLONEDX: &str = "application/vnd.cyclonedx+json";

/// An image in the repository, to hang things on.
fn subject() -> Descriptor {
    Descriptor::of(media_type::OCI_MANIFEST, b"an image")
}

fn thing(kind: &str, text: &str) -> Attached {
    let note = ("org.example.note".to_owned(), text.to_owned());
    Attached::document(&subject(), kind, "SBOM", text.into(), [note].into()).expect("made")
}

async fn pushed(client: &Client, to: &Repository, thing: &Attached) -> bool {
    let Source::Memory(bytes) = &thing.manifest.source else { panic!("in memory") };
    let descriptor = &thing.manifest.descriptor;
    client.push_attached(to, descriptor, bytes.clone(), &thing.subject.digest).await.expect("pushed")
}

async fn listed(client: &Client, to: &Repository, things: &[&Attached]) -> Kept {
    let things: Vec<Descriptor> = things.iter().map(|thing| thing.listed.clone()).collect();
    client.list(to, &subject().digest, &things).await.expect("listed")
}

/// The tag that stands for the list of what hangs on the subject.
fn tag_of(subject: &Descriptor) -> String {
    format!("sha256-{}", subject.digest.hex())
}

fn under_tag(registry: &TestRegistry, repository: &str, subject: &Descriptor) -> Vec<Descriptor> {
    let Some((_, bytes)) = registry.manifest(repository, tag_of(subject)) else { return Vec::new() };
    serde_json::from_slice::<Index>(&bytes).expect("an index").manifests
}

#[tokio::test]
async fn a_registry_that_lists_says_so_and_is_asked_page_by_page() {
    let registry = TestRegistry::start(Options::listing(Referrers::Proper));
    let (client, to) = (anonymous(), repository(&registry, "a/b"));
    let all: Vec<Attached> =
        (0..5).map(|i| thing(if i == 2 { CYCLONEDX } else { SPDX }, &i.to_string())).collect();
    for thing in &all {
        assert!(pushed(&client, &to, thing).await, "OCI-Subject");
    }
    let digest = subject().digest;
    let (found, _) = client.referrers(&to, &digest, None).await.expect("asked").expect("a list");
    assert_eq!((found.len(), registry.count(Phase::Referrers)), (5, 3), "two on a page");
    let (found, is_filtered) =
        client.referrers(&to, &digest, Some(SPDX)).await.expect("asked").expect("a list");
    assert_eq!((found.len(), is_filtered), (4, true));
    let found = client.attached(&to, &digest, Some(CYCLONEDX)).await.expect("read");
    assert_eq!(found, [all[2].listed.clone()]);
    let nothing = client.referrers(&to, &absent(), None).await.expect("asked");
    assert_eq!(nothing, Some((vec![], false)));
    assert_eq!(listed(&client, &to, &[&all[0]]).await, Kept::ByRegistry);
    assert!(under_tag(&registry, "a/b", &subject()).is_empty(), "no litter");
}

#[tokio::test]
async fn a_registry_that_lists_wrongly_is_read_by_the_manifests() {
    let registry = TestRegistry::start(Options::listing(Referrers::Odd));
    let (client, to) = (anonymous(), repository(&registry, "a/b"));
    let (spdx, cyclonedx) = (thing(SPDX, "1"), thing(CYCLONEDX, "2"));
    for thing in [&spdx, &cyclonedx] {
        assert!(!pushed(&client, &to, thing).await, "it does not say that it has listed it");
    }
    assert_eq!(listed(&client, &to, &[&spdx, &cyclonedx]).await, Kept::ByRegistry);
    let found = client.attached(&to, &subject().digest, Some(SPDX)).await.expect("read");
    assert_eq!(found, [spdx.listed], "with its own kind and annotations");
    assert_eq!(registry.count(Phase::PutManifest), 2);
}

#[tokio::test]
async fn where_nothing_lists_a_tag_does_and_says_all_that_a_list_says() {
    let registry = TestRegistry::open();
    let (client, to) = (anonymous(), repository(&registry, "a/b"));
    let (spdx, cyclonedx) = (thing(SPDX, "1"), thing(CYCLONEDX, "2"));
    for thing in [&spdx, &cyclonedx] {
        assert!(!pushed(&client, &to, thing).await);
    }
    let puts = registry.count(Phase::PutManifest);
    assert_eq!(listed(&client, &to, &[&spdx, &cyclonedx]).await, Kept::ByTag(tag_of(&subject())));
    assert_eq!(registry.count(Phase::PutManifest), puts + 1, "one update for both");
    let found = under_tag(&registry, "a/b", &subject());
    let expected: BTreeMap<_, _> = [&spdx, &cyclonedx].map(|t| (t.listed.digest, t.listed.clone())).into();
    assert_eq!(found, expected.into_values().collect::<Vec<_>>(), "kinds and annotations are copied");
    assert!(client.lists(&to, &subject().digest, std::slice::from_ref(&spdx.listed)).await.expect("asked"));
    assert!(
        !client
            .lists(&to, &subject().digest, &[Descriptor::of(media_type::OCI_MANIFEST, b"absent")])
            .await
            .expect("asked")
    );
    let found = client.attached(&to, &subject().digest, Some(SPDX)).await.expect("read");
    assert_eq!(found.first(), Some(&spdx.listed));
    assert_eq!(found.len(), 1);
    // What is there already is looked for and not written.
    listed(&client, &to, &[&spdx]).await;
    assert_eq!(registry.count(Phase::PutManifest), puts + 1);
}

#[tokio::test]
async fn what_is_listed_and_gone_hides_nothing_else() {
    for options in [Options::listing(Referrers::Proper), Options::default()] {
        let registry = TestRegistry::start(options);
        let (client, to) = (anonymous(), repository(&registry, "a/b"));
        let (one, two) = (thing(SPDX, "1"), thing(SPDX, "2"));
        for thing in [&one, &two] {
            pushed(&client, &to, thing).await;
        }
        listed(&client, &to, &[&one, &two]).await;
        // The tag that may be a list is asked for first.
        let skipped = 1;
        let other = if one.listed.digest < two.listed.digest { &two } else { &one };
        registry.inject(Fault::Status(404).on(Phase::GetManifest).after(skipped));
        let found = client.attached(&to, &subject().digest, None).await.expect("read");
        assert_eq!(found, std::slice::from_ref(&other.listed));
        // Anything but a plain no is told.
        registry.inject(Fault::Status(403).on(Phase::GetManifest).after(skipped));
        client.attached(&to, &subject().digest, None).await.expect_err("refused");
    }
}

#[tokio::test]
async fn a_tag_that_is_no_list_is_not_overwritten() {
    let registry = TestRegistry::open();
    let (client, to) = (anonymous(), repository(&registry, "x"));
    let spdx = thing(SPDX, "1");
    let image = r#"{"schemaVersion":2,"config":{"mediaType":"x","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2},"layers":[]}"#;
    for (media_type, body) in [
        (media_type::OCI_MANIFEST, image),
        (media_type::OCI_INDEX, "no json"),
        (media_type::OCI_INDEX, r#"{"schemaVersion":2,"manifests":[{"digest":"md5:x"}]}"#),
    ] {
        registry.put_manifest("x", &tag_of(&subject()), media_type, body.as_bytes());
        let error =
            client.list(&to, &subject().digest, std::slice::from_ref(&spdx.listed)).await.expect_err(body);
        assert_eq!(error.kind(), Kind::Integrity, "{error:?}");
        assert_eq!(registry.manifest("x", tag_of(&subject())).expect("there").1, body.as_bytes());
    }
}

#[tokio::test]
async fn answers_for_people_and_lists_without_end_are_no_lists() {
    let registry = TestRegistry::start(Options::listing(Referrers::Proper));
    let (client, to) = (anonymous(), repository(&registry, "x"));
    let digest = subject().digest;
    for status in [400, 403, 404, 405, 501] {
        registry.inject(Fault::Status(status).on(Phase::Referrers));
        assert_eq!(client.referrers(&to, &digest, None).await.expect("asked"), None, "{status}");
    }
    let page = TestRegistry::open();
    page.store("<html>log in</html>");
    registry.inject(Fault::Redirect(page.url()).on(Phase::Referrers));
    assert_eq!(client.referrers(&to, &digest, None).await.expect("asked"), None);
    // What passes is asked again, and what does not pass is said.
    registry.inject(Fault::Status(503).on(Phase::Referrers));
    assert!(client.referrers(&to, &digest, None).await.expect("asked").is_some());
    registry.inject(Fault::Status(503).on(Phase::Referrers).always());
    let error = client.referrers(&to, &digest, None).await.expect_err("down");
    assert_eq!(error.kind(), Kind::Network, "{error:?}");
}

/// Twenty who know nothing of one another, each with three things, on a registry that ignores conditions
/// and answers slowly: reading, changing and writing alone would lose most of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn twenty_writers_lose_nothing() {
    let registry = TestRegistry::open();
    registry.inject(Fault::Slow(Duration::from_millis(40)).on(Phase::GetManifest).always());
    let to = repository(&registry, "a/b");
    let writers = (0..20).map(|writer| {
        let (client, to) = (anonymous(), to.clone());
        tokio::spawn(async move {
            let things: Vec<Attached> = (0..3).map(|i| thing(SPDX, &format!("{writer}-{i}"))).collect();
            for thing in &things {
                pushed(&client, &to, thing).await;
            }
            listed(&client, &to, &things.iter().collect::<Vec<_>>()).await;
            things.into_iter().map(|thing| thing.listed.digest).collect::<BTreeSet<_>>()
        })
    });
    let mut expected = BTreeSet::new();
    for writer in writers.collect::<Vec<_>>() {
        expected.extend(writer.await.expect("no panic"));
    }
    let found: BTreeSet<Digest> =
        under_tag(&registry, "a/b", &subject()).into_iter().map(|entry| entry.digest).collect();
    assert_eq!((found.len(), found == expected), (60, true));
}

/// A set of two small images and their index, with something on each of them.
fn set(registry: &TestRegistry, reach: Reach) -> ImageSet {
    let image = |architecture: &str| {
        let layer = blob(data(1, 100));
        let config = Blob::of(media_type::OCI_CONFIG, architecture.into());
        let contents = vec![layer.descriptor.clone()];
        let manifest = Manifest::new(media_type::OCI_MANIFEST, config.descriptor.clone(), contents);
        let manifest = Blob::of(media_type::OCI_MANIFEST, to_json(&manifest).expect("json"));
        let platform = Platform::linux(architecture);
        Image { platform, manifest, config, layers: vec![layer], titles: vec!["l".into()] }
    };
    let images = vec![image("amd64"), image("arm64")];
    let entries = images.iter().map(|image| image.manifest.descriptor.clone()).collect();
    let index = to_json(&Index::new(media_type::OCI_INDEX, entries)).expect("json");
    let index = Blob::of(media_type::OCI_INDEX, index);
    let mut set = ImageSet {
        name: "web".into(),
        tags: vec!["1".into()],
        has_siblings: false,
        references: vec![format!("{}:1", registry.repository("web")).parse().expect("reference")],
        images,
        index: Some(index),
        statements: vec![],
        attached: vec![],
        signatures: vec![],
    };
    let subjects: Vec<Descriptor> = set.manifests().map(|manifest| manifest.descriptor.clone()).collect();
    for subject in subjects {
        let document = |kind: &str| {
            let made = Attached::document(&subject, kind, "SBOM", kind.into(), BTreeMap::new());
            Attached { reach, ..made.expect("made") }
        };
        let signed = document(SPDX);
        let on_it =
            Attached::document(&signed.manifest.descriptor, "x/y", "signature", vec![1], BTreeMap::new());
        set.attach(signed).expect("attached");
        set.attach(document(CYCLONEDX)).expect("attached");
        set.attach(Attached { reach, ..on_it.expect("made") }).expect("attached");
    }
    set
}

async fn push(set: &ImageSet) {
    let (_folder, store) = store();
    let client = anonymous();
    let asked = sink::ask(&client, set).await.expect("an answer");
    sink::push(&client, set, asked, &store, &Events::silent()).await.expect("pushed");
}

#[tokio::test]
async fn the_tag_comes_last_and_all_that_hangs_on_the_image_before_it() {
    for referrers in [Referrers::None, Referrers::Proper, Referrers::Odd] {
        let registry = TestRegistry::start(Options::listing(referrers));
        let set = set(&registry, Reach::Everywhere);
        push(&set).await;
        let puts: Vec<String> = registry
            .requests()
            .iter()
            .filter(|seen| seen.phase == Phase::PutManifest)
            .map(|seen| seen.path.rsplit('/').next().unwrap_or_default().to_owned())
            .collect();
        let at = |name: &str| {
            puts.iter().position(|put| put == name).unwrap_or_else(|| panic!("{name}: {puts:?}"))
        };
        assert_eq!(at("1"), puts.len() - 1, "{puts:?}");
        for thing in &set.attached {
            assert!(at(&thing.listed.digest.to_string()) > at(&thing.subject.digest.to_string()), "{puts:?}");
            for blob in &thing.blobs {
                assert!(registry.blob("web", blob.descriptor.digest).is_some(), "{}", blob.descriptor.digest);
            }
        }
        let tags = puts.iter().filter(|put| put.starts_with("sha256-")).count();
        assert_eq!(tags, if referrers == Referrers::None { 6 } else { 0 }, "one for each subject");
        let (client, to) = (anonymous(), repository(&registry, "web"));
        let found = client.attached(&to, &set.digest(), None).await.expect("read");
        assert_eq!(found.len(), 2, "{found:?}");

        let before = registry.requests().len();
        push(&set).await;
        let again = registry.requests().split_off(before);
        let wrote = again.iter().any(|seen| seen.method != "GET" && seen.method != "HEAD");
        assert!(!wrote, "{again:?}");
    }
}

#[tokio::test]
async fn what_is_missing_on_an_image_that_is_there_is_added() {
    let registry = TestRegistry::start(Options::listing(Referrers::Proper));
    let with = set(&registry, Reach::Everywhere);
    push(&ImageSet { attached: vec![], ..with.clone() }).await;
    let puts = registry.count(Phase::PutManifest);
    assert_eq!(puts, 3);
    push(&with).await;
    assert_eq!(registry.count(Phase::PutManifest), puts + with.attached.len(), "the image stays as it is");
}

#[tokio::test]
async fn what_is_only_for_lists_leaves_no_tag_behind() {
    let registry = TestRegistry::open();
    push(&set(&registry, Reach::WhereListed)).await;
    let puts = registry.count(Phase::PutManifest);
    assert_eq!(puts, 4, "three by digest, and the tag");
    push(&set(&registry, Reach::WhereListed)).await;
    assert_eq!(registry.count(Phase::PutManifest), puts);
    let registry = TestRegistry::start(Options::listing(Referrers::Proper));
    let set = set(&registry, Reach::WhereListed);
    push(&set).await;
    assert_eq!(registry.count(Phase::PutManifest), 4 + set.attached.len());
    let before = registry.requests().len();
    push(&set).await;
    let again = registry.requests().split_off(before);
    let asked = again.iter().filter(|seen| seen.path.contains("/referrers/")).count();
    assert!(asked > 0 && again.iter().all(|seen| seen.method != "PUT"), "{again:?}");
}

#[tokio::test]
async fn what_is_asked_for_costs_one_tag_where_nothing_lists_it() {
    let registry = TestRegistry::open();
    let set = set(&registry, Reach::OneTag);
    push(&set).await;
    assert_eq!(
        registry.count(Phase::PutManifest),
        4 + 2 + 1,
        "two things on the index, and the tag for them"
    );
    assert_eq!(under_tag(&registry, "web", &set.root().descriptor).len(), 2);
    let registry = TestRegistry::start(Options::listing(Referrers::Proper));
    let set = self::set(&registry, Reach::OneTag);
    push(&set).await;
    assert_eq!(registry.count(Phase::PutManifest), 4 + set.attached.len());
}

#[tokio::test]
async fn an_image_that_is_there_with_an_older_document_gets_no_second_one() {
    for referrers in [Referrers::None, Referrers::Proper] {
        let registry = TestRegistry::start(Options::listing(referrers));
        let mut first = set(&registry, Reach::Everywhere);
        first.attached.clear();
        let mut later = first.clone();
        let root = first.root().descriptor.clone();
        let made = |text: &str, created: &str| {
            let created = [("org.opencontainers.image.created".to_owned(), created.to_owned())];
            Attached::document(&root, SPDX, "SBOM", text.into(), created.into()).expect("made")
        };
        first.attach(made("first", "1980")).expect("attached");
        later.attach(made("later", "1990")).expect("attached");
        push(&first).await;
        let puts = registry.count(Phase::PutManifest);
        push(&later).await;
        assert_eq!(registry.count(Phase::PutManifest), puts, "{referrers:?}");
    }
}
