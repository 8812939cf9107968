#!/usr/bin/env bash
# Builds the Debian package into build-deb/, in a copy of the sources: the tree stays as it is.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

scripts/install-deps.sh --package

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/whisperbackup"
tar cf - --exclude='./build*' --exclude=./.git --exclude=./backups --exclude=./.env . | tar xf - -C "$work/whisperbackup"

if ! (cd "$work/whisperbackup" && dpkg-buildpackage -b -us -uc) >"$work/log" 2>&1; then
	cat "$work/log" >&2
	exit 1
fi
rm -rf build-deb
mkdir build-deb
mv "$work"/whisperbackup_*.deb build-deb/
echo "built $(echo build-deb/whisperbackup_*.deb)"
