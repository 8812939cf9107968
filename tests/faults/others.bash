# shellcheck shell=bash
# Without memory some libraries crash where they do not look whether they got any (OpenSSL 3.0: locks that it makes when it
# comes up; libarchive), and so does the address sanitizer at the start of a thread. That cannot be helped from here: for
# who looks at what is left, the program was killed.
ended_by_others() { # FILE: what it said
	local top
	! grep -q LeakSanitizer "$1" || return 1
	! grep -q 'Fatal Internal Error in libarchive: ' "$1" || return 0
	top=$(grep -m 1 -A 3 ' #0 ' "$1") || return 1
	[[ $top == *' in __sanitizer::GetThreadStackTopAndBottom('* ||
		($top != */src/* && $top == *@(/libcrypto.so|/libarchive.so)*) ]]
}
