#!/bin/sh
# Installs two peers from npm, org-formation and takomo, into a folder that is
# thrown away afterwards. Their install scripts don't run.
#
#	sh bench/peers/install.sh DIR
set -eu
here=$(cd "$(dirname "$0")" && pwd)
for program in npm node; do
	command -v "$program" >/dev/null || { echo "bench/peers: $program isn't there, so there are no peers" >&2; exit 1; }
done
mkdir -p "$1"
cd "$1"
cp "$here/endpoint.js" .
echo '{"private": true}' >package.json
npm install --silent --no-audit --no-fund --no-package-lock --ignore-scripts \
	aws-organization-formation@1.0.17 takomo@2.7.1 >&2 ||
	{ echo "bench/peers: npm can't install the peers" >&2; exit 1; }
