use super::*;

fn project(folder: &str, image: Option<&str>) -> Named {
    Named::Project { folder: folder.into(), image: image.map(str::to_owned) }
}

fn images(text: &str) -> Vec<Named> {
    Deployment::of("app.yaml", text.to_owned()).images().map(|(_, named)| named.clone()).collect()
}

fn names(text: &str) -> Vec<String> {
    let name = |named| match named {
        Named::Image(reference) => reference.to_string(),
        Named::Project { folder, .. } => panic!("{folder}"),
    };
    images(text).into_iter().map(name).collect()
}

#[test]
fn only_the_names_change() {
    let text = "\u{feff}# containerize://no é\nspec:\r\n  - image: containerize://a/b#c   # why, containerize://no\n  - image: \
                'containerize://.'\r\n  - &x \"containerize://d\"\n  - {image: !!str containerize://, args: [containerize://e]}\n  - *x\n---\n\
                it's: #x\nother: [ 1, 2 ]\n";
    let expected = [
        project("a/b", Some("c")),
        project(".", None),
        project("d", None),
        project(".", None),
        project("e", None),
    ];
    assert_eq!(images(text), expected);
    let found = Deployment::of("app.yaml", text.to_owned());
    let resolved = found.with(|named| match named {
        Named::Project { folder, .. } if folder == "d" => None,
        Named::Project { folder, .. } => Some(format!("r/{}@sha256:0", folder.len())),
        Named::Image(_) => None,
    });
    let expected = "# containerize://no é\nspec:\r\n  - image: r/3@sha256:0   # why, containerize://no\n  - image: \
                    'r/1@sha256:0'\r\n  - &x \"containerize://d\"\n  - {image: !!str r/1@sha256:0, args: [r/1@sha256:0]}\n  - *x\n---\n\
                    it's: #x\nother: [ 1, 2 ]\n";
    assert_eq!(resolved, expected);
    assert_eq!(found.with(|_| None), found.text(), "nothing else is touched");
    assert_eq!(found.images().last().map(|(place, _)| place).as_deref(), Some("app.yaml, line 6"));
}

#[test]
fn a_project_may_be_named_wherever_a_value_begins() {
    for (text, folder, image) in [
        ("- --image=containerize://web\n", "web", None),
        ("a: ${IMG:-containerize://web}\n", "web", None),
        ("data:\n  pod: |\n    image: containerize://web#one\n", "web", Some("one")),
        ("run: docker run 'containerize://my folder' x\n", "my folder", None),
        ("{\"image\":\"containerize://web\",\"x\":1}", "web", None),
        // Charts join what they call a repository and a tag.
        ("image: \"containerize://services/api:1.2.3\"\n", "services/api", None),
        ("image: containerize://web#one:1.2.3", "web", Some("one")),
        // Not by the rules of all who read YAML.
        ("command: [\n  containerize://web\n]\n", "web", None),
        ("{{ if x }}\nimage: containerize://web\n{{ end }}\n", "web", None),
    ] {
        assert_eq!(images(text), [project(folder, image)], "{text}");
    }
    for text in ["", "a: xcontainerize://web\n", "#image: containerize://web\n", "a: 1 # containerize://web"]
    {
        assert_eq!(images(text), [], "{text}");
    }
}

#[test]
fn values_of_the_key_image_may_be_names() {
    let digest = format!("{}{}", "ghcr.io/you/app@sha256:", "0".repeat(64));
    let text = format!(
        "image: ghcr.io/you/app\nspec: {{image: \"ghcr.io/you/app:1\", name: ghcr.io/you/app}}\n- 'image' : ghcr.io/yes # why\n\
         pinned:\n  image: {digest}\nlist:\n  image:\n    - ghcr.io/not\nmyimage: ghcr.io/no\nimages: ghcr.io/no\n"
    );
    assert_eq!(names(&text), ["ghcr.io/you/app", "ghcr.io/you/app:1", "ghcr.io/yes"]);
    let json =
        r#"{"kind":"Pod","spec":{"containers":[{"name":"x","image":"ghcr.io/a/b","args":["image"]}]}}"#;
    assert_eq!(names(json), ["ghcr.io/a/b"]);
}

#[test]
fn an_address_in_brackets_is_quoted_where_it_would_be_a_list() {
    let with = |text: &str| {
        let found = Deployment::of("x", text.to_owned());
        found.with(|_| Some("[::1]:5000/web@sha256:0".into()))
    };
    assert_eq!(with("image: containerize://web\n"), "image: \"[::1]:5000/web@sha256:0\"\n");
    assert_eq!(with("image: 'containerize://web'\n"), "image: '[::1]:5000/web@sha256:0'\n");
}

#[test]
fn several_files_are_one_stream() {
    let texts = ["a: 1", "", "---\nb: 2\n", "# x\n%YAML 1.2\n---\nc: 3\n", "# d\nd: 4\n", "# e\n---\ne: 5\n"];
    assert_eq!(
        stream(texts),
        "a: 1\n---\nb: 2\n...\n# x\n%YAML 1.2\n---\nc: 3\n---\n# d\nd: 4\n# e\n---\ne: 5\n"
    );
    assert_eq!(stream([]), "");
    let json = "{\"a\": 1}";
    assert_eq!(stream([json, "b: 2"]), "---\n{\"a\": 1}\n---\nb: 2\n");
    assert_eq!(stream([json]), "{\"a\": 1}\n");
}

#[test]
fn hostile_texts_cost_little() {
    assert_eq!(images(&"[".repeat(1_000_000)), []);
    assert_eq!(images(&"image: containerize://é\n---\n".repeat(20_000)).len(), 20_000);
    assert_eq!(images(&"containerize://a ".repeat(20_000)).len(), 20_000);
}
