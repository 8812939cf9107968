# shellcheck shell=bash disable=SC2154 # the helpers set project and backups
# The Nth call fails, for every N: a command is run with one fault after the other, until it no longer gets so far, and
# each run is judged. Loaded by `load faults`, after `load helpers`.
#
# WHISPERBACKUP_TORTURE=full makes an allocation of each place fail (tests/faults/places.h). Otherwise those that come before
# a command begins, which are some 3,000 in libcurl and OpenSSL, are left out, and of the others one in $stride is taken. Of
# the other kinds, of which there are few, all are always taken.

load ../faults/others

stride=61
kinds=(read look open write flush name remove scarce)
with_memory=yes

# The program with the faults in it, beside the one under test.
find_faults() {
	FAULTS=$(dirname "$WHISPERBACKUP")/tests/whisperbackup-faults
	[[ -x $FAULTS ]] || skip "the program was built without its tests"
	export FAULTS
	note=$BATS_TEST_TMPDIR/note
	places=$BATS_TEST_TMPDIR/places
	pristine=$BATS_TEST_TMPDIR/pristine
}

# The world before each run: what the project's folder holds now.
keep_pristine() {
	cp -a "$project" "$pristine"
}

bring_back() {
	find "$project" -mindepth 1 -maxdepth 1 -exec rm -rf {} +
	cp -a "$pristine/." "$project/"
}

# What may be compared between two runs. A test whose command changes more has another one.
state() {
	(cd "$project" && find . -name '*.json' -path '*verified*' -prune -o -type f -print0 | sort -z | xargs -0r sha256sum
		find . -type d | sort
		find . -name verified.json -exec jq -c '[.good, .backup]' {} \;)
}

# Runs it; sets $exit_status. A finding of a sanitizer is status 99.
faulty() { # FAULT or nothing, COMMAND..
	local below=$project
	[[ $1 != memory* && $1 != scarce* ]] || below=''
	rm -f "$note"
	exit_status=0
	env ${1:+WHISPERBACKUP_FAULT="$1" WHISPERBACKUP_FAULT_NOTE="$note" WHISPERBACKUP_FAULT_PLACES="$places"} ${below:+WHISPERBACKUP_FAULT_BELOW="$below"} \
		ASAN_OPTIONS=exitcode=99 LSAN_OPTIONS=exitcode=99:print_suppressions=0 \
		UBSAN_OPTIONS=halt_on_error=1:exitcode=99:print_stacktrace=1 \
		timeout 60 "$FAULTS" "${@:2}" >"$BATS_TEST_TMPDIR/out" 2>"$BATS_TEST_TMPDIR/err" </dev/null || exit_status=$?
	out=$(<"$BATS_TEST_TMPDIR/out")
	if [[ $1 == memory* && $exit_status -ge 99 && $exit_status -ne 124 ]] && ended_by_others "$BATS_TEST_TMPDIR/err"; then
		exit_status=1
	fi
}

# How many allocations there are before a command begins.
allocations_before() {
	local low=1 high=65536 middle
	while ((high - low > 1)); do
		middle=$(((low + high) / 2))
		faulty "memory:$middle" --version
		if [[ -e $note ]]; then low=$middle; else high=$middle; fi
	done
	echo "$low"
}

complain() { # LINE..
	fail "$@" "exit status $exit_status, of: $command" "$out" "$(<"$BATS_TEST_TMPDIR/err")"
}

# No backup that is listed is another than it was, and what stays without a fault has stayed.
assert_nothing_lost() {
	local folder
	for folder in "$backups"/whisperengine_backup_*; do
		[[ -d $folder ]] || continue
		diff -rq -x 'verified.json*' "$folder" "$pristine/backups/${folder##*/}" >/dev/null || complain "half a backup: $folder"
	done
	for folder in $kept; do
		[[ -d $folder ]] || complain "lost: $folder"
	done
}

# What is known of each backup, a line each: all in all, of its bytes, and of its drill.
verdicts() {
	local folder said
	for folder in "$backups"/whisperengine_backup_*; do
		[[ -d $folder ]] || continue
		said=none
		[[ ! -e $folder/verified.json ]] || said=$(jq -c '[.good, .read.good, .drill.good]' "$folder/verified.json") || said=nonsense
		echo "${folder##*_backup_} $said"
	done
}

