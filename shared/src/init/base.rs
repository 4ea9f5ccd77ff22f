//! Which base is meant by the image that the final stage is built on.

use super::project::{Kind, Project};

/// A base for the settings, and what to say of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Base {
    /// `None` is the default.
    pub(super) name: Option<String>,
    /// Why it is not the Dockerfile's.
    pub(super) why: Option<String>,
}

/// What the final stage does that a base must be good for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Needs {
    /// A script, or a line for the shell.
    pub(super) shell: bool,
    /// Packages of Debian, beyond those that the default base makes needless.
    pub(super) packages: bool,
}

/// What the default base of Rust programs already has.
pub(super) const IN_STATIC: &[&str] =
    &["ca-certificates", "tzdata", "openssl", "libssl-dev", "libssl3", "libssl1.1", "libc6", "libgcc-s1"];

/// The base that `image` stands for.
pub(super) fn base(image: &str, project: &Project, needs: Needs) -> Base {
    let (name, tag) = name_and_tag(image);
    let short = name.rsplit('/').next().unwrap_or(&name);
    match &project.kind {
        Kind::Rust(rust) => of_rust(image, (&name, short, &tag), !rust.libraries.is_empty(), needs),
        Kind::Python(_) => of_python(image, (&name, short, &tag)),
    }
}

/// An image's name without registry defaults, and its tag without a digest.
fn name_and_tag(image: &str) -> (String, String) {
    let image = image.split('@').next().unwrap_or(image);
    let (name, tag) = match image.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, tag),
        _ => (image, ""),
    };
    let name = name.trim_start_matches("docker.io/").trim_start_matches("library/");
    (name.to_owned(), tag.to_owned())
}

fn kept(image: &str) -> Base {
    Base { name: Some(image.to_owned()), why: None }
}

fn instead(name: Option<String>, why: impl Into<String>) -> Base {
    Base { name, why: Some(why.into()) }
}

/// A distroless base with a C library, for what is linked with Debian's.
fn with_libc(tag: &str) -> &'static str {
    let older = tag.contains("bookworm") || tag.starts_with("12");
    if older { "gcr.io/distroless/cc-debian12:nonroot" } else { "gcr.io/distroless/cc-debian13:nonroot" }
}

fn of_rust(image: &str, (name, short, tag): (&str, &str, &str), linked: bool, needs: Needs) -> Base {
    let is_debian = name == "debian" || name == "ubuntu" || name.ends_with("minideb");
    let is_toolchain = short == "muslrust" || ["rust", "cargo"].iter().any(|tool| short.starts_with(tool));
    let is_plain = is_debian || is_toolchain || matches!(short, "alpine" | "busybox" | "wolfi-base");
    if linked && (is_plain || short.starts_with("static")) && !needs.shell {
        let base = with_libc(tag);
        return instead(
            Some(base.into()),
            format!("the program is linked with libraries of the system, which go onto {base}"),
        );
    }
    if name == "ubuntu" && needs.packages {
        let base = "debian:trixie-slim";
        return instead(Some(base.into()), format!("packages come from Debian, so the base is {base}"));
    }
    if is_toolchain && (needs.shell || needs.packages) {
        let suite = ["bullseye", "bookworm", "trixie"].into_iter().find(|suite| tag.contains(suite));
        let base = format!("debian:{}-slim", suite.unwrap_or("trixie"));
        return instead(Some(base.clone()), format!("{image} is for building, so the base is {base}"));
    }
    if is_toolchain {
        return instead(
            None,
            format!("{image} is for building, and a static program needs no base beyond the default, static"),
        );
    }
    if name == "scratch" {
        return kept("scratch");
    }
    if is_plain && !needs.shell && !needs.packages {
        return instead(
            None,
            format!(
                "a static program needs nothing of {image}: the default base has certificates and time zones; base = {image:?} keeps it"
            ),
        );
    }
    kept(image)
}

fn of_python(image: &str, (name, short, tag): (&str, &str, &str)) -> Base {
    if short == "python" && !name.contains("chainguard") {
        return if is_full(tag) {
            let slim = slim(tag);
            instead(Some(slim.clone()), format!("{image} is for building, so the base is {slim}"))
        } else {
            kept(image)
        };
    }
    if name.contains("distroless/python") || name.contains("chainguard/python") {
        return kept(image);
    }
    // Images of uv, Poetry, FastAPI and others name the Python that is in them.
    let text = format!("{short}-{tag}");
    if let Some(version) = version_of(&text) {
        let suite = ["bullseye", "bookworm", "trixie"].into_iter().find(|suite| text.contains(suite));
        let base = match suite {
            Some(suite) => format!("python:{version}-slim-{suite}"),
            None => format!("python:{version}-slim"),
        };
        return instead(
            Some(base.clone()),
            format!("{image} holds tools or an own start, so the base is {base}"),
        );
    }
    instead(None, format!("{image} is not an image of Python, so the base is the default, python:X.Y-slim"))
}

/// Whether a tag of `python` is the large variant, with compilers.
fn is_full(tag: &str) -> bool {
    !["slim", "alpine", "windows"].iter().any(|variant| tag.contains(variant))
}

/// The small variant of a large tag: `3.13` is `3.13-slim`, `3.13-bookworm` is `3.13-slim-bookworm`.
fn slim(tag: &str) -> String {
    match tag.split_once('-') {
        _ if tag.is_empty() || tag == "latest" => "python:3-slim".into(),
        Some((version, suite)) => format!("python:{version}-slim-{suite}"),
        None => format!("python:{tag}-slim"),
    }
}

/// `3.12` of `uv-python3.12-bookworm`.
fn version_of(text: &str) -> Option<String> {
    let (_, rest) = text.split_once("python")?;
    let rest = rest.trim_start_matches([':', '-']);
    let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
    let version = rest[..end].trim_end_matches('.');
    (version.starts_with("3.")).then(|| version.to_owned())
}
