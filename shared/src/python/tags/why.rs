//! Why no wheel fits, in words for people.

use std::collections::BTreeSet;

use super::{Tags, legacy};
use crate::python::{DistFile, Libc, WheelName};

/// As many names as a sentence bears.
const SHOWN: usize = 6;

/// What a platform tag asks for.
#[derive(Debug, PartialEq, Eq)]
enum Wants<'a> {
    Glibc { minor: u32, machine: &'a str },
    Musl { version: (u32, u32), machine: &'a str },
    Linux { machine: &'a str },
    Anything,
    Other(&'a str),
}

impl Tags {
    /// Why [`Self::best`] finds nothing among these files, as the end of a sentence: `they need
    /// glibc 2.39, and the base has glibc 2.36`.
    pub fn why_not(&self, files: &[DistFile]) -> String {
        let wheels: Vec<WheelName> =
            files.iter().filter_map(|file| WheelName::parse(&file.filename).ok()).collect();
        if wheels.is_empty() {
            let other = if files.is_empty() { "no files" } else { "no wheels" };
            return format!("there are {other}");
        }
        let for_python: Vec<&WheelName> = wheels.iter().filter(|wheel| self.takes_python(wheel)).collect();
        if !for_python.is_empty() {
            return self.why_not_platform(&for_python);
        }
        let for_platform: Vec<&WheelName> =
            wheels.iter().filter(|wheel| self.takes_platform(wheel)).collect();
        if for_platform.is_empty() {
            return self.why_not_python(&wheels.iter().collect::<Vec<_>>());
        }
        self.why_not_python(&for_platform)
    }

    fn takes_python(&self, wheel: &WheelName) -> bool {
        self.native.iter().any(|(python, abi)| wheel.pythons.contains(python) && wheel.abis.contains(abi))
    }

    fn takes_platform(&self, wheel: &WheelName) -> bool {
        wheel.platforms.iter().any(|platform| platform == "any" || self.ranks.contains_key(platform))
    }

    fn why_not_python(&self, wheels: &[&WheelName]) -> String {
        let mut pythons: Vec<(&str, Vec<u32>, String)> = Vec::new();
        for wheel in wheels {
            let free_threaded = wheel.abis.iter().all(|abi| abi.starts_with("cp") && abi.ends_with('t'));
            let later = wheel.abis.iter().any(|abi| abi == "abi3");
            pythons.extend(wheel.pythons.iter().filter_map(|tag| python(tag, free_threaded, later)));
        }
        pythons.sort();
        pythons.dedup();
        let names: Vec<String> = pythons.into_iter().map(|(_, _, name)| name).collect();
        format!("they are built for {}, but the base has CPython {}", listed(&names), self.version.short())
    }

    fn why_not_platform(&self, wheels: &[&WheelName]) -> String {
        let wants: Vec<Wants<'_>> =
            wheels.iter().flat_map(|wheel| &wheel.platforms).map(|platform| wants(platform)).collect();
        let here = self.machine.as_str();
        let glibc = wants.iter().filter_map(|want| match want {
            Wants::Glibc { minor, machine } if *machine == here => Some(*minor),
            _ => None,
        });
        let musl = wants.iter().filter_map(|want| match want {
            Wants::Musl { version, machine } if *machine == here => Some(*version),
            _ => None,
        });
        let (glibc, musl) = (glibc.min(), musl.min());
        let base = format!("the base has {}", self.libc);
        match (self.libc, glibc, musl) {
            (Libc::Glibc { .. }, Some(minor), _) => return format!("they need glibc 2.{minor}, but {base}"),
            (Libc::Musl { .. }, _, Some((major, minor))) => {
                return format!("they need musl {major}.{minor}, but {base}");
            }
            (Libc::Glibc { .. }, None, Some(_)) => return format!("they are built for musl, but {base}"),
            (Libc::Musl { .. }, Some(_), None) => return format!("they are built for glibc, but {base}"),
            (_, None, None) => {}
        }
        let machines: BTreeSet<String> = wants.iter().filter_map(Wants::linux_machine).collect();
        if !machines.is_empty() {
            let machines: Vec<String> = machines.into_iter().collect();
            return format!("on Linux they are built for {}, but the base is for {here}", listed(&machines));
        }
        let systems: BTreeSet<String> = wants.iter().filter_map(Wants::system).collect();
        format!("they are only for {}", listed(&systems.into_iter().collect::<Vec<_>>()))
    }
}

impl Wants<'_> {
    fn linux_machine(&self) -> Option<String> {
        match self {
            Self::Glibc { machine, .. } | Self::Musl { machine, .. } | Self::Linux { machine } => {
                Some((*machine).to_owned())
            }
            Self::Anything | Self::Other(_) => None,
        }
    }

    fn system(&self) -> Option<String> {
        const SYSTEMS: [(&str, &str); 6] = [
            ("macosx_", "macOS"),
            ("win", "Windows"),
            ("ios_", "iOS"),
            ("android_", "Android"),
            ("pyodide_", "Pyodide"),
            ("emscripten_", "Emscripten"),
        ];
        let Self::Other(tag) = self else { return None };
        let known = SYSTEMS.iter().find(|(start, _)| tag.starts_with(start));
        Some(known.map_or_else(|| tag.chars().take(60).collect(), |(_, name)| (*name).to_owned()))
    }
}

/// What a platform tag asks for.
fn wants(tag: &str) -> Wants<'_> {
    let versioned = |rest| {
        let mut parts = str::splitn(rest, 3, '_');
        let version = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        Some((version, parts.next()?))
    };
    if tag == "any" {
        return Wants::Anything;
    }
    if let Some(((2, minor), machine)) = tag.strip_prefix("manylinux_").and_then(versioned) {
        return Wants::Glibc { minor, machine };
    }
    if let Some((version, machine)) = tag.strip_prefix("musllinux_").and_then(versioned) {
        return Wants::Musl { version, machine };
    }
    if let Some((name, machine)) = tag.split_once('_')
        && let Some(minor) = [5, 12, 17].into_iter().find(|minor| legacy(*minor) == Some(name))
    {
        return Wants::Glibc { minor, machine };
    }
    match tag.strip_prefix("linux_") {
        Some(machine) => Wants::Linux { machine },
        None => Wants::Other(tag),
    }
}

/// A tag of an interpreter as kind, numbers and words, which sort as people count.
fn python(tag: &str, free_threaded: bool, later: bool) -> Option<(&str, Vec<u32>, String)> {
    let (kind, digits) = tag.split_at(tag.find(|c: char| c.is_ascii_digit())?);
    let (major, minor) = digits.split_at_checked(1)?;
    let name = match kind {
        "cp" if free_threaded => "free-threaded CPython",
        "cp" => "CPython",
        "pp" => "PyPy",
        "py" => "Python",
        other => other,
    };
    let numbers = [major, minor].iter().filter_map(|number| number.parse().ok()).collect();
    let dot = if minor.is_empty() { "" } else { "." };
    let later = if later { " or later" } else { "" };
    Some((name_order(name, kind), numbers, format!("{name} {major}{dot}{minor}{later}")))
}

/// Free-threaded ones come after the others of the kind.
fn name_order<'a>(name: &str, kind: &'a str) -> &'a str {
    if name.starts_with("free") { "cpt" } else { kind }
}

