#!/bin/sh
# Installs PostgreSQL's programs where apt can, for the tests of the store that
# teams share. They start a server of their own; none is left running.
# Usage: postgres.sh
set -eu
if ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null 2>&1; then
	exit 0
fi
if ! command -v apt-get >/dev/null 2>&1; then
	echo "PostgreSQL isn't here and apt-get neither: install it by hand, or set AXLE_TEST_POSTGRES" >&2
	exit 1
fi
sudo=
if [ "$(id -u)" != 0 ]; then
	sudo="sudo -n"
	$sudo true || exit 1
fi
retry="sh $(dirname "$0")/retry.sh"
$retry $sudo apt-get update -q
$retry $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -q -y -o DPkg::Lock::Timeout=300 --no-install-recommends postgresql
