//! Reading an OCI layout by the letter of the specification, and holding it to that and to what
//! this project promises beyond. It shares no code with the program.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::Value;
use sha2::Digest as _;

/// The only time in our images: 1980-01-01T00:00:00Z, in seconds since 1970.
pub const MTIME: u64 = 315_532_800;

/// A layout that was found to be sound.
pub struct Layout {
    /// Its images, by the order of its index.
    pub images: Vec<Image>,
}

/// An image of one platform.
pub struct Image {
    /// `org.opencontainers.image.ref.name` of the entry that leads to it.
    pub name: String,
    /// The digest of that entry: an index's, or the manifest's.
    pub root: String,
    /// The digest of its manifest.
    pub digest: String,
    /// As `linux/amd64`, from its configuration.
    pub platform: String,
    /// Its manifest.
    pub manifest: Value,
    /// Its configuration.
    pub config: Value,
    /// Its layers, the lowest first.
    pub layers: Vec<Layer>,
}

/// A layer that was read to its end.
pub struct Layer {
    /// The digest of its bytes.
    pub digest: String,
    /// Its media type.
    pub media_type: String,
    /// What it holds.
    pub entries: Vec<Entry>,
}

/// A file or folder in a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its path, without slashes at its ends.
    pub path: String,
    /// Its type.
    pub kind: tar::EntryType,
    /// Its permission bits.
    pub mode: u32,
    /// Its owner and group.
    pub owner: (u64, u64),
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Where a link leads.
    pub link: Option<PathBuf>,
}

impl Layout {
    /// Reads the layout at `dir` with all that it leads to.
    ///
    /// # Panics
    /// When anything in it is not as it must be.
    pub fn read(dir: &Path) -> Self {
        let mark: Value = serde_json::from_slice(&read(&dir.join("oci-layout"))).expect("json");
        assert_eq!(mark["imageLayoutVersion"], "1.0.0");
        let index: Value = serde_json::from_slice(&read(&dir.join("index.json"))).expect("json");
        assert_eq!(index["schemaVersion"], 2);
        let mut reader = Reader { dir, reached: BTreeSet::new(), images: Vec::new() };
        for entry in list(&index["manifests"]) {
            let name = text(&entry["annotations"]["org.opencontainers.image.ref.name"]).to_owned();
            reader.follow(&name, text(&entry["digest"]), entry);
        }
        let there: BTreeSet<String> = fs::read_dir(dir.join("blobs/sha256"))
            .expect("blobs")
            .map(|entry| entry.expect("a blob").file_name().into_string().expect("text"))
            .collect();
        // What a reader of the index before may still want stays for a while, and is written down.
        let remembered = fs::read_to_string(dir.join(".containerize")).unwrap_or_default();
        let of_line = |line: &str| Some(line.strip_prefix("sha256:")?.split_once(' ')?.0.to_owned());
        let needed = reader.reached.into_iter().chain(remembered.lines().filter_map(of_line)).collect();
        assert_eq!(there, needed, "the layout holds what it needs and nothing else");
        Self { images: reader.images }
    }

    /// The only image.
    ///
    /// # Panics
    /// When there is none, or several.
    pub fn only(self) -> Image {
        let [image] = <[Image; 1]>::try_from(self.images).map_err(|all| all.len()).expect("one image");
        image
    }
}

struct Reader<'a> {
    dir: &'a Path,
    reached: BTreeSet<String>,
    images: Vec<Image>,
}

