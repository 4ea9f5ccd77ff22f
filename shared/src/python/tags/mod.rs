//! Which wheels an interpreter in an image can use, and which of them it prefers (PEP 425, 600,
//! 656). The order is that of Python's own `packaging`, with one difference: `linux_x86_64`,
//! which names no C library, comes after all that do, for nothing is built on the machine that
//! runs the image.

mod why;

use std::cmp::Reverse;
use std::collections::HashMap;

use super::marker::machine;
use super::{DistFile, Interpreter, Libc, PythonVersion, WheelName};

/// More minor versions of anything than there will be; what a base claims is not trusted.
const MAX_MINOR: u32 = 200;

/// The tags that an interpreter supports, the best first.
#[derive(Debug, Clone)]
pub struct Tags {
    /// Interpreter and binary interface, for wheels of a platform.
    native: Vec<(String, String)>,
    platforms: Vec<String>,
    ranks: HashMap<String, u32>,
    /// Interpreters, for wheels without binary interface and platform.
    pure: Vec<String>,
    version: PythonVersion,
    libc: Libc,
    machine: String,
}

impl Tags {
    /// Those of an interpreter.
    pub fn of(interpreter: &Interpreter) -> Self {
        let PythonVersion { major, minor, .. } = interpreter.version;
        let minor = minor.min(MAX_MINOR);
        let machine = machine(&interpreter.platform);
        let python = format!("cp{major}{minor}");
        // Until 3.7, the name has the flag of an allocator that all had.
        let abi = if (major, minor) < (3, 8) { format!("{python}m") } else { python.clone() };
        let mut native = vec![(python.clone(), abi)];
        if (major, minor) >= (3, 2) {
            native.push((python.clone(), "abi3".into()));
        }
        native.push((python.clone(), "none".into()));
        native.extend((2..minor).rev().map(|older| (format!("cp{major}{older}"), "abi3".into())));
        let mut generic = vec![format!("py{major}{minor}"), format!("py{major}")];
        generic.extend((0..minor).rev().map(|older| format!("py{major}{older}")));
        native.extend(generic.iter().map(|python| (python.clone(), "none".into())));
        let platforms = platforms(interpreter.libc, &machine);
        Self {
            native,
            ranks: platforms.iter().cloned().zip(0..).collect(),
            platforms,
            pure: std::iter::once(python).chain(generic).collect(),
            version: interpreter.version,
            libc: interpreter.libc,
            machine,
        }
    }

    /// All of them, the best first, as `cp313-cp313-manylinux_2_36_x86_64`.
    pub fn iter(&self) -> impl Iterator<Item = String> {
        let of = |(python, abi): &(String, String)| {
            let (python, abi) = (python.clone(), abi.clone());
            self.platforms.iter().map(move |platform| format!("{python}-{abi}-{platform}"))
        };
        self.native.iter().flat_map(of).chain(self.pure.iter().map(|python| format!("{python}-none-any")))
    }

    /// How well a wheel fits, 0 being best; `None` when it does not.
    pub fn rank(&self, wheel: &WheelName) -> Option<u32> {
        let has = |set: &[String], member: &str| set.iter().any(|m| m == member);
        let count = u32::try_from(self.platforms.len()).ok()?;
        // The best of a set's combinations is the one of the best members.
        if let Some(platform) = wheel.platforms.iter().filter_map(|p| self.ranks.get(p)).min()
            && let Some(pair) = self.native.iter().zip(0u32..).find_map(|((python, abi), n)| {
                (has(&wheel.pythons, python) && has(&wheel.abis, abi)).then_some(n)
            })
        {
            return Some(pair.saturating_mul(count).saturating_add(*platform));
        }
        if !has(&wheel.abis, "none") || !has(&wheel.platforms, "any") {
            return None;
        }
        let n = self.pure.iter().position(|python| has(&wheel.pythons, python))?;
        let before = self.native.len().checked_mul(self.platforms.len())?;
        u32::try_from(before.checked_add(n)?).ok()
    }

    /// The wheel among the files of one version that the interpreter prefers: one that its index
    /// has not withdrawn, with the best tag, and of those the highest build. `None` when none
    /// fits; [`Self::why_not`] says why.
    pub fn best<'a>(&self, files: &'a [DistFile]) -> Option<&'a DistFile> {
        let key = |file: &'a DistFile| {
            let wheel = WheelName::parse(&file.filename).ok()?;
            let rank = self.rank(&wheel)?;
            Some(((file.yanked, rank, Reverse(wheel.build), &file.filename), file))
        };
        files.iter().filter_map(key).min_by(|(a, _), (b, _)| a.cmp(b)).map(|(_, file)| file)
    }
}

/// The platforms of wheels that run on Linux with this C library, the best first.
fn platforms(libc: Libc, machine: &str) -> Vec<String> {
    let mut found = match libc {
        Libc::Glibc { major: 2, minor } => manylinux(minor.min(MAX_MINOR), machine),
        // Which wheels another major would run, its PEP will say.
        Libc::Glibc { .. } => Vec::new(),
        Libc::Musl { major, minor } => (0..=minor.min(MAX_MINOR))
            .rev()
            .map(|minor| format!("musllinux_{major}_{minor}_{machine}"))
            .collect(),
    };
    found.push(format!("linux_{machine}"));
    found
}

fn manylinux(minor: u32, machine: &str) -> Vec<String> {
    let oldest = match machine {
        "x86_64" | "i686" => 5,
        "aarch64" | "armv7l" | "ppc64" | "ppc64le" | "s390x" | "riscv64" | "loongarch64" => 17,
        _ => return Vec::new(),
    };
    let mut found = Vec::new();
    for minor in (oldest..=minor).rev() {
        found.push(format!("manylinux_2_{minor}_{machine}"));
        found.extend(legacy(minor).map(|legacy| format!("{legacy}_{machine}")));
    }
    found
}

/// The older name of manylinux tags for some versions of glibc (PEP 513, 571, 599).
fn legacy(minor: u32) -> Option<&'static str> {
    match minor {
        5 => Some("manylinux1"),
        12 => Some("manylinux2010"),
        17 => Some("manylinux2014"),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
