#!/usr/bin/env bash
# bench_net.sh - interactions a second of the known bench programs, with one worker and with several.
#
#   BIN=build/bin tests/bench/bench_net.sh [-r RUNS] [-w "1 2"] [PROGRAM.hvm...]
#
# The row "plain" is without fusing (--no-fuse), with the first number of workers, and after it how many times faster the fused
# run is.
#
# Runs of different numbers of workers take turns, so that a machine that is busy for a while is busy for all of them.
# For each program: median and best MIPS, their ratio to one worker (of the medians, and of the best), what of the
# processor time was spent in the kernel, memory of all partitions. The count of each run is compared with the known one,
# or with the first run: a wrong count ends it.
# PLX_CASES says where the cases are (default ../shared/cases); PLX_BENCH_QUICK=1 makes it three runs.
set -eu

runs=9 workers='1 2'
[ -z "${PLX_BENCH_QUICK:-}" ] || runs=3
while getopts r:w: opt; do
	case $opt in
	r) runs=$OPTARG ;;
	w) workers=$OPTARG ;;
	*) echo 'usage: bench_net.sh [-r RUNS] [-w "1 2"] [PROGRAM.hvm...]' >&2; exit 2 ;;
	esac
done
shift $((OPTIND - 1))

bin=${BIN:-build/bin}
cases=${PLX_CASES:-../shared/cases}
[ $# -gt 0 ] || set -- "$cases"/bench/*.hvm
if [ ! -e "$1" ]; then
	echo "bench_net: no programs at $cases/bench: skipped"
	exit 0
fi

# As HVM2 counts them.
declare -A known=([sumrec]=50331631 [fib]=33778102 [loop]=50331648 [tree]=44040165 [bitonic]=21835749)

sorted() { printf '%s\n' "$@" | sort -n; }
median() { sorted "$@" | sed -n "$((($# + 1) / 2))p"; }
best() { sorted "$@" | tail -n 1; }

TIMEFORMAT='%U %S'
out=$(mktemp)
trap 'rm -f "$out"' EXIT
printf '%-10s %7s %9s %9s %7s %7s %7s %9s\n' program workers median best ratio ratio system memory
printf '%-10s %7s %9s %9s %7s %7s %7s %9s\n' '' '' MIPS MIPS median best '%' KiB
for program; do
	name=${program##*/}
	name=${name%.hvm}
	expected=${known[$name]:-}
	declare -A mips=() user=() system=() memory=()
	for ((i = 0; i < runs; i++)); do
		for w in $workers plain; do
			how=(--workers "$w")
			[ "$w" != plain ] || how=(--workers "${workers%% *}" --no-fuse)
			times=$({ time "$bin/reducer" run "$program" "${how[@]}" --stats >"$out"; } 2>&1)
			count=$(sed -n 's/^- ITRS: *//p' "$out")
			expected=${expected:-$count}
			if [ "$count" != "$expected" ]; then
				echo "bench_net: $name with $w workers: $count interactions, not $expected" >&2
				exit 1
			fi
			mips[$w]+=" $(sed -n 's/^- MIPS: *//p' "$out")"
			user[$w]+=" ${times% *}"
			system[$w]+=" ${times#* }"
			memory[$w]=$(sed -n 's/^- WORKER.*, \([0-9.]*\) \([KMG]\)iB$/\1 \2/p' "$out" |
				awk '{ n += $1 * ($2 == "M" ? 1024 : $2 == "G" ? 1048576 : 1) } END { print n }')
		done
	done
	base_median='' base_best=''
	for w in $workers plain; do
		m=$(median ${mips[$w]}) b=$(best ${mips[$w]})
		base_median=${base_median:-$m} base_best=${base_best:-$b}
		awk -v name="$name" -v w="$w" -v m="$m" -v b="$b" -v bm="$base_median" -v bb="$base_best" \
			-v user="${user[$w]}" -v sys="${system[$w]}" -v memory="${memory[$w]}" 'BEGIN {
			n = split(user, u, " "); split(sys, s, " ")
			for (i = 1; i <= n; i++) { us += u[i]; ss += s[i] }
			printf "%-10s %7s %9.1f %9.1f %7.2f %7.2f %7.1f %9d\n", name, w, m, b, m / bm, b / bb,
				(us + ss > 0) ? 100 * ss / (us + ss) : 0, memory
			if (w == "plain")
				printf "%-10s %17s %9s %7.2f %7.2f\n", name, "fused / plain", "", bm / m, bb / b
		}'
	done
	all+=" $(best ${mips[${workers%% *}]})"
	medians+=" $(median ${mips[${workers%% *}]})"
done
for which in medians all; do
	printf '%s\n' ${!which} | awk -v which="$which" '{ s += log($1); n++ } END {
		printf "geometric mean of the %s with the fewest workers: %.1f MIPS\n", which == "all" ? "best" : which, exp(s / n) }'
done
