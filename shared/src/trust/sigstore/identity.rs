//! Who a certificate names, and who it must name.

use regex::Regex;
use serde::Serialize;
use sigstore_verify::crypto::CertificateInfo;

use super::super::refusal::Refusal;
use crate::error::{Error, Result};
use crate::words;
use crate::words::{Words, flag};

/// Who a certificate names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Identity {
    /// Whose it is: a mail address, or the address of a workflow or workload.
    pub identity: String,
    /// Who vouched for that: the address of whoever gave the token.
    pub issuer: String,
    /// The repository that the workload was run for, where the certificate says so: its address. The identity of a
    /// reusable workflow is that workflow, whichever repository called it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The branch or tag there, as `refs/tags/v1.0`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_ref: Option<String>,
}

impl Identity {
    /// Who a certificate names; nothing where it names nobody.
    pub(super) fn of(certificate: &CertificateInfo) -> Option<Self> {
        let claims = &certificate.ci_claims;
        Some(Self {
            identity: certificate.identity.as_ref()?.as_str().to_owned(),
            issuer: certificate.issuer.clone()?,
            source: claims.source_repository_uri.clone(),
            source_ref: claims.source_repository_ref.clone(),
        })
    }

    /// All of it that may be compared: one line.
    pub fn line(&self) -> String {
        let source = self.source.iter().chain(&self.source_ref).map(String::as_str);
        [self.identity.as_str(), self.issuer.as_str()].into_iter().chain(source).collect::<Vec<_>>().join(" ")
    }
}

/// A text that a certificate must hold.
#[derive(Debug, Clone)]
pub enum Expected {
    /// This one.
    Exactly(String),
    /// One that this describes, from its beginning to its end.
    Pattern(String, Regex),
}

/// Who must have signed.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Whose certificate.
    pub identity: Expected,
    /// Who must have vouched for it.
    pub issuer: Expected,
    /// For which repository; nothing where any will do.
    pub source: Option<Expected>,
    /// For which branch or tag of it.
    pub source_ref: Option<Expected>,
}

impl Expected {
    /// The whole text, or else a pattern; `None` where neither is given.
    ///
    /// # Errors
    /// Usage: the pattern is none.
    pub fn of(whole: Option<&str>, pattern: Option<&str>) -> Result<Option<Self>> {
        match (whole, pattern) {
            (Some(text), _) => Ok(Some(Self::Exactly(text.to_owned()))),
            (None, Some(pattern)) => Self::pattern(pattern).map(Some),
            (None, None) => Ok(None),
        }
    }

    /// A regular expression for the whole text.
    ///
    /// # Errors
    /// Usage: it is not one.
    pub fn pattern(text: &str) -> Result<Self> {
        let regex = Regex::new(&format!(r"\A(?:{text})\z"));
        let regex = regex.and_then(|whole| Regex::new(text).map(|_| whole));
        let regex = regex.map_err(|error| {
            Error::usage(format!("{text:?} is not a regular expression"))
                .because(error)
                .hint("put \\ before characters that mean themselves, such as . and +")
        })?;
        Ok(Self::Pattern(text.to_owned(), regex))
    }

    fn fits(&self, text: &str) -> bool {
        match self {
            Self::Exactly(expected) => expected == text,
            Self::Pattern(_, regex) => regex.is_match(text),
        }
    }

    /// The text that is expected, in a message; `what` is what a pattern describes, with its article.
    fn named(&self, what: &str) -> String {
        match self {
            Self::Exactly(text) => text.clone(),
            Self::Pattern(text, _) => format!("{what} that matches {text}"),
        }
    }
}

impl Wanted {
    /// Who must have signed, in a message.
    pub fn whom(&self) -> String {
        self.identity.named("an identity")
    }

