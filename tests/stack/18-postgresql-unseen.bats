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
