//! What an image says of its surroundings: variables, labels, ports, volumes, health, the user.

use std::collections::BTreeMap;

use crate::config::{self, Healthcheck, LabelValue, Partial, Port};
use crate::dockerfile::{Command, Step, What};

use super::project::Kind;
use super::remark::Remark;
use super::runs::Runs;
use super::start;

/// Variables that only a build reads, or that containerize sets itself, by the beginnings of their names.
const OF_BUILDS: &[&str] = &[
    "PATH",
    "PIP_",
    "POETRY_",
    "UV_",
    "PDM_",
    "PIPENV_",
    "CARGO_",
    "RUSTUP_",
    "RUSTFLAGS",
    "DEBIAN_FRONTEND",
    "VIRTUAL_ENV",
    "PYTHONUNBUFFERED",
    "PYTHONDONTWRITEBYTECODE",
    "PYTHONHOME",
    "PYTHON_",
    "PYSETUP_PATH",
    "VENV_PATH",
    "LD_PRELOAD",
    "LDFLAGS",
    "CFLAGS",
    "PKG_CONFIG_",
    "OPENSSL_STATIC",
    "SQLX_OFFLINE",
    "PYTHONUSERBASE",
    "PYTHONBUFFERED",
    "PYTHONWRITEBYTECODE",
];

/// Ports of a range that are declared one by one; more are left out.
const MOST_PORTS: u16 = 100;

/// Takes a step over that says something of the surroundings. `moved` gives places the names they have in this image.
pub(super) fn take(
    step: &Step,
    kind: &Kind,
    moved: &dyn Fn(&str) -> String,
    settings: &mut Partial,
    remarks: &mut Vec<Remark>,
) {
    match &step.what {
        What::Env(pairs) => {
            for (name, value) in pairs {
                env(step, kind, (name, &moved(value)), settings, remarks);
            }
        }
        What::Label(pairs) => {
            let labels = settings.labels.get_or_insert_default();
            // Braces would be placeholders.
            let text = |value: &str| LabelValue::Text(value.replace(['{', '}'], ""));
            labels.extend(pairs.iter().map(|(name, value)| (name.clone(), text(value))));
        }
        What::Maintainer(who) => {
            let labels = settings.labels.get_or_insert_default();
            labels.insert("maintainer".into(), LabelValue::Text(who.clone()));
        }
        What::Expose(ports) => {
            for text in ports {
                match expanded(text) {
                    Some(ports) => {
                        let known = settings.ports.get_or_insert_default();
                        known.extend(
                            ports.into_iter().filter(|port| !known.contains(port)).collect::<Vec<_>>(),
                        );
                    }
                    None => remarks.push(Remark::left(
                        step.line,
                        &step.text,
                        format!("{text:?} is not a port"),
                        "list the ports in the key ports",
                    )),
                }
            }
        }
        What::Volume(places) => {
            settings.volumes.get_or_insert_default().extend(places.iter().map(|place| moved(place)))
        }
        What::StopSignal(signal) => settings.stop_signal = Some(signal.clone()),
        What::Onbuild => remarks.push(Remark::left(
            step.line,
            &step.text,
            "it is for images that are built on this one",
            "write it into the Dockerfiles of those",
        )),
        What::Unknown(why) => remarks.push(Remark::left(
            step.line,
            &step.text,
            why.clone(),
            "give the value when the container starts, or set it in the table",
        )),
        _ => {}
    }
}

fn env(
    step: &Step,
    kind: &Kind,
    (name, value): (&str, &str),
    settings: &mut Partial,
    remarks: &mut Vec<Remark>,
) {
    let is_of_build = OF_BUILDS.iter().any(|start| match start.strip_suffix('_') {
        Some(_) => name.starts_with(start),
        None => name == *start,
    });
    if name == "PATH" {
        let odd = value.split(':').find(|part| !is_usual_path(part));
        if let Some(folder) = odd {
            let why = format!("PATH is that of the base and the environment, without {folder}");
            remarks.push(Remark::otherwise(step.line, &step.text, why));
        }
        return;
    }
    // The environment's distributions are on the import path by themselves, and so is the source.
    if name == "PYTHONPATH" && value.contains("site-packages") {
        return;
    }
    let is_app = name == "PYTHONPATH" && matches!(value.trim_end_matches(['/', ':', '.']), "" | "/app");
    let of_python = matches!(kind, Kind::Python(_));
    if is_of_build || (is_app && of_python) {
        return;
    }
    if name == "PYTHONPATH" && value.contains('$') {
        let value = value.split(':').filter(|part| !part.contains('$')).collect::<Vec<_>>().join(":");
        settings.env.get_or_insert_default().insert(name.into(), value);
        return;
    }
    settings.env.get_or_insert_default().insert(name.to_owned(), value.to_owned());
}

/// Whether a folder of `PATH` holds commands of the base, of an environment or of a tool.
fn is_usual_path(folder: &str) -> bool {
    folder.contains("$PATH")
        || folder.contains("{PATH")
        || folder.is_empty()
        || ["venv", ".local/bin", ".cargo", "/usr/", "poetry", "POETRY", "VENV", "VIRTUAL_ENV", "env/bin"]
            .iter()
            .any(|part| folder.contains(part))
        || matches!(folder, "/bin" | "/sbin")
}

