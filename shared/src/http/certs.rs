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
use crate::system::{Folders, System};
use crate::words;
use crate::words::flag;

/// What one host's folder holds.
#[derive(Debug, Default)]
pub(super) struct HostCerts {
    /// Authorities to trust beside the usual ones.
    pub(super) roots: Vec<Certificate>,
    /// What we show if asked.
    pub(super) identity: Option<Identity>,
}

/// The folders that Podman and Docker use on this system, a user's own first.
pub fn usual_cert_dirs(variable: &dyn Fn(&str) -> Option<PathBuf>) -> Vec<PathBuf> {
    cert_dirs_of(System::HERE, variable)
}

fn cert_dirs_of(system: System, variable: &dyn Fn(&str) -> Option<PathBuf>) -> Vec<PathBuf> {
    let folders = Folders::of(system, variable);
    // Podman has the same place everywhere.
    let own = variable("XDG_CONFIG_HOME").or_else(|| Some(folders.home()?.join(".config")));
    let mut found: Vec<PathBuf> = own.map(|config| config.join("containers/certs.d")).into_iter().collect();
    if system != System::Linux {
        found.extend(folders.home().map(|home| home.join(".docker/certs.d")));
    }
    match folders.shared() {
        Some(shared) => found.push(shared.join("docker/certs.d")),
        None => found.extend(["/etc/containers/certs.d", "/etc/docker/certs.d"].map(PathBuf::from)),
    }
    found
}

/// Where a person is told to put a certificate for a host, in the words of this system.
pub(crate) fn advised_file(host: &str, name: &str) -> String {
    advised_on(System::HERE, host, name)
}

fn advised_on(system: System, host: &str, name: &str) -> String {
    if system.is_windows() {
        let host = host.replace(':', "");
        return format!("%USERPROFILE%\\.config\\containers\\certs.d\\{host}\\{name}");
    }
    format!("~/.config/containers/certs.d/{host}/{name}")
}

/// Authorities that `SSL_CERT_FILE` and the folders of `SSL_CERT_DIR` name, as PEM. On Linux the TLS library reads them
/// itself, in place of the system's; elsewhere it does not, and they count beside the system's.
///
/// # Errors
/// Usage: what the first one names is no file with certificates.
pub fn named_roots(variable: &dyn Fn(&str) -> Option<PathBuf>) -> Result<Vec<Vec<u8>>> {
    if System::HERE == System::Linux { Ok(Vec::new()) } else { read_named_roots(variable) }
}

fn read_named_roots(variable: &dyn Fn(&str) -> Option<PathBuf>) -> Result<Vec<Vec<u8>>> {
    let mut found = Vec::new();
    // What is not there is warned of elsewhere.
    if let Some(file) = variable("SSL_CERT_FILE").filter(|file| file.exists()) {
        let bytes = content(&file)?;
        if !holds_certificates(&bytes) {
            return Err(not_pem(&file, "list of certificates"));
        }
        found.push(bytes);
    }
    let folders = variable("SSL_CERT_DIR").map(|text| std::env::split_paths(&text).collect::<Vec<_>>());
    for file in folders.into_iter().flatten().filter_map(|folder| list(&folder).ok()).flatten() {
        // Other things may lie there.
        found.extend(read::bytes(&file, read::DOCUMENT).ok().filter(|bytes| holds_certificates(bytes)));
    }
    Ok(found)
}

fn holds_certificates(bytes: &[u8]) -> bool {
    Certificate::from_pem_bundle(bytes).is_ok_and(|found| !found.is_empty())
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
    let port = url.port_or_known_default();
    let with_port = port.map(|port| format!("{host}:{port}"));
    // Windows knows no names with a colon: Docker leaves it out there.
    let joined = port.map(|port| format!("{host}{port}")).filter(|_| System::HERE.is_windows());
    let alone = url.port().is_none().then(|| host.to_owned());
    alone.into_iter().chain(with_port).chain(joined).collect()
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
                .hint("a trusted authority ends in .crt, a client certificate in .cert"));
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
        Error::usage(format!("cannot read the certificate file {}", file.display())).because(error).hint(
            words!("make it readable, or choose another folder with {cert_dir}", cert_dir = flag("cert-dir")),
        )
    })
}

fn not_pem(file: &Path, what: &str) -> Error {
    Error::usage(format!("{} is not a {what} in PEM format", file.display()))
        .hint("such a file starts with -----BEGIN CERTIFICATE-----")
}

fn without(file: &Path, what: &str, missing: &Path) -> Error {
    Error::usage(format!("{} needs its {what} {}, which is missing", file.display(), missing.display()))
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
            ("h/ca.crt", "hello", "ca.crt is not a certificate"),
            ("h/client.cert", root.as_str(), "client.cert needs its key"),
            ("h/client.key", "x", "client.key needs its certificate"),
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
        let dirs = |system: System, variables: &[(&str, &str)]| -> Vec<String> {
            let find =
                |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into());
            let text = |path: PathBuf| path.display().to_string().replace('\\', "/");
            cert_dirs_of(system, &find).into_iter().map(text).collect()
        };
        let shared = ["/etc/containers/certs.d", "/etc/docker/certs.d"];
        assert_eq!(dirs(System::Linux, &[]), shared);
        let home = ("HOME", "/h");
        assert_eq!(dirs(System::Linux, &[home])[0], "/h/.config/containers/certs.d");
        assert_eq!(dirs(System::Linux, &[home, ("XDG_CONFIG_HOME", "/c")])[0], "/c/containers/certs.d");
        assert_eq!(dirs(System::Linux, &[home])[1..], shared);
        let mac = ["/h/.config/containers/certs.d", "/h/.docker/certs.d", shared[0], shared[1]];
        assert_eq!(dirs(System::Mac, &[home]), mac);
        let windows = ["/u/.config/containers/certs.d", "/u/.docker/certs.d", "/p/docker/certs.d"];
        assert_eq!(dirs(System::Windows, &[("USERPROFILE", "/u"), ("PROGRAMDATA", "/p")]), windows);
        assert!(advised_on(System::Windows, "h:5000", "ca.crt").ends_with(r"certs.d\h5000\ca.crt"));
        assert!(advised_on(System::Mac, "h:5000", "ca.crt").ends_with("certs.d/h:5000/ca.crt"));
    }

    #[test]
    fn authorities_that_variables_name_are_read_where_the_library_does_not() {
        let root = root();
        let folder =
            folder(&[("ca.pem", &root), ("dir/a.0", &root), ("dir/README", "hello"), ("none", "hello")]);
        let at = |name: &str| folder.path().join(name);
        let roots = |file: Option<PathBuf>, dir: Option<PathBuf>| {
            read_named_roots(&|name| match name {
                "SSL_CERT_FILE" => file.clone(),
                "SSL_CERT_DIR" => dir.clone(),
                _ => None,
            })
            .map(|found| found.len())
        };
        assert_eq!(roots(None, None).expect("none"), 0);
        assert_eq!(roots(Some(at("ca.pem")), Some(at("dir"))).expect("read"), 2);
        assert_eq!(roots(Some(at("missing")), Some(at("missing"))).expect("warned of elsewhere"), 0);
        let error = roots(Some(at("none")), None).expect_err("no certificate");
        assert!(error.to_string().contains("none is not a list of certificates in PEM format"), "{error}");
    }
}
