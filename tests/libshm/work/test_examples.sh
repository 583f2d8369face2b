#!/usr/bin/env bash
# The examples of pools compile without warnings, run, and say what is right; and shmctl sees a pool that runs.
# Timeout: 120
. tests/support/shell.sh

flags=() libs=()
[ -z "${SAN:-}" ] || flags+=("-fsanitize=$SAN")
[ -z "${COV:-}" ] || flags+=(--coverage)
# shellcheck disable=SC2086
compile() { "${CC:-cc}" -Wall -Wextra -Werror -O1 "${flags[@]}" -I"$repository/libshm" -o "$1" "$2" "$OUT/libshm.a" $LIBSHM_LIBS; }

for example in counter words stages; do
	check "examples/$example.c compiles" compile "$example" "$repository/examples/$example.c"
done

timeout 60 ./counter >out 2>err
same 'the counter is right although a worker was killed' '100000 counted, 1 worker replaced' "$(cat out)"

cat "$repository"/docs/*.md "$repository"/LICENSE* >text
timeout 60 ./words text >out 2>err
same 'counting words succeeds' 0 $?
LC_ALL=C tr -cs 'A-Za-z' '\n' <text | tr 'A-Z' 'a-z' | grep . | awk 'length <= 23' | LC_ALL=C sort | uniq -c |
	awk '{ print $1, $2 }' | LC_ALL=C sort >expected
awk '{ print $1, $2 }' out | LC_ALL=C sort >counted
check "a text of $(wc -w <text) words is counted as sort and uniq count it" cmp expected counted

for text in nowhere .; do
	timeout 60 ./words $text >out 2>err
	same "a text that cannot be read ($text) is an error" 1 $?
	says '... and it says so' err 'No such file|I/O error|EIO|error'
done

timeout 60 ./stages >out 2>err
cat >expected <<'END'
1 digits: 9 takes 19 steps
2 digits: 97 takes 118 steps
3 digits: 871 takes 178 steps
4 digits: 6171 takes 261 steps
5 digits: 77031 takes 350 steps
END
check 'three stages compute what one would' cmp expected out

mkfifo pipe
./words pipe >out 2>err & words=$!
exec 3>pipe
echo 'one two three' >&3
listed() {
	"$BIN/shmctl" list >list 2>err
	grep -qE 'words +workers .* 2 workers' list
}
until_true 20 listed
says 'shmctl list shows a pool, and how many workers it has, not how many it may have' list 'words +workers .* 2 workers'
"$BIN/shmctl" inspect words >inspect 2>err
same 'shmctl inspect shows it' 0 $?
says 'with its workers, one by one' inspect 'pid +restarts +put aside +slots +state +handled'
says 'and what they do' inspect '8192 +idle'
"$BIN/shmctl" check words >check 2>err
same 'shmctl check finds nothing wrong with it' 0 $?
exec 3>&-
wait $words
same 'and it goes on undisturbed' "$(printf '1 one\n1 three\n1 two')" "$(awk '{ print $1, $2 }' out | sort -k2)"
finish
