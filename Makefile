# The commands of this project; Meson and Ninja do the building.

prefix ?= $(or $(PREFIX),/usr/local)

.PHONY: all build asan test test-unit test-cli test-stack test-tsan test-valgrind coverage soak soak-restore soak-kills fuzz torture torture-stack bench bench-folder bench-create bench-restore bench-window demo stack-up stack-down format lint install uninstall deb clean help

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

test-tsan: ## the unit tests with the thread sanitizer
	@tests/run.sh tsan

test-valgrind: ## the unit tests with valgrind
	@tests/run.sh valgrind

coverage: ## how many lines of src the quick tests run, and which files have least of it; test says it of all
	@tests/run.sh unit cli

soak: ## fifty backups under load, each restored and checked for being of one moment
	@tests/soak.sh -n $(or $(N),50)

soak-restore: ## a restore of all four stores, killed and made to fail at every step
	@WHISPERBACKUP_TEST_STORES=postgresql,redis,chromadb,neo4j tests/run.sh tests/stack/76-killed-restore.bats

soak-kills: ## create, restore, drills and cleanup, killed N=500 times each at random instants; takes hours
	@tests/soak-kills.sh -n $(or $(N),500)

fuzz: ## everything that reads what comes from outside, fed with made-up inputs, each for SECONDS=60
	@SECONDS_EACH=$(or $(SECONDS),60) tests/fuzz.sh

torture: ## each call fails once, each bit of a backup flips; no Docker, takes a quarter of an hour
	@WHISPERBACKUP_TORTURE=full tests/run.sh torture

torture-stack: ## each answer of the engine is lost or refused once, memory once at each place, on the real stack; takes hours
	@WHISPERBACKUP_TORTURE=full tests/run.sh tests/stack/71-calls-fail.bats

bench: bench-folder bench-create bench-restore bench-window ## measure it all again, into docs/BENCHMARKS.md; takes an hour

bench-folder: ## how fast folders are archived and unpacked, beside tar, pigz, zstd, restic, borg and cp
	@bench/report.sh folder

bench-create: ## how long a backup of a whole stack takes, beside the commands by hand
	@bench/report.sh create

bench-restore: ## how long each service is down for a restore, beside its own stop and start
	@bench/report.sh restore

bench-window: ## how long services stand still, beside stop, copy, start
	@bench/report.sh window

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

install: ## a release build, installed; prefix=/usr/local and DESTDIR= say where to
	@scripts/build.sh build-release
	@meson configure build-release -Dprefix=$(abspath $(prefix))
	@meson install -C build-release --quiet

uninstall: ## remove what `make install` has installed
	@ninja -C build-release --quiet uninstall >/dev/null

deb: ## build-deb/whisperbackup_*.deb, for Debian and Ubuntu
	@scripts/package-deb.sh

clean: ## remove what was built
	rm -rf build build-asan build-deb build-fuzz build-lint build-release build-tsan

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 14
