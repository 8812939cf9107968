#!/usr/bin/env bats
# shellcheck shell=bats disable=SC2030,SC2031,SC2154
# Stacks as they are elsewhere: other passwords, names, volumes and settings.

load helpers
load single

setup() {
	use_project variants
}

teardown() {
	remove_containers
	[[ -z ${bound:-} ]] || rm -rf "$bound"
}

# --- Redis ------------------------------------------------------------------------------------------------------------

# Fills it, backs it up, changes it, restores it; twice around, with a restart between.
redis_comes_back() {
	wait_until redis_answers
	in_redis EVAL 'for i = 1, 1000 do redis.call("SET", "key:" .. i, i) end return redis.call("SELECT", 3) and redis.call("SET", "third", "3")' 0 >/dev/null
	program 0 create --json
	document=$output
	said=$errors
	in_redis SET later 1 >/dev/null
	in_redis DEL key:1 >/dev/null
	program 0 restore latest --yes --no-safety-backup
	said+=$errors
	assert_redis_as_backed_up
	docker restart "$id" >/dev/null
	wait_until redis_answers
	assert_redis_as_backed_up
}

assert_redis_as_backed_up() {
	assert_equal "$(in_redis DBSIZE)" 1000
	assert_equal "$(in_redis GET key:1)" 1
	assert_equal "$(in_redis EXISTS later)" 0
	assert_equal "$(in_redis -n 3 GET third)" 3
}

@test "Redis without an append-only file" {
	run_service redis redis -- redis-server --appendonly no
	redis_comes_back
}

@test "Redis without any saving of its own" {
	run_service redis redis -- redis-server --appendonly no --save ''
	wait_until redis_answers
	in_redis SET key 1 >/dev/null
	program 0 create
	in_redis SET key 2 >/dev/null
	program 0 restore latest --yes --no-safety-backup
	assert_equal "$(in_redis GET key)" 1
}

@test "Redis with other names for its files" {
	run_service redis redis -- redis-server --appendonly yes --dbfilename my.rdb --appendfilename my.aof --appenddirname mydir
	redis_comes_back
}

@test "Redis whose save takes longer than a look at it" {
	run_service redis redis -- redis-server --appendonly no --save ''
	wait_until redis_answers
	in_redis SET marker old >/dev/null
	in_redis BGSAVE >/dev/null
	wait_until redis_saved
	in_redis SET marker new >/dev/null
	in_redis EVAL 'for i = 1, 300 do redis.call("SET", "key:" .. i, i) end' 0 >/dev/null
	in_redis CONFIG SET rdb-key-save-delay 10000 >/dev/null # microseconds for each key: three seconds
	program 0 create
	in_redis CONFIG SET rdb-key-save-delay 0 >/dev/null
	in_redis SET marker later >/dev/null
	program 0 restore latest --yes --no-safety-backup
	assert_equal "$(in_redis GET marker)" new
	assert_equal "$(in_redis DBSIZE)" 301
}

redis_saved() {
	in_redis INFO persistence | tr -d '\r' | grep -qx 'rdb_bgsave_in_progress:0'
}

@test "Redis started with an append-only file that was switched off since" {
	run_service redis redis -- redis-server --appendonly yes
	wait_until redis_answers
	in_redis CONFIG SET appendonly no >/dev/null
	redis_comes_back
}

@test "Redis started without an append-only file that was switched on since" {
	run_service redis redis -- redis-server --appendonly no
	wait_until redis_answers
	in_redis CONFIG SET appendonly yes >/dev/null
	redis_comes_back
}

@test "Redis with a password in its command" {
	password='by-command-4711'
	run_service redis redis -- redis-server --appendonly yes --requirepass "$password"
	redis_comes_back
	refute_contains "$document$said$(cat "$(backup_path)/manifest.json")" "$password"
}

@test "Redis with a password in REDIS_PASSWORD" {
	password="odd p@ss'w\"rd \$4711 \\ü"
	# shellcheck disable=SC2016 # for the shell in the container
	run_service redis redis -e "REDIS_PASSWORD=$password" -- sh -c 'exec redis-server --appendonly yes --requirepass "$REDIS_PASSWORD"'
	redis_comes_back
	refute_contains "$document$said$(cat "$(backup_path)/manifest.json")" 4711
}

@test "Redis with a password that nobody tells is a clear failure" {
	run_service redis redis -- sh -c 'echo "requirepass hidden-4711" >/tmp/conf && exec redis-server /tmp/conf'
	password=hidden-4711
	wait_until redis_answers
	program 1 create
	assert_contains "$errors" 'Redis wants a password'
	assert_contains "$errors" 'REDIS_PASSWORD'
}

