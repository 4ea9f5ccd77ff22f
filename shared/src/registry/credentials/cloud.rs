//! The programs of clouds, which know who we are to their own registries.
//!
//! Each is asked for the hosts of its own cloud only, when nothing else has a credential, and
//! only if it is installed. One that fails is passed over: what is public needs no credential,
//! and for the rest the registry's refusal says what is wanted.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::{Credential, Found};
use crate::http::Secret;
use crate::process::Program;
use crate::system::programs;

/// How long a program may take.
const LIMIT: Duration = Duration::from_secs(30);
/// The user name under which Azure's registries take a token.
const AZURE_USER: &str = "00000000-0000-0000-0000-000000000000";

/// What programs have answered, by registry: each is run once.
#[derive(Debug, Clone, Default)]
pub(super) struct Clouds(Arc<Mutex<BTreeMap<String, Option<Found>>>>);

impl Clouds {
    /// The credential for `registry` from the program of its cloud, found in the folders `path`.
    pub(super) fn find(&self, registry: &str, path: &OsStr) -> Option<Found> {
        let question = Question::for_registry(registry)?;
        // Whoever comes second waits for the answer to the first.
        let mut answers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        answers.entry(registry.to_owned()).or_insert_with(|| question.ask(path, LIMIT)).clone()
    }
}

/// What to run for a registry.
#[derive(Debug, PartialEq, Eq)]
struct Question {
    program: &'static str,
    arguments: Vec<String>,
    username: &'static str,
}

impl Question {
    fn for_registry(registry: &str) -> Option<Self> {
        let question = |program, username, arguments: &[&str]| {
            let arguments = arguments.iter().map(|&word| word.to_owned()).collect();
            Some(Self { program, arguments, username })
        };
        if let Some(name) = azure_name(registry) {
            let words = ["acr", "login", "--name", name, "--expose-token", "--output", "json"];
            return question("az", AZURE_USER, &words);
        }
        if let Some(region) = aws_region(registry) {
            return question("aws", "AWS", &["ecr", "get-login-password", "--region", region]);
        }
        if is_google(registry) {
            return question("gcloud", "oauth2accesstoken", &["auth", "print-access-token"]);
        }
        None
    }

    /// Runs the program; whatever goes wrong is noted and means that it knows nothing.
    fn ask(&self, path: &OsStr, limit: Duration) -> Option<Found> {
        let program = installed(self.program, path)?;
        let mut command = Command::new(&program);
        command.args(&self.arguments);
        let said = Program::trusted(command).answer(limit);
        match said.and_then(|text| self.password(&text)) {
            Ok(password) => Some(Found {
                credential: Credential::Password { username: self.username.into(), password },
                source: format!("{} {}", self.program, self.arguments[..2].join(" ")),
            }),
            Err(why) => {
                tracing::debug!(program = %program.display(), why, "gave no credential");
                None
            }
        }
    }

    /// The password in what the program printed; its words are never quoted.
    fn password(&self, text: &str) -> Result<Secret, String> {
        let password = if self.program == "az" {
            let json: serde_json::Value = serde_json::from_str(text).map_err(|_| "it printed no JSON")?;
            json.get("accessToken").and_then(|token| token.as_str()).unwrap_or_default().to_owned()
        } else {
            text.trim().to_owned()
        };
        if password.is_empty() || password.contains(char::is_whitespace) {
            return Err("it printed no token".into());
        }
        Ok(Secret::new(password))
    }
}

/// `NAME.azurecr.io`; a domain label that Azure adds to the name follows a hyphen.
fn azure_name(registry: &str) -> Option<&str> {
    let name = ["azurecr.io", "azurecr.cn", "azurecr.us"]
        .iter()
        .find_map(|suffix| registry.strip_suffix(suffix)?.strip_suffix('.'))?;
    let name = name.split('-').next().unwrap_or(name);
    is_word(name).then_some(name)
}

/// `ACCOUNT.dkr.ecr.REGION.amazonaws.com`.
fn aws_region(registry: &str) -> Option<&str> {
    let rest = ["amazonaws.com", "amazonaws.com.cn"]
        .iter()
        .find_map(|suffix| registry.strip_suffix(suffix)?.strip_suffix('.'))?;
    let (account, rest) = rest.split_once(".dkr.")?;
    let region = rest.strip_prefix("ecr.").or_else(|| rest.strip_prefix("ecr-fips."))?;
    let is_account = !account.is_empty() && account.bytes().all(|b| b.is_ascii_digit());
    (is_account && is_word(region)).then_some(region)
}

/// `LOCATION-docker.pkg.dev`, `gcr.io` and `LOCATION.gcr.io`.
fn is_google(registry: &str) -> bool {
    let location = |suffix| registry.strip_suffix(suffix).is_some_and(is_word);
    registry == "gcr.io" || location(".gcr.io") || location("-docker.pkg.dev")
}

/// Whether this is one word that no program takes for an option.
fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

