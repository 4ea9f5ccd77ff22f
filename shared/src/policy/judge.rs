//! One verdict for each rule, in a sentence.

use std::fmt;

use jiff::Timestamp;
use serde::Serialize;

use super::evidence::{Base, Evidence};
use super::{Globs, Policy};
use crate::event::few;
use crate::sbom::{Licence, Listed};

/// In seconds.
const DAY: i64 = 24 * 60 * 60;

/// A base that is built to have the same bytes each time has a time at the beginning of Unix's, which is none. In
/// seconds.
const EARLIEST: i64 = 366 * DAY;

const NO_PROVENANCE: &str = "it has no provenance that is signed so";

const NO_BILL: &str = "it has no SBOM that is signed so";

/// A rule, named as in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// Who has signed.
    SignedBy,
    /// What it was built from.
    Sources,
    /// Who built it.
    Builders,
    /// What it stands on.
    Bases,
    /// How old that is.
    MaxBaseAge,
    /// Under which licences its packages are.
    DeniedLicenses,
    /// What is in it.
    DeniedPackages,
    /// Whom it runs as.
    NotRoot,
    /// Whether it can be built again.
    Reproducible,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SignedBy => "signed-by",
            Self::Sources => "sources",
            Self::Builders => "builders",
            Self::Bases => "bases",
            Self::MaxBaseAge => "max-base-age",
            Self::DeniedLicenses => "denied-licenses",
            Self::DeniedPackages => "denied-packages",
            Self::NotRoot => "not-root",
            Self::Reproducible => "reproducible",
        })
    }
}

/// What comes of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// Which it is.
    pub rule: Rule,
    /// Whether the image keeps it.
    pub passed: bool,
    /// Why, in words about the image.
    pub why: String,
}

impl Policy {
    /// Holds the rules to what is known of an image, at this time.
    pub fn judge(&self, evidence: &Evidence, now: Timestamp) -> Vec<Verdict> {
        let mut all = Vec::new();
        let mut add = |rule, verdict: Result<String, String>| {
            let passed = verdict.is_ok();
            all.push(Verdict { rule, passed, why: verdict.unwrap_or_else(|why| why) });
        };
        if let Some(signer) = &evidence.signer {
            add(Rule::SignedBy, signer.clone().map(|who| format!("it is signed {who}")));
        }
        if let Some(allowed) = &self.sources {
            add(Rule::Sources, sources(evidence, allowed));
        }
        if let Some(allowed) = &self.builders {
            let builders = evidence.builders.iter().map(String::as_str);
            add(Rule::Builders, all_among("it was built by", builders, allowed, Rule::Builders));
        }
        if let Some(allowed) = &self.bases {
            add(Rule::Bases, bases(evidence, allowed));
        }
        if let Some(days) = self.max_base_age {
            add(Rule::MaxBaseAge, age(evidence, days, now));
        }
        if let Some(denied) = &self.denied_licenses {
            add(Rule::DeniedLicenses, licences(evidence, denied));
        }
        if let Some(denied) = &self.denied_packages {
            add(Rule::DeniedPackages, packages(evidence, denied));
        }
        if self.not_root {
            add(Rule::NotRoot, user(evidence));
        }
        if self.reproducible {
            let repeatable = evidence.repeatable.clone().unwrap_or_else(|| Err(NO_PROVENANCE.into()));
            let kept = "its provenance records all that it takes to build it again";
            add(Rule::Reproducible, repeatable.map(|()| kept.into()));
        }
        all
    }
}

/// All of `found` must be among the globs of `rule`, and there must be any.
fn all_among<'a>(
    begin: &str,
    found: impl Iterator<Item = &'a str>,
    allowed: &Globs,
    rule: Rule,
) -> Result<String, String> {
    let (good, bad): (Vec<&str>, Vec<&str>) = found.partition(|one| allowed.has(one));
    match (&good[..], &bad[..]) {
        ([], []) => Err(NO_PROVENANCE.into()),
        (good, []) => Ok(format!("{begin} {}", good.join(", "))),
        (_, bad) => Err(format!("{begin} {}, which {rule} does not allow", bad.join(", "))),
    }
}