@test "Redis on another port" {
	run_service redis redis -- redis-server --port 7777
	on_its_port() { [[ $(in_redis -p 7777 PING 2>/dev/null) == PONG ]]; }
	wait_until on_its_port
	in_redis -p 7777 SET key 1 >/dev/null
	program 0 create
	in_redis -p 7777 SET key 2 >/dev/null
	program 0 restore latest --yes --no-safety-backup
	assert_equal "$(in_redis -p 7777 GET key)" 1
}

@test "Redis with its data in a folder of the host" {
	bound=$BATS_TEST_TMPDIR/data
	mkdir "$bound"
	run_service redis redis -v "$bound:/data" -- redis-server --appendonly yes
	redis_comes_back
	[[ ! -e $bound/.whisperbackup-restore ]] || fail "$(ls -lA "$bound")"
}

@test "Redis with its data in no volume: saved, but its restore is refused before anything is touched" {
	run_service redis redis -- sh -c 'mkdir -p /srv/redis && cd /srv/redis && exec redis-server --dir /srv/redis --protected-mode no'
	wait_until redis_answers
	in_redis SET key 1 >/dev/null
	program 0 create
	in_redis SET key 2 >/dev/null
	program 1 restore latest --yes --no-safety-backup
	assert_contains "$errors" volume
	refute_contains "$errors" 'could not be rolled back'
	assert_equal "$(in_redis GET key)" 2
}

# --- which container is which -----------------------------------------------------------------------------------------

@test "a label says which store a service with another name is" {
	run_service cache redis --name "$COMPOSE_PROJECT_NAME-memory" --label whisperengine.backup.store=redis -- redis-server
	redis_comes_back
	assert_json "$document" '[.stores[] | select(.status == "ok") | .name]' '["redis"]'
}

@test "a service with another name and no label is not taken for a store" {
	run_service cache redis -- redis-server
	program 1 create
	assert_contains "$errors" 'No containers are running'
}

@test "a label outweighs a service's name" {
	run_service redis redis -- redis-server
	local other=$id
	run_service cache redis --label whisperengine.backup.store=redis -- redis-server
	wait_until redis_answers
	in_redis SET key labelled >/dev/null
	docker exec "$other" redis-cli SET key named >/dev/null
	program 0 create
	in_redis SET key changed >/dev/null
	program 0 restore latest --yes --no-safety-backup
	assert_equal "$(in_redis GET key)" labelled
	assert_equal "$(docker exec "$other" redis-cli GET key)" named
}

@test "two containers of one service are a question for the user" {
	run_service redis redis -- redis-server
	run_service redis redis -- redis-server
	program 1 create
	assert_contains "$errors" 'two containers are Redis'
	assert_contains "$errors" 'whisperengine.backup.store=redis'
}

@test "one-off containers are not looked at" {
	run_service redis redis -- redis-server
	wait_until redis_answers
	docker run --detach --label "com.docker.compose.project=$COMPOSE_PROJECT_NAME" --label com.docker.compose.service=redis \
		--label com.docker.compose.oneoff=True "$(image_of redis)" redis-server >/dev/null
	program 0 create
}

@test "a paused container is skipped, not thawed" {
	run_service redis redis -- redis-server
	wait_until redis_answers
	docker pause "$id" >/dev/null
	program 1 create
	assert_equal "$(docker inspect --format '{{.State.Status}}' "$id")" paused
}

# --- PostgreSQL -------------------------------------------------------------------------------------------------------

in_postgresql() { # DATABASE STATEMENT..: as the superuser the container names
	local arguments=() statement
	for statement in "${@:2}"; do arguments+=(-c "$statement"); done
	# shellcheck disable=SC2016 # for the shell in the container
	docker exec -e "PGDATABASE=$1" "$id" sh -c 'export PGUSER="${POSTGRES_USER:-postgres}" PGPASSWORD="$POSTGRES_PASSWORD"
		exec psql -X -q -A -t -v ON_ERROR_STOP=1 -h 127.0.0.1 "$@"' sh "${arguments[@]}"
}

postgresql_answers() { # over TCP: while a new cluster is being set up, only the socket answers
	in_postgresql postgres 'SELECT 1' >/dev/null 2>&1
}

