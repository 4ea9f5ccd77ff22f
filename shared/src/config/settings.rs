//! Total settings: every value there, checked, in the types that the plan works with.

use std::collections::BTreeMap;

use serde::Serialize;

use super::attest::{Attest, Attestations, Sign};
use super::attested::WheelVerify;
use super::fold::Folded;
use super::origin::Origins;
use super::remote::RemoteCache;
use super::shown::Shown;
use super::trim::TrimRule;
use super::trust::TrustedSigner;
use super::value::{
    BaseChoice, CheckMode, Debian, Directory, ExtraLayer, FileRule, Healthcheck, Install, LabelValue, Labels,
    Native, Port, PythonChoice, StaleLock, Strip, Suites, is_platform_key, names_platform,
};
use super::vouching::BaseVerify;
use crate::error::{Error, Result};
use crate::oci::media_type::{Compression, Format};
use crate::oci::{self, Owner, Platform};
use crate::redact::{self, Secret};
use crate::words;
use crate::words::flag;

/// The settings of one image. Nothing is missing any more, except what may be absent.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Settings {
    /// The image's name, where the settings say one.
    pub name: Option<String>,
    /// Its version, where they say one.
    pub version: Option<String>,
    /// Where pushes go; may hold `{name}`.
    pub repository: Option<String>,
    /// Tags or full references; `None` leaves the default.
    pub tags: Option<Vec<String>>,
    /// At least one, each once.
    pub platforms: Vec<Platform>,
    /// The base of each platform.
    pub base: BaseChoice,
    /// Who must have signed it.
    pub base_verify: BaseVerify,
    /// Debian packages that are added to the base, each once.
    pub debian: Debian,
    /// The family of media types: OCI's, or Docker's schema 2.
    pub format: Format,
    /// Variables to set.
    #[serde(serialize_with = "redact::variables")]
    pub env: BTreeMap<String, String>,
    /// Variables of the base to remove.
    pub unset_env: Vec<String>,
    /// Labels, placeholders unexpanded.
    pub labels: Labels,
    /// Annotations, placeholders unexpanded.
    pub annotations: Labels,
    /// What the image says that it listens on; engines open none of them by it.
    pub ports: Vec<Port>,
    /// Absolute paths in the image that hold data.
    pub volumes: Vec<String>,
    /// Empty directories.
    pub dirs: Vec<Directory>,
    /// Files and trees.
    pub files: Vec<FileRule>,
    /// The owner of our files.
    pub owner: Owner,
    /// Whom the program runs as; empty keeps the base's.
    pub user: String,
    /// Absolute path; `None` keeps the base's.
    pub workdir: Option<String>,
    /// As `SIGTERM`; `None` keeps the base's.
    pub stop_signal: Option<String>,
    /// Words; empty clears; `None` keeps the base's.
    pub entrypoint: Option<Vec<String>>,
    /// Whether an init comes before the program.
    pub init: bool,
    /// Words; empty clears; `None` keeps the base's, unless there is an entrypoint.
    pub cmd: Option<Vec<String>>,
    /// The health check; `None` keeps the base's.
    pub healthcheck: Option<oci::Healthcheck>,
    /// How our layers are compressed.
    pub compression: Compression,
    /// How many layers of ours an image may have, 1 to 120.
    pub max_layers: usize,
    /// What to do if the finished image would not start.
    pub check: CheckMode,
    /// What is attested about the image when it is pushed.
    pub attest: Attest,
    /// A file with rules that the image must keep.
    pub policy: Option<String>,
    /// What becomes of libraries that nothing in the image has.
    pub native: Native,
    /// Layers made outside.
    pub layers: Vec<ExtraLayer>,
    /// Cargo's features that are switched on.
    pub features: Vec<String>,
    /// Whether all features are enabled.
    pub all_features: bool,
    /// Whether the default ones stay off.
    pub no_default_features: bool,
    /// Cargo's profile.
    pub profile: String,
    /// The target triple, if one was asked for.
    pub target: Option<String>,
    /// What is stripped from compiled code.
    pub strip: Strip,
    /// Whether a Rust program says which crates it was built from.
    pub auditable: bool,
    /// Whether cargo is asked only when something has changed that the program is built from.
    pub if_changed: bool,
    /// Whether the repository is the cache of machines that have none; `None` leaves it to where the call runs.
    pub remote_cache: Option<RemoteCache>,
    /// The repository that says what is in the layers of bases.
    pub base_cache: Option<String>,
    /// Whose caches are believed beside the own ones, where the call signs.
    pub cache_trust: Vec<TrustedSigner>,
    /// What concerns Python projects only.
    pub python: PythonSettings,
    /// Where each value came from.
    #[serde(skip)]
    pub origins: Origins,
    /// Every value that is set, as it is shown.
    #[serde(skip)]
    pub shown: Vec<Shown>,
}

