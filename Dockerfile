# syntax=docker/dockerfile:1
# Serves a run that is mounted at /model:
#
#     docker build -t fieldmark .
#     docker run --rm -p 8000:8000 -v "$PWD/runs/first:/model:ro" fieldmark
#
# Any other command works, too: docker run --rm -v "$PWD:/work" -w /work fieldmark data check photos/

ARG PYTHON=3.12

FROM python:${PYTHON}-slim AS build
# The build of torch for processors; the usual one brings gigabytes of libraries for GPUs.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/fieldmark
ENV PATH=/opt/fieldmark/bin:$PATH
WORKDIR /source
# Libraries change less often than sources: a change in src/ keeps this layer.
COPY constraints.txt ./
RUN pip install --index-url "$TORCH_INDEX" $(grep -E '^(torch|torchvision)==' constraints.txt)
COPY pyproject.toml README.md LICENSE ./
COPY src ./src
RUN pip install -c constraints.txt '.[audio,onnx,serve,text]'

FROM python:${PYTHON}-slim
# libsndfile and fonts come with the Python packages; nothing else of the system is needed.
RUN useradd --create-home --uid 10001 fieldmark && mkdir -p /model && chown fieldmark /model
COPY --from=build /opt/fieldmark /opt/fieldmark
ENV PATH=/opt/fieldmark/bin:$PATH PYTHONUNBUFFERED=1
USER fieldmark
WORKDIR /home/fieldmark
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["fieldmark"]
# The run is read only; corrections of users would be kept in it.
CMD ["serve", "/model", "--host", "0.0.0.0", "--no-feedback"]
