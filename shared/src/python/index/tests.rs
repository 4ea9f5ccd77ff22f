//! Downloads from an index that does what it should, and from ones that do not.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use sha2::Digest as _;

use super::fakes::{Answer, Server};
use super::*;
use crate::Kind as Failed;
use crate::event::{Event, Reporter};
use crate::python::{Hash, Source};

const NAME: &str = "demo-1.0-py3-none-any.whl";

#[derive(Default)]
struct Record(Mutex<Vec<Event>>);

impl Reporter for Record {
    fn report(&self, event: Event) {
        self.0.lock().expect("lock").push(event);
    }
}

impl Record {
    fn words(&self) -> Vec<String> {
        let events = self.0.lock().expect("lock");
        let words = events.iter().filter_map(|event| match event {
            Event::Note(text) | Event::Warning(text) => Some(text.to_string()),
            _ => None,
        });
        words.collect()
    }

    fn outcomes(&self) -> Vec<Outcome> {
        let events = self.0.lock().expect("lock");
        let outcomes = events.iter().filter_map(|event| match event {
            Event::Ended { outcome, .. } => Some(*outcome),
            _ => None,
        });
        outcomes.collect()
    }
}

/// A store, and downloaders on it.
struct Bench {
    folder: tempfile::TempDir,
    record: Arc<Record>,
    options: Options,
    offline: bool,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("folder");
        let options = Options { no_index: true, ..Options::default() };
        Self { folder, record: Arc::default(), options, offline: false }
    }

    fn with_default(server: &Server) -> Self {
        let mut bench = Self::new();
        bench.options.no_index = false;
        bench.add(&server.join("simple/"), Kind::Simple, Role::Default);
        bench
    }

    fn add(&mut self, location: &str, kind: Kind, role: Role) {
        self.options.add(Index::new(location, kind, role, self.folder.path()).expect("index"));
    }

    fn downloader(&self) -> Downloader {
        let http = http::Options {
            retries: 3,
            first_delay: Duration::from_millis(1),
            timeout: Duration::from_secs(20),
            offline: self.offline,
            ..http::Options::default()
        };
        let store = Store::open(self.folder.path().join("store")).expect("store");
        let events = Events::new(self.record.clone());
        Downloader::new(http, store, events, self.options.clone()).expect("downloader")
    }

    async fn fetch(&self, package: &Package) -> Result<Fetched> {
        self.downloader().fetch(package, &package.files[0]).await
    }
}

fn sha256(bytes: &[u8]) -> Hash {
    Hash::parse(&Digest::of(bytes).to_string()).expect("hash")
}

fn sha512(bytes: &[u8]) -> Hash {
    let hex = check::hex(&sha2::Sha512::digest(bytes));
    Hash::parse(&format!("sha512:{hex}")).expect("hash")
}

fn file(url: Option<String>, hashes: Vec<Hash>) -> DistFile {
    DistFile { filename: NAME.into(), url: url.map(Into::into), size: None, hashes, yanked: false }
}

fn package(files: Vec<DistFile>) -> Package {
    Package {
        name: "demo".parse().expect("name"),
        version: Some("1.0".parse().expect("version")),
        source: Source::Index { url: None },
        files,
        identities: Vec::new(),
    }
}

/// A package of one file as poetry.lock has it: name and hash.
fn by_name(bytes: &[u8]) -> Package {
    package(vec![file(None, vec![sha256(bytes)])])
}

fn body() -> Vec<u8> {
    (0..100_000_u32).flat_map(u32::to_le_bytes).collect()
}

fn read(fetched: &Fetched) -> Vec<u8> {
    std::fs::read(&fetched.path).expect("file")
}

/// Lists one file of these bytes and serves it.
async fn index_with(bytes: Vec<u8>) -> Server {
    let hash = sha256(&bytes).hex;
    Server::start(move |asked, _| match asked.path.as_str() {
        "/simple/demo/" => Answer::json(&json!([{"filename": NAME, "url": format!("../../files/{NAME}"),
            "hashes": {"sha256": hash}, "size": bytes.len()}])),
        path if path.ends_with(NAME) => Answer::ranged(asked, &bytes, "\"v1\""),
        _ => Answer::of(404, ""),
    })
    .await
}

