# Two stages: wheels are installed where pip's leftovers do no harm, the image that runs holds only what serves.
FROM python:3.12-slim AS build
COPY requirements.lock .
RUN python -m venv /opt/morsel \
 && /opt/morsel/bin/pip install --no-cache-dir --require-hashes -r requirements.lock

FROM python:3.12-slim
RUN useradd --system --uid 10001 --home-dir /var/lib/morsel --create-home morsel
COPY --from=build /opt/morsel /opt/morsel
WORKDIR /srv/morsel
COPY alembic.ini ./
COPY migrations ./migrations
COPY app ./app
ENV PATH=/opt/morsel/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    MORSEL_HOST=0.0.0.0 \
    MORSEL_DATA_DIR=/var/lib/morsel/data \
    MORSEL_MODEL_DIR=/var/lib/morsel/models
USER morsel
VOLUME /var/lib/morsel
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/readyz', timeout=2)"]
ENTRYPOINT ["python", "-m", "app.cli"]
CMD ["serve"]
