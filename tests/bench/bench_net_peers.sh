#!/usr/bin/env bash
# bench_net_peers.sh - the same nets, by this reducer and by others, in turns.
#
#   PLX_NET_PEERS='name=command ...' BIN=build/bin tests/bench/bench_net_peers.sh [-r RUNS] [PROGRAM.hvm...]
#
# A peer is a command that is given a program and prints "Result: ..." as HVM2 does; no peers: nothing is done. Nothing of theirs
# is here: who wants to compare builds them, and writes a line of shell where one knows a little less of the language.
# Everybody is measured from outside: seconds from its start to its end, what of the processor time was spent in the kernel, and
# the most memory that one of its processes had resident. MIPS are the interactions that HVM2 counts for this net through those
# seconds, so they compare although some count otherwise. Medians. A wrong result ends it.
set -eu

runs=9
[ -z "${PLX_BENCH_QUICK:-}" ] || runs=3
while getopts r: opt; do
	case $opt in
	r) runs=$OPTARG ;;
	*) echo 'usage: bench_net_peers.sh [-r RUNS] [PROGRAM.hvm...]' >&2; exit 2 ;;
	esac
done
shift $((OPTIND - 1))

bin=${BIN:-build/bin}
cases=${PLX_CASES:-../shared/cases}
[ $# -gt 0 ] || set -- "$cases"/bench/*.hvm
if [ -z "${PLX_NET_PEERS:-}" ] || [ ! -e "$1" ]; then
	echo 'bench_net_peers: no PLX_NET_PEERS, or no programs: skipped'
	exit 0
fi
clock=$(type -P time) || { echo 'bench_net_peers: GNU time is not installed: skipped'; exit 0; }

ours() { exec "$bin/reducer" run "$2" --workers "$1" --stats; }
# one interaction at a time, as the others do
unfused() { exec "$bin/reducer" run "$1" --workers 1 --no-fuse --stats; }
ours_1() { ours 1 "$1"; }
ours_2() { ours 2 "$1"; }
export -f ours ours_1 ours_2 unfused
export bin

names=(Parallax-1 Parallax-2 unfused-1)
commands=("bash -c 'ours_1 \"\$1\"' -" "bash -c 'ours_2 \"\$1\"' -" "bash -c 'unfused \"\$1\"' -")
for peer in $PLX_NET_PEERS; do
	names+=("${peer%%=*}")
	commands+=("${peer#*=}")
done

# Of all runs: one alone takes a few ticks of the clock that it is measured by.
kernel() { awk -v user="$1" -v sys="$2" 'BEGIN { n = split(user, u, " "); split(sys, s, " ")
	for (i = 1; i <= n; i++) { us += u[i]; ss += s[i] } print (us + ss > 0) ? 100 * ss / (us + ss) : 0 }'; }
middle() { printf '%s\n' "$@" | sort -g | sed -n "$((($# + 1) / 2))p"; }

out=$(mktemp)
trap 'rm -f "$out" "$out.time" "$out.error"' EXIT
printf '%-10s %-12s %9s %9s %9s %8s %9s\n' program who 'wall s' slowest MIPS 'system %' 'RSS KiB'
declare -A product=()
for program; do
	name=${program##*/} name=${name%.hvm} count='' result=''
	declare -A wall=() user=() system=() most=()
	for ((run = 0; run < runs; run++)); do
		for i in "${!names[@]}"; do
			began=${EPOCHREALTIME/[.,]/}
			if ! eval "$clock -q -o '$out.time' -f '%U %S %M' ${commands[i]} '$program'" >"$out" 2>"$out.error"; then
				wall[$i]+=' -'
				echo "bench_net_peers: $name by ${names[i]}: $(head -n 1 "$out.error")" >&2
				continue
			fi
			ended=${EPOCHREALTIME/[.,]/}
			got=$(sed -n 's/^Result: *//p' "$out")
			result=${result:-$got}
			count=${count:-$(sed -n 's/^- ITRS: *//p' "$out")}
			if [ "$got" != "$result" ]; then
				echo "bench_net_peers: $name by ${names[i]}: $got, not $result" >&2
				exit 1
			fi
			read -r u s m <"$out.time"
			wall[$i]+=" $(awk "BEGIN { print ($ended - $began) / 1e6 }")"
			user[$i]+=" $u"
			system[$i]+=" $s"
			most[$i]+=" $m"
		done
	done
	for i in "${!names[@]}"; do
		case ${wall[$i]} in
		*-*) printf '%-10s %-12s it cannot\n' "$name" "${names[i]}"; continue ;;
		esac
		w=$(middle ${wall[$i]}) mips=$(awk "BEGIN { print $count / $w / 1e6 }")
		product[$i]+=" $mips"
		printf '%-10s %-12s %9.3f %9.3f %9.1f %8.1f %9d\n' "$name" "${names[i]}" "$w" \
			"$(printf '%s\n' ${wall[$i]} | sort -g | tail -n 1)" "$mips" "$(kernel "${user[$i]}" "${system[$i]}")" "$(middle ${most[$i]})"
	done
done
for i in "${!names[@]}"; do
	printf '%s\n' ${product[$i]:-} | awk -v name="${names[i]}" 'NF { s += log($1); n++ } END {
		if (n) printf "geometric mean %-12s %9.1f MIPS over %d programs\n", name, exp(s / n), n }'
done
