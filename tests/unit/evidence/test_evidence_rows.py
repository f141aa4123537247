"""The store's calls against the signed log: what was done to a row, and what is no finding."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from evidence_world import World, ended, started
from sql_stores import KINDS, sql_engine
from sqlalchemy import Engine, text

from federation.control.evidence_checking import check_log
from federation.control.ingest import Ingest
from federation.control.notary import Notary
from federation.control.notebook import Notebook
from federation.evidence.findings import Report
from federation.evidence.records import CallLost
from federation.storage.calls import SqlCalls
from federation.storage.engine import writing
from federation.storage.evidence_index import SqlEvidence
from federation.storage.journal import JournalWriter
from federation.storage.journal_reader import JournalReader

CALL = "call_000003"
"""The third call of the first writer; `LOST` died with its worker, `RUNS` has only begun."""
LOST, RUNS = "call_lost", "call_runs"


class Ledger:
    """A log with its notary, and the store that its calls were taken into."""

    def __init__(self, world: World, engine: Engine) -> None:
        self.world = world
        self.engine = engine
        self.calls = SqlCalls(engine)
        # Where they lie apart, others may share the ledger.
        own = world.engine if engine.dialect.name == "postgresql" else engine
        self.index = SqlEvidence(own, engine)
        self.notary = Notary(world.data, self.index, (), world.clock)
        self.notary.open()
        self.ingest = Ingest(JournalReader(world.data / "journal"), self.calls, world.clock)

    def write(self) -> None:
        """Two workers' calls, one that has only begun, and one that is lost."""
        for writer in ("w0-a", "w1-b"):
            self.world.write(writer, 5)
        self.world.writers["w0-a"].append(started(RUNS))
        gone = JournalWriter(self.world.data / "journal", "w2-c")
        gone.append(started(LOST))
        gone.close()

    def note_lost(self) -> None:
        """Put on record what control found, as it does."""
        at_ms = int(self.world.clock.now * 1000)
        notebook = Notebook(self.world.data, self.world.clock)
        notebook.write(
            CallLost(at_ms, LOST, "default", "key_1", "auto", "acme/large", at_ms, "w2-c")
        )
        notebook.close()

    def take_in(self) -> None:
        self.world.clock.now += 60
        self.ingest.run()

    def seal(self) -> None:
        self.world.clock.now += 10
        self.notary.round()

    def check(self) -> Report:
        return check_log(self.world.data, self.index)

    def change(self, statement: str) -> int:
        with writing(self.engine) as connection:
            return connection.execute(text(statement)).rowcount


@pytest.fixture(params=KINDS)
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    world = World(tmp_path / "data")
    with sql_engine(request.param, tmp_path) as engine:
        made = Ledger(world, engine)
        made.write()
        made.take_in()
        made.seal()
        yield made
        made.notary.close()
    world.close()


def found(report: Report) -> list[str]:
    assert {each.kind for each in report.findings} <= {"index"}
    return [each.message for each in report.findings]


def test_what_ingest_took_in_is_what_was_signed(ledger: Ledger) -> None:
    report = ledger.check()
    assert found(report) == []
    assert (report.calls, report.behind) == (12, 0)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("tenant", "'evil'"),
        ('"key"', "'key_2'"),
        ("requested", "'other'"),
        ("outcome", "'error'"),
        ("outcome", "'running'"),
        ("outcome", "'lost'"),
        ("deployment", "'acme/eu'"),
        ("writer", "'w1-b'"),
        ("started_ms", "1"),
        ("ended_ms", "1"),
        ("ended_ms", "NULL"),
        ("duration_ms", "1.5"),
        ("input", "7"),
        ("output", "7"),
        ("cost_nano", "1"),
        ("cost_nano", "NULL"),
    ],
)
def test_a_column_that_was_changed_is_named(ledger: Ledger, column: str, value: str) -> None:
    assert ledger.change(f"UPDATE calls SET {column} = {value} WHERE id = '{CALL}'") == 1
    report = ledger.check()
    name = column.strip('"')
    assert found(report) == [f"Call {CALL} was changed in the store: {name}."]
    assert report.findings[0].record is not None
    assert report.calls == 11


