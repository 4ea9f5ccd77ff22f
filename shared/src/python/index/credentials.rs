//! Who we are to an index. The first source that has an answer wins: the user and password in
//! the URL of an index, or under its name in the environment or in Poetry's files · `.netrc` ·
//! the `keyring` program, where it was asked for.
//!
//! A login is for one origin: scheme, host and port. Where several indexes of one host have
//! logins, the URL that shares most of its path decides, so that the files of an index that lie
//! beside its pages are asked for with its login.

use std::process::{Command, Stdio};
use std::time::Duration;

use super::login::Login;
use super::netrc::Netrc;
use crate::http::{Secret, Url, same_origin};
use crate::process::Program;

/// How long the keyring may take, which may ask the user to unlock it.
const KEYRING_PATIENCE: Duration = Duration::from_secs(120);

/// Where logins come from.
#[derive(Debug, Clone, Default)]
pub struct Credentials {
    known: Vec<(Url, Login)>,
    /// The user's `.netrc`.
    pub netrc: Netrc,
    /// The `PATH` on which the `keyring` program is; `None` when it is not to be asked.
    pub keyring_path: Option<String>,
}

impl Credentials {
    /// A login for an index. One that was added before wins.
    pub fn add(&mut self, index: Url, login: Login) {
        self.known.push((index, login));
    }

    /// The login for a URL, without the keyring's.
    pub(in crate::python) fn find(&self, url: &Url) -> Option<Login> {
        let mut best: Option<(usize, &Login)> = None;
        for (index, login) in self.known.iter().filter(|(index, _)| same_origin(index, url)) {
            let shared = shared_segments(index, url);
            if best.is_none_or(|(most, _)| shared > most) {
                best = Some((shared, login));
            }
        }
        let known = best.map(|(_, login)| login);
        if let Some(login) = known.filter(|login| login.password.is_some()) {
            return Some(login.clone());
        }
        let listed = url.host_str().and_then(|host| self.netrc.find(host));
        let listed = listed.filter(|listed| known.is_none_or(|known| known.username == listed.username));
        listed.or(known).cloned()
    }

    /// The login for a URL that came with a user name alone, or with none: a password that is known for it
    /// is taken if it is that user's.
    pub(super) fn named(&self, url: &Url, own: Option<&Login>) -> Option<Login> {
        let found = self.find(url);
        let Some(own) = own else { return found };
        found.filter(|found| found.username == own.username).or_else(|| Some(own.clone()))
    }

    /// What the keyring knows about a URL. `None` too when it cannot be asked: a refusal of the
    /// index says more than a missing program would.
    pub(super) async fn ask_keyring(&self, url: &Url, username: &str) -> Option<Login> {
        let path = self.keyring_path.as_ref()?;
        // What Google's and other back-ends that need no name expect.
        let username = if username.is_empty() { "oauth2accesstoken" } else { username };
        let host = url.host_str()?;
        let host = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        for service in [crate::http::shown(url), host] {
            let mut command = Command::new("keyring");
            command.args(["get", &service, username]).env("PATH", path);
            command.stdout(Stdio::piped()).stderr(Stdio::null());
            let output = async { Program::trusted(command).start()?.wait_with_output().await };
            let answer = tokio::time::timeout(KEYRING_PATIENCE, output).await;
            let output = match answer {
                Ok(Ok(output)) => output,
                Ok(Err(error)) => {
                    tracing::debug!(%error, "the keyring program cannot be run");
                    return None;
                }
                Err(_) => return None,
            };
            let password = String::from_utf8(output.stdout).ok().filter(|_| output.status.success());
            let password = password.map(|text| text.trim_end_matches(['\r', '\n']).to_owned());
            if let Some(password) = password.filter(|password| !password.is_empty()) {
                return Some(Login { username: username.to_owned(), password: Some(Secret::new(password)) });
            }
        }
        None
    }
}

