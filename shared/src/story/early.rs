//! What can be known to fail before anything is fetched or compiled: places that cannot be written, files that are
//! not there.

use std::path::{Path, PathBuf};

use super::deliver::wants_default;
use super::request::Request;
use super::{hang, hooks};
use crate::base::engine;
use crate::config::{ExtraLayer, Settings};
use crate::error::{Error, Result};
use crate::layer;
use crate::oci::media_type::Format;
use crate::sink::{self, Local, Output};
use crate::store::Store;
use crate::words;
use crate::words::{Command, flag};

/// What is known early of one image.
pub(super) struct Early<'a> {
    pub(super) settings: &'a Settings,
    /// The folder that the paths of its files are relative to.
    pub(super) dir: &'a Path,
}

/// Refuses outputs and files that cannot be. What hooks may make first, or what is in a folder of `made` by the
/// build itself, is not asked for.
///
/// # Errors
/// Usage, naming what is wrong; build for a folder that cannot be written.
pub(super) fn check(
    request: &Request,
    images: &[Early<'_>],
    hooks: &hooks::Planned,
    made: &[PathBuf],
) -> Result<()> {
    refuse_several(request, images.len())?;
    refuse_docker_format(request, images)?;
    refuse_streams(request)?;
    hang::check(request, images.len())?;
    for output in &request.outputs {
        check_kind(output, images)?;
        if !request.dry_run {
            check_output(output, &request.dir)?;
        }
    }
    for file in request.sbom_outputs.iter().filter(|_| !request.dry_run) {
        check_place(&format!("the SBOM {}", file.display()), "sbom-output", &request.dir.join(file), false)?;
    }
    for place in &request.load {
        // Elsewhere a program has more than one possible name.
        if cfg!(unix) && request.rust.cargo.find_program(place.program()).is_none() {
            return Err(place.not_there());
        }
    }
    for (image, rule) in
        images.iter().flat_map(|image| image.settings.files.iter().map(move |rule| (image, rule)))
    {
        layer::check_globs(&rule.exclude).map_err(|error| {
            let place = image.settings.origins.describe("files");
            Error::usage(format!(
                "files ({place}): cannot find out what `exclude` leaves out of {}",
                rule.from
            ))
            .because(error)
        })?;
    }
    let may_be_made = |path: &Path| made.iter().any(|dir| path.starts_with(dir));
    if hooks::are_before(hooks) {
        return Ok(());
    }
    for image in images {
        for rule in &image.settings.files {
            let path = image.dir.join(&rule.from);
            if !path.exists() && !may_be_made(&path) {
                return Err(missing(image, "files", &path));
            }
        }
        for layer in &image.settings.layers {
            let ExtraLayer::Folder(folder) = layer else { continue };
            let path = image.dir.join(folder);
            if !path.is_dir() && !may_be_made(&path) {
                return Err(missing(image, "layers", &path));
            }
        }
    }
    Ok(())
}

/// Only one image can be run, or compared with another one.
fn refuse_several(request: &Request, count: usize) -> Result<()> {
    let what = match (request.runs, request.is_trial) {
        (_, true) => "compared",
        (true, false) => "run",
        (false, false) => return Ok(()),
    };
    if count == 1 {
        return Ok(());
    }
    Err(Error::usage(format!("one image can be {what}, and this call makes {count}"))
        .hint(words!("choose one with {}", flag("package"))))
}

fn missing(image: &Early<'_>, key: &str, path: &Path) -> Error {
    let what = if key == "layers" { "folder" } else { "file or folder" };
    let shown: PathBuf = path.components().collect();
    let error = Error::usage(format!(
        "{key} ({}): there is no {what} {}",
        image.settings.origins.describe(key),
        shown.display()
    ));
    error.hint(match path.to_string_lossy().contains(['*', '?', '[']) {
        true => "globs are not expanded here; give the folder, and leave out the rest with `exclude` in its entry in `files`",
        false => "paths are relative to the package, or in the workspace's table to the workspace",
    })
}

/// Standard output takes one archive, and a terminal none.
fn refuse_streams(request: &Request) -> Result<()> {
    match (request.outputs.iter().filter(|output| output.is_stream()).count(), &request.stream) {
        (0, _) | (1, Some(_)) => Ok(()),
        (1, None) => Err(Error::usage("an archive cannot be written to a terminal").hint(words!(
            "pipe it to a program or redirect it to a file, for example `{} | docker load`",
            Command::BUILD.with([flag("output").of("docker-archive:-")])
        ))),
        _ => Err(Error::usage("several archives cannot go to standard output").hint("give file names")),
    }
}

/// Podman and skopeo find only OCI manifests in a layout, whatever its index names.
fn refuse_docker_format(request: &Request, images: &[Early<'_>]) -> Result<()> {
    // The layout of a trial is read by this program alone.
    if request.is_trial {
        return Ok(());
    }
    let default = [Output::Layout { dir: PathBuf::new(), name: None }];
    let outputs = if wants_default(request) { &default[..] } else { &request.outputs };
    let is_layout = |output: &Output| !matches!(output, Output::DockerArchive { .. });
    let is_docker = |image: &Early<'_>| image.settings.format == Format::Docker;
    match outputs.iter().find(|output| is_layout(output)) {
        Some(output) if images.iter().any(is_docker) => Err(Error::usage(format!(
            "{} an image in docker format: Podman and skopeo could not read it from there",
            match output {
                Output::Layout { .. } => "an OCI layout cannot hold",
                _ => "an oci-archive cannot hold",
            }
        ))
        .hint(words!(
            "use {}, push or load it, or leave out image-format",
            flag("output").of("docker-archive:FILE")
        ))),
        _ => Ok(()),
    }
}

fn check_kind(output: &Output, images: &[Early<'_>]) -> Result<()> {
    let Output::DockerArchive { name, .. } = output else { return Ok(()) };
    if images.iter().any(|image| image.settings.platforms.len() > 1) {
        return Err(Error::usage("a docker-archive can hold only one platform")
            .hint(words!("choose one with {platform}, or use an oci-archive", platform = flag("platform"))));
    }
    if name.is_some() && images.len() > 1 {
        return Err(Error::usage("several images cannot share one name in a docker-archive")
            .hint("leave out the name, or choose one binary with --bin"));
    }
    Ok(())
}

fn check_output(output: &Output, dir: &Path) -> Result<()> {
    let path = dir.join(output.path());
    let is_layout = matches!(output, Output::Layout { .. });
    match output.is_stream() {
        true => Ok(()),
        false => check_place(&output.to_string(), "output", &path, is_layout),
    }
}

/// Whether `what` can be written to `path`: asked of the folder that it is in, or of the first one above that is
/// there.
fn check_place(what: &str, named_by: &'static str, path: &Path, is_layout: bool) -> Result<()> {
    if !is_layout && path.is_dir() {
        return Err(Error::usage(format!("{} is a folder", path.display())).hint("give the name of a file"));
    }
    let above = if is_layout { Some(path) } else { path.parent() };
    let there = above.into_iter().flat_map(Path::ancestors).find(|folder| folder.symlink_metadata().is_ok());
    let Some(there) = there else { return Ok(()) };
    let failed = |error: std::io::Error| {
        Error::build(format!("cannot write {what}")).because(format!("{}: {error}", there.display())).hint(
            words!("choose another place with {output}, or make this one writable", output = flag(named_by)),
        )
    };
    if !there.is_dir() {
        return Err(failed(std::io::Error::from(std::io::ErrorKind::NotADirectory)));
    }
    if is_layout {
        sink::check_folder(path)?;
    }
    // Removed at once, as nobody has seen its name.
    tempfile::tempfile_in(there).map(drop).map_err(failed)
}

/// Asks the engines that are loaded into whether they answer, but for those that took an image before.
///
/// # Errors
/// When one does not.
pub(super) fn check_engines(request: &Request, store: &Store) -> Result<()> {
    let engines = request.load.iter().filter_map(|place| match place {
        Local::Engine(daemon) => Some(daemon),
        Local::Cluster(_) => None,
    });
    let unknown = engines.filter(|daemon| !sink::has_loaded(store, **daemon));
    tokio::task::block_in_place(|| {
        unknown.into_iter().try_for_each(|daemon| engine::Engine::of(*daemon).images().map(drop))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str, dir: &Path) -> Result<()> {
        check_output(&text.parse().expect(text), dir)
    }

    #[test]
    fn a_place_that_cannot_be_written_is_known_early() {
        let folder = tempfile::tempdir().expect("folder");
        let dir = folder.path();
        std::fs::write(dir.join("file"), "").expect("file");
        for good in ["oci:out", "oci:a/b/c", "oci-archive:new/x.tar", "docker-archive:file"] {
            place(good, dir).expect(good);
        }
        for wrong in ["oci:file", "oci:file/x", "oci-archive:file/x.tar", "oci-archive:.", "oci:."] {
            assert!(place(wrong, dir).is_err(), "{wrong}");
        }
        assert_eq!(std::fs::read_dir(dir).expect("read").count(), 1, "nothing is left behind");
    }
}
