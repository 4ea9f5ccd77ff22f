//! Which of several applications is meant.

use std::cmp::Reverse;

use super::frameworks::{Candidate, Findings, Form, Serves, find};
use super::servers::{self, Interface};
use super::{Question, SOME_MODULE, write_entrypoint};
use crate::error::Result;

/// What the source offers.
#[derive(Debug)]
pub(super) enum Choice<'a> {
    /// No application.
    None,
    /// This one.
    One(Box<Candidate<'a>>),
}

/// Names that applications go by, the commonest first.
const INSTANCES: &[&str] = &["app", "application", "api", "server", "app.server"];
/// Names that functions which make them go by.
const FACTORIES: &[&str] = &[
    "create_app",
    "make_app",
    "get_app",
    "build_app",
    "create_application",
    "make_application",
    "get_application",
    "app_factory",
];
/// Files that hold them.
const FILES: &[&str] = &[
    "main.py",
    "app.py",
    "asgi.py",
    "wsgi.py",
    "__init__.py",
    "server.py",
    "api.py",
    "application.py",
    "factory.py",
    "streamlit_app.py",
    "home.py",
];

/// The application that is meant.
///
/// # Errors
/// Usage: several are equally good.
pub(super) fn application<'a>(question: &Question<'a>) -> Result<Choice<'a>> {
    let Findings { mut candidates, settings } = find(question);
    // A worker accompanies an application, and is one only where there is no other.
    if candidates.iter().any(|candidate| candidate.framework.serves != Serves::Celery) {
        candidates.retain(|candidate| candidate.framework.serves != Serves::Celery);
    }
    one_interface(question, &mut candidates);
    let set = |candidate: &Candidate| {
        settings.contains(&format!("{}.{}", last_two(&candidate.source.module), candidate.name))
            || settings.contains(&format!("{}.{}", candidate.source.module, candidate.name))
    };
    if candidates.iter().any(set) {
        candidates.retain(|candidate| candidate.framework.title != "Django" || set(candidate));
    }
    let own = question.module_name();
    let rank = |candidate: &Candidate| {
        let module = &candidate.source.module;
        let named_like_project = module.split('.').next() == Some(own.as_str());
        (tier(candidate), candidate.source.depth, Reverse(named_like_project), name_rank(candidate))
    };
    let Some(best) = candidates.iter().map(rank).min() else { return Ok(Choice::None) };
    let mut equals: Vec<Candidate> =
        candidates.into_iter().filter(|candidate| rank(candidate) == best).collect();
    if let [_, _, ..] = equals.as_slice() {
        let list: Vec<String> = equals.iter().map(Candidate::describe).collect();
        let message = format!("several applications could be meant: {}", list.join("; "));
        return Err(match equals.first() {
            Some(first) => write_entrypoint(message, &example(first)),
            None => write_entrypoint(message, SOME_MODULE),
        });
    }
    let Some(mut one) = equals.pop() else { return Ok(Choice::None) };
    settle(question, &mut one);
    Ok(Choice::One(Box::new(one)))
}

/// How a candidate might be started, for a hint.
fn example(candidate: &Candidate) -> Vec<String> {
    let application = format!("{}:{}", candidate.source.module, candidate.name);
    let words = match candidate.framework.serves {
        Serves::Wsgi => ["gunicorn", &application],
        Serves::Asgi => ["uvicorn", &application],
        _ => ["python", candidate.source.path],
    };
    words.map(str::to_owned).to_vec()
}

/// Django projects have a WSGI and an ASGI module, of which one is served.
fn one_interface(question: &Question, candidates: &mut Vec<Candidate>) {
    let is = |candidate: &Candidate, serves| {
        candidate.framework.title == "Django" && candidate.framework.serves == serves
    };
    let has = |serves| candidates.iter().any(|candidate| is(candidate, serves));
    if !has(Serves::Wsgi) || !has(Serves::Asgi) {
        return;
    }
    let unwanted = match servers::preferred(question) {
        Interface::Wsgi => Serves::Asgi,
        Interface::Asgi => Serves::Wsgi,
    };
    candidates.retain(|candidate| !is(candidate, unwanted));
}

/// A settings file names modules from the folder of `manage.py`.
fn last_two(module: &str) -> &str {
    let mut dots = module.rmatch_indices('.');
    dots.nth(1).map_or(module, |(at, _)| module.get(at + 1..).unwrap_or(module))
}

/// The lower, the more likely it is what the project is about.
fn tier(candidate: &Candidate) -> u8 {
    let file = candidate.source.file_name().to_ascii_lowercase();
    let usual_file = FILES.contains(&file.as_str());
    match candidate.form {
        Form::Script => 2 * u8::from(!usual_file),
        Form::Instance if !INSTANCES.contains(&candidate.name.as_str()) => 2,
        Form::Instance => u8::from(!usual_file),
        Form::Factory { .. } => 3 + u8::from(!FACTORIES.contains(&candidate.name.as_str())),
    }
}

fn name_rank(candidate: &Candidate) -> usize {
    let names = if matches!(candidate.form, Form::Factory { .. }) { FACTORIES } else { INSTANCES };
    names.iter().position(|name| *name == candidate.name).unwrap_or(names.len())
}

/// Finds out from which folder the candidate's module is imported: its own or that of `manage.py`,
/// where its imports say so.
fn settle(question: &Question, candidate: &mut Candidate) {
    let source = &candidate.source;
    let exists = |path: &str| question.files.iter().any(|(file, _)| file == path);
    let is_root = |folder: &str| folder.is_empty() || question.source_roots.iter().any(|root| root == folder);
    let folder = source.folder().to_owned();
    if candidate.framework.title == "Django" {
        let mut above = folder.as_str();
        while !is_root(above) {
            if exists(&format!("{above}/manage.py")) {
                let Some(rest) = source.path.strip_prefix(above) else { return };
                let stem = rest.trim_start_matches('/').trim_end_matches(".py");
                let module = stem.trim_end_matches("/__init__").replace('/', ".");
                candidate.source.search = Some(above.to_owned());
                candidate.source.module = module;
                return;
            }
            above = above.rsplit_once('/').map_or("", |(above, _)| above);
        }
        return;
    }
    if is_root(&folder) || source.is_package() || candidate.form == Form::Script {
        return;
    }
    let within = |place: &str, name: &str| {
        exists(&join(place, &format!("{name}.py"))) || holds(question, &join(place, name))
    };
    let own = source.module.split('.').next().unwrap_or_default().to_owned();
    let root_of =
        |name: &str| question.source_roots.iter().any(|root| within(root, name)) || within("", name);
    let beside = candidate.imports.iter().any(|name| {
        *name != own && within(&folder, name) && !root_of(name) && !question.has(&name.replace('_', "-"))
    });
    if beside {
        candidate.source.module = source.file_name().trim_end_matches(".py").to_owned();
        candidate.source.search = Some(folder);
    }
}

fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

/// Whether there are modules in a folder.
fn holds(question: &Question, folder: &str) -> bool {
    question.files.iter().any(|(path, _)| path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/')))
}
