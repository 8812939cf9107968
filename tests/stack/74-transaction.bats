#!/usr/bin/env bats
# shellcheck shell=bats disable=SC2030,SC2031,SC2154
# A restore is a transaction: what it refuses before anything is touched, and what it checks before it is done.

load helpers

good=20240901_000000
bad=20240902_000000

setup_file() {
	stack_up
	seed postgresql redis chromadb
	quietly "$WHISPERBACKUP" create --only postgresql,redis,chromadb
	mv "$(backup_path)" "$(backup_path $good)"
	mutate postgresql redis chromadb
}

teardown_file() {
	docker rm --force --volumes "${COMPOSE_PROJECT_NAME}_idle_1" "${COMPOSE_PROJECT_NAME}_exempt_1" >/dev/null 2>&1 || true
	umount "$BATS_FILE_TMPDIR/small" 2>/dev/null || true
	stack_up
}

setup() {
	stack_up
}

teardown() {
	end_program
	unwatch
	umount "$BATS_FILE_TMPDIR/small" 2>/dev/null || true
	if [[ -z ${BATS_TEST_COMPLETED:-} ]]; then # what it has left is in no other one's way
		stack_up
		docker exec "$(container redis)" sh -c '[ ! -d /data/dump.rdb ] || rm -r /data/dump.rdb; redis-cli BGSAVE'
		quietly "$WHISPERBACKUP" recover || true
	fi
	find "$BACKUP_DIR" -mindepth 1 -maxdepth 1 -name 'whisperengine_backup_*' ! -name "*$good" -exec rm -r {} +
}

# A container of the project that is no store. It writes nothing, but nobody knows that.
start_writer() { # SERVICE [DOCKER-RUN-OPTION..]
	docker rm --force --volumes "${COMPOSE_PROJECT_NAME}_$1_1" >/dev/null 2>&1 || true
	docker run --detach --name "${COMPOSE_PROJECT_NAME}_$1_1" --label "com.docker.compose.project=$COMPOSE_PROJECT_NAME" \
		--label "com.docker.compose.service=$1" --label com.docker.compose.oneoff=False \
		--label com.docker.compose.container-number=1 "${@:2}" --entrypoint sleep \
		"$(docker inspect --format '{{.Config.Image}}' "$(container redis)")" infinity >/dev/null
}

with_manifest() { # JQ-FILTER: the good backup with another manifest, as $bad
	local folder
	folder=$(copy_backup $good $bad)
	jq "$1" "$folder/manifest.json" >"$BATS_TEST_TMPDIR/manifest"
	cp "$BATS_TEST_TMPDIR/manifest" "$folder/manifest.json"
	forget_sum_of_manifest
}

# --- before anything is touched -----------------------------------------------------------------------------------------

@test "a server that is older than the backup is refused" {
	local store
	live_fingerprint >"$BATS_TEST_TMPDIR/before"
	for store in postgresql redis chromadb; do
		rm -rf "$(backup_path $bad)"
		with_manifest "(.stores[] | select(.name == \"$store\").server_version) = \"999.1.2\""
		program 1 restore $bad --yes --no-safety-backup
		assert_contains "$errors" 'which is older than the 999.1.2 of the backup; nothing was changed'
	done
	assert_fingerprint "$BATS_TEST_TMPDIR/before"
	assert_no_leftovers
}

@test "a store without a container is refused, and --only names the others" {
	docker rm --force --volumes "$(container redis)" >/dev/null
	program 1 restore $good --yes --no-safety-backup
	assert_contains "$errors" 'there is no container for Redis, which is in the backup'
	assert_contains "$errors" '--only'
}

