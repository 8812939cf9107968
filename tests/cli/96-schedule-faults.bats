#!/usr/bin/env bats
# shellcheck shell=bats disable=SC2016,SC2030,SC2031,SC2154
# schedule install and uninstall, with their Nth reading, writing, opening or allocation failing: somebody's crontab keeps
# its own lines whatever happens, a block is in it whole or not at all, and success is only claimed where it is.

load helpers
load cron
load faults

setup() {
	need_world
	enter_project
	find_faults
	export FAULTS note BATS_TEST_TMPDIR project
}

# In the world: each fault of a kind, until the program does not get so far.
judging='
mine="MAILTO=me@example.org
# a comment, 100% mine
*/5 * * * * /usr/bin/true a b"
block() { crontab -l | sed -n "/^# BEGIN whisperbackup/,/^# END whisperbackup/p"; }
others() { crontab -l | sed "/^# BEGIN whisperbackup/,/^# END whisperbackup/d"; }
complain() { printf "%s: %s: exit status %s\n%s\n" "$fault" "$1" "$status" "$(cat err)" "$(crontab -l)"; exit 9; }
runs=0 # of all kinds
each() { # KIND STEP BEFORE AFTER COMMAND..: BEFORE and AFTER are "none" or "one" block
	local n kind=$1 step=$2 before=$3 after=$4 whole least=1 runs_before=$runs
	shift 4
	for ((n = 1; ; n += step * (1 + n / 1000))); do
		fault=$kind:$n
		printf "%s\n" "$mine" | crontab -
		[[ $before == none ]] || "$W" schedule install daily 30 2>/dev/null
		rm -f "$note"
		status=0
		WHISPERBACKUP_FAULT=$fault WHISPERBACKUP_FAULT_NOTE=$note ASAN_OPTIONS=exitcode=99 \
			LSAN_OPTIONS=exitcode=99:print_suppressions=0 UBSAN_OPTIONS=halt_on_error=1:exitcode=99:print_stacktrace=1 \
			timeout 60 "$FAULTS" "$@" >out 2>err </dev/null || status=$?
		((status < 99)) || complain "it died, does not end, or a sanitizer found something"
		[[ $status -eq 0 || -s err ]] || complain "it failed without a word"
		[[ $(others) == "$mine" ]] || complain "other lines have changed"
		whole=none
		[[ -z $(block) ]] || whole=one
		[[ $whole == none || $(block | grep -c .) -eq 4 ]] || complain "half a block"
		[[ $whole == "$before" || $whole == "$after" ]] || complain "$whole block"
		[[ $status -ne 0 || $whole == "$after" ]] || complain "it claims to have done it"
		[[ -e $note ]] || break
		runs=$((runs + 1))
	done
	[[ $status -eq 0 ]] || complain "no call has failed"
	[[ $kind == write ]] || least=2 # written is only the new crontab, at once
	((runs - runs_before >= least)) || complain "reached $((runs - runs_before)) times"
}
for kind in read look write open; do
	each $kind 1 $states "${command[@]}"
done
each memory 97 $states "${command[@]}"
echo "$runs faults"
'

@test "a crontab keeps its own lines whatever call fails while a schedule is installed" {
	in_world 0 <<CODE
states='none one' command=(schedule install hourly 7)
$judging
CODE
	((${output% faults} > 40)) || fail "$output"
}

@test "a crontab keeps its own lines whatever call fails while a schedule is taken out" {
	in_world 0 <<CODE
states='one none' command=(schedule uninstall)
$judging
CODE
	((${output% faults} > 40)) || fail "$output"
}

# In the world: killed at each call that writes, reads, opens, looks or starts something. What it has started goes on, and
# is waited for: it holds the pipe.
killing='
(echo MAILTO=me@example.org; for i in $(seq 150); do echo "*/5 * * * * /usr/bin/true a b $i"; done) >mine
others() { crontab -l | sed "/^# BEGIN whisperbackup/,/^# END whisperbackup/d"; }
blocks() { crontab -l | grep -c "schedule run" || true; }
for ((n = 1; ; n++)); do
	crontab mine
	[[ $before -eq 0 ]] || "$W" schedule install daily 30 2>/dev/null
	rm -f "$note"
	{ WHISPERBACKUP_FAULT=kill:$n WHISPERBACKUP_FAULT_NOTE=$note "$FAULTS" "${command[@]}" 8>&1 >out 2>err </dev/null || true; } 2>/dev/null | cat
	others | cmp -s - mine || { echo "killed at $n: other lines have changed"; crontab -l | tail -n 5; exit 9; }
	[[ $(blocks) -eq $before || $(blocks) -eq $after ]] || { echo "killed at $n: $(blocks) blocks"; exit 9; }
	[[ -e $note ]] || break
done
[[ $(blocks) -eq $after ]] || { cat err; exit 9; }
echo "$n kills"
'

@test "a crontab keeps its own lines wherever an install is killed" {
	in_world 0 <<CODE
before=0 after=1 command=(schedule install hourly 7)
$killing
CODE
	((${output% kills} > 40)) || fail "$output"
}

@test "a crontab keeps its own lines wherever an uninstall is killed" {
	in_world 0 <<CODE
before=1 after=0 command=(schedule uninstall)
$killing
CODE
	((${output% kills} > 40)) || fail "$output"
}
