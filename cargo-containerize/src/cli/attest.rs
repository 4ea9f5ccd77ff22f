//! The flags of `attest`.

use std::path::PathBuf;

use clap::{Args, ValueHint};
use containerize_core::config::{Partial, Sign};

use super::{SayArgs, TransferArgs};

/// The flags of `attest`.
#[derive(Debug, Args)]
pub(crate) struct AttestArgs {
    /// Files to make a statement about, for example those of a release
    #[arg(value_name = "FILE", required = true, value_hint = ValueHint::FilePath)]
    pub(crate) files: Vec<PathBuf>,
    /// File that the signed statement is written to, a Sigstore bundle
    #[arg(short, long, value_name = "FILE", default_value = "attestation.sigstore.json")]
    #[arg(value_hint = ValueHint::FilePath)]
    pub(crate) output: PathBuf,
    #[command(flatten)]
    pub(crate) say: SayArgs,

    #[command(flatten)]
    pub(crate) signer: SignerArgs,
    #[command(flatten)]
    pub(crate) transfer: TransferArgs,
}

/// Who signs the statement.
#[derive(Debug, Args)]
#[command(next_help_heading = "Signer")]
pub(crate) struct SignerArgs {
    /// How to sign: keyless
    ///
    /// keyless signs with a certificate for the job's identity on GitHub, GitLab and Google, or for that of
    /// --identity-token.
    #[arg(long, value_name = "HOW", value_parser = ["keyless"], conflicts_with = "sign_key")]
    pub(crate) sign: Option<String>,
    /// File with the identity token for --sign keyless [default: the job's own]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) identity_token: Option<PathBuf>,
    /// Sign with the private key in FILE
    ///
    /// CONTAINERIZE_SIGN_PASSWORD or COSIGN_PASSWORD is its password.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) sign_key: Option<String>,
    /// Read the key `sign` from a TOML file: a command, or services other than Sigstore's public ones
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) config: Option<PathBuf>,
}

impl SignerArgs {
    /// The keys that the flags set.
    pub(crate) fn settings(&self) -> Partial {
        Partial { sign: sign(self.sign_key.as_ref(), self.sign.as_ref()), ..Partial::default() }
    }
}

/// How to sign, as the flags `--sign-key` and `--sign` say.
pub(super) fn sign(key: Option<&String>, how: Option<&String>) -> Option<Sign> {
    match (key, how) {
        (Some(key), _) => Some(Sign::with_key(key.clone())),
        (None, how) => how.map(|_| Sign::keyless()),
    }
}
