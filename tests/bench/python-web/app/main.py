"""A service that says which database library it has."""

import sqlalchemy
from fastapi import FastAPI

app = FastAPI()


@app.get("/")
def hello() -> dict[str, str]:
    return {"hello": sqlalchemy.__version__}
