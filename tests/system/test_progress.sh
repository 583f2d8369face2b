#!/usr/bin/env bash
# Progress is for people: a line on a terminal that is drawn a few times a second and makes way for messages; nothing when
# standard error is not a terminal, or with --quiet.
. tests/support/shell.sh

# on_terminal COMMAND: its standard error is a terminal, kept in the file "screen"
on_terminal() { script -qec "$1 2>&1 >/dev/null" /dev/null >screen </dev/null; }
slow() { for ((i = 0; i < 15; i++)); do head -c 100000 /dev/zero; sleep 0.1; done; }

slow | publisher -t p -n 2 2>pub.err &
subscriber -t p >/dev/null 2>sub.err &
began=${EPOCHREALTIME/[.,]/}
on_terminal 'subscriber -t p'
tenths=$(((${EPOCHREALTIME/[.,]/} - began) / 100000))
wait
same 'without a terminal nothing is said' '' "$(cat pub.err sub.err)"
drawn=$(tr '\r' '\n' <screen | grep -c 'received .*/s .*messages')
check "on one, progress is drawn a few times a second ($drawn in $tenths tenths of one)" test "$drawn" -ge 3 -a "$drawn" -le $((tenths * 6 / 10))
says 'and at the end what came' screen 'subscriber: received 1.43 MiB in [0-9]+ messages, [0-9.]+ s \([0-9.]+ [KM]iB/s\)'
check 'the line is erased before that' eval "tr '\r' '\n' <screen | tail -n 2 | grep -q $'^\033\\[Ksubscriber: received'"

head -c 100000 /dev/zero >file
subscriber -t q -o copy &
on_terminal 'publisher -t q file'
wait
says 'the publisher says what it sent' screen 'publisher: sent 97.7 KiB in 2 messages'
subscriber -t q -o copy &
on_terminal 'publisher -q -t q file'
wait
same 'with --quiet it says nothing' '' "$(cat screen)"
(until_true 5 grep -q 'waiting for' screen; exec subscriber -t q -o copy) &
on_terminal 'publisher -t q file'
wait
says 'who waits for subscribers says so' screen 'publisher: q: waiting for 1 subscriber'
finish
