#!/usr/bin/env bash
# How fast is a folder copied into an archive? Ours, beside `tar czf` and `cp`, with seeded data in the page cache; every
# time includes the flush to disk. Prints a table; numbers are of this machine and this moment, so look at the ratios.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

usage() {
	cat <<'TEXT'
Usage: bench/copy.sh [--size 1024] [--rounds 3] [--kinds "vectors text random small"] [--folder /var/tmp] [--program FILE]

  --size       MiB of data of each kind; small files, of 4 KiB, are a twentieth of it
  --rounds     how often ours and cp are measured; the fastest is shown. tar is so slow that once is enough
  --folder     where data and archives are put for the time being
  --program    another bench-folder-copy, such as that of a version before, instead of the one built here
TEXT
}

size=1024
rounds=3
kinds='vectors text random small'
parent=/var/tmp
program=
while [[ $# -gt 0 ]]; do
	case $1 in
	--size | --rounds | --kinds | --folder | --program)
		[[ $# -ge 2 ]] || { usage >&2 && exit 2; }
		case $1 in
		--size) size=$2 ;;
		--rounds) rounds=$2 ;;
		--kinds) kinds=$2 ;;
		--folder) parent=$2 ;;
		--program) program=$2 ;;
		esac
		shift
		;;
	-h | --help) usage && exit 0 ;;
	*) usage >&2 && exit 2 ;;
	esac
	shift
done

if [[ -z $program ]]; then
	scripts/build.sh build >/dev/null
	ninja -C build --quiet bench-folder-copy
	program=build/bench-folder-copy
fi
folder=$(mktemp -d "$parent/whisperbackup-bench-XXXXXX")
trap 'rm -rf "$folder"' EXIT

# fastest ROUNDS COMMAND...: seconds of the fastest run of a command that makes $folder/out.
fastest() {
	local best=999999 began seconds
	for ((round = 0; round < $1; round++)); do
		rm -rf "$folder/out"
		sync
		began=$EPOCHREALTIME
		"${@:2}" >/dev/null
		seconds=$(awk -v a="$began" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.2f", b - a }')
		best=$(printf '%s\n' "$best" "$seconds" | sort -n | head -n 1)
	done
	echo "$best"
}

with_tar() { tar czf "$folder/out" -C "$folder" "$1" && sync "$folder/out"; }
with_cp() { cp -r "$folder/$1" "$folder/out" && sync -f "$folder/out"; }
bytes_of() { stat -c %s "$folder/out"; }

printf '%-8s %7s %11s %9s %7s %12s\n' data MiB 'ours s' 'tar czf s' 'cp s' 'ours/tar bytes'
for kind in $kinds; do
	mib=$size
	[[ $kind != small ]] || mib=$((size / 20))
	"$program" make "$kind" "$folder/$kind" "$mib"
	find "$folder/$kind" -type f -exec cat {} + >/dev/null
	ours=$(fastest "$rounds" "$program" copy "$folder/$kind" "$folder/out")
	our_bytes=$(bytes_of)
	tar=$(fastest 1 with_tar "$kind")
	tar_bytes=$(bytes_of)
	cp=$(fastest "$rounds" with_cp "$kind")
	printf '%-8s %7d %11s %9s %7s %12s\n' "$kind" "$mib" "$ours" "$tar" "$cp" \
		"$(awk -v a="$our_bytes" -v b="$tar_bytes" 'BEGIN { printf "%.3f", a / b }')"
	rm -rf "${folder:?}/$kind" "$folder/out"
done
