#!/usr/bin/env bash
# Everything that judges the sources without running them. Silent tools, exit status 0: all is well.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

mapfile -t sources < <(git ls-files '*.c')
mapfile -t headers < <(git ls-files '*.h')
mapfile -t scripts < <(git ls-files | while read -r file; do
	[[ -f $file ]] && head -c 20 "$file" | head -n 1 | grep -qE '^#!.*\b(ba)?sh$' && echo "$file" || true
done)

echo "clang-format: ${#sources[@]} sources, ${#headers[@]} headers"
clang-format --dry-run --Werror "${sources[@]}" "${headers[@]}"

echo "shellcheck: ${#scripts[@]} scripts"
shellcheck "${scripts[@]}"

echo "cppcheck"
cppcheck --quiet --error-exitcode=1 --std=c11 --enable=warning,performance,portability --inline-suppr \
	--suppress=missingIncludeSystem -D_GNU_SOURCE '-DWHISPERBACKUP_VERSION=""' -I src "${sources[@]}"

echo "clang-tidy"
[[ -f build-lint/build.ninja ]] || CC=clang meson setup build-lint >/dev/null
printf '%s\n' "${sources[@]}" | xargs -P "$(nproc)" -n 4 clang-tidy -p build-lint --quiet --warnings-as-errors='*' 2>/dev/null
echo "all is well"
