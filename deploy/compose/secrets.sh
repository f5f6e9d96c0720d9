#!/bin/sh
# Makes the secrets of compose.yaml, each that is not there yet. The folder keeps other
# users out; the files in it may be read, since the containers run as users of their own.
set -eu
cd "$(dirname "$0")"
umask 077
mkdir -p secrets
for name in peppers postgres-superuser postgres-owner postgres-app valkey; do
	[ -e "secrets/$name" ] || openssl rand -base64 32 >"secrets/$name"
done
[ -e secrets/audit-key ] || openssl genpkey -algorithm ed25519 -out secrets/audit-key
chmod 0444 secrets/*
