#!/usr/bin/env bash
# Lines and whole files as messages, and how a subscriber chooses when to end.
. tests/support/shell.sh

seq 1 20000 >numbers
stream 'lines arrive as they were' numbers 2 --lines
stream 'also with a log of two' numbers 1 --lines --depth 2 -s 64
stream 'and through huge pages, or what stands in for them' numbers 2 --backend huge:1G
printf 'one\n\n\nfour' >odd
stream 'empty lines and a last one without newline too' odd 1 --lines
head -c 1000000 /dev/zero | tr '\0' x >endless
stream 'a line longer than a slot arrives in parts' endless 2 --lines -s 64
stream 'also one that is longer than every buffer' endless 1 --lines -s 4096
(head -c 63 endless; echo; head -c 64 endless; echo; head -c 65 endless; echo; head -c 128 endless; echo end) >edges
stream 'lines around a slot in length arrive' edges 1 --lines -s 64

count() { # a subscriber of N messages, and what of them it wrote
	local n=$1
	shift
	subscriber -t count -c "$n" "$@" >copy 2>sub.err &
	local subscriber=$!
	publisher -t count --lines "$file" 2>pub.err
	published=$?
	code_of $subscriber
}
file=numbers
count 7
same 'a subscriber may take a number of messages' 0 $code
same 'exactly these' "$(seq 1 7)" "$(cat copy)"
same 'and the publisher learns that it left before the end' 3 $published
says 'who, and how far it was' pub.err 'subscriber [0-9]+ left or died: it had read [0-9]+ of [0-9]+ messages'
count 20000
same 'taking exactly all is a regular end for both' '0 0' "$code $published"
check 'with all of it' cmp -s copy numbers
file=edges
count 2 # 64 bytes: one part; 65: two
same 'parts of a line count as one message' 0 $code

subscriber -t parts -c 3 --lines >copy &
publisher -t parts --lines -s 64 -n 1 edges 2>/dev/null
wait
same 'also when there are parts' "$(head -n 3 edges)" "$(cat copy)"

printf 'a' >a; printf 'bb\n' >b; : >c; head -c 300000 /dev/urandom >d
subscriber -t whole -o copy &
publisher -t whole --whole a b c d
same 'files are messages, as large as they are' 0 $?
wait
check 'and arrive' cmp -s copy <(cat a b c d)
subscriber -t whole -c 3 --lines -o copy &
publisher -t whole --whole a b c d 2>/dev/null
wait
same 'each is one message; --lines ends those without newline' $'a\nbb\n\n.' "$(cat copy; echo .)"
subscriber -t whole -c 1 -o copy &
cat d | publisher -t whole --whole
same 'standard input is one message however large' 0 $?
wait
check 'and arrives' cmp -s copy d
subscriber -t whole -c 2 -o copy &
publisher -t whole --whole <(cat d) /proc/self/limits
same 'so is what does not know its size' 0 $?
wait
check 'pipe and all' cmp -s -n 300000 copy d
says 'proc and all' copy 'Max open files'
publisher -t whole --whole -n 0 -s 100000 a d 2>err
same 'a file that does not fit the slots asked for is an error' 1 $?
says 'which says what does not fit' err 'd: 300000 bytes do not fit --slot-size 100000'

subscriber -t typed --type 7 -o copy 2>sub.err &
subscriber=$!
publisher -t typed --type 8 --timeout 0.5 a 2>/dev/null
same 'a subscriber of another type does not count' 5 $?
publisher -t typed --type 7 a
same 'one of the same type does' 0 $?
wait $subscriber
check 'and reads' cmp -s copy a

rm -f copy
publisher -t old -n 0 --lines --history 8 <(seq 1 100; until_true 10 test -s copy) &
publisher=$!
published() { shmctl inspect old | grep -q "^ *$1 published\|[^0-9]$1 published"; }
until_true 5 published 100
subscriber -t old --history 5 -o copy
same 'a late subscriber may begin with history' "$(seq 96 100)" "$(cat copy)"
wait $publisher

rm -f copy
subscriber -t follow --follow -o copy 2>err &
subscriber=$!
for i in 1 2 3; do seq $i $i | publisher -t follow; done
until_true 2 grep -q 3 copy
same 'with --follow one publisher after another is read' "$(seq 1 3)" "$(cat copy)"
kill -INT $subscriber
code_of $subscriber
same 'until a signal' 130 $code

# a lossy reader that cannot write holds nobody up
mkfifo pipe
subscriber -t lossy --lossy --lines -o pipe 2>err &
subscriber=$!
exec 3<pipe
seq 1 300000 | timeout 20 publisher -t lossy --lines -s 64 --depth 64
same 'a lossy reader does not hold the publisher up' 0 $?
cat <&3 >copy &
code_of $subscriber
wait
exec 3<&-
same 'and ends regularly' 0 $code
says 'and says how many it lost' err 'lost [0-9]+ messages, [0-9]+ in all'
lost=$(sed -n 's/.* \([0-9]*\) in all.*/\1/p' err | tail -n 1)
same 'exactly' 300000 $((lost + $(wc -l <copy)))
check 'what it has is in order' sort -n -c -u copy
finish
