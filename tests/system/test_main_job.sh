#!/usr/bin/env bash
# What `make run` does: the examples, a user's own programs, wrong answers, Ctrl-C; nothing stays.
# Timeout: 180
. tests/support/programs.sh

job=$repository/tools/main-job
# Processes of a group; those that are dead and wait for init to notice are none.
group() { cat /proc/[0-9]*/stat 2>/dev/null | sed -n "s/^\(.*)\) [^ZX] [0-9]* $1 .*/\1/p"; }
no_folder_stays() { [ -z "$(ls -d "$TMPDIR"/parallax-run.* 2>/dev/null)" ]; }

"$job" >out 2>err
same 'the examples give the answers written beside them' 0 $?
same 'nothing is said on stderr' '' "$(cat err)"
count=$(ls "$repository"/examples/*.hvm | wc -l)
check 'there are twelve at least' test "$count" -ge 12
same 'a line for each as it comes' "$count" "$(grep -cE "^ *[0-9]+/$count " out)"
for file in "$repository"/examples/*.hvm; do
	name=${file##*/}
	name=${name%.hvm}
	check "$name is in the table and right" grep -qE "^$name +.* +ok$" out
done
says 'the verdict is the last line of the table' out "^$count programs: every answer is the one written beside it$"
says 'what shmctl saw is shown' out 'shmctl list'
says 'with the topic of the programs' out 'programs'
says 'and that of the replies' out 'results'
says 'and the net' out 'jobs|net'
check 'two workers took part in the heavy ones' \
	test "$(awk '$NF == "ok" && $(NF - 1) == 2' out | grep -cE '^(fib|tree|bitonic|primes) ')" -ge 3
check 'it fits 80 columns' test "$(awk '{ if (length > m) m = length } END { print m }' out)" -le 80
check 'no folder stays' no_folder_stays

# any order of start
for order in 'subscriber reducer publisher' 'reducer subscriber publisher' 'publisher subscriber reducer'; do
	ORDER=$order "$job" "$repository"/examples/{gcd,wrong,sort}.hvm >out 2>err
	same "started as $order it is the same" 0 $?
done

# a user's own
mkdir -p mine
printf '@main = (1 (2 3))' >mine/tuple.hvm
printf '@main = r & 3 ~ $([*] $(7 r))' >'mine/with a blank.hvm'
"$job" mine/*.hvm >out 2>err
same 'programs of a user, without an answer beside them, are fine' 0 $?
says 'and their normal form is shown' out '^tuple +\(1 \(2 3\)\) '
says 'whatever their names' out '^with a blank +21 '
printf '(1 (2 4))' >mine/tuple.expected
"$job" mine/*.hvm >out 2>err
same 'a wrong answer is found' 1 $?
says 'and shown' out 'WRONG'
says 'with what was expected' out 'expected +\(1 \(2 4\)\)'
printf '@main = (1' >mine/broken.hvm
rm mine/tuple.expected
"$job" mine/*.hvm >out 2>err
same 'an error is an error' 1 $?
says 'with its place' out '^broken +1:[0-9]+: '
"$job" mine/nowhere.hvm >out 2>err
same 'a file that is not there is an error' 1 $?
says 'and named' err 'nowhere\.hvm'
check 'no folder stays' no_folder_stays

# Ctrl-C
endless >endless.hvm
for signal in INT TERM HUP; do
	# as from a terminal: in a group of its own, the signal for all of it
	setsid env --default-signal=INT "$job" endless.hvm >out 2>err & pid=$!
	sleep 1
	began=$SECONDS
	kill -$signal -- -$pid
	code_of $pid
	same "SIG$signal stops it" $((128 + $(kill -l $signal))) $code
	check 'soon' test $((SECONDS - began)) -le $((5 * busy))
	same 'no process stays' '' "$(group $pid)"
	check 'nor a folder' no_folder_stays
done

# nobody looks any more
"$job" 2>err | head -1 >out
check 'a reader that leaves stops it' test "${PIPESTATUS[0]}" -ne 0
check 'no folder stays' no_folder_stays

# a part that fails
mkdir -p fake
for program in publisher reducer subscriber shmctl; do ln -sf "$BIN/$program" fake/; done
rm fake/subscriber
printf '#!/bin/sh\nexit 7\n' >fake/subscriber
chmod +x fake/subscriber
BIN=$work/fake "$job" mine/tuple.hvm >out 2>err
same 'a part that fails stops it' 1 $?
says 'and is named' err 'the subscriber ended with code 7'
check 'no folder stays' no_folder_stays
BIN=/nowhere "$job" >out 2>err
same 'binaries that are not there are an error' 1 $?
says 'with what to do' err 'run make'
finish
