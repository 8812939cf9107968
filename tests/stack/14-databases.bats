#!/usr/bin/env bats
# shellcheck shell=bats disable=SC2030,SC2031,SC2154
# Several databases in one PostgreSQL: the next one's dump gets ready while one is read, and they are loaded side by side.

load helpers

first=a_first
second=b_second
hold=/tmp/whisperbackup-test-hold # in the container: while it is there, loading a database goes no further

setup_file() {
	stack_up
	seed postgresql
}

teardown() {
	end_program
	docker exec --user 0 "$(container postgres)" rm -rf $hold
	psql_run postgres -c "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'test'" >/dev/null
	wait "${waiters[@]}" 2>/dev/null || true
	quietly "$WHISPERBACKUP" recover
	forget_databases
	rm -rf "$BACKUP_DIR"
}

setup() {
	waiters=()
	forget_databases
}

forget_databases() {
	psql_run postgres -c "DROP DATABASE IF EXISTS $first WITH (FORCE)" -c "DROP DATABASE IF EXISTS $second WITH (FORCE)" \
		-c 'DROP ROLE IF EXISTS boss'
}

# A row of each is only taken once the file has gone.
make_databases() {
	local name
	for name in $first $second; do
		psql_run postgres -c "CREATE DATABASE $name TEMPLATE template0"
		psql_run "$name" -c "CREATE FUNCTION held() RETURNS boolean LANGUAGE plpgsql AS \$\$ BEGIN
				WHILE (pg_catalog.pg_stat_file('$hold', true)).size IS NOT NULL LOOP PERFORM pg_catalog.pg_sleep(0.05); END LOOP;
				RETURN true;
			END \$\$" -c "CREATE TABLE numbers (n integer, CONSTRAINT waits CHECK (n <> 7 OR held()))" \
			-c 'INSERT INTO numbers SELECT generate_series(1, 1000)'
	done
}

answers() { # CONDITION: it is true
	[[ $(psql_run postgres -c "SELECT $1") == t ]]
}

in_background() { # DATABASE STATEMENT: in a session called "test"
	# shellcheck disable=SC2016 # for the shell in the container
	docker exec -e "WANTED=$1" -e PGAPPNAME=test "$(container postgres)" sh -c \
		'exec psql -X -q -v ON_ERROR_STOP=1 -U "$POSTGRES_USER" -d "$WANTED" -c "$0"' "$2" >/dev/null 2>&1 3>&- &
	waiters+=($!)
}

dumps_that_wait() { # NUMBER
	answers "(SELECT count(DISTINCT datname) = $1 FROM pg_stat_activity WHERE application_name = 'whisperbackup'
		AND datname IN ('$first', '$second') AND wait_event_type = 'Lock')"
}

loads_that_wait() { # NUMBER
	answers "(SELECT count(DISTINCT datname) = $1 FROM pg_stat_activity WHERE application_name = 'whisperbackup'
		AND datname LIKE 'wb\\_new\\_%' AND wait_event = 'PgSleep')"
}

wait_for() { # COMMAND ARGUMENT..: while the program runs
	wait_until reached "$@"
	it_runs || fail "it has ended already:" "$(cat "$BATS_TEST_TMPDIR/err")"
}

rows() { # DATABASE
	psql_run "$1" -c 'SELECT count(*), sum(n) FROM numbers'
}

assert_nothing_of_ours() {
	assert_equal "$(psql_run postgres -c "SELECT count(*) FROM pg_database WHERE datname LIKE 'wb\\_%'")" 0
}

@test "the dump of the next database gets ready while one is read" {
	make_databases
	local name
	for name in $first $second; do # pg_dump waits for a sequence that somebody has changed
		psql_run "$name" -c 'CREATE SEQUENCE gate'
		in_background "$name" 'BEGIN; ALTER SEQUENCE gate RENAME TO gate_of_test; SELECT pg_sleep(3600)'
	done
	wait_until answers "(SELECT count(*) = 2 FROM pg_stat_activity WHERE application_name = 'test' AND wait_event = 'PgSleep')"
	start_program create --only postgresql
	wait_for dumps_that_wait 2
	psql_run postgres -c "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'test'" >/dev/null
	ends_with 0
	assert_json "$(cat "$(backup_path)/manifest.json")" \
		'.stores[0].fingerprint.rows | [.["a_first.public.numbers"], .["b_second.public.numbers"]]' '[1000,1000]'
}

hold_loads() {
	docker exec "$(container postgres)" touch $hold
}

let_loads_go() {
	docker exec --user 0 "$(container postgres)" rm $hold
}

@test "databases are loaded side by side" {
	make_databases
	quietly "$WHISPERBACKUP" create --only postgresql
	psql_run $first -c 'TRUNCATE numbers'
	psql_run $second -c 'UPDATE numbers SET n = 1'
	hold_loads
	start_program restore latest --yes --no-safety-backup --only postgresql
	wait_for loads_that_wait 2
	let_loads_go
	ends_with 0
	assert_equal "$(rows $first) $(rows $second)" '1000|500500 1000|500500'
	assert_nothing_of_ours
}

@test "when one cannot be loaded, the others are given up and all is as it was" {
	make_databases
	quietly "$WHISPERBACKUP" create --only postgresql
	psql_run $first -c 'TRUNCATE numbers'
	hold_loads
	start_program restore latest --yes --no-safety-backup --only postgresql
	wait_for loads_that_wait 2
	psql_run postgres -c "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'whisperbackup'
		AND datname = (SELECT min(datname) FROM pg_stat_activity WHERE datname LIKE 'wb\\_new\\_%')" >/dev/null
	ends_with 1 # although the other one would wait for ever
	assert_contains "$errors" 'PostgreSQL cannot be staged: cannot load the database a_first'
	assert_contains "$errors" 'everything is as it was before'
	assert_equal "$(rows $first) $(rows $second)" '0| 1000|500500'
	assert_nothing_of_ours
}

@test "roles that have to be superusers for the loading are in no other database's way" {
	make_databases
	psql_run postgres -c 'CREATE ROLE boss SUPERUSER'
	local name
	for name in $first $second; do
		psql_run "$name" -c 'CREATE FUNCTION said() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN END $$' \
			-c 'CREATE EVENT TRIGGER mine ON ddl_command_end EXECUTE FUNCTION said()' -c 'ALTER EVENT TRIGGER mine OWNER TO boss'
	done
	quietly "$WHISPERBACKUP" create --only postgresql
	forget_databases
	psql_run postgres -c 'CREATE ROLE boss NOSUPERUSER'
	hold_loads
	start_program restore latest --yes --no-safety-backup --only postgresql
	wait_for loads_that_wait 1
	sleep 1 # another one, if it were begun, would wait for the role by now, and find it changed
	let_loads_go
	ends_with 0
	assert_equal "$(rows $first) $(rows $second)" '1000|500500 1000|500500'
	for name in $first $second; do
		assert_equal "$(psql_run "$name" -c 'SELECT evtowner::regrole FROM pg_event_trigger')" boss
	done
	assert_equal "$(psql_run postgres -c "SELECT rolsuper FROM pg_roles WHERE rolname = 'boss'")" t
}
