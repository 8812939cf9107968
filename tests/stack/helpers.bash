# shellcheck shell=bash
# What the tests on real servers share. Loaded by `load helpers`; everything runs in the project's folder, on the Compose
# project of environment.sh.

# shellcheck source=tests/cli/helpers.bash
source "$(dirname "${BASH_SOURCE[0]}")/../cli/helpers.bash"
cd "${repository:?}" || exit 1
# shellcheck source=tests/stack/environment.sh
source tests/stack/environment.sh
export BACKUP_DIR=${BATS_FILE_TMPDIR:-/nonexistent}/backups # of this test file

all_services=(postgres redis chromadb neo4j)
patience=240 # seconds to wait for what has to come; no test passes or fails by how fast it comes

wait_until() { # COMMAND ARGUMENT..: again and again until it succeeds
	local deadline=$((SECONDS + patience))
	until "$@"; do
		((SECONDS < deadline)) || fail "this did not become true in $patience seconds: $*" || return 1
		sleep 0.1
	done
}

# --- containers -------------------------------------------------------------------------------------------------------

services() { # OPTION.. of docker ps: a line for each of the project
	docker ps --all --filter "label=com.docker.compose.project=$COMPOSE_PROJECT_NAME" \
		--filter label=com.docker.compose.oneoff=False "$@"
}

container() { # SERVICE: the id of its container, running or not
	local ids
	ids=$(services --quiet --no-trunc --filter "label=com.docker.compose.service=$1")
	[[ -n $ids && $ids != *$'\n'* ]] || fail "not one container for $1: $ids" || return 1
	echo "$ids"
}

container_is() { # SERVICE STATE: created, running, paused, restarting, exited
	[[ $(docker inspect --format '{{.State.Status}}' "$(container "$1")") == "$2" ]]
}

# The file of the kernel that tells at once whether a container is frozen; asking the engine takes longer than a window.
frozen_file() { # SERVICE; prints nothing if there is none that can be read here
	local id file
	id=$(container "$1")
	for file in /sys/fs/cgroup/freezer/docker/"$id"/freezer.state /sys/fs/cgroup/docker/"$id"/cgroup.freeze \
		/sys/fs/cgroup/system.slice/docker-"$id".scope/cgroup.freeze; do
		[[ ! -r $file ]] || {
			echo "$file"
			return
		}
	done
}

is_frozen() { # SERVICE FILE as frozen_file has printed it
	local state
	if [[ -z $2 ]]; then container_is "$1" paused && return; fi
	state=$(<"$2") && [[ $state == FROZEN || $state == 1 ]]
}

# Whether it is ready for whoever comes in from this machine.
service_answers() { # SERVICE
	local first=''
	case $1 in
	postgres) # the startup message of a user: an 'E' comes from a server that is not ready
		exec 9<>"/dev/tcp/127.0.0.1/$POSTGRES_PORT" || return 1
		printf '\0\0\0\025\0\03\0\0user\0nobody\0\0' >&9
		IFS= read -r -t 5 -n 1 -u 9 first || true
		exec 9>&-
		[[ $first == R ]]
		;;
	redis)
		exec 9<>"/dev/tcp/127.0.0.1/$REDIS_PORT" || return 1
		printf 'PING\r\n' >&9
		IFS= read -r -t 5 -u 9 first || true
		exec 9>&-
		[[ $first == +PONG* ]]
		;;
	chromadb) curl --silent --fail --noproxy '*' --max-time 5 "http://127.0.0.1:$CHROMADB_PORT/api/v2/heartbeat" >/dev/null ;;
	neo4j)
		curl --silent --fail --noproxy '*' --max-time 5 "http://127.0.0.1:$NEO4J_HTTP_PORT/" >/dev/null &&
			exec 9<>"/dev/tcp/127.0.0.1/$NEO4J_BOLT_PORT" && exec 9>&-
		;;
	esac 2>/dev/null
}

