#include "pairing.h"

/* Cantor's pairing function. */
unsigned long pairing_of(unsigned long x, unsigned long y) { return (x + y) * (x + y + 1) / 2 + y; }
