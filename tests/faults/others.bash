# shellcheck shell=bash
# Without memory some libraries crash where they do not look whether they got any (OpenSSL 3.0: locks that it makes when it
# comes up; libarchive; fts_open of glibc 2.36), and so does the address sanitizer at the start of a thread. That cannot be helped from here: for
# who looks at what is left, the program was killed. libarchive ends it with 1, as if it had failed.
ended_by_others() { # FILE: what it said
	local top # the innermost frame that is not of the C library or the sanitizer
	! grep -q LeakSanitizer "$1" || return 1
	! grep -q 'Fatal Internal Error in libarchive: ' "$1" || return 0
	! grep -q '^ *#0 .* in fts_open ' "$1" || return 0
	! grep -q 'CHECK failed.*pthread_getattr_np' "$1" || return 0
	top=$(grep -m 1 -A 8 ' #0 ' "$1" | grep -v ' in __interceptor_\| nptl/\| string/\| libio/\|/sysdeps/' | head -n 1) || return 1
	[[ $top == *@(/libcrypto.so|/libarchive.so)* ]]
}
