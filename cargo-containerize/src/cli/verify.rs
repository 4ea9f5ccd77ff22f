//! The flags of `verify`.

use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};
use containerize_core::oci::Reference;
use containerize_core::{Error, Result};

use super::{SayArgs, TransferArgs};

/// The flags of `verify`.
#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// Image in a registry: a reference, best with its digest. With --bundle, files
    #[arg(value_name = "IMAGE|FILE", required = true, value_hint = ValueHint::FilePath)]
    names: Vec<PathBuf>,
    /// Sigstore bundle with the signed statement about the files
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    bundle: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) say: SayArgs,

    #[command(flatten)]
    pub(crate) signatory: SignatoryArgs,
    #[command(flatten)]
    pub(crate) transfer: TransferArgs,
}

/// What is to be verified.
#[derive(Debug)]
pub(crate) enum Subject<'a> {
    /// An image in a registry.
    Image(Reference),
    /// Files, and the bundle that is about them.
    Files(&'a [PathBuf], &'a Path),
}

impl VerifyArgs {
    /// An image or files: only `--bundle` tells one from the other, since both may have the same names.
    ///
    /// # Errors
    /// Usage: it is not an image's name, or several are given.
    pub(crate) fn subject(&self) -> Result<Subject<'_>> {
        if let Some(bundle) = &self.bundle {
            return Ok(Subject::Files(&self.names, bundle));
        }
        let of_file = |error: Error| match self.names.iter().any(|name| name.is_file()) {
            true => error.hint("for files, give the bundle that is about them with --bundle FILE"),
            false => error,
        };
        let [name] = &self.names[..] else {
            let error = Error::usage("only one image can be verified at a time");
            return Err(of_file(error.hint("verify each image with a call of its own")));
        };
        name.to_string_lossy().parse().map(Subject::Image).map_err(of_file)
    }
}

/// Who must have signed.
#[derive(Debug, Args)]
#[command(next_help_heading = "Signer")]
pub(crate) struct SignatoryArgs {
    /// Public key of whoever must have signed it, in PEM
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) key: Option<PathBuf>,
    /// Identity that the certificate must contain: a mail address, or the address of a workflow
    ///
    /// For a reusable workflow it is that workflow's address, whichever repository called it: that is what --source
    /// compares.
    #[arg(long, value_name = "ID", conflicts_with = "key")]
    pub(crate) identity: Option<String>,
    /// The same as a regular expression for all of it
    #[arg(long, value_name = "REGEX", conflicts_with_all = ["key", "identity"])]
    pub(crate) identity_pattern: Option<String>,
    /// Issuer that must have vouched for the identity: a URL
    ///
    /// For workflows on GitHub https://token.actions.githubusercontent.com, on GitLab https://gitlab.com.
    #[arg(long, value_name = "URL", conflicts_with = "key")]
    pub(crate) issuer: Option<String>,
    /// The same as a regular expression for all of it
    #[arg(long, value_name = "REGEX", conflicts_with_all = ["key", "issuer"])]
    pub(crate) issuer_pattern: Option<String>,
    /// Repository that it must have been built for: a URL
    ///
    /// As the certificate says it, for GitHub https://github.com/OWNER/REPO. Fulcio writes it for workflows on GitHub,
    /// GitLab and others, but not for people.
    #[arg(long, value_name = "URL", conflicts_with = "key")]
    pub(crate) source: Option<String>,
    /// The same as a regular expression for all of it
    #[arg(long, value_name = "REGEX", conflicts_with_all = ["key", "source"])]
    pub(crate) source_pattern: Option<String>,
    /// Branch or tag of that repository: refs/heads/NAME or refs/tags/NAME
    #[arg(long, value_name = "REF", conflicts_with = "key")]
    pub(crate) source_ref: Option<String>,
    /// The same as a regular expression for all of it
    #[arg(long, value_name = "REGEX", conflicts_with_all = ["key", "source_ref"])]
    pub(crate) source_ref_pattern: Option<String>,
    /// Trusted root of the services that signed it [default: Sigstore's public ones]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "key")]
    pub(crate) trusted_root: Option<PathBuf>,
}
