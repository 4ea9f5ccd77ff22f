//! What it takes to build an image again, as its provenance tells.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::config::{Language, Origin, Partial, from_table};
use crate::error::{Error, Result};
use crate::oci::{Digest, Platform, Reference};
use crate::story::stated::check_contract;
use crate::trust::Provenance;

/// Stands in the provenance for what is not told, by itself or in a text.
pub(super) const HIDDEN: &str = "***";

/// What it takes to build an image again.
#[derive(Debug, Clone)]
pub(super) struct Inputs {
    /// The image's name among those of its project.
    pub(super) name: String,
    /// Its time of creation.
    pub(super) created: Timestamp,
    /// The kind of its project.
    pub(super) language: Language,
    /// Its platforms, in the order in which they were given.
    pub(super) platforms: Vec<String>,
    pub(super) call: Call,
    pub(super) source: Source,
    /// The manifests of its bases.
    pub(super) bases: Vec<(Reference, Platform, Digest)>,
    /// Bases that are in no registry, so that their digests are not told.
    pub(super) loose_bases: Vec<String>,
    /// The remote cache that the build believed, where it did.
    pub(super) remote_cache: Option<String>,
}

/// Where the source is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Source {
    /// Its commit, where it was in a repository.
    pub(super) commit: Option<String>,
    /// The address of the repository, where the project names one.
    pub(super) address: Option<String>,
}

impl Source {
    fn of(provenance: &Provenance) -> Result<Self, (String, &'static str)> {
        let Some(material) = provenance.with_role("source").next() else {
            return Ok(Self { commit: None, address: None });
        };
        if material.annotations.get("dirty") == Some(&Value::Bool(true)) {
            let hint = "commit them, and build and push it again";
            return Err(("it was built from uncommitted changes".into(), hint));
        }
        let commit = material.digest.get("gitCommit").cloned();
        // It becomes a word of a command.
        let is_hex = |text: &String| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if let Some(text) = commit.as_ref().filter(|text| !is_hex(text)) {
            let hint = "a commit consists of hexadecimal digits: build the image again";
            return Err((format!("the commit {text:?} in its provenance is invalid"), hint));
        }
        let address = material.uri.as_deref().and_then(|uri| uri.strip_prefix("git+"));
        Ok(Self { commit, address: address.map(str::to_owned) })
    }
}

/// What the call said beside the project.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Call {
    #[serde(default)]
    pub(super) folder: Option<String>,
    #[serde(default)]
    pub(super) manifest: Option<String>,
    #[serde(default)]
    pub(super) package: Option<String>,
    #[serde(default)]
    pub(super) bins: bool,
    #[serde(default)]
    pub(super) settings: BTreeMap<String, Value>,
    #[serde(default)]
    pub(super) cargo_config: Vec<String>,
    #[serde(default)]
    pub(super) cargo_unstable: Vec<String>,
    #[serde(default)]
    pub(super) variables: BTreeMap<String, String>,
}

