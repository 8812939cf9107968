# shellcheck shell=bash
# Single containers with Compose's labels, in a project of the test file's own; the stack itself is only asked for its
# images. Loaded after helpers.

use_project() { # NAME: of the containers to come; what an earlier run has left of it is removed
	stack_project=$COMPOSE_PROJECT_NAME
	export COMPOSE_PROJECT_NAME=${stack_project%-test}-$1-test
	remove_containers
}

remove_containers() {
	local id
	for id in $(docker ps --all --quiet --filter "label=com.docker.compose.project=$COMPOSE_PROJECT_NAME"); do
		docker rm --force --volumes --volumes "$id" >/dev/null
	done
}

image_of() { # SERVICE of the stack
	docker inspect --format '{{.Config.Image}}' "$(COMPOSE_PROJECT_NAME=$stack_project container "$1")"
}

run_service() { # SERVICE IMAGE-OF-SERVICE OPTION.. [-- ARGUMENT..]: sets $id
	local service=$1 image options=()
	image=$(image_of "$2")
	shift 2
	while (($#)) && [[ $1 != -- ]]; do
		options+=("$1")
		shift
	done
	id=$(docker run --detach --label "com.docker.compose.project=$COMPOSE_PROJECT_NAME" \
		--label "com.docker.compose.service=$service" --label com.docker.compose.oneoff=False "${options[@]}" "$image" "${@:2}")
}

in_redis() { # ARGUMENT..: with $password, if there is one
	docker exec -e "REDISCLI_AUTH=${password:-}" "$id" sh -c \
		'[ -n "$REDISCLI_AUTH" ] || unset REDISCLI_AUTH; exec redis-cli "$@"' sh "$@"
}

redis_answers() {
	[[ $(in_redis PING 2>/dev/null) == PONG ]]
}

chroma_answers() {
	docker exec "$id" bash -c 'exec 3<>/dev/tcp/127.0.0.1/8000 &&
		printf "GET /api/v2/heartbeat HTTP/1.0\r\nHost: localhost\r\n\r\n" >&3 && read -r line <&3 && [[ $line == *" 200"* ]]' 2>/dev/null
}
