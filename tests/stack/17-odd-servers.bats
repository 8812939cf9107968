#!/usr/bin/env bats
# shellcheck shell=bats disable=SC2030,SC2031,SC2154
# Servers that answer, but not as they should: what the user is told, that nothing of it is kept or lost, and that the
# next backup is good once they are mended.

load helpers
load single

setup() {
	use_project odd
	export BACKUP_DIR=$BATS_TEST_TMPDIR/backups
	mkdir "$BACKUP_DIR"
}

teardown() {
	remove_containers
}

# A server with one key, that is then made odd.
run_redis() { # ARGUMENT..: of redis-server
	run_service redis redis -- redis-server --save '' "$@"
	wait_until redis_answers
	in_redis SET key 1 >/dev/null
}

run_chroma() {
	run_service chromadb chromadb -v /data -- run --path /data --host 0.0.0.0 --port 8000
	wait_until chroma_answers
}

assert_key() { # VALUE
	assert_equal "$(in_redis GET key)" "$1"
}

# No backup of it, not even a half one, older ones stay; and the server still has its data.
refused() { # PART-OF-THE-MESSAGE
	local before
	before=$(ls "$BACKUP_DIR")
	program 1 create
	assert_contains "$errors" "$1"
	assert_equal "$(ls "$BACKUP_DIR")" "$before"
	assert_nothing_partial
	assert_key 1
}

# The name of its dump is taken.
cannot_save() {
	docker exec "$id" sh -c 'rm -f /data/dump.rdb && mkdir -p /data/dump.rdb/inside'
}

# Mended, it is backed up as ever, and comes back.
assert_mended() {
	program 0 create
	in_redis SET key 2 >/dev/null
	program 0 restore latest --yes --no-safety-backup
	assert_key 1
	assert_equal "$(docker exec "$id" find /data -maxdepth 1 -name '.whisperbackup*')" ''
}

@test "Redis whose command CONFIG is renamed is refused with a hint" {
	run_redis --rename-command CONFIG ''
	refused "Redis does not tell its configuration: ERR unknown command 'CONFIG'"
	assert_contains "$errors" 'hint: the command CONFIG must not be renamed or forbidden'
}

@test "Redis whose command CONFIG is forbidden is refused with a hint, and good once it is allowed" {
	run_redis
	in_redis ACL SETUSER default -config >/dev/null
	refused 'Redis does not tell its configuration: NOPERM'
	assert_contains "$errors" 'hint: the command CONFIG must not be renamed or forbidden'
	in_redis ACL SETUSER default +config >/dev/null
	assert_mended
}

@test "Redis that does not let itself be asked for its version is refused" {
	run_redis
	in_redis ACL SETUSER default -info >/dev/null
	refused 'Redis does not tell its version: NOPERM'
}

@test "Redis that refuses to save says why, and is good once it does not" {
	run_redis
	in_redis ACL SETUSER default -bgsave >/dev/null
	refused 'Redis refuses to save: NOPERM'
	in_redis ACL SETUSER default +bgsave >/dev/null
	assert_mended
}

@test "Redis that cannot save its data is told with a hint, and good once it can" {
	run_redis
	cannot_save
	refused 'Redis could not save its data'
	assert_contains "$errors" 'hint: see its log (./bot.sh logs redis)'
	docker exec "$id" rm -r /data/dump.rdb
	assert_mended
}

@test "Redis that cannot save leaves the older backup as it is" {
	run_redis
	program 0 create
	cannot_save
	refused 'Redis could not save its data'
	program 0 verify latest
}

@test "a restore into a Redis that does not tell its configuration touches nothing" {
	run_redis
	program 0 create
	in_redis SET key 2 >/dev/null
	in_redis ACL SETUSER default -config >/dev/null
	program 1 restore latest --yes --no-safety-backup
	assert_contains "$errors" 'Redis does not tell its configuration: NOPERM'
	assert_key 2
	assert_equal "$(docker exec "$id" find /data -maxdepth 1 -name '.whisperbackup*')" ''
	in_redis ACL SETUSER default +config >/dev/null
	program 0 restore latest --yes --no-safety-backup
	assert_key 1
}

@test "Redis that refuses to save fails alone" {
	run_chroma
	run_redis
	in_redis ACL SETUSER default -bgsave >/dev/null
	program 3 create --json
	assert_contains "$errors" 'Redis refuses to save: NOPERM'
	assert_json "$output" '[.status, [.stores[] | .status]]' '["partial",["skipped","failed","ok","skipped"]]'
	assert_nothing_partial
	assert_nothing_paused
	program 0 verify latest
}

