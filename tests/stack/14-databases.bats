#!/usr/bin/env bats
# shellcheck shell=bats disable=SC2030,SC2031,SC2154
# Several databases in one PostgreSQL are loaded side by side.

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
	quietly "$WHISPERBACKUP" recover
	forget_databases
	rm -rf "$BACKUP_DIR"
	if [[ $BATS_TEST_DESCRIPTION == *'too few locks'* ]]; then
		psql_run postgres -c 'ALTER SYSTEM RESET ALL'
		docker restart "$(container postgres)" >/dev/null
		wait_until is_healthy postgres
	fi
}

setup() {
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
		AND datname = (SELECT min(datname) FROM pg_stat_activity
			WHERE application_name = 'whisperbackup' AND datname LIKE 'wb\\_new\\_%')" >/dev/null # and no autovacuum
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

# One load alone fits into the server's table of locks, two do not: there is room for 1300 with these settings. Some
# hundred more may come out of 100 KB that the server's other tables share, so less of a distance would depend on chance.
locks_each=30
many_tables=1000
@test "where the server has too few locks for two, they are loaded one after the other" {
	local name
	make_databases
	for name in $first $second; do
		psql_run "$name" -c "DO \$\$ BEGIN FOR n IN 1..$many_tables LOOP EXECUTE format('CREATE TABLE many_%s (n integer)', n); END LOOP; END \$\$"
	done
	quietly "$WHISPERBACKUP" create --only postgresql
	psql_run $first -c 'TRUNCATE numbers'
	psql_run postgres -c "ALTER SYSTEM SET max_locks_per_transaction = $locks_each" -c 'ALTER SYSTEM SET max_connections = 20'
	docker restart "$(container postgres)" >/dev/null
	wait_until is_healthy postgres
	hold_loads
	start_program restore latest --yes --no-safety-backup --only postgresql
	wait_for loads_that_wait 1 # with all its locks
	sleep 3                    # in which the other one finds that there are no more
	let_loads_go
	ends_with 0
	assert_equal "$(rows $first) $(rows $second)" '1000|500500 1000|500500'
	assert_nothing_of_ours
}
