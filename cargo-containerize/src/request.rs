//! From flags and environment to the library's request: the only place that reads either.

use std::ffi::OsString;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::Duration;

use containerize_core::base::spec::BaseSpec;
use containerize_core::cargo::{Cargo, Locking, Variables, select::Scope};
use containerize_core::config::Partial;
use containerize_core::event::Events;
use containerize_core::http::{Options, Proxies, Secret, named_roots, usual_cert_dirs};
use containerize_core::oci::Reference;
use containerize_core::registry::{self, Client, Credentials, Explicit};
use containerize_core::sink::Stream;
use containerize_core::store::{DEFAULT_SIZE, Store, parse_size};
use containerize_core::story::{GroupChanges, Language, Login, Request, RustCall};
use containerize_core::{Error, Result, read, system};

use crate::cli::{
    AttestArgs, BuildArgs, CheckArgs, IndexArgs, PublishArgs, RebaseArgs, TransferArgs, VerifyArgs, Which,
};
use crate::front_end::{self, FrontEnd};

/// Passwords are not longer, in bytes: some are tokens that hold certificates.
const PASSWORD: u64 = 1 << 20;

/// The request that a call means.
///
/// # Errors
/// When the current folder or the password cannot be read, or a folder is not there.
pub(crate) fn from_arguments(arguments: &BuildArgs, front_end: &FrontEnd) -> Result<Request> {
    let request = without_login(arguments, front_end)?;
    Ok(Request { login: login_of(&arguments.transfer)?, ..request })
}

/// The same of a call whose login is for something else, or is known.
///
/// # Errors
/// When the current folder cannot be read, or a folder is not there.
pub(crate) fn without_login(arguments: &BuildArgs, front_end: &FrontEnd) -> Result<Request> {
    certificates()?;
    let dir = project_dir(arguments, front_end)?;
    let cargo = &arguments.cargo;
    let (transfer, lock) = (&arguments.transfer, &arguments.lock);
    let workspace = &cargo.workspace;
    let (config_file, for_cargo) = arguments.config()?;
    #[allow(deprecated, reason = "cargo still takes --all for --workspace")]
    let all = workspace.workspace || workspace.all;
    let plain = plain(dir.clone(), transfer, lock.offline || lock.frozen)?;
    Ok(Request {
        // What cargo calls is about a Rust project, whatever else the folder holds.
        language: front_end.for_cargo.then_some(Language::Rust),
        rust: RustCall {
            cargo: plain
                .rust
                .cargo
                .called_from(&here()?)
                .with_config(for_cargo)
                .with_flags(cargo.unstable.clone(), arguments.cargo_flags()),
            manifest_path: cargo.manifest.manifest_path.clone(),
            target_dir: cargo.target_dir.clone(),
            quiet: arguments.say.show.quiet,
        },
        scope: Scope {
            packages: workspace.package.clone(),
            workspace: all,
            exclude: workspace.exclude.clone(),
            bins: cargo.bins,
        },
        locking: Locking { locked: lock.locked, offline: lock.offline, frozen: lock.frozen },
        config_file,
        variables: plain.variables.into_iter().chain(front_end.source_variables()).collect(),
        told: front_end.settings.clone(),
        flags: arguments.settings(),
        groups: front_end.groups.clone(),
        outputs: arguments.target.output.clone(),
        sbom_outputs: arguments.target.sbom_output.clone(),
        identity_token: arguments.target.identity_token.clone(),
        stream: (!std::io::stdout().is_terminal()).then(|| Stream::new(std::io::stdout())),
        push: arguments.target.push,
        load: arguments.target.load.clone(),
        dry_run: arguments.dry_run,
        ..plain
    })
}

/// The request of `attest`, which is about no project.
///
/// # Errors
/// When the current folder cannot be read.
pub(crate) fn for_attest(arguments: &AttestArgs) -> Result<Request> {
    certificates()?;
    let signer = &arguments.signer;
    Ok(Request {
        config_file: signer.config.clone(),
        flags: signer.settings(),
        identity_token: signer.identity_token.clone(),
        push: true,
        ..plain(here()?, &arguments.transfer, false)?
    })
}

