//! Who a certificate names, and who it must name.

use regex::Regex;
use serde::{Deserialize, Serialize};

use super::super::refusal::Refusal;
use crate::error::{Error, Result};

/// Who a certificate names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Identity {
    /// Whose it is: a mail address, or the address of a workflow or workload.
    pub identity: String,
    /// Who vouched for that: the address of whoever gave the token.
    pub issuer: String,
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
}

impl Expected {
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
        let Identity { identity, issuer } = signer;
        let refused = |words: String| Err(Refusal::of_another(Error::integrity(words)));
        if !self.identity.fits(identity) {
            let whom = self.whom();
            return refused(format!("it was signed by {identity}, but {whom} must have signed it"));
        }
        if !self.issuer.fits(issuer) {
            return refused(format!(
                "it was signed by {identity}, whose issuer is {issuer}, but {} was expected",
                self.issuer.named("one")
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_texts_are_compared() {
        let signer = Identity { identity: "https://github.com/a/b".into(), issuer: "https://i".into() };
        let exactly = |text: &str| Expected::Exactly(text.to_owned());
        let like = |text: &str| Expected::pattern(text).expect("a pattern");
        let accept = |identity, issuer| Wanted { identity, issuer }.accept(&signer);
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
