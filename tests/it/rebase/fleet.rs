//! All images of a repository.

use containerize_tests::python::Base;
use containerize_tests::registry::Phase;
use serde_json::Value;

use super::Bench;
use crate::rebuild::python;

const ONE: [&str; 2] = ["--platform", "linux/amd64"];

/// Rebases all images of the repository, or only judges them.
fn all(bench: &Bench, machine: &str, arguments: &[&str]) -> containerize_tests::program::Call {
    let repository = bench.registry.repository("me/app");
    bench.project.call_on(machine, [&["rebase", "--all", &repository], arguments].concat())
}

/// Each image of a report: its tags, and what came of it.
fn results(text: &str) -> Vec<(String, String)> {
    let report: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let images = report["images"].as_array().expect("images").iter();
    let each = images.map(|image| {
        let tags: Vec<&str> =
            image["tags"].as_array().expect("tags").iter().filter_map(Value::as_str).collect();
        let result = image["rebased"]["result"].as_str().map(str::to_owned);
        (tags.join(" "), result.unwrap_or_else(|| "failed".into()))
    });
    each.collect()
}

#[test]
fn all_tags_follow_their_bases_and_what_cannot_stays() {
    let bench = Bench::new(python());
    let moving =
        |patch: &str| bench.lay("3.13", &Base::debian(3, 13, 5).file("usr/lib/libz.so", patch, 0o644));
    let base = moving("1");
    for (tag, label) in [("1", "a=1"), ("1.0", "a=1"), ("2", "a=2"), ("3", "a=3"), ("4", "a=4")] {
        bench.push("here", &base, tag, &[&ONE[..], &["--label", label]].concat()).succeed();
    }
    let other = bench.lay("3.12", &Base::debian(3, 12, 1));
    bench.push("here", &other, "old", &ONE).succeed();
    bench
        .push("here", &other, "unknown", &[&ONE[..], &["--attestations", "none", "--label", "b=1"]].concat())
        .succeed();
    let before: Vec<String> = ["1", "2", "old", "unknown"].iter().map(|tag| bench.digest(tag)).collect();
    moving("2");
    bench.lay("3.12", &Base::alpine(3, 12, 1));

    let judged = all(&bench, "elsewhere", &["--check", "--format", "json"]).fail();
    let expected = |done: &str| {
        let each = [
            ("1 1.0", done),
            ("2", done),
            ("3", done),
            ("4", done),
            ("old", "refused"),
            ("unknown", "failed"),
        ];
        each.map(|(tags, result)| (tags.to_owned(), result.to_owned())).to_vec()
    };
    assert_eq!(results(judged.stdout()), expected("possible"), "{}", judged.shown());
    assert_eq!(bench.digest("1"), before[0], "nothing was pushed");

    let done = all(&bench, "elsewhere", &["--format", "json"]).fail();
    assert_eq!((done.code(), results(done.stdout())), (4, expected("rebased")), "{}", done.shown());
    for (tag, label) in [("1", "a=1"), ("2", "a=2")] {
        bench.push("third", &base, "built", &[&ONE[..], &["--label", label]].concat()).succeed();
        assert_eq!(bench.digest(tag), bench.digest("built"), "{tag}");
    }
    assert_eq!(bench.digest("1.0"), bench.digest("1"));
    assert_eq!([bench.digest("old"), bench.digest("unknown")], before[2..], "they stay");

    let pushes = bench.registry.count(Phase::PutManifest);
    let again = all(&bench, "fourth", &[]).fail();
    assert!(again.stdout().contains("unchanged, 1 refused, 1 failed"), "{}", again.shown());
    assert!(again.stdout().contains("glibc 2.36, but the new one has musl 1.2"), "{}", again.shown());
    assert_eq!(bench.registry.count(Phase::PutManifest), pushes, "what is done is done");
}