#[tokio::test]
async fn a_file_known_by_name_and_hash_is_found_on_the_index_and_then_in_the_store() {
    let server = index_with(body()).await;
    let bench = Bench::with_default(&server);
    let wanted = by_name(&body());
    let fetched = bench.fetch(&wanted).await.expect("fetched");
    assert_eq!((read(&fetched), fetched.digest), (body(), Digest::of(&body())));
    assert_eq!(server.paths(), ["/simple/demo/".to_owned(), format!("/files/{NAME}")]);
    assert_eq!(bench.fetch(&wanted).await.expect("again"), fetched);
    assert_eq!(server.paths().len(), 2, "nothing is asked twice");
    assert_eq!(bench.record.outcomes(), [Outcome::Done, Outcome::Exists]);
    assert!(bench.record.words().is_empty());
}

#[tokio::test]
async fn a_remembered_list_serves_as_long_as_it_has_the_file() {
    let server = index_with(body()).await;
    let bench = Bench::with_default(&server);
    let wanted = by_name(&body());
    let fetched = bench.fetch(&wanted).await.expect("fetched");
    std::fs::remove_file(&fetched.path).expect("lost");
    bench.fetch(&wanted).await.expect("fetched again");
    let lists = server.paths().iter().filter(|path| path.starts_with("/simple")).count();
    assert_eq!((lists, server.paths().len()), (1, 3));
}

#[tokio::test]
async fn many_who_want_one_file_fetch_it_once() {
    let server = index_with(body()).await;
    let bench = Bench::with_default(&server);
    let wanted = by_name(&body());
    let downloader = bench.downloader();
    let all: Vec<_> = (0..8).map(|_| (&wanted, &wanted.files[0])).collect();
    let fetched = downloader.fetch_all(&all).await.expect("fetched");
    assert_eq!((fetched.len(), server.paths().len()), (8, 2));
}

#[tokio::test]
async fn downloads_can_be_spawned() {
    let server = index_with(body()).await;
    let bench = Bench::with_default(&server);
    let downloader = bench.downloader();
    let task = tokio::spawn(async move {
        let wanted = by_name(&body());
        let files = downloader.files(&wanted).await?;
        downloader.fetch_all(&[(&wanted, &files[0])]).await
    });
    assert_eq!(task.await.expect("no panic").expect("fetched").len(), 1);
}

#[tokio::test]
async fn a_broken_download_is_gone_on_with() {
    let server = Server::start(|asked, before| {
        let answer = Answer::ranged(asked, &body(), "\"v1\"");
        if before < 2 { answer.cut(150_000) } else { answer }
    })
    .await;
    let wanted = package(vec![file(Some(server.join(NAME)), vec![sha256(&body()), sha512(&body())])]);
    let fetched = Bench::new().fetch(&wanted).await;
    assert_eq!(fetched.expect("fetched").size, 400_000);
    let asked = server.asked();
    let ranges: Vec<_> = asked.iter().map(|asked| asked.header("range")).collect();
    assert_eq!(ranges[0], Some("bytes=0-2097151"), "its answer tells the size");
    // How much of an answer that broke has come is not certain, but it is more each time.
    let starts: Vec<u64> = ranges[1..]
        .iter()
        .map(|range| {
            range
                .expect("a range")
                .trim_start_matches("bytes=")
                .trim_end_matches('-')
                .parse()
                .expect("number")
        })
        .collect();
    assert!(starts.is_sorted() && starts[0] > 0, "{starts:?}");
    assert_eq!(asked[1].header("if-range"), Some("\"v1\""));
}

#[tokio::test]
async fn a_later_run_goes_on_where_an_earlier_one_was_ended() {
    let server = Server::start(|asked, before| {
        let answer = Answer::ranged(asked, &body(), "\"v1\"");
        if before < 4 { answer.cut(50_000.min(400_000 - before * 50_000)) } else { answer }
    })
    .await;
    let wanted = package(vec![file(Some(server.join(NAME)), vec![sha256(&body())])]);
    let bench = Bench::new();
    assert_eq!(bench.fetch(&wanted).await.expect_err("broken").kind(), Failed::Network);
    assert_eq!(server.asked().len(), 4, "as often as the options say");
    assert_eq!(read(&bench.fetch(&wanted).await.expect("fetched")), body());
    let last = server.asked()[4].header("range").expect("a range").to_owned();
    assert_ne!(last, "bytes=0-");
}