/// The settings that concern Python projects only.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct PythonSettings {
    /// Dependency groups beside the main dependencies.
    pub groups: Vec<String>,
    /// Extras of the project.
    pub extras: Vec<String>,
    /// The version that was asked for, as `3.13`.
    pub version: Option<String>,
    /// The folder of the interpreter that is bundled, if there is one.
    pub prefix: Option<String>,
    /// Names of what is built though there is a wheel, or `:all:`.
    pub no_binary: Vec<String>,
    /// What must be attested on its index, and by whom.
    pub wheel_verify: WheelVerify,
    /// Names of what may be missing though something needs it.
    pub missing: Vec<String>,
    /// Variables for building wheels. Their values may be tokens, and no plan shows them.
    pub build_env: BTreeMap<String, Secret>,
    /// The server for a web application, if one was asked for.
    pub server: Option<String>,
    /// Whether a layer with bytecode is added.
    pub bytecode: bool,
    /// What of distributions is left out.
    pub trim: Vec<TrimRule>,
    /// How the project gets in; `None` leaves it to the project.
    pub install: Option<Install>,
    /// What happens when the lock does not fit the project any more.
    pub stale_lock: StaleLock,
    /// Globs of the source's files that go in although a rule leaves them out.
    pub include: Vec<String>,
    /// Globs of the source's files that stay out.
    pub exclude: Vec<String>,
    /// Globs of the source's files that may be run in the image.
    pub executable: Vec<String>,
}

