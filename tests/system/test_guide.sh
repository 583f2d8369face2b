#!/usr/bin/env bash
# docs/guide-bend.md: its commands, run in its order in one shell, print what it says they print.
# Timeout: 120
. tests/support/shell.sh

guide=$repository/docs/guide-bend.md
ln -s "$repository/examples" examples

# block N: what to run; said N: what it is to print, if the guide says
awk '
	/^```sh$/ { n++; kind = "run"; next }
	/^```text$/ && after { kind = "says"; next }
	/^```/ { after = kind == "run"; kind = ""; next }
	kind != "" { print > (kind "." n) ; next }
	/[^[:space:]]/ { after = 0 }
	END { print n > "blocks" }
' "$guide"
check 'the guide has commands' test "$(cat blocks)" -ge 10

# "…" in a line stands for anything.
prints() {
	local want got
	exec 3<"$1" 4<"$2"
	while IFS= read -r want <&3; do
		IFS= read -r got <&4 || { echo "nothing, not: $want"; return 1; }
		want=$(printf '%s' "$want" | sed 's/[][\\*?]/\\&/g; s/…/*/g')
		# shellcheck disable=SC2254
		case $got in
		$want) ;;
		*) printf 'not as the guide says: %s\n' "$got"; return 1 ;;
		esac
	done
	! IFS= read -r got <&4 || { echo "and more: $got"; return 1; }
}

for ((n = 1; n <= $(cat blocks); n++)); do
	. "./run.$n" >"got.$n" 2>&1
	if [ -e "says.$n" ]; then
		check "block $n prints what the guide says" prints "says.$n" "got.$n"
	else
		same "block $n prints nothing" '' "$(cat "got.$n")"
	fi
done
finish
