//! What the configuration of an image says, row by row, and where each value came from.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::{Value, json};

use super::{Image, shown};
use crate::oci::{Extra, ImageConfig};
use crate::redact::shown_variable;
use crate::trust::Provenance;

/// One value of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Setting {
    /// In this program's word for it: `env`, `entrypoint`.
    pub key: &'static str,
    /// The name of a variable or a label.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The value as text; words of a command as JSON. Values of variables whose names speak of secrets are blank.
    pub value: String,
    /// Where it came from, where that is stated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
}

/// Where a value came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// The base has it.
    Base,
    /// The project: its settings have it, or something else in it that was looked at.
    Project,
    /// The call had it: flags, variables or the file of `--config`.
    Call,
    /// The program chose it.
    Containerize,
}

impl Origin {
    /// In words, behind a value.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Base => "the base",
            Self::Project => "the project",
            Self::Call => "the call",
            Self::Containerize => "containerize",
        }
    }
}

/// All rows, and where their values came from.
pub(super) fn settings(image: &Image) -> Vec<Setting> {
    let origins =
        image.provenance.as_ref().map(|provenance| Origins::of(provenance, &image.platform.to_string()));
    let setting = |row: Row<'_>| {
        let value = row.visible();
        let origin = origins.as_ref().and_then(|origins| origins.origin(row.key, row.name, &value));
        Setting { key: row.key, name: row.name.map(shown), value: shown(&value), origin }
    };
    rows(&image.config).into_iter().map(setting).collect()
}

/// A value as the configuration has it: neither tamed nor blanked.
pub(super) struct Row<'c> {
    pub(super) key: &'static str,
    pub(super) name: Option<&'c str>,
    pub(super) value: Cow<'c, str>,
}

impl Row<'_> {
    /// The value; that of a variable whose name speaks of a secret is blank.
    pub(super) fn visible(&self) -> Cow<'_, str> {
        match (self.key, self.name) {
            ("env", Some(name)) => shown_variable(name, &self.value),
            _ => Cow::Borrowed(&self.value),
        }
    }
}

/// All that a configuration says, in the order in which it is told.
pub(super) fn rows(config: &ImageConfig) -> Vec<Row<'_>> {
    let said = &config.config;
    let mut rows = Rows(Vec::new());
    rows.words("entrypoint", said.entrypoint.as_deref());
    rows.words("cmd", said.cmd.as_deref());
    rows.text("user", said.user.as_deref());
    rows.text("workdir", said.working_dir.as_deref());
    for line in &said.env {
        let (name, value) = line.split_once('=').unwrap_or((line, ""));
        rows.add("env", Some(name), value);
    }
    said.exposed_ports.keys().for_each(|port| rows.add("ports", None, port.as_str()));
    said.volumes.keys().for_each(|path| rows.add("volumes", None, path.as_str()));
    rows.text("stop-signal", said.stop_signal.as_deref());
    if let Some(check) = &said.healthcheck {
        rows.add("healthcheck", None, json!(check.test).to_string());
    }
    said.labels.iter().for_each(|(name, value)| rows.add("labels", Some(name), value.as_str()));
    rows.text("created", config.created.as_deref());
    rows.0
}

/// What it says beyond that: the times of a health check, and whatever Docker and others keep there.
pub(super) fn further_rows(config: &ImageConfig) -> Vec<Row<'_>> {
    let mut rows = Rows(Vec::new());
    if let Some(check) = &config.config.healthcheck {
        let times = [
            ("interval", check.interval),
            ("timeout", check.timeout),
            ("start-period", check.start_period),
            ("retries", check.retries.map(u64::from)),
        ];
        for (name, value) in times {
            if let Some(value) = value {
                rows.add("healthcheck", Some(name), value.to_string());
            }
        }
        rows.others("healthcheck", &check.extra);
    }
    rows.text("author", config.author.as_deref());
    rows.others("other", &config.config.extra);
    rows.others("other", &config.extra);
    rows.0
}

struct Rows<'c>(Vec<Row<'c>>);

impl<'c> Rows<'c> {
    fn add(&mut self, key: &'static str, name: Option<&'c str>, value: impl Into<Cow<'c, str>>) {
        self.0.push(Row { key, name, value: value.into() });
    }

    fn text(&mut self, key: &'static str, value: Option<&'c str>) {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            self.add(key, None, value);
        }
    }

    fn others(&mut self, key: &'static str, values: &'c Extra) {
        values.iter().for_each(|(name, value)| self.add(key, Some(name), value.to_string()));
    }

    fn words(&mut self, key: &'static str, words: Option<&[String]>) {
        if let Some(words) = words.filter(|words| !words.is_empty()) {
            self.add(key, None, json!(words).to_string());
        }
    }
}

/// What the provenance says of where values came from.
struct Origins {
    /// What the configuration says beyond the base's.
    runtime: Value,
    /// Keys that were set.
    configuration: Value,
    /// Those of them that the call set.
    call: Value,
}

impl Origins {
    fn of(provenance: &Provenance, platform: &str) -> Self {
        let runtime = provenance.internal("choices").get(platform).and_then(|choices| choices.get("runtime"));
        let call = provenance.external("call").get("settings");
        Self {
            runtime: runtime.cloned().unwrap_or_default(),
            configuration: provenance.external("configuration").clone(),
            call: call.cloned().unwrap_or_default(),
        }
    }

    fn origin(&self, key: &str, name: Option<&str>, value: &str) -> Option<Origin> {
        // The time of creation has no key: it comes from the revision, or from a variable.
        if self.runtime.is_null() || key == "created" {
            return None;
        }
        let field = key.replace('-', "_");
        let said = &self.runtime[field.as_str()];
        let is_said = match (said, name) {
            (Value::Null, _) => false,
            (said, Some(name)) => said.get(name).is_some(),
            (Value::Array(all), None) if matches!(key, "ports" | "volumes") => {
                all.iter().any(|one| one.as_str() == Some(value))
            }
            (Value::String(text), None) => !text.is_empty(),
            _ => true,
        };
        if !is_said {
            return Some(Origin::Base);
        }
        let sets = |place: &Value| match name {
            Some(name) => place.get(key).is_some_and(|values| values.get(name).is_some()),
            None => place.get(key).is_some(),
        };
        Some(match () {
            () if sets(&self.call) => Origin::Call,
            () if sets(&self.configuration) => Origin::Project,
            () => Origin::Containerize,
        })
    }
}
