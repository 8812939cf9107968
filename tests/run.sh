#!/usr/bin/env bash
# Runs the tests: all of them, or the kinds that are named (unit, tsan, valgrind, cli, stack, torture), or a file
# tests/stack/NAME.bats. Asks nothing; ends with the counts. "tsan" and "valgrind" are the unit tests again, with the thread
# sanitizer and with valgrind's memcheck, which also sees what libraries do.
#
# The program under test is the one with the address and undefined-behaviour sanitizers. The tests on real servers have
# Compose projects and ports of their own, which are removed afterwards: a stack of yours is never touched. Files of tests
# run in two lanes side by side (WHISPERBACKUP_TEST_LANES: 1 to 4; with two cores three are no quicker), those on real
# servers each with a stack.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

kinds=("$@")
[[ ${#kinds[@]} -gt 0 ]] || kinds=(unit tsan valgrind cli stack)

passed=0
failed=0
skipped=0
# What has failed is said again at the end, where a log that was cut short still shows it.
work=$(mktemp -d)
failures=$work/failures
lanes=${WHISPERBACKUP_TEST_LANES:-2}
stacks=0
memory='' # a folder of in_memory
trap 'stacks_down; rm -rf "$work" "$memory"' EXIT

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

run_bats() { # FILE
	say "$1"
	count "$1" bats --tap --timing "$1"
}

# What unit tests are run by, and in which build; set by each kind.
build='build-asan'
by=()

run_unit_test() { # PROGRAM
	local name=${1##*/}
	say "$name${by:+ ($build, ${by[0]})}"
	if [[ $name == test_faults_* && $build != build-asan ]]; then
		echo "SKIPPED: it brings its own malloc, which neither the thread sanitizer nor valgrind stands"
		skipped=$((skipped + 1))
		return
	fi
	count "$name" env CMOCKA_MESSAGE_OUTPUT=TAP "${by[@]}" "$1"
}

# --- lanes: tests that are run side by side, since most of their time is spent waiting ------------------------------------

# Takes one after the other that no other lane has taken; what one says comes in one piece.
run_lane() { # NUMBER RUNNER TEST..
	local lane=$1 runner=$2 each
	passed=0 failed=0 skipped=0
	for each in "${@:3}"; do
		mkdir "$work/taken-${each##*/}" 2>/dev/null || continue
		"$runner" "$each" >"$work/said-$lane" 2>&1
		flock "$work" cat "$work/said-$lane"
	done
	echo "$passed $failed $skipped" >"$work/counts-$lane"
}

collect_lanes() {
	local lane counts each
	wait
	for ((lane = 0; lane < lanes; lane++)); do
		counts=$work/counts-$lane
		if [[ ! -e $counts ]]; then
			broken "lane $lane has not come to its end"
			continue
		fi
		read -ra each <"$counts"
		passed=$((passed + each[0])) failed=$((failed + each[1])) skipped=$((skipped + each[2]))
		rm "$counts"
	done
	rm -rf "$work"/taken-*
}

run_in_lanes() { # RUNNER TEST..
	local lane
	for ((lane = 0; lane < lanes; lane++)); do
		run_lane "$lane" "$@" &
	done
	collect_lanes
}

# What has been run on the disk before runs in memory the second and third time, where there is plenty: a disk takes its
# time for each new file, most of all ext4 without a journal, which gives none of those inodes again that were freed in
# the last minutes, but looks at each.
in_memory() { # COMMAND ARGUMENT..
	local folder=/dev/shm least=$((4 << 20)) mounted TMPDIR=${TMPDIR:-/tmp} # KiB
	mounted=$(findmnt --noheadings --output FSTYPE,OPTIONS --target $folder || true)
	if [[ $mounted == tmpfs* && $mounted != *noexec* && $(df --output=avail $folder | tail -n 1) -ge $least &&
		$(awk '$1 == "MemAvailable:" { print $2 }' /proc/meminfo) -ge $least ]]; then
		memory=$(mktemp -d "$folder/whisperbackup-XXXXXX")
		chmod 711 "$memory" # some tests become another user
		TMPDIR=$memory
	fi
	export TMPDIR
	"$@"
	rm -rf "$memory"
	memory=''
}

# --- kinds --------------------------------------------------------------------------------------------------------------

run_unit() { # NAMES: the unit tests in $build whose names fit
	local test tests=()
	for test in "$build"/tests/test_* "$build"/tests/fuzz/test_*; do
		[[ -x $test && ! -d $test && ${test##*/test_} =~ ^($1)$ ]] && tests+=("$test")
	done
	if [[ ${#tests[@]} -eq 0 ]]; then
		broken "there are no unit tests in $build"
		return
	fi
	run_in_lanes run_unit_test "${tests[@]}"
}

# The thread sanitizer of clang before 18 does not find its way where the kernel spreads addresses over more than 28 bits
# (vm.mmap_rnd_bits); so they are not spread, if that may be asked for.
run_tsan() {
	local build='build-tsan' by=(setarch -R)
	"${by[@]}" true 2>/dev/null || by=()
	scripts/build.sh build-tsan
	TSAN_OPTIONS=second_deadlock_stack=1 WHISPERBACKUP_TORTURE=little in_memory run_unit '.*'
}

# Exits with 99 if there is an error or something is lost for good; what a child has inherited when it ends is not.
run_valgrind() {
	local build=build by=(valgrind --quiet --error-exitcode=99 --leak-check=full --show-leak-kinds=definite
		--errors-for-leak-kinds=definite --child-silent-after-fork=yes)
	WHISPERBACKUP_TORTURE=little in_memory run_unit '.*'
}

stack_of_lane() { # NUMBER: sets where its stack is
	local ports=(20000 10000 20200 10200) # below 32768: from there on a connection of somebody else's may have one by chance
	export WHISPERBACKUP_TEST_PROJECT=whisperbackup-$1-test WHISPERBACKUP_TEST_PORTS=${ports[$1]}
	# shellcheck disable=SC2034 # environment.sh reads it
	local stack=as_shipped
	# shellcheck source=tests/stack/environment.sh
	source tests/stack/environment.sh
}

stacks_down() {
	local lane
	for ((lane = 0; lane < stacks; lane++)); do
		(stack_of_lane "$lane" && scripts/stack.sh down >/dev/null 2>&1) || true
	done
}

# Some come first: those that take longest, so that the lanes end at about the same time.
files_of() { # FOLDER FIRST..
	local first=() file
	for file in "${@:2}"; do
		first+=("$1/$file"-*.bats)
	done
	printf '%s\n' "${first[@]}"
	for file in "$1"/*.bats; do
		[[ " ${first[*]} " == *" $file "* ]] || echo "$file"
	done
}

run_stack() { # FILE..
	local lane
	[[ $# -gt 1 ]] || lanes=1
	# Where docker has no Compose v2, a copy for the tests alone; those that want it say so if it cannot be had.
	if ! docker compose version >/dev/null 2>&1 && scripts/install-deps.sh --compose-v2-in "$PWD/build/compose-v2"; then
		export WHISPERBACKUP_TEST_COMPOSE_V2=$PWD/build/compose-v2
	fi
	for ((lane = 0; lane < lanes; lane++)); do
		say "stack $((lane + 1)) of $lanes"
		stacks=$((lane + 1))
		# What a run has left that was killed is not what these tests have made.
		if ! (stack_of_lane "$lane" && { scripts/stack.sh down || true; } && scripts/stack.sh up); then
			broken "the stack does not come up"
			return
		fi
	done
	for ((lane = 0; lane < lanes; lane++)); do
		(stack_of_lane "$lane" && run_lane "$lane" run_bats "$@") &
	done
	collect_lanes
}

: >"$failures"
scripts/install-deps.sh
scripts/build.sh build
scripts/build.sh build-asan
export WHISPERBACKUP=$PWD/build-asan/whisperbackup
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
rm -rf build-asan/counts
mkdir -p build-asan/counts

for kind in "${kinds[@]}"; do
	case $kind in
	unit) run_unit '.*' ;;
	tsan) run_tsan ;;
	valgrind) run_valgrind ;;
	cli)
		mapfile -t files < <(files_of tests/cli 75 95)
		# One more lane: the first file waits for the minutes of real clocks most of its time.
		lanes=$((lanes + 1)) run_in_lanes run_bats "${files[@]}"
		;;
	torture)
		run_unit 'faults_.*|damage|folder_swap_script'
		run_bats tests/cli/95-faults.bats
		;;
	stack)
		# First those that want the stack as it is shipped (tests/stack/environment.sh), so that it is changed once.
		mapfile -t files < <(files_of tests/stack 95 22 72 85 10 20 90 71 76 25)
		run_stack "${files[@]}"
		;;
	tests/stack/*.bats) run_stack "$kind" ;;
	*)
		echo "usage: tests/run.sh [unit] [tsan] [valgrind] [cli] [stack] [torture] [tests/stack/NAME.bats]" >&2
		exit 2
		;;
	esac
done

say 'what was run'
tests/coverage.sh || echo 'coverage: it cannot be told'
[[ ! -s $failures ]] || { printf '\n== what failed\n' && cat "$failures"; }
printf '\n%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
[[ $failed -eq 0 && $passed -gt 0 ]]
