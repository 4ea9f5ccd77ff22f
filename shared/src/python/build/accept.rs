//! Whether a wheel that was built on this machine runs in an image.

use serde::{Deserialize, Serialize};

use super::examine::Code;
use crate::error::{Error, Result};
use crate::oci::Digest;
use crate::python::marker::machine;
use crate::python::{Interpreter, LeftOut, Libc, Tags, WheelName};
use crate::words;
use crate::words::flag;

/// What is remembered of a wheel that was built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) filename: String,
    /// Of the file in the store.
    pub(super) digest: Digest,
    pub(super) size: u64,
    /// What its libraries need.
    pub(super) code: Code,
    /// What of it must stay out of images.
    pub(super) left_out: Vec<LeftOut>,
}

impl Record {
    /// Whether it is the same for all interpreters and machines.
    pub(super) fn is_universal(&self) -> bool {
        let any = |wheel: WheelName| {
            wheel.platforms == ["any"]
                && wheel.abis == ["none"]
                && wheel.pythons.iter().any(|python| python == "py3")
        };
        WheelName::parse(&self.filename).is_ok_and(any) && self.code.machines.is_empty()
    }

    /// Whether it runs with `target`; the error names what does not fit.
    pub(super) fn check(&self, target: &Interpreter) -> Result<()> {
        let wheel = WheelName::parse(&self.filename)?;
        let machine = machine(&target.platform);
        if let Some(other) = foreign(&wheel, &self.code, &machine) {
            return Err(Error::build(format!(
                "{} was built for {other}, but the image is {}",
                self.filename, target.platform
            ))
            .hint(words!("add a wheel of {} for {machine} to your package index, build on such a machine, or leave it out with {platform}",
                wheel.name, platform = flag("platform"))));
        }
        if Tags::of(target).rank(&wheel).is_none() {
            let short = target.version.short();
            return Err(Error::build(format!(
                "{} was built for {}, but the image has Python {short}",
                self.filename,
                wheel.pythons.join(", ")
            ))
            .hint(format!("install Python {short} on this machine (uv python install {short})")));
        }
        self.check_libc(&wheel, &machine, target.libc)
    }

    fn check_libc(&self, wheel: &WheelName, machine: &str, libc: Libc) -> Result<()> {
        let needs = self.code.needs.iter().filter(|need| need.machine == machine);
        for need in needs {
            let needed = match (need.glibc, libc) {
                (Some(_), Libc::Musl { .. }) => "glibc".to_owned(),
                (None, Libc::Glibc { .. }) if need.musl => "musl".to_owned(),
                (Some((major, minor)), Libc::Glibc { major: has, minor: has_minor })
                    if (major, minor) > (has, has_minor) =>
                {
                    format!("glibc {major}.{minor}")
                }
                _ => continue,
            };
            return Err(Error::build(format!(
                "{} was built on this machine and needs {needed}, but the base has {libc}",
                wheel.name
            ))
            .hint(format!("use a base with {needed}, or build on a system with {libc}")));
        }
        Ok(())
    }
}

/// What the wheel is for, if not for `machine`.
fn foreign(wheel: &WheelName, code: &Code, machine: &str) -> Option<String> {
    let is_pure = wheel.platforms.iter().any(|platform| platform == "any");
    let ours = |platform: &String| is_linux(platform) && platform.ends_with(&format!("_{machine}"));
    if !is_pure && !wheel.platforms.iter().any(ours) {
        let words =
            wheel.platforms.iter().map(|platform| platform.strip_prefix("linux_").unwrap_or(platform));
        return Some(words.collect::<Vec<_>>().join(", "));
    }
    // A wheel for any machine may carry libraries of several.
    let has_other = !code.machines.is_empty() && !code.machines.contains(machine);
    has_other.then(|| code.machines.iter().cloned().collect::<Vec<_>>().join(", "))
}

