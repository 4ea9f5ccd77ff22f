//! One verdict for each rule, in a sentence.

use std::collections::BTreeSet;
use std::fmt;

use jiff::Timestamp;
use serde::Serialize;

use super::evidence::{Base, Evidence};
use super::{Globs, Names, Policy};
use crate::event::few;
use crate::sbom::Listed;

/// In seconds.
const DAY: i64 = 24 * 60 * 60;

/// A base that is built to have the same bytes each time has a time at the beginning of Unix's, which is none. In
/// seconds.
const EARLIEST: i64 = 366 * DAY;

/// The user IDs that are not root's: the kernel knows no others that all runtimes take.
const NOT_ROOT: std::ops::RangeInclusive<u64> = 1..=2_147_483_647;

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

impl Rule {
    /// Whether it looks at what an image is made of, and not only at what was chosen for it.
    pub const fn is_about_parts(self) -> bool {
        matches!(self, Self::DeniedLicenses | Self::DeniedPackages | Self::Reproducible)
    }
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
            add(Rule::Builders, builders(evidence, allowed));
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
            let kept = "its provenance records all that it takes to build it again";
            add(Rule::Reproducible, evidence.repeatable.clone().map(|()| kept.into()));
        }
        all
    }
}

/// All of `found`, which is not empty, must be allowed by `rule`.
fn all_allowed<'a>(
    begin: &str,
    found: &BTreeSet<&'a str>,
    is_allowed: impl Fn(&'a str) -> bool,
    rule: Rule,
) -> Result<String, String> {
    let listed = |some: &mut dyn Iterator<Item = &'a str>| some.collect::<Vec<_>>().join(", ");
    let bad = listed(&mut found.iter().copied().filter(|one| !is_allowed(one)));
    match bad.is_empty() {
        true => Ok(format!("{begin} {}", listed(&mut found.iter().copied()))),
        false => Err(format!("{begin} {bad}, which {rule} does not allow")),
    }
}

fn builders(evidence: &Evidence, allowed: &Globs) -> Result<String, String> {
    let builds = evidence.builds.as_ref().map_err(Clone::clone)?;
    let builders = builds.iter().map(|built| built.builder.as_str()).collect();
    all_allowed("it was built by", &builders, |builder| allowed.has(builder), Rule::Builders)
}

fn sources(evidence: &Evidence, allowed: &Globs) -> Result<String, String> {
    let builds = evidence.builds.as_ref().map_err(Clone::clone)?;
    let told = || builds.iter().filter_map(|built| built.sources.as_deref());
    if let Some(dirty) = told().flatten().find(|source| source.is_dirty) {
        let of = dirty.address.iter().map(|address| format!(" of {address}")).collect::<String>();
        return Err(format!("it was built from uncommitted changes{of}"));
    }
    let unknown = || "its provenance contains no repository".to_owned();
    let mut addresses = BTreeSet::new();
    for sources in told() {
        let told: Option<Vec<&str>> = sources.iter().map(|source| source.address.as_deref()).collect();
        addresses.extend(told.filter(|told| !told.is_empty()).ok_or_else(unknown)?);
    }
    if addresses.is_empty() {
        return Err(unknown());
    }
    all_allowed("it was built from", &addresses, |address| allowed.has(address), Rule::Sources)
}

/// The bases that its provenance names: at least one.
fn known_bases(evidence: &Evidence) -> Result<&[Base], String> {
    match evidence.bases.as_deref() {
        Ok([]) => Err("its provenance does not say what it stands on".into()),
        Ok(bases) => Ok(bases),
        Err(why) => Err(why.clone()),
    }
}

fn bases(evidence: &Evidence, allowed: &Globs) -> Result<String, String> {
    let names = known_bases(evidence)?.iter().map(|base| base.name.as_str()).collect();
    // Whoever allows a tag allows it with the digest that it led to.
    let tag = |name: &str| name.split_once('@').is_some_and(|(tag, _)| allowed.has(tag));
    all_allowed("it stands on", &names, |name| allowed.has(name) || tag(name), Rule::Bases)
}

