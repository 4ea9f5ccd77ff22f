//! Lists that come in pages.

use crate::error::{Error, Result};
use crate::http::header::LINK;
use crate::http::{Failure, Response, Url, same_origin};

/// Where a list goes on (RFC 8288).
pub(super) fn next(response: &Response) -> Result<Option<Url>, Failure> {
    let Some(target) = response.header(LINK.as_str()).and_then(next_target) else { return Ok(None) };
    let url = response.url().join(target);
    match url.ok().filter(|url| same_origin(response.url(), url)) {
        Some(url) => Ok(Some(url)),
        None => {
            Err(Error::network(format!("the registry's list goes on at {target:?}, which is not its own"))
                .into())
        }
    }
}

/// The target of the link whose relation is `next`.
fn next_target(header: &str) -> Option<&str> {
    let mut rest = header;
    while let Some((_, opened)) = rest.split_once('<') {
        let (target, after) = opened.split_once('>')?;
        let parameters = after.split_once('<').map_or(after, |(own, _)| own);
        let is_next = parameters.split([';', ',']).any(|parameter| {
            let parameter = parameter.split_once('=').map(|(name, value)| (name.trim(), value.trim()));
            parameter.is_some_and(|(name, value)| {
                name.eq_ignore_ascii_case("rel") && value.trim_matches('"').eq_ignore_ascii_case("next")
            })
        });
        if is_next {
            return Some(target);
        }
        rest = after;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_found_among_links() {
        assert_eq!(next_target("</v2/x?n=1>; rel=\"next\""), Some("/v2/x?n=1"));
        assert_eq!(next_target("<a>; rel=prev, <b>; title=\"x\"; rel=next"), Some("b"));
        assert_eq!(next_target("<a>;rel=Next"), Some("a"));
        for nothing in ["", "<a>", "<a", "a; rel=next", "<a>; rel=prev"] {
            assert_eq!(next_target(nothing), None, "{nothing}");
        }
    }
}
