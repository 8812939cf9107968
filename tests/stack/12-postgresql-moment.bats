#!/usr/bin/env bats
# shellcheck shell=bats disable=SC2030,SC2031,SC2154
# PostgreSQL's moment: what is done after it is not in the dump, whatever it is, and nobody is kept waiting for ever.
#
# To get between the moment and a dump there is a gate: a database that is dumped early, with a sequence that someone
# else has changed and not committed. pg_dump waits there; the databases behind it have not been dumped then.

load helpers

gate='A gate'
late=z_late

setup_file() {
	stack_up
	seed postgresql
	make_databases
}

setup() {
	gate_keeper=''
	waiters=()
}

teardown() {
	end_program
	open_gate
	psql_run postgres -c "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'test'" >/dev/null
	wait "${waiters[@]}" 2>/dev/null || true
	make_databases
	rm -rf "$BACKUP_DIR"
}

teardown_file() {
	psql_run postgres -c "DROP DATABASE IF EXISTS \"$gate\" WITH (FORCE)" -c "DROP DATABASE IF EXISTS $late WITH (FORCE)" \
		-c 'DROP DATABASE IF EXISTS z_new WITH (FORCE)' -c 'DROP DATABASE IF EXISTS z_hidden WITH (FORCE)' -c 'DROP ROLE IF EXISTS test_role'
}

make_databases() {
	teardown_file
	psql_run postgres -c "CREATE DATABASE \"$gate\" TEMPLATE template0" -c "CREATE DATABASE $late TEMPLATE template0"
	psql_run "$gate" -c 'CREATE SEQUENCE held' -c 'CREATE TABLE before_gate AS SELECT generate_series(1, 11) AS n'
	psql_run $late -c 'CREATE TABLE truncated AS SELECT generate_series(1, 1234) AS n' \
		-c 'CREATE TABLE dropped AS SELECT generate_series(1, 777) AS n' \
		-c 'CREATE TABLE rewritten AS SELECT generate_series(1, 55) AS n' \
		-c 'CREATE TABLE grows AS SELECT generate_series(1, 10) AS n' \
		-c 'CREATE TABLE "Ünïcödé ""quoted"".x" AS SELECT 1 AS n' \
		-c 'CREATE TABLE parted (n integer) PARTITION BY LIST (n)' \
		-c 'CREATE TABLE part_1 PARTITION OF parted FOR VALUES IN (1)' -c 'INSERT INTO parted VALUES (1), (1)' \
		-c 'CREATE MATERIALIZED VIEW seen AS SELECT count(*) FROM grows' -c "CREATE TYPE mood AS ENUM ('sad', 'glad')" \
		-c "CREATE TABLE felt AS SELECT 'sad'::mood AS how" -c 'CREATE VIEW shown AS SELECT n FROM grows' \
		-c "CREATE FUNCTION twice(n integer) RETURNS integer LANGUAGE sql AS 'SELECT 2 * n'" \
		-c 'CREATE TYPE pair AS (a integer, b integer)' -c 'CREATE TABLE pairs AS SELECT ROW(1, 2)::pair AS p' \
		-c 'CREATE SEQUENCE up' -c "SELECT setval('up', 1000)" -c 'CREATE SEQUENCE down INCREMENT -1 START -500' \
		-c 'CREATE SEQUENCE round MAXVALUE 5 CYCLE' -c "SELECT setval('round', 5)" -c 'CREATE SCHEMA other' \
		-c 'CREATE SEQUENCE other.unused START 77' -c 'CREATE SEQUENCE dropped_later'
}

in_background() { # DATABASE STATEMENT..: in a session called "test"
	# shellcheck disable=SC2016 # for the shell in the container
	docker exec -e "WANTED=$1" -e PGAPPNAME=test "$(container postgres)" sh -c \
		'exec psql -X -q -v ON_ERROR_STOP=1 -U "$POSTGRES_USER" -d "$WANTED" "$@"' sh "${@:2}" >/dev/null 2>&1 3>&- &
	waiters+=($!)
}

answers() { # DATABASE CONDITION: it is true
	[[ $(psql_run "$1" -c "SELECT $2") == t ]]
}

waits_for_table() { # TABLE: somebody does
	answers $late "EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = '$1'::regclass)"
}

