//! Which features of a package are on, as far as its own manifest says: enough to know which of its binaries
//! cargo would build.

use std::collections::BTreeSet;

use super::build::Features;
use super::{Package, Project};
use crate::error::Result;

impl Project {
    /// Notes for every binary which of the features it requires are off, when its package is built with what
    /// `chosen` says.
    ///
    /// # Errors
    /// Those of `chosen`.
    pub fn choose_features(&mut self, chosen: impl Fn(&Package) -> Result<Features>) -> Result<()> {
        for package in
            self.packages.iter_mut().filter(|p| p.bins.iter().any(|b| !b.required_features.is_empty()))
        {
            let on = enabled(package, &chosen(package)?);
            for bin in &mut package.bins {
                bin.lacks = lacking(&bin.required_features, &on);
            }
        }
        Ok(())
    }
}

/// The features of `required` that are not among those that are `on`. Those of dependencies (`a/b`) are taken to
/// be: only cargo knows them.
pub fn lacking(required: &[String], on: &BTreeSet<String>) -> Vec<String> {
    required.iter().filter(|name| !name.contains('/') && !on.contains(*name)).cloned().collect()
}

/// All features of the package that are on.
pub fn enabled(package: &Package, chosen: &Features) -> BTreeSet<String> {
    if chosen.all {
        return package.features.keys().cloned().collect();
    }
    let words =
        chosen.features.iter().flat_map(|text| text.split([',', ' '])).filter(|word| !word.is_empty());
    let own = words.filter_map(|word| match word.split_once('/') {
        None => Some(word),
        Some((name, feature)) => (name == package.name).then_some(feature),
    });
    let mut next: Vec<String> = own.map(str::to_owned).collect();
    if !chosen.no_default {
        next.push("default".into());
    }
    let mut on = BTreeSet::new();
    while let Some(name) = next.pop() {
        if on.insert(name.clone()) {
            let implied = package.features.get(&name).into_iter().flatten();
            // `dependency/feature` also switches an optional dependency on.
            let implied = implied.filter(|text| !text.starts_with("dep:") && !text.contains("?/"));
            next.extend(implied.map(|text| text.split('/').next().unwrap_or_default().to_owned()));
        }
    }
    on
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project() -> Project {
        let bin = |name: &str, required: &[&str]| {
            serde_json::json!({"name": name, "kind": ["bin"], "crate_types": ["bin"], "src_path": "/x",
                "edition": "2021", "required-features": required})
        };
        let package = serde_json::json!({"name": "app", "version": "1.0.0", "id": "app", "dependencies": [],
            "targets": [bin("app", &[]), bin("admin", &["admin"]), bin("tls", &["tls"]), bin("d", &["dep/x"])],
            "features": {"default": ["tls"], "tls": ["dep:rustls"], "admin": ["cli"], "cli": ["clap/derive"],
                "full": ["admin", "x?/y"]},
            "manifest_path": "/w/Cargo.toml"});
        let metadata = serde_json::json!({"workspace_members": ["app"], "workspace_default_members": ["app"],
            "packages": [package], "target_directory": "/w/target", "version": 1, "workspace_root": "/w"});
        let metadata = cargo_metadata::MetadataCommand::parse(metadata.to_string()).expect("metadata");
        Project::from_metadata(metadata)
    }

    fn on(features: &[&str], all: bool, no_default: bool) -> Vec<String> {
        let features = features.iter().map(|&text| text.into()).collect();
        let chosen = Features { features, all, no_default };
        enabled(&project().packages[0], &chosen).into_iter().collect()
    }

    #[test]
    fn features_switch_others_on() {
        assert_eq!(on(&[], false, false), ["default", "tls"]);
        assert_eq!(on(&["app/full other/z"], false, true), ["admin", "clap", "cli", "full"]);
        assert_eq!(on(&["a,b"], false, true), ["a", "b"]);
        assert_eq!(on(&[], true, true).len(), 5);
    }

    #[test]
    fn a_binary_lacks_what_is_off() {
        let mut project = project();
        project.choose_features(|_| Ok(Features::default())).expect("features");
        let lacks = |name: &str| {
            let mut bins = project.packages[0].bins.iter();
            bins.find(|bin| bin.name == name).expect(name).lacks.clone()
        };
        assert_eq!(lacks("admin"), ["admin"]);
        assert!(lacks("app").is_empty() && lacks("tls").is_empty() && lacks("d").is_empty());
    }
}
