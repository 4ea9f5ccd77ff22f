//! The plan of a Rust image: one static program on a small base.

use super::labels::Facts;
use super::shared::{
    base_for, file_items, format_notes, image_plan, outside_layers, refuse_place, runtime, within_limit,
};
use super::{
    Binary, Features, ImagePlan, Item, LayerPlan, Linkage, Names, PlatformPlan, ProjectPlan, TargetPlan,
};
use crate::base::spec::BaseSpec;
use crate::config::Settings;
use crate::error::Result;
use crate::oci::Platform;

/// What is known of a Rust image before it is planned.
#[derive(Debug, Clone)]
pub struct RustImage<'a> {
    /// The image's name.
    pub name: String,
    /// The cargo package.
    pub package: String,
    /// The binary's name.
    pub bin: String,
    /// What all places say about it, folded and checked.
    pub settings: &'a Settings,
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
    image: RustImage<'_>,
    triple: impl Fn(&Platform, Option<&str>) -> Result<String>,
) -> Result<(ImagePlan, Vec<String>)> {
    let RustImage { name, package, bin, settings, names, facts } = image;
    let mut notes = Vec::new();
    format_notes(settings, &mut notes);
    let platforms = settings
        .platforms
        .iter()
        .map(|platform| plan_platform(platform, &bin, settings, &facts, &triple, &mut notes))
        .collect::<Result<Vec<_>>>()?;
    notes.dedup();
    let project = ProjectPlan::Binary(Binary {
        package,
        name: bin,
        profile: settings.profile.clone(),
        strip: settings.strip,
        features: Features::of(settings),
        auditable: settings.auditable,
        if_changed: settings.if_changed,
    });
    Ok((image_plan(name, settings, names, facts, project, platforms), notes))
}

fn plan_platform(
    platform: &Platform,
    bin: &str,
    settings: &Settings,
    facts: &Facts,
    triple: &impl Fn(&Platform, Option<&str>) -> Result<String>,
    notes: &mut Vec<String>,
) -> Result<PlatformPlan> {
    let base = base_for(settings, platform)?;
    let spec: BaseSpec = base.parse()?;
    let target = triple(platform, settings.target.as_deref())?;
    let linkage = match (spec.is_bare(), target.contains("-musl")) {
        (true, true) => Linkage::Static,
        (true, false) => Linkage::CrtStatic,
        (false, _) => Linkage::Any,
    };
    let path = format!("/usr/local/bin/{bin}");
    let layers = layers(&path, bin, settings)?;
    let runtime = runtime(platform, settings, Some(vec![path]), facts, notes);
    let target = TargetPlan::Rust { target, linkage };
    Ok(PlatformPlan {
        platform: platform.clone(),
        base: base.to_owned(),
        debian: settings.debian.packages.clone(),
        target,
        layers,
        runtime,
    })
}