close_gate() {
	in_background "$gate" -c 'BEGIN; ALTER SEQUENCE held RENAME TO held_by_test; SELECT pg_sleep(3600)'
	gate_keeper=${waiters[-1]}
	wait_until answers "$gate" "EXISTS (SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep')"
}

gate_is_reached() {
	answers postgres "EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'whisperbackup'
		AND datname = '$gate' AND wait_event_type = 'Lock' AND query !~ '^DO')" # which waits for a moment only
}

wait_at_gate() {
	wait_until reached gate_is_reached
	it_runs || fail "it has ended already:" "$(cat "$BATS_TEST_TMPDIR/err")"
}

open_gate() {
	if [[ -n $gate_keeper ]]; then
		psql_run postgres -c "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'" >/dev/null
	fi
}

rows_in_dump() { # TABLE: of the database behind the gate; nothing if it is not there
	awk -v table="$1" '/^\\connect / { here = $2 == "'$late'" }
		here && index($0, "COPY public." table " ") == 1 { copying = 1; n = 0; next }
		copying && $0 == "\\." { print n; exit }
		copying { n++ }' "$(backup_path)/postgresql_backup.sql"
}

without_keys() { # FILE: the keys of \restrict are random
	sed -E 's/^(\\(un)?restrict) .*/\1/' "$1"
}

# A server takes a moment to see that somebody has gone.
assert_no_sessions() {
	wait_until answers postgres "NOT EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'whisperbackup')"
	wait_until nothing_is_executed_in postgres
}

counts() {
	jq -c '.stores[] | select(.name == "postgresql") | .fingerprint.rows' "$(backup_path)/manifest.json"
}

# --- what is in it ----------------------------------------------------------------------------------------------------

@test "on a quiet server the dump is what pg_dumpall writes, byte for byte" {
	program 0 create --only postgresql
	# shellcheck disable=SC2016 # for the shell in the container
	docker exec "$(container postgres)" sh -c 'exec pg_dumpall -w -U "$POSTGRES_USER"' >"$BATS_TEST_TMPDIR/all.sql"
	cmp <(without_keys "$BATS_TEST_TMPDIR/all.sql") <(without_keys "$(backup_path)/postgresql_backup.sql")
	assert_json "$(cat "$(backup_path)/manifest.json")" '.stores[0] | [.method, .fingerprint_exact]' \
		'["pg_dump of exported snapshots",true]'
	assert_no_sessions
}

@test "the counts are those of the tables" {
	program 0 create --only postgresql
	assert_json "$(counts)" '[.["z_late.public.truncated"], .["z_late.public.part_1"], .["z_late.public.parted"],
		.["z_late.public.Ünïcödé \"quoted\".x"], .["A gate.public.before_gate"], .["z_late.public.seen"]]' \
		'[1234,2,null,1,11,null]'
	local name
	for name in shop sample_latin1 'My "odd" D'"'"'b' template1 postgres; do
		psql_run "$name" -c "SELECT format('SELECT %L, count(*) FROM ONLY %I.%I', n.nspname || '.' || c.relname, n.nspname,
			c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE relkind = 'r'
			AND nspname <> 'information_schema' AND nspname NOT LIKE 'pg\\_%' AND c.relname ~ '^[ -~]*\$'" |
			while read -r query; do
				psql_run "$name" -F $'\t' -c "$query"
			done | while IFS=$'\t' read -r table number; do
			assert_equal "$table $(jq --arg name "$name.$table" '.[$name]' <<<"$(counts)")" "$table $number" || exit 1
		done
	done
}

