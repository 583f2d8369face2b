#!/usr/bin/env bash
# Every way a stream can end has an exit code and a message: signals, death of either side, slow readers, outputs that
# fail, nobody there.
. tests/support/shell.sh

endless() { yes 0123456789abcdef0123456789abcdef0123456789abcdef; }
# what an earlier one wrote must not be taken for output of this one
new() { rm -f copy copy1 copy2 pub.err sub.err; }
has_bytes() { [ "$(stat -c %s "$1" 2>/dev/null || echo 0)" -gt "$2" ]; }

# publisher interrupted
for signal in INT TERM; do
	number=$(kill -l $signal)
	new
	subscriber -t cut$signal -o copy 2>sub.err & sub=$!
	publisher -t cut$signal <(endless) 2>pub.err & pub=$!
	until_true 5 has_bytes copy 100000
	kill -$signal $pub
	code_of $pub
	same "SIG$signal: the publisher ends as shells expect" $((128 + number)) $code
	says 'and says how far it was' pub.err 'interrupted after [0-9]+ messages, '
	code_of $sub
	same 'the subscriber is told' 4 $code
	says 'and says so' sub.err 'publisher [0-9]+ was interrupted after [0-9]+ messages'
	sent=$(sed -n 's/.*interrupted after \([0-9]*\) messages.*/\1/p' pub.err)
	got=$(sed -n 's/.*interrupted after \([0-9]*\) messages.*/\1/p' sub.err)
	same 'what was sent has been read' "$sent" "$got"
	check 'and written' cmp -s copy <(endless | head -c "$(stat -c %s copy)")
done

publisher -t lonely <(echo x) 2>err & pub=$!
until_true 5 started $pub publisher
kill -INT $pub
code_of $pub
same 'a signal ends the wait for subscribers' 130 $code
says 'which says how many were there' err '0 of 1 subscribers'

mkfifo silent
exec 4<>silent
publisher -t idle -n 0 silent 2>err & pub=$!
until_true 5 started $pub publisher
kill -TERM $pub
began=$SECONDS
code_of $pub
same 'a signal ends the wait for input' 143 $code
check 'at once' test $((SECONDS - began)) -le $((2 * busy))
exec 4<&-

# subscriber interrupted
for signal in INT TERM; do
	number=$(kill -l $signal)
	new
	subscriber -t off$signal -o copy 2>sub.err & sub=$!
	publisher -t off$signal <(endless) 2>pub.err & pub=$!
	until_true 5 has_bytes copy 100000
	kill -$signal $sub
	code_of $sub
	same "SIG$signal: the subscriber ends as shells expect" $((128 + number)) $code
	says 'and says how far it was' sub.err 'interrupted after [0-9]+ messages'
	code_of $pub
	same 'the publisher stops when none is left' 3 $code
	says 'and names who left' pub.err "subscriber $sub left or died: it had read [0-9]+ of [0-9]+ messages"
	says 'and that it stopped' pub.err 'no subscriber is left; stopped after [0-9]+ messages'
done

subscriber -t nobody 2>err & sub=$!
until_true 5 started $sub subscriber
kill -INT $sub
code_of $sub
same 'a signal ends the wait for a publisher' 130 $code

rm -f copy
subscriber -t all -c 1 -o copy & sub=$!
(echo one; until_true 5 ended $sub; sleep 0.3; echo two) | publisher -t all 2>pub.err
same 'one that had read all there was has still left before the end' 3 $?
says 'and is named' pub.err "subscriber $sub left or died: it had read 1 of [12] messages"
wait $sub

subscriber -t early -o copy & sub=$!
publisher -t early -n 2 <(echo all) 2>pub.err & pub=$!
until_true 5 started $sub subscriber
sleep 0.3
kill -INT $sub
wait $sub
subscriber -t early -o copy1 &
subscriber -t early -o copy2
code_of $pub
same 'who left before the first byte has missed nothing' 0 $code
check 'and is not named' test ! -s pub.err
check 'those who were there have all' grep -q all copy1 copy2

