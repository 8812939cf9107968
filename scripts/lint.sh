#!/usr/bin/env bash
# Everything that judges the sources without running them. Silent tools, exit status 0: all is well.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

mapfile -t sources < <(git ls-files '*.c')
mapfile -t headers < <(git ls-files '*.h')
is_shell_script() {
	[[ -f $1 ]] || return 1
	# What completion.bash lacks, its writer puts in (src/reference).
	[[ $1 != src/reference/completion.bash ]] || return 1
	[[ $1 == *.bats || $1 == *.bash ]] || head -n 1 "$1" | grep -qE '^#!.*[/ ](ba)?sh( |$)'
}
scripts=()
while IFS= read -r file; do
	if is_shell_script "$file"; then scripts+=("$file"); fi
done < <(git ls-files)

echo "clang-format: ${#sources[@]} sources, ${#headers[@]} headers"
clang-format --dry-run --Werror "${sources[@]}" "${headers[@]}"

echo "shellcheck: ${#scripts[@]} scripts"
shellcheck --external-sources "${scripts[@]}"

echo "cppcheck"
# memleak: cppcheck does not know that __attribute__((cleanup)) frees; the sanitizers of the tests do.
cppcheck --quiet --error-exitcode=1 --std=c11 --enable=warning,performance,portability --inline-suppr \
	--suppress=missingIncludeSystem --suppress=memleak -D_GNU_SOURCE '-DWHISPERBACKUP_VERSION=""' -I src "${sources[@]}"

echo "clang-tidy"
[[ -f build-lint/build.ninja ]] || CC=clang meson setup build-lint >/dev/null
ninja -C build-lint build.ninja >/dev/null # how each file is compiled may have changed since
printf '%s\n' "${sources[@]}" | xargs -P "$(nproc)" -n 4 clang-tidy -p build-lint --quiet --warnings-as-errors='*' 2>/dev/null
echo "all is well"
