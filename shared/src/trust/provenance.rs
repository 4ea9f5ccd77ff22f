//! How an image was built (SLSA specification v1, "Build: Provenance"). Nothing in it depends on when or by whom it
//! is written but what names the run, so that the same build gives the same document.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::statement::{Resource, Statement};
use crate::oci::{Digest, Platform, Reference};

/// The type of the predicate.
pub const PROVENANCE: &str = "https://slsa.dev/provenance/v1";

/// What the parameters mean: a page of the documentation.
pub const BUILD_TYPE: &str = concat!(env!("CARGO_PKG_REPOSITORY"), "/blob/main/docs/provenance.md#image-v1");

/// The same for files that the caller named: who stated it and where, and not from which inputs.
pub const FILES_TYPE: &str = concat!(env!("CARGO_PKG_REPOSITORY"), "/blob/main/docs/provenance.md#files-v1");

/// The same for images that were moved to another base without being built.
const REBASE_TYPE: &str = concat!(env!("CARGO_PKG_REPOSITORY"), "/blob/main/docs/provenance.md#rebase-v1");

/// Who built where no CI system is known: whoever signs, and nobody else.
pub const LOCAL_BUILDER: &str =
    concat!(env!("CARGO_PKG_REPOSITORY"), "/blob/main/docs/provenance.md#local-builder-v1");

/// The predicate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Provenance {
    build_definition: Definition,
    run_details: Details,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Definition {
    build_type: String,
    // Not all who write the predicate have something to say here.
    #[serde(default)]
    external_parameters: BTreeMap<String, Value>,
    #[serde(default)]
    internal_parameters: BTreeMap<String, Value>,
    #[serde(default)]
    resolved_dependencies: Vec<Resource>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Details {
    builder: BuilderIs,
    #[serde(default, skip_serializing_if = "Metadata::is_empty")]
    metadata: Metadata,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    byproducts: Vec<Resource>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct BuilderIs {
    id: String,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    version: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    #[serde(skip_serializing_if = "Option::is_none")]
    invocation_id: Option<String>,
}

impl Metadata {
    fn is_empty(&self) -> bool {
        self.invocation_id.is_none()
    }
}

/// What was built.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Product {
    /// An image of this program.
    #[default]
    Image,
    /// Files that something else built.
    Files,
    /// An image of this program, of the layers of another one and another base.
    Rebased,
}

/// What was built, and from what.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Build {
    /// What the parameters are about.
    pub product: Product,
    /// What the caller chose.
    pub external: BTreeMap<String, Value>,
    /// What follows from the program that built.
    pub internal: BTreeMap<String, Value>,
    /// Everything that went in, or that it was made with.
    pub materials: Vec<Resource>,
    /// What came out beside the image: its layers.
    pub byproducts: Vec<Resource>,
}

/// The run that built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Who built: an address that stands for whoever is trusted with the build.
    pub builder: String,
    /// What names the run, as the address of its log.
    pub invocation: Option<String>,
}

impl Run {
    /// The run as the variables of CI systems tell it. The builder is the workflow that somebody vouches for, or
    /// GitLab's runner, elsewhere the local one: on GitHub variables name the workflow that was called first, which
    /// need not be the one that builds.
    pub fn of(variables: &BTreeMap<String, String>, workflow: Option<String>) -> Self {
        let value = |name: &str| variables.get(name).map(|text| text.trim()).filter(|text| !text.is_empty());
        let is_true = |name: &str| value(name).is_some_and(|text| text == "true");
        if is_true("GITHUB_ACTIONS") {
            let server = value("GITHUB_SERVER_URL").unwrap_or("https://github.com");
            let run = || {
                let attempt = value("GITHUB_RUN_ATTEMPT").unwrap_or("1");
                let (repository, run) = (value("GITHUB_REPOSITORY")?, value("GITHUB_RUN_ID")?);
                Some(format!("{server}/{repository}/actions/runs/{run}/attempts/{attempt}"))
            };
            let builder = workflow.unwrap_or_else(|| LOCAL_BUILDER.to_owned());
            return Self { builder, invocation: run() };
        }
        if is_true("GITLAB_CI")
            && let (Some(server), Some(runner)) = (value("CI_SERVER_URL"), value("CI_RUNNER_ID"))
        {
            let builder = format!("{server}/-/runners/{runner}");
            return Self { builder, invocation: value("CI_JOB_URL").map(str::to_owned) };
        }
        Self::local()
    }

