#!/usr/bin/env bats
# shellcheck shell=bats disable=SC2034,SC2030,SC2031,SC2154
# kill -9 of the program, of its guardian, of both, while services stand still under load: at most one more command later
# everything runs, the next backup works, and nothing partial is left. What its owner has paused stays paused.
#
# Where a test needs the program to be found in its window, the volumes are read through the engine, which takes seconds.

stack=as_shipped # environment.sh reads it
load helpers
load writer

random_kills=6

setup_file() {
	stack_up
	writer_reset
	writer_start gentle
	wait_until writer_is_past 20
	quietly "$WHISPERBACKUP" create
}

teardown_file() {
	writer_remove writer
	stack_up
}

setup() {
	stack_up
	[[ $(docker inspect --format '{{.State.Status}}' "$(container writer)") == running ]] || writer_again
	journal=$BACKUP_DIR/.window.json
	guardian=''
}

teardown() {
	end_program
	unwatch
	[[ -z $guardian ]] || kill -KILL "$guardian" 2>/dev/null || true
	docker rm --force --volumes "$(writer_container extra)" >/dev/null 2>&1 || true
	quietly "$WHISPERBACKUP" recover || true
}

# --- helpers ----------------------------------------------------------------------------------------------------------

is_paused() { # SERVICE
	container_is "$1" paused
}

anything_is_paused() {
	[[ -n $(docker ps --quiet --filter status=paused --filter "label=com.docker.compose.project=$COMPOSE_PROJECT_NAME") ]]
}

nothing_is_paused() {
	! anything_is_paused
}

direct_access_is_possible() {
	[[ -d $(docker inspect --format '{{range .Mounts}}{{if eq .Destination "/data"}}{{.Source}}{{end}}{{end}}' "$(container neo4j)") ]]
}

find_guardian() { # sets $guardian: the one child of the program
	guardian=$(pgrep --parent "$running") || fail "the program has no guardian"
	[[ $guardian != *$'\n'* ]] || fail "the program has several children: $guardian"
}

# Neo4j is paused last and for good; ChromaDB may be thawed again to wait until it is at rest.
hold_in_window() { # SERVICE [ARGUMENT..]: the program is stopped while that service is paused
	local try caught=''
	for try in 1 2 3 4 5; do
		start_program create --volume-access api "${@:2}"
		catch_when is_paused "$1" || continue
		caught=1
		if pgrep --parent "$running" >/dev/null; then
			find_guardian
			return
		fi
		# Held while it reads through the engine, which says nothing of a container then, until the guardian has thawed, killed
		# the program that hangs, and left.
		run_to_its_end
	done
	[[ -z $caught ]] || fail "the program was held while $1 was paused, and never had a guardian"
	skip "the program was too quick to be held while $1 is paused"
}

thaw_past_engine() { # FILE as frozen_file has printed it
	if [[ $1 == */freezer.state ]]; then echo THAWED >"$1"; else echo 0 >"$1"; fi
}

# The guardian goes first where both are to be found dead: it thaws as soon as the program has gone.
kill_all() { # PID..: one after the other without a pause, and waits until they have gone
	local pid
	kill -KILL "$@"
	for pid; do
		# Not all of them are ours to wait for.
		wait "$pid" 2>/dev/null || true
		wait_until has_gone "$pid"
	done
	running=''
	guardian=''
}

has_gone() { # PID: or is only waited for by somebody
	local state
	state=$(ps -o stat= -p "$1") || return 0
	[[ $state == Z* ]]
}

assert_sound() { # the next backup works, and nothing is left of the one before
	[[ ! -e $journal ]] || fail "the journal is still there: $(cat "$journal")"
	program 0 create --quiet --only chromadb
	[[ ! -e $journal ]] || fail "the journal is still there: $(cat "$journal")"
	assert_nothing_paused
	assert_nothing_partial
	assert_nothing_executed
	assert_all_running
	program 0 list --json
	assert_json "$output" '[.backups[].stores[] | .status] - ["ok", "skipped"]' '[]'
	local before
	before=$(writer_number)
	wait_until writer_is_past "$before"
}

start_extra() { # DOCKER-RUN-OPTION..: another container of the project, which does nothing
	writer_start idle extra "$@"
}

pauses() { # SERVICE: how often it was paused since watch_pauses
	pauses_of "$1" | tr ' ' '\n' | grep -cx pause
}

# --- the program, its guardian, both ------------------------------------------------------------------------------------

@test "the program is killed in its window: the guardian thaws everything, and no command is needed" {
	hold_in_window neo4j
	kill -KILL "$running"
	wait_until nothing_is_paused
	wait_until test ! -e "$journal"
	assert_sound
}