@test "what is done after the moment is not in the backup, and waits for nothing but its own database's dump" {
	save_state moment postgresql
	close_gate
	start_program create --only postgresql
	wait_at_gate
	in_background $late -c 'TRUNCATE truncated'
	in_background $late -c 'DROP TABLE dropped'
	in_background $late -c 'ALTER TABLE rewritten ALTER n TYPE text'
	for table in truncated dropped rewritten; do
		wait_until waits_for_table "$table"
	done
	psql_run $late -c 'INSERT INTO grows SELECT generate_series(1, 5000)' -c 'CREATE TABLE newer AS SELECT 1' \
		-c 'DELETE FROM parted'
	psql_run postgres -c 'CREATE DATABASE z_new TEMPLATE template0' -c 'CREATE ROLE test_role'
	open_gate
	ends_with 0
	wait_until answers $late 'NOT EXISTS (SELECT FROM truncated)' # they can go on now
	wait_until answers $late "to_regclass('dropped') IS NULL"
	assert_equal "$(rows_in_dump truncated) $(rows_in_dump dropped) $(rows_in_dump rewritten) $(rows_in_dump grows)" '1234 777 55 10'
	assert_equal "$(rows_in_dump part_1) $(rows_in_dump newer)" '2 '
	assert_json "$(counts)" '[.["z_late.public.truncated"], .["z_late.public.dropped"], .["z_late.public.grows"],
		.["z_late.public.newer"]]' '[1234,777,10,null]'
	! grep -E '^(CREATE DATABASE z_new|CREATE ROLE test_role)' "$(backup_path)/postgresql_backup.sql" || fail 'a later thing is in it'
	assert_no_sessions

	quietly "$WHISPERBACKUP" restore latest --yes --no-safety-backup --only postgresql
	save_state after postgresql
	assert_same_state moment after postgresql
}

# --- what the snapshot does not hold ------------------------------------------------------------------------------------

refused_for_change() { # WHAT STATEMENT..: done between the moment and the dump of that database
	close_gate
	start_program create --only postgresql
	wait_at_gate
	psql_run $late "${@:2}"
	open_gate
	ends_with 1
	assert_contains "$errors" "database $late: the schema was changed while it was being saved: $1"
	assert_contains "$errors" 'hint: what was saved might not load; run the backup again when nothing changes the schema'
	assert_nothing_partial
	assert_no_sessions
}

@test "a value of a type that is renamed after the moment is a failure: rows have the other name" {
	refused_for_change 'value of type public.mood' -c "ALTER TYPE mood RENAME VALUE 'sad' TO 'blue'"
}

@test "a composite type that gets longer after the moment is a failure: rows are longer" {
	refused_for_change 'column of public.pair' -c 'ALTER TYPE pair DROP ATTRIBUTE b' -c 'ALTER TYPE pair ADD ATTRIBUTE c integer'
}

@test "a function that is changed after the moment is a failure" {
	refused_for_change 'function public.twice' -c "CREATE OR REPLACE FUNCTION twice(n integer) RETURNS integer LANGUAGE sql AS 'SELECT n + n'"
}

@test "a view that is changed after the moment is a failure" {
	refused_for_change 'rule of public.shown' -c 'CREATE OR REPLACE VIEW shown AS SELECT n FROM grows WHERE n > 1'
}

@test "a type in another schema after the moment is a failure" {
	refused_for_change 'type public.mood' -c 'ALTER TYPE mood SET SCHEMA other'
}

@test "limits of a sequence that are changed after the moment are a failure" {
	refused_for_change 'sequence public.up' -c 'ALTER SEQUENCE up MAXVALUE 100000'
}

@test "what is new, temporary, written, the same again, given up, or a matter of rights is no change of the schema" {
	close_gate
	start_program create --only postgresql
	wait_at_gate
	in_background $late -c 'CREATE TEMP TABLE passing AS SELECT 1 AS n' -c 'ALTER TABLE passing RENAME TO other_name' -c 'DROP TABLE other_name'
	psql_run $late -c "CREATE TABLE newer (how mood)" -c "ALTER TYPE mood ADD VALUE 'calm'" -c "INSERT INTO newer VALUES ('calm')" \
		-c 'CREATE VIEW also_new AS SELECT 1 AS one' -c 'DROP VIEW also_new' -c 'CREATE INDEX ON grows (n)' \
		-c 'INSERT INTO grows SELECT generate_series(1, 5000)' -c 'VACUUM ANALYZE' -c 'REFRESH MATERIALIZED VIEW seen' \
		-c "CREATE OR REPLACE FUNCTION twice(n integer) RETURNS integer LANGUAGE sql AS 'SELECT 2 * n'" \
		-c 'CREATE OR REPLACE VIEW shown AS SELECT n FROM grows' -c 'GRANT SELECT ON shown, grows TO PUBLIC' \
		-c 'GRANT USAGE ON TYPE mood TO PUBLIC' -c 'REVOKE EXECUTE ON FUNCTION twice FROM PUBLIC' \
		-c "BEGIN" -c "ALTER TYPE mood RENAME VALUE 'sad' TO 'blue'" -c 'ROLLBACK'
	open_gate
	ends_with 0
	[[ $errors != *'set back'* ]] || fail "$errors"
	quietly "$WHISPERBACKUP" restore latest --yes --no-safety-backup --only postgresql
}

