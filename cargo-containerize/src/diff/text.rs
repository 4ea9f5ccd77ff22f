//! A diff as a tree that fits a terminal of 100 columns.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use containerize_core::inspect::{
    Base, BaseChange, Cause, CauseKind, Change, Changes, Diff, FileChange, FileChanges, Growth, Installed,
    LayerChange, LayerChanges, Measure, PackageChanges, PlatformDiff, SettingChanges, Sides, Sort,
};

use super::{Judged, words};
use crate::columns::{LINE, cut, plural};
use crate::render::{bytes, with_digest};

/// Columns before the sizes.
const NAME: usize = 62;
const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
/// Rows of each list, and with `-v`.
const ROWS: usize = 10;
const MORE_ROWS: usize = 200;
const REACHED: u64 = MORE_ROWS as u64;

/// All of it; with `verbose` more of each list.
pub(super) fn text(found: &Diff, judged: Option<&Judged<'_>>, verbose: bool) -> String {
    let mut text =
        if found.same { same(found) } else { differing(found, if verbose { MORE_ROWS } else { ROWS }) };
    for sentence in judged.iter().flat_map(|judged| judged.sentences(str::to_owned)) {
        let _ = writeln!(text, "{}{sentence}", if found.same { "" } else { "\n" });
    }
    text
}

fn same(found: &Diff) -> String {
    let Sides { from, to } = &found.images;
    format!("{from} and {to} {}\n", words::same(found, str::to_owned))
}

fn differing(found: &Diff, most: usize) -> String {
    let mut text = String::new();
    let Sides { from, to } = &found.images;
    for (word, image, digest) in [("from", from, found.digests.from), ("to", to, found.digests.to)] {
        let _ = writeln!(text, "{word:<4}  {}", with_digest(image, digest.as_ref()));
    }
    for (word, platforms) in [("from", &found.only.from), ("to", &found.only.to)] {
        if !platforms.is_empty() {
            let line = format!("only the image \"{word}\" is for {}", platforms.join(", "));
            let _ = writeln!(text, "{}", cut(&line, LINE));
        }
    }
    found.platforms.iter().for_each(|one| platform(&mut text, one, most));
    text
}

fn platform(text: &mut String, found: &PlatformDiff, most: usize) {
    let platform = cut(&found.platform.to_string(), 30);
    let Some(changes) = &found.changes else {
        let _ = writeln!(text, "\n{BOLD}{platform}{BOLD:#}: the same image");
        return;
    };
    let _ = writeln!(text, "\n{BOLD}{platform}{BOLD:#}");
    totals(text, changes);
    base(text, &changes.base);
    layers(text, &changes.layers, most);
    growth(text, &changes.growth, most);
    if let Some(side) = changes.packages.only_sbom {
        let _ = writeln!(text, "\n  {DIM}{}{DIM:#}", words::only_sbom(side));
    }
    if !changes.are_seen() {
        let _ = writeln!(text, "  packages, files and configuration are the same");
        return;
    }
    packages(text, &changes.packages, most);
    files(text, &changes.files, most);
    configuration(text, &changes.configuration, most);
}

fn totals(text: &mut String, changes: &Changes) {
    let stored = changes.totals.map(|totals| totals.stored);
    let unpacked = changes.totals.map(|totals| totals.unpacked);
    let is_comparable = changes.growth.of == Measure::Stored;
    for (word, sizes) in [("stored", stored), ("unpacked", unpacked)] {
        let Sides { from, to } = sizes.map(bytes);
        let growth = format!(" ({})", words::with_part(sizes));
        let growth = if word == "stored" && !is_comparable { "" } else { &growth };
        let _ = writeln!(text, "  {word:<9} {from} -> {to}{growth}");
    }
    if !is_comparable {
        let _ = writeln!(
            text,
            "            growth is unpacked: only one of the images stores its layers compressed"
        );
    }
}

fn base(text: &mut String, change: &BaseChange) {
    let shown = |base: &Option<Base>| {
        let name = base
            .as_ref()
            .and_then(|base| base.name.clone())
            .unwrap_or_else(|| "not named by the image".into());
        cut(&name, LINE - 40)
    };
    let Sides { from, to } = change.bases.as_ref().map(shown);
    let same = match change.same {
        Some(true) => ", the same",
        Some(false) => ", another one",
        None => "",
    };
    if from == to {
        let _ = writeln!(text, "  base      {to}{same}");
    } else {
        let _ = writeln!(text, "  base      {from}\n         -> {to}{same}");
    }
    let digests = change.bases.as_ref().map(|base| base.as_ref().and_then(|base| base.digest.clone()));
    if let Sides { from: Some(from), to: Some(to) } = digests
        && from != to
    {
        let _ = writeln!(text, "            {}\n         -> {}", cut(&from, LINE - 12), cut(&to, LINE - 12));
    }
}

