#!/usr/bin/env bats
# shellcheck shell=bats disable=SC2016,SC2030,SC2031,SC2154
# PostgreSQL: what no dump tells, or tells in a way that a restore beside the live data can get wrong without a word.

load helpers

bad=20240902_000000
objects=objects                              # a database with large objects
held=z_held                                  # one that is loaded last, and no further than we want
hold=/tmp/whisperbackup-test-hold            # in the container: while it is there, loading goes no further

setup_file() {
	stack_up
	forget_all
}

setup() {
	psql_run postgres -c 'SET client_min_messages = error' \
		-c 'GRANT pg_read_all_settings, pg_read_all_stats, pg_stat_scan_tables TO pg_monitor'
}

teardown() {
	end_program
	let_loads_go
	psql_run postgres -c "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'" >/dev/null
	quietly "$WHISPERBACKUP" recover || true
	forget_all
	rm -rf "$BACKUP_DIR"
}

forget_all() {
	psql_run postgres -c 'SET client_min_messages = error' -c "DROP DATABASE IF EXISTS $objects WITH (FORCE)" \
		-c "DROP DATABASE IF EXISTS $held WITH (FORCE)" -c 'DROP TABLE IF EXISTS here' -c 'DROP ROLE IF EXISTS boss' -c 'REVOKE CREATE ON DATABASE postgres FROM PUBLIC' \
		-c "COMMENT ON DATABASE postgres IS 'default administrative connection database'" \
		-c "COMMENT ON DATABASE template1 IS 'default template for new databases'"
}

answers() { # CONDITION: it is true
	[[ $(psql_run postgres -c "SELECT $1") == t ]]
}

loading_waits() {
	answers "EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'whisperbackup'
		AND datname ~ '^wb_new_' AND wait_event = 'PgSleep')"
}

wait_for_loading() {
	wait_until reached loading_waits
	it_runs || fail "it has ended already:" "$(cat "$BATS_TEST_TMPDIR/err")"
}

let_loads_go() {
	docker exec --user 0 "$(container postgres)" rm -f $hold
}

make_held_database() {
	psql_run postgres -c "CREATE DATABASE $held TEMPLATE template0"
	psql_run $held -c "CREATE FUNCTION held() RETURNS boolean LANGUAGE plpgsql AS \$\$ BEGIN
			WHILE (pg_catalog.pg_stat_file('$hold', true)).size IS NOT NULL LOOP PERFORM pg_catalog.pg_sleep(0.05); END LOOP;
			RETURN true;
		END \$\$" -c 'CREATE TABLE numbers (n integer CHECK (held()))' -c 'INSERT INTO numbers VALUES (1)'
}

# The newest backup's dump as one that was made by hand, with this statement at the end of a database.
forge_end() { # DATABASE STATEMENT
	sed -E "/^CREATE DATABASE $1 /,/^-- PostgreSQL database dump complete/s/^(-- PostgreSQL database dump complete)/$2\n\n\1/" \
		"$(backup_path)/postgresql_backup.sql" >"$BATS_TEST_TMPDIR/forged"
	cp "$BATS_TEST_TMPDIR/forged" "$(legacy_backup $bad)/postgresql_backup.sql"
	grep -qxF "$2" "$(backup_path $bad)/postgresql_backup.sql"
}

# --- memberships --------------------------------------------------------------------------------------------------------

own_memberships() { # of the server's own roles in one another
	psql_run postgres -c "SELECT roleid::regrole, member::regrole, grantor::regrole, admin_option FROM pg_auth_members
		WHERE roleid::regrole::text ~ '^pg_' AND member::regrole::text ~ '^pg_' ORDER BY 1, 2"
}

@test "the server's own roles are members of one another as before, after a restore" {
	local before
	before=$(own_memberships)
	assert_equal "$(wc -l <<<"$before")" 3
	quietly "$WHISPERBACKUP" create --only postgresql
	program 0 restore latest --yes --no-safety-backup --only postgresql
	assert_equal "$(own_memberships)" "$before"
}

@test "the server's own roles are members of one another as before, after a restore that is rolled back" {
	local before
	before=$(own_memberships)
	assert_equal "$(wc -l <<<"$before")" 3
	psql_run postgres -c 'CREATE TABLE here AS SELECT 1 AS n'
	quietly "$WHISPERBACKUP" create --only postgresql
	jq '(.stores[] | select(.name == "postgresql").fingerprint.rows["postgres.public.here"]) += 1' \
		"$(backup_path)/manifest.json" >"$BATS_TEST_TMPDIR/manifest"
	cp "$BATS_TEST_TMPDIR/manifest" "$(backup_path)/manifest.json"
	folder=$(backup_path) forget_sum_of_manifest
	program 1 restore latest --yes --no-safety-backup --only postgresql
	assert_contains "$errors" 'it does not hold what the backup holds'
	assert_contains "$errors" 'everything is as it was before'
	assert_equal "$(own_memberships)" "$before"
}

# --- superusers and large objects -----------------------------------------------------------------------------------------

