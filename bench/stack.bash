# shellcheck shell=bash disable=SC2034 # for who sources this
# What the benches of a whole stack share: a release build, a stack of its own, which is removed at the end, and data
# for it. Sourced after common.bash; `at_end` may be defined for what has to be removed before.
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

# Bytes that do not compress, the same each time.
random_bytes() { # SEED BYTES
	openssl enc -aes-128-ctr -nosalt -pbkdf2 -pass "pass:$1" </dev/zero 2>/dev/null | head -c "$2" || true
}

fill_postgresql() { # MIB, of rows of a kilobyte with an index
	docker exec -i "$(container postgres)" psql -q -U "${POSTGRES_USER:-whisperengine}" -d postgres >/dev/null <<SQL
SET client_min_messages = warning;
DROP TABLE IF EXISTS ballast;
CREATE TABLE ballast AS SELECT n, repeat(md5(n::text), 32) AS text FROM generate_series(1, $1 * 1024) n;
CREATE INDEX ON ballast (n);
CHECKPOINT;
SQL
}

fill_redis() { # MIB, in values of a megabyte that Redis cannot compress
	docker exec "$(container redis)" redis-cli eval \
		'redis.call("FLUSHALL") local block = {} for i = 1, 26214 do block[i] = redis.sha1hex(i) end block = table.concat(block)
		for i = 1, tonumber(ARGV[1]) do redis.call("SET", "ballast:" .. i, i .. block) end return 1' 0 "$1" >/dev/null
}
