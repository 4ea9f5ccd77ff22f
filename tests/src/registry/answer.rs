//! Answers, right ones and spoilt ones.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use hyper::body::Frame;
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};

/// An answer; its body may fail on the way.
pub(super) type Answer = Response<BoxBody<Bytes, io::Error>>;

/// An answer with these bytes.
pub(super) fn bytes(status: u16, bytes: impl Into<Bytes>) -> Answer {
    let bytes = bytes.into();
    let mut answer = Response::new(Full::new(bytes).map_err(|never| match never {}).boxed());
    *answer.status_mut() = StatusCode::from_u16(status).expect("a status");
    answer
}

/// An answer without a body.
pub(super) fn empty(status: u16) -> Answer {
    bytes(status, Bytes::new())
}

/// An answer with JSON.
pub(super) fn json(status: u16, value: &serde_json::Value) -> Answer {
    header(bytes(status, value.to_string()), CONTENT_TYPE.as_str(), "application/json")
}

/// A refusal in the registry's manner.
pub(super) fn refusal(status: u16, code: &str, message: &str) -> Answer {
    json(status, &serde_json::json!({"errors": [{"code": code, "message": message, "detail": null}]}))
}

/// The same answer with one header more (or another value of it).
pub(super) fn header(mut answer: Answer, name: &str, value: &str) -> Answer {
    let name = hyper::header::HeaderName::try_from(name).expect("a header name");
    answer.headers_mut().insert(name, HeaderValue::from_str(value).expect("a header value"));
    answer
}

/// The same answer with half of its body; then the connection ends, or, if the length was not
/// `announced`, the body seems complete.
pub(super) async fn truncated(answer: Answer, announced: bool) -> Answer {
    let (mut parts, body) = answer.into_parts();
    let whole = body.collect().await.expect("bytes in memory").to_bytes();
    parts.headers.remove(CONTENT_LENGTH);
    if announced {
        parts.headers.insert(CONTENT_LENGTH, HeaderValue::from(whole.len()));
    }
    let half = Ok(Frame::data(whole.slice(..whole.len() / 2)));
    let end = announced.then(|| Err(io::Error::other("cut off on purpose")));
    let pieces = std::iter::once(half).chain(end).collect();
    Response::from_parts(parts, StreamBody::new(Pieces(pieces)).boxed())
}

/// The same answer with the last byte of its body changed.
pub(super) async fn spoilt(answer: Answer) -> Answer {
    let (parts, body) = answer.into_parts();
    let mut whole = body.collect().await.expect("bytes in memory").to_bytes().to_vec();
    if let Some(last) = whole.last_mut() {
        *last = !*last;
    }
    Response::from_parts(parts, Full::new(Bytes::from(whole)).map_err(|never| match never {}).boxed())
}

/// The same answer, of whose body only so many hundredths come; `reached` is called then.
pub(super) async fn stalled(
    answer: Answer,
    percent: u8,
    reached: impl Fn() + Send + Sync + Unpin + 'static,
) -> Answer {
    let (mut parts, body) = answer.into_parts();
    let whole = body.collect().await.expect("bytes in memory").to_bytes();
    parts.headers.insert(CONTENT_LENGTH, HeaderValue::from(whole.len()));
    let part = whole.slice(..whole.len() * usize::from(percent) / 100);
    let first = (!part.is_empty()).then(|| Frame::data(part));
    Response::from_parts(parts, StreamBody::new(Stalling { first, reached: Some(reached) }).boxed())
}

/// A body that never ends.
struct Stalling<F> {
    first: Option<Frame<Bytes>>,
    reached: Option<F>,
}

impl<F: Fn() + Unpin> futures_core::Stream for Stalling<F> {
    type Item = io::Result<Frame<Bytes>>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(first)));
        }
        if let Some(reached) = self.reached.take() {
            reached();
        }
        Poll::Pending
    }
}

struct Pieces(VecDeque<io::Result<Frame<Bytes>>>);

impl futures_core::Stream for Pieces {
    type Item = io::Result<Frame<Bytes>>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(self.0.pop_front())
    }
}