fn sources(evidence: &Evidence, allowed: &Globs) -> Result<String, String> {
    let sources = evidence.sources.as_ref().ok_or(NO_PROVENANCE)?;
    if sources.is_empty() {
        return Err("its provenance contains no repository".into());
    }
    all_among("it was built from", sources.iter().map(String::as_str), allowed, Rule::Sources)
}

fn bases(evidence: &Evidence, allowed: &Globs) -> Result<String, String> {
    all_among("it stands on", evidence.bases.iter().map(|base| base.name.as_str()), allowed, Rule::Bases)
}

fn age(evidence: &Evidence, days: u32, now: Timestamp) -> Result<String, String> {
    let mut oldest: Option<(i64, &Base)> = None;
    for base in evidence.bases.iter().filter(|base| !base.is_made_here) {
        let known = base.created.map(Timestamp::as_second).filter(|created| *created > EARLIEST);
        let created = known.ok_or_else(|| format!("its base {} does not say when it was made", base.name))?;
        let age = (now.as_second() - created).max(0) / DAY;
        if oldest.is_none_or(|(other, _)| age > other) {
            oldest = Some((age, base));
        }
    }
    match oldest {
        None if evidence.bases.is_empty() => Err(NO_PROVENANCE.into()),
        None => Ok("it stands on no base that others make".into()),
        Some((age, base)) if age <= i64::from(days) => {
            Ok(format!("its base {} is {age} days old", base.name))
        }
        Some((age, base)) => {
            Err(format!("its base {} is {age} days old, and at most {days} are allowed", base.name))
        }
    }
}

fn licences(evidence: &Evidence, denied: &Globs) -> Result<String, String> {
    let parts = evidence.parts.as_ref().ok_or(NO_BILL)?;
    let is_denied = |part: &&Listed| {
        let licence = part.licence.as_deref().map(Licence::read);
        licence.is_some_and(|licence| licence.is_denied(&|name| denied.has(name)))
    };
    let bad = parts.iter().filter(is_denied);
    let bad: Vec<String> = bad
        .map(|part| format!("{} ({})", part.shown(), part.licence.as_deref().unwrap_or_default()))
        .collect();
    let untold = parts.iter().filter(|part| part.licence.is_none()).count();
    match few(
        "it contains packages under a denied licence",
        &bad.iter().map(String::as_str).collect::<Vec<_>>(),
    ) {
        Some(words) => Err(words),
        None => Ok(format!(
            "none of its {} packages is under a denied licence; {untold} do not state one",
            parts.len()
        )),
    }
}

fn packages(evidence: &Evidence, denied: &Globs) -> Result<String, String> {
    let parts = evidence.parts.as_ref().ok_or(NO_BILL)?;
    let is_denied = |part: &&Listed| denied.has(&part.name) || denied.has(&part.shown());
    let bad: Vec<String> = parts.iter().filter(is_denied).map(Listed::shown).collect();
    match few("it contains denied packages", &bad.iter().map(String::as_str).collect::<Vec<_>>()) {
        Some(words) => Err(words),
        None => Ok(format!("none of its {} packages is denied", parts.len())),
    }
}

