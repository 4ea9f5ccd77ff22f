//! The server: a thread, a listener, connections.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;

use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};
use hyper::service::service_fn;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use rcgen::{CertifiedKey, KeyPair};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::server::danger::ClientCertVerifier;
use tokio_rustls::rustls::server::{NoClientAuth, WebPkiClientVerifier};
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

use super::answer::{self, Answer};
use super::routes::{Route, with_wrong_digest};
use super::state::{Seen, State};
use super::{Fault, Options, TestRegistry};

pub(super) fn start(options: Options) -> TestRegistry {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.set_nonblocking(true).expect("a listener for tokio");
    let address = listener.local_addr().expect("an address");
    let client = options.client_certificate.then(|| self_signed("client"));
    let tls = options.tls.then(|| certify(client.as_ref()));
    let (acceptor, certificate) = tls.unzip();
    let client_identity = client.map(|made| (made.cert.pem(), made.signing_key.serialize_pem()));
    let scheme = if options.tls { "https" } else { "http" };
    let state = Arc::new(State::new(options, format!("{scheme}://{address}")));
    let (stop, stopped) = oneshot::channel();
    let shared = state.clone();
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
            tokio::select! {
                () = accept(listener, shared, acceptor) => {}
                _ = stopped => {}
            }
        });
    });
    TestRegistry { address, state, certificate, client_identity, stop: Some(stop), thread: Some(thread) }
}

fn self_signed(name: &str) -> CertifiedKey<KeyPair> {
    let names = vec![name.to_owned(), "127.0.0.1".to_owned()];
    rcgen::generate_simple_self_signed(names).expect("a certificate")
}

/// A certificate for this machine, and how to serve with it: to all, or to whoever shows the
/// certificate `client`.
fn certify(client: Option<&CertifiedKey<KeyPair>>) -> (TlsAcceptor, Vec<u8>) {
    let made = self_signed("localhost");
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let verifier: Arc<dyn ClientCertVerifier> = match client {
        None => Arc::new(NoClientAuth),
        Some(client) => {
            let mut roots = RootCertStore::empty();
            roots.add(client.cert.der().clone()).expect("a certificate");
            WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone())
                .build()
                .expect("a verifier")
        }
    };
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("protocol versions")
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![made.cert.der().clone()], key)
        .expect("a certificate and its key");
    (TlsAcceptor::from(Arc::new(config)), made.cert.pem().into_bytes())
}

async fn accept(listener: tokio::net::TcpListener, state: Arc<State>, acceptor: Option<TlsAcceptor>) {
    while let Ok((stream, _)) = listener.accept().await {
        let (state, acceptor) = (state.clone(), acceptor.clone());
        tokio::spawn(async move {
            match acceptor {
                None => serve(stream, state).await,
                Some(acceptor) => {
                    // Whoever does not trust us hangs up here.
                    if let Ok(stream) = acceptor.accept(stream).await {
                        serve(stream, state).await;
                    }
                }
            }
        });
    }
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin, state: Arc<State>) {
    let service = service_fn(|request| handle(state.clone(), request));
    let connection =
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    // It ends with an error whenever a fault cuts it off.
    let _ = connection.await;
}

/// One request; an error cuts the connection off.
async fn handle(state: Arc<State>, request: Request<Incoming>) -> io::Result<Answer> {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path().to_owned();
    let query: Vec<(String, String)> =
        url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
    let mount = query.iter().any(|(name, _)| name == "mount");
    let route = Route::of(parts.method.as_str(), &path, mount);
    let header = |(name, value): (&hyper::header::HeaderName, &hyper::header::HeaderValue)| {
        (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    let seen = Seen {
        phase: route.phase,
        method: parts.method.to_string(),
        path: path.clone(),
        query,
        headers: parts.headers.iter().map(header).collect(),
    };
    let fault = state.note(seen.clone());
    if fault == Some(Fault::Reset) {
        return Err(io::Error::other("cut off on purpose"));
    }
    if let Some(Fault::Slow(pause)) = &fault {
        tokio::time::sleep(*pause).await;
    }
    if let (Some(Fault::Stall(percent @ ..100)), false) = (&fault, route.phase.is_reading()) {
        take(body, *percent).await?;
        return stall(&state).await;
    }
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    Ok(match fault {
        Some(Fault::Status(status)) => refusal(status),
        Some(Fault::Code(status, code)) => answer::refusal(status, code, "on purpose"),
        Some(Fault::TooMany(wait)) => answer::header(refusal(429), "retry-after", wait),
        fault => {
            let answer = route.answer(&state, &seen, body, fault.as_ref());
            match fault {
                Some(Fault::AnswerLost | Fault::HalfTaken) => {
                    return Err(io::Error::other("cut off on purpose"));
                }
                Some(Fault::Truncated) => answer::truncated(answer, true).await,
                Some(Fault::Short) => answer::truncated(answer, false).await,
                Some(Fault::WrongBytes) => answer::spoilt(answer).await,
                Some(Fault::WrongDigest) => with_wrong_digest(answer),
                Some(Fault::Stall(percent @ ..100)) => {
                    answer::stalled(answer, percent, move || state.lock().stalled += 1).await
                }
                Some(Fault::Stall(_)) => return stall(&state).await,
                _ => answer,
            }
        }
    })
}

/// Reads so many hundredths of a body, and perhaps a little more.
async fn take(mut body: Incoming, percent: u8) -> io::Result<()> {
    let enough = body.size_hint().exact().unwrap_or_default() * u64::from(percent) / 100;
    let mut taken = 0;
    while taken < enough {
        let Some(frame) = body.frame().await else { return Ok(()) };
        taken += frame.map_err(io::Error::other)?.data_ref().map_or(0, |data| data.len() as u64);
    }
    Ok(())
}

/// Does nothing, until the registry ends.
async fn stall<T>(state: &State) -> T {
    state.lock().stalled += 1;
    std::future::pending().await
}

fn refusal(status: u16) -> Answer {
    let name =
        StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or("ODD");
    answer::refusal(status, &name.to_ascii_uppercase().replace(' ', "_"), "on purpose")
}
