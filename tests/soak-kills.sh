#!/usr/bin/env bash
# kill -9 at random instants, again and again: of create, restore and verify --drill on a stack of its own, of cleanup on a
# folder of small backups. After each kill, at most one more command later, everything has to be as it should be.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

usage() {
	cat <<'TEXT'
Usage: tests/soak-kills.sh [-n KILLS] [--stores A,B] [--quick] [--seed NUMBER] [create] [restore] [drill] [cleanup]

  -n KILLS      of each command (default 500)
  --stores A,B  that create, restore and drill work on (default: all four; Neo4j takes most of the time)
  --quick       a stack without health checks, which stops faster (tests/stack/environment.sh)
  --seed N      of the random numbers, so that a run can be done again

Environment: WHISPERBACKUP (the program, default build/whisperbackup), WHISPERBACKUP_TEST_PROJECT and
WHISPERBACKUP_TEST_PORTS (tests/stack/environment.sh).
TEXT
}

kills=500
stores=postgresql,redis,chromadb,neo4j
stack=as_shipped # environment.sh reads it
commands=()
while [[ $# -gt 0 ]]; do
	case $1 in
	-n | --stores | --seed)
		[[ $# -ge 2 ]] || { usage >&2 && exit 2; }
		case $1 in
		-n) kills=$2 ;;
		--stores) stores=$2 ;;
		--seed) RANDOM=$2 ;;
		esac
		shift
		;;
	--quick) stack=quick ;;
	create | restore | drill | cleanup) commands+=("$1") ;;
	-h | --help)
		usage
		exit 0
		;;
	*)
		usage >&2
		exit 2
		;;
	esac
	shift
