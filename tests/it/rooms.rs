//! The order inside the two largest rooms of the library. `ARCHITECTURE.md` explains the tables.

use std::collections::{BTreeMap, BTreeSet};

use super::architecture::library;
use super::circles::{Module, imports};

/// A part of a room: its name, the modules that it is made of (those of its own name if none are given), and the
/// parts that it may name. A part may name only what stands before it.
type Part = (&'static str, &'static [&'static str], &'static [&'static str]);

const PYTHON: &[Part] = &[
    (
        "words",
        &[
            "name",
            "specifier",
            "interpreter",
            "constraint",
            "marker",
            "requirement",
            "dist",
            "wheel_name",
            "tags",
            "headers",
            "requirements_text",
        ],
        &[],
    ),
    ("closed", &[], &["words"]),
    ("syntax", &[], &[]),
    ("project", &[], &["syntax", "words"]),
    ("lock", &[], &["words"]),
    ("wheel_policy", &[], &["lock", "words"]),
    ("detect", &[], &["syntax", "words"]),
    ("sources", &[], &[]),
    ("host", &["bundle", "host"], &[]),
    ("index", &[], &["words"]),
    ("build", &[], &["host", "index", "lock", "sources", "words"]),
];

const STORY: &[Part] = &[
    ("call", &["request", "outcome", "moved"], &[]),
    ("made", &["ingredients", "supply"], &[]),
    ("settings", &["about", "called", "hooks", "language", "places", "revision"], &["call"]),
    (
        "workshop",
        &["brought", "parallel", "permission", "remote", "sign", "signed", "upload", "vouched", "workshop"],
        &["call"],
    ),
    (
        "delivery",
        &[
            "attest",
            "bill",
            "deliver",
            "hang",
            "merge",
            "preflight",
            "provenance",
            "publish",
            "stated",
            "verify",
        ],
        &["call", "made", "settings", "workshop"],
    ),
    ("recipe", &["attempt", "early", "recipe"], &["call", "delivery", "made", "settings", "workshop"]),
    (
        "layers",
        &["debian", "layers", "native", "pack", "user"],
        &["delivery", "made", "settings", "workshop"],
    ),
    ("rust", &[], &["call", "layers", "made", "recipe", "settings", "workshop"]),
    ("python", &[], &["call", "delivery", "layers", "made", "recipe", "settings", "workshop"]),
    ("rebuild", &[], &["call", "delivery", "settings"]),
    ("rebase", &[], &["call", "delivery", "layers", "python", "settings", "workshop"]),
    ("policy", &["policy"], &["call", "delivery", "made", "rebuild", "workshop"]),
    ("inspect", &[], &["delivery", "workshop"]),
    ("lock", &[], &["call", "delivery", "python", "recipe", "rust", "settings", "workshop"]),
];

const ROOMS: &[(&str, &[Part])] = &[("python", PYTHON), ("story", STORY)];

/// The part that a module directly in the room belongs to.
fn part_of(parts: &[Part], module: &str) -> Option<&'static str> {
    let is_it = |(name, modules, _): &&Part| match modules {
        [] => *name == module,
        modules => modules.contains(&module),
    };
    parts.iter().find(is_it).map(|(name, ..)| *name)
}

/// Each part of a room with the parts that it names.
fn named(
    room: &str,
    parts: &[Part],
    imports: &BTreeMap<Module, BTreeSet<Module>>,
) -> BTreeMap<&'static str, BTreeSet<&'static str>> {
    let below = |module: &Module| match &module[..] {
        [first, second, ..] if first == room => {
            let part = part_of(parts, second);
            Some(part.unwrap_or_else(|| panic!("{room}/{second} is in none of the room's parts: add it")))
        }
        _ => None,
    };
    let mut found: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for (from, to) in imports {
        let Some(part) = below(from) else { continue };
        let others = to.iter().filter_map(below).filter(|other| *other != part);
        found.entry(part).or_default().extend(others);
    }
    found
}

#[test]
fn parts_of_a_room_name_only_what_its_table_allows() {
    let imports = imports(&library());
    for (room, parts) in ROOMS {
        let named = named(room, parts, &imports);
        for (place, (part, _, allowed)) in parts.iter().enumerate() {
            let named = named.get(part).unwrap_or_else(|| panic!("there is no {part} in {room}"));
            let allowed: BTreeSet<&str> = allowed.iter().copied().collect();
            assert_eq!(*named, allowed, "what `{part}` of `{room}` names, and what it may name");
            let before: BTreeSet<&str> = parts[..place].iter().map(|(name, ..)| *name).collect();
            let upwards: Vec<_> = allowed.difference(&before).collect();
            assert!(upwards.is_empty(), "`{part}` of `{room}` names {upwards:?}, which stand above it");
        }
    }
}