@test "a disk that is too full for the data and a safety backup is refused" {
	mkdir -p "$BATS_FILE_TMPDIR/small"
	# Room for the backup itself, and a little; a safety backup wants more than that.
	mount -t tmpfs -o "mode=700,size=$(($(du -sk "$(backup_path $good)" | cut -f 1) + 128))k" tmpfs "$BATS_FILE_TMPDIR/small" 2>/dev/null ||
		skip 'this user may not mount'
	cp -r "$(backup_path $good)" "$BATS_FILE_TMPDIR/small/"
	BACKUP_DIR=$BATS_FILE_TMPDIR/small program 1 restore $good --only redis --yes
	umount "$BATS_FILE_TMPDIR/small"
	assert_contains "$errors" "the disk of $BATS_FILE_TMPDIR/small is too full"
	assert_contains "$errors" 'nothing was changed'
}

@test "what is replaced by what is told in numbers" {
	local keys kept
	kept=$(jq '[.stores[] | select(.name == "redis").fingerprint.keys[]] | add' "$(backup_path $good)/manifest.json")
	keys=$(redis_run INFO keyspace | tr -d '\r' | sed -n 's/.*:keys=\([0-9]*\),.*/\1/p' | paste -sd + | bc)
	run_expecting 2 "$WHISPERBACKUP" restore $good --only redis </dev/null
	assert_contains "$errors" "Redis       $keys keys in 4 databases -> $kept keys in 4 databases"
}

found_bad() { # TIMESTAMP: by a drill
	quietly "$WHISPERBACKUP" verify "$1"
	jq '.drill = .read + {good: false, problem: "it did not come back"}' "$(backup_path "$1")/verified.json" >"$BATS_TEST_TMPDIR/verified"
	cp "$BATS_TEST_TMPDIR/verified" "$(backup_path "$1")/verified.json"
}

@test "what latest passes over is told, and what speaks against the one that it means" {
	with_manifest '.before_restore_of = "20240901_000000"'
	run_expecting 2 "$WHISPERBACKUP" restore latest --only redis </dev/null
	assert_contains "$errors" "$bad is newer, but what a restore has kept of the state before"
	refute_contains "$errors" 'is known to be bad'
	found_bad $good
	run_expecting 2 "$WHISPERBACKUP" restore latest --only redis </dev/null
	assert_contains "$errors" "$good is known to be bad (whisperbackup show $good tells why)"
	rm -r "$(backup_path $good)/verified.json" "$(backup_path $bad)"
	with_manifest '.project = "other"'
	run_expecting 2 "$WHISPERBACKUP" restore latest --only redis </dev/null
	assert_contains "$errors" "$bad is newer, but another project's"
	refute_contains "$errors" 'holds the data of the project'
	run_expecting 2 "$WHISPERBACKUP" restore $bad --only redis </dev/null
	assert_contains "$errors" "$bad holds the data of the project other, and this is $COMPOSE_PROJECT_NAME"
}

# --- what was restored is counted -----------------------------------------------------------------------------------------

@test "a store that does not hold what the backup holds is rolled back, and so are the others" {
	live_fingerprint | grep -v ' running ' >"$BATS_TEST_TMPDIR/before"
	with_manifest '(.stores[] | select(.name == "chromadb").fingerprint.records.sample_facts) += 1'
	program 1 restore $bad --yes --no-safety-backup
	assert_contains "$errors" 'it does not hold what the backup holds: records of sample_facts: 2101 in the backup, 2100 now'
	assert_contains "$errors" 'everything is as it was before'
	assert_equal "$(live_fingerprint | grep -v ' running ')" "$(cat "$BATS_TEST_TMPDIR/before")"
	assert_no_leftovers
}

@test "what was not counted exactly is not compared" {
	with_manifest '(.stores[] | select(.name == "redis")) |= (.fingerprint.keys.db0 = 1 | .fingerprint_exact = false)'
	program 0 restore $bad --only redis --yes --no-safety-backup
	refute_contains "$errors" 'it holds what the backup holds'
}

@test "a restore whose counts agree says so" {
	program 0 restore $good --yes --no-safety-backup
	assert_equal "$(grep -c 'it holds what the backup holds' <<<"$errors")" 3
	assert_no_leftovers
}

# --- the safety backup --------------------------------------------------------------------------------------------------

