#!/usr/bin/env bash
# Installs what building, testing and the local data stack need.
set -euo pipefail

note() { printf '%s\n' "$*"; }
fail() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

usage() {
    cat <<'TEXT'
Usage: scripts/install-deps.sh [--build | --package | --bench] [--compose-v2 | --compose-v2-in FOLDER]

Installs, from Debian or Ubuntu packages, what this project needs:
  --build   only what compiling the program needs
  --package that, and what building the Debian package needs
  (none)    that, and what the tests, the linters and the local data stack need
  --bench   that, and the programs that benchmarks compare with
  --compose-v2
            also Compose v2, where the system has only docker-compose 1.x (as on
            Debian 12): Debian 13's program goes to /usr/local, as "docker
            compose" and as "docker-compose", before the system's own in PATH
  --compose-v2-in FOLDER
            that program as FOLDER/docker-compose, and nothing else; for tests

Programs that are already there (docker, node, java, ...) are left alone, and
when nothing is missing, nothing is done. On macOS it says what to install.
TEXT
}

scope=all
compose_v2=
compose_v2_folder=
while [[ $# -gt 0 ]]; do
    case $1 in
        --build) scope=build ;;
        --package) scope=package ;;
        --bench) scope=bench ;;
        --compose-v2) compose_v2=yes ;;
        --compose-v2-in)
            [[ $# -ge 2 ]] || fail "--compose-v2-in wants a folder"
            compose_v2_folder=$2
            shift
            ;;
        -h | --help)
            usage
            exit 0
            ;;
        *)
            usage >&2
            exit 2
            ;;
    esac
    shift
done

fetch_compose_v2() { # FILE
    local root_dir stack_work
    root_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
    stack_work=$(mktemp -d)
    # shellcheck source=stack/lib.sh
    . "$root_dir/stack/lib.sh"
    apt_prepare trixie
    (cd "$stack_work" && apt_private trixie download docker-compose && dpkg-deb -x docker-compose_*.deb unpacked)
    "${as_root[@]}" install -D -m 755 "$stack_work/unpacked/usr/libexec/docker/cli-plugins/docker-compose" "$1"
    rm -rf "$stack_work"
}

as_root=()
if [[ -n $compose_v2_folder ]]; then
    [[ -x $compose_v2_folder/docker-compose ]] || fetch_compose_v2 "$compose_v2_folder/docker-compose"
    exit 0
fi

missing=()

# need_package PACKAGE..: by the name of the package
need_package() {
    local package
    for package in "$@"; do
        [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || missing+=("$package")
    done
}

# need_program PROGRAM PACKAGE..: the packages, unless the program is there
need_program() {
    local program=$1
    shift
    command -v "$program" >/dev/null || need_package "$@"
}

libraries=(curl jansson libarchive isa-l openssl sqlite cmocka)

on_macos() {
    local formulas=(meson ninja pkgconf "${libraries[@]}") formula absent=()
    [[ $scope != all ]] || formulas+=(bats-core jq clang-format llvm cppcheck shellcheck docker docker-compose)
    command -v brew >/dev/null || fail "install Homebrew, then: brew install ${formulas[*]}"
    for formula in "${formulas[@]}"; do
        brew list --versions "$formula" >/dev/null 2>&1 || absent+=("$formula")
    done
    if [[ ${#absent[@]} == 0 ]]; then
        note "everything is there"
        exit 0
    fi
    note "missing; install it with:"
    note "  brew install ${absent[*]}"
    exit 1
}

[[ $(uname -s) != Darwin ]] || on_macos
if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
    fail "this needs Debian or Ubuntu; elsewhere install meson, ninja, pkg-config, a C compiler and the development files of ${libraries[*]}"
fi

need_program meson meson
need_program ninja ninja-build
need_program pkg-config pkg-config
need_program gcc gcc
need_package libc6-dev libcurl4-openssl-dev libjansson-dev libarchive-dev libisal-dev libsqlite3-dev libssl-dev
if [[ $scope != build ]]; then
    need_program dpkg-buildpackage dpkg-dev
    need_package debhelper
fi
if [[ $scope == bench ]]; then
    need_program pigz pigz
    need_program zstd zstd
    need_program restic restic
    need_program borg borgbackup
    scope=all
fi
if [[ $scope == all ]]; then
    need_package libcmocka-dev
    need_program clang clang
    # clang's sanitizers are a package of their own; only a clang that is there can be asked for them.
    [[ -e $(clang -print-file-name=libclang_rt.asan-x86_64.a 2>/dev/null || true) ]] || need_package libclang-rt-dev
    need_program llvm-cov llvm
    need_program valgrind valgrind
    need_program bats bats
    need_program jq jq
    need_program curl curl
    need_program clang-format clang-format
    need_program clang-tidy clang-tidy
    need_program cppcheck cppcheck
    need_program shellcheck shellcheck
    # The manual page and the shells that complete.
    need_program man man-db
    need_program mandoc mandoc
    need_program zsh zsh
    need_program setsid util-linux
    # File systems of the tests' own: ones that clone files, have quotas, or cannot be read.
    need_program mkfs.ext4 e2fsprogs
    need_program mkfs.xfs xfsprogs
    need_program mkfs.btrfs btrfs-progs
    need_program crontab cron
    # The engine. A docker command alone may be only a client of an engine elsewhere.
    if ! docker version --format '{{.Server.Version}}' >/dev/null 2>&1; then
        PATH=$PATH:/usr/sbin need_program dockerd docker.io
    fi
    command -v docker >/dev/null || need_package docker.io
    PATH=$PATH:/usr/sbin need_program iptables iptables
    docker compose version >/dev/null 2>&1 || need_program docker-compose docker-compose
    # For building local images where none can be pulled.
    need_program npm npm
    need_program node nodejs
    need_program java default-jre-headless
    need_program mvn maven
fi

need_root() {
    [[ $(id -u) != 0 ]] || return 0
    command -v sudo >/dev/null || fail "not root and there is no sudo; as root: $*"
    as_root=(sudo)
}

if [[ ${#missing[@]} == 0 ]]; then
    note "everything is there"
else
    need_root "apt-get install ${missing[*]}"
    apt() { "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -y -q -o Acquire::Retries=3 "$@"; }
    note "installing with apt-get: ${missing[*]}"
    apt update
    apt install --no-install-recommends "${missing[@]}"
    note "installed"
fi

install_compose_v2() {
    local plugin=/usr/local/lib/docker/cli-plugins/docker-compose
    if [[ $(docker-compose version --short 2>/dev/null) =~ ^v?[2-9] ]]; then
        note "docker-compose is $(docker-compose version --short)"
        return
    fi
    need_root "scripts/install-deps.sh --compose-v2"
    fetch_compose_v2 "$plugin"
    "${as_root[@]}" ln -sfn "$plugin" /usr/local/bin/docker-compose
    hash -r
    note "docker-compose is $(docker-compose version --short) now (/usr/local/bin/docker-compose; remove it to have the system's own again)"
}
[[ -z $compose_v2 ]] || install_compose_v2
