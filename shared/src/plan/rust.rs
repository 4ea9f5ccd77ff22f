//! The plan of a Rust image: one static program on a small base.

use super::labels::{Facts, expand};
use super::{Binary, ImagePlan, Item, LayerPlan, Linkage, Names, PlatformPlan, Runtime};
use crate::base::spec::BaseSpec;
use crate::config::{Mode, Owner, Settings, labels_for};
use crate::error::{Error, Result};
use crate::oci::Platform;
use crate::oci::media_type::Format;

/// What is known of a Rust image before it is planned.
#[derive(Debug, Clone)]
pub struct RustImage {
    /// The image's name.
    pub name: String,
    /// The cargo package.
    pub package: String,
    /// The binary's name.
    pub bin: String,
    /// Its settings.
    pub settings: Settings,
    /// Where it goes.
    pub names: Names,
    /// What placeholders stand for.
    pub facts: Facts,
}

/// Plans one image; `triple` gives the target triple for a platform and the `target` setting.
/// Returns notes for the user beside the plan.
///
/// # Errors
/// Usage: a base or owner that cannot be, too many layers.
pub fn plan_rust(
    image: RustImage,
    triple: impl Fn(&Platform, Option<&str>) -> Result<String>,
) -> Result<(ImagePlan, Vec<String>)> {
    let RustImage { name, package, bin, settings, names, facts } = image;
    let mut notes = Vec::new();
    if settings.format == Format::Docker
        && settings.origins.is_chosen("image-format")
        && !settings.annotations.is_empty()
    {
        notes.push("annotations are left out: Docker's image format has none".into());
    }
    if settings.healthcheck.is_some() && settings.format == Format::Oci {
        notes.push("the health check is Docker's: Podman reads it with image-format = \"docker\" only, Kubernetes never".into());
    }
    let platforms = settings
        .platforms
        .iter()
        .map(|platform| plan_platform(platform, &bin, &settings, &facts, &triple, &mut notes))
        .collect::<Result<Vec<_>>>()?;
    notes.dedup();
    let plan = ImagePlan {
        name,
        version: facts.version,
        tag: names.tag,
        references: names.references,
        format: settings.format,
        compression: settings.compression,
        created: facts.created,
        binary: Binary { package, name: bin, profile: settings.profile.clone(), strip: settings.strip },
        platforms,
        settings,
    };
    Ok((plan, notes))
}

fn plan_platform(
    platform: &Platform,
    bin: &str,
    settings: &Settings,
    facts: &Facts,
    triple: &impl Fn(&Platform, Option<&str>) -> Result<String>,
    notes: &mut Vec<String>,
) -> Result<PlatformPlan> {
    if platform.os != "linux" {
        return Err(Error::usage(format!("images for {platform} cannot be made"))
            .hint("name a linux platform, as linux/amd64"));
    }
    let base = settings.base.for_platform(platform).ok_or_else(|| {
        Error::usage(format!("base ({}) names none for {platform}", settings.origins.describe("base")))
            .hint(format!("add \"{}\" to the table", platform.slug()))
    })?;
    let spec: BaseSpec = base.parse()?;
    let target = triple(platform, settings.target.as_deref())?;
    let linkage = match (spec.is_bare(), target.contains("-musl")) {
        (true, true) => Linkage::Static,
        (true, false) => Linkage::CrtStatic,
        (false, _) => Linkage::Any,
    };
    let path = format!("/usr/local/bin/{bin}");
    let layers = layers(&path, bin, settings)?;
    let runtime = runtime(platform, &path, settings, facts, notes);
    Ok(PlatformPlan { platform: platform.clone(), base: base.to_owned(), target, linkage, layers, runtime })
}

fn layers(path: &str, bin: &str, settings: &Settings) -> Result<Vec<LayerPlan>> {
    let owner = settings.owner;
    let mut layers: Vec<LayerPlan> = settings
        .layers
        .iter()
        .enumerate()
        .map(|(i, layer)| LayerPlan {
            title: format!("layer {}", i + 1),
            items: vec![Item::Outside { layer: layer.clone(), owner }],
        })
        .collect();
    let items = file_items(settings)?;
    if !items.is_empty() {
        layers.push(LayerPlan { title: "files".into(), items });
    }
    layers.push(LayerPlan {
        title: bin.to_owned(),
        items: vec![Item::Program { path: path.to_owned(), owner }],
    });
    if layers.len() > settings.max_layers {
        return Err(Error::usage(format!(
            "the image needs {} layers and max-layers ({}) allows {}",
            layers.len(),
            settings.origins.describe("max-layers"),
            settings.max_layers
        ))
        .hint("raise max-layers, or put several of `layers` into one"));
    }
    Ok(layers)
}

/// Directories, volumes and files, in one layer.
fn file_items(settings: &Settings) -> Result<Vec<Item>> {
    let owner = settings.owner;
    let mut items = Vec::new();
    for dir in &settings.dirs {
        items.push(Item::Directory {
            path: dir.path.clone(),
            mode: dir.mode.unwrap_or(Mode(0o755)),
            owner: dir.owner.unwrap_or(owner),
        });
    }
    // A directory that is declared on its own keeps its own mode and owner.
    for path in settings.volumes.iter().filter(|v| !settings.dirs.iter().any(|dir| same_path(&dir.path, v))) {
        items.push(Item::Directory { path: path.clone(), mode: Mode(0o755), owner: user_owner(settings)? });
    }
    for rule in &settings.files {
        items.push(Item::Files { rule: rule.clone(), owner: rule.owner.unwrap_or(owner) });
    }
    Ok(items)
}

fn same_path(a: &str, b: &str) -> bool {
    let parts = |path| str::split(path, '/').filter(|part| !part.is_empty());
    parts(a).eq(parts(b))
}

