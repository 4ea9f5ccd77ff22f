//! Identity tokens: what they say of whom (RFC 7519). Whether they are genuine is for whoever gives certificates.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use serde::Deserialize;

use super::identity::Identity;
use crate::error::{Error, Result};
use crate::redact::Secret;

/// Whom Sigstore's services expect a token to be for.
pub const AUDIENCE: &str = "sigstore";

/// The issuer of GitHub's tokens for workflows; some organisations have one below it.
const GITHUB: &str = "https://token.actions.githubusercontent.com";

/// A token, and what it says.
#[derive(Debug, Clone)]
pub struct Token {
    secret: Secret,
    claims: Claims,
}

#[derive(Debug, Clone, Deserialize)]
struct Claims {
    iss: String,
    #[serde(default)]
    sub: String,
    #[serde(default)]
    aud: Audience,
    #[serde(default)]
    exp: Option<f64>,
    #[serde(default)]
    email: Option<String>,
    #[serde(default)]
    job_workflow_ref: Option<String>,
    #[serde(default)]
    ci_config_ref_uri: Option<String>,
    /// The repository on GitHub, which need not be the workflow's.
    #[serde(default)]
    repository: Option<String>,
    /// The project on GitLab.
    #[serde(default)]
    project_path: Option<String>,
    /// The branch or tag there.
    #[serde(default, rename = "ref")]
    of_ref: Option<String>,
    #[serde(default)]
    ref_type: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

impl Default for Audience {
    fn default() -> Self {
        Self::Several(Vec::new())
    }
}

impl Token {
    /// Reads a token.
    ///
    /// # Errors
    /// Usage: it is not one. The message does not repeat it.
    pub fn read(text: &str) -> Result<Self> {
        let wrong = || {
            Error::usage("it is not an identity token")
                .hint("an identity token is a JSON Web Token: three parts of Base64 with dots between them")
        };
        let text = text.trim();
        let [_, claims, _] = text.split('.').collect::<Vec<_>>()[..] else { return Err(wrong()) };
        let claims = BASE64.decode(claims.trim_end_matches('=')).map_err(|_| wrong())?;
        let claims: Claims = serde_json::from_slice(&claims).map_err(|_| wrong())?;
        Ok(Self { secret: Secret::new(text), claims })
    }

    /// The token itself, for whoever gives certificates.
    pub fn secret(&self) -> &Secret {
        &self.secret
    }

    /// Whom it is about, as the proof that the key is there must name him.
    pub fn subject(&self) -> &str {
        self.claims.email.as_deref().unwrap_or(&self.claims.sub)
    }

    /// Until when it counts, in seconds since 1970.
    pub fn end(&self) -> Option<i64> {
        // JSON knows no integers.
        #[expect(clippy::cast_possible_truncation, reason = "it is cut off, which is as well")]
        self.claims.exp.map(|end| end as i64)
    }

    /// All that decides whom a certificate for it names.
    pub fn who(&self) -> String {
        let Claims { iss, email, sub, job_workflow_ref, ci_config_ref_uri, .. } = &self.claims;
        let Claims { repository, project_path, of_ref, ref_type, .. } = &self.claims;
        let source = (repository, project_path, of_ref, ref_type);
        format!("{:?}", (iss, email, sub, job_workflow_ref, ci_config_ref_uri, source))
    }

    /// Whom a certificate for it names, by the rules of Sigstore's authority for workflows of GitHub and GitLab, mail
    /// addresses and workloads.
    pub fn identity(&self) -> Identity {
        let Claims { iss, sub, email, ci_config_ref_uri, .. } = &self.claims;
        let gitlab = || ci_config_ref_uri.as_ref().map(|place| format!("https://{place}"));
        let identity = email.clone().or_else(|| self.workflow()).or_else(gitlab);
        let (source, source_ref) = self.source();
        Identity {
            identity: identity.unwrap_or_else(|| sub.clone()),
            issuer: iss.clone(),
            source,
            source_ref,
        }
    }

    /// The repository that the job is run for, and its branch or tag.
    fn source(&self) -> (Option<String>, Option<String>) {
        let Claims { iss, repository, project_path, of_ref, ref_type, .. } = &self.claims;
        if let (Some(repository), Some(workflow)) = (repository, self.workflow()) {
            let host = workflow.splitn(4, '/').take(3).collect::<Vec<_>>().join("/");
            return (Some(format!("{host}/{repository}")), of_ref.clone());
        }
        let kind = if ref_type.as_deref() == Some("tag") { "tags" } else { "heads" };
        let project = project_path.as_ref().map(|project| format!("{iss}/{project}"));
        let name = of_ref.as_ref().filter(|_| project.is_some()).map(|name| format!("refs/{kind}/{name}"));
        (project, name)
    }