fn age(evidence: &Evidence, days: u32, now: Timestamp) -> Result<String, String> {
    let mut oldest: Option<(i64, &Base)> = None;
    for base in known_bases(evidence)?.iter().filter(|base| !base.is_made_here) {
        let known = base.created.map(Timestamp::as_second).filter(|created| *created > EARLIEST);
        let created = known.ok_or_else(|| format!("its base {} does not say when it was made", base.name))?;
        if created > now.as_second() {
            return Err(format!("its base {} has a time in the future, which shows no age", base.name));
        }
        let age = (now.as_second() - created) / DAY;
        if oldest.is_none_or(|(other, _)| age > other) {
            oldest = Some((age, base));
        }
    }
    match oldest {
        None => Ok("it stands on no base that others make".into()),
        Some((age, base)) if age <= i64::from(days) => {
            Ok(format!("its base {} is {age} days old", base.name))
        }
        Some((age, base)) => {
            Err(format!("its base {} is {age} days old, and at most {days} are allowed", base.name))
        }
    }
}

fn licences(evidence: &Evidence, denied: &Names) -> Result<String, String> {
    let parts = evidence.parts.as_ref().map_err(Clone::clone)?;
    let bad = parts.iter().filter(|part| part.licence.is_denied(&|name| denied.has(name)));
    let bad: Vec<String> = bad
        .map(|part| format!("{} ({})", part.shown(), part.licence.expression().unwrap_or_default()))
        .collect();
    let untold = parts.iter().filter(|part| part.licence.expression().is_none()).count();
    match few(
        "it contains packages under a denied licence",
        &bad.iter().map(String::as_str).collect::<Vec<_>>(),
    ) {
        Some(words) => Err(words),
        None => Ok(format!(
            "none of its {} packages is under a denied licence ({untold} of them state none in the words of SPDX)",
            parts.len()
        )),
    }
}

fn packages(evidence: &Evidence, denied: &Names) -> Result<String, String> {
    let parts = evidence.parts.as_ref().map_err(Clone::clone)?;
    let bad: Vec<String> = parts.iter().filter(|part| denied.has_package(part)).map(Listed::shown).collect();
    match few("it contains denied packages", &bad.iter().map(String::as_str).collect::<Vec<_>>()) {
        Some(words) => Err(words),
        None => Ok(format!("none of its {} packages is denied", parts.len())),
    }
}