@pytest.mark.parametrize("call", [CALL, LOST, RUNS])
def test_a_row_that_was_deleted_is_missed(ledger: Ledger, call: str) -> None:
    assert ledger.change(f"DELETE FROM calls WHERE id = '{call}'") == 1
    assert found(ledger.check()) == [f"Call {call} has no row in the store."]


def test_a_row_under_another_name_is_missed_and_found(ledger: Ledger) -> None:
    ledger.change(f"UPDATE calls SET id = 'call_x' WHERE id = '{CALL}'")
    assert found(ledger.check()) == [
        f"Call {CALL} has no row in the store.",
        "Call call_x was changed in the store: id.",
    ]


def other_line(ledger: Ledger, of: str, to: str) -> None:
    """Give a row all that another one says, but for its place."""
    names = "writer, tenant, outcome, deployment, started_ms, ended_ms, duration_ms, line"
    sets = ", ".join(f"{n} = (SELECT {n} FROM calls WHERE id = '{of}')" for n in names.split(", "))
    assert ledger.change(f"UPDATE calls SET {sets} WHERE id = '{to}'") == 1


def test_a_row_with_another_calls_record_is_found(ledger: Ledger) -> None:
    other_line(ledger, "call_000004", CALL)
    assert found(ledger.check()) == [
        f"Call {CALL} has another record in the store than in the log."
    ]


@pytest.mark.parametrize("kind", ["lost", "running"])
def test_an_end_that_was_taken_back_is_found(ledger: Ledger, kind: str) -> None:
    """The row is made what it was before its call had ended."""
    path = ledger.world.data / "journal" / "w0-a.000001.log"
    lines = path.read_bytes().splitlines()
    begun = next(line[9:] for line in lines if CALL.encode() in line and b'"started"' in line)
    at = "X'" + begun.hex() + "'" if ledger.engine.dialect.name == "sqlite" else ""
    at = at or f"decode('{begun.hex()}', 'hex')"
    ledger.change(
        f"UPDATE calls SET outcome = '{kind}', line = {at}, started_ms = 1700000000000, "
        f"ended_ms = NULL, duration_ms = 0, cost_nano = NULL WHERE id = '{CALL}'"
    )
    assert f"Call {CALL} has another record in the store than in the log." in found(ledger.check())


def test_a_lost_call_cannot_be_made_one_that_runs(ledger: Ledger) -> None:
    ledger.change(f"UPDATE calls SET outcome = 'running' WHERE id = '{LOST}'")
    assert found(ledger.check()) == [f"Call {LOST} cannot be running, as the store says."]


def test_a_lost_call_that_the_store_does_not_know_to_be_lost_is_counted(ledger: Ledger) -> None:
    ledger.note_lost()
    ledger.seal()
    assert (found(ledger.check()), ledger.check().behind) == ([], 0)
    ledger.change(f"UPDATE calls SET outcome = 'running' WHERE id = '{LOST}'")
    assert found(ledger.check()) == [f"Call {LOST} cannot be running, as the store says."]
    ledger.change("UPDATE ingest_offsets SET closed = (1 = 0) WHERE writer = 'w2-c'")
    report = ledger.check()
    assert (found(report), report.behind) == ([], 1), "as in an older copy that was put back"


def test_a_call_that_nobody_recorded_is_found(ledger: Ledger) -> None:
    line = '{"writer":"w0-a","seq":999,"record":{"type":"started","call":"call_x","at_ms":1,'
    line += '"tenant":"t","key":"k","operation":"chat","requested":"r","deployment":"d"}}'
    binary = "X'" + line.encode().hex() + "'"
    if ledger.engine.dialect.name == "postgresql":
        binary = f"decode('{line.encode().hex()}', 'hex')"
    ledger.change(
        'INSERT INTO calls (n, id, writer, tenant, "key", requested, outcome, deployment, '
        "started_ms, duration_ms, input, output, line) VALUES (4611686018427387904, 'call_x', "
        f"'w0-a', 't', 'k', 'r', 'running', 'd', 1, 0, 0, 0, {binary})"
    )
    assert found(ledger.check()) == ["Call call_x is in the store and in no journal."]