/// The program's file in the first folder of `path` that has it; not in folders relative to
/// the one that we happen to be in.
pub(super) fn installed(program: &str, path: &OsStr) -> Option<PathBuf> {
    programs::find(program, programs::folders(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(registry: &str) -> Option<String> {
        let question = Question::for_registry(registry)?;
        Some(format!("{} {}", question.program, question.arguments.join(" ")))
    }

    #[test]
    fn each_cloud_has_its_own_hosts() {
        for (registry, words) in [
            ("acme.azurecr.io", "az acr login --name acme --expose-token --output json"),
            ("acme-f00d.azurecr.io", "az acr login --name acme --expose-token --output json"),
            ("123456789012.dkr.ecr.eu-west-1.amazonaws.com", "aws ecr get-login-password --region eu-west-1"),
            (
                "1.dkr.ecr-fips.us-gov-east-1.amazonaws.com",
                "aws ecr get-login-password --region us-gov-east-1",
            ),
            ("1.dkr.ecr.cn-north-1.amazonaws.com.cn", "aws ecr get-login-password --region cn-north-1"),
            ("europe-west1-docker.pkg.dev", "gcloud auth print-access-token"),
            ("gcr.io", "gcloud auth print-access-token"),
            ("eu.gcr.io", "gcloud auth print-access-token"),
        ] {
            assert_eq!(asked(registry).as_deref(), Some(words), "{registry}");
        }
    }

    #[test]
    fn no_other_host_runs_anything() {
        for registry in [
            "docker.io",
            "azurecr.io",
            "acme.azurecr.io.evil.example",
            "acme.azurecr.io:5000",
            "evilazurecr.io",
            "a.b.azurecr.io",
            "--help.azurecr.io",
            "x.dkr.ecr.eu-west-1.amazonaws.com",
            "1.dkr.ecr.a.b.amazonaws.com",
            "1.dkr.ecr.--x.amazonaws.com",
            "1.dkr.ecr.eu-west-1.amazonaws.com.evil.example",
            "evilgcr.io",
            "a.b.gcr.io",
            "-docker.pkg.dev",
            "pkg.dev",
        ] {
            assert_eq!(asked(registry), None, "{registry}");
        }
    }

    #[cfg(unix)]
    mod programs {
        use super::*;
        use std::io::Write;

        /// A folder with a program that notes its arguments and does what `script` says. Another
        /// process writes it: a file that some fork of ours has open cannot be run.
        fn folder(program: &str, script: &str) -> tempfile::TempDir {
            let folder = tempfile::tempdir().expect("folder");
            let file = folder.path().join(program);
            let log = folder.path().join("log");
            let script = format!("#!/bin/sh\necho \"$@\" >> {}\n{script}\n", log.display());
            let mut writer = Command::new("sh")
                .args(["-c", r#"cat > "$0" && chmod 755 "$0""#])
                .arg(&file)
                .stdin(std::process::Stdio::piped())
                .spawn()
                .expect("sh");
            writer.stdin.take().expect("pipe").write_all(script.as_bytes()).expect("script");
            assert!(writer.wait().expect("sh").success());
            folder
        }

        fn found(folder: &tempfile::TempDir, registry: &str) -> Option<(String, String, String)> {
            let found = Clouds::default().find(registry, folder.path().as_os_str())?;
            match found.credential {
                Credential::Password { username, password } => {
                    Some((username, password.expose().to_owned(), found.source))
                }
                other => panic!("{other:?}"),
            }
        }

        fn triple(user: &str, password: &str, source: &str) -> Option<(String, String, String)> {
            Some((user.into(), password.into(), source.into()))
        }

        #[test]
        fn each_cloud_answers_in_its_manner() {
            let az = folder("az", r#"echo '{"accessToken": "abc", "loginServer": "acme.azurecr.io"}'"#);
            assert_eq!(found(&az, "acme.azurecr.io"), triple(AZURE_USER, "abc", "az acr login"));
            let aws = folder("aws", "echo secret");
            let ecr = "1.dkr.ecr.eu-west-1.amazonaws.com";
            assert_eq!(found(&aws, ecr), triple("AWS", "secret", "aws ecr get-login-password"));
            let gcloud = folder("gcloud", "echo ya29.x");
            let google = triple("oauth2accesstoken", "ya29.x", "gcloud auth print-access-token");
            assert_eq!(found(&gcloud, "gcr.io"), google);
            assert_eq!(found(&gcloud, ecr), None, "its program is not installed");
        }

        #[test]
        fn a_program_that_fails_knows_nothing() {
            for script in [
                "exit 1",
                "echo secret; exit 3",
                "true",
                "echo two words",
                "kill -9 $$",
                "printf '\\377\\376'",
            ] {
                assert_eq!(found(&folder("gcloud", script), "gcr.io"), None, "{script}");
            }
            assert_eq!(found(&folder("az", "echo no json"), "acme.azurecr.io"), None);
            assert_eq!(found(&folder("az", "echo '{}'"), "acme.azurecr.io"), None);
        }

        #[test]
        fn a_program_that_hangs_is_ended() {
            let folder = folder("gcloud", "exec sleep 600");
            let question = Question::for_registry("gcr.io").expect("google");
            assert_eq!(question.ask(folder.path().as_os_str(), Duration::from_millis(50)), None);
        }

        #[test]
        fn it_is_asked_once_for_a_registry() {
            let folder = folder("gcloud", "echo token");
            let clouds = Clouds::default();
            for registry in ["gcr.io", "gcr.io", "eu.gcr.io"] {
                assert!(clouds.clone().find(registry, folder.path().as_os_str()).is_some());
            }
            let log = std::fs::read_to_string(folder.path().join("log")).expect("log");
            assert_eq!(log, "auth print-access-token\nauth print-access-token\n");
        }

        #[test]
        fn folders_relative_to_here_are_not_searched() {
            assert_eq!(installed("sh", OsStr::new("bin:.:")), None);
            assert!(installed("sh", OsStr::new("relative:/bin")).is_some());
        }
    }
}
