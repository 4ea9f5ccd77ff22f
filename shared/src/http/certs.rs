//! Certificates for single hosts, from folders in the manner of Docker and Podman
//! (`containers-certs.d(5)`): below the folder one for each `HOST:PORT` (or `HOST`, for HTTPS'
//! own port), and in it authorities (`*.crt`) and what to show ourselves (`*.cert` with `*.key`).
//!
//! They count for that host alone: an authority of one company's registry vouches for no other
//! host, and our certificate is shown to no other.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use reqwest::{Certificate, Identity};
use url::Url;

use crate::error::{Error, Result};
use crate::read;

/// What one host's folder holds.
#[derive(Debug, Default)]
pub(super) struct HostCerts {
    /// Authorities to trust beside the usual ones.
    pub(super) roots: Vec<Certificate>,
    /// What we show if asked.
    pub(super) identity: Option<Identity>,
}

/// The folders that Podman and Docker use, a user's own first; `config` is `XDG_CONFIG_HOME`.
pub fn usual_cert_dirs(home: Option<&Path>, config: Option<&Path>) -> Vec<PathBuf> {
    let own = config.map(Path::to_owned).or_else(|| home.map(|home| home.join(".config")));
    own.map(|config| config.join("containers/certs.d"))
        .into_iter()
        .chain(["/etc/containers/certs.d", "/etc/docker/certs.d"].map(PathBuf::from))
        .collect()
}

/// The certificates for the URL's host: of the first folder that has any.
///
/// # Errors
/// Usage: a file that cannot be read or understood, a certificate without its key.
pub(super) fn find(dirs: &[PathBuf], url: &Url) -> Result<Option<HostCerts>> {
    let names = host_names(url);
    for folder in dirs.iter().flat_map(|dir| names.iter().map(|name| dir.join(name))) {
        match list(&folder) {
            Ok(files) => return read(&folder, &files).map(Some),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            // The folders of the system may not be for us, which is no reason to stop.
            Err(error) => tracing::debug!(folder = %folder.display(), %error, "no certificates from there"),
        }
    }
    Ok(None)
}

/// The host as a folder is named after it.
fn host_names(url: &Url) -> Vec<String> {
    let Some(host) = url.host_str() else { return Vec::new() };
    let with_port = url.port_or_known_default().map(|port| format!("{host}:{port}"));
    let alone = url.port().is_none().then(|| host.to_owned());
    alone.into_iter().chain(with_port).collect()
}

/// The files of a folder in the order of their names.
fn list(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = fs::read_dir(folder)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<std::io::Result<Vec<_>>>()?;
    files.sort();
    Ok(files)
}

fn read(folder: &Path, files: &[PathBuf]) -> Result<HostCerts> {
    let mut certs = HostCerts::default();
    let of = |ending: &str| {
        let ending = ending.to_owned();
        files.iter().filter(move |file| file.extension().is_some_and(|found| found == ending.as_str()))
    };
    for file in of("crt") {
        let found = Certificate::from_pem_bundle(&content(file)?).ok().filter(|found| !found.is_empty());
        certs.roots.extend(found.ok_or_else(|| not_pem(file, "certificate"))?);
    }
    if let Some(key) = of("key").find(|key| !key.with_extension("cert").exists()) {
        return Err(without(key, "certificate", &key.with_extension("cert")));
    }
    // The first pair: a client shows one certificate.
    if let Some(cert) = of("cert").next() {
        let key = cert.with_extension("key");
        if !key.exists() {
            return Err(without(cert, "key", &key)
                .hint("an authority to trust ends in .crt, a certificate of our own in .cert"));
        }
        let pair = [content(cert)?, b"\n".to_vec(), content(&key)?].concat();
        let identity = Identity::from_pem(&pair).map_err(|_| not_pem(cert, "certificate with its key"))?;
        certs.identity = Some(identity);
    }
    tracing::debug!(
        folder = %folder.display(), roots = certs.roots.len(), own = certs.identity.is_some(), "certificates"
    );
    Ok(certs)
}