is_healthy() { # SERVICE: by its health check; where it has none (environment.sh), it answers
	local state
	state=$(docker inspect --format '{{.State.Status}} {{if .State.Health}}{{.State.Health.Status}}{{end}}' "$(container "$1")")
	[[ $state == 'running healthy' ]] || { [[ $state == 'running ' ]] && service_answers "$1"; }
}

stop_services() { # SERVICE.. (ChromaDB does not obey the usual signal)
	local service id
	for service in "$@"; do
		id=$(container "$service")
		if [[ $service == chromadb ]]; then docker kill --signal INT "$id" >/dev/null; fi
		docker stop --time 120 "$id" >/dev/null &
	done
	wait
	for service in "$@"; do
		wait_until container_is "$service" exited
	done
}

start_services() { # SERVICE..
	local service
	for service in "$@"; do
		docker start "$(container "$service")" >/dev/null
	done
	for service in "$@"; do
		wait_until is_healthy "$service"
	done
}

all_healthy() { # and in containers with health checks, or without, as this file of tests wants them
	local running health=healthy service
	[[ $STACK_FILE == docker-compose.yml ]] || health=none
	running=$(services --filter status=running --filter "health=$health" --format '{{.Label "com.docker.compose.service"}}')
	for service in "${all_services[@]}"; do
		[[ $'\n'$running$'\n' == *$'\n'$service$'\n'* ]] || return 1
		[[ $health == healthy ]] || service_answers "$service" || return 1
	done
}

each_is_healthy() { # of those that there are: an image may not be had
	local service
	for service in $(services --format '{{.Label "com.docker.compose.service"}}'); do
		[[ " ${all_services[*]} " != *" $service "* ]] || is_healthy "$service" || return 1
	done
}

# Containers and volumes of the project are there and healthy, whatever the tests before have done to them.
stack_up() {
	local id
	[[ $COMPOSE_PROJECT_NAME == *-test ]] || fail "these tests are not for the project $COMPOSE_PROJECT_NAME" || return 1
	for id in $(docker ps --quiet --filter status=paused --filter "label=com.docker.compose.project=$COMPOSE_PROJECT_NAME"); do
		docker unpause "$id" >/dev/null 2>&1 || true # somebody else's thaw may have come first; whether it runs is seen below
	done
	all_healthy || STACK_WAIT_SECONDS=$patience scripts/stack.sh up >"$BATS_FILE_TMPDIR/stack-up" 2>&1 ||
		fail "the stack does not come up:" "$(cat "$BATS_FILE_TMPDIR/stack-up")" || return 1
	wait_until each_is_healthy
}

assert_all_running() {
	local service states
	states=$(services --format '{{.Label "com.docker.compose.service"}} {{.State}}')
	for service in "${all_services[@]}"; do
		grep -qx "$service running" <<<"$states" || fail "$service does not run:" "$states" || return 1
	done
}

assert_nothing_paused() {
	assert_equal "$(docker ps --filter status=paused --filter "label=com.docker.compose.project=$COMPOSE_PROJECT_NAME" \
		--format '{{.Names}}')" ''
}

# Nothing that the program makes on its way is left in the volumes, the backup folder, the containers or the engine.
assert_no_leftovers() {
	local service folder
	for service in redis chromadb neo4j; do
		folder=$(data_folder "$service")
		assert_equal "$(docker exec "$(container "$service")" find "$folder" -maxdepth 1 -name '.whisperbackup*')" ''
	done
	assert_nothing_executed
	assert_equal "$(psql_run postgres -c "SELECT datname FROM pg_database WHERE datname ~ '^wb_'")" ''
	assert_no_helpers
	assert_nothing_partial
	assert_no_processes
}

# What it has started in the services' containers (psql, pg_dump, bash for a dialogue ..) has a mark in its environment; it
# ends by itself when it finds that nobody listens any more.
assert_nothing_executed() {
	local service
	for service in "${all_services[@]}"; do
		wait_until nothing_is_executed_in "$service" || fail "left in $service:" "$(docker top "$(container "$service")")" || return 1
	done
}

