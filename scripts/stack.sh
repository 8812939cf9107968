#!/usr/bin/env bash
# Runs the data stack of docker-compose.yml; see docs/STACK.md.
set -euo pipefail

services=(postgres redis chromadb neo4j)
root_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
stack_dir=$root_dir/stack
wait_seconds=${STACK_WAIT_SECONDS:-180}
work_dir=

note() { printf '%s\n' "$*" >&2; }
warn() { printf 'warning: %s\n' "$*" >&2; }
fail() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

usage() {
    cat <<'TEXT'
Usage: scripts/stack.sh COMMAND [SERVICE..]

  up       start the stack (or only the services named) and wait until healthy
  down     remove the containers AND the data volumes of the stack
  status   show what runs, with which image and in what health
  images   get the images, start nothing

Services: postgres, redis, chromadb, neo4j (all of them when none is named).

An image that is not there is pulled; when no registry can be reached, one with
the same behaviour is built from Debian, npm and Maven packages (as root).

Environment (the settings of .env.example, and):
  COMPOSE_PROJECT_NAME   the project's name (default: .env's, or whisperengine)
  STACK_WAIT_SECONDS     how long "up" waits for health (default 180)
  STACK_FILE             the compose file, in this folder (default: docker-compose.yml)
  STACK_LOCAL=1          build images instead of pulling them
  STACK_REBUILD=1        build local images anew
  STACK_APT_ARCHIVE      Debian archive to build from (default: this machine's)
TEXT
}

cleanup() { [[ -z $work_dir ]] || rm -rf "$work_dir"; }
trap cleanup EXIT

# ---------------------------------------------------------------- the engine --

engine_answers() { docker version --format '{{.Server.Version}}' >/dev/null 2>&1; }

engine_wait() { # PID: until it answers or has ended
    local i
    for ((i = 0; i < 60; i++)); do
        ! engine_answers || return 0
        kill -0 "$1" 2>/dev/null || return 1
        sleep 0.5
    done
    return 1
}

start_engine() {
    local log=${STACK_ENGINE_LOG:-/var/log/whisperbackup-dockerd.log} options=() try pid
    if [[ -n ${DOCKER_HOST:-} ]]; then
        fail "no Docker Engine answers at DOCKER_HOST=$DOCKER_HOST"
    fi
    if [[ $(id -u) != 0 ]]; then
        docker version >/dev/null || true # its own words say why
        fail "no Docker Engine answers; start it (or Docker Desktop), or run this as root"
    fi
    if [[ -d /run/systemd/system ]] && systemctl cat docker.service >/dev/null 2>&1; then
        note "no Docker Engine answers: systemctl start docker"
        systemctl start docker && engine_wait $$ && return 0
    fi
    PATH=$PATH:/usr/sbin:/sbin
    command -v dockerd >/dev/null || fail "dockerd is not installed: run scripts/install-deps.sh"
    for try in 1 2 3; do
        note "no Docker Engine answers: starting dockerd ${options[*]:-}(log: $log)"
        setsid nohup dockerd "${options[@]}" >"$log" 2>&1 </dev/null &
        pid=$!
        disown "$pid"
        ! engine_wait "$pid" || return 0
        kill "$pid" 2>/dev/null || true
        # Not every machine lets us change its firewall or mount an overlay.
        if [[ " ${options[*]:-} " != *iptables* ]] && grep -qiE 'iptables|nftables|nf_tables' "$log"; then
            warn "dockerd cannot use iptables here: once more without (published ports go through its proxy)"
            options+=(--iptables=false --ip6tables=false)
        elif [[ " ${options[*]:-} " != *vfs* ]] && grep -qiE 'graphdriver|overlay|storage.driver' "$log"; then
            warn "dockerd cannot use its storage driver here: once more with vfs (slower)"
            options+=(--storage-driver=vfs)
        elif [[ $try == 1 ]]; then
            options+=(--iptables=false --ip6tables=false --storage-driver=vfs)
        else
            break
        fi
        sleep 1
    done
    tail -n 20 "$log" >&2
    fail "dockerd does not start here (its last lines are above)"
}

