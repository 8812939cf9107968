#!/usr/bin/env bash
# Runs the tests: all of them, or the kinds that are named (unit, cli, stack). Asks nothing; ends with the counts.
#
# The program under test is the one with the sanitizers. The tests on real servers have a Compose project and ports of
# their own, which are removed afterwards: a stack of yours is never touched.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

kinds=("$@")
[[ ${#kinds[@]} -gt 0 ]] || kinds=(unit cli stack)

passed=0
failed=0
skipped=0
# What has failed is said again at the end, where a log that was cut short still shows it.
failures=$(mktemp)
trap 'rm -f "$failures"' EXIT

say() { printf '\n== %s\n' "$*"; }

# Runs a program that writes TAP, shows it, and counts. A program that dies, leaks, or runs fewer tests than it has
# planned must not pass for one without failures.
count() { # NAME COMMAND...
	local name=$1 line planned=0 seen=0 bad=0 status_file status began=$SECONDS said=0
	shift
	status_file=$(mktemp)
	while IFS= read -r line; do
		printf '%s\n' "$line"
		# The lines that follow a failure, as far as a person reads them.
		[[ $line == '#'* && $said -gt 0 ]] && said=$((said - 1)) && printf '%s\n' "$line" >>"$failures"
		case $line in
		'1..'*) planned=${line#1..} ;;
		# cmocka calls a skipped test "not ok".
		'ok '*'# skip'* | 'ok '*'# SKIP'* | 'not ok '*'# SKIP'*)
			skipped=$((skipped + 1))
			seen=$((seen + 1))
			;;
		'ok '*)
			said=0
			passed=$((passed + 1))
			seen=$((seen + 1))
			;;
		'not ok '*)
			failed=$((failed + 1))
			seen=$((seen + 1))
			bad=$((bad + 1))
			said=40
			printf '\n%s: %s\n' "$name" "$line" >>"$failures"
			;;
		esac
	done < <(
		"$@" 2>&1 </dev/null && echo 0 >"$status_file" || echo $? >"$status_file"
	)
	status=$(cat "$status_file")
	rm -f "$status_file"
	((SECONDS - began < 20)) || echo "# $name took $((SECONDS - began)) s"
	if [[ $seen -eq 0 || $seen -ne ${planned%% *} ]]; then
		broken "$name ran $seen of $planned tests"
	elif [[ $status != 0 && $bad -eq 0 ]]; then
		broken "$name ended with status $status"
	fi
}

broken() {
	echo "not ok - $1"
	printf '\nnot ok - %s\n' "$1" >>"$failures"
	failed=$((failed + 1))
}

run_unit() {
	local test found=0
	for test in build-asan/tests/test_*; do
		[[ -x $test && ! -d $test ]] || continue
		found=1
		say "${test##*/}"
		count "${test##*/}" env CMOCKA_MESSAGE_OUTPUT=TAP "$test"
	done
	[[ $found -eq 1 ]] || broken "there are no unit tests"
}

run_bats() {
	local kind=$1 file
	for file in tests/"$kind"/*.bats; do
		say "$file"
		count "$file" bats --tap "$file"
	done
}

scripts/install-deps.sh
scripts/build.sh build
scripts/build.sh build-asan
export WHISPERBACKUP=$PWD/build-asan/whisperbackup
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1

for kind in "${kinds[@]}"; do
	case $kind in
	unit) run_unit ;;
	cli) run_bats cli ;;
	stack)
		# shellcheck source=tests/stack/environment.sh
		source tests/stack/environment.sh
		trap 'scripts/stack.sh down >/dev/null 2>&1 || true; rm -f "$failures"' EXIT
		# Where docker has no Compose v2, a copy for the tests alone; those that want it say so if it cannot be had.
		if ! docker compose version >/dev/null 2>&1 && scripts/install-deps.sh --compose-v2-in "$PWD/build/compose-v2"; then
			export WHISPERBACKUP_TEST_COMPOSE_V2=$PWD/build/compose-v2
		fi
		say "the stack of project $COMPOSE_PROJECT_NAME"
		if scripts/stack.sh up; then
			run_bats stack
		else
			broken "the stack does not come up"
		fi
		;;
	*)
		echo "usage: tests/run.sh [unit] [cli] [stack]" >&2
		exit 2
		;;
	esac
done

[[ ! -s $failures ]] || { printf '\n== what failed\n' && cat "$failures"; }
printf '\n%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
[[ $failed -eq 0 && $passed -gt 0 ]]
