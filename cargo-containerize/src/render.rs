//! Results, plans and errors as text or JSON.

use std::fmt::Write as _;

use containerize_core::Error;
use containerize_core::build::{Delivered, Outcome};
use containerize_core::config::{Install, LabelValue, Labels};
use containerize_core::event::{self, Event, Motion};
use containerize_core::oci::{Digest, Reference};
use containerize_core::plan::{Application, ImagePlan, Linkage, Plan, ProjectPlan, TargetPlan};
use containerize_core::redact;
use serde_json::json;

use containerize_core::words::Wording;

use crate::front_end::FrontEnd;

/// The outcome as lines: a reference with its digest each, or the plan.
pub(crate) fn text(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Planned(plan) => plan_text(plan),
        Outcome::Locked(bases) => bases.iter().fold(String::new(), |mut text, (name, digest)| {
            let _ = writeln!(text, "{name}@{digest}");
            text
        }),
        Outcome::Built(images) => {
            let lines = images.iter().flat_map(|image| result_lines(image, images.len() > 1));
            lines.fold(String::new(), |mut text, line| {
                let _ = writeln!(text, "{line}");
                text
            })
        }
    }
}

/// The digest behind each repository; where there is none, alone or behind the name of one of several images.
fn result_lines(image: &Delivered, is_one_of_several: bool) -> Vec<String> {
    if image.references.is_empty() {
        let name = if is_one_of_several { format!("{}@", image.name) } else { String::new() };
        return vec![format!("{name}{}", image.digest)];
    }
    let mut repositories: Vec<String> = Vec::new();
    for reference in &image.references {
        let repository = reference.repository.to_string();
        if !repositories.contains(&repository) {
            repositories.push(repository);
        }
    }
    repositories.iter().map(|repository| format!("{repository}@{}", image.digest)).collect()
}

/// The outcome as one JSON document, with what was warned of on the way.
pub(crate) fn json(outcome: &Outcome, warnings: &[String]) -> String {
    let value = match outcome {
        Outcome::Planned(plan) => json!({ "plan": plan, "warnings": warnings }),
        Outcome::Locked(bases) => json!({ "bases": bases, "warnings": warnings }),
        Outcome::Built(images) => json!({ "images": images, "warnings": warnings }),
    };
    format!("{value:#}\n")
}

/// A pushed index.
pub(crate) fn index(target: &Reference, digest: &Digest, json: bool) -> String {
    let repository = target.repository.to_string();
    if json {
        let reference = target.to_string();
        return format!("{:#}\n", json!({ "index": { "reference": reference, "digest": digest } }));
    }
    format!("{repository}@{digest}\n")
}

/// An event as a JSON object, whose `event` says which.
pub(crate) fn event(event: &Event, wording: &dyn Wording) -> serde_json::Value {
    match event {
        Event::Step { verb, what } => json!({ "event": "step", "verb": verb, "what": what }),
        Event::Note(text) => json!({ "event": "note", "text": text.said(wording) }),
        Event::Warning(text) => json!({ "event": "warning", "text": text.said(wording) }),
        Event::Started { id, motion, label, total } => {
            let motion = match motion {
                Motion::Layer => "layer",
                Motion::Upload => "upload",
                Motion::Download => "download",
            };
            json!({ "event": "started", "id": id, "motion": motion, "label": label, "total": total })
        }
        Event::Advanced { id, bytes } => json!({ "event": "advanced", "id": id, "bytes": bytes }),
        Event::Restarted { id } => json!({ "event": "restarted", "id": id }),
        Event::Ended { id, outcome } => {
            let outcome = match outcome {
                event::Outcome::Done => "done",
                event::Outcome::Exists => "exists",
                event::Outcome::Mounted => "mounted",
                event::Outcome::Failed => "failed",
            };
            json!({ "event": "ended", "id": id, "outcome": outcome })
        }
    }
}

/// A failure as one JSON document.
pub(crate) fn error_json(error: &Error, front_end: &FrontEnd) -> String {
    let value = json!({ "error": {
        "kind": error.kind().as_str(),
        "message": error.message().said(front_end),
        "causes": error.causes_said(front_end),
        "hint": error.advice().map(|hint| hint.said(front_end)),
    }});
    format!("{value:#}\n")
}

