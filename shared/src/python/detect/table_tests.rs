//! Sixty small applications and more: frameworks, what is put around them, factories, layouts, and what
//! projects say themselves.

use super::tests::{Case, ask, check};

const FACTORY: &str = "def create_app(config):\n    app = Flask(__name__)\n    return app";

/// `files` with the imports that most of these need before each file's own lines.
fn with_imports(files: &str) -> &'static str {
    let imports = "from fastapi import FastAPI\nfrom flask import Flask\n";
    let lines = files.lines().map(|line| match line.strip_prefix("# ") {
        Some(path) if path.ends_with(".py") => format!("{line}\n{imports}"),
        _ => format!("{line}\n"),
    });
    lines.collect::<String>().leak()
}

/// Cases of FastAPI with uvicorn: what is served, in files that import it.
fn asgi(cases: &[(&'static str, &str)]) {
    for (files, served) in cases {
        let expected = format!("UVICORN_HOST=0.0.0.0 UVICORN_PORT=8000 uvicorn {served}").leak();
        check(&[Case("fastapi flask uvicorn", with_imports(files), expected)]);
    }
}

/// Cases of Flask with gunicorn.
fn wsgi(cases: &[(&'static str, &str)]) {
    for (files, served) in cases {
        let expected = format!("PORT=8000 gunicorn {served}").leak();
        check(&[Case("flask gunicorn", with_imports(files), expected)]);
    }
}

#[test]
fn what_is_put_around_an_application_is_served_in_its_place() {
    asgi(&[
        ("# main.py\napi = FastAPI()\napp = CORSMiddleware(app=api, allow_origins=['*'])", "main:app"),
        ("# main.py\nfastapi_app = FastAPI()\napp = CORSMiddleware(fastapi_app)", "main:app"),
        (
            "# main.py\nimport socketio\napi = FastAPI()\napp = socketio.ASGIApp(socketio.AsyncServer(), api)",
            "main:app",
        ),
        (
            "# main.py\nimport socketio\napp = FastAPI()\nsocket_app = socketio.ASGIApp(sio, other_asgi_app=app)",
            "main:socket_app",
        ),
        ("# main.py\napp = FastAPI()\nasgi_app = SentryAsgiMiddleware(app)", "main:asgi_app"),
        ("# main.py\napp = FastAPI()\napp = CORSMiddleware(app)", "main:app"),
        ("# main.py\n_app = FastAPI()\napp = Outer(Inner(_app, x=1), y=[2])", "main:app"),
        (
            "# main.py\napi = FastAPI()\nlogged = LoggingMiddleware(api)\napp = CORSMiddleware(logged)",
            "main:app",
        ),
        ("# main.py\napp = CORSMiddleware(FastAPI())", "main:app"),
        (
            "# main.py\n_app = FastAPI()\nasync def app(scope, receive, send):\n    await _app(scope, receive, send)",
            "main:app",
        ),
        ("# api.py\napi = FastAPI()\n# main.py\nfrom api import api\napp = Around(api)", "main:app"),
        (
            "# web/core.py\nfastapi_app = FastAPI()\n# web/asgi.py\nfrom .core import fastapi_app\napp = Around(fastapi_app)",
            "web.asgi:app",
        ),
        // A factory that puts something around.
        (
            "# main.py\ndef create_app():\n    app = FastAPI()\n    return CORSMiddleware(app)",
            "--factory main:create_app",
        ),
        // What serves changes with the wrapper.
        (
            "# main.py\nfrom asgiref.wsgi import WsgiToAsgi\nflask_app = Flask('x')\napp = WsgiToAsgi(flask_app)",
            "main:app",
        ),
        (
            "# main.py\nfrom a2wsgi import WSGIMiddleware\napp = Flask('x')\napp = WSGIMiddleware(app)",
            "main:app",
        ),
    ]);
    wsgi(&[
        ("# app.py\napp = Flask('x')\napp.wsgi_app = ProxyFix(app.wsgi_app)", "app:app"),
        ("# app.py\napp = Flask('x')\napplication = ProxyFix(app)", "app:application"),
        (
            "# app.py\nflask_app = Flask('x')\napplication = WhiteNoise(flask_app.wsgi_app, root='s')",
            "app:application",
        ),
        (
            "# app.py\nimport socketio\napp = Flask('x')\napp.wsgi_app = socketio.WSGIApp(sio, app.wsgi_app)",
            "app:app",
        ),
        (
            "# app.py\n_app = Flask('x')\ndef application(environ, start_response):\n    return _app(environ, start_response)",
            "app:application",
        ),
        (
            "# app.py\n_app = Flask('x')\ndef application(env, start):\n    return _app.wsgi_app(env, start)",
            "app:application",
        ),
        ("# app.py\napp = Flask('x')\n# wsgi.py\nfrom app import app as application", "wsgi:application"),
        (
            "# app.py\napp = Flask('x')\n# wsgi.py\nfrom app import app\napplication = ProxyFix(app)",
            "wsgi:application",
        ),
    ]);
    check(&[
        Case(
            "fastapi gunicorn",
            "# main.py\nfrom fastapi import FastAPI\nfrom a2wsgi import ASGIMiddleware\napi = FastAPI()\napp = ASGIMiddleware(api)",
            "PORT=8000 gunicorn main:app",
        ),
        Case(
            "gunicorn",
            "# app.py\ndef application(environ, start_response):\n    return [b'x']",
            "PORT=8000 gunicorn app:application",
        ),
        Case(
            "uvicorn",
            "# app.py\nasync def app(scope, receive, send):\n    pass",
            "UVICORN_HOST=0.0.0.0 UVICORN_PORT=8000 uvicorn app:app",
        ),
    ]);
}

#[test]
fn what_takes_an_application_is_not_always_served() {
    asgi(&[
        ("# main.py\napp = FastAPI()\nhandler = Mangum(app)", "main:app"),
        ("# main.py\napp = FastAPI()\nlambda_app = Mangum(app)", "main:app"),
        ("# main.py\napp = FastAPI()\nclient = TestClient(app)\ntest_app = TestApp(app)", "main:app"),
        (
            "# main.py\nimport socketio\napp = FastAPI()\nws_app = socketio.ASGIApp(sio)\napp.mount('/ws', ws_app)",
            "main:app",
        ),
        (
            "# main.py\nimport socketio\napp = FastAPI()\nws_app = socketio.ASGIApp(sio, app)\napp.mount('/ws', ws_app)",
            "main:app",
        ),
        ("# main.py\napp = FastAPI()\nadmin_app = Admin(app)", "main:app"),
        ("# main.py\napp = FastAPI()\nmcp = FastApiMCP(app)\nother_app = thing(app)", "main:app"),
    ]);
    wsgi(&[
        ("# app.py\napp = Flask('x')\ndb = SQLAlchemy(app)\napi = Api(app)\nserver = Server(app)", "app:app"),
        ("# app.py\napp = Flask('x')\ncelery_app = make_celery(app)", "app:app"),
        (
            "# app.py\napp = Flask('x')\ndef application(request, other):\n    return app(request, other)",
            "app:app",
        ),
    ]);
    check(&[Case(
        "flask celery gunicorn",
        "# app.py\nfrom flask import Flask\nfrom celery import Celery\ndef make_celery(app):\n    return Celery(app.name)\napp = Flask('x')\ncelery = make_celery(app)",
        "PORT=8000 gunicorn app:app",
    )]);
}

#[test]
fn factories_may_have_got_their_arguments() {
    let package = format!("# app/__init__.py\n{FACTORY}\n").leak();
    let with = |file: &str| format!("{package}{file}");
    let environment = with(
        "# flasky.py\nimport os\nfrom app import create_app\napp = create_app(os.getenv('X') or 'default')",
    );
    let relative = with("# app/wsgi.py\nfrom . import create_app\napp = create_app(config='p')");
    let beside = "# backend/make.py\ndef build(name):\n    return Flask(name)\n# backend/wsgi.py\nfrom make import build\napp = build('x')";
    wsgi(&[
        (with("# web.py\nfrom app import create_app\napp = create_app('x')").leak(), "web:app"),
        (environment.leak(), "flasky:app"),
        (relative.leak(), "app.wsgi:app"),
        ("# app.py\ndef make_app(*args, debug=False):\n    return Flask('x')", "app:make_app()"),
        (
            "# app.py\nclass Factory:\n    pass\nclass Mine(Flask):\n    pass\ndef create(x): return Mine(x)\napp = create(1)",
            "app:app",
        ),
    ]);
    check(&[
        Case("flask gunicorn", with_imports(package), "! cannot tell"),
        Case("flask gunicorn", with_imports(beside), "PORT=8000 PYTHONPATH=backend gunicorn wsgi:app"),
    ]);
}

#[test]
fn django_is_found_by_what_it_says_and_by_its_convention() {
    let handler = "# shop/asgi/__init__.py\nfrom .handler import get_asgi_application\napplication = get_asgi_application()\n\
        # shop/asgi/handler.py\nfrom django.core.handlers.asgi import ASGIHandler\ndef get_asgi_application():\n    return ASGIHandler()\n\
        # shop/celeryconf.py\nfrom celery import Celery\napp = Celery('shop')";
    let subclass = "# p/wsgi.py\nfrom .h import Handler\napplication = Handler()\n# p/h.py\nfrom django.core.handlers.wsgi import WSGIHandler\nclass Handler(WSGIHandler): pass";
    let configurations = "# manage.py\n# p/wsgi.py\nfrom configurations.wsgi import get_wsgi_application\napplication = get_wsgi_application()";
    let tandoor = "# recipes/wsgi.py\nfrom django.core.wsgi import get_wsgi_application\n_application = get_wsgi_application()\n\
        def application(environ, start_response):\n    return _application(environ, start_response)";
    let two = |settings: &str| {
        format!(
            "# manage.py\nimport os\ndef main():\n    os.environ.setdefault('DJANGO_SETTINGS_MODULE', '{settings}')\n\
             # a/settings.py\n'django'\nWSGI_APPLICATION = 'a.wsgi.application'\n\
             # b/base.py\n'django'\nWSGI_APPLICATION = 'b.wsgi.application'\n# b/local.py\nfrom .base import *\n\
             # a/wsgi.py\nfrom django.core.wsgi import get_wsgi_application\napplication = get_wsgi_application()\n\
             # b/wsgi.py\nfrom django.core.wsgi import get_wsgi_application\napplication = get_wsgi_application()"
        )
        .leak()
    };
    let routing = "# manage.py\nimport os\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'p.settings')\n\
        # p/settings.py\nASGI_APPLICATION = 'p.routing.application'\n# p/routing.py\nfrom mine import make\napplication = make()";
    let channels = "# p/asgi.py\nfrom django.core.asgi import get_asgi_application\nfrom channels.routing import ProtocolTypeRouter\n\
        django_asgi_app = get_asgi_application()\napplication = ProtocolTypeRouter({'http': django_asgi_app})";
    let uvicorn = "UVICORN_HOST=0.0.0.0 UVICORN_PORT=8000 uvicorn";
    let served = |app: &str| format!("{uvicorn} {app}").leak() as &'static str;
    check(&[
        Case("django celery uvicorn", handler, served("shop.asgi:application")),
        Case("django gunicorn", subclass, "PORT=8000 gunicorn p.wsgi:application"),
        Case("django gunicorn", configurations, "PORT=8000 gunicorn p.wsgi:application"),
        Case("django gunicorn", tandoor, "PORT=8000 gunicorn recipes.wsgi:application"),
        Case("django gunicorn", two("a.settings"), "PORT=8000 gunicorn a.wsgi:application"),
        Case("django gunicorn", two("b.local"), "PORT=8000 gunicorn b.wsgi:application"),
        Case("django uvicorn", routing, served("p.routing:application")),
        Case("django channels daphne", channels, "daphne -b 0.0.0.0 -p 8000 p.asgi:application"),
    ]);
}

#[test]
fn a_procfile_is_what_the_project_says_itself() {
    let apps = "# wsgi.py\nfrom flask import Flask\napp = Flask('x')\n# app.py\nfrom flask import Flask\napp = Flask('x')";
    let with = |procfile: &str| format!("# Procfile\n{procfile}\n{apps}").leak() as &'static str;
    let case =
        |setup: &'static str, procfile: &str, expected: &'static str| Case(setup, with(procfile), expected);
    check(&[
        case(
            "flask gunicorn",
            "web: gunicorn wsgi:app --workers 3",
            "PORT=8000 gunicorn wsgi:app --workers 3",
        ),
        case("flask gunicorn port=80", "web: gunicorn wsgi:app", "PORT=80 gunicorn wsgi:app"),
        case(
            "flask gunicorn",
            "web: gunicorn --bind 0.0.0.0:$PORT wsgi:app",
            "gunicorn --bind 0.0.0.0:8000 wsgi:app",
        ),
        case("flask gunicorn", "web: gunicorn -b :${PORT:-5000} wsgi:app", "gunicorn -b :5000 wsgi:app"),
        case(
            "flask gunicorn",
            "web: poetry run gunicorn 'app:create_app()'",
            "PORT=8000 gunicorn app:create_app()",
        ),
        case(
            "uvicorn",
            "web: uvicorn main:app --port=$PORT --host=0.0.0.0",
            "uvicorn main:app --port=8000 --host=0.0.0.0",
        ),
        case("uvicorn", "web: uvicorn main:app", "UVICORN_HOST=0.0.0.0 UVICORN_PORT=8000 uvicorn main:app"),
        case("flask gunicorn", "web: LEVEL=info gunicorn wsgi:app", "LEVEL=info PORT=8000 gunicorn wsgi:app"),
        case("flask", "web: python app.py", "python app.py"),
        case(
            "gunicorn",
            "web: ./manage.py migrate && gunicorn wsgi:app",
            "PORT=8000 sh -c ./manage.py migrate && exec gunicorn wsgi:app",
        ),
        case(
            "gunicorn",
            "web: if [ -n \"$X\" ]; then gunicorn wsgi:app; else gunicorn wsgi:other; fi",
            "sh -c if [ -n \"$X\" ]; then gunicorn wsgi:app; else gunicorn wsgi:other; fi",
        ),
        case(
            "gunicorn",
            "web: gunicorn wsgi:app -w $N -b :$PORT",
            "PORT=8000 sh -c exec gunicorn wsgi:app -w $N -b :$PORT",
        ),
        case("gunicorn", "web: cat x | gunicorn wsgi:app", "sh -c cat x | gunicorn wsgi:app"),
        case(
            "gunicorn no-shell",
            "web: a && gunicorn wsgi:app",
            "! which only a shell understands, but the base has none",
        ),
        case(
            "flask",
            "web: gunicorn wsgi:app",
            "! `web` of the Procfile starts gunicorn, which is not among the locked dependencies",
        ),
        case(
            "flask extra=gunicorn",
            "web: gunicorn wsgi:app",
            "! gunicorn is in the extra prod: give --extra prod",
        ),
        case("flask gunicorn", "\nrelease: x\nweb page: y\n//x", "PORT=8000 gunicorn wsgi:app"),
        Case("celery", "# Procfile\nworker: celery -A tasks worker\nrelease: ./x", "celery -A tasks worker"),
        Case("", "# Procfile\nworker: python bot.py\n# bot.py\nrun()\n# other.py\nrun()", "python bot.py"),
    ]);
    let answer = ask("gunicorn celery", "# Procfile\nweb: gunicorn wsgi:app\nworker: celery -A tasks worker")
        .expect("an answer");
    assert_eq!(
        answer.also,
        ["`worker` of the Procfile: entrypoint = [\"celery\", \"-A\", \"tasks\", \"worker\"]"]
    );
    assert_eq!(
        (answer.port, answer.reason.as_str()),
        (Some(8000), "`web` of the Procfile, gunicorn wsgi:app")
    );
}

#[test]
fn an_image_is_what_is_named_like_it() {
    let files =
        "# Procfile\nweb: gunicorn wsgi:app\nworker: celery -A tasks worker\nbeat: celery -A tasks beat";
    let script = "# web/cli.py\nx = 1\n# web/main.py\nfrom fastapi import FastAPI\napp = FastAPI()";
    check(&[
        Case("gunicorn image=worker", files, "celery -A tasks worker"),
        Case("gunicorn image=beat", files, "celery -A tasks beat"),
        Case("gunicorn image=web", files, "PORT=8000 gunicorn wsgi:app"),
        Case("gunicorn image=other", files, "PORT=8000 gunicorn wsgi:app"),
        Case("fastapi uvicorn script=jobs image=jobs", script, "jobs"),
        Case(
            "fastapi uvicorn script=jobs image=other",
            script,
            "UVICORN_HOST=0.0.0.0 UVICORN_PORT=8000 uvicorn web.main:app",
        ),
    ]);
}

#[test]
fn tools_may_say_what_is_served() {
    let fastapi = "# a.py\nfrom fastapi import FastAPI\nx = FastAPI()\n# b.py\nfrom fastapi import FastAPI\ny = FastAPI()";
    let conf = |text: &str| {
        format!("# gunicorn.conf.py\n{text}\n# app.py\nfrom flask import Flask\napp = Flask('x')").leak()
            as &'static str
    };
    let worker = "# gunicorn.conf.py\nworker_class = 'uvicorn.workers.UvicornWorker'\n# app.py\nimport fastapi\napp = fastapi.FastAPI()";
    check(&[
        Case("fastapi uvicorn fastapi=b:y", fastapi, "UVICORN_HOST=0.0.0.0 UVICORN_PORT=8000 uvicorn b:y"),
        Case("fastapi uvicorn", fastapi, "! found several applications"),
        Case("flask gunicorn", conf("bind = '0.0.0.0:9000'"), "gunicorn app:app"),
        Case("flask gunicorn", conf("bind = '127.0.0.1:9000'"), "gunicorn app:app --bind=0.0.0.0:8000"),
        Case("flask gunicorn port=80", conf("bind = '0.0.0.0:9000'"), "gunicorn app:app --bind=0.0.0.0:80"),
        Case(
            "flask gunicorn",
            conf("import os\nbind = f\"0.0.0.0:{os.environ['X']}\""),
            "PORT=8000 gunicorn app:app",
        ),
        Case("flask gunicorn", conf("wsgi_app = 'other:app'\nworkers = 3"), "PORT=8000 gunicorn"),
        Case(
            "flask waitress",
            conf("wsgi_app = 'other:app'"),
            "waitress-serve --listen=0.0.0.0:8000 app:app",
        ),
        Case("fastapi uvicorn gunicorn", worker, "PORT=8000 gunicorn app:app"),
        Case(
            "uvicorn line=uvicorn+app.main:app+--host+0.0.0.0",
            "# x.py",
            "UVICORN_PORT=8000 uvicorn app.main:app --host 0.0.0.0",
        ),
        Case("flask gunicorn line=flask+run", conf("x = 1"), "PORT=8000 gunicorn app:app"),
    ]);
    let port = |text: &str| ask("flask gunicorn", conf(text)).expect("an answer").port;
    assert_eq!(port("bind = '0.0.0.0:9000'"), Some(9000));
    assert_eq!(port("bind = ['0.0.0.0:9001', '[::]:9001']"), Some(9001));
    assert_eq!(port("import os\nbind = os.getenv('BIND', '0.0.0.0:9002')"), Some(9002));
    assert_eq!(port("address = '0.0.0.0:9003'\nbind = address"), Some(9003));
    assert_eq!(port("bind = 'unix:/run/x.sock'"), None);
    assert_eq!(port("workers = 3"), Some(8000));
}

#[test]
fn a_program_comes_before_an_application_only_where_it_serves_it() {
    let app = "# web/main.py\nfrom fastapi import FastAPI\napp = FastAPI()\n";
    let cli = |text: &str| format!("{app}# web/cli.py\n{text}").leak() as &'static str;
    let served = "UVICORN_HOST=0.0.0.0 UVICORN_PORT=8000 uvicorn web.main:app";
    let factory = "# web/asgi.py\ndef create_app():\n    from litestar import Litestar\n    return Litestar([])\n# web/cli.py\nrun = 1";
    let unusual = "# web/tools.py\nfrom fastapi import FastAPI\nbackend = FastAPI()\n# web/cli.py\nx = 1";
    let deep = cli(
        "def main():\n    from .commands import serve\n# web/commands/__init__.py\n# web/commands/serve.py\nimport uvicorn",
    );
    let django = "# web/wsgi.py\nfrom django.core.wsgi import get_wsgi_application\napplication = get_wsgi_application()\n\
        # web/cli.py\nimport sys\ndef main():\n    from django.core.management import execute_from_command_line";
    check(&[
        Case("fastapi uvicorn script=my-web", cli("def main(): print(1)"), served),
        Case(
            "fastapi uvicorn script=my-web",
            cli("def main():\n    import uvicorn\n    uvicorn.run('web.main:app')"),
            "my-web",
        ),
        Case(
            "fastapi uvicorn script=my-web",
            cli("def main():\n    subprocess.run(['uvicorn', 'web.main:app'])"),
            "my-web",
        ),
        Case("fastapi uvicorn script=my-web", deep, "my-web"),
        Case("fastapi script=my-web", cli("x = 1"), "my-web"),
        Case("fastapi uvicorn script=my-web", unusual, "my-web"),
        Case(
            "litestar granian script=my-web",
            factory,
            "GRANIAN_HOST=0.0.0.0 GRANIAN_PORT=8000 granian --interface asgi --factory web.asgi:create_app",
        ),
        Case("django gunicorn script=my-web", django, "PORT=8000 gunicorn web.wsgi:application"),
        // Imported from a folder that is not known to be one that modules are imported from.
        Case(
            "django gunicorn script=my-web",
            "# site/web/cli.py\nfrom web.run import main\n# site/web/run.py\nx = 1\n# site/manage.py\n# site/web/wsgi.py\n\
             from django.core.wsgi import get_wsgi_application\napplication = get_wsgi_application()",
            "PORT=8000 PYTHONPATH=site gunicorn web.wsgi:application",
        ),
        Case(
            "streamlit script=my-web",
            "# app.py\nimport streamlit as st\nst.title('x')\n# web/cli.py\nx = 1",
            "my-web",
        ),
    ]);
    let also = |setup: &str, files: &str| ask(setup, files).expect("an answer").also;
    assert_eq!(
        also("fastapi uvicorn script=my-web", cli("x = 1")),
        ["console script `my-web`: entrypoint = [\"my-web\"]"]
    );
    assert_eq!(
        also("fastapi uvicorn script=my-web", cli("import uvicorn")),
        [
            "FastAPI app `app` in web/main.py: entrypoint = [\"uvicorn\", \"web.main:app\", \"--host\", \"0.0.0.0\", \"--port\", \"8000\"]"
        ]
    );
}

#[test]
fn a_worker_never_takes_the_place_of_an_application_that_was_not_found() {
    let celery = "# tasks.py\nfrom celery import Celery\napp = Celery('x')";
    let both = format!("{celery}\n# main.py\nfrom fastapi import FastAPI\napp = FastAPI()").leak();
    check(&[
        Case("celery", celery, "celery -A tasks:app worker"),
        Case("celery uvicorn", celery, "celery -A tasks:app worker"),
        Case("celery django gunicorn", celery, "! is a worker, and found no application of Django"),
        Case(
            "celery django gunicorn",
            celery,
            "! set entrypoint = [\"celery\", \"-A\", \"tasks:app\", \"worker\"]",
        ),
        Case("celery fastapi uvicorn", both, "UVICORN_HOST=0.0.0.0 UVICORN_PORT=8000 uvicorn main:app"),
    ]);
    assert_eq!(
        ask("celery fastapi uvicorn", both).expect("an answer").also,
        ["Celery app `app` in tasks.py: entrypoint = [\"celery\", \"-A\", \"tasks:app\", \"worker\"]"]
    );
}

#[test]
fn a_server_that_the_lock_has_elsewhere_is_named() {
    let two =
        "# a.py\nfrom flask import Flask\nx = Flask('x')\n# b.py\nfrom flask import Flask\ny = Flask('x')";
    let one = "# a.py\nfrom flask import Flask\napp = Flask('x')";
    check(&[
        Case("flask extra=gunicorn", one, "! | gunicorn is in the extra prod: give --extra prod, or set"),
        Case(
            "flask extra=gunicorn server=gunicorn",
            one,
            "! | gunicorn is in the extra prod: give --extra prod",
        ),
        Case(
            "flask extra=gunicorn",
            two,
            "! gunicorn is in the extra prod: give --extra prod, and set entrypoint = [\"gunicorn\", \"a:x\", \"--bind\", \"0.0.0.0:8000\"]",
        ),
        Case(
            "flask",
            two,
            "! | add gunicorn to the dependencies, and set entrypoint = [\"gunicorn\", \"a:x\", ",
        ),
        Case(
            "flask gunicorn",
            two,
            "! | set entrypoint = [\"gunicorn\", \"a:x\", \"--bind\", \"0.0.0.0:8000\"], or",
        ),
    ]);
}

#[test]
fn a_single_file_that_just_runs_is_started() {
    check(&[
        Case("", "# app.py\nprint('hello')", "python -m app"),
        Case("", "# bot.py\nimport discord\nclient = discord.Client()\nclient.run('x')", "python -m bot"),
        Case(
            "",
            "# bot.py\nimport config\nwhile True:\n    work()\n# config.py\nload_dotenv()",
            "python -m bot",
        ),
        Case("", "# main.py\nrun()\n# tool.py\nrun()", "python -m main"),
        Case("", "# a.py\nrun()\n# b.py\nrun()", "! found several programs: a.py, b.py"),
        Case("", "# a.py\n'''Only words.'''\nx = f()\ndef g(): h()", "! cannot tell"),
        Case("", "# a.py\nprint(1)\n# b.py\nif __name__ == '__main__': run()", "python -m b"),
    ]);
}
