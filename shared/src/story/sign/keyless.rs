//! Signing with a certificate: one key and one certificate for all that a call signs, each signature recorded and
//! dated, and verified before anybody gets it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use serde_json::Value;
use tokio::sync::{Mutex, OnceCell};

use super::super::request::Request as Call;
use super::known::Known;
use super::token::{self, Source, Tokens};
use super::{Desk, Payload, Signed, Tagged, must_be_private, text};
use crate::config::Sign;
use crate::error::{Context, Error, Result};
use crate::http::header::{CONTENT_TYPE, HeaderValue, LOCATION};
use crate::http::{
    Body, Client, Failure, Method, Request, Response, Spent, StatusCode, Url, same_origin, shown,
};
use crate::image::SIGNED_BY;
use crate::oci::{Digest, Repository};
use crate::registry::Shelf;
use crate::store::Table;
use crate::trust::{Certified, EphemeralKey, Identity, Log, Services, Statement, Token, TrustedRoot};
use crate::words;
use crate::words::{Flag, flag};

/// What a remembered signature depends on beside what it signs, who signs, and where.
const CONTRACT: u32 = 1;

/// Where a log of Rekor v1 takes entries.
const PROMISES: &str = "api/v1/log/entries";

/// So many signatures are recorded at once.
const AT_ONCE: usize = 4;

/// What a service answers is not larger, in bytes.
const MOST: usize = 64 << 20;

/// What it says of a failure is not longer, in bytes.
const MOST_SAID: usize = 1 << 16;

/// A certificate that ends sooner than this, in seconds, is not used any more.
const SPARE: i64 = 60;

/// Signs with certificates.
#[derive(Debug)]
pub(in crate::story) struct Keyless {
    http: Client,
    source: Source,
    services: Services,
    root: TrustedRoot,
    /// The one that is used, until it ends.
    certified: Mutex<Option<Arc<Certified>>>,
    /// Whom the certificates name.
    signer: OnceLock<Identity>,
}

/// A statement that is to be signed.
struct Said<'a> {
    bytes: &'a [u8],
    statement: Statement<Value>,
    /// The first that it is about.
    subject: Digest,
}

impl<'a> Said<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self> {
        let statement: Statement<Value> =
            serde_json::from_slice(bytes).map_err(|e| Error::bug("a statement cannot be read").because(e))?;
        let subject = statement.subject.first().and_then(|subject| subject.digest.get("sha256"));
        let subject = subject.and_then(|hex| format!("sha256:{hex}").parse().ok());
        let subject = subject.ok_or_else(|| Error::bug("a statement is about nothing"))?;
        Ok(Self { bytes, statement, subject })
    }
}

impl Keyless {
    /// # Errors
    /// Usage: a file cannot be read or used, or there is no token to be had.
    pub(super) fn of(request: &Call, dir: &Path, sign: &Sign, tokens: &Tokens) -> Result<Self> {
        let services = match &sign.signing_config {
            Some(file) => Services::read(&text(dir, file, "signing configuration")?)
                .context(|| format!("cannot sign with {file}"))?,
            None => Services::public()?,
        };
        let root = match &sign.trusted_root {
            Some(file) => TrustedRoot::read(&text(dir, file, "trusted root")?)
                .context(|| format!("cannot sign with {file}"))?,
            None => TrustedRoot::public()?,
        };
        let others = [services.promising.as_ref(), services.clock.as_ref()];
        for address in [&services.authority, &services.log.0].into_iter().chain(others.into_iter().flatten())
        {
            must_be_private(tokens.http(), address)?;
        }
        let source = tokens.source(request, dir, sign)?;
        let (certified, signer) = (Mutex::default(), OnceLock::new());
        Ok(Self { http: tokens.http().clone(), source, services, root, certified, signer })
    }

    /// Refuses services that cannot record signatures other than bundles.
    ///
    /// # Errors
    /// Usage: none of their logs is one of Rekor v1.
    pub(super) fn must_promise(&self, sign: &Sign) -> Result<()> {
        if self.services.promising.is_some() {
            return Ok(());
        }
        let whose = sign.signing_config.as_deref().unwrap_or("Sigstore's signing configuration");
        let form = flag("signature-format");
        Err(Error::usage(words!(
            "cannot sign in the older form: {whose} names no log of Rekor v1, which that form needs"
        ))
        .hint(words!("use {}, or a signing configuration with such a log", form.of("bundle"))))
    }

