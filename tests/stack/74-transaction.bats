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
	umount "$BATS_FILE_TMPDIR/small" 2>/dev/null || true
	stack_up
}

setup() {
	stack_up
}

teardown() {
	end_program
	find "$BACKUP_DIR" -mindepth 1 -maxdepth 1 -name 'whisperengine_backup_*' ! -name "*$good" -exec rm -r {} +
}

with_manifest() { # JQ-FILTER: the good backup with another manifest, as $bad
	local folder
	folder=$(copy_backup $good $bad)
	jq "$1" "$folder/manifest.json" >"$BATS_TEST_TMPDIR/manifest"
	cp "$BATS_TEST_TMPDIR/manifest" "$folder/manifest.json"
}

# --- before anything is touched -----------------------------------------------------------------------------------------

@test "a server that is older than the backup is refused" {
	local store
	live_fingerprint >"$BATS_TEST_TMPDIR/before"
	for store in postgresql redis chromadb; do
		rm -rf "$(backup_path $bad)"
		with_manifest "(.stores[] | select(.name == \"$store\").server_version) = \"999.1.2\""
		program 1 restore $bad --yes
		assert_contains "$errors" 'which is older than the 999.1.2 of the backup; nothing was changed'
	done
	assert_fingerprint "$BATS_TEST_TMPDIR/before"
	assert_no_leftovers
}

@test "a store without a container is refused, and --only names the others" {
	docker rm --force "$(container redis)" >/dev/null
	program 1 restore $good --yes
	assert_contains "$errors" 'there is no container for Redis, which is in the backup'
	assert_contains "$errors" '--only'
}

@test "what is replaced by what is told in numbers" {
	local keys
	keys=$(redis_run INFO keyspace | tr -d '\r' | sed -n 's/.*:keys=\([0-9]*\),.*/\1/p' | paste -sd + | bc)
	run_expecting 2 "$WHISPERBACKUP" restore $good --only redis </dev/null
	assert_contains "$errors" "Redis       $keys keys in 4 databases -> 3034 keys in 4 databases"
}

# --- what was restored is counted -----------------------------------------------------------------------------------------

@test "a store that does not hold what the backup holds is rolled back, and so are the others" {
	live_fingerprint | grep -v ' running ' >"$BATS_TEST_TMPDIR/before"
	with_manifest '(.stores[] | select(.name == "chromadb").fingerprint.records.sample_facts) += 1'
	program 1 restore $bad --yes
	assert_contains "$errors" 'it does not hold what the backup holds: records of sample_facts: 2101 in the backup, 2100 now'
	assert_contains "$errors" 'everything is as it was before'
	assert_equal "$(live_fingerprint | grep -v ' running ')" "$(cat "$BATS_TEST_TMPDIR/before")"
	assert_no_leftovers
}

@test "what was not counted exactly is not compared" {
	with_manifest '(.stores[] | select(.name == "redis")) |= (.fingerprint.keys.db0 = 1 | .fingerprint_exact = false)'
	program 0 restore $bad --only redis --yes
	refute_contains "$errors" 'it holds what the backup holds'
}

@test "a restore whose counts agree says so" {
	program 0 restore $good --yes
	assert_equal "$(grep -c 'it holds what the backup holds' <<<"$errors")" 3
	assert_no_leftovers
}
