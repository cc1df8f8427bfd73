# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks for trials and tells results, with asyncio: four at once. HONE_URL and HONE_TOKEN name a service, or one is started."""
import asyncio
import os

import hone_client


async def main():
    async with hone_client.AsyncClient(start=True) as c:
        space = {"x": hone_client.uniform(-5, 5), "kind": ["flat", "steep"]}
        e = await c.create(space=space, objective=hone_client.minimize("loss"), max_trials=int(os.environ.get("HONE_EXAMPLE_TRIALS", 20)))

        async def worker():
            async for t in e.work():
                async with t:
                    await asyncio.sleep(0.01)  # what you wait for
                    await t.tell(loss=abs(t["x"] - 1) * (1 if t["kind"] == "flat" else 3))

        await asyncio.gather(*[worker() for _ in range(4)])
        best = await e.best()
        print(f"best {best.value:.4f} {best.params}")


asyncio.run(main())
