#!/usr/bin/env bash
# Timeout: 240
# reducer run --io: its processes are killed, and what it does outside is done once, or it says why it cannot go on.
. tests/support/programs.sh

# text NAME LETTER...: a definition that is the list of these bytes
text() {
	local name=$1 open='' close='((0 e) e)' i=0
	shift
	for byte; do
		open="$open((1 ($byte ("
		i=$((i + 1))
	done
	for ((; i > 0; i--)); do
		close="$close v$i))) v$i)"
	done
	echo "@$name = $open$close"
}
prelude() {
	echo '@call = (n (a (k ((1 ((13683217 16719857) (n (a (k v))))) v))))'
	echo '@done = (x ((0 ((13683217 16719857) (x v))) v))'
	echo '@s = (?((1 @s1) r) r)'
	echo '@s1 = ({a b} r) & @s ~ (a $([+] $(x r))) & @s ~ (b x)'
	text write 87 82 73 84 69
	text sleep 83 76 69 69 80
	text read 82 69 65 68
	text open 79 80 69 78
}
one='((1 (b (((0 e) e) f))) f)' # the list of one byte, b

# count down, a byte each, with some work and some sleep before each
{
	prelude
	# its end is no reference: one that is called to see what it is cannot be gone on with
	echo '@loop = (?((((0 ((13683217 16719857) (0 v))) v) @more) r) r)'
	echo '@more = ({n0 n2} r) & @s ~ (12 $([+] $(n0 b))) & @call ~ (@sleep ((0 5000000) ((* w) r)))'
	echo " & @call ~ (@write ((1 $one) ((* k) w))) & @loop ~ (n2 k)"
	echo '@main = r & @loop ~ (120 r)'
} >count.hvm
reducer run --io count.hvm --workers 2 --stats >expected
known() { sed '/^- \(TIME\|MIPS\|WORKER\)/d' "$1"; }
known expected >known

for what in supervisor worker; do
	for to in file pipe; do
		if [ $to = file ]; then
			reducer run --io count.hvm --workers 2 --stats >out 2>err &
			pid=$!
		else
			mkfifo pipe 2>/dev/null
			cat <pipe >out & reader=$!
			reducer run --io count.hvm --workers 2 --stats >pipe 2>err &
			pid=$!
		fi
		kills=0
		for _ in 1 2 3 4 5 6 7 8; do
			beset $pid || break
			sleep 0.0$((RANDOM % 10))
			supervisor=$(child_of $pid supervisor)
			[ -n "$supervisor" ] || break
			if [ $what = supervisor ]; then
				kill -KILL "$supervisor" 2>/dev/null && kills=$((kills + 1))
			else
				kill -KILL $(ps --ppid "$supervisor" -o pid=) 2>/dev/null && kills=$((kills + 1))
			fi
		done
		code_of $pid
		[ $to = file ] || wait $reader
		check "$what killed $kills times, output to a $to" test $kills -ge 2
		same "$what killed, output to a $to: the exit code" 0 $code
		known out >got
		check "$what killed, output to a $to: each byte once, the normal form, the count" cmp known got
		same 'and nothing is said' '' "$(cat err)"
	done
done

# it waits for its input: nothing has been read, and it goes on
{
	prelude
	echo "@main = r & @call ~ (@read ((0 3) ((* w) r))) & @call ~ (@write ((1 @read) ((* e) w))) & @done ~ (7 e)"
} >read.hvm
mkfifo input
reducer run --io read.hvm --workers 1 <input >out 2>err &
pid=$!
exec 9>input
check 'it has a supervisor while it reads' until_true 5 has_child $pid supervisor
sleep 0.2
kill -KILL "$(child_of $pid supervisor)"
sleep 0.2
printf abc >&9
code_of $pid
same 'killed while it waits for input it goes on' 0 $code
says 'and writes' out '^READResult: '
exec 9>&-

# it has read a part of a pipe: that is lost
reducer run --io read.hvm --workers 1 <input >out 2>err &
pid=$!
exec 9>input
check 'it has a supervisor while it reads on' until_true 5 has_child $pid supervisor
printf a >&9
sleep 0.2
kill -KILL "$(child_of $pid supervisor)"
code_of $pid
same 'killed after it has read a part it ends' 3 $code
says 'and says where' err 'killed in its call 1, READ of 3 bytes, file 0, after 1 of them; what was read is lost'
exec 9>&-

# from a file it is read again
printf abc >bytes
{
	prelude
	echo "@main = r & @call ~ (@read ((0 3) ((* w) r))) & @call ~ (@sleep ((0 16000000) ((* x) w)))"
	for i in 1 2 3 4 5 6 7 8 9; do echo " & @call ~ (@sleep ((1 16000000) ((* x$i) $([ $i = 1 ] && echo x || echo x$((i - 1))))))"; done
	echo " & @call ~ (@write ((1 @read) ((* e) x9))) & @done ~ (7 e)"
} >slow.hvm
reducer run --io slow.hvm --workers 1 <bytes >out 2>err &
pid=$!
check 'it has a supervisor while it sleeps' until_true 5 has_child $pid supervisor
sleep 0.1
kill -KILL "$(child_of $pid supervisor)"
code_of $pid
same 'killed while it sleeps it goes on' 0 $code
same 'and writes once' 1 "$(grep -o READ out | wc -l)"

# it has opened a file: that dies with the supervisor
{
	prelude
	text path 111 112 101 110 101 100
	text mode 97
	echo "@main = r & @call ~ (@open ((@path @mode) ((* w) r))) & @call ~ (@write ((3 @read) ((* x) w)))"
	echo " & @call ~ (@sleep ((200 0) ((* e) x))) & @done ~ (7 e)"
} >opens.hvm
reducer run --io opens.hvm --workers 2 >out 2>err &
pid=$!
written() { [ "$(cat opened 2>/dev/null)" = READ ]; }
check 'it writes to what it has opened' until_true 10 written
kill -KILL "$(child_of $pid supervisor)"
code_of $pid
same 'killed with an open file it ends' 3 $code
says 'and says what was done' err 'killed after .*calls, each of which was done once; what it had opened is closed'
same 'and has written once' READ "$(cat opened)"
finish
