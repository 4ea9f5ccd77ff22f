//! What Django projects say about their applications: conventions, and settings.

use std::collections::BTreeMap;

use super::Question;
use super::files::Source;
use super::frameworks::{Framework, Serves};
use super::making::Made;
use super::shelf::Module;
use super::wrap::{App, Apps};
use crate::python::syntax::{Outline, Value, outline};
use crate::read;

/// Settings are written by hand.
const MOST_BYTES: u64 = 1024 * 1024;
/// So many settings modules are followed from one to the next.
const MOST_SETTINGS: usize = 8;
/// What servers load, by Django's convention.
const APPLICATION: &str = "application";

/// Whether a file is by its name one that holds Django's application, and how that is served.
pub(super) fn is_entry(path: &str) -> Option<Serves> {
    let stem = path.strip_suffix(".py")?;
    let stem = stem.strip_suffix("/__init__").unwrap_or(stem);
    let (_, name) = stem.rsplit_once('/')?;
    match name {
        "wsgi" => Some(Serves::Wsgi),
        "asgi" => Some(Serves::Asgi),
        _ => None,
    }
}

/// Adds the `application` of `wsgi.py` and `asgi.py` where nothing tells what makes it.
pub(super) fn by_convention(modules: &[Module], apps: &mut Apps) {
    for (index, Module { source, outline }) in modules.iter().enumerate() {
        let Some(serves) = is_entry(source.path) else { continue };
        let there = outline.body.last(APPLICATION).is_some()
            || outline.imports.contains_key(APPLICATION)
            || outline.functions.iter().any(|function| function.name == APPLICATION);
        let path = format!("{}.{APPLICATION}", source.module);
        let Some(framework) = Framework::named("Django", serves).filter(|_| there) else { continue };
        let made = Made { framework, serves };
        apps.entry(path).or_insert_with(|| App { module: index, name: APPLICATION.to_owned(), made });
    }
}

/// `WSGI_APPLICATION` and `ASGI_APPLICATION` of a module: `package.module.name`.
pub(super) fn settings_of(outline: &Outline) -> impl Iterator<Item = String> {
    ["WSGI_APPLICATION", "ASGI_APPLICATION"].into_iter().filter_map(|name| {
        match &outline.body.last(name)?.value {
            Value::Text(path) => Some(path.clone()),
            _ => None,
        }
    })
}

/// The same of the settings that `manage.py` names, and of those that they take in.
pub(super) fn named_by_manage(question: &Question) -> Vec<String> {
    let paths = question.files.iter().filter(|(path, _)| path.rsplit('/').next() == Some("manage.py"));
    let Some((manage, place)) = paths.min_by_key(|(path, _)| path.matches('/').count()) else {
        return Vec::new();
    };
    let folder = manage.strip_suffix("manage.py").unwrap_or_default();
    let files: BTreeMap<&str, &std::path::PathBuf> =
        question.files.iter().map(|(path, place)| (path.as_str(), place)).collect();
    let text = |place| read::text(place, MOST_BYTES).ok();
    let named = text(place).and_then(|text| settings_module(&outline(&text, "manage", false)?));
    let mut next: Vec<String> = named.into_iter().collect();
    let mut found = Vec::new();
    for _ in 0..MOST_SETTINGS {
        let Some(module) = next.pop() else { break };
        let stem = format!("{folder}{}", module.replace('.', "/"));
        let (file, package) = (format!("{stem}.py"), format!("{stem}/__init__.py"));
        let is_package = !files.contains_key(file.as_str());
        let path = if is_package { package } else { file };
        let Some(text) = files.get(path.as_str()).and_then(|place| text(place)) else { continue };
        let Some(outline) = outline(&text, &module, is_package) else { continue };
        found.extend(settings_of(&outline));
        next.extend(outline.stars);
    }
    found
}

/// What is given as `DJANGO_SETTINGS_MODULE`.
fn settings_module(outline: &Outline) -> Option<String> {
    let main = outline.main.iter().flat_map(|main| &main.calls);
    let functions = outline.functions.iter().flat_map(|function| &function.body.calls);
    let mut calls = outline.body.calls.iter().chain(main).chain(functions);
    calls.find_map(|call| match call.args.as_slice() {
        [Value::Text(name), Value::Text(module)] if name == "DJANGO_SETTINGS_MODULE" => Some(module.clone()),
        _ => None,
    })
}

/// The file that a setting names, and the name in it.
pub(super) fn source_of<'s, 'a>(
    setting: &str,
    sources: &'s [Source<'a>],
) -> Option<(&'s Source<'a>, String)> {
    let (module, name) = setting.rsplit_once('.')?;
    let ending = format!(".{module}");
    let fits = |source: &&Source| source.module == module || source.module.ends_with(&ending);
    Some((sources.iter().find(fits)?, name.to_owned()))
}
