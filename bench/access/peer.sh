#!/bin/sh
# Installs the peer, npm's @cloud-copilot/iam-simulate, into a folder of its own
# that is thrown away afterwards. It is under the AGPL: it runs as a process
# beside Axle, and isn't part of anything that is shipped.
#
#	sh bench/access/peer.sh DIR
set -eu
here=$(cd "$(dirname "$0")" && pwd)
for program in npm node; do
	command -v "$program" >/dev/null || { echo "bench/access: $program isn't there, so there is no peer" >&2; exit 1; }
done
mkdir -p "$1"
cd "$1"
cp "$here/peer.mjs" .
echo '{"private": true, "type": "module"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts @cloud-copilot/iam-simulate@0.1.173 >&2 ||
	{ echo "bench/access: npm can't install the peer" >&2; exit 1; }
