#!/usr/bin/env bats
# shellcheck shell=bats disable=SC2034,SC2030,SC2031,SC2154
# The whole way: back up all four stores, change everything, restore, and compare everything.

stack=as_shipped # environment.sh reads it
load helpers

setup_file() {
	stack_up
	seed postgresql redis chromadb neo4j
	save_state before postgresql redis chromadb neo4j
	keep_output create "$WHISPERBACKUP" create --json
	paused_after_create=$(services --filter status=paused --format '{{.Names}}')
	export paused_after_create
	mutate postgresql redis chromadb neo4j
	save_state changed postgresql redis chromadb
	keep_output list "$WHISPERBACKUP" list
	keep_output restore "$WHISPERBACKUP" restore latest --yes --no-safety-backup --json
	save_state after postgresql redis chromadb neo4j
}

setup() {
	backup=$(backup_path)
	timestamp=$(newest_backup)
	new_server=''
}

teardown() {
	end_program
	[[ -z $new_server ]] || docker rm --force --volumes --volumes "$new_server" >/dev/null
}

teardown_file() {
	quietly "$WHISPERBACKUP" recover || true
	stack_up
}

# --- create -----------------------------------------------------------------------------------------------------------

@test "create ends with 0" {
	assert_equal "$(kept create.status)" 0 || fail "$(kept create.err)"
}

@test "create says what it did, on standard error" {
	for name in postgresql redis chromadb neo4j; do
		[[ $(kept create.err) == *"✅ $name "* ]] || fail "$name is missing in:" "$(kept create.err)"
	done
	assert_contains "$(kept create.err)" "complete backup: $backup"
	assert_contains "$(kept create.err)" "restore $timestamp"
}

@test "create --json is the backup's entry of list --json" {
	program 0 list --json
	assert_equal "$(jq -S . <<<"$(kept create.out)")" "$(jq -S '.backups[0]' <<<"$output")"
	assert_json "$(kept create.out)" '[.status, .timestamp]' "[\"complete\",\"$timestamp\"]"
}

@test "the backup has the guide's file names and nothing else" {
	assert_equal "$(cd "$backup" && LC_ALL=C ls -A)" "$(
		cat <<'NAMES'
SHA256SUMS
backup_info.txt
chromadb_backup.tar.gz
manifest.json
neo4j_backup.tar.gz
postgresql_backup.sql
redis_backup.rdb
NAMES
	)"
}

@test "only the owner may read a backup" {
	assert_equal "$(stat -c %a "$backup")" 700
	assert_equal "$(find "$backup" -type f ! -perm 600)" ''
}

@test "sha256sum -c finds every file whole" {
	(cd "$backup" && sha256sum --check --strict --quiet SHA256SUMS)
	assert_equal "$(awk '{ print $2 }' "$backup/SHA256SUMS" | sort)" \
		$'backup_info.txt\nchromadb_backup.tar.gz\nmanifest.json\nneo4j_backup.tar.gz\npostgresql_backup.sql\nredis_backup.rdb'
}

@test "the manifest's checksums and sizes are those of the files" {
	jq -r '.stores[] | "\(.sha256)  \(.file)"' "$backup/manifest.json" | (cd "$backup" && sha256sum --check --strict --quiet)
	jq -r '.stores[] | "\(.file) \(.size_bytes)"' "$backup/manifest.json" | while read -r file size; do
		assert_equal "$(stat -c %s "$backup/$file")" "$size"
	done
}

@test "the manifest tells where and of what the backup was made" {
	assert_json "$(cat "$backup/manifest.json")" '[.format, .project, .timestamp, .status]' \
		"[1,\"$COMPOSE_PROJECT_NAME\",\"$timestamp\",\"complete\"]"
	assert_json "$(cat "$backup/manifest.json")" '[.stores[] | .status == "ok" and (.image | length > 0) and
		(.image_digest | startswith("sha256:")) and (.server_version | length > 0) and .raw_bytes > 0]' '[true,true,true,true]'
}

@test "Redis and PostgreSQL are not frozen, ChromaDB and Neo4j for a measured time" {
	assert_json "$(cat "$backup/manifest.json")" '[.stores[] | .freeze_milliseconds > 0]' '[false,false,true,true]'
}