    /// The address of the repository whose job this is, as the variables of CI systems tell it.
    pub fn repository(variables: &BTreeMap<String, String>) -> Option<String> {
        let value = |name: &str| variables.get(name).map(|text| text.trim()).filter(|text| !text.is_empty());
        match value("GITHUB_REPOSITORY") {
            Some(name) => {
                let server = value("GITHUB_SERVER_URL").unwrap_or("https://github.com");
                Some(format!("{server}/{name}"))
            }
            None => value("CI_PROJECT_URL").map(str::to_owned),
        }
    }

    /// The builder that nobody vouches for, and no run.
    pub fn local() -> Self {
        Self { builder: LOCAL_BUILDER.to_owned(), invocation: None }
    }
}

impl Provenance {
    /// Whether this program built an image so: only then do the parameters have a meaning here.
    pub fn is_of_an_image(&self) -> bool {
        self.build_definition.build_type == BUILD_TYPE
    }

    /// Whether this program moved an image to another base so.
    pub fn is_of_a_rebase(&self) -> bool {
        self.build_definition.build_type == REBASE_TYPE
    }

    /// The bases from registries, each with the platform that it is for.
    pub fn bases(&self) -> impl Iterator<Item = (Reference, Platform, Digest)> {
        self.with_role("base").filter_map(|material| {
            let reference = material.uri.as_deref()?.strip_prefix("oci://")?.parse().ok()?;
            let platform = material.annotations.get("platform")?.as_str()?.parse().ok()?;
            Some((reference, platform, material.digest_of_content()?))
        })
    }

    /// One of the parameters that the caller chose.
    pub fn external(&self, name: &str) -> &Value {
        self.build_definition.external_parameters.get(name).unwrap_or(&Value::Null)
    }

    /// One of those that follow from the program that built.
    pub fn internal(&self, name: &str) -> &Value {
        self.build_definition.internal_parameters.get(name).unwrap_or(&Value::Null)
    }

    /// Who built.
    pub fn builder(&self) -> &str {
        &self.run_details.builder.id
    }

    /// What went in as that, such as `source` or `base`.
    pub fn with_role<'p>(&'p self, role: &'p str) -> impl Iterator<Item = &'p Resource> {
        self.materials().iter().filter(move |one| one.annotations.get("role") == Some(&Value::from(role)))
    }

    /// Everything that went in.
    pub fn materials(&self) -> &[Resource] {
        &self.build_definition.resolved_dependencies
    }

