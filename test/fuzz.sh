#!/bin/sh
# Runs every fuzz target of the module, one after the other, for $FUZZTIME each
# (default 60s). Arguments narrow it to packages: sh test/fuzz.sh ./internal/expr
# A crash leaves its input in the package's testdata/fuzz, where the ordinary
# tests find it from then on.
set -eu
cd "$(dirname "$0")/.."
GO=${GO:-go}
FUZZTIME=${FUZZTIME:-60s}

[ $# -gt 0 ] || set -- ./...
packages=$("$GO" list -f '{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}}{{end}}' "$@")
ran=0
failed=
for package in $packages; do
	dir=$("$GO" list -f '{{.Dir}}' "$package")
	# Only what has a target is compiled.
	grep -qs '^func Fuzz' "$dir"/*_test.go || continue
	targets=$("$GO" test -list '^Fuzz' "$package" | grep '^Fuzz') || {
		echo "$package: its tests can't be listed" >&2
		failed="$failed $package"
		continue
	}
	for target in $targets; do
		echo "== $package $target, $FUZZTIME"
		ran=$((ran + 1))
		"$GO" test "$package" -run '^$' -fuzz "^$target\$" -fuzztime "$FUZZTIME" -fuzzminimizetime 20x ||
			failed="$failed $package/$target"
	done
done
if [ "$ran" -eq 0 ]; then
	echo "no fuzz target in $*" >&2
	exit 1
fi
if [ -n "$failed" ]; then
	echo "failed:$failed" >&2
	exit 1
fi
echo "$ran fuzz targets, nothing found"
