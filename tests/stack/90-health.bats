#!/usr/bin/env bats
# shellcheck shell=bats disable=SC2034,SC2030,SC2031,SC2154
# health and status: every store is asked for real, and what is wrong is said.

stack=as_shipped # environment.sh reads it
load helpers

setup_file() {
	stack_up
	seed postgresql redis chromadb neo4j
	quietly "$WHISPERBACKUP" create --only postgresql,redis
}

setup() {
	stack_up
}

teardown() {
	if [[ -z ${BATS_TEST_COMPLETED:-} && $BATS_TEST_DESCRIPTION == *password* ]]; then wait_until old_password_is_back; fi
	docker rm --force --volumes --volumes wb-loading-redis >/dev/null 2>&1 || true
}

@test "health shows version, endpoint and answer of every store, and ends with 0" {
	program 0 health
	assert_contains "$output" "✅ postgresql  $(psql_run postgres -c 'SHOW server_version' | cut -d ' ' -f 1)"
	assert_contains "$output" "127.0.0.1:$POSTGRES_PORT  answers a query; "
	assert_contains "$output" "✅ redis       $(redis_run INFO server | sed -n 's/^redis_version:\([0-9.]*\).*/\1/p')"
	assert_contains "$output" "127.0.0.1:$REDIS_PORT  answers PING; its last save went well"
	assert_contains "$output" "127.0.0.1:$CHROMADB_PORT  answers a heartbeat; $(chroma_get | jq length) collections"
	assert_contains "$output" "127.0.0.1:$NEO4J_BOLT_PORT  answers a query; 2 databases online"
	assert_contains "$output" "✅ project $COMPOSE_PROJECT_NAME: all is well"
}

@test "health --json says the same" {
	program 0 health --json
	assert_json "$output" '[.healthy, .project]' "[true,\"$COMPOSE_PROJECT_NAME\"]"
	assert_json "$output" '[.stores[] | [.name, .healthy]]' '[["postgresql",true],["redis",true],["chromadb",true],["neo4j",true]]'
	assert_json "$output" '[.stores[].endpoint]' "[\"127.0.0.1:$POSTGRES_PORT\",\"127.0.0.1:$REDIS_PORT\",\"127.0.0.1:$CHROMADB_PORT\",\"127.0.0.1:$NEO4J_BOLT_PORT\"]"
	assert_json "$output" '[.stores[] | .version | test("^[0-9]+[.][0-9]+")] | all' true
}

@test "health and status change nothing" {
	live_fingerprint >"$BATS_TEST_TMPDIR/before"
	program 0 health
	program 0 status
	assert_fingerprint "$BATS_TEST_TMPDIR/before"
	assert_no_leftovers
}

@test "health asks only the stores that are chosen" {
	program 0 health --json --only redis,postgresql
	assert_json "$output" '[.stores[].name]' '["postgresql","redis"]'
}

@test "status shows state, version, data size and the last good backup of every store" {
	program 0 status
	assert_contains "$output" "Project $COMPOSE_PROJECT_NAME"
	grep -qE '^  ✅ postgresql +healthy, version [0-9.]+, data [0-9.]+[KMG]$' <<<"$output"
	grep -qE '^  ✅ redis +healthy, version [0-9.]+, data [0-9.]+[KMG]$' <<<"$output"
	grep -qE '^  ✅ chromadb +healthy, version [0-9.]+, data [0-9.]+[KMG]$' <<<"$output"
	grep -qE '^  ✅ neo4j +healthy, version [0-9.]+, data [0-9.]+[KMG]$' <<<"$output"
	assert_equal "$(grep -c "last good backup .* ($(newest_backup))" <<<"$output")" 2
	assert_equal "$(grep -c 'no good backup yet: whisperbackup create' <<<"$output")" 2
	assert_contains "$output" "1 backup in $BACKUP_DIR"
}

@test "status --json says the same" {
	program 0 status --json
	assert_json "$output" '[.stores[] | [.name, .running, .healthy, .state]] | unique_by(.[1:]) | .[0][1:]' '[true,true,"healthy"]'
	assert_json "$output" '[.stores[].data_bytes > 1000] | all' true
	assert_json "$output" '[.stores[].last_good_backup.timestamp]' "[\"$(newest_backup)\",\"$(newest_backup)\",null,null]"
	assert_json "$output" '.stores[0].last_good_backup.age_seconds < 86400' true
}

