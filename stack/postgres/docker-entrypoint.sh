#!/bin/bash
# Starts PostgreSQL as the official image does: sets up a new cluster from
# POSTGRES_USER, POSTGRES_PASSWORD, POSTGRES_DB (or their _FILE forms),
# POSTGRES_INITDB_ARGS and POSTGRES_HOST_AUTH_METHOD, runs what lies in
# /docker-entrypoint-initdb.d, and never runs the server as root.
set -euo pipefail

# setting NAME DEFAULT: from the variable, or from the file NAME_FILE names.
setting() {
    local file_name=${1}_FILE
    if [[ -n ${!1:-} && -n ${!file_name:-} ]]; then
        echo "error: both $1 and $file_name are set (but are exclusive)" >&2
        exit 1
    fi
    if [[ -n ${!file_name:-} ]]; then
        printf -v "$1" '%s' "$(<"${!file_name}")"
    else
        printf -v "$1" '%s' "${!1:-$2}"
    fi
    unset "$file_name"
}

run_init_files() {
    local file sql=(psql -X -v ON_ERROR_STOP=1 --no-password -U "$POSTGRES_USER" -d "$POSTGRES_DB")
    for file in /docker-entrypoint-initdb.d/*; do
        case $file in
            *.sh)
                echo "$0: running $file"
                # shellcheck disable=SC1090
                if [[ -x $file ]]; then "$file"; else . "$file"; fi
                ;;
            *.sql) echo "$0: running $file" && "${sql[@]}" -f "$file" ;;
            *.sql.gz) echo "$0: running $file" && gunzip -c "$file" | "${sql[@]}" ;;
            *.sql.xz) echo "$0: running $file" && xzcat "$file" | "${sql[@]}" ;;
            *.sql.zst) echo "$0: running $file" && zstd -dc "$file" | "${sql[@]}" ;;
            *) ;;
        esac
    done
}

new_cluster() {
    setting POSTGRES_PASSWORD ''
    setting POSTGRES_USER postgres
    setting POSTGRES_DB "$POSTGRES_USER"
    setting POSTGRES_INITDB_ARGS ''
    local method=${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}
    export POSTGRES_USER POSTGRES_DB POSTGRES_PASSWORD
    if [[ -z $POSTGRES_PASSWORD && $method != trust ]]; then
        echo "error: database is not initialized and superuser password is not specified: set POSTGRES_PASSWORD" >&2
        exit 1
    fi
    local arguments=()
    [[ -z $POSTGRES_INITDB_ARGS ]] || read -ra arguments <<<"$POSTGRES_INITDB_ARGS"
    if [[ -n $POSTGRES_PASSWORD ]]; then
        arguments+=(--pwfile=/dev/fd/9)
    fi
    initdb -D "$PGDATA" --username="$POSTGRES_USER" "${arguments[@]}" 9< <(printf '%s\n' "$POSTGRES_PASSWORD")
    printf '\nhost all all all %s\n' "$method" >>"$PGDATA/pg_hba.conf"
    # initdb may have been told to want it on the socket too.
    export PGPASSWORD=${PGPASSWORD:-$POSTGRES_PASSWORD}
    # Only on the socket, so that nobody mistakes it for the real server.
    PGUSER=$POSTGRES_USER pg_ctl -D "$PGDATA" -o "-c listen_addresses='' -p 5432" -w start
    if [[ $POSTGRES_DB != postgres ]]; then
        psql -X -v ON_ERROR_STOP=1 --no-password -U "$POSTGRES_USER" -d postgres -v db="$POSTGRES_DB" \
            <<<'CREATE DATABASE :"db";'
    fi
    run_init_files
    PGUSER=$POSTGRES_USER pg_ctl -D "$PGDATA" -m fast -w stop
    echo
    echo 'PostgreSQL init process complete; ready for start up.'
    echo
}

[[ ${1:-} != -* ]] || set -- postgres "$@"
if [[ ${1:-} == postgres ]]; then
    if [[ $(id -u) == 0 ]]; then
        mkdir -p "$PGDATA" /var/run/postgresql
        chmod 700 "$PGDATA"
        chmod 3775 /var/run/postgresql
        find "$PGDATA" /var/run/postgresql \! -user postgres -exec chown postgres '{}' +
        exec gosu postgres "$0" "$@"
    fi
    if [[ -s $PGDATA/PG_VERSION ]]; then
        echo
        echo 'PostgreSQL Database directory appears to contain a database; Skipping initialization'
        echo
    else
        new_cluster
    fi
    unset PGPASSWORD
fi
exec "$@"