impl Settings {
    /// Checks folded values and makes them total.
    ///
    /// # Errors
    /// Usage, naming the key and where its value came from.
    pub fn new(folded: Folded) -> Result<Self> {
        let Folded { values, origins } = folded;
        let shown = values.shown(&origins);
        let (python, prefix) = match values.python {
            Some(PythonChoice::Version(version)) => (Some(version), None),
            Some(PythonChoice::Bundled { prefix }) => (None, Some(prefix)),
            None => (None, None),
        };
        let check = Check { origins: &origins };
        let format = values.image_format.unwrap_or_default();
        let compression = values.compression.unwrap_or_default();
        if format == Format::Docker && compression == Compression::Zstd {
            return Err(check
                .wrong("compression", "the image format docker does not support zstd layers")
                .hint("leave out image-format, or use gzip"));
        }
        if format == Format::Docker && values.attestations == Some(Attestations::Index) {
            return Err(check
                .wrong("attestations", "the image format docker holds no attestations in its index")
                .hint("leave out image-format, or use referrers"));
        }
        let settings = Self {
            name: values.name.map(|name| check.name(name)).transpose()?,
            version: values.version.map(|version| check.version(version)).transpose()?,
            repository: values.repository.filter(|text| !text.is_empty()),
            tags: values.tags,
            platforms: check.platforms(values.platforms.unwrap_or_default())?,
            base: values.base.unwrap_or_else(|| BaseChoice::One("static".into())),
            base_verify: check.base_verify(values.base_verify.unwrap_or_default())?,
            debian: check.debian(values.debian.unwrap_or_default())?,
            format,
            env: check.env("env", values.env.unwrap_or_default())?,
            unset_env: values.unset_env.unwrap_or_default(),
            labels: values.labels.unwrap_or_default(),
            annotations: values.annotations.unwrap_or_default(),
            ports: values.ports.unwrap_or_default(),
            volumes: values.volumes.unwrap_or_default(),
            dirs: values.dirs.unwrap_or_default(),
            files: values.files.unwrap_or_default(),
            owner: values.owner.unwrap_or(Owner::ROOT),
            user: check.user(values.user.unwrap_or_default())?,
            workdir: values.workdir.filter(|text| !text.is_empty()),
            stop_signal: values.stop_signal.map(|signal| check.signal(&signal)).transpose()?,
            entrypoint: values.entrypoint.map(|c| check.words("entrypoint", &c)).transpose()?,
            init: values.init.unwrap_or_default(),
            cmd: values.cmd.map(|c| check.words("cmd", &c)).transpose()?,
            healthcheck: values.healthcheck.map(|h| check.healthcheck(&h)).transpose()?,
            compression,
            max_layers: check.max_layers(values.max_layers.unwrap_or(60))?,
            check: values.check.unwrap_or_default(),
            attest: check.attest(Attest {
                sbom: values.sbom.unwrap_or_default(),
                attestations: values.attestations.unwrap_or_default(),
                sign: values.sign,
                signature_format: values.signature_format.unwrap_or_default(),
            })?,
            policy: values.policy.filter(|file| !file.is_empty()),
            native: values.native.unwrap_or_default(),
            layers: values.layers.unwrap_or_default(),
            features: values.features.unwrap_or_default(),
            all_features: values.all_features.unwrap_or_default(),
            no_default_features: values.no_default_features.unwrap_or_default(),
            profile: values.profile.unwrap_or_else(|| "release".into()),
            target: values.target,
            strip: values.strip.unwrap_or_default(),
            auditable: values.auditable.unwrap_or(true),
            if_changed: values.if_changed.unwrap_or(false),
            remote_cache: values.remote_cache,
            base_cache: check.base_cache(values.base_cache)?,
            cache_trust: check.cache_trust(values.cache_trust.unwrap_or_default())?,
            python: PythonSettings {
                groups: values.groups.unwrap_or_default(),
                extras: values.extras.unwrap_or_default(),
                version: python.filter(|text| !text.is_empty()),
                prefix,
                no_binary: values.no_binary.unwrap_or_default(),
                wheel_verify: check.wheel_verify(values.wheel_verify.unwrap_or_default())?,
                missing: values.missing.unwrap_or_default(),
                build_env: check
                    .env("build-env", values.build_env.unwrap_or_default())?
                    .into_iter()
                    .map(|(name, value)| (name, Secret::new(value)))
                    .collect(),
                server: values.server.filter(|text| !text.is_empty()),
                bytecode: values.bytecode.unwrap_or_default(),
                trim: values.trim.unwrap_or_default(),
                install: values.install,
                stale_lock: values.stale_lock.unwrap_or_default(),
                include: values.include.unwrap_or_default(),
                exclude: values.exclude.unwrap_or_default(),
                executable: values.executable.unwrap_or_default(),
            },
            origins: Origins::default(),
            shown,
        };
        check.paths(&settings)?;
        check.label_platforms(&settings)?;
        Ok(Self { origins, ..settings })
    }
}

/// Checks values and says where a wrong one came from.
struct Check<'a> {
    origins: &'a Origins,
}

