#!/usr/bin/env bash
# How fast does a folder become an archive, and the archive a folder again? Ours, beside what people use instead, with
# seeded data in the page cache; every time includes the flush to disk. Prints tables in Markdown; seconds are of this
# machine and this moment, so look at the ratios.
# shellcheck disable=SC2016 # the backticks are Markdown's
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=bench/common.bash
source bench/common.bash

usage() {
	cat <<'TEXT'
Usage: bench/folder.sh [--size 1024] [--rounds 5] [--kinds "vectors text records noise small"] [--growth "512 1024 2048 4096 8192"]
                       [--folder /var/tmp]

  --size       MiB of data, mixed as a stack has it; of each kind alone it is half of that
  --rounds     of all programs, one after the other; medians are shown
  --kinds      measured one by one, beside tar and cp; "" leaves that out
  --growth     MiB of data for which ours is measured alone; "" leaves that out
  --folder     where data and archives are put for the time being

Programs that are missing are installed where that is possible (Debian's pigz, zstd, restic, borgbackup), or left out.
TEXT
}

size=1024
rounds=5
kinds='vectors text records noise small'
growth='512 1024 2048 4096 8192'
folder=/var/tmp
read_options 'size rounds kinds growth folder' "$@"

scripts/install-deps.sh --bench >/dev/null 2>&1 || echo 'some programs could not be installed' >&2
scripts/build.sh build-release >/dev/null
ninja -C build-release --quiet bench-folder measure
ours=$PWD/build-release/bench-folder
measure=$PWD/build-release/measure
scratch=$(mktemp -d "$folder/whisperbackup-bench-XXXXXX")
trap 'rm -rf "$scratch"' EXIT
cd "$scratch"
export RESTIC_PASSWORD=bench RESTIC_CACHE_DIR=$scratch/cache BORG_BASE_DIR=$scratch/borg
export BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK=yes

# --- the programs: each makes `archive` of `data`, and `out/data` of `archive` ----------------------------------------

declare -A needs=([tar]=tar [pigz]=pigz [zstd]=zstd [restic]=restic [borg]=borg [cp]=cp)
declare -A title=([ours]=whisperbackup [tar]='`tar czf`' [pigz]='`tar \| pigz`' [zstd]='`tar \| zstd -1 -T0`'
	[restic]='restic (first backup)' [borg]='borg (first backup)' [cp]='`cp -a`: the limit')
declare -A create=(
	[ours]="$ours create data ./archive"
	[tar]='tar czf archive data'
	[pigz]='tar cf - data | pigz >archive'
	[zstd]='tar cf - data | zstd -q -1 -T0 >archive'
	[restic]='restic -q -r archive backup data'
	[borg]='borg create archive::first data'
	[cp]='cp -a data archive'
)
declare -A restore=(
	[ours]="mkdir out/data && $ours restore archive out/data"
	[tar]='tar xzf archive -C out'
	[pigz]='pigz -dc archive | tar xf - -C out'
	[zstd]='zstd -q -dc archive | tar xf - -C out'
	[restic]='restic -q -r archive restore latest --target out'
	[borg]='cd out && borg extract ../archive::first'
	[cp]='cp -a archive out/data'
)

# Out of the way, but not removed: ext4 avoids inodes that were freed in the last minutes, and looks at every one of them
# for each new file, which takes longer than all else. What they take on the disk is given back all the same.
put_aside() { # NAME
	mkdir -p old
	[[ ! -e $1 ]] || mv "$1" "old/$((++aside))"
}
aside=0

prepare() { # PROGRAM: an empty repository, where it needs one
	put_aside archive
	case $1 in
	restic) restic -q -r archive init >/dev/null ;;
	borg) borg init -e none archive >/dev/null 2>&1 ;;
	esac
}

# Appends a line "seconds, processor seconds, KiB" to FILE; all that was written is on the disk then.
measured() { # FILE COMMAND
	sync
	"$measure" "$1" bash -o pipefail -c "$2 && cd '$scratch' && sync -f ." >/dev/null
}

field() { cut -d ' ' -f "$1" "$2" | median; } # NUMBER FILE
bytes_of() { du -sb archive | cut -f 1; }

create_with() { # PROGRAM
	prepare "$1"
	measured "create-$1" "${create[$1]}"
	bytes_of >"bytes-$1"
}

restore_with() { # PROGRAM
	put_aside out
	mkdir out
	measured "restore-$1" "${restore[$1]}"
	diff -rq data out/data >/dev/null || { echo "error: $1 has not brought the same data back" >&2 && exit 1; }
}

into_cache() { find data -type f -exec cat {} + >/dev/null; }

give_back() { # the disk, what was put aside
	find old -type f -size +64k -exec truncate --size 0 {} +
}

