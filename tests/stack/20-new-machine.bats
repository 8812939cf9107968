#!/usr/bin/env bats
# shellcheck shell=bats disable=SC2034,SC2030,SC2031,SC2154
# The machine is lost: new containers, empty volumes, and the backup folder is all there is.

stack=as_shipped # environment.sh reads it
load helpers

setup_file() {
	stack_up
	seed postgresql redis chromadb neo4j
	save_state before postgresql redis chromadb neo4j
	keep_output create "$WHISPERBACKUP" create
	quietly scripts/stack.sh down
	stack_up
	{
		psql_run postgres -c "SELECT count(*) FROM pg_database WHERE datname = 'shop'"
		redis_run DBSIZE
		chroma_get | jq length
		neo4j_run 'MATCH (n) RETURN count(n)' | jq '.[0][0]'
	} >"$BATS_FILE_TMPDIR/empty"
	keep_output restore "$WHISPERBACKUP" restore latest --yes --no-safety-backup
	save_state after postgresql redis chromadb neo4j
}

@test "create and restore end with 0" {
	assert_equal "$(kept create.status)" 0 || fail "$(kept create.err)"
	assert_equal "$(kept restore.status)" 0 || fail "$(kept restore.err)"
}

@test "the new machine was empty before the restore" {
	assert_equal "$(cat "$BATS_FILE_TMPDIR/empty")" $'0\n0\n0\n0'
}

@test "PostgreSQL is as it was on the old machine" {
	assert_same_state before after postgresql
}

@test "Redis is as it was on the old machine" {
	assert_same_state before after redis
}

@test "ChromaDB is as it was on the old machine" {
	assert_same_state before after chromadb
}

@test "Neo4j is as it was on the old machine" {
	assert_same_state before after neo4j
}

@test "the new machine's services run, with nothing left over" {
	assert_all_running
	assert_no_leftovers
}

@test "a backup of the restored machine is complete" {
	program 0 create --json
	assert_json "$output" .status '"complete"'
}
