"""Pictures of the cockpit on a seeded week: python -m tests.cockpit.shoot OUTDIR"""

from __future__ import annotations

import sys
import tempfile
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from knowledge.domain.action import Actor, SetBudget
from knowledge.domain.books import Proposal
from knowledge.domain.message import Message
from runtime.db.embedded import EmbeddedPostgres
from runtime.db.migrate import migrate
from tests.cockpit import seed
from tests.cockpit.house import PASSWORD, PEOPLE, House

CHROMIUM = "/usr/bin/chromium"
START = datetime(2026, 11, 25, 11, 0, tzinfo=UTC)


def scheduled(house: House) -> None:
    """Two changes whose grace runs."""
    own = seed.POLICY.autonomy.model_copy(update={"grace_minutes": 30})
    seed.POLICY = seed.POLICY.model_copy(update={"autonomy": own})

    async def propose(campaign: str, platform: str, amount: str) -> None:
        action = SetBudget(platform=platform, campaign_id=campaign, daily_budget=seed.brl(amount))  # pyright: ignore
        why = Message(id="seed.raise", params={"roas": "1,8", "lost": "12 %"})
        buyer = Actor(kind="agent", id="media_buyer")
        await house.gate.submit(Proposal(action=action, key=f"grace:{campaign}", proposer=buyer, why=why, confidence=Decimal("0.95"),
            expected=seed.PROFIT.plain()))  # fmt: skip

    house.run(lambda: propose("c-b2b", "linkedin", "14.00"))
    house.run(lambda: propose("c-fogao", "google", "15.90"))


def reviewed(page: Page, url: str) -> None:
    """The page that shows everything that was ticked, once more and together."""
    page.goto(f"{url}/approvals")
    for box in page.locator("[data-pick]").all():
        box.check()
    page.locator("#batch button").click()
    page.locator("#h-batch").wait_for()


def main(out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        with EmbeddedPostgres(Path(folder) / "postgres") as server:
            migrate(server.url)
            settings = {"demo": True, "demo_credentials": (PEOPLE["manager"], PASSWORD)}
            with House(server.url, START, **settings) as house, sync_playwright() as play:
                scheduled(house)
                pages = {
                    "approvals": "/approvals",
                    "action": f"/actions/{house.ids['budget']}",
                    "refused": f"/actions/{house.ids['publish']}",
                    "done": f"/actions/{house.ids['marca']}",
                    "edit": f"/approvals/{house.ids['budget']}/edit",
                    "stops": "/stops",
                    "audit": "/audit?verify=1",
                    "settings": "/settings",
                }
                browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
                for theme in ("light", "dark"):
                    for width in (390, 1360):
                        for locale in ("pt-BR", "en"):
                            context = browser.new_context(
                                viewport={"width": width, "height": 900},
                                color_scheme=theme,
                                locale=locale,  # pyright: ignore
                            )
                            page = context.new_page()
                            page.on("console", lambda line: print("console:", line.type, line.text))
                            page.on("pageerror", lambda error: print("page error:", error))
                            page.goto(f"{house.url}/login")
                            if locale == "pt-BR":
                                page.screenshot(path=str(out / f"login-{theme}-{width}.png"))
                            page.get_by_role("textbox").first.fill(PEOPLE["manager"])
                            page.locator("#password").fill(PASSWORD)
                            page.locator("form[action$='/login'] button").click()
                            page.locator("#plot canvas").wait_for()
                            page.wait_for_timeout(300)
                            page.screenshot(path=str(out / f"cockpit-{theme}-{width}-{locale}.png"), full_page=True)
                            for name, path in pages.items():
                                page.goto(f"{house.url}{path}")
                                page.wait_for_timeout(150)
                                page.screenshot(path=str(out / f"{name}-{theme}-{width}-{locale}.png"), full_page=True)
                            reviewed(page, house.url)
                            page.screenshot(path=str(out / f"batch-{theme}-{width}-{locale}.png"), full_page=True)
                            context.close()
                browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