/// The request of `rebase`. A password that the call has is for the registry of the image.
///
/// # Errors
/// When the working directory, the password or the limit of the cache cannot be had.
pub(crate) fn for_rebase(arguments: &RebaseArgs) -> Result<Request> {
    certificates()?;
    let RebaseArgs { signer, transfer, check, .. } = arguments;
    let registry = match arguments.which()? {
        Which::One(image, _) => &image.repository.registry,
        Which::All(repository) => &repository.registry,
    };
    let mut request = Request {
        config_file: signer.config.clone(),
        flags: signer.settings(),
        identity_token: signer.identity_token.clone(),
        push: !check,
        ..plain(here()?, transfer, false)?
    };
    request.credentials = credentials(transfer, Some(registry))?;
    Ok(request)
}

/// The request of `cache publish`. A password that the call has is for the registry that is published to.
///
/// # Errors
/// When the working directory, the password or the limit of the cache cannot be had.
pub(crate) fn for_publish(arguments: &PublishArgs) -> Result<Request> {
    certificates()?;
    let PublishArgs { signer, transfer, to, .. } = arguments;
    let mut request = Request {
        config_file: signer.config.clone(),
        flags: signer.settings(),
        identity_token: signer.identity_token.clone(),
        push: true,
        ..plain(here()?, transfer, false)?
    };
    request.credentials = credentials(transfer, Some(&to.registry))?;
    Ok(request)
}

/// The cargo of a call that is about the project in this folder.
pub(crate) fn cargo_in(dir: &std::path::Path) -> Cargo {
    Cargo::new(dir, variables().collect::<Variables>())
}

/// A request in `dir` for nothing yet.
fn plain(dir: PathBuf, transfer: &TransferArgs, offline: bool) -> Result<Request> {
    let cargo = cargo_in(&dir);
    Ok(Request {
        language: None,
        rust: RustCall { cargo, manifest_path: None, target_dir: None, quiet: false },
        dir,
        scope: Scope::default(),
        locking: Locking::default(),
        config_file: None,
        variables: unicode_variables().collect(),
        told: None,
        flags: Partial::default(),
        groups: GroupChanges::default(),
        outputs: Vec::new(),
        sbom_outputs: Vec::new(),
        identity_token: None,
        stream: None,
        push: false,
        load: Vec::new(),
        runs: false,
        dry_run: false,
        is_trial: false,
        use_cache: !transfer.no_cache,
        repeats: None,
        cache_dir: cache_dir(transfer.cache_dir.clone())?,
        cache_size: cache_size()?,
        jobs: transfer.jobs.map(std::num::NonZero::get),
        registry: registry_options(transfer, offline)?,
        credentials: Credentials::new(registry::AuthSources::from_process()),
        login: None,
    })
}

/// The means to speak to the registry of `index`: a client and the cache.
///
/// # Errors
/// When the password or the cache cannot be read.
pub(crate) fn for_index(arguments: &IndexArgs, events: &Events) -> Result<(Client, Store)> {
    means(&arguments.transfer, Some(&arguments.target.repository.registry), events)
}

/// The request of `verify --rebuild`, before it is known what is to be built.
///
/// # Errors
/// When the current folder cannot be read.
pub(crate) fn for_rebuild(arguments: &VerifyArgs) -> Result<Request> {
    plain(here()?, &arguments.transfer, false)
}

/// The means to read the image of `check`.
///
/// # Errors
/// When the password or the cache cannot be read.
pub(crate) fn for_check(arguments: &CheckArgs, events: &Events) -> Result<(Client, Store)> {
    for_stored(&arguments.transfer, &arguments.image, events)
}

/// The means to read an image, wherever it is.
///
/// # Errors
/// When the password or the cache cannot be read.
pub(crate) fn for_stored(
    transfer: &TransferArgs,
    image: &BaseSpec,
    events: &Events,
) -> Result<(Client, Store)> {
    means(transfer, registry_of(image), events)
}