nothing_is_executed_in() { # SERVICE
	local marks
	# shellcheck disable=SC2016 # for the shell in the container
	marks=$(docker exec --user 0 "$(container "$1")" sh -c \
		'cat /proc/[0-9]*/environ 2>/dev/null | tr "\0" "\n" | grep ^WHISPERBACKUP_EXEC= || echo none') && [[ $marks == none ]]
}

# Of the program, on this backup folder. A guardian looks again for some seconds before it leaves.
assert_no_processes() {
	wait_until no_process_is_left
}

no_process_is_left() {
	local file
	while read -r file; do
		[[ $(readlink "${file%environ}exe") != */whisperbackup* ]] || return 1
	done < <(grep -lzxF "BACKUP_DIR=$BACKUP_DIR" /proc/[0-9]*/environ 2>/dev/null)
}

helpers_there() { # the throwaway containers on this project's volumes; other projects' runs have theirs
	local id owner
	for id in $(docker ps --all --quiet --filter label=whisperengine.backup.helper); do
		owner=$(docker inspect --format '{{index .HostConfig.VolumesFrom 0}}' "$id" 2>/dev/null) || continue
		docker inspect --format '{{index .Config.Labels "com.docker.compose.project"}}' "$owner" 2>/dev/null |
			grep -qx "$COMPOSE_PROJECT_NAME" && echo "$id"
	done
	return 0
}

assert_no_helpers() {
	assert_equal "$(helpers_there)" ''
}

assert_nothing_partial() {
	[[ ! -d $BACKUP_DIR ]] || assert_equal "$(find "$BACKUP_DIR" -maxdepth 1 -name '.partial-*' -o -maxdepth 1 -name '.removing-*' \
		-o -maxdepth 1 -name '.checking*')" ''
}

data_folder() { # SERVICE
	case $1 in
	postgres) echo /var/lib/postgresql/data ;;
	redis | neo4j) echo /data ;;
	chromadb) echo /chroma/chroma ;;
	esac
}

# --- data -------------------------------------------------------------------------------------------------------------

keep_output() { # NAME COMMAND ARGUMENT..: for setup_file; NAME.out, NAME.err and NAME.status in the file's folder
	local status=0
	"${@:2}" >"$BATS_FILE_TMPDIR/$1.out" 2>"$BATS_FILE_TMPDIR/$1.err" </dev/null || status=$?
	echo "$status" >"$BATS_FILE_TMPDIR/$1.status"
}

kept() { # NAME.out, NAME.err or NAME.status
	cat "$BATS_FILE_TMPDIR/$1"
}

quietly() { # COMMAND ARGUMENT..: shows what it said only if it fails
	local said
	said=$("$@" 2>&1 </dev/null) || fail "failed: $*" "$said"
}

seed() { # STORE..: at once; each from nothing
	local store pids=() pid
	for store in "$@"; do
		quietly scripts/seed.sh "$store" &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do
		wait "$pid"
	done
}

mutate() { # STORE..
	local store pids=() pid
	for store in "$@"; do
		quietly tests/stack/mutate.sh "$store" &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do
		wait "$pid"
	done
}

save_state() { # NAME STORE..: everything the stores hold, as text, under that name
	quietly tests/stack/state.sh "$BATS_FILE_TMPDIR/state-$1" "${@:2}"
}

assert_same_state() { # NAME NAME STORE
	local difference
	difference=$(tests/stack/compare.sh "$BATS_FILE_TMPDIR/state-$1" "$BATS_FILE_TMPDIR/state-$2" "$3") || fail "$difference"
}

assert_other_state() { # NAME NAME STORE: so that "the same" later means something
	! tests/stack/compare.sh "$BATS_FILE_TMPDIR/state-$1" "$BATS_FILE_TMPDIR/state-$2" "$3" >/dev/null || fail "$3 has not changed"
}

