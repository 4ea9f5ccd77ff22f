//! What an index has to show about who published a file (PEP 740): attestations by publisher.

use serde::Deserialize;
use serde_json::{Value, json};

use super::bundle::{BUNDLE, Bundle};
use super::publisher::{Publisher, WantedPublisher};
use super::sigstore::TrustedRoot;
use super::statement::{Resource, Statement};
use crate::error::{Error, Result};
use crate::oci::Digest;
use crate::oci::media_type::IN_TOTO;

/// What may be stated about a file: that it was published, and how it was built.
const PREDICATES: [&str; 2] =
    ["https://docs.pypi.org/attestations/publish/v1", "https://slsa.dev/provenance/v1"];

/// No more attestations of one file are read.
const MOST: usize = 64;

/// A file of an index that must be attested.
pub struct AttestedFile<'a> {
    /// The file's name, as the index lists it.
    pub name: &'a str,
    /// Its SHA-256.
    pub digest: Digest,
    /// Whether a text is its name, in whatever spelling.
    pub is_named: &'a dyn Fn(&str) -> bool,
}

/// What an index has to show about a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Attestations(Vec<Attested>);

/// What one publisher has attested.
#[derive(Debug, Clone, PartialEq)]
struct Attested {
    /// Why it cannot be used, if it cannot.
    publisher: Result<Publisher, String>,
    /// Bundles of Sigstore.
    bundles: Vec<Vec<u8>>,
}

#[derive(Deserialize)]
struct Document {
    version: u64,
    attestation_bundles: Vec<OfPublisher>,
}

#[derive(Deserialize)]
struct OfPublisher {
    publisher: Value,
    attestations: Vec<Attestation>,
}

#[derive(Deserialize)]
struct Attestation {
    version: u64,
    verification_material: Material,
    envelope: Envelope,
}

#[derive(Deserialize)]
struct Material {
    certificate: String,
    transparency_entries: Vec<Value>,
    /// Not in the standard yet: logs that promise no time need them.
    #[serde(default)]
    timestamps: Vec<String>,
}

#[derive(Deserialize)]
struct Envelope {
    statement: String,
    signature: String,
}

impl Attestations {
    /// Reads what an index answers.
    ///
    /// # Errors
    /// Integrity: it is nothing of the kind.
    pub fn read(bytes: &[u8]) -> Result<Self> {
        let wrong = || Error::integrity("the index answers with something else than attestations (PEP 740)");
        let document: Document = serde_json::from_slice(bytes).map_err(|error| wrong().because(error))?;
        let count: usize = document.attestation_bundles.iter().map(|one| one.attestations.len()).sum();
        let versions = document.attestation_bundles.iter().flat_map(|one| &one.attestations);
        if document.version != 1 || versions.into_iter().any(|one| one.version != 1) {
            return Err(Error::integrity("the attestations are of a version that is not supported")
                .hint("a newer version of containerize may support them"));
        }
        if count > MOST {
            return Err(wrong().because(format!("it has {count} attestations, and at most {MOST} are read")));
        }
        Ok(Self(document.attestation_bundles.into_iter().map(Attested::of).collect()))
    }

    /// The first publisher among those that are wanted, if all that the wanted ones have attested is good and about the
    /// file. The others may have attested whatever they like.
    ///
    /// # Errors
    /// Integrity: with what does not match.
    pub fn verify(
        &self,
        root: &TrustedRoot,
        file: &AttestedFile<'_>,
        wanted: &[WantedPublisher],
    ) -> Result<Publisher> {
        let mut found = None;
        let mut others = Vec::new();
        for attested in self.0.iter().filter(|one| !one.bundles.is_empty()) {
            match &attested.publisher {
                Err(why) => others.push(why.clone()),
                Ok(publisher) => match wanted.iter().find(|wanted| wanted.is(publisher)) {
                    None => others.push(publisher.to_string()),
                    Some(wanted) => {
                        for bundle in &attested.bundles {
                            about(root, bundle, file, publisher, wanted)?;
                        }
                        found = found.or(Some(publisher));
                    }
                },
            }
        }
        found.cloned().ok_or_else(|| {
            let whom = wanted.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ");
            match others.is_empty() {
                true => Error::integrity("the index has an empty list of attestations"),
                false => Error::integrity(format!(
                    "it was published by {}, but {whom} must have published it",
                    others.join(" and ")
                )),
            }
        })
    }
}

impl Attested {
    fn of(raw: OfPublisher) -> Self {
        let kind = raw.publisher["kind"].as_str().unwrap_or_default().to_owned();
        let publisher = serde_json::from_value(raw.publisher)
            .map_err(|_| format!("a publisher of the kind {kind:?}, which is not supported"));
        Self { publisher, bundles: raw.attestations.into_iter().map(bundle).collect() }
    }
}

