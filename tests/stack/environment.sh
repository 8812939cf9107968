# shellcheck shell=bash
# Where the tests on real servers run: a Compose project and ports of their own. Sourced. Two runs at the same time need
# different values of the two settings.
export COMPOSE_PROJECT_NAME=${WHISPERBACKUP_TEST_PROJECT:-whisperbackup-test} # ends in -test
test_ports=${WHISPERBACKUP_TEST_PORTS:-2}                                     # the first digit of each
export POSTGRES_PORT=${test_ports}5432 REDIS_PORT=${test_ports}6379 CHROMADB_PORT=${test_ports}8000
export NEO4J_HTTP_PORT=${test_ports}7474 NEO4J_BOLT_PORT=${test_ports}7687
unset BACKUP_DIR DOCKER_HOST
