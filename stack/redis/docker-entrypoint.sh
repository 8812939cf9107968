#!/bin/sh
# Starts Redis as the official image does: options alone mean redis-server, the
# server never runs as root and owns /data, and protected mode is off (a
# container is reached through its network only).
set -e

case "${1:-}" in
    -* | *.conf) set -- redis-server "$@" ;;
esac

if [ "$1" = redis-server ] && [ "$(id -u)" = 0 ]; then
    find . \! -user redis -exec chown redis '{}' +
    exec gosu redis "$0" "$@"
fi

# Files Redis writes are for its user alone.
[ "$(umask)" != 0022 ] || umask 0077

if [ "$1" = redis-server ]; then
    case " $* " in
        *" --protected-mode "* | *.conf\ *) ;;
        *) set -- "$@" --protected-mode no ;;
    esac
fi
exec "$@"
