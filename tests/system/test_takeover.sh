#!/usr/bin/env bash
# Timeout: 240
# reducer run: its supervisor is killed, or whoever watches that one, and the program comes to its end all the same.
. tests/support/programs.sh

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
		beset $pid || break
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
		beset $pid || break
		sleep 0.0$((RANDOM % 10))
		supervisor=$(child_of $pid supervisor)
		[ -n "$supervisor" ] && kill -KILL "$supervisor" 2>/dev/null
	done
	code_of $pid
	same "killed while it writes to a $to: the exit code" 0 "$code"
	[ $to = file ] || wait $reader
	check "killed while it writes to a $to: each byte once" cmp expected out
done

# what shmctl says about it, and how it is stopped when its guard is gone
printf '@main = r & @turn ~ (1 r) @turn = (n r) & @turn ~ (n r)' >forever.hvm
reducer run forever.hvm --workers 2 >out 2>err &
pid=$!
check 'one that does not end has a supervisor' until_true 5 has_child $pid supervisor
sleep 0.2
supervisor=$(child_of $pid supervisor)
kill -KILL "$supervisor"
other() { has_child $pid supervisor && [ "$(child_of $pid supervisor)" != "$supervisor" ]; }
check 'killed, it has another one' until_true 5 other
sleep 0.2
supervisor=$(child_of $pid supervisor)
kill -KILL "$(child_of "$supervisor" worker)"
until_true 5 has_child "$supervisor" worker
sleep 0.2
shmctl inspect $supervisor >view
says 'inspect counts both deaths' view "^ +0 +$supervisor +running +1 +1 +0 +0 +2 +2 +8 +2\$"
shmctl inspect $supervisor --json >json
says 'also for programs' json '"name": *"takeovers"'
kill -KILL $pid
code_of $pid
shmctl list >view
says 'list says that it goes on, and whose it is' view "^run .* $supervisor .*goes on under process $supervisor"
shmctl inspect $supervisor >view
says 'inspect says how it is stopped' view "goes on +under process $supervisor; shmctl stop $supervisor ends it"
same 'shmctl stop asks it to' "$supervisor: asked process $supervisor, supervisor, to stop" "$(shmctl stop $supervisor)"
check 'and it ends' until_true 5 is_gone "$supervisor"
shmctl stop $supervisor 2>view
same 'then there is nothing to be stopped' 3 $?
shmctl stop all 2>view
same 'all is too much to ask for' 2 $?
reducer run forever.hvm --workers 2 >out 2>err &
pid=$!
check 'another one is there' until_true 5 has_child $pid supervisor
sleep 0.2
same 'shmctl stop asks the guard, when it is there' "$pid: asked process $pid, reducer, to stop" "$(shmctl stop $pid)"
code_of $pid
same 'and it ends as one that got SIGTERM' 143 $code
publisher -q -t two-$$ -n 9 </dev/null & one=$!
publisher -q -t two-$$ -n 9 </dev/null & two=$!
both() { [ "$(shmctl list | grep -c "^two-$$ ")" -eq 2 ]; }
check 'two things of one name' until_true 5 both
subscriber -q -t two-$$ -f -o got 2>/dev/null & reader=$!
held() { shmctl inspect $reader 2>/dev/null | grep -q 'subscriber'; }
until_true 5 held
shmctl stop $reader >view 2>&1
same 'who only holds what is theirs is not meant' 1 $?
kill -TERM $reader
wait $reader
shmctl stop two-$$ >view 2>&1
same 'are not both stopped' 2 $?
says 'but named' view "several of that name; say which: .*($one|$two), ($one|$two)"
shmctl stop $one >view
shmctl stop $two >view
wait $one $two

# asked to stop
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
