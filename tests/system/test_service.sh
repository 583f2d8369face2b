#!/usr/bin/env bash
# The service between real publishers and subscribers: order of start, bad programs, killed workers, signals, large results.
. tests/support/programs.sh

examples=$repository/examples
reducer() { "$BIN/reducer" "$@"; }
publisher() { "$BIN/publisher" -q "$@"; }
# field LINE KEY: of the LINEth reply; good enough for values without quotes in them
field() { sed -n "$1p" replies | grep -oE "\"$2\":(\"[^\"]*\"|[0-9.]+)" | head -1 | sed 's/^"[a-z_]*"://; s/"//g'; }
replies_are() { [ "$(wc -l <replies 2>/dev/null)" -ge "$1" ]; }

printf '@main = r & 20 ~ $([+] $(22 r))' >good.hvm
printf '@main = (a\n  b' >bad.hvm
printf '\001\377\000\n' >noise.hvm
: >empty.hvm
endless >endless.hvm

# every order of start
for order in 'p r s' 'p s r' 'r p s' 'r s p' 's p r' 's r p'; do
	rm -f replies
	for who in $order; do
		case $who in
		p) "$BIN/publisher" -q -t programs -w good.hvm bad.hvm noise.hvm empty.hvm good.hvm 2>p.err & p=$! ;;
		r) "$BIN/reducer" -i programs -o results -w 2 --once 2>r.err & r=$! ;;
		s) "$BIN/subscriber" -q -t results -o replies 2>s.err & s=$! ;;
		esac
		sleep 0.05
	done
	code_of $p; codes=$code
	code_of $r; codes+=" $code"
	code_of $s; codes+=" $code"
	same "started in the order $order all end well" '0 0 0' "$codes"
	same 'five programs, five replies' 5 "$(wc -l <replies)"
	LC_ALL=C sort -o replies replies # they come in the order in which programs end
	same 'one for each' '1 2 3 4 5' "$(for i in 1 2 3 4 5; do field $i job; done | xargs)"
	same 'good ones done, bad ones not' 'done error error error done' "$(for i in 1 2 3 4 5; do field $i status; done | xargs)"
	same 'with the answer' '42 42' "$(field 1 result) $(field 5 result)"
	check 'and with the place' test "$(field 2 line)" -ge 1
	cat p.err r.err s.err >all.err
	same 'and nothing is said' '' "$(cat all.err)"
done

# one that stays: publishers and readers come and go, workers are killed
start_service() {
	rm -f replies
	"$BIN/subscriber" -q -t results -f -o replies 2>s.err & s=$!
	"$BIN/reducer" -i programs -o results -w 2 "$@" 2>r.err & r=$!
}
start_service
for round in 1 2 3; do
	publisher -t programs -w good.hvm
	same "publisher $round is served" 0 $?
	until_true 10 replies_are $round
done
same 'three publishers, three answers' '42 42 42' "$(for i in 1 2 3; do field $i result; done | xargs)"
printf '// job: 777 by hand\n@main = 5' | publisher -t programs -w
until_true 10 replies_are 4
same 'a program says its number and name' '777 by hand' "$(field 4 job) $(field 4 name)"

mkfifo held
"$BIN/publisher" -q -t programs --lines <held & held=$! # one that has nothing to say yet
exec 9>held
{ echo '// limits: time=1500ms'; cat endless.hvm; } >long.hvm
"$BIN/publisher" -q -t programs -w long.hvm & p=$!
children() { grep -l "^PPid:[[:space:]]*$1\$" /proc/[0-9]*/status 2>/dev/null | cut -d/ -f3; }
# workers PID: the children of its supervisor, which is its child
workers() { for supervisor in $(children "$1"); do children "$supervisor"; done; }
busy() { "$BIN/shmctl" list 2>/dev/null | grep -q .; }
until_true 10 busy
sleep 0.3
if [ -x "$BIN/shmctl" ]; then
	"$BIN/shmctl" list >list 2>&1
	says 'shmctl sees the input topic while a job runs' list 'programs'
	says 'and the output topic' list 'results'
	says 'and the arena' list 'jobs|net'
fi
exec 9>&-
wait $held
kill -KILL "$(workers $r | head -1)"
until_true 10 replies_are 5
same 'a worker killed during a job: the job goes on, here until its time is over' 'error time' "$(field 5 status) $(field 5 reason)"
wait $p
publisher -t programs -w good.hvm
until_true 10 replies_are 6
same 'and the next job is answered' 42 "$(field 6 result)"
same 'by as many workers' 2 "$(workers $r | wc -l)"

"$BIN/publisher" -q -t programs -w good.hvm good.hvm & p1=$!
"$BIN/publisher" -q -t programs -w good.hvm bad.hvm good.hvm & p2=$!
wait $p1 $p2
until_true 10 replies_are 11
same 'two publishers at once: five replies' 11 "$(wc -l <replies)"
same 'of two publishers' 2 "$(for i in 7 8 9 10 11; do field $i publisher; done | sort -u | wc -l)"

