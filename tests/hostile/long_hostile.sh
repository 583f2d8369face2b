#!/usr/bin/env bash
# 10^9 random writes of a subscriber into all it can write, and 10^6 broken handshakes, beside honest ones. COUNT and HANDSHAKES say
# how many otherwise.
# Timeout: 7200
. tests/support/shell.sh

for run in "writes ${COUNT:-1000000000}" "handshakes ${HANDSHAKES:-1000000}"; do
	read -r what count <<<"$run"
	COUNT=$count "$B/tests/hostile/test_hostile_$what" >log 2>&1
	same "$count $what harm nobody" 0 $?
	grep '^note: ' log
	grep -q 'FAILED' log && cat log
done
finish