# A fault is no verdict: what is known of a backup is what was known, or what is found out without one.
assert_verdicts_true() { # FAULT
	local line
	while read -r line; do
		[[ -z $line ]] || grep -qxF -- "$line" <<<"$pristine_verdicts
$expected_verdicts" || complain "$1: a false verdict is kept: $line"
	done <<<"$(verdicts)"
}

# What was found out may not be kept, and a disk that fails may keep things from being seen, if that is said.
tells_of_it() { # FAULT
	local said
	said=$out$(<"$BATS_TEST_TMPDIR/err")
	[[ $said != *'cannot be kept beside the backup'* ]] || return 0
	[[ $1 != memory* && ($said == *'Input/output error'* || $said == *'cannot be looked at'* || $said == *'could not be read just now'*) ]]
}

judge() { # FAULT
	local after
	after=$(state)
	case $exit_status in
	99) complain "$1: a sanitizer has found something" ;;
	124) complain "$1: it does not end" ;;
	0)
		[[ $expected_status == 0 ]] || complain "$1: it claims to have succeeded"
		[[ $out == "$expected_out" ]] || tells_of_it "$1" || complain "$1: it claims to have succeeded, but says something else"
		[[ $after == "$expected_state" ]] || tells_of_it "$1" ||
			complain "$1: it claims to have succeeded, but has not:" "$(diff <(echo "$after") <(echo "$expected_state"))"
		;;
	[1-9])
		[[ -s $BATS_TEST_TMPDIR/err || $out == *@('out of memory'|'Too many open files'|'temporarily unavailable')* || ($exit_status == "$expected_status" && $out == "$expected_out") ]] ||
			complain "$1: it failed without a word"
		# It is damage, a wrong command line, or an incomplete backup only if it is that without a fault.
		# `verify` says 5, and so, where the disk would not let it read.
		[[ $exit_status == 1 || $exit_status == "$expected_status" ]] ||
			[[ $exit_status == 5 && ${words[0]} == verify && $1 == @(read|look|open):* && $out$(<"$BATS_TEST_TMPDIR/err") == *'could not be read'* ]] ||
			complain "$1: that exit status says something else"
		;;
	*) complain "$1: it died" ;;
	esac
	assert_verdicts_true "$1"
	[[ $after != "$pristine_state" ]] || return 0 # nothing has changed, so nothing does
	changed=yes
	assert_nothing_lost
	faulty '' "${words[@]}"
	[[ $exit_status == "$expected_status" && $out == "$expected_out" && $(state) == "$expected_state" ]] ||
		complain "a run after $1 is not as it would have been:" "$(diff <(state) <(echo "$expected_state"))"
}

# One fault after the other.
each_of_a_kind() { # KIND[+] FIRST STEP, or KIND place
	local n fault
	rm -f "$places"
	for ((n = ${2/place/1}; ; n += ${3:-1})); do
		fault=${1%+}:$n${1//[a-z]/}
		[[ $2 != place ]] || fault=$1:place
		[[ $changed != yes ]] || bring_back
		changed=''
		faulty "$fault" "${words[@]}"
		if [[ ! -e $note ]]; then
			[[ $exit_status == "$expected_status" ]] || complain "$fault is not reached, but it failed"
			changed=yes
			return
		fi
		judge "$fault"
		runs=$((runs + 1))
	done
}

each_fault() { # COMMAND ARGUMENT..
	local kind words=("$@") command="$*" expected_status expected_out expected_state
	local kept runs=0 changed=yes pristine_state before pristine_verdicts expected_verdicts
	bring_back
	pristine_state=$(state) pristine_verdicts=$(verdicts)
	faulty '' "${words[@]}"
	expected_status=$exit_status expected_out=$out expected_state=$(state) expected_verdicts=$(verdicts)
	kept=$(find "$backups" -maxdepth 1 -name 'whisperengine_backup_*')
	((expected_status < 99)) || complain "it fails without a fault"
	for kind in "${kinds[@]}"; do
		before=$runs
		each_of_a_kind "$kind" 1 1
		[[ $kind != @(look|open) || $runs -gt $before ]] || complain "no call of the kind $kind was reached"
	done
	each_of_a_kind write+ 1 1
	if [[ $with_memory == no ]]; then
		: # another test of the same command has it
	elif [[ ${WHISPERBACKUP_TORTURE:-} == full ]]; then
		each_of_a_kind memory place
	else
		each_of_a_kind memory $(($(allocations_before) + 1)) $stride
	fi
	echo "# $command: $runs faults" >&3
}
