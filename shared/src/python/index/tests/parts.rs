//! Large files, which come in parts where they can.

use super::*;

/// More than what comes in one piece.
fn large() -> Vec<u8> {
    (0..2_500_000_u32).flat_map(u32::to_le_bytes).collect()
}

/// A package of one file of which the lock says the size.
fn sized(server: &Server, bytes: &[u8]) -> Package {
    let file = file(Some(server.join(NAME)), vec![sha256(bytes)]);
    package(vec![DistFile { size: Some(large().len() as u64), ..file }])
}

/// A package as most locks have it: without a size.
fn by_hash(server: &Server, bytes: &[u8]) -> Package {
    package(vec![file(Some(server.join(NAME)), vec![sha256(bytes)])])
}

/// What comes when it is fetched on a new machine.
async fn fetched(package: &Package) -> Vec<u8> {
    let bench = Bench::new();
    read(&bench.fetch(package).await.expect("fetched"))
}

/// The ranges that were asked for: the first byte and the last, where one was named.
fn ranges(server: &Server) -> Vec<Option<(u64, Option<u64>)>> {
    let number = |text: &str| text.parse::<u64>().ok();
    let range = |asked: &super::super::fakes::Asked| {
        let (start, last) = asked.header("range")?.strip_prefix("bytes=")?.split_once('-')?;
        Some((number(start)?, number(last)))
    };
    server.asked().iter().map(range).collect()
}

#[tokio::test]
async fn a_large_file_comes_in_parts_that_follow_one_another() {
    let server = Server::start(|asked, _| Answer::ranged(asked, &large(), "\"v1\"")).await;
    assert!(fetched(&sized(&server, &large())).await == large());
    let mut parts: Vec<(u64, Option<u64>)> =
        ranges(&server).into_iter().map(|part| part.expect("a part")).collect();
    parts.sort_unstable();
    assert!(parts.len() > 3 && parts[0].0 == 0, "{parts:?}");
    let follow = |two: &[(u64, Option<u64>)]| two[0].1.map(|last| last + 1) == Some(two[1].0);
    assert!(parts.windows(2).all(follow), "{parts:?}");
    assert_eq!(parts[parts.len() - 1].1, Some(9_999_999));
}

#[tokio::test]
async fn the_first_part_tells_the_size_where_the_lock_does_not() {
    let server = Server::start(|asked, _| Answer::ranged(asked, &large(), "\"v1\"")).await;
    assert!(fetched(&by_hash(&server, &large())).await == large());
    let ranges = ranges(&server);
    assert_eq!(ranges[0], Some((0, Some(2_097_151))));
    assert!(ranges.len() > 3 && ranges.iter().all(|range| matches!(range, Some((_, Some(_))))), "{ranges:?}");
}

#[tokio::test]
async fn a_small_file_comes_with_the_first_part() {
    let server = Server::start(|asked, _| Answer::ranged(asked, &body(), "\"v1\"")).await;
    assert!(fetched(&by_hash(&server, &body())).await == body() && ranges(&server).len() == 1);
}

#[tokio::test]
async fn who_refuses_parts_is_asked_for_the_whole() {
    for status in [400, 405, 416, 500, 501] {
        let server = Server::start(move |asked, _| match asked.header("range") {
            Some(_) => Answer::of(status, ""),
            None => Answer::of(200, body()),
        })
        .await;
        assert!(fetched(&by_hash(&server, &body())).await == body() && ranges(&server).len() == 2);
    }
}

#[tokio::test]
async fn an_answer_that_does_not_tell_the_whole_is_not_taken_for_it() {
    let server = Server::start(|asked, _| {
        let mut answer = Answer::ranged(asked, &large(), "");
        if answer.status == 206 {
            answer.headers.retain(|(name, _)| name != "content-range");
            answer = answer.header("content-range", "bytes 0-2097151/*");
        }
        answer
    })
    .await;
    assert!(fetched(&by_hash(&server, &large())).await == large());
}