@test "the state before is kept, and the command that is named returns to it" {
	local safety
	redis_run SET sample:since 1 >/dev/null
	save_state before postgresql redis
	program 0 restore latest --only postgresql,redis --yes
	assert_contains "$errors" "restored 2 stores from $good"
	safety=$(newest_backup)
	[[ $safety != "$good" ]] || fail 'there is no new backup'
	assert_contains "$errors" "to return to the state before: whisperbackup restore $safety"
	assert_equal "$(redis_run EXISTS sample:since)" 0
	program 0 list --json
	assert_json "$output" '.backups[-1] | [.timestamp, .status, (.stores[] | select(.status == "ok").name)]' \
		"[\"$safety\",\"partial\",\"postgresql\",\"redis\"]"
	program 0 show latest --json
	assert_json "$output" .timestamp "\"$good\""
	program 0 restore "$safety" --yes --no-safety-backup --json
	assert_json "$output" .safety_backup null
	save_state after postgresql redis
	assert_same_state before after postgresql
	assert_same_state before after redis
	assert_no_leftovers
}

@test "when the safety backup fails nothing is touched, and nothing is kept" {
	local folder started
	# Redis cannot rename its save over a folder that is not empty.
	docker exec "$(container redis)" sh -c 'rm -f /data/dump.rdb; mkdir -p /data/dump.rdb/full'
	started=$(docker inspect --format '{{.State.StartedAt}}' "$(container postgres)" "$(container redis)")
	folder=$(backup_count)
	program 1 restore $good --only postgresql,redis --yes
	docker exec "$(container redis)" rm -r /data/dump.rdb
	redis_run BGSAVE # until one succeeds, Redis takes no writes
	wait_until is_healthy redis
	assert_contains "$errors" 'the present state could not be backed up, so nothing was changed'
	assert_contains "$errors" '--no-safety-backup'
	assert_equal "$(backup_count)" "$folder"
	assert_equal "$(docker inspect --format '{{.State.StartedAt}}' "$(container postgres)" "$(container redis)")" "$started"
	assert_no_leftovers
}

# --- the writers --------------------------------------------------------------------------------------------------------

@test "writers stand still while the stores are swapped, and run again" {
	start_writer idle
	start_writer exempt --label whisperengine.backup.pause=false
	watch_pauses
	program 0 restore $good --only redis --yes --no-safety-backup
	assert_equal "$(pauses_of idle)" 'pause unpause '
	assert_equal "$(pauses_of exempt)" ''
	assert_nothing_paused
}

@test "writers run again after a restore that failed" {
	watch_pauses
	with_manifest '(.stores[] | select(.name == "redis").fingerprint.keys.db0) += 1'
	program 1 restore $bad --only redis --yes --no-safety-backup
	assert_contains "$errors" 'everything is as it was before'
	assert_equal "$(pauses_of idle)" 'pause unpause '
	assert_nothing_paused
}

# At step 4 Redis stands still and its data is being exchanged, and the writers stand still as well.
@test "writers run again after a restore that was killed" {
	start_writer idle
	WHISPERBACKUP_TEST_HOLD_AT=4 start_program restore $good --only redis --yes --no-safety-backup
	wait_until reached is_held
	it_runs || fail "it has ended already:" "$(cat "$BATS_TEST_TMPDIR/err")"
	container_is idle paused || fail 'the writer does not stand still at that step'
	kill_program
	wait_until container_is idle running
	program 0 recover
	start_services redis
	program 0 restore $good --only redis --yes --no-safety-backup
	assert_nothing_paused
	assert_no_leftovers
}

@test "writers stand still while a restore that was killed is undone" {
	start_writer idle
	run_expecting 137 env WHISPERBACKUP_TEST_KILL_AT=4 "$WHISPERBACKUP" restore $good --only redis --yes --no-safety-backup
	wait_until container_is idle running
	watch_pauses
	program 0 recover
	assert_contains "$errors" 'as it was before'
	assert_equal "$(pauses_of idle)" 'pause unpause '
	assert_all_running
}
