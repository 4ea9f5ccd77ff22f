//! The types of configuration values, with the spellings that people write.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::Capabilities;
use super::choice::choice;
use crate::oci::{Mode, Owner, Platform};
use crate::system::System;

/// A command: a list of words, or one line that is split as a shell would split it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Command {
    /// One line, split into words by a shell's quoting rules; no shell runs it.
    Line(String),
    /// A list of words.
    Words(Vec<String>),
}

impl Command {
    /// The words of the command; `None` when a quote is left open.
    pub fn words(&self) -> Option<Vec<String>> {
        match self {
            Self::Line(line) => shlex::split(line),
            Self::Words(words) => Some(words.clone()),
        }
    }
}

impl<'de> Deserialize<'de> for Command {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(line) if shlex::split(&line).is_some() => Ok(Self::Line(line)),
            Value::String(_) => Err(D::Error::custom("a quote is not closed")),
            list @ Value::Array(_) => {
                serde_json::from_value(list).map(Self::Words).map_err(|_| D::Error::custom(NOT_A_COMMAND))
            }
            _ => Err(D::Error::custom(NOT_A_COMMAND)),
        }
    }
}

const NOT_A_COMMAND: &str = "expected a list of strings, or one string";

/// Which base: one for all platforms, or one for each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum BaseChoice {
    /// A registry reference, `oci:`, `oci-archive:`, `docker-archive:`, `docker-daemon:`, `containers-storage:`,
    /// `deb:SUITE`, `static` or `scratch`.
    One(String),
    /// The same by platform (`linux/amd64`).
    ByPlatform(BTreeMap<String, String>),
}

impl<'de> Deserialize<'de> for BaseChoice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(one) => Ok(Self::One(one)),
            table @ Value::Object(_) => serde_json::from_value(table)
                .map(Self::ByPlatform)
                .map_err(|_| D::Error::custom("expected a string for each platform")),
            _ => Err(D::Error::custom("expected a string, or a table of strings by platform")),
        }
    }
}

impl BaseChoice {
    /// The base for `platform`; `None` where the table does not name it.
    pub fn for_platform(&self, platform: &Platform) -> Option<&str> {
        match self {
            Self::One(one) => Some(one),
            Self::ByPlatform(table) => by_platform(table, platform).map(String::as_str),
        }
    }
}

/// Which Python: a version, or one of this machine to bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum PythonChoice {
    /// A version, such as `3.13`.
    Version(String),
    /// The one in this folder of this machine.
    Bundled {
        /// The folder that has `bin/python3`, such as `/usr/local`.
        prefix: String,
    },
}

impl FromStr for PythonChoice {
    type Err = String;

    /// A path is a prefix, as uv's `--python` takes one.
    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text.contains('/') {
            true => Self::Bundled { prefix: text.to_owned() },
            false => Self::Version(text.to_owned()),
        })
    }
}

impl<'de> Deserialize<'de> for PythonChoice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wrong =
            || D::Error::custom("expected a version such as \"3.13\", or { prefix = \"/usr/local\" }");
        match Value::deserialize(deserializer)? {
            Value::String(text) => text.parse().map_err(D::Error::custom),
            Value::Object(table) => match (table.len(), table.get("prefix").and_then(Value::as_str)) {
                (1, Some(prefix)) => Ok(Self::Bundled { prefix: prefix.to_owned() }),
                _ => Err(wrong()),
            },
            _ => Err(wrong()),
        }
    }
}

/// Labels or annotations by name; a table under a platform's name holds those for it alone.
pub type Labels = BTreeMap<String, LabelValue>;

/// A label's value, or the labels of one platform.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum LabelValue {
    /// A value; may contain `{version}`, `{revision}`, `{created}` and `{platform}`.
    Text(String),
    /// Labels for the platform in the key, for example `[labels.linux-arm64]`.
    Platform(BTreeMap<String, String>),
}