@test "what somebody changes who has waited for the dump to end is no change under it" {
	close_gate
	start_program create --only postgresql
	wait_at_gate
	psql_run $late -c 'GRANT SELECT ON grows TO PUBLIC'
	in_background $late -c BEGIN -c "CREATE OR REPLACE FUNCTION twice(n integer) RETURNS integer LANGUAGE sql AS 'SELECT n + n'" \
		-c 'ALTER TYPE mood RENAME VALUE '"'sad' TO 'blue'" -c 'ALTER TABLE grows ADD COLUMN later integer' -c 'COMMIT'
	wait_until waits_for_table grows
	open_gate
	ends_with 0
	wait_until answers $late "EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'grows'::regclass AND attname = 'later')"
	assert_no_sessions
	quietly "$WHISPERBACKUP" restore latest --yes --no-safety-backup --only postgresql
	answers $late "'sad'::mood IS NOT NULL" || fail 'it was changed'
}

@test "a sequence that is set back after the moment is told of, whichever way it runs" {
	psql_run $late -c "SELECT setval('down', -800)"
	close_gate
	start_program create --only postgresql
	wait_at_gate
	psql_run $late -c "SELECT setval('up', 1)" -c 'ALTER SEQUENCE down RESTART'
	open_gate
	ends_with 0
	assert_contains "$errors" "the sequence public.up of database $late was set back while the backup was made, from 1001 to 2,"
	assert_contains "$errors" "the sequence public.down of database $late was set back while the backup was made, from -801 to -500,"
	assert_no_sessions
}

holds_no_sequence() {
	answers $late "NOT EXISTS (SELECT FROM pg_locks l JOIN pg_stat_activity a USING (pid) JOIN pg_class c ON c.oid = l.relation
		WHERE application_name = 'whisperbackup' AND relkind = 'S')"
}

@test "sequences that run on, cycle or are new after the moment are not told of, and nobody has to wait for them" {
	close_gate
	start_program create --only postgresql
	wait_at_gate
	holds_no_sequence || fail 'it holds some'
	psql_run $late -c "SELECT nextval('up'), nextval('down'), nextval('round'), nextval('other.unused')" \
		-c "SELECT setval('up', 5000), nextval('down')" -c 'CREATE SEQUENCE newer' -c "SELECT setval('newer', 5)"
	open_gate
	ends_with 0
	[[ $errors != *'set back'* ]] || fail "$errors"
	assert_no_sessions
}

# --- another try ------------------------------------------------------------------------------------------------------

@test "a table that is locked, and databases that come and go, make another try" {
	# One that is not looked at until it takes connections: there are only so many tries, and to make one takes long.
	psql_run postgres -c 'CREATE DATABASE z_hidden TEMPLATE template0'
	psql_run z_hidden -c 'CREATE TABLE here AS SELECT 1'
	psql_run postgres -c 'ALTER DATABASE z_hidden ALLOW_CONNECTIONS false'
	in_background $late -c 'BEGIN; LOCK TABLE grows IN ACCESS EXCLUSIVE MODE; INSERT INTO grows VALUES (11); SELECT pg_sleep(3600)'
	wait_until answers postgres "EXISTS (SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep')"
	start_program create --only postgresql
	wait_until reached waits_for_table grows
	psql_run postgres -c "DROP DATABASE \"$gate\" WITH (FORCE)" -c 'ALTER DATABASE z_hidden RENAME TO z_new' \
		-c 'ALTER DATABASE z_new ALLOW_CONNECTIONS true' -c 'CREATE ROLE test_role'
	wait_until reached answers postgres "EXISTS (SELECT FROM pg_stat_activity WHERE datname = 'z_new' AND application_name = 'whisperbackup')"
	psql_run postgres -c "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'" >/dev/null
	ends_with 0
	assert_json "$(cat "$(backup_path)/manifest.json")" '.window_tries > 1' true
	assert_json "$(counts)" '[.["z_late.public.grows"], .["z_new.public.here"], .["A gate.public.before_gate"]]' '[10,1,null]'
	grep -qx 'CREATE ROLE test_role;' "$(backup_path)/postgresql_backup.sql"
	assert_no_sessions
}

