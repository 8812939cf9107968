#!/usr/bin/env bash
# How many lines of src the unit tests and the command-line tests run, and those on real servers if the stack of the tests
# is up (tests/stack/environment.sh). Ends with the percentage, and the files that have least of it. That a test fails is
# only mentioned here: `make test` is for that. What a program has counted that was killed is lost.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

shown=15 # files
build=$PWD/build-coverage
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

scripts/install-deps.sh >/dev/null
scripts/build.sh build >/dev/null
scripts/build.sh build-coverage
rm -rf "$build/counts"
mkdir "$build/counts"
export WHISPERBACKUP=$build/whisperbackup

# Runs COMMAND FILE for each file, as many at a time as there are cores.
run_all() { # COMMAND.. -- FILE..
	local command=()
	while [[ $1 != -- ]]; do
		command+=("$1")
		shift
	done
	shift
	# shellcheck disable=SC2016 # expanded by the shell that is started
	printf '%s\0' "$@" | xargs -0 -P "$lanes" -I '{}' bash -c \
		'"${@:2}" >/dev/null 2>&1 </dev/null || echo "${!#}" >>"$1"' - "$work/failed" "${command[@]}" '{}' || true
}

mapfile -t units < <(find "$build/tests" -type f -name 'test_*' -executable | sort)
# Those that install build programs of their own, which count nothing.
mapfile -t files < <(find tests/cli -name '*.bats' ! -name '80-install.bats' | sort)
lanes=$(nproc)
kinds='unit and command-line tests'
run_all env -- "${units[@]}"
run_all bats -- "${files[@]}"
# shellcheck source=tests/stack/environment.sh
if (source tests/stack/environment.sh && [[ -n $(docker ps --quiet --filter "label=com.docker.compose.project=$COMPOSE_PROJECT_NAME" 2>/dev/null) ]]); then
	lanes=1
	kinds='unit, command-line and stack tests'
	source tests/stack/environment.sh
	run_all bats -- tests/stack/*.bats
fi

llvm-profdata merge --sparse --output="$work/counts" "$build"/counts/*.profraw
objects=()
for unit in "${units[@]}"; do objects+=(--object "$unit"); done
llvm-cov export --summary-only --instr-profile="$work/counts" --ignore-filename-regex='/(tests|bench)/|^/usr/' \
	"$WHISPERBACKUP" "${objects[@]}" >"$work/summary.json"

[[ ! -e $work/failed ]] || sed 's/^/did not go well: /' "$work/failed"
printf '\nleast covered, in percent of their lines:\n'
jq -r --argjson shown "$shown" '.data[0].files | map({name: (.filename | sub(".*/src/"; "src/")),
	lines: .summary.lines} | select(.lines.count > 0)) | sort_by(.lines.percent) | .[:$shown][] |
	"\(.lines.percent * 10 | round / 10)\t\(.lines.count - .lines.covered) of \(.lines.count) lines not run\t\(.name)"' \
	"$work/summary.json" | expand -t 8,40
printf '\n'
jq -r --arg kinds "$kinds" '.data[0].totals.lines |
	"coverage: \(.percent * 10 | round / 10) % of \(.count) lines in src, by \($kinds)"' "$work/summary.json"