@test "PostgreSQL's size is that of its databases" {
	program 0 status --json
	local bytes
	bytes=$(psql_run postgres -c 'SELECT sum(pg_database_size(oid)) FROM pg_database')
	# autovacuum may be at work meanwhile
	assert_json "$output" ".stores[0].data_bytes | . > $bytes / 2 and . < $bytes * 2" true
}

@test "the size of a volume is told through the engine as well" {
	program 0 status --json
	local direct=$output
	WHISPERBACKUP_VOLUME_ACCESS=api program 0 status --json
	assert_json "$(jq -s '[.[0].stores[2].data_bytes, .[1].stores[2].data_bytes]' <<<"$direct$output")" \
		'.[0] > 0 and .[1] > .[0] / 2 and .[1] < .[0] * 2' true
}

@test "a store that does not run is named, and the others are still asked" {
	stop_services redis
	program 1 health
	assert_contains "$output" '❌ redis       not running'
	assert_contains "$output" 'hint: start it: ./bot.sh start'
	assert_equal "$(grep -c ✅ <<<"$output")" 3
	program 1 status
	assert_contains "$output" '❌ redis       stopped'
	program 1 status --json
	assert_json "$output" '[.healthy, .stores[1].running, .stores[1].problem]' '[false,false,"not running"]'
}

@test "a paused store is named" {
	docker pause "$(container chromadb)" >/dev/null
	program 1 health
	docker unpause "$(container chromadb)" >/dev/null
	assert_contains "$output" '❌ chromadb    paused'
	assert_contains "$output" 'hint: if nobody paused it on purpose, thaw it: docker unpause '
}

@test "a Redis that cannot save is not well, although it answers" {
	docker exec --user 0 "$(container redis)" chmod 555 /data
	redis_run BGSAVE >/dev/null
	wait_until save_status err
	run --separate-stderr "$WHISPERBACKUP" health --only redis
	docker exec --user 0 "$(container redis)" chmod 755 /data
	assert_equal "$status" 1
	assert_contains "$output" '❌ redis       Redis could not save its data the last time it tried'
	assert_contains "$output" 'hint: ./bot.sh logs redis tells why'
	# Once its disk is well again, a backup is a save that succeeds.
	program 0 create --only redis
	program 0 health --only redis
}

save_status() { # err or ok
	redis_run INFO persistence | grep -q "^rdb_last_bgsave_status:$1"
}

@test "a Redis that loads its data is not well yet" {
	# Loading is slowed down, a key at a time, so that it can be seen (redis.conf, key-load-delay).
	docker run --detach --rm --label "com.docker.compose.project=$COMPOSE_PROJECT_NAME-loading" \
		--label com.docker.compose.service=redis --label com.docker.compose.oneoff=False --name wb-loading-redis \
		"$(docker inspect --format '{{.Config.Image}}' "$(container redis)")" \
		sh -c 'redis-server --dir /tmp --save "" --daemonize yes >/dev/null
			until redis-cli PING; do sleep 0.1; done
			for i in $(seq 5000); do echo SET k$i v; done | redis-cli >/dev/null
			redis-cli SAVE; redis-cli SHUTDOWN NOSAVE
			exec redis-server --dir /tmp --key-load-delay 20000 --loading-process-events-interval-bytes 1024' >/dev/null
	wait_until loading_redis_answers
	COMPOSE_PROJECT_NAME=$COMPOSE_PROJECT_NAME-loading run --separate-stderr "$WHISPERBACKUP" health --only redis
	assert_equal "$status" 1
	assert_contains "$output" 'Redis is still loading its data'
}

loading_redis_answers() {
	docker exec wb-loading-redis redis-cli PING 2>&1 | grep -q LOADING
}

@test "a password that Neo4j refuses is told" {
	wait_until set_neo4j_password another-secret
	run --separate-stderr "$WHISPERBACKUP" health --only neo4j
	wait_until old_password_is_back # too many wrong ones, and Neo4j takes no right one for some seconds
	assert_equal "$status" 1
	assert_contains "$output" 'Neo4j refuses the name and password of NEO4J_AUTH'
	refute_contains "$output$stderr" another-secret
}

