#!/usr/bin/env bash
# Gives Kibana's own user its password. Right after Elasticsearch is up its users are not: it is tried for two minutes.
set -euo pipefail

request() {
    # Read by curl from standard input: a list of processes does not show the passwords.
    printf '%s\n' \
        'url = "https://elasticsearch:9200/_security/user/kibana_system/_password"' \
        'cacert = "/certificates/ca/ca.crt"' \
        "user = \"elastic:$ELASTIC_PASSWORD\"" \
        'header = "Content-Type: application/json"' \
        "data = \"{\\\"password\\\": \\\"$KIBANA_PASSWORD\\\"}\"" |
        curl --silent --show-error --fail --max-time 10 --config -
}

for _ in $(seq 24); do
    if request; then
        echo "kibana_system has its password"
        exit 0
    fi
    sleep 5
done
echo "kibana_system did not get its password: see the message above, and the log of elasticsearch" >&2
exit 1
