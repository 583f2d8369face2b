#!/usr/bin/env bash
# test_shmctl_usage.sh - shmctl on the command line: help, errors, exit codes.
. tests/support/shell.sh
PATH=$BIN:$PATH

try() { # try CODE ARGUMENT...: exit code, leaves out and err
	local wanted=$1
	shift
	shmctl "$@" >out 2>err
	code=$?
	[ $code -eq "$wanted" ] || { echo "exit code $code of shmctl $*"; cat out err; return 1; }
}

check '--help explains, exit code 0' try 0 --help
says 'it goes to stdout' out '^usage: shmctl COMMAND'
check 'help of a command too' try 0 list --help
check '--version' try 0 --version
says 'it is a version' out '^shmctl [0-9]+\.[0-9]+\.[0-9]+$'
same 'and nothing on stderr' '' "$(cat err)"

check 'no command is a usage error' try 2
says 'it says so' err 'shmctl: no command; shmctl --help explains'
check 'an unknown command' try 2 lost
says 'is named' err 'shmctl: lost: no such command'
check 'an unknown option' try 2 list --frobnicate
says 'is named' err 'frobnicate'
check 'inspect needs a target' try 2 inspect
says 'it says which' err 'give a topic, a process id or a file'
check 'list takes none' try 2 list something
check 'one target at a time' try 2 inspect a b
check 'a watch needs a time' try 2 list --watch soon
says 'it says what is wrong' err 'soon: not a time'
check 'a watch of nothing' try 2 list --watch 0
check 'check cannot watch' try 2 check --watch 1
check 'reap has no processes' try 2 reap --processes
check 'list is always dry' try 2 list --dry-run

check 'a topic nobody has' try 3 inspect no/such/topic
says 'it says what to do' err 'no/such/topic: no live topic or segment of that name; shmctl list shows'
check 'a process that holds nothing' try 3 inspect 1
check 'a file that is not there' try 3 inspect ./nothing
says 'it is named' err 'shmctl: ./nothing: '
echo 'no segment' >text
check 'a file that is no segment' try 1 inspect ./text
says 'it says why' err 'not a segment'
head -c 100000 /dev/zero >zeros
check 'a file of zeros is shown' try 0 inspect ./zeros
says 'with what is wrong' out 'not a segment'
check 'and is broken' try 1 check ./zeros
says 'for a reason' out 'BROKEN.*no magic'

chmod 700 "$XDG_RUNTIME_DIR"
mkdir -m 0777 open
chmod 0777 open
check 'a discovery directory others may write to is refused' try 1 reap --directory open
says 'it says what to do' err 'open: .*it must belong to this user, and nobody else may write to it'
check 'one that is not there is empty' try 0 reap --directory "$PWD/none"
check 'and is not made' test ! -e none

shmctl list >/dev/full 2>err
same 'what cannot be written is an error' 1 $?
says 'it says so' err 'stdout: '
shmctl list >&- 2>err
same 'so is a stdout that is closed' 1 $?

finish
