# shellcheck shell=bash
# The container that writes numbers to all four stores, one after the other, as a service of the tests' Compose project.
# Sourced by tests and by tests/soak.sh; needs COMPOSE_PROJECT_NAME.
#
# It is started by hand with the labels that Compose would give it: so it needs no Compose file of its own, and is the same
# to Compose 1 and 2.

writer_image=whisperbackup-test-writer
writer_folder=$(dirname "${BASH_SOURCE[0]}")/writer

writer_container() { # the name; there may be others in the project
	echo "${COMPOSE_PROJECT_NAME}_${1:-writer}_1"
}

writer_start() { # MODE [SERVICE [DOCKER-RUN-OPTION..]]: plain, heavy, rewriting, gentle or idle
	local mode=$1 service=${2:-writer} name
	shift $(($# < 2 ? $# : 2))
	"$writer_folder/image.sh" "$writer_image" || return 1
	name=$(writer_container "$service")
	docker rm --force --volumes "$name" >/dev/null 2>&1 || true
	docker run --detach --name "$name" --network "${COMPOSE_PROJECT_NAME}_default" \
		--label "com.docker.compose.project=$COMPOSE_PROJECT_NAME" --label "com.docker.compose.service=$service" \
		--label com.docker.compose.oneoff=False --label com.docker.compose.container-number=1 \
		--env "WRITER_MODE=$mode" --env POSTGRES_USER --env POSTGRES_PASSWORD --env POSTGRES_DB --env NEO4J_AUTH \
		"$@" "$writer_image" >/dev/null
}

writer_stop() { # the number in flight may be left half written
	docker stop --time 30 "$(writer_container)" >/dev/null
}

writer_again() {
	docker start "$(writer_container)" >/dev/null
}

# shellcheck disable=SC2120 # another service is rarely meant
writer_remove() { # [SERVICE]
	docker rm --force --volumes "$(writer_container "${1:-writer}")" >/dev/null 2>&1 || true
}

# Any of the writer's programs in a container that belongs to no project.
writer_program() { # FILE
	"$writer_folder/image.sh" "$writer_image" || return 1
	docker run --rm --network "${COMPOSE_PROJECT_NAME}_default" --env POSTGRES_USER --env POSTGRES_PASSWORD \
		--env POSTGRES_DB --env NEO4J_AUTH "$writer_image" node "$1"
}

# The numbers of all places begin again at 1.
writer_reset() {
	writer_remove writer
	writer_program reset.mjs
}

redis_container() {
	docker ps --all --quiet --filter "label=com.docker.compose.project=$COMPOSE_PROJECT_NAME" \
		--filter label=com.docker.compose.service=redis --filter label=com.docker.compose.oneoff=False
}

writer_number() { # how far it has got, in the chain through all stores
	local n
	n=$(docker exec "$(redis_container)" redis-cli --raw GET moment:all:counter) || return 1
	echo "${n:-0}"
}

writer_is_past() { # NUMBER
	local n
	n=$(writer_number) && [[ $n =~ ^[0-9]+$ && $n -gt $1 ]]
}
