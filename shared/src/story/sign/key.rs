//! Signing with a key of this machine, or by a command that has one.

use std::path::Path;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::super::request::Request;
use super::text;
use crate::config::{Command, Sign};
use crate::error::{Context, Error, Result};
use crate::process::Program;
use crate::redact::Secret;
use crate::trust::{Bundle, PrivateKey, PublicKey, to_sign};

/// Where the password of a key is looked for, in this order: the second one is cosign's.
const PASSWORDS: [&str; 2] = ["CONTAINERIZE_SIGN_PASSWORD", "COSIGN_PASSWORD"];

/// How long a command may think: some ask a person.
const PATIENCE: Duration = Duration::from_secs(120);

/// A key, or a command that has one.
#[derive(Debug)]
pub(in crate::story) struct KeySigner {
    hand: Hand,
    pub(super) public: PublicKey,
}

#[derive(Debug)]
enum Hand {
    Key(Box<PrivateKey>),
    Command(Command),
}

impl KeySigner {
    /// # Errors
    /// Usage: a key cannot be read, or its password is missing or wrong.
    pub(super) fn of(request: &Request, dir: &Path, sign: &Sign) -> Result<Self> {
        let text = |file: &str, what: &str| text(dir, file, what);
        if let (Some(command), Some(file)) = (&sign.command, &sign.public_key) {
            let public =
                PublicKey::read(&text(file, "public key")?).context(|| format!("cannot sign with {file}"))?;
            return Ok(Self { hand: Hand::Command(command.clone()), public });
        }
        let file = sign.key.as_deref().unwrap_or_default();
        let pem = text(file, "key")?;
        let password = || match &sign.password_file {
            Some(file) => Ok(Secret::new(text(file, "password file")?.trim_end_matches(['\r', '\n']))),
            None => {
                let given = PASSWORDS.iter().find_map(|name| request.variables.get(*name));
                given.map(|password| Secret::new(password.as_str())).ok_or_else(|| {
                    Error::usage("the key is encrypted, and no password is given")
                        .hint("set CONTAINERIZE_SIGN_PASSWORD, or give a file with it: sign = { key = \"...\", password-file = \"...\" }")
                })
            }
        };
        let key = PrivateKey::read(&pem, password).context(|| format!("cannot sign with {file}"))?;
        Ok(Self { public: key.public()?, hand: Hand::Key(Box::new(key)) })
    }

    /// The bundle of a statement.
    ///
    /// # Errors
    /// Build: the command fails, or what it says is not the signature of its key.
    pub(super) fn bundle(&self, request: &Request, dir: &Path, statement: &[u8]) -> Result<Bundle> {
        let signature = self.signature(request, dir, &to_sign(statement))?;
        Bundle::of_key(statement, &signature, &self.public)
    }

    /// The signature of these bytes.
    ///
    /// # Errors
    /// As [`KeySigner::bundle`].
    pub(super) fn signature(&self, request: &Request, dir: &Path, content: &[u8]) -> Result<Vec<u8>> {
        match &self.hand {
            Hand::Key(key) => Ok(key.sign(content)),
            Hand::Command(command) => self.ask(request, dir, command, content),
        }
    }

    fn ask(&self, request: &Request, dir: &Path, command: &Command, content: &[u8]) -> Result<Vec<u8>> {
        let words = command.words().unwrap_or_default();
        let Some((program, arguments)) = words.split_first() else {
            return Err(
                Error::usage("the command that signs is empty").hint("give the program and its arguments")
            );
        };
        let failed = || format!("{program} could not sign");
        let mut call = request.rust.cargo.command(program);
        call.args(arguments).current_dir(dir);
        let said = Program::new(call).exchange(content, PATIENCE);
        let said = said.map_err(|silence| Error::build(failed()).because(silence.to_string()))?;
        if !said.status.success() {
            let why = String::from_utf8_lossy(&said.stderr).trim().to_owned();
            let why = if why.is_empty() { format!("it failed with {}", said.status) } else { why };
            return Err(Error::build(failed()).because(why));
        }
        // DER begins with a byte that is no letter of Base64.
        let packed: Vec<u8> =
            said.stdout.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
        let signature = BASE64.decode(packed).unwrap_or(said.stdout);
        match self.public.verifies(content, &signature) {
            true => Ok(signature),
            false => Err(Error::build(failed())
                .because("its output is not a signature of the public key")
                .hint("it must sign standard input with ECDSA, P-256 and SHA-256, and write the signature in DER or Base64")),
        }
    }
}
