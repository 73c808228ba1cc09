"""A turn on a stage: tools run against the real data and nothing they do stays.

The safety is not in the tools: the database they are given has no way to commit. Each call has a short transaction of
its own, in which the writes of this rehearsal are done again before it and everything is rolled back after it; none is
open while a model thinks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, NoReturn

from sqlalchemy import Connection, func, select
from sqlalchemy.orm import Session

from agent.models.base import ToolCall, ToolResult, ToolSpec
from agent.tools.base import Toolbox, ToolContext
from crm.db import Database
from crm.models import ToolCallRow

Prepare = Callable[[Session], None]


class NotOnStage(Exception):
    """A rehearsal changes nothing, and this would have had an effect outside of its transaction."""


class StageDatabase(Database):
    """A Database whose transactions are all part of one that is rolled back. For one thread at a time."""

    def __init__(self, real: Database) -> None:
        super().__init__(real.engine)
        self._connection: Connection | None = None

    @contextmanager
    def stage(self) -> Iterator[None]:
        """What happens inside is seen inside, and is gone at the end, however it ends."""
        with self.engine.connect() as connection:
            outer = connection.begin()
            self._connection = connection
            try:
                yield
            finally:
                self._connection = None
                outer.rollback()

    @contextmanager
    def tenant(self, tenant_id: int, *, durable: bool = True) -> Iterator[Session]:
        """A transaction in a tenant's scope, as a savepoint of the stage's: nothing of it lasts.

        Raises NotOnStage outside of `stage`."""
        if self._connection is None:
            raise NotOnStage(NotOnStage.__doc__)
        session = Session(
            self._connection,
            join_transaction_mode="create_savepoint",
            expire_on_commit=False,
            info={"tenant_id": tenant_id},
        )
        with session, session.begin():
            yield session

    def system(self) -> NoReturn:
        """Raises NotOnStage: nothing of a turn belongs to no tenant."""
        raise NotOnStage(NotOnStage.__doc__)

    def one_statement(self, statement: str, parameters: dict[str, Any]) -> NoReturn:
        """Raises NotOnStage: such a statement commits by itself."""
        raise NotOnStage(NotOnStage.__doc__)


@dataclass(frozen=True)
class Made:
    """One call of a rehearsal. `recorded`: its result is the one of the real turn."""

    call: ToolCall
    result: ToolResult
    recorded: bool


class RehearsalToolbox(Toolbox):
    """The tools of a toolbox for a turn that was answered before. A call that the real turn made too has its recorded
    result; any other runs on the stage. `made` keeps them in order.

    `prepare` puts the rows a tool looks at back to where they were before the turn.
    """

    parallel = False

    def __init__(self, inner: Toolbox, stage: StageDatabase, prepare: Prepare) -> None:
        self._inner = inner
        self._stage = stage
        self._prepare = prepare
        self._writes: list[ToolCall] = []
        self._write_names = frozenset(spec.name for spec in inner.specs() if spec.write)
        self.made: list[Made] = []

    def specs(self) -> list[ToolSpec]:
        """What the model reads about every tool."""
        return self._inner.specs()

    def run(self, ctx: ToolContext, call: ToolCall) -> ToolResult:
        """Do one call on the stage, whatever database the context came with."""
        ctx = replace(ctx, db=self._stage)
        with self._stage.stage():
            with self._stage.tenant(ctx.tenant_id) as s:
                self._prepare(s)
            for earlier in self._writes:
                self._inner.run(ctx, earlier)
            result, recorded = self._perform(ctx, call)
        if call.name in self._write_names and not result.is_error and not recorded:
            self._writes.append(call)
        self.made.append(Made(call, result, recorded))
        return result

    def _perform(self, ctx: ToolContext, call: ToolCall) -> tuple[ToolResult, bool]:
        """The result, and whether it is the recorded one. The toolbox writes every call down with the hash of its
        checked arguments, which is what tells the same call again; a write it knows it answers from its ledger."""
        before = self._newest(ctx)
        result = self._inner.run(ctx, call)
        with self._stage.tenant(ctx.tenant_id) as s:
            own = s.scalars(
                select(ToolCallRow)
                .where(ToolCallRow.session_id == ctx.session_id, ToolCallRow.id > before)
                .order_by(ToolCallRow.id.desc())
            ).first()
            if own is None:
                return result, not result.is_error
            same = s.scalars(
                select(ToolCallRow)
                .where(
                    ToolCallRow.id <= before,
                    ToolCallRow.session_id == ctx.session_id,
                    ToolCallRow.trigger_message_id == ctx.trigger_message_id,
                    ToolCallRow.tool == own.tool,
                    ToolCallRow.arguments_hash == own.arguments_hash,
                    ~ToolCallRow.is_write,
                )
                .order_by(ToolCallRow.id)
            ).first()
            if same is None:
                return result, False
            return ToolResult(call.id, call.name, same.result, same.is_error), True

    def _newest(self, ctx: ToolContext) -> int:
        with self._stage.tenant(ctx.tenant_id) as s:
            statement = select(func.max(ToolCallRow.id)).where(ToolCallRow.session_id == ctx.session_id)
            return s.scalar(statement) or 0