#[tokio::test]
async fn a_file_that_changed_in_between_is_begun_anew() {
    let server = Server::start(|asked, before| match before {
        0 => Answer::ranged(asked, &[7; 300_000], "\"old\"").cut(200_000),
        _ => Answer::ranged(asked, &body(), "\"new\""),
    })
    .await;
    let wanted = package(vec![file(Some(server.join(NAME)), vec![sha256(&body())])]);
    let bench = Bench::new();
    assert_eq!(read(&bench.fetch(&wanted).await.expect("fetched")), body());
}

#[tokio::test]
async fn parts_that_do_not_fit_are_noticed_and_fetched_as_one() {
    // It knows no versions: the parts are of two files.
    let server = Server::start(|asked, before| {
        let mut answer = match before {
            0 => Answer::ranged(asked, &[7; 400_000], "").cut(200_000),
            _ => Answer::ranged(asked, &body(), ""),
        };
        answer.headers.retain(|(name, _)| name != "etag");
        answer
    })
    .await;
    let wanted = package(vec![file(Some(server.join(NAME)), vec![sha256(&body())])]);
    let bench = Bench::new();
    assert_eq!(read(&bench.fetch(&wanted).await.expect("fetched")), body());
    let ranges: Vec<_> = server.asked().iter().map(|asked| asked.header("range").is_some()).collect();
    assert_eq!(ranges, [true, true, false]);
}

#[tokio::test]
async fn a_wrong_hash_names_file_and_both_hashes_and_leaves_nothing() {
    let server = Server::start(|_, _| Answer::of(200, "other")).await;
    for wanted in [sha256(b"right"), sha512(b"right")] {
        let found =
            if wanted.to_string().starts_with("sha256") { sha256(b"other") } else { sha512(b"other") };
        let bench = Bench::new();
        let wanted_package = package(vec![file(Some(server.join(NAME)), vec![wanted.clone()])]);
        let error = bench.fetch(&wanted_package).await.expect_err("noticed");
        assert_eq!(error.kind(), Failed::Integrity);
        let text = format!("{error:?}");
        for part in [NAME, &wanted.to_string(), &found.to_string()] {
            assert!(text.contains(part), "{text}");
        }
        let left = std::fs::read_dir(bench.folder.path().join("store/tmp")).expect("tmp").count();
        assert_eq!(left, 0);
    }
    assert_eq!(server.asked().len(), 2, "wrong bytes are not tried again");
}

#[tokio::test]
async fn a_size_that_was_not_promised_is_refused() {
    let server = Server::start(|_, _| Answer::of(200, "hello")).await;
    for (size, kind) in [(4, Failed::Integrity), (6, Failed::Integrity)] {
        let mut wanted = file(Some(server.join(NAME)), vec![sha256(b"hello")]);
        wanted.size = Some(size);
        let error = Bench::new().fetch(&package(vec![wanted])).await.expect_err("refused");
        assert_eq!(error.kind(), kind, "{error:?}");
    }
}

#[tokio::test]
async fn passing_troubles_are_tried_again() {
    let server = Server::start(|_, before| match before {
        0 => Answer::of(500, "oops"),
        1 => Answer::of(429, "").header("retry-after", "0"),
        _ => Answer::of(200, "hello"),
    })
    .await;
    let wanted = package(vec![file(Some(server.join(NAME)), vec![sha256(b"hello")])]);
    assert_eq!(Bench::new().fetch(&wanted).await.expect("fetched").size, 5);
    assert_eq!(server.asked().len(), 3);
}

#[tokio::test]
async fn refusals_say_what_to_do() {
    for (status, word, hint) in [
        (401, "requires a login", "netrc"),
        (403, "denies access to", "login"),
        (404, "does not have", "lock again"),
    ] {
        let server = Server::start(move |_, _| Answer::of(status, "")).await;
        let wanted = package(vec![file(Some(server.join(NAME)), vec![sha256(b"x")])]);
        let error = Bench::new().fetch(&wanted).await.expect_err("refused");
        let text = format!("{error:?}");
        assert_eq!(error.kind(), Failed::Network);
        assert!(text.contains(word) && text.contains(NAME), "{text}");
        assert!(error.hint_text().is_some_and(|text| text.contains(hint)), "{text}");
        assert_eq!(server.asked().len(), 1, "{status} is final");
    }
}

