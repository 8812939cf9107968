#!/usr/bin/env bats
# shellcheck shell=bats disable=SC2030,SC2031,SC2154
# The engine itself is killed in the middle, and it has control groups of version 2. Once it is back, at most one command
# later everything runs, nothing is paused, and the next backup works.

load helpers
load engine

setup_file() {
	engine_is_possible || return 0
	stack_up
	local redis chromadb real=$WHISPERBACKUP
	redis=$(image_of redis)
	chromadb=$(image_of chromadb)
	docker save "$redis" "$chromadb" >"$BATS_FILE_TMPDIR/images"
	engine_prepare
	engine_enter
	engine_start
	quietly docker load --input "$BATS_FILE_TMPDIR/images"
	rm "$BATS_FILE_TMPDIR/images"
	run_service redis /data "$redis"
	run_service chromadb /chroma/chroma "$chromadb" run --path /chroma/chroma --host 0.0.0.0 --port 8000
	# The same process, in the engine's mounts.
	printf '#!/bin/sh\nexec nsenter --mount=%s --wdns=%s %s "$@"\n' "$engine_folder/private/mounts" "$PWD" "$real" >"$WHISPERBACKUP"
	chmod +x "$WHISPERBACKUP"
	wait_until answer
	redis_run SET sample:number 1 >/dev/null
	docker exec "$(container chromadb)" dd if=/dev/urandom of=/chroma/chroma/big bs=1M count=100 status=none
	quietly "$WHISPERBACKUP" create
}

teardown_file() {
	engine_remove
}

setup() {
	engine_is_possible || skip "only root can start an engine of its own"
	engine_enter
	engine_answers || engine_return
	wait_until answer
}

teardown() {
	end_program
}

answer() {
	"$WHISPERBACKUP" health --only redis,chromadb >/dev/null 2>&1
}

chroma_is_frozen() { # as the kernel has it
	[[ $(<"$engine_group/cgroup.freeze") == 1 ]]
}

find_group() { # of ChromaDB, as it is seen from outside of the engine's mounts
	local process
	process=$(docker inspect --format '{{.State.Pid}}' "$(container chromadb)")
	engine_group=$(findmnt --noheadings --output TARGET --types cgroup2 | head -n 1)$(sed -n 's/^0:://p' "/proc/$process/cgroup")
	[[ -e $engine_group/cgroup.freeze ]] || skip "the control groups of version 2 cannot be seen from here"
}

hold_in_window() { # through the engine, which takes long enough to be seen
	find_group
	start_program create --volume-access api
	hold_when chroma_is_frozen
}

kill_engine_and_return() { # under a program that is held; how it ends is its own matter
	engine_kill
	let_go
	wait "$running" || true
	running=''
	engine_return
}

assert_sound() {
	program 0 recover
	wait_until answer
	assert_nothing_paused
	[[ ! -e $BACKUP_DIR/.window.json ]] || fail "the journal is still there: $(cat "$BACKUP_DIR/.window.json")"
	program 0 create --quiet
	program 0 verify latest
	assert_nothing_partial
	assert_nothing_paused
	assert_equal "$(redis_run GET sample:number)" 1
	assert_equal "$(docker ps --all --quiet --filter label=whisperengine.backup.helper)" ''
	assert_equal "$(docker ps --all --quiet | wc -l)" 2
}

@test "the engine has control groups of version 2" {
	assert_equal "$(docker info --format '{{.CgroupVersion}}')" 2
}

@test "with control groups of version 2 a window opens and closes, and its backup is good" {
	find_group
	program 0 create
	assert_json "$(cat "$(backup_path)/manifest.json")" '[.status, .one_moment]' '["partial",true]'
	! chroma_is_frozen || fail "ChromaDB is still frozen"
	assert_sound
}

@test "with control groups of version 2 programs that are started in a container all the time do not keep it paused" {
	local execs
	: >"$BATS_TEST_TMPDIR/on"
	(while [[ -e $BATS_TEST_TMPDIR/on ]]; do docker exec "$(container chromadb)" true; done >/dev/null 2>&1) 3>&- &
	execs=$!
	program 0 create --quiet --only chromadb
	program 0 create --quiet --only chromadb
	assert_nothing_paused
	rm "$BATS_TEST_TMPDIR/on"
	wait "$execs" || true
	assert_sound
}

@test "the program is killed in its window: the guardian thaws with control groups of version 2 as well" {
	hold_in_window
	kill_program
	wait_until container_is chromadb running
	! chroma_is_frozen || fail "ChromaDB is still frozen"
	assert_sound
}

@test "the engine is killed while services stand still: create says so, and all is well once it is back" {
	hold_in_window
	engine_kill
	let_go
	ends_with 1
	assert_contains "$errors" 'hint: start Docker'
	! chroma_is_frozen || fail "ChromaDB is still frozen"
	engine_return
	wait_until answer
	assert_sound
}

@test "the engine and the program are killed while services stand still: the next command sees to all" {
	hold_in_window
	engine_kill
	kill_program
	engine_return
	assert_sound
}

@test "the engine is killed while data is staged: nothing has changed once it is back" {
	redis_run SET sample:live 1 >/dev/null
	start_program restore latest --only chromadb --yes --no-safety-backup
	hold_soon_after is_being_staged
	kill_engine_and_return
	assert_sound
	assert_equal "$(redis_run GET sample:live)" 1
}

is_being_staged() {
	compgen -G "$engine_folder/data/volumes/chromadb/_data/.whisperbackup-restore/new/*" >/dev/null
}

@test "the engine is killed while stores are swapped: it is undone or done, by the next command" {
	local run
	redis_run SET sample:live 1 >/dev/null
	run=$(docker inspect --format '{{.State.StartedAt}}' "$(container redis)")
	start_program restore latest --yes --no-safety-backup
	hold_soon_after was_stopped "$run"
	kill_engine_and_return
	assert_sound
	assert_equal "$(find "$engine_folder"/data/volumes/*/_data -maxdepth 1 -name '.whisperbackup*')" ''
}

was_stopped() { # STARTED-AT
	[[ $(docker inspect --format '{{.State.Status}} {{.State.StartedAt}}' "$(container redis)") != "running $1" ]]
}

@test "the engine is killed while a helper exchanges the data: it is undone or done, and the helper goes" {
	local run try
	for try in 1 2 3 4 5; do
		run=$(docker inspect --format '{{.State.StartedAt}}' "$(container redis)")
		start_program restore latest --yes --no-safety-backup --volume-access api
		! catch_when is_exchanging "$run" || break
	done
	[[ -n $running ]] || fail "no helper was seen in $try tries:" "$(cat "$BATS_TEST_TMPDIR/err")"
	kill_engine_and_return
	assert_sound
	assert_equal "$(find "$engine_folder"/data/volumes/*/_data -maxdepth 1 -name '.whisperbackup*')" ''
}

is_exchanging() { # STARTED-AT
	[[ -n $(docker ps --all --quiet --filter label=whisperengine.backup.helper) ]] && was_stopped "$1"
}

@test "the engine is killed while a drill runs: the next command removes what the drill has left" {
	start_program verify latest --drill
	hold_soon_after a_drill_runs
	kill_engine_and_return
	assert_sound
}

a_drill_runs() {
	[[ $(docker ps --all --quiet | wc -l) -gt 2 ]]
}