# No way in without a password, not even by the socket.
demand_password() {
	wait_until postgresql_answers
	# shellcheck disable=SC2016 # for the shell in the container
	docker exec "$id" sh -c 'sed -i "s/trust\$/scram-sha-256/" "$PGDATA/pg_hba.conf"'
	in_postgresql postgres 'SELECT pg_reload_conf()' >/dev/null
	# shellcheck disable=SC2016 # for the shell in the container
	docker exec "$id" sh -c '! psql -w -U "$POSTGRES_USER" -d postgres -c "SELECT 1" 2>&1' | grep -q 'no password supplied'
}

# Everything but what is counted anew with each restore.
postgresql_content() {
	in_postgresql postgres "SELECT datname, pg_get_userbyid(datdba) FROM pg_database ORDER BY 1" \
		"SELECT rolname, rolsuper, rolcanlogin, rolpassword FROM pg_authid WHERE rolname !~ '^pg_' ORDER BY 1"
	in_postgresql kept 'SELECT count(*), sum(id), max(v) FROM t' "SELECT string_agg(relname, ',' ORDER BY relname) FROM pg_class WHERE relnamespace = 'public'::regnamespace"
}

fill_postgresql() {
	in_postgresql postgres "CREATE ROLE keeper LOGIN PASSWORD 'k'" 'CREATE DATABASE kept OWNER keeper'
	in_postgresql kept "CREATE TABLE t AS SELECT i AS id, 'value ' || i AS v FROM generate_series(1, 20000) i" 'CREATE INDEX ON t (id)'
}

change_postgresql() {
	in_postgresql postgres 'CREATE ROLE later LOGIN' 'CREATE DATABASE later OWNER later' "ALTER ROLE keeper PASSWORD 'other'"
	in_postgresql kept 'DELETE FROM t WHERE id % 2 = 0' 'CREATE TABLE later (id integer)'
}

postgresql_comes_back() {
	local before
	wait_until postgresql_answers
	fill_postgresql
	before=$(postgresql_content)
	program 0 create --json
	document=$output
	said=$errors
	change_postgresql
	program 0 restore latest --yes --no-safety-backup
	said+=$errors
	assert_equal "$(postgresql_content)" "$before"
}

@test "PostgreSQL with another superuser, an odd database name and an odd password" {
	password="odd p@ss'w\"rd \$4711 \\ü:%s"
	run_service postgres postgres -e "POSTGRES_USER=Odd Admin, %s ü" -e "POSTGRES_DB=My \"odd\" D'b %s" -e "POSTGRES_PASSWORD=$password"
	postgresql_comes_back
	refute_contains "$document$said$(cat "$(backup_path)/manifest.json")" 4711
}

@test "PostgreSQL that wants its password also on its socket" {
	run_service postgres postgres -e POSTGRES_USER=bot_user -e POSTGRES_PASSWORD=socket-4711
	demand_password
	postgresql_comes_back
	refute_contains "$document$said$(cat "$(backup_path)/manifest.json")" socket-4711
}

@test "PostgreSQL without a name for anything; databases and roles that came after the backup are gone" {
	run_service postgres postgres -e POSTGRES_PASSWORD=any
	postgresql_comes_back
	assert_equal "$(in_postgresql postgres "SELECT datname FROM pg_database WHERE datname = 'later'")" ''
	assert_equal "$(in_postgresql postgres "SELECT rolname FROM pg_roles WHERE rolname = 'later'")" ''
}

@test "clients that reconnect in a loop cannot hinder a restore" {
	run_service postgres postgres -e POSTGRES_PASSWORD=any
	wait_until postgresql_answers
	fill_postgresql
	local before
	before=$(postgresql_content)
	program 0 create
	change_postgresql
	for _ in 1 2 3 4 5; do
		docker exec --detach "$id" sh -c \
			'while :; do psql -X -q -U postgres -d kept -c "SELECT count(*), pg_sleep(0.2) FROM t" >/dev/null 2>&1; echo >>/tmp/turns; done'
	done
	turns() { docker exec "$id" sh -c 'wc -l </tmp/turns'; }
	clients_are_at_work() { [[ $(turns) -gt $1 ]]; }
	wait_until clients_are_at_work 10
	program 0 restore latest --yes --no-safety-backup
	assert_equal "$(postgresql_content)" "$before"
	# They go on, on the restored data.
	wait_until clients_are_at_work $(($(turns) + 10))
}