#[tokio::test]
async fn a_login_goes_to_its_index_and_not_where_that_leads() {
    let storage = Server::start(|_, _| Answer::of(200, "hello")).await;
    let target = storage.join(&format!("signed/{NAME}?sig=1"));
    let server = Server::start(move |asked, _| {
        if asked.header("authorization") != Some("Basic bWU6aHVudGVyMg==") {
            return Answer::of(401, "");
        }
        match asked.path.as_str() {
            "/simple/demo/" => Answer::html(format!("<a href=/files/{NAME}>x</a>")),
            _ => Answer::of(302, "").header("location", &target),
        }
    })
    .await;
    let mut bench = Bench::new();
    bench.options.no_index = false;
    let mut location = server.url.join("simple").expect("url");
    location.set_username("me").expect("user");
    location.set_password(Some("hunter2")).expect("password");
    bench.add(location.as_str(), Kind::Simple, Role::Default);
    assert_eq!(bench.fetch(&by_name(b"hello")).await.expect("fetched").size, 5);
    assert_eq!(server.paths(), ["/simple/demo/".to_owned(), format!("/files/{NAME}")]);
    assert_eq!(storage.asked()[0].header("authorization"), None);
    assert!(!format!("{:?}", bench.options).contains("hunter2"));
}

#[tokio::test]
async fn a_refused_login_is_not_shown() {
    let server = Server::start(|_, _| Answer::of(401, "")).await;
    let mut bench = Bench::new();
    bench.options.no_index = false;
    let location = server.join("simple").replace("http://", "http://me:hunter2@");
    bench.add(&location, Kind::Simple, Role::Default);
    let error = bench.fetch(&by_name(b"hello")).await.expect_err("refused");
    assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
}

#[tokio::test]
async fn without_hashes_the_index_gives_files_and_hashes_and_that_is_told_once() {
    let sha = sha256(b"hello").hex;
    let server = Server::start(move |asked, _| match asked.path.as_str() {
        "/simple/demo/" => Answer::html(format!(
            "<a href='../../f/{NAME}#sha256={sha}'>a</a><a href='../../f/demo-1.0.tar.gz' data-yanked>b</a>
             <a href='demo-2.0.tar.gz'>c</a><a href='other-1.0.tar.gz'>d</a>"
        )),
        path if path.ends_with(NAME) => Answer::of(200, "hello"),
        _ => Answer::of(200, "source"),
    })
    .await;
    let bench = Bench::with_default(&server);
    let wanted = package(vec![]);
    let downloader = bench.downloader();
    let files = downloader.files(&wanted).await.expect("files");
    let names: Vec<_> = files.iter().map(|file| (file.filename.as_str(), file.yanked)).collect();
    assert_eq!(names, [(NAME, false), ("demo-1.0.tar.gz", true)]);
    let all: Vec<_> = files.iter().map(|file| (&wanted, file)).collect();
    downloader.fetch_all(&all).await.expect("fetched");
    downloader.fetch_all(&all[..1]).await.expect("again");
    let words = bench.record.words();
    assert_eq!(words.len(), 2, "{words:?}");
    assert_eq!(words[0], format!("1 file has no hash in the lock ({NAME}); using the index's"));
    assert!(words[1].contains("no hash anywhere (demo-1.0.tar.gz)"), "{words:?}");
    let lists = server.paths().iter().filter(|path| path.starts_with("/simple")).count();
    assert_eq!(lists, 1, "a list that is fresh is not asked for again");
}

#[tokio::test]
async fn hashes_without_names_choose_among_the_files() {
    let sha = sha256(b"hello").hex;
    let server = Server::start(move |_, _| {
        Answer::html(format!(
            "<a href='{NAME}#sha256={sha}'>a</a><a href='demo-1.0.tar.gz#sha256={}'>b</a>",
            "0".repeat(64)
        ))
    })
    .await;
    let mut locked = file(None, vec![sha256(b"hello")]);
    locked.filename.clear();
    let bench = Bench::with_default(&server);
    let files = bench.downloader().files(&package(vec![locked])).await.expect("files");
    assert_eq!(files.iter().map(|file| file.filename.as_str()).collect::<Vec<_>>(), [NAME]);
}

