//! What is known of an image, for those who judge it.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::sbom::Listed;

/// What is known of an image. What is stated about it comes from statements that are signed as the policy says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Evidence {
    /// Who has signed it, of those who may; else why it does not count as signed.
    pub signer: Option<Result<String, String>>,
    /// Each platform, and whom it runs as.
    pub users: Vec<(String, String)>,
    /// The addresses of the repositories that it was built from; `None` without provenance.
    pub sources: Option<BTreeSet<String>>,
    /// Who built it.
    pub builders: BTreeSet<String>,
    /// What it stands on.
    pub bases: Vec<Base>,
    /// Everything in it; `None` without a bill of materials.
    pub parts: Option<Vec<Listed>>,
    /// Whether it can be built again, or why not.
    pub repeatable: Option<Result<(), String>>,
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