    /// Whom it is for, if that is not Sigstore.
    pub fn other_audience(&self) -> Option<String> {
        let audiences = match &self.claims.aud {
            Audience::One(one) => std::slice::from_ref(one),
            Audience::Several(several) => several,
        };
        let is_ours = audiences.iter().any(|audience| audience == AUDIENCE);
        (!is_ours).then(|| audiences.join(", "))
    }

    /// The workflow on GitHub that the token was given to, as the address that stands for it.
    pub fn workflow(&self) -> Option<String> {
        let workflow = self.claims.job_workflow_ref.as_deref()?;
        let issuer = self.claims.iss.as_str();
        if issuer == GITHUB || issuer.strip_prefix(GITHUB).is_some_and(|rest| rest.starts_with('/')) {
            return Some(format!("https://github.com/{workflow}"));
        }
        // A GitHub of its own vouches under its own name.
        let host = issuer.strip_prefix("https://")?.strip_suffix("/_services/token")?;
        Some(format!("https://{host}/{workflow}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn token(claims: &Value) -> Token {
        Token::read(&format!("e30.{}.c2ln\n", BASE64.encode(claims.to_string()))).expect("a token")
    }

    #[test]
    fn a_token_says_whom_it_is_about() {
        let workflow = "acme/web/.github/workflows/release.yml@refs/tags/v1";
        let github = json!({
            "iss": GITHUB, "sub": "repo:acme/web:ref:refs/tags/v1", "aud": "sigstore", "exp": 1_764_000_000,
            "job_workflow_ref": workflow, "repository": "acme/shop", "ref": "refs/heads/main",
        });
        let token = super::tests::token(&github);
        assert_eq!(token.subject(), "repo:acme/web:ref:refs/tags/v1");
        assert_eq!(token.workflow(), Some(format!("https://github.com/{workflow}")));
        assert_eq!((token.end(), token.other_audience()), (Some(1_764_000_000), None));
        let own = json!({"iss": "https://git.acme.com/_services/token", "job_workflow_ref": workflow});
        assert_eq!(super::tests::token(&own).workflow(), Some(format!("https://git.acme.com/{workflow}")));
        let other = json!({"iss": "https://gitlab.com", "job_workflow_ref": workflow, "aud": ["a", "b"]});
        let other = super::tests::token(&other);
        assert_eq!((other.workflow(), other.other_audience()), (None, Some("a, b".to_owned())));
        let person = json!({"iss": "https://accounts.google.com", "sub": "1", "email": "me@example.com"});
        assert_eq!(super::tests::token(&person).subject(), "me@example.com");
        let pipeline = "gitlab.com/acme/web//.gitlab-ci.yml@refs/heads/main";
        let gitlab = json!({"iss": "https://gitlab.com", "sub": "project_path:acme/web", "ci_config_ref_uri": pipeline});
        let source = super::tests::token(&github).identity();
        assert_eq!(source.source.as_deref(), Some("https://github.com/acme/shop"));
        assert_eq!(source.source_ref.as_deref(), Some("refs/heads/main"));
        let pod = json!({"iss": "https://oidc.example.com", "sub": "https://kubernetes.io/namespaces/a"});
        for (claims, identity) in [
            (&github, format!("https://github.com/{workflow}")),
            (&person, "me@example.com".to_owned()),
            (&gitlab, format!("https://{pipeline}")),
            (&pod, "https://kubernetes.io/namespaces/a".to_owned()),
        ] {
            assert_eq!(super::tests::token(claims).identity().identity, identity);
        }
    }

    #[test]
    fn whoever_gets_another_certificate_is_somebody_else() {
        let shared = json!({"iss": GITHUB, "sub": "a", "job_workflow_ref": "acme/ci/.github/workflows/a.yml@v1",
            "repository": "acme/web", "ref": "refs/heads/main", "iat": 1});
        let changed = |name: &str, value: &str| {
            let mut claims = shared.clone();
            claims[name] = value.into();
            token(&claims).who()
        };
        let who = token(&shared).who();
        assert_eq!(changed("iat", "2"), who);
        for name in ["repository", "ref", "job_workflow_ref", "sub", "iss", "project_path"] {
            assert_ne!(changed(name, "x"), who, "{name}");
        }
    }

    #[test]
    fn what_is_no_token_is_refused_without_repeating_it() {
        for text in ["", "hunter2", "a.b", "a.!!.c", "e30.e30.c2ln", "a.b.c.d"] {
            let error = Token::read(text).expect_err(text);
            assert_eq!(error.to_string(), "it is not an identity token");
            assert!(error.causes().is_empty());
        }
        let shown = format!("{:?}", token(&json!({"iss": "i"})));
        assert!(!shown.contains("c2ln"), "{shown}");
    }
}