@test "a table that stays locked is named" {
	in_background $late -c 'BEGIN; LOCK TABLE grows IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(3600)'
	wait_until answers postgres "EXISTS (SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep')"
	program 1 create --only postgresql
	assert_contains "$errors" "database $late: table public.grows is locked by process "
	assert_contains "$errors" '(test)'
	assert_nothing_paused
	assert_nothing_partial
	assert_no_sessions
}

@test "someone who waits for a table behind a long query makes no dump fail that does not need to" {
	in_background $late -c 'BEGIN; SELECT count(*) FROM grows; SELECT pg_sleep(3600)'
	wait_until answers postgres "EXISTS (SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep')"
	in_background $late -c 'TRUNCATE grows'
	wait_until waits_for_table grows
	program 1 create --only postgresql
	assert_contains "$errors" "table public.grows is waited for by process "
	assert_no_sessions
}

# --- failures ---------------------------------------------------------------------------------------------------------

@test "a session that is lost after the moment is a failure, and said" {
	close_gate
	start_program create --only postgresql
	wait_at_gate
	psql_run postgres -c "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
		WHERE application_name = 'whisperbackup' AND datname = '$late'" >/dev/null
	open_gate
	ends_with 1
	assert_contains "$errors" "the session that held the moment of database $late was lost"
	assert_nothing_partial
	assert_no_sessions
}

# As engines do that drop what a program has still to say when nobody has taken it 2 seconds after the program's end.
@test "a dump whose end does not come is a failure, although pg_dump ended well" {
	# shellcheck disable=SC2016 # for the shell in the container
	docker exec --user 0 "$(container postgres)" sh -c 'real=$(command -v pg_dump) && [ ! -e /usr/local/bin/pg_dump ] &&
		printf "#!/bin/sh\n%s \"\$@\" | head -c -100\n" "$real" >/usr/local/bin/pg_dump && chmod 755 /usr/local/bin/pg_dump'
	program 1 create --only postgresql
	docker exec --user 0 "$(container postgres)" rm /usr/local/bin/pg_dump
	assert_contains "$errors" 'the end of its dump did not come through the engine'
	assert_nothing_partial
	assert_no_sessions
}

@test "an interrupt between moment and dump leaves no session" {
	close_gate
	start_program create --only postgresql
	wait_at_gate
	kill -INT "$running"
	ends_with 130
	assert_nothing_partial
	assert_no_sessions
}

holds_no_table() {
	answers $late "NOT EXISTS (SELECT FROM pg_locks l JOIN pg_stat_activity a USING (pid)
		WHERE application_name = 'whisperbackup' AND relation = 'grows'::regclass)"
}

@test "killed between moment and dump, it holds no table any more" {
	close_gate
	start_program create --only postgresql
	wait_at_gate
	! holds_no_table || fail 'it held none'
	kill -KILL "$running"
	wait_until holds_no_table
	open_gate
	assert_no_sessions
}

@test "a database that takes no connections is told of and left out" {
	psql_run postgres -c "ALTER DATABASE $late ALLOW_CONNECTIONS false"
	program 0 create --only postgresql
	psql_run postgres -c "ALTER DATABASE $late ALLOW_CONNECTIONS true"
	assert_contains "$errors" "the database $late takes no connections: it is not in the backup"
	assert_json "$(counts)" '[.["z_late.public.grows"], .["A gate.public.before_gate"]]' '[null,11]'
}

@test "limits in time that the server sets do not end the session that holds the moment" {
	psql_run postgres -c "ALTER DATABASE $late SET idle_in_transaction_session_timeout = '50ms'" \
		-c "ALTER DATABASE $late SET idle_session_timeout = '50ms'" -c "ALTER DATABASE $late SET statement_timeout = '50ms'"
	! answers postgres "current_setting('server_version_num')::integer >= 170000" ||
		psql_run postgres -c "ALTER DATABASE $late SET transaction_timeout = '60ms'"
	close_gate
	start_program create --only postgresql
	wait_at_gate
	sleep 0.3
	open_gate
	ends_with 0
	assert_equal "$(rows_in_dump truncated)" 1234
}
