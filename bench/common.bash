# shellcheck shell=bash
# What all benches share. Sourced, from the project's folder; the script has a function `usage`.

# --NAME VALUE sets the variable NAME, if it is one of NAMES.
read_options() { # "NAMES" ARGUMENT..
	local names=$1
	shift
	while [[ $# -gt 0 ]]; do
		[[ $1 != -h && $1 != --help ]] || { usage && exit 0; }
		[[ $1 == --* && " $names " == *" ${1#--} "* && $# -ge 2 ]] || { usage >&2 && exit 2; }
		printf -v "${1#--}" '%s' "$2"
		shift 2
	done
}

median() { sort -n | awk '{ v[NR] = $1 } END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }
calculate() { awk "BEGIN { printf \"$1\", $2 }"; } # FORMAT EXPRESSION
now() { date +%s%N; }
milliseconds_since() { echo $((($(now) - $1) / 1000000)); }

# What a table was measured on. The disk's own speed is that of a gigabyte of zeros, flushed.
machine() {
	local model file=$1/disk began
	model=$(sed -n 's/^model name\s*: //p' /proc/cpuinfo | head -n 1)
	began=$(now)
	dd if=/dev/zero of="$file" bs=1M count=1024 conv=fsync status=none
	printf '%s, %s cores, %s GiB of memory; %s on a disk that takes %.0f MiB/s; Linux %s; %s.\n\n' "${model:-$(uname -m)}" "$(nproc)" \
		"$(awk '/MemTotal/ { printf "%.0f", $2 / 1048576 }' /proc/meminfo)" "$(df --output=fstype "$1" | tail -n 1)" \
		"$(calculate %f "1024000 / $(milliseconds_since "$began")")" "$(uname -r)" "$(date -u +%F)"
	rm -f "$file"
}
