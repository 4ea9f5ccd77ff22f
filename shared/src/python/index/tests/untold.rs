//! Files whose hash no index tells, and files whose URL has a login.

use super::*;

/// A package as requirements.txt has it: hashes, and no word of which file each is.
fn hashed(contents: &[&[u8]]) -> Package {
    let nameless = |bytes: &&[u8]| DistFile { filename: String::new(), ..file(None, vec![sha256(bytes)]) };
    package(contents.iter().map(nameless).collect())
}

/// Looks for the files of the package, and fetches the one with the usual name.
async fn found(bench: &Bench, package: &Package) -> Result<Fetched> {
    let downloader = bench.downloader();
    let files = downloader.files(package).await?;
    let chosen = files.iter().find(|file| file.filename == NAME).expect("listed").clone();
    downloader.fetch(&Package { files, ..package.clone() }, &chosen).await
}

#[tokio::test]
async fn a_file_in_a_folder_is_verified_by_one_of_the_hashes_of_the_lock() {
    let mut bench = Bench::new();
    let folder = bench.folder.path().join("wheels");
    std::fs::create_dir(&folder).expect("folder");
    std::fs::write(folder.join(NAME), "hello").expect("file");
    bench.add("wheels", Kind::Links, Role::Extra);
    let fetched = found(&bench, &hashed(&[b"archive", b"hello"])).await.expect("fetched");
    assert_eq!(read(&fetched), b"hello");
    let mut strong = hashed(&[b"hello"]);
    strong.files[0].hashes = vec![sha512(b"hello")];
    assert_eq!(read(&found(&bench, &strong).await.expect("fetched")), b"hello");
    assert_eq!(bench.record.words(), Vec::<String>::new(), "the lock has verified it");
    let error = found(&bench, &hashed(&[b"archive", b"other"])).await.expect_err("another file");
    assert_eq!(error.kind(), Failed::Integrity);
    assert!(error.to_string().contains("is not the locked one"), "{error}");
}

#[tokio::test]
async fn a_file_of_a_page_without_hashes_is_verified_likewise() {
    let server = Server::start(|asked, _| match asked.path.as_str() {
        "/simple/demo/" => Answer::html(format!("<a href=../../files/{NAME}>x</a>")),
        _ => Answer::of(200, "hello"),
    })
    .await;
    let bench = Bench::with_default(&server);
    assert_eq!(read(&found(&bench, &hashed(&[b"x", b"hello"])).await.expect("fetched")), b"hello");
    let error = found(&Bench::with_default(&server), &hashed(&[b"x"])).await.expect_err("another file");
    assert_eq!(error.kind(), Failed::Integrity);
}

#[tokio::test]
async fn the_login_in_the_url_of_a_file_is_sent_and_never_shown() {
    let server = Server::start(|asked, _| match asked.header("authorization") {
        Some("Basic bWU6cEB3") => Answer::of(200, "hello"),
        _ => Answer::of(401, ""),
    })
    .await;
    let url = |login: &str| server.join(&format!("x/{NAME}")).replace("http://", &format!("http://{login}@"));
    // A login of the index on the same host does not come before it.
    let mut bench = Bench::with_default(&server);
    bench.add(&server.join("other/").replace("http://", "http://an:other@"), Kind::Simple, Role::Extra);
    let mut wanted = package(vec![file(None, vec![sha256(b"hello")])]);
    wanted.source = Source::Url { url: url("me:p%40w").into(), subdirectory: None };
    assert_eq!(read(&bench.fetch(&wanted).await.expect("fetched")), b"hello");
    let bench = Bench::with_default(&server);
    let listed = package(vec![file(Some(url("me:p%40w")), vec![sha256(b"hello")])]);
    assert_eq!(read(&bench.fetch(&listed).await.expect("fetched")), b"hello");
    wanted.source = Source::Url { url: url("me:wr0ng").into(), subdirectory: None };
    let error = Bench::with_default(&server).fetch(&wanted).await.expect_err("refused");
    assert!(!format!("{error:?}").contains("wr0ng"), "{error:?}");
}