/// The same as a bundle of Sigstore. Of several entries in logs the first counts.
fn bundle(attestation: Attestation) -> Vec<u8> {
    let Attestation { verification_material: material, envelope, .. } = attestation;
    let stamps = material.timestamps.into_iter().map(|stamp| json!({ "signedTimestamp": stamp }));
    let whole = json!({
        "mediaType": BUNDLE,
        "verificationMaterial": {
            "certificate": { "rawBytes": material.certificate },
            "tlogEntries": material.transparency_entries.into_iter().take(1).collect::<Vec<_>>(),
            "timestampVerificationData": { "rfc3161Timestamps": stamps.collect::<Vec<_>>() },
        },
        "dsseEnvelope": {
            "payload": envelope.statement,
            "payloadType": IN_TOTO,
            "signatures": [{ "sig": envelope.signature }],
        },
    });
    whole.to_string().into_bytes()
}

/// Refuses an attestation that is not good, not the publisher's, or not about the file.
fn about(
    root: &TrustedRoot,
    bundle: &[u8],
    file: &AttestedFile<'_>,
    publisher: &Publisher,
    wanted: &WantedPublisher,
) -> Result<()> {
    // Who has signed is asked before what it is about: what the bundle claims is verified with it.
    let claimed = Bundle::read(bundle)?.subject();
    let claimed =
        claimed.ok_or_else(|| Error::integrity("it states nothing about a file with its SHA-256"))?;
    let (job, statement) = root.verify_job(bundle, &claimed).map_err(|refusal| refusal.error)?;
    publisher.accept(&job)?;
    wanted.accept(&job)?;
    is_of_file(&statement, file)
}

