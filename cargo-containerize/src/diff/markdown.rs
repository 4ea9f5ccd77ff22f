//! A diff in Markdown, as GitHub and GitLab show it: a short table, and details to unfold. All that an image says stands in
//! code spans, in which nothing has a meaning.

use std::fmt::Write as _;

use containerize_core::inspect::{Base, Changes, Diff, PlatformDiff, Sides};

use super::{Judged, words};
use crate::render::bytes;

/// A comment on GitHub may have 65,536 characters. This is in bytes, and leaves room for what a workflow adds.
const MOST: usize = 60_000;
/// Bytes that the end of an open section may take.
const END: usize = 200;
/// No more of a text of an image is shown, in characters.
const LONGEST: usize = 160;
/// No more rows are in one table.
const ROWS: usize = 50;
/// Said once where something had no room.
const CUT: &str = "\nThere is more than fits here: `--format json` has it.\n";

/// All of it, as far as there is room.
pub(super) fn page(found: &Diff, judged: Option<&Judged<'_>>) -> String {
    let Sides { from, to } = found.images.as_ref().map(|image| code(image));
    let mut page = Page { text: String::new(), is_cut: false };
    if found.same {
        let _ = writeln!(page.text, "{from} and {to} {}.", words::same(found, code));
    } else {
        let _ = writeln!(page.text, "**Image diff**: {from} → {to}");
    }
    for sentence in judged.iter().flat_map(|judged| judged.sentences(code)).take(ROWS) {
        let mark = if judged.is_some_and(|judged| judged.exceeded.is_empty()) { "" } else { "⚠️ " };
        let _ = writeln!(page.text, "\n{mark}{sentence}");
    }
    if !found.same {
        overview(&mut page, found);
        without_sbom(&mut page, found);
        for one in &found.platforms {
            if let Some(changes) = &one.changes {
                sections(&mut page, one, changes);
            }
        }
    }
    page.text + if page.is_cut { CUT } else { "" }
}

fn overview(page: &mut Page, found: &Diff) {
    let rows = found.platforms.iter().map(|one| {
        let platform = code(&one.platform.to_string());
        let Some(changes) = &one.changes else {
            return vec![platform, "the same image".into()];
        };
        let growth = &changes.growth;
        let sizes = growth.sizes;
        vec![
            platform,
            format!("{} → {}{}", bytes(sizes.from), bytes(sizes.to), words::measured(growth)),
            words::with_part(sizes),
            words::counts(changes.packages.counts),
            words::counts(changes.files.counts),
            words::counts(changes.configuration.counts),
        ]
    });
    let only = [("from", &found.only.from), ("to", &found.only.to)];
    let only = only.iter().flat_map(|(side, all)| {
        all.iter().map(move |platform| vec![code(platform), format!("only the image \"{side}\" has it")])
    });
    page.table(&["platform", "stored", "growth", "packages", "files", "configuration"], rows.chain(only));
}

/// Where packages are not compared in full, below the table that counts them.
fn without_sbom(page: &mut Page, found: &Diff) {
    let all = found.platforms.iter().filter_map(|one| {
        let side = one.changes.as_ref()?.packages.only_sbom?;
        Some(format!("\n{}: {}\n", code(&one.platform.to_string()), words::only_sbom(side)))
    });
    page.text.extend(all.take(ROWS));
}

fn sections(page: &mut Page, one: &PlatformDiff, changes: &Changes) {
    let platform = html(&one.platform.to_string());
    let Changes { growth, packages, files, configuration, .. } = changes;
    if !growth.parts.is_empty() {
        let rows = growth.parts.iter().map(|part| {
            let Sides { from, to } = part.sizes.map(bytes);
            vec![words::cause_text(&part.cause, code), from, to, words::difference(part.sizes)]
        });
        page.section(
            &format!("{platform}: growth by cause{}", words::measured(growth)),
            &["cause", "#from", "#to", "#growth"],
            rows,
        );
    }
    if !packages.list.is_empty() {
        let rows = packages.list.iter().map(|package| {
            let installed = package.installed.as_ref().map(Option::as_ref);
            let versions = installed.map(|one| one.map(|one| code(&one.version)).unwrap_or_default());
            let licences = words::licences(package).map(|licence| licence.map(code));
            let name = format!("{} ({})", code(&package.name), package.kind.word());
            vec![
                name,
                versions.from,
                versions.to,
                words::arrow(licences, "→"),
                words::difference(package.sizes()),
            ]
        });
        let summary = format!("{platform}: packages ({})", words::counts(packages.counts));
        page.section(&summary, &["package", "from", "to", "licence", "#growth"], rows);
    }
    if !files.list.is_empty() {
        let rows = files.causes.iter().map(|sum| {
            vec![words::cause_text(&sum.cause, code), words::counts(sum.counts), words::difference(sum.sizes)]
        });
        let summary = format!("{platform}: files ({})", words::counts(files.counts));
        page.section(&summary, &["of", "files", "#growth"], rows);
        let rows = files.list.iter().map(|file| {
            let why = words::aspects(file);
            let change = if why.is_empty() { words::change(file.change).to_owned() } else { why };
            vec![code(&words::front_cut(&file.path, LONGEST)), change, words::difference(file.sizes())]
        });
        page.section(
            &format!("{platform}: the largest of these files"),
            &["file", "change", "#growth"],
            rows,
        );
    }
    if !configuration.list.is_empty() {
        let rows = configuration.list.iter().map(|one| {
            let key = one
                .own_name()
                .map_or_else(|| one.key.to_owned(), |name| format!("{} {}", one.key, code(name)));
            let values = one.values.as_ref().map(|value| value.as_deref().map(code).unwrap_or_default());
            vec![key, values.from, values.to]
        });
        let summary = format!("{platform}: configuration ({})", words::counts(configuration.counts));
        page.section(&summary, &["key", "from", "to"], rows);
    }
    page.section(
        &format!("{platform}: base and layers"),
        &["", "from", "to"],
        stands_on(changes).into_iter(),
    );
}

