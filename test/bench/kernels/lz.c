/* Compression of text by references to what came before, and back again; `size` passes over 128 KiB. */
#include "runtime.h"

#define TEXT_BYTES (128 * 1024)
#define HASH_BITS 12
#define SHORTEST 4
#define LONGEST (SHORTEST + 127)
#define FARTHEST 65535

static uint8_t text[TEXT_BYTES];
static uint8_t packed[TEXT_BYTES * 2];
static uint8_t unpacked[TEXT_BYTES];
/* Where four bytes with this hash were seen last, plus 1. */
static uint32_t seen[1 << HASH_BITS];

static const char *const words[] = {
    "guest ", "house ", "the ", "key ", "breakfast ", "of ", "window\n", "and ", "stairs ", "a ", "lamp ", "under ", "garden ",
    "with ", "quiet ", "door.\n",
};

static void write_text(uint32_t *random)
{
    size_t at = 0;
    while (at < TEXT_BYTES) {
        uint32_t chosen = next_random(random);
        for (const char *letter = words[chosen >> 8 & 15]; *letter != 0 && at < TEXT_BYTES; letter += 1) text[at++] = (uint8_t)*letter;
        if ((chosen & 7) == 0 && at < TEXT_BYTES) text[at++] = (uint8_t)('0' + (chosen >> 16) % 10);
    }
}

static uint32_t hash(const uint8_t *bytes)
{
    uint32_t four = bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
    return four * 2654435761u >> (32 - HASH_BITS);
}

/* A byte below 128 says how many plain bytes less one follow, one from 128 how long a reference is; then its distance. */
static size_t pack(void)
{
    for (size_t slot = 0; slot < sizeof seen / sizeof seen[0]; slot += 1) seen[slot] = 0;
    size_t out = 0;
    size_t plain = 0;
    size_t at = 0;
    while (at < TEXT_BYTES) {
        size_t length = 0;
        size_t distance = 0;
        if (at + SHORTEST <= TEXT_BYTES) {
            uint32_t *slot = &seen[hash(text + at)];
            if (*slot != 0 && at - (*slot - 1) <= FARTHEST) {
                distance = at - (*slot - 1);
                while (length < LONGEST && at + length < TEXT_BYTES && text[at + length] == text[at + length - distance]) length += 1;
            }
            *slot = (uint32_t)at + 1;
        }
        int found = length >= SHORTEST;
        if (!found) {
            plain += 1;
            at += 1;
        }
        if (plain == 128 || (plain > 0 && (found || at == TEXT_BYTES))) {
            packed[out++] = (uint8_t)(plain - 1);
            for (size_t index = 0; index < plain; index += 1) packed[out++] = text[at - plain + index];
            plain = 0;
        }
        if (found) {
            packed[out++] = (uint8_t)(128 + length - SHORTEST);
            packed[out++] = (uint8_t)distance;
            packed[out++] = (uint8_t)(distance >> 8);
            at += length;
        }
    }
    return out;
}

static size_t unpack(size_t packed_bytes)
{
    size_t out = 0;
    for (size_t at = 0; at < packed_bytes;) {
        uint32_t control = packed[at++];
        if (control < 128) {
            for (uint32_t index = 0; index <= control; index += 1) unpacked[out++] = packed[at++];
        } else {
            size_t distance = packed[at] | (size_t)packed[at + 1] << 8;
            at += 2;
            for (uint32_t index = 0; index < control - 128 + SHORTEST; index += 1, out += 1) unpacked[out] = unpacked[out - distance];
        }
    }
    return out;
}

static uint32_t run(uint32_t size)
{
    uint32_t random = 4;
    uint32_t sum = 0;
    for (uint32_t pass = 0; pass < size; pass += 1) {
        write_text(&random);
        size_t packed_bytes = pack();
        if (unpack(packed_bytes) != TEXT_BYTES) return 0;
        for (size_t at = 0; at < TEXT_BYTES; at += 1) {
            if (text[at] != unpacked[at]) return 0;
        }
        sum = mix(sum, (uint32_t)packed_bytes);
        for (size_t at = 0; at < packed_bytes; at += 1) sum = mix(sum, packed[at]);
    }
    return sum;
}