/// The means to read two images, with the login of the call, which is for the registry of the first that is in one.
///
/// # Errors
/// When the cache cannot be read.
pub(crate) fn for_two(
    transfer: &TransferArgs,
    images: &[&BaseSpec; 2],
    login: Option<Login>,
    events: &Events,
) -> Result<(Client, Store)> {
    certificates()?;
    let registry = images.iter().find_map(|image| registry_of(image));
    let credentials = Credentials::new(registry::AuthSources::from_process());
    opened(transfer, bound(credentials, login, registry), events)
}

/// The registry that an image is in.
pub(crate) fn registry_of(image: &BaseSpec) -> Option<&str> {
    match image {
        BaseSpec::Registry(reference) => Some(&reference.repository.registry),
        _ => None,
    }
}

/// The means to read the image of `verify`.
///
/// # Errors
/// When the password or the cache cannot be read.
pub(crate) fn for_verify(
    arguments: &VerifyArgs,
    image: &Reference,
    events: &Events,
) -> Result<(Client, Store)> {
    means(&arguments.transfer, Some(&image.repository.registry), events)
}

/// A client whose login, if the call has one, is for `registry`, and the cache.
fn means(transfer: &TransferArgs, registry: Option<&str>, events: &Events) -> Result<(Client, Store)> {
    certificates()?;
    opened(transfer, credentials(transfer, registry)?, events)
}

fn opened(transfer: &TransferArgs, credentials: Credentials, events: &Events) -> Result<(Client, Store)> {
    let client = Client::new(registry_options(transfer, false)?, credentials, events.clone())?;
    Ok((client, Store::open(cache_dir(transfer.cache_dir.clone())?)?.telling(events)))
}

/// Who we are to registries. The login of the call, if it has one, is for `registry`.
fn credentials(transfer: &TransferArgs, registry: Option<&str>) -> Result<Credentials> {
    let credentials = Credentials::new(registry::AuthSources::from_process());
    let login = if registry.is_some() { login_of(transfer)? } else { None };
    Ok(bound(credentials, login, registry))
}

/// These credentials, and a login for one registry.
pub(crate) fn bound(credentials: Credentials, login: Option<Login>, registry: Option<&str>) -> Credentials {
    match (login, registry) {
        (Some(Login { username, password, source }), Some(registry)) => {
            credentials.with(Explicit { registry: registry.to_owned(), username, password, source })
        }
        _ => credentials,
    }
}

/// The environment, without what is for this program alone.
fn variables() -> impl Iterator<Item = (OsString, OsString)> {
    system::variables(std::env::vars_os()).filter(|(name, _)| name != front_end::VARIABLE)
}