impl<'de> Deserialize<'de> for LabelValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wrong = || D::Error::custom("expected a string; write names with dots in quotes");
        match Value::deserialize(deserializer)? {
            Value::String(text) => Ok(Self::Text(text)),
            Value::Number(number) => Ok(Self::Text(number.to_string())),
            Value::Bool(truth) => Ok(Self::Text(truth.to_string())),
            table @ Value::Object(_) => {
                serde_json::from_value(table).map(Self::Platform).map_err(|_| wrong())
            }
            _ => Err(wrong()),
        }
    }
}

/// The value in a table by platform, whose keys are written `linux/arm64` or `linux-arm64`.
pub(super) fn by_platform<'a, V>(table: &'a BTreeMap<String, V>, platform: &Platform) -> Option<&'a V> {
    table.iter().find(|(key, _)| names_platform(key, platform)).map(|(_, value)| value)
}

/// Whether `key`, written with slashes or dashes, names this platform.
pub(super) fn names_platform(key: &str, platform: &Platform) -> bool {
    platform_of_key(key).is_some_and(|named| platform.serves(&named))
}

/// Whether `key` names any platform: both its system and its architecture.
pub(super) fn is_platform_key(key: &str) -> bool {
    platform_of_key(key).is_some()
}

fn platform_of_key(key: &str) -> Option<Platform> {
    let text = key.replace('-', "/");
    text.contains('/').then(|| text.parse().ok())?
}

/// A port that the program listens on: `8080`, `8080/tcp` or `53/udp`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Port {
    number: u16,
    protocol: &'static str,
}

impl Port {
    /// Its number, without the protocol.
    pub fn number(&self) -> u16 {
        self.number
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.protocol)
    }
}

impl FromStr for Port {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (number, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
        let protocol = ["tcp", "udp", "sctp"].into_iter().find(|known| *known == protocol);
        match (number.parse::<u16>(), protocol) {
            (Ok(number), Some(protocol)) if number > 0 => Ok(Self { number, protocol }),
            _ => Err(format!("{text:?} is not a port: write 8080, 8080/tcp or 53/udp")),
        }
    }
}

impl Serialize for Port {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Port {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parse_scalar(deserializer)
    }
}

/// Reads a string (or a number, which people write for ports and ids) with `FromStr`.
fn parse_scalar<'de, D: Deserializer<'de>, T: FromStr<Err = String>>(deserializer: D) -> Result<T, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::String(text) => text.parse().map_err(D::Error::custom),
        Value::Number(number) => number.to_string().parse().map_err(D::Error::custom),
        _ => Err(D::Error::custom("expected a text or a number")),
    }
}

macro_rules! schema_as_text_or_number {
    ($type:ident, $description:literal) => {
        impl JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "description": $description, "type": ["string", "integer"] })
            }
        }
    };
}

schema_as_text_or_number!(Port, "A port: 8080, \"8080/tcp\" or \"53/udp\".");
schema_as_text_or_number!(Owner, "An owner by numbers: \"uid:gid\"; a uid alone is its own group.");

impl<'de> Deserialize<'de> for Owner {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parse_scalar(deserializer)
    }
}

/// An empty directory in the image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Directory {
    /// Absolute path in the image.
    pub path: String,
    /// Permission bits; 0755 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// Owner; the image's `owner` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Owner>,
}

/// A file or a tree of the project that goes into the image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct FileRule {
    /// Path on this machine, relative to the project.
    pub from: String,
    /// Absolute path in the image; with a slash at its end, a folder that the file goes into.
    pub to: String,
    /// Permission bits of the files; by default 0755 for what is executable, 0644 for the rest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// Owner; the image's `owner` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Owner>,
    /// What the file may do without being root; only for a single file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capabilities: Option<Capabilities>,
    /// Globs, relative to `from`, of files to leave out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
}

impl FromStr for FileRule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match System::HERE.path_end(text).map(|end| (&text[..end], &text[end + 1..])) {
            Some((from, to)) if !from.is_empty() && to.starts_with('/') => Ok(Self {
                from: from.into(),
                to: to.into(),
                mode: None,
                owner: None,
                capabilities: None,
                exclude: Vec::new(),
            }),
            _ => Err(format!("{text:?} is not FROM:TO, where TO is an absolute path in the image")),
        }
    }
}

