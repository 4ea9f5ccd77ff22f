//! What plans of all kinds of projects have in common.

use super::labels::{Facts, expand};
use super::{Additions, Call, ImagePlan, Item, LayerPlan, Names, PlatformPlan, ProjectPlan, Runtime};
use crate::config::{Mode, Owner, Settings, Shown, labels_for};
use crate::error::{Error, Result};
use crate::oci::Platform;
use crate::oci::media_type::Format;

/// What users should know about the chosen image format.
pub(super) fn format_notes(settings: &Settings, notes: &mut Vec<String>) {
    if settings.format == Format::Docker
        && settings.origins.is_chosen("image-format")
        && !settings.annotations.is_empty()
    {
        notes.push("annotations are left out: Docker's image format has none".into());
    }
    if settings.healthcheck.is_some() && settings.format == Format::Oci {
        notes.push("the health check is Docker's: Podman reads it only with image-format = \"docker\", Kubernetes never".into());
    }
}

/// The plan of an image, when all its platforms are planned.
pub(super) fn image_plan(
    name: String,
    settings: &Settings,
    names: Names,
    facts: Facts,
    project: ProjectPlan,
    platforms: Vec<PlatformPlan>,
) -> ImagePlan {
    let origin = match &project {
        ProjectPlan::Binary(_) => "default",
        ProjectPlan::Python(_) => "found in the source",
    };
    let configuration = configuration(settings, &platforms[0].runtime, origin);
    ImagePlan {
        name,
        version: facts.version,
        tags: names.tags,
        has_siblings: names.has_siblings,
        references: names.references,
        revision: facts.revision,
        format: settings.format,
        compression: settings.compression,
        created: facts.created,
        project,
        platforms,
        additions: Additions::of(settings),
        owner: settings.owner,
        native: settings.native,
        check: settings.check,
        attest: settings.attest.clone(),
        policy: settings.policy.clone(),
        configuration,
        call: Call::default(),
    }
}

/// What the settings say, and what is so where they are silent; that comes from `origin`.
fn configuration(settings: &Settings, runtime: &Runtime, origin: &str) -> Vec<Shown> {
    let mut shown = settings.shown.clone();
    for row in &mut shown {
        let expanded = match row.key {
            "labels" => &runtime.labels,
            "annotations" => &runtime.annotations,
            _ => continue,
        };
        let value = row.name.as_ref().and_then(|name| expanded.get(name));
        value.into_iter().for_each(|value| row.value = value.clone().into());
    }
    let mut found = |key: &'static str, value: serde_json::Value| {
        shown.push(Shown { key, name: None, value, origin: origin.into(), is_element: false });
    };
    if let (None, Some(words)) = (&settings.entrypoint, &runtime.entrypoint) {
        found("entrypoint", words.clone().into());
    }
    if settings.ports.is_empty() {
        runtime.ports.iter().for_each(|port| found("ports", port.clone().into()));
    }
    if let (None, Some(signal)) = (&settings.stop_signal, &runtime.stop_signal) {
        found("stop-signal", signal.clone().into());
    }
    shown
}

/// The base for a platform.
///
/// # Errors
/// Usage: images for the platform cannot be made, or the table of bases leaves it out.
pub fn base_for<'a>(settings: &'a Settings, platform: &Platform) -> Result<&'a str> {
    if platform.os != "linux" {
        return Err(Error::usage(format!("the platform {platform} is not supported"))
            .hint("choose a Linux platform, such as linux/amd64"));
    }
    settings.base.for_platform(platform).ok_or_else(|| {
        Error::usage(format!("base ({}) has no entry for {platform}", settings.origins.describe("base")))
            .hint(format!("add \"{}\" to the table", platform.slug()))
    })
}

/// The layers that are made outside.
pub(super) fn outside_layers(settings: &Settings) -> Vec<LayerPlan> {
    let layer = |(i, layer): (usize, &crate::config::ExtraLayer)| LayerPlan {
        title: format!("layer {}", i + 1),
        items: vec![Item::Outside { layer: layer.clone(), owner: settings.owner }],
    };
    settings.layers.iter().enumerate().map(layer).collect()
}

/// Refuses more layers than the settings allow.
///
/// # Errors
/// Usage, with what to do.
pub(super) fn within_limit(layers: usize, settings: &Settings) -> Result<()> {
    let layers = layers + usize::from(!settings.debian.packages.is_empty()) + usize::from(settings.init);
    if layers <= settings.max_layers {
        return Ok(());
    }
    Err(Error::usage(format!(
        "the image needs {layers} layers, but max-layers ({}) allows {}",
        settings.origins.describe("max-layers"),
        settings.max_layers
    ))
    .hint("raise max-layers, or put several of `layers` into one"))
}

/// Directories, volumes and files, in one layer.
pub(super) fn file_items(settings: &Settings) -> Result<Vec<Item>> {
    let owner = settings.owner;
    let mut items = Vec::new();
    for dir in &settings.dirs {
        items.push(Item::Directory {
            path: dir.path.clone(),
            mode: dir.mode.unwrap_or(Mode(0o755)),
            owner: dir.owner.unwrap_or(owner),
        });
    }
    // The group is root's, which gives no rights by itself: so whoever is given any uid and the gid 0,
    // as OpenShift does, can write too. A directory that is declared on its own keeps its own mode and
    // owner.
    for path in settings.volumes.iter().filter(|v| !settings.dirs.iter().any(|dir| same_path(&dir.path, v))) {
        let owner = Owner { uid: user_id(settings)?, gid: 0 };
        items.push(Item::Directory { path: path.clone(), mode: Mode(0o775), owner });
    }
    for rule in &settings.files {
        items.push(Item::Files { rule: rule.clone(), owner: rule.owner.unwrap_or(owner) });
    }
    Ok(items)
}

