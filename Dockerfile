# Podium's own image: the program that `make build` compiled, and what it starts.
#
#   make image                       from Debian
#   make image BASE=NAME             from another image; one that has what is listed below needs no network
#
# It holds both engines' needs: with `engine = "docker"` the daemon uses the host's Docker through its socket, with
# `engine = "bubblewrap"` the container itself needs rights; see compose.yaml and deploy/compose.bubblewrap.yaml.
ARG BASE=debian:bookworm-slim
FROM ${BASE}

# Debian's names; only those that the base lacks are installed.
RUN set -eu; \
    missing=''; \
    for need in bwrap:bubblewrap python3:python3 tini:tini; do \
        command -v "${need%:*}" >/dev/null || missing="$missing ${need#*:}"; \
    done; \
    [ -e /etc/ssl/certs/ca-certificates.crt ] || missing="$missing ca-certificates"; \
    [ -n "$missing" ] || exit 0; \
    apt-get -q update; \
    DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends $missing; \
    rm -rf /var/lib/apt/lists/*

COPY target/release/podium /usr/local/bin/podium
# Fails here, and not on the day of the competition, when the base's C library is older than the one it was compiled with.
RUN ["/usr/local/bin/podium", "--version"]

ARG VERSION=dev
LABEL org.opencontainers.image.title="Podium" \
      org.opencontainers.image.description="Runs a code competition out of a folder" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0" \
      org.opencontainers.image.version="${VERSION}"

# The competition's home is mounted here. No VOLUME: one that nobody asked for would swallow results without a name.
WORKDIR /competition

# Unhealthy: Podium has found a problem (of the daemon, the engine or the settings). `podium status` names it, and so does
# `docker inspect`. Nothing restarts because of it.
HEALTHCHECK --interval=1m --timeout=20s --start-period=1m --retries=3 \
    CMD ["/usr/local/bin/podium", "status", "--home", "/competition"]

# tini takes up what processes leave behind, and hands SIGTERM to the daemon, which ends within ten seconds.
ENTRYPOINT ["tini", "--", "/usr/local/bin/podium"]
CMD ["run", "--home", "/competition"]
