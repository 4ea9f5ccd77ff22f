//! An inspection as one page that needs nothing from elsewhere. All that an image says is escaped, and a policy lets no
//! script run but the page's own.

use std::fmt::{self, Display};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use containerize_core::inspect::{Inspection, PlatformView};
use containerize_core::oci::{Digest, Platform};
use containerize_core::trim::Trim;

use crate::render::bytes;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");
/// No more packages are in a table: a browser must be able to hold it.
const MOST_PACKAGES: usize = 5_000;

/// All of it as HTML that is written as it is.
pub(super) fn page(found: &Inspection) -> String {
    let sections: String = found.platforms.iter().enumerate().map(|(at, view)| platform(at, view)).collect();
    let digest = found.digest.as_ref().map(Digest::to_string).unwrap_or_default();
    let header = format!(
        "<p class=\"dim\"><code>{digest}</code></p>\n{}\
         <noscript><p>The map, sorting and filters need JavaScript; all else is here.</p></noscript>\n",
        navigation(found.platforms.iter().map(|view| &view.platform))
    );
    frame(&found.image, &header, &format!("{sections}{}", attached(found)))
}

/// A page that needs nothing from elsewhere, around its own HTML.
pub(crate) fn frame(title: &str, header: &str, main: &str) -> String {
    let title = Text(title);
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src '{}'; script-src '{}'; \
         base-uri 'none'; form-action 'none'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"referrer\" content=\"no-referrer\">\n<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n\
         <header>\n<h1>{title}</h1>\n{header}</header>\n\
         <main>\n{main}</main>\n<script>{SCRIPT}</script>\n</body>\n</html>\n",
        source(STYLE),
        source(SCRIPT),
    )
}

/// What the policy calls a text that is part of the page.
fn source(text: &str) -> String {
    format!("sha256-{}", BASE64.encode(Digest::of(text.as_bytes()).as_bytes()))
}

/// Links to the sections of the platforms, if there are several.
pub(crate) fn navigation<'p>(platforms: impl ExactSizeIterator<Item = &'p Platform>) -> String {
    if platforms.len() < 2 {
        return String::new();
    }
    let items = platforms.enumerate();
    let items: String = items
        .map(|(at, platform)| format!("<li><a href=\"#p{at}\">{}</a></li>", Text(&platform.to_string())))
        .collect();
    format!("<nav aria-label=\"Platforms\"><ul>{items}</ul></nav>\n")
}

fn platform(at: usize, view: &PlatformView) -> String {
    let facts = [
        ("stored", bytes(view.stored)),
        ("unpacked", bytes(view.unpacked)),
        ("files", format!("{} ({})", view.files, bytes(view.size))),
        ("layers", view.layers.len().to_string()),
        ("packages", view.packages.len().to_string()),
        ("base", base(view)),
    ];
    let facts = facts_list(&facts);
    let data = serde_json::to_string(&view.map).unwrap_or_default();
    format!(
        "<h2 id=\"p{at}\">{}</h2>\n{facts}<section class=\"picture\" aria-label=\"Map of layers, packages and files\">\n\
         <h3>Where the bytes are</h3>\n<p class=\"dim\">Choose a region to look into it, Escape to go back.</p>\n\
         <ul class=\"key\"><li><i class=\"kb\"></i>layer of the base</li><li><i class=\"kl\"></i>layer</li>\
         <li><i class=\"kp\"></i>Python</li><li><i class=\"kd\"></i>Debian</li><li><i class=\"ka\"></i>Alpine</li>\
         <li><i class=\"ko\"></i>folder</li><li><i class=\"kf\"></i>file</li></ul>\n\
         <div class=\"crumbs\" role=\"navigation\" aria-label=\"Place in the map\"></div>\n<div class=\"map\"></div>\n\
         <script type=\"application/json\">{}</script>\n</section>\n{}",
        Text(&view.platform.to_string()),
        data.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026"),
        tables(view)
    )
}

/// Names and values side by side.
pub(crate) fn facts_list(facts: &[(&str, String)]) -> String {
    let all = facts.iter();
    let all = all.map(|(name, value)| format!("<div><dt>{name}</dt><dd>{}</dd></div>", Text(value)));
    format!("<dl>{}</dl>\n", all.collect::<String>())
}

fn base(view: &PlatformView) -> String {
    let Some(base) = &view.base else { return "unknown".to_owned() };
    let name = base.name.as_deref().unwrap_or("not named");
    let stored = base.stored.map(|stored| format!(" ({})", bytes(stored))).unwrap_or_default();
    format!("{name}{stored}")
}

