# `monogram serve` with the embedded model in the image; people and keys live in the volume /data.
#
#   docker build -t monogram .
#   docker run -p 8000:8000 -v monogram:/data monogram
#   docker exec CONTAINER monogram keys add acme            # with a key, leave out --open below
#
# CPU alone. For a GPU take a CUDA base image and torch's CUDA wheels.
FROM python:3.11-slim

WORKDIR /src
COPY constraints.txt pyproject.toml README.md LICENSE NOTICE ./
COPY src src
RUN pip install --no-cache-dir "$(grep '^torch==' constraints.txt)" -c constraints.txt \
    && pip install --no-cache-dir '.[serve,postgres]' -c constraints.txt \
    && useradd --create-home --uid 1000 monogram \
    && install -d -o monogram -m 700 /data

USER monogram
ENV MONOGRAM_HOME=/data MONOGRAM_SERVE_HOST=0.0.0.0 MONOGRAM_SERVE_PORT=8000 HF_HUB_OFFLINE=1
RUN monogram model pull smollm2 && monogram model pull minilm
VOLUME /data
EXPOSE 8000
HEALTHCHECK --start-period=60s CMD ["python", "-c", \
    "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/readyz', timeout=5)"]
# Without API keys the server wants to be told that everybody may come in.
ENTRYPOINT ["monogram", "serve"]
CMD ["--open"]
