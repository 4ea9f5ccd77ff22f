//! What indexes have to show about who published a file (PEP 740).

use super::Downloader;
use super::check::agree;
use super::page::Listed;
use super::send::refusal;
use crate::error::{Error, Result};
use crate::http::header::ACCEPT;
use crate::http::{Failure, HeaderValue, Request, Url, shown};
use crate::oci::Digest;
use crate::python::{DistFile, Hash, HashAlgorithm, Package, Source};

/// The most bytes that attestations of one file may have: they have some thousand each.
const MOST_BYTES: usize = 4 << 20;

/// What PyPI calls them; others may know no name for them.
const KINDS: &str = "application/vnd.pypi.integrity.v1+json, application/json;q=0.9";

/// What indexes have to show about a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Offer {
    /// The answer of the first that has something.
    Of(Vec<u8>),
    /// Nothing: the indexes that list the file.
    Nothing(Vec<String>),
}

impl Downloader {
    /// What the indexes of a package have to show about its file with this digest.
    ///
    /// # Errors
    /// Kind network when one cannot be asked and no other has something; kind usage with `--offline`.
    pub async fn provenance(&self, package: &Package, file: &DistFile, digest: &Digest) -> Result<Offer> {
        let Source::Index { url } = &package.source else { return Ok(Offer::Nothing(Vec::new())) };
        let own = [Hash { algorithm: HashAlgorithm::Sha256, hex: digest.hex() }];
        let is_it = |listed: &Listed| listed.filename == file.filename && agree(&listed.hashes(), &own);
        let is_shown = |listed: &Listed| is_it(listed) && listed.provenance.is_some();
        let (mut asked, mut failure) = (Vec::new(), None);
        for index in self.indexes(url.as_ref(), true)? {
            // A publisher may attest later: a list without it is asked for again, however new it is.
            let page = self.page(&index, &package.name, |page| page.iter().any(is_shown), false).await;
            match page {
                Ok(page) => {
                    let page = page.unwrap_or_default();
                    if let Some(address) =
                        page.iter().find_map(|listed| listed.provenance.as_ref().filter(|_| is_it(listed)))
                    {
                        return self.attestations(address, &file.filename).await.map(Offer::Of);
                    }
                    asked.extend(page.iter().any(is_it).then(|| index.to_string()));
                }
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        failure.map_or(Ok(Offer::Nothing(asked)), Err)
    }

    /// The addresses of the indexes that speak of a package, without a login.
    ///
    /// # Errors
    /// Usage: one of them is invalid.
    pub fn speakers(&self, package: &Package) -> Result<Vec<String>> {
        let Source::Index { url } = &package.source else { return Ok(Vec::new()) };
        Ok(self.indexes(url.as_ref(), true)?.iter().map(|index| index.url.to_string()).collect())
    }

    async fn attestations(&self, address: &str, filename: &str) -> Result<Vec<u8>> {
        let what = format!("the attestations of {filename}");
        let url = Url::parse(address).map_err(|error| {
            Error::network(format!("the index has no usable address of {what}")).because(error)
        })?;
        self.refuse_offline(|| what.clone())?;
        if url.scheme() == "file" {
            return Err(Error::usage(format!("{what} are in no index, but in {}", shown(&url)))
                .hint("use an index that answers over HTTP"));
        }
        let answer = self.0.http.retry(|_| self.ask_for(&url, &what)).await;
        answer.map_err(|spent| spent.explain(format!("cannot fetch {what}")))
    }

    async fn ask_for(&self, url: &Url, what: &str) -> Result<Vec<u8>, Failure> {
        let request = Request::get(url.clone()).header(ACCEPT, HeaderValue::from_static(KINDS));
        let mut response = self.send(request).await?;
        match response.status().as_u16() {
            200 => Ok(response.bytes(MOST_BYTES).await?.to_vec()),
            _ => Err(refusal(&response, what)),
        }
    }
}
