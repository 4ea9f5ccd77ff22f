//! A registry in this process that misbehaves on command.
//!
//! It runs on a thread of its own, so it serves tests with and without a runtime, and programs
//! that a test starts. It remembers every request, headers included: a test can show who was
//! told a secret and who was not. It shares no code with the client.
//!
//! ```no_run
//! use containerize_tests::registry::{Fault, Phase, TestRegistry};
//!
//! let registry = TestRegistry::open();
//! registry.inject(Fault::Status(503).on(Phase::PutBlob).times(2));
//! // ... push to registry.address() ...
//! assert_eq!(registry.count(Phase::PutBlob), 3);
//! ```

mod answer;
mod auth;
mod fault;
mod referrers;
mod routes;
mod server;
mod state;

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::oneshot;

pub use fault::{Fault, Injection, Phase};
pub use state::Seen;
use state::{State, digest_of};

/// Who may do what.
#[derive(Debug, Clone, Default)]
pub enum Auth {
    /// Everybody everything.
    #[default]
    None,
    /// One user, with Basic authentication.
    Basic {
        /// The user name.
        user: String,
        /// The password.
        password: String,
    },
    /// One user, with tokens from `/token` of this registry.
    Token {
        /// The user name; identity tokens are `refresh-` and the password.
        user: String,
        /// The password.
        password: String,
    },
}

/// Who lists what hangs on a manifest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Referrers {
    /// Nobody: the registry is as old as docker-registry 2.8.
    #[default]
    None,
    /// The registry, as the specification says, in pages of two.
    Proper,
    /// The registry, as go-containerregistry's does it: it says nothing when it takes a manifest, names
    /// things by their configuration, and gives all to whoever asks for some.
    Odd,
}

/// How the registry is to be.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Who may do what.
    pub auth: Auth,
    /// Whether it speaks TLS, with a certificate that only [`TestRegistry::certificate`] vouches for.
    pub tls: bool,
    /// Whether it lets nobody in who does not show [`TestRegistry::client_identity`]; with `tls`.
    pub client_certificate: bool,
    /// What the challenge names as the realm, instead of `/token` of this registry.
    pub realm: Option<String>,
    /// A token that is good for everything, and not asked for; with tokens.
    pub static_token: Option<String>,
    /// What `OCI-Chunk-Min-Length` says; smaller chunks are refused.
    pub min_chunk: Option<usize>,
    /// The largest body that a request may have; others are answered 413.
    pub max_body: Option<usize>,
    /// What tokens say about their life in seconds.
    pub expires_in: Option<u64>,
    /// Whether anonymous tokens may pull.
    pub anonymous_pull: bool,
    /// Who lists what hangs on a manifest.
    pub referrers: Referrers,
}

impl Options {
    /// With Basic authentication of `me:secret`.
    pub fn basic() -> Self {
        Self { auth: Auth::Basic { user: "me".into(), password: "secret".into() }, ..Self::default() }
    }

    /// With a list of what hangs on a manifest.
    pub fn listing(referrers: Referrers) -> Self {
        Self { referrers, ..Self::default() }
    }

    /// With tokens for `me:secret`.
    pub fn token() -> Self {
        Self { auth: Auth::Token { user: "me".into(), password: "secret".into() }, ..Self::default() }
    }
}