# asked twice
mkfifo held
subscriber -t twice -o held 2>/dev/null & sub=$!
exec 3<held
publisher -t twice <(endless) 2>pub.err & pub=$!
sleep 0.5
kill -INT $pub
sleep 0.3
check 'after one signal a publisher waits a little for those who have to read' kill -0 $pub
kill -INT $pub
began=${EPOCHREALTIME/[.,]/}
wait $pub
same 'a second signal ends it' 130 $?
took=$(((${EPOCHREALTIME/[.,]/} - began) / 1000))
check "at once ($took ms)" test $took -lt 1000
exec 3<&-
wait $sub

# asked while nobody reads what it writes: through a pipe of its own, and through one that was there
new
mkfifo stuck
exec 3<>stuck
publisher -t stuck -n 0 <(endless) 2>/dev/null & pub=$! # goes on when a subscriber has left
for out in stuck -; do
	for i in 1 2 3 4 5 6 7 8; do
		if [ $out = - ]; then subscriber -t stuck 2>sub.err >&3 & sub=$!; else subscriber -t stuck -o stuck 2>sub.err & sub=$!; fi
		sleep "0.0$((i + 1))"
		[ $i -lt 8 ] || sleep 0.3
		kill -TERM $sub
		code_of $sub
		[ "$code" = 143 ] || break
	done
	same "a signal ends the wait for an output nobody reads ($out, $i times)" 143 $code
done
kill -KILL $pub
wait $pub 2>/dev/null
exec 3<&-

# killed
new
subscriber -t kill1 -o copy 2>sub.err & sub=$!
publisher -t kill1 <(endless) 2>/dev/null & pub=$!
until_true 5 has_bytes copy 100000
kill -KILL $pub
wait $pub 2>/dev/null
code_of $sub
same 'kill -9 of the publisher: the subscriber knows' 3 $code
says 'and names it' sub.err "publisher $pub died after [0-9]+ messages"
check 'and has written what was sent' cmp -s copy <(endless | head -c "$(stat -c %s copy)")

new
subscriber -t kill2 -o copy 2>sub.err & sub=$!
publisher -t kill2 <(endless) 2>pub.err & pub=$!
until_true 5 has_bytes copy 100000
kill -KILL $sub
wait $sub 2>/dev/null
code_of $pub
same 'kill -9 of the only subscriber: the publisher knows' 3 $code
says 'and names it' pub.err "subscriber $sub left or died: it had read [0-9]+ of [0-9]+ messages"

endless | head -c 30000000 >input
new
subscriber -t kill3 -o copy1 2>/dev/null & one=$!
subscriber -t kill3 -o copy2 2>/dev/null & two=$!
(until has_bytes copy2 1000; do sleep 0.01; done; kill -KILL $two) & killer=$!
publisher -t kill3 -n 2 -s 64 input 2>pub.err
same 'kill -9 of one of two: the other is served to the end' 3 $?
says 'and the dead one is named' pub.err "subscriber $two left or died"
code_of $one
same 'regularly' 0 $code
wait $killer $two 2>/dev/null
check 'with everything' cmp -s copy1 input

new
subscriber -t next --follow -o copy 2>sub.err & sub=$!
publisher -t next <(endless) 2>/dev/null & pub=$!
until_true 5 has_bytes copy 1000
kill -KILL $pub
wait $pub 2>/dev/null
publisher -t next <(echo; echo from the successor)
same 'a successor finds the subscriber that follows' 0 $?
until_true 2 grep -q 'from the successor' copy
says 'which reads on' copy '^from the successor$'
kill -TERM $sub
wait $sub

