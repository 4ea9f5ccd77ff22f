# What people write today: the environment is made by uv in one stage and copied into the next.
ARG BASE
FROM $BASE AS build
COPY uv roots.pem /opt/
ENV SSL_CERT_FILE=/opt/roots.pem UV_PYTHON_DOWNLOADS=never UV_LINK_MODE=copy UV_CACHE_DIR=/opt/cache
WORKDIR /app
COPY pyproject.toml uv.lock ./
RUN /opt/uv sync --frozen --no-dev --no-install-project
COPY app app

FROM $BASE
COPY --from=build --chown=65532:65532 /app /app
ENV PATH=/app/.venv/bin:/usr/local/bin:/usr/bin:/bin
WORKDIR /app
USER 65532:65532
