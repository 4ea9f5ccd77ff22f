//! Who we are to a registry: the first source that has an answer wins.
//!
//! The order, from the most explicit: what the call says · `CONTAINERIZE_AUTH_<REGISTRY>` ·
//! `DOCKER_AUTH_CONFIG` · `REGISTRY_AUTH_FILE` · Podman's files · Docker's file ·
//! `GITHUB_TOKEN` for ghcr.io · the program of the registry's own cloud. A source that is missing is passed over; one that is there and
//! cannot be understood is an error that names it, since going on would only end in a refusal
//! that nobody understands.

mod cloud;
mod file;
mod secrets;
mod sources;

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

pub(super) use file::registry_of_key;
pub use sources::AuthSources;

use crate::error::{Error, Result};
use crate::http::Secret;
use crate::oci::Repository;
use crate::read;
use file::AuthFile;

/// A proof of who we are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// User name and password, or an access token in its place.
    Password {
        /// Whom the registry knows us as; may be a fixed word for tokens.
        username: String,
        /// A password, or a token in its place.
        password: Secret,
    },
    /// An OAuth2 refresh token, as `docker login` keeps it for some clouds.
    IdentityToken(Secret),
    /// A token for the registry itself, which it takes as it is.
    RegistryToken(Secret),
}

/// A credential, and where it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// A password, or one of two kinds of tokens.
    pub credential: Credential,
    /// Its source, in words for the user.
    pub source: String,
}

/// A credential given in the call itself, for one registry.
#[derive(Debug, Clone)]
pub struct Explicit {
    /// The registry it is for, as references spell it.
    pub registry: String,
    /// Whom the registry knows us as; may be a fixed word for tokens.
    pub username: String,
    /// A password, or a token in its place.
    pub password: Secret,
    /// What in the call said so, in words for the user.
    pub source: &'static str,
}

impl Found {
    /// The `Authorization` of Basic authentication (RFC 7617).
    pub(in crate::registry) fn basic(&self) -> Option<Secret> {
        match &self.credential {
            Credential::Password { username, password } => {
                let pair = format!("{username}:{}", password.expose());
                let encoded = STANDARD.encode(pair);
                Some(Secret::new(format!("Basic {encoded}")))
            }
            // One is for token services only, the other no password.
            Credential::IdentityToken(_) | Credential::RegistryToken(_) => None,
        }
    }
}

/// Where credentials come from.
#[derive(Debug, Clone, Default)]
pub struct Credentials {
    /// What the call says.
    pub explicit: Option<Explicit>,
    /// What the environment says, the files that it leads to included.
    pub sources: AuthSources,
    clouds: cloud::Clouds,
}

impl Credentials {
    /// The credentials that these sources lead to.
    pub fn new(sources: AuthSources) -> Self {
        Self { sources, ..Self::default() }
    }

    /// With one given in the call itself, which wins for its registry and is used for no other.
    #[must_use]
    pub fn with(mut self, explicit: Explicit) -> Self {
        self.explicit = Some(explicit);
        self
    }

    /// No credentials at all.
    pub fn none() -> Self {
        Self::default()
    }

    /// The credential for `repository`, or `None` to go on anonymously. It reads files and may
    /// run programs, so it blocks.
    ///
    /// # Errors
    /// When a source that names the registry cannot be read or understood.
    pub fn find(&self, repository: &Repository) -> Result<Option<Found>> {
        if let Some(found) = self.of_call(repository) {
            return Ok(Some(found));
        }
        if let Some(found) = self.of_variable(repository)? {
            return Ok(Some(found));
        }
        if let Some(text) = &self.sources.docker_auth_config {
            let file = AuthFile::parse(text.expose(), "DOCKER_AUTH_CONFIG")?;
            if let Some(found) = file.and_then(|file| file.find(repository).transpose()).transpose()? {
                return Ok(Some(found));
            }
        }
        for path in self.sources.auth_files() {
            if let Some(found) = of_file(&path, repository)? {
                return Ok(Some(found));
            }
        }
        Ok(self.of_github(repository).or_else(|| {
            let path = self.sources.path.as_deref()?;
            self.clouds.find(&repository.registry, path)
        }))
    }

    /// What is waited for while credentials for the registry are looked for: the helper that may ask somebody
    /// something, where there is one. It reads files.
    pub(super) fn asked(&self, registry: &str) -> String {
        let helper = self.of_files(|file| file.helper(registry).map(str::to_owned));
        match helper {
            Some(helper) => {
                format!("for docker-credential-{helper}, which is asked for the login at {registry}")
            }
            None => format!("for the login at {registry}"),
        }
    }

