//! How images were built, as a statement about all manifests of a set: everything that building them again needs.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Value, json};

use super::ingredients::{Distribution, Ingredients, Origin};
use crate::cargo::build::Compiler;
use crate::config::Shown;
use crate::debian;
use crate::error::Result;
use crate::image::{Choices, Image, ImageSet, Made};
use crate::layer;
use crate::oci::{Digest, to_json};
use crate::plan::{Call, ImagePlan, LABEL_PREFIX, PlatformPlan, TargetPlan};
use crate::python::PythonVersion;
use crate::read;
use crate::redact::clean;
use crate::sbom::{Purl, of_crate};
use crate::trust::{Build, Product, Provenance, Resource, Run, Statement};
use crate::wheel;

/// A marker that compares with a version of three numbers, or more.
static PATCH_VERSION: LazyLock<Option<Regex>> = LazyLock::new(|| {
    // Of ASCII alone: classes of Unicode would take megabytes.
    const NAME: &str = "(python_full_version|implementation_version)";
    const COMPARES: &str = "[ \t]*[!=<>~a-z ]+";
    const WITHIN: &str = "[ !#-&(-~]*";
    const VERSION: &str = r"[0-9]+\.[0-9]+\.[0-9]+";
    const QUOTE: &str = r#"\\?['"]"#;
    let before = format!("{NAME}{COMPARES}{QUOTE}{WITHIN}{VERSION}");
    let after = format!("{VERSION}{WITHIN}{QUOTE}{COMPARES}{NAME}");
    Regex::new(&format!("{before}|{after}")).ok()
});

/// What projects and locks require of Python beside markers, with the rest of the line: a table may follow.
static REQUIREMENT: LazyLock<Option<Regex>> = LazyLock::new(|| {
    const KEYS: &str = "(requires[-_]python|python_requires|python-versions|python)";
    Regex::new(&format!(r#"{KEYS}["']?[ \t]*=[ \t\r\n]*[ -~\t]*"#)).ok()
});

/// A version of three numbers, but for the first one of a minor version: two others are both later than that.
static PATCH: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"[0-9]+\.[0-9]+\.0*[1-9][0-9]*").ok());

/// The parameter with what was chosen for each platform's image ([`Choices`]).
pub(super) const CHOICES: &str = "choices";

/// The statement about everything in a set, as JSON. What was `reused` of earlier builds is named beside the materials.
///
/// # Errors
/// Only if a value does not serialise.
pub(super) fn of_set(
    run: Run,
    plan: &ImagePlan,
    set: &ImageSet,
    origins: &[Origin],
    reused: Vec<Resource>,
) -> Result<Vec<u8>> {
    // What the name leads to comes first: some readers show only that.
    let mut digests = vec![set.digest()];
    digests.extend(set.manifests().map(|manifest| manifest.descriptor.digest).filter(|d| *d != set.digest()));
    to_json(&statement(plan, &digests, &set.images, (origins, reused), run))
}

/// The statement about one image that is in the index beside it, as JSON. It says nothing of the run: the same
/// source gives the same index.
///
/// # Errors
/// Only if a value does not serialise.
pub(super) fn of_image(plan: &ImagePlan, image: &Image, origin: &Origin) -> Result<Vec<u8>> {
    let (images, origins) = (std::slice::from_ref(image), std::slice::from_ref(origin));
    let digests = [image.manifest.descriptor.digest];
    to_json(&statement(plan, &digests, images, (origins, Vec::new()), Run::local()).in_older_form())
}

fn statement(
    plan: &ImagePlan,
    digests: &[Digest],
    images: &[Image],
    (origins, reused): (&[Origin], Vec<Resource>),
    run: Run,
) -> Statement<Provenance> {
    let name = plan.references.first().map_or_else(|| plan.name.clone(), |name| name.repository.to_string());
    let subject = digests.iter().map(|digest| Resource::named(&name).sha256(digest)).collect();
    let build = Build {
        product: Product::Image,
        external: external(plan),
        internal: internal(plan, images, origins),
        materials: materials(plan, images, origins).into_iter().chain(reused).collect(),
        byproducts: byproducts(images),
    };
    Provenance::statement(subject, build, run)
}

