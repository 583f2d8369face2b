#!/usr/bin/env bash
# Timeout: 240
# reducer run: its supervisor is killed, or whoever watches that one, and the program comes to its end all the same.
. tests/support/shell.sh

wide() {
	printf '@main = r & @wide ~ (%u r)\n@wide = (?((1 @wide-more) r) r)\n' "$1"
	printf '@wide-more = ({a b} r) & @wide ~ (a $([+] $(x r))) & @wide ~ (b x)\n'
}
# A tree of 2^$1 leaves, which is its own normal form
tree() {
	printf '@main = r & @tree ~ (%u r)\n@tree = (?((1 @tree-more) r) r)\n' "$1"
	printf '@tree-more = ({a b} (x y)) & @tree ~ (a x) & @tree ~ (b y)\n'
}
result_of() { sed -n 's/^Result: //p' "$1"; }
count_of() { sed -n 's/^- ITRS: //p' "$1"; }
# child_of PID NAME: the first one, when it is there
child_of() { ps --ppid "$1" -o pid=,comm= | awk -v name="$2" '$2 == name { print $1; exit }'; }
has_child() { [ -n "$(child_of "$1" "$2")" ]; }
is_gone() { ! kill -0 "$1" 2>/dev/null; }
whole() { [ "$(tail -c 1 "$1" | od -An -c | tr -d ' ')" = '\n' ]; }

wide 22 >wide.hvm
reducer run wide.hvm --no-fuse --workers 1 --stats >expected
result=$(result_of expected)
count=$(count_of expected)

# as_if_nothing SENTENCE FILE
as_if_nothing() {
	same "$1: the normal form" "$result" "$(result_of "$2")"
	same "$1: the count" "$count" "$(count_of "$2")"
	same "$1: told once" 1 "$(grep -c '^Result:' "$2")"
}

for workers in 1 2 3; do
	reducer run wide.hvm --no-fuse --workers $workers --stats >out 2>err &
	pid=$!
	kills=0
	for _ in 1 2 3; do
		until_true 5 has_child $pid supervisor || break
		sleep 0.0$((RANDOM % 10))
		supervisor=$(child_of $pid supervisor)
		[ -n "$supervisor" ] && kill -KILL "$supervisor" 2>/dev/null && kills=$((kills + 1))
	done
	code_of $pid
	same "$workers workers, the supervisor killed $kills times: the exit code" 0 "$code"
	as_if_nothing "$workers workers, the supervisor killed" out
	same 'and nothing is said' '' "$(cat err)"
done

# everything but the guard at once
reducer run wide.hvm --no-fuse --workers 3 --stats >out 2>err &
pid=$!
check 'there is a supervisor' until_true 5 has_child $pid supervisor
sleep 0.1
supervisor=$(child_of $pid supervisor)
kill -KILL "$supervisor" $(ps --ppid "$supervisor" -o pid=)
code_of $pid
same 'supervisor and workers killed at once: the exit code' 0 "$code"
as_if_nothing 'supervisor and workers killed at once' out

# the guard
reducer run wide.hvm --no-fuse --workers 2 --stats >out 2>err &
pid=$!
check 'there is a supervisor again' until_true 5 has_child $pid supervisor
supervisor=$(child_of $pid supervisor)
kill -KILL $pid
code_of $pid
same 'the guard is killed' 137 "$code"
check 'the supervisor goes on' until_true 30 is_gone "$supervisor"
as_if_nothing 'the guard killed' out

# killed while it writes: to a file and to a pipe
tree 16 >tree.hvm
reducer run tree.hvm --workers 1 >expected
for to in file pipe; do
	if [ $to = file ]; then
		reducer run tree.hvm --workers 2 >out 2>err &
	else
		mkfifo pipe
		(sleep 0.4; cat) <pipe >out &
		reader=$!
		reducer run tree.hvm --workers 2 >pipe 2>err &
	fi
	pid=$!
	for _ in 1 2 3 4; do
		until_true 5 has_child $pid supervisor || break
		sleep 0.0$((RANDOM % 10))
		supervisor=$(child_of $pid supervisor)
		[ -n "$supervisor" ] && kill -KILL "$supervisor" 2>/dev/null
	done
	code_of $pid
	same "killed while it writes to a $to: the exit code" 0 "$code"
	[ $to = file ] || wait $reader
	check "killed while it writes to a $to: each byte once" cmp expected out
done

# asked to stop
printf '@main = r & @turn ~ (1 r) @turn = (n r) & @turn ~ (n r)' >forever.hvm
for signal in TERM INT; do
	bash -c 'trap - INT; exec reducer run forever.hvm' >out 2>err &
	pid=$!
	check 'it runs' until_true 5 has_child $pid supervisor
	supervisor=$(child_of $pid supervisor)
	kill -$signal $pid
	code_of $pid
	[ $signal = TERM ] && same 'SIGTERM ends it' 143 "$code"
	[ $signal = INT ] && check 'SIGINT ends it, unless it was to be ignored' test "$code" = 130 -o "$code" = 0
	check 'all of it' is_gone "$supervisor"
done
finish
