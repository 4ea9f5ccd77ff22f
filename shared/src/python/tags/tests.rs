use super::*;
use crate::oci::Platform;

pub(super) fn tags(version: &str, libc: Libc, platform: &str) -> Tags {
    Tags::of(&Interpreter {
        path: "/usr/bin/python3".into(),
        version: version.parse().expect("a version"),
        libc,
        platform: platform.parse::<Platform>().expect("a platform"),
    })
}

pub(super) fn files(names: &[&str]) -> Vec<DistFile> {
    let file = |name: &&str| DistFile {
        filename: (*name).to_owned(),
        url: None,
        size: None,
        hashes: Vec::new(),
        yanked: false,
    };
    names.iter().map(file).collect()
}

fn bookworm() -> Tags {
    tags("3.13.5", Libc::Glibc { major: 2, minor: 36 }, "linux/amd64")
}

fn best<'a>(tags: &Tags, names: &[&'a str]) -> Option<&'a str> {
    let files = files(names);
    let best = tags.best(&files)?;
    names.iter().find(|name| **name == best.filename).copied()
}

#[test]
fn the_exact_interpreter_comes_first_and_pure_python_last() {
    let all: Vec<String> = bookworm().iter().collect();
    assert_eq!(all.first().map(String::as_str), Some("cp313-cp313-manylinux_2_36_x86_64"));
    assert_eq!(all.last().map(String::as_str), Some("py30-none-any"));
    assert!(all.contains(&"cp32-abi3-manylinux1_x86_64".into()));
    assert!(!all.contains(&"cp312-cp312-manylinux_2_17_x86_64".into()));
}

#[test]
fn a_rank_is_the_place_in_the_list() {
    for tags in [bookworm(), tags("3.9", Libc::Musl { major: 1, minor: 2 }, "linux/arm/v7")] {
        for (place, tag) in tags.iter().enumerate() {
            let wheel = WheelName::parse(&format!("a-1-{tag}.whl")).expect("a wheel");
            assert_eq!(tags.rank(&wheel).map(|rank| rank as usize), Some(place), "{tag}");
        }
    }
}

#[test]
fn a_compressed_set_ranks_as_its_best_member() {
    let rank = |name: &str| bookworm().rank(&WheelName::parse(name).expect(name));
    assert_eq!(
        rank("a-1-cp38.cp313-abi3.none-manylinux1_x86_64.manylinux_2_28_x86_64.any.whl"),
        rank("a-1-cp313-abi3-manylinux_2_28_x86_64.whl")
    );
    assert_eq!(rank("a-1-py2.py3-none-any.whl"), rank("a-1-py3-none-any.whl"));
    assert_eq!(rank("a-1-cp312.cp313-cp312-manylinux_2_17_x86_64.whl"), None);
    assert_eq!(rank("a-1-py3-abi3-any.whl"), None);
}

#[test]
fn the_best_wheel_is_chosen_whatever_the_order_of_files() {
    let mut names = vec![
        "a-1-py3-none-any.whl",
        "a-1-cp313-cp313-manylinux_2_28_x86_64.whl",
        "a-1-cp313-cp313-manylinux_2_39_x86_64.whl",
        "a-1-cp38-abi3-manylinux_2_36_x86_64.whl",
        "a-1-cp313-cp313-linux_x86_64.whl",
        "a-1-cp313-cp313-manylinux_2_28_aarch64.whl",
        "a-1.tar.gz",
        "no wheel.whl",
    ];
    for _ in 0..names.len() {
        names.rotate_left(1);
        assert_eq!(best(&bookworm(), &names), Some("a-1-cp313-cp313-manylinux_2_28_x86_64.whl"));
    }
}

#[test]
fn the_highest_build_breaks_ties() {
    let names = [
        "a-1-9-py3-none-any.whl",
        "a-1-10a-py3-none-any.whl",
        "a-1-10-py3-none-any.whl",
        "a-1-py3-none-any.whl",
    ];
    assert_eq!(best(&bookworm(), &names), Some("a-1-10a-py3-none-any.whl"));
    assert_eq!(
        best(&bookworm(), &["a-1-99-py3-none-any.whl", "a-1-py313-none-any.whl"]),
        Some("a-1-py313-none-any.whl")
    );
}

#[test]
fn a_withdrawn_wheel_is_the_last_resort() {
    let mut files = files(&["a-1-cp313-cp313-manylinux_2_28_x86_64.whl", "a-1-py3-none-any.whl"]);
    files[0].yanked = true;
    assert_eq!(bookworm().best(&files).map(|f| f.filename.as_str()), Some("a-1-py3-none-any.whl"));
    files.truncate(1);
    assert!(bookworm().best(&files).is_some());
}

#[test]
fn what_a_base_claims_costs_little() {
    let huge = tags("3.13", Libc::Glibc { major: 2, minor: u32::MAX }, "linux/amd64");
    assert!(huge.platforms.len() < 300);
    let musl = tags("3.13", Libc::Musl { major: 1, minor: u32::MAX }, "linux/amd64");
    assert!(musl.platforms.len() < 300);
}

#[test]
fn unknown_machines_have_only_what_is_pure_or_their_own() {
    let tags = tags("3.13", Libc::Glibc { major: 2, minor: 36 }, "linux/mips64le");
    assert_eq!(tags.platforms, ["linux_mips64le"]);
    assert_eq!(best(&tags, &["a-1-py3-none-any.whl"]), Some("a-1-py3-none-any.whl"));
}
