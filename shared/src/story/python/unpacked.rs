//! Files that a program reads from its package, and that its build backend did not pack.

use std::collections::BTreeSet;

use crate::python::Layout;

/// Folders whose files are read when the program runs, whatever their names are.
const READ: &[&str] = &["templates", "static"];
/// So many files are named.
const MOST_NAMED: usize = 3;

/// What is to be said of a project's wheel whose `members` lack files that are in its packages in the `source`.
pub(super) fn note<'s>(
    name: &str,
    layout: &Layout,
    source: impl Iterator<Item = &'s str>,
    members: &BTreeSet<&str>,
) -> Option<String> {
    let lacks = |path: &&str| {
        let packages = layout.packages.iter();
        let installed = packages.filter_map(|package| {
            let rest = path.strip_prefix(package.path.as_str())?.strip_prefix('/')?;
            Some(format!("{}/{rest}", package.name.replace('.', "/")))
        });
        let is_read = |member: &String| member.split('/').rev().skip(1).any(|folder| READ.contains(&folder));
        let mut installed = installed.filter(is_read).peekable();
        installed.peek().is_some() && installed.all(|member| !members.contains(member.as_str()))
    };
    let missing: Vec<&str> = source.filter(|path| !path.ends_with(".py")).filter(lacks).collect();
    let mut named: Vec<&str> = missing.iter().copied().take(MOST_NAMED).collect();
    let more = format!("{} more", missing.len().saturating_sub(named.len()));
    if missing.len() > named.len() {
        named.push(&more);
    }
    (!missing.is_empty()).then(|| {
        format!(
            "the wheel of {name} lacks files that its source has: {}; have the build backend pack them, or set install = \"source\"",
            named.join(", ")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::python::PackageDir;

    fn said(source: &[&str], members: &[&str]) -> Option<String> {
        let package = |name: &str, path: &str| PackageDir {
            name: name.into(),
            path: path.into(),
            has_init: true,
            has_main: false,
            typed: false,
        };
        let packages = vec![package("web", "src/web"), package("space.admin", "space/admin")];
        let layout = Layout { packages, ..Layout::default() };
        note("web", &layout, source.iter().copied(), &members.iter().copied().collect())
    }

    #[test]
    fn files_of_packages_that_were_not_packed_are_named() {
        let source = ["src/web/templates/a.html", "src/web/templates/b/c.html", "space/admin/static/x.css"];
        let text = said(&source, &["web/templates/a.html"]).expect("two are missing");
        assert!(text.contains("has: src/web/templates/b/c.html, space/admin/static/x.css; have"), "{text}");
        let many: Vec<String> = (0..9).map(|n| format!("src/web/static/{n}.js")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert!(said(&many, &[]).expect("nine").contains("2.js, 6 more; "));
    }

    #[test]
    fn what_is_packed_or_not_read_is_not() {
        let packed = ["web/templates/a.html", "space/admin/static/x.css"];
        for source in [
            &["src/web/templates/a.html", "space/admin/static/x.css"][..],
            &["templates/a.html", "src/other/templates/a.html", "src/webb/templates/a.html"],
            &["src/web/templates/__init__.py", "src/web/README.md", "src/web/templates"],
        ] {
            assert_eq!(said(source, &packed), None, "{source:?}");
        }
    }
}
