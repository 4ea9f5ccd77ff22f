//! What the project says itself of how it is started, and what the user is told of what else was
//! found.

use super::candidate::{Candidate, Form};
use super::choose::Choice;
use super::files::sources;
use super::frameworks::{Framework, Serves};
use super::gunicorn;
use super::{Answer, Question, plain, processes};
use crate::error::Result;

/// So many other things are told.
const MOST: usize = 5;

/// What starts a project that says it: a `Procfile`, a script that is a server's command line or named
/// like the image, or a configuration of gunicorn that names what it serves.
///
/// # Errors
/// Usage: what it says cannot be had.
pub(super) fn by_the_project(question: &Question) -> Result<Option<Answer>> {
    if let Some(answer) = processes::web(question)? {
        return Ok(Some(answer));
    }
    if let Some(answer) = question.image.and_then(|image| plain::script_of_image(question, image)) {
        return Ok(Some(answer));
    }
    let Some(config) = gunicorn::config(question) else { return Ok(None) };
    let Some(app) = config.wsgi_app else { return Ok(None) };
    let mut answer = Answer {
        command: vec!["gunicorn".to_owned()],
        reason: format!("gunicorn.conf.py, which names {app}"),
        ..Answer::default()
    };
    answer.port = config.bind.open(question.port, &mut answer.command, &mut answer.env);
    Ok(Some(answer))
}

/// The application that `[tool.fastapi]` names.
pub(super) fn of_fastapi<'a>(question: &Question<'a>) -> Option<Choice<'a>> {
    let (module, name) = question.fastapi.filter(|_| question.has("fastapi"))?.split_once(':')?;
    let source =
        sources(question).into_iter().find(|source| source.module == module && source.search.is_none())?;
    let framework = Framework::named("FastAPI", Serves::Asgi)?;
    let candidate = Candidate {
        framework,
        serves: framework.serves,
        source,
        name: name.to_owned(),
        form: Form::Instance,
        imports: Default::default(),
        own_start: None,
        own_port: None,
    };
    Some(Choice { best: vec![candidate], others: Vec::new() })
}

/// What else could be started, each with the line that would choose it.
pub(super) fn others<'c, 'a: 'c>(
    question: &Question<'a>,
    candidates: impl Iterator<Item = &'c Candidate<'a>>,
    chosen: Option<&Answer>,
) -> Vec<String> {
    let is_chosen = |answer: &Answer| chosen.is_some_and(|chosen| chosen.command == answer.command);
    let mut told: Vec<String> = candidates
        .filter_map(|candidate| match super::servers::serve(question, candidate, None) {
            Ok(Some(answer)) if is_chosen(&answer) => None,
            Ok(Some(answer)) => Some(format!("{}: {}", candidate.describe(), answer.chosen_by())),
            _ => Some(format!("{}, for which the lock has no server", candidate.describe())),
        })
        .collect();
    let started = chosen.map(|chosen| chosen.command.as_slice());
    told.extend(processes::others(question, &processes::of_procfile(question), started));
    told.extend(plain::other_scripts(question, chosen));
    let rest = told.len().saturating_sub(MOST);
    told.truncate(MOST);
    if rest > 0 {
        told.push(format!("{rest} more"));
    }
    told
}

impl Answer {
    /// The words that start it without the variables that it has been given, as far as its server
    /// has flags for them.
    pub(super) fn line(&self) -> Vec<String> {
        let mut words = self.command.clone();
        for (name, value) in &self.env {
            let flag = match (self.command.first().map(String::as_str), name.as_str()) {
                (Some("uvicorn"), "UVICORN_HOST") | (Some("granian"), "GRANIAN_HOST") => ["--host", value],
                (Some("uvicorn"), "UVICORN_PORT") | (Some("granian"), "GRANIAN_PORT") => ["--port", value],
                (Some("uvicorn"), "PYTHONPATH") => ["--app-dir", value],
                (Some("gunicorn"), "PYTHONPATH") => ["--pythonpath", value],
                (Some("gunicorn"), "PORT") => {
                    words.extend(["--bind".to_owned(), format!("0.0.0.0:{value}")]);
                    continue;
                }
                _ => continue,
            };
            words.extend(flag.map(str::to_owned));
        }
        words
    }

    /// The setting that chooses it.
    pub(super) fn chosen_by(&self) -> String {
        let known = ["UVICORN_HOST", "UVICORN_PORT", "GRANIAN_HOST", "GRANIAN_PORT"];
        let program = self.command.first().map(String::as_str);
        let has_flag = |name: &str| {
            known.contains(&name)
                || (name == "PORT" && program == Some("gunicorn"))
                || (name == "PYTHONPATH" && matches!(program, Some("gunicorn" | "uvicorn")))
        };
        let rest = self.env.iter().filter(|(name, _)| !has_flag(name));
        let rest: Vec<String> = rest.map(|(name, value)| format!("{name} = {value:?}")).collect();
        let env = if rest.is_empty() { String::new() } else { format!(", env = {{ {} }}", rest.join(", ")) };
        format!("entrypoint = {:?}{env}", self.line())
    }
}
