"""The embedded PostgreSQL, on real servers: many users, crashes at bad moments, folders in odd places."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from postroom.workers import database as database_module
from postroom.workers import postgres_program
from postroom.workers.database import DatabaseTrouble, EmbeddedDatabase, connection_for, running_database
from postroom.workers.postgres_cluster import PostgresCluster, works_in
from postroom.workers.postgres_program import account_for, programs_for
from postroom.workers.postgres_settings import GIBIBYTE, MEBIBYTE, Machine, settings_for
from tests.laboratory.waiting import wait_until

HANGS_AFTER = 60.0  # seconds
SOURCES = Path(__file__).parents[2] / "src"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def used_before(run_folder: Path) -> Path:
    """A data directory that was used before."""
    folder = Path(tempfile.mkdtemp(dir=run_folder))
    with running_database(folder):
        return folder


@pytest.fixture
def data_dir(used_before: Path) -> Iterator[Path]:
    yield used_before
    EmbeddedDatabase(used_before).stop()


def one(database: EmbeddedDatabase, query: str) -> str:
    with psycopg.connect(database.url, autocommit=True) as connection:
        row = connection.execute(query.encode()).fetchone()
        assert row is not None
        return str(row[0])


def do(database: EmbeddedDatabase, statement: str) -> None:
    with psycopg.connect(database.url, autocommit=True) as connection:
        connection.execute(statement.encode())


def server_process(data_dir: Path) -> int:
    return int((data_dir / "postgres" / "server.lock").read_text())


def another_program(code: str, data_dir: Path) -> subprocess.Popen[str]:
    """A command of its own that runs this code; `hold()` waits until its standard input closes."""
    prelude = (
        "import sys\nfrom pathlib import Path\nimport psycopg\n"
        "from postroom.workers.database import *\ndata_dir = Path(sys.argv[1])\n"
        "def hold():\n    print('ready', flush=True)\n    sys.stdin.read()\n"
    )
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", prelude + code, str(data_dir)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(SOURCES)},
    )


# -- one user


def test_a_new_database_is_ready_speaks_utf8_and_belongs_to_a_role_that_is_no_superuser(
    short_dir: Path,
) -> None:
    begin = time.perf_counter()
    with running_database(short_dir) as database:
        print(f"\ncreated and ready after {time.perf_counter() - begin:.2f} s")
        assert one(database, "SELECT current_database() || ' ' || current_user") == "postroom postroom"
        assert one(database, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user") == "False"
        assert one(database, "SHOW server_encoding") == "UTF8"
        assert one(database, "SELECT upper('käse') || lower('ÉTÉ')") == "KÄSEété"
        do(database, "CREATE DATABASE for_tests")
    assert not database.is_running()


def test_starting_twice_is_starting_once(data_dir: Path) -> None:
    begin = time.perf_counter()
    with running_database(data_dir) as database:
        print(f"\nready after {time.perf_counter() - begin:.3f} s")
        process = server_process(data_dir)
        begin = time.perf_counter()
        database.start()
        print(f"found running after {time.perf_counter() - begin:.3f} s")
        assert server_process(data_dir) == process
        assert database.is_running()


def test_data_outlives_a_restart(data_dir: Path) -> None:
    with running_database(data_dir) as database:
        do(database, "CREATE TABLE IF NOT EXISTS outlives AS SELECT 'Customer Carla' AS name")
        process = server_process(data_dir)
    with running_database(data_dir) as database:
        assert one(database, "SELECT name FROM outlives") == "Customer Carla"
        assert server_process(data_dir) != process


def test_nothing_of_durability_is_given_away_and_nothing_listens_on_a_network(data_dir: Path) -> None:
    with running_database(data_dir) as database:
        for setting in ("fsync", "full_page_writes", "synchronous_commit", "data_checksums"):
            assert one(database, f"SHOW {setting}") == "on", setting
        assert one(database, "SHOW listen_addresses") == ""


def test_statements_that_fail_leave_neither_themselves_nor_their_rows_in_the_log(data_dir: Path) -> None:
    with running_database(data_dir) as database:
        do(database, "CREATE TABLE IF NOT EXISTS private (letter text PRIMARY KEY)")
        do(database, "INSERT INTO private VALUES ('dear Carla') ON CONFLICT DO NOTHING")
        with pytest.raises(psycopg.errors.UniqueViolation):
            do(database, "INSERT INTO private VALUES ('dear Carla')")
    log = (data_dir / "postgres" / "postgres.log").read_text()
    assert "duplicate key value" in log
    assert "dear Carla" not in log


def test_a_long_log_is_put_aside_when_the_server_starts(data_dir: Path) -> None:
    log = data_dir / "postgres" / "postgres.log"
    with log.open("a") as file:
        file.write("old news\n" * 200_000)
    with running_database(data_dir):
        assert log.stat().st_size < 10_000
    assert "old news" in log.with_name("postgres.log.1").read_text()


# -- many users


def test_the_server_stays_until_the_last_one_is_out(data_dir: Path) -> None:
    first, second = EmbeddedDatabase(data_dir), EmbeddedDatabase(data_dir)
    first.start()
    second.start()
    first.leave()
    assert second.is_running()
    second.leave()
    assert not second.is_running()
    second.leave()  # once more means nothing


def test_a_command_leaves_the_server_of_another_running(data_dir: Path) -> None:
    with running_database(data_dir) as mine:
        process = server_process(data_dir)
        other = another_program("with running_database(data_dir): hold()", data_dir)
        other.communicate(timeout=HANGS_AFTER)
        assert other.returncode == 0
        assert mine.is_running()
        assert server_process(data_dir) == process


def test_stop_does_not_ask_who_uses_the_server(data_dir: Path) -> None:
    with running_database(data_dir) as database, psycopg.connect(database.url) as connection:
        EmbeddedDatabase(data_dir).stop()
        assert not database.is_running()
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")


def test_stopping_what_was_never_there_leaves_no_trace(tmp_path: Path) -> None:
    EmbeddedDatabase(tmp_path / "nothing").stop()
    assert list(tmp_path.iterdir()) == []


def test_commands_that_race_for_a_new_database_all_get_it(short_dir: Path) -> None:
    code = (
        "with running_database(data_dir) as database, psycopg.connect(database.url) as connection:\n"
        "    connection.execute('SELECT pg_advisory_xact_lock(1)')\n"
        "    connection.execute('CREATE TABLE IF NOT EXISTS runners (process int)')\n"
        "    connection.execute('INSERT INTO runners SELECT pg_backend_pid()')\n"
    )
    runners = [another_program(code, short_dir) for _ in range(5)]
    for runner in runners:
        runner.communicate(timeout=HANGS_AFTER)
    assert [runner.returncode for runner in runners] == [0] * 5
    assert not EmbeddedDatabase(short_dir).is_running()
    with running_database(short_dir) as database:
        assert one(database, "SELECT count(*) FROM runners") == "5"


# -- crashes


def test_a_killed_server_comes_back_with_all_that_was_committed(data_dir: Path) -> None:
    with running_database(data_dir) as database:
        do(database, "CREATE TABLE IF NOT EXISTS crash (at timestamptz)")
        for _ in range(3):
            before = int(one(database, "SELECT count(*) FROM crash"))
            do(database, "INSERT INTO crash SELECT now() FROM generate_series(1, 1000)")
            os.kill(server_process(data_dir), signal.SIGKILL)
            begin = time.perf_counter()
            database.start()
            print(f"\nback after {time.perf_counter() - begin:.3f} s")
            assert int(one(database, "SELECT count(*) FROM crash")) == before + 1000


def test_a_server_that_is_killed_while_it_starts_gets_a_second_chance(
    monkeypatch: pytest.MonkeyPatch, data_dir: Path
) -> None:
    database = EmbeddedDatabase(data_dir)
    look_inside = database._ensure_database
    killed: list[int] = []

    def kill_it_first() -> None:
        if not killed:
            killed.append(server_process(data_dir))
            os.kill(killed[0], signal.SIGKILL)
        look_inside()

    monkeypatch.setattr(database, "_ensure_database", kill_it_first)
    with database:
        assert one(database, "SELECT 1") == "1"
        assert server_process(data_dir) != killed[0]


def test_a_killed_server_that_nobody_revives_is_simply_gone(data_dir: Path) -> None:
    with running_database(data_dir) as database:
        os.kill(server_process(data_dir), signal.SIGKILL)
    assert not database.is_running()


def test_a_process_number_that_somebody_else_bears_now_is_not_believed(data_dir: Path) -> None:
    with running_database(data_dir):
        left_over = (data_dir / "postgres" / "cluster" / "postmaster.pid").read_text()
    account = account_for(data_dir / "postgres" / "cluster")
    bystander = subprocess.Popen(["cat"], stdin=subprocess.PIPE, cwd="/", **account.identity)
    try:
        _, *others = left_over.splitlines()
        (data_dir / "postgres" / "cluster" / "postmaster.pid").write_text("\n".join([str(bystander.pid), *others]))
        (Path(connection_for(data_dir).socket_dir) / ".s.PGSQL.5432.lock").write_text(f"{bystander.pid}\n")
        (data_dir / "postgres" / "server.lock").write_text(f"{bystander.pid}\n")
        EmbeddedDatabase(data_dir).stop()
        assert bystander.poll() is None
        with running_database(data_dir) as database:
            assert database.is_running()
        assert bystander.poll() is None
    finally:
        bystander.communicate(timeout=HANGS_AFTER)


def test_a_killed_command_locks_nobody_out_and_keeps_no_server_alive(data_dir: Path) -> None:
    victim = another_program("with running_database(data_dir): hold()", data_dir)
    with victim:
        assert victim.stdout is not None
        assert victim.stdout.readline() == "ready\n"
        process = server_process(data_dir)
        victim.kill()
    with running_database(data_dir) as database:
        assert server_process(data_dir) == process
    assert not database.is_running()


def test_a_database_whose_making_was_cut_off_is_made_anew(short_dir: Path) -> None:
    half_made = short_dir / "postgres" / "cluster.new" / "base"
    half_made.mkdir(parents=True)
    (half_made / "half").touch()
    with running_database(short_dir) as database:
        assert database.is_running()
    assert not half_made.exists()


# -- trouble, said plainly


def test_a_server_that_postroom_did_not_start_is_not_run_over(data_dir: Path) -> None:
    with tempfile.TemporaryFile() as no_lock_of_ours:
        PostgresCluster(data_dir / "postgres").launch(no_lock_of_ours.fileno())
        database = EmbeddedDatabase(data_dir)
        wait_until(database.is_running, "the server answers")
        no_lock_of_ours.seek(0)
        process = int(no_lock_of_ours.read())
        (Path(database.connection.socket_dir) / ".s.PGSQL.5432").unlink()
        with pytest.raises(DatabaseTrouble, match=f"process {process}"):
            database.start()
        os.kill(process, signal.SIGINT)
        wait_until(lambda: not works_in(process, data_dir / "postgres" / "cluster"), "the stranger is gone")


def test_a_server_that_cannot_start_says_why(data_dir: Path) -> None:
    configuration = data_dir / "postgres" / "cluster" / "postgresql.conf"
    good = configuration.read_text()
    configuration.write_text(good + "\nno_such_setting = 1\n")
    try:
        with pytest.raises(DatabaseTrouble, match="no_such_setting") as caught:
            EmbeddedDatabase(data_dir).start()
    finally:
        configuration.write_text(good)
    assert str(data_dir / "postgres" / "postgres.log") in caught.value.cure


def test_known_trouble_in_the_log_suggests_its_cure(tmp_path: Path) -> None:
    (tmp_path / "postgres.log").write_text("PANIC:  could not write to file: No space left on device\n")
    trouble = PostgresCluster(tmp_path).trouble("PostgreSQL did not start.")
    assert "Free some space" in trouble.cure
    assert "PANIC" in trouble.what


def test_files_of_another_major_version_are_left_alone(data_dir: Path) -> None:
    version = data_dir / "postgres" / "cluster" / "PG_VERSION"
    version.write_text("17\n")
    try:
        with pytest.raises(DatabaseTrouble, match="made by PostgreSQL 17"):
            EmbeddedDatabase(data_dir).start()
    finally:
        version.write_text("18\n")


def test_a_missing_wheel_is_named(monkeypatch: pytest.MonkeyPatch, short_dir: Path) -> None:
    monkeypatch.setattr(postgres_program, "find_spec", lambda _name: None)
    with pytest.raises(DatabaseTrouble, match="not installed") as caught:
        EmbeddedDatabase(short_dir).start()
    assert "POSTROOM_DATABASE_URL" in caught.value.cure


def test_a_command_that_hangs_while_starting_is_not_waited_for_without_end(
    monkeypatch: pytest.MonkeyPatch, data_dir: Path
) -> None:
    monkeypatch.setattr(database_module, "START_PATIENCE", 0.05)
    database = EmbeddedDatabase(data_dir)
    with database._one_command_at_a_time(), pytest.raises(DatabaseTrouble, match=r"commands\.lock"):
        EmbeddedDatabase(data_dir).start()


def test_a_data_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DatabaseTrouble, match="cannot be made"):
        EmbeddedDatabase(tmp_path / "file" / "data").start()


# -- places


def test_asking_for_the_address_starts_and_makes_nothing(tmp_path: Path) -> None:
    address = connection_for(tmp_path / "data")
    assert address.parameters()["user"] == "postroom"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["x" * 90, "one,two", "sp ace %20 'quoted' \"ünï\" @home #1"])
def test_any_path_will_do(short_dir: Path, name: str) -> None:
    data_dir = short_dir / name
    try:
        with running_database(data_dir) as database:
            assert one(database, "SELECT 1") == "1"
            with psycopg.connect(**database.connection_parameters(), autocommit=True) as connection:
                assert connection.info.dbname == "postroom"
    finally:
        EmbeddedDatabase(data_dir).stop()
        if name != "sp ace %20 'quoted' \"ünï\" @home #1":
            shutil.rmtree(connection_for(data_dir).socket_dir)


def test_a_socket_folder_that_somebody_else_occupies_is_not_used(short_dir: Path) -> None:
    data_dir = short_dir / ("x" * 90)
    squatter = Path(connection_for(data_dir).socket_dir)
    squatter.touch()
    try:
        with pytest.raises(DatabaseTrouble, match="belongs to somebody else"):
            EmbeddedDatabase(data_dir).start()
    finally:
        squatter.unlink()


# -- tuning


def test_a_small_machine_is_asked_for_little_and_a_big_one_for_no_more_than_is_useful() -> None:
    small = settings_for(Machine(memory=512 * MEBIBYTE, free_disk=GIBIBYTE, free_shared_memory=64 * MEBIBYTE))
    assert (small["shared_buffers"], small["max_wal_size"]) == ("64MB", "128MB")
    assert small["max_parallel_workers_per_gather"] == "0"
    usual = settings_for(Machine(memory=24 * GIBIBYTE, free_disk=100 * GIBIBYTE, free_shared_memory=12 * GIBIBYTE))
    assert (usual["shared_buffers"], usual["max_wal_size"]) == ("1024MB", "4096MB")
    assert (usual["max_connections"], usual["jit"]) == ("100", "off")


# -- as root: defined only where it can be tried

if os.geteuid() == 0 and sys.platform == "linux":
    STRANGER = pwd.getpwnam("daemon")

    def test_as_root_postgresql_runs_under_a_system_account_below_a_folder_that_is_closed_to_it(
        short_dir: Path,
    ) -> None:
        home = short_dir / "home"
        home.mkdir(mode=0o700)
        with running_database(home / "data") as database:
            process = server_process(home / "data")
            assert Path(f"/proc/{process}").stat().st_uid != 0
            assert one(database, "SELECT 1") == "1"
            assert stat.S_IMODE(home.stat().st_mode) == 0o700
            assert stat.S_IMODE((home / "data").stat().st_mode) == 0o700

    def test_another_account_is_turned_away_even_where_it_reaches_the_socket(short_dir: Path) -> None:
        with running_database(short_dir) as database:
            socket_dir = Path(database.connection.socket_dir)
            short_dir.chmod(0o755)
            socket_dir.chmod(0o755)
            (socket_dir / ".s.PGSQL.5432").chmod(0o777)
            psql = programs_for(account_for(short_dir / "postgres" / "cluster")) / "psql"
            for role in ("postroom", "postgres"):
                answer = subprocess.run(
                    [psql, "-X", "-c", "SELECT 1", f"host={socket_dir} user={role} dbname=postroom"],
                    check=False, capture_output=True, text=True, cwd="/", timeout=HANGS_AFTER,
                    user=STRANGER.pw_uid, group=STRANGER.pw_gid, extra_groups=[],
                )  # fmt: skip
                assert answer.returncode != 0
                assert "Peer authentication failed" in answer.stderr

    def test_an_ordinary_user_has_a_database_too(short_dir: Path) -> None:
        os.chown(short_dir, STRANGER.pw_uid, STRANGER.pw_gid)
        story = Path(__file__).with_name("ordinary_user.py")
        numbers = [str(STRANGER.pw_uid), str(STRANGER.pw_gid)]
        day = subprocess.run(
            [sys.executable, "-W", "error", story, *numbers, short_dir],
            check=False, capture_output=True, text=True, timeout=HANGS_AFTER,
            env=os.environ | {"PYTHONPATH": str(SOURCES)},
        )  # fmt: skip
        assert day.stderr == ""
        assert day.stdout.splitlines() == [
            f"before the crash, after the crash, owner={STRANGER.pw_uid}",
            "stopped",
        ]
        with pytest.raises(DatabaseTrouble, match="belongs to another account"):
            EmbeddedDatabase(short_dir).start()
        shutil.rmtree(short_dir / "postgres")

    def test_a_socket_folder_of_a_stranger_is_not_used(short_dir: Path) -> None:
        data_dir = short_dir / ("x" * 90)
        squatter = Path(connection_for(data_dir).socket_dir)
        squatter.mkdir()
        os.chown(squatter, STRANGER.pw_uid, STRANGER.pw_gid)
        try:
            with pytest.raises(DatabaseTrouble, match="belongs to somebody else"):
                EmbeddedDatabase(data_dir).start()
        finally:
            squatter.rmdir()


def test_a_copy_of_the_programs_is_found_again_until_they_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_program, "COPY_PLACES", (tmp_path / "cache",))
    installation = tmp_path / "wheel" / "pginstall18"
    program = installation / "bin" / "postgres"
    program.parent.mkdir(parents=True)
    program.write_bytes(b"first")
    assert postgres_program._noted_copy(installation) is None
    copy = postgres_program._copied(installation)
    assert postgres_program._noted_copy(installation) == copy
    assert (copy / "bin" / "postgres").read_bytes() == b"first"
    program.write_bytes(b"the second, longer")
    assert postgres_program._noted_copy(installation) is None
    assert postgres_program._copied(installation) != copy


def test_what_others_may_change_is_not_taken_for_a_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_program, "COPY_PLACES", (tmp_path / "cache",))
    installation = tmp_path / "wheel" / "pginstall18"
    (installation / "bin").mkdir(parents=True)
    (installation / "bin" / "postgres").write_bytes(b"first")
    assert postgres_program._noted_copy(installation) is None
    postgres_program._copied(installation)
    (tmp_path / "cache").chmod(0o777)
    assert postgres_program._noted_copy(installation) is None
