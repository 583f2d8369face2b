# programs.sh - what scripts that run the reducer share: small programs, what they came to, and the processes they run in.
. tests/support/shell.sh

# A tree of calls 2^$1 wide that adds ones: much to do for many, a small normal form.
wide() {
	printf '@main = r & @wide ~ (%u r)\n@wide = (?((1 @wide-more) r) r)\n' "$1"
	printf '@wide-more = ({a b} r) & @wide ~ (a $([+] $(x r))) & @wide ~ (b x)\n'
}

# A tree of 2^$1 leaves, which is its own normal form.
tree() {
	printf '@main = r & @tree ~ (%u r)\n@tree = (?((1 @tree-more) r) r)\n' "$1"
	printf '@tree-more = ({a b} (x y)) & @tree ~ (a x) & @tree ~ (b y)\n'
}

# What never ends, and takes no memory.
endless() {
	cat <<-'END'
		@loop = (n r) & n ~ ?((@zero @more) (* r))
		@zero = (* r) & @loop ~ (1 r)
		@more = ($([+] $(2 n)) (* r)) & @loop ~ (n r)
		@main = r & @loop ~ (1 r)
	END
}

# Of a file with what reducer run --stats wrote
result_of() { sed -n 's/^Result: //p' "$1"; }
count_of() { sed -n 's/^- ITRS: //p' "$1"; }

# child_of PID NAME: the first one, when it is there
child_of() {
	local child name
	for child in $(cat "/proc/$1/task/$1/children" 2>/dev/null); do # ps is slow on a busy machine
		{ read -r name <"/proc/$child/comm"; } 2>/dev/null && [ "${name%% *}" = "$2" ] && echo "$child" && return
	done
}
has_child() { [ -n "$(child_of "$1" "$2")" ]; }
is_gone() { ! kill -0 "$1" 2>/dev/null; }
# beset PID: it has a supervisor that can be killed; false when it has ended, or ends before it has
beset() {
	beset_or_gone() { has_child "$1" supervisor || is_gone "$1"; }
	until_true 5 beset_or_gone "$1" && ! is_gone "$1"
}

# listens PID: a reducer that has begun, and heeds signals
listens() { reducer workers "$1" >/dev/null 2>&1; }
