//! Small projects and what starts them.

use std::fs;

use super::*;

/// A project: what is installed (`server=`, `port=`, `script=`, `fastapi=`, `extra=`, `image=` and `no-shell` are the
/// other questions), its files, each headed by `# path`, and the command that starts it after its
/// variables, or the error after `!`.
pub(super) struct Case(pub(super) &'static str, pub(super) &'static str, pub(super) &'static str);

pub(super) fn ask(setup: &str, files: &str) -> Result<Answer> {
    let folder = tempfile::tempdir().expect("a folder");
    let mut sources: Vec<(String, String)> = Vec::new();
    for line in files.lines() {
        match (line.strip_prefix("# "), sources.last_mut()) {
            (Some(path), _) => sources.push((path.to_owned(), String::new())),
            (None, Some((_, text))) => text.extend([line, "\n"]),
            (None, None) => panic!("no path before {line}"),
        }
    }
    let mut listed = Vec::new();
    for (i, (path, text)) in sources.into_iter().enumerate() {
        let place = folder.path().join(i.to_string());
        fs::write(&place, text).expect("a file");
        listed.push((path, place));
    }
    let (mut server, mut port, mut fastapi, mut has_shell) = (None, None, None, true);
    let (mut scripts, mut installed, mut optional) = (BTreeMap::new(), BTreeSet::new(), Vec::new());
    let (mut procfile, mut image) = (None, None);
    listed.retain(|(path, place)| {
        let is_procfile = path == "Procfile";
        if is_procfile {
            procfile = fs::read_to_string(place).ok();
        }
        !is_procfile
    });
    for word in setup.split_whitespace() {
        match word.split_once('=') {
            Some(("server", name)) => server = Some(name),
            Some(("port", number)) => port = number.parse().ok(),
            Some(("image", name)) => image = Some(name),
            Some(("fastapi", name)) => fastapi = Some(name),
            Some(("extra", name)) => optional.push(Optional {
                distribution: name.parse().expect("a name"),
                within: "the extra prod".to_owned(),
                way: "give --extra prod".into(),
            }),
            Some(("line", line)) => drop(scripts.insert("start".to_owned(), line.replace('+', " "))),
            Some((_, name)) => drop(scripts.insert(name.to_owned(), "web.cli:main".to_owned())),
            None if word == "no-shell" => has_shell = false,
            None => drop(installed.insert(word.parse().expect("a name"))),
        }
    }
    detect(&Question {
        name: "My.Web",
        scripts: &scripts,
        files: &listed,
        source_roots: &["src".to_owned(), String::new()],
        installed: &installed,
        optional: &optional,
        image,
        procfile: procfile.as_deref(),
        fastapi,
        has_shell,
        server,
        port,
    })
}

pub(super) fn told(setup: &str, files: &str) -> String {
    match ask(setup, files) {
        Ok(answer) => {
            let variables = answer.env.iter().map(|(name, value)| format!("{name}={value}"));
            variables.chain(answer.command).collect::<Vec<_>>().join(" ")
        }
        Err(error) => format!("! {error} | {}", error.hint_text().unwrap_or_default()),
    }
}

pub(super) fn check(cases: &[Case]) {
    for Case(setup, files, expected) in cases {
        let found = told(setup, files);
        let good = match expected.strip_prefix("! ") {
            Some(part) => found.starts_with("! ") && found.contains(part),
            None => found == *expected,
        };
        assert!(good, "{setup}\n{files}\n  found    {found}\n  expected {expected}");
    }
}

const UVICORN: &str = "UVICORN_HOST=0.0.0.0 UVICORN_PORT=8000 uvicorn main:app";
const FASTAPI: &str = "# main.py\nfrom fastapi import FastAPI\napp = FastAPI()";
const FLASK: &str = "# app.py\nfrom flask import Flask\napp = Flask(__name__)";

#[test]
fn asgi_applications_are_found_however_they_are_written() {
    check(&[
        Case("fastapi uvicorn", FASTAPI, UVICORN),
        Case("fastapi uvicorn", "# main.py\nimport fastapi as f\napp = f.FastAPI(title='x')", UVICORN),
        Case("fastapi uvicorn", "# main.py\nfrom fastapi import FastAPI as F\napp: F = F()", UVICORN),
        Case(
            "fastapi uvicorn",
            "# main.py\nfrom fastapi import FastAPI\nfrom x import make\napp: 'FastAPI' = make()",
            UVICORN,
        ),
        Case(
            "fastapi uvicorn",
            "# main.py\nfrom fastapi import FastAPI\ndef make() -> FastAPI: ...\napp = make()",
            UVICORN,
        ),
        Case(
            "fastapi uvicorn",
            "# main.py\nimport fastapi\nclass App(fastapi.FastAPI): pass\napp = App()",
            UVICORN,
        ),
        Case(
            "fastapi uvicorn",
            "# main.py\nfrom fastapi import FastAPI\ntry:\n    app = FastAPI()\nfinally:\n    pass",
            UVICORN,
        ),
        Case(
            "fastapi uvicorn",
            "# main.py\nfrom fastapi import FastAPI\nif True:\n    app = FastAPI()",
            UVICORN,
        ),
        Case(
            "fastapi uvicorn",
            "# main.py\nfrom fastapi import FastAPI\nif (app := FastAPI()): pass\ndef broken(:",
            UVICORN,
        ),
        Case(
            "starlette granian",
            "# src/web/asgi.py\nfrom starlette.applications import Starlette\napplication = Starlette()",
            "GRANIAN_HOST=0.0.0.0 GRANIAN_PORT=8000 granian --interface asgi web.asgi:application",
        ),
        Case(
            "litestar hypercorn port=80",
            "# src/web/__init__.py\nimport litestar\napp = litestar.Litestar([])",
            "hypercorn --bind 0.0.0.0:80 web:app",
        ),
        Case(
            "quart daphne",
            "# a/b.py\nfrom quart import Quart\nx = Quart(__name__)",
            "daphne -b 0.0.0.0 -p 8000 a.b:x",
        ),
        Case("falcon uvicorn", "# main.py\nimport falcon.asgi\napp = falcon.asgi.App()", UVICORN),
        Case(
            "blacksheep uvicorn",
            "# main.py\nfrom blacksheep import Application\napp = Application()",
            UVICORN,
        ),
    ]);
}

#[test]
fn factories_are_called_where_there_is_no_instance() {
    let factory = "# main.py\nfrom fastapi import FastAPI\ndef create_app(debug=False) -> FastAPI: ...";
    let flask = "# web.py\ndef create_app():\n    from flask import Flask\n    a = Flask('x')\n    return a";
    check(&[
        Case(
            "fastapi uvicorn",
            factory,
            "UVICORN_HOST=0.0.0.0 UVICORN_PORT=8000 uvicorn --factory main:create_app",
        ),
        Case("fastapi hypercorn", factory, "hypercorn --bind 0.0.0.0:8000 main:create_app()"),
        Case(
            "fastapi granian",
            factory,
            "GRANIAN_HOST=0.0.0.0 GRANIAN_PORT=8000 granian --interface asgi --factory main:create_app",
        ),
        Case(
            "fastapi daphne",
            factory,
            "! no production server for the FastAPI factory `create_app` in main.py",
        ),
        Case("flask gunicorn", flask, "PORT=8000 gunicorn web:create_app()"),
        Case("flask waitress", flask, "waitress-serve --listen=0.0.0.0:8000 --call web:create_app"),
        Case(
            "flask uwsgi",
            flask,
            "uwsgi --http 0.0.0.0:8000 --master --die-on-term --need-app --module web:create_app()",
        ),
        Case(
            "flask gunicorn",
            "# my_web/__init__.py\nfrom .core import create_app\n# my_web/core.py\nimport flask\ndef create_app():\n    return flask.Flask('x')\n# wsgi.py\nfrom my_web import create_app\napp = create_app()",
            "PORT=8000 gunicorn wsgi:app",
        ),
        Case(
            "flask gunicorn",
            "# a.py\nfrom flask import Flask\ndef create_app(config):\n    return Flask('x')",
            "! cannot tell",
        ),
        Case(
            "flask gunicorn",
            "# a.py\nfrom flask import Flask\n@fixture\ndef app():\n    return Flask('x')",
            "! cannot tell",
        ),
        Case(
            "flask gunicorn",
            "# a.py\nfrom flask import Flask\nasync def app():\n    return Flask('x')",
            "! cannot tell",
        ),
    ]);
}

#[test]
fn wsgi_applications_have_wsgi_servers() {
    check(&[
        Case("flask gunicorn uvicorn", FLASK, "PORT=8000 gunicorn app:app"),
        Case("flask gunicorn port=5000", FLASK, "PORT=5000 gunicorn app:app"),
        Case(
            "flask granian",
            FLASK,
            "GRANIAN_HOST=0.0.0.0 GRANIAN_PORT=8000 granian --interface wsgi app:app",
        ),
        Case("flask uvicorn hypercorn", FLASK, "! add gunicorn to the dependencies"),
        Case(
            "dash gunicorn",
            "# app.py\nimport dash\napp = dash.Dash()\nserver = app.server",
            "PORT=8000 gunicorn app:server",
        ),
        Case(
            "dash waitress",
            "# app.py\nfrom dash import Dash\napp = Dash()",
            "waitress-serve --listen=0.0.0.0:8000 app:app.server",
        ),
        Case(
            "dash gunicorn",
            "# app.py\nfrom dash import Dash\napp = Dash()",
            "! write `server = app.server` in app.py",
        ),
        Case(
            "dash flask gunicorn",
            "# app.py\nfrom dash import Dash\nfrom flask import Flask\nserver = Flask('x')\napp = Dash(server=server)",
            "PORT=8000 gunicorn app:server",
        ),
        Case(
            "bottle waitress",
            "# app.py\nimport bottle\napp = bottle.default_app()",
            "waitress-serve --listen=0.0.0.0:8000 app:app",
        ),
        Case("falcon gunicorn", "# app.py\nimport falcon\napp = falcon.App()", "PORT=8000 gunicorn app:app"),
        Case(
            "pyramid gunicorn",
            "# app.py\nfrom pyramid.config import Configurator\ndef make_app():\n    c = Configurator()\n    return c.make_wsgi_app()",
            "PORT=8000 gunicorn app:make_app()",
        ),
    ]);
}

const DJANGO: &str = "# manage.py\nimport django\n# site_/settings.py\n'django'\nWSGI_APPLICATION = 'site_.wsgi.application'\n\
    # site_/wsgi.py\nfrom django.core.wsgi import get_wsgi_application\napplication = get_wsgi_application()\n\
    # site_/asgi.py\nfrom django.core.asgi import get_asgi_application\napplication = get_asgi_application()";

#[test]
fn django_is_served_by_what_is_there() {
    let asgi = "UVICORN_HOST=0.0.0.0 UVICORN_PORT=8000 uvicorn site_.asgi:application";
    let channels: &'static str = DJANGO
        .replace(
            "from django.core.asgi import get_asgi_application",
            "from channels.routing import ProtocolTypeRouter",
        )
        .replace("= get_asgi_application()", "= ProtocolTypeRouter({})")
        .leak();
    let below: &'static str = DJANGO.replace("# ", "# backend/").leak();
    let two: &'static str = format!("{DJANGO}\n# other/wsgi.py\nimport django.core.wsgi\napplication = django.core.wsgi.get_wsgi_application()").leak();
    check(&[
        Case("django gunicorn uvicorn", DJANGO, "PORT=8000 gunicorn site_.wsgi:application"),
        Case("django uvicorn", DJANGO, asgi),
        Case("django gunicorn uvicorn server=uvicorn", DJANGO, asgi),
        Case("django channels daphne gunicorn", channels, "daphne -b 0.0.0.0 -p 8000 site_.asgi:application"),
        Case("django gunicorn", two, "PORT=8000 gunicorn site_.wsgi:application"),
        Case("django gunicorn", below, "PORT=8000 PYTHONPATH=backend gunicorn site_.wsgi:application"),
        Case("django", DJANGO, "! no production server for the Django app `application` in site_/wsgi.py"),
    ]);
}

#[test]
fn frameworks_with_servers_of_their_own_use_them() {
    let sanic = "# app.py\nfrom sanic import Sanic\napp = Sanic('x')";
    let aio = "# app.py\nfrom aiohttp import web\napp = web.Application()";
    let aio_main = "# web/app.py\nfrom aiohttp import web\nasync def make_app():\n    app = web.Application()\n    return app\ndef main():\n    web.run_app(make_app(), port=9000)\nif __name__ == '__main__':\n    main()";
    let streamlit = "streamlit run app.py --server.address=0.0.0.0 --server.port=8501 --server.headless=true --browser.gatherUsageStats=false";
    let gradio = "GRADIO_SERVER_NAME=0.0.0.0 GRADIO_SERVER_PORT=7860 python demo.py";
    let celery = "# tasks.py\nfrom celery import Celery\nworker = Celery('x')";
    let both: &'static str = format!("{celery}\n{FASTAPI}").leak();
    check(&[
        Case("sanic", sanic, "sanic app:app --host 0.0.0.0 --port 8000 --single-process"),
        Case("sanic uvicorn server=uvicorn", sanic, "UVICORN_HOST=0.0.0.0 UVICORN_PORT=8000 uvicorn app:app"),
        Case("aiohttp gunicorn", aio, "PORT=8000 gunicorn -k aiohttp.GunicornWebWorker app:app"),
        Case(
            "aiohttp gunicorn",
            aio_main,
            "PORT=8000 gunicorn -k aiohttp.GunicornWebWorker web.app:make_app",
        ),
        Case("aiohttp", aio_main, "python -m web.app"),
        Case("aiohttp", aio, "! add gunicorn"),
        Case("streamlit", "# app.py\nimport streamlit as st\nst.title('x')", streamlit),
        Case(
            "streamlit",
            "# app.py\nimport streamlit as st\ndef main():\n    st.title('x')\nif __name__ == '__main__':\n    main()",
            streamlit,
        ),
        Case(
            "streamlit",
            "# app.py\nimport streamlit as st\nwith st.sidebar:\n    st.title('x')\n# helper.py\nimport streamlit as st\ndef f():\n    st.title('x')",
            streamlit,
        ),
        Case(
            "streamlit server=uvicorn uvicorn",
            "# app.py\nimport streamlit as st\nst.title('x')",
            "! uvicorn cannot serve",
        ),
        Case("gradio", "# demo.py\nimport gradio as gr\ndemo = gr.Interface(f)\ndemo.launch()", gradio),
        Case(
            "gradio",
            "# demo.py\nimport gradio as gr\nwith gr.Blocks() as d:\n    pass\nif __name__ == '__main__':\n    d.queue().launch()",
            gradio,
        ),
        Case("celery", celery, "celery -A tasks:worker worker"),
        Case("celery fastapi uvicorn", both, UVICORN),
    ]);
}

#[test]
fn the_application_is_told_from_what_looks_like_one() {
    let aside = ["tests/main.py", "examples/main.py", "docs/main.py", "a/test_x.py", "conftest.py"];
    for path in aside {
        let files = FASTAPI.replace("main.py", path);
        assert!(told("fastapi uvicorn", &files).contains("cannot tell"), "{path}");
        assert_eq!(told("fastapi uvicorn", &format!("{FASTAPI}\n{files}")), UVICORN, "{path}");
    }
    check(&[
        Case(
            "fastapi uvicorn",
            "# main.py\nfrom fastapi import APIRouter\napp = APIRouter()",
            "! cannot tell",
        ),
        Case(
            "flask gunicorn",
            "# app.py\nfrom flask import Blueprint, Flask\nbp = Blueprint('a', 'b')",
            "! cannot tell",
        ),
        Case(
            "fastapi uvicorn",
            "# main.py\nfrom typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from fastapi import FastAPI\n    app = FastAPI()",
            "! cannot tell",
        ),
        Case(
            "fastapi uvicorn",
            "# main.py\nfrom mine import FastAPI\napp = FastAPI()\n# mine.py\nclass FastAPI: 'fastapi'",
            "! cannot tell",
        ),
        Case(
            "fastapi uvicorn",
            "# main.py\nfrom fastapi import FastAPI\napi = FastAPI()\napp = FastAPI()\napp.mount('/api', api)",
            UVICORN,
        ),
        Case(
            "fastapi uvicorn",
            "# main.py\nfrom fastapi import FastAPI\nfrom sub.app import app as sub\napp = FastAPI()\napp.mount('/api', app=sub)\n# sub/app.py\nimport fastapi\napp = fastapi.FastAPI()",
            UVICORN,
        ),
        Case(
            "fastapi uvicorn",
            "# main.py\nfrom fastapi import FastAPI\nx = FastAPI()\napp = FastAPI()\ny = app",
            UVICORN,
        ),
        Case(
            "fastapi uvicorn",
            "# a/b/main.py\nfrom fastapi import FastAPI\napp = FastAPI()\n# main.py\nfrom fastapi import FastAPI\napp = FastAPI()",
            UVICORN,
        ),
        Case(
            "fastapi uvicorn",
            "# x/main.py\nfrom fastapi import FastAPI\napp = FastAPI()\n# src/my_web/main.py\nfrom fastapi import FastAPI\napp = FastAPI()",
            "UVICORN_HOST=0.0.0.0 UVICORN_PORT=8000 uvicorn my_web.main:app",
        ),
        Case(
            "fastapi uvicorn",
            "# x/main.py\nfrom fastapi import FastAPI\napp = FastAPI()\n# y/main.py\nfrom fastapi import FastAPI\napp = FastAPI()",
            "! found several applications: FastAPI app `app` in x/main.py; FastAPI app `app` in y/main.py",
        ),
        Case(
            "fastapi uvicorn",
            "# x.py\nfrom fastapi import FastAPI\na = FastAPI()\nb = FastAPI()",
            "! `a` in x.py; FastAPI app `b` in x.py | set entrypoint = [\"uvicorn\", \"x:a\", \"--host\", \"0.0.0.0\", \"--port\", \"8000\"], or",
        ),
        Case("starlette uvicorn", FASTAPI, "! cannot tell"),
    ]);
}

#[test]
fn modules_are_found_where_their_imports_are() {
    check(&[
        Case(
            "fastapi uvicorn",
            "# app/main.py\nfrom fastapi import FastAPI\nfrom db import x\napp = FastAPI()\n# app/db.py",
            "PYTHONPATH=app UVICORN_HOST=0.0.0.0 UVICORN_PORT=8000 uvicorn main:app",
        ),
        Case(
            "fastapi uvicorn",
            "# app/main.py\nfrom fastapi import FastAPI\nfrom app.db import x\napp = FastAPI()\n# app/db.py",
            "UVICORN_HOST=0.0.0.0 UVICORN_PORT=8000 uvicorn app.main:app",
        ),
        Case(
            "fastapi uvicorn",
            "# app/main.py\nfrom fastapi import FastAPI\nfrom .db import x\napp = FastAPI()\n# app/db.py",
            "UVICORN_HOST=0.0.0.0 UVICORN_PORT=8000 uvicorn app.main:app",
        ),
        Case(
            "fastapi uvicorn",
            "# my-app/main.py\nfrom fastapi import FastAPI\napp = FastAPI()",
            "PYTHONPATH=my-app UVICORN_HOST=0.0.0.0 UVICORN_PORT=8000 uvicorn main:app",
        ),
    ]);
}

#[test]
fn a_wanted_server_must_be_there_and_fit() {
    check(&[
        Case(
            "fastapi uvicorn granian server=granian",
            FASTAPI,
            "GRANIAN_HOST=0.0.0.0 GRANIAN_PORT=8000 granian --interface asgi main:app",
        ),
        Case(
            "fastapi uvicorn gunicorn server=gunicorn",
            FASTAPI,
            "PORT=8000 gunicorn -k uvicorn.workers.UvicornWorker main:app",
        ),
        Case(
            "fastapi uvicorn uvicorn-worker gunicorn server=gunicorn",
            FASTAPI,
            "PORT=8000 gunicorn -k uvicorn_worker.UvicornWorker main:app",
        ),
        Case("fastapi fastapi-cli", FASTAPI, "fastapi run main.py --app app --host 0.0.0.0 --port 8000"),
        Case(
            "fastapi gunicorn server=gunicorn",
            FASTAPI,
            "! gunicorn cannot serve the FastAPI app `app` in main.py",
        ),
        Case("fastapi waitress uvicorn server=waitress", FASTAPI, "! waitress cannot serve"),
        Case(
            "fastapi uvicorn server=hypercorn",
            FASTAPI,
            "! hypercorn is not among the locked dependencies | add hypercorn",
        ),
        Case(
            "fastapi uvicorn server=apache",
            FASTAPI,
            "! is not a known server | use one of uvicorn, gunicorn",
        ),
        Case("uvicorn server=uvicorn script=my-web", "# main.py\n", "! found no application for it"),
        Case("fastapi uvicorn server=uvicorn script=my-web", FASTAPI, UVICORN),
        Case(
            "fastapi gunicorn",
            FASTAPI,
            "! no production server for the FastAPI app `app` in main.py is among",
        ),
    ]);
}

#[test]
fn programs_come_in_the_order_of_their_promise() {
    let package = "# src/my_web/__main__.py\n# other/__main__.py";
    let guard = "if __name__ == '__main__':\n    main()";
    let script: &'static str = format!("# main.py\n{guard}\n# helper.py\nx = 1").leak();
    let scripts: &'static str = format!("# main.py\n{guard}\n# run.py\n{guard}").leak();
    let unclear: &'static str = format!("# a.py\n{guard}\n# b.py\n{guard}").leak();
    let turned = "# src/x.py\nif '__main__' == __name__: pass";
    check(&[
        Case("fastapi uvicorn script=my_web script=other", FASTAPI, "my_web"),
        Case("fastapi uvicorn script=other", FASTAPI, UVICORN),
        Case("fastapi script=other", FASTAPI, "other"),
        Case("script=other", package, "other"),
        Case(
            "script=a script=b",
            "# x.py\n",
            "! console script `a`, console script `b`, x.py | set entrypoint = [\"a\"], or whichever you want",
        ),
        Case("", package, "python -m my_web"),
        Case("", "# x/__main__.py\n# x/sub/__main__.py", "python -m x"),
        Case(
            "",
            "# x/__main__.py\n# y/__main__.py",
            "! found several programs: x/__main__.py, y/__main__.py",
        ),
        Case("", script, "python -m main"),
        Case("", scripts, "python -m main"),
        Case("", unclear, "! found several programs: a.py, b.py"),
        Case("", turned, "python -m x"),
        Case("", "# __main__.py\nprint(1)", "python __main__.py"),
        Case("", "# setup.py\nif __name__ == '__main__': pass", "! there is no console script"),
    ]);
}

#[test]
fn the_reason_says_what_was_found_where() {
    let answer = ask("fastapi uvicorn port=9000", FASTAPI).expect("an answer");
    assert_eq!(answer.reason, "FastAPI app `app` in main.py, served by uvicorn");
    assert_eq!((answer.port, answer.env["UVICORN_PORT"].as_str()), (Some(9000), "9000"));
    let answer = ask("script=my-web", "# a.py").expect("an answer");
    assert_eq!(
        (answer.reason.as_str(), answer.port),
        ("console script `my-web`, named like the project", None)
    );
}

#[test]
fn files_that_cannot_be_read_or_are_data_are_passed_over() {
    let folder = tempfile::tempdir().expect("a folder");
    let place = |name: &str| folder.path().join(name);
    fs::write(place("a"), b"from fastapi import FastAPI\napp = FastAPI()\n# \xff").expect("a file");
    let large = format!("from fastapi import FastAPI\napp = FastAPI()\n{}", "#".repeat(2 * 1024 * 1024));
    fs::write(place("b"), large).expect("a file");
    let files = ["a", "b", "c"].map(|name| (format!("{name}.py"), place(name)));
    let installed = ["fastapi", "uvicorn"].map(|name| name.parse().expect("a name")).into();
    let scripts = BTreeMap::new();
    let question = Question {
        name: "web",
        scripts: &scripts,
        files: &files,
        source_roots: &[],
        installed: &installed,
        optional: &[],
        image: None,
        procfile: None,
        fastapi: None,
        has_shell: true,
        server: None,
        port: None,
    };
    let error = detect(&question).expect_err("nothing to start");
    assert_eq!(error.kind(), crate::error::Kind::Usage);
    assert!(error.to_string().contains("a.py, b.py, c.py"), "{error}");
}

#[test]
fn files_of_thousands_of_lines_are_read_at_once() {
    let lines = |line: &dyn Fn(usize) -> String| (0..8_000).map(line).collect::<Vec<_>>().join("\n");
    let files = [
        lines(&|i| format!("class A{i}(A{}): pass", i + 1)),
        lines(&|i| format!("a{i} = Dash(server=a{})", i + 1)),
        lines(&|i| format!("a{i} = a{}", i + 1)),
        lines(&|i| format!("app_{i} = CORSMiddleware(app_{})", i + 1)),
        lines(&|i| format!("app{i} = FastAPI()")),
        lines(&|i| format!("def f{i}(): return f{}()", i + 1)),
        lines(&|i| format!("f{i}()\ndef f{i}(): g()")),
    ];
    for text in files {
        let file =
            format!("# main.py\nfrom fastapi import FastAPI\nfrom dash import Dash\n{text}\nx = FastAPI()");
        let began = std::time::Instant::now();
        drop(told("fastapi dash uvicorn gunicorn", &file));
        assert!(
            began.elapsed().as_secs() < 20,
            "{} takes {:?}",
            text.lines().next().unwrap_or_default(),
            began.elapsed()
        );
    }
}

#[test]
fn a_dispatcher_is_what_is_served_and_not_what_is_below_it() {
    let source = "# wsgi.py\nfrom flask import Flask\n\
        from werkzeug.middleware.dispatcher import DispatcherMiddleware\n\
        app = Flask('a')\nadmin = Flask('b')\napplication = DispatcherMiddleware(app, {'/admin': admin})";
    let within = "# app.py\nfrom flask import Flask\n\
        from werkzeug.middleware.dispatcher import DispatcherMiddleware\n\
        app = Flask('a')\nadmin = Flask('b')\n\
        app.wsgi_app = DispatcherMiddleware(app.wsgi_app, {'/admin': admin})";
    check(&[
        Case("flask gunicorn", source, "PORT=8000 gunicorn wsgi:application"),
        Case("flask gunicorn", within, "PORT=8000 gunicorn app:app"),
    ]);
}

#[test]
fn a_port_that_the_program_says_is_the_images() {
    let port = |setup: &str, files: &str| ask(setup, files).expect(files).port;
    let run = |call: &str| format!("# main.py\nif __name__ == '__main__':\n    {call}");
    assert_eq!(port("", &run("uvicorn.run(app, port=9000)")), Some(9000));
    assert_eq!(port("", &run("app.run(host='0.0.0.0', port=9001)")), Some(9001));
    assert_eq!(port("", &run("app.run(port=int(os.environ['PORT']))")), None);
    assert_eq!(port("", &run("a.run(port=1); b.run(port=2)")), None);
    assert_eq!(port("", &run("connect(port=5432)")), None);
    let cli = "# src/web/cli.py\nimport uvicorn\ndef main():\n    uvicorn.run('web:app', port=9002)\n\
        def other():\n    uvicorn.run('web:app', port=1)";
    assert_eq!(port("script=my-web", cli), Some(9002));
    let gradio = "# app.py\nimport gradio as gr\ndemo = gr.Blocks()\ndemo.launch(server_port=7000)";
    assert_eq!(port("gradio", gradio), Some(7000));
    assert_eq!(port("gradio port=80", gradio), Some(7000));
}

#[test]
fn what_has_no_handler_for_sigterm_is_interrupted() {
    let signal = |setup: &str, files: &str| ask(setup, files).expect(files).stop_signal;
    let script = "# main.py\nif __name__ == '__main__': run()";
    assert_eq!(signal("", script), Some("SIGINT"));
    assert_eq!(signal("", "# web/__main__.py\nrun()"), Some("SIGINT"));
    assert_eq!(signal("script=my-web", "# web/cli.py\nx = 1"), Some("SIGINT"));
    let handles = "# web/cli.py\nsignal.signal(signal.SIGTERM, stop)";
    assert_eq!(signal("script=my-web", handles), None);
    assert_eq!(signal("", &format!("{script}\n{handles}")), None);
    assert_eq!(signal("flask waitress", FLASK), Some("SIGINT"));
    assert_eq!(signal("gradio", "# app.py\nimport gradio as gr\ngr.Blocks().launch()"), Some("SIGINT"));
    for served in ["flask gunicorn", "flask granian", "flask uwsgi"] {
        assert_eq!(signal(served, FLASK), None, "{served}");
    }
    assert_eq!(signal("fastapi uvicorn", FASTAPI), None);
}

#[test]
fn a_script_may_be_named_like_the_project_but_for_its_decoration() {
    for (scripts, command) in [
        ("script=other script=myweb", "myweb"),
        ("script=other script=my-web.py", "my-web.py"),
        ("script=other script=python-my-web", "python-my-web"),
    ] {
        assert_eq!(ask(scripts, "").expect(scripts).command, [command], "{scripts}");
    }
    // Of two that are alike neither is the one.
    assert!(ask("script=myweb script=my-web-py", "").is_err());
}

#[test]
fn a_hint_names_the_script_that_serves() {
    for (scripts, named) in [
        ("script=echo_conf script=mywebctl script=mywebd", "[\"mywebd\"]"),
        ("script=a_proxy script=z_server", "[\"z_server\"]"),
        ("script=aaa script=my-web-admin", "[\"my-web-admin\"]"),
    ] {
        let error = ask(scripts, "").expect_err(scripts);
        assert!(error.hint_text().is_some_and(|hint| hint.contains(named)), "{scripts}: {error:?}");
    }
}

/// A command line of several commands, in the module that a console script names.
const HEAD: &str = "# web/__init__.py\n# web/cli.py\nimport click\n@click.group()\ndef main(): ...\n\
                    @main.command()\ndef add_paste(): ...\n@main.command('http')\ndef serve_it(): ...\n\
                    @click.command()\ndef other(): ...\n";

#[test]
fn a_head_of_commands_is_told_with_the_one_that_serves() {
    let notes = |files: &str| ask("script=my-web click", files).expect("started").notes;
    assert_eq!(
        notes(HEAD),
        [
            "`my-web` does nothing without one of its commands (add-paste, http); give one to each container, or set entrypoint = [\"my-web\", \"http\"]"
        ]
    );
    let elsewhere = HEAD.replace("web/cli.py", "web/command.py");
    let elsewhere = format!("{elsewhere}# web/cli.py\nfrom web.command import main\n");
    assert_eq!(notes(&elsewhere), notes(HEAD), "what is imported is followed");
    assert_eq!(notes(&HEAD.replace("'http'", "name='http'")), notes(HEAD));
    let of_tool =
        format!("{}# web/cli.py\nfrom web.manage import main\n", HEAD.replace("web/cli.py", "web/manage.py"));
    assert_eq!(notes(&of_tool), notes(HEAD), "whatever the file is named");
    for silent in [
        HEAD.replace("click.group()", "click.group(invoke_without_command=True)"),
        HEAD.replace("click.group()", "click.command()"),
        HEAD.replace("@main.", "@another."),
        HEAD.replace("def main", "def own"),
        String::new(),
    ] {
        assert!(notes(&silent).is_empty(), "{silent}");
    }
}

#[test]
fn of_other_scripts_the_one_that_serves_is_the_example() {
    let also = ask("script=my-web script=my-web-deps script=my-webd", "").expect("started").also;
    assert_eq!(also, ["console scripts `my-webd`, `my-web-deps`: entrypoint = [\"my-webd\"]"]);
}
