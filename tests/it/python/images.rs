use std::fs;

use containerize_tests::program::Project;
use containerize_tests::python::{Base, Wheel};
use serde_json::json;

use super::{BESIDE, MAIN, TABLE, call, files, greeting, image, images, project};

const SITE: &str = "app/.venv/lib/python3.13/site-packages";

#[test]
fn a_file_and_its_requirements_become_an_image() {
    let image = image(&project(), &[]);
    let run = &image.config["config"];
    assert_eq!(run["Entrypoint"], json!(["python", "-m", "main"]));
    assert_eq!((&run["User"], &run["WorkingDir"]), (&"65532:65532".into(), &"/app".into()));
    let path = "PATH=/app/.venv/bin:/usr/local/bin:/usr/bin:/bin";
    assert!(run["Env"].as_array().expect("variables").contains(&path.into()), "{run}");
    let files = files(&image);
    for wanted in [&format!("{SITE}/greeting/__init__.py"), "app/main.py", "app/.venv/pyvenv.cfg"] {
        assert!(files.contains(&wanted), "{wanted} in {files:?}");
    }
    let strangers = ["app/wheels", "app/base", "app/out"];
    assert!(
        !files.iter().any(|file| strangers.iter().any(|stranger| file.starts_with(stranger))),
        "{files:?}"
    );
}

#[test]
fn pure_wheels_are_the_same_layers_on_each_platform() {
    let images = images(&project(), &[]);
    let platforms: Vec<&str> = images.iter().map(|image| image.platform.as_str()).collect();
    assert_eq!(platforms, ["linux/amd64", "linux/arm64"]);
    let [amd64, arm64] = [0, 1].map(|n| images[n].layers[1..].iter().map(|l| &l.digest).collect::<Vec<_>>());
    assert_eq!(amd64, arm64);
    assert_ne!(images[0].layers[0].digest, images[1].layers[0].digest, "the bases differ");
}

#[test]
fn one_changed_line_changes_the_last_layer_alone() {
    let project = project();
    let before = image(&project, &[]);
    project.write(&[("main.py", &format!("{MAIN}# One line more.\n"))]);
    let after = image(&project, &[]);
    let digests = |image: &containerize_tests::layout::Image| {
        image.layers.iter().map(|layer| layer.digest.clone()).collect::<Vec<_>>()
    };
    let (before, after) = (digests(&before), digests(&after));
    assert_eq!(before.split_last().expect("layers").1, after.split_last().expect("layers").1);
    assert_ne!(before.last(), after.last());
}

#[test]
fn the_same_project_elsewhere_gives_the_same_digest() {
    let first = image(&project(), &[]);
    let second = image(&project(), &[]);
    assert_eq!(first.digest, second.digest);
}

#[test]
fn the_version_of_python_decides_where_wheels_go() {
    let project = project();
    Base::debian(3, 12, 9).write(&project.at("base"));
    let image = image(&project, &[]);
    let module = "app/.venv/lib/python3.12/site-packages/greeting/__init__.py";
    assert!(files(&image).contains(&module), "{:?}", files(&image));
}

#[test]
fn scripts_of_wheels_start_with_the_images_python() {
    let project = project();
    greeting().script("greet", "greeting:main").write(&project.at("wheels"));
    project.write(&[("requirements.txt", &format!("{BESIDE}greeting==1.0\n"))]);
    let image = image(&project, &["--entrypoint", "greet"]);
    let mut entries = image.layers.iter().flat_map(|layer| &layer.entries);
    let script = entries.find(|entry| entry.path == "app/.venv/bin/greet").expect("the script");
    assert!(script.bytes.starts_with(b"#!/app/.venv/bin/python\n"), "{:?}", script.bytes);
    assert_eq!(script.mode, 0o755);
}

#[test]
fn markers_choose_for_each_platform() {
    let project = project();
    Wheel::new("arm", "1.0").write(&project.at("wheels"));
    let line = "arm==1.0 ; platform_machine == 'aarch64'";
    project.write(&[("requirements.txt", &format!("{BESIDE}greeting==1.0\n{line}\n"))]);
    let images = images(&project, &[]);
    let there = format!("{SITE}/arm/__init__.py");
    let has: Vec<bool> = images.iter().map(|image| files(image).contains(&there.as_str())).collect();
    assert_eq!(has, [false, true]);
}

#[test]
fn a_base_with_musl_takes_pure_wheels() {
    let project = project();
    Base::alpine(3, 13, 5).write(&project.at("base"));
    let module = format!("{SITE}/greeting/__init__.py");
    assert!(files(&image(&project, &[])).contains(&module.as_str()));
}

#[test]
fn several_images_of_one_project_share_their_layers() {
    let project = project();
    let images = "[tool.containerize.image.web]\nentrypoint = [\"python\", \"main.py\"]\n\
                  [tool.containerize.image.worker]\nentrypoint = [\"python\", \"-c\", \"import greeting\"]\n";
    project.write(&[("pyproject.toml", &format!("{TABLE}{images}"))]);
    let _ = fs::remove_dir_all(project.at("out"));
    call(&project, &["--platform", "linux/amd64", "-o", "oci:out"]).succeed();
    let images = containerize_tests::layout::Layout::read(&project.at("out")).images;
    assert_eq!(images.len(), 2);
    let [web, worker] =
        [0, 1].map(|n| images[n].layers.iter().map(|layer| &layer.digest).collect::<Vec<_>>());
    assert_eq!(web, worker);
    assert_ne!(images[0].config["config"]["Entrypoint"], images[1].config["config"]["Entrypoint"]);
}

