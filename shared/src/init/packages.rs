//! Debian's packages that a Dockerfile installs, without those that only a build needs.

use std::collections::BTreeSet;

use super::project::{Kind, Project};
use super::remark::Remark;
use super::runs::Runs;

/// What builds, or brings packages: an image of wheels or of a program does not need it.
const FOR_BUILDING: &[&str] = &[
    "build-essential",
    "gcc",
    "g++",
    "make",
    "cmake",
    "ninja-build",
    "pkg-config",
    "pkgconf",
    "clang",
    "llvm",
    "lld",
    "mold",
    "musl-tools",
    "musl-dev",
    "python3",
    "python3-pip",
    "python3-venv",
    "python3-setuptools",
    "python3-wheel",
    "python3-dev",
    "python-dev",
    "python3-distutils",
    "gnupg",
    "gnupg2",
    "apt-transport-https",
    "apt-utils",
    "software-properties-common",
    "lsb-release",
    "dirmngr",
    "protobuf-compiler",
    "rustc",
    "cargo",
    "gfortran",
    "autoconf",
    "automake",
    "libtool",
    "swig",
    "binutils",
    "patch",
    "dpkg-dev",
    "gdb",
    "patchelf",
    "debhelper",
    "gettext-base",
    "yarnpkg",
    "npm",
    "nodejs",
];

/// Packages with headers whose library a program may load: what was built against them in the image comes as a wheel
/// or is built on this machine.
const LIBRARIES: &[(&str, &[&str])] = &[
    ("libpq-dev", &["libpq5"]),
    ("postgresql-dev", &["libpq5"]),
    ("default-libmysqlclient-dev", &["libmariadb3"]),
    ("libmariadb-dev", &["libmariadb3"]),
    ("libmysqlclient-dev", &["libmariadb3"]),
    ("libmagic-dev", &["libmagic1"]),
    ("libcairo2-dev", &["libcairo2"]),
    ("libpango1.0-dev", &["libpango-1.0-0", "libpangocairo-1.0-0"]),
    ("libsndfile1-dev", &["libsndfile1"]),
    ("libgdal-dev", &["gdal-bin"]),
    ("unixodbc-dev", &["unixodbc"]),
    ("portaudio19-dev", &["libportaudio2"]),
    ("libzbar-dev", &["libzbar0"]),
    ("libxml2-dev", &["libxml2"]),
    ("libxslt1-dev", &["libxslt1.1"]),
    ("libxslt-dev", &["libxslt1.1"]),
    ("libpcre3-dev", &["libpcre3"]),
    ("libgeos-dev", &["libgeos-c1v5"]),
    ("libxmlsec1-dev", &["libxmlsec1-openssl"]),
    ("libldap2-dev", &["libldap-2.5-0"]),
    ("libsasl2-dev", &["libsasl2-2"]),
];

/// Names that several packages answer to, or that are gone, and the package that is meant.
const RENAMED: &[(&str, &str)] = &[
    ("netcat", "netcat-openbsd"),
    ("netcat-traditional", "netcat-openbsd"),
    ("libgl1-mesa-glx", "libgl1"),
    ("mime-support", "media-types"),
    ("libmagic", "libmagic1"),
    ("libssl1.1", "libssl3"),
    ("libssl1.0.0", "libssl3"),
];

/// The packages for the key `debian`, in their order; what is left out is remarked.
pub(super) fn packages(
    runs: &Runs,
    project: &Project,
    is_alpine: bool,
    remarks: &mut Vec<Remark>,
) -> Vec<String> {
    let (mut kept, mut known) = (Vec::new(), BTreeSet::new());
    for (line, name) in &runs.debian {
        let text = format!("apt-get install {name}");
        let plain = name.split(['=', ':', '/']).next().unwrap_or(name);
        if is_alpine || name.starts_with(['.', '/', '<', '|']) || name.contains("*") {
            remarks.push(Remark::left(
                *line,
                &text,
                "it is not the name of a package",
                "add the file with the key files",
            ));
            continue;
        }
        let library = LIBRARIES.iter().find(|(headers, _)| *headers == plain).map(|(_, packages)| *packages);
        let names: Vec<&str> = match library {
            // A static program has its libraries in it.
            Some(_) if matches!(project.kind, Kind::Rust(_)) => continue,
            Some(packages) => {
                let names = packages.join(", ");
                remarks.push(Remark::otherwise(
                    *line,
                    &text,
                    format!("headers are for building, so the image gets {names}"),
                ));
                packages.to_vec()
            }
            None if FOR_BUILDING.contains(&plain) => continue,
            None if plain.starts_with("python3-") && matches!(project.kind, Kind::Python(_)) => {
                let why = "it is for Debian's own Python, which is not the one that runs the program";
                remarks.push(Remark::left(
                    *line,
                    &text,
                    why,
                    "add the distribution to the project's dependencies",
                ));
                continue;
            }
            None if plain.ends_with("-dev") => {
                let why = "headers are for building; if a library is missing in the image, its check names the package";
                remarks.push(Remark::otherwise(*line, &text, why));
                continue;
            }
            None => vec![RENAMED.iter().find(|(old, _)| *old == plain).map_or(plain, |(_, new)| new)],
        };
        for name in names {
            if known.insert(name) {
                kept.push(name.to_owned());
            }
        }
    }
    kept
}
