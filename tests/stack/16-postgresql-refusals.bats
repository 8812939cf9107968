#!/usr/bin/env bats
# shellcheck shell=bats disable=SC2016,SC2030,SC2031,SC2154
# PostgreSQL: what stands in the way of a backup or a restore, what the user is told then, and that nothing is lost.
#
# Most of what a restore has to make or to clear away is in one restore, which setup_file does.

load helpers

good=20240901_000000
bad=20240902_000000
disks=/var/lib/postgresql/whisperbackup-test # in the container, and not in a volume
first_in_path=/usr/local/sbin                # of the image, and nothing is in it
far=far_away                                 # a database in a tablespace of its own
news=news                                    # one with a subscription, and an index that ANALYZE cannot read
asks=z_asks                                  # one with a constraint that asks for the database's name
closed=closed_later                          # one that takes no connections, so it is in no backup
user=${POSTGRES_USER:-whisperengine}

setup_file() {
	stack_up
	seed postgresql
	forget_all
	make_folders far_disk later_disk
	psql_run shop -c 'CREATE ROLE far_owner LOGIN' -c "CREATE TABLESPACE far_disk OWNER far_owner LOCATION '$disks/far_disk'"
	psql_run shop -c "CREATE DATABASE $far TEMPLATE template0 OWNER far_owner TABLESPACE far_disk"
	psql_run $far -c 'CREATE TABLE numbers AS SELECT generate_series(1, 1234) AS n'
	psql_run shop -c "CREATE DATABASE $news TEMPLATE template0"
	psql_run $news -c 'CREATE TABLE numbers AS SELECT generate_series(1, 77) AS n' \
		-c "CREATE SUBSCRIPTION weekly CONNECTION 'host=nowhere.invalid' PUBLICATION all_of_it
			WITH (connect = false, slot_name = theirs)" \
		-c "CREATE FUNCTION moody(n integer) RETURNS integer IMMUTABLE LANGUAGE plpgsql AS \$\$ BEGIN
				IF current_query() ~ 'ANALYZE' THEN RAISE 'not today'; END IF; RETURN n; END \$\$" \
		-c 'CREATE INDEX ON numbers (moody(n))'
	quietly "$WHISPERBACKUP" create --only postgresql
	mv "$(backup_path)" "$(backup_path $good)"

	forget_far
	psql_run $news -c 'ALTER SUBSCRIPTION weekly SET (slot_name = mine)' -c 'ALTER SUBSCRIPTION weekly ENABLE' -c 'TRUNCATE numbers'
	psql_run shop -c 'CREATE ROLE late LOGIN' -c "CREATE TABLESPACE later_disk LOCATION '$disks/later_disk'" \
		-c "CREATE DATABASE $closed TEMPLATE template0 OWNER late TABLESPACE later_disk ALLOW_CONNECTIONS false" \
		-c 'DROP DATABASE postgres WITH (FORCE)'
	server_state >"$BATS_FILE_TMPDIR/server-before"
	put_program df 'exit 1'
	keep_output no_folder "$WHISPERBACKUP" restore $good --yes --no-safety-backup
	server_state >"$BATS_FILE_TMPDIR/server-after"
	take_programs
	make_folders far_disk
	keep_output restore "$WHISPERBACKUP" restore $good --yes --no-safety-backup
}

teardown() {
	end_program
	take_programs
	find "$BACKUP_DIR" -mindepth 1 -maxdepth 1 -name 'whisperengine_backup_*' ! -name "*$good" -exec rm -r {} +
	case $BATS_TEST_DESCRIPTION in
	*'no superuser any more'*)
		psql_as rescuer -c 'UPDATE pg_authid SET rolsuper = true WHERE oid = 10' -c "REVOKE pg_read_all_settings FROM $user"
		;;
	*'too few connections'*)
		psql_run shop -c 'ALTER SYSTEM RESET ALL'
		restart
		;;
	*'is recovering'*)
		psql_run shop -c 'SELECT pg_promote()' >/dev/null
		wait_until is_healthy postgres
		;;
	*'drop was interrupted'*) psql_run shop -c "DROP DATABASE $asks" ;;
	*'replication slot'*)
		psql_run shop -c 'SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots' >/dev/null
		wait_until psql_run shop -c "SELECT pg_drop_replication_slot('followers')" 2>/dev/null
		;;
	*'superuser of another name'*) psql_run shop -c 'DROP OWNED BY elder' ;;
	*'another password'*)
		in_container sh -c 'mv "$PGDATA/pg_hba.conf.test" "$PGDATA/pg_hba.conf"'
		docker kill --signal HUP "$(container postgres)" >/dev/null
		wait_until answers true
		;;
	esac
	psql_run shop -c 'ALTER ROLE ALL RESET work_mem'
	forget_ours
	forget_roles '^(rescuer|elder|busy_.*)$'
}

