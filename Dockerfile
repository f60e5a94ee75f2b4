# Podium's own image: the program that `make build` compiled, and what it starts.
#
#   make image                       from Debian
#   make image BASE=NAME             from another image; one that has what is listed below needs no network
#
# It holds both engines' needs: with `engine = "docker"` the daemon uses the host's Docker through its socket, with
# `engine = "bubblewrap"` the container itself needs rights; see compose.yaml and deploy/compose.bubblewrap.yaml.
# A second image is the SFTP door (the service `sftp` of compose.yaml): `docker build --target sftp …`, which `make image` does, too.
ARG BASE=debian:bookworm-slim
FROM ${BASE} AS program

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

# --- the daemon ------------------------------------------------------------------------------------------------------------------------------
FROM program AS daemon
# Unhealthy: Podium has found a problem (of the daemon, the engine or the settings). `podium status` names it, and so does
# `docker inspect`. Nothing restarts because of it.
HEALTHCHECK --interval=1m --timeout=20s --start-period=1m --retries=3 \
    CMD ["/usr/local/bin/podium", "status", "--home", "/competition"]

# tini takes up what processes leave behind, and hands SIGTERM to the daemon, which ends within ten seconds.
ENTRYPOINT ["tini", "--", "/usr/local/bin/podium"]
CMD ["run", "--home", "/competition"]

# --- the SFTP door: sshd, and accounts that are made out of users.csv when it starts ---------------------------------------------------------
FROM program AS sftp
RUN set -eu; \
    missing=''; \
    [ -x /usr/sbin/sshd ] || missing="$missing openssh-server"; \
    command -v git >/dev/null || missing="$missing git"; \
    if [ -n "$missing" ]; then \
        apt-get -q update; \
        DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends $missing; \
        rm -rf /var/lib/apt/lists/*; \
    fi; \
    rm -f /etc/ssh/ssh_host_*; \
    mkdir -p /etc/ssh/sshd_config.d /etc/security/limits.d
COPY deploy/sftp/sshd_config /etc/ssh/sshd_config
COPY deploy/sftp/pam /etc/pam.d/sshd
COPY deploy/sftp/entry /usr/local/bin/podium-sftp
HEALTHCHECK --interval=1m --timeout=20s --start-period=1m --retries=3 \
    CMD ["sh", "-c", "kill -0 \"$(cat /run/sshd.pid)\""]
ENTRYPOINT ["tini", "-g", "--", "/usr/local/bin/podium-sftp"]

# What `docker build` without a target makes.
FROM daemon