fn is_of_file(statement: &Statement<Value>, file: &AttestedFile<'_>) -> Result<()> {
    let [Resource { name: Some(name), .. }] = &statement.subject[..] else {
        return Err(Error::integrity("the signed statement is not about exactly one file with a name"));
    };
    let said = &statement.predicate_type;
    if !statement.is_current() || !PREDICATES.contains(&said.as_str()) {
        return Err(Error::integrity(format!("it states something else than who published it: {said:?}")));
    }
    if !(file.is_named)(name) {
        return Err(Error::integrity(format!("it is about the file {name}")));
    }
    match statement.is_about(&file.digest) {
        true => Ok(()),
        false => Err(Error::integrity(format!("it is about a {name} with other content"))),
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD as BASE64;

    use super::*;

    // How they were made: tests/fixtures/trust/attested/README.md.
    macro_rules! fixture {
        ($name:literal) => {
            include_str!(concat!("../../../tests/fixtures/trust/attested/", $name))
        };
    }

    const WHEEL: &str = "shop-1.0-py3-none-any.whl";
    const CONTENT: &[u8] = include_bytes!("../../../tests/fixtures/trust/attested/shop-1.0-py3-none-any.whl");
    const FIRST: &str = "/attestation_bundles/0/attestations/0";

    fn case(name: &str) -> Value {
        let cases: Value = serde_json::from_str(fixture!("cases.json")).expect("JSON");
        cases[name].clone()
    }

    fn root() -> TrustedRoot {
        TrustedRoot::read(fixture!("root.json")).expect("a root")
    }

    /// Verifies what an index answers of the wheel, whose content is `content`.
    fn judged(
        answer: &Value,
        root: &TrustedRoot,
        content: &[u8],
        wanted: WantedPublisher,
    ) -> Result<Publisher> {
        let digest = Digest::of(content);
        let is_named = |name: &str| name.replace("Shop-1.0.0", "shop-1.0") == WHEEL;
        let file = AttestedFile { name: WHEEL, digest, is_named: &is_named };
        Attestations::read(answer.to_string().as_bytes())?.verify(root, &file, &[wanted])
    }

    fn good(name: &str) -> Publisher {
        judged(&case(name), &root(), CONTENT, WantedPublisher::default()).expect(name)
    }

    fn refused(answer: &Value) -> String {
        let error = judged(answer, &root(), CONTENT, WantedPublisher::default()).expect_err("refused");
        assert_eq!(error.kind(), crate::Kind::Integrity);
        error.to_string()
    }

    /// The answer `good` with something else at `pointer` of its first attestation.
    fn with(pointer: &str, value: impl Into<Value>) -> Value {
        let mut answer = case("good");
        *answer.pointer_mut(&format!("{FIRST}{pointer}")).expect(pointer) = value.into();
        answer
    }

    /// The same with a bit of the Base64 there flipped.
    fn flipped(pointer: &str) -> Value {
        let answer = case("good");
        let text = answer.pointer(&format!("{FIRST}{pointer}")).and_then(Value::as_str).expect(pointer);
        let mut bytes = BASE64.decode(text).expect("Base64");
        let place = bytes.len() - 8;
        bytes[place] ^= 1;
        with(pointer, BASE64.encode(bytes))
    }

    #[test]
    fn whoever_the_certificate_names_has_published() {
        for name in ["good", "stamped", "spelled", "reused"] {
            assert_eq!(good(name).to_string(), "release.yml of acme/shop on GitHub", "{name}");
        }
        assert_eq!(good("google").to_string(), "robot@acme.iam.gserviceaccount.com");
    }

    #[test]
    fn what_pypi_shows_of_a_job_of_google_cloud_is_read() {
        let answer: Value = serde_json::from_str(fixture!("pypi-google.json")).expect("JSON");
        let name = "gcb_attestation_test-0.0.0.tar.gz";
        let digest = "sha256:461317362419124b6012e855423a9078d6de8aed3e74fa78cc74d669b23dc6cf";
        let public = TrustedRoot::public().expect("a root");
        let judged = |answer: &Value, wanted| {
            let file = AttestedFile {
                name,
                digest: digest.parse().expect("a digest"),
                is_named: &|text: &str| text == name,
            };
            Attestations::read(answer.to_string().as_bytes())?.verify(&public, &file, &[wanted])
        };
        let email = "919436158236-compute@developer.gserviceaccount.com";
        let of = |email: &str| WantedPublisher { email: Some(email.into()), ..WantedPublisher::default() };
        assert_eq!(judged(&answer, of(email)).expect("good").to_string(), email);
        judged(&answer, of("robot@acme.iam.gserviceaccount.com")).expect_err("somebody else");
        for (pointer, value) in [
            ("/attestation_bundles/0/publisher/email", "robot@acme.iam.gserviceaccount.com"),
            ("/attestation_bundles/0/attestations/0/envelope/signature", "MEUCIQ=="),
            (
                "/attestation_bundles/0/attestations/0/verification_material/transparency_entries/0/logIndex",
                "7",
            ),
        ] {
            let mut changed = answer.clone();
            *changed.pointer_mut(pointer).expect(pointer) = value.into();
            judged(&changed, WantedPublisher::default()).expect_err(pointer);
        }
    }

    #[test]
    fn what_is_signed_must_be_about_the_file_and_by_its_publisher() {
        for (name, words) in [
            ("kind", "it states something else than who published it"),
            ("two", "not about exactly one file"),
            ("name", "it is about the file shop-1.1-py3-none-any.whl"),
            ("workflow", "which is not release.yml of acme/shop on GitHub"),
            ("commit", "which is not release.yml of acme/shop on GitHub"),
            ("repository", "which is not release.yml of acme/shop on GitHub"),
            ("issuer", "which is not release.yml of acme/shop on GitHub"),
        ] {
            let said = refused(&case(name));
            assert!(said.contains(words), "{name}: {said}");
        }
        let other = judged(&case("good"), &root(), b"other", WantedPublisher::default());
        assert!(other.expect_err("refused").to_string().ends_with("with other content"));
        // An index that names somebody else cannot show what he has signed.
        let mut claimed = case("good");
        claimed["attestation_bundles"][0]["publisher"]["repository"] = "acme/other".into();
        assert!(refused(&claimed).ends_with("which is not release.yml of acme/other on GitHub"));
        claimed["attestation_bundles"][0]["publisher"] =
            case("google")["attestation_bundles"][0]["publisher"].clone();
        assert!(refused(&claimed).ends_with("which is not robot@acme.iam.gserviceaccount.com"));
    }

    #[test]
    fn a_changed_part_is_refused() {
        for (pointer, words) in [
            ("/verification_material/certificate", "certificate"),
            ("/verification_material/transparency_entries/0/canonicalizedBody", "the transparency log"),
            (
                "/verification_material/transparency_entries/0/inclusionPromise/signedEntryTimestamp",
                "the transparency log",
            ),
            ("/envelope/signature", "its timestamp was changed"),
        ] {
            let said = refused(&flipped(pointer));
            assert!(said.contains(words), "{pointer}: {said}");
        }
        let statement = case("good").pointer(&format!("{FIRST}/envelope/statement")).cloned();
        let statement =
            BASE64.decode(statement.as_ref().and_then(Value::as_str).expect("text")).expect("Base64");
        let statement = String::from_utf8(statement).expect("text").replace("shop-1.0", "shop-1.1");
        let said = refused(&with("/envelope/statement", BASE64.encode(statement)));
        assert_eq!(said, "the signature does not match: the signed content was changed");
        let said = refused(&with("/verification_material/transparency_entries", json!([])));
        assert_eq!(said, "no transparency log has recorded it");
        // A proof of another signature does not count.
        let other = case("repository");
        let entries = other.pointer(&format!("{FIRST}/verification_material/transparency_entries"));
        let entries = entries.expect("entries").clone();
        assert!(
            refused(&with("/verification_material/transparency_entries", entries))
                .contains("transparency log")
        );
    }

    #[test]
    fn all_that_a_publisher_has_attested_must_be_good() {
        let mut second = case("good");
        second["attestation_bundles"][0]["attestations"][1] =
            case("name")["attestation_bundles"][0]["attestations"][0].clone();
        assert_eq!(refused(&second), "it is about the file shop-1.1-py3-none-any.whl");
        // Others may have attested whatever they like, unless anybody will do.
        let mut both = case("name");
        both["attestation_bundles"][0]["publisher"]["repository"] = "acme/other".into();
        let good = case("good")["attestation_bundles"][0].clone();
        both["attestation_bundles"].as_array_mut().expect("a list").push(good);
        refused(&both);
        let own = WantedPublisher { repository: Some("acme/shop".into()), ..WantedPublisher::default() };
        judged(&both, &root(), CONTENT, own).expect("his are good");
        both["attestation_bundles"][0]["publisher"] = json!({ "kind": "Unheard-of" });
        let anybody =
            judged(&both, &root(), CONTENT, WantedPublisher::default()).expect("the known one's are good");
        assert_eq!(anybody.to_string(), "release.yml of acme/shop on GitHub");
    }

    #[test]
    fn somebody_else_must_have_published() {
        let wanted = |repository: &str| WantedPublisher {
            repository: Some(repository.into()),
            workflow: Some("release.yml".into()),
            ..WantedPublisher::default()
        };
        judged(&case("good"), &root(), CONTENT, wanted("Acme/Shop")).expect("he has");
        let error = judged(&case("good"), &root(), CONTENT, wanted("acme/other")).expect_err("refused");
        assert_eq!(
            error.to_string(),
            "it was published by release.yml of acme/shop on GitHub, but release.yml, acme/other must have published it"
        );
    }

    #[test]
    fn a_certificate_counts_for_its_time_and_its_services() {
        let late: Value = serde_json::from_str(fixture!("late/cases.json")).expect("JSON");
        let late_root = TrustedRoot::read(fixture!("late/root.json")).expect("a root");
        let said = |answer: &Value, root: &TrustedRoot| {
            let error = judged(answer, root, CONTENT, WantedPublisher::default()).expect_err("refused");
            error.to_string()
        };
        let found = said(&late["late"], &late_root);
        assert!(found.starts_with("its certificate had expired when it was signed"), "{found}");
        let unknown = "it is recorded in a transparency log that the trusted root does not name";
        assert_eq!(said(&case("good"), &late_root), unknown);
        assert_eq!(said(&case("good"), &TrustedRoot::public().expect("embedded")), unknown);
        // A log that promises no time needs a timestamp.
        let mut stampless = case("stamped");
        *stampless.pointer_mut(&format!("{FIRST}/verification_material/timestamps")).expect("stamps") =
            json!([]);
        assert_eq!(refused(&stampless), "nothing proves that it was signed before its certificate expired");
    }

    #[test]
    fn what_is_no_answer_of_an_index_is_refused() {
        for text in ["", "[]", "{}", r#"{"version":1}"#] {
            let error = Attestations::read(text.as_bytes()).expect_err(text);
            assert!(error.to_string().starts_with("the index answers with something else"), "{error}");
        }
        let mut versions = [case("good"), case("good")];
        versions[0]["version"] = 2.into();
        *versions[1].pointer_mut(&format!("{FIRST}/version")).expect("a version") = 2.into();
        for answer in versions {
            assert!(refused(&answer).contains("a version that is not supported"));
        }
        let mut many = case("good");
        let one = many["attestation_bundles"][0]["attestations"][0].clone();
        many["attestation_bundles"][0]["attestations"] = vec![one; MOST + 1].into();
        assert!(refused(&many).starts_with("the index answers with something else"));
        let mut empty = case("good");
        empty["attestation_bundles"][0]["attestations"] = json!([]);
        assert_eq!(refused(&empty), "the index has an empty list of attestations");
    }
}
