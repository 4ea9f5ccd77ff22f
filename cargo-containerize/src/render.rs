//! Results, plans and errors as text or JSON.

use std::fmt::Write as _;

use containerize_core::Error;
use containerize_core::config::{Install, Shown};
use containerize_core::oci::{Digest, Reference};
use containerize_core::plan::{Application, ImagePlan, Linkage, Plan, ProjectPlan, TargetPlan};
use containerize_core::redact;
use containerize_core::story::{Delivered, Locked, Outcome};
use serde_json::{Value, json};

use crate::front_end::FrontEnd;
use crate::moved;

/// The outcome as lines: a reference with its digest each, or the plan.
pub(crate) fn text(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Planned(plan) => plan_text(plan),
        Outcome::Locked(locked) => locked_text(locked),
        Outcome::Built(images) => {
            let lines = images.iter().flat_map(|image| result_lines(image, images.len() > 1));
            lines.fold(String::new(), |mut text, line| {
                let _ = writeln!(text, "{line}");
                text
            })
        }
    }
}

/// The bases that are pinned; or what moved, where the call asks.
fn locked_text(locked: &Locked) -> String {
    match &locked.moved {
        Some(moved) => moved::text(moved),
        None => locked.bases.iter().fold(String::new(), |mut text, (name, digest)| {
            let _ = writeln!(text, "{name}@{digest}");
            text
        }),
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
        Outcome::Locked(Locked { bases, moved: None, .. }) => {
            json!({ "bases": bases, "warnings": warnings })
        }
        Outcome::Locked(Locked { bases, moved, .. }) => {
            json!({ "bases": bases, "moved": moved, "warnings": warnings })
        }
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
    // It may quote names that others chose: a line of their own could be a command for a runner.
    let message = redact::tame(&error.message().said(front_end));
    let mut text = format!("{red}error{red:#}: {message}\n");
    for cause in error.causes_said(front_end) {
        let _ = writeln!(text, "  caused by: {}", cause.trim_end().replace('\n', "\n    "));
    }
    if let Some(hint) = error.advice() {
        let _ = writeln!(text, "  {cyan}hint{cyan:#}: {}", hint.said(front_end));
    }
    text
}

/// An image by its name, and by what that leads to in the place of a digest that the name may have.
pub(crate) fn with_digest(image: &str, digest: Option<&Digest>) -> String {
    let name = image.rsplit_once("@sha256:").map_or(image, |(name, _)| name);
    let digest = digest.map(|digest| format!("@{digest}")).unwrap_or_default();
    format!("{name}{digest}")
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

/// The plan: for each image what is decided, and every value that is set, with its origin.
fn plan_text(plan: &Plan) -> String {
    let mut text = String::new();
    for (i, image) in plan.images.iter().enumerate() {
        let gap = if i > 0 { "\n" } else { "" };
        let _ = writeln!(text, "{gap}image {} {}", image.name, image.version);
        let mut rows = image_rows(image, plan.push);
        rows.extend(configured_rows(image, &rows));
        rows.extend(content_rows(image));
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
    let from = |key: &str| image.origin_of(key);
    let mut rows: Vec<Row> = Vec::new();
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
        let origin = |package: &str| image.origin_of_package(package).unwrap_or_else(|| from("debian"));
        rows.extend(platform.debian.iter().map(|package| ("  debian", package.clone(), origin(package))));
        rows.extend(target_rows(&platform.target, &from));
    }
    match &image.project {
        ProjectPlan::Binary(binary) => {
            rows.push(("binary", format!("{} of package {}", binary.name, binary.package), from("bin")));
            rows.push(("profile", binary.profile.clone(), from("profile")));
            rows.push(("strip", binary.strip.as_str().into(), from("strip")));
            if !binary.auditable {
                rows.push(("auditable", "false".into(), from("auditable")));
            }
            if binary.if_changed {
                rows.push(("if-changed", "true".into(), from("if-changed")));
            }
        }
        ProjectPlan::Python(application) => rows.extend(application_rows(application, &from)),
    }
    rows.push(("image-format", image.format.as_str().into(), from("image-format")));
    rows.push(("compression", image.compression.as_str().into(), from("compression")));
    let init = image.platforms[0].runtime.init.join(" ");
    if !init.is_empty() {
        rows.push(("init", format!("{init}, Debian's tini"), from("init")));
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
    let from = match &environment.bundled {
        Some(bundled) => format!("of {}, {}", bundled.prefix, from("python")),
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
    // One that nothing names was found.
    let origin = Some(from("lock")).filter(|origin| origin != "default").unwrap_or_default();
    rows.extend(application.lock.iter().map(|lock| ("lock", lock.clone(), origin.clone())));
    let install = match application.install {
        Install::Source => "source",
        Install::Wheel => "wheel",
    };
    rows.push(("install", install.into(), from("install")));
    rows.extend(application.reason.iter().map(|reason| ("application", reason.clone(), String::new())));
    rows
}

/// Every value that is set and is in none of the rows before.
fn configured_rows(image: &ImagePlan, before: &[Row]) -> Vec<Row> {
    // References and platforms say these in other words.
    let said = ["repository", "tags", "platforms", "base", "target", "bin"];
    let is_said = |shown: &&Shown| {
        // An empty command clears the base's; another list that is empty adds nothing.
        let is_nothing = shown.value.as_array().is_some_and(Vec::is_empty) && !is_command(shown.key);
        let is_before = before.iter().any(|(key, ..)| key.trim_start() == shown.key);
        // Of Debian only the packages are shown with the platforms.
        let is_part = shown.key == "debian" && shown.name.as_deref().is_some_and(|name| name != "packages");
        said.contains(&shown.key) || (is_before && !is_part) || is_nothing
    };
    let rest = image.configuration.iter().filter(|shown| !is_said(shown));
    rest.map(|shown| (shown.key, shown_text(shown), shown.origin.clone())).collect()
}

/// Whether the words of the key are those of a command.
fn is_command(key: &str) -> bool {
    matches!(key, "entrypoint" | "cmd")
}

/// A value as it could be typed.
fn shown_text(shown: &Shown) -> String {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let value = match &shown.value {
        Value::Array(values) => {
            let between = if is_command(shown.key) { " " } else { ", " };
            let words = values.iter().map(text).collect::<Vec<_>>().join(between);
            if words.is_empty() { "(cleared)".to_owned() } else { words }
        }
        value => text(value),
    };
    shown.name.as_ref().map_or_else(|| value.clone(), |name| format!("{name}={value}"))
}

fn content_rows(image: &ImagePlan) -> Vec<Row> {
    let mut rows: Vec<Row> = vec![("created", image.created.clone(), String::new())];
    for layer in image.platforms.iter().take(1).flat_map(|platform| &platform.layers) {
        rows.push(("layer", layer.title.clone(), String::new()));
        for item in &layer.items {
            rows.push(("", item_text(item), String::new()));
        }
    }
    rows
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
    use containerize_core::config::{KEYS, Origin, Place, Settings, fold, from_toml};
    use containerize_core::plan::{Facts, Names, RustImage, plan_rust};

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

    /// A plan whose configuration sets every key.
    fn full_plan() -> Plan {
        let text: String = KEYS.iter().map(|key| format!("{} = {}\n", key.name, key.example)).collect();
        let text = text.replace("image-format = \"docker\"", "image-format = \"oci\"");
        plan_of(&[(Origin::Table("package.metadata.containerize".into()), &text)])
    }

    /// The plan of what some places say, the lowest first.
    fn plan_of(places: &[(Origin, &str)]) -> Plan {
        let place = |(origin, text): &(Origin, &str)| Place {
            values: from_toml(text, origin).expect("valid"),
            origin: origin.clone(),
        };
        let places: Vec<Place> = places.iter().map(place).collect();
        let settings = Settings::new(fold(&places, "")).expect("settings");
        let facts = Facts { version: "1.2.0".into(), revision: None, created: "1970-01-01T00:00:00Z".into() };
        let names =
            Names { tags: Vec::new(), has_siblings: false, references: vec!["a/b:1".parse().expect("name")] };
        let image = RustImage {
            name: "app".into(),
            package: "app".into(),
            bin: "app".into(),
            settings: &settings,
            names,
            facts,
        };
        let (image, _) = plan_rust(image, |_, _| Ok("x86_64-unknown-linux-gnu".into())).expect("a plan");
        Plan { push: true, images: vec![image] }
    }

    #[test]
    fn every_key_that_is_set_is_shown_with_its_origin() {
        let plan = full_plan();
        let text = plan_text(&plan);
        let json = serde_json::to_value(&plan).expect("json");
        let rows = json["images"][0]["configuration"].as_array().expect("rows");
        for key in KEYS {
            let row = rows.iter().find(|row| row["key"] == key.name).expect(key.name);
            assert_eq!(row["origin"], "[package.metadata.containerize]", "{row}");
            let said = match key.name {
                "repository" | "tags" => "push to",
                "platforms" => "platform",
                "bin" => "binary",
                name => name,
            };
            let shown = |line: &str| {
                line.trim_start().starts_with(said) && line.contains("[package.metadata.containerize]")
            };
            assert!(text.lines().any(shown), "{} is not in\n{text}", key.name);
        }
        assert!(!text.contains("-O2"), "variables for builds may be tokens:\n{text}");
        assert!(!json.to_string().contains("-O2"));
    }

    #[test]
    fn each_debian_package_has_its_own_origin() {
        let table = "platforms = ['linux/amd64']\nbase = 'debian:12'\ndebian = { packages = ['libpq5'], mirror = 'http://x' }";
        let places = [
            (Origin::Table("package.metadata.containerize".into()), table),
            (Origin::Flag, "debian = ['curl=8.1']"),
        ];
        let plan = plan_of(&places);
        let text = plan_text(&plan);
        let row = |start: &str| {
            text.lines().map(str::trim).find(|line| line.starts_with("debian") && line.contains(start))
        };
        assert!(row("libpq5").is_some_and(|row| row.ends_with("[package.metadata.containerize]")), "{text}");
        assert!(row("curl=8.1").is_some_and(|row| row.ends_with("--debian")), "{text}");
        assert!(
            row("mirror=http://x").is_some_and(|row| row.ends_with("[package.metadata.containerize]")),
            "{text}"
        );
        let rows = &serde_json::to_value(&plan).expect("json")["images"][0]["configuration"];
        let rows = rows.as_array().expect("rows").iter();
        let origins: Vec<_> =
            rows.filter(|row| row["name"] == "packages").map(|row| &row["origin"]).collect();
        assert_eq!(origins, ["[package.metadata.containerize]", "--debian"]);
    }
}
