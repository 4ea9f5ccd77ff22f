//! The frameworks that are known, and what makes their applications.

/// What a framework's application needs to be served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Serves {
    /// An ASGI server.
    Asgi,
    /// A WSGI server.
    Wsgi,
    /// Its own server.
    Sanic,
    /// Its own server, or gunicorn with its worker.
    AioHttp,
    /// Its own program, which takes the file.
    Streamlit,
    /// Nothing: the file is a program.
    Gradio,
    /// Its own worker.
    Celery,
}

/// A framework whose applications are recognised.
#[derive(Debug)]
pub(super) struct Framework {
    /// How it calls itself.
    pub(super) title: &'static str,
    /// The distribution that it is, which is also what its modules are named.
    pub(super) distribution: &'static str,
    /// The interface of its applications, or the program that runs them.
    pub(super) serves: Serves,
    /// What makes its applications.
    pub(super) makers: &'static [&'static str],
}

const fn framework(
    title: &'static str,
    distribution: &'static str,
    serves: Serves,
    makers: &'static [&'static str],
) -> Framework {
    Framework { title, distribution, serves, makers }
}

/// All frameworks that are known.
pub(super) static FRAMEWORKS: [Framework; 19] = [
    framework("FastAPI", "fastapi", Serves::Asgi, &["fastapi.FastAPI", "fastapi.applications.FastAPI"]),
    framework("Starlette", "starlette", Serves::Asgi, &["starlette.applications.Starlette"]),
    framework("Litestar", "litestar", Serves::Asgi, &["litestar.Litestar", "litestar.app.Litestar"]),
    framework("Quart", "quart", Serves::Asgi, &["quart.Quart", "quart.app.Quart"]),
    framework(
        "BlackSheep",
        "blacksheep",
        Serves::Asgi,
        &["blacksheep.Application", "blacksheep.server.Application"],
    ),
    framework("Falcon", "falcon", Serves::Asgi, &["falcon.asgi.App"]),
    framework("Sanic", "sanic", Serves::Sanic, &["sanic.Sanic", "sanic.app.Sanic"]),
    framework(
        "Flask",
        "flask",
        Serves::Wsgi,
        &["flask.Flask", "flask.app.Flask", "werkzeug.middleware.dispatcher.DispatcherMiddleware"],
    ),
    framework("APIFlask", "apiflask", Serves::Wsgi, &["apiflask.APIFlask"]),
    framework(
        "Django",
        "django",
        Serves::Wsgi,
        &["django.core.wsgi.get_wsgi_application", "django.core.handlers.wsgi.WSGIHandler"],
    ),
    framework(
        "Django",
        "django",
        Serves::Asgi,
        &[
            "django.core.asgi.get_asgi_application",
            "django.core.handlers.asgi.ASGIHandler",
            "channels.routing.ProtocolTypeRouter",
        ],
    ),
    framework("Dash", "dash", Serves::Wsgi, &["dash.Dash", "dash.dash.Dash"]),
    framework("Bottle", "bottle", Serves::Wsgi, &["bottle.Bottle", "bottle.default_app", "bottle.app"]),
    framework("Falcon", "falcon", Serves::Wsgi, &["falcon.App", "falcon.API"]),
    framework("Pyramid", "pyramid", Serves::Wsgi, &["pyramid.config.Configurator().make_wsgi_app"]),
    framework("aiohttp", "aiohttp", Serves::AioHttp, &["aiohttp.web.Application"]),
    framework("Streamlit", "streamlit", Serves::Streamlit, &[]),
    framework("Gradio", "gradio", Serves::Gradio, &[]),
    framework("Celery", "celery", Serves::Celery, &["celery.Celery", "celery.app.Celery"]),
];

/// What is served without a framework: a function that speaks WSGI.
pub(super) static WSGI: Framework = framework("WSGI", "", Serves::Wsgi, &[]);
/// A coroutine that speaks ASGI.
pub(super) static ASGI: Framework = framework("ASGI", "", Serves::Asgi, &[]);

impl Framework {
    /// The one with this title that is served so.
    pub(super) fn named(title: &str, serves: Serves) -> Option<&'static Self> {
        FRAMEWORKS.iter().find(|framework| framework.title == title && framework.serves == serves)
    }
}