    /// The statement that `subject` was built so.
    pub fn statement(subject: Vec<Resource>, build: Build, run: Run) -> Statement<Self> {
        let Build { product, external, internal, materials, byproducts } = build;
        let build_type = match product {
            Product::Image => BUILD_TYPE,
            Product::Files => FILES_TYPE,
            Product::Rebased => REBASE_TYPE,
        };
        let version = BTreeMap::from([("containerize".to_owned(), env!("CARGO_PKG_VERSION").to_owned())]);
        let definition = Definition {
            build_type: build_type.to_owned(),
            external_parameters: external,
            internal_parameters: internal,
            resolved_dependencies: materials,
        };
        let run_details = Details {
            builder: BuilderIs { id: run.builder, version },
            metadata: Metadata { invocation_id: run.invocation },
            byproducts,
        };
        Statement::new(subject, PROVENANCE, Self { build_definition: definition, run_details })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(pairs: &[(&str, &str)]) -> (String, Option<String>) {
        let variables = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let Run { builder, invocation } = Run::of(&variables, None);
        (builder, invocation)
    }

    #[test]
    fn ci_systems_name_the_builder_and_the_run() {
        assert_eq!(run(&[]), (LOCAL_BUILDER.to_owned(), None));
        let github = [("GITHUB_ACTIONS", "true"), ("GITHUB_REPOSITORY", "acme/web"), ("GITHUB_RUN_ID", "7")];
        let log = Some("https://github.com/acme/web/actions/runs/7/attempts/1".to_owned());
        assert_eq!(run(&github), (LOCAL_BUILDER.to_owned(), log));
        let variables = github.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let workflow = "https://github.com/acme/web/.github/workflows/release.yml@refs/heads/main";
        assert_eq!(Run::of(&variables, Some(workflow.to_owned())).builder, workflow);
        let gitlab = [
            ("GITLAB_CI", "true"),
            ("CI_SERVER_URL", "https://gitlab.example.com"),
            ("CI_RUNNER_ID", "12"),
            ("CI_JOB_URL", "https://gitlab.example.com/acme/web/-/jobs/9"),
        ];
        assert_eq!(
            run(&gitlab),
            (
                "https://gitlab.example.com/-/runners/12".to_owned(),
                Some("https://gitlab.example.com/acme/web/-/jobs/9".to_owned())
            )
        );
        assert_eq!(run(&gitlab[..2]).0, LOCAL_BUILDER);
    }

    #[test]
    fn ci_systems_name_the_repository() {
        let repository = |pairs: &[(&str, &str)]| {
            let variables = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            Run::repository(&variables.collect())
        };
        assert_eq!(repository(&[("CI", "true")]), None);
        let github = [("GITHUB_REPOSITORY", "acme/web")];
        assert_eq!(repository(&github).as_deref(), Some("https://github.com/acme/web"));
        let own = [github[0], ("GITHUB_SERVER_URL", "https://git.example.com")];
        assert_eq!(repository(&own).as_deref(), Some("https://git.example.com/acme/web"));
        let gitlab = [("CI_PROJECT_URL", "https://gitlab.example.com/acme/web")];
        assert_eq!(repository(&gitlab).as_deref(), Some(gitlab[0].1));
    }

    #[test]
    fn a_statement_is_written_as_the_specifications_show_it() {
        let subject = vec![Resource::named("ghcr.io/acme/web").sha256(&Digest::of(b"m"))];
        let build = Build {
            external: [("name".to_owned(), "web".into())].into(),
            materials: vec![
                Resource::at("git+https://example.com/web")
                    .digest("gitCommit", "c0ffee")
                    .with("dirty", false),
            ],
            ..Build::default()
        };
        let run = Run { builder: "x".into(), invocation: None };
        let statement = Provenance::statement(subject, build, run);
        let made = serde_json::to_value(&statement).expect("JSON");
        assert_eq!(
            made,
            serde_json::json!({
                "_type": "https://in-toto.io/Statement/v1",
                "subject": [{"name": "ghcr.io/acme/web", "digest": {"sha256": Digest::of(b"m").hex()}}],
                "predicateType": "https://slsa.dev/provenance/v1",
                "predicate": {
                    "buildDefinition": {
                        "buildType": BUILD_TYPE,
                        "externalParameters": {"name": "web"},
                        "internalParameters": {},
                        "resolvedDependencies": [{
                            "uri": "git+https://example.com/web",
                            "digest": {"gitCommit": "c0ffee"},
                            "annotations": {"dirty": false},
                        }],
                    },
                    "runDetails": {"builder": {"id": "x", "version": {"containerize": env!("CARGO_PKG_VERSION")}}},
                },
            })
        );
        let read: Statement<Provenance> = serde_json::from_value(made).expect("read again");
        assert_eq!(read, statement);
    }
}
