#!/usr/bin/env bash
# report.sh NAME [ARGUMENT..]: runs bench/NAME.sh, shows what it says, and puts that into docs/BENCHMARKS.md, between the
# comments "NAME begins" and "NAME ends".
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

document=docs/BENCHMARKS.md
grep -qF "<!-- $1 begins -->" "$document" || {
	printf 'error: %s has no place for %s\n' "$document" "$1" >&2
	exit 1
}
found=$(mktemp)
trap 'rm -f "$found"' EXIT
"bench/$1.sh" "${@:2}" | tee "$found"
awk -v begins="<!-- $1 begins -->" -v ends="<!-- $1 ends -->" -v found="$found" '
	$0 == ends { inside = 0 }
	!inside { print }
	$0 == begins { inside = 1; while ((getline line < found) > 0) print line }' "$document" >"$document.new"
mv "$document.new" "$document"
