//! The job that a certificate was given to, in all that is compared of it with a publisher of distributions.

use sigstore_verify::crypto::CertificateInfo;

/// A job that signs, as its certificate names it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::trust) struct Job {
    /// A mail address, or the address of a workflow.
    pub(in crate::trust) identity: String,
    /// Who vouched for that.
    pub(in crate::trust) issuer: String,
    /// The address of the repository that it was run for.
    pub(in crate::trust) source: Option<String>,
    /// The branch or tag of that, and the commit.
    pub(in crate::trust) refs: Vec<String>,
    /// The address of the file that describes it, with `@` and one of these behind it.
    pub(in crate::trust) config: Option<String>,
    /// The environment that it was run in.
    pub(in crate::trust) environment: Option<String>,
}

impl Job {
    /// The one that a certificate names; nothing where it names nobody.
    pub(super) fn of(certificate: &CertificateInfo) -> Option<Self> {
        let claims = &certificate.ci_claims;
        let refs = claims.source_repository_digest.iter().chain(&claims.source_repository_ref);
        Some(Self {
            identity: certificate.identity.as_ref()?.as_str().to_owned(),
            issuer: certificate.issuer.clone()?,
            source: claims.source_repository_uri.clone(),
            refs: refs.cloned().collect(),
            config: claims.build_config_uri.clone(),
            environment: claims.deployment_environment.clone(),
        })
    }
}
