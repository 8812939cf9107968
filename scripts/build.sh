#!/usr/bin/env bash
# Builds the program into a folder: "build" for use, "build-asan" for the tests, which also counts what they run
# (tests/coverage.sh), "build-release" for installing, "build-fuzz" for tests/fuzz.sh, "build-tsan" for tests/run.sh tsan.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

folder=${1:-build}
case $folder in
build) options=() ;;
build-release) options=(--buildtype=release -Dtests=false -Dwerror=false) ;;
build-asan)
	export CC=${CC:-clang}
	# clang links the sanitizers into programs only, which --no-undefined would take for an error.
	options=('-Db_sanitize=address,undefined' -Db_lundef=false)
	if [[ $CC == clang* ]]; then
		# Programs that run with another environment, as those of cron do, have to find the place of their counts as well.
		# %c and the option after it: counts are kept in the file while they are made, so that a kill loses none.
		counts=-fprofile-instr-generate=$PWD/$folder/counts/%c%m.profraw
		options+=("-Dc_args=$counts -fcoverage-mapping -mllvm -runtime-counter-relocation" "-Dc_link_args=$counts")
	fi
	;;
build-fuzz)
	export CC=clang
	options=('-Db_sanitize=address,undefined' -Db_lundef=false -Dc_args=-fsanitize=fuzzer-no-link -Dfuzz=true)
	;;
build-tsan)
	export CC=clang
	options=(-Db_sanitize=thread -Db_lundef=false)
	;;
*)
	echo "usage: scripts/build.sh build | build-asan | build-release | build-fuzz | build-tsan" >&2
	exit 2
	;;
esac

if ! command -v meson >/dev/null || ! command -v ninja >/dev/null; then
	scripts/install-deps.sh --build
fi
[[ -f $folder/build.ninja ]] || meson setup "${options[@]}" "$folder" >/dev/null
ninja -C "$folder" --quiet
echo "built $folder/whisperbackup"