/// A registry, stopped when dropped.
pub struct TestRegistry {
    address: SocketAddr,
    state: Arc<State>,
    certificate: Option<Vec<u8>>,
    client_identity: Option<(String, String)>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl TestRegistry {
    /// Starts a registry on a free port of 127.0.0.1.
    ///
    /// # Panics
    /// When there is none.
    pub fn start(options: Options) -> Self {
        server::start(options)
    }

    /// Starts a registry that lets everybody in.
    pub fn open() -> Self {
        Self::start(Options::default())
    }

    /// Host and port.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// The URL of its root.
    pub fn url(&self) -> String {
        self.state.url.clone()
    }

    /// A repository of it as a reference without tag.
    pub fn repository(&self, name: &str) -> String {
        format!("{}/{name}", self.address)
    }

    /// The PEM certificate to trust, if it speaks TLS.
    pub fn certificate(&self) -> Option<&[u8]> {
        self.certificate.as_deref()
    }

    /// The PEM certificate and key to show, if it wants that.
    pub fn client_identity(&self) -> Option<(&str, &str)> {
        self.client_identity.as_ref().map(|(certificate, key)| (certificate.as_str(), key.as_str()))
    }

    /// From now on, misbehave so.
    pub fn inject(&self, injection: Injection) {
        self.state.lock().faults.push(injection);
    }

    /// All requests so far.
    pub fn requests(&self) -> Vec<Seen> {
        self.state.lock().seen.clone()
    }

    /// The number of requests of one phase so far.
    pub fn count(&self, phase: Phase) -> usize {
        self.state.lock().seen.iter().filter(|seen| seen.phase == phase).count()
    }

    /// How many requests stand still by [`Fault::Stall`].
    pub fn stalled(&self) -> usize {
        self.state.lock().stalled
    }

    /// A blob of a repository.
    pub fn blob(&self, repository: &str, digest: impl ToString) -> Option<Bytes> {
        self.state.lock().blobs.get(&(repository.to_owned(), digest.to_string())).cloned()
    }

    /// What was stored under `/storage/`, where foreign uploads go and redirects lead.
    pub fn stored(&self, digest: impl ToString) -> Option<Bytes> {
        self.state.lock().storage.get(&digest.to_string()).cloned()
    }

    /// A manifest of a repository by tag or digest: media type and bytes.
    pub fn manifest(&self, repository: &str, reference: impl ToString) -> Option<(String, Bytes)> {
        self.state.lock().manifests.get(&(repository.to_owned(), reference.to_string())).cloned()
    }

    /// What hangs on a manifest of a repository, by kind: the manifests, and the documents that they hold.
    pub fn hanging(&self, repository: &str, subject: &str) -> Vec<(String, Bytes)> {
        let state = self.state.lock();
        let mut found: Vec<(String, Bytes)> = Vec::new();
        for ((of, reference), (_, bytes)) in &state.manifests {
            let manifest: serde_json::Value = serde_json::from_slice(bytes).unwrap_or_default();
            if of != repository
                || !reference.starts_with("sha256:")
                || manifest["subject"]["digest"] != subject
            {
                continue;
            }
            let kind = manifest["artifactType"].as_str().unwrap_or_default().to_owned();
            let layer = manifest["layers"][0]["digest"].as_str().unwrap_or_default().to_owned();
            found.extend(state.blobs.get(&(of.clone(), layer)).map(|blob| (kind, blob.clone())));
        }
        found.sort();
        found
    }

    /// Gives a repository a blob; its digest.
    pub fn put_blob(&self, repository: &str, bytes: impl Into<Bytes>) -> String {
        let bytes = bytes.into();
        let digest = digest_of(&bytes);
        self.state.lock().blobs.insert((repository.to_owned(), digest.clone()), bytes);
        digest
    }

    /// Gives the storage a blob; its digest.
    pub fn store(&self, bytes: impl Into<Bytes>) -> String {
        let bytes = bytes.into();
        let digest = digest_of(&bytes);
        self.state.lock().storage.insert(digest.clone(), bytes);
        digest
    }

    /// Gives a repository a manifest under a tag and its digest; the digest.
    pub fn put_manifest(
        &self,
        repository: &str,
        tag: &str,
        media_type: &str,
        bytes: impl Into<Bytes>,
    ) -> String {
        self.state.lock().keep_manifest(repository, tag, media_type, bytes.into())
    }

    /// Drops all that hangs on a manifest of a repository.
    pub fn drop_hanging(&self, repository: &str, subject: &str) {
        self.state.lock().manifests.retain(|(of, _), (_, bytes)| {
            let manifest: serde_json::Value = serde_json::from_slice(bytes).unwrap_or_default();
            of != repository || manifest["subject"]["digest"] != subject
        });
    }

    /// Hangs another document on a manifest of a repository, like one of this kind that hangs there; the key of that.
    ///
    /// # Panics
    /// Where nothing of the kind hangs there.
    pub fn hang_another(
        &self,
        repository: &str,
        subject: &str,
        kind: &str,
        document: &[u8],
    ) -> (String, String) {
        let digest = self.put_blob(repository, document.to_vec());
        let mut state = self.state.lock();
        let read = |bytes: &Bytes| serde_json::from_slice::<serde_json::Value>(bytes).unwrap_or_default();
        let found = state.manifests.iter().find(|((of, reference), (_, bytes))| {
            let manifest = read(bytes);
            of == repository
                && reference.starts_with("sha256:")
                && manifest["subject"]["digest"] == subject
                && manifest["artifactType"] == kind
        });
        let (place, (media_type, bytes)) =
            found.map(|(key, value)| (key.clone(), value.clone())).expect(kind);
        let mut manifest = read(&bytes);
        manifest["layers"][0]["digest"] = digest.into();
        manifest["layers"][0]["size"] = document.len().into();
        let bytes = Bytes::from(manifest.to_string());
        let digest = digest_of(&bytes);
        state.keep_manifest(repository, &digest, &media_type, bytes);
        place
    }

    /// Gives what hangs on a manifest of a repository, and is of this kind, another document.
    ///
    /// # Panics
    /// Where nothing of the kind hangs there.
    pub fn replace_hanging(&self, repository: &str, subject: &str, kind: &str, document: &[u8]) {
        let place = self.hang_another(repository, subject, kind, document);
        self.state.lock().manifests.remove(&place);
    }

    /// Makes all tokens given so far worthless.
    pub fn revoke_tokens(&self) {
        self.state.lock().tokens.clear();
    }
}

impl Drop for TestRegistry {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the server's thread has been printed, and shows as a failing client.
            let _ = thread.join();
        }
    }
}
