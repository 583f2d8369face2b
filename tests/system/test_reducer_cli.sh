#!/usr/bin/env bash
# reducer run: what it prints, how it ends, what it says when something is wrong.
. tests/support/programs.sh

examples=$repository/examples
reducer() { "$BIN/reducer" "$@"; }

# run_as SENTENCE CODE ARGUMENT...: runs, leaves out and err
run_as() {
	local sentence=$1 code=$2
	shift 2
	reducer run "$@" >out 2>err
	same "$sentence" "$code" $?
}

cat >two.hvm <<'END'
@main = (a (b (a b)))
END
run_as 'a program is reduced' 0 two.hvm
same 'and printed as HVM2 prints it' 'Result: (a (b (a b)))' "$(cat out)"
same 'and nothing else is said' '' "$(cat err)"
run_as 'also from stdin' 0 - <two.hvm
same 'the same' 'Result: (a (b (a b)))' "$(cat out)"
run_as 'figures are shown when asked for' 0 two.hvm --workers 2 --stats
says 'the result comes first' <(head -1 out) '^Result: '
says 'then interactions' <(sed -n 2p out) '^- ITRS: [0-9]+$'
says 'then seconds' <(sed -n 3p out) '^- TIME: [0-9]+\.[0-9][0-9]s$'
says 'then speed' <(sed -n 4p out) '^- MIPS: [0-9]+\.[0-9][0-9]$'
says 'then a line per worker' <(sed -n 5p out) '^- WORKER 0: [0-9]+ interactions, [0-9]+ redexes given, '
says 'for each' <(sed -n 6p out) '^- WORKER 1: '
same 'and that is all' 6 "$(wc -l <out)"

# the examples: one answer and one count whatever the workers
for file in "$examples"/*.hvm; do
	name=${file##*/}
	name=${name%.hvm}
	expected=$(cat "$examples/$name.expected")
	case $expected in error:*) continue ;; esac
	counts=
	for workers in 1 2 3; do
		reducer run "$file" --workers $workers --stats >out 2>err
		[ "$(sed -n 's/^Result: //p' out)" = "$expected" ] || not_ok "$name with $workers workers: $(head -c 300 out err)"
		counts+=" $(sed -n 's/^- ITRS: //p' out)"
	done
	set -- $counts
	check "$name: 1, 2 and 3 workers agree on the answer and on $1 interactions" \
		test $# -eq 3 -a "$1" = "$2" -a "$1" = "$3"
done

# wrong programs
run_as 'a wrong program is an error' 1 "$examples/wrong.hvm"
says 'with file, line and column' err "^reducer: .*/wrong\.hvm:7:16: "
same 'and no result' '' "$(cat out)"
: >empty.hvm
run_as 'an empty file is an error' 1 empty.hvm
says 'that names it' err 'empty\.hvm'
head -c 5000 /dev/urandom >noise.hvm
run_as 'noise is an error' 1 noise.hvm
printf '@main = r & 1 ~ $([/] $(0 r))' >zero.hvm
run_as 'a division by zero is an error' 1 zero.hvm
says 'that says so' err 'zero\.hvm: .*zero'
run_as 'a file that is not there is an error' 1 nowhere.hvm
says 'with the reason' err 'nowhere\.hvm: No such file'
run_as 'a directory is no program' 1 .
says 'and is named' err 'directory'
reducer run - <&- >out 2>err
same 'a stdin that is closed is an error' 1 $?

# references in a normal form
printf '@main = (@a 1) @a = (x x)' >kept.hvm
printf '@main = (@a #1{1 2}) @a = (x x)' >labels.hvm
run_as 'a reference in the result is left' 0 kept.hvm
same 'by name' 'Result: (@a 1)' "$(cat out)"
run_as 'or expanded' 0 kept.hvm --expand
same 'when asked' 'Result: ((a a) 1)' "$(cat out)"
run_as 'with labels it is expanded' 0 labels.hvm
same 'as hvm-64 does' 'Result: ((a a) #1{1 2})' "$(cat out)"
run_as 'or left' 0 labels.hvm --no-expand
same 'when asked' 'Result: (@a #1{1 2})' "$(cat out)"

# limits
endless >endless.hvm
printf '@more = (t r) & @more ~ ((t 1) r) @main = r & @more ~ (0 r)' >hungry.hvm
run_as 'gas ends what does not end' 4 endless.hvm --gas 100000
says 'and says so' err 'endless\.hvm: .*100000'
began=$SECONDS
run_as 'so does the clock' 4 endless.hvm --time-limit 300ms
check 'in time' test $((SECONDS - began)) -le $((10 * busy))
says 'and says so' err 'endless\.hvm: '
run_as 'so does memory' 4 hungry.hvm --max-memory 16M --workers 1
says 'and says so' err 'hungry\.hvm: .*memory'
run_as 'also with two workers' 4 hungry.hvm --max-memory 16M --workers 2

