#!/usr/bin/env bash
# How long does it take to verify an archive and to unpack it, beside gzip and tar? No server is needed. Prints seconds;
# they are of this machine and this moment, so look at the ratios.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

usage() {
	cat <<'TEXT'
Usage: bench/reading.sh [--size 1024] [--rounds 3] [--program build/reading]

  --size       MiB of data; 10,000 files of 4 KiB come on top
  --rounds     how often each is done
  --program    what reads: to compare with another build
TEXT
}

size=1024
rounds=3
program=build/reading
while [[ $# -gt 0 ]]; do
	case $1 in
	--size | --rounds | --program)
		[[ $# -ge 2 ]] || { usage >&2 && exit 2; }
		case $1 in
		--size) size=$2 ;;
		--rounds) rounds=$2 ;;
		--program) program=$2 ;;
		esac
		shift
		;;
	-h | --help) usage && exit 0 ;;
	*) usage >&2 && exit 2 ;;
	esac
	shift
done

if [[ $program == build/reading ]]; then
	scripts/build.sh build >/dev/null
	ninja -C build --quiet reading
fi
scratch=$(mktemp -d "${TMPDIR:-/var/tmp}/whisperbackup-bench-XXXXXX")
trap 'rm -rf "$scratch"' EXIT

# TITLE WORDS... : how long each round takes. Each gets a folder of its own: ext4 avoids inodes that were freed lately, and
# looks at every one of them for each new file.
measure() {
	local round began
	for ((round = 0; round < rounds; round++)); do
		out=$(mktemp -d "$scratch/out-XXXXXX")
		sync
		began=$(date +%s%N)
		"${@:2}" >"$scratch/said"
		printf '%-34s %6.2f s   %s\n' "$1" "$(($(date +%s%N) - began))e-9" "$(tr '\n' ' ' <"$scratch/said")"
	done
}

untar() {
	tar -C "$out" -xzf "$1"
	sync -f "$out"
}

unpack() {
	"$program" unpack "$1" "$out"
}

"$program" make "$scratch/data" "$size" >/dev/null
"$program" pack "$scratch/data" "$scratch/own.tar.gz" >/dev/null
tar -C "$scratch" -czf "$scratch/foreign.tar.gz" data
"$program" make "$scratch/few" 0 >/dev/null
"$program" pack "$scratch/few" "$scratch/small.tar.gz" >/dev/null
stat -c '%n %s' "$scratch"/*.gz | awk '{ print $1, int($2 / 1048576), "MiB" }' | sed 's|.*/||'

measure 'gzip -t' gzip -t "$scratch/own.tar.gz"
measure 'sha256sum' sha256sum "$scratch/own.tar.gz"
measure 'inflate' "$program" inflate "$scratch/own.tar.gz"
measure 'check' "$program" check "$scratch/own.tar.gz"
measure 'check, made by tar' "$program" check "$scratch/foreign.tar.gz"
measure 'tar xzf, flushed' untar "$scratch/own.tar.gz"
measure 'unpack' unpack "$scratch/own.tar.gz"
measure 'tar xzf, 10,000 files of 4 KiB' untar "$scratch/small.tar.gz"
measure 'unpack, 10,000 files of 4 KiB' unpack "$scratch/small.tar.gz"