fn layers(text: &mut String, changes: &LayerChanges, most: usize) {
    let LayerChanges { shared, shared_stored, recompressed, reordered, to_pull, removed, added } = changes;
    let mut said = vec![format!("{shared} shared ({})", bytes(*shared_stored))];
    if *reordered {
        said.push("in another order".to_owned());
    }
    for (layers, word) in [(removed, "removed"), (added, "added")] {
        if !layers.is_empty() {
            said.push(format!("{} {word}", layers.len()));
        }
    }
    if *recompressed > 0 {
        said.push(format!("{recompressed} of these compressed differently"));
    }
    if !added.is_empty() {
        said.push(format!("{} to pull", bytes(*to_pull)));
    }
    let _ = writeln!(text, "  layers    {}", said.join(", "));
    let all = removed.iter().map(|layer| (Change::Removed, layer));
    let all = all.chain(added.iter().map(|layer| (Change::Added, layer)));
    let all: Vec<(Change, &LayerChange)> = all.collect();
    for (change, LayerChange { layer, made_by, stored, .. }) in all.iter().take(most) {
        let sizes =
            if *change == Change::Added { ["", &*bytes(*stored), ""] } else { [&*bytes(*stored), "", ""] };
        line(text, Some(*change), &format!("layer {layer}: {made_by}"), sizes);
    }
    more(text, all.len() as u64, most);
}

fn growth(text: &mut String, growth: &Growth, most: usize) {
    if growth.parts.is_empty() {
        return;
    }
    let title = format!("growth by cause{}", words::measured(growth));
    head(text, &title, ["from", "to", "growth"]);
    for part in growth.parts.iter().take(most) {
        let shown = part.sizes.map(bytes);
        line(
            text,
            None,
            &words::cause_text(&part.cause, str::to_owned),
            [&shown.from, &shown.to, &words::difference(part.sizes)],
        );
    }
    more_causes(text, growth.parts.iter().map(|part| &part.cause), most);
}

fn packages(text: &mut String, changes: &PackageChanges, most: usize) {
    if changes.list.is_empty() {
        return;
    }
    head(text, &format!("packages: {}", words::counts(changes.counts)), ["from", "to", "growth"]);
    for package in changes.list.iter().take(most) {
        let installed = package.installed.as_ref();
        let version = |one: &Option<Installed>| one.as_ref().map(|one| one.version.clone());
        let versions = words::arrow(installed.map(version), "->");
        let licence = words::arrow(words::licences(package).map(|licence| licence.map(str::to_owned)), "->");
        let licence = if licence.is_empty() { licence } else { format!(", {licence}") };
        let name = format!("{} {versions} ({}{licence})", package.name, package.kind.word());
        let sizes = installed.map(|one| one.as_ref().map(|one| one.size));
        line(text, Some(package.change), &name, told(sizes).each_ref().map(String::as_str));
    }
    more(text, changes.counts.all(), most);
}

/// Two sizes of which one may be missing, and their difference.
fn told(sizes: Sides<Option<u64>>) -> [String; 3] {
    let shown = sizes.map(|size| size.map(bytes).unwrap_or_default());
    [shown.from, shown.to, words::difference(sizes.map(Option::unwrap_or_default))]
}

fn files(text: &mut String, changes: &FileChanges, most: usize) {
    if changes.list.is_empty() {
        return;
    }
    head(text, &format!("files: {}", words::counts(changes.counts)), ["from", "to", "growth"]);
    for sum in changes.causes.iter().take(most) {
        let name = format!(
            "{}: {}",
            cut(&words::cause_text(&sum.cause, str::to_owned), NAME - 36),
            words::counts(sum.counts)
        );
        let shown = sum.sizes.map(bytes);
        line(text, None, &name, [&shown.from, &shown.to, &words::difference(sum.sizes)]);
    }
    more_causes(text, changes.causes.iter().map(|sum| &sum.cause), most);
    let _ = writeln!(text, "     {DIM}the largest:{DIM:#}");
    for file in changes.list.iter().take(most) {
        file_line(text, file);
    }
    more(text, changes.counts.all(), most);
}

