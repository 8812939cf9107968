#!/usr/bin/env bats
# shellcheck shell=bats disable=SC2030,SC2031,SC2154
# A disk that fails, or is full, from some call on, an engine whose answers are lost or refuse, and a clock that is set back
# at some point, while a backup is made and while data is restored: the program with faults in it (tests/faults), on the
# real stack.

load helpers

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
	runs=0
}

teardown() {
	[[ -n ${BATS_TEST_COMPLETED:-} ]] || cat "$BATS_TEST_TMPDIR/last" 2>/dev/null || true
	stack_up
	quietly "$WHISPERBACKUP" recover
	forget_new_backups
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
	env WHISPERBACKUP_FAULT="$1" WHISPERBACKUP_FAULT_BELOW="$2" WHISPERBACKUP_FAULT_NOTE="$note" \
		ASAN_OPTIONS=exitcode=99 LSAN_OPTIONS=exitcode=99:print_suppressions=0 \
		UBSAN_OPTIONS=halt_on_error=1:exitcode=99:print_stacktrace=1 \
		"$FAULTS" "${@:3}" >/dev/null 2>"$BATS_TEST_TMPDIR/err" </dev/null || result=$?
	errors=$(cat "$BATS_TEST_TMPDIR/err")
	((result < 99)) || fail "$1: it died, or a sanitizer found something: $result" "$errors"
}

# With the Nth call failing, for an N that grows fast (for each, if all are wanted), until the program does not get so far.
each_fault() { # KIND[+] FOLDER CHECK COMMAND ARGUMENT..
	local n next='n * 3 + (n == 1)'
	[[ ${WHISPERBACKUP_TORTURE:-} != full ]] || next='n + 1'
	for ((n = ${WHISPERBACKUP_TORTURE_FROM:-1}; ; n = next)); do
		fault="${1%+}:$n${1//[a-z]/}"
		faulty "$fault" "$2" "${@:4}"
		[[ -e $note ]] || break
		printf '%s: exit status %s\n%s\n' "$fault" "$result" "$errors" >"$BATS_TEST_TMPDIR/last" # for teardown
		[[ $result -eq 0 || -n $errors ]] || fail "$fault: it failed without a word"
		"$3"
		runs=$((runs + 1))
	done
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
	((runs >= 1)) || fail "no call of that kind was reached"
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

@test "one whose disk cannot be read lists nothing that is not whole" {
	each_fault_of_create read
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
	each_fault_of_create refuse backups_are_good /pause
	each_fault_of_create refuse backups_are_good /unpause
}

@test "one that says so from some point of a backup on: the same, by the next command" {
	each_fault_of_create refuse+ backups_are_good_later HTTP
}

@test "a clock that is set back an hour while a backup is made does it no harm" {
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

data_is_restored() {
	[[ $result -eq 0 ]] || fail "$fault: it failed" "$errors"
	one_state_or_the_other
}

each_fault_of_restore() { # KIND[+] FOLDER [CHECK]
	each_fault "$1" "$2" "${3:-one_state_or_the_other}" restore $kept --only $folders --yes --no-safety-backup
	((runs >= 1)) || fail "no call of that kind was reached"
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

@test "volumes in which nothing can be renamed or made from some call on are as before, or restored" {
	find_volumes
	each_fault_of_restore name+ "$volumes"
}

@test "a clock that is set back an hour while data is restored does it no harm" {
	each_fault_of_restore clock / data_is_restored
}

@test "an engine that hangs up while data is restored: as before, or restored" {
	each_fault_of_restore answer HTTP
}

@test "one that hangs up when it is to stop or to start: the same" {
	each_fault_of_restore answer /stop
	each_fault_of_restore answer /start
}

@test "one that is not there any more from some point of a restore on: the same, by the next command" {
	each_fault_of_restore answer+ HTTP
}

@test "one that says that it failed, and did not, while data is restored: the same" {
	each_fault_of_restore refuse HTTP
}

@test "one that says so when it has stopped or started: the same" {
	each_fault_of_restore refuse /stop
	each_fault_of_restore refuse /start
}

@test "one that says so from some point of a restore on: the same, by the next command" {
	each_fault_of_restore refuse+ HTTP
}
