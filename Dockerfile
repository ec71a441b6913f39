# The program, with the locked and hash-checked dependencies and none of the development tools.
FROM python:3.12-slim AS build
WORKDIR /src
COPY requirements.lock ./
# The lock as constraints: only what is needed of it is fetched, at its version and with its hash;
# what it does not have is refused.
RUN --mount=type=cache,target=/root/.cache/pip \
    pip install --disable-pip-version-check --require-hashes --constraint requirements.lock hatchling
COPY pyproject.toml README.md LICENSE ./
COPY shadow ./shadow
# Extras: a store that sidecars share, OpenTelemetry spans, Protobuf bodies. No pip comes along.
RUN --mount=type=cache,target=/root/.cache/pip \
    pip wheel --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir /wheels . \
    && wheel=$(echo /wheels/shadow_traffic-*.whl) \
    && echo "shadow-traffic[formats,otel,postgres] @ file://$wheel" \
            "--hash=sha256:$(sha256sum "$wheel" | cut -d' ' -f1)" > /wheels/requirements.txt \
    && python -m venv --without-pip /opt/shadow \
    && pip --python /opt/shadow/bin/python install --disable-pip-version-check \
           --require-hashes --constraint requirements.lock --requirement /wheels/requirements.txt

FROM python:3.12-slim
COPY --from=build /opt/shadow /opt/shadow
# What was seen is kept in /results/.shadow: mount a volume there to keep it.
RUN useradd --uid 10001 --no-create-home shadow && install --directory --owner=shadow /results
# By number, so that Kubernetes can tell that it is not root.
USER 10001
WORKDIR /results
ENV PATH=/opt/shadow/bin:$PATH PYTHONUNBUFFERED=1
# Traffic, and the read-only port. The admin port is for this machine alone.
EXPOSE 8000 9464
ENTRYPOINT ["shadow"]
CMD ["--help"]
