#!/bin/bash
# compare.sh DIR_A DIR_B [STORE...] - compare two directories that state.sh wrote.
#
# Prints "same: STORE (N lines)" for each store that is equal, and for the others the first lines of the difference.
# Without STORE, all stores are compared that have a file in either directory.
# Exit status: 0 all equal; 1 something differs, a file is missing in one of the two, or there was nothing to compare.
set -euo pipefail
export LC_ALL=C

(($# >= 2)) || { echo 'usage: compare.sh DIR_A DIR_B [STORE...]' >&2; exit 1; }
a=$1 b=$2
shift 2
if ((!$#)); then
  for store in postgresql redis chromadb neo4j; do
    if [[ -e $a/$store.txt || -e $b/$store.txt ]]; then set -- "$@" "$store"; fi
  done
fi
(($#)) || { echo 'compare: nothing to compare' >&2; exit 1; }
different=0
for store in "$@"; do
  for dir in "$a" "$b"; do
    if [[ ! -f $dir/$store.txt ]]; then
      echo "MISSING: $dir/$store.txt"
      different=1
      continue 2
    fi
  done
  if cmp -s "$a/$store.txt" "$b/$store.txt"; then
    echo "same: $store ($(wc -l <"$a/$store.txt") lines)"
  else
    different=1
    echo "DIFFERENT: $store"
    { diff --text --speed-large-files -U0 "$a/$store.txt" "$b/$store.txt" || true; } | awk 'NR <= 22 { print "  " substr($0, 1, 220) }'
  fi
done
exit "$different"
