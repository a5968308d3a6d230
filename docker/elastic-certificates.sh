#!/usr/bin/env bash
# A certificate authority of this installation and Elasticsearch's certificate, made once. Both end after three
# years; docs/install.md tells how to make new ones.
set -euo pipefail

made=/certificates
if [ -f "$made/elasticsearch/elasticsearch.key" ]; then
    echo "the certificates are there"
    exit 0
fi
cd /usr/share/elasticsearch
new=$(mktemp -d)
bin/elasticsearch-certutil ca --silent --pem --out "$new/ca.zip"
unzip -q "$new/ca.zip" -d "$new"
bin/elasticsearch-certutil cert --silent --pem --out "$new/cert.zip" --name elasticsearch \
    --dns elasticsearch,localhost --ip 127.0.0.1 --ca-cert "$new/ca/ca.crt" --ca-key "$new/ca/ca.key"
unzip -q "$new/cert.zip" -d "$new"

# Certificates are public; the server's key is for its group (0, that of the image's user), the authority's for none.
umask 022
mkdir -p "$made/ca" "$made/elasticsearch"
install -m 0600 "$new/ca/ca.key" "$made/ca/ca.key"
install -m 0644 "$new/ca/ca.crt" "$made/ca/ca.crt"
install -m 0644 "$new/elasticsearch/elasticsearch.crt" "$made/elasticsearch/elasticsearch.crt"
install -m 0640 "$new/elasticsearch/elasticsearch.key" "$made/elasticsearch/elasticsearch.key"   # last: it says done
echo "made the certificates"