teardown_file() {
	quietly "$WHISPERBACKUP" recover || true
	forget_all
	seed postgresql
	psql_run postgres -c "COMMENT ON DATABASE postgres IS 'default administrative connection database'"
}

in_container() { # COMMAND ARGUMENT..: as root
	docker exec --user 0 "$(container postgres)" "$@"
}

psql_as() { # ROLE ARGUMENT..
	docker exec "$(container postgres)" psql -X -q -A -t -v ON_ERROR_STOP=1 -U "$1" -d shop "${@:2}"
}

answers() { # CONDITION: it is true
	[[ $(psql_run shop -c "SELECT $1") == t ]]
}

restart() {
	docker restart "$(container postgres)" >/dev/null
	wait_until is_healthy postgres
}

make_folders() { # NAME..: for tablespaces
	in_container sh -c 'cd "$0" 2>/dev/null || { mkdir "$0" && cd "$0"; }; mkdir -p "$@" && chown -R postgres "$0"' $disks "$@"
}

put_program() { # NAME SCRIPT: what is started under that name from now on; $real is the real one
	in_container sh -c 'real=$(command -v "$0") && mkdir -p "$1" && printf "#!/bin/sh\nreal=%s\n%s\n" "$real" "$2" >"$1/$0" &&
		chmod 755 "$1/$0"' "$1" $first_in_path "$2"
}

take_programs() { # that were put there
	in_container rm -f $first_in_path/df $first_in_path/pg_dump $first_in_path/pg_dumpall
}

drop_database() { # NAME, which is there
	psql_run shop -c "ALTER DATABASE \"$1\" ALLOW_CONNECTIONS true"
	psql_run "$1" -c "DO \$\$ BEGIN
		IF EXISTS (SELECT FROM pg_subscription JOIN pg_database d ON d.oid = subdbid WHERE datname = current_database()) THEN
			ALTER SUBSCRIPTION weekly DISABLE; ALTER SUBSCRIPTION weekly SET (slot_name = NONE); DROP SUBSCRIPTION weekly;
		END IF; END \$\$"
	psql_run shop -c "DROP DATABASE \"$1\" WITH (FORCE)"
}

drop_databases() { # NAME..: those of them that are there
	local name
	for name in $(psql_run shop -c "SELECT datname FROM pg_database WHERE datname = ANY (string_to_array('$*', ' '))"); do
		drop_database "$name"
	done
}

forget_far() {
	drop_databases $far
	psql_run shop -c 'DROP TABLESPACE IF EXISTS far_disk' -c 'DROP ROLE IF EXISTS far_owner'
	in_container rm -rf $disks/far_disk
}

forget_roles() { # PATTERN
	local role
	for role in $(psql_run shop -c "SELECT rolname FROM pg_roles WHERE rolname ~ '$1'"); do
		psql_run shop -c "DROP ROLE $role"
	done
}

forget_ours() {
	drop_databases wb_maint wb_old_7 wb_new_3 $asks
}

forget_all() {
	forget_ours
	drop_databases $closed $news
	forget_far
	psql_run shop -c 'DROP TABLESPACE IF EXISTS later_disk' -c 'DROP ROLE IF EXISTS late'
	in_container rm -rf $disks
}

server_state() { # what is there, by number
	psql_run shop -c 'SELECT oid, datname, datdba, datallowconn, datconnlimit FROM pg_database ORDER BY 1' \
		-c 'SELECT * FROM pg_authid ORDER BY oid' -c 'SELECT oid, spcname FROM pg_tablespace ORDER BY 1' \
		-c 'SELECT subname, subenabled, subslotname FROM pg_subscription ORDER BY 1' \
		-c 'SELECT roleid, member, grantor, admin_option FROM pg_auth_members ORDER BY 1, 2, 3'
}

