//! Who publishes distributions of Python to an index, as the index says it (PEP 740), and who must have.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::sigstore::Job;
use crate::error::{Error, Result};

/// Whose jobs may publish a distribution.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "kind")]
pub enum Publisher {
    /// A workflow on GitHub.
    GitHub {
        /// As `owner/name`.
        repository: String,
        /// The name of the workflow's file.
        workflow: String,
        /// The environment that its jobs are run in, where it must be this one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        environment: Option<String>,
    },
    /// A pipeline on GitLab.
    GitLab {
        /// As `group/name`.
        repository: String,
        /// The path of the pipeline's file.
        workflow_filepath: String,
        /// The environment that its jobs are run in, where it must be this one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        environment: Option<String>,
    },
    /// A service account of Google's cloud.
    Google {
        /// Its address.
        email: String,
    },
}

impl Publisher {
    /// Whether a job is one of this publisher's. As an index does not know which commit or tag a job will be run for,
    /// the certificate's own word about that is believed.
    ///
    /// # Errors
    /// Integrity: it is another one.
    pub(super) fn accept(&self, job: &Job) -> Result<()> {
        let (host, issuer, repository, file) = match self {
            Self::GitHub { repository, workflow, .. } => {
                let file = format!("/.github/workflows/{workflow}");
                ("https://github.com", "https://token.actions.githubusercontent.com", repository, file)
            }
            Self::GitLab { repository, workflow_filepath, .. } => {
                ("https://gitlab.com", "https://gitlab.com", repository, format!("//{workflow_filepath}"))
            }
            Self::Google { email } => {
                let is_it = job.identity == *email && job.issuer == "https://accounts.google.com";
                return if is_it { Ok(()) } else { Err(self.stranger(job)) };
            }
        };
        let source = format!("{host}/{repository}");
        let config = |at: &String| job.config.as_deref() == Some(&format!("{source}{file}@{at}"));
        let is_it =
            job.issuer == issuer && job.source.as_ref() == Some(&source) && job.refs.iter().any(config);
        if is_it { Ok(()) } else { Err(self.stranger(job)) }
    }

    fn stranger(&self, job: &Job) -> Error {
        Error::integrity(format!("it was signed by {}, which is not {self}", job.identity))
    }

    const fn kind(&self) -> &'static str {
        match self {
            Self::GitHub { .. } => "GitHub",
            Self::GitLab { .. } => "GitLab",
            Self::Google { .. } => "Google",
        }
    }

    /// The repository, workflow, environment and address, where there are some.
    fn parts(&self) -> [Option<&str>; 4] {
        match self {
            Self::GitHub { repository, workflow, environment } => {
                [Some(repository), Some(workflow), environment.as_deref(), None]
            }
            Self::GitLab { repository, workflow_filepath, environment } => {
                [Some(repository), Some(workflow_filepath), environment.as_deref(), None]
            }
            Self::Google { email } => [None, None, None, Some(email)],
        }
    }
}

impl fmt::Display for Publisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.parts() {
            [Some(repository), Some(workflow), ..] => {
                write!(f, "{workflow} of {repository} on {}", self.kind())
            }
            [.., email] => f.write_str(email.unwrap_or_default()),
        }
    }
}

/// Who must have published a distribution. What is not said may be anything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct WantedPublisher {
    /// `GitHub`, `GitLab` or `Google`.
    pub kind: Option<String>,
    /// The repository; GitHub and GitLab know no difference between large and small letters there.
    pub repository: Option<String>,
    /// The file of its workflow or pipeline.
    pub workflow: Option<String>,
    /// The environment of its jobs.
    pub environment: Option<String>,
    /// The address of a service account.
    pub email: Option<String>,
}

impl WantedPublisher {
    /// Whether it is who must have published.
    pub fn is(&self, publisher: &Publisher) -> bool {
        let [repository, workflow, environment, email] = publisher.parts();
        let is_alike = |wanted: &Option<String>, there: Option<&str>| {
            wanted
                .as_deref()
                .is_none_or(|wanted| there.is_some_and(|there| there.eq_ignore_ascii_case(wanted)))
        };
        let is_same = |wanted: &Option<String>, there: Option<&str>| {
            wanted.as_deref().is_none_or(|wanted| there == Some(wanted))
        };
        is_same(&self.kind, Some(publisher.kind()))
            && is_alike(&self.repository, repository)
            && is_same(&self.workflow, workflow)
            && is_alike(&self.environment, environment)
            && is_same(&self.email, email)
    }

