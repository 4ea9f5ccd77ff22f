//! The lists of files: fetched once, remembered, and asked for again only when they are old or
//! lack what is wanted.
//!
//! A list that has a file with the right hash is good at any age: the file is verified, so a
//! wrong URL can cost a request and nothing else.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::Downloader;
use super::filename::is_usable;
use super::options::Index;
use super::page::{self, Listed};
use super::send::refusal;
use crate::error::{Error, Result};
use crate::http::header::{ACCEPT, ETAG, IF_NONE_MATCH};
use crate::http::{Failure, HeaderValue, Request, Url, shown};
use crate::python::Name;
use crate::read;
use crate::store::Table;

/// The most bytes that a page may have. The largest of PyPI has about 20 MB.
const MOST_BYTES: usize = 64 << 20;

/// A list of this age in seconds is as good as new; PyPI says so too.
const FRESH: u64 = 600;

#[derive(Serialize, Deserialize)]
struct Remembered {
    /// Seconds since 1970 when it was fetched.
    at: u64,
    etag: Option<String>,
    files: Vec<Listed>,
    /// Which of what a page says was read; the first form has no attestations.
    #[serde(default)]
    form: u8,
}

/// The form that is remembered now.
const FORM: u8 = 2;

impl Downloader {
    /// The files that an index has for a package; `None` when it does not know the package. A
    /// remembered list will do when it is fresh or `enough`.
    ///
    /// # Errors
    /// As for any request; with `--offline` when nothing is remembered.
    pub(super) async fn page(
        &self,
        index: &Index,
        package: &Name,
        enough: impl Fn(&[Listed]) -> bool,
        accept_fresh: bool,
    ) -> Result<Option<Vec<Listed>>> {
        let url = index.page(package)?;
        if url.scheme() == "file" {
            return local(&url).map(Some);
        }
        let key = url.as_str();
        let _turn = self.0.turns.take(key).await;
        let known = self.0.store.recall::<Remembered>(Table::PythonIndex, key);
        let usable = |known: &Remembered| {
            enough(&known.files) || (accept_fresh && is_fresh(known.at) && known.form == FORM)
        };
        let known = match known {
            Some(known) if usable(&known) || self.is_offline() => return Ok(Some(known.files)),
            // Whoever answers that nothing has changed means all of the page.
            known => known.filter(|known| known.form == FORM),
        };
        self.refuse_offline(|| format!("the list of files in {}", shown(&url)))?;
        let permit = self.0.page_permits.acquire().await;
        let answer = self.0.http.retry(|_| self.page_once(&url, known.as_ref())).await;
        drop(permit);
        let fetched = answer.map_err(|spent| spent.explain(format!("cannot list {package} in {index}")))?;
        let remembered = match fetched {
            Fetched::Unknown => return Ok(None),
            Fetched::Same => known.map(|known| Remembered { at: now(), ..known }),
            Fetched::New { etag, files } => Some(Remembered { at: now(), etag, files, form: FORM }),
        };
        if let Some(remembered) = &remembered {
            self.0.store.remember(Table::PythonIndex, key, remembered);
        }
        Ok(remembered.map(|remembered| remembered.files))
    }

    async fn page_once(&self, url: &Url, known: Option<&Remembered>) -> Result<Fetched, Failure> {
        let mut request = Request::get(url.clone()).header(ACCEPT, HeaderValue::from_static(page::ACCEPT));
        let etag = known.and_then(|known| HeaderValue::from_str(known.etag.as_deref()?).ok());
        let conditional = etag.is_some();
        if let Some(etag) = etag {
            request = request.header(IF_NONE_MATCH, etag);
        }
        let mut response = self.send(request).await?;
        match response.status().as_u16() {
            200 => {}
            304 if conditional => return Ok(Fetched::Same),
            404 | 410 => return Ok(Fetched::Unknown),
            _ => return Err(refusal(&response, &format!("the list {}", shown(url)))),
        }
        let etag = response.header(ETAG.as_str()).map(str::to_owned);
        let content_type = response.header("content-type").unwrap_or_default().to_owned();
        let base = response.url().clone();
        let body = response.bytes(MOST_BYTES).await?;
        let read = tokio::task::spawn_blocking(move || page::parse(&body, &content_type, &base)).await;
        let files = read.map_err(|error| Error::bug("reading a list of files failed").because(error))??;
        Ok(Fetched::New { etag, files })
    }
}

enum Fetched {
    New { etag: Option<String>, files: Vec<Listed> },
    Same,
    Unknown,
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map(|time| time.as_secs()).unwrap_or_default()
}

fn is_fresh(at: u64) -> bool {
    now().checked_sub(at).is_some_and(|age| age < FRESH)
}

/// The files in a folder, or behind the links of an HTML file on disk.
fn local(url: &Url) -> Result<Vec<Listed>> {
    let path =
        url.to_file_path().map_err(|()| Error::usage(format!("{url} is not a path on this machine")))?;
    let failed = |error| Error::usage(format!("cannot list the files in {}", path.display())).because(error);
    if path.is_file() {
        return page::parse(&read::bytes(&path, MOST_BYTES as u64).map_err(failed)?, "text/html", url);
    }
    let entries = match std::fs::read_dir(&path) {
        Ok(entries) => entries,
        // Such settings outlive the folders that they name; what is missed then is named anyway.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            tracing::debug!(path = %path.display(), "the folder does not exist");
            return Ok(Vec::new());
        }
        Err(error) => return Err(failed(error)),
    };
    let mut found: Vec<Listed> = entries.flatten().filter_map(|entry| listed(&entry.path())).collect();
    found.sort_by(|a, b| a.filename.cmp(&b.filename));
    Ok(found)
}

fn listed(path: &Path) -> Option<Listed> {
    let filename = path.file_name()?.to_str().filter(|name| is_usable(name))?.to_owned();
    let size = path.metadata().ok().filter(std::fs::Metadata::is_file)?.len();
    let url = Url::from_file_path(path).ok()?.into();
    Some(Listed { filename, url, size: Some(size), hashes: Vec::new(), yanked: false, provenance: None })
}
