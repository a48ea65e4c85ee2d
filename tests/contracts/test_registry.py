"""Every vendor folder is registered, every line leads to a class, and each client has all methods of its port."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path

import pytest

from tools import ports, registry

PORTS = {"ads": ports.AdPlatform, "messenger": ports.Messenger, "desk": ports.Desk, "crm": ports.Crm}
FOLDER = Path(inspect.getfile(registry)).parent / "vendors"


def methods(port: type) -> set[str]:
    return {name for name, member in vars(port).items() if inspect.isfunction(member) and not name.startswith("_")}


def test_every_folder_of_vendors_is_registered():
    folders = {path.parent.name for path in FOLDER.glob("*/__init__.py")}
    assert folders == set(registry.VENDORS)


@pytest.mark.parametrize("name", sorted(registry.VENDORS))
def test_a_vendor_has_its_port_with_the_same_parameters(name):
    line = registry.vendor(name)
    client, port = registry._load(line.client), PORTS[line.port]
    for method in sorted(methods(port)):
        wanted = list(inspect.signature(getattr(port, method)).parameters)
        assert list(inspect.signature(getattr(client, method)).parameters) == wanted, f"{name}.{method}"
    if line.webhooks is not None:
        assert methods(ports.WebhookSource) <= set(dir(registry._load(line.webhooks)))


def test_an_unknown_vendor_is_answered_with_the_known_ones():
    with pytest.raises(LookupError, match="meta"):
        registry.make("myspace")
    with pytest.raises(LookupError, match="no webhooks"):
        registry.make_webhooks("piperun")


def test_a_client_is_made_from_its_settings(clock):
    made = registry.make("meta", base_url="http://127.0.0.1:1", token="t", account_id="1", pixel_id="2", page_id="3", clock=clock)
    assert made.platform == "meta"
    with pytest.raises(TypeError):
        registry.make("meta", nonsense=1)


def test_the_registry_alone_loads_no_vendor():
    code = "import sys, tools.registry; print([m for m in sys.modules if m.startswith(('tools.vendors', 'httpx'))])"
    root = FOLDER.parent.parent
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