/// A call that was not understood as one JSON document.
pub(crate) fn refusal_json(error: &clap::Error) -> String {
    let text = redact::clean_call(&error.to_string()).into_owned();
    let mut parts = text.split("\n\n").map(str::trim).filter(|part| !part.is_empty());
    let message = parts.next().unwrap_or_default();
    let message = message.strip_prefix("error: ").unwrap_or(message);
    let hint = parts.find_map(|part| part.strip_prefix("tip: "));
    let value = json!({ "error": { "kind": "usage", "message": message, "causes": [], "hint": hint } });
    format!("{value:#}\n")
}

/// A failure in words: what, why, and what to do.
pub(crate) fn error_text(error: &Error, front_end: &FrontEnd) -> String {
    let red = anstyle::AnsiColor::BrightRed.on_default().bold();
    let cyan = anstyle::AnsiColor::BrightCyan.on_default().bold();
    let mut text = format!("{red}error{red:#}: {}\n", error.message().said(front_end));
    for cause in error.causes_said(front_end) {
        let _ = writeln!(text, "  caused by: {}", cause.trim_end().replace('\n', "\n    "));
    }
    if let Some(hint) = error.advice() {
        let _ = writeln!(text, "  {cyan}hint{cyan:#}: {}", hint.said(front_end));
    }
    text
}

/// A size for people.
pub(crate) fn bytes(count: u64) -> String {
    let mut size = count as f64;
    let mut unit = "B";
    for next in ["KiB", "MiB", "GiB", "TiB"] {
        if size < 1024.0 {
            break;
        }
        size /= 1024.0;
        unit = next;
    }
    if unit == "B" { format!("{count} B") } else { format!("{size:.1} {unit}") }
}

/// The plan: for each image its values, each with its origin.
fn plan_text(plan: &Plan) -> String {
    let mut text = String::new();
    for (i, image) in plan.images.iter().enumerate() {
        let gap = if i > 0 { "\n" } else { "" };
        let _ = writeln!(text, "{gap}image {} {}", image.name, image.version);
        let rows = [image_rows(image, plan.push), runtime_rows(image), content_rows(image)].concat();
        let width = rows.iter().map(|row| row.1.chars().count()).filter(|w| *w <= 48).max().unwrap_or(0);
        for (key, value, origin) in rows {
            let line = format!("  {key:<13} {value:<width$}  {origin}");
            let _ = writeln!(text, "{}", line.trim_end());
        }
    }
    text
}

