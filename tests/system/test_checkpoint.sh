#!/usr/bin/env bash
# Timeout: 240
# reducer run --checkpoint and reducer resume: whatever ends the reducer, what the checkpoint holds comes to the same end.
. tests/support/programs.sh

saved() { [ -s "$1" ]; }

wide 24 >wide.hvm
reducer run wide.hvm --no-fuse --workers 1 --stats >expected
result=$(result_of expected)
count=$(count_of expected)

# same_end SENTENCE CHECKPOINT WORKERS
same_end() {
	reducer resume "$2" --workers "$3" --stats >out 2>err
	same "$1: the exit code" 0 $?
	same "$1: the normal form" "$result" "$(result_of out)"
	same "$1: the count" "$count" "$(count_of out)"
}

reducer run wide.hvm --no-fuse --workers 2 --checkpoint stop >out 2>err &
pid=$!
check 'it begins' until_true 20 listens $pid
sleep 0.1
kill -TERM $pid
code_of $pid
same 'asked to stop, it stops' 143 "$code"
says 'and says where the rest is' err 'stop holds all that was done; reducer resume goes on with it'
same 'without a result' '' "$(cat out)"
check 'nothing half done lies about' test ! -e stop.part
for workers in 1 2 3; do
	same_end "resumed by $workers" stop $workers
done

reducer run wide.hvm --no-fuse --workers 1 --checkpoint demand >out 2>err &
pid=$!
check 'so does the next' until_true 20 listens $pid
kill -USR1 $pid
check 'on SIGUSR1 a checkpoint is made' until_true 10 saved demand
kill -KILL $pid "$(child_of $pid supervisor)"
code_of $pid
same 'killed, it is dead' 137 "$code"
same_end 'after kill -9 of the one on demand' demand 2

# Of this one its first process alone is killed: the others go on, and write the same checkpoint as who resumes it.
reducer run wide.hvm --no-fuse --workers 3 --checkpoint often --checkpoint-every 0.05 >first.out 2>first.err &
pid=$!
check 'as often as it is told checkpoints are made' until_true 10 saved often
first=$(child_of $pid supervisor)
sleep 0.3
kill -KILL $pid
code_of $pid
same_end 'after kill -9' often 1
reducer resume often --workers 2 --checkpoint often --checkpoint-every 0.05 >second.out 2>second.err &
pid=$!
sleep 0.3
kill -KILL $pid $(child_of $pid supervisor)
code_of $pid
same_end 'killed twice' often 3
kill -KILL "$first" 2>/dev/null
until_true 20 is_gone "$first"

reducer run wide.hvm --no-fuse --stats --checkpoint whole --checkpoint-every 0.05 >out 2>err
same 'a run that nothing ends gives the result' "$result" "$(result_of out)"
same 'and the count' "$count" "$(count_of out)"

# errors
head -c 1000 often >cut
head -c 1000 /dev/urandom >noise
cp often bad
printf 'X' | dd of=bad bs=1 seek=2000 conv=notrunc 2>/dev/null
for name in cut:'cut: it is cut off' noise:'noise: it is no checkpoint of a reduction' bad:'bad: .*' \
	wide.hvm:'wide.hvm: it is no checkpoint of a reduction' none:'none: No such file'; do
	reducer resume "${name%%:*}" >out 2>err
	same "${name%%:*} is refused" 1 $?
	says "and told why" err "^reducer: ${name#*:}"
	same 'and nothing else happens' '' "$(cat out)"
done
says 'damaged' <(reducer resume bad 2>&1) 'bad: it is damaged: its checksum is wrong'
reducer run wide.hvm --checkpoint none/there >out 2>err
same 'a checkpoint that cannot be written is told at once' 1 $?
says 'by its name' err 'checkpoint: none/there: No such file'
reducer run wide.hvm --checkpoint-every 1 >out 2>err
same 'how often, but not where' 2 $?
reducer run wide.hvm --checkpoint f --io >out 2>err
same 'what is outside cannot be kept' 2 $?
reducer resume >out 2>err
same 'resume wants a file' 2 $?
reducer resume often --gas 1000 >out 2>err
same 'limits count from the beginning' 4 $?
finish
