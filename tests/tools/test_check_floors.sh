#!/usr/bin/env bash
# tools/check-floors must find each kind of trespass, and let good code pass.
. tests/support/shell.sh

tree() { # a small house that is in order
	rm -rf house
	mkdir -p house/docs house/libshm/plx house/libshm/base house/libshm/mem house/libshm/topic house/publisher
	cp "$repository/docs/floors" house/docs/floors
	echo '#include <stdint.h>' >house/libshm/plx/common.h
	echo '#include <plx/common.h>' >house/libshm/base/sys.h
	echo '#include "base/sys.h"' >house/libshm/mem/pool.h
	printf '#include "mem/pool.h"\n#include "topic/log.h"\n/* never MSG_PEEK, never\n * volatile */\n' >house/libshm/topic/log.c
	touch house/libshm/topic/log.h house/publisher/feed.h
	printf '#include "publisher/feed.h"\n#include <plx/common.h>\n' >house/publisher/main.c
}
floors() { "$repository/tools/check-floors" house >out 2>&1; }

# refuses SENTENCE FILE REGEX: with the code from stdin in that file
refuses() {
	tree
	cat >"house/$2"
	if floors; then
		not_ok "$1"
	else
		says "$1" out "$2:[0-9]+: .*$3"
	fi
}

tree
check 'a house in order passes' floors
same 'without a word' '' "$(cat out)"
refuses 'a lower room may not include a higher one' libshm/mem/bad.c 'libshm/mem may not include libshm/topic' <<<'#include "topic/log.h"'
refuses 'base includes nobody' libshm/base/bad.c 'may not include libshm/mem' <<<'#include "mem/pool.h"'
refuses 'a binary may not include a private header' publisher/bad.c 'publisher may not include libshm/base' <<<'#include "base/sys.h"'
refuses 'nor by a path with dots' publisher/bad.c 'without dots' <<<'#include "../libshm/base/sys.h"'
refuses 'nor in angle brackets' publisher/bad.c 'go in quotes' <<<'#include <base/sys.h>'
refuses 'a header which does not exist is found' publisher/bad.c 'no such file' <<<'#include "nowhere.h"'
refuses 'a public one as well' publisher/bad.c 'no such public header' <<<'#include <plx/nowhere.h>'
refuses 'public headers go in angle brackets' libshm/mem/bad.c 'included as <plx' <<<'#include "plx/common.h"'
refuses 'a lock is refused' libshm/topic/bad.c 'a lock in memory a peer can write' <<<'static pthread_mutex_t m;'
refuses 'peeking is refused' libshm/topic/bad.c 'descriptors' <<<'	recvmsg(fd, &m, MSG_PEEK);'
refuses 'volatile is refused' libshm/topic/bad.c 'atomics' <<<'	int x; /* a */ volatile int y;'
refuses 'an atomic without an order is refused' libshm/topic/bad.c 'order' <<<'	x = atomic_load(&y);'
tree
mkdir house/attic && echo "int a;" >house/attic/a.c
check 'a room that nobody knows is refused' eval '! floors'
says 'and named' out 'attic/a.c:1: its folder has no row'
finish
