//! What is known of an image, for those who judge it.

use jiff::Timestamp;

use crate::sbom::Listed;

/// What is known of an image, or why not. What is stated about it comes from statements that are signed as the policy
/// says, and that are about all of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Evidence {
    /// Who has signed it, of those who may; else why it does not count as signed.
    pub signer: Option<Result<String, String>>,
    /// Each platform, and whom it runs as.
    pub users: Vec<(String, String)>,
    /// How it was built, as each provenance says it.
    pub builds: Result<Vec<Built>, String>,
    /// What it stands on.
    pub bases: Result<Vec<Base>, String>,
    /// Everything in it.
    pub parts: Result<Vec<Listed>, String>,
    /// Whether it can be built again.
    pub repeatable: Result<(), String>,
}

impl Default for Evidence {
    fn default() -> Self {
        let provenance = || missing("provenance", &[]);
        Self {
            signer: None,
            users: Vec::new(),
            builds: Err(provenance()),
            bases: Err(provenance()),
            parts: Err(missing("SBOM", &[])),
            repeatable: Err(provenance()),
        }
    }
}

/// That an image has no such document, or none for these platforms.
pub fn missing(document: &str, platforms: &[String]) -> String {
    match platforms {
        [] => format!("it has no {document} that is signed so"),
        some => format!("it has no {document} for {} that is signed so", some.join(", ")),
    }
}

/// What one provenance says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    /// Who built.
    pub builder: String,
    /// What it was built from; `None` where it only moved to another base, and others say how all of it is built.
    pub sources: Option<Vec<Source>>,
}

/// A repository that an image was built from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Its address, where it is told.
    pub address: Option<String>,
    /// Whether there were changes that are not in the commit.
    pub is_dirty: bool,
}

/// An image that another one stands on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Base {
    /// As it was named.
    pub name: String,
    /// When it was made, where it says so.
    pub created: Option<Timestamp>,
    /// Whether this program makes it, so that it has no age.
    pub is_made_here: bool,
}