/// Those of them that are Unicode.
fn unicode_variables() -> impl Iterator<Item = (String, String)> {
    variables().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

/// The file that `SSL_CERT_FILE` names, with its content, if it is there.
///
/// # Errors
/// Usage when it is one that the TLS library would read without end, or cannot read.
fn certificates() -> Result<Option<(PathBuf, Vec<u8>)>> {
    let Some(path) = folder("SSL_CERT_FILE") else { return Ok(None) };
    match read::bytes(&path, read::DOCUMENT) {
        Ok(bytes) => Ok(Some((path, bytes))),
        Err(error) if read::is_absent(&error) => Ok(None),
        Err(error) => {
            Err(Error::usage(format!("SSL_CERT_FILE is set to {}, which cannot be read", path.display()))
                .because(error)
                .hint("set it to a file of PEM certificates, or unset it"))
        }
    }
}

/// Warns of variables that name certificates where there are none: the TLS library passes over them.
pub(crate) fn warn_of_certificates(events: &Events) {
    if let Ok(Some((path, bytes))) = certificates()
        && !bytes.windows(CERTIFICATE.len()).any(|part| part == CERTIFICATE)
    {
        events
            .warn(format!("SSL_CERT_FILE is set to {}, which contains no PEM certificates", path.display()));
    }
    for name in ["SSL_CERT_FILE", "SSL_CERT_DIR"] {
        if let Some(path) = folder(name)
            && !path.exists()
        {
            events.warn(format!("{name} is set to {}, which does not exist", path.display()));
        }
    }
}

/// How a certificate begins in PEM.
const CERTIFICATE: &[u8] = b"-----BEGIN CERTIFICATE-----";

/// How registries are spoken to.
fn registry_options(transfer: &TransferArgs, offline: bool) -> Result<registry::Options> {
    Ok(registry::Options {
        http: http(transfer, offline)?,
        mirrors: transfer.mirrors.iter().flat_map(|mirrors| mirrors.0.clone()).collect(),
        chunk_size: transfer.chunk_size.map(std::num::NonZero::get),
    })
}

/// How HTTP is spoken.
fn http(transfer: &TransferArgs, offline: bool) -> Result<Options> {
    Ok(Options {
        retries: transfer.retries,
        timeout: Duration::from_secs(transfer.timeout.max(1)),
        insecure: transfer.insecure.clone(),
        cert_dirs: cert_dirs(transfer),
        proxies: Proxies::of(&unicode_variables().collect()),
        extra_roots: named_roots(&folder)?,
        offline,
        ..Options::default()
    })
}

/// Where certificates for single registries are.
fn cert_dirs(transfer: &TransferArgs) -> Vec<PathBuf> {
    match &transfer.cert_dir {
        Some(dir) => vec![dir.clone()],
        None => usual_cert_dirs(&folder),
    }
}

/// What a variable names, if it names anything.
fn folder(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// The folder that the call is made in.
pub(crate) fn here() -> Result<PathBuf> {
    std::env::current_dir().map_err(|e| Error::build("the current folder no longer exists").because(e))
}

/// The folder that the call is about, absolute.
fn project_dir(arguments: &BuildArgs, front_end: &FrontEnd) -> Result<PathBuf> {
    let given = arguments.project.as_ref().or(front_end.project.as_ref());
    given.map_or_else(here, |dir| named_folder(dir))
}

/// A folder that the call names, absolute.
///
/// # Errors
/// Usage: it does not exist.
pub(crate) fn named_folder(dir: &Path) -> Result<PathBuf> {
    let dir = here()?.join(dir);
    if dir.is_dir() {
        return Ok(dir);
    }
    Err(Error::usage(format!("the folder {} does not exist", dir.display()))
        .hint("give the project's folder with -C"))
}

/// How large the cache may become, in bytes.
///
/// # Errors
/// When the variable holds no size.
pub(crate) fn cache_size() -> Result<u64> {
    match std::env::var("CONTAINERIZE_CACHE_SIZE") {
        Ok(text) if !text.trim().is_empty() => {
            parse_size(&text).map_err(|e| Error::usage("CONTAINERIZE_CACHE_SIZE is invalid").because(e))
        }
        _ => Ok(DEFAULT_SIZE),
    }
}

/// The folder of the cache, absolute: the given one, else where the system keeps caches.
///
/// # Errors
/// When there is no home folder.
pub(crate) fn cache_dir(given: Option<PathBuf>) -> Result<PathBuf> {
    use etcetera::BaseStrategy;
    if let Some(dir) = given {
        return std::path::absolute(&dir)
            .map_err(|e| Error::usage("--cache-dir is not a valid path").because(e));
    }
    let strategy = etcetera::choose_base_strategy().map_err(|e| {
        Error::build("there is no home folder to keep the cache in")
            .because(e)
            .hint("choose a folder with --cache-dir")
    })?;
    Ok(strategy.cache_dir().join("containerize"))
}

/// The name and password of the call itself, if it has them: of flags, else of variables. What comes from standard input
/// can be read once.
///
/// # Errors
/// Usage: there is a name without a password, or the password cannot be read.
pub(crate) fn login_of(transfer: &TransferArgs) -> Result<Option<Login>> {
    login(transfer, |name| std::env::var(name))
}

fn login(
    transfer: &TransferArgs,
    variable: impl Fn(&str) -> Result<String, std::env::VarError>,
) -> Result<Option<Login>> {
    let variable = |name: &str| variable(name).ok().filter(|value| !value.is_empty());
    let (name, password) = (variable("CONTAINERIZE_USERNAME"), variable("CONTAINERIZE_PASSWORD"));
    let (username, source) = match (&transfer.username, name) {
        (Some(name), _) => (name.clone(), "--username"),
        (None, Some(name)) => (name, "CONTAINERIZE_USERNAME"),
        (None, None) => return Ok(None),
    };
    let unreadable = |place: &str| Error::usage(format!("cannot read the password from {place}"));
    let (password, place) = if transfer.password_stdin {
        let text = read::stream(std::io::stdin(), PASSWORD);
        (text.map_err(|error| unreadable("standard input").because(error))?, "standard input".to_owned())
    } else if let Some(file) = &transfer.password_file {
        let place = file.display().to_string();
        (read::given(file, PASSWORD).map_err(|error| unreadable(&place).because(error))?, place)
    } else if let Some(password) = password {
        (password, "CONTAINERIZE_PASSWORD".to_owned())
    } else {
        return Err(Error::usage(format!("{source} was given without a password"))
            .hint("add --password-stdin or --password-file, or set CONTAINERIZE_PASSWORD"));
    };
    let password = password.trim_end_matches(['\r', '\n']);
    if password.is_empty() {
        return Err(Error::usage(format!("the password in {place} is empty"))
            .hint("provide it there, for example with: echo \"$TOKEN\" | containerize --username you --password-stdin"));
    }
    Ok(Some(Login { username, password: Secret::new(password), source }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Cli;

    /// Name, password and source that come of these flags and variables.
    fn who(flags: &[&str], variables: &[(&str, &str)]) -> Result<Option<(String, String, &'static str)>> {
        let words = ["containerize"].iter().chain(flags).map(Into::into);
        let cli = Cli::read(words, FrontEnd::default()).expect("flags");
        let variable = |name: &str| {
            let found = variables.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned()).ok_or(std::env::VarError::NotPresent)
        };
        let login = login(&cli.build.transfer, variable)?;
        Ok(login.map(|login| (login.username, login.password.expose().to_owned(), login.source)))
    }

    #[test]
    fn flags_and_variables_name_the_user() {
        let folder = tempfile::tempdir().expect("folder");
        let file = folder.path().join("password");
        std::fs::write(&file, "from file\n").expect("file");
        let file = file.display().to_string();
        let both = [("CONTAINERIZE_USERNAME", "env"), ("CONTAINERIZE_PASSWORD", "pw")];
        let login = |name: &str, password: &str, source| Some((name.to_owned(), password.to_owned(), source));
        assert_eq!(who(&[], &[]).expect("nobody"), None);
        assert_eq!(who(&[], &both[1..]).expect("a password is nobody's"), None);
        assert_eq!(who(&[], &both).expect("variables"), login("env", "pw", "CONTAINERIZE_USERNAME"));
        assert_eq!(who(&["--username", "me"], &both).expect("both"), login("me", "pw", "--username"));
        let flags = ["--username", "me", "--password-file", &file];
        assert_eq!(who(&flags, &both).expect("file"), login("me", "from file", "--username"));
    }

    #[test]
    fn a_name_without_a_password_is_refused() {
        let empty = tempfile::NamedTempFile::new().expect("file");
        let empty = empty.path().to_str().expect("Unicode");
        for (flags, variables) in [
            (&["--username", "me"][..], &[][..]),
            (&[], &[("CONTAINERIZE_USERNAME", "me"), ("CONTAINERIZE_PASSWORD", "")]),
            (&["--username", "me", "--password-file", empty], &[("CONTAINERIZE_PASSWORD", "pw")]),
        ] {
            let error = who(flags, variables).expect_err("no password");
            assert!(error.hint_text().is_some_and(|hint| hint.contains("password")), "{error:?}");
        }
    }
}
