#!/usr/bin/env bats
# shellcheck shell=bats disable=SC2030,SC2031,SC2154
# A disk that fails, or is full, from some call on, an engine whose answers are lost or refuse, and a clock that is set back
# at some point, while a backup is made and while data is restored: the program with faults in it (tests/faults), on the
# real stack.

# shellcheck disable=SC2034 # environment.sh reads it
[[ ${WHISPERBACKUP_TORTURE:-} != full ]] || stack=as_shipped
load helpers
load ../faults/others

stores=postgresql,redis,chromadb
folders=redis,chromadb # the stores whose data is files that the program writes itself
kept=20240901_000000

setup_file() {
	stack_up
	FAULTS=$(dirname "$WHISPERBACKUP")/tests/whisperbackup-faults
	export FAULTS
	seed postgresql redis chromadb
	write_mark backup
	quietly "$WHISPERBACKUP" create --only $stores
	mv "$(backup_path)" "$(backup_path $kept)"
	write_mark live
}

setup() {
	[[ -x $FAULTS ]] || skip 'the program was built without its tests'
	note=$BATS_TEST_TMPDIR/note
	places=$BATS_TEST_TMPDIR/places
	least=2 # times that a call has to be reached
	before_each=''
}

teardown() {
	[[ -n ${BATS_TEST_COMPLETED:-} ]] || cat "$BATS_TEST_TMPDIR/last" 2>/dev/null || true
	stack_up
	quietly "$WHISPERBACKUP" recover
	forget_new_backups
	if [[ -z ${BATS_TEST_COMPLETED:-} ]]; then # what it has left is in no other one's way
		docker exec --user 0 "$(container chromadb)" rm -rf /data/chroma.sqlite3
		psql_run postgres -c 'DROP ROLE IF EXISTS later'
		write_mark live
	fi
}

forget_new_backups() {
	find "$BACKUP_DIR" -mindepth 1 -maxdepth 1 -name 'whisperengine_backup_*' ! -name "*$kept" -exec rm -r {} +
}

write_mark() { # WORD: into each of these
	local id
	redis_run SET disk:mark "$1" >/dev/null
	for id in $(chroma_get | jq -r '.[].name | select(startswith("mark_"))'); do
		curl --silent --show-error --fail --noproxy '*' -X DELETE "$(chroma_url)/$id" >/dev/null
	done
	chroma_post '' "{\"name\":\"mark_$1\"}" >/dev/null
}

marks() { # of both, in a line
	echo "$(redis_run GET disk:mark) $(chroma_get | jq -r '.[].name | select(startswith("mark_")) | ltrimstr("mark_")')"
}

faulty() { # FAULT FOLDER COMMAND ARGUMENT..: sets $result and $errors
	result=0
	rm -f "$note"
	env WHISPERBACKUP_FAULT="$1" WHISPERBACKUP_FAULT_BELOW="$2" WHISPERBACKUP_FAULT_NOTE="$note" WHISPERBACKUP_FAULT_PLACES="$places" \
		ASAN_OPTIONS=exitcode=99 LSAN_OPTIONS=exitcode=99:print_suppressions=0 \
		UBSAN_OPTIONS=halt_on_error=1:exitcode=99:print_stacktrace=1 \
		"$FAULTS" "${@:3}" >/dev/null 2>"$BATS_TEST_TMPDIR/err" </dev/null || result=$?
	errors=$(cat "$BATS_TEST_TMPDIR/err")
	if [[ $1 == memory* ]] && ((result == 1 || result >= 99)) && ended_by_others "$BATS_TEST_TMPDIR/err"; then
		quietly "$WHISPERBACKUP" recover
		result=1
	fi
	((result < 99)) || fail "$1: it died, or a sanitizer found something: $result" "$errors"
}