#[tokio::test]
async fn a_local_version_serves_where_there_is_no_other() {
    let server = Server::start(|_, _| {
        Answer::html(
            "<a href=demo-1.0%2Bcpu-py3-none-any.whl></a><a href=demo-1.0%2Bcpu.2-py3-none-any.whl></a>",
        )
    })
    .await;
    let bench = Bench::with_default(&server);
    let files = bench.downloader().files(&package(vec![])).await.expect("files");
    assert_eq!(
        files.iter().map(|file| file.filename.as_str()).collect::<Vec<_>>(),
        ["demo-1.0+cpu.2-py3-none-any.whl"]
    );
}

#[tokio::test]
async fn private_indexes_come_before_the_default_one_where_no_hash_decides() {
    let default = index_with(b"theirs".to_vec()).await;
    let extra = index_with(b"ours".to_vec()).await;
    let mut bench = Bench::with_default(&default);
    bench.add(&extra.join("simple/"), Kind::Simple, Role::Extra);
    let files = bench.downloader().files(&package(vec![])).await.expect("files");
    assert_eq!(files[0].hashes, [sha256(b"ours")]);
    assert!(default.asked().is_empty());
    assert_eq!(read(&bench.fetch(&by_name(b"theirs")).await.expect("by hash")), b"theirs");
    assert_eq!(extra.asked().len(), 1, "the hash is found on the default index");
}

#[tokio::test]
async fn an_explicit_index_is_asked_for_its_own_packages_only() {
    let default = index_with(b"theirs".to_vec()).await;
    let own = index_with(b"ours".to_vec()).await;
    let mut bench = Bench::with_default(&default);
    bench.add(&own.join("simple/"), Kind::Simple, Role::Explicit);
    let error = bench.fetch(&by_name(b"ours")).await.expect_err("not there");
    assert_eq!(error.kind(), Failed::Integrity, "the default index has another file of this name");
    assert!(own.asked().is_empty());
    let mut wanted = by_name(b"ours");
    wanted.source = Source::Index { url: Some(own.join("simple").into()) };
    assert_eq!(read(&bench.fetch(&wanted).await.expect("fetched")), b"ours");
    assert_eq!(default.asked().len(), 1);
}

#[tokio::test]
async fn an_index_in_pypis_place_is_asked_before_the_urls_of_a_lock() {
    let mirror = index_with(b"hello".to_vec()).await;
    let bench = Bench::with_default(&mirror);
    let url = format!("https://files.pythonhosted.org/packages/{NAME}");
    let mut wanted = package(vec![file(Some(url), vec![sha256(b"hello")])]);
    wanted.source = Source::Index { url: Some("https://pypi.org/simple".into()) };
    assert_eq!(read(&bench.fetch(&wanted).await.expect("fetched")), b"hello");
}

#[tokio::test]
async fn what_no_index_has_is_said_with_the_places() {
    let default = Server::start(|_, _| Answer::of(404, "")).await;
    let extra = Server::start(|_, _| Answer::of(404, "")).await;
    let mut bench = Bench::with_default(&default);
    bench.add(&extra.join("simple/"), Kind::Simple, Role::Extra);
    for error in [
        bench.fetch(&by_name(b"x")).await.expect_err("nowhere"),
        bench.downloader().files(&package(vec![])).await.expect_err("nowhere"),
    ] {
        let text = error.to_string();
        assert!(text.contains("demo") && text.contains(&default.join("simple/")), "{text}");
        assert!(text.contains(&extra.join("simple/")), "{text}");
        assert_eq!(error.kind(), Failed::Network);
    }
}

#[tokio::test]
async fn hostile_names_lead_nowhere() {
    let server = Server::start(|_, _| {
        Answer::json(&json!([{"filename": "../demo-1.0.tar.gz", "url": "x", "hashes": {}},
            {"filename": NAME, "url": "file:///etc/passwd", "hashes": {}}]))
    })
    .await;
    let bench = Bench::with_default(&server);
    assert!(bench.downloader().files(&package(vec![])).await.is_err());
    let mut wanted = file(Some(server.join("x")), vec![sha256(b"x")]);
    wanted.filename = "../demo-1.0.tar.gz".into();
    let error = bench.fetch(&package(vec![wanted])).await.expect_err("refused");
    assert_eq!(error.kind(), Failed::Usage);
}

