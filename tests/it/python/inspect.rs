use containerize_tests::program::Project;
use serde_json::Value;

use super::{call, image, project};

fn inspected(project: &Project, flags: &[&str]) -> Value {
    let done = project.call([&["inspect", "oci:out", "--format", "json", "-q"], flags].concat()).succeed();
    serde_json::from_str(done.stdout()).expect("JSON")
}

#[test]
fn an_image_tells_what_it_is_made_of_and_why() {
    let project = project();
    let made = image(&project, &["--env", "COLOUR=red"]);
    let again =
        ["--platform", "linux/amd64", "-o", "oci:out", "--env", "COLOUR=red", "--attestations", "referrers"];
    call(&project, &again).succeed();
    let found = inspected(&project, &[]);
    assert_eq!((&found["schema"], found["digest"].as_str()), (&1.into(), Some(made.root.as_str())));
    let view = &found["platforms"][0];
    assert_eq!(view["platform"], "linux/amd64");
    let layers = view["layers"].as_array().expect("layers");
    assert_eq!(layers.len(), made.layers.len());
    for (told, layer) in layers.iter().zip(&made.layers) {
        assert_eq!(told["digest"].as_str(), Some(layer.digest.as_str()));
        let files = layer.entries.iter().filter(|entry| entry.kind.is_file()).count();
        assert_eq!(told["files"], files);
    }
    let reasons: Vec<&str> = layers.iter().filter_map(|layer| layer["reason"].as_str()).collect();
    assert_eq!((reasons[0], reasons.last().copied()), ("the base", Some("the project")));
    let packages = view["packages"].as_array().expect("packages");
    let greeting = packages.iter().find(|one| one["name"] == "greeting").expect("the wheel");
    assert_eq!((&greeting["kind"], &greeting["version"]), (&"python".into(), &"1.0".into()));
    let settings = view["configuration"].as_array().expect("settings");
    let of = |name: &str| settings.iter().find(|one| one["name"] == name).map(|one| one["origin"].clone());
    assert_eq!(of("COLOUR"), Some("call".into()));
    assert_eq!(of("VIRTUAL_ENV"), Some("containerize".into()));
    let kinds: Vec<&str> =
        found["attached"].as_array().expect("a list").iter().filter_map(|one| one["kind"].as_str()).collect();
    assert!(kinds.contains(&"sbom") && kinds.contains(&"provenance"), "{kinds:?}");
}

#[test]
fn the_second_look_needs_no_layer() {
    let project = project();
    let made = image(&project, &[]);
    let first = inspected(&project, &[]);
    let layer = made.layers.last().expect("a layer").digest.replace("sha256:", "");
    let path = project.at("out/blobs/sha256").join(layer);
    let size = std::fs::metadata(&path).expect("the layer").len();
    std::fs::write(&path, vec![0; usize::try_from(size).expect("small")]).expect("damaged");
    assert_eq!(inspected(&project, &[]), first);
    let refused = project.call_on("another", ["inspect", "oci:out", "-q"]).fail().shown();
    assert!(refused.contains("cannot read the layer"), "{refused}");
}

#[test]
fn the_tree_fits_a_terminal() {
    let project = project();
    image(&project, &[]);
    for flags in [&[][..], &["-v"]] {
        let done = project.call([&["inspect", "oci:out"], flags].concat()).succeed();
        let widest = done.stdout().lines().map(|line| line.chars().count()).max();
        assert!(widest.is_some_and(|widest| widest <= 100), "{}", done.stdout());
        assert!(!done.stdout().contains('\u{1b}'), "no colours in a file");
    }
}

#[test]
fn the_page_stands_alone_and_escapes_what_the_image_says() {
    let project = project();
    let hostile = "</script><script>alert(1)</script><img src=x onerror=alert(2)>&\"'";
    image(&project, &["--label", &format!("evil={hostile}"), "--env", "X='\"><b>"]);
    project.call(["inspect", "oci:out", "--html", "image.html"]).succeed();
    let page = std::fs::read_to_string(project.at("image.html")).expect("a page");
    assert!(page.starts_with("<!doctype html>") && page.ends_with("</html>\n"));
    assert!(!page.contains("<img") && !page.contains("<script>alert") && !page.contains("<b>"), "escaped");
    assert!(page.contains("&lt;/script&gt;&lt;script&gt;alert(1)"), "and there");
    let policy = "content=\"default-src 'none'; style-src 'sha256-";
    assert!(page.contains(policy) && !page.contains("unsafe-inline"));
    // Nothing from elsewhere, and no more elements with scripts than its own.
    for from in ["src=", "href=\"http", "url(", "@import", "<link", "<iframe", " style=", " on"] {
        let is_code = |line: &&str| line.contains(from) && line.starts_with('<') && !line.contains("&lt;");
        assert_eq!(page.lines().find(is_code), None, "{from}");
    }
    assert_eq!(page.matches("<script").count(), 2);
    assert_eq!(page.matches("</script>").count(), 2);
}