type Row = (&'static str, String, String);

fn image_rows(image: &ImagePlan, push: bool) -> Vec<Row> {
    let settings = &image.settings;
    let from = |key: &str| settings.origins.describe(key);
    let mut rows: Vec<Row> = Vec::new();
    for (key, value) in [("name", &settings.name), ("version", &settings.version)] {
        rows.extend(value.iter().map(|value| (key, value.clone(), from(key))));
    }
    for reference in &image.references {
        let word = if push { "push to" } else { "name" };
        rows.push((word, reference.to_string(), format!("{}, {}", from("repository"), from("tags"))));
    }
    if image.references.is_empty() {
        rows.extend(image.tags.iter().map(|tag| ("tag", tag.clone(), from("tags"))));
    }
    for platform in &image.platforms {
        rows.push(("platform", platform.platform.to_string(), from("platforms")));
        rows.push(("  base", platform.base.clone(), from("base")));
        rows.extend(platform.debian.iter().map(|package| ("  debian", package.clone(), from("debian"))));
        rows.extend(target_rows(&platform.target, &from));
    }
    match &image.project {
        ProjectPlan::Binary(binary) => {
            rows.push(("binary", format!("{} of package {}", binary.name, binary.package), from("bin")));
            if !settings.features.is_empty() {
                rows.push(("features", settings.features.join(", "), from("features")));
            }
            for (key, is_on) in [
                ("all-features", settings.all_features),
                ("no-default-features", settings.no_default_features),
            ] {
                if is_on {
                    rows.push((key, "true".into(), from(key)));
                }
            }
            rows.push(("profile", binary.profile.clone(), from("profile")));
            rows.push(("strip", binary.strip.as_str().into(), from("strip")));
        }
        ProjectPlan::Python(application) => rows.extend(application_rows(application, &from)),
    }
    rows.push(("format", image.format.as_str().into(), from("image-format")));
    rows.push(("compression", image.compression.as_str().into(), from("compression")));
    let python = &settings.python;
    if !python.no_binary.is_empty() {
        rows.push(("no-binary", python.no_binary.join(", "), from("no-binary")));
    }
    if !python.missing.is_empty() {
        rows.push(("missing", python.missing.join(", "), from("missing")));
    }
    // Their values may be tokens, and do not get into the image.
    let variable = |name: &String| ("build-env", name.clone(), from(&format!("build-env.{name}")));
    rows.extend(python.build_env.keys().map(variable));
    for (key, value) in [("native", settings.native.as_str()), ("check", settings.check.as_str())] {
        if settings.origins.is_chosen(key) {
            rows.push((key, value.into(), from(key)));
        }
    }
    rows
}

/// What a platform's image is made for.
fn target_rows(target: &TargetPlan, from: &impl Fn(&str) -> String) -> Vec<Row> {
    let environment = match target {
        TargetPlan::Rust { target, linkage } => {
            let linkage = match linkage {
                Linkage::Static => "static",
                Linkage::CrtStatic => "static (+crt-static)",
                Linkage::Any => "static or dynamic",
            };
            return vec![("  target", format!("{target} ({linkage})"), from("target"))];
        }
        TargetPlan::Python(environment) => environment,
    };
    let interpreter = &environment.interpreter;
    let python = format!("{} {} on {}", interpreter.path, interpreter.version, interpreter.libc);
    let from = match &environment.carried {
        Some(carried) => format!("of {}, {}", carried.prefix, from("python")),
        None => "from the base".to_owned(),
    };
    let mut rows = vec![("  python", python, from)];
    for distribution in &environment.distributions {
        let built = if distribution.built { "built from " } else { "" };
        rows.push(("  with", format!("{built}{}", distribution.file), String::new()));
    }
    rows
}

/// What a Python image runs.
fn application_rows(application: &Application, from: &impl Fn(&str) -> String) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    let words = |words: &[String]| words.join(", ");
    rows.extend(application.lock.iter().map(|lock| ("lock", lock.clone(), String::new())));
    if !application.groups.is_empty() {
        rows.push(("groups", words(&application.groups), from("groups")));
    }
    if !application.extras.is_empty() {
        rows.push(("extras", words(&application.extras), from("extras")));
    }
    let install = match application.install {
        Install::Source => "source",
        Install::Wheel => "wheel",
    };
    rows.push(("install", install.into(), from("install")));
    rows.extend(application.reason.iter().map(|reason| ("application", reason.clone(), String::new())));
    rows
}

fn runtime_rows(image: &ImagePlan) -> Vec<Row> {
    let settings = &image.settings;
    let found = |key: &str| match key {
        "entrypoint" => settings.entrypoint.is_none(),
        _ => key == "ports" && settings.ports.is_empty(),
    };
    let from = |key: &str| match image.python() {
        Some(_) if found(key) => "found in the source".to_owned(),
        _ => settings.origins.describe(key),
    };
    let mut rows: Vec<Row> = Vec::new();
    let words = |words: &[String]| if words.is_empty() { "(cleared)".into() } else { words.join(" ") };
    let mut text = |key: &'static str, value: Option<String>| {
        if let Some(value) = value {
            rows.push((key, value, from(key)));
        }
    };
    text("entrypoint", image.platforms[0].runtime.entrypoint.as_deref().map(words));
    let init = image.platforms[0].runtime.init.join(" ");
    text("init", Some(format!("{init}, Debian's tini")).filter(|_| !init.is_empty()));
    text("cmd", settings.cmd.as_deref().map(words));
    text("user", Some(settings.user.clone()).filter(|user| !user.is_empty()));
    text("workdir", settings.workdir.clone());
    text("stop-signal", settings.stop_signal.clone());
    text("healthcheck", settings.healthcheck.as_ref().map(|check| check.test.join(" ")));
    let mut list = |key: &'static str, values: Vec<String>| {
        rows.extend(values.into_iter().map(|value| (key, value, from(key))));
    };
    list("ports", image.platforms[0].runtime.ports.clone());
    list("volumes", settings.volumes.clone());
    list("unset-env", settings.unset_env.clone());
    for (name, value) in &settings.env {
        let value = redact::shown_variable(name, value);
        rows.push(("env", format!("{name}={value}"), from(&format!("env.{name}"))));
    }
    rows
}

