#!/usr/bin/env bash
# make install into a folder: what lands there is enough to build the README's programs with pkg-config and run
# them, linked either way; make uninstall takes all of it away again.
# Timeout: 120
. tests/support/shell.sh
if [ -n "${SAN:-}" ] || [ -n "${COV:-}" ]; then
	skip 'an instrumented library is not installed'
	finish
fi
cc=${CC:-gcc}
prefix=/opt/parallax
dest=$work/dest
install() { # make install or uninstall of the variant under test
	make -s -C "$repository" NAME="$(basename "$B" | sed 's/^release$//')" PREFIX=$prefix DESTDIR="$dest" LIBDIR=$prefix/lib64 "$1" >"$1.log" 2>&1
}

check 'make install works' install install
for file in include/plx/plx.h lib64/libshm.a lib64/libshm.so.0 lib64/libshm.so lib64/pkgconfig/libshm.pc share/doc/parallax/LICENSE; do
	check "it installs $file" test -s "$dest$prefix/$file"
done
for program in "$BIN"/*; do
	check "it installs bin/${program##*/}" test -x "$dest$prefix/bin/${program##*/}"
done
for page in "$repository"/docs/man/*.1; do
	check "it installs man1/${page##*/}" test -s "$dest$prefix/share/man/man1/${page##*/}"
done
same 'the soname is the one programs ask for' libshm.so.0 \
	"$(readelf -d "$dest$prefix/lib64/libshm.so" | sed -n 's/.*SONAME.*\[\(.*\)\]/\1/p')"
same 'every exported symbol has a version' '' \
	"$(nm -D --defined-only "$dest$prefix/lib64/libshm.so" | awk '$2 != "A" { print $3 }' | grep -v '@@PLX_')"

# the code blocks of the README that are files
awk '/^<!-- file: .* -->$/ { name = $3; next }
	/^```c$/ && name != "" { inside = 1; next }
	/^```$/ { if (inside) name = ""; inside = 0; next }
	inside { print >name }' "$repository/README.md"
export PKG_CONFIG_PATH=$dest$prefix/lib64/pkgconfig PKG_CONFIG_SYSROOT_DIR=$dest
flags=$(pkg-config --cflags --libs libshm)
static=$(pkg-config --static --cflags --libs libshm)
check 'the README has a publisher and a subscriber' test -s hello_pub.c -a -s hello_sub.c
for program in hello_pub hello_sub; do
	check "$program of the README compiles with pkg-config" $cc -Wall -Wextra -Werror -o $program $program.c $flags
	check "$program links statically" $cc -Wall -Wextra -Werror -o $program.static $program.c ${static/-lshm/-l:libshm.a}
	same "$program has at most 30 lines" yes "$([ "$(grep -cve '^[[:space:]]*$' $program.c)" -le 30 ] && echo yes)"
done

export LD_LIBRARY_PATH=$dest$prefix/lib64
for suffix in '' .static; do
	for first in sub pub; do
		if [ $first = sub ]; then
			timeout 20 ./hello_sub$suffix >got 2>err & subscriber=$!
			sleep 0.1
			timeout 20 ./hello_pub$suffix; published=$?
		else
			timeout 20 ./hello_pub$suffix & publisher=$!
			sleep 0.1
			timeout 20 ./hello_sub$suffix >got 2>err & subscriber=$!
			wait $publisher; published=$?
		fi
		wait $subscriber
		same "they run, ${suffix:-dynamic}, ${first} first" '0 0' "$? $published"
		same 'and every greeting arrives in order' "$(for i in 0 1 2 3 4; do echo "hello, number $i"; done)" "$(cat got)"
	done
done

mkdir -p "$dest$prefix/include/other" && touch "$dest$prefix/include/other/stays.h"
check 'make uninstall works' install uninstall
same 'and leaves only what was not ours' ./include/other/stays.h "$(cd "$dest$prefix" && find . ! -type d)"
check 'and no folder of ours' test ! -e "$dest$prefix/include/plx" -a ! -e "$dest$prefix/share/doc/parallax"
finish
