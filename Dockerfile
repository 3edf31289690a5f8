# The service as a container, for Hugging Face Spaces or any other host.
#
#   docker build -t ask-the-book .                          uses the services in your secrets
#   docker build --build-arg EMBEDDED=1 -t ask-the-book .   needs no secrets: the embedded
#                                                           engines with the handbook indexed
#
# A Space passes its variables to the build, so a variable EMBEDDED has the same effect.

FROM python:3.11-slim@sha256:9c900dea9e8fb7e16277c179b555cc72d29a352dbc33cff48ad5a0412fd5bfc7 AS build
WORKDIR /app
ARG EMBEDDED=
COPY requirements.txt requirements-embedded.txt deploy/prune.py ./
RUN case "$EMBEDDED" in 1|true|yes|on) more="-r requirements-embedded.txt";; esac \
 && pip install --no-cache-dir --disable-pip-version-check --root-user-action=ignore \
      --no-deps --no-compile --prefix=/install -r requirements.txt $more \
 && python prune.py /install/lib/python3.11/site-packages \
 && rm requirements*.txt prune.py \
 && python -m compileall -q -j 0 --invalidation-mode unchecked-hash \
      -s /install -p /usr/local /install/lib
COPY . .
RUN rm -rf deploy requirements*.txt \
 && python -m compileall -q --invalidation-mode unchecked-hash . \
 && mkdir /data \
 && case "$EMBEDDED" in 1|true|yes|on) \
      PYTHONPATH=/install/lib/python3.11/site-packages DATA_DIR=/data python ingest.py docs;; esac \
 && chmod -R g=u /data \
 && rm -rf docs

FROM python:3.11-slim@sha256:9c900dea9e8fb7e16277c179b555cc72d29a352dbc33cff48ad5a0412fd5bfc7
# openai's client uses the system's certificates. The base image has no bytecode of the standard
# library; compiling it would take half a second at every start.
RUN test -s /etc/ssl/certs/ca-certificates.crt && useradd --create-home --uid 1000 user \
 && chmod 755 /home/user \
 && python -m compileall -q -j 0 --invalidation-mode unchecked-hash \
      -x '/(site-packages|config-.*|ensurepip|idlelib|lib2to3|pydoc_data|test|tkinter|turtledemo)/' \
      /usr/local/lib/python3.11
# PostgreSQL cannot create its data for a user id without a name, such as OpenShift chooses.
ARG EMBEDDED=
RUN case "$EMBEDDED" in 1|true|yes|on) \
      apt-get update -qq && apt-get install -y -qq --no-install-recommends libnss-wrapper \
      && rm -rf /var/lib/apt/lists/*;; esac
COPY --from=build /install /usr/local
COPY --from=build /app /app
# Users other than 1000, such as OpenShift chooses, are in group 0.
COPY --from=build --chown=1000:0 /data /home/user/data
WORKDIR /app
USER 1000:1000
ENV EMBEDDED=$EMBEDDED HOME=/home/user DATA_DIR=/home/user/data HOST=0.0.0.0 \
    PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
EXPOSE 7860
HEALTHCHECK --interval=60s --timeout=5s --start-period=30s \
  CMD ["python", "-I", "-S", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + (os.environ.get('PORT') or '7860') + '/health', timeout=4)"]
CMD ["python", "router.py"]