    /// The bundles of statements, in their order: those that the cache or one of the `places` has, or new ones.
    ///
    /// # Errors
    /// When a service refuses, or answers with what does not verify.
    pub(super) async fn sign(
        &self,
        desk: Desk<'_>,
        places: &BTreeSet<&Repository>,
        statements: &[Vec<u8>],
    ) -> Result<Vec<Signed>> {
        let token = self.source.token(&self.http).await?;
        let said = statements.iter().map(|statement| Said::read(statement)).collect::<Result<Vec<_>>>()?;
        let known = Known {
            places,
            subjects: said.iter().map(|said| said.subject).collect(),
            signer: token.identity(),
            root: &self.root,
            found: OnceCell::new(),
        };
        all(said.iter().map(|said| self.one(desk, &token, &known, said))).await
    }

    /// The signatures of payloads in the form before bundles, in their order; each is about an image.
    ///
    /// # Errors
    /// As [`Keyless::sign`].
    pub(super) async fn tag(&self, desk: Desk<'_>, payloads: &[Payload<'_>]) -> Result<Vec<Tagged>> {
        let token = self.source.token(&self.http).await?;
        all(payloads.iter().map(|payload| self.tagged(desk, &token, payload))).await
    }

    /// Whom the certificates name.
    ///
    /// # Errors
    /// When no token can be had.
    pub(super) async fn identity(&self) -> Result<Identity> {
        Ok(self.source.token(&self.http).await?.identity())
    }

    /// The statement in a bundle about `subject` that this signer has made.
    ///
    /// # Errors
    /// Integrity: with what does not match. When no token can be had.
    pub(super) async fn own(&self, bundle: &[u8], subject: &Digest) -> Result<Statement<Value>> {
        let (signer, statement) = self.root.verify(bundle, subject).map_err(|refusal| refusal.error)?;
        match signer == self.identity().await? {
            true => Ok(statement),
            false => Err(Error::integrity(format!("it is signed by {}", signer.line()))),
        }
    }

    /// The flags that check a signature.
    pub(super) fn proof(&self, sign: &Sign) -> Vec<Flag> {
        let Some(Identity { identity, issuer, source, .. }) = self.signer.get() else { return Vec::new() };
        let root = sign.trusted_root.iter().map(|file| flag("trusted-root").of(file));
        let source = source.iter().map(|source| flag("source").of(source));
        let signer = [flag("identity").of(identity), flag("issuer").of(issuer)];
        signer.into_iter().chain(source).chain(root).collect()
    }

    async fn one(&self, desk: Desk<'_>, token: &Token, known: &Known<'_>, said: &Said<'_>) -> Result<Signed> {
        let key = self.known_as("", token, said.bytes);
        if let Some(bundle) = desk.store.recall::<String>(Table::Bundles, &key)
            && let Ok(signed) = self.verified(said, bundle.into_bytes())
        {
            return Ok(signed);
        }
        if let Some(signed) = known.get(desk, &said.statement).await {
            let _ = self.signer.set(token.identity());
            return Ok(signed);
        }
        let certified = self.certified(desk, token).await?;
        let draft = certified.sign(said.bytes);
        let (log, kind) = &self.services.log;
        let entry = async {
            let path = if *kind == Log::Tiled { "api/v2/log/entries" } else { PROMISES };
            record(&self.http, &Services::below(log, path)?, draft.entry(*kind)?).await
        };
        let stamp = async {
            match &self.services.clock {
                Some(clock) => self.date(clock, draft.stamp()).await.map(Some),
                None => Ok(None),
            }
        };
        let (entry, stamp) = tokio::try_join!(entry, stamp)?;
        let bundle = draft.finish(*kind, &entry, stamp.map(|stamp| stamp.to_vec()))?;
        let text = String::from_utf8_lossy(&bundle).into_owned();
        let signed = self.verified(said, bundle).map_err(unverified)?;
        desk.store.remember(Table::Bundles, &key, &text);
        Ok(signed)
    }

    async fn tagged(&self, desk: Desk<'_>, token: &Token, payload: &Payload<'_>) -> Result<Tagged> {
        let Payload { image, content, .. } = payload;
        let key = self.known_as("payload ", token, content);
        if let Some(annotations) = desk.store.recall::<BTreeMap<String, String>>(Table::Bundles, &key)
            && let Ok(tagged) = self.verified_tag(image, content, annotations)
        {
            return Ok(tagged);
        }
        if let Some(tagged) = self.known_tag(desk, token, payload).await {
            return Ok(tagged);
        }
        let log = self.services.promising.as_ref().ok_or_else(|| Error::bug("no log promises anything"))?;
        let draft = self.certified(desk, token).await?.sign_payload(content);
        let entry = record(&self.http, &Services::below(log, PROMISES)?, draft.entry()?).await?;
        let tagged = self.verified_tag(image, content, draft.finish(&entry)?).map_err(unverified)?;
        desk.store.remember(Table::Bundles, &key, &tagged.annotations);
        Ok(tagged)
    }

    /// The signature that the registry has of the payload by the same signer, if it is good.
    async fn known_tag(&self, desk: Desk<'_>, token: &Token, payload: &Payload<'_>) -> Option<Tagged> {
        let (own, digest) = (token.identity().line(), Digest::of(&payload.content));
        let there = desk.client.shelved(payload.place, Shelf::Signatures, &payload.image).await.ok()?;
        let mut ours = there.into_iter().filter(|layer| layer.digest == digest);
        ours.find_map(|mut layer| {
            let by = layer.annotations.remove(SIGNED_BY).filter(|by| *by == own)?;
            let tagged = self.verified_tag(&payload.image, &payload.content, layer.annotations).ok()?;
            (tagged.by == by).then_some(tagged)
        })
    }

    /// The name under which a signature is remembered.
    fn known_as(&self, form: &str, token: &Token, content: &[u8]) -> String {
        let (digest, who) = (Digest::of(content), token.who());
        format!("{CONTRACT} {form}{digest} {who} {:?}", self.services)
    }

    /// The annotations, if they hold a good signature of the payload.
    fn verified_tag(
        &self,
        image: &Digest,
        payload: &[u8],
        annotations: BTreeMap<String, String>,
    ) -> Result<Tagged> {
        let signer =
            self.root.verify_legacy(payload, &annotations, image).map_err(|refusal| refusal.error)?;
        Ok(Tagged { annotations, by: self.met(signer) })
    }

    /// Who has signed, as one line.
    fn met(&self, signer: Identity) -> String {
        let by = signer.line();
        // All certificates of one call name the same, since its tokens do.
        let _ = self.signer.set(signer);
        by
    }

    /// The bundle, if it is that of the statement and good.
    fn verified(&self, said: &Said<'_>, bundle: Vec<u8>) -> Result<Signed> {
        let (identity, signed) = self.root.verify(&bundle, &said.subject).map_err(|refusal| refusal.error)?;
        if signed != said.statement {
            return Err(Error::integrity("another statement was signed"));
        }
        Ok(Signed { bundle, by: self.met(identity) })
    }

    /// A key with a certificate that is good for a while.
    async fn certified(&self, desk: Desk<'_>, token: &Token) -> Result<Arc<Certified>> {
        let mut known = self.certified.lock().await;
        if let Some(certified) = &*known
            && certified.end() > token::now() + SPARE
        {
            return Ok(certified.clone());
        }
        // The token may have ended meanwhile too.
        let token = if known.is_some() { self.source.token(&self.http).await? } else { token.clone() };
        let url = Services::below(&self.services.authority, "api/v2/signingCert")?;
        let key = EphemeralKey::generate();
        let request = Bytes::from(key.request(&token)?);
        let ask = post(&url, "application/json").secret_body(Body::Bytes(request), token.secret().clone());
        let answer = answered(&self.http, ask);
        let answer = answer.await.map_err(|spent| {
            let error = spent.explain(format!("cannot get a certificate from {}", shown(&url)));
            match token.other_audience() {
                Some(audience) => error.hint(format!(
                    "the identity token is for {audience:?}; Sigstore's services take those for \"sigstore\""
                )),
                None => error,
            }
        })?;
        let certified = Arc::new(
            key.certified(&answer).context(|| format!("cannot get a certificate from {}", shown(&url)))?,
        );
        desk.events.step("Signing", format!("as {}", certified.identity().identity));
        *known = Some(certified.clone());
        Ok(certified)
    }

    /// Has a signature dated.
    async fn date(&self, url: &Url, request: Vec<u8>) -> Result<Bytes> {
        let ask = post(url, "application/timestamp-query").body(Body::Bytes(Bytes::from(request)));
        let dated = answered(&self.http, ask);
        dated.await.map_err(|spent| spent.explain(format!("cannot get a timestamp from {}", shown(url))))
    }
}

