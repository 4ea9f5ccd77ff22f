//! The interpreter that runs in the image, and where it looks for modules.

use super::Image;
use super::loader::{Libc, multiarch};
use crate::facts::python::find_python;

/// A CPython of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Python {
    /// As it is called; through a virtual environment, if it is.
    pub(super) path: String,
    /// N of Python 3.N.
    pub(super) minor: u32,
    pub(super) libc: Libc,
    /// Where its own library is.
    prefix: String,
    /// The virtual environment, and whether it looks into the interpreter's packages, too.
    environment: Option<(String, bool)>,
}

/// Folders that modules are looked for in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct SearchPath {
    pub(super) folders: Vec<String>,
    /// Whether something in it decides at run time where modules are.
    pub(super) is_open: bool,
}

impl Python {
    /// The program at `path`, if it is a CPython with its version in its name.
    pub(super) fn at(path: &str, image: &Image<'_>, libc: Libc) -> Option<Self> {
        let real = image.fs.contents.follow(path)?;
        let (folder, name) = real.rsplit_once('/')?;
        let minor = name.strip_prefix("python3.")?.parse().ok()?;
        let prefix = format!("/{}", folder.strip_suffix("bin")?.trim_end_matches('/'));
        Some(Self { path: path.to_owned(), minor, libc, prefix, environment: environment(path, image) })
    }

    /// The one that the image's `PATH` leads to.
    pub(super) fn of(image: &Image<'_>) -> Option<Self> {
        let found = find_python(&image.fs.contents, image.config)?;
        Self::at(&found.path, image, if found.musl { Libc::Musl } else { Libc::Glibc })
    }

    /// Whether it is the one that Debian's packages are for.
    pub(super) fn is_debians(&self) -> bool {
        self.prefix == "/usr"
    }

    /// Whether it belongs to the virtual environment in a folder.
    pub(super) fn is_of(&self, place: &str) -> bool {
        self.environment.as_ref().is_some_and(|(root, _)| root == place)
    }

    /// The endings of extension modules that it loads.
    pub(super) fn suffixes(&self, machine: &str) -> Vec<String> {
        let platform = multiarch(machine);
        let musl = platform.replace("-gnu", "-musl");
        // Up to 3.7 the names of ABIs had a letter for the memory allocator (PEP 445).
        let flags = if self.minor <= 7 { "m" } else { "" };
        let own = [platform, &musl].map(|platform| format!(".cpython-3{}{flags}-{platform}.so", self.minor));
        own.into_iter().chain([".abi3.so".to_owned(), ".so".to_owned()]).collect()
    }

    /// The folder of its standard library.
    pub(super) fn library(&self) -> String {
        format!("{}/lib/python3.{}", self.prefix.trim_end_matches('/'), self.minor)
    }

    /// Where it looks for modules, but for the folder that it is started with.
    pub(super) fn search_path(&self, image: &Image<'_>) -> SearchPath {
        let mut found = SearchPath { folders: image.folders("PYTHONPATH"), is_open: false };
        found.folders = found.folders.iter().map(|folder| image.absolute(folder)).collect();
        let library = self.library();
        found.folders.extend([library.clone(), format!("{library}/lib-dynload")]);
        let mut sites = Vec::new();
        if let Some((environment, _)) = &self.environment {
            sites.push(format!("{environment}/lib/python3.{}/site-packages", self.minor));
        }
        if self.environment.as_ref().is_none_or(|(_, system)| *system) {
            sites.push(format!("{library}/site-packages"));
            if self.is_debians() {
                sites.push(format!("/usr/local/lib/python3.{}/dist-packages", self.minor));
                sites.push(format!("{library}/dist-packages"));
                sites.push("/usr/lib/python3/dist-packages".to_owned());
            }
        }
        for site in sites {
            found.add_site(site, image);
        }
        found
    }
}

impl SearchPath {
    /// Adds a folder of packages and what its `.pth` files name.
    fn add_site(&mut self, site: String, image: &Image<'_>) {
        let Some(real) = image.fs.contents.follow(&site) else { return };
        let prefix = format!("{real}/");
        let files = image.fs.details().filter(|(path, ..)| {
            path.strip_prefix(&prefix).is_some_and(|name| name.ends_with(".pth") && !name.contains('/'))
        });
        let texts: Vec<&str> = files.filter_map(|(path, ..)| image.fs.text(path)).collect();
        self.folders.push(site.clone());
        for line in texts.iter().flat_map(|text| text.lines()).map(str::trim) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if line.starts_with("import ") || line.starts_with("import\t") {
                // Such a line may put anything anywhere; some that everybody has do not.
                self.is_open |= !line.contains("_distutils_hack") && !line.contains("distutils-precedence");
            } else {
                self.folders.push(if line.starts_with('/') {
                    line.to_owned()
                } else {
                    format!("{site}/{line}")
                });
            }
        }
    }
}

/// The virtual environment that an interpreter belongs to by the path that it is called by.
fn environment(path: &str, image: &Image<'_>) -> Option<(String, bool)> {
    let folder = path.rsplit_once('/')?.0;
    let above = folder.rsplit_once('/').map_or("", |(above, _)| above);
    let (root, text) = [folder, above]
        .into_iter()
        .find_map(|root| image.fs.text(&format!("{root}/pyvenv.cfg")).map(|text| (root, text)))?;
    let system = text.lines().filter_map(|line| line.split_once('=')).any(|(key, value)| {
        key.trim() == "include-system-site-packages" && value.trim().eq_ignore_ascii_case("true")
    });
    Some((root.to_owned(), system))
}
