#!/usr/bin/env bash
# Timeout: 240
# The service is killed, whichever of its processes, while programs are reduced: each is answered once, and rightly.
. tests/support/programs.sh

replies_are() { [ "$(wc -l <replies 2>/dev/null)" -ge "$1" ]; }
is_gone() { ! kill -0 "$1" 2>/dev/null; }
replies_with() { grep -o "\"$1\":\"$2\"" replies | wc -l; }

# program NUMBER DEPTH: counts 2^DEPTH leaves
program() {
	printf '// job: %d\n@main = r & @s ~ (%d r)\n@s = (?((1 @s1) r) r)\n' "$1" "$2"
	printf '@s1 = ({a b} r) & @s ~ (a $([+] $(x r))) & @s ~ (b x)\n'
}
programs=24
for ((i = 1; i <= programs; i++)); do
	program $i $((i % 5 + 15)) >p$i.hvm
done
files=$(for ((i = 1; i <= programs; i++)); do echo p$i.hvm; done)
declare -A interactions
for depth in 15 16 17 18 19; do
	program 1 $depth >one.hvm
	interactions[$depth]=$(reducer run one.hvm --stats | sed -n 's/^- ITRS: //p')
done

begin() {
	rm -f replies
	"$BIN/subscriber" -q -t results -f -o replies 2>s.err & s=$!
	"$BIN/reducer" -i programs -o results -w 2 "$@" 2>r.err & r=$!
	check 'it has a supervisor' until_true 10 has_child $r supervisor
}
end() {
	kill -TERM $1
	code_of $1
	kill -TERM $s
	wait $s
}
# answered SENTENCE: every program, once, with its normal form and its count
answered() {
	local i line wrong=''
	until_true 60 replies_are $programs
	sleep 0.2
	for ((i = 1; i <= programs; i++)); do
		line=$(grep "^{\"job\":$i,.*\"status\":\"done\"" replies)
		[ "$(grep -c "^{\"job\":$i," replies)" -eq 1 ] || wrong+=" job $i: $(grep -c "^{\"job\":$i," replies) replies;"
		[[ $line == *"\"result\":\"$((1 << (i % 5 + 15)))\""* ]] || wrong+=" job $i: another result;"
		[[ $line == *"\"interactions\":${interactions[$((i % 5 + 15))]},"* ]] || wrong+=" job $i: another count;"
	done
	same "$1: each is answered once, with normal form and count" '' "$wrong"
	same "$1: and nothing else is said" $programs "$(grep -c . replies)"
}

# the supervisor, again and again
begin
publisher -q -t programs -w $files
same 'all is taken before the first death' 0 $?
kills=0
for _ in 1 2 3 4 5 6; do
	sleep 0.$((RANDOM % 2))$((RANDOM % 10))
	supervisor=$(child_of $r supervisor)
	[ -n "$supervisor" ] && kill -KILL "$supervisor" 2>/dev/null && kills=$((kills + 1))
done
check 'there was something to kill' test $kills -ge 3
answered 'the supervisor killed'
same 'and the service says nothing' '' "$(cat r.err)"

# everything but the guard at once
rm -f replies; kill -TERM $s; wait $s
"$BIN/subscriber" -q -t results -f -o replies 2>s.err & s=$!
publisher -q -t programs -w $files
for _ in 1 2 3; do
	supervisor=$(child_of $r supervisor)
	kill -KILL "$supervisor" $(ps --ppid "$supervisor" -o pid=) 2>/dev/null
	sleep 0.1
done
answered 'supervisor and workers killed at once'
end $r
same 'SIGTERM ends it as ever' 143 $code

# a long program goes on where it was: what is told of it only grows, and its count is that of one reduction
cat >endless.hvm <<'END'
// job: 2
// limits: gas=60000000
@main = (r s) & @t ~ (1 r) & @t ~ (2 s)
@t = (n r) & @t ~ (n r)
END
program 1 23 >long.hvm
begin --no-fuse --jobs 2 --progress 20ms
reducer run long.hvm --no-fuse --stats >expected
publisher -q -t programs -w long.hvm endless.hvm
told() { sed -n "s/^{\"job\":$1,[^[]*\"interactions\":\([0-9]*\).*/\1/p" replies; }
more() { [ "$(grep -c running replies)" -gt "$before" ] || replies_end; }
replies_end() { [ "$(grep -vc running replies)" -ge 2 ]; }
kills=0
for _ in 1 2 3 4 5 6 7 8; do
	before=$(grep -c running replies)
	until_true 20 more
	replies_end && break
	supervisor=$(child_of $r supervisor)
	[ -n "$supervisor" ] && kill -KILL "$supervisor" 2>/dev/null && kills=$((kills + 1))
done
check 'it was killed in the middle' test $kills -ge 2
check 'both end' until_true 60 replies_end
for job in 1 2; do
	check "what is told of job $job only grows" test "$(told $job)" = "$(told $job | sort -n)"
done
says 'its normal form' replies '^{"job":1,.*"status":"done".*"result":"8388608"'
same 'and its count' "$(sed -n 's/^- ITRS: //p' expected)" "$(told 1 | tail -1)"
says 'the other one has used its gas up' replies '^{"job":2,.*"reason":"gas"'
check 'and hardly more' test "$(told 2 | tail -1)" -ge 60000000 -a "$(told 2 | tail -1)" -lt 60010000
end $r

# its guard
begin
publisher -q -t programs -w $files
supervisor=$(child_of $r supervisor)
kill -KILL $r
code_of $r
same 'the guard is killed' 137 $code
answered 'the guard killed'
kill -TERM "$supervisor"
check 'the supervisor alone ends on SIGTERM' until_true 20 is_gone "$supervisor"
kill -TERM $s
wait $s

# it does not end because it is killed, but because it crashes, whenever a program is there
printf '// job: 1\n@main = r & @turn ~ (1 r) @turn = (n r) & @turn ~ (n r)' >forever.hvm
rm -f replies
"$BIN/subscriber" -q -t results -f -o replies 2>s.err & s=$!
"$BIN/reducer" -i programs -o results -w 1 --jobs 1 --queue 4 2>r.err & r=$!
check 'it has a supervisor to crash' until_true 10 has_child $r supervisor
publisher -q -t programs -w forever.hvm p2.hvm
for _ in 1 2 3; do
	supervisor=$(child_of $r supervisor)
	running() { ps --ppid "$supervisor" -o stat=,comm= | grep -q '^R.*worker'; }
	until_true 10 running
	kill -ILL "$supervisor" # what sanitizers leave alone
	other() { has_child $r supervisor && [ "$(child_of $r supervisor)" != "$supervisor" ]; }
	until_true 10 other
done
check 'after three crashes the program is answered' until_true 20 replies_are 2
says 'with an error' replies '"job":1,.*"reason":"service".*crashed'
says 'and the next one for what it is' replies '"job":2,.*"status":"done"'
end $r

# with --once, when all publishers are gone already
rm -f replies
"$BIN/subscriber" -q -t results -f -o replies 2>s.err & s=$!
"$BIN/reducer" -i programs -o results -w 1 --jobs 1 --once 2>r.err & r=$!
publisher -q -t programs -w p4.hvm p9.hvm p14.hvm
same 'three programs are taken' 0 $?
supervisor=$(child_of $r supervisor)
kill -KILL "$supervisor"
code_of $r
same 'the one that takes over knows that there was a stream and that it has ended' 0 $code
same 'and answers' '4 9 14' "$(grep -o '"job":[0-9]*' replies | cut -d: -f2 | sort -n | xargs)"
kill -TERM $s
wait $s

# a program that came in part: its beginning is gone, and whoever sent it is told so
rm -f replies
"$BIN/subscriber" -q -t results -f -o replies 2>s.err & s=$!
"$BIN/reducer" -i programs -o results -w 1 2>r.err & r=$!
check 'it has a supervisor to be killed in the middle of a program' until_true 10 has_child $r supervisor
mkfifo held
"$BIN/subscriber" -q -t programs -f -o /dev/null 2>o.err & other=$! # with a reader left it does not give up
"$BIN/publisher" -q -t programs --slot-size 64 --lines -n 2 <held 2>p.err & p=$!
exec 9>held
printf '@main = 1\n' >&9
check 'one is answered' until_true 10 replies_are 1
printf '@main = (a %0200d' 0 >&9
sleep 0.3
supervisor=$(child_of $r supervisor)
kill -KILL "$supervisor"
check 'what came in part is answered' until_true 10 replies_are 2
says 'with the reason' replies '"job":2,.*"reason":"lost"'
printf ' a)\n@main = 3\n' >&9
check 'the next one is taken' until_true 10 replies_are 3
says 'for what it is' replies '"status":"done".*"result":"3"'
exec 9>&-
wait $p
kill -TERM $other
wait $other
end $r
same 'and it ends as ever' 143 $code
finish
