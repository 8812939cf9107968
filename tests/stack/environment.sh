# shellcheck shell=bash
# Where the tests on real servers run: a Compose project and ports of their own. Sourced. Two runs at the same time need
# different values of the two settings.
export COMPOSE_PROJECT_NAME=${WHISPERBACKUP_TEST_PROJECT:-whisperbackup-test} # ends in -test
test_ports=${WHISPERBACKUP_TEST_PORTS:-20000}                                 # added to each of the usual ones
export POSTGRES_PORT=$((5432 + test_ports)) REDIS_PORT=$((6379 + test_ports)) CHROMADB_PORT=$((8000 + test_ports))
export NEO4J_HTTP_PORT=$((7474 + test_ports)) NEO4J_BOLT_PORT=$((7687 + test_ports))
unset BACKUP_DIR DOCKER_HOST
