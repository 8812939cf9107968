#!/usr/bin/env bats
# shellcheck shell=bats disable=SC2030,SC2031,SC2154
# A restore that fails, or is killed, at each of its steps: the stores end as before or as the backup, all of them alike,
# and never between. The program counts its steps (src/base/test_switch.h).
#
# There are two backups, of two states. Each try goes from the one to the other, whichever is there.

# shellcheck disable=SC2034 # environment.sh reads it
[[ -z ${WHISPERBACKUP_TEST_STORES:-} ]] || stack=as_shipped
load helpers

# Neo4j takes long to start; WHISPERBACKUP_TEST_STORES=postgresql,redis,chromadb,neo4j (make soak-restore) has it take part,
# and has every step killed and every step fail; without that every third step is killed, and every third fails.
stores=${WHISPERBACKUP_TEST_STORES:-postgresql,redis,chromadb}
stride=${WHISPERBACKUP_TEST_STORES:+1}
stride=${stride:-3}
IFS=, read -ra each_store <<<"$stores"
one=20240901_000000
other=20240902_000000
most_steps=60

setup_file() {
	stack_up
	seed "${each_store[@]}"
	keep $one
	mutate "${each_store[@]}"
	keep $other
	[[ $(contents_of $one) != "$(contents_of $other)" ]] || fail 'the two states are the same'
}

teardown_file() {
	quietly "$WHISPERBACKUP" recover || true
	stack_up
}

setup() {
	stack_up
	export stores
}

teardown() {
	end_program
	[[ -n ${BATS_TEST_COMPLETED:-} ]] || bring_a_state
}

# After a test that failed: the next ones begin with one of the two states, and nothing else.
bring_a_state() {
	stack_up
	quietly "$WHISPERBACKUP" recover || true
	psql_run postgres -c 'DROP DATABASE IF EXISTS later WITH (FORCE)'
	find "$BACKUP_DIR" -mindepth 1 -maxdepth 1 -name 'whisperengine_backup_*' ! -name "*$one" ! -name "*$other" -exec rm -r {} +
	quietly "$WHISPERBACKUP" restore $one --only "$stores" --yes --no-safety-backup || true
}

# --- helpers ----------------------------------------------------------------------------------------------------------

keep() { # TIMESTAMP: backs up what is there, and writes it down
	quietly "$WHISPERBACKUP" create --only "$stores"
	mv "$(newest_other)" "$(backup_path "$1")"
	contents >"$BATS_FILE_TMPDIR/contents-$1"
	save_state "$1" "${each_store[@]}"
}

newest_other() { # the folder of a backup that has not been given a name of ours
	find "$BACKUP_DIR" -mindepth 1 -maxdepth 1 -name 'whisperengine_backup_*' ! -name "*$one" ! -name "*$other"
}

contents_of() { # TIMESTAMP
	cat "$BATS_FILE_TMPDIR/contents-$1"
}

contents() { # what tells the two states apart in every store, and costs little
	psql_run postgres -c 'SELECT datname FROM pg_database ORDER BY 1' -c 'SELECT rolname FROM pg_roles ORDER BY 1'
	psql_run shop -c 'SELECT count(*), sum(hashtext(c::text)) FROM public.customers c'
	redis_run INFO keyspace | sed 's/,.*//'
	chroma_get | jq -cS 'map([.id, .name, .metadata]) | sort'
	[[ $stores != *neo4j* ]] || neo4j_run 'MATCH (n) RETURN count(n), sum(size(keys(n)))'
}

where_it_is() { # sets $here and $there: the state that is there, and the other one
	local now
	now=$(contents)
	if [[ $now == "$(contents_of $one)" ]]; then
		here=$one there=$other
	elif [[ $now == "$(contents_of $other)" ]]; then
		here=$other there=$one
	else
		fail "this is neither of the two states:" "$(diff <(contents_of $one) <(echo "$now"))" \
			"$(diff <(contents_of $other) <(echo "$now"))"
	fi
}

