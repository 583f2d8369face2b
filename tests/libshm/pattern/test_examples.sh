#!/usr/bin/env bash
# The C programs of examples/ compile without warnings, run, and print what they shall; a type declared in C is the same
# in C++.
# Timeout: 120
. tests/support/shell.sh
cc=${CC:-gcc}
san=${SAN:+-fsanitize=$SAN}
compile() { # NAME SOURCE: against the library under test
	# shellcheck disable=SC2086
	$cc -Wall -Wextra -Werror $san ${COV:+--coverage} -I"$repository/libshm" -o "$1" "$2" "$OUT/libshm.a" $LIBSHM_LIBS
}
example() { # NAME EXPECTED-OUTPUT
	check "examples/$1.c compiles" compile "$1" "$repository/examples/$1.c"
	timeout 20 ./"$1" >out 2>err
	same "$1 exits with 0" 0 $?
	same "$1 prints what it shall" "$2" "$(cat out)"
	same "$1 complains about nothing" '' "$(grep -v ' us old)$' err)"
}

example typed '1 PLX 99.50
2 PLX 99.75
3 PLX 100.00'
example request 'call 1: 4
call 2: 9
call 3: 16'
example latest 22.0
example event '2000 files
disk full: no'

cat >same.c <<'END'
#include <plx/type.h>
#include <stdio.h>
enum color { RED = -1, GREEN };
enum big { BIG = 5 };
struct inner { int a; };
struct all {
	bool b; char c; signed char sc; unsigned char uc; short s; unsigned short us; int i; unsigned int ui; long l;
	unsigned long ul; long long ll; unsigned long long ull; float f; double d; long double ld; enum color e; enum big g;
	struct inner in; char text[9]; float m[2][3]; uint16_t list[4]; double vector[2];
};
PLX_TYPE(all, struct all, b, c, sc, uc, s, us, i, ui, l, ul, ll, ull, f, d, ld, e, g, in, text, m, list, vector);
#ifdef POINTER
struct bad { char *p; };
PLX_TYPE(bad, struct bad, p);
#endif
int main(void)
{
	static char text[2000];
	plx_type_text(PLX_TYPE_OF(all), text, sizeof(text));
	printf("%08x %s\n", plx_type_id(PLX_TYPE_OF(all)), text);
	return 0;
}
END
check 'a type of every kind compiles' compile same same.c
./same >same.c.out
for compiler in gcc clang; do
	type -P $compiler >/dev/null || continue
	for language in 'c -std=c11' 'c++ -std=c++11' 'c++ -std=c++17'; do
		# shellcheck disable=SC2086
		check "$compiler takes it as $language" $compiler -x $language -Wall -Wextra -Wpedantic -Werror -I"$repository/libshm" -c -o same.o same.c
		[ -n "${SAN:-}${COV:-}" ] && continue
		# shellcheck disable=SC2086
		check "and links it" $compiler -o same.$compiler same.o "$OUT/libshm.a" $LIBSHM_LIBS -lstdc++
		same "$compiler -x $language: the same type" "$(cat same.c.out)" "$(./same.$compiler)"
		# shellcheck disable=SC2086
		$compiler -x $language -DPOINTER -I"$repository/libshm" -fsyntax-only same.c 2>err
		same "$compiler -x $language: a field that is a pointer does not compile" no "$([ $? = 0 ] && echo yes || echo no)"
	done
done
finish
