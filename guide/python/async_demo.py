"""Synchronous and asynchronous waiting, drawn: beside scripts/async_demo.ts.

Synchronous: wait for A to end before B begins. Asynchronous: begin them all, and come
back to each when it is ready; in one thread. It pays where a program waits.
"""
import argparse, asyncio, signal, sys, time

async def sequential(tasks):
    """One after the other: the waits add up."""
    origin = time.perf_counter()
    return [await request(name, ms, origin) for name, ms in tasks]

async def concurrent(tasks):
    """All at once: as long as the longest."""
    origin = time.perf_counter()
    # A call of an `async def` begins nothing; `gather` does, and waits for all.
    return await asyncio.gather(*[request(name, ms, origin) for name, ms in tasks])

async def request(name, ms, origin):
    """Waits as a program waits for a server: others run meanwhile."""
    start = time.perf_counter() - origin
    await asyncio.sleep(ms / 1000)  # time.sleep would stop all of them.
    return name, 1000 * start, 1000 * (time.perf_counter() - origin)

def draw(spans):
    """Draws them under each other; a column stands for 30 ms. Returns the last end."""
    for name, start, end in spans:
        before = round(start / 30)
        during = max(1, round(end / 30) - before)
        print(f"  {name} │{' ' * before}{'█' * during} fin à {end:.0f} ms")
    return max(end for _, _, end in spans)

def main():
    parser = argparse.ArgumentParser()
    parser.error = sys.exit  # Wrong usage is one line on stderr, as all trouble is.
    parser.parse_args()
    tasks = [("A", 600), ("B", 300), ("C", 450)]
    print("Synchrone : on attend la fin de A pour commencer B")
    before = draw(asyncio.run(sequential(tasks)))
    print("Asynchrone : on commence tout, on reprend ce qui est prêt")
    after = draw(asyncio.run(concurrent(tasks)))
    print(f"Les trois attentes : {before:.0f} ms à la suite, {after:.0f} ms ensemble")

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it without a traceback.
    main()