/// What the caller chose.
fn external(plan: &ImagePlan) -> BTreeMap<String, Value> {
    let platforms = plan.platforms.iter().map(|platform| (platform.platform.to_string(), target(platform)));
    BTreeMap::from([
        ("name".to_owned(), json!(plan.name)),
        ("version".to_owned(), json!(plan.version)),
        ("created".to_owned(), json!(plan.created)),
        ("platforms".to_owned(), platforms.collect()),
        ("configuration".to_owned(), whole(&plan.configuration)),
        ("call".to_owned(), call(&plan.call)),
    ])
}

fn target(platform: &PlatformPlan) -> Value {
    match &platform.target {
        TargetPlan::Rust { target, .. } => json!({ "base": clean(&platform.base), "target": target }),
        TargetPlan::Python(environment) => {
            json!({ "base": clean(&platform.base), "python": environment.interpreter.version.to_string() })
        }
    }
}

/// What the call says beside the project: with that and the project, it can be made again.
fn call(call: &Call) -> Value {
    let Call { folder, manifest, package, bins, settings, cargo_config, cargo_unstable, variables } = call;
    let said = [
        ("folder", json!(folder)),
        ("manifest", json!(manifest)),
        ("package", json!(package)),
        ("bins", if *bins { json!(true) } else { Value::Null }),
        ("settings", whole(settings)),
        ("cargo-config", json!(cargo_config)),
        ("cargo-unstable", json!(cargo_unstable)),
        ("variables", json!(variables)),
    ];
    let is_empty = |value: &Value| match value {
        Value::Array(list) => list.is_empty(),
        Value::Object(table) => table.is_empty(),
        value => value.is_null(),
    };
    said.into_iter()
        .filter(|(_, value)| !is_empty(value))
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// Every key that is set, without where it was set: lists and tables whole again.
fn whole(rows: &[Shown]) -> Value {
    let mut keys: serde_json::Map<String, Value> = serde_json::Map::new();
    for row in rows {
        let (table, name) = match &row.name {
            None => (&mut keys, row.key),
            Some(name) => match keys.entry(row.key).or_insert_with(|| json!({})) {
                Value::Object(table) => (table, name.as_str()),
                _ => continue,
            },
        };
        match table.get_mut(name) {
            Some(Value::Array(list)) if row.is_element => list.push(row.value.clone()),
            _ => {
                let value = if row.is_element { json!([row.value]) } else { row.value.clone() };
                table.insert(name.to_owned(), value);
            }
        }
    }
    json!(keys)
}

fn internal(plan: &ImagePlan, images: &[Image], origins: &[Origin]) -> BTreeMap<String, Value> {
    let compiler = origins.iter().find_map(|origin| origin.parts.compiler.as_ref());
    let compiler = compiler.map(|compiler| ("rustc".to_owned(), json!(compiler.release)));
    [
        ("containerize".to_owned(), json!(env!("CARGO_PKG_VERSION"))),
        ("layerContract".to_owned(), json!(layer::CONTRACT)),
        (CHOICES.to_owned(), choices(plan, images, origins)),
    ]
    .into_iter()
    .chain(compiler)
    .collect()
}

/// What was chosen for each platform's image, whatever its base says.
fn choices(plan: &ImagePlan, images: &[Image], origins: &[Origin]) -> Value {
    let each = images.iter().zip(origins).map(|(image, origin)| {
        let made = Made { libraries: !origin.libraries.is_empty(), exact_python: needs_exact_python(origin) };
        let choices = Choices::of(plan, &origin.runtime, made);
        (image.platform.to_string(), json!(choices))
    });
    each.collect()
}

/// Whether a build with another patch version of Python may install something else, or fail: where the project or its
/// lock speaks of one, or where there are distributions of others and no lock.
fn needs_exact_python(origin: &Origin) -> bool {
    let Ingredients { distributions, python: Some(python), lock, .. } = &origin.parts else { return false };
    let project = |name: &str| match read::text(&origin.dir.join(name), read::DOCUMENT) {
        Ok(text) => names_patch(&text, *python),
        Err(error) => error.kind() != ErrorKind::NotFound,
    };
    let lock = match lock {
        Some(path) => read::text(path, read::LOCK).map_or(true, |text| names_patch(&text, *python)),
        None => !distributions.iter().all(|distribution| distribution.lineage.is_own),
    };
    lock || ["pyproject.toml", "setup.cfg", "setup.py"].into_iter().any(project)
}

/// Whether a marker compares with a patch version, or a requirement names one of this minor version: those of others
/// hold for all of its patch versions, or for none.
fn names_patch(text: &str, python: PythonVersion) -> bool {
    let (Some(marker), Some(requirement), Some(patch)) = (&*PATCH_VERSION, &*REQUIREMENT, &*PATCH) else {
        return true;
    };
    let minor = format!("{}.{}.", python.major, python.minor);
    let names = |requirement: &str| patch.find_iter(requirement).any(|one| one.as_str().starts_with(&minor));
    marker.is_match(text) || requirement.find_iter(text).any(|one| names(one.as_str()))
}

/// Everything that went in, each once.
fn materials(plan: &ImagePlan, images: &[Image], origins: &[Origin]) -> Vec<Resource> {
    let mut all: Vec<Resource> = source(plan).into_iter().collect();
    for (image, origin) in images.iter().zip(origins) {
        let parts = &origin.parts;
        all.extend(parts.lock.as_ref().and_then(|path| {
            let name = path.file_name()?.to_string_lossy().into_owned();
            let bytes = read::bytes(path, read::LOCK).ok()?;
            Some(Resource::named(name).sha256(&Digest::of(&bytes)))
        }));
        all.extend(origin.base.as_ref().map(|(name, digest)| {
            let base = Resource::at(format!("oci://{}", clean(name))).sha256(digest).with("role", "base");
            let base = base.with("platform", image.platform.to_string());
            match &origin.base_signers[..] {
                [] => base,
                signers => base.with("signed-by", signers.to_vec()),
            }
        }));
        all.extend(parts.compiler.as_ref().map(|Compiler { release, commit }| {
            let compiler = Resource::at(Purl::new("generic", "rustc").version(release).to_string());
            let compiler = compiler.with("role", "compiler");
            commit.iter().fold(compiler, |compiler, commit| compiler.digest("gitCommit", commit))
        }));
        all.extend(parts.distributions.iter().filter_map(distribution));
        all.extend(parts.crates.iter().filter(|own| !own.is_root).map(|own| {
            let part = of_crate(own);
            let purl = part.purl.map(|purl| purl.to_string()).unwrap_or_default();
            let resource = Resource::at(purl).from(part.origin);
            part.sha256.iter().fold(resource, |resource, digest| resource.sha256(digest))
        }));
        all.extend(origin.debian.iter().map(package));
        all.extend(origin.libraries.iter().map(|(file, digest, package)| {
            let library =
                Resource::named(file).sha256(digest).with("role", "library of the building machine");
            package.iter().fold(library, |library, package| library.with("package", package.as_str()))
        }));
    }
    let mut unique: Vec<Resource> = Vec::with_capacity(all.len());
    let mut seen = std::collections::BTreeSet::new();
    unique.extend(all.into_iter().filter(|resource| seen.insert(format!("{resource:?}"))));
    unique
}

/// The project's own source.
fn source(plan: &ImagePlan) -> Option<Resource> {
    let revision = plan.revision.as_deref()?;
    let (commit, is_dirty) =
        revision.strip_suffix("-dirty").map_or((revision, false), |commit| (commit, true));
    let labels = &plan.platforms.first()?.runtime.labels;
    let place = labels.get(&format!("{LABEL_PREFIX}.source")).map(|place| clean(place).into_owned());
    let resource = match place {
        Some(place) if place.starts_with("git+") => Resource::at(place),
        Some(place) => Resource::at(format!("git+{place}")),
        None => Resource::named("source"),
    };
    Some(resource.digest("gitCommit", commit).with("role", "source").with("dirty", is_dirty))
}

/// A distribution of others. The project's own come from its source.
fn distribution(of: &Distribution) -> Option<Resource> {
    if of.lineage.is_own {
        return None;
    }
    let version = wheel::version_of(&of.file).unwrap_or_default();
    let purl = |file: &str| {
        Purl::new("pypi", of.name.to_string()).version(&version).with("file_name", file).to_string()
    };
    let address = of.lineage.address.clone();
    let resource = match (&of.lineage.archive, &address) {
        (Some((archive, digest)), _) => {
            let resource = Resource::at(purl(archive)).from(address);
            digest.iter().fold(resource, |resource, digest| resource.sha256(digest))
        }
        (None, Some(git)) if git.starts_with("git+") => {
            let commit = git.rsplit('@').next().unwrap_or_default().to_owned();
            Resource::at(git.clone()).digest("gitCommit", commit)
        }
        (None, _) => Resource::at(purl(&of.file)).from(address).sha256(&of.digest),
    };
    Some(match &of.lineage.publishers[..] {
        [] => resource,
        publishers => resource.with("published-by", publishers.to_vec()),
    })
}

fn package(of: &debian::Package) -> Resource {
    let purl =
        Purl::new("deb", &of.name).of("debian").version(&of.version).with("arch", of.architecture.as_str());
    Resource::at(purl.to_string()).from(Some(clean(&of.url).into_owned())).sha256(&of.digest)
}

/// The layers of all images, the base's included.
fn byproducts(images: &[Image]) -> Vec<Resource> {
    let layers = images.iter().flat_map(|image| {
        let platform = image.platform.to_string();
        image.titles.iter().zip(&image.layers).map(move |(title, layer)| {
            Resource::named(title).sha256(&layer.descriptor.digest).with("platform", platform.as_str())
        })
    });
    layers.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{KEYS, Origin, Place, fold, from_table, from_toml};

    #[test]
    fn constraints_that_name_patch_versions_are_found() {
        let python = "3.13.5".parse().expect("a version");
        for text in [
            "async-timeout ; python_full_version < '3.11.3' \\",
            "marker = \"python_full_version<'3.11.3'\"",
            r#"markers = "python_full_version <= \"3.11.2\"""#,
            "\"3.12.4\" >= python_full_version",
            "implementation_version not in '3.13.1 3.13.2'",
            "requires-python = \">=3.13.4\"",
            "[[package]]\nname = \"a\"\nrequires-python = '>=3.9,<3.13.6'",
            "[tool.poetry.dependencies]\npython = \"^3.13.2\"",
            "x = [{version = \"1\", python = \"<3.13.6\"}, {version = \"2\", python = \">=3.13.6\"}]",
            "\"python\"={version=\"!=3.13.7\"}",
            "python-versions = \"<4.0,>=3.13.1\"",
            "requires_python = \"~=3.13.5\"",
            "[options]\npython_requires =\n    >=3.13.1",
        ] {
            assert!(names_patch(text, python), "{text}");
        }
        for text in [
            "resolution-markers = [\"python_full_version >= '3.13'\"]",
            "colorama==0.4.6 ; python_version < '3.12' and sys_platform == 'win32'",
            "requires-python = \">=3.12.4\"",
            "requires-python = \">=3.13.0,<3.15\"",
            "python-versions = \">=3.7.1,<3.14\"",
            "python = \"^3.13\"\nversion = \"3.13.4\"",
            "version = \"3.11.3\"\nmarker = \"python_full_version < '3.12'\"",
        ] {
            assert!(!names_patch(text, python), "{text}");
        }
    }

    #[test]
    fn settings_are_read_again_as_they_were_set() {
        for key in KEYS.iter().filter(|key| key.name != "build-env") {
            let text = format!("{} = {}", key.name, key.example);
            let values = from_toml(&text, &Origin::Flag).expect(key.name);
            let folded = fold(&[Place { origin: Origin::Flag, values: values.clone() }], "x");
            let recorded = whole(&folded.values.shown(&folded.origins));
            let again = from_table(&recorded, &Origin::Flag);
            assert_eq!(again.unwrap_or_else(|error| panic!("{recorded}: {error}")), values, "{recorded}");
        }
    }
}
