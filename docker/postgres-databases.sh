#!/usr/bin/env bash
# First start of the database server: a role and a database each for daylight, Airflow and Celery, so that none
# can read another's. The image runs (or reads) it once, when its volume is empty.
set -euo pipefail

make() {
    # The password is read by psql from its environment: a list of processes does not show it.
    PGPASSWORD=$POSTGRES_PASSWORD NEW_PASSWORD=$2 psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --username=postgres \
        --dbname=postgres --set=name="$1" <<'SQL'
\getenv password NEW_PASSWORD
CREATE ROLE :"name" LOGIN PASSWORD :'password';
CREATE DATABASE :"name" OWNER :"name" ENCODING 'UTF8' LOCALE 'C.UTF-8' TEMPLATE template0;
REVOKE ALL ON DATABASE :"name" FROM PUBLIC;
SQL
}

make daylight "$DAYLIGHT_DB_PASSWORD"
make airflow "$AIRFLOW_DB_PASSWORD"
make celery "$CELERY_DB_PASSWORD"
