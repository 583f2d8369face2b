#!/usr/bin/env bash
# The two programs of the README are cut out of it, compiled, and run against each other, in both start orders.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$work"' EXIT
export XDG_RUNTIME_DIR="$work/run"
mkdir -m 700 "$XDG_RUNTIME_DIR"

program() { # NAME.c: the code block after its "file:" mark
	awk -v mark="<!-- file: $1 -->" '$0 == mark {seen = 1; next}
		seen && /^```c$/ {inside = 1; next} inside && /^```$/ {exit} inside' "$root/README.md"
}

flags=${SAN:+-fsanitize=$SAN}
: "${LIBSHM_LIBS:=-lsodium -pthread}" # make test says what the library needs
for name in hello_pub hello_sub; do
	program $name.c > "$work/$name.c"
	[ "$(wc -l < "$work/$name.c")" -gt 10 ] || { echo "README.md has no program $name.c"; exit 1; }
	[ "$(wc -l < "$work/$name.c")" -le 32 ] || { echo "$name.c is longer than 32 lines"; exit 1; }
	${CC:-cc} -Wall -Wextra -Werror $flags -I"$root/libshm" -o "$work/$name" "$work/$name.c" "$B/libshm.a" $LIBSHM_LIBS
done

printf 'hello, number %d\n' 0 1 2 3 4 > "$work/expected"
for first in hello_sub hello_pub; do
	second=$([ $first = hello_sub ] && echo hello_pub || echo hello_sub)
	"$work/$first" > "$work/$first.out" & first_pid=$!
	sleep 0.2
	timeout 20 "$work/$second" > "$work/$second.out"
	wait $first_pid
	cmp "$work/expected" "$work/hello_sub.out"
	echo "ok: $first started first"
done
