//! An inspection as a tree that fits a terminal of 100 columns.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anstyle::Style;
use containerize_core::inspect::{
    AttachedThing, Held, HeldKind, Inspection, LayerView, Package, PlatformView, Saving, Setting,
};
use containerize_core::words;
use containerize_core::words::Command;

use crate::columns::{LINE, cut, plural};
use crate::front_end::Speech;
use crate::render::{bytes, with_digest};

/// Columns before the sizes.
const NAME: usize = 58;
const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();

/// All of it; with `verbose` more of each list.
pub(super) fn text(found: &Inspection, verbose: bool, speech: &Speech) -> String {
    let mut text = format!("{}\n", with_digest(&found.image, found.digest.as_ref()));
    for view in &found.platforms {
        platform(&mut text, view, verbose);
    }
    attached(&mut text, &found.attached, speech);
    text
}

fn platform(text: &mut String, view: &PlatformView, verbose: bool) {
    let PlatformView { platform, stored, unpacked, size, files, .. } = view;
    let _ = writeln!(
        text,
        "\n{BOLD}{platform}{BOLD:#}: {} stored, {} unpacked, {files} {} of {}",
        bytes(*stored),
        bytes(*unpacked),
        plural(*files, "file", "files"),
        bytes(*size)
    );
    if let Some(base) = &view.base {
        let name = base.name.as_deref().unwrap_or("not named by the image");
        let share = base.layers.zip(base.stored).map(|(layers, stored)| {
            format!(", {layers} {}, {}", plural(layers as u64, "layer", "layers"), bytes(stored))
        });
        let _ = writeln!(text, "  base   {}{}", cut(name, LINE - 40), share.unwrap_or_default());
    }
    configuration(text, &view.configuration, verbose);
    layers(text, &view.layers, verbose);
    packages(text, &view.packages, verbose);
    smaller(text, &view.smaller, verbose);
}

/// How it starts; with `verbose` every value, with where it came from.
fn configuration(text: &mut String, settings: &[Setting], verbose: bool) {
    if !verbose {
        let of = |key: &str| {
            settings.iter().filter(|one| one.key == key).map(|one| one.value.as_str()).collect::<Vec<_>>()
        };
        let started = [of("entrypoint"), of("cmd")].concat().join(" + ");
        let started = if started.is_empty() { "nothing".to_owned() } else { started };
        let _ = writeln!(text, "  start  {}", cut(&started, LINE - 9));
        let parts = [("user", "as "), ("workdir", "in "), ("ports", "on ")];
        let said = parts.iter().map(|(key, word)| (of(key), word)).filter(|(values, _)| !values.is_empty());
        let said: Vec<String> = said.map(|(values, word)| format!("{word}{}", values.join(", "))).collect();
        if !said.is_empty() {
            let _ = writeln!(text, "         {}", cut(&said.join(" "), LINE - 9));
        }
        return;
    }
    let _ = writeln!(text, "\n  {BOLD}configuration{BOLD:#}");
    for Setting { key, name, value, origin } in settings {
        let label = name.as_ref().map_or_else(|| (*key).to_owned(), |name| format!("{key} {name}"));
        let origin = origin.map(|origin| format!("  ({})", origin.words())).unwrap_or_default();
        let label = cut(&label, 48);
        let room = (LINE - 7).saturating_sub(label.chars().count() + origin.chars().count());
        let _ = writeln!(text, "    {label} = {}{DIM}{origin}{DIM:#}", cut(value, room));
    }
}

fn layers(text: &mut String, layers: &[LayerView], verbose: bool) {
    let _ = writeln!(text, "\n  {BOLD}{}{BOLD:#}", row("layers", ["stored", "unpacked", "files"], NAME + 2));
    let most = if verbose { 25 } else { 3 };
    for (at, layer) in layers.iter().enumerate() {
        let is_last = at + 1 == layers.len();
        let (branch, stem) = if is_last { ("└─", "  ") } else { ("├─", "│ ") };
        let title = match (layer.made_by.as_str(), layer.in_base) {
            ("", _) => format!("{} (no history)", layer.layer),
            (made_by, Some(true)) => format!("{} base: {made_by}", layer.layer),
            (made_by, _) => format!("{} {made_by}", layer.layer),
        };
        let sizes = [bytes(layer.stored), bytes(layer.unpacked), layer.files.to_string()];
        let _ = writeln!(text, "  {branch} {}", row(&title, sizes.each_ref().map(String::as_str), NAME - 1));
        if let (Some(false), Some(reason)) = (layer.in_base, &layer.reason) {
            let _ = writeln!(text, "  {stem}   {}", cut(&format!("why: {reason}"), LINE - 7));
        }
        let told = layer.holds.iter().filter(|held| held.size > 0 || verbose);
        let (first, rest): (Vec<_>, Vec<_>) = told.enumerate().partition(|(at, _)| *at < most);
        for (_, held) in first {
            held_row(text, stem, &held_name(held), held.size, held.files);
        }
        if !rest.is_empty() {
            let sum = |of: fn(&Held) -> u64| rest.iter().map(|(_, held)| of(held)).sum();
            held_row(
                text,
                stem,
                &format!("{} more", rest.len()),
                sum(|held| held.size),
                sum(|held| held.files),
            );
        }
        if layer.unseen > 0 {
            held_row(text, stem, "removed or replaced by later layers", layer.unseen, 0);
        }
    }
}

