//! The project of the call as the newer image: what a push would deliver, in a folder that goes with it.

use containerize_core::base::spec::BaseSpec;
use containerize_core::config::{Attestations, Partial};
use containerize_core::event::Events;
use containerize_core::oci::Reference;
use containerize_core::sink::Output;
use containerize_core::store::scratch;
use containerize_core::story::{self, Login, Outcome, Request};
use containerize_core::words::flag;
use containerize_core::{Error, Result, redact, words};

use crate::cli::{self, DiffArgs};
use crate::front_end::FrontEnd;
use crate::request;

/// An image that was built to be compared.
pub(super) struct Built {
    /// Where it is.
    pub(super) image: BaseSpec,
    /// What it is called.
    pub(super) name: String,
    _folder: scratch::Folder,
}

/// The call that builds the project and delivers nothing. Without flags of its own it has the login that images are read
/// with.
///
/// # Errors
/// Usage: the flags of the build are wrong.
pub(super) fn request(arguments: &DiffArgs, login: Option<Login>, front_end: &FrontEnd) -> Result<Request> {
    let mut words = arguments.build.clone();
    for platform in &arguments.platforms {
        words.extend(["--platform".into(), platform.to_string().into()]);
    }
    let mut build = cli::build_flags(&words).map_err(|error| refused(&error))?;
    let login = if arguments.build.is_empty() {
        build.transfer = arguments.transfer.clone();
        login
    } else {
        request::login_of(&build.transfer)?
    };
    build.say.show.quiet = arguments.show.quiet;
    let request = request::without_login(&build, front_end)?;
    // Else the build binds the login to the registry that it would push to. It is never for one of a base alone.
    let (credentials, login) = match arguments.from.as_ref().and_then(request::registry_of) {
        Some(registry) => (request::bound(request.credentials, login, Some(registry)), None),
        None => (request.credentials, login),
    };
    // So that an SBOM is beside the image, as it would be in a registry.
    let flags = Partial { attestations: Some(Attestations::Referrers), ..request.flags };
    Ok(Request {
        flags,
        outputs: Vec::new(),
        sbom_outputs: Vec::new(),
        push: false,
        load: Vec::new(),
        dry_run: false,
        is_trial: true,
        credentials,
        login,
        ..request
    })
}

fn refused(error: &clap::Error) -> Error {
    let text = redact::clean_call(&error.to_string()).into_owned();
    let first = text.lines().next().unwrap_or_default();
    let message = first.strip_prefix("error: ").unwrap_or(first).to_owned();
    Error::usage(message).hint("after --, give flags of `build`")
}

/// Where the project would be pushed. All that is remarkable about it, the build says.
///
/// # Errors
/// Usage: nowhere, or it makes several images. Others when it cannot be planned.
pub(super) async fn pushed(request: &Request) -> Result<Reference> {
    let planned = Request { dry_run: true, ..request.clone() };
    let Outcome::Planned(plan) = Box::pin(story::run(planned, &Events::silent())).await? else {
        return Err(Error::bug("a plan was carried out"));
    };
    let image = only(plan.images)?;
    image.references.into_iter().next().ok_or_else(|| {
        Error::usage(format!("{} has no repository", image.name)).hint(words!(
            "set `repository`, give it after -- with {}, or give the image to compare with",
            flag("repository").of("REPOSITORY")
        ))
    })
}

/// Builds the project.
///
/// # Errors
/// When it fails, or makes several images.
pub(super) async fn built(request: Request, events: &Events) -> Result<Built> {
    let folder = scratch::folder()?;
    let dir = folder.path().join("image");
    let outputs = vec![Output::Layout { dir: dir.clone(), name: None }];
    let Outcome::Built(images) = Box::pin(story::run(Request { outputs, ..request }, events)).await? else {
        return Err(Error::bug("a build was only planned"));
    };
    let image = only(images)?;
    let name = format!("{} (built here)", image.name);
    Ok(Built { image: BaseSpec::Layout { dir, name: None }, name, _folder: folder })
}

/// The only image of a trial, which the build has seen to.
fn only<T>(images: Vec<T>) -> Result<T> {
    images.into_iter().next().ok_or_else(|| Error::bug("a trial made no image"))
}