"$BIN/publisher" -q -t programs -w "$examples/fib.hvm" & p=$!
sleep 0.1
kill -TERM $r
code_of $r
same 'SIGTERM: the service ends as shells expect' 143 $code
wait $p
replies_are 12
same 'after answering what it had taken' 514229 "$(field 12 result)"
kill -TERM $s
wait $s
same 'and nothing was said' '' "$(cat r.err)"

start_service --jobs 1 --time-limit 300ms --gas 100000000000
publisher -t programs -w endless.hvm good.hvm
until_true 20 replies_are 2
same 'a program that never ends does not end the service' 'time done' "$(field 1 reason) $(field 2 status)"
kill -INT $r
code_of $r
same 'SIGINT ends an idle service' 130 $code
kill -TERM $s
wait $s

# large results
printf '@t = (d r) & d ~ ?((1000 @t.) r) @t. = ({a b} (x y)) & @t ~ (a x) & @t ~ (b y) @main = r & @t ~ (17 r)' >big.hvm
"$BIN/subscriber" -q -t results -o replies & s=$!
"$BIN/reducer" -i programs -o results -w 2 --jobs 1 --once --slot-size 4096 2>r.err & r=$!
publisher -t programs -w big.hvm good.hvm
code_of $r
same 'a result of 900 KB goes through slots of 4 KiB' 0 $code
wait $s
same 'whole' $((131072 * 4 + 131071 * 3)) "$(field 1 result | tr -d '\n' | wc -c)"
same 'and the next is unharmed' 42 "$(field 2 result)"
"$BIN/subscriber" -q -t results -o replies & s=$!
"$BIN/reducer" -i programs -o results -w 2 -j 1 --once --max-result 1000 2>r.err & r=$!
publisher -t programs -w big.hvm good.hvm
code_of $r
wait $s
same 'a result longer than --max-result is an error' 'error result' "$(field 1 status) $(field 1 reason)"
check 'that says how long it is' test "$(field 1 message | grep -c 917501)" -eq 1

# two services on the same topics
rm -f replies
"$BIN/subscriber" -q -t results -f -o replies & s=$!
"$BIN/reducer" -i programs -o results -w 1 2>r.err & r=$!
"$BIN/reducer" -i programs -o results -w 1 2>r2.err & r2=$!
"$BIN/publisher" -q -t programs -n 2 -w good.hvm good.hvm
until_true 10 replies_are 4
same 'two services: both answer each program' '4 42 42 42 42' "$(wc -l <replies) $(for i in 1 2 3 4; do field $i result; done | xargs)"
kill -TERM $r $r2
wait $r $r2
kill -TERM $s
wait $s

# a reader killed and replaced in the middle
rm -f replies
"$BIN/subscriber" -q -t results -o replies.1 2>/dev/null & s=$!
"$BIN/reducer" -i programs -o results -w 2 -j 1 --once --time-limit 500ms 2>r.err & r=$!
"$BIN/publisher" -q -t programs -w endless.hvm good.hvm & p=$!
sleep 0.2
kill -KILL $s
wait $s 2>/dev/null
"$BIN/subscriber" -q -t results -o replies & s=$!
code_of $r
same 'a reader that is killed does not end the service' 0 $code
wait $s $p
same 'and the next reader gets the reply that was not delivered' '1 2' "$(field 1 job) $(field 2 job)"

# many at a time: what is short does not wait for what is long, and what is not wanted any more is cancelled
start_service --progress 100ms
{ printf '// job: 100 long\n'; cat endless.hvm; } >long.hvm
printf '// cancel: 100' >cancel.hvm
printf '// job: 101\n// limits: gas=1000\n' | cat - endless.hvm >limited.hvm
"$BIN/publisher" -q -t programs -w long.hvm good.hvm limited.hvm 2>p.err & p=$!
answered() { [ "$(grep -c '"status":"done"\|"reason":"gas"' replies)" -ge 2 ]; }
check 'short programs are answered while a long one runs' until_true 10 answered
told() { grep -q '"job":100,.*"status":"running"' replies; }
check 'and how far that one is' until_true 10 told
says 'a program may ask for less gas than there is' replies '"job":101,.*"reason":"gas"'
kill -TERM $r
wait $p
kill -TERM $r 2>/dev/null # the second one: at once
wait $r
kill -TERM $s
wait $s
start_service
cat good.hvm >last.hvm
"$BIN/publisher" -q -t programs -w long.hvm cancel.hvm last.hvm
until_true 10 replies_are 2
says 'a program is cancelled by its publisher' replies '"job":100,.*"reason":"cancelled"'
says 'and the next one is reduced' replies '"job":3,.*"result":"42"'
kill -TERM $r
wait $r
kill -TERM $s
wait $s
for wrong in '--jobs 0' '--jobs 65' '--queue 0' '--progress soon'; do
	reducer -i a -o b $wrong 2>err
	same "$wrong is a wrong command line" 2 $?
	says 'and named' err "${wrong% *}"
done

# errors of the service itself
reducer -i 'no//topic' -o results 2>err
same 'a topic that is none is an error' 1 $?
says 'and named' err 'no//topic'
finish
