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

say() { printf '\n== %s\n' "$*"; }

# Reads TAP, shows it, and counts.
count() {
	local line
	while IFS= read -r line; do
		printf '%s\n' "$line"
		case $line in
		'ok '*'# skip'* | 'ok '*'# SKIP'*) skipped=$((skipped + 1)) ;;
		'ok '*) passed=$((passed + 1)) ;;
		'not ok '*) failed=$((failed + 1)) ;;
		esac
	done
}

# A run of tests whose runner itself broke must not pass for a run without failures.
broken() {
	echo "not ok - $1"
	failed=$((failed + 1))
}

run_unit() {
	local test before
	for test in build-asan/tests/test_*; do
		[[ -x $test && ! -d $test ]] || continue
		say "${test##*/}"
		before=$((passed + failed))
		count < <(CMOCKA_MESSAGE_OUTPUT=TAP "$test" 2>&1 || echo "# exit status $?")
		[[ $((passed + failed)) -gt $before ]] || broken "${test##*/} ran no test"
	done
}

run_bats() {
	local kind=$1 file
	for file in tests/"$kind"/*.bats; do
		say "$file"
		local before=$((passed + failed + skipped))
		count < <(bats --tap "$file" 2>&1 || true)
		[[ $((passed + failed + skipped)) -gt $before ]] || broken "$file ran no test"
	done
}

scripts/install-deps.sh
scripts/build.sh build
scripts/build.sh build-asan
export WHISPERBACKUP=$PWD/build-asan/whisperbackup

for kind in "${kinds[@]}"; do
	case $kind in
	unit) run_unit ;;
	cli) run_bats cli ;;
	stack)
		# shellcheck source=tests/stack/environment.sh
		source tests/stack/environment.sh
		trap 'scripts/stack.sh down >/dev/null 2>&1 || true' EXIT
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

printf '\n%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
[[ $failed -eq 0 && $passed -gt 0 ]]