@test "backup_info.txt has the guide's shape" {
	local information=$backup/backup_info.txt size='[0-9.]+[BKMG]?'
	assert_equal "$(sed -n 1,2p "$information")" $'WhisperEngine Backup Information\n================================'
	[[ $(sed -n 3p "$information") =~ ^Backup\ Date:\ [A-Z][a-z]{2}\ [A-Z][a-z]{2}\ [\ 0-9][0-9]\ [0-9:]{8}\ [^\ ]+\ [0-9]{4}$ ]] || fail "$(cat "$information")"
	assert_equal "$(sed -n 4,7p "$information")" \
		"Backup Directory: $backup"$'\nBackup Type: Full System Backup\n\nServices Backed Up:'
	[[ $(sed -n 8p "$information") =~ ^✅\ postgresql:\ postgresql_backup\.sql\ \($size\)$ ]] || fail "$(cat "$information")"
	[[ $(sed -n 9p "$information") =~ ^✅\ redis:\ redis_backup\.rdb\ \($size\)$ ]] || fail "$(cat "$information")"
	[[ $(sed -n 10p "$information") =~ ^✅\ chromadb:\ chromadb_backup\.tar\.gz\ \($size\)$ ]] || fail "$(cat "$information")"
	[[ $(sed -n 11p "$information") =~ ^✅\ neo4j:\ neo4j_backup\.tar\.gz\ \($size\)$ ]] || fail "$(cat "$information")"
	assert_equal "$(wc -l <"$information")" 11
}

@test "nothing stays paused after create" {
	assert_equal "$paused_after_create" ''
}

@test "list names the backup and how to restore it" {
	assert_equal "$(kept list.status)" 0
	assert_contains "$(kept list.out)" "$timestamp"
	assert_contains "$(kept list.out)" complete
	assert_contains "$(kept list.out)" "restore: whisperbackup restore $timestamp"
}

@test "show tells the servers' versions" {
	program 0 show "$timestamp"
	for store in postgresql redis chromadb neo4j; do
		assert_contains "$output" "$(jq -r --arg store "$store" '.stores[] | select(.name == $store) | .server_version' "$backup/manifest.json")"
	done
}

# --- no lock-in -------------------------------------------------------------------------------------------------------

@test "tar and gunzip read the archives, under the paths of the guide's commands" {
	gunzip --test "$backup/chromadb_backup.tar.gz" "$backup/neo4j_backup.tar.gz"
	tar tzf "$backup/chromadb_backup.tar.gz" >"$BATS_TEST_TMPDIR/chromadb"
	grep -qx 'chroma/chroma/chroma.sqlite3' "$BATS_TEST_TMPDIR/chromadb"
	assert_equal "$(grep -v '^chroma/chroma/' "$BATS_TEST_TMPDIR/chromadb")" ''
	tar tzf "$backup/neo4j_backup.tar.gz" >"$BATS_TEST_TMPDIR/neo4j"
	grep -qx 'data/databases/neo4j/neostore' "$BATS_TEST_TMPDIR/neo4j"
	assert_equal "$(grep -v '^data/' "$BATS_TEST_TMPDIR/neo4j")" ''
}

@test "the archives keep the numeric owners" {
	local ids
	ids=$(docker exec "$(container neo4j)" stat -c %u/%g /data/databases/neo4j/neostore)
	tar tvzf "$backup/neo4j_backup.tar.gz" --numeric-owner data/databases/neo4j/neostore | grep -q " $ids "
}

@test "Redis's own checker and server take the dump" {
	local image keys
	image=$(docker inspect --format '{{.Config.Image}}' "$(container redis)")
	keys=$(grep -c '^db0 ' "$BATS_FILE_TMPDIR/state-before/redis.txt")
	# shellcheck disable=SC2016 # for the shell in the container
	run_expecting 0 docker run --rm --interactive --network none --entrypoint sh "$image" -c '
		mkdir /tmp/here && cd /tmp/here && cat >dump.rdb && redis-check-rdb dump.rdb >&2 &&
		redis-server --save "" --port 0 --unixsocket /tmp/here/socket --dir /tmp/here --dbfilename dump.rdb --daemonize yes >&2 &&
		until redis-cli -s socket PING 2>/dev/null | grep -q PONG; do sleep 0.1; done && redis-cli -s socket DBSIZE' \
		<"$backup/redis_backup.rdb"
	assert_equal "$output" "$keys"
}

@test "psql alone restores the dump on a new server" {
	local image customers
	image=$(docker inspect --format '{{.Config.Image}}' "$(container postgres)")
	new_server=$(docker run --detach --network none -e POSTGRES_USER=whisperengine -e POSTGRES_PASSWORD=new -e POSTGRES_DB=postgres "$image")
	new_server_answers() { docker exec "$new_server" pg_isready -q -h 127.0.0.1 -U whisperengine; }
	wait_until new_server_answers
	# The sample data has a read-only database, which pg_dumpall's own way of loading needs this for.
	docker exec -e PGOPTIONS='-c default_transaction_read_only=off' -i "$new_server" \
		psql -X -q -U whisperengine -d postgres -f - <"$backup/postgresql_backup.sql" \
		>/dev/null 2>"$BATS_TEST_TMPDIR/errors"
	customers=$(docker exec "$new_server" psql -X -q -A -t -U whisperengine -d shop -c 'SELECT count(*) FROM customers')
	# Any dump of pg_dumpall creates the superuser that the new server already has.
	assert_equal "$(grep -c ERROR "$BATS_TEST_TMPDIR/errors") $(grep ERROR "$BATS_TEST_TMPDIR/errors")" \
		'1 psql:<stdin>:'"$(grep -m 1 -n '^CREATE ROLE whisperengine;' "$backup/postgresql_backup.sql" | cut -d : -f 1)"': ERROR:  role "whisperengine" already exists'
	[[ $customers -gt 0 ]] || fail "shop.customers is empty"
}

