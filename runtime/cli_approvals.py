"""`ceo approvals …`, `ceo undo`, `ceo user token`: a manager's decisions from the terminal, by the gate's own functions.

A card says here what it says in the cockpit: the words and numbers come from the same reading of the record.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from runtime.cli_talk import (
    BAD_INPUT,
    File,
    Json,
    bad,
    busy,
    cleaned,
    fail,
    finish,
    hush,
    load_settings,
    plainly,
    print_json,
    reasoned,
)  # fmt: skip

if TYPE_CHECKING:
    from rich.console import Console

    from knowledge.domain.action import Actor
    from runtime.cli_gate import Counter
    from runtime.cockpit.cards import Card
    from runtime.cockpit.speak import Speaker
    from runtime.db.action_reads import ActionReads
    from runtime.settings import Settings
    from tools.gate import Outcome

approvals_app = typer.Typer(no_args_is_help=True, help="Requests that wait for a manager, and actions whose grace runs.")

Ids = Annotated[list[str], typer.Argument(help="One or several ids, from `ceo approvals list`.")]
One = Annotated[str, typer.Argument(help="An id, from `ceo approvals list`.")]
Why = Annotated[str, typer.Option("--reason", help="Read by the next decisions.", callback=reasoned)]
Said = dict[str, Any]


@approvals_app.command("list")
def list_(as_json: Json = False, config: File = None) -> None:
    """What waits for a manager, most urgent first, and what runs when its grace ends."""
    with plainly(as_json):
        settings = load_settings(config)

        async def errand(here: Counter) -> dict[str, list[Card]]:
            say, reads = _speaker(here), _reads(here)
            from runtime.cockpit.cards import card

            rows = {"pending": await reads.pending(200), "scheduled": await reads.scheduled(200)}
            policy = here.settings.operator.policy()
            return {name: [card(say, row, policy) for row in found] for name, found in rows.items()}

        with busy("reading the queue", as_json):
            found = _run(settings, errand)
        if as_json:
            print_json({name: [_plain(one) for one in cards] for name, cards in found.items()})
            return
        console = _console()
        if not any(found.values()):
            console.print("Nothing waits for approval.")
        for one in [*found["pending"], *found["scheduled"]]:
            show(console, one, settings.operator.locale, zone=settings.operator.time_zone, full=False)


@approvals_app.command("show")
def show_(action_id: One, as_json: Json = False, config: File = None) -> None:
    """The whole card: which rule, which number, which limit, what to do, the evidence, and the record about it."""
    with plainly(as_json):
        settings = load_settings(config)

        async def errand(here: Counter) -> tuple[Card, list[dict[str, Any]], list[dict[str, Any]]] | None:
            from runtime.api_models import verdict_out
            from runtime.cockpit.about import step
            from runtime.cockpit.cards import card

            say, reads = _speaker(here), _reads(here)
            row = await reads.action(_id(action_id))
            if row is None:
                return None
            steps = [step(say, one) for one in reversed(await reads.record(200, action_id=row.id))]
            told = [{"seq": s.seq, "at": say.numbers.moment(s.at), "what": s.what, "who": s.who, "more": s.more} for s in steps]
            async with here.db.transaction() as tx:
                judged = (await tx.outcomes.of([row.id])).get(row.id, [])
            verdicts = [verdict_out(say, one).model_dump() for one in judged]
            return card(say, row, here.settings.operator.policy()), told, verdicts

        found = _run(settings, errand)
        if found is None:
            fail(BAD_INPUT, [_unknown(action_id)], as_json)
        one, steps, verdicts = found
        if as_json:
            print_json(_plain(one) | {"timeline": steps, "verdicts": verdicts})
            return
        console = _console()
        show(console, one, settings.operator.locale, zone=settings.operator.time_zone, full=True)
        _show_verdicts(console, verdicts, settings.operator.locale)
        for line in steps:
            console.print(
                f"  {line['at']}  {line['what']} · {line['who']}{' · ' + line['more'] if line['more'] else ''}", markup=False
            )


@approvals_app.command("approve")
def approve(action_ids: Ids, as_json: Json = False, config: File = None) -> None:
    """Says yes. Each request is judged again on fresh facts and done at once when the rules still allow it."""
    with plainly(as_json):
        ids = [_id(one) for one in action_ids]

        async def errand(here: Counter) -> list[Said]:
            who = await _decider(here, ids)
            outcomes = await here.gate.approve_many([(one, None) for one in ids], who)
            return [_said(here, outcome) for outcome in outcomes]

        _finish(_decide(config, "judging on fresh facts", errand, as_json, vendors=True), ids, as_json)


@approvals_app.command("reject")
def reject(action_ids: Ids, reason: Why, as_json: Json = False, config: File = None) -> None:
    """Says no, with the reason."""
    with plainly(as_json):
        ids = [_id(one) for one in action_ids]

        async def errand(here: Counter) -> list[Said]:
            who = await here.person()
            return [_said(here, outcome) for outcome in await here.gate.reject_many(ids, who, reason)]

        _finish(_decide(config, "writing it down", errand, as_json), ids, as_json)


@approvals_app.command("edit")
def edit(
    action_id: One,
    reason: Annotated[
        str, typer.Option("--reason", help="Read by the next decisions; not needed with --preview.", callback=cleaned)
    ] = "",
    budget: Annotated[str | None, typer.Option("--budget", help="Another daily budget, in the request's currency: 54.60.")] = None,
    text: Annotated[str | None, typer.Option("--text", help="Another text of a message.", callback=cleaned)] = None,
    change: Annotated[list[str] | None, typer.Option("--set", help="Another field, as FIELD=JSON.")] = None,
    preview: Annotated[bool, typer.Option("--preview", help="Only say what the rules would answer.")] = False,
    as_json: Json = False,
    config: File = None,
) -> None:
    """Says "do this instead". A narrower request may be approved by you; a wider one needs somebody else."""
    with plainly(as_json):
        wanted = _id(action_id)
        given = _given(text, change or [])
        if not preview:
            reason = reasoned(reason)
        if budget is None and not given:
            raise bad("nothing to change; use --budget, --text or --set FIELD=JSON")

        async def errand(here: Counter) -> list[Said]:
            changes = dict(given)
            if budget is not None:
                changes["daily_budget"] = await _amount(here, wanted, budget)
            if preview:
                return [_said(here, await here.gate.preview(wanted, await here.person(), changes))]
            who = await _decider(here, [], proposes=True)
            return [_said(here, await here.gate.edit(wanted, who, changes, reason))]

        _finish(_decide(config, "judging on fresh facts", errand, as_json, vendors=True), [wanted], as_json)


@approvals_app.command("extend")
def extend(
    action_ids: Ids,
    hours: Annotated[int, typer.Option("--hours", min=1, max=720, help="How much longer.")] = 2,
    as_json: Json = False,
    config: File = None,
) -> None:
    """Gives more time: to a request before it expires, to a scheduled action before it is done."""
    with plainly(as_json):
        ids = [_id(one) for one in action_ids]

        async def errand(here: Counter) -> list[Said]:
            who = await here.person()
            return [_said(here, await here.gate.extend(one, who, hours)) for one in ids]

        _finish(_decide(config, "writing it down", errand, as_json), ids, as_json)


@approvals_app.command("withdraw")
def withdraw(action_ids: Ids, reason: Why, as_json: Json = False, config: File = None) -> None:
    """Takes waiting or scheduled actions back before anything left."""
    with plainly(as_json):
        ids = [_id(one) for one in action_ids]

        async def errand(here: Counter) -> list[Said]:
            who = await here.person()
            return [_said(here, await here.gate.withdraw(one, who, reason)) for one in ids]

        _finish(_decide(config, "writing it down", errand, as_json), ids, as_json)


@approvals_app.command("act-early")
def act_early(action_ids: Ids, as_json: Json = False, config: File = None) -> None:
    """Does scheduled actions now instead of at the end of their grace."""
    with plainly(as_json):
        ids = [_id(one) for one in action_ids]

        async def errand(here: Counter) -> list[Said]:
            who = await _decider(here, ids)
            return [_said(here, await here.gate.act_early(one, who)) for one in ids]

        _finish(_decide(config, "judging on fresh facts", errand, as_json, vendors=True), ids, as_json)


def undo(
    action_id: Annotated[str | None, typer.Argument(help="The action to undo.")] = None,
    batch: Annotated[
        str | None, typer.Option("--batch", help="Undo every action of this correlation id instead.", callback=cleaned)
    ] = None,
    preview: Annotated[bool, typer.Option("--preview", help="Only say whether it can be undone now, and by what.")] = False,
    reason: Annotated[str, typer.Option("--reason", callback=cleaned)] = "",
    as_json: Json = False,
    config: File = None,
) -> None:
    """Restores what was before an action, through the same rules. Refuses when somebody changed the campaign since."""
    with plainly(as_json):
        if (action_id is None) == (batch is None):
            raise bad("name one action, or a cause with --batch CORRELATION")
        if preview and action_id is None:
            raise bad("--preview takes one action; see the actions of a cause with `ceo approvals show ID`")
        wanted = None if action_id is None else _id(action_id)

        async def errand(here: Counter) -> list[Said]:
            # An undo is a proposal: whoever makes it may not be another person when somebody has to approve it.
            who = await here.person() if preview else await _decider(here, [], proposes=True)
            if wanted is None:
                assert batch is not None
                return [_said(here, outcome) for outcome in await here.gate.undo_batch(batch, who, reason)]
            if not preview:
                return [_said(here, await here.gate.undo(wanted, who, reason))]
            from runtime.cockpit.cards import undo_words

            plan = await here.gate.undo_plan(wanted)
            args = plan.action.args() if plan.action else None
            row = await _reads(here).action(wanted)
            words = _speaker(here).message(plan.message) if row is None else undo_words(_speaker(here), row, plan.message)
            status = "possible" if plan.possible else "impossible"
            return [{"ok": plan.possible, "status": status, "message": words, "findings": [], "action": args, "action_id": wanted}]

        done = _decide(config, "looking at the platform", errand, as_json, vendors=True)
        if not done:
            where = "copy `correlation_id` from `ceo approvals show ID --json`"
            fail(BAD_INPUT, [f"--batch {batch!r}: no done action has this correlation id; {where}"], as_json)
        _finish(done, [str(one["action_id"]) for one in done], as_json)


def user_token(
    email: Annotated[str, typer.Argument(help="An account of the cockpit (`ceo user add`).")],
    hours: Annotated[int, typer.Option("--hours", min=1, max=720, help="How long it is good for.")] = 12,
    read_only: Annotated[bool, typer.Option("--read-only", help="A token that decides nothing.")] = False,
    as_json: Json = False,
    config: File = None,
) -> None:
    """A token for the JSON API (/api/v1), with the role of the account. Whoever has it is that person: keep it secret."""
    with plainly(as_json):
        from datetime import timedelta

        from runtime.api import make_token
        from runtime.db.cockpit_accounts import CockpitAccounts
        from runtime.settings import ConfigError

        settings = load_settings(config)
        secret = settings.secrets.need("ceo_secret_key")

        async def errand(here: Counter) -> dict[str, Any]:
            account = await CockpitAccounts(here.db).user(email)
            if account is None or account.disabled:
                raise ConfigError([f"{email!r} is not an active account; make it with `ceo user add {email}`"])
            now = here.clock.now()
            expires = now + timedelta(hours=hours)
            made = make_token(account.email, secret, now=now, expires=expires, decide=not read_only)
            return {"token": made, "email": account.email, "role": account.role, "expires_at": expires.isoformat()}

        found = _run(settings, errand)
        print_json(found) if as_json else typer.echo(found["token"])


# -- how it speaks ------------------------------------------------------------------------------------------------------------


def show(console: Console, card: Card, locale: str, *, zone: str, full: bool) -> None:
    """A card on a terminal, in the words of the cockpit."""
    from rich.markup import escape
    from rich.table import Table

    from runtime.cockpit.numbers import Numbers
    from runtime.cockpit.words import Words

    words, numbers = Words(locale), Numbers(locale, zone)
    row, tone = card.row, {"critical": "bold red", "high": "yellow"}.get(card.row.priority or "", "dim")
    chips = " · ".join(part for part in (card.status, card.priority, card.left) if part)
    console.print(f"[bold]{escape(card.title)}[/]  [{tone}]{escape(chips)}[/]\n[dim]{row.id}[/]")
    if row.ticket_status == "pending" or row.status == "scheduled":
        console.print(f"  {escape(card.worst_label)}: [bold]{escape(card.worst)}[/]")
    for change in card.difference:
        before = f"[red]{escape(change.before)}[/] → " if change.before else ""
        console.print(f"  {escape(change.label)}: {before}[green]{escape(change.after)}[/] {escape(change.delta or '')}")
    colours = {"refuse": "red", "ask": "yellow"}
    for one in card.told:
        pairs = [f"{pair[0]} {pair[1]}" for pair in (one.measured, one.limit) if pair]
        pairs += [f"{words('reason.ends')} {numbers.moment(one.ends)}"] if one.ends else []
        pairs += [f"{words('reason.dial')} {one.dial}"] if one.dial else []
        pairs.append(f"{words('reason.rule')} {one.rule}")
        console.print(
            f"  [{colours[one.answer]}]{escape(one.answer_label)}[/] {escape(one.text)}\n    [dim]{escape(' · '.join(pairs))}[/]"
        )
    for line in card.remedies:
        console.print(f"  [green]{words('refusals.todo')}:[/] {escape(line)}")
    console.print(f"  {words('approvals.why')}: {escape(card.why)} [dim]({escape(card.by)})[/]")
    for label, value in card.expected:
        console.print(f"  {words('approvals.expected')}: {escape(label)} {escape(value)}")
    if row.ticket_status == "pending":
        console.print(f"  {words('approvals.who')}: {escape(card.needed or '')}")
        for vote in card.votes:
            console.print(f"    {escape(vote.who)} ({escape(vote.role)})")
    if row.ticket_status == "pending" or row.status == "scheduled":
        console.print(f"  {words('approvals.otherwise')}: {escape(card.otherwise)}")
    if card.edited_by:
        console.print(f"  {words('approvals.edited', who=escape(card.edited_by))} [dim]{row.edited_from}[/]")
    if card.error:
        console.print(f"  [red]{words('card.error')}: {escape(card.error)}[/]")
    if full:
        if row.ticket_status == "pending" and not card.late:
            hints = (
                f"approve {row.id}",
                f'reject {row.id} --reason "…"',
                f"edit {row.id} --budget …",
                f"extend {row.id} --hours 2",
            )
            ways = [f"ceo approvals {hint}" for hint in hints if card.row.args.get("daily_budget") or not hint.startswith("edit")]
        elif row.status == "scheduled":
            ways = [
                f"ceo approvals {way}" for way in (f"act-early {row.id}", f'withdraw {row.id} --reason "…"', f"extend {row.id}")
            ]
        else:
            ways = []
        for way in ways:
            console.print(f"  [dim]{escape(way)}[/]")
        if card.week:
            console.print(f"  {words('week.title')}: " + escape(" · ".join(f"{label} {value}" for label, value in card.week)))
        if card.evidence:
            table = Table(
                *(escape(name) for name in card.evidence_columns), title=words("approvals.evidence"), title_justify="left"
            )
            for line in card.evidence:
                table.add_row(*(escape(value) for value in line))
            console.print(table)
        for one in card.passed:
            console.print(f"  [dim]{escape(one.answer_label)} {escape(one.text)} ({one.rule})[/]")
    console.print()


def _show_verdicts(console: Console, verdicts: list[dict[str, Any]], locale: str) -> None:
    """What was expected of a done action and what was measured."""
    from rich.markup import escape

    from runtime.cockpit.words import Words

    words, colours = Words(locale), {True: "green", False: "red", None: "dim"}
    for one in verdicts:
        rest = "" if one["final"] else f" [dim]{escape(words('result.not_final'))}[/]"
        console.print(f"  [{colours[one['better']]}]{escape(words('result.verdict'))}[/] {escape(one['text'])}{rest}")


def _unknown(action_id: str) -> str:
    return f"{action_id} is not in the record; copy the id from `ceo approvals list`"


def _console() -> Console:
    from rich.console import Console

    return Console(highlight=False)


def _plain(card: Card) -> dict[str, Any]:
    from runtime.api_models import action_out

    return action_out(card).model_dump(mode="json") | {"action_id": card.row.id}


def _speaker(here: Counter) -> Speaker:
    from prompts.messages import render
    from runtime.cockpit.numbers import Numbers
    from runtime.cockpit.speak import Speaker
    from runtime.cockpit.words import Words

    operator = here.settings.operator
    zone = operator.time_zone
    numbers = Numbers(operator.locale, zone)
    return Speaker(Words(operator.locale), numbers, lambda message, locale: render(message, locale, zone), here.clock.now())


def _reads(here: Counter) -> ActionReads:
    from runtime.db.action_reads import ActionReads

    return ActionReads(here.db, here.settings.operator.policy())


def _said(here: Counter, outcome: Outcome) -> Said:
    from runtime.cockpit.cards import telling

    say = _speaker(here)
    return {
        "ok": outcome.ok,
        "status": outcome.status,
        "message": say.message(outcome.message) or outcome.message.id,
        "message_id": outcome.message.id,
        "findings": [say.message(f.message) or f.rule for f in telling(outcome.findings)],
        "action_id": outcome.action_id,
    }


def _run(settings: Settings, errand: Callable[[Counter], Awaitable[Any]], *, vendors: bool = False) -> Any:
    from runtime import cli_gate

    return cli_gate.run(settings, errand, vendors=vendors)


def _decide(
    config: Path | None, doing: str, errand: Callable[[Counter], Awaitable[list[Said]]], as_json: bool, *, vendors: bool = False
) -> list[Said]:
    settings = load_settings(config)
    hush()
    with busy(doing, as_json):
        return _run(settings, errand, vendors=vendors)


def _finish(outcomes: list[Said], ids: list[str], as_json: bool) -> None:
    """One answer as it is; several as a list, 0 only when all of them went well."""
    if len(outcomes) == 1:
        finish(outcomes[0], as_json)
    good = sum(one["ok"] for one in outcomes)
    results = [one | {"asked": ident} for one, ident in zip(outcomes, ids, strict=True)]
    if as_json:
        print_json({"ok": good == len(outcomes), "results": results})
        raise typer.Exit(0 if good == len(outcomes) else 1)
    lines = [f"{one['asked']}: {' '.join([one['message'], *one['findings']])}" for one in results]
    finish({"ok": good == len(outcomes), "message": f"{good} of {len(outcomes)}", "findings": lines}, as_json)


async def _decider(here: Counter, ids: list[str], *, proposes: bool = False) -> Actor:
    """Who says yes here. A bare login may be somebody who has an account too: where it matters that several people are not one
    (who proposed, who edited, who voted), it must be said which account it is. Raises ConfigError with the line to write."""
    from runtime.cli_gate import known, login
    from runtime.settings import ConfigError

    who = await here.person()
    if known(who):
        return who
    rows = [row for row in [await _reads(here).action(one) for one in ids] if row is not None]
    peoples = [row.id for row in rows if row.proposer_kind == "user" or row.edited_from or (row.quorum or 1) > 1]
    if proposes or peoples or (ids and here.settings.operator.autonomy.quorum):
        what = f"{peoples[0]}: " if peoples else ""
        raise ConfigError([
            f"{what}this needs to know which account the login {login()!r} is, so that nobody counts as two people; "
            f"add to agentos.yaml: terminal: {{{login()}: YOUR-ACCOUNT@EXAMPLE}}, or decide in the cockpit"
        ])  # fmt: skip
    return who


def _id(value: str) -> str:
    from runtime import cli_gate

    return cli_gate.known_id(value)


def _given(text: str | None, pairs: list[str]) -> dict[str, Any]:
    import json

    from runtime.typed_text import clean_within

    given: dict[str, Any] = {} if text is None else {"text": text}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name.strip():
            raise bad(f"--set {pair!r}: write FIELD=JSON, like --set countries='[\"BR\"]'")
        try:
            given[name.strip()] = json.loads(value)
        except ValueError:
            given[name.strip()] = value
    return clean_within(given)


async def _amount(here: Counter, action_id: str, typed: str) -> dict[str, Any]:
    """The amount in the request's own currency. Raises ConfigError for what is not one."""
    from runtime.cockpit.edits import amount_of
    from runtime.cockpit.speak import money_of
    from runtime.settings import ConfigError

    row = await _reads(here).action(action_id)
    if row is None:
        raise ConfigError([_unknown(action_id)])
    asked = money_of(row.args.get("daily_budget"))
    if asked is None:
        raise ConfigError([f"{action_id} is not a request about a daily budget"])
    amount, wrong = amount_of(typed, asked.currency, here.settings.operator.locale)
    if amount is None:
        words = _speaker(here).words
        raise ConfigError([f"--budget {typed!r}: {words(f'edit.wrong_{wrong}', places=2)}"])
    return amount.model_dump(mode="json")
