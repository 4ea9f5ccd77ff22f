//! Where identity tokens come from. They live for minutes, so they are fetched when they are needed; that there is a
//! source is known before anything is built.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Deserialize;
use tokio::sync::Mutex;

use super::super::request::Request;
use super::must_be_private;
use crate::config::Sign;
use crate::error::{Context, Error, Result};
use crate::event::Events;
use crate::http::header::{HeaderName, HeaderValue};
use crate::http::{self, Client, Secret, Url};
use crate::read;
use crate::trust::{AUDIENCE, Token};
use crate::words;
use crate::words::flag;

/// The variable in which GitLab, and others, give a token.
const VARIABLE: &str = "SIGSTORE_ID_TOKEN";

/// Those in which GitHub says where a job gets its tokens, where it may.
const GITHUB: [&str; 2] = ["ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"];

/// The one in which programs are told where Google's metadata server is.
const GOOGLE: &str = "GCE_METADATA_HOST";

/// Those that are set where Google's metadata server is, by Cloud Run.
const ON_GOOGLE: [&str; 2] = ["K_SERVICE", "CLOUD_RUN_JOB"];

/// What a token is at most, in bytes.
const MOST: u64 = 1 << 16;

/// A token that ends sooner than this, in seconds, is not used any more.
const SPARE: i64 = 20;

/// What gives tokens to this call.
#[derive(Debug, Clone)]
pub(super) struct Tokens {
    http: Client,
    github: Option<Arc<Github>>,
}

/// Where tokens come from.
#[derive(Debug, Clone)]
pub(super) enum Source {
    /// As it was read first: a pipe gives it only once.
    File(PathBuf, Token),
    Variable(Token),
    Github(Arc<Github>),
    Google(Url),
}

/// GitHub's service for the tokens of a job.
#[derive(Debug)]
pub(super) struct Github {
    address: Url,
    bearer: Secret,
    /// The last one.
    known: Mutex<Option<Token>>,
}

impl Tokens {
    /// # Errors
    /// Usage: GitHub's address cannot be read, or would be spoken to in the open.
    pub(super) fn of(request: &Request, http: Client) -> Result<Self> {
        let said = GITHUB.map(|name| variable(request, name).filter(|_| request.push));
        let [Some(address), Some(bearer)] = said else { return Ok(Self { http, github: None }) };
        let mut address: Url = address
            .parse()
            .map_err(|e| Error::usage(format!("the address in {} cannot be read", GITHUB[0])).because(e))?;
        must_be_private(&http, &address)?;
        address.query_pairs_mut().append_pair("audience", AUDIENCE);
        let bearer = Secret::new(format!("Bearer {bearer}"));
        Ok(Self { http, github: Some(Arc::new(Github { address, bearer, known: Mutex::default() })) })
    }

    pub(super) fn http(&self) -> &Client {
        &self.http
    }

    /// The workflow that GitHub says this job runs.
    pub(super) async fn workflow(&self, events: &Events) -> Option<String> {
        let github = self.github.as_ref()?;
        match github.token(&self.http).await {
            Ok(token) => token.workflow(),
            Err(error) => {
                let why = error.causes().into_iter().next().unwrap_or_else(|| error.to_string());
                events
                    .note(format!("the provenance does not name the workflow: GitHub gave no token ({why})"));
                None
            }
        }
    }

    /// The source that the call and the settings name, else the one that there is.
    ///
    /// # Errors
    /// Usage: there is none, or its token does not count any more.
    pub(super) fn source(&self, request: &Request, dir: &Path, sign: &Sign) -> Result<Source> {
        let named = sign.identity_token.as_ref().map(|file| dir.join(file));
        if let Some(file) = request.identity_token.as_ref().map(|file| request.dir.join(file)).or(named) {
            let token = from_file(&file)?;
            return Ok(Source::File(file, token));
        }
        if let Some(text) = variable(request, VARIABLE) {
            let token = Token::read(text).and_then(still_good);
            return Ok(Source::Variable(
                token.context(|| format!("cannot sign with the token in {VARIABLE}"))?,
            ));
        }
        if let Some(github) = &self.github {
            return Ok(Source::Github(github.clone()));
        }
        let is_on_google = ON_GOOGLE.into_iter().any(|name| variable(request, name).is_some());
        let on_google = || is_on_google.then_some("metadata.google.internal");
        if let Some(host) = variable(request, GOOGLE).or_else(on_google) {
            let address = format!(
                "http://{host}/computeMetadata/v1/instance/service-accounts/default/identity?audience={AUDIENCE}&format=full"
            );
            let address = address.parse();
            return Ok(Source::Google(
                address.map_err(|e| Error::usage(format!("{GOOGLE} names no host")).because(e))?,
            ));
        }
        Err(missing(request))
    }
}

