"""A web service that greets, and says which Python it runs on."""

import platform

from fastapi import FastAPI

app = FastAPI(title="hello-fastapi")


@app.get("/")
def greet() -> dict[str, str]:
    """Greets."""
    return {"hello": "world", "python": platform.python_version(), "machine": platform.machine()}


@app.get("/healthz")
def healthy() -> dict[str, bool]:
    """Answers as long as the service is up."""
    return {"ok": True}
