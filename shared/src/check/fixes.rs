//! What is said of a trouble, and what can be done about it.

use super::process::{Problem, Trouble, numbers};
use super::{Finding, Image, Kind, Severity};

/// Debian's packages of libraries that programs often need and small bases do not have.
const PACKAGES: &[(&str, &str)] = &[
    ("libGL.so.1", "libgl1"),
    ("libEGL.so.1", "libegl1"),
    ("libX11.so.6", "libx11-6"),
    ("libXext.so.6", "libxext6"),
    ("libXrender.so.1", "libxrender1"),
    ("libatlas.so.3", "libatlas3-base"),
    ("libblas.so.3", "libblas3"),
    ("libcairo.so.2", "libcairo2"),
    ("libcurl.so.4", "libcurl4"),
    ("libexpat.so.1", "libexpat1"),
    ("libffi.so.8", "libffi8"),
    ("libfontconfig.so.1", "libfontconfig1"),
    ("libfreetype.so.6", "libfreetype6"),
    ("libgcc_s.so.1", "libgcc-s1"),
    ("libgdal.so.32", "libgdal32"),
    ("libgeos_c.so.1", "libgeos-c1v5"),
    ("libgfortran.so.5", "libgfortran5"),
    ("libglib-2.0.so.0", "libglib2.0-0"),
    ("libgthread-2.0.so.0", "libglib2.0-0"),
    ("libgmp.so.10", "libgmp10"),
    ("libgomp.so.1", "libgomp1"),
    ("libgssapi_krb5.so.2", "libgssapi-krb5-2"),
    ("libhdf5_serial.so.103", "libhdf5-103-1"),
    ("libjpeg.so.62", "libjpeg62-turbo"),
    ("liblapack.so.3", "liblapack3"),
    ("libldap-2.5.so.0", "libldap-2.5-0"),
    ("libltdl.so.7", "libltdl7"),
    ("libmagic.so.1", "libmagic1"),
    ("libmariadb.so.3", "libmariadb3"),
    ("libmpc.so.3", "libmpc3"),
    ("libmpfr.so.6", "libmpfr6"),
    ("libodbc.so.2", "unixodbc"),
    ("libopenblas.so.0", "libopenblas0"),
    ("libpng16.so.16", "libpng16-16"),
    ("libpq.so.5", "libpq5"),
    ("libproj.so.25", "libproj25"),
    ("librdkafka.so.1", "librdkafka1"),
    ("libsndfile.so.1", "libsndfile1"),
    ("libsodium.so.23", "libsodium23"),
    ("libsqlite3.so.0", "libsqlite3-0"),
    ("libssl.so.3", "libssl3"),
    ("libcrypto.so.3", "libssl3"),
    ("libstdc++.so.6", "libstdc++6"),
    ("libsybdb.so.5", "libsybdb5"),
    ("libtiff.so.6", "libtiff6"),
    ("libuv.so.1", "libuv1"),
    ("libwebp.so.7", "libwebp7"),
    ("libxml2.so.2", "libxml2"),
    ("libxslt.so.1", "libxslt1.1"),
    ("libyaml-0.so.2", "libyaml-0-2"),
    ("libz.so.1", "zlib1g"),
    ("libzmq.so.5", "libzmq5"),
];

/// Libraries that a container gets from its runtime: the beginnings of their names.
const MOUNTED: &[&str] = &["libcuda.so.", "libnvidia-", "libnvcuvid.so.", "libnvoptix.so."];

/// Whether the library belongs to a driver, which is on the machine that runs the container.
pub(super) fn comes_with_the_machine(library: &str) -> bool {
    MOUNTED.iter().any(|start| library.starts_with(start))
}

/// A problem in words.
pub(super) fn finding(problem: &Problem, severity: Severity, image: &Image<'_>) -> Finding {
    let who = problem.chain.last().map_or("it", String::as_str);
    let (kind, message, fix) = match &problem.what {
        Trouble::Missing(library) => missing(who, library, image),
        Trouble::Version { library, version, newest } => {
            version_lacks(who, library, version, newest.as_deref())
        }
        Trouble::Libc(library) => {
            let musl = library.contains("musl") || library == "libc.so";
            let (own, other) = if musl { ("musl", "glibc") } else { ("glibc", "musl") };
            let fix = format!(
                "use a base with {own} (Alpine has musl; Debian, distroless and most others have glibc), or a build for {other}"
            );
            (Kind::WrongLibc, format!("{who} is built for {own} ({library}), but is loaded by {other}"), fix)
        }
        Trouble::Closed(library, at) => {
            let user = image.user.as_ref().map_or_else(String::new, super::access::User::shown);
            let fix = format!("make {at} readable for everybody (mode 0644, folders 0755)");
            (Kind::NotAllowed, format!("{who} needs {library}, but {user} may not read {at}"), fix)
        }
    };
    let nowhere = |library: &&String| !image.libraries.contains_key(library.as_str());
    let library = match &problem.what {
        Trouble::Missing(library) => Some(library).filter(nowhere).cloned(),
        _ => None,
    };
    Finding { severity, kind, message, library, through: problem.chain.clone(), fix: Some(fix.into()) }
}

fn missing(who: &str, library: &str, image: &Image<'_>) -> (Kind, String, String) {
    let elsewhere = image.libraries.get(library).and_then(|paths| paths.first());
    if let Some(path) = elsewhere {
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let message = format!("{who} needs {library}, which is at /{path}, where the loader does not look");
        return (Kind::MissingLibrary, message, format!("set the variable LD_LIBRARY_PATH=/{folder}"));
    }
    let package = PACKAGES.iter().find(|(name, _)| *name == library);
    let package =
        package.map_or_else(String::new, |(_, name)| format!(" or the package (debian = [\"{name}\"])"));
    let fix = format!(
        "use a base that has {library}{package}, or set native = \"bundle\" to bundle this machine's; a wheel or build that includes the library needs neither"
    );
    (Kind::MissingLibrary, format!("{who} needs {library}, which is not in the image"), fix)
}

fn version_lacks(who: &str, library: &str, version: &str, newest: Option<&str>) -> (Kind, String, String) {
    let up_to = match newest {
        Some(newest) if numbers(newest) < numbers(version) => format!(", which has up to {newest}"),
        _ => ", which does not have it".to_owned(),
    };
    let fix = if version.starts_with("GLIBC_") {
        "use a base with a newer glibc, or build on a system as old as the base (for Rust: cargo-zigbuild, or a musl target)"
    } else {
        "use a base with a newer version of the library, or build against the one in the base"
    };
    (Kind::MissingVersion, format!("{who} needs {version} of {library}{up_to}"), fix.to_owned())
}
