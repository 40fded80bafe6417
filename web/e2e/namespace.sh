#!/usr/bin/env bash
# Runs a command in a network namespace of its own, with one address besides
# loopback. Firefox never pairs a loopback candidate with its own addresses
# (nICEr), so a server on 127.0.0.1 is out of its reach; here it can be given
# 10.99.0.1 without a packet leaving the machine.
set -euo pipefail
unshare=(unshare --net)
[ "$(id -u)" -eq 0 ] || unshare=(unshare --net --user --map-root-user)
exec "${unshare[@]}" bash -euc '
	ip link set lo up
	ip link add inner type veth peer name outer
	ip address add 10.99.0.1/24 dev inner
	ip link set inner up
	ip link set outer up
	ip route add default dev inner
	exec "$@"
' namespace "$@"
