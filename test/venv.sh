#!/bin/sh
# Makes a Python venv with the independent emulators and AWS's own clients.
# Usage: venv.sh FOLDER REQUIREMENTS
set -eu
venv=$1
requirements=$2
python=${PYTHON:-python3}
if ! command -v "$python" >/dev/null 2>&1; then
	echo "python3 is needed for the scenarios on independent emulators" >&2
	exit 1
fi
# What was left half made is made anew: pip takes a package for installed whose
# installation was killed.
anew=
[ -e "$venv/ready" ] || anew=--clear
rm -f "$venv/ready"
"$python" -m venv $anew "$venv"
sh "$(dirname "$0")/retry.sh" "$venv/bin/pip" install --quiet --disable-pip-version-check --timeout 60 -r "$requirements"
touch "$venv/ready"