need_engine() {
    command -v docker >/dev/null || fail "docker is not installed: run scripts/install-deps.sh"
    engine_answers || start_engine
}

# --------------------------------------------------------------- the project --

compose_command=()
find_compose() {
    if docker compose version >/dev/null 2>&1; then
        compose_command=(docker compose)
    elif command -v docker-compose >/dev/null; then
        compose_command=(docker-compose)
    else
        fail "neither 'docker compose' nor docker-compose is installed: run scripts/install-deps.sh"
    fi
}

project=
find_project() {
    project=${COMPOSE_PROJECT_NAME:-}
    if [[ -z $project && -r $root_dir/.env ]]; then
        project=$(sed -n 's/^COMPOSE_PROJECT_NAME=//p' "$root_dir/.env" | tail -n 1 | tr -d "\"'\r")
    fi
    project=${project:-whisperengine}
    export COMPOSE_PROJECT_NAME=$project
}

compose() {
    "${compose_command[@]}" -p "$project" --project-directory "$root_dir" -f "$root_dir/${STACK_FILE:-docker-compose.yml}" "$@"
}

compose_config=
image_of() { # SERVICE: the image the compose file wants, variables resolved
    awk -v want="$1" '
        /^[^ ]/ { inside = ($0 == "services:") }
        inside && /^  [^ ]/ { sub(/^  /, ""); sub(/:.*/, ""); service = $0 }
        inside && /^    image: / && service == want { sub(/^    image: /, ""); gsub(/["\047]/, ""); print; exit }
    ' <<<"$compose_config"
}

container_of() { # SERVICE: its container, running or not
    docker ps -aq --filter "label=com.docker.compose.project=$project" \
        --filter "label=com.docker.compose.service=$1" --filter label=com.docker.compose.oneoff=False | head -n 1
}

# ----------------------------------------------------------------- the images --

recipe_id() { # SERVICE: changes when its recipe does
    (cd "$stack_dir" && cat build-image.sh lib.sh && find "$1" -type f -print0 | LC_ALL=C sort -z | xargs -0 cat) |
        sha256sum | cut -c 1-16
}

image_label() { docker image inspect --format '{{index .Config.Labels "whisperbackup.stack.recipe"}}' "$1" 2>/dev/null; }

registry_silent= # names of registries found out of reach

registry_of() {
    local first=${1%%/*}
    if [[ $1 == */* && ($first == *.* || $first == *:* || $first == localhost) ]]; then
        printf '%s\n' "$first"
    else
        printf 'default\n'
    fi
}

# Pulls, but gives up soon when the registry does not even name the image.
pull_image() {
    local image=$1 registry log pid waited=0
    registry=$(registry_of "$image")
    [[ -z ${STACK_LOCAL:-} ]] || return 1
    [[ " $registry_silent " != *" $registry "* ]] || return 1
    log=$work_dir/pull.log
    note "pulling $image"
    docker pull "$image" >"$log" 2>&1 </dev/null &
    pid=$!
    while kill -0 "$pid" 2>/dev/null; do
        sleep 0.5
        waited=$((waited + 1))
        if ((waited > 40)) && ! grep -q 'Pulling from' "$log"; then
            kill "$pid" 2>/dev/null || true
            break
        fi
        if ((waited > 2400)); then
            kill "$pid" 2>/dev/null || true
            break
        fi
        ((waited % 20 != 0)) || note "  still pulling $image ($((waited / 2)) s)"
    done
    ! wait "$pid" || return 0
    note "  cannot pull it: $(grep -v '^$' "$log" | tail -n 1 | grep . || echo 'no answer')"
    grep -q 'Pulling from\|manifest\|denied\|not found' "$log" || registry_silent+=" $registry"
    return 1
}

build_local() { # SERVICE IMAGE
    local service=$1 image=$2 started=$SECONDS old
    if [[ $(id -u) != 0 ]]; then
        warn "building $image needs root (the image's files belong to several users)"
        return 1
    fi
    if ! command -v dpkg-deb >/dev/null || ! command -v apt-get >/dev/null; then
        warn "building $image needs a Debian machine (apt-get, dpkg-deb)"
        return 1
    fi
    note "building $image here (it takes a minute or so, once)"
    old=$(docker image inspect --format '{{.Id}}' "$image" 2>/dev/null || true)
    if ! "$stack_dir/build-image.sh" "$service" "$image" "$work_dir" "$(recipe_id "$service")"; then
        rm -rf "$work_dir/rootfs-$service"
        warn "building $image failed"
        return 1
    fi
    # The one it replaces, unless a container still uses it.
    [[ -z $old ]] || docker rmi "$old" >/dev/null 2>&1 || true
    note "built $image in $((SECONDS - started)) s"
}

have_image() { # SERVICE IMAGE: there, and if local, of the recipe as it is now
    local label
    label=$(image_label "$2") || return 1
    [[ -z $label || (-z ${STACK_REBUILD:-} && $label == "$(recipe_id "$1")") ]]
}

available=()
missing=()
get_images() { # SERVICE..
    local service image
    work_dir=$(mktemp -d "${TMPDIR:-/tmp}/whisperbackup-stack.XXXXXX")
    chmod 755 "$work_dir"
    for service in "$@"; do
        image=$(image_of "$service")
        [[ -n $image ]] || fail "docker-compose.yml names no image for $service"
        if have_image "$service" "$image"; then
            note "image $image is there"
            available+=("$service")
        elif { [[ -z $(image_label "$image" || true) ]] && pull_image "$image"; } || build_local "$service" "$image"; then
            available+=("$service")
        else
            missing+=("$service")
        fi
    done
    rm -rf "$work_dir"
    work_dir=
    ((${#available[@]} > 0)) || fail "no image could be had: neither pulled nor built (see above)"
}

warn_missing() {
    ((${#missing[@]} == 0)) || warn "NOT THERE: ${missing[*]} - the image could be neither pulled nor built; the rest works without"
}

# ---------------------------------------------------------------- the commands --

state_of() { # SERVICE: "healthy", "starting", "unhealthy", "exited (1)", ...
    local id
    id=$(container_of "$1")
    if [[ -z $id ]]; then
        echo 'no container'
        return
    fi
    docker inspect --format '{{if ne .State.Status "running"}}{{.State.Status}} ({{.State.ExitCode}}){{else if .State.Health}}{{.State.Health.Status}}{{else}}running{{end}}' "$id" 2>/dev/null ||
        echo 'no container'
}

last_check() { # SERVICE: what its last health check said, on one line
    local id
    id=$(container_of "$1")
    [[ -z $id ]] || docker inspect --format '{{if .State.Health}}{{range .State.Health.Log}}{{printf "%d %s\n" .ExitCode .Output}}{{end}}{{end}}' "$id" 2>/dev/null |
        grep -v '^$' | tail -n 1 | cut -c 1-160
}

wait_healthy() { # SERVICE..
    local service state line last='' pending began=$SECONDS shown=0 restarts
    while :; do
        pending=()
        line=
        for service in "$@"; do
            state=$(state_of "$service")
            [[ $state != healthy && $state != running ]] || continue
            pending+=("$service")
            line+="${line:+, }$service ($state)"
        done
        if ((${#pending[@]} == 0)); then
            note "healthy: $* ($((SECONDS - began)) s)"
            return 0
        fi
        if [[ $line != "$last" ]] || ((SECONDS - shown >= 10)); then
            note "  waiting for $line"
            last=$line
            shown=$SECONDS
        fi
        restarts=0
        for service in "${pending[@]}"; do
            restarts=$(docker inspect --format '{{.RestartCount}}' "$(container_of "$service")" 2>/dev/null || echo 0)
            ((restarts < 4)) || break
        done
        if ((restarts >= 4 || SECONDS - began >= wait_seconds)); then
            break
        fi
        sleep 1
    done
    for service in "${pending[@]}"; do
        state=$(state_of "$service")
        [[ $state != healthy && $state != running ]] || continue
        printf '\nerror: %s is not healthy: %s\n' "$service" "$state" >&2
        line=$(last_check "$service")
        [[ -z $line ]] || note "its last health check (exit status, output): $line"
        note "its last log lines:"
        docker logs --tail 25 "$(container_of "$service")" 2>&1 | sed 's/^/    /' >&2 || true
    done
    return 1
}

make_env_file() {
    [[ ! -e $root_dir/.env && -r $root_dir/.env.example ]] || return 0
    cp "$root_dir/.env.example" "$root_dir/.env"
    note "made .env from .env.example (docker-compose reads the project's name there)"
}

command_up() {
    make_env_file
    need_engine
    find_compose
    compose_config=$(compose config)
    get_images "$@"
    note "starting project $project: ${available[*]}"
    compose up -d "${available[@]}" || fail "docker-compose could not start the services (see above)"
    wait_healthy "${available[@]}" || {
        warn_missing
        exit 1
    }
    warn_missing
}

command_images() {
    need_engine
    find_compose
    compose_config=$(compose config)
    get_images "$@"
    warn_missing
    ((${#missing[@]} == 0))
}

project_containers() { docker ps -aq --filter "label=com.docker.compose.project=$project"; }

foreign_services() { # services of the project that are not ours
    local id name
    for id in $(project_containers); do
        name=$(docker inspect --format '{{index .Config.Labels "com.docker.compose.service"}}' "$id")
        [[ " ${services[*]} " == *" $name "* ]] || printf '%s\n' "$name"
    done | LC_ALL=C sort -u
}

command_down() {
    local service id volume foreign
    need_engine
    foreign=$(foreign_services | paste -sd ' ' -)
    if [[ -n $foreign ]]; then
        warn "project $project also has containers of other services ($foreign), so it is not only the stack of this folder"
        fail "nothing was removed; remove it yourself if you mean to lose its data"
    fi
    for service in "$@"; do
        for id in $(docker ps -aq --filter "label=com.docker.compose.project=$project" --filter "label=com.docker.compose.service=$service"); do
            # Paused ones cannot be removed by every engine.
            docker unpause "$id" >/dev/null 2>&1 || true
            docker rm -fv "$id" >/dev/null
            note "removed the container of $service"
        done
        for volume in $(docker volume ls -q --filter "label=com.docker.compose.project=$project"); do
            case $(docker volume inspect --format '{{index .Labels "com.docker.compose.volume"}}' "$volume") in
                "${service}_data" | "${service}_logs")
                    docker volume rm "$volume" >/dev/null
                    note "removed the volume $volume"
                    ;;
            esac
        done
    done
    if [[ -z $(project_containers) ]]; then
        for id in $(docker network ls -q --filter "label=com.docker.compose.project=$project"); do
            docker network rm "$id" >/dev/null 2>&1 || warn "the project's network is still in use by a container of another project"
        done
    fi
    note "project $project: ${*} removed, with the data"
}

command_status() {
    local service id state all=0
    engine_answers || fail "no Docker Engine answers"
    note "project $project"
    printf '%-10s %-14s %-28s %s\n' SERVICE STATE IMAGE PORTS
    for service in "$@"; do
        id=$(container_of "$service")
        state=$(state_of "$service")
        [[ $state == healthy || $state == running ]] || all=1
        if [[ -n $id ]]; then
            printf '%-10s %-14s %-28s %s\n' "$service" "$state" "$(docker inspect --format '{{.Config.Image}}' "$id")" \
                "$(docker port "$id" | sed 's/.* -> //' | paste -sd ' ' -)"
        else
            printf '%-10s %s\n' "$service" "$state"
        fi
    done
    return "$all"
}

command=${1:-}
[[ $# == 0 ]] || shift
case $command in
    up | down | status | images) ;;
    -h | --help | help)
        usage
        exit 0
        ;;
    '')
        usage >&2
        exit 2
        ;;
    *)
        usage >&2
        fail "unknown command '$command'"
        ;;
esac
for name in "$@"; do
    [[ " ${services[*]} " == *" $name "* ]] || fail "unknown service '$name' (there are: ${services[*]})"
done
[[ $# -gt 0 ]] || set -- "${services[@]}"
find_project
"command_$command" "$@"