fn tables(view: &PlatformView) -> String {
    let layers = view.layers.iter().map(|layer| {
        let why = layer.reason.clone().unwrap_or_default();
        vec![
            Cell::number(layer.layer as u64),
            Cell::text(&layer.made_by),
            Cell::text(why),
            Cell::size(layer.stored),
            Cell::size(layer.unpacked),
            Cell::number(layer.files),
            Cell::size(layer.unseen),
            Cell::text(layer.digest.short()),
        ]
    });
    let smaller = view.smaller.iter().map(|one| {
        vec![
            Cell::text(one.kind.words()),
            Cell::text(one.trim.map(Trim::word).unwrap_or_default()),
            Cell::size(one.size),
            Cell::size(one.own),
            Cell::number(one.files),
            Cell::text(one.examples.join(" ")),
        ]
    });
    let packages = view.packages.iter().take(MOST_PACKAGES).map(|package| {
        let layers: Vec<String> = package.layers.iter().map(usize::to_string).collect();
        vec![
            Cell::text(&package.name),
            Cell::text(&package.version),
            Cell::text(package.kind.word()),
            Cell::size(package.size),
            Cell::number(package.files),
            Cell::text(if package.only_in_sbom { "SBOM only".to_owned() } else { layers.join(", ") }),
            Cell::text(package.licence.as_deref().unwrap_or_default()),
        ]
    });
    let largest = view.largest.iter().map(|file| {
        let package = file.package.as_deref().unwrap_or_default();
        vec![
            Cell::text(&file.path),
            Cell::size(file.size),
            Cell::number(file.layer as u64),
            Cell::text(package),
        ]
    });
    let copies = view.copies.iter().map(|one| {
        vec![
            Cell::size(one.wasted),
            Cell::number(one.count as u64),
            Cell::size(one.size),
            Cell::text(one.paths.join(" ")),
        ]
    });
    let unseen = view.unseen.iter().map(|one| {
        vec![
            Cell::text(&one.path),
            Cell::size(one.size),
            Cell::number(one.layer as u64),
            Cell::number(one.by as u64),
        ]
    });
    let settings = view.configuration.iter().map(|one| {
        let origin = one.origin.map(|origin| origin.words()).unwrap_or_default();
        let name = one.name.as_deref().unwrap_or_default();
        vec![Cell::text(one.key), Cell::text(name), Cell::text(&one.value), Cell::text(origin)]
    });
    [
        table(
            "Layers",
            &["#layer", "made by", "why it is there", "#stored", "#unpacked", "#files", "#unseen", "digest"],
            layers,
        ),
        table("Possible savings", &["kind", "trim", "#size", "#not base", "#files", "for example"], smaller),
        table("Packages", &["name", "version", "of", "#size", "#files", "layers", "licence"], packages),
        table("Largest files", &["path", "#size", "#layer", "package"], largest),
        table("Files with the same content", &["#wasted", "#copies", "#size", "paths"], copies),
        table("Files that no container sees", &["path", "#size", "#in layer", "#hidden by"], unseen),
        table("Configuration", &["key", "name", "value", "from"], settings),
    ]
    .concat()
}

fn attached(found: &Inspection) -> String {
    let rows = found.attached.iter().map(|thing| {
        let platform = thing.platform.as_deref().unwrap_or("all");
        let signed = if thing.signed { "signed, by whom is not verified" } else { "unsigned" };
        vec![Cell::text(thing.kind), Cell::text(platform), Cell::text(&thing.media_type), Cell::text(signed)]
    });
    table("Attached, not verified", &["kind", "platform", "type", "signature"], rows)
}

/// A text of a page: what means something to a browser is escaped.
pub(crate) struct Text<'t>(pub(crate) &'t str);

impl Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            '&' => f.write_str("&amp;"),
            '<' => f.write_str("&lt;"),
            '>' => f.write_str("&gt;"),
            '"' => f.write_str("&quot;"),
            '\'' => f.write_str("&#39;"),
            c => fmt::Write::write_char(f, c),
        })
    }
}

/// A cell of a table: how it is shown, and for numbers what it is sorted by.
pub(crate) struct Cell {
    shown: String,
    number: Option<i128>,
}

impl Cell {
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self { shown: text.into(), number: None }
    }

    fn number(number: u64) -> Self {
        Self { shown: number.to_string(), number: Some(number.into()) }
    }

    pub(crate) fn size(size: u64) -> Self {
        Self { shown: bytes(size), number: Some(size.into()) }
    }

    /// A number that is shown as this text.
    pub(crate) fn shown_as(shown: String, number: i128) -> Self {
        Self { shown, number: Some(number) }
    }
}

impl Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = Text(&self.shown);
        match self.number {
            Some(number) => write!(f, "<td class=\"n\" data-v=\"{number}\">{shown}</td>"),
            None => write!(f, "<td class=\"t\">{shown}</td>"),
        }
    }
}

/// A table, if it has rows. Columns of numbers begin with `#`.
pub(crate) fn table(title: &str, columns: &[&str], rows: impl Iterator<Item = Vec<Cell>>) -> String {
    let rows: Vec<String> = rows
        .map(|row| format!("<tr>{}</tr>\n", row.iter().map(Cell::to_string).collect::<String>()))
        .collect();
    if rows.is_empty() {
        return String::new();
    }
    let heads: String = columns
        .iter()
        .map(|column| match column.strip_prefix('#') {
            Some(name) => format!("<th scope=\"col\" class=\"n\">{name}</th>"),
            None => format!("<th scope=\"col\">{column}</th>"),
        })
        .collect();
    let count = if rows.len() == 1 { "1 row".to_owned() } else { format!("{} rows", rows.len()) };
    format!(
        "<h3>{title}</h3>\n<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{title}\"><table>\
         <caption>{title}: {count}</caption>\n<thead><tr>{heads}</tr></thead>\n<tbody>\n{}</tbody></table></div>\n",
        rows.concat()
    )
}