fn shared_segments(a: &Url, b: &Url) -> usize {
    let segments = |url: &Url| url.path().split('/').map(str::to_owned).collect::<Vec<_>>();
    segments(a).iter().zip(segments(b)).take_while(|(a, b)| *a == b).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        text.parse().expect(text)
    }

    fn login(username: &str, password: Option<&str>) -> Login {
        Login { username: username.into(), password: password.map(Secret::new) }
    }

    fn user(credentials: &Credentials, at: &str) -> Option<String> {
        credentials.find(&url(at)).map(|login| login.username)
    }

    #[test]
    fn a_login_is_for_its_origin_and_the_nearest_path() {
        let mut credentials = Credentials::default();
        credentials.add(url("https://i.example/a/simple/"), login("a", Some("1")));
        credentials.add(url("https://i.example/b/simple/"), login("b", Some("2")));
        for (at, expected) in [
            ("https://i.example/a/simple/x/", Some("a")),
            ("https://i.example/b/files/x.whl", Some("b")),
            ("https://i.example/elsewhere/x.whl", Some("a")),
            ("http://i.example/a/simple/x/", None),
            ("https://i.example:444/a/simple/", None),
            ("https://i.example.evil.example/a/", None),
        ] {
            assert_eq!(user(&credentials, at).as_deref(), expected, "{at}");
        }
    }

    #[test]
    fn netrc_comes_after_the_url_and_completes_its_user_name() {
        let netrc = Netrc::parse("machine i.example login me password pw");
        let mut credentials = Credentials { netrc, ..Credentials::default() };
        let at = url("https://i.example/simple/");
        assert_eq!(credentials.find(&at), Some(login("me", Some("pw"))));
        credentials.add(at.clone(), login("me", None));
        assert_eq!(credentials.find(&at), Some(login("me", Some("pw"))));
        let mut credentials = Credentials { netrc: credentials.netrc, ..Credentials::default() };
        credentials.add(at.clone(), login("other", None));
        assert_eq!(credentials.find(&at), Some(login("other", None)), "another one's password is no use");
        credentials.add(at.clone(), login("late", Some("x")));
        assert_eq!(credentials.find(&at), Some(login("other", None)), "the first counts");
    }

    #[test]
    fn the_header_is_basic_and_hidden() {
        let value = login("me", Some("pw")).authorization();
        assert_eq!(value.expose(), "Basic bWU6cHc=");
        assert_eq!(login("", Some("t")).authorization().expose(), "Basic OnQ=");
        let credentials = Credentials {
            known: vec![(url("https://x/"), login("me", Some("hunter2")))],
            ..Credentials::default()
        };
        assert!(!format!("{credentials:?}").contains("hunter2"));
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn the_keyring_program_is_asked_for_the_url_and_then_for_the_host() {
        let folder = tempfile::tempdir().expect("folder");
        let program = folder.path().join("keyring");
        let script = "#!/bin/sh\ncase \"$1 $2 $3\" in\n'get i.example:8443 me') echo pw;;\n'get https://t.example/simple/ oauth2accesstoken') echo token;;\n*) exit 1;;\nesac\n";
        containerize_tests::fixture::script(&program, script);
        let path = Some(format!("{}:/bin:/usr/bin", folder.path().display()));
        let credentials = Credentials { keyring_path: path, ..Credentials::default() };
        let found = credentials.ask_keyring(&url("https://i.example:8443/simple/"), "me").await;
        assert_eq!(found, Some(login("me", Some("pw"))));
        let found = credentials.ask_keyring(&url("https://t.example/simple/"), "").await;
        assert_eq!(found, Some(login("oauth2accesstoken", Some("token"))));
        assert_eq!(credentials.ask_keyring(&url("https://o.example/"), "me").await, None);
        let none = Credentials::default();
        assert_eq!(none.ask_keyring(&url("https://t.example/simple/"), "").await, None);
    }
}
