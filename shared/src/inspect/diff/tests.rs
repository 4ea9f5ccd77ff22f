//! Pairs of made-up images.

use serde_json::json;

use super::super::tests::{SITE, image, layer};
use super::super::{Image, Layer, PackageKind};
use super::*;
use crate::facts::tree::Node;

fn between(from: Image, to: Image) -> Changes {
    diff(&Laid::of(from), &Laid::of(to))
}

fn of_one(entries: &[(&str, &str)]) -> Image {
    image(vec![layer("x", None, entries)])
}

/// The layer with another mode or owner of one path.
fn with(mut layer: Layer, path: &str, change: impl FnOnce(&mut Node)) -> Layer {
    let entry = layer.facts.entries.iter_mut().find(|(entry, _)| entry == path).expect("an entry");
    change(&mut entry.1);
    layer
}

/// A wheel with one module of this content.
fn wheel(name: &str, version: &str, module: &str) -> Layer {
    let at = |rest: String| format!("{SITE}/{rest}");
    let info = format!("{name}-{version}.dist-info");
    let metadata = format!("Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n\n");
    let record = format!("{name}/__init__.py,,\n{info}/METADATA,,\n{info}/RECORD,,\n");
    layer(
        &format!("{name}-{version}"),
        Some(true),
        &[
            (&at(format!("{name}/__init__.py")), module),
            (&at(format!("{info}/METADATA")), &metadata),
            (&at(format!("{info}/RECORD")), &record),
        ],
    )
}

fn base() -> Layer {
    layer("ADD rootfs.tar", Some(false), &[("usr/lib/libz.so", "0123456789")])
}

fn project(content: &str) -> Layer {
    layer("shop", Some(true), &[("app/main.py", content)])
}

/// Each file in a line: how it differs, where it is, in what.
fn files(changes: &Changes) -> Vec<String> {
    let line = |one: &FileChange| format!("{:?} {} {}", one.change, one.path, one.differs_in.join(","));
    let mut lines: Vec<String> =
        changes.files.list.iter().map(|one| line(one).trim_end().to_owned()).collect();
    lines.sort();
    lines
}

fn packages(changes: &Changes) -> Vec<String> {
    let version = |one: &Option<Installed>| one.as_ref().map_or("-".to_owned(), |one| one.version.clone());
    let line = |one: &PackageChange| {
        let Sides { from, to } = one.installed.as_ref().map(version);
        format!("{:?} {} {from} {to}", one.change, one.name)
    };
    changes.packages.list.iter().map(line).collect()
}

#[test]
fn files_differ_by_content_mode_owner_type_and_target() {
    let old = [("a", "1"), ("b", "2"), ("c", "3"), ("d", "4"), ("e -> a", ""), ("same", "5"), ("f", "6")];
    let new = [("a", "2"), ("b", "2"), ("c", "3"), ("d -> a", ""), ("e -> b", ""), ("same", "5"), ("g", "7")];
    let new = with(with(layer("x", None, &new), "b", |node| node.mode = 0o755), "c", |node| node.uid = 5);
    let changes = between(of_one(&old), image(vec![new]));
    assert_eq!(
        files(&changes),
        [
            "Added /g",
            "Changed /a content",
            "Changed /b mode",
            "Changed /c owner",
            "Changed /d type",
            "Changed /e target",
            "Removed /f",
        ]
    );
    assert_eq!(changes.files.counts, Counts { added: 1, removed: 1, changed: 5 });
    let b = changes.files.list.iter().find(|one| one.path == "/b").expect("listed");
    let modes = b.states.as_ref().map(|state| state.as_ref().map(|state| state.mode.clone()));
    assert_eq!(modes, Sides { from: Some("0644".into()), to: Some("0755".into()) });
}

#[test]
fn only_what_a_container_sees_is_compared() {
    let lower = || layer("x", None, &[("a/b", "1"), ("c/d", "2"), ("kept", "3")]);
    let hidden = layer("y", None, &[("a/.wh.b", ""), ("c/.wh..wh..opq", ""), ("c/e", "4"), ("kept", "3")]);
    let changes = between(image(vec![lower()]), image(vec![lower(), hidden]));
    assert_eq!(
        files(&changes),
        ["Added /c/e", "Removed /a/b", "Removed /c/d"],
        "a file with the same content has not changed"
    );
    assert_eq!((changes.layers.shared, changes.layers.added.len()), (1, 1));
}

