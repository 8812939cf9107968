#!/usr/bin/env bash
# build-image.sh SERVICE IMAGE WORK-FOLDER RECIPE-ID: builds the local image of a
# service; called by scripts/stack.sh.
set -euo pipefail

stack_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
service=$1
image=$2
stack_work=$3
recipe=$4
changes=()

note() { printf '  %s\n' "$*" >&2; }
fail() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

# shellcheck source=stack/lib.sh
. "$stack_dir/lib.sh"
# shellcheck source=/dev/null
. "$stack_dir/$service/build.sh"

rootfs=$stack_work/rootfs-$service
rm -rf "$rootfs"
mkdir -p "$rootfs"
build_image "$rootfs"
[[ ${#changes[@]} -gt 0 ]] || fail "the recipe of $service sets nothing"
note "importing $image"
import_image "$rootfs" "$image" "$recipe"
rm -rf "$rootfs"
