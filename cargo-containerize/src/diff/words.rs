//! Words for what differs, the same in text and Markdown.

use containerize_core::inspect::{
    Cause, CauseKind, Change, Counts, Diff, FileChange, Growth, GrowthLimit, Measure, PackageChange, Side,
    Sides, Sort,
};

use crate::render::bytes;

/// No more digits of a percentage are shown.
const MOST_DIGITS: usize = 4;
/// No more platforms are told in one sentence.
const MOST_TOLD: usize = 8;

/// A difference of sizes with its sign.
pub(super) fn difference(sizes: Sides<u64>) -> String {
    let Sides { from, to } = sizes;
    match from.cmp(&to) {
        std::cmp::Ordering::Less => format!("+{}", bytes(to - from)),
        std::cmp::Ordering::Equal => "0 B".to_owned(),
        std::cmp::Ordering::Greater => format!("-{}", bytes(from - to)),
    }
}

/// The same with its part of what was there before.
pub(super) fn with_part(sizes: Sides<u64>) -> String {
    let Sides { from, to } = sizes;
    let difference = difference(sizes);
    if from == 0 || from == to {
        return difference;
    }
    format!("{difference}, {:+.1}%", (to as f64 - from as f64) / from as f64 * 100.0)
}

/// How much an image has grown that is too large, so that it is seen to be more than the limit.
pub(super) fn grown(growth: &Growth, limit: GrowthLimit) -> String {
    let Sides { from, to } = growth.sizes;
    let by = to.saturating_sub(from);
    let shown = match limit {
        GrowthLimit::Bytes(limit) if bytes(by) == bytes(limit) => format!("{by} B"),
        _ => bytes(by),
    };
    let part = Some(from).filter(|from| *from > 0).and_then(|from| percentage(by, from, limit));
    let part = part.map(|part| format!(" ({part}%)")).unwrap_or_default();
    format!("{shown}{}{part}", measured(growth))
}

/// With one digit behind the point, or as many as it takes to be more than the limit; nothing where these are too many.
fn percentage(by: u64, from: u64, limit: GrowthLimit) -> Option<String> {
    let exact = by as f64 / from as f64 * 100.0;
    let limit = match limit {
        GrowthLimit::Millionths(limit) => limit as f64 / 1e4,
        GrowthLimit::Bytes(_) => return Some(format!("{exact:.1}")),
    };
    let is_more = |shown: &String| shown.parse().is_ok_and(|shown: f64| shown > limit);
    (1..=MOST_DIGITS).map(|digits| format!("{exact:.digits$}")).find(is_more)
}

/// What a growth is counted in, where that is not what is stored.
pub(super) const fn measured(growth: &Growth) -> &'static str {
    match growth.of {
        Measure::Stored => "",
        Measure::Unpacked => " (unpacked)",
    }
}

/// How something differs.
pub(super) const fn change(change: Change) -> &'static str {
    match change {
        Change::Added => "added",
        Change::Removed => "removed",
        Change::Changed => "changed",
    }
}

/// How many there are of each change.
pub(super) fn counts(counts: Counts) -> String {
    let Counts { added, removed, changed } = counts;
    let all = [(added, "added"), (removed, "removed"), (changed, "changed")];
    let told = all.iter().filter(|(count, _)| *count > 0);
    let told: Vec<String> = told.map(|(count, word)| format!("{count} {word}")).collect();
    if told.is_empty() { "the same".to_owned() } else { told.join(", ") }
}

/// What takes the bytes: what it is called by the image, which may be nothing, and this program's words for it.
pub(super) fn cause(cause: &Cause) -> (Option<&str>, &'static str) {
    let Cause { kind, name } = cause;
    match kind {
        CauseKind::Package(kind) => (Some(name), kind.word()),
        CauseKind::Of(Sort::Base) => (None, "the base"),
        CauseKind::Of(Sort::Project) => (None, "the project"),
        CauseKind::Of(Sort::Files) => (Some(name), ""),
        CauseKind::Of(Sort::Unseen) => (None, "files that later layers remove or replace"),
        CauseKind::Of(Sort::Layer) => (Some(name), "a layer without files"),
        CauseKind::Of(Sort::Rest) => (Some(name), ""),
    }
}

/// The same as one text; `shown` makes a part of a text of what the image says.
pub(super) fn cause_text(one: &Cause, shown: impl Fn(&str) -> String) -> String {
    match cause(one) {
        (None, words) => words.to_owned(),
        (Some(name), "") => shown(name),
        (Some(name), words) => format!("{} ({words})", shown(name)),
    }
}