@test "Redis that is a replica is backed up with a warning, and no restore begins with it" {
	run_redis
	in_redis REPLICAOF 127.0.0.1 1 >/dev/null
	program 0 create
	assert_contains "$errors" 'Redis is a replica of 127.0.0.1:1: what that had written last may not have come yet'
	program 1 restore latest --yes --no-safety-backup
	assert_contains "$errors" 'Redis is a replica of 127.0.0.1:1, which would replace what is restored; nothing was changed'
	assert_key 1
	in_redis REPLICAOF NO ONE >/dev/null
	assert_mended
}

@test "ChromaDB whose database is damaged while it runs is not called backed up" {
	run_chroma
	docker exec "$id" sh -c 'printf "this is no database" | dd of=/data/chroma.sqlite3 conv=notrunc status=none'
	program 1 create
	assert_contains "$errors" 'chroma.sqlite3 is damaged: '
	assert_equal "$(backup_count)" 0
	assert_nothing_partial
	assert_nothing_paused
}

# One that is told its folder by a file, as those of version 1 may be, and that has an older one's data lying about.
run_chroma_in() { # FOLDER FOLDER-WITH-OLD-DATA OPTION.. of docker run
	printf 'persist_path: "%s"\nport: 8000\nlisten_address: "0.0.0.0"\n' "$1" >"$BATS_TEST_TMPDIR/chroma.yaml"
	run_service chromadb chromadb -v "$BATS_TEST_TMPDIR/chroma.yaml:/chroma.yaml:ro" -v "$2" "${@:3}" -- run /chroma.yaml
	wait_until chroma_answers
	docker exec "$id" cp "$1/chroma.sqlite3" "$2/"
	docker exec "$id" bash -c 'exec 3<>/dev/tcp/127.0.0.1/8000; body="{\"name\":\"memories\"}"
		printf "POST /api/v2/tenants/default_tenant/databases/default_database/collections HTTP/1.0\r\nHost: localhost\r\n" >&3
		printf "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" ${#body} "$body" >&3; cat <&3 >/dev/null'
}

assert_folder_and_records() { # FOLDER
	program 0 create
	assert_json "$(cat "$(backup_path)/manifest.json")" \
		'.stores[] | select(.name == "chromadb") | [.data_folder, .fingerprint]' "[\"$1\",{\"records\":{\"memories\":0}}]"
}

@test "ChromaDB is copied from where it writes, not from where an older version has left its data" {
	run_chroma_in /data /chroma/chroma -v /data -e PERSIST_DIRECTORY=/chroma/chroma
	assert_folder_and_records /data
}

@test "ChromaDB is copied from where it writes, also if that is a folder that nothing tells of" {
	run_chroma_in /srv/inside /data -v /srv
	assert_folder_and_records /srv/inside
}

run_neo4j() { # OPTION.. of docker run
	run_service neo4j neo4j -v /data -e NEO4J_AUTH=neo4j/whisperengine "$@"
	wait_until docker exec "$id" bash -c 'exec 3<>/dev/tcp/127.0.0.1/7474' 2>/dev/null
	wait_until docker exec "$id" cypher-shell -u neo4j -p whisperengine 'RETURN 1'
}

@test "Neo4j that keeps its transaction logs outside of its data is refused, whatever lies there" {
	run_neo4j -e NEO4J_server_directories_transaction_logs_root=/var/lib/neo4j/moved
	docker exec "$id" sh -c 'mkdir -p /data/transactions/neo4j && echo old >/data/transactions/neo4j/neostore.transaction.db.0'
	program 1 create
	assert_contains "$errors" 'Neo4j keeps its transaction logs in /var/lib/neo4j/moved, outside of its data folder /data'
	assert_equal "$(backup_count)" 0
	assert_nothing_partial
}

@test "Neo4j that keeps its data elsewhere is refused, although an older one has left some" {
	run_neo4j -e NEO4J_server_directories_data=elsewhere
	docker exec "$id" mkdir -p /data/databases /data/transactions
	program 1 create
	assert_contains "$errors" 'Neo4j keeps its data in /var/lib/neo4j/elsewhere, and not in /data'
	assert_equal "$(backup_count)" 0
	assert_nothing_partial
}
