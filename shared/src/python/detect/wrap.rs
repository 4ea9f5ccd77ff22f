//! Applications that are put around others, and served in their place.
//!
//! Whatever is put around an application cannot be known by its name, as everybody writes
//! middleware. So it is told from how it is used: a name that says it is an application, bound to
//! something that takes another one; or a function that speaks WSGI or ASGI and calls one.

use std::collections::{BTreeMap, BTreeSet};

use super::frameworks::{ASGI, Framework, Serves, WSGI};
use super::making::{Made, Makers, is_middleware, last_part, looked_up};
use super::shelf::Module;
use crate::python::syntax::{Call, Function, Value};

/// An application that a module holds.
#[derive(Debug, Clone)]
pub(super) struct App {
    /// The module's place in the list.
    pub(super) module: usize,
    /// Its name there.
    pub(super) name: String,
    /// Its framework, and what serves it.
    pub(super) made: Made,
}

/// Applications by their full path.
pub(super) type Apps = BTreeMap<String, App>;

/// So deep an application may be within the arguments of what is put around it.
const HOPS: u8 = 4;
/// Names that mean exactly what is served.
const SERVED: &[&str] = &["app", "application", "asgi_app", "wsgi_app", "asgi", "wsgi"];
/// What takes an application and is none that a server serves.
const OTHERS: &[&str] =
    &["celery", "worker", "test", "client", "cli", "typer", "admin", "mcp", "lambda", "mangum"];

/// Adds to `apps` what is put around them, and returns the full paths of those within. Those that
/// are `mounted` in another are not served themselves.
pub(super) fn wrap(
    modules: &[Module],
    makers: &Makers,
    apps: &mut Apps,
    mounted: &BTreeSet<String>,
) -> BTreeSet<String> {
    let mut inner = BTreeSet::new();
    // One that is put around may itself be within another, in a file that was looked at before.
    for _ in 0..HOPS {
        let before = (apps.len(), inner.len());
        for (index, module) in modules.iter().enumerate() {
            bindings(index, module, makers, apps, mounted, &mut inner);
            for function in &module.outline.functions {
                if let Some((app, within)) = of_function(index, module, function, apps) {
                    inner.extend(within);
                    apps.entry(full(module, &function.name)).or_insert(app);
                }
            }
            entries(index, module, apps, &mut inner);
        }
        if before == (apps.len(), inner.len()) {
            break;
        }
    }
    inner
}

fn full(module: &Module, name: &str) -> String {
    format!("{}.{name}", module.source.module)
}

fn bindings(
    index: usize,
    module: &Module,
    makers: &Makers,
    apps: &mut Apps,
    mounted: &BTreeSet<String>,
    inner: &mut BTreeSet<String>,
) {
    let own = module.source.module.as_str();
    for binding in &module.outline.body.bindings {
        let Value::Call(call) = &binding.value else { continue };
        let path = full(module, &binding.name);
        let Some((within, made)) =
            given(&binding.value, own, apps, HOPS).filter(|_| !mounted.contains(&path))
        else {
            continue;
        };
        match apps.get_mut(&path) {
            Some(app) if within == path => app.made.serves = made.serves,
            // Dash draws in what it is given, and workers only read its settings.
            Some(app) => {
                let serves = matches!(app.made.serves, Serves::Asgi | Serves::Wsgi);
                if serves && app.made.framework.title != "Dash" {
                    inner.insert(within);
                }
            }
            // What is known and none of the applications is no wrapper either.
            None if makers.bound(binding, &module.outline.body, own).is_some() => {}
            None if outranks(&binding.name, last_part(&within), call) => {
                apps.insert(path, App { module: index, name: binding.name.clone(), made });
                inner.insert(within);
            }
            None => {}
        }
    }
}

/// The application that is an argument of a call, with what it is after the call.
fn given(value: &Value, module: &str, apps: &Apps, hops: u8) -> Option<(String, Made)> {
    let hops = hops.checked_sub(1)?;
    match value {
        Value::Path(path) => {
            let path = path.strip_suffix(".wsgi_app").or(path.strip_suffix(".asgi_app")).unwrap_or(path);
            let app = looked_up(apps, path, module)?;
            let owner = looked_up_path(apps, path, module)?;
            Some((owner, app.made))
        }
        Value::Call(call) => {
            let (path, made) = call.given().find_map(|value| given(value, module, apps, hops))?;
            Some((path, made.within(call)))
        }
        Value::Several(values) => values.iter().find_map(|value| given(value, module, apps, hops)),
        Value::Text(_) | Value::Int(_) | Value::Other => None,
    }
}

/// The full path under which [`looked_up`] finds something.
fn looked_up_path(apps: &Apps, path: &str, module: &str) -> Option<String> {
    let beside = module.rsplit_once('.').map(|(folder, _)| format!("{folder}.{path}"));
    let paths = [Some(path.to_owned()), Some(format!("{module}.{path}")), beside];
    paths.into_iter().flatten().find(|path| apps.contains_key(path))
}

/// Whether a name that is bound to a call with an application is what is served in its place.
fn outranks(name: &str, within: &str, call: &Call) -> bool {
    let lower = (name.to_ascii_lowercase(), last_part(&call.callee).to_ascii_lowercase());
    if OTHERS.iter().any(|other| lower.0.contains(other) || lower.1.contains(other)) {
        return false;
    }
    let named = matches!(within, "app" | "application");
    is_middleware(&call.callee) || SERVED.contains(&name) || (says_application(name) && !named)
}

fn says_application(name: &str) -> bool {
    name.split('_').any(|part| matches!(part, "app" | "application" | "asgi" | "wsgi"))
}

/// The application that a function is which speaks WSGI or ASGI, and those that it calls.
fn of_function(
    index: usize,
    module: &Module,
    function: &Function,
    apps: &Apps,
) -> Option<(App, Option<String>)> {
    let second = function.needs.get(1).map(String::as_str);
    let framework: &'static Framework = match (function.needs.len(), second, function.is_async) {
        (2, Some(name), false) if name.starts_with("start") => &WSGI,
        (3, Some("receive"), true) => &ASGI,
        _ => return None,
    };
    if !function.plain || !says_application(&function.name) {
        return None;
    }
    let own = module.source.module.as_str();
    let called = function.body.calls.iter().find_map(|call| {
        let path = call.callee.strip_suffix(".wsgi_app").unwrap_or(&call.callee);
        looked_up_path(apps, path, own)
    });
    let called = called.filter(|path| *path != full(module, &function.name));
    let within = called.as_ref().and_then(|path| apps.get(path)).map(|app| app.made.framework);
    let made = Made { framework: within.unwrap_or(framework), serves: framework.serves };
    Some((App { module: index, name: function.name.clone(), made }, called))
}

/// A file that is named for what servers load holds an application also where it only imports it.
fn entries(index: usize, module: &Module, apps: &mut Apps, inner: &mut BTreeSet<String>) {
    if !matches!(module.source.file_name(), "wsgi.py" | "asgi.py") {
        return;
    }
    for name in ["app", "application"] {
        let path = full(module, name);
        let Some(from) = module.outline.imports.get(name).filter(|_| !apps.contains_key(&path)) else {
            continue;
        };
        let owner = looked_up_path(apps, from, &module.source.module);
        let Some(owner) = owner.filter(|owner| !inner.contains(owner)) else { continue };
        let Some(made) = apps.get(&owner).map(|app| app.made) else { continue };
        apps.insert(path, App { module: index, name: name.to_owned(), made });
        inner.insert(owner);
    }
}