fresh_data() { # KIND MIB
	put_aside data
	put_aside archive
	put_aside out
	give_back
	rm -f create-* restore-* verify-* bytes-*
	"$ours" make "$1" data "$2"
	: >data/chroma.sqlite3 # what makes it a folder of Chroma's, for verify
	sync
	into_cache
}

# --- tables -----------------------------------------------------------------------------------------------------------

programs=(ours)
for program in tar pigz zstd restic borg cp; do
	if command -v "${needs[$program]}" >/dev/null; then
		programs+=("$program")
	else
		echo "SKIPPED ${title[$program]}: it is not installed" >&2
	fi
done

printf 'Measured on: '
machine .
fresh_data mixed "$size"
for ((round = 1; round <= rounds; round++)); do
	for program in "${programs[@]}"; do
		create_with "$program"
		restore_with "$program"
	done
done
printf '%s MiB of mixed data, median of %s rounds; in brackets how many times as long as ours.\n\n' "$size" "$rounds"
printf '| | backup | processor | memory | restore | processor | memory | size |\n| --- | --- | --- | --- | --- | --- | --- | --- |\n'
for program in "${programs[@]}"; do
	row=("$(field 1 "create-$program")" "$(field 2 "create-$program")" "$(field 3 "create-$program")"
		"$(field 1 "restore-$program")" "$(field 2 "restore-$program")" "$(field 3 "restore-$program")")
	printf '| %s | %.2f s (%s) | %.1f s | %.0f MiB | %.2f s (%s) | %.1f s | %.0f MiB | %.0f MiB (%s) |\n' "${title[$program]}" \
		"${row[0]}" "$(calculate %.1f "${row[0]} / $(field 1 create-ours)")" "${row[1]}" "$(calculate %f "${row[2]} / 1024")" \
		"${row[3]}" "$(calculate %.1f "${row[3]} / $(field 1 restore-ours)")" "${row[4]}" "$(calculate %f "${row[5]} / 1024")" \
		"$(calculate %f "$(<"bytes-$program") / 1048576")" "$(calculate %.2f "$(<"bytes-$program") / $(<bytes-ours)")"
done

if [[ -n $kinds ]]; then
	printf '\n%s MiB of each kind alone (small files: a fifth of it), median of 3 rounds; tar once.\n\n' $((size / 2))
	printf '| kind | ours | `tar czf` | `cp -a` | restore: ours | `tar xzf` | `cp -a` | size beside tar |\n| --- | --- | --- | --- | --- | --- | --- | --- |\n'
fi
for kind in $kinds; do
	fresh_data "$kind" "$([[ $kind == small ]] && echo $((size / 10)) || echo $((size / 2)))"
	for program in ours cp ours cp ours cp tar; do
		create_with "$program"
		restore_with "$program"
	done
	printf '| %s | %.2f s | %.2f s (%s) | %.2f s (%s) | %.2f s | %.2f s (%s) | %.2f s (%s) | %s |\n' "$kind" "$(field 1 create-ours)" \
		"$(field 1 create-tar)" "$(calculate %.0f "$(field 1 create-tar) / $(field 1 create-ours)")" \
		"$(field 1 create-cp)" "$(calculate %.1f "$(field 1 create-cp) / $(field 1 create-ours)")" "$(field 1 restore-ours)" \
		"$(field 1 restore-tar)" "$(calculate %.1f "$(field 1 restore-tar) / $(field 1 restore-ours)")" \
		"$(field 1 restore-cp)" "$(calculate %.1f "$(field 1 restore-cp) / $(field 1 restore-ours)")" \
		"$(calculate %.3f "$(<bytes-ours) / $(<bytes-tar)")"
done

if [[ -n $growth ]]; then
	printf '\nOurs against the amount of mixed data, median of 3 rounds: seconds for each GiB, and memory; `cp -a` there and back\n'
	printf 'in the same rounds, for what the disk does.\n\n'
	printf '| MiB | backup | memory | `cp -a` | verify | memory | restore | memory | `cp -a` |\n'
	printf '| --- | --- | --- | --- | --- | --- | --- | --- | --- |\n'
fi
for mib in $growth; do
	fresh_data mixed "$mib"
	for ((round = 1; round <= 3; round++)); do
		create_with ours
		measured verify-ours "$ours verify archive"
		restore_with ours
		create_with cp
		restore_with cp
		give_back
	done
	per_gib() { calculate %.2f "$(field 1 "$1") / $mib * 1024"; } # FILE
	memory() { calculate %.0f "$(field 3 "$1") / 1024"; }
	printf '| %s | %s s | %s MiB | %s s | %s s | %s MiB | %s s | %s MiB | %s s |\n' "$mib" "$(per_gib create-ours)" \
		"$(memory create-ours)" "$(per_gib create-cp)" "$(per_gib verify-ours)" "$(memory verify-ours)" \
		"$(per_gib restore-ours)" "$(memory restore-ours)" "$(per_gib restore-cp)"
done