#[tokio::test]
async fn plain_http_to_other_machines_must_be_allowed() {
    let wanted = package(vec![file(Some(format!("http://plain.example/{NAME}")), vec![sha256(b"x")])]);
    let error = Bench::new().fetch(&wanted).await.expect_err("refused");
    assert_eq!(error.kind(), Failed::Usage);
    assert!(error.to_string().contains("not encrypted") || format!("{error:?}").contains("not encrypted"));
    assert!(
        error.hint_text().is_some_and(|hint| hint.contains("PIP_TRUSTED_HOST=plain.example")),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_page_without_end_is_refused() {
    let server = Server::start(|_, _| Answer::html(" ".repeat((64 << 20) + 1))).await;
    let error = Bench::with_default(&server).downloader().files(&package(vec![])).await.expect_err("refused");
    assert!(format!("{error:?}").contains("more than"), "{error:?}");
}

#[tokio::test]
async fn folders_and_pages_of_links_are_looked_at_first() {
    let mut bench = Bench::new();
    let folder = bench.folder.path().join("wheels");
    std::fs::create_dir(&folder).expect("folder");
    std::fs::write(folder.join(NAME), "hello").expect("file");
    std::fs::write(folder.join("demo-1.0.tar.gz"), "source").expect("file");
    bench.add("wheels", Kind::Links, Role::Extra);
    bench.add("no-such-folder", Kind::Links, Role::Extra);
    let downloader = bench.downloader();
    let files = downloader.files(&package(vec![])).await.expect("files");
    assert_eq!(files.len(), 2);
    assert_eq!(read(&bench.fetch(&by_name(b"hello")).await.expect("fetched")), b"hello");
    let other = bench.fetch(&by_name(b"other")).await.expect_err("another file");
    assert!(other.to_string().contains("with the hash of the lock"), "{other}");
    let page = Server::start(|asked, _| match asked.path.as_str() {
        "/links.html" => Answer::html(format!("<a href=deep/{NAME}>x</a>")),
        _ => Answer::of(200, "remote"),
    })
    .await;
    bench.add(&page.join("links.html"), Kind::Links, Role::Extra);
    assert_eq!(read(&bench.fetch(&by_name(b"remote")).await.expect("fetched")), b"remote");
}

#[tokio::test]
async fn offline_only_what_is_at_hand_counts_and_all_that_is_missing_is_named() {
    let server = index_with(b"hello".to_vec()).await;
    let mut bench = Bench::with_default(&server);
    bench.fetch(&by_name(b"hello")).await.expect("fetched");
    bench.offline = true;
    bench.fetch(&by_name(b"hello")).await.expect("in the store");
    let (mut one, mut two) = (by_name(b"one"), by_name(b"two"));
    one.files[0].filename = "one-1.zip".into();
    two.files[0].filename = "two-1.zip".into();
    let downloader = bench.downloader();
    let error = downloader.fetch_all(&[(&one, &one.files[0]), (&two, &two.files[0])]).await;
    let text = error.expect_err("missing").to_string();
    assert!(text.contains("2 files") && text.contains("one-1.zip, two-1.zip"), "{text}");
    assert_eq!(server.asked().len(), 2);
    assert_eq!(downloader.files(&package(vec![])).await.expect("remembered").len(), 1);
}

#[tokio::test]
async fn caches_of_pip_and_poetry_serve_when_the_hash_is_right() {
    let mut bench = Bench::new();
    bench.offline = true;
    let pip = bench.folder.path().join("pip");
    let url = format!("https://files.example/{NAME}");
    let key = check::hex(&sha2::Sha224::digest(&url));
    let folder = key.chars().take(5).fold(pip.join("http-v2"), |path, c| path.join(c.to_string()));
    std::fs::create_dir_all(&folder).expect("folders");
    std::fs::write(folder.join(format!("{key}.body")), "of pip").expect("body");
    let poetry = bench.folder.path().join("poetry");
    for (place, bytes) in [("01/02/03/04", "wrong"), ("05/06/07/08", "of poetry")] {
        let folder = poetry.join("artifacts").join(place);
        std::fs::create_dir_all(&folder).expect("folders");
        std::fs::write(folder.join(NAME), bytes).expect("file");
    }
    bench.options.caches = Caches { pip: Some(pip), poetry: Some(poetry) };
    for bytes in [&b"of pip"[..], b"of poetry"] {
        let wanted = package(vec![file(Some(url.clone()), vec![sha256(bytes)])]);
        assert_eq!(read(&bench.fetch(&wanted).await.expect("taken")), bytes);
    }
    let wanted = package(vec![file(Some(url), vec![sha256(b"else")])]);
    assert_eq!(bench.fetch(&wanted).await.expect_err("missing").kind(), Failed::Usage);
}

#[tokio::test]
async fn a_file_of_the_project_is_imported_and_verified() {
    let bench = Bench::new();
    let path = bench.folder.path().join(NAME);
    std::fs::write(&path, "hello").expect("file");
    let downloader = bench.downloader();
    let fetched = downloader.import(&path, &[sha512(b"hello")]).await.expect("imported");
    assert_eq!((read(&fetched), fetched.size), (b"hello".to_vec(), 5));
    let error = downloader.import(&path, &[sha256(b"other")]).await.expect_err("another");
    assert_eq!(error.kind(), Failed::Integrity);
    let mut wanted = by_name(b"hello");
    wanted.source = Source::File { path: path.clone() };
    assert_eq!(bench.fetch(&wanted).await.expect("fetched"), fetched);
    assert!(downloader.import(Path::new("/no/such/file"), &[]).await.is_err());
}

#[tokio::test]
async fn a_stored_file_must_keep_all_promises() {
    let server = Server::start(|_, _| Answer::of(200, "hello")).await;
    let bench = Bench::new();
    let url = Some(server.join(NAME));
    bench.fetch(&package(vec![file(url.clone(), vec![sha256(b"hello")])])).await.expect("fetched");
    let both = package(vec![file(url.clone(), vec![sha256(b"hello"), sha512(b"hello")])]);
    bench.fetch(&both).await.expect("verified on disk");
    bench
        .fetch(&package(vec![file(url.clone(), vec![sha512(b"hello")])]))
        .await
        .expect("known by its other hash");
    assert_eq!(server.asked().len(), 1);
    let wrong = package(vec![file(url, vec![sha256(b"hello"), sha512(b"other")])]);
    assert_eq!(bench.fetch(&wrong).await.expect_err("noticed").kind(), Failed::Integrity);
}

/// Real files of a real index, set up as pip is on this machine.
#[tokio::test]
#[ignore = "needs PyPI or the index that pip is set up with"]
async fn a_real_wheel_is_fetched_by_every_kind_of_lock() {
    let variables = std::env::vars().collect();
    let folder = tempfile::tempdir().expect("folder");
    let around = Surroundings {
        variables: &variables,
        host: crate::system::System::HERE,
        system: Path::new("/"),
        project: folder.path(),
        requirements: None,
    };
    let mut bench = Bench::new();
    bench.options = Options { caches: Caches::default(), ..Options::read(&around).expect("options") };
    let mut wanted = package(vec![]);
    wanted.name = "six".parse().expect("name");
    wanted.version = Some("1.17.0".parse().expect("version"));
    let files = bench.downloader().files(&wanted).await.expect("files");
    assert_eq!(files.len(), 2, "{files:?}");
    for strip in [false, true] {
        let mut locked = wanted.clone();
        locked.files = files.clone();
        if strip {
            locked.files.iter_mut().for_each(|file| file.url = None);
        }
        let fresh = Bench {
            folder: tempfile::tempdir().expect("folder"),
            options: bench.options.clone(),
            ..Bench::new()
        };
        let all: Vec<_> = locked.files.iter().map(|file| (&locked, file)).collect();
        let fetched = fresh.downloader().fetch_all(&all).await.expect("fetched");
        assert_eq!(fetched.len(), 2);
        assert!(fresh.record.words().is_empty());
    }
}

mod parts;
mod untold;
