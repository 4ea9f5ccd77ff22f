//! What a call says of an image beside what the project says, so that the call can be repeated elsewhere.

use std::collections::BTreeMap;
use std::path::Path;

use super::places::{Own, Places};
use super::request::Request;
use crate::error::Result;
use crate::plan::Call;
use crate::redact;
use crate::system::{places as paths, repository_of};

/// Keys that decide where an image goes, what hangs on it and which packages a call means, and nothing in the image.
pub(super) const NOT_IN_THE_IMAGE: &[&str] = &[
    "repository",
    "tags",
    "sbom",
    "attestations",
    "sign",
    "signature-format",
    "policy",
    "remote-cache",
    "cache-trust",
    "base-cache",
    "base-verify",
    "wheel-verify",
    "if-changed",
    "packages",
];

/// What the call says of `image`. It was made in `folder`, or may be made there again.
///
/// # Errors
/// As for the settings themselves.
pub(super) fn called(
    request: &Request,
    places: &Places,
    own: Own<'_>,
    image: &str,
    folder: &Path,
) -> Result<Call> {
    let mut settings = places.said_by_call(own, image)?;
    settings.retain(|row| !NOT_IN_THE_IMAGE.contains(&row.key));
    Ok(Call { folder: within_repository(folder), settings, bins: request.scope.bins, ..Call::default() })
}

/// The same for cargo's projects: cargo looks for its own configuration from the folder of the call.
///
/// # Errors
/// As for the settings themselves.
pub(super) fn called_for_cargo(
    request: &Request,
    places: &Places,
    own: Own<'_>,
    image: &str,
    package: &str,
) -> Result<Call> {
    let manifest = request.rust.manifest_path.as_ref().map(|path| request.dir.join(path));
    let of_manifest = manifest.as_deref().and_then(Path::parent);
    let folder = match within_repository(&request.dir) {
        Some(_) => &request.dir,
        None => of_manifest.unwrap_or(&request.dir),
    };
    let cargo = &request.rust.cargo;
    let clean = |words: &[String]| words.iter().map(|word| redact::clean(word).into_owned()).collect();
    Ok(Call {
        manifest: manifest.as_deref().and_then(within_repository),
        package: Some(package.to_owned()),
        cargo_config: clean(cargo.overrides()),
        cargo_unstable: clean(cargo.unstable()),
        variables: variables(request),
        ..called(request, places, own, image, folder)?
    })
}

/// Whether cargo and the compiler make something else where the variable says something else.
pub(super) fn is_for_the_compiler(name: &str) -> bool {
    let is_flags = name.ends_with("RUSTFLAGS") && (name.starts_with("CARGO_") || name == "RUSTFLAGS");
    is_flags || name.starts_with("CARGO_PROFILE_")
}

/// Those that are set, without values that name folders of this machine: they are worth nothing elsewhere.
fn variables(request: &Request) -> BTreeMap<String, String> {
    let environment = request.rust.cargo.environment().iter();
    let texts = environment.filter_map(|(name, value)| Some((name.to_str()?, value.to_str()?)));
    let wanted = texts.filter(|(name, value)| is_for_the_compiler(name) && !value.is_empty());
    let told = wanted.map(|(name, value)| {
        let shown =
            if names_a_folder(value) { redact::BLANK.into() } else { redact::shown_variable(name, value) };
        (name.to_owned(), shown.into_owned())
    });
    told.collect()
}

fn names_a_folder(text: &str) -> bool {
    let mut words = text.split([' ', '=', ',', ':', '\u{1f}', '"', '\'']);
    words.any(|word| Path::new(word).has_root() || word.starts_with("-L/") || word.contains('\\'))
}

/// A path as it is seen from the root of the repository that it is in.
fn within_repository(path: &Path) -> Option<String> {
    let path = path.canonicalize().ok()?;
    let below = path.strip_prefix(repository_of(&path)?).ok()?;
    if below.as_os_str().is_empty() { Some(".".to_owned()) } else { paths::below(below) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_for_the_compiler_are_known_by_their_names() {
        let names =
            ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_TARGET_X_RUSTFLAGS", "CARGO_PROFILE_RELEASE_LTO"];
        assert!(names.iter().all(|name| is_for_the_compiler(name)));
        assert!(!["CARGO_HOME", "MYRUSTFLAGS", "PATH"].iter().any(|name| is_for_the_compiler(name)));
    }

    #[test]
    fn folders_of_the_machine_are_noticed_in_flags() {
        for text in
            ["-C linker=/usr/bin/clang", "-L/opt/lib", "-L native=/opt", "--remap-path-prefix /home=x"]
        {
            assert!(names_a_folder(text), "{text}");
        }
        for text in ["-C target-cpu=native", "-C link-arg=-fuse-ld=mold", "--cfg feature=\"a/b\""] {
            assert!(!names_a_folder(text), "{text}");
        }
    }
}
