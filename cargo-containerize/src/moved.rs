//! What moved since it was pinned, as text.

use std::fmt::Write as _;

use containerize_core::story::{
    Moved, MovedBase, MovedPackages, MovedPlatform, PackageChange, VersionChange,
};

/// So many packages of an image are shown: another release of a distribution changes all of them.
const SHOWN: usize = 50;

/// All that moved: one paragraph for each base, and for the Debian packages on it.
pub(crate) fn text(moved: &Moved) -> String {
    if moved.is_empty() {
        return "nothing moved\n".to_owned();
    }
    let mut text = String::new();
    moved.bases.iter().for_each(|base| of_base(base, &mut text));
    moved.debian.iter().for_each(|set| of_packages(set, &mut text));
    text
}

fn of_base(base: &MovedBase, text: &mut String) {
    let MovedBase { name, from, to, platforms } = base;
    let _ = match from {
        Some(from) => writeln!(text, "{name}\n  digest: {from} -> {to}"),
        None => writeln!(text, "{name}\n  digest: {to} (not pinned before)"),
    };
    platforms.iter().for_each(|image| of_platform(image, text));
}

fn of_platform(image: &MovedPlatform, text: &mut String) {
    let MovedPlatform { platform, same, version, packages, unknown } = image;
    if let Some(why) = unknown {
        let _ = writeln!(text, "  {platform}: cannot be compared: {why}");
        return;
    }
    let version = version.as_ref().map(|version| format!("version {}", shown(version)));
    let packages = match packages.as_deref() {
        _ if *same => Some("the same image".to_owned()),
        Some([]) => Some("the same packages".to_owned()),
        Some([_]) => Some("1 package changed".to_owned()),
        Some(several) => Some(format!("{} packages changed", several.len())),
        None => None,
    };
    let said: Vec<String> = version.into_iter().chain(packages).collect();
    let said = if said.is_empty() { "another image".to_owned() } else { said.join(", ") };
    let _ = writeln!(text, "  {platform}: {said}");
    of_changes(image.packages.as_deref().unwrap_or_default(), text);
}

fn of_packages(set: &MovedPackages, text: &mut String) {
    let MovedPackages { base, platform, pinned, packages } = set;
    let _ = writeln!(text, "Debian packages for {base} ({platform})");
    if packages.is_empty() {
        let why = if *pinned { "the same versions, chosen again" } else { "none are needed" };
        let _ = writeln!(text, "  {why}");
    }
    of_changes(packages, text);
}

fn of_changes(packages: &[PackageChange], text: &mut String) {
    for PackageChange { name, version } in packages.iter().take(SHOWN) {
        let _ = writeln!(text, "    {name} {}", shown(version));
    }
    let others = packages.len().saturating_sub(SHOWN);
    if others > 0 {
        let _ = writeln!(text, "    and {others} more, which `--format json` lists");
    }
}

fn shown(change: &VersionChange) -> String {
    match (&change.from, &change.to) {
        (Some(from), Some(to)) => format!("{from} -> {to}"),
        (None, Some(to)) => format!("{to} (new)"),
        (Some(from), None) => format!("{from} (gone)"),
        (None, None) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_packages_the_first_are_shown_and_the_others_counted() {
        let version = VersionChange { from: Some("1".into()), to: Some("2".into()) };
        let package = |number| PackageChange { name: format!("p{number:03}"), version: version.clone() };
        let lines = |count| {
            let mut text = String::new();
            of_changes(&(0..count).map(package).collect::<Vec<_>>(), &mut text);
            text.lines().map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(lines(SHOWN).len(), SHOWN);
        assert_eq!(lines(1), ["    p000 1 -> 2"]);
        let many = lines(SHOWN + 7);
        assert_eq!(
            (many.len(), many[SHOWN].as_str()),
            (SHOWN + 1, "    and 7 more, which `--format json` lists")
        );
    }
}