    /// The first answer of a file that holds credentials.
    fn of_files<T>(&self, answer: impl Fn(&AuthFile) -> Option<T>) -> Option<T> {
        let variable = self.sources.docker_auth_config.as_ref();
        let of_variable =
            variable.and_then(|text| AuthFile::parse(text.expose(), "DOCKER_AUTH_CONFIG").ok()?);
        of_variable.and_then(|file| answer(&file)).or_else(|| {
            self.sources.auth_files().iter().find_map(|file| {
                let text = read::text(file, read::DOCUMENT).ok()?;
                answer(&AuthFile::parse(&text, &file.display().to_string()).ok()??)
            })
        })
    }

    /// What the user should know of a helper that gave no credential for the registry. It reads files.
    pub(super) fn about_helper(&self, registry: &str) -> Option<String> {
        let path = self.sources.path.as_deref();
        self.of_files(|file| file.about_helper(registry, path))
    }

    fn of_call(&self, repository: &Repository) -> Option<Found> {
        let explicit = self.explicit.as_ref()?;
        (file::registry_of_key(&explicit.registry) == repository.registry).then(|| Found {
            credential: Credential::Password {
                username: explicit.username.clone(),
                password: explicit.password.clone(),
            },
            source: explicit.source.into(),
        })
    }

    fn of_variable(&self, repository: &Repository) -> Result<Option<Found>> {
        let name = variable_name(&repository.registry);
        let Some(value) = self.sources.registries.get(&name) else { return Ok(None) };
        match value.expose().split_once(':') {
            Some((username, password)) if !username.is_empty() => Ok(Some(Found {
                credential: Credential::Password {
                    username: username.into(),
                    password: Secret::new(password),
                },
                source: name,
            })),
            _ => Err(Error::usage(format!("the variable {name} does not hold user:password"))
                .hint(format!("set it to the user name, a colon and the password: {name}=user:password"))),
        }
    }

    /// GitHub's workflow token is good for GitHub's registry, under any user name.
    fn of_github(&self, repository: &Repository) -> Option<Found> {
        let token = self.sources.github_token.clone().filter(|_| repository.registry == "ghcr.io")?;
        let username = self.sources.github_actor.clone().unwrap_or_else(|| "x-access-token".into());
        Some(Found {
            credential: Credential::Password { username, password: token },
            source: "GITHUB_TOKEN".into(),
        })
    }
}

/// The variable that holds `user:password` for a registry: `CONTAINERIZE_AUTH_GHCR_IO`.
pub fn variable_name(registry: &str) -> String {
    let word = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    format!("{}{}", sources::PREFIX, registry.chars().map(word).collect::<String>())
}

fn of_file(path: &Path, repository: &Repository) -> Result<Option<Found>> {
    let name = path.display().to_string();
    let text = match read::text(path, read::DOCUMENT) {
        Ok(text) => text,
        Err(error) if read::is_absent(&error) => return Ok(None),
        Err(error) => {
            return Err(Error::usage(format!("cannot read the credentials in {name}")).because(error));
        }
    };
    match AuthFile::parse(&text, &name)? {
        Some(file) => file.find(repository),
        None => Ok(None),
    }
}

