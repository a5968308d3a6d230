#!/bin/sh
# Airflow's API server, with the users' passwords in the form it reads: a file of its own, in memory.
set -eu
umask 077
printf '{"pro": "%s", "viewer": "%s"}\n' "$AIRFLOW_PRO_PASSWORD" "$AIRFLOW_VIEWER_PASSWORD" \
    > "$AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE"
unset AIRFLOW_PRO_PASSWORD AIRFLOW_VIEWER_PASSWORD
exec airflow api-server
