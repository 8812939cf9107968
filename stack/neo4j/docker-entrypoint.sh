#!/bin/bash
# Starts Neo4j as the official image does: settings from NEO4J_... variables,
# the first password from NEO4J_AUTH (or the file NEO4J_AUTH_PATH names), folders
# given to the user neo4j, and the server never as root.
set -euo pipefail

user=neo4j
run_as=()
if [[ $(id -u) == 0 ]]; then
    run_as=(gosu "$user:$user")
    for folder in /data /logs; do
        # The top folder's owner tells; changing all of a large volume takes time.
        if [[ $(stat -c %u:%g "$folder") != 7474:7474 ]]; then
            chown -R "$user:$user" "$folder"
        fi
    done
fi
command=${1:-}

# NEO4J_server_memory_heap_max__size=1g becomes server.memory.heap.max_size=1g
settings() {
    local name setting
    while IFS= read -r name; do
        case $name in
            NEO4J_HOME | NEO4J_EDITION | NEO4J_AUTH | NEO4J_AUTH_PATH | NEO4J_PLUGINS | NEO4J_DEBUG) continue ;;
            NEO4J_SHA256 | NEO4J_TARBALL | NEO4J_ACCEPT_LICENSE_AGREEMENT) continue ;;
        esac
        setting=${name#NEO4J_}
        setting=$(sed 's/__/\n/g; s/_/./g; s/\n/_/g' <<<"$setting" | tr -d '\n')
        [[ $setting =~ ^[a-z] ]] || continue
        printf '%s=%s\n' "$setting" "${!name}"
    done < <(compgen -e NEO4J_)
}

if [[ $command != neo4j ]]; then
    if [[ $command == neo4j-admin || $command == cypher-shell ]]; then
        exec "${run_as[@]}" "$@"
    fi
    exec "$@"
fi

conf=$NEO4J_HOME/conf/neo4j.conf
base=$NEO4J_HOME/conf/neo4j.conf.image
[[ -e $base ]] || cp "$conf" "$base"
declare -A given=()
auth=${NEO4J_AUTH:-}
if [[ -n ${NEO4J_AUTH_PATH:-} ]]; then
    auth=$(<"$NEO4J_AUTH_PATH")
fi
added=$(settings)
[[ $auth != none ]] || added+=$'\ndbms.security.auth_enabled=false'
while IFS='=' read -r name _; do
    [[ -z $name ]] || given[$name]=1
done <<<"$added"
{
    while IFS= read -r line; do
        # A variable replaces the image's setting (not the list of JVM options).
        [[ ${line%%=*} != server.jvm.additional && -n ${given[${line%%=*}]:-} ]] || printf '%s\n' "$line"
    done <"$base"
    printf '%s\n' "$added"
} >"$conf"
[[ ${#run_as[@]} == 0 ]] || chown "$user:$user" "$conf"

case $auth in
    '' | none) ;;
    neo4j/neo4j)
        echo "Invalid value for password. It cannot be 'neo4j', which is the default." >&2
        exit 1
        ;;
    neo4j/*)
        password=${auth#neo4j/}
        password=${password%/true}
        # Has no effect once there are users: it says so and we go on.
        "${run_as[@]}" neo4j-admin dbms set-initial-password "$password" || true
        ;;
    *)
        echo "Invalid value for NEO4J_AUTH: it has to be neo4j/PASSWORD or none" >&2
        exit 1
        ;;
esac
unset NEO4J_AUTH NEO4J_AUTH_PATH

shift
exec "${run_as[@]}" neo4j "${@:-console}"
