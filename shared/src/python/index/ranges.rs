//! Asking for parts of a file, and what answers say of them (RFC 9110, 14).

use std::ops::Range;

use crate::http::header::CONTENT_RANGE;
use crate::http::{HeaderValue, Response};

/// No part of a file that is fetched in parts has less. In bytes.
pub(super) const SMALLEST: u64 = 2 << 20;

/// Asks for these bytes (RFC 9110, 14.2).
pub(super) fn header_of(part: &Range<u64>) -> Option<HeaderValue> {
    HeaderValue::from_str(&format!("bytes={}-{}", part.start, part.end - 1)).ok()
}

/// Whether an answer holds this part: `bytes 200-999/1000` (RFC 9110, 14.4).
pub(super) fn is_of(response: &Response, part: &Range<u64>, size: u64) -> bool {
    let expected = format!("bytes {}-{}/{size}", part.start, part.end - 1);
    response.header(CONTENT_RANGE.as_str()).is_some_and(|range| range.trim() == expected)
}

/// The size of the whole in a partial answer: `bytes 200-999/1000` (RFC 9110, 14.4).
pub(super) fn range_total(response: &Response) -> Option<u64> {
    response.header(CONTENT_RANGE.as_str())?.rsplit_once('/')?.1.trim().parse().ok()
}

/// Where a partial answer begins.
pub(super) fn range_start(response: &Response) -> Option<u64> {
    let range = response.header(CONTENT_RANGE.as_str())?.trim().strip_prefix("bytes")?;
    range.trim_start().split('-').next()?.parse().ok()
}

/// Whether an answer to the question for the first part can be gone on with: it is the part, and tells the size of the
/// whole; or it is a refusal that has nothing to do with parts. Whoever does not like such a question may like the
/// usual one.
pub(super) fn gives(response: &Response, first: &Range<u64>) -> bool {
    match response.status().as_u16() {
        206 => range_start(response) == Some(first.start) && range_total(response).is_some(),
        401 | 403 | 404 | 407 | 410 | 429 => true,
        _ => false,
    }
}