/// Two values with an arrow between; one where they are equal, or only one is there.
pub(super) fn arrow(values: Sides<Option<String>>, arrow: &str) -> String {
    match values {
        Sides { from: Some(from), to: Some(to) } if from != to => format!("{from} {arrow} {to}"),
        Sides { from, to } => to.or(from).unwrap_or_default(),
    }
}

/// The end of a path, which says more than its beginning.
pub(super) fn front_cut(path: &str, room: usize) -> String {
    let count = path.chars().count();
    match count.checked_sub(room) {
        None | Some(0) => path.to_owned(),
        Some(over) => format!("…{}", path.chars().skip(over + 1).collect::<String>()),
    }
}

/// What is not compared where only one image has a bill of materials.
pub(super) fn only_sbom(side: Side) -> String {
    let which = match side {
        Side::From => "from",
        Side::To => "to",
    };
    format!(
        "only \"{which}\" has an SBOM: licences, and packages without files such as crates, are not compared"
    )
}

/// The licences to tell of a package: what the first image says counts only where the second says it too, or lacks the
/// package.
pub(super) fn licences(package: &PackageChange) -> Sides<Option<&str>> {
    let told = package.installed.as_ref().map(|one| one.as_ref().and_then(|one| one.licence.as_deref()));
    match (told.to, &package.installed.to) {
        (None, Some(_)) => Sides::default(),
        _ => told,
    }
}

/// In what a file differs that both images have, with what fits beside its size.
pub(super) fn aspects(file: &FileChange) -> String {
    let (Some(from), Some(to)) = (&file.states.from, &file.states.to) else { return String::new() };
    let told = file.differs_in.iter().map(|aspect| match *aspect {
        "mode" => format!("mode {} -> {}", from.mode, to.mode),
        "owner" => format!("owner {} -> {}", from.owner, to.owner),
        "type" => format!("{} -> {}", from.kind.word(), to.kind.word()),
        other => other.to_owned(),
    });
    told.collect::<Vec<_>>().join(", ")
}

/// What is said of images that are the same on all platforms that were looked at, around their names.
pub(super) fn same(found: &Diff, shown: impl Fn(&str) -> String) -> String {
    let Sides { from, to } = found.digests;
    if from.is_some() && from == to {
        return "are the same image".into();
    }
    if found.chosen {
        let all = found.platforms.iter().take(MOST_TOLD).map(|one| shown(&one.platform.to_string()));
        let more = if found.platforms.len() > MOST_TOLD { " and more" } else { "" };
        return format!("are the same for {}{more}", all.collect::<Vec<_>>().join(", "));
    }
    if from.is_some() && to.is_some() {
        return "have the same images for all platforms; only the indexes around these differ".into();
    }
    "are the same image".into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_have_a_sign_and_a_part() {
        let told = |from, to| with_part(Sides { from, to });
        assert_eq!(told(1000, 1100), "+100 B, +10.0%");
        assert_eq!(told(2048, 1024), "-1.0 KiB, -50.0%");
        assert_eq!((told(5, 5), told(0, 5)), ("0 B".to_owned(), "+5 B".to_owned()));
    }

    #[test]
    fn counts_are_told_that_are_there() {
        assert_eq!(counts(Counts { added: 1, removed: 0, changed: 2 }), "1 added, 2 changed");
        assert_eq!(counts(Counts::default()), "the same");
    }

    #[test]
    fn long_paths_keep_their_ends() {
        assert_eq!(front_cut("/a/b", 4), "/a/b");
        assert_eq!(front_cut("/a/long/path", 6), "…/path");
    }

    #[test]
    fn growth_beyond_a_limit_does_not_look_like_the_limit() {
        let told = |from, to, limit| {
            grown(&Growth { of: Measure::Stored, sizes: Sides { from, to }, parts: Vec::new() }, limit)
        };
        let five = GrowthLimit::Millionths(50_000);
        assert_eq!(told(1_000_000, 1_100_000, five), "97.7 KiB (10.0%)");
        assert_eq!(told(1_000_000, 1_050_010, five), "48.8 KiB (5.001%)");
        assert_eq!(told(20 << 30, (21 << 30) + 1, five), "1.0 GiB", "a percentage would say 5%");
        let two = GrowthLimit::Bytes(2 << 20);
        assert_eq!(told(100 << 20, (102 << 20) + 1, two), "2097153 B (2.0%)");
        assert_eq!(told(0, 3 << 20, two), "3.0 MiB");
    }
}
