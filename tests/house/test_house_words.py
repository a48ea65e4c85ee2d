"""Every sentence that code can say exists in both languages, with the parameters it is given."""

from __future__ import annotations

import ast
import re

import pytest
from source import ROOT, calls, modules

from knowledge.domain.policy import Policy
from prompts.messages import LOCALES, catalogue, holes, render
from runtime.config_check import dials
from runtime.settings import load_operator
from tools.guardrails import RULES
from tools.guardrails.operational import CONDUCT


@pytest.fixture
def policy() -> Policy:
    return load_operator(ROOT / "agentos.yaml").policy()


def test_every_rule_file_is_in_the_list() -> None:
    """A rule that nobody asks is no rule."""
    listed = {rule.sentence.__module__ for rule in RULES}
    files = {f"tools.guardrails.{path.stem}" for path in (ROOT / "tools/guardrails").glob("*.py")}
    helpers = {f"tools.guardrails.{name}" for name in ("__init__", "rule", "exposure", "words", "operational")}
    assert files - helpers == listed
    assert len({rule.id for rule in RULES}) == len(RULES)


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("rule", (*RULES, *CONDUCT), ids=lambda rule: rule.id)
def test_every_rule_says_itself(rule: object, locale: str, policy: Policy) -> None:
    sentence = rule.sentence(policy)  # type: ignore[attr-defined]
    assert sentence.id == f"rule.{rule.id}"  # type: ignore[attr-defined]
    assert render(sentence, locale).strip()


def answers() -> set[str]:
    """guard.<rule>.<answer> for every answer written in a rule's file, by literal or by choice."""
    found: set[str] = set()
    for path, tree in modules().items():
        if not path.startswith("tools/guardrails/"):
            continue
        for function in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)):
            named = [c for c in calls(ast.Module([function], [])) if isinstance(c.func, ast.Name) and c.func.id == "finding"]
            for call in named:
                rule, answer = call.args[0], call.args[1]
                assert isinstance(rule, ast.Constant), f"{path}: the rule's id must be written out"
                where: ast.AST = answer if not isinstance(answer, ast.Name) else function
                words = {n.value for n in ast.walk(where) if isinstance(n, ast.Constant) and n.value in ("allow", "ask", "refuse")}
                found |= {f"guard.{rule.value}.{word}" for word in words}
    return found


@pytest.mark.parametrize("locale", LOCALES)
def test_every_finding_has_words(locale: str) -> None:
    found = answers()
    assert len(found) > 40, "the reading of the rules' source found too little"
    assert found - catalogue(locale).keys() == set()


def literal_ids() -> dict[str, str]:
    """Message(id="…") written out anywhere in product code -> a file that says it."""
    found: dict[str, str] = {}
    for path, tree in modules().items():
        for call in calls(tree):
            if ast.unparse(call.func).rpartition(".")[2] == "Message":
                for keyword in call.keywords:
                    if keyword.arg == "id" and isinstance(keyword.value, ast.Constant) and isinstance(keyword.value.value, str):
                        found[keyword.value.value] = path
    return found


@pytest.mark.parametrize("locale", LOCALES)
def test_every_message_in_code_has_words(locale: str) -> None:
    ids = literal_ids()
    assert len(ids) > 30
    assert {name: path for name, path in ids.items() if name not in catalogue(locale)} == {}


@pytest.mark.parametrize("locale", LOCALES)
def test_every_alert_and_every_status_of_the_gate_has_words(locale: str) -> None:
    kinds: set[str] = set()
    for tree in modules().values():
        for call in calls(tree):
            name = ast.unparse(call.func).rpartition(".")[2]
            position = {"alert": 1, "set_alert": 2}.get(name)
            if position is not None and len(call.args) > position:
                kind = call.args[position]
                if isinstance(kind, ast.Constant) and isinstance(kind.value, str) and re.fullmatch(r"[a-z_0-9]+", kind.value):
                    kinds.add(f"alert.{kind.value}")
    assert len(kinds) >= 4
    statuses = {f"gate.{s}" for s in ("authorised", "waiting", "refused", "suggested", "executing", "done", "rejected", "expired")}
    assert (kinds | statuses) - catalogue(locale).keys() == set()


def test_both_catalogues_hold_the_same_sentences() -> None:
    first, second = (catalogue(locale) for locale in LOCALES)
    assert first.keys() == second.keys()
    assert {k: (holes(first[k]), holes(second[k])) for k in first if holes(first[k]) != holes(second[k])} == {}


@pytest.mark.parametrize("locale", LOCALES)
def test_every_dial_of_the_operators_file_is_explained(locale: str) -> None:
    operator = load_operator(ROOT / "agentos.yaml")
    paths = {path for path, _ in dials(operator) if not path.startswith("vendors.")}
    explained = {key.removeprefix("dial.") for key in catalogue(locale) if key.startswith("dial.")}
    assert paths == explained