/// What these futures give, in their order, some of them at once.
async fn all<T>(futures: impl Iterator<Item = impl Future<Output = Result<T>> + Send>) -> Result<Vec<T>> {
    // Boxed, as the compiler cannot see otherwise that these futures may move between threads.
    let futures: Vec<futures_util::future::BoxFuture<'_, _>> =
        futures.map(|future| Box::pin(future) as _).collect();
    stream::iter(futures).buffered(AT_ONCE).try_collect().await
}

fn unverified(error: Error) -> Error {
    Error::integrity("the signature that was just made does not verify, so it is not used")
        .because(error)
        .hint("check that signing-config and trusted-root are about the same services, and this machine's clock")
}

/// Has a signature recorded.
async fn record(http: &Client, url: &Url, entry: Vec<u8>) -> Result<Bytes> {
    let ask = post(url, "application/json").body(Body::Bytes(Bytes::from(entry)));
    let recorded = answered(http, ask);
    recorded.await.map_err(|spent| spent.explain(format!("cannot record a signature in {}", shown(url))))
}

/// What a service answers.
async fn answered(http: &Client, ask: Request) -> Result<Bytes, Spent> {
    http.retry(|_| async {
        let mut response = http.send(ask.clone()).await?;
        // An attempt whose answer was lost has done it.
        let there = response.header(LOCATION.as_str()).and_then(|place| ask.url().join(place).ok());
        if let (StatusCode::CONFLICT, Some(there)) = (response.status(), there)
            && same_origin(ask.url(), &there)
        {
            response = http.send(Request::get(there)).await?;
        }
        if !response.status().is_success() {
            return Err(refused(response).await);
        }
        response.bytes(MOST).await
    })
    .await
}