#[test]
fn a_hard_link_is_the_file_that_it_leads_to() {
    let changes = between(of_one(&[("a", "1"), ("b", "1")]), of_one(&[("a", "1"), ("b => a", "")]));
    assert_eq!(files(&changes), [""; 0]);
}

#[test]
fn a_hard_link_has_the_content_of_a_lower_layer() {
    let lower = |content| layer("x", None, &[("a", content)]);
    let linked = || layer("y", None, &[("b => a", ""), ("c", "1")]);
    let changes = between(image(vec![lower("old"), linked()]), image(vec![lower("newer"), linked()]));
    assert_eq!(files(&changes), ["Changed /a content", "Changed /b content"]);
    let sizes =
        |at: usize| changes.files.list[at].states.as_ref().map(|state| state.as_ref().map(|one| one.size));
    assert_eq!(sizes(1), Sides { from: Some(3), to: Some(5) }, "it is shown as large as what it leads to");
    assert_eq!(changes.files.causes[0].sizes, Sides { from: 3, to: 5 }, "which takes room once");
    let same = between(image(vec![lower("old"), linked()]), image(vec![lower("old"), linked()]));
    assert_eq!(files(&same), [""; 0]);
}

#[test]
fn a_file_that_becomes_a_hard_link_keeps_its_size() {
    let to = layer("x", None, &[("a", "12345"), ("b => a", "")]);
    let to = with(to, "b", |node| node.mode = 0o755);
    let changes = between(of_one(&[("a", "12345"), ("b", "12345")]), image(vec![to]));
    assert_eq!(files(&changes), ["Changed /b mode"]);
    let sizes = changes.files.list[0].states.as_ref().map(|state| state.as_ref().map(|one| one.size));
    assert_eq!(sizes, Sides { from: Some(5), to: Some(5) });
    assert_eq!(changes.files.causes[0].sizes, Sides { from: 5, to: 0 }, "its bytes are a's");
}

#[test]
fn folders_count_where_they_are_empty_or_changed() {
    let old = layer("x", None, &[("kept/", ""), ("gone/", ""), ("full/", ""), ("full/a", "1")]);
    let new = layer("x", None, &[("kept/", ""), ("new/", ""), ("other/", ""), ("other/a", "1")]);
    let new = with(new, "kept", |node| node.mode = 0o700);
    let changes = between(image(vec![old]), image(vec![new]));
    assert_eq!(
        files(&changes),
        ["Added /new", "Added /other/a", "Changed /kept mode", "Removed /full/a", "Removed /gone"]
    );
}

#[test]
fn packages_come_go_and_change_and_their_files_count_for_them() {
    let from = image(vec![base(), wheel("a", "1", "x"), wheel("Old", "3", "y"), project("1")]);
    let to = image(vec![base(), wheel("a", "2", "x + y"), wheel("new", "1", "y"), project("2")]);
    let changes = between(from, to);
    let mut told = packages(&changes);
    told.sort();
    assert_eq!(told, ["Added new - 1", "Changed a 1 2", "Removed Old 3 -"]);
    assert_eq!(changes.packages.counts, Counts { added: 1, removed: 1, changed: 1 });
    let of =
        |name: &str| changes.files.causes.iter().find(|one| one.cause.name == name).map(|one| one.counts);
    assert_eq!(of("a"), Some(Counts { added: 2, removed: 2, changed: 1 }), "of both versions together");
    let project = changes.files.causes.iter().find(|one| one.cause.kind == CauseKind::Of(Sort::Project));
    assert_eq!(project.expect("the project").counts, Counts { added: 0, removed: 0, changed: 1 });
    assert_eq!(changes.base.same, Some(true));
}

