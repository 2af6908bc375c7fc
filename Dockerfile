# The image that every command runs in, under Fargate, Compose or by hand:
#   docker build -t schemahub .
#   docker run --rm -v lake:/data schemahub schemahub ingest BTC-USD --since 1h
#
# Pin the base by its digest, which your registry tells: --build-arg PYTHON_DIGEST=sha256:…
# A package index that needs settings: --secret id=pip,src=pip.conf (no layer keeps it).
ARG PYTHON_BASE=python:3.13-slim-bookworm
ARG PYTHON_DIGEST=

FROM ${PYTHON_BASE}${PYTHON_DIGEST:+@${PYTHON_DIGEST}} AS build
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_NO_INPUT=1
WORKDIR /src
COPY requirements/build.txt requirements/image.txt requirements/
# pip stays in the environment that builds: the one that runs has none.
RUN --mount=type=secret,id=pip,target=/etc/pip.conf \
    python3 -m venv /opt/build \
    && python3 -m venv --without-pip /opt/schemahub \
    && /opt/build/bin/pip install --quiet --require-hashes --only-binary :all: \
        -r requirements/build.txt \
    && /opt/build/bin/pip --python /opt/schemahub/bin/python3 install --quiet --no-compile \
        --require-hashes --only-binary :all: -r requirements/image.txt
COPY pyproject.toml LICENSE ./
COPY src src
COPY release/slim.py release/
RUN /opt/build/bin/pip wheel --quiet --no-deps --no-build-isolation --wheel-dir /opt/wheel . \
    && /opt/build/bin/pip --python /opt/schemahub/bin/python3 install --quiet --no-compile \
        --no-deps --no-index /opt/wheel/*.whl \
    && /opt/schemahub/bin/python3 -B release/slim.py \
    && python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/schemahub/lib \
    && chmod -R a+rX,go-w /opt/schemahub \
    && install -d -o 10001 -g 10001 /opt/data

FROM ${PYTHON_BASE}${PYTHON_DIGEST:+@${PYTHON_DIGEST}}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="schemahub" \
      org.opencontainers.image.description="Fetches, proves and serves the trades of crypto exchanges" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /opt/schemahub /opt/schemahub
COPY --from=build --chown=10001:10001 /opt/data /data
# Bytecode is there; nothing outside /data and /tmp is written, so the root may be read-only.
ENV PATH=/opt/schemahub/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp \
    TMPDIR=/tmp
# A volume of a Fargate task is root's and closed to others (0755), unless the image declares
# one at its path: then it has the owner and mode of that folder, which are stated here.
RUN chmod 1777 /tmp
VOLUME ["/tmp"]
# A number, as it needs no line in /etc/passwd and Kubernetes can see that it is not root.
USER 10001:10001
WORKDIR /data
STOPSIGNAL SIGTERM
CMD ["schemahub", "--help"]
