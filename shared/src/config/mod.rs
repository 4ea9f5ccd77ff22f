//! Configuration: partial values from several places, one fold, total settings, and where each
//! value came from.
//!
//! Precedence, the lowest first: default, detected, workspace table, project table, the file
//! named by `--config`, environment, flag. Some keys replace, some merge by their own keys,
//! some append; [`Partial`] says which. Nothing here touches disk or environment: values come
//! in as text and maps.

mod attest;
mod attested;
mod capabilities;
mod choice;
mod fold;
mod language;
mod merge;
mod mode;
mod natural;
mod origin;
mod partial;
mod read;
mod remote;
mod settings;
mod shown;
mod trim;
mod trust;
mod value;
mod vouching;

pub use crate::oci::{Mode, Owner};
pub use attest::{Attest, Attestations, Sbom, Sign, SignatureFormat};
pub use attested::{AnyPublisher, Asked, TrustedPublisher, WheelVerify};
pub use capabilities::Capabilities;
pub use fold::{Folded, Place, fold};
pub use language::Language;
pub use origin::{Origin, Origins};
pub use partial::{KEYS, Key, KeyKind, Partial, schema};

pub use read::{from_environment, from_table, from_toml};
pub use remote::RemoteCache;
pub(crate) use settings::labels_for;
pub use settings::{PythonSettings, Settings};
pub use shown::Shown;
pub use trim::TrimRule;
pub use trust::TrustedSigner;
pub use value::{
    BaseChoice, Bins, CheckMode, Command, Debian, Directory, ExtraLayer, FileRule, Healthcheck, Hooks,
    Install, LabelValue, Labels, Native, Port, PythonChoice, StaleLock, Strip, Suites,
};
pub use vouching::{AnySigner, BaseVerify};
