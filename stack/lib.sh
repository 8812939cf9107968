# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154
# Shared by the image recipes in this folder: a root file system out of Debian
# packages, unpacked without running their scripts, and its import as an image.
#
# A recipe is a file <service>/build.sh that is sourced and defines
#   build_image ROOTFS   fill the folder and set the array "changes"
# It finds: stack_dir (this folder), stack_work (a work folder), note, fail.

stack_keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# The Debian archive this machine is configured to use.
debian_archive() {
    local uri release component
    if [[ -n ${STACK_APT_ARCHIVE:-} ]]; then
        printf '%s\n' "$STACK_APT_ARCHIVE"
        return
    fi
    # shellcheck disable=SC2016 # apt-get expands them
    while IFS='|' read -r uri release component; do
        [[ $component == main ]] || continue
        case $release in
            bookworm | trixie | stable | oldstable | testing | sid)
                printf '%s\n' "$uri"
                return
                ;;
        esac
    done < <(apt-get indextargets --format '$(REPO_URI)|$(RELEASE)|$(COMPONENT)' 'Created-By: Packages' 2>/dev/null)
    return 1
}

# apt_private SUITE ARGS...: apt-get with state of its own, as if nothing were
# installed, so that it resolves complete dependencies and changes nothing here.
apt_private() {
    local suite=$1 state=$stack_work/apt-$1
    shift
    apt-get -qq \
        -o Dir::Etc::sourcelist="$state/sources.list" -o Dir::Etc::sourceparts=- \
        -o Dir::Etc::preferences=/dev/null -o Dir::Etc::preferencesparts="$state/none" \
        -o Dir::State="$state" -o Dir::State::lists="$state/lists" -o Dir::State::status="$state/status" \
        -o Dir::Cache="$state/cache" -o Dir::Cache::archives="$state/archives" \
        -o APT::Sandbox::User=root -o APT::Default-Release= -o APT::Install-Recommends=false \
        -o APT::Get::List-Cleanup=false -o APT::Update::Error-Mode=any -o Acquire::Languages=none -o Acquire::Retries=3 \
        -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false \
        -o Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled=false \
        "$@"
}

apt_prepare() {
    local suite=$1 state=$stack_work/apt-$1 archive options=
    [[ ! -e $state/ready ]] || return 0
    archive=$(debian_archive) || fail "no Debian archive among this machine's apt sources; set STACK_APT_ARCHIVE to one"
    mkdir -p "$state/lists/partial" "$state/cache" "$state/archives/partial" "$state/none"
    : >"$state/status"
    [[ ! -r $stack_keyring ]] || options="[signed-by=$stack_keyring] "
    printf 'deb %s%s %s main\n' "$options" "$archive" "$suite" >"$state/sources.list"
    note "reading the package lists of Debian $suite"
    apt_private "$suite" update || fail "cannot read the package lists of Debian $suite from $archive"
    : >"$state/ready"
}

# What every image gets: enough for sh, tar, gzip, find and the like.
base_packages=(base-files base-passwd bash coreutils dash findutils gosu grep gzip hostname
    libc-bin mawk ncurses-base procps sed tar tzdata util-linux)

# unpack SUITE ROOTFS PACKAGE...
unpack() {
    local suite=$1 root=$2 state=$stack_work/apt-$1 deb dir
    shift 2
    apt_prepare "$suite"
    rm -f "$state/archives/"*.deb
    note "fetching packages of Debian $suite: $*"
    apt_private "$suite" install -y --download-only "${base_packages[@]}" "$@"
    for dir in bin sbin lib; do
        mkdir -p "$root/usr/$dir"
        ln -sfn "usr/$dir" "$root/$dir"
    done
    if [[ $(dpkg --print-architecture) == amd64 ]]; then
        mkdir -p "$root/usr/lib64"
        ln -sfn usr/lib64 "$root/lib64"
    fi
    mkdir -p "$root"/{etc,dev,proc,sys,run,root,tmp,home,var/tmp,var/log}
    for deb in "$state/archives/"*.deb; do
        case ${deb##*/} in
            # Dependencies of maintainer scripts, and the JIT's compiler.
            apt_* | debconf_* | perl_* | perl-modules* | libperl* | systemd_* | libllvm* | postgresql-common_*)
                continue
                ;;
        esac
        dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$root" --keep-directory-symlink
    done
    rm -f "$state/archives/"*.deb
    rm -rf "$root"/usr/share/{doc,man,info,lintian,bug,doc-base} "$root/usr/lib/systemd"
    chmod 1777 "$root/tmp" "$root/var/tmp"
    ln -sfn /run "$root/var/run"
    # What the packages' own scripts would have done.
    [[ -e $root/usr/bin/sh ]] || ln -s dash "$root/usr/bin/sh"
    [[ -e $root/usr/bin/awk ]] || ln -s mawk "$root/usr/bin/awk"
    cp "$root/usr/share/base-passwd/passwd.master" "$root/etc/passwd"
    cp "$root/usr/share/base-passwd/group.master" "$root/etc/group"
    sed -i 's/^root:\*:/root:x:/' "$root/etc/passwd"
    printf 'passwd: files\ngroup: files\nhosts: files dns\n' >"$root/etc/nsswitch.conf"
    ldconfig -r "$root"
}

# add_user ROOTFS NAME UID GID HOME [SHELL]
add_user() {
    printf '%s:x:%s:%s::%s:%s\n' "$2" "$3" "$4" "$5" "${6:-/bin/sh}" >>"$1/etc/passwd"
    printf '%s:x:%s:\n' "$2" "$4" >>"$1/etc/group"
}

# import_image ROOTFS IMAGE RECIPE-ID
import_image() {
    local args=() change signal=
    for change in "${changes[@]}" "LABEL whisperbackup.stack.recipe=$3"; do
        case $change in
            # The one setting that "docker import" does not take.
            STOPSIGNAL*) signal=$change ;;
            *) args+=(--change "$change") ;;
        esac
    done
    tar -C "$1" --numeric-owner -c . | docker import "${args[@]}" - "$2" >/dev/null
    [[ -z $signal ]] || printf 'FROM %s\n%s\n' "$2" "$signal" | DOCKER_BUILDKIT=0 docker build -q -t "$2" - >/dev/null 2>"$stack_work/build.log" ||
        { cat "$stack_work/build.log" >&2 && return 1; }
}
