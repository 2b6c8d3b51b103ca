# Scoring without TensorFlow, in less than 1 GB: see docs/install.md.
FROM python:3.11 AS build
WORKDIR /src
COPY . .
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM python:3.11-slim
ENV FEATX_HOME=/var/cache/featx
# Compiled files are kept of what every command imports; those of all packages would take 130 MB.
RUN --mount=type=bind,from=build,source=/wheels,target=/wheels \
    --mount=type=bind,source=docs/slim.txt,target=/slim.txt \
    pip install --no-cache-dir --no-compile --no-deps /wheels/*.whl && \
    pip install --no-cache-dir --no-compile -r /slim.txt && \
    cd "$(python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')" && \
    python -m compileall -q featx numpy scipy sklearn joblib h5py pyarrow openvino PIL rich typer && \
    install -d -m 1777 "$FEATX_HOME"
WORKDIR /data
USER 1000
ENTRYPOINT ["featx"]
CMD ["--help"]