fn user(evidence: &Evidence) -> Result<String, String> {
    for (platform, user) in &evidence.users {
        let own = user.split(':').next().unwrap_or_default();
        let is_number = own.bytes().all(|digit| digit.is_ascii_digit());
        // An image may call anybody `app`, and runtimes disagree about which texts are numbers.
        match own.parse().ok().filter(|id| is_number && NOT_ROOT.contains(id)) {
            Some(_) => {}
            None if own == "root" || own.bytes().all(|digit| digit == b'0') => {
                return Err(format!("it runs as root on {platform}"));
            }
            None => {
                let numbers = format!("{} to {}", NOT_ROOT.start(), NOT_ROOT.end());
                return Err(format!(
                    "it runs as {own} on {platform}, which may be root: only a number from {numbers} is certainly another user"
                ));
            }
        }
    }
    let users: BTreeSet<&str> = evidence.users.iter().map(|(_, user)| user.as_str()).collect();
    match users.is_empty() {
        true => Err("it contains no image".into()),
        false => Ok(format!("it runs as {}", users.into_iter().collect::<Vec<_>>().join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Built, Source};
    use crate::sbom::Licence;

    fn part(name: &str, version: &str, licence: &str) -> Listed {
        let (version, licence) = (Some(version.into()), Licence::read(licence));
        Listed { name: name.into(), group: None, version, licence, is_python: false }
    }

    fn built(address: Option<&str>, is_dirty: bool) -> Built {
        let sources = vec![Source { address: address.map(str::to_owned), is_dirty }];
        Built { builder: "https://example.com/builder".into(), sources: Some(sources) }
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
            builds: Ok(vec![built(Some("https://example.com/you/app"), false)]),
            bases: Ok(vec![base]),
            parts: Ok(vec![
                part("six", "1.17.0", "MIT"),
                part("gpl", "2.0", "GPL-3.0-only OR MIT"),
                part("untold", "1", "see LICENSE"),
            ]),
            repeatable: Ok(()),
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
        let kept = said("denied-licenses = ['GPL-*']").expect("kept");
        assert!(kept.starts_with("none of its 3 packages") && kept.contains("(1 of them state"), "{kept}");
        assert_eq!(broken("denied-licenses = ['m*', 'G*']").matches("(").count(), 2);
        assert!(said("denied-packages = ['six 1.16*', 'seven']").is_ok());
        assert_eq!(broken("denied-packages = ['SIX 1.17*']"), "it contains denied packages: six 1.17.0");
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
    fn only_a_number_is_certainly_not_root() {
        for user in ["app", "+0", "-0", "-1", "4294967296", "2147483648", " 0", "0x0", "1_000", "app:5"] {
            let evidence = Evidence { users: vec![("linux/arm64".into(), user.into())], ..evidence() };
            let why = judged("not-root = true", &evidence).expect_err(user);
            assert!(why.contains("which may be root"), "{user}: {why}");
        }
        for user in ["1", "65532", "2147483647", "1000:0", "065532"] {
            let evidence = Evidence { users: vec![("linux/arm64".into(), user.into())], ..evidence() };
            assert!(judged("not-root = true", &evidence).is_ok(), "{user}");
        }
        let none = Evidence { users: Vec::new(), ..evidence() };
        assert_eq!(judged("not-root = true", &none), Err("it contains no image".into()));
    }

    #[test]
    fn each_provenance_names_a_clean_source() {
        let good = built(Some("https://example.com/you/app"), false);
        let judged = |second: Built| {
            let evidence = Evidence { builds: Ok(vec![good.clone(), second]), ..evidence() };
            judged("sources = ['https://example.com/you/*']", &evidence)
        };
        assert!(judged(good.clone()).is_ok());
        let bad = [
            (built(Some("https://example.com/you/app"), true), "uncommitted changes of https://example.com/"),
            (built(None, true), "uncommitted changes"),
            (built(None, false), "contains no repository"),
            (Built { sources: Some(Vec::new()), ..good.clone() }, "contains no repository"),
            (built(Some("https://example.com/me/app"), false), "from https://example.com/me/app, which"),
        ];
        for (second, words) in bad {
            let why = judged(second.clone()).expect_err(words);
            assert!(why.contains(words), "{second:?}: {why}");
        }
        let moved = Built { sources: None, ..good.clone() };
        assert!(judged(moved.clone()).is_ok(), "the other one says it");
        let silent = Evidence { builds: Ok(vec![moved]), ..evidence() };
        assert!(sources(&silent, &any()).is_err());
    }

    fn any() -> Globs {
        vec!["*".to_owned()].try_into().expect("globs")
    }

    #[test]
    fn a_base_is_known_by_its_tag_with_its_digest() {
        let mut pinned = evidence();
        let name = format!("docker.io/library/python:3.13-slim@sha256:{}", "0".repeat(64));
        pinned.bases = pinned.bases.map(|bases| vec![Base { name, ..bases[0].clone() }]);
        assert!(judged("bases = ['docker.io/library/python:3.13-slim']", &pinned).is_ok());
        assert!(judged("bases = ['docker.io/library/python:*@sha256:00*']", &pinned).is_ok());
        assert!(judged("bases = ['docker.io/library/python']", &pinned).is_err());
        let silent = Evidence { bases: Ok(Vec::new()), ..evidence() };
        for rule in ["bases = ['*']", "max-base-age = 9"] {
            assert!(judged(rule, &silent).expect_err(rule).contains("does not say what it stands on"));
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
        let made = |created: Option<Timestamp>| {
            let bases = evidence().bases.map(|bases| vec![Base { created, ..bases[0].clone() }]);
            judged("max-base-age = 9", &Evidence { bases, ..evidence() })
        };
        assert!(made(Some(Timestamp::UNIX_EPOCH)).expect_err("unknown").contains("does not say when"));
        assert!(made(None).expect_err("unknown").contains("does not say when"));
        assert!(made("2026-03-02T00:00:01Z".parse().ok()).expect_err("late").contains("in the future"));
        assert!(made("2026-03-02T00:00:00Z".parse().ok()).is_ok());
    }
}