/// Refuses what goes to the place of the program at `path`.
///
/// # Errors
/// Usage, naming it.
pub(super) fn refuse_place(path: &str, settings: &Settings) -> Result<()> {
    let volumes = settings.volumes.iter().map(|path| ("volumes", path));
    let dirs = settings.dirs.iter().map(|dir| ("dirs", &dir.path));
    let files = settings.files.iter().map(|rule| ("files", &rule.to));
    match volumes.chain(dirs).chain(files).find(|(_, other)| same_path(path, other) && !other.ends_with('/'))
    {
        Some((key, _)) => Err(Error::usage(format!(
            "{key} ({}): {path} is where the program goes",
            settings.origins.describe(key)
        ))
        .hint("give it another place")),
        None => Ok(()),
    }
}

fn same_path(a: &str, b: &str) -> bool {
    let parts = |path| str::split(path, '/').filter(|part| !part.is_empty());
    parts(a).eq(parts(b))
}

/// The number of the user, who must be able to write to volumes.
fn user_id(settings: &Settings) -> Result<u64> {
    let user = settings.user.split(':').next().unwrap_or_default();
    // The names that the embedded base and the distroless ones give.
    let known = match user {
        "" | "root" => Some(0),
        "nonroot" => Some(65532),
        "nobody" => Some(65534),
        _ => user.parse::<u64>().ok(),
    };
    known.ok_or_else(|| {
        Error::usage(format!(
            "the volumes must belong to the user {:?} ({}), whose number is not known",
            settings.user,
            settings.origins.describe("user")
        ))
        .hint("give the user as a number, such as 65532")
    })
}

/// Words that only a shell understands.
const OPERATORS: [&str; 12] = ["||", "&&", "|", "&", ";", ">", ">>", "<", "<<", "2>", "2>&1", ">&2"];

/// Programs that read their words as a shell does.
const SHELLS: [&str; 7] = ["ash", "bash", "busybox", "dash", "ksh", "sh", "zsh"];

/// Whether a shell would put something else in the place of the word: a variable, a command's output, the home
/// folder, files that fit.
fn is_expanded(word: &str) -> bool {
    let named = |next: char| next.is_ascii_alphabetic() || matches!(next, '_' | '{' | '(');
    let dollar = word.split('$').skip(1).any(|rest| rest.starts_with(named));
    let home = word == "~" || word.starts_with("~/");
    let files = word.starts_with("*.") || word.starts_with('/') && word.contains("/*");
    dollar || home || files || word.len() > 2 && word.starts_with('`') && word.ends_with('`')
}

/// Says which commands are written for a shell, which none of them gets.
fn shell_notes(settings: &Settings, notes: &mut Vec<String>) {
    let words = |words: &Option<Vec<String>>| words.clone().unwrap_or_default();
    let test = settings.healthcheck.as_ref().map(|check| check.test.clone());
    let test = test.filter(|test| test.first().is_some_and(|word| word == "CMD"));
    for (key, words) in [
        ("entrypoint", words(&settings.entrypoint)),
        ("cmd", words(&settings.cmd)),
        ("healthcheck", words(&test)),
    ] {
        let is_shell = |word: &String| SHELLS.iter().any(|shell| word.rsplit('/').next() == Some(shell));
        let has_shell = words.iter().chain(settings.entrypoint.iter().flatten()).any(is_shell);
        let only_for_a_shell =
            |word: &&String| OPERATORS.contains(&word.as_str()) || !has_shell && is_expanded(word);
        if let Some(word) = words.iter().find(only_for_a_shell) {
            notes.push(format!(
                "{key} ({}) contains `{word}`, which is passed on literally, since no shell is involved; on a base with a shell, use [\"sh\", \"-c\", \"...\"]",
                settings.origins.describe(key)
            ));
        }
    }
}

/// What the configuration of one platform's image says; `entrypoint` is the project's own.
pub(super) fn runtime(
    platform: &Platform,
    settings: &Settings,
    entrypoint: Option<Vec<String>>,
    facts: &Facts,
    notes: &mut Vec<String>,
) -> Runtime {
    shell_notes(settings, notes);
    let labels = labels_for(&settings.labels, platform);
    let (labels, left_out) = expand(labels, facts, platform);
    // What the labels say of the image, the manifest says too; annotations of one's own win.
    let standard = labels.iter().filter(|(name, _)| name.starts_with(super::LABEL_PREFIX));
    let mut annotations: std::collections::BTreeMap<_, _> =
        standard.map(|(name, value)| (name.clone(), value.clone())).collect();
    let (own, also_left_out) = expand(labels_for(&settings.annotations, platform), facts, platform);
    annotations.extend(own);
    for name in left_out.iter().chain(&also_left_out) {
        notes.push(format!("{name} is left out: it uses {{revision}}, but this is not a git checkout"));
    }
    Runtime {
        user: settings.user.clone(),
        workdir: settings.workdir.clone(),
        init: if settings.init { vec![super::INIT.into(), "--".into()] } else { Vec::new() },
        entrypoint: settings.entrypoint.clone().or(entrypoint),
        cmd: settings.cmd.clone(),
        env: settings.env.clone(),
        unset_env: settings.unset_env.clone(),
        ports: settings.ports.iter().map(ToString::to_string).collect(),
        volumes: settings.volumes.clone(),
        labels: labels.into_iter().filter(|(_, value)| !value.is_empty()).collect(),
        annotations: annotations.into_iter().filter(|(_, value)| !value.is_empty()).collect(),
        stop_signal: settings.stop_signal.clone(),
        healthcheck: settings.healthcheck.clone(),
    }
}
