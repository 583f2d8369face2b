#!/usr/bin/env bash
# A stream of bytes through publisher and subscriber comes out as it went in: sizes around a slot's, slots from 64 B to
# 16 MiB, one and three subscribers, either side first, files, pipes, and several files.
# Timeout: 90
. tests/support/shell.sh

head -c 33554432 /dev/urandom >big
: >empty
for size in 1 63 64 65 40 41 4095 4096 4097 65536 65537 1000003; do
	head -c $size big >f$size
	for slot in 64 100 4096 64K; do
		stream "$size bytes in slots of $slot arrive" f$size 1 -s $slot
	done
done
stream 'an empty file arrives empty' empty 1
stream 'an empty file arrives empty, three times' empty 3

for slot in 64 4096 1M 16M; do
	for subscribers in 1 3; do
		size=33554432
		[ $slot = 64 ] && size=4194303
		[ -n "$SAN" ] && size=$((size / 8))
		head -c $size big >input
		stream "$size bytes in slots of $slot reach $subscribers" input $subscribers -s $slot
	done
done
stream 'a log of two messages will do' f1000003 2 -s 4096 --depth 2
stream 'a log of fewer messages than are read at once will do' f1000003 1 -s 64 --depth 64
stream 'of two as well' f65537 2 -s 64 --depth 2
stream 'two slots will do' f1000003 2 -s 64K --slots 2
stream 'stamped messages arrive' f65537 1 -s 64 --stamp

publisher -t first f1000003 &
publisher=$!
sleep 0.2
subscriber -t first >copy
same 'the publisher may come first' '0' $?
check 'and all arrives' cmp -s f1000003 copy
code_of $publisher
same 'and it knows' 0 $code

publisher -t two -n 2 f1000003 &
publisher=$!
subscriber -t two -o copy1 &
one=$!
until_true 5 test -e copy1
sleep 0.3
same 'it waits for the second subscriber before the first byte' 0 "$(stat -c %s copy1)"
subscriber -t two -o copy2
code_of $publisher
wait $one
check 'and then both have all' cmp -s copy1 copy2
check 'of it' cmp -s copy1 f1000003

subscriber -t pipe -o copy &
(cat f65537; sleep 0.2; cat f4097) | publisher -t pipe -s 16K
same 'a pipe that pauses is streamed' 0 $?
wait $!
check 'and arrives whole' cmp -s copy <(cat f65537 f4097)

rm -f copy
subscriber -t pipe2 -o copy &
subscriber=$!
(echo early; sleep 1; echo late) | publisher -t pipe2 -s 64K &
check 'what a pipe has is sent on at once' until_true 1 grep -q early copy
wait $subscriber
same 'and the rest when it comes' 'early late' "$(echo $(cat copy))"

subscriber -t many -o copy &
publisher -t many -s 100 f65 f4096 - empty f63 <f41
same 'several files and standard input follow one another' 0 $?
wait
check 'without a gap' cmp -s copy <(cat f65 f4096 f41 empty f63)

subscriber -t through | cmp -s - f1000003 &
compared=$!
cat f1000003 | publisher -t through
code_of $compared
same 'both may stand in pipelines' 0 $code

mkdir own
subscriber -t here --directory "$work/own/dir" -o copy &
publisher -t here --directory "$work/own/dir" f4097
same 'a directory of topics may be named' 0 $?
wait
check 'and both ends meet there' cmp -s copy f4097

for n in 1 2 3; do subscriber -t a/b.c/d-$n -o copy$n & done
for n in 1 2 3; do publisher -t a/b.c/d-$n f409$((n + 4)) & done
wait
check 'topics do not mix' eval 'cmp -s copy1 f4095 && cmp -s copy2 f4096 && cmp -s copy3 f4097'

subscriber -t join -p 3 --lines >copy &
for n in 1 2 3; do seq $((n * 1000)) $((n * 1000 + 999)) | publisher -t join --lines & done
wait
check 'three publishers of one topic all arrive' cmp -s <(sort copy) <(seq 1000 3999 | sort)
for n in 1 2 3; do
	check "each in order ($n)" cmp -s <(grep "^$n" copy) <(seq $((n * 1000)) $((n * 1000 + 999)))
done

publisher -t none -n 0 f65537
same 'with --subscribers 0 nobody is waited for' 0 $?
finish
