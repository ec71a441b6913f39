# The program, with the locked and hash-checked dependencies and none of the development tools.
FROM python:3.12-slim AS build
WORKDIR /src
COPY requirements.lock ./
RUN pip wheel --no-cache-dir --disable-pip-version-check --require-hashes \
        --wheel-dir /wheels --requirement requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY shadow ./shadow
RUN pip install --no-cache-dir --no-index --find-links /wheels hatchling \
    && pip wheel --no-deps --no-index --no-build-isolation --wheel-dir /wheels . \
    && python -m venv /opt/shadow \
    && /opt/shadow/bin/pip install --no-index --find-links /wheels shadow-traffic

FROM python:3.12-slim
COPY --from=build /opt/shadow /opt/shadow
# Runs are kept in /results/.shadow: mount a volume there to keep them.
RUN useradd --uid 10001 --no-create-home shadow && install --directory --owner=shadow /results
USER shadow
WORKDIR /results
ENV PATH=/opt/shadow/bin:$PATH
ENTRYPOINT ["shadow"]
CMD ["--help"]