# With the Nth call failing, for an N that grows fast, until the program does not get so far. If all are wanted: for each;
# of the many thousand allocations for one of each place. Otherwise their first 3,000 are left to libraries that come up.
each_fault() { # KIND[+] FOLDER CHECK COMMAND ARGUMENT..
	local n=1 next='n * 3 + (n == 1)' every=''
	[[ $1 != memory ]] || n=3000 next='n * 2'
	[[ ${WHISPERBACKUP_TORTURE:-} != full ]] || every=yes n=1 next='n + 1'
	runs=0
	rm -f "$places"
	for (( ; ; n = next)); do
		${before_each:-}
		fault="${1%+}:$n${1//[a-z]/}"
		[[ -z $every || $1 != memory ]] || fault=memory:place
		faulty "$fault" "$2" "${@:4}"
		[[ -e $note ]] || break
		printf '%s: exit status %s\n%s\n' "$fault" "$result" "$errors" >"$BATS_TEST_TMPDIR/last" # for teardown
		[[ $result -eq 0 || -n $errors ]] || fail "$fault: it failed without a word"
		"$3"
		runs=$((runs + 1))
	done
}

# For a clock that is set back an hour, what was written fifty-five minutes ago is of the near future, as what an engine has
# just written is whose clock is ahead.
backdate_segments() { # MINUTES: those without a pickle
	# shellcheck disable=SC2016
	docker exec "$(container chromadb)" sh -c '
		seconds=$(($(date +%s) - $1 * 60)) found=0
		for folder in /chroma/chroma/*/; do
			[ -e "$folder/header.bin" ] && [ ! -e "$folder/index_metadata.pickle" ] || continue
			touch -d "@$seconds" "$folder"/*.bin && found=1 || exit 1
		done
		[ $found = 1 ]' sh "$1"
}

# --- create -----------------------------------------------------------------------------------------------------------

backups_are_good() {
	assert_all_running
	assert_nothing_paused
	quietly "$WHISPERBACKUP" verify --all # what is listed is whole
	if [[ $result -eq 0 && $(backup_count) -lt 2 ]]; then
		fail "$fault: it claims to have made a backup" "$errors"
	fi
	forget_new_backups
}

backup_is_made() {
	[[ $result -eq 0 ]] || fail "$fault: it failed" "$errors"
	backups_are_good
}

each_fault_of_create() { # KIND[+] [CHECK [FOLDER]]
	each_fault "$1" "${3:-$BACKUP_DIR}" "${2:-backups_are_good}" create --only $stores
	((runs >= least)) || fail "a call of that kind was reached $runs times"
	program 0 create --only $stores # as if nothing had been
	assert_no_leftovers
}

@test "a backup folder whose disk is full from some write on lists nothing that is not whole" {
	each_fault_of_create write+
}

@test "one whose disk cannot be flushed lists nothing that is not whole" {
	each_fault_of_create flush
}

@test "one in which nothing can be renamed or made lists nothing that is not whole" {
	each_fault_of_create name+
}

@test "one whose disk cannot be read, or not looked at, lists nothing that is not whole" {
	each_fault_of_create read
	each_fault_of_create look
}

# What is left with the engine, the next command clears away.
backups_are_good_later() {
	quietly "$WHISPERBACKUP" recover
	backups_are_good
}

@test "an engine that hangs up while a backup is made lists nothing that is not whole, and nothing stays paused" {
	each_fault_of_create answer backups_are_good HTTP
}

@test "one that hangs up when it is to pause or to thaw: the same" {
	least=1
	each_fault_of_create answer backups_are_good /pause
	each_fault_of_create answer backups_are_good /unpause
}

@test "one that is not there any more from some point of a backup on: the same, by the next command" {
	each_fault_of_create answer+ backups_are_good_later HTTP
}

@test "one that says that it failed, and did not, while a backup is made: the same" {
	each_fault_of_create refuse backups_are_good HTTP
}

@test "one that says so when it has paused or thawed: the same" {
	least=1
	each_fault_of_create refuse backups_are_good /pause
	each_fault_of_create refuse backups_are_good /unpause
}

# Neo4j has been asked for its counts by then, and is asked anew in the next moment.
@test "one that says so when it has paused Neo4j: the next moment is taken, and its counts are of that" {
	faulty refuse:1 /pause create --only neo4j
	[[ -e $note ]] || fail 'nothing was paused' "$errors"
	[[ $result -eq 0 ]] || fail "exit status $result" "$errors"
	program 0 show latest --json
	assert_json "$output" '.stores[] | select(.name == "neo4j") | .fingerprint.nodes[""] | type' '"number"'
	assert_nothing_paused
}

@test "one that says so from some point of a backup on: the same, by the next command" {
	each_fault_of_create refuse+ backups_are_good_later HTTP
}

@test "one through which the volumes are reached hangs up, or refuses, once while a backup is made: the same" {
	local kind
	for kind in answer refuse; do
		each_fault $kind HTTP backups_are_good create --only $folders --volume-access api
		((runs >= least)) || fail "$kind: reached $runs times"
	done
	assert_no_leftovers
}

@test "memory that is refused once while a backup is made: it is made, or nothing is listed that is not whole" {
	each_fault_of_create memory
}

@test "a process, thread, lock or descriptor that is refused once while a backup is made: the same" {
	each_fault_of_create scarce
}

@test "a clock that is set back an hour while a backup is made does it no harm" {
	backdate_segments 55
	each_fault_of_create clock backup_is_made
}

# --- restore ----------------------------------------------------------------------------------------------------------

one_state_or_the_other() {
	local now
	assert_nothing_paused
	if [[ -e $BACKUP_DIR/.restore.json ]]; then # a disk that lets nothing be renamed cannot be brought back either, until it does
		assert_contains "$errors" 'recover'
		quietly "$WHISPERBACKUP" recover
	fi
	assert_all_running
	now=$(marks)
	case $now in
	'live live') [[ $result -ne 0 ]] || fail "$fault: it claims to have restored" "$errors" ;;
	'backup backup')
		[[ $result -eq 0 || $errors != *'everything is as it was before'* ]] || fail "$fault: it is not as it was before" "$errors"
		write_mark live
		;;
	*) fail "$fault: the stores are between two states: $now" "exit status $result" "$errors" ;;
	esac
	assert_no_leftovers
}

# After a single failure nobody has to be called: it was done all the same, or undone, or only old data is left.
one_state_by_itself() {
	if [[ -e $BACKUP_DIR/.restore.json ]]; then
		[[ $result -eq 0 ]] || fail "$fault: it is left to the next command" "$errors"
		assert_contains "$errors" 'the old data could not be removed'
		quietly "$WHISPERBACKUP" recover
	fi
	one_state_or_the_other
}

data_is_restored() {
	[[ $result -eq 0 ]] || fail "$fault: it failed" "$errors"
	one_state_or_the_other
}

each_fault_of_restore() { # KIND[+] FOLDER [CHECK]
	each_fault "$1" "$2" "${3:-one_state_or_the_other}" restore $kept --only $folders --yes --no-safety-backup
	((runs >= least)) || fail "a call of that kind was reached $runs times"
	program 0 restore $kept --only $folders --yes --no-safety-backup
	assert_equal "$(marks)" 'backup backup'
	write_mark live
}

find_volumes() { # sets $volumes: the folder on this machine that has the stores' volumes in it
	local folder
	folder=$(docker inspect --format '{{range .Mounts}}{{if eq .Destination "/chroma/chroma"}}{{.Source}}{{end}}{{end}}' "$(container chromadb)")
	[[ -r $folder ]] || skip 'the volumes cannot be reached from here'
	volumes=$(dirname "$(dirname "$folder")")
}

@test "volumes whose disk is full from some write on are as before, or restored" {
	find_volumes
	each_fault_of_restore write+ "$volumes"
}

@test "volumes whose disk cannot be flushed are as before, or restored" {
	find_volumes
	each_fault_of_restore flush "$volumes"
}

@test "volumes in which something cannot be read or looked at once are as before, or restored" {
	find_volumes
	each_fault_of_restore read "$volumes"
	each_fault_of_restore look "$volumes"
}

@test "a backup folder in which something cannot be read or looked at once keeps a restore whole: the same" {
	each_fault_of_restore read "$BACKUP_DIR"
	each_fault_of_restore look "$BACKUP_DIR"
}

@test "volumes in which nothing can be renamed or made from some call on are as before, or restored" {
	find_volumes
	each_fault_of_restore name+ "$volumes"
}

@test "volumes in which something cannot be opened or removed once are as before, or restored" {
	find_volumes
	each_fault_of_restore open "$volumes"
	each_fault_of_restore remove "$volumes"
}

# Its journal is there.
@test "a backup folder whose disk is full, or fails, from some call of a restore on keeps it whole: the same" {
	each_fault_of_restore write+ "$BACKUP_DIR"
	each_fault_of_restore flush "$BACKUP_DIR"
	least=1
	each_fault_of_restore name "$BACKUP_DIR"
}

@test "one in which something cannot be opened or removed once: the same" {
	least=1
	each_fault_of_restore open "$BACKUP_DIR"
	each_fault_of_restore remove "$BACKUP_DIR"
}

@test "memory that is refused once while data is restored: as before, or restored" {
	each_fault_of_restore memory /
}

@test "a process, thread, lock or descriptor that is refused once while data is restored: the same" {
	each_fault_of_restore scarce /
}

@test "a clock that is set back an hour while data is restored does it no harm" {
	backdate_segments 55
	each_fault_of_restore clock / data_is_restored
}

@test "an engine that hangs up while data is restored: as before, or restored" {
	each_fault_of_restore answer HTTP one_state_by_itself
}

@test "one that hangs up when it is to stop or to start: the same" {
	local service
	least=1
	for service in redis chromadb; do
		each_fault_of_restore answer "$(container $service)/stop" data_is_restored
		each_fault_of_restore answer "$(container $service)/start" data_is_restored
	done
	each_fault_of_restore answer "$(container chromadb)/kill" data_is_restored
}

@test "one through which the volumes are reached hangs up, or refuses, once: the same" {
	local kind
	for kind in answer refuse; do
		each_fault $kind HTTP one_state_by_itself restore $kept --only $folders --yes --no-safety-backup --volume-access api
		((runs >= least)) || fail "$kind: reached $runs times"
	done
}

@test "one that is not there any more from some point of a restore on: the same, by the next command" {
	each_fault_of_restore answer+ HTTP
}

@test "one that says that it failed, and did not, while data is restored: the same" {
	each_fault_of_restore refuse HTTP one_state_by_itself
}

@test "one that says so when it has stopped or started: the same" {
	local service
	least=1
	for service in redis chromadb; do
		each_fault_of_restore refuse "$(container $service)/stop" data_is_restored
		each_fault_of_restore refuse "$(container $service)/start" data_is_restored
	done
	each_fault_of_restore refuse "$(container chromadb)/kill" data_is_restored
}

@test "one that says so from some point of a restore on: the same, by the next command" {
	each_fault_of_restore refuse+ HTTP
}

# --- recover ----------------------------------------------------------------------------------------------------------

leave_a_restore() { # killed when the data of one store has been exchanged
	WHISPERBACKUP_TEST_KILL_AT=9 "$WHISPERBACKUP" restore $kept --only $folders --yes --no-safety-backup >/dev/null 2>&1 </dev/null 3>&- || true
	[[ -e $BACKUP_DIR/.restore.json ]] || fail 'the restore was not killed'
}

as_before_at_last() {
	# It looks after other things that a killed run may have left, too.
	[[ $result -eq 0 || -e $BACKUP_DIR/.restore.json || $errors == *'as it was before'* ]] || fail "$fault: it failed, but leaves nothing to the next command" "$errors"
	if [[ -e $BACKUP_DIR/.restore.json ]]; then
		[[ $result -ne 0 ]] || fail "$fault: it claims to have recovered" "$errors"
		program 0 recover
	fi
	assert_all_running
	assert_equal "$(marks)" 'live live'
	assert_no_leftovers
}

each_fault_of_recover() { # KIND[+] FOLDER
	write_mark live
	before_each=leave_a_restore
	each_fault "$1" "$2" as_before_at_last recover
	((runs >= least)) || fail "a call of that kind was reached $runs times"
	program 0 recover # from the last one, which met no fault
}

@test "recovery during which the engine hangs up, or refuses, once: done, or left to the next one" {
	each_fault_of_recover answer HTTP
	each_fault_of_recover refuse HTTP
}

@test "recovery whose disk is full, or fails: the same" {
	local kind here=(write+ flush open) there=(name+ remove)
	[[ ${WHISPERBACKUP_TORTURE:-} != full ]] || here=(write+ flush name open read look remove) there=(flush name+ open read look remove)
	find_volumes
	least=1
	for kind in "${here[@]}"; do
		each_fault_of_recover "$kind" "$BACKUP_DIR"
	done
	for kind in "${there[@]}"; do
		each_fault_of_recover "$kind" "$volumes"
	done
}

# Step 6 of Redis alone is the last one before it is started, and then the old data goes.
@test "an engine that hangs up while a restore is rolled back: as before, all the same" {
	local request
	for request in "2 /stop" "1 $(container redis)/start"; do
		WHISPERBACKUP_TEST_FAIL_AT=6 faulty "answer:${request% *}" "${request#* }" restore $kept --only redis --yes --no-safety-backup
		[[ -e $note ]] || fail "$request was not asked for" "$errors"
		[[ $result -eq 1 ]] || fail "$request: exit status $result" "$errors"
		assert_contains "$errors" 'everything is as it was before'
		assert_all_running
		assert_equal "$(redis_run GET disk:mark)" live
		assert_no_leftovers
	done
}

@test "an engine that refuses one look at a container while a restore is made and rolled back: as before, all the same" {
	local n
	for ((n = 1; n <= 60; n += 1 + n / 6)); do
		WHISPERBACKUP_TEST_FAIL_AT=6 faulty refuse:$n "$(container redis)/json" restore $kept --only redis --yes --no-safety-backup
		[[ -e $note ]] || break
		[[ $result -eq 1 ]] || fail "$n: exit status $result" "$errors"
		refute_contains "$errors" 'could not be brought back'
		assert_all_running
		assert_equal "$(redis_run GET disk:mark)" live
		[[ ! -e $BACKUP_DIR/.restore.json ]] || fail "$n: it is left to the next command" "$errors"
	done
	((n >= 10 && n <= 60)) || fail "it looked $n times"
	assert_no_leftovers
}

role_goes_or_stays() {
	local there
	there=$(psql_run postgres -c "SELECT count(*) FROM pg_roles WHERE rolname = 'later'")
	if [[ -e $BACKUP_DIR/.restore.json ]]; then # what is left to be done is known
		quietly "$WHISPERBACKUP" recover
		[[ $result -ne 0 ]] || there=$(psql_run postgres -c "SELECT count(*) FROM pg_roles WHERE rolname = 'later'")
	fi
	case $result$there in
	00 | 11) ;;
	*) fail "$fault: exit status $result, $there such roles" "$errors" ;;
	esac
	assert_equal "$(psql_run postgres -c "SELECT datname FROM pg_database WHERE datname ~ '^wb_'")" ''
	[[ $there == 1 ]] || psql_run postgres -c 'CREATE ROLE later'
}

@test "an engine that refuses what PostgreSQL is to be told: all is said to it later, or undone" {
	psql_run postgres -c 'CREATE ROLE later'
	each_fault refuse /exec/ role_goes_or_stays restore $kept --only postgresql --yes --no-safety-backup
	psql_run postgres -c 'DROP ROLE IF EXISTS later'
	((runs >= 3)) || fail 'there were too few'
}

@test "memory that is refused once while PostgreSQL is restored: roles and databases are as before, or restored" {
	psql_run postgres -c 'CREATE ROLE later'
	each_fault memory / role_goes_or_stays restore $kept --only postgresql --yes --no-safety-backup
	psql_run postgres -c 'DROP ROLE IF EXISTS later'
	((runs >= 3)) || fail 'there were too few'
}

# --- drills -----------------------------------------------------------------------------------------------------------

drills_there() { # containers, helpers and volumes, of other runs too
	local kind
	for kind in drill helper; do
		docker ps --all --quiet --no-trunc --filter "label=whisperengine.backup.$kind"
	done
	docker volume ls --quiet --filter label=whisperengine.backup.drill
}

has_gone() { # CONTAINER or VOLUME
	! docker inspect "$1" >/dev/null 2>&1
}

# Those of other runs go when their drill is over.
assert_nothing_of_drills() {
	local each
	[[ ! -e $BACKUP_DIR/.drill.json ]] || quietly "$WHISPERBACKUP" recover # the engine refused to say what is there
	for each in $(drills_there); do
		wait_until has_gone "$each"
	done
}

backup_is_not_blamed() {
	[[ $result -eq 0 || $result -eq 1 ]] || fail "$fault: exit status $result" "$errors"
	assert_nothing_of_drills
}

@test "an engine that hangs up or refuses is not taken for a bad backup by a drill" {
	local kind drilled=redis
	[[ ${WHISPERBACKUP_TORTURE:-} != full ]] || drilled=$stores
	quietly "$WHISPERBACKUP" create --only $drilled
	for kind in 'answer HTTP' 'refuse HTTP' 'refuse /exec/'; do
		each_fault "${kind% *}" "${kind#* }" backup_is_not_blamed verify latest --drill
		((runs >= 3)) || fail "$kind: a call was reached $runs times"
	done
}

@test "memory that is refused once is not taken for a bad backup by a drill" {
	quietly "$WHISPERBACKUP" create --only redis
	each_fault memory / backup_is_not_blamed verify latest --drill
	((runs >= 3)) || fail 'there were too few'
}

backup_is_not_called_bad() {
	[[ $result -eq 0 || $result -eq 1 || $errors == *'could not be read'* ]] || fail "$fault: exit status $result" "$errors"
	! grep -s '"good": *false' "$BACKUP_DIR"/whisperengine_backup_*/verified.json || fail "$fault: it is noted as bad" "$errors"
	assert_nothing_of_drills
}

