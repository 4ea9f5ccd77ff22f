//! What is damaged, or no cache at all.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use containerize_tests::layout::sha256;
use containerize_tests::registry::{Fault, Phase};
use serde_json::{Value, json};

use super::{Form, Lab, TABLES, form};
use crate::python::remote::{MANIFEST, packed};

const KIND: &str = "application/vnd.containerize.cache.v1";
const PAGE: &str = "application/vnd.containerize.cache.page.v1+json+zstd";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// Tables that mean something on one machine alone, or that no version has.
const OTHERS: [&str; 10] = [
    "pushed-to",
    "kept-in",
    "homes",
    "tags",
    "wheels-5",
    "native-choices",
    "bundles-v1",
    "python-files",
    "facts-v2",
    "../facts-v3",
];

/// Under the tag is something else than the manifest of a cache, or one that lies about its pages.
pub(super) fn manifests() -> Vec<Form> {
    let page = |change: fn(&mut Value)| move |lab: &Lab| lab.manifest(|m| change(&mut m["layers"][0]));
    vec![
        form("an index in the place of the manifest", |lab| {
            let entry = json!({"mediaType": MANIFEST, "digest": sha256(b"nowhere"), "size": 7});
            let index =
                json!({"schemaVersion": 2, "mediaType": INDEX, "artifactType": KIND, "manifests": [entry]});
            lab.raw(INDEX, index.to_string());
        }),
        form("a manifest that calls itself an index", |lab| lab.manifest(|m| m["mediaType"] = json!(INDEX))),
        form("the image in the place of the cache", |lab| {
            let (kind, image) = lab.registry.manifest("me/app", "1").expect("the image");
            lab.raw(&kind, image);
        }),
        form("no JSON as manifest", |lab| lab.raw(MANIFEST, "nothing")),
        form("an empty manifest", |lab| lab.raw(MANIFEST, "")),
        form("a manifest that is no UTF-8", |lab| {
            lab.raw(MANIFEST, [b"{\"schemaVersion\":2,\"".as_slice(), &[0xff, 0xfe], b"\":1}"].concat())
        }),
        form("a manifest of deep JSON", |lab| lab.raw(MANIFEST, "[".repeat(1 << 20))),
        form("a manifest larger than any", |lab| {
            lab.manifest(|m| m["annotations"] = json!({"x": "y".repeat(5 << 20)}));
        }),
        form("huge annotations", |lab| {
            let many: BTreeMap<String, String> =
                (0..40_000).map(|n| (format!("a{n}"), "x".repeat(60))).collect();
            lab.manifest(|m| m["annotations"] = json!(many));
        }),
        form("many thousand pages", |lab| {
            lab.manifest(|m| {
                let page = json!({"mediaType": PAGE, "digest": sha256(b"nowhere"), "size": 7});
                m["layers"] = json!(vec![page; 20_000]);
            });
        }),
        form("no pages", |lab| lab.pages(&[])),
        form("no second page", |lab| lab.pages(&[packed(&lab.good[0])])),
        form("the pages exchanged", |lab| lab.pages(&[packed(&lab.good[1]), packed(&lab.good[0])])),
        form("the same page twice", |lab| lab.pages(&[packed(&lab.good[0]), packed(&lab.good[0])])),
        form("pages of another type", |lab| {
            lab.manifest(|m| {
                for page in m["layers"].as_array_mut().expect("layers") {
                    page["mediaType"] = json!("application/octet-stream");
                }
            });
        }),
        form("a layer of the image as a page", |lab| {
            let (_, image) = lab.registry.manifest("me/app", "1").expect("the image");
            let image: Value = serde_json::from_slice(&image).expect("JSON");
            lab.manifest(|m| {
                m["layers"][0] = image["layers"][0].clone();
                m["layers"][0]["mediaType"] = json!(PAGE);
            });
        }),
        form("a page that is not there", page(|page| page["digest"] = json!(sha256(b"nowhere")))),
        form("a page that is said to be smaller", page(|page| page["size"] = json!(10))),
        form("a page that is said to be larger", page(|page| page["size"] = json!(1 << 20))),
        form("a page that is said to be huge", page(|page| page["size"] = json!(1_u64 << 62))),
        form("a page of a negative size", page(|page| page["size"] = json!(-1))),
        form("a page of a broken size", page(|page| page["size"] = json!(1e300))),
        form(
            "a page named by another hash",
            page(|page| page["digest"] = json!(format!("sha512:{}", "a".repeat(128)))),
        ),
        form(
            "a page named in capital letters",
            page(|page| {
                page["digest"] =
                    json!(page["digest"].as_str().expect("a digest").to_uppercase().replace("SHA", "sha"));
            }),
        ),
        form("a page with other addresses", page(|page| page["urls"] = json!(["http://127.0.0.1:9/page"]))),
        form("a page that comes with other bytes", |lab| {
            lab.manifest(|_| ());
            lab.registry.inject(Fault::WrongBytes.on(Phase::GetBlob));
        }),
        form("a manifest that comes with other bytes", |lab| {
            lab.manifest(|_| ());
            lab.registry.inject(Fault::WrongBytes.on(Phase::GetManifest));
        }),
    ]
}

