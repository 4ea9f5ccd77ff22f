//! Caches that are sound and lie.

use containerize_tests::layout::sha256;
use serde_json::{Value, json};

use super::{Form, Lab, WHEELS, form};

/// A field of the values of a table is changed.
fn field(table: &'static str, name: &'static str, value: Value) -> impl Fn(&Lab) {
    move |lab| {
        lab.changed(|entry| {
            if entry["table"] == table {
                entry["value"][name] = value.clone();
            }
        });
    }
}

/// Pages that are sound and lie, in ways that show: the build is made once more without them.
pub(super) fn lies() -> Vec<Form> {
    let mut forms = Vec::new();
    for table in ["layers", "keyed-layers", "facts-v3", "details-v6"] {
        for size in [0, 1_u64 << 60] {
            let name = format!("{table} of the size {size}");
            forms.push(form(name, field(table, "size", json!(size))));
        }
    }
    for table in ["keyed-layers", "facts-v3"] {
        let name = format!("{table} of another content");
        forms.push(form(name, field(table, "diff_id", json!(sha256(b"nowhere")))));
    }
    forms.extend([
        form("wheels whose size lies", |lab| {
            lab.changed(|entry| {
                if entry["table"] == "wheel-sizes" {
                    entry["value"] = json!(1_u64 << 60);
                }
            });
        }),
        form("the papers of another wheel", field("papers-v1", "metadata", json!("Metadata-Version: 2.1\nName: evil\nVersion: 9\n"))),
        form("a verdict that finds an error", |lab| {
            let finding = json!({"severity": "error", "kind": "missing-program", "path": "/x", "message": "it is broken"});
            lab.changed(|entry| {
                if entry["table"] == "verdicts" {
                    entry["value"]["findings"] = json!([finding]);
                }
            });
        }),
        form("bills of another image", |lab| {
            lab.changed(|entry| {
                if entry["table"] == "bills-v1" {
                    entry["value"][0]["subject"] = json!(sha256(b"nowhere"));
                }
            });
        }),
        form("a layer of another platform", |lab| lab.foreign(&lab.layer(0, &["--platform", "linux/arm64"]))),
        form("a layer of another image", |lab| lab.foreign(&lab.layer(3, &["--user", "7:7"]))),
        form("files above the root", |lab| {
            lab.changed(|entry| {
                if entry["table"] == "facts-v3" {
                    let file = json!(["../../etc/cron.d/x", {"gid": 0, "kind": "File", "mode": 493, "uid": 0}]);
                    entry["value"]["facts"]["entries"].as_array_mut().expect("entries").push(file);
                }
            });
        }),
    ]);
    forms
}

/// Lets a layer be made of what else is said.
fn forget_layer(entry: &mut Value) {
    if entry["table"] == "layers" || entry["table"] == "keyed-layers" {
        entry["key"] = json!(sha256(b"nowhere"));
    }
}

/// Pages that are sound and lie, so that nobody can tell without making everything again.
pub(super) fn deceptions() -> Vec<Form> {
    vec![
        form("a user with another shell", |lab| {
            let evil = json!({"mode": "0644", "owner": "0:0", "text": "root::0:0::/:/bin/sh\n"});
            lab.changed(|entry| {
                if entry["table"] == "users-v1" {
                    entry["value"]["passwd"] = evil.clone();
                }
                forget_layer(entry);
            });
        }),
        form("no user needed", |lab| {
            lab.changed(|entry| {
                if entry["table"] == "users-v1" {
                    entry["value"] = json!(null);
                }
            });
        }),
        form("a layer of another compression", |lab| {
            lab.foreign(&lab.layer(WHEELS, &["--compression", "zstd"]))
        }),
        form("a base with a folder that it has not", |lab| {
            lab.changed(|entry| {
                if entry["table"] == "facts-v3" {
                    let facts = entry["value"]["facts"]["entries"].as_array_mut().expect("entries");
                    if facts[0][0] == "etc" && facts.len() > 8 {
                        let node = json!({"gid": 7, "kind": "Directory", "mode": 0o777, "uid": 7});
                        facts.insert(0, json!(["app", node]));
                    }
                }
                forget_layer(entry);
            });
        }),
    ]
}