done
[[ $kills =~ ^[1-9][0-9]*$ ]] || { usage >&2 && exit 2; }
[[ ${#commands[@]} -gt 0 ]] || commands=(cleanup create drill restore)

export WHISPERBACKUP_TEST_PROJECT=${WHISPERBACKUP_TEST_PROJECT:-whisperbackup-soak-test}
export WHISPERBACKUP_TEST_PORTS=${WHISPERBACKUP_TEST_PORTS:-10400}
# shellcheck source=tests/stack/environment.sh
source tests/stack/environment.sh
program=$(realpath "${WHISPERBACKUP:-build/whisperbackup}")
[[ -x $program ]] || scripts/build.sh build

patience=240 # seconds for what has to come
work=$(mktemp -d)
export BACKUP_DIR=$work/backups
stack_is_up=''
cleanup_all() {
	[[ -z $stack_is_up ]] || scripts/stack.sh down >/dev/null 2>&1 || true
	rm -rf "$work"
}
trap cleanup_all EXIT

broken() {
	printf 'FAILED %s, kill %s: %s\n' "$command" "$number" "$*" >&2
	[[ -z $stack_is_up ]] || docker ps --all --filter "label=com.docker.compose.project=$COMPOSE_PROJECT_NAME" >&2 || true
	exit 1
}

wait_until() { # COMMAND ARGUMENT..
	local deadline=$((SECONDS + patience))
	until "$@"; do
		((SECONDS < deadline)) || broken "this did not become true in $patience seconds: $*"
		sleep 0.1
	done
}

quietly() { # COMMAND ARGUMENT..
	"$@" >"$work/said" 2>&1 </dev/null || broken "$* ended with status $?: $(cat "$work/said")"
}

container() { # SERVICE
	docker ps --all --quiet --filter "label=com.docker.compose.project=$COMPOSE_PROJECT_NAME" \
		--filter "label=com.docker.compose.service=$1" --filter label=com.docker.compose.oneoff=False
}

# --- killing ----------------------------------------------------------------------------------------------------------

microseconds=0 # that the command takes when it is left alone

measure() { # COMMAND ARGUMENT..
	local began
	began=$(date +%s%N)
	quietly "$@"
	microseconds=$((($(date +%s%N) - began) / 1000))
}

# Kills it somewhere between its beginning and its end: the program, its guardian if it has one, or both.
kill_somewhere() { # ARGUMENT..
	local delay pid pids=() children
	delay=$(((RANDOM * 32768 + RANDOM) % microseconds))
	"$program" "$@" >"$work/out" 2>"$work/err" </dev/null &
	pid=$!
	pids=("$pid")
	sleep "$((delay / 1000000)).$(printf %06d $((delay % 1000000)))"
	children=$(pgrep --parent "$pid" || true)
	case $((RANDOM % 3)) in
	0) ;;
	*) [[ -z $children ]] || mapfile -t -O 1 pids <<<"$children" ;;
	esac
	[[ $((RANDOM % 6)) -gt 0 || ${#pids[@]} -eq 1 ]] || unset 'pids[0]'
	kill -KILL "${pids[@]}" 2>/dev/null || true
	wait "$pid" 2>/dev/null || true
}

nothing_is_paused() {
	[[ -z $(docker ps --quiet --filter status=paused --filter "label=com.docker.compose.project=$COMPOSE_PROJECT_NAME") ]]
}

all_run() {
	[[ $(docker ps --quiet --filter "label=com.docker.compose.project=$COMPOSE_PROJECT_NAME" --filter status=running | wc -l) -eq 4 ]]
}

# What is listed can be verified, and nothing is left on the way.
expect_good_backups() {
	local left
	quietly "$program" verify --all
	left=$(find "$BACKUP_DIR" -maxdepth 1 \( -name '.partial-*' -o -name '.removing-*' -o -name '.window.json' -o -name '.restore.json' \
		-o -name '.drill*' \) ! -name '*.lock')
	[[ -z $left ]] || broken "this is left: $left"
}

# Nor a process: each of ours has the folder of the backups in its environment, its guardian too.
no_process_of_ours() {
	local file
	while read -r file; do
		[[ $(readlink "${file%environ}exe") != "$program" ]] || return 1
	done < <(grep -lzxF "BACKUP_DIR=$BACKUP_DIR" /proc/[0-9]*/environ 2>/dev/null)
}

# Which images ask for, and which have no label.
anonymous_volumes() {
	docker volume ls --quiet --filter dangling=true | grep -xE '[0-9a-f]{64}' | sort
}

# Somebody else's drills come to an end; what was left behind stays.
nothing_of_ours_in_the_engine() {
	local label
	no_process_of_ours || return 1
	for label in whisperengine.backup.helper whisperengine.backup.drill; do
		[[ -z $(docker ps --all --quiet --filter "label=$label") && -z $(docker volume ls --quiet --filter "label=$label") &&
			-z $(docker network ls --quiet --filter "label=$label") ]] || return 1
	done
	[[ -z $(comm -13 "$work/anonymous" <(anonymous_volumes)) ]]
}

# --- create -----------------------------------------------------------------------------------------------------------

kill_create() {
	local timestamp
	kill_somewhere create --only "$stores"
	quietly "$program" list
	wait_until nothing_of_ours_in_the_engine # a guardian may still be at its work
	nothing_is_paused || broken 'something is paused'
	all_run || broken 'not everything runs'
	if compgen -G "$BACKUP_DIR/whisperengine_backup_*" >/dev/null; then
		quietly "$program" verify --all
	fi
	if ((number % 10 == 0)); then
		quietly "$program" create --only "$stores"
		expect_good_backups
		for timestamp in "$BACKUP_DIR"/whisperengine_backup_*; do
			rm -r "$timestamp"
		done
	fi
}

# --- restore ----------------------------------------------------------------------------------------------------------

has() { # STORE
	[[ ,$stores, == *,$1,* ]]
}

neo4j_run() { # STATEMENT
	curl --silent --show-error --fail-with-body --noproxy '*' --max-time 60 -u "$(tr / : <<<"${NEO4J_AUTH:-neo4j/whisperengine}")" \
		-H 'Content-Type: application/json' -d "$(jq -nc --arg statement "$1" '{$statement}')" \
		"http://127.0.0.1:$NEO4J_HTTP_PORT/db/neo4j/query/v2" | jq -ce .data.values
}

psql_run() { # SQL
	# shellcheck disable=SC2016 # for the shell in the container
	docker exec -i -e "SQL=$1" "$(container postgres)" sh -c 'exec psql -X -q -A -t -v ON_ERROR_STOP=1 -U "$POSTGRES_USER" -d postgres -c "$SQL"' </dev/null
}

chroma_url() {
	echo "http://127.0.0.1:$CHROMADB_PORT/api/v2/tenants/default_tenant/databases/default_database/collections"
}

chroma_call() { # ARGUMENT-OF-CURL..
	curl --silent --show-error --fail --noproxy '*' --max-time 60 -H 'Content-Type: application/json' "$@"
}

write_mark() { # WORD: into each store
	local name
	! has postgresql || psql_run "DROP TABLE IF EXISTS mark; CREATE TABLE mark AS SELECT '$1'::text AS word" >/dev/null
	! has redis || docker exec "$(container redis)" redis-cli SET mark "$1" >/dev/null
	if has chromadb; then
		for name in $(chroma_call "$(chroma_url)" | jq -r '.[].name | select(startswith("mark_"))'); do
			chroma_call -X DELETE "$(chroma_url)/$name" >/dev/null
		done
		chroma_call -d "{\"name\": \"mark_$1\"}" "$(chroma_url)" >/dev/null
	fi
	! has neo4j || neo4j_run "MERGE (m:Mark) SET m.word = '$1'" >/dev/null
}

read_marks() { # those of all stores, each once
	{
		! has postgresql || psql_run 'SELECT word FROM mark'
		! has redis || docker exec "$(container redis)" redis-cli --raw GET mark
		! has chromadb || chroma_call "$(chroma_url)" | jq -r '.[].name | select(startswith("mark_")) | ltrimstr("mark_")'
		! has neo4j || neo4j_run 'MATCH (m:Mark) RETURN m.word' | jq -r '.[0][0]'
	} | sort | uniq -c | sed 's/^ *//' | paste -sd ' '
}

all_answer() {
	"$program" health --only "$stores" >/dev/null 2>&1
}

all_of_it_answers() {
	"$program" health >/dev/null 2>&1
}

kill_restore() {
	local count marks service
	count=$(tr -cd , <<<"$stores,")
	count=${#count}
	kill_somewhere restore latest --only "$stores" --yes --no-safety-backup
	quietly "$program" recover
	wait_until no_process_of_ours
	nothing_is_paused || broken 'something is paused'
	wait_until all_answer
	marks=$(read_marks)
	case $marks in
	"$count live") undone=$((undone + 1)) ;;
	"$count saved")
		done=$((done + 1))
		write_mark live
		;;
	*) broken "the stores are between two states: $marks" ;;
	esac
	for service in redis:/data chromadb:/chroma/chroma neo4j:/data; do
		[[ -z $(docker exec "$(container "${service%:*}")" find "${service#*:}" -maxdepth 1 -name '.whisperbackup*') ]] ||
			broken "something is left in the volume of ${service%:*}"
	done
	[[ -z $(psql_run "SELECT datname FROM pg_database WHERE datname ~ '^wb_'") ]] || broken 'a database is left in PostgreSQL'
	wait_until nothing_of_ours_in_the_engine
	[[ ! -e $BACKUP_DIR/.restore.json ]] || broken 'the journal is still there'
	if ((number % 10 == 0)); then
		the_next_backup_works
	fi
}

# And goes again: `latest` is the one that is restored, and drilled.
the_next_backup_works() {
	quietly "$program" create --only "$stores"
	expect_good_backups
	rm -r "$(find "$BACKUP_DIR" -mindepth 1 -maxdepth 1 -name 'whisperengine_backup_*' | sort | tail -n 1)"
}

# --- drill ------------------------------------------------------------------------------------------------------------

kill_drill() {
	kill_somewhere verify latest --drill
	quietly "$program" list
	wait_until nothing_of_ours_in_the_engine
	all_run || broken 'not everything runs'
	# One that was killed says nothing about the backup.
	! grep -qs '"good": *false' "$BACKUP_DIR"/whisperengine_backup_*/verified.json || broken 'the backup is called bad'
	if ((number % 10 == 0)); then
		quietly "$program" verify latest --drill
		the_next_backup_works
	fi
}

# --- cleanup ----------------------------------------------------------------------------------------------------------

# A folder of small backups, of which the rules keep the last three: those that were there before the kill and are kept by
# the rules are there after it, everything that is listed is whole, and the next cleanup does the rest.
prepare_cleanup() {
	bash -s "$work" <<'SCRIPT'
		set -euo pipefail
		bats_require_minimum_version() { :; }
		BATS_TEST_TMPDIR=$1 backups=$1/sound
		source tests/cli/helpers.bash
		mkdir "$backups"
		for timestamp in 2024{01..09}01_120000; do
			make_sound_backup "$timestamp"
		done
SCRIPT
}

kill_cleanup() {
	rm -rf "$BACKUP_DIR"
	cp -a "$work/sound" "$BACKUP_DIR"
	DOCKER_HOST=unix:///nonexistent.sock kill_somewhere cleanup --keep-last 3
	quietly "$program" list
	for timestamp in 2024{07..09}01_120000; do
		[[ -d $BACKUP_DIR/whisperengine_backup_$timestamp ]] || broken "$timestamp is gone"
	done
	quietly "$program" verify --all
	quietly "$program" cleanup --keep-last 3
	expect_good_backups
	[[ $(find "$BACKUP_DIR" -maxdepth 1 -name 'whisperengine_backup_*' | wc -l) -eq 3 ]] || broken 'not three backups are left'
}

# --- all of it --------------------------------------------------------------------------------------------------------

for command in "${commands[@]}"; do
	number=0 undone=0 done=0
	mkdir -p "$BACKUP_DIR"
	chmod 700 "$BACKUP_DIR"
	if [[ $command != cleanup && -z $stack_is_up ]]; then
		stack_is_up=yes
		anonymous_volumes >"$work/anonymous" || true
		STACK_WAIT_SECONDS=$patience scripts/stack.sh up >/dev/null 2>&1
		wait_until all_of_it_answers # where it has no health checks
		scripts/seed.sh >/dev/null 2>&1
	fi
	case $command in
	create) measure "$program" create --only "$stores" ;;
	restore)
		write_mark saved
		quietly "$program" create --only "$stores"
		write_mark live
		measure "$program" restore latest --only "$stores" --yes --no-safety-backup
		write_mark live
		;;
	drill)
		quietly "$program" create --only "$stores"
		measure "$program" verify latest --drill
		;;
	cleanup)
		prepare_cleanup
		rm -rf "$BACKUP_DIR"
		cp -a "$work/sound" "$BACKUP_DIR"
		measure "$program" cleanup --keep-last 3
		;;
	esac
	for ((number = 1; number <= kills; number++)); do
		"kill_$command"
		((number % 50 > 0)) || printf '%s: %d of %d\n' "$command" "$number" "$kills"
	done
	printf '%s killed %d times, nothing lost%s\n' "$command" "$kills" \
		"$([[ $command != restore ]] || echo ": $undone times as before, $done times restored")"
	rm -rf "$BACKUP_DIR"
done
echo "$((kills * ${#commands[@]})) passed, 0 failed"
