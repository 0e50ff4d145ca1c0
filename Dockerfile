# Puntuale as a container: built in one stage, run in another that has no compiler and no root.
FROM python:3.11-slim-bookworm AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src
RUN python -m venv /opt/puntuale
COPY deploy/requirements.txt ./
RUN /opt/puntuale/bin/pip install --require-hashes -r requirements.txt
COPY pyproject.toml README.md LICENSE .env.example ./
COPY models ./models
COPY pipelines ./pipelines
COPY serving ./serving
RUN /opt/puntuale/bin/pip install --no-deps .

FROM python:3.11-slim-bookworm
# LightGBM's threads
RUN apt-get update \
 && apt-get install --yes --no-install-recommends libgomp1 \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --uid 10001 --create-home --home-dir /var/lib/puntuale puntuale
COPY --from=build /opt/puntuale /opt/puntuale
# everything that is written goes below one folder (and /tmp): the rest may be read-only
ENV PATH=/opt/puntuale/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PUNTUALE_HOME=/var/lib/puntuale/data \
    NUMBA_CACHE_DIR=/var/lib/puntuale/numba \
    MPLCONFIGDIR=/tmp \
    DO_NOT_TRACK=1 \
    PREFECT_SERVER_ANALYTICS_ENABLED=false \
    MLFLOW_DISABLE_TELEMETRY=true
USER 10001
WORKDIR /var/lib/puntuale
VOLUME ["/var/lib/puntuale"]
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
ENTRYPOINT ["puntuale"]
CMD ["serve", "--host", "0.0.0.0"]