@test "a file of a backup that cannot be read once is not taken for a bad backup by a drill" {
	quietly "$WHISPERBACKUP" create --only redis
	local kind
	for kind in open read; do
		each_fault $kind "$BACKUP_DIR" backup_is_not_called_bad verify latest --drill
		((runs >= 3)) || fail "$kind: a call was reached $runs times"
	done
}

@test "a backup folder in which nothing can be written, or something not removed, makes a drill fail, and no backup bad" {
	quietly "$WHISPERBACKUP" create --only redis
	local kind
	for kind in write+ flush name remove; do
		each_fault $kind "$BACKUP_DIR" backup_is_not_called_bad verify latest --drill
		((runs >= 1)) || fail "$kind: a call was reached $runs times"
	done
	program 0 verify latest --drill
}

# Of a drill of Redis through the engine the fifth container is the helper that removes the old data, when all data is there.
@test "a helper of a drill of which nothing was heard does not stay, and the data beside it neither" {
	quietly "$WHISPERBACKUP" create --only redis
	faulty refuse:5 /containers/create verify latest --drill --volume-access api
	[[ -e $note ]] || fail 'there was no fifth container' "$errors"
	assert_nothing_of_drills
}

@test "a drill that there is no room for is not begun: the live data lies on that disk too" {
	quietly "$WHISPERBACKUP" create --only $stores
	local folder
	folder=$(docker inspect --format '{{range .Mounts}}{{if eq .Destination "/data"}}{{.Source}}{{end}}{{end}}' "$(container redis)")
	[[ -d $folder ]] || skip 'the volumes cannot be seen from here'
	faulty full:1+ "${folder%/volumes/*}" verify latest --drill
	[[ $result -eq 1 ]] || fail "exit status $result" "$errors"
	assert_contains "$errors" 'is too full: the drill needs about'
	assert_contains "$errors" 'nothing was changed'
	assert_nothing_of_drills
	! grep '"good": *false' "$(backup_path)/verified.json" || fail 'the backup is noted as bad'
	program 0 verify latest --drill
}

@test "a database of ChromaDB in another folder is not taken because it was not heard which one is open" {
	docker exec --user 0 "$(container chromadb)" sh -c 'mkdir -p /data && touch /data/chroma.sqlite3'
	faulty answer:1 /exec create --only chromadb # that is asked again
	[[ $result -eq 3 || $result -eq 0 ]] || fail "exit status $result" "$errors"
	forget_new_backups
	faulty answer:1+ /exec create --only chromadb
	docker exec --user 0 "$(container chromadb)" rm -r /data
	[[ $result -eq 1 ]] || fail "exit status $result" "$errors"
	assert_contains "$errors" 'the connection to Docker broke'
}
