/* Requests and responses of one byte, `size` of them one after another, over standard output and input. */
#include "runtime.h"

static uint32_t run(uint32_t size)
{
    char byte = 'r';
    for (uint32_t done = 0; done < size; done += 1) {
        if (system_call(WRITE, 1, (long)&byte, 1) != 1 || system_call(READ, 0, (long)&byte, 1) != 1) return done;
    }
    return size;
}