    /// Whether it is who must have signed.
    ///
    /// # Errors
    /// It is somebody else.
    pub fn accept(&self, signer: &Identity) -> Result<(), Refusal> {
        let Identity { identity, issuer, .. } = signer;
        if !self.identity.fits(identity) {
            let whom = self.whom();
            return Err(Refusal::of_another(Error::integrity(format!(
                "it was signed by {identity}, but {whom} must have signed it"
            ))));
        }
        if !self.issuer.fits(issuer) {
            return Err(Refusal::of_namesake(Error::integrity(format!(
                "it was signed by {identity}, whose issuer is {issuer}, but {} was expected",
                self.issuer.named("one")
            ))));
        }
        let named = |what: &str, value: &Option<String>, expected: &Option<Expected>, name: &str| {
            let Some(expected) = expected else { return Ok(()) };
            let because =
                |words: String, hint: Words| Err(Refusal::of_namesake(Error::integrity(words).hint(hint)));
            match value {
                Some(value) if expected.fits(value) => Ok(()),
                Some(value) => because(
                    format!(
                        "it was signed by {identity} for the {what} {value}, but {} was expected",
                        expected.named("one")
                    ),
                    words!("if that {what} is the right one, use {}", flag(name).of(value)),
                ),
                None => because(
                    format!("it was signed by {identity}, whose certificate does not say for which {what}"),
                    words!("without {} only the identity and the issuer are compared", flag(name)),
                ),
            }
        };
        named("repository", &signer.source, &self.source, "source")?;
        named("branch or tag", &signer.source_ref, &self.source_ref, "source-ref")
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::refusal::Whose;
    use super::*;

    fn signer(source: Option<&str>, source_ref: Option<&str>) -> Identity {
        Identity {
            identity: "https://github.com/a/b".into(),
            issuer: "https://i".into(),
            source: source.map(Into::into),
            source_ref: source_ref.map(Into::into),
        }
    }

    #[test]
    fn the_repository_is_compared_where_one_is_wanted() {
        let exactly = |text: &str| Some(Expected::Exactly(text.to_owned()));
        let like = |text: &str| Some(Expected::pattern(text).expect("a pattern"));
        let any = Expected::pattern(".*").expect("a pattern");
        let accept = |source, source_ref, signer: &Identity| {
            let (identity, issuer) = (any.clone(), any.clone());
            Wanted { identity, issuer, source, source_ref }.accept(signer)
        };
        let shop = signer(Some("https://github.com/acme/shop"), Some("refs/tags/v1"));
        accept(None, None, &shop).expect("any");
        accept(exactly("https://github.com/acme/shop"), exactly("refs/tags/v1"), &shop).expect("the same");
        accept(like("https://github\\.com/acme/.*"), like("refs/tags/.*"), &shop).expect("alike");
        let refused = |source, source_ref, signer: &Identity| {
            let Refusal { error, whose, .. } = accept(source, source_ref, signer).expect_err("refused");
            assert_eq!(whose, Whose::Namesake);
            (error.to_string(), error.hint_text().unwrap_or_default().to_owned())
        };
        let (said, hint) = refused(exactly("https://github.com/acme"), None, &shop);
        assert_eq!(
            said,
            "it was signed by https://github.com/a/b for the repository https://github.com/acme/shop, \
             but https://github.com/acme was expected"
        );
        assert!(hint.ends_with("use --source https://github.com/acme/shop"), "{hint}");
        let (said, _) = refused(None, like("refs/heads/.*"), &shop);
        assert!(
            said.contains("for the branch or tag refs/tags/v1, but one that matches refs/heads/.*"),
            "{said}"
        );
        // Who says nothing of a repository may have built for any.
        let (said, hint) = refused(like(".*"), None, &signer(None, Some("refs/tags/v1")));
        assert!(said.ends_with("whose certificate does not say for which repository"), "{said}");
        assert!(hint.starts_with("without --source"), "{hint}");
        let (said, _) = refused(None, like(".*"), &signer(Some("https://github.com/acme/shop"), None));
        assert!(said.ends_with("does not say for which branch or tag"), "{said}");
    }

    #[test]
    fn whole_texts_are_compared() {
        let signer = signer(None, None);
        let exactly = |text: &str| Expected::Exactly(text.to_owned());
        let like = |text: &str| Expected::pattern(text).expect("a pattern");
        let accept =
            |identity, issuer| Wanted { identity, issuer, source: None, source_ref: None }.accept(&signer);
        let refused = |identity, issuer| accept(identity, issuer).expect_err("refused").error.to_string();
        accept(exactly("https://github.com/a/b"), exactly("https://i")).expect("the same");
        accept(like("https://github\\.com/a/.*"), like("https://(i|j)")).expect("alike");
        assert_eq!(
            refused(exactly("https://github.com/a"), exactly("https://i")),
            "it was signed by https://github.com/a/b, but https://github.com/a must have signed it"
        );
        assert_eq!(
            refused(exactly("https://github.com/a/b"), exactly("https://j")),
            "it was signed by https://github.com/a/b, whose issuer is https://i, but https://j was expected"
        );
        // A part is not enough, whatever the pattern does about it.
        assert_eq!(
            refused(like("github"), like(".*")),
            "it was signed by https://github.com/a/b, but an identity that matches github must have signed it"
        );
        assert!(accept(like("x|https://github.com/a"), like(".*")).is_err());
        assert!(Expected::pattern("(").is_err() && Expected::pattern("a)|(?:b").is_err());
    }
}
