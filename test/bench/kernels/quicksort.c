/* Quicksort with the middle element as pivot, `size` times over 128 Ki numbers without an order. */
#include "runtime.h"

#define COUNT (128 * 1024)

static uint32_t numbers[COUNT];

static void sort(uint32_t *first, uint32_t *last)
{
    while (first < last) {
        uint32_t pivot = first[(last - first) / 2];
        uint32_t *low = first;
        uint32_t *high = last;
        while (low <= high) {
            while (*low < pivot) low += 1;
            while (*high > pivot) high -= 1;
            if (low > high) break;
            uint32_t swapped = *low;
            *low++ = *high;
            *high-- = swapped;
        }
        sort(first, high);
        first = low;
    }
}

static uint32_t run(uint32_t size)
{
    uint32_t random = 2;
    uint32_t sum = 0;
    for (uint32_t pass = 0; pass < size; pass += 1) {
        for (int index = 0; index < COUNT; index += 1) numbers[index] = next_random(&random);
        sort(numbers, numbers + COUNT - 1);
        for (int index = 0; index < COUNT; index += 1) sum = mix(sum, numbers[index]);
    }
    return sum;
}
