#!/usr/bin/env bats
# shellcheck shell=bats disable=SC2030,SC2031,SC2154
# Where the backups are, which project is meant, and what is said when there is no Docker or no room.

load helpers

setup() {
	enter_project
}

# The backup folder that list looks into, by a backup that is only there.
assert_lists_from() { # FOLDER
	mkdir -p "$1/whisperengine_backup_20240912_143022"
	echo data >"$1/whisperengine_backup_20240912_143022/redis_backup.rdb"
	program 0 list --json
	assert_json "$output" '[.backups[].path]' "[\"$1/whisperengine_backup_20240912_143022\"]"
}

# --- BACKUP_DIR -------------------------------------------------------------------------------------------------------

@test "backups are in ./backups beside the compose file" {
	assert_lists_from "$project/backups"
}

@test "BACKUP_DIR may be an absolute path" {
	export BACKUP_DIR=$BATS_TEST_TMPDIR/elsewhere
	assert_lists_from "$BACKUP_DIR"
	program 0 list
	assert_contains "$output" "in $BACKUP_DIR,"
}

@test "BACKUP_DIR may end with a slash" {
	export BACKUP_DIR=$BATS_TEST_TMPDIR/elsewhere/
	assert_lists_from "$BATS_TEST_TMPDIR/elsewhere"
}

@test "a relative BACKUP_DIR counts from the compose file" {
	export BACKUP_DIR=./kept/here
	mkdir sub
	cd sub
	assert_lists_from "$project/kept/here"
	program 0 list
	assert_contains "$output" 'in ./kept/here,'
}

@test "BACKUP_DIR may hold spaces and other characters" {
	export BACKUP_DIR="$BATS_TEST_TMPDIR/my \"odd\" %s back'ups ü"
	mkdir -p "$BACKUP_DIR/whisperengine_backup_20240912_143022"
	echo data >"$BACKUP_DIR/whisperengine_backup_20240912_143022/redis_backup.rdb"
	program 0 list --json
	assert_equal "$(jq -r '.backups[].path' <<<"$output")" "$BACKUP_DIR/whisperengine_backup_20240912_143022"
	program 0 list
	assert_contains "$output" "in $BACKUP_DIR,"
}

@test "an empty BACKUP_DIR counts as not set" {
	export BACKUP_DIR=
	assert_lists_from "$project/backups"
}

@test "BACKUP_DIR may stand in .env" {
	echo "BACKUP_DIR=$BATS_TEST_TMPDIR/elsewhere" >.env
	assert_lists_from "$BATS_TEST_TMPDIR/elsewhere"
}

@test "the environment outweighs .env" {
	echo "BACKUP_DIR=$BATS_TEST_TMPDIR/not here" >.env
	export BACKUP_DIR=$BATS_TEST_TMPDIR/elsewhere
	assert_lists_from "$BATS_TEST_TMPDIR/elsewhere"
}

@test ".env is read as Compose reads it" {
	printf '# BACKUP_DIR=wrong\nOTHER_BACKUP_DIR=wrong\nBACKUP_DIR=wrong too\r\n  export BACKUP_DIR="%s"  # why\r\n' \
		"$BATS_TEST_TMPDIR/else where" >.env
	assert_lists_from "$BATS_TEST_TMPDIR/else where"
}

@test "a comment behind a value in .env is not part of it" {
	echo "BACKUP_DIR=$BATS_TEST_TMPDIR/else#where  # why" >.env
	assert_lists_from "$BATS_TEST_TMPDIR/else#where"
}

@test "a .env without an end of line is read to its end" {
	printf 'BACKUP_DIR=%s' "$BATS_TEST_TMPDIR/elsewhere" >.env
	assert_lists_from "$BATS_TEST_TMPDIR/elsewhere"
}

@test "a .env that cannot be read is an error that names it" {
	mkdir .env
	program 1 list
	assert_contains "$errors" "$project/.env"
}

# --- the project's folder ---------------------------------------------------------------------------------------------

@test "a folder below the project finds the compose file" {
	mkdir -p some/where/below
	cd some/where/below
	assert_lists_from "$project/backups"
}

@test "every usual name of a compose file is known" {
	for name in compose.yaml compose.yml docker-compose.yml docker-compose.yaml; do
		mkdir -p "$BATS_TEST_TMPDIR/$name/below"
		touch "$BATS_TEST_TMPDIR/$name/$name"
		cd "$BATS_TEST_TMPDIR/$name/below"
		assert_lists_from "$BATS_TEST_TMPDIR/$name/backups"
	done
}