old_password_is_back() {
	neo4j_run 'RETURN 1' >/dev/null 2>&1 ||
		NEO4J_AUTH=neo4j/another-secret set_neo4j_password "$(docker inspect --format '{{range .Config.Env}}{{println .}}{{end}}' \
			"$(container neo4j)" | sed -n 's,^NEO4J_AUTH=neo4j/,,p')"
}

set_neo4j_password() { # PASSWORD
	curl --silent --show-error --fail-with-body --noproxy '*' -u "$(tr / : <<<"${NEO4J_AUTH:-neo4j/whisperengine}")" \
		-H 'Content-Type: application/json' -d "{\"statement\": \"ALTER USER neo4j SET PASSWORD '$1' CHANGE NOT REQUIRED\"}" \
		"http://127.0.0.1:$NEO4J_HTTP_PORT/db/system/query/v2" >/dev/null
}

@test "a PostgreSQL that takes no connections is told" {
	docker exec "$(container postgres)" sh -c 'cp "$PGDATA/pg_hba.conf" /tmp/hba; echo "local all all reject" >"$PGDATA/pg_hba.conf"; kill -HUP 1'
	wait_until postgres_refuses
	run --separate-stderr "$WHISPERBACKUP" health --only postgresql
	docker exec "$(container postgres)" sh -c 'cat /tmp/hba >"$PGDATA/pg_hba.conf"; kill -HUP 1'
	assert_equal "$status" 1
	assert_contains "$output" '❌ postgresql '
	assert_contains "$output" 'pg_hba.conf rejects'
	assert_contains "$output" 'hint: ./bot.sh logs postgres tells more'
}

postgres_refuses() {
	! docker exec "$(container postgres)" sh -c 'psql -U "$POSTGRES_USER" -d postgres -c "SELECT 1"' >/dev/null 2>&1
}

@test "a project without containers is told how to start" {
	COMPOSE_PROJECT_NAME=$COMPOSE_PROJECT_NAME-nobody program 1 status
	assert_contains "$errors" 'No containers are running'
	assert_contains "$errors" './bot.sh start'
}

@test "a backup folder too small for what the last backup took is told before the backup begins" {
	mkdir "$BATS_TEST_TMPDIR/small disk"
	mount -t tmpfs -o mode=700,size=64k none "$BATS_TEST_TMPDIR/small disk" || skip "cannot mount a small disk"
	BACKUP_DIR="$BATS_TEST_TMPDIR/small disk" run --separate-stderr "$WHISPERBACKUP" create --only postgresql
	umount "$BATS_TEST_TMPDIR/small disk"
	assert_equal "$status" 1
	assert_contains "$stderr" 'the backup is likely not to fit: it may need '
	assert_contains "$stderr" 'set BACKUP_DIR to a larger disk'
	assert_contains "$stderr" 'No space left'
}

@test "a backup folder with room is not warned about" {
	program 0 create --only redis
	refute_contains "$errors" 'likely not to fit'
}

@test "BACKUP_DIR may be relative, with spaces, and on another disk" {
	mkdir "$BATS_TEST_TMPDIR/project" "$BATS_TEST_TMPDIR/project/other disk"
	touch "$BATS_TEST_TMPDIR/project/compose.yaml"
	mount -t tmpfs -o mode=700 none "$BATS_TEST_TMPDIR/project/other disk" || skip "cannot mount another disk"
	cd "$BATS_TEST_TMPDIR/project"
	BACKUP_DIR='other disk/my backups' run --separate-stderr "$WHISPERBACKUP" create --only redis
	local created=$status said=$stderr
	BACKUP_DIR='other disk/my backups' run --separate-stderr "$WHISPERBACKUP" restore latest --yes --no-safety-backup
	(cd 'other disk/my backups'/whisperengine_backup_* && sha256sum --quiet -c SHA256SUMS)
	cd /
	umount "$BATS_TEST_TMPDIR/project/other disk"
	assert_equal "$created $status" '0 0'
	assert_contains "$said" './other disk/my backups/whisperengine_backup_'
}
