//! The flags of `verify`.

use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};
use containerize_core::base::spec::BaseSpec;
use containerize_core::oci::Reference;
use containerize_core::story::SourcePlace;
use containerize_core::words::flag;
use containerize_core::{Error, Result, words};

use super::{SayArgs, TransferArgs};

/// The flags of `verify`.
#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// Image in a registry: a reference, best with its digest. With --bundle, files
    ///
    /// With --rebuild also oci:FOLDER:TAG and oci-archive:FILE.
    #[arg(value_name = "IMAGE|FILE", required = true, value_hint = ValueHint::FilePath)]
    names: Vec<PathBuf>,
    /// Sigstore bundle with the signed statement about the files
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    bundle: Option<PathBuf>,
    /// File with rules that the image must keep; docs/policy.md has all of them
    ///
    /// The file says who must have signed.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    #[arg(conflicts_with_all = ["bundle", "rebuild", "key", "identity", "identity_pattern", "issuer", "issuer_pattern"])]
    policy: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) rebuild: RebuildArgs,
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
    /// An image that is to be built again.
    Rebuild(BaseSpec),
    /// An image in a registry, and the file with rules for it.
    Policy(Reference, &'a Path),
}

/// Whether the image is built again, and from which source.
#[derive(Debug, Args)]
#[command(next_help_heading = "Rebuild")]
pub(crate) struct RebuildArgs {
    /// Build the image again from the inputs in its provenance, and compare it bit for bit
    ///
    /// The provenance must be signed if the call says by whom. Commands of the project are run, except those after the
    /// build.
    #[arg(long, conflicts_with = "bundle")]
    rebuild: bool,
    /// Folder in the git repository with the commit that the image was built from [default: the current one]
    #[arg(short = 'C', long = "project", value_name = "DIR", requires = "rebuild", value_hint = ValueHint::DirPath)]
    project: Option<PathBuf>,
    /// Clone that commit instead: from URL, or from the repository in the signed provenance
    #[arg(long, value_name = "URL", num_args = 0..=1, require_equals = true, requires = "rebuild")]
    #[arg(conflicts_with = "project", default_missing_value = "")]
    fetch: Option<String>,
    /// Accept settings that run code from a provenance that no given signer has signed
    ///
    /// They are commands, bases, flags of compilers and files outside of the repository. Whoever may write to the
    /// registry may have written them.
    #[arg(long, requires = "rebuild", conflicts_with_all = ["key", "identity", "identity_pattern"])]
    pub(crate) unsigned: bool,
}

impl RebuildArgs {
    /// Where the source is.
    ///
    /// # Errors
    /// Usage: only the provenance says it, and the call does not say who must have signed that.
    pub(crate) fn source(&self, is_signed: bool) -> Result<SourcePlace> {
        match (&self.project, self.fetch.as_deref()) {
            (Some(dir), _) => Ok(SourcePlace::Folder(dir.clone())),
            (None, None) => Ok(SourcePlace::Here),
            (None, Some("")) if is_signed => Ok(SourcePlace::Recorded),
            (None, Some("")) => {
                let fetch = flag("fetch");
                Err(Error::usage(words!("{fetch} runs code from the address that the provenance contains")).hint(words!(
                    "say who must have signed the provenance, with {} or {}; or give an address that you trust, with {}",
                    flag("key").of("cosign.pub"),
                    flag("identity").of("ID"),
                    flag("fetch=URL")
                )))
            }
            (None, Some(address)) => Ok(SourcePlace::Repository(address.to_owned())),
        }
    }
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
        if self.rebuild.rebuild {
            return name.to_string_lossy().parse().map(Subject::Rebuild);
        }
        let image = name.to_string_lossy().parse().map_err(of_file)?;
        Ok(match &self.policy {
            Some(policy) => Subject::Policy(image, policy),
            None => Subject::Image(image),
        })
    }
}

impl SignatoryArgs {
    /// Whether the call says who must have signed, or at least tries to.
    pub(crate) fn is_given(&self) -> bool {
        let Self { key, identity, identity_pattern, issuer, issuer_pattern, .. } = self;
        let names = [identity, identity_pattern, issuer, issuer_pattern];
        key.is_some() || names.iter().any(|name| name.is_some())
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