fn content_rows(image: &ImagePlan) -> Vec<Row> {
    let settings = &image.settings;
    let mut rows: Vec<Row> = vec![("created", image.created.clone(), String::new())];
    rows.extend(label_rows("label", "labels", &settings.labels, image));
    rows.extend(label_rows("annotation", "annotations", &settings.annotations, image));
    for layer in image.platforms.iter().take(1).flat_map(|platform| &platform.layers) {
        rows.push(("layer", layer.title.clone(), String::new()));
        for item in &layer.items {
            rows.push(("", item_text(item), String::new()));
        }
    }
    rows
}

fn label_rows(word: &'static str, key: &str, labels: &Labels, image: &ImagePlan) -> Vec<Row> {
    let first = &image.platforms[0].runtime;
    let expanded = if key == "labels" { &first.labels } else { &first.annotations };
    let row = |name: &String, value: &LabelValue| {
        let shown = match value {
            LabelValue::Text(text) => expanded.get(name).unwrap_or(text).clone(),
            LabelValue::Platform(table) => {
                let pairs: Vec<String> = table.iter().map(|(k, v)| format!("{k}={v}")).collect();
                pairs.join(" ")
            }
        };
        (word, format!("{name}={shown}"), image.settings.origins.describe(&format!("{key}.{name}")))
    };
    labels.iter().map(|(name, value)| row(name, value)).collect()
}

fn item_text(item: &containerize_core::plan::Item) -> String {
    use containerize_core::config::ExtraLayer;
    use containerize_core::plan::{Item, PREFIX, PYTHON_PREFIX};
    match item {
        Item::Wheels => "one layer for each large wheel, one for the rest".into(),
        Item::Bytecode => "bytecode of the wheels".into(),
        Item::ProjectBytecode => "bytecode of the project".into(),
        Item::Interpreter => format!("{PYTHON_PREFIX}/bin, and the standard library"),
        Item::Skeleton => format!("{PREFIX}/pyvenv.cfg and the interpreter's names"),
        Item::Project => "the project itself".into(),
        Item::Program { path, owner } => format!("{path} ({owner}, 0755)"),
        Item::Directory { path, mode, owner } => format!("{path}/ ({owner}, {mode})"),
        Item::Files { rule, owner } => format!("{} -> {} ({owner})", rule.from, rule.to),
        Item::Outside { layer: ExtraLayer::Folder(folder), owner } => format!("{folder} -> / ({owner})"),
        Item::Outside { layer: ExtraLayer::Command { command, .. }, owner } => {
            format!("by `{}` ({owner})", command.words().unwrap_or_default().join(" "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_for_people() {
        for (count, text) in
            [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (5 << 20, "5.0 MiB"), (3 << 30, "3.0 GiB")]
        {
            assert_eq!(bytes(count), text);
        }
    }

    #[test]
    fn an_error_says_what_why_and_what_next() {
        let error = Error::network("cannot push").because("line 1\nline 2").hint("log in");
        let nobody = FrontEnd::default();
        let plain = anstream::adapter::strip_str(&error_text(&error, &nobody)).to_string();
        assert_eq!(plain, "error: cannot push\n  caused by: line 1\n    line 2\n  hint: log in\n");
        let parsed: serde_json::Value = serde_json::from_str(&error_json(&error, &nobody)).expect("json");
        assert_eq!(parsed["error"]["kind"], "network");
    }
}
