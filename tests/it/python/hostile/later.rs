//! Damaged or hostile changes beside sound pages: what was found out later, within the manifest and beside it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use containerize_tests::layout::sha256;
use serde_json::{Value, json};

use super::{Form, Lab, WHEELS, form};

const CHANGES: &str = "application/vnd.containerize.cache.changes.v1+json+zstd";

/// Puts changes of this text, compressed as the program does it, and their descriptor changed.
fn put(lab: &Lab, text: &[u8], change: impl Fn(&mut Value)) {
    let dictionary = lab.good[0].to_string();
    let mut encoder =
        zstd::stream::write::Encoder::with_dictionary(Vec::new(), 1, dictionary.as_bytes()).expect("zstd");
    std::io::copy(&mut &text[..], &mut encoder).expect("compressed");
    put_packed(lab, &encoder.finish().expect("compressed"), change);
}

/// The same of any bytes.
fn put_packed(lab: &Lab, packed: &[u8], change: impl Fn(&mut Value)) {
    let digest = lab.registry.put_blob("me/app", packed.to_vec());
    let mut layer = json!({"mediaType": CHANGES, "digest": digest, "size": packed.len()});
    layer["data"] = json!(BASE64.encode(packed));
    change(&mut layer);
    lab.manifest(|manifest| manifest["layers"].as_array_mut().expect("layers").push(layer.clone()));
}

fn page(entries: impl Into<Value>) -> Value {
    json!({"entries": entries.into(), "blobs": [], "layers": {}})
}

/// Changes of which the first page has these entries.
fn entries(entries: impl Into<Value>) -> Vec<u8> {
    json!({"first": page(entries), "rest": page(json!([]))}).to_string().into_bytes()
}

fn nothing(_: &mut Value) {}

/// Puts changes that are read like any other: they say that another layer is that of the wheels.
pub(super) fn sound(lab: &Lab) {
    let (wheels, other) = (lab.layer(WHEELS, &[]), lab.layer(WHEELS, &["--compression", "zstd"]));
    let all = lab.good.iter().flat_map(|page| page["entries"].as_array().expect("entries"));
    let known = all.filter(|entry| entry["value"]["digest"] == wheels["digest"]).cloned();
    let lies: Vec<Value> = known
        .map(|mut entry| {
            entry["value"] = other.clone();
            entry
        })
        .collect();
    let first = json!({"entries": lies, "blobs": [], "layers": {other["digest"].as_str().expect("a digest"): "me/app"}});
    put(lab, json!({"first": first, "rest": page(json!([]))}).to_string().as_bytes(), nothing);
}

pub(super) fn forms() -> Vec<Form> {
    let described =
        |name: &str, change: fn(&mut Value)| form(name, move |lab| put(lab, &entries(json!([])), change));
    let text = |name: &str, text: &'static str| form(name, move |lab| put(lab, text.as_bytes(), nothing));
    vec![
        described("changes with other bytes beside them", |layer| layer["data"] = json!("b3RoZXI=")),
        described("changes with bytes that are no base64", |layer| layer["data"] = json!("%%%")),
        described("changes with a number as bytes", |layer| layer["data"] = json!(7)),
        described("changes with bytes of megabytes", |layer| layer["data"] = json!("A".repeat(3 << 20))),
        described("changes that are nowhere", |layer| {
            *layer = json!({"mediaType": CHANGES, "digest": sha256(b"nowhere"), "size": 7});
        }),
        described("changes that are said to be huge", |layer| layer["size"] = json!(1_u64 << 62)),
        described("changes of a negative size", |layer| layer["size"] = json!(-1)),
        described("changes named by another hash", |layer| {
            layer["digest"] = json!(format!("sha512:{}", "a".repeat(128)));
        }),
        form("many thousand changes", |lab| {
            let layer = json!({"mediaType": CHANGES, "digest": sha256(b"nowhere"), "size": 7});
            lab.manifest(|manifest| {
                let layers = manifest["layers"].as_array_mut().expect("layers");
                layers.extend(vec![layer.clone(); 10_000]);
            });
        }),
        form("a page as changes", |lab| put(lab, lab.good[0].to_string().as_bytes(), nothing)),
        form("changes that are not compressed", |lab| put_packed(lab, &entries(json!([])), nothing)),
        form("changes that end early", |lab| {
            let whole = zstd::encode_all(&entries(json!([]))[..], 1).expect("zstd");
            put_packed(lab, &whole[..whole.len() - 3], nothing);
        }),
        form("changes that unpack to a gigabyte", |lab| {
            let bomb = zstd::encode_all(std::io::Read::take(std::io::repeat(b' '), 1 << 30), 1);
            put_packed(lab, &bomb.expect("zstd"), nothing);
        }),
        text("changes that are no JSON", "nothing"),
        text("changes that are nothing", ""),
        text("changes that are a list", "[]"),
        text("changes without pages", "{}"),
        form("changes of deep JSON", |lab| {
            let deep = format!("{}1{}", "[".repeat(1 << 20), "]".repeat(1 << 20));
            let entry = format!("{{\"table\":\"layers\",\"key\":\"{}\",\"value\":{deep}}}", sha256(b"key"));
            let empty = page(json!([]));
            let text = format!("{{\"first\":{{\"entries\":[{entry}]}},\"rest\":{empty},\"more\":{deep}}}");
            put(lab, text.as_bytes(), nothing);
        }),
        form("many entries of no table", |lab| {
            let entry = json!({"table": "no", "key": sha256(b"key"), "value": 1});
            put(lab, &entries(vec![entry; 50_000]), nothing);
        }),
        form("entries whose values mean nothing", |lab| {
            let tables = super::TABLES.iter();
            let all = tables.flat_map(|table| {
                lab.good.iter().flat_map(|page| page["entries"].as_array().expect("entries").clone()).map(
                    move |mut entry| {
                        (entry["table"], entry["value"]) = (json!(table), json!("nothing"));
                        entry
                    },
                )
            });
            put(lab, &entries(all.collect::<Vec<_>>()), nothing);
        }),
        form("layers that are nowhere, in the place of those that are known", |lab| {
            let wheels = lab.layer(WHEELS, &[]);
            let mut lies = Vec::new();
            for entry in lab.good.iter().flat_map(|page| page["entries"].as_array().expect("entries")) {
                if entry["value"]["digest"] == wheels["digest"] {
                    let mut lie = entry.clone();
                    lie["value"]["digest"] = json!(sha256(b"nowhere"));
                    lies.push(lie);
                }
            }
            assert!(!lies.is_empty());
            put(lab, &entries(lies), nothing);
        }),
        form("layers in repositories of others", |lab| {
            let layers = json!({sha256(b"nowhere"): "../../other", sha256(b"there"): "you/secret"});
            let first = json!({"entries": [], "blobs": ["{}", "x"], "layers": layers});
            put(lab, json!({"first": first, "rest": page(json!([]))}).to_string().as_bytes(), nothing);
        }),
    ]
}