/// A Django project in a package that a wheel would hold: its own modules are named from the folder of `manage.py`.
fn shop_of_django() -> Project {
    let project = project();
    let gunicorn = Wheel::new("gunicorn", "1.0").script("gunicorn", "gunicorn:run");
    let gunicorn = gunicorn.file("gunicorn/__init__.py", "def run(): pass\n").write(&project.at("wheels"));
    let django = Wheel::new("django", "1.0").file("django/core/__init__.py", "");
    let django =
        django.file("django/core/wsgi.py", "def get_wsgi_application(): pass\n").write(&project.at("wheels"));
    let system = "[build-system]\nrequires = [\"setuptools\"]\nbuild-backend = \"setuptools.build_meta\"\n";
    let line = |name: &str, hash: &str| format!("{name}==1.0 --hash=sha256:{hash}\n");
    let pins = [BESIDE.to_owned(), line("gunicorn", &gunicorn), line("django", &django)].concat();
    fs::remove_file(project.at("main.py")).expect("a file");
    project.write(&[
        ("pyproject.toml", &format!("{TABLE}{system}")),
        ("requirements.txt", &pins),
        ("shop/__init__.py", ""),
        ("shop/manage.py", "import os\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'core.settings')\n"),
        ("shop/core/__init__.py", ""),
        ("shop/core/settings.py", "WSGI_APPLICATION = 'core.wsgi.application'\n"),
        (
            "shop/core/wsgi.py",
            "from django.core.wsgi import get_wsgi_application\nimport core.settings\napplication = get_wsgi_application()\n",
        ),
    ]);
    project
}

#[test]
fn what_is_imported_from_a_folder_of_the_source_has_the_source() {
    let project = shop_of_django();
    let image = image(&project, &[]);
    let run = &image.config["config"];
    assert_eq!(run["Entrypoint"], json!(["gunicorn", "core.wsgi:application"]));
    assert!(run["Env"].as_array().expect("variables").contains(&"PYTHONPATH=/app/shop".into()), "{run}");
    assert!(files(&image).contains(&"app/shop/core/wsgi.py"), "{:?}", files(&image));
    let said = call(&project, &["--platform", "linux/amd64", "--dry-run"]).succeed();
    assert!(
        said.stderr().contains("shop is started from shop; using its source as it is"),
        "{}",
        said.stderr()
    );
}

#[test]
fn files_that_whitenoise_serves_have_to_be_collected() {
    let project = shop_of_django();
    let notes = |table: &str| {
        let pyproject = format!("{TABLE}{table}");
        let done = call(
            project.write(&[("pyproject.toml", &pyproject)]),
            &["--platform", "linux/amd64", "--dry-run"],
        );
        done.succeed().stderr().matches("manage.py collectstatic").count()
    };
    assert_eq!(notes(""), 0, "nothing serves them");
    let hash = Wheel::new("whitenoise", "1.0").write(&project.at("wheels"));
    let pins = fs::read_to_string(project.at("requirements.txt")).expect("pins");
    project.write(&[("requirements.txt", &format!("{pins}whitenoise==1.0 --hash=sha256:{hash}\n"))]);
    assert_eq!(notes(""), 1);
    assert_eq!(notes("[tool.containerize]\nlayers = [{ command = 'python manage.py collectstatic' }]\n"), 0);
    assert_eq!(notes("[tool.containerize.hooks]\npre = [['manage', 'collectstatic']]\n"), 0);
    project.write(&[("shop/static/staticfiles.json", "{}")]);
    assert_eq!(notes(""), 0, "they are in the source");
}

#[test]
fn a_wheel_that_is_asked_for_is_not_replaced_by_the_source() {
    let project = shop_of_django();
    snapbox::assert_data_eq!(
        super::refused(&project, &["--install", "wheel"]),
        snapbox::str![[r#"
exit code 2
--- stderr
error: shop is started from shop, where its wheel has nothing
  hint: use install = "source", or set entrypoint to what starts it when the wheel is installed somewhere else

"#]]
    );
}

#[test]
fn a_project_that_did_not_change_is_not_written_again() {
    let project: Project = project();
    let build = || call(&project, &["--platform", "linux/amd64", "-o", "oci:out"]).succeed();
    let first = build();
    let blobs = || {
        let mut times: Vec<_> = fs::read_dir(project.at("out/blobs/sha256"))
            .expect("blobs")
            .map(|blob| blob.expect("a blob"))
            .map(|blob| (blob.file_name(), blob.metadata().expect("its time").modified().expect("a time")))
            .collect();
        times.sort();
        times
    };
    let before = blobs();
    assert_eq!(build().digest(), first.digest());
    assert_eq!(blobs(), before);
}
