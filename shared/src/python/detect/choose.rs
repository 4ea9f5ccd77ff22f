//! Which of several applications is meant.

use std::cmp::Reverse;

use super::candidate::{Candidate, Form};
use super::candidates::{Findings, find};
use super::files::sources;
use super::frameworks::{Framework, Serves};
use super::servers::{self, Interface};
use super::{Question, django};

/// What the source offers.
#[derive(Debug, Default)]
pub(super) struct Choice<'a> {
    /// The best: one where it is clear, several that are equally good, or none.
    pub(super) best: Vec<Candidate<'a>>,
    /// What could be meant too, in the order of its likeliness.
    pub(super) others: Vec<Candidate<'a>>,
}

/// So many others are of interest.
const MOST_OTHERS: usize = 20;
/// Names that applications go by, the commonest first.
const INSTANCES: &[&str] =
    &["app", "application", "api", "server", "app.server", "asgi_app", "wsgi_app", "asgi", "wsgi"];
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
/// The application that is meant, and what else could be.
pub(super) fn application<'a>(question: &Question<'a>) -> Choice<'a> {
    let Findings { mut candidates, settings } = find(question);
    one_interface(question, &mut candidates);
    let set = by_settings(question, &mut candidates, settings);
    one_interface(question, &mut candidates);
    let own = question.module_name();
    let rank = |candidate: &Candidate| {
        let module = &candidate.source.module;
        let named_like_project = module.split('.').next() == Some(own.as_str());
        // A worker accompanies an application, and is one only where there is no other.
        let unlikely = (candidate.serves == Serves::Celery, is_passed_over(candidate, &set));
        let place = (candidate.source.depth, Reverse(named_like_project));
        (unlikely, tier(candidate), place, name_rank(candidate), Reverse(is_entry(candidate)))
    };
    candidates.sort_by_cached_key(|candidate| rank(candidate));
    let Some(best) = candidates.first().map(rank) else { return Choice::default() };
    let equals = candidates.iter().take_while(|candidate| rank(candidate) == best).count();
    let others = candidates.split_off(equals);
    candidates.iter_mut().for_each(|candidate| settle(question, candidate));
    let instance = candidates.iter().any(|candidate| !matches!(candidate.form, Form::Factory { .. }));
    let mut others: Vec<Candidate> = others
        .into_iter()
        // What makes an application is no other one.
        .filter(|candidate| !instance || !matches!(candidate.form, Form::Factory { .. }))
        // Django has one application, whatever its file keeps beside it.
        .filter(|candidate| {
            let same = |best: &Candidate| best.source.path == candidate.source.path;
            candidate.framework.title != "Django" || !candidates.iter().any(same)
        })
        .collect();
    others.truncate(MOST_OTHERS);
    others.iter_mut().for_each(|candidate| settle(question, candidate));
    Choice { best: candidates, others }
}

/// Whether a candidate is so plainly what the project is about that it comes before a console script.
pub(super) fn is_clear(candidate: &Candidate) -> bool {
    match candidate.form {
        Form::Script => false,
        Form::Instance => tier(candidate) < 2,
        Form::Factory { .. } => candidate.source.is_usual() && FACTORIES.contains(&candidate.name.as_str()),
    }
}

/// Whether a file is named for what a server loads of it, and this is it.
fn is_entry(candidate: &Candidate) -> bool {
    matches!(
        (candidate.source.file_name(), candidate.serves),
        ("wsgi.py", Serves::Wsgi) | ("asgi.py", Serves::Asgi)
    )
}

/// What Django's settings name, of several the settings of `manage.py`; adds it to the candidates
/// where nothing else told that it is one.
fn by_settings<'a>(
    question: &Question<'a>,
    candidates: &mut Vec<Candidate<'a>>,
    all: Vec<String>,
) -> Vec<String> {
    let is_django = |candidate: &&Candidate| candidate.framework.title == "Django";
    if !question.has("django") || candidates.iter().filter(is_django).count() == 1 {
        return Vec::new();
    }
    let named = django::named_by_manage(question);
    let settings = if named.is_empty() { all } else { named };
    if candidates.iter().any(|candidate| is_django(&candidate) && is_set(candidate, &settings)) {
        return settings;
    }
    // What is none of the candidates tells nothing of them.
    if candidates.iter().any(|candidate| is_django(&candidate)) {
        return Vec::new();
    }
    let sources = sources(question);
    for setting in &settings {
        let serves = if setting.contains("wsgi") { Serves::Wsgi } else { Serves::Asgi };
        let speaks = match serves {
            Serves::Wsgi => Interface::Wsgi,
            _ => Interface::Asgi,
        };
        let Some(framework) = Framework::named("Django", serves) else { continue };
        if let Some((source, name)) = django::source_of(setting, &sources)
            && servers::speaks(question, speaks)
        {
            candidates.push(Candidate {
                framework,
                serves,
                source: source.clone(),
                name,
                form: Form::Instance,
                imports: Default::default(),
                own_start: None,
                own_port: None,
            });
        }
    }
    settings
}

fn is_set(candidate: &Candidate, settings: &[String]) -> bool {
    let (module, name) = (&candidate.source.module, &candidate.name);
    let near = format!("{}.{name}", last_two(module));
    settings.iter().any(|setting| *setting == near || *setting == format!("{module}.{name}"))
}

/// Whether a candidate of Django is none that its settings name, where they name any.
fn is_passed_over(candidate: &Candidate, settings: &[String]) -> bool {
    candidate.framework.title == "Django" && !settings.is_empty() && !is_set(candidate, settings)
}

/// Django projects have a WSGI and an ASGI module, of which one is served.
fn one_interface(question: &Question, candidates: &mut Vec<Candidate>) {
    let is =
        |candidate: &Candidate, serves| candidate.framework.title == "Django" && candidate.serves == serves;
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
    let usual_file = candidate.source.is_usual();
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
    // The workers of a Django project import it from there, too.
    let of_django = candidate.serves == Serves::Celery && question.has("django");
    if candidate.framework.title == "Django" || of_django {
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
