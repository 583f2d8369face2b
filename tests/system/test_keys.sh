#!/usr/bin/env bash
# Keys from the command line: made, shown, pinned; who has none, or a wrong one, gets nothing and both sides say why.
. tests/support/shell.sh

shmctl key new pub.key >pub.pub 2>err
same 'a key is made: exit code 0' 0 $?
same 'nothing on standard error' '' "$(cat err)"
says 'its public part is printed' pub.pub '^plx-public-1 [0-9a-f]{64}$'
same 'the secret is for us alone' 600 "$(stat -c %a pub.key)"
secret=$(awk '/^plx-secret-1/ { print $2 }' pub.key)
same 'and is in its file only' '' "$(grep -l "$secret" pub.pub err)"
same 'show prints the same' "$(cat pub.pub)" "$(shmctl key show pub.key)"
same 'of a public file too' "$(cat pub.pub)" "$(shmctl key show pub.pub)"
says 'also for programs' <(shmctl --json key show pub.key) '"public": *"plx-public-1 '
shmctl key new pub.key 2>err
same 'nothing is overwritten' 1 $?
says 'it says so' err 'pub.key: there is something already'
(cd "$work" && mkdir sub && cd sub && shmctl key new >/dev/null && test -f parallax.key)
same 'without a name it is parallax.key' 0 $?
shmctl key show nothing 2>err
same 'a key that is not there: exit code 3' 3 $?
says 'with its name' err 'shmctl: nothing: '
shmctl key frobnicate 2>err
same 'a mistake: exit code 2' 2 $?
shmctl key 2>err
same 'nothing said: exit code 2' 2 $?

shmctl key new sub.key >sub.pub
shmctl key new bad.key >bad.pub
seq 1 20000 >in

# meet PUBLISHER-OPTIONS -- SUBSCRIBER-OPTIONS: leaves pub.err, sub.err, out, $code (of the subscriber)
meet() {
	local p=() pid
	while [ "$1" != -- ]; do p+=("$1"); shift; done
	shift
	rm -f out
	publisher -t keys/test --timeout 3 "${p[@]}" in 2>pub.err & pid=$!
	timeout 20 subscriber -t keys/test --timeout 2.5 -o out "$@" 2>sub.err
	code=$?
	wait $pid
}

meet --key pub.key --trust bad.pub --trust sub.pub -- --key sub.key --trust pub.pub
same 'with keys that trust each other all arrives' 0 $code
check 'byte for byte' cmp in out

meet --key pub.key --trust sub.pub -- --timeout 0.7
same 'without a key nothing comes' 5 $code
says 'the subscriber knows why' sub.err 'the publisher asks for a key, and we have none'
says 'the publisher too' pub.err 'not let in: the subscriber hung up when it was asked for a key'
check 'and nothing was written' test ! -s out

meet --key pub.key --trust sub.pub -- --key bad.key --trust pub.pub --timeout 0.7
same 'with a wrong key nothing comes' 5 $code
name=$(cut -c14-29 bad.pub)
says 'the subscriber knows why' sub.err "not among those the publisher trusts \(key $name"
says 'the publisher too' pub.err "not among those the publisher trusts \(key $name"

meet -- --key sub.key --trust pub.pub --timeout 0.7
same 'from a publisher without a key nothing is read' 5 $code
says 'it says so' sub.err 'the publisher has no key'

meet --key bad.key --trust sub.pub -- --key sub.key --trust pub.pub --timeout 0.7
same 'nor from one with a wrong key' 5 $code
says 'it says so' sub.err "not among those we trust \(key $name"

# fails CODE REGEX PROGRAM OPTIONS...
fails() {
	local wanted=$1 regex=$2
	shift 2
	timeout 5 "$@" 2>err </dev/null
	same "$*: exit code $wanted" "$wanted" $?
	says 'with a sentence' err "$regex"
}
chmod 640 bad.key
head -c 150 sub.key >cut.key && chmod 600 cut.key
declare -A where=([publisher]='-t x' [subscriber]='-t x' [reducer]='-i x -o y')
for program in publisher subscriber reducer; do
	fails 1 "^$program: bad.key: .*mode 0640.*chmod 600" $program ${where[$program]} --key bad.key --trust pub.pub
	fails 1 "^$program: cut.key: the key is cut or damaged" $program ${where[$program]} --key cut.key --trust pub.pub
	fails 1 "^$program: none.key: " $program ${where[$program]} --key none.key --trust pub.pub
	fails 1 "^$program: sub.key: .*secret key" $program ${where[$program]} --key pub.key --trust sub.key
	fails 2 "^$program: --key without --trust" $program ${where[$program]} --key pub.key
	fails 2 "^$program: --trust without --key" $program ${where[$program]} --trust pub.pub
	fails 2 "second" $program ${where[$program]} --key pub.key --key sub.key
	fails 2 "no such user" $program ${where[$program]} --user nobody-of-that-name
	fails 2 "no such group" $program ${where[$program]} --group nobody-of-that-name
done

# the reducer takes programs from, and replies to, nobody but who proves a key
printf '@main = 41\n' >one.hvm
shmctl key new red.key >red.pub
serve() {
	reducer -i keys/in -o keys/out -w 1 -j 1 -S 1 --once --key red.key --trust pub.pub --trust sub.pub 2>red.err & server=$!
}
serve
timeout 20 subscriber -t keys/out --key sub.key --trust red.pub -o replies 2>sub.err & reader=$!
timeout 20 publisher -t keys/in --whole --key pub.key --trust red.pub one.hvm 2>pub.err
same 'a program with a key is taken' 0 $?
wait $reader
same 'its reply is read with one' 0 $?
wait $server
same 'the reducer ends' 0 $?
says 'the reply is there' replies '"result": *"41"'
serve
timeout 20 subscriber -t keys/out --timeout 0.7 -o replies 2>sub.err
same 'without a key no reply is read' 5 $?
timeout 20 publisher -t keys/in --whole --timeout 0.7 one.hvm 2>pub.err
same 'nor is a program taken' 1 "$(($? != 0))"
kill $server
wait $server
finish
