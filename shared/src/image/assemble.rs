//! Putting base, plan and layers together.

use std::collections::BTreeMap;

use super::Image;
use crate::base::BaseImage;
use crate::error::{Error, Result};
use crate::layer::Layer;
use crate::oci::media_type::{Format, layer_compression};
use crate::oci::{Execution, History, ImageConfig, Manifest, Platform, to_json};
use crate::plan::{ImagePlan, LABEL_PREFIX, PlatformPlan, Runtime};
use crate::store::Blob;

/// What one platform's image says of itself, whichever base it is laid on.
#[derive(Debug, Clone, Copy)]
pub struct Said<'a> {
    /// What it runs on.
    pub platform: &'a Platform,
    /// The family of its media types.
    pub format: Format,
    /// Time of creation, RFC 3339.
    pub created: &'a str,
    /// What its configuration says beyond the base's.
    pub runtime: &'a Runtime,
}

/// Makes the image for one platform of `image`: the base's layers, then ours.
///
/// # Errors
/// Only if a value does not serialise or a base layer has no known type.
pub fn assemble(base: &BaseImage, image: &ImagePlan, plan: &PlatformPlan, ours: &[Layer]) -> Result<Image> {
    let (format, created) = (image.format, image.created.as_str());
    lay(base, &Said { platform: &plan.platform, format, created, runtime: &plan.runtime }, ours)
}

/// The same of what is known of an image without its plan.
///
/// # Errors
/// As [`assemble`].
pub fn lay(base: &BaseImage, said: &Said<'_>, ours: &[Layer]) -> Result<Image> {
    let Said { platform, format, .. } = *said;
    let mut runtime = said.runtime.clone();
    for (key, value) in
        [("base.name", base.name.clone()), ("base.digest", base.digest.map(|d| d.to_string()))]
    {
        // Only registry bases: a digest without a name leads nowhere.
        if let (Some(value), true) = (value, base.name.is_some()) {
            let key = format!("{LABEL_PREFIX}.{key}");
            runtime.labels.entry(key.clone()).or_insert_with(|| value.clone());
            runtime.annotations.entry(key).or_insert(value);
        }
    }
    let config = configuration(base, said, &runtime, ours);
    let config = Blob::of(format.config(), to_json(&config)?);
    let layers = layers(base, format, ours)?;
    let contents = layers.iter().map(|blob| blob.descriptor.clone()).collect();
    let manifest = Manifest {
        annotations: match format {
            Format::Oci => runtime.annotations,
            Format::Docker => BTreeMap::new(),
        },
        ..Manifest::new(format.manifest(), config.descriptor.clone(), contents)
    };
    let manifest = Blob::of(format.manifest(), to_json(&manifest)?);
    let base_titles = (1..=base.layers.len()).map(|i| format!("base {i}"));
    let titles = base_titles.chain(ours.iter().map(|layer| layer.title.clone())).collect();
    Ok(Image { platform: platform.clone(), manifest, config, layers, titles })
}

/// The base's layers in the image's family of media types, then ours.
fn layers(base: &BaseImage, format: Format, ours: &[Layer]) -> Result<Vec<Blob>> {
    let mut layers = Vec::with_capacity(base.layers.len() + ours.len());
    for blob in &base.layers {
        let mut blob = blob.clone();
        let compression = layer_compression(&blob.descriptor.media_type).ok_or_else(|| {
            Error::build(format!("the base has a layer of type {:?}", blob.descriptor.media_type))
        })?;
        blob.descriptor.media_type = format.layer(compression).into();
        layers.push(blob);
    }
    layers.extend(ours.iter().map(|layer| {
        let mut blob = layer.blob.clone();
        if format == Format::Docker {
            // Its manifests know none.
            blob.descriptor.annotations.clear();
        }
        blob
    }));
    Ok(layers)
}

fn configuration(base: &BaseImage, said: &Said<'_>, runtime: &Runtime, ours: &[Layer]) -> ImageConfig {
    let mut config = base.config.clone();
    let Platform { architecture, os, variant, .. } = said.platform.clone();
    (config.architecture, config.os) = (architecture, os);
    config.variant = variant.or(config.variant);
    config.created = Some(said.created.to_owned());
    // The base's author did not make this image.
    config.author = None;
    execution(&mut config.config, runtime);
    for layer in ours {
        config.rootfs.diff_ids.push(layer.diff_id);
        config.history.push(History::of_layer(&layer.title));
    }
    config
}

/// Lays what the plan says over what the base says.
fn execution(config: &mut Execution, runtime: &Runtime) {
    let set = |slot: &mut Option<String>, value: &Option<String>| {
        if value.is_some() {
            slot.clone_from(value);
        }
    };
    set(&mut config.user, &Some(runtime.user.clone()).filter(|user| !user.is_empty()));
    set(&mut config.working_dir, &runtime.workdir);
    set(&mut config.stop_signal, &runtime.stop_signal);
    if let Some(entrypoint) = &runtime.entrypoint {
        config.entrypoint = Some(entrypoint.clone()).filter(|words| !words.is_empty());
        // The base's arguments were meant for the base's program.
        config.cmd = None;
    }
    if let Some(cmd) = &runtime.cmd {
        config.cmd = Some(cmd.clone()).filter(|words| !words.is_empty());
    }
    if !runtime.init.is_empty() {
        let started = config.entrypoint.take().unwrap_or_default();
        config.entrypoint = Some([runtime.init.clone(), started].concat());
    }
    if let Some(healthcheck) = &runtime.healthcheck {
        config.healthcheck = Some(healthcheck.clone());
    }
    let checked_by_shell = config
        .healthcheck
        .as_ref()
        .is_some_and(|check| check.test.first().is_some_and(|how| how == "CMD-SHELL"));
    if !checked_by_shell {
        // Docker's shell for lines of Dockerfiles: all else that it would run is a health check.
        config.extra.remove("Shell");
    }
    environment(&mut config.env, runtime);
    config.exposed_ports.extend(runtime.ports.iter().map(|port| (port.clone(), Default::default())));
    config.volumes.extend(runtime.volumes.iter().map(|path| (path.clone(), Default::default())));
    // A base's labels describe the base.
    config.labels.retain(|name, _| !name.starts_with(LABEL_PREFIX));
    config.labels.extend(runtime.labels.clone());
}

