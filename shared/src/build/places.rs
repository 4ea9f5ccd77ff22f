//! The places that configure a build, from defaults to flags.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::Request;
use crate::config::{self, Hooks, Layer, Origin, Partial};
use crate::error::{Error, Result};
use crate::event::Events;
use crate::oci::Platform;

/// Variables of this program that are no configuration keys.
const RESERVED: &[&str] = &[
    "CONTAINERIZE_AUTH_",
    "CONTAINERIZE_CACHE_DIR",
    "CONTAINERIZE_CERT_DIR",
    "CONTAINERIZE_CHUNK_SIZE",
    "CONTAINERIZE_CACHE_SIZE",
    "CONTAINERIZE_LOG",
    "CONTAINERIZE_MIRRORS",
    "CONTAINERIZE_PASSWORD",
    "CONTAINERIZE_USERNAME",
    // Set for the commands of hooks and layers, which may call this program again.
    "CONTAINERIZE_NAME",
    "CONTAINERIZE_VERSION",
    "CONTAINERIZE_DIGEST",
    "CONTAINERIZE_REFERENCES",
    "CONTAINERIZE_PLATFORM",
    "CONTAINERIZE_LAYER",
];

/// How the tables of a kind of project are called.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tables {
    /// The project's or package's own table.
    pub(super) own: &'static str,
    /// The workspace's table.
    pub(super) workspace: &'static str,
}

/// The places that configure all packages of a project alike.
pub(super) struct Places {
    tables: Tables,
    defaults: Layer,
    workspace: Option<Layer>,
    file: Option<Layer>,
    environment: Layer,
    flags: Layer,
}

impl Places {
    /// Reads the places; `workspace` is the value of the workspace's table.
    ///
    /// # Errors
    /// Usage: an unknown key or a wrong value in one of them.
    pub(super) fn read(
        request: &Request,
        tables: Tables,
        defaults: Partial,
        workspace: Option<&Value>,
        events: &Events,
    ) -> Result<Self> {
        let layer = |origin: Origin, values| Layer { origin, values };
        let file = match &request.config_file {
            None => None,
            Some(path) => {
                let origin = Origin::File(path.display().to_string());
                let text = std::fs::read_to_string(path).map_err(|e| {
                    Error::usage(format!("cannot read {}", path.display())).because(e).hint("check --config")
                })?;
                Some(layer(origin.clone(), config::from_toml(&text, &origin)?))
            }
        };
        let (environment, warnings) = config::from_environment(&request.variables, RESERVED)?;
        warnings.into_iter().for_each(|warning| events.warn(warning));
        Ok(Self {
            tables,
            defaults: layer(Origin::Default, defaults),
            workspace: workspace.map(|value| table(value, tables.workspace)).transpose()?,
            file,
            environment: layer(Origin::Environment, environment),
            flags: layer(Origin::Flag, request.flags.clone()),
        })
    }

    /// All places for one package, the lowest precedence first; `own` is the value of its table.
    pub(super) fn stack(&self, own: Option<&Value>, detected: Vec<Layer>) -> Result<Vec<Layer>> {
        let mut stack = vec![self.defaults.clone()];
        stack.extend(detected);
        stack.extend(self.workspace.clone());
        stack.extend(own.map(|value| table(value, self.tables.own)).transpose()?);
        stack.extend(self.file.clone());
        stack.extend([self.environment.clone(), self.flags.clone()]);
        Ok(stack)
    }

    /// The hooks of packages, given by their own tables and folders. Each runs in the package's
    /// folder if it is of the package's own table, else in `root`. What several share runs once.
    pub(super) fn hooks(
        &self,
        packages: &[(Option<&Value>, &Path)],
        root: &Path,
    ) -> Result<Vec<(PathBuf, Hooks)>> {
        let own = Origin::Table(self.tables.own.into());
        let mut found = Vec::new();
        for (value, dir) in packages {
            let folded = config::fold(&self.stack(*value, Vec::new())?, "");
            let Some(hooks) = folded.values.hooks else { continue };
            let dir = if folded.origins.is_from("hooks", &own) { *dir } else { root };
            let hooks = (dir.to_owned(), hooks);
            if !found.contains(&hooks) {
                found.push(hooks);
            }
        }
        Ok(found)
    }
}

fn table(value: &Value, name: &str) -> Result<Layer> {
    let origin = Origin::Table(name.into());
    config::from_table(value, &origin).map(|values| Layer { origin, values })
}

/// What is so for images of any kind.
pub(super) fn defaults() -> Result<Partial> {
    let host = Platform::from_rust_arch(std::env::consts::ARCH).ok_or_else(|| {
        Error::usage(format!("images for {} are not known", std::env::consts::ARCH))
            .hint("name a platform with --platform")
    })?;
    Ok(Partial {
        platforms: Some(vec![host.to_string()]),
        user: Some("65532:65532".into()),
        ..Partial::default()
    })
}