assert_whole() { # TIMESTAMP: everything is as in that state, compared in full
	save_state now "${each_store[@]}"
	for store in "${each_store[@]}"; do
		assert_same_state "$1" now "$store"
	done
}

assert_sound() {
	assert_all_running
	assert_nothing_paused
	assert_no_leftovers
	[[ ! -e $BACKUP_DIR/.restore.json ]] || fail "the journal is still there: $(cat "$BACKUP_DIR/.restore.json")"
}

try_restore() { # STORES VARIABLE=NUMBER..: sets $result and $errors
	result=0
	env "${@:2}" "$WHISPERBACKUP" restore "$there" --only "$1" --yes --no-safety-backup >/dev/null \
		2>"$BATS_TEST_TMPDIR/err" </dev/null || result=$?
	errors=$(cat "$BATS_TEST_TMPDIR/err")
}

started_at() { # SERVICE
	docker inspect --format '{{.State.StartedAt}}' "$(container "$1")"
}

# --- every step -------------------------------------------------------------------------------------------------------

@test "killed at each step: the next command undoes it in all stores, or finishes it" {
	local step before undone=0 finished=0
	for ((step = 1; step <= most_steps; step += stride)); do
		where_it_is
		before=$here
		try_restore "$stores" WHISPERBACKUP_TEST_KILL_AT=$step
		if [[ $result -eq 0 ]]; then break; fi
		[[ $result -eq 137 ]] || fail "step $step: exit status $result" "$errors"
		[[ -e $BACKUP_DIR/.restore.json ]] || fail "step $step: there is no journal"
		program 0 recover
		assert_contains "$output" 'Recovered.'
		assert_sound
		where_it_is
		if [[ $here == "$before" ]]; then
			undone=$((undone + 1))
			assert_contains "$errors" 'as it was before'
			((undone % 3)) || assert_whole "$here"
		else
			finished=$((finished + 1))
			assert_contains "$errors" 'all was in place, so it is finished now'
			assert_whole "$here"
		fi
	done
	((step <= most_steps && undone > 10 / stride && finished > 2 / stride)) || fail "$undone were undone, $finished finished"
	where_it_is
	assert_whole "$here"
}

@test "a failure at each step brings back all stores" {
	local step before
	for ((step = stride; step <= most_steps; step += stride)); do
		where_it_is
		before=$here
		try_restore "$stores" WHISPERBACKUP_TEST_FAIL_AT=$step
		if [[ $errors != *'a test makes step'* ]]; then break; fi
		if [[ $result -eq 1 ]]; then
			assert_contains "$errors" 'everything is as it was before'
		else
			[[ $result -eq 0 ]] || fail "step $step: exit status $result" "$errors"
			assert_contains "$errors" 'the old data could not be removed'
			program 0 recover
		fi
		assert_sound
		where_it_is
		[[ $result -eq 0 || $here == "$before" ]] || fail "step $step: the data is that of the backup"
		((step / stride % 3)) || assert_whole "$here"
	done
	[[ $result -eq 0 ]] || fail "exit status $result" "$errors"
	((step <= most_steps))
}

@test "killed while it rolls back" {
	local step before
	where_it_is
	before=$here
	for ((step = 13; step <= 16; step++)); do
		try_restore redis,chromadb WHISPERBACKUP_TEST_FAIL_AT=12 WHISPERBACKUP_TEST_KILL_AT=$step
		[[ $result -eq 137 ]] || fail "step $step: exit status $result" "$errors"
		program 0 recover
		assert_sound
		where_it_is
		assert_equal "$here" "$before"
	done
	assert_whole "$before"
}

