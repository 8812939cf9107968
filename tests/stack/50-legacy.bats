#!/usr/bin/env bats
# shellcheck shell=bats disable=SC2030,SC2031,SC2154
# Backups that were made by hand, with the guide's own commands (docs/STACK.md: docker-compose v1 wants -T).

load helpers

legacy=20240912_143022
manual=20240912_150000
proof='MATCH (a:Proof) OPTIONAL MATCH (a)-[r:NEXT]->(b) RETURN a.n, a.text, r.n, b.n ORDER BY a.n'

compose_exec() { # SERVICE COMMAND ARGUMENT..
	if docker compose version >/dev/null 2>&1; then
		docker compose exec -T "$@" </dev/null
	else
		docker-compose exec -T "$@" </dev/null
	fi
}

redis_has_saved() {
	! compose_exec redis redis-cli INFO persistence | grep -q '^rdb_bgsave_in_progress:1'
}

setup_file() {
	stack_up
	seed postgresql redis chromadb
	neo4j_run 'MATCH (p:Proof) DETACH DELETE p' >/dev/null
	neo4j_run "UNWIND range(1, 500) AS n CREATE (:Proof {n: n, text: 'proof ' + n})" >/dev/null
	neo4j_run 'MATCH (a:Proof), (b:Proof {n: a.n + 1}) CREATE (a)-[:NEXT {n: a.n}]->(b)' >/dev/null
	save_state before postgresql redis chromadb
	neo4j_run "$proof" >"$BATS_FILE_TMPDIR/proof-before"

	local by_hand=$BACKUP_DIR/whisperengine_backup_$manual guides=$BACKUP_DIR/whisperengine_backup_$legacy
	mkdir -p "$by_hand" "$guides"
	compose_exec postgres pg_dumpall -U whisperengine >"$by_hand/manual_postgres_backup.sql"
	compose_exec redis redis-cli BGSAVE >/dev/null
	wait_until redis_has_saved
	compose_exec redis cat /data/dump.rdb >"$by_hand/manual_redis_backup.rdb"
	compose_exec chromadb tar czf - /chroma/chroma >"$by_hand/manual_chromadb_backup.tar.gz"
	# 1: "file changed as we read it"
	compose_exec neo4j tar czf - /data >"$by_hand/manual_neo4j_backup.tar.gz" || (($? == 1))
	cp "$by_hand/manual_postgres_backup.sql" "$guides/postgresql_backup.sql"
	cp "$by_hand/manual_redis_backup.rdb" "$guides/redis_backup.rdb"
	cp "$by_hand/manual_chromadb_backup.tar.gz" "$guides/chromadb_backup.tar.gz"
	cp "$by_hand/manual_neo4j_backup.tar.gz" "$guides/neo4j_backup.tar.gz"

	mutate postgresql redis chromadb
	neo4j_run 'MATCH (p:Proof) WHERE p.n % 3 = 0 DETACH DELETE p' >/dev/null
	neo4j_run "CREATE (:Proof {n: 1000, text: 'added'})" >/dev/null
	save_state changed postgresql redis chromadb
	keep_output restore "$WHISPERBACKUP" restore "$legacy" --yes --no-safety-backup
	save_state after postgresql redis chromadb
}

@test "backups made by hand are listed as legacy" {
	program 0 list --json
	assert_json "$output" '[.backups[] | [.timestamp, .status, (.stores | length)]]' \
		"[[\"$legacy\",\"legacy\",4],[\"$manual\",\"legacy\",4]]"
}

@test "restore of a backup made by hand ends with 0" {
	assert_equal "$(kept restore.status)" 0 || fail "$(kept restore.err)"
}

@test "PostgreSQL holds exactly what it held" {
	assert_other_state before changed postgresql
	assert_same_state before after postgresql
}

@test "Redis holds exactly what it held, although it has an append-only file" {
	assert_other_state before changed redis
	assert_same_state before after redis
}

@test "ChromaDB holds exactly what it held" {
	assert_other_state before changed chromadb
	assert_same_state before after chromadb
}

@test "Neo4j holds exactly what it held" {
	assert_equal "$(neo4j_run "$proof")" "$(kept proof-before)"
}

@test "nothing is left behind, and the backup is as it was" {
	assert_no_leftovers
	assert_all_running
	assert_equal "$(cd "$(backup_path "$legacy")" && echo *)" \
		'chromadb_backup.tar.gz neo4j_backup.tar.gz postgresql_backup.sql redis_backup.rdb'
}

@test "the guide's names of manual backups are restored too" {
	mutate postgresql redis chromadb
	program 0 restore "$manual" --only postgresql,redis,chromadb --yes --no-safety-backup
	save_state manual postgresql redis chromadb
	assert_same_state before manual postgresql
	assert_same_state before manual redis
	assert_same_state before manual chromadb
}

@test "an archive with ./ before its paths is restored" {
	local folder=$BACKUP_DIR/whisperengine_backup_20240912_160000
	mkdir "$folder"
	docker exec "$(container chromadb)" tar czf - -C / ./chroma/chroma >"$folder/chromadb_backup.tar.gz"
	save_state dotted chromadb
	seed chromadb
	mutate chromadb
	program 0 restore 20240912_160000 --yes --no-safety-backup
	save_state dotted-after chromadb
	assert_same_state dotted dotted-after chromadb
}

@test "a dump with the \\restrict lines of another key is restored" {
	local folder=$BACKUP_DIR/whisperengine_backup_20240912_170000
	mkdir "$folder"
	cp "$(backup_path "$manual")/manual_postgres_backup.sql" "$folder/postgresql_backup.sql"
	grep -q '^\\restrict ' "$folder/postgresql_backup.sql" || skip "this pg_dumpall writes no \\restrict lines"
	sed -i -E 's/^\\(un)?restrict .*/\\\1restrict abc123/' "$folder/postgresql_backup.sql"
	program 0 restore 20240912_170000 --yes --no-safety-backup
	save_state restricted postgresql
	assert_same_state before restricted postgresql
}
