//! Entries decoded, by way of `docker_credential`, and helpers asked.
//!
//! That crate looks an entry up by its exact key; which entry is meant has been decided here
//! before, so it is handed a configuration with that one only. Helpers are started here: of one
//! that fails it keeps too little to say why, and it would outlive an interruption.

use std::process::Command;
use std::time::Duration;

use docker_credential::{CredentialRetrievalError, DockerCredential, get_credential_from_reader};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Credential;
use crate::error::{Error, Result};
use crate::http::Secret;
use crate::process::{Program, Silence};

/// How long a helper may take. It may ask somebody to unlock a keychain.
const LIMIT: Duration = Duration::from_secs(120);

/// Whether an entry of `auths` holds anything.
pub(super) fn has_content(entry: &Map<String, Value>) -> bool {
    let filled = |field: &str| entry.get(field).and_then(Value::as_str).is_some_and(|text| !text.is_empty());
    filled("auth")
        || filled("identitytoken")
        || filled("registrytoken")
        || (filled("username") && filled("password"))
}

/// The credential in an entry of `auths`; the error says why there is none, without quoting.
pub(super) fn decode(entry: &Value) -> Result<Option<Credential>, &'static str> {
    let mut entry = entry.clone();
    if let Some(fields) = entry.as_object_mut() {
        fields.retain(|_, value| value.as_str().is_some_and(|text| !text.is_empty()));
        if let Some(Value::String(auth)) = fields.get_mut("auth") {
            // Hand-made entries come from tools that wrap lines.
            auth.retain(|c| !c.is_whitespace());
        }
    }
    // docker_credential does not know it. To Docker it is worth more than all else.
    if let Some(token) = entry.get("registrytoken").and_then(Value::as_str) {
        return Ok(Some(Credential::RegistryToken(Secret::new(token))));
    }
    let config = json!({ "auths": { "key": entry } }).to_string();
    match get_credential_from_reader(config.as_bytes(), "key") {
        Ok(found) => Ok(accept(found)),
        Err(CredentialRetrievalError::NoCredentialConfigured) => Ok(None),
        Err(CredentialRetrievalError::CredentialMismatchError) => {
            Err("auth contradicts username and password")
        }
        Err(_) => Err("auth is not user:password in base64"),
    }
}

/// What a helper says to `get`; see docker/docker-credential-helpers.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    username: String,
    secret: String,
}

/// What the helper knows about the registry; `None` when it is not installed or knows nothing.
pub(super) fn ask_helper(helper: &str, registry: &str) -> Result<Option<Credential>> {
    // A name becomes part of a program's name; a path would run something else.
    if helper.contains(['/', '\\']) {
        return Err(Error::usage(format!("{helper:?} is not the name of a credential helper")));
    }
    let names = match registry {
        "docker.io" => vec!["https://index.docker.io/v1/".to_owned()],
        other => vec![other.to_owned(), format!("https://{other}")],
    };
    for name in names {
        let mut command = Command::new(format!("docker-credential-{helper}"));
        command.arg("get");
        let said = match Program::trusted(command).may_ask().exchange(name.as_bytes(), LIMIT) {
            Ok(said) => said,
            Err(Silence::Missing) => {
                tracing::debug!(helper, registry, "the credential helper is not installed");
                return Ok(None);
            }
            Err(Silence::Because(why)) => return Err(failed(helper, registry, &why)),
        };
        if said.status.success() {
            let answer: Answer = serde_json::from_slice(&said.stdout).map_err(|_| {
                let empty = said.stdout.trim_ascii().is_empty();
                failed(
                    helper,
                    registry,
                    if empty { "it printed nothing" } else { "its answer is not a credential" },
                )
            })?;
            return Ok(accept(match answer.username.as_str() {
                "<token>" => DockerCredential::IdentityToken(answer.secret),
                _ => DockerCredential::UsernamePassword(answer.username, answer.secret),
            }));
        }
        let (stdout, stderr) = (String::from_utf8_lossy(&said.stdout), String::from_utf8_lossy(&said.stderr));
        if !stdout.contains("not found") {
            let why = first_line(&stdout).or(first_line(&stderr)).map(str::to_owned);
            let why = why.unwrap_or_else(|| format!("it failed with {} and printed nothing", said.status));
            return Err(failed(helper, registry, &why));
        }
        tracing::debug!(helper, name, "the credential helper has no credential");
    }
    Ok(None)
}

fn failed(helper: &str, registry: &str, why: &str) -> Error {
    Error::usage(format!("docker-credential-{helper} gave no credential for {registry}: {why}"))
        .hint(format!("run `docker login {registry}` to renew it"))
}

fn first_line(text: &str) -> Option<&str> {
    text.lines().map(str::trim).find(|line| !line.is_empty())
}