# A restore that is killed at the first of these is undone, at the second finished.
@test "recovery that is killed itself, at each step, is gone on with by the next one" {
	local at step before undone=0 finished=0
	for at in 11 18; do
		for ((step = 1; step <= most_steps; step += stride)); do
			where_it_is
			before=$here
			try_restore "$stores" WHISPERBACKUP_TEST_KILL_AT=$at
			[[ $result -eq 137 ]] || fail "killed at $at: exit status $result" "$errors"
			result=0
			env WHISPERBACKUP_TEST_KILL_AT=$step "$WHISPERBACKUP" recover >/dev/null 2>&1 </dev/null || result=$?
			if [[ $result -eq 0 ]]; then break; fi
			[[ $result -eq 137 ]] || fail "killed at $at, recovery at $step: exit status $result"
			program 0 recover
			assert_sound
			where_it_is
			if [[ $here == "$before" ]]; then undone=$((undone + 1)); else finished=$((finished + 1)); fi
		done
		assert_sound
	done
	((undone > 0 && finished > 0)) || fail "$undone were undone, $finished finished"
	where_it_is
	assert_whole "$here"
}

# An engine or a person that starts what has been stopped, with whatever is in its folder: the data of before, nothing, or
# the data of the backup.
@test "killed at each step, and the services are started before anybody recovers: undone, or finished, all the same" {
	local step before started=0
	for ((step = 2; step <= most_steps; step += stride)); do
		where_it_is
		before=$here
		try_restore "$stores" WHISPERBACKUP_TEST_KILL_AT=$step
		if [[ $result -eq 0 ]]; then break; fi
		[[ $result -eq 137 ]] || fail "step $step: exit status $result" "$errors"
		if container_is redis exited || container_is chromadb exited; then
			started=$((started + 1))
		fi
		docker start "$(container redis)" "$(container chromadb)" >/dev/null
		wait_until has_written_its_files
		program 0 recover
		assert_sound
		where_it_is
		[[ $here == "$before" ]] || assert_contains "$errors" 'all was in place, so it is finished now'
	done
	((step <= most_steps && started >= 2)) || fail "a service was stopped $started times"
	where_it_is
	assert_whole "$here"
}

# Of Redis and ChromaDB: 4 to 7 are stopped, out, in, done of the one, 9 to 12 those of the other.
@test "held at each step while somebody starts the services: as before, or restored" {
	local step before started=0
	where_it_is
	before=$here
	for ((step = 4; step <= 12; step += stride)); do
		WHISPERBACKUP_TEST_HOLD_AT=$step start_program restore "$there" --only redis,chromadb --yes --no-safety-backup
		until reached is_held; do sleep 0.1; done
		it_runs || fail "it has not come to step $step" "$(cat "$BATS_TEST_TMPDIR/err")"
		if container_is redis exited || container_is chromadb exited; then
			started=$((started + 1))
		fi
		docker start "$(container redis)" "$(container chromadb)" >/dev/null
		wait_until has_written_its_files
		let_go
		result=0
		wait "$running" || result=$?
		running=''
		errors=$(cat "$BATS_TEST_TMPDIR/err")
		if [[ $result -eq 1 ]]; then
			assert_contains "$errors" 'was started by somebody else while it was to stand still'
			assert_contains "$errors" 'everything is as it was before'
		else
			[[ $result -eq 0 ]] || fail "step $step: exit status $result" "$errors"
			program 0 restore "$before" --only redis,chromadb --yes --no-safety-backup
		fi
		assert_sound
		where_it_is
		assert_equal "$here" "$before"
	done
	((started >= 2)) || fail "a service was stopped at $started steps"
	assert_whole "$before"
}

# Of all stores, whichever runs then; and they run again when somebody has started them.
@test "held at each step while the services are killed: as before, or restored" {
	local step before service claimed
	for ((step = 1; step <= most_steps; step += stride + 1)); do
		where_it_is
		before=$here
		WHISPERBACKUP_TEST_HOLD_AT=$step start_program restore "$there" --only "$stores" --yes --no-safety-backup
		wait_until reached is_held
		if ! it_runs; then break; fi
		for service in postgres redis chromadb; do
			docker kill "$(container $service)" >/dev/null 2>&1 || true # it may stand still already
		done
		let_go
		result=0
		wait "$running" || result=$?
		running=''
		errors=$(cat "$BATS_TEST_TMPDIR/err")
		[[ $result -le 1 ]] || fail "step $step: exit status $result" "$errors"
		start_services postgres redis chromadb
		if [[ -e $BACKUP_DIR/.restore.json ]]; then
			assert_contains "$errors" recover
			claimed=$result
			program 0 recover # now that is what says how it is
			[[ $claimed -ne 0 ]] || refute_contains "$errors" 'as it was before'
			claimed=$errors
		else
			case $result in
			0) claimed='it is finished' ;;
			1) claimed=$errors ;;
			*) claimed='' ;;
			esac
		fi
		assert_sound
		where_it_is
		case $claimed in
		*'as it was before'*) assert_equal "$here" "$before" || fail "step $step: it is not as it was before" "$claimed" ;;
		*finished*) [[ $here != "$before" ]] || fail "step $step: it claims to have restored" "$errors" ;;
		*) fail "step $step: exit status $result, and it does not say how it is" "$claimed" ;;
		esac
	done
	ends_with 0
	((step <= most_steps && step > 5))
	where_it_is
	assert_whole "$here"
}