impl Inputs {
    /// Reads them.
    ///
    /// # Errors
    /// Integrity, with what makes it impossible to build the image `shown` again.
    pub(super) fn of(all: &[Provenance], shown: &str) -> Result<Self> {
        let cannot = |why: String| Error::integrity(format!("{shown} cannot be built again")).because(why);
        let provenance = all.first().ok_or_else(|| Error::bug("a build without provenance is repeated"))?;
        if provenance.is_of_a_rebase() {
            let from = provenance.external("image").as_str().unwrap_or("the image that it was rebased from");
            return Err(cannot("it was rebased, and not built".into()).hint(format!("verify {from} instead")));
        }
        check_contract(provenance).map_err(|(why, hint)| cannot(why).hint(hint))?;
        let text = |name: &str| provenance.external(name).as_str().map(str::to_owned);
        let name = text("name").ok_or_else(|| cannot("its provenance has no name".into()))?;
        let created = text("created").and_then(|text| text.parse().ok());
        let created = created.ok_or_else(|| cannot("its provenance has no time of creation".into()))?;
        let call = provenance.external("call");
        if call.is_null() {
            return Err(cannot("its provenance does not record how containerize was called".into())
                .hint("build it once more with this version, which records it"));
        }
        let call: Call = serde_json::from_value(call.clone())
            .map_err(|error| cannot("the call in its provenance cannot be read".into()).because(error))?;
        let targets = provenance.external("platforms").as_object().cloned().unwrap_or_default();
        let language = match targets.values().all(|target| target.get("target").is_some()) {
            true => Language::Rust,
            false => Language::Python,
        };
        let source = Source::of(provenance).map_err(|(why, hint)| cannot(why).hint(hint))?;
        let bases = all.iter().flat_map(Provenance::bases).collect::<Vec<_>>();
        let loose_bases = loose(&targets, &bases);
        let listed = provenance.external("configuration").get("platforms").and_then(Value::as_array);
        let listed = listed.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned);
        let platforms = Some(listed.collect::<Vec<_>>()).filter(|listed| !listed.is_empty());
        let platforms = platforms.unwrap_or_else(|| targets.keys().cloned().collect());
        let remote_cache = provenance.with_role("remote-cache").find_map(|material| material.uri.as_deref());
        let remote_cache = remote_cache.map(|uri| uri.trim_start_matches("oci://").to_owned());
        Ok(Self { name, created, language, platforms, call, source, bases, loose_bases, remote_cache })
    }

    /// The keys that the call set. Those of the image's variables that are not told are in the image itself, where
    /// whoever has it reads them; other values must be `given` again.
    ///
    /// # Errors
    /// Integrity: a value that is not told is not given either.
    pub(super) fn settings(&self, env: &BTreeMap<String, String>, given: &Partial) -> Result<Partial> {
        let mut settings = self.call.settings.clone();
        if let Some(Value::Object(variables)) = settings.get_mut("env") {
            for (name, value) in variables.iter_mut().filter(|(_, value)| is_hidden(value)) {
                env.get(name).iter().for_each(|there| *value = Value::from(there.as_str()));
            }
        }
        if let Some(Value::Object(variables)) = settings.get_mut("build-env") {
            let given = given.build_env.clone().unwrap_or_default();
            for (name, value) in variables.iter_mut() {
                given.get(name).iter().for_each(|there| *value = Value::from(there.as_str()));
            }
        }
        if let Some((key, _)) = settings.iter().find(|(_, value)| is_hidden(value)) {
            let hint = match key.as_str() {
                "build-env" => "set CONTAINERIZE_BUILD_ENV to what the build had",
                _ => "a value with a login in it is not recorded: move the setting into the project",
            };
            let text = format!("the value of {key} that the image was built with is not recorded");
            return Err(Error::integrity(text).hint(hint));
        }
        let table = Value::Object(settings.into_iter().collect());
        let settings = from_table(&table, &Origin::Flag)?;
        Ok(Partial { platforms: Some(self.platforms.clone()), ..settings })
    }
}

/// Whether something in the value is not told.
fn is_hidden(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains(HIDDEN),
        Value::Array(list) => list.iter().any(is_hidden),
        Value::Object(table) => table.values().any(is_hidden),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

fn same_base(reference: &Reference, name: &str) -> bool {
    name.strip_prefix("docker://").unwrap_or(name).parse::<Reference>().is_ok_and(|named| named == *reference)
}

/// The bases whose digests are not told, each once.
fn loose(targets: &Map<String, Value>, told: &[(Reference, Platform, Digest)]) -> Vec<String> {
    let is_told = |name: &str| told.iter().any(|(reference, ..)| same_base(reference, name));
    let named = targets.values().filter_map(|target| target.get("base")?.as_str());
    let loose = named.filter(|name| is_elsewhere(name) && !is_told(name)).map(str::to_owned);
    loose.collect::<BTreeSet<_>>().into_iter().collect()
}

/// Whether the program does not make the base itself.
fn is_elsewhere(name: &str) -> bool {
    !matches!(name, "static" | "scratch") && !name.starts_with("deb:")
}
