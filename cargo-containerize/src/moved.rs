//! What moved since it was pinned, as text.

use std::fmt::Write as _;

use containerize_core::story::{
    Moved, MovedBase, MovedPackages, MovedPlatform, PackageChange, VersionChange,
};

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
    image.packages.iter().flatten().for_each(|package| of_package(package, text));
}

fn of_packages(set: &MovedPackages, text: &mut String) {
    let MovedPackages { base, platform, pinned, packages } = set;
    let _ = writeln!(text, "Debian packages for {base} ({platform})");
    if packages.is_empty() {
        let why = if *pinned { "the same versions, chosen again" } else { "none are needed" };
        let _ = writeln!(text, "  {why}");
    }
    packages.iter().for_each(|package| of_package(package, text));
}

fn of_package(package: &PackageChange, text: &mut String) {
    let _ = writeln!(text, "    {} {}", package.name, shown(&package.version));
}

fn shown(change: &VersionChange) -> String {
    match (&change.from, &change.to) {
        (Some(from), Some(to)) => format!("{from} -> {to}"),
        (None, Some(to)) => format!("{to} (new)"),
        (Some(from), None) => format!("{from} (gone)"),
        (None, None) => String::new(),
    }
}
