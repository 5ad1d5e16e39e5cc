# maild in a container: hash-locked, without root, its archive in the volume /var/lib/maild.
#
#   docker build -t maild .
#   docker run -d -p 25:8025 -p 127.0.0.1:8080:8080 -v maild:/var/lib/maild -v ./conf:/etc/maild maild
#
# docs/install.md says more: what belongs into ./conf, and what maild must be told of the world outside.
FROM python:3.11-slim

ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN groupadd --gid 1025 maild \
 && useradd --uid 1025 --gid 1025 --no-create-home --home-dir /var/lib/maild --shell /usr/sbin/nologin maild \
 && install -d -o maild -g maild -m 0700 /var/lib/maild /etc/maild

WORKDIR /opt/maild
COPY requirements/run.txt requirements/run.txt
RUN pip install --require-hashes -r requirements/run.txt
COPY pyproject.toml README.md LICENSE rules.example.yaml ./
COPY maild maild
RUN pip install --no-deps --no-build-isolation . && python -m compileall -q "$(python -c 'import maild; print(maild.__path__[0])')"

USER maild
WORKDIR /var/lib/maild
VOLUME /var/lib/maild
ENV MAILD_SERVER__DATA_DIR=/var/lib/maild \
    MAILD_SERVER__RULES=/etc/maild/rules.yaml \
    MAILD_SMTP__LISTEN=0.0.0.0:8025 \
    MAILD_WEB__LISTEN=0.0.0.0:8080
EXPOSE 8025 8080
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
  CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8080/healthz', timeout=4)"]
# SIGTERM finishes what is in hand.
STOPSIGNAL SIGTERM
ENTRYPOINT ["maild"]
CMD ["serve"]
