#!/usr/bin/env bash
# 1 GiB through slots of 64 B to 16 MiB, to one and to three subscribers: every copy is equal. Needs 5 GiB of disk.
# Timeout: 1800
. tests/support/shell.sh

size=${SIZE:-1073741824}
head -c 16777216 /dev/urandom >block
for ((done_bytes = 0; done_bytes < size; done_bytes += 16777216)); do # no two blocks are equal
	printf '%016d' $done_bytes
	cat block
done | head -c "$size" >big
rm block
for slot in 64 4096 1M 16M; do
	for subscribers in 1 3; do
		began=${EPOCHREALTIME/[.,]/}
		stream "$size bytes in slots of $slot reach $subscribers" big $subscribers -s $slot
		took=$(((${EPOCHREALTIME/[.,]/} - began) / 1000))
		echo "note: slots of $slot, $subscribers: $took ms, $((size / 1048576 * 1000 / took)) MiB/s with files and cmp"
	done
done
finish
