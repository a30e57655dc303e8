/* The sieve of Eratosthenes over 512 KiB of flags; `size` passes. */
#include "runtime.h"

#define LIMIT (512u * 1024)

static uint8_t composite[LIMIT];

static uint32_t run(uint32_t size)
{
    uint32_t sum = 0;
    for (uint32_t pass = 0; pass < size; pass += 1) {
        for (uint32_t n = 0; n < LIMIT; n += 1) composite[n] = 0;
        uint32_t primes = 0;
        for (uint32_t n = 2; n < LIMIT; n += 1) {
            if (composite[n]) continue;
            primes += 1;
            for (uint32_t multiple = 2 * n; multiple < LIMIT; multiple += n) composite[multiple] = 1;
        }
        sum = mix(sum, primes);
    }
    return sum;
}
