//! How target triples and platforms go together.

use crate::cargo::settings::Settings;
use crate::cargo::{Cargo, target};
use crate::config::{Folded, Origin, Partial, Place, fold};
use crate::error::{Error, Result};
use crate::oci::Platform;
use crate::plan::{ImagePlan, TargetPlan};

/// Folds the places for `image`. Where a target is chosen and no platform, the platform is the
/// target's own.
///
/// # Errors
/// Usage: the target is for none of the platforms, and the call has not said that they count.
pub(super) fn with_platform(mut stack: Vec<Place>, image: &str) -> Result<Folded> {
    let folded = fold(&stack, image);
    let Some(triple) = &folded.values.target else { return Ok(folded) };
    // What is no target for Linux is refused when it is planned.
    let Some(platform) = target::platform(triple) else { return Ok(folded) };
    if !folded.origins.is_chosen("platforms") {
        let platforms = Some(vec![platform.to_string()]);
        let values = Partial { platforms, ..Partial::default() };
        stack.insert(1, Place { origin: Origin::Detected("the target"), values });
        return Ok(fold(&stack, image));
    }
    let names = folded.values.platforms.clone().unwrap_or_default();
    let platforms =
        names.iter().flat_map(|names| names.split(',')).filter_map(|name| name.trim().parse().ok());
    let platforms: Vec<Platform> = platforms.collect();
    let fits = platforms.iter().any(|wanted| platform.serves(wanted));
    // A call that names a platform takes no more than the libc from the project's target.
    let is_nearer = [Origin::Flag, Origin::Environment].iter().any(|origin| {
        folded.origins.is_from("platforms", origin) && !folded.origins.is_from("target", origin)
    }) && !folded.origins.is_from("target", &Origin::Flag);
    if fits || platforms.is_empty() || is_nearer {
        return Ok(folded);
    }
    Err(Error::usage(format!(
        "the target {triple} is for {platform}, but the image is for {}",
        names.join(", ")
    ))
    .hint("remove either target (--target) or platforms (--platform)"))
}

/// Says that a target of cargo's own configuration is not the one that is built for.
pub(super) fn unused(cargo: &Cargo, plan: &ImagePlan, settings: &crate::config::Settings) -> Option<String> {
    if settings.target.is_some() {
        return None;
    }
    let built = plan.platforms.iter().filter_map(|platform| match &platform.target {
        TargetPlan::Rust { target, .. } => Some(target::bare(target)),
        TargetPlan::Python(_) => None,
    });
    other_than(&built.collect::<Vec<_>>(), cargo)
}

fn other_than(built: &[&str], cargo: &Cargo) -> Option<String> {
    let configured = match cargo.environment().text("CARGO_BUILD_TARGET").filter(|text| !text.is_empty()) {
        Some(triple) => vec![triple.to_owned()],
        None => Settings::read(cargo).words(&["build", "target"]),
    };
    let other = configured.iter().find(|triple| !triple.is_empty() && !built.contains(&triple.as_str()))?;
    Some(format!(
        "cargo is configured for {other} ([build] target or CARGO_BUILD_TARGET), which is ignored: the program is built for {}; choose another target with --target",
        built.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::from_toml;

    /// The platforms that come of these places, each an origin and its text.
    fn platforms(places: &[(Origin, &str)]) -> Result<String> {
        let defaults = (Origin::Default, "platforms = ['linux/amd64']");
        let stack = [&[defaults], places].concat();
        let stack = stack
            .into_iter()
            .map(|(origin, text)| Place { values: from_toml(text, &origin).expect(text), origin });
        let folded = with_platform(stack.collect(), "app")?;
        Ok(folded.values.platforms.unwrap_or_default().join(" "))
    }

    const ARM: &str = "target = 'aarch64-unknown-linux-musl'";
    const GNU: &str = "target = 'x86_64-unknown-linux-gnu'";

    #[test]
    fn a_target_alone_says_the_platform() {
        assert_eq!(platforms(&[(Origin::Flag, ARM)]).expect("platforms"), "linux/arm64");
        assert_eq!(platforms(&[(Origin::Table("t".into()), ARM)]).expect("platforms"), "linux/arm64");
        assert_eq!(platforms(&[(Origin::Flag, GNU)]).expect("platforms"), "linux/amd64");
        assert_eq!(platforms(&[(Origin::Flag, "target = 'wasm32-wasip1'")]).expect("later"), "linux/amd64");
    }

    #[test]
    fn a_target_for_one_of_the_platforms_gives_the_others_their_libc() {
        let both = "platforms = ['linux/arm64,linux/amd64']";
        let chosen = platforms(&[(Origin::Environment, both), (Origin::Flag, GNU)]).expect("platforms");
        assert_eq!(chosen, "linux/arm64,linux/amd64");
        let table = Origin::Table("t".into());
        let called = platforms(&[(table, GNU), (Origin::Flag, "platforms = ['linux/arm64']")]);
        assert_eq!(called.expect("the call counts"), "linux/arm64");
    }

    #[test]
    fn a_contradiction_is_refused() {
        let other = "platforms = ['linux/amd64']";
        let table = || Origin::Table("t".into());
        let both = format!("{other}\n{ARM}");
        for places in [
            vec![(Origin::Flag, both.as_str())],
            vec![(table(), both.as_str())],
            vec![(table(), other), (Origin::Flag, ARM)],
            vec![(Origin::Environment, other), (Origin::Flag, ARM)],
        ] {
            let error = platforms(&places).expect_err("refused");
            assert_eq!(error.kind(), crate::Kind::Usage);
            assert!(error.to_string().contains("is for linux/arm64"), "{error}");
        }
    }

    #[test]
    fn an_unused_target_of_cargos_is_noted() {
        let folder = tempfile::tempdir().expect("folder");
        let note = |variables: &[(&str, &str)], config: &str| {
            let cargo = Cargo::new(folder.path(), variables.iter().copied().collect());
            other_than(&["x86_64-unknown-linux-musl"], &cargo.with_config(vec![config.into()]))
        };
        assert_eq!(note(&[], ""), None);
        let gnu = "build.target = 'x86_64-unknown-linux-gnu'";
        assert!(note(&[], gnu).is_some_and(|note| note.contains("configured for x86_64-unknown-linux-gnu")));
        assert!(note(&[], "build.target = ['wasm32-wasip1']").is_some());
        assert!(note(&[("CARGO_BUILD_TARGET", "wasm32-wasip1")], "").is_some());
        assert_eq!(note(&[("CARGO_BUILD_TARGET", "x86_64-unknown-linux-musl")], gnu), None);
    }
}