#[test]
fn growth_is_told_by_its_causes_and_adds_up() {
    let from = image(vec![base(), wheel("a", "1", "x"), project("1")]);
    let new_base = layer("ADD rootfs.tar", Some(false), &[("usr/lib/libz.so", &"z".repeat(5000))]);
    let to = image(vec![new_base, wheel("a", "2", &"x".repeat(2000)), wheel("b", "1", "y"), project("1")]);
    let changes = between(from, to);
    let Growth { of, sizes: Sides { from, to }, parts } = &changes.growth;
    assert_eq!((*of, *from, *to), (Measure::Stored, changes.totals.from.stored, changes.totals.to.stored));
    let told: Vec<(&str, bool)> =
        parts.iter().map(|part| (&*part.cause.name, part.sizes.to > part.sizes.from)).collect();
    assert_eq!(told, [("", true), ("b", true), ("a", true)], "the project's layer is shared");
    assert_eq!(parts[0].cause.kind, CauseKind::Of(Sort::Base));
    let sum: i128 = parts.iter().map(|part| i128::from(part.sizes.to) - i128::from(part.sizes.from)).sum();
    assert_eq!(sum, i128::from(*to) - i128::from(*from));
    assert_eq!(changes.base.same, Some(false));
}

#[test]
fn what_is_stored_is_not_compared_with_what_is_not_compressed() {
    let compressed = |mut layer: Layer| {
        layer.descriptor.size /= 2;
        layer.descriptor.digest = Digest::of(b"compressed");
        layer
    };
    let changes = between(image(vec![compressed(base())]), image(vec![base(), project("1")]));
    let Growth { of, sizes: Sides { from, to }, parts } = &changes.growth;
    assert_eq!((*of, *from), (Measure::Unpacked, changes.totals.from.unpacked));
    assert_eq!(
        (parts.len(), parts[0].sizes.to - parts[0].sizes.from),
        (1, to - from),
        "the base is the same"
    );
    assert_eq!((changes.layers.shared, changes.layers.recompressed), (0, 1));
    assert_eq!(changes.base.same, Some(true));
}

#[test]
fn layers_in_another_order_are_shared() {
    let of = |layers: [Layer; 2]| image(layers.into());
    let changes = between(of([base(), project("1")]), of([project("1"), base()]));
    assert_eq!((changes.layers.shared, changes.layers.reordered), (2, true));
    assert!(changes.layers.added.is_empty() && changes.growth.parts.is_empty() && !changes.are_seen());
    let once = between(of([base(), base()]), image(vec![base()]));
    assert_eq!((once.layers.shared, once.layers.removed.len()), (1, 1), "of two equal ones, one");
}

#[test]
fn the_configuration_is_compared_as_it_is_and_shows_no_secrets() {
    let with = |env: [&str; 3], port: &str, shell: &str| {
        let mut image = of_one(&[]);
        let config = &mut image.config.config;
        config.env = env.map(str::to_owned).to_vec();
        config.exposed_ports = [(port.to_owned(), Default::default())].into();
        config.extra = [("Shell".to_owned(), json!([shell]))].into();
        config.labels = [("long".to_owned(), format!("{}{port}", "x".repeat(5000)))].into();
        image
    };
    let from = with(["A=1", "API_TOKEN=hunter2", "B=2"], "80/tcp", "sh");
    let to = with(["A=1", "API_TOKEN=hunter3", "C=\u{1b}[2J"], "81/tcp", "bash");
    let changes = between(from, to).configuration;
    let line = |one: &SettingChange| {
        let Sides { from, to } = one.values.as_ref().map(|value| value.clone().unwrap_or("-".into()));
        format!("{} {} {from} {to}", one.key, one.name.clone().unwrap_or_default())
    };
    let told: Vec<String> = changes.list.iter().filter(|one| one.key != "labels").map(line).collect();
    assert_eq!(
        told,
        [
            "env API_TOKEN **** ****",
            "env B 2 -",
            "env C - \u{fffd}[2J",
            "other Shell [\"sh\"] [\"bash\"]",
            "ports 80/tcp 80/tcp -",
            "ports 81/tcp - 81/tcp",
        ]
    );
    assert_eq!(changes.counts, Counts { added: 2, removed: 2, changed: 3 });
    let label = changes.list.iter().find(|one| one.key == "labels").expect("differs behind what is shown");
    assert!(label.values.from.as_ref().is_some_and(|value| value.len() < 1010));
}

