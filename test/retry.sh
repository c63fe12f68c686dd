#!/bin/sh
# Runs a command that fetches something, up to four times: a registry that is slow
# or refuses for a moment isn't a failed test. Says each time what went wrong; no
# attempt takes longer than five minutes. Never for what may fail for its own sake.
# Usage: retry.sh COMMAND...
set -u
for pause in 5 20 60 ""; do
	if command -v timeout >/dev/null 2>&1; then
		timeout 300 "$@" && exit 0
	else
		"$@" && exit 0
	fi
	code=$?
	[ -n "$pause" ] || break
	echo "$*: exit code $code; once more in $pause s" >&2
	sleep "$pause"
done
echo "$*: it failed four times: is the network there?" >&2
exit "$code"
