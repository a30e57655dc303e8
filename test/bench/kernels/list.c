/* A walk along a linked list that lies shuffled in 512 KiB; `size` thousand steps. */
#include "runtime.h"

#define COUNT (16 * 1024)

union node {
    struct { union node *next; uint32_t value; } link;
    uint8_t bytes[32];
};

static union node nodes[COUNT];
static uint32_t order[COUNT];

static uint32_t run(uint32_t size)
{
    uint32_t random = 3;
    for (uint32_t index = 0; index < COUNT; index += 1) order[index] = index;
    for (uint32_t index = COUNT - 1; index > 0; index -= 1) {
        uint32_t other = next_random(&random) % (index + 1);
        uint32_t swapped = order[index];
        order[index] = order[other];
        order[other] = swapped;
    }
    for (uint32_t index = 0; index < COUNT; index += 1) {
        nodes[order[index]].link.next = &nodes[order[(index + 1) % COUNT]];
        nodes[order[index]].link.value = next_random(&random);
    }
    uint32_t sum = 0;
    const union node *node = nodes;
    for (uint32_t thousand = 0; thousand < size; thousand += 1) {
        for (int step = 0; step < 1000; step += 1) {
            sum = (sum << 1 | sum >> 31) ^ node->link.value;
            node = node->link.next;
        }
    }
    return sum;
}