# They are told in the environment of the containers, and nowhere else.
start_with_passwords() {
	run_service postgres postgres -e POSTGRES_PASSWORD=listed-4711
	demand_password
	fill_postgresql
	# shellcheck disable=SC2016 # for the shell in the container
	run_service redis redis -e REDIS_PASSWORD=listed-4712 -- \
		sh -c 'echo "requirepass $REDIS_PASSWORD" >/tmp/conf && exec redis-server /tmp/conf'
	password=listed-4712
	wait_until redis_answers
}

@test "no password is seen in the list of processes" {
	local seen='' names='listed-471[123]|bmVvNGo6bGlzdGVkLTQ3MT[M]' # Neo4j's is also sent as HTTP wants it, in Base64
	run_service neo4j neo4j -e NEO4J_AUTH=neo4j/listed-4713 -e NEO4J_server_memory_heap_max__size=256m
	start_with_passwords
	wait_until quietly "$WHISPERBACKUP" health --only neo4j
	# Neo4j's image itself names it at each start of the container, to neo4j-admin.
	listed() {
		{ for each in /proc/[0-9]*/cmdline; do tr '\0\n' '  ' <"$each" && echo; done; } 2>/dev/null |
			grep -E "$names" | grep -v set-initial-password || true
	}
	wait_until is_empty listed
	{ "$WHISPERBACKUP" create && "$WHISPERBACKUP" verify latest --drill && "$WHISPERBACKUP" status &&
		"$WHISPERBACKUP" restore latest --yes --no-safety-backup; } >"$BATS_TEST_TMPDIR/err" 2>&1 3>&- &
	local program=$!
	while kill -0 "$program" 2>/dev/null; do
		seen+=$(listed)
	done
	wait "$program" || fail "$(cat "$BATS_TEST_TMPDIR/err")"
	assert_equal "$seen" ''
	assert_contains "$(cat "$BATS_TEST_TMPDIR/err")" 'neo4j'
	! grep -E "$names" "$BATS_TEST_TMPDIR/err" || fail 'it is shown'
	! grep -rlE "$names" "$BACKUP_DIR" || fail 'it is written'
}

@test "no password is in what is shown or written: results, logs, notes, journals, also where it is refused" {
	local said=$BATS_TEST_TMPDIR/said status=0
	start_with_passwords
	run_it() { # EXPECTED-EXIT-STATUS ARGUMENT..
		echo "$*" >>"$said"
		status=0
		"$WHISPERBACKUP" "${@:2}" >>"$said" 2>&1 </dev/null 3>&- || status=$?
		[[ $status -eq $1 ]] || fail "exit status $status" "$(cat "$said")"
		nowhere
	}
	nowhere() {
		! grep -qF listed-471 "$said" || fail 'it is shown' "$(cat "$said")"
		! grep -rlF listed-471 "$BACKUP_DIR" || fail 'it is written'
	}
	run_it 0 create
	run_it 0 verify latest --drill
	run_it 0 status
	WHISPERBACKUP_TEST_KILL_AT=9 run_it 137 restore latest --yes --no-safety-backup
	[[ -e $BACKUP_DIR/.restore.json ]] || fail 'there is no journal'
	run_it 0 recover
	# Ours are wrong from here on.
	in_redis CONFIG SET requirepass other >/dev/null
	docker exec "$(container postgres)" sh -c 'PGPASSWORD=$POSTGRES_PASSWORD psql -qU postgres -c "ALTER ROLE postgres PASSWORD '"'other'"'"'
	run_it 1 create
	grep -q 'WRONGPASS\|password' "$said" || fail "nothing was refused" "$(cat "$said")"
	run_it 1 restore latest --yes
	run_it 0 verify latest --drill # its server is another
	run_it 1 health
	run_it 1 schedule run
	[[ -s $BACKUP_DIR/backup.log ]] || fail 'there is no log'
}

is_empty() { # COMMAND
	[[ -z $("$@") ]]
}

@test "a server whose health check has never been content is restored all the same" {
	run_service redis redis --health-cmd 'no-such-program' --health-interval 1s --health-retries 1
	wait_until redis_answers
	in_redis SET key 1 >/dev/null
	program 0 create
	in_redis SET key 2 >/dev/null
	wait_until has_health unhealthy
	program 0 restore latest --yes --no-safety-backup
	assert_contains "$errors" "Redis answers, but its health check has not passed in 60 seconds; it had failed before the restore too"
	assert_equal "$(in_redis GET key)" 1
}

has_health() { # STATUS
	[[ $(docker inspect --format '{{.State.Health.Status}}' "$id") == "$1" ]]
}

