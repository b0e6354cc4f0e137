"""Threads: section 4', multithreading, beside scripts/threads_demo.ts.

Python's threads share everything, and take turns: the global interpreter lock (GIL)
lets one run at a time. While one waits, others run; computing is not made faster.
"""
import argparse, concurrent.futures, os, signal, sys, threading, time

def compteur(nom):
    """The course's counter."""
    for i in range(3):
        print(f"{nom} : {i}\n", end="")  # One write: the lines of two must not mix.
        time.sleep(0.1)  # Waits without the GIL: the other thread counts meanwhile.

def count_primes(begin):
    """Counts the primes in a block of 5000 numbers."""
    primes = 0
    for n in range(max(2, begin), begin + 5000):
        divisor = 2
        while divisor * divisor <= n and n % divisor:
            divisor += 1
        if divisor * divisor > n:
            primes += 1
    return primes

def measure(executor, name):
    """Draws how long the same work takes one, two… of them."""
    alone = 0
    for workers in range(1, min(8, os.cpu_count()) + 1):
        with executor(workers) as pool:
            begin = time.perf_counter()
            total = sum(pool.map(count_primes, range(0, 300_000, 5000)))
            seconds = time.perf_counter() - begin
        alone = alone or seconds
        result = f"{'█' * round(30 * seconds / alone)} {seconds:.2f} s"
        print(f"{name} : {workers} {result}, ×{alone / seconds:.2f} ({total} trouvés)")

def main():
    parser = argparse.ArgumentParser()
    parser.error = sys.exit  # Wrong usage is one line on stderr, as all trouble is.
    parser.add_argument("--work", action="store_true")
    if parser.parse_args().work:
        print("Nombres premiers inférieurs à 300 000")
        measure(concurrent.futures.ThreadPoolExecutor, "threads")
        # Processes have a GIL each, as Web Workers have a world each. From Python 3.14
        # on, InterpreterPoolExecutor does the same within one process.
        measure(concurrent.futures.ProcessPoolExecutor, "processus")
        return
    a = threading.Thread(target=compteur, args=["Thread A"])
    b = threading.Thread(target=compteur, args=["Thread B"])
    a.start()
    b.start()
    a.join()  # Waits for its end.
    b.join()
    print("Les deux threads ont fini")

signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends all without a traceback.
if __name__ == "__main__":
    main()
