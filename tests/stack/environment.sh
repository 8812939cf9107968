# shellcheck shell=bash
# Where the tests on real servers run: a Compose project and ports of their own. Sourced. Two runs at the same time need
# different values of the two settings.
export COMPOSE_PROJECT_NAME=${WHISPERBACKUP_TEST_PROJECT:-whisperbackup-test} # ends in -test
test_ports=${WHISPERBACKUP_TEST_PORTS:-20000}                                 # added to each of the usual ones
export POSTGRES_PORT=$((5432 + test_ports)) REDIS_PORT=$((6379 + test_ports)) CHROMADB_PORT=$((8000 + test_ports))
export NEO4J_HTTP_PORT=$((7474 + test_ports)) NEO4J_BOLT_PORT=$((7687 + test_ports))
unset BACKUP_DIR DOCKER_HOST

# Most files of tests use a stack without health checks, which start a process in a container each, and so take a quarter
# of two processors; helpers.bash asks the services itself. Without the engine's filter of system calls, which is made anew
# for each process, "docker exec" takes a quarter less. Neo4j waits 10 s in each stop for connections that may still come;
# there it does not, and takes 0.4 s. Those that say stack=as_shipped before have it as docker-compose.yml is.
quick_stack() { # prints its compose file (Compose 1 can take no health check out of another file's service)
	awk '/^    [^ #]/ { inside = $1 == "healthcheck:" }
		/^ ? ?[^ ]/ { inside = 0 }
		!inside
		$1 == "image:" { print "    security_opt: [\"seccomp=unconfined\"]" }
		$1 == "NEO4J_AUTH:" { print "      NEO4J_internal_dbms_bolt_netty__server__shutdown__quiet__period: \"0\"" }' docker-compose.yml
}

export STACK_FILE=docker-compose.yml
if [[ ${stack:-} != as_shipped ]]; then
	STACK_FILE=build/quick-stack.yml
	if [[ ! $STACK_FILE -nt docker-compose.yml || ! $STACK_FILE -nt tests/stack/environment.sh ]]; then
		mkdir -p build
		quick_stack >"$STACK_FILE.$$"
		mv "$STACK_FILE.$$" "$STACK_FILE"
	fi
fi