/// Pages that are no pages.
pub(super) fn encodings() -> Vec<Form> {
    let entry = |value: &str| {
        format!(r#"{{"table":"facts-v3","key":"{}","value":{value}}}"#, sha256(value.as_bytes()))
    };
    let one = move |value: &str| format!(r#"{{"entries":[{}]}}"#, entry(value));
    vec![
        form("an empty page", |lab| lab.pages(&[vec![]])),
        form("a page without compression", |lab| lab.pages(&[b"{\"entries\":[]}".to_vec()])),
        form("a page that ends early", |lab| lab.pages(&[packed(&lab.good[0])[..100].to_vec()])),
        form("a page with something behind it", |lab| {
            lab.pages(&[[packed(&lab.good[0]), b"more".to_vec()].concat(), packed(&lab.good[1])]);
        }),
        form("two pages in one", |lab| lab.pages(&[[packed(&lab.good[0]), packed(&lab.good[1])].concat()])),
        form("a bomb", |lab| lab.text(vec![b' '; 300 << 20])),
        form("a bomb of frames", |lab| {
            let frame = zstd::encode_all(&vec![b' '; 8 << 20][..], 3).expect("zstd");
            lab.pages(&[frame.repeat(200)]);
        }),
        form("a window of two gibibytes", |lab| {
            // Magic, no checksum and no size, window exponent 31, one raw block.
            lab.pages(&[[&[0x28, 0xb5, 0x2f, 0xfd, 0x00, 21 << 3][..], &[0x11, 0, 0, b'{', b'}']].concat()]);
        }),
        form("frames to skip only", |lab| {
            lab.pages(&[[&[0x50, 0x2a, 0x4d, 0x18][..], &4_u32.to_le_bytes(), b"skip"].concat()]);
        }),
        form("a text in the place of the page", |lab| lab.text("\"x\"")),
        form("nothing in the place of the page", |lab| lab.text("null")),
        form("an object without anything", |lab| lab.text("{}")),
        form("entries that are no list", |lab| lab.text(r#"{"entries":{"table":"facts-v3"}}"#)),
        form("deep JSON", |lab| lab.text("[".repeat(10 << 20))),
        form("deep JSON in an unknown field", |lab| {
            lab.text(format!(r#"{{"entries":[],"more":{}"#, "[".repeat(10 << 20)))
        }),
        form("deep JSON as a value", move |lab| {
            let deep = [r#"{"x":"#.repeat(1 << 20), "1".to_owned(), "}".repeat(1 << 20)].concat();
            lab.text(one(&deep));
        }),
        form("no UTF-8 in a page", |lab| {
            lab.text([b"{\"entries\":[],\"blobs\":[\"", &[0xc3, 0x28][..], b"\"]}"].concat())
        }),
        form("half of a surrogate", move |lab| lab.text(one(r#""\ud800""#))),
        form("numbers that are none", move |lab| lab.text(one("-NaN"))),
        form("the same field twice", |lab| lab.text(r#"{"entries":[],"entries":[]}"#)),
        form("the same key with two values", |lab| {
            let mut pages = lab.good.clone();
            for page in &mut pages {
                let entries = page["entries"].as_array_mut().expect("entries");
                let mut twins = entries.clone();
                twins.iter_mut().for_each(|twin| twin["value"] = json!("twin"));
                entries.extend(twins);
            }
            lab.pages(&pages.iter().map(packed).collect::<Vec<_>>());
        }),
        form("a million entries", |lab| {
            let mut text = String::from(r#"{"entries":["#);
            for n in 0..1_000_000_u32 {
                let comma = if n == 0 { "" } else { "," };
                let _ = write!(text, r#"{comma}{{"table":"layers","key":"sha256:{n:064x}","value":{n}}}"#);
            }
            lab.text(text + "]}");
        }),
        form("as many entries as a page can have", |lab| {
            let mut text = String::from(r#"{"entries":["#);
            for n in 0..590_000_u32 {
                let comma = if n == 0 { "" } else { "," };
                let _ = write!(text, r#"{comma}{{"table":"layers","key":"sha256:{n:064x}","value":1}}"#);
            }
            lab.text(text + "]}");
        }),
        form("twenty million blobs", |lab| {
            lab.text(format!(r#"{{"entries":[],"blobs":[{}""]}}"#, r#""","#.repeat(20_000_000)));
        }),
        form("one blob of sixty megabytes", |lab| {
            lab.text(format!(r#"{{"entries":[],"blobs":["{}"]}}"#, "x".repeat(60_000_000)));
        }),
        form("half a million layers", |lab| {
            let mut text = String::from(r#"{"entries":[],"layers":{"#);
            for n in 0..500_000_u32 {
                let comma = if n == 0 { "" } else { "," };
                let _ = write!(text, r#"{comma}"sha256:{n:064x}":"me/app""#);
            }
            lab.text(text + "}}");
        }),
        form("a negative age", |lab| lab.changed(|entry| entry["age"] = json!(-1))),
        form("an age beyond all", |lab| lab.changed(|entry| entry["age"] = json!(4000))),
    ]
}

/// Pages whose entries say what they do not know.
pub(super) fn entries() -> Vec<Form> {
    let key = |change: fn(&str) -> String| {
        move |lab: &Lab| {
            lab.changed(|entry| entry["key"] = json!(change(entry["key"].as_str().expect("a key"))));
        }
    };
    let mut forms = vec![
        form("keys in capital letters", key(|key| key.to_uppercase().replace("SHA", "sha"))),
        form("keys that are too short", key(|key| key[..40].to_owned())),
        form("keys of another hash", key(|key| key.replace("sha256", "sha512"))),
        form("keys that are paths", key(|_| "../../../etc/passwd".to_owned())),
        form("keys of others", key(|_| sha256(b"nowhere"))),
        form("tables exchanged", |lab| {
            lab.changed(|entry| {
                let at = TABLES.iter().position(|table| entry["table"] == *table).expect("a table");
                entry["table"] = json!(TABLES[(at + 1) % TABLES.len()]);
            });
        }),
    ];
    for table in OTHERS {
        forms.push(form(format!("all entries in the table {table}"), move |lab| {
            lab.changed(|entry| entry["table"] = json!(table));
        }));
    }
    let wrong = [
        ("a text", json!("\u{0}")),
        ("a list", json!([[-1, "x", {}]])),
        ("an object", json!({"size": -1, "digest": 7, "facts": "x"})),
    ];
    for (table, (name, value)) in
        TABLES.iter().flat_map(|table| wrong.iter().map(move |wrong| (table, wrong.clone())))
    {
        forms.push(form(format!("{name} as values of {table}"), move |lab| {
            let debian = json!({"table": table, "key": sha256(b"package"), "value": value});
            let mut pages = lab.good.clone();
            for entry in pages.iter_mut().flat_map(|page| page["entries"].as_array_mut().expect("entries")) {
                if entry["table"] == *table {
                    entry["value"] = value.clone();
                }
            }
            pages[0]["entries"].as_array_mut().expect("entries").push(debian);
            lab.pages(&pages.iter().map(packed).collect::<Vec<_>>());
        }));
    }
    for home in [
        "../../etc",
        "",
        "me/other",
        "ME/APP",
        "me/app:1",
        "me/app?x=y",
        "evil.example/me/app",
        "me//app",
        "@",
        "\u{0}",
    ] {
        forms.push(form(format!("layers in the repository {home:?}"), move |lab| lab.homes(home)));
    }
    forms.push(form("layers that are not there", |lab| {
        let nowhere = sha256(b"nowhere");
        let mut pages = lab.good.clone();
        pages[0]["layers"][&nowhere] = json!("me/app");
        for entry in pages.iter_mut().flat_map(|page| page["entries"].as_array_mut().expect("entries")) {
            if entry["value"]["digest"].is_string() {
                entry["value"]["digest"] = json!(nowhere);
            }
        }
        lab.pages(&pages.iter().map(packed).collect::<Vec<_>>());
    }));
    forms
}