has_written_its_files() {
	redis_run SAVE >/dev/null && chroma_get >/dev/null
}

@test "create and restore recover by themselves" {
	local before
	where_it_is
	before=$here
	try_restore redis WHISPERBACKUP_TEST_KILL_AT=3
	[[ $result -eq 137 ]] || fail "exit status $result"
	container_is redis exited || fail 'it was killed at another step'
	program 0 list
	assert_contains "$errors" "a restore of $there was killed: the stores may not fit together"
	assert_contains "$errors" 'to undo it: whisperbackup recover'
	container_is redis exited || fail 'list has changed something'
	program 0 create --only redis
	assert_contains "$errors" "a restore of $there was killed"
	assert_sound
	where_it_is
	assert_equal "$here" "$before"
	try_restore redis WHISPERBACKUP_TEST_KILL_AT=4
	[[ $result -eq 137 ]] || fail "exit status $result"
	program 0 restore "$here" --only redis --yes --no-safety-backup
	assert_contains "$errors" "a restore of $there was killed"
	assert_sound
	where_it_is
	assert_equal "$here" "$before"
	rm -r "$(newest_other)"
}

# At step 10 Redis has been swapped, and ChromaDB stands still.
@test "a store that is back is not stopped again while another one cannot be recovered" {
	local before started
	where_it_is
	before=$here
	try_restore redis,chromadb WHISPERBACKUP_TEST_KILL_AT=10
	[[ $result -eq 137 ]] || fail "exit status $result" "$errors"
	container_is chromadb exited || fail 'it was killed at another step'
	docker rm --force --volumes "$(container redis)" >/dev/null
	program 1 recover
	assert_contains "$errors" 'there is no container for it'
	started=$(started_at chromadb)
	program 1 recover
	assert_contains "$errors" 'there is no container for it'
	assert_equal "$(started_at chromadb)" "$started"
	stack_up
	program 0 recover
	assert_sound
	where_it_is
	assert_equal "$here" "$before"
}

@test "a restore that is alive is left alone" {
	where_it_is
	start_program restore "$there" --only redis --yes --no-safety-backup
	hold_soon_after test -e "$BACKUP_DIR/.restore.json"
	program 4 recover
	program 4 create --only redis
	let_go
	ends_with 0
	program 0 restore "$here" --only redis --yes --no-safety-backup
	assert_sound
}

@test "killed in the rollback after a decision that could not be made: it is undone" {
	local before step
	where_it_is
	before=$here
	try_restore redis,chromadb WHISPERBACKUP_TEST_FAIL_AT=13
	assert_contains "$errors" 'a test makes step 13 fail (committing)'
	[[ $result -eq 1 ]] || fail "exit status $result"
	for step in 15 16; do
		try_restore redis,chromadb WHISPERBACKUP_TEST_FAIL_AT=13 WHISPERBACKUP_TEST_KILL_AT=$step
		[[ $result -eq 137 ]] || fail "step $step: exit status $result" "$errors"
		program 0 recover
		assert_contains "$errors" 'as it was before'
		assert_sound
		where_it_is
		assert_equal "$here" "$before"
	done
	assert_whole "$before"
}

