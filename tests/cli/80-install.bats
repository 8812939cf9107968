#!/usr/bin/env bats
# shellcheck shell=bats disable=SC2016,SC2030,SC2031,SC2154
# make install and make deb, each once, from a copy of the sources in which nothing was built.

load helpers

setup_file() {
	export sources=$BATS_FILE_TMPDIR/sources
	mkdir "$sources"
	tar cf - -C "$repository" --exclude='./build*' --exclude=./.git --exclude=./backups . | tar xf - -C "$sources"
}

setup() {
	enter_project
	unset MAKEFLAGS MAKELEVEL CC CFLAGS LDFLAGS
	installed=$BATS_FILE_TMPDIR/installed
	package=$BATS_FILE_TMPDIR/package
}

# --- make install -----------------------------------------------------------------------------------------------------

install_once() {
	[[ -d $installed ]] || run_expecting 0 make -C "$sources" install prefix=/usr "DESTDIR=$installed"
}

# Every file with its mode, and the scripts that are there.
expected_files() { # FOLDER-OF-ZSH-FUNCTIONS
	local script
	echo "755 usr/bin/whisperbackup"
	echo "644 usr/share/bash-completion/completions/whisperbackup"
	echo "644 usr/share/doc/whisperbackup/CHANGELOG.md"
	echo "644 usr/share/doc/whisperbackup/CONTRIBUTING.md"
	echo "644 usr/share/doc/whisperbackup/README.md"
	(cd "$sources" && find docs -type f -printf '644 usr/share/doc/whisperbackup/%p\n')
	for script in bot.sh scripts/backup_scheduler.sh scripts/health_check.sh; do
		[[ ! -e $sources/$script ]] || echo "755 usr/share/whisperbackup/$script"
	done
	echo "644 usr/share/zsh/$1/_whisperbackup"
}

@test "make install puts everything below DESTDIR and prefix, and nothing else" {
	install_once
	assert_equal "$(cd "$installed" && find . -type f -printf '%m %P\n' | sort -k 2)" \
		"$( (expected_files site-functions && echo '644 usr/share/man/man1/whisperbackup.1') | sort -k 2)"
}

@test "the installed program runs" {
	install_once
	run_expecting 0 "$installed/usr/bin/whisperbackup" --version
	assert_equal "$output" "$("$WHISPERBACKUP" --version)"
	make_backup 20240912_143022
	run_expecting 0 "$installed/usr/bin/whisperbackup" list
	assert_contains "$output" 20240912_143022
}

@test "what is installed has no sanitizers in it" {
	install_once
	! grep -qE '__(a|ub)san_' "$installed/usr/bin/whisperbackup" || fail 'there is a sanitizer in it'
}

@test "the installed completion offers the commands" {
	install_once
	run_expecting 0 bash --norc -c 'source "$1" && COMP_WORDS=(whisperbackup resto) COMP_CWORD=1 && _whisperbackup &&
		echo "${COMPREPLY[@]}"' bash "$installed/usr/share/bash-completion/completions/whisperbackup"
	assert_equal "$output" restore
}

@test "the installed bot.sh finds the installed program" {
	install_once
	run_expecting 0 env PATH="$installed/usr/bin:$PATH" "$installed/usr/share/whisperbackup/bot.sh" backup --version
	assert_contains "$output" whisperbackup
}

@test "the links of the installed README lead somewhere" {
	install_once
	local link
	while IFS= read -r link; do
		[[ -e $installed/usr/share/doc/whisperbackup/$link ]] || fail "$link is not installed"
	done < <(grep -oE '\]\(docs/[A-Z]+\.md' "$installed/usr/share/doc/whisperbackup/README.md" | cut -c 3-)
}

@test "make uninstall removes what make install has installed, and no more" {
	install_once
	local other=$BATS_TEST_TMPDIR/other
	run_expecting 0 make -C "$sources" install PREFIX=/opt/backups "DESTDIR=$other"
	[[ -x $other/opt/backups/bin/whisperbackup ]] || fail 'PREFIX does not count'
	touch "$other/opt/backups/bin/neighbour"
	run_expecting 0 make -C "$sources" uninstall
	assert_equal "$(cd "$other" && find . -type f)" ./opt/backups/bin/neighbour
}