fn user(evidence: &Evidence) -> Result<String, String> {
    let is_root = |(_, user): &&(String, String)| {
        let own = user.split(':').next().unwrap_or_default();
        own.is_empty() || own == "root" || own.bytes().all(|digit| digit == b'0')
    };
    match evidence.users.iter().find(is_root) {
        Some((platform, _)) => Err(format!("it runs as root on {platform}")),
        None => {
            let mut users: Vec<&str> = evidence.users.iter().map(|(_, user)| user.as_str()).collect();
            users.dedup();
            Ok(format!("it runs as {}", users.join(", ")))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn part(name: &str, version: &str, licence: Option<&str>) -> Listed {
        Listed { name: name.into(), version: Some(version.into()), licence: licence.map(str::to_owned) }
    }

    fn evidence() -> Evidence {
        let base = Base {
            name: "docker.io/library/python:3.13-slim".into(),
            created: "2026-01-01T00:00:00Z".parse().ok(),
            is_made_here: false,
        };
        Evidence {
            signer: Some(Ok("with cosign.pub".into())),
            users: vec![("linux/amd64".into(), "65532:65532".into())],
            sources: Some(BTreeSet::from(["https://example.com/you/app".to_owned()])),
            builders: BTreeSet::from(["https://example.com/builder".to_owned()]),
            bases: vec![base],
            parts: Some(vec![
                part("six", "1.17.0", Some("MIT")),
                part("gpl", "2.0", Some("GPL-3.0-only OR MIT")),
                part("untold", "1", None),
            ]),
            repeatable: Some(Ok(())),
        }
    }

    /// What one rule says of the evidence.
    fn judged(rule: &str, evidence: &Evidence) -> Result<String, String> {
        let now = "2026-03-02T00:00:00Z".parse().expect("a time");
        let policy = Policy::read(rule).expect(rule);
        let mut verdicts = policy.judge(evidence, now);
        let Verdict { passed, why, .. } = verdicts.pop().expect("a verdict");
        if passed { Ok(why) } else { Err(why) }
    }

    #[test]
    fn each_rule_is_kept_or_broken_in_one_sentence() {
        let said = |rule: &str| judged(rule, &evidence());
        let broken = |rule: &str| said(rule).expect_err(rule);
        assert_eq!(
            said("sources = ['https://example.com/you/*']"),
            Ok("it was built from https://example.com/you/app".into())
        );
        assert!(broken("sources = ['https://example.com/me/*']").contains("which sources does not allow"));
        assert!(said("builders = ['https://example.com/*']").is_ok() && said("builders = ['x']").is_err());
        assert!(said("bases = ['docker.io/library/python:*']").is_ok());
        assert!(broken("bases = ['static']").contains("python:3.13-slim, which bases does not allow"));
        assert!(said("max-base-age = 60").expect("kept").ends_with("is 60 days old"));
        assert!(broken("max-base-age = 59").ends_with("is 60 days old, and at most 59 are allowed"));
        assert!(said("denied-licenses = ['GPL-*']").expect("kept").contains("none of its 3 packages"));
        assert_eq!(broken("denied-licenses = ['M*', 'G*']").matches("(").count(), 2);
        assert!(said("denied-packages = ['six 1.16*', 'seven']").is_ok());
        assert_eq!(broken("denied-packages = ['six 1.17*']"), "it contains denied packages: six 1.17.0");
        assert_eq!(said("not-root = true"), Ok("it runs as 65532:65532".into()));
        assert!(said("reproducible = true").is_ok());
    }

    #[test]
    fn root_has_many_names() {
        for user in ["", "0", "0:0", "00", "root", "root:users", ":5"] {
            let evidence = Evidence { users: vec![("linux/arm64".into(), user.into())], ..evidence() };
            assert_eq!(
                judged("not-root = true", &evidence),
                Err("it runs as root on linux/arm64".into()),
                "{user}"
            );
        }
    }

    #[test]
    fn nothing_that_is_not_known_passes() {
        let nothing = Evidence { signer: None, ..Evidence::default() };
        let rules = [
            "sources = ['*']",
            "builders = ['*']",
            "bases = ['*']",
            "max-base-age = 9",
            "denied-licenses = []",
            "denied-packages = []",
            "reproducible = true",
        ];
        for rule in rules {
            let why = judged(rule, &nothing).expect_err(rule);
            assert!(why.starts_with("it has no"), "{rule}: {why}");
        }
        let mut timeless = evidence();
        timeless.bases[0].created = Some(Timestamp::UNIX_EPOCH);
        assert!(judged("max-base-age = 9", &timeless).expect_err("unknown").contains("does not say when"));
    }
}
