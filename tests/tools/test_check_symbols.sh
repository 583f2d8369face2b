#!/usr/bin/env bash
# tools/check-symbols on a small library: what is declared is exported, nothing else, and only base calls the kernel.
. tests/support/shell.sh
unset SAN COV

mkdir -p house/docs house/libshm/plx house/libshm/base house/libshm/mem
cd house || exit 1
cp "$repository/docs/floors" docs/floors
house() { # in order
	printf 'int plx_one(void);\nvoid plx_two(int);\nstatic inline int plx_three(void) { return 3; }\n' >libshm/plx/plx.h
	printf 'PLX_0.1 {\nglobal:\n\tplx_one;\n\tplx_two;\nlocal:\n\t*;\n};\n' >libshm/libshm.map
	printf '#include <unistd.h>\nint plx_one(void) { return (int)getpid(); }\n' >libshm/base/a.c
	printf '#include <string.h>\nvoid plx_two(int a) { (void)strlen((char *)(long)a); }\nint plx_helper;\n' >libshm/mem/b.c
}
symbols() {
	rm -rf out
	mkdir -p out/libshm/base out/libshm/mem
	gcc -c -fPIC -o out/libshm/base/a.o libshm/base/a.c && gcc -c -fPIC -o out/libshm/mem/b.o libshm/mem/b.c || return 1
	ar rcs out/libshm.a out/libshm/*/*.o
	gcc -shared -o out/libshm.so.1 -Wl,--version-script,libshm/libshm.map out/libshm/*/*.o
	"$repository/tools/check-symbols" out out >result 2>&1
}
refuses() {
	check "$1" eval '! symbols'
	says 'and says why' result "$2"
	house
}

house
check 'a library in order passes' symbols
same 'without a word' '' "$(cat result)"
echo 'int plx_more(void);' >>libshm/plx/plx.h
refuses 'a function that is declared but not in the map' 'plx_more is declared in a public header but not in libshm'
echo 'int plx_more(void);' >>libshm/plx/plx.h && sed -i 's/plx_one;/plx_one; plx_more;/' libshm/libshm.map
refuses 'a function that is declared but does not exist' 'plx_more is declared in a public header but not defined'
sed -i 's/plx_one;/plx_one; plx_helper;/' libshm/libshm.map
refuses 'a symbol that is exported but not declared' 'plx_helper is exported but declared in no public header'
sed -i 's/plx_one;/plx_one; plx_gone;/' libshm/libshm.map
refuses 'a name in the map that nobody declares' 'plx_gone is in libshm/libshm.map but declared in no'
echo 'int helper;' >>libshm/mem/b.c
refuses 'a global name that is not ours' 'helper is global in libshm.a but does not begin with plx_'
printf '#include <unistd.h>\nint plx_pid(void) { return (int)getpid(); }\n' >>libshm/mem/b.c
refuses 'a room above base that calls the kernel' 'libshm/mem/b.o calls getpid: system calls belong in libshm/base'
echo 'long __isoc23_strtol(const char *, char **, int); long plx_n(void) { return __isoc23_strtol("1", 0, 10); }' >>libshm/mem/b.c
check 'a function the C library has in the version of a standard is that function' eval 'symbols; ! grep isoc23 result'
house
cd .. || exit 1
finish