make_large_objects() {
	psql_run postgres -c "CREATE DATABASE $objects TEMPLATE template0" -c 'CREATE ROLE boss SUPERUSER LOGIN'
	psql_run $objects -c "SELECT lo_from_bytea(900001, '\\x0102')" -c "SELECT lo_from_bytea(900002, '\\x03')" \
		-c 'ALTER LARGE OBJECT 900002 OWNER TO boss' >/dev/null
	quietly "$WHISPERBACKUP" create --only postgresql
	psql_run $objects -c 'SELECT lo_unlink(900001)' >/dev/null
	psql_run postgres -c 'ALTER ROLE boss NOSUPERUSER'
}

boss_is_superuser() {
	psql_run postgres -c "SELECT rolsuper FROM pg_roles WHERE rolname = 'boss'"
}

@test "large objects and their owners come back" {
	make_large_objects
	program 0 restore latest --yes --no-safety-backup --only postgresql
	assert_equal "$(psql_run $objects -c 'SELECT oid, lomowner::regrole = '\''boss'\''::regrole, lo_get(oid)
		FROM pg_largeobject_metadata ORDER BY 1')" $'900001|f|\\x0102\n900002|t|\\x03'
	assert_equal "$(boss_is_superuser)" t
}

@test "no role is a superuser while large objects are loaded, nor after the program was killed there" {
	make_large_objects
	forge_end $objects 'SELECT pg_catalog.pg_sleep(3600);'
	start_program restore $bad --yes --no-safety-backup --only postgresql
	wait_for_loading
	assert_equal "$(boss_is_superuser)" f
	kill -KILL "$running"
	program 0 recover
	assert_equal "$(boss_is_superuser)" f
	assert_equal "$(psql_run $objects -c 'SELECT oid FROM pg_largeobject_metadata')" 900002
}

@test "no role is a superuser after an error behind large objects" {
	make_large_objects
	forge_end $objects 'SELECT no_such_thing;'
	program 1 restore $bad --yes --no-safety-backup --only postgresql
	assert_contains "$errors" 'everything is as it was before'
	assert_equal "$(boss_is_superuser)" f
}

# A dump that was changed by hand may end the transaction in which it is loaded.
@test "a role that was left a superuser by a load is none any more when the restore is undone" {
	make_large_objects
	forge_end $objects 'COMMIT WORK; SELECT no_such_thing;'
	program 1 restore $bad --yes --no-safety-backup --only postgresql
	assert_contains "$errors" 'everything is as it was before'
	assert_equal "$(boss_is_superuser)" f
}

# --- the two databases that every server has ------------------------------------------------------------------------------

@test "what is written into the database postgres while others are loaded does not survive the restore" {
	psql_run postgres -c 'CREATE TABLE here AS SELECT 1 AS n'
	make_held_database
	quietly "$WHISPERBACKUP" create --only postgresql
	docker exec "$(container postgres)" touch $hold
	start_program restore latest --yes --no-safety-backup --only postgresql
	wait_for_loading
	sleep 2 # in which postgres is done
	psql_run postgres -c 'UPDATE here SET n = 2'
	let_loads_go
	ends_with 0
	assert_equal "$(psql_run postgres -c 'SELECT n FROM here')" 1
}

@test "rights, owners and comments of the databases postgres and template1 that are in no dump are told of" {
	program 0 create --only postgresql
	refute_contains "$errors" 'are not in the backup'
	psql_run postgres -c 'GRANT CREATE ON DATABASE postgres TO PUBLIC'
	program 0 create --only postgresql
	assert_contains "$errors" 'owner, rights or comment of the database postgres are not the usual ones, and not in the backup'
	psql_run postgres -c 'REVOKE CREATE ON DATABASE postgres FROM PUBLIC' -c "COMMENT ON DATABASE template1 IS 'ours'"
	program 0 create --only postgresql
	assert_contains "$errors" 'owner, rights or comment of the database template1 are not the usual ones, and not in the backup'
	refute_contains "$errors" 'of the database postgres'
}

# --- the database's name --------------------------------------------------------------------------------------------------

@test "materialized views that ask for the database's name hold the restored database's" {
	psql_run postgres -c "CREATE DATABASE $objects TEMPLATE template0"
	psql_run $objects -c 'CREATE VIEW between AS SELECT current_catalog AS name' \
		-c 'CREATE MATERIALIZED VIEW "By ""name" AS SELECT name FROM between' \
		-c 'CREATE MATERIALIZED VIEW above AS SELECT name FROM "By ""name"' \
		-c 'CREATE MATERIALIZED VIEW tables AS SELECT DISTINCT table_catalog::text AS name FROM information_schema.tables' \
		-c "CREATE FUNCTION mine() RETURNS text LANGUAGE plpgsql AS 'BEGIN RETURN current_database(); END'" \
		-c 'CREATE MATERIALIZED VIEW called AS SELECT mine() AS name' \
		-c 'CREATE MATERIALIZED VIEW unfilled AS SELECT current_database() AS name WITH NO DATA' \
		-c "ALTER DATABASE $objects SET default_transaction_read_only = on"
	quietly "$WHISPERBACKUP" create --only postgresql
	program 0 restore latest --yes --no-safety-backup --only postgresql
	assert_equal "$(psql_run $objects -c 'SELECT DISTINCT name FROM (SELECT name FROM "By ""name" UNION SELECT name FROM above
		UNION SELECT name FROM tables UNION SELECT name FROM called) AS all_of_them')" $objects
	assert_equal "$(psql_run $objects -c "SELECT relispopulated FROM pg_class WHERE relname = 'unfilled'")" f
}
