/* Page faults: memory is asked for, each of its 64 pages touched, and given back; `size` times. */
#include "runtime.h"

#define PAGE_BYTES 4096
#define PAGES 64

static uint32_t run(uint32_t size)
{
    uint32_t sum = 0;
    for (uint32_t done = 0; done < size; done += 1) {
        uint8_t *memory = map_memory(PAGES * PAGE_BYTES);
        if ((uintptr_t)memory > (uintptr_t)-PAGE_BYTES) return 0;
        for (int page = 0; page < PAGES; page += 1) {
            /* Zero when it is new, and written to when it isn't only read. */
            sum += memory[page * PAGE_BYTES] + 1u;
            memory[page * PAGE_BYTES + page] = 0xff;
        }
        system_call(MUNMAP, (long)memory, PAGES * PAGE_BYTES, 0);
    }
    return sum;
}