/// Docker's health check.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Healthcheck {
    /// The command that checks; `[]` disables the base's check.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<Command>,
    /// Time between two checks, such as `30s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<String>,
    /// Time after which a check counts as failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<String>,
    /// Time after the start in which failures do not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_period: Option<String>,
    /// Failures in a row after which the container is unhealthy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retries: Option<u32>,
}

/// Commands that run on this machine, in the project's folder, around the build.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Hooks {
    /// Before anything is built.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pre: Vec<Command>,
    /// After everything was delivered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub post: Vec<Command>,
}

/// An external layer: a folder, or a command that fills one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum ExtraLayer {
    /// A folder whose content goes to the root of the image.
    Folder(String),
    /// A command that puts files into the empty folder `$CONTAINERIZE_LAYER`.
    Command {
        /// The command; a line is run by the shell.
        command: Command,
        /// The folder that it runs in, from the package's.
        #[serde(skip)]
        dir: String,
    },
}

impl<'de> Deserialize<'de> for ExtraLayer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Table {
            command: Command,
        }
        match Value::deserialize(deserializer)? {
            Value::String(folder) => Ok(Self::Folder(folder)),
            table @ Value::Object(_) => serde_json::from_value::<Table>(table)
                .map(|table| Self::Command { command: table.command, dir: String::new() })
                .map_err(D::Error::custom),
            _ => Err(D::Error::custom("expected a folder, or { command = ... }")),
        }
    }
}

/// Debian packages that are added to the base, and where they come from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Debian {
    /// `NAME`, or `NAME=VERSION`.
    pub packages: Vec<String>,
    /// The URL of an archive; the base's own by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mirror: Option<String>,
    /// A suite, with its updates; or an exact list of suites.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suite: Option<Suites>,
    /// The time of a snapshot, such as `20250520T000000Z`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<String>,
    /// A file with the keys that must sign; Debian's own by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keyring: Option<String>,
    /// Whether documentation, manual pages and translations go in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub docs: Option<bool>,
}

/// Suites of an archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Suites {
    /// One, with its updates.
    WithUpdates(String),
    /// Exactly these.
    Exactly(Vec<String>),
}

impl Debian {
    /// These packages from the base's own sources.
    pub fn of(packages: Vec<String>) -> Self {
        Self { packages, ..Self::default() }
    }
}

/// The ways to write [`Debian`].
#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "it is the schema of what `Debian` reads")]
enum DebianForms {
    /// Packages.
    Packages(Vec<String>),
    /// Packages, and where they come from.
    Table(DebianTable),
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct DebianTable {
    /// `NAME`, or `NAME=VERSION`.
    #[serde(default)]
    packages: Vec<String>,
    /// The URL of an archive; the base's own by default.
    mirror: Option<String>,
    /// A suite, with its updates; or an exact list of suites.
    suite: Option<Suites>,
    /// The time of a snapshot, such as `20250520T000000Z`.
    snapshot: Option<String>,
    /// A file with the keys that must sign; Debian's own by default.
    keyring: Option<String>,
    /// Whether documentation, manual pages and translations go in.
    docs: Option<bool>,
}

impl JsonSchema for Debian {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Debian".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        DebianForms::json_schema(generator)
    }
}

impl<'de> Deserialize<'de> for Debian {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            list @ Value::Array(_) => serde_json::from_value(list)
                .map(Self::of)
                .map_err(|_| D::Error::custom("expected names of packages")),
            table @ Value::Object(_) => {
                let DebianTable { packages, mirror, suite, snapshot, keyring, docs } =
                    serde_json::from_value(table).map_err(D::Error::custom)?;
                Ok(Self { packages, mirror, suite, snapshot, keyring, docs })
            }
            _ => Err(D::Error::custom("expected a list of packages, or { packages = [...], ... }")),
        }
    }
}

/// One or several binaries by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct Bins(pub Vec<String>);

