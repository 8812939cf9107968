#!/usr/bin/env bash
# Do the stores of the project show one moment of what the writer wrote, and does ChromaDB give all its records? Prints
# one line of JSON (writer/check.mjs). Exit status 0: they do; 1: they do not. The writer should not run meanwhile.
set -euo pipefail

# shellcheck source=tests/stack/writer.bash
source "$(dirname "${BASH_SOURCE[0]}")/writer.bash"
writer_program check.mjs