/// Empty answers are how some helpers say that they know nothing.
fn accept(found: DockerCredential) -> Option<Credential> {
    match found {
        DockerCredential::IdentityToken(token) => {
            (!token.is_empty()).then(|| Credential::IdentityToken(Secret::new(token)))
        }
        DockerCredential::UsernamePassword(username, password) => {
            // Old versions of Docker padded the password with a NUL.
            let password = password.trim_end_matches('\0');
            (!username.is_empty() || !password.is_empty())
                .then(|| Credential::Password { username, password: Secret::new(password) })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(user: &str, password: &str) -> Option<Credential> {
        Some(Credential::Password { username: user.into(), password: Secret::new(password) })
    }

    #[test]
    fn every_form_of_an_entry_is_decoded() {
        for entry in [
            json!({"auth": "bWU6cHc="}),
            json!({"auth": "bWU6cHc"}),
            json!({"auth": "bWU6\ncHc=\n"}),
            json!({"auth": "bWU6cHcA"}),
            json!({"username": "me", "password": "pw"}),
            json!({"auth": "bWU6cHc=", "username": "me", "password": "pw", "email": null}),
            json!({"auth": "bWU6cHc=", "identitytoken": ""}),
        ] {
            assert_eq!(decode(&entry), Ok(password("me", "pw")), "{entry}");
        }
        let token = decode(&json!({"auth": "bWU6cHc=", "identitytoken": "refresh"}));
        assert_eq!(token, Ok(Some(Credential::IdentityToken(Secret::new("refresh")))));
        for entry in [json!({"registrytoken": "jwt"}), json!({"auth": "bWU6cHc=", "registrytoken": "jwt"})] {
            let token = decode(&entry);
            assert_eq!(token, Ok(Some(Credential::RegistryToken(Secret::new("jwt")))), "{entry}");
        }
        assert_eq!(decode(&json!({"auth": "bWU6cHc=", "registrytoken": ""})), Ok(password("me", "pw")));
    }

    #[test]
    fn contradictions_and_rubbish_are_errors() {
        for entry in [
            json!({"auth": "bm9jb2xvbg=="}),
            json!({"auth": "%%%"}),
            json!({"auth": "bWU6cHc=", "username": "you", "password": "pw"}),
        ] {
            assert!(decode(&entry).is_err(), "{entry}");
        }
    }

    #[test]
    fn a_helper_is_a_name_and_no_path() {
        assert!(ask_helper("../evil", "r.io").is_err());
        assert_eq!(ask_helper("containerize-no-such-helper", "r.io").expect("passed over"), None);
    }

    /// Helpers are found by PATH, which a running process does not change: the test runs
    /// itself with another one.
    #[cfg(unix)]
    #[test]
    fn a_helper_is_asked_under_both_spellings_and_may_know_nothing() {
        let folder = tempfile::tempdir().expect("folder");
        let helper = folder.path().join("docker-credential-fake");
        let script = r#"#!/bin/sh
read -r server
case "$server" in
  https://r.io) echo '{"Username":"me","Secret":"pw"}' ;;
  https://index.docker.io/v1/) echo '{"Username":"<token>","Secret":"refresh"}' ;;
  locked.io) echo "the keychain is locked"; exit 1 ;;
  broken.io) echo "cannot reach the agent" >&2; exit 1 ;;
  dead.io) exit 3 ;;
  mute.io) ;;
  odd.io) echo hello ;;
  *) echo "credentials not found in native keychain"; exit 1 ;;
esac
"#;
        containerize_tests::fixture::script(&helper, script);
        let early = folder.path().join("docker-credential-early");
        containerize_tests::fixture::script(&early, "#!/bin/sh\nexec <&-\nexit 7\n");
        let path = format!("{}:/usr/bin:/bin", folder.path().display());
        let itself = std::process::Command::new(std::env::current_exe().expect("this test"))
            .args(["--ignored", "--exact", "registry::credentials::secrets::tests::with_a_helper"])
            .env("PATH", path)
            .output()
            .expect("run");
        let said = String::from_utf8_lossy(&itself.stdout);
        assert!(itself.status.success() && said.contains("1 passed"), "{said}");
    }

    #[cfg(unix)]
    #[test]
    #[ignore = "needs the PATH that the test above gives it"]
    fn with_a_helper() {
        assert_eq!(ask_helper("fake", "r.io").expect("asked"), password("me", "pw"));
        let token = Credential::IdentityToken(Secret::new("refresh"));
        assert_eq!(ask_helper("fake", "docker.io").expect("asked"), Some(token));
        assert_eq!(ask_helper("fake", "other.io").expect("passed over"), None);
        for (registry, why) in [
            ("locked.io", "the keychain is locked"),
            ("broken.io", "cannot reach the agent"),
            ("dead.io", "it failed with exit status: 3 and printed nothing"),
            ("mute.io", "it printed nothing"),
            ("odd.io", "its answer is not a credential"),
        ] {
            let error = ask_helper("fake", registry).expect_err("a real failure");
            let said = format!("docker-credential-fake gave no credential for {registry}: {why}");
            assert_eq!(error.to_string(), said);
        }
        // It does not wait for the question.
        let error = ask_helper("early", "r.io").expect_err("a real failure");
        assert!(error.to_string().ends_with("it failed with exit status: 7 and printed nothing"), "{error}");
    }
}