/// Replaces variables in their place and appends new ones.
fn environment(env: &mut Vec<String>, runtime: &Runtime) {
    let name = |line: &str| line.split_once('=').map_or(line, |(name, _)| name).to_owned();
    env.retain(|line| !runtime.unset_env.contains(&name(line)));
    for (key, value) in &runtime.env {
        let line = format!("{key}={value}");
        match env.iter_mut().find(|line| name(line) == *key) {
            Some(slot) => *slot = line,
            None => env.push(line),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::Descriptor;
    use crate::oci::media_type::Compression;

    fn runtime() -> Runtime {
        Runtime {
            user: "65532:65532".into(),
            workdir: None,
            init: Vec::new(),
            entrypoint: Some(vec!["/web".into()]),
            cmd: None,
            env: [("A".to_owned(), "2".to_owned()), ("C".to_owned(), "3".to_owned())].into(),
            unset_env: vec!["B".into()],
            ports: vec!["80/tcp".into()],
            volumes: Vec::new(),
            labels: [("own".to_owned(), "1".to_owned())].into(),
            annotations: BTreeMap::new(),
            stop_signal: None,
            healthcheck: None,
        }
    }

    #[test]
    fn what_is_noted_of_a_layer_stands_in_the_manifest_of_oci() {
        let note = ("org.example.note".to_owned(), "made of one wheel".to_owned());
        let mut descriptor = Descriptor::of(Format::Oci.layer(Compression::Gzip), b"layer");
        descriptor.annotations.extend([note.clone()]);
        let blob = Blob { descriptor, source: crate::store::Source::File("layer".into()) };
        let diff_id = crate::oci::Digest::of(b"tar");
        let ours = [Layer { blob, diff_id, title: "wheel".into(), fresh: true }];
        let base = BaseImage {
            name: None,
            digest: None,
            version: None,
            config: ImageConfig::default(),
            layers: vec![],
        };
        let noted = |format| layers(&base, format, &ours).expect("layers")[0].descriptor.annotations.clone();
        assert_eq!(noted(Format::Oci), [note].into());
        assert!(noted(Format::Docker).is_empty());
    }

    fn base() -> Execution {
        let text = r#"{"User":"0","Env":["B=1","A=1"],"Entrypoint":["/base"],"Cmd":["x"],"WorkingDir":"/w","StopSignal":"SIGINT",
            "Labels":{"org.opencontainers.image.title":"the base","other":"kept"},"StopTimeout":5,"Shell":["/bin/bash"]}"#;
        serde_json::from_str(text).expect("a configuration")
    }

    #[test]
    fn the_plan_lies_over_the_base() {
        let mut config = base();
        execution(&mut config, &runtime());
        assert_eq!(config.user.as_deref(), Some("65532:65532"));
        assert_eq!(config.env, ["A=2", "C=3"]);
        assert_eq!(config.working_dir.as_deref(), Some("/w"), "kept");
        assert_eq!(config.stop_signal.as_deref(), Some("SIGINT"), "kept");
        assert_eq!(
            config.labels.keys().collect::<Vec<_>>(),
            ["other", "own"],
            "the base's title is not ours"
        );
        assert_eq!(config.extra.keys().collect::<Vec<_>>(), ["StopTimeout"], "no line of ours needs a shell");
        let by_shell = r#"{"Test":["CMD-SHELL","x"]}"#;
        let mut config = Execution { healthcheck: serde_json::from_str(by_shell).ok(), ..base() };
        execution(&mut config, &runtime());
        assert!(config.extra.contains_key("Shell"), "the base's health check does");
    }

    #[test]
    fn the_bases_arguments_go_with_its_entrypoint() {
        let mut config = base();
        execution(&mut config, &runtime());
        assert_eq!((config.entrypoint, config.cmd), (Some(vec!["/web".to_owned()]), None));
        let mut kept = base();
        execution(&mut kept, &Runtime { entrypoint: None, ..runtime() });
        assert_eq!(kept.cmd, Some(vec!["x".to_owned()]));
        let mut cleared = base();
        execution(
            &mut cleared,
            &Runtime { entrypoint: Some(vec![]), cmd: Some(vec!["y".into()]), ..runtime() },
        );
        assert_eq!((cleared.entrypoint, cleared.cmd), (None, Some(vec!["y".to_owned()])));
    }

    #[test]
    fn an_init_starts_whatever_would_be_started() {
        let init = || vec!["/init".to_owned(), "--".to_owned()];
        let base = || Execution { entrypoint: Some(vec!["/base".into()]), ..Execution::default() };
        for (own, expected) in
            [(None, "/init -- /base"), (Some(vec![]), "/init --"), (Some(vec!["/a".into()]), "/init -- /a")]
        {
            let mut found = base();
            execution(&mut found, &Runtime { init: init(), entrypoint: own, ..runtime() });
            assert_eq!(found.entrypoint.expect("an entrypoint").join(" "), expected);
        }
    }
}