#[test]
fn licences_and_crates_are_compared_where_both_images_have_a_bill() {
    let bill = |licence: &str, version: &str| {
        json!({"bomFormat": "CycloneDX", "components": [
            {"name": "a", "version": "1", "purl": "pkg:pypi/a@1", "licenses": [{"license": {"id": licence}}]},
            {"name": "syn", "version": "1.0", "purl": "pkg:cargo/syn@1.0"},
            {"name": "syn", "version": version, "purl": format!("pkg:cargo/syn@{version}")}]})
    };
    let with = |bills: Vec<serde_json::Value>| Image { bills, ..image(vec![base(), wheel("a", "1", "x")]) };
    let both = between(with(vec![bill("MIT", "2.0")]), with(vec![bill("GPL-3.0-only", "2.1")]));
    assert_eq!(packages(&both), ["Changed a 1 1", "Changed syn 2.0 2.1"]);
    let licences = both.packages.list[0].installed.as_ref().map(|one| one.as_ref()?.licence.clone());
    assert_eq!(licences, Sides { from: Some("MIT".into()), to: Some("GPL-3.0-only".into()) });
    let one = between(with(Vec::new()), with(vec![bill("MIT", "2.0")]));
    assert_eq!((packages(&one), one.packages.only_sbom), (Vec::new(), Some(Side::To)));
}

#[test]
fn several_versions_of_one_package_are_one_line() {
    let of = |versions: &[usize]| {
        let all: String = versions
            .iter()
            .map(|version| format!("Package: kernel{{}}\nStatus: install ok installed\nVersion: {version}\nArchitecture: amd64\n\n"))
            .collect();
        of_one(&[("var/lib/dpkg/status", &all.replace("{}", ""))])
    };
    let changes = between(of(&[5, 6]), of(&[6, 7]));
    assert_eq!(packages(&changes), ["Changed kernel 5 7"]);
    let more = between(of(&[5]), of(&[5, 6]));
    assert_eq!(packages(&more), ["Changed kernel - 6"], "it was there before");
    let many: Vec<usize> = (10..20).collect();
    let many = between(of_one(&[]), of(&many));
    assert_eq!(packages(&many), ["Added kernel - 10, 11, 12, 13, 14 and 5 more"]);
    assert_eq!(many.packages.list[0].kind, PackageKind::Debian);
}

#[test]
fn copies_of_one_version_are_counted() {
    let status = |architecture: &&str| {
        let head = "Package: libssl3\nStatus: install ok installed\nVersion: 3.0\n";
        format!("{head}Architecture: {architecture}\n\n")
    };
    let of = |all: &[&str]| {
        let status: String = all.iter().map(status).collect();
        of_one(&[("var/lib/dpkg/status", &status)])
    };
    let changes = between(of(&["amd64", "i386"]), of(&["amd64"]));
    assert_eq!(packages(&changes), ["Changed libssl3 3.0 (2 copies) 3.0"]);
    let same = between(of(&["amd64", "i386"]), of(&["amd64", "i386"]));
    assert_eq!(packages(&same), [""; 0]);
}

#[test]
fn lists_are_bounded_and_counts_are_not() {
    let paths: Vec<String> = (0..1500).map(|at| format!("d{at}/f/{}", "x".repeat(at % 7))).collect();
    let entries: Vec<(&str, &str)> = paths.iter().map(|path| (path.as_str(), "1")).collect();
    let changes = between(of_one(&[]), of_one(&entries));
    let Changes { files, growth, .. } = &changes;
    assert_eq!((files.counts.added, files.list.len(), files.causes.len()), (1500, 1000, 200));
    assert_eq!(files.causes.iter().map(|one| one.counts.added).sum::<u64>(), 1500);
    assert_eq!(growth.parts.len(), 200);
    assert_eq!(growth.parts.iter().map(|part| part.sizes.to).sum::<u64>(), growth.sizes.to);
}

#[test]
fn texts_of_the_images_steer_nothing() {
    let odd = of_one(&[("a\u{1b}]0;x\u{7}", "12"), ("b -> \u{1b}[2J", "")]);
    let mut other = of_one(&[]);
    other.config.config.env = vec!["A=\u{202e}b".into()];
    let text = serde_json::to_string(&between(odd, other)).expect("JSON");
    assert!(!text.contains("\\u001b") && !text.contains('\u{202e}'), "{text}");
}

#[test]
fn the_same_image_differs_in_nothing() {
    let of = || image(vec![base(), wheel("a", "1", "x")]);
    let changes = between(of(), of());
    assert!(!changes.are_seen() && changes.growth.parts.is_empty() && changes.layers.added.is_empty());
}