impl Check<'_> {
    fn wrong(&self, key: &str, why: impl std::fmt::Display) -> Error {
        Error::usage(format!("{key} ({}): {why}", self.origins.describe(key)))
    }

    /// A name that can be the end of a repository.
    fn name(&self, name: String) -> Result<String> {
        let of_name = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        let is_end = |c: char| c.is_ascii_alphanumeric();
        if name.starts_with(is_end) && name.ends_with(is_end) && name.chars().all(of_name) {
            return Ok(name);
        }
        Err(self.wrong("name", format_args!("{name:?} cannot be the name of an image")).hint(
            "use letters and digits, with - . or _ between them; set the destination with `repository`",
        ))
    }

    fn version(&self, version: String) -> Result<String> {
        if version.trim().is_empty() || version.contains(char::is_control) {
            return Err(self
                .wrong("version", format_args!("{version:?} is not a valid version"))
                .hint("write 1.2.0"));
        }
        Ok(version)
    }

    fn platforms(&self, texts: Vec<String>) -> Result<Vec<Platform>> {
        let mut platforms: Vec<Platform> = Vec::new();
        for text in texts.iter().flat_map(|text| text.split(',')) {
            let platform: Platform = text.trim().parse()?;
            if !platforms.contains(&platform) {
                platforms.push(platform);
            }
        }
        if platforms.is_empty() {
            return Err(self
                .wrong("platforms", "no platform is named")
                .hint(words!("use {}", flag("platform").of("linux/amd64"))));
        }
        Ok(platforms)
    }

    fn attest(&self, attest: Attest) -> Result<Attest> {
        let sign = attest.sign.as_ref();
        if let Some(mistake) = sign.and_then(Sign::mistake) {
            return Err(self.wrong("sign", mistake).hint(Sign::FORMS));
        }
        if sign.is_some() && attest.attestations == Attestations::None {
            return Err(self
                .wrong("sign", "with `attestations = \"none\"` no signature goes anywhere")
                .hint("remove one of the two"));
        }
        Ok(attest)
    }

    fn base_verify(&self, verify: BaseVerify) -> Result<BaseVerify> {
        match verify.mistake() {
            Some(mistake) => Err(self.wrong("base-verify", mistake).hint(BaseVerify::FORMS)),
            None => Ok(verify),
        }
    }

    fn wheel_verify(&self, verify: WheelVerify) -> Result<WheelVerify> {
        match verify.mistake() {
            Some(mistake) => Err(self.wrong("wheel-verify", mistake).hint(WheelVerify::FORMS)),
            None => Ok(verify),
        }
    }

    fn base_cache(&self, name: Option<String>) -> Result<Option<String>> {
        let Some(name) = name.filter(|name| !name.is_empty()) else { return Ok(None) };
        match name.parse::<oci::Repository>() {
            Ok(_) => Ok(Some(name)),
            Err(error) => Err(self
                .wrong("base-cache", format_args!("{name:?} is not a repository"))
                .because(error)
                .hint("use a name without a tag, such as ghcr.io/you/bases")),
        }
    }

    fn cache_trust(&self, trust: Vec<TrustedSigner>) -> Result<Vec<TrustedSigner>> {
        match trust.iter().find_map(TrustedSigner::mistake_in_name) {
            Some(mistake) => Err(self.wrong("cache-trust", mistake).hint(TrustedSigner::FORMS)),
            None => Ok(trust),
        }
    }

    fn debian(&self, mut debian: Debian) -> Result<Debian> {
        for wish in &debian.packages {
            let (name, version) = wish.split_once('=').unwrap_or((wish, "0"));
            let of_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "+-.".contains(c);
            let of_version = |c: char| c.is_ascii_alphanumeric() || "+-.~:".contains(c);
            let good = name.len() > 1 && name.starts_with(|c: char| c.is_ascii_alphanumeric());
            if !good || !name.chars().all(of_name) || version.is_empty() || !version.chars().all(of_version) {
                let why = format!("{wish:?} is not the name of a Debian package");
                return Err(self.wrong("debian", why).hint("use NAME or NAME=VERSION, for example libpq5"));
            }
        }
        if let Some(time) = &debian.snapshot
            && !(time.len() == 16 && time.ends_with('Z') && time.get(8..9) == Some("T"))
        {
            let why = format!("{time:?} is not the time of a snapshot");
            return Err(self.wrong("debian", why).hint("write 20250520T000000Z"));
        }
        if debian.mirror.is_some() && debian.snapshot.is_some() {
            return Err(self
                .wrong("debian", "mirror and snapshot cannot be combined")
                .hint("set mirror to the snapshot's own URL"));
        }
        let suites: &[String] = match &debian.suite {
            None => &[],
            Some(Suites::WithUpdates(suite)) => std::slice::from_ref(suite),
            Some(Suites::Exactly(suites)) => suites,
        };
        let of_suite = |c: char| c.is_ascii_alphanumeric() || "+-._/".contains(c);
        if let Some(suite) =
            suites.iter().find(|s| s.is_empty() || !s.chars().all(of_suite) || s.contains(".."))
        {
            return Err(self.wrong("debian", format!("{suite:?} is not a suite")).hint("write bookworm"));
        }
        debian.packages.sort();
        Ok(debian)
    }

    fn env(&self, key: &str, env: BTreeMap<String, String>) -> Result<BTreeMap<String, String>> {
        match env
            .iter()
            .find(|(name, value)| name.is_empty() || name.contains(['=', '\0']) || value.contains('\0'))
        {
            Some((name, _)) => Err(self.wrong(key, format_args!("{name:?} cannot be a variable's name"))),
            None => Ok(env),
        }
    }

    fn user(&self, user: String) -> Result<String> {
        let part = |part: &str| !part.is_empty() && !part.contains(|c: char| c.is_whitespace() || c == ':');
        let good =
            user.is_empty() || user.split_once(':').map_or_else(|| part(&user), |(u, g)| part(u) && part(g));
        let hint = "use numbers, such as 1000 or 1000:1000, or names that the base has";
        if !good {
            return Err(self.wrong("user", format_args!("{user:?} is not uid:gid")).hint(hint));
        }
        // Linux knows ids of 32 bits, and the highest means "no id".
        let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        let no_id = |part: &&str| match is_number(part) {
            true => part.parse::<u32>().map_or(true, |id| id == u32::MAX),
            false => part.starts_with('-'),
        };
        match user.split(':').find(|part| !part.is_empty() && no_id(part)) {
            Some(part) => Err(self
                .wrong("user", format_args!("{part:?} is neither an id nor a name"))
                .hint("ids are numbers from 0 to 4294967294")),
            None => Ok(user),
        }
    }

    fn signal(&self, signal: &str) -> Result<String> {
        let number = signal.parse::<u8>().is_ok_and(|n| (1..=64).contains(&n));
        let upper = signal.to_ascii_uppercase();
        let name = upper.strip_prefix("SIG").unwrap_or(&upper);
        let known = [
            "HUP", "INT", "QUIT", "ABRT", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM", "TERM", "CHLD",
            "CONT", "STOP", "TSTP", "WINCH", "PWR", "SYS", "IO", "URG", "XCPU", "XFSZ",
        ];
        let real_time = name.starts_with("RTMIN") || name.starts_with("RTMAX");
        match () {
            () if number => Ok(signal.to_owned()),
            () if real_time || known.contains(&name) => Ok(format!("SIG{name}")),
            () => Err(self
                .wrong("stop-signal", format_args!("{signal:?} is not a signal"))
                .hint("write SIGTERM, SIGINT, ...")),
        }
    }

    fn words(&self, key: &str, command: &super::Command) -> Result<Vec<String>> {
        command.words().ok_or_else(|| self.wrong(key, "a quote is not closed"))
    }

    fn max_layers(&self, max: u32) -> Result<usize> {
        // The kernel's overlayfs, as containerd mounts it, ends near 128 layers.
        match max {
            1..=120 => Ok(max as usize),
            _ => Err(self.wrong("max-layers", format_args!("{max} is not between 1 and 120"))),
        }
    }

    fn healthcheck(&self, check: &Healthcheck) -> Result<oci::Healthcheck> {
        let duration = |name: &str, text: &Option<String>| -> Result<Option<u64>> {
            let Some(text) = text else { return Ok(None) };
            let parsed: Option<jiff::SignedDuration> = text.parse().ok();
            match parsed.and_then(|d| u64::try_from(d.as_nanos()).ok()) {
                // Docker refuses what is shorter than a millisecond.
                Some(nanos) if nanos >= 1_000_000 => Ok(Some(nanos)),
                _ => Err(self
                    .wrong("healthcheck", format_args!("{name} = {text:?} is not a duration"))
                    .hint("write 30s or 1m30s")),
            }
        };
        let test = match &check.command {
            None => Vec::new(),
            Some(command) => match self.words("healthcheck", command)? {
                words if words.is_empty() => vec!["NONE".into()],
                words if matches!(words[0].as_str(), "CMD" | "CMD-SHELL" | "NONE") => words,
                words => [vec!["CMD".to_owned()], words].concat(),
            },
        };
        if test.is_empty() {
            return Err(self
                .wrong("healthcheck", "it has no command")
                .hint("give it one, or [] to disable the base's"));
        }
        Ok(oci::Healthcheck {
            test,
            interval: duration("interval", &check.interval)?,
            timeout: duration("timeout", &check.timeout)?,
            start_period: duration("start-period", &check.start_period)?,
            retries: check.retries,
            extra: oci::Extra::new(),
        })
    }

    /// Every path of the image is absolute and has no `..` in it.
    fn paths(&self, settings: &Settings) -> Result<()> {
        let volumes = settings.volumes.iter().map(|path| ("volumes", path));
        let dirs = settings.dirs.iter().map(|dir| ("dirs", &dir.path));
        let files = settings.files.iter().map(|file| ("files", &file.to));
        let workdir = settings.workdir.iter().map(|path| ("workdir", path));
        for (key, path) in volumes.clone().chain(dirs.clone()) {
            if !path.is_empty() && path.trim_matches('/').is_empty() {
                let why = format!("{path:?} is the root of the image, which always exists");
                return Err(self.wrong(key, why).hint("use a folder below it, such as /data"));
            }
        }
        for (key, path) in volumes.chain(dirs).chain(files).chain(workdir) {
            let good = path.starts_with('/')
                && !path.contains('\0')
                && path.split('/').all(|part| part != ".." && part != ".");
            if !good {
                let why = format!("{path:?} is not an absolute path in the image");
                return Err(self.wrong(key, why).hint("start it with /, and leave out . and .."));
            }
        }
        Ok(())
    }

    /// A table among the labels must be named like one of the platforms that are built.
    fn label_platforms(&self, settings: &Settings) -> Result<()> {
        for (key, labels) in [("labels", &settings.labels), ("annotations", &settings.annotations)] {
            for (name, value) in labels {
                let table = matches!(value, LabelValue::Platform(_));
                if table && !is_platform_key(name) {
                    return Err(self
                        .wrong(&format!("{key}.{name}"), "a table of labels belongs to a platform")
                        .hint(format!(
                            "write it as [{key}.linux-arm64], or put the label's name in quotes"
                        )));
                }
            }
        }
        Ok(())
    }
}