psql_run() { # DATABASE ARGUMENT..: prints what psql prints, bare
	# shellcheck disable=SC2016 # for the shell in the container
	docker exec -i -e "WANTED=$1" "$(container postgres)" sh -c \
		'exec psql -X -q -A -t -v ON_ERROR_STOP=1 -U "$POSTGRES_USER" -d "$WANTED" "$@"' sh "${@:2}" </dev/null
}

redis_run() { # ARGUMENT..
	docker exec "$(container redis)" redis-cli "$@"
}

chroma_url() {
	echo "http://127.0.0.1:$CHROMADB_PORT/api/v2/tenants/default_tenant/databases/default_database/collections"
}

# shellcheck disable=SC2120 # a path is wanted only now and then
chroma_get() { # [PATH]
	curl --silent --show-error --fail --noproxy '*' --max-time 60 "$(chroma_url)${1:-}"
}

chroma_post() { # PATH BODY
	curl --silent --show-error --fail --noproxy '*' --max-time 60 -H 'Content-Type: application/json' -d "$2" "$(chroma_url)$1"
}

neo4j_run() { # STATEMENT: its rows as JSON; over HTTP, which takes no Java machine of its own
	curl --silent --show-error --fail-with-body --noproxy '*' --max-time 60 -u "$(tr / : <<<"${NEO4J_AUTH:-neo4j/whisperengine}")" \
		-H 'Content-Type: application/json' -d "$(jq -nc --arg statement "$1" '{$statement}')" \
		"http://127.0.0.1:$NEO4J_HTTP_PORT/db/neo4j/query/v2" | jq -ce .data.values
}

# What is cheap to read and would change with a restore, a restart, a loss of data or something left in a volume; of the
# services that run. One call for each, because the tests read it often.
live_fingerprint() {
	local service id
	# shellcheck disable=SC2016 # for the shell in the container
	for service in "${all_services[@]}"; do
		id=$(container "$service")
		docker inspect --format "$service {{.State.Status}} {{.State.StartedAt}}" "$id"
		[[ $(docker inspect --format '{{.State.Status}}' "$id") == running ]] || continue
		case $service in
		postgres) docker exec "$id" sh -c 'psql -X -q -A -t -U "$POSTGRES_USER" -d postgres \
			-c "SELECT oid, datname FROM pg_database ORDER BY 1" -c "SELECT oid, rolname FROM pg_roles ORDER BY 1"' ;;
		redis) docker exec "$id" sh -c 'redis-cli INFO keyspace; ls -A /data' | sed 's/,avg_ttl.*//' ;;
		chromadb)
			docker exec "$id" ls -A /chroma/chroma
			chroma_get "" | jq -cS 'map([.id, .name, .metadata]) | sort'
			;;
		neo4j)
			docker exec "$id" ls -A /data
			neo4j_run 'MATCH (n) RETURN count(n), sum(size(keys(n)))'
			;;
		esac
	done
}

# The live data is what it was; if not, the next test shall not fail for it too.
assert_fingerprint() { # FILE with what live_fingerprint said
	local difference
	live_fingerprint >"$BATS_TEST_TMPDIR/fingerprint"
	difference=$(diff "$1" "$BATS_TEST_TMPDIR/fingerprint") || {
		cp "$BATS_TEST_TMPDIR/fingerprint" "$1"
		fail "the live data or its services have changed:" "$difference"
	}
}

# --- backups ----------------------------------------------------------------------------------------------------------