fn content(file: &Path) -> Result<Vec<u8>> {
    read::bytes(file, read::DOCUMENT).map_err(|error| {
        Error::usage(format!("cannot read the certificate file {}", file.display()))
            .because(error)
            .hint("make it readable, or name another folder with --cert-dir")
    })
}

fn not_pem(file: &Path, what: &str) -> Error {
    Error::usage(format!("{} is no {what} in PEM form", file.display()))
        .hint("such a file begins with -----BEGIN CERTIFICATE-----")
}

fn without(file: &Path, what: &str, missing: &Path) -> Error {
    Error::usage(format!("{} is without its {what} {}", file.display(), missing.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kind;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("folder");
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().expect("parent")).expect("folder");
            fs::write(path, text).expect("file");
        }
        folder
    }

    fn search(folder: &Path, url: &str) -> Result<Option<HostCerts>> {
        find(&[folder.join("none"), folder.to_owned()], &url.parse().expect(url))
    }

    fn root() -> String {
        use base64::Engine as _;
        let der = webpki_root_certs::TLS_SERVER_ROOT_CERTS[0].as_ref();
        let text = base64::engine::general_purpose::STANDARD.encode(der);
        format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
    }

    #[test]
    fn a_folder_is_for_its_host_and_port_only() {
        let root = root();
        let folder = folder(&[("r.example:5000/ca.crt", &root), ("s.example/b.crt", &root)]);
        let roots = |url: &str| search(folder.path(), url).expect(url).map(|certs| certs.roots.len());
        assert_eq!(roots("https://r.example:5000/v2/"), Some(1));
        assert_eq!(roots("https://s.example/v2/"), Some(1));
        assert_eq!(roots("https://s.example:443/v2/"), Some(1));
        for other in
            ["https://r.example/", "https://r.example:5001/", "https://s.example:5000/", "https://x/"]
        {
            assert_eq!(roots(other), None, "{other}");
        }
    }

    #[test]
    fn the_first_folder_with_the_host_counts() {
        let (root, two) = (root(), root() + &root());
        let folder = folder(&[("a/r.example:443/ca.crt", &root), ("b/r.example/ca.crt", &two)]);
        let dirs = ["none", "b", "a"].map(|name| folder.path().join(name));
        let found = find(&dirs, &"https://r.example/".parse().expect("url")).expect("read").expect("found");
        assert_eq!(found.roots.len(), 2);
    }

    #[test]
    fn what_is_broken_is_named() {
        let root = root();
        for (file, text, words) in [
            ("h/ca.crt", "hello", "ca.crt is no certificate"),
            ("h/client.cert", root.as_str(), "client.cert is without its key"),
            ("h/client.key", "x", "client.key is without its certificate"),
        ] {
            let folder = folder(&[(file, text)]);
            let error = search(folder.path(), "https://h/").expect_err(file);
            assert_eq!(error.kind(), Kind::Usage);
            assert!(error.to_string().contains(words), "{error}");
        }
        let both = folder(&[("h/client.cert", &root), ("h/client.key", "hunter2")]);
        let error = search(both.path(), "https://h/").expect_err("no key");
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    }

    #[test]
    fn files_of_other_kinds_are_passed_over() {
        let folder = folder(&[("h/README", "hello"), ("h/ca.pem", "hello")]);
        let found = search(folder.path(), "https://h/").expect("read").expect("there");
        assert!(found.roots.is_empty() && found.identity.is_none());
    }

    #[test]
    fn a_users_own_folder_is_asked_before_the_systems() {
        let dirs = |home: Option<&str>, config: Option<&str>| {
            usual_cert_dirs(home.map(Path::new), config.map(Path::new))
        };
        let system = ["/etc/containers/certs.d", "/etc/docker/certs.d"].map(PathBuf::from);
        assert_eq!(dirs(None, None), system);
        assert_eq!(dirs(Some("/h"), None)[0], Path::new("/h/.config/containers/certs.d"));
        assert_eq!(dirs(Some("/h"), Some("/c"))[0], Path::new("/c/containers/certs.d"));
        assert_eq!(dirs(Some("/h"), None)[1..], system);
    }
}