impl<'de> Deserialize<'de> for Bins {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(one) => Ok(Self(vec![one])),
            list => serde_json::from_value(list).map(Self).map_err(|_| D::Error::custom(NOT_A_COMMAND)),
        }
    }
}

/// What to strip from a binary, in cargo's terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Strip {
    /// The profile of Cargo.toml decides.
    None,
    /// Debug information.
    Debuginfo,
    /// Debug information and symbols.
    #[default]
    Symbols,
}

impl Strip {
    /// The word that cargo uses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Debuginfo => "debuginfo",
            Self::Symbols => "symbols",
        }
    }
}

impl FromStr for Strip {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "none" | "false" => Ok(Self::None),
            "debuginfo" => Ok(Self::Debuginfo),
            "symbols" | "true" => Ok(Self::Symbols),
            _ => Err(format!("{text:?} is not one of true, false, symbols, debuginfo or none")),
        }
    }
}

impl Serialize for Strip {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Strip {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(text) => text.parse().map_err(D::Error::custom),
            Value::Bool(truth) => Ok(if truth { Self::Symbols } else { Self::None }),
            _ => Err(D::Error::custom("expected true, false, \"symbols\", \"debuginfo\" or \"none\"")),
        }
    }
}

choice! {
    /// How a Python project itself gets into the image.
    Install {
        /// Its source, unchanged.
        Source = "source",
        /// Its wheel, built and installed.
        Wheel = "wheel",
    }
    or |_| "expected source or wheel".into()
}

choice! {
    /// What to do if the finished image would not start.
    #[derive(Default)]
    CheckMode {
        /// Stop the build and deliver nothing.
        #[default]
        Error = "error",
        /// Warn, and deliver the image.
        Warn = "warn",
        /// Skip the check.
        Off = "off",
    }
    or |text| format!("{text:?} is not one of error, warn or off")
}

choice! {
    /// What to do if the lock file does not match the project.
    #[derive(Default)]
    StaleLock {
        /// Stop.
        #[default]
        Error = "error",
        /// Warn, and use what the lock file pins.
        Warn = "warn",
    }
    or |_| "expected error or warn".into()
}

choice! {
    /// What to do about libraries that the image needs and nothing in it has.
    #[derive(Default)]
    Native {
        /// Name them and stop the build.
        #[default]
        Error = "error",
        /// Bundle those of this machine.
        Bundle = "bundle",
    }
    or |text| format!("{text:?} is neither error nor bundle")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_have_a_protocol_and_a_number() {
        assert_eq!("8080".parse::<Port>().expect("port").to_string(), "8080/tcp");
        assert_eq!(serde_json::from_str::<Port>("53").expect("port").to_string(), "53/tcp");
        for text in ["0", "65536", "http", "80/ip", "", "80/"] {
            assert!(text.parse::<Port>().is_err(), "{text}");
        }
    }

    #[test]
    fn owners_are_numbers() {
        assert_eq!("65532".parse::<Owner>(), Ok(Owner { uid: 65532, gid: 65532 }));
        assert_eq!("0:5".parse::<Owner>(), Ok(Owner { uid: 0, gid: 5 }));
        for text in ["root", "0:", ":0", "-1", "4294967295"] {
            assert!(text.parse::<Owner>().is_err(), "{text}");
        }
    }

    #[test]
    fn lines_are_split_like_a_shell_and_open_quotes_refused() {
        let line: Command = serde_json::from_str(r#""run 'a b' c""#).expect("a line");
        assert_eq!(line.words(), Some(vec!["run".into(), "a b".into(), "c".into()]));
        assert!(serde_json::from_str::<Command>(r#""it's""#).is_err());
        assert!(serde_json::from_str::<Command>("3").is_err());
    }

    #[test]
    fn platform_keys_are_written_with_dashes_or_slashes() {
        let arm = Platform::linux("arm64");
        assert!(names_platform("linux-arm64", &arm) && names_platform("linux/arm64", &arm));
        assert!(!names_platform("linux-amd64", &arm) && !names_platform("org.title", &arm));
    }
}
