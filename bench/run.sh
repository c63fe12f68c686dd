#!/bin/sh
# Runs every benchmark, each beside its peer; make bench calls it, after it has
# built bin/axle and .venv. Takes about 20 minutes; ROUNDS=1 is quicker.
# A part of them: sh bench/run.sh engine plan discovery access moto sandbox latency regions peers fleet storm
# fleet-small is a quick fleet.
set -eu
cd "$(dirname "$0")/.."
rounds=${ROUNDS:-3}
bin=$(mktemp -d)
trap 'rm -rf "$bin"' EXIT
go build -o "$bin" ./bench/...
for part in ${*:-engine plan discovery access moto sandbox latency regions peers fleet storm}; do
	echo
	echo "== $part"
	case $part in
	engine) "$bin/engine" -steps 200000 ;;
	plan) "$bin/plan" ;;
	discovery) "$bin/discovery" -axle bin/axle ;;
	access)
		peer=$bin/peer
		sh bench/access/peer.sh "$peer" || peer=
		"$bin/access" -axle bin/axle -peer "$peer"
		;;
	peers)
		peers=$bin/peers
		sh bench/peers/install.sh "$peers" || peers=
		"$bin/deploy" -goloop "$bin/goloop" -peers "$peers" -suite peers -rounds "$rounds"
		for suite in peers-latency peers-stacks; do
			"$bin/deploy" -goloop "$bin/goloop" -peers "$peers" -suite $suite -rounds 1
		done
		;;
	regions | fleet | fleet-small | storm) "$bin/deploy" -goloop "$bin/goloop" -suite "$part" -rounds 1 ;;
	*) "$bin/deploy" -goloop "$bin/goloop" -suite "$part" -rounds "$rounds" ;;
	esac
done