impl Reader<'_> {
    /// The bytes of a blob that are what its descriptor says.
    fn blob(&mut self, descriptor: &Value) -> Vec<u8> {
        let digest = text(&descriptor["digest"]);
        let hex = digest.strip_prefix("sha256:").expect("SHA-256");
        let bytes = read(&self.dir.join("blobs/sha256").join(hex));
        assert_eq!(sha256(&bytes), digest);
        assert_eq!(descriptor["size"], bytes.len(), "{digest}");
        self.reached.insert(hex.to_owned());
        bytes
    }

    fn follow(&mut self, name: &str, root: &str, descriptor: &Value) {
        let bytes = self.blob(descriptor);
        let value: Value = serde_json::from_slice(&bytes).expect("json");
        assert_eq!(value["mediaType"], descriptor["mediaType"], "the manifest says its own type");
        assert_eq!(value["schemaVersion"], 2);
        if value.get("manifests").is_some() {
            for entry in list(&value["manifests"]) {
                self.follow(name, root, entry);
            }
            return;
        }
        let config: Value = serde_json::from_slice(&self.blob(&value["config"])).expect("json");
        let platform = format!("{}/{}", text(&config["os"]), text(&config["architecture"]));
        let announced = &descriptor["platform"];
        assert_eq!(format!("{}/{}", text(&announced["os"]), text(&announced["architecture"])), platform);
        let layers: Vec<Layer> = list(&value["layers"]).iter().map(|layer| self.layer(layer)).collect();
        self.check_config(&config, &value);
        let digest = text(&descriptor["digest"]).to_owned();
        self.images.push(Image {
            name: name.to_owned(),
            root: root.to_owned(),
            digest,
            platform,
            manifest: value,
            config,
            layers,
        });
    }

    /// The configuration lists what the layers are when uncompressed, and one line of history each.
    fn check_config(&mut self, config: &Value, manifest: &Value) {
        let layers = list(&manifest["layers"]);
        let diff_ids: Vec<String> =
            layers.iter().map(|layer| sha256(&uncompressed(&self.blob(layer), media_type(layer)))).collect();
        assert_eq!(config["rootfs"]["type"], "layers");
        assert_eq!(config["rootfs"]["diff_ids"], serde_json::json!(diff_ids));
        let history = list(&config["history"]);
        let filled = history.iter().filter(|line| line["empty_layer"] != true).count();
        assert_eq!(filled, layers.len(), "{history:?}");
    }

    fn layer(&mut self, descriptor: &Value) -> Layer {
        let media_type = media_type(descriptor).to_owned();
        let tar = uncompressed(&self.blob(descriptor), &media_type);
        assert_eq!(tar.len() % 512, 0, "a tar is made of blocks");
        let mut archive = tar::Archive::new(&tar[..]);
        let entries: Vec<Entry> =
            archive.entries().expect("a tar").map(|e| entry(e.expect("an entry"))).collect();
        for pair in entries.windows(2) {
            assert!(pair[0].path < pair[1].path, "{} before {}", pair[0].path, pair[1].path);
        }
        let folders: BTreeSet<&str> =
            entries.iter().filter(|e| e.kind.is_dir()).map(|e| e.path.as_str()).collect();
        for entry in &entries {
            let parent = entry.path.rsplit_once('/').map(|(parent, _)| parent);
            assert!(parent.is_none_or(|parent| folders.contains(parent)), "{} has its folder", entry.path);
        }
        Layer { digest: text(&descriptor["digest"]).to_owned(), media_type, entries }
    }
}

fn entry(mut entry: tar::Entry<'_, impl Read>) -> Entry {
    // A name may be any bytes; a test that is about such names looks at the layer itself.
    let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
    assert!(!path.starts_with("./") && !path.starts_with('/'), "{path}");
    let mut bytes = Vec::new();
    entry.read_to_end(&mut bytes).expect("its bytes");
    let header = entry.header();
    assert_eq!(header.mtime().expect("a time"), MTIME, "{path}");
    Entry {
        path: path.trim_end_matches('/').to_owned(),
        kind: header.entry_type(),
        mode: header.mode().expect("a mode"),
        owner: (header.uid().expect("an owner"), header.gid().expect("a group")),
        link: entry.link_name().expect("a link").map(std::borrow::Cow::into_owned),
        bytes,
    }
}

fn uncompressed(bytes: &[u8], media_type: &str) -> Vec<u8> {
    let mut tar = Vec::new();
    if media_type.ends_with("gzip") {
        assert_eq!(&bytes[4..8], &[0; 4], "no time in the gzip header");
        assert_eq!((bytes[3], bytes[9]), (0, 255), "no name and no system in the gzip header");
        flate2::read::GzDecoder::new(bytes).read_to_end(&mut tar).expect("gzip");
    } else if media_type.ends_with("zstd") {
        tar = zstd::decode_all(bytes).expect("zstd");
    } else {
        tar.extend_from_slice(bytes);
    }
    tar
}

impl Image {
    /// What its configuration says about running.
    pub fn run(&self) -> &Value {
        &self.config["config"]
    }

    /// The last layer's entry at a path that has one.
    ///
    /// # Panics
    /// When there is none.
    pub fn entry(&self, path: &str) -> &Entry {
        let found = self.layers.iter().rev().flat_map(|layer| &layer.entries).find(|e| e.path == path);
        found.unwrap_or_else(|| panic!("{path} is not in the image: {:?}", self.paths()))
    }

    /// Whether something is at a path.
    pub fn has(&self, path: &str) -> bool {
        self.layers.iter().flat_map(|layer| &layer.entries).any(|entry| entry.path == path)
    }

    /// All paths of the layers above the base `static`.
    pub fn paths(&self) -> Vec<&str> {
        self.layers.iter().skip(1).flat_map(|layer| &layer.entries).map(|e| e.path.as_str()).collect()
    }

    /// The digests of its layers.
    pub fn layer_digests(&self) -> Vec<&str> {
        self.layers.iter().map(|layer| layer.digest.as_str()).collect()
    }
}

fn media_type(descriptor: &Value) -> &str {
    text(&descriptor["mediaType"])
}

fn read(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// The digest of bytes.
pub fn sha256(bytes: &[u8]) -> String {
    let hex = |text: String, byte: u8| format!("{text}{byte:02x}");
    sha2::Sha256::digest(bytes).into_iter().fold("sha256:".to_owned(), hex)
}
