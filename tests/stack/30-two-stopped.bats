#!/usr/bin/env bats
# shellcheck shell=bats disable=SC2030,SC2031,SC2154
# Some services do not run: what runs is backed up and restored, the rest is left alone, and both are said.
#
# The tests follow one another: first ChromaDB and Neo4j are stopped, then all, then all run again.

load helpers

setup_file() {
	stack_up
	seed postgresql redis chromadb
	save_state before postgresql redis chromadb
	quietly "$WHISPERBACKUP" create
	newest_backup >"$BATS_FILE_TMPDIR/complete"
	stop_services chromadb neo4j
	mutate postgresql redis
	keep_output create "$WHISPERBACKUP" create
	newest_backup >"$BATS_FILE_TMPDIR/partial"
	save_state at-partial postgresql redis
	keep_output restore "$WHISPERBACKUP" restore "$(kept complete)" --yes --no-safety-backup
	save_state restored postgresql redis
}

teardown_file() {
	stack_up
}

# --- create -----------------------------------------------------------------------------------------------------------

@test "create with two of four stores running ends with 0" {
	assert_equal "$(kept create.status)" 0 || fail "$(kept create.err)"
}

@test "create warns of each store that it skips" {
	[[ $(kept create.err) =~ ⚠️\ +chromadb\ +skipped:\ not\ running ]] || fail "$(kept create.err)"
	[[ $(kept create.err) =~ ⚠️\ +neo4j\ +skipped:\ not\ running ]] || fail "$(kept create.err)"
	assert_contains "$(kept create.err)" 'partial backup'
}

@test "list says that the backup is partial, and which stores it lacks" {
	program 0 list --json
	assert_json "$output" '[.backups[] | .status]' '["complete","partial"]'
	assert_json "$output" '[.backups[1].stores[] | [.name, .status]]' \
		'[["postgresql","ok"],["redis","ok"],["chromadb","skipped"],["neo4j","skipped"]]'
}

@test "the partial backup holds the files of the running stores only" {
	assert_equal "$(cd "$(backup_path "$(kept partial)")" && echo *_backup.*)" 'postgresql_backup.sql redis_backup.rdb'
}

@test "backup_info.txt tells what was skipped" {
	local information
	information=$(cat "$(backup_path "$(kept partial)")/backup_info.txt")
	assert_contains "$information" 'Backup Type: Partial System Backup'
	assert_contains "$information" '⚠️ neo4j: skipped (not running)'
}

@test "create does not start what was stopped" {
	container_is chromadb exited
	container_is neo4j exited
}

# --- restore of the complete backup while two are stopped ------------------------------------------------------------

@test "restore with two of four stores running ends with 3" {
	assert_equal "$(kept restore.status)" 3 || fail "$(kept restore.err)"
}

@test "restore warns of the stores that it could not restore" {
	[[ $(kept restore.err) =~ ⚠️\ +chromadb\ +skipped:\ not\ running ]] || fail "$(kept restore.err)"
	[[ $(kept restore.err) =~ ⚠️\ +neo4j\ +skipped:\ not\ running ]] || fail "$(kept restore.err)"
	assert_contains "$(kept restore.err)" 'may no longer fit together'
}

@test "the question names the stores that will be restored and no others" {
	assert_contains "$(kept restore.err)" $'replaces ALL current data of PostgreSQL, Redis\n'
}

@test "the two running stores are restored in full" {
	assert_other_state before at-partial postgresql
	assert_other_state before at-partial redis
	assert_same_state before restored postgresql
	assert_same_state before restored redis
}

# --- nothing runs -----------------------------------------------------------------------------------------------------

@test "a store that is not running cannot be chosen alone" {
	program 1 create --only chromadb
	assert_contains "$errors" './bot.sh start'
	program 1 restore "$(kept complete)" --only neo4j --yes --no-safety-backup
	assert_contains "$errors" './bot.sh start'
}

@test "with nothing running, create and restore end with 1 and say how to start" {
	local before
	stop_services postgres redis
	before=$(snapshot_of "$BACKUP_DIR")
	program 1 create
	assert_contains "$errors" 'No containers are running'
	assert_contains "$errors" './bot.sh start'
	program 1 restore latest --yes --no-safety-backup
	assert_contains "$errors" 'No containers are running'
	assert_contains "$errors" './bot.sh start'
	assert_equal "$(snapshot_of "$BACKUP_DIR")" "$before"
	for service in postgres redis chromadb neo4j; do
		container_is "$service" exited || fail "$service was started"
	done
}

@test "a project that does not exist has nothing running" {
	COMPOSE_PROJECT_NAME=whisperbackup-nothing program 1 create
	assert_contains "$errors" 'whisperbackup-nothing'
	assert_contains "$errors" './bot.sh start'
}

# --- restore of the partial backup while all run ---------------------------------------------------------------------

@test "restore of a partial backup leaves the stores alone that it does not hold" {
	start_services postgres redis chromadb neo4j
	local chromadb neo4j
	chromadb=$(docker inspect --format '{{.State.StartedAt}}' "$(container chromadb)")
	neo4j=$(docker inspect --format '{{.State.StartedAt}}' "$(container neo4j)")
	mutate chromadb
	save_state mutated chromadb
	program 0 restore "$(kept partial)" --yes --no-safety-backup
	[[ $errors =~ chromadb\ +not\ in\ this\ backup,\ its\ data\ stays ]] || fail "$errors"
	[[ $errors =~ neo4j\ +not\ in\ this\ backup,\ its\ data\ stays ]] || fail "$errors"
	save_state partial postgresql redis chromadb
	assert_same_state at-partial partial postgresql
	assert_same_state at-partial partial redis
	assert_same_state mutated partial chromadb
	assert_equal "$(docker inspect --format '{{.State.StartedAt}}' "$(container chromadb)")" "$chromadb"
	assert_equal "$(docker inspect --format '{{.State.StartedAt}}' "$(container neo4j)")" "$neo4j"
}

@test "a store that a partial backup does not hold cannot be restored from it" {
	live_fingerprint >"$BATS_TEST_TMPDIR/before"
	program 2 restore "$(kept partial)" --only neo4j --yes --no-safety-backup
	assert_contains "$errors" 'holds none of the chosen stores'
	assert_fingerprint "$BATS_TEST_TMPDIR/before"
}