def test_a_line_that_is_none_is_found(ledger: Ledger) -> None:
    empty = "X'00'" if ledger.engine.dialect.name == "sqlite" else "decode('00', 'hex')"
    ledger.change(f"UPDATE calls SET line = {empty} WHERE id = '{RUNS}'")
    assert found(ledger.check()) == [f"Call {RUNS} has another worker's record in the store."]


def test_calls_that_are_not_taken_in_are_counted_and_no_finding(ledger: Ledger) -> None:
    ledger.world.write("w0-a", 4)
    ledger.world.write("w3-d", 1)
    ledger.seal()
    report = ledger.check()
    assert found(report) == []
    assert (report.calls, report.behind) == (12, 10)


def test_calls_that_are_not_sealed_are_looked_for_in_the_journals(ledger: Ledger) -> None:
    made = ledger.world.write("w0-a", 4)
    ledger.world.writers["w0-a"].append(ended(RUNS))
    ledger.take_in()
    report = ledger.check()
    assert found(report) == []
    assert (report.calls, report.behind) == (16, 0)
    ledger.change(f"UPDATE calls SET tenant = 'evil' WHERE id = '{made[2]}'")
    assert found(ledger.check()) == [f"Call {made[2]} was changed in the store: tenant."]


def test_a_call_that_ended_twice_is_found_and_its_row_may_have_either_end(ledger: Ledger) -> None:
    ledger.world.writers["w0-a"].append(ended(CALL, 1_700_000_000_900))
    ledger.take_in()
    ledger.seal()
    for index in (ledger.index, None):
        (one,) = check_log(ledger.world.data, index).findings
        assert (one.kind, one.record) == ("answered_twice", 24)
        assert one.message == f"Record 24 is the end of call {CALL}, which has one already."


def test_a_store_that_was_emptied_is_told_in_a_few_words(ledger: Ledger) -> None:
    ledger.world.write("w0-a", 700)
    ledger.take_in()
    ledger.seal()
    assert ledger.check().calls == 712
    ledger.change("DELETE FROM calls")
    said = found(ledger.check())
    assert len(said) == 21
    assert said[-1] == "More calls of the store are not as the log has them."


def test_what_other_replicas_wrote_is_held_against_its_own_lines(tmp_path: Path) -> None:
    with sql_engine("postgres", tmp_path) as engine:
        worlds = [World(tmp_path / name) for name in "ab"]
        ledgers = [Ledger(world, engine) for world in worlds]
        for n, (world, each) in enumerate(zip(worlds, ledgers, strict=True)):
            writer = JournalWriter(world.data / "journal", f"w{n}-r")
            for call in (f"call_{n}", f"open_{n}"):
                writer.append(started(call))
            writer.append(ended(f"call_{n}"))
            each.take_in()
            each.seal()
            world.writers["x"] = writer
        one, other = ledgers
        assert other.calls.close_writer("w0-r", None) == 1, "given up by the other replica"
        for each in ledgers:
            report = each.check()
            assert (found(report), report.calls, report.behind) == ([], 4, 0)
        one.change("UPDATE calls SET deployment = 'acme/eu' WHERE id = 'call_1'")
        one.change("DELETE FROM calls WHERE id = 'call_0'")
        changed = "Call call_1 was changed in the store: deployment."
        assert found(one.check()) == ["Call call_0 has no row in the store.", changed]
        assert found(other.check()) == [changed]
        for world, each in zip(worlds, ledgers, strict=True):
            each.notary.close()
            world.close()
