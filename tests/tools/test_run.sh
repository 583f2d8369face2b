#!/usr/bin/env bash
# tests/run itself: it must notice what fails, hangs, crashes or stays behind.
. tests/support/shell.sh
runner=$repository/tests/run

# program NAME: a test script from stdin
program() {
	{ echo '#!/usr/bin/env bash' && cat; } >"$1"
	chmod +x "$1"
}
# run ARGUMENT...: leaves out, code
run() {
	B='' SAN='' "$runner" "$@" >out 2>&1
	code=$?
}
last() { tail -n 1 out; }

program good <<<'echo noise'
program three <<<'echo "ok - one"; echo "ok - two"; echo "skip - three"'
program bad <<<'echo "the reason"; exit 3'
program half <<<'echo "ok - one"; echo "not ok - two"; exit 1'
program crash <<<'kill -SEGV $$'
program skipped <<<'exit 77'
long=345.$$ longer=346.$$ # of this run: another may be going on elsewhere
program hangs <<<"sleep $long & setsid sleep $long & sleep $long"
program process <<<"(trap '' TERM HUP; exec setsid sleep $longer) & exit 0"
program socket <<<'mkdir -p "$XDG_RUNTIME_DIR/parallax/t" && touch "$XDG_RUNTIME_DIR/parallax/t/1-2.sock"'
program file <<<'touch "$TMPDIR/forgotten"'
program folders <<<'[ -d "$TMPDIR" ] && [ -d "$XDG_RUNTIME_DIR" ] && [ -z "$(ls -A "$TMPDIR" "$XDG_RUNTIME_DIR" | grep -v :)" ]'
program cmocka <<'EOF2'
echo '[==========] Running 3 test(s).'
echo '[ RUN      ] a'
echo '[       OK ] a'
echo '[ RUN      ] b'
echo '[  FAILED  ] b'
echo '[ RUN      ] c'
echo '[  SKIPPED ] c'
echo '[==========] 3 test(s) run.'
exit 1
EOF2
program cut <<'EOF2'
echo '[==========] Running 4 test(s).'
echo '[       OK ] a'
kill -SEGV $$
EOF2

run ./good ./three ./folders
same 'what passes is counted by case' '4 passed, 0 failed, 1 skipped' "$(last)"
same 'and the exit code is 0' 0 $code
same 'and nothing else is printed' 1 "$(wc -l <out)"
run ./good ./bad
same 'a failure is counted' '1 passed, 1 failed' "$(last)"
same 'and the exit code is 1' 1 $code
says 'and its log is shown' out '^the reason$'
says 'with its exit code' out '^exit code 3$'
run ./half
same 'a script may fail in part' '1 passed, 1 failed' "$(last)"
run ./crash
says 'a crash names the signal' out 'ended by signal 11'
run ./skipped
same 'exit code 77 skips' '0 passed, 0 failed, 1 skipped' "$(last)"
run ./cmocka
same 'cases of cmocka are counted' '1 passed, 1 failed, 1 skipped' "$(last)"
run ./cut
same 'cases a crashed program did not reach have failed' '1 passed, 3 failed' "$(last)"
run -k 'goo|thr' ./good ./bad ./three
same 'a pattern chooses' '3 passed, 0 failed, 1 skipped' "$(last)"
run -j 3 ./good ./bad ./three ./half
same 'several at once add up the same' '4 passed, 2 failed, 1 skipped' "$(last)"
same 'a relative path will do' 0 "$("$runner" good >/dev/null 2>&1; echo $?)"

run -t 1 ./hangs
says 'what hangs is ended at its limit' out 'timed out after 1 s'
check 'and all it started, also in other groups' test -z "$(grep -la "sleep.$long" /proc/[0-9]*/cmdline 2>/dev/null)"
mkdir -p tests build/x/tests
echo '/* test_slow.c - takes its time. Timeout: 3 */' >tests/test_slow.c
program build/x/tests/test_slow <<<'sleep 1.5'
run -t 1 build/x/tests/test_slow
same 'a source may ask for more time' '1 passed, 0 failed' "$(last)"
run -t 1 "$PWD/build/x/tests/test_slow"
same 'also when named by its whole path' '1 passed, 0 failed' "$(last)"
run ./process
check 'a process that stays is a failure' test $code -eq 1
says 'which is named' out "left behind: process [0-9]+: sleep $longer"
check 'and ended' test -z "$(grep -la "sleep.$longer" /proc/[0-9]*/cmdline 2>/dev/null)"
run ./socket
says 'a socket that stays is a failure' out 'left behind: f run/parallax/t/1-2.sock'
run ./file
says 'a file that stays is a failure' out 'left behind: f tmp/forgotten'
same 'nothing of the runner stays' '' "$(ls -d "$work"/plx-tests.* 2>/dev/null)"
finish