@test "the guardian is killed in the window: the program goes on, and its backup is good" {
	hold_in_window neo4j
	kill -KILL "$guardian"
	let_go
	ends_with 0
	assert_nothing_paused
	assert_sound
}

@test "both are killed in the window: what was paused stays so, and recover thaws it and says what it was" {
	hold_in_window neo4j
	kill_all "$guardian" "$running"
	[[ -e $journal ]] || fail "there is no journal"
	is_paused neo4j
	is_paused chromadb
	is_paused writer
	program 0 recover
	assert_contains "$errors" 'they run again'
	local service
	for service in neo4j chromadb writer; do
		assert_contains "$errors" "$(docker inspect --format '{{slice .Name 1}}' "$(container $service)")"
	done
	assert_equal "$output" 'Recovered.'
	assert_nothing_paused
	program 0 recover
	assert_equal "$output" 'There was nothing to recover.'
	assert_equal "$errors" ''
	assert_sound
}

@test "both are killed in the window: the next list thaws, says so, and lists" {
	hold_in_window neo4j
	kill_all "$guardian" "$running"
	program 0 list --json
	assert_contains "$errors" 'they run again'
	assert_json "$output" '.backups | length > 0' true
	assert_nothing_paused
	assert_sound
}

@test "both are killed in the window: the next create thaws, says so, and makes its backup" {
	hold_in_window neo4j
	kill_all "$guardian" "$running"
	program 0 create --quiet
	assert_contains "$errors" 'they run again'
	assert_nothing_paused
	assert_nothing_partial
	assert_sound
}

@test "both are killed as soon as there is a journal" {
	start_program create
	until reached test -e "$journal"; do :; done
	kill -STOP "$running"
	guardian=$(pgrep --parent "$running") || guardian=''
	# shellcheck disable=SC2086 # there may be none
	kill_all $guardian "$running"
	program 0 list
	assert_nothing_paused
	assert_sound
}

@test "the program is killed, and the next create does not wait for a guardian to leave by itself" {
	hold_in_window neo4j
	kill -KILL "$running"
	wait "$running" || true
	running=''
	program 0 create --quiet
	assert_nothing_paused
	assert_sound
}

@test "whatever is killed, whenever" {
	local count began who delay duration names
	began=$(date +%s%N)
	quietly "$WHISPERBACKUP" create
	duration=$((($(date +%s%N) - began) / 1000000))
	for ((count = 1; count <= random_kills; count++)); do
		who=$((RANDOM % 3))
		delay=$(((RANDOM * 32768 + RANDOM) % duration))
		names=('the program' 'the guardian' both)
		echo "kill $count: ${names[who]}, $delay ms after the start"
		start_program create
		sleep "$((delay / 1000)).$(printf %03d $((delay % 1000)))"
		guardian=$(pgrep --parent "$running") || guardian=''
		# The guardian first, and until it has gone: it thaws as soon as the program has.
		if [[ $who != 0 && -n $guardian ]]; then
			kill -KILL "$guardian" 2>/dev/null || true
			wait_until has_gone "$guardian"
		fi
		guardian=''
		[[ $who == 1 ]] || kill -KILL "$running" 2>/dev/null || true
		wait "$running" || true
		running=''
		program 0 list --json
		assert_json "$output" '[.backups[].stores[] | .status] - ["ok", "skipped"]' '[]'
		wait_until nothing_is_paused
		wait_until test ! -e "$journal"
	done
	assert_sound
}

# --- a program that hangs -----------------------------------------------------------------------------------------------

@test "a program that stops while it reads a folder does not keep the services either" {
	direct_access_is_possible || skip "the volumes cannot be read from here"
	local try frozen
	frozen=$(frozen_file neo4j)
	for ((try = 1; try <= 20; try++)); do
		start_program create --max-freeze 2 --volume-access direct
		until reached is_frozen neo4j "$frozen"; do :; done
		kill -STOP "$running" 2>/dev/null || true
		sleep 1 # for a thaw that was asked for
		! is_frozen neo4j "$frozen" || break
		let_go || true
		wait "$running" || true
	done
	is_frozen neo4j "$frozen" || skip "the program was too quick to be held in its window"
	wait_until nothing_is_paused
	let_go
	ends_with 1
	# Held while it thaws them, it finds that somebody has.
	[[ $errors == *'stood still'* || $errors == *'did not stand still'* ]] || fail "$errors"
	assert_nothing_paused
	assert_sound
}

# An engine keeps a container locked while its archive is read: unpausing waits for the reader, who sleeps, and whom the
# guardian therefore ends.
@test "a program that stops while it reads through the engine does not keep the services: they are thawed without it" {
	hold_in_window neo4j --max-freeze 8
	local status=0
	wait_until nothing_is_paused
	if it_runs; then let_go; fi
	wait "$running" || status=$?
	running=''
	errors=$(cat "$BATS_TEST_TMPDIR/err")
	case $status in
	1) assert_contains "$errors" 'stood still' ;;
	137) ;; # killed
	*) fail "exit status $status" "$errors" ;;
	esac
	[[ $errors != *'complete backup'* ]] || fail "$errors"
	wait_until test ! -e "$journal"
	assert_nothing_paused
	assert_sound
}

