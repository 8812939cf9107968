# The commands of this project; Meson and Ninja do the building.

.PHONY: all build asan test test-unit test-cli test-stack demo stack-up stack-down format lint install clean help

all: build

build: ## build/whisperbackup
	@scripts/build.sh build

asan: ## build-asan/whisperbackup, by clang with the address and undefined-behaviour sanitizers
	@scripts/build.sh build-asan

test: ## install what is missing, build, start the real stack, run all tests
	@tests/run.sh

test-unit: ## only the unit tests
	@tests/run.sh unit

test-cli: ## only the command-line tests, which need no Docker
	@tests/run.sh cli

test-stack: ## only the tests on real servers
	@tests/run.sh stack

demo: ## back up a real stack, break it, restore it, show that it is back
	@scripts/demo.sh

stack-up: ## start the four datastores of docker-compose.yml
	@scripts/stack.sh up

stack-down: ## remove them, with their data
	@scripts/stack.sh down

format: ## format the C code
	@git ls-files '*.c' '*.h' | xargs clang-format -i

lint: ## clang-format, clang-tidy, cppcheck and shellcheck; all have to be silent
	@scripts/lint.sh

install: build ## install the program (DESTDIR and the prefix of `meson configure` are honoured)
	@meson install -C build --no-rebuild

clean: ## remove what was built
	rm -rf build build-asan

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 14