/// `a, b and c`; of many, the last ones, which are the newest.
fn listed(names: &[String]) -> String {
    let skipped = names.len().saturating_sub(SHOWN);
    let shown = names.get(skipped..).unwrap_or_default();
    let more = if skipped == 0 { "" } else { "others, " };
    match shown.split_last() {
        None => "nothing known".into(),
        Some((only, [])) => format!("{more}{only}"),
        Some((last, before)) => format!("{more}{} and {last}", before.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::python::tags::tests::{files, tags};

    fn why(names: &[&str]) -> String {
        let tags = tags("3.13", Libc::Glibc { major: 2, minor: 36 }, "linux/amd64");
        let files = files(names);
        assert!(tags.best(&files).is_none(), "one of them fits");
        tags.why_not(&files)
    }

    #[test]
    fn the_base_may_be_too_old() {
        let found = why(&[
            "a-1-cp313-cp313-manylinux_2_39_x86_64.whl",
            "a-1-cp313-cp313-manylinux_2_41_x86_64.whl",
            "a-1-cp312-cp312-manylinux_2_17_x86_64.whl",
            "a-1-cp313-cp313-win_amd64.whl",
        ]);
        assert_eq!(found, "they need glibc 2.39, but the base has glibc 2.36");
    }

    #[test]
    fn the_interpreter_may_be_another() {
        let names = ["cp39-cp39", "cp310-cp310", "cp314-abi3", "pp310-pypy310_pp73", "cp313-cp313t"];
        let names = names.map(|tag| format!("a-1-{tag}-manylinux2014_x86_64.whl"));
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        assert_eq!(
            why(&names),
            "they are built for CPython 3.9, CPython 3.10, CPython 3.14 or later, free-threaded CPython 3.13 \
             and PyPy 3.10, but the base has CPython 3.13"
        );
        assert_eq!(
            why(&["a-1-py2-none-any.whl"]),
            "they are built for Python 2, but the base has CPython 3.13"
        );
    }

    #[test]
    fn the_platform_may_be_another() {
        assert_eq!(
            why(&["a-1-cp313-cp313-musllinux_1_2_x86_64.whl", "a-1-cp313-cp313-manylinux_2_17_aarch64.whl"]),
            "they are built for musl, but the base has glibc 2.36"
        );
        assert_eq!(
            why(&["a-1-cp313-cp313-manylinux2014_s390x.whl", "a-1-cp313-cp313-linux_armv7l.whl"]),
            "on Linux they are built for armv7l and s390x, but the base is for x86_64"
        );
        assert_eq!(
            why(&[
                "a-1-py3-none-win_amd64.whl",
                "a-1-py3-none-macosx_11_0_arm64.whl",
                "a-1-py3-none-win32.whl"
            ]),
            "they are only for Windows and macOS"
        );
    }

    #[test]
    fn a_musl_base_has_reasons_of_its_own() {
        let tags = tags("3.13", Libc::Musl { major: 1, minor: 1 }, "linux/arm64");
        let why = |name: &str| tags.why_not(&files(&[name]));
        assert_eq!(
            why("a-1-cp313-cp313-manylinux_2_17_aarch64.manylinux2014_aarch64.whl"),
            "they are built for glibc, but the base has musl 1.1"
        );
        assert_eq!(
            why("a-1-cp313-cp313-musllinux_1_2_aarch64.whl"),
            "they need musl 1.2, but the base has musl 1.1"
        );
    }

    #[test]
    fn there_may_be_no_wheel_at_all() {
        assert_eq!(why(&[]), "there are no files");
        assert_eq!(why(&["a-1.tar.gz"]), "there are no wheels");
    }
}