# --- make deb ---------------------------------------------------------------------------------------------------------

# Builds the package and unpacks it. Nothing is installed on this machine.
package_once() {
	local program
	for program in dpkg-buildpackage dpkg-deb dh; do
		command -v $program >/dev/null || skip "there is no $program"
	done
	[[ $(id -u) == 0 ]] || skip 'not root: files would not be owned as in a real package'
	if [[ ! -d $package ]]; then
		run_expecting 0 make -C "$sources" deb
		dpkg-deb -x "$sources"/build-deb/whisperbackup_*.deb "$package"
	fi
	deb=$(echo "$sources"/build-deb/whisperbackup_*.deb)
}

@test "the package holds what make install installs, where Debian wants it" {
	package_once
	assert_equal "$(dpkg-deb --fsys-tarfile "$deb" | tar tvf - | awk '/^-/ { print $1, $2, $6 }' | sort -k 3)" "$( (
		expected_files vendor-completions
		echo '644 usr/share/doc/whisperbackup/changelog.gz'
		echo '644 usr/share/doc/whisperbackup/copyright'
		echo '644 usr/share/man/man1/whisperbackup.1.gz'
	) | sed 's|^755 |-rwxr-xr-x root/root ./|; s|^644 |-rw-r--r-- root/root ./|' | sort -k 3)"
}

@test "the package has the program's version" {
	package_once
	assert_equal "whisperbackup $(dpkg-deb --field "$deb" Version)" "$("$WHISPERBACKUP" --version)"
}

@test "the packaged program runs" {
	package_once
	make_backup 20240912_143022
	run_expecting 0 "$package/usr/bin/whisperbackup" list
	assert_contains "$output" 20240912_143022
}

@test "dpkg installs the package, and removes it whole" {
	package_once
	local root=$BATS_TEST_TMPDIR/root
	mkdir -p "$root/var/lib/dpkg/info" "$root/var/lib/dpkg/updates"
	touch "$root/var/lib/dpkg/status"
	# Into a root of its own, in which nothing else is installed.
	run_expecting 0 dpkg --root="$root" --log=/dev/null --force-depends --install "$deb"
	assert_equal "$(dpkg-query --admindir="$root/var/lib/dpkg" --show --showformat '${db:Status-Status}' whisperbackup)" installed
	make_backup 20240912_143022
	run_expecting 0 "$root/usr/bin/whisperbackup" list
	assert_contains "$output" 20240912_143022
	run_expecting 0 dpkg --root="$root" --log=/dev/null --purge whisperbackup
	assert_equal "$(find "$root" -path "$root/var" -prune -o -type f -print)" ''
}

@test "the package depends on the libraries it is linked to, and only suggests an engine and cron" {
	package_once
	local library depends
	depends=$(dpkg-deb --field "$deb" Depends)
	for library in libc6 libcurl libjansson libarchive libisal libssl; do
		assert_contains "$depends" "$library"
	done
	assert_equal "$(dpkg-deb --field "$deb" Suggests)" 'cron, docker.io'
}

@test "apt can resolve what the package depends on" {
	package_once
	command -v apt-get >/dev/null || skip 'there is no apt-get'
	apt-cache policy libc6-dev 2>/dev/null | grep -qE 'https?:' || skip 'apt has no lists of packages'
	run_expecting 0 apt-get install --simulate --quiet "$deb"
	assert_contains "$output" 'Inst whisperbackup'
}

@test "the packaged manual page can be read" {
	package_once
	command -v man >/dev/null || skip 'there is no man'
	run_expecting 0 man --warnings -l "$package/usr/share/man/man1/whisperbackup.1.gz"
	assert_equal "$errors" ''
	assert_contains "$output" 'EXIT STATUS'
}

@test "building the package leaves nothing but the package" {
	package_once
	assert_equal "$(cd "$sources" && echo build-deb/* && find debian -newer build-deb -type f)" \
		"build-deb/${deb##*/}"
}