@test "without a compose file anywhere, this folder is the project" {
	mkdir "$BATS_TEST_TMPDIR/bare"
	cd "$BATS_TEST_TMPDIR/bare"
	assert_lists_from "$BATS_TEST_TMPDIR/bare/backups"
}

@test "a working folder that is gone is an error, not a crash" {
	mkdir gone
	cd gone
	rmdir "$project/gone"
	program 1 list
	assert_contains "$errors" 'current folder'
}

# --- Docker -----------------------------------------------------------------------------------------------------------

@test "create without Docker says so, how to go on, and makes nothing" {
	program 1 create
	assert_contains "$errors" 'Docker not running'
	assert_contains "$errors" 'hint: '
	assert_contains "$errors" './bot.sh start'
	assert_equal "$output" ''
	[[ ! -e $backups ]] || fail "$(find "$backups")"
}

@test "create --json without Docker is an error as JSON" {
	program 1 create --json
	assert_json "$output" '.error.message | contains("Docker not running")' true
	assert_json "$output" '.error.hint | contains("./bot.sh start")' true
}

@test "create says that Docker does not run when its socket is there and nobody listens" {
	local socket=$BATS_TEST_TMPDIR/docker.sock
	command -v python3 >/dev/null || skip "python3 makes the socket for this test"
	python3 -c 'import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])' "$socket"
	DOCKER_HOST=unix://$socket program 1 create
	assert_contains "$errors" 'Docker not running'
}

@test "restore without Docker says so and changes nothing" {
	make_backup 20240912_143022
	local before
	before=$(snapshot_of "$project")
	program 1 restore --yes 20240912_143022
	assert_contains "$errors" 'Docker not running'
	assert_equal "$(snapshot_of "$project")" "$before"
}

# What a backup has left that was killed in its moment.
leave_paused() {
	mkdir -p "$backups"
	chmod 0700 "$backups"
	jq -n --arg boot "$(cat /proc/sys/kernel/random/boot_id)" --arg id "$(printf '%064d' 1)" \
		'{format: 1, boot: $boot, engine: env.DOCKER_HOST, containers: [{id: $id, name: "bot"}]}' >"$backups/.window.json"
}

@test "create says once that what a killed run has left cannot be healed without Docker" {
	leave_paused
	program 1 create
	assert_equal "$(grep -c 'may have left containers paused' <<<"$errors")" 1
}

@test "restore says once that what a killed run has left cannot be healed without Docker" {
	make_backup 20240912_143022
	leave_paused
	program 1 restore --yes 20240912_143022
	assert_equal "$(grep -c 'may have left containers paused' <<<"$errors")" 1
}

@test "a DOCKER_HOST that is no unix socket is a usage error" {
	for host in tcp://127.0.0.1:2375 ssh://me@there npipe:////./pipe/docker_engine /var/run/docker.sock; do
		DOCKER_HOST=$host program 2 create
		assert_contains "$errors" "$host"
		assert_contains "$errors" 'unix:///'
	done
	[[ ! -e $backups ]] || fail "$(find "$backups")"
}

@test "DOCKER_HOST may stand in .env" {
	unset DOCKER_HOST
	echo 'DOCKER_HOST=tcp://127.0.0.1:2375' >.env
	program 2 create
	assert_contains "$errors" 'tcp://127.0.0.1:2375'
}

@test "list, show and cleanup need no Docker" {
	make_backup 20240912_143022
	program 0 list
	program 0 show latest
	program 0 cleanup
}

# --- the backup folder ------------------------------------------------------------------------------------------------

@test "a backup folder that cannot be made is an error with a hint" {
	BACKUP_DIR=/dev/null/x program 1 cleanup
	assert_contains "$errors" '/dev/null/x'
	assert_contains "$errors" 'hint: set BACKUP_DIR'
}

@test "a backup folder that cannot be read is an error with a hint" {
	BACKUP_DIR=/dev/null/x program 1 list
	assert_contains "$errors" '/dev/null/x'
	assert_contains "$errors" 'BACKUP_DIR'
}

@test "a backup folder of somebody else is an error with a hint" {
	[[ $(id -u) != 0 ]] || skip "root may write everywhere"
	mkdir -m 500 backups
	program 1 cleanup
	assert_contains "$errors" "$backups"
	assert_contains "$errors" 'hint: '
}