/// The labels for one platform: those for all, then its own over them.
pub(crate) fn labels_for(labels: &Labels, platform: &Platform) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for (name, value) in labels {
        if let LabelValue::Text(text) = value {
            found.insert(name.clone(), text.clone());
        }
    }
    for (name, value) in labels {
        if let LabelValue::Platform(table) = value
            && names_platform(name, platform)
        {
            found.extend(table.clone());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Origin, Place, fold, from_toml};

    fn settings(text: &str) -> Result<Settings> {
        let defaults = from_toml("platforms = ['linux/amd64']", &Origin::Default)?;
        let flags = from_toml(text, &Origin::Flag)?;
        let places = [
            Place { origin: Origin::Default, values: defaults },
            Place { origin: Origin::Flag, values: flags },
        ];
        Settings::new(fold(&places, "x"))
    }

    #[test]
    fn python_is_a_version_or_a_folder() {
        let python = |text: &str| {
            let python = settings(text).expect(text).python;
            (python.version, python.prefix)
        };
        let (version, prefix) = (Some("3.13".to_owned()), Some("/opt/py".to_owned()));
        assert_eq!(python("python = '3.13'"), (version, None));
        assert_eq!(python("python = { prefix = '/opt/py' }"), (None, prefix.clone()));
        assert_eq!(python("python = '/opt/py'"), (None, prefix));
        for wrong in
            ["python = 3.13", "python = { path = '/x' }", "python = { prefix = '/x', version = '3' }"]
        {
            let error = settings(wrong).expect_err(wrong);
            assert!(error.to_string().contains("{ prefix ="), "{error:?}");
        }
    }

    #[test]
    fn wrong_values_name_key_and_origin() {
        for (text, message) in [
            ("volumes = ['data']", "volumes (--volume): \"data\" is not an absolute path in the image"),
            ("volumes = ['/']", "volumes (--volume): \"/\" is the root of the image, which always exists"),
            ("workdir = '/a/../b'", "workdir (--workdir): \"/a/../b\" is not an absolute path in the image"),
            ("stop-signal = 'SIGFOO'", "stop-signal (--stop-signal): \"SIGFOO\" is not a signal"),
            ("debian = ['Libpq5']", "debian (--debian): \"Libpq5\" is not the name of a Debian package"),
            ("debian = ['a=']", "debian (--debian): \"a=\" is not the name of a Debian package"),
            ("debian = { snapshot = 'now' }", "debian (--debian): \"now\" is not the time of a snapshot"),
            ("debian = { suite = '../x' }", "debian (--debian): \"../x\" is not a suite"),
            ("user = 'a b'", "user (--user): \"a b\" is not uid:gid"),
            ("user = -1", "user (--user): \"-1\" is neither an id nor a name"),
            ("user = 99999999999", "user (--user): \"99999999999\" is neither an id nor a name"),
            ("user = '0:4294967295'", "user (--user): \"4294967295\" is neither an id nor a name"),
            ("max-layers = 0", "max-layers (--max-layers): 0 is not between 1 and 120"),
            ("env = { 'A=B' = '1' }", "env (default): \"A=B\" cannot be a variable's name"),
            (
                "image-format = 'docker'\ncompression = 'zstd'",
                "compression (--compression): the image format docker does not support zstd layers",
            ),
            ("[labels.web]\na = 'b'", "labels.web (--label): a table of labels belongs to a platform"),
        ] {
            assert_eq!(settings(text).expect_err(text).to_string(), message);
        }
    }

    #[test]
    fn signals_and_platforms_are_normalised() {
        let found =
            settings("stop-signal = 'int'\nplatforms = ['amd64,arm64', 'linux/amd64']").expect("valid");
        assert_eq!(found.stop_signal.as_deref(), Some("SIGINT"));
        assert_eq!(
            found.platforms.iter().map(Platform::to_string).collect::<Vec<_>>(),
            ["linux/amd64", "linux/arm64"]
        );
    }

    #[test]
    fn a_healthcheck_needs_no_shell() {
        let found =
            settings("[healthcheck]\ncommand = '/bin/web --check'\ninterval = '1m30s'").expect("valid");
        let check = found.healthcheck.expect("a check");
        assert_eq!(check.test, ["CMD", "/bin/web", "--check"]);
        assert_eq!(check.interval, Some(90_000_000_000));
        let off = settings("healthcheck = { command = [] }").expect("valid");
        assert_eq!(off.healthcheck.expect("a check").test, ["NONE"]);
        assert!(settings("healthcheck = { command = 'x', interval = 'soon' }").is_err());
    }

    #[test]
    fn a_platforms_own_labels_win() {
        let found = settings("[labels]\na = '1'\nb = '1'\n[labels.linux-arm64]\na = '2'").expect("valid");
        assert_eq!(labels_for(&found.labels, &Platform::linux("arm64"))["a"], "2");
        assert_eq!(labels_for(&found.labels, &Platform::linux("arm64"))["b"], "1");
        assert_eq!(labels_for(&found.labels, &Platform::linux("amd64"))["a"], "1");
    }
}
