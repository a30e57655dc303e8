/* The cheapest question to the kernel, `size` times. */
#include "runtime.h"

static uint32_t run(uint32_t size)
{
    long parent = system_call(GETPPID, 0, 0, 0);
    uint32_t same = 0;
    for (uint32_t done = 0; done < size; done += 1) same += system_call(GETPPID, 0, 0, 0) == parent;
    return same;
}
