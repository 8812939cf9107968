#!/usr/bin/env bats
# shellcheck shell=bats disable=SC2030,SC2031,SC2154
# Where the volumes cannot be reached from here (not root, Docker Desktop), everything goes through the Engine's archive
# calls and a throwaway container. WHISPERBACKUP_VOLUME_ACCESS=api makes it so anywhere.

load helpers

proof='MATCH (a:Proof) OPTIONAL MATCH (a)-[r:NEXT]->(b) RETURN a.n, a.text, r.n, b.n ORDER BY a.n'

setup_file() {
	stack_up
	export WHISPERBACKUP_VOLUME_ACCESS=api
	seed postgresql redis chromadb
	neo4j_run 'MATCH (p:Proof) DETACH DELETE p' >/dev/null
	neo4j_run "UNWIND range(1, 500) AS n CREATE (:Proof {n: n, text: 'proof ' + n})" >/dev/null
	neo4j_run 'MATCH (a:Proof), (b:Proof {n: a.n + 1}) CREATE (a)-[:NEXT {n: a.n}]->(b)' >/dev/null
	save_state before postgresql redis chromadb
	neo4j_run "$proof" >"$BATS_FILE_TMPDIR/proof-before"
	keep_output create "$WHISPERBACKUP" create
	mutate postgresql redis chromadb
	neo4j_run "MATCH (p:Proof) WHERE p.n % 3 = 0 DETACH DELETE p" >/dev/null
	neo4j_run "MATCH (p:Proof) WHERE p.n % 3 = 1 SET p.text = 'changed'" >/dev/null
	neo4j_run "CREATE (:Proof {n: 1000, text: 'added'})" >/dev/null
	keep_output restore "$WHISPERBACKUP" restore latest --yes --no-safety-backup
	save_state after postgresql redis chromadb
}

teardown() {
	end_program
}

@test "create ends with 0, and the volumes were not touched directly" {
	assert_equal "$(kept create.status)" 0 || fail "$(kept create.err)"
	assert_json "$(cat "$(backup_path)/manifest.json")" '[.stores[] | select(.name == "chromadb" or .name == "neo4j") |
		.method | endswith("through the engine")]' '[true,true]'
}

@test "restore ends with 0" {
	assert_equal "$(kept restore.status)" 0 || fail "$(kept restore.err)"
}

@test "the archives hold the same paths as with direct access" {
	tar tzf "$(backup_path)/chromadb_backup.tar.gz" >"$BATS_TEST_TMPDIR/chromadb"
	grep -qx 'chroma/chroma/chroma.sqlite3' "$BATS_TEST_TMPDIR/chromadb"
	assert_equal "$(grep -v '^chroma/chroma/' "$BATS_TEST_TMPDIR/chromadb")" ''
	tar tzf "$(backup_path)/neo4j_backup.tar.gz" >"$BATS_TEST_TMPDIR/neo4j"
	grep -qx 'data/databases/neo4j/neostore' "$BATS_TEST_TMPDIR/neo4j"
	assert_equal "$(grep -v '^data/' "$BATS_TEST_TMPDIR/neo4j")" ''
}

@test "PostgreSQL holds exactly what it held" {
	assert_same_state before after postgresql
}

@test "Redis holds exactly what it held" {
	assert_same_state before after redis
}

@test "ChromaDB holds exactly what it held" {
	assert_same_state before after chromadb
}

@test "Neo4j holds exactly what it held" {
	assert_equal "$(neo4j_run "$proof")" "$(kept proof-before)"
}

@test "files and folders in the volumes have the owners and modes that they had" {
	local service
	for service in redis chromadb neo4j; do
		local folder top
		folder=$(data_folder "$service")
		top=$(docker exec "$(container "$service")" stat -c '%u %g' "$folder")
		assert_equal "$(docker exec "$(container "$service")" find "$folder" -printf '%U %G\n' | sort -u)" "$top"
	done
}

@test "no helper container, nothing paused and nothing else is left behind" {
	assert_no_leftovers
	assert_nothing_paused
	assert_all_running
}

@test "what one way has saved, the other restores" {
	WHISPERBACKUP_VOLUME_ACCESS='' program 0 create --only redis,chromadb
	mutate redis chromadb
	program 0 restore latest --yes --no-safety-backup
	save_state crossed redis chromadb
	assert_same_state after crossed redis
	assert_same_state after crossed chromadb
}

# --- a helper container must not outlive its run ----------------------------------------------------------------------

helper_of() { # CONTAINER-ID has one
	[[ -n $(docker ps --all --quiet --filter "label=whisperengine.backup.helper=$1") ]]
}

# A helper works again when all is decided, and removes the old data. What is interrupted then has restored.
@test "Ctrl-C while a helper container works leaves none, and the data as it was" {
	local id try result=0
	id=$(container redis)
	for try in 1 2 3 4 5; do
		redis_run SET sample:interrupted 1 >/dev/null
		save_state before-interrupt redis
		start_program restore latest --only redis --yes --no-safety-backup
		catch_when helper_of "$id" || continue
		kill -INT "$running"
		let_go
		result=0
		wait "$running" || result=$?
		running=''
		[[ $result -eq 0 ]] || break
		assert_equal "$(redis_run EXISTS sample:interrupted)" 0
		assert_no_leftovers
	done
	[[ $result -eq 130 ]] || fail "exit status $result in the try $try" "$(cat "$BATS_TEST_TMPDIR/err")"
	save_state after-interrupt redis
	assert_same_state before-interrupt after-interrupt redis
	assert_no_leftovers
}

@test "a helper container of a run that was killed is removed by the next restore" {
	local id image
	id=$(container redis)
	image=$(docker inspect --format '{{.Image}}' "$id")
	docker run --detach --label "whisperengine.backup.helper=$id" --volumes-from "$id" --network none --entrypoint sleep "$image" 600 >/dev/null
	helper_of "$id"
	[[ -n $(helpers_there) ]]
	program 0 restore latest --only redis --yes --no-safety-backup
	assert_no_leftovers
}

teardown_file() {
	helpers_there | xargs --no-run-if-empty docker rm --force --volumes >/dev/null
}