#[tokio::test]
async fn a_size_that_no_file_has_is_refused_before_anything_is_asked() {
    let server = Server::start(|asked, _| Answer::ranged(asked, &body(), "")).await;
    let mut wanted = by_hash(&server, &body());
    wanted.files[0].size = Some(9_000_000_000_000_000_000);
    let error = Bench::new().fetch(&wanted).await.expect_err("too large");
    assert_eq!((error.kind(), server.asked().len()), (Failed::Integrity, 0), "{error}");
}

#[tokio::test]
async fn more_than_the_size_is_refused() {
    let server = Server::start(|asked, _| match asked.header("range") {
        Some("bytes=0-2097151") => {
            Answer::of(206, vec![1; 2_097_152]).header("content-range", "bytes 0-2097151/2097153")
        }
        _ => Answer::of(206, vec![1; 5]).header("content-range", "bytes 2097152-2097156/2097153"),
    })
    .await;
    let error = Bench::new().fetch(&by_hash(&server, &large())).await.expect_err("too much");
    assert_eq!(error.kind(), Failed::Integrity, "{error}");
    assert!(server.asked().len() < 4);
}

#[tokio::test]
async fn an_answer_that_never_comes_to_an_end_ends() {
    let server = Server::start(|_, _| Answer::of(206, "").header("content-range", "bytes 0-9/5000000")).await;
    let error = Bench::new().fetch(&by_hash(&server, &large())).await.expect_err("nothing comes");
    assert_eq!(error.kind(), Failed::Network, "{error}");
    let empty = Server::start(|_, _| Answer::of(200, "")).await;
    let error = Bench::new().fetch(&by_hash(&empty, &large())).await.expect_err("nothing comes");
    assert_eq!(error.kind(), Failed::Integrity, "{error}");
}

#[tokio::test]
async fn a_server_that_gives_no_parts_is_asked_for_them_once() {
    let server = Server::start(|_, _| Answer::of(200, large())).await;
    let bench = Bench::new();
    let downloader = bench.downloader();
    let wanted = sized(&server, &large());
    let fetched = downloader.fetch(&wanted, &wanted.files[0]).await.expect("fetched");
    assert!(read(&fetched) == large());
    let before = ranges(&server).len();
    assert_eq!(ranges(&server)[before - 1], None, "in one piece");
    std::fs::remove_file(&fetched.path).expect("removed");
    let again = downloader.fetch(&wanted, &wanted.files[0]).await.expect("fetched");
    assert!(read(&again) == large());
    assert_eq!(ranges(&server)[before..], [None]);
}

#[tokio::test]
async fn what_is_missing_after_a_part_that_broke_comes_in_one_piece() {
    let server = Server::start(|asked, before| {
        let answer = Answer::ranged(asked, &large(), "\"v1\"");
        if before == 1 { answer.cut(100) } else { answer }
    })
    .await;
    assert!(fetched(&sized(&server, &large())).await == large());
    let ranges = ranges(&server);
    assert!(matches!(ranges.last(), Some(Some((_, None)) | None)), "{ranges:?}");
}

#[tokio::test]
async fn a_part_that_lies_about_its_place_or_length_is_not_used() {
    for lie in ["bytes 0-2097151/10000001", "bytes 1-2097152/10000000", "bytes */10000000", ""] {
        let server = Server::start(move |asked, _| {
            let mut answer = Answer::ranged(asked, &large(), "\"v1\"");
            if answer.status == 206 {
                answer.headers.retain(|(name, _)| name != "content-range");
                answer = answer.header("content-range", lie);
            }
            answer
        })
        .await;
        assert!(fetched(&sized(&server, &large())).await == large(), "{lie}");
    }
}

#[tokio::test]
async fn parts_of_another_file_are_told_by_the_hash_after_one_piece() {
    let other: Vec<u8> = large().into_iter().rev().collect();
    let served = other.clone();
    let server = Server::start(move |asked, _| Answer::ranged(asked, &served, "\"v1\"")).await;
    let error = Bench::new().fetch(&sized(&server, &large())).await.expect_err("another one");
    assert_eq!(error.kind(), Failed::Integrity, "{error}");
    let text = format!("{error:?}");
    assert!(text.contains(&sha256(&other).to_string()), "{text}");
    let whole = ranges(&server).iter().filter(|range| range.is_none()).count();
    assert_eq!(whole, 1, "it may have been the parts");
}