fn held_row(text: &mut String, stem: &str, name: &str, size: u64, files: u64) {
    let files = if files > 0 { files.to_string() } else { String::new() };
    let line = row(name, ["", &bytes(size), &files], NAME - 3);
    let _ = writeln!(text, "  {stem}   {DIM}{}{DIM:#}", line.trim_end());
}

fn held_name(held: &Held) -> String {
    match (held.kind, &held.version) {
        (HeldKind::Package(kind), Some(version)) => format!("{} {version} ({})", held.name, kind.word()),
        _ => held.name.clone(),
    }
}

fn packages(text: &mut String, packages: &[Package], verbose: bool) {
    if packages.is_empty() {
        return;
    }
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    packages.iter().for_each(|package| *kinds.entry(package.kind.word()).or_default() += 1);
    let kinds: Vec<String> = kinds.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    let title = format!("packages: {}", kinds.join(", "));
    let _ = writeln!(text, "\n  {BOLD}{}{BOLD:#}", row(&title, ["", "size", "files"], NAME + 2));
    let most = if verbose { usize::MAX } else { 8 };
    for package in packages.iter().take(most) {
        let Package { kind, name, version, licence, size, files, only_in_sbom, .. } = package;
        let licence = licence.as_ref().map(|licence| format!(", {licence}")).unwrap_or_default();
        let name = format!("{name} {version} ({}{licence})", kind.word());
        let sizes = match only_in_sbom {
            true => [String::new(), "SBOM only".into(), String::new()],
            false => [String::new(), bytes(*size), files.to_string()],
        };
        let _ = writeln!(text, "     {}", row(&name, sizes.each_ref().map(String::as_str), NAME - 1));
    }
    if let Some(more) = packages.len().checked_sub(most).filter(|more| *more > 0) {
        let _ = writeln!(text, "     {DIM}{more} more (listed with -v){DIM:#}");
    }
}

fn smaller(text: &mut String, savings: &[Saving], verbose: bool) {
    if savings.is_empty() {
        return;
    }
    let head = row("could be smaller", ["not base", "size", "files"], NAME + 2);
    let _ = writeln!(text, "\n  {BOLD}{head}{BOLD:#}");
    let examples = if verbose { 5 } else { 1 };
    for Saving { kind, size, own, files, examples: paths, .. } in savings {
        let sizes = [bytes(*own), bytes(*size), files.to_string()];
        let _ = writeln!(text, "     {}", row(kind.words(), sizes.each_ref().map(String::as_str), NAME - 1));
        for path in paths.iter().take(examples) {
            let _ = writeln!(text, "       {DIM}{}{DIM:#}", cut(path, LINE - 7));
        }
    }
    if let Some(hint) = how_to_trim(savings) {
        let _ = writeln!(text, "     {hint}");
    }
}

/// The setting that leaves out of distributions what can be left out.
fn how_to_trim(savings: &[Saving]) -> Option<String> {
    let sorts: Vec<String> =
        savings.iter().filter_map(|saving| saving.trim).map(|sort| format!("\"{sort}\"")).collect();
    (!sorts.is_empty()).then(|| {
        format!("trim = [{}] can leave out of Python packages what no code imports", sorts.join(", "))
    })
}

fn attached(text: &mut String, things: &[AttachedThing], speech: &Speech) {
    if things.is_empty() {
        return;
    }
    let verify = words!("attached, not verified (`{}` does that)", Command::VERIFY).said(speech);
    let _ = writeln!(text, "\n{BOLD}{verify}{BOLD:#}");
    for AttachedThing { kind, media_type, signed, platform, .. } in things {
        let kind = if *kind == "sbom" { "SBOM" } else { kind };
        let signed = if *signed { ", in a signed envelope" } else { "" };
        let platform = platform.as_ref().map(|platform| format!(" for {platform}")).unwrap_or_default();
        let _ = writeln!(text, "  {kind}{platform}: {}{signed}", cut(media_type, 60));
    }
}

/// A name, and numbers to the right of it.
fn row(name: &str, numbers: [&str; 3], width: usize) -> String {
    let name = cut(name, width);
    let name = console::pad_str(&name, width, console::Alignment::Left, None).into_owned();
    let [first, second, third] = numbers;
    format!("{name}  {first:>10} {second:>10} {third:>8}")
}
