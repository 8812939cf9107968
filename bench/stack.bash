# shellcheck shell=bash disable=SC2034 # for who sources this
# What the benches of a whole stack share: a release build, a stack of its own, which is removed at the end, and small
# helpers. Sourced, from the project's folder; `at_end` may be defined for what has to be removed before.
scripts/install-deps.sh >/dev/null
scripts/build.sh build-release >/dev/null
program=$PWD/build-release/whisperbackup
export COMPOSE_PROJECT_NAME=whisperbackup-bench
export POSTGRES_PORT=34432 REDIS_PORT=34379 CHROMADB_PORT=34000 NEO4J_HTTP_PORT=34474 NEO4J_BOLT_PORT=34687
scratch=$(mktemp -d "${TMPDIR:-/var/tmp}/whisperbackup-bench-XXXXXX")
export BACKUP_DIR=$scratch/backups
at_end() { :; }
cleanup() {
	at_end
	scripts/stack.sh down >/dev/null 2>&1 || true
	rm -rf "$scratch"
}
trap cleanup EXIT

container() { docker ps -aq --filter "label=com.docker.compose.project=$COMPOSE_PROJECT_NAME" --filter "label=com.docker.compose.service=$1"; }
volume() { docker inspect --format "{{range .Mounts}}{{if eq .Destination \"$2\"}}{{.Source}}{{end}}{{end}}" "$(container "$1")"; }
now() { date +%s%N; }
milliseconds_since() { echo $((($(now) - $1) / 1000000)); }
median() { sort -n | awk '{ v[NR] = $1 } END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }

# Bytes that do not compress, the same each time.
random_bytes() { # SEED BYTES
	openssl enc -aes-128-ctr -nosalt -pbkdf2 -pass "pass:$1" </dev/zero 2>/dev/null | head -c "$2" || true
}
