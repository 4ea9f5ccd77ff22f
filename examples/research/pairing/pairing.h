unsigned long pairing_of(unsigned long x, unsigned long y);
