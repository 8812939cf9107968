#!/usr/bin/env bash
# image.sh IMAGE: builds the writer's image, unless it is there as it is described here. Node.js comes from Debian 13 and
# the drivers from the npm registry, as for the local image of ChromaDB; it needs root and a Debian machine.
set -euo pipefail

image=$1
base=$image-base
writer_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
stack_dir=$(cd "$writer_dir/../../../stack" && pwd)
stack_work=
changes=()

note() { printf '  %s\n' "$*" >&2; }
fail() {
	printf 'error: %s\n' "$*" >&2
	exit 1
}
cleanup() { [[ -z $stack_work ]] || rm -rf "$stack_work"; }
trap cleanup EXIT

# shellcheck source=stack/lib.sh
source "$stack_dir/lib.sh"

recipe=$(cat "$writer_dir/image.sh" "$writer_dir/package.json" "$stack_dir/lib.sh" | sha256sum | cut -c 1-16)
if [[ $(docker image inspect --format '{{index .Config.Labels "whisperbackup.stack.recipe"}}' "$base" 2>/dev/null) != "$recipe" ]]; then
	command -v npm >/dev/null || fail "npm is needed for the writer's drivers: run scripts/install-deps.sh"
	stack_work=$(mktemp -d)
	chmod 755 "$stack_work"
	root=$stack_work/rootfs
	mkdir -p "$root/opt/writer"
	unpack trixie "$root" nodejs libstdc++6 libssl3t64 ca-certificates
	cp "$writer_dir/package.json" "$root/opt/writer/"
	note "fetching the drivers from the npm registry"
	(cd "$root/opt/writer" && npm install --omit=dev --ignore-scripts --no-audit --no-fund --loglevel=error >&2)
	changes=(
		'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
		'WORKDIR /opt/writer'
		'CMD ["node","writer.mjs"]'
	)
	note "importing $base"
	import_image "$root" "$base" "$recipe"
fi
DOCKER_BUILDKIT=0 docker build --quiet --build-arg "BASE=$base" --tag "$image" "$writer_dir" >/dev/null 2>&1 ||
	fail "the image $image cannot be built on $base"