@test "a window that would be longer than it may is given up, and nothing is left" {
	program 1 create --volume-access api --max-freeze 1
	assert_contains "$errors" '--max-freeze'
	assert_nothing_paused
	assert_nothing_partial
	assert_sound
}

# --- a journal of another time ------------------------------------------------------------------------------------------

write_journal() { # BOOT-ID SERVICE
	jq -n --arg boot "$1" --arg id "$(container "$2")" --arg name "$2" \
		'{format: 1, $boot, engine: "", containers: [{$id, $name}]}' >"$journal"
}

@test "a journal from before the machine was started again thaws nothing: what is paused now, its owner has paused" {
	start_extra
	docker pause "$(container extra)" >/dev/null
	write_journal 00000000-0000-0000-0000-000000000000 extra
	program 0 recover
	is_paused extra
	[[ ! -e $journal ]] || fail "the journal is still there"
	write_journal "$(cat /proc/sys/kernel/random/boot_id)" extra
	program 0 recover
	container_is extra running
	[[ ! -e $journal ]] || fail "the journal is still there"
}

@test "a journal of which only a part was written, or whose containers are gone, stands in nobody's way" {
	local text
	for text in '' '{"format": 1, "boot": "' '{"format": 1, "boot": "", "engine": "", "containers": [{"id": "0123456789abcdef", "name": "gone"}]}'; do
		printf %s "$text" >"$journal"
		program 0 recover
		[[ ! -e $journal ]] || fail "the journal is still there: $text"
		printf %s "$text" >"$journal"
		program 0 create --only redis --quiet
		[[ ! -e $journal ]] || fail "the journal is still there: $text"
		rm -r "$(backup_path)"
	done
}

# --- what its owner wants -----------------------------------------------------------------------------------------------

# A program that has not quite begun when its container is paused keeps the engine from thawing it, for ever perhaps.
@test "programs that are started in a container all the time do not keep it paused" {
	[[ $(id -u) == 0 ]] || skip "only root can thaw a container past the engine"
	local store execs=()
	: >"$BATS_TEST_TMPDIR/on"
	for store in chromadb neo4j; do
		(while [[ -e $BATS_TEST_TMPDIR/on ]]; do docker exec "$(container "$store")" true; done >/dev/null 2>&1) 3>&- &
		execs+=($!)
	done
	program 0 create --quiet --only chromadb,neo4j
	program 0 create --quiet --only chromadb,neo4j
	assert_nothing_paused
	rm "$BATS_TEST_TMPDIR/on"
	wait "${execs[@]}" || true # the last one may have found the container paused
	assert_sound
}

@test "a container that was thawed past the engine, by a run that was killed then, is recovered" {
	[[ $(id -u) == 0 ]] || skip "only root can thaw a container past the engine"
	local frozen
	hold_in_window neo4j
	frozen=$(frozen_file neo4j)
	[[ -n $frozen ]] || skip "there is no freezer here"
	kill_all "$guardian" "$running"
	thaw_past_engine "$frozen"
	is_paused neo4j
	program 0 recover
	assert_contains "$output$errors" 'neo4j'
	assert_sound
}

@test "a container that its owner has paused stays paused: after create, and after a kill and recover" {
	start_extra
	docker pause "$(container extra)" >/dev/null
	program 0 create --quiet
	is_paused extra
	hold_in_window neo4j
	kill_all "$guardian" "$running"
	program 0 recover
	is_paused extra
	refute_contains "$errors" "$(writer_container extra)"
	docker unpause "$(container extra)" >/dev/null
	assert_nothing_paused
}

@test "a container that its owner has stopped stays stopped" {
	start_extra
	docker stop --time 0 "$(container extra)" >/dev/null
	program 0 create --quiet
	container_is extra exited
}

@test "a container with the label is never paused, the others are" {
	start_extra --label whisperengine.backup.pause=false
	watch_pauses
	program 0 create --quiet
	assert_equal "$(pauses extra)" 0
	assert_equal "$(pauses writer)" 1
	[[ $(pauses chromadb) -ge 1 ]] || fail "ChromaDB was not paused either"
}

@test "with --no-pause-writers none of the writers is paused" {
	start_extra
	watch_pauses
	program 0 create --quiet --no-pause-writers
	assert_equal "$(pauses extra)" 0
	assert_equal "$(pauses writer)" 0
	[[ $(pauses chromadb) -ge 1 ]] || fail "ChromaDB was not paused either"
}