    /// Whether the job is run in the environment that it must be. Older certificates do not say it; then it is only the
    /// index that does.
    ///
    /// # Errors
    /// Integrity: it is another one.
    pub(super) fn accept(&self, job: &Job) -> Result<()> {
        match (&self.environment, &job.environment) {
            (Some(wanted), Some(there)) if !wanted.eq_ignore_ascii_case(there) => Err(Error::integrity(
                format!("it was signed by a job in the environment {there}, but {wanted} was expected"),
            )),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for WantedPublisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, repository, workflow, environment, email } = self;
        let parts = [workflow, repository, environment, email].into_iter().flatten();
        let parts: Vec<&str> = parts.map(String::as_str).chain(kind.as_deref()).collect();
        match parts[..] {
            [] => f.write_str("anybody"),
            _ => f.write_str(&parts.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn publisher(value: Value) -> Publisher {
        serde_json::from_value(value).expect("a publisher")
    }

    fn job() -> Job {
        Job {
            identity: "https://github.com/other/shared/.github/workflows/build.yml@refs/heads/main".into(),
            issuer: "https://token.actions.githubusercontent.com".into(),
            source: Some("https://github.com/acme/shop".into()),
            refs: vec!["0123abcd".into(), "refs/tags/v1".into()],
            config: Some("https://github.com/acme/shop/.github/workflows/release.yml@refs/tags/v1".into()),
            environment: Some("PyPI".into()),
        }
    }

    #[test]
    fn a_job_is_its_publishers_whatever_it_was_run_for() {
        let own = publisher(json!({"kind": "GitHub", "repository": "acme/shop", "workflow": "release.yml"}));
        own.accept(&job()).expect("its own");
        let config = "https://github.com/acme/shop/.github/workflows/release.yml@0123abcd".to_owned();
        own.accept(&Job { config: Some(config), ..job() }).expect("by its commit");
        let refused = |job: &Job| own.accept(job).expect_err("refused").to_string();
        let other = |text: &str| Some(text.to_owned());
        for stranger in [
            Job { issuer: "https://gitlab.com".into(), ..job() },
            Job { source: other("https://github.com/acme/shop2"), ..job() },
            Job { source: other("https://github.com/Acme/shop"), ..job() },
            Job { source: None, ..job() },
            Job {
                config: other("https://github.com/acme/shop/.github/workflows/test.yml@refs/tags/v1"),
                ..job()
            },
            Job {
                config: other("https://github.com/evil/x/.github/workflows/release.yml@refs/tags/v1"),
                ..job()
            },
            Job {
                config: other("https://github.com/acme/shop/.github/workflows/release.yml@refs/tags/v2"),
                ..job()
            },
            Job { config: None, ..job() },
            Job { refs: Vec::new(), ..job() },
        ] {
            let said = refused(&stranger);
            assert!(said.ends_with("which is not release.yml of acme/shop on GitHub"), "{said}");
        }
    }

    #[test]
    fn pipelines_and_accounts_are_compared_too() {
        let lab = json!({"kind": "GitLab", "repository": "a/b/c", "workflow_filepath": "ci/x.yml"});
        let of_lab = Job {
            issuer: "https://gitlab.com".into(),
            source: Some("https://gitlab.com/a/b/c".into()),
            config: Some("https://gitlab.com/a/b/c//ci/x.yml@refs/tags/v1".into()),
            ..job()
        };
        publisher(lab.clone()).accept(&of_lab).expect("its own");
        assert!(publisher(lab).accept(&job()).is_err());
        let google = publisher(json!({"kind": "Google", "email": "a@b.iam"}));
        let robot = Job {
            identity: "a@b.iam".into(),
            issuer: "https://accounts.google.com".into(),
            ..Job::default()
        };
        google.accept(&robot).expect("its own");
        assert!(
            google.accept(&Job { issuer: "https://github.com/login/oauth".into(), ..robot.clone() }).is_err()
        );
        assert!(google.accept(&Job { identity: "x@b.iam".into(), ..robot }).is_err());
        assert!(serde_json::from_value::<Publisher>(json!({"kind": "Other", "email": "a@b"})).is_err());
    }

    #[test]
    fn what_is_not_wanted_may_be_anything() {
        let text = |text: &str| Some(text.to_owned());
        let there = json!({
            "kind": "GitHub", "repository": "acme/shop", "workflow": "release.yml", "environment": "pypi", "claims": {}
        });
        let there = publisher(there);
        let any = WantedPublisher::default();
        assert!(any.is(&there));
        let wanted = |change: fn(&mut WantedPublisher)| {
            let mut wanted = WantedPublisher::default();
            change(&mut wanted);
            wanted.is(&there)
        };
        assert!(wanted(|wanted| wanted.repository = Some("Acme/Shop".into())));
        assert!(wanted(|wanted| wanted.environment = Some("PyPI".into())));
        assert!(!wanted(|wanted| wanted.repository = Some("acme/shops".into())));
        assert!(!wanted(|wanted| wanted.workflow = Some("Release.yml".into())));
        assert!(!wanted(|wanted| wanted.environment = Some("test".into())));
        assert!(!wanted(|wanted| wanted.kind = Some("GitLab".into())));
        assert!(!wanted(|wanted| wanted.email = Some("a@b".into())));
        let in_test = WantedPublisher { environment: text("test"), ..any.clone() };
        assert!(in_test.accept(&job()).is_err() && any.accept(&job()).is_ok());
        assert!(
            in_test.accept(&Job { environment: None, ..job() }).is_ok(),
            "older certificates do not say it"
        );
    }
}