/// The bases, and how many layers are shared.
fn stands_on(changes: &Changes) -> Vec<Vec<String>> {
    let of = |tell: fn(&Base) -> Option<&String>| {
        changes
            .base
            .bases
            .as_ref()
            .map(|base| base.as_ref().and_then(tell).map(|text| code(text)).unwrap_or_default())
    };
    let (names, digests) = (of(|base| base.name.as_ref()), of(|base| base.digest.as_ref()));
    let layers = &changes.layers;
    let count = |others: usize| format!("{} ({} shared)", layers.shared + others, layers.shared);
    let row = |name: &str, Sides { from, to }: Sides<String>| vec![name.to_owned(), from, to];
    vec![
        row("base", names),
        row("digest of the base", digests),
        row("layers", Sides { from: count(layers.removed.len()), to: count(layers.added.len()) }),
        row("to pull", Sides { from: String::new(), to: bytes(layers.to_pull) }),
    ]
}

/// What is written so far.
struct Page {
    text: String,
    is_cut: bool,
}

impl Page {
    /// Adds a table to unfold, if there is room for some of it.
    fn section(&mut self, summary: &str, columns: &[&str], rows: impl Iterator<Item = Vec<String>>) {
        let head = format!("\n<details><summary>{summary}</summary>\n");
        if self.text.len() + head.len() + END * 2 > MOST {
            self.is_cut = true;
            return;
        }
        self.text += &head;
        self.table(columns, rows);
        self.text += "\n</details>\n";
    }

    /// Adds a table, as many rows of it as there is room for. Columns of numbers begin with `#`.
    fn table(&mut self, columns: &[&str], mut rows: impl Iterator<Item = Vec<String>>) {
        let names: Vec<&str> = columns.iter().map(|name| name.trim_start_matches('#')).collect();
        let lines = columns.iter().map(|name| if name.starts_with('#') { "---:" } else { "---" });
        let _ =
            writeln!(self.text, "\n| {} |\n| {} |", names.join(" | "), lines.collect::<Vec<_>>().join(" | "));
        for cells in rows.by_ref().take(ROWS) {
            let line = format!("| {} |\n", cells.join(" | "));
            if self.text.len() + line.len() + END > MOST {
                self.is_cut = true;
                return;
            }
            self.text += &line;
        }
        self.is_cut |= rows.next().is_some();
    }
}

/// A text of an image as a code span. Two characters mean something even there: a backtick, and in a table a bar.
fn code(text: &str) -> String {
    let shown = |c: char| match c {
        '`' => '\'',
        '|' => '¦',
        c if c.is_control() => char::REPLACEMENT_CHARACTER,
        c => c,
    };
    let mut told: String = text.chars().take(LONGEST).map(shown).collect();
    if text.chars().nth(LONGEST).is_some() {
        told.push('…');
    }
    if told.trim().is_empty() { String::new() } else { format!("`{told}`") }
}

/// The same in a summary, which is HTML.
fn html(text: &str) -> String {
    let shown = |c: char| match c {
        c if c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '-') => c.to_string(),
        c => format!("&#{};", u32::from(c)),
    };
    format!("<code>{}</code>", text.chars().take(LONGEST).map(shown).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leaves_a_code_span() {
        assert_eq!(code("a`b|c\n@team <b> [x](y) \\"), "`a'b¦c\u{fffd}@team <b> [x](y) \\`");
        assert_eq!(code(" "), "", "two backticks would open a longer span");
        assert_eq!(code(&"x".repeat(1000)).chars().count(), LONGEST + 3);
        assert_eq!(html("linux/<b>@x"), "<code>linux/&#60;b&#62;&#64;x</code>");
    }

    #[test]
    fn a_page_has_an_end() {
        let mut page = Page { text: String::new(), is_cut: false };
        for at in 0..100 {
            let rows = (0..60).map(|_| vec![code(&"é".repeat(200)), "x".into()]);
            page.section(&format!("section {at}"), &["a", "#b"], rows);
        }
        let opened = page.text.matches("<details>").count();
        assert!(page.is_cut && page.text.len() <= MOST && opened > 1, "{}", page.text.len());
        assert_eq!(opened, page.text.matches("</details>\n").count(), "all are closed");
    }
}
