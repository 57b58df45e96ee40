"""What `GET /v1/hugs/{id}/trace` tells the recipients of some hugs, held against the word of the slow model."""

import asyncio
import json
from collections.abc import Iterator, Sequence
from typing import Any

from tests.chaos.push_crew import BROKEN, Member
from tests.chaos.push_facts import Facts, Hugged
from tests.chaos.push_judge import Settings, make_case
from tests.chaos.stack import HUGMOOD, Stack
from tests.chaos.swarm import get_json
from tests.support.push_model import SENT

WHY_NEVER = {
    "muted": "its sender is muted",
    "blocked": "its sender is blocked",
    "switched_off": "the channel or the category is switched off",
    "no_device": "no device is registered, or no address is known",
}
WHY_LATER = {"quiet": "quiet hours", "undisturbed": "do not disturb"}


async def judge_traces(stack: Stack, members: Sequence[Member], facts: Facts, settings: Settings) -> list[str]:
    """Of each sort and fate, the first hug and the last: everything that its trace tells wrongly."""
    samples: dict[tuple[str, str, str], tuple[Member, Hugged, str]] = {}
    for member in members:
        fates = make_case(member, facts, settings).fates
        for hug in facts.hugs.get(member.id, ()) if member.sort not in BROKEN else ():
            sample = (member, hug, fates[hug.seq])
            samples.setdefault((member.sort, fates[hug.seq], "first"), sample)
            samples[member.sort, fates[hug.seq], "last"] = sample
    problems = []
    for member, hug, fate in samples.values():
        trace = await get_json(stack.url, f"/v1/hugs/{hug.id}/trace", member.person.access_token)
        problems += [f"{member.sort} {hug}: {problem}" for problem in _judge(member, hug, fate, trace["steps"])]
    member, hug, _ = samples["silent", SENT, "first"]
    seen = await get_json(stack.url, f"/v1/hugs/{hug.id}/trace", member.person.access_token)
    told = [step for step in await _by_command(stack, hug.id) if step["what"] not in {"routed", "delivered"}]
    if told != seen["steps"]:
        problems.append(f"`hugmood trace` tells {told}, and the recipient is told {seen['steps']}")
    return problems


def _judge(member: Member, hug: Hugged, fate: str, steps: list[dict[str, Any]]) -> Iterator[str]:
    told = [step["what"] for step in steps]
    if told[:1] != ["accepted"] or [step["at"] for step in steps] != sorted(step["at"] for step in steps):
        yield f"it begins with {told[:1]}, or goes back in time: {steps}"
    if ("acked" in told) is (hug.acked_ms is None):
        yield f"acked at {hug.acked_ms}, and it tells {told}"
    if fate == SENT and hug.acked_ms is None:
        taken = {step["provider"] for step in steps if step["what"] == "push_accepted"}
        if taken != set(member.devices) or not told.count("push_queued") >= told.count("push_accepted"):
            yield f"it was sent to {sorted(member.devices)}, and it tells {steps}"
    elif fate in WHY_NEVER:
        if told != ["accepted", "push_suppressed"] or steps[-1]["detail"] != WHY_NEVER[fate]:
            yield f"it was {fate}, and it tells {steps}"
    elif member.sort in WHY_LATER and (
        told != ["accepted", "waiting"] or steps[-1]["detail"] != WHY_LATER[member.sort]
    ):
        yield f"it waits, and it tells {steps}"


async def _by_command(stack: Stack, hug: str) -> list[dict[str, Any]]:
    """The steps that an operator is told."""
    pipe = asyncio.subprocess.PIPE
    arguments = ["trace", hug, "--json", "--data", str(stack.folder / "data")]
    process = await asyncio.create_subprocess_exec(HUGMOOD, *arguments, stdout=pipe)
    out, _ = await process.communicate()
    assert process.returncode == 0
    return [json.loads(line) for line in out.splitlines()]
