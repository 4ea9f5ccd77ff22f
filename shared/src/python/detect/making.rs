//! What makes an application: frameworks' classes, and the project's own classes and functions that
//! come down to them.

use std::collections::{BTreeMap, BTreeSet};

use super::frameworks::{FRAMEWORKS, Framework, Serves};
use super::shelf::Module;
use crate::python::syntax::{Binding, Call, Function, Scope, Value};

/// An application of a framework, and what serves it, which a wrapper may change.
#[derive(Debug, Clone, Copy)]
pub(super) struct Made {
    pub(super) framework: &'static Framework,
    /// The interface that is served, which a wrapper may change.
    pub(super) serves: Serves,
}

/// So often all modules are gone through for what others in turn have made known.
const MOST_PASSES: usize = 16;
/// So many names are followed from a value to what made it.
const HOPS: u8 = 4;
/// So many arguments of a call are looked at.
const MOST_ARGUMENTS: usize = 6;

/// Makers by their full path.
#[derive(Debug)]
pub(super) struct Makers(BTreeMap<String, Made>);

impl Makers {
    /// Those of frameworks.
    pub(super) fn of(known: &[&'static Framework]) -> Self {
        let made = |framework: &'static Framework| Made { framework, serves: framework.serves };
        let all = known
            .iter()
            .flat_map(|known| known.makers.iter().map(move |maker| ((*maker).to_owned(), made(known))));
        Self(all.collect())
    }

    /// What the maker with this path makes, as the module `module` would write it.
    fn get(&self, path: &str, module: &str) -> Option<Made> {
        looked_up(&self.0, path, module).copied()
    }

    /// Adds the project's own subclasses, factories and re-exports, and returns the names of the
    /// new ones.
    pub(super) fn learn(&mut self, modules: &[Module]) -> BTreeSet<String> {
        let mut new = BTreeSet::new();
        for _ in 0..MOST_PASSES {
            let before = self.0.len();
            for Module { source, outline } in modules {
                let module = source.module.as_str();
                let mut learned: Vec<(&str, Made)> = Vec::new();
                for (name, bases) in &outline.classes {
                    let made = bases.iter().find_map(|base| self.get(base, module));
                    learned.extend(made.map(|made| (name.as_str(), made)));
                }
                for function in outline.functions.iter().filter(|function| function.plain) {
                    learned.extend(self.made_by(function, module).map(|made| (function.name.as_str(), made)));
                }
                for (name, full) in &outline.imports {
                    // Frameworks' own makers need no second name.
                    let own = !FRAMEWORKS.iter().any(|framework| framework.makers.contains(&full.as_str()));
                    learned.extend(self.get(full, module).filter(|_| own).map(|made| (name.as_str(), made)));
                }
                for (name, made) in learned {
                    if self.0.insert(format!("{module}.{name}"), made).is_none() {
                        new.insert(name.to_owned());
                    }
                }
            }
            if self.0.len() == before {
                break;
            }
        }
        new
    }

    /// The application that a function returns.
    pub(super) fn made_by(&self, function: &Function, module: &str) -> Option<Made> {
        let annotated = function.returns.as_deref().and_then(|path| self.get(path, module));
        let body = &function.body;
        annotated
            .or_else(|| body.returned.iter().find_map(|value| self.made(value, None, body, module, HOPS)))
    }

    /// The application that a name is bound to.
    pub(super) fn bound(&self, binding: &Binding, scope: &Scope, module: &str) -> Option<Made> {
        self.made(&binding.value, binding.annotation.as_deref(), scope, module, HOPS)
    }

    fn made(
        &self,
        value: &Value,
        annotation: Option<&str>,
        scope: &Scope,
        module: &str,
        hops: u8,
    ) -> Option<Made> {
        let hops = hops.checked_sub(1)?;
        let by_value = match value {
            Value::Call(call) => {
                let chained = call.callee.strip_suffix(".make_wsgi_app").and_then(|receiver| {
                    let Value::Call(call) = &scope.last(receiver)?.value else { return None };
                    self.get(&format!("{}().make_wsgi_app", call.callee), module)
                });
                chained.or_else(|| self.get(&call.callee, module)).or_else(|| {
                    let inner = call.given().take(MOST_ARGUMENTS);
                    let made = |value: &Value| self.made(value, None, scope, module, hops);
                    is_middleware(&call.callee)
                        .then(|| inner.filter_map(made).next())?
                        .map(|made| made.within(call))
                })
            }
            Value::Path(name) => scope.last(name).and_then(|Binding { annotation, value, .. }| {
                self.made(value, annotation.as_deref(), scope, module, hops)
            }),
            _ => None,
        };
        let could_be = matches!(value, Value::Call(_) | Value::Path(_));
        by_value.or_else(|| self.get(annotation.filter(|_| could_be)?, module))
    }
}

/// What a map of full paths holds for a path that `module` writes: absolute, of its own, or of what
/// lies beside it.
pub(super) fn looked_up<'m, V>(map: &'m BTreeMap<String, V>, path: &str, module: &str) -> Option<&'m V> {
    let beside = || {
        let (folder, _) = module.rsplit_once('.')?;
        map.get(&format!("{folder}.{path}"))
    };
    map.get(path).or_else(|| map.get(&format!("{module}.{path}"))).or_else(beside)
}

impl Made {
    /// The same after a call that takes it and returns something that is served in its place.
    pub(super) fn within(self, call: &Call) -> Self {
        Self { serves: converted(&call.callee, self.serves), ..self }
    }
}

/// Whether something calls itself what is put around applications.
pub(super) fn is_middleware(callee: &str) -> bool {
    let name = last_part(callee).to_ascii_lowercase();
    ["middleware", "asgi", "wsgi", "proxyfix", "whitenoise"].iter().any(|part| name.contains(part))
}

/// What serves the result of something that gives an application the other interface.
fn converted(callee: &str, serves: Serves) -> Serves {
    if !matches!(serves, Serves::Asgi | Serves::Wsgi) {
        return serves;
    }
    match (callee, last_part(callee)) {
        ("a2wsgi.ASGIMiddleware" | "a2wsgi.asgi.ASGIMiddleware", _) | (_, "AsgiToWsgi") => Serves::Wsgi,
        // Frameworks mount WSGI applications through it.
        (_, "WSGIMiddleware" | "WsgiToAsgi") => Serves::Asgi,
        _ => serves,
    }
}

/// The last name of a dotted path.
pub(super) fn last_part(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or(path)
}