fn is_linux(platform: &str) -> bool {
    ["linux", "manylinux", "musllinux"].iter().any(|family| platform.starts_with(family))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::python::build::examine::Need;

    /// Machine, glibc, musl.
    type Needs<'a> = (&'a str, Option<(u32, u32)>, bool);

    fn record(filename: &str, needs: &[Needs<'_>]) -> Record {
        let need = |&(machine, glibc, musl): &Needs<'_>| Need { machine: machine.into(), glibc, musl };
        let needs: Vec<Need> = needs.iter().map(need).collect();
        let machines = needs.iter().map(|need| need.machine.clone()).collect();
        let code = Code { machines, needs };
        Record { filename: filename.into(), digest: Digest::of(b""), size: 0, code, left_out: Vec::new() }
    }

    fn target(platform: &str, libc: Libc) -> Interpreter {
        Interpreter {
            path: "/usr/local/bin/python3.13".into(),
            version: "3.13.2".parse().expect("version"),
            libc,
            platform: platform.parse().expect("platform"),
        }
    }

    const GLIBC: Libc = Libc::Glibc { major: 2, minor: 36 };
    const MUSL: Libc = Libc::Musl { major: 1, minor: 2 };

    fn refusal(record: &Record, platform: &str, libc: Libc) -> Option<String> {
        record.check(&target(platform, libc)).err().map(|error| error.to_string())
    }

    #[test]
    fn pure_wheels_run_everywhere() {
        let pure = record("a-1-py3-none-any.whl", &[]);
        assert!(pure.is_universal());
        for (platform, libc) in [("linux/amd64", GLIBC), ("linux/arm64", MUSL)] {
            assert_eq!(refusal(&pure, platform, libc), None);
        }
        assert!(record("a-1-py2.py3-none-any.whl", &[]).is_universal());
        assert!(!record("a-1-cp313-none-any.whl", &[]).is_universal());
    }

    #[test]
    fn code_for_another_machine_is_refused_by_name() {
        let native = record("a-1-cp313-cp313-linux_x86_64.whl", &[("x86_64", Some((2, 17)), false)]);
        assert!(!native.is_universal());
        assert_eq!(refusal(&native, "linux/amd64", GLIBC), None);
        let words = "a-1-cp313-cp313-linux_x86_64.whl was built for x86_64, but the image is linux/arm64";
        assert_eq!(refusal(&native, "linux/arm64", GLIBC).as_deref(), Some(words));
        let mac = record("a-1-cp313-cp313-macosx_14_0_arm64.whl", &[]);
        let words = refusal(&mac, "linux/arm64", GLIBC).expect("refused");
        assert!(words.contains("was built for macosx_14_0_arm64"), "{words}");
    }

    #[test]
    fn a_wheel_that_claims_to_be_pure_is_looked_into() {
        let liar = record("a-1-py3-none-any.whl", &[("x86_64", Some((2, 17)), false)]);
        assert!(!liar.is_universal());
        assert_eq!(refusal(&liar, "linux/amd64", GLIBC), None);
        assert!(refusal(&liar, "linux/arm64", GLIBC).is_some_and(|words| words.contains("built for x86_64")));
        let both = record("a-1-py3-none-any.whl", &[("aarch64", None, false), ("x86_64", None, false)]);
        assert_eq!(refusal(&both, "linux/arm64", GLIBC), None);
    }

    #[test]
    fn another_python_is_refused_but_its_stable_interface_is_not() {
        let older = record("a-1-cp311-cp311-linux_x86_64.whl", &[]);
        let error = older.check(&target("linux/amd64", GLIBC)).expect_err("refused");
        let words = "a-1-cp311-cp311-linux_x86_64.whl was built for cp311, but the image has Python 3.13";
        assert_eq!(error.to_string(), words);
        assert!(error.hint_text().is_some_and(|hint| hint.contains("uv python install 3.13")));
        let stable = record("a-1-cp39-abi3-linux_x86_64.whl", &[]);
        assert_eq!(refusal(&stable, "linux/amd64", GLIBC), None);
    }

    #[test]
    fn a_newer_or_other_c_library_is_refused() {
        let with = |glibc, musl| record("a-1-cp313-cp313-linux_x86_64.whl", &[("x86_64", glibc, musl)]);
        let said = refusal(&with(Some((2, 38)), false), "linux/amd64", GLIBC);
        let words = "a was built on this machine and needs glibc 2.38, but the base has glibc 2.36";
        assert_eq!(said.as_deref(), Some(words));
        assert_eq!(refusal(&with(Some((2, 36)), false), "linux/amd64", GLIBC), None);
        assert_eq!(refusal(&with(None, false), "linux/amd64", MUSL), None, "it needs no C library");
        let said = refusal(&with(Some((2, 17)), false), "linux/amd64", MUSL).expect("refused");
        assert!(said.ends_with("needs glibc, but the base has musl 1.2"), "{said}");
        let said = refusal(&with(None, true), "linux/amd64", GLIBC).expect("refused");
        assert!(said.ends_with("needs musl, but the base has glibc 2.36"), "{said}");
    }
}
