"""The production deployment, as far as it can be proved without a container: file, secrets, scripts."""

from __future__ import annotations

import asyncio
import http.server
import importlib.util
import json
import re
import shutil
import subprocess
import sys
import threading
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from records.settings import Settings

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docker-compose.yml").read_text("utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
ONCE = {"elastic-certificates", "elastic-passwords", "airflow-migrate"}
HOSTILE = {"airflow-worker", "tika"}
"""The services where files from outside are read."""

VARIABLE = re.compile(r"(?<!\$)\$\{([A-Z_]+)(:[?-])?([^}]*)\}")
SECRET = re.compile(r"(?:PASSWORD|SECRET|KEY|_AUTH)$")


def environment(name: str) -> dict[str, str]:
    return SERVICES[name].get("environment", {})


def made(folder: Path, *arguments: str) -> dict[str, str]:
    """Return what scripts/make-env writes into a new file of a folder."""
    out = folder / "made.env"
    subprocess.run(
        [ROOT / "scripts/make-env", "--out", out, *arguments], check=True, capture_output=True, text=True
    )
    lines = [line for line in out.read_text("utf-8").splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


# --- the file ---------------------------------------------------------------------------------------------


def test_the_compose_specification_takes_it(tmp_path):
    """By the specification's own schema; and by Compose itself where it is installed."""
    schema = json.loads(
        resources.files("check_jsonschema")
        .joinpath("builtin_schemas/vendor/compose-spec.json")
        .read_text("utf-8")
    )
    errors = jsonschema.Draft202012Validator(schema).iter_errors(COMPOSE)
    assert [f"{'/'.join(map(str, error.path))}: {error.message}" for error in errors] == []
    wrong = {"services": {"a": {"image": "b:1", "helthcheck": {}}}}
    assert not jsonschema.Draft202012Validator(schema).is_valid(wrong)

    plugin = ("docker", "compose")
    if (
        not shutil.which("docker")
        or subprocess.run([*plugin, "version"], capture_output=True, check=False).returncode
    ):
        print("docker compose is not installed here: the schema alone was asked")
        return
    made(tmp_path)
    command = [
        *plugin,
        "--file",
        ROOT / "docker-compose.yml",
        "--env-file",
        tmp_path / "made.env",
        "config",
        "-q",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    command[5] = "/dev/null"
    refused = subprocess.run(command, capture_output=True, text=True, check=False)
    assert refused.returncode != 0
    assert "scripts/make-env" in refused.stderr


def test_everything_that_was_asked_for_is_there():
    assert set(SERVICES) == ONCE | {
        "postgres", "redis", "elasticsearch", "kibana", "tika", "airflow-api-server", "airflow-scheduler",
        "airflow-dag-processor", "airflow-triggerer", "airflow-worker", "daylight", "metrics",
    }  # fmt: skip


def test_every_image_is_pinned():
    images = {service["image"] for service in SERVICES.values()}
    bases = re.findall(r"^FROM (\S+)", (ROOT / "docker/Dockerfile").read_text("utf-8"), re.MULTILINE)
    version = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text("utf-8"), re.MULTILINE)
    assert version
    assert f"daylight:{version.group(1)}" in images
    assert len(set(bases)) == 1
    loose = [
        name
        for name in [*images, *bases]
        if not re.fullmatch(r"[a-z]+(?:/[a-z]+)?:\d+(?:\.\d+)+[a-z0-9.-]*", name)
    ]
    assert loose == []
    assert SERVICES["elasticsearch"]["image"].split(":")[1] == SERVICES["kibana"]["image"].split(":")[1]


def test_every_port_is_published_on_loopback_only():
    ports = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert {port.rsplit(":", 2)[0] for listed in ports.values() for port in listed} == {"127.0.0.1"}
    assert set(ports) == {"kibana", "airflow-api-server", "daylight", "metrics"}


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_a_service_is_limited_watched_and_without_rights(name):
    service = SERVICES[name]
    assert service["init"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "cap_add" not in service
    assert "privileged" not in service
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory", "pids"}
    assert service["restart"] == ("no" if name in ONCE else "unless-stopped")
    if name not in ONCE:
        assert set(service["healthcheck"]) >= {"test", "interval", "timeout", "retries", "start_period"}
    writable_root = {"elastic-certificates", "elasticsearch", "kibana"}
    assert service.get("read_only", False) is (name not in writable_root)


def test_services_wait_for_what_they_need_in_the_right_state():
    for name, service in SERVICES.items():
        for other, needed in service.get("depends_on", {}).items():
            state = "service_completed_successfully" if other in ONCE else "service_healthy"
            assert needed == {"condition": state}, (name, other)


def test_where_hostile_files_are_read_there_is_no_way_out_and_no_key_of_airflow():
    networks = COMPOSE["networks"]
    outward = {name for name, network in networks.items() if not network.get("internal")}
    assert outward == {"doors"}
    assert networks["doors"]["driver_opts"]["com.docker.network.bridge.enable_ip_masquerade"] == "false"
    for name in HOSTILE:
        assert not outward & set(SERVICES[name]["networks"])
        assert any(mount.startswith("/tmp") for mount in SERVICES[name]["tmpfs"])
    assert SERVICES["tika"]["networks"] == ["text"]
    assert set(environment("airflow-scheduler")) - set(environment("airflow-worker")) == {
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC",
        "AIRFLOW__CORE__FERNET_KEY", "AIRFLOW__API__SECRET_KEY", "AIRFLOW__API_AUTH__JWT_SECRET",
    }  # fmt: skip


def test_the_servers_settings_reach_those_that_search_and_read_and_nobody_else():
    settings = {
        "DAYLIGHT_TIKA_SERVER": "${DAYLIGHT_TIKA_SERVER:-}",
        "DAYLIGHT_ELASTICSEARCH": "${DAYLIGHT_ELASTICSEARCH:-}",
        "DAYLIGHT_ELASTICSEARCH_API_KEY_FILE": "/srv/daylight/elasticsearch-index.key",
        "DAYLIGHT_ELASTICSEARCH_CA": "/certificates/ca/ca.crt",
    }
    told = {
        name: {key: value for key, value in service.get("environment", {}).items() if key in settings}
        for name, service in SERVICES.items()
    }
    searching = {"airflow-worker", "daylight"}
    assert {name for name, given in told.items() if given} == searching
    for name in searching:
        assert told[name] == settings
        assert "elastic-certificates:/certificates:ro" in SERVICES[name]["volumes"]
        assert "search" in SERVICES[name]["networks"]
    made = (ROOT / "docker/elastic-certificates.sh").read_text("utf-8")
    assert 'install -m 0644 "$new/ca/ca.crt" "$made/ca/ca.crt"' in made


def test_volumes_are_named_and_sources_are_read_only():
    named, sources = set(), []
    for service in SERVICES.values():
        for volume in service.get("volumes", []):
            if isinstance(volume, dict):
                sources.append(volume)
            elif not volume.startswith("./"):
                named.add(volume.split(":")[0])
            else:
                path, _, mode = volume.split(":")
                assert (ROOT / path).is_file()
                assert mode == "ro"
    assert named == set(COMPOSE["volumes"])
    assert len(sources) == 2
    assert all(source["read_only"] and not source["bind"]["create_host_path"] for source in sources)


def test_scripts_of_containers_can_be_run_and_are_sound():
    for path in sorted((ROOT / "docker").glob("*.sh")):
        assert path.stat().st_mode & 0o111, path.name
        subprocess.run(["bash", "-n", path], check=True)


def test_the_image_is_built_from_what_the_wheel_is():
    """And from nothing else: no .env, no home, no tests."""
    lines = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    kept = {line[1:] for line in lines if line.startswith("!")}
    wheel = re.search(
        r"^packages = \[(.*?)^\]", (ROOT / "pyproject.toml").read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    assert wheel
    files = {"pyproject.toml", "constraints.txt", "README.md", "LICENSE"}
    copied = set(re.findall(r"docker/[\w.-]+", (ROOT / "docker/Dockerfile").read_text("utf-8")))
    assert lines[1] == "*"
    assert kept == files | copied | set(re.findall(r'"(\w+)"', wheel.group(1)))


# --- secrets ----------------------------------------------------------------------------------------------


def test_no_secret_stands_in_the_file():
    for name in SERVICES:
        for key, value in environment(name).items():
            if key.isupper() and SECRET.search(key):
                assert re.fullmatch(r"\$\{[A-Z_]+:\?[^}]+\}", value), (name, key)
            password = re.search(r"://[^/@:]*:([^@]*)@", str(value))
            if password:
                assert VARIABLE.fullmatch(password.group(1)), (name, key)


def test_every_variable_is_written_by_make_env_or_has_a_default(tmp_path):
    written = made(tmp_path)
    found = VARIABLE.findall(TEXT)
    assert {name for name, how, _ in found if how == ":?"} == set(written)
    assert {how for _, how, _ in found} == {":?", ":-"}
    assert {words for _, how, words in found if how == ":?"} == {"run scripts/make-env first"}
    script = (ROOT / "scripts/make-env").read_text("utf-8")
    assert {f"{name}={default}" for name, how, default in found if how == ":-"} == set(
        re.findall(r"^#([A-Z_]+=\w*)", script, re.MULTILINE)
    )


def test_secrets_are_private_random_and_long(tmp_path):
    (tmp_path / "1").mkdir()
    (tmp_path / "2").mkdir()
    first, second = made(tmp_path / "1"), made(tmp_path / "2", "--sources", "/srv/handed-over")
    assert (tmp_path / "1/made.env").stat().st_mode & 0o777 == 0o600
    assert (first.pop("SOURCES_FOLDER"), second.pop("SOURCES_FOLDER")) == ("./sources", "/srv/handed-over")
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}=", first.pop("AIRFLOW_FERNET_KEY"))
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}=", second.pop("AIRFLOW_FERNET_KEY"))
    assert all(re.fullmatch(r"[0-9a-f]{64}", value) for value in [*first.values(), *second.values()])
    assert len({*first.values(), *second.values()}) == len(first) + len(second)


def test_secrets_are_never_overwritten(tmp_path):
    made(tmp_path)
    before = (tmp_path / "made.env").read_bytes()
    again = subprocess.run(
        [ROOT / "scripts/make-env", "--out", tmp_path / "made.env"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert again.returncode == 1
    assert "was not written" in again.stderr
    assert (tmp_path / "made.env").read_bytes() == before


@pytest.mark.parametrize(
    "arguments", [["--sources", "/srv/a b"], ["--sources", "$HOME"], ["--out"], ["--force"]]
)
def test_make_env_refuses_what_it_cannot_use(tmp_path, arguments):
    command = [ROOT / "scripts/make-env", "--out", tmp_path / "new", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert not (tmp_path / "new").exists()


def test_make_env_says_what_it_does():
    done = subprocess.run([ROOT / "scripts/make-env", "--help"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("usage: scripts/make-env")


def test_the_file_of_secrets_is_never_committed():
    done = subprocess.run(["git", "check-ignore", "-q", ".env"], cwd=ROOT, check=False)
    assert done.returncode == 0


# --- what the services are told ---------------------------------------------------------------------------


def test_settings_of_daylight_exist():
    known = {f"DAYLIGHT_{name.upper()}" for name in Settings.model_fields}
    known |= set(re.findall(r'"(DAYLIGHT_AIRFLOW_[A-Z]+)"', (ROOT / "desk/airflow.py").read_text("utf-8")))
    told = {
        key
        for name in ("airflow-worker", "daylight")
        for key in environment(name)
        if key.startswith("DAYLIGHT_")
    }
    assert told - known == set()
    assert {"DAYLIGHT_HOME", "DAYLIGHT_CATALOGUE", "DAYLIGHT_AIRFLOW_URL"} <= told


def test_worker_and_daylight_share_a_home_and_a_catalogue():
    worker, daylight = environment("airflow-worker"), environment("daylight")
    for key in ("DAYLIGHT_HOME", "DAYLIGHT_CATALOGUE"):
        assert worker[key] == daylight[key]
    for name in ("airflow-worker", "daylight"):
        assert f"daylight-home:{worker['DAYLIGHT_HOME']}" in SERVICES[name]["volumes"]


def load(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, ROOT / "docker" / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Health(http.server.BaseHTTPRequestHandler):
    """Airflow's answer, of a scheduler that is well and a triggerer that is not."""

    def do_GET(self):
        body = json.dumps({"scheduler": {"status": "healthy"}, "triggerer": {"status": None}, "other": None})
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *arguments):
        """Say nothing."""


def test_a_part_of_airflow_is_as_healthy_as_it_says():
    with http.server.HTTPServer(("127.0.0.1", 0), Health) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        healthy = load("airflow_health").healthy
        asked = {part: healthy(part, url) for part in ("scheduler", "triggerer", "other", "missing")}
        told = subprocess.run(
            [sys.executable, ROOT / "docker/airflow_health.py", "triggerer"],
            env={"AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/"},
            check=False,
        )
        server.shutdown()
    assert asked == {"scheduler": True, "triggerer": False, "other": False, "missing": False}
    assert told.returncode == 1


def test_pages_reach_out_of_a_container():
    """What is sent to the published port arrives at the port of loopback, and the answer comes back."""

    async def shout(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write((await reader.read()).upper())
        await writer.drain()
        writer.close()

    async def ask(port: int) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"a record " * 50_000)
        writer.write_eof()
        answer = await reader.read()
        writer.close()
        return answer

    async def both() -> tuple[bytes, bytes]:
        inner = await asyncio.start_server(shout, "127.0.0.1", 0)
        target = inner.sockets[0].getsockname()[1]
        outer = await load("pages").forward("127.0.0.1", 0, target)
        port = outer.sockets[0].getsockname()[1]
        answered = await ask(port)
        inner.close()
        try:
            nobody = await ask(port)
        except ConnectionResetError:
            nobody = b""
        outer.close()
        return answered, nobody

    assert asyncio.run(both()) == (b"A RECORD " * 50_000, b"")


def test_the_page_of_the_installation_names_what_is_there():
    text = (ROOT / "docs/install.md").read_text("utf-8")
    assert [name for name in SERVICES if f"`{name}`" not in text] == []
    assert [name for name in COMPOSE["volumes"] if f"`{name}`" not in text] == []
    assert [image for image in {s["image"] for s in SERVICES.values()} if image not in text] == []