# signals
children() { grep -l "^PPid:[[:space:]]*$1\$" /proc/[0-9]*/status 2>/dev/null | cut -d/ -f3; }
# workers PID: the children of its supervisor, which is its child
workers() { for supervisor in $(children "$1"); do children "$supervisor"; done; }
has_workers() { test "$(workers "$1" | wc -l)" = 2; }
for signal in INT TERM; do
	"$BIN/reducer" run endless.hvm --workers 2 >out 2>err & pid=$!
	until_true 5 has_workers $pid
	kill -$signal $pid
	code_of $pid
	same "SIG$signal ends it as shells expect" $((128 + $(kill -l $signal))) $code
	says 'and it says how far it was' err 'interrupted after [0-9]+ interactions'
done
"$BIN/reducer" run endless.hvm --workers 2 --time-limit $((3 * busy))s >out 2>err & pid=$!
until_true 5 has_workers $pid
worker=$(workers $pid | head -1)
until_true 5 test "$(awk '{print $14 + $15}' "/proc/$worker/stat")" -ge 0
sleep 0.2
kill -KILL "$worker"
replaced() { test "$(workers $pid | grep -vx "$worker" | wc -l)" = 2; }
check 'a worker that is killed has a successor' until_true 5 replaced
code_of $pid
same 'and the program goes on' 4 $code
says 'until its time is over' err 'stopped after [0-9.]+ s'

# output
printf '@t = (d r) & d ~ ?((1000 @t.) r) @t. = ({a b} (x y)) & @t ~ (a x) & @t ~ (b y) @main = r & @t ~ (%s r)' 17 >big.hvm
run_as 'a large result is printed' 0 big.hvm
same 'whole' $((131072 * 4 + 131071 * 3 + 9)) "$(stat -c %s out)"
reducer run big.hvm 2>err | head -c 100 >/dev/null
same 'a reader that leaves is an error' 1 "${PIPESTATUS[0]}"
says 'and is told' err 'its reader is gone'
reducer run big.hvm >/dev/full 2>err
same 'a full disk is an error' 1 $?
says 'with the reason' err 'No space left'
reducer run two.hvm >&- 2>err
same 'a stdout that is closed is an error' 1 $?
check 'and is told' grep -q 'stdout' err

# usage
for arguments in 'run' 'run a b' 'run two.hvm --workers 0' 'run two.hvm --workers 65' 'run two.hvm --workers x' \
	'run two.hvm --gas' 'run two.hvm --gas -1' 'run two.hvm --max-memory 1X' 'run two.hvm --max-memory 1K' 'run two.hvm --time-limit 0' \
	'run two.hvm --nonsense' 'run two.hvm --io --expand' '' '-i x' '-o x' '-i x -o x' 'sing' '-i a -o b c' \
	'-i a -o b --slot-size 1' '-i a -o b --subscribers -1' 'report --nonsense' 'report --width 3'; do
	reducer $arguments >out 2>err </dev/null
	same "usage: reducer $arguments" 2 $?
	says 'is explained' err '^reducer: .*--help explains$'
done
cat >hello.hvm <<'END'
@main = r & @call ~ (@write ((1 @hi) ((* s) r))) & @done ~ (42 s)
@call = (n (a (k ((1 ((13683217 16719857) (n (a (k v))))) v))))
@done = (x ((0 ((13683217 16719857) (x v))) v))
@cons = (h (t ((1 (h (t v))) v)))
@nil = ((0 v) v)
@hi = e & @cons ~ (104 (d e)) & @cons ~ (105 (c d)) & @cons ~ (10 (@nil c))
@write = f & @cons ~ (87 (e f)) & @cons ~ (82 (d e)) & @cons ~ (73 (c d)) & @cons ~ (84 (b c)) & @cons ~ (69 (@nil b))
END
reducer run hello.hvm --io -w 2 >out 2>err
same 'a program that writes, with --io' 'hi|Result: ((0 ((13683217 16719857) (42 a))) a)|' "$(tr '\n' '|' <out)"
reducer run hello.hvm >out 2>err
same 'and without it says what it asks for' 1 "$(grep -c '^Result: ((1 ((13683217 16719857)' out)"
printf '@main = r & @sleep ~ r\n@sleep = ((1 ((13683217 16719857) (@n ((200000 0) (* v))))) v)\n@n = e & @cons ~ (83 (d e)) & @cons ~ (76 (c d)) & @cons ~ (69 (b c)) & @cons ~ (69 (a b)) & @cons ~ (80 (@nil a))\n' >sleep.hvm
sed -n '/^@cons\|^@nil/p' hello.hvm >>sleep.hvm
"$BIN/reducer" run sleep.hvm --io >out 2>err &
pid=$!
sleep 0.5
kill -INT $pid
code_of $pid
same 'a program that sleeps is interrupted' 130 $code
for arguments in '--help' 'run --help' 'report --help' '--version' 'run --version'; do
	reducer $arguments >out 2>err
	same "reducer $arguments" 0 $?
	check 'answers on stdout' test -s out -a ! -s err
	check 'in lines that fit' test "$(awk '{ if (length > m) m = length } END { print m }' out)" -le 110
done

# little room: a small program needs little
if [ -z "${SAN:-}" ]; then
	for workers in 1 2 4; do
		(ulimit -v 65536 && reducer run two.hvm --workers $workers) >out 2>err
		same "a small program runs in 64 MiB of addresses, with $workers workers" 'Result: (a (b (a b)))' "$(cat out err)"
	done
fi
finish
