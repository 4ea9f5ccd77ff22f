//! A diff as a page of the kind that `inspect` writes: tables that can be sorted and filtered.

use containerize_core::inspect::{Base, BaseChange, Changes, Diff, PlatformDiff, Sides};

use super::{Judged, words};
use crate::inspect::page::{Cell, Text, facts_list, frame, navigation, table};
use crate::render::bytes;

/// All of it as HTML that is written as it is.
pub(super) fn page(found: &Diff, judged: Option<&Judged<'_>>) -> String {
    let Sides { from, to } = &found.images;
    let judged: String = judged
        .iter()
        .flat_map(|judged| judged.sentences(str::to_owned))
        .map(|said| paragraph(&said))
        .collect();
    let same = if found.same {
        paragraph(&format!("They {}.", words::same(found, str::to_owned)))
    } else {
        String::new()
    };
    let digests = found.digests.map(|digest| digest.map(|digest| digest.to_string()).unwrap_or_default());
    let header = format!(
        "{same}{judged}<p class=\"dim\"><code>{}</code><br><code>{}</code></p>\n{}\
         <noscript><p>Sorting and filters need JavaScript; all else is here.</p></noscript>\n",
        digests.from,
        digests.to,
        navigation(found.platforms.iter().map(|one| &one.platform))
    );
    let sections: String = found.platforms.iter().enumerate().map(|(at, one)| platform(at, one)).collect();
    frame(&format!("{from} → {to}"), &header, &format!("{}{sections}", only(found)))
}

fn paragraph(text: &str) -> String {
    format!("<p>{}</p>\n", Text(text))
}

fn only(found: &Diff) -> String {
    let sides = [("from", &found.only.from), ("to", &found.only.to)];
    let rows = sides
        .iter()
        .flat_map(|(side, all)| all.iter().map(|platform| vec![Cell::text(platform), Cell::text(*side)]));
    table("Platforms of only one image", &["platform", "image"], rows)
}

fn platform(at: usize, one: &PlatformDiff) -> String {
    let head = format!("<h2 id=\"p{at}\">{}</h2>\n", Text(&one.platform.to_string()));
    match &one.changes {
        None => head + &paragraph("The same image."),
        Some(changes) => {
            let sbom = changes.packages.only_sbom.map(words::only_sbom);
            let sbom = sbom.map(|said| paragraph(&said)).unwrap_or_default();
            head + &facts(changes) + &sbom + &tables(changes)
        }
    }
}

fn facts(changes: &Changes) -> String {
    let Changes { totals, growth, base, layers, packages, files, configuration } = changes;
    let arrow = |sizes: Sides<u64>| {
        let Sides { from, to } = sizes.map(bytes);
        format!("{from} → {to}")
    };
    let grown = words::with_part(growth.sizes);
    facts_list(&[
        ("stored", arrow(totals.map(|totals| totals.stored))),
        ("unpacked", arrow(totals.map(|totals| totals.unpacked))),
        ("growth", format!("{grown}{}", words::measured(growth))),
        ("base", base_text(base)),
        ("layers", format!("{} shared, {} to pull", layers.shared, bytes(layers.to_pull))),
        ("packages", words::counts(packages.counts)),
        ("files", words::counts(files.counts)),
        ("configuration", words::counts(configuration.counts)),
    ])
}

fn base_text(change: &BaseChange) -> String {
    let named = |base: &Option<Base>| base.as_ref().and_then(|base| base.name.clone());
    let names = change.bases.as_ref().map(named);
    if change.same == Some(true) {
        return "the same".into();
    }
    let is_named = names.from.is_some() || names.to.is_some();
    let names = names.map(|name| Some(name.unwrap_or_else(|| "not named".into())));
    match (is_named, change.same) {
        (true, Some(false)) if names.from == names.to => format!("{}, another one", words::arrow(names, "→")),
        (true, _) => words::arrow(names, "→"),
        (false, Some(_)) => "another one".into(),
        (false, None) => "unknown".into(),
    }
}

fn tables(changes: &Changes) -> String {
    let Changes { growth, layers, packages, files, configuration, .. } = changes;
    let parts = growth
        .parts
        .iter()
        .map(|part| cause(words::cause(&part.cause)).into_iter().chain(sized(part.sizes)).collect());
    let layers =
        [("removed", &layers.removed), ("added", &layers.added)].into_iter().flat_map(|(word, all)| {
            all.iter().map(move |layer| {
                let place = Cell::shown_as(layer.layer.to_string(), layer.layer as i128);
                let (stored, unpacked) = (Cell::size(layer.stored), Cell::size(layer.unpacked));
                vec![
                    Cell::text(word),
                    place,
                    Cell::text(&layer.made_by),
                    stored,
                    unpacked,
                    Cell::text(layer.digest.short()),
                ]
            })
        });
    let packages = packages.list.iter().map(|package| {
        let installed = package.installed.as_ref().map(Option::as_ref);
        let versions = installed.map(|one| one.map(|one| one.version.clone()).unwrap_or_default());
        let licence = words::licences(package);
        let licence = licence.to.or(licence.from).unwrap_or_default();
        let named = [
            words::change(package.change),
            &package.name,
            package.kind.word(),
            &versions.from,
            &versions.to,
            licence,
        ];
        named.map(Cell::text).into_iter().chain(sized(package.sizes())).collect()
    });
    let sums = files.causes.iter().map(|sum| {
        let counts = Cell::shown_as(words::counts(sum.counts), sum.counts.all().into());
        cause(words::cause(&sum.cause)).into_iter().chain([counts]).chain(sized(sum.sizes)).collect()
    });
    let files = files.list.iter().map(|file| {
        let named = [words::change(file.change), &file.path, &words::aspects(file)].map(Cell::text);
        named.into_iter().chain(sized(file.sizes())).collect()
    });
    let settings = configuration.list.iter().map(|one| {
        let values = one.values.as_ref().map(|value| value.clone().unwrap_or_default());
        let name = one.name.as_deref().unwrap_or_default();
        vec![
            Cell::text(words::change(one.change)),
            Cell::text(one.key),
            Cell::text(name),
            Cell::text(values.from),
            Cell::text(values.to),
        ]
    });
    [
        table("Growth by cause", &["name", "of", "#from", "#to", "#growth"], parts),
        table(
            "Packages",
            &["change", "name", "of", "from version", "to version", "licence", "#from", "#to", "#growth"],
            packages,
        ),
        table("Files by package and folder", &["name", "of", "#files", "#from", "#to", "#growth"], sums),
        table("Largest files", &["change", "path", "in", "#from", "#to", "#growth"], files),
        table("Configuration", &["change", "key", "name", "from", "to"], settings),
        table(
            "Layers of only one image",
            &["change", "#layer", "made by", "#stored", "#unpacked", "digest"],
            layers,
        ),
    ]
    .concat()
}

fn cause((name, words): (Option<&str>, &'static str)) -> [Cell; 2] {
    [Cell::text(name.unwrap_or_default()), Cell::text(words)]
}

/// Two sizes and their difference.
fn sized(sizes: Sides<u64>) -> [Cell; 3] {
    let Sides { from, to } = sizes;
    let difference = Cell::shown_as(words::difference(sizes), i128::from(to) - i128::from(from));
    [Cell::size(from), Cell::size(to), difference]
}