fn layers(path: &str, bin: &str, settings: &Settings) -> Result<Vec<LayerPlan>> {
    let owner = settings.owner;
    let mut layers = outside_layers(settings);
    refuse_place(path, settings)?;
    let items = file_items(settings)?;
    if !items.is_empty() {
        layers.push(LayerPlan { title: "files".into(), items });
    }
    layers.push(LayerPlan {
        title: bin.to_owned(),
        items: vec![Item::Program { path: path.to_owned(), owner }],
    });
    within_limit(layers.len(), settings)?;
    Ok(layers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Mode, Origin, Owner, Place, fold, from_toml};
    use crate::plan::{Naming, names};

    fn plan(text: &str) -> Result<ImagePlan> {
        planned(text).map(|(plan, _)| plan)
    }

    fn notes(text: &str) -> Vec<String> {
        planned(text).expect(text).1
    }

    fn planned(text: &str) -> Result<(ImagePlan, Vec<String>)> {
        let defaults = "platforms = ['linux/amd64']\nuser = '65532:65532'\nworkdir = '/'";
        let layers = [(Origin::Default, defaults), (Origin::Flag, text)]
            .map(|(origin, text)| Place { values: from_toml(text, &origin).expect(text), origin });
        let settings = Settings::new(fold(&layers, "web"))?;
        let facts = Facts { version: "1.0.0".into(), revision: None, created: "1970-01-01T00:00:00Z".into() };
        let naming = Naming {
            name: "web",
            facts: &facts,
            branch: None,
            shares_repository: false,
            has_siblings: false,
            is_one_of_several: false,
        };
        let names = names(&settings, &naming)?;
        let image = RustImage {
            name: "web".into(),
            package: "web".into(),
            bin: "web".into(),
            settings: &settings,
            names,
            facts,
        };
        let triple = |p: &Platform, target: Option<&str>| {
            Ok(format!("{}-unknown-linux-{}", p.rust_arch().unwrap_or("?"), target.unwrap_or("musl")))
        };
        plan_rust(image, triple)
    }

    fn linkage(platform: &PlatformPlan) -> Linkage {
        let TargetPlan::Rust { linkage, .. } = platform.target else { panic!("not Rust") };
        linkage
    }

    #[test]
    fn the_default_is_one_static_program() {
        let plan = plan("").expect("a plan");
        let platform = &plan.platforms[0];
        assert_eq!((platform.base.as_str(), linkage(platform)), ("static", Linkage::Static));
        assert_eq!(platform.layers.len(), 1);
        assert_eq!(plan.summary(), "web 1.0.0 for linux/amd64 on static, as 65532:65532");
        assert_eq!(platform.runtime.entrypoint, Some(vec!["/usr/local/bin/web".to_owned()]));
    }

    #[test]
    fn linkage_follows_base_and_target() {
        let of = |text: &str| linkage(&plan(text).expect(text).platforms[0]);
        assert_eq!(of("target = 'gnu'"), Linkage::CrtStatic);
        assert_eq!(of("target = 'gnu'\nbase = 'gcr.io/distroless/cc-debian13'"), Linkage::Any);
        assert_eq!(of("base = 'scratch'"), Linkage::Static);
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
        assert_eq!(items, &[directory("/own", 0o700, 5, 6), directory("/data", 0o775, 65532, 0)]);
        assert_eq!(plan.platforms[0].runtime.volumes, ["/data", "/own/"]);
    }

    #[test]
    fn a_volume_of_an_unknown_user_is_refused() {
        let error = super::tests::plan("volumes = ['/data']\nuser = 'app'").expect_err("refused");
        assert!(error.to_string().contains("\"app\" (--user)"), "{error}");
        assert!(plan("user = 'app'").is_ok(), "without volumes the number does not matter");
    }

    #[test]
    fn the_place_of_the_program_is_taken() {
        for (text, key) in [
            ("volumes = ['/usr/local/bin/web']", "volumes (--volume)"),
            ("dirs = [{ path = '/usr//local/bin/web' }]", "dirs (--dirs)"),
            ("files = [{ from = 'x', to = '/usr/local/bin/web' }]", "files (--file)"),
        ] {
            let error = super::tests::plan(text).expect_err(text);
            assert_eq!(error.to_string(), format!("{key}: /usr/local/bin/web is where the program goes"));
        }
        assert!(
            plan("files = [{ from = 'x', to = '/usr/local/bin/web/' }]\nvolumes = ['/usr/local/bin']")
                .is_ok()
        );
    }

    #[test]
    fn what_only_a_shell_understands_is_said() {
        let said = |text: &str| notes(text).join("\n");
        assert!(said("cmd = 'a && b'").contains("cmd (--cmd) contains `&&`"));
        assert!(said("healthcheck = { command = 'hello || exit 1' }").contains("contains `||`"));
        for word in ["$HOME/x", "--port=${PORT}", "$(hostname)", "~/data", "*.conf", "/etc/*.d/x", "`id`"] {
            let cmd = format!("cmd = ['--all', '{word}']");
            assert!(said(&cmd).contains(&format!("cmd (--cmd) contains `{word}`")), "{word}");
            assert!(!said(&format!("entrypoint = ['/bin/sh', '-c']\n{cmd}")).contains("holds `"), "{word}");
        }
        for word in ["*", "US$", "$5", "a~b", "^x.*$", "http://h/~me", "*/5 * * * *"] {
            assert!(!said(&format!("cmd = ['{word}']")).contains("holds `"), "{word}");
        }
        for right in ["cmd = ['sh', '-c', 'a && b']", "healthcheck = { command = ['CMD-SHELL', 'a || b'] }"] {
            assert!(!said(right).contains("holds `"), "{right}");
        }
    }

    #[test]
    fn an_init_comes_before_the_program() {
        let plan = plan("init = true").expect("a plan");
        assert_eq!(plan.platforms[0].runtime.init, ["/usr/local/sbin/tini", "--"]);
        assert!(super::tests::plan("init = true\nmax-layers = 1").is_err(), "it needs a layer");
    }

    #[test]
    fn too_many_layers_are_refused() {
        assert!(plan("layers = ['a', 'b']\nmax-layers = 2").is_err());
        assert!(plan("layers = ['a', 'b']\nmax-layers = 3").is_ok());
    }

    #[test]
    fn a_base_by_platform_must_name_each() {
        let text = "platforms = ['linux/amd64', 'linux/arm64']\nbase = { 'linux-amd64' = 'static' }";
        assert_eq!(
            plan(text).expect_err("refused").to_string(),
            "base (--base) has no entry for linux/arm64"
        );
    }
}