# In the first of its runs it stays; in the next ones for as long as is written there. That is long enough for it to answer, and
# to be asked, before it ends, and it ends long before its health check is made.
run_redis_that_ends() { # SECONDS-OF-ITS-NEXT-RUNS..
	# shellcheck disable=SC2016 # for the shell in the container
	run_service redis redis --health-cmd 'redis-cli PING' --health-interval 40s -- sh -c '
		read -r seconds rest </runs 2>/dev/null && echo "$rest" >/runs
		[ -n "$seconds" ] || exec redis-server
		redis-server & sleep "$seconds"; kill $!; wait'
	wait_until redis_answers
	in_redis SET key 1 >/dev/null
	program 0 create
	in_redis SET key 2 >/dev/null
	docker exec "$id" sh -c 'echo "$1" >/runs' sh "$*"
}

@test "a server that answers, and ends before its health check is content, is rolled back" {
	run_redis_that_ends 15
	program 1 restore latest --yes --no-safety-backup
	assert_contains "$errors" 'Redis failed to be restored: Redis answered after the restore, but it is not well: container'
	assert_contains "$errors" 'everything is as it was before'
	assert_contains "$errors" './bot.sh logs redis tells why'
	wait_until redis_answers
	assert_equal "$(in_redis GET key)" 2
	[[ ! -e $BACKUP_DIR/.restore.json ]] || fail 'it is left to the next command'
}

@test "one that does so again on the data of before has that, and the next command looks again" {
	run_redis_that_ends 15 15
	program 1 restore latest --yes --no-safety-backup
	assert_contains "$errors" 'has the data of before: Redis answered after the restore, but it is not well: container'
	assert_contains "$errors" 'all data is that of before; mend what keeps the service from running, then call recover'
	program 0 recover
	wait_until redis_answers
	assert_equal "$(in_redis GET key)" 2
	[[ ! -e $BACKUP_DIR/.restore.json ]] || fail 'it is left to the next command'
}

# --- ChromaDB ---------------------------------------------------------------------------------------------------------

in_chroma() { # what the folder holds, but pipes and sockets
	docker exec "$id" sh -c 'cd "$1" && find . -mindepth 1 ! -type p ! -type s -printf "%P %y %m %U %G %l\n" | LC_ALL=C sort &&
		find . -type f ! -name "chroma.sqlite3*" -print0 | LC_ALL=C sort -z | xargs -0 sha256sum' sh "$1"
}

@test "ChromaDB with its data in /data, and whatever else a folder may hold" {
	run_service chromadb chromadb -v /data -- run --path /data --host 0.0.0.0 --port 8000
	wait_until chroma_answers
	# shellcheck disable=SC2016 # for the shell in the container
	docker exec "$id" bash -c 'set -e; cd /data
		mkdir -p empty deep/er "with space" "$(printf "new\nline")"
		echo text >"with space/-dash"; echo text >"ünïcödé ☃"; : >nothing
		printf "%0200d" 0 | xargs touch; echo secret >private; chmod 600 private; echo run >runnable; chmod 755 runnable
		ln -s ../../nowhere link; echo linked >first; ln first second; chown 12345:23456 deep/er
		truncate -s 64M sparse; printf end >>sparse; mkfifo pipe; : >.hidden'
	local before
	before=$(in_chroma /data)
	run_expecting 0 timeout 120 "$WHISPERBACKUP" create
	docker exec "$id" bash -c 'cd /data && rm -rf empty deep "with space" first private && echo changed >"ünïcödé ☃" && echo new >added'
	program 0 restore latest --yes --no-safety-backup
	assert_equal "$(in_chroma /data)" "$before"
	assert_equal "$(docker exec "$id" stat -c %h /data/first)" 2
}

@test "ChromaDB that Docker always starts again, with the usual stop signal" {
	run_service chromadb chromadb --restart always --stop-signal SIGTERM -v /chroma/chroma -- \
		run --path /chroma/chroma --host 0.0.0.0 --port 8000
	wait_until chroma_answers
	docker exec "$id" sh -c 'echo old >/chroma/chroma/proof'
	program 0 create
	docker exec "$id" sh -c 'echo new >/chroma/chroma/proof'
	program 0 restore latest --yes --no-safety-backup
	assert_equal "$(docker exec "$id" cat /chroma/chroma/proof)" old
	wait_until chroma_answers
	assert_equal "$(docker inspect --format '{{.HostConfig.RestartPolicy.Name}}' "$id")" always
}