# Of PostgreSQL alone: 3 is the swap, 5 the old databases, which are about to be dropped.
@test "PostgreSQL: a database that was made anew under the name of one that was set aside is no obstacle" {
	where_it_is
	psql_run postgres -c 'CREATE DATABASE later' >/dev/null
	psql_run later -c 'CREATE TABLE mine AS SELECT 42 AS n' >/dev/null
	try_restore postgresql WHISPERBACKUP_TEST_KILL_AT=3
	[[ $result -eq 137 ]] || fail "exit status $result" "$errors"
	psql_run postgres -c 'CREATE DATABASE later' >/dev/null
	program 0 recover
	assert_contains "$errors" 'as it was before'
	assert_equal "$(psql_run later -c 'SELECT n FROM mine')" 42
	psql_run postgres -c 'DROP DATABASE later' >/dev/null
	assert_sound
}

@test "PostgreSQL: databases of which a drop was interrupted are dropped" {
	local name before
	where_it_is
	before=$here
	try_restore postgresql WHISPERBACKUP_TEST_KILL_AT=5
	[[ $result -eq 137 ]] || fail "exit status $result" "$errors"
	psql_run postgres -c "UPDATE pg_database SET datconnlimit = -2 WHERE datname ~ '^wb_old_'" >/dev/null
	program 0 recover
	assert_contains "$errors" 'holds what the backup holds'
	assert_equal "$(psql_run postgres -c "SELECT datname FROM pg_database WHERE datname ~ '^wb_'")" ''
	assert_sound
	there=$before
	try_restore postgresql WHISPERBACKUP_TEST_KILL_AT=5
	[[ $result -eq 137 ]] || fail "exit status $result" "$errors"
	for name in $(psql_run postgres -c "SELECT datname FROM pg_database WHERE datname ~ '^wb_old_'"); do
		psql_run postgres -c "DROP DATABASE $name" >/dev/null
	done
	psql_run postgres -c "UPDATE pg_database SET datconnlimit = -2 WHERE datname = 'wb_maint'" >/dev/null
	program 0 recover
	assert_equal "$(psql_run postgres -c "SELECT datname FROM pg_database WHERE datname ~ '^wb_'")" ''
	assert_sound
	program 0 restore "$before" --only "$stores" --yes --no-safety-backup
	assert_whole "$before"
}

# Neo4j takes its time to start, so it has only its own steps: 3 to 6 are stopped, out, in, done; 7 is the decision.
@test "Neo4j, killed half way and after the decision" {
	local backup
	seed neo4j
	program 0 create --only neo4j
	backup=$(newest_backup)
	save_state backup neo4j
	neo4j_run 'CREATE (:Later)' >/dev/null || true
	save_state live neo4j
	assert_other_state backup live neo4j
	there=$backup
	try_restore neo4j WHISPERBACKUP_TEST_KILL_AT=5
	[[ $result -eq 137 ]] || fail "exit status $result" "$errors"
	program 0 recover
	assert_contains "$errors" 'as it was before'
	assert_sound
	save_state undone neo4j
	assert_same_state live undone neo4j
	try_restore neo4j WHISPERBACKUP_TEST_KILL_AT=7
	[[ $result -eq 137 ]] || fail "exit status $result" "$errors"
	program 0 recover
	assert_contains "$errors" 'holds what the backup holds'
	assert_sound
	save_state finished neo4j
	assert_same_state backup finished neo4j
	# One whose database cannot be started.
	folder=$(copy_backup "$backup" 20240903_000000)
	# shellcheck disable=SC2034 # for the helpers
	artefact=neo4j_backup.tar.gz
	unpack
	rm -r "$tree"/data/transactions/neo4j
	repack
	save_state before neo4j
	there=20240903_000000
	try_restore neo4j
	[[ $result -eq 1 ]] || fail "exit status $result" "$errors"
	assert_contains "$errors" 'Neo4j does not accept the restored data: Neo4j could not start a database: '
	assert_contains "$errors" 'everything is as it was before'
	assert_sound
	save_state after neo4j
	assert_same_state before after neo4j
	rm -r "$folder" "$(backup_path "$backup")"
}