fn post(url: &Url, kind: &'static str) -> Request {
    Request::new(Method::POST, url.clone()).header(CONTENT_TYPE, HeaderValue::from_static(kind))
}

/// A failure in the service's own words.
async fn refused(mut response: Response) -> Failure {
    let said = response.bytes(MOST_SAID).await.ok();
    let said = said.and_then(|said| serde_json::from_slice::<Value>(&said).ok());
    response.failure(said.as_ref().and_then(|said| said["message"].as_str()))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use super::*;
    use crate::http::Options;

    /// Gives these answers, one for each connection.
    fn server(answers: &'static [&'static str]) -> Url {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}/api/v1/log/entries", listener.local_addr().expect("an address"));
        std::thread::spawn(move || {
            for answer in answers {
                let (mut stream, _) = listener.accept().expect("a connection");
                let mut asked = Vec::new();
                let is_whole = |asked: &[u8]| match asked.starts_with(b"GET") {
                    true => asked.ends_with(b"\r\n\r\n"),
                    false => asked.ends_with(b"{}"),
                };
                while !is_whole(&asked) {
                    let mut byte = [0];
                    stream.read_exact(&mut byte).expect("a request");
                    asked.push(byte[0]);
                }
                stream.write_all(answer.as_bytes()).expect("an answer");
            }
        });
        url.parse().expect("a URL")
    }

    async fn recorded(answers: &'static [&'static str]) -> Result<Bytes> {
        let http = Client::new(Options { retries: 0, ..Options::default() }).expect("a client");
        record(&http, &server(answers), b"{}".to_vec()).await
    }

    #[tokio::test]
    async fn an_entry_whose_answer_was_lost_is_fetched() {
        const KNOWN: &str = "HTTP/1.1 409 Conflict\r\nLocation: /api/v1/log/entries/7\r\nContent-Length: 0\r\n\
                             Connection: close\r\n\r\n";
        const ENTRY: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nentry";
        assert_eq!(recorded(&[KNOWN, ENTRY]).await.expect("the entry"), "entry");
    }

    #[tokio::test]
    async fn a_refusal_says_what_the_log_says() {
        const REFUSED: &str = "HTTP/1.1 400 Bad Request\r\nContent-Length: 32\r\nConnection: close\r\n\r\n\
                               {\"code\":400,\"message\":\"too old\"}";
        const ELSEWHERE: &str = "HTTP/1.1 409 Conflict\r\nLocation: http://elsewhere.example/7\r\n\
                                 Content-Length: 0\r\nConnection: close\r\n\r\n";
        let error = recorded(&[REFUSED]).await.expect_err("refused");
        assert!(error.to_string().starts_with("cannot record a signature in http://127.0.0.1"), "{error}");
        assert!(error.causes().join(" ").ends_with("too old"), "{:?}", error.causes());
        let error = recorded(&[ELSEWHERE]).await.expect_err("refused");
        assert!(error.causes().join(" ").contains("409"), "{:?}", error.causes());
    }
}
