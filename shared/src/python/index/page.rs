//! The pages of the simple API: JSON (PEP 691) and HTML (PEP 503, with PEP 592), and lists of
//! links of any other origin.
//!
//! A page may list thousands of files, many of them of forms that nobody uses any more. What
//! cannot be used is passed over; what no page of an index may hold is too, file names that
//! would lead elsewhere among them, since nothing there is asked for by such a name.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::filename::{is_usable, percent_decode};
use super::html;
use crate::error::{Error, Result};
use crate::http::{Url, shown};
use crate::python::{DistFile, Hash};

/// What is asked for, the best first.
pub(super) const ACCEPT: &str =
    "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01";

/// A file as a page lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Listed {
    #[serde(rename = "n")]
    pub(super) filename: String,
    #[serde(rename = "u")]
    pub(super) url: String,
    #[serde(rename = "s", default, skip_serializing_if = "Option::is_none")]
    pub(super) size: Option<u64>,
    /// As `sha256:HEX`.
    #[serde(rename = "h", default, skip_serializing_if = "Vec::is_empty")]
    pub(super) hashes: Vec<String>,
    #[serde(rename = "y", default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) yanked: bool,
    /// Where its attestations are (PEP 740).
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    pub(super) provenance: Option<String>,
}

impl Listed {
    /// The strong hashes among those listed.
    pub(super) fn hashes(&self) -> Vec<Hash> {
        self.hashes.iter().filter_map(|text| Hash::parse(text)).collect()
    }

    pub(super) fn into_file(self) -> DistFile {
        let hashes = self.hashes();
        let Self { filename, url, size, yanked, .. } = self;
        DistFile { filename, url: Some(url.into()), size, hashes, yanked }
    }
}

/// Reads a page that came from `url`.
///
/// # Errors
/// Kind network when it is neither JSON nor HTML, or of a version that is not understood.
pub(super) fn parse(body: &[u8], content_type: &str, url: &Url) -> Result<Vec<Listed>> {
    let content_type = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match content_type.as_str() {
        "application/json" => json(body, url),
        json_type if json_type.ends_with("+json") => json(body, url),
        "" | "text/html" | "application/xhtml+xml" | "application/vnd.pypi.simple.v1+html" => {
            html_page(&String::from_utf8_lossy(body), url)
        }
        other => {
            Err(Error::network(format!("{} answered with {other}, which is not a list of files", shown(url)))
                .hint("the URL of an index usually ends in /simple"))
        }
    }
}

#[derive(Deserialize)]
struct Page {
    meta: Meta,
    files: Vec<Entry>,
}

#[derive(Deserialize)]
struct Meta {
    #[serde(rename = "api-version")]
    version: String,
}

#[derive(Deserialize)]
struct Entry {
    filename: String,
    url: String,
    #[serde(default)]
    hashes: BTreeMap<String, String>,
    size: Option<u64>,
    yanked: Option<Yanked>,
    provenance: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Yanked {
    Flag(bool),
    Reason(String),
}

fn json(body: &[u8], url: &Url) -> Result<Vec<Listed>> {
    let page: Page = serde_json::from_slice(body).map_err(|error| {
        Error::network(format!("{} is not a list of files (PEP 691)", shown(url))).because(error)
    })?;
    check_version(&page.meta.version, url)?;
    let listed = page.files.into_iter().filter_map(|entry| {
        let provenance = entry.provenance.and_then(|there| at(url, &there));
        let url = url.join(&entry.url).ok().filter(|found| may_lead_to(url, found))?;
        let hashes = entry.hashes.iter().map(|(name, hex)| format!("{name}:{hex}"));
        let hashes = hashes.filter(|text| Hash::parse(text).is_some()).collect();
        let yanked = match entry.yanked {
            None => false,
            Some(Yanked::Flag(flag)) => flag,
            Some(Yanked::Reason(reason)) => !reason.is_empty(),
        };
        Some(Listed {
            filename: entry.filename,
            url: url.into(),
            size: entry.size,
            hashes,
            yanked,
            provenance,
        })
    });
    Ok(listed.filter(|listed| is_usable(&listed.filename)).collect())
}

fn html_page(body: &str, url: &Url) -> Result<Vec<Listed>> {
    let mut base = None;
    let mut found = Vec::new();
    for tag in html::tags(body) {
        match tag.name.as_str() {
            "base" if base.is_none() => {
                base = tag.attribute("href").and_then(|href| url.join(href).ok());
            }
            "meta" if tag.attribute("name") == Some("pypi:repository-version") => {
                check_version(tag.attribute("content").unwrap_or_default(), url)?;
            }
            "a" => {
                let href = tag.attribute("href").map(str::trim);
                let to = href.and_then(|href| base.as_ref().unwrap_or(url).join(href).ok());
                if let Some(to) = to.filter(|to| may_lead_to(url, to)) {
                    let provenance = tag.attribute("data-provenance").and_then(|there| at(url, there.trim()));
                    let listed = link(to, tag.attribute("data-yanked").is_some());
                    found.extend(listed.map(|listed| Listed { provenance, ..listed }));
                }
            }
            _ => {}
        }
    }
    Ok(found)
}

fn link(mut url: Url, yanked: bool) -> Option<Listed> {
    let filename = percent_decode(url.path_segments()?.next_back()?).filter(|name| is_usable(name))?;
    let fragment = url.fragment().unwrap_or_default();
    let hashes = fragment.split('&').filter_map(Hash::parse).map(|hash| hash.to_string()).collect();
    url.set_fragment(None);
    Some(Listed { filename, url: url.into(), size: None, hashes, yanked, provenance: None })
}

/// The address of attestations that a page names.
fn at(page: &Url, address: &str) -> Option<String> {
    page.join(address).ok().filter(|found| may_lead_to(page, found)).map(Into::into)
}

/// A page from the network leads to the network.
fn may_lead_to(from: &Url, to: &Url) -> bool {
    matches!(to.scheme(), "http" | "https") || (from.scheme() == "file" && to.scheme() == "file")
}

fn check_version(version: &str, url: &Url) -> Result<()> {
    if version.split('.').next() == Some("1") {
        return Ok(());
    }
    Err(Error::network(format!("{} uses version {version:?} of the index protocol", shown(url)))
        .hint("only versions 1.x are supported"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redact::Address;

    const URL: &str = "https://index.example/simple/demo/";

    fn read(body: &str, content_type: &str) -> Result<Vec<Listed>> {
        parse(body.as_bytes(), content_type, &URL.parse().expect("url"))
    }

    fn names(listed: &[Listed]) -> Vec<&str> {
        listed.iter().map(|file| file.filename.as_str()).collect()
    }

    #[test]
    fn json_gives_urls_sizes_hashes_and_what_is_yanked() {
        let sha = "ab".repeat(32);
        let body = format!(
            r#"{{"meta":{{"api-version":"1.1"}},"name":"demo","versions":["1"],"files":[
            {{"filename":"demo-1-py3-none-any.whl","url":"../../f/demo-1-py3-none-any.whl","size":7,
              "hashes":{{"sha256":"{sha}","md5":"00"}},"yanked":"broken","core-metadata":true}},
            {{"filename":"demo-2.tar.gz","url":"https://cdn.example/x?sig=1","hashes":{{}},"yanked":false}},
            {{"filename":"../demo-3.tar.gz","url":"x","hashes":{{}}}},
            {{"filename":"demo-4.tar.gz","url":"file:///etc/passwd","hashes":{{}}}},
            {{"filename":"demo-5.exe","url":"x","hashes":{{}}}}]}}"#
        );
        let listed = read(&body, "application/vnd.pypi.simple.v1+json; charset=utf-8").expect("read");
        assert_eq!(names(&listed), ["demo-1-py3-none-any.whl", "demo-2.tar.gz"]);
        let first = listed[0].clone().into_file();
        assert_eq!(
            first.url.as_ref().map(Address::expose),
            Some("https://index.example/f/demo-1-py3-none-any.whl")
        );
        assert_eq!((first.size, first.yanked, first.hashes.len()), (Some(7), true, 1));
        assert_eq!(listed[1].url, "https://cdn.example/x?sig=1");
        assert!(!listed[1].yanked);
    }