fn expanded(text: &str) -> Option<Vec<Port>> {
    let (numbers, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let one = |number: &str| format!("{number}/{}", protocol.to_lowercase()).parse::<Port>().ok();
    match numbers.split_once('-') {
        None => Some(vec![one(numbers)?]),
        Some((first, last)) => {
            let (first, last): (u16, u16) = (first.parse().ok()?, last.parse().ok()?);
            let few = last.checked_sub(first).is_some_and(|count| count < MOST_PORTS);
            few.then(|| (first..=last).map(|number| one(&number.to_string())).collect())?
        }
    }
}

/// The check of health that the last instruction of that kind says.
pub(super) fn health(
    steps: &[Step],
    has_shell: bool,
    words: &dyn Fn(&Command) -> Vec<String>,
    settings: &mut Partial,
    remarks: &mut Vec<Remark>,
) {
    let last = steps.iter().rev().find_map(|step| match &step.what {
        What::Healthcheck(options, command) => Some((step, options, command)),
        _ => None,
    });
    let Some((step, options, command)) = last else { return };
    let Some(command) = command else {
        settings.healthcheck =
            Some(Healthcheck { command: Some(config::Command::Words(Vec::new())), ..Healthcheck::default() });
        return;
    };
    let (test, program) = match command {
        Command::Shell(line) if start::words(line).is_none() => {
            let line = words(command).pop().unwrap_or_default();
            let line = line.strip_prefix("exec ").map(str::to_owned).unwrap_or(line);
            let program = line.split_whitespace().next().unwrap_or_default().to_owned();
            (vec!["CMD-SHELL".to_owned(), line], program)
        }
        _ => {
            let test = words(command);
            let program = test.first().cloned().unwrap_or_default();
            (test, program)
        }
    };
    let left = |why: String, instead: &str| Remark::left(step.line, &step.text, why, instead);
    if test[0] == "CMD-SHELL" && !has_shell {
        // `curl ... || exit 1` says the same without its shell.
        remarks.push(left(
            "the base has no shell".into(),
            "give the program a flag for the check, and set healthcheck to it",
        ));
        return;
    }
    let debian = settings.debian.as_ref().map(|debian| debian.packages.as_slice()).unwrap_or_default();
    if matches!(program.as_str(), "curl" | "wget") && !debian.contains(&program) {
        let instead = format!("add {program} to the key debian, and set healthcheck");
        remarks.push(left(format!("the image has no {program}"), &instead));
        return;
    }
    let option = |name: &str| options.get(name).filter(|text| !text.is_empty()).cloned();
    settings.healthcheck = Some(Healthcheck {
        command: Some(config::Command::Words(test)),
        interval: option("interval"),
        timeout: option("timeout"),
        start_period: option("start-period"),
        retries: option("retries").and_then(|text| text.parse().ok()).filter(|retries| *retries > 0),
    });
}

/// Whether the Dockerfile starts the program as root without saying so.
pub(super) fn is_root(steps: &[Step], image: &str) -> bool {
    let names_user =
        steps.iter().any(|step| matches!(&step.what, What::User(user) if !user.trim().is_empty()));
    !names_user && !["nonroot", "chainguard", "cgr.dev"].iter().any(|part| image.contains(part))
}

/// Users that bases have, by name.
const KNOWN: &[(&str, &str)] = &[
    ("root", "0:0"),
    ("nobody", "65534:65534"),
    ("nonroot", "65532:65532"),
    ("www-data", "33:33"),
    ("daemon", "1:1"),
    ("nobody:nogroup", "65534:65534"),
];

/// The user that the image runs as, from the last `USER`: `None` for the default.
pub(super) fn user(
    steps: &[Step],
    from: (usize, &str),
    runs: &Runs,
    remarks: &mut Vec<Remark>,
) -> Option<String> {
    let last = steps.iter().rev().find_map(|step| match &step.what {
        What::User(user) => Some((step, user.trim())),
        _ => None,
    });
    let Some((step, user)) = last.filter(|(_, user)| !user.is_empty()) else {
        if is_root(steps, from.1) {
            let why = "the program runs as 65532:65532, and not as root; folders that it writes to need a volume or owner = \"65532:65532\"";
            remarks.push(Remark::otherwise(from.0, &format!("FROM {}", from.1), why));
        }
        return None;
    };
    let (name, group) = user.split_once(':').map_or((user, None), |(name, group)| (name, Some(group)));
    let is_number = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    if is_number(name) && group.is_none_or(is_number) {
        // A number alone has the group of that user, which is usually its own.
        let made = runs.users.values().flatten().find(|made| made.split(':').next() == Some(name));
        return Some(
            group.map_or_else(
                || made.cloned().unwrap_or_else(|| format!("{name}:{name}")),
                |_| user.to_owned(),
            ),
        );
    }
    if let Some(made) = runs.users.get(name).cloned().flatten() {
        return Some(made);
    }
    if let Some((_, known)) = KNOWN
        .iter()
        .find(|(known, _)| *known == user || *known == name)
        .filter(|_| !runs.users.contains_key(name))
    {
        return Some((*known).to_owned());
    }
    let why = format!("the Dockerfile gives {name} no number, so the user is 65532:65532");
    remarks.push(Remark::otherwise(step.line, &step.text, why));
    None
}

/// What is set of labels, without those that containerize makes from the project.
pub(super) fn without_empty(settings: &mut Partial) {
    let empty = |labels: &BTreeMap<String, LabelValue>| labels.is_empty();
    settings.labels = settings.labels.take().filter(|labels| !empty(labels));
    settings.env = settings.env.take().filter(|env| !env.is_empty());
}