fn file_line(text: &mut String, file: &FileChange) {
    let why = words::aspects(file);
    let why = if why.is_empty() { why } else { format!(" ({why})") };
    let room = (NAME - 2).saturating_sub(why.chars().count()).max(20);
    let sizes = file.states.as_ref().map(|state| state.as_ref().map(|state| state.size));
    let name = format!("{}{why}", words::front_cut(&file.path, room));
    line(text, Some(file.change), &name, told(sizes).each_ref().map(String::as_str));
}

fn configuration(text: &mut String, changes: &SettingChanges, most: usize) {
    if changes.list.is_empty() {
        return;
    }
    let _ = writeln!(text, "\n  {BOLD}configuration: {}{BOLD:#}", words::counts(changes.counts));
    for one in changes.list.iter().take(most) {
        let label = one.own_name().map_or_else(|| one.key.to_owned(), |name| format!("{} {name}", one.key));
        let label = format!("{} {}", sign(one.change), cut(&label, 40));
        let start = format!("   {label} = ");
        // Signs carry colours, which take no room.
        let indent = console::measure_text_width(&start);
        let room = LINE - indent.min(LINE - 20);
        let values = one.values.as_ref().map(|value| value.as_ref().map(|value| cut(value, room)));
        match (values.from, values.to) {
            (Some(from), Some(to)) => {
                let _ = writeln!(text, "{start}{from}\n{:>indent$}{to}", "-> ");
            }
            (from, to) => {
                let _ = writeln!(text, "{start}{}", from.or(to).unwrap_or_default());
            }
        }
    }
    more(text, changes.counts.all(), most);
}

fn head(text: &mut String, title: &str, columns: [&str; 3]) {
    let _ = writeln!(text, "\n  {BOLD}{}{BOLD:#}", row(title, columns, NAME + 1));
}

fn line(text: &mut String, change: Option<Change>, name: &str, numbers: [&str; 3]) {
    let sign = change.map_or_else(|| " ".to_owned(), sign);
    let _ = writeln!(text, "   {sign} {}", row(name, numbers, NAME - 2).trim_end());
}

fn sign(change: Change) -> String {
    let (sign, color) = match change {
        Change::Added => ('+', AnsiColor::Green),
        Change::Removed => ('-', AnsiColor::Red),
        Change::Changed => ('~', AnsiColor::Yellow),
    };
    let color = color.on_default();
    format!("{color}{sign}{color:#}")
}

fn more(text: &mut String, all: u64, most: usize) {
    if let Some(more) = all.checked_sub(most as u64).filter(|more| *more > 0) {
        let where_ = match all {
            _ if most >= MORE_ROWS => "not listed",
            ..=REACHED => "listed with -v",
            _ => "some listed with -v",
        };
        let _ = writeln!(text, "     {DIM}{more} {} ({where_}){DIM:#}", plural(more, "other", "others"));
    }
}

/// The same of causes, of which the last may stand for many.
fn more_causes<'c>(text: &mut String, causes: impl ExactSizeIterator<Item = &'c Cause>, most: usize) {
    let all = causes.len();
    match causes.last() {
        Some(last) if all > most && last.kind == CauseKind::Of(Sort::Rest) => {
            let _ = writeln!(text, "     {DIM}many others (some listed with -v){DIM:#}");
        }
        _ => more(text, all as u64, most),
    }
}

/// A name, and numbers to the right of it.
fn row(name: &str, numbers: [&str; 3], width: usize) -> String {
    let name = console::pad_str(&cut(name, width), width, console::Alignment::Left, None).into_owned();
    let [first, second, third] = numbers;
    format!("{name} {first:>10} {second:>10} {third:>11}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_promised_with_v_only_if_they_are_shown_then() {
        let told = |all, most| {
            let mut text = String::new();
            more(&mut text, all, most);
            text.split(['(', ')']).nth(1).unwrap_or_default().to_owned()
        };
        assert_eq!((told(10, ROWS), told(200, ROWS)), (String::new(), "listed with -v".into()));
        assert_eq!(told(201, ROWS), "some listed with -v");
        assert_eq!(told(201, MORE_ROWS), "not listed");
    }
}
