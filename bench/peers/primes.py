"""threads_demo.ts's computation on Python threads: primes.py LIMIT THREADS.

Prints how many there are, and the ms that it took once the threads were asked.
"""

import sys
import threading
import time


def count(limit: int, share: int, shares: int) -> int:
    primes = 0
    for block in range(share * 1000, limit, shares * 1000):
        for n in range(max(2, block), min(limit, block + 1000)):
            divisor = 2
            while divisor * divisor <= n and n % divisor != 0:
                divisor += 1
            if divisor * divisor > n:
                primes += 1
    return primes


limit, shares = int(sys.argv[1]), int(sys.argv[2])
found = [0] * shares


def work(share: int) -> None:
    found[share] = count(limit, share, shares)


begin = time.perf_counter()
threads = [threading.Thread(target=work, args=(share,)) for share in range(shares)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(sum(found), (time.perf_counter() - begin) * 1000)
