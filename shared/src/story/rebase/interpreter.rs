//! What an environment of Python relies on: the interpreter that it was made for, and what decided which wheels fit.

use super::case::{Broken, Case, Fact, Ground, Ours};
use crate::facts::python::{FoundPython, find_c_library, find_python};
use crate::facts::tree::NodeKind;
use crate::plan::PREFIX;
use crate::python::Libc;

/// The facts about the interpreter that are broken.
pub(super) fn broken(case: &Case<'_>) -> Vec<Broken> {
    let mut found = Vec::new();
    match is_bundled(case.ours) {
        true => {
            let library = |ground: &Ground| find_c_library(&ground.base.contents);
            let (old, new) = (library(case.old), library(case.new));
            if old != new {
                let shown =
                    |libc: Option<Libc>| libc.map_or_else(|| "none".to_owned(), |libc| libc.to_string());
                found.push(of_library(&shown(old), &shown(new)));
            }
        }
        false => found.extend(of_base(case)),
    }
    let has_shell = |ground: &Ground| ground.base.contents.follow("bin/sh").is_some();
    if case.choices.runtime.entrypoint.is_some() && has_shell(case.old) != has_shell(case.new) {
        let (has, lacks) = if has_shell(case.old) { ("old", "new") } else { ("new", "old") };
        let words = format!("the {has} base has a shell, /bin/sh, but the {lacks} one has none");
        found.push(Broken::new(Fact::Shell, words));
    }
    found
}

/// Whether the interpreter is the image's own.
pub(super) fn is_bundled(ours: &[Ours]) -> bool {
    let link = format!("{PREFIX}/bin/python");
    let entries = || ours.iter().flat_map(|layer| &layer.facts.entries);
    let target = entries().find_map(|(path, node)| match &node.kind {
        NodeKind::Symlink(target) if *path == link[1..] => Some(target.trim_start_matches('/')),
        _ => None,
    });
    target.is_some_and(|target| entries().any(|(path, _)| path == target))
}

fn of_base(case: &Case<'_>) -> Vec<Broken> {
    let find = |ground: &Ground| find_python(&ground.base.contents, &ground.config);
    let wrong = |message: String| Broken::new(Fact::Python, message);
    let (Some(old), new) = (find(case.old), find(case.new)) else {
        return vec![wrong(
            "the interpreter that the image was made for is not found in the old base".into(),
        )];
    };
    let Some(new) = new else {
        return vec![wrong(format!(
            "the image was made for Python {}, but the new base has no Python interpreter",
            old.version
        ))];
    };
    let FoundPython { path, version, libc } = &old;
    let mut found = Vec::new();
    if *version != new.version && !case.remade.environment {
        let (then, now) = (version, &new.version);
        let why = match version.short() == new.version.short() {
            true if case.choices.bytecode => ", which needs other bytecode",
            true if case.choices.exact_python => ", for which other distributions may be needed",
            _ => "",
        };
        found.push(wrong(format!("the image was made for Python {then}, but the new base has {now}{why}")));
    }
    if *path != new.path {
        let now = &new.path;
        found.push(wrong(format!("the interpreter is {path} in the old base, but {now} in the new one")));
    }
    if *libc != new.libc {
        found.push(of_library(&libc.to_string(), &new.libc.to_string()));
    }
    found
}

fn of_library(old: &str, new: &str) -> Broken {
    let words =
        format!("wheels were chosen for the C library of the old base, {old}, but the new one has {new}");
    Broken::new(Fact::CLibrary, words)
}
