//! What a build chose for an image beside its layers, so that they can be laid on another base.

use serde::{Deserialize, Serialize};

use crate::oci::{Healthcheck, ImageConfig, Owner};
use crate::plan::{ImagePlan, Runtime, search_path};
use crate::redact::{BLANK, clean};

/// What was chosen for one platform's image, whatever its base says. Values of secret variables and logins are blank.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Choices {
    /// What its configuration says beyond the base's.
    pub runtime: Runtime,
    /// Whether it runs a Python application.
    pub python: bool,
    /// Whether `PATH` is the environment's folder and then what the base says.
    pub extends_path: bool,
    /// Owner of directories that a layer adds without naming them.
    pub owner: Owner,
    /// At most so many layers.
    pub max_layers: usize,
    /// Whether Debian packages were added to the base.
    pub packages: bool,
    /// Whether bytecode was compiled, which is that of exactly one version of Python.
    pub bytecode: bool,
    /// Whether libraries of the building machine were added.
    pub libraries: bool,
    /// Whether another patch version of Python may need other distributions.
    pub exact_python: bool,
}

/// What only those know who made an image.
#[derive(Debug, Clone, Copy, Default)]
pub struct Made {
    /// Whether libraries of the building machine were added.
    pub libraries: bool,
    /// Whether another patch version of Python may need other distributions.
    pub exact_python: bool,
}

impl Choices {
    /// Those of a plan, and of what one platform's configuration came to say beyond the base's.
    pub fn of(image: &ImagePlan, runtime: &Runtime, made: Made) -> Self {
        let python = image.python().is_some();
        let mut runtime = runtime.clone();
        let extends_path = python && runtime.env.contains_key("PATH") && !image.sets_variable("PATH");
        let words = [&mut runtime.entrypoint, &mut runtime.cmd].into_iter().flatten();
        words.chain(runtime.healthcheck.iter_mut().map(|check| &mut check.test)).flatten().for_each(|word| {
            *word = clean(word).into_owned();
        });
        Self {
            runtime,
            python,
            extends_path,
            owner: image.owner,
            max_layers: image.additions.max_layers,
            packages: !image.additions.debian.packages.is_empty(),
            bytecode: image.python().is_some_and(|application| application.bytecode),
            libraries: made.libraries,
            exact_python: made.exact_python,
        }
    }

    /// What the configuration says beyond that of `base`, blank values taken from that of the image itself.
    pub fn runtime_on(&self, base: &ImageConfig, own: &ImageConfig) -> Runtime {
        let mut runtime = self.runtime.clone();
        for (name, value) in runtime.env.iter_mut().filter(|(_, value)| value.contains(BLANK)) {
            variable(own, name).into_iter().for_each(|told| *value = told.to_owned());
        }
        if self.extends_path {
            runtime.env.insert("PATH".to_owned(), search_path(first_path(base)));
        }
        let Runtime { init, entrypoint, cmd, healthcheck, .. } = &mut runtime;
        let started = own.config.entrypoint.as_ref().and_then(|words| words.get(init.len()..));
        tell(entrypoint.as_mut(), started);
        tell(cmd.as_mut(), own.config.cmd.as_deref());
        let test = own.config.healthcheck.as_ref().map(|Healthcheck { test, .. }| &test[..]);
        tell(healthcheck.as_mut().map(|check| &mut check.test), test);
        runtime
    }
}

/// Puts the words of an image where some that were recorded are blank.
fn tell(recorded: Option<&mut Vec<String>>, own: Option<&[String]>) {
    if let (Some(recorded), Some(own)) = (recorded, own)
        && recorded.iter().any(|word| word.contains(BLANK))
    {
        *recorded = own.to_vec();
    }
}

/// The value of a variable; the last one counts.
fn variable<'c>(config: &'c ImageConfig, name: &str) -> Option<&'c str> {
    let set = config.config.env.iter().rev().filter_map(|line| line.split_once('='));
    set.into_iter().find(|(key, _)| *key == name).map(|(_, value)| value)
}

/// The `PATH` of a base, as a plan takes it.
fn first_path(base: &ImageConfig) -> Option<&str> {
    base.config.env.iter().find_map(|line| line.strip_prefix("PATH="))
}
