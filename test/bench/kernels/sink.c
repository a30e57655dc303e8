/* The receiving end of a stream, which is its standard input: takes `size` pieces of 64 KiB. Its result is the answer that the sender waits for. */
#include "runtime.h"

static uint32_t run(uint32_t size)
{
    static char piece[64 * 1024];
    uint64_t left = (uint64_t)size * sizeof piece;
    while (left > 0) {
        const long got = system_call(READ, 0, (long)piece, (long)(left < sizeof piece ? left : sizeof piece));
        if (got <= 0) return 0;
        left -= (uint64_t)got;
    }
    return size;
}
