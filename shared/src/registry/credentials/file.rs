//! The format that Docker's `config.json` and Podman's `auth.json` share, and whose entry is
//! meant.
//!
//! Docker writes keys such as `ghcr.io`, `https://ghcr.io` and, for Docker Hub,
//! `https://index.docker.io/v1/`. Podman also writes `quay.io/org` and `quay.io/org/name`,
//! which are good for that part of the registry only (`containers-auth.json(5)`).

use std::collections::BTreeMap;
use std::ffi::OsStr;

use serde::Deserialize;
use serde_json::Value;

use super::{Found, cloud, secrets};
use crate::error::{Error, Result};
use crate::oci::Repository;

/// A file of credentials, read.
pub(super) struct AuthFile {
    content: Content,
    /// Its path or the variable that held it.
    name: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Content {
    auths: Option<BTreeMap<String, Value>>,
    cred_helpers: Option<BTreeMap<String, String>>,
    creds_store: Option<String>,
}

impl AuthFile {
    /// Reads the text of such a file; an empty one is none.
    pub(super) fn parse(text: &str, name: &str) -> Result<Option<Self>> {
        if text.trim().is_empty() {
            return Ok(None);
        }
        // The parser's own words may quote the text, and the text holds secrets.
        let content = serde_json::from_str(text).map_err(|error| {
            let place = format!("line {}, column {}", error.line(), error.column());
            Error::usage(format!("cannot understand the credentials in {name} ({place})"))
                .hint("expected a JSON object with `auths`; `docker login` and `podman login` write one")
        })?;
        Ok(Some(Self { content, name: name.into() }))
    }

    /// The credential for `repository`: of its registry's helper, else of the file itself. A
    /// helper that is not installed or knows nothing is passed over.
    pub(super) fn find(&self, repository: &Repository) -> Result<Option<Found>> {
        if let Some(helper) = self.helper(&repository.registry)
            && let Some(credential) = secrets::ask_helper(helper, &repository.registry)?
        {
            let source = format!("docker-credential-{helper}, named in {}", self.name);
            return Ok(Some(Found { credential, source }));
        }
        let Some((key, entry)) = self.entry(repository) else { return Ok(None) };
        let found = secrets::decode(entry).map_err(|why| {
            Error::usage(format!("the entry {key:?} in {} is not a valid credential: {why}", self.name)).hint(
                format!("run `docker login {0}` or `podman login {0}` to replace it", repository.registry),
            )
        })?;
        Ok(found.map(|credential| Found { credential, source: self.name.clone() }))
    }

    /// What the user should know of the helper that gave nothing for the registry; `path` is where programs are.
    pub(super) fn about_helper(&self, registry: &str, path: Option<&OsStr>) -> Option<String> {
        let program = format!("docker-credential-{}", self.helper(registry)?);
        let installed = path.is_some_and(|path| cloud::installed(&program, path).is_some());
        let what = if installed { "gave no credential" } else { "is not installed" };
        Some(format!("{program}, which {} names for {registry}, {what}", self.name))
    }

    /// The registry's own helper, else the one for all; an empty name means none.
    pub(super) fn helper(&self, registry: &str) -> Option<&str> {
        let own =
            self.content.cred_helpers.iter().flatten().find(|(key, _)| registry_of_key(key) == registry);
        own.map(|(_, helper)| helper.as_str())
            .or(self.content.creds_store.as_deref())
            .filter(|name| !name.is_empty())
    }

