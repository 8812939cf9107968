#!/usr/bin/env bash
# Fuzzes: each harness of tests/fuzz, or those that are named, for SECONDS_EACH (60), beginning with the inputs that there
# are. Says what was found, and where; exit status 1 if anything was. With "grow" before the names nothing is fuzzed: what
# earlier runs have found to reach code that no input of the corpus reaches is added to it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

seconds=${SECONDS_EACH:-60}
limit=${MEGABYTES:-2048} # of memory: a harness that takes more is a finding
longest=8192             # bytes of an input: what is longer finds little more, and is slow

grow=0
[[ ${1:-} != grow ]] || { grow=1 && shift; }
harnesses=("$@")
if [[ ${#harnesses[@]} -eq 0 ]]; then
	mapfile -t harnesses < <(find tests/fuzz/corpus -mindepth 1 -maxdepth 1 -printf '%f\n' | sort)
fi

scripts/build.sh build-fuzz
mkdir -p build-fuzz/found build-fuzz/log
# What harnesses write and unpack is best kept in memory.
parent=/dev/shm
[[ -w $parent ]] || parent=/tmp
TMPDIR=$(mktemp -d "$parent/whisperbackup-fuzz-XXXXXX")
export TMPDIR
trap 'rm -rf "$TMPDIR"' EXIT
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1

failed=()
for name in "${harnesses[@]}"; do
	corpus=tests/fuzz/corpus/$name
	kept=build-fuzz/corpus/$name
	log=build-fuzz/log/$name
	mkdir -p "$kept"
	harness=(build-fuzz/tests/fuzz/"fuzz_$name" "-rss_limit_mb=$limit" "-max_len=$longest" -timeout=20)
	if [[ $grow -eq 1 ]]; then
		"${harness[@]}" -merge=1 -use_counters=0 "$corpus" "$kept" >"$log" 2>&1
		echo "$name: $(find "$corpus" -type f | wc -l) inputs"
	elif "${harness[@]}" "-max_total_time=$seconds" "-artifact_prefix=build-fuzz/found/$name-" -print_final_stats=1 \
		"$kept" "$corpus" >"$log" 2>&1; then
		echo "$name: nothing found in $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") runs"
	else
		failed+=("$name")
		echo "$name: found something; all that was said is in $log"
		grep -E 'does not hold|runtime error|ERROR: |Test unit written' "$log" | sed 's/^/    /' || true
	fi
done
if [[ ${#failed[@]} -gt 0 ]]; then
	echo "something was found by: ${failed[*]}; to see it again: build-fuzz/tests/fuzz/fuzz_NAME FILE"
	exit 1
fi