# The good backup's dump as one that was made by hand, changed by a script of sed's.
forge() { # SCRIPT
	sed -E "$1" "$(backup_path $good)/postgresql_backup.sql" >"$(legacy_backup $bad)/postgresql_backup.sql"
	! cmp -s "$(backup_path $good)/postgresql_backup.sql" "$(backup_path $bad)/postgresql_backup.sql" || fail "nothing to forge: $1"
}

refused() { # TIMESTAMP PART..: of what is told; nothing has been changed
	local part before
	before=$(server_state)
	program 1 restore "$1" --only postgresql --yes --no-safety-backup
	for part in "${@:2}"; do
		assert_contains "$errors" "$part"
	done
	assert_equal "$(server_state)" "$before"
	assert_nothing_paused
	[[ ! -e $BACKUP_DIR/.restore.json ]] || fail 'the journal is still there'
}

# --- what has to be made and cleared away -----------------------------------------------------------------------------

@test "a tablespace without its folder is told of, and nothing is changed" {
	assert_equal "$(kept no_folder.status)" 1
	assert_contains "$(kept no_folder.err)" "cannot make the tablespace far_disk: psql in container"
	assert_contains "$(kept no_folder.err)" "directory \"$disks/far_disk\" does not exist"
	assert_contains "$(kept no_folder.err)" 'its folder has to be there in the container, empty'
	assert_contains "$(kept no_folder.err)" 'everything is as it was before'
	assert_contains "$(kept no_folder.err)" "the free space of PostgreSQL's disk is not known" # there was no df
	assert_equal "$(kept server-after)" "$(kept server-before)"
}

@test "tablespaces and their owners are made again, with what was in them" {
	assert_equal "$(kept restore.status)" 0 || fail "$(kept restore.err)"
	assert_equal "$(psql_run $far -c 'SELECT count(*), sum(n) FROM numbers')" '1234|761995'
	assert_equal "$(psql_run shop -c "SELECT spcname, spcowner::regrole, pg_tablespace_location(t.oid), datdba::regrole
		FROM pg_database JOIN pg_tablespace t ON t.oid = dattablespace WHERE datname = '$far'")" \
		"far_disk|far_owner|$disks/far_disk|far_owner"
	assert_equal "$(psql_run shop -c "SELECT rolcanlogin FROM pg_roles WHERE rolname = 'far_owner'")" t
}

@test "a database with a subscription is replaced, and the publisher is left alone" {
	assert_equal "$(psql_run $news -c 'SELECT count(*) FROM numbers')" 77
	# Its slot of before, which is not known to the publisher at nowhere.invalid.
	assert_equal "$(psql_run $news -c 'SELECT subname, subenabled, subslotname FROM pg_subscription')" 'weekly|f|theirs'
	assert_no_leftovers
}

@test "a database that cannot be analyzed is restored, and told of" {
	assert_contains "$(kept restore.err)" "the restored database $news has no statistics for the planner: psql in container"
	assert_contains "$(kept restore.err)" 'not today'
}

@test "the database postgres is made again where it was dropped" {
	assert_equal "$(psql_run postgres -c 'SELECT current_database()')" postgres
}

@test "roles and tablespaces that cannot be dropped stay, and are told of" {
	assert_contains "$(kept restore.err)" 'the role late should be gone, but cannot be dropped: psql in container'
	assert_contains "$(kept restore.err)" 'the tablespace later_disk should be gone, but cannot be dropped: psql in container'
	assert_equal "$(psql_run shop -c "SELECT datdba::regrole, datallowconn FROM pg_database WHERE datname = '$closed'")" 'late|f'
	assert_equal "$(psql_run shop -c "SELECT rolcanlogin FROM pg_roles WHERE rolname = 'late'")" f
}

@test "a constraint that asks for the database's name is told of, and all that was made is gone again" {
	psql_run shop -c "CREATE DATABASE $asks TEMPLATE template0"
	psql_run $asks -c "CREATE TABLE here (n integer CHECK (current_database() = '$asks'))" -c 'INSERT INTO here VALUES (1)'
	quietly "$WHISPERBACKUP" create --only postgresql
	forget_far
	make_folders far_disk
	refused latest "cannot load the database $asks" 'violates check constraint "here_check"' \
		'if the constraint asks for current_database(), it cannot hold' 'everything is as it was before'
	assert_equal "$(psql_run $asks -c 'SELECT n FROM here')" 1
	assert_equal "$(in_container ls -A $disks/far_disk)" ''
	assert_no_leftovers
}

