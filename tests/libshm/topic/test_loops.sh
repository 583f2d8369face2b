#!/usr/bin/env bash
# The examples of event loops compile without warnings, run, and hear of everything: with epoll, and with libuv where it is.
# Timeout: 60
. tests/support/shell.sh

flags=() libs=()
[ -z "${SAN:-}" ] || flags+=("-fsanitize=$SAN")
[ -z "${COV:-}" ] || flags+=(--coverage)
# shellcheck disable=SC2086
compile() { "${CC:-cc}" -Wall -Wextra -Werror -O1 "${flags[@]}" -I"$repository/libshm" -o "$1" "$2" "$OUT/libshm.a" "${libs[@]}" $LIBSHM_LIBS; }

printf 'sum 55\nthe timer was heard: yes\n' >expected
check 'examples/loop.c compiles' compile loop "$repository/examples/loop.c"
timeout 30 ./loop >out 2>err
same 'a loop of epoll ends well' 0 $?
check 'and hears of every message and of its timer' cmp expected out

if echo '#include <uv.h>' | "${CC:-cc}" -E -x c - >/dev/null 2>&1; then
	libs=(-luv)
	check 'examples/uv.c compiles' compile uv "$repository/examples/uv.c"
	timeout 30 ./uv >out 2>err
	same 'a loop of libuv ends well' 0 $?
	check 'and hears of every message and of its timer' cmp expected out
else
	echo 'no libuv here: examples/uv.c is not tried'
fi
finish
