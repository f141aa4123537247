"""A receipt from end to end: a client calls, an operator proves the call, and a third party with a
public key holds the client's bytes against the proof."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

from gateway_rig import CHAT, HELLO, STREAM
from processes import ADMIN, FEDERATION, KEPT, serving, write_config
from scripted import Talk, Upstream, chunk, completion

PAGE = Path(__file__).parents[2] / "docs/how-to/prove-what-was-said.md"
WORDS = chunk("Hel"), chunk("lo."), chunk(finish="stop")


async def _answers(talk: Talk) -> None:
    if not talk.seen.json.get("stream"):
        await talk.answer(completion())
        return
    await talk.begin_stream()
    for word in WORDS:
        await talk.event(word)
    await talk.end_stream()


async def test_a_third_party_is_shown_what_was_said_and_answered(tmp_path: Path) -> None:
    async with Upstream(_answers) as upstream:
        config = write_config(tmp_path, upstream.url, FEDERATION)
        async with serving(tmp_path, config, workers=1) as service, service.client() as client:

            async def run(*command: str) -> subprocess.CompletedProcess[str]:
                environment = {name: os.environ[name] for name in KEPT if name in os.environ}
                environment |= {"FEDERATION_URL": service.url, "FEDERATION_API_KEY": ADMIN}
                environment |= {"FEDERATION_CONFIG_DIR": str(config), "NO_COLOR": "1"}
                environment |= {"FEDERATION_DATA_DIR": str(service.data)}
                work = [sys.executable, "-m", *command]
                return await asyncio.to_thread(
                    subprocess.run, work, env=environment, capture_output=True, text=True
                )

            async def shown(command: str, **values: str) -> subprocess.CompletedProcess[str]:
                """Run the page's command with these values in it."""
                (line,) = [
                    each for each in PAGE.read_text().splitlines() if each.startswith(command)
                ]
                words = [values.get(word.partition(".")[0], word) for word in line.split()]
                program = {"federation": "federation.cli.main"}.get(
                    words[0], "federation_verify.main"
                )
                return await run(program, *words[1:])

            calls: dict[str, tuple[Path, Path]] = {}
            for name, body in (("whole", HELLO), ("streamed", STREAM)):
                reply = await client.post(CHAT, json=body)
                assert reply.status_code == 200
                said, got = tmp_path / f"{name}.said", tmp_path / f"{name}.got"
                said.write_bytes(reply.request.content)
                got.write_bytes(reply.content)
                calls[reply.headers["x-federation-call-id"]] = said, got
            key = tmp_path / "auditor.key"
            made = await run("federation.cli.main", "audit", "checkpoint", "--now", "--json")
            assert made.returncode == 0, made.stderr
            key.write_text(json.loads(made.stdout)["public"])
            for call, (said, got) in calls.items():
                proof = str(tmp_path / "proof.json")
                given = {"CALL_ID": call, "request": str(said), "answer": str(got)}
                given |= {"proof": proof, "auditor": str(key)}
                checked = await shown("federation audit receipt", **given)
                assert checked.returncode == 0, checked.stderr
                assert "NOT THE SAME" not in checked.stdout
                wrong = await shown("federation audit receipt", **given | {"request": str(got)})
                assert (wrong.returncode, "input: NOT THE SAME" in wrong.stdout) == (1, True)
                receipt = await run("federation.cli.main", "audit", "receipt", call, "--json")
                given["SALT"] = json.loads(receipt.stdout)["salt"]
                assert (await shown("federation audit prove", **given)).returncode == 0
                good = await shown("federation-verify", **given)
                assert good.returncode == 0, good.stdout + good.stderr
                assert "the inclusion proof holds" in good.stdout
                bad = await shown("federation-verify", **given | {"request": str(got)})
                assert (bad.returncode, "[content]" in bad.stdout) == (1, True)
                judge = ("federation_verify.main", proof, "--key", str(key))
                salt = ("--salt", given["SALT"])
                for usage in (("--input", str(said)), salt, ("--salt", "x", "--input", str(said))):
                    assert (await run(*judge, *usage)).returncode == 2