# --- refused before anything is touched ---------------------------------------------------------------------------------

@test "a dump of a newer server is refused" {
	forge 's/^(-- Dumped from database version) .*/\1 999.1/'
	refused $bad 'the backup is of PostgreSQL 999.1, but the server is' 'run PostgreSQL 999 or newer in the container'
}

@test "a dump in which our own role is no superuser is refused" {
	forge "s/^(ALTER ROLE $user WITH) SUPERUSER/\1 NOSUPERUSER/"
	refused $bad "in the backup, the role $user that we log in with is no superuser or cannot log in"
	forge "s/^(ALTER ROLE $user WITH .*) LOGIN/\1 NOLOGIN/"
	refused $bad "in the backup, the role $user that we log in with is no superuser or cannot log in"
}

@test "a dump in which our own role has another password is refused where it is asked for" {
	forge "s/^(ALTER ROLE $user WITH .* PASSWORD) '[^']*'/\1 'md5d41d8cd98f00b204e9800998ecf8427e'/"
	in_container sh -c 'cd "$PGDATA" && cp -p pg_hba.conf pg_hba.conf.test && echo "local all all scram-sha-256" >pg_hba.conf'
	psql_run shop -c 'SELECT pg_reload_conf()' >/dev/null
	program 1 restore $bad --yes --no-safety-backup
	assert_contains "$errors" 'the backup holds another password for the role'
	assert_contains "$errors" 'set the password that the role had then, in the server and in POSTGRES_PASSWORD'
}

@test "a role that is no superuser any more is told of" {
	psql_run shop -c 'CREATE ROLE rescuer SUPERUSER LOGIN' -c 'UPDATE pg_authid SET rolsuper = false WHERE oid = 10'
	program 1 create --only postgresql
	assert_contains "$errors" "the role $user is no superuser, so PostgreSQL hides things from it"
	assert_contains "$errors" 'POSTGRES_USER of the container has to name the superuser'
	psql_as rescuer -c "GRANT pg_read_all_settings TO $user"
	program 1 restore $good --yes --no-safety-backup
	assert_contains "$errors" "our role is no superuser, so it cannot restore a server: $user"
	assert_contains "$errors" 'POSTGRES_USER of the container has to name the superuser'
	assert_contains "$errors" 'everything is as it was before'
}

@test "a disk that is too full for old and new data is refused" {
	put_program df 'printf "Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/x 9999999 9797151 202848 98%% /\n"'
	refused $good "PostgreSQL's disk has 198 MiB free; the restore needs about" 'make room on the disk of /var/lib/postgresql/data'
}

@test "a database of which a drop was interrupted is refused, and named" {
	psql_run shop -c "CREATE DATABASE $asks TEMPLATE template0" -c "UPDATE pg_database SET datconnlimit = -2 WHERE datname = '$asks'"
	refused $good "a database is invalid, because dropping it was interrupted: $asks" 'drop it, then restore again'
}

@test "a replication slot that is in use is refused, and named" {
	psql_run shop -c "SELECT pg_create_physical_replication_slot('followers')" >/dev/null
	make_folders wal
	docker exec --detach --user 0 "$(container postgres)" pg_receivewal --no-loop -U "$user" -h 127.0.0.1 -D $disks/wal -S followers
	wait_until answers "EXISTS (SELECT FROM pg_replication_slots WHERE active)"
	refused $good 'a replication slot is in use: followers' 'stop its subscriber, then restore again'
}