impl AuthSources {
    /// The files that may hold credentials, the first asked first.
    fn auth_files(&self) -> Vec<PathBuf> {
        let home = |path: &str| self.home.as_ref().map(|home| home.join(path));
        let podman = |folder: PathBuf| folder.join("containers/auth.json");
        [
            self.registry_auth_file.clone(),
            self.xdg_runtime_dir.clone().map(podman),
            self.xdg_config_home.clone().or_else(|| home(".config")).map(podman),
            self.docker_config.clone().or_else(|| home(".docker")).map(|folder| folder.join("config.json")),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repository(text: &str) -> Repository {
        text.parse().expect(text)
    }

    fn config(key: &str, user: &str) -> String {
        let auth = base64::engine::general_purpose::STANDARD.encode(format!("{user}:pw:x"));
        format!(r#"{{"auths": {{"{key}": {{"auth": "{auth}"}}}}}}"#)
    }

    fn user(found: Option<Found>) -> Option<String> {
        match found?.credential {
            Credential::Password { username, password } => {
                assert_eq!(password.expose(), "pw:x", "colons belong to the password");
                Some(username)
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_helper_that_is_waited_for_is_named() {
        let folder = tempfile::tempdir().expect("folder");
        let file = folder.path().join("config.json");
        std::fs::write(&file, r#"{"credHelpers": {"ghcr.io": "slow"}}"#).expect("file");
        let sources = AuthSources { docker_config: Some(folder.path().into()), ..AuthSources::default() };
        let asked = |registry: &str| Credentials::new(sources.clone()).asked(registry);
        assert_eq!(asked("ghcr.io"), "for docker-credential-slow, which is asked for the login at ghcr.io");
        assert_eq!(asked("quay.io"), "for the login at quay.io");
    }

    #[test]
    fn the_first_source_wins() {
        let folder = tempfile::tempdir().expect("folder");
        let place = |path: &str, user: &str| {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().expect("parent")).expect("folder");
            std::fs::write(&path, config("ghcr.io", user)).expect("file");
            path
        };
        place("home/.docker/config.json", "docker-home");
        place("home/.config/containers/auth.json", "podman-home");
        place("docker/config.json", "docker-config");
        place("xdg/containers/auth.json", "podman-config");
        place("run/containers/auth.json", "podman-runtime");
        let auth_file = place("auth.json", "auth-file");

        let mut credentials = Credentials::new(AuthSources {
            github_token: Some(Secret::new("pw:x")),
            github_actor: Some("octocat".into()),
            ..AuthSources::default()
        });
        let target = repository("ghcr.io/acme/web");
        let mut expect = |change: &dyn Fn(&mut Credentials), name: &str| {
            change(&mut credentials);
            assert_eq!(user(credentials.find(&target).expect(name)).as_deref(), Some(name));
        };
        expect(&|_| {}, "octocat");
        expect(&|c| c.sources.home = Some(folder.path().join("home")), "podman-home");
        expect(&|c| c.sources.xdg_config_home = Some(folder.path().join("xdg")), "podman-config");
        expect(&|c| c.sources.xdg_runtime_dir = Some(folder.path().join("run")), "podman-runtime");
        expect(&|c| c.sources.registry_auth_file = Some(auth_file.clone()), "auth-file");
        let inline = Secret::new(config("ghcr.io", "inline"));
        expect(&|c| c.sources.docker_auth_config = Some(inline.clone()), "inline");
        let variable = ("CONTAINERIZE_AUTH_GHCR_IO".to_owned(), Secret::new("variable:pw:x"));
        expect(&|c| c.sources.registries.extend([variable.clone()]), "variable");
        let call = Explicit {
            registry: "ghcr.io".into(),
            username: "call".into(),
            password: Secret::new("pw:x"),
            source: "--username",
        };
        expect(&|c| c.explicit = Some(call.clone()), "call");
    }

    #[test]
    fn docker_config_replaces_the_home_folder() {
        let folder = tempfile::tempdir().expect("folder");
        std::fs::create_dir_all(folder.path().join(".docker")).expect("folder");
        std::fs::write(folder.path().join(".docker/config.json"), config("r.io", "home")).expect("file");
        let mut sources = AuthSources { home: Some(folder.path().to_owned()), ..AuthSources::default() };
        let target = repository("r.io/x");
        let find = |e: &AuthSources| user(Credentials::new(e.clone()).find(&target).expect("no error"));
        assert_eq!(find(&sources).as_deref(), Some("home"));
        sources.docker_config = Some(folder.path().join("elsewhere"));
        assert_eq!(find(&sources), None);
    }

    #[test]
    fn a_github_token_and_an_explicit_password_go_to_their_registry_only() {
        let sources = AuthSources { github_token: Some(Secret::new("pw:x")), ..AuthSources::default() };
        let credentials = Credentials::new(sources).with(Explicit {
            registry: "r.example:5000".into(),
            username: "me".into(),
            password: Secret::new("pw:x"),
            source: "--username",
        });
        let find = |text: &str| user(credentials.find(&repository(text)).expect("no error"));
        assert_eq!(find("ghcr.io/a/b").as_deref(), Some("x-access-token"));
        assert_eq!(find("r.example:5000/b").as_deref(), Some("me"));
        for other in ["r.example/b", "r.example:5001/b", "x.ghcr.io/a", "ghcr.io.evil.example/a", "alpine"] {
            assert_eq!(find(other), None, "{other}");
        }
    }

    #[test]
    fn a_broken_source_is_named() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("auth.json");
        std::fs::write(&path, "{ not json: hunter2").expect("file");
        let sources = AuthSources { registry_auth_file: Some(path.clone()), ..AuthSources::default() };
        let error = Credentials::new(sources).find(&repository("r.io/x")).expect_err("broken");
        assert!(error.to_string().contains(&path.display().to_string()), "{error}");
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    }

    #[test]
    fn a_variable_without_a_colon_is_named_and_not_shown() {
        let registries = [(variable_name("127.0.0.1:5000"), Secret::new("hunter2"))].into();
        let sources = AuthSources { registries, ..AuthSources::default() };
        let error = Credentials::new(sources).find(&repository("127.0.0.1:5000/x")).expect_err("broken");
        let text = format!("{error:?}");
        assert!(text.contains("CONTAINERIZE_AUTH_127_0_0_1_5000"), "{text}");
        assert!(!text.contains("hunter2"), "{text}");
    }

    #[test]
    fn basic_is_the_pair_in_base64() {
        let password = |password: &str| Found {
            credential: Credential::Password { username: "me".into(), password: Secret::new(password) },
            source: String::new(),
        };
        assert_eq!(password("pw").basic().expect("header").expose(), "Basic bWU6cHc=");
        let token = Credential::IdentityToken(Secret::new("t"));
        assert!(Found { credential: token, source: String::new() }.basic().is_none());
    }
}