    /// The entry with the longest key that is a prefix of the repository, by whole parts.
    /// Entries without content are placeholders for helpers.
    fn entry(&self, repository: &Repository) -> Option<(&str, &Value)> {
        let wanted = repository.to_string();
        self.content
            .auths
            .iter()
            .flatten()
            .filter(|(_, entry)| entry.as_object().is_some_and(secrets::has_content))
            .filter_map(|(key, entry)| {
                let plain = normal_key(key);
                let rest = wanted.strip_prefix(&plain)?;
                // Of two spellings of one place the plain one wins.
                let rank = (plain.len(), plain == *key);
                (rest.is_empty() || rest.starts_with('/')).then_some((rank, key, entry))
            })
            .max_by_key(|(rank, ..)| *rank)
            .map(|(_, key, entry)| (key.as_str(), entry))
    }
}

/// A key as references would spell it: no scheme, no API path, Docker Hub by its short name.
fn normal_key(key: &str) -> String {
    let without_scheme = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://"));
    let (host, path) = match without_scheme {
        // A URL names a server; what follows is the server's API.
        Some(rest) => (rest.split('/').next().unwrap_or(rest), ""),
        None => {
            let trimmed = key.trim_end_matches('/');
            let trimmed = trimmed.strip_suffix("/v1").or(trimmed.strip_suffix("/v2")).unwrap_or(trimmed);
            trimmed.split_once('/').unwrap_or((trimmed, ""))
        }
    };
    let host = match &*host.to_ascii_lowercase() {
        "index.docker.io" | "registry-1.docker.io" => "docker.io".to_owned(),
        other => other.to_owned(),
    };
    if path.is_empty() { host } else { format!("{host}/{path}") }
}

/// The registry that a key is for, whatever part of it.
pub(in crate::registry) fn registry_of_key(key: &str) -> String {
    let key = normal_key(key);
    key.split_once('/').map_or(key.clone(), |(host, _)| host.to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::Credential;
    use super::*;
    use base64::Engine as _;

    fn find(json: Value, repository: &str) -> Option<String> {
        let file = AuthFile::parse(&json.to_string(), "config.json").expect("valid").expect("not empty");
        match file.find(&repository.parse().expect(repository)).expect("no error")?.credential {
            Credential::Password { username, .. } => Some(username),
            Credential::IdentityToken(token) | Credential::RegistryToken(token) => {
                Some(token.expose().into())
            }
        }
    }

    #[test]
    fn a_helper_that_gave_nothing_is_named() {
        let folder = tempfile::tempdir().expect("folder");
        let file = serde_json::json!({"credHelpers": {"r.example": "mine"}}).to_string();
        let file = AuthFile::parse(&file, "config.json").expect("valid").expect("not empty");
        let about = |registry: &str| file.about_helper(registry, Some(folder.path().as_os_str()));
        let missing = "docker-credential-mine, which config.json names for r.example, is not installed";
        assert_eq!(about("r.example").as_deref(), Some(missing));
        assert_eq!(about("s.example"), None);
        std::fs::write(folder.path().join("docker-credential-mine"), "").expect("program");
        std::fs::write(folder.path().join("docker-credential-mine.exe"), "").expect("program");
        assert!(about("r.example").is_some_and(|about| about.ends_with("gave no credential")));
    }

    fn auths(keys: &[&str]) -> Value {
        let entry = |key: &str| {
            let auth = base64::engine::general_purpose::STANDARD_NO_PAD.encode(format!("{key}:pw"));
            serde_json::json!({ "auth": auth })
        };
        let auths: serde_json::Map<String, Value> =
            keys.iter().map(|key| ((*key).to_owned(), entry(key.split(':').next().unwrap_or(key)))).collect();
        serde_json::json!({ "auths": auths })
    }

    #[test]
    fn every_spelling_of_a_registry_is_understood() {
        for (key, repository) in [
            ("ghcr.io", "ghcr.io/a/b"),
            ("ghcr.io/", "ghcr.io/a/b"),
            ("GHCR.io", "ghcr.io/a/b"),
            ("https://ghcr.io", "ghcr.io/a/b"),
            ("https://ghcr.io/v1/", "ghcr.io/a/b"),
            ("ghcr.io/v2/", "ghcr.io/a/b"),
            ("http://127.0.0.1:5000", "127.0.0.1:5000/x"),
            ("https://index.docker.io/v1/", "alpine"),
            ("index.docker.io", "alpine"),
            ("Index.Docker.IO", "alpine"),
            ("docker.io", "acme/web"),
            ("registry-1.docker.io", "alpine"),
        ] {
            assert!(find(auths(&[key]), repository).is_some(), "{key} for {repository}");
        }
    }

    #[test]
    fn other_registries_are_not_meant() {
        for (key, repository) in [
            ("ghcr.io", "ghcr.io.example/a"),
            ("ghcr.io", "x.ghcr.io/a"),
            ("127.0.0.1:5000", "127.0.0.1:5001/x"),
            ("quay.io/org", "quay.io/organisation/x"),
            ("quay.io/org/x", "quay.io/org"),
            ("", "ghcr.io/a"),
        ] {
            assert_eq!(find(auths(&[key]), repository), None, "{key} for {repository}");
        }
    }

    #[test]
    fn the_longest_key_wins() {
        let all = auths(&["quay.io", "quay.io/org", "quay.io/org/team/web"]);
        assert_eq!(find(all.clone(), "quay.io/org/team/web").as_deref(), Some("quay.io/org/team/web"));
        assert_eq!(find(all.clone(), "quay.io/org/team/api").as_deref(), Some("quay.io/org"));
        assert_eq!(find(all, "quay.io/other/x").as_deref(), Some("quay.io"));
    }

    #[test]
    fn placeholders_are_no_credentials() {
        let json = serde_json::json!({"auths": {"ghcr.io": {}, "r.io": {"auth": ""}, "s.io": null}});
        for registry in ["ghcr.io/x", "r.io/x", "s.io/x"] {
            assert_eq!(find(json.clone(), registry), None);
        }
        let both = serde_json::json!({"auths": {"r.io": {}, "https://r.io": {"identitytoken": "t"}}});
        assert_eq!(find(both, "r.io/x").as_deref(), Some("t"), "the other spelling has it");
    }

    #[test]
    fn helpers_are_chosen_by_registry_and_can_be_switched_off() {
        let json = r#"{"credHelpers": {"https://gcr.io": "gcloud", "r.io": ""}, "credsStore": "desktop"}"#;
        let file = AuthFile::parse(json, "x").expect("valid").expect("not empty");
        assert_eq!(file.helper("gcr.io"), Some("gcloud"));
        assert_eq!(file.helper("ghcr.io"), Some("desktop"));
        assert_eq!(file.helper("r.io"), None);
    }

    #[test]
    fn a_helper_that_is_not_installed_leaves_the_file() {
        let mut json = auths(&["r.io"]);
        json["credsStore"] = "containerize-no-such-helper".into();
        assert_eq!(find(json.clone(), "r.io/x").as_deref(), Some("r.io"));
        assert_eq!(find(json, "other.io/x"), None);
    }

    #[test]
    fn a_broken_entry_names_file_and_key_only() {
        let file = AuthFile::parse(r#"{"auths": {"r.io": {"auth": "!hunter2!"}}}"#, "/x/config.json");
        let repository = "r.io/x".parse().expect("repository");
        let error = file.expect("valid").expect("not empty").find(&repository).expect_err("broken");
        let text = format!("{error:?}");
        assert!(text.contains("/x/config.json") && text.contains("r.io"), "{text}");
        assert!(!text.contains("hunter2"), "{text}");
        assert!(AuthFile::parse(" \n", "x").expect("empty is fine").is_none());
    }
}