@test "databases that were set aside by nobody knows whom are kept, and named" {
	psql_run shop -c 'CREATE DATABASE wb_old_7 TEMPLATE template0'
	psql_run wb_old_7 -c 'CREATE TABLE kept AS SELECT 42 AS n'
	program 0 create --only postgresql
	! grep '^CREATE DATABASE wb_' "$(backup_path)/postgresql_backup.sql" || fail 'it is in the backup'
	program 1 restore $good --yes --no-safety-backup
	assert_contains "$errors" 'the server holds databases wb_old_N that an earlier restore set aside, but not the wb_maint'
	assert_contains "$errors" 'drop them, or rename them to what they were'
	assert_equal "$(psql_run wb_old_7 -c 'SELECT n FROM kept')" 42
	psql_run shop -c "ALTER DATABASE wb_old_7 RENAME TO $asks"
	program 0 recover
	assert_contains "$errors" 'as it was before'
	assert_equal "$(psql_run $asks -c 'SELECT n FROM kept')" 42
	assert_no_leftovers
}

@test "databases of an interrupted restore are left out of a dump by hand, and a superuser of another name is no obstacle" {
	local before memberships='SELECT roleid::regrole, member::regrole, admin_option FROM pg_auth_members ORDER BY 1, 2'
	psql_run shop -c 'CREATE DATABASE wb_maint TEMPLATE template0' -c 'CREATE DATABASE wb_new_3 TEMPLATE template0'
	before=$(psql_run shop -c "$memberships")
	in_container sh -c 'exec pg_dumpall -U "$POSTGRES_USER"' | sed -E "1,/^-- Databases/s/( ROLE| GRANTED BY) $user\b/\1 elder/" \
		>"$(legacy_backup $bad)/postgresql_backup.sql"
	grep -q 'GRANTED BY elder' "$(backup_path $bad)/postgresql_backup.sql"
	forget_ours
	program 0 restore $bad --yes --no-safety-backup
	assert_contains "$errors" 'the database wb_maint of an interrupted restore is in the backup; it is left out'
	assert_contains "$errors" 'the database wb_new_3 of an interrupted restore is in the backup; it is left out'
	assert_equal "$(psql_run shop -c "$memberships")" "$before"
	assert_equal "$(psql_run shop -c 'SELECT rolname FROM pg_roles WHERE rolsuper AND rolcanlogin ORDER BY 1')" $'elder\n'"$user"
	assert_no_leftovers
}

# --- backups --------------------------------------------------------------------------------------------------------------

# Somebody makes a role right behind each look at the roles.
@test "roles that change all the time are in the backup, and that they do is told of, as are settings that are left out" {
	put_program pg_dumpall '"$real" "$@" && psql -X -q -c "CREATE ROLE busy_$$"'
	psql_run shop -c "ALTER ROLE ALL SET work_mem = '5MB'"
	program 0 create --only postgresql
	take_programs
	assert_contains "$errors" 'roles or tablespaces were changed while the backup was made: it holds them as they were a little later'
	assert_contains "$errors" 'settings of ALTER ROLE ALL and of the databases postgres and template1 are not in the backup'
	assert_equal "$(grep -c '^CREATE ROLE busy_' "$(backup_path)/postgresql_backup.sql")" 1
}

@test "a session that is lost behind its dump, before the rows are counted, is a failure, and said" {
	put_program pg_dump '"$real" "$@" && [ "$PGDATABASE" != shop ] || psql -X -q -c "SELECT pg_terminate_backend(pid)
		FROM pg_stat_activity WHERE application_name = '\''whisperbackup'\'' AND datname = '\''shop'\'' AND pid <> pg_backend_pid()" >/dev/null'
	program 1 create --only postgresql
	assert_contains "$errors" 'the session that held the moment of database shop was lost'
	assert_contains "$errors" 'run the backup again'
	assert_nothing_partial
}

@test "a server with too few connections for a backup says what to raise" {
	psql_run shop -c 'ALTER SYSTEM SET max_connections = 4'
	restart
	program 1 create --only postgresql
	assert_contains "$errors" 'sorry, too many clients already'
	assert_contains "$errors" 'a backup needs one connection for each database, and some more: see max_connections of the server'
	assert_nothing_partial
}

@test "a server that is recovering is not well, and takes no restore" {
	docker exec --user postgres "$(container postgres)" sh -c 'touch "$PGDATA/standby.signal"'
	restart
	program 1 health
	assert_contains "$output$errors" 'PostgreSQL is recovering and takes no changes'
	assert_contains "$output$errors" 'wait until it has ended; ./bot.sh logs postgres tells more'
	refused $good 'in a read-only transaction' 'everything is as it was before'
}
