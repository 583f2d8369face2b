# shell.sh - what the test scripts share: sentences that are true or not, and programs that are waited for.
#
# A script sources this, then says what must hold:
#	check 'an empty file arrives as an empty stream' cmp -s empty got
# Each becomes a case ("ok - ..." or "not ok - ..."); the script ends with finish.
# BIN is the folder of the binaries. Work happens in $TMPDIR, which is empty and the test's own.

set -u
tests_failed=0
repository=$PWD
cd "${TMPDIR:?run me with tests/run}" || exit 1
work=$PWD
PATH=${BIN:+$BIN:}$PATH

ok() { printf 'ok - %s\n' "$*"; }

not_ok() {
	printf 'not ok - %s\n' "$*"
	tests_failed=$((tests_failed + 1))
}

skip() { printf 'skip - %s\n' "$*"; }

# check SENTENCE COMMAND...
check() {
	local sentence=$1
	shift
	if "$@"; then
		ok "$sentence"
	else
		not_ok "$sentence (failed: $*)"
	fi
}

# same SENTENCE WANTED GOT
same() {
	if [ "$2" = "$3" ]; then
		ok "$1"
	else
		not_ok "$1 (wanted '$2', got '$3')"
	fi
}

# says SENTENCE FILE REGEX: the file has a line that fits
says() {
	if grep -qE -- "$3" "$2"; then
		ok "$1"
	else
		not_ok "$1 (no '$3' in $2:)"
		sed 's/^/    | /' "$2"
	fi
}

# code_of PID: waits for a background process, prints nothing, leaves its exit code in $code
code_of() {
	wait "$1"
	code=$?
}

# how much slower this machine is than an idle one
read -r busy _ </proc/loadavg
busy=$((1 + ${busy%%.*} / $(nproc)))

# until_true SECONDS COMMAND...: tries every 20 ms; so many seconds on an idle machine
until_true() {
	local tries=$(($1 * 50 * busy))
	shift
	while ! "$@" >/dev/null 2>&1; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] || return 1
		sleep 0.02
	done
}

# started PID NAME: PID has become that program, and a signal will not just end it
started() {
	[ "$(cat /proc/$1/comm)" = "$2" ] && (((0x$(sed -n 's/^SigCgt:[[:space:]]*//p' /proc/$1/status) & 2) != 0))
}

# ended PID: also while nobody has waited for it
ended() { ! grep -q '^State:[[:space:]]*[^ZX]' /proc/$1/status; }

finish() {
	cd "$repository" || exit 1
	rm -rf "${work:?}"/* "${XDG_RUNTIME_DIR:?}"/parallax
	[ $tests_failed -eq 0 ]
	exit
}

# stream SENTENCE FILE COUNT [OPTION...]: FILE through a topic to COUNT subscribers, publisher with these options; all codes
# are 0 and every copy is equal
topic_number=0
stream() {
	local sentence=$1 file=$2 count=$3 i pids=() wrong='' publisher
	shift 3
	topic_number=$((topic_number + 1))
	for ((i = 0; i < count; i++)); do
		subscriber -t "t$topic_number" -o "copy$i" 2>"sub$i.err" &
		pids+=($!)
	done
	publisher -t "t$topic_number" -n "$count" "$@" "$file" 2>pub.err
	publisher=$?
	[ $publisher -eq 0 ] || wrong+=" publisher exit code $publisher: $(cat pub.err)"
	for ((i = 0; i < count; i++)); do
		wait "${pids[$i]}" || wrong+=" subscriber $i exit code $?: $(cat sub$i.err)"
		cmp -s "$file" "copy$i" || wrong+=" copy $i differs ($(stat -c %s "copy$i") of $(stat -c %s "$file") bytes)"
		rm -f "copy$i"
	done
	if [ -z "$wrong" ]; then
		ok "$sentence"
	else
		not_ok "$sentence:$wrong"
	fi
}
