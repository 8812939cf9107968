#!/usr/bin/env bash
# How many lines of src the tests have run that tests/run.sh has just run: the percentage, and the files with least of it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

shown=15 # files
build=$PWD/build-asan
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

compgen -G "$build/counts/*.profraw" >/dev/null || {
	echo 'coverage: nothing was counted'
	exit
}
llvm-profdata merge --sparse --output="$work/counts" "$build"/counts/*.profraw
objects=()
while IFS= read -r unit; do
	objects+=(--object "$unit")
done < <(find "$build/tests" -type f -executable \( -name 'test_*' -o -name whisperbackup-faults \) | sort)
llvm-cov export --summary-only --instr-profile="$work/counts" --ignore-filename-regex='/(tests|bench)/|^/usr/' \
	"$build/whisperbackup" "${objects[@]}" >"$work/summary.json"

printf 'least covered, in percent of their lines:\n'
jq -r --argjson shown "$shown" '.data[0].files | map({name: (.filename | sub(".*/src/"; "src/")),
	lines: .summary.lines} | select(.lines.count > 0)) | sort_by(.lines.percent) | .[:$shown][] |
	"\(.lines.percent * 10 | round / 10)\t\(.lines.count - .lines.covered) of \(.lines.count) lines not run\t\(.name)"' \
	"$work/summary.json" | expand -t 8,40
jq -r '.data[0].totals.lines | "coverage: \(.percent * 10 | round / 10) % of \(.count) lines in src"' "$work/summary.json"
