# vital on a CPU:
#   docker build -t vital .
#   docker run --rm -v "$PWD:/work" --user "$(id -u):$(id -g)" vital demo
FROM python:3.11-slim AS build
WORKDIR /source
COPY . .
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM python:3.11-slim
COPY --from=build /wheels /wheels
# PyTorch's own index has builds without CUDA, which are much smaller.
RUN pip install --no-cache-dir "torch>=2.6" "torchvision>=0.21" --index-url https://download.pytorch.org/whl/cpu \
    && pip install --no-cache-dir /wheels/*.whl
RUN useradd --uid 1000 vital && mkdir /work && chown vital /work
USER 1000
# Caches go where anyone may write, so that --user works with any number.
ENV HOME=/tmp
WORKDIR /work
ENTRYPOINT ["vital"]
CMD ["--help"]
