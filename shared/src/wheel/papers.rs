//! What a wheel says of itself to people and auditors, beside what installing it takes.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::filename::Filename;
use super::zip::{Archive, Member};
use crate::error::{Context, Result};

/// No longer file is read, in bytes.
const LONGEST: u64 = 16 << 20;
/// No more bills are read of one wheel.
const MOST_BILLS: usize = 32;

/// The papers of a wheel.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Papers {
    /// The version that its file name says.
    pub version: String,
    /// METADATA, as it is.
    pub metadata: String,
    /// The bills of materials that it carries (PEP 770), in the order of their names.
    pub bills: Vec<String>,
}

impl Papers {
    /// Reads those of the wheel at `path`, whose file name is `filename` wherever it is kept. What cannot be read of
    /// them is left out: the wheel was found sound when it was installed.
    ///
    /// # Errors
    /// When the archive cannot be read, or the name is not that of a wheel.
    pub fn read(path: &Path, filename: &str) -> Result<Self> {
        let context = || format!("cannot read the wheel {filename}");
        let named = Filename::parse(filename).context(context)?;
        let mut archive = Archive::open(path).context(context)?;
        let members: Vec<(Member, String)> = archive
            .members
            .iter()
            .filter(|member| !member.directory && member.size <= LONGEST)
            .filter_map(|member| {
                let (folder, rest) = member.name.split_once('/')?;
                let is_own = named.is_meant_by(folder.strip_suffix(".dist-info")?);
                is_own.then(|| (member.clone(), rest.to_owned()))
            })
            .collect();
        let mut read = |member: &Member| archive.read(member, LONGEST).ok();
        let metadata =
            members.iter().find(|(_, name)| name == "METADATA").and_then(|(member, _)| read(member));
        let mut bills: Vec<&(Member, String)> =
            members.iter().filter(|(_, name)| name.starts_with("sboms/")).collect();
        bills.sort_by(|(_, a), (_, b)| a.cmp(b));
        Ok(Self {
            version: named.version.to_string(),
            metadata: String::from_utf8_lossy(&metadata.unwrap_or_default()).into_owned(),
            bills: bills
                .into_iter()
                .take(MOST_BILLS)
                .filter_map(|(member, _)| String::from_utf8(read(member)?).ok())
                .collect(),
        })
    }
}