impl Source {
    /// A token that is good now.
    ///
    /// # Errors
    /// When it cannot be had.
    pub(super) async fn token(&self, http: &Client) -> Result<Token> {
        match self {
            Self::File(file, first) => {
                still_good(first.clone()).or_else(|_| tokio::task::block_in_place(|| from_file(file)))
            }
            Self::Variable(token) => {
                still_good(token.clone()).context(|| format!("cannot sign with the token in {VARIABLE}"))
            }
            Self::Github(github) => github.token(http).await,
            Self::Google(address) => {
                let flavor = (HeaderName::from_static("metadata-flavor"), HeaderValue::from_static("Google"));
                let ask = http::Request::get(address.clone()).header(flavor.0, flavor.1);
                let text = fetch(http, ask, "Google's metadata server").await?;
                Token::read(&text)
            }
        }
    }
}

impl Github {
    async fn token(&self, http: &Client) -> Result<Token> {
        #[derive(Deserialize)]
        struct Answer {
            value: String,
        }
        let mut known = self.known.lock().await;
        if let Some(token) = &*known
            && let Ok(token) = still_good(token.clone())
        {
            return Ok(token);
        }
        let ask = http::Request::get(self.address.clone()).authorization(Some(self.bearer.clone()));
        let text = fetch(http, ask, "GitHub").await?;
        let answer: Option<Answer> = serde_json::from_str(&text).ok();
        let answer = answer.ok_or_else(|| Error::network("GitHub's answer holds no identity token"))?;
        let token = Token::read(&answer.value)?;
        *known = Some(token.clone());
        Ok(token)
    }
}

async fn fetch(http: &Client, ask: http::Request, whom: &str) -> Result<String> {
    let fetched = http.retry(|_| async {
        let mut response = http.send(ask.clone()).await?;
        if !response.status().is_success() {
            return Err(response.failure(None));
        }
        response.bytes(usize::try_from(MOST).unwrap_or(usize::MAX)).await
    });
    let bytes =
        fetched.await.map_err(|spent| spent.explain(format!("cannot get an identity token from {whom}")))?;
    String::from_utf8(bytes.to_vec()).map_err(|_| Error::network(format!("{whom} answered with no token")))
}

fn from_file(file: &Path) -> Result<Token> {
    let shown = file.display();
    let text = read::given(file, MOST).map_err(|error| {
        Error::usage(format!("cannot sign: the identity token {shown} cannot be read"))
            .because(error)
            .hint("give the path of a file with a token")
    })?;
    Token::read(&text).and_then(still_good).context(|| format!("cannot sign with the identity token {shown}"))
}

fn still_good(token: Token) -> Result<Token> {
    let now = now();
    match token.end() {
        Some(end) if end < now + SPARE => {
            let moment = jiff::Timestamp::from_second(end).map(|end| end.to_string()).unwrap_or_default();
            let why = match end < now {
                true => format!("it expired at {moment}"),
                false => format!("it expires at {moment}, which is too soon to sign with it"),
            };
            Err(Error::usage(why).hint("get a new token: each lasts only minutes"))
        }
        _ => Ok(token),
    }
}

/// The seconds since 1970.
pub(super) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

fn variable<'r>(request: &'r Request, name: &str) -> Option<&'r str> {
    request.variables.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
}

fn missing(request: &Request) -> Error {
    let error = Error::usage("cannot sign: there is no identity token that says who signs");
    let is_true = |name: &str| variable(request, name) == Some("true");
    if is_true("GITHUB_ACTIONS") {
        return error.hint(
            "give the job the permission `id-token: write`; GitHub gives none to pull requests from forks",
        );
    }
    if is_true("GITLAB_CI") {
        return error.hint(format!("give the job one: id_tokens: {{ {VARIABLE}: {{ aud: {AUDIENCE} }} }}"));
    }
    error.hint(words!(
        "give a file with one as {}; on GitHub and GitLab the job gets one",
        flag("identity-token").of("FILE")
    ))
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;

    use super::*;

    fn token(end: i64) -> Token {
        let claims = serde_json::json!({ "iss": "https://i", "sub": "me", "aud": AUDIENCE, "exp": end });
        Token::read(&format!("e30.{}.c2ln", BASE64.encode(claims.to_string()))).expect("a token")
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_token_of_a_file_is_read_again_only_when_it_has_ended() {
        let http = Client::new(http::Options::default()).expect("a client");
        let source = |end| Source::File("gone".into(), token(end));
        source(now() + 600).token(&http).await.expect("what was read before");
        let error = source(now()).token(&http).await.expect_err("another is needed");
        assert_eq!(error.to_string(), "cannot sign: the identity token gone cannot be read");
    }
}