/// The owner of what `user` must be able to write.
fn user_owner(settings: &Settings) -> Result<Owner> {
    // The names that the embedded base and the distroless ones give.
    let known = |name: &str| match name {
        "" | "root" => Some(0),
        "nonroot" => Some(65532),
        "nobody" => Some(65534),
        _ => None,
    };
    let (user, group) = settings.user.split_once(':').unwrap_or((&settings.user, &settings.user));
    let id = |text: &str| known(text).or_else(|| text.parse::<u64>().ok());
    match (id(user), id(group)) {
        (Some(uid), Some(gid)) => Ok(Owner { uid, gid }),
        _ => Err(Error::usage(format!(
            "the volumes must belong to the user {:?} ({}), whose number is not known",
            settings.user,
            settings.origins.describe("user")
        ))
        .hint("write the user as numbers, uid:gid")),
    }
}

fn runtime(
    platform: &Platform,
    path: &str,
    settings: &Settings,
    facts: &Facts,
    notes: &mut Vec<String>,
) -> Runtime {
    let labels = labels_for(&settings.labels, platform);
    let (labels, left_out) = expand(labels, facts, platform);
    // What the labels say of the image, the manifest says too; annotations of one's own win.
    let standard = labels.iter().filter(|(name, _)| name.starts_with(super::LABEL_PREFIX));
    let mut annotations: std::collections::BTreeMap<_, _> =
        standard.map(|(name, value)| (name.clone(), value.clone())).collect();
    let (own, also_left_out) = expand(labels_for(&settings.annotations, platform), facts, platform);
    annotations.extend(own);
    for name in left_out.iter().chain(&also_left_out) {
        notes.push(format!("{name} is left out: it asks for {{revision}}, and this is no git checkout"));
    }
    Runtime {
        user: settings.user.clone(),
        workdir: settings.workdir.clone(),
        entrypoint: Some(settings.entrypoint.clone().unwrap_or_else(|| vec![path.to_owned()])),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Layer, Origin, fold, from_toml};
    use crate::plan::names;

    fn plan(text: &str) -> Result<ImagePlan> {
        let defaults = "platforms = ['linux/amd64']\nuser = '65532:65532'\nworkdir = '/'";
        let layers = [(Origin::Default, defaults), (Origin::Flag, text)]
            .map(|(origin, text)| Layer { values: from_toml(text, &origin).expect(text), origin });
        let settings = Settings::new(fold(&layers, "web"))?;
        let facts = Facts { version: "1.0.0".into(), revision: None, created: "1970-01-01T00:00:00Z".into() };
        let names = names(&settings, "web", "1.0.0", false)?;
        let image = RustImage {
            name: "web".into(),
            package: "web".into(),
            bin: "web".into(),
            settings,
            names,
            facts,
        };
        let triple = |p: &Platform, target: Option<&str>| {
            Ok(format!("{}-unknown-linux-{}", p.rust_arch().unwrap_or("?"), target.unwrap_or("musl")))
        };
        plan_rust(image, triple).map(|(plan, _)| plan)
    }

    #[test]
    fn the_default_is_one_static_program() {
        let plan = plan("").expect("a plan");
        let platform = &plan.platforms[0];
        assert_eq!((platform.base.as_str(), platform.linkage), ("static", Linkage::Static));
        assert_eq!(platform.layers.len(), 1);
        assert_eq!(plan.summary(), "web 1.0.0 for linux/amd64 on static, as 65532:65532");
        assert_eq!(platform.runtime.entrypoint, Some(vec!["/usr/local/bin/web".to_owned()]));
    }

    #[test]
    fn linkage_follows_base_and_target() {
        let linkage = |text: &str| plan(text).expect(text).platforms[0].linkage;
        assert_eq!(linkage("target = 'gnu'"), Linkage::CrtStatic);
        assert_eq!(linkage("target = 'gnu'\nbase = 'gcr.io/distroless/cc-debian13'"), Linkage::Any);
        assert_eq!(linkage("base = 'scratch'"), Linkage::Static);
    }

    #[test]
    fn volumes_are_directories_of_the_user_and_dirs_keep_their_own_owner() {
        let plan =
            plan("volumes = ['/data', '/own/']\ndirs = [{ path = '/own', mode = '0700', owner = '5:6' }]")
                .expect("a plan");
        let items = &plan.platforms[0].layers[0].items;
        let directory = |path: &str, mode, uid, gid| Item::Directory {
            path: path.into(),
            mode: Mode(mode),
            owner: Owner { uid, gid },
        };
        assert_eq!(items, &[directory("/own", 0o700, 5, 6), directory("/data", 0o755, 65532, 65532)]);
        assert_eq!(plan.platforms[0].runtime.volumes, ["/data", "/own/"]);
    }

    #[test]
    fn a_volume_of_an_unknown_user_is_refused() {
        let error = super::tests::plan("volumes = ['/data']\nuser = 'app'").expect_err("refused");
        assert!(error.to_string().contains("\"app\" (--user)"), "{error}");
        assert!(plan("user = 'app'").is_ok(), "without volumes the number does not matter");
    }

    #[test]
    fn too_many_layers_are_refused() {
        assert!(plan("layers = ['a', 'b']\nmax-layers = 2").is_err());
        assert!(plan("layers = ['a', 'b']\nmax-layers = 3").is_ok());
    }

    #[test]
    fn a_base_by_platform_must_name_each() {
        let text = "platforms = ['linux/amd64', 'linux/arm64']\nbase = { 'linux-amd64' = 'static' }";
        assert_eq!(plan(text).expect_err("refused").to_string(), "base (--base) names none for linux/arm64");
    }
}
