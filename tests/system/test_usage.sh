#!/usr/bin/env bash
# What users mistype: every mistake is exit code 2 with a sentence that says what, and where help is; what cannot be read
# is exit code 1 with its name; --help and --version are exit code 0 on standard output.
. tests/support/shell.sh

# wrong PROGRAM REGEX ARGUMENT...
wrong() {
	local program=$1 regex=$2
	shift 2
	timeout 5 $program "$@" >out 2>err </dev/null
	same "$program $*: exit code 2" 2 $?
	says 'with a sentence' err "^$program: .*$regex"
	same 'and nothing on standard output' '' "$(cat out)"
}
for program in publisher subscriber; do
	wrong $program 'no topic: -t TOPIC'
	wrong $program 'publisher|subscriber' -t x --no-such-option
	wrong $program "requires an argument|option '?-?-?t" -t
	for topic in '' / a/ /a a//b . .. a/../b 'a b' "a+b" ä "$(printf 'x%.0s' $(seq 65))"; do
		wrong $program 'not a topic' -t "$topic" --timeout 0.1
	done
	wrong $program '--timeout soon: a time' -t x --timeout soon
	wrong $program '--type -1: a number' -t x --type -1
	$program --help >out 2>err
	same "$program --help: exit code 0" 0 $?
	same 'nothing on standard error' '' "$(cat err)"
	says 'usage' out "^Usage: $program -t TOPIC"
	says 'exit codes' out '^Exit code:'
	same 'no line is longer than a terminal is wide' '' "$(grep -E '^.{121,}' out)"
	for option in $(sed -n 's/^\t{ "\([a-z-]*\)".*/\1/p' "$repository/$program/options.c"); do
		says "--$option is in the help" out "--$option"
		says "and in the manual" "$repository/docs/man/$program.1" "${option//-/\\\\-}"
	done
	$program --version >out
	same "$program --version" "$program (Parallax) 0.1.0" "$(cat out)"
	$program --help >/dev/full 2>err
	same 'help that cannot be written is an error' 1 $?
done
wrong publisher '--slot-size 63: a size from 64' -t x -s 63
wrong publisher '--slot-size 2G: a size' -t x -s 2G
wrong publisher '--slot-size big: a size' -t x -s big
wrong publisher '--depth 3: a power of two' -t x --depth 3
wrong publisher 'more than an address space holds' -t x -s 1G --slots 16777216
wrong publisher '--depth 0: a number' -t x --depth 0
wrong publisher '--history 8: less than' -t x --depth 8 --history 8
wrong publisher '--full maybe: wait, fail or drop' -t x --full maybe
wrong publisher '--backend heap: memfd, huge:2M or huge:1G' -t x --backend heap
wrong publisher '--subscribers many: a number' -t x -n many
wrong publisher 'not both' -t x --lines --whole
wrong subscriber '--count 0: a number' -t x -c 0
wrong subscriber 'extra: what is this' -t x extra

publisher -t x -n 0 nowhere "$work" 2>err
same 'files that cannot be read: exit code 1' 1 $?
says 'each is named: missing' err '^publisher: nowhere: No such file or directory'
says 'each is named: a directory' err "^publisher: $work: it is a directory"
echo data >good
subscriber -t early -o copy --timeout 1 2>/dev/null & sub=$!
publisher -t early good nowhere 2>/dev/null
same 'before anything is sent' 1 $?
code_of $sub
same 'so that nobody reads half of it' '5 0' "$code $(stat -c %s copy)"
publisher -t x -n 0 <&- 2>err
same 'a closed standard input: exit code 1' 1 $?
says 'with advice' err 'standard input is closed'
if [ "$(id -u)" -ne 0 ]; then
	touch secret && chmod 000 secret
	publisher -t x -n 0 secret 2>err
	same 'a file we may not read: exit code 1' 1 $?
	says 'is named' err 'secret: Permission denied'
fi
echo keep >precious
subscriber -t 'not a topic' -o precious 2>/dev/null
same 'a mistyped topic does not empty the output' keep "$(cat precious)"

mkdir -p theirs && chmod 777 theirs
publisher -t x -n 0 --directory "$work/theirs" good 2>err
same 'a directory others may write: exit code 1' 1 $?
says 'is refused' err 'directory of topics is not ours alone'
publisher -t x -n 0 -s 1G --slots 256 good 2>err
same 'more memory than there is: exit code 1' 1 $?
says 'with advice' err 'no memory for slots'
finish