# --- restore ----------------------------------------------------------------------------------------------------------

@test "the changes between backup and restore were real" {
	assert_other_state before changed postgresql
	assert_other_state before changed redis
	assert_other_state before changed chromadb
}

@test "restore ends with 0" {
	assert_equal "$(kept restore.status)" 0 || fail "$(kept restore.err)"
}

@test "restore says what it did, on standard error" {
	assert_contains "$(kept restore.err)" 'This replaces ALL current data of PostgreSQL, Redis, ChromaDB, Neo4j'
	assert_contains "$(kept restore.err)" "restored 4 stores from $timestamp"
}

@test "all stores are put in place before the health check of one is waited for" {
	local order
	order=$(grep -n -e '^   neo4j ' -e 'in place and answering' "$BATS_FILE_TMPDIR/restore.err" | grep -A4 '   neo4j ' | cut -d: -f2 | awk '{print $1, $2}')
	assert_contains "$order" 'neo4j ...
✅ postgresql'
}

@test "restore --json names the stores" {
	assert_json "$(kept restore.out)" 'del(.stores[].swap_seconds)' "{\"timestamp\":\"$timestamp\",\"stores\":[{\"name\":\"postgresql\",\"status\":\"restored\"},{\"name\":\"redis\",\"status\":\"restored\"},{\"name\":\"chromadb\",\"status\":\"restored\"},{\"name\":\"neo4j\",\"status\":\"restored\"}]}"
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
	assert_same_state before after neo4j
}

@test "all services run after the restore" {
	assert_all_running
	assert_nothing_paused
}

@test "nothing is left behind" {
	assert_no_leftovers
}

@test "credentials are neither shown nor in the manifest" {
	for file in create.out create.err restore.out restore.err list.out; do
		refute_credentials "$BATS_FILE_TMPDIR/$file"
	done
	refute_credentials "$backup/manifest.json"
	refute_credentials "$backup/backup_info.txt"
}

refute_credentials() { # FILE: as the containers' environment has them
	! grep -iE 'NEO4J_AUTH|NEO4J_PASSWORD|neo4j/whisperengine|PGPASSWORD|POSTGRES_PASSWORD|REDISCLI_AUTH|requirepass' "$1" ||
		fail "$1 has credentials"
}

# --- the restored servers are no dead copies -------------------------------------------------------------------------

@test "the restored servers take new data" {
	psql_run whisperengine -c 'CREATE TABLE restored_then_written (id integer)' -c 'DROP TABLE restored_then_written'
	assert_equal "$(redis_run SET restored:then:written 1)" OK
	assert_equal "$(redis_run DEL restored:then:written)" 1
	chroma_post '' '{"name":"restored_then_written"}' | jq -e .id
	curl --silent --fail --noproxy '*' -X DELETE "$(chroma_url)/restored_then_written"
	assert_equal "$(neo4j_run 'CREATE (n:Written) WITH n DELETE n RETURN 1')" '[[1]]'
}

@test "Redis keeps the restored data over a restart" {
	local before
	before=$(redis_run DBSIZE)
	docker restart "$(container redis)" >/dev/null
	wait_until is_healthy redis
	assert_equal "$(redis_run DBSIZE)" "$before"
}

was_told_to_stop() { # CONTAINER-ID SINCE: the engine has sent it a signal
	[[ -n $(docker events --since "$2" --until "$(date +%s.%N)" --filter "container=$1" --filter event=kill) ]]
}

# It takes ten seconds to stop, and the engine goes on stopping it.
@test "a restore that is killed while Neo4j is being stopped is undone once it has stopped" {
	local since killed started
	neo4j_run 'CREATE (:Later)' >/dev/null
	since=$(date +%s.%N)
	start_program restore latest --only neo4j --yes --no-safety-backup
	wait_until reached was_told_to_stop "$(container neo4j)" "$since"
	it_runs || fail 'it has ended already' "$(cat "$BATS_TEST_TMPDIR/err")"
	kill_program
	container_is neo4j running || fail 'it had stopped already'
	killed=$(date -u +%FT%T.%NZ)
	program 0 recover
	assert_contains "$errors" 'as it was before'
	# Started after the stop had come to its end; one that still runs from before would end soon.
	started=$(docker inspect --format '{{.State.StartedAt}}' "$(container neo4j)")
	[[ $started > $killed ]] || fail "it runs since $started, and the restore was killed at $killed"
	assert_equal "$(neo4j_run 'MATCH (n:Later) DELETE n RETURN count(n)')" '[[1]]'
	assert_all_running
	assert_nothing_paused
	assert_no_leftovers
	[[ ! -e $BACKUP_DIR/.restore.json ]] || fail "the journal is still there: $(cat "$BACKUP_DIR/.restore.json")"
}
