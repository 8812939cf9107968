#!/usr/bin/env bats
# shellcheck shell=bats disable=SC2030,SC2031,SC2034,SC2154
# Tables that belong to an extension of PostgreSQL: CREATE EXTENSION makes them again, a dump holds none or some of their
# rows. They are not counted, and who has put rows there that no dump holds is told.

load helpers

name=extended # the database

setup_file() {
	stack_up
}

setup() {
	forget_all
	make_script 1.0 'CREATE TABLE static AS SELECT generate_series(1, 3) AS n' 'CREATE TABLE log (n integer)' \
		'CREATE TABLE config (n integer)' "SELECT pg_catalog.pg_extension_config_dump('config', '')" \
		'CREATE TABLE partly AS SELECT n, false AS mine FROM generate_series(1, 5) AS n' \
		"SELECT pg_catalog.pg_extension_config_dump('partly', 'WHERE mine')"
	make_script 1.0--1.1 'INSERT INTO static VALUES (4)' 'ALTER TABLE log ADD t text'
	psql_run postgres -c "CREATE DATABASE $name TEMPLATE template0"
	psql_run $name -c 'CREATE EXTENSION wb_test' -c 'CREATE TABLE own AS SELECT generate_series(1, 11) AS n'
}

teardown() {
	forget_all
	rm -rf "$BACKUP_DIR"
}

in_extensions() { # SCRIPT ARGUMENT..: in the folder of the server's extensions
	docker exec --interactive --user 0 "$(container postgres)" sh -c 'cd "$0/extension" && eval "$1"' \
		"$(psql_run postgres -c "SELECT setting FROM pg_config WHERE name = 'SHAREDIR'")" "$@"
}

forget_all() {
	psql_run postgres -c "DROP DATABASE IF EXISTS $name WITH (FORCE)"
	in_extensions 'rm -f wb_test*' </dev/null
}

make_script() { # VERSION(S) STATEMENT..
	# shellcheck disable=SC2016 # for the shell in the container
	printf '%s;\n' "${@:2}" | in_extensions 'cat >"wb_test--$2.sql" && echo "default_version = 1.0" >wb_test.control' "$1"
}

counts() {
	jq -c '.stores[] | select(.name == "postgresql") | .fingerprint.rows' "$(backup_path)/manifest.json"
}

count() { # TABLE
	psql_run $name -c "SELECT count(*) FROM $1"
}

fill_all() {
	psql_run $name -c 'INSERT INTO log SELECT generate_series(1, 7)' -c 'INSERT INTO config SELECT generate_series(1, 4)' \
		-c 'INSERT INTO partly VALUES (6, true), (7, true), (8, false)'
}

@test "tables of an extension are not counted" {
	fill_all
	program 0 create --only postgresql
	assert_json "$(counts)" '[.["extended.public.own"], .["extended.public.static"], .["extended.public.log"],
		.["extended.public.config"], .["extended.public.partly"]]' '[11,null,null,null,null]'
}

@test "rows that come with an extension, or are in the dump, are not told of" {
	psql_run $name -c 'INSERT INTO config VALUES (1)' -c 'INSERT INTO partly VALUES (6, true)' \
		-c "ALTER EXTENSION wb_test UPDATE TO '1.1'" -c 'VACUUM FREEZE' -c 'VACUUM (FULL, FREEZE) static'
	program 0 create --only postgresql
	[[ $errors != *wb_test* ]] || fail "$errors"
}

@test "rows that are in no dump are told of, with table and extension" {
	fill_all
	psql_run $name -c 'UPDATE static SET n = 10 WHERE n = 1'
	program 0 create --only postgresql
	local rest='not in the backup: the table belongs to the extension wb_test, which lets pg_dump leave them out'
	assert_contains "$errors" "7 rows of the table public.log of database $name are $rest"
	assert_contains "$errors" "1 row of the table public.partly of database $name is $rest"
	assert_contains "$errors" "1 row of the table public.static of database $name is $rest"
	[[ $errors != *public.config* ]] || fail "$errors"
}

@test "a database whose extension had other rows is restored, and the next backup tells of none that came with it" {
	fill_all
	program 0 create --only postgresql
	make_script 1.0 'CREATE TABLE static AS SELECT generate_series(1, 9) AS n' 'CREATE TABLE log (n integer)' \
		'CREATE TABLE config (n integer)' "SELECT pg_catalog.pg_extension_config_dump('config', '')" \
		'CREATE TABLE partly AS SELECT n, false AS mine FROM generate_series(1, 4) AS n' \
		"SELECT pg_catalog.pg_extension_config_dump('partly', 'WHERE mine')"
	program 0 restore latest --yes --no-safety-backup --only postgresql
	assert_equal "$(count own) $(count static) $(count log) $(count config) $(count partly)" '11 9 0 4 6'
	program 0 create --only postgresql
	[[ $errors != *wb_test* ]] || fail "$errors"
}

@test "a backup whose manifest has counted an extension's tables is restored" {
	program 0 create --only postgresql
	folder=$(backup_path)
	artefact=postgresql_backup.sql
	jq '(.stores[] | select(.name == "postgresql").fingerprint.rows) += {"extended.public.log": 7, "extended.public.static": 12}' \
		"$folder/manifest.json" >"$BATS_TEST_TMPDIR/forged"
	cp "$BATS_TEST_TMPDIR/forged" "$folder/manifest.json"
	note_sums
	program 0 restore latest --yes --no-safety-backup --only postgresql
	assert_equal "$(count log) $(count own)" '0 11'
}

@test "a restore that lacks rows of a table of the user's own fails as ever" {
	program 0 create --only postgresql
	folder=$(backup_path)
	artefact=postgresql_backup.sql
	jq '(.stores[] | select(.name == "postgresql").fingerprint.rows) += {"extended.public.own": 12}' \
		"$folder/manifest.json" >"$BATS_TEST_TMPDIR/forged"
	cp "$BATS_TEST_TMPDIR/forged" "$folder/manifest.json"
	note_sums
	program 1 restore latest --yes --no-safety-backup --only postgresql
	assert_contains "$errors" 'rows of extended.public.own: 12 in the backup, 11 now'
}
