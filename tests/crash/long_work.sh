#!/usr/bin/env bash
# Ten thousand workers killed at random while messages come and slots move: each message is counted once, in order.
. tests/support/shell.sh

PLX_KILLS=10000 timeout 3000 "$B/tests/libshm/work/test_workers_death" >out 2>&1
same 'nothing is lost, nothing doubled' 0 $?
grep kills, out
finish
