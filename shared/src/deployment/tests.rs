use super::*;

fn read(text: &str) -> Deployment {
    Deployment::read("app.yaml", text.to_owned()).expect("YAML")
}

fn project(folder: &str, image: Option<&str>) -> Named {
    Named::Project { folder: folder.into(), image: image.map(str::to_owned) }
}

#[test]
fn only_the_names_change() {
    let text = "\u{feff}# containerize://no é\nspec:\r\n  - image: containerize://a/b#c   # why\n  - image: 'containerize://.'\n  - &x \
                \"containerize://d\"\n  - {image: !!str containerize://, args: [containerize://e f]}\n  - *x\n---\nother: \
                [ 1, 2 ]\n";
    let found = read(text);
    let expected = [
        project("a/b", Some("c")),
        project(".", None),
        project("d", None),
        project(".", None),
        project("e f", None),
    ];
    assert_eq!(found.images().cloned().collect::<Vec<_>>(), expected);
    let resolved = found.with(|named| match named {
        Named::Project { folder, .. } if folder == "d" => None,
        Named::Project { folder, .. } => Some(format!("r/{}@sha256:0", folder.len())),
        Named::Image(_) => None,
    });
    let expected = "# containerize://no é\nspec:\r\n  - image: r/3@sha256:0   # why\n  - image: 'r/1@sha256:0'\n  - &x \
                    \"containerize://d\"\n  - {image: !!str r/1@sha256:0, args: [r/3@sha256:0]}\n  - *x\n---\nother: [ 1, 2 ]\n";
    assert_eq!(resolved, expected);
    assert_eq!(found.with(|_| None), text.trim_start_matches('\u{feff}'), "nothing else is touched");
}

#[test]
fn values_of_the_key_image_may_be_names() {
    let text = "image: ghcr.io/you/app\nspec: {image: \"ghcr.io/you/app:1\", name: ghcr.io/you/app, x: {image: {repository: y}}}\n? \
                [image]\n: ghcr.io/no\n? image\n: ghcr.io/yes\npinned:\n  image: ghcr.io/you/app@sha256:0000000000000000000000000000000000000000000000000000000000000000\nlist:\n  image:\n    - ghcr.io/not\n";
    let found = read(text);
    let names: Vec<String> = found
        .images()
        .map(|named| match named {
            Named::Image(reference) => reference.to_string(),
            Named::Project { folder, .. } => panic!("{folder}"),
        })
        .collect();
    assert_eq!(names, ["ghcr.io/you/app", "ghcr.io/you/app:1", "ghcr.io/yes"]);
    let json = r#"{"kind":"Pod","spec":{"containers":[{"image":"containerize://api","args":["image"]}]}}"#;
    let resolved = read(json).with(|_| Some("r@sha256:0".into()));
    assert_eq!(resolved, json.replace("containerize://api", "r@sha256:0"));
}

#[test]
fn a_name_that_cannot_be_replaced_is_refused_and_so_is_other_text() {
    for (text, said) in [
        ("a: |\n  containerize://x\n", "app.yaml, line 2: containerize://x cannot be replaced there"),
        (
            "a:\n  b: \"containerize:\\/\\/x\"\n",
            "app.yaml, line 2: containerize://x cannot be replaced there",
        ),
        ("a: {{ .Values.image }}\n  b: }\n", "app.yaml, line "),
        ("a: [\n", "app.yaml, line "),
    ] {
        let refused = Deployment::read("app.yaml", text.to_owned()).expect_err(text);
        assert!(refused.to_string().starts_with(said), "{refused}");
    }
    assert_eq!(read("").images().count(), 0);
}

#[test]
fn several_files_are_one_stream() {
    let texts = ["a: 1", "", "---\nb: 2\n", "%YAML 1.2\n---\nc: 3\n", "# d\nd: 4\n"].map(str::to_owned);
    assert_eq!(stream(texts), "a: 1\n---\nb: 2\n...\n%YAML 1.2\n---\nc: 3\n---\n# d\nd: 4\n");
    assert_eq!(stream(Vec::new()), "");
    let json = "{\"a\": 1}".to_owned();
    assert_eq!(stream([json.clone(), "b: 2".into()]), "---\n{\"a\": 1}\n---\nb: 2\n");
    assert_eq!(stream([json]), "{\"a\": 1}\n");
}

#[test]
fn hostile_texts_cost_little() {
    let deep = "[".repeat(100_000);
    assert!(Deployment::read("deep", deep).is_err());
    let mut bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for (name, before) in
        ["b", "c", "d", "e", "f", "g", "h", "i"].iter().zip(["a", "b", "c", "d", "e", "f", "g", "h"])
    {
        bomb += &format!(
            "{name}: &{name} [*{before}, *{before}, *{before}, *{before}, *{before}, *{before}, *{before}]\n"
        );
    }
    assert_eq!(read(&bomb).images().count(), 0);
    let many = "image: containerize://é\n---\n".repeat(20_000);
    assert_eq!(read(&many).images().count(), 20_000);
}
