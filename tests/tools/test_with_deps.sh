#!/usr/bin/env bash
# tools/with-deps, on machines that lack this and that: a PATH of links, with apt, sudo and id played by scripts.
. tests/support/shell.sh
with_deps=$repository/tools/with-deps

# machine NAME PROGRAM...: a folder with the programs every system has and those named
machine() {
	local name=$1 program
	shift
	rm -rf "$name"
	mkdir "$name"
	for program in bash sh env cat mktemp rm tail id nm cmp as ld collect2 strace pgrep spin llvm-cov "$@"; do
		if [ -n "$(type -P "$program")" ]; then
			ln -s "$(type -P "$program")" "$name/$program"
		fi
	done
}

# play FOLDER NAME: the body of a script from stdin
play() {
	{ echo '#!/bin/bash' && cat; } >"$1/$2.new"
	chmod +x "$1/$2.new"
	mv -f "$1/$2.new" "$1/$2"
}

# run FOLDER ARGUMENT...: with-deps on that machine; leaves out, err, code
run() {
	local folder=$1
	shift
	PATH=$work/$folder "$with_deps" "$@" >out 2>err
	code=$?
}
all='make gcc g++ clang clang-format pkg-config'

machine whole $all
play whole apt-get <<<"echo called >>$work/apt.log"
cpu_ms() { awk -v hz="$(getconf CLK_TCK)" '{ sub(/.*\) /, ""); print int(1000 * ($14 + $15) / hz) }' "/proc/$$/stat"; } # of those waited for
began=$(cpu_ms)
run whole bash -c 'echo "$@"; exit 7' x 'one two' three
took=$(($(cpu_ms) - began)) # of processor time: a loaded machine makes nothing slow
same 'when all is there the command runs with its arguments' 'one two three' "$(cat out)"
same 'and its exit code is passed on' 7 $code
same 'and nothing is said' '' "$(cat err)"
check 'and apt is not called' test ! -e apt.log
check "and it takes a moment ($took ms)" test $took -lt 3000
run whole
same 'without a command it explains itself' 2 $code
says 'with an example' err 'usage: .*make test'
run whole no-such-command
same 'a command that does not exist is 127' 127 $code

machine bare make gcc g++ pkg-config
run bare touch ran
check 'without apt it stops' test $code -ne 0
check 'before the command runs' test ! -e ran
says 'and names the packages' err 'missing: clang clang-format$'
says 'and says what to do' err 'no apt here; install these'

machine fresh pkg-config g++ clang-format
rm -f fresh/cmp fresh/nm fresh/strace
run fresh true
says 'a machine without compiler or make needs both, and the libraries' err 'missing: make gcc clang .*libcmocka-dev libjson-c-dev libroaring-dev libseccomp-dev libsodium-dev libuv1-dev libxxhash-dev'

machine root make gcc g++ pkg-config clang
play root id <<<'echo 0'
play root apt-get <<EOF2
echo "\$*" >>$work/apt.log
case " \$* " in *' install '*) $(type -P ln) -s $(type -P clang-format) $work/root/clang-format ;; esac
EOF2
run root bash -c "echo installed and run"
same 'root installs what is missing and goes on' 'installed and run' "$(cat out)"
says 'with apt-get, and only what is missing' apt.log '^-q install -y --no-install-recommends clang-format$'
says 'and says so beforehand' err 'running: apt-get update && apt-get install -y --no-install-recommends clang-format'
says 'and afterwards' err 'installed: clang-format'

rm -f apt.log
machine user make gcc g++ pkg-config clang
play user id <<<'echo 1000'
play user apt-get <<<"echo \"\$*\" >>$work/apt.log"
run user touch ran
check 'a user without sudo is told what root must run' grep -q 'no sudo; as root run: apt-get update && apt-get install clang-format' err
check 'and nothing is tried' test ! -e apt.log -a ! -e ran
play user sudo <<EOF2
echo "\$*" >>$work/sudo.log
case " \$* " in *' install '*) $(type -P ln) -s $(type -P clang-format) $work/user/clang-format ;; esac
EOF2
run user bash -c "echo fine"
same 'a user with sudo gets it' fine "$(cat out)"
says 'through sudo' sudo.log 'apt-get -q install -y --no-install-recommends clang-format'

machine broken make gcc g++ pkg-config clang
play broken id <<<'echo 0'
play broken apt-get <<<'echo "E: Unable to locate package"; exit 100'
run broken touch ran
check 'when apt fails we stop' test $code -ne 0 -a ! -e ran
says 'with what apt said' err 'Unable to locate'
says 'and what to do' err 'by hand'

machine library $all
rm library/gcc
play library gcc <<EOF2
case " \$* " in *' -lcmocka '*) exit 1 ;; esac
exec $(type -P gcc) "\$@"
EOF2
run library true
says 'a library that does not link is missing, the others are not' err 'missing: libcmocka-dev$'
finish