    #[test]
    fn html_gives_links_fragments_and_what_is_yanked() {
        let sha = "ab".repeat(32);
        let body = format!(
            "<html><head><meta name=\"pypi:repository-version\" content=\"1.0\"></head>
            <a href=\"../../f/demo-1%2Bcpu-py3-none-any.whl#sha256={sha}\" data-yanked=\"\">demo</a>
            <a href=\"demo-2.tar.gz#md5=00\">demo</a><a href=\"/f/..%2Fdemo-3.zip\">no</a>
            <a href=\"javascript:x.whl\">no</a><a href=\"../\">up</a><a>no</a>"
        );
        let listed = read(&body, "text/html").expect("read");
        assert_eq!(names(&listed), ["demo-1+cpu-py3-none-any.whl", "demo-2.tar.gz"]);
        assert_eq!(listed[0].url, "https://index.example/f/demo-1%2Bcpu-py3-none-any.whl");
        assert_eq!((listed[0].yanked, listed[0].hashes().len()), (true, 1));
        assert_eq!(listed[1].url, "https://index.example/simple/demo/demo-2.tar.gz");
        assert!(listed[1].hashes().is_empty() && !listed[1].yanked);
    }

    #[test]
    fn pages_say_where_attestations_are() {
        let of = |body: &str, kind: &str| read(body, kind).expect("read")[0].provenance.clone();
        let json = |there: &str| {
            let file =
                format!(r#"{{"filename":"a-1.zip","url":"a-1.zip","hashes":{{}},"provenance":{there}}}"#);
            let page = format!(r#"{{"meta":{{"api-version":"1.3"}},"files":[{file}]}}"#);
            of(&page, "application/vnd.pypi.simple.v1+json")
        };
        let at = |path: &str| Some(format!("https://index.example/{path}"));
        assert_eq!(json(r#""https://index.example/integrity/a/1""#), at("integrity/a/1"));
        assert_eq!(json(r#""../../i""#), at("i"));
        assert_eq!((json("null"), json(r#""file:///etc/passwd""#)), (None, None));
        let html = |words: &str| of(&format!("<a href=a-1.zip {words}>a</a>"), "text/html");
        assert_eq!(html("data-provenance=\"/i?x=1&amp;y=2\""), at("i?x=1&y=2"));
        assert_eq!(html(""), None);
    }

    #[test]
    fn the_first_base_counts_for_all_links() {
        let body =
            "<base href=\"https://files.example/x/\"><base href=\"https://evil.example/\"><a href=a-1.zip>";
        assert_eq!(read(body, "text/html").expect("read")[0].url, "https://files.example/x/a-1.zip");
    }

    #[test]
    fn other_versions_and_other_things_are_refused() {
        for (body, content_type, words) in [
            (r#"{"meta":{"api-version":"2.0"},"files":[]}"#, "application/json", "version \"2.0\""),
            ("<meta name=\"pypi:repository-version\" content=\"2\">", "text/html", "version \"2\""),
            ("{", "application/vnd.pypi.simple.v1+json", "not a list of files"),
            ("x", "image/png", "image/png"),
        ] {
            let error = read(body, content_type).expect_err(body);
            assert!(error.to_string().contains(words), "{error}");
            assert_eq!(error.kind(), crate::Kind::Network);
        }
    }
}