# a subscriber that does not read
mkfifo pipe
subscriber -t slow -o pipe 2>sub.err & sub=$!
exec 3<pipe
publisher -t slow --timeout 0.3 <(endless) 2>pub.err
same 'a subscriber that does not read: --timeout ends the wait' 5 $?
says 'with a message' pub.err 'a subscriber has read nothing for --timeout'
exec 3<&-
wait $sub
subscriber -t slow2 -o pipe 2>sub.err & sub=$!
exec 3<pipe
publisher -t slow2 --full fail <(endless) 2>pub.err
same '--full fail: it is an error at once' 1 $?
says 'with a message' pub.err 'a whole log behind'
exec 3<&-
wait $sub
new
subscriber -t slow3 -o copy & quick=$!
subscriber -t slow3 -o pipe 2>sub.err & sub=$!
exec 3<pipe
publisher -t slow3 -n 2 --full drop --timeout 0.3 input 2>pub.err
same '--full drop: the others are served' 3 $?
says 'and the slow one is named' pub.err "subscriber $sub was too slow and was let go: it had read [0-9]+ of [0-9]+"
code_of $quick
check 'to the end' cmp -s copy input
cat <&3 >/dev/null & drained=$!
code_of $sub
same 'the slow one learns it' 3 $code
says 'and why' sub.err 'let us go after [0-9]+ messages: we were too slow'
exec 3<&-
wait $drained

# outputs that fail
subscriber -t full -o /dev/full 2>sub.err & sub=$!
publisher -t full input 2>/dev/null
same 'a full disk: the publisher learns that its reader left' 3 $?
code_of $sub
same 'the subscriber ends with an error' 1 $code
says 'which names the file and the reason' sub.err '^subscriber: /dev/full: No space left on device'
for how in '' --lines; do
	new
	subscriber -t full1 -o /dev/full 2>sub.err & sub=$!
	printf '1\n22\n333\n' | publisher -t full1 $how 2>pub.err
	same "taken is not written: one small ${how:+line} is enough" 3 $?
	says 'and counts as unread' pub.err "subscriber $sub left or died: it had read 0 of [1-3] messages"
	code_of $sub
	same 'the subscriber ends with an error' 1 $code
done
subscriber -t unread -o pipe 2>sub.err & sub=$!
exec 3<pipe
printf '1\n22\n333\n' >three
dd if=/dev/zero of=pipe bs=4096 count=16 2>err # what a pipe holds: the next write waits
publisher -t unread three --linger 0.5 2>pub.err
same 'taken is not written: a publisher waits for the output' 5 $?
cat <&3 >/dev/null & drained=$!
code_of $sub
same 'which gets everything all the same' 0 $code
exec 3<&-
wait $drained
subscriber -t epipe 2>sub.err | head -c 10 >/dev/null & head=$!
publisher -t epipe <(endless) 2>/dev/null
same 'a reader of the output that ends: the publisher stops' 3 $?
wait $head
says 'the subscriber says why it left' sub.err 'the program that reads it has ended'
subscriber -t closed >&- 2>err
same 'a closed standard output is an error' 1 $?
says 'with advice' err 'standard output is closed: say where to write with -o'
subscriber -t closed -o no/such/folder/file 2>err
same 'an output that cannot be made is an error' 1 $?
says 'which names it' err '^subscriber: no/such/folder/file: No such file or directory'
subscriber -t noerr -o copy 2>&- & sub=$!
publisher -t noerr input 2>&- <&- >&-
same 'closed descriptors do not matter where they are not used' 0 $?
code_of $sub
same 'on either side' 0 $code
check 'and nothing is printed into the stream' cmp -s copy input

# nobody comes
publisher -t never --timeout 0.2 input 2>err
same 'no subscriber within --timeout' 5 $?
says 'is said' err '0 of 1 subscribers came within --timeout'
subscriber -t never 2>/dev/null & sub=$!
sleep 0.3
ticks() { awk '{ print $14 + $15 }' /proc/$sub/stat; }
before=$(ticks)
sleep 1
check 'who waits uses no time of the processor' test $(($(ticks) - before)) -le 1
kill -TERM $sub
wait $sub
subscriber -t never --timeout 0.2 2>err >copy
same 'no message within --timeout' 5 $?
says 'is said' err 'nothing came within --timeout'

# what ends regularly leaves no trace
publisher -t again input -n 0 2>/dev/null
same 'no socket stays' 0 "$(find "$XDG_RUNTIME_DIR/parallax" -path '*/again/*.sock' | wc -l)"
finish
