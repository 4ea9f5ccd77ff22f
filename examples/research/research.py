"""Numbers from two C libraries: GMP, of the system, and one that was built from source."""

import sys

import gmpy2
import paired


def main() -> None:
    x, y = map(int, sys.argv[1:3])
    number = gmpy2.mpz(paired.of(x, y))
    print(number, "is prime" if gmpy2.is_prime(number) else "is not prime")
