# shellcheck shell=bash
# Where the tests on real servers run: a Compose project and ports of their own. Sourced.
export COMPOSE_PROJECT_NAME=whisperbackup-test
export POSTGRES_PORT=25432 REDIS_PORT=26379 CHROMADB_PORT=28000 NEO4J_HTTP_PORT=27474 NEO4J_BOLT_PORT=27687
unset BACKUP_DIR DOCKER_HOST