newest_backup() { # its timestamp
	local folder newest=''
	for folder in "$BACKUP_DIR"/whisperengine_backup_*; do
		[[ ! -d $folder ]] || newest=${folder##*_backup_}
	done
	[[ -n $newest ]] || fail "there is no backup in $BACKUP_DIR" || return 1
	echo "$newest"
}

backup_path() { # [TIMESTAMP]
	echo "$BACKUP_DIR/whisperengine_backup_${1:-$(newest_backup)}"
}

backup_count() {
	find "$BACKUP_DIR" -maxdepth 1 -name 'whisperengine_backup_*' | wc -l
}

# --- damage -----------------------------------------------------------------------------------------------------------

flip_bit() { # FILE OFFSET: same size, other content
	local byte
	byte=$(od -An -tu1 -j "$2" -N 1 "$1" | tr -d ' ')
	# shellcheck disable=SC2059 # the format is the byte
	printf "\\x$(printf %02x $((byte ^ 1)))" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

copy_backup() { # FROM-TIMESTAMP TO-TIMESTAMP: prints its folder
	cp -r "$(backup_path "$1")" "$(backup_path "$2")"
	backup_path "$2"
}

legacy_backup() { # TIMESTAMP: prints the empty folder
	mkdir -p "$(backup_path "$1")"
	backup_path "$1"
}

# Where the members of one of our .tar.gz files end: each carries its length (RFC 1952, 2.3.1.1, subfield "WB").
gzip_member_ends() { # FILE
	local size at=0
	size=$(stat -c %s "$1")
	while ((at < size)); do
		at=$((at + $(od -An -tu4 --endian=little -j $((at + 16)) -N 4 "$1")))
		echo "$at"
	done
}

# --- a terminal -------------------------------------------------------------------------------------------------------

# Starts the program at a terminal of its own; what it shows goes to the file $screen.
open_terminal() { # ARGUMENT..
	local command
	printf -v command '%q ' "$WHISPERBACKUP" "$@"
	screen=$BATS_TEST_TMPDIR/screen
	: >"$screen"
	mkfifo "$BATS_TEST_TMPDIR/keys"
	TERM=xterm script --quiet --return --flush --command "exec $command" "$screen" \
		<"$BATS_TEST_TMPDIR/keys" >/dev/null 2>&1 3>&- &
	terminal=$!
	exec 7>"$BATS_TEST_TMPDIR/keys"
}

type_keys() { # TEXT, with printf's escapes
	# shellcheck disable=SC2059 # escapes are wanted
	printf "$1" >&7
}

screen_shows() { # TEXT
	grep -qF "$1" "$screen"
}

close_terminal() { # EXPECTED-EXIT-STATUS: waits for the program's end
	local status=0
	wait "$terminal" || status=$?
	exec 7>&-
	[[ $status -eq $1 ]] || fail "exit status $status instead of $1" "$(cat "$screen")"
}

# --- holding the program ----------------------------------------------------------------------------------------------

start_program() { # ARGUMENT..: in the background, but SIGHUP counts, whatever we were started by; sets $running
	env --default-signal=HUP "$WHISPERBACKUP" "$@" >"$BATS_TEST_TMPDIR/out" 2>"$BATS_TEST_TMPDIR/err" </dev/null 3>&- &
	running=$!
}

it_runs() {
	kill -0 "$running" 2>/dev/null
}

reached() { # COMMAND ARGUMENT..: or the program has ended
	"$@" || ! it_runs
}

hold_soon_after() { # COMMAND ARGUMENT..: holds the program once that is true, wherever it has got to by then
	until reached "$@"; do :; done
	kill -STOP "$running" || fail "it ended too early:" "$(cat "$BATS_TEST_TMPDIR/err")"
}

hold_when() { # COMMAND ARGUMENT..: holds the program while that is true
	hold_soon_after "$@"
	"$@" || {
		run_to_its_end
		skip "the program was too quick to be held at: $*"
	}
}

catch_when() { # COMMAND ARGUMENT..: the same, for a test that starts it again where it was too quick; it has ended then
	until reached "$@"; do :; done
	if kill -STOP "$running" 2>/dev/null && "$@"; then return 0; fi
	run_to_its_end
	return 1
}

run_to_its_end() { # one that is held, or has ended already
	kill -CONT "$running" 2>/dev/null || true
	wait "$running" || true
	running=''
}

kill_program() { # and waits until it has gone, and its locks with it
	kill -KILL "$running"
	wait "$running" 2>/dev/null || true
	running=''
}

is_held() { # by itself, at a step that it was told of (WHISPERBACKUP_TEST_HOLD_AT)
	[[ $(ps -o stat= -p "$running") == T* ]]
}

let_go() {
	kill -CONT "$running"
}

ends_with() { # EXPECTED-EXIT-STATUS: sets $errors
	local status=0
	wait "$running" || status=$?
	running=''
	errors=$(cat "$BATS_TEST_TMPDIR/err")
	[[ $status -eq $1 ]] || fail "exit status $status instead of $1" "$errors"
}

end_program() { # for teardown; and waits until it has gone, and its locks with it
	[[ -z ${running:-} ]] || kill_program 2>/dev/null || true
	running=''
}

# The engine forgets all but its last few hundred events, so they are listened to from the beginning. A mark that comes
# through the same stream shows that it is listened to, and that whatever was before it has come: a program that is started
# in a container that nobody stops or pauses here, with a word that nothing else has.
watch_pauses() { # until unwatch
	docker events --filter "label=com.docker.compose.project=$COMPOSE_PROJECT_NAME" --filter event=pause --filter event=unpause \
		--filter event=exec_create --format '{{index .Actor.Attributes "com.docker.compose.service"}} {{.Action}}' \
		>"$BATS_TEST_TMPDIR/pauses" 3>&- &
	watcher=$!
	wait_until a_mark_is_heard
}

send_mark() { # sets $mark
	mark=mark-$BASHPID-$(date +%s%N)
	docker exec "$(container postgres)" true "$mark"
}

mark_has_come() {
	grep -q "exec_create: true $mark" "$BATS_TEST_TMPDIR/pauses"
}

a_mark_is_heard() { # one of those that were sent
	local mark=mark-
	mark_has_come || { send_mark && mark=mark- && sleep 0.2 && mark_has_come; }
}

pauses_of() { # SERVICE: what has become of it until now, in one line
	local mark
	if ! send_mark || ! wait_until mark_has_come; then
		echo 'the events did not come' # whoever compares this finds no word of it
		return 1
	fi
	sed -nE "s/^$1 (pause|unpause)\$/\1/p" "$BATS_TEST_TMPDIR/pauses" | tr '\n' ' '
}

unwatch() { # for a teardown
	[[ -z ${watcher:-} ]] || kill "$watcher" 2>/dev/null || true
	watcher=''
}

# --- forging: of the backup in $folder, the file $artefact ---------------------------------------------------------------

# shellcheck disable=SC2154 # both are the test's
# Makes manifest and SHA256SUMS say that the artefact is as it is now.
note_sums() {
	jq --arg file "$artefact" --argjson size "$(stat -c %s "$folder/$artefact")" \
		--arg sum "$(sha256sum <"$folder/$artefact" | cut -c 1-64)" \
		'(.stores[] | select(.file == $file)) += {size_bytes: $size, sha256: $sum}' \
		"$folder/manifest.json" >"$BATS_TEST_TMPDIR/manifest"
	cp "$BATS_TEST_TMPDIR/manifest" "$folder/manifest.json"
	(cd "$folder" && sha256sum backup_info.txt "$artefact" >SHA256SUMS)
}

# Makes SHA256SUMS that of an earlier version, which says nothing of the manifest.
forget_sum_of_manifest() {
	[[ ! -e $folder/SHA256SUMS ]] || sed -i '/ manifest\.json$/d' "$folder/SHA256SUMS"
}

unpack() { # sets $tree
	tree=$BATS_TEST_TMPDIR/tree
	mkdir "$tree"
	tar -xzf "$folder/$artefact" -C "$tree"
}

repack() {
	tar -czf "$folder/$artefact" -C "$tree" --format=posix "$(ls "$tree")"
	note_sums
}
