//! What Python code opens by name when it runs, which no header of a file says: libraries through `ctypes`
//! and `cffi`, and other programs.
//!
//! Only distributions that cannot do their work without are listed, each as its own documentation has it.
//! Whether the code is ever run nobody knows, so what is missing is a warning.

use std::collections::BTreeSet;

use super::{Finding, Image, Kind, Report, Severity};
use crate::facts::details::Detail;
use crate::facts::notes::Note;

/// What a distribution opens or runs.
struct Opened {
    /// Its normalised name.
    distribution: &'static str,
    /// Another distribution that brings it along.
    unless: &'static [&'static str],
    what: What,
    /// Debian's packages that have it.
    packages: &'static [&'static str],
}

#[derive(Clone, Copy)]
enum What {
    /// A library by its exact name, which the loader finds.
    Library(&'static str),
    /// A library that `ctypes.util.find_library` is asked for, which needs `ldconfig`.
    Found(&'static str),
    /// A program on the `PATH`.
    Program(&'static str),
}

const fn opened(
    distribution: &'static str,
    unless: &'static [&'static str],
    what: What,
    packages: &'static [&'static str],
) -> Opened {
    Opened { distribution, unless, what, packages }
}

use What::{Found, Library, Program};

const TABLE: &[Opened] = &[
    opened("cairocffi", &[], Library("libcairo.so.2"), &["libcairo2"]),
    opened("fusepy", &[], Found("libfuse.so.2"), &["libfuse2"]),
    opened("gitpython", &[], Program("git"), &["git"]),
    opened("graphviz", &[], Program("dot"), &["graphviz"]),
    opened("libarchive-c", &[], Found("libarchive.so.13"), &["libarchive13"]),
    opened("openslide-python", &["openslide-bin"], Library("libopenslide.so.0"), &["libopenslide0"]),
    opened("opuslib", &[], Found("libopus.so.0"), &["libopus0"]),
    opened("pdf2image", &[], Program("pdftoppm"), &["poppler-utils"]),
    opened("psycopg", &["psycopg-binary", "psycopg-c"], Found("libpq.so.5"), &["libpq5"]),
    opened("pydub", &[], Program("ffmpeg"), &["ffmpeg"]),
    opened("pyenchant", &[], Found("libenchant-2.so.2"), &["libenchant-2-2"]),
    opened("pylibdmtx", &[], Found("libdmtx.so.0"), &["libdmtx0b"]),
    opened("pyopengl", &[], Found("libGL.so.1"), &["libgl1"]),
    opened("pypandoc", &["pypandoc-binary"], Program("pandoc"), &["pandoc"]),
    opened("pysodium", &[], Found("libsodium.so.23"), &["libsodium23"]),
    opened("pytesseract", &[], Program("tesseract"), &["tesseract-ocr"]),
    opened("python-gnupg", &[], Program("gpg"), &["gnupg"]),
    opened("python-magic", &["python-magic-bin"], Library("libmagic.so.1"), &["libmagic1"]),
    opened("python-mpv", &[], Found("libmpv.so.2"), &["libmpv2"]),
    opened("python-vlc", &[], Found("libvlc.so.5"), &["libvlc5"]),
    opened("pyusb", &["libusb-package"], Found("libusb-1.0.so.0"), &["libusb-1.0-0"]),
    opened("pyvips", &["pyvips-binary"], Library("libvips.so.42"), &["libvips42"]),
    opened("pyzbar", &[], Found("libzbar.so.0"), &["libzbar0"]),
    opened("sounddevice", &[], Found("libportaudio.so.2"), &["libportaudio2"]),
    opened("soundfile", &[], Found("libsndfile.so.1"), &["libsndfile1"]),
    opened("wand", &[], Found("libMagickWand-6.Q16.so.6"), &["libmagickwand-6.q16-6"]),
    opened("weasyprint", &[], Library("libpango-1.0.so.0"), &["libpango-1.0-0", "libpangoft2-1.0-0"]),
];

/// Libraries that Debian has had by another name since this release: the name before, the one since, and its package.
const RENAMED: &[(&str, u32, &str, &str)] =
    &[("libMagickWand-6.Q16.so.6", 13, "libMagickWand-7.Q16.so.10", "libmagickwand-7.q16-10")];

/// Warns of what installed distributions open by name and the image does not have.
pub(super) fn examine(image: &Image<'_>, report: &mut Report) {
    let installed = distributions(image);
    let is_wanted = |opened: &&Opened| {
        installed.contains(opened.distribution)
            && !opened.unless.iter().any(|other| installed.contains(*other))
    };
    for opened in TABLE.iter().filter(is_wanted) {
        if let Some((what, packages)) = lacks(image, opened) {
            let message = format!("{} {what}", opened.distribution);
            report.add(Finding {
                severity: Severity::Warning,
                kind: Kind::OpenedByName,
                message,
                library: None,
                through: Vec::new(),
                fix: Some(fix(&packages).into()),
            });
        }
    }
}

/// How an image comes to what the packages have.
pub(super) fn fix(packages: &[&str]) -> String {
    format!("add debian = {packages:?}, or use a base that has it")
}

/// What the distribution does in vain, and the packages that help.
fn lacks(image: &Image<'_>, opened: &Opened) -> Option<(String, Vec<&'static str>)> {
    let (asked, mut packages) = renamed(image, opened);
    let what = match asked {
        Program(name) => {
            let folders = image.folders("PATH");
            let is_there = folders.iter().any(|folder| image.exists(&format!("{folder}/{name}")));
            (!is_there).then(|| format!("runs {name}, which is not in the image"))
        }
        Library(name) => {
            let is_there = image.libraries.contains_key(name) || carries(image, name);
            (!is_there).then(|| format!("opens {name}, which is not in the image"))
        }
        Found(name) if carries(image, name) => None,
        Found(name) => {
            let (is_there, has_list) = (image.libraries.contains_key(name), has_ldconfig(image));
            if !has_list {
                packages.push("libc-bin");
            }
            match (is_there, has_list) {
                (true, true) => None,
                (true, false) => Some(format!("looks for {name} with ldconfig, which is not in the image")),
                (false, _) => Some(format!("opens {name}, which is not in the image")),
            }
        }
    };
    what.map(|what| (what, packages))
}

/// The libraries that installed distributions of the table open, whether they are there or not.
pub(super) fn libraries(image: &Image<'_>) -> BTreeSet<&'static str> {
    let installed = distributions(image);
    let known = TABLE.iter().filter(|opened| installed.contains(opened.distribution));
    known
        .filter_map(|opened| match opened.what {
            Library(name) | Found(name) => Some(name),
            Program(_) => None,
        })
        .collect()
}

/// The library as the image's Debian has it, and the packages that have it.
fn renamed(image: &Image<'_>, opened: &Opened) -> (What, Vec<&'static str>) {
    let asked = match opened.what {
        Library(name) | Found(name) => RENAMED.iter().find(|(before, ..)| *before == name),
        Program(_) => None,
    };
    match asked {
        Some((_, since, name, package)) if release(image).is_some_and(|release| release >= *since) => {
            (Found(name), vec![*package])
        }
        _ => (opened.what, opened.packages.to_vec()),
    }
}

/// The release of the image's Debian.
fn release(image: &Image<'_>) -> Option<u32> {
    let Note::Text(text) = image.fs.contents.note("etc/os-release")? else { return None };
    let value =
        |key: &str| text.lines().find_map(|line| line.strip_prefix(key)).map(|value| value.trim_matches('"'));
    value("ID=").filter(|id| *id == "debian")?;
    value("VERSION_ID=")?.parse().ok()
}

/// The normalised names of what is installed in the image's own layers.
fn distributions(image: &Image<'_>) -> BTreeSet<String> {
    let own = image
        .fs
        .details()
        .filter(|(_, detail, own)| matches!(detail, Detail::Record(_)) && (*own || image.all_own));
    let folder = |path: &str| {
        let folder = path.rsplit('/').nth(1)?.strip_suffix(".dist-info")?;
        Some(folder.rsplit_once('-')?.0.to_lowercase().replace(['_', '.'], "-"))
    };
    own.filter_map(|(path, ..)| folder(path)).collect()
}

/// Whether a wheel carries the library, under whatever name: `libsndfile_x86_64.so`, `libpq-9b38f5e3.so.5`.
pub(super) fn carries(image: &Image<'_>, name: &str) -> bool {
    let stem = name.split(".so").next().unwrap_or(name);
    let is_it = |file: &str| {
        file.strip_prefix(stem).is_some_and(|rest| rest.starts_with(['.', '-', '_']) && rest.contains(".so"))
    };
    let in_packages = |paths: &Vec<&str>| paths.iter().any(|path| path.contains("-packages/"));
    image.libraries.iter().any(|(file, paths)| is_it(file) && in_packages(paths))
}

/// Without it, or a compiler, `find_library` finds nothing.
fn has_ldconfig(image: &Image<'_>) -> bool {
    ["/sbin/ldconfig", "/usr/sbin/ldconfig"].iter().any(|path| image.exists(path))
}
