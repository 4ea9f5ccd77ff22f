//! What statements say of an image as a whole: one that is about a single platform tells nothing of the others.

use serde_json::Value;

use super::images::Single;
use crate::oci::Digest;
use crate::policy::{Built, Source, missing};
use crate::redact::clean;
use crate::sbom::{self, Listed};
use crate::story::signed;
use crate::trust::{self, Provenance, Resource, Statement};

/// The image that statements are about.
pub(super) struct About<'a> {
    pub(super) root: Digest,
    pub(super) images: &'a [Single],
}

impl About<'_> {
    /// Whether there is a statement about all of it, or one about each of its images.
    fn is_covered(&self, document: &str, by: &[&Statement<Value>]) -> Result<(), String> {
        if by.iter().any(|statement| statement.is_about(&self.root)) {
            return Ok(());
        }
        let is_untold = |image: &&Single| !by.iter().any(|statement| statement.is_about(&image.digest));
        let untold: Vec<&Single> = self.images.iter().filter(is_untold).collect();
        match untold.is_empty() && !by.is_empty() {
            true => Ok(()),
            false if by.is_empty() => Err(missing(document, &[])),
            false => {
                let platforms: Vec<String> = untold.iter().map(|image| image.platform.to_string()).collect();
                Err(missing(document, &platforms))
            }
        }
    }

    /// Everything in it, as its bills of materials list it.
    pub(super) fn parts(&self, statements: &[Statement<Value>]) -> Result<Vec<Listed>, String> {
        let bills = statements.iter().filter(|one| signed::bill(&one.predicate_type).is_some());
        let (mut read, mut parts, mut is_any) = (Vec::new(), Vec::new(), false);
        for bill in bills {
            is_any = true;
            // An empty one is about nothing that could be judged.
            if let Some(listed) = sbom::listed(&bill.predicate).filter(|listed| !listed.is_empty()) {
                read.push(bill);
                parts.extend(listed);
            }
        }
        if is_any && read.is_empty() {
            return Err("its SBOM lists nothing that can be read".into());
        }
        self.is_covered("SBOM", &read)?;
        parts.sort();
        parts.dedup();
        Ok(parts)
    }

    /// How it was built.
    pub(super) fn provenances(&self, statements: &[Statement<Value>]) -> Result<Provenances, String> {
        let all: Vec<&Statement<Value>> =
            statements.iter().filter(|one| one.predicate_type == trust::PROVENANCE).collect();
        self.is_covered("provenance", &all)?;
        let (mut found, mut own, mut builds) = (Provenances::default(), Vec::new(), Vec::new());
        let mut moves = Vec::new();
        for statement in all {
            let provenance: Provenance = serde_json::from_value(statement.predicate.clone())
                .map_err(|_| "its provenance cannot be read")?;
            if provenance.is_of_an_image() {
                builds.push(statement);
            }
            if provenance.is_of_a_rebase() {
                moves.push(found.built.len());
            }
            found.built.push(built(&provenance));
            if provenance.is_of_an_image() || provenance.is_of_a_rebase() {
                own.push(statement);
                found.own.push(provenance);
            }
        }
        // The same image may have been built on its base as well.
        if self.is_covered("provenance", &builds).is_ok() {
            moves.into_iter().for_each(|at| found.built[at].sources = None);
        }
        if !own.is_empty() {
            found.is_all_own = self.is_covered("provenance of containerize", &own);
        }
        Ok(found)
    }
}

/// What provenance says.
pub(super) struct Provenances {
    /// As whoever wrote it says it.
    pub(super) built: Vec<Built>,
    /// That of this program.
    pub(super) own: Vec<Provenance>,
    /// Whether that is about all of the image, where there is any.
    pub(super) is_all_own: Result<(), String>,
}

impl Default for Provenances {
    fn default() -> Self {
        Self { built: Vec::new(), own: Vec::new(), is_all_own: Ok(()) }
    }
}

fn built(provenance: &Provenance) -> Built {
    let is_dirty = |resource: &Resource| resource.annotations.get("dirty") == Some(&Value::Bool(true));
    let of = |resource: &Resource, address: Option<String>| Source { address, is_dirty: is_dirty(resource) };
    let sources = if provenance.is_of_an_image() {
        let address = |uri: &str| uri.strip_prefix("git+").unwrap_or(uri).to_owned();
        let sources = provenance.with_role("source");
        sources.map(|source| of(source, source.uri.as_deref().map(address))).collect()
    } else {
        // Others mark no source, and what comes from Git is one.
        let address = |one: &Resource| one.uri.as_deref()?.strip_prefix("git+").map(without_revision);
        let materials = provenance.materials().iter();
        materials.filter_map(|one| Some(of(one, Some(address(one)?)))).collect()
    };
    Built { builder: provenance.builder().to_owned(), sources: Some(sources) }
}

