#!/usr/bin/env bash
# Timeout: 240
# reducer workers: more and fewer workers while a program runs, whose end is as if nothing had been.
. tests/support/programs.sh

crew() { ps -eo ppid=,comm= | awk -v p="$1" '$1 == p && $2 == "worker" { n++ } END { print n + 0 }'; }
supervisor_of() { child_of "$1" supervisor; }

# An endless one: what is asked for comes about, or is refused.
printf '@main = (r s) & @t ~ (1 r) & @t ~ (2 s)\n@t = (n r) & @t ~ (n r)\n' >endless.hvm
reducer run endless.hvm --workers 2 --max-workers 4 >out 2>err &
pid=$!
check 'it can be asked soon' until_true 20 listens $pid
reducer workers $pid >got
same 'it says how many there are' '2 workers, at most 4' "$(cat got)"
lists() { shmctl list | grep -q "$1 workers, $1 partitions"; }
check 'so does the list, of four places' until_true 20 lists 2
reducer workers $pid +2 >got
same 'two more' '4 workers' "$(cat got)"
same 'so many processes' 4 "$(crew "$(supervisor_of $pid)")"
reducer workers $pid +1 2>err2
same 'more than there can be is an error' 1 $?
says 'which says so' err2 'more than there can be'
reducer workers $pid =9999 2>err2
says 'however many' err2 'more than there can be'
reducer workers $pid =1 >got
same 'one alone' '1 worker' "$(cat got)"
same 'one process' 1 "$(crew "$(supervisor_of $pid)")"
reducer workers $pid -1 2>err2
same 'the last one may not leave' 1 $?
says 'and that is said' err2 'the last one may not leave'
shmctl inspect $pid >view
says 'inspect shows who owns what' view '^ +1 +0 .* held +[1-9]$'
reducer workers $pid 3 2>err2
same 'a number alone is not understood' 2 $?
kill -9 "$(supervisor_of $pid)"
reducer workers $pid =3 >got
same 'who takes over from a killed supervisor is asked' '3 workers' "$(cat got)"
kill $pid
wait $pid
reducer workers $pid 2>err2
same 'of what has ended nothing is known' 1 $?

# One that ends, while workers come and go, and are killed.
wide 22 >wide.hvm
reducer run wide.hvm --no-fuse --workers 1 --stats >expected
for round in 1 2; do
	reducer run wide.hvm --no-fuse --workers 2 --stats >out 2>err &
	pid=$!
	until_true 20 listens $pid
	for change in =4 =1 =3 =2 =1 =2; do
		reducer workers $pid $change >/dev/null 2>&1
		[ $round = 1 ] || pkill -9 -P "$(supervisor_of $pid)" -x 'worker 0' 2>/dev/null
	done
	wait $pid
	same "round $round: the normal form" "$(result_of expected)" "$(result_of out)"
	same "round $round: the count" "$(count_of expected)" "$(count_of out)"
done
finish
