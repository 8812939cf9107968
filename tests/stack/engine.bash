# shellcheck shell=bash
# A Docker Engine of the tests' own, to be killed, and with control groups of version 2, whatever the machine has: its own
# mounts show them where programs look for them. It has a network of its own as well: one that wants no bridge removes
# docker0, which may be another engine's. Redis and ChromaDB run in it, without any network. Loaded after helpers.

engine_folder='' # short, because of the sockets in it

engine_is_possible() {
	[[ $(id -u) == 0 ]] && PATH=$PATH:/usr/sbin:/sbin command -v dockerd unshare nsenter >/dev/null
}

engine_answers() {
	docker version >/dev/null 2>&1
}

# The engine's process is found again after a test, which runs in another shell.
engine_process() {
	cat "$engine_folder/docker.pid" 2>/dev/null
}

engine_start() { # in the mounts that engine_prepare has made
	PATH=$PATH:/usr/sbin:/sbin nsenter --mount="$engine_folder/private/mounts" \
		--net="$engine_folder/private/net" setsid nohup dockerd \
		--data-root "$engine_folder/data" --exec-root "$engine_folder/run" --pidfile "$engine_folder/docker.pid" \
		--host "$DOCKER_HOST" --bridge none --iptables=false --ip6tables=false \
		>>"$engine_folder/log" 2>&1 </dev/null 3>&- &
	disown # or its end would be told
	wait_until engine_answers || fail "the engine does not start:" "$(tail -n 5 "$engine_folder/log")"
}

# Mounts of its own, in which programs of the tests run as well: what holds them is a file.
engine_prepare() {
	engine_folder=$(mktemp -d /var/tmp/wb-XXXXXX)
	mkdir "$engine_folder/private"
	mount --bind "$engine_folder/private" "$engine_folder/private"
	mount --make-private "$engine_folder/private"
	touch "$engine_folder"/private/{mounts,net}
	unshare --mount="$engine_folder/private/mounts" --net="$engine_folder/private/net" mount -t cgroup2 none /sys/fs/cgroup
	echo "$engine_folder" >"$BATS_FILE_TMPDIR/engine-folder"
}

# For setup and teardown: where it is, and the program as its neighbour.
engine_enter() {
	engine_folder=$(cat "$BATS_FILE_TMPDIR/engine-folder" 2>/dev/null) || return 1
	export DOCKER_HOST=unix://$engine_folder/docker.sock COMPOSE_PROJECT_NAME=whisperbackup-engine-test
	# shellcheck disable=SC2034 # helpers.bash reads it
	WHISPERBACKUP=$BATS_FILE_TMPDIR/whisperbackup
}

# Its containerd dies with it, a moment later. An engine that is started before that takes it for alive, and waits in vain.
engine_kill() {
	local process containerd
	process=$(engine_process)
	containerd=$(cat "$engine_folder/run/containerd/containerd.pid")
	kill -KILL "$process"
	wait_until has_ended "$process"
	wait_until has_ended "$containerd"
}

has_ended() { # PROCESS
	! kill -0 "$1" 2>/dev/null
}

engine_remove() {
	local process
	engine_enter || return 0
	docker ps --all --quiet 2>/dev/null | xargs -r docker rm --force --volumes --volumes >/dev/null 2>&1 || true
	for process in $(engine_process) $(cat "$engine_folder/run/containerd/containerd.pid" 2>/dev/null); do
		kill "$process" 2>/dev/null || true
		wait_until has_ended "$process"
	done
	umount "$engine_folder"/private/{mounts,net} "$engine_folder/private"
	rm -rf "$engine_folder"
}

# An engine that finds containers running kills them when it starts, and starts none again that is to run "unless-stopped"
# (moby 20.10): that is left to their owner.
engine_return() {
	engine_start
	docker start "$COMPOSE_PROJECT_NAME-redis" "$COMPOSE_PROJECT_NAME-chromadb" >/dev/null
}

image_of() { # SERVICE: in the engine of the stack
	docker inspect --format '{{.Config.Image}}' "$(container "$1")"
}

run_service() { # SERVICE FOLDER IMAGE [ARGUMENT..]
	docker run --detach --network none --restart unless-stopped --volume "$1:$2" --name "$COMPOSE_PROJECT_NAME-$1" \
		--label "com.docker.compose.project=$COMPOSE_PROJECT_NAME" --label "com.docker.compose.service=$1" \
		--label com.docker.compose.oneoff=False --env ANONYMIZED_TELEMETRY=FALSE "${@:3}" >/dev/null
}