/// `https://example.com/you/app` of `https://example.com/you/app@refs/heads/main`. A login before the host ends with
/// the same sign.
fn without_revision(address: &str) -> String {
    let path = address.find("://").map_or(0, |at| at + 3);
    let path = address[path..].find('/').map_or(address.len(), |at| path + at);
    let end = address[path..].find(['@', '#']).map_or(address.len(), |at| path + at);
    clean(&address[..end]).into_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::oci::ImageConfig;
    use crate::trust::{Build, Product, Run};

    fn single(name: &str) -> Single {
        let platform = name.parse().expect("a platform");
        Single { digest: Digest::of(name.as_bytes()), platform, config: ImageConfig::default() }
    }

    fn statement(about: Digest, kind: &str, predicate: Value) -> Statement<Value> {
        Statement::new(vec![Resource::default().sha256(&about)], kind, predicate)
    }

    fn bill(about: Digest, name: &str) -> Statement<Value> {
        let document = json!({"spdxVersion": "SPDX-2.3", "packages": [{"name": name}]});
        statement(about, "https://spdx.dev/Document/v2.3", document)
    }

    #[test]
    fn a_bill_of_one_platform_tells_nothing_of_the_others() {
        let images = [single("linux/amd64"), single("linux/arm64")];
        let about = About { root: Digest::of(b"root"), images: &images };
        let (one, other) = (bill(images[0].digest, "a"), bill(images[1].digest, "b"));
        let names = |statements: &[Statement<Value>]| -> Result<Vec<String>, String> {
            Ok(about.parts(statements)?.into_iter().map(|part| part.name).collect())
        };
        assert_eq!(names(&[]), Err("it has no SBOM that is signed so".into()));
        assert_eq!(
            names(std::slice::from_ref(&one)),
            Err("it has no SBOM for linux/arm64 that is signed so".into())
        );
        assert_eq!(names(&[one, other]), Ok(vec!["a".into(), "b".into()]));
        assert_eq!(names(&[bill(about.root, "c")]), Ok(vec!["c".into()]));
        for odd in [json!({"spdxVersion": "SPDX-3.0"}), json!({"spdxVersion": "SPDX-2.3", "packages": []})] {
            let odd = statement(about.root, trust::SPDX_DOCUMENT, odd);
            assert_eq!(names(&[odd]), Err("its SBOM lists nothing that can be read".into()));
        }
        let similar = statement(about.root, "https://spdx.dev/Documentary", json!({}));
        assert_eq!(names(&[similar]), Err("it has no SBOM that is signed so".into()));
    }

    /// Provenance as GitHub's `attest-build-provenance` writes it.
    fn of_github() -> Value {
        json!({
            "buildDefinition": {
                "buildType": "https://actions.github.io/buildtypes/workflow/v1",
                "externalParameters": {"workflow": {"ref": "refs/heads/main", "path": ".github/workflows/ci.yml"}},
                "internalParameters": {"github": {"event_name": "push"}},
                "resolvedDependencies": [{
                    "uri": "git+https://github.com/you/app@refs/heads/main",
                    "digest": {"gitCommit": "c0ffee"}
                }]
            },
            "runDetails": {
                "builder": {"id": "https://github.com/you/app/.github/workflows/ci.yml@refs/heads/main"},
                "metadata": {"invocationId": "https://github.com/you/app/actions/runs/1/attempts/1"}
            }
        })
    }

    #[test]
    fn provenance_of_others_tells_sources_and_builders() {
        let images = [single("linux/amd64")];
        let about = About { root: images[0].digest, images: &images };
        let read =
            |predicate: Value| about.provenances(&[statement(about.root, trust::PROVENANCE, predicate)]);
        let found = read(of_github()).expect("read");
        let source = Source { address: Some("https://github.com/you/app".into()), is_dirty: false };
        assert_eq!((&found.built[0].sources, found.own.len()), (&Some(vec![source]), 0));
        assert!(found.built[0].builder.ends_with("ci.yml@refs/heads/main"));
        let least = json!({"buildDefinition": {"buildType": "x"}, "runDetails": {"builder": {"id": "y"}}});
        assert_eq!(read(least).expect("read").built[0].sources, Some(Vec::new()));
        assert_eq!(read(json!({"buildDefinition": 7})).err(), Some("its provenance cannot be read".into()));
    }

    #[test]
    fn a_rebase_tells_no_sources_where_builds_of_all_of_it_do() {
        let images = [single("linux/amd64"), single("linux/arm64")];
        let about = About { root: Digest::of(b"root"), images: &images };
        let made = |product: Product, subject: Digest| {
            let build = Build { product, ..Build::default() };
            let made = Provenance::statement(Vec::new(), build, Run::local());
            statement(subject, trust::PROVENANCE, json!(made.predicate))
        };
        let moved = made(Product::Rebased, about.root);
        let one = made(Product::Image, images[0].digest);
        let told = |statements: &[Statement<Value>]| -> Vec<bool> {
            let built = about.provenances(statements).expect("read").built;
            built.iter().map(|built| built.sources.is_some()).collect()
        };
        assert_eq!(told(std::slice::from_ref(&moved)), [true], "alone it says that there are none");
        assert_eq!(
            told(&[moved.clone(), one.clone()]),
            [true, true],
            "the other platform may be of anything"
        );
        let other = made(Product::Image, images[1].digest);
        assert_eq!(told(&[one, moved.clone(), other]), [true, false, true]);
        assert_eq!(told(&[moved, made(Product::Image, about.root)]), [false, true]);
    }

    #[test]
    fn the_revision_ends_the_address() {
        let address = "https://example.com/you/app";
        for end in ["", "@refs/heads/main", "#refs/tags/v1", "@v1#folder"] {
            assert_eq!(without_revision(&format!("{address}{end}")), address);
        }
        assert_eq!(without_revision("ssh://git@example.com/you/app@main"), "ssh://git@example.com/you/app");
    }
}
