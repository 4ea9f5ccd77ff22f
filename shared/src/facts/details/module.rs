//! What a module of Python says about running.

use serde::{Deserialize, Serialize};

use super::imports::{self, Imports};
use super::opened::{self, Opened};

/// Bytes of a module that are read.
pub(super) const MAX_MODULE: u64 = 1 << 20;

/// Folders of Python's own modules have this in their path.
const LIBRARY: &str = "lib/python3";

/// Folders of packages have this in their path, `site-packages` and Debian's `dist-packages`.
pub const PACKAGES: &str = "-packages/";

/// Folders of what nobody imports in an image.
const ASIDE: [&str; 5] = ["/tests/", "/test/", "/testing/", "/examples/", "/docs/"];

/// A module that an application may import.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Module {
    /// Its beginning, where that is `#!`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub script: Option<String>,
    /// The libraries that it opens by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub opened: Vec<Opened>,
    /// What it imports.
    #[serde(flatten)]
    pub imports: Imports,
}

impl Module {
    /// About as many bytes as it takes.
    pub(super) fn size(&self) -> usize {
        let opened = self.opened.iter().map(|opened| &opened.name);
        let texts = opened
            .chain(&self.imports.statements)
            .chain(&self.imports.makes)
            .chain(&self.imports.binds)
            .chain(&self.script);
        64 + texts.map(|text| 24 + text.len()).sum::<usize>()
    }

    /// Reads the module at `path`, of which `text` is the beginning or the whole. `None` where it says nothing.
    pub(crate) fn of(path: &str, text: &str) -> Option<Self> {
        let script = text.starts_with("#!").then(|| beginning(text).to_owned());
        let opened = if path.contains(PACKAGES) { opened::opened(text) } else { Vec::new() };
        let mut found = Self { script, opened, imports: imports::imports(text) };
        // That a package does nothing of its own is of interest; that a module does not, is of none.
        let is_package = path.ends_with("/__init__.py");
        if !is_package {
            found.imports.binds.clear();
        }
        let plain = found.imports.plain;
        let bare = Self { imports: Imports { plain, ..Imports::default() }, ..Self::default() };
        (plain && is_package || found != bare).then_some(found)
    }
}

/// As much as is kept of a script.
fn beginning(text: &str) -> &str {
    let most = usize::try_from(super::MAX_SCRIPT).unwrap_or(usize::MAX);
    text.get(..text.floor_char_boundary(most)).unwrap_or(text)
}

/// Whether the file at `path` is a module that an application may import, and not one of Python's own.
pub(super) fn is_module(path: &str) -> bool {
    path.ends_with(".py")
        && (path.contains(PACKAGES) || !path.contains(LIBRARY))
        && !ASIDE.iter().any(|folder| path.contains(folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_modules_that_are_imported_count() {
        for (path, wanted) in [
            ("app/.venv/lib/python3.13/site-packages/pyzbar/zbar_library.py", true),
            ("app/.venv/lib/python3.13/site-packages/pyzbar/tests/test_zbar.py", false),
            ("usr/local/lib/python3.13/ctypes/util.py", false),
            ("usr/lib/python3/dist-packages/usb/core.py", true),
            ("app/main.py", true),
            ("app/main.txt", false),
        ] {
            assert_eq!(is_module(path), wanted, "{path}");
        }
    }

    #[test]
    fn of_a_module_that_says_nothing_nothing_is_kept() {
        assert_eq!(Module::of("app/a.py", "import os\nx = 1\n"), None);
        assert_eq!(Module::of("app/a.py", ""), None);
        let package = Module::of("app/a/__init__.py", "");
        assert!(package.is_some_and(|module| module.imports.plain), "it binds no names");
        let script =
            Module::of("app/a.py", "#!/usr/bin/env python3\nx = 1\n").and_then(|module| module.script);
        assert_eq!(script.as_deref(), Some("#!/usr/bin/env python3\nx = 1\n"));
        let text = "lib = CDLL('libzbar.so.0')";
        assert_eq!(Module::of("app/a.py", text), None, "only what others wrote is looked at");
        assert!(Module::of("app/site-packages/a.py", text).is_some_and(|module| module.opened.len() == 1));
    }
}
