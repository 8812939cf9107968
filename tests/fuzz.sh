#!/usr/bin/env bash
# Fuzzes: each harness of tests/fuzz, or those that are named, for SECONDS (60) from the inputs that there are. Says what was
# found, and where; exit status 1 if anything was. "grow" before the names adds to the corpus what earlier runs have
# found to go where nothing has gone yet.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

seconds=${SECONDS_EACH:-60}
limit=${MEGABYTES:-2048} # of memory: a harness that takes more is a finding
grow=0
[[ ${1:-} != grow ]] || { grow=1 && shift; }
harnesses=("$@")
if [[ ${#harnesses[@]} -eq 0 ]]; then
	mapfile -t harnesses < <(find tests/fuzz/corpus -mindepth 1 -maxdepth 1 -printf '%f\n' | sort)
fi

scripts/build.sh build-fuzz
# What harnesses unpack is best unpacked in memory.
parent=/dev/shm
[[ -w $parent ]] || parent=/tmp
TMPDIR=$(mktemp -d "$parent/whisperbackup-fuzz-XXXXXX")
export TMPDIR
trap 'rm -rf "$TMPDIR"' EXIT
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
mkdir -p build-fuzz/corpus build-fuzz/found build-fuzz/log
failed=()

run() { # HARNESS OPTION..
	build-fuzz/tests/fuzz/fuzz_"$1" -rss_limit_mb="$limit" -timeout=20 "${@:2}" "build-fuzz/corpus/$1" "tests/fuzz/corpus/$1"
}

for name in "${harnesses[@]}"; do
	mkdir -p "build-fuzz/corpus/$name"
	log=build-fuzz/log/$name
	dictionary=tests/fuzz/$name.dict
	options=(-max_total_time="$seconds" -artifact_prefix="build-fuzz/found/$name-" -print_final_stats=1)
	[[ ! -e $dictionary ]] || options+=("-dict=$dictionary")
	if [[ $grow -eq 1 ]]; then
		build-fuzz/tests/fuzz/fuzz_"$name" -merge=1 -rss_limit_mb="$limit" "tests/fuzz/corpus/$name" "build-fuzz/corpus/$name" \
			2>"$log"
		echo "$name: $(find "tests/fuzz/corpus/$name" -type f | wc -l) inputs"
	elif run "$name" "${options[@]}" >"$log" 2>&1; then
		echo "$name: nothing found in $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") runs"
	else
		failed+=("$name")
		echo "$name: found something"
		grep -E 'does not hold|runtime error|ERROR: |Test unit written' "$log" | sed 's/^/    /' || true
		echo "    all that was said: $log"
	fi
done
if [[ ${#failed[@]} -gt 0 ]]; then
	echo "found something: ${failed[*]}; give the input to build-fuzz/tests/fuzz/fuzz_NAME to see it again"
	exit 1
fi
